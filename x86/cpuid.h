/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * CPUID: what this host can offer, what the VMM chose, and what follows from it.
 */
#ifndef DITTO_X86_CPUID_H
#define DITTO_X86_CPUID_H

#include <linux/kvm.h>
#include <linux/types.h>

struct vcpu;

#define DITTO_MAX_CPUID_ENTRIES	256

/**
 * struct vcpu_cpuid - one vCPU's CPUID table; owner
 * @entries: from KVM_SET_CPUID2
 * @nent: their number
 * @maxphyaddr: guest-physical address bits (leaf 0x80000008), 36 without it
 * @cr4_reserved: bits of cr4 that this guest may not set
 * @efer_reserved: likewise efer
 * @xcr0_allowed: bits of xcr0 that this guest may set; 0 without XSAVE
 */
struct vcpu_cpuid {
	struct kvm_cpuid_entry2 *entries;
	u32 nent;
	u8 maxphyaddr;
	u64 cr4_reserved;
	u64 efer_reserved;
	u64 xcr0_allowed;
};

/* Execute CPUID for the guest: *eax and *ecx are input. */
void cpuid_query(struct vcpu *vcpu, u32 *eax, u32 *ebx, u32 *ecx, u32 *edx);
/* Does the guest's CPUID show X86_FEATURE_*? */
bool cpuid_has(struct vcpu *vcpu, unsigned int feature);
void vcpu_cpuid_init(struct vcpu *vcpu);
void vcpu_cpuid_free(struct vcpu *vcpu);

#endif
