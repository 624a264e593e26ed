// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is behind an address of the VMM's process: a page of memory, or, where a driver
 * mapped a device there, only a frame number. The caller enters it into the TDP tables by
 * the protocol at the top of fault.c, and the mmu notifier takes it out again.
 *
 * The hard part is to wait for memory that somebody else provides when it suits them
 * (userfaultfd, FUSE, an unreachable server), and yet to leave KVM_RUN when a signal comes.
 */
#include <linux/mm.h>
#include <linux/pgtable.h>
#include <linux/sched/signal.h>
#include <asm/e820/api.h>
#include <asm/memtype.h>

#include "compat.h"
#include "mmu/user.h"

/* Handle one fault; 0: done, -EAGAIN: look again, or -errno. Drops the mmap lock. */
static int fault_in_locked(struct mm_struct *mm, unsigned long hva, bool write)
{
	struct vm_area_struct *vma = vma_lookup(mm, hva);
	vm_fault_t ret;

	if (!vma || !(vma->vm_flags & (write ? VM_WRITE : VM_READ))) {
		mmap_read_unlock(mm);
		return -EFAULT;
	}
	ret = handle_mm_fault(vma, hva, FAULT_FLAG_DEFAULT | (write ? FAULT_FLAG_WRITE : 0) |
			      (mm == current->mm ? 0 : FAULT_FLAG_REMOTE), NULL);
	/* With these two it has dropped the lock. */
	if (ret & VM_FAULT_COMPLETED)
		return 0;
	if (ret & VM_FAULT_RETRY)
		return signal_pending(current) ? -EINTR : -EAGAIN;
	mmap_read_unlock(mm);
	return ret & VM_FAULT_ERROR ? vm_fault_to_errno(ret, FOLL_HWPOISON) : 0;
}

/**
 * user_fault_in() - let the kernel handle a fault, as if the process had touched it
 * @mm: the calling process's, or one that the caller keeps
 * @hva: any address
 * @write: for a write
 *
 * Takes mmap_lock; may sleep for long.  What was there may be gone when it returns.
 *
 * Return: 0; -EFAULT, -ENOMEM, -EHWPOISON; -EINTR when a signal came, of any kind.
 */
int user_fault_in(struct mm_struct *mm, unsigned long hva, bool write)
{
	int err;

	do {
		if (mmap_read_lock_killable(mm))
			return -EINTR;
		err = fault_in_locked(mm, hva, write);
	} while (err == -EAGAIN);
	return err;
}

/* A page that may have to be waited for. 1 or -errno. */
static int page_wait(struct mm_struct *mm, unsigned long hva, bool write, struct page **page)
{
	unsigned int flags = (write ? FOLL_WRITE : 0) | FOLL_HWPOISON | COMPAT_FOLL_INTERRUPTIBLE;

	/* Where GUP does not listen to signals, the waiting is done before it. */
	if (!COMPAT_FOLL_INTERRUPTIBLE && user_fault_in(mm, hva, write) == -EINTR)
		return -EINTR;
	return get_user_pages_unlocked(hva, 1, page, flags);
}

/* A page that is there already. 1 if it is; up->writable is set in any case. */
static int page_look(unsigned long hva, bool write, bool want_write, struct user_page *up)
{
	int n = 0;

	up->writable = true;
	if (write || want_write)
		n = get_user_pages_fast_only(hva, 1, FOLL_WRITE, &up->page);
	if (n != 1 && !write) {
		up->writable = false;
		n = get_user_pages_fast_only(hva, 1, 0, &up->page);
	}
	return n;
}

static int page_get(struct mm_struct *mm, unsigned long hva, bool write, bool want_write,
		    struct user_page *up)
{
	int n = page_look(hva, write, want_write, up);

	if (n != 1)
		n = page_wait(mm, hva, write, &up->page);
	if (n != 1)
		return n < 0 ? n : -EFAULT;
	up->pfn = page_to_pfn(up->page);
	return 0;
}

/* Is it a device's, not the host's memory, so that it must not be cached? */
static bool pfn_is_device(kvm_pfn_t pfn)
{
	u64 addr = (u64)pfn << PAGE_SHIFT;

	if (!pfn_valid(pfn))
		return !e820__mapped_raw_any(addr, addr + PAGE_SIZE - 1, E820_TYPE_RAM);
	/* Reserved memory may be a device's; its type in the host's PAT tells. */
	return !is_zero_pfn(pfn) && PageReserved(pfn_to_page(pfn)) &&
	       (!pat_enabled() || pat_pfn_immune_to_uc_mtrr(pfn));
}

/* The frame that a driver mapped, if there is one yet. -EAGAIN: there is none. */
static int pfnmap_look(struct mm_struct *mm, unsigned long hva, bool write, struct user_page *up)
{
	struct vm_area_struct *vma;
	int err = -EFAULT;

	if (mmap_read_lock_killable(mm))
		return -EINTR;
	vma = vma_lookup(mm, hva);
	/* The protection is asked for here: a frame that no access may reach is still found. */
	if (vma && (vma->vm_flags & (VM_IO | VM_PFNMAP)) &&
	    (vma->vm_flags & (write ? VM_WRITE : VM_READ)))
		err = compat_follow_pfn(vma, hva, &up->pfn, &up->writable) ? -EAGAIN : 0;
	if (!err && write && !up->writable)
		err = -EAGAIN;
	mmap_read_unlock(mm);
	return err;
}

static int pfnmap_get(struct mm_struct *mm, unsigned long hva, bool write, struct user_page *up)
{
	int err = pfnmap_look(mm, hva, write, up);

	if (err == -EAGAIN) {
		err = user_fault_in(mm, hva, write);
		if (!err)
			err = pfnmap_look(mm, hva, write, up);
	}
	if (err == -EAGAIN)
		err = -EFAULT;
	if (!err)
		up->device = pfn_is_device(up->pfn);
	return err;
}

/**
 * user_page_get() - find what is behind an address of the process
 * @mm: the calling process's
 * @hva: page-aligned
 * @write: it is going to be written to
 * @want_write: else: take it writable if that comes for free
 * @up: filled; the caller puts up->page, which is NULL for a frame without reference
 *
 * May sleep, and takes mmap_lock.  What it finds is good as long as no invalidation of
 * the mmu notifier covers it, which the caller finds out by its sequence.
 *
 * Return: 0; -EFAULT when there is nothing, or not for this access; -EHWPOISON; -ENOMEM;
 * -EINTR when a signal came, of any kind, before memory did.
 */
int user_page_get(struct mm_struct *mm, unsigned long hva, bool write, bool want_write,
		  struct user_page *up)
{
	int err;

	memset(up, 0, sizeof(*up));
	err = page_get(mm, hva, write, want_write, up);
	if (err != -EFAULT)
		return err;
	memset(up, 0, sizeof(*up));
	return pfnmap_get(mm, hva, write, up);
}

/**
 * user_page_try() - as user_page_get(), unless that would have to wait for memory
 * @mm: the calling process's
 * @hva: page-aligned
 * @write: it is going to be written to
 * @want_write: else: take it writable if that comes for free
 * @up: filled; the caller puts up->page, which is NULL for a frame without reference
 *
 * Return: as user_page_get(); -EINPROGRESS when it would.
 */
int user_page_try(struct mm_struct *mm, unsigned long hva, bool write, bool want_write,
		  struct user_page *up)
{
	int n;

	memset(up, 0, sizeof(*up));
	n = page_look(hva, write, want_write, up);
	if (n != 1)
		n = get_user_pages_unlocked(hva, 1, &up->page,
					    (write ? FOLL_WRITE : 0) | FOLL_HWPOISON | FOLL_NOWAIT);
	if (n == 1) {
		up->pfn = page_to_pfn(up->page);
		return 0;
	}
	/*
	 * None, and no error: an error would be the same after any wait, and is the VMM's to hear.
	 */
	if (!n)
		return -EINPROGRESS;
	return user_page_get(mm, hva, write, want_write, up);
}

/* Anonymous memory: new pages, and those that need no wait. */
static void ahead_fault_in(struct mm_struct *mm, unsigned long hva, unsigned int n)
{
	struct vm_area_struct *vma;
	unsigned long end;

	if (!mmap_read_trylock(mm))
		return;
	vma = vma_lookup(mm, hva);
	if (vma && vma_is_anonymous(vma) && (vma->vm_flags & VM_WRITE)) {
		end = min(hva + n * PAGE_SIZE, vma->vm_end);
		/* Told not to wait, it keeps the lock. */
		for (; hva < end; hva += PAGE_SIZE)
			if (handle_mm_fault(vma, hva, FAULT_FLAG_WRITE | FAULT_FLAG_ALLOW_RETRY |
					    FAULT_FLAG_RETRY_NOWAIT, NULL) &
			    (VM_FAULT_ERROR | VM_FAULT_RETRY))
				break;
	}
	mmap_read_unlock(mm);
}

/**
 * user_pages_ahead() - the pages that are used next, if they are to be had at once
 * @mm: the calling process's
 * @hva: page-aligned, of the first
 * @n: how many at most
 * @writable: only such as the process may write to, without a fault
 * @write: they are going to be written to: what is not there yet is made, where that is
 *	a matter of taking new memory
 * @page: filled, with a reference each
 *
 * What is good of them, and how long, is as for user_page_get().
 *
 * Return: how many, without a gap; 0 or more.
 */
unsigned int user_pages_ahead(struct mm_struct *mm, unsigned long hva, unsigned int n,
			      bool writable, bool write, struct page **page)
{
	unsigned int flags = writable ? FOLL_WRITE : 0;
	int had = get_user_pages_fast_only(hva, n, flags, page);
	int more;

	had = max(had, 0);
	if (had == n || !write)
		return had;
	hva += had * PAGE_SIZE;
	ahead_fault_in(mm, hva, n - had);
	more = get_user_pages_fast_only(hva, n - had, flags, page + had);
	return had + max(more, 0);
}

/**
 * user_maps_large() - does the process map 2 MiB or more at once here?
 * @mm: the process's
 * @hva: any address
 *
 * With IRQs off its page tables are not freed; each entry is read once, as it may change.
 * What it says holds until the notifier says otherwise, if it is asked after step 3 of a
 * fault, with mmu->lock held.
 *
 * Return: whether it does.
 */
bool user_maps_large(struct mm_struct *mm, unsigned long hva)
{
	unsigned long flags;
	bool large = false;
	pgd_t pgd;
	p4d_t p4d;
	pud_t pud;
	pmd_t pmd;

	local_irq_save(flags);
	pgd = READ_ONCE(*pgd_offset(mm, hva));
	if (pgd_none(pgd))
		goto out;
	p4d = READ_ONCE(*p4d_offset(&pgd, hva));
	if (p4d_none(p4d) || !p4d_present(p4d))
		goto out;
	pud = READ_ONCE(*pud_offset(&p4d, hva));
	if (pud_none(pud) || !pud_present(pud))
		goto out;
	large = pud_leaf(pud);
	if (large)
		goto out;
	pmd = READ_ONCE(*pmd_offset(&pud, hva));
	large = !pmd_none(pmd) && pmd_present(pmd) && pmd_leaf(pmd);
out:
	local_irq_restore(flags);
	return large;
}
