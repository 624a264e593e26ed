/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Eventfds wired to a VM: irqfd (an eventfd raises an interrupt) and ioeventfd
 * (a guest's write signals an eventfd).
 */
#ifndef DITTO_CORE_EVENTFD_H
#define DITTO_CORE_EVENTFD_H

#include <linux/kvm.h>

struct vm;

int eventfds_setup(void);
void eventfds_teardown(void);

int vm_eventfds_init(struct vm *vm);
void vm_eventfds_destroy(struct vm *vm);

int irqfd_ioctl(struct vm *vm, struct kvm_irqfd *arg);

int ioeventfd_ioctl(struct vm *vm, struct kvm_ioeventfd *arg);

#endif
