/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How a halted vCPU waits. The waiting itself is run/halt.c's.
 */
#ifndef DITTO_MACHINE_HALT_H
#define DITTO_MACHINE_HALT_H

#include <linux/types.h>

#define HALT_BUCKETS	32	/* of histograms: bucket n has less than 2^n ns */

/**
 * struct vcpu_halt - waits of a vCPU; written by the owner, counters are read at any time
 * @poll_ns: how long the next one polls before it sleeps
 * @attempted: waits that polled
 * @successful: those that ended before the thread slept
 * @invalid: those of them that ended for nothing the guest wants
 * @wakeups: sleeps that ended for something that the guest wants
 * @success_ns: time spent in successful polls
 * @fail_ns: time spent in others
 * @wait_ns: time slept
 * @success_hist: how long successful polls took
 * @fail_hist: how long others took
 * @wait_hist: how long the thread slept
 * @blocking: asleep now
 */
struct vcpu_halt {
	u32 poll_ns;
	u64 attempted, successful, invalid, wakeups;
	u64 success_ns, fail_ns, wait_ns;
	u64 success_hist[HALT_BUCKETS], fail_hist[HALT_BUCKETS], wait_hist[HALT_BUCKETS];
	u64 blocking;
};

#endif
