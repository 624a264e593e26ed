// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit: what of the SVM backend needs no SVM: which ASID a vCPU gets, what VMRUN flushes,
 * also when the CPU refuses it, and what an exit says about events and NMIs.
 */
#include <kunit/test.h>
#include <asm/debugreg.h>
#include <asm/processor-flags.h>
#include <asm/trapnr.h>

#include "svm/svm.h"

#define NOTHING	TLB_CONTROL_DO_NOTHING
#define ONE	TLB_CONTROL_FLUSH_ASID
#define ALL	TLB_CONTROL_FLUSH_ALL_ASID

/* As a CPU is when SVM was switched on. */
static struct svm_asids fresh(u32 max)
{
	struct svm_asids asids = { .max = max };

	svm_asids_renew(&asids);
	return asids;
}

/* As svm_run() does, when the CPU accepts it. */
static u8 enter(struct svm_asids *asids, struct svm_asid *asid)
{
	u8 tlb_ctl;

	if (svm_asid_settled(asids, asid))
		return NOTHING;
	tlb_ctl = svm_asid_take(asids, asid);
	if (tlb_ctl)
		svm_asid_accepted(asids, asid, tlb_ctl);
	return tlb_ctl;
}

/* Once for all of them, then never again until they run out. */
static void asid_flushes_once(struct kunit *test)
{
	struct svm_asids asids = fresh(3);
	struct svm_asid a = { }, b = { };

	KUNIT_EXPECT_EQ(test, enter(&asids, &a), ALL);
	KUNIT_EXPECT_EQ(test, enter(&asids, &b), NOTHING);
	KUNIT_EXPECT_EQ(test, enter(&asids, &a), NOTHING);
	KUNIT_EXPECT_EQ(test, a.asid, 1);
	KUNIT_EXPECT_EQ(test, b.asid, 2);
}

static void asid_run_out(struct kunit *test)
{
	struct svm_asids asids = fresh(2);
	struct svm_asid a = { }, b = { }, c = { };

	enter(&asids, &a);
	KUNIT_EXPECT_EQ(test, enter(&asids, &b), NOTHING);
	KUNIT_EXPECT_EQ(test, b.asid, 2);
	KUNIT_EXPECT_EQ(test, enter(&asids, &c), ALL);
	KUNIT_EXPECT_EQ(test, c.asid, 1);
	/* The others' are of the old generation, and the first's is c's now. */
	KUNIT_EXPECT_EQ(test, enter(&asids, &a), NOTHING);
	KUNIT_EXPECT_EQ(test, a.asid, 2);
	KUNIT_EXPECT_EQ(test, enter(&asids, &b), ALL);
	KUNIT_EXPECT_EQ(test, b.asid, 1);
}

/* Refused: the flush of all is due at the next VMRUN, no matter whose, and at no other. */
static void asid_refused_flush_is_the_cpus(struct kunit *test)
{
	struct svm_asids asids = fresh(8);
	struct svm_asid a = { }, b = { };

	KUNIT_EXPECT_EQ(test, svm_asid_take(&asids, &a), ALL);
	KUNIT_EXPECT_EQ(test, svm_asid_take(&asids, &b), ALL);
	KUNIT_EXPECT_EQ(test, svm_asid_take(&asids, &a), ALL);
	KUNIT_EXPECT_EQ(test, enter(&asids, &b), ALL);
	KUNIT_EXPECT_EQ(test, enter(&asids, &a), NOTHING);
	KUNIT_EXPECT_NE(test, a.asid, b.asid);
}

/* A vCPU's own flush stays with it, no matter which runs meanwhile. */
static void asid_flush_of_one(struct kunit *test)
{
	struct svm_asids asids = fresh(8);
	struct svm_asid a = { }, b = { };

	enter(&asids, &a);
	enter(&asids, &b);
	svm_asid_flush(&a);
	KUNIT_EXPECT_EQ(test, enter(&asids, &b), NOTHING);
	KUNIT_EXPECT_EQ(test, svm_asid_take(&asids, &a), ONE);
	KUNIT_EXPECT_EQ(test, enter(&asids, &a), ONE);
	KUNIT_EXPECT_EQ(test, enter(&asids, &a), NOTHING);
	/* A new one has nothing to flush; a flush of all is of this one, too. */
	svm_asid_flush(&a);
	svm_asid_drop(&a);
	KUNIT_EXPECT_EQ(test, enter(&asids, &a), NOTHING);
	svm_asids_renew(&asids);
	KUNIT_EXPECT_EQ(test, svm_asid_take(&asids, &b), ALL);
	svm_asid_flush(&b);
	KUNIT_EXPECT_EQ(test, enter(&asids, &b), ALL);
	KUNIT_EXPECT_EQ(test, enter(&asids, &b), NOTHING);
}

/* SVM off and on again, for a suspend or a CPU that was offline. */
static void asid_cpu_comes_back(struct kunit *test)
{
	struct svm_asids asids = fresh(8);
	struct svm_asid a = { };

	enter(&asids, &a);
	svm_asids_renew(&asids);
	KUNIT_EXPECT_EQ(test, enter(&asids, &a), ALL);
	KUNIT_EXPECT_EQ(test, a.generation, asids.generation);
}

/* A vCPU that the CPU never sees. */
static struct svm_vcpu *vcpu_new(struct kunit *test)
{
	struct svm_vcpu *svm = kunit_kzalloc(test, sizeof(*svm), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, svm);
	svm->vmcb = kunit_kzalloc(test, sizeof(*svm->vmcb), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, svm->vmcb);
	svm->vcpu.st.rip = 0x1000;
	svm->vcpu.st.gpr[GPR_RSP] = 0x2000;
	return svm;
}

/* As the CPU reports that the delivery of @type and @vector was cut. */
static struct x86_event cut(struct svm_vcpu *svm, u32 type, u8 vector)
{
	struct x86_event e;

	svm->vmcb->control.exit_int_info = SVM_EXITINTINFO_VALID | type | vector;
	svm_vectoring(svm, &e);
	return e;
}

/* What we injected is known by all that it is, not by where it was. */
static void cut_soft_event(struct kunit *test)
{
	const struct x86_event ours = { .type = EVENT_SOFT_INT, .vector = 0x40, .insn_len = 3 };
	struct svm_vcpu *svm = vcpu_new(test);
	u64 rip;

	svm_inject(&svm->vcpu, &ours);
	rip = svm->vcpu.st.rip;
	KUNIT_EXPECT_EQ(test, cut(svm, SVM_EXITINTINFO_TYPE_SOFT, 0x41).insn_len, 0);
	KUNIT_EXPECT_EQ(test, cut(svm, SVM_EXITINTINFO_TYPE_EXEPT, 3).insn_len, 0);
	KUNIT_EXPECT_EQ(test, svm->vcpu.st.rip, rip);
	KUNIT_EXPECT_EQ(test, cut(svm, SVM_EXITINTINFO_TYPE_SOFT, 0x40).insn_len, 3);
	KUNIT_EXPECT_EQ(test, svm->vcpu.st.rip, 0x1000);
	svm->vcpu.st.rip = rip + 1;
	KUNIT_EXPECT_EQ(test, cut(svm, SVM_EXITINTINFO_TYPE_SOFT, 0x40).insn_len, 0);
}

/* The guest is at its NMI handler's IRET, with our TF, and another NMI waits. */
static struct svm_vcpu *stepping_new(struct kunit *test)
{
	struct svm_vcpu *svm = vcpu_new(test);

	svm->vcpu.ev.nmi_masked = true;
	svm->windows = WINDOW_NMI;
	svm_nmi_iret(svm);
	svm_nmi_before(svm);
	KUNIT_ASSERT_TRUE(test, svm->stepping);
	KUNIT_ASSERT_TRUE(test, svm->vmcb->save.rflags & X86_EFLAGS_TF);
	svm->vcpu.st.rflags = svm->vmcb->save.rflags;
	svm->vmcb->control.exit_code = SVM_EXIT_EXCP_BASE + X86_TRAP_DB;
	return svm;
}

/* DR6 is sticky: a #DB of the IRET itself, with BS from before, does not end the step. */
static void step_not_over(struct kunit *test)
{
	struct svm_vcpu *svm = stepping_new(test);

	svm->vmcb->save.dr6 = DR6_RESERVED | DR_STEP;
	svm_nmi_after(svm);
	KUNIT_EXPECT_FALSE(test, svm->stepped);
	KUNIT_EXPECT_EQ(test, svm->nmi, SVM_NMI_LEAVE);
	KUNIT_EXPECT_TRUE(test, svm->vcpu.ev.nmi_masked);
	KUNIT_EXPECT_EQ(test, svm->vcpu.st.rflags & X86_EFLAGS_TF, 0);
	KUNIT_EXPECT_EQ(test, svm->vmcb->save.dr6, DR6_RESERVED | DR_STEP);
}

static void step_over(struct kunit *test)
{
	struct svm_vcpu *svm = stepping_new(test);

	svm->vcpu.st.rip = 0x3000;
	svm->vmcb->save.dr6 = DR6_RESERVED | DR_STEP;
	svm_nmi_after(svm);
	KUNIT_EXPECT_TRUE(test, svm->stepped);
	KUNIT_EXPECT_EQ(test, svm->nmi, SVM_NMI_FREE);
	KUNIT_EXPECT_FALSE(test, svm->vcpu.ev.nmi_masked);
	KUNIT_EXPECT_EQ(test, svm->vmcb->save.dr6, DR6_RESERVED);
	KUNIT_EXPECT_TRUE(test, test_bit(REQ_EVENT, &svm->vcpu.requests));
}

/* A timer that is still under way, for later or on another CPU, is of no use here. */
static void shadow_timer_anew(struct kunit *test)
{
	struct svm_vcpu *svm = vcpu_new(test);
	ktime_t left;

	svm_nmi_init(svm);
	svm->windows = WINDOW_NMI;
	svm->vcpu.st.shadow = SHADOW_STI;
	hrtimer_start(&svm->shadow_timer, ms_to_ktime(60000), HRTIMER_MODE_REL_PINNED_HARD);
	local_irq_disable();
	svm_nmi_before(svm);
	left = hrtimer_get_remaining(&svm->shadow_timer);
	local_irq_enable();
	KUNIT_EXPECT_LT(test, ktime_to_ms(left), 1000);
	svm_nmi_free(svm);
}

static struct kunit_case svm_cases[] = {
	KUNIT_CASE(step_not_over),
	KUNIT_CASE(step_over),
	KUNIT_CASE(shadow_timer_anew),
	KUNIT_CASE(cut_soft_event),
	KUNIT_CASE(asid_flushes_once),
	KUNIT_CASE(asid_run_out),
	KUNIT_CASE(asid_refused_flush_is_the_cpus),
	KUNIT_CASE(asid_flush_of_one),
	KUNIT_CASE(asid_cpu_comes_back),
	{}
};

static struct kunit_suite svm_suite = {
	.name = "ditto_svm",
	.test_cases = svm_cases,
};
kunit_test_suite(svm_suite);
