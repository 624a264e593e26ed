/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What gmem offers to the merge engine, and to nobody else: walking over gmems and
 * what changed in them, and the steps of a merge that touch entries. The engine
 * decides which pages to merge and compares them; gmem knows how that is made safe.
 */
#ifndef DITTO_GMEM_MERGE_H
#define DITTO_GMEM_MERGE_H

#include <linux/bitmap.h>
#include <linux/xarray.h>

#include "gmem/internal.h"

struct seq_file;

/**
 * struct gmem_merge_hooks - what the engine wants to hear
 * @forget: a page that is in the merge index leaves its entry, or has been written;
 *	called with its chunk's lock held; when it returns the page is not in the index
 * @check: the engine's part of the checker: prints, returns the number of violations
 * @idle: there is no tenant any more; may be called from anywhere that may sleep
 */
struct gmem_merge_hooks {
	void (*forget)(struct page *page);
	int (*check)(struct seq_file *m);
	void (*idle)(void);
};

/**
 * struct gmem_pass - how far the engine has come with a tenant; under its own lock
 * @active: a pass is under way
 * @id: of the gmem at hand, or the next one's is not less
 * @off: first offset of the chunk at hand
 * @nr: next entry to look at in @ripe
 * @in_chunk: @ripe is that of the chunk at hand
 * @ripe: pages to examine
 * @ended: when the last pass ended, in jiffies
 * @start: the start of the engine (merge_knobs.starts) that it has seen
 * @round: the last round over all tenants in which a pass ended
 * @credit: nanoseconds that it may use, or has used too many
 */
struct gmem_pass {
	bool active;
	bool in_chunk;
	unsigned int nr;
	u64 id;
	pgoff_t off;
	DECLARE_BITMAP(ripe, GMEM_CHUNK_PAGES);
	unsigned long ended;
	unsigned int start;
	unsigned long round;
	s64 credit;
};

/**
 * struct gmem_tenant - whose gmems are scanned in turns with those of others
 * @refs: of gmems, until they have let go of their pages, and of the engine
 * @uid: which user's; constant
 * @gmems: by id
 * @pass: how far the engine has come
 */
struct gmem_tenant {
	refcount_t refs;
	unsigned long uid;
	struct xarray gmems;
	struct gmem_pass pass;
};

/**
 * struct gmem_cursor - an entry, held
 * @g: its gmem, referenced
 * @c: its chunk, referenced
 * @nr: its number in the chunk
 */
struct gmem_cursor {
	struct gmem *g;
	struct gmem_chunk *c;
	unsigned int nr;
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
void gmem_merge_forget(struct page *page);
int gmem_merge_check(struct seq_file *m);
void gmem_count_shared_page(struct gmem_domain *d, int n);
long gmem_shared_pages(void);
void gmem_shared_put(struct page *page);

void gmem_merge_idle(void);

/* tenant.c */
struct gmem_tenant *gmem_tenant_at(unsigned long uid);
void gmem_tenant_put(struct gmem_tenant *t);
unsigned int gmem_tenants(void);
struct gmem *gmem_tenant_gmem(struct gmem_tenant *t, u64 id);
struct gmem *gmem_next(struct gmem *prev, bool mergeable);
void gmem_totals(struct gmem_totals *t);

/* file.c */
unsigned long gmem_overhead(struct gmem *g);

/* scan.c */
pgoff_t gmem_scan_seek(struct gmem *g, pgoff_t off);
unsigned int gmem_scan_chunk(struct gmem_chunk *c, unsigned long *ripe);
int gmem_unshare(struct gmem *g);

/* freeze.c */
bool gmem_cursor_get(struct page *page, struct gmem_cursor *cur);
void gmem_cursor_put(struct gmem_cursor *cur);
unsigned long gmem_cursor_entry(const struct gmem_cursor *cur);
int gmem_examined(struct gmem_cursor *cur, struct page *page);
int gmem_freeze(struct gmem_cursor *cur, struct page *page, bool keep_readers);
void gmem_thaw(struct gmem_cursor *cur, unsigned long set);
void gmem_share(struct gmem_cursor *cur);
void gmem_replace(struct gmem_cursor *cur, struct page *shared);
void gmem_replace_zero(struct gmem_cursor *cur);

/**
 * gmem_page_share() - a frozen private page becomes a shared one with one sharer
 * @page: the page; what reads these words without chunk->lock is kept out
 * @domain: of its gmem
 */
static inline void gmem_page_share(struct page *page, struct gmem_domain *domain)
{
	gmem_page_set_owner(page, (unsigned long)domain | GMEM_PAGE_SHARED);
	atomic_set(gmem_page_sharers(page), 1);
}

#endif
