// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory that a guest has no use for goes back to the host. Owns how: a gmem's pages leave its
 * index, those of a process's shared memory (tmpfs, memfd) its file. To the guest, its VMM and
 * the dirty log that is a write of zeroes, unless the guest has written there before it looks.
 *
 * What stays: what is in no memslot or a read-only one; a page that somebody holds, such as a
 * device; private anonymous memory, which only its process can give back (madvise), because the
 * kernel has nothing of the kind for modules; all memory of a process that has ever pinned some,
 * where that is not gmem, because nobody can tell which; and huge pages of hugetlbfs.
 *
 * The hard part is that a range may be long, and is the guest's choice: it is done in steps of
 * at most 2 MiB, and nothing is held between two of them.
 */
#include <linux/fs.h>
#include <linux/falloc.h>
#include <linux/file.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/shmem_fs.h>
#include <linux/srcu.h>

#include "compat.h"
#include "mmu/dirty.h"
#include "mmu/discard.h"
#include "mmu/shadow.h"
#include "mmu/slots.h"
#include "mmu/window.h"

/* Pages of a step: no more than a gmem does with one lock held. */
#define DISCARD_STEP	512ul

/* The file that [hva, hva + len) maps, if its pages may go; @len is clipped to the mapping. */
static struct file *discard_find_file(struct memslot *slot, gfn_t gfn, u64 *len, loff_t *pos)
{
	unsigned long hva = memslot_hva(slot, gfn << PAGE_SHIFT);
	struct vm_area_struct *vma;
	struct file *file = NULL;

	if (mmap_read_lock_killable(slot->mmu->mm))
		return NULL;
	vma = vma_lookup(slot->mmu->mm, hva);
	if (vma) {
		*len = min_t(u64, *len, vma->vm_end - hva);
		*pos = ((loff_t)vma->vm_pgoff << PAGE_SHIFT) + (hva - vma->vm_start);
	}
	if (vma && vma->vm_file && shmem_mapping(vma->vm_file->f_mapping) &&
	    (vma->vm_flags & (VM_SHARED | VM_WRITE | VM_LOCKED)) == (VM_SHARED | VM_WRITE) &&
	    !compat_mm_has_pinned(slot->mmu->mm))
		file = get_file(vma->vm_file);
	mmap_read_unlock(slot->mmu->mm);
	return file;
}

/* A process's memory. Returns how many of @npages pages went; @npages is clipped to one mapping. */
static u64 discard_user(struct memslot *slot, gfn_t gfn, u64 *npages)
{
	u64 len = *npages << PAGE_SHIFT;
	struct file *file;
	loff_t pos;
	int err;

	if (current->mm != slot->mmu->mm)
		return 0;
	file = discard_find_file(slot, gfn, &len, &pos);
	*npages = len >> PAGE_SHIFT;
	if (!file)
		return 0;
	err = vfs_fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, pos, len);
	fput(file);
	return err ? 0 : *npages;
}

/* The dirty log and shadow tables hear of it, as of a write. */
static void discard_note(struct memslot *slot, gfn_t gfn, u64 npages)
{
	struct mmu *mmu = slot->mmu;
	u64 i;

	if (READ_ONCE((slot->front ?: slot)->log))
		for (i = 0; i < npages; i++)
			memslot_log_write(slot, gfn + i);
	if (unlikely(mmu->shadow))
		shadow_written(mmu, gfn << PAGE_SHIFT, npages << PAGE_SHIFT);
}

/* [gfn, gfn + npages) of a slot; @npages is clipped to what was looked at. 0, -EINTR, -ENOMEM. */
static int discard_slot(struct memslot *slot, gfn_t gfn, u64 *npages, struct mmu_discarded *n)
{
	unsigned long given = 0, held = 0;
	pgoff_t off;
	int err = 0;

	if (slot->gmem) {
		off = memslot_offset(slot, gfn);
		err = gmem_give_back(slot->gmem, off, off + *npages, &given, &held);
	} else {
		given = discard_user(slot, gfn, npages);
		held = *npages - given;
	}
	n->given += given;
	n->kept += held;
	/* Also when it failed: its beginning went. */
	discard_note(slot, gfn, *npages);
	return err;
}

/* What backs @gfn now; where the VMM maps a gmem that nobody has touched yet, its window. */
static struct memslot *discard_find_slot(struct mmu *mmu, gfn_t gfn)
{
	struct memslot *slot = mmu_find_slot(mmu, gfn);

	if (slot && !slot->gmem && current->mm == mmu->mm && window_make(slot, gfn))
		slot = mmu_find_slot(mmu, gfn);
	return slot;
}

/* The first pages of a range. Returns how many were dealt with, or -EINTR, -ENOMEM. */
static long discard_step(struct mmu *mmu, gfn_t gfn, u64 npages, struct mmu_discarded *n)
{
	struct memslot *slot = discard_find_slot(mmu, gfn);
	int err;

	if (!slot || memslot_readonly(slot)) {
		n->refused++;
		return 1;
	}
	npages = min3(npages, (u64)DISCARD_STEP, slot->base + slot->npages - gfn);
	/* Where memory can be private the next page may be another slot's. */
	if (unlikely(mmu->private_mem))
		npages = 1;
	err = discard_slot(slot, gfn, &npages, n);
	return err ?: npages;
}

/**
 * guest_discard() - give back memory that the guest has no use for
 * @mmu: the caller is in no read section of its srcu
 * @gfn: first page; any
 * @npages: how many
 * @n: what became of them is added
 *
 * Process context; sleeps. Of memory that is the process's own, only its owner can give back.
 *
 * Return: 0; -EINTR: a fatal signal came; -ENOMEM: a part is another gmem's, too, after a fork,
 * and could not be copied. The beginning may be given back then.
 */
int guest_discard(struct mmu *mmu, gfn_t gfn, u64 npages, struct mmu_discarded *n)
{
	long done;
	int idx;

	while (npages) {
		if (fatal_signal_pending(current))
			return -EINTR;
		idx = srcu_read_lock(&mmu->srcu);
		done = discard_step(mmu, gfn, npages, n);
		srcu_read_unlock(&mmu->srcu, idx);
		if (done < 0)
			return done;
		gfn += done;
		npages -= done;
		cond_resched();
	}
	return 0;
}
