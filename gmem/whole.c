// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whole chunks: those whose 512 entries were filled at once, from 2 MiB of the host's memory in
 * one piece, and have been private ever since. A binder may map one by a single entry of its
 * tables. Owns when a chunk is filled so, its mark (chunk->whole), what ends that, and
 * /sys/kernel/ditto/hugepages/.
 *
 * The pages of a whole chunk are like any others: each has its entry, its reference, its charge.
 * So nothing else knows of whole chunks, but that it has to end this before it changes an entry.
 *
 * 1. Filling. The memory is allocated, zeroed and split into pages before anybody can see it.
 *    Then all entries are locked, which fails if one was ever written; mappings of the zero page
 *    go; and the pages come in. Where there is no such memory, or a limit is reached, the chunk
 *    is filled page by page, and marked so that nobody tries again (chunk->small). One thread
 *    does this, and others that write to the chunk wait for it: each would take 2 MiB of what
 *    the limit leaves, and get nothing for it, not even its page.
 * 2. The mark is set when the last page has come in, so that who sees it may map them all: what
 *    is still locked reads as zero. It is taken off with the chunk's lock held, by
 *    gmem_chunk_split(), before an entry is locked or changed. It then zaps the whole chunk. So
 *    a binder that has seen the mark by gmem_whole() either is told by that zap, by way of its
 *    sequence count, or has made its mapping before, which that zap takes away.
 * 3. What a fork has made common stays whole, and may be mapped so for reading. When pages of it
 *    become shared ones, as it is copied (claim.c), the mark goes without a zap: a mapping that
 *    is there is read-only, and each page in it is what the entries say still. Whoever replaces
 *    one of these pages zaps it, and with it the mapping of all.
 * 4. Merging. Splitting costs the guest its 2 MiB, so the engine asks first (gmem_cursor_gains()).
 *    Pages that could be merged are noted in the chunk, until one is written again, and stay as
 *    they are; when they are as many as the knob min_gain says, the chunk is split, and they are
 *    to be examined once more.
 *
 * A chunk that was split does not become whole again before all of it is punched at one go.
 */
#include <linux/bitmap.h>
#include <linux/kobject.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sysfs.h>
#include <linux/wait_bit.h>
#include <ditto.h>

#include "gmem/bind.h"
#include "gmem/claim.h"
#include "gmem/entry.h"
#include "gmem/frame.h"
#include "gmem/hooks.h"
#include "gmem/index.h"
#include "gmem/internal.h"
#include "gmem/mappings.h"
#include "gmem/merge.h"
#include "gmem/reader.h"
#include "gmem/space.h"
#include "gmem/whole.h"

struct whole_knobs whole_knobs = {
	.mode = WHOLE_MADVISE,
	.min_gain = GMEM_CHUNK_PAGES / 8,
};

/**
 * gmem_note_advice() - what a process said of a mapping counts for the file
 * @g: the gmem
 * @vma: a mapping of it; its mm's mmap_lock is held
 *
 * MADV_HUGEPAGE and MADV_NOHUGEPAGE; the last mapping that was seen decides, of those of who may
 * write to the file: others do not decide what is done to its memory.
 */
void gmem_note_advice(struct gmem *g, const struct vm_area_struct *vma)
{
	int advice = vma->vm_flags & VM_HUGEPAGE ? 1 : vma->vm_flags & VM_NOHUGEPAGE ? -1 : 0;

	if ((vma->vm_flags & (VM_SHARED | VM_MAYWRITE)) != (VM_SHARED | VM_MAYWRITE))
		return;
	if (advice && READ_ONCE(g->advice) != advice)
		WRITE_ONCE(g->advice, advice);
}

/*
 * Not where machines have private memory, which is mapped by pages; not what a reset brings back;
 * and not under "secure", where every page is to lie anywhere.
 */
static bool whole_wanted(const struct gmem *g)
{
	unsigned int mode = READ_ONCE(whole_knobs.mode);
	int advice = READ_ONCE(g->advice);

	if (mode == WHOLE_NEVER || advice < 0 || g->owner || g->is_base ||
	    READ_ONCE(g->policy) == DITTO_POLICY_SECURE)
		return false;
	if (mode == WHOLE_ALWAYS || g->flags & DITTO_GMEM_HUGEPAGE)
		return true;
	return g->flags & GMEM_HUGE_ADVISED && advice > 0;
}

/* 1. Lock what was never written, all of it or nothing; *@zmap: the zero page may be mapped. */
static bool whole_lock(struct gmem_chunk *c, bool *zmap)
{
	unsigned int i;
	unsigned long v;

	*zmap = false;
	for (i = 0; i < GMEM_CHUNK_PAGES; i++) {
		v = READ_ONCE(c->entry[i]);
		do {
			if (v & ~GMEM_ZMAP)
				goto undo;
		} while (!try_cmpxchg(&c->entry[i], &v, v | GMEM_LOCKED));
		*zmap |= v & GMEM_ZMAP;
	}
	return true;
undo:
	while (i--)
		gmem_entry_unlock(c, i, READ_ONCE(c->entry[i]) & ~GMEM_LOCKED);
	return false;
}

static void whole_zap_zero(struct gmem *g, struct gmem_chunk *c)
{
	struct page *zero = READ_ONCE(g->zero);
	pgoff_t end = c->base + GMEM_CHUNK_PAGES;

	if (zero) {
		lock_page(zero);
		unlock_page(zero);
		if (gmem_page_mapcount(zero))
			gmem_unmap_user(g, c->base, end);
	}
	gmem_zap_bindings(g, c->base, end);
}

#ifdef DITTO_KUNIT
void (*gmem_whole_between)(unsigned int nr);
#endif

static void whole_step(unsigned int nr)
{
#ifdef DITTO_KUNIT
	if (gmem_whole_between)
		gmem_whole_between(nr);
#endif
}

/* Chunk's lock held. False: there is something. */
static bool whole_put(struct gmem *g, struct gmem_chunk *c, struct page *pages)
{
	unsigned int i;
	bool zmap;

	if (c->dead || !whole_lock(c, &zmap))
		return false;
	if (zmap)
		whole_zap_zero(g, c);
	bitmap_zero(c->gain, GMEM_CHUNK_PAGES);
	for (i = 0; i < GMEM_CHUNK_PAGES; i++) {
		gmem_page_adopt(pages + i, c, i);
		gmem_note_changed(c, i);
		gmem_entry_unlock(c, i, gmem_entry_make(pages + i, GMEM_DIRTY));
		whole_step(i + 1);
	}
	atomic_long_inc(&whole_knobs.chunks);
	smp_store_release(&c->whole, true);	/* the entries, then the mark: gmem_whole() */
	gmem_count_private(g, GMEM_CHUNK_PAGES);
	atomic_long_inc(&g->nr_whole);
	atomic_long_inc(&whole_knobs.filled);
	return true;
}

static bool whole_enter(struct gmem *g, struct gmem_chunk *c, struct page *pages)
{
	bool done;

	if (!gmem_chunk_enter(g, c))
		return false;
	mutex_lock(&c->lock);
	done = whole_put(g, c, pages);
	mutex_unlock(&c->lock);
	gmem_chunk_leave(g, c);
	return done;
}

static bool whole_try(struct gmem *g, struct gmem_chunk *c)
{
	struct page *pages;
	unsigned int i;

	if (!gmem_space_take(g, GMEM_CHUNK_PAGES))
		return false;
	pages = gmem_pages_alloc(g, GMEM_CHUNK_SHIFT);
	whole_step(0);
	if (pages && whole_enter(g, c, pages)) {
		whole_step(GMEM_CHUNK_PAGES + 1);
		return true;
	}
	for (i = 0; pages && i < GMEM_CHUNK_PAGES; i++)
		gmem_page_free(pages + i);
	gmem_space_give(g, GMEM_CHUNK_PAGES);
	return false;
}

static bool chunk_untouched(const struct gmem_chunk *c)
{
	unsigned int i;

	for (i = 0; i < GMEM_CHUNK_PAGES; i++)
		if (READ_ONCE(c->entry[i]) & ~GMEM_ZMAP)
			return false;
	return true;
}

/* Is the chunk whole? If it can be, it is afterwards. One thread at a time. */
static bool whole_fill(struct gmem *g, struct gmem_chunk *c)
{
	if (READ_ONCE(c->whole))
		return true;
	if (READ_ONCE(c->small))
		return false;
	if (whole_wanted(g) && c->base + GMEM_CHUNK_PAGES <= gmem_npages(g) && chunk_untouched(c)) {
		if (whole_try(g, c))
			return true;
		atomic_long_inc(&whole_knobs.failed);
	}
	WRITE_ONCE(c->small, true);
	return false;
}

/**
 * gmem_fill_whole() - give a chunk that nobody has written to all of its pages, in one piece
 * @g: the gmem, one of whose entries is about to be written
 * @c: the entry's chunk, referenced, and claimed; not known to be small
 *
 * Process context, no lock held but mmap_lock. Neither reclaims memory nor waits for it. The chunk
 * is small from now on if it is not whole: the caller goes on with its entry.
 *
 * Return: 1 if the chunk has its pages; 0 if not; -EINTR when a fatal signal came.
 */
int gmem_fill_whole(struct gmem *g, struct gmem_chunk *c)
{
	bool done;

	if (wait_on_bit_lock(&c->filling, 0, TASK_KILLABLE))
		return -EINTR;
	done = whole_fill(g, c);
	clear_and_wake_up_bit(0, &c->filling);
	return done;
}

/**
 * gmem_whole() - can all of a chunk be mapped by one entry of a binder's tables?
 * @g: the gmem
 * @off: offset in pages
 * @pfn: that a fault on @off has been resolved to since the binder read its sequence count
 *
 * Step 2 of the fault protocol, too (gmem.h). Any context.
 *
 * Return: true if the pages of @off's chunk lie one behind the other around @pfn, and may be
 * mapped as this one may.
 */
bool gmem_whole(struct gmem *g, pgoff_t off, unsigned long pfn)
{
	unsigned long first = pfn - off % GMEM_CHUNK_PAGES;
	struct gmem_chunk *c;
	unsigned int i = 0;

	/* What forks have in common counts, too. Where there is none no fault is to pay for it. */
	if (!atomic_long_read(&whole_knobs.chunks))
		return false;
	rcu_read_lock();
	c = gmem_chunk_lookup(g, off);
	if (c && smp_load_acquire(&c->whole) &&		/* the mark, then the entries */
	    (READ_ONCE(c->entry[0]) & GMEM_ADDR) >> PAGE_SHIFT == first)
		while (i < GMEM_CHUNK_PAGES && !PageHWPoison(pfn_to_page(first + i)))
			i++;
	if (i == GMEM_CHUNK_PAGES && !gmem_chunk_was_of(c, g, off))
		i = 0;
	rcu_read_unlock();
	return i == GMEM_CHUNK_PAGES;
}

/* 4. What was noted is to be examined once more, as the pages of any chunk. */
static void split_gain(struct gmem *g, struct gmem_chunk *c)
{
	unsigned int i;
	unsigned long v;

	for_each_set_bit(i, c->gain, GMEM_CHUNK_PAGES) {
		v = READ_ONCE(c->entry[i]);
		gmem_merge_forget(gmem_entry_page(v));
		while (!try_cmpxchg(&c->entry[i], &v, v | GMEM_PENDING))
			;
		gmem_count_pending(g, v, v | GMEM_PENDING);
	}
	bitmap_zero(c->gain, GMEM_CHUNK_PAGES);
	gmem_chunk_touch(c);
}

/**
 * gmem_chunk_split() - an entry of a chunk is about to be locked: it is whole no more
 * @g: the gmem, which may change the chunk; with fork_lock held
 * @c: the chunk, its lock held; it may have been whole or not
 * @why: for the figures
 *
 * The binders' mappings of all of it are gone afterwards. They tell by gmem_mark_dirty() what was
 * written through these.
 */
void gmem_chunk_split(struct gmem *g, struct gmem_chunk *c, enum gmem_split why)
{
	lockdep_assert_held(&c->lock);
	if (likely(!c->whole))
		return;
	if (!bitmap_empty(c->gain, GMEM_CHUNK_PAGES))
		split_gain(g, c);
	WRITE_ONCE(c->whole, false);
	WRITE_ONCE(c->small, true);
	atomic_long_dec(&whole_knobs.chunks);
	atomic_long_inc(&whole_knobs.splits[why]);
	gmem_zap_bindings(g, c->base, c->base + GMEM_CHUNK_PAGES);
	atomic_long_dec(&g->nr_whole);	/* now: till then gmem_has_whole() */
}

/**
 * gmem_whole_end() - the end of the mark, of a chunk that counts for no gmem
 * @c: the chunk, its lock held
 */
void gmem_whole_end(struct gmem_chunk *c)
{
	if (likely(!c->whole))
		return;
	WRITE_ONCE(c->whole, false);
	atomic_long_dec(&whole_knobs.chunks);
}

/**
 * gmem_chunk_split_common() - a page of a chunk that no gmem may change becomes a shared one
 * @c: the chunk, its lock held
 */
void gmem_chunk_split_common(struct gmem_chunk *c)
{
	if (c->whole)
		atomic_long_inc(&whole_knobs.splits[SPLIT_FORK]);
	gmem_whole_end(c);
}

/**
 * gmem_has_whole() - has a gmem any whole chunk?
 * @g: the gmem
 *
 * A binder that is to zap one, because it is split, finds that it has.
 *
 * Return: whether there is one that it may change.
 */
bool gmem_has_whole(const struct gmem *g)
{
	return atomic_long_read(&g->nr_whole);
}

/**
 * gmem_cursor_split() - the same for who works for others, and so unmaps no crowd
 * @cur: holds the chunk, its lock held
 * @why: for the figures
 *
 * Return: false if it would take long: the chunk is whole still.
 */
bool gmem_cursor_split(struct gmem_cursor *cur, enum gmem_split why)
{
	pgoff_t base = cur->c->base;

	if (cur->c->whole && gmem_crowded(cur->g, base, base + GMEM_CHUNK_PAGES))
		return false;
	gmem_chunk_split(cur->g, cur->c, why);
	return true;
}

/* "secure" is to lie anywhere, and to be unmapped whatever comes of it. */
static unsigned int cursor_gain_needed(const struct gmem_cursor *cur)
{
	return cur->policy == DITTO_POLICY_SECURE ? 1 : READ_ONCE(whole_knobs.min_gain);
}

/**
 * gmem_cursor_gains() - may a page be merged, which costs its chunk that it is whole?
 * @cur: its entry, the chunk's lock held
 * @page: the page, which is all zero, or is said to have an equal one
 *
 * It is noted, and when enough of them are the chunk is split.
 *
 * Return: true if it is not whole, or no more; false: the page is to stay for now.
 */
bool gmem_cursor_gains(struct gmem_cursor *cur, struct page *page)
{
	struct gmem_chunk *c = cur->c;

	lockdep_assert_held(&c->lock);
	if (likely(!c->whole))
		return true;
	if (!gmem_cursor_has(cur, page))
		return false;
	/* One that is held, too: if the chunk is split for others, it is examined again. */
	__set_bit(cur->nr, c->gain);
	if (gmem_page_held(page))
		return false;
	if (bitmap_weight(c->gain, GMEM_CHUNK_PAGES) < cursor_gain_needed(cur))
		return false;
	return gmem_cursor_split(cur, SPLIT_MERGE);
}

/**
 * gmem_cursor_whole() - is an entry's chunk whole?
 * @cur: holds the entry; without the chunk's lock the answer may be old
 *
 * Return: whether it is.
 */
bool gmem_cursor_whole(const struct gmem_cursor *cur)
{
	return READ_ONCE(cur->c->whole);
}
