// SPDX-License-Identifier: GPL-2.0-only
/*
 * When memory of user-backed slots is adopted: moved into a gmem that the process maps at the same
 * address, so that it can be merged (gmem/adopt.c says how). Owns the times of looking, and what
 * the last look found. From the next fault on a window is there (window.c).
 *
 * A VMM marks memory with madvise(), of which the kernel tells nobody. So KVM_RUN looks: for the
 * first time after a slot has been made, then after a second, and after twice as long each time
 * that nothing was found, up to a minute; while the parameter forbids it, after a second. The way
 * of KVM_RUN has one comparison for that. A slot's making does not look itself: a VMM that
 * registers its memory with userfaultfd before the guest runs, as the target of a migration does,
 * finds it as it was.
 *
 * One thread looks, the first that comes; vCPUs that come meanwhile go on. When a signal ends the
 * look the guest runs for a while before it goes on: signals may come as often as they like.
 */
#include <linux/jiffies.h>
#include <linux/mm.h>

#include <ditto.h>
#include "mmu/adopt.h"
#include "mmu/slots.h"
#include "mmu/window.h"

#define LOOK_FIRST	HZ
#define LOOK_LAST	(60 * HZ)
#define LOOK_ON		(HZ / 10)

/**
 * struct adopt_look - a look at all user-backed memory
 * @moved: something was adopted
 * @bytes: of the slots, what is not a gmem's, for each reason
 */
struct adopt_look {
	bool moved;
	u64 bytes[DITTO_UNADOPTED_KINDS];
};

/* The first part of user-backed slots at or after @hva: [*start, *end). */
static bool slots_next_hva(struct mmu *mmu, unsigned long hva, unsigned long *start,
			   unsigned long *end)
{
	struct interval_tree_node *n;

	read_lock(&mmu->lock);
	n = interval_tree_iter_first(&mmu->slots_by_hva, hva, ULONG_MAX);
	if (n) {
		*start = max(hva, n->start);
		*end = n->last + 1;
	}
	read_unlock(&mmu->lock);
	return n;
}

/*
 * What is adopted gets its window at once, not when the guest touches it: what the machine's policy
 * becomes meanwhile shall hold for it (gmems.c).
 */
static void look_window(struct mmu *mmu, unsigned long hva)
{
	struct interval_tree_node *n;
	struct memslot *slot = NULL;
	int idx = srcu_read_lock(&mmu->srcu);
	gfn_t gfn;

	read_lock(&mmu->lock);
	n = interval_tree_iter_first(&mmu->slots_by_hva, hva, hva);
	if (n)
		slot = container_of(n, struct memslot, hva_node);
	read_unlock(&mmu->lock);
	if (slot) {
		gfn = memslot_hva_gfn(slot, hva);
		if (window_choose(slot, gfn) == slot)
			window_make(slot, gfn);
	}
	srcu_read_unlock(&mmu->srcu, idx);
}

/* 0, or -EINTR. */
static int look_range(struct mmu *mmu, struct adopt_look *look, unsigned long hva,
		      unsigned long end)
{
	unsigned long next;
	u32 why;
	int ret;

	for (; hva < end; hva = next) {
		ret = gmem_adopt(hva, READ_ONCE(mmu->policy), &next, &why);
		if (ret < 0)
			return ret;
		if (ret)
			look_window(mmu, hva);
		look->moved |= ret;
		look->bytes[why] += min(next, end) - hva;
	}
	return 0;
}

static int look_all(struct mmu *mmu, struct adopt_look *look)
{
	unsigned long start, end = 0;
	int err = 0;

	while (!err && slots_next_hva(mmu, end, &start, &end))
		err = look_range(mmu, look, start, end);
	return err;
}

/* What DITTO_LIST_VMS says. */
static u32 adopt_look_result(const struct adopt_look *look)
{
	u32 why, most = DITTO_UNADOPTED_NONE;
	u64 sum = 0;

	for (why = DITTO_UNADOPTED_NONE + 1; why < DITTO_UNADOPTED_KINDS; why++) {
		sum += look->bytes[why];
		if (most == DITTO_UNADOPTED_NONE ? look->bytes[why] :
						   look->bytes[why] > look->bytes[most])
			most = why;
	}
	sum = min_t(u64, DIV_ROUND_UP(sum, SZ_1M), U32_MAX >> DITTO_UNADOPTED_SHIFT);
	return sum << DITTO_UNADOPTED_SHIFT | most;
}

static void look_finish(struct mmu *mmu, const struct adopt_look *look)
{
	WRITE_ONCE(mmu->unadopted, adopt_look_result(look));
	if (look->moved)
		mmu->adopt_wait = LOOK_FIRST;
}

/* When to look next. */
static unsigned long look_wait(struct mmu *mmu)
{
	unsigned long wait = mmu->adopt_wait;

	mmu->adopt_wait = min_t(unsigned long, 2 * wait, LOOK_LAST);
	return wait;
}

/* Returns how long to wait then. */
static unsigned long look_now(struct mmu *mmu)
{
	struct adopt_look look = { 0 };

	/* The caller may have come when there was no process yet. */
	if (!READ_ONCE(mmu->mm) || mmu_is_foreign(mmu))
		return LOOK_LAST;
	if (mmu->private_mem)
		look.bytes[DITTO_UNADOPTED_PRIVATE] = READ_ONCE(mmu->nr_pages) << PAGE_SHIFT;
	else if (look_all(mmu, &look))
		return LOOK_ON;
	look_finish(mmu, &look);
	/* The parameter may change at any time, and is to hold soon. */
	return look.bytes[DITTO_UNADOPTED_OFF] ? LOOK_FIRST : look_wait(mmu);
}

/**
 * mmu_adopt_look() - adopt what can be; mmu_adopt() has found that it is time
 * @mmu: of the calling process, or of none; in no read section, no lock but the vCPU's
 *
 * May sleep; returns early, to go on the next time, when a signal comes.
 */
void mmu_adopt_look(struct mmu *mmu)
{
	unsigned long late = jiffies + LOOK_LAST, wait;

	if (!mutex_trylock(&mmu->adopt_lock))
		return;
	WRITE_ONCE(mmu->adopt_due, late);
	wait = look_now(mmu);
	/* Of a slot that has come meanwhile somebody has said so: it may not have been seen. */
	cmpxchg(&mmu->adopt_due, late, jiffies + wait);
	mutex_unlock(&mmu->adopt_lock);
}

/**
 * mmu_adopt_soon() - there is a new user-backed slot: look at the next KVM_RUN
 * @mmu: slots_lock held; the slot is found
 */
void mmu_adopt_soon(struct mmu *mmu)
{
	WRITE_ONCE(mmu->adopt_due, jiffies);
}

/**
 * mmu_adopt_init() - nothing was looked at
 * @mmu: being made
 */
void mmu_adopt_init(struct mmu *mmu)
{
	mutex_init(&mmu->adopt_lock);
	mmu->adopt_wait = LOOK_FIRST;
	mmu->adopt_due = jiffies;
}
