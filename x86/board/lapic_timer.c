// SPDX-License-Identifier: GPL-2.0-only
/*
 * The local APIC's timer: one-shot, periodic and TSC-deadline (SDM 11.5.4).
 *
 * All state is the owner's.  The hrtimer's handler, which runs in a hard
 * interrupt, only notes that it fired and kicks; the owner raises the interrupt
 * and arms the next period on its way into the guest.  So a periodic timer has
 * at most one tick pending, ticks that nobody could take are lost, and a vCPU
 * that does not run costs the host nothing.
 *
 * Where the CPU itself can leave the guest at a time (backend_caps.timer), it needs
 * no hrtimer: vcpu->exit_tsc says when, and an expiry is seen by comparing it with
 * the TSC.  Only while the vCPU is halted does the hrtimer run instead.
 */
#include <linux/hrtimer.h>
#include <linux/math64.h>
#include <asm/msr.h>
#include <asm/tsc.h>

#include "compat.h"
#include "x86/board/irqchip_priv.h"
#include "x86/board/lapic_priv.h"
#include "x86/board/lapic_timer.h"
#include "x86/machine/vm.h"

#define LVT_TIMER_MODE	(3u << 17)

/* The timer's input runs at 1 GHz, as KVM's. */
/* Deadlines further away than this (34 years) are never reached. */
#define NEVER_NS	BIT_ULL(60)

static u32 timer_mode(const struct vlapic *apic)
{
	return vlapic_lvt(apic, VLAPIC_LVT_TIMER) & LVT_TIMER_MODE;
}

/* As the VMM says, or that of KVM: 1 GHz. */
static u64 bus_tick_ns(const struct vlapic *apic)
{
	return apic->vcpu->vm->enabled.apic_bus_ns ?: 1;
}

static bool counts_bus_ticks(u32 mode)
{
	return mode == APIC_LVT_TIMER_ONESHOT || mode == APIC_LVT_TIMER_PERIODIC;
}

static enum hrtimer_restart timer_fired(struct hrtimer *hrtimer)
{
	struct vlapic *apic = container_of(hrtimer, struct vlapic, timer.hrtimer);

	WRITE_ONCE(apic->timer.expired, 1);
	vcpu_request(apic->vcpu, REQ_EVENT);
	vcpu_kick(apic->vcpu);
	return HRTIMER_NORESTART;
}

/**
 * vlapic_timer_init() - prepare the timer
 * @apic: whose; nobody else knows it yet
 */
void vlapic_timer_init(struct vlapic *apic)
{
	hrtimer_setup(&apic->timer.hrtimer, timer_fired, CLOCK_MONOTONIC,
		      HRTIMER_MODE_ABS_PINNED_HARD);
}

/* A frozen machine's stands. */
static u64 timer_now(const struct vlapic *apic)
{
	const struct vm *vm = apic->vcpu->vm;

	return unlikely(READ_ONCE(vm->frozen)) ? vm->frozen_at.ns : ktime_get_ns();
}

static void start_hrtimer(struct vlapic_timer *timer)
{
	hrtimer_start(&timer->hrtimer, ns_to_ktime(timer->target), HRTIMER_MODE_ABS_PINNED_HARD);
}

static void timer_arm(struct vlapic *apic, u64 now)
{
	struct vlapic_timer *timer = &apic->timer;

	if (unlikely(READ_ONCE(apic->vcpu->vm->frozen)))
		return;		/* vlapic_timer_resume() comes here again */
	if (apic->cpu_times && !check_tsc_unstable())
		apic->vcpu->exit_tsc = rdtsc_ordered() +
			mul_u64_u32_div(max(timer->target, now) - now, tsc_khz, NSEC_PER_MSEC);
	else
		start_hrtimer(timer);
}

/* Is an expiry to be taken? */
static bool has_expired(const struct vlapic *apic)
{
	u64 tsc = apic->vcpu->exit_tsc;

	return READ_ONCE(apic->timer.expired) || (tsc && rdtsc_ordered() >= tsc);
}

static bool take_expired(struct vlapic *apic)
{
	if (!has_expired(apic))
		return false;
	apic->vcpu->exit_tsc = 0;
	xchg(&apic->timer.expired, 0);
	return true;
}

/**
 * vlapic_timer_halt() - the vCPU is about to sleep
 * @vcpu: owned by the caller; process context
 */
void vlapic_timer_halt(struct vcpu *vcpu)
{
	if (vcpu->exit_tsc)
		start_hrtimer(&vcpu->apic->timer);
}

/**
 * vlapic_timer_unhalt() - it no longer does
 * @vcpu: owned by the caller; process context
 */
void vlapic_timer_unhalt(struct vcpu *vcpu)
{
	if (vcpu->exit_tsc)
		hrtimer_cancel(&vcpu->apic->timer.hrtimer);
}

/**
 * vlapic_timer_exit() - the CPU left the guest because of the time
 * @vcpu: owned by the caller; process context
 *
 * The CPU also exits so from time to time (watchdog). That is often enough to notice a TSC
 * that has fallen back, as it does over a sleep of the host.
 */
void vlapic_timer_exit(struct vcpu *vcpu)
{
	if (!vcpu->exit_tsc)
		return;
	if (!has_expired(vcpu->apic) &&
	    ktime_get_ns() > vcpu->apic->timer.target + NSEC_PER_MSEC)
		WRITE_ONCE(vcpu->apic->timer.expired, 1);
	vlapic_timer_sync(vcpu);
}

/**
 * vlapic_timer_stop() - the timer does not run any more
 * @apic: whose
 *
 * Owner; process context.  An expiry that nobody has seen becomes an interrupt
 * now, because the guest's stop came after it.
 */
void vlapic_timer_stop(struct vlapic *apic)
{
	struct vlapic_timer *timer = &apic->timer;
	bool expired;

	hrtimer_cancel(&timer->hrtimer);
	expired = take_expired(apic);
	apic->vcpu->exit_tsc = 0;
	timer->target = 0;
	timer->period = 0;
	timer->deadline = 0;
	if (expired)
		vlapic_deliver_lvt(apic, VLAPIC_LVT_TIMER);
}

/**
 * vlapic_timer_forget() - vlapic_timer_stop(), but what has expired becomes no interrupt
 * @apic: whose
 *
 * Owner; process context.
 */
void vlapic_timer_forget(struct vlapic *apic)
{
	hrtimer_cancel(&apic->timer.hrtimer);
	take_expired(apic);
	apic->vcpu->exit_tsc = 0;
}

/**
 * vlapic_timer_divide() - what a divide configuration divides by
 * @tdcr: the register: bits 3, 1 and 0 count
 *
 * SDM figure 11-10.
 *
 * Return: the divisor, 1 to 128.
 */
u64 vlapic_timer_divide(u32 tdcr)
{
	u32 code = (tdcr & 3) | (tdcr & 8) >> 1;

	return 1ull << ((code + 1) & 7);
}

/**
 * vlapic_timer_remaining() - time until the timer reaches 0 next
 * @target: when it fires, or fired last; in ns
 * @period: between two expiries, or 0
 * @now: present time
 *
 * Return: nanoseconds; 0 for a timer that has fired and is not periodic.
 */
u64 vlapic_timer_remaining(u64 target, u64 period, u64 now)
{
	u64 late;

	if (now < target)
		return target - now;
	if (!period)
		return 0;
	div64_u64_rem(now - target, period, &late);
	return period - late;
}

/**
 * vlapic_tsc_to_ns() - how long a guest's TSC takes to advance
 * @delta: TSC ticks
 * @tsc_khz: the guest's TSC frequency
 *
 * Rounds up, and saturates.
 *
 * Return: nanoseconds.
 */
u64 vlapic_tsc_to_ns(u64 delta, u32 tsc_khz)
{
	if (!tsc_khz || delta / tsc_khz >= NEVER_NS / NSEC_PER_MSEC)
		return NEVER_NS;
	return mul_u64_u32_div(delta, NSEC_PER_MSEC, tsc_khz) + 1;
}

/**
 * vlapic_timer_ns() - how long the timer takes for a count
 * @apic: whose divide configuration applies
 * @count: of the timer
 *
 * Return: nanoseconds, so few that a time which they are added to does not wrap.
 */
u64 vlapic_timer_ns(const struct vlapic *apic, u32 count)
{
	u64 ns = count * vlapic_timer_divide(vlapic_get(apic, APIC_TDCR)) * bus_tick_ns(apic);

	return min(ns, NEVER_NS);
}

/**
 * vlapic_timer_count() - the current-count register
 * @apic: whose
 *
 * Owner.
 *
 * Return: the register's value.
 */
u32 vlapic_timer_count(struct vlapic *apic)
{
	struct vlapic_timer *timer = &apic->timer;
	u64 left, tick = vlapic_timer_divide(vlapic_get(apic, APIC_TDCR)) * bus_tick_ns(apic);

	if (!timer->target || timer->deadline)
		return 0;
	left = vlapic_timer_remaining(timer->target, timer->period, timer_now(apic));
	return min_t(u64, DIV64_U64_ROUND_UP(left, tick), vlapic_get(apic, APIC_TMICT));
}

static u64 period_ns(const struct vlapic *apic)
{
	if (timer_mode(apic) != APIC_LVT_TIMER_PERIODIC)
		return 0;
	return max(vlapic_timer_ns(apic, vlapic_get(apic, APIC_TMICT)), irqchip_min_period_ns());
}

/**
 * vlapic_timer_start() - begin to count down
 * @apic: whose; in one-shot or periodic mode
 * @first_ns: time to the first expiry
 *
 * Owner; process context.
 */
void vlapic_timer_start(struct vlapic *apic, u64 first_ns)
{
	struct vlapic_timer *timer = &apic->timer;
	u64 now;

	vlapic_timer_stop(apic);
	now = timer_now(apic);
	timer->period = period_ns(apic);
	timer->target = now + first_ns;
	timer_arm(apic, now);
}

/**
 * vlapic_timer_set_initial() - write the initial-count register
 * @apic: whose
 * @val: 0 stops the timer
 *
 * Owner; process context.  Without effect in TSC-deadline mode (SDM 11.5.4.1).
 */
void vlapic_timer_set_initial(struct vlapic *apic, u32 val)
{
	if (!counts_bus_ticks(timer_mode(apic)))
		return;
	vlapic_timer_stop(apic);
	vlapic_put(apic, APIC_TMICT, val);
	if (val)
		vlapic_timer_start(apic, max(vlapic_timer_ns(apic, val), period_ns(apic)));
}

/**
 * vlapic_timer_set_divide() - write the divide-configuration register
 * @apic: whose
 * @val: new value; a running count goes on from where it is
 *
 * Owner; process context.
 */
void vlapic_timer_set_divide(struct vlapic *apic, u32 val)
{
	u32 count = vlapic_timer_count(apic);

	vlapic_put(apic, APIC_TDCR, val & 0xb);
	if (count)
		vlapic_timer_start(apic, vlapic_timer_ns(apic, count));
}

/**
 * vlapic_timer_set_lvt() - write the timer's LVT entry
 * @apic: whose
 * @val: valid
 *
 * Owner; process context.  Going to or from TSC-deadline mode disarms the
 * timer (SDM 11.5.4.1).
 */
void vlapic_timer_set_lvt(struct vlapic *apic, u32 val)
{
	u32 old = timer_mode(apic), mode = val & LVT_TIMER_MODE;

	/* What expired until now goes by the old entry: masked, it is lost. */
	vlapic_timer_sync(apic->vcpu);
	if (mode != old && !(counts_bus_ticks(mode) && counts_bus_ticks(old))) {
		vlapic_timer_stop(apic);
		vlapic_put(apic, APIC_TMICT, 0);
	}
	vlapic_put(apic, APIC_LVTT, val);
	if (mode != old && apic->timer.target)
		apic->timer.period = period_ns(apic);
}

/**
 * vlapic_timer_get_deadline() - read MSR_IA32_TSC_DEADLINE
 * @apic: whose
 *
 * Return: the MSR's value; 0 once the deadline has passed.
 */
u64 vlapic_timer_get_deadline(struct vlapic *apic)
{
	return has_expired(apic) ? 0 : apic->timer.deadline;
}

/**
 * vlapic_timer_set_deadline() - write MSR_IA32_TSC_DEADLINE
 * @apic: whose
 * @deadline: in the guest's TSC; 0 disarms
 *
 * Owner; process context.  Without effect in the other modes.
 */
void vlapic_timer_set_deadline(struct vlapic *apic, u64 deadline)
{
	struct vlapic_timer *timer = &apic->timer;
	u64 now, tsc, wait = 0;

	if (timer_mode(apic) != APIC_LVT_TIMER_TSCDEADLINE)
		return;
	vlapic_timer_stop(apic);
	if (!deadline)
		return;
	now = timer_now(apic);
	tsc = vcpu_tsc(apic->vcpu);
	if (deadline > tsc)
		wait = vlapic_tsc_to_ns(deadline - tsc, apic->vcpu->clock.tsc_khz);
	timer->deadline = deadline;
	timer->target = now + wait;
	timer_arm(apic, now);
}

/**
 * vlapic_timer_sync() - turn an expiry into an interrupt
 * @vcpu: owned by the caller
 *
 * Arms a periodic timer for the next whole period.  Call when REQ_EVENT was
 * taken; interrupts may be off.
 *
 * Owner only, and before board_has_irq().
 */
void vlapic_timer_sync(struct vcpu *vcpu)
{
	struct vlapic *apic = vcpu->apic;
	struct vlapic_timer *timer;
	u64 now;

	if (!apic || !take_expired(apic))
		return;
	timer = &apic->timer;
	if (timer->period) {
		/* By the TSC it may be over a little sooner. */
		now = max(ktime_get_ns(), timer->target);
		timer->target = now + vlapic_timer_remaining(timer->target, timer->period, now);
		timer_arm(apic, now);
	} else {
		timer->target = 0;
		timer->deadline = 0;
	}
	vlapic_deliver_lvt(apic, VLAPIC_LVT_TIMER);
}

/**
 * vlapic_tsc_changed() - REQ_TSC: the guest's TSC, or the host's, jumped or changed its pace
 * @vcpu: owned by the caller; process context
 */
void vlapic_tsc_changed(struct vcpu *vcpu)
{
	struct vlapic *apic = vcpu->apic;

	if (!apic)
		return;
	if (vlapic_timer_get_deadline(apic))
		vlapic_timer_set_deadline(apic, apic->timer.deadline);
	else if (vcpu->exit_tsc)
		timer_arm(apic, ktime_get_ns());
}

/**
 * vlapic_timer_move() - the timer fires so much later
 * @vcpu: nobody sees it yet, or it is owned; its timer is not armed
 * @ns: by how much
 */
void vlapic_timer_move(struct vcpu *vcpu, u64 ns)
{
	if (vcpu->apic && vcpu->apic->timer.target)
		vcpu->apic->timer.target += ns;
}

/**
 * vlapic_timer_resume() - arm a copied timer
 * @vcpu: after vlapic_copy(), with its TSC; nobody sees it yet, or it is owned
 *
 * Does nothing when it does not run.
 */
void vlapic_timer_resume(struct vcpu *vcpu)
{
	struct vlapic *apic = vcpu->apic;

	if (!apic || !apic->timer.target)
		return;
	if (apic->timer.deadline)
		vlapic_timer_set_deadline(apic, apic->timer.deadline);
	else
		timer_arm(apic, ktime_get_ns());
}
