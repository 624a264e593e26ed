/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guest time: the TSC and KVM's paravirtual clock.
 */
#ifndef DITTO_X86_CLOCK_H
#define DITTO_X86_CLOCK_H

#include <linux/kvm.h>
#include <linux/kvm_types.h>
#include <linux/spinlock.h>
#include <linux/types.h>

struct pvclock_vcpu_time_info;
struct vcpu;
struct vm;

/* What KVM_CHECK_EXTENSION says of KVM_CAP_ADJUST_CLOCK. */
#define CLOCK_FLAGS	(KVM_CLOCK_TSC_STABLE | KVM_CLOCK_REALTIME | KVM_CLOCK_HOST_TSC)

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

/* The host sleeps and wakes up; the last CPU, IRQs off. */
void clock_suspend(void);
void clock_resume(void);
void clock_slept(u64 before, u64 slept_ns);
u64 clock_gap(u64 before, u64 now, u64 slept_ns, u32 khz);

void vm_clock_init(struct vm *vm);
/* The host's TSC cannot be relied on any more. Process context. */
void vm_clock_unstable(struct vm *vm);
void vcpu_clock_init(struct vcpu *vcpu);
/* The TSC as the guest reads it at this instant. */
u64 vcpu_tsc(struct vcpu *vcpu);
/* The guest writes its TSC. */
void vcpu_set_tsc(struct vcpu *vcpu, u64 tsc);
/* The VMM writes it: values that look like one clock become one clock. */
void vcpu_sync_tsc(struct vcpu *vcpu, u64 tsc);
void vcpu_sync_tsc_at(struct vcpu *vcpu, u64 tsc, u64 host_tsc, u64 ns);
/* The vCPU is being loaded; @moved: on another CPU than before. */
void vcpu_clock_load(struct vcpu *vcpu, bool moved);
void vcpu_time_info(struct vcpu *vcpu, struct pvclock_vcpu_time_info *info);
/* REQ_CLOCK_UPDATE: write the time page again. Process context, may sleep. */
void vcpu_clock_update(struct vcpu *vcpu);
void vcpu_set_system_time_msr(struct vcpu *vcpu, u64 val);
void vcpu_set_wall_clock_msr(struct vcpu *vcpu, u64 val);

#endif
