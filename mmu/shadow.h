/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Shadow page tables, for the files of the mmu room.
 *
 * Where CPUs have no nested paging, or are not to use it, the TDP tables are still there
 * and say for each gfn what they always say: which page, and whether it may be written. But
 * no CPU walks them. CPUs walk shadow pages, which hold what follows from the guest's
 * tables and the TDP tables together. So all that knows TDP tables (faults, notifier, gmem's
 * bindings, dirty log) is the same for both; an SPTE here never allows more than the TDP leaf
 * of its gfn, and what is taken away from that leaf is taken away here (shadow_drop_leaf(),
 * shadow_protect_leaf()) before the flush that has to follow anyway.
 *
 * Towards the guest, shadow pages are a TLB that it cannot see: an entry is made when it is
 * used, and may be stale from the guest's write to its own table until the guest flushes.
 * A table that is shadowed is write-protected, so its first write shows; from then on it is
 * unsynchronized: the guest writes as it likes, and when it flushes, every entry is
 * compared with what it was made from.
 *
 * All of this is protected by mmu->lock, held for write.
 */
#ifndef DITTO_MMU_SHADOW_H
#define DITTO_MMU_SHADOW_H

#include <linux/list.h>
#include <linux/mm.h>

#include "mmu/tdp.h"
#include "mmu/walk.h"

/**
 * union shadow_role - what a shadow page says of its gfn
 * @word: all of it, to compare
 * @level: of the shadow page: 1 maps 4 KiB pages
 * @kind: of the guest's tables, enum walk_kind
 * @la57: they have five levels
 * @direct: it maps gfns from @gfn on, without a guest's table: below a large page, or
 *	without paging
 * @quadrant: which part of a table of 1024 entries
 * @write: entries above allow it, and so the next two
 * @user: likewise
 * @exec: likewise
 * @dirty: of a large page that it is below
 * @wp: CR0.WP
 * @nx: EFER.NX
 * @smep_nowp: CR4.SMEP without CR0.WP
 * @smap_nowp: likewise; an SPTE that denies user accesses would let the kernel in
 * @pse: CR4.PSE, of 4-byte entries
 * @maxphyaddr: which bits are reserved
 * @pae_root: the four entries of a vCPU; in no hash
 */
union shadow_role {
	u64 word;
	struct {
		u64 level:3, kind:2, la57:1, direct:1, quadrant:2, write:1, user:1, exec:1, dirty:1,
		    wp:1, nx:1, smep_nowp:1, smap_nowp:1, pse:1, maxphyaddr:6, pae_root:1;
	};
};

/**
 * struct shadow_entry - what is known of an SPTE
 * @node: of a leaf, in the list of its gfn's TDP leaf; of others, in the child's @parents
 * @gpte: the guest's entry that it was made from
 */
struct shadow_entry {
	struct hlist_node node;
	u64 gpte;
};

/**
 * struct shadow_block - the memory of a shadow page; aligned to its size
 * @spte: what the CPU walks
 * @entry: of each
 */
struct shadow_block {
	u64 spte[TDP_ENTRIES];
	struct shadow_entry entry[TDP_ENTRIES];
};

#define SHADOW_ORDER	2

static_assert(sizeof(struct shadow_block) == PAGE_SIZE << SHADOW_ORDER);

/**
 * struct shadow_page - one table
 * @hash: by @gfn
 * @lru: in shadow->pages, the one used longest ago first; of a dead one, in shadow->dead
 * @unsync: in shadow->unsync, or empty
 * @parents: entries that point here
 * @gfn: of the guest's table, or the first that is mapped
 * @role: see there
 * @block: its memory
 * @nr: entries that are present
 * @gen: shadow->gen when it was made
 * @roots: vCPUs that begin with it
 * @writes: how often it became unsynchronized since it was last used in a fault
 * @dead: nobody finds it, and it is empty; freed when @roots is 0
 */
struct shadow_page {
	struct hlist_node hash;
	struct list_head lru, unsync;
	struct hlist_head parents;
	gfn_t gfn;
	union shadow_role role;
	struct shadow_block *block;
	unsigned int nr, gen, roots, writes;
	bool dead;
};

#define SHADOW_HASH_BITS	12

/**
 * struct shadow - the shadow pages of an address space
 * @hash: struct shadow_page, by gfn
 * @pages: all that are not dead
 * @dead: that are, and not yet freed
 * @unsync: whose guest's table may differ
 * @nr: shadow pages, dead ones and those in vCPUs' caches not counted
 * @gen: how often all were to be forgotten; those of before are used no more
 * @seq: flushes of the guest that found something unsynchronized; read without lock
 * @changed: a permission was taken away, and no flush was since
 */
struct shadow {
	struct hlist_head hash[1 << SHADOW_HASH_BITS];
	struct list_head pages, dead, unsync;
	long nr;
	unsigned int gen;
	unsigned long seq;
	bool changed;
};

/* The bits of SPTEs: those of every x86 page table. */
#define SPTE_PRESENT	BIT_ULL(0)
#define SPTE_WRITE	BIT_ULL(1)
#define SPTE_USER	BIT_ULL(2)
#define SPTE_ACCESSED	BIT_ULL(5)
#define SPTE_DIRTY	BIT_ULL(6)
#define SPTE_NX		BIT_ULL(63)

static inline struct shadow_block *shadow_block(const void *inside)
{
	return (void *)round_down((unsigned long)inside, sizeof(struct shadow_block));
}

static inline struct shadow_page *shadow_page_of(const void *inside)
{
	return (void *)page_private(virt_to_page(shadow_block(inside)));
}

static inline u64 *shadow_spte_of(struct hlist_node *node)
{
	struct shadow_entry *e = container_of(node, struct shadow_entry, node);
	struct shadow_block *b = shadow_block(e);

	return &b->spte[e - b->entry];
}

static inline struct shadow_entry *shadow_entry_of(u64 *sptep)
{
	struct shadow_block *b = shadow_block(sptep);

	return &b->entry[sptep - b->spte];
}

/* SPTEs that map what a TDP leaf maps: behind the table there is a second page. */
static inline struct hlist_head *shadow_rmap(u64 *leaf)
{
	return (void *)leaf + PAGE_SIZE;
}

static inline unsigned int tdp_table_order(const struct mmu *mmu)
{
	return mmu->host->shadow ? 1 : 0;
}

/* shadow.c */
int shadow_init(struct mmu *mmu);
void shadow_destroy(struct mmu *mmu);
struct hlist_head *shadow_bucket(struct shadow *s, gfn_t gfn);
int shadow_topup(struct mmu *mmu, struct shadow_vcpu *sv);
struct shadow_page *shadow_get(struct mmu *mmu, struct shadow_vcpu *sv, gfn_t gfn,
			       union shadow_role role, bool *fresh);
void shadow_unlink(u64 *sptep);
void shadow_clear(struct mmu *mmu, u64 *sptep);
void shadow_zap(struct mmu *mmu, struct shadow_page *sp);
void shadow_zap_all(struct mmu *mmu);
void shadow_rmap_add(struct mmu *mmu, u64 *leaf, int level, struct shadow_entry *e);
void shadow_flush(struct mmu *mmu);
void shadow_reclaim(struct mmu *mmu);
void shadow_put_root(struct mmu *mmu, struct shadow_vcpu *sv);
u64 *shadow_tdp_leaf(const struct mmu *mmu, gfn_t gfn, int *level);
void shadow_protect_gfn(struct mmu *mmu, gfn_t gfn);

/* What tdp.c, binding.c and dirty.c tell; mmu->shadow is there. */
void shadow_drop_leaf(struct mmu *mmu, u64 *leaf, gfn_t gfn, int level);
void shadow_drop_table(struct mmu *mmu, u64 *table, gfn_t gfn, int level);
void shadow_protect_leaf(struct mmu *mmu, u64 *leaf);

/* shadow_sync.c */
bool shadow_all_unsync(struct shadow *s, gfn_t gfn);
void shadow_mark(struct shadow *s, gfn_t gfn);
void shadow_table_write(struct mmu *mmu, gfn_t gfn);
bool shadow_peek(const struct mmu *mmu, gpa_t gpa, unsigned int len, u64 *val);
bool shadow_gpte_changed(enum walk_kind kind, u64 old, u64 new);
bool shadow_entry_differs(const struct mmu *mmu, const struct shadow_page *sp, unsigned int i,
			  bool unread);
void shadow_sync(struct mmu *mmu);
void shadow_written(struct mmu *mmu, gpa_t gpa, unsigned int len);

/* shadow_check.c */
struct seq_file;
int shadow_check(struct mmu *mmu, struct seq_file *m);

#endif
