// SPDX-License-Identifier: GPL-2.0-only
/*
 * Parking: all vCPUs of a machine wait between two KVM_RUNs, so no device of this process
 * is in the middle of something. A thread in the guest is kicked, as for its end; one that
 * carries out an exit comes by itself, unless it waits for a reader of its console, who is not
 * waited for: parking is given up then.
 */
#include "vm.h"

#include <errno.h>
#include <sys/ioctl.h>
#include <time.h>

#define PATIENCE_SECONDS	2

/**
 * park_init() - nobody is parked
 * @park: filled in
 */
void park_init(struct park *park)
{
	pthread_condattr_t attr;

	*park = (struct park){ .wanted = false };
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&park->changed, &attr);
	pthread_mutex_init(&park->lock, NULL);
}

/* With the lock held, which is held again on return. */
static int wait_for_all(struct vm *vm)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += PATIENCE_SECONDS;
	while (vm->status == VM_RUNNING && vm->park.parked < vm->threads)
		if (pthread_cond_timedwait(&vm->park.changed, &vm->park.lock, &until))
			return -EBUSY;
	return vm->status == VM_RUNNING ? 0 : -ESRCH;
}

/**
 * park_all() - make every vCPU wait; the control thread
 * @vm: has its threads
 *
 * Return: 0; -ESRCH: the machine ends; -EBUSY: a vCPU waits for somebody else. Unless 0 is
 * returned none waits.
 */
int park_all(struct vm *vm)
{
	int ret;

	pthread_mutex_lock(&vm->park.lock);
	vm->park.wanted = true;
	for (unsigned int i = 0; i < vm->threads; i++)
		vcpu_kick(&vm->vcpu[i]);
	ret = wait_for_all(vm);
	pthread_mutex_unlock(&vm->park.lock);
	if (ret < 0)
		park_release(vm);
	return ret;
}

/**
 * park_release() - let the vCPUs go on; the control thread
 * @vm: the machine
 */
void park_release(struct vm *vm)
{
	pthread_mutex_lock(&vm->park.lock);
	vm->park.wanted = false;
	pthread_cond_broadcast(&vm->park.changed);
	pthread_mutex_unlock(&vm->park.lock);
	/* It has kept what was typed meanwhile. */
	console_wake(&vm->console);
}

/*
 * What the devices answered last is in kvm_run only, until the next KVM_RUN: a fork would
 * have it, but one that is reset would ask again, of devices that have answered already.
 * This takes the answer without entering the guest; the exit may have more parts.
 */
static void finish_exit(struct vcpu *vcpu)
{
	vcpu->run->immediate_exit = 1;
	while (ioctl(vcpu->fd, KVM_RUN, 0) == 0 && vcpu->vm->status == VM_RUNNING) {
		vcpu_handle_exit(vcpu);
		vcpu->run->immediate_exit = 1;
	}
}

static void wait_here(struct vm *vm)
{
	pthread_mutex_lock(&vm->park.lock);
	vm->park.parked++;
	pthread_cond_broadcast(&vm->park.changed);
	while (vm->park.wanted && vm->status == VM_RUNNING)
		pthread_cond_wait(&vm->park.changed, &vm->park.lock);
	vm->park.parked--;
	pthread_mutex_unlock(&vm->park.lock);
}

/**
 * park_gate() - wait here if that is wanted; a vCPU's thread
 * @vcpu: is not in KVM_RUN
 */
void park_gate(struct vcpu *vcpu)
{
	struct vm *vm = vcpu->vm;

	while (vm->park.wanted && vm->status == VM_RUNNING) {
		finish_exit(vcpu);
		wait_here(vm);
		/* Before either is looked at again, so that a kick from here on counts. */
		vcpu->run->immediate_exit = 0;
	}
}

/**
 * park_wake() - the machine's status has changed; any thread
 * @park: the machine's
 */
void park_wake(struct park *park)
{
	pthread_mutex_lock(&park->lock);
	pthread_cond_broadcast(&park->changed);
	pthread_mutex_unlock(&park->lock);
}
