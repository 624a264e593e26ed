/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The index of a gmem: its directories, their chunks, and how an entry is looked up without a
 * lock (index.c). Who may change them is in claim.h.
 */
#ifndef DITTO_GMEM_INDEX_H
#define DITTO_GMEM_INDEX_H

#include <linux/atomic.h>
#include <linux/bitmap.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>

#include "gmem/entry.h"
#include "gmem/gmem.h"
#include "gmem/internal.h"
#include "gmem/page.h"

/**
 * struct gmem_holder - a gmem, from one fork of it to the next: who may change what
 * @refs: of the gmem, and of each directory and chunk that is marked with it
 * @g: the gmem; NULL once it has been forked, or has ended. Read in RCU sections
 * @rcu: after the last reference
 */
struct gmem_holder {
	refcount_t refs;
	struct gmem *g;
	struct rcu_head rcu;
};

#define GMEM_ROOT_SHIFT		(GMEM_CHUNK_SHIFT + GMEM_DIR_SHIFT)

/**
 * struct gmem_chunk - the entries of 2 MiB
 * @refs: one of all directories together, and one of each user outside of an RCU section
 * @owners: directories that it is in. More come only while nobody may change those
 * @dead: no longer in any directory; under @lock
 * @lock: serializes transitions (internal.h, point 3)
 * @dir: the directory where its bits are; of the gmem that may change it, used by that only
 * @holder: who may change it, which is nobody if that is no gmem's of now; changed under @lock
 * @base: offset of entry 0; constant
 * @rcu: after the last reference
 * @whole: the pages of all entries are private, and lie one behind the other (whole.c); set and
 *	cleared under @lock
 * @small: it has been seen not to become so
 * @filling: bit 0: somebody finds out whether it can (wait_on_bit_lock())
 * @gain: while it is whole, a bit for each page that could be merged; under @lock
 * @changed: a bit for each entry that is other than in the base; maybe for more. Changed with
 *	fork_lock held
 * @entry: changed by cmpxchg, or under @lock by the one who set GMEM_LOCKED
 */
struct gmem_chunk {
	refcount_t refs;
	atomic_t owners;
	bool dead;
	bool whole;
	bool small;
	unsigned long filling;
	struct mutex lock;
	struct gmem_dir *dir;
	struct gmem_holder *holder;
	pgoff_t base;
	struct rcu_head rcu;
	DECLARE_BITMAP(gain, GMEM_CHUNK_PAGES);
	DECLARE_BITMAP(changed, GMEM_CHUNK_PAGES);
	unsigned long entry[GMEM_CHUNK_PAGES];
};

/**
 * struct gmem_dir - the chunks of 1 GiB
 * @owners: roots that it is in. More come only by a fork
 * @any_held: some bit of @held is set
 * @holder: who may change it; changed under that gmem's root_lock
 * @active: a bit for each chunk: some entry of it may be DIRTY, UWRITE or PENDING. Set after
 *	the entry, cleared before the entries are looked at. It may be left over from a chunk
 *	that is gone
 * @held: a bit for each chunk: of some page in it a reference for writing may have been taken
 *	that outlives the mapping or call it came by. Set before that; cleared by a fork
 * @changed: a bit for each chunk that has such, or is not there and was
 * @rcu: after the last owner
 * @chunk: set by cmpxchg from NULL, cleared under the chunk's lock
 */
struct gmem_dir {
	atomic_t owners;
	bool any_held;
	struct gmem_holder *holder;
	DECLARE_BITMAP(active, GMEM_DIR_CHUNKS);
	DECLARE_BITMAP(held, GMEM_DIR_CHUNKS);
	DECLARE_BITMAP(changed, GMEM_DIR_CHUNKS);
	struct rcu_head rcu;
	struct gmem_chunk __rcu *chunk[GMEM_DIR_CHUNKS];
};

/**
 * struct gmem_root - the directories of a gmem
 * @rcu: after a longer one has taken its place
 * @nr: length of @dir
 * @dir: set once, under the gmem's root_lock
 */
struct gmem_root {
	struct rcu_head rcu;
	unsigned long nr;
	struct gmem_dir *dir[];
};

/* Inside an RCU section, or where the root is stable: the directory of @off, or NULL. */
static inline struct gmem_dir *gmem_dir_lookup(const struct gmem *g, pgoff_t off)
{
	return READ_ONCE(rcu_dereference_check(g->root, true)->dir[off >> GMEM_ROOT_SHIFT]);
}

/*
 * Inside an RCU section: the chunk of @off, or NULL. @off is or was below npages. A directory
 * that @g has replaced by a copy may be another gmem's by now, and have what that put there.
 */
static inline struct gmem_chunk *gmem_chunk_lookup(const struct gmem *g, pgoff_t off)
{
	struct gmem_chunk *c;
	struct gmem_dir *dir;

	do {
		dir = gmem_dir_lookup(g, off);
		if (unlikely(!dir))
			return NULL;
		c = rcu_dereference_check(dir->chunk[gmem_chunk_nr(off)],
					  rcu_read_lock_sched_held());
		/* Pairs with dir_disown(): the copy in its place, then one owner less. */
		smp_rmb();
	} while (unlikely(gmem_dir_lookup(g, off) != dir));
	return c;
}

/*
 * May @g change what is in @c, and write to its private pages? What a fork has made common has
 * no holder that is anybody's now. Without fork_lock the answer may be old: code that acts on it
 * is told of the fork by what it takes away.
 */
static inline bool gmem_chunk_held_by(const struct gmem_chunk *c, const struct gmem *g)
{
	return smp_load_acquire(&c->holder) == READ_ONCE(g->holder);
}

/*
 * In the RCU section in which @c was looked up: was what has been read in it @g's? Since the
 * lookup @g may have replaced it by a copy, and another gmem have changed it then.
 */
static inline bool gmem_chunk_was_of(const struct gmem_chunk *c, const struct gmem *g, pgoff_t off)
{
	/* Pairs with gmem_chunk_disown(): the copy in its place, then one owner less. */
	smp_rmb();
	return likely(gmem_chunk_held_by(c, g)) || gmem_chunk_lookup(g, off) == c;
}

/* Inside an RCU section: what the entry of @off says, 0 without a chunk. @off is below npages. */
static inline unsigned long gmem_entry_read(const struct gmem *g, pgoff_t off)
{
	struct gmem_chunk *c;
	unsigned long v;

	do {
		c = gmem_chunk_lookup(g, off);
		if (unlikely(!c))
			return 0;
		v = READ_ONCE(c->entry[off % GMEM_CHUNK_PAGES]);
	} while (unlikely(!gmem_chunk_was_of(c, g, off)));
	return v;
}

/*
 * Inside an RCU section: the entry of @off, or NULL. @off is below npages. Code that changes it, or
 * trusts what it says, sees to it that it is still @g's; else gmem_entry_read().
 */
static inline unsigned long *gmem_entry(const struct gmem *g, pgoff_t off)
{
	struct gmem_chunk *c = gmem_chunk_lookup(g, off);

	return likely(c) ? &c->entry[off % GMEM_CHUNK_PAGES] : NULL;
}

/* Note in a page which entry it is going to be in, privately. */
static inline void gmem_page_adopt(struct page *page, struct gmem_chunk *c, unsigned int nr)
{
	INIT_HLIST_NODE(gmem_page_node(page));
	gmem_page_set_owner(page, (unsigned long)c);
	*gmem_page_nr(page) = nr;
}

/* The chunk that a gmem's base has there, for as long as that lives; NULL without base, too. */
static inline struct gmem_chunk *gmem_base_chunk(const struct gmem *g, pgoff_t off)
{
	struct gmem_chunk *c;

	if (likely(!g->base))
		return NULL;
	rcu_read_lock();
	c = gmem_chunk_lookup(g->base, off);
	rcu_read_unlock();
	return c;
}

/* An entry is about to be, or has just become, other than in the base. With fork_lock. */
static inline void gmem_note_changed(struct gmem_chunk *c, unsigned int nr)
{
	if (test_bit(nr, c->changed))
		return;
	set_bit(nr, c->changed);
	set_bit(gmem_chunk_nr(c->base), c->dir->changed);
}

/* One entry is or is not to be examined any more: @old and @new are its values. */
static inline void gmem_count_pending(struct gmem *g, unsigned long old, unsigned long new)
{
	if ((old ^ new) & GMEM_PENDING)
		atomic_long_add(new & GMEM_PENDING ? 1 : -1, &g->nr_pending);
}

int gmem_index_init(void);
void gmem_index_exit(void);
struct gmem_chunk *gmem_chunk_alloc(pgoff_t off, gfp_t gfp);
void gmem_chunk_free(struct gmem_chunk *c);
struct gmem_chunk *gmem_chunk_find(struct gmem *g, pgoff_t off);
void gmem_chunk_put(struct gmem_chunk *c);
void gmem_chunk_retire(struct gmem *g, struct gmem_chunk *c);
void gmem_chunk_touch(struct gmem_chunk *c);
pgoff_t gmem_next_chunk(struct gmem *g, pgoff_t off);
struct gmem_root *gmem_root_alloc(pgoff_t npages);
struct gmem_root *gmem_root_stable(const struct gmem *g);
int gmem_root_grow(struct gmem *g, pgoff_t npages);
pgoff_t gmem_index_end(struct gmem *g);
bool gmem_dir_missing(const struct gmem *g, pgoff_t off);
unsigned long gmem_entry_lock(struct gmem_chunk *c, unsigned int nr);
void gmem_entry_unlock(struct gmem_chunk *c, unsigned int nr, unsigned long v);
bool gmem_entry_set(unsigned long *e, unsigned long v, unsigned long set);
void gmem_entry_drop(struct gmem *g, unsigned long v);

#endif
