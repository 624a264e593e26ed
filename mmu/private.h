/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memslots for memory that the VMM cannot see, for the files of the mmu room (private.c).
 */
#ifndef DITTO_MMU_PRIVATE_H
#define DITTO_MMU_PRIVATE_H

#include <linux/kvm_types.h>

struct gmem;
struct memslot;
struct mmu;

struct memslot *private_choose(struct mmu *mmu, struct memslot *slot, gfn_t gfn);
int private_slot_new(struct memslot *tmpl, struct gmem *gmem, u64 offset);
void private_slot_free(struct memslot *tmpl);
void private_init(struct mmu *mmu);
void private_destroy(struct mmu *mmu);

#endif
