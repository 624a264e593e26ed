// SPDX-License-Identifier: GPL-2.0-only
/*
 * The merge index: pages by digest. A hash table of fixed size, there while there is
 * something to merge; its nodes are in the struct pages, so a page in it costs nothing. In it
 * are all shared pages, and the private pages that have been examined and not written
 * since. The hard part is holding what was found: under a bucket's lock a page cannot
 * leave the index, hence not its entry, hence its chunk and gmem are there.
 *
 * A user who makes many pages with one digest makes long chains. So a search gives up after
 * MAX_WALK pages, and misses equal pages beyond them.
 */
#define pr_fmt(fmt) "ditto: " fmt

#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include "ksm/internal.h"

#define PAGES_PER_BUCKET	4
#define NR_LOCKS		256
#define MAX_WALK		64

/* Constant while any page is in the index; changed under merge_knobs.lock. */
static struct hlist_head *buckets;
static unsigned long nr_buckets;

static spinlock_t locks[NR_LOCKS];
static atomic_long_t nr_indexed;	/* pages in the index */
static atomic_long_t nr_unshared;	/* of them, private ones */
static atomic_long_t nr_apart;		/* of them, shared ones that are apart */

static unsigned long index_bucket(u32 digest)
{
	return digest & (nr_buckets - 1);
}

static spinlock_t *lock_of(u32 digest)
{
	return &locks[digest % NR_LOCKS];
}

/**
 * merge_index_init() - allocate the table, if it is not there
 *
 * Called with merge_knobs.lock held, from process context.
 *
 * Return: 0 or -ENOMEM.
 */
int merge_index_init(void)
{
	unsigned int i;

	if (buckets)
		return 0;
	nr_buckets = roundup_pow_of_two(max(totalram_pages() / PAGES_PER_BUCKET,
					    (unsigned long)NR_LOCKS));
	buckets = kvcalloc(nr_buckets, sizeof(*buckets), GFP_KERNEL);
	if (!buckets)
		return -ENOMEM;
	for (i = 0; i < NR_LOCKS; i++)
		spin_lock_init(&locks[i]);
	return 0;
}

/**
 * merge_index_release() - free the table if it is empty
 *
 * Called with merge_knobs.lock held, which keeps pages out.
 */
void merge_index_release(void)
{
	if (!buckets || atomic_long_read_acquire(&nr_indexed))
		return;
	kvfree(buckets);
	buckets = NULL;
}

/**
 * merge_index_exit() - free the table
 *
 * Every page has left it.
 */
void merge_index_exit(void)
{
	merge_index_sweep();
	WARN_ON_ONCE(atomic_long_read(&nr_indexed) || atomic_long_read(&nr_unshared));
	kvfree(buckets);
	buckets = NULL;
}

/**
 * merge_index_bytes() - memory that the index takes
 *
 * Return: memory that the table takes.
 */
unsigned long merge_index_bytes(void)
{
	return buckets ? nr_buckets * sizeof(*buckets) : 0;
}

/**
 * merge_index_unshared() - count the private pages in the index
 *
 * Return: how many private pages are in the index.
 */
unsigned long merge_index_unshared(void)
{
	return atomic_long_read(&nr_unshared);
}

/* Has a shared page as many sharers as it may have? */
static bool page_full(struct page *page)
{
	return gmem_page_is_shared(page) &&
	       atomic_read(gmem_page_sharers(page)) >= READ_ONCE(merge_knobs.max_page_sharing);
}

static bool nodes_fit(int a, int b)
{
	return a == b || READ_ONCE(merge_knobs.merge_across_nodes);
}

/* With the bucket's lock: pages that a page with this digest might equal, up to @most. */
static unsigned int count_candidates(u32 digest, struct gmem_domain *domain, int nid,
				     unsigned int most)
{
	unsigned int walked = 0, n = 0;
	struct hlist_node *node;

	hlist_for_each(node, &buckets[index_bucket(digest)]) {
		struct page *page = gmem_node_page(node);

		if (++walked > MAX_WALK || n >= most)
			break;
		n += *gmem_page_digest(page) == digest && gmem_page_in(page, domain) &&
		     nodes_fit(page_to_nid(page), nid) && !page_full(page);
	}
	return n;
}

/**
 * merge_index_insert() - a private page was examined and none equals it
 * @page: the page, not in the index; its chunk's lock held and its entry checked
 * @digest: of its contents
 * @domain: of its gmem
 * @known: so many pages with this digest have been looked at
 *
 * Another worker may have inserted one meanwhile that is equal. Both would never be merged.
 *
 * Return: false if there are more than @known, and it was not inserted.
 */
bool merge_index_insert(struct page *page, u32 digest, struct gmem_domain *domain,
			unsigned int known)
{
	spinlock_t *lock = lock_of(digest);
	bool fine;

	spin_lock(lock);
	fine = known == UINT_MAX ||
	       count_candidates(digest, domain, page_to_nid(page), known + 1) <= known;
	if (fine) {
		*gmem_page_digest(page) = digest;
		hlist_add_head(gmem_page_node(page), &buckets[index_bucket(digest)]);
		atomic_long_inc(&nr_unshared);
		atomic_long_inc(&nr_indexed);
	}
	spin_unlock(lock);
	return fine;
}

/**
 * merge_index_insert_apart() - a shared page has come that is apart
 * @page: the page; its first sharer's chunk's lock is held
 * @digest: of its contents
 */
void merge_index_insert_apart(struct page *page, u32 digest)
{
	spinlock_t *lock = lock_of(digest);

	spin_lock(lock);
	*gmem_page_digest(page) = digest;
	hlist_add_head(gmem_page_node(page), &buckets[index_bucket(digest)]);
	atomic_long_inc(&nr_apart);
	atomic_long_inc(&nr_indexed);
	spin_unlock(lock);
}

/**
 * merge_index_apart() - is there something that has to be swept?
 *
 * Return: whether there are shared pages that are apart.
 */
bool merge_index_apart(void)
{
	return atomic_long_read(&nr_apart);
}

/* Take the pages of a bucket out that only the engine has. */
static void bucket_sweep(unsigned long i, struct hlist_head *idle)
{
	struct hlist_node *node, *next;
	spinlock_t *lock = lock_of(i);

	spin_lock(lock);
	hlist_for_each_safe(node, next, &buckets[i]) {
		struct page *page = gmem_node_page(node);

		if (!gmem_page_is_apart(page) || !gmem_apart_idle(page))
			continue;
		hlist_del(node);
		hlist_add_head(node, idle);
		atomic_long_dec(&nr_apart);
		atomic_long_dec_return_release(&nr_indexed);
	}
	spin_unlock(lock);
}

/**
 * merge_index_sweep() - free shared pages that are apart and that no entry has any more
 *
 * Called with merge_knobs.lock held, from process context.
 */
void merge_index_sweep(void)
{
	struct hlist_head idle = HLIST_HEAD_INIT;
	struct hlist_node *node, *next;
	unsigned long i;

	if (!buckets || !merge_index_apart())
		return;
	for (i = 0; i < nr_buckets; i++) {
		if (!(i % 1024))
			cond_resched();
		if (hlist_empty(&buckets[i]))
			continue;
		bucket_sweep(i, &idle);
		cond_resched();
	}
	hlist_for_each_safe(node, next, &idle)
		gmem_apart_end(gmem_node_page(node));
}

/**
 * merge_index_forget() - take a page out
 * @page: private, its chunk's lock held; or shared, without sharers
 */
void merge_index_forget(struct page *page)
{
	spinlock_t *lock = lock_of(*gmem_page_digest(page));

	spin_lock(lock);
	if (!hlist_unhashed(gmem_page_node(page))) {
		hlist_del_init(gmem_page_node(page));
		if (!gmem_page_is_shared(page))
			atomic_long_dec(&nr_unshared);
		atomic_long_dec_return_release(&nr_indexed);
	}
	spin_unlock(lock);
}

/**
 * merge_index_share() - a private page in the index becomes a shared one
 * @page: frozen, its chunk's lock held
 * @domain: of its gmem
 */
void merge_index_share(struct page *page, struct gmem_domain *domain)
{
	spinlock_t *lock = lock_of(*gmem_page_digest(page));

	spin_lock(lock);
	gmem_page_share(page, domain);
	atomic_long_dec(&nr_unshared);
	spin_unlock(lock);
}

/* Hold what was found, with the bucket's lock held; false if it is going away, or full. */
static bool candidate_hold(struct page *page, struct merge_candidate *cand)
{
	cand->page = page;
	cand->shared = gmem_page_is_shared(page);
	if (!cand->shared)
		return gmem_cursor_get(page, &cand->cur);
	return !page_full(page) && gmem_shared_get(page);
}

/**
 * merge_index_find() - look for pages with a digest
 * @domain: only pages of this domain
 * @digest: the digest
 * @nid: the NUMA node of the page that it is for
 * @nth: skip as many of them
 * @cand: what was found, held: a shared page has one sharer more, of a private one the
 *	entry is held
 *
 * Return: false if there is no such page.
 */
bool merge_index_find(struct gmem_domain *domain, u32 digest, int nid, unsigned int nth,
		      struct merge_candidate *cand)
{
	spinlock_t *lock = lock_of(digest);
	unsigned int walked = 0;
	struct hlist_node *node;
	struct page *page;
	bool found = false;

	spin_lock(lock);
	hlist_for_each(node, &buckets[index_bucket(digest)]) {
		page = gmem_node_page(node);
		if (++walked > MAX_WALK)
			break;
		if (*gmem_page_digest(page) != digest || !gmem_page_in(page, domain) ||
		    !nodes_fit(page_to_nid(page), nid))
			continue;
		if (nth) {
			nth--;
			continue;
		}
		found = candidate_hold(page, cand);
		if (found)
			break;
	}
	spin_unlock(lock);
	return found;
}

/* Is it examined, and to be merged with an equal one? In a whole chunk it is noted, and stays. */
static bool page_mergeable(struct page *page)
{
	return gmem_page_calm(page) && !page_full(page) && !gmem_page_whole(page);
}

/*
 * Two equal pages that have both been examined: neither will be examined again before it
 * changes, so they would never be merged. @node: the first; the others are behind it.
 */
static int check_lost(struct seq_file *m, struct hlist_node *node)
{
	struct page *page = gmem_node_page(node), *other;
	bool equal;

	for (node = node->next; node; node = node->next) {
		other = gmem_node_page(node);
		if (*gmem_page_digest(page) != *gmem_page_digest(other) ||
		    gmem_page_domain(page) != gmem_page_domain(other) ||
		    (gmem_page_is_shared(page) && gmem_page_is_shared(other)) ||
		    !page_mergeable(page) || !page_mergeable(other) ||
		    !nodes_fit(page_to_nid(page), page_to_nid(other)))
			continue;
		merge_read_begin();
		equal = merge_pages_equal(page_address(page), page_address(other));
		merge_read_end();
		if (!equal)
			continue;
		seq_printf(m, "violation: merge index: pfn %#lx and %#lx are equal, unmerged\n",
			   page_to_pfn(page), page_to_pfn(other));
		return 1;
	}
	return 0;
}

/* One page of a bucket, for the checker. */
static int index_check_page(struct seq_file *m, struct page *page, unsigned long bucket,
			    unsigned long *private)
{
	if (page_count(page) < 1 || index_bucket(*gmem_page_digest(page)) != bucket) {
		seq_printf(m, "violation: merge index: pfn %#lx in bucket %lu\n",
			   page_to_pfn(page), bucket);
		return 1;
	}
	if (gmem_page_is_shared(page))
		return 0;
	(*private)++;
	if (gmem_page_placed(page))
		return 0;
	seq_printf(m, "violation: merge index: pfn %#lx is not in its entry\n",
		   page_to_pfn(page));
	return 1;
}

/**
 * merge_index_check() - the engine's part of the checker
 * @m: where to print
 *
 * Return: the number of violations.
 */
int merge_index_check(struct seq_file *m)
{
	unsigned long i, private = 0;
	struct hlist_node *node;
	spinlock_t *lock;
	int bad = 0;

	down_write(&merge_knobs.lock);
	for (i = 0; buckets && i < nr_buckets; i++) {
		lock = lock_of(i);
		spin_lock(lock);
		hlist_for_each(node, &buckets[i])
			bad += index_check_page(m, gmem_node_page(node), i, &private) +
			       check_lost(m, node);
		spin_unlock(lock);
		cond_resched();
	}
	up_write(&merge_knobs.lock);
	if (private != merge_index_unshared()) {
		seq_printf(m, "violation: merge index: %lu unshared pages, recounted %lu\n",
			   merge_index_unshared(), private);
		bad++;
	}
	return bad;
}
