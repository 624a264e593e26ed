/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * TDP tables, for the files of the mmu room.
 *
 * An entry is 0 (nothing there), a table, or a leaf; format->large tells a 2 MiB leaf
 * from a table.  The CPU sets accessed and dirty bits at any time, so an entry that it
 * may see is changed by atomic operations only.
 */
#ifndef DITTO_MMU_TDP_H
#define DITTO_MMU_TDP_H

#include <linux/bug.h>

#include "mmu/mmu.h"

struct memslot;

#define TDP_ENTRIES	512
#define TDP_MAX_LEVELS	5
#define TDP_ADDR	GENMASK_ULL(51, 12)

/* mmu->max_tables lies between: 1 MiB for a VM without memory, and 1 GiB or more. */
#define TDP_MIN_TABLES	256
#define TDP_MAX_TABLES	(1L << 18)

/**
 * tdp_max_tables() - how many tables an address space may have
 * @nr_pages: sum of its memslots' sizes
 * @ram_pages: memory of the host
 *
 * Four times what its memory needs when all of it is there; but a sparse gmem may be
 * huge, so not more than what as much memory as the host's would need, or 1 GiB.
 *
 * Return: the limit for mmu->nr_tables.
 */
static inline long tdp_max_tables(u64 nr_pages, u64 ram_pages)
{
	u64 most = max_t(u64, TDP_MAX_TABLES, ram_pages / (TDP_ENTRIES / 4));

	return min_t(u64, TDP_MIN_TABLES + nr_pages / (TDP_ENTRIES / 4), most);
}

/*
 * The leaf was written through before its dirty bit was cleared for the dirty log. Formats
 * without a dirty bit: it was writable, thus perhaps written, when it was write-protected.  The
 * CPU ignores bit 52 in NPT (APM 5.4.1) and in EPT (SDM 29.3.2).
 */
#define TDP_WAS_WRITTEN		BIT_ULL(52)

/*
 * The leaf may be made writable as it is: only the dirty log wants to know of the first
 * write. Not in a leaf that is writable. Ignored like the bit above.
 */
#define TDP_LOG_GUARD		BIT_ULL(53)

/* Pages that an entry of a level covers. */
static inline u64 tdp_pages(int level)
{
	return 1ull << (9 * (level - 1));
}

/* gfns at or above it cannot be memory: the host says so, or the tables end there. */
static inline gfn_t mmu_max_gfn(const struct mmu *mmu)
{
	return min_t(u64, mmu->host->max_gfn, tdp_pages(mmu->host->format->levels + 1));
}

static inline unsigned int tdp_index(gfn_t gfn, int level)
{
	return (gfn >> (9 * (level - 1))) % TDP_ENTRIES;
}

static inline bool tdp_is_leaf(const struct tdp_format *f, u64 spte, int level)
{
	return level == 1 || (spte & f->large);
}

static inline u64 *tdp_table(const struct tdp_format *f, u64 spte)
{
	return __va(spte & TDP_ADDR & ~f->table);
}

static inline kvm_pfn_t tdp_pfn(const struct tdp_format *f, u64 spte)
{
	return (spte & TDP_ADDR & ~f->leaf) >> PAGE_SHIFT;
}

/* What says that a leaf was written through. */
static inline u64 tdp_dirty_bits(const struct tdp_format *f)
{
	return (f->dirty ?: f->writable) | TDP_WAS_WRITTEN;
}

/**
 * struct tdp_zap - entries on their way out
 *
 * Lives on the caller's stack. First tdp_zap_init(); then, with mmu->lock held for write, any
 * number of tdp_zap_range(), and tdp_zap_flush(); then, without it, tdp_zap_finish().
 *
 * @tables: detached tables, linked through their struct page, which also has
 *	first gfn and level (private): below the first gfn of 512 there is room
 * @slot: the gmem of this slot is told of dirty leaves; NULL: nobody is
 * @tell_all: the gmems of whatever slots there are, are told
 * @large_only: and of large leaves only
 * @changed: a permission was taken away
 * @epoch: the last one that this opened
 */
struct tdp_zap {
	struct list_head tables;
	struct memslot *slot;
	bool tell_all;
	bool large_only;
	bool changed;
	u64 epoch;
};

int tdp_init(struct mmu *mmu);
void tdp_destroy(struct mmu *mmu);
u64 *tdp_table_alloc(struct mmu *mmu);
void tdp_table_free(struct mmu *mmu, u64 *table);

void tdp_zap_init(struct tdp_zap *zap, struct memslot *slot);
void tdp_zap_note_dirty(struct mmu *mmu, struct tdp_zap *zap, u64 spte, gfn_t gfn, int level);
void tdp_zap_range(struct mmu *mmu, struct tdp_zap *zap, gfn_t start, gfn_t end);
void tdp_zap_flush(struct mmu *mmu, struct tdp_zap *zap);
void tdp_zap_finish(struct mmu *mmu, struct tdp_zap *zap, bool may_sleep);
void tdp_zap_all(struct mmu *mmu, bool may_sleep);

/* Called for a leaf that covers gfns of interest; @level is 1 or 2. False: enough. */
typedef bool (*tdp_leaf_fn)(struct mmu *mmu, u64 *sptep, gfn_t gfn, int level, void *arg);

/* Called for an entry that points at a table of leaves, the first for @gfn. */
typedef void (*tdp_table_fn)(struct mmu *mmu, u64 *sptep, gfn_t gfn, void *arg);

void tdp_for_each_used_table(struct mmu *mmu, gfn_t start, gfn_t end, tdp_table_fn fn, void *arg);
bool tdp_for_each_leaf(struct mmu *mmu, gfn_t start, gfn_t end, tdp_leaf_fn fn, void *arg);
u64 tdp_clear_bits(u64 *sptep, u64 bits);
long tdp_count_tables(struct mmu *mmu);

void mmu_flush(struct mmu *mmu);

/* An invalidation ended: faults that are under way start again. @lock, for write. */
static inline void mmu_invalidated(struct mmu *mmu)
{
	lockdep_assert_held_write(&mmu->lock);
	/* Pairs with the acquire in a fault: who sees the new number sees the new slots, too. */
	smp_store_release(&mmu->inv_seq, mmu->inv_seq + 1);
}

/* A permission was taken away from the tables, so a flush must follow. @lock held for write. */
static inline void mmu_epoch_open(struct mmu *mmu)
{
	lockdep_assert_held_write(&mmu->lock);
#ifdef DITTO_DEBUG
	WRITE_ONCE(mmu->epoch, mmu->epoch + 1);
#endif
}

/*
 * Every permission that was taken away up to @epoch is gone from every TLB: a flush was
 * requested after that, and every vCPU that is in the guest has done it.
 */
static inline void mmu_epoch_assert(struct mmu *mmu, u64 epoch)
{
#ifdef DITTO_DEBUG
	bool (*check)(struct mmu *mmu, u64 epoch) = mmu->host->check_epoch;

	WARN_ONCE(READ_ONCE(mmu->epoch_flushed) < epoch,
		  "ditto: a TLB flush is missing (%llu of %llu)\n",
		  READ_ONCE(mmu->epoch_flushed), epoch);
	WARN_ONCE(check && !check(mmu, epoch),
		  "ditto: a vCPU runs that has not flushed since %llu\n", epoch);
#endif
}

#endif
