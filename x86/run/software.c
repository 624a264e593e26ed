// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guests that a CPU refuses to enter which has shadow tables only (backend_caps.restricted): those
 * in real mode, and those in protected mode whose segment registers still hold what real mode has
 * loaded.  They go on in software, an instruction or an event at a time, until the CPU takes them.
 *
 * The hard part is that between two instructions all must be looked at that an entry looks at, and
 * that nothing else is decided here: events.c chooses what is delivered, run.c what comes first.
 */
#include <linux/srcu.h>
#include <asm/processor-flags.h>
#include <asm/traps.h>

#include "x86/machine/vm.h"
#include "x86/run/debug.h"
#include "x86/run/emulate_vcpu.h"
#include "x86/run/events.h"
#include "x86/run/software.h"

#define TYPE_CODE	8	/* of the segment's type */
#define TYPE_CONFORMING	4

static u8 software_rpl(const struct kvm_segment *s)
{
	return s->selector & 3;
}

static bool software_is_usable(const struct kvm_segment *s)
{
	return s->present && !s->unusable;
}

/* Code, where real mode has data. */
static bool software_code_fits(const struct x86_state *st)
{
	const struct kvm_segment *cs = &st->seg[SEG_CS];

	if (!(cs->type & TYPE_CODE))
		return false;
	return cs->type & TYPE_CONFORMING ? cs->dpl <= st->cpl : cs->dpl == st->cpl;
}

/* Conforming code may be read by all. */
static bool software_data_fits(const struct kvm_segment *s)
{
	bool conforming = (s->type & TYPE_CODE) && (s->type & TYPE_CONFORMING);

	return !software_is_usable(s) || conforming || s->dpl >= software_rpl(s);
}

/**
 * software_fits() - does a CPU take this state that runs neither real mode nor its segments?
 * @st: with ST_SEGS
 *
 * What VM entry wants of it but would not of an unrestricted guest (SDM 27.3.1.2).  What it refuses
 * of any guest is not looked at: the entry fails then, as it does elsewhere.
 *
 * Return: whether it does.
 */
bool software_fits(const struct x86_state *st)
{
	static const u8 data[] = { SEG_DS, SEG_ES, SEG_FS, SEG_GS };
	int i;

	if (!(st->cr0 & X86_CR0_PE))
		return false;
	if (st->rflags & X86_EFLAGS_VM)
		return true;
	if (!software_code_fits(st) || software_rpl(&st->seg[SEG_SS]) != st->cpl ||
	    software_rpl(&st->seg[SEG_SS]) != software_rpl(&st->seg[SEG_CS]))
		return false;
	for (i = 0; i < ARRAY_SIZE(data); i++)
		if (!software_data_fits(&st->seg[data[i]]))
			return false;
	return true;
}

/**
 * software_needed() - does a vCPU go on in software?
 * @vcpu: owned and loaded, of a backend with backend_caps.restricted
 *
 * What the CPU itself has come to in protected mode it also takes.
 *
 * Return: whether it does.
 */
bool software_needed(struct vcpu *vcpu)
{
	const struct x86_state *st = &vcpu->st;

	if (!(st->cr0 & X86_CR0_PE))
		return true;
	/* Dirty is valid. Whatever real mode loads makes it so, until the CPU has it. */
	if (!(st->dirty & ST_SEGS))
		return false;
	return !software_fits(st);
}

/* The VMM's breakpoint in the code, which the guest must not see. */
static bool software_at_breakpoint(struct vcpu *vcpu)
{
	struct insn_peek insn;

	return unlikely(vcpu->debug.control & KVM_GUESTDBG_USE_SW_BP) &&
	       emulate_peek_insn(vcpu, &insn) && insn.opcode == 0xcc && !insn.two_byte &&
	       !insn.lock;
}

static enum exit_outcome software_event(struct vcpu *vcpu, const struct x86_event *e)
{
	enum exit_outcome r = emulate_event(vcpu, e);
	const struct vcpu_events *ev = &vcpu->ev;

	if (unlikely(vcpu->debug.control))
		vcpu->debug.delivered = !ev->exc_pending && !ev->exc_injected &&
					!ev->nmi_injected && !ev->irq_injected;
	return r;
}

/* RIP does not tell of a step that has ended where the instruction jumps to itself. */
static enum exit_outcome software_insn(struct vcpu *vcpu)
{
	static const struct exit_facts none = { .kind = EXIT_UNDEFINED,
						.vectoring.type = EVENT_NONE };
	u64 before = vcpu->counts.emulated;
	enum exit_outcome r = emulate_vcpu(vcpu, &none);

	if (unlikely(vcpu->debug.control) && r == OUTCOME_ENTER &&
	    vcpu->counts.emulated != before)
		vcpu->debug.delivered = true;
	return r;
}

/**
 * software_step() - what is next for a vCPU that goes on in software: an event or an instruction
 * @vcpu: owned and loaded, its FPU too, and runnable; the caller is in vm->mmu.srcu
 *
 * Breakpoints in debug registers do not strike here.
 *
 * Return: as exit_handle().
 */
enum exit_outcome software_step(struct vcpu *vcpu)
	__must_hold(&vcpu->vm->mmu.srcu)
{
	struct x86_event e;

	/* Leave the SRCU section for a moment: the next entry may be far off, and writers wait. */
	srcu_read_unlock(&vcpu->vm->mmu.srcu, vcpu->srcu_idx);
	vcpu->srcu_idx = srcu_read_lock(&vcpu->vm->mmu.srcu);
	events_take(vcpu, &e);
	if (e.type != EVENT_NONE)
		return software_event(vcpu, &e);
	if (events_vmm_wants_window(vcpu) && events_open(vcpu)) {
		vcpu->run->exit_reason = KVM_EXIT_IRQ_WINDOW_OPEN;
		return OUTCOME_USER;
	}
	if (software_at_breakpoint(vcpu))
		return debug_soft_int_exit(vcpu);
	return software_insn(vcpu);
}
