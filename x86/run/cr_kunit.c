// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit: control and debug registers, EFER and XCR0: what is accepted, what is refused, and that a
 * refusal changes nothing.  Tables say the exact result of each value.
 */
#include <asm/processor-flags.h>
#include <asm/traps.h>

#include "x86/cpu/fpu.h"
#include "x86/run/cr.h"
#include "x86/run/exits.h"
#include "x86/run/msr.h"
#include "x86/run/regs.h"
#include "x86/run/state_kunit.h"

#define XCR0_AVX	(XFEATURE_MASK_FPSSE | XFEATURE_MASK_YMM)
#define XCR0_AVX512	(XCR0_AVX | XFEATURE_MASK_AVX512)

struct cr_case {
	const char *name;
	u64 cr0, cr3, cr4, efer;	/* before */
	bool l;				/* CS.L before */
	u64 val;
	enum guest_fault result;
	u64 after;			/* the register, when accepted */
	u64 efer_after;
	bool flush;
};

#define REAL_CR0	(X86_CR0_ET | X86_CR0_CD | X86_CR0_NW)
#define PROT_CR0	(X86_CR0_PE | X86_CR0_ET)

static const struct cr_case cr0_cases[] = {
	{ "protected mode", REAL_CR0, .val = PROT_CR0, .after = PROT_CR0 },
	{ "ET cannot be cleared", PROT_CR0, .val = X86_CR0_PE, .after = PROT_CR0 },
	{ "reserved low bits are ignored", PROT_CR0, .val = PROT_CR0 | BIT(10) | BIT(28),
	  .after = PROT_CR0 },
	{ "upper half", PROT_CR0, .val = PROT_CR0 | BIT_ULL(32), .result = X86_FAULT },
	{ "NW without CD", PROT_CR0, .val = PROT_CR0 | X86_CR0_NW, .result = X86_FAULT },
	{ "CD and NW", PROT_CR0, .val = PROT_CR0 | X86_CR0_NW | X86_CR0_CD,
	  .after = PROT_CR0 | X86_CR0_NW | X86_CR0_CD },
	{ "PG without PE", REAL_CR0, .val = REAL_CR0 | X86_CR0_PG, .result = X86_FAULT },
	{ "32-bit paging", PROT_CR0, .val = PROT_CR0 | X86_CR0_PG,
	  .after = PROT_CR0 | X86_CR0_PG, .flush = true },
	{ "PAE paging over no memory", PROT_CR0, .cr4 = X86_CR4_PAE,
	  .val = PROT_CR0 | X86_CR0_PG, .result = X86_FAULT },
	{ "long mode", PROT_CR0, .cr4 = X86_CR4_PAE, .efer = EFER_LME,
	  .val = PROT_CR0 | X86_CR0_PG, .after = PROT_CR0 | X86_CR0_PG,
	  .efer_after = EFER_LME | EFER_LMA, .flush = true },
	{ "long mode without PAE", PROT_CR0, .efer = EFER_LME, .val = PROT_CR0 | X86_CR0_PG,
	  .result = X86_FAULT },
	{ "long mode from a 64-bit segment", PROT_CR0, .cr4 = X86_CR4_PAE, .efer = EFER_LME,
	  .l = true, .val = PROT_CR0 | X86_CR0_PG, .result = X86_FAULT },
	{ "leave long mode", LONG_CR0, .cr4 = X86_CR4_PAE, .efer = LONG_EFER, .val = PROT_CR0,
	  .after = PROT_CR0, .efer_after = LONG_EFER & ~(u64)EFER_LMA, .flush = true },
	{ "leave from 64-bit code", LONG_CR0, .cr4 = X86_CR4_PAE, .efer = LONG_EFER, .l = true,
	  .val = PROT_CR0, .result = X86_FAULT },
	{ "leave with PCIDs", LONG_CR0, .cr4 = X86_CR4_PAE | X86_CR4_PCIDE,
	  .efer = LONG_EFER, .val = PROT_CR0, .result = X86_FAULT },
	{ "WP flushes", LONG_CR0, .cr4 = X86_CR4_PAE, .efer = LONG_EFER, .l = true,
	  .val = LONG_CR0 & ~X86_CR0_WP, .after = LONG_CR0 & ~X86_CR0_WP,
	  .efer_after = LONG_EFER, .flush = true },
	{ "TS does not", LONG_CR0, .cr4 = X86_CR4_PAE, .efer = LONG_EFER, .l = true,
	  .val = LONG_CR0 | X86_CR0_TS, .after = LONG_CR0 | X86_CR0_TS,
	  .efer_after = LONG_EFER },
};

static const struct cr_case cr3_cases[] = {
	{ "32 bits outside of long mode", PROT_CR0, .val = 0xabcd00001000ULL, .after = 0x1000,
	  .flush = true },
	{ "long mode", LONG_CR0, .cr4 = X86_CR4_PAE, .efer = LONG_EFER,
	  .val = 0xff12345018ULL, .after = 0xff12345018ULL, .efer_after = LONG_EFER,
	  .flush = true },
	{ "beyond the physical addresses", LONG_CR0, .cr4 = X86_CR4_PAE, .efer = LONG_EFER,
	  .val = BIT_ULL(40), .result = X86_FAULT },
	{ "no-flush bit without PCIDs", LONG_CR0, .cr4 = X86_CR4_PAE, .efer = LONG_EFER,
	  .val = BIT_ULL(63), .result = X86_FAULT },
	{ "no-flush bit with PCIDs", LONG_CR0, .cr4 = X86_CR4_PAE | X86_CR4_PCIDE,
	  .efer = LONG_EFER, .val = BIT_ULL(63) | 0x1005, .after = 0x1005,
	  .efer_after = LONG_EFER, .flush = true },
	{ "PAE paging over no memory", PROT_CR0 | X86_CR0_PG, .cr4 = X86_CR4_PAE,
	  .val = 0x1000, .result = X86_FAULT },
};

static const struct cr_case cr4_cases[] = {
	{ "PAE", PROT_CR0, .val = X86_CR4_PAE, .after = X86_CR4_PAE, .flush = true },
	{ "OSFXSR does not flush", PROT_CR0, .val = X86_CR4_OSFXSR, .after = X86_CR4_OSFXSR },
	{ "reserved: VMXE", PROT_CR0, .val = X86_CR4_VMXE, .result = X86_FAULT },
	{ "reserved: bit 15", PROT_CR0, .val = BIT(15), .result = X86_FAULT },
	{ "reserved: bit 63", PROT_CR0, .val = BIT_ULL(63), .result = X86_FAULT },
	{ "PAE off in long mode", LONG_CR0, .cr4 = X86_CR4_PAE, .efer = LONG_EFER, .val = 0,
	  .result = X86_FAULT },
	{ "PCIDs outside of long mode", PROT_CR0, .val = X86_CR4_PCIDE, .result = X86_FAULT },
	{ "PCIDs with a PCID in cr3", LONG_CR0, .cr3 = 0x1001, .cr4 = X86_CR4_PAE,
	  .efer = LONG_EFER, .val = X86_CR4_PAE | X86_CR4_PCIDE, .result = X86_FAULT },
	{ "PCIDs", LONG_CR0, .cr3 = 0x1000, .cr4 = X86_CR4_PAE, .efer = LONG_EFER,
	  .val = X86_CR4_PAE | X86_CR4_PCIDE, .after = X86_CR4_PAE | X86_CR4_PCIDE,
	  .efer_after = LONG_EFER, .flush = true },
	{ "PAE under paging over no memory", PROT_CR0 | X86_CR0_PG, .val = X86_CR4_PAE,
	  .result = X86_FAULT },
};

static void run_cr_case(struct kunit *test, const struct cr_case *c,
			enum guest_fault (*set)(struct vcpu *vcpu, u64 val), u64 *reg)
{
	struct vcpu *vcpu = the_vcpu(test);
	struct x86_state before;
	enum guest_fault r;

	vcpu->cpuid.maxphyaddr = 40;
	vcpu->cpuid.cr4_reserved = ~(0x707ffULL | X86_CR4_PCIDE);
	vcpu->st.cr0 = c->cr0;
	vcpu->st.cr3 = c->cr3;
	vcpu->st.cr4 = c->cr4;
	vcpu->st.efer = c->efer;
	vcpu->st.seg[SEG_CS].l = c->l;
	vcpu->st.dirty = 0;
	vcpu->requests = 0;
	before = vcpu->st;
	r = set(vcpu, c->val);
	KUNIT_EXPECT_EQ_MSG(test, r, c->result, "%s", c->name);
	if (c->result) {
		KUNIT_EXPECT_EQ_MSG(test, memcmp(&before, &vcpu->st, sizeof(before)), 0, "%s",
				    c->name);
		return;
	}
	KUNIT_EXPECT_EQ_MSG(test, *reg, c->after, "%s", c->name);
	KUNIT_EXPECT_EQ_MSG(test, vcpu->st.efer, c->efer_after, "%s", c->name);
	KUNIT_EXPECT_EQ_MSG(test, vcpu->st.dirty, (u32)ST_CR, "%s", c->name);
	KUNIT_EXPECT_EQ_MSG(test, !!test_bit(REQ_TLB_FLUSH, &vcpu->requests), c->flush, "%s",
			    c->name);
}

static void cr_test(struct kunit *test)
{
	struct x86_state *st = &the_vcpu(test)->st;
	int i;

	for (i = 0; i < ARRAY_SIZE(cr0_cases); i++)
		run_cr_case(test, &cr0_cases[i], cr_set_cr0, &st->cr0);
	for (i = 0; i < ARRAY_SIZE(cr3_cases); i++)
		run_cr_case(test, &cr3_cases[i], cr_set_cr3, &st->cr3);
	for (i = 0; i < ARRAY_SIZE(cr4_cases); i++)
		run_cr_case(test, &cr4_cases[i], cr_set_cr4, &st->cr4);
}

static void cr8_test(struct kunit *test)
{
	struct vcpu *vcpu = the_vcpu(test);

	KUNIT_EXPECT_EQ(test, cr_set_cr8(vcpu, 15), 0);
	KUNIT_EXPECT_EQ(test, vcpu->st.cr8, 15ULL);
	KUNIT_EXPECT_EQ(test, cr_set_cr8(vcpu, 16), X86_FAULT);
	KUNIT_EXPECT_EQ(test, cr_set_cr8(vcpu, BIT_ULL(63)), X86_FAULT);
	KUNIT_EXPECT_EQ(test, vcpu->st.cr8, 15ULL);
}

static void efer_test(struct kunit *test)
{
	struct vcpu *vcpu = the_vcpu(test);

	KUNIT_EXPECT_EQ(test, cr_set_efer(vcpu, EFER_SCE | EFER_NX, false), 0);
	KUNIT_EXPECT_EQ(test, vcpu->st.efer, (u64)(EFER_SCE | EFER_NX));
	KUNIT_EXPECT_TRUE(test, test_bit(REQ_TLB_FLUSH, &vcpu->requests));
	/* LMA is not the guest's to write. */
	KUNIT_EXPECT_EQ(test, cr_set_efer(vcpu, EFER_LME | EFER_LMA, false), 0);
	KUNIT_EXPECT_EQ(test, vcpu->st.efer, (u64)EFER_LME);
	KUNIT_EXPECT_EQ(test, cr_set_efer(vcpu, EFER_SVME, true), X86_FAULT);
	KUNIT_EXPECT_EQ(test, cr_set_efer(vcpu, BIT_ULL(1), false), X86_FAULT);
	KUNIT_EXPECT_EQ(test, vcpu->st.efer, (u64)EFER_LME);

	enter_long_mode(vcpu);
	KUNIT_EXPECT_EQ(test, cr_set_efer(vcpu, EFER_SCE, false), X86_FAULT);
	KUNIT_EXPECT_EQ(test, cr_set_efer(vcpu, EFER_LME, false), 0);
	KUNIT_EXPECT_EQ(test, vcpu->st.efer, (u64)(EFER_LME | EFER_LMA));

	/* What the guest's CPUID lacks, the VMM may restore all the same. */
	vcpu->cpuid.efer_reserved |= EFER_NX;
	KUNIT_EXPECT_EQ(test, cr_set_efer(vcpu, EFER_LME | EFER_NX, false), X86_FAULT);
	KUNIT_EXPECT_EQ(test, cr_set_efer(vcpu, EFER_LME | EFER_NX, true), 0);
}

static void xcr0_test(struct kunit *test)
{
	static const struct { u64 val; enum guest_fault result; } cases[] = {
		{ XFEATURE_MASK_FP, 0 },
		{ XFEATURE_MASK_FPSSE, 0 },
		{ XCR0_AVX, 0 },
		{ XCR0_AVX512, 0 },
		{ XCR0_AVX | XFEATURE_MASK_PKRU, 0 },
		{ 0, X86_FAULT },
		{ XFEATURE_MASK_SSE, X86_FAULT },
		{ XFEATURE_MASK_FP | XFEATURE_MASK_YMM, X86_FAULT },
		{ XCR0_AVX | XFEATURE_MASK_OPMASK, X86_FAULT },
		{ XFEATURE_MASK_FPSSE | XFEATURE_MASK_AVX512, X86_FAULT },
		{ XCR0_AVX | XFEATURE_MASK_BNDREGS, X86_FAULT },
		{ XCR0_AVX | XFEATURE_MASK_XTILE_CFG, X86_FAULT },
		{ XCR0_AVX | BIT_ULL(63), X86_FAULT },
	};
	struct vcpu *vcpu = the_vcpu(test);
	int i;

	vcpu->cpuid.xcr0_allowed = XCR0_AVX512 | XFEATURE_MASK_PKRU;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		vcpu->st.xcr0 = XFEATURE_MASK_FP;
		KUNIT_EXPECT_EQ_MSG(test, vfpu_set_xcr0(vcpu, cases[i].val), cases[i].result,
				    "%llx", cases[i].val);
		KUNIT_EXPECT_EQ(test, vcpu->st.xcr0,
				cases[i].result ? XFEATURE_MASK_FP : cases[i].val);
	}
	vcpu->cpuid.xcr0_allowed = 0;
	KUNIT_EXPECT_EQ(test, vfpu_set_xcr0(vcpu, XFEATURE_MASK_FP), X86_FAULT);
}

static void dr_test(struct kunit *test)
{
	struct vcpu *vcpu = the_vcpu(test);
	u64 val = 0;

	KUNIT_EXPECT_EQ(test, cr_set_dr(vcpu, 3, 0x1122334455667788ULL), 0);
	KUNIT_EXPECT_EQ(test, cr_get_dr(vcpu, 3, &val), 0);
	KUNIT_EXPECT_EQ(test, val, 0x1122334455667788ULL);
	KUNIT_EXPECT_EQ(test, cr_set_dr(vcpu, 6, 0xffffffffULL), 0);
	KUNIT_EXPECT_EQ(test, vcpu->st.dr6, 0xffffeff0ULL | 0xf);
	KUNIT_EXPECT_EQ(test, cr_set_dr(vcpu, 4, 0), 0);
	KUNIT_EXPECT_EQ(test, vcpu->st.dr6, 0xffff0ff0ULL);
	KUNIT_EXPECT_EQ(test, cr_set_dr(vcpu, 5, 0xffffffffULL), 0);
	KUNIT_EXPECT_EQ(test, vcpu->st.dr7, 0xffff27ffULL);
	KUNIT_EXPECT_EQ(test, cr_set_dr(vcpu, 7, BIT_ULL(32)), X86_FAULT);
	KUNIT_EXPECT_EQ(test, cr_set_dr(vcpu, 6, BIT_ULL(32)), X86_FAULT);
	vcpu->st.cr4 = X86_CR4_DE;
	KUNIT_EXPECT_EQ(test, cr_get_dr(vcpu, 4, &val), X86_FAULT_UD);
	KUNIT_EXPECT_EQ(test, cr_set_dr(vcpu, 5, 0), X86_FAULT_UD);
	KUNIT_EXPECT_EQ(test, vcpu->st.dr7, 0xffff27ffULL);
}

static void alignment_check_test(struct kunit *test)
{
	KUNIT_EXPECT_TRUE(test, exit_is_alignment_check(3, X86_CR0_AM, X86_EFLAGS_AC));
	KUNIT_EXPECT_FALSE(test, exit_is_alignment_check(0, X86_CR0_AM, X86_EFLAGS_AC));
	KUNIT_EXPECT_FALSE(test, exit_is_alignment_check(3, ~(u64)X86_CR0_AM, X86_EFLAGS_AC));
	KUNIT_EXPECT_FALSE(test, exit_is_alignment_check(3, X86_CR0_AM, ~(u64)X86_EFLAGS_AC));
}

static struct kunit_case cr_cases[] = {
	KUNIT_CASE(cr_test),
	KUNIT_CASE(cr8_test),
	KUNIT_CASE(efer_test),
	KUNIT_CASE(xcr0_test),
	KUNIT_CASE(dr_test),
	KUNIT_CASE(alignment_check_test),
	{}
};

static struct kunit_suite cr_suite = {
	.name = "ditto_x86_cr",
	.suite_init = state_suite_init,
	.suite_exit = state_suite_exit,
	.init = state_test_init,
	.exit = state_test_exit,
	.test_cases = cr_cases,
};

kunit_test_suite(cr_suite);
