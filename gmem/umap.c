// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mappings of a gmem in user space: mmap and page faults. The page table is written under
 * the page's lock, so entries are checked under that lock (internal.h, point 4). Pages are
 * ordinary: GUP and O_DIRECT work.
 *
 * A mapping is of one of two kinds. One that may be written begins as an open one: it has
 * private pages only, and no notification of the first write is needed, because the dirty
 * bit in the page table is looked at when the mapping is taken away (scan.c). The kernel
 * lets such a mapping be pinned for long (io_uring, VFIO, RDMA), which it refuses where
 * page_mkwrite exists. When a page must be mapped read-only, because it is shared or is the
 * zero page, the mapping becomes a watched one, for good: every page is mapped read-only
 * first, and page_mkwrite tells when it is written. A mapping that may only be read is a
 * watched one from the beginning.
 */
#include <linux/mm.h>
#include <linux/oom.h>
#include <linux/pagemap.h>

#include "compat.h"
#include "gmem/adoptee.h"
#include "gmem/bind.h"
#include "gmem/claim.h"
#include "gmem/entry.h"
#include "gmem/fault.h"
#include "gmem/file.h"
#include "gmem/index.h"
#include "gmem/internal.h"
#include "gmem/reader.h"
#include "gmem/weight.h"
#include "gmem/whole.h"

/* What is at @off, with a reference, and the entry it was in; or NULL. In RCU. */
static struct page *umap_peek(struct gmem *g, pgoff_t off, unsigned long **e, unsigned long *v)
{
	struct page *page;

	*e = gmem_entry(g, off);
	if (!*e)
		return NULL;
	*v = READ_ONCE(**e);
	if (*v & (GMEM_LOCKED | GMEM_APART))
		return NULL;
	if (*v & GMEM_PRESENT) {
		page = gmem_entry_page(*v);
	} else {
		page = READ_ONCE(g->zero);
		if (!page || PageHWPoison(page) || !gmem_entry_set(*e, *v, GMEM_ZMAP))
			return NULL;
		*v |= GMEM_ZMAP;
	}
	get_page(page);
	return page;
}

/* Is the entry of @off still what @v says? */
static bool umap_entry_same(struct gmem *g, pgoff_t off, unsigned long v)
{
	unsigned long *e;
	bool same;

	rcu_read_lock();
	e = gmem_entry(g, off);
	same = e && gmem_entry_same(READ_ONCE(*e), v);
	rcu_read_unlock();
	return same;
}

/* What is at @off, referenced and locked, or NULL if it is in transition. */
static struct page *peek_locked(struct gmem *g, pgoff_t off)
{
	unsigned long *e, v;
	struct page *page;

	rcu_read_lock();
	page = umap_peek(g, off, &e, &v);
	rcu_read_unlock();
	if (!page)
		return NULL;
	lock_page(page);
	if (umap_entry_same(g, off, v))
		return page;
	unlock_page(page);
	put_page(page);
	return NULL;
}

/*
 * The zero page and shared pages can be mapped any number of times. A task that maps so
 * many that the reference count could one day overflow gets a bus error long before that;
 * a fork may double them for a moment (gmem_vm_open()).
 */
#define MAX_PAGE_REFS	(INT_MAX / 4)

/*
 * A fatal signal is not an error of the mapping: return, and the signal is handled. Lack of
 * memory is a bus error. VM_FAULT_OOM would have the access repeated for ever, because
 * these allocations call no OOM killer (GMEM_GFP).
 */
static vm_fault_t to_vm_fault(int err)
{
	switch (err) {
	case -EINTR:
		return VM_FAULT_NOPAGE;
	case -EHWPOISON:
		return VM_FAULT_HWPOISON;
	default:
		return VM_FAULT_SIGBUS;
	}
}

/* Done with @page, which was referenced and locked. */
static vm_fault_t umap_leave(struct page *page, vm_fault_t ret)
{
	unlock_page(page);
	put_page(page);
	return ret;
}

/* Under the page's lock: note that user space may write to @page, if it may; or does now. */
static bool allow_write(struct gmem *g, pgoff_t off, struct page *page, bool now)
{
	struct gmem_chunk *c;
	unsigned long *e, v;
	bool ok = false;

	rcu_read_lock();
	c = gmem_chunk_lookup(g, off);
	if (c) {
		e = &c->entry[off % GMEM_CHUNK_PAGES];
		v = READ_ONCE(*e);
		ok = gmem_entry_private(v) && !(v & GMEM_LOCKED) && gmem_chunk_held_by(c, g) &&
		     gmem_entry_page(v) == page &&
		     gmem_entry_set(e, v, GMEM_UWRITE | (now ? GMEM_DIRTY : 0));
		if (ok) {
			gmem_note_held(c);
			gmem_chunk_touch(c);
		}
	}
	rcu_read_unlock();
	return ok;
}

/* Is @page at @off, and not to be written there? In transition it may be either. */
static bool umap_read_only(struct gmem *g, pgoff_t off, struct page *page)
{
	struct gmem_chunk *c;
	bool ro;

	if (page == READ_ONCE(g->zero) || gmem_page_is_shared(page))
		return true;
	rcu_read_lock();
	c = gmem_chunk_lookup(g, off);
	ro = c && !gmem_chunk_held_by(c, g);
	rcu_read_unlock();
	return ro;
}

static const struct vm_operations_struct gmem_open_ops;
static const struct vm_operations_struct gmem_watched_ops;

/*
 * Turn an open mapping into a watched one, before this task enters a page that may not be
 * written. Other tasks may be in faults on it. The pages that they enter are private, so
 * they may be writable or not. A task that writes to our page later has taken the
 * page-table lock after us, and sees the new kind. There is no way back, so page_mkwrite
 * cannot disappear between the kernel's check and its call. The kernel does not merge the
 * mapping with one of the other kind, because of VM_DONTEXPAND, and mprotect() derives the
 * protection from the kind.
 */
static void umap_watch(struct vm_area_struct *vma)
{
	WRITE_ONCE(vma->vm_page_prot, vm_get_page_prot(vma->vm_flags & ~VM_SHARED));
	WRITE_ONCE(vma->vm_ops, &gmem_watched_ops);
}

static bool is_open(struct vm_area_struct *vma)
{
	return READ_ONCE(vma->vm_ops) == &gmem_open_ops;
}

/* A write to a private mapping reads from here: the kernel writes to a copy of its own. */
static bool umap_writes(const struct vm_fault *vmf)
{
	return (vmf->flags & FAULT_FLAG_WRITE) && (vmf->vma->vm_flags & VM_SHARED);
}

/*
 * Make the mapping one that may have @page, which is locked. False: start again, because an
 * entry that was made private for a write has been merged since, or is in transition.
 */
static bool umap_admit(struct vm_fault *vmf, struct gmem *g, struct page *page)
{
	bool write = umap_writes(vmf);

	if (!is_open(vmf->vma) || allow_write(g, vmf->pgoff, page, write))
		return true;
	if (write)
		return false;
	if (!umap_read_only(g, vmf->pgoff, page))
		return false;
	umap_watch(vmf->vma);
	return true;
}

/*
 * Map @page, referenced and locked. Not left to the kernel, which looks once more whether the
 * memory is bad and then asks a locked page for its mapping, of which ours have none; and a
 * page may go bad at any time, whoever has its lock. In a private mapping it is read-only, so
 * a write faults once more, and the kernel copies what is mapped. Nobody may copy it unmapped
 * and unlocked: the copy would stay when the file is made shorter meanwhile.
 */
static vm_fault_t umap_enter(struct vm_fault *vmf, struct page *page)
{
	struct vm_area_struct *vma = vmf->vma;
	vm_fault_t ret = 0;

	if (umap_writes(vmf) && is_open(vma))
		file_update_time(vma->vm_file);
	if (!(vma->vm_flags & VM_SHARED))
		ret = check_stable_address_space(vma->vm_mm);
	return umap_leave(page, ret ?: vmf_insert_page(vma, vmf->address, page));
}

/*
 * Have a page table for umap_enter(), which would make one under the page's lock: who needs
 * memory for that may wait for somebody who waits for the page. The kernel takes it away only
 * with the mapping, which cannot go during a fault.
 */
static int umap_have_table(const struct vm_fault *vmf)
{
	if (!vmf->pmd || !pmd_none(READ_ONCE(*vmf->pmd)))
		return 0;
	return apply_to_page_range(vmf->vma->vm_mm, vmf->address & PAGE_MASK, PAGE_SIZE, NULL,
				   NULL);
}

/*
 * Map what is at the offset now. With fork_lock: a fork that comes later takes the mapping
 * away, and one that came before is seen by umap_admit(). False: start again.
 */
static bool umap_try(struct vm_fault *vmf, struct gmem *g, vm_fault_t *ret)
{
	struct page *page = peek_locked(g, vmf->pgoff);

	if (!page)
		return false;
	if (PageHWPoison(page)) {
		*ret = umap_leave(page, VM_FAULT_HWPOISON);
		return true;
	}
	/* Checked under the page's lock: truncation waits for that lock. */
	if (page_count(page) > MAX_PAGE_REFS || vmf->pgoff >= gmem_npages(g)) {
		*ret = umap_leave(page, VM_FAULT_SIGBUS);
		return true;
	}
	if (!umap_admit(vmf, g, page)) {
		umap_leave(page, 0);
		return false;
	}
	*ret = umap_enter(vmf, page);
	return true;
}

/* gmem_vm_fault(), once reader.c has allowed it. */
static vm_fault_t umap_fault(struct vm_fault *vmf, struct gmem *g)
{
	bool done, write = umap_writes(vmf);
	vm_fault_t ret;
	int err;

	do {
		if (vmf->pgoff >= gmem_npages(g))
			return VM_FAULT_SIGBUS;
		err = write ? gmem_own(g, vmf->pgoff) : gmem_settle(g, vmf->pgoff);
		if (err)
			return to_vm_fault(err);
		down_read(&g->fork_lock);
		done = umap_try(vmf, g, &ret);
		up_read(&g->fork_lock);
	} while (!done);
	if (ret == VM_FAULT_HWPOISON)
		gmem_quarantine(g, vmf->pgoff);
	return ret;
}

static vm_fault_t gmem_vm_fault(struct vm_fault *vmf)
{
	struct file *file = vmf->vma->vm_file;
	vm_fault_t ret;

	if (umap_have_table(vmf))
		return VM_FAULT_OOM;
	if (!gmem_reader_enter(file))
		return VM_FAULT_SIGBUS;
	gmem_note_advice(vmf->vma->vm_private_data, vmf->vma);
	ret = umap_fault(vmf, vmf->vma->vm_private_data);
	gmem_reader_leave(file);
	return ret;
}

/*
 * With @page locked, so that the kernel finds the page table changed if a fork takes the mapping
 * away before it makes it writable: nobody can map the page there meanwhile.
 */
static bool umap_allow_now(struct vm_fault *vmf, struct gmem *g)
{
	bool ok;

	down_read(&g->fork_lock);
	lock_page(vmf->page);
	ok = allow_write(g, vmf->pgoff, vmf->page, true);
	up_read(&g->fork_lock);
	return ok;
}

static vm_fault_t gmem_vm_page_mkwrite(struct vm_fault *vmf)
{
	struct gmem *g = vmf->vma->vm_private_data;
	int err;

	if (vmf->pgoff >= gmem_npages(g))
		return VM_FAULT_SIGBUS;
	if (PageHWPoison(vmf->page)) {
		gmem_quarantine(g, vmf->pgoff);
		return VM_FAULT_HWPOISON;
	}
	file_update_time(vmf->vma->vm_file);
	if (umap_allow_now(vmf, g))
		return VM_FAULT_LOCKED;
	unlock_page(vmf->page);
	err = gmem_own(g, vmf->pgoff);
	return err ? to_vm_fault(err) : VM_FAULT_NOPAGE;
}

/* At the end of a process its mm has no users any more, so the gmem looks for another owner. */
static void gmem_vm_close(struct vm_area_struct *vma)
{
	gmem_reader_count(vma->vm_private_data, vma->vm_file, -1);
	gmem_adopted_close(vma);
	gmem_weight_pass(vma->vm_private_data);
}

/*
 * A fork shall take no references, which nobody limits (see MAX_PAGE_REFS): the child faults
 * instead. Of most mappings nothing is copied. Of a private one that can be written the
 * process's own copies are to be copied, and what is ours is taken out of it.
 */
static void umap_keep_from_fork(struct vm_area_struct *vma)
{
	if ((vma->vm_flags & (VM_SHARED | VM_MAYWRITE)) != VM_MAYWRITE)
		vm_flags_set(vma, VM_WIPEONFORK);
}

static vm_fault_t gmem_apart_fault(struct vm_fault *vmf)
{
	return VM_FAULT_SIGBUS;
}

/* A forked child's mapping of adopted memory: it was private, and is its parent's. */
static const struct vm_operations_struct gmem_apart_ops = {
	.fault = gmem_apart_fault,
};

/* Marked as ours: adopted memory would take it for MADV_DONTNEED. */
static void umap_take_away(struct vm_area_struct *vma)
{
	struct gmem *g = vma->vm_private_data;
	struct gmem_unmapper mark;

	gmem_unmap_begin(g, &mark);
	unmap_mapping_pages(vma->vm_file->f_mapping, vma->vm_pgoff, vma_pages(vma), false);
	gmem_unmap_end(g, &mark);
}

/*
 * Of a fork, or of a mapping that is split or moved, whose process keeps what it has: anybody
 * who may read can do that as often as he likes, so it takes nothing from others. Of forks
 * some kernels copy the tables before they call this and some afterwards, and madvise() may
 * have taken the flag away. Both are settled by taking our pages out of all mappings here: the
 * new one has lost them, or finds none. "All" are the mappings of files that may be written, or,
 * if this file may only be read, those of this file (reader.c).
 */
static void gmem_vm_open(struct vm_area_struct *vma)
{
	bool forks = vma->vm_mm != current->mm && !(vma->vm_flags & VM_WIPEONFORK);
	struct gmem *g = vma->vm_private_data;

	gmem_reader_count(vma->vm_private_data, vma->vm_file, 1);
	umap_keep_from_fork(vma);
	if (g->adoptee && vma->vm_mm != current->mm)
		vma->vm_ops = &gmem_apart_ops;
	if (forks)
		umap_take_away(vma);
}

/*
 * The kernel tells mmu notifiers only where there are page tables, and a guest may use the
 * memory without any. So whoever is bound by way of a mapping hears of it here.
 */
static int gmem_vm_mprotect(struct vm_area_struct *vma, unsigned long start, unsigned long end,
			    unsigned long flags)
{
	pgoff_t first = vma->vm_pgoff + ((start - vma->vm_start) >> PAGE_SHIFT);

	gmem_revoke_bindings(vma->vm_private_data, first, first + ((end - start) >> PAGE_SHIFT));
	return 0;
}

static const struct vm_operations_struct gmem_open_ops = {
	.open = gmem_vm_open,
	.close = gmem_vm_close,
	.mprotect = gmem_vm_mprotect,
	.fault = gmem_vm_fault,
};

static const struct vm_operations_struct gmem_watched_ops = {
	.open = gmem_vm_open,
	.close = gmem_vm_close,
	.mprotect = gmem_vm_mprotect,
	.fault = gmem_vm_fault,
	.page_mkwrite = gmem_vm_page_mkwrite,
};

/**
 * gmem_mapped_by() - the gmem that a process maps, to share it
 * @vma: its mm's mmap_lock is held
 *
 * Notes what the mapping was advised.
 *
 * Return: the gmem, which has a reference of the mapping's file; or NULL: it is other memory, or
 * a mapping whose pages may be copies of the process's own.
 */
struct gmem *gmem_mapped_by(const struct vm_area_struct *vma)
{
	const struct vm_operations_struct *ops = READ_ONCE(vma->vm_ops);

	if (ops != &gmem_open_ops && ops != &gmem_watched_ops)
		return NULL;
	if (!(vma->vm_flags & VM_SHARED))
		return NULL;
	gmem_note_advice(vma->vm_private_data, vma);
	return vma->vm_private_data;
}

/**
 * gmem_mmap() - mmap of a gmem's file
 * @file: the file
 * @vma: the new mapping
 *
 * Of an anonymous gmem only shared mappings, and none beyond the end, where nothing will ever
 * be; but of a machine's the latter, too, as under KVM. VM_DONTEXPAND: see umap_watch();
 * VM_MIXEDMAP: see umap_enter().
 *
 * Return: 0; -EINVAL for a private mapping or one that reaches beyond the end; -ENOMEM: who may
 * only read has mapped it too often.
 */
int gmem_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct gmem *g = file->private_data;
	bool shared = vma->vm_flags & VM_SHARED;
	int err;

	/* Of a file that is open for reading only, a shared mapping has no VM_SHARED. */
	if (!g->space && !g->owner && (!(vma->vm_flags & VM_MAYSHARE) ||
				       vma->vm_pgoff > gmem_npages(g) ||
				       vma_pages(vma) > gmem_npages(g) - vma->vm_pgoff))
		return -EINVAL;
	err = gmem_reader_map(g, file);
	if (err)
		return err;
	vm_flags_set(vma, VM_DONTEXPAND | VM_MIXEDMAP);
	umap_keep_from_fork(vma);
	vma->vm_private_data = g;
	vma->vm_ops = shared && vma->vm_flags & VM_WRITE ? &gmem_open_ops : &gmem_watched_ops;
	file_accessed(file);
	return 0;
}
