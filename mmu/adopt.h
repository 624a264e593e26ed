/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * When memory of the VMM's moves into gmems, for the files of the mmu room (adopt.c).
 */
#ifndef DITTO_MMU_ADOPT_H
#define DITTO_MMU_ADOPT_H

struct mmu;

void mmu_adopt_soon(struct mmu *mmu);
void mmu_adopt_init(struct mmu *mmu);

#endif
