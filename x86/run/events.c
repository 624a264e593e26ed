// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the guest gets delivered, and in which order: events whose delivery an
 * exit cut come first, then an exception, an NMI, an interrupt.  One event goes
 * in with each entry; what remains arms a window.  It owns struct vcpu_events;
 * where interrupts come from is the interrupt controllers' (x86/board/lapic.h).
 *
 * The hard part is exceptions met while delivering another one: they combine
 * into a double fault and at last a triple fault (SDM 6.15, table 6-5).
 */
#include <linux/kvm_para.h>
#include <linux/sched.h>
#include <asm/processor.h>
#include <asm/debugreg.h>
#include <asm/traps.h>

#include "compat.h"
#include "x86/board/lapic.h"
#include "x86/board/lapic_cpu.h"
#include "x86/board/lapic_look.h"
#include "x86/board/pv_eoi.h"
#include "x86/emulate/emulate.h"
#include "x86/machine/vm.h"
#include "x86/run/cr.h"
#include "x86/run/event_queue.h"
#include "x86/run/events.h"
#include "x86/run/trace.h"

enum exc_class { EXC_BENIGN, EXC_CONTRIBUTORY, EXC_PAGE_FAULT };

static enum exc_class exc_class(u8 vector)
{
	switch (vector) {
	case X86_TRAP_PF:
		return EXC_PAGE_FAULT;
	case X86_TRAP_DE:
	case X86_TRAP_TS:
	case X86_TRAP_NP:
	case X86_TRAP_SS:
	case X86_TRAP_GP:
		return EXC_CONTRIBUTORY;
	default:
		return EXC_BENIGN;
	}
}

static bool exc_makes_double_fault(u8 first, u8 second)
{
	if (exc_class(first) == EXC_CONTRIBUTORY)
		return exc_class(second) == EXC_CONTRIBUTORY;
	if (exc_class(first) == EXC_PAGE_FAULT)
		return exc_class(second) != EXC_BENIGN;
	return false;
}

/* A fault pushes RF set, so that an instruction breakpoint does not hit twice. */
static bool exc_is_fault(u8 vector)
{
	return vector != X86_TRAP_DB && vector != X86_TRAP_BP && vector != X86_TRAP_OF &&
	       vector != X86_TRAP_DF && vector != X86_TRAP_MC;
}

/* CPUs push an error code with these, and refuse to with others. No guest has #CP. */
static bool exc_has_error_code(u8 vector)
{
	return vector == X86_TRAP_DF || vector == X86_TRAP_AC ||
	       (vector >= X86_TRAP_TS && vector <= X86_TRAP_PF);
}

static void events_queue(struct vcpu *vcpu, u8 vector, bool has_error, u32 error,
			 bool has_payload, u64 payload)
{
	struct vcpu_events *ev = &vcpu->ev;

	vcpu_request(vcpu, REQ_EVENT);
	if (ev->exc_pending || ev->exc_injected) {
		u8 first = ev->exc_vector;

		if (first == X86_TRAP_DF && exc_class(vector) != EXC_BENIGN) {
			vcpu_request(vcpu, REQ_SHUTDOWN);
			return;
		}
		if (exc_makes_double_fault(first, vector)) {
			vector = X86_TRAP_DF;
			has_error = true;
			error = 0;
			has_payload = false;
		}
	}
	ev->exc_injected = false;
	ev->exc_pending = true;
	ev->exc_vector = vector;
	ev->exc_len = 0;
	ev->exc_has_error = has_error;
	ev->exc_error = error;
	ev->exc_has_payload = has_payload;
	ev->exc_payload = payload;
}

/**
 * event_queue_exception() - raise an exception without error code in the guest
 * @vcpu: owned
 * @vector: X86_TRAP_*
 */
void event_queue_exception(struct vcpu *vcpu, u8 vector)
{
	events_queue(vcpu, vector, false, 0, false, 0);
}

/**
 * event_queue_exception_error() - raise an exception with an error code
 * @vcpu: owned
 * @vector: X86_TRAP_*
 * @error: its code; dropped in real mode, as the CPU does
 */
void event_queue_exception_error(struct vcpu *vcpu, u8 vector, u32 error)
{
	events_queue(vcpu, vector, true, error, false, 0);
}

/**
 * event_queue_page_fault() - raise #PF
 * @vcpu: owned
 * @cr2: the address, in cr2 when the guest's handler runs and not before
 * @error: its code
 */
void event_queue_page_fault(struct vcpu *vcpu, u64 cr2, u32 error)
{
	events_queue(vcpu, X86_TRAP_PF, true, error, true, cr2);
}

/**
 * event_queue_debug() - raise #DB
 * @vcpu: owned
 * @dr6_bits: what becomes set in dr6
 */
void event_queue_debug(struct vcpu *vcpu, u64 dr6_bits)
{
	events_queue(vcpu, X86_TRAP_DB, false, 0, true, dr6_bits);
}

/**
 * event_queue_fault() - raise what the emulator or a walk found
 * @vcpu: owned
 * @fault: valid
 */
void event_queue_fault(struct vcpu *vcpu, const struct emu_fault *fault)
{
	events_queue(vcpu, fault->vector, fault->has_error, fault->error,
		     fault->vector == X86_TRAP_PF, fault->cr2);
}

/**
 * events_cut() - learn from an exit that it cut a delivery
 * @vcpu: owned
 * @e: from the backend; not EVENT_NONE
 *
 * An event whose instruction rip still points at is dropped: executing it again raises it
 * again.
 */
void events_cut(struct vcpu *vcpu, const struct x86_event *e)
{
	struct vcpu_events *ev = &vcpu->ev;

	ev->exc_injected = false;
	ev->nmi_injected = false;
	ev->irq_injected = false;
	vcpu_request(vcpu, REQ_EVENT);
	if ((e->type == EVENT_SOFT_INT || e->type == EVENT_SOFT_EXC) && !e->insn_len)
		return;
	switch (e->type) {
	case EVENT_NMI:
		ev->nmi_injected = true;
		break;
	case EVENT_EXCEPTION:
	case EVENT_SOFT_EXC:
		ev->exc_injected = true;
		ev->exc_vector = e->vector;
		ev->exc_len = e->insn_len;
		ev->exc_has_error = e->has_error;
		ev->exc_error = e->error;
		ev->exc_has_payload = false;
		break;
	default:
		ev->irq_injected = true;
		ev->irq_soft = e->type == EVENT_SOFT_INT;
		ev->irq_vector = e->vector;
		ev->soft_len = e->insn_len;
	}
}

/**
 * events_taken() - an event that an exit cut was delivered in software
 * @vcpu: owned
 * @e: that event, or EVENT_NONE
 * @faulted: a fault of the delivery is about to be queued.  An exception waits for it then,
 *	as the two may make a double fault; anything else is lost, as in a CPU
 */
void events_taken(struct vcpu *vcpu, const struct x86_event *e, bool faulted)
{
	struct vcpu_events *ev = &vcpu->ev;

	if (!faulted)
		ev->exc_injected = false;
	ev->nmi_injected = false;
	ev->irq_injected = false;
	if (e->type == EVENT_NMI)
		ev->nmi_masked = true;
}

static void events_deliver(struct vcpu *vcpu, const struct x86_event *e)
{
	trace_ditto_inject(vcpu, e);
	if (unlikely(vcpu->ev.taken))
		*vcpu->ev.taken = *e;
	else
		backend->inject(vcpu, e);
}

/*
 * The VMM may say of an exception what no CPU would: an error code where there is none,
 * or none where there is one, or INT3 without the length of the instruction.  CPUs refuse
 * to enter with such an event, or push a frame of another size than the guest expects.
 */
static void events_inject_exception(struct vcpu *vcpu)
{
	struct vcpu_events *ev = &vcpu->ev;
	struct x86_event e = {
		.type = EVENT_EXCEPTION,
		.vector = ev->exc_vector,
		.has_error = exc_has_error_code(ev->exc_vector) && (vcpu->st.cr0 & X86_CR0_PE),
		.error = ev->exc_has_error ? ev->exc_error : 0,
	};

	if (exc_is_soft(ev->exc_vector)) {
		e.type = EVENT_SOFT_EXC;
		e.insn_len = ev->exc_len ?: 1;
	}
	events_deliver(vcpu, &e);
}

/**
 * events_apply_payload() - put what came with an exception into the register it belongs to
 * @vcpu: by its owner; an exception is pending
 */
void events_apply_payload(struct vcpu *vcpu)
{
	struct vcpu_events *ev = &vcpu->ev;
	struct x86_state *st = &vcpu->st;

	if (!ev->exc_has_payload)
		return;
	ev->exc_has_payload = false;
	if (ev->exc_vector == X86_TRAP_PF) {
		vcpu_need(vcpu, ST_CR);
		st->cr2 = ev->exc_payload;
		vcpu_changed(vcpu, ST_CR);
	} else if (ev->exc_vector == X86_TRAP_DB) {
		vcpu_need(vcpu, ST_DR);
		/* The VMM may have set it (KVM_CAP_EXCEPTION_PAYLOAD) to anything. */
		st->dr6 = cr_fixup_dr6((st->dr6 & ~(u64)DR_TRAP_BITS) | ev->exc_payload);
		st->dr7 &= ~(u64)DR7_GD;	/* lets the handler use the registers */
		vcpu_changed(vcpu, ST_DR);
	}
}

static void events_inject_new_exception(struct vcpu *vcpu)
{
	struct vcpu_events *ev = &vcpu->ev;

	events_apply_payload(vcpu);
	if (exc_is_fault(ev->exc_vector))
		vcpu->st.rflags |= X86_EFLAGS_RF;
	ev->exc_pending = false;
	ev->exc_injected = true;
	events_inject_exception(vcpu);
}

static void events_inject_nmi(struct vcpu *vcpu)
{
	static const struct x86_event nmi = { .type = EVENT_NMI, .vector = X86_TRAP_NMI };

	vcpu->ev.nmi_injected = true;
	vcpu->ev.nmi_masked = true;
	events_deliver(vcpu, &nmi);
}

static void events_inject_irq(struct vcpu *vcpu)
{
	struct vcpu_events *ev = &vcpu->ev;
	struct x86_event e = {
		.type = ev->irq_soft ? EVENT_SOFT_INT : EVENT_IRQ,
		.vector = ev->irq_vector,
	};

	/* The VMM cannot say how long the INT n was: without prefixes. */
	if (ev->irq_soft)
		e.insn_len = ev->soft_len ?: 2;
	events_deliver(vcpu, &e);
}

/* Those that an exit cut; true when there was one. */
static bool events_reinject(struct vcpu *vcpu)
{
	struct vcpu_events *ev = &vcpu->ev;

	if (ev->exc_injected)
		events_inject_exception(vcpu);
	else if (ev->nmi_injected)
		events_inject_nmi(vcpu);
	else if (ev->irq_injected)
		events_inject_irq(vcpu);
	else
		return false;
	return true;
}

static bool events_irq_open(const struct vcpu *vcpu)
{
	return (vcpu->st.rflags & X86_EFLAGS_IF) && !vcpu->st.shadow;
}

static bool events_nmi_open(struct vcpu *vcpu)
{
	return !vcpu->ev.nmi_masked && !vcpu->st.shadow;
}

static bool events_irq_waits(struct vcpu *vcpu)
{
	return vcpu->apic || vcpu->vm->irqchip ? board_has_irq(vcpu) : vcpu->ev.user_irq >= 0;
}

/* One that we have to inject. */
static bool events_irq_queued(struct vcpu *vcpu)
{
	return vcpu->apic || vcpu->vm->irqchip ? board_injects_irq(vcpu) : vcpu->ev.user_irq >= 0;
}

static int events_take_irq(struct vcpu *vcpu)
{
	int vector = vcpu->ev.user_irq;

	if (vcpu->apic || vcpu->vm->irqchip)
		return board_take_irq(vcpu);
	vcpu->ev.user_irq = -1;
	return vector;
}

/*
 * A debugger, or who forked the machine, keeps interrupts and NMIs out; their windows would only
 * make it exit in vain.
 */
static bool events_blocked(const struct vcpu *vcpu)
{
	return vcpu->vm->blocked || (vcpu->debug.control & KVM_GUESTDBG_BLOCKIRQ);
}

/**
 * events_hold() - let the CPU deliver interrupts by itself, or not, as things are now
 * @vcpu: owned; what blocks interrupts has changed
 */
void events_hold(struct vcpu *vcpu)
{
	vlapic_hold(vcpu, vcpu->vm->blocked ||
		    (vcpu->debug.control & (KVM_GUESTDBG_SINGLESTEP | KVM_GUESTDBG_BLOCKIRQ)));
	vcpu_request(vcpu, REQ_EVENT);
}

/* The most important new event that the guest can take now; false when none. */
static bool events_inject_new(struct vcpu *vcpu)
{
	struct vcpu_events *ev = &vcpu->ev;
	int vector;

	if (ev->exc_pending) {
		events_inject_new_exception(vcpu);
		return true;
	}
	if (unlikely(events_blocked(vcpu)))
		return false;
	if (ev->nmi_pending && events_nmi_open(vcpu)) {
		ev->nmi_pending--;
		vcpu->counts.nmis++;
		events_inject_nmi(vcpu);
		return true;
	}
	if (!events_irq_open(vcpu) || !events_irq_queued(vcpu))
		return false;
	vector = events_take_irq(vcpu);
	if (vector < 0)
		return false;
	ev->irq_injected = true;
	ev->irq_soft = false;
	ev->irq_vector = vector;
	ev->soft_len = 0;
	vcpu->counts.irqs++;
	events_inject_irq(vcpu);
	return true;
}

/* NMIs that others sent. One can wait behind the one in service, one behind that. */
static void events_collect_nmis(struct vcpu *vcpu)
{
	struct vcpu_events *ev = &vcpu->ev;
	unsigned int limit = ev->nmi_masked || ev->nmi_injected ? 1 : 2;

	if (likely(!atomic_read(&ev->nmi_asked)))
		return;
	ev->nmi_pending = min_t(unsigned int, limit,
				ev->nmi_pending + atomic_xchg(&ev->nmi_asked, 0));
}

/**
 * events_vmm_wants_window() - shall KVM_RUN return as soon as the guest takes an interrupt?
 * @vcpu: owned
 *
 * Only a VMM that injects interrupts itself can use the window. With all controllers in the
 * kernel the VMM would not know why KVM_RUN returned, and the guest would exit for it
 * without end; likewise while an interrupt waits already, or the local APIC keeps the PIC's
 * out.
 *
 * Return: whether it shall.
 */
bool events_vmm_wants_window(struct vcpu *vcpu)
{
	return vcpu->user_pic && READ_ONCE(vcpu->run->request_interrupt_window) &&
	       vcpu->ev.user_irq < 0 && vlapic_accepts_pic(vcpu);
}

static void events_arm_windows(struct vcpu *vcpu, bool injected)
{
	struct vcpu_events *ev = &vcpu->ev;
	u32 windows = 0;

	if (ev->exc_pending) {
		/* It must wait for the event that is injected now: exit again right after that. */
		vcpu_request(vcpu, REQ_EVENT);
		smp_send_reschedule(smp_processor_id());
	}
	if (unlikely(events_blocked(vcpu))) {
		backend->set_window(vcpu, 0);
		return;
	}
	if (ev->nmi_pending) {
		if (events_nmi_open(vcpu) && injected) {
			vcpu_request(vcpu, REQ_EVENT);
			smp_send_reschedule(smp_processor_id());
		} else {
			windows |= WINDOW_NMI;
		}
	}
	/*
	 * While the interrupt waits for its window, the guest may raise its TPR
	 * above it: look again then, too.
	 */
	if (events_irq_queued(vcpu) || events_vmm_wants_window(vcpu))
		windows |= WINDOW_IRQ | WINDOW_CR8;
	else if (vcpu->apic && vlapic_tpr_blocks(vcpu))
		windows |= WINDOW_CR8;
	backend->set_window(vcpu, windows);
}

/**
 * events_inject() - choose what the coming entry delivers, and arm for the rest
 * @vcpu: loaded; IRQs off
 */
void events_inject(struct vcpu *vcpu)
{
	bool injected;

	events_collect_nmis(vcpu);
	injected = events_reinject(vcpu) || events_inject_new(vcpu);
	events_arm_windows(vcpu, injected);
	if (vcpu->apic && vcpu->apic->cpu_helps)
		vlapic_show(vcpu);
	if (unlikely(vcpu->pv.eoi_msr & KVM_MSR_ENABLED))
		vlapic_arm_pv_eoi(vcpu);
}

/**
 * events_take() - choose what a guest that goes on in software gets next
 * @vcpu: owned and loaded; process context
 * @e: set; EVENT_NONE: nothing
 *
 * As events_inject() otherwise. Any instruction may let in what waits, so it is asked before each.
 */
void events_take(struct vcpu *vcpu, struct x86_event *e)
{
	e->type = EVENT_NONE;
	local_irq_disable();
	vcpu_take_request(vcpu, REQ_EVENT);
	vcpu->ev.taken = e;
	events_inject(vcpu);
	vcpu->ev.taken = NULL;
	local_irq_enable();
	/* The CPU, when it has the guest again, has its windows to be armed for. */
	vcpu_request(vcpu, REQ_EVENT);
}

/**
 * events_open() - does the guest take interrupts just now?
 * @vcpu: owned
 *
 * Return: whether it does.
 */
bool events_open(const struct vcpu *vcpu)
{
	return !events_blocked(vcpu) && events_irq_open(vcpu);
}

/**
 * events_wake() - would something wake this vCPU from HLT?
 * @vcpu: owned
 *
 * Return: whether something would.
 */
bool events_wake(struct vcpu *vcpu)
{
	const struct vcpu_events *ev = &vcpu->ev;

	if (ev->exc_pending)
		return true;
	if (unlikely(vcpu->vm->blocked))
		return false;
	if ((ev->nmi_pending || atomic_read(&ev->nmi_asked)) && events_nmi_open(vcpu))
		return true;
	if (!(vcpu->st.rflags & X86_EFLAGS_IF))
		return false;
	return events_irq_waits(vcpu);
}
