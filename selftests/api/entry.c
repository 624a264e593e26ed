// SPDX-License-Identifier: GPL-2.0-only
/*
 * States that no CPU can be in, or that one vendor's CPUs refuse: the VMM is told,
 * by the ioctl or by KVM_EXIT_FAIL_ENTRY, and the same vCPU runs on once it has a
 * state that is good. What AMD's CPUs do not check is tried on Intel's only.
 */
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/time.h>

#include "vm.h"

#define INVALID_GUEST_STATE	0x80000021u	/* Intel's exit reason */
#define RFLAGS_IF		0x200

static bool cpu_is_intel(void)
{
	return cpuid_find(cpuid_supported(), 0, 0)->ebx == 0x756e6547;
}

static void tr_unusable(struct kvm_sregs *s) { s->tr.unusable = 1; }
static void tr_not_present(struct kvm_sregs *s) { s->tr.present = 0; }
static void tr_in_ldt(struct kvm_sregs *s) { s->tr.selector |= 4; }
static void tr_data(struct kvm_sregs *s) { s->tr.s = 1; }
static void cs_read_only(struct kvm_sregs *s) { s->cs.type = 1; }
static void cs_not_present(struct kvm_sregs *s) { s->cs.present = 0; }
static void cs_dpl(struct kvm_sregs *s) { s->cs.dpl = 2; }
static void cs_limit(struct kvm_sregs *s) { s->cs.limit = 0xfffff000; s->cs.g = 1; }
static void ss_read_only(struct kvm_sregs *s) { s->ss.type = 1; }
static void ds_limit(struct kvm_sregs *s) { s->ds.limit = 0xffffe; s->ds.g = 1; }
static void es_execute_only(struct kvm_sregs *s) { s->es.type = 9; }
static void fs_system(struct kvm_sregs *s) { s->fs.s = 0; }
static void ldt_type(struct kvm_sregs *s)
{
	s->ldt = (struct kvm_segment) { .limit = 0xff, .type = 5, .present = 1 };
}

static const struct hostile {
	const char *name;
	void (*spoil)(struct kvm_sregs *s);
} hostile[] = {
	{ "TR unusable", tr_unusable }, { "TR not present", tr_not_present },
	{ "TR in the LDT", tr_in_ldt }, { "TR a data segment", tr_data },
	{ "CS a data segment", cs_read_only }, { "CS not present", cs_not_present },
	{ "CS of ring 2", cs_dpl }, { "CS with a limit of bytes", cs_limit },
	{ "SS read-only", ss_read_only }, { "DS with a limit of bytes", ds_limit },
	{ "ES execute-only", es_execute_only }, { "FS a system segment", fs_system },
	{ "LDTR not an LDT", ldt_type },
};

/* Refused with this reason, and nothing of it stays. */
static void refused(struct vm *vm, const struct kvm_sregs *good, const char *name)
{
	struct vcpu *vcpu = &vm->vcpu[0];
	int i;

	for (i = 0; i < 3; i++) {
		ASSERT_EQ(vcpu_enter(vcpu), KVM_EXIT_FAIL_ENTRY);
		if (vcpu->run->fail_entry.hardware_entry_failure_reason != INVALID_GUEST_STATE)
			fail("%s: reason %#llx", name,
			     vcpu->run->fail_entry.hardware_entry_failure_reason);
	}
	CHECKED(ioctl(vcpu->fd, KVM_SET_SREGS, good));
	vcpu_run_done(vcpu);
}

static void segments(const void *arg)
{
	size_t i;

	if (!cpu_is_intel())
		skip("AMD's CPUs do not check segments");
	for (i = 0; i < ARRAY_SIZE(hostile); i++) {
		struct vm *vm = vm_new(NULL);
		struct kvm_sregs good, bad;

		vcpu_call(&vm->vcpu[0], "g_arith", 0);
		bad = good = vcpu_sregs(&vm->vcpu[0]);
		hostile[i].spoil(&bad);
		CHECKED(ioctl(vm->vcpu[0].fd, KVM_SET_SREGS, &bad));
		refused(vm, &good, hostile[i].name);
		vm_free(vm);
	}
}

static void set_events(struct vcpu *vcpu, const struct kvm_vcpu_events *events)
{
	CHECKED(ioctl(vcpu->fd, KVM_SET_VCPU_EVENTS, events));
}

/* An interrupt in service of the CPU while the guest has them off. */
static void impossible_interrupt(const void *arg)
{
	struct kvm_vcpu_events events = { .interrupt = { .injected = 1, .nr = 0x30 } };
	struct vm *vm = vm_new(NULL);
	struct vcpu *vcpu = &vm->vcpu[0];
	struct kvm_regs regs;

	if (!cpu_is_intel())
		skip("AMD's CPUs inject whatever the guest's IF says");
	vcpu_call(vcpu, "g_arith", 0);
	regs = vcpu_regs(vcpu);
	regs.rflags &= ~(u64)RFLAGS_IF;
	CHECKED(ioctl(vcpu->fd, KVM_SET_REGS, &regs));
	set_events(vcpu, &events);
	ASSERT_EQ(vcpu_enter(vcpu), KVM_EXIT_FAIL_ENTRY);
	ASSERT_EQ(vcpu->run->fail_entry.hardware_entry_failure_reason, INVALID_GUEST_STATE);
	events.interrupt.injected = 0;
	set_events(vcpu, &events);
	vcpu_run_done(vcpu);
	vm_free(vm);
}

/* Events that no CPU could be delivering: refused, or delivered as something. */
static void impossible_events(const void *arg)
{
	static const struct kvm_vcpu_events bad[] = {
		{ .exception = { .injected = 1, .nr = 6, .has_error_code = 1 } },
		{ .exception = { .injected = 1, .nr = 13, .error_code = ~0u,
			.has_error_code = 1 } },
		{ .exception = { .injected = 1, .nr = 31, } },
		{ .interrupt = { .injected = 1, .nr = 0x80, .soft = 1 } },
		{ .interrupt = { .shadow = 3 }, .flags = KVM_VCPUEVENT_VALID_SHADOW },
		{ .nmi = { .injected = 1, .masked = 1 } },
		{ .nmi = { .injected = 1 }, .interrupt = { .shadow = 2 },
		  .flags = KVM_VCPUEVENT_VALID_SHADOW },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		const struct kvm_vcpu_events none = { .flags = KVM_VCPUEVENT_VALID_SHADOW };
		struct vm *vm = vm_new(NULL);
		struct vcpu *vcpu = &vm->vcpu[0];
		struct kvm_sregs sregs;
		int exit;

		vcpu_call(vcpu, "g_arith", 0);
		sregs = vcpu_sregs(vcpu);
		set_events(vcpu, &bad[i]);
		exit = vcpu_enter(vcpu);
		if (exit != KVM_EXIT_IO && exit != KVM_EXIT_FAIL_ENTRY &&
		    exit != KVM_EXIT_SHUTDOWN && exit != KVM_EXIT_INTERNAL_ERROR)
			fail("event %zu: exit %s", i, exit_name(exit));
		set_events(vcpu, &none);
		CHECKED(ioctl(vcpu->fd, KVM_SET_SREGS, &sregs));
		/*
		 * Not the registers of before: whoever went on in an instruction's middle used the
		 * stack.
		 */
		vcpu_call(vcpu, "g_arith", 0);
		vcpu_run_done(vcpu);
		vm_free(vm);
	}
}

#define ROUNDS	200

static u64 seed = 1;

static u32 dice(u32 sides)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (seed >> 33) % sides;
}

static void roll_segment(struct kvm_segment *s)
{
	static const u32 limits[] = { 0, 0xfff, 0xffff, 0xfffff, 0xffffffff };

	switch (dice(10)) {
	case 0: s->type = dice(16); break;
	case 1: s->dpl = dice(4); break;
	case 2: s->present ^= 1; break;
	case 3: s->s ^= 1; break;
	case 4: s->l ^= 1; break;
	case 5: s->db ^= 1; break;
	case 6: s->g ^= 1; break;
	case 7: s->unusable ^= 1; break;
	case 8: s->limit = limits[dice(ARRAY_SIZE(limits))]; break;
	case 9: s->selector = dice(0x10000); break;
	}
}

static void roll_events(struct kvm_vcpu_events *e)
{
	memset(e, 0, sizeof(*e));
	e->flags = KVM_VCPUEVENT_VALID_SHADOW | KVM_VCPUEVENT_VALID_NMI_PENDING;
	e->interrupt.shadow = dice(4);
	switch (dice(5)) {
	case 0: e->exception.injected = 1; break;
	case 1: e->interrupt.injected = 1; break;
	case 2: e->nmi.injected = 1; break;
	case 3: e->nmi.pending = 1; break;
	}
	e->exception.nr = dice(32);
	e->exception.has_error_code = dice(2);
	e->exception.error_code = dice(0x10000);
	e->interrupt.nr = dice(256);
	e->interrupt.soft = dice(2);
	e->nmi.masked = dice(2);
}

static void ring(int signal)
{
}

/* Whatever these states are, KVM_RUN comes back, and the host has nothing to say. */
static void random_states(const void *arg)
{
	struct sigaction ringing = { .sa_handler = ring };
	const struct itimerval soon = { .it_value = { .tv_usec = 20000 } };
	int i, n, exits[40] = { };

	sigaction(SIGALRM, &ringing, NULL);
	for (i = 0; i < ROUNDS; i++) {
		struct vm *vm = vm_new(NULL);
		struct vcpu *vcpu = &vm->vcpu[0];
		struct kvm_vcpu_events events;
		struct kvm_sregs sregs;
		struct kvm_regs regs;
		int exit;

		vcpu_call(vcpu, "g_arith", 0);
		sregs = vcpu_sregs(vcpu);
		regs = vcpu_regs(vcpu);
		for (n = dice(4); n; n--)
			roll_segment(&(&sregs.cs)[dice(8)]);
		for (n = dice(4); n; n--)
			regs.rflags ^= 1ull << dice(22);
		roll_events(&events);
		(void)ioctl(vcpu->fd, KVM_SET_REGS, &regs);
		(void)ioctl(vcpu->fd, KVM_SET_SREGS, &sregs);
		(void)ioctl(vcpu->fd, KVM_SET_VCPU_EVENTS, &events);
		setitimer(ITIMER_REAL, &soon, NULL);
		exit = vcpu_enter(vcpu);
		if (exit < 0 && exit != -EINTR)
			fail("round %d: %s", i, strerror(-exit));
		exits[exit < 0 ? 0 : exit % 40]++;
		vm_free(vm);
	}
	for (i = 0; i < 40; i++)
		if (exits[i])
			note("%d: %s", exits[i], i ? exit_name(i) : "interrupted");
	ASSERT(exits[KVM_EXIT_IO]);
}

static const struct tap_test tests[] = {
	{ "segments", segments }, { "impossible_interrupt", impossible_interrupt },
	{ "impossible_events", impossible_events },
	{ "random_states", random_states, .seconds = 60 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, tests, ARRAY_SIZE(tests));
}
