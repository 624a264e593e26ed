// SPDX-License-Identifier: GPL-2.0-only
/*
 * Entering the guest and coming back: what is written before each entry, what
 * must be done before anything else after it, and entries that were refused.
 * Why the guest came back is facts.c's.
 */
#include <asm/apicdef.h>
#include <asm/cpufeature.h>
#include <asm/debugreg.h>
#include <asm/mmu_context.h>
#include <asm/processor-flags.h>
#include <asm/tlbflush.h>

#include "vmx/vmx.h"
#include "x86/cpu/hostwork.h"

/*
 * After exits of these kinds no host code ran that could have brought secrets into the L1
 * data cache.
 */
#define QUIET_EXITS	(BIT(EXIT_HOST_IRQ) | BIT(EXIT_CPUID) | BIT(EXIT_CR) | BIT(EXIT_DR) | \
			 BIT(EXIT_MSR) | BIT(EXIT_RDTSC) | BIT(EXIT_RDTSCP) |		\
			 BIT(EXIT_IRQ_WINDOW) | BIT(EXIT_NMI_WINDOW) | BIT(EXIT_TIMER))

static_assert(SHADOW_STI == GUEST_INTR_STATE_STI && SHADOW_MOV_SS == GUEST_INTR_STATE_MOV_SS);

/*
 * In an interrupt shadow the trap of a single step waits in the VMCS, and entry
 * wants it there (27.3.1.5).  Elsewhere it has become a #DB exit already, or
 * shared code has stepped over the instruction and queued it.
 */
static void vmx_pending_step(struct vmx_vcpu *vmx)
{
	const struct x86_state *st = &vmx->vcpu.st;
	bool pending = (st->rflags & X86_EFLAGS_TF) && st->shadow;

	vmcs_write(GUEST_PENDING_DBG_EXCEPTIONS, pending ? DR_STEP : 0);
	vmx->wrote_pending = pending || (st->rflags & X86_EFLAGS_TF);
}

static u32 vmx_interruptibility(const struct vmx_vcpu *vmx)
{
	u32 state = vmx->vcpu.st.shadow;

	/* An NMI that goes in now does the blocking itself. */
	if (vmx->vcpu.ev.nmi_masked && !vmx->injecting_nmi)
		state |= GUEST_INTR_STATE_NMI;
	return state;
}

/**
 * vmx_timer_count() - what the preemption timer counts down from
 * @exit_tsc: when the guest is to be left
 * @now: the TSC
 * @rate: bits of the TSC that the timer does not count (25.5.1)
 * @limit: the longest count
 *
 * Rounds up: a timer that fires before @exit_tsc would cause an exit that has nothing to
 * do.
 *
 * Return: the count to begin with, at most @limit; 0 when @exit_tsc has passed.
 */
u32 vmx_timer_count(u64 exit_tsc, u64 now, u32 rate, u32 limit)
{
	u64 count = (exit_tsc - now) >> rate;

	if (now >= exit_tsc)
		return 0;
	return count < limit ? count + 1 : limit;
}

static void vmx_set_timer(struct vmx_vcpu *vmx)
{
	u64 tsc = vmx->vcpu.exit_tsc;
	u32 count = vmx_caps.watchdog;

	if (tsc)
		count = vmx_timer_count(tsc, rdtsc(), vmx_caps.timer_rate, count);
	vmcs_update(VMX_PREEMPTION_TIMER_VALUE, vmx->written.timer, count);
}

static void vmx_to_guest(struct vmx_vcpu *vmx)
{
	struct vmx_written *w = &vmx->written;
	struct x86_state *st = &vmx->vcpu.st;

	if (unlikely(!vmx->guest_msrs))
		vmx_load_guest(vmx);
	/*
	 * Somebody gave the vCPU another state, moved it on, or what no halted one has (27.3.1.5).
	 */
	if (unlikely(vmx->halted) && (st->dirty || st->rip != w->rip || st->shadow ||
				      (st->rflags & X86_EFLAGS_TF)))
		vmx_end_halt(vmx);
	if (st->dirty)
		vmx_push(vmx);
	vmcs_update(GUEST_RIP, w->rip, st->rip);
	vmcs_update(GUEST_RSP, w->rsp, st->gpr[GPR_RSP]);
	vmcs_update(GUEST_RFLAGS, w->rflags, st->rflags);
	vmcs_update(GUEST_INTERRUPTIBILITY_INFO, w->interruptibility, vmx_interruptibility(vmx));
	vmcs_update(CPU_BASED_VM_EXEC_CONTROL, w->cpu_ctl, vmx->cpu_ctl);
	vmcs_update(EXCEPTION_BITMAP, w->exceptions, vmx->exceptions);
	vmcs_update(HOST_CR3, w->host_cr3, __get_current_cr3_fast());
	vmcs_update(HOST_CR4, w->host_cr4, cr4_read_shadow());
	if (unlikely((st->rflags & X86_EFLAGS_TF) || vmx->wrote_pending))
		vmx_pending_step(vmx);
	if (unlikely(vmx->vcpu.apic_page[APIC_TASKPRI] >> 4 != st->cr8))
		vmx->vcpu.apic_page[APIC_TASKPRI] = st->cr8 << 4;
	if (unlikely(vmx->flush))
		vmx_invalidate(vmx);
	if (static_branch_unlikely(&vmx_has_counters))
		vmx_switch_counters(vmx);
	/* Set last, so that it counts as little as possible of the time before the guest runs. */
	if (vmx->vcpu.exit_tsc || w->timer != vmx_caps.watchdog)
		vmx_set_timer(vmx);
}

static void vmx_from_guest(struct vmx_vcpu *vmx)
{
	struct vmx_written *w = &vmx->written;
	struct x86_state *st = &vmx->vcpu.st;
	u64 rip = vmcs_read(GUEST_RIP);
	u64 rsp = vmcs_read(GUEST_RSP);
	u64 rflags = vmcs_read(GUEST_RFLAGS);
	u32 interruptibility = vmcs_read(GUEST_INTERRUPTIBILITY_INFO);

	w->rip = st->rip = rip;
	w->rsp = st->gpr[GPR_RSP] = rsp;
	w->rflags = st->rflags = rflags;
	w->interruptibility = interruptibility;
	st->shadow = interruptibility & (SHADOW_STI | SHADOW_MOV_SS);
	vmx->vcpu.ev.nmi_masked = interruptibility & GUEST_INTR_STATE_NMI;
	if (vmx_uses(VMX_CPU, CPU_BASED_TPR_SHADOW))
		st->cr8 = vmx->vcpu.apic_page[APIC_TASKPRI] >> 4;
	st->valid = 0;
	if (unlikely(vmx->halts))
		vmx->halted = vmcs_read(GUEST_ACTIVITY_STATE) == GUEST_ACTIVITY_HLT;
	vmx->launched = true;
	vmx->injecting_nmi = false;
}

/* The CPU begins a new log; the old one is read before the next entry. */
static void vmx_take_log(struct vmx_vcpu *vmx, struct exit_facts *f)
{
	u16 index = vmcs_read(GUEST_PML_INDEX);

	vmx_log_facts(vmx->log, index, f);
	if (f->nr_written)
		vmcs_write(GUEST_PML_INDEX, VMX_LOG_ENTRIES - 1);
}

/*
 * An NMI that ended the guest is the host's, and blocked until an IRET: INT 2
 * brings its handler onto its own stack, as the CPU would.
 */
static __always_inline void vmx_handle_nmi(struct vmx_vcpu *vmx, u32 reason)
{
	if ((reason & VMX_REASON) != EXIT_REASON_EXCEPTION_NMI)
		return;
	if ((vmcs_read(VM_EXIT_INTR_INFO) & (INTR_INFO_INTR_TYPE_MASK | INTR_INFO_VALID_MASK)) !=
	    (INTR_TYPE_NMI_INTR | INTR_INFO_VALID_MASK))
		return;
	hostwork_begin_sample(&vmx->vcpu);
	asm volatile("int $2" ::: "memory");
	hostwork_end_sample();
}

/* Nothing here may be traced: to RCU and context tracking this CPU is in the guest. */
static noinstr enum vmx_entered vmx_enter_leave(struct vmx_vcpu *vmx, u32 *reason)
{
	struct x86_state *st = &vmx->vcpu.st;
	enum vmx_entered r;

	hostwork_enter_guest();
	if (static_branch_unlikely(&vmx_flushes_l1d))
		vmx_flush_l1d(vmx);
	/*
	 * Clear CPU buffers that the guest could read back through a device's memory (MMIO
	 * stale data).
	 */
	if (compat_clear_for_devices() &&
	    READ_ONCE(vmx->vcpu.vm->mmu.maps_device))
		x86_clear_cpu_buffers();
	if (native_read_cr2() != st->cr2)
		native_write_cr2(st->cr2);
	r = vmx_enter(st->gpr, &st->msrs.spec_ctrl, vmx->launched, &vmx->written.host_rsp);
	st->cr2 = native_read_cr2();
	if (likely(r == VMX_ENTERED)) {
		*reason = vmcs_read(VM_EXIT_REASON);
		vmx_handle_nmi(vmx, *reason);
	}
	hostwork_leave_guest();
	return r;
}

/* The debug registers are the guest's: DR6 too, which nothing switches. */
static enum vmx_entered vmx_enter_with_dr(struct vmx_vcpu *vmx, u32 *reason)
{
	struct x86_state *st = &vmx->vcpu.st;
	enum vmx_entered r;

	set_debugreg(st->dr6, 6);
	r = vmx_enter_leave(vmx, reason);
	get_debugreg(st->dr6, 6);
	set_debugreg(DR6_RESERVED, 6);
	return r;
}

static enum vmx_entered vmx_try(struct vmx_vcpu *vmx, u32 *reason)
{
	/*
	 * Interrupts and perf's cross-CPU calls change DEBUGCTL, so read it each time. All
	 * defined bits are in the lower half.
	 */
	u32 debugctl = hostwork_debugctl();
	enum vmx_entered r;

	if (unlikely(!(vmx->cpu_ctl & CPU_BASED_MOV_DR_EXITING)))
		r = vmx_enter_with_dr(vmx, reason);
	else
		r = vmx_enter_leave(vmx, reason);
	/* Every exit clears it. */
	if (unlikely(debugctl))
		update_debugctlmsr(debugctl);
	return r;
}

/*
 * The guest did not run, so the VMCS is as we wrote it. Only the event must be removed, or
 * the next entry would deliver it.
 */
static void vmx_refused(struct vmx_vcpu *vmx, u64 why, struct exit_facts *f)
{
	vmcs_write(VM_ENTRY_INTR_INFO_FIELD, 0);
	vmx->injecting_nmi = false;
	if ((why & VMX_REASON) == EXIT_REASON_MCE_DURING_VMENTRY)
		hostwork_machine_check();
	memset(f, 0, sizeof(*f));
	f->kind = EXIT_FAIL_ENTRY;
	f->vectoring.type = EVENT_NONE;
	f->hw[0] = why;
}

/* The controls or the host's state were refused, or there is no VMX any more. */
static void vmx_failed(struct vmx_vcpu *vmx, enum vmx_entered r, struct exit_facts *f)
{
	u32 error = 0;

	if (r == VMX_FAILED) {
		error = vmcs_read(VM_INSTRUCTION_ERROR);
		vmx_report_failure(vmx, error);
	}
	vmx_refused(vmx, error, f);
}

/**
 * vmx_run() - backend_ops.run
 * @vcpu: loaded; IRQs off
 * @facts: filled
 */
void vmx_run(struct vcpu *vcpu, struct exit_facts *facts)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	enum vmx_entered r;
	u32 reason;

	vmx_to_guest(vmx);
	r = vmx_try(vmx, &reason);
	if (unlikely(r != VMX_ENTERED)) {
		vmx_failed(vmx, r, facts);
	} else if (unlikely(reason & VMX_REASON_NOT_ENTERED)) {
		vmx_report_refusal(vmx, reason);
		vmx_refused(vmx, reason, facts);
	} else {
		vmx_from_guest(vmx);
		if (vmx->log)
			vmx_take_log(vmx, facts);
		if (unlikely(reason & VMX_REASON_BUS_LOCK))
			facts->bus_lock = true;
		vmx_facts(vmx, reason & VMX_REASON, facts);
	}
	if (static_branch_unlikely(&vmx_flushes_l1d))
		vmx->flush_l1d |= !(BIT(facts->kind) & QUIET_EXITS);
}

/**
 * vmx_sample() - backend_ops.sample
 * @vcpu: left the guest last, so its VMCS is the current one
 * @ip: its rip
 * @user: set: it ran at CPL 3, which is the DPL of SS (SDM vol. 3, 25.4.1)
 */
void vmx_sample(const struct vcpu *vcpu, u64 *ip, bool *user)
{
	*ip = vmcs_read(GUEST_RIP);
	*user = VMX_AR_DPL(vmcs_read(GUEST_SS_AR_BYTES)) == 3;
}
