// SPDX-License-Identifier: GPL-2.0-only
/*
 * The emulator's view of a vCPU, second part: what the virtual CPU itself answers, as it does
 * when an instruction exits for it. MSRs go the VMM's way, too, where it filters them.
 */
#include <linux/sched/signal.h>
#include <asm/traps.h>

#include "x86/cpu/cpuid.h"
#include "x86/cpu/fpu.h"
#include "x86/machine/vm.h"
#include "x86/run/emulate_glue.h"
#include "x86/run/exits.h"
#include "x86/run/msr.h"
#include "x86/run/msr_filter.h"
#include "x86/run/taskswitch.h"
#include "x86/run/taskswitch_vcpu.h"

/* The emulator knows none of our types, and has the same numbers. */
static_assert((int)EMU_TASK_CALL == (int)TASK_CALL && (int)EMU_TASK_IRET == (int)TASK_IRET &&
	      (int)EMU_TASK_JMP == (int)TASK_JMP && (int)EMU_TASK_GATE == (int)TASK_GATE);
static_assert(EMU_EFER_SCE == EFER_SCE && EMU_EFER_FFXSR == EFER_FFXSR);

/**
 * glue_set_xcr0() - struct emu_ops
 * @c: context
 * @val: as written
 *
 * Return: see there.
 */
enum emu_result glue_set_xcr0(struct emu_ctxt *c, u64 val)
{
	return vfpu_set_xcr0(glue_of(c)->vcpu, val) ? glue_fault(c, X86_TRAP_GP, true) : EMU_OK;
}

/**
 * glue_is_intel() - struct emu_ops
 * @c: context
 *
 * Return: see there.
 */
bool glue_is_intel(struct emu_ctxt *c)
{
	return !glue_of(c)->vcpu->cpuid.zero_out_of_range;
}

/**
 * glue_get_sysreg() - struct emu_ops
 * @c: context
 * @nr: which
 *
 * Return: see there.
 */
u64 glue_get_sysreg(struct emu_ctxt *c, enum emu_sysreg nr)
{
	struct vcpu *vcpu = glue_of(c)->vcpu;
	const struct x86_switched_msrs *msrs = &vcpu->st.msrs;

	vcpu_need(vcpu, ST_MSRS);
	switch (nr) {
	case EMU_EFER:
		return vcpu->st.efer;
	case EMU_STAR:
		return msrs->star;
	case EMU_LSTAR:
		return msrs->lstar;
	case EMU_CSTAR:
		return msrs->cstar;
	case EMU_SFMASK:
		return msrs->sfmask;
	case EMU_KERNEL_GS_BASE:
		return msrs->kernel_gs_base;
	case EMU_SYSENTER_CS:
		return msrs->sysenter_cs;
	case EMU_SYSENTER_ESP:
		return msrs->sysenter_esp;
	case EMU_SYSENTER_EIP:
		return msrs->sysenter_eip;
	default:
		return msrs->tsc_aux;
	}
}

/**
 * glue_set_kernel_gs_base() - struct emu_ops
 * @c: context
 * @val: new value
 */
void glue_set_kernel_gs_base(struct emu_ctxt *c, u64 val)
{
	struct vcpu *vcpu = glue_of(c)->vcpu;

	vcpu_need(vcpu, ST_MSRS);
	vcpu->st.msrs.kernel_gs_base = val;
	vcpu_changed(vcpu, ST_MSRS);
}

/**
 * glue_cpuid() - struct emu_ops
 * @c: context
 * @regs: see there
 *
 * Return: see there.
 */
enum emu_result glue_cpuid(struct emu_ctxt *c, u32 regs[4])
{
	struct vcpu *vcpu = glue_of(c)->vcpu;
	struct cpuid_regs r;

	if (unlikely(vcpu->msr.misc_features) && c->cpl)
		return glue_fault(c, X86_TRAP_GP, true);
	r = cpuid_query(vcpu, regs[0], regs[2]);
	regs[0] = r.eax;
	regs[1] = r.ebx;
	regs[2] = r.ecx;
	regs[3] = r.edx;
	return EMU_OK;
}

/**
 * glue_get_tsc() - struct emu_ops
 * @c: context
 *
 * Return: see there.
 */
u64 glue_get_tsc(struct emu_ctxt *c)
{
	return vcpu_tsc(glue_of(c)->vcpu);
}

/**
 * glue_get_pmc() - struct emu_ops: there is no performance monitoring unit
 * @c: context
 * @index: of a counter
 * @val: left alone
 *
 * Return: see there.
 */
enum emu_result glue_get_pmc(struct emu_ctxt *c, u32 index, u64 *val)
{
	return glue_fault(c, X86_TRAP_GP, true);
}

/* It is #GP, unless the VMM wants to decide, and then to complete the instruction. */
static enum emu_result glue_msr_refused(struct emu_ctxt *c, struct msr_refused *why)
{
	if (!why->reason)
		why->reason = msr_is_known(why->index) ? KVM_MSR_EXIT_REASON_INVAL :
							 KVM_MSR_EXIT_REASON_UNKNOWN;
	return msr_filter_ask(glue_of(c)->vcpu, why) ? EMU_IO : glue_fault(c, X86_TRAP_GP, true);
}

static enum emu_result glue_msr(struct emu_ctxt *c, struct msr_refused *msr)
{
	struct vcpu *vcpu = glue_of(c)->vcpu;
	enum guest_fault fault;

	msr->insn_len = c->insn_len;
	if (!msr_filter_allows(vcpu->vm, msr->index, msr->write)) {
		msr->reason = KVM_MSR_EXIT_REASON_FILTER;
		return glue_msr_refused(c, msr);
	}
	fault = msr->write ? msr_write(vcpu, msr->index, msr->val, false) :
			     msr_read(vcpu, msr->index, &msr->val, false);
	if (fault == X86_INTERRUPTED)
		return glue_error(glue_of(c), -EINTR);
	return fault ? glue_msr_refused(c, msr) : EMU_OK;
}

/**
 * glue_get_msr() - struct emu_ops
 * @c: context
 * @index: of the MSR
 * @val: filled
 *
 * Return: see there.
 */
enum emu_result glue_get_msr(struct emu_ctxt *c, u32 index, u64 *val)
{
	struct msr_refused msr = { .index = index };
	enum emu_result r = glue_msr(c, &msr);

	*val = msr.val;
	return r;
}

/**
 * glue_set_msr() - struct emu_ops
 * @c: context
 * @index: of the MSR
 * @val: new value
 *
 * Return: see there.
 */
enum emu_result glue_set_msr(struct emu_ctxt *c, u32 index, u64 val)
{
	struct msr_refused msr = { .index = index, .write = true, .val = val };

	return glue_msr(c, &msr);
}

/**
 * glue_monitor() - struct emu_ops
 * @c: context
 *
 * Return: see there.
 */
enum emu_result glue_monitor(struct emu_ctxt *c)
{
	return exit_has_monitor(glue_of(c)->vcpu) ? EMU_OK : glue_fault(c, X86_TRAP_UD, false);
}

/**
 * glue_get_fx() - struct emu_ops
 * @c: context
 * @fx: filled
 */
void glue_get_fx(struct emu_ctxt *c, void *fx)
{
	/* Cleared: some CPUs leave the pointers out when they save, but load them. */
	struct fxregs_state now __aligned(16) = { };

	vfpu_read_fx(glue_of(c)->vcpu, &now);
	memcpy(fx, &now, sizeof(now));
}

/**
 * glue_set_fx() - struct emu_ops
 * @c: context
 * @fx: see there
 */
void glue_set_fx(struct emu_ctxt *c, const void *fx)
{
	struct fxregs_state now __aligned(16);

	memcpy(&now, fx, sizeof(now));
	vfpu_write_fx(glue_of(c)->vcpu, &now);
}

/**
 * glue_task_switch() - struct emu_ops
 * @c: context
 * @selector: of the TSS
 * @source: what asks for it
 * @via: vector of a gate
 *
 * Return: see there.
 */
enum emu_result glue_task_switch(struct emu_ctxt *c, u16 selector, enum emu_task source, u8 via)
{
	struct task_request req = {
		.selector = selector, .source = (enum task_source)source, .next_eip = c->next_rip,
		.event.type = EVENT_NONE,
	};
	enum emu_result r;

	if (source == EMU_TASK_GATE)
		req.event = (struct x86_event) {
			/* Of those with EXT only INT1, and #DB like it, may be an instruction's. */
			.type = c->push_error || (c->ext && via != X86_TRAP_DB) ?
				EVENT_EXCEPTION :
				c->ext ? EVENT_SOFT_EXC : EVENT_SOFT_INT,
			.vector = via, .has_error = c->push_error, .error = c->error,
		};
	r = task_switch_by(glue_of(c)->vcpu, &req);
	c->switched = req.switched;
	c->fault = req.fault;
	glue_of(c)->err = req.err;
	/* Not by glue_error(): the switch has its own accessors. */
	glue_of(c)->interrupted |= r == EMU_RETRY && signal_pending(current);
	return r;
}
