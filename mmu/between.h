/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a test does while others are not looking: between two looks at what may change.
 */
#ifndef DITTO_MMU_BETWEEN_H
#define DITTO_MMU_BETWEEN_H

struct mmu;

#ifdef DITTO_KUNIT
extern void (*mmu_fault_between)(struct mmu *mmu);
#endif

/* The time between two looks, of which a test may make something. */
static inline void fault_between(struct mmu *mmu)
{
#ifdef DITTO_KUNIT
	if (mmu_fault_between)
		mmu_fault_between(mmu);
#endif
}

#endif
