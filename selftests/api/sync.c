// SPDX-License-Identifier: GPL-2.0-only
/*
 * Registers in kvm_run: what KVM_RUN takes from there and what it leaves there, beside
 * the ioctls that say the same.
 */
#include <pthread.h>
#include <sys/ioctl.h>

#include "vm.h"

#define ALL	(KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS | KVM_SYNC_X86_EVENTS)

static struct vm *stopped_vm(void)
{
	struct vm *vm = vm_new(NULL);

	ASSERT_EQ(vm_cap(vm, KVM_CAP_SYNC_REGS), ALL);
	vcpu_call(&vm->vcpu[0], "g_port_sizes", 0);
	return vm;
}

static void want_same(struct vcpu *vcpu)
{
	struct kvm_sync_regs *s = &vcpu->run->s.regs;
	struct kvm_regs regs = vcpu_regs(vcpu);
	struct kvm_sregs sregs = vcpu_sregs(vcpu);
	struct kvm_vcpu_events events;

	CHECKED(ioctl(vcpu->fd, KVM_GET_VCPU_EVENTS, &events));
	ASSERT(!memcmp(&s->regs, &regs, sizeof(regs)));
	ASSERT_EQ(s->sregs.cr2, sregs.cr2);
	ASSERT_EQ(s->sregs.cs.selector, sregs.cs.selector);
	if (tap.ditto)		/* stock KVM's ioctl changes some of them on the way */
		ASSERT(!memcmp(&s->sregs, &sregs, sizeof(sregs)));
	ASSERT(!memcmp(&s->events, &events, sizeof(events)));
}

static void out(const void *arg)
{
	struct vm *vm = stopped_vm();
	struct vcpu *vcpu = &vm->vcpu[0];

	memset(&vcpu->run->s.regs, 0x5a, sizeof(vcpu->run->s.regs));
	vcpu->run->kvm_valid_regs = ALL;
	ASSERT_EQ(vcpu_enter(vcpu), KVM_EXIT_IO);
	want_same(vcpu);
	/* Also where KVM_RUN is ended before the guest runs. */
	vcpu->run->immediate_exit = 1;
	vcpu->run->s.regs.regs.rip = 1;
	ASSERT_EQ(vcpu_enter(vcpu), -EINTR);
	want_same(vcpu);
	/* Only what was asked for. */
	vcpu->run->kvm_valid_regs = KVM_SYNC_X86_SREGS;
	vcpu->run->s.regs.regs.rip = 1;
	vcpu->run->s.regs.sregs.cr2 = 1;
	ASSERT_EQ(vcpu_enter(vcpu), -EINTR);
	ASSERT_EQ(vcpu->run->s.regs.regs.rip, 1);
	ASSERT_EQ(vcpu->run->s.regs.sregs.cr2, 0);
	vcpu->run->kvm_valid_regs = 0;
	vcpu->run->s.regs.sregs.cr2 = 1;
	vcpu->run->immediate_exit = 0;
	ASSERT_EQ(vcpu_enter(vcpu), KVM_EXIT_IO);
	ASSERT_EQ(vcpu->run->s.regs.sregs.cr2, 1);
	vm_free(vm);
}

static void in(const void *arg)
{
	struct vm *vm = stopped_vm();
	struct vcpu *vcpu = &vm->vcpu[0];
	struct kvm_run *run = vcpu->run;

	run->kvm_valid_regs = ALL;
	run->immediate_exit = 1;
	ASSERT_EQ(vcpu_enter(vcpu), -EINTR);
	run->s.regs.regs.rbx = 0x1234;
	run->s.regs.sregs.cr2 = 0x5678;
	run->s.regs.events.exception = (typeof(run->s.regs.events.exception)) {
		.injected = 1, .nr = 14, .has_error_code = 1, .error_code = 2 };
	/* Not said to have changed. */
	ASSERT_EQ(vcpu_enter(vcpu), -EINTR);
	ASSERT_EQ(vcpu_regs(vcpu).rbx, run->s.regs.regs.rbx);
	ASSERT(run->s.regs.regs.rbx != 0x1234);
	run->s.regs.regs.rbx = 0x1234;
	run->s.regs.sregs.cr2 = 0x5678;
	run->kvm_dirty_regs = KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS;
	ASSERT_EQ(vcpu_enter(vcpu), -EINTR);
	ASSERT_EQ(run->kvm_dirty_regs, 0);
	ASSERT_EQ(vcpu_regs(vcpu).rbx, 0x1234);
	ASSERT_EQ(vcpu_sregs(vcpu).cr2, 0x5678);
	want_same(vcpu);
	run->s.regs.events.interrupt.shadow = KVM_X86_SHADOW_INT_MOV_SS;
	run->kvm_dirty_regs = KVM_SYNC_X86_EVENTS;
	ASSERT_EQ(vcpu_enter(vcpu), -EINTR);
	want_same(vcpu);
	/* Stock KVM cannot tell the two kinds on AMD's CPUs. */
	ASSERT(run->s.regs.events.interrupt.shadow & KVM_X86_SHADOW_INT_MOV_SS);
	run->immediate_exit = 0;
	vcpu_run_done(vcpu);
	vm_free(vm);
}

static void want_refused(struct vcpu *vcpu, u64 dirty, u64 valid)
{
	struct kvm_regs regs = vcpu_regs(vcpu);
	struct kvm_sregs sregs = vcpu_sregs(vcpu);
	struct kvm_regs regs2;
	struct kvm_sregs sregs2;

	vcpu->run->kvm_dirty_regs = dirty;
	vcpu->run->kvm_valid_regs = valid;
	ASSERT_EQ(vcpu_enter(vcpu), -EINVAL);
	vcpu->run->kvm_dirty_regs = vcpu->run->kvm_valid_regs = 0;
	regs2 = vcpu_regs(vcpu);
	sregs2 = vcpu_sregs(vcpu);
	if (!tap.ditto)		/* stock KVM may have set some of it */
		return;
	ASSERT(!memcmp(&regs, &regs2, sizeof(regs)));
	ASSERT(!memcmp(&sregs, &sregs2, sizeof(sregs)));
}

/* Where the step over the guest's first OUT ends, a refused KVM_RUN in between or not. */
static u64 step_over_out(bool refused)
{
	struct kvm_guest_debug step = {
		.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP,
	};
	struct vm *vm = stopped_vm();
	struct vcpu *vcpu = &vm->vcpu[0];
	u64 pc;
	int i;

	CHECKED(ioctl(vcpu->fd, KVM_SET_GUEST_DEBUG, &step));
	for (i = 0; i < 100 && vcpu_enter(vcpu) == KVM_EXIT_DEBUG; i++)
		;
	ASSERT_EQ(vcpu->run->exit_reason, KVM_EXIT_IO);
	if (refused) {
		vcpu->run->s.regs.regs = vcpu_regs(vcpu);
		vcpu->run->s.regs.sregs = vcpu_sregs(vcpu);
		vcpu->run->s.regs.sregs.cr4 = ~0ull;
		want_refused(vcpu, KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS, 0);
	}
	ASSERT_EQ(vcpu_enter(vcpu), KVM_EXIT_DEBUG);
	pc = vcpu->run->debug.arch.pc;
	vm_free(vm);
	return pc;
}

/* A step that waits for its instruction's answer ends where it would have. */
static void refused_in_step(const void *arg)
{
	u64 pc = step_over_out(false);

	ASSERT_EQ(step_over_out(true), pc);
}

static void bad(const void *arg)
{
	struct vm *vm = stopped_vm();
	struct vcpu *vcpu = &vm->vcpu[0];
	struct kvm_sync_regs *s = &vcpu->run->s.regs;

	want_refused(vcpu, 0, ALL + 1);
	if (tap.ditto)		/* stock KVM looks at 32 of the bits */
		want_refused(vcpu, 0, 1ull << 63);
	want_refused(vcpu, ALL + 1, 0);
	want_refused(vcpu, ~0ull, ~0ull);
	vcpu->run->kvm_valid_regs = ALL;
	vcpu->run->immediate_exit = 1;
	ASSERT_EQ(vcpu_enter(vcpu), -EINTR);
	s->regs.rax++;
	s->sregs.cr2++;
	s->events.flags = 0x80000000;
	want_refused(vcpu, ALL, 0);
	s->events.flags = 0;
	s->sregs.cr0 = 1ul << 31;		/* PG without PE */
	want_refused(vcpu, ALL, 0);
	vcpu_call(vcpu, "g_port_sizes", 0);
	vcpu->run->immediate_exit = 0;
	vcpu_run_done(vcpu);
	vm_free(vm);
}

static volatile bool stop;

static void *scribble(void *arg)
{
	struct kvm_run *run = arg;
	u64 i;

	for (i = 0; !stop; i++) {
		run->kvm_dirty_regs = i & 7;
		run->kvm_valid_regs = i >> 3 & 7;
		run->s.regs.events.exception.nr = i;
		run->s.regs.events.exception.injected = i >> 8;
		run->s.regs.events.flags = i & 0xf;
		run->s.regs.sregs.cr4 = i << 3;
		run->s.regs.sregs.cr0 = i << 28 | (i & 1);
	}
	return NULL;
}

/* Another thread changes all of it meanwhile; a guest in such a state might never exit. */
static void race(const void *arg)
{
	struct vm *vm = stopped_vm();
	struct vcpu *vcpu = &vm->vcpu[0];
	pthread_t thread;
	unsigned int i;

	vcpu->run->kvm_valid_regs = ALL;
	vcpu->run->immediate_exit = 1;
	ASSERT_EQ(vcpu_enter(vcpu), -EINTR);
	ASSERT(!pthread_create(&thread, NULL, scribble, vcpu->run));
	for (i = 0; i < 20000; i++) {
		int result = vcpu_enter(vcpu);

		ASSERT(result == -EINTR || result == -EINVAL);
	}
	stop = true;
	pthread_join(thread, NULL);
	vm_free(vm);
}

static const struct tap_test tests[] = {
	{ "out", out },
	{ "in", in },
	{ "refused_in_step", refused_in_step },
	{ "bad", bad },
	{ "race", race, .seconds = 60 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, tests, ARRAY_SIZE(tests));
}
