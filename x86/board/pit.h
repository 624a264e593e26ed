/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The 8254: its ioctls.
 */
#ifndef DITTO_BOARD_PIT_H
#define DITTO_BOARD_PIT_H

#include <linux/kvm.h>

struct vm;

int irqchip_ioctl_create_pit(struct vm *vm, struct kvm_pit_config *arg);
int irqchip_ioctl_create_pit1(struct vm *vm);
int irqchip_ioctl_reinject(struct vm *vm, void __user *arg);
int irqchip_ioctl_get_pit(struct vm *vm, struct kvm_pit_state2 *arg);
int irqchip_ioctl_set_pit(struct vm *vm, struct kvm_pit_state2 *arg);
int irqchip_ioctl_get_pit1(struct vm *vm, struct kvm_pit_state *arg);
int irqchip_ioctl_set_pit1(struct vm *vm, struct kvm_pit_state *arg);

#endif
