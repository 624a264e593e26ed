/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memslots, and how one is found, for the files of the mmu room. What few of them have is in
 * headers of its own: dirty.h, private.h, window.h.
 */
#ifndef DITTO_MMU_SLOTS_H
#define DITTO_MMU_SLOTS_H

#include <linux/interval_tree.h>
#include <linux/rbtree.h>

#include "compat.h"
#include "gmem/gmem.h"
#include "mmu/mmu.h"
#include "mmu/window.h"

struct dirty_log;

/**
 * struct memslot - a range of guest-physical memory and what backs it
 *
 * All but @log, @windows, @gone, the bits of @written and the nodes is constant while it is
 * published. A machine may have tens of thousands, most of them over user memory: what few of
 * them need is behind a pointer.
 *
 * @mmu: that it belongs to
 * @base: first gfn
 * @npages: its size
 * @id: the VMM's number
 * @gone: of a window: nothing is mapped through it, and it is looked up no more; mmu->lock
 * @flags: KVM_MEM_READONLY, KVM_MEM_GUEST_MEMFD: it is one of the two of such a region
 * @gfn_node: in the two trees mmu->slots_by_gfn
 * @hva_node: of a user-backed slot: its hvas in mmu->mm, in mmu->slots_by_hva. Its start is
 *	constant, too, and 0 in the others
 * @gmem: backs the slot, with a reference; NULL for a user-backed slot
 * @private: of a user-backed slot: the one behind it, which is found where gfns are private
 *	(private.c); or NULL
 * @front: of a window: the user-backed slot that it is a part of (window.c); else NULL
 * @windows: of a user-backed slot that has, or had, a window; else NULL. Set once, by
 *	cmpxchg, in a section of mmu->srcu
 * @user: of a gmem-backed slot: what counts it among those of @gmem
 * @binding: in @gmem; from offset binding.node.start on
 * @written: where the format is logged, a bit for each LOG_BLOCK of @gmem that may
 *	have dirty leaves; atomic.  Else NULL
 * @log: of the slot's writes, or NULL.  Changed under mmu->slots_lock and mmu->lock for
 *	write, so that either holds it still, too; freed after a section of mmu->srcu
 * @pos: of a gmem-backed slot: where its first byte is, in bytes from the beginning of @gmem
 */
struct memslot {
	struct mmu *mmu;
	gfn_t base;
	u64 npages;
	u16 id;
	bool gone;
	u32 flags;
	struct rb_node gfn_node[2];
	struct interval_tree_node hva_node;
	struct gmem *gmem;
	struct memslot *private;
	struct memslot *front;
	struct memslot_windows *windows;
	struct mmu_gmem *user;
	struct gmem_binding binding;
	unsigned long *written;
	struct dirty_log *log;
	u64 pos;
};

/* The next size that there is to allocate is twice as large. */
static_assert(sizeof(struct memslot) <= 256);
static_assert(MMU_NR_SLOTS <= U16_MAX);

struct memslot *slots_in_front(struct mmu *mmu, gfn_t gfn);
struct memslot *slots_search(struct mmu *mmu, gfn_t gfn);

int slots_add(struct mmu *mmu, const struct memslot *tmpl);
int memslot_alloc_written(struct memslot *slot);
int memslot_attach_gmem(struct memslot *slot);
int binding_attach(struct memslot *slot);

static inline bool memslot_has(const struct memslot *slot, gfn_t gfn)
{
	return gfn - slot->base < slot->npages;
}

/* Is it the one of a region's two that private gfns have? */
static inline bool memslot_is_private(const struct memslot *slot)
{
	return slot->gmem && (slot->flags & KVM_MEM_GUEST_MEMFD);
}

static inline bool memslot_readonly(const struct memslot *slot)
{
	return slot->flags & KVM_MEM_READONLY;
}

/* Of a user-backed slot. */
static inline hva_t memslot_hva(const struct memslot *slot, gpa_t gpa)
{
	return gpa - (slot->base << PAGE_SHIFT) + slot->hva_node.start;
}

/* The same the other way round; an hva that the slot has, or the end of those. */
static inline gfn_t memslot_hva_gfn(const struct memslot *slot, hva_t hva)
{
	return slot->base + ((hva - slot->hva_node.start) >> PAGE_SHIFT);
}

/* Of a gmem-backed slot, as are the next two: the byte of its gmem. */
static inline u64 memslot_pos(const struct memslot *slot, gpa_t gpa)
{
	return gpa - (slot->base << PAGE_SHIFT) + slot->pos;
}

static inline pgoff_t memslot_offset(const struct memslot *slot, gfn_t gfn)
{
	return gfn - slot->base + (slot->pos >> PAGE_SHIFT);
}

static inline gfn_t memslot_gfn(const struct memslot *slot, pgoff_t off)
{
	return off - (slot->pos >> PAGE_SHIFT) + slot->base;
}

/**
 * mmu_last_slot() - the memslot that was looked up last, if it has a gfn
 * @mmu: the caller is in a read section of its srcu
 * @gfn: any
 *
 * Return: the memslot, or NULL, which says nothing.
 */
static inline struct memslot *mmu_last_slot(struct mmu *mmu, gfn_t gfn)
{
	struct memslot *slot;

	RCU_LOCKDEP_WARN(!srcu_read_lock_held(&mmu->srcu), "memslots looked up outside of srcu");
	slot = READ_ONCE(mmu->slot_hint[READ_ONCE(mmu->slots_removed) & 1]);
	return likely(slot && memslot_has(slot, gfn)) ? slot : NULL;
}

/* What backs a gfn of a slot: the slot, or its window there. In a section of mmu->srcu. */
static inline struct memslot *memslot_behind(struct memslot *slot, gfn_t gfn)
{
	return slot && READ_ONCE(slot->windows) ? window_choose(slot, gfn) : slot;
}

/**
 * mmu_find_slot() - the memslot that has a gfn
 * @mmu: the caller is in a read section of its srcu
 * @gfn: any
 *
 * On the exit path: a few instructions when the last lookup found the same slot. Where
 * memory can be private, the slot is the one that the gfn has now; where the VMM maps a gmem,
 * it is a window.
 *
 * Return: the memslot, or NULL when there is none.
 */
static inline struct memslot *mmu_find_slot(struct mmu *mmu, gfn_t gfn)
{
	struct memslot *slot = mmu_last_slot(mmu, gfn);

	return memslot_behind(likely(slot) ? slot : slots_search(mmu, gfn), gfn);
}

#endif
