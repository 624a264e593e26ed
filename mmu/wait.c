// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory of the process that a guest can do without for a while: a thread of the kernel's
 * waits for it, and tells when it is there.  Owns those threads, and how many wait at once.
 *
 * The hard part is that what provides the memory (userfaultfd, a server) may never do so.
 * So nobody waits for these threads: whoever started one can forget it, and it ends when it can.
 * There are at most WAITS_MAX, each in a thread of its own, so that none is behind another one.
 * Nobody has more of them than are left for others. Who gets none waits in his fault, as he does
 * without this file.
 */
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/workqueue.h>

#include "mmu/slots.h"
#include "mmu/user.h"
#include "mmu/wait.h"

/* So many wait at once, whose guests they may be. */
#define WAITS_MAX	256

static struct workqueue_struct *waits;
static atomic_t nr_waits;

static void wait_work(struct work_struct *work)
{
	struct mmu_wait *w = container_of(work, struct mmu_wait, work);
	struct gmem_tenant *user = w->user;
	struct mm_struct *mm = w->mm;

	/* Whatever comes of it, the guest's next access finds out. */
	user_fault_in(mm, w->hva, w->write);
	w->done(w);
	mmput(mm);
	gmem_tenant_uncount(user, GMEM_COUNTED_WAITS);
	atomic_dec(&nr_waits);
	/* The last reference: mmu_wait_exit() still waits for the end of this function. */
	module_put(THIS_MODULE);
}

/* The user may have as many as were free before this one. */
static bool wait_takes_place(struct mmu_wait *w)
{
	int nr = atomic_inc_return(&nr_waits);

	if (nr <= WAITS_MAX) {
		w->user = gmem_tenant_count(GMEM_COUNTED_WAITS, WAITS_MAX - nr + 1);
		if (!IS_ERR(w->user))
			return true;
	}
	atomic_dec(&nr_waits);
	return false;
}

/**
 * mmu_wait_begin() - have somebody wait for the memory of a page
 * @mmu: the caller is in a read section of its srcu
 * @w: kept by the caller until @done was called
 * @gpa: in the page, which mmu_tdp_fault() said would have to be waited for
 * @write: for a write
 * @done: called by another thread, once, in process context; may free @w
 *
 * Process context; does not wait but for memory.
 *
 * Return: whether somebody does. Not if too many wait already, of all or of the user's, or there
 * is no user-backed slot.
 */
bool mmu_wait_begin(struct mmu *mmu, struct mmu_wait *w, gpa_t gpa, bool write,
		    void (*done)(struct mmu_wait *w))
{
	const struct memslot *slot = mmu_find_slot(mmu, gpa >> PAGE_SHIFT);

	if (!slot || slot->gmem || current->mm != mmu->mm || !wait_takes_place(w))
		return false;
	w->mm = current->mm;
	w->hva = memslot_hva(slot, gpa & PAGE_MASK);
	w->write = write;
	w->done = done;
	mmget(w->mm);
	__module_get(THIS_MODULE);	/* the caller's VM has one */
	INIT_WORK(&w->work, wait_work);
	queue_work(waits, &w->work);
	return true;
}

/**
 * mmu_wait_init() - before the first VM
 *
 * Return: 0 or -ENOMEM.
 */
int mmu_wait_init(void)
{
	waits = alloc_workqueue("ditto-wait", WQ_UNBOUND, WAITS_MAX);
	return waits ? 0 : -ENOMEM;
}

/**
 * mmu_wait_exit() - after the last VM
 */
void mmu_wait_exit(void)
{
	destroy_workqueue(waits);
}
