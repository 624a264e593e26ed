/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What gmem offers to the merge engine, and to nobody else: walking over gmems and
 * what changed in them, and the steps of a merge that touch entries. The engine
 * decides which pages to merge and compares them; gmem knows how that is made safe.
 * The engine includes nothing else of gmem: what an entry, a chunk, a domain and a gmem
 * are made of it does not see.
 */
#ifndef DITTO_GMEM_MERGE_H
#define DITTO_GMEM_MERGE_H

#include <linux/bitmap.h>
#include <linux/mutex.h>
#include <linux/refcount.h>
#include <linux/rwsem.h>
#include <linux/siphash.h>
#include <linux/xarray.h>

#include "gmem/gmem.h"
#include "gmem/mc.h"
#include "gmem/page.h"
#include "gmem/sharers.h"

/**
 * struct gmem_merge_hooks - what the engine wants to hear
 * @forget: a page that is in the merge index leaves its entry, or has been written;
 *	called with its chunk's lock held; when it returns the page is not in the index
 * @share: a page that is in the merge index becomes a shared one of the domain, with one sharer;
 *	likewise
 * @settle: free what only the engine has still, before the checker counts
 * @check: the engine's part of the checker: prints, returns the number of violations
 * @idle: there is no tenant any more; may be called from anywhere that may sleep
 */
struct gmem_merge_hooks {
	void (*forget)(struct page *page);
	void (*share)(struct page *page, struct gmem_domain *domain);
	void (*settle)(void);
	int (*check)(struct seq_file *m);
	void (*idle)(void);
};

/* How many of the engine's workers may be at one tenant's gmems at a time. */
#define GMEM_WALKS	8

/**
 * struct gmem_walk - the way through one directory of a tenant's gmem
 * @claimed: a worker has it just now, and with it all members but these two; pass->lock
 * @open: it has a directory that is not done; changed by the worker that has it, under pass->lock
 * @in_dir: @chunks is the directory's
 * @in_chunk: @ripe is that of the chunk at hand
 * @chunk: the chunk at hand, by number, or the first that may be next
 * @nr: next entry to look at in @ripe
 * @id: of the gmem
 * @off: first offset of the directory
 * @chunks: those to scan
 * @ripe: pages to examine
 */
struct gmem_walk {
	bool claimed;
	bool open;
	bool in_dir;
	bool in_chunk;
	unsigned int chunk;
	unsigned int nr;
	u64 id;
	pgoff_t off;
	DECLARE_BITMAP(chunks, GMEM_DIR_CHUNKS);
	DECLARE_BITMAP(ripe, GMEM_CHUNK_PAGES);
};

/**
 * struct gmem_pass - how far the engine has come with a tenant
 * @lock: for all members
 * @active: a pass is under way
 * @handed: every directory has been handed out to a walk
 * @nr_open: walks that are open
 * @id: of the gmem whose directories are handed out, or the next one's is not less
 * @off: where to look for the next directory of it
 * @ended: when the last pass ended, in jiffies
 * @start: the start of the engine (merge_knobs.starts) that it has seen
 * @round: the last round over all tenants in which a pass ended
 * @credit: nanoseconds that it may use, or has used too many
 * @walk: one for each directory that is looked at now
 */
struct gmem_pass {
	struct mutex lock;
	bool active;
	bool handed;
	unsigned int nr_open;
	u64 id;
	pgoff_t off;
	unsigned long ended;
	unsigned int start;
	unsigned long round;
	s64 credit;
	struct gmem_walk walk[GMEM_WALKS];
};

/**
 * struct gmem_tenant - whose gmems are scanned in turns with those of others
 * @refs: of gmems, until they have let go of their pages; of each gmem_tenant_count(); and of the
 *	engine
 * @uid: which user's; constant
 * @counted: of each kind of what a user may have so many only (gmem_tenant_count())
 * @gmems: by id
 * @pass: how far the engine has come
 */
struct gmem_tenant {
	refcount_t refs;
	unsigned long uid;
	atomic_t counted[GMEM_COUNTED];
	struct xarray gmems;
	struct gmem_pass pass;
};

/**
 * struct gmem_cursor - an entry, held
 * @g: its gmem, referenced
 * @c: its chunk, referenced
 * @lock: its chunk's; see gmem_cursor_lock()
 * @fork_lock: its gmem's
 * @domain: its gmem's; the engine's cursors have this and @key
 * @key: of digests in that domain
 * @policy: of its gmem when the cursor was made
 * @any_policy: it is frozen for other ends than merging, also where nothing is merged
 * @nr: its number in the chunk
 */
struct gmem_cursor {
	struct gmem *g;
	struct gmem_chunk *c;
	struct mutex *lock;
	struct rw_semaphore *fork_lock;
	struct gmem_domain *domain;
	const hsiphash_key_t *key;
	u32 policy;
	bool any_policy;
	unsigned int nr;
};

/**
 * struct gmem_freeze - an entry that is to be frozen together with others of its chunk
 * @page: what it is said to have
 * @nr: its number in the chunk
 * @frozen: afterwards: it is
 */
struct gmem_freeze {
	struct page *page;
	unsigned int nr;
	bool frozen;
};

/**
 * struct gmem_totals - sums over all gmems that take part in merging
 * @private_pages: entries with a page of their own
 * @shared_entries: entries that point at a shared page
 * @shared_pages: shared pages
 * @zeroed_entries: entries that merging emptied and nobody has written since
 * @pending_pages: private pages that were scanned, and wait to be examined
 * @overhead: bytes of index
 */
struct gmem_totals {
	unsigned long private_pages;
	unsigned long shared_entries;
	unsigned long shared_pages;
	unsigned long zeroed_entries;
	unsigned long pending_pages;
	unsigned long overhead;
};

/* index.c */
void gmem_set_merge_hooks(const struct gmem_merge_hooks *hooks);
void gmem_set_merge_runs(bool runs);
void gmem_merge_forget(struct page *page);

/* tenant.c */
struct gmem_tenant *gmem_tenant_at(unsigned long uid);
void gmem_tenant_put(struct gmem_tenant *t);
unsigned int gmem_tenants(void);
struct gmem *gmem_tenant_gmem(struct gmem_tenant *t, u64 *id);
struct gmem *gmem_next(struct gmem *prev, bool mergeable);
void gmem_totals(struct gmem_totals *t);

/* scan.c */
bool gmem_scan_ends(const struct gmem *g, pgoff_t off);
pgoff_t gmem_scan_seek(struct gmem *g, pgoff_t off);
void gmem_scan_survey(struct gmem *g, pgoff_t off, unsigned long *chunks);
void gmem_scan_again(const struct gmem_cursor *cur);
bool gmem_scan_enter(struct gmem_cursor *cur, struct gmem *g, pgoff_t off);
unsigned int gmem_scan_chunk(struct gmem_cursor *cur, unsigned long *ripe, unsigned long *waits);
int gmem_unshare(struct gmem *g);

/* freeze.c */
bool gmem_cursor_at(struct gmem_cursor *cur, struct gmem *g, pgoff_t off);
bool gmem_cursor_enter(struct gmem_cursor *cur);
void gmem_cursor_leave(struct gmem_cursor *cur);
bool gmem_cursor_get(struct page *page, struct gmem_cursor *cur);
void gmem_cursor_put(struct gmem_cursor *cur);
u64 gmem_cursor_id(const struct gmem_cursor *cur);
pgoff_t gmem_cursor_offset(const struct gmem_cursor *cur);
bool gmem_cursor_shares(const struct gmem_cursor *cur);
bool gmem_cursor_has(const struct gmem_cursor *cur, struct page *page);
struct page *gmem_cursor_pending(const struct gmem_cursor *cur);
int gmem_examined(struct gmem_cursor *cur, struct page *page);
bool gmem_cursor_gains(struct gmem_cursor *cur, struct page *page);
bool gmem_cursor_whole(const struct gmem_cursor *cur);
void gmem_put_off(struct gmem_cursor *cur);
int gmem_freeze(struct gmem_cursor *cur, struct page *page, bool keep_readers);
void gmem_freeze_some(struct gmem_cursor *cur, struct gmem_freeze *f, unsigned int n);
void gmem_thaw_pending(struct gmem_cursor *cur);
void gmem_thaw_examined(struct gmem_cursor *cur);
void gmem_thaw_changed(struct gmem_cursor *cur);
void gmem_share(struct gmem_cursor *cur);
void gmem_replace(struct gmem_cursor *cur, struct page *shared);
void gmem_replace_zero(struct gmem_cursor *cur);
struct page *gmem_apart_alloc(const struct gmem_cursor *cur);
void gmem_apart_free(struct page *page);
void gmem_apart_share(const struct gmem_cursor *cur, struct page *page);
bool gmem_apart_idle(struct page *page);
void gmem_apart_end(struct page *page);
bool gmem_cursor_apart(const struct gmem_cursor *cur);
struct gmem_domain *gmem_page_domain(struct page *page);
bool gmem_page_calm(struct page *page);
bool gmem_page_whole(struct page *page);
bool gmem_page_placed(struct page *page);

/*
 * The entries of a cursor's chunk make no transition while it is locked, and are not forked. See
 * gmem_cursor_enter().
 */

static inline bool gmem_cursor_trylock(struct gmem_cursor *cur)
{
	if (!down_read_trylock(cur->fork_lock))
		return false;
	if (mutex_trylock(cur->lock))
		return true;
	up_read(cur->fork_lock);
	return false;
}

static inline void gmem_cursor_unlock(struct gmem_cursor *cur)
{
	mutex_unlock(cur->lock);
	up_read(cur->fork_lock);
}

/* Another entry of the same chunk. */
static inline void gmem_cursor_move(struct gmem_cursor *cur, unsigned int nr)
{
	cur->nr = nr;
}

/* What digests in its domain are made with, which only the engine's cursors know. */
static inline const hsiphash_key_t *gmem_cursor_key(const struct gmem_cursor *cur)
{
	return cur->key;
}

/* Whose gmems may share its page, likewise. */
static inline struct gmem_domain *gmem_cursor_domain(const struct gmem_cursor *cur)
{
	return cur->domain;
}

/* Does one lock hold both? */
static inline bool gmem_cursor_same_lock(const struct gmem_cursor *a, const struct gmem_cursor *b)
{
	return a->lock == b->lock;
}

/**
 * gmem_page_in() - may a page be shared in a domain?
 * @page: in the merge index, with the bucket's lock held
 * @domain: the domain
 *
 * Return: whether it is that domain's.
 */
static inline bool gmem_page_in(struct page *page, const struct gmem_domain *domain)
{
	if (gmem_page_is_shared(page))
		return gmem_page_shared_domain(page) == domain;
	return gmem_page_domain(page) == domain;
}

#endif
