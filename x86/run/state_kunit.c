// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the architectural state: what is accepted, what is refused, and
 * that a refusal changes nothing.  Tables say the exact result of each value.
 * The vCPU is a bare struct with all of its state valid; the backend is a fake
 * that only counts.
 */
#include <linux/slab.h>
#include <asm/cpufeatures.h>
#include <asm/msr-index.h>
#include <asm/traps.h>

#include "mmu/mmu.h"
#include "x86/cpu/clock.h"
#include "x86/cpu/cpuid.h"
#include "x86/cpu/cpuid_host.h"
#include "x86/cpu/fpu.h"
#include "x86/machine/vm.h"
#include "x86/run/cr.h"
#include "x86/run/exits.h"
#include "x86/run/msr.h"
#include "x86/run/regs.h"
#include "x86/run/reset.h"
#include "x86/run/run.h"
#include "x86/run/sregs.h"
#include "x86/run/state_kunit.h"

u32 state_fake_passed;

static void fake_pass_msr(struct vcpu *vcpu, u32 msr, bool read, bool write)
{
	state_fake_passed++;
}

static void fake_fetch(struct vcpu *vcpu, u32 parts)
{
	WARN_ONCE(1, "tests keep all state valid");
}

static void fake_set_window(struct vcpu *vcpu, u32 windows)
{
}

static const struct tdp_format fake_format = { .levels = 4, .max_level = 1 };
struct backend_caps state_fake_caps = { .tdp = { .levels = 4, .max_level = 1 } };
static const struct backend_ops fake_backend = {
	.name = "fake", .caps = &state_fake_caps, .fetch = fake_fetch, .pass_msr = fake_pass_msr,
	.set_window = fake_set_window,
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

/**
 * state_vcpu_new() - one more vCPU
 * @test: test
 * @vm: its VM
 *
 * Return: it, after power-on; state_vcpu_delete() takes it away.
 */
struct vcpu *state_vcpu_new(struct kunit *test, struct vm *vm)
{
	struct vcpu *vcpu = kunit_kzalloc(test, sizeof(*vcpu), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, vcpu);
	vcpu->vm = vm;
	vcpu->st.valid = ST_ALL;
	vcpuid_init(vcpu);
	vclock_init(vcpu);
	KUNIT_ASSERT_EQ(test, vfpu_init(vcpu), 0);
	vcpu_reset(vcpu, false);
	vcpu->requests = 0;
	return vcpu;
}

/**
 * state_vcpu_delete() - take a vCPU away
 * @vcpu: of state_vcpu_new()
 */
void state_vcpu_delete(struct vcpu *vcpu)
{
	vfpu_free(vcpu);
	vcpuid_free(vcpu);
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
	w->vcpu = state_vcpu_new(test, w->vm);
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
	state_vcpu_delete(w->vcpu);
	mmu_destroy(&w->vm->mmu);
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
		KVM_VCPUEVENT_VALID_PAYLOAD, KVM_VCPUEVENT_VALID_TRIPLE_FAULT, BIT(31),
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

	/* A vCPU that is held in reset sleeps as one that is halted does. */
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

static struct kunit_case state_cases[] = {
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
