/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The accessors through which the kernel touches guest memory, and the walk of the guest's own
 * page tables.
 */
#ifndef DITTO_MMU_GUEST_H
#define DITTO_MMU_GUEST_H

#include "mmu/types.h"

/* access.c: accesses by the kernel */
int guest_read(struct mmu *mmu, gpa_t gpa, void *buf, unsigned int len);
int guest_write(struct mmu *mmu, gpa_t gpa, const void *buf, unsigned int len);
int guest_cmpxchg(struct mmu *mmu, gpa_t gpa, void *old, const void *new, unsigned int len);
int guest_mark(struct mmu *mmu, gpa_t gpa, void *old, const void *new, unsigned int len);

/**
 * struct mmu_discarded - what became of pages that were to be given back
 * @given: had memory, which is the host's again. Of a process's memory: may have had
 * @kept: had to stay
 * @refused: are in no memslot, or in one that is read-only
 */
struct mmu_discarded {
	u64 given, kept, refused;
};

/* discard.c: memory that the guest has no use for */
int guest_discard(struct mmu *mmu, gfn_t gfn, u64 npages, struct mmu_discarded *n);

/* poke.c: the same of one byte, where nothing may sleep */
bool guest_poke(struct mmu *mmu, gpa_t gpa, u8 val);

/* walk.c: the guest's own page tables */
int mmu_walk(struct mmu *mmu, const struct paging_mode *mode, gva_t gva, u32 access,
	     gpa_t *gpa, struct walk_fault *fault);

#endif
