// SPDX-License-Identifier: GPL-2.0-only
/*
 * Writing a byte of guest memory where nothing can be waited for: by the scheduler, or just
 * before an entry, with interrupts off.  access.c's writes may sleep; these go through a leaf
 * of the TDP tables, as the guest's own do, and only where the guest itself could write now.
 *
 * The hard part is mmu->lock: its holder may be waiting for this CPU.  So it is only
 * tried, and a write that does not come off has done nothing.
 */
#include <linux/mm.h>

#include "mmu/dirty.h"
#include "mmu/guest.h"
#include "mmu/slots.h"
#include "mmu/tdp.h"

/*
 * The writable leaf that maps a gfn, or NULL; @level is set, and @above to the entry that points
 * at its table. @lock held.
 */
static u64 *poke_find(const struct mmu *mmu, gfn_t gfn, int *level, u64 **above)
{
	const struct tdp_format *f = mmu->host->format;
	u64 *table = mmu->root;

	*above = NULL;
	for (*level = f->levels; ; (*level)--) {
		u64 *sptep = &table[tdp_index(gfn, *level)];
		u64 spte = READ_ONCE(*sptep);

		if (!spte)
			return NULL;
		if (tdp_is_leaf(f, spte, *level))
			return spte & f->writable ? sptep : NULL;
		table = tdp_table(f, spte);
		*above = sptep;
	}
}

/*
 * As the CPU sets them. Others add bits meanwhile; only a holder of @lock for write takes any away.
 */
static void poke_set(u64 *sptep, u64 bits)
{
	u64 old = READ_ONCE(*sptep);

	while (!try_cmpxchg64(sptep, &old, old | bits))
		;
}

/* @lock held for read. */
static bool poke_locked(struct mmu *mmu, gpa_t gpa, u8 val)
{
	const struct tdp_format *f = mmu->host->format;
	gfn_t gfn = gpa >> PAGE_SHIFT;
	struct memslot *slot;
	kvm_pfn_t pfn;
	u64 *sptep, *above;
	int level;

	sptep = poke_find(mmu, gfn, &level, &above);
	slot = sptep ? slots_search(mmu, gfn) : NULL;
	/*
	 * Where the CPU logs, a leaf is writable before the dirty log knows; and we cannot tell it.
	 */
	if (!slot || memslot_log_waits(slot, gfn))
		return false;
	slot = memslot_behind(slot, gfn);
	pfn = tdp_pfn(f, READ_ONCE(*sptep)) + (gfn & (tdp_pages(level) - 1));
	/* A device's memory has no page, or none that can be written like this. */
	if (!pfn_valid(pfn) || PageReserved(pfn_to_page(pfn)))
		return false;
	poke_set(sptep, f->accessed | f->dirty);
	if (above)
		poke_set(above, f->accessed);
	WRITE_ONCE(((u8 *)__va(PFN_PHYS(pfn)))[offset_in_page(gpa)], val);
	memslot_note_written(slot, gfn);
	return true;
}

/**
 * guest_poke() - write one byte of guest memory if that can be done at once
 * @mmu: any
 * @gpa: any
 * @val: the byte
 *
 * Any context but an interrupt's; locks of the scheduler may be held.
 *
 * Return: whether it was written. It is not where the guest has no writable mapping just now,
 * or somebody changes mappings.
 */
bool guest_poke(struct mmu *mmu, gpa_t gpa, u8 val)
{
	bool done;
	int idx;

	/* With PREEMPT_RT unlocking may wake a writer, which the scheduler's locks forbid. */
	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		return false;
	if (gpa >> PAGE_SHIFT >= mmu_max_gfn(mmu) || !read_trylock(&mmu->lock))
		return false;
	/* What slots and logs are freed behind. Untracked: the scheduler's locks may be held. */
	idx = srcu_read_lock_notrace(&mmu->srcu);
	done = poke_locked(mmu, gpa, val);
	srcu_read_unlock_notrace(&mmu->srcu, idx);
	read_unlock(&mmu->lock);
	return done;
}
