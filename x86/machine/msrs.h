/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Model-specific registers that live only in software: nothing in the hardware
 * holds them while the guest runs.
 */
#ifndef DITTO_MACHINE_MSRS_H
#define DITTO_MACHINE_MSRS_H

#include <linux/types.h>

#define MTRR_VAR_RANGES		8
#define MTRR_FIXED_RANGES	11

/**
 * struct vcpu_msrs - MSRs of one vCPU that no hardware holds; owner
 * @apic_base: IA32_APIC_BASE, also where the local APIC is the VMM's; written by
 *	vlapic_set_base() and vlapic_reset()
 * @tsc_adjust: IA32_TSC_ADJUST
 * @misc_enable: IA32_MISC_ENABLE
 * @ucode_rev: microcode revision that the guest sees
 * @arch_caps: IA32_ARCH_CAPABILITIES that the guest sees
 * @power_ctl: Intel's power control, which controls nothing here
 * @platform_info: Intel's MSR_PLATFORM_INFO, which only the VMM writes
 * @misc_features: MSR_MISC_FEATURES_ENABLES, of which there is one bit: CPUID is #GP outside of
 *	ring 0
 * @feature_control: Intel's IA32_FEATURE_CONTROL
 * @hwcr: AMD's hardware configuration register
 * @nb_cfg: AMD's northbridge configuration register
 * @de_cfg: AMD's decode configuration register
 * @mtrr_def_type: IA32_MTRR_DEF_TYPE
 * @mtrr_fixed: 64K, 16K, 4K ranges in the order of their MSR numbers
 * @mtrr_var: base and mask of each variable range
 */
struct vcpu_msrs {
	u64 apic_base;
	u64 tsc_adjust;
	u64 misc_enable;
	u64 ucode_rev;
	u64 arch_caps;
	u64 power_ctl;
	u64 platform_info;
	u64 misc_features;
	u64 feature_control;
	u64 hwcr;
	u64 de_cfg;
	u64 nb_cfg;
	u64 mtrr_def_type;
	u64 mtrr_fixed[MTRR_FIXED_RANGES];
	u64 mtrr_var[2 * MTRR_VAR_RANGES];
};

#define VCPU_MCE_BANKS		32
#define VCPU_MCE_REGISTERS	4

/**
 * struct vcpu_mce - machine-check registers of one vCPU; owner
 * @cap: IA32_MCG_CAP
 * @status: IA32_MCG_STATUS
 * @ctl: IA32_MCG_CTL
 * @ext_ctl: IA32_MCG_EXT_CTL
 * @bank: IA32_MC0_CTL, STATUS, ADDR and MISC, those of MC1, and so on
 * @ctl2: IA32_MC0_CTL2, and so on
 */
struct vcpu_mce {
	u64 cap, status, ctl, ext_ctl;
	u64 bank[VCPU_MCE_BANKS * VCPU_MCE_REGISTERS];
	u64 ctl2[VCPU_MCE_BANKS];
};

#endif
