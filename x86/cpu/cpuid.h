/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * CPUID: what this host can offer, what the VMM chose, and what follows from it.
 */
#ifndef DITTO_X86_CPUID_H
#define DITTO_X86_CPUID_H

#include <linux/kvm.h>
#include <linux/types.h>
#include <asm/cpuid.h>
#include <asm/processor.h>

struct vcpu;

#define DITTO_MAX_CPUID_ENTRIES	256
#define CPUID_BUCKETS		64
#define CPUID_WORDS		19	/* of X86_FEATURE_*, those with a leaf of their own */

/**
 * struct vcpu_cpuid - one vCPU's CPUID table; owner
 * @entries: from KVM_SET_CPUID2, in the VMM's order
 * @nent: their number; 0: the VMM set none, and what the host has is allowed
 * @bucket: index + 1 of the first entry whose leaf hashes here, or 0
 * @next: likewise the entry after each
 * @word: the feature words, for cpuid_has()
 * @zero_out_of_range: as AMD's CPUs do; Intel's give the last basic leaf
 * @maxphyaddr: guest-physical address bits (leaf 0x80000008), 36 without it; 32 to 52,
 *	whatever the VMM says: no CPU has fewer or more
 * @cr4_reserved: bits of cr4 that this guest may not set
 * @efer_reserved: likewise efer
 * @xcr0_allowed: bits of xcr0 that this guest may set; 0 without XSAVE
 * @xsave_size: of the standard format with the current xcr0
 * @xsave_compact_size: of the compacted format
 */
struct vcpu_cpuid {
	struct kvm_cpuid_entry2 *entries;
	u32 nent;
	u16 bucket[CPUID_BUCKETS];
	u16 *next;
	u32 word[CPUID_WORDS];
	bool zero_out_of_range;
	u8 maxphyaddr;
	u64 cr4_reserved;
	u64 efer_reserved;
	u64 xcr0_allowed;
	u32 xsave_size;
	u32 xsave_compact_size;
};

/* Execute CPUID for the guest. */
struct cpuid_regs cpuid_query(struct vcpu *vcpu, u32 function, u32 index);
/* Does the guest's CPUID show X86_FEATURE_*? */
bool cpuid_has(struct vcpu *vcpu, unsigned int feature);
/* Can a guest on this host have X86_FEATURE_*? */
bool cpuid_host_has(unsigned int feature);
bool cpuid_host_is_amd(void);
/* Bits of cr4 and efer that no guest on this host can have. */
u64 cpuid_host_efer_reserved(void);
/* Bits of xcr0 that a guest on this host can have. */
u64 cpuid_host_xcr0(void);
/* Bytes of XSAVE's standard format for these components. */
u32 cpuid_xsave_size(u64 xcr0);
/* xcr0 changed: the sizes in leaf 0xd follow it. */
void cpuid_xcr0_changed(struct vcpu *vcpu);
/* Is the address canonical for what a guest can have? */
bool cpuid_canonical(u64 addr);

/* What KVM_GET_SUPPORTED_CPUID and KVM_SET_CPUID2 do, on kernel memory. */
u32 cpuid_offer(struct kvm_cpuid_entry2 *entries);
int vcpu_cpuid_set(struct vcpu *vcpu, struct kvm_cpuid_entry2 *entries, u32 nent);

/* Once, when the module is loaded, after backend->setup(). */
void cpuid_setup(void);
void vcpu_cpuid_init(struct vcpu *vcpu);
void vcpu_cpuid_free(struct vcpu *vcpu);

#endif
