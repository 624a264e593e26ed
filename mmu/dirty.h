/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which pages of a memslot were written, for the files of the mmu room (dirty.c).
 */
#ifndef DITTO_MMU_DIRTY_H
#define DITTO_MMU_DIRTY_H

#include <linux/bitops.h>

#include "mmu/slots.h"

/**
 * struct dirty_log - which pages of a slot were written (dirty.c)
 *
 * @any: @bits may have a bit set; set after that, cleared before a look at all of them
 * @taken: as many words again, of the holder of mmu->slots_lock.  With rings: the pages that
 *	found no room in one; atomic
 * @bits: one for each page; atomic
 */
struct dirty_log {
	bool any;
	unsigned long *taken;
	unsigned long bits[];
};

/* Pages of a block of a gmem: @written has one bit for each. */
#define LOG_BLOCK	512

struct dirty_log *dirty_log_alloc(const struct memslot *slot);
int dirty_log_start(struct memslot *slot);
bool dirty_take_word(struct memslot *slot, unsigned long word, unsigned long mask);
bool dirty_unguard(struct mmu *mmu, gfn_t gfn);
void ring_log_write(struct memslot *slot, struct dirty_log *log, gfn_t gfn);
void dirty_log_stop(struct memslot *slot);

/* The bit of @written for an offset of the slot's gmem. */
static inline unsigned long memslot_block(const struct memslot *slot, pgoff_t off)
{
	return off / LOG_BLOCK - (slot->pos >> PAGE_SHIFT) / LOG_BLOCK;
}

/*
 * Call after a leaf has become dirty, so that a harvest that finds the bit set also finds
 * the leaf dirty.
 */
static inline void memslot_note_written(struct memslot *slot, gfn_t gfn)
{
	if (slot->written)
		set_bit(memslot_block(slot, memslot_offset(slot, gfn)), slot->written);
}

/*
 * A page is written, or about to be: the log, if there is one, gets to know. The caller is in
 * a read section of mmu->srcu. Either the page is not yet mapped writable for this write, and
 * mmu->lock is held; or the write is done.
 */
static inline void memslot_log_write(struct memslot *slot, gfn_t gfn)
{
	struct dirty_log *log;

	if (slot->front)
		slot = slot->front;
	log = READ_ONCE(slot->log);
	if (likely(!log))
		return;
	if (unlikely(slot->mmu->ring_bytes)) {
		ring_log_write(slot, log, gfn);
		return;
	}
	/* A barrier, too: a harvest that takes the bit sees the write. */
	set_bit(gfn - slot->base, log->bits);
	/* Pairs with the exchange in dirty_fetch(), which comes before a look at the bits. */
	smp_mb__after_atomic();
	if (!READ_ONCE(log->any))
		WRITE_ONCE(log->any, true);
}

/*
 * Is the CPU's log the dirty log? Not where vCPUs have rings, whose room is for the writes of one
 * exit by faults: the CPU can log hundreds in one.
 */
static inline bool mmu_cpu_logs(const struct mmu *mmu)
{
	return mmu->host->format->logged && !mmu->ring_bytes;
}

/* Does the log want to know of the next write to a page? mmu->lock held, or a quiet moment. */
static inline bool memslot_log_waits(const struct memslot *slot, gfn_t gfn)
{
	const struct dirty_log *log;

	if (slot->front)
		slot = slot->front;
	log = READ_ONCE(slot->log);
	return log && !test_bit(gfn - slot->base, log->bits);
}

/* Is anything logged of a slot's writes? @lock held, or the answer may be old. */
static inline bool memslot_is_logged(const struct memslot *slot)
{
	return READ_ONCE((slot->front ?: slot)->log);
}

#endif
