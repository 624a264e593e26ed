// SPDX-License-Identifier: GPL-2.0-only
/*
 * Adopted memory after its move (adopt.c): what its process does to it still means what it meant.
 * Owns the notifier by which MADV_DONTNEED is seen, and told from gmem's own unmapping; what a
 * closed mapping gives back; and the records that a process and a gmem have of it.
 *
 * The hard part: the kernel has one event for all that takes page-table entries away and keeps
 * the mapping, and asks nobody else (adopter_drop()).
 */
#include <linux/lockdep.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "gmem/adopt.h"
#include "gmem/adoptee.h"
#include "gmem/punch.h"

/**
 * gmem_unmap_begin() - gmem is about to unmap pages itself: this is no MADV_DONTNEED
 * @g: the gmem
 * @u: the caller's, until gmem_unmap_end()
 */
void gmem_unmap_begin(struct gmem *g, struct gmem_unmapper *u)
{
	struct gmem_adoptee *a = g->adoptee;

	u->task = a ? current : NULL;
	if (likely(!a))
		return;
	spin_lock(&a->lock);
	list_add(&u->node, &a->unmappers);
	spin_unlock(&a->lock);
}

/**
 * gmem_unmap_end() - undo gmem_unmap_begin()
 * @g: the gmem
 * @u: the caller's
 */
void gmem_unmap_end(struct gmem *g, struct gmem_unmapper *u)
{
	struct gmem_adoptee *a = g->adoptee;

	if (likely(!u->task))	/* it was not an adopted one then */
		return;
	spin_lock(&a->lock);
	list_del(&u->node);
	spin_unlock(&a->lock);
}

static bool adoptee_unmaps(struct gmem_adoptee *a)
{
	struct gmem_unmapper *u;
	bool found = false;

	spin_lock(&a->lock);
	list_for_each_entry(u, &a->unmappers, node)
		found |= u->task == current;
	spin_unlock(&a->lock);
	return found;
}

/**
 * gmem_vma_adoptee() - the adopted memory that a mapping is
 * @vma: or NULL; as gmem_mapped_by()
 *
 * Return: the gmem, or NULL.
 */
struct gmem *gmem_vma_adoptee(const struct vm_area_struct *vma)
{
	struct gmem *g = vma ? gmem_mapped_by(vma) : NULL;

	return g && g->adoptee ? g : NULL;
}

/*
 * Page-table entries of one mapping go. Of adopted memory only gmem itself and MADV_DONTNEED do
 * that without ending the mapping: no other part of the kernel knows its pages. The latter holds
 * mmap_lock for read, so the mapping stays. The kernel says the same when it splits a mapping,
 * and would split a huge page there, if there were one: then mmap_lock is held for write. Whoever
 * comes for other memory, out of reclaim for instance, keeps that mapping as long, and is not held
 * up.
 *
 * Lockdep knows that reclaim calls notifiers, and that gmem does with a chunk's mutex held; that
 * neither gets as far as to the punching it cannot know.
 */
static void adopter_drop(const struct mmu_notifier_range *range)
{
	struct vm_area_struct *vma;
	pgoff_t first = 0, end = 0;
	struct gmem *g;

	rcu_read_lock();
	vma = vma_lookup(range->mm, range->start);
	g = gmem_vma_adoptee(vma);
	if (g) {
		first = vma->vm_pgoff + ((range->start - vma->vm_start) >> PAGE_SHIFT);
		end = first + ((min(range->end, vma->vm_end) - range->start) >> PAGE_SHIFT);
	}
	rcu_read_unlock();
	if (!g || mm_is_changed(range->mm) || adoptee_unmaps(g->adoptee))
		return;
	lockdep_off();
	gmem_punch_surely(g, first, end);
	lockdep_on();
}

/* Step 3: what was frozen will be gone when the kernel goes on. */
static void adopter_unmap(struct gmem_adopter *ad, const struct mmu_notifier_range *range)
{
	struct adoption *m = &ad->now;

	if (READ_ONCE(ad->task) != current || !m->ready || m->unmapped)
		return;
	if (range->start > m->start || range->end < m->end)
		return;
	m->unmapped = true;
	anon_drop(m->anon);	/* not the last: see step 4 */
	m->anon = NULL;
}

static int adopter_range_start(struct mmu_notifier *mn, const struct mmu_notifier_range *range)
{
	if (range->event == MMU_NOTIFY_UNMAP)
		adopter_unmap(container_of(mn, struct gmem_adopter, mn), range);
	else if (range->event == MMU_NOTIFY_CLEAR && mmu_notifier_range_blockable(range))
		adopter_drop(range);
	return 0;
}

static struct mmu_notifier *adopter_alloc(struct mm_struct *mm)
{
	struct gmem_adopter *ad = kzalloc(sizeof(*ad), GFP_KERNEL_ACCOUNT);

	if (!ad)
		return ERR_PTR(-ENOMEM);
	mutex_init(&ad->lock);
	return &ad->mn;
}

static void adopter_free(struct mmu_notifier *mn)
{
	kfree(container_of(mn, struct gmem_adopter, mn));
}

static const struct mmu_notifier_ops adopter_ops = {
	.invalidate_range_start = adopter_range_start,
	.alloc_notifier = adopter_alloc,
	.free_notifier = adopter_free,
};

/**
 * gmem_adoptee_mapped() - does its process map a part of adopted memory?
 * @g: the gmem
 * @first: offset
 * @end: offset after the last
 *
 * Return: whether it does; what is just being closed is not counted.
 */
bool gmem_adoptee_mapped(struct gmem *g, pgoff_t first, pgoff_t end)
{
	struct address_space *mapping = g->inode->i_mapping;
	struct vm_area_struct *vma;
	struct rb_node *node;
	bool found = false;

	i_mmap_lock_read(mapping);
	for (node = rb_first_cached(&mapping->i_mmap); node && !found; node = rb_next(node)) {
		vma = rb_entry(node, struct vm_area_struct, shared.rb);
		found = vma->vm_mm == g->adoptee->mm && vma->vm_pgoff < end &&
			first < vma->vm_pgoff + vma_pages(vma);
	}
	i_mmap_unlock_read(mapping);
	return found;
}

/**
 * gmem_adopted_close() - a mapping goes: memory that was anonymous goes with it
 * @vma: of a gmem, out of its tree of mappings
 *
 * Not if it was moved, is being joined, or is in the process's end, where all of it goes.
 */
void gmem_adopted_close(struct vm_area_struct *vma)
{
	struct gmem *g = vma->vm_private_data;
	pgoff_t end = vma->vm_pgoff + vma_pages(vma);

	if (likely(!g->adoptee) || adoption_now(g) || !atomic_read(&vma->vm_mm->mm_users))
		return;
	if (!gmem_adoptee_mapped(g, vma->vm_pgoff, end))
		gmem_punch_surely(g, vma->vm_pgoff, end);
}

/**
 * gmem_adoptee_new() - for a gmem that the current process's memory is going to be
 *
 * Takes mmap_lock for write.
 *
 * Return: the record, or ERR_PTR().
 */
struct gmem_adoptee *gmem_adoptee_new(void)
{
	struct gmem_adoptee *a = kzalloc(sizeof(*a), GFP_KERNEL_ACCOUNT);
	struct mmu_notifier *mn;

	if (!a)
		return ERR_PTR(-ENOMEM);
	mn = mmu_notifier_get(&adopter_ops, current->mm);
	if (IS_ERR(mn)) {
		kfree(a);
		return ERR_CAST(mn);
	}
	a->adopter = container_of(mn, struct gmem_adopter, mn);
	a->mm = current->mm;
	spin_lock_init(&a->lock);
	INIT_LIST_HEAD(&a->unmappers);
	return a;
}

/**
 * gmem_adoptee_cancel() - undo gmem_adoptee_new()
 * @a: of no gmem that has a file
 */
void gmem_adoptee_cancel(struct gmem_adoptee *a)
{
	mmu_notifier_put(&a->adopter->mn);
}

/**
 * gmem_adopt_free() - the end of an adopted gmem
 * @g: any gmem
 */
void gmem_adopt_free(struct gmem *g)
{
	kfree(g->adoptee);
}

/**
 * gmem_adopt_exit() - wait until no process's notifier needs the module
 *
 * No gmem exists any more.
 */
void gmem_adopt_exit(void)
{
	mmu_notifier_synchronize();
}
