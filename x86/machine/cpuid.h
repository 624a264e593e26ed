/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A vCPU's CPUID table and what follows from it. cpu/cpuid.c makes it.
 */
#ifndef DITTO_MACHINE_CPUID_H
#define DITTO_MACHINE_CPUID_H

#include <linux/bits.h>
#include <linux/kvm.h>
#include <linux/types.h>

#define CPUID_BUCKETS		64
#define CPUID_WORDS		19	/* of X86_FEATURE_*, those with a leaf of their own */

/**
 * struct vcpu_cpuid - one vCPU's CPUID table; owner
 * @entries: from KVM_SET_CPUID2, in the VMM's order
 * @nent: their number; 0: the VMM set none, and what the host has is allowed
 * @bucket: index + 1 of the first entry whose leaf hashes here, or 0
 * @next: likewise the entry after each
 * @word: the feature words, for cpuid_has()
 * @pv_features: KVM_FEATURE_* that KVM's leaves show
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
	u32 pv_features;
	bool zero_out_of_range;
	u8 maxphyaddr;
	u64 cr4_reserved;
	u64 efer_reserved;
	u64 xcr0_allowed;
	u32 xsave_size;
	u32 xsave_compact_size;
};

/* Do feature words have X86_FEATURE_*? */
static inline bool cpuid_words_have(const u32 *word, unsigned int feature)
{
	unsigned int w = feature / 32;

	return w < CPUID_WORDS && (word[w] & BIT(feature & 31));
}

/**
 * cpuid_canonical() - is a linear address canonical for a guest?
 * @addr: linear address
 *
 * Five-level paging is not offered to guests: 48 bits.
 *
 * Return: whether it is.
 */
static inline bool cpuid_canonical(u64 addr)
{
	return (u64)((s64)(addr << 16) >> 16) == addr;
}

#endif
