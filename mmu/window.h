/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Windows, for the files of the mmu room: parts of user-backed slots that are bound to gmems
 * (window.c).
 */
#ifndef DITTO_MMU_WINDOW_H
#define DITTO_MMU_WINDOW_H

#include <linux/kvm_types.h>

struct memslot;
struct mmu;
struct tdp_zap;

/* How many windows a user-backed slot has at most. */
#define MEMSLOT_WINDOWS	8

/**
 * struct memslot_windows - the windows of a user-backed slot (window.c)
 *
 * Changed under mmu->lock for write, so that it holds them still; read in sections of
 * mmu->srcu, too.
 *
 * @nr: the first of @slot that may be used; only grows
 * @slot: a window, or NULL
 */
struct memslot_windows {
	unsigned int nr;
	struct memslot *slot[MEMSLOT_WINDOWS];
};

struct memslot *window_choose(struct memslot *slot, gfn_t gfn);
bool window_make(struct memslot *slot, gfn_t gfn);
void window_revoke(struct memslot *window);
void windows_drop(struct memslot *slot, gfn_t start, gfn_t end);
void windows_zap_others(struct memslot *slot, struct tdp_zap *zap, gfn_t start, gfn_t end);
void windows_end(struct memslot *slot);
void windows_init(struct mmu *mmu);
int windows_setup(void);
void windows_teardown(void);

#endif
