// SPDX-License-Identifier: GPL-2.0-only
/*
 * Changes of a gmem's size, for files of a mount. The hard part is that nobody who fills an
 * entry waits for us: internal.h, point 6, says why nothing stays beyond the end.
 */
#include <linux/mm.h>

#include "gmem/index.h"
#include "gmem/internal.h"
#include "gmem/mappings.h"
#include "gmem/punch.h"

/* Pages that processes have copied from private mappings go, too: the file is shorter. */
static void resize_cut(struct gmem *g, pgoff_t npages)
{
	WRITE_ONCE(g->npages, npages);
	smp_mb();	/* pairs with own_run() and fault_lockless(): the size, then the entries */
	gmem_punch_rest(g, npages);
	gmem_unmap_rest(g, npages);
}

/*
 * A fork may have been made just when an entry beyond the end was filled and not yet emptied
 * again. The child has that entry, too. It is out of sight, until the child grows over it.
 */
static int resize_grow(struct gmem *g, pgoff_t npages)
{
	if (npages > g->npages && atomic_long_read(&g->nr_chunks))
		gmem_punch_rest(g, g->npages);
	return gmem_root_grow(g, npages);
}

/**
 * gmem_resize() - make a gmem of a mount longer or shorter
 * @g: the gmem
 * @npages: its new size, at most GMEM_MAX_SIZE
 *
 * Process context. What is beyond a shorter end is gone when this returns, and none of its
 * pages mapped anywhere. What is new is empty.
 *
 * Return: 0, or -ENOMEM, nothing changed.
 */
int gmem_resize(struct gmem *g, pgoff_t npages)
{
	int err = 0;

	mutex_lock(&g->size_lock);
	if (npages < g->npages)
		resize_cut(g, npages);
	else
		err = resize_grow(g, npages);
	if (!err)
		smp_store_release(&g->npages, npages);	/* after the longer root */
	mutex_unlock(&g->size_lock);
	return err;
}

/**
 * gmem_undo() - an entry was filled, and then the gmem was seen to be shorter
 * @g: the gmem
 * @off: the entry that was wanted
 *
 * Process context, no lock held but mmap_lock. Empties what is beyond the end.
 *
 * Return: 0 when @off is not beyond the end, else -EFAULT.
 */
int gmem_undo(struct gmem *g, pgoff_t off)
{
	pgoff_t npages;

	mutex_lock(&g->size_lock);
	npages = g->npages;
	gmem_punch_rest(g, npages);
	mutex_unlock(&g->size_lock);
	return off < npages ? 0 : -EFAULT;
}
