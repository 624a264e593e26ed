// SPDX-License-Identifier: GPL-2.0-only
/*
 * What kinds of memory a gmem has, for tools that watch machines. All kinds but one are counters
 * that the gmem keeps anyway. What a fork made common has no counter: it would have to look at
 * each page whenever such a chunk is copied, or becomes one gmem's again. So it is counted here,
 * only where there are shared pages at all, and for a limited time: the user who asks is not the
 * one who decides how much there is to look at.
 */
#include <linux/jiffies.h>
#include <linux/sched/signal.h>

#include "gmem/index.h"
#include "gmem/internal.h"

/*
 * In an RCU section: the pages of a chunk that are others', too, because of a fork: in a common
 * chunk those that are no shared pages, and in any chunk shared pages that copying one has made.
 */
static unsigned int chunk_forked(const struct gmem *g, const struct gmem_chunk *c)
{
	bool own = gmem_chunk_held_by(c, g);
	unsigned int i, n = 0;

	for (i = 0; i < GMEM_CHUNK_PAGES; i++) {
		unsigned long v = READ_ONCE(c->entry[i]);

		if (v & GMEM_SHARED)
			n += !!(v & GMEM_FORKED);
		else
			n += !own && v & GMEM_PRESENT;
	}
	return n;
}

static bool kinds_is_over(const struct gmem_kinds *k)
{
	return fatal_signal_pending(current) || (k->end && time_after(jiffies, k->end));
}

static u64 kinds_forked(struct gmem *g, const struct gmem_kinds *k)
{
	struct gmem_chunk *c;
	u64 pages = 0;
	pgoff_t off = 0;

	while (!kinds_is_over(k)) {
		off = gmem_next_chunk(g, off);
		if (off >= gmem_index_end(g))
			break;
		rcu_read_lock();
		c = gmem_chunk_lookup(g, off);
		if (c)
			pages += chunk_forked(g, c);
		rcu_read_unlock();
		cond_resched();
		off += GMEM_CHUNK_PAGES;
	}
	return pages;
}

/* Counters that others change meanwhile may be below 0 for a moment. */
static u64 kinds_bytes(const atomic_long_t *pages)
{
	return (u64)max(0L, atomic_long_read(pages)) << PAGE_SHIFT;
}

/**
 * gmem_kinds() - of what kinds a gmem's memory is
 * @g: the gmem
 * @k: grows by it
 *
 * Process context; takes no lock. Walks over the index if a page is shared.
 */
void gmem_kinds(struct gmem *g, struct gmem_kinds *k)
{
	u64 shared = kinds_bytes(&g->nr_shared), forked;

	forked = shared ? min(shared, kinds_forked(g, k) << PAGE_SHIFT) : 0;
	k->unique += kinds_bytes(&g->nr_private);
	k->merged += shared - forked;
	k->forked += forked;
	k->compressed += kinds_bytes(&g->nr_squeezed);
	k->compressed_to += max(0L, atomic_long_read(&g->squeezed_bytes));
	k->zero += kinds_bytes(&g->nr_zeroed);
	k->huge += kinds_bytes(&g->nr_whole) << GMEM_CHUNK_SHIFT;
	k->breaks += max(0L, atomic_long_read(&g->nr_breaks));
}
