// SPDX-License-Identifier: GPL-2.0-only
/*
 * The wait of a halted vCPU: it polls for a while and then sleeps, because what ends most
 * halts comes soon, and a sleep and a wake-up cost more than that.
 *
 * How long it polls follows from how long its halts were. One that a longer poll would have
 * covered makes the next poll longer, up to a limit; one that was longer than the limit makes
 * it shorter. So who sleeps for long does not poll at all.
 */
#include <linux/ktime.h>
#include <linux/log2.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/sched/stat.h>

#include "x86/cpu/hostwork.h"
#include "x86/machine/vm.h"
#include "x86/run/halt.h"
#include "x86/run/run.h"

static unsigned int halt_poll_ns = 200000;
module_param(halt_poll_ns, uint, 0644);
MODULE_PARM_DESC(halt_poll_ns, "how long a halted vCPU polls at most before it sleeps; 0: never");

static unsigned int halt_poll_ns_grow = 2;
module_param(halt_poll_ns_grow, uint, 0644);
MODULE_PARM_DESC(halt_poll_ns_grow,
		 "a poll that was too short becomes as many times as long; 0: never longer");

static unsigned int halt_poll_ns_grow_start = 10000;
module_param(halt_poll_ns_grow_start, uint, 0644);
MODULE_PARM_DESC(halt_poll_ns_grow_start, "the shortest poll");

static unsigned int halt_poll_ns_shrink = 2;
module_param(halt_poll_ns_shrink, uint, 0644);
MODULE_PARM_DESC(halt_poll_ns_shrink, "a poll in vain becomes as many times as short; 0: none");

static u32 halt_max_ns(const struct vm *vm)
{
	/* Pairs with the release in enable_halt_poll(). */
	if (smp_load_acquire(&vm->enabled.halt_poll_set))
		return READ_ONCE(vm->enabled.halt_poll_ns);
	return READ_ONCE(halt_poll_ns);
}

static u32 halt_grow(u32 poll_ns)
{
	u64 grow = READ_ONCE(halt_poll_ns_grow);

	if (!grow)
		return poll_ns;
	return min_t(u64, max_t(u64, poll_ns * grow, READ_ONCE(halt_poll_ns_grow_start)), U32_MAX);
}

static u32 halt_shrink(u32 poll_ns)
{
	u32 shrink = READ_ONCE(halt_poll_ns_shrink);

	poll_ns = shrink ? poll_ns / shrink : 0;
	return poll_ns < READ_ONCE(halt_poll_ns_grow_start) ? 0 : poll_ns;
}

/**
 * halt_next_poll() - how long the next halt polls
 * @poll_ns: how long this one polled, or would have
 * @max_ns: the limit
 * @waited_ns: how long it took
 * @wanted: it ended for something that the guest wants
 *
 * Return: nanoseconds. More than the limit is cut by the next wait.
 */
u32 halt_next_poll(u32 poll_ns, u32 max_ns, u64 waited_ns, bool wanted)
{
	if (!wanted)
		return halt_shrink(poll_ns);
	if (!max_ns)
		return 0;
	if (waited_ns <= poll_ns)
		return poll_ns;
	if (waited_ns > max_ns)
		return halt_shrink(poll_ns);
	return poll_ns < max_ns && waited_ns < max_ns ? halt_grow(poll_ns) : poll_ns;
}

static bool halt_ends(struct vcpu *vcpu)
{
	return vcpu_has_work(vcpu) || hostwork_pending() ||
	       (READ_ONCE(vcpu->requests) & BIT(REQ_PAUSE));
}

static void halt_count(u64 *hist, u64 ns)
{
	hist[min_t(unsigned int, ns ? ilog2(ns) + 1 : 0, HALT_BUCKETS - 1)]++;
}

/* True when something came. */
static bool halt_poll(struct vcpu *vcpu, u64 start, u64 *now)
{
	u64 stop = start + vcpu->halt.poll_ns;

	do {
		if (halt_ends(vcpu))
			return true;
		cpu_relax();
		*now = ktime_get_ns();
	} while (single_task_running() && !need_resched() && *now < stop);
	return false;
}

/* False when there was no need to. */
static bool halt_sleep(struct vcpu *vcpu)
{
	bool slept = false;

	vcpu->halt.blocking = 1;
	prepare_to_rcuwait(&vcpu->wait);
	for (;;) {
		set_current_state(TASK_INTERRUPTIBLE);
		if (halt_ends(vcpu))
			break;
		slept = true;
		schedule();
	}
	finish_rcuwait(&vcpu->wait);
	vcpu->halt.blocking = 0;
	return slept;
}

static void halt_note_poll(struct vcpu_halt *h, u64 ns, bool success, bool wanted)
{
	h->attempted++;
	h->successful += success;
	h->invalid += success && !wanted;
	*(success ? &h->success_ns : &h->fail_ns) += ns;
	halt_count(success ? h->success_hist : h->fail_hist, ns);
}

/* As vcpu_wait(), where it may poll. */
static void halt_wait(struct vcpu *vcpu)
{
	struct vcpu_halt *h = &vcpu->halt;
	u64 start = ktime_get_ns(), polled = start, end;
	bool poll, slept = false, wanted;

	h->poll_ns = min(h->poll_ns, halt_max_ns(vcpu->vm));
	poll = h->poll_ns;
	if (!poll || !halt_poll(vcpu, start, &polled))
		slept = halt_sleep(vcpu);
	end = slept ? ktime_get_ns() : polled;
	if (slept) {
		h->wait_ns += end - polled;
		halt_count(h->wait_hist, end - polled);
	}
	wanted = vcpu_has_work(vcpu);
	h->wakeups += slept && wanted;
	if (poll)
		halt_note_poll(h, polled - start, !slept, wanted);
	h->poll_ns = halt_next_poll(h->poll_ns, halt_max_ns(vcpu->vm), end - start, wanted);
}

/**
 * vcpu_wait() - wait until a vCPU has something to do, or its thread is wanted elsewhere
 * @vcpu: owned; not in a read section of mmu.srcu
 * @may_poll: it is halted, and not waiting to be started
 *
 * The guest may ask not to poll, because it has done so itself.
 */
void vcpu_wait(struct vcpu *vcpu, bool may_poll)
{
	if (may_poll && (vcpu->pv.poll_control & 1))
		halt_wait(vcpu);
	else
		halt_sleep(vcpu);
}
