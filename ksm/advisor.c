// SPDX-License-Identifier: GPL-2.0-only
/*
 * The advisor: sets pages_to_scan such that a round over all that has changed takes a certain
 * time, and the engine no more than a certain part of a CPU. Names and meanings are those of
 * the kernel's own advisor "scan-time". What it adapts to here is the rate at which guests
 * write, since pages that were not written are no work.
 *
 * It is asked at the end of each round: a round that took twice as long as it should have
 * doubles the pages, but one odd round must not, so the new number is mostly the old one.
 */
#include <linux/math64.h>
#include <linux/minmax.h>

#include "ksm/internal.h"

/* How much of the new number is new, in percent. */
#define NEW_PERCENT	30

/* The number at which the engine would be busy for just as long as it may be. */
static u64 most_by_cpu(u64 pages, u64 round_nsecs, u64 busy_nsecs)
{
	u64 may = div_u64(round_nsecs, 100) * READ_ONCE(merge_knobs.advisor.max_cpu);

	return mul_u64_u64_div_u64(pages, may, max(busy_nsecs, 1ULL));
}

/**
 * merge_advise() - a round has ended
 * @round_nsecs: how long it took, sleeps and all
 * @busy_nsecs: how long of that the engine was at work
 *
 * Called with merge_knobs.lock held.
 */
void merge_advise(u64 round_nsecs, u64 busy_nsecs)
{
	const struct merge_advisor *a = &merge_knobs.advisor;
	u64 target = (u64)max(READ_ONCE(a->target_secs), 1U) * NSEC_PER_SEC;
	u64 old = max(READ_ONCE(merge_knobs.pages_to_scan), 1U), new;

	if (!READ_ONCE(a->on))
		return;
	new = mul_u64_u64_div_u64(old, round_nsecs, target);
	new = div_u64(old * (100 - NEW_PERCENT) + min(new, (u64)U32_MAX) * NEW_PERCENT + 50, 100);
	new = min(new, most_by_cpu(old, round_nsecs, busy_nsecs));
	new = clamp(new, (u64)READ_ONCE(a->min_pages), (u64)READ_ONCE(a->max_pages));
	WRITE_ONCE(merge_knobs.pages_to_scan, new);
}
