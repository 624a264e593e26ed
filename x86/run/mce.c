// SPDX-License-Identifier: GPL-2.0-only
/*
 * Machine checks of the guest: the banks of error registers, which the VMM fills
 * (KVM_X86_SET_MCE) and the guest reads in its #MC handler, and whether there is a #MC at
 * all.  The host's own machine checks are x86/cpu/hostwork.c's, and no guest sees them but
 * by its VMM.
 *
 * The hard part is who may write what: the registers are the hardware's reports, so the
 * guest may mostly only clear them, while the VMM restores them.
 */
#include <linux/nospec.h>
#include <asm/mce.h>

#include "x86/board/lapic.h"
#include "x86/cpu/cpuid_host.h"
#include "x86/machine/vm.h"
#include "x86/run/event_queue.h"
#include "x86/run/mce.h"
#include "x86/run/msr_access.h"

/* What SETUP_MCE may ask for besides the number of banks. */
#define MCE_CAP_BOTH		(MCG_CTL_P | MCG_SER_P)
#define MCE_CAP_INTEL		(MCE_CAP_BOTH | MCG_CMCI_P | MCG_LMCE_P)
/* AMD's MCG_CAP has nothing above this. */
#define MCE_CAP_AMD		(MCG_BANKCNT_MASK | MCG_CTL_P)

/* The registers of a bank, in the order of their MSRs. */
enum mce_register { MCE_CTL, MCE_STATUS, MCE_ADDR, MCE_MISC, MCE_REGISTERS };

static_assert(MCE_REGISTERS == VCPU_MCE_REGISTERS);

static unsigned int mce_banks(const struct vcpu *vcpu)
{
	return vcpu->mce.cap & MCG_BANKCNT_MASK;
}

/**
 * mce_reset() - the registers after power-on
 * @vcpu: being created
 *
 * As many banks as can be, which report nothing before the VMM says what they are.
 */
void mce_reset(struct vcpu *vcpu)
{
	memset(&vcpu->mce, 0, sizeof(vcpu->mce));
	vcpu->mce.cap = VCPU_MCE_BANKS;
}

/**
 * mce_cap_read() - read IA32_MCG_CAP
 * @a: in flight
 *
 * Return: X86_NO_FAULT.
 */
enum guest_fault mce_cap_read(struct msr_access *a)
{
	a->val = a->vcpu->mce.cap;
	return X86_NO_FAULT;
}

/**
 * mce_status_read() - read IA32_MCG_STATUS
 * @a: in flight
 *
 * Return: X86_NO_FAULT.
 */
enum guest_fault mce_status_read(struct msr_access *a)
{
	a->val = a->vcpu->mce.status;
	return X86_NO_FAULT;
}

/**
 * mce_status_write() - write IA32_MCG_STATUS
 * @a: in flight
 *
 * Return: X86_NO_FAULT or X86_FAULT.
 */
enum guest_fault mce_status_write(struct msr_access *a)
{
	/* The guest can only clear it (SDM 16.3.1.2). */
	if (!a->by_vmm && a->val)
		return X86_FAULT;
	a->vcpu->mce.status = a->val;
	return X86_NO_FAULT;
}

/* VMMs save and restore it without asking whether it is there. */
static bool mce_ctl_exists(const struct msr_access *a)
{
	return a->by_vmm || (a->vcpu->mce.cap & MCG_CTL_P);
}

/**
 * mce_ctl_read() - read IA32_MCG_CTL
 * @a: in flight
 *
 * Return: X86_NO_FAULT or X86_FAULT.
 */
enum guest_fault mce_ctl_read(struct msr_access *a)
{
	if (!mce_ctl_exists(a))
		return X86_FAULT;
	a->val = a->vcpu->mce.ctl;
	return X86_NO_FAULT;
}

/**
 * mce_ctl_write() - write IA32_MCG_CTL
 * @a: in flight
 *
 * Return: X86_NO_FAULT or X86_FAULT.
 */
enum guest_fault mce_ctl_write(struct msr_access *a)
{
	if (!mce_ctl_exists(a) || (a->val && ~a->val))
		return X86_FAULT;
	if (a->val && !(a->vcpu->mce.cap & MCG_CTL_P))
		return X86_FAULT;
	a->vcpu->mce.ctl = a->val;
	return X86_NO_FAULT;
}

/* The register that an MSR is, or NULL when there is no such bank. */
static u64 *mce_bank_register(const struct msr_access *a)
{
	unsigned int n = a->index - MSR_IA32_MC0_CTL;
	unsigned int end = mce_banks(a->vcpu) * MCE_REGISTERS;

	return n < end ? &a->vcpu->mce.bank[array_index_nospec(n, end)] : NULL;
}

static bool mce_bank_accepts(const struct msr_access *a)
{
	switch ((a->index - MSR_IA32_MC0_CTL) % MCE_REGISTERS) {
	case MCE_CTL:
		/*
		 * All errors or none; but old kernels leave one out: bit 10 for the K8's
		 * GART, bit 0 for corrected errors.
		 */
		return !a->val || !~(a->val | BIT_ULL(10) | BIT_ULL(0));
	case MCE_STATUS:
		/* Cleared by everybody, set where AMD's CPUs have a switch for that. */
		return !a->val || a->by_vmm ||
		       (a->vcpu->cpuid.zero_out_of_range &&
			(a->vcpu->msr.hwcr & HWCR_MC_STATUS_WR_EN));
	default:
		return true;
	}
}

/**
 * mce_bank_read() - read a register of a bank
 * @a: in flight, MSR_IA32_MC0_CTL or behind
 *
 * Return: X86_NO_FAULT or X86_FAULT.
 */
enum guest_fault mce_bank_read(struct msr_access *a)
{
	const u64 *reg = mce_bank_register(a);

	if (!reg)
		return X86_FAULT;
	a->val = *reg;
	return X86_NO_FAULT;
}

/**
 * mce_bank_write() - write a register of a bank
 * @a: in flight, MSR_IA32_MC0_CTL or behind
 *
 * Return: X86_NO_FAULT or X86_FAULT.
 */
enum guest_fault mce_bank_write(struct msr_access *a)
{
	u64 *reg = mce_bank_register(a);

	if (!reg || !mce_bank_accepts(a))
		return X86_FAULT;
	*reg = a->val;
	return X86_NO_FAULT;
}

/*
 * MCi_CTL2 asks for an interrupt by errors that are no exception. Without MCG_CMCI_P there
 * is none, but VMMs save and restore what it has then: 0.
 */
static u64 *mce_ctl2(const struct msr_access *a)
{
	unsigned int n = a->index - MSR_IA32_MC0_CTL2, end = mce_banks(a->vcpu);

	if (n >= end || (!a->by_vmm && !(a->vcpu->mce.cap & MCG_CMCI_P)))
		return NULL;
	return &a->vcpu->mce.ctl2[array_index_nospec(n, end)];
}

/**
 * mce_ctl2_read() - read a bank's MCi_CTL2
 * @a: in flight
 *
 * Return: X86_NO_FAULT or X86_FAULT.
 */
enum guest_fault mce_ctl2_read(struct msr_access *a)
{
	const u64 *reg = mce_ctl2(a);

	if (!reg)
		return X86_FAULT;
	a->val = *reg;
	return X86_NO_FAULT;
}

/**
 * mce_ctl2_write() - write a bank's MCi_CTL2
 * @a: in flight
 *
 * Return: X86_NO_FAULT or X86_FAULT.
 */
enum guest_fault mce_ctl2_write(struct msr_access *a)
{
	u64 *reg = mce_ctl2(a), bits = MCI_CTL2_CMCI_EN | MCI_CTL2_CMCI_THRESHOLD_MASK;

	if (!reg || (a->val & ~(a->vcpu->mce.cap & MCG_CMCI_P ? bits : 0)))
		return X86_FAULT;
	*reg = a->val;
	return X86_NO_FAULT;
}

/* The guest's firmware allows machine checks for one CPU alone (SDM 16.3.1.4). */
static bool mce_ext_ctl_exists(const struct msr_access *a)
{
	if (cpuid_host_is_amd())
		return false;
	return a->by_vmm || (a->vcpu->msr.feature_control & FEAT_CTL_LMCE_ENABLED);
}

/**
 * mce_ext_ctl_read() - read IA32_MCG_EXT_CTL
 * @a: in flight
 *
 * Return: X86_NO_FAULT or X86_FAULT.
 */
enum guest_fault mce_ext_ctl_read(struct msr_access *a)
{
	if (!mce_ext_ctl_exists(a))
		return X86_FAULT;
	a->val = a->vcpu->mce.ext_ctl;
	return X86_NO_FAULT;
}

/**
 * mce_ext_ctl_write() - write IA32_MCG_EXT_CTL
 * @a: in flight
 *
 * Return: X86_NO_FAULT or X86_FAULT.
 */
enum guest_fault mce_ext_ctl_write(struct msr_access *a)
{
	if (!mce_ext_ctl_exists(a) || (a->val & ~(u64)MCG_EXT_CTL_LMCE_EN))
		return X86_FAULT;
	a->vcpu->mce.ext_ctl = a->val;
	return X86_NO_FAULT;
}

/*
 * Intel's IA32_FEATURE_CONTROL: firmware enables features by it and locks it; local machine
 * checks are the only one of them here.
 */

/**
 * feature_control_read() - read IA32_FEATURE_CONTROL
 * @a: in flight
 *
 * Return: X86_NO_FAULT or X86_FAULT.
 */
enum guest_fault feature_control_read(struct msr_access *a)
{
	if (cpuid_host_is_amd())
		return X86_FAULT;
	a->val = a->vcpu->msr.feature_control;
	return X86_NO_FAULT;
}

/**
 * feature_control_write() - write IA32_FEATURE_CONTROL
 * @a: in flight
 *
 * Return: X86_NO_FAULT or X86_FAULT.
 */
enum guest_fault feature_control_write(struct msr_access *a)
{
	bool lmce = a->by_vmm || (a->vcpu->mce.cap & MCG_LMCE_P);

	if (cpuid_host_is_amd())
		return X86_FAULT;
	if (!a->by_vmm && (a->vcpu->msr.feature_control & FEAT_CTL_LOCKED))
		return X86_FAULT;
	if (a->val & ~(u64)(FEAT_CTL_LOCKED | (lmce ? FEAT_CTL_LMCE_ENABLED : 0)))
		return X86_FAULT;
	a->vcpu->msr.feature_control = a->val;
	return X86_NO_FAULT;
}

static u64 mce_supported(void)
{
	return cpuid_host_is_amd() ? MCE_CAP_BOTH : MCE_CAP_INTEL;
}

/**
 * mce_ioctl_supported() - KVM_X86_GET_MCE_CAP_SUPPORTED
 * @cap: filled
 *
 * Return: 0: it cannot fail.
 */
int mce_ioctl_supported(u64 *cap)
{
	*cap = mce_supported();
	return 0;
}

/**
 * vcpu_ioctl_setup_mce() - KVM_X86_SETUP_MCE
 * @vcpu: owned
 * @cap: what IA32_MCG_CAP shall be: banks, extended registers, and features
 *
 * Return: 0; -EINVAL for no bank, too many, or features that are not there.
 */
int vcpu_ioctl_setup_mce(struct vcpu *vcpu, u64 *cap)
{
	unsigned int i, banks = *cap & MCG_BANKCNT_MASK;
	u64 changed;

	if (!banks || banks > VCPU_MCE_BANKS)
		return -EINVAL;
	if (*cap & ~(mce_supported() | MCG_BANKCNT_MASK | MCG_EXT_CNT_MASK))
		return -EINVAL;
	changed = vcpu->mce.cap ^ *cap;
	vcpu->mce.cap = cpuid_host_is_amd() ? *cap & MCE_CAP_AMD : *cap;
	if (*cap & MCG_CTL_P)
		vcpu->mce.ctl = ~0ULL;
	for (i = 0; i < banks; i++)
		vcpu->mce.bank[i * MCE_REGISTERS + MCE_CTL] = ~0ULL;
	memset(vcpu->mce.ctl2, 0, sizeof(vcpu->mce.ctl2));
	if (changed & MCG_CMCI_P)
		vlapic_mce_changed(vcpu);
	return 0;
}

/* It waits in its bank; the guest may have asked to be told. */
static void mce_record_no_action(struct vcpu *vcpu, u64 *bank, const struct kvm_x86_mce *mce)
{
	u64 ctl2 = vcpu->mce.ctl2[array_index_nospec(mce->bank, VCPU_MCE_BANKS)];

	bank[MCE_STATUS] = mce->status;
	bank[MCE_ADDR] = mce->addr;
	bank[MCE_MISC] = mce->misc;
	vcpu->mce.status = 0;
	if ((vcpu->mce.cap & MCG_CMCI_P) && (ctl2 & MCI_CTL2_CMCI_EN))
		vlapic_corrected_error(vcpu);
}

static void mce_record(u64 *bank, const struct kvm_x86_mce *mce)
{
	u64 lost = bank[MCE_STATUS] & MCI_STATUS_VAL ? MCI_STATUS_OVER : 0;

	bank[MCE_STATUS] = mce->status | lost;
	bank[MCE_ADDR] = mce->addr;
	bank[MCE_MISC] = mce->misc;
}

/* Uncorrected, and the guest need not know it now: nothing uses the data. */
static bool mce_needs_no_action(const struct kvm_x86_mce *mce)
{
	return !mce->mcg_status && (mce->status & MCI_STATUS_UC) &&
	       !(mce->status & (MCI_STATUS_PCC | MCI_STATUS_S | MCI_STATUS_AR));
}

/* The guest has not turned reports of this bank off. */
static bool mce_is_reported(const struct vcpu *vcpu, const u64 *bank)
{
	return !~bank[MCE_CTL] && (!(vcpu->mce.cap & MCG_CTL_P) || !~vcpu->mce.ctl);
}

static void mce_raise(struct vcpu *vcpu, u64 *bank, const struct kvm_x86_mce *mce)
{
	if (!mce_is_reported(vcpu, bank))
		return;
	/* One that strikes in the handler of another, or before there is one, is the end. */
	if ((vcpu->mce.status & MCG_STATUS_MCIP) || !(vcpu->st.cr4 & X86_CR4_MCE)) {
		vcpu_request(vcpu, REQ_SHUTDOWN);
		return;
	}
	mce_record(bank, mce);
	vcpu->mce.status = mce->mcg_status;
	event_queue_exception(vcpu, X86_TRAP_MC);
}

/**
 * vcpu_ioctl_set_mce() - KVM_X86_SET_MCE
 * @vcpu: owned
 * @mce: the error that the guest shall find
 *
 * An uncorrected one raises #MC, or shuts the vCPU down when it cannot take that. A
 * corrected one waits in its bank until the guest looks; it does not replace an
 * uncorrected one, which only learns that there was another.  An uncorrected one that needs
 * no action waits, too, and interrupts the guest where that has asked for it.
 *
 * Return: 0; -EINVAL for a bank that is not there, or a status that is not valid.
 */
int vcpu_ioctl_set_mce(struct vcpu *vcpu, struct kvm_x86_mce *mce)
{
	const u64 found = MCI_STATUS_VAL | MCI_STATUS_UC;
	unsigned int banks = mce_banks(vcpu);
	u64 *bank;

	if (mce->bank >= banks || !(mce->status & MCI_STATUS_VAL))
		return -EINVAL;
	bank = &vcpu->mce.bank[array_index_nospec(mce->bank, banks) * MCE_REGISTERS];
	if (mce_needs_no_action(mce)) {
		mce_record_no_action(vcpu, bank, mce);
	} else if (mce->status & MCI_STATUS_UC) {
		mce_raise(vcpu, bank, mce);
	} else if ((bank[MCE_STATUS] & found) == found) {
		bank[MCE_STATUS] |= MCI_STATUS_OVER;
	} else {
		mce_record(bank, mce);
	}
	return 0;
}
