// SPDX-License-Identifier: GPL-2.0-only
/*
 * What gmem asks of a slot that maps it: zap, write-protect, harvest dirty bits, show
 * the mappings.  Each callback turns offsets into gfns and walks the TDP tables of that
 * range.  They run with gmem's locks held: nothing here calls gmem, but gmem_mark_dirty() and the
 * like, which take none.
 *
 * The hard part is the order: the bits are taken from the tables with mmu->lock held for
 * write, then the TLBs are flushed, and only then may gmem rely on the result.
 */
#include <linux/bitmap.h>

#include "mmu/dirty.h"
#include "mmu/shadow.h"
#include "mmu/slots.h"
#include "mmu/tdp.h"
#include "mmu/window.h"

static struct memslot *binding_slot(struct gmem_binding *b)
{
	return container_of(b, struct memslot, binding);
}

/*
 * What gmem takes away for its own sake it knows of, and it is of no use to tell of that. But a
 * whole chunk goes for the sake of one page: then the dirty bits of all the others are here,
 * in a large leaf or in leaves of pages.
 */
static void binding_zap(struct gmem_binding *b, pgoff_t start, pgoff_t end)
{
	struct memslot *slot = binding_slot(b);
	struct mmu *mmu = slot->mmu;
	struct tdp_zap zap;

	tdp_zap_init(&zap, slot);
	zap.large_only = !gmem_has_whole(slot->gmem);
	write_lock(&mmu->lock);
	mmu_invalidated(mmu);
	tdp_zap_range(mmu, &zap, memslot_gfn(slot, start), memslot_gfn(slot, end));
	tdp_zap_flush(mmu, &zap);
	write_unlock(&mmu->lock);
	tdp_zap_finish(mmu, &zap, true);
}

/* Never of a whole chunk. */
static void binding_zap_some(struct gmem_binding *b, pgoff_t base, const unsigned long *set)
{
	struct memslot *slot = binding_slot(b);
	pgoff_t start = max(base, gmem_binding_start(b)) - base;
	pgoff_t end = min(base + GMEM_CHUNK_PAGES, gmem_binding_end(b)) - base;
	struct mmu *mmu = slot->mmu;
	unsigned long from, to;
	struct tdp_zap zap;

	tdp_zap_init(&zap, NULL);
	write_lock(&mmu->lock);
	mmu_invalidated(mmu);
	for (from = start; (from = find_next_bit(set, end, from)) < end; from = to) {
		to = find_next_zero_bit(set, end, from);
		tdp_zap_range(mmu, &zap, memslot_gfn(slot, base + from),
			      memslot_gfn(slot, base + to));
	}
	tdp_zap_flush(mmu, &zap);
	write_unlock(&mmu->lock);
	tdp_zap_finish(mmu, &zap, true);
}

/* After so many leaves it is looked whether anybody wants the lock. */
#define WRPROTECT_STEP	512

/**
 * struct wrprotect - how far the leaves of a range have been written-protected
 * @next: the first gfn that has not
 * @left: of a step, in leaves
 * @changed: some was writable, since the last flush
 */
struct wrprotect {
	gfn_t next;
	unsigned int left;
	bool changed;
};

/* The end of a step, unless nobody waits. */
static bool wrprotect_pause(struct mmu *mmu, struct wrprotect *w, gfn_t gfn)
{
	if (likely(w->left--))
		return false;
	w->left = WRPROTECT_STEP;
	w->next = gfn;
	return need_resched() || rwlock_is_contended(&mmu->lock);
}

static bool wrprotect_leaf(struct mmu *mmu, u64 *sptep, gfn_t gfn, int level, void *arg)
{
	const struct tdp_format *f = mmu->host->format;
	u64 old = READ_ONCE(*sptep), new;
	struct wrprotect *w = arg;

	if (wrprotect_pause(mmu, w, gfn))
		return false;
	do {
		if (!(old & (f->writable | TDP_LOG_GUARD)))
			return true;
		new = old & ~(f->writable | TDP_LOG_GUARD);
		if (!f->dirty && (old & f->writable))
			new |= TDP_WAS_WRITTEN;
	} while (!try_cmpxchg64(sptep, &old, new));
	if (!(old & f->writable))
		return true;
	mmu_epoch_open(mmu);
	if (unlikely(mmu->shadow))
		shadow_protect_leaf(mmu, sptep);
	w->changed = true;
	return true;
}

/* A step, or some. Whether it was the last. */
static bool wrprotect_step(struct mmu *mmu, struct wrprotect *w, gfn_t end)
{
	bool done;
	u64 epoch;

	write_lock(&mmu->lock);
	mmu_invalidated(mmu);
	done = tdp_for_each_leaf(mmu, w->next, end, wrprotect_leaf, w);
	if (w->changed)
		mmu_flush(mmu);
	w->changed = false;
	epoch = mmu_epoch_current(mmu);
	write_unlock(&mmu->lock);
	mmu_epoch_assert(mmu, epoch);
	return done;
}

/*
 * A slot may be large, and its vCPUs want the lock meanwhile. What they map between two steps is
 * read-only already, or was resolved before this began: then mmu_invalidated() told them.
 */
static void binding_wrprotect(struct gmem_binding *b, pgoff_t start, pgoff_t end)
{
	struct memslot *slot = binding_slot(b);
	struct wrprotect w = { .next = memslot_gfn(slot, start), .left = WRPROTECT_STEP };

	while (!wrprotect_step(slot->mmu, &w, memslot_gfn(slot, end)))
		cond_resched();
}

struct survey {
	struct memslot *slot;
	gfn_t start, end;
	unsigned long *chunks;
	bool changed;
};

static void survey_note(const struct survey *s, gfn_t gfn)
{
	pgoff_t from = memslot_offset(s->slot, max(gfn, s->start));
	pgoff_t last = memslot_offset(s->slot, min(gfn + tdp_pages(2), s->end) - 1);

	__set_bit(gmem_chunk_nr(from), s->chunks);
	__set_bit(gmem_chunk_nr(last), s->chunks);
}

/*
 * A table that the CPU has used, or a large leaf that it has written to. The bit stays where the
 * table is not all of the range: what else is in it may be another gmem's, whose survey wants to
 * see it; and a leaf's is harvested.
 */
static void survey_table(struct mmu *mmu, u64 *sptep, gfn_t gfn, void *arg)
{
	struct survey *s = arg;

	survey_note(s, gfn);
	if (tdp_is_leaf(mmu->host->format, READ_ONCE(*sptep), 2))
		return;
	if (gfn < s->start || gfn + tdp_pages(2) > s->end)
		return;
	tdp_clear_bits(sptep, mmu->host->format->accessed);
	mmu_epoch_open(mmu);
	s->changed = true;
}

static void survey_blocks(struct memslot *slot, pgoff_t start, pgoff_t end,
			  unsigned long *chunks)
{
	unsigned long bit = memslot_block(slot, start), last = memslot_block(slot, end - 1);
	unsigned int nr = gmem_chunk_nr(start);
	unsigned long at = bit;

	for (; (at = find_next_bit(slot->written, last + 1, at)) <= last; at++)
		__set_bit(nr + at - bit, chunks);
}

/*
 * A dirty bit is set in a leaf only by a CPU that has walked to it, and a CPU that walks sets
 * the accessed bit of the table that the leaf is in. So where that is clear there is nothing to
 * harvest. It is cleared, and flushed so that every CPU walks again, before the harvest looks
 * at the leaves: else a CPU that walked long ago could write between the two, and the next
 * survey would not see it. Levels above are not cleared, each would need a flush of its own
 * for the same reason.
 *
 * Where the CPU logs its writes, the log knows; where it has no accessed bits, all is looked at.
 */
static void binding_survey(struct gmem_binding *b, pgoff_t start, pgoff_t end,
			   unsigned long *chunks)
{
	struct memslot *slot = binding_slot(b);
	struct mmu *mmu = slot->mmu;
	struct survey s = {
		.slot = slot,
		.start = memslot_gfn(slot, start),
		.end = memslot_gfn(slot, end),
		.chunks = chunks,
	};
	u64 epoch;

	if (slot->written) {
		survey_blocks(slot, start, end, chunks);
		return;
	}
	if (!mmu->host->format->accessed || !mmu->host->format->dirty) {
		bitmap_set(chunks, gmem_chunk_nr(start),
			   gmem_chunk_nr(end - 1) - gmem_chunk_nr(start) + 1);
		return;
	}
	write_lock(&mmu->lock);
	if (!slot->gone)
		tdp_for_each_used_table(mmu, s.start, s.end, survey_table, &s);
	if (s.changed)
		mmu_flush(mmu);
	epoch = mmu_epoch_current(mmu);
	write_unlock(&mmu->lock);
	mmu_epoch_assert(mmu, epoch);
}

struct harvest {
	gfn_t start, end;
	unsigned long *bitmap;
	bool changed;
};

static bool harvest_leaf(struct mmu *mmu, u64 *sptep, gfn_t gfn, int level, void *arg)
{
	u64 bits = tdp_dirty_bits(mmu->host->format);
	struct harvest *h = arg;
	gfn_t from, to;

	if (!(READ_ONCE(*sptep) & bits))
		return true;
	tdp_clear_bits(sptep, bits);
	mmu_epoch_open(mmu);
	if (unlikely(mmu->shadow))
		shadow_protect_leaf(mmu, sptep);
	from = max(gfn, h->start);
	to = min(gfn + tdp_pages(level), h->end);
	bitmap_set(h->bitmap, from - h->start, to - from);
	h->changed = true;
	return true;
}

/*
 * Where writes are logged, may there be dirty leaves in [start, end)? Clears the bits of
 * blocks that are wholly in the range. Call it before looking at the leaves: a leaf that
 * becomes dirty meanwhile sets its bit again, and is found now or by the next harvest.
 */
static bool harvest_wanted(struct memslot *slot, pgoff_t start, pgoff_t end)
{
	const struct gmem_binding *b = &slot->binding;
	bool wanted = false;
	pgoff_t off, next;

	if (!slot->written)
		return true;
	for (off = start; off < end; off = next) {
		pgoff_t first = max(round_down(off, LOG_BLOCK), gmem_binding_start(b));
		unsigned long bit = memslot_block(slot, off);

		next = round_down(off, LOG_BLOCK) + LOG_BLOCK;
		if (start <= first && end >= min(next, gmem_binding_end(b)))
			wanted |= test_bit(bit, slot->written) &&
				  test_and_clear_bit(bit, slot->written);
		else
			wanted |= test_bit(bit, slot->written);
	}
	return wanted;
}

/*
 * A CPU that has a dirty bit cached does not set it in the table again, so a flush is
 * needed. Where the format has no dirty bit, writable leaves count as dirty, and clearing
 * write-protects them.
 *
 * Where writes are logged, blocks that were not written cost nothing. The log of a vCPU
 * that is in the guest is read at its next exit, so its last writes are found by the next
 * harvest.
 */
static void binding_harvest(struct gmem_binding *b, pgoff_t start, pgoff_t end,
			    unsigned long *bitmap)
{
	struct memslot *slot = binding_slot(b);
	struct mmu *mmu = slot->mmu;
	struct harvest h = {
		.start = memslot_gfn(slot, start),
		.end = memslot_gfn(slot, end),
		.bitmap = bitmap,
	};
	u64 epoch;

	if (!harvest_wanted(slot, start, end))
		return;
	write_lock(&mmu->lock);
	if (!slot->gone)
		tdp_for_each_leaf(mmu, h.start, h.end, harvest_leaf, &h);
	if (h.changed)
		mmu_flush(mmu);
	epoch = mmu_epoch_current(mmu);
	write_unlock(&mmu->lock);
	mmu_epoch_assert(mmu, epoch);
}

/**
 * mmu_note_written() - the guest wrote to pages that were clean
 * @mmu: the caller is in a read section of its srcu
 * @gpas: addresses in them
 * @nr: their number
 *
 * The CPU's driver of a table of a format that is logged reports every dirty bit that the CPU
 * set, with IRQs still off since the guest was left: host->collect_written() waits for that.
 */
void mmu_note_written(struct mmu *mmu, const u64 *gpas, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		gfn_t gfn = gpas[i] >> PAGE_SHIFT;
		struct memslot *slot = mmu_find_slot(mmu, gfn);

		if (!slot)
			continue;
		memslot_note_written(slot, gfn);
		/* Without the CPU's log, the write fault has told the ring already. */
		if (mmu_cpu_logs(mmu))
			memslot_log_write(slot, gfn);
	}
}

#define CHECK_BATCH	64

struct check_batch {
	unsigned int nr;
	gfn_t next;	/* where the next batch begins */
	struct {
		gfn_t gfn;
		int level;
		u64 spte;
	} leaf[CHECK_BATCH];
};

static bool binding_check_leaf(struct mmu *mmu, u64 *sptep, gfn_t gfn, int level, void *arg)
{
	struct check_batch *batch = arg;

	batch->leaf[batch->nr].gfn = gfn;
	batch->leaf[batch->nr].level = level;
	batch->leaf[batch->nr++].spte = READ_ONCE(*sptep);
	batch->next = gfn + tdp_pages(level);
	return batch->nr < CHECK_BATCH;
}

static void check_show(const struct tdp_format *f, struct memslot *slot,
		       const struct check_batch *batch, gmem_check_fn fn, void *ctx)
{
	unsigned int i;
	u64 n;

	for (i = 0; i < batch->nr; i++) {
		/* This gfn is shared now: its leaf is of the slot in front. */
		if (memslot_is_private(slot) && !mmu_is_private(slot->mmu, batch->leaf[i].gfn))
			continue;
		for (n = 0; n < tdp_pages(batch->leaf[i].level); n++)
			fn(ctx, memslot_offset(slot, batch->leaf[i].gfn) + n,
			   tdp_pfn(f, batch->leaf[i].spte) + n,
			   batch->leaf[i].spte & (f->writable | TDP_LOG_GUARD));
	}
}

/* In batches, because @fn may sleep; a large leaf is as many mappings as it has pages. */
static void binding_check(struct gmem_binding *b, pgoff_t start, pgoff_t end,
			  gmem_check_fn fn, void *ctx)
{
	struct memslot *slot = binding_slot(b);
	gfn_t to = memslot_gfn(slot, end);
	struct mmu *mmu = slot->mmu;
	struct check_batch batch = { .next = memslot_gfn(slot, start) };
	bool all;

	do {
		batch.nr = 0;
		read_lock(&mmu->lock);
		all = slot->gone ||
		      tdp_for_each_leaf(mmu, batch.next, to, binding_check_leaf, &batch);
		read_unlock(&mmu->lock);
		check_show(mmu->host->format, slot, &batch, fn, ctx);
	} while (!all);
}

static void binding_revoke(struct gmem_binding *b, pgoff_t start, pgoff_t end)
{
	window_revoke(binding_slot(b));
}

static const struct gmem_binding_ops binding_ops = {
	.zap = binding_zap,
	.revoke = binding_revoke,
	.zap_some = binding_zap_some,
	.wrprotect = binding_wrprotect,
	.survey = binding_survey,
	.harvest = binding_harvest,
	.check = binding_check,
};

/**
 * binding_attach() - bind a gmem-backed slot that is about to be published
 * @slot: complete; mmu->slots_lock held
 *
 * May sleep.  Callbacks may come before this returns, and find nothing to do.
 *
 * Return: 0 or -EINVAL for a range beyond the gmem's end.
 */
int binding_attach(struct memslot *slot)
{
	pgoff_t start = slot->pos >> PAGE_SHIFT;

	return gmem_bind(slot->gmem, &slot->binding, start, start + slot->npages, &binding_ops);
}
