/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * CPUID: what the VMM chose, and what follows from it.
 */
#ifndef DITTO_CPU_CPUID_H
#define DITTO_CPU_CPUID_H

#include <linux/types.h>
#include <asm/processor.h>

#include "x86/machine/vcpu.h"

struct kvm_cpuid_entry2;

struct cpuid_regs cpuid_query(struct vcpu *vcpu, u32 function, u32 index);
bool cpuid_has_mwait(struct vcpu *vcpu);
void cpuid_xcr0_changed(struct vcpu *vcpu);

int vcpuid_copy(struct vcpu *to, const struct vcpu *from);
int vcpuid_set(struct vcpu *vcpu, struct kvm_cpuid_entry2 *entries, u32 nent);

void vcpuid_init(struct vcpu *vcpu);
void vcpuid_free(struct vcpu *vcpu);

/* ioctls, whose arguments are of variable size; a vCPU is owned. */
int vcpu_ioctl_set_cpuid(struct vcpu *vcpu, void __user *arg);
int vcpu_ioctl_set_cpuid2(struct vcpu *vcpu, void __user *arg);
int vcpu_ioctl_get_cpuid2(struct vcpu *vcpu, void __user *arg);

#endif
