// SPDX-License-Identifier: GPL-2.0-only
/*
 * Windows: parts of user-backed slots where the VMM maps a gmem, shared: a file of ditto's
 * file system, or a gmem's fd. Owns their making and their end. A window is a memslot behind
 * the slot, over the gmem, bound like any other; a lookup finds it instead of the slot
 * (memslot_behind()), so whoever uses a slot need not know. There the guest's pages come from
 * the gmem's index: no page tables of the process are looked at, and none are needed.
 *
 * 1. When one is made. A fault gets a page of the process as ever. If that is in no page
 *    cache it may be a gmem's, and the process's mapping is looked at, once, with mmap_lock
 *    held for read. The window is the part of the slot that this mapping covers. A slot over
 *    several mappings has several windows, and between them is ordinary user memory. Only
 *    a mapping with all the rights that the slot gives the guest makes one.
 *
 * 2. When it ends. While it is there nobody asks whether the mapping still is. So:
 *	- munmap, mremap, and mmap over it, whole or in part, tell mmu notifiers, whatever
 *	  page tables there are, with mmap_lock held for write (MMU_NOTIFY_UNMAP);
 *	- mprotect tells notifiers only of what has page tables, but first it asks the
 *	  mapping, that is gmem, which tells all bindings (window_revoke());
 *	- when the process ends or executes something, notifiers are told first of all.
 *    The window ends as a whole; what is left of the mapping gets another at its next fault.
 *    A mapping is looked at, and its window published, in one hold of mmap_lock, so none of
 *    these is missed in between.
 *
 * 3. What does not end it. The process's page tables come and go (reclaim, MADV_DONTNEED, the
 *    merge engine) without a change of what is mapped. Pages that are punched or cut off the
 *    file leave by the binding. A fork's child has mappings, and no slot.
 *
 * 4. The end, step by step. Under mmu->lock for write: take the window from its slot, bump
 *    the invalidation sequence, zap, flush. So nothing of it is mapped when the notifier
 *    returns, and a fault that found it starts again. The caller may not sleep: the rest,
 *    which waits for the gmem's callbacks, a work item does. Until then callbacks may come;
 *    they find nothing to do, or zap what is not theirs, which costs a fault.
 *    Readers of mmu->srcu may still have it. One that waits for memory which user space
 *    provides stays for as long as that likes, so no thread may wait for readers: the work
 *    item is queued when they are gone. One grace period serves all windows that came
 *    together; those that come meanwhile have the next.
 *
 * Lock order: mmap_lock, the gmem's bind_lock, mmu->lock. Neither slots_lock nor mmap_lock is
 * taken by the work item, so who frees a slot may wait for it.
 */
#include <linux/mm.h>
#include <linux/pkeys.h>
#include <linux/slab.h>

#include "mmu/gmems.h"
#include "mmu/slots.h"
#include "mmu/tdp.h"
#include "mmu/window.h"

/* Windows of an address space that wait to be freed; more are not made meanwhile. */
#define WINDOWS_DEAD	64

/**
 * struct window - a window
 * @slot: as which it is found
 * @zap: what it mapped, from its end on
 * @dead: in mmu->windows_dead, then in mmu->windows_passing
 */
struct window {
	struct memslot slot;
	struct tdp_zap zap;
	struct list_head dead;
};

static struct workqueue_struct *windows_queue;

static struct window *slot_window(struct memslot *slot)
{
	return container_of(slot, struct window, slot);
}

/* How many places for windows a slot has ever used. */
static unsigned int windows_nr(const struct memslot *slot)
{
	const struct memslot_windows *windows = READ_ONCE(slot->windows);

	return windows ? smp_load_acquire(&windows->nr) : 0;
}

/* The window at a place below windows_nr(), or NULL. */
static struct memslot *window_at(const struct memslot *slot, unsigned int i)
{
	return smp_load_acquire(&READ_ONCE(slot->windows)->slot[i]);
}

/**
 * window_choose() - what backs a gfn of a slot that has, or had, windows
 * @slot: found for @gfn; the caller is in a read section of mmu->srcu, or has mmu->lock
 * @gfn: of the slot
 *
 * Return: the window, or @slot.
 */
struct memslot *window_choose(struct memslot *slot, gfn_t gfn)
{
	unsigned int i, nr = windows_nr(slot);

	for (i = 0; i < nr; i++) {
		struct memslot *w = window_at(slot, i);

		if (w && memslot_has(w, gfn))
			return w;
	}
	return slot;
}

/* The first gfn behind @gfn, which is in no window, that is in one; or @end. */
static gfn_t window_next(struct memslot *slot, gfn_t gfn, gfn_t end)
{
	unsigned int i, nr = windows_nr(slot);

	for (i = 0; i < nr; i++) {
		struct memslot *w = window_at(slot, i);

		if (w && w->base > gfn && w->base < end)
			end = w->base;
	}
	return end;
}

/* The first gfn of the gap between windows that @gfn is in, not before @start. */
static gfn_t window_gap_start(struct memslot *slot, gfn_t gfn, gfn_t start)
{
	unsigned int i, nr = windows_nr(slot);

	for (i = 0; i < nr; i++) {
		struct memslot *w = window_at(slot, i);

		if (w && w->base <= gfn && w->base + w->npages > start)
			start = w->base + w->npages;
	}
	return start;
}

/* Has a mapping all the rights that the slot gives? */
static bool window_may(const struct memslot *slot, struct vm_area_struct *vma)
{
	vm_flags_t need = VM_READ | (memslot_readonly(slot) ? 0 : VM_WRITE);

	return (vma->vm_flags & need) == need && !vma_pkey(vma);
}

/* Set the part of @front around @gfn that @vma covers, and that the gmem has. */
static bool window_place(struct memslot *w, struct memslot *front, gfn_t gfn,
			 const struct vm_area_struct *vma)
{
	u64 pages = gmem_size(w->gmem) >> PAGE_SHIFT;
	u64 start = max_t(u64, vma->vm_start, front->hva_node.start);
	u64 end = min_t(u64, vma->vm_end, front->hva_node.last + 1);
	gfn_t first, last;

	if (pages <= vma->vm_pgoff)
		return false;
	end = min_t(u64, end, vma->vm_start + ((pages - vma->vm_pgoff) << PAGE_SHIFT));
	if (start >= end)
		return false;
	first = window_gap_start(front, gfn, memslot_hva_gfn(front, start));
	last = window_next(front, gfn, memslot_hva_gfn(front, end));
	if (gfn < first || gfn >= last)
		return false;
	w->base = first;
	w->npages = last - first;
	w->pos = memslot_hva(front, first << PAGE_SHIFT) - vma->vm_start +
		  ((u64)vma->vm_pgoff << PAGE_SHIFT);
	return true;
}

/* What is bound and counted is undone, when nobody can find it any more. */
static void window_free(struct window *w)
{
	struct memslot *slot = &w->slot;

	gmem_unbind(slot->gmem, &slot->binding);
	gmems_put(slot->mmu, slot->user);
	gmem_put(slot->gmem);
	kvfree(slot->written);
	kfree(w);
}

/* Give a slot room for windows, if it has none; the first of several callers sets it. */
static bool windows_alloc(struct memslot *front)
{
	struct memslot_windows *new;

	if (READ_ONCE(front->windows))
		return true;
	new = kzalloc(sizeof(*new), GFP_KERNEL_ACCOUNT);
	if (new && cmpxchg(&front->windows, NULL, new))
		kfree(new);
	return new;
}

/* A bound window over what the process maps at @gfn, or NULL. mmap_lock is held. */
static struct window *window_new(struct memslot *front, gfn_t gfn)
{
	unsigned long hva = memslot_hva(front, gfn << PAGE_SHIFT);
	struct vm_area_struct *vma = vma_lookup(front->mmu->mm, hva);
	struct gmem *gmem = vma && window_may(front, vma) ? gmem_mapped_by(vma) : NULL;
	struct window *w;

	if (!gmem || !windows_alloc(front))
		return NULL;
	w = kzalloc(sizeof(*w), GFP_KERNEL_ACCOUNT);
	if (!w)
		return NULL;
	w->slot.mmu = front->mmu;
	w->slot.id = front->id;
	w->slot.flags = front->flags;
	w->slot.front = front;
	w->slot.gmem = gmem_get(gmem);
	if (window_place(&w->slot, front, gfn, vma) && !memslot_alloc_written(&w->slot) &&
	    !memslot_attach_gmem(&w->slot))
		return w;
	/* Not the last reference: the mapping has one. */
	gmem_put(gmem);
	kvfree(w->slot.written);
	kfree(w);
	return NULL;
}

/* A free place for a window, or -1: there is none, or it overlaps one. mmu->lock is held. */
static int window_find_place(struct memslot *front, const struct memslot *w)
{
	gfn_t end = w->base + w->npages;
	int i, place = -1;

	if (window_choose(front, w->base) != front || window_next(front, w->base, end) != end)
		return -1;
	for (i = MEMSLOT_WINDOWS - 1; i >= 0; i--)
		if (!window_at(front, i))
			place = i;
	return place;
}

/* What the process's own pages had mapped there goes; from now on the gmem is asked. */
static bool window_publish(struct memslot *front, struct window *w)
{
	struct memslot_windows *windows = front->windows;
	struct memslot *slot = &w->slot;
	struct mmu *mmu = front->mmu;
	struct tdp_zap zap;
	int place;

	tdp_zap_init(&zap, NULL);
	write_lock(&mmu->lock);
	place = mmu->nr_windows_dead < WINDOWS_DEAD ? window_find_place(front, slot) : -1;
	if (place >= 0) {
		mmu_invalidated(mmu);
		tdp_zap_range(mmu, &zap, slot->base, slot->base + slot->npages);
		tdp_zap_flush(mmu, &zap);
		smp_store_release(&windows->slot[place], slot);
		if (place >= windows->nr)
			smp_store_release(&windows->nr, place + 1);
	}
	write_unlock(&mmu->lock);
	tdp_zap_finish(mmu, &zap, true);
	return place >= 0;
}

/**
 * window_make() - have a window where the process maps a gmem
 * @slot: user-backed; the caller is in a read section of mmu->srcu, and of @slot's process
 * @gfn: of the slot, in no window just now
 *
 * May sleep; takes mmap_lock.
 *
 * Return: true when a window was made; false when there is none to make.
 */
bool window_make(struct memslot *slot, gfn_t gfn)
{
	struct mmu *mmu = slot->mmu;
	struct window *w;
	bool made;

	if (mmu->private_mem || mmap_read_lock_killable(mmu->mm))
		return false;
	w = window_new(slot, gfn);
	made = w && window_publish(slot, w);
	if (w && !made)
		window_free(w);
	mmap_read_unlock(mmu->mm);
	return made;
}

static void windows_passed(struct rcu_head *rcu)
{
	struct mmu *mmu = container_of(rcu, struct mmu, windows_rcu);

	queue_work(windows_queue, &mmu->windows_work);
}

/* Begin a grace period for what has ended, unless one is under way. mmu->lock is held for write. */
static void windows_pass(struct mmu *mmu)
{
	if (list_empty(&mmu->windows_dead) || !list_empty(&mmu->windows_passing))
		return;
	list_splice_init(&mmu->windows_dead, &mmu->windows_passing);
	call_srcu(&mmu->srcu, &mmu->windows_rcu, windows_passed);
}

/* Step 4, as far as it is done at once. mmu->lock is held for write. */
static void window_end(struct memslot *front, unsigned int i)
{
	struct memslot *slot = window_at(front, i);
	struct window *w = slot_window(slot);
	struct mmu *mmu = front->mmu;

	lockdep_assert_held_write(&mmu->lock);
	WRITE_ONCE(front->windows->slot[i], NULL);
	slot->gone = true;
	mmu_invalidated(mmu);
	tdp_zap_init(&w->zap, slot);
	tdp_zap_range(mmu, &w->zap, slot->base, slot->base + slot->npages);
	tdp_zap_flush(mmu, &w->zap);
	list_add_tail(&w->dead, &mmu->windows_dead);
	mmu->nr_windows_dead++;
	windows_pass(mmu);
}

/**
 * window_revoke() - the rights of a mapping change: its window ends, if it is one's
 * @window: bound; any memslot. mmap_lock is held for write, and the gmem's bind_lock for read
 */
void window_revoke(struct memslot *window)
{
	struct memslot *front = window->front;
	struct mmu *mmu = window->mmu;
	unsigned int i;

	if (!front)
		return;
	write_lock(&mmu->lock);
	for (i = 0; i < windows_nr(front); i++)
		if (window_at(front, i) == window)
			window_end(front, i);
	write_unlock(&mmu->lock);
}

/**
 * windows_drop() - what the process maps changes: windows there end
 * @slot: user-backed; mmu->lock held for write
 * @start: first gfn of the slot
 * @end: gfn after the last
 */
void windows_drop(struct memslot *slot, gfn_t start, gfn_t end)
{
	unsigned int i;

	for (i = 0; i < windows_nr(slot); i++) {
		struct memslot *w = window_at(slot, i);

		if (w && w->base < end && start < w->base + w->npages)
			window_end(slot, i);
	}
}

/**
 * windows_zap_others() - zap what is in no window
 * @slot: user-backed; mmu->lock held for write
 * @zap: after tdp_zap_init()
 * @start: first gfn of the slot
 * @end: gfn after the last
 */
void windows_zap_others(struct memslot *slot, struct tdp_zap *zap, gfn_t start, gfn_t end)
{
	gfn_t next;

	for (; start < end; start = next) {
		struct memslot *w = window_choose(slot, start);

		if (w != slot) {
			next = w->base + w->npages;
			continue;
		}
		next = window_next(slot, start, end);
		tdp_zap_range(slot->mmu, zap, start, next);
	}
}

/* Have all that have ended been freed? */
static bool windows_are_gone(struct mmu *mmu)
{
	bool gone;

	write_lock(&mmu->lock);
	gone = !mmu->nr_windows_dead;
	write_unlock(&mmu->lock);
	return gone;
}

/**
 * windows_end() - before a slot is freed: it has no windows when this returns
 * @slot: nobody finds it any more
 *
 * May sleep. The caller is in no read section of mmu->srcu.
 */
void windows_end(struct memslot *slot)
{
	struct mmu *mmu = slot->mmu;

	if (!slot->windows)
		return;
	write_lock(&mmu->lock);
	windows_drop(slot, slot->base, slot->base + slot->npages);
	write_unlock(&mmu->lock);
	do {
		srcu_barrier(&mmu->srcu);
		flush_work(&mmu->windows_work);
	} while (!windows_are_gone(mmu));
	kfree(slot->windows);
	slot->windows = NULL;
}

/* The rest of step 4. */
static void windows_reap(struct work_struct *work)
{
	struct mmu *mmu = container_of(work, struct mmu, windows_work);
	struct window *w, *next;
	unsigned int nr = 0;

	/* Nobody adds to a list that is not empty. */
	list_for_each_entry_safe(w, next, &mmu->windows_passing, dead) {
		tdp_zap_finish(mmu, &w->zap, true);
		window_free(w);
		nr++;
	}
	write_lock(&mmu->lock);
	INIT_LIST_HEAD(&mmu->windows_passing);
	mmu->nr_windows_dead -= nr;
	windows_pass(mmu);
	write_unlock(&mmu->lock);
}

/**
 * windows_init() - an address space without windows
 * @mmu: being made
 */
void windows_init(struct mmu *mmu)
{
	INIT_LIST_HEAD(&mmu->windows_dead);
	INIT_LIST_HEAD(&mmu->windows_passing);
	INIT_WORK(&mmu->windows_work, windows_reap);
}

/**
 * windows_setup() - before the first VM
 *
 * Return: 0 or -ENOMEM.
 */
int windows_setup(void)
{
	windows_queue = alloc_workqueue("ditto-windows", WQ_UNBOUND, 0);
	return windows_queue ? 0 : -ENOMEM;
}

/**
 * windows_teardown() - after the last VM
 */
void windows_teardown(void)
{
	destroy_workqueue(windows_queue);
}
