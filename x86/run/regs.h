/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Ioctls on general and debug registers, and on events.
 */
#ifndef DITTO_RUN_REGS_H
#define DITTO_RUN_REGS_H

#include <linux/kvm.h>

struct vcpu;

int vcpu_ioctl_get_regs(struct vcpu *vcpu, struct kvm_regs *regs);
int vcpu_ioctl_set_regs(struct vcpu *vcpu, struct kvm_regs *regs);
int vcpu_ioctl_get_debugregs(struct vcpu *vcpu, struct kvm_debugregs *dbg);
int vcpu_ioctl_set_debugregs(struct vcpu *vcpu, struct kvm_debugregs *dbg);
int vcpu_ioctl_get_vcpu_events(struct vcpu *vcpu, struct kvm_vcpu_events *events);
int vcpu_ioctl_set_vcpu_events(struct vcpu *vcpu, struct kvm_vcpu_events *events);
bool regs_events_usable(const struct vcpu *vcpu, const struct kvm_vcpu_events *events);
int vcpu_ioctl_get_mp_state(struct vcpu *vcpu, struct kvm_mp_state *state);
int vcpu_ioctl_set_mp_state(struct vcpu *vcpu, struct kvm_mp_state *state);

#endif
