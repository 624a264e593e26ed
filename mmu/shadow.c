// SPDX-License-Identifier: GPL-2.0-only
/*
 * Shadow pages: their memory, how they are found, linked and taken away; and what happens to
 * their entries when the TDP leaf that they follow loses something.  What is entered into
 * them is shadow_fault.c's; what becomes of them when the guest changes its tables,
 * shadow_sync.c's.
 *
 * The hard part is to find every entry of a page at once: those that map a gfn hang in a list
 * behind the gfn's TDP leaf, and those that point at a shadow page in the list of that page.
 * So whatever is to go away is found without search, however many tables the guest has.
 */
#include <linux/gfp.h>
#include <linux/hash.h>
#include <linux/random.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "mmu/shadow.h"

/* How many go when the limit is met, and how many before others get the lock. */
#define RECLAIM_AT_ONCE	32

/*
 * About so many entries can follow one leaf of 4 KiB, and of 2 MiB: code that takes the leaf
 * away, for the merge engine or for the host, looks at all of them with the lock held.
 */
#define RMAP_MAX	4096
#define RMAP_MAX_LARGE	32768
/* One in so many finds out how many there are. At random, or a guest would know which one. */
#define RMAP_LOOK	256

static struct shadow_page *page_alloc(gfp_t gfp)
{
	struct shadow_page *sp = kzalloc(sizeof(*sp), GFP_KERNEL_ACCOUNT);
	struct page *page;

	if (!sp)
		return NULL;
	page = alloc_pages(GFP_KERNEL_ACCOUNT | __GFP_ZERO | gfp, SHADOW_ORDER);
	if (!page) {
		kfree(sp);
		return NULL;
	}
	set_page_private(page, (unsigned long)sp);
	sp->block = page_address(page);
	INIT_LIST_HEAD(&sp->lru);
	INIT_LIST_HEAD(&sp->unsync);
	return sp;
}

/* No CPU uses it. */
static void page_free(struct shadow_page *sp)
{
	struct page *page = virt_to_page(sp->block);

	set_page_private(page, 0);
	__free_pages(page, SHADOW_ORDER);
	kfree(sp);
}

/**
 * shadow_init() - shadow paging for an address space
 * @mmu: being made; its host says that it has shadow tables
 *
 * Return: 0 or -ENOMEM.
 */
int shadow_init(struct mmu *mmu)
{
	struct shadow *s = kvzalloc(sizeof(*s), GFP_KERNEL_ACCOUNT);

	if (!s)
		return -ENOMEM;
	INIT_LIST_HEAD(&s->pages);
	INIT_LIST_HEAD(&s->dead);
	INIT_LIST_HEAD(&s->unsync);
	mmu->shadow = s;
	return 0;
}

/**
 * shadow_bucket() - where shadow pages of a gfn are found
 * @s: any
 * @gfn: any
 *
 * Return: the list; other gfns' are in it, too.
 */
struct hlist_head *shadow_bucket(struct shadow *s, gfn_t gfn)
{
	return &s->hash[hash_64(gfn, SHADOW_HASH_BITS)];
}

/**
 * shadow_topup() - have shadow pages for all that a fault may need
 * @mmu: its lock not held
 * @sv: of the vCPU
 *
 * May sleep.
 *
 * Return: 0 or -ENOMEM.
 */
int shadow_topup(struct mmu *mmu, struct shadow_vcpu *sv)
{
	while (sv->nr_cache < SHADOW_CACHE) {
		struct shadow_page *sp = page_alloc(0);

		if (!sp)
			return -ENOMEM;
		sv->cache[sv->nr_cache++] = sp;
	}
	if (sv->pae)
		return 0;
	/* A CPU outside of long mode has 32 bits for the address of its root. */
	sv->pae = page_alloc(__GFP_DMA32);
	if (!sv->pae)
		return -ENOMEM;
	sv->pae->role.level = 3;
	sv->pae->role.pae_root = true;
	return 0;
}

/**
 * mmu_shadow_vcpu_free() - free a vCPU's part of shadow paging
 * @sv: of a vCPU that never runs again; its address space has been destroyed, or it never ran
 */
void mmu_shadow_vcpu_free(struct shadow_vcpu *sv)
{
	while (sv->nr_cache)
		page_free(sv->cache[--sv->nr_cache]);
	if (sv->pae)
		page_free(sv->pae);
	sv->pae = NULL;
	sv->root = NULL;
}

/**
 * shadow_unlink() - an entry is in no list any more, and not counted
 * @sptep: in a shadow page, present
 */
void shadow_unlink(u64 *sptep)
{
	hlist_del_init(&shadow_entry_of(sptep)->node);
	shadow_page_of(sptep)->nr--;
}

/**
 * shadow_clear() - take an entry away
 * @mmu: @lock held for write; a flush has to follow
 * @sptep: in a shadow page
 */
void shadow_clear(struct mmu *mmu, u64 *sptep)
{
	if (!*sptep)
		return;
	WRITE_ONCE(*sptep, 0);
	shadow_unlink(sptep);
	mmu_epoch_open(mmu);
	mmu->shadow->changed = true;
}

/**
 * shadow_zap() - take a shadow page away
 * @mmu: @lock held for write; a flush has to follow, shadow_flush(), which frees it
 * @sp: no vCPU's root of four entries
 *
 * One that vCPUs begin with stays, empty, until they have another one.
 */
void shadow_zap(struct mmu *mmu, struct shadow_page *sp)
{
	struct shadow *s = mmu->shadow;
	struct shadow_entry *e;
	struct hlist_node *n;
	unsigned int i;

	for (i = 0; i < TDP_ENTRIES && sp->nr; i++)
		shadow_clear(mmu, &sp->block->spte[i]);
	hlist_for_each_entry_safe(e, n, &sp->parents, node)
		shadow_clear(mmu, shadow_spte_of(&e->node));
	hlist_del_init(&sp->hash);
	list_del_init(&sp->unsync);
	list_move_tail(&sp->lru, &s->dead);
	sp->dead = true;
	s->nr--;
	/* CPUs may have it in their paging-structure caches, even when it had no entry. */
	mmu_epoch_open(mmu);
	s->changed = true;
}

/* What is dead and flushed. */
static void free_dead(struct mmu *mmu)
{
	struct shadow_page *sp, *n;

	list_for_each_entry_safe(sp, n, &mmu->shadow->dead, lru) {
		if (sp->roots)
			continue;
		list_del(&sp->lru);
		page_free(sp);
	}
}

/**
 * shadow_flush() - flush if anything was taken away, and free the shadow pages that were
 * @mmu: @lock held for write since then
 */
void shadow_flush(struct mmu *mmu)
{
	struct shadow *s = mmu->shadow;

	if (s->changed)
		mmu_flush(mmu);
	if (unlikely(!list_empty(&s->dead)))
		free_dead(mmu);
}

/**
 * shadow_reclaim() - there are too many shadow pages: those go that were not used for longest
 * @mmu: @lock held for write
 */
void shadow_reclaim(struct mmu *mmu)
{
	struct shadow *s = mmu->shadow;
	struct shadow_page *sp, *n;
	int left = RECLAIM_AT_ONCE;

	list_for_each_entry_safe(sp, n, &s->pages, lru) {
		if (sp->roots)
			continue;
		shadow_zap(mmu, sp);
		if (!--left)
			break;
	}
	shadow_flush(mmu);
}

/**
 * shadow_zap_all() - take every shadow page away, and flush
 * @mmu: @lock held for write
 */
void shadow_zap_all(struct mmu *mmu)
{
	struct shadow_page *sp, *n;

	list_for_each_entry_safe(sp, n, &mmu->shadow->pages, lru)
		shadow_zap(mmu, sp);
	WRITE_ONCE(mmu->shadow->seq, mmu->shadow->seq + 1);
	shadow_flush(mmu);
}

/* Some of those that are to be forgotten; they come first. Are there more? @lock held. */
static bool zap_old(struct mmu *mmu)
{
	struct shadow *s = mmu->shadow;
	struct shadow_page *sp, *n;
	int left = RECLAIM_AT_ONCE;

	list_for_each_entry_safe(sp, n, &s->pages, lru) {
		if (sp->gen == s->gen || !left--)
			break;
		shadow_zap(mmu, sp);
	}
	WRITE_ONCE(s->seq, s->seq + 1);
	shadow_flush(mmu);
	sp = list_first_entry_or_null(&s->pages, struct shadow_page, lru);
	return sp && sp->gen != s->gen;
}

/**
 * mmu_shadow_forget() - take every shadow page away
 * @mmu: takes its lock; may sleep
 *
 * Code that changed the guest's tables without the guest, and without guest_write(), calls it.
 * There may be very many, so others get the lock in between; vCPUs that fault meanwhile get
 * new shadow pages.
 */
void mmu_shadow_forget(struct mmu *mmu)
{
	write_lock(&mmu->lock);
	mmu->shadow->gen++;
	while (zap_old(mmu))
		cond_resched_rwlock_write(&mmu->lock);
	write_unlock(&mmu->lock);
}

/**
 * shadow_destroy() - the end of an address space's shadow pages
 * @mmu: no vCPU of it runs again
 */
void shadow_destroy(struct mmu *mmu)
{
	struct shadow_page *sp;

	if (!mmu->shadow)
		return;
	mmu_shadow_forget(mmu);
	list_for_each_entry(sp, &mmu->shadow->dead, lru)
		sp->roots = 0;
	free_dead(mmu);
	WARN_ON_ONCE(mmu->shadow->nr);
	kvfree(mmu->shadow);
	mmu->shadow = NULL;
}

static struct shadow_page *page_find(struct mmu *mmu, gfn_t gfn, union shadow_role role)
{
	struct shadow *s = mmu->shadow;
	struct shadow_page *sp;

	hlist_for_each_entry(sp, shadow_bucket(s, gfn), hash) {
		if (sp->gfn != gfn || sp->role.word != role.word)
			continue;
		if (sp->gen == s->gen)
			return sp;
		shadow_zap(mmu, sp);	/* to be forgotten */
		return NULL;
	}
	return NULL;
}

/**
 * shadow_get() - the shadow page of a gfn in a role
 * @mmu: @lock held for write
 * @sv: after shadow_topup()
 * @gfn: of the guest's table, or what is mapped directly
 * @role: see there
 * @fresh: set when the guest may have changed the table until now, without our knowing; a
 *	flush is to come before it is read again
 *
 * Return: it; there is always one.
 */
struct shadow_page *shadow_get(struct mmu *mmu, struct shadow_vcpu *sv, gfn_t gfn,
			       union shadow_role role, bool *fresh)
{
	struct shadow_page *sp = page_find(mmu, gfn, role);
	struct shadow *s = mmu->shadow;

	if (sp) {
		sp->writes = 0;
		list_move_tail(&sp->lru, &s->pages);
		return sp;
	}
	sp = sv->cache[--sv->nr_cache];
	sp->gfn = gfn;
	sp->role = role;
	sp->gen = s->gen;
	list_add_tail(&sp->lru, &s->pages);
	s->nr++;
	if (!role.direct) {
		shadow_protect_gfn(mmu, gfn);
		*fresh = true;
		/* Make walks void that began before the table was protected. */
		WRITE_ONCE(s->seq, s->seq + 1);
	}
	/* Pairs with shadow_written(): the kernel's writes look up the hash after they write. */
	hlist_add_head(&sp->hash, shadow_bucket(s, gfn));
	smp_mb();
	return sp;
}

/**
 * shadow_put_root() - a vCPU has no root any more
 * @mmu: @lock held for write
 * @sv: of the vCPU
 */
void shadow_put_root(struct mmu *mmu, struct shadow_vcpu *sv)
{
	unsigned int i;

	if (sv->root == sv->pae)
		for (i = 0; sv->pae && i < 4; i++)
			shadow_clear(mmu, &sv->pae->block->spte[i]);
	else if (sv->root)
		sv->root->roots--;
	sv->root = NULL;
}

/**
 * shadow_tdp_leaf() - the TDP leaf of a gfn
 * @mmu: @lock held
 * @gfn: any
 * @level: set to its level
 *
 * Return: it, or NULL when there is none.
 */
u64 *shadow_tdp_leaf(const struct mmu *mmu, gfn_t gfn, int *level)
{
	const struct tdp_format *f = mmu->host->format;
	u64 *table = mmu->root;

	if (gfn >= mmu_max_gfn(mmu))
		return NULL;
	for (*level = f->levels; ; --*level) {
		u64 *sptep = &table[tdp_index(gfn, *level)];
		u64 spte = READ_ONCE(*sptep);

		if (!spte)
			return NULL;
		if (tdp_is_leaf(f, spte, *level))
			return sptep;
		table = tdp_table(f, spte);
	}
}

static void protect_entry(struct mmu *mmu, u64 *sptep)
{
	if (!(*sptep & SPTE_WRITE))
		return;
	WRITE_ONCE(*sptep, *sptep & ~SPTE_WRITE);
	mmu_epoch_open(mmu);
	mmu->shadow->changed = true;
}

/* Are there more entries behind a leaf than there may be? */
static bool rmap_is_long(u64 *leaf, unsigned int most)
{
	struct shadow_entry *e;
	unsigned int n = 0;

	hlist_for_each_entry(e, shadow_rmap(leaf), node)
		if (++n >= most)
			return true;
	return false;
}

/**
 * shadow_rmap_add() - an entry follows a TDP leaf
 * @mmu: @lock held for write; a flush has to follow
 * @leaf: the leaf
 * @level: its level
 * @e: the entry, in no list
 *
 * Where there are too many already they go; the guest faults in again what it uses.
 */
void shadow_rmap_add(struct mmu *mmu, u64 *leaf, int level, struct shadow_entry *e)
{
	struct shadow_entry *old;
	struct hlist_node *n;

	if (!(get_random_u32() % RMAP_LOOK) &&
	    rmap_is_long(leaf, level == 1 ? RMAP_MAX : RMAP_MAX_LARGE))
		hlist_for_each_entry_safe(old, n, shadow_rmap(leaf), node)
			shadow_clear(mmu, shadow_spte_of(&old->node));
	hlist_add_head(&e->node, shadow_rmap(leaf));
}

/**
 * shadow_protect_gfn() - no shadow page allows writes to a gfn any more
 * @mmu: @lock held for write; a flush has to follow
 * @gfn: any
 */
void shadow_protect_gfn(struct mmu *mmu, gfn_t gfn)
{
	const struct tdp_format *f = mmu->host->format;
	struct shadow_entry *e;
	kvm_pfn_t pfn;
	u64 *leaf;
	int level;

	leaf = shadow_tdp_leaf(mmu, gfn, &level);
	if (!leaf)
		return;
	pfn = tdp_pfn(f, *leaf) + (gfn & (tdp_pages(level) - 1));
	hlist_for_each_entry(e, shadow_rmap(leaf), node) {
		u64 *sptep = shadow_spte_of(&e->node);

		if (tdp_pfn(f, *sptep & ~SPTE_NX) == pfn)
			protect_entry(mmu, sptep);
	}
}

/**
 * shadow_protect_leaf() - a TDP leaf is not writable any more
 * @mmu: @lock held for write; a flush has to follow
 * @leaf: it
 */
void shadow_protect_leaf(struct mmu *mmu, u64 *leaf)
{
	struct shadow_entry *e;

	hlist_for_each_entry(e, shadow_rmap(leaf), node)
		protect_entry(mmu, shadow_spte_of(&e->node));
}

/**
 * shadow_drop_leaf() - a TDP leaf is gone
 * @mmu: @lock held for write; a flush has to follow
 * @leaf: where it was
 * @gfn: the first that it mapped
 * @level: its level
 *
 * What stands in the guest's table may be another one when the page comes back.
 */
void shadow_drop_leaf(struct mmu *mmu, u64 *leaf, gfn_t gfn, int level)
{
	gfn_t end = gfn + tdp_pages(level);
	struct shadow_entry *e;
	struct hlist_node *n;

	hlist_for_each_entry_safe(e, n, shadow_rmap(leaf), node)
		shadow_clear(mmu, shadow_spte_of(&e->node));
	for (; gfn < end; gfn++)
		shadow_mark(mmu->shadow, gfn);
}

/**
 * shadow_drop_table() - a TDP table was detached
 * @mmu: @lock held for write; a flush has to follow
 * @table: it
 * @gfn: the first of its range
 * @level: of its entries
 */
void shadow_drop_table(struct mmu *mmu, u64 *table, gfn_t gfn, int level)
{
	const struct tdp_format *f = mmu->host->format;
	unsigned int i;

	for (i = 0; i < TDP_ENTRIES; i++, gfn += tdp_pages(level)) {
		u64 spte = table[i];

		if (!spte)
			continue;
		if (tdp_is_leaf(f, spte, level))
			shadow_drop_leaf(mmu, &table[i], gfn, level);
		else
			shadow_drop_table(mmu, tdp_table(f, spte), gfn, level - 1);
	}
}
