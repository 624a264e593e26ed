// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mappings of a gmem in user space: mmap and page faults. The kernel writes the page
 * table after our handler returned, under the page's lock, so entries are checked
 * under that lock (internal.h, point 4). Pages are ordinary: GUP and O_DIRECT work.
 * Every page is mapped read-only first; page_mkwrite says when it is written.
 */
#include <linux/mm.h>
#include <linux/pagemap.h>

#include "core/compat.h"
#include "gmem/internal.h"

/* What is at @off, with a reference, and the entry it was in; or NULL. In RCU. */
static struct page *peek(struct gmem *g, pgoff_t off, unsigned long **e, unsigned long *v)
{
	struct page *page;

	*e = gmem_entry(g, off);
	if (!*e)
		return NULL;
	*v = READ_ONCE(**e);
	if (*v & GMEM_LOCKED)
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
static bool still(struct gmem *g, pgoff_t off, unsigned long v)
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
	page = peek(g, off, &e, &v);
	rcu_read_unlock();
	if (!page)
		return NULL;
	lock_page(page);
	if (still(g, off, v))
		return page;
	unlock_page(page);
	put_page(page);
	return NULL;
}

/*
 * The zero page and shared pages can be mapped any number of times. Long before the
 * count of references could wrap there is a bus error for who maps so much.
 */
#define MAX_PAGE_REFS	(INT_MAX / 2)

/*
 * A fatal signal is not an error of the mapping: return, and it will be taken. Without
 * memory it is a bus error: VM_FAULT_OOM would have the access tried again for ever,
 * because there is no kill to wait for (GMEM_GFP).
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

/* @page, referenced and locked, cannot be mapped. */
static vm_fault_t refuse(struct page *page, vm_fault_t why)
{
	unlock_page(page);
	put_page(page);
	return why;
}

static vm_fault_t gmem_vm_fault(struct vm_fault *vmf)
{
	struct gmem *g = vmf->vma->vm_private_data;
	bool write = vmf->flags & FAULT_FLAG_WRITE;
	struct page *page;
	int ret;

	if (vmf->pgoff >= g->npages)
		return VM_FAULT_SIGBUS;
	for (;;) {
		ret = write ? gmem_own(g, vmf->pgoff) : gmem_settle(g, vmf->pgoff);
		if (ret)
			return to_vm_fault(ret);
		page = peek_locked(g, vmf->pgoff);
		if (page)
			break;
	}
	if (page_count(page) > MAX_PAGE_REFS)
		return refuse(page, VM_FAULT_SIGBUS);
	/* The kernel would look for the mapping in the page, which has none. */
	if (PageHWPoison(page)) {
		refuse(page, 0);
		gmem_quarantine(g, vmf->pgoff);
		return VM_FAULT_HWPOISON;
	}
	vmf->page = page;
	return VM_FAULT_LOCKED;
}

/* Under the page's lock: note that user space may write to @page, if it may. */
static bool allow_write(struct gmem *g, pgoff_t off, struct page *page)
{
	struct gmem_chunk *c;
	unsigned long *e, v;
	bool ok = false;

	rcu_read_lock();
	c = gmem_chunk_lookup(g, off);
	if (c) {
		e = &c->entry[off % GMEM_CHUNK_PAGES];
		v = READ_ONCE(*e);
		ok = gmem_entry_private(v) && !(v & GMEM_LOCKED) &&
		     gmem_entry_page(v) == page &&
		     gmem_entry_set(e, v, GMEM_UWRITE | GMEM_DIRTY);
		if (ok)
			gmem_chunk_touch(c);
	}
	rcu_read_unlock();
	return ok;
}

static vm_fault_t gmem_vm_page_mkwrite(struct vm_fault *vmf)
{
	struct gmem *g = vmf->vma->vm_private_data;
	int ret;

	if (vmf->pgoff >= g->npages)
		return VM_FAULT_SIGBUS;
	if (PageHWPoison(vmf->page)) {
		gmem_quarantine(g, vmf->pgoff);
		return VM_FAULT_HWPOISON;
	}
	lock_page(vmf->page);
	if (allow_write(g, vmf->pgoff, vmf->page))
		return VM_FAULT_LOCKED;
	unlock_page(vmf->page);
	ret = gmem_own(g, vmf->pgoff);
	return ret ? to_vm_fault(ret) : VM_FAULT_NOPAGE;
}

static const struct vm_operations_struct gmem_vm_ops = {
	.fault = gmem_vm_fault,
	.page_mkwrite = gmem_vm_page_mkwrite,
};

/**
 * gmem_mmap() - mmap of a gmem's file
 * @file: the file
 * @vma: the new mapping
 *
 * Only shared mappings: what a private one would mean beside merging and fork nobody
 * has asked for. VM_DONTEXPAND because there is nothing beyond the end.
 *
 * Return: 0, or -EINVAL for a private mapping or one that reaches beyond the end.
 */
int gmem_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct gmem *g = file->private_data;

	if (!(vma->vm_flags & VM_SHARED))
		return -EINVAL;
	if (vma->vm_pgoff > g->npages || vma_pages(vma) > g->npages - vma->vm_pgoff)
		return -EINVAL;
	vm_flags_set(vma, VM_DONTEXPAND);
	vma->vm_private_data = g;
	vma->vm_ops = &gmem_vm_ops;
	file_accessed(file);
	return 0;
}
