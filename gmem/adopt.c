// SPDX-License-Identifier: GPL-2.0-only
/*
 * Adoption: private anonymous memory of the calling process becomes a gmem that is mapped, shared,
 * at the same address. Owns the move, and afterwards what programs expect of that memory because it
 * was anonymous. When to move what is decided elsewhere (mmu/adopt.c).
 *
 * 1. The whole mapping becomes one gmem, in pieces of PIECE, so that memory is not held twice and
 *    mmap_lock not held for long. A piece is one vm_mmap() over it. The kernel calls our
 *    get_unmapped_area() first, with mmap_lock held for write and nothing done; then mmu notifiers,
 *    just before it takes the old mapping away; then our mmap().
 *
 * 2. Everything that can fail is done in the first of these (move_freeze()). Pages are frozen as
 *    the kernel freezes what it is going to migrate, by migrate_vma_setup(): each is locked, its
 *    page-table entry is replaced so that whoever touches it waits, TLBs are flushed, and only
 *    then references are counted. So nobody can be writing to a frozen page:
 *	- through page tables: there is no entry, and no TLB has an old one. Who faults waits for
 *	  mmap_lock, or for the lock of the mapping (vma_start_write());
 *	- the guest: notifiers were told before the entries went;
 *	- GUP: a reference from before is seen by the count, and the page is not frozen. GUP-fast
 *	  reads the entry again after it has taken its reference, and then sees it gone. GUP that
 *	  comes later waits for mmap_lock. So O_DIRECT, process_vm_writev(), vhost, VFIO and
 *	  io_uring's buffers are either before, and the piece is left alone, or after, and write to
 *	  the gmem's page.
 *    Then the bytes are copied. What is not frozen is faulted in for writing, once, which brings
 *    it back from swap, breaks what fork(2) or KSM share, and ends a swap-cache page. A piece
 *    of which something still is not frozen stays what it is; it is tried again later.
 *
 * 3. From the notifier on there is no way back, and no need: all bytes are in the gmem. If the
 *    kernel then cannot make the new mapping - it needs a few hundred bytes, which are refused
 *    only to a process that is being killed - it leaves a hole, and we ask again. A process that
 *    does not get its memory back is killed, not left with holes.
 *
 * 4. If vm_mmap() fails between get_unmapped_area() and the notifier, mmap_lock has been
 *    released with the pages frozen. They stay so: nobody else thaws them, and who touches them
 *    waits. What their reverse map hangs off, the anon_vma, is kept meanwhile by a reference that
 *    is dropped in the notifier, where the old mapping still has its own.
 *
 * 5. Pieces cannot grow together in the kernel (VM_MIXEDMAP). When all are there, one vm_mmap()
 *    replaces neighbours by one mapping of the same pages (join). Their contents do not move.
 *
 * 6. What the process could do to the memory it still can:
 *	- MADV_DONTNEED: of a file it drops only page-table entries. A notifier of ours sees it, and
 *	  punches. gmem's own unmapping causes the same event: it says so before
 *	  (gmem_unmap_begin()). A write that races with MADV_DONTNEED comes before or after it, as
 *	  ever. munmap() of a part punches when the mapping closes.
 *	- fork(2): it is not copied (VM_DONTCOPY: else it is not adopted). If the process takes that
 *	  back, a child's touch is a bus error: it must neither see nor change the guest.
 *	- mremap() may move it, but not make it longer (-EFAULT); MADV_FREE, userfaultfd and
 *	  MADV_DODUMP are refused (-EINVAL), as of other files.
 *
 * Lock order: adopter->lock, mmap_lock, and what internal.h says.
 */
#define pr_fmt(fmt) "ditto: " fmt

#include <linux/file.h>
#include <linux/highmem.h>
#include <linux/hugetlb.h>
#include <linux/mempolicy.h>
#include <linux/mman.h>
#include <linux/module.h>
#include <linux/pkeys.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/userfaultfd_k.h>

#include <ditto.h>
#include "compat.h"
#include "gmem/adopt.h"
#include "gmem/file.h"
#include "gmem/mc.h"
#include "gmem/punch.h"

static bool adopt_on = true;
module_param_named(adopt, adopt_on, bool, 0644);
MODULE_PARM_DESC(adopt, "move guests' memory that a VMM marked MADV_MERGEABLE into gmems");

#define PIECE		SZ_32M
#define PIECE_PAGES	(PIECE >> PAGE_SHIFT)

/* A mapping of less is not worth a gmem's bookkeeping. */
#define ADOPT_LEAST	SZ_2M

/* How often a busy piece is tried in a row, and the kernel asked for a mapping over a hole. */
#define PIECE_TRIES	3
#define HOLE_TRIES	1000

static struct anon_vma *folio_anon(const struct folio *folio)
{
	/* The low bits say what kind of page it is. */
	return (struct anon_vma *)((unsigned long)READ_ONCE(folio->mapping) & ~3UL);
}

/* Is it frozen, the process's alone, and nowhere else? Or is there nothing? */
static bool page_frozen(const struct vm_area_struct *vma, unsigned long src)
{
	struct page *page = migrate_pfn_to_page(src);
	struct folio *folio;

	if (!(src & MIGRATE_PFN_MIGRATE))
		return false;
	if (!page)
		return true;
	folio = page_folio(page);
	return (src & MIGRATE_PFN_WRITE) && folio_test_anon(folio) &&
	       folio_anon(folio) == vma->anon_vma && !folio_test_swapcache(folio);
}

/* Freeze all that there is; 0, or -EAGAIN: those of @odd are not, and nothing is. */
static int freeze_once(struct adoption *m, struct vm_area_struct *vma)
{
	unsigned long i, n = (m->end - m->start) >> PAGE_SHIFT;
	struct migrate_vma *f = &m->freeze;
	int err;

	if (!ADOPT_POSSIBLE)
		return -EOPNOTSUPP;
	f->vma = vma;
	f->start = m->start;
	f->end = m->end;
	f->flags = MIGRATE_VMA_SELECT_SYSTEM;
	bitmap_zero(m->odd, n);
	err = migrate_vma_setup(f);
	if (err)
		return err;
	for (i = 0; i < n; i++)
		if (i >= f->npages || !page_frozen(vma, f->src[i]))
			set_bit(i, m->odd);
	if (bitmap_empty(m->odd, n))
		return 0;
	migrate_vma_finalize(f);
	return -EAGAIN;
}

/* As if the process had written to them. mmap_lock is held all the time. */
static int fault_in_odd(struct adoption *m, struct vm_area_struct *vma)
{
	unsigned long i, n = (m->end - m->start) >> PAGE_SHIFT;
	vm_fault_t ret;

	for_each_set_bit(i, m->odd, n) {
		ret = handle_mm_fault(vma, m->start + (i << PAGE_SHIFT), FAULT_FLAG_WRITE, NULL);
		if (ret & VM_FAULT_ERROR)
			return vm_fault_to_errno(ret, FOLL_HWPOISON);
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return 0;
}

static int freeze_pages(struct adoption *m, struct vm_area_struct *vma)
{
	int err = freeze_once(m, vma);

	if (err == -EAGAIN)
		err = fault_in_odd(m, vma) ?: freeze_once(m, vma);
	return err == -EAGAIN ? -EBUSY : err;
}

static int copy_page_in(struct gmem *g, pgoff_t off, struct page *page)
{
	void *va = gmem_pin_page(g, off, true);
	int err;

	if (IS_ERR(va))
		return PTR_ERR(va);
	err = PageHWPoison(page) ? -EHWPOISON : gmem_copy(va, page_address(page), PAGE_SIZE);
	gmem_unpin_page(g, off, va, true);
	return err;
}

static int adopt_copy_pages(struct adoption *m)
{
	pgoff_t off = m->pos >> PAGE_SHIFT;
	unsigned long i;
	int err = 0;

	for (i = 0; i < m->freeze.npages && !err; i++) {
		struct page *page = migrate_pfn_to_page(m->freeze.src[i]);

		if (page)
			err = copy_page_in(m->g, off + i, page);
		cond_resched();
	}
	return err;
}

/* Nothing of the piece has changed, and nothing of it is in the gmem. */
static void move_thaw(struct adoption *m)
{
	if (ADOPT_POSSIBLE)
		migrate_vma_finalize(&m->freeze);
	anon_drop(m->anon);
	m->anon = NULL;
	m->ready = false;
	gmem_punch_surely(m->g, m->pos >> PAGE_SHIFT,
			  (m->pos + m->end - m->start) >> PAGE_SHIFT);
}

/* What of memory that could be adopted speaks against it, DITTO_UNADOPTED_*; 0: nothing. */
static u32 vma_flaw(struct vm_area_struct *vma)
{
	vm_flags_t rights = vma->vm_flags & (VM_READ | VM_WRITE | VM_EXEC);

	if (!(vma->vm_flags & VM_MERGEABLE))
		return DITTO_UNADOPTED_UNMARKED;
	if (!(vma->vm_flags & VM_DONTCOPY))
		return DITTO_UNADOPTED_FORK;
	if ((vma->vm_flags | vma->vm_mm->def_flags) & VM_LOCKED)
		return DITTO_UNADOPTED_LOCKED;
	if (userfaultfd_armed(vma))
		return DITTO_UNADOPTED_UFFD;
	if (rights != (VM_READ | VM_WRITE) || vma_pkey(vma))
		return DITTO_UNADOPTED_RIGHTS;
	return compat_vma_policy(vma) ? DITTO_UNADOPTED_POLICY : 0;
}

static u32 vma_why(struct vm_area_struct *vma)
{
	if (is_vm_hugetlb_page(vma))
		return DITTO_UNADOPTED_HUGE;
	if (!vma_is_anonymous(vma) ||
	    vma->vm_flags & (VM_SHARED | VM_SPECIAL | VM_GROWSDOWN | COMPAT_VM_SEALED))
		return DITTO_UNADOPTED_KIND;
	return vma_flaw(vma);
}

/* Step 2. mmap_lock is held for write. */
static int move_freeze(struct adoption *m)
{
	struct vm_area_struct *vma = vma_lookup(current->mm, m->start);
	pgoff_t first = m->pos >> PAGE_SHIFT;
	pgoff_t end = first + ((m->end - m->start) >> PAGE_SHIFT);
	int err;

	if (!vma || vma->vm_end < m->end || vma_why(vma) || gmem_adoptee_mapped(m->g, first, end))
		return -EBUSY;
	compat_vma_start_write(vma);
	gmem_punch_surely(m->g, first, end);	/* of a mapping that was there before */
	m->flags = vma->vm_flags & VM_DONTDUMP;
	err = freeze_pages(m, vma);
	if (err)
		return err;
	err = adopt_copy_pages(m);
	if (err) {
		move_thaw(m);
		return err;
	}
	m->anon = vma->anon_vma;
	anon_hold(m->anon);
	m->ready = true;
	return 0;
}

/* They are nowhere any more, but in our hands. */
static void move_release(struct adoption *m)
{
	unsigned long i;

	for (i = 0; i < m->freeze.npages; i++) {
		struct page *page = migrate_pfn_to_page(m->freeze.src[i]);
		struct folio *folio;

		if (!page)
			continue;
		folio = page_folio(page);
		/* Off the LRU lists nobody else clears these, and they are not to be set now. */
		folio_clear_active(folio);
		folio_clear_unevictable(folio);
		folio_unlock(folio);
		folio_put(folio);
	}
}

/* Is it the part of adopted memory that belongs at @hva if @start is at @pos? */
static bool vma_continues(const struct vm_area_struct *vma, const struct adoption *m,
			  unsigned long hva)
{
	return vma && vma->vm_start == hva && gmem_vma_adoptee(vma) == m->g &&
	       (u64)vma->vm_pgoff << PAGE_SHIFT == m->pos + hva - m->start;
}

static vm_flags_t vma_lasting_flags(const struct vm_area_struct *vma)
{
	return vma->vm_flags & ~VM_SOFTDIRTY;
}

/* Step 5: is what is to be joined still there? mmap_lock is held for write. */
static int join_check(struct adoption *m)
{
	struct vm_area_struct *first = vma_lookup(current->mm, m->start), *vma;
	unsigned long hva;

	for (hva = m->start; hva < m->end; hva = vma->vm_end) {
		vma = vma_lookup(current->mm, hva);
		if (!vma_continues(vma, m, hva) || vma->vm_end > m->end ||
		    vma_lasting_flags(vma) != vma_lasting_flags(first))
			return -EBUSY;
		compat_vma_start_write(vma);
	}
	if ((first->vm_flags & (VM_READ | VM_WRITE | VM_EXEC)) != (VM_READ | VM_WRITE))
		return -EBUSY;
	m->flags = first->vm_flags & VM_DONTDUMP;
	m->ready = true;
	return 0;
}

/* Of mremap() only the address is asked for. Nobody else can map such a file. */
static unsigned long adopt_get_unmapped_area(struct file *file, unsigned long addr,
					     unsigned long len, unsigned long pgoff,
					     unsigned long flags)
{
	struct adoption *m = adoption_now(file->private_data);
	int err;

	if (!m)
		return flags & MAP_FIXED ? addr : -ENODEV;
	if (m->unmapped)
		err = find_vma_intersection(current->mm, m->start, m->end) ? -EEXIST : 0;
	else
		err = m->join ? join_check(m) : move_freeze(m);
	return err ?: addr;
}

static int adopt_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct adoption *m = adoption_now(file->private_data);
	int err;

	if (!m)
		return -ENODEV;
	if (WARN_ON_ONCE(!m->unmapped))
		return -EFAULT;
	err = gmem_mmap(file, vma);
	if (!err)
		vm_flags_set(vma, VM_DONTCOPY | m->flags);
	return err;
}

static int adopt_release(struct inode *inode, struct file *file)
{
	struct gmem *g = file->private_data;

	mmu_notifier_put(&g->adoptee->adopter->mn);
	return gmem_file_release(inode, file);
}

static const struct file_operations gmem_adopt_fops = {
	.owner = THIS_MODULE,
	.flush = gmem_file_flush,
	.release = adopt_release,
	.mmap = adopt_mmap,
	.get_unmapped_area = adopt_get_unmapped_area,
	.fallocate = gmem_file_fallocate,
};

/* There is a hole, and nothing to put there any more. */
static void adopt_kill(void)
{
	if (fatal_signal_pending(current))
		return;
	pr_warn_ratelimited("%s[%d] killed: its memory cannot be mapped again\n", current->comm,
			    task_pid_nr(current));
	send_sig(SIGKILL, current, 1);
}

/* One vm_mmap(), and its end. 0 or -errno. */
static int adoption_map(struct adoption *m, struct file *file)
{
	unsigned int tries = 0;
	unsigned long ret;

	m->ready = false;
	m->unmapped = false;
	m->anon = NULL;
	do {
		ret = vm_mmap(file, m->start, m->end - m->start, PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_FIXED, m->pos);
	} while (IS_ERR_VALUE(ret) && m->unmapped && ++tries < HOLE_TRIES &&
		 !fatal_signal_pending(current));
	if (IS_ERR_VALUE(ret) && m->unmapped)
		adopt_kill();
	if (!m->join && m->unmapped)
		move_release(m);
	else if (!m->join && m->ready)
		move_thaw(m);
	return IS_ERR_VALUE(ret) ? ret : 0;
}

static int adopt_piece(struct adoption *m, struct file *file)
{
	unsigned int tries = 0;
	int err;

	do {
		err = adoption_map(m, file);
		cond_resched();
	} while (err == -EBUSY && ++tries < PIECE_TRIES && !signal_pending(current));
	return err;
}

/* All pieces of [start, end), as far as they can be had. */
static int adopt_pieces(struct adoption *m, struct file *file, unsigned long start,
			unsigned long end, unsigned long base)
{
	int ret, err = 0;

	m->join = false;
	for (; start < end; start = m->end) {
		m->start = start;
		m->end = min(end, round_down(start, PIECE) + PIECE);
		m->pos = start - base;
		ret = adopt_piece(m, file);
		err = ret ?: err;
		/* A VMM that wants its thread back gets it, and one piece a KVM_RUN. */
		if (signal_pending(current) && m->end < end)
			return -EINTR;
	}
	return err;
}

/* Set the first run of mappings from @hva on that can be joined. */
static bool join_find(struct adoption *m, unsigned long hva, unsigned long end)
{
	struct vm_area_struct *vma, *next;

	if (mmap_read_lock_killable(current->mm))
		return false;
	m->end = 0;
	for (; hva < end && !m->end; hva = vma->vm_end) {
		vma = find_vma(current->mm, hva);
		if (!vma || vma->vm_start >= end)
			break;
		if (gmem_vma_adoptee(vma) != m->g)
			continue;
		m->start = vma->vm_start;
		m->pos = (u64)vma->vm_pgoff << PAGE_SHIFT;
		for (next = vma; (next = vma_lookup(current->mm, next->vm_end)) &&
		     vma_continues(next, m, next->vm_start) &&
		     vma_lasting_flags(next) == vma_lasting_flags(vma);)
			m->end = next->vm_end;
	}
	mmap_read_unlock(current->mm);
	return m->end;
}

static void adopt_join(struct adoption *m, struct file *file, unsigned long base)
{
	unsigned long end = base + gmem_size(m->g);

	m->join = true;
	while (base < end && join_find(m, base, end) && !fatal_signal_pending(current)) {
		adoption_map(m, file);
		base = m->end;
	}
}

static int adoption_alloc(struct adoption *m)
{
	m->freeze.src = kvcalloc(PIECE_PAGES, sizeof(long), GFP_KERNEL_ACCOUNT);
	m->freeze.dst = kvcalloc(PIECE_PAGES, sizeof(long), GFP_KERNEL_ACCOUNT);
	m->odd = kvcalloc(BITS_TO_LONGS(PIECE_PAGES), sizeof(long), GFP_KERNEL_ACCOUNT);
	return m->freeze.src && m->freeze.dst && m->odd ? 0 : -ENOMEM;
}

static void adoption_free(struct adoption *m)
{
	kvfree(m->freeze.src);
	kvfree(m->freeze.dst);
	kvfree(m->odd);
	memset(m, 0, sizeof(*m));
}

/* Move [start, end) into @file's gmem, whose offset 0 is at @base. */
static int adopt_into(struct file *file, unsigned long start, unsigned long end,
		      unsigned long base)
{
	struct gmem *g = file->private_data;
	struct gmem_adopter *ad = g->adoptee->adopter;
	struct adoption *m = &ad->now;
	int err;

	if (mutex_lock_interruptible(&ad->lock))
		return -EINTR;
	err = adoption_alloc(m);
	if (!err) {
		m->g = g;
		WRITE_ONCE(ad->task, current);
		err = adopt_pieces(m, file, start, end, base);
		if (err != -EINTR)
			adopt_join(m, file, base);
		WRITE_ONCE(ad->task, NULL);
	}
	adoption_free(m);
	mutex_unlock(&ad->lock);
	return err;
}

/* An empty gmem, and its file. */
static struct file *adopt_file(unsigned long size)
{
	struct gmem_adoptee *a = gmem_adoptee_new();
	struct file *file;
	struct gmem *g;

	if (IS_ERR(a))
		return ERR_CAST(a);
	g = gmem_create_obj(size, 0);
	if (IS_ERR(g)) {
		gmem_adoptee_cancel(a);
		kfree(a);
		return ERR_CAST(g);
	}
	g->adoptee = a;
	clear_nlink(g->inode);	/* in a core dump it is anonymous memory */
	file = gmem_new_file(g, &gmem_adopt_fops, O_RDWR);
	if (IS_ERR(file)) {
		gmem_adoptee_cancel(a);
		gmem_put(g);
	}
	return file;
}

/**
 * struct adopt_spot - what is to be adopted
 * @start: first hva of the mapping
 * @end: hva after the last
 * @base: hva of offset 0 of the gmem
 * @file: of a neighbour that it was one with, referenced; or NULL
 */
struct adopt_spot {
	unsigned long start, end, base;
	struct file *file;
};

/* Is @vma adopted memory whose gmem has room for the place where [start, end) belongs? */
static bool spot_joins(struct adopt_spot *s, struct vm_area_struct *vma)
{
	struct gmem *g = gmem_vma_adoptee(vma);

	if (!g || g->adoptee->mm != vma->vm_mm)
		return false;
	s->base = vma->vm_start - ((u64)vma->vm_pgoff << PAGE_SHIFT);
	if (s->base > s->start || s->end - s->base > gmem_size(g))
		return false;
	/* What was there may have been moved elsewhere. */
	if (gmem_adoptee_mapped(g, (s->start - s->base) >> PAGE_SHIFT,
				(s->end - s->base) >> PAGE_SHIFT))
		return false;
	s->file = get_file(vma->vm_file);
	return true;
}

static u32 spot_find(struct adopt_spot *s, unsigned long hva, unsigned long *next)
{
	struct vm_area_struct *vma = find_vma(current->mm, hva);
	u32 why;

	*next = vma ? (vma->vm_start > hva ? vma->vm_start : vma->vm_end) : ULONG_MAX;
	if (!vma || vma->vm_start > hva)
		return DITTO_UNADOPTED_NOTHING;
	if (gmem_mapped_by(vma))
		return DITTO_UNADOPTED_NONE;
	why = ADOPT_POSSIBLE && READ_ONCE(adopt_on) ? vma_why(vma) : DITTO_UNADOPTED_OFF;
	if (why)
		return why;
	s->start = vma->vm_start;
	s->end = vma->vm_end;
	s->base = round_down(s->start, PMD_SIZE);
	if (spot_joins(s, vma_lookup(current->mm, s->end)) ||
	    spot_joins(s, vma_lookup(current->mm, s->start - 1)))
		return DITTO_UNADOPTED_BUSY;
	s->base = round_down(s->start, PMD_SIZE);
	return s->end - s->start < ADOPT_LEAST ? DITTO_UNADOPTED_SMALL : DITTO_UNADOPTED_BUSY;
}

static u32 adopt_error(int err)
{
	switch (err) {
	case -EHWPOISON:
		return DITTO_UNADOPTED_POISON;
	case -ENOMEM:
		return DITTO_UNADOPTED_MEMORY;
	default:
		return DITTO_UNADOPTED_BUSY;
	}
}

/* A new gmem has its policy before there is anything in it. */
static int adopt_spot(struct adopt_spot *s, u32 policy)
{
	struct file *file = s->file ?: adopt_file(s->end - s->base);
	int err = 0;

	if (IS_ERR(file))
		return PTR_ERR(file);
	if (!s->file && policy)
		err = gmem_limit_policy(file->private_data, policy);
	if (!err)
		err = adopt_into(file, s->start, s->end, s->base);
	fput(file);
	return err;
}

/**
 * gmem_adopt() - move a mapping of the calling process into a gmem, if it may be
 * @hva: in it
 * @policy: DITTO_POLICY_* of a new gmem, as of gmem_limit_policy(); or 0: what every new one has
 * @next: set to where the next mapping, or gap between mappings, begins
 * @why: DITTO_UNADOPTED_*: what speaks against it; NONE: it is a gmem's already, or is now
 *
 * May sleep; no lock is held that is taken with mmap_lock held. Takes long, by pieces.
 *
 * Return: whether something has moved; -EINTR: a signal came first, look again.
 */
int gmem_adopt(unsigned long hva, u32 policy, unsigned long *next, u32 *why)
{
	struct adopt_spot s = { 0 };
	int err;

	if (mmap_read_lock_killable(current->mm))
		return -EINTR;
	*why = spot_find(&s, hva, next);
	mmap_read_unlock(current->mm);
	if (*why != DITTO_UNADOPTED_BUSY)
		return 0;
	err = adopt_spot(&s, policy);
	if (err == -EINTR)
		return err;
	*why = err ? adopt_error(err) : DITTO_UNADOPTED_NONE;
	return !err;
}
