// SPDX-License-Identifier: GPL-2.0-only
/*
 * User-backed slots follow the process: when the kernel takes pages away from its
 * address space, the mmu notifier takes them away from the TDP tables.  Owns the
 * invalidations in progress; the faults' side of the protocol is fault.c's.
 *
 * A walk over many slots lets go of the lock now and then (walk_zap()).
 *
 * Where the process maps a gmem, and the slot has a window (window.c), the page is the gmem's
 * to take away. That the process's own page tables lose it means nothing there; that the
 * mapping goes, or its protection changes, ends the window.
 *
 * The hard part: between invalidate_range_start and _end the page of an hva may be
 * the old or the new one, so faults in that range start again until the end; one that
 * began before the end, and comes to its check after it, sees the sequence bumped.
 */
#include <linux/mm.h>
#include <linux/sched/mm.h>

#include "compat.h"
#include "mmu/notifier.h"
#include "mmu/slots.h"
#include "mmu/tdp.h"
#include "mmu/window.h"

static struct mmu *notifier_mmu(struct mmu_notifier *mn)
{
	return container_of(mn, struct mmu, notifier);
}

/*
 * A VMM may have thousands of slots over one address, and all of them are to be looked at
 * when the kernel wants its page. So many are at one go, with the lock held.
 */
#define SLOTS_AT_ONCE	64

/**
 * struct hva_walk - a way through the slots over a range, on which others have their turn
 * @node: in mmu->hva_walks; mmu->lock
 * @start: first hva
 * @last: last one, inclusive
 * @pages_only: what the process maps there stays what it is
 * @next: the slot to go on with; mmu->lock for write
 */
struct hva_walk {
	struct list_head node;
	unsigned long start, last;
	bool pages_only;
	struct interval_tree_node *next;
};

/* The gfns of a slot that are backed by hvas of [start, last]. */
static void slot_part(const struct memslot *s, unsigned long start, unsigned long last,
		      gfn_t *first, gfn_t *end)
{
	const struct interval_tree_node *n = &s->hva_node;

	*first = s->base + ((max(start, n->start) - n->start) >> PAGE_SHIFT);
	*end = s->base + ((min(last, n->last) - n->start) >> PAGE_SHIFT) + 1;
}

/**
 * notifier_forget() - a user-backed slot is going to be taken out of mmu->slots_by_hva
 * @mmu: lock held for write
 * @slot: still in it
 */
void notifier_forget(struct mmu *mmu, struct memslot *slot)
{
	struct hva_walk *walk;

	list_for_each_entry(walk, &mmu->hva_walks, node)
		if (walk->next == &slot->hva_node)
			walk->next = interval_tree_iter_next(walk->next, walk->start, walk->last);
}

#ifdef DITTO_KUNIT
void (*notifier_between)(struct mmu *mmu);
#endif

/* Others' turn: faults, changes of slots. What was zapped is gone from TLBs by then. */
static void walk_pause(struct mmu *mmu, struct tdp_zap *zap, bool may_sleep)
	__must_hold(&mmu->lock)
{
	tdp_zap_flush(mmu, zap);
	write_unlock(&mmu->lock);
#ifdef DITTO_KUNIT
	if (notifier_between)
		notifier_between(mmu);
#endif
	if (may_sleep)
		cond_resched();
	write_lock(&mmu->lock);
}

static void walk_zap_slot(struct mmu *mmu, const struct hva_walk *walk, struct tdp_zap *zap,
			  struct memslot *slot)
{
	gfn_t first, end;

	slot_part(slot, walk->start, walk->last, &first, &end);
	if (!walk->pages_only)
		windows_drop(slot, first, end);
	windows_zap_others(slot, zap, first, end);
}

/*
 * Zap what the slots over a range map. The range is noted as being in flux: slots that
 * come meanwhile map nothing of it.
 */
static void walk_zap(struct mmu *mmu, struct hva_walk *walk, struct tdp_zap *zap, bool may_sleep)
	__must_hold(&mmu->lock)
{
	struct interval_tree_node *n;
	unsigned int done = 0;

	list_add(&walk->node, &mmu->hva_walks);
	n = interval_tree_iter_first(&mmu->slots_by_hva, walk->start, walk->last);
	for (; n; n = walk->next) {
		walk->next = interval_tree_iter_next(n, walk->start, walk->last);
		walk_zap_slot(mmu, walk, zap, container_of(n, struct memslot, hva_node));
		if (++done % SLOTS_AT_ONCE == 0 && walk->next)
			walk_pause(mmu, zap, may_sleep);
	}
	list_del(&walk->node);
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

/* Events after which the process maps what it did before, with the same rights. */
static bool event_is_of_pages(enum mmu_notifier_event event)
{
	return event == MMU_NOTIFY_CLEAR || event == MMU_NOTIFY_PROTECTION_PAGE ||
	       event == MMU_NOTIFY_SOFT_DIRTY;
}

/* @tell: leaves of private memory go, too, whose gmems have to know which were dirty. */
static void notifier_zap(struct mmu *mmu, const struct mmu_notifier_range *range, bool tell)
{
	struct hva_walk walk = {
		.start = range->start,
		.last = range->end - 1,
		.pages_only = event_is_of_pages(range->event),
	};
	struct tdp_zap zap;

	tdp_zap_init(&zap, NULL);
	zap.tell_all = tell;
	write_lock(&mmu->lock);
	note_begin(mmu, range->start, range->end);
	walk_zap(mmu, &walk, &zap, mmu_notifier_range_blockable(range));
	tdp_zap_flush(mmu, &zap);
	write_unlock(&mmu->lock);
	tdp_zap_finish(mmu, &zap, false);
}

static int notifier_range_start(struct mmu_notifier *mn, const struct mmu_notifier_range *range)
{
	struct mmu *mmu = notifier_mmu(mn);
	int idx;

	if (!mmu->private_mem) {
		notifier_zap(mmu, range, false);
		return 0;
	}
	idx = srcu_read_lock(&mmu->srcu);
	notifier_zap(mmu, range, true);
	srcu_read_unlock(&mmu->srcu, idx);
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
	struct hva_walk walk = { .last = ULONG_MAX };
	struct mmu *mmu = notifier_mmu(mn);
	struct tdp_zap zap;

	tdp_zap_all(mmu, false);
	tdp_zap_init(&zap, NULL);
	write_lock(&mmu->lock);
	walk_zap(mmu, &walk, &zap, false);
	tdp_zap_flush(mmu, &zap);
	write_unlock(&mmu->lock);
	tdp_zap_finish(mmu, &zap, false);
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

/*
 * No flush after accessed bits were cleared, as everywhere on x86: a page whose translation
 * stays cached looks older than it is, which may cost time but is never wrong. The caller
 * may hold a spinlock, so the walk cannot pause: a page in more slots than it looks at is
 * young.
 */
static bool notifier_age(struct mmu_notifier *mn, unsigned long start, unsigned long end,
			 bool clear)
{
	struct mmu *mmu = notifier_mmu(mn);
	struct age age = { .clear = clear };
	struct interval_tree_node *n;
	unsigned int left = SLOTS_AT_ONCE;
	gfn_t from, to;

	write_lock(&mmu->lock);
	n = interval_tree_iter_first(&mmu->slots_by_hva, start, end - 1);
	for (; n && left; n = interval_tree_iter_next(n, start, end - 1), left--) {
		slot_part(container_of(n, struct memslot, hva_node), start, end - 1, &from, &to);
		tdp_for_each_leaf(mmu, from, to, age_leaf, &age);
	}
	write_unlock(&mmu->lock);
	return age.young || n;
}

static compat_young_t notifier_clear_flush_young(struct mmu_notifier *mn, struct mm_struct *mm,
						 unsigned long start, unsigned long end)
{
	return notifier_age(mn, start, end, true);
}

static compat_young_t notifier_clear_young(struct mmu_notifier *mn, struct mm_struct *mm,
					   unsigned long start, unsigned long end)
{
	return notifier_age(mn, start, end, true);
}

static compat_young_t notifier_test_young(struct mmu_notifier *mn, struct mm_struct *mm,
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
