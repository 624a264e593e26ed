/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * irqfds: an eventfd raises an interrupt.
 */
#ifndef DITTO_BOARD_IRQFD_H
#define DITTO_BOARD_IRQFD_H

struct kvm_irqfd;
struct vm;

int irqfds_setup(void);
void irqfds_teardown(void);
int vm_irqfds_init(struct vm *vm);
void vm_irqfds_destroy(struct vm *vm);
int irqfd_ioctl(struct vm *vm, struct kvm_irqfd *arg);

#endif
