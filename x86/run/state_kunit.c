// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the architectural state: what is accepted, what is refused, and
 * that a refusal changes nothing.  Tables say the exact result of each value.
 * The vCPU is a bare struct with all of its state valid; the backend is a fake
 * that only counts.
 */
#include <linux/delay.h>
#include <linux/ktime.h>
#include <linux/slab.h>
#include <asm/cpufeatures.h>
#include <asm/fpu/xcr.h>
#include <asm/msr-index.h>
#include <asm/processor-flags.h>
#include <asm/pvclock.h>
#include <asm/traps.h>
#include <asm/tsc.h>

#include "mmu/mmu.h"
#include "x86/cpu/clock.h"
#include "x86/cpu/cpuid.h"
#include "x86/cpu/fpu.h"
#include "x86/machine/vm.h"
#include "x86/run/cr.h"
#include "x86/run/events.h"
#include "x86/run/exits.h"
#include "x86/run/kvmclock.h"
#include "x86/run/msr.h"
#include "x86/run/regs.h"
#include "x86/run/reset.h"
#include "x86/run/run.h"
#include "x86/run/sregs.h"
#include "x86/run/state_kunit.h"

#define LONG_CR0	(X86_CR0_PE | X86_CR0_PG | X86_CR0_ET | X86_CR0_NE | X86_CR0_WP)
#define LONG_EFER	((u64)(EFER_LME | EFER_LMA | EFER_SCE | EFER_NX))
#define XCR0_AVX	(XFEATURE_MASK_FPSSE | XFEATURE_MASK_YMM)
#define XCR0_AVX512	(XCR0_AVX | XFEATURE_MASK_AVX512)

u32 state_fake_passed;

static void fake_pass_msr(struct vcpu *vcpu, u32 msr, bool read, bool write)
{
	state_fake_passed++;
}

static void fake_fetch(struct vcpu *vcpu, u32 parts)
{
	WARN_ONCE(1, "tests keep all state valid");
}

static const struct tdp_format fake_format = { .levels = 4, .max_level = 1 };
static struct backend_caps fake_caps = { .tdp = { .levels = 4, .max_level = 1 } };
static const struct backend_ops fake_backend = {
	.name = "fake", .caps = &fake_caps, .fetch = fake_fetch, .pass_msr = fake_pass_msr,
};
static const struct backend_ops *real_backend;

static void fake_flush_tlbs(struct mmu *mmu)
{
}

static const struct mmu_host fake_host = {
	.format = &fake_format, .max_gfn = 1ULL << 28, .flush_tlbs = fake_flush_tlbs,
};

/**
 * state_host_setup() - learn anew what guests can have, as at load
 */
void state_host_setup(void)
{
	cpuid_setup();
	fpu_setup();
	msr_setup();
}

/**
 * state_suite_init() - put the fake backend into place
 * @suite: unused
 *
 * Return: 0.
 */
int state_suite_init(struct kunit_suite *suite)
{
	real_backend = backend;
	backend = &fake_backend;
	state_host_setup();
	return 0;
}

/**
 * state_suite_exit() - put the module's own backend back
 * @suite: unused
 */
void state_suite_exit(struct kunit_suite *suite)
{
	backend = real_backend;
	if (backend)
		state_host_setup();
}

static struct vcpu *vcpu_new(struct kunit *test, struct vm *vm)
{
	struct vcpu *vcpu = kunit_kzalloc(test, sizeof(*vcpu), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, vcpu);
	vcpu->vm = vm;
	vcpu->st.valid = ST_ALL;
	vcpu_cpuid_init(vcpu);
	vcpu_clock_init(vcpu);
	KUNIT_ASSERT_EQ(test, vcpu_fpu_init(vcpu), 0);
	vcpu_reset(vcpu, false);
	vcpu->requests = 0;
	return vcpu;
}

static void vcpu_delete(struct vcpu *vcpu)
{
	vcpu_fpu_free(vcpu);
	vcpu_cpuid_free(vcpu);
}

/**
 * state_test_init() - make a world
 * @test: gets it in @test->priv
 *
 * Return: 0 or -ENOMEM.
 */
int state_test_init(struct kunit *test)
{
	struct state_world *w = kunit_kzalloc(test, sizeof(*w), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, w);
	w->vm = kunit_kzalloc(test, sizeof(*w->vm), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, w->vm);
	xa_init(&w->vm->vcpus);
	KUNIT_ASSERT_EQ(test, mmu_init(&w->vm->mmu, &fake_host), 0);
	vm_clock_init(w->vm);
	w->vcpu = vcpu_new(test, w->vm);
	test->priv = w;
	return 0;
}

/**
 * state_test_exit() - free the world
 * @test: that state_test_init() was called for
 */
void state_test_exit(struct kunit *test)
{
	struct state_world *w = test->priv;

	if (!w)
		return;
	vcpu_delete(w->vcpu);
	mmu_destroy(&w->vm->mmu);
}

/* Into 64-bit mode, with flat segments. */
static void enter_long_mode(struct vcpu *vcpu)
{
	vcpu->st.cr0 = LONG_CR0;
	vcpu->st.cr4 = X86_CR4_PAE;
	vcpu->st.efer = LONG_EFER;
	vcpu->st.seg[SEG_CS].l = 1;
	vcpu->requests = 0;
}

/* Control registers */

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
		run_cr_case(test, &cr0_cases[i], vcpu_set_cr0, &st->cr0);
	for (i = 0; i < ARRAY_SIZE(cr3_cases); i++)
		run_cr_case(test, &cr3_cases[i], vcpu_set_cr3, &st->cr3);
	for (i = 0; i < ARRAY_SIZE(cr4_cases); i++)
		run_cr_case(test, &cr4_cases[i], vcpu_set_cr4, &st->cr4);
}

static void cr8_test(struct kunit *test)
{
	struct vcpu *vcpu = the_vcpu(test);

	KUNIT_EXPECT_EQ(test, vcpu_set_cr8(vcpu, 15), 0);
	KUNIT_EXPECT_EQ(test, vcpu->st.cr8, 15ULL);
	KUNIT_EXPECT_EQ(test, vcpu_set_cr8(vcpu, 16), X86_FAULT);
	KUNIT_EXPECT_EQ(test, vcpu_set_cr8(vcpu, BIT_ULL(63)), X86_FAULT);
	KUNIT_EXPECT_EQ(test, vcpu->st.cr8, 15ULL);
}

static void efer_test(struct kunit *test)
{
	struct vcpu *vcpu = the_vcpu(test);

	KUNIT_EXPECT_EQ(test, vcpu_set_efer(vcpu, EFER_SCE | EFER_NX, false), 0);
	KUNIT_EXPECT_EQ(test, vcpu->st.efer, (u64)(EFER_SCE | EFER_NX));
	KUNIT_EXPECT_TRUE(test, test_bit(REQ_TLB_FLUSH, &vcpu->requests));
	/* LMA is not the guest's to write. */
	KUNIT_EXPECT_EQ(test, vcpu_set_efer(vcpu, EFER_LME | EFER_LMA, false), 0);
	KUNIT_EXPECT_EQ(test, vcpu->st.efer, (u64)EFER_LME);
	KUNIT_EXPECT_EQ(test, vcpu_set_efer(vcpu, EFER_SVME, true), X86_FAULT);
	KUNIT_EXPECT_EQ(test, vcpu_set_efer(vcpu, BIT_ULL(1), false), X86_FAULT);
	KUNIT_EXPECT_EQ(test, vcpu->st.efer, (u64)EFER_LME);

	enter_long_mode(vcpu);
	KUNIT_EXPECT_EQ(test, vcpu_set_efer(vcpu, EFER_SCE, false), X86_FAULT);
	KUNIT_EXPECT_EQ(test, vcpu_set_efer(vcpu, EFER_LME, false), 0);
	KUNIT_EXPECT_EQ(test, vcpu->st.efer, (u64)(EFER_LME | EFER_LMA));

	/* What the guest's CPUID lacks, the VMM may restore all the same. */
	vcpu->cpuid.efer_reserved |= EFER_NX;
	KUNIT_EXPECT_EQ(test, vcpu_set_efer(vcpu, EFER_LME | EFER_NX, false), X86_FAULT);
	KUNIT_EXPECT_EQ(test, vcpu_set_efer(vcpu, EFER_LME | EFER_NX, true), 0);
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
		KUNIT_EXPECT_EQ_MSG(test, vcpu_set_xcr0(vcpu, cases[i].val), cases[i].result,
				    "%llx", cases[i].val);
		KUNIT_EXPECT_EQ(test, vcpu->st.xcr0,
				cases[i].result ? XFEATURE_MASK_FP : cases[i].val);
	}
	vcpu->cpuid.xcr0_allowed = 0;
	KUNIT_EXPECT_EQ(test, vcpu_set_xcr0(vcpu, XFEATURE_MASK_FP), X86_FAULT);
}

static void dr_test(struct kunit *test)
{
	struct vcpu *vcpu = the_vcpu(test);
	u64 val = 0;

	KUNIT_EXPECT_EQ(test, vcpu_set_dr(vcpu, 3, 0x1122334455667788ULL), 0);
	KUNIT_EXPECT_EQ(test, vcpu_get_dr(vcpu, 3, &val), 0);
	KUNIT_EXPECT_EQ(test, val, 0x1122334455667788ULL);
	KUNIT_EXPECT_EQ(test, vcpu_set_dr(vcpu, 6, 0xffffffffULL), 0);
	KUNIT_EXPECT_EQ(test, vcpu->st.dr6, 0xffffeff0ULL | 0xf);
	KUNIT_EXPECT_EQ(test, vcpu_set_dr(vcpu, 4, 0), 0);
	KUNIT_EXPECT_EQ(test, vcpu->st.dr6, 0xffff0ff0ULL);
	KUNIT_EXPECT_EQ(test, vcpu_set_dr(vcpu, 5, 0xffffffffULL), 0);
	KUNIT_EXPECT_EQ(test, vcpu->st.dr7, 0xffff27ffULL);
	KUNIT_EXPECT_EQ(test, vcpu_set_dr(vcpu, 7, BIT_ULL(32)), X86_FAULT);
	KUNIT_EXPECT_EQ(test, vcpu_set_dr(vcpu, 6, BIT_ULL(32)), X86_FAULT);
	vcpu->st.cr4 = X86_CR4_DE;
	KUNIT_EXPECT_EQ(test, vcpu_get_dr(vcpu, 4, &val), X86_FAULT_UD);
	KUNIT_EXPECT_EQ(test, vcpu_set_dr(vcpu, 5, 0), X86_FAULT_UD);
	KUNIT_EXPECT_EQ(test, vcpu->st.dr7, 0xffff27ffULL);
}

/* Whole states */

static void long_mode_sregs(struct kvm_sregs *s)
{
	s->cr0 = LONG_CR0;
	s->cr3 = 0x1000;
	s->cr4 = X86_CR4_PAE;
	s->efer = LONG_EFER;
	s->cs.l = 1;
	s->cs.db = 0;
}

static void no_pae(struct kvm_sregs *s) { s->cr4 = 0; }
static void no_lma(struct kvm_sregs *s) { s->efer &= ~(u64)EFER_LMA; }
static void no_lme(struct kvm_sregs *s) { s->efer &= ~(u64)EFER_LME; }
static void no_pg(struct kvm_sregs *s) { s->cr0 &= ~X86_CR0_PG; }
static void no_pe(struct kvm_sregs *s) { s->cr0 &= ~X86_CR0_PE; }
static void cr0_high(struct kvm_sregs *s) { s->cr0 |= BIT_ULL(40); }
static void cr0_nw(struct kvm_sregs *s) { s->cr0 |= X86_CR0_NW; }
static void cr3_high(struct kvm_sregs *s) { s->cr3 |= BIT_ULL(52); }
static void cr4_vmxe(struct kvm_sregs *s) { s->cr4 |= X86_CR4_VMXE; }
static void cr8_large(struct kvm_sregs *s) { s->cr8 = 16; }
static void efer_svme(struct kvm_sregs *s) { s->efer |= EFER_SVME; }
static void cs_l_and_d(struct kvm_sregs *s) { s->cs.db = 1; }
static void seg_type(struct kvm_sregs *s) { s->ds.type = 16; }
static void seg_dpl(struct kvm_sregs *s) { s->ss.dpl = 4; }
static void seg_unusable(struct kvm_sregs *s) { s->ldt.unusable = 2; }
static void fs_base(struct kvm_sregs *s) { s->fs.base = NONCANONICAL; }
static void tr_base(struct kvm_sregs *s) { s->tr.base = NONCANONICAL; }
static void idt_base(struct kvm_sregs *s) { s->idt.base = NONCANONICAL; }
static void two_irqs(struct kvm_sregs *s) { s->interrupt_bitmap[1] = 3; }

static const struct {
	const char *name;
	void (*spoil)(struct kvm_sregs *s);
} bad_sregs[] = {
	{ "LME and PG without PAE", no_pae }, { "LME and PG without LMA", no_lma },
	{ "LMA without LME", no_lme }, { "LMA without PG", no_pg }, { "PG without PE", no_pe },
	{ "cr0 upper half", cr0_high }, { "NW without CD", cr0_nw },
	{ "cr3 beyond physical addresses", cr3_high }, { "VMXE", cr4_vmxe },
	{ "cr8 of 16", cr8_large }, { "SVME", efer_svme }, { "CS.L with CS.D", cs_l_and_d },
	{ "segment type of 16", seg_type }, { "DPL of 4", seg_dpl },
	{ "unusable of 2", seg_unusable }, { "FS base", fs_base }, { "TR base", tr_base },
	{ "IDT base", idt_base }, { "two interrupts", two_irqs },
};

static void sregs_test(struct kunit *test)
{
	struct vcpu *vcpu = the_vcpu(test);
	struct kvm_sregs s, got;

	KUNIT_EXPECT_EQ(test, vcpu_ioctl_get_sregs(vcpu, &s), 0);
	long_mode_sregs(&s);
	s.cr2 = 0x123456789abcdef0ULL;
	s.cr8 = 5;
	s.fs.base = 0xffff800012345678ULL;
	s.ss.dpl = 3;
	s.gdt.base = 0xffffffff80001000ULL;
	s.gdt.limit = 0x7f;
	s.interrupt_bitmap[3] = 1;
	vcpu->st.dirty = 0;
	KUNIT_EXPECT_EQ(test, vcpu_ioctl_set_sregs(vcpu, &s), 0);
	KUNIT_EXPECT_EQ(test, vcpu->st.dirty, (u32)(ST_SEGS | ST_DT | ST_CR));
	KUNIT_EXPECT_TRUE(test, test_bit(REQ_TLB_FLUSH, &vcpu->requests));
	KUNIT_EXPECT_EQ(test, vcpu->st.cpl, 3);
	KUNIT_EXPECT_TRUE(test, vcpu->ev.irq_injected);
	KUNIT_EXPECT_EQ(test, vcpu->ev.irq_vector, 192);
	KUNIT_EXPECT_EQ(test, vcpu_ioctl_get_sregs(vcpu, &got), 0);
	KUNIT_EXPECT_EQ(test, memcmp(&s, &got, sizeof(s)), 0);
}

static void sregs_bad_test(struct kunit *test)
{
	struct vcpu *vcpu = the_vcpu(test);
	struct kvm_sregs good, s;
	struct x86_state before;
	int i;

	vcpu_ioctl_get_sregs(vcpu, &good);
	long_mode_sregs(&good);
	for (i = 0; i < ARRAY_SIZE(bad_sregs); i++) {
		s = good;
		bad_sregs[i].spoil(&s);
		vcpu->requests = 0;
		before = vcpu->st;
		KUNIT_EXPECT_EQ_MSG(test, vcpu_ioctl_set_sregs(vcpu, &s), -EINVAL, "%s",
				    bad_sregs[i].name);
		KUNIT_EXPECT_EQ_MSG(test, memcmp(&before, &vcpu->st, sizeof(before)), 0, "%s",
				    bad_sregs[i].name);
		KUNIT_EXPECT_EQ_MSG(test, vcpu->requests, 0UL, "%s", bad_sregs[i].name);
	}
	KUNIT_EXPECT_EQ(test, vcpu_ioctl_set_sregs(vcpu, &good), 0);
}

static void regs_test(struct kunit *test)
{
	struct vcpu *vcpu = the_vcpu(test);
	struct kvm_regs regs, got;

	memset(&regs, 0, sizeof(regs));
	regs.rax = 1;
	regs.rsp = 2;
	regs.rsi = 3;
	regs.r15 = 4;
	regs.rip = 0xfffffff0;
	regs.rflags = ~0ULL;
	vcpu->ev.exc_pending = true;
	KUNIT_EXPECT_EQ(test, vcpu_ioctl_set_regs(vcpu, &regs), 0);
	KUNIT_EXPECT_FALSE(test, vcpu->ev.exc_pending);
	KUNIT_EXPECT_EQ(test, vcpu->st.gpr[GPR_RSP], 2ULL);
	KUNIT_EXPECT_EQ(test, vcpu->st.gpr[GPR_RSI], 3ULL);
	KUNIT_EXPECT_EQ(test, vcpu->st.rflags, 0x3f7fd7ULL);
	vcpu_ioctl_get_regs(vcpu, &got);
	regs.rflags = 0x3f7fd7ULL;
	KUNIT_EXPECT_EQ(test, memcmp(&regs, &got, sizeof(regs)), 0);
}

static void debugregs_test(struct kunit *test)
{
	struct vcpu *vcpu = the_vcpu(test);
	struct kvm_debugregs dbg = { .db = { 1, 2, 3, 4 }, .dr6 = 0xffff0ff1, .dr7 = 0x401 };
	struct kvm_debugregs bad = dbg, got;

	KUNIT_EXPECT_EQ(test, vcpu_ioctl_set_debugregs(vcpu, &dbg), 0);
	bad.flags = 1;
	KUNIT_EXPECT_EQ(test, vcpu_ioctl_set_debugregs(vcpu, &bad), -EINVAL);
	bad.flags = 0;
	bad.dr7 = BIT_ULL(32);
	KUNIT_EXPECT_EQ(test, vcpu_ioctl_set_debugregs(vcpu, &bad), -EINVAL);
	bad.dr7 = 0;
	bad.dr6 = BIT_ULL(63);
	KUNIT_EXPECT_EQ(test, vcpu_ioctl_set_debugregs(vcpu, &bad), -EINVAL);
	vcpu_ioctl_get_debugregs(vcpu, &got);
	KUNIT_EXPECT_EQ(test, memcmp(&dbg, &got, sizeof(got)), 0);
}

static void events_test(struct kunit *test)
{
	static const u32 bad_flags[] = {
		KVM_VCPUEVENT_VALID_SMM, KVM_VCPUEVENT_VALID_PAYLOAD,
		KVM_VCPUEVENT_VALID_TRIPLE_FAULT, BIT(31),
	};
	struct vcpu *vcpu = the_vcpu(test);
	struct kvm_vcpu_events e = {
		.exception = { .injected = 1, .nr = X86_TRAP_GP, .has_error_code = 1,
			       .error_code = 0x18 },
		.interrupt = { .injected = 1, .nr = 0x31, .shadow = KVM_X86_SHADOW_INT_STI },
		.nmi = { .injected = 1, .pending = 9, .masked = 1 },
		.flags = KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SHADOW,
	};
	struct kvm_vcpu_events bad, got;
	int i;

	KUNIT_EXPECT_EQ(test, vcpu_ioctl_set_vcpu_events(vcpu, &e), 0);
	KUNIT_EXPECT_EQ(test, vcpu->st.shadow, SHADOW_STI);
	for (i = 0; i < ARRAY_SIZE(bad_flags); i++) {
		bad = (struct kvm_vcpu_events) { .flags = bad_flags[i] };
		KUNIT_EXPECT_EQ(test, vcpu_ioctl_set_vcpu_events(vcpu, &bad), -EINVAL);
	}
	bad = (struct kvm_vcpu_events) { .exception = { .injected = 1, .nr = 32 } };
	KUNIT_EXPECT_EQ(test, vcpu_ioctl_set_vcpu_events(vcpu, &bad), -EINVAL);
	bad.exception.nr = X86_TRAP_NMI;
	KUNIT_EXPECT_EQ(test, vcpu_ioctl_set_vcpu_events(vcpu, &bad), -EINVAL);
	vcpu_ioctl_get_vcpu_events(vcpu, &got);
	e.nmi.pending = 2;
	KUNIT_EXPECT_EQ(test, memcmp(&e, &got, sizeof(e)), 0);
}

/* A payload that was not delivered yet shows in the register, once. */
static void events_payload_test(struct kunit *test)
{
	struct vcpu *vcpu = the_vcpu(test);
	struct kvm_vcpu_events got;

	vcpu->ev.exc_pending = true;
	vcpu->ev.exc_vector = X86_TRAP_PF;
	vcpu->ev.exc_has_error = true;
	vcpu->ev.exc_error = 6;
	vcpu->ev.exc_has_payload = true;
	vcpu->ev.exc_payload = 0xdead000;
	vcpu_ioctl_get_vcpu_events(vcpu, &got);
	KUNIT_EXPECT_EQ(test, got.exception.injected, 1);
	KUNIT_EXPECT_EQ(test, got.exception.nr, X86_TRAP_PF);
	KUNIT_EXPECT_EQ(test, got.exception.error_code, 6U);
	KUNIT_EXPECT_EQ(test, vcpu->st.cr2, 0xdead000ULL);
	KUNIT_EXPECT_FALSE(test, vcpu->ev.exc_has_payload);
}

static void mp_state_test(struct kunit *test)
{
	struct vcpu *vcpu = the_vcpu(test);
	struct kvm_mp_state s;
	u32 i;

	for (i = 0; i < 16; i++) {
		s.mp_state = i;
		KUNIT_EXPECT_EQ(test, vcpu_ioctl_set_mp_state(vcpu, &s),
				i == KVM_MP_STATE_RUNNABLE ? 0 : -EINVAL);
	}
	KUNIT_EXPECT_EQ(test, vcpu->mp_state, (u32)KVM_MP_STATE_RUNNABLE);

	/* Who is held in reset sleeps as who is halted does. */
	vcpu->requests = BIT(REQ_SHUTDOWN);
	vcpu->mp_state = KVM_MP_STATE_UNINITIALIZED;
	KUNIT_EXPECT_FALSE(test, vcpu_has_work(vcpu));
	vcpu->mp_state = KVM_MP_STATE_HALTED;
	KUNIT_EXPECT_TRUE(test, vcpu_has_work(vcpu));
	vcpu->mp_state = KVM_MP_STATE_AP_RESET_HOLD;
	KUNIT_EXPECT_TRUE(test, vcpu_has_work(vcpu));
	vcpu->requests = 0;
}

/* Reset */

static void reset_test(struct kunit *test)
{
	struct vcpu *vcpu = the_vcpu(test);
	struct x86_state *st = &vcpu->st;

	KUNIT_EXPECT_EQ(test, st->rip, 0xfff0ULL);
	KUNIT_EXPECT_EQ(test, st->rflags, 2ULL);
	KUNIT_EXPECT_EQ(test, st->cr0, 0x60000010ULL);
	KUNIT_EXPECT_EQ(test, st->gpr[GPR_RDX], 0x600ULL);
	KUNIT_EXPECT_EQ(test, st->seg[SEG_CS].base, 0xffff0000ULL);
	KUNIT_EXPECT_EQ(test, st->seg[SEG_CS].selector, 0xf000);
	KUNIT_EXPECT_EQ(test, st->idt.limit, 0xffff);
	KUNIT_EXPECT_EQ(test, st->dr6, 0xffff0ff0ULL);
	KUNIT_EXPECT_EQ(test, st->dr7, 0x400ULL);
	KUNIT_EXPECT_EQ(test, st->xcr0, 1ULL);
	KUNIT_EXPECT_EQ(test, st->msrs.pat, 0x0007040600070406ULL);
	KUNIT_EXPECT_EQ(test, vcpu->ev.user_irq, -1);

	st->cr0 = LONG_CR0 | X86_CR0_CD;
	st->efer = LONG_EFER;
	st->msrs.lstar = 0x1000;
	st->xcr0 = 7;
	vcpu->ev.nmi_masked = true;
	vcpu_reset(vcpu, true);
	KUNIT_EXPECT_EQ(test, st->cr0, (u64)(X86_CR0_CD | X86_CR0_ET));
	KUNIT_EXPECT_EQ(test, st->efer, 0ULL);
	KUNIT_EXPECT_EQ(test, st->msrs.lstar, 0x1000ULL);
	KUNIT_EXPECT_EQ(test, st->xcr0, 7ULL);
	KUNIT_EXPECT_FALSE(test, vcpu->ev.nmi_masked);

	vcpu_sipi(vcpu, 0x9a);
	KUNIT_EXPECT_EQ(test, st->rip, 0ULL);
	KUNIT_EXPECT_EQ(test, st->seg[SEG_CS].selector, 0x9a00);
	KUNIT_EXPECT_EQ(test, st->seg[SEG_CS].base, 0x9a000ULL);
}

/* FPU */

static void fpu_test(struct kunit *test)
{
	struct vcpu *vcpu = the_vcpu(test);
	struct kvm_fpu fpu, got;

	KUNIT_ASSERT_EQ(test, vcpu_ioctl_get_fpu(vcpu, &fpu), 0);
	KUNIT_EXPECT_EQ(test, fpu.fcw, 0x37f);
	KUNIT_EXPECT_EQ(test, fpu.mxcsr, 0x1f80U);
	memset(fpu.xmm, 0xa5, sizeof(fpu.xmm));
	fpu.fpr[3][2] = 7;
	fpu.fcw = 0x27f;
	fpu.ftwx = 0x81;
	fpu.last_ip = 0x123456;
	fpu.mxcsr = 0x1fa0;
	KUNIT_EXPECT_EQ(test, vcpu_ioctl_set_fpu(vcpu, &fpu), 0);
	KUNIT_EXPECT_EQ(test, vcpu_ioctl_get_fpu(vcpu, &got), 0);
	KUNIT_EXPECT_EQ(test, memcmp(&fpu, &got, sizeof(fpu)), 0);
	got.mxcsr = BIT(31);
	KUNIT_EXPECT_EQ(test, vcpu_ioctl_set_fpu(vcpu, &got), -EINVAL);
	KUNIT_EXPECT_EQ(test, vcpu_ioctl_get_fpu(vcpu, &got), 0);
	KUNIT_EXPECT_EQ(test, memcmp(&fpu, &got, sizeof(fpu)), 0);
	KUNIT_EXPECT_GE(test, vm_xsave_size(), 4096U);
}

static void xcrs_test(struct kunit *test)
{
	struct vcpu *vcpu = the_vcpu(test);
	struct kvm_xcrs x = { .nr_xcrs = 1, .xcrs = { { .value = XFEATURE_MASK_FPSSE } } };
	struct kvm_xcrs got;

	if (!cpuid_host_xcr0()) {
		KUNIT_EXPECT_EQ(test, vcpu_ioctl_set_xcrs(vcpu, &x), -EINVAL);
		return;
	}
	KUNIT_EXPECT_EQ(test, vcpu_ioctl_set_xcrs(vcpu, &x), 0);
	KUNIT_EXPECT_EQ(test, vcpu_ioctl_get_xcrs(vcpu, &got), 0);
	KUNIT_EXPECT_EQ(test, memcmp(&x, &got, sizeof(x)), 0);
	x.xcrs[0].value = 0;
	KUNIT_EXPECT_EQ(test, vcpu_ioctl_set_xcrs(vcpu, &x), -EINVAL);
	x.xcrs[0].value = 1;
	x.flags = 1;
	KUNIT_EXPECT_EQ(test, vcpu_ioctl_set_xcrs(vcpu, &x), -EINVAL);
	x.flags = 0;
	x.nr_xcrs = KVM_MAX_XCRS + 1;
	KUNIT_EXPECT_EQ(test, vcpu_ioctl_set_xcrs(vcpu, &x), -EINVAL);
	KUNIT_EXPECT_EQ(test, vcpu->st.xcr0, (u64)XFEATURE_MASK_FPSSE);
}

/* Clock */

/*
 * Write @first to @a and, @apart_ms later, @second to @b.  The moments are told, not waited
 * for: how fast this host is must not matter.
 */
static void sync_pair(struct vcpu *a, u64 first, struct vcpu *b, u64 second, u32 apart_ms)
{
	u64 ns = ktime_get_boottime_ns(), tsc = rdtsc();

	vcpu_sync_tsc_at(a, first, tsc, ns);
	vcpu_sync_tsc_at(b, second, tsc + (u64)apart_ms * tsc_khz, ns + apart_ms * NSEC_PER_MSEC);
}

static void tsc_test(struct kunit *test)
{
	struct state_world *w = test->priv;
	struct vcpu *a = w->vcpu, *b = vcpu_new(test, w->vm);
	u64 second = tsc_khz * 1000ULL;

	/* Created together: one clock, that began at 0. */
	KUNIT_EXPECT_EQ(test, a->st.tsc_offset, b->st.tsc_offset);
	KUNIT_EXPECT_LT(test, vcpu_tsc(a), 600 * second);

	if (!check_tsc_unstable()) {
		/* Within a second is the same clock, at once or later; more is not. */
		sync_pair(a, 10000 * second, b, 10000 * second + second / 2, 0);
		KUNIT_EXPECT_EQ(test, b->st.tsc_offset, a->st.tsc_offset);
		sync_pair(a, 20000 * second, b, 20000 * second + second - 1, 0);
		KUNIT_EXPECT_EQ(test, b->st.tsc_offset, a->st.tsc_offset);
		sync_pair(a, 30000 * second, b, 30090 * second + second / 2, 90000);
		KUNIT_EXPECT_EQ(test, b->st.tsc_offset, a->st.tsc_offset);
		sync_pair(a, 40000 * second, b, 40000 * second, 1500);
		KUNIT_EXPECT_NE(test, b->st.tsc_offset, a->st.tsc_offset);
		sync_pair(a, 50000 * second, b, 50001 * second + second / 10, 0);
		KUNIT_EXPECT_NE(test, b->st.tsc_offset, a->st.tsc_offset);
		sync_pair(a, 900000 * second, b, 900060 * second, 0);
		KUNIT_EXPECT_NE(test, b->st.tsc_offset, a->st.tsc_offset);
		/* A century later, and before it: nothing that a host may trip over. */
		vcpu_sync_tsc_at(b, 1, rdtsc(), ktime_get_boottime_ns() + BIT_ULL(61));
		vcpu_sync_tsc_at(a, second / 2, rdtsc(), ktime_get_boottime_ns());
		KUNIT_EXPECT_EQ(test, a->st.tsc_offset, b->st.tsc_offset);
		vcpu_sync_tsc(a, 0);
		KUNIT_EXPECT_EQ(test, a->st.tsc_offset, b->st.tsc_offset);
	}
	vcpu_delete(b);
}

static void tsc_adjust_test(struct kunit *test)
{
	struct vcpu *vcpu = the_vcpu(test);
	u64 offset = vcpu->st.tsc_offset, val;

	KUNIT_EXPECT_EQ(test, msr_write(vcpu, MSR_IA32_TSC_ADJUST, 1ULL << 50, true), 0);
	KUNIT_EXPECT_EQ(test, vcpu->st.tsc_offset, offset);
	KUNIT_EXPECT_EQ(test, msr_write(vcpu, MSR_IA32_TSC, 1ULL << 55, false), 0);
	KUNIT_EXPECT_EQ(test, msr_read(vcpu, MSR_IA32_TSC, &val, false), 0);
	KUNIT_EXPECT_EQ(test, val >> 40, 1ULL << 15);
	KUNIT_EXPECT_EQ(test, msr_read(vcpu, MSR_IA32_TSC_ADJUST, &val, false), 0);
	KUNIT_EXPECT_EQ(test, val >> 50, (1ULL << 55 >> 50));
}

static void tsc_khz_test(struct kunit *test)
{
	struct vcpu *vcpu = the_vcpu(test);

	KUNIT_EXPECT_EQ(test, vcpu_ioctl_set_tsc_khz(vcpu, 0), 0);
	KUNIT_EXPECT_EQ(test, vcpu->clock.tsc_khz, (u32)tsc_khz);
	KUNIT_EXPECT_EQ(test, vcpu_ioctl_set_tsc_khz(vcpu, tsc_khz + tsc_khz / 5000), 0);
	KUNIT_EXPECT_EQ(test, vcpu->clock.tsc_ratio, TSC_RATIO_ONE);
	KUNIT_EXPECT_EQ(test, vcpu_ioctl_set_tsc_khz(vcpu, tsc_khz * 2), -EINVAL);
	KUNIT_EXPECT_EQ(test, vcpu_ioctl_set_tsc_khz(vcpu, 1ULL << 32), -EINVAL);
	fake_caps.tsc_scaling = true;
	KUNIT_EXPECT_EQ(test, vcpu_ioctl_set_tsc_khz(vcpu, tsc_khz * 2), 0);
	KUNIT_EXPECT_EQ(test, vcpu->clock.tsc_ratio, 2 * TSC_RATIO_ONE);
	fake_caps.tsc_scaling = false;
}

static void clock_test(struct kunit *test)
{
	struct state_world *w = test->priv;
	struct kvm_clock_data data = { .clock = 5000000000ULL }, got;
	u64 before, after, wall;

	KUNIT_EXPECT_EQ(test, vm_ioctl_get_clock(w->vm, &got), 0);
	KUNIT_EXPECT_LT(test, got.clock, 600 * NSEC_PER_SEC);

	before = ktime_get_boottime_ns();
	KUNIT_EXPECT_EQ(test, vm_ioctl_set_clock(w->vm, &data), 0);
	mdelay(20);
	KUNIT_EXPECT_EQ(test, vm_ioctl_get_clock(w->vm, &got), 0);
	after = ktime_get_boottime_ns();
	KUNIT_EXPECT_GE(test, got.clock, data.clock + 15 * NSEC_PER_MSEC);
	KUNIT_EXPECT_LE(test, got.clock, data.clock + (after - before) + 5 * NSEC_PER_MSEC);
	data.flags = BIT(31);
	KUNIT_EXPECT_EQ(test, vm_ioctl_set_clock(w->vm, &data), -EINVAL);
	/* Ten seconds ago, by the wall. */
	data.flags = KVM_CLOCK_REALTIME;
	wall = ktime_get_real_ns();
	data.realtime = wall - 10 * NSEC_PER_SEC;
	KUNIT_EXPECT_EQ(test, vm_ioctl_set_clock(w->vm, &data), 0);
	KUNIT_EXPECT_EQ(test, vm_ioctl_get_clock(w->vm, &got), 0);
	KUNIT_EXPECT_GE(test, got.clock, 15 * NSEC_PER_SEC);
	KUNIT_EXPECT_LT(test, got.clock, 16 * NSEC_PER_SEC + (ktime_get_real_ns() - wall));
	KUNIT_EXPECT_EQ(test, vcpu_ioctl_kvmclock_ctrl(w->vcpu), -EINVAL);
}

static void clock_gap_test(struct kunit *test)
{
	const u32 khz = 3000000;
	const u64 second = 3000000000ULL, before = 1000000 * second;

	/* It went on, as exactly as a clock of whole seconds can tell. */
	KUNIT_EXPECT_EQ(test, clock_gap(before, before + 60 * second, 60 * NSEC_PER_SEC, khz),
			0ULL);
	KUNIT_EXPECT_EQ(test, clock_gap(before, before + second, 2 * NSEC_PER_SEC, khz), 0ULL);
	KUNIT_EXPECT_EQ(test, clock_gap(before, before + 3 * second, 2 * NSEC_PER_SEC, khz), 0ULL);
	/* It began anew, stood still, or is of another boot. */
	KUNIT_EXPECT_EQ(test, clock_gap(before, second, 60 * NSEC_PER_SEC, khz),
			before + 59 * second);
	KUNIT_EXPECT_EQ(test, clock_gap(before, before, 60 * NSEC_PER_SEC, khz), 60 * second);
	KUNIT_EXPECT_EQ(test, clock_gap(second, 60 * second, 10 * NSEC_PER_SEC, khz),
			-49 * second);
	/* Less than the tolerance, but back. */
	KUNIT_EXPECT_EQ(test, clock_gap(before, before - 1, 0, khz), 1ULL);
}

static void slept_test(struct kunit *test)
{
	struct state_world *w = test->priv;
	struct vcpu *vcpu = w->vcpu;
	u64 hour = 3600ULL * 1000 * tsc_khz, second = 1000ULL * tsc_khz;
	u64 tsc = vcpu_tsc(vcpu), offset = vcpu->st.tsc_offset;
	struct kvm_clock_data before, after;

	vm_ioctl_get_clock(w->vm, &before);
	/* The TSC was an hour further, and the host slept for ten seconds. */
	clock_slept(rdtsc_ordered() + vcpu->clock.shift + hour, 10 * NSEC_PER_SEC);
	vm_ioctl_get_clock(w->vm, &after);
	KUNIT_EXPECT_GE(test, vcpu_tsc(vcpu), tsc + hour + 10 * second);
	if (before.flags & KVM_CLOCK_TSC_STABLE) {
		KUNIT_EXPECT_GE(test, after.clock, before.clock + 3600 * NSEC_PER_SEC);
		KUNIT_EXPECT_LE(test, after.host_tsc, rdtsc_ordered());
	}
	/* The hardware hears of it at the next load, before the next entry. */
	KUNIT_EXPECT_EQ(test, vcpu->st.tsc_offset, offset);
	clear_bit(REQ_CLOCK_UPDATE, &vcpu->requests);
	vcpu->st.dirty = 0;
	vcpu_clock_load(vcpu, false);
	KUNIT_EXPECT_TRUE(test, test_bit(REQ_CLOCK_UPDATE, &vcpu->requests));
	vcpu_clock_update(vcpu);
	/* Less what went by since the TSC was read. */
	KUNIT_EXPECT_GT(test, vcpu->st.tsc_offset - offset, hour);
	KUNIT_EXPECT_LT(test, vcpu->st.tsc_offset - offset, 2 * hour);
	KUNIT_EXPECT_TRUE(test, vcpu->st.dirty & ST_TSC);
	clear_bit(REQ_CLOCK_UPDATE, &vcpu->requests);
	vcpu_clock_load(vcpu, false);
	KUNIT_EXPECT_FALSE(test, test_bit(REQ_CLOCK_UPDATE, &vcpu->requests));
}

/* The host's TSC leaps by @by while it sleeps: what does the guest's hardware add then? */
static u64 offset_after_leap(struct vcpu *vcpu, u64 by)
{
	u64 offset = vcpu->st.tsc_offset;

	clock_slept(rdtsc_ordered() + vcpu->clock.shift - by, 0);
	vcpu_clock_update(vcpu);
	return vcpu->st.tsc_offset - offset;
}

/* The TSC leapt, so that less is to be shown than it says; and the guest's ticks faster. */
static void leap_scaled_test(struct kunit *test)
{
	struct vcpu *vcpu = the_vcpu(test);
	u64 hour = 3600ULL * 1000 * tsc_khz, was = vcpu->clock.shift, back, got;

	fake_caps.tsc_scaling = true;
	KUNIT_ASSERT_EQ(test, vcpu_ioctl_set_tsc_khz(vcpu, tsc_khz / 2 * 3), 0);
	/* However it stands, below 0. */
	got = offset_after_leap(vcpu, (max_t(s64, was, 0) + 3 * hour));
	back = was - vcpu->clock.shift;
	KUNIT_EXPECT_LT(test, (s64)vcpu->clock.shift, 0);
	KUNIT_EXPECT_GT(test, back, 2 * hour);
	KUNIT_EXPECT_LE(test, abs((s64)(-got - mul_u64_u64_shr(back, vcpu->clock.tsc_ratio,
							      TSC_RATIO_SHIFT))), 2);
	/* And ahead again, past 0. */
	got = offset_after_leap(vcpu, -back);
	KUNIT_EXPECT_GT(test, (s64)(vcpu->clock.shift - was), -(s64)hour);
	KUNIT_EXPECT_GT(test, got, hour);
	fake_caps.tsc_scaling = false;
}

static void tsc_unstable_test(struct kunit *test)
{
	struct state_world *w = test->priv;
	struct pvclock_vcpu_time_info info;
	struct kvm_clock_data before, after;

	if (check_tsc_unstable())
		kunit_skip(test, "this host's TSC is unstable already");
	vcpu_time_info(w->vcpu, &info);
	KUNIT_EXPECT_TRUE(test, info.flags & PVCLOCK_TSC_STABLE_BIT);
	/* The host's other clock is half a second behind. */
	w->vm->clock.boot_offset -= NSEC_PER_SEC / 2;
	KUNIT_ASSERT_EQ(test, xa_err(xa_store(&w->vm->vcpus, 0, w->vcpu, GFP_KERNEL)), 0);
	w->vm->nr_vcpus = 1;
	clear_bit(REQ_CLOCK_UPDATE, &w->vcpu->requests);
	vm_ioctl_get_clock(w->vm, &before);
	KUNIT_EXPECT_TRUE(test, before.flags & KVM_CLOCK_TSC_STABLE);
	vm_clock_unstable(w->vm);
	vm_ioctl_get_clock(w->vm, &after);
	KUNIT_EXPECT_FALSE(test, after.flags & KVM_CLOCK_TSC_STABLE);
	KUNIT_EXPECT_GE(test, after.clock, before.clock);
	KUNIT_EXPECT_TRUE(test, test_bit(REQ_CLOCK_UPDATE, &w->vcpu->requests));
	vcpu_time_info(w->vcpu, &info);
	KUNIT_EXPECT_FALSE(test, info.flags & PVCLOCK_TSC_STABLE_BIT);
	w->vm->nr_vcpus = 0;
	xa_destroy(&w->vm->vcpus);
}

static void tsc_far_off_test(struct kunit *test)
{
	struct state_world *w = test->priv;
	struct kvm_clock_data now;

	if (check_tsc_unstable())
		kunit_skip(test, "this host's TSC is unstable already");
	/* The TSC has jumped by an hour: that is not for the guest. */
	w->vm->clock.base_tsc -= 3600ULL * 1000 * tsc_khz;
	vm_clock_unstable(w->vm);
	vm_ioctl_get_clock(w->vm, &now);
	KUNIT_EXPECT_LT(test, now.clock, 600 * NSEC_PER_SEC);
}

static void alignment_check_test(struct kunit *test)
{
	KUNIT_EXPECT_TRUE(test, exit_is_alignment_check(3, X86_CR0_AM, X86_EFLAGS_AC));
	KUNIT_EXPECT_FALSE(test, exit_is_alignment_check(0, X86_CR0_AM, X86_EFLAGS_AC));
	KUNIT_EXPECT_FALSE(test, exit_is_alignment_check(3, ~(u64)X86_CR0_AM, X86_EFLAGS_AC));
	KUNIT_EXPECT_FALSE(test, exit_is_alignment_check(3, X86_CR0_AM, ~(u64)X86_EFLAGS_AC));
}

static struct kunit_case state_cases[] = {
	KUNIT_CASE(cr_test),
	KUNIT_CASE(cr8_test),
	KUNIT_CASE(efer_test),
	KUNIT_CASE(xcr0_test),
	KUNIT_CASE(dr_test),
	KUNIT_CASE(sregs_test),
	KUNIT_CASE(sregs_bad_test),
	KUNIT_CASE(regs_test),
	KUNIT_CASE(debugregs_test),
	KUNIT_CASE(events_test),
	KUNIT_CASE(events_payload_test),
	KUNIT_CASE(mp_state_test),
	KUNIT_CASE(reset_test),
	KUNIT_CASE(fpu_test),
	KUNIT_CASE(xcrs_test),
	KUNIT_CASE(tsc_test),
	KUNIT_CASE(tsc_adjust_test),
	KUNIT_CASE(tsc_khz_test),
	KUNIT_CASE(clock_test),
	KUNIT_CASE(clock_gap_test),
	KUNIT_CASE(leap_scaled_test),
	KUNIT_CASE(slept_test),
	KUNIT_CASE(tsc_unstable_test),
	KUNIT_CASE(tsc_far_off_test),
	KUNIT_CASE(alignment_check_test),
	{}
};

static struct kunit_suite state_suite = {
	.name = "ditto_x86_state",
	.suite_init = state_suite_init,
	.suite_exit = state_suite_exit,
	.init = state_test_init,
	.exit = state_test_exit,
	.test_cases = state_cases,
};

kunit_test_suite(state_suite);
