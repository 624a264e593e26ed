// SPDX-License-Identifier: GPL-2.0-only
/*
 * User-backed slots follow the process: when the kernel takes pages away from its
 * address space, the mmu notifier takes them away from the TDP tables.  Owns the
 * invalidations in progress; the faults' side of the protocol is fault.c's.
 *
 * The hard part: between invalidate_range_start and _end the page of an hva may be
 * the old or the new one, so faults in that range start again until the end; one that
 * began before the end, and comes to its check after it, sees the sequence bumped.
 */
#include <linux/mm.h>
#include <linux/sched/mm.h>

#include "mmu/notifier.h"
#include "mmu/slots.h"
#include "mmu/tdp.h"

static struct mmu *notifier_mmu(struct mmu_notifier *mn)
{
	return container_of(mn, struct mmu, notifier);
}

typedef void (*slot_range_fn)(struct mmu *mmu, gfn_t start, gfn_t end, void *arg);

/* Call fn for the part of each user-backed slot that hvas [start, end) back. */
static void for_each_hva_range(struct mmu *mmu, unsigned long start, unsigned long end,
			       slot_range_fn fn, void *arg)
{
	struct interval_tree_node *n;

	lockdep_assert_held(&mmu->lock);
	for (n = interval_tree_iter_first(&mmu->slots_by_hva, start, end - 1); n;
	     n = interval_tree_iter_next(n, start, end - 1)) {
		struct memslot *s = container_of(n, struct memslot, hva_node);
		unsigned long from = max(start, n->start), last = min(end - 1, n->last);

		fn(mmu, s->base + ((from - n->start) >> PAGE_SHIFT),
		   s->base + ((last - n->start) >> PAGE_SHIFT) + 1, arg);
	}
}

static void zap_range(struct mmu *mmu, gfn_t start, gfn_t end, void *zap)
{
	tdp_zap_range(mmu, zap, start, end);
}

static void note_begin(struct mmu *mmu, unsigned long start, unsigned long end)
{
	if (mmu->inv_active++) {
		mmu->inv_start = min(mmu->inv_start, start);
		mmu->inv_end = max(mmu->inv_end, end);
	} else {
		mmu->inv_start = start;
		mmu->inv_end = end;
	}
}

static int notifier_range_start(struct mmu_notifier *mn, const struct mmu_notifier_range *range)
{
	struct mmu *mmu = notifier_mmu(mn);
	struct tdp_zap zap;

	tdp_zap_init(&zap, NULL);
	write_lock(&mmu->lock);
	note_begin(mmu, range->start, range->end);
	for_each_hva_range(mmu, range->start, range->end, zap_range, &zap);
	tdp_zap_flush(mmu, &zap);
	write_unlock(&mmu->lock);
	tdp_zap_finish(mmu, &zap, false);
	return 0;
}

static void notifier_range_end(struct mmu_notifier *mn, const struct mmu_notifier_range *range)
{
	struct mmu *mmu = notifier_mmu(mn);

	write_lock(&mmu->lock);
	mmu_invalidated(mmu);
	if (!WARN_ON_ONCE(!mmu->inv_active))
		mmu->inv_active--;
	write_unlock(&mmu->lock);
}

/* The process is going: its pages do, too. */
static void notifier_release(struct mmu_notifier *mn, struct mm_struct *mm)
{
	tdp_zap_all(notifier_mmu(mn), false);
}

struct age {
	bool young;
	bool clear;
};

static bool age_leaf(struct mmu *mmu, u64 *sptep, gfn_t gfn, int level, void *arg)
{
	u64 accessed = mmu->host->format->accessed;
	struct age *age = arg;

	if (!(READ_ONCE(*sptep) & accessed))
		return true;
	age->young = true;
	if (age->clear)
		tdp_clear_bits(sptep, accessed);
	return true;
}

static void age_range(struct mmu *mmu, gfn_t start, gfn_t end, void *age)
{
	tdp_for_each_leaf(mmu, start, end, age_leaf, age);
}

/*
 * No flush after accessed bits were cleared, as everywhere on x86: a page whose translation
 * stays cached looks older than it is, which may cost time but is never wrong.
 */
static int notifier_age(struct mmu_notifier *mn, unsigned long start, unsigned long end,
			bool clear)
{
	struct mmu *mmu = notifier_mmu(mn);
	struct age age = { .clear = clear };

	write_lock(&mmu->lock);
	for_each_hva_range(mmu, start, end, age_range, &age);
	write_unlock(&mmu->lock);
	return age.young;
}

static int notifier_clear_flush_young(struct mmu_notifier *mn, struct mm_struct *mm,
				      unsigned long start, unsigned long end)
{
	return notifier_age(mn, start, end, true);
}

static int notifier_clear_young(struct mmu_notifier *mn, struct mm_struct *mm,
				unsigned long start, unsigned long end)
{
	return notifier_age(mn, start, end, true);
}

static int notifier_test_young(struct mmu_notifier *mn, struct mm_struct *mm,
			       unsigned long address)
{
	return notifier_age(mn, address, address + 1, false);
}

static const struct mmu_notifier_ops notifier_ops = {
	.release = notifier_release,
	.invalidate_range_start = notifier_range_start,
	.invalidate_range_end = notifier_range_end,
	.clear_flush_young = notifier_clear_flush_young,
	.clear_young = notifier_clear_young,
	.test_young = notifier_test_young,
};

/**
 * notifier_may_attach() - may the caller have user-backed slots here?
 * @mmu: slots_lock held
 *
 * Return: whether it may: it has an mm, and @mmu belongs to no other one.
 */
bool notifier_may_attach(struct mmu *mmu)
{
	return current->mm && (!mmu->mm || mmu->mm == current->mm);
}

/**
 * notifier_attach() - tie an address space to the calling process
 * @mmu: slots_lock held; notifier_may_attach() said yes
 *
 * May sleep; takes mmap_lock for write.  Does nothing after the first time.
 *
 * Return: 0, -ENOMEM or -EINTR.
 */
int notifier_attach(struct mmu *mmu)
{
	int err;

	if (mmu->mm)
		return 0;
	mmu->notifier.ops = &notifier_ops;
	err = mmu_notifier_register(&mmu->notifier, current->mm);
	if (!err)
		mmu->mm = current->mm;
	return err;
}

/**
 * notifier_detach() - undo notifier_attach(), if it was called
 * @mmu: being destroyed
 *
 * May sleep; when it returns no callback runs or will.
 */
void notifier_detach(struct mmu *mmu)
{
	if (mmu->mm)
		mmu_notifier_unregister(&mmu->notifier, mmu->mm);
}
