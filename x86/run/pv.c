// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM's paravirtual MSRs, but the clock's: which guests have them, and what acts on a write.
 * What they do is steal.c's, apf.c's, halt.c's and board/pv_eoi.c's.
 */
#include <linux/kvm_para.h>

#include "x86/board/pv_eoi.h"
#include "x86/machine/vcpu.h"
#include "x86/run/apf.h"
#include "x86/run/msr_access.h"
#include "x86/run/pv.h"
#include "x86/run/steal.h"

/**
 * pv_msr_exists() - does an MSR of a paravirtual feature exist for this access?
 * @a: in flight
 * @feature: KVM_FEATURE_*
 *
 * VMMs save and restore all of them: to them one that the guest lacks is 0.
 *
 * Return: whether it does.
 */
bool pv_msr_exists(const struct msr_access *a, unsigned int feature)
{
	return vcpu_pv_has(a->vcpu, feature) || (a->by_vmm && !a->val);
}

/**
 * pv_msr_read() - read a paravirtual MSR
 * @a: in flight
 *
 * Return: X86_NO_FAULT or X86_FAULT.
 */
enum guest_fault pv_msr_read(struct msr_access *a)
{
	switch (a->index) {
	case MSR_KVM_STEAL_TIME:
		a->val = a->vcpu->pv.steal_msr;
		return X86_NO_FAULT;
	case MSR_KVM_PV_EOI_EN:
		a->val = a->vcpu->pv.eoi_msr;
		return X86_NO_FAULT;
	case MSR_KVM_POLL_CONTROL:
		a->val = a->vcpu->pv.poll_control;
		return X86_NO_FAULT;
	case MSR_KVM_ASYNC_PF_EN:
		a->val = a->vcpu->pv.apf.msr;
		return X86_NO_FAULT;
	case MSR_KVM_ASYNC_PF_INT:
		a->val = a->vcpu->pv.apf.vector;
		return X86_NO_FAULT;
	case MSR_KVM_ASYNC_PF_ACK:
		a->val = 0;
		return X86_NO_FAULT;
	default:
		return X86_FAULT;
	}
}

/**
 * pv_msr_write() - write a paravirtual MSR
 * @a: in flight
 *
 * Return: X86_NO_FAULT or X86_FAULT.
 */
enum guest_fault pv_msr_write(struct msr_access *a)
{
	switch (a->index) {
	case MSR_KVM_STEAL_TIME:
		return steal_set_msr(a->vcpu, a->val);
	case MSR_KVM_PV_EOI_EN:
		return vlapic_set_pv_eoi(a->vcpu, a->val);
	case MSR_KVM_POLL_CONTROL:
		if (a->val & ~1ULL)
			return X86_FAULT;
		a->vcpu->pv.poll_control = a->val;
		return X86_NO_FAULT;
	case MSR_KVM_ASYNC_PF_EN:
		return apf_set_msr(a->vcpu, a->val);
	case MSR_KVM_ASYNC_PF_INT:
		return apf_set_vector(a->vcpu, a->val);
	case MSR_KVM_ASYNC_PF_ACK:
		apf_ack(a->vcpu, a->val);
		return X86_NO_FAULT;
	default:
		return X86_FAULT;
	}
}

/**
 * pv_reset() - power-on or INIT: the guest's memory is not written to any more
 * @vcpu: owned
 * @init: INIT
 */
void pv_reset(struct vcpu *vcpu, bool init)
{
	if (!init)
		vcpu->pv.poll_control = 1;
	vcpu->pv.apf.msr = 0;
	vcpu->pv.apf.vector = 0;
	apf_clear(vcpu);
	vcpu->pv.eoi_msr = 0;
	vcpu->pv.eoi_armed = false;
	vcpu->pv.steal_msr = 0;
	vcpu->pv.preempted = false;
	WRITE_ONCE(vcpu->pv.unhalted, false);
}

/**
 * pv_enforce() - KVM_CAP_ENFORCE_PV_FEATURE_CPUID
 * @vcpu: owned
 * @on: not 0: paravirtual features that CPUID does not show are not there
 *
 * Return: 0.
 */
int pv_enforce(struct vcpu *vcpu, u64 on)
{
	vcpu->pv.enforce = on;
	return 0;
}
