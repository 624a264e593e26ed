// SPDX-License-Identifier: GPL-2.0-only
/*
 * NMIs. SVM injects an NMI but does not track when its handler ends (15.20). This file
 * finds out whether the guest is still in the handler, and when it can take the next NMI,
 * and keeps the answer in vcpu->ev.nmi_masked.
 *
 * A handler ends with IRET. IRETs are intercepted while the guest is in a handler, and exit
 * before they execute.
 * 1. It then executes without exit, and the guest has left its handler when the exit
 *    after it finds another rip or rsp.
 * 2. When another NMI waits, the IRET is single-stepped, and its #DB is that exit. Faults
 *    of the IRET are intercepted too: our TF must not be in the frame that the guest's
 *    handler sees.
 * 3. An event that is injected before the IRET executes ends with an IRET of its own: watch
 *    again.
 *
 * An NMI that waits for the end of an interrupt shadow must not be waited for by single
 * steps: any instruction may be in the shadow, also one that shows RFLAGS to the guest.
 * Instead a virtual interrupt is requested, which exits right after the shadow if the guest
 * has interrupts enabled; and in any case a timer makes the guest exit soon.
 */
#include <linux/hrtimer.h>
#include <asm/processor.h>
#include <asm/debugreg.h>
#include <asm/processor-flags.h>
#include <asm/trapnr.h>

#include "svm/svm.h"

/* Longer than any CPU needs to enter the guest and end one instruction. */
#define SHADOW_NS	(20 * NSEC_PER_USEC)

/* The handler does nothing: the interrupt itself makes the guest exit. */
static enum hrtimer_restart svm_shadow_over(struct hrtimer *timer)
{
	return HRTIMER_NORESTART;
}

/**
 * svm_nmi_init() - at the vCPU's making
 * @svm: zeroed
 */
void svm_nmi_init(struct svm_vcpu *svm)
{
	hrtimer_setup(&svm->shadow_timer, svm_shadow_over, CLOCK_MONOTONIC,
		      HRTIMER_MODE_REL_PINNED_HARD);
}

/**
 * svm_nmi_forget() - nothing is armed any more
 * @svm: whose VMCB is about to be made anew
 */
void svm_nmi_forget(struct svm_vcpu *svm)
{
	svm->nmi = SVM_NMI_FREE;
	svm->nmi_busy = svm->stepping = svm->stepped = svm->in_shadow = false;
}

/**
 * svm_nmi_free() - at its end
 * @svm: never runs again
 */
void svm_nmi_free(struct svm_vcpu *svm)
{
	hrtimer_cancel(&svm->shadow_timer);
}

static bool svm_nmi_waits(const struct svm_vcpu *svm)
{
	return svm->windows & WINDOW_NMI;
}

static bool svm_at_iret(const struct svm_vcpu *svm)
{
	const struct x86_state *st = &svm->vcpu.st;

	return st->rip == svm->iret_rip && st->gpr[GPR_RSP] == svm->iret_rsp;
}

static void svm_watch_iret(struct svm_vcpu *svm)
{
	bool injecting = svm->vmcb->control.event_inj & SVM_EVTINJ_VALID;

	if (!svm->vcpu.ev.nmi_masked)
		svm->nmi = SVM_NMI_FREE;
	else if (svm->nmi == SVM_NMI_FREE || injecting || !svm_at_iret(svm))
		svm->nmi = SVM_NMI_WATCH;
	svm_intercept(svm, INTERCEPT_IRET, svm->nmi == SVM_NMI_WATCH);
}

/* A guest that has set TF itself exits with #DB anyway. */
static void svm_step_iret(struct svm_vcpu *svm)
{
	struct vmcb_save_area *v = &svm->vmcb->save;
	bool step = svm->nmi == SVM_NMI_LEAVE && svm_nmi_waits(svm) &&
		    !(v->rflags & X86_EFLAGS_TF);

	if (svm->stepping != step) {
		svm->stepping = step;
		svm_update_exceptions(svm);
	}
	if (step) {
		v->rflags |= X86_EFLAGS_TF;
		svm->step_dr6 = v->dr6;
	}
}

static void svm_await_shadow(struct svm_vcpu *svm)
{
	bool wait = svm_nmi_waits(svm) && !svm->vcpu.ev.nmi_masked && svm->vcpu.st.shadow;

	if (svm->in_shadow != wait) {
		svm->in_shadow = wait;
		svm_update_windows(svm);
	}
	/* Also one that is queued still, perhaps on the CPU where the vCPU was. */
	if (wait)
		hrtimer_start(&svm->shadow_timer, ns_to_ktime(SHADOW_NS),
			      HRTIMER_MODE_REL_PINNED_HARD);
}

/**
 * svm_nmi_before() - arm what tells when the guest can take an NMI
 * @svm: about to enter the guest, with the event to inject and all registers in the
 *	VMCB; IRQs off
 */
void svm_nmi_before(struct svm_vcpu *svm)
{
	svm->stepped = false;
	svm_watch_iret(svm);
	svm_step_iret(svm);
	svm_await_shadow(svm);
	svm->nmi_busy = svm->nmi != SVM_NMI_FREE || svm_nmi_waits(svm);
}

/*
 * Was that the #DB behind the IRET, and no more?  Then DR6 is as if it had not been.
 * Breakpoints that were hit, too, are the guest's.
 */
static bool svm_step_ended(struct svm_vcpu *svm)
{
	struct vmcb_save_area *v = &svm->vmcb->save;
	u64 new = v->dr6 & ~svm->step_dr6;

	/* DR6 may have had BS before; who stands on the IRET has not ended it. */
	if (!svm->stepping || !(v->dr6 & DR_STEP) || svm_at_iret(svm) ||
	    svm->vmcb->control.exit_code != SVM_EXIT_EXCP_BASE + X86_TRAP_DB)
		return false;
	v->dr6 &= ~DR_STEP | svm->step_dr6;
	svm_dirty(svm, CLEAN_DR);
	return !(new & DR_TRAP_BITS);
}

/**
 * svm_nmi_after() - has the guest left its NMI handler, or its interrupt shadow?
 * @svm: was in the guest, and its registers are in vcpu.st; IRQs off
 */
void svm_nmi_after(struct svm_vcpu *svm)
{
	struct vcpu *vcpu = &svm->vcpu;

	if (svm->in_shadow && !vcpu->st.shadow)
		vcpu_request(vcpu, REQ_EVENT);
	svm->stepped = svm_step_ended(svm);
	if (svm->nmi != SVM_NMI_LEAVE)
		return;
	if (!svm->stepped && svm_at_iret(svm)) {
		if (svm->stepping)
			vcpu->st.rflags &= ~X86_EFLAGS_TF;
		return;
	}
	svm->nmi = SVM_NMI_FREE;
	vcpu->ev.nmi_masked = false;
	if (svm_nmi_waits(svm))
		vcpu_request(vcpu, REQ_EVENT);
}

/**
 * svm_nmi_iret() - an IRET exited
 * @svm: was in the guest
 */
void svm_nmi_iret(struct svm_vcpu *svm)
{
	svm->nmi = SVM_NMI_LEAVE;
	svm->iret_rip = svm->vcpu.st.rip;
	svm->iret_rsp = svm->vcpu.st.gpr[GPR_RSP];
}
