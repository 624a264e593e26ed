// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_RUN: the loop that enters the guest, and the sleep of a halted vCPU.  It
 * decides when to enter; why the guest came back is exits.c's.
 *
 * The hard part is the last look before the entry.  A kicker sets a request and
 * then reads vcpu->mode; the entry writes the mode and then reads the requests,
 * both with full barriers between: one of the two sees the other.  From then
 * on an IPI, which IRQs-off holds back until the CPU is in the guest, ends the
 * entry at once.
 */
#include <linux/hw_breakpoint.h>
#include <linux/sched/signal.h>
#include <asm/debugreg.h>

#include "compat.h"
#include "mmu/mmu.h"
#include "mmu/ring.h"
#include "x86/board/lapic.h"
#include "x86/board/lapic_look.h"
#include "x86/board/lapic_timer.h"
#include "x86/board/pv_eoi.h"
#include "x86/board/vapic.h"
#include "x86/cpu/fpu.h"
#include "x86/cpu/hostwork.h"
#include "x86/machine/backend_calls.h"
#include "x86/machine/vm.h"
#include "x86/run/apf.h"
#include "x86/run/copy.h"
#include "x86/run/cr.h"
#include "x86/run/debug.h"
#include "x86/run/events.h"
#include "x86/run/exits.h"
#include "x86/run/halt.h"
#include "x86/run/kvmclock.h"
#include "x86/run/msr.h"
#include "x86/run/reset.h"
#include "x86/run/run.h"
#include "x86/run/software.h"
#include "x86/run/steal.h"
#include "x86/run/sync.h"
#include "x86/run/walk.h"

#define CREATE_TRACE_POINTS
#include "x86/run/trace.h"

static __always_inline void run_flush_tlb(struct vcpu *vcpu)
{
	if (vcpu_take_request(vcpu, REQ_TLB_FLUSH)) {
#ifdef DITTO_DEBUG
		vcpu->epoch = mmu_epoch_current(&vcpu->vm->mmu);
#endif
		backend->flush_tlb(vcpu);
	}
}

/*
 * Debug builds: what the vCPU is about to use of the TLB is of vcpu->epoch.  With
 * IRQs off and the mode set no flush can end without us, so what was flushed so
 * far had asked us before, and we did it.
 */
static void run_epoch_begin(struct vcpu *vcpu)
{
#ifdef DITTO_DEBUG
	u64 flushed = mmu_epoch_flushed(&vcpu->vm->mmu);

	WARN_ONCE(vcpu->epoch < flushed, "ditto: vCPU %u enters with a TLB of %llu, not %llu\n",
		  vcpu->id, vcpu->epoch, flushed);
	WRITE_ONCE(vcpu->guest_epoch, vcpu->epoch);
#endif
}

static void run_epoch_end(struct vcpu *vcpu)
{
#ifdef DITTO_DEBUG
	/* Before IRQs are on: the flush that kicked us out looks at this. */
	WRITE_ONCE(vcpu->guest_epoch, U64_MAX);
#endif
}

static enum exit_outcome run_tell_ioapic(struct vcpu *vcpu)
{
	int vector = vlapic_take_user_end(vcpu);

	if (vector < 0)
		return OUTCOME_ENTER;
	vcpu->run->exit_reason = KVM_EXIT_IOAPIC_EOI;
	vcpu->run->eoi.vector = vector;
	return OUTCOME_USER;
}

/* Before anything that writes to the guest. */
static enum exit_outcome run_ring_full(struct vcpu *vcpu)
{
	if (!ring_is_full(&vcpu->ring))
		return OUTCOME_ENTER;
	vcpu_request(vcpu, REQ_RING_FULL);
	vcpu->run->exit_reason = KVM_EXIT_DIRTY_RING_FULL;
	return OUTCOME_USER;
}

/* The tables that the CPU walks: TDP tables, or shadow tables for what the guest has in CR3. */
static enum exit_outcome run_load_root(struct vcpu *vcpu)
{
	struct mmu *mmu = &vcpu->vm->mmu;
	hpa_t root = mmu_root(mmu);

	if (mmu->shadow) {
		struct paging_mode mode;
		int err;

		vcpu_need(vcpu, ST_CR);
		walk_paging_mode(vcpu, &mode);
		err = mmu_shadow_load(mmu, &vcpu->shadow, &mode, &root);
		if (err) {
			vcpu_request(vcpu, REQ_RELOAD_ROOT);
			return vcpu_fails(vcpu, err);
		}
	}
	backend->set_tdp_root(vcpu, root);
	vcpu_request(vcpu, REQ_TLB_FLUSH);
	return OUTCOME_ENTER;
}

/*
 * Requests that may sleep.
 * REQ_EVENT and REQ_TLB_FLUSH are taken with IRQs off, after the last look.
 */
static enum exit_outcome run_requests(struct vcpu *vcpu)
{
	if (vcpu_take_request(vcpu, REQ_RING_FULL) && run_ring_full(vcpu) == OUTCOME_USER)
		return OUTCOME_USER;
	if (vcpu_take_request(vcpu, REQ_SHUTDOWN)) {
		vcpu->run->exit_reason = KVM_EXIT_SHUTDOWN;
		return OUTCOME_USER;
	}
	if (vcpu_take_request(vcpu, REQ_MSR_FILTER))
		msr_setup_passthrough(vcpu);
	if (vcpu_take_request(vcpu, REQ_CLOCK_UPDATE))
		kvmclock_update(vcpu);
	if (vcpu_take_request(vcpu, REQ_STEAL))
		steal_update(vcpu);
	if (vcpu_take_request(vcpu, REQ_PDPTES))
		cr_reload_pdptes(vcpu);
	return vcpu_take_request(vcpu, REQ_RELOAD_ROOT) ? run_load_root(vcpu) : OUTCOME_ENTER;
}

/* Requests that do not matter between the last look and the entry. */
#define RUN_LATE_REQUESTS	(BIT(REQ_EVENT) | BIT(REQ_TLB_FLUSH))

static __always_inline bool run_must_wait(struct vcpu *vcpu)
{
	return (READ_ONCE(vcpu->requests) & ~RUN_LATE_REQUESTS) || hostwork_pending() ||
	       !cpus_here_enabled() || vlapic_timer_expired(vcpu) || vlapic_has_init_sipi(vcpu) ||
	       READ_ONCE(vcpu->vm->dead);
}

/*
 * The host's breakpoints share the CPU's debug registers with the guest's: they
 * are the guest's while it has breakpoints, and while it accesses them.
 */
static __always_inline void run_load_debug(struct vcpu *vcpu)
{
	const struct x86_state *st = &vcpu->st;
	int i;

	if (likely(!(st->dr7 & (DR_LOCAL_ENABLE_MASK | DR_GLOBAL_ENABLE_MASK)) &&
		   !vcpu->guest_dr))
		return;
	set_debugreg(0, 7);
	for (i = 0; i < 4; i++)
		set_debugreg(st->dr[i], i);
	if (vcpu->guest_dr)
		backend->set_dr_exits(vcpu, false);
}

static __always_inline void run_store_debug(struct vcpu *vcpu)
{
	struct x86_state *st = &vcpu->st;

	if (unlikely(vcpu->guest_dr)) {
		vcpu->guest_dr = false;
		get_debugreg(st->dr[0], 0);
		get_debugreg(st->dr[1], 1);
		get_debugreg(st->dr[2], 2);
		get_debugreg(st->dr[3], 3);
		backend->set_dr_exits(vcpu, true);
		/* DR7 decides over the next entry. */
		vcpu_need(vcpu, ST_DR);
	}
	if (hw_breakpoint_active())
		hw_breakpoint_restore();
}

static __always_inline void run_guest(struct vcpu *vcpu, struct exit_facts *facts)
{
	bool xcr0 = vfpu_switches_xcr0(vcpu);

	trace_ditto_entry(vcpu);
	if (xcr0)
		vfpu_load_guest_xcr0(vcpu);
	run_load_debug(vcpu);
	hostwork_begin_guest_time();
	static_call(backend_run)(vcpu, facts);
	run_store_debug(vcpu);
	if (xcr0)
		vfpu_load_host_xcr0(vcpu);
	trace_ditto_exit(vcpu, facts);
}

/*
 * Before the vCPU counts as outside: code that takes a dirty log makes vCPUs leave the guest, and
 * relies on that.
 */
static noinline void run_note_written(struct vcpu *vcpu, const struct exit_facts *facts)
{
	struct mmu *mmu = &vcpu->vm->mmu;
	int idx = srcu_read_lock(&mmu->srcu);

	mmu_note_written(mmu, facts->written, facts->nr_written);
	srcu_read_unlock(&mmu->srcu, idx);
}

/*
 * The interrupt that ended the guest, in the guest's time. What is traced before and behind is
 * the host's.
 */
static __always_inline void run_take_irq(struct vcpu *vcpu, const struct exit_facts *facts)
{
	hostwork_begin_sample(vcpu);
	if (facts->host_vector)
		hostwork_take_irq(facts->host_vector);
	local_irq_enable();
	/* Behind an STI one more instruction comes before any interrupt. */
	asm volatile("nop");
	local_irq_disable();
	hostwork_end_sample();
}

/*
 * One trip; true with @facts filled, false when something has to be done first. @attended
 * is constant: for others none of that is there.
 */
static __always_inline bool run_enter(struct vcpu *vcpu, struct exit_facts *facts, bool attended)
	__must_hold(&vcpu->vm->mmu.srcu)
{
	preempt_disable();
	local_irq_disable();
	vfpu_enter();
	/* Pairs with vcpu_kick(), vcpu_notify() and vm_flush_tlbs(); see the top of the file. */
	smp_store_mb(vcpu->mode, VCPU_IN_GUEST);
	if (run_must_wait(vcpu)) {
		smp_store_release(&vcpu->mode, VCPU_OUTSIDE);
		local_irq_enable();
		preempt_enable();
		return false;
	}
	if (vlapic_has_posted(vcpu))
		vlapic_collect(vcpu->apic);
	if (vcpu_take_request(vcpu, REQ_EVENT))
		events_inject(vcpu);
	if (attended && vcpu->debug.control)
		debug_before(vcpu);
	run_flush_tlb(vcpu);
	run_epoch_begin(vcpu);
	srcu_read_unlock(&vcpu->vm->mmu.srcu, vcpu->srcu_idx);

	run_guest(vcpu, facts);
	if (attended && vcpu->debug.control)
		debug_after(vcpu, facts);

	if (unlikely(facts->nr_written))
		run_note_written(vcpu, facts);
	/* Before the thread can move: the facts concern the CPU that ran the guest. */
	lockdep_assert_irqs_disabled();
	compat_guest_trained();
	run_epoch_end(vcpu);
	smp_store_release(&vcpu->mode, VCPU_OUTSIDE);
	run_take_irq(vcpu, facts);
	hostwork_end_guest_time();
	local_irq_enable();
	preempt_enable();
	vcpu->srcu_idx = srcu_read_lock(&vcpu->vm->mmu.srcu);
	return true;
}

/*
 * This CPU goes offline or the machine goes down: the thread sleeps until it is
 * moved, the CPU comes back, or a signal ends it.  Until then no request is taken, because
 * what is written to the hardware's part of the vCPU would get lost.  That its CPU goes off
 * between this look and such a write, only a machine sees that goes down: from a CPU that
 * goes offline the scheduler has moved all threads before core/cpus.c hears of it.
 */
static void run_wait_for_cpu(struct vcpu *vcpu)
	__must_hold(&vcpu->vm->mmu.srcu)
{
	srcu_read_unlock(&vcpu->vm->mmu.srcu, vcpu->srcu_idx);
	schedule_timeout_interruptible(msecs_to_jiffies(20));
	vcpu->srcu_idx = srcu_read_lock(&vcpu->vm->mmu.srcu);
}

static bool run_can_run(struct vcpu *vcpu)
{
	return vcpu->mp_state == KVM_MP_STATE_RUNNABLE;
}

/* As stock KVM: a vCPU that is held in reset is woken by whatever ends a halt. */
static bool run_is_halted(const struct vcpu *vcpu)
{
	return vcpu->mp_state == KVM_MP_STATE_HALTED ||
	       vcpu->mp_state == KVM_MP_STATE_AP_RESET_HOLD;
}

/**
 * vcpu_has_work() - is there something that ends the sleep of a vCPU?
 * @vcpu: owned; it is halted, or waits for INIT or SIPI
 *
 * What run_housekeeping() or run_wake_up() would act on, and the VM's end.
 *
 * Return: whether there is.
 */
bool vcpu_has_work(struct vcpu *vcpu)
{
	if (vlapic_has_init_sipi(vcpu) || READ_ONCE(vcpu->vm->dead))
		return true;
	if (!run_is_halted(vcpu))
		return false;
	return vlapic_timer_expired(vcpu) || events_wake(vcpu) || READ_ONCE(vcpu->pv.unhalted) ||
	       (READ_ONCE(vcpu->requests) & (BIT(REQ_SHUTDOWN) | BIT(REQ_APF)));
}

/* Wait until the vCPU has something to do or the thread is wanted elsewhere. */
static void run_sleep(struct vcpu *vcpu)
	__must_hold(&vcpu->vm->mmu.srcu)
{
	srcu_read_unlock(&vcpu->vm->mmu.srcu, vcpu->srcu_idx);
	vlapic_timer_halt(vcpu);
	vcpu_wait(vcpu, run_is_halted(vcpu));
	vlapic_timer_unhalt(vcpu);
	vcpu->srcu_idx = srcu_read_lock(&vcpu->vm->mmu.srcu);
}

/**
 * vcpu_nap() - wait as if halted, at the same instruction
 * @vcpu: owned and running; in a read section of mmu.srcu
 *
 * Until an interrupt, memory that was waited for, or something that its thread has to do.
 * Nobody sees it halted.
 */
void vcpu_nap(struct vcpu *vcpu)
	__must_hold(&vcpu->vm->mmu.srcu)
{
	/* What ends the guest's next halt is no reason to stay awake now. */
	bool unhalted = xchg(&vcpu->pv.unhalted, false);

	vcpu->mp_state = KVM_MP_STATE_HALTED;
	run_sleep(vcpu);
	vcpu->mp_state = KVM_MP_STATE_RUNNABLE;
	if (unhalted)
		WRITE_ONCE(vcpu->pv.unhalted, true);
	vcpu_request(vcpu, REQ_EVENT);
}

/* A halted vCPU goes on when an interrupt, an NMI or a request wants it to. */
static bool run_wake_up(struct vcpu *vcpu)
{
	if (!run_is_halted(vcpu) || !vcpu_has_work(vcpu))
		return false;
	WRITE_ONCE(vcpu->pv.unhalted, false);
	vcpu->mp_state = KVM_MP_STATE_RUNNABLE;
	vcpu_request(vcpu, REQ_EVENT);
	return true;
}

static enum exit_outcome run_housekeeping(struct vcpu *vcpu)
	__must_hold(&vcpu->vm->mmu.srcu)
{
	int err;

	/* First: the thread that asked takes the vCPU as it is, with all other requests pending. */
	if (vcpu_take_request(vcpu, REQ_PAUSE))
		return vcpu_fails(vcpu, -ERESTART);
	/* Before an INIT, behind which the vCPU may sleep for long. */
	if (vcpu_take_request(vcpu, REQ_IOAPIC_EOI) && run_tell_ioapic(vcpu) == OUTCOME_USER)
		return OUTCOME_USER;
	if (vcpu_take_request(vcpu, REQ_TPR_ACCESS)) {
		vlapic_report_tpr(vcpu);
		return OUTCOME_USER;
	}
	/* Before a halted vCPU sleeps, too. */
	if (vcpu_take_request(vcpu, REQ_TSC))
		vlapic_tsc_changed(vcpu);
	if (vcpu_take_request(vcpu, REQ_APF) || vcpu->pv.apf.owed)
		apf_check(vcpu);
	if (vlapic_timer_expired(vcpu))
		vlapic_timer_sync(vcpu);
	if (vlapic_has_init_sipi(vcpu))
		vcpu_accept_init_sipi(vcpu);
	if (READ_ONCE(vcpu->vm->dead))
		return vcpu_fails(vcpu, -EIO);
	if (!hostwork_pending())
		return OUTCOME_ENTER;
	srcu_read_unlock(&vcpu->vm->mmu.srcu, vcpu->srcu_idx);
	err = hostwork_do();
	vcpu->srcu_idx = srcu_read_lock(&vcpu->vm->mmu.srcu);
	return err ? vcpu_fails(vcpu, err) : OUTCOME_ENTER;
}

/*
 * Handle everything that keeps the vCPU from entering the guest. The order, where each step
 * rests on those before:
 *
 *	0. REQ_PAUSE: another thread wants the vCPU, and all that waits shall go on waiting.
 *	1. REQ_IOAPIC_EOI, REQ_TPR_ACCESS: what the guest did before an INIT, its VMM hears
 *	   before it, since behind it the vCPU may sleep for long, and runs other code.
 *	2. REQ_TSC, then REQ_APF and a timer that has expired: what they bring may end the
 *	   sleep in 5.
 *	3. INIT and SIPI, which begin or end such a sleep.
 *	4. The VM's end, signals and the host's work: a thread that is wanted does not sleep.
 *	5. Sleep, unless the vCPU can run or something wakes it; then all over again. A CPU
 *	   that is off is waited for.
 *	6. run_requests(), for a vCPU that is about to run: REQ_RING_FULL, before anything that
 *	   writes to the guest; REQ_SHUTDOWN, which leaves to user space, too; then what the
 *	   guest will find: REQ_MSR_FILTER, REQ_CLOCK_UPDATE, REQ_PDPTES; and REQ_RELOAD_ROOT,
 *	   which asks for 7's flush.
 *	7. In run_enter(), with IRQs off: REQ_EVENT, REQ_TLB_FLUSH.
 *
 * Each request that leaves to user space is taken alone: those behind it stay for the next
 * KVM_RUN.
 */
static enum exit_outcome run_prepare(struct vcpu *vcpu)
	__must_hold(&vcpu->vm->mmu.srcu)
{
	enum exit_outcome r = run_housekeeping(vcpu);

	if (r != OUTCOME_ENTER)
		return r;
	if (!run_can_run(vcpu) && !run_wake_up(vcpu)) {
		run_sleep(vcpu);
		return OUTCOME_ENTER;
	}
	if (unlikely(!cpus_here_enabled())) {
		run_wait_for_cpu(vcpu);
		return OUTCOME_ENTER;
	}
	return run_requests(vcpu);
}

/* Nearly always the injected event was delivered. */
static void run_note_delivery(struct vcpu *vcpu, const struct x86_event *cut)
{
	struct vcpu_events *ev = &vcpu->ev;

	if (unlikely(cut->type != EVENT_NONE)) {
		events_cut(vcpu, cut);
		return;
	}
	ev->exc_injected = false;
	ev->nmi_injected = false;
	ev->irq_injected = false;
}

/* @attended: constant; see run_attended(). */
static __always_inline enum exit_outcome run_trip(struct vcpu *vcpu, bool attended)
	__must_hold(&vcpu->vm->mmu.srcu)
{
	struct exit_facts *facts = &vcpu->facts;

	if (unlikely(!run_can_run(vcpu) || !run_enter(vcpu, facts, attended)))
		return run_prepare(vcpu);
	if (attended && vcpu->vapic)
		vlapic_from_vapic(vcpu);
	if (unlikely(vcpu->pv.eoi_armed))
		vlapic_take_pv_eoi(vcpu);
	run_note_delivery(vcpu, &facts->vectoring);
	return exit_handle(vcpu, facts);
}

/* Something must be looked at around each trip. */
static bool run_is_attended(const struct vcpu *vcpu)
{
	return vcpu->debug.control || vcpu->vapic || vcpu->vm->enabled.bus_lock_exits ||
	       backend->caps->restricted;
}

/* A trip of a guest that this CPU does not take. */
static enum exit_outcome run_in_software(struct vcpu *vcpu)
	__must_hold(&vcpu->vm->mmu.srcu)
{
	enum exit_outcome r;

	/* Not at rest, to steal_left(): before the look at requests, REQ_STEAL among them. */
	WRITE_ONCE(vcpu->facts.kind, EXIT_UNDEFINED);
	barrier();
	if (!run_can_run(vcpu) || run_must_wait(vcpu)) {
		WRITE_ONCE(vcpu->facts.kind, EXIT_HOST_IRQ);
		return run_prepare(vcpu);
	}
	/* In hardware this would be EXIT_TIMER. */
	if (vcpu->exit_tsc && rdtsc_ordered() >= vcpu->exit_tsc)
		vlapic_timer_exit(vcpu);
	r = software_step(vcpu);
	if (r == OUTCOME_ENTER)
		WRITE_ONCE(vcpu->facts.kind, EXIT_HOST_IRQ);	/* it is over, or begins anew */
	if (vcpu->vapic)
		vlapic_from_vapic(vcpu);
	if (unlikely(vcpu->pv.eoi_armed))
		vlapic_take_pv_eoi(vcpu);
	return r;
}

/*
 * The loop for guests that are debugged, have their TPR in memory, or whose bus locks are told,
 * and on CPUs that do not take every guest; others pay nothing.
 */
static noinline enum exit_outcome run_attended(struct vcpu *vcpu)
	__must_hold(&vcpu->vm->mmu.srcu)
{
	enum exit_outcome r;

	do {
		r = vcpu->debug.control ? debug_begin(vcpu) : OUTCOME_ENTER;
		if (r != OUTCOME_ENTER)
			break;
		if (vcpu->vapic)
			vlapic_to_vapic(vcpu);
		if (backend->caps->restricted && software_needed(vcpu))
			r = run_in_software(vcpu);
		else
			r = run_trip(vcpu, true);
		if (vcpu->debug.control)
			r = debug_end(vcpu, r);
		if (vcpu->facts.bus_lock)
			r = exit_after_bus_lock(vcpu, r);
	} while (r == OUTCOME_ENTER);
	return r;
}

static enum exit_outcome run_loop(struct vcpu *vcpu)
	__must_hold(&vcpu->vm->mmu.srcu)
{
	enum exit_outcome r;

	vcpu->run->exit_reason = KVM_EXIT_UNKNOWN;
	if (unlikely(run_is_attended(vcpu))) {
		r = run_attended(vcpu);
	} else {
		do {
			r = run_trip(vcpu, false);
		} while (r == OUTCOME_ENTER);
	}
	if (r == OUTCOME_ERROR && vcpu->error == -EINTR) {
		vcpu->run->exit_reason = KVM_EXIT_INTR;
		vcpu->counts.signals++;
	}
	return r;
}

/* Take the answer to an access that user space made for us. */
static enum exit_outcome run_complete_io(struct vcpu *vcpu)
	__must_hold(&vcpu->vm->mmu.srcu)
{
	enum exit_outcome (*complete)(struct vcpu *vcpu) = vcpu->io.complete;

	if (!complete)
		return OUTCOME_ENTER;
	if (unlikely(vcpu->io.again)) {
		vcpu_ask_again(vcpu);
		return OUTCOME_USER;
	}
	vcpu->io.complete = NULL;
	return complete(vcpu);
}

/* Fill in the members of kvm_run that the VMM reads after every KVM_RUN. */
static void run_report(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	bool if_flag = vcpu->st.rflags & X86_EFLAGS_IF;

	run->if_flag = if_flag;
	run->flags = 0;
	if (unlikely(vcpu->facts.bus_lock)) {
		run->flags = KVM_RUN_X86_BUS_LOCK;
		vcpu->facts.bus_lock = false;
	}
	run->cr8 = vcpu->st.cr8;
	run->apic_base = vcpu->msr.apic_base;
	run->ready_for_interrupt_injection = !vcpu->user_pic ||
		(if_flag && vlapic_accepts_pic(vcpu) && !vcpu->st.shadow && vcpu->ev.user_irq < 0 &&
		 !vcpu->ev.irq_injected && !vcpu->ev.exc_pending);
}

static int run_with_fpu(struct vcpu *vcpu)
{
	enum exit_outcome r;

	vfpu_load(vcpu);
	vcpu->srcu_idx = srcu_read_lock(&vcpu->vm->mmu.srcu);
	if (unlikely(vcpu->pv.apf.owed))
		vcpu_request(vcpu, REQ_APF);
	r = run_complete_io(vcpu);
	if (r == OUTCOME_ENTER)
		r = compat_immediate_exit(vcpu->run) ? vcpu_fails(vcpu, -EINTR) : run_loop(vcpu);
	srcu_read_unlock(&vcpu->vm->mmu.srcu, vcpu->srcu_idx);
	vfpu_put(vcpu);
	return r == OUTCOME_ERROR ? vcpu->error : 0;
}

/**
 * vcpu_run() - KVM_RUN
 * @vcpu: owned by the caller and loaded
 *
 * The exit reason is of the last KVM_RUN that got as far as the loop: one that immediate_exit
 * ends, or that is refused, leaves it to the VMM, which may still have to act on it.
 *
 * Return: 0 with vcpu->run filled; -EINTR for a signal or immediate_exit; -EAGAIN after a
 * wait for SIPI was interrupted by one; -EFAULT when a gpa's memory is not there; -ENOMEM;
 * -EINVAL for a cr8 that is none, or for registers in kvm_run that the vCPU cannot have; -EIO
 * when the VM is dead; -ERESTART, which is no result of KVM_RUN: REQ_PAUSE was taken.
 */
int vcpu_run(struct vcpu *vcpu)
{
	bool syncs = sync_regs_asked(vcpu);
	int err;

	if (unlikely(syncs)) {
		err = sync_regs_in(vcpu);
		if (err)
			return err;
	}
	if (unlikely(vcpu->user_pic)) {
		if (!vcpu->apic && cr_set_cr8(vcpu, READ_ONCE(vcpu->run->cr8)))
			return -EINVAL;
		/*
		 * The VMM may request the interrupt window, or no longer request it, at
		 * each KVM_RUN.
		 */
		vcpu_request(vcpu, REQ_EVENT);
	}
	err = run_with_fpu(vcpu);
	run_report(vcpu);
	if (unlikely(syncs))
		sync_regs_out(vcpu);
	return err;
}
