/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The accessors through which the kernel touches guest memory.
 */
#ifndef DITTO_MMU_GUEST_H
#define DITTO_MMU_GUEST_H

#include "mmu/types.h"

/* access.c: accesses by the kernel */
int guest_read(struct mmu *mmu, gpa_t gpa, void *buf, unsigned int len);
int guest_write(struct mmu *mmu, gpa_t gpa, const void *buf, unsigned int len);
int guest_cmpxchg(struct mmu *mmu, gpa_t gpa, void *old, const void *new, unsigned int len);
int guest_mark(struct mmu *mmu, gpa_t gpa, void *old, const void *new, unsigned int len);

/* poke.c: the same of one byte, where nothing may sleep */
bool guest_poke(struct mmu *mmu, gpa_t gpa, u8 val);

#endif
