// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who maps a gmem, and taking mappings away: the tree of bindings; reader.c has the page
 * tables of user space. Owns bind_lock; knows nothing of entries. The hard part, why
 * nothing slips back in after a zap, is in internal.h, point 4.
 */
#include <linux/pagemap.h>
#include <linux/sched/mm.h>

#include "gmem/bind.h"
#include "gmem/index.h"
#include "gmem/internal.h"
#include "gmem/mappings.h"

/* bind_lock held for write. */
static int bind_insert(struct gmem *g, struct gmem_binding *b)
{
	if (g->owner && interval_tree_iter_first(&g->bindings, b->node.start, b->node.last))
		return -EINVAL;
	interval_tree_insert(&b->node, &g->bindings);
	return 0;
}

/**
 * gmem_bind() - begin to map a range
 * @g: the gmem; the binder holds a reference until after gmem_unbind()
 * @b: embedded in the binder's own structure
 * @start: first offset in pages
 * @end: offset after the last
 * @ops: callbacks; they may be called before this returns
 *
 * May sleep. The binder holds no lock that its callbacks take.
 *
 * Return: 0, or -EINVAL for an empty range or one beyond the end, or that overlaps another
 * of a gmem that is one machine's.
 */
int gmem_bind(struct gmem *g, struct gmem_binding *b, pgoff_t start, pgoff_t end,
	      const struct gmem_binding_ops *ops)
{
	int err;

	if (start >= end || end > gmem_npages(g))
		return -EINVAL;
	b->node.start = start;
	b->node.last = end - 1;
	b->ops = ops;
	b->mm = current->mm;
	down_write(&g->bind_lock);
	err = bind_insert(g, b);
	if (!err && b->mm)
		mmgrab(b->mm);
	up_write(&g->bind_lock);
	return err;
}

/**
 * gmem_unbind() - no longer map a range
 * @g: the gmem
 * @b: bound to it
 *
 * When this returns no callback is running, and none will be called. The binder takes its
 * mappings away before or after this call, but before it puts its reference to the gmem.
 * Between the two it is not told of pages that go away. So: keep new faults out, zap, then
 * unbind. Waits for callbacks: hold no lock that they take.
 */
void gmem_unbind(struct gmem *g, struct gmem_binding *b)
{
	down_write(&g->bind_lock);
	interval_tree_remove(&b->node, &g->bindings);
	up_write(&g->bind_lock);
	if (b->mm)
		mmdrop(b->mm);
}

/*
 * Iterate over the bindings that overlap [from, to), with bind_lock held; _s and _e are the
 * overlap. The owner of a gmem decides how many there are, so code that works for others
 * checks gmem_crowded() first.
 */
#define for_each_binding(g, b, from, to, _n, _s, _e)					\
	for (_n = interval_tree_iter_first(&(g)->bindings, from, (to) - 1);		\
	     _n && (b = container_of(_n, struct gmem_binding, node),			\
		    _s = max_t(pgoff_t, from, _n->start),				\
		    _e = min_t(pgoff_t, to, _n->last + 1), true);			\
	     _n = interval_tree_iter_next(_n, from, (to) - 1), cond_resched())

static bool bindings_crowded(struct gmem *g, pgoff_t start, pgoff_t end)
{
	struct interval_tree_node *n;
	unsigned int nr = 0;

	if (!down_read_trylock(&g->bind_lock))
		return true;
	n = interval_tree_iter_first(&g->bindings, start, end - 1);
	for (; n && nr <= GMEM_CROWD; n = interval_tree_iter_next(n, start, end - 1))
		nr++;
	up_read(&g->bind_lock);
	return nr > GMEM_CROWD;
}

static bool vmas_crowded(struct gmem *g)
{
	unsigned int nr = 0;

	return gmem_count_vmas(g->inode->i_mapping, &nr, GMEM_CROWD);
}

/**
 * gmem_crowded() - would it take long, or have to wait, to unmap a range?
 * @g: the gmem
 * @start: first offset
 * @end: offset after the last
 *
 * The merge engine, which works for all gmems, skips such a range for now: only the gmem's
 * own users should spend the time that unmapping it takes. Stops counting at the limit;
 * waits for no lock. gmem_readers_crowded() looks at the readers.
 *
 * Return: true when there are more than GMEM_CROWD bindings of the range, or mappings
 * of the gmem in user space, or they are being changed.
 */
bool gmem_crowded(struct gmem *g, pgoff_t start, pgoff_t end)
{
	return bindings_crowded(g, start, end) || vmas_crowded(g);
}

/**
 * gmem_zap_bindings() - take away every binding's mappings of [start, end)
 * @g: the gmem
 * @start: first offset
 * @end: offset after the last
 */
void gmem_zap_bindings(struct gmem *g, pgoff_t start, pgoff_t end)
{
	struct interval_tree_node *n;
	struct gmem_binding *b;
	pgoff_t s, e;

	down_read(&g->bind_lock);
	for_each_binding(g, b, start, end, n, s, e)
		b->ops->zap(b, s, e);
	up_read(&g->bind_lock);
}

/**
 * gmem_wrprotect_bindings() - make every binding's mappings of [start, end) read-only
 * @g: the gmem
 * @start: first offset
 * @end: offset after the last
 */
void gmem_wrprotect_bindings(struct gmem *g, pgoff_t start, pgoff_t end)
{
	struct interval_tree_node *n;
	struct gmem_binding *b;
	pgoff_t s, e;

	down_read(&g->bind_lock);
	for_each_binding(g, b, start, end, n, s, e)
		b->ops->wrprotect(b, s, e);
	up_read(&g->bind_lock);
}

/**
 * gmem_wrprotect_all() - let nobody write to a gmem through a mapping that there is now
 * @g: the gmem; its fork_lock held for write, and its holder changed
 *
 * Bindings may keep mappings for reading, processes keep none. Faults that are under way start
 * again.
 */
void gmem_wrprotect_all(struct gmem *g)
{
	pgoff_t end = gmem_index_end(g);
	struct interval_tree_node *n;
	struct gmem_binding *b;
	pgoff_t s, e;

	down_read(&g->bind_lock);
	for_each_binding(g, b, 0, end, n, s, e)
		b->ops->wrprotect(b, s, e);
	up_read(&g->bind_lock);
	gmem_unmap_user(g, 0, 0);
}

/* zap() of those of @set that the binding covers, where it knows of nothing better. */
static void zap_each(struct gmem_binding *b, pgoff_t base, const unsigned long *set,
		     pgoff_t s, pgoff_t e)
{
	unsigned long from = s - base, to;

	for (; (from = find_next_bit(set, e - base, from)) < e - base; from = to) {
		to = find_next_zero_bit(set, e - base, from);
		b->ops->zap(b, base + from, base + to);
	}
}

/**
 * gmem_zap_some() - take away every binding's mappings of some entries of a chunk
 * @g: the gmem
 * @base: the chunk's first offset
 * @set: bit n: the offset @base + n
 */
void gmem_zap_some(struct gmem *g, pgoff_t base, const unsigned long *set)
{
	pgoff_t start = base + find_first_bit(set, GMEM_CHUNK_PAGES);
	pgoff_t end = base + find_last_bit(set, GMEM_CHUNK_PAGES) + 1;
	struct interval_tree_node *n;
	struct gmem_binding *b;
	pgoff_t s, e;

	down_read(&g->bind_lock);
	for_each_binding(g, b, start, end, n, s, e) {
		if (b->ops->zap_some)
			b->ops->zap_some(b, base, set);
		else
			zap_each(b, base, set, s, e);
	}
	up_read(&g->bind_lock);
}

/**
 * gmem_survey_bindings() - which chunks may have been written through bindings
 * @g: the gmem
 * @start: first offset
 * @end: offset after the last, of the same directory
 * @chunks: the bit gmem_chunk_nr() is set for each of them
 */
void gmem_survey_bindings(struct gmem *g, pgoff_t start, pgoff_t end, unsigned long *chunks)
{
	struct interval_tree_node *n;
	struct gmem_binding *b;
	pgoff_t s, e;

	down_read(&g->bind_lock);
	for_each_binding(g, b, start, end, n, s, e) {
		if (b->ops->survey)
			b->ops->survey(b, s, e, chunks);
		else
			bitmap_set(chunks, gmem_chunk_nr(s),
				   gmem_chunk_nr(e - 1) - gmem_chunk_nr(s) + 1);
	}
	up_read(&g->bind_lock);
}

/* harvest() into a bitmap whose bit 0 is @start, not the overlap's first offset. */
static void harvest_one(struct gmem_binding *b, pgoff_t s, pgoff_t e, pgoff_t start,
			unsigned long *bitmap)
{
	DECLARE_BITMAP(part, GMEM_CHUNK_PAGES) = { 0 };

	if (s == start) {
		b->ops->harvest(b, s, e, bitmap);
		return;
	}
	b->ops->harvest(b, s, e, part);
	bitmap_shift_left(part, part, s - start, GMEM_CHUNK_PAGES);
	bitmap_or(bitmap, bitmap, part, GMEM_CHUNK_PAGES);
}

/**
 * gmem_harvest_bindings() - what was written through bindings since the last time
 * @g: the gmem
 * @start: first offset
 * @end: offset after the last, at most GMEM_CHUNK_PAGES away
 * @bitmap: bit n is set if @start + n was written
 */
void gmem_harvest_bindings(struct gmem *g, pgoff_t start, pgoff_t end, unsigned long *bitmap)
{
	struct interval_tree_node *n;
	struct gmem_binding *b;
	pgoff_t s, e;

	down_read(&g->bind_lock);
	for_each_binding(g, b, start, end, n, s, e)
		harvest_one(b, s, e, start, bitmap);
	up_read(&g->bind_lock);
}

/**
 * gmem_revoke_bindings() - tell bindings that a process changes a mapping of [start, end)
 * @g: the gmem
 * @start: first offset
 * @end: offset after the last
 */
void gmem_revoke_bindings(struct gmem *g, pgoff_t start, pgoff_t end)
{
	struct interval_tree_node *n;
	struct gmem_binding *b;
	pgoff_t s, e;

	down_read(&g->bind_lock);
	for_each_binding(g, b, start, end, n, s, e)
		if (b->ops->revoke)
			b->ops->revoke(b, s, e);
	up_read(&g->bind_lock);
}

/**
 * gmem_check_bindings() - show the checker every mapping of every binding
 * @g: the gmem
 * @fn: called for each mapping
 * @ctx: for @fn
 */
void gmem_check_bindings(struct gmem *g, gmem_check_fn fn, void *ctx)
{
	struct interval_tree_node *n;
	struct gmem_binding *b;
	pgoff_t s, e;

	down_read(&g->bind_lock);
	for_each_binding(g, b, 0, gmem_index_end(g), n, s, e)
		if (b->ops->check)
			b->ops->check(b, s, e, fn, ctx);
	up_read(&g->bind_lock);
}

/**
 * gmem_zap() - take away every mapping of one offset, of whatever kind
 * @g: the gmem
 * @off: the offset; its entry is locked
 * @page: what the entry says, or the zero page; NULL if there is none yet
 */
void gmem_zap(struct gmem *g, pgoff_t off, struct page *page)
{
	if (page) {
		lock_page(page);
		unlock_page(page);
		if (gmem_page_mapcount(page))
			gmem_unmap_user(g, off, off + 1);
	}
	gmem_zap_bindings(g, off, off + 1);
}
