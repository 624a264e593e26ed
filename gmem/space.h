/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How many pages the files of a mount may have (space.c).
 */
#ifndef DITTO_GMEM_SPACE_H
#define DITTO_GMEM_SPACE_H

#include <linux/percpu_counter.h>
#include <linux/refcount.h>
#include <linux/types.h>

struct gmem;

/**
 * struct gmem_space - how many pages the files of a mount may have
 * @refs: of the mount and of its gmems
 * @max: limit, 0 for none; changed by a remount, read without
 * @used: entries that were written, whatever merging made of them since
 */
struct gmem_space {
	refcount_t refs;
	unsigned long max;
	struct percpu_counter used;
};

struct gmem_space *gmem_space_new(unsigned long max);
void gmem_space_put(struct gmem_space *s);
int gmem_space_limit(struct gmem_space *s, unsigned long max);
bool gmem_space_take(struct gmem *g, unsigned long n);
void gmem_space_give(struct gmem *g, unsigned long n);

#endif
