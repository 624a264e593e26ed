/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The pages of a gmem: where they come from, and who else may hold one.
 */
#ifndef DITTO_GMEM_FRAME_H
#define DITTO_GMEM_FRAME_H

#include <linux/gfp.h>
#include <linux/mm.h>

#include "gmem/page.h"

struct gmem;
struct gmem_pool;

/*
 * When the memory cgroup or the host is out of memory, the allocation fails and the caller
 * gets an error. The OOM killer is not called: the task that touches a page need not be in
 * the cgroup that pays for it.
 */
#define GMEM_GFP	(GFP_KERNEL_ACCOUNT | __GFP_RETRY_MAYFAIL | __GFP_NOWARN)

/* For what cannot fail. */
#define GMEM_GFP_MUST	(GFP_KERNEL_ACCOUNT | __GFP_NOFAIL)

/* Does anybody but the index and user space's page tables have a reference? */
static inline bool gmem_page_held(struct page *page)
{
	return page_count(page) != 1 + gmem_page_mapcount(page);
}

/* index.c */
struct page *gmem_page_alloc(struct gmem *g, bool zero);
struct page *gmem_pages_alloc(struct gmem *g, unsigned int order);
void gmem_page_free(struct page *page);
struct page *gmem_zero_page(struct gmem *g);
void gmem_page_drop(struct page *page);

/* pool.c: of gmems with the policy "secure" */
struct gmem_pool *gmem_pool_new(struct gmem *g);
void gmem_pool_free(struct gmem_pool *pool);
struct page *gmem_pool_swap(struct gmem_pool *pool, struct page *page);

#endif
