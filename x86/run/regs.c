// SPDX-License-Identifier: GPL-2.0-only
/*
 * State ioctls for what is not a system register: general registers, debug
 * registers, events on their way, and whether the vCPU runs.  Each one checks
 * everything before it changes anything.
 */
#include <asm/processor-flags.h>
#include <asm/traps.h>
#include <uapi/asm/debugreg.h>

#include "x86/board/lapic.h"
#include "x86/board/lapic_look.h"
#include "x86/machine/vm.h"
#include "x86/run/cr.h"
#include "x86/run/events.h"
#include "x86/run/regs.h"
#include "x86/run/reset.h"

#define RFLAGS_DEFINED	(X86_EFLAGS_CF | X86_EFLAGS_PF | X86_EFLAGS_AF | X86_EFLAGS_ZF | \
			 X86_EFLAGS_SF | X86_EFLAGS_TF | X86_EFLAGS_IF | X86_EFLAGS_DF | \
			 X86_EFLAGS_OF | X86_EFLAGS_IOPL | X86_EFLAGS_NT | X86_EFLAGS_RF | \
			 X86_EFLAGS_VM | X86_EFLAGS_AC | X86_EFLAGS_VIF | X86_EFLAGS_VIP | \
			 X86_EFLAGS_ID)

/**
 * vcpu_ioctl_get_regs() - KVM_GET_REGS
 * @vcpu: owned
 * @regs: filled
 *
 * Return: 0: it cannot fail.
 */
int vcpu_ioctl_get_regs(struct vcpu *vcpu, struct kvm_regs *regs)
{
	const u64 *g = vcpu->st.gpr;

	*regs = (struct kvm_regs) {
		.rax = g[GPR_RAX], .rbx = g[GPR_RBX], .rcx = g[GPR_RCX], .rdx = g[GPR_RDX],
		.rsi = g[GPR_RSI], .rdi = g[GPR_RDI], .rsp = g[GPR_RSP], .rbp = g[GPR_RBP],
		.r8 = g[GPR_R8], .r9 = g[GPR_R9], .r10 = g[GPR_R10], .r11 = g[GPR_R11],
		.r12 = g[GPR_R12], .r13 = g[GPR_R13], .r14 = g[GPR_R14], .r15 = g[GPR_R15],
		.rip = vcpu->st.rip, .rflags = vcpu->st.rflags,
	};
	return 0;
}

/**
 * vcpu_ioctl_set_regs() - KVM_SET_REGS
 * @vcpu: owned
 * @regs: from the VMM; reserved bits of rflags are ignored
 *
 * An exception that was found but not yet given to the CPU belongs to the old state and is
 * dropped.
 *
 * Return: 0: it cannot fail.
 */
int vcpu_ioctl_set_regs(struct vcpu *vcpu, struct kvm_regs *regs)
{
	u64 *g = vcpu->st.gpr;

	g[GPR_RAX] = regs->rax;
	g[GPR_RBX] = regs->rbx;
	g[GPR_RCX] = regs->rcx;
	g[GPR_RDX] = regs->rdx;
	g[GPR_RSI] = regs->rsi;
	g[GPR_RDI] = regs->rdi;
	g[GPR_RSP] = regs->rsp;
	g[GPR_RBP] = regs->rbp;
	g[GPR_R8] = regs->r8;
	g[GPR_R9] = regs->r9;
	g[GPR_R10] = regs->r10;
	g[GPR_R11] = regs->r11;
	g[GPR_R12] = regs->r12;
	g[GPR_R13] = regs->r13;
	g[GPR_R14] = regs->r14;
	g[GPR_R15] = regs->r15;
	vcpu->st.rip = regs->rip;
	vcpu->st.rflags = (regs->rflags & RFLAGS_DEFINED) | X86_EFLAGS_FIXED;
	vcpu->ev.exc_pending = false;
	vcpu->debug.stepping = false;
	vcpu_request(vcpu, REQ_EVENT);
	return 0;
}

/**
 * vcpu_ioctl_get_debugregs() - KVM_GET_DEBUGREGS
 * @vcpu: owned and loaded
 * @dbg: filled
 *
 * Return: 0: it cannot fail.
 */
int vcpu_ioctl_get_debugregs(struct vcpu *vcpu, struct kvm_debugregs *dbg)
{
	struct x86_state *st = &vcpu->st;

	vcpu_need(vcpu, ST_DR);
	memset(dbg, 0, sizeof(*dbg));
	memcpy(dbg->db, st->dr, sizeof(dbg->db));
	dbg->dr6 = st->dr6;
	dbg->dr7 = st->dr7;
	return 0;
}

/**
 * vcpu_ioctl_set_debugregs() - KVM_SET_DEBUGREGS
 * @vcpu: owned
 * @dbg: from the VMM
 *
 * Return: 0; -EINVAL for flags (none exist) or upper halves of dr6 or dr7.
 */
int vcpu_ioctl_set_debugregs(struct vcpu *vcpu, struct kvm_debugregs *dbg)
{
	struct x86_state *st = &vcpu->st;

	if (dbg->flags || dbg->dr6 >> 32 || dbg->dr7 >> 32)
		return -EINVAL;
	memcpy(st->dr, dbg->db, sizeof(st->dr));
	st->dr6 = cr_fixup_dr6(dbg->dr6);
	st->dr7 = cr_fixup_dr7(dbg->dr7);
	vcpu_changed(vcpu, ST_DR);
	return 0;
}

static u8 shadow_to_kvm(u8 shadow)
{
	return (shadow & SHADOW_STI ? KVM_X86_SHADOW_INT_STI : 0) |
	       (shadow & SHADOW_MOV_SS ? KVM_X86_SHADOW_INT_MOV_SS : 0);
}

static u8 shadow_from_kvm(u8 shadow)
{
	/* A CPU has one of them, and VMX refuses both (27.3.1.5): the one that blocks more. */
	if (shadow & KVM_X86_SHADOW_INT_MOV_SS)
		return SHADOW_MOV_SS;
	return shadow & KVM_X86_SHADOW_INT_STI ? SHADOW_STI : 0;
}

/*
 * Without KVM_CAP_EXCEPTION_PAYLOAD the VMM takes an exception that waits for one that is
 * being delivered, and sees no payload: cr2 or dr6 must hold it.
 */
static void get_exception_event(struct vcpu *vcpu, struct kvm_vcpu_events *events)
{
	struct vcpu_events *ev = &vcpu->ev;
	bool payload = READ_ONCE(vcpu->vm->enabled.exception_payload);

	if (payload)
		events->flags |= KVM_VCPUEVENT_VALID_PAYLOAD;
	else if (ev->exc_pending)
		events_apply_payload(vcpu);
	if (!ev->exc_pending && !ev->exc_injected)
		return;
	/* A software exception is not reported: rip stands on its instruction. */
	if (!exc_is_soft(ev->exc_vector)) {
		events->exception.pending = ev->exc_pending;
		events->exception.injected = ev->exc_injected || !payload;
	}
	events->exception.nr = ev->exc_vector;
	events->exception.has_error_code = ev->exc_has_error;
	events->exception.error_code = ev->exc_has_error ? ev->exc_error : 0;
	events->exception_has_payload = ev->exc_pending && ev->exc_has_payload;
	events->exception_payload = events->exception_has_payload ? ev->exc_payload : 0;
}

static void get_interrupt_event(struct vcpu *vcpu, struct kvm_vcpu_events *events)
{
	const struct vcpu_events *ev = &vcpu->ev;

	if (ev->irq_injected) {
		/* A software interrupt is not reported: the VMM lacks its length. */
		events->interrupt.injected = !ev->irq_soft;
		events->interrupt.nr = ev->irq_vector;
	} else if (!vcpu->apic && ev->user_irq >= 0) {
		/* With a local APIC it is still the PIC's, and waits for that to let it in. */
		events->interrupt.injected = 1;
		events->interrupt.nr = ev->user_irq;
	}
	events->interrupt.shadow = shadow_to_kvm(vcpu->st.shadow);
}

/**
 * vcpu_ioctl_get_vcpu_events() - KVM_GET_VCPU_EVENTS
 * @vcpu: owned and loaded
 * @events: filled
 *
 * Return: 0: it cannot fail.
 */
int vcpu_ioctl_get_vcpu_events(struct vcpu *vcpu, struct kvm_vcpu_events *events)
{
	struct vcpu_events *ev = &vcpu->ev;
	u32 nmis = ev->nmi_pending + atomic_read(&ev->nmi_asked);

	memset(events, 0, sizeof(*events));
	get_exception_event(vcpu, events);
	get_interrupt_event(vcpu, events);
	events->nmi.injected = ev->nmi_injected;
	events->nmi.pending = min_t(u32, nmis, 2);
	events->nmi.masked = ev->nmi_masked;
	events->flags |= KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SHADOW;
	if (READ_ONCE(vcpu->vm->enabled.triple_fault_event)) {
		events->flags |= KVM_VCPUEVENT_VALID_TRIPLE_FAULT;
		events->triple_fault.pending = test_bit(REQ_SHUTDOWN, &vcpu->requests);
	}
	return 0;
}

#define EVENT_FLAGS	(KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SIPI_VECTOR | \
			 KVM_VCPUEVENT_VALID_SHADOW | KVM_VCPUEVENT_VALID_SMM)

static u32 event_flags(const struct vm *vm)
{
	return EVENT_FLAGS |
	       (READ_ONCE(vm->enabled.exception_payload) ? KVM_VCPUEVENT_VALID_PAYLOAD : 0) |
	       (READ_ONCE(vm->enabled.triple_fault_event) ? KVM_VCPUEVENT_VALID_TRIPLE_FAULT : 0);
}

/* An exception waits, if the VMM can say so, or else is being delivered. */
static bool exception_waits(const struct kvm_vcpu_events *events)
{
	return (events->flags & KVM_VCPUEVENT_VALID_PAYLOAD) && events->exception.pending;
}

/*
 * Without system management mode there is one state of it, which is what every state has that
 * a VMM saved on stock KVM.
 */
static bool events_in_smm(const struct kvm_vcpu_events *events)
{
	return (events->flags & KVM_VCPUEVENT_VALID_SMM) &&
	       (events->smi.smm || events->smi.pending || events->smi.smm_inside_nmi ||
		events->smi.latched_init);
}

/**
 * regs_events_usable() - will KVM_SET_VCPU_EVENTS take these?
 * @vcpu: owned
 * @events: from the VMM
 *
 * Return: whether it will.
 */
bool regs_events_usable(const struct vcpu *vcpu, const struct kvm_vcpu_events *events)
{
	if ((events->flags & ~event_flags(vcpu->vm)) || events_in_smm(events))
		return false;
	if (!events->exception.injected && !exception_waits(events))
		return true;
	return events->exception.nr < 32 && events->exception.nr != X86_TRAP_NMI;
}

static void set_exception_event(struct vcpu_events *ev, const struct kvm_vcpu_events *events)
{
	ev->exc_pending = exception_waits(events);
	ev->exc_has_payload = ev->exc_pending && events->exception_has_payload;
	ev->exc_payload = events->exception_payload;
	ev->exc_injected = !ev->exc_pending && events->exception.injected;
	ev->exc_vector = events->exception.nr;
	ev->exc_len = 0;
	ev->exc_has_error = events->exception.has_error_code;
	ev->exc_error = events->exception.error_code;
}

static void set_triple_fault_event(struct vcpu *vcpu, bool pending)
{
	if (pending)
		vcpu_request(vcpu, REQ_SHUTDOWN);
	else
		clear_bit(REQ_SHUTDOWN, &vcpu->requests);
}

/**
 * vcpu_ioctl_set_vcpu_events() - KVM_SET_VCPU_EVENTS
 * @vcpu: owned
 * @events: from the VMM
 *
 * Return: 0; -EINVAL for flags of capabilities that are not enabled (exception payloads,
 * triple faults), a vCPU in system management mode, or an exception that does not exist.
 * A SIPI's vector is that of KVM_MP_STATE_SIPI_RECEIVED, set before or after; without an APIC
 * in the kernel it is accepted and means nothing.
 */
int vcpu_ioctl_set_vcpu_events(struct vcpu *vcpu, struct kvm_vcpu_events *events)
{
	struct vcpu_events *ev = &vcpu->ev;

	if (!regs_events_usable(vcpu, events))
		return -EINVAL;
	set_exception_event(ev, events);
	ev->irq_injected = events->interrupt.injected;
	ev->irq_vector = events->interrupt.nr;
	ev->irq_soft = events->interrupt.soft;
	ev->soft_len = 0;
	if (!vcpu->apic)
		ev->user_irq = -1;
	ev->nmi_injected = events->nmi.injected;
	ev->nmi_masked = events->nmi.masked;
	if (events->flags & KVM_VCPUEVENT_VALID_NMI_PENDING) {
		atomic_set(&ev->nmi_asked, 0);
		ev->nmi_pending = min_t(u8, events->nmi.pending, 2);
	}
	if (events->flags & KVM_VCPUEVENT_VALID_SIPI_VECTOR)
		vlapic_set_sipi_vector(vcpu, events->sipi_vector);
	if (events->flags & KVM_VCPUEVENT_VALID_SHADOW)
		vcpu->st.shadow = shadow_from_kvm(events->interrupt.shadow);
	if (events->flags & KVM_VCPUEVENT_VALID_TRIPLE_FAULT)
		set_triple_fault_event(vcpu, events->triple_fault.pending);
	vcpu_request(vcpu, REQ_EVENT);
	return 0;
}

/**
 * vcpu_ioctl_get_mp_state() - KVM_GET_MP_STATE
 * @vcpu: owned and loaded
 * @state: filled, after INIT and SIPI that have arrived
 *
 * Return: 0: it cannot fail.
 */
int vcpu_ioctl_get_mp_state(struct vcpu *vcpu, struct kvm_mp_state *state)
{
	if (vlapic_has_init_sipi(vcpu))
		vcpu_accept_init_sipi(vcpu);
	state->mp_state = vcpu->mp_state;
	/* One that another vCPU has woken only has to find out. */
	if (READ_ONCE(vcpu->pv.unhalted) && (vcpu->mp_state == KVM_MP_STATE_HALTED ||
					     vcpu->mp_state == KVM_MP_STATE_AP_RESET_HOLD))
		state->mp_state = KVM_MP_STATE_RUNNABLE;
	return 0;
}

/**
 * vcpu_ioctl_set_mp_state() - KVM_SET_MP_STATE
 * @vcpu: owned
 * @state: from the VMM
 *
 * KVM_MP_STATE_SIPI_RECEIVED is a vCPU that waited for a SIPI, which has come: the next
 * KVM_RUN or KVM_GET_MP_STATE starts it.  KVM_MP_STATE_AP_RESET_HOLD, which only guests
 * with encrypted registers ask for, is another halt.
 *
 * Return: 0; -EINVAL for a state that does not exist, or that needs the in-kernel APIC.
 */
int vcpu_ioctl_set_mp_state(struct vcpu *vcpu, struct kvm_mp_state *state)
{
	switch (state->mp_state) {
	case KVM_MP_STATE_RUNNABLE:
		break;
	case KVM_MP_STATE_UNINITIALIZED:
	case KVM_MP_STATE_INIT_RECEIVED:
	case KVM_MP_STATE_SIPI_RECEIVED:
	case KVM_MP_STATE_HALTED:
	case KVM_MP_STATE_AP_RESET_HOLD:
		if (!vcpu->apic)
			return -EINVAL;
		break;
	default:
		return -EINVAL;
	}
	vcpu->mp_state = state->mp_state;
	if (state->mp_state == KVM_MP_STATE_SIPI_RECEIVED) {
		vcpu->mp_state = KVM_MP_STATE_INIT_RECEIVED;
		vlapic_post_sipi(vcpu);
	}
	vcpu_request(vcpu, REQ_EVENT);
	return 0;
}
