/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A fork of the whole address space, and its reset (copy.c, reset.c).
 */
#ifndef DITTO_MMU_COPY_H
#define DITTO_MMU_COPY_H

#include "mmu/types.h"

struct mmu_copy;

struct mmu_copy *mmu_copy_begin(struct mmu *from);
int mmu_copy_fork(struct mmu_copy *copy, struct mmu *to, bool resettable);
int mmu_copy_slots(struct mmu_copy *copy, struct mmu *to);
void mmu_copy_end(struct mmu_copy *copy);
void mmu_copy_settings(struct mmu *to, const struct mmu *from);
int mmu_reset_begin(struct mmu *mmu, struct mmu *base);
int mmu_reset_memory(struct mmu *mmu);
void mmu_reset_end(struct mmu *mmu);

#endif
