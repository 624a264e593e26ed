/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * CPUID, as its own two files see it: cpuid_host.c says what guests on this host
 * can have, cpuid.c what one of them has.
 */
#ifndef DITTO_CPU_CPUID_IMPL_H
#define DITTO_CPU_CPUID_IMPL_H

#include <linux/bits.h>
#include <linux/types.h>
#include <asm/cpufeatures.h>

#include "x86/cpu/cpuid.h"
#include "x86/cpu/cpuid_host.h"

#define LEAF_XSTATE	0xd
#define XSTATE_MAX	16

/* A feature's bit in its register. */
#define F(name)	BIT(X86_FEATURE_##name & 31)

/**
 * struct feature_word - one register full of feature bits
 * @function: where CPUID reports it
 * @index: sub-leaf
 * @reg: enum cpuid_regs_idx
 * @passed: features of the CPU that guests may have
 * @made: features that ditto makes, whatever the CPU has
 *
 * The place in cpuid_features[] is the number of the kernel's capability word.
 */
struct feature_word {
	u32 function;
	u8 index;
	u8 reg;
	u32 passed;
	u32 made;
};

extern const struct feature_word cpuid_features[CPUID_WORDS];

/**
 * struct cpuid_host - what guests on this host can have; constant after cpuid_setup()
 * @word: feature words
 * @cr4_reserved: bits of cr4 that no guest may set
 * @efer_reserved: likewise efer
 * @xcr0: bits of xcr0 that a guest may set; 0 without XSAVE
 * @xsize: of XSAVE's components, in bytes, 0 when absent
 * @xoffset: where they are in the standard format
 * @xaligned: a bit for each component that the compacted format aligns
 * @phys_bits: width of guest-physical addresses
 */
struct cpuid_host {
	u32 word[CPUID_WORDS];
	u64 cr4_reserved, efer_reserved;
	u64 xcr0;
	u32 xsize[XSTATE_MAX], xoffset[XSTATE_MAX];
	u32 xaligned;
	u8 phys_bits;
};

extern struct cpuid_host cpuid_host;

u64 cpuid_cr4_reserved(const u32 *word);
u64 cpuid_efer_reserved(const u32 *word);
u32 cpuid_xsave_compact_size(u64 xcr0);

#endif
