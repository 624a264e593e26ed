/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The life of a virtual CPU, and the handlers of its ioctls that core keeps.
 */
#ifndef DITTO_CORE_VCPU_H
#define DITTO_CORE_VCPU_H

#include "x86/machine/vm.h"

/* Pages of a vCPU that the VMM maps: kvm_run, the data of port accesses, the VM's ring. */
#define VCPU_MMAP_PAGES	3

void vcpu_load(struct vcpu *vcpu);
void vcpu_put(struct vcpu *vcpu);
void vcpu_publish_clock(struct vcpu *vcpu);
struct vcpu *vcpu_add(struct vm *vm, u32 id);
void vcpu_publish(struct vcpu *vcpu);
int vcpu_create(struct vm *vm, unsigned long id);
void vcpu_destroy(struct vcpu *vcpu);
int vcpu_ioctl_run(struct vcpu *vcpu);
int vcpu_ioctl_nmi(struct vcpu *vcpu);
int vcpu_ioctl_interrupt(struct vcpu *vcpu, struct kvm_interrupt *irq);
int vcpu_ioctl_set_signal_mask(struct vcpu *vcpu, void __user *arg);
int vcpu_ioctl_pre_fault(struct vcpu *vcpu, void __user *arg);
int vcpu_release(struct inode *inode, struct file *file);
int vcpu_mmap(struct file *file, struct vm_area_struct *vma);

#endif
