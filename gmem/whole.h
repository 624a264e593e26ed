/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Whole chunks: 2 MiB of memory in one piece, which a binder may map by one entry (whole.c).
 */
#ifndef DITTO_GMEM_WHOLE_H
#define DITTO_GMEM_WHOLE_H

#include <linux/atomic.h>
#include <linux/types.h>

struct gmem;
struct gmem_chunk;
struct gmem_cursor;
struct kobject;
struct vm_area_struct;

/* Which chunks are filled whole. */
#define WHOLE_NEVER	0
#define WHOLE_MADVISE	1
#define WHOLE_ALWAYS	2

/* In a gmem's flags beside DITTO_GMEM_HUGEPAGE: only if a mapping of it was advised so. */
#define GMEM_HUGE_ADVISED	(1U << 31)

/* Why a chunk is whole no more. */
enum gmem_split {
	SPLIT_MERGE,
	SPLIT_PUNCH,
	SPLIT_COMPRESS,
	SPLIT_RESET,
	SPLIT_FORK,
	SPLIT_BROKEN,
	NR_SPLITS
};

/**
 * struct whole_knobs - what the operator sets and reads
 * @mode: WHOLE_*
 * @min_gain: a whole chunk is split for merging when so many of its pages would go
 * @chunks: that are whole now
 * @filled: that were filled, ever
 * @failed: that were to be, and were filled by pages, ever
 * @splits: of each kind, ever
 */
struct whole_knobs {
	unsigned int mode;
	unsigned int min_gain;
	atomic_long_t chunks;
	atomic_long_t filled;
	atomic_long_t failed;
	atomic_long_t splits[NR_SPLITS];
};

extern struct whole_knobs whole_knobs;

int whole_knobs_add(struct kobject *parent);
void whole_knobs_remove(void);
void gmem_note_advice(struct gmem *g, const struct vm_area_struct *vma);
int gmem_fill_whole(struct gmem *g, struct gmem_chunk *c);
void gmem_chunk_split(struct gmem *g, struct gmem_chunk *c, enum gmem_split why);
void gmem_chunk_split_common(struct gmem_chunk *c);
void gmem_whole_end(struct gmem_chunk *c);
bool gmem_cursor_split(struct gmem_cursor *cur, enum gmem_split why);

#endif
