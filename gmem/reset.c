// SPDX-License-Identifier: GPL-2.0-only
/*
 * Resets: a gmem goes back to its base, the fork that it was made from. Owns the way back. Code
 * that changes an entry marks it (gmem_note_changed()), so only those are looked at. Nothing but a
 * fatal signal ends it early; what is still marked then is for the next.
 *
 * 1. The base claims nothing and lives as long as the gmem. So all that is in its index stays
 *    common and does not change, except that when a chunk is copied its pages become shared.
 * 2. A directory that is the gmem's own stays. One that a fork of it made common is claimed.
 * 3. A chunk that is its own stays: it was copied from the base's, whose pages are all shared
 *    therefore, or there is none in the base. Its changed entries become what the base's are. One
 *    that a fork made common, or that was punched, makes way for the base's.
 *
 * fork_lock is held for write, so entries are in no transition, and no process's fault is under
 * way. Guests' faults may be: entries are locked while mappings are taken away.
 */
#include <linux/mm.h>
#include <linux/sched/signal.h>

#include "gmem/bind.h"
#include "gmem/claim.h"
#include "gmem/domain.h"
#include "gmem/entry.h"
#include "gmem/fork.h"
#include "gmem/index.h"
#include "gmem/internal.h"
#include "gmem/mappings.h"
#include "gmem/sharers.h"
#include "gmem/squeeze.h"
#include "gmem/store.h"
#include "gmem/whole.h"

/**
 * gmem_fork_base() - a gmem can be reset
 * @child: a fork of @base that nobody uses yet
 * @base: that nobody uses, or ever will
 */
void gmem_fork_base(struct gmem *child, struct gmem *base)
{
	base->is_base = true;
	child->base = gmem_get(base);
}

/**
 * gmem_has_base() - would a reset make a gmem what another one is?
 * @g: the gmem
 * @base: the other one
 *
 * Return: whether it would.
 */
bool gmem_has_base(const struct gmem *g, const struct gmem *base)
{
	return g->base && g->base == base;
}

/* What the entry is to be, except for bits of the merge engine's. */
static unsigned long base_entry(struct gmem_chunk *base, unsigned int nr)
{
	unsigned long v = base ? READ_ONCE(base->entry[nr]) : 0;

	WARN_ON_ONCE(gmem_entry_private(v));
	if (gmem_entry_squeezed(v))
		return v & (GMEM_ADDR | GMEM_APART);
	return v & (v & GMEM_PRESENT ? GMEM_ADDR | GMEM_PRESENT | GMEM_SHARED | GMEM_FORKED :
				       GMEM_ZEROED);
}

static bool entry_is(unsigned long v, unsigned long to)
{
	return !((v ^ to) & (GMEM_ADDR | GMEM_PRESENT | GMEM_SHARED | GMEM_ZEROED | GMEM_APART));
}

/* Lock the changed entries that are not what they were; whether a process may map one. */
static bool chunk_lock_changed(struct gmem *g, struct gmem_chunk *c, struct gmem_chunk *base,
			       unsigned long *set)
{
	bool mapped = false;
	struct page *page;
	unsigned int nr;
	unsigned long v;

	for_each_set_bit(nr, c->changed, GMEM_CHUNK_PAGES) {
		v = READ_ONCE(c->entry[nr]);
		if (entry_is(v, base_entry(base, nr)))
			continue;
		v = gmem_entry_lock(c, nr);
		__set_bit(nr, set);
		page = v & GMEM_PRESENT ? gmem_entry_page(v) : READ_ONCE(g->zero);
		mapped |= page && gmem_page_mapcount(page);
	}
	return mapped;
}

/*
 * A shared page has room for more sharers than are let in otherwise (GMEM_MAX_SHARERS), by as
 * many again: for those who had it, and come back. Nobody limits how many these are, so where
 * there is no room any more the page stays for good (gmem_shared_add()).
 */
static void entry_restore(struct gmem *g, struct gmem_chunk *c, unsigned int nr, unsigned long to)
{
	unsigned long v = READ_ONCE(c->entry[nr]) & ~GMEM_LOCKED;

	if (to & GMEM_SHARED) {
		gmem_shared_add(gmem_entry_page(to));
		gmem_count_shared(g, 1);
	} else if (gmem_entry_squeezed(to)) {
		gmem_squeezed_get(gmem_entry_object(to));
		gmem_count_squeezed(g, to, 1);
	} else if (to & GMEM_ZEROED) {
		atomic_long_inc(&g->nr_zeroed);
	}
	gmem_entry_unlock(c, nr, to);
	gmem_entry_drop(g, v);
}

/* The gmem's own chunk. */
static void chunk_restore(struct gmem *g, struct gmem_chunk *c, struct gmem_chunk *base)
{
	DECLARE_BITMAP(set, GMEM_CHUNK_PAGES) = { 0 };
	unsigned int nr;

	mutex_lock(&c->lock);
	gmem_chunk_split(g, c, SPLIT_RESET);
	if (chunk_lock_changed(g, c, base, set))
		gmem_unmap_user(g, c->base, c->base + GMEM_CHUNK_PAGES);
	if (!bitmap_empty(set, GMEM_CHUNK_PAGES))
		gmem_zap_some(g, c->base, set);
	for_each_set_bit(nr, set, GMEM_CHUNK_PAGES)
		entry_restore(g, c, nr, base_entry(base, nr));
	bitmap_zero(c->changed, GMEM_CHUNK_PAGES);
	mutex_unlock(&c->lock);
}

/* A common chunk comes (@n: 1) or goes (-1); all that it has counts as shared. */
static void chunk_count(struct gmem *g, struct gmem_chunk *c, long n)
{
	long shared = 0, zeroed = 0;
	unsigned int i;
	unsigned long v;

	if (!c)
		return;
	for (i = 0; i < GMEM_CHUNK_PAGES; i++) {
		v = READ_ONCE(c->entry[i]);
		shared += !!(v & GMEM_PRESENT);
		if (gmem_entry_squeezed(v))
			gmem_count_squeezed(g, v, n);
		zeroed += !(v & GMEM_PRESENT) && (v & GMEM_ZEROED);
	}
	gmem_count_shared(g, n * shared);
	atomic_long_add(n * zeroed, &g->nr_zeroed);
	atomic_long_add(n, &g->nr_chunks);
}

/* The base's in the place of one that @g may not change, or that is not there. */
static void chunk_replace(struct gmem *g, struct gmem_chunk __rcu **place, struct gmem_chunk *c,
			  struct gmem_chunk *base, pgoff_t off)
{
	if (base)
		atomic_inc(&base->owners);
	rcu_assign_pointer(*place, base);
	chunk_count(g, base, 1);
	gmem_zap_bindings(g, off, off + GMEM_CHUNK_PAGES);
	gmem_unmap_user(g, off, off + GMEM_CHUNK_PAGES);
	chunk_count(g, c, -1);
	if (!c)
		return;
	gmem_chunk_part(g, c);
	gmem_chunk_disown(g, c);
}

static void reset_chunk(struct gmem *g, struct gmem_dir *dir, unsigned int nr, pgoff_t off)
{
	struct gmem_chunk *c = rcu_dereference_protected(dir->chunk[nr], true);
	struct gmem_chunk *base = gmem_base_chunk(g, off);

	if (c == base)
		return;
	if (c && gmem_chunk_held_by(c, g))
		chunk_restore(g, c, base);
	else
		chunk_replace(g, &dir->chunk[nr], c, base, off);
}

/* When it is ended early, the marks of what is done stay, too: there is nothing left to do. */
static int reset_dir(struct gmem *g, struct gmem_dir *dir, pgoff_t off)
{
	unsigned int nr;

	if (READ_ONCE(dir->holder) != g->holder)
		dir = gmem_dir_claim(g, off);
	for_each_set_bit(nr, dir->changed, GMEM_DIR_CHUNKS) {
		reset_chunk(g, dir, nr, off + ((pgoff_t)nr << GMEM_CHUNK_SHIFT));
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	bitmap_zero(dir->changed, GMEM_DIR_CHUNKS);
	return 0;
}

/**
 * gmem_reset() - what has changed since the base was made is again what it was
 * @g: a gmem that has a base
 *
 * Process context, no lock held. Takes time for what has changed, and some for each GiB. Who
 * writes meanwhile writes before or after. Pages that somebody holds live on until they are
 * released, no longer part of the gmem, as after gmem_punch().
 *
 * Return: 0; -EINTR: a fatal signal came. Then some chunks are what they were and the others as
 * they are, and another reset does the rest.
 */
int gmem_reset(struct gmem *g)
{
	struct gmem_root *root;
	struct gmem_dir *dir;
	unsigned long i;
	int err = down_write_killable(&g->fork_lock);

	if (err)
		return err;
	root = gmem_root_stable(g);
	for (i = 0; i < root->nr && !err; i++) {
		dir = root->dir[i];
		if (dir && dir != gmem_root_stable(g->base)->dir[i])
			err = reset_dir(g, dir, i << GMEM_ROOT_SHIFT);
	}
	up_write(&g->fork_lock);
	return err;
}
