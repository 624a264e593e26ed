/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memslots, for the files of the mmu room.
 */
#ifndef DITTO_MMU_SLOTS_H
#define DITTO_MMU_SLOTS_H

#include "gmem/gmem.h"
#include "mmu/mmu.h"

/**
 * struct memslot - a range of guest-physical memory and what backs it
 *
 * All but @counts_gmem and the bits of @written is constant while it is in mmu->slots.
 *
 * @mmu: that it belongs to
 * @base: first gfn
 * @npages: its size
 * @id: the VMM's number
 * @flags: KVM_MEM_READONLY or 0
 * @gmem: backs the slot, with a reference; NULL for a user-backed slot
 * @binding: in @gmem; from offset binding.node.start on
 * @written: where the format is logged, a bit for each SLOT_REGION of @gmem that may
 *	have dirty leaves; atomic.  Else NULL
 * @addr: what backs the first byte: an offset in bytes into @gmem, or an hva
 * @counts_gmem: mmu_stats() counts @gmem when it sees this slot, because another
 *	slot may have the same; mmu->slots_lock
 */
struct memslot {
	struct mmu *mmu;
	gfn_t base;
	u64 npages;
	u32 id;
	u32 flags;
	struct gmem *gmem;
	struct gmem_binding binding;
	unsigned long *written;
	u64 addr;
	bool counts_gmem;
};

/**
 * struct mmu_slots - one set of memslots; immutable but for @last
 * @rcu: frees it
 * @hva_start, @hva_end: enclose the hvas of all user-backed slots
 * @last: index of the slot that was found last; racy, only a hint
 * @nr: length of @slot
 * @slot: sorted by base; ranges do not overlap
 */
struct mmu_slots {
	struct rcu_head rcu;
	unsigned long hva_start, hva_end;
	unsigned int last;
	unsigned int nr;
	struct memslot *slot[];
};

/* Pages of a gmem, from a multiple of it on, for which @written has one bit. */
#define SLOT_REGION	512

struct memslot *slots_search(struct mmu_slots *slots, gfn_t gfn);

int binding_attach(struct memslot *slot);

static inline bool memslot_has(const struct memslot *slot, gfn_t gfn)
{
	return gfn - slot->base < slot->npages;
}

static inline bool memslot_readonly(const struct memslot *slot)
{
	return slot->flags & KVM_MEM_READONLY;
}

/* What backs a gpa of the slot: a byte offset into its gmem, or an hva. */
static inline u64 memslot_addr(const struct memslot *slot, gpa_t gpa)
{
	return gpa - (slot->base << PAGE_SHIFT) + slot->addr;
}

/* Of a gmem-backed slot. */
static inline pgoff_t memslot_offset(const struct memslot *slot, gfn_t gfn)
{
	return gfn - slot->base + (slot->addr >> PAGE_SHIFT);
}

static inline gfn_t memslot_gfn(const struct memslot *slot, pgoff_t off)
{
	return off - (slot->addr >> PAGE_SHIFT) + slot->base;
}

/* The bit of @written for an offset of the slot's gmem. */
static inline unsigned long memslot_region(const struct memslot *slot, pgoff_t off)
{
	return off / SLOT_REGION - (slot->addr >> PAGE_SHIFT) / SLOT_REGION;
}

/* A leaf became dirty: after that, so that who takes the bit finds the leaf. */
static inline void memslot_note_written(struct memslot *slot, gfn_t gfn)
{
	if (slot->written)
		set_bit(memslot_region(slot, memslot_offset(slot, gfn)), slot->written);
}

/* The present slots, for a holder of one of the two locks that keep them. */
static inline struct mmu_slots *mmu_slots_locked(struct mmu *mmu)
{
	return rcu_dereference_protected(mmu->slots, lockdep_is_held(&mmu->lock) ||
					 lockdep_is_held(&mmu->slots_lock));
}

/**
 * mmu_find_slot - the memslot that has a gfn
 * @mmu: the caller is in a read section of its srcu
 * @gfn: any
 *
 * On the exit path: a few instructions when the last lookup found the same slot.
 * Returns NULL when there is none.
 */
static inline struct memslot *mmu_find_slot(struct mmu *mmu, gfn_t gfn)
{
	struct mmu_slots *slots = srcu_dereference(mmu->slots, &mmu->srcu);
	unsigned int last = READ_ONCE(slots->last);

	if (likely(last < slots->nr && memslot_has(slots->slot[last], gfn)))
		return slots->slot[last];
	return slots_search(slots, gfn);
}

#endif
