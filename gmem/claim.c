// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who may change what in the index. Directories and chunks are in the index of one gmem, or
 * after forks of many. Each is marked with its holder, and a gmem changes only what is marked
 * with its own. A fork takes that mark from everything at once, by giving the gmem another
 * holder. What is wanted after that is claimed first: a directory or chunk that no other index
 * has any more is marked anew, any other is copied. Owns claims, and the end of what nobody has.
 *
 * 1. A directory counts the roots that it is in, a chunk the directories. Only a fork, and the
 *    copy of a directory, make these numbers grow, and both only where nobody may change the
 *    directory resp. chunk. So who finds itself alone stays alone until it is forked, which its
 *    fork_lock prevents.
 * 2. A copied chunk points at the same pages as the first: each private page becomes a shared
 *    one with two sharers, of the kind that merging makes.
 * 3. Who has found an old directory or chunk by RCU sees the pages that it had, until another
 *    gmem has it alone and changes it. That is noticed by looking it up once more afterwards:
 *    the copy is in its place before the other gmem can be alone (gmem_chunk_was_of()). The
 *    zero page may have been mapped through the old chunk unnoticed: in a copy every empty
 *    entry has GMEM_ZMAP.
 * 4. What is marked as changed since the base was made is so in a copy, too, unless what is
 *    copied is the base's: then nothing has changed yet.
 * 5. A page that somebody may write to without asking (a device) stays its gmem's. A fork, which
 *    nobody uses yet, lets go of the chunk that has it at once, for a copy in which there is
 *    another page. So the gmem is alone with it, and nothing of 6. can be in it.
 * 6. Who is alone again writes in place. References to pages that were taken through another
 *    index, for reading, may be there still; such pages are shared instead (adopt_held()).
 */
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
#include "gmem/merge.h"
#include "gmem/sharers.h"
#include "gmem/store.h"
#include "gmem/whole.h"

/**
 * struct claim - what a claim may need, and what it leaves behind
 * @dir: fresh, or NULL once it is used
 * @chunk: likewise
 * @old_dir: one owner less has been, or is to be, counted; or NULL
 * @old_chunk: likewise
 * @spare: a page for each entry, for callers that must not fail, NULL where it is used; or NULL
 * @held: @spare has pages only for those that are held, and their contents
 */
struct claim {
	struct gmem_dir *dir;
	struct gmem_chunk *chunk;
	struct gmem_dir *old_dir;
	struct gmem_chunk *old_chunk;
	struct page **spare;
	bool held;
};

/**
 * gmem_holder_new() - a mark for what a gmem may change
 * @g: the gmem
 *
 * Return: the holder, with a reference, or NULL.
 */
struct gmem_holder *gmem_holder_new(struct gmem *g)
{
	struct gmem_holder *h = kmalloc(sizeof(*h), GFP_KERNEL_ACCOUNT);

	if (!h)
		return NULL;
	refcount_set(&h->refs, 1);
	h->g = g;
	return h;
}

/**
 * gmem_holder_put() - give back a reference
 * @h: the holder, or NULL
 */
void gmem_holder_put(struct gmem_holder *h)
{
	if (h && refcount_dec_and_test(&h->refs))
		kfree_rcu(h, rcu);
}

static struct gmem_holder *holder_get(struct gmem_holder *h)
{
	refcount_inc(&h->refs);
	return h;
}

/* A CPU that sees the mark sees what was written before. */
static void holder_mark(struct gmem_holder **place, struct gmem *g)
{
	struct gmem_holder *old = *place;

	smp_store_release(place, holder_get(g->holder));
	gmem_holder_put(old);
}

/**
 * gmem_chunk_enter() - begin to change entries of a chunk
 * @g: the gmem
 * @c: of it, referenced
 *
 * Until gmem_chunk_leave() there is no fork. Whoever needs @c's lock takes it after this.
 *
 * Return: false if @g may no longer change it, or not yet: claim it, or start again.
 */
bool gmem_chunk_enter(struct gmem *g, struct gmem_chunk *c)
{
	down_read(&g->fork_lock);
	if (likely(gmem_chunk_held_by(c, g)))
		return true;
	up_read(&g->fork_lock);
	return false;
}

/**
 * gmem_chunk_leave() - the end of gmem_chunk_enter()
 * @g: the gmem
 * @c: the chunk
 */
void gmem_chunk_leave(struct gmem *g, struct gmem_chunk *c)
{
	up_read(&g->fork_lock);
}

/**
 * gmem_note_held() - somebody may get, or keep, a reference to a page for writing
 * @c: its chunk, which its gmem may change; in an RCU section or with fork_lock held
 *
 * A fork looks for such references only where this was called since the fork before.
 */
void gmem_note_held(struct gmem_chunk *c)
{
	unsigned int nr = gmem_chunk_nr(c->base);

	if (test_bit(nr, c->dir->held))
		return;
	set_bit(nr, c->dir->held);
	WRITE_ONCE(c->dir->any_held, true);
}

/* The end of an entry of a chunk that nobody has. */
static void entry_discard(struct gmem *g, struct gmem_chunk *c, unsigned int nr, bool common)
{
	unsigned long v = READ_ONCE(c->entry[nr]);

	WRITE_ONCE(c->entry[nr], GMEM_LOCKED);
	if (gmem_entry_private(v)) {
		if (common)
			gmem_count_shared_page(g->domain, -1);
		gmem_page_drop(gmem_entry_page(v));
	} else if (v & GMEM_SHARED) {
		gmem_shared_put(gmem_entry_page(v));
	} else if (gmem_entry_squeezed(v)) {
		gmem_squeezed_put(gmem_entry_object(v));
	}
}

/**
 * gmem_chunk_disown() - one directory has a chunk no more; the last one takes it along
 * @g: whose directory that is
 * @c: the chunk, which is no longer in it
 *
 * Process context; no chunk's lock is held.
 */
void gmem_chunk_disown(struct gmem *g, struct gmem_chunk *c)
{
	unsigned int i;
	bool common;

	if (!atomic_dec_and_test(&c->owners))
		return;
	mutex_lock(&c->lock);
	common = !gmem_chunk_held_by(c, g);
	gmem_whole_end(c);
	c->dead = true;
	for (i = 0; i < GMEM_CHUNK_PAGES; i++)
		if (READ_ONCE(c->entry[i]))
			entry_discard(g, c, i, common);
	mutex_unlock(&c->lock);
	gmem_chunk_put(c);
}

static void dir_free_rcu(struct rcu_head *rcu)
{
	struct gmem_dir *dir = container_of(rcu, struct gmem_dir, rcu);

	gmem_holder_put(dir->holder);
	kfree(dir);
}

/* One root has a directory no more, that of @g. */
static void dir_disown(struct gmem *g, struct gmem_dir *dir)
{
	struct gmem_chunk *c;
	unsigned int i;

	if (!atomic_dec_and_test(&dir->owners))
		return;
	for (i = 0; i < GMEM_DIR_CHUNKS; i++) {
		c = rcu_dereference_protected(dir->chunk[i], true);
		if (!c)
			continue;
		gmem_chunk_disown(g, c);
		cond_resched();
	}
	call_rcu(&dir->rcu, dir_free_rcu);
}

/* Is a directory that @g has another's, too? Under root_lock. */
static bool dir_alone(struct gmem_dir *dir)
{
	return atomic_read_acquire(&dir->owners) == 1;
}

/* Chunks do not come or go here: nobody may change @from. */
static void dir_copy(struct gmem_dir *to, struct gmem_dir *from)
{
	struct gmem_chunk *c;
	unsigned int i;

	for (i = 0; i < GMEM_DIR_CHUNKS; i++) {
		c = rcu_dereference_protected(from->chunk[i], true);
		if (!c)
			continue;
		atomic_inc(&c->owners);
		RCU_INIT_POINTER(to->chunk[i], c);
	}
}

static bool dir_is_base(const struct gmem *g, const struct gmem_dir *dir, pgoff_t off)
{
	return g->base && gmem_dir_lookup(g->base, off) == dir;
}

/* Put the fresh directory in the place of none, or of one that others have, too. */
static struct gmem_dir *dir_renew(struct gmem *g, struct claim *cl, struct gmem_dir **place,
				  pgoff_t off)
{
	struct gmem_dir *old = *place, *new = cl->dir;

	if (!new)
		return NULL;
	cl->dir = NULL;
	atomic_set(&new->owners, 1);
	new->holder = holder_get(g->holder);
	if (old)
		dir_copy(new, old);
	else
		atomic_long_inc(&g->nr_dirs);
	if (old && !dir_is_base(g, old, off))
		bitmap_copy(new->changed, old->changed, GMEM_DIR_CHUNKS);
	cl->old_dir = old;
	smp_store_release(place, new);
	return new;
}

/* The directory of @off, which @g may change then; NULL: a fresh one is needed. */
static struct gmem_dir *claim_dir(struct gmem *g, struct claim *cl, pgoff_t off)
{
	struct gmem_dir **place, *dir;

	spin_lock(&g->root_lock);
	place = &gmem_root_stable(g)->dir[off >> GMEM_ROOT_SHIFT];
	dir = *place;
	if (!dir || (dir->holder != g->holder && !dir_alone(dir)))
		dir = dir_renew(g, cl, place, off);
	else if (dir->holder != g->holder)
		holder_mark(&dir->holder, g);
	spin_unlock(&g->root_lock);
	return dir;
}

/* The private page of an entry of a common chunk becomes a shared one, with this sharer. */
static unsigned long entry_share(struct gmem *g, struct gmem_chunk *c, unsigned int nr)
{
	unsigned long v = READ_ONCE(c->entry[nr]);

	gmem_chunk_split_common(c);
	gmem_merge_share(gmem_entry_page(v), g->domain);
	v = gmem_entry_make(gmem_entry_page(v), GMEM_SHARED | GMEM_FORKED | gmem_merge_note(v));
	smp_store_release(&c->entry[nr], v);
	return v;
}

/**
 * gmem_chunk_part() - a gmem is about to let go of a common chunk, and has made no copy
 * @g: the gmem, its fork_lock held for write
 * @c: the chunk, no longer in its directory
 *
 * Who has looked it up before may be reading a page of it, without a reference. That is not to
 * see what another gmem writes in place when it is alone: pages become shared, as in a copy.
 */
void gmem_chunk_part(struct gmem *g, struct gmem_chunk *c)
{
	unsigned int i;

	mutex_lock(&c->lock);
	for (i = 0; atomic_read(&c->owners) > 1 && i < GMEM_CHUNK_PAGES; i++)
		if (gmem_entry_private(READ_ONCE(c->entry[i])))
			entry_share(g, c, i);
	mutex_unlock(&c->lock);
}

/*
 * Where a chunk was shared with others, somebody who read a page there may still hold a reference:
 * a pipe, or a device. They must not see what @g writes from now on, so it writes to a copy.
 * But where the chunk was marked no fork has succeeded since, and the references are @g's own.
 */
static void adopt_held(struct gmem *g, struct gmem_dir *dir, struct gmem_chunk *c)
{
	unsigned int i;

	if (test_bit(gmem_chunk_nr(c->base), dir->held))
		return;
	for (i = 0; i < GMEM_CHUNK_PAGES; i++) {
		unsigned long v = READ_ONCE(c->entry[i]);

		/* Whether mappings of @g's are all that there is cannot be told without a race. */
		if (gmem_entry_private(v) && page_count(gmem_entry_page(v)) != 1)
			entry_share(g, c, i);
	}
}

/* What was noted while the chunk was whole, which it is no more, is examined: as split_gain(). */
static void adopt_noted(struct gmem_chunk *c)
{
	unsigned long v;
	unsigned int i;

	for_each_set_bit(i, c->gain, GMEM_CHUNK_PAGES) {
		v = READ_ONCE(c->entry[i]);
		if (!gmem_entry_private(v))
			continue;
		gmem_merge_forget(gmem_entry_page(v));
		while (!try_cmpxchg(&c->entry[i], &v, v | GMEM_PENDING))
			;
	}
	bitmap_zero(c->gain, GMEM_CHUNK_PAGES);
}

/* Nobody else has a common chunk any more: its private pages are @g's own again. */
static void chunk_adopt(struct gmem *g, struct gmem_dir *dir, struct gmem_chunk *c)
{
	unsigned int i, pages = 0, pending = 0;
	unsigned long v;

	adopt_held(g, dir, c);
	if (unlikely(!c->whole && !bitmap_empty(c->gain, GMEM_CHUNK_PAGES)))
		adopt_noted(c);
	for (i = 0; i < GMEM_CHUNK_PAGES; i++) {
		v = READ_ONCE(c->entry[i]);
		pages += gmem_entry_private(v);
		pending += !!(v & GMEM_PENDING);
	}
	c->dir = dir;
	holder_mark(&c->holder, g);
	gmem_count_shared(g, -(long)pages);
	gmem_count_shared_page(g->domain, -(long)pages);
	gmem_count_private(g, pages);	/* last: it weighs private and shared pages */
	atomic_long_add(pending, &g->nr_pending);
	atomic_long_add(c->whole, &g->nr_whole);
	gmem_chunk_touch(c);
}

/* Can a page have as many sharers more as there are entries in a chunk? */
static bool page_fits(struct page *page)
{
	int n = atomic_read(gmem_page_sharers(page));

	return n >= 0 && n < GMEM_MAX_SHARERS - (int)GMEM_CHUNK_PAGES;
}

static bool page_copied(struct page *page, struct page *old)
{
	return !PageHWPoison(old) &&
	       !copy_mc_to_kernel(page_address(page), page_address(old), PAGE_SIZE);
}

/* A spare page, which is equal to the shared one that an entry had, becomes the entry's own. */
static unsigned long entry_take(struct gmem *g, struct claim *cl, unsigned int nr)
{
	struct page *page = cl->spare[nr];

	cl->spare[nr] = NULL;
	gmem_page_adopt(page, cl->chunk, nr);
	gmem_count_shared(g, -1);
	gmem_count_private(g, 1);
	return gmem_entry_make(page, GMEM_DIRTY);
}

/* 0: the shared page cannot be read. */
static unsigned long entry_own(struct gmem *g, struct claim *cl, unsigned int nr, struct page *old)
{
	return page_copied(cl->spare[nr], old) ? entry_take(g, cl, nr) : 0;
}

/*
 * What an entry of a common chunk, which is @v, is in its copy; counts one sharer more. Where
 * that would be too many the copy gets a page of its own, if there is one.
 */
static unsigned long entry_copy(struct gmem *g, struct claim *cl, struct gmem_chunk *c,
				unsigned int nr, unsigned long v)
{
	unsigned long own = 0;

	if (gmem_entry_squeezed(v)) {
		gmem_squeezed_get(gmem_entry_object(v));
		return v & ~GMEM_SOFT;
	}
	if (!(v & GMEM_PRESENT))
		return (v & ~GMEM_SOFT) | GMEM_ZMAP;
	if (cl->held && cl->spare[nr])
		return entry_take(g, cl, nr);
	if (gmem_entry_private(v))
		v = entry_share(g, c, nr);
	if (cl->spare && !cl->held && !page_fits(gmem_entry_page(v)))
		own = entry_own(g, cl, nr, gmem_entry_page(v));
	if (own)
		return own;
	gmem_shared_add(gmem_entry_page(v));
	return v & ~GMEM_SOFT;
}

/* The same of compressed contents. */
static bool object_fits(const struct gmem_squeezed *s)
{
	return gmem_squeezed_refs(s) < GMEM_MAX_SHARERS - GMEM_CHUNK_PAGES;
}

/* Can each page of a chunk have one sharer more? */
static bool chunk_fits(const struct gmem_chunk *c)
{
	unsigned int i;

	for (i = 0; i < GMEM_CHUNK_PAGES; i++) {
		unsigned long v = READ_ONCE(c->entry[i]);

		if (v & GMEM_SHARED && !page_fits(gmem_entry_page(v)))
			return false;
		if (gmem_entry_squeezed(v) && !object_fits(gmem_entry_object(v)))
			return false;
	}
	return true;
}

/* Put a copy of a common chunk in its place. Its lock is held. */
static int chunk_copy(struct gmem *g, struct claim *cl, struct gmem_dir *dir,
		      struct gmem_chunk *c)
{
	struct gmem_chunk *new = cl->chunk;
	unsigned long v;
	unsigned int i;

	if ((!cl->spare || cl->held) && !chunk_fits(c))
		return -ENOMEM;
	for (i = 0; i < GMEM_CHUNK_PAGES; i++) {
		/* Most have never been anything. */
		v = READ_ONCE(c->entry[i]);
		new->entry[i] = v ? entry_copy(g, cl, c, i, v) : GMEM_ZMAP;
	}
	cl->chunk = NULL;
	new->dir = dir;
	new->holder = holder_get(g->holder);
	if (c != gmem_base_chunk(g, c->base))
		bitmap_copy(new->changed, c->changed, GMEM_CHUNK_PAGES);
	for (i = 0; cl->spare && i < GMEM_CHUNK_PAGES; i++)
		if (gmem_entry_private(new->entry[i]))
			gmem_note_changed(new, i);
	rcu_assign_pointer(dir->chunk[gmem_chunk_nr(c->base)], new);
	if (cl->spare)
		gmem_chunk_touch(new);	/* for pages of its own */
	cl->old_chunk = c;
	return 0;
}

/* In an own directory there is a chunk that may be common. */
static int claim_common(struct gmem *g, struct claim *cl, struct gmem_dir *dir,
			struct gmem_chunk *c)
{
	int ret = 0;

	mutex_lock(&c->lock);
	if (c->dead || rcu_access_pointer(dir->chunk[gmem_chunk_nr(c->base)]) != c ||
	    gmem_chunk_held_by(c, g))
		;	/* somebody was faster */
	else if (atomic_read_acquire(&c->owners) == 1)
		chunk_adopt(g, dir, c);
	else
		ret = chunk_copy(g, cl, dir, c);
	mutex_unlock(&c->lock);
	return ret;
}

/* In an own directory there was no chunk. */
static void claim_fresh(struct gmem *g, struct claim *cl, struct gmem_dir *dir)
{
	struct gmem_chunk *c = cl->chunk;
	struct gmem_chunk __rcu **place = &dir->chunk[gmem_chunk_nr(c->base)];

	c->dir = dir;
	c->holder = holder_get(g->holder);
	/* It takes the place of one that was punched. */
	if (gmem_base_chunk(g, c->base))
		bitmap_fill(c->changed, GMEM_CHUNK_PAGES);
	if (!unrcu_pointer(cmpxchg(place, NULL, RCU_INITIALIZER(c)))) {
		cl->chunk = NULL;
		atomic_long_inc(&g->nr_chunks);
	}
}

/* With fork_lock. -EAGAIN: a fresh directory is needed. */
static int claim_locked(struct gmem *g, struct claim *cl, pgoff_t off)
{
	struct gmem_dir *dir = claim_dir(g, cl, off);
	struct gmem_chunk *c;
	int ret = 0;

	if (!dir)
		return -EAGAIN;
	c = gmem_chunk_find(g, off);
	if (!c) {
		claim_fresh(g, cl, dir);
		return 0;
	}
	if (!gmem_chunk_held_by(c, g))
		ret = claim_common(g, cl, dir, c);
	gmem_chunk_put(c);
	return ret;
}

static bool dir_wanted(struct gmem *g, pgoff_t off)
{
	struct gmem_dir *dir;
	bool wanted;

	rcu_read_lock();
	dir = gmem_dir_lookup(g, off);
	wanted = !dir || (READ_ONCE(dir->holder) != READ_ONCE(g->holder) && !dir_alone(dir));
	rcu_read_unlock();
	return wanted;
}

/* What is common may turn out to be alone, and memory for a copy not to be needed. */
static bool claim_prepare(struct gmem *g, struct claim *cl, pgoff_t off, gfp_t gfp)
{
	if (dir_wanted(g, off)) {
		cl->dir = kzalloc(sizeof(*cl->dir), gfp);
		if (!cl->dir)
			return false;
	}
	cl->chunk = gmem_chunk_alloc(off, gfp);
	return cl->chunk;
}

/* Pages for callers that must not fail although a page has too many sharers. */
static void claim_spare(struct claim *cl)
{
	unsigned int i;

	cl->spare = kcalloc(GMEM_CHUNK_PAGES, sizeof(*cl->spare), GMEM_GFP_MUST);
	for (i = 0; i < GMEM_CHUNK_PAGES; i++)
		cl->spare[i] = alloc_page(GMEM_GFP_MUST);
}

/* What was not used, and what one index has no more. */
static void claim_finish(struct gmem *g, struct claim *cl)
{
	unsigned int i;

	for (i = 0; cl->spare && i < GMEM_CHUNK_PAGES; i++)
		gmem_page_free(cl->spare[i]);
	kfree(cl->spare);
	kfree(cl->dir);
	if (cl->chunk)
		gmem_holder_put(cl->chunk->holder);
	gmem_chunk_free(cl->chunk);
	if (cl->old_chunk)
		gmem_chunk_disown(g, cl->old_chunk);
	if (cl->old_dir)
		dir_disown(g, cl->old_dir);
}

static int claim_once(struct gmem *g, pgoff_t off, gfp_t gfp, bool spare)
{
	struct mem_cgroup *memcg = set_active_memcg(g->memcg);
	struct claim cl = { 0 };
	int ret = -ENOMEM;

	if (spare)
		claim_spare(&cl);
	if (claim_prepare(g, &cl, off, gfp)) {
		down_read(&g->fork_lock);
		ret = claim_locked(g, &cl, off);
		up_read(&g->fork_lock);
	}
	set_active_memcg(memcg);
	claim_finish(g, &cl);
	return ret;
}

/* For each page of a chunk that somebody may write to, another one with the same contents. */
static int claim_held_pages(struct claim *cl, struct gmem_chunk *c)
{
	unsigned int i;

	cl->held = true;
	cl->spare = kcalloc(GMEM_CHUNK_PAGES, sizeof(*cl->spare), GMEM_GFP);
	for (i = 0; cl->spare && i < GMEM_CHUNK_PAGES; i++) {
		unsigned long v = READ_ONCE(c->entry[i]);

		if (!gmem_entry_private(v) || !gmem_page_held(gmem_entry_page(v)))
			continue;
		cl->spare[i] = alloc_page(GMEM_GFP);
		if (!cl->spare[i])
			return -ENOMEM;
		if (!page_copied(cl->spare[i], gmem_entry_page(v)))
			return -EHWPOISON;
	}
	return cl->spare ? 0 : -ENOMEM;
}

/* @c is referenced. */
static int claim_held(struct gmem *g, struct claim *cl, struct gmem_chunk *c)
{
	int ret = claim_prepare(g, cl, c->base, GMEM_GFP) ? claim_held_pages(cl, c) : -ENOMEM;
	struct gmem_dir *dir;

	if (ret)
		return ret;
	dir = claim_dir(g, cl, c->base);
	mutex_lock(&c->lock);
	ret = chunk_copy(g, cl, dir, c);
	mutex_unlock(&c->lock);
	return ret;
}

/**
 * gmem_chunk_leave_held() - a fork lets go of a chunk, for whose held pages it gets copies
 * @g: the fork, which nobody uses yet; its parent's fork_lock is held for write
 * @off: of the chunk, which is the parent's alone except for @g
 *
 * Process context.
 *
 * Return: 0; -ENOMEM; -EHWPOISON: a page cannot be read.
 */
int gmem_chunk_leave_held(struct gmem *g, pgoff_t off)
{
	struct mem_cgroup *memcg = set_active_memcg(g->memcg);
	struct gmem_chunk *c = gmem_chunk_find(g, off);
	struct claim cl = { 0 };
	int ret = claim_held(g, &cl, c);

	set_active_memcg(memcg);
	claim_finish(g, &cl);
	gmem_chunk_put(c);
	return ret;
}

/**
 * gmem_chunk_claim() - the chunk of an offset, to be changed
 * @g: the gmem
 * @off: in it; the size reaches or reached beyond it
 * @gfp: GMEM_GFP or GMEM_GFP_MUST
 *
 * Process context, no lock held but mmap_lock. The first claim after a fork, below a directory
 * or chunk that another gmem has, too, copies it.
 *
 * Return: the chunk, with a reference for the caller, or ERR_PTR(-ENOMEM), but not with
 * GMEM_GFP_MUST. @g may not change it
 * any more by the time that gmem_chunk_enter() is called, and it may be dead by the time that
 * its lock is taken: look, and start again.
 */
struct gmem_chunk *gmem_chunk_claim(struct gmem *g, pgoff_t off, gfp_t gfp)
{
	bool must = gfp & __GFP_NOFAIL, spare = false;
	struct gmem_chunk *c;
	int ret;

	for (;;) {
		c = gmem_chunk_find(g, off);
		if (likely(c && gmem_chunk_held_by(c, g)))
			return c;
		if (c)
			gmem_chunk_put(c);
		ret = claim_once(g, off, gfp, spare);
		spare = must && ret == -ENOMEM;
		if (ret && ret != -EAGAIN && !spare)
			return ERR_PTR(ret);
	}
}

/**
 * gmem_chunk_get() - the chunk of an offset, made if there is none
 * @g: the gmem
 * @off: below its size
 *
 * Return: the chunk, with a reference for the caller, which may not be allowed to change it; or
 * ERR_PTR(-ENOMEM).
 */
struct gmem_chunk *gmem_chunk_get(struct gmem *g, pgoff_t off)
{
	return gmem_chunk_find(g, off) ?: gmem_chunk_claim(g, off, GMEM_GFP);
}

/**
 * gmem_dir_claim() - a directory that there is, so that it can be changed
 * @g: the gmem, its fork_lock held for write
 * @off: an offset in it
 *
 * Process context. Where it is another gmem's, too, it is copied, and memory for that is waited
 * for.
 *
 * Return: the directory.
 */
struct gmem_dir *gmem_dir_claim(struct gmem *g, pgoff_t off)
{
	struct mem_cgroup *memcg = set_active_memcg(g->memcg);
	struct claim cl = { .dir = kzalloc(sizeof(*cl.dir), GMEM_GFP_MUST) };
	struct gmem_dir *dir;

	set_active_memcg(memcg);
	dir = claim_dir(g, &cl, off);
	claim_finish(g, &cl);
	return dir;
}

/**
 * gmem_index_clear() - drop the directories of an index without chunks
 * @g: the gmem, its fork_lock held for write
 */
void gmem_index_clear(struct gmem *g)
{
	struct gmem_root *root = gmem_root_stable(g);
	struct gmem_dir *dir;
	unsigned long i;

	for (i = 0; i < root->nr; i++) {
		dir = root->dir[i];
		if (!dir)
			continue;
		WRITE_ONCE(root->dir[i], NULL);
		dir_disown(g, dir);
	}
	atomic_long_set(&g->nr_dirs, 0);
}

/**
 * gmem_index_free() - the end of all directories, and the root; pages that nobody else has go
 * @g: a gmem that nobody uses any more, or a new one
 */
void gmem_index_free(struct gmem *g)
{
	struct gmem_root *root = gmem_root_stable(g);
	unsigned long i;

	for (i = 0; i < root->nr; i++)
		if (root->dir[i])
			dir_disown(g, root->dir[i]);
	kvfree(root);
}
