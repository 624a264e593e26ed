/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guest time: what a VM and a vCPU know of it. cpu/clock.c sets it.
 */
#ifndef DITTO_MACHINE_CLOCK_H
#define DITTO_MACHINE_CLOCK_H

#include <linux/math64.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <asm/msr.h>

/* A guest TSC is (host TSC * ratio) >> TSC_RATIO_SHIFT, plus its offset. */
#define TSC_RATIO_SHIFT	32
#define TSC_RATIO_ONE	(1ULL << TSC_RATIO_SHIFT)

/**
 * struct vm_clock - time of a VM
 * @lock: all members; innermost
 * @tsc_khz: frequency that new vCPUs get
 * @base_tsc: host TSC, as clock.c counts it, at which the kvmclock read @base_ns
 * @base_ns: every vCPU's page is computed from this one pair, so that their
 *	clocks agree exactly
 * @stable: the kvmclock follows the host's TSC; once false, it stays so
 * @boot_offset: kvmclock minus host boottime, ns; followed when not @stable
 * @tsc_written: a TSC was set since creation: the three below are valid
 * @tsc_by_vmm: the VMM set one to other than 0
 * @last_tsc: the value that was set last
 * @last_ns: when, host boottime
 * @last_offset: the offset that it gave
 * @last_khz: and the frequency of that vCPU
 */
struct vm_clock {
	spinlock_t lock;
	u32 tsc_khz;
	u64 base_tsc, base_ns;
	bool stable;
	s64 boot_offset;
	bool tsc_written, tsc_by_vmm;
	u64 last_tsc, last_ns, last_offset;
	u32 last_khz;
};

/**
 * struct vcpu_clock - time of a vCPU; owner
 * @tsc_khz: its TSC frequency
 * @tsc_ratio: to the host's, TSC_RATIO_ONE when the same; the backend loads it
 *	where the hardware scales
 * @tsc_offset: guest TSC minus the host's, scaled, as clock.c counts that
 * @shift: of the host's TSC that st.tsc_offset takes into account
 * @system_time_msr: MSR_KVM_SYSTEM_TIME_NEW as written, bit 0 enables
 * @wall_clock_msr: MSR_KVM_WALL_CLOCK_NEW as written
 * @version: of the page that @system_time_msr points at
 * @guest_stopped: KVM_KVMCLOCK_CTRL was called: say it in the page
 */
struct vcpu_clock {
	u32 tsc_khz;
	u64 tsc_ratio;
	u64 tsc_offset;
	u64 shift;
	u64 system_time_msr;
	u64 wall_clock_msr;
	u32 version;
	bool guest_stopped;
};

/**
 * struct clock_instant - an instant of the host's, or what lies between two
 * @tsc: host TSC, as clock.c counts it
 * @ns: CLOCK_MONOTONIC
 */
struct clock_instant {
	u64 tsc, ns;
};

/* What the hardware's TSC lacks, see cpu/clock.c; changes while nothing else runs. */
extern u64 clock_shift;

/* The host has slept since st.tsc_offset was computed. */
static inline bool clock_shifted(const struct vcpu_clock *c)
{
	return c->shift != READ_ONCE(clock_shift);
}

/* The host's TSC, that does not fall back. */
static inline u64 clock_host_tsc(void)
{
	return rdtsc_ordered() + READ_ONCE(clock_shift);
}

/* As many ticks of the host's TSC in ticks of the guest's. */
static inline u64 clock_scaled(const struct vcpu_clock *c, u64 host_tsc)
{
	if (likely(c->tsc_ratio == TSC_RATIO_ONE))
		return host_tsc;
	return mul_u64_u64_shr(host_tsc, c->tsc_ratio, TSC_RATIO_SHIFT);
}

#endif
