/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the inside of gmem and the merge engine both know of a page of guest memory: the
 * words that are kept in it, and how many pages a chunk has.
 */
#ifndef DITTO_GMEM_PAGE_H
#define DITTO_GMEM_PAGE_H

#include <linux/atomic.h>
#include <linux/llist.h>
#include <linux/mm.h>

struct gmem_chunk;
struct gmem_domain;

/*
 * What gmem and the merge engine keep of each page that an entry points at: three words
 * of its struct folio (nobody else looks at these words of a page that is in no cache
 * and on no LRU list). Written before the page is in an entry, or under chunk->lock.
 *
 *	lru	node in the merge index, or in a queue of later.c once it is dropped
 *	private	private page: its chunk. Shared page: its domain, plus 1, or 3 if it is apart
 *	index	low half: private page: number of its entry in the chunk; shared page:
 *		sharers. High half: digest
 *
 * Only the accessors down to gmem_page_mapcount() know where they lie. A kernel that
 * takes these words away needs a table beside its pages, and changes here.
 */
#define GMEM_PAGE_SHARED	1UL
#define GMEM_PAGE_APART		2UL
#define GMEM_PAGE_FLAGS		(GMEM_PAGE_SHARED | GMEM_PAGE_APART)

static_assert(sizeof(struct hlist_node) <= sizeof_field(struct folio, lru));
static_assert(sizeof(struct llist_node) <= sizeof_field(struct folio, lru));
static_assert(sizeof_field(struct folio, private) == sizeof(unsigned long));
static_assert(sizeof_field(struct folio, index) == 2 * sizeof(u32));
static_assert(offsetof(struct folio, page) == 0);

/* Pages of ours are never compound: each is its own folio. */
static inline struct folio *gmem_page_folio(struct page *page)
{
	return container_of(page, struct folio, page);
}

static inline struct hlist_node *gmem_page_node(struct page *page)
{
	return (struct hlist_node *)&gmem_page_folio(page)->lru;
}

static inline struct page *gmem_node_page(struct hlist_node *node)
{
	return &container_of((struct list_head *)node, struct folio, lru)->page;
}

static inline struct llist_node *gmem_page_waits(struct page *page)
{
	return (struct llist_node *)&gmem_page_folio(page)->lru;
}

static inline struct page *gmem_waiting_page(struct llist_node *node)
{
	return &container_of((struct list_head *)node, struct folio, lru)->page;
}

static inline u32 *gmem_page_nr(struct page *page)
{
	return (u32 *)&gmem_page_folio(page)->index;
}

static inline atomic_t *gmem_page_sharers(struct page *page)
{
	return (atomic_t *)&gmem_page_folio(page)->index;
}

static inline u32 *gmem_page_digest(struct page *page)
{
	return (u32 *)&gmem_page_folio(page)->index + 1;
}

static inline unsigned long gmem_page_owner(struct page *page)
{
	return (unsigned long)gmem_page_folio(page)->private;
}

static inline void gmem_page_set_owner(struct page *page, unsigned long owner)
{
	gmem_page_folio(page)->private = (void *)owner;
}

/* No entry points at it any more; the kernel wants these words as it gave them. */
static inline void gmem_page_disown(struct page *page)
{
	gmem_page_set_owner(page, 0);
	gmem_page_folio(page)->index = 0;
}

/* How many page tables of user space map it. */
static inline int gmem_page_mapcount(struct page *page)
{
	return atomic_read(&gmem_page_folio(page)->_mapcount) + 1;
}

static inline bool gmem_page_is_shared(struct page *page)
{
	return gmem_page_owner(page) & GMEM_PAGE_SHARED;
}

/* Shared, but mapped nowhere; and counted by the engine, too, as a sharer. */
static inline bool gmem_page_is_apart(struct page *page)
{
	return (gmem_page_owner(page) & GMEM_PAGE_FLAGS) == GMEM_PAGE_FLAGS;
}

static inline struct gmem_chunk *gmem_page_chunk(struct page *page)
{
	return (struct gmem_chunk *)gmem_page_owner(page);
}

/* Of a shared page. */
static inline struct gmem_domain *gmem_page_shared_domain(struct page *page)
{
	return (struct gmem_domain *)(gmem_page_owner(page) & ~GMEM_PAGE_FLAGS);
}

#endif
