// SPDX-License-Identifier: GPL-2.0-only
/*
 * The steps of a merge that touch entries: hold one, freeze it, and then thaw it, make its
 * page shared, or replace its page. A frozen page has no writer and can get none;
 * internal.h, point 5, says why. The merge engine decides what to freeze and whether two
 * pages are equal.
 */
#include <linux/pagemap.h>
#include <ditto.h>

#include "gmem/bind.h"
#include "gmem/cursor.h"
#include "gmem/domain.h"
#include "gmem/entry.h"
#include "gmem/frame.h"
#include "gmem/index.h"
#include "gmem/internal.h"
#include "gmem/later.h"
#include "gmem/mappings.h"
#include "gmem/merge.h"

static void cursor_set(struct gmem_cursor *cur, struct gmem *g, struct gmem_chunk *c)
{
	cur->g = g;
	cur->c = c;
	cur->lock = &c->lock;
	cur->fork_lock = &g->fork_lock;
	cur->any_policy = false;
	cur->policy = READ_ONCE(g->policy);
	smp_rmb();	/* pairs with policy_change() */
	cur->domain = READ_ONCE(g->domain);
	cur->key = &cur->domain->key;
}

/**
 * gmem_cursor_at() - hold the chunk of an offset
 * @cur: which entry of it is the caller's to set, in @cur->nr
 * @g: a gmem that takes part in merging, to which the caller has a reference
 * @off: any offset of the chunk
 *
 * Return: false if there is none; else the end is gmem_cursor_leave().
 */
bool gmem_cursor_at(struct gmem_cursor *cur, struct gmem *g, pgoff_t off)
{
	struct gmem_chunk *c;

	if (off >= gmem_npages(g))
		return false;
	c = gmem_chunk_find(g, off);
	if (!c)
		return false;
	cursor_set(cur, g, c);
	return true;
}

/**
 * gmem_cursor_enter() - lock a cursor's chunk, for the engine: it waits for no fork
 * @cur: holds the chunk
 *
 * A fork of a large gmem takes its time, and its user may make fork after fork.
 *
 * Return: whether it is locked, until gmem_cursor_unlock(). If not, the chunk is marked, so that
 * the next scan looks at it again, at all that is pending.
 */
bool gmem_cursor_enter(struct gmem_cursor *cur)
{
	if (!down_read_trylock(cur->fork_lock)) {
		gmem_scan_again(cur);
		return false;
	}
	mutex_lock(cur->lock);
	return true;
}

/**
 * gmem_cursor_leave() - the end of gmem_cursor_at()
 * @cur: holds a chunk
 */
void gmem_cursor_leave(struct gmem_cursor *cur)
{
	gmem_chunk_put(cur->c);
}

/* The gmem that may change a chunk, with a reference; NULL if none may, or it is going away. */
static struct gmem *chunk_gmem(struct gmem_chunk *c)
{
	struct gmem *g;

	rcu_read_lock();
	g = READ_ONCE(smp_load_acquire(&c->holder)->g);
	if (g && !kref_get_unless_zero(&g->ref))
		g = NULL;
	rcu_read_unlock();
	return g;
}

/**
 * gmem_cursor_get() - hold the entry of a private page
 * @page: a private page that cannot leave its entry now: in the merge index, with the
 *	bucket's lock held
 * @cur: the entry
 *
 * Return: false if its gmem is going away, or a fork has made the entry common to several.
 */
bool gmem_cursor_get(struct page *page, struct gmem_cursor *cur)
{
	struct gmem_chunk *c = gmem_page_chunk(page);
	struct gmem *g = chunk_gmem(c);

	if (!g)
		return false;
	refcount_inc(&c->refs);	/* the directory has one while there are pages */
	cursor_set(cur, g, c);
	cur->nr = *gmem_page_nr(page);
	return true;
}

/**
 * gmem_cursor_put() - the end of gmem_cursor_get()
 * @cur: the entry; no lock held, for this may free the gmem
 */
void gmem_cursor_put(struct gmem_cursor *cur)
{
	gmem_chunk_put(cur->c);
	gmem_put(cur->g);
}

/**
 * gmem_cursor_entry() - the value of a held entry
 * @cur: holds it
 *
 * Return: the value of the entry @cur holds.
 */
unsigned long gmem_cursor_entry(const struct gmem_cursor *cur)
{
	return READ_ONCE(cur->c->entry[cur->nr]);
}

/**
 * gmem_cursor_id() - whose entry is held?
 * @cur: holds it
 *
 * Return: the id of its gmem.
 */
u64 gmem_cursor_id(const struct gmem_cursor *cur)
{
	return cur->g->id;
}

/**
 * gmem_cursor_offset() - where is it?
 * @cur: holds an entry
 *
 * Return: its offset in its gmem, in pages.
 */
pgoff_t gmem_cursor_offset(const struct gmem_cursor *cur)
{
	return cur->c->base + cur->nr;
}

/**
 * gmem_cursor_pending() - the page of an entry that waits to be examined
 * @cur: holds the entry; the caller is in an RCU section, and may read the page in it
 *
 * Return: the page, which may leave its entry at any time; NULL when there is none to
 * examine: none at all, a shared one, or one that was written since the last scan.
 */
struct page *gmem_cursor_pending(const struct gmem_cursor *cur)
{
	unsigned long v = gmem_cursor_entry(cur);

	if (!gmem_entry_private(v) ||
	    (v & (GMEM_PENDING | GMEM_LOCKED | GMEM_DIRTY)) != GMEM_PENDING ||
	    PageHWPoison(gmem_entry_page(v)))
		return NULL;
	return gmem_entry_page(v);
}

/* Who freezes for other ends than merging may where nothing is merged, but not under "secure". */
static bool cursor_policy_holds(const struct gmem_cursor *cur)
{
	/* Before the policy; pairs with the end of policy_change(). */
	bool changes = smp_load_acquire(&cur->g->policy_changes);

	if (cur->policy != READ_ONCE(cur->g->policy))
		return false;
	if (!cur->any_policy)
		return cur->policy != DITTO_POLICY_OFF;
	return !changes && cur->policy != DITTO_POLICY_SECURE;
}

/**
 * gmem_cursor_has() - is a page still what an entry privately has?
 * @cur: the entry, its chunk's lock held
 * @page: the page, which may be freed by now, or another's
 *
 * Return: whether it is, and the gmem's policy is what it was when the cursor was made, and the
 * entry the gmem's alone.
 */
bool gmem_cursor_has(const struct gmem_cursor *cur, struct page *page)
{
	unsigned long v = gmem_cursor_entry(cur);

	lockdep_assert_held(&cur->c->lock);
	return !cur->c->dead && gmem_chunk_held_by(cur->c, cur->g) && gmem_entry_private(v) &&
	       gmem_entry_page(v) == page && cursor_policy_holds(cur) &&
	       cur->domain == READ_ONCE(cur->g->domain);
}

/**
 * gmem_cursor_shares() - may the pages here be shared with others?
 * @cur: holds the entry
 *
 * Return: false if only pages that are all zero are of use.
 */
bool gmem_cursor_shares(const struct gmem_cursor *cur)
{
	return cur->policy != DITTO_POLICY_ZERO;
}

/**
 * gmem_examined() - a page has been looked at, and need not be until it changes
 * @cur: its entry, the chunk's lock held
 * @page: the page
 *
 * What holds a page may write to it, and nobody would hear of that (a device, into a
 * buffer that is registered for long). So one that is held counts as written, until the
 * scan some time after it was let go. What takes hold of it later than this does so by a
 * fault, which marks it as written.
 *
 * Return: 0; -EAGAIN: the entry has something else by now; -EBUSY: somebody holds it.
 */
int gmem_examined(struct gmem_cursor *cur, struct page *page)
{
	unsigned long new, v = gmem_cursor_entry(cur);
	bool busy = gmem_page_held(page);

	if (!gmem_cursor_has(cur, page))
		return -EAGAIN;
	do {
		new = v & ~GMEM_PENDING;
		if (busy)
			new |= GMEM_DIRTY | GMEM_WAIT(GMEM_WAIT_BUSY);
	} while (!try_cmpxchg(&cur->c->entry[cur->nr], &v, new));
	gmem_count_pending(cur->g, v, new);
	if (!busy)
		return 0;
	gmem_chunk_touch(cur->c);
	return -EBUSY;
}

/**
 * gmem_put_off() - somebody holds a page, or too many map it: not now
 * @cur: its entry, not frozen, the chunk's lock held
 *
 * As after gmem_freeze() for that reason, it counts as written, and is left alone for some scans.
 */
void gmem_put_off(struct gmem_cursor *cur)
{
	unsigned long *e = &cur->c->entry[cur->nr], v = READ_ONCE(*e);
	unsigned long new;

	do {
		new = (v & ~(GMEM_PENDING | GMEM_WAIT_MASK)) | GMEM_DIRTY |
		      GMEM_WAIT(GMEM_WAIT_BUSY);
	} while (!try_cmpxchg(e, &v, new));
	gmem_count_pending(cur->g, v, new);
	gmem_chunk_touch(cur->c);
}

/*
 * The entry is locked, so no new mapping can be made. May user space's be taken away? Not if
 * somebody just makes one, or holds the page.
 */
static bool freeze_user(struct page *page)
{
	if (PageHWPoison(page) || !trylock_page(page))
		return false;
	unlock_page(page);
	return !gmem_page_held(page);
}

/* Would it take too long to take the mappings of a range away? */
static bool freeze_crowded(struct gmem *g, pgoff_t start, pgoff_t end)
{
	return gmem_crowded(g, start, end) || gmem_readers_crowded(g);
}

/* And the bindings'. */
static bool freeze_mappings(struct gmem_cursor *cur, struct page *page, bool keep_readers)
{
	pgoff_t off = cur->c->base + cur->nr;

	if (freeze_crowded(cur->g, off, off + 1) || !freeze_user(page))
		return false;
	if (gmem_page_mapcount(page))
		gmem_unmap_user(cur->g, off, off + 1);
	if (keep_readers)
		gmem_wrprotect_bindings(cur->g, off, off + 1);
	else
		gmem_zap_bindings(cur->g, off, off + 1);
	smp_mb();	/* pairs with hold_private(): its reference, then the entry */
	return page_count(page) == 1;
}

/* Somebody holds the page, or too many map it. */
static void freeze_fails(struct gmem_cursor *cur)
{
	gmem_thaw(cur, (gmem_cursor_entry(cur) & GMEM_UWRITE) | GMEM_DIRTY |
		  GMEM_WAIT(GMEM_WAIT_BUSY));
}

/*
 * Lock the entries, and take user space's mappings away, all at one go. Returns whether there
 * are any entries.
 */
static bool freeze_begin(struct gmem_cursor *cur, struct gmem_freeze *f, unsigned int n,
			 unsigned long *set)
{
	pgoff_t start = cur->c->base + f[0].nr, end = cur->c->base + f[n - 1].nr + 1;
	bool crowded = freeze_crowded(cur->g, start, end);
	bool any = false, mapped = false;
	unsigned int i;

	for (i = 0; i < n; i++) {
		cur->nr = f[i].nr;
		f[i].frozen = false;
		if (!gmem_cursor_has(cur, f[i].page) || cur->c->whole)
			continue;
		gmem_entry_lock(cur->c, cur->nr);
		f[i].frozen = !crowded && freeze_user(f[i].page);
		if (!f[i].frozen)
			freeze_fails(cur);
		else
			__set_bit(cur->nr, set);
		any |= f[i].frozen;
		mapped |= f[i].frozen && gmem_page_mapcount(f[i].page);
	}
	if (mapped)
		gmem_unmap_user(cur->g, start, end);
	return any;
}

/**
 * gmem_freeze_some() - gmem_freeze() for several entries of a chunk, which costs less
 * @cur: holds the chunk, its lock held; its @nr is changed
 * @f: which entries, in ascending order, and what page each is said to have; @frozen says
 *	afterwards which of them are. Bindings keep no mappings of those
 * @n: how many, at least one
 */
void gmem_freeze_some(struct gmem_cursor *cur, struct gmem_freeze *f, unsigned int n)
{
	DECLARE_BITMAP(set, GMEM_CHUNK_PAGES) = { 0 };
	unsigned int i;

	if (!freeze_begin(cur, f, n, set))
		return;
	gmem_zap_some(cur->g, cur->c->base, set);
	smp_mb();	/* pairs with hold_private(): its reference, then the entry */
	for (i = 0; i < n; i++) {
		if (!f[i].frozen || page_count(f[i].page) == 1)
			continue;
		cur->nr = f[i].nr;
		f[i].frozen = false;
		freeze_fails(cur);
	}
}

/**
 * gmem_freeze() - stop every access that could change a private page
 * @cur: the entry, the chunk's lock held until after thaw, share or replace
 * @page: the page expected there
 * @keep_readers: bindings may keep read-only mappings: the page will stay
 *
 * Return: 0: frozen. -EAGAIN: the entry has something else, or its chunk is whole
 * (gmem_cursor_gains()), or it is frozen already, with others of its chunk (gmem_freeze_some()),
 * and stays so. -EBUSY: somebody holds the page, or too many map it; it is not examined for some
 * scans. After any other error the entry is not frozen, and user space may still have the page
 * mapped, as it was.
 */
int gmem_freeze(struct gmem_cursor *cur, struct page *page, bool keep_readers)
{
	if (cur->c->whole)
		return -EAGAIN;
	if (!gmem_cursor_has(cur, page) || gmem_cursor_entry(cur) & GMEM_LOCKED)
		return -EAGAIN;
	gmem_entry_lock(cur->c, cur->nr);
	if (freeze_mappings(cur, page, keep_readers))
		return 0;
	freeze_fails(cur);
	return -EBUSY;
}

/**
 * gmem_thaw() - end a freeze, nothing merged
 * @cur: the frozen entry
 * @soft: all that remains to be done for it. The bindings' dirty bits went with the
 *	mappings, so: GMEM_PENDING if it is to be examined again, GMEM_DIRTY and a wait
 *	if it changed or is in use, 0 only if it has been examined while frozen. And
 *	GMEM_UWRITE if it had that and user space's mappings may be there.
 */
void gmem_thaw(struct gmem_cursor *cur, unsigned long soft)
{
	unsigned long v = gmem_cursor_entry(cur);

	gmem_count_pending(cur->g, v, soft);
	gmem_entry_unlock(cur->c, cur->nr, (v & ~(GMEM_LOCKED | GMEM_SOFT)) | soft);
}

/**
 * gmem_thaw_pending() - end a freeze, nothing merged; the page is to be examined again
 * @cur: the frozen entry
 */
void gmem_thaw_pending(struct gmem_cursor *cur)
{
	gmem_thaw(cur, GMEM_PENDING);
}

/**
 * gmem_thaw_examined() - end a freeze, in which the page was examined
 * @cur: the frozen entry
 */
void gmem_thaw_examined(struct gmem_cursor *cur)
{
	gmem_thaw(cur, 0);
}

/**
 * gmem_thaw_changed() - end a freeze of a page that somebody has written meanwhile
 * @cur: the frozen entry, which is left alone for some scans
 */
void gmem_thaw_changed(struct gmem_cursor *cur)
{
	gmem_thaw(cur, GMEM_DIRTY | GMEM_WAIT(GMEM_WAIT_BUSY));
}

/**
 * gmem_share() - a frozen private page becomes shared, with this entry as only sharer
 * @cur: the frozen entry; gmem_page_share() has been called for its page
 */
void gmem_share(struct gmem_cursor *cur)
{
	unsigned long v = gmem_cursor_entry(cur);
	struct page *page = gmem_entry_page(v);

	gmem_count_pending(cur->g, v, 0);
	gmem_count_private(cur->g, -1);
	gmem_count_shared(cur->g, 1);
	gmem_count_shared_page(cur->g->domain, 1);
	gmem_entry_unlock(cur->c, cur->nr,
			  gmem_entry_make(page, GMEM_SHARED | gmem_merge_note(v)));
}

/**
 * gmem_replace() - a frozen entry is pointed at a shared page, its own page freed
 * @cur: the frozen entry
 * @shared: an equal page; the caller has counted this entry as a sharer
 */
void gmem_replace(struct gmem_cursor *cur, struct page *shared)
{
	unsigned long old = gmem_cursor_entry(cur) & ~GMEM_LOCKED;

	gmem_count_shared(cur->g, 1);
	gmem_entry_unlock(cur->c, cur->nr,
			  gmem_entry_make(shared, GMEM_SHARED | gmem_merge_note(old) |
					  (gmem_page_is_apart(shared) ? GMEM_APART : 0)));
	gmem_entry_drop(cur->g, old);
}

/**
 * gmem_apart_alloc() - a page that can be shared apart
 * @cur: for whose entry; the page is charged to its gmem
 *
 * Waits for no memory, since others wait for the engine.
 *
 * Return: a page, which is nowhere; or NULL.
 */
struct page *gmem_apart_alloc(const struct gmem_cursor *cur)
{
	return gmem_pool_swap(READ_ONCE(cur->g->pool), gmem_pages_alloc(cur->g, 0));
}

/**
 * gmem_apart_free() - the end of a page that was not shared
 * @page: from gmem_apart_alloc(), or NULL
 */
void gmem_apart_free(struct page *page)
{
	gmem_page_free(page);
}

/**
 * gmem_apart_share() - a page becomes a shared one that is apart
 * @cur: the entry that is going to be its first sharer
 * @page: from gmem_apart_alloc(), complete
 *
 * The engine is a sharer, too, so that no entry is the last, and none takes longer to leave
 * than another; see gmem_apart_end().
 */
void gmem_apart_share(const struct gmem_cursor *cur, struct page *page)
{
	INIT_HLIST_NODE(gmem_page_node(page));
	gmem_page_set_owner(page, (unsigned long)cur->domain | GMEM_PAGE_FLAGS);
	atomic_set(gmem_page_sharers(page), 2);
	refcount_inc(&cur->domain->refs);
	gmem_count_shared_page(cur->domain, 1);
}

/**
 * gmem_apart_idle() - can a page go, that only the engine has?
 * @page: apart, in the merge index, with the bucket's lock held
 *
 * Return: whether it had no entries; then it can get none any more.
 */
bool gmem_apart_idle(struct page *page)
{
	return atomic_cmpxchg(gmem_page_sharers(page), 1, 0) == 1;
}

/**
 * gmem_apart_end() - free a page of which gmem_apart_idle() said so
 * @page: which has left the merge index
 *
 * Process context, no lock held.
 */
void gmem_apart_end(struct page *page)
{
	struct gmem_domain *d = gmem_page_shared_domain(page);

	gmem_count_shared_page(d, -1);
	gmem_page_disown(page);
	gmem_put_page_later(page);
	gmem_domain_put(d);
}

/**
 * gmem_cursor_apart() - are pages shared apart here?
 * @cur: holds the entry
 *
 * Return: whether its policy is "secure".
 */
bool gmem_cursor_apart(const struct gmem_cursor *cur)
{
	return cur->policy == DITTO_POLICY_SECURE;
}

/**
 * gmem_replace_zero() - a frozen entry whose page is all zero becomes empty
 * @cur: the frozen entry
 */
void gmem_replace_zero(struct gmem_cursor *cur)
{
	unsigned long old = gmem_cursor_entry(cur) & ~GMEM_LOCKED;

	atomic_long_inc(&cur->g->nr_zeroed);
	gmem_entry_unlock(cur->c, cur->nr, GMEM_ZEROED | gmem_merge_note(old));
	gmem_entry_drop(cur->g, old);
}

/**
 * gmem_page_domain() - which gmems may share a page?
 * @page: in an entry, which it cannot leave now
 *
 * Return: their domain; NULL while nobody can, as a fork has made the entry common.
 */
struct gmem_domain *gmem_page_domain(struct page *page)
{
	struct gmem_domain *d;
	struct gmem *g;

	if (gmem_page_is_shared(page))
		return gmem_page_shared_domain(page);
	rcu_read_lock();
	g = READ_ONCE(smp_load_acquire(&gmem_page_chunk(page)->holder)->g);
	d = g ? READ_ONCE(g->domain) : NULL;
	rcu_read_unlock();
	return d;
}

/* The entry that a private page says it is in. */
static unsigned long private_entry(struct page *page)
{
	return READ_ONCE(gmem_page_chunk(page)->entry[*gmem_page_nr(page)]);
}

/**
 * gmem_page_calm() - has a page been examined, and not written since? For the checker
 * @page: in the merge index, with the bucket's lock held
 *
 * Return: whether that is so, as far as anybody has noticed.
 */
bool gmem_page_calm(struct page *page)
{
	return gmem_page_is_shared(page) || (gmem_page_domain(page) &&
		!(private_entry(page) & (GMEM_DIRTY | GMEM_PENDING)));
}

/**
 * gmem_page_whole() - is a page part of a whole chunk? For the checker
 * @page: in the merge index, with the bucket's lock held
 *
 * Return: whether it is.
 */
bool gmem_page_whole(struct page *page)
{
	return !gmem_page_is_shared(page) && READ_ONCE(gmem_page_chunk(page)->whole);
}

/**
 * gmem_page_placed() - is a page in the entry that it says? For the checker
 * @page: private, in the merge index, with the bucket's lock held
 *
 * Return: whether it is.
 */
bool gmem_page_placed(struct page *page)
{
	return gmem_entry_page(private_entry(page)) == page;
}
