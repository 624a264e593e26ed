// SPDX-License-Identifier: GPL-2.0-only
/*
 * DITTO_RESET: a machine is again what it was when it was forked, as often as one likes, whatever
 * its vCPUs are doing. RESETS in the environment says how often.
 */
#include <signal.h>
#include <sys/wait.h>

#include "forked.h"

#define RAM		(64 * MIB)
#define DIRTIED		12	/* pages, at most, between two resets */

static int try_reset(struct vm *vm)
{
	return ioctl(vm->fd, DITTO_RESET);
}

static struct vm *fork_resettable(struct vm *parent)
{
	return fork_with(parent, DITTO_FORK_RESETTABLE);
}

/* KVM_RUN, up to where the guest traces @value. */
static void run_to(struct vm *vm, u32 value)
{
	struct kvm_run *run = vm->vcpu[0].run;
	u32 got;

	do {
		ASSERT_EQ(vcpu_enter(&vm->vcpu[0]), KVM_EXIT_IO);
		ASSERT_EQ(run->io.port, GUEST_PORT_TRACE);
		memcpy(&got, (u8 *)run + run->io.data_offset, sizeof(got));
	} while (got != value);
}

struct state {
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct kvm_fpu fpu;
	struct kvm_debugregs debug;
	struct kvm_vcpu_events events;
	struct kvm_lapic_state lapic;
	struct kvm_irqchip pic;
	u64 msrs[2];
};

static void take_state(struct vm *vm, struct state *s)
{
	int fd = vm->vcpu[0].fd;

	memset(s, 0, sizeof(*s));
	CHECKED(ioctl(fd, KVM_GET_REGS, &s->regs));
	CHECKED(ioctl(fd, KVM_GET_SREGS, &s->sregs));
	CHECKED(ioctl(fd, KVM_GET_FPU, &s->fpu));
	CHECKED(ioctl(fd, KVM_GET_DEBUGREGS, &s->debug));
	CHECKED(ioctl(fd, KVM_GET_VCPU_EVENTS, &s->events));
	CHECKED(ioctl(fd, KVM_GET_LAPIC, &s->lapic));
	CHECKED(ioctl(vm->fd, KVM_GET_IRQCHIP, &s->pic));
	s->msrs[0] = vcpu_msr(&vm->vcpu[0], 0xc0000102);
	s->msrs[1] = vcpu_msr(&vm->vcpu[0], 0xc0000082);
}

static void must_be_state(struct vm *vm, const struct state *want)
{
	struct state got;

	take_state(vm, &got);
	ASSERT(!memcmp(&got.regs, &want->regs, sizeof(got.regs)));
	ASSERT(!memcmp(&got.sregs, &want->sregs, sizeof(got.sregs)));
	ASSERT(!memcmp(&got.fpu, &want->fpu, sizeof(got.fpu)));
	ASSERT(!memcmp(&got.debug, &want->debug, sizeof(got.debug)));
	ASSERT(!memcmp(&got.events, &want->events, sizeof(got.events)));
	ASSERT(!memcmp(&got.lapic, &want->lapic, sizeof(got.lapic)));
	ASSERT(!memcmp(&got.pic, &want->pic, sizeof(got.pic)));
	ASSERT(!memcmp(got.msrs, want->msrs, sizeof(got.msrs)));
}

static u64 private_bytes(struct vm *vm)
{
	struct ditto_gmem_stats st;

	CHECKED(ioctl(vm->gmem, DITTO_GMEM_STATS, &st));
	return st.private_bytes;
}

/* By a mapping that is gone afterwards, as most resets meet none. */
static void must_be_memory(struct vm *vm, const u8 *want)
{
	u8 *ram = gmem_map(vm->gmem, RAM);

	ASSERT(!memcmp(ram, want, RAM));
	munmap(ram, RAM);
}

static unsigned int resets(void)
{
	const char *n = getenv("RESETS");

	return n ? strtoul(n, NULL, 0) : 2000;
}

/* The parent stands at its first exit, with memory of every kind. */
static struct vm *dirtying(void)
{
	struct vm *vm = vm_new(&(struct vm_config) { .ram = RAM });
	u64 i;

	for (i = 4 * MIB; i < RAM / 2; i += PAGE_SIZE)
		*(u64 *)(vm->ram + i) = i;
	vcpu_call(&vm->vcpu[0], "g_reset_dirties", DIRTIED);
	run_to(vm, 1);
	return vm;
}

/* Random pages, and some of all registers; the parent goes on, too. */
static void random_pages(const void *arg)
{
	struct vm *vm = dirtying(), *child = fork_resettable(vm);
	unsigned int i, n = resets(), look = n < 4000 ? n / 4 : 1000;
	u8 *want = malloc(RAM);
	struct state state;

	memcpy(want, vm->ram, RAM);
	take_state(vm, &state);
	must_be_state(child, &state);
	must_be_memory(child, want);
	for (i = 1; i <= n; i++) {
		vm_var(child, u64, "g_reset_seed") = i * 0x9e3779b97f4a7c15ull;
		run_to(child, 2);
		ASSERT(private_bytes(child) <= (DIRTIED + 16) * PAGE_SIZE);
		CHECKED(try_reset(child));
		ASSERT_EQ(private_bytes(child), 0);
		if (i % look)
			continue;
		must_be_state(child, &state);
		must_be_memory(child, want);
	}
	vm_var(vm, u64, "g_reset_seed") = 1;
	run_to(vm, 2);
	CHECKED(try_reset(child));
	must_be_memory(child, want);
	free(want);
	vm_free(child);
	vm_free(vm);
}

/* In the guest, which checks that its registers and memory belong together. */
static void running(const void *arg)
{
	struct vm *vm = counting(), *child = fork_resettable(vm);
	u64 at = count_of(child, 0);
	unsigned int i;

	start_all(child);
	for (i = 0; i < 50; i++) {
		must_count(child);
		CHECKED(try_reset(child));
		must_count(vm);
	}
	must_count(child);
	stop(child);
	CHECKED(try_reset(child));
	ASSERT_EQ(count_of(child, 0), at);
	stop(vm);
	vm_free(vm);
	start_all(child);
	must_count(child);
	stop(child);
	vm_free(child);
}

static void two_vcpus(const void *arg)
{
	struct vm *vm = counting_in_turns(), *child;
	unsigned int i;

	must_count(vm);
	child = fork_resettable(vm);
	stop(vm);
	start_all(child);
	for (i = 0; i < 20; i++) {
		must_count(child);
		CHECKED(try_reset(child));
	}
	must_count(child);
	stop(child);
	vm_free(child);
	vm_free(vm);
}

/* Its timer has as much left as it had at the fork, each time, and fires once. */
static void timer(const void *arg)
{
	struct vm *vm = vm_new(NULL), *child;
	unsigned int i;
	u64 began;

	vcpu_call(&vm->vcpu[0], "g_fork_oneshot", 300 * MS);
	vcpu_start(&vm->vcpu[0]);
	wait_trace(vm, 1);
	child = fork_resettable(vm);
	vcpu_join(&vm->vcpu[0]);
	for (i = 0; i < 3; i++) {
		began = now_ms();
		CHECKED(try_reset(child));
		vcpu_run_done(&child->vcpu[0]);
		ASSERT(now_ms() - began >= 100);
	}
	/* Halted, in another thread. */
	CHECKED(try_reset(child));
	vcpu_start(&child->vcpu[0]);
	sleep_ms(20);
	CHECKED(try_reset(child));
	vcpu_join(&child->vcpu[0]);
	vm_free(child);
	vm_free(vm);
}

/*
 * An exit that waited at the fork is brought again, and may get another answer each time; also
 * if an answer to an exit from before the reset comes late.
 */
static void unfinished(const void *arg)
{
	struct vm *vm = vm_new(NULL), *child;
	struct kvm_run *run;
	u32 answer;

	vcpu_call(&vm->vcpu[0], "g_fork_reads", 1);
	ASSERT_EQ(vcpu_enter(&vm->vcpu[0]), KVM_EXIT_MMIO);
	child = fork_resettable(vm);
	run = child->vcpu[0].run;
	for (answer = 7; answer < 10; answer++) {
		if (answer > 7)
			ASSERT_EQ(vcpu_enter(&child->vcpu[0]), KVM_EXIT_MMIO);
		ASSERT_EQ(run->mmio.phys_addr, vm->vcpu[0].run->mmio.phys_addr);
		ASSERT_EQ(run->mmio.len, 4);
		memcpy(run->mmio.data, &answer, 4);
		child->nr_traces = 0;
		vcpu_run_done(&child->vcpu[0]);
		ASSERT_EQ(child->traces[0], answer);
		CHECKED(try_reset(child));
		memset(&run->mmio, 0xee, sizeof(run->mmio));
		ASSERT_EQ(vm_var(child, u32, "g_fork_answer"), 0);
	}
	vm_free(child);
	vm_free(vm);
}

/* Forks of it, also such as can be reset, are what it was, and stay that. */
static void forked(const void *arg)
{
	struct vm *vm = counting(), *child = fork_resettable(vm), *second, *third;
	u64 at = count_of(child, 0), later;

	start_all(child);
	must_count(child);
	second = fork_resettable(child);
	later = count_of(second, 0);
	ASSERT(later > at);
	third = fork_vm(second);
	start_all(second);
	must_count(second);
	stop(child);
	CHECKED(try_reset(child));
	ASSERT_EQ(count_of(child, 0), at);
	ASSERT_ERRNO(try_reset(third), EINVAL);
	stop(second);
	CHECKED(try_reset(second));
	ASSERT_EQ(count_of(second, 0), later);
	ASSERT_EQ(count_of(third, 0), later);
	vm_free(child);
	CHECKED(try_reset(second));
	start_all(second);
	start_all(third);
	must_count(second);
	must_count(third);
	stop(second);
	stop(third);
	stop(vm);
	vm_free(second);
	vm_free(third);
	vm_free(vm);
}

/* Of a template: time goes on from where that stood; or is the host's, when that is asked for. */
static void of_template(const void *arg)
{
	struct vm *vm = counting(), *template = fork_with(vm, DITTO_FORK_FROZEN), *child, *jumps;
	u64 tsc, tsc_jumped, host, ms;

	stop(vm);
	vm_free(vm);
	sleep_ms(300);
	jumps = fork_with(template, DITTO_FORK_RESETTABLE | DITTO_FORK_JUMP);
	child = fork_resettable(template);
	ms = CHECKED(ioctl(child->vcpu[0].fd, KVM_GET_TSC_KHZ));
	tsc = vcpu_msr(&child->vcpu[0], 0x10);
	tsc_jumped = vcpu_msr(&jumps->vcpu[0], 0x10);
	note("TSC %#lx, after a jump %#lx", tsc, tsc_jumped);
	ASSERT(tsc_jumped > tsc && tsc_jumped - tsc > 100 * ms);
	sleep_ms(300);
	CHECKED(try_reset(child));
	CHECKED(try_reset(jumps));
	host = vcpu_msr(&child->vcpu[0], 0x10);
	/*
	 * It may be less than before: who read that first came later. Those were 300 ms, or more.
	 */
	ASSERT((s64)(host - tsc) < (s64)(tsc_jumped - tsc));
	ASSERT(vcpu_msr(&jumps->vcpu[0], 0x10) - tsc_jumped > 100 * ms);
	start_all(child);
	must_count(child);
	stop(child);
	vm_free(child);
	vm_free(jumps);
	vm_free(template);
}

/* Nothing has changed then. */
static void errors(const void *arg)
{
	struct vm *vm = counting(), *child = fork_vm(vm);
	int gmem = gmem_new(MIB, 0);

	ASSERT_ERRNO(try_reset(vm), EINVAL);
	ASSERT_ERRNO(try_reset(child), EINVAL);
	vm_free(child);
	ASSERT_ERRNO(try_fork(vm, &(struct ditto_fork) { .capacity = 8,
		     .flags = DITTO_FORK_FROZEN | DITTO_FORK_RESETTABLE,
		     .vcpu_fds = (uintptr_t)&(int[8]) { 0 } }), EINVAL);
	child = fork_resettable(vm);
	CHECKED(vm_set_gmem_slot(child, 5, 0, 1ull << 32, MIB, gmem, 0));
	ASSERT_ERRNO(try_reset(child), EBUSY);
	CHECKED(vm_set_gmem_slot(child, 5, 0, 1ull << 32, 0, gmem, 0));
	CHECKED(try_reset(child));
	ASSERT_ERRNO(ioctl(child->gmem, DITTO_GMEM_SET_POLICY, DITTO_POLICY_OFF), EBUSY);
	ASSERT_ERRNO(ioctl(child->fd, DITTO_SET_POLICY, DITTO_POLICY_OFF), EBUSY);
	CHECKED(vm_set_gmem_slot(child, 0, KVM_MEM_LOG_DIRTY_PAGES, 0, child->ram_size,
				 child->gmem, 0));
	ASSERT_ERRNO(try_reset(child), EBUSY);
	CHECKED(vm_set_gmem_slot(child, 0, 0, 0, child->ram_size, child->gmem, 0));
	CHECKED(try_reset(child));
	CHECKED(ioctl(child->fd, KVM_CREATE_VCPU, 5));
	ASSERT_ERRNO(try_reset(child), EBUSY);
	start_all(child);
	must_count(child);
	stop(child);
	vm_free(child);
	stop(vm);
	vm_free(vm);
}

/* The child's VMM adds what its base has not: it goes, or is a reason to refuse. */
static void added(const void *arg)
{
	struct kvm_coalesced_mmio_zone zone = { .addr = 1ull << 33, .size = 8 };
	struct ditto_fork args = { .flags = DITTO_FORK_RESETTABLE };
	struct vm *vm = counting(), *child = fork_resettable(vm);
	int dev = dev_open(), bare = CHECKED(ioctl(dev, KVM_CREATE_VM, 0));

	CHECKED(ioctl(child->fd, KVM_REGISTER_COALESCED_MMIO, &zone));
	CHECKED(try_reset(child));
	start_all(child);
	must_count(child);
	stop(child);
	vm_free(child);
	stop(vm);
	vm_free(vm);

	CHECKED(ioctl(bare, DITTO_FORK, &args));
	CHECKED(ioctl(args.vm_fd, DITTO_RESET));
	CHECKED(ioctl(args.vm_fd, KVM_CREATE_IRQCHIP));
	ASSERT_ERRNO(ioctl(args.vm_fd, DITTO_RESET), EBUSY);
	close(args.vm_fd);
	close(bare);
	close(dev);
}

/* Which registers go in and out with KVM_RUN is for the VMM to say, and what it has put there. */
static void asked_registers(const void *arg)
{
	struct vm *vm = counting(), *child = fork_resettable(vm);
	struct kvm_run *run = child->vcpu[0].run;

	run->kvm_valid_regs = KVM_SYNC_X86_REGS;
	run->kvm_dirty_regs = KVM_SYNC_X86_EVENTS;
	run->s.regs.regs.rax = 0x5a;
	CHECKED(try_reset(child));
	ASSERT_EQ(run->kvm_valid_regs, KVM_SYNC_X86_REGS);
	ASSERT_EQ(run->kvm_dirty_regs, KVM_SYNC_X86_EVENTS);
	ASSERT_EQ(run->s.regs.regs.rax, 0x5a);
	run->kvm_dirty_regs = 0;
	start_all(child);
	must_count(child);
	stop(child);
	vm_free(child);
	stop(vm);
	vm_free(vm);
}

#define LARGE	(16ul << 30)

static void dirty_everywhere(struct vm *vm)
{
	u64 at;

	for (at = 0; at < LARGE; at += 2 * MIB)
		vm->ram[at] = 1;
}

/* A process that has the machine, too, resets it, and is killed after a while. */
static void reset_and_die(struct vm *vm, unsigned int us)
{
	int status;
	pid_t pid;

	pid = CHECKED(fork());
	if (!pid)
		_exit(!!try_reset(vm));
	usleep(us);
	kill(pid, SIGKILL);
	CHECKED(waitpid(pid, &status, 0));
}

/* Who waits for much memory to come back can be killed, which ends the machine for all. */
static void killed(const void *arg)
{
	struct vm *vm = vm_new(&(struct vm_config) { .ram = LARGE });
	struct vm *child = fork_resettable(vm);
	struct kvm_regs regs;
	unsigned int i;
	u64 begin, ms;

	dirty_everywhere(child);
	begin = now_ms();
	CHECKED(try_reset(child));
	ms = now_ms() - begin;
	note("a reset takes %lu ms", ms);
	for (i = 1; i <= 20; i++) {
		dirty_everywhere(child);
		reset_and_die(child, ms * 1000 / (2 * i));
		if (ioctl(child->vcpu[0].fd, KVM_GET_REGS, &regs))
			break;
	}
	ASSERT(i <= 20);
	ASSERT_EQ(errno, EIO);
	ASSERT_ERRNO(ioctl(child->vcpu[0].fd, KVM_RUN), EIO);
	ASSERT_ERRNO(try_reset(child), EIO);
	vm_free(child);
	child = fork_resettable(vm);
	CHECKED(try_reset(child));
	vm_free(child);
	vm_free(vm);
}

static const struct tap_test tests[] = {
	{ "random_pages", random_pages, .seconds = 3600 },
	{ "running", running, .seconds = 60 },
	{ "two_vcpus", two_vcpus, .seconds = 60 },
	{ "timer", timer },
	{ "unfinished", unfinished },
	{ "forked", forked },
	{ "of_template", of_template },
	{ "errors", errors },
	{ "added", added },
	{ "asked_registers", asked_registers },
	{ "killed", killed, .seconds = 120 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, tests, ARRAY_SIZE(tests));
}
