// SPDX-License-Identifier: GPL-2.0-only
/*
 * Merging one page, in steps that can each fail without harm:
 *
 *	1. pick: the entry's page; all zero? else its digest, and the index: is there
 *	   a page with the same digest in the same domain? If not, it goes in.
 *	2. freeze: lock the entry, take every mapping of it away.
 *	3. check that nobody else holds the page (part of freezing).
 *	4. compare all 4096 bytes. A candidate that is private itself is frozen too,
 *	   but stays readable, and becomes the shared page if equal.
 *	5. point the entry at the shared page; 6. free its own page.
 *
 * A page that fails at step 2 or 3 is left alone for some scans. So is one that fails at
 * step 4 because the digests were of other contents, as somebody wrote meanwhile. If the
 * digests were right and the contents differ, the next page with that digest is tried. A
 * candidate that has changed, or that somebody holds, leaves the index until it is examined
 * again; that examination then finds the present page.
 *
 * Where a chunk is whole (gmem/whole.c) none of its pages is frozen before enough of them could
 * be merged. Until then they are examined, and noted if they have a candidate, but stay what they
 * are; and a candidate there is noted too, and counts as one that is not equal. Two such pages
 * with the same digest are in the index, so that others find them: more would be found before
 * what can be merged with, and hide it.
 *
 * A private candidate needs a second chunk lock, which is only tried for (trylock). If that
 * fails, the page must not go into the index, because a page in the index is not examined
 * again. It stays pending, for the next scan.
 */
#include <linux/mm.h>

#include "ksm/internal.h"

#define CREATE_TRACE_POINTS
#include "ksm/trace.h"

/* So many pages with one digest are compared before a page is taken to be unique. */
#define MAX_TRIES	4

/* Step 1: the page of an entry that waits to be examined, and its digest. */
static struct page *merge_pick(struct gmem_cursor *cur, u32 *digest, bool *zero)
{
	struct page *page;
	void *va;

	rcu_read_lock();
	page = gmem_cursor_pending(cur);
	if (page) {
		va = page_address(page);
		merge_read_begin();
		*zero = READ_ONCE(merge_knobs.use_zero_pages) && merge_page_zero(va);
		if (!*zero && gmem_cursor_shares(cur))
			*digest = merge_digest(va, gmem_cursor_key(cur));
		merge_read_end();
	}
	rcu_read_unlock();
	return page;
}

/* The same as the functions in digest.c, of one page. */
static bool page_zero(struct page *page)
{
	bool zero;

	merge_read_begin();
	zero = merge_page_zero(page_address(page));
	merge_read_end();
	return zero;
}

static bool pages_equal(struct page *a, struct page *b)
{
	bool equal;

	merge_read_begin();
	equal = merge_pages_equal(page_address(a), page_address(b));
	merge_read_end();
	return equal;
}

static u32 page_digest(struct page *page, const hsiphash_key_t *key)
{
	u32 digest;

	merge_read_begin();
	digest = merge_digest(page_address(page), key);
	merge_read_end();
	return digest;
}

/**
 * merge_keep_whole() - a page could be merged, but its chunk is whole and is to stay so for now
 * @cur: the page's entry, its chunk's lock held
 * @page: the page
 * @digest: of it, so that others find it; or NULL: it is all zero, or there is a shared page
 *	that they find
 *
 * gmem_cursor_gains() has noted it, and has it examined once more when that changes.
 *
 * Return: as merge_keep_unique(), but never MERGE_BUSY.
 */
enum merge_result merge_keep_whole(struct gmem_cursor *cur, struct page *page, const u32 *digest)
{
	if (!gmem_cursor_has(cur, page))
		return MERGE_NONE;
	gmem_merge_forget(page);
	if (digest)
		merge_index_insert(page, *digest, gmem_cursor_domain(cur), 1);
	if (!gmem_examined(cur, page))
		return MERGE_UNIQUE;
	gmem_merge_forget(page);
	return MERGE_VOLATILE;
}

/* Steps 2 to 6 for a page that looked all zero. The chunk's lock is held. */
static enum merge_result merge_zero(struct gmem_cursor *cur, struct page *page)
{
	if (!gmem_cursor_gains(cur, page))
		return merge_keep_whole(cur, page, NULL);
	if (gmem_freeze(cur, page, false))
		return MERGE_VOLATILE;
	if (!page_zero(page)) {
		gmem_thaw_changed(cur);
		return MERGE_VOLATILE;
	}
	gmem_replace_zero(cur);
	return MERGE_ZERO;
}

/* Step 4 and on against a shared page. @cur is frozen, and if merged no more. */
static enum merge_result merge_join_shared(struct gmem_cursor *cur, struct page *page,
					   struct merge_candidate *cand)
{
	if (PageHWPoison(cand->page) || !pages_equal(page, cand->page))
		return MERGE_MISMATCH;
	gmem_replace(cur, cand->page);
	cand->page = NULL;	/* the sharer counted in advance is this entry now */
	return MERGE_SHARED;
}

/* The candidate is frozen and not equal: if it changed since, it has to be seen again. */
static enum merge_result thaw_candidate(struct merge_candidate *cand)
{
	u32 digest = page_digest(cand->page, gmem_cursor_key(&cand->cur));

	if (digest == *gmem_page_digest(cand->page)) {
		gmem_thaw_examined(&cand->cur);
		return MERGE_MISMATCH;
	}
	gmem_merge_forget(cand->page);
	gmem_thaw_changed(&cand->cur);
	return MERGE_STALE;
}

/* Step 4 and on against a private page, whose chunk's lock is held too. */
static enum merge_result merge_join_private(struct gmem_cursor *cur, struct page *page,
					    struct merge_candidate *cand)
{
	if (!gmem_cursor_gains(&cand->cur, cand->page))
		return MERGE_MISMATCH;
	/* First the entry: a page that it has no more may be freed, and its words another's. */
	if (!gmem_cursor_has(&cand->cur, cand->page) || hlist_unhashed(gmem_page_node(cand->page)))
		return MERGE_STALE;
	if (gmem_freeze(&cand->cur, cand->page, true)) {
		gmem_merge_forget(cand->page);
		return MERGE_STALE;
	}
	if (!pages_equal(page, cand->page))
		return thaw_candidate(cand);
	merge_index_share(cand->page, gmem_cursor_domain(&cand->cur));
	gmem_share(&cand->cur);
	gmem_shared_add(cand->page);
	gmem_replace(cur, cand->page);
	return MERGE_SHARED;
}

static enum merge_result merge_join(struct gmem_cursor *cur, struct page *page,
				    struct merge_candidate *cand)
{
	enum merge_result r = MERGE_BUSY;

	if (cand->shared)
		return merge_join_shared(cur, page, cand);
	if (gmem_cursor_same_lock(&cand->cur, cur))
		return merge_join_private(cur, page, cand);
	if (gmem_cursor_trylock(&cand->cur)) {
		r = merge_join_private(cur, page, cand);
		gmem_cursor_unlock(&cand->cur);
	}
	return r;
}

/**
 * merge_join_frozen() - steps 4 to 6 against one candidate
 * @cur: the page's entry, frozen; the chunk's lock is held. It is thawed or merged
 * @page: the page
 * @digest: of it, when it was picked
 * @cand: the candidate; the end is merge_candidate_put() in any case
 *
 * The bindings' dirty bits went away with the mappings, so a write since step 1 shows only in
 * the digest.
 *
 * Return: MERGE_SHARED, MERGE_VOLATILE, or what was wrong with the candidate.
 */
enum merge_result merge_join_frozen(struct gmem_cursor *cur, struct page *page, u32 digest,
				    struct merge_candidate *cand)
{
	enum merge_result r = merge_join(cur, page, cand);

	if (r == MERGE_SHARED)
		return r;
	if (page_digest(page, gmem_cursor_key(cur)) != digest) {
		gmem_thaw_changed(cur);
		return MERGE_VOLATILE;
	}
	gmem_thaw_pending(cur);
	return r;
}

/**
 * merge_candidate_whole() - is a candidate in a chunk that is whole, and stays so for now?
 * @cur: the entry that found it, its chunk's lock held
 * @cand: the candidate, which is noted in its chunk
 *
 * Return: MERGE_MISMATCH: it is, and cannot be merged with; MERGE_BUSY: its chunk is locked;
 * MERGE_NONE: it is not.
 */
enum merge_result merge_candidate_whole(struct gmem_cursor *cur, struct merge_candidate *cand)
{
	bool gains;

	if (cand->shared || !gmem_cursor_whole(&cand->cur))
		return MERGE_NONE;
	if (gmem_cursor_same_lock(&cand->cur, cur)) {
		gains = gmem_cursor_gains(&cand->cur, cand->page);
	} else {
		if (!gmem_cursor_trylock(&cand->cur))
			return MERGE_BUSY;
		gains = gmem_cursor_gains(&cand->cur, cand->page);
		gmem_cursor_unlock(&cand->cur);
	}
	return gains ? MERGE_NONE : MERGE_MISMATCH;
}

/* Steps 2 to 6 against one candidate. The chunk's lock is held. */
static enum merge_result merge_with(struct gmem_cursor *cur, struct page *page, u32 digest,
				    struct merge_candidate *cand)
{
	enum merge_result r = merge_candidate_whole(cur, cand);

	if (r == MERGE_BUSY)
		return r;
	if (!gmem_cursor_gains(cur, page))
		return merge_keep_whole(cur, page, cand->shared ? NULL : &digest);
	if (r == MERGE_MISMATCH)
		return r;
	if (gmem_freeze(cur, page, false))
		return MERGE_VOLATILE;
	return merge_join_frozen(cur, page, digest, cand);
}

/**
 * merge_candidate_put() - the end of a candidate
 * @cand: from merge_index_find(); no lock held, for this may free a gmem
 */
void merge_candidate_put(struct merge_candidate *cand)
{
	if (!cand->shared)
		gmem_cursor_put(&cand->cur);
	else if (cand->page)
		gmem_shared_put(cand->page);
}

/**
 * merge_keep_unique() - no equal page: into the index, and not looked at again until it changes
 * @cur: the page's entry, its chunk's lock held
 * @page: the page
 * @digest: of it
 * @known: so many pages with this digest have been looked at
 *
 * If somebody holds it nobody would hear of a change: it waits, as if it had changed.
 *
 * Return: MERGE_UNIQUE, MERGE_VOLATILE, MERGE_NONE; or MERGE_BUSY: one more page with this
 * digest has come, and it is to be looked at.
 */
enum merge_result merge_keep_unique(struct gmem_cursor *cur, struct page *page, u32 digest,
				    unsigned int known)
{
	int err;

	if (!gmem_cursor_has(cur, page))
		return MERGE_NONE;
	gmem_merge_forget(page);
	if (gmem_cursor_shares(cur) &&
	    !merge_index_insert(page, digest, gmem_cursor_domain(cur), known))
		return MERGE_BUSY;
	err = gmem_examined(cur, page);
	if (err)
		gmem_merge_forget(page);
	return err ? MERGE_VOLATILE : MERGE_UNIQUE;
}

static enum merge_result merge_unique(struct gmem_cursor *cur, struct page *page, u32 digest,
				      unsigned int known)
{
	enum merge_result r;

	if (!gmem_cursor_enter(cur))
		return MERGE_VOLATILE;
	r = merge_keep_unique(cur, page, digest, known);
	gmem_cursor_unlock(cur);
	return r;
}

/* One candidate, which is put. MERGE_VOLATILE also if the gmem is just being forked. */
static enum merge_result merge_try(struct gmem_cursor *cur, struct page *page, u32 digest,
				   struct merge_candidate *cand)
{
	enum merge_result r = MERGE_VOLATILE;

	if (gmem_cursor_enter(cur)) {
		r = merge_with(cur, page, digest, cand);
		gmem_cursor_unlock(cur);
	}
	merge_candidate_put(cand);
	return r;
}

/*
 * Try the pages with this digest. Those that leave the index meanwhile are not skipped
 * the next time, or one that moved up would be.
 */
static enum merge_result merge_search(struct gmem_cursor *cur, struct page *page, u32 digest)
{
	unsigned int tries, skip = 0, left = 0;
	struct merge_candidate cand;
	enum merge_result r;
	bool busy = false;

	if (!gmem_cursor_shares(cur))
		return merge_unique(cur, page, digest, UINT_MAX);
	for (tries = 0; tries < MAX_TRIES; tries++) {
		if (!merge_index_find(gmem_cursor_domain(cur), digest, page_to_nid(page), skip,
				      &cand)) {
			r = busy ? MERGE_VOLATILE : merge_unique(cur, page, digest, skip);
			if (r != MERGE_BUSY)
				return r;
			left++;
			continue;
		}
		r = merge_try(cur, page, digest, &cand);
		if (r == MERGE_SHARED || r == MERGE_VOLATILE || r == MERGE_UNIQUE ||
		    r == MERGE_NONE)
			return r;
		busy |= r == MERGE_BUSY;
		if (r == MERGE_STALE)
			left++;
		else
			skip++;
	}
	if (busy || left)
		return MERGE_VOLATILE;
	return merge_unique(cur, page, digest, UINT_MAX);
}

static enum merge_result merge_examine(struct gmem_cursor *cur)
{
	enum merge_result r;
	struct page *page;
	u32 digest;
	bool zero;

	page = merge_pick(cur, &digest, &zero);
	if (!page)
		return MERGE_NONE;
	if (zero) {
		if (!gmem_cursor_enter(cur))
			return MERGE_VOLATILE;
		r = merge_zero(cur, page);
		gmem_cursor_unlock(cur);
		return r;
	}
	return merge_search(cur, page, digest);
}

/**
 * merge_one() - examine one page, and merge it if there is an equal one
 * @cur: its entry
 *
 * Process context, merge_knobs.lock held.
 *
 * Return: what became of it.
 */
enum merge_result merge_one(struct gmem_cursor *cur)
{
	enum merge_result r = gmem_cursor_apart(cur) ? merge_secure(cur) : merge_examine(cur);

	trace_ditto_merge(cur, r);
	return r;
}
