/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which gmems back an address space, each once, for the files of the mmu room (gmems.c).
 */
#ifndef DITTO_MMU_GMEMS_H
#define DITTO_MMU_GMEMS_H

struct gmem;
struct mmu;
struct mmu_gmem;

struct mmu_gmem *gmems_get(struct mmu *mmu, struct gmem *gmem);
void gmems_put(struct mmu *mmu, struct mmu_gmem *user);

#endif
