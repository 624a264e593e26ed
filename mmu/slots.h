/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memslots, for the files of the mmu room.
 */
#ifndef DITTO_MMU_SLOTS_H
#define DITTO_MMU_SLOTS_H

#include <linux/interval_tree.h>
#include <linux/rbtree.h>

#include "compat.h"
#include "gmem/gmem.h"
#include "mmu/mmu.h"

struct tdp_zap;

/**
 * struct dirty_log - which pages of a slot were written (dirty.c)
 *
 * @any: @bits may have a bit set; set after that, cleared before a look at all of them
 * @taken: as many words again, of the holder of mmu->slots_lock.  With rings: the pages that
 *	found no room in one; atomic
 * @bits: one for each page; atomic
 */
struct dirty_log {
	bool any;
	unsigned long *taken;
	unsigned long bits[];
};

/* How many windows a user-backed slot has at most. */
#define MEMSLOT_WINDOWS	8

/**
 * struct memslot_windows - the windows of a user-backed slot (window.c)
 *
 * Changed under mmu->lock for write, so that it holds them still; read in sections of
 * mmu->srcu, too.
 *
 * @nr: the first of @slot that may be used; only grows
 * @slot: a window, or NULL
 */
struct memslot_windows {
	unsigned int nr;
	struct memslot *slot[MEMSLOT_WINDOWS];
};

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

/* Pages of a block of a gmem: @written has one bit for each. */
#define LOG_BLOCK	512

struct memslot *slots_in_front(struct mmu *mmu, gfn_t gfn);
struct memslot *slots_search(struct mmu *mmu, gfn_t gfn);

int slots_add(struct mmu *mmu, const struct memslot *tmpl);
int memslot_alloc_written(struct memslot *slot);
int memslot_attach_gmem(struct memslot *slot);
int binding_attach(struct memslot *slot);

/* Parts of user-backed slots that are bound to gmems (window.c). */
struct memslot *window_choose(struct memslot *slot, gfn_t gfn);
bool window_make(struct memslot *slot, gfn_t gfn);
void window_revoke(struct memslot *window);
void windows_drop(struct memslot *slot, gfn_t start, gfn_t end);
void windows_zap_others(struct memslot *slot, struct tdp_zap *zap, gfn_t start, gfn_t end);
void windows_end(struct memslot *slot);
void windows_init(struct mmu *mmu);

struct memslot *private_choose(struct mmu *mmu, struct memslot *slot, gfn_t gfn);
int private_slot_new(struct memslot *tmpl, struct gmem *gmem, u64 offset);
void private_slot_free(struct memslot *tmpl);
void private_init(struct mmu *mmu);
void private_destroy(struct mmu *mmu);

struct dirty_log *dirty_log_alloc(const struct memslot *slot);
int dirty_log_start(struct memslot *slot);
bool dirty_take_word(struct memslot *slot, unsigned long word, unsigned long mask);
bool dirty_unguard(struct mmu *mmu, gfn_t gfn);
void ring_log_write(struct memslot *slot, struct dirty_log *log, gfn_t gfn);
void dirty_log_stop(struct memslot *slot);

/* When their memory moves into gmems (adopt.c). */
void mmu_adopt_soon(struct mmu *mmu);
void mmu_adopt_init(struct mmu *mmu);

/* What is there of user-backed slots (resident.c). */
u64 mmu_user_pages(struct mmu *mmu);

/* Which gmems back an address space, each once (gmems.c). */
struct mmu_gmem *gmems_get(struct mmu *mmu, struct gmem *gmem);
void gmems_put(struct mmu *mmu, struct mmu_gmem *user);

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

/* The bit of @written for an offset of the slot's gmem. */
static inline unsigned long memslot_block(const struct memslot *slot, pgoff_t off)
{
	return off / LOG_BLOCK - (slot->pos >> PAGE_SHIFT) / LOG_BLOCK;
}

/*
 * Call after a leaf has become dirty, so that a harvest that finds the bit set also finds
 * the leaf dirty.
 */
static inline void memslot_note_written(struct memslot *slot, gfn_t gfn)
{
	if (slot->written)
		set_bit(memslot_block(slot, memslot_offset(slot, gfn)), slot->written);
}

/*
 * A page is written, or about to be: the log, if there is one, gets to know. The caller is in
 * a read section of mmu->srcu. Either the page is not yet mapped writable for this write, and
 * mmu->lock is held; or the write is done.
 */
static inline void memslot_log_write(struct memslot *slot, gfn_t gfn)
{
	struct dirty_log *log;

	if (slot->front)
		slot = slot->front;
	log = READ_ONCE(slot->log);
	if (likely(!log))
		return;
	if (unlikely(slot->mmu->ring_bytes)) {
		ring_log_write(slot, log, gfn);
		return;
	}
	/* A barrier, too: a harvest that takes the bit sees the write. */
	set_bit(gfn - slot->base, log->bits);
	/* Pairs with the exchange in dirty_fetch(), which comes before a look at the bits. */
	smp_mb__after_atomic();
	if (!READ_ONCE(log->any))
		WRITE_ONCE(log->any, true);
}

/* Does the log want to know of the next write to a page? mmu->lock held, or a quiet moment. */
/*
 * Is the CPU's log the dirty log? Not where vCPUs have rings, whose room is for the writes of one
 * exit by faults: the CPU can log hundreds in one.
 */
static inline bool mmu_cpu_logs(const struct mmu *mmu)
{
	return mmu->host->format->logged && !mmu->ring_bytes;
}

static inline bool memslot_log_waits(const struct memslot *slot, gfn_t gfn)
{
	const struct dirty_log *log;

	if (slot->front)
		slot = slot->front;
	log = READ_ONCE(slot->log);
	return log && !test_bit(gfn - slot->base, log->bits);
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
