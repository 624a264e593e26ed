/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guest time: the TSC and KVM's paravirtual clock.
 */
#ifndef DITTO_CPU_CLOCK_H
#define DITTO_CPU_CLOCK_H

#include <linux/kvm.h>
#include <linux/kvm_types.h>
#include <linux/types.h>

#include "x86/machine/vm.h"

struct pvclock_vcpu_time_info;

/* What KVM_CHECK_EXTENSION says of KVM_CAP_ADJUST_CLOCK. */
#define CLOCK_FLAGS	(KVM_CLOCK_TSC_STABLE | KVM_CLOCK_REALTIME | KVM_CLOCK_HOST_TSC)

void clock_suspend(void);
void clock_resume(void);
void clock_slept(u64 before, u64 slept_ns);
u64 clock_gap(u64 before, u64 now, u64 slept_ns, u32 khz);

void vm_clock_init(struct vm *vm);
void vm_clock_unstable(struct vm *vm);
void vclock_init(struct vcpu *vcpu);
void vtsc_push(struct vcpu *vcpu);
void vtsc_set(struct vcpu *vcpu, u64 tsc);
void vtsc_sync(struct vcpu *vcpu, u64 tsc);
void vtsc_sync_at(struct vcpu *vcpu, u64 tsc, u64 host_tsc, u64 ns);
u64 vtsc_of_vmm(const struct vcpu *vcpu);
u64 vtsc_get_offset(const struct vcpu *vcpu);
void vtsc_set_offset(struct vcpu *vcpu, u64 offset);
void vclock_load(struct vcpu *vcpu, bool moved);
bool vclock_pair(const struct vcpu *vcpu, struct timespec64 *real, u64 *tsc);
void vclock_time_info(struct vcpu *vcpu, struct pvclock_vcpu_time_info *info);
void vtsc_catch_up(struct vcpu *vcpu);
void vm_clock_now(struct vm *vm, u64 *host_tsc, u64 *clock_ns);

/* ioctls; GET_TSC_KHZ returns the frequency. */
int vm_ioctl_get_clock(struct vm *vm, struct kvm_clock_data *data);
int vm_ioctl_set_clock(struct vm *vm, struct kvm_clock_data *data);
int vm_ioctl_get_tsc_khz(struct vm *vm);
int vm_ioctl_set_tsc_khz(struct vm *vm, unsigned long khz);
int vcpu_ioctl_get_tsc_khz(struct vcpu *vcpu);
int vcpu_ioctl_set_tsc_khz(struct vcpu *vcpu, unsigned long khz);

#endif
