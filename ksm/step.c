// SPDX-License-Identifier: GPL-2.0-only
/*
 * Some pages of one chunk, merged together: what merge.c does for one page, with one lock of
 * the chunk, one flush of the bindings' TLBs, and two uses of vector registers for all. The
 * numbers are those of merge.c:
 *
 *	1. pick all pages: zero, or their digests. Under the chunk's lock, look for a candidate
 *	   for each; a page without one goes into the index at once, so that an equal one
 *	   behind it finds it.
 *	2, 3. freeze those that are zero or have a candidate, all with one zap.
 *	4. read them again. Only candidates that are shared are compared here.
 *	5, 6. zero and equal pages are replaced; candidates that are private take merge.c's way.
 *
 * Whatever does not come out as hoped is thawed, and left to merge_one().
 */
#include <linux/mm.h>

#include "ksm/internal.h"
#include "ksm/trace.h"

/* Step 1. */
static void step_read(struct merge_step *s, struct gmem_cursor *cur)
{
	struct merge_item *it;
	void *va;

	rcu_read_lock();
	merge_read_begin();
	for (it = s->item; it < s->item + s->n; it++) {
		gmem_cursor_move(cur, it->nr);
		it->page = gmem_cursor_pending(cur);
		if (!it->page)
			continue;
		va = page_address(it->page);
		it->zero = READ_ONCE(merge_knobs.use_zero_pages) && merge_page_zero(va);
		if (!it->zero && gmem_cursor_shares(cur))
			it->digest = merge_digest(va, gmem_cursor_key(cur));
	}
	merge_read_end();
	rcu_read_unlock();
}

/* What becomes of a page that is zero or has a candidate: MERGE_SHARED if it is to be frozen. */
static enum merge_result step_may(struct gmem_cursor *cur, struct merge_item *it)
{
	enum merge_result r = it->found ? merge_candidate_whole(cur, &it->cand) : MERGE_NONE;

	if (r == MERGE_BUSY)
		return r;
	if (!gmem_cursor_gains(cur, it->page))
		return merge_keep_whole(cur, it->page,
					it->zero || it->cand.shared ? NULL : &it->digest);
	return r == MERGE_MISMATCH ? r : MERGE_SHARED;
}

/* Step 1, with the chunk's lock: what is to be frozen? */
static void step_look(struct merge_step *s, struct gmem_cursor *cur)
{
	struct merge_item *it;

	s->nr_frozen = 0;
	for (it = s->item; it < s->item + s->n; it++) {
		it->found = false;
		it->result = MERGE_NONE;
		if (!it->page)
			continue;
		gmem_cursor_move(cur, it->nr);
		it->found = !it->zero && gmem_cursor_shares(cur) &&
			    merge_index_find(gmem_cursor_domain(cur), it->digest,
					     page_to_nid(it->page), 0, &it->cand);
		it->result = it->zero || it->found ? step_may(cur, it) :
			     merge_keep_unique(cur, it->page, it->digest, 0);
		if (it->result != MERGE_SHARED)
			continue;
		s->frozen[s->nr_frozen].item = it;
		s->freeze[s->nr_frozen].page = it->page;
		s->freeze[s->nr_frozen++].nr = it->nr;
	}
}

/* Step 4. */
static void step_compare(struct merge_step *s)
{
	unsigned int i;

	merge_read_begin();
	for (i = 0; i < s->nr_frozen; i++) {
		struct merge_item *it = s->frozen[i].item;
		void *va = page_address(it->page);

		s->frozen[i].equal = s->freeze[i].frozen &&
			(it->zero ? merge_page_zero(va) : it->cand.shared &&
			 !PageHWPoison(it->cand.page) &&
			 merge_pages_equal(va, page_address(it->cand.page)));
	}
	merge_read_end();
}

/* Steps 5 and 6 for a frozen page. */
static enum merge_result step_commit(struct gmem_cursor *cur, struct merge_item *it, bool equal)
{
	if (it->zero && equal) {
		gmem_replace_zero(cur);
		return MERGE_ZERO;
	}
	if (it->zero) {
		gmem_thaw_changed(cur);
		return MERGE_VOLATILE;
	}
	if (equal) {
		gmem_replace(cur, it->cand.page);
		it->cand.page = NULL;	/* the sharer counted in advance is this entry now */
		return MERGE_SHARED;
	}
	return merge_join_frozen(cur, it->page, it->digest, &it->cand);
}

static void step_locked(struct merge_step *s, struct gmem_cursor *cur)
{
	unsigned int i;

	step_look(s, cur);
	if (!s->nr_frozen)
		return;
	gmem_freeze_some(cur, s->freeze, s->nr_frozen);
	step_compare(s);
	for (i = 0; i < s->nr_frozen; i++) {
		struct merge_item *it = s->frozen[i].item;

		gmem_cursor_move(cur, it->nr);
		it->result = s->freeze[i].frozen ? step_commit(cur, it, s->frozen[i].equal) :
						   MERGE_VOLATILE;
	}
}

/* What could not be settled with the first candidate looks for more. */
static void step_settle(struct merge_item *it, struct gmem_cursor *cur)
{
	gmem_cursor_move(cur, it->nr);
	if (it->found)
		merge_candidate_put(&it->cand);
	if (it->result == MERGE_MISMATCH || it->result == MERGE_STALE || it->result == MERGE_BUSY)
		it->result = merge_one(cur);
	else
		trace_ditto_merge(cur, it->result);
}

/* One by one: each needs memory, which is not to be had under the chunk's lock. */
static unsigned int step_secure(struct merge_step *s, struct gmem_cursor *cur)
{
	struct merge_item *it;

	for (it = s->item; it < s->item + s->n; it++) {
		gmem_cursor_move(cur, it->nr);
		it->result = merge_one(cur);
	}
	return s->n;
}

/* The gmem is just being forked: the pages stay pending, for the next scan. */
static unsigned int step_later(struct merge_step *s, struct gmem_cursor *cur)
{
	struct merge_item *it;

	for (it = s->item; it < s->item + s->n; it++) {
		gmem_cursor_move(cur, it->nr);
		it->result = MERGE_VOLATILE;
		trace_ditto_merge(cur, it->result);
	}
	return s->n;
}

/**
 * merge_step() - examine some pages of a chunk, and merge those that have an equal one
 * @s: the caller's, for as long as this takes; afterwards the results
 * @cur: holds the chunk
 * @ripe: which pages
 * @nr: the first of them to look at; the next one afterwards, or GMEM_CHUNK_PAGES
 * @most: so many pages at most, and not more than MERGE_STEP
 *
 * Process context, merge_knobs.lock held.
 *
 * Return: how many pages were examined.
 */
unsigned int merge_step(struct merge_step *s, struct gmem_cursor *cur, const unsigned long *ripe,
			unsigned int *nr, unsigned int most)
{
	unsigned int i;

	for (s->n = 0; s->n < min(most, (unsigned int)MERGE_STEP); s->n++) {
		*nr = find_next_bit(ripe, GMEM_CHUNK_PAGES, *nr);
		if (*nr >= GMEM_CHUNK_PAGES)
			break;
		s->item[s->n].nr = (*nr)++;
	}
	if (gmem_cursor_apart(cur))
		return step_secure(s, cur);
	if (!s->n)
		return 0;
	step_read(s, cur);
	if (!gmem_cursor_enter(cur))
		return step_later(s, cur);
	step_locked(s, cur);
	gmem_cursor_unlock(cur);
	for (i = 0; i < s->n; i++)
		step_settle(&s->item[i], cur);
	return s->n;
}
