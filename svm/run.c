// SPDX-License-Identifier: GPL-2.0-only
/*
 * Entering the guest and saying why it came back.  What follows from an exit
 * is decided in x86/; here stands only what this CPU's exit codes mean.
 */
#include <linux/moduleparam.h>
#include <asm/cpufeature.h>
#include <asm/processor.h>
#include <asm/processor-flags.h>
#include <asm/traps.h>

#include "svm/svm.h"
#include "x86/cpu/hostwork.h"

static bool svm_quirk_sti_shadow __read_mostly;
module_param_named(quirk_sti_shadow, svm_quirk_sti_shadow, bool, 0444);
MODULE_PARM_DESC(quirk_sti_shadow,
		 "STI right before VMRUN for a guest in an interrupt shadow: for emulated CPUs "
		 "that take that one's shadow along and forget the VMCB's");

#define KIND(k)		(EXIT_##k + 1)
#define ALWAYS		0x80
#define ASKED(k)	(KIND(k) | ALWAYS)

/* Exit codes that are a fact of their own, 0 for none; ASKED: every guest exits for it. */
static const u8 svm_kinds[SVM_EXIT_INVPCID + 1] = {
	[SVM_EXIT_INTR] = ASKED(HOST_IRQ),
	[SVM_EXIT_NMI] = ASKED(HOST_IRQ),
	[SVM_EXIT_SMI] = ASKED(HOST_IRQ),
	[SVM_EXIT_INIT] = ASKED(HOST_IRQ),
	[SVM_EXIT_VINTR] = KIND(IRQ_WINDOW),
	[SVM_EXIT_RDTSC] = KIND(RDTSC),
	[SVM_EXIT_RDPMC] = ASKED(RDPMC),
	[SVM_EXIT_CPUID] = ASKED(CPUID),
	[SVM_EXIT_RSM] = ASKED(UNDEFINED),
	[SVM_EXIT_INVD] = ASKED(WBINVD),
	[SVM_EXIT_PAUSE] = KIND(PAUSE),
	[SVM_EXIT_HLT] = KIND(HLT),
	[SVM_EXIT_INVLPG] = KIND(INVLPG),
	[SVM_EXIT_INVLPGA] = ASKED(UNDEFINED),
	[SVM_EXIT_SWINT] = KIND(SOFT_INT),
	[SVM_EXIT_VMRUN] = ASKED(UNDEFINED),
	[SVM_EXIT_VMMCALL] = ASKED(HYPERCALL),
	[SVM_EXIT_VMLOAD] = ASKED(UNDEFINED),
	[SVM_EXIT_VMSAVE] = ASKED(UNDEFINED),
	[SVM_EXIT_STGI] = ASKED(UNDEFINED),
	[SVM_EXIT_CLGI] = ASKED(UNDEFINED),
	[SVM_EXIT_SKINIT] = ASKED(UNDEFINED),
	[SVM_EXIT_RDTSCP] = KIND(RDTSCP),
	[SVM_EXIT_WBINVD] = ASKED(WBINVD),
	[SVM_EXIT_MONITOR] = KIND(MONITOR),
	[SVM_EXIT_MWAIT] = KIND(MWAIT),
	[SVM_EXIT_XSETBV] = ASKED(XSETBV),
	[SVM_EXIT_RDPRU] = ASKED(UNDEFINED),
	[SVM_EXIT_INVPCID] = KIND(UNDEFINED),
};

/* An intercept has the number of its exit code. */
static_assert((int)INTERCEPT_INTR == SVM_EXIT_INTR && (int)INTERCEPT_RDPMC == SVM_EXIT_RDPMC &&
	      (int)INTERCEPT_XSETBV == SVM_EXIT_XSETBV && (int)INTERCEPT_RDPRU == SVM_EXIT_RDPRU);

/**
 * svm_ask_exits() - intercept what svm_kinds[] says that every guest exits for
 * @svm: being created
 */
void svm_ask_exits(struct svm_vcpu *svm)
{
	int code;

	for (code = 0; code < ARRAY_SIZE(svm_kinds); code++)
		if (svm_kinds[code] & ALWAYS)
			svm_intercept(svm, code, true);
}

/* EXITINFO1 of an IOIO exit (15.10.2); EXITINFO2 is the next rip. */
static void svm_io_facts(const struct vmcb_control_area *c, u64 rip, struct exit_facts *f)
{
	u32 info = c->exit_info_1;

	f->kind = EXIT_IO;
	f->io.port = info >> 16;
	f->io.size = (info & SVM_IOIO_SIZE_MASK) >> SVM_IOIO_SIZE_SHIFT;
	f->io.in = info & SVM_IOIO_TYPE_MASK;
	f->io.string = info & SVM_IOIO_STR_MASK;
	f->insn_len = c->exit_info_2 - rip;
}

static void svm_npf_facts(const struct vmcb_control_area *c, struct exit_facts *f)
{
	u64 info = c->exit_info_1;

	f->kind = EXIT_TDP_FAULT;
	f->tdp.gpa = c->exit_info_2;
	f->tdp.table_walk = info & SVM_NPF_TABLE_WALK;
	f->tdp.access = (info & X86_PF_INSTR) ? MMU_EXEC :
			(info & X86_PF_WRITE) ? MMU_WRITE : MMU_READ;
}

static void svm_exception_facts(struct svm_vcpu *svm, u8 vector, struct exit_facts *f)
{
	const struct vmcb_control_area *c = &svm->vmcb->control;

	if (vector == X86_TRAP_MC) {
		hostwork_machine_check();
		f->kind = EXIT_HOST_IRQ;
		return;
	}
	f->kind = EXIT_EXCEPTION;
	f->insn_len = 0;
	f->exception.vector = vector;
	f->exception.has_error = vector == X86_TRAP_DF || vector == X86_TRAP_AC ||
				 (vector >= X86_TRAP_TS && vector <= X86_TRAP_PF);
	f->exception.error = c->exit_info_1;
	f->exception.payload = 0;
	if (vector == X86_TRAP_PF)
		f->exception.payload = c->exit_info_2;
	else if (vector == X86_TRAP_DB)
		f->exception.payload = svm->vmcb->save.dr6 ^ DR6_RESERVED;
}

static void svm_reg_facts(const struct vmcb_control_area *c, u32 code, struct exit_facts *f)
{
	f->kind = code >= SVM_EXIT_READ_DR0 ? EXIT_DR : EXIT_CR;
	f->reg.nr = code & 0xf;
	f->reg.write = code & 0x10;
	f->reg.gpr = GPR_NR;
	if (boot_cpu_has(X86_FEATURE_DECODEASSISTS) && (c->exit_info_1 & BIT_ULL(63) ||
							 f->kind == EXIT_DR))
		f->reg.gpr = c->exit_info_1 & 0xf;
}

#define SVM_EVENT_INFO	(SVM_EXITINTINFO_VEC_MASK | SVM_EXITINTINFO_TYPE_MASK)

static_assert(SVM_EVENT_INFO == (SVM_EVTINJ_VEC_MASK | SVM_EVTINJ_TYPE_MASK));

/*
 * One that we injected goes in again; rip of a CPU without nRIP is put back for it. The
 * guest may come by with another one at the same place: its handler may be there.
 */
static void svm_soft_vectoring(struct svm_vcpu *svm, struct x86_event *e)
{
	u32 info = svm->vmcb->control.exit_int_info & SVM_EVENT_INFO;

	if (!svm->soft_len || svm->vcpu.st.rip != svm->soft_rip || info != svm->soft_info)
		return;
	e->insn_len = svm->soft_len;
	if (!boot_cpu_has(X86_FEATURE_NRIPS))
		svm->vcpu.st.rip -= svm->soft_len;
}

/**
 * svm_vectoring() - an event whose delivery was cut (15.7.2)
 * @svm: was in the guest, and its rip is in vcpu.st
 * @e: filled
 *
 * On an INT n, INT3 or INTO of the guest's rip still stands.
 */
void svm_vectoring(struct svm_vcpu *svm, struct x86_event *e)
{
	const struct vmcb_control_area *c = &svm->vmcb->control;
	u32 info = c->exit_int_info;

	e->type = EVENT_NONE;
	if (likely(!(info & SVM_EXITINTINFO_VALID)))
		return;
	e->vector = info & SVM_EXITINTINFO_VEC_MASK;
	e->has_error = info & SVM_EXITINTINFO_VALID_ERR;
	e->error = c->exit_int_info_err;
	e->insn_len = 0;
	switch (info & SVM_EXITINTINFO_TYPE_MASK) {
	case SVM_EXITINTINFO_TYPE_INTR:
		e->type = EVENT_IRQ;
		break;
	case SVM_EXITINTINFO_TYPE_NMI:
		e->type = EVENT_NMI;
		break;
	case SVM_EXITINTINFO_TYPE_EXEPT:
		e->type = exc_is_soft(e->vector) ? EVENT_SOFT_EXC : EVENT_EXCEPTION;
		break;
	case SVM_EXITINTINFO_TYPE_SOFT:
		e->type = EVENT_SOFT_INT;
		break;
	}
	if (e->type == EVENT_SOFT_INT || e->type == EVENT_SOFT_EXC)
		svm_soft_vectoring(svm, e);
}

/* What the CPU would have saved as the old task's RF (15.14.1). */
#define SVM_TASK_RF	BIT_ULL(48)

static void svm_task_facts(struct svm_vcpu *svm, struct exit_facts *f)
{
	const struct vmcb_control_area *c = &svm->vmcb->control;
	struct x86_event *e = &f->vectoring;
	u64 info = c->exit_info_2;

	f->kind = EXIT_TASK_SWITCH;
	f->task.selector = c->exit_info_1;
	if (info & BIT_ULL(SVM_EXITINFOSHIFT_TS_REASON_IRET))
		f->task.source = TASK_IRET;
	else if (info & BIT_ULL(SVM_EXITINFOSHIFT_TS_REASON_JMP))
		f->task.source = TASK_JMP;
	else
		f->task.source = e->type == EVENT_NONE ? TASK_CALL : TASK_GATE;
	if (f->task.source != TASK_GATE)
		e->type = EVENT_NONE;
	e->has_error = info & BIT_ULL(SVM_EXITINFOSHIFT_TS_HAS_ERROR_CODE);
	e->error = info;
	if (info & SVM_TASK_RF)
		svm->vcpu.st.rflags |= X86_EFLAGS_RF;
	else
		svm->vcpu.st.rflags &= ~X86_EFLAGS_RF;
}

static u8 svm_insn_len(const struct vmcb_control_area *c, u64 rip)
{
	u64 len = c->next_rip - rip;

	if (!cpu_feature_enabled(X86_FEATURE_NRIPS) || !c->next_rip || len > 15)
		return 0;
	return len;
}

static void svm_facts(struct svm_vcpu *svm, struct exit_facts *f)
{
	const struct vmcb_control_area *c = &svm->vmcb->control;
	u32 code = c->exit_code;

	f->hw[0] = code;
	f->hw[1] = c->exit_info_1;
	f->hw[2] = c->exit_info_2;
	f->insn_len = svm_insn_len(c, svm->vcpu.st.rip);

	if (code == SVM_EXIT_NPF) {
		svm_npf_facts(c, f);
	} else if (code == SVM_EXIT_IOIO) {
		svm_io_facts(c, svm->vcpu.st.rip, f);
	} else if (code < ARRAY_SIZE(svm_kinds) && svm_kinds[code]) {
		f->kind = (svm_kinds[code] & ~ALWAYS) - 1;
	} else if (code == SVM_EXIT_MSR) {
		f->kind = EXIT_MSR;
		f->msr.write = c->exit_info_1 & 1;
	} else if (code <= SVM_EXIT_WRITE_DR7) {
		svm_reg_facts(c, code, f);
	} else if (svm->stepped) {
		f->kind = EXIT_NMI_WINDOW;
	} else if (code >= SVM_EXIT_EXCP_BASE && code <= SVM_EXIT_LAST_EXCP) {
		svm_exception_facts(svm, code - SVM_EXIT_EXCP_BASE, f);
	} else if (code == SVM_EXIT_TASK_SWITCH) {
		svm_task_facts(svm, f);
	} else if (code == SVM_EXIT_IRET) {
		svm_nmi_iret(svm);
		f->kind = EXIT_HOST_IRQ;
	} else if (code == SVM_EXIT_SHUTDOWN) {
		f->kind = EXIT_SHUTDOWN;
		svm_vcpu_renew(svm);
	} else {
		/* All ones, or only the low half of that, means that the VMCB was refused. */
		f->kind = code == (u32)SVM_EXIT_ERR ? EXIT_FAIL_ENTRY : EXIT_UNKNOWN;
	}
}

static void svm_to_guest(struct svm_vcpu *svm)
{
	struct vmcb_control_area *c = &svm->vmcb->control;
	struct vmcb_save_area *v = &svm->vmcb->save;
	struct x86_state *st = &svm->vcpu.st;

	if (st->dirty)
		svm_push(svm);
	v->rax = st->gpr[GPR_RAX];
	v->rsp = st->gpr[GPR_RSP];
	v->rip = st->rip;
	v->rflags = st->rflags;
	c->int_state = st->shadow ? SVM_INTERRUPT_SHADOW_MASK : 0;
	if ((c->int_ctl & V_TPR_MASK) != st->cr8) {
		c->int_ctl = (c->int_ctl & ~V_TPR_MASK) | st->cr8;
		svm_dirty(svm, CLEAN_TPR);
	}
	if (unlikely(svm->nmi_busy))
		svm_nmi_before(svm);
	svm_prepare_asid(svm);
	c->exit_code = (u32)SVM_EXIT_ERR;
}

static void svm_from_guest(struct svm_vcpu *svm)
{
	struct vmcb_control_area *c = &svm->vmcb->control;
	const struct vmcb_save_area *v = &svm->vmcb->save;
	struct x86_state *st = &svm->vcpu.st;
	u16 attrib = v->cs.attrib;

	st->gpr[GPR_RAX] = v->rax;
	st->gpr[GPR_RSP] = v->rsp;
	st->rip = v->rip;
	st->rflags = v->rflags;
	st->shadow = c->int_state & SVM_INTERRUPT_SHADOW_MASK ? SHADOW_STI : 0;
	st->cr8 = c->int_ctl & V_TPR_MASK;
	/* Cheap to read, and most exits need them. */
	st->code.base = v->cs.base;
	st->code.l = attrib & SVM_SELECTOR_L_MASK;
	st->code.db = attrib & SVM_SELECTOR_DB_MASK;
	st->code.cpl = v->cpl;
	st->cr2 = v->cr2;
	if (!static_branch_unlikely(&svm_shadow))
		st->cr3 = v->cr3;
	st->valid = ST_CODE | ST_CR;
	if (unlikely(c->tlb_ctl)) {
		svm_asid_accepted(this_cpu_ptr(&svm_cpus.asids), &svm->asid, c->tlb_ctl);
		c->tlb_ctl = TLB_CONTROL_DO_NOTHING;
	}
	c->event_inj = 0;
	c->clean = CLEAN_ALL;
	if (unlikely(svm->nmi_busy))
		svm_nmi_after(svm);
}

/*
 * The save area of a refused VMCB is undefined (15.5.1): keep what shared code
 * knows and write all of it again before another try.
 */
static void svm_refused(struct svm_vcpu *svm)
{
	struct vmcb_control_area *c = &svm->vmcb->control;

	c->event_inj = 0;
	c->clean = 0;
	vcpu_changed(&svm->vcpu, ST_ALL & ~ST_TSC);
}

/* Nothing here may be traced: to RCU and context tracking this CPU is in the guest. */
static noinstr void svm_enter_leave(struct svm_vcpu *svm)
{
	/*
	 * With GIF clear nothing interrupts, so IF can be set: VMRUN takes IF
	 * as the mask of physical interrupts while the guest runs (15.21.1).
	 */
	svm_insn("clgi");
	hostwork_enter_guest();
	asm volatile("sti" ::: "memory");
	/* Overwrite what the CPU's divider kept of the host's last division (DIV0 bug). */
	if (static_cpu_has_bug(X86_BUG_DIV0))
		amd_clear_divider();
	svm_enter(svm->vcpu.st.gpr, svm->vmcb_pa, __this_cpu_read(svm_cpus.host_pa),
		  &svm->vcpu.st.msrs.spec_ctrl,
		  svm_quirk_sti_shadow ? svm->vcpu.st.shadow : 0);
	asm volatile("cli" ::: "memory");
	hostwork_leave_guest();
	/* The STGI lets in the NMI that ended the guest. */
	hostwork_begin_sample(&svm->vcpu);
	svm_insn("stgi");
	hostwork_end_sample();
}

/**
 * svm_run() - backend_ops.run
 * @vcpu: loaded; IRQs off
 * @facts: filled
 */
void svm_run(struct vcpu *vcpu, struct exit_facts *facts)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	struct vmcb_control_area *c = &svm->vmcb->control;

	svm_to_guest(svm);
	svm_enter_leave(svm);
	if (unlikely((u32)c->exit_code == (u32)SVM_EXIT_ERR)) {
		svm_refused(svm);
		facts->vectoring.type = EVENT_NONE;
	} else {
		svm_from_guest(svm);
		if (likely(!(c->exit_int_info & SVM_EXITINTINFO_VALID)))
			facts->vectoring.type = EVENT_NONE;
		else
			svm_vectoring(svm, &facts->vectoring);
	}
	svm->soft_len = 0;
	svm_facts(svm, facts);
}

/**
 * svm_sample() - backend_ops.sample
 * @vcpu: left the guest last
 * @ip: its rip
 * @user: set: it ran at CPL 3
 */
void svm_sample(const struct vcpu *vcpu, u64 *ip, bool *user)
{
	const struct vmcb_save_area *v =
		&container_of(vcpu, const struct svm_vcpu, vcpu)->vmcb->save;

	*ip = v->rip;
	*user = v->cpl == 3;
}
