/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is there of user-backed slots, for the files of the mmu room (resident.c).
 */
#ifndef DITTO_MMU_RESIDENT_H
#define DITTO_MMU_RESIDENT_H

#include <linux/types.h>

struct mmu;

u64 mmu_user_pages(struct mmu *mmu);

#endif
