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
	unsigned long v;
	void *va;

	rcu_read_lock();
	v = gmem_cursor_entry(cur);
	if (!gmem_entry_private(v) ||
	    (v & (GMEM_PENDING | GMEM_LOCKED | GMEM_DIRTY)) != GMEM_PENDING ||
	    PageHWPoison(gmem_entry_page(v))) {
		rcu_read_unlock();
		return NULL;
	}
	va = gmem_entry_va(v);
	*zero = merge_page_zero(va);
	if (!*zero)
		*digest = merge_digest(va, &cur->g->domain->key);
	rcu_read_unlock();
	return gmem_entry_page(v);
}

/* Steps 2 to 6 for a page that looked all zero. The chunk's lock is held. */
static enum merge_result merge_zero(struct gmem_cursor *cur, struct page *page)
{
	if (gmem_freeze(cur, page, false))
		return MERGE_VOLATILE;
	if (!merge_page_zero(page_address(page))) {
		gmem_thaw(cur, GMEM_DIRTY | GMEM_WAIT(GMEM_WAIT_BUSY));
		return MERGE_VOLATILE;
	}
	gmem_replace_zero(cur);
	return MERGE_ZERO;
}

/* Step 4 and on against a shared page. @cur is frozen, and if merged no more. */
static enum merge_result merge_join_shared(struct gmem_cursor *cur, struct page *page,
					   struct merge_candidate *cand)
{
	if (PageHWPoison(cand->page) ||
	    !merge_pages_equal(page_address(page), page_address(cand->page)))
		return MERGE_MISMATCH;
	gmem_replace(cur, cand->page);
	cand->page = NULL;	/* the sharer counted in advance is this entry now */
	return MERGE_SHARED;
}

/* The candidate is frozen and not equal: if it changed since, it has to be seen again. */
static enum merge_result thaw_candidate(struct merge_candidate *cand)
{
	u32 digest = merge_digest(page_address(cand->page), &cand->cur.g->domain->key);

	if (digest == *gmem_page_digest(cand->page)) {
		gmem_thaw(&cand->cur, 0);
		return MERGE_MISMATCH;
	}
	gmem_merge_forget(cand->page);
	gmem_thaw(&cand->cur, GMEM_DIRTY | GMEM_WAIT(GMEM_WAIT_BUSY));
	return MERGE_STALE;
}

/* Step 4 and on against a private page, whose chunk's lock is held too. */
static enum merge_result merge_join_private(struct gmem_cursor *cur, struct page *page,
					    struct merge_candidate *cand)
{
	unsigned long v = gmem_cursor_entry(&cand->cur);

	/* First the entry: a page that it has no more may be freed, and its words another's. */
	if (!gmem_entry_private(v) || gmem_entry_page(v) != cand->page ||
	    hlist_unhashed(gmem_page_node(cand->page)))
		return MERGE_STALE;
	if (gmem_freeze(&cand->cur, cand->page, true)) {
		gmem_merge_forget(cand->page);
		return MERGE_STALE;
	}
	if (!merge_pages_equal(page_address(page), page_address(cand->page)))
		return thaw_candidate(cand);
	merge_index_share(cand->page, cand->cur.g->domain);
	gmem_share(&cand->cur);
	atomic_inc(gmem_page_sharers(cand->page));
	gmem_replace(cur, cand->page);
	return MERGE_SHARED;
}

static enum merge_result merge_join(struct gmem_cursor *cur, struct page *page,
				    struct merge_candidate *cand)
{
	struct mutex *lock = &cand->cur.c->lock;
	enum merge_result ret = MERGE_BUSY;

	if (cand->shared)
		return merge_join_shared(cur, page, cand);
	if (cand->cur.c == cur->c)
		return merge_join_private(cur, page, cand);
	if (mutex_trylock(lock)) {
		ret = merge_join_private(cur, page, cand);
		mutex_unlock(lock);
	}
	return ret;
}

/*
 * Steps 2 to 6 against one candidate. The chunk's lock is held. The bindings' dirty bits
 * went away with the mappings, so a write since step 1 shows only in the digest.
 */
static enum merge_result merge_with(struct gmem_cursor *cur, struct page *page, u32 digest,
				    struct merge_candidate *cand)
{
	enum merge_result ret;

	if (gmem_freeze(cur, page, false))
		return MERGE_VOLATILE;
	ret = merge_join(cur, page, cand);
	if (ret == MERGE_SHARED)
		return ret;
	if (merge_digest(page_address(page), &cur->g->domain->key) != digest) {
		gmem_thaw(cur, GMEM_DIRTY | GMEM_WAIT(GMEM_WAIT_BUSY));
		return MERGE_VOLATILE;
	}
	gmem_thaw(cur, GMEM_PENDING);
	return ret;
}

static void candidate_put(struct merge_candidate *cand)
{
	if (!cand->shared)
		gmem_cursor_put(&cand->cur);
	else if (cand->page)
		gmem_shared_put(cand->page);
}

/*
 * No equal page: into the index, and not looked at again until it changes. If somebody
 * holds it nobody would hear of a change: it waits, as if it had changed.
 */
static enum merge_result merge_keep_unique(struct gmem_cursor *cur, struct page *page, u32 digest)
{
	enum merge_result ret = MERGE_UNIQUE;
	int err;

	mutex_lock(&cur->c->lock);
	err = gmem_examined(cur, page);
	if (err != -EAGAIN)
		gmem_merge_forget(page);
	if (!err)
		merge_index_insert(page, digest);
	else
		ret = err == -EBUSY ? MERGE_VOLATILE : MERGE_NONE;
	mutex_unlock(&cur->c->lock);
	return ret;
}

/*
 * Try the pages with this digest. Those that leave the index meanwhile are not skipped
 * the next time, or one that moved up would be.
 */
static enum merge_result merge_search(struct gmem_cursor *cur, struct page *page, u32 digest)
{
	unsigned int tries, skip = 0, left = 0;
	struct merge_candidate cand;
	enum merge_result ret;
	bool busy = false;

	for (tries = 0; tries < MAX_TRIES; tries++) {
		if (!merge_index_find(cur->g->domain, digest, skip, &cand))
			break;
		mutex_lock(&cur->c->lock);
		ret = merge_with(cur, page, digest, &cand);
		mutex_unlock(&cur->c->lock);
		candidate_put(&cand);
		if (ret == MERGE_SHARED || ret == MERGE_VOLATILE)
			return ret;
		busy |= ret == MERGE_BUSY;
		if (ret == MERGE_STALE)
			left++;
		else
			skip++;
	}
	if (busy || (left && tries == MAX_TRIES))
		return MERGE_VOLATILE;
	return merge_keep_unique(cur, page, digest);
}

static enum merge_result merge_examine(struct gmem_cursor *cur)
{
	enum merge_result ret;
	struct page *page;
	u32 digest;
	bool zero;

	page = merge_pick(cur, &digest, &zero);
	if (!page)
		return MERGE_NONE;
	if (zero) {
		mutex_lock(&cur->c->lock);
		ret = merge_zero(cur, page);
		mutex_unlock(&cur->c->lock);
		return ret;
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
	enum merge_result ret = merge_examine(cur);

	trace_ditto_merge(cur->g->id, cur->c->base + cur->nr, ret);
	return ret;
}
