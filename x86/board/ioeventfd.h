/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ioeventfds: a guest's write signals an eventfd.
 */
#ifndef DITTO_BOARD_IOEVENTFD_H
#define DITTO_BOARD_IOEVENTFD_H

struct kvm_ioeventfd;
struct vm;

void vm_ioeventfds_init(struct vm *vm);
void vm_ioeventfds_destroy(struct vm *vm);
int ioeventfd_ioctl(struct vm *vm, struct kvm_ioeventfd *arg);

#endif
