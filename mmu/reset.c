// SPDX-License-Identifier: GPL-2.0-only
/*
 * The memory of a machine goes back to what that of its base is, another machine that it was
 * made from (copy.c) and that does not change. Owns the look at the memslots: they have to be
 * those of the base still. Pages are gmem's.
 */
#include "gmem/fork.h"
#include "mmu/copy.h"
#include "mmu/slots.h"

/* Is a slot what the base's of that number is, with no log that would miss what comes? */
static bool reset_slot_fits(const struct memslot *slot, struct mmu *base)
{
	const struct memslot *b = xa_load(&base->slots_by_id, slot->id);

	return b && slot->base == b->base && slot->npages == b->npages && slot->pos == b->pos &&
	       !((slot->flags ^ b->flags) & KVM_MEM_READONLY) && !slot->log &&
	       slot->gmem && gmem_has_base(slot->gmem, b->gmem);
}

/* slots_lock is held; those of @base do not change. */
static bool reset_slots_fit(struct mmu *mmu, struct mmu *base)
{
	struct memslot *slot;
	unsigned long id, missing = 0;

	xa_for_each(&base->slots_by_id, id, slot)
		missing++;
	xa_for_each(&mmu->slots_by_id, id, slot) {
		if (!reset_slot_fits(slot, base))
			return false;
		missing--;
	}
	return !missing;
}

/**
 * mmu_reset_begin() - see whether memory can go back
 * @mmu: whose memory; no vCPU runs
 * @base: of the machine that it goes back to
 *
 * Memslots and logs do not change until mmu_reset_end().
 *
 * Return: 0; -EBUSY, -EINTR: no, and there is nothing to end.
 */
int mmu_reset_begin(struct mmu *mmu, struct mmu *base)
{
	if (mutex_lock_killable(&mmu->slots_lock))
		return -EINTR;
	if (reset_slots_fit(mmu, base))
		return 0;
	mutex_unlock(&mmu->slots_lock);
	return -EBUSY;
}

/**
 * mmu_reset_memory() - memory is what it was
 * @mmu: between mmu_reset_begin() and mmu_reset_end()
 *
 * May sleep. A gmem behind several slots has nothing left to do for the second.
 *
 * Return: 0; -EINTR: a fatal signal came, and only part of it is what it was.
 */
int mmu_reset_memory(struct mmu *mmu)
{
	struct memslot *slot;
	unsigned long id;
	int err;

	xa_for_each(&mmu->slots_by_id, id, slot) {
		err = gmem_reset(slot->gmem);
		if (err)
			return err;
	}
	return 0;
}

/**
 * mmu_reset_end() - memslots may change again
 * @mmu: after mmu_reset_begin()
 */
void mmu_reset_end(struct mmu *mmu)
{
	mutex_unlock(&mmu->slots_lock);
}
