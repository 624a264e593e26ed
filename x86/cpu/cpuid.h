/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * CPUID: what this host can offer, what the VMM chose, and what follows from it.
 */
#ifndef DITTO_CPU_CPUID_H
#define DITTO_CPU_CPUID_H

#include <linux/kvm.h>
#include <linux/types.h>
#include <asm/processor.h>

#include "compat.h"
#include "x86/machine/vcpu.h"

#define DITTO_MAX_CPUID_ENTRIES	256

/*
 * Module parameter: hide XSAVE from guests, for CPUs (emulators) on which the
 * guest's XSETBV cannot be intercepted and changes the host's XCR0.
 */
extern bool quirk_no_xsave;

struct cpuid_regs cpuid_query(struct vcpu *vcpu, u32 function, u32 index);
bool cpuid_has_mwait(struct vcpu *vcpu);
bool cpuid_host_has(unsigned int feature);
bool cpuid_host_is_amd(void);
u64 cpuid_host_efer_reserved(void);
u64 cpuid_host_xcr0(void);
u32 cpuid_xsave_size(u64 xcr0);
void cpuid_xcr0_changed(struct vcpu *vcpu);

u32 cpuid_offer(struct kvm_cpuid_entry2 *entries);
int vcpuid_copy(struct vcpu *to, const struct vcpu *from);
int vcpuid_set(struct vcpu *vcpu, struct kvm_cpuid_entry2 *entries, u32 nent);

void cpuid_setup(void);
void vcpuid_init(struct vcpu *vcpu);
void vcpuid_free(struct vcpu *vcpu);

/* ioctls, whose arguments are of variable size; a vCPU is owned. */
int cpuid_ioctl_get_supported(void __user *arg);
int cpuid_ioctl_get_emulated(void __user *arg);
int vcpu_ioctl_set_cpuid(struct vcpu *vcpu, void __user *arg);
int vcpu_ioctl_set_cpuid2(struct vcpu *vcpu, void __user *arg);
int vcpu_ioctl_get_cpuid2(struct vcpu *vcpu, void __user *arg);

#endif
