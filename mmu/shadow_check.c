// SPDX-License-Identifier: GPL-2.0-only
/*
 * The checker's look at shadow pages: does every entry follow from the guest's table and from
 * the TDP tables?  Changes nothing.
 */
#include <linux/seq_file.h>

#include "mmu/shadow.h"

#define GPTE_WRITE	BIT_ULL(1)
#define GPTE_USER	BIT_ULL(2)
#define GPTE_DIRTY	BIT_ULL(6)

static gfn_t leaf_gfn(const struct shadow_page *sp, unsigned int i)
{
	u64 gpte = sp->block->entry[i].gpte;

	return sp->role.direct ? sp->gfn + i : (gpte & TDP_ADDR) >> PAGE_SHIFT;
}

/* Does the guest allow the write that an SPTE allows? */
static bool guest_allows(const struct shadow_page *sp, unsigned int i)
{
	u64 gpte = sp->block->entry[i].gpte, spte = sp->block->spte[i];
	bool write = sp->role.write && (sp->role.direct || (gpte & GPTE_WRITE));
	bool user = sp->role.user && (sp->role.direct || (gpte & GPTE_USER));

	if ((spte & SPTE_USER) && !user)
		return false;
	if (!(spte & SPTE_WRITE))
		return true;
	if (sp->role.kind != WALK_NONE && !(sp->role.direct ? sp->role.dirty : gpte & GPTE_DIRTY))
		return false;
	return write || (!sp->role.wp && !(spte & SPTE_USER));
}

/* What is wrong with an SPTE that maps a page, or NULL. */
static const char *shadow_leaf_wrong(struct mmu *mmu, const struct shadow_page *sp, unsigned int i)
{
	const struct tdp_format *f = mmu->host->format;
	u64 spte = sp->block->spte[i];
	gfn_t gfn = leaf_gfn(sp, i);
	u64 *leaf;
	int level;

	leaf = shadow_tdp_leaf(mmu, gfn, &level);
	if (!leaf)
		return "without a TDP entry";
	if (tdp_pfn(f, spte) != tdp_pfn(f, *leaf) + (gfn & (tdp_pages(level) - 1)))
		return "of another page than the TDP entry";
	if ((spte & SPTE_WRITE) && !(*leaf & f->writable))
		return "writable, unlike the TDP entry";
	if ((spte & SPTE_WRITE) && !shadow_all_unsync(mmu->shadow, gfn))
		return "writable, but maps a table";
	return guest_allows(sp, i) ? NULL : "more than the guest allows";
}

static const char *shadow_link_wrong(const struct mmu *mmu, const struct shadow_page *sp,
				     unsigned int i)
{
	const struct tdp_format *f = mmu->host->format;
	const struct shadow_page *child = shadow_page_of(tdp_table(f, sp->block->spte[i]));

	if (child->dead)
		return "of a dead table";
	return child->role.level == sp->role.level - 1 ? NULL : "of a table of another level";
}

static int shadow_check_page(struct mmu *mmu, struct shadow_page *sp, struct seq_file *m)
{
	unsigned int i, nr = 0;
	int violations = 0;

	for (i = 0; i < TDP_ENTRIES; i++) {
		const char *wrong;

		if (!sp->block->spte[i])
			continue;
		nr++;
		wrong = sp->role.level == 1 ? shadow_leaf_wrong(mmu, sp, i) :
					      shadow_link_wrong(mmu, sp, i);
		if (!wrong && list_empty(&sp->unsync) && shadow_entry_differs(mmu, sp, i, false))
			wrong = "not what the guest's table says";
		if (!wrong)
			continue;
		violations++;
		seq_printf(m, "mmu: shadow of gfn %llx (role %llx): entry %u, %llx, is %s\n",
			   sp->gfn, sp->role.word, i, sp->block->spte[i], wrong);
	}
	if (nr == sp->nr)
		return violations;
	seq_printf(m, "mmu: shadow of gfn %llx: %u entries, but the counter says %u\n", sp->gfn,
		   nr, sp->nr);
	return violations + 1;
}

/**
 * shadow_check() - the from-scratch checker of shadow pages
 * @mmu: takes its lock
 * @m: where violations are printed
 *
 * Return: their number.
 */
int shadow_check(struct mmu *mmu, struct seq_file *m)
{
	struct shadow *s = mmu->shadow;
	struct shadow_page *sp;
	int violations = 0;
	long nr = 0;

	write_lock(&mmu->lock);
	list_for_each_entry(sp, &s->pages, lru) {
		violations += shadow_check_page(mmu, sp, m);
		nr++;
	}
	if (nr != s->nr) {
		seq_printf(m, "mmu: %ld shadow pages, but the counter says %ld\n", nr, s->nr);
		violations++;
	}
	write_unlock(&mmu->lock);
	return violations;
}
