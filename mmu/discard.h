/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory that the guest has no use for (discard.c).
 */
#ifndef DITTO_MMU_DISCARD_H
#define DITTO_MMU_DISCARD_H

#include "mmu/types.h"

/**
 * struct mmu_discarded - what became of pages that were to be given back
 * @given: had memory, which is the host's again. Of a process's memory: may have had
 * @kept: had to stay
 * @refused: are in no memslot, or in one that is read-only
 */
struct mmu_discarded {
	u64 given, kept, refused;
};

int guest_discard(struct mmu *mmu, gfn_t gfn, u64 npages, struct mmu_discarded *n);

#endif
