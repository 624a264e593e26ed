// SPDX-License-Identifier: GPL-2.0-only
/*
 * Punching: making ranges empty again, and freeing whole chunks. Works chunk by chunk, so
 * that mappings are taken away by ranges and nobody waits long. The hard part is the end of
 * a chunk: its empty entries are locked too, so that nobody fills one after the chunk has
 * left its directory.
 *
 * Who makes a range empty by order drops also what somebody holds: that lives on, apart. A guest
 * that has no use for a page knows nothing of who holds it, such as a device that is going to
 * write there: what is held stays then (gmem_give_back()).
 */
#include <linux/pagemap.h>
#include <linux/sched/signal.h>

#include "gmem/bind.h"
#include "gmem/claim.h"
#include "gmem/entry.h"
#include "gmem/frame.h"
#include "gmem/index.h"
#include "gmem/internal.h"
#include "gmem/later.h"
#include "gmem/mappings.h"
#include "gmem/merge.h"

#define CREATE_TRACE_POINTS
#include "gmem/punch.h"
#include "gmem/space.h"
#include "gmem/trace.h"
#include "gmem/whole.h"

/**
 * struct punch - a range that is being made empty
 * @must: it cannot fail
 * @spare: private pages that somebody holds stay
 * @dropped: pages that are no longer there
 * @held: that stayed
 */
struct punch {
	bool must, spare;
	unsigned long dropped, held;
};

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
		/*
		 * The entry is locked, with a full barrier: a fault that takes the page's lock
		 * after this look at it will see that.
		 */
		if (!PageLocked(page))
			continue;
		lock_page(page);
		unlock_page(page);
	}
	return any;
}

/*
 * What somebody holds keeps its entry. Nothing maps it any more, and whoever holds it may have
 * written: to the merge engine it is written. Returns how many there are.
 */
static unsigned int punch_spare(struct gmem_chunk *c, unsigned int from, unsigned int to)
{
	unsigned int i, n = 0;
	unsigned long v;

	smp_mb();	/* pairs with hold_private(): its reference, then the entry */
	for (i = from; i < to; i++) {
		v = READ_ONCE(c->entry[i]);
		if (!(v & GMEM_LOCKED) || !gmem_entry_private(v) ||
		    !gmem_page_held(gmem_entry_page(v)))
			continue;
		gmem_entry_unlock(c, i, (v & ~GMEM_LOCKED) | GMEM_DIRTY);
		n++;
	}
	return n;
}

/**
 * struct dropping - pages of one chunk on their way out, counted and put all at one go
 * @first: of private pages, linked; NULL: none
 * @last: the end of it
 * @private: how many private ones
 * @pending: of them, how many waited to be examined
 * @pages: of all kinds
 * @given: entries that had been written
 */
struct dropping {
	struct page *first, *last;
	unsigned int private, pending, pages, given;
};

/* A private page leaves: gmem_entry_drop(), but for what punch_dropped() does. */
static void punch_drop_private(struct dropping *d, unsigned long v)
{
	struct page *page = gmem_entry_page(v);

	gmem_merge_forget(page);
	gmem_page_disown(page);
	gmem_page_waits(page)->next = d->first ? gmem_page_waits(d->first) : NULL;
	d->first = page;
	if (!d->private++)
		d->last = page;
	d->pending += !!(v & GMEM_PENDING);
}

static void punch_dropped(struct gmem *g, const struct dropping *d)
{
	gmem_space_give(g, d->given);
	if (!d->private)
		return;
	if (d->pending)
		atomic_long_sub(d->pending, &g->nr_pending);
	gmem_count_private(g, -(long)d->private);
	gmem_put_pages_later(d->first, d->last, d->private);
}

/*
 * Make locked entries empty; with @retire they stay locked for good. Returns how many had a page.
 */
static unsigned int punch_drop(struct gmem *g, struct gmem_chunk *c, unsigned int from,
			       unsigned int to, bool retire)
{
	struct dropping d = { };
	unsigned long v;
	unsigned int i;

	for (i = from; i < to; i++) {
		v = READ_ONCE(c->entry[i]);
		if (!(v & GMEM_LOCKED))
			continue;
		gmem_note_changed(c, i);
		smp_store_release(&c->entry[i], retire ? GMEM_LOCKED : 0);
		if (gmem_entry_private(v))
			punch_drop_private(&d, v);
		else
			gmem_entry_drop(g, v);
		d.given += !!(v & (GMEM_PRESENT | GMEM_ZEROED | GMEM_APART));
		d.pages += !!(v & (GMEM_PRESENT | GMEM_APART));
	}
	punch_dropped(g, &d);
	return d.pages;
}

/* Entries from @from to @to of a chunk become empty. Returns whether the chunk goes. */
static bool chunk_punch(struct gmem *g, struct gmem_chunk *c, unsigned int from,
			unsigned int to, struct punch *p)
{
	unsigned int held = 0;
	/* The size of a file may change: what is behind @to need not be empty there. */
	bool retire = !from && (to == GMEM_CHUNK_PAGES ||
				(!g->space && c->base + to == gmem_npages(g)));

	if (c->dead)
		return false;
	gmem_chunk_split(g, c, SPLIT_PUNCH);
	if (punch_lock(g, c, from, to, retire)) {
		gmem_zap_bindings(g, c->base + from, c->base + to);
		gmem_unmap_user(g, c->base + from, c->base + to);
		if (p->spare)
			held = punch_spare(c, from, to);
	}
	p->held += held;
	retire &= !held;
	if (retire)
		gmem_chunk_retire(g, c);
	p->dropped += punch_drop(g, c, from, to, retire);
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
static bool punch_claimed(struct gmem *g, struct gmem_chunk *c, pgoff_t off, pgoff_t next,
			  struct punch *p)
{
	bool gone;

	if (!gmem_chunk_enter(g, c))
		return false;
	mutex_lock(&c->lock);
	gone = chunk_punch(g, c, off - c->base, next - c->base, p);
	mutex_unlock(&c->lock);
	gmem_chunk_leave(g, c);
	if (gone)
		gmem_chunk_put(c);
	return true;
}

/* Punch one chunk's part [off, next) of a range. */
static int punch_one(struct gmem *g, pgoff_t off, pgoff_t next, struct punch *p)
{
	struct gmem_chunk *c;
	bool done = false;

	while (!done && !chunk_missing(g, off)) {
		c = gmem_chunk_claim(g, off, p->must ? GMEM_GFP_MUST : GMEM_GFP);
		if (IS_ERR(c))
			return PTR_ERR(c);
		done = punch_claimed(g, c, off, next, p);
		gmem_chunk_put(c);
	}
	return 0;
}

static int punch_range(struct gmem *g, pgoff_t start, pgoff_t end, struct punch *p)
{
	pgoff_t off, next;
	int ret;

	for (off = start; off < end; off = max(next, gmem_next_chunk(g, next))) {
		next = min(end, round_down(off, GMEM_CHUNK_PAGES) + GMEM_CHUNK_PAGES);
		ret = punch_one(g, off, next, p);
		if (ret)
			return ret;
		if (!p->must && fatal_signal_pending(current))
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
	struct punch p = { };

	if (start > end || end > gmem_npages(g))
		return -EINVAL;
	trace_ditto_punch(g->id, start, end);
	return punch_range(g, start, end, &p);
}

/**
 * gmem_give_back() - make pages empty that nobody has a use for
 * @g: the gmem
 * @start: first offset
 * @end: offset after the last
 * @given: gets how many pages went
 * @held: gets how many stayed, because somebody holds them
 *
 * As gmem_punch(), but that a page which somebody else than the index and page tables of
 * processes has a reference to, such as a device, stays what it is.
 *
 * Return: as gmem_punch().
 */
int gmem_give_back(struct gmem *g, pgoff_t start, pgoff_t end, unsigned long *given,
		   unsigned long *held)
{
	struct punch p = { .spare = true };
	int err = -EINVAL;

	if (start <= end && end <= gmem_npages(g)) {
		trace_ditto_punch(g->id, start, end);
		err = punch_range(g, start, end, &p);
	}
	*given = p.dropped;
	*held = p.held;
	return err;
}

/**
 * gmem_punch_surely() - gmem_punch() that does not fail
 * @g: the gmem
 * @start: first offset
 * @end: offset after the last, not beyond the size
 *
 * Waits for memory, if part of the range is another gmem's, too.
 */
void gmem_punch_surely(struct gmem *g, pgoff_t start, pgoff_t end)
{
	struct punch p = { .must = true };

	trace_ditto_punch(g->id, start, end);
	WARN_ON_ONCE(punch_range(g, start, end, &p));
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
	struct punch p = { .must = true };

	trace_ditto_punch(g->id, start, gmem_index_end(g));
	WARN_ON_ONCE(punch_range(g, start, gmem_index_end(g), &p));
}
