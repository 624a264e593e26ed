/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The state of a local APIC as a whole: KVM's ioctls, and copies of machines (lapic_state.c).
 */
#ifndef DITTO_BOARD_LAPIC_STATE_H
#define DITTO_BOARD_LAPIC_STATE_H

#include <linux/types.h>

struct kvm_lapic_state;
struct vcpu;

void vlapic_copy(struct vcpu *to, struct vcpu *from, u64 gone_ns);
void vlapic_revert(struct vcpu *vcpu, struct vcpu *base, u64 gone_ns);
int vlapic_ioctl_get(struct vcpu *vcpu, struct kvm_lapic_state *arg);
int vlapic_ioctl_set(struct vcpu *vcpu, struct kvm_lapic_state *arg);

#endif
