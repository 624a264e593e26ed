// SPDX-License-Identifier: GPL-2.0-only
/*
 * Frames in no order that anybody can foresee, for gmems with the policy "secure". The kernel
 * hands out again what was freed last; so a guest that makes a page go, and another come, chooses
 * in which frame the contents lie, and can aim at memory that errs. A pool holds some pages back,
 * and gives one of them, drawn at random, for each that it is given.
 */
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "gmem/frame.h"
#include "gmem/internal.h"

#define POOL_PAGES	128

/**
 * struct gmem_pool - pages held back
 * @lock: for @page
 * @page: none is missing
 */
struct gmem_pool {
	spinlock_t lock;
	struct page *page[POOL_PAGES];
};

/**
 * gmem_pool_new() - a full pool
 * @g: whose memory cgroup pays for it
 *
 * May sleep.
 *
 * Return: the pool, or NULL when out of memory.
 */
struct gmem_pool *gmem_pool_new(struct gmem *g)
{
	struct gmem_pool *pool = kzalloc(sizeof(*pool), GFP_KERNEL_ACCOUNT);
	unsigned int i;

	if (!pool)
		return NULL;
	spin_lock_init(&pool->lock);
	for (i = 0; i < POOL_PAGES; i++) {
		pool->page[i] = gmem_page_alloc(g, false);
		if (!pool->page[i]) {
			gmem_pool_free(pool);
			return NULL;
		}
	}
	return pool;
}

/**
 * gmem_pool_free() - free a pool and its pages
 * @pool: that nobody uses any more, or NULL
 */
void gmem_pool_free(struct gmem_pool *pool)
{
	unsigned int i;

	for (i = 0; pool && i < POOL_PAGES; i++)
		gmem_page_free(pool->page[i]);
	kfree(pool);
}

/**
 * gmem_pool_swap() - one page for another
 * @pool: the pool, or NULL
 * @page: any page of the same gmem's; or NULL
 *
 * Return: a page with whatever contents, which the caller has instead of @page; or @page.
 */
struct page *gmem_pool_swap(struct gmem_pool *pool, struct page *page)
{
	u32 nr;

	if (!pool || !page)
		return page;
	nr = get_random_u32() % POOL_PAGES;
	spin_lock(&pool->lock);
	if (likely(!PageHWPoison(pool->page[nr])))
		swap(pool->page[nr], page);
	spin_unlock(&pool->lock);
	return page;
}
