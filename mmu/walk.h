/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The walk of the guest's own page tables; and for the files of the mmu room, what it met on its
 * way.
 */
#ifndef DITTO_MMU_WALK_H
#define DITTO_MMU_WALK_H

#include "mmu/types.h"

/* Formats of the guest's tables. */
enum walk_kind { WALK_NONE, WALK_32, WALK_PAE, WALK_LONG };

/* What the entries of a walk allow together. */
#define WALK_WRITE	BIT(0)
#define WALK_USER	BIT(1)
#define WALK_EXEC	BIT(2)
#define WALK_ALL	(WALK_WRITE | WALK_USER | WALK_EXEC)

/**
 * struct walk_path - a walk that ended well
 * @kind: of the tables; WALK_NONE: the guest does not use paging
 * @top: level of the first table; not for WALK_NONE, as the rest but @gpa
 * @leaf: level of the entry that maps the page
 * @root: gpa of the first table
 * @gpa: that was found
 * @pte: entries, by level, accessed and dirty bits as they are after the walk
 * @pte_gpa: where they are
 * @rights: WALK_*, of the entries from the top down to this one
 */
struct walk_path {
	enum walk_kind kind;
	int top, leaf;
	gpa_t root, gpa;
	u64 pte[MMU_WALK_LEVELS + 1];
	gpa_t pte_gpa[MMU_WALK_LEVELS + 1];
	u8 rights[MMU_WALK_LEVELS + 1];
};

int mmu_walk(struct mmu *mmu, const struct paging_mode *mode, gva_t gva, u32 access,
	     gpa_t *gpa, struct walk_fault *fault);
int mmu_walk_path(struct mmu *mmu, const struct paging_mode *mode, gva_t gva, u32 access,
		  struct walk_path *path, struct walk_fault *fault);

#endif
