/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What gmem offers to the merge engine, and to nobody else: walking over gmems and
 * what changed in them, and the steps of a merge that touch entries. The engine
 * decides which pages to merge and compares them; gmem knows how that is made safe.
 */
#ifndef DITTO_GMEM_MERGE_H
#define DITTO_GMEM_MERGE_H

#include "gmem/internal.h"

struct seq_file;

/**
 * struct gmem_merge_hooks - what the engine wants to hear
 * @forget: a page that is in the merge index leaves its entry, or has been written;
 *	called with its chunk's lock held; when it returns the page is not in the index
 * @check: the engine's part of the checker: prints, returns the number of violations
 */
struct gmem_merge_hooks {
	void (*forget)(struct page *page);
	int (*check)(struct seq_file *m);
};

/**
 * struct gmem_cursor - an entry, held
 * @g: its gmem, referenced
 * @c: its chunk, referenced
 * @slot: its number in the chunk
 */
struct gmem_cursor {
	struct gmem *g;
	struct gmem_chunk *c;
	unsigned int slot;
};

/**
 * struct gmem_totals - sums over all gmems that take part in merging
 * @private_pages: entries with a page of their own
 * @shared_entries: entries that point at a shared page
 * @shared_pages: shared pages
 * @zeroed_entries: entries that merging emptied and nobody has written since
 * @overhead: bytes of index
 */
struct gmem_totals {
	unsigned long private_pages;
	unsigned long shared_entries;
	unsigned long shared_pages;
	unsigned long zeroed_entries;
	unsigned long overhead;
};

/* index.c */
void gmem_set_merge_hooks(const struct gmem_merge_hooks *hooks);
void gmem_merge_forget(struct page *page);
int gmem_merge_check(struct seq_file *m);
void gmem_count_shared_page(struct gmem_domain *d, int n);
long gmem_shared_pages(void);
void gmem_shared_put(struct page *page);

/* file.c */
struct gmem *gmem_next(struct gmem *prev, bool mergeable);
struct gmem *gmem_at(u64 id);
void gmem_totals(struct gmem_totals *t);
unsigned long gmem_overhead(struct gmem *g);

/* scan.c */
unsigned int gmem_scan_chunk(struct gmem_chunk *c, unsigned long *ripe);
int gmem_unshare(struct gmem *g);

/* freeze.c */
bool gmem_cursor_get(struct page *page, struct gmem_cursor *cur);
void gmem_cursor_put(struct gmem_cursor *cur);
unsigned long gmem_cursor_entry(const struct gmem_cursor *cur);
bool gmem_examined(struct gmem_cursor *cur, struct page *page);
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
	set_page_private(page, (unsigned long)domain | GMEM_PAGE_SHARED);
	atomic_set(gmem_page_sharers(page), 1);
}

#endif
