/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the host kernel wants of a thread that enters and leaves a guest:
 * accounting, context tracking, and work that waits for the way to user mode.
 *
 * The order, IRQs off: hostwork_begin_guest_time(); hostwork_enter_guest(), the
 * entry and hostwork_leave_guest(), back to back in noinstr code; the NMI or interrupt that
 * ended the guest is taken, each between hostwork_begin_sample() and hostwork_end_sample();
 * hostwork_end_guest_time().
 */
#ifndef DITTO_CPU_HOSTWORK_H
#define DITTO_CPU_HOSTWORK_H

#include <linux/context_tracking.h>
#include <linux/instrumentation.h>
#include <linux/irqflags.h>
#include <linux/jiffies.h>
#include <linux/mm_types.h>
#include <linux/percpu.h>
#include <linux/sched.h>
#include <linux/vtime.h>
#include <asm/asm.h>
#include <asm/msr.h>
#include <asm/segment.h>

#include "compat.h"

struct vcpu;

DECLARE_PER_CPU(unsigned long, hostwork_jiffies);
/* The vCPU that what is handled here came out of, or NULL. */
DECLARE_PER_CPU(const struct vcpu *, hostwork_sampled);

int hostwork_init(void);
void hostwork_exit(void);
int hostwork_do(void);
void hostwork_machine_check(void);
void hostwork_take_irq(u8 vector);
struct perf_guest_switch_msr *hostwork_counters(int *nr);

/**
 * hostwork_pending() - must hostwork_do() run before the next entry?
 *
 * With IRQs off the answer holds until they are on again; with IRQs on it is a
 * hint, which the kernel's checked variant of this test would warn of.
 *
 * Return: whether it must.
 */
static __always_inline bool hostwork_pending(void)
{
	return __xfer_to_guest_mode_work_pending();
}

/* The time from here on is the guest's. */
static __always_inline void hostwork_begin_guest_time(void)
{
	vtime_account_guest_enter();
}

static __always_inline void hostwork_end_guest_time(void)
{
	vtime_account_guest_exit();
}

/*
 * Running a guest is a quiescent state, as user mode is.  Where no context
 * tracking says so for us, RCU is told once in each tick: it asks no CPU more
 * often, and in more of a hurry it interrupts the guest.
 */
static __always_inline void hostwork_tell_rcu(void)
{
	unsigned long now = READ_ONCE(jiffies);

	if (likely(raw_cpu_read(hostwork_jiffies) == now))
		return;
	instrumentation_begin();
	raw_cpu_write(hostwork_jiffies, now);
	compat_rcu_note_guest();
	instrumentation_end();
}

/* DEBUGCTL of this CPU.  Each KVM_RUN or entry reads it, so without a call. */
static __always_inline u64 hostwork_debugctl(void)
{
	return __rdmsr(MSR_IA32_DEBUGCTLMSR);
}

/**
 * hostwork_load_ldt() - the LDT is the thread's again, where an exit from a guest left none
 *
 * Preemption off.  Another thread of the process may have changed it meanwhile, or given
 * the process its first: this CPU's GDT names the present one, or will before any code
 * in user mode runs, by an interrupt that is on its way and loads it again.  Until then
 * there may be nothing in the GDT.
 */
static __always_inline void hostwork_load_ldt(void)
{
#ifdef CONFIG_MODIFY_LDT_SYSCALL
	if (unlikely(READ_ONCE(current->active_mm->context.ldt)))
		asm volatile("1: lldt %w0\n2:\n" _ASM_EXTABLE(1b, 2b)
			     : : "r" (GDT_ENTRY_LDT * 8));
#endif
}

/**
 * hostwork_enter_guest() - the guest runs from here
 *
 * RCU may look away and tracing must not happen until hostwork_leave_guest().
 */
static __always_inline void hostwork_enter_guest(void)
{
	instrumentation_begin();
	trace_hardirqs_on_prepare();
	lockdep_hardirqs_on_prepare();
	instrumentation_end();
	if (!context_tracking_guest_enter())
		hostwork_tell_rcu();
	lockdep_hardirqs_on(CALLER_ADDR0);
}

/**
 * hostwork_begin_sample() - interrupts and NMIs from here on came out of this guest
 * @vcpu: it ran on this CPU last, and its state is in the hardware
 *
 * IRQs off, until hostwork_end_sample(); between the two they are let in.
 */
static __always_inline void hostwork_begin_sample(const struct vcpu *vcpu)
{
	raw_cpu_write(hostwork_sampled, vcpu);
}

static __always_inline void hostwork_end_sample(void)
{
	raw_cpu_write(hostwork_sampled, NULL);
}

/**
 * hostwork_leave_guest() - the host runs again
 */
static __always_inline void hostwork_leave_guest(void)
{
	lockdep_hardirqs_off(CALLER_ADDR0);
	context_tracking_guest_exit();
	instrumentation_begin();
	trace_hardirqs_off_finish();
	instrumentation_end();
}

#endif
