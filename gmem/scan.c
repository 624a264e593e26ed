// SPDX-License-Identifier: GPL-2.0-only
/*
 * What changed in a chunk since the last scan, and which of its pages have been calm for
 * long enough to be examined. Collects the dirty bits of bindings, the writes of the kernel
 * (GMEM_DIRTY), and those through user mappings that may be writable (GMEM_UWRITE): the
 * mappings are taken away, and the kernel tells whether a page was written through them. A
 * chunk where nothing happened costs the bindings' harvest and nothing else. No step takes
 * long, whatever a gmem's users do: this bounds how long the engine and a suspend of the
 * host wait for it.
 */
#include <linux/bitmap.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>
#include <ditto.h>

#include "gmem/bind.h"
#include "gmem/claim.h"
#include "gmem/entry.h"
#include "gmem/fault.h"
#include "gmem/frame.h"
#include "gmem/index.h"
#include "gmem/internal.h"
#include "gmem/mappings.h"
#include "gmem/merge.h"
#include "gmem/policy.h"

#ifdef DITTO_KUNIT
unsigned long gmem_stamp_skew;
#endif

/* Take the mark off; false if a user fault is just setting it. */
static bool clear_uwrite(struct gmem_chunk *c, unsigned int nr, unsigned long v)
{
	struct page *page = gmem_entry_page(v);

	if (!trylock_page(page))
		return false;
	v = READ_ONCE(c->entry[nr]);
	while (!try_cmpxchg(&c->entry[nr], &v, v & ~GMEM_UWRITE))
		;
	unlock_page(page);
	return true;
}

/*
 * Mappings of a page were taken away: was it written through them? When page-table entries go,
 * the kernel moves their dirty bits to the page; code that writes through a reference sets the
 * same bit. Whoever still has a reference may be about to write.
 */
static bool user_wrote(struct page *page)
{
	return folio_test_clear_dirty(page_folio(page)) || gmem_page_held(page);
}

/* Pages that user space may write: unmap them at one go, and mark in @dirty what it did. */
static void harvest_user(struct gmem *g, struct gmem_chunk *c, unsigned long *dirty)
{
	DECLARE_BITMAP(gone, GMEM_CHUNK_PAGES) = { 0 };
	unsigned long v;
	unsigned int i;

	for (i = 0; i < GMEM_CHUNK_PAGES; i++) {
		v = READ_ONCE(c->entry[i]);
		if (gmem_entry_private(v) && (v & GMEM_UWRITE))
			__set_bit(i, clear_uwrite(c, i, v) ? gone : dirty);
	}
	i = find_first_bit(gone, GMEM_CHUNK_PAGES);
	if (i == GMEM_CHUNK_PAGES)
		return;
	gmem_unmap_writers(g, c->base + i,
			   c->base + find_last_bit(gone, GMEM_CHUNK_PAGES) + 1);
	for_each_set_bit_from(i, gone, GMEM_CHUNK_PAGES)
		if (user_wrote(gmem_entry_page(c->entry[i])))
			__set_bit(i, dirty);
}

/* One entry's step. Returns whether it is ripe; *active: it has to be seen again. */
static bool entry_scan(struct gmem *g, struct gmem_chunk *c, unsigned int nr, bool dirty,
		       bool *active, unsigned long *waits)
{
	unsigned long new, v = READ_ONCE(c->entry[nr]);
	bool ripe;

	do {
		if (!gmem_entry_private(v))
			return false;
		new = v & ~GMEM_DIRTY;
		ripe = false;
		if (dirty || (v & GMEM_DIRTY))
			new |= GMEM_PENDING;
		else if (!(v & GMEM_PENDING))
			return false;
		else if (v & GMEM_WAIT_MASK)
			new -= GMEM_WAIT(1);
		else
			ripe = true;
	} while (new != v && !try_cmpxchg(&c->entry[nr], &v, new));
	gmem_count_pending(g, v, new);
	*active = true;
	*waits += (v ^ new) & GMEM_WAIT_MASK ? 1 : 0;
	if (!ripe) {
		gmem_merge_forget(gmem_entry_page(v));
		__clear_bit(nr, c->gain);
	}
	return ripe;
}

/**
 * gmem_scan_ends() - is there nothing to scan at an offset, and behind it?
 * @g: the gmem, to which the caller has a reference
 * @off: any offset
 *
 * Return: true at the end of @g; and anywhere when nobody else has it, so that it can go, or
 * when its policy is that nothing is merged.
 */
bool gmem_scan_ends(const struct gmem *g, pgoff_t off)
{
	return off >= gmem_npages(g) || kref_read(&g->ref) == 1 ||
	       READ_ONCE(g->policy) == DITTO_POLICY_OFF;
}

/* How many missing directories one step of the engine may look up. */
#define SEEK_STEPS	512

/**
 * gmem_scan_seek() - skip what has no directory, for a while
 * @g: the gmem
 * @off: where to begin, rounded down to a directory
 *
 * Return: the first offset, at or after @off's directory, of one that exists; or where to go
 * on from, if there is none near; or the gmem's size in pages, or more.
 */
pgoff_t gmem_scan_seek(struct gmem *g, pgoff_t off)
{
	unsigned int n;

	if (!atomic_long_read(&g->nr_chunks))
		return gmem_index_end(g);
	off = round_down(off, 1UL << GMEM_ROOT_SHIFT);
	for (n = 0; n < SEEK_STEPS && off < gmem_npages(g) && gmem_dir_missing(g, off); n++)
		off += 1UL << GMEM_ROOT_SHIFT;
	return off;
}

/**
 * gmem_scan_survey() - which chunks of a directory have to be scanned
 * @g: the gmem
 * @off: first offset of a directory
 * @chunks: comes in empty; the bit gmem_chunk_nr() is set for each chunk that has something
 *	to be seen by gmem_scan_chunk(), and for some that have not or do not exist
 *
 * Process context, no lock held. What a binding tells of a chunk now it does not tell again,
 * so each is to be scanned before the next survey.
 */
void gmem_scan_survey(struct gmem *g, pgoff_t off, unsigned long *chunks)
{
	pgoff_t end = min(off + (1UL << GMEM_ROOT_SHIFT), gmem_npages(g));
	struct gmem_dir *dir;

	if (off >= end)
		return;
	if (gmem_crowded(g, off, end))	/* none of its chunks need be */
		bitmap_fill(chunks, GMEM_DIR_CHUNKS);
	else
		gmem_survey_bindings(g, off, end, chunks);
	rcu_read_lock();
	dir = gmem_dir_lookup(g, off);
	/* In one that others have, too, there is nothing of its own to be seen. */
	if (dir && READ_ONCE(dir->holder) == READ_ONCE(g->holder))
		bitmap_or(chunks, chunks, dir->active, GMEM_DIR_CHUNKS);
	rcu_read_unlock();
}

/* Take the mark of a chunk that there is not from its directory, if there is one. */
static bool scan_unmark(struct gmem *g, pgoff_t off)
{
	struct gmem_dir *dir;

	rcu_read_lock();
	dir = gmem_dir_lookup(g, off);
	if (dir)
		clear_bit(gmem_chunk_nr(off), dir->active);
	rcu_read_unlock();
	smp_mb();	/* a new chunk marks itself after it has come */
	return dir;
}

/**
 * gmem_scan_again() - have the next scan look at a chunk
 * @cur: holds it
 *
 * No lock need be held. If a fork has made it common there is nothing to be seen, and whoever
 * claims it marks it.
 */
void gmem_scan_again(const struct gmem_cursor *cur)
{
	rcu_read_lock();
	if (gmem_chunk_held_by(cur->c, cur->g))
		gmem_chunk_touch(cur->c);
	rcu_read_unlock();
}

/**
 * gmem_scan_enter() - hold a chunk that a survey has told of
 * @cur: holds the chunk then; the end is gmem_cursor_leave()
 * @g: the gmem
 * @off: any offset of the chunk
 *
 * Return: false if there is none. Then the mark that may be left over from one is gone, too.
 */
bool gmem_scan_enter(struct gmem_cursor *cur, struct gmem *g, pgoff_t off)
{
	if (gmem_cursor_at(cur, g, off))
		return true;
	if (off >= gmem_npages(g) || !scan_unmark(g, off))
		return false;
	if (!gmem_cursor_at(cur, g, off))
		return false;
	gmem_scan_again(cur);	/* one has come meanwhile */
	return true;
}

static unsigned int scan_locked(struct gmem *g, struct gmem_chunk *c, unsigned long *ripe,
				unsigned long *waits)
{
	DECLARE_BITMAP(dirty, GMEM_CHUNK_PAGES) = { 0 };
	pgoff_t end = c->base + GMEM_CHUNK_PAGES;
	unsigned int i, n = 0, nr = gmem_chunk_nr(c->base);
	bool active = false;

	if (gmem_crowded(g, c->base, end)) {
		gmem_chunk_touch(c);	/* what a survey has told of it is not told again */
		return 0;
	}
	gmem_harvest_bindings(g, c->base, end, dirty);
	if (!test_bit(nr, c->dir->active) && bitmap_empty(dirty, GMEM_CHUNK_PAGES))
		return 0;
	clear_bit(nr, c->dir->active);
	/* Pairs with the atomic change of an entry, then gmem_chunk_touch(). */
	smp_mb__after_atomic();
	harvest_user(g, c, dirty);
	for (i = 0; i < GMEM_CHUNK_PAGES; i++) {
		if (entry_scan(g, c, i, test_bit(i, dirty), &active, waits)) {
			__set_bit(i, ripe);
			n++;
		}
	}
	if (active)
		gmem_chunk_touch(c);
	return n;
}

/**
 * gmem_scan_chunk() - collect what was written, and find what is calm
 * @cur: holds the chunk
 * @ripe: bitmap of GMEM_CHUNK_PAGES, comes in empty: private entries that changed since
 *	they were last examined, and then stayed unwritten for at least one scan
 * @waits: grows by the pages that are calm, and left alone because they broke or could not be
 *	merged not long ago
 *
 * Process context. Pages found written leave the merge index. What a fork has made common to
 * several gmems is not looked at: nobody can have written to it. Nor is a gmem that is just
 * being forked: the next scan looks again.
 *
 * Return: how many bits are set in @ripe.
 */
unsigned int gmem_scan_chunk(struct gmem_cursor *cur, unsigned long *ripe, unsigned long *waits)
{
	unsigned int n = 0;

	if (!gmem_cursor_enter(cur))
		return 0;
	if (!cur->c->dead && gmem_chunk_held_by(cur->c, cur->g))
		n = scan_locked(cur->g, cur->c, ripe, waits);
	gmem_cursor_unlock(cur);
	return n;
}

/* To be examined, and what became of it before does not count. Its chunk's lock is held. */
static void entry_anew(struct gmem *g, struct gmem_chunk *c, unsigned int nr)
{
	unsigned long new, v = READ_ONCE(c->entry[nr]);

	do {
		new = (v & ~(GMEM_CHURN_MASK | GMEM_WAIT_MASK)) | GMEM_PENDING;
	} while (!try_cmpxchg(&c->entry[nr], &v, new));
	if (!(v & GMEM_PENDING))
		atomic_long_inc(&g->nr_pending);
}

/* Take every private page of a chunk out of the merge index, and mark it to be examined again. */
static void chunk_forget(struct gmem *g, struct gmem_chunk *c)
{
	unsigned int i;
	unsigned long v;

	if (!gmem_chunk_enter(g, c))
		return;
	mutex_lock(&c->lock);
	bitmap_zero(c->gain, GMEM_CHUNK_PAGES);
	for (i = 0; i < GMEM_CHUNK_PAGES && !c->dead; i++) {
		v = READ_ONCE(c->entry[i]);
		if (!gmem_entry_private(v))
			continue;
		gmem_merge_forget(gmem_entry_page(v));
		entry_anew(g, c, i);
	}
	if (!c->dead)
		gmem_chunk_touch(c);
	mutex_unlock(&c->lock);
	gmem_chunk_leave(g, c);
}

/* @which: the kinds of entries that get pages of their own. */
static int chunk_unshare(struct gmem *g, struct gmem_chunk *c, unsigned long which)
{
	unsigned int i;
	int err;

	mutex_lock(&c->lock);	/* merges here have ended; later ones see the policy */
	mutex_unlock(&c->lock);
	for (i = 0; i < GMEM_CHUNK_PAGES; i++) {
		if (READ_ONCE(c->dead))
			return 0;
		if (!(READ_ONCE(c->entry[i]) & which))
			continue;
		if (fatal_signal_pending(current))
			return -EINTR;
		err = gmem_own(g, c->base + i);
		/* What cannot be read stays shared; a file may have become shorter. */
		if (err && err != -EHWPOISON && err != -EFAULT)
			return err;
		cond_resched();
	}
	chunk_forget(g, c);
	return 0;
}

/**
 * gmem_undo_merging() - give every entry that merging or a fork shared a page of its own
 * @g: the gmem
 * @zeroed: those that merging emptied get pages again, too
 *
 * Process context, no lock held but policy_lock. The caller has seen to it that the engine
 * merges nothing of @g meanwhile. Every page is to be examined again.
 *
 * Return: 0, -ENOMEM, or -EINTR when a fatal signal came; then part of it is undone.
 */
int gmem_undo_merging(struct gmem *g, bool zeroed)
{
	unsigned long which = GMEM_SHARED | GMEM_APART | (zeroed ? GMEM_ZEROED : 0);
	struct gmem_chunk *c;
	pgoff_t off;
	int err;

	for (off = gmem_next_chunk(g, 0); off < gmem_npages(g);
	     off = gmem_next_chunk(g, off + GMEM_CHUNK_PAGES)) {
		/* Chunks without merged pages, too: nothing may stay common with forks. */
		c = gmem_chunk_claim(g, off, GMEM_GFP);
		if (IS_ERR(c))
			return PTR_ERR(c);
		err = chunk_unshare(g, c, which);
		gmem_chunk_put(c);
		if (!err && fatal_signal_pending(current))
			err = -EINTR;
		if (err)
			return err;
		cond_resched();
	}
	return 0;
}

/**
 * gmem_unshare() - undo merging in one gmem
 * @g: the gmem
 *
 * Process context, no lock held. Every entry that merging shared or emptied gets a page of
 * its own. The caller has stopped the merge engine, which could otherwise merge them again.
 * What is kept for resets stays as it is: it has nothing of its own.
 *
 * Return: 0, -ENOMEM, or -EINTR when a fatal signal came; then part of it is undone.
 */
int gmem_unshare(struct gmem *g)
{
	if (g->is_base)
		return 0;
	return gmem_undo_merging(g, true);
}
