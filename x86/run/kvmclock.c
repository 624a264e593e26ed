// SPDX-License-Identifier: GPL-2.0-only
/*
 * The paravirtual clock's pages in the guest's memory, and the MSRs that say where they
 * are.  What they say is cpu/clock.c's.
 */
#include <linux/kvm_para.h>
#include <linux/timekeeping.h>
#include <asm/pvclock.h>

#include "mmu/guest.h"
#include "x86/cpu/clock.h"
#include "x86/run/kvmclock.h"

/*
 * Odd version, contents, even version: a reader sees whether it met a write. -EINTR: a
 * signal came before memory, and all is to be written again.
 */
static int time_info_write(struct vcpu *vcpu, gpa_t gpa, struct pvclock_vcpu_time_info *info)
{
	struct mmu *mmu = &vcpu->vm->mmu;
	u32 *version = &vcpu->clock.version;
	int err;

	*version = (*version | 1) + 2;
	err = guest_write(mmu, gpa, version, sizeof(*version));
	if (err)
		return err;
	info->version = *version;
	smp_wmb();	/* the odd version before the contents */
	err = guest_write(mmu, gpa, info, sizeof(*info));
	if (err == -EINTR)
		return err;
	smp_wmb();	/* the contents before the even version */
	*version += 1;
	return guest_write(mmu, gpa, version, sizeof(*version));
}

/**
 * kvmclock_update() - let the TSC follow a sleep of the host, and write the page again
 * @vcpu: owned; process context, may sleep
 *
 * For REQ_CLOCK_UPDATE, which stands again when a signal came before the page did.  A page
 * that is not memory is not written.
 */
void kvmclock_update(struct vcpu *vcpu)
{
	struct vcpu_clock *c = &vcpu->clock;
	struct mmu *mmu = &vcpu->vm->mmu;
	gpa_t gpa = c->system_time_msr & ~(u64)KVM_MSR_ENABLED;
	struct pvclock_vcpu_time_info info, old;
	int idx, err;

	vtsc_catch_up(vcpu);
	if (!(c->system_time_msr & KVM_MSR_ENABLED))
		return;
	vclock_time_info(vcpu, &info);
	idx = srcu_read_lock(&mmu->srcu);
	/* The guest clears this flag when it has seen it. */
	err = guest_read(mmu, gpa, &old, sizeof(old));
	if (!err)
		info.flags |= old.flags & PVCLOCK_GUEST_STOPPED;
	if (c->guest_stopped)
		info.flags |= PVCLOCK_GUEST_STOPPED;
	if (err != -EINTR)
		err = time_info_write(vcpu, gpa, &info);
	srcu_read_unlock(&mmu->srcu, idx);
	if (err == -EINTR)
		vcpu_request(vcpu, REQ_CLOCK_UPDATE);
	else
		c->guest_stopped = false;
}

/**
 * kvmclock_set_system_time() - MSR_KVM_SYSTEM_TIME_NEW was written
 * @vcpu: owned
 * @val: address of the page, bit 0 enables
 */
void kvmclock_set_system_time(struct vcpu *vcpu, u64 val)
{
	vcpu->clock.system_time_msr = val;
	vcpu_request(vcpu, REQ_CLOCK_UPDATE);
}

/**
 * kvmclock_set_wall_clock() - MSR_KVM_WALL_CLOCK_NEW was written
 * @vcpu: owned; process context, may sleep
 * @val: address at which to write the time of day at which the kvmclock was 0
 *
 * Return: X86_NO_FAULT or X86_INTERRUPTED.
 */
enum guest_fault kvmclock_set_wall_clock(struct vcpu *vcpu, u64 val)
{
	struct mmu *mmu = &vcpu->vm->mmu;
	struct pvclock_wall_clock wall = {};
	struct timespec64 ts;
	u64 host_tsc, ns;
	u32 version = 0;
	int idx, err;

	vcpu->clock.wall_clock_msr = val;
	if (!val)
		return X86_NO_FAULT;
	vm_clock_now(vcpu->vm, &host_tsc, &ns);
	ts = ns_to_timespec64(ktime_get_real_ns() - ns);
	idx = srcu_read_lock(&mmu->srcu);
	err = guest_read(mmu, val, &version, sizeof(version));
	if (!err) {
		wall.version = (version | 1) + 2;
		wall.sec = ts.tv_sec;
		wall.nsec = ts.tv_nsec;
		err = guest_write(mmu, val, &wall, sizeof(wall));
		smp_wmb();	/* the contents before the even version */
		wall.version++;
		if (err != -EINTR)
			err = guest_write(mmu, val, &wall.version, sizeof(wall.version));
	}
	srcu_read_unlock(&mmu->srcu, idx);
	return err == -EINTR ? X86_INTERRUPTED : X86_NO_FAULT;
}

/**
 * vcpu_ioctl_kvmclock_ctrl() - KVM_KVMCLOCK_CTRL: tell the guest that it was paused
 * @vcpu: owned
 *
 * Return: 0; -EINVAL when the guest has no time page.
 */
int vcpu_ioctl_kvmclock_ctrl(struct vcpu *vcpu)
{
	if (!(vcpu->clock.system_time_msr & KVM_MSR_ENABLED))
		return -EINVAL;
	vcpu->clock.guest_stopped = true;
	vcpu_request(vcpu, REQ_CLOCK_UPDATE);
	return 0;
}
