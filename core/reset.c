// SPDX-License-Identifier: GPL-2.0-only
/*
 * DITTO_RESET: a machine goes back to what it was when it was forked. Its base, a frozen machine
 * that the fork made and nobody sees (fork.c), is what it goes back to: this is the middle of
 * that fork once more, into a machine that there is.
 *
 * Everything that can fail comes first. The vCPUs are owned (pause.c), so nothing runs while
 * state and memory change, and those that were in KVM_RUN go on from the base's state. Memory may
 * take long, and who waits for it be killed: then the machine, which is neither what it was nor
 * what it is to be, has ended, for all who have it.
 */
#include <asm/tsc.h>

#include "core/fork.h"
#include "core/vcpu.h"
#include "core/vm.h"
#include "mmu/copy.h"
#include "x86/board/coalesced.h"
#include "x86/board/irqchip.h"
#include "x86/board/lapic_state.h"
#include "x86/cpu/clock.h"
#include "x86/cpu/clock_copy.h"
#include "x86/cpu/fpu.h"
#include "x86/run/copy.h"
#include "x86/run/events.h"

static bool reset_vcpus_fit(struct vm *vm, struct vm *base)
{
	struct vcpu *vcpu;
	u32 i;

	if (vm->nr_vcpus != base->nr_vcpus)
		return false;
	vm_for_each_vcpu(vm, i, vcpu)
		if (!vfpu_fits(vcpu, vm_vcpu(base, i)))
			return false;
	return true;
}

static bool reset_irqchip_fits(struct vm *vm, struct vm *base)
{
	return irqchip_fits(vm, base);
}

/*
 * Every part of a machine, in the order of struct vm, and what a reset is to it.
 * FITS: the VMM may have given it what the base's has not, and which could not go back; so the
 * function is asked. BACK: goes back, whatever it is. STAYS: it is the VMM's, as are files that
 * it made and what it has chosen, or the machine's for life.
 */
#define RESET_PARTS(FITS, BACK, STAYS)						\
	STAYS(ref) STAYS(free_work) STAYS(bucket) STAYS(node) STAYS(id) STAYS(pid) STAYS(uid)	\
	STAYS(name) STAYS(name_lock) STAYS(lock)				\
	BACK(mmu)	/* if it fits: mmu_reset_begin(), whose lock is held on */ \
	FITS(vcpus, reset_vcpus_fit)						\
	BACK(nr_vcpus)								\
	FITS(irqchip, reset_irqchip_fits)					\
	STAYS(irqfds) STAYS(ioeventfds_lock) STAYS(ioeventfds)			\
	STAYS(pio) STAYS(mmio)	/* devices: the VMM's zones, virtio's files */	\
	BACK(coalesced)		/* what waits in the ring; zones stay */	\
	BACK(clock)								\
	STAYS(bsp_id) STAYS(enabled) STAYS(msr_filter)				\
	STAYS(flush_requests) STAYS(flushes) STAYS(paused) STAYS(resume)	\
	STAYS(pauses) STAYS(pause_ns) STAYS(pause_began)			\
	STAYS(frozen) STAYS(frozen_at)						\
	BACK(blocked)								\
	STAYS(blocks) STAYS(jumps) STAYS(base) STAYS(forker) STAYS(dead)

/* A part that struct vm gets has to be named above: this would be another structure else. */
#define PART(_member, ...) typeof_member(struct vm, _member) _member;
struct reset_vm {
	RESET_PARTS(PART, PART, PART)
};
#undef PART
#define PART(_member, ...) \
	static_assert(offsetof(struct reset_vm, _member) == offsetof(struct vm, _member));
RESET_PARTS(PART, PART, PART)
#undef PART
static_assert(sizeof(struct reset_vm) == sizeof(struct vm));

typedef bool (*reset_fits_fn)(struct vm *vm, struct vm *base);

#define ASKED(_member, _fits) _fits,
#define NOT_ASKED(_member)
static const reset_fits_fn reset_asked[] = { RESET_PARTS(ASKED, NOT_ASKED, NOT_ASKED) };

/* Has the VMM added nothing that the base does not have? */
static bool reset_fits(struct vm *vm)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(reset_asked); i++)
		if (!reset_asked[i](vm, vm->base))
			return false;
	return true;
}

/* Cannot fail after reset_fits(). The base's vCPU holds all of its state in memory. */
static void reset_vcpu(struct vcpu *vcpu, struct vcpu *base, const struct clock_instant *gone)
{
	vfpu_copy(vcpu, base);
	vcpu_load(vcpu);
	vcpu_revert(vcpu, base);
	vclock_copy(vcpu, base, gone);
	vlapic_revert(vcpu, base, gone->ns);
	events_hold(vcpu);
	vcpu_put(vcpu);
}

/* All vCPUs are owned, and slots do not change. */
static int reset_state(struct vm *vm)
{
	struct clock_instant now, gone;
	struct vcpu *vcpu;
	int err;
	u32 i;

	clock_instant_now(&now);
	fork_time_gone(vm->base, vm, &now, &gone);
	err = irqchip_reset(vm, vm->base, gone.ns);
	if (err)
		return err;
	vm_clock_copy(vm, vm->base, &gone);
	vm_coalesced_copy(vm, vm->base);
	vm->blocked = vm->blocks;
	vm_for_each_vcpu(vm, i, vcpu)
		reset_vcpu(vcpu, vm_vcpu(vm->base, i), &gone);
	err = mmu_reset_memory(&vm->mmu);
	if (err) {
		vm_kill(vm);
		return err;
	}
	fork_start_timers(vm);
	return 0;
}

static int reset_at_rest(struct vm *vm)
{
	int err;

	if (!reset_fits(vm))
		return -EBUSY;
	err = mmu_reset_begin(&vm->mmu, &vm->base->mmu);
	if (err)
		return err;
	err = reset_state(vm);
	mmu_reset_end(&vm->mmu);
	return err;
}

/**
 * vm_ioctl_reset() - DITTO_RESET
 * @vm: vm->lock held
 *
 * Return: 0; -EINVAL: it has no base; -EBUSY: it is not what it was made as; -ENOMEM; -EINTR: a
 * fatal signal came, in the middle of memory, which ends the machine, or before anything changed.
 */
int vm_ioctl_reset(struct vm *vm)
{
	int err;

	if (!vm->base)
		return -EINVAL;
	/* Nobody else knows the base. */
	mutex_lock_nested(&vm->base->lock, SINGLE_DEPTH_NESTING);
	err = vm_pause(vm);
	if (!err) {
		err = reset_at_rest(vm);
		vm_resume(vm);
	}
	mutex_unlock(&vm->base->lock);
	/* Nobody has told the base. */
	if (unlikely(check_tsc_unstable()))
		vm_clock_unstable(vm);
	return err;
}
