// SPDX-License-Identifier: GPL-2.0-only
/*
 * Measures some gmems together, entry by entry: what they hold, their fair part of what they share
 * with others, and what would be free if they all ended now. It changes nothing, and takes no
 * lock; what it says is exact when nothing changes meanwhile.
 *
 * Their end frees a page if nothing else has it. Three things may be had by several: directories
 * by roots, chunks by directories, shared pages and compressed contents by entries. Each knows by
 * how many. So those that are met on the way are counted, from the top: a directory is ours if
 * we met all of its owners, a chunk if all of its owners are directories that are ours, a shared
 * page if all of its entries are in chunks that are ours. Each base (internal.h, point 9) goes
 * with its gmem, so it is walked over as one of them, but is no part of what is there.
 *
 * Where the policy is "secure" nobody is to learn who has a page, too: it counts as if all others
 * had it (it is not given back), and nobody (it is no part but the whole).
 */
#include <linux/math64.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/xarray.h>

#include <ditto.h>
#include "gmem/entry.h"
#include "gmem/index.h"
#include "gmem/internal.h"
#include "gmem/store.h"

/* Parts of bytes, so that many small ones are not lost. */
#define FAIR_SHIFT	8

/**
 * struct measured_chunk - a chunk as it was in one RCU section
 * @dir: its directory; only compared, and looked for
 * @chunk: it itself; likewise
 * @dir_owners: how many roots have that
 * @owners: how many directories have this
 * @held: it is that gmem's alone
 * @entry: its entries
 * @sharers: of each shared page or compressed contents
 * @bytes: of each compressed contents
 */
struct measured_chunk {
	const void *dir, *chunk;
	unsigned int dir_owners, owners;
	bool held;
	unsigned long entry[GMEM_CHUNK_PAGES];
	u32 sharers[GMEM_CHUNK_PAGES];
	u16 bytes[GMEM_CHUNK_PAGES];
};

/**
 * struct measure - one measurement
 * @m: what is found
 * @fair: in units of 1 >> FAIR_SHIFT bytes
 * @dirs: directories by address: how many roots of ours have each
 * @walked: directories that are ours, and whose chunks have been counted
 * @chunks: chunks likewise: how many directories of ours have each
 * @seen: chunks of ours whose entries have been counted
 * @pages: by pfn, shared pages: how many entries of ours have each
 * @objects: by address, likewise compressed contents
 * @now: the chunk at hand
 * @last_dir: the directory of the chunk before it, in the same gmem
 * @walk: this directory's chunks are being counted
 */
struct measure {
	struct ditto_memory *m;
	u64 fair;
	struct xarray dirs, walked, chunks, seen, pages, objects;
	struct measured_chunk now;
	const void *last_dir;
	bool walk;
};

/* One more; how many then, or -errno. */
static long count_up(struct xarray *xa, unsigned long key)
{
	void *was = xa_load(xa, key);
	unsigned long n = (was ? xa_to_value(was) : 0) + 1;
	void *old = xa_store(xa, key, xa_mk_value(n), GFP_KERNEL_ACCOUNT);

	return xa_is_err(old) ? xa_err(old) : (long)n;
}

static unsigned long measure_counted(struct xarray *xa, unsigned long key)
{
	void *n = xa_load(xa, key);

	return n ? xa_to_value(n) : 0;
}

static unsigned long key_of(const void *p)
{
	return (unsigned long)p >> ilog2(sizeof(long));
}

static bool dir_is_ours(struct measure *x)
{
	return measure_counted(&x->dirs, key_of(x->now.dir)) == x->now.dir_owners;
}

static bool chunk_is_ours(struct measure *x)
{
	return x->now.held || (dir_is_ours(x) &&
			       measure_counted(&x->chunks, key_of(x->now.chunk)) == x->now.owners);
}

/* The owners of directory and chunk, and with @entries those, too. False: there is no chunk. */
static bool measure_look(struct measure *x, struct gmem *g, pgoff_t off, bool entries)
{
	struct measured_chunk *now = &x->now;
	struct gmem_chunk *c;
	struct gmem_dir *dir;
	unsigned int i;

	rcu_read_lock();
	dir = gmem_dir_lookup(g, off);
	c = dir ? rcu_dereference(dir->chunk[gmem_chunk_nr(off)]) : NULL;
	if (c) {
		now->dir = dir;
		now->chunk = c;
		now->dir_owners = max(1, atomic_read(&dir->owners));
		now->owners = max(1, atomic_read(&c->owners));
		now->held = gmem_chunk_held_by(c, g);
	}
	for (i = 0; c && entries && i < GMEM_CHUNK_PAGES; i++) {
		unsigned long v = READ_ONCE(c->entry[i]);

		now->entry[i] = v;
		if (v & GMEM_LOCKED)	/* what it points at may be gone */
			now->entry[i] = 0;
		else if (gmem_entry_squeezed(v)) {
			now->sharers[i] = gmem_squeezed_refs(gmem_entry_object(v));
			now->bytes[i] = gmem_squeezed_bytes(gmem_entry_object(v));
		} else if (v & GMEM_SHARED) {
			struct page *page = gmem_entry_page(v);

			now->sharers[i] = max(1, atomic_read(gmem_page_sharers(page)));
		}
	}
	rcu_read_unlock();
	return c;
}

/* What @step makes of each chunk of a gmem. */
static int measure_each(struct measure *x, struct gmem *g, bool entries,
			int (*step)(struct measure *x, struct gmem *g))
{
	pgoff_t off;
	int err;

	x->last_dir = NULL;
	for (off = gmem_next_chunk(g, 0); off < gmem_index_end(g);
	     off = gmem_next_chunk(g, off + GMEM_CHUNK_PAGES)) {
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
		if (!measure_look(x, g, off, entries))
			continue;
		err = step(x, g);
		if (err)
			return err;
		x->last_dir = x->now.dir;
	}
	return 0;
}

/* A root has a directory once, and its chunks stand together. */
static int measure_dir(struct measure *x, struct gmem *g)
{
	if (x->now.dir == x->last_dir)
		return 0;
	return min(count_up(&x->dirs, key_of(x->now.dir)), 0L);
}

/* A directory that several roots of ours have counts once. */
static int measure_chunk(struct measure *x, struct gmem *g)
{
	long n;

	if (x->now.held || !dir_is_ours(x))
		return 0;
	if (x->now.dir != x->last_dir) {
		n = count_up(&x->walked, key_of(x->now.dir));
		if (n < 0)
			return n;
		x->walk = n == 1;
	}
	return x->walk ? min(count_up(&x->chunks, key_of(x->now.chunk)), 0L) : 0;
}

/* What an entry of a chunk that is ours gives back; for each entry once. */
static int measure_freed(struct measure *x, unsigned int i)
{
	unsigned long v = x->now.entry[i];
	long n;

	if (gmem_entry_private(v)) {
		x->m->freed += PAGE_SIZE;
	} else if (gmem_entry_squeezed(v)) {
		n = count_up(&x->objects, key_of(gmem_entry_object(v)));
		if (n < 0)
			return n;
		x->m->freed += n == x->now.sharers[i] ? x->now.bytes[i] : 0;
	} else if ((v & GMEM_SHARED) && !(v & GMEM_APART)) {
		n = count_up(&x->pages, (v & GMEM_ADDR) >> PAGE_SHIFT);
		if (n < 0)
			return n;
		x->m->freed += n == x->now.sharers[i] ? PAGE_SIZE : 0;
	}
	return 0;
}

/* What is there; of a gmem, not of a base. */
static void measure_there(struct measure *x, unsigned int i, u64 copies)
{
	struct ditto_memory *m = x->m;
	unsigned long v = x->now.entry[i];

	if (gmem_entry_squeezed(v)) {
		m->compressed += PAGE_SIZE;
		x->fair += div64_u64((u64)x->now.bytes[i] << FAIR_SHIFT,
				     copies * max(1U, x->now.sharers[i]));
		return;
	}
	if (!(v & GMEM_PRESENT))
		return;
	m->resident += PAGE_SIZE;
	if (copies > 1 || (v & (GMEM_SHARED | GMEM_FORKED)) == (GMEM_SHARED | GMEM_FORKED))
		m->forked += PAGE_SIZE;
	else if (v & GMEM_SHARED)
		m->merged += PAGE_SIZE;
	else
		m->unique += PAGE_SIZE;
	if ((v & GMEM_SHARED) && !(v & GMEM_APART))
		copies *= x->now.sharers[i];
	else if (v & GMEM_SHARED)
		copies = 1;
	x->fair += div64_u64(PAGE_SIZE << FAIR_SHIFT, copies);
}

/* A chunk that several gmems of ours have in common gives its pages back once, not once each. */
static int measure_entries(struct measure *x, struct gmem *g)
{
	u64 copies = x->now.held ? 1 : (u64)x->now.dir_owners * x->now.owners;
	unsigned int i;
	bool frees = chunk_is_ours(x);
	long n;
	int err = 0;

	if (frees && !x->now.held) {
		n = count_up(&x->seen, key_of(x->now.chunk));
		if (n < 0)
			return n;
		frees = n == 1;
	}
	for (i = 0; !err && i < GMEM_CHUNK_PAGES; i++) {
		if (!g->is_base)
			measure_there(x, i, copies);
		if (frees)
			err = measure_freed(x, i);
	}
	return err;
}

static int measure_all(struct measure *x, struct gmem *const *gmems, unsigned int nr,
		       bool entries, int (*step)(struct measure *x, struct gmem *g))
{
	unsigned int i;
	int err = 0;

	for (i = 0; !err && i < nr; i++) {
		err = measure_each(x, gmems[i], entries, step);
		if (!err && gmems[i]->base)
			err = measure_each(x, gmems[i]->base, entries, step);
	}
	return err;
}

/* xa_destroy() has IRQs off until all is freed, and there may be much. */
static void measure_forget(struct xarray *xa)
{
	unsigned long i;
	void *n;

	xa_for_each(xa, i, n) {
		xa_erase(xa, i);
		cond_resched();
	}
}

/**
 * gmem_measure() - what some gmems hold, and what their end would give back
 * @gmems: each once, referenced
 * @nr: how many
 * @m: filled but for @user, which the caller does
 *
 * May sleep. Takes time by their sizes, and memory by what in them is shared.
 *
 * Return: 0; -ENOMEM; -EINTR: a fatal signal.
 */
int gmem_measure(struct gmem *const *gmems, unsigned int nr, struct ditto_memory *m)
{
	struct measure *x = kvzalloc(sizeof(*x), GFP_KERNEL_ACCOUNT);
	struct xarray *all[] = { &x->dirs, &x->walked, &x->chunks, &x->seen, &x->pages,
				 &x->objects };
	unsigned int i;
	int err;

	if (!x)
		return -ENOMEM;
	x->m = m;
	for (i = 0; i < ARRAY_SIZE(all); i++)
		xa_init_flags(all[i], XA_FLAGS_ACCOUNT);
	for (i = 0; i < nr; i++)
		m->size += gmem_size(gmems[i]);
	err = measure_all(x, gmems, nr, false, measure_dir);
	if (!err)
		err = measure_all(x, gmems, nr, false, measure_chunk);
	if (!err)
		err = measure_all(x, gmems, nr, true, measure_entries);
	m->fair = x->fair >> FAIR_SHIFT;
	m->zero = m->size - min(m->size, m->resident + m->compressed);
	for (i = 0; i < ARRAY_SIZE(all); i++)
		measure_forget(all[i]);
	kvfree(x);
	return err;
}
