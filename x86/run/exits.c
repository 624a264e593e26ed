// SPDX-License-Identifier: GPL-2.0-only
/*
 * What follows from each exit, once for both vendors: each kind has a handler.
 * Memory-mapped devices and string I/O go on to emulate_vcpu.c.
 */
#include <linux/sched.h>
#include <asm/cpu.h>
#include <asm/cpufeature.h>
#include <asm/processor-flags.h>
#include <asm/traps.h>

#include "compat.h"
#include "mmu/mmu.h"
#include "x86/board/iobus.h"
#include "x86/board/lapic.h"
#include "x86/board/lapic_cpu.h"
#include "x86/board/lapic_timer.h"
#include "x86/cpu/cpuid.h"
#include "x86/cpu/fpu.h"
#include "x86/machine/vm.h"
#include "x86/run/apf.h"
#include "x86/run/cr.h"
#include "x86/run/debug.h"
#include "x86/run/emulate_glue.h"
#include "x86/run/emulate_vcpu.h"
#include "x86/run/event_queue.h"
#include "x86/run/events.h"
#include "x86/run/exits.h"
#include "x86/run/hypercall.h"
#include "x86/run/msr.h"
#include "x86/run/msr_filter.h"
#include "x86/run/reset.h"
#include "x86/run/skip.h"
#include "x86/run/taskswitch_vcpu.h"
#include "x86/run/trace.h"
#include "x86/run/walk.h"

static enum exit_outcome exit_internal_error(struct vcpu *vcpu, u32 suberror,
					     const struct exit_facts *f)
{
	struct kvm_run *run = vcpu->run;

	run->exit_reason = KVM_EXIT_INTERNAL_ERROR;
	run->internal.suberror = suberror;
	run->internal.ndata = 4;
	run->internal.data[0] = f->hw[0];
	run->internal.data[1] = f->hw[1];
	run->internal.data[2] = f->hw[2];
	run->internal.data[3] = vcpu->cpu;
	return OUTCOME_USER;
}

static enum exit_outcome exit_gp(struct vcpu *vcpu)
{
	event_queue_exception_error(vcpu, X86_TRAP_GP, 0);
	return OUTCOME_ENTER;
}

static enum exit_outcome exit_ud(struct vcpu *vcpu)
{
	event_queue_exception(vcpu, X86_TRAP_UD);
	return OUTCOME_ENTER;
}

static enum exit_outcome exit_advance(struct vcpu *vcpu, u8 len)
{
	skip_advance(vcpu, len);
	return OUTCOME_ENTER;
}

/*
 * A function that acts for the guest gave @fault; skip its instruction if none. Interrupted, it
 * is to be executed again, after the signal.
 */
static enum exit_outcome exit_done(struct vcpu *vcpu, enum guest_fault fault, u8 len)
{
	if (unlikely(fault == X86_INTERRUPTED))
		return OUTCOME_ENTER;
	return fault ? exit_gp(vcpu) : exit_advance(vcpu, len);
}

static u8 exit_cpl(struct vcpu *vcpu)
{
	vcpu_need(vcpu, ST_CODE);
	return vcpu->st.code.cpl;
}

static enum exit_outcome exit_cpuid(struct vcpu *vcpu, struct exit_facts *f)
{
	int err;
	u8 len = skip_len(vcpu, f, 2, &err);
	u64 *gpr = vcpu->st.gpr;
	struct cpuid_regs r;

	if (unlikely(!len))
		return skip_again(vcpu, err);
	if (unlikely(vcpu->msr.misc_features) && exit_cpl(vcpu))
		return exit_gp(vcpu);
	r = cpuid_query(vcpu, gpr[GPR_RAX], gpr[GPR_RCX]);
	gpr[GPR_RAX] = r.eax;
	gpr[GPR_RBX] = r.ebx;
	gpr[GPR_RCX] = r.ecx;
	gpr[GPR_RDX] = r.edx;
	return exit_advance(vcpu, len);
}

static enum exit_outcome exit_hlt(struct vcpu *vcpu, struct exit_facts *f)
{
	int err;
	u8 len = skip_len(vcpu, f, 1, &err);

	if (unlikely(!len))
		return skip_again(vcpu, err);
	skip_advance(vcpu, len);
	return vcpu_halt(vcpu);
}

/**
 * vcpu_halt() - the guest executed HLT
 * @vcpu: owned; rip is behind the instruction
 *
 * Return: as exit_handle(). Without interrupt controllers in the kernel, user space knows
 * what would end the halt.
 */
enum exit_outcome vcpu_halt(struct vcpu *vcpu)
{
	if (vcpu->apic) {
		vcpu->mp_state = KVM_MP_STATE_HALTED;
		return OUTCOME_ENTER;
	}
	vcpu->run->exit_reason = KVM_EXIT_HLT;
	return OUTCOME_USER;
}

static void exit_io_result(struct vcpu *vcpu, u8 size, u32 val)
{
	u64 *rax = &vcpu->st.gpr[GPR_RAX];

	/* A 32-bit result clears the upper half, as any 32-bit write does. */
	if (size == 4)
		*rax = val;
	else if (size == 2)
		*rax = (*rax & ~0xffffull) | (u16)val;
	else
		*rax = (*rax & ~0xffull) | (u8)val;
}

static enum exit_outcome exit_io_complete(struct vcpu *vcpu)
{
	/*
	 * User space has changed rip (by a reset, for example), so the instruction must not
	 * be completed.
	 */
	if (vcpu->st.rip != vcpu->io.rip)
		return OUTCOME_ENTER;
	if (vcpu->io.in)
		exit_io_result(vcpu, vcpu->io.size, READ_ONCE(*(u32 *)vcpu->pio_data));
	skip_advance(vcpu, vcpu->io.insn_len);
	return OUTCOME_ENTER;
}

/* IN or OUT of one item, for user space; rip stays until it has answered. */
static enum exit_outcome exit_io_user(struct vcpu *vcpu, const struct exit_facts *f, u8 len)
{
	struct kvm_run *run = vcpu->run;

	run->exit_reason = KVM_EXIT_IO;
	run->io.direction = f->io.in ? KVM_EXIT_IO_IN : KVM_EXIT_IO_OUT;
	run->io.size = f->io.size;
	run->io.port = f->io.port;
	run->io.count = 1;
	run->io.data_offset = KVM_PIO_PAGE_OFFSET * PAGE_SIZE;
	/* As many bytes as an item can have; those behind it are of no meaning. */
	*(u32 *)vcpu->pio_data = vcpu->st.gpr[GPR_RAX];
	vcpu->io.in = f->io.in;
	vcpu->io.size = f->io.size;
	vcpu->io.rip = vcpu->st.rip;
	vcpu->io.insn_len = len;
	vcpu->io.complete = exit_io_complete;
	return OUTCOME_USER;
}

#define PORT_VAPIC	0x7e

static enum exit_outcome exit_io_nothing_left(struct vcpu *vcpu)
{
	return OUTCOME_ENTER;
}

/*
 * QEMU's option ROM that has the TPR in memory calls it by this port, and QEMU replaces the
 * instruction before rip: it finds rip advanced (KVM_X86_QUIRK_OUT_7E_INC_RIP).
 */
static enum exit_outcome exit_io_vapic(struct vcpu *vcpu, const struct exit_facts *f, u8 len)
{
	enum exit_outcome outcome = exit_io_user(vcpu, f, len);

	skip_advance(vcpu, len);
	vcpu->io.complete = exit_io_nothing_left;
	return outcome;
}

static bool exit_is_vapic(const struct vcpu *vcpu, const struct exit_facts *f)
{
	return f->io.port == PORT_VAPIC && !f->io.in &&
	       vm_has_quirk(vcpu->vm, KVM_X86_QUIRK_OUT_7E_INC_RIP);
}

static enum exit_outcome exit_io(struct vcpu *vcpu, struct exit_facts *f)
{
	struct iobus *bus = &vcpu->vm->pio;
	u32 val = vcpu->st.gpr[GPR_RAX];
	u8 len = f->insn_len;
	int err;

	if (f->io.string)
		return emulate_vcpu(vcpu, f);
	if (unlikely(!len)) {
		len = emulate_insn_len(vcpu, f, &err);
		if (!len)
			return skip_again(vcpu, err);
	}
	if (iobus_nobody(bus, &vcpu->pio_miss, f->io.port, f->io.size) ||
	    iobus_access_note(bus, &vcpu->pio_miss, vcpu, f->io.port, f->io.size, &val,
			      !f->io.in))
		return unlikely(exit_is_vapic(vcpu, f)) ? exit_io_vapic(vcpu, f, len) :
							  exit_io_user(vcpu, f, len);
	if (f->io.in)
		exit_io_result(vcpu, f->io.size, val);
	return exit_advance(vcpu, len);
}

/* It is #GP, unless the VMM wants to decide. */
static enum exit_outcome exit_msr_refused(struct vcpu *vcpu, struct msr_refused *why)
{
	if (!why->reason)
		why->reason = msr_is_known(why->index) ? KVM_MSR_EXIT_REASON_INVAL :
							 KVM_MSR_EXIT_REASON_UNKNOWN;
	return msr_filter_ask(vcpu, why) ? OUTCOME_USER : exit_gp(vcpu);
}

static enum exit_outcome exit_msr(struct vcpu *vcpu, struct exit_facts *f)
{
	u64 *gpr = vcpu->st.gpr;
	struct msr_refused msr = {
		.index = gpr[GPR_RCX],
		.write = f->msr.write,
		.val = (u32)gpr[GPR_RAX] | gpr[GPR_RDX] << 32,
	};
	int err;
	u8 len = skip_len(vcpu, f, 2, &err);
	enum guest_fault fault;

	if (unlikely(!len))
		return skip_again(vcpu, err);
	msr.insn_len = len;
	if (unlikely(!msr_filter_allows(vcpu->vm, msr.index, msr.write))) {
		msr.reason = KVM_MSR_EXIT_REASON_FILTER;
		return exit_msr_refused(vcpu, &msr);
	}
	if (msr.write)
		fault = msr_write(vcpu, msr.index, msr.val, false);
	else
		fault = msr_read(vcpu, msr.index, &msr.val, false);
	if (unlikely(fault == X86_INTERRUPTED))
		return OUTCOME_ENTER;
	if (unlikely(fault))
		return exit_msr_refused(vcpu, &msr);
	if (!msr.write) {
		gpr[GPR_RAX] = (u32)msr.val;
		gpr[GPR_RDX] = msr.val >> 32;
	}
	return exit_advance(vcpu, len);
}

static enum guest_fault exit_set_cr(struct vcpu *vcpu, u8 nr, u64 val)
{
	switch (nr) {
	case 0:
		return cr_set_cr0(vcpu, val);
	case 3:
		return cr_set_cr3(vcpu, val);
	case 4:
		return cr_set_cr4(vcpu, val);
	default:
		return cr_set_cr8(vcpu, val);
	}
}

static u64 exit_get_cr(struct vcpu *vcpu, u8 nr)
{
	switch (nr) {
	case 0:
		return vcpu->st.cr0;
	case 3:
		vcpu_need(vcpu, ST_CR);
		return vcpu->st.cr3;
	case 4:
		vcpu_need(vcpu, ST_CR);
		return vcpu->st.cr4;
	default:
		return vlapic_get_cr8(vcpu);
	}
}

/* ST_CODE is valid. */
static bool exit_in_long(const struct x86_state *st)
{
	return (st->efer & EFER_LMA) && st->code.l;
}

static bool exit_is_long(struct vcpu *vcpu)
{
	vcpu_need(vcpu, ST_CODE);
	return exit_in_long(&vcpu->st);
}

/* Where the CPU does not name the register, or the instruction was CLTS or LMSW. */
static enum exit_outcome exit_cr(struct vcpu *vcpu, struct exit_facts *f)
{
	u64 *gpr;
	int err;
	u8 len;

	if (f->reg.gpr == GPR_NR)
		return emulate_vcpu(vcpu, f);
	len = skip_len(vcpu, f, 3, &err);
	if (unlikely(!len))
		return skip_again(vcpu, err);
	gpr = &vcpu->st.gpr[f->reg.gpr];
	if (!f->reg.write) {
		*gpr = exit_get_cr(vcpu, f->reg.nr);
		return exit_advance(vcpu, len);
	}
	return exit_done(vcpu, exit_set_cr(vcpu, f->reg.nr,
					   exit_is_long(vcpu) ? *gpr : (u32)*gpr), len);
}

/*
 * Give the guest the debug registers until its next exit, and let it execute the
 * instruction itself, with the CPU's own checks.
 */
static enum exit_outcome exit_dr(struct vcpu *vcpu, struct exit_facts *f)
{
	if (unlikely(vcpu->debug.control))
		return debug_dr(vcpu, f);
	vcpu_need(vcpu, ST_DR);
	vcpu->guest_dr = true;
	return OUTCOME_ENTER;
}

/**
 * exit_is_alignment_check() - is an #AC what the guest asked for?
 * @cpl: as it struck
 * @cr0: likewise
 * @rflags: likewise
 *
 * SDM 6.15, interrupt 17.
 *
 * Return: whether it is.
 */
bool exit_is_alignment_check(u8 cpl, u64 cr0, u64 rflags)
{
	return cpl == 3 && (cr0 & X86_CR0_AM) && (rflags & X86_EFLAGS_AC);
}

/*
 * The host may have its CPUs fault on locked accesses that cross a cache line, because
 * these stop all other CPUs (split-lock detection). Such a fault is not for the guest: the
 * kernel warns and slows the thread down, or, if it is configured to kill, the VMM gets an
 * error.
 */
static bool exit_is_split_lock(struct vcpu *vcpu)
{
	if (!boot_cpu_has(X86_FEATURE_SPLIT_LOCK_DETECT))
		return false;
	vcpu_need(vcpu, ST_CODE);
	return !exit_is_alignment_check(vcpu->st.code.cpl, vcpu->st.cr0, vcpu->st.rflags);
}

static enum exit_outcome exit_split_lock(struct vcpu *vcpu, struct exit_facts *f)
{
	if (handle_guest_split_lock(vcpu->st.rip))
		return OUTCOME_ENTER;
	vcpu->run->exit_reason = KVM_EXIT_EXCEPTION;
	vcpu->run->ex.exception = X86_TRAP_AC;
	vcpu->run->ex.error_code = f->exception.error;
	return OUTCOME_USER;
}

/* Of the other vendor's CPUs only the hypercall is made good (KVM_X86_QUIRK_FIX_HYPERCALL_INSN). */
static enum exit_outcome exit_invalid_opcode(struct vcpu *vcpu)
{
	enum exit_outcome outcome;

	if (emulate_undefined(vcpu, &outcome))
		return outcome;
	if (vm_has_quirk(vcpu->vm, KVM_X86_QUIRK_FIX_HYPERCALL_INSN) &&
	    emulate_fix_hypercall(vcpu, &outcome))
		return outcome;
	return exit_ud(vcpu);
}

/* Give the exception to the guest, as if there were no hypervisor. */
static enum exit_outcome exit_reflect(struct vcpu *vcpu, const struct exit_facts *f)
{
	/* One during the delivery of an interrupt or NMI replaces it, as in a CPU. */
	if (unlikely(f->vectoring.type != EVENT_NONE) && f->vectoring.type != EVENT_EXCEPTION &&
	    f->exception.vector != X86_TRAP_DB)
		events_taken(vcpu, &f->vectoring, true);
	/* INT1 has ended, and comes before a single step's trap. */
	if (unlikely(f->insn_len))
		skip_end_insn(vcpu, f->insn_len);
	if (f->exception.vector == X86_TRAP_DB)
		event_queue_debug(vcpu, f->exception.payload);
	else if (f->exception.vector == X86_TRAP_PF)
		event_queue_page_fault(vcpu, f->exception.payload, f->exception.error);
	else if (f->exception.has_error)
		event_queue_exception_error(vcpu, f->exception.vector, f->exception.error);
	else
		event_queue_exception(vcpu, f->exception.vector);
	return OUTCOME_ENTER;
}

static enum exit_outcome exit_shadow_fault(struct vcpu *vcpu, struct exit_facts *f);

/*
 * Exceptions that could loop in the CPU, or that the backend had to see, are given back to
 * the guest.
 */
static enum exit_outcome exit_exception(struct vcpu *vcpu, struct exit_facts *f)
{
	if (f->exception.vector == X86_TRAP_PF && vcpu->vm->mmu.shadow)
		return exit_shadow_fault(vcpu, f);
	if (unlikely(vcpu->debug.control) && debug_exception(vcpu, f))
		return OUTCOME_USER;
	if (f->exception.vector == X86_TRAP_AC && exit_is_split_lock(vcpu))
		return exit_split_lock(vcpu, f);
	if (f->exception.vector == X86_TRAP_UD)
		return exit_invalid_opcode(vcpu);
	return exit_reflect(vcpu, f);
}

static enum exit_outcome exit_hypercall(struct vcpu *vcpu, struct exit_facts *f)
{
	return hypercall_carry_out(vcpu, f);
}

/* Nobody provides the memory. The error code of KVM_RUN says so, too. */
static void exit_memory_fault(struct vcpu *vcpu, gpa_t gpa)
{
	struct kvm_run *run = vcpu->run;

	run->exit_reason = KVM_EXIT_MEMORY_FAULT;
	compat_memory_fault(run)->flags = mmu_is_private(&vcpu->vm->mmu, gpa >> PAGE_SHIFT) ?
					  KVM_MEMORY_EXIT_FLAG_PRIVATE : 0;
	compat_memory_fault(run)->gpa = gpa & PAGE_MASK;
	compat_memory_fault(run)->size = PAGE_SIZE;
}

static enum exit_outcome exit_tdp_failed(struct vcpu *vcpu, gpa_t gpa)
{
	int err = vcpu->streaks.error;

	if (err == -EFAULT || err == -EHWPOISON)
		exit_memory_fault(vcpu, gpa);
	return vcpu_fails(vcpu, err);
}

/* As mmu_tdp_fault(), for a guest that can do something else while memory is waited for. */
static noinline enum mmu_fault_result exit_fault_apf(struct vcpu *vcpu, gpa_t gpa, u32 access)
{
	struct mmu *mmu = &vcpu->vm->mmu;
	enum mmu_fault_result r;

	r = mmu_tdp_fault(mmu, &vcpu->streaks, gpa, access | apf_access(vcpu));
	if (r != MMU_FAULT_WAITS)
		return r;
	if (apf_fault(vcpu, gpa, access & MMU_WRITE))
		return MMU_FAULT_DONE;
	return mmu_tdp_fault(mmu, &vcpu->streaks, gpa, access);
}

/* A guest mostly comes to the same device again. */
static enum mmu_fault_result exit_fault(struct vcpu *vcpu, gpa_t gpa, u32 access)
{
	struct nowhere_memo *memo = &glue_of(vcpu->emu)->nowhere;
	struct mmu *mmu = &vcpu->vm->mmu;
	unsigned int seq = memo_slots_seq(mmu);
	enum mmu_fault_result r;

	if (memo_is_nowhere(mmu, memo, gpa >> PAGE_SHIFT))
		return MMU_FAULT_MMIO;
	if (unlikely(apf_on(vcpu)))
		r = exit_fault_apf(vcpu, gpa, access);
	else
		r = mmu_tdp_fault(mmu, &vcpu->streaks, gpa, access);
	if (r == MMU_FAULT_MMIO)
		memo_note_nowhere(mmu, memo, gpa >> PAGE_SHIFT, seq);
	return r;
}

static enum exit_outcome exit_tdp_fault(struct vcpu *vcpu, struct exit_facts *f)
{
	enum mmu_fault_result r = exit_fault(vcpu, f->tdp.gpa, f->tdp.access);

	trace_ditto_fault(vcpu, f->tdp.gpa, f->tdp.access, r);
	switch (r) {
	case MMU_FAULT_DONE:
		return OUTCOME_ENTER;
	case MMU_FAULT_MMIO:
	case MMU_FAULT_READONLY:
		return emulate_vcpu(vcpu, f);
	default:
		return exit_tdp_failed(vcpu, f->tdp.gpa);
	}
}

/* What a page fault's error code says of the access. */
static u32 shadow_access(struct vcpu *vcpu, u32 error)
{
	u32 access = error & X86_PF_INSTR ? MMU_EXEC : error & X86_PF_WRITE ? MMU_WRITE : MMU_READ;

	if (error & X86_PF_USER)
		return access | MMU_USER;
	/* The CPU's own access to a descriptor table or a TSS. */
	return exit_cpl(vcpu) == 3 ? access | MMU_IMPLICIT : access;
}

static enum mmu_fault_result shadow_fault(struct vcpu *vcpu, gva_t gva, u32 access, gpa_t *gpa,
					  struct walk_fault *fault)
{
	struct mmu *mmu = &vcpu->vm->mmu;
	struct paging_mode mode;
	enum mmu_fault_result r;

	vcpu_need(vcpu, ST_CR);
	walk_paging_mode(vcpu, &mode);
	r = mmu_shadow_fault(mmu, &vcpu->shadow, &vcpu->streaks, &mode, gva,
			     access | (apf_on(vcpu) ? apf_access(vcpu) : 0), gpa, fault);
	if (r != MMU_FAULT_WAITS)
		return r;
	if (apf_fault(vcpu, *gpa, access & MMU_WRITE))
		return MMU_FAULT_DONE;
	return mmu_shadow_fault(mmu, &vcpu->shadow, &vcpu->streaks, &mode, gva, access, gpa, fault);
}

/* On shadow tables: the guest's own fault, or one that it must not see. */
static enum exit_outcome exit_shadow_fault(struct vcpu *vcpu, struct exit_facts *f)
{
	u32 access = shadow_access(vcpu, f->exception.error);
	struct walk_fault fault;
	enum mmu_fault_result r;
	gpa_t gpa = 0;

	r = shadow_fault(vcpu, f->exception.payload, access, &gpa, &fault);
	trace_ditto_fault(vcpu, gpa, access, r);
	switch (r) {
	case MMU_FAULT_DONE:
		return OUTCOME_ENTER;
	case MMU_FAULT_GUEST:
		f->exception.error = fault.error;
		return exit_reflect(vcpu, f);
	case MMU_FAULT_ROOT:
		vcpu_request(vcpu, REQ_RELOAD_ROOT);
		return OUTCOME_ENTER;
	case MMU_FAULT_MMIO:
	case MMU_FAULT_READONLY:
		f->kind = EXIT_TDP_FAULT;
		f->tdp.gpa = gpa;
		f->tdp.access = access & (MMU_READ | MMU_WRITE | MMU_EXEC);
		f->tdp.table_walk = false;
		return emulate_vcpu(vcpu, f);
	default:
		return exit_tdp_failed(vcpu, gpa);
	}
}

/* This is a bug of ours. Log it for people, because the facts are lost with the VM. */
static enum exit_outcome exit_tdp_misconfig(struct vcpu *vcpu, struct exit_facts *f)
{
	WARN_ONCE(1, "ditto: vm %llu: impossible TDP entry for gpa %#llx\n", vcpu->vm->id,
		  f->hw[2]);
	vm_kill(vcpu->vm);
	return exit_internal_error(vcpu, KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON, f);
}

static enum exit_outcome exit_xsetbv(struct vcpu *vcpu, struct exit_facts *f)
{
	const u64 *gpr = vcpu->st.gpr;
	u64 val = (u32)gpr[GPR_RAX] | gpr[GPR_RDX] << 32;
	int err;
	u8 len;

	if (!(vcpu->st.cr4 & X86_CR4_OSXSAVE))
		return exit_ud(vcpu);
	if (exit_cpl(vcpu) || (u32)gpr[GPR_RCX])
		return exit_gp(vcpu);
	len = skip_len(vcpu, f, 3, &err);
	if (unlikely(!len))
		return skip_again(vcpu, err);
	return exit_done(vcpu, vfpu_set_xcr0(vcpu, val), len);
}

static enum exit_outcome exit_invlpg(struct vcpu *vcpu, struct exit_facts *f)
{
	return emulate_vcpu(vcpu, f);
}

/* No device of a guest bypasses the caches, so nothing needs to be written back. */
static enum exit_outcome exit_wbinvd(struct vcpu *vcpu, struct exit_facts *f)
{
	int err;
	u8 len = skip_len(vcpu, f, 2, &err);

	return len ? exit_advance(vcpu, len) : skip_again(vcpu, err);
}

/* The guest spins in a loop; the vCPU that it waits for may need this CPU. */
static enum exit_outcome exit_pause(struct vcpu *vcpu, struct exit_facts *f)
	__must_hold(&vcpu->vm->mmu.srcu)
{
	int err;
	u8 len = skip_len(vcpu, f, 2, &err);

	if (unlikely(!len))
		return skip_again(vcpu, err);
	skip_advance(vcpu, len);
	f->kind = EXIT_HOST_IRQ;	/* the instruction is over, as others may see */
	srcu_read_unlock(&vcpu->vm->mmu.srcu, vcpu->srcu_idx);
	yield();
	vcpu->srcu_idx = srcu_read_lock(&vcpu->vm->mmu.srcu);
	return OUTCOME_ENTER;
}

static enum exit_outcome exit_undefined(struct vcpu *vcpu, struct exit_facts *f)
{
	return exit_ud(vcpu);
}

/**
 * exit_has_monitor() - are MONITOR and MWAIT there?
 * @vcpu: owned
 *
 * Return: whether they are.
 */
bool exit_has_monitor(struct vcpu *vcpu)
{
	return vm_has_quirk(vcpu->vm, KVM_X86_QUIRK_MWAIT_NEVER_UD_FAULTS) || cpuid_has_mwait(vcpu);
}

/* Nothing is watched, and nobody waits, as on a CPU that wakes at once; or there is neither. */
static enum exit_outcome exit_monitor(struct vcpu *vcpu, struct exit_facts *f)
{
	int err;
	u8 len;

	if (!exit_has_monitor(vcpu))
		return exit_ud(vcpu);
	len = skip_len(vcpu, f, 3, &err);
	return len ? exit_advance(vcpu, len) : skip_again(vcpu, err);
}

static enum exit_outcome exit_mwait(struct vcpu *vcpu, struct exit_facts *f)
{
	return exit_monitor(vcpu, f);
}

/* There is no performance monitoring unit, so no counter has this number. */
static enum exit_outcome exit_rdpmc(struct vcpu *vcpu, struct exit_facts *f)
{
	return exit_gp(vcpu);
}

static enum exit_outcome exit_rdtsc(struct vcpu *vcpu, struct exit_facts *f)
{
	int err;
	u8 len = skip_len(vcpu, f, f->kind == EXIT_RDTSCP ? 3 : 2, &err);
	u64 tsc = vcpu_tsc(vcpu);

	if (unlikely(!len))
		return skip_again(vcpu, err);
	vcpu->st.gpr[GPR_RAX] = (u32)tsc;
	vcpu->st.gpr[GPR_RDX] = tsc >> 32;
	if (f->kind == EXIT_RDTSCP)
		vcpu->st.gpr[GPR_RCX] = (u32)vcpu->st.msrs.tsc_aux;
	return exit_advance(vcpu, len);
}

static enum exit_outcome exit_rdtscp(struct vcpu *vcpu, struct exit_facts *f)
{
	return exit_rdtsc(vcpu, f);
}

static enum exit_outcome exit_soft_int(struct vcpu *vcpu, struct exit_facts *f)
{
	return debug_soft_int_exit(vcpu);
}

static enum exit_outcome exit_task_switch(struct vcpu *vcpu, struct exit_facts *f)
{
	return task_switch_vcpu(vcpu, f);
}

static enum exit_outcome exit_irq_window(struct vcpu *vcpu, struct exit_facts *f)
{
	vcpu_request(vcpu, REQ_EVENT);
	if (!events_vmm_wants_window(vcpu))
		return OUTCOME_ENTER;
	vcpu->run->exit_reason = KVM_EXIT_IRQ_WINDOW_OPEN;
	return OUTCOME_USER;
}

static enum exit_outcome exit_nmi_window(struct vcpu *vcpu, struct exit_facts *f)
{
	vcpu_request(vcpu, REQ_EVENT);
	return OUTCOME_ENTER;
}

/* Where the hardware loses the guest's state at a shutdown, show the VMM the state after INIT. */
static enum exit_outcome exit_shutdown(struct vcpu *vcpu, struct exit_facts *f)
{
	if (backend->caps->shutdown_loses_state)
		vcpu_reset(vcpu, true);
	vcpu->run->exit_reason = KVM_EXIT_SHUTDOWN;
	return OUTCOME_USER;
}

static enum exit_outcome exit_fail_entry(struct vcpu *vcpu, struct exit_facts *f)
{
	struct kvm_run *run = vcpu->run;

	run->exit_reason = KVM_EXIT_FAIL_ENTRY;
	run->fail_entry.hardware_entry_failure_reason = f->hw[0];
	run->fail_entry.cpu = vcpu->cpu;
	return OUTCOME_USER;
}

/* What follows is exit_after_bus_lock()'s, as for exits of other kinds that come with one. */
static enum exit_outcome exit_bus_lock(struct vcpu *vcpu, struct exit_facts *f)
{
	f->bus_lock = true;
	return OUTCOME_ENTER;
}

static enum exit_outcome exit_notify(struct vcpu *vcpu, struct exit_facts *f)
{
	struct kvm_run *run = vcpu->run;

	if (!f->notify.state_lost && !(vcpu->vm->enabled.notify & KVM_X86_NOTIFY_VMEXIT_USER))
		return OUTCOME_ENTER;
	run->exit_reason = KVM_EXIT_NOTIFY;
	run->notify.flags = f->notify.state_lost ? KVM_NOTIFY_CONTEXT_INVALID : 0;
	return OUTCOME_USER;
}

static enum exit_outcome exit_unknown(struct vcpu *vcpu, struct exit_facts *f)
{
	return exit_internal_error(vcpu, KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON, f);
}

static enum exit_outcome exit_timer(struct vcpu *vcpu, struct exit_facts *f)
{
	vlapic_timer_exit(vcpu);
	return OUTCOME_ENTER;
}

static enum exit_outcome exit_apic_eoi(struct vcpu *vcpu, struct exit_facts *f)
{
	if (!vcpu->apic)
		return exit_unknown(vcpu, f);
	vlapic_ended(vcpu->apic, f->apic.vector);
	return OUTCOME_ENTER;
}

static enum exit_outcome exit_apic_write(struct vcpu *vcpu, struct exit_facts *f)
{
	return vlapic_written(vcpu, f->apic.offset) ? OUTCOME_ENTER : exit_unknown(vcpu, f);
}

/* The host's handler has run when the backend or the run loop enabled interrupts. */
static enum exit_outcome exit_host_irq(struct vcpu *vcpu, struct exit_facts *f)
{
	return OUTCOME_ENTER;
}

/* Each kind's handler has its name: one without does not compile. */
#define EXIT_HANDLER(kind, name) [EXIT_##kind] = exit_##name,
static enum exit_outcome (*const exit_handlers[EXIT_NR])(struct vcpu *vcpu,
							  struct exit_facts *f) = {
	EXIT_KINDS(EXIT_HANDLER, EXIT_HANDLER)
};
#undef EXIT_HANDLER

/**
 * exit_handle() - act on an exit
 * @vcpu: owned and loaded; the caller is in vm->mmu.srcu
 * @facts: from the backend
 *
 * Return: what is next.
 */
enum exit_outcome exit_handle(struct vcpu *vcpu, struct exit_facts *facts)
{
	vcpu->exits[facts->kind]++;
	switch (facts->kind) {
	case EXIT_CPUID:
		return exit_cpuid(vcpu, facts);
	case EXIT_TDP_FAULT:
		return exit_tdp_fault(vcpu, facts);
	case EXIT_IO:
		return exit_io(vcpu, facts);
	case EXIT_HYPERCALL:
		return hypercall_carry_out(vcpu, facts);
	default:
		return exit_handlers[facts->kind](vcpu, facts);
	}
}

/**
 * exit_after_bus_lock() - the guest locked the bus before the last exit: the VMM hears of it
 * @vcpu: owned; vcpu->facts.bus_lock is set, and stays until vcpu->run is filled
 * @r: what followed from the exit
 *
 * One that leaves to user space in any case only carries the flag.
 *
 * Return: what is next.
 */
enum exit_outcome exit_after_bus_lock(struct vcpu *vcpu, enum exit_outcome r)
{
	if (r != OUTCOME_ENTER)
		return r;
	vcpu->run->exit_reason = KVM_EXIT_X86_BUS_LOCK;
	return OUTCOME_USER;
}
