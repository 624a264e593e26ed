// SPDX-License-Identifier: GPL-2.0-only
/*
 * Model-specific registers: one table says for each what it is, whether it
 * exists, which bits it has and where it lives; the guest's RDMSR and WRMSR and
 * the VMM's ioctls (msr_ioctl.c) go through it.  The local APIC's MSRs, EFER, the TSC and
 * the clocks are other files' and are called from here.
 *
 * The hard part is what to refuse: an MSR that the table does not have, or whose feature
 * the guest lacks, is #GP. But the VMM may set an MSR that it restores from elsewhere
 * before it has set CPUID, as long as this host supports it.
 */
#include <linux/kvm_para.h>
#include <linux/nospec.h>
#include <asm/cpufeature.h>
#include <asm/msr.h>
#include <asm/nospec-branch.h>

#include "compat.h"
#include "x86/board/lapic.h"
#include "x86/cpu/clock.h"
#include "x86/cpu/cpuid_host.h"
#include "x86/machine/vm.h"
#include "x86/run/cr.h"
#include "x86/run/kvmclock.h"
#include "x86/run/mce.h"
#include "x86/run/msr.h"
#include "x86/run/msr_filter.h"
#include "x86/run/mtrr.h"
#include "x86/run/pv.h"

#define PAT_RESET		0x0007040600070406ULL
#define UCODE_REV_AMD		0x01000065
#define UCODE_REV_INTEL		0x100000000ULL
#define HWCR_TSC_FREQ_SEL	BIT_ULL(24)	/* the TSC counts at the P0 frequency */
/* TLB cache disable, FERR disable, IGNNE emulation: nothing here depends on them. */
#define HWCR_IGNORED		(BIT_ULL(3) | BIT_ULL(6) | BIT_ULL(8))
/* Extended configuration space through ports 0xcf8/0xcfc: Linux switches it on. */
#define NB_CFG_CF8_EXT		BIT_ULL(46)
#define VM_CR_SVM_OFF		(BIT(3) /* locked */ | BIT(4) /* SVM disabled */)
#define ARCH_CAPS_SAFE		(ARCH_CAP_RDCL_NO | ARCH_CAP_IBRS_ALL | ARCH_CAP_RSBA | \
				 ARCH_CAP_SKIP_VMENTRY_L1DFLUSH | ARCH_CAP_SSB_NO | \
				 ARCH_CAP_MDS_NO | ARCH_CAP_PSCHANGE_MC_NO | ARCH_CAP_TAA_NO | \
				 ARCH_CAP_SBDR_SSDP_NO | ARCH_CAP_FBSDP_NO | ARCH_CAP_PSDP_NO | \
				 ARCH_CAP_FB_CLEAR | ARCH_CAP_RRSBA | ARCH_CAP_BHI_NO | \
				 ARCH_CAP_PBRSB_NO | ARCH_CAP_GDS_NO | ARCH_CAP_RFDS_NO | \
				 ARCH_CAP_RFDS_CLEAR | ARCH_CAP_ITS_NO)

/* msr_desc.feature: none needed; or a paravirtual one */
#define ALWAYS		0xffff
#define PV_FEATURE	0x8000
#define PV(name)	(PV_FEATURE | KVM_FEATURE_##name)
#define X2APIC_FIRST	0x800
#define X2APIC_LAST	0x8ff

/* msr_desc.flags */
#define MSR_SAVED	BIT(0)	/* in KVM_GET_MSR_INDEX_LIST */
#define MSR_READONLY	BIT(1)	/* the guest's writes are #GP, the VMM's are not */
#define MSR_CANONICAL	BIT(2)	/* holds a linear address */
#define MSR_SWITCHED	BIT(3)	/* a member of st.msrs: ST_MSRS */
#define MSR_DIRECT	BIT(4)	/* the guest needs no exit for it */

/**
 * struct msr_desc - MSRs @first to @last
 * @first: index
 * @last: index
 * @feature: X86_FEATURE_* that the guest needs for them, PV(), or ALWAYS
 * @flags: MSR_*
 * @offset: in struct vcpu, of the u64 (an array, for a range) that holds it;
 *	0 when there is none: it reads as 0 then, and no other value can be written
 * @bits: that can be set; a write of others is refused
 * @read: instead of @offset
 * @write: instead of @offset, or to check a value and, without a fault, store it itself
 */
struct msr_desc {
	u32 first, last;
	u16 feature;
	u8 flags;
	u32 offset;
	u64 bits;
	enum guest_fault (*read)(struct msr_access *a);
	enum guest_fault (*write)(struct msr_access *a);
};

/*
 * A feature must be the host's first, whatever the VMM put into CPUID: some of
 * these MSRs are loaded into the hardware.  The VMM may use all of those, and so
 * may a guest without CPUID.
 */
static bool msr_feature(const struct msr_access *a, unsigned int feature)
{
	if (!cpuid_host_has(feature))
		return false;
	return a->by_vmm || !a->vcpu->cpuid.nent || cpuid_has(a->vcpu, feature);
}

/* Handlers, in the order of the table */

static enum guest_fault tsc_read(struct msr_access *a)
{
	a->val = a->by_vmm ? vtsc_of_vmm(a->vcpu) : vcpu_tsc(a->vcpu);
	return X86_NO_FAULT;
}

/* A write by the guest changes TSC_ADJUST as well. The VMM restores TSC_ADJUST itself. */
static enum guest_fault tsc_write(struct msr_access *a)
{
	struct vcpu *vcpu = a->vcpu;

	if (a->by_vmm) {
		vtsc_sync(vcpu, a->val);
	} else {
		vcpu->msr.tsc_adjust += a->val - vcpu_tsc(vcpu);
		vtsc_set(vcpu, a->val);
	}
	return X86_NO_FAULT;
}

static enum guest_fault tsc_adjust_write(struct msr_access *a)
{
	struct vcpu *vcpu = a->vcpu;
	u64 delta = a->val - vcpu->msr.tsc_adjust;

	if (!a->by_vmm && delta)
		vtsc_set(vcpu, vcpu_tsc(vcpu) + delta);
	vcpu->msr.tsc_adjust = a->val;
	return X86_NO_FAULT;
}

static enum guest_fault apic_base_read(struct msr_access *a)
{
	a->val = vlapic_get_base(a->vcpu);
	return X86_NO_FAULT;
}

static enum guest_fault apic_base_write(struct msr_access *a)
{
	return vlapic_set_base(a->vcpu, a->val, a->by_vmm);
}

/* The VMM may save and restore a deadline that no APIC keeps: none. */
static bool no_deadline(const struct msr_access *a)
{
	return a->by_vmm && a->index == MSR_IA32_TSC_DEADLINE && !a->val;
}

static enum guest_fault vlapic_read(struct msr_access *a)
{
	if (!a->vcpu->apic)
		return no_deadline(a) ? X86_NO_FAULT : X86_FAULT;
	return vlapic_msr_read(a->vcpu, a->index, &a->val);
}

static enum guest_fault vlapic_write(struct msr_access *a)
{
	if (!a->vcpu->apic)
		return no_deadline(a) ? X86_NO_FAULT : X86_FAULT;
	return vlapic_msr_write(a->vcpu, a->index, a->val);
}

static bool spec_ctrl_exists(struct msr_access *a, unsigned int intel, unsigned int amd)
{
	return msr_feature(a, intel) || msr_feature(a, amd);
}

static u64 spec_ctrl_bits(struct msr_access *a)
{
	u64 bits = 0;

	if (spec_ctrl_exists(a, X86_FEATURE_SPEC_CTRL, X86_FEATURE_AMD_IBRS))
		bits |= SPEC_CTRL_IBRS;
	if (spec_ctrl_exists(a, X86_FEATURE_INTEL_STIBP, X86_FEATURE_AMD_STIBP))
		bits |= SPEC_CTRL_STIBP;
	if (spec_ctrl_exists(a, X86_FEATURE_SPEC_CTRL_SSBD, X86_FEATURE_AMD_SSBD))
		bits |= SPEC_CTRL_SSBD;
	return bits;
}

static enum guest_fault spec_ctrl_read(struct msr_access *a)
{
	if (!spec_ctrl_bits(a))
		return X86_FAULT;
	vcpu_need(a->vcpu, ST_MSRS);
	a->val = a->vcpu->st.msrs.spec_ctrl;
	return X86_NO_FAULT;
}

static enum guest_fault spec_ctrl_write(struct msr_access *a)
{
	u64 bits = spec_ctrl_bits(a);

	if (!bits || (a->val & ~bits))
		return X86_FAULT;
	vcpu_need(a->vcpu, ST_MSRS);
	a->vcpu->st.msrs.spec_ctrl = a->val;
	vcpu_changed(a->vcpu, ST_MSRS);
	return X86_NO_FAULT;
}

/* Commands: nothing is kept, reading is #GP. */
static enum guest_fault no_read(struct msr_access *a)
{
	return X86_FAULT;
}

static enum guest_fault no_write(struct msr_access *a)
{
	return X86_FAULT;
}

static enum guest_fault pred_cmd_write(struct msr_access *a)
{
	if (!spec_ctrl_exists(a, X86_FEATURE_SPEC_CTRL, X86_FEATURE_AMD_IBPB) ||
	    (a->val & ~(u64)PRED_CMD_IBPB))
		return X86_FAULT;
	if (a->val && !a->by_vmm && boot_cpu_has(X86_FEATURE_IBPB))
		wrmsrl(MSR_IA32_PRED_CMD, PRED_CMD_IBPB);
	return X86_NO_FAULT;
}

static enum guest_fault flush_cmd_write(struct msr_access *a)
{
	if (a->val & ~(u64)L1D_FLUSH)
		return X86_FAULT;
	if (a->val && !a->by_vmm && boot_cpu_has(X86_FEATURE_FLUSH_L1D))
		wrmsrl(MSR_IA32_FLUSH_CMD, L1D_FLUSH);
	return X86_NO_FAULT;
}

/* The guest's write asks the CPU to load the revision, and changes nothing. */
static enum guest_fault ucode_rev_write(struct msr_access *a)
{
	if (a->by_vmm)
		a->vcpu->msr.ucode_rev = a->val;
	return X86_NO_FAULT;
}

static bool pat_valid(u64 pat)
{
	int i;

	for (i = 0; i < 64; i += 8) {
		u8 type = pat >> i;

		if (type > 7 || type == 2 || type == 3)
			return false;
	}
	return true;
}

static enum guest_fault pat_write(struct msr_access *a)
{
	if (!pat_valid(a->val))
		return X86_FAULT;
	vcpu_need(a->vcpu, ST_MSRS);
	a->vcpu->st.msrs.pat = a->val;
	vcpu_changed(a->vcpu, ST_MSRS);
	return X86_NO_FAULT;
}

static enum guest_fault wall_clock_read(struct msr_access *a)
{
	a->val = a->vcpu->clock.wall_clock_msr;
	return X86_NO_FAULT;
}

static enum guest_fault wall_clock_write(struct msr_access *a)
{
	return kvmclock_set_wall_clock(a->vcpu, a->val);
}

static enum guest_fault system_time_read(struct msr_access *a)
{
	a->val = a->vcpu->clock.system_time_msr;
	return X86_NO_FAULT;
}

static enum guest_fault system_time_write(struct msr_access *a)
{
	kvmclock_set_system_time(a->vcpu, a->val);
	return X86_NO_FAULT;
}

static enum guest_fault efer_read(struct msr_access *a)
{
	a->val = a->vcpu->st.efer;
	return X86_NO_FAULT;
}

static enum guest_fault efer_write(struct msr_access *a)
{
	return cr_set_efer(a->vcpu, a->val, a->by_vmm);
}

static struct kvm_segment *base_segment(struct msr_access *a)
{
	return &a->vcpu->st.seg[a->index == MSR_FS_BASE ? SEG_FS : SEG_GS];
}

static enum guest_fault segment_base_read(struct msr_access *a)
{
	vcpu_need(a->vcpu, ST_SEGS);
	a->val = base_segment(a)->base;
	return X86_NO_FAULT;
}

static enum guest_fault segment_base_write(struct msr_access *a)
{
	vcpu_need(a->vcpu, ST_SEGS);
	base_segment(a)->base = a->val;
	vcpu_changed(a->vcpu, ST_SEGS);
	return X86_NO_FAULT;
}

static bool tsc_aux_exists(struct msr_access *a)
{
	return msr_feature(a, X86_FEATURE_RDTSCP) || msr_feature(a, X86_FEATURE_RDPID);
}

static enum guest_fault tsc_aux_read(struct msr_access *a)
{
	if (!tsc_aux_exists(a))
		return X86_FAULT;
	vcpu_need(a->vcpu, ST_MSRS);
	a->val = a->vcpu->st.msrs.tsc_aux;
	return X86_NO_FAULT;
}

static enum guest_fault tsc_aux_write(struct msr_access *a)
{
	if (!tsc_aux_exists(a))
		return X86_FAULT;
	/* Intel's CPUs refuse upper bits, AMD's drop them. */
	if (!a->vcpu->cpuid.zero_out_of_range && a->val >> 32)
		return X86_FAULT;
	vcpu_need(a->vcpu, ST_MSRS);
	a->vcpu->st.msrs.tsc_aux = (u32)a->val;
	vcpu_changed(a->vcpu, ST_MSRS);
	return X86_NO_FAULT;
}

/*
 * Loaded into the hardware, whose upper half is reserved: Intel's CPUs refuse it, AMD's
 * drop it.
 */
static enum guest_fault sfmask_write(struct msr_access *a)
{
	if (!a->vcpu->cpuid.zero_out_of_range && a->val >> 32)
		return X86_FAULT;
	vcpu_need(a->vcpu, ST_MSRS);
	a->vcpu->st.msrs.sfmask = (u32)a->val;
	vcpu_changed(a->vcpu, ST_MSRS);
	return X86_NO_FAULT;
}

static enum guest_fault platform_info_read(struct msr_access *a)
{
	if (!a->by_vmm && READ_ONCE(a->vcpu->vm->enabled.no_platform_info))
		return X86_FAULT;
	a->val = a->vcpu->msr.platform_info;
	return X86_NO_FAULT;
}

/* That CPUID can fault cannot be taken back while it does. */
static enum guest_fault platform_info_write(struct msr_access *a)
{
	struct vcpu_msrs *m = &a->vcpu->msr;

	if (m->misc_features && !(a->val & MSR_PLATFORM_INFO_CPUID_FAULT))
		return X86_FAULT;
	m->platform_info = a->val;
	return X86_NO_FAULT;
}

static enum guest_fault misc_features_write(struct msr_access *a)
{
	struct vcpu_msrs *m = &a->vcpu->msr;

	if (a->val && !(m->platform_info & MSR_PLATFORM_INFO_CPUID_FAULT))
		return X86_FAULT;
	m->misc_features = a->val;
	return X86_NO_FAULT;
}

static enum guest_fault hwcr_write(struct msr_access *a)
{
	a->val &= ~HWCR_IGNORED;
	if (a->val & ~(HWCR_TSC_FREQ_SEL | HWCR_MC_STATUS_WR_EN))
		return X86_FAULT;
	a->vcpu->msr.hwcr = a->val;
	return X86_NO_FAULT;
}

static enum guest_fault vm_cr_read(struct msr_access *a)
{
	a->val = VM_CR_SVM_OFF;
	return X86_NO_FAULT;
}

static enum guest_fault vm_cr_write(struct msr_access *a)
{
	return a->val == VM_CR_SVM_OFF ? X86_NO_FAULT : X86_FAULT;
}

/* LFENCE's serializing bit is as the host has it; nothing else may change. */
static enum guest_fault de_cfg_write(struct msr_access *a)
{
	if (a->val & ~(u64)MSR_AMD64_DE_CFG_LFENCE_SERIALIZE)
		return X86_FAULT;
	a->vcpu->msr.de_cfg = a->val;
	return X86_NO_FAULT;
}

/* The table */

#define SOFT(member)	.offset = offsetof(struct vcpu, msr.member)
#define SWITCHED(member) .offset = offsetof(struct vcpu, st.msrs.member)
#define ANY		.bits = ~0ULL
#define CALLS(name)	.read = name##_read, .write = name##_write, ANY
/* Reads as 0, and writes of 0 are fine: Linux and firmware probe or clear these. */
#define ZERO(first, last) { first, last, ALWAYS }

/* Sorted by index, for msr_find(). */
static const struct msr_desc msr_table[] = {
	ZERO(MSR_IA32_P5_MC_ADDR, MSR_IA32_P5_MC_TYPE),
	{ MSR_IA32_TSC, MSR_IA32_TSC, ALWAYS, MSR_SAVED, CALLS(tsc) },
	{ MSR_KVM_WALL_CLOCK, MSR_KVM_WALL_CLOCK, PV(CLOCKSOURCE), MSR_SAVED, CALLS(wall_clock) },
	{ MSR_KVM_SYSTEM_TIME, MSR_KVM_SYSTEM_TIME, PV(CLOCKSOURCE), MSR_SAVED,
	  CALLS(system_time) },
	{ MSR_IA32_APICBASE, MSR_IA32_APICBASE, ALWAYS, 0, CALLS(apic_base) },
	ZERO(MSR_EBC_FREQUENCY_ID, MSR_EBC_FREQUENCY_ID),
	{ MSR_IA32_FEAT_CTL, MSR_IA32_FEAT_CTL, ALWAYS, MSR_SAVED, CALLS(feature_control) },
	{ MSR_IA32_TSC_ADJUST, MSR_IA32_TSC_ADJUST, X86_FEATURE_TSC_ADJUST, MSR_SAVED,
	  SOFT(tsc_adjust), ANY, .write = tsc_adjust_write },
	{ MSR_IA32_SPEC_CTRL, MSR_IA32_SPEC_CTRL, ALWAYS, MSR_SAVED, CALLS(spec_ctrl) },
	{ MSR_IA32_PRED_CMD, MSR_IA32_PRED_CMD, ALWAYS, 0, ANY, .read = no_read,
	  .write = pred_cmd_write },
	{ MSR_IA32_UCODE_REV, MSR_IA32_UCODE_REV, ALWAYS, MSR_SAVED, SOFT(ucode_rev), ANY,
	  .write = ucode_rev_write },
	{ MSR_PLATFORM_INFO, MSR_PLATFORM_INFO, ALWAYS, MSR_SAVED | MSR_READONLY,
	  SOFT(platform_info), CALLS(platform_info) },
	{ MSR_MTRRcap, MSR_MTRRcap, X86_FEATURE_MTRR, MSR_READONLY, .read = mtrr_cap_read,
	  .bits = MTRR_CAP },
	{ MSR_IA32_ARCH_CAPABILITIES, MSR_IA32_ARCH_CAPABILITIES,
	  X86_FEATURE_ARCH_CAPABILITIES, MSR_SAVED | MSR_READONLY, SOFT(arch_caps),
	  .bits = ARCH_CAPS_SAFE },
	{ MSR_IA32_FLUSH_CMD, MSR_IA32_FLUSH_CMD, X86_FEATURE_FLUSH_L1D, 0, ANY,
	  .read = no_read, .write = flush_cmd_write },
	{ MSR_MISC_FEATURES_ENABLES, MSR_MISC_FEATURES_ENABLES, ALWAYS, MSR_SAVED,
	  SOFT(misc_features), .bits = MSR_MISC_FEATURES_ENABLES_CPUID_FAULT,
	  .write = misc_features_write },
	{ MSR_IA32_SYSENTER_CS, MSR_IA32_SYSENTER_CS, ALWAYS,
	  MSR_SAVED | MSR_SWITCHED | MSR_DIRECT, SWITCHED(sysenter_cs), ANY },
	{ MSR_IA32_SYSENTER_ESP, MSR_IA32_SYSENTER_ESP, ALWAYS,
	  MSR_SAVED | MSR_SWITCHED | MSR_DIRECT | MSR_CANONICAL, SWITCHED(sysenter_esp), ANY },
	{ MSR_IA32_SYSENTER_EIP, MSR_IA32_SYSENTER_EIP, ALWAYS,
	  MSR_SAVED | MSR_SWITCHED | MSR_DIRECT | MSR_CANONICAL, SWITCHED(sysenter_eip), ANY },
	/* The VMM writes it by KVM_X86_SETUP_MCE. */
	{ MSR_IA32_MCG_CAP, MSR_IA32_MCG_CAP, ALWAYS, 0, ANY, .read = mce_cap_read,
	  .write = no_write },
	{ MSR_IA32_MCG_STATUS, MSR_IA32_MCG_STATUS, ALWAYS, MSR_SAVED, CALLS(mce_status) },
	{ MSR_IA32_MCG_CTL, MSR_IA32_MCG_CTL, ALWAYS, MSR_SAVED, CALLS(mce_ctl) },
	ZERO(MSR_IA32_PERF_STATUS, MSR_IA32_PERF_CTL),
	{ MSR_IA32_MISC_ENABLE, MSR_IA32_MISC_ENABLE, ALWAYS, MSR_SAVED, SOFT(misc_enable), ANY },
	{ MSR_IA32_DEBUGCTLMSR, MSR_IA32_DEBUGCTLMSR, ALWAYS, MSR_SWITCHED, SWITCHED(debugctl) },
	{ MSR_IA32_POWER_CTL, MSR_IA32_POWER_CTL, ALWAYS, MSR_SAVED, SOFT(power_ctl), ANY },
	{ MTRRphysBase_MSR(0), MTRRphysMask_MSR(MTRR_VAR_RANGES - 1), X86_FEATURE_MTRR, 0,
	  SOFT(mtrr_var), ANY, .write = mtrr_var_write },
	{ MSR_MTRRfix64K_00000, MSR_MTRRfix64K_00000, X86_FEATURE_MTRR, 0, CALLS(mtrr_fixed) },
	{ MSR_MTRRfix16K_80000, MSR_MTRRfix16K_A0000, X86_FEATURE_MTRR, 0, CALLS(mtrr_fixed) },
	{ MSR_MTRRfix4K_C0000, MSR_MTRRfix4K_F8000, X86_FEATURE_MTRR, 0, CALLS(mtrr_fixed) },
	{ MSR_IA32_CR_PAT, MSR_IA32_CR_PAT, X86_FEATURE_PAT, MSR_SAVED | MSR_SWITCHED,
	  SWITCHED(pat), ANY, .write = pat_write },
	{ MSR_IA32_MC0_CTL2, MSR_IA32_MCx_CTL2(VCPU_MCE_BANKS) - 1, ALWAYS, 0, CALLS(mce_ctl2) },
	{ MSR_MTRRdefType, MSR_MTRRdefType, X86_FEATURE_MTRR, 0, SOFT(mtrr_def_type),
	  .bits = MTRR_DEF_TYPE_BITS, .write = mtrr_def_type_write },
	{ MSR_IA32_MC0_CTL, MSR_IA32_MCx_CTL(VCPU_MCE_BANKS) - 1, ALWAYS, 0, CALLS(mce_bank) },
	{ MSR_IA32_MCG_EXT_CTL, MSR_IA32_MCG_EXT_CTL, ALWAYS, MSR_SAVED, CALLS(mce_ext_ctl) },
	{ MSR_IA32_TSC_DEADLINE, MSR_IA32_TSC_DEADLINE, X86_FEATURE_TSC_DEADLINE_TIMER,
	  MSR_SAVED, CALLS(vlapic) },
	{ X2APIC_FIRST, X2APIC_LAST, X86_FEATURE_X2APIC, 0, CALLS(vlapic) },
	/* No supervisor state is offered. */
	{ MSR_IA32_XSS, MSR_IA32_XSS, X86_FEATURE_XSAVES, MSR_SAVED },
	{ MSR_KVM_WALL_CLOCK_NEW, MSR_KVM_WALL_CLOCK_NEW, PV(CLOCKSOURCE2), MSR_SAVED,
	  CALLS(wall_clock) },
	{ MSR_KVM_SYSTEM_TIME_NEW, MSR_KVM_SYSTEM_TIME_NEW, PV(CLOCKSOURCE2), MSR_SAVED,
	  CALLS(system_time) },
	{ MSR_KVM_ASYNC_PF_EN, MSR_KVM_ASYNC_PF_EN, PV(ASYNC_PF), MSR_SAVED, CALLS(pv_msr) },
	{ MSR_KVM_STEAL_TIME, MSR_KVM_STEAL_TIME, PV(STEAL_TIME), MSR_SAVED, CALLS(pv_msr) },
	{ MSR_KVM_PV_EOI_EN, MSR_KVM_PV_EOI_EN, PV(PV_EOI), MSR_SAVED, CALLS(pv_msr) },
	{ MSR_KVM_POLL_CONTROL, MSR_KVM_POLL_CONTROL, PV(POLL_CONTROL), MSR_SAVED,
	  CALLS(pv_msr) },
	{ MSR_KVM_ASYNC_PF_INT, MSR_KVM_ASYNC_PF_ACK, PV(ASYNC_PF_INT), MSR_SAVED,
	  CALLS(pv_msr) },
	{ MSR_EFER, MSR_EFER, ALWAYS, 0, CALLS(efer) },
	{ MSR_STAR, MSR_STAR, ALWAYS, MSR_SAVED | MSR_SWITCHED | MSR_DIRECT, SWITCHED(star), ANY },
	{ MSR_LSTAR, MSR_LSTAR, ALWAYS, MSR_SAVED | MSR_SWITCHED | MSR_DIRECT | MSR_CANONICAL,
	  SWITCHED(lstar), ANY },
	{ MSR_CSTAR, MSR_CSTAR, ALWAYS, MSR_SAVED | MSR_SWITCHED | MSR_DIRECT | MSR_CANONICAL,
	  SWITCHED(cstar), ANY },
	{ MSR_SYSCALL_MASK, MSR_SYSCALL_MASK, ALWAYS, MSR_SAVED | MSR_SWITCHED | MSR_DIRECT,
	  SWITCHED(sfmask), ANY, .write = sfmask_write },
	{ MSR_FS_BASE, MSR_GS_BASE, ALWAYS, MSR_DIRECT | MSR_CANONICAL, CALLS(segment_base) },
	{ MSR_KERNEL_GS_BASE, MSR_KERNEL_GS_BASE, ALWAYS,
	  MSR_SAVED | MSR_SWITCHED | MSR_DIRECT | MSR_CANONICAL, SWITCHED(kernel_gs_base), ANY },
	{ MSR_TSC_AUX, MSR_TSC_AUX, ALWAYS, MSR_SAVED, CALLS(tsc_aux) },
	ZERO(MSR_K7_EVNTSEL0, MSR_K7_PERFCTR3),
	ZERO(MSR_AMD64_SYSCFG, MSR_AMD64_SYSCFG),
	{ MSR_K7_HWCR, MSR_K7_HWCR, ALWAYS, MSR_SAVED, SOFT(hwcr), ANY, .write = hwcr_write },
	ZERO(MSR_K8_TOP_MEM1, MSR_K8_TOP_MEM1),
	ZERO(MSR_K8_TOP_MEM2, MSR_K8_TOP_MEM2),
	{ MSR_AMD64_NB_CFG, MSR_AMD64_NB_CFG, ALWAYS, 0, SOFT(nb_cfg), .bits = NB_CFG_CF8_EXT },
	ZERO(MSR_FAM10H_MMIO_CONF_BASE, MSR_FAM10H_MMIO_CONF_BASE),
	{ MSR_VM_CR, MSR_VM_CR, ALWAYS, 0, CALLS(vm_cr) },
	ZERO(MSR_VM_IGNNE, MSR_VM_IGNNE),
	ZERO(MSR_VM_HSAVE_PA, MSR_VM_HSAVE_PA),
	ZERO(MSR_AMD64_OSVW_ID_LENGTH, MSR_AMD64_OSVW_STATUS),
	ZERO(MSR_F15H_PERF_CTL0, MSR_F15H_PERF_CTR5),
	ZERO(MSR_AMD64_LS_CFG, MSR_AMD64_LS_CFG),
	ZERO(MSR_AMD64_DC_CFG, MSR_AMD64_DC_CFG),
	{ MSR_AMD64_DE_CFG, MSR_AMD64_DE_CFG, ALWAYS, MSR_SAVED, SOFT(de_cfg), ANY,
	  .write = de_cfg_write },
	ZERO(MSR_AMD64_BU_CFG2, MSR_AMD64_BU_CFG2),
};

/* What new vCPUs get, from this host; set by msr_setup(), then constant. */
static u64 host_arch_caps, host_de_cfg, host_ucode_rev;

/* What the CPU does not say itself, or cannot, Linux knows: each bit is a bug that it has not. */
static u64 arch_caps_here(void)
{
	static const struct { unsigned int bug; u64 no; } bugs[] = {
		{ X86_BUG_CPU_MELTDOWN, ARCH_CAP_RDCL_NO }, { X86_BUG_MDS, ARCH_CAP_MDS_NO },
		{ X86_BUG_SPEC_STORE_BYPASS, ARCH_CAP_SSB_NO }, { X86_BUG_GDS, ARCH_CAP_GDS_NO },
		{ X86_BUG_RFDS, ARCH_CAP_RFDS_NO }, { X86_BUG_ITS, ARCH_CAP_ITS_NO },
		{ X86_BUG_ITLB_MULTIHIT, ARCH_CAP_PSCHANGE_MC_NO },
	};
	u64 caps = 0;
	int i;

	if (!boot_cpu_has(X86_FEATURE_ARCH_CAPABILITIES) ||
	    rdmsrl_safe(MSR_IA32_ARCH_CAPABILITIES, &caps))
		caps = 0;
	for (i = 0; i < ARRAY_SIZE(bugs); i++)
		if (!boot_cpu_has_bug(bugs[i].bug))
			caps |= bugs[i].no;
	return caps & ARCH_CAPS_SAFE;
}

/**
 * msr_setup() - learn what the host has in MSRs that guests see
 *
 * Once, while the module is loaded.
 */
void msr_setup(void)
{
	host_arch_caps = arch_caps_here();
	host_de_cfg = 0;
	if (cpuid_host_is_amd() && boot_cpu_has(X86_FEATURE_LFENCE_RDTSC))
		host_de_cfg = MSR_AMD64_DE_CFG_LFENCE_SERIALIZE;
	host_ucode_rev = cpuid_host_is_amd() ? UCODE_REV_AMD : UCODE_REV_INTEL;
}

/**
 * msr_reset() - the values after power-on
 * @vcpu: being created; the caller says vcpu_changed()
 */
void msr_reset(struct vcpu *vcpu)
{
	memset(&vcpu->msr, 0, sizeof(vcpu->msr));
	memset(&vcpu->st.msrs, 0, sizeof(vcpu->st.msrs));
	vcpu->st.msrs.pat = PAT_RESET;
	vcpu->msr.misc_enable = MSR_IA32_MISC_ENABLE_FAST_STRING |
				MSR_IA32_MISC_ENABLE_BTS_UNAVAIL |
				MSR_IA32_MISC_ENABLE_PEBS_UNAVAIL;
	vcpu->msr.ucode_rev = host_ucode_rev;
	/* Or the VMM sets them, and does not want to find what it has not set. */
	if (vm_has_quirk(vcpu->vm, KVM_X86_QUIRK_STUFF_FEATURE_MSRS)) {
		vcpu->msr.arch_caps = host_arch_caps;
		vcpu->msr.de_cfg = host_de_cfg;
		vcpu->msr.platform_info = MSR_PLATFORM_INFO_CPUID_FAULT;
	}
}

static bool ignore_msrs;
module_param(ignore_msrs, bool, 0644);
MODULE_PARM_DESC(ignore_msrs, "Unknown MSRs read as 0, and writes to them do nothing");

static bool report_ignored_msrs = true;
module_param(report_ignored_msrs, bool, 0644);
MODULE_PARM_DESC(report_ignored_msrs, "Log accesses that ignore_msrs let pass");

/* Of an MSR that no guest has. */
static enum guest_fault msr_unknown(const struct msr_access *a, const char *access)
{
	if (!READ_ONCE(ignore_msrs))
		return X86_FAULT;
	if (READ_ONCE(report_ignored_msrs))
		pr_info_ratelimited("vm %llu vcpu %u: ignored %s of MSR %#x\n", a->vcpu->vm->id,
				    a->vcpu->id, access, a->index);
	return X86_NO_FAULT;
}

static enum guest_fault msr_read_unknown(const struct msr_access *a, u64 *val)
{
	enum guest_fault fault = msr_unknown(a, "RDMSR");

	if (fault == X86_NO_FAULT)
		*val = 0;
	return fault;
}

static const struct msr_desc *msr_find(u32 index)
{
	u32 lo = 0, hi = ARRAY_SIZE(msr_table);

	while (lo < hi) {
		u32 mid = (lo + hi) / 2;

		if (index > msr_table[mid].last)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == ARRAY_SIZE(msr_table) || index < msr_table[lo].first)
		return NULL;
	return &msr_table[lo];
}

/* Does it exist for this access? */
static bool msr_exists(const struct msr_desc *d, const struct msr_access *a)
{
	if (d->feature == ALWAYS)
		return true;
	return d->feature & PV_FEATURE ? pv_msr_exists(a, d->feature & ~PV_FEATURE) :
					 msr_feature(a, d->feature);
}

static u64 *msr_place(const struct msr_desc *d, const struct msr_access *a)
{
	u64 *base = (void *)a->vcpu + d->offset;

	return &base[array_index_nospec(a->index - d->first, d->last - d->first + 1)];
}

/**
 * msr_read() - RDMSR
 * @vcpu: owned and loaded
 * @index: of the MSR
 * @val: set on success
 * @by_vmm: the VMM reads
 *
 * One that no guest has is 0 where the parameter ignore_msrs says so.
 *
 * Return: X86_NO_FAULT or X86_FAULT.
 */
enum guest_fault msr_read(struct vcpu *vcpu, u32 index, u64 *val, bool by_vmm)
{
	struct msr_access a = { .vcpu = vcpu, .index = index, .by_vmm = by_vmm };
	const struct msr_desc *d = msr_find(index);

	if (!d)
		return msr_read_unknown(&a, val);
	if (!msr_exists(d, &a))
		return X86_FAULT;
	if (d->read) {
		if (d->read(&a))
			return X86_FAULT;
	} else if (d->offset) {
		if (d->flags & MSR_SWITCHED)
			vcpu_need(vcpu, ST_MSRS);
		a.val = *msr_place(d, &a);
	}
	*val = a.val;
	return X86_NO_FAULT;
}

static void msr_store(const struct msr_desc *d, struct msr_access *a)
{
	if (!d->offset)
		return;
	if (d->flags & MSR_SWITCHED)
		vcpu_need(a->vcpu, ST_MSRS);
	*msr_place(d, a) = a->val;
	if (d->flags & MSR_SWITCHED)
		vcpu_changed(a->vcpu, ST_MSRS);
}

/**
 * msr_write() - WRMSR
 * @vcpu: owned and loaded
 * @index: of the MSR
 * @val: to write
 * @by_vmm: the VMM writes, and may set what is read-only for the guest
 *
 * Return: X86_NO_FAULT; X86_FAULT; X86_INTERRUPTED, for guest memory that it wants written.
 */
enum guest_fault msr_write(struct vcpu *vcpu, u32 index, u64 val, bool by_vmm)
{
	struct msr_access a = { .vcpu = vcpu, .index = index, .val = val, .by_vmm = by_vmm };
	const struct msr_desc *d = msr_find(index);

	if (!d)
		return msr_unknown(&a, "WRMSR");
	if (!msr_exists(d, &a) || ((d->flags & MSR_READONLY) && !by_vmm))
		return X86_FAULT;
	if ((val & ~d->bits) || ((d->flags & MSR_CANONICAL) && !cpuid_canonical(val)))
		return X86_FAULT;
	if (d->write)
		return d->write(&a);
	msr_store(d, &a);
	return X86_NO_FAULT;
}

/**
 * msr_is_known() - is there such an MSR, for some guest?
 * @index: of the MSR
 *
 * Return: whether there is.
 */
bool msr_is_known(u32 index)
{
	return msr_find(index);
}

/*
 * How long the core was in which C-state: the CPU's own counters, which a guest sees that
 * halts the CPU itself. Where the CPU has one of them not, its RDMSR is #GP without our help.
 */
static void msr_pass_residencies(struct vcpu *vcpu)
{
	static const u32 counters[] = {
		MSR_CORE_C3_RESIDENCY, MSR_CORE_C6_RESIDENCY, MSR_CORE_C7_RESIDENCY,
		MSR_CORE_C1_RES,
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(counters); i++)
		backend->pass_msr(vcpu, counters[i],
				  msr_filter_allows(vcpu->vm, counters[i], false), false);
}

/**
 * msr_setup_passthrough() - let the guest have what needs no exit
 * @vcpu: owned and loaded
 *
 * Once it is created, and whenever the VMM's filter has changed.
 */
void msr_setup_passthrough(struct vcpu *vcpu)
{
	u32 index;
	int i;

	for (i = 0; i < ARRAY_SIZE(msr_table); i++) {
		if (!(msr_table[i].flags & MSR_DIRECT))
			continue;
		for (index = msr_table[i].first; index <= msr_table[i].last; index++)
			backend->pass_msr(vcpu, index,
					  msr_filter_allows(vcpu->vm, index, false),
					  msr_filter_allows(vcpu->vm, index, true));
	}
	if (READ_ONCE(vcpu->vm->enabled.exits_off) & KVM_X86_DISABLE_EXITS_CSTATE)
		msr_pass_residencies(vcpu);
}

/* Does a guest on this host have it? */
static bool msr_offered(const struct msr_desc *d)
{
	switch (d->first) {
	case MSR_IA32_FEAT_CTL:
	case MSR_IA32_MCG_EXT_CTL:
		return !cpuid_host_is_amd();
	case MSR_IA32_SPEC_CTRL:
		return cpuid_host_has(X86_FEATURE_SPEC_CTRL) ||
		       cpuid_host_has(X86_FEATURE_AMD_IBRS) ||
		       cpuid_host_has(X86_FEATURE_AMD_STIBP) ||
		       cpuid_host_has(X86_FEATURE_AMD_SSBD);
	case MSR_TSC_AUX:
		return cpuid_host_has(X86_FEATURE_RDTSCP) || cpuid_host_has(X86_FEATURE_RDPID);
	default:
		return d->feature == ALWAYS || (d->feature & PV_FEATURE) ||
		       cpuid_host_has(d->feature);
	}
}

/* Of those in the list there are ranges of two or three, and that many more MSRs than lines. */
#define MSR_RANGES	8
static_assert(ARRAY_SIZE(msr_table) + MSR_RANGES <= MSR_LIST_MAX);

static u32 list_range(const struct msr_desc *d, u32 *list)
{
	u32 n = d->last - d->first + 1, i;

	for (i = 0; i < n; i++)
		list[i] = d->first + i;
	return n;
}

/**
 * msr_list_saved() - the MSRs that hold state which no other ioctl gets and sets
 * @list: gets their indices: room for MSR_LIST_MAX
 *
 * Return: how many they are.
 */
u32 msr_list_saved(u32 *list)
{
	u32 n = 0;
	int i;

	for (i = 0; i < ARRAY_SIZE(msr_table); i++)
		if ((msr_table[i].flags & MSR_SAVED) && msr_offered(&msr_table[i]))
			n += list_range(&msr_table[i], &list[n]);
	return n;
}

/**
 * msr_of_host() - what this host offers in an MSR
 * @index: of the MSR
 * @val: becomes that
 *
 * Return: true; false when it is none that VMMs ask about.
 */
bool msr_of_host(u32 index, u64 *val)
{
	switch (index) {
	case MSR_IA32_ARCH_CAPABILITIES:
		*val = host_arch_caps;
		return cpuid_host_has(X86_FEATURE_ARCH_CAPABILITIES);
	case MSR_IA32_UCODE_REV:
		*val = host_ucode_rev;
		return true;
	case MSR_AMD64_DE_CFG:
		*val = host_de_cfg;
		return cpuid_host_is_amd();
	default:
		return false;
	}
}
