// SPDX-License-Identifier: GPL-2.0-only
/*
 * The page index of a gmem: directories, chunks, entries, and the pages in them.
 * Owns their allocation and lookup, and the end of what an entry said; what may change them is
 * in claim.c, what an entry's transitions mean is in internal.h, what makes them in fault.c,
 * punch.c and freeze.c. The hard
 * part is that lookups take no lock: everything reachable goes away by RCU.
 */
#define pr_fmt(fmt) "ditto: " fmt

#include <linux/highmem.h>
#include <linux/memcontrol.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "gmem/claim.h"
#include "gmem/domain.h"
#include "gmem/entry.h"
#include "gmem/frame.h"
#include "gmem/hooks.h"
#include "gmem/index.h"
#include "gmem/internal.h"
#include "gmem/later.h"
#include "gmem/merge.h"
#include "gmem/sharers.h"
#include "gmem/squeeze.h"
#include "gmem/store.h"

static struct kmem_cache *chunk_cache;
static atomic_long_t nr_shared_pages;

static bool merge_runs;

/* Called for a page that leaves the index; set once, before the first gmem. */
static const struct gmem_merge_hooks *merge_hooks;

/**
 * gmem_set_merge_hooks() - let the merge engine know of pages that go away
 * @hooks: the engine's, or NULL when it leaves; no gmem may exist at either time
 */
void gmem_set_merge_hooks(const struct gmem_merge_hooks *hooks)
{
	merge_hooks = hooks;
}

/**
 * gmem_set_merge_runs() - does the merge engine look at pages?
 * @runs: whether it does from now on
 */
void gmem_set_merge_runs(bool runs)
{
	WRITE_ONCE(merge_runs, runs);
}

/**
 * gmem_merge_runs() - does the merge engine look at pages?
 *
 * Return: what gmem_set_merge_runs() said last.
 */
bool gmem_merge_runs(void)
{
	return READ_ONCE(merge_runs);
}

/**
 * gmem_merge_forget() - take a page out of the merge index, if it is there
 * @page: a page whose chunk's lock is held
 */
void gmem_merge_forget(struct page *page)
{
	if (!hlist_unhashed_lockless(gmem_page_node(page)))
		merge_hooks->forget(page);
}

/**
 * gmem_merge_share() - a private page becomes shared, with one sharer, wherever it is known
 * @page: that nobody may write to; its chunk's lock held
 * @d: the domain of its gmem
 */
void gmem_merge_share(struct page *page, struct gmem_domain *d)
{
	if (hlist_unhashed_lockless(gmem_page_node(page)))
		gmem_page_share(page, d);
	else
		merge_hooks->share(page, d);
}

/**
 * gmem_merge_idle() - the last gmem that took part in merging is gone
 */
void gmem_merge_idle(void)
{
	if (merge_hooks)
		merge_hooks->idle();
}

/**
 * gmem_count_shared_page() - more shared pages of a domain exist
 * @d: the domain
 * @n: how many
 */
void gmem_count_shared_page(struct gmem_domain *d, long n)
{
	atomic_long_add(n, &d->nr_shared_pages);
	atomic_long_add(n, &nr_shared_pages);
}

/**
 * gmem_shared_pages() - count shared pages
 *
 * Return: how many shared pages exist.
 */
long gmem_shared_pages(void)
{
	return atomic_long_read(&nr_shared_pages);
}

/**
 * gmem_merge_settle() - have the merge engine free what only it has still
 */
void gmem_merge_settle(void)
{
	if (merge_hooks)
		merge_hooks->settle();
}

/**
 * gmem_merge_check() - the merge engine's part of the checker
 * @m: where to print
 *
 * Return: the number of violations found.
 */
int gmem_merge_check(struct seq_file *m)
{
	return merge_hooks ? merge_hooks->check(m) : 0;
}

/**
 * gmem_index_init() - allocate what all gmems share
 *
 * Return: 0 or -ENOMEM.
 */
int gmem_index_init(void)
{
	chunk_cache = kmem_cache_create("ditto_gmem_chunk", sizeof(struct gmem_chunk),
					L1_CACHE_BYTES, SLAB_ACCOUNT, NULL);
	return chunk_cache ? 0 : -ENOMEM;
}

/**
 * gmem_index_exit() - the mirror of gmem_index_init()
 *
 * No gmem exists any more.
 */
void gmem_index_exit(void)
{
	rcu_barrier();
	kmem_cache_destroy(chunk_cache);
}

/**
 * gmem_root_alloc() - room for the directories of a gmem
 * @npages: as many pages as they have to reach; 1 GiB at least
 *
 * Return: the root, or NULL.
 */
struct gmem_root *gmem_root_alloc(pgoff_t npages)
{
	unsigned long nr = max(1UL, DIV_ROUND_UP(npages, 1UL << GMEM_ROOT_SHIFT));
	struct gmem_root *root = kvzalloc(struct_size(root, dir, nr), GFP_KERNEL_ACCOUNT);

	if (root)
		root->nr = nr;
	return root;
}

/**
 * gmem_root_stable() - the root, where nobody else changes it
 * @g: the gmem, its root_lock, size_lock or fork_lock (for write) held; or at the end of its life
 *
 * Return: the root.
 */
struct gmem_root *gmem_root_stable(const struct gmem *g)
{
	return rcu_dereference_protected(g->root, true);
}

/**
 * gmem_index_end() - where no page can be any more
 * @g: the gmem
 *
 * Return: the first offset that the index does not reach; the size was never larger.
 */
pgoff_t gmem_index_end(struct gmem *g)
{
	pgoff_t end;

	rcu_read_lock();
	end = rcu_dereference(g->root)->nr << GMEM_ROOT_SHIFT;
	rcu_read_unlock();
	return end;
}

/**
 * gmem_root_grow() - see that the index reaches far enough
 * @g: the gmem, its size_lock held
 * @npages: the size that it is going to have
 *
 * Return: 0 or -ENOMEM.
 */
int gmem_root_grow(struct gmem *g, pgoff_t npages)
{
	struct gmem_root *old = gmem_root_stable(g), *new;

	if (npages <= old->nr << GMEM_ROOT_SHIFT)
		return 0;
	new = gmem_root_alloc(npages);
	if (!new)
		return -ENOMEM;
	spin_lock(&g->root_lock);
	memcpy(new->dir, old->dir, flex_array_size(old, dir, old->nr));
	rcu_assign_pointer(g->root, new);
	spin_unlock(&g->root_lock);
	kvfree_rcu(old, rcu);
	return 0;
}

/**
 * gmem_dir_missing() - is there nothing in this GiB?
 * @g: the gmem
 * @off: in it; the size reaches or reached beyond it
 *
 * Return: whether it has no directory.
 */
bool gmem_dir_missing(const struct gmem *g, pgoff_t off)
{
	bool missing;

	rcu_read_lock();
	missing = !gmem_dir_lookup(g, off);
	rcu_read_unlock();
	return missing;
}

/**
 * gmem_chunk_alloc() - a chunk of empty entries, in no directory yet
 * @off: any offset of it
 * @gfp: how to allocate
 *
 * Return: the chunk, with a reference, or NULL.
 */
struct gmem_chunk *gmem_chunk_alloc(pgoff_t off, gfp_t gfp)
{
	struct gmem_chunk *c = kmem_cache_zalloc(chunk_cache, gfp);

	if (!c)
		return NULL;
	refcount_set(&c->refs, 1);
	atomic_set(&c->owners, 1);
	mutex_init(&c->lock);
	c->base = round_down(off, GMEM_CHUNK_PAGES);
	return c;
}

/**
 * gmem_chunk_free() - free a chunk that was never in a directory
 * @c: the chunk, or NULL
 */
void gmem_chunk_free(struct gmem_chunk *c)
{
	if (c)
		kmem_cache_free(chunk_cache, c);
}

/**
 * gmem_chunk_find() - the chunk of an offset, if there is one
 * @g: the gmem
 * @off: below its size
 *
 * Return: the chunk, with a reference for the caller, or NULL.
 */
struct gmem_chunk *gmem_chunk_find(struct gmem *g, pgoff_t off)
{
	struct gmem_chunk *c;

	rcu_read_lock();
	c = gmem_chunk_lookup(g, off);
	if (c && !refcount_inc_not_zero(&c->refs))
		c = NULL;
	rcu_read_unlock();
	return c;
}

static void chunk_free_rcu(struct rcu_head *rcu)
{
	struct gmem_chunk *c = container_of(rcu, struct gmem_chunk, rcu);

	gmem_holder_put(c->holder);
	kmem_cache_free(chunk_cache, c);
}

/**
 * gmem_chunk_put() - give back a reference
 * @c: the chunk
 */
void gmem_chunk_put(struct gmem_chunk *c)
{
	if (refcount_dec_and_test(&c->refs))
		call_rcu(&c->rcu, chunk_free_rcu);
}

/**
 * gmem_chunk_retire() - take a chunk out of its directory
 * @g: its gmem
 * @c: a chunk with nothing but empty, locked entries; its lock held
 *
 * The caller puts the directory's reference after it has released the lock.
 */
void gmem_chunk_retire(struct gmem *g, struct gmem_chunk *c)
{
	lockdep_assert_held(&c->lock);
	set_bit(gmem_chunk_nr(c->base), c->dir->changed);
	RCU_INIT_POINTER(c->dir->chunk[gmem_chunk_nr(c->base)], NULL);
	atomic_set(&c->owners, 0);
	c->dead = true;
	atomic_long_dec(&g->nr_chunks);
}

/**
 * gmem_chunk_touch() - some entry got something for the next scan to see
 * @c: the chunk; the entry has been written, by an atomic operation, before
 */
void gmem_chunk_touch(struct gmem_chunk *c)
{
	unsigned int nr = gmem_chunk_nr(c->base);

	if (!test_bit(nr, c->dir->active))
		set_bit(nr, c->dir->active);
}

/**
 * gmem_next_chunk() - skip what has no chunk
 * @g: the gmem
 * @off: where to begin, rounded down to a chunk
 *
 * Return: the first offset, at or after @off's chunk, of a chunk that exists, or
 * where no page can be any more.
 */
pgoff_t gmem_next_chunk(struct gmem *g, pgoff_t off)
{
	pgoff_t end = gmem_index_end(g);
	bool found;

	off = round_down(off, GMEM_CHUNK_PAGES);
	while (off < end) {
		if (gmem_dir_missing(g, off)) {
			off = round_up(off + 1, 1UL << GMEM_ROOT_SHIFT);
			continue;
		}
		rcu_read_lock();
		found = gmem_chunk_lookup(g, off);
		rcu_read_unlock();
		if (found)
			return off;
		off += GMEM_CHUNK_PAGES;
		cond_resched();
	}
	return end;
}

/**
 * gmem_entry_lock() - begin a transition
 * @c: the chunk, its lock held
 * @nr: which entry
 *
 * Return: the entry as it was, and still is but for GMEM_LOCKED.
 */
unsigned long gmem_entry_lock(struct gmem_chunk *c, unsigned int nr)
{
	unsigned long v = READ_ONCE(c->entry[nr]);

	lockdep_assert_held(&c->lock);
	WARN_ON_ONCE(v & GMEM_LOCKED || c->whole);
	while (!try_cmpxchg(&c->entry[nr], &v, v | GMEM_LOCKED))
		;
	return v;
}

/**
 * gmem_entry_unlock() - end a transition
 * @c: the chunk, its lock held
 * @nr: which entry
 * @v: what it is now
 */
void gmem_entry_unlock(struct gmem_chunk *c, unsigned int nr, unsigned long v)
{
	lockdep_assert_held(&c->lock);
	WARN_ON_ONCE(!(READ_ONCE(c->entry[nr]) & GMEM_LOCKED) || (v & GMEM_LOCKED));
	smp_store_release(&c->entry[nr], v);
	if (v & GMEM_SOFT)
		gmem_chunk_touch(c);
}

/**
 * gmem_entry_set() - set bits of an entry as long as it means the same
 * @e: the entry; in an RCU section or with its chunk referenced
 * @v: what the caller saw there
 * @set: bits to set
 *
 * Return: false if the entry has become something else.
 */
bool gmem_entry_set(unsigned long *e, unsigned long v, unsigned long set)
{
	unsigned long cur = READ_ONCE(*e);

	do {
		if (!gmem_entry_same(cur, v))
			return false;
		if ((cur & set) == set)
			return true;
	} while (!try_cmpxchg(e, &cur, cur | set));
	return true;
}

/**
 * gmem_page_alloc() - a page for an entry, charged to the gmem's memory cgroup
 * @g: the gmem
 * @zero: filled with zero
 *
 * May sleep, until pages that were dropped before are free.
 *
 * Return: the page, or NULL.
 */
struct page *gmem_page_alloc(struct gmem *g, bool zero)
{
	struct mem_cgroup *old = set_active_memcg(g->memcg);
	gfp_t gfp = GMEM_GFP | __GFP_HARDWALL | (zero ? __GFP_ZERO : 0);
	struct page *page = alloc_page(gfp);

	/*
	 * Pages that were dropped a moment ago stay charged until they are freed: wait for
	 * that, then retry.
	 */
	if (!page && gmem_pages_waiting() > 0) {
		gmem_later_flush();
		page = alloc_page(gfp);
	}
	set_active_memcg(old);
	return page;
}

/**
 * gmem_pages_alloc() - zeroed pages for neighbouring entries, charged like one
 * @g: the gmem
 * @order: 2^@order of them, in a row; each is then a page of its own
 *
 * The allocation is opportunistic: it reclaims no memory, splits no huge page and writes
 * nothing back. A caller that gets NULL goes on with single pages.
 *
 * Return: the first page, or NULL.
 */
struct page *gmem_pages_alloc(struct gmem *g, unsigned int order)
{
	struct mem_cgroup *old = set_active_memcg(g->memcg);
	struct page *page;

	page = alloc_pages(GFP_NOWAIT | __GFP_HARDWALL | __GFP_NORETRY | __GFP_NOWARN |
			   __GFP_ACCOUNT | __GFP_ZERO, order);
	set_active_memcg(old);
	if (page)
		split_page(page, order);
	return page;
}

/**
 * gmem_page_free() - free a page that was never in an entry
 * @page: from gmem_page_alloc(), or NULL
 */
void gmem_page_free(struct page *page)
{
	if (page)
		put_page(page);
}

/**
 * gmem_zero_page() - the page that a gmem's empty entries read from
 * @g: the gmem
 *
 * Each gmem has its own zero page, so that no gmem waits for another's page lock, and none
 * can use up the page references that the others need.
 *
 * Return: the page, which lives as long as the gmem; or NULL when out of memory.
 */
struct page *gmem_zero_page(struct gmem *g)
{
	struct page *zero = READ_ONCE(g->zero), *new;

	if (zero)
		return zero;
	new = gmem_page_alloc(g, true);
	if (!new)
		return NULL;
	zero = cmpxchg(&g->zero, NULL, new);
	if (!zero)
		return new;
	gmem_page_free(new);
	return zero;
}

/**
 * gmem_page_drop() - the index lets go of a page that no entry points at any more
 * @page: the page; if it was private its chunk's lock is held
 */
void gmem_page_drop(struct page *page)
{
	gmem_merge_forget(page);
	gmem_page_disown(page);
	gmem_put_page_later(page);
}

/**
 * gmem_shared_put() - a shared page has one sharer less
 * @page: the page; without sharers it is freed
 */
void gmem_shared_put(struct page *page)
{
	int n = atomic_dec_return(gmem_page_sharers(page));

	if (unlikely(n < 0))
		atomic_set(gmem_page_sharers(page), GMEM_SHARERS_STUCK);
	if (n)
		return;
	gmem_count_shared_page(gmem_page_shared_domain(page), -1);
	gmem_page_drop(page);
}

/**
 * gmem_entry_drop() - the end of what an entry used to say
 * @g: the gmem
 * @v: an entry that has been replaced and that nothing maps any more; its chunk's
 *	lock held
 */
void gmem_entry_drop(struct gmem *g, unsigned long v)
{
	struct page *page = gmem_entry_page(v);

	gmem_count_pending(g, v, 0);
	if (gmem_entry_private(v)) {
		gmem_count_private(g, -1);
		gmem_page_drop(page);
	} else if (gmem_entry_squeezed(v)) {
		gmem_count_squeezed(g, v, -1);
		gmem_squeezed_put(gmem_entry_object(v));
	} else if (v & GMEM_SHARED) {
		gmem_count_shared(g, -1);
		gmem_shared_put(page);
	} else if (v & GMEM_ZEROED) {
		atomic_long_dec(&g->nr_zeroed);
	}
}
