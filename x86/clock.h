/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guest time: the TSC and KVM's paravirtual clock.
 */
#ifndef DITTO_X86_CLOCK_H
#define DITTO_X86_CLOCK_H

#include <linux/kvm_types.h>
#include <linux/types.h>

struct vcpu;
struct vm;

/**
 * struct vm_clock - time of a VM
 * @kvmclock_offset: guest's kvmclock minus host boottime, ns; vm->lock
 * @tsc_khz: frequency new vCPUs get; vm->lock
 */
struct vm_clock {
	s64 kvmclock_offset;
	u32 tsc_khz;
};

/**
 * struct vcpu_clock - time of a vCPU; owner
 * @tsc_khz: its TSC frequency
 * @system_time_msr: MSR_KVM_SYSTEM_TIME_NEW as written, bit 0 enables
 * @wall_clock_msr: MSR_KVM_WALL_CLOCK_NEW as written
 * @version: of the page that @system_time_msr points at
 */
struct vcpu_clock {
	u32 tsc_khz;
	u64 system_time_msr;
	u64 wall_clock_msr;
	u32 version;
};

void vm_clock_init(struct vm *vm);
void vcpu_clock_init(struct vcpu *vcpu);
/* The TSC as the guest reads it at this instant. */
u64 vcpu_tsc(struct vcpu *vcpu);
void vcpu_set_tsc(struct vcpu *vcpu, u64 tsc);
/* REQ_CLOCK_UPDATE: write the time page again. Process context, may sleep. */
void vcpu_clock_update(struct vcpu *vcpu);

#endif
