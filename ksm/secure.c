// SPDX-License-Identifier: GPL-2.0-only
/*
 * Merging without a channel, for gmems with the policy "secure", which may be anybody's. It is
 * the method of VUsion: what happens to a calm page, and what its next access costs, does not
 * depend on whether there is an equal one.
 *
 *	1. Every calm page is taken away from its gmem, whether it has an equal or not: its entry
 *	   points at a shared page that is mapped nowhere ("apart"), with many sharers or one.
 *	2. The first access of any kind, a read too, gives a page of its own again: the same
 *	   fault, the same allocation and copy. No entry is a page's last sharer, since the
 *	   engine counts as one: merge_index_sweep() frees the page some time later.
 *	3. Both the shared page and the copy lie in new frames, drawn at random (gmem/pool.c),
 *	   never in that of one of the equal pages. So nobody can put contents into a frame that
 *	   he has chosen, and no two guests read the same line of a cache.
 *
 * The price: pages that are only read are copied, too, and a page that is touched now and then
 * is never shared for long. A zero page is one like any other.
 */
#include <linux/highmem.h>
#include <linux/mm.h>

#include "ksm/internal.h"

/* So many shared pages with one digest are compared. */
#define MAX_TRIES	4

/* An equal shared page, with @cur's entry counted as a sharer, or NULL. The page is frozen. */
static struct page *secure_find(struct gmem_cursor *cur, struct page *page, u32 digest, int nid)
{
	struct merge_candidate cand;
	unsigned int tries;
	bool equal;

	for (tries = 0; tries < MAX_TRIES; tries++) {
		if (!merge_index_find(gmem_cursor_domain(cur), digest, nid, tries, &cand))
			return NULL;
		if (WARN_ON_ONCE(!cand.shared))
			return NULL;
		merge_read_begin();
		equal = !PageHWPoison(cand.page) &&
			merge_pages_equal(page_address(page), page_address(cand.page));
		merge_read_end();
		if (equal)
			return cand.page;
		gmem_shared_put(cand.page);	/* not the last: the engine is one */
	}
	return NULL;
}

/* Step 1 for a frozen page. @new is used, or is the caller's still. */
static enum merge_result secure_join(struct gmem_cursor *cur, struct page *page,
				     struct page **new)
{
	struct page *shared;
	u32 digest;

	merge_read_begin();
	digest = merge_digest(page_address(page), gmem_cursor_key(cur));
	merge_read_end();
	shared = secure_find(cur, page, digest, page_to_nid(*new));	/* where it would lie */
	if (shared) {
		gmem_replace(cur, shared);
		return MERGE_SHARED;
	}
	if (gmem_copy(page_address(*new), page_address(page), PAGE_SIZE)) {
		gmem_thaw_examined(cur);	/* who touches it is told */
		return MERGE_VOLATILE;
	}
	gmem_apart_share(cur, *new);
	merge_index_insert_apart(*new, digest);
	gmem_replace(cur, *new);
	*new = NULL;
	return MERGE_UNIQUE;
}

static enum merge_result secure_locked(struct gmem_cursor *cur, struct page **new)
{
	struct page *page = gmem_cursor_pending(cur);

	if (!page || !gmem_cursor_has(cur, page))
		return MERGE_NONE;
	if (!gmem_cursor_gains(cur, page)) {
		gmem_put_off(cur);
		return MERGE_VOLATILE;
	}
	if (gmem_freeze(cur, page, false))
		return MERGE_VOLATILE;
	return secure_join(cur, page, new);
}

/**
 * merge_secure() - examine one page of a gmem whose policy is "secure"
 * @cur: its entry
 *
 * Process context, merge_knobs.lock held.
 *
 * Return: what became of it. MERGE_NONE also without memory; it is pending still then.
 */
enum merge_result merge_secure(struct gmem_cursor *cur)
{
	struct page *new = gmem_apart_alloc(cur);
	enum merge_result r = MERGE_VOLATILE;

	if (!new)
		return MERGE_NONE;
	if (gmem_cursor_enter(cur)) {
		r = secure_locked(cur, &new);
		gmem_cursor_unlock(cur);
	}
	gmem_apart_free(new);
	return r;
}
