// SPDX-License-Identifier: GPL-2.0-only
/*
 * Registers that go in and out with KVM_RUN, in kvm_run, as the VMM asks for them with
 * each run: kvm_dirty_regs before it, kvm_valid_regs after it.  Instead of ioctls, and
 * by the same code.
 *
 * The VMM may write to kvm_run all the time.  What comes in is copied once, before it is
 * looked at.  Either all of it is accepted or nothing has changed.
 */
#include <linux/kvm.h>

#include "x86/machine/vcpu.h"
#include "x86/run/regs.h"
#include "x86/run/sregs.h"
#include "x86/run/sync.h"

/* General registers first: what mode the segments are for depends on rflags. */
static int sync_registers(struct vcpu *vcpu, u64 dirty, struct kvm_sync_regs *in)
{
	bool pending = vcpu->ev.exc_pending, stepping = vcpu->debug.stepping;
	struct kvm_regs old;
	int err;

	vcpu_ioctl_get_regs(vcpu, &old);
	if (dirty & KVM_SYNC_X86_REGS)
		vcpu_ioctl_set_regs(vcpu, &in->regs);
	err = dirty & KVM_SYNC_X86_SREGS ? vcpu_ioctl_set_sregs(vcpu, &in->sregs) : 0;
	if (err && (dirty & KVM_SYNC_X86_REGS)) {
		vcpu_ioctl_set_regs(vcpu, &old);
		vcpu->ev.exc_pending = pending;
		vcpu->debug.stepping = stepping;
	}
	return err;
}

/**
 * sync_regs_in() - take the registers that the VMM has changed in kvm_run
 * @vcpu: owned and loaded
 *
 * Return: 0; -EINVAL for sets that do not exist, also among those asked for, or for what
 * the ioctls would refuse.
 */
int sync_regs_in(struct vcpu *vcpu)
{
	u64 valid = READ_ONCE(vcpu->run->kvm_valid_regs);
	u64 dirty = READ_ONCE(vcpu->run->kvm_dirty_regs);
	struct kvm_sync_regs in;
	int err;

	if ((valid | dirty) & ~(u64)KVM_SYNC_X86_VALID_FIELDS)
		return -EINVAL;
	if (!dirty)
		return 0;
	memcpy(&in, &vcpu->run->s.regs, sizeof(in));
	/* The compiler must not look again at what was copied. */
	barrier_data(&in);
	if ((dirty & KVM_SYNC_X86_EVENTS) && !regs_events_usable(vcpu, &in.events))
		return -EINVAL;
	err = sync_registers(vcpu, dirty, &in);
	if (err)
		return err;
	if (dirty & KVM_SYNC_X86_EVENTS)
		vcpu_ioctl_set_vcpu_events(vcpu, &in.events);
	vcpu->run->kvm_dirty_regs = 0;
	return 0;
}

/**
 * sync_regs_out() - give the VMM the registers that it asked for in kvm_run
 * @vcpu: owned and loaded
 */
void sync_regs_out(struct vcpu *vcpu)
{
	u64 valid = READ_ONCE(vcpu->run->kvm_valid_regs);
	struct kvm_sync_regs out;

	if (valid & KVM_SYNC_X86_REGS) {
		vcpu_ioctl_get_regs(vcpu, &out.regs);
		vcpu->run->s.regs.regs = out.regs;
	}
	if (valid & KVM_SYNC_X86_SREGS) {
		vcpu_ioctl_get_sregs(vcpu, &out.sregs);
		vcpu->run->s.regs.sregs = out.sregs;
	}
	if (valid & KVM_SYNC_X86_EVENTS) {
		vcpu_ioctl_get_vcpu_events(vcpu, &out.events);
		vcpu->run->s.regs.events = out.events;
	}
}
