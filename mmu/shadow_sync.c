// SPDX-License-Identifier: GPL-2.0-only
/*
 * Shadow pages and the guest's writes to its tables: which of them may differ from the table
 * that they were made from, and what is done about it when the guest flushes.
 *
 * The hard part is what a flush promises: what the guest wrote before it, on any CPU, is what
 * counts after it. So the table is write-protected first and the CPUs are made to forget that
 * they could write; then it is read. A write that comes later makes it unsynchronized again.
 * A walk of the guest's tables that began before a flush is not believed after it
 * (shadow->seq).
 */
#include "gmem/mc.h"
#include "mmu/shadow.h"
#include "mmu/walk.h"

/* After so many writes without a use in between, the page is probably no table any more. */
#define WRITES_WITHOUT_USE	3

/* The guest's, in every format. */
#define GPTE_ACCESSED	BIT_ULL(5)
#define GPTE_DIRTY	BIT_ULL(6)
#define GPTE_IGNORED	GENMASK_ULL(11, 9)
#define GPTE_IGNORED_LONG	GENMASK_ULL(58, 52)

static bool is_table_of(const struct shadow_page *sp, gfn_t gfn)
{
	return sp->gfn == gfn && !sp->role.direct;
}

/**
 * shadow_all_unsync() - may the guest write to a gfn without anybody having to know?
 * @s: mmu->lock held
 * @gfn: any
 *
 * Return: whether it is no table, or one that is compared at the guest's next flush anyway.
 */
bool shadow_all_unsync(struct shadow *s, gfn_t gfn)
{
	const struct shadow_page *sp;

	hlist_for_each_entry(sp, shadow_bucket(s, gfn), hash)
		if (is_table_of(sp, gfn) && list_empty(&sp->unsync))
			return false;
	return true;
}

/**
 * shadow_mark() - a guest's table may be another one now
 * @s: mmu->lock held for write
 * @gfn: of the table, if it is one
 */
void shadow_mark(struct shadow *s, gfn_t gfn)
{
	struct shadow_page *sp;

	hlist_for_each_entry(sp, shadow_bucket(s, gfn), hash)
		if (is_table_of(sp, gfn) && list_empty(&sp->unsync))
			list_add_tail(&sp->unsync, &s->unsync);
}

/**
 * shadow_table_write() - the guest is about to write to a page
 * @mmu: @lock held for write
 * @gfn: any
 *
 * If it is a table that nobody seems to use, it is shadowed no more.
 */
void shadow_table_write(struct mmu *mmu, gfn_t gfn)
{
	struct shadow *s = mmu->shadow;
	struct shadow_page *sp;
	struct hlist_node *n;

	hlist_for_each_entry_safe(sp, n, shadow_bucket(s, gfn), hash) {
		if (!is_table_of(sp, gfn) || !list_empty(&sp->unsync))
			continue;
		if (++sp->writes >= WRITES_WITHOUT_USE && !sp->roots)
			shadow_zap(mmu, sp);
		else
			list_add_tail(&sp->unsync, &s->unsync);
	}
}

/**
 * shadow_peek() - read guest memory as the guest could
 * @mmu: @lock held
 * @gpa: a multiple of @len
 * @len: 4 or 8
 * @val: filled
 *
 * Return: whether it could; false: nothing is mapped there, or it is no memory, or bad.
 */
bool shadow_peek(const struct mmu *mmu, gpa_t gpa, unsigned int len, u64 *val)
{
	const struct tdp_format *f = mmu->host->format;
	gfn_t gfn = gpa >> PAGE_SHIFT;
	kvm_pfn_t pfn;
	const void *va;
	u64 *leaf;
	u32 low;
	int level;

	leaf = shadow_tdp_leaf(mmu, gfn, &level);
	if (!leaf || (*leaf & f->device & ~f->leaf))
		return false;
	pfn = tdp_pfn(f, *leaf) + (gfn & (tdp_pages(level) - 1));
	if (!pfn_valid(pfn))
		return false;
	va = page_address(pfn_to_page(pfn)) + offset_in_page(gpa);
	if (len == 8)
		return mc_load(*val, (const u64 *)va);
	if (!mc_load(low, (const u32 *)va))
		return false;
	*val = low;
	return true;
}

/**
 * shadow_gpte_changed() - does an entry of the guest's say something else now?
 * @kind: of its tables
 * @old: what an SPTE was made from
 * @new: what is there now
 *
 * The guest may set accessed and dirty bits, which allows nothing less.
 *
 * Return: whether the SPTE has to go.
 */
bool shadow_gpte_changed(enum walk_kind kind, u64 old, u64 new)
{
	u64 marks = GPTE_ACCESSED | GPTE_DIRTY;
	u64 ignored = GPTE_IGNORED | (kind == WALK_LONG ? GPTE_IGNORED_LONG : 0);

	return ((old ^ new) & ~(marks | ignored)) || (old & ~new & marks);
}

/* Where the guest's entry is that an SPTE was made from. */
static gpa_t gpte_gpa(const struct shadow_page *sp, unsigned int i)
{
	gpa_t table = sp->gfn << PAGE_SHIFT;

	if (sp->role.kind != WALK_32)
		return table + i * sizeof(u64);
	if (sp->role.level == 2)	/* two SPTEs for each */
		return table + (sp->role.quadrant * TDP_ENTRIES / 2 + i / 2) * sizeof(u32);
	return table + (sp->role.quadrant * TDP_ENTRIES + i) * sizeof(u32);
}

/**
 * shadow_entry_differs() - does an SPTE not follow from the guest's entry any more?
 * @mmu: @lock held
 * @sp: a shadow page
 * @i: index of an SPTE that is present
 * @unread: what to say when the guest's entry cannot be read, because its page is not mapped
 *
 * Return: whether it does not.
 */
bool shadow_entry_differs(const struct mmu *mmu, const struct shadow_page *sp, unsigned int i,
			  bool unread)
{
	u64 now;

	if (sp->role.direct)
		return false;
	if (!shadow_peek(mmu, gpte_gpa(sp, i), sp->role.kind == WALK_32 ? 4 : 8, &now))
		return unread;
	return shadow_gpte_changed(sp->role.kind, sp->block->entry[i].gpte, now);
}

/* Compare one entry with the guest's. */
static void sync_entry(struct mmu *mmu, struct shadow_page *sp, unsigned int i)
{
	u64 *sptep = &sp->block->spte[i];

	if (*sptep && shadow_entry_differs(mmu, sp, i, true))
		shadow_clear(mmu, sptep);
}

/* Its guest's table is write-protected, and that was flushed. */
static void sync_page(struct mmu *mmu, struct shadow_page *sp)
{
	unsigned int i;

	list_del_init(&sp->unsync);
	for (i = 0; i < TDP_ENTRIES && sp->nr; i++)
		sync_entry(mmu, sp, i);
	/* The guest has cleared it, most probably to use the page for something else. */
	if (!sp->nr && !sp->roots)
		shadow_zap(mmu, sp);
}

/* From level @from on upwards. @lock held for write. */
static void sync_from(struct mmu *mmu, unsigned int from)
{
	struct shadow *s = mmu->shadow;
	struct shadow_page *sp, *n;
	LIST_HEAD(todo);

	list_for_each_entry_safe(sp, n, &s->unsync, unsync) {
		if (sp->role.level < from)
			continue;
		list_move_tail(&sp->unsync, &todo);
		shadow_protect_gfn(mmu, sp->gfn);
	}
	shadow_flush(mmu);
	list_for_each_entry_safe(sp, n, &todo, unsync)
		sync_page(mmu, sp);
	shadow_flush(mmu);
}

/**
 * shadow_sync() - the guest flushes everything
 * @mmu: @lock held for write
 */
void shadow_sync(struct mmu *mmu)
{
	if (list_empty(&mmu->shadow->unsync))
		return;
	mmu->shadow->seq++;
	sync_from(mmu, 1);
}

/**
 * mmu_shadow_invlpg() - the guest flushes what it has of one page
 * @mmu: takes its lock
 * @sv: of the vCPU
 * @gva: of the page
 *
 * Entries above the last go for all pages, as in a CPU, which knows not whose they are.
 */
void mmu_shadow_invlpg(struct mmu *mmu, struct shadow_vcpu *sv, gva_t gva)
{
	struct shadow_page *sp;

	write_lock(&mmu->lock);
	if (list_empty(&mmu->shadow->unsync))
		goto out;
	mmu->shadow->seq++;
	sync_from(mmu, 2);
	sp = sv->root;
	while (sp && sp->role.level > 1) {
		unsigned int i = tdp_index(gva >> PAGE_SHIFT, sp->role.level);
		u64 spte = sp->block->spte[sp->role.pae_root ? i % 4 : i];

		sp = spte ? shadow_page_of(tdp_table(mmu->host->format, spte & ~SPTE_NX)) : NULL;
	}
	if (sp && !list_empty(&sp->unsync))
		sync_entry(mmu, sp, tdp_index(gva >> PAGE_SHIFT, 1));
	shadow_flush(mmu);
out:
	write_unlock(&mmu->lock);
}

/**
 * shadow_written() - the kernel wrote to guest memory for the guest
 * @mmu: takes its lock if that was a table; @lock not held; IRQs on
 * @gpa: of the first byte
 * @len: bytes, at least one
 *
 * As a write of the guest's own, it counts from the guest's next flush on at the latest.
 */
void shadow_written(struct mmu *mmu, gpa_t gpa, unsigned int len)
{
	gfn_t gfn = gpa >> PAGE_SHIFT, last = (gpa + len - 1) >> PAGE_SHIFT;
	struct shadow *s = mmu->shadow;

	/* Pairs with shadow_get(): it is seen here, or what was written is seen there. */
	smp_mb();
	for (; gfn <= last; gfn++) {
		if (hlist_empty(shadow_bucket(s, gfn)))
			continue;
		write_lock(&mmu->lock);
		shadow_mark(s, gfn);
		write_unlock(&mmu->lock);
	}
}
