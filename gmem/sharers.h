/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Shared pages, and how many entries share one (index.c).
 */
#ifndef DITTO_GMEM_SHARERS_H
#define DITTO_GMEM_SHARERS_H

#include <linux/limits.h>
#include <linux/mm.h>

#include "gmem/page.h"

long gmem_shared_pages(void);
void gmem_shared_put(struct page *page);

/**
 * gmem_page_share() - a frozen private page becomes a shared one with one sharer
 * @page: the page; what reads these words without chunk->lock is kept out
 * @domain: of its gmem
 */
static inline void gmem_page_share(struct page *page, struct gmem_domain *domain)
{
	gmem_page_set_owner(page, (unsigned long)domain | GMEM_PAGE_SHARED);
	atomic_set(gmem_page_sharers(page), 1);
}

#define GMEM_MAX_SHARERS	(1 << 30)

/* A page that had more sharers than can be counted: it stays for good. Far from both ends. */
#define GMEM_SHARERS_STUCK	(INT_MIN / 2)

/**
 * gmem_shared_get() - count a sharer of a shared page that is not there yet
 * @page: in the merge index, with the bucket's lock held
 *
 * The end of it is gmem_shared_put(), or gmem_replace() with this page.
 *
 * Return: false if it is going away, or has too many.
 */
static inline bool gmem_shared_get(struct page *page)
{
	int n = atomic_read(gmem_page_sharers(page));

	return n >= 0 && n < GMEM_MAX_SHARERS && atomic_inc_not_zero(gmem_page_sharers(page));
}

/**
 * gmem_shared_add() - the same, of a page that has a sharer which cannot go
 * @page: just made, with the locks of both
 */
static inline void gmem_shared_add(struct page *page)
{
	if (unlikely(atomic_inc_return(gmem_page_sharers(page)) < 0))
		atomic_set(gmem_page_sharers(page), GMEM_SHARERS_STUCK);
}

#endif
