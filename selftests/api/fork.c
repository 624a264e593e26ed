// SPDX-License-Identifier: GPL-2.0-only
/*
 * DITTO_FORK: a machine becomes two, whatever its vCPUs are doing, and each goes on as if it
 * were alone. The children's memory is looked at through fds of its own.
 */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "forked.h"
#include "knobs.h"

/* A guest that runs all the time does so in both, and neither sees what the other writes. */
static void runs(const void *arg)
{
	struct vm *vm = counting(), *child = fork_vm(vm);
	u64 at = count_of(child, 0);

	must_count(vm);
	ASSERT_EQ(count_of(child, 0), at);
	ASSERT_EQ(vm_var(child, u64, "g_fork_nonce"), NONCE);
	start_all(child);
	must_count(child);
	vm_var(child, u64, "g_fork_nonce") = NONCE;
	stop(child);
	must_count(vm);
	stop(vm);
	ASSERT(count_of(child, 0) > at && count_of(vm, 0) > at);
	vm_free(child);
	vm_free(vm);
}

/* Registers and memory of two vCPUs are of one instant. */
static void two_vcpus(const void *arg)
{
	struct vm *vm = counting_in_turns(), *child;
	unsigned int i;

	for (i = 0; i < 10; i++) {
		must_count(vm);
		child = fork_vm(vm);
		ASSERT(count_of(child, 0) - count_of(child, 1) <= 1);
		start_all(child);
		must_count(child);
		stop(child);
		vm_free(child);
	}
	stop(vm);
	vm_free(vm);
}

struct halt_case {
	const char *guest;
	u64 arg;
	bool pit;
};

/* The parent is halted and its timer runs: it fires as often as it should in each. */
static void halted(const void *arg)
{
	const struct halt_case *c = arg;
	struct vm *vm = vm_new(&(struct vm_config) { .pit = c->pit }), *child;

	vcpu_call(&vm->vcpu[0], c->guest, c->arg);
	vcpu_start(&vm->vcpu[0]);
	wait_trace(vm, 1);
	sleep_ms(20);
	child = fork_vm(vm);
	start_all(child);
	vcpu_join(&child->vcpu[0]);
	vcpu_join(&vm->vcpu[0]);
	vm_free(child);
	vm_free(vm);
}

/* The child is run long after its timer should have fired: it still does, once. */
static void late(const void *arg)
{
	const struct halt_case *c = arg;
	struct vm *vm = vm_new(NULL), *child;

	vcpu_call(&vm->vcpu[0], c->guest, c->arg);
	vcpu_start(&vm->vcpu[0]);
	wait_trace(vm, 1);
	child = fork_vm(vm);
	vcpu_join(&vm->vcpu[0]);
	vm_free(vm);
	sleep_ms(50);
	vcpu_run_done(&child->vcpu[0]);
	vm_free(child);
}

static void deadline(const void *arg)
{
	struct kvm_cpuid_entry2 *e = cpuid_find(cpuid_supported(), 1, 0);

	if (!(e->ecx & 1 << 24))
		skip("the CPU has no TSC deadline");
	halted(arg);
}

/* One exit, two answers. */
static void unfinished(const void *arg)
{
	bool mmio = arg;
	struct vm *vm = vm_new(NULL), *child;
	struct vcpu *vcpu = &vm->vcpu[0];
	u32 answers[2] = { 0x11223344, 0x55667788 }, i;

	vcpu_call(vcpu, "g_fork_reads", mmio);
	ASSERT_EQ(vcpu_enter(vcpu), mmio ? KVM_EXIT_MMIO : KVM_EXIT_IO);
	child = fork_vm(vm);
	for (i = 0; i < 2; i++) {
		struct vm *m = i ? child : vm;
		struct kvm_run *run = m->vcpu[0].run;

		ASSERT_EQ(run->exit_reason, mmio ? KVM_EXIT_MMIO : KVM_EXIT_IO);
		memcpy(mmio ? run->mmio.data : (u8 *)run + run->io.data_offset, &answers[i], 4);
		vcpu_run_done(&m->vcpu[0]);
		ASSERT_EQ(m->traces[0], answers[i]);
		ASSERT_EQ(vm_var(m, u32, "g_fork_answer"), answers[i]);
	}
	vm_free(child);
	vm_free(vm);
}

/* What a vCPU holds, while its VMM has it. */
static void in_user_space(const void *arg)
{
	const struct halt_case *c = arg;
	struct vm *vm = vm_new(NULL), *child;
	struct kvm_regs regs[2];
	struct kvm_sregs sregs[2];

	vcpu_call(&vm->vcpu[0], c->guest, c->arg);
	ASSERT_EQ(vcpu_enter(&vm->vcpu[0]), KVM_EXIT_IO);
	child = fork_vm(vm);
	regs[0] = vcpu_regs(&vm->vcpu[0]);
	regs[1] = vcpu_regs(&child->vcpu[0]);
	ASSERT(!memcmp(&regs[0], &regs[1], sizeof(regs[0])));
	sregs[0] = vcpu_sregs(&vm->vcpu[0]);
	sregs[1] = vcpu_sregs(&child->vcpu[0]);
	ASSERT(!memcmp(&sregs[0], &sregs[1], sizeof(sregs[0])));
	vcpu_run_done(&child->vcpu[0]);
	vcpu_run_done(&vm->vcpu[0]);
	vm_free(child);
	vm_free(vm);
}

static void send_nmi(struct vm *vm)
{
	CHECKED(ioctl(vm->vcpu[0].fd, KVM_NMI, 0));
}

/* An NMI that was sent and not taken comes once in each; also one that waits for another's end. */
static void nmi_waits(const void *arg)
{
	struct vm *vm = vm_new(NULL), *before, *within;

	vcpu_call(&vm->vcpu[0], "g_nmi", 0);
	ASSERT_EQ(vcpu_enter(&vm->vcpu[0]), KVM_EXIT_IO);
	send_nmi(vm);
	before = fork_vm(vm);
	/* The next exit is in the handler of the first. */
	ASSERT_EQ(vcpu_enter(&vm->vcpu[0]), KVM_EXIT_IO);
	send_nmi(vm);
	within = fork_vm(vm);
	vcpu_run_done(&within->vcpu[0]);
	vcpu_run_done(&vm->vcpu[0]);
	ASSERT_EQ(vcpu_enter(&before->vcpu[0]), KVM_EXIT_IO);
	send_nmi(before);
	vcpu_run_done(&before->vcpu[0]);
	vm_free(within);
	vm_free(before);
	vm_free(vm);
}

static volatile unsigned int alarms;

static void on_alarm(int sig)
{
	alarms++;
}

/* Alarms for this thread, and for none of those that it starts when @block. */
static void block_alarms(bool block)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	pthread_sigmask(block ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL);
}

static struct vm *fork_under_alarms(struct vm *vm, unsigned int us)
{
	struct itimerval on = { { 0, us }, { 0, us } }, off = { };
	struct vm *child;

	CHECKED(setitimer(ITIMER_REAL, &on, NULL));
	child = fork_vm(vm);
	CHECKED(setitimer(ITIMER_REAL, &off, NULL));
	return child;
}

/* How long a fork takes that nothing disturbs. */
static unsigned int fork_us(struct vm *vm)
{
	u64 begin = now_ms(), ms;

	for (int i = 0; i < 8; i++)
		vm_free(fork_vm(vm));
	ms = (now_ms() - begin) / 8;
	return ms < 800 ? ms * 1000 : 800000;	/* of what setitimer() takes */
}

/*
 * Signals come during the forks, which none of them fails: ten in one, or one in some. More often
 * than a CPU can take them they would keep the thread from everything else.
 */
static void signals(const void *arg)
{
	unsigned int i, took;
	struct vm *vm;

	signal(SIGALRM, on_alarm);
	block_alarms(true);
	vm = counting();
	block_alarms(false);
	took = fork_us(vm);
	for (i = 0; i < 50; i++)
		vm_free(fork_under_alarms(vm, 50 + took / 10 + took * i / 50));
	note("%u alarms", alarms);
	ASSERT(alarms > 0);
	must_count(vm);
	stop(vm);
	vm_free(vm);
}

/* Timers expire all the time, so also while a fork is made: none is lost, none comes twice. */
static void expiring(const void *arg)
{
	struct vm *vm = vm_new(NULL), *child;
	unsigned int i;

	vcpu_call(&vm->vcpu[0], "g_fork_chain", 50000);
	vcpu_start(&vm->vcpu[0]);
	for (i = 0; i < 100; i++) {
		must_count(vm);
		child = fork_vm(vm);
		start_all(child);
		must_count(child);
		must_count(child);
		stop(child);
		vm_free(child);
	}
	must_count(vm);
	stop(vm);
	vm_free(vm);
}

/* The parents go first. */
static void chain(const void *arg)
{
	struct vm *vm = counting(), *child;
	u64 before = 0;
	unsigned int i;

	for (i = 0; i < 6; i++) {
		child = fork_vm(vm);
		ASSERT(count_of(child, 0) > before);
		before = count_of(child, 0);
		stop(vm);
		vm_free(vm);
		vm = child;
		start_all(vm);
		must_count(vm);
	}
	stop(vm);
	vm_free(vm);
}

/* Eight at once, all of which run. */
static void children(const void *arg)
{
	struct vm *vm = counting(), *child[8];
	unsigned int i;

	for (i = 0; i < 8; i++)
		child[i] = fork_vm(vm);
	for (i = 0; i < 8; i++)
		start_all(child[i]);
	for (i = 0; i < 8; i++) {
		must_count(child[i]);
		ASSERT_EQ(vm_var(child[i], u64, "g_fork_nonce"), NONCE);
	}
	must_count(vm);
	for (i = 0; i < 8; i++) {
		stop(child[i]);
		vm_free(child[i]);
	}
	stop(vm);
	vm_free(vm);
}

static unsigned int forks_of_crowd(void)
{
	const char *n = getenv("FORKS");

	return n ? strtoul(n, NULL, 0) : 100;
}

/* What each of so many takes of the host, with what this process needs to use it. */
static void note_taken(const char *when, long before, unsigned int n)
{
	long now = knob_line("/proc/meminfo", "MemAvailable");

	note("%u machines %s: %ld KiB each", n, when, (before - now) / (long)n);
}

/* Many live at once; each has run, and has memory of its own. */
static void crowd(const void *arg)
{
	unsigned int n = forks_of_crowd(), i;
	struct vm *vm = vm_new(&(struct vm_config) { .ram = 64 * MIB });
	struct vm **child = calloc(n, sizeof(*child));
	struct rlimit files = { 4 * n + 1000, 4 * n + 1000 };
	long before;

	CHECKED(setrlimit(RLIMIT_NOFILE, &files));
	vcpu_call(&vm->vcpu[0], "g_fork_exits", 0);
	ASSERT_EQ(vcpu_enter(&vm->vcpu[0]), KVM_EXIT_IO);
	before = knob_line("/proc/meminfo", "MemAvailable");
	for (i = 0; i < n; i++)
		child[i] = fork_vm(vm);
	note_taken("at once", before, n);
	for (i = 0; i < n; i++)
		ASSERT_EQ(vcpu_enter(&child[i]->vcpu[0]), KVM_EXIT_IO);
	note_taken("that have run", before, n);
	for (i = 0; i < n; i++)
		vm_var(child[i], u64, "g_fork_nonce") = NONCE + i;
	note_taken("that have written", before, n);
	for (i = 0; i < n; i++) {
		ASSERT_EQ(vcpu_enter(&child[i]->vcpu[0]), KVM_EXIT_IO);
		ASSERT_EQ(vm_var(child[i], u64, "g_fork_nonce"), NONCE + i);
	}
	for (i = 0; i < n; i++)
		vm_free(child[(i * 7 + 3) % n]);
	ASSERT_EQ(vcpu_enter(&vm->vcpu[0]), KVM_EXIT_IO);
	free(child);
	vm_free(vm);
}

/* A template does not run; its forks do, and so does itself when it is thawed. */
static void frozen(const void *arg)
{
	struct vm *vm = counting(), *template = fork_with(vm, DITTO_FORK_FROZEN), *child;
	u64 at = count_of(template, 0);

	stop(vm);
	vm_free(vm);
	ASSERT_EQ(vcpu_enter(&template->vcpu[0]), -EPERM);
	child = fork_vm(template);
	ASSERT_EQ(count_of(child, 0), at);
	start_all(child);
	must_count(child);
	ASSERT_EQ(count_of(template, 0), at);
	ASSERT_ERRNO(ioctl(child->fd, DITTO_THAW), EINVAL);
	CHECKED(ioctl(template->fd, DITTO_THAW));
	start_all(template);
	must_count(template);
	stop(template);
	vm_free(template);
	stop(child);
	vm_free(child);
}

/* Its time stands still: a timer has as much left as it had, in its forks and in itself. */
static void frozen_time(const void *arg)
{
	struct vm *vm = vm_new(NULL), *template, *child;
	u64 tsc[2], began;

	vcpu_call(&vm->vcpu[0], "g_fork_oneshot", 500 * MS);
	vcpu_start(&vm->vcpu[0]);
	wait_trace(vm, 1);
	template = fork_with(vm, DITTO_FORK_FROZEN);
	vcpu_join(&vm->vcpu[0]);
	vm_free(vm);
	sleep_ms(500);
	began = now_ms();
	child = fork_vm(template);
	tsc[0] = vcpu_msr(&child->vcpu[0], 0x10);
	vcpu_run_done(&child->vcpu[0]);
	ASSERT(now_ms() - began >= 200);
	vm_free(child);
	began = now_ms();
	CHECKED(ioctl(template->fd, DITTO_THAW));
	tsc[1] = vcpu_msr(&template->vcpu[0], 0x10);
	vcpu_run_done(&template->vcpu[0]);
	ASSERT(now_ms() - began >= 200);
	/* Of the time between, neither knows. */
	note("TSC of the fork %#lx, of the template %#lx", tsc[0], tsc[1]);
	ASSERT(tsc[1] > tsc[0] ? tsc[1] - tsc[0] < 300 * MS : tsc[0] - tsc[1] < 300 * MS);
	vm_free(template);
}

static u64 clock_ns(struct vm *vm)
{
	struct kvm_clock_data data;

	CHECKED(ioctl(vm->fd, KVM_GET_CLOCK, &data));
	return data.clock;
}

static void set_tsc(struct vcpu *vcpu, u64 val)
{
	struct { struct kvm_msrs head; struct kvm_msr_entry msr; } set = {
		.head.nmsrs = 1, .msr = { .index = 0x10, .data = val },
	};

	ASSERT_EQ(ioctl(vcpu->fd, KVM_SET_MSRS, &set), 1);
}

/* The VMM reads the time at which a template stands; what it sets goes on when it is thawed. */
static void frozen_set(const void *arg)
{
	struct vm *vm = vm_new(NULL), *template = fork_with(vm, DITTO_FORK_FROZEN);
	struct vcpu *vcpu = &template->vcpu[0];
	struct kvm_clock_data data = { .clock = 5000 * MS };
	u64 ns = clock_ns(template), tsc = vcpu_msr(vcpu, 0x10), began;

	sleep_ms(50);
	ASSERT_EQ(clock_ns(template), ns);
	ASSERT_EQ(vcpu_msr(vcpu, 0x10), tsc);
	CHECKED(ioctl(template->fd, KVM_SET_CLOCK, &data));
	set_tsc(vcpu, 1ull << 50);
	ASSERT_EQ(clock_ns(template), data.clock);
	ASSERT_EQ(vcpu_msr(vcpu, 0x10), 1ull << 50);
	sleep_ms(50);
	began = now_ms();
	CHECKED(ioctl(template->fd, DITTO_THAW));
	ns = clock_ns(template) - data.clock;
	tsc = vcpu_msr(vcpu, 0x10) - (1ull << 50);
	note("since the thaw %lu ns, %lu ticks, in %lu ms", ns, tsc, now_ms() - began);
	ASSERT(ns <= (now_ms() - began + 1) * MS);
	ASSERT(tsc < 1ull << 40);
	vm_free(template);
	vm_free(vm);
}

static u32 timer_ticks(struct vm *vm)
{
	return ((volatile u32 *)vm_symbol(vm, "g_count"))[0x60];
}

/* Nothing interrupts the child, halted or not, before it is unblocked; then what has waited. */
static void blocked(const void *arg)
{
	const struct halt_case *c = arg;
	struct vm *vm = vm_new(NULL), *child;
	u32 ticks;

	vcpu_call(&vm->vcpu[0], c->guest, c->arg);
	vcpu_start(&vm->vcpu[0]);
	wait_trace(vm, 1);
	child = fork_with(vm, DITTO_FORK_BLOCKED);
	ASSERT_ERRNO(ioctl(vm->fd, DITTO_UNBLOCK), EINVAL);
	ticks = timer_ticks(child);
	vcpu_join(&vm->vcpu[0]);
	start_all(child);
	sleep_ms(100);
	ASSERT_EQ(timer_ticks(child), ticks);
	vm_free(fork_vm(child));
	CHECKED(ioctl(child->fd, DITTO_UNBLOCK));
	ASSERT_ERRNO(ioctl(child->fd, DITTO_UNBLOCK), EINVAL);
	vcpu_join(&child->vcpu[0]);
	vm_free(child);
	vm_free(vm);
}

/* Forks of one whose interrupts are blocked have theirs; resets block them again. */
static void blocked_again(const void *arg)
{
	struct vm *vm = vm_new(NULL), *child, *second;
	u32 ticks;

	vcpu_call(&vm->vcpu[0], "g_fork_periodic", 20 * MS);
	vcpu_start(&vm->vcpu[0]);
	wait_trace(vm, 1);
	child = fork_with(vm, DITTO_FORK_BLOCKED | DITTO_FORK_RESETTABLE);
	vcpu_join(&vm->vcpu[0]);
	ticks = timer_ticks(child);
	second = fork_vm(child);
	vcpu_run_done(&second->vcpu[0]);
	ASSERT(timer_ticks(second) >= 20);
	vm_free(second);
	CHECKED(ioctl(child->fd, DITTO_UNBLOCK));
	vcpu_run_done(&child->vcpu[0]);
	CHECKED(ioctl(child->fd, DITTO_RESET));
	vcpu_start(&child->vcpu[0]);
	sleep_ms(100);
	ASSERT_EQ(timer_ticks(child), ticks);
	CHECKED(ioctl(child->fd, DITTO_UNBLOCK));
	vcpu_join(&child->vcpu[0]);
	vm_free(child);
	vm_free(vm);
}

static void answer_hypercall(struct vm *vm, s64 ret)
{
	struct kvm_run *run = vm->vcpu[0].run;

	ASSERT_EQ(run->exit_reason, KVM_EXIT_HYPERCALL);
	ASSERT_EQ(run->hypercall.nr, DITTO_HC_FORK);
	ASSERT_EQ(run->hypercall.args[0], 1);
	run->hypercall.ret = ret;
	vcpu_run_done(&vm->vcpu[0]);
	ASSERT_EQ(vm->traces[0], (u32)ret);
	ASSERT_EQ(vm_var(vm, u32, "g_fork_answer"), (u32)ret);
}

/* A guest asks for it itself, where its VMM lets it; the call returns in both. */
static void hypercall(const void *arg)
{
	struct kvm_enable_cap cap = { .cap = DITTO_CAP_FORK_HYPERCALL, .args[0] = 1 };
	struct vm *vm = vm_new(NULL), *child;

	vcpu_call(&vm->vcpu[0], "g_fork_asks", 1);
	vcpu_run_done(&vm->vcpu[0]);
	ASSERT_EQ(vm->traces[0], (u32)-1000);	/* KVM_ENOSYS */
	vm_free(vm);
	vm = vm_new(NULL);
	ASSERT_EQ(vm_cap(vm, DITTO_CAP_FORK_HYPERCALL), 1);
	cap.args[0] = 2;
	ASSERT_ERRNO(ioctl(vm->fd, KVM_ENABLE_CAP, &cap), EINVAL);
	cap.args[0] = 1;
	CHECKED(ioctl(vm->fd, KVM_ENABLE_CAP, &cap));
	vcpu_call(&vm->vcpu[0], "g_fork_asks", 1);
	ASSERT_EQ(vcpu_enter(&vm->vcpu[0]), KVM_EXIT_HYPERCALL);
	child = fork_vm(vm);
	answer_hypercall(child, 17);
	answer_hypercall(vm, 0);
	vm_free(child);
	vm_free(vm);
}

static unsigned int open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int n = 0;

	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

/* Nothing happens, and nothing stays. */
static void errors(const void *arg)
{
	struct vm *vm = vm_new(&(struct vm_config) { .vcpus = 2 });
	int fds[2] = { -1, -1 };
	struct ditto_fork good = { .capacity = 2, .vcpu_fds = (uintptr_t)fds }, args;
	unsigned int before = open_fds();
	struct rlimit old, low;
	int next;

	args = good;
	args.flags = 1u << 31;
	ASSERT_ERRNO(try_fork(vm, &args), EINVAL);
	args = good;
	args.reserved[1] = 1;
	ASSERT_ERRNO(try_fork(vm, &args), EINVAL);
	args = good;
	args.capacity = 1;
	ASSERT_ERRNO(try_fork(vm, &args), E2BIG);
	ASSERT_EQ(args.count, 2);
	args = good;
	args.vcpu_fds = 8;
	ASSERT_ERRNO(try_fork(vm, &args), EFAULT);
	ASSERT_ERRNO(try_fork(vm, NULL), EFAULT);
	ASSERT_EQ(open_fds(), before);
	CHECKED(getrlimit(RLIMIT_NOFILE, &old));
	/* Room for one of three. */
	next = CHECKED(dup(0));
	close(next);
	low = (struct rlimit) { .rlim_cur = next + 1, .rlim_max = old.rlim_max };
	CHECKED(setrlimit(RLIMIT_NOFILE, &low));
	args = good;
	ASSERT_ERRNO(try_fork(vm, &args), EMFILE);
	CHECKED(setrlimit(RLIMIT_NOFILE, &old));
	ASSERT_EQ(open_fds(), before);
	ASSERT_EQ(fds[0], -1);
	CHECKED(vm_set_slot(vm, 1, 0, 1ull << 32, PAGE_SIZE,
			    mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)));
	args = good;
	ASSERT_ERRNO(try_fork(vm, &args), EBUSY);
	CHECKED(vm_set_slot(vm, 1, 0, 1ull << 32, 0, NULL));
	vm_free(fork_vm(vm));
	ASSERT_EQ(open_fds(), before);
	vm_free(vm);
	vm = vm_new(&(struct vm_config) { .empty = true, .type = SW_PROTECTED_VM });
	ASSERT_ERRNO(try_fork(vm, &args), EOPNOTSUPP);
	vm_free(vm);
}

#define MAX_FORKS	"/sys/module/ditto/parameters/max_forks"
#define NOBODY		65534

/* A user has no more of them than he may; who may have any number is not refused. */
static void limit(const void *arg)
{
	struct vm *vm = vm_new(NULL), *first, *second;
	int fd;
	struct ditto_fork good = { .capacity = 1, .vcpu_fds = (uintptr_t)&fd }, args = good;
	long old = knob_read(MAX_FORKS);
	unsigned int before, i;

	CHECKED(knob_write(MAX_FORKS, 2));
	CHECKED(seteuid(NOBODY));
	first = fork_vm(vm);
	for (i = 0; i < 3; i++) {
		second = fork_vm(vm);
		before = open_fds();
		ASSERT_ERRNO(try_fork(vm, &args), EAGAIN);
		ASSERT_ERRNO(try_fork(second, &args), EAGAIN);
		ASSERT_EQ(open_fds(), before);
		vm_free(second);
		/* With what it can be put back to it would be two. */
		args.flags = DITTO_FORK_RESETTABLE;
		ASSERT_ERRNO(try_fork(vm, &args), EAGAIN);
		args = good;
	}
	second = fork_vm(vm);
	CHECKED(seteuid(0));
	vm_free(fork_vm(vm));
	CHECKED(knob_write(MAX_FORKS, 0));
	CHECKED(seteuid(NOBODY));
	vm_free(fork_vm(vm));
	CHECKED(seteuid(0));
	CHECKED(knob_write(MAX_FORKS, old));
	vm_free(second);
	vm_free(first);
	vm_free(vm);
}

/* A slot over the VMM's mapping of a gmem: the child's is over a fork of that. */
static void window(const void *arg)
{
	struct vm *vm = vm_new(NULL), *child;
	int gmem = gmem_new(2 * MIB, 0), fd;
	u64 *mem = gmem_map(gmem, 2 * MIB), *copy;

	mem[512] = NONCE;
	CHECKED(vm_set_slot(vm, 3, 0, 1ull << 32, MIB, mem + 512));
	child = fork_vm(vm);
	fd = CHECKED(ioctl(child->fd, DITTO_SLOT_GMEM, 3));
	copy = gmem_map(fd, 2 * MIB);
	ASSERT_EQ(copy[512], NONCE);
	mem[512] = 1;
	ASSERT_EQ(copy[512], NONCE);
	ASSERT_ERRNO(ioctl(vm->fd, DITTO_SLOT_GMEM, 3), EINVAL);
	ASSERT_ERRNO(ioctl(vm->fd, DITTO_SLOT_GMEM, 4), ENOENT);
	/* Two mappings under one slot are not copied. */
	CHECKED(mprotect(mem + 1024, PAGE_SIZE, PROT_READ));
	ASSERT_ERRNO(try_fork(vm, &(struct ditto_fork) { .capacity = 8,
		     .vcpu_fds = (uintptr_t)&(int[8]) { 0 } }), EBUSY);
	vm_free(child);
	vm_free(vm);
}

/* Who has a machine cannot write by an fd to what the machine may only read. */
static void readonly(const void *arg)
{
	struct vm *vm = vm_new(NULL), *child;
	int gmem = gmem_new(MIB, 0), fd[2], i;

	*(u64 *)gmem_map(gmem, MIB) = NONCE;
	CHECKED(vm_set_gmem_slot(vm, 3, KVM_MEM_READONLY, 1ull << 32, MIB, gmem, 0));
	child = fork_vm(vm);
	fd[0] = CHECKED(ioctl(vm->fd, DITTO_SLOT_GMEM, 3));
	fd[1] = CHECKED(ioctl(child->fd, DITTO_SLOT_GMEM, 3));
	for (i = 0; i < 2; i++) {
		u64 *p = mmap(NULL, MIB, PROT_READ, MAP_SHARED, fd[i], 0);

		ASSERT(p != MAP_FAILED);
		ASSERT_EQ(*p, NONCE);
		ASSERT_ERRNO(mprotect(p, MIB, PROT_READ | PROT_WRITE), EACCES);
		ASSERT(mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_SHARED, fd[i], 0) ==
		       MAP_FAILED);
		ASSERT_ERRNO(fallocate(fd[i], FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, MIB),
			     EBADF);
		ASSERT_ERRNO(ioctl(fd[i], DITTO_GMEM_SET_POLICY, DITTO_POLICY_OFF), EBADF);
		ASSERT_ERRNO(vm_set_gmem_slot(vm, 4, 0, 1ull << 33, MIB, fd[i], 0), EBADF);
	}
	vm_free(child);
	vm_free(vm);
}

#define LOGGED_GPA	0x10000000ul
#define LOGGED		4096ul	/* pages that g_fork_writes writes to */
#define RING		8192	/* entries */
#define MANY		300	/* slots that are copied before the logged one */

/* Entries of a ring, given back; a bit for each page that they name. */
static u32 take(struct vm *vm, struct kvm_dirty_gfn *ring, u32 *next, u8 *seen)
{
	u32 n;

	for (n = 0;; n++, ++*next) {
		struct kvm_dirty_gfn *e = &ring[*next % RING];

		if (__atomic_load_n(&e->flags, __ATOMIC_ACQUIRE) != KVM_DIRTY_GFN_F_DIRTY)
			break;
		ASSERT(e->offset < LOGGED);
		seen[e->offset] = 1;
		__atomic_store_n(&e->flags, KVM_DIRTY_GFN_F_RESET, __ATOMIC_RELEASE);
	}
	CHECKED(ioctl(vm->fd, KVM_RESET_DIRTY_RINGS, 0));
	return n;
}

static struct kvm_dirty_gfn *map_ring(struct vm *vm)
{
	void *p = mmap(NULL, RING * sizeof(struct kvm_dirty_gfn), PROT_READ | PROT_WRITE,
		       MAP_SHARED, vm->vcpu[0].fd, KVM_DIRTY_LOG_PAGE_OFFSET * PAGE_SIZE);

	ASSERT(p != MAP_FAILED);
	return p;
}

/* Does the ring of a child tell of all that it writes, from here on? */
static void must_log(struct vm *child, u32 next)
{
	int gmem = CHECKED(ioctl(child->fd, DITTO_SLOT_GMEM, 400));
	u64 *mem = gmem_map(gmem, LOGGED * PAGE_SIZE);
	struct kvm_dirty_gfn *ring = map_ring(child);
	u64 before[LOGGED];
	u8 seen[LOGGED] = { };
	unsigned int i;

	/* What waits for room comes with a reset. */
	take(child, ring, &next, seen);
	while (take(child, ring, &next, seen))
		;
	memset(seen, 0, sizeof(seen));
	for (i = 0; i < LOGGED; i++)
		before[i] = mem[i * 512];
	start_all(child);
	must_count(child);
	must_count(child);
	stop(child);
	take(child, ring, &next, seen);
	while (take(child, ring, &next, seen))
		;
	for (i = 0; i < LOGGED; i++)
		if (mem[i * 512] != before[i] && !seen[i])
			fail("the child wrote to page %u, and no ring tells of it", i);
	munmap(mem, LOGGED * PAGE_SIZE);
	munmap(ring, RING * sizeof(*ring));
	close(gmem);
}

/* The parent writes on while its slots are copied, when its ring was copied already. */
static void rings(const void *arg)
{
	struct vm *vm = vm_new(&(struct vm_config) { .ring = RING * 16 }), *child;
	int many = gmem_new(MIB, 0), gmem = gmem_new(LOGGED * PAGE_SIZE, 0);
	struct kvm_dirty_gfn *ring = map_ring(vm);
	u8 seen[LOGGED];
	unsigned int i;
	u32 next = 0;

	for (i = 0; i < MANY; i++)
		CHECKED(vm_set_gmem_slot(vm, 1 + i, 0, (1ull << 32) + i * MIB, MIB, many, 0));
	CHECKED(vm_set_gmem_slot(vm, 400, KVM_MEM_LOG_DIRTY_PAGES, LOGGED_GPA, LOGGED * PAGE_SIZE,
				 gmem, 0));
	vcpu_call(&vm->vcpu[0], "g_fork_writes", LOGGED_GPA);
	vcpu_start(&vm->vcpu[0]);
	must_count(vm);
	for (i = 0; i < 3; i++) {
		take(vm, ring, &next, seen);
		child = fork_vm(vm);
		must_log(child, next);
		vm_free(child);
	}
	stop(vm);
	vm_free(vm);
}

struct storm {
	struct vm *vm;
	volatile bool over;
};

static void *storm_slots(void *arg)
{
	struct storm *s = arg;
	int gmem = gmem_new(MIB, 0);
	unsigned int i;

	for (i = 0; !s->over; i++) {
		CHECKED(vm_set_gmem_slot(s->vm, 7, 0, 1ull << 32, MIB, gmem, 0));
		CHECKED(vm_set_gmem_slot(s->vm, 7, 0, 1ull << 32, 0, gmem, 0));
		vm_irq_line(s->vm, 5, i & 1);
	}
	close(gmem);
	return NULL;
}

static void *storm_forks(void *arg)
{
	struct storm *s = arg;
	unsigned int i;

	for (i = 0; i < 12; i++) {
		struct vm *child = fork_vm(s->vm);

		if (i % 4 == 0) {
			start_all(child);
			must_count(child);
			stop(child);
		}
		vm_free(child);
	}
	return NULL;
}

/* Forks from two threads, while slots come and go, and a line goes up and down. */
static void storm(const void *arg)
{
	struct storm s = { .vm = counting() };
	pthread_t forks[2], slots;
	unsigned int i;

	pthread_create(&slots, NULL, storm_slots, &s);
	for (i = 0; i < 2; i++)
		pthread_create(&forks[i], NULL, storm_forks, &s);
	for (i = 0; i < 2; i++)
		pthread_join(forks[i], NULL);
	s.over = true;
	pthread_join(slots, NULL);
	must_count(s.vm);
	stop(s.vm);
	vm_free(s.vm);
}

/* So long that a busy host's parent is still there when it is forked; the TSC's, too. */
static const struct halt_case oneshot = { "g_fork_oneshot", 500 * MS };
static const struct halt_case by_tsc = { "g_fork_deadline", 1500 * MS };
static const struct halt_case periodic = { "g_fork_periodic", 20 * MS };
static const struct halt_case pit = { "g_fork_pit", 0, true };
static const struct halt_case masked = { "g_fork_masked" };
static const struct halt_case registers = { "g_fork_registers", 0x10000 };

static const struct tap_test tests[] = {
	{ "runs", runs },
	{ "two_vcpus", two_vcpus, .seconds = 60 },
	{ "oneshot", halted, &oneshot },
	{ "oneshot_late", late, &oneshot },
	{ "deadline", deadline, &by_tsc },
	{ "periodic", halted, &periodic },
	{ "pit", halted, &pit },
	{ "mmio_read", unfinished, "mmio" },
	{ "port_read", unfinished },
	{ "interrupt_waits", in_user_space, &masked },
	{ "registers", in_user_space, &registers },
	{ "nmi_waits", nmi_waits },
	{ "signals", signals, .seconds = 60 },
	{ "expiring", expiring, .seconds = 120 },
	{ "chain", chain },
	{ "children", children, .seconds = 60 },
	{ "crowd", crowd, .seconds = 300 },
	{ "frozen", frozen },
	{ "frozen_time", frozen_time },
	{ "frozen_set", frozen_set },
	{ "blocked", blocked, &oneshot },
	{ "blocked_again", blocked_again },
	{ "hypercall", hypercall },
	{ "errors", errors },
	{ "limit", limit },
	{ "window", window },
	{ "readonly", readonly },
	{ "rings", rings, .seconds = 120 },
	{ "storm", storm, .seconds = 120 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, tests, ARRAY_SIZE(tests));
}
