/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Writes to ports and MMIO that wait in a ring until the VMM looks.
 */
#ifndef DITTO_BOARD_COALESCED_H
#define DITTO_BOARD_COALESCED_H

struct kvm_coalesced_mmio_zone;
struct vm;

void vm_coalesced_init(struct vm *vm);
void vm_coalesced_destroy(struct vm *vm);
void *vm_coalesced_ring(struct vm *vm);
int vm_coalesced_add_like(struct vm *to, struct vm *from);
void vm_coalesced_copy(struct vm *to, struct vm *from);
int vm_ioctl_register_coalesced(struct vm *vm, struct kvm_coalesced_mmio_zone *arg);
int vm_ioctl_unregister_coalesced(struct vm *vm, struct kvm_coalesced_mmio_zone *arg);

#endif
