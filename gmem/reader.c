// SPDX-License-Identifier: GPL-2.0-only
/*
 * Processes that may map a gmem only to read: each open file of that kind has an address space of
 * its own, so that the kernel finds its mappings apart from all others. When a process forks,
 * mappings of the file that it has are taken away (umap.c); in the address space of the gmem's
 * inode that would be everybody's, and a reader could make the writers take faults for ever.
 *
 * Owns those address spaces, their list, and what is done with all mappings in all of them.
 * A gmem's list has only files that were mapped, so a walk over it is over no more
 * than he would in the inode's tree of mappings. A mapping is found from its first page on: it
 * is in the list before it can fault, and code that takes pages away waits for faults that are
 * under way (internal.h, point 4) before it looks.
 */
#include <linux/fs.h>
#include <linux/pagemap.h>
#include <linux/slab.h>

#include "gmem/internal.h"

/**
 * struct gmem_reader - an open file that may not be written to
 * @mapping: where its mappings are; the file's f_mapping
 * @node: in the gmem's @readers, under readers_lock; empty until it is mapped for the first time
 */
struct gmem_reader {
	struct address_space mapping;
	struct list_head node;
};

static struct gmem_reader *reader_of(const struct file *file)
{
	if (file->f_mapping == file_inode(file)->i_mapping)
		return NULL;
	return container_of(file->f_mapping, struct gmem_reader, mapping);
}

/**
 * gmem_reader_open() - give a file its own address space, if it is open for reading only
 * @file: a gmem's, not yet in use
 *
 * Return: 0 or -ENOMEM.
 */
int gmem_reader_open(struct file *file)
{
	struct address_space *mapping;
	struct gmem_reader *r;

	if (file->f_mode & FMODE_WRITE)
		return 0;
	r = kmalloc(sizeof(*r), GFP_KERNEL_ACCOUNT);
	if (!r)
		return -ENOMEM;
	INIT_LIST_HEAD(&r->node);
	mapping = &r->mapping;
	address_space_init_once(mapping);
	init_rwsem(&mapping->invalidate_lock);
	mapping->host = file_inode(file);
	mapping->a_ops = file->f_mapping->a_ops;
	mapping_set_gfp_mask(mapping, mapping_gfp_mask(file->f_mapping));
	file->f_mapping = mapping;
	return 0;
}

/**
 * gmem_reader_map() - a file is going to be mapped
 * @g: its gmem
 * @file: the file
 *
 * mmap_lock may be held.
 */
void gmem_reader_map(struct gmem *g, struct file *file)
{
	struct gmem_reader *r = reader_of(file);

	if (!r)
		return;
	down_write(&g->readers_lock);
	if (list_empty(&r->node))
		list_add(&r->node, &g->readers);
	up_write(&g->readers_lock);
}

/**
 * gmem_reader_close() - the mirror of gmem_reader_open()
 * @g: the file's gmem
 * @file: nothing is mapped by way of it any more
 */
void gmem_reader_close(struct gmem *g, struct file *file)
{
	struct gmem_reader *r = reader_of(file);

	if (!r)
		return;
	down_write(&g->readers_lock);
	list_del(&r->node);
	up_write(&g->readers_lock);
	file->f_mapping = file_inode(file)->i_mapping;
	kfree(r);
}

/* With readers_lock. */
static bool readers_any(struct gmem *g, gmem_mapping_fn fn, void *arg)
{
	struct gmem_reader *r;

	list_for_each_entry(r, &g->readers, node) {
		if (mapping_mapped(&r->mapping) && fn(&r->mapping, arg))
			return true;
		cond_resched();
	}
	return false;
}

/**
 * gmem_any_mapping() - look at the address spaces that processes' mappings are in
 * @g: the gmem
 * @fn: called for each that has some; may take its i_mmap_rwsem, and may sleep
 * @arg: for @fn
 *
 * Return: true as soon as @fn does.
 */
bool gmem_any_mapping(struct gmem *g, gmem_mapping_fn fn, void *arg)
{
	struct address_space *mapping = g->inode->i_mapping;
	bool ret;

	if (mapping_mapped(mapping) && fn(mapping, arg))
		return true;
	if (list_empty(&g->readers))
		return false;
	down_read(&g->readers_lock);
	ret = readers_any(g, fn, arg);
	up_read(&g->readers_lock);
	return ret;
}

/**
 * gmem_count_vmas() - are there many mappings in an address space?
 * @mapping: the address space
 * @nr: how many there were elsewhere; counts on, to one above @most
 * @most: so many are not many
 *
 * Waits for no lock.
 *
 * Return: whether there are more, or they are being changed.
 */
bool gmem_count_vmas(struct address_space *mapping, unsigned int *nr, unsigned int most)
{
	struct rb_node *n;

	if (!mapping_mapped(mapping))
		return *nr > most;
	if (!down_read_trylock(&mapping->i_mmap_rwsem))
		return true;
	for (n = rb_first_cached(&mapping->i_mmap); n && *nr <= most; n = rb_next(n))
		++*nr;
	up_read(&mapping->i_mmap_rwsem);
	return *nr > most;
}

/* With readers_lock. A file that is open, and mapped no more, has to be passed, too. */
static bool readers_crowded(struct gmem *g)
{
	struct gmem_reader *r;
	unsigned int nr = 0;

	list_for_each_entry(r, &g->readers, node) {
		nr++;
		if (gmem_count_vmas(&r->mapping, &nr, GMEM_CROWD_READERS))
			return true;
	}
	return false;
}

/**
 * gmem_readers_crowded() - would it take long, or have to wait, to unmap the readers?
 * @g: the gmem
 *
 * For the merge engine, as gmem_crowded(). More of them are let pass, because one does not map
 * one's own memory often, but many may map what they are only to read.
 *
 * Return: true when they have more than GMEM_CROWD_READERS mappings, or these are being changed.
 */
bool gmem_readers_crowded(struct gmem *g)
{
	bool ret;

	if (list_empty(&g->readers))
		return false;
	if (!down_read_trylock(&g->readers_lock))
		return true;
	ret = readers_crowded(g);
	up_read(&g->readers_lock);
	return ret;
}

/**
 * struct unmapping - what is taken away
 * @start: first byte
 * @len: how many; 0: to the end
 * @copies: what processes have copied from private mappings, too
 */
struct unmapping {
	loff_t start, len;
	bool copies;
};

static bool reader_unmap(struct address_space *mapping, void *arg)
{
	const struct unmapping *u = arg;

	unmap_mapping_range(mapping, u->start, u->len, u->copies);
	return false;
}

/**
 * gmem_unmap_user() - take away user space's mappings of [start, end)
 * @g: the gmem
 * @start: first offset
 * @end: offset after the last, or 0: all
 *
 * Faults that had not written their page table yet are the caller's to wait for, by
 * the page lock (see gmem_zap()).
 */
void gmem_unmap_user(struct gmem *g, pgoff_t start, pgoff_t end)
{
	struct unmapping u = {
		.start = (loff_t)start << PAGE_SHIFT,
		.len = end ? (loff_t)(end - start) << PAGE_SHIFT : 0,
	};

	gmem_any_mapping(g, reader_unmap, &u);
}

/**
 * gmem_unmap_writers() - take away mappings that may be writable of [start, end)
 * @g: the gmem
 * @start: first offset
 * @end: offset after the last
 *
 * And others beside them, but none of files that may only be read.
 */
void gmem_unmap_writers(struct gmem *g, pgoff_t start, pgoff_t end)
{
	unmap_mapping_range(g->inode->i_mapping, (loff_t)start << PAGE_SHIFT,
			    (loff_t)(end - start) << PAGE_SHIFT, 0);
}

/**
 * gmem_unmap_rest() - take away user space's mappings from an offset on, and private copies
 * @g: the gmem
 * @start: first offset
 */
void gmem_unmap_rest(struct gmem *g, pgoff_t start)
{
	struct unmapping u = { .start = (loff_t)start << PAGE_SHIFT, .copies = true };

	gmem_any_mapping(g, reader_unmap, &u);
}
/**
 * gmem_try_mappings() - gmem_any_mapping() that waits for nobody
 * @g: the gmem
 * @fn: waits for no lock, either
 * @arg: for @fn
 *
 * Those of who may only read are left out while a file of theirs comes or goes.
 */
void gmem_try_mappings(struct gmem *g, gmem_mapping_fn fn, void *arg)
{
	struct address_space *mapping = g->inode->i_mapping;

	if (mapping_mapped(mapping) && fn(mapping, arg))
		return;
	if (list_empty(&g->readers) || !down_read_trylock(&g->readers_lock))
		return;
	readers_any(g, fn, arg);
	up_read(&g->readers_lock);
}

