// SPDX-License-Identifier: GPL-2.0-only
/*
 * Punching: making ranges empty again, and freeing whole chunks. Works chunk by chunk, so
 * that mappings are taken away by ranges and nobody waits long. The hard part is the end of
 * a chunk: its empty entries are locked too, so that nobody fills one after the chunk has
 * left its directory.
 */
#include <linux/pagemap.h>
#include <linux/sched/signal.h>

#include "gmem/internal.h"

#define CREATE_TRACE_POINTS
#include "gmem/trace.h"

/* Lock what is there (with @empties: everything), and wait for user faults in flight. */
static bool punch_lock(struct gmem *g, struct gmem_chunk *c, unsigned int from,
		       unsigned int to, bool empties)
{
	struct page *page;
	bool any = false;
	unsigned int i;
	unsigned long v;

	for (i = from; i < to; i++) {
		if (!empties && !READ_ONCE(c->entry[i]))
			continue;
		v = gmem_entry_lock(c, i);
		if (!v)
			continue;
		any = true;
		if (!(v & (GMEM_PRESENT | GMEM_ZMAP)))
			continue;
		page = v & GMEM_PRESENT ? gmem_entry_page(v) : READ_ONCE(g->zero);
		if (!page)	/* a copied chunk's entry; see claim.c, point 3 */
			continue;
		lock_page(page);
		unlock_page(page);
	}
	return any;
}

/* Make locked entries empty; with @retire they stay locked for good. */
static void punch_drop(struct gmem *g, struct gmem_chunk *c, unsigned int from,
		       unsigned int to, bool retire)
{
	unsigned int i, given = 0;
	unsigned long v;

	for (i = from; i < to; i++) {
		v = READ_ONCE(c->entry[i]);
		if (!(v & GMEM_LOCKED))
			continue;
		gmem_note_changed(c, i);
		smp_store_release(&c->entry[i], retire ? GMEM_LOCKED : 0);
		gmem_entry_drop(g, v);
		if (v & (GMEM_PRESENT | GMEM_ZEROED))
			given++;
	}
	gmem_space_give(g, given);
}

/* Entries from @from to @to of a chunk become empty. Returns whether the chunk goes. */
static bool chunk_punch(struct gmem *g, struct gmem_chunk *c, unsigned int from,
			unsigned int to)
{
	/* The size of a file may change: what is behind @to need not be empty there. */
	bool retire = !from && (to == GMEM_CHUNK_PAGES ||
				(!g->space && c->base + to == gmem_npages(g)));

	if (c->dead)
		return false;
	if (punch_lock(g, c, from, to, retire)) {
		gmem_zap_bindings(g, c->base + from, c->base + to);
		gmem_unmap_user(g, c->base + from, c->base + to);
	}
	if (retire)
		gmem_chunk_retire(g, c);
	punch_drop(g, c, from, to, retire);
	return retire;
}

static bool chunk_missing(struct gmem *g, pgoff_t off)
{
	bool missing;

	rcu_read_lock();
	missing = !gmem_chunk_lookup(g, off);
	rcu_read_unlock();
	return missing;
}

/* Punch a chunk that has been claimed. False: a fork came in between. */
static bool punch_claimed(struct gmem *g, struct gmem_chunk *c, pgoff_t off, pgoff_t next)
{
	bool gone;

	if (!gmem_chunk_enter(g, c))
		return false;
	mutex_lock(&c->lock);
	gone = chunk_punch(g, c, off - c->base, next - c->base);
	mutex_unlock(&c->lock);
	gmem_chunk_leave(g, c);
	if (gone)
		gmem_chunk_put(c);
	return true;
}

/* Punch one chunk's part [off, next) of a range. */
static int punch_one(struct gmem *g, pgoff_t off, pgoff_t next, gfp_t gfp)
{
	struct gmem_chunk *c;
	bool done = false;

	while (!done && !chunk_missing(g, off)) {
		c = gmem_chunk_claim(g, off, gfp);
		if (IS_ERR(c))
			return PTR_ERR(c);
		done = punch_claimed(g, c, off, next);
		gmem_chunk_put(c);
	}
	return 0;
}

static int punch_range(struct gmem *g, pgoff_t start, pgoff_t end, bool must)
{
	pgoff_t off, next;
	int ret;

	for (off = start; off < end; off = max(next, gmem_next_chunk(g, next))) {
		next = min(end, round_down(off, GMEM_CHUNK_PAGES) + GMEM_CHUNK_PAGES);
		ret = punch_one(g, off, next, must ? GMEM_GFP_MUST : GMEM_GFP);
		if (ret)
			return ret;
		if (!must && fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return 0;
}

/**
 * gmem_punch() - make whole pages empty
 * @g: the gmem
 * @start: first offset
 * @end: offset after the last
 *
 * Process context, no lock held. Pages that GUP or a pin still holds live on until
 * they are released, no longer part of the gmem.
 *
 * Return: 0; -EINVAL for a range that is not inside the gmem; -EINTR when a fatal
 * signal came, or -ENOMEM: part of it is another gmem's, too, after a fork, and could not be
 * copied. The beginning of the range is punched then.
 */
int gmem_punch(struct gmem *g, pgoff_t start, pgoff_t end)
{
	if (start > end || end > gmem_npages(g))
		return -EINVAL;
	trace_ditto_punch(g->id, start, end);
	return punch_range(g, start, end, false);
}

/**
 * gmem_punch_rest() - make everything from an offset on empty
 * @g: the gmem, its size_lock held
 * @start: first offset
 *
 * Cannot fail: a claim that must not fail does not (claim.c).
 */
void gmem_punch_rest(struct gmem *g, pgoff_t start)
{
	trace_ditto_punch(g->id, start, gmem_index_end(g));
	WARN_ON_ONCE(punch_range(g, start, gmem_index_end(g), true));
}
