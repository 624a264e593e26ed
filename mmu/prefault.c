// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mapping guest memory before the guest touches it. Owns the way through a range; each page
 * is found and entered as for a read fault of the vCPU (fault.c).
 *
 * The hard part is that the caller chooses the range, which may be as large as the address
 * space: it ends at a signal, and holds no lock and no read section longer than for a page.
 */
#include <linux/mm.h>
#include <linux/sched/signal.h>

#include "mmu/mmu.h"
#include "mmu/tdp.h"

static bool prefault_leaf(struct mmu *mmu, u64 *sptep, gfn_t gfn, int level, void *end)
{
	*(gfn_t *)end = gfn + tdp_pages(level);
	return false;
}

/* Behind what the leaf of a gfn maps; 0: there is none. */
static gfn_t prefault_mapped(struct mmu *mmu, gfn_t gfn)
{
	gfn_t end = 0;

	read_lock(&mmu->lock);
	tdp_for_each_leaf(mmu, gfn, gfn + 1, prefault_leaf, &end);
	read_unlock(&mmu->lock);
	return end;
}

static int prefault_fault(struct mmu *mmu, struct fault_streaks *streaks, gfn_t gfn)
{
	int idx = srcu_read_lock(&mmu->srcu);
	enum mmu_fault_result r = mmu_tdp_fault(mmu, streaks, gfn << PAGE_SHIFT, MMU_READ);

	srcu_read_unlock(&mmu->srcu, idx);
	if (r == MMU_FAULT_MMIO)
		return -ENOENT;
	return r == MMU_FAULT_FAILED ? streaks->error : 0;
}

/* Map the page of @gfn; @next is the first gfn behind what is mapped with it. */
static int prefault_page(struct mmu *mmu, struct fault_streaks *streaks, gfn_t gfn, gfn_t *next)
{
	int err;

	if (gfn >= mmu_max_gfn(mmu))
		return -ENOENT;
	*next = prefault_mapped(mmu, gfn);
	if (*next)
		return 0;
	err = prefault_fault(mmu, streaks, gfn);
	/* Gone again already: that is as good. */
	*next = prefault_mapped(mmu, gfn) ?: gfn + 1;
	return err;
}

/**
 * mmu_pre_fault() - KVM_PRE_FAULT_MEMORY
 * @mmu: the caller is in no read section of its srcu, and holds no lock
 * @streaks: of the vCPU
 * @gpa: where to begin; moves on with what is done
 * @size: bytes; shrinks with it
 *
 * May sleep for long; a signal ends it.
 *
 * Return: 0 when a page or more was mapped, even if there is no way on; else -EINVAL for a
 * range that is empty, goes round or is not of pages; -ENOENT: no memslot is there; -EINTR;
 * or why mmu_tdp_fault() failed.
 */
int mmu_pre_fault(struct mmu *mmu, struct fault_streaks *streaks, u64 *gpa, u64 *size)
{
	u64 all = *size, done;
	gfn_t next;
	int err;

	if (!PAGE_ALIGNED(*gpa) || !PAGE_ALIGNED(*size) || *gpa + *size <= *gpa)
		return -EINVAL;
	do {
		err = signal_pending(current) ? -EINTR :
			prefault_page(mmu, streaks, *gpa >> PAGE_SHIFT, &next);
		if (err)
			break;
		done = min(*size, (next << PAGE_SHIFT) - *gpa);
		*gpa += done;
		*size -= done;
		cond_resched();
	} while (*size);
	return *size < all ? 0 : err;
}
