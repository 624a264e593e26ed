/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A task priority in the guest's memory.
 */
#ifndef DITTO_BOARD_VAPIC_H
#define DITTO_BOARD_VAPIC_H

#include <linux/kvm.h>
#include <linux/types.h>

struct vcpu;
struct vlapic;

int vlapic_ioctl_tpr_reporting(struct vcpu *vcpu, struct kvm_tpr_access_ctl *ctl);
int vlapic_ioctl_set_vapic(struct vcpu *vcpu, struct kvm_vapic_addr *addr);
void vlapic_tpr_accessed(struct vlapic *apic, bool write);
void vlapic_report_tpr(struct vcpu *vcpu);
void vlapic_to_vapic(struct vcpu *vcpu);
void vlapic_from_vapic(struct vcpu *vcpu);

#endif
