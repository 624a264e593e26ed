// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of MSRs and CPUID: tables of what is written, whether it is
 * accepted, and what is then read.
 */
#include <linux/kvm_para.h>
#include <linux/slab.h>
#include <asm/cpufeatures.h>
#include <asm/msr-index.h>
#include <asm/mtrr.h>
#include <asm/processor-flags.h>

#include "x86/cpu/cpuid.h"
#include "x86/cpu/cpuid_host.h"
#include "x86/cpu/cpuid_impl.h"
#include "x86/machine/vm.h"
#include "x86/run/cr.h"
#include "x86/run/msr.h"
#include "x86/run/reset.h"
#include "x86/run/state_kunit.h"

static int set_table(struct kunit *test, struct vcpu *vcpu, const struct kvm_cpuid_entry2 *table,
		     u32 nent)
{
	struct kvm_cpuid_entry2 *e = kvcalloc(nent, sizeof(*e), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, e);
	memcpy(e, table, nent * sizeof(*e));
	return vcpuid_set(vcpu, e, nent);
}

/* MSRs */

#define WR_OK	BIT(0)
#define RD_OK	BIT(1)
#define RW_OK	(WR_OK | RD_OK)

static const struct {
	u32 index;
	u64 val;
	bool by_vmm;
	u8 ok;		/* which accesses succeed */
	u64 read;	/* the value read after the write */
} msr_cases[] = {
	{ MSR_STAR, ~0ULL, false, RW_OK, ~0ULL },
	{ MSR_LSTAR, 0xffffffff81000000ULL, false, RW_OK, 0xffffffff81000000ULL },
	{ MSR_LSTAR, NONCANONICAL, false, RD_OK, 0xffffffff81000000ULL },
	{ MSR_LSTAR, NONCANONICAL, true, RD_OK, 0xffffffff81000000ULL },
	{ MSR_IA32_SYSENTER_EIP, NONCANONICAL, false, RD_OK, 0 },
	{ MSR_IA32_SYSENTER_CS, 0x10, false, RW_OK, 0x10 },
	{ MSR_FS_BASE, 0x7fff00001000ULL, false, RW_OK, 0x7fff00001000ULL },
	{ MSR_GS_BASE, NONCANONICAL, false, RD_OK, 0 },
	{ MSR_KERNEL_GS_BASE, 0xffff888000000000ULL, false, RW_OK, 0xffff888000000000ULL },
	{ MSR_IA32_CR_PAT, 0x0407010500070106ULL, false, RW_OK, 0x0407010500070106ULL },
	{ MSR_IA32_CR_PAT, 2, false, RD_OK, 0x0407010500070106ULL },
	{ MSR_IA32_CR_PAT, 3ULL << 56, false, RD_OK, 0x0407010500070106ULL },
	{ MSR_IA32_CR_PAT, 8, true, RD_OK, 0x0407010500070106ULL },
	{ MSR_MTRRcap, 0, false, RD_OK, 0x508 },
	{ MSR_MTRRdefType, 0xc06, false, RW_OK, 0xc06 },
	{ MSR_MTRRdefType, 0xc02, false, RD_OK, 0xc06 },
	{ MSR_MTRRdefType, 0x1006, false, RD_OK, 0xc06 },
	{ MSR_MTRRfix64K_00000, 0x0606060606060606ULL, false, RW_OK, 0x0606060606060606ULL },
	{ MSR_MTRRfix4K_F8000, 0x0506050605060506ULL, false, RW_OK, 0x0506050605060506ULL },
	{ MSR_MTRRfix4K_F8000, 0x0206060606060606ULL, false, RD_OK, 0x0506050605060506ULL },
	{ MTRRphysBase_MSR(7), 0x80000000ULL, false, RW_OK, 0x80000000ULL },
	{ MTRRphysBase_MSR(7), 0x80000002ULL, false, RD_OK, 0x80000000ULL },
	{ MTRRphysBase_MSR(7), 0x80000100ULL, true, RD_OK, 0x80000000ULL },
	{ MTRRphysMask_MSR(7), 0xff80000800ULL, false, RW_OK, 0xff80000800ULL },
	{ MTRRphysMask_MSR(7), 0xff80000801ULL, false, RD_OK, 0xff80000800ULL },
	{ MTRRphysMask_MSR(7) + 1, 0, false, 0 },
	{ MSR_IA32_MISC_ENABLE, 1, false, RW_OK, 1 },
	{ MSR_IA32_POWER_CTL, 0x4005d, false, RW_OK, 0x4005d },
	{ MSR_IA32_MCG_CAP, 1, true, RD_OK, 32 },
	{ MSR_IA32_MCG_CTL, 0, false, 0 },
	{ MSR_IA32_MCG_CTL, 0, true, RW_OK, 0 },
	{ MSR_IA32_MCG_CTL, ~0ULL, true, RD_OK, 0 },
	{ MSR_IA32_MCx_CTL(0), ~0ULL, false, RW_OK, ~0ULL },
	{ MSR_IA32_MCx_CTL(0), ~1ULL, false, RW_OK, ~1ULL },
	{ MSR_IA32_MCx_CTL(4), ~BIT_ULL(10), false, RW_OK, ~BIT_ULL(10) },
	{ MSR_IA32_MCx_CTL(0), ~2ULL, true, RD_OK, ~1ULL },
	{ MSR_IA32_MCx_STATUS(31), BIT_ULL(63), false, RD_OK, 0 },
	{ MSR_IA32_MCx_STATUS(31), BIT_ULL(63), true, RW_OK, BIT_ULL(63) },
	{ MSR_IA32_MCx_STATUS(31), 0, false, RW_OK, 0 },
	{ MSR_IA32_MCx_MISC(31), 5, false, RW_OK, 5 },
	{ MSR_IA32_MCx_CTL(32), 0, true, 0 },
	{ MSR_IA32_MCx_CTL2(0), 0, false, 0 },
	{ MSR_IA32_MCx_CTL2(31), 0, true, RW_OK, 0 },
	{ MSR_IA32_MCx_CTL2(31), BIT(30), true, RD_OK, 0 },
	{ MSR_IA32_MCx_CTL2(32), 0, true, 0 },
	{ MSR_IA32_MCG_STATUS, 1, false, RD_OK, 0 },
	{ MSR_IA32_MCG_STATUS, 4, true, RW_OK, 4 },
	{ MSR_IA32_MCG_STATUS, 0, false, RW_OK, 0 },
	{ MSR_IA32_UCODE_REV, 0x123, true, RW_OK, 0x123 },
	{ MSR_IA32_UCODE_REV, 0x456, false, RW_OK, 0x123 },
	{ MSR_IA32_DEBUGCTLMSR, 1, false, RD_OK, 0 },
	{ MSR_EFER, EFER_NX, false, RW_OK, EFER_NX },
	{ MSR_EFER, EFER_SVME, false, RD_OK, EFER_NX },
	{ MSR_K7_HWCR, BIT(24) | BIT(3) | BIT(6) | BIT(8), false, RW_OK, BIT(24) },
	{ MSR_K7_HWCR, BIT(0), false, RD_OK, BIT(24) },
	{ MSR_K7_EVNTSEL0, 0, false, RW_OK, 0 },
	{ MSR_K7_PERFCTR3, 1, false, RD_OK, 0 },
	{ MSR_F15H_PERF_CTR5, 0, false, RW_OK, 0 },
	{ MSR_VM_CR, 0x18, false, RW_OK, 0x18 },
	{ MSR_VM_CR, 0, false, RD_OK, 0x18 },
	{ MSR_VM_HSAVE_PA, 0x1000, false, RD_OK, 0 },
	{ MSR_AMD64_SYSCFG, 0, false, RW_OK, 0 },
	{ MSR_AMD64_NB_CFG, BIT_ULL(46), false, RW_OK, BIT_ULL(46) },
	{ MSR_AMD64_NB_CFG, 1, false, RD_OK, BIT_ULL(46) },
	{ MSR_K8_TOP_MEM1, 0, false, RW_OK, 0 },
	{ MSR_AMD64_DE_CFG, 0x10, false, RD_OK, 0 },
	{ MSR_IA32_P5_MC_TYPE, 0, false, RW_OK, 0 },
	{ MSR_IA32_PRED_CMD, 0, false, 0 },
	{ MSR_IA32_XSS, 0, true, 0 },
	{ MSR_IA32_SMBASE, 0, true, 0 },
	{ MSR_KVM_ASYNC_PF_EN, 0, true, RW_OK, 0 },
	{ MSR_KVM_STEAL_TIME, 2, true, RD_OK, 0 },
	{ MSR_KVM_STEAL_TIME, 0x1041, false, RW_OK, 0x1041 },
	{ MSR_KVM_PV_EOI_EN, 0x1002, false, RD_OK, 0 },
	{ MSR_KVM_PV_EOI_EN, 0x1005, false, RD_OK, 0 },
	{ MSR_KVM_PV_EOI_EN, 0x1004, false, RW_OK, 0x1004 },
	{ MSR_KVM_POLL_CONTROL, 2, true, RD_OK, 1 },
	{ MSR_KVM_POLL_CONTROL, 0, false, RW_OK, 0 },
	{ MSR_PLATFORM_INFO, 0xff00, true, RW_OK, 0xff00 },
	{ MSR_PLATFORM_INFO, 0, false, RD_OK, 0xff00 },
	{ MSR_MISC_FEATURES_ENABLES, 1, false, RD_OK, 0 },
	{ MSR_PLATFORM_INFO, MSR_PLATFORM_INFO_CPUID_FAULT, true, RW_OK,
	  MSR_PLATFORM_INFO_CPUID_FAULT },
	{ MSR_MISC_FEATURES_ENABLES, 2, false, RD_OK, 0 },
	{ MSR_MISC_FEATURES_ENABLES, 1, false, RW_OK, 1 },
	{ MSR_PLATFORM_INFO, 0, true, RD_OK, MSR_PLATFORM_INFO_CPUID_FAULT },
	{ MSR_MISC_FEATURES_ENABLES, 0, true, RW_OK, 0 },
	{ MSR_KVM_SYSTEM_TIME_NEW, 0x1001, false, RW_OK, 0x1001 },
	{ MSR_KVM_SYSTEM_TIME, 0, false, RW_OK, 0 },
	{ MSR_IA32_TSC_DEADLINE, 0, true, RW_OK, 0 },
	{ MSR_IA32_TSC_DEADLINE, 5, true, RD_OK, 0 },
	{ MSR_IA32_TSC_DEADLINE, 0, false, 0 },
	{ 0x802, 0, false, 0 },
	{ 0x8ff, 0, true, 0 },
	{ 0x12345, 0, false, 0 },
	{ 0xffffffff, 0, true, 0 },
};

static void msr_test(struct kunit *test)
{
	struct vcpu *vcpu = the_vcpu(test);
	int i;

	vcpu->cpuid.maxphyaddr = 40;
	vcpu->msr.de_cfg = 0;
	for (i = 0; i < ARRAY_SIZE(msr_cases); i++) {
		u32 index = msr_cases[i].index;
		u64 val = 0x5a5a5a5aULL;
		int ret;

		ret = msr_write(vcpu, index, msr_cases[i].val, msr_cases[i].by_vmm);
		KUNIT_EXPECT_EQ_MSG(test, ret, msr_cases[i].ok & WR_OK ? 0 : X86_FAULT,
				    "write %llx to %x", msr_cases[i].val, index);
		ret = msr_read(vcpu, index, &val, msr_cases[i].by_vmm);
		KUNIT_EXPECT_EQ_MSG(test, ret, msr_cases[i].ok & RD_OK ? 0 : X86_FAULT,
				    "read %x", index);
		KUNIT_EXPECT_EQ_MSG(test, val, ret ? 0x5a5a5a5aULL : msr_cases[i].read,
				    "read %x", index);
	}
}

/*
 * A VMM may put anything into CPUID, but what is loaded into the hardware must be
 * the host's too: on a host without the feature the MSR stays away.
 */
static void msr_claimed_test(struct kunit *test)
{
	static const struct kvm_cpuid_entry2 table[] = {
		{ .function = 0x80000008, .eax = 0x3028, .ebx = ~0u },
		{ .function = 7, .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX, .edx = ~0u },
	};
	struct vcpu *vcpu = the_vcpu(test);
	u64 bits = 0, val;

	KUNIT_ASSERT_EQ(test, set_table(test, vcpu, table, ARRAY_SIZE(table)), 0);
	if (cpuid_host_has(X86_FEATURE_SPEC_CTRL) || cpuid_host_has(X86_FEATURE_AMD_IBRS))
		bits |= SPEC_CTRL_IBRS;
	if (cpuid_host_has(X86_FEATURE_INTEL_STIBP) || cpuid_host_has(X86_FEATURE_AMD_STIBP))
		bits |= SPEC_CTRL_STIBP;
	if (cpuid_host_has(X86_FEATURE_SPEC_CTRL_SSBD) || cpuid_host_has(X86_FEATURE_AMD_SSBD))
		bits |= SPEC_CTRL_SSBD;
	for (val = 0; val < 16; val++)
		KUNIT_EXPECT_EQ_MSG(test, msr_write(vcpu, MSR_IA32_SPEC_CTRL, val, false),
				    bits && !(val & ~bits) ? 0 : X86_FAULT, "%llx", val);
}

/* TSC_AUX: refused in its upper half by Intel's CPUs, cut by AMD's. */
static void msr_tsc_aux_test(struct kunit *test)
{
	struct vcpu *vcpu = the_vcpu(test);
	u64 val;

	if (!cpuid_host_has(X86_FEATURE_RDTSCP))
		kunit_skip(test, "no RDTSCP here");
	KUNIT_EXPECT_EQ(test, msr_write(vcpu, MSR_TSC_AUX, BIT_ULL(32) | 3, false), X86_FAULT);
	vcpu->cpuid.zero_out_of_range = true;
	KUNIT_EXPECT_EQ(test, msr_write(vcpu, MSR_TSC_AUX, BIT_ULL(32) | 3, false), 0);
	KUNIT_EXPECT_EQ(test, msr_read(vcpu, MSR_TSC_AUX, &val, false), 0);
	KUNIT_EXPECT_EQ(test, val, 3ULL);
}

/* And so is SFMASK's, which the host loads with its own WRMSR on VMX. */
static void msr_sfmask_test(struct kunit *test)
{
	struct vcpu *vcpu = the_vcpu(test);
	u64 val;

	KUNIT_EXPECT_EQ(test, msr_write(vcpu, MSR_SYSCALL_MASK, ~0ULL, true), X86_FAULT);
	KUNIT_EXPECT_EQ(test, msr_write(vcpu, MSR_SYSCALL_MASK, 0xffffffffULL, false), 0);
	KUNIT_EXPECT_EQ(test, vcpu->st.msrs.sfmask, 0xffffffffULL);
	vcpu->cpuid.zero_out_of_range = true;
	KUNIT_EXPECT_EQ(test, msr_write(vcpu, MSR_SYSCALL_MASK, BIT_ULL(63) | 0x47700, true), 0);
	KUNIT_EXPECT_EQ(test, msr_read(vcpu, MSR_SYSCALL_MASK, &val, false), 0);
	KUNIT_EXPECT_EQ(test, val, 0x47700ULL);
}

static void msr_passthrough_test(struct kunit *test)
{
	state_fake_passed = 0;
	msr_setup_passthrough(the_vcpu(test));
	/* FS, GS and kernel GS base; STAR, LSTAR, CSTAR, SFMASK; three SYSENTER. */
	KUNIT_EXPECT_EQ(test, state_fake_passed, 10U);
}

/* CPUID */

static struct kvm_cpuid_entry2 *offered(struct kunit *test, u32 *nent)
{
	struct kvm_cpuid_entry2 *e = kvcalloc(DITTO_MAX_CPUID_ENTRIES, sizeof(*e), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, e);
	*nent = cpuid_offer(e);
	return e;
}

static void query(struct vcpu *vcpu, u32 function, u32 index, u32 *r)
{
	struct cpuid_regs regs = cpuid_query(vcpu, function, index);

	r[0] = regs.eax;
	r[1] = regs.ebx;
	r[2] = regs.ecx;
	r[3] = regs.edx;
}

static void cpuid_offer_test(struct kunit *test)
{
	struct vcpu *vcpu = the_vcpu(test);
	u32 nent, r[4], i, j;
	struct kvm_cpuid_entry2 *e = offered(test, &nent);

	KUNIT_EXPECT_GT(test, nent, 15U);
	KUNIT_EXPECT_LT(test, nent, 100U);
	for (i = 0; i < nent; i++)
		for (j = 0; j < i; j++)
			KUNIT_EXPECT_FALSE(test, e[i].function == e[j].function &&
						 e[i].index == e[j].index);
	KUNIT_ASSERT_EQ(test, vcpuid_set(vcpu, e, nent), 0);
	KUNIT_EXPECT_TRUE(test, cpuid_has(vcpu, X86_FEATURE_X2APIC));
	KUNIT_EXPECT_TRUE(test, cpuid_has(vcpu, X86_FEATURE_TSC_DEADLINE_TIMER));
	KUNIT_EXPECT_TRUE(test, cpuid_has(vcpu, X86_FEATURE_HYPERVISOR));
	KUNIT_EXPECT_TRUE(test, cpuid_has(vcpu, X86_FEATURE_TSC_ADJUST));
	KUNIT_EXPECT_TRUE(test, cpuid_has(vcpu, X86_FEATURE_LM));
	KUNIT_EXPECT_FALSE(test, cpuid_has(vcpu, X86_FEATURE_SVM));
	KUNIT_EXPECT_FALSE(test, cpuid_has(vcpu, X86_FEATURE_VMX));
	KUNIT_EXPECT_FALSE(test, cpuid_has(vcpu, X86_FEATURE_MWAIT));
	KUNIT_EXPECT_FALSE(test, cpuid_has(vcpu, X86_FEATURE_XSAVES));
	query(vcpu, 0x40000000, 0, r);
	KUNIT_EXPECT_EQ(test, r[0], 0x40000001U);
	KUNIT_EXPECT_EQ(test, r[1], 0x4b4d564bU);
	query(vcpu, 0x40000001, 0, r);
	KUNIT_EXPECT_EQ(test, r[0] & ~BIT(5), BIT(0) | BIT(1) | BIT(3) | BIT(4) | BIT(6) | BIT(7) |
					      BIT(9) | BIT(11) | BIT(12) | BIT(13) | BIT(14) |
					      BIT(24));
}

static void cpuid_no_xsave_test(struct kunit *test)
{
	struct vcpu *vcpu = the_vcpu(test);
	bool was = quirk_no_xsave;
	struct kvm_cpuid_entry2 *e;
	u32 nent, r[4];

	quirk_no_xsave = true;
	state_host_setup();
	e = offered(test, &nent);
	KUNIT_EXPECT_EQ(test, vcpuid_set(vcpu, e, nent), 0);
	KUNIT_EXPECT_FALSE(test, cpuid_has(vcpu, X86_FEATURE_XSAVE));
	KUNIT_EXPECT_FALSE(test, cpuid_has(vcpu, X86_FEATURE_AVX));
	KUNIT_EXPECT_FALSE(test, cpuid_has(vcpu, X86_FEATURE_AVX2));
	KUNIT_EXPECT_FALSE(test, cpuid_has(vcpu, X86_FEATURE_PKU));
	KUNIT_EXPECT_EQ(test, vcpu->cpuid.xcr0_allowed, 0ULL);
	KUNIT_EXPECT_EQ(test, cr_set_cr4(vcpu, X86_CR4_OSXSAVE), X86_FAULT);
	query(vcpu, 0xd, 0, r);
	KUNIT_EXPECT_EQ(test, r[0] | r[1] | r[2] | r[3], 0U);
	quirk_no_xsave = was;
	state_host_setup();
}

#define LEAF(f, i, fl, a, b, c, d) \
	{ .function = f, .index = i, .flags = fl, .eax = a, .ebx = b, .ecx = c, .edx = d }
#define IDX KVM_CPUID_FLAG_SIGNIFCANT_INDEX

static const struct kvm_cpuid_entry2 intel_table[] = {
	LEAF(0, 0, 0, 0xd, 0x756e6547, 0x6c65746e, 0x49656e69),
	LEAF(1, 0, 0, 0x806e9, 0, BIT(26), BIT(9) | BIT(16)),
	LEAF(1, 0, 0, 0xbad, 0, 0, 0),		/* the first one counts */
	LEAF(4, 0, IDX, 0x40, 0x41, 0x42, 0x43),
	LEAF(4, 1, IDX, 0x44, 0x45, 0x46, 0x47),
	LEAF(7, 0, IDX, 0, BIT(7), BIT(3), 0),
	LEAF(0xb, 0, IDX, 0, 1, 0x100, 5),
	LEAF(0xb, 1, IDX, 3, 8, 0x201, 5),
	LEAF(0xd, 0, IDX, 3, 0x777, 0x240, 0),
	LEAF(0xd, 1, IDX, BIT(1), 0, 0, 0),
	LEAF(0x40000000, 0, 0, 0x40000001, 1, 2, 3),
	LEAF(0x40000001, 0, 0, 9, 0, 0, 0),
	LEAF(0x80000000, 0, 0, 0x80000008, 0, 0, 0),
	LEAF(0x80000001, 0, 0, 0, 0, 0, BIT(29) | BIT(20)),
	LEAF(0x80000008, 0, 0, 0x3027, 0, 0, 0),
};

static const struct { u32 function, index, eax, ebx, ecx, edx; } query_cases[] = {
	{ 0, 7, 0xd, 0x756e6547, 0x6c65746e, 0x49656e69 },
	{ 1, 0, 0x806e9, 0, BIT(26), BIT(9) | BIT(16) },
	{ 4, 0, 0x40, 0x41, 0x42, 0x43 },
	{ 4, 1, 0x44, 0x45, 0x46, 0x47 },
	{ 4, 2, 0, 0, 0, 0 },
	{ 0xb, 1, 3, 8, 0x201, 5 },
	{ 0xb, 9, 0, 0, 9, 5 },
	{ 5, 0, 0, 0, 0, 0 },			/* in range, absent */
	{ 0x20, 1, BIT(1), 0, 0, 0 },		/* beyond: leaf 0xd, sub-leaf 1 */
	{ 0x40000001, 0, 9, 0, 0, 0 },
	{ 0x40000000, 3, 0x40000001, 1, 2, 3 },
	{ 0x80000008, 0, 0x3027, 0, 0, 0 },
	{ 0x80000005, 0, 0, 0, 0, 0 },
};

static void cpuid_query_test(struct kunit *test)
{
	struct vcpu *vcpu = the_vcpu(test);
	u32 r[4];
	int i;

	KUNIT_ASSERT_EQ(test, set_table(test, vcpu, intel_table, ARRAY_SIZE(intel_table)), 0);
	vcpu->cpuid.xsave_compact_size = 0;
	for (i = 0; i < ARRAY_SIZE(query_cases); i++) {
		query(vcpu, query_cases[i].function, query_cases[i].index, r);
		KUNIT_EXPECT_EQ_MSG(test, r[0], query_cases[i].eax, "case %d eax", i);
		KUNIT_EXPECT_EQ_MSG(test, r[1], query_cases[i].ebx, "case %d ebx", i);
		KUNIT_EXPECT_EQ_MSG(test, r[2], query_cases[i].ecx, "case %d ecx", i);
		KUNIT_EXPECT_EQ_MSG(test, r[3], query_cases[i].edx, "case %d edx", i);
	}
}

/* AMD's CPUs give zero where Intel's give the last basic leaf. */
static void cpuid_amd_test(struct kunit *test)
{
	struct kvm_cpuid_entry2 table[] = {
		LEAF(0, 0, 0, 1, 0x68747541, 0x444d4163, 0x69746e65),
		LEAF(1, 0, 0, 0xa20f10, 0, 0, BIT(9)),
	};
	struct vcpu *vcpu = the_vcpu(test);
	u32 r[4];

	KUNIT_ASSERT_EQ(test, set_table(test, vcpu, table, ARRAY_SIZE(table)), 0);
	query(vcpu, 2, 0, r);
	KUNIT_EXPECT_EQ(test, r[0] | r[1] | r[2] | r[3], 0U);
	table[0].ebx++;
	KUNIT_ASSERT_EQ(test, set_table(test, vcpu, table, ARRAY_SIZE(table)), 0);
	query(vcpu, 2, 0, r);
	KUNIT_EXPECT_EQ(test, r[0], 0xa20f10U);
	vcpu_reset(vcpu, true);
	KUNIT_EXPECT_EQ(test, vcpu->st.gpr[GPR_RDX], 0xa20f10ULL);
}

/* Widths that no CPU has are not believed: shifts and masks are made of what remains. */
static void maxphyaddr_test(struct kunit *test, struct vcpu *vcpu)
{
	static const struct { u32 eax; u8 width; } cases[] = {
		{ 0, 36 }, { 1, 32 }, { 18, 32 }, { 31, 32 }, { 0x3020, 32 }, { 52, 52 },
		{ 53, 52 }, { 0xff, 52 },
	};
	struct kvm_cpuid_entry2 table[] = { { .function = 0x80000008 } };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		table[0].eax = cases[i].eax;
		KUNIT_ASSERT_EQ(test, set_table(test, vcpu, table, ARRAY_SIZE(table)), 0);
		KUNIT_EXPECT_EQ_MSG(test, vcpu->cpuid.maxphyaddr, cases[i].width, "eax %#x",
				    cases[i].eax);
	}
	KUNIT_ASSERT_EQ(test, set_table(test, vcpu, intel_table, ARRAY_SIZE(intel_table)), 0);
}

static void cpuid_derived_test(struct kunit *test)
{
	struct vcpu *vcpu = the_vcpu(test);
	u32 r[4];

	KUNIT_EXPECT_EQ(test, vcpu->cpuid.cr4_reserved, cpuid_host.cr4_reserved);
	KUNIT_ASSERT_EQ(test, set_table(test, vcpu, intel_table, ARRAY_SIZE(intel_table)), 0);
	KUNIT_EXPECT_EQ(test, vcpu->cpuid.maxphyaddr, 39);
	maxphyaddr_test(test, vcpu);
	KUNIT_EXPECT_EQ(test, vcpu->cpuid.efer_reserved, ~(u64)(EFER_LME | EFER_LMA | EFER_NX));
	KUNIT_EXPECT_TRUE(test, vcpu->cpuid.cr4_reserved & X86_CR4_SMAP);
	KUNIT_EXPECT_TRUE(test, vcpu->cpuid.cr4_reserved & X86_CR4_FSGSBASE);
	KUNIT_EXPECT_EQ(test, vcpu->cpuid.cr4_reserved & X86_CR4_SMEP,
			cpuid_host.cr4_reserved & X86_CR4_SMEP);
	KUNIT_EXPECT_EQ(test, vcpu->cpuid.xcr0_allowed,
			cpuid_host_xcr0() & XFEATURE_MASK_FPSSE);

	query(vcpu, 1, 0, r);
	KUNIT_EXPECT_FALSE(test, r[2] & BIT(27));
	vcpu->st.cr4 = X86_CR4_OSXSAVE | X86_CR4_PKE;
	query(vcpu, 1, 0, r);
	KUNIT_EXPECT_TRUE(test, r[2] & BIT(27));
	query(vcpu, 7, 0, r);
	KUNIT_EXPECT_TRUE(test, r[2] & BIT(4));
	vcpu->cpuid.xcr0_allowed = 3;
	vcpu->cpuid.xsave_size = 0x240;
	query(vcpu, 0xd, 0, r);
	KUNIT_EXPECT_EQ(test, r[1], 0x240U);
}

static void cpuid_change_test(struct kunit *test)
{
	struct kvm_cpuid_entry2 changed[ARRAY_SIZE(intel_table)];
	struct kvm_cpuid_entry2 bad = LEAF(0x80000008, 0, 0, 0x2f28, 0, 0, 0);
	struct vcpu *vcpu = the_vcpu(test);

	memcpy(changed, intel_table, sizeof(changed));
	KUNIT_EXPECT_EQ(test, set_table(test, vcpu, &bad, 1), -EINVAL);
	KUNIT_EXPECT_EQ(test, vcpu->cpuid.nent, 0U);
	KUNIT_EXPECT_EQ(test, set_table(test, vcpu, changed, ARRAY_SIZE(changed)), 0);
	vcpu->exits[EXIT_HLT] = 1;
	changed[1].ecx |= BIT(27);	/* OSXSAVE follows cr4 */
	KUNIT_EXPECT_EQ(test, set_table(test, vcpu, changed, ARRAY_SIZE(changed)), 0);
	changed[1].ecx |= BIT(0);
	KUNIT_EXPECT_EQ(test, set_table(test, vcpu, changed, ARRAY_SIZE(changed)), -EINVAL);
	KUNIT_EXPECT_EQ(test, vcpuid_set(vcpu, NULL, 0), -EINVAL);
	vcpu->exits[EXIT_HLT] = 0;
	KUNIT_EXPECT_EQ(test, vcpuid_set(vcpu, NULL, 0), 0);
	KUNIT_EXPECT_EQ(test, vcpu->cpuid.efer_reserved, cpuid_host_efer_reserved());
}

static struct kunit_case cpuid_cases[] = {
	KUNIT_CASE(msr_test),
	KUNIT_CASE(msr_claimed_test),
	KUNIT_CASE(msr_tsc_aux_test),
	KUNIT_CASE(msr_sfmask_test),
	KUNIT_CASE(msr_passthrough_test),
	KUNIT_CASE(cpuid_offer_test),
	KUNIT_CASE(cpuid_no_xsave_test),
	KUNIT_CASE(cpuid_query_test),
	KUNIT_CASE(cpuid_amd_test),
	KUNIT_CASE(cpuid_derived_test),
	KUNIT_CASE(cpuid_change_test),
	{}
};

static struct kunit_suite cpuid_suite = {
	.name = "ditto_x86_cpuid",
	.suite_init = state_suite_init,
	.suite_exit = state_suite_exit,
	.init = state_test_init,
	.exit = state_test_exit,
	.test_cases = cpuid_cases,
};

kunit_test_suite(cpuid_suite);
