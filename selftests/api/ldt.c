// SPDX-License-Identifier: GPL-2.0-only
/*
 * The thread's own local descriptor table, which another thread changes while this one
 * is in the guest: what KVM_RUN leaves behind must be the present table, never one that
 * was freed. Needs two CPUs, each with one of the threads.
 */
#include <asm/ldt.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vm.h"

#define ROUNDS		6
#define SELECTOR	7	/* entry 0 of the LDT, of user mode */
#define SPIN_NS		300000000l

static volatile pthread_t runner;
static unsigned int next_limit = 0x100;

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		skip("no CPU %d", cpu);
}

static void set_limit(unsigned int limit)
{
	struct user_desc desc = { .limit = limit, .seg_32bit = 1, .useable = 1 };

	if (syscall(SYS_modify_ldt, 0x11, &desc, sizeof(desc)) == -1 && errno == ENOSYS)
		skip("no modify_ldt()");
}

/* The limit of the segment as the CPU finds it in memory; -1: there is none. */
static long limit_now(void)
{
	unsigned long limit;
	bool found;

	asm volatile("lsl %2, %0" : "=r"(limit), "=@ccz"(found) : "r"(SELECTOR * 1ul));
	return found ? (long)limit : -1;
}

static void on_signal(int signal)
{
}

static void *change(void *arg)
{
	const struct timespec wait = { .tv_nsec = SPIN_NS };

	pin(1);
	nanosleep(&wait, NULL);
	set_limit(next_limit);
	nanosleep(&wait, NULL);
	pthread_kill(runner, SIGUSR1);
	return NULL;
}

/* In the guest, with exits, while the other thread changes the table. */
static void run_while_changed(struct vcpu *vcpu)
{
	pthread_t changer;

	next_limit++;
	ASSERT(!pthread_create(&changer, NULL, change, NULL));
	ASSERT_EQ(vcpu_enter(vcpu), -EINTR);
	ASSERT_EQ(limit_now(), next_limit);
	pthread_join(changer, NULL);
	ASSERT_EQ(limit_now(), next_limit);
}

static void changed(const void *had_one)
{
	const struct sigaction action = { .sa_handler = on_signal };
	struct vm *vm = vm_new(NULL);
	int i;

	pin(1);
	pin(0);
	sigaction(SIGUSR1, &action, NULL);
	runner = pthread_self();
	vcpu_call(&vm->vcpu[0], "g_spin_forever", 0);
	if (had_one)
		set_limit(next_limit);
	for (i = 0; i < ROUNDS; i++)
		run_while_changed(&vm->vcpu[0]);
	vm_free(vm);
}

static const struct tap_test tests[] = {
	{ "changed", changed, "had one", .seconds = 60 },
	{ "first", changed, NULL, .seconds = 60 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, tests, ARRAY_SIZE(tests));
}
