// SPDX-License-Identifier: GPL-2.0-only
/*
 * Faults: what an offset resolves to, and making an entry private. gmem_own() is the
 * one copy-on-write function: everything that writes to an entry that is not private - a
 * guest, user space, GUP, the kernel, "run = 2" - ends up there. A present private
 * entry is resolved without a lock, and fresh pages go into empty ones by
 * cmpxchg; the rest goes through the chunk's mutex. See internal.h for the races.
 */
#include <linux/highmem.h>

#include "gmem/bind.h"
#include "gmem/claim.h"
#include "gmem/entry.h"
#include "gmem/fault.h"
#include "gmem/frame.h"
#include "gmem/index.h"
#include "gmem/internal.h"
#include "gmem/mc.h"
#include "gmem/punch.h"
#include "gmem/space.h"
#include "gmem/squeeze.h"
#include "gmem/whole.h"

/* No mapping of the zero page can exist here, so one cmpxchg makes the entry private. */
static bool fill_quick(struct gmem *g, struct gmem_chunk *c, unsigned int nr,
		       struct page *new, bool fresh)
{
	unsigned long v = READ_ONCE(c->entry[nr]);
	unsigned long flags = GMEM_DIRTY | (v & GMEM_ZEROED ? gmem_break_note(v) : 0);

	if (v & ~(GMEM_ZEROED | GMEM_CHURN_MASK | GMEM_STAMP_MASK) || !v != fresh)
		return false;
	gmem_page_adopt(new, c, nr);
	if (!try_cmpxchg(&c->entry[nr], &v, gmem_entry_make(new, flags)))
		return false;
	gmem_note_changed(c, nr);
	gmem_chunk_touch(c);
	gmem_count_private(g, 1);
	gmem_entry_drop(g, v);
	return true;
}

/* Put pages, one behind the other, into entries that are empty still. Returns how many. */
static unsigned int fill_pages(struct gmem *g, struct gmem_chunk *c, unsigned int nr,
			       unsigned int n, struct page *pages)
{
	unsigned long new = gmem_entry_make(pages, GMEM_DIRTY);
	unsigned int i, filled = 0;

	for (i = 0; i < n; i++, new += PAGE_SIZE) {
		gmem_page_adopt(pages + i, c, nr + i);
		if (likely(!cmpxchg(&c->entry[nr + i], 0, new))) {
			gmem_note_changed(c, nr + i);
			filled++;
		} else {
			gmem_page_free(pages + i);
		}
	}
	if (filled)
		gmem_chunk_touch(c);
	gmem_count_private(g, filled);
	return filled;
}

/*
 * Fill neighbouring entries that were never written with pages of one allocation. Entries
 * that merging emptied (GMEM_ZEROED) are left out: filling them would undo that merge
 * although nobody has written to them.
 */
static bool fill_run(struct gmem *g, struct gmem_chunk *c, unsigned int nr, unsigned int n)
{
	unsigned long *e = &c->entry[nr];
	unsigned int i, filled = 0;
	struct page *pages;

	for (i = 0; i < n && !READ_ONCE(e[i]); i++)
		;
	if (i < 2)
		return false;
	n = rounddown_pow_of_two(i);
	if (!gmem_space_take(g, n))
		return false;
	pages = gmem_pages_alloc(g, ilog2(n));
	if (!pages) {
		gmem_space_give(g, n);
		return false;
	}
	if (gmem_chunk_enter(g, c)) {
		filled = fill_pages(g, c, nr, n, pages);
		gmem_chunk_leave(g, c);
	} else {
		for (i = 0; i < n; i++)
			gmem_page_free(pages + i);
	}
	gmem_space_give(g, n - filled);
	return filled;
}

/* Copy a page whose memory may be bad. 0 or -EHWPOISON. */
static int copy_page_mc(struct page *to, struct page *from)
{
	if (PageHWPoison(from))
		return -EHWPOISON;
	return gmem_copy(page_address(to), page_address(from), PAGE_SIZE);
}

static void quarantine_locked(struct gmem *g, struct gmem_chunk *c, pgoff_t off)
{
	unsigned int nr = off % GMEM_CHUNK_PAGES;
	unsigned long v = READ_ONCE(c->entry[nr]);
	struct page *page = gmem_entry_page(v);

	if (c->dead || !(v & GMEM_PRESENT) || !PageHWPoison(page))
		return;
	gmem_chunk_split(g, c, SPLIT_BROKEN);
	v = gmem_entry_lock(c, nr);
	gmem_zap(g, off, page);
	gmem_entry_unlock(c, nr, v & ~GMEM_UWRITE);
}

/**
 * gmem_quarantine() - keep everybody away from a page whose memory was found bad
 * @g: the gmem
 * @off: where it was found
 *
 * Process context, no lock held but mmap_lock. Takes away every mapping of the page in this
 * gmem, so that each user of it faults and gets an error. The page stays in its entry until
 * that is punched.
 */
void gmem_quarantine(struct gmem *g, pgoff_t off)
{
	struct gmem_chunk *c = gmem_chunk_claim(g, off, GMEM_GFP);

	if (IS_ERR(c))
		return;	/* a thread that uses it meanwhile gets a machine check once more */
	if (gmem_chunk_enter(g, c)) {
		mutex_lock(&c->lock);
		quarantine_locked(g, c, off);
		mutex_unlock(&c->lock);
		gmem_chunk_leave(g, c);
	}
	gmem_chunk_put(c);
}

/* Nobody has written to an entry yet, so it is not counted in its mount's space. */
static bool entry_fresh(unsigned long v)
{
	return !(v & (GMEM_PRESENT | GMEM_ZEROED | GMEM_APART));
}

/* The general case, chunk->lock held. @new is consumed on success. */
static int entry_break(struct gmem *g, struct gmem_chunk *c, unsigned int nr,
		       struct page *new, unsigned long seen)
{
	unsigned long v = READ_ONCE(c->entry[nr]);
	unsigned long flags = GMEM_DIRTY;

	if (gmem_entry_private(v))
		return -EEXIST;
	if ((v ^ seen) & GMEM_PRESENT || entry_fresh(v) != entry_fresh(seen) ||
	    gmem_entry_squeezed(v) != gmem_entry_squeezed(seen))
		return -EAGAIN;

	v = gmem_entry_lock(c, nr);
	if (gmem_entry_squeezed(v)) {
		if (gmem_unsqueeze(g, c->base + nr, v, new)) {
			gmem_entry_unlock(c, nr, v);
			return -EHWPOISON;
		}
	} else if (v & GMEM_SHARED) {
		if (copy_page_mc(new, gmem_entry_page(v))) {
			gmem_entry_unlock(c, nr, v);
			return -EHWPOISON;
		}
		atomic_long_inc(&g->nr_breaks);
	}
	if (!gmem_entry_squeezed(v))
		gmem_zap(g, c->base + nr,
			 v & GMEM_SHARED ? gmem_entry_page(v) : READ_ONCE(g->zero));
	if (v & (GMEM_SHARED | GMEM_ZEROED))
		flags |= gmem_break_note(v);
	gmem_page_adopt(new, c, nr);
	gmem_note_changed(c, nr);
	gmem_entry_unlock(c, nr, gmem_entry_make(new, flags));
	gmem_count_private(g, 1);
	gmem_entry_drop(g, v);
	return 0;
}

/* @new is consumed on success. */
static int own_entered(struct gmem *g, struct gmem_chunk *c, unsigned int nr, struct page *new,
		       unsigned long seen)
{
	int ret;

	if (!(seen & (GMEM_PRESENT | GMEM_APART)) && fill_quick(g, c, nr, new, entry_fresh(seen)))
		return 0;
	ret = mutex_lock_killable(&c->lock);
	if (ret)
		return ret;
	ret = c->dead ? -EAGAIN : entry_break(g, c, nr, new, seen);
	mutex_unlock(&c->lock);
	return ret;
}

/* A page for an entry that was seen as @seen; the mount's space has been asked. */
static int own_single(struct gmem *g, struct gmem_chunk *c, unsigned int nr, unsigned long seen)
{
	bool zeroed = !(seen & (GMEM_PRESENT | GMEM_APART));
	struct page *new = gmem_page_alloc(g, zeroed);
	int ret;

	if (!new)
		return -ENOMEM;
	if (!zeroed)
		new = gmem_pool_swap(READ_ONCE(g->pool), new);
	ret = -EAGAIN;
	if (gmem_chunk_enter(g, c)) {
		ret = own_entered(g, c, nr, new, seen);
		gmem_chunk_leave(g, c);
	}
	if (ret)
		gmem_page_free(new);
	return ret;
}

/* @n: to be filled from @nr on; comes back with how many may have been. */
static int own_entry(struct gmem *g, struct gmem_chunk *c, unsigned int nr, unsigned int *n)
{
	unsigned long seen = READ_ONCE(c->entry[nr]);
	bool fresh = entry_fresh(seen);
	int ret;

	if (fresh && unlikely(!READ_ONCE(c->small))) {
		ret = gmem_fill_whole(g, c);
		if (ret > 0)
			*n = GMEM_CHUNK_PAGES - nr;
		if (ret)
			return min(ret, 0);
	}
	if (fresh && *n > 1 && fill_run(g, c, nr, *n))
		return 0;
	if (fresh && !gmem_space_take(g, 1))
		return -ENOSPC;
	ret = own_single(g, c, nr, seen);
	if (ret && fresh)
		gmem_space_give(g, 1);
	if (ret == -EHWPOISON)
		gmem_quarantine(g, c->base + nr);
	return ret == -EEXIST ? 0 : ret;
}

/* Wait for the transition that an entry is in. */
static int wait_entry(struct gmem_chunk *c)
{
	int ret = mutex_lock_killable(&c->lock);

	if (!ret)
		mutex_unlock(&c->lock);
	return ret;
}

/*
 * Prepare an empty entry for reading: the gmem needs its zero page. If the memory of that
 * page is bad, the entry gets a private page instead.
 */
static int settle_empty(struct gmem *g, pgoff_t off)
{
	struct page *zero = gmem_zero_page(g);

	if (!zero)
		return -ENOMEM;
	return PageHWPoison(zero) ? gmem_own(g, off) : 0;
}

/**
 * gmem_settle() - see that an offset has a chunk and its entry is in no transition
 * @g: the gmem
 * @off: below its size
 *
 * If the entry is empty, the gmem has a zero page when this returns; if it was apart, it has a
 * page of its own. Process context, no
 * lock held but mmap_lock. The entry may be in transition again by the time the caller
 * looks.
 *
 * Return: 0, -ENOMEM, or -EINTR when a fatal signal came.
 */
int gmem_settle(struct gmem *g, pgoff_t off)
{
	struct gmem_chunk *c = gmem_chunk_get(g, off);
	unsigned long *e, v;
	int ret = 0;

	if (IS_ERR(c))
		return PTR_ERR(c);
	e = &c->entry[off % GMEM_CHUNK_PAGES];
	v = READ_ONCE(*e);
	if (v & GMEM_LOCKED)
		ret = wait_entry(c);
	else if (gmem_entry_idle(v))
		gmem_entry_wake(e, &v);
	else if (v & GMEM_APART)
		ret = gmem_own(g, off);
	else if (!(v & GMEM_PRESENT))
		ret = settle_empty(g, off);
	gmem_chunk_put(c);
	return ret;
}

/* gmem_own(), and perhaps empty entries behind it: @n in all, of one chunk. */
static int own_run(struct gmem *g, pgoff_t off, unsigned int n)
{
	unsigned int nr = off % GMEM_CHUNK_PAGES;
	struct gmem_chunk *c;
	unsigned long v;
	int ret;

	do {
		c = gmem_chunk_claim(g, off, GMEM_GFP);
		if (IS_ERR(c))
			return PTR_ERR(c);
		v = READ_ONCE(c->entry[nr]);
		if (v & GMEM_LOCKED)
			ret = wait_entry(c) ?: -EAGAIN;
		else if (gmem_entry_private(v))
			ret = gmem_entry_idle(v) && !gmem_entry_wake(&c->entry[nr], &v) ?
			      -EAGAIN : 0;
		else
			ret = own_entry(g, c, nr, &n);
		gmem_chunk_put(c);
	} while (ret == -EAGAIN);
	smp_mb();	/* pairs with gmem_resize(): the entry, then the size */
	if (unlikely(off + n > gmem_npages(g)))
		return gmem_undo(g, off) ?: ret;
	return ret;
}

/**
 * gmem_own() - make an entry private: the copy-on-write function
 * @g: the gmem
 * @off: below its size
 *
 * When it returns 0, the entry was private at some moment since the call. Merging may have
 * made it shared again, so callers re-check the entry and call again if needed. Process
 * context, no lock held but mmap_lock.
 *
 * Return: 0; -ENOMEM; -ENOSPC: the mount's limit is reached; -EFAULT: the file became shorter;
 * -EHWPOISON: what is to be copied is a page with bad memory; or -EINTR when a fatal signal
 * came.
 */
int gmem_own(struct gmem *g, pgoff_t off)
{
	return own_run(g, off, 1);
}

/* How many entries from @e on can be mapped as they are; 1 is known. @own: private is writable. */
static unsigned int fault_more(const unsigned long *e, struct gmem_mapping *out, unsigned int n,
			       bool own)
{
	unsigned int i;

	for (i = 1; i < n; i++) {
		unsigned long v = READ_ONCE(e[i]);

		if ((v & (GMEM_PRESENT | GMEM_LOCKED | GMEM_APART)) != GMEM_PRESENT ||
		    PageHWPoison(gmem_entry_page(v)))
			break;
		out[i].pfn = (v & GMEM_ADDR) >> PAGE_SHIFT;
		out[i].writable = own && !(v & GMEM_SHARED);
	}
	return i;
}

/* fault_lockless() with the chunk that was found. */
static int fault_chunk(struct gmem *g, struct gmem_chunk *c, pgoff_t off, bool write,
		       struct gmem_mapping *out, unsigned int n)
{
	unsigned long *e = &c->entry[off % GMEM_CHUNK_PAGES];
	bool own = gmem_chunk_held_by(c, g);
	unsigned long v = READ_ONCE(*e);
	struct page *zero;

	if (v & GMEM_LOCKED || gmem_entry_squeezed(v))
		return -EAGAIN;
	if (unlikely(gmem_entry_idle(v)) && !gmem_entry_wake(e, &v))
		return -EAGAIN;
	if (v & GMEM_PRESENT) {
		if (PageHWPoison(gmem_entry_page(v)))
			return -EHWPOISON;
		if ((v & GMEM_APART) || (write && ((v & GMEM_SHARED) || !own)))
			return -EAGAIN;
		out->pfn = (v & GMEM_ADDR) >> PAGE_SHIFT;
		out->writable = own && !(v & GMEM_SHARED);
		return fault_more(e, out, n, own);
	}
	zero = READ_ONCE(g->zero);
	if (write || !zero || PageHWPoison(zero) || !gmem_entry_set(e, v, GMEM_ZMAP))
		return -EAGAIN;
	smp_mb__after_atomic();	/* pairs with gmem_resize() */
	if (unlikely(off >= gmem_npages(g)))
		return -EAGAIN;
	out->pfn = page_to_pfn(zero);
	out->writable = false;
	return 1;
}

/*
 * Resolve without waiting or allocating, in an RCU section. Returns how many entries,
 * -EAGAIN if the slow path is needed, or -EHWPOISON.
 */
static int fault_lockless(struct gmem *g, pgoff_t off, bool write, struct gmem_mapping *out,
			  unsigned int n)
{
	struct gmem_chunk *c = gmem_chunk_lookup(g, off);
	int ret;

	if (unlikely(!c))
		return -EAGAIN;
	ret = fault_chunk(g, c, off, write, out, n);
	return likely(gmem_chunk_was_of(c, g, off)) ? ret : -EAGAIN;
}

/**
 * gmem_fault_run() - resolve a binder's fault, and those that it expects next
 * @g: the gmem
 * @off: offset in pages, of the access
 * @write: the access is a write
 * @out: what to map at @off and behind it
 * @n: length of @out, 1 to GMEM_FAULT_MAX
 *
 * Like gmem_fault() for @off. Entries after it that have pages are reported too. A write to
 * an entry that was never written also allocates pages for neighbours that never were:
 * these are zero, and cost memory until merging finds them so.
 *
 * Return: how many of @out are filled, 1 at least; or as gmem_fault().
 */
int gmem_fault_run(struct gmem *g, pgoff_t off, bool write, struct gmem_mapping *out,
		   unsigned int n)
{
	int ret;

	for (;;) {
		pgoff_t npages = gmem_npages(g);

		if (off >= npages)
			return -EFAULT;
		n = min3((pgoff_t)n, GMEM_CHUNK_PAGES - off % GMEM_CHUNK_PAGES, npages - off);
		rcu_read_lock();
		ret = fault_lockless(g, off, write, out, n);
		rcu_read_unlock();
		if (ret == -EHWPOISON)
			gmem_quarantine(g, off);
		if (ret != -EAGAIN)
			return ret;
		ret = write ? own_run(g, off, n) : gmem_settle(g, off);
		if (ret)
			return ret == -ENOSPC ? -EFAULT : ret;
	}
}

/**
 * gmem_fault() - resolve a binder's fault (gmem.h has the protocol)
 * @g: the gmem
 * @off: offset in pages
 * @write: the access is a write
 * @out: what to map
 *
 * Process context, no lock held. A write makes the entry private.
 *
 * Return: 0; -EFAULT beyond the end, or when its mount is full; -ENOMEM; -EHWPOISON: the page's
 * memory is bad; -EINTR when a fatal signal came.
 */
int gmem_fault(struct gmem *g, pgoff_t off, bool write, struct gmem_mapping *out)
{
	return min(gmem_fault_run(g, off, write, out, 1), 0);
}

/* @n entries of a chunk. */
static void mark_dirty(struct gmem *g, pgoff_t off, unsigned int n)
{
	struct gmem_chunk *c;
	bool marked = false;
	unsigned long *e;
	unsigned long v;

	if (off >= gmem_npages(g))
		return;
	rcu_read_lock();
	c = gmem_chunk_lookup(g, off);
	if (c && gmem_chunk_held_by(c, g)) {
		for (e = &c->entry[off % GMEM_CHUNK_PAGES]; n--; e++) {
			v = READ_ONCE(*e);
			marked |= gmem_entry_private(v) && gmem_entry_set(e, v, GMEM_DIRTY);
		}
		if (marked)
			gmem_chunk_touch(c);
	}
	rcu_read_unlock();
}

/**
 * gmem_mark_dirty() - a binder dropped a mapping through which was written
 * @g: the gmem
 * @off: offset in pages
 *
 * Any context that can be in an RCU section; locks of the binder may be held.
 */
void gmem_mark_dirty(struct gmem *g, pgoff_t off)
{
	mark_dirty(g, off, 1);
}

/**
 * gmem_mark_chunk_dirty() - a binder dropped a mapping of a whole chunk, likewise
 * @g: the gmem
 * @off: first offset of the chunk, as far as the binder knows
 *
 * As gmem_mark_dirty(), for all of its pages from there on.
 */
void gmem_mark_chunk_dirty(struct gmem *g, pgoff_t off)
{
	/* One that tells late may have another mapping there by now, which lies otherwise. */
	mark_dirty(g, off, GMEM_CHUNK_PAGES - off % GMEM_CHUNK_PAGES);
}
