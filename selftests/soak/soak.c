// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guests that write patterns and verify them in guest code, for a number of
 * seconds, while the merge engine runs and all that can disturb them happens:
 * run goes between 1, 2 and 0, memory of a neighbour is punched, machines are
 * killed and started again. A wrong byte ends a machine's process with status 1,
 * and the whole with failure.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "knobs.h"
#include "vm.h"

#define MACHINES 5

static unsigned int seconds = 60, pages = 1024;

/* Rounds that machines completed, shared with them. */
static volatile unsigned long *rounds;

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

/* A gmem that nobody maps but this thread is written, punched and verified. */
static void *punch_neighbour(void *arg)
{
	int fd = (long)arg;
	u8 *p = gmem_map(fd, 2 * MIB);
	u32 random = getpid(), i;
	u64 shadow[512] = { };

	for (;;) {
		random = random * 1664525 + 1013904223;
		i = random >> 23;
		if (*(volatile u64 *)(p + i * PAGE_SIZE) != shadow[i])
			fail("the mapping's page %u is wrong", i);
		if (random & 64) {
			shadow[i] = random % 7;
			*(volatile u64 *)(p + i * PAGE_SIZE) = shadow[i];
		} else {
			CHECKED(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
					  i * PAGE_SIZE, PAGE_SIZE));
			shadow[i] = 0;
		}
		if (random % 256 == 0)
			usleep(1000);
	}
	return NULL;
}

static bool count_round(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;

	if (run->exit_reason != KVM_EXIT_IO || run->io.port != GUEST_PORT_TRACE)
		return false;
	__atomic_fetch_add(rounds, 1, __ATOMIC_RELAXED);
	return true;
}

static void machine(unsigned int index)
{
	struct vm *vm = vm_new(&(struct vm_config) {
		.ram = 4 * MIB + pages * PAGE_SIZE, .user = index == MACHINES - 1 });
	pthread_t thread;

	if (tap.gmem)
		pthread_create(&thread, NULL, punch_neighbour, (void *)(long)gmem_new(2 * MIB, 0));
	vm->on_exit = count_round;
	vm_var(vm, u64, "g_seed") = index / 2 + 1;
	vm_var(vm, u64, "g_pages") = pages;
	vcpu_call(&vm->vcpu[0], "g_soak", 0);
	vcpu_run_done(&vm->vcpu[0]);
	fail("the guest ended");
}

static pid_t start(unsigned int index)
{
	pid_t pid = fork();

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		machine(index);
		_exit(1);
	}
	return pid;
}

/* A machine that ended by itself found something wrong. */
static bool all_alive(pid_t *machines)
{
	unsigned int i;
	int status;

	for (i = 0; i < MACHINES; i++)
		if (waitpid(machines[i], &status, WNOHANG) == machines[i]) {
			note("machine %u ended with status %#x", i, status);
			return false;
		}
	return true;
}

static void restart(pid_t *machines, unsigned int index)
{
	kill(machines[index], SIGKILL);
	waitpid(machines[index], NULL, 0);
	machines[index] = start(index);
}

static void set_run(long value)
{
	if (tap.ditto && knob_write(DITTO_KSM "run", value))
		fail(DITTO_KSM "run = %ld: %s", value, strerror(errno));
}

static void signal_all(const pid_t *machines, int number)
{
	for (unsigned int i = 0; i < MACHINES; i++)
		kill(machines[i], number);
}

/*
 * For some passes of the engine nobody writes. The engine is nicer than the machines are, and
 * on a slow host its share does not take it round before they have written everything anew.
 */
static void calm(const pid_t *machines)
{
	long until = knob_read(DITTO_KSM "full_scans") + 4;
	double limit = now() + 30;

	signal_all(machines, SIGSTOP);
	while (knob_read(DITTO_KSM "full_scans") < until && now() < limit)
		usleep(10000);
	signal_all(machines, SIGCONT);
}

/* Everything that disturbs, one at a time, some each second. */
static bool disturb(pid_t *machines)
{
	static const long runs[] = { 1, 1, 1, 2, 1, 0 };
	double end = now() + seconds;
	unsigned int step, best = 0;
	long sharing, run = 1;

	srandom(1);
	for (step = 0; now() < end; step++) {
		usleep(300000 + random() % 400000);
		if (!all_alive(machines))
			return false;
		if (tap.ditto && run == 1 && step % 4 == 2)
			calm(machines);
		sharing = tap.ditto ? knob_read(DITTO_KSM "pages_sharing") : 0;
		if (sharing > (long)best)
			best = sharing;
		if (step % 4 == 3)
			set_run(run = runs[step / 4 % ARRAY_SIZE(runs)]);
		if (step % 10 == 9)
			restart(machines, random() % MACHINES);
		if (step % 40 == 0)
			note("%.0f s left, %lu rounds, %ld pages sharing", end - now(), *rounds,
			     sharing);
	}
	note("%lu rounds, at most %u pages sharing", *rounds, best);
	if (tap.ditto && tap.gmem && !best) {
		note("nothing was ever merged");
		return false;
	}
	return *rounds > 0;
}

static void soak(const void *arg)
{
	pid_t machines[MACHINES];
	unsigned int i;
	bool right;

	rounds = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (tap.ditto) {
		knob_write(DITTO_KSM "sleep_millisecs", 5);
		knob_write(DITTO_KSM "pages_to_scan", 2000);
	}
	set_run(1);
	for (i = 0; i < MACHINES; i++)
		machines[i] = start(i);
	right = disturb(machines);
	for (i = 0; i < MACHINES; i++) {
		kill(machines[i], SIGKILL);
		waitpid(machines[i], NULL, 0);
	}
	set_run(2);
	set_run(0);
	if (!right)
		fail("see above");
}

/* SOAK_SECONDS and SOAK_PAGES in the environment say how long and how much. */
int main(int argc, char **argv)
{
	struct tap_test tests[] = { { "soak", soak } };

	if (getenv("SOAK_SECONDS"))
		seconds = atoi(getenv("SOAK_SECONDS"));
	if (getenv("SOAK_PAGES"))
		pages = atoi(getenv("SOAK_PAGES"));
	/* The last calm may begin at the end. */
	tests[0].seconds = seconds + 90;
	return tap_main(argc, argv, tests, 1);
}
