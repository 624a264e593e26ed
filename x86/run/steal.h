/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How long a vCPU waited for a CPU, and whether it has one, in the guest's memory.
 */
#ifndef DITTO_RUN_STEAL_H
#define DITTO_RUN_STEAL_H

#include <uapi/linux/kvm_para.h>

#include "x86/machine/vcpu.h"

enum guest_fault steal_set_msr(struct vcpu *vcpu, u64 val);
void steal_update(struct vcpu *vcpu);
void steal_left(struct vcpu *vcpu);
#ifdef DITTO_KUNIT
/* Called when the byte has been read and is not yet taken. */
extern void (*vcpu_steal_between)(struct vcpu *vcpu);
#endif

/* The guest wants to know. */
static inline bool steal_on(const struct vcpu *vcpu)
{
	return vcpu->pv.steal_msr & KVM_MSR_ENABLED;
}

#endif
