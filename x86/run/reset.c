// SPDX-License-Identifier: GPL-2.0-only
/*
 * The state of a CPU after power-on, INIT and SIPI (SDM 10.1.1, table 10-1;
 * APM 14.1.3), and what the last two do to a vCPU.  The local APIC, where they
 * arrive, resets itself (vlapic_reset()).
 */
#include <asm/msr-index.h>
#include <asm/processor-flags.h>

#include "x86/board/lapic.h"
#include "x86/cpu/cpuid.h"
#include "x86/machine/vm.h"
#include "x86/run/cr.h"
#include "x86/run/mce.h"
#include "x86/run/msr.h"
#include "x86/run/pv.h"
#include "x86/run/reset.h"

/* EDX tells the CPU's type: what CPUID would say, or a Pentium Pro. */
#define RESET_SIGNATURE	0x600

static u32 reset_signature(struct vcpu *vcpu)
{
	return cpuid_query(vcpu, 1, 0).eax ?: RESET_SIGNATURE;
}

static void reset_segments(struct x86_state *st)
{
	const struct kvm_segment data = { .limit = 0xffff, .type = 3, .s = 1, .present = 1 };
	int i;

	for (i = SEG_ES; i <= SEG_GS; i++)
		st->seg[i] = data;
	st->seg[SEG_CS].selector = 0xf000;
	st->seg[SEG_CS].base = 0xffff0000;
	st->seg[SEG_CS].type = 0xb;
	st->seg[SEG_LDTR] = (struct kvm_segment) { .limit = 0xffff, .type = 2, .present = 1 };
	st->seg[SEG_TR] = (struct kvm_segment) { .limit = 0xffff, .type = 0xb, .present = 1 };
	st->gdt = (struct kvm_dtable) { .limit = 0xffff };
	st->idt = (struct kvm_dtable) { .limit = 0xffff };
	st->cpl = 0;
}

static void reset_control(struct x86_state *st, bool init)
{
	const u64 kept = X86_CR0_CD | X86_CR0_NW;

	st->cr0 = (init ? st->cr0 & kept : kept) | X86_CR0_ET;
	st->cr2 = 0;
	st->cr3 = 0;
	st->cr4 = 0;
	st->cr8 = 0;
	st->efer = 0;
	memset(st->dr, 0, sizeof(st->dr));
	st->dr6 = cr_fixup_dr6(0);
	st->dr7 = cr_fixup_dr7(0);
}

static void reset_general(struct vcpu *vcpu)
{
	struct x86_state *st = &vcpu->st;

	memset(st->gpr, 0, sizeof(st->gpr));
	st->gpr[GPR_RDX] = reset_signature(vcpu);
	st->rip = 0xfff0;
	st->rflags = X86_EFLAGS_FIXED;
	st->shadow = 0;
}

/*
 * Pending events are lost; but NMIs that other threads are sending at this moment must not
 * be dropped.
 */
static void reset_events(struct vcpu *vcpu)
{
	struct vcpu_events *ev = &vcpu->ev;

	ev->exc_pending = false;
	ev->exc_injected = false;
	ev->exc_has_payload = false;
	ev->irq_injected = false;
	ev->nmi_injected = false;
	ev->nmi_masked = false;
	ev->nmi_pending = 0;
	ev->user_irq = -1;
	vcpu_request(vcpu, REQ_EVENT);
}

/**
 * vcpu_reset() - put a vCPU into its state after power-on or INIT
 * @vcpu: owned; for power-on, being created, after vcpuid_init()
 * @init: INIT, which leaves the FPU, XCR0, TSC and most MSRs alone
 */
void vcpu_reset(struct vcpu *vcpu, bool init)
{
	struct x86_state *st = &vcpu->st;

	if (init)
		vcpu_need(vcpu, ST_ALL & ~ST_TSC);
	reset_control(st, init);
	reset_general(vcpu);
	reset_segments(st);
	reset_events(vcpu);
	pv_reset(vcpu, init);
	st->msrs.debugctl = 0;
	st->msrs.spec_ctrl = 0;
	if (!init) {
		st->xcr0 = XFEATURE_MASK_FP;
		st->xss = 0;
		st->pkru = 0;
		cpuid_xcr0_changed(vcpu);
		msr_reset(vcpu);
		mce_reset(vcpu);
	}
	vcpu_changed(vcpu, ST_ALL & ~ST_TSC);
	vcpu_flush_guest(vcpu);
	vlapic_reset(vcpu, init);
}

/**
 * vcpu_sipi() - start at the address that a startup IPI says
 * @vcpu: owned, in the state after INIT
 * @vector: page number
 */
void vcpu_sipi(struct vcpu *vcpu, u8 vector)
{
	struct x86_state *st = &vcpu->st;

	vcpu_need(vcpu, ST_SEGS);
	st->seg[SEG_CS].selector = vector << 8;
	st->seg[SEG_CS].base = vector << 12;
	st->rip = 0;
	vcpu_changed(vcpu, ST_SEGS);
}

/**
 * vcpu_accept_init_sipi() - act upon INIT and SIPI
 * @vcpu: owned, with a local APIC; process context
 *
 * INIT leaves an application processor waiting for SIPI and starts the
 * bootstrap processor at the reset vector; a SIPI that nobody waits for is
 * dropped (SDM 9.4.3).
 */
void vcpu_accept_init_sipi(struct vcpu *vcpu)
{
	int vector;

	if (vlapic_take_init(vcpu)) {
		vcpu_reset(vcpu, true);
		vcpu->mp_state = vcpu->id == vcpu->vm->bsp_id ?
			KVM_MP_STATE_RUNNABLE : KVM_MP_STATE_INIT_RECEIVED;
	}
	vector = vlapic_take_sipi(vcpu);
	if (vector < 0 || vcpu->mp_state != KVM_MP_STATE_INIT_RECEIVED)
		return;
	vcpu_sipi(vcpu, vector);
	vcpu->mp_state = KVM_MP_STATE_RUNNABLE;
}
