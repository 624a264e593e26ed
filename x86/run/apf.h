/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Asynchronous page faults: a guest does something else while its memory is waited for.
 */
#ifndef DITTO_RUN_APF_H
#define DITTO_RUN_APF_H

#include <uapi/linux/kvm_para.h>

#include "x86/machine/vcpu.h"

void apf_init(struct vcpu *vcpu);
void apf_clear(struct vcpu *vcpu);
enum guest_fault apf_set_msr(struct vcpu *vcpu, u64 val);
enum guest_fault apf_set_vector(struct vcpu *vcpu, u64 val);
void apf_ack(struct vcpu *vcpu, u64 val);
void apf_check(struct vcpu *vcpu);
u32 apf_access(const struct vcpu *vcpu);
bool apf_fault(struct vcpu *vcpu, gpa_t gpa, bool write);

/* The guest wants to be told, and can be. */
static inline bool apf_on(const struct vcpu *vcpu)
{
	const u64 on = KVM_ASYNC_PF_ENABLED | KVM_ASYNC_PF_DELIVERY_AS_INT;

	return (vcpu->pv.apf.msr & on) == on;
}

#endif
