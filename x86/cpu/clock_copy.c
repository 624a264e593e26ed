// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest time of a machine that is copied. Both machines are on one host, so the copy's TSC and
 * kvmclock are the original's, by the same host's clocks. Of a machine whose time stands still
 * (vm->frozen) it goes on from where it stopped: whatever says when something was, or will be,
 * is moved by the time that is gone.
 */
#include <linux/ktime.h>

#include "x86/cpu/clock.h"
#include "x86/cpu/clock_copy.h"
#include "x86/machine/vm.h"

/**
 * clock_instant_now() - this instant
 * @now: set
 */
void clock_instant_now(struct clock_instant *now)
{
	now->ns = ktime_get_ns();
	now->tsc = clock_host_tsc();
}

/**
 * vm_clock_gone() - how long a VM's time has stood still
 * @vm: vm->lock held
 * @now: this instant
 * @gone: set; 0 for a VM that is not frozen
 */
void vm_clock_gone(const struct vm *vm, const struct clock_instant *now,
		   struct clock_instant *gone)
{
	*gone = (struct clock_instant) {};
	if (!vm->frozen)
		return;
	gone->tsc = now->tsc - vm->frozen_at.tsc;
	gone->ns = now->ns - vm->frozen_at.ns;
}

/**
 * vm_clock_move() - a VM's time goes on from where it stood still
 * @vm: nobody sees it yet, or its vCPUs are owned
 * @gone: for how long it did
 *
 * Before vclock_move() of its vCPUs.
 */
void vm_clock_move(struct vm *vm, const struct clock_instant *gone)
{
	struct vm_clock *c = &vm->clock;

	spin_lock(&c->lock);
	c->base_tsc += gone->tsc;
	c->boot_offset -= gone->ns;
	c->last_ns += gone->ns;
	spin_unlock(&c->lock);
}

/**
 * vm_clock_copy() - give a VM another one's time
 * @to: nobody sees it yet, or its vCPUs are owned
 * @from: vm->lock held
 * @gone: for how long the time of @from stood still
 *
 * Before vclock_copy() of its vCPUs.
 */
void vm_clock_copy(struct vm *to, struct vm *from, const struct clock_instant *gone)
{
	struct vm_clock *c = &to->clock;

	spin_lock(&from->clock.lock);
	spin_lock_nested(&c->lock, SINGLE_DEPTH_NESTING);
	c->tsc_khz = from->clock.tsc_khz;
	c->base_tsc = from->clock.base_tsc;
	c->base_ns = from->clock.base_ns;
	c->stable = from->clock.stable;
	c->boot_offset = from->clock.boot_offset;
	c->tsc_written = from->clock.tsc_written;
	c->tsc_by_vmm = from->clock.tsc_by_vmm;
	c->last_tsc = from->clock.last_tsc;
	c->last_ns = from->clock.last_ns;
	c->last_offset = from->clock.last_offset;
	c->last_khz = from->clock.last_khz;
	spin_unlock(&c->lock);
	spin_unlock(&from->clock.lock);
	vm_clock_move(to, gone);
}

/**
 * vclock_move() - and a vCPU's
 * @vcpu: likewise
 * @gone: for how long it stood still
 *
 * Its guest finds in its time page that it was stopped, so that no watchdog of it barks; who
 * runs the vCPU, and when, is not known here.
 */
void vclock_move(struct vcpu *vcpu, const struct clock_instant *gone)
{
	struct vm_clock *c = &vcpu->vm->clock;
	u64 old = vcpu->clock.tsc_offset;

	vcpu->clock.tsc_offset = old - clock_scaled(&vcpu->clock, gone->tsc);
	/* A TSC that is written later is compared with the last one that was. */
	if (c->last_offset == old)
		c->last_offset = vcpu->clock.tsc_offset;
	vtsc_push(vcpu);
	vcpu->clock.guest_stopped = vcpu->clock.system_time_msr & KVM_MSR_ENABLED;
	vcpu_request(vcpu, REQ_CLOCK_UPDATE);
}

/**
 * vclock_copy() - give a vCPU another one's time
 * @to: nobody sees it yet, or it is owned
 * @from: owned
 * @gone: as of vm_clock_copy()
 */
void vclock_copy(struct vcpu *to, const struct vcpu *from, const struct clock_instant *gone)
{
	to->clock = from->clock;
	vclock_move(to, gone);
}
