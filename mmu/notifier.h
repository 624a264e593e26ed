/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The mmu notifier of user-backed slots, for the files of the mmu room.
 */
#ifndef DITTO_MMU_NOTIFIER_H
#define DITTO_MMU_NOTIFIER_H

#include "mmu/mmu.h"

int notifier_attach(struct mmu *mmu);
bool notifier_may_attach(struct mmu *mmu);
void notifier_detach(struct mmu *mmu);
void notifier_forget(struct mmu *mmu, struct memslot *slot);

#ifdef DITTO_KUNIT
/* For tests: called while the notifier lets others have the lock. */
extern void (*notifier_between)(struct mmu *mmu);
#endif

#endif
