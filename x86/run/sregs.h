/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Ioctls on system registers, and address translation.
 */
#ifndef DITTO_RUN_SREGS_H
#define DITTO_RUN_SREGS_H

#include <linux/kvm.h>

struct vcpu;

int vcpu_ioctl_get_sregs(struct vcpu *vcpu, struct kvm_sregs *sregs);
int vcpu_ioctl_set_sregs(struct vcpu *vcpu, struct kvm_sregs *sregs);
int vcpu_ioctl_get_sregs2(struct vcpu *vcpu, struct kvm_sregs2 *sregs2);
int vcpu_ioctl_set_sregs2(struct vcpu *vcpu, struct kvm_sregs2 *sregs2);
int vcpu_ioctl_translate(struct vcpu *vcpu, struct kvm_translation *tr);

#endif
