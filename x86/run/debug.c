// SPDX-License-Identifier: GPL-2.0-only
/*
 * A VMM that debugs its guest (KVM_SET_GUEST_DEBUG): single steps, breakpoints in debug
 * registers and in the code, and interrupts that stay out meanwhile.
 *
 * The hard part is that the guest must not see it.  The CPU's TF and debug registers are the
 * VMM's only from an entry to its exit; in vcpu->st stand the guest's at all other times.
 * What would tell the guest of a TF, or lose it, is not left to the CPU during a step:
 * 1. All exceptions exit, and go in again, as interrupts do, by an entry without TF that is
 *    left before the handler's first instruction.  That is a step, too.
 * 2. PUSHF and POPF are emulated; INT n, INT3, INTO and INT1 become what they raise; SYSCALL
 *    and SYSRET are executed here.
 * 3. IRET is the CPU's: the step's trap comes after it, and TF is then what it loaded.
 * Instructions that exit and are executed in software end a step when rip has moved.
 */
#include <linux/sched.h>
#include <asm/debugreg.h>
#include <asm/processor.h>
#include <asm/processor-flags.h>
#include <asm/traps.h>

#include "compat.h"
#include "x86/board/lapic_cpu.h"
#include "x86/machine/vm.h"
#include "x86/run/cr.h"
#include "x86/run/debug.h"
#include "x86/run/emulate_vcpu.h"
#include "x86/run/event_queue.h"
#include "x86/run/events.h"
#include "x86/run/skip.h"

/* Those that last. */
#define DEBUG_CONTROLS	(VCPU_GUESTDBG_ALL & ~(KVM_GUESTDBG_INJECT_DB | KVM_GUESTDBG_INJECT_BP))

/* Of R11, what SYSRET loads. */
#define DEBUG_SYSRET_FLAGS	0x3c7fd7

#define DEBUG_DR6_BD		BIT(13)

/* All that there are, but the NMI's. */
#define DEBUG_ALL_EXCEPTIONS	(~(u32)BIT(X86_TRAP_NMI))

static bool debug_steps(const struct vcpu *vcpu)
{
	return vcpu->debug.control & KVM_GUESTDBG_SINGLESTEP;
}

static u64 debug_pc(struct vcpu *vcpu)
{
	const struct x86_state *st = &vcpu->st;

	vcpu_need(vcpu, ST_CODE);
	if ((st->efer & EFER_LMA) && st->code.l)
		return st->rip;
	return (u32)(st->code.base + st->rip);
}

static u64 debug_dr7(struct vcpu *vcpu)
{
	if (vcpu->debug.control & KVM_GUESTDBG_USE_HW_BP)
		return vcpu->debug.dr7;
	vcpu_need(vcpu, ST_DR);
	return vcpu->st.dr7;
}

/* @dr6_bits are those that an exception sets, whatever their polarity in the register is. */
static enum exit_outcome debug_report(struct vcpu *vcpu, u8 vector, u64 dr6_bits)
{
	struct kvm_run *run = vcpu->run;

	vcpu->debug.stepping = false;
	vcpu->debug.delivered = false;
	run->exit_reason = KVM_EXIT_DEBUG;
	memset(&run->debug, 0, sizeof(run->debug));
	run->debug.arch.exception = vector;
	run->debug.arch.pc = debug_pc(vcpu);
	run->debug.arch.dr6 = DR6_RESERVED ^ dr6_bits;
	run->debug.arch.dr7 = debug_dr7(vcpu);
	return OUTCOME_USER;
}

/* Has the step come to its end without a trap of the CPU? */
static bool debug_step_ended(const struct vcpu *vcpu)
{
	const struct vcpu_debug *d = &vcpu->debug;

	return d->stepping && (d->delivered || vcpu->st.rip != d->step_rip);
}

/* What the CPU would load for SYSCALL and SYSRET: flat, whatever the GDT has. */
static void debug_load_flat(struct vcpu *vcpu, u16 cs, u16 ss, u8 cpl, bool l)
{
	struct kvm_segment flat = { .limit = 0xffffffff, .present = 1, .s = 1, .g = 1,
				    .dpl = cpl };
	struct x86_state *st = &vcpu->st;

	vcpu_need(vcpu, ST_SEGS);
	st->seg[SEG_CS] = flat;
	st->seg[SEG_CS].selector = cs;
	st->seg[SEG_CS].type = 0xb;
	st->seg[SEG_CS].l = l;
	st->seg[SEG_CS].db = !l;
	st->seg[SEG_SS] = flat;
	st->seg[SEG_SS].selector = ss;
	st->seg[SEG_SS].type = 3;
	st->seg[SEG_SS].db = 1;
	st->cpl = cpl;
	vcpu_changed(vcpu, ST_SEGS);
}

/* SYSCALL in long mode; where it has none of its own, it is the CPU's to refuse. */
static void debug_syscall(struct vcpu *vcpu, u8 len)
{
	struct x86_state *st = &vcpu->st;
	u16 cs;

	vcpu_need(vcpu, ST_MSRS | ST_CODE);
	if (!(st->efer & EFER_SCE) || !(st->efer & EFER_LMA) ||
	    (!st->code.l && boot_cpu_data.x86_vendor == X86_VENDOR_INTEL))
		return;
	skip_end_insn(vcpu, len);
	st->gpr[GPR_RCX] = st->rip;
	st->gpr[GPR_R11] = st->rflags;
	st->rip = st->code.l ? st->msrs.lstar : st->msrs.cstar;
	cs = (st->msrs.star >> 32) & 0xfffc;
	debug_load_flat(vcpu, cs, cs + 8, 0, true);
	st->rflags &= ~(st->msrs.sfmask & U32_MAX);
	st->rflags = (st->rflags & ~(u64)X86_EFLAGS_RF) | X86_EFLAGS_FIXED;
}

/* SYSRET, when nothing about it is unusual. */
static void debug_sysret(struct vcpu *vcpu, bool to_64)
{
	struct x86_state *st = &vcpu->st;
	u64 rcx = st->gpr[GPR_RCX];
	u16 sel;

	vcpu_need(vcpu, ST_MSRS | ST_CODE);
	if (!(st->efer & EFER_SCE) || !(st->efer & EFER_LMA) || st->code.cpl || rcx >> 47)
		return;
	sel = st->msrs.star >> 48;
	st->rip = to_64 ? rcx : (u32)rcx;
	st->rflags = (st->gpr[GPR_R11] & DEBUG_SYSRET_FLAGS) | X86_EFLAGS_FIXED;
	st->shadow = 0;
	debug_load_flat(vcpu, (to_64 ? sel + 16 : sel) | 3, (sel + 8) | 3, 3, to_64);
}

static void debug_soft_int(struct vcpu *vcpu, u8 vector, u8 len)
{
	struct vcpu_events *ev = &vcpu->ev;

	ev->irq_injected = true;
	ev->irq_soft = true;
	ev->irq_vector = vector;
	ev->soft_len = len;
}

static enum exit_outcome debug_emulate(struct vcpu *vcpu)
{
	static const struct exit_facts none = { .kind = EXIT_UNDEFINED,
						.vectoring.type = EVENT_NONE };

	return emulate_vcpu(vcpu, &none);
}

/* What the CPU refuses, it shall refuse itself: LOCK, and an INT n that is too long. */
static bool debug_is_refused(const struct insn_peek *insn)
{
	return insn->lock || (insn->opcode == 0xcd && !insn->two_byte && !insn->has_next);
}

static enum exit_outcome debug_one_byte(struct vcpu *vcpu, const struct insn_peek *insn)
{
	switch (insn->opcode) {
	case 0x9c:	/* PUSHF */
	case 0x9d:	/* POPF */
	case 0xfb:	/* STI, whose shadow some CPUs let hold the trap back */
		return debug_emulate(vcpu);
	case 0xcc:	/* INT3 */
		if (vcpu->debug.control & KVM_GUESTDBG_USE_SW_BP)
			return debug_report(vcpu, X86_TRAP_BP, 0);
		event_queue_exception(vcpu, X86_TRAP_BP);
		vcpu->ev.exc_len = insn->len;
		break;
	case 0xcd:	/* INT n */
		debug_soft_int(vcpu, insn->next, insn->len + 1);
		break;
	case 0xce:	/* INTO */
		if (!(vcpu->st.rflags & X86_EFLAGS_OF) || insn->is_64)
			break;
		event_queue_exception(vcpu, X86_TRAP_OF);
		vcpu->ev.exc_len = insn->len;
		break;
	case 0xcf:	/* IRET */
		vcpu->debug.loads_flags = true;
		break;
	case 0xf1:	/* INT1 */
		skip_end_insn(vcpu, insn->len);
		event_queue_debug(vcpu, 0);
		break;
	}
	return OUTCOME_ENTER;
}

/**
 * debug_soft_int_exit() - INT n or INT3 exited instead of the exception that was asked for
 * @vcpu: owned and loaded
 *
 * Return: as exit_handle().
 */
enum exit_outcome debug_soft_int_exit(struct vcpu *vcpu)
{
	struct insn_peek insn;

	/* Gone, or rewritten: the guest executes what is there now. */
	if (!emulate_peek_insn(vcpu, &insn) || insn.two_byte || debug_is_refused(&insn) ||
	    (insn.opcode != 0xcc && insn.opcode != 0xcd))
		return OUTCOME_ENTER;
	vcpu_request(vcpu, REQ_EVENT);
	return debug_one_byte(vcpu, &insn);
}

/*
 * Execute here what must not be executed with a TF that is not the guest's. In virtual-8086
 * mode IOPL decides what becomes of these instructions, and the CPU knows how.
 */
static enum exit_outcome debug_execute(struct vcpu *vcpu)
{
	struct insn_peek insn;

	if (!emulate_peek_insn(vcpu, &insn))
		return OUTCOME_ENTER;
	if (vcpu->st.rflags & X86_EFLAGS_VM) {
		vcpu->debug.loads_flags = insn.opcode == 0xcf || insn.opcode == 0x9d;
		return OUTCOME_ENTER;
	}
	if (debug_is_refused(&insn))
		return OUTCOME_ENTER;
	if (!insn.two_byte)
		return debug_one_byte(vcpu, &insn);
	if (insn.opcode == 0x05)
		debug_syscall(vcpu, insn.len);
	else if (insn.opcode == 0x07)
		debug_sysret(vcpu, insn.rex_w);
	return OUTCOME_ENTER;
}

/**
 * debug_begin() - before the guest of a debugger is entered
 * @vcpu: owned and loaded, and debugged; process context
 *
 * Return: as exit_handle().
 */
enum exit_outcome debug_begin(struct vcpu *vcpu)
{
	struct vcpu_debug *d = &vcpu->debug;
	struct vcpu_events *ev = &vcpu->ev;

	/* The answer of user space may have ended the instruction. */
	if (debug_step_ended(vcpu))
		return debug_report(vcpu, X86_TRAP_DB, DR_STEP);
	d->loads_flags = false;
	if (!debug_steps(vcpu) || vcpu->mp_state != KVM_MP_STATE_RUNNABLE)
		return OUTCOME_ENTER;
	if (!d->stepping) {
		d->stepping = true;
		d->delivered = false;
		d->step_rip = vcpu->st.rip;
	}
	vcpu_request(vcpu, REQ_EVENT);
	if (ev->exc_pending || ev->exc_injected || ev->irq_injected || ev->nmi_injected)
		return OUTCOME_ENTER;
	return debug_end(vcpu, debug_execute(vcpu));
}

/**
 * debug_end() - after an exit of a debugged guest was handled
 * @vcpu: as for debug_begin()
 * @r: what exit_handle() gave
 *
 * Return: likewise.
 */
enum exit_outcome debug_end(struct vcpu *vcpu, enum exit_outcome r)
{
	if (r != OUTCOME_ENTER || !debug_step_ended(vcpu))
		return r;
	return debug_report(vcpu, X86_TRAP_DB, DR_STEP);
}

static void debug_swap_registers(struct vcpu *vcpu)
{
	struct vcpu_debug *d = &vcpu->debug;
	struct x86_state *st = &vcpu->st;

	vcpu_need(vcpu, ST_DR);
	memcpy(d->guest_dr, st->dr, sizeof(st->dr));
	d->guest_dr6 = st->dr6;
	d->guest_dr7 = st->dr7;
	if (d->control & KVM_GUESTDBG_USE_HW_BP) {
		memcpy(st->dr, d->dr, sizeof(st->dr));
		st->dr7 = d->dr7;
	}
	st->dr6 = DR6_RESERVED;
	vcpu_changed(vcpu, ST_DR);
}

/* The CPU takes an interrupt, or its timer, after the event and before an instruction. */
static void debug_leave_at_once(struct vcpu *vcpu)
{
	smp_send_reschedule(smp_processor_id());
	if (backend->caps->timer)
		vcpu->exit_tsc = 1;
}

/**
 * debug_before() - make the CPU's registers the debugger's
 * @vcpu: about to enter, its events are chosen; IRQs off
 */
void debug_before(struct vcpu *vcpu)
{
	struct vcpu_debug *d = &vcpu->debug;
	struct vcpu_events *ev = &vcpu->ev;
	struct x86_state *st = &vcpu->st;

	debug_swap_registers(vcpu);
	vlapic_keep_held(vcpu);
	d->exit_tsc = vcpu->exit_tsc;
	d->delivering = ev->exc_injected || ev->irq_injected || ev->nmi_injected;
	d->guest_tf = st->rflags & X86_EFLAGS_TF;
	d->guest_shadow = st->shadow;
	if (!debug_steps(vcpu))
		return;
	if (d->delivering) {
		debug_leave_at_once(vcpu);
	} else {
		st->rflags |= X86_EFLAGS_TF;
		/* VMX would have the trap come before the instruction. */
		st->shadow = 0;
	}
}

/* The CPU's TF was ours, but where the instruction has loaded one, which is over then. */
static void debug_restore_flags(struct vcpu *vcpu, bool trapped)
{
	struct vcpu_debug *d = &vcpu->debug;
	struct x86_state *st = &vcpu->st;

	if (!trapped || !d->loads_flags)
		st->rflags = (st->rflags & ~(u64)X86_EFLAGS_TF) |
			     (d->guest_tf ? X86_EFLAGS_TF : 0);
	if (!trapped && st->rip == d->step_rip)
		st->shadow = d->guest_shadow;
}

static bool debug_is_trap(const struct exit_facts *f)
{
	return f->kind == EXIT_EXCEPTION && f->exception.vector == X86_TRAP_DB &&
	       (f->exception.payload & DR_STEP);
}

/**
 * debug_after() - make the registers in vcpu->st the guest's
 * @vcpu: has left the guest; IRQs off
 * @f: why
 */
void debug_after(struct vcpu *vcpu, const struct exit_facts *f)
{
	struct vcpu_debug *d = &vcpu->debug;
	struct x86_state *st = &vcpu->st;

	memcpy(st->dr, d->guest_dr, sizeof(st->dr));
	st->dr6 = d->guest_dr6;
	st->dr7 = d->guest_dr7;
	vcpu_changed(vcpu, ST_DR);
	vcpu->exit_tsc = d->exit_tsc;
	if (!debug_steps(vcpu))
		return;
	if (!d->delivering)
		debug_restore_flags(vcpu, debug_is_trap(f));
	else if (f->vectoring.type == EVENT_NONE)
		d->delivered = true;
}

/* Beside the step's end the guest has a trap of its own: it gets it, later. */
static void debug_keep_guests(struct vcpu *vcpu, u64 dr6_bits)
{
	const struct vcpu_debug *d = &vcpu->debug;

	if (d->control & KVM_GUESTDBG_USE_HW_BP)
		dr6_bits &= ~(u64)DR_TRAP_BITS;
	if (!d->guest_tf)
		dr6_bits &= ~(u64)DR_STEP;
	if (dr6_bits & (DR_TRAP_BITS | DR_STEP))
		event_queue_debug(vcpu, dr6_bits);
}

/**
 * debug_exception() - is an exception for the debugger?
 * @vcpu: debugged
 * @f: the exit
 *
 * As stock KVM, all #DB are while it steps or has breakpoints in debug registers: which of
 * them are the guest's it knows from dr6, and injects those.
 *
 * Return: true with vcpu->run filled, when it is.
 */
bool debug_exception(struct vcpu *vcpu, const struct exit_facts *f)
{
	u32 control = vcpu->debug.control;

	if (f->exception.vector == X86_TRAP_BP && (control & KVM_GUESTDBG_USE_SW_BP)) {
		debug_report(vcpu, X86_TRAP_BP, 0);
		return true;
	}
	if (f->exception.vector != X86_TRAP_DB ||
	    !(control & (KVM_GUESTDBG_SINGLESTEP | KVM_GUESTDBG_USE_HW_BP)))
		return false;
	if (debug_steps(vcpu) && debug_is_trap(f))
		debug_keep_guests(vcpu, f->exception.payload);
	debug_report(vcpu, X86_TRAP_DB, f->exception.payload);
	return true;
}

/**
 * debug_dr() - an access to a debug register, which a debugger may be using
 * @vcpu: debugged
 * @f: the exit
 *
 * Return: as exit_handle().
 */
enum exit_outcome debug_dr(struct vcpu *vcpu, const struct exit_facts *f)
{
	vcpu_need(vcpu, ST_CODE);
	if (vcpu->st.code.cpl || !(debug_dr7(vcpu) & DR7_GD))
		return emulate_vcpu(vcpu, f);
	if (vcpu->debug.control & KVM_GUESTDBG_USE_HW_BP)
		return debug_report(vcpu, X86_TRAP_DB, DEBUG_DR6_BD);
	event_queue_debug(vcpu, DEBUG_DR6_BD);
	return OUTCOME_ENTER;
}

/* Exceptions that exit beside those that always do. */
static u32 debug_exceptions(u32 control)
{
	if (control & KVM_GUESTDBG_SINGLESTEP)
		return DEBUG_ALL_EXCEPTIONS;
	return control & KVM_GUESTDBG_USE_SW_BP ? BIT(X86_TRAP_BP) : 0;
}

/* Have the CPU do what vcpu->debug says. */
static void debug_arm(struct vcpu *vcpu)
{
	u32 control = vcpu->debug.control;

	vcpu->guest_dr = false;
	backend->set_dr_exits(vcpu, true);
	backend->set_exception_exits(vcpu, debug_exceptions(control));
	events_hold(vcpu);
}

/**
 * debug_copy() - have a vCPU debugged as another one is
 * @to: nobody sees it yet
 * @from: owned
 */
void debug_copy(struct vcpu *to, const struct vcpu *from)
{
	to->debug = from->debug;
	if (to->debug.control)
		debug_arm(to);
}

/**
 * vcpu_ioctl_set_guest_debug() - KVM_SET_GUEST_DEBUG
 * @vcpu: owned and loaded
 * @dbg: from the VMM; as in stock KVM, what it has beyond what is known means nothing
 *
 * Return: 0; -EBUSY, with nothing changed, when an exception is to be injected and another
 * one is pending.
 */
int vcpu_ioctl_set_guest_debug(struct vcpu *vcpu, struct kvm_guest_debug *dbg)
{
	struct vcpu_debug *d = &vcpu->debug;
	u32 control = dbg->control;

	if (control & (KVM_GUESTDBG_INJECT_DB | KVM_GUESTDBG_INJECT_BP)) {
		if (vcpu->ev.exc_pending || (READ_ONCE(vcpu->requests) & BIT(REQ_SHUTDOWN)))
			return -EBUSY;
		event_queue_exception(vcpu, control & KVM_GUESTDBG_INJECT_DB ? X86_TRAP_DB :
									      X86_TRAP_BP);
	}
	d->control = control & KVM_GUESTDBG_ENABLE ? control & DEBUG_CONTROLS : 0;
	memcpy(d->dr, dbg->arch.debugreg, sizeof(d->dr));
	d->dr7 = cr_fixup_dr7((u32)dbg->arch.debugreg[7]);
	d->stepping = false;
	d->delivered = false;
	debug_arm(vcpu);
	return 0;
}
