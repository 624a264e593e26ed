// SPDX-License-Identifier: GPL-2.0-only
/*
 * Dirty rings: each vCPU has a ring that the VMM maps, and into which it enters the pages of
 * logged slots that it writes first. Owns the rings, and who enters pages there. What a page
 * is logged by, and that its next write is noticed, is dirty.c's.
 *
 * A page whose bit in its slot's log is set is in a ring, or waits for room in one; so it is
 * entered once, however often it is written. The VMM marks the entries that it has read, and
 * then asks for a reset, which takes the bit and the permission to write away again.
 *
 * Who writes for the kernel enters pages in the ring of the vCPU that its thread runs. If it
 * runs none, or that ring is full to the last entry, the page waits in its slot's log for the
 * next reset, which makes room.
 *
 * The hard part is that the VMM writes to the rings whenever it likes. How many entries there
 * are is counted outside of them; an entry that is given back names a slot and a page, which
 * are read once and looked up like any caller's. All that a wrong one can do is to let a page
 * of this VM be logged again too early, which costs a fault.
 */
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/vmalloc.h>

#include "mmu/dirty.h"
#include "mmu/ring.h"
#include "mmu/slots.h"
#include "mmu/tdp.h"

/* Entries that are free when a ring counts as full, as many as KVM has. */
#define RING_RESERVED	64

/* Entries that are reset with mmu->lock held for write at one go. */
#define RING_PART	1024

/* The ring of the vCPU whose thread is on this CPU, or NULL; of that thread. */
DEFINE_PER_CPU(struct dirty_ring *, ring_here);

/* False: there is no room. */
static bool ring_enter(struct dirty_ring *ring, u32 slot, u64 offset)
{
	struct kvm_dirty_gfn *entry;
	u32 used;

	spin_lock(&ring->lock);
	/* Pairs with the release by which user space gives entries back. */
	used = ring->entered - smp_load_acquire(&ring->reset);
	if (used < ring->size) {
		entry = &ring->entries[ring->entered % ring->size];
		WRITE_ONCE(entry->slot, slot);
		WRITE_ONCE(entry->offset, offset);
		/* The VMM reads the others when it has seen this. */
		smp_store_release(&entry->flags, KVM_DIRTY_GFN_F_DIRTY);
		WRITE_ONCE(ring->entered, ring->entered + 1);
	}
	spin_unlock(&ring->lock);
	if (used + 1 >= ring->limit)
		ring->mmu->host->ring_full(ring);
	return used < ring->size;
}

/* The page waits for the next reset. */
static void ring_put_off(struct memslot *slot, struct dirty_log *log, u64 offset)
{
	set_bit(offset, log->taken);
	/* A CPU that sees the marks sees the bit. */
	smp_mb__after_atomic();
	WRITE_ONCE(log->any, true);
	smp_store_release(&slot->mmu->ring_late, true);
}

/**
 * ring_log_write() - memslot_log_write(), where vCPUs have rings
 * @slot: as there
 * @log: of the slot
 * @gfn: of the page
 */
void ring_log_write(struct memslot *slot, struct dirty_log *log, gfn_t gfn)
{
	struct dirty_ring *ring = this_cpu_read(ring_here);
	u64 offset = gfn - slot->base;

	/* A barrier, too: a reset that takes the bit comes before the VMM reads the page. */
	if (test_and_set_bit(offset, log->bits))
		return;
	if (!ring || ring->mmu != slot->mmu || !ring_enter(ring, slot->id, offset))
		ring_put_off(slot, log, offset);
}

/**
 * struct ring_word - pages of one word of a slot's log, on their way to be reset
 * @mmu: slots_lock and lock for write held
 * @slot: the VMM's number for a slot; any value
 * @word: in its log; any value
 * @mask: pages; 0: none
 * @changed: a permission was taken away
 */
struct ring_word {
	struct mmu *mmu;
	u32 slot;
	u64 word;
	unsigned long mask;
	bool changed;
};

static void word_reset(struct ring_word *w)
{
	struct memslot *slot = NULL;

	if (w->mask && w->slot < MMU_NR_SLOTS)
		slot = xa_load(&w->mmu->slots_by_id, w->slot);
	if (slot && slot->log && w->word < BITS_TO_LONGS(slot->npages))
		w->changed |= dirty_take_word(slot, w->word, w->mask);
	w->mask = 0;
}

/* Guests mostly write to one page after the other, so entries of a word come together. */
static void word_add(struct ring_word *w, u32 slot, u64 offset)
{
	u64 word = offset / BITS_PER_LONG;

	if (w->slot != slot || w->word != word)
		word_reset(w);
	w->slot = slot;
	w->word = word;
	w->mask |= BIT(offset % BITS_PER_LONG);
}

/* False: the VMM has not given it back. */
static bool ring_take_back(struct dirty_ring *ring, struct ring_word *w)
{
	struct kvm_dirty_gfn *entry = &ring->entries[ring->reset % ring->size];

	/* The VMM marks an entry when it has read the others. */
	if (!(smp_load_acquire(&entry->flags) & KVM_DIRTY_GFN_F_RESET))
		return false;
	word_add(w, READ_ONCE(entry->slot), READ_ONCE(entry->offset));
	WRITE_ONCE(entry->flags, 0);
	smp_store_release(&ring->reset, ring->reset + 1);
	return true;
}

/* Up to @most entries; how many it were. */
static u32 ring_reset_part(struct mmu *mmu, struct dirty_ring *ring, u32 most)
{
	struct ring_word word = { .mmu = mmu };
	u64 epoch;
	u32 n;

	write_lock(&mmu->lock);
	for (n = 0; n < most && ring_take_back(ring, &word); n++)
		;
	word_reset(&word);
	if (word.changed)
		mmu_flush(mmu);
	epoch = mmu_epoch_current(mmu);
	write_unlock(&mmu->lock);
	mmu_epoch_assert(mmu, epoch);
	return n;
}

/* Pages of a slot that wait get into a ring; false: it is full. */
static bool late_enter_slot(struct dirty_ring *ring, struct memslot *slot)
{
	struct dirty_log *log = slot->log;
	unsigned long n;

	if (!log || !xchg(&log->any, false))
		return true;
	for_each_set_bit(n, log->taken, slot->npages) {
		if (ring_is_full(ring) || !ring_enter(ring, slot->id, n)) {
			WRITE_ONCE(log->any, true);
			return false;
		}
		clear_bit(n, log->taken);
	}
	return true;
}

static void late_enter(struct mmu *mmu, struct dirty_ring *ring)
{
	struct memslot *slot;
	unsigned long id;

	if (!READ_ONCE(mmu->ring_late) || !xchg(&mmu->ring_late, false))
		return;
	xa_for_each(&mmu->slots_by_id, id, slot) {
		if (!late_enter_slot(ring, slot)) {
			WRITE_ONCE(mmu->ring_late, true);
			return;
		}
		cond_resched();
	}
}

/**
 * mmu_reset_ring() - KVM_RESET_DIRTY_RINGS, for one ring
 * @mmu: takes its slots_lock; may sleep
 * @ring: of one of its vCPUs
 *
 * Entries that the VMM gives back meanwhile may be left to the next call. When this returns,
 * no vCPU can write to the pages without their being entered anew.
 *
 * Return: how many entries were given back; -EINTR.
 */
int mmu_reset_ring(struct mmu *mmu, struct dirty_ring *ring)
{
	u32 left, n, most;

	if (mutex_lock_killable(&mmu->slots_lock))
		return -EINTR;
	/* Pairs with ring_enter(): what is counted is complete. */
	spin_lock(&ring->lock);
	left = ring->entered - ring->reset;
	spin_unlock(&ring->lock);
	most = left;
	do {
		n = ring_reset_part(mmu, ring, min_t(u32, left, RING_PART));
		left -= n;
		cond_resched();
	} while (n == RING_PART);
	late_enter(mmu, ring);
	mutex_unlock(&mmu->slots_lock);
	return most - left;
}

/**
 * ring_alloc() - the ring of a vCPU, if vCPUs have one
 * @mmu: mmu_set_ring_bytes() can come no more
 * @ring: zeroed
 *
 * Charged to the caller's memory cgroup.
 *
 * Return: 0 or -ENOMEM.
 */
int ring_alloc(struct mmu *mmu, struct dirty_ring *ring)
{
	ring->mmu = mmu;
	spin_lock_init(&ring->lock);
	if (!mmu->ring_bytes)
		return 0;
	ring->size = mmu->ring_bytes / sizeof(*ring->entries);
	ring->limit = ring->size - RING_RESERVED;
	ring->entries = __vmalloc(mmu->ring_bytes, GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	return ring->entries ? 0 : -ENOMEM;
}

/**
 * ring_copy() - what is in a ring is in another's, too
 * @to: as large; nobody sees it yet
 * @from: no vCPU runs
 */
void ring_copy(struct dirty_ring *to, struct dirty_ring *from)
{
	if (!from->entries)
		return;
	spin_lock(&from->lock);
	memcpy(to->entries, from->entries, from->size * sizeof(*from->entries));
	to->entered = from->entered;
	to->reset = READ_ONCE(from->reset);
	spin_unlock(&from->lock);
}

/**
 * ring_free() - free a vCPU's ring
 * @ring: after ring_alloc(); nobody enters pages any more
 *
 * The VMM may still map its pages: they live on with that.
 */
void ring_free(struct dirty_ring *ring)
{
	vfree(ring->entries);
	ring->entries = NULL;
}

/**
 * ring_page() - a page of a ring, to be mapped by the VMM
 * @ring: of a vCPU; may have no entries
 * @index: of the page; any value
 *
 * Return: the page, or NULL: the ring has none there.
 */
struct page *ring_page(const struct dirty_ring *ring, unsigned long index)
{
	if (!ring->entries || index >= ring->mmu->ring_bytes / PAGE_SIZE)
		return NULL;
	return vmalloc_to_page((void *)ring->entries + index * PAGE_SIZE);
}

/* A log that is there already is one of bitmaps, and of no guest yet. */
static void rings_empty_logs(struct mmu *mmu)
{
	struct memslot *slot;
	unsigned long id;

	xa_for_each(&mmu->slots_by_id, id, slot) {
		if (slot->log) {
			bitmap_zero(slot->log->bits, slot->npages);
			bitmap_zero(slot->log->taken, slot->npages);
		}
		cond_resched();
	}
}

/**
 * mmu_set_ring_bytes() - KVM_CAP_DIRTY_LOG_RING
 * @mmu: has no vCPU; takes its slots_lock
 * @bytes: of each vCPU's ring
 *
 * Return: 0; -EINVAL for a size that is no power of two or leaves no room, or when there is
 * one already; -E2BIG; -EINTR.
 */
int mmu_set_ring_bytes(struct mmu *mmu, u64 bytes)
{
	if (!is_power_of_2(bytes) || bytes < PAGE_SIZE ||
	    bytes < RING_RESERVED * sizeof(struct kvm_dirty_gfn))
		return -EINVAL;
	if (bytes > MMU_RING_MAX_BYTES)
		return -E2BIG;
	if (mmu->ring_bytes)
		return -EINVAL;
	if (mutex_lock_killable(&mmu->slots_lock))
		return -EINTR;
	mmu->ring_bytes = bytes;
	rings_empty_logs(mmu);
	mutex_unlock(&mmu->slots_lock);
	return 0;
}
