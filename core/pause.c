// SPDX-License-Identifier: GPL-2.0-only
/*
 * Standing still: all vCPUs of a VM are brought out of the guest and owned by one thread, as
 * if it had called an ioctl on each, and go on by themselves afterwards. So code that copies a
 * machine sees it between two instructions, and may use whatever an ioctl may.
 *
 * A vCPU in KVM_RUN, halted or in the guest, is asked to let go (REQ_PAUSE): its thread leaves
 * the run loop as for a signal, drops the mutex, waits until the pause is over, and begins
 * again. User space does not see that. A vCPU whose VMM completes an exit is only kept from
 * being entered.
 */
#include <linux/sched/signal.h>
#include <linux/timekeeping.h>
#include <linux/wait.h>

#include "core/vm.h"

/*
 * Lockdep knows of the first mutex only, which is enough to see the order of locks, and does
 * not run out of room.
 */
static int pause_own(struct vcpu *vcpu)
{
	if (mutex_lock_killable_nested(&vcpu->mutex, vcpu->idx ? SINGLE_DEPTH_NESTING : 0))
		return -EINTR;
	if (vcpu->idx)
		mutex_release(&vcpu->mutex.dep_map, _THIS_IP_);
	return 0;
}

static void pause_disown(struct vcpu *vcpu)
{
	if (vcpu->idx)
		mutex_acquire(&vcpu->mutex.dep_map, SINGLE_DEPTH_NESTING, 0, _THIS_IP_);
	mutex_unlock(&vcpu->mutex);
}

/* Of the vCPUs the first @nr are owned. */
static void pause_end(struct vm *vm, u32 nr)
{
	struct vcpu *vcpu;
	u32 i;

	WRITE_ONCE(vm->paused, false);
	vm_for_each_vcpu(vm, i, vcpu) {
		clear_bit(REQ_PAUSE, &vcpu->requests);
		if (i < nr)
			pause_disown(vcpu);
	}
	WRITE_ONCE(vm->pauses, vm->pauses + 1);
	WRITE_ONCE(vm->pause_ns, vm->pause_ns + ktime_get_ns() - vm->pause_began);
	wake_up_all(&vm->resume);
}

/**
 * vm_pause() - own all vCPUs of a VM
 * @vm: its lock is held, until vm_resume()
 *
 * Waits as long as an ioctl of a vCPU takes; KVM_RUN is cut short.
 *
 * Return: 0, or -EINTR with nothing changed.
 */
int vm_pause(struct vm *vm)
{
	struct vcpu *vcpu;
	u32 i;

	lockdep_assert_held(&vm->lock);
	vm->pause_began = ktime_get_ns();
	WRITE_ONCE(vm->paused, true);
	vm_for_each_vcpu(vm, i, vcpu) {
		vcpu_request(vcpu, REQ_PAUSE);
		vcpu_kick(vcpu);
	}
	vm_for_each_vcpu(vm, i, vcpu) {
		if (pause_own(vcpu)) {
			pause_end(vm, i);
			return -EINTR;
		}
	}
	return 0;
}

/**
 * vm_resume() - undo vm_pause()
 * @vm: paused by this thread
 */
void vm_resume(struct vm *vm)
{
	pause_end(vm, vm->nr_vcpus);
}

/**
 * vm_wait_resumed() - for a thread that let go of its vCPU: wait until it may have it again
 * @vm: any; the thread owns no vCPU
 *
 * Return: 0, or -EINTR for a thread that is being killed.
 */
int vm_wait_resumed(struct vm *vm)
{
	return wait_event_killable(vm->resume, !READ_ONCE(vm->paused)) ? -EINTR : 0;
}
