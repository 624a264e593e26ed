// SPDX-License-Identifier: GPL-2.0-only
/*
 * TDP tables: their memory, walking them, and taking things away from them.  Owns the
 * format of an entry and the count of tables.  Adding entries is fault.c's.
 *
 * The hard part is to hold mmu->lock for a short time however large a zapped range is:
 * a table whose whole range goes away is only detached under the lock.  After the
 * flush no CPU sees it, so its dirty bits are final; it is read and freed without lock.
 */
#include <linux/gfp.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/sched.h>

#include "mmu/shadow.h"
#include "mmu/slots.h"
#include "mmu/tdp.h"

/**
 * tdp_table_alloc() - an empty table
 * @mmu: whose count grows
 *
 * May sleep; charged to the caller's memory cgroup.
 *
 * Return: the table, or NULL without memory.
 */
u64 *tdp_table_alloc(struct mmu *mmu)
{
	u64 *table = (u64 *)__get_free_pages(GFP_KERNEL_ACCOUNT | __GFP_ZERO,
					     tdp_table_order(mmu));

	if (table)
		atomic_long_inc(&mmu->nr_tables);
	return table;
}

/**
 * tdp_table_free() - free a table that no entry points at
 * @mmu: whose count shrinks
 * @table: flushed from every CPU, or never used
 */
void tdp_table_free(struct mmu *mmu, u64 *table)
{
	free_pages((unsigned long)table, tdp_table_order(mmu));
	atomic_long_dec(&mmu->nr_tables);
}

/**
 * tdp_init() - make the empty top table
 * @mmu: in mmu_init()
 *
 * Return: 0 or -ENOMEM.
 */
int tdp_init(struct mmu *mmu)
{
	mmu->root = tdp_table_alloc(mmu);
	return mmu->root ? 0 : -ENOMEM;
}

/**
 * tdp_destroy() - free the top table
 * @mmu: after tdp_zap_all()
 */
void tdp_destroy(struct mmu *mmu)
{
	tdp_table_free(mmu, mmu->root);
	mmu->root = NULL;
	WARN_ON_ONCE(atomic_long_read(&mmu->nr_tables));
}

/**
 * mmu_flush() - flush every TLB that may have seen the tables
 * @mmu: @lock held for write, so that no epoch opens meanwhile
 */
void mmu_flush(struct mmu *mmu)
{
	lockdep_assert_held_write(&mmu->lock);
	mmu->host->flush_tlbs(mmu);
	if (mmu->shadow)
		mmu->shadow->changed = false;
#ifdef DITTO_DEBUG
	/* After the vCPUs have done what flush_tlbs() asked for. */
	smp_store_release(&mmu->epoch_flushed, mmu->epoch);
#endif
}

/**
 * tdp_clear_bits() - clear bits of an entry that the CPU may be changing
 * @sptep: the entry
 * @bits: to clear
 *
 * Return: what was there before.
 */
u64 tdp_clear_bits(u64 *sptep, u64 bits)
{
	u64 old = READ_ONCE(*sptep);

	while (!try_cmpxchg64(sptep, &old, old & ~bits))
		;
	return old;
}

/* Of one slot; and if that has a gmem, of a whole chunk. Nobody asks of a process's memory. */
static void note_large_dirty(struct mmu *mmu, const struct tdp_zap *zap, gfn_t gfn)
{
	struct memslot *slot = zap->tell_all ? slots_in_front(mmu, gfn) : zap->slot;

	slot = memslot_behind(slot, gfn);
	if (slot && slot->gmem && memslot_has(slot, gfn))
		gmem_mark_chunk_dirty(slot->gmem, memslot_offset(slot, gfn));
}

/**
 * tdp_zap_note_dirty() - tell the gmem behind a dirty leaf that is gone
 * @mmu: the caller is in a read section of its srcu, or holds @lock
 * @zap: after tdp_zap_init()
 * @spte: the leaf
 * @gfn: the first that it mapped
 * @level: its level
 */
void tdp_zap_note_dirty(struct mmu *mmu, struct tdp_zap *zap, u64 spte, gfn_t gfn, int level)
{
	struct memslot *slot = zap->slot;

	if (!(spte & tdp_dirty_bits(mmu->host->format)))
		return;
	if (level > 1)
		note_large_dirty(mmu, zap, gfn);
	if (level > 1 || zap->large_only)
		return;
	if (zap->tell_all)
		slot = slots_in_front(mmu, gfn);	/* its gfns may be private by now */
	/* The leaf may have been of either slot: with private memory take that one. */
	if (mmu->private_mem && slot && slot->private)
		slot = slot->private;
	slot = memslot_behind(slot, gfn);
	if (slot && slot->gmem && memslot_has(slot, gfn))
		gmem_mark_dirty(slot->gmem, memslot_offset(slot, gfn));
}

/* Read and free a detached table and all below it. */
static void zap_reap(struct mmu *mmu, struct tdp_zap *zap, u64 *table, int level, gfn_t gfn,
		     bool may_sleep)
{
	const struct tdp_format *f = mmu->host->format;
	unsigned int i;

	for (i = 0; i < TDP_ENTRIES; i++, gfn += tdp_pages(level)) {
		u64 spte = table[i];

		if (!spte)
			continue;
		if (tdp_is_leaf(f, spte, level))
			tdp_zap_note_dirty(mmu, zap, spte, gfn, level);
		else
			zap_reap(mmu, zap, tdp_table(f, spte), level - 1, gfn, may_sleep);
	}
	tdp_table_free(mmu, table);
	if (may_sleep)
		cond_resched();
}

static void zap_detach(struct tdp_zap *zap, u64 *table, int level, gfn_t gfn)
{
	struct page *page = virt_to_page(table);

	set_page_private(page, gfn | level);
	list_add(&page->lru, &zap->tables);
}

/* What follows from an entry that is gone, in shadow tables. */
static void zap_shadow(struct mmu *mmu, u64 *sptep, u64 spte, int level, gfn_t gfn)
{
	const struct tdp_format *f = mmu->host->format;

	if (tdp_is_leaf(f, spte, level))
		shadow_drop_leaf(mmu, sptep, gfn, level);
	else
		shadow_drop_table(mmu, tdp_table(f, spte), gfn, level - 1);
}

/* @sptep is present and covers something of the range: remove it, or go down. */
static void zap_level(struct mmu *mmu, struct tdp_zap *zap, u64 *table, int level, gfn_t base,
		      gfn_t start, gfn_t end);

static void zap_entry(struct mmu *mmu, struct tdp_zap *zap, u64 *sptep, int level, gfn_t gfn,
		      gfn_t start, gfn_t end)
{
	const struct tdp_format *f = mmu->host->format;
	bool whole = start <= gfn && gfn + tdp_pages(level) <= end;
	bool leaf = tdp_is_leaf(f, *sptep, level);
	u64 spte;

	if (!leaf && !whole) {
		zap_level(mmu, zap, tdp_table(f, *sptep), level - 1, gfn, start, end);
		return;
	}
	spte = xchg(sptep, 0);
	zap->changed = true;
	mmu_epoch_open(mmu);
	if (unlikely(mmu->shadow) && mmu->shadow->nr)
		zap_shadow(mmu, sptep, spte, level, gfn);
	if (leaf)
		tdp_zap_note_dirty(mmu, zap, spte, gfn, level);
	else
		zap_detach(zap, tdp_table(f, spte), level - 1, gfn);
}

static void zap_level(struct mmu *mmu, struct tdp_zap *zap, u64 *table, int level, gfn_t base,
		      gfn_t start, gfn_t end)
{
	gfn_t size = tdp_pages(level);
	gfn_t gfn = max(base, round_down(start, size));
	gfn_t last = min(base + size * TDP_ENTRIES, end);

	for (; gfn < last; gfn += size) {
		u64 *sptep = &table[tdp_index(gfn, level)];

		if (READ_ONCE(*sptep))
			zap_entry(mmu, zap, sptep, level, gfn, start, end);
	}
}

/**
 * tdp_zap_init() - begin to zap
 * @zap: on the stack
 * @slot: all that will be zapped is the slot's: its gmem, if it has one, is told
 *	which pages were dirty.  NULL: nobody is (because it is gmem that zaps just these pages)
 */
void tdp_zap_init(struct tdp_zap *zap, struct memslot *slot)
{
	INIT_LIST_HEAD(&zap->tables);
	zap->slot = slot;
	zap->tell_all = false;
	zap->large_only = false;
	zap->changed = false;
	zap->epoch = 0;
}

/**
 * tdp_zap_range() - take away every mapping of [start, end)
 * @mmu: @lock held for write
 * @zap: after tdp_zap_init()
 * @start: first gfn; a 2 MiB leaf goes away as a whole even when it is covered in part
 * @end: gfn after the last
 */
void tdp_zap_range(struct mmu *mmu, struct tdp_zap *zap, gfn_t start, gfn_t end)
{
	lockdep_assert_held_write(&mmu->lock);
	zap_level(mmu, zap, mmu->root, mmu->host->format->levels, 0, start, end);
}

/**
 * tdp_zap_flush() - flush if anything was taken away
 * @mmu: @lock held for write since the zapping
 * @zap: after the last tdp_zap_range()
 */
void tdp_zap_flush(struct mmu *mmu, struct tdp_zap *zap)
{
	if (zap->changed)
		mmu_flush(mmu);
	zap->epoch = mmu_epoch_current(mmu);
}

/**
 * tdp_zap_finish() - free the detached tables
 * @mmu: @lock not held
 * @zap: flushed
 * @may_sleep: the caller is in no atomic or non-blockable section
 */
void tdp_zap_finish(struct mmu *mmu, struct tdp_zap *zap, bool may_sleep)
{
	struct page *page, *next;
	int idx;

	mmu_epoch_assert(mmu, zap->epoch);
	idx = srcu_read_lock(&mmu->srcu);	/* for windows */
	list_for_each_entry_safe(page, next, &zap->tables, lru) {
		int level = page_private(page) % TDP_ENTRIES;
		gfn_t gfn = page_private(page) - level;

		list_del(&page->lru);
		set_page_private(page, 0);
		zap_reap(mmu, zap, page_address(page), level, gfn, may_sleep);
	}
	srcu_read_unlock(&mmu->srcu, idx);
}

/**
 * tdp_zap_all() - take away every mapping and free every table but the top one
 * @mmu: takes @lock; @srcu too, so the caller need not
 * @may_sleep: the caller is in no atomic or non-blockable section
 */
void tdp_zap_all(struct mmu *mmu, bool may_sleep)
{
	struct tdp_zap zap;
	int idx;

	tdp_zap_init(&zap, NULL);
	zap.tell_all = true;
	/* Free most shadow pages in steps here, so that others get the lock in between. */
	if (mmu->shadow && may_sleep)
		mmu_shadow_forget(mmu);
	idx = srcu_read_lock(&mmu->srcu);
	write_lock(&mmu->lock);
	mmu_invalidated(mmu);
	if (mmu->shadow)
		shadow_zap_all(mmu);
	tdp_zap_range(mmu, &zap, 0, tdp_pages(mmu->host->format->levels + 1));
	tdp_zap_flush(mmu, &zap);
	write_unlock(&mmu->lock);
	tdp_zap_finish(mmu, &zap, may_sleep);
	srcu_read_unlock(&mmu->srcu, idx);
}

struct leaf_walk {
	gfn_t start, end;
	tdp_leaf_fn fn;
	void *arg;
};

static bool walk_leaves(struct mmu *mmu, const struct leaf_walk *w, u64 *table, int level,
			gfn_t base)
{
	const struct tdp_format *f = mmu->host->format;
	gfn_t size = tdp_pages(level);
	gfn_t gfn = max(base, round_down(w->start, size));
	gfn_t last = min(base + size * TDP_ENTRIES, w->end);

	for (; gfn < last; gfn += size) {
		u64 *sptep = &table[tdp_index(gfn, level)];
		u64 spte = READ_ONCE(*sptep);

		if (!spte)
			continue;
		if (tdp_is_leaf(f, spte, level) ?
		    !w->fn(mmu, sptep, gfn, level, w->arg) :
		    !walk_leaves(mmu, w, tdp_table(f, spte), level - 1, gfn))
			return false;
	}
	return true;
}

/**
 * tdp_for_each_leaf() - call a function for each leaf that maps something of [start, end)
 * @mmu: @lock held, for write if @fn takes permissions away
 * @start: first gfn
 * @end: gfn after the last
 * @fn: must not sleep; ends the walk when it returns false
 * @arg: for @fn
 *
 * Return: false if @fn ended it.
 */
bool tdp_for_each_leaf(struct mmu *mmu, gfn_t start, gfn_t end, tdp_leaf_fn fn, void *arg)
{
	struct leaf_walk w = { .start = start, .end = end, .fn = fn, .arg = arg };

	lockdep_assert_held(&mmu->lock);
	return walk_leaves(mmu, &w, mmu->root, mmu->host->format->levels, 0);
}

struct table_walk {
	gfn_t start, end;
	tdp_table_fn fn;
	void *arg;
};

/*
 * What a fork has made read-only keeps its dirty bit until it is the gmem's own again, and written
 * in place. Till then nobody harvests it.
 */
static bool leaf_is_written(const struct tdp_format *f, u64 spte)
{
	return (spte & f->writable) && (spte & tdp_dirty_bits(f));
}

/* The loop of an idle pass: a few instructions for each 2 MiB. */
static void walk_used_tables(struct mmu *mmu, const struct table_walk *w, u64 *table, gfn_t base)
{
	const struct tdp_format *f = mmu->host->format;
	gfn_t gfn = max(base, round_down(w->start, tdp_pages(2)));
	gfn_t last = min(base + tdp_pages(3), w->end);
	u64 *sptep = &table[tdp_index(gfn, 2)];

	for (; gfn < last; gfn += tdp_pages(2), sptep++) {
		u64 spte = READ_ONCE(*sptep);

		if (tdp_is_leaf(f, spte, 2) ? leaf_is_written(f, spte) : spte & f->accessed)
			w->fn(mmu, sptep, gfn, w->arg);
	}
}

static void walk_tables(struct mmu *mmu, const struct table_walk *w, u64 *table, int level,
			gfn_t base)
{
	const struct tdp_format *f = mmu->host->format;
	gfn_t size = tdp_pages(level);
	gfn_t gfn = max(base, round_down(w->start, size));
	gfn_t last = min(base + size * TDP_ENTRIES, w->end);

	if (level == 2) {
		walk_used_tables(mmu, w, table, base);
		return;
	}
	for (; gfn < last; gfn += size) {
		u64 spte = READ_ONCE(table[tdp_index(gfn, level)]);

		if (spte && !tdp_is_leaf(f, spte, level))
			walk_tables(mmu, w, tdp_table(f, spte), level - 1, gfn);
	}
}

/**
 * tdp_for_each_used_table() - call a function for each table of leaves that the CPU has used, and
 * each leaf of 2 MiB that it has written to, and may write to still
 * @mmu: @lock held, for write if @fn changes something. Its format has accessed bits
 * @start: first gfn
 * @end: gfn after the last; tables of which a part is in the range are among them
 * @fn: must not sleep
 * @arg: for @fn
 *
 * Used: since the accessed bit of the entry that points at it was cleared, or it was made.
 */
void tdp_for_each_used_table(struct mmu *mmu, gfn_t start, gfn_t end, tdp_table_fn fn, void *arg)
{
	struct table_walk w = { .start = start, .end = end, .fn = fn, .arg = arg };

	lockdep_assert_held(&mmu->lock);
	walk_tables(mmu, &w, mmu->root, mmu->host->format->levels, 0);
}

static long count_level(struct mmu *mmu, const u64 *table, int level)
{
	const struct tdp_format *f = mmu->host->format;
	long n = 1;
	unsigned int i;

	for (i = 0; level > 1 && i < TDP_ENTRIES; i++) {
		u64 spte = READ_ONCE(table[i]);

		if (spte && !tdp_is_leaf(f, spte, level))
			n += count_level(mmu, tdp_table(f, spte), level - 1);
	}
	return n;
}

/**
 * tdp_count_tables() - count the tables that there are, for the checker
 * @mmu: @lock held
 *
 * Return: their number, the top table included.
 */
long tdp_count_tables(struct mmu *mmu)
{
	lockdep_assert_held(&mmu->lock);
	return count_level(mmu, mmu->root, mmu->host->format->levels);
}
