/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Eventfds wired to a VM: irqfd (an eventfd raises an interrupt) and ioeventfd
 * (a guest's write signals an eventfd).
 */
#ifndef DITTO_CORE_EVENTFD_H
#define DITTO_CORE_EVENTFD_H

#include <linux/kvm.h>

struct vm;

/* The module's workqueue "ditto-irqfd"; call once at load and unload. */
int eventfds_setup(void);
void eventfds_teardown(void);

/* Sets vm->eventfds.  -ENOMEM. */
int vm_eventfds_init(struct vm *vm);
/*
 * Detaches everything and waits for it.  No ioctl is in flight.  May be called
 * twice, or without init.  Cheapest after iobus_destroy() of both buses.
 */
void vm_eventfds_destroy(struct vm *vm);

/*
 * KVM_IRQFD.  Takes the eventfds' own lock; vm->lock may be held or not.
 * -EINVAL: unknown flags, no irqchip, GSI out of range, not an eventfd;
 * -EBADF, -EBUSY: the eventfd already drives this VM, -ENOMEM.
 */
int irqfd_ioctl(struct vm *vm, struct kvm_irqfd *arg);

/*
 * KVM_IOEVENTFD.  Locks as above.
 * -EINVAL: flags, length, wrapping range, -EBADF, -EEXIST: collides with
 * another one, -ENOENT: nothing to deassign, -ENOSPC: too many, -ENOMEM.
 */
int ioeventfd_ioctl(struct vm *vm, struct kvm_ioeventfd *arg);

#endif
