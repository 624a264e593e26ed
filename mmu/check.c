// SPDX-License-Identifier: GPL-2.0-only
/*
 * What tests want to know of an address space: whether its TDP tables say what the
 * gmems' indexes say, and its slots are where they are looked for.  Changes nothing.
 *
 * The hard part is that gmem must not be asked with mmu->lock held.  So the checker
 * notes the leaves of a batch, asks, and looks at a leaf that seems wrong once more:
 * at a quiet moment nothing moves, at another one a false alarm is unlikely.
 */
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>

#include "mmu/dirty.h"
#include "mmu/shadow.h"
#include "mmu/slots.h"
#include "mmu/tdp.h"

#define CHECK_BATCH	64

struct mmu_leaf {
	gfn_t gfn;
	int level;
	u64 spte;
};

/* A batch of leaves; @next is the gfn that the next one begins with. */
struct mmu_batch {
	struct mmu_leaf leaf[CHECK_BATCH];
	unsigned int nr;
	gfn_t next;
};

static bool batch_leaf(struct mmu *mmu, u64 *sptep, gfn_t gfn, int level, void *arg)
{
	struct mmu_batch *batch = arg;

	batch->leaf[batch->nr++] = (struct mmu_leaf) {
		.gfn = gfn,
		.level = level,
		.spte = READ_ONCE(*sptep),
	};
	batch->next = gfn + tdp_pages(level);
	return batch->nr < CHECK_BATCH;
}

/* Of the pages of a leaf, does the dirty log wait for a write to any? */
static bool leaf_log_waits(const struct memslot *slot, const struct mmu_leaf *leaf)
{
	gfn_t gfn;

	for (gfn = leaf->gfn; gfn < leaf->gfn + tdp_pages(leaf->level); gfn++)
		if (memslot_has(slot, gfn) && memslot_log_waits(slot, gfn))
			return true;
	return false;
}

/* What is wrong with one page of a leaf over a gmem, or NULL. */
static const char *gmem_page_wrong(struct mmu *mmu, const struct memslot *slot,
				   const struct mmu_leaf *leaf, unsigned int nr)
{
	const struct tdp_format *f = mmu->host->format;
	struct gmem_mapping map;

	if (gmem_fault(slot->gmem, memslot_offset(slot, leaf->gfn) + nr, false, &map))
		return "where the gmem has no page";
	if (tdp_pfn(f, leaf->spte) + nr != map.pfn)
		return "of another page than the gmem's";
	if ((leaf->spte & (f->writable | TDP_LOG_GUARD)) && !map.writable)
		return "writable, but the page is shared";
	return NULL;
}

/* A large leaf need not be over what is whole, if it is for reading: it goes with any page. */
static const char *gmem_leaf_wrong(struct mmu *mmu, const struct memslot *slot,
				   const struct mmu_leaf *leaf)
{
	const struct tdp_format *f = mmu->host->format;
	const char *wrong = NULL;
	unsigned int i;

	if (leaf->level > 2 || !memslot_has(slot, leaf->gfn + tdp_pages(leaf->level) - 1))
		return "larger than the memslot";
	for (i = 0; !wrong && i < tdp_pages(leaf->level); i++)
		wrong = gmem_page_wrong(mmu, slot, leaf, i);
	if (!wrong && leaf->level == 2 && (leaf->spte & f->writable) &&
	    !gmem_whole(slot->gmem, memslot_offset(slot, leaf->gfn), tdp_pfn(f, leaf->spte)))
		return "large and writable, but the gmem has pages there";
	return wrong;
}

/* What is wrong with a leaf, or NULL. */
static const char *mmu_leaf_wrong(struct mmu *mmu, const struct mmu_leaf *leaf)
{
	const struct tdp_format *f = mmu->host->format;
	struct memslot *slot = mmu_find_slot(mmu, leaf->gfn);
	u64 writable = f->writable | TDP_LOG_GUARD;

	if (!slot)
		return "in no memslot";
	if ((leaf->spte & writable) && memslot_readonly(slot))
		return "writable in a read-only memslot";
	if ((leaf->spte & writable) == writable)
		return "writable and guarded by a dirty log";
	if ((leaf->spte & (mmu_cpu_logs(mmu) ? f->dirty : f->writable)) &&
	    leaf_log_waits(slot, leaf))
		return mmu_cpu_logs(mmu) ? "dirty, but clean in the dirty log" :
				   "writable, but clean in the dirty log";
	return slot->gmem ? gmem_leaf_wrong(mmu, slot, leaf) : NULL;
}

static bool leaf_still_there(struct mmu *mmu, const struct mmu_leaf *leaf)
{
	u64 volatile_bits = mmu->host->format->accessed | mmu->host->format->dirty;
	struct mmu_batch *now = kzalloc(sizeof(*now), GFP_KERNEL);
	bool same;

	if (!now)
		return true;
	read_lock(&mmu->lock);
	tdp_for_each_leaf(mmu, leaf->gfn, leaf->gfn + 1, batch_leaf, now);
	read_unlock(&mmu->lock);
	same = now->nr && !((now->leaf[0].spte ^ leaf->spte) & ~volatile_bits);
	kfree(now);
	return same;
}

static int mmu_check_leaf(struct mmu *mmu, const struct mmu_leaf *leaf, struct seq_file *m)
{
	const char *wrong = mmu_leaf_wrong(mmu, leaf);

	if (!wrong || !leaf_still_there(mmu, leaf) || !mmu_leaf_wrong(mmu, leaf))
		return 0;
	seq_printf(m, "mmu: gfn %llx: entry %llx (level %d) is %s\n", leaf->gfn, leaf->spte,
		   leaf->level, wrong);
	return 1;
}

static int check_leaves(struct mmu *mmu, struct mmu_batch *batch, struct seq_file *m)
{
	gfn_t end = tdp_pages(mmu->host->format->levels + 1);
	int violations = 0;
	unsigned int i;
	bool all;

	do {
		batch->nr = 0;
		read_lock(&mmu->lock);
		all = tdp_for_each_leaf(mmu, batch->next, end, batch_leaf, batch);
		read_unlock(&mmu->lock);
		for (i = 0; i < batch->nr; i++)
			violations += mmu_check_leaf(mmu, &batch->leaf[i], m);
		cond_resched();
	} while (!all && !fatal_signal_pending(current));
	return violations;
}

/* What windows have left behind is counted until a work item has freed it (window.c). */
static int check_tables(struct mmu *mmu, struct seq_file *m)
{
	long found, counted;
	bool more;

	write_lock(&mmu->lock);
	found = tdp_count_tables(mmu);
	counted = atomic_long_read(&mmu->nr_tables);
	more = mmu->nr_windows_dead;
	write_unlock(&mmu->lock);
	if (found == counted || (more && found < counted))
		return 0;
	seq_printf(m, "mmu: %ld TDP tables, but the counter says %ld\n", found, counted);
	return 1;
}

static u64 tree_pages(struct mmu *mmu, unsigned int copy, unsigned int *nr)
{
	struct rb_node *node;
	u64 pages = 0;

	for (node = rb_first(&mmu->slots_by_gfn[copy]); node; node = rb_next(node)) {
		pages += container_of(node - copy, struct memslot, gfn_node[0])->npages;
		++*nr;
	}
	return pages;
}

static unsigned int hva_slots(struct mmu *mmu)
{
	struct interval_tree_node *n;
	unsigned int nr = 0;

	for (n = interval_tree_iter_first(&mmu->slots_by_hva, 0, ULONG_MAX); n;
	     n = interval_tree_iter_next(n, 0, ULONG_MAX))
		nr++;
	return nr;
}

/* The trees have the slots that the index by number has, and no others. -EINTR: killed. */
static int check_slots(struct mmu *mmu, struct seq_file *m)
{
	unsigned int nr = 0, users = 0, first = 0, second = 0, hvas;
	u64 sum = 0, a, b, counted;
	struct memslot *slot;
	unsigned long id;

	/* Its holder may be waiting for user space. */
	if (mutex_lock_killable(&mmu->slots_lock))
		return -EINTR;
	xa_for_each(&mmu->slots_by_id, id, slot) {
		sum += slot->npages;
		users += !slot->gmem;
		nr++;
	}
	read_lock(&mmu->lock);
	a = tree_pages(mmu, 0, &first);
	b = tree_pages(mmu, 1, &second);
	hvas = hva_slots(mmu);
	read_unlock(&mmu->lock);
	counted = mmu->nr_pages;
	mutex_unlock(&mmu->slots_lock);
	if (sum == counted && a == sum && b == sum && first == nr && second == nr && hvas == users)
		return 0;
	seq_printf(m, "mmu: %u memslots of %llu pages, %u of user memory; "
		   "counted %llu; in the trees %u of %llu, %u of %llu, %u\n",
		   nr, sum, users, counted, first, a, second, b, hvas);
	return 1;
}

/**
 * mmu_check() - the from-scratch checker of an address space
 * @mmu: takes its locks, srcu too; the caller is in none.  May sleep
 * @m: where violations are printed
 *
 * Proves, at a quiet moment: each SPTE is in a memslot; of a gmem-backed one it maps
 * the page that the index says, and none writable that is shared; none is writable whose
 * next write a dirty log waits for; table and page counters equal a recount; every slot is
 * in every tree that it belongs in; each entry of a shadow page follows from the guest's
 * table and from a TDP leaf.  Which pages user-backed slots map, it does not check.
 *
 * Return: the number of violations; -ENOMEM; -EINTR when the caller was killed.
 */
int mmu_check(struct mmu *mmu, struct seq_file *m)
{
	struct mmu_batch *batch = kzalloc(sizeof(*batch), GFP_KERNEL);
	int violations, idx;

	if (!batch)
		return -ENOMEM;
	violations = check_slots(mmu, m);
	if (violations < 0)
		goto out;
	violations += check_tables(mmu, m);
	idx = srcu_read_lock(&mmu->srcu);
	violations += check_leaves(mmu, batch, m);
	srcu_read_unlock(&mmu->srcu, idx);
	if (mmu->shadow)
		violations += shadow_check(mmu, m);
	if (fatal_signal_pending(current))
		violations = -EINTR;
out:
	kfree(batch);
	return violations;
}
