/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The files that have ioctls, and the handlers of those that concern no VM's life.
 */
#ifndef DITTO_CORE_IOCTL_H
#define DITTO_CORE_IOCTL_H

#include "x86/machine/vm.h"

/* ioctl.c */
void ioctl_init(void);

extern const struct file_operations device_fops;
extern const struct file_operations vm_fops;
extern const struct file_operations vcpu_fops;
extern const struct file_operations virtio_fops;

/* attr.c */
int system_ioctl_has_attr(struct kvm_device_attr *attr);
int system_ioctl_get_attr(struct kvm_device_attr *attr);
int vcpu_ioctl_has_attr(struct vcpu *vcpu, struct kvm_device_attr *attr);
int vcpu_ioctl_get_attr(struct vcpu *vcpu, struct kvm_device_attr *attr);
int vcpu_ioctl_set_attr(struct vcpu *vcpu, struct kvm_device_attr *attr);

/* stats.c */
int system_ioctl_vm_stats(struct ditto_vm_stats *args);
int vm_ioctl_stats_fd(struct vm *vm);
int vcpu_ioctl_stats_fd(struct vcpu *vcpu);

/* caps.c */
int caps_check(struct vm *vm, unsigned long cap);
u32 vm_exits_off(void);

/* enable.c */
int vm_ioctl_enable_cap(struct vm *vm, struct kvm_enable_cap *args);
int vcpu_ioctl_enable_cap(struct vcpu *vcpu, struct kvm_enable_cap *args);

/* virtio.c */
int vm_ioctl_create_virtio(struct vm *vm, struct ditto_create_virtio *args);
int virtio_release(struct inode *inode, struct file *file);

#endif
