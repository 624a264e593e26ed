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
 *
 * A user who has more of them than GMEM_CROWD_READER has no page mapped by any (he is "out"), so
 * that nobody has to look at them, and merging goes on: what he reads there is a bus error, until
 * he has few enough. mmap() refuses him more, but processes that he forks have them, too.
 * To put him out, his faults are waited for (@lock), then his pages are taken away, and then his
 * files leave the list. He comes back the other way round: first the list, and then he may fault.
 */
#include <linux/cred.h>
#include <linux/fs.h>
#include <linux/pagemap.h>
#include <linux/slab.h>

#include "gmem/adoptee.h"
#include "gmem/internal.h"
#include "gmem/mappings.h"
#include "gmem/reader.h"

/**
 * struct reader_user - who has such files of a gmem
 * @node: in the gmem's @reader_users; all members under reader_mutex
 * @uid: who; constant
 * @files: how many are open
 * @nr: their mappings, and those that were ever mapped
 * @out: @nr is too many
 * @readers: those that were ever mapped
 */
struct reader_user {
	struct list_head node;
	kuid_t uid;
	unsigned int files;
	unsigned int nr;
	bool out;
	struct list_head readers;
};

/**
 * struct gmem_reader - an open file that may not be written to
 * @mapping: where its mappings are; the file's f_mapping
 * @node: in the gmem's @readers, under readers_lock; empty until it is mapped for the first time,
 *	and while its user is out
 * @mate: in its user's @readers
 * @user: who opened it; constant
 * @lock: held for read by faults
 * @out: no page may be mapped by way of it; under @lock
 */
struct gmem_reader {
	struct address_space mapping;
	struct list_head node;
	struct list_head mate;
	struct reader_user *user;
	struct rw_semaphore lock;
	bool out;
};

static struct gmem_reader *reader_of(const struct file *file)
{
	if (file->f_mapping == file_inode(file)->i_mapping)
		return NULL;
	return container_of(file->f_mapping, struct gmem_reader, mapping);
}

/* With reader_mutex: who opens a file, one file more; NULL without memory. */
static struct reader_user *user_get(struct gmem *g, kuid_t uid)
{
	struct reader_user *u;

	list_for_each_entry(u, &g->reader_users, node)
		if (uid_eq(u->uid, uid))
			goto found;
	u = kzalloc(sizeof(*u), GFP_KERNEL_ACCOUNT);
	if (!u)
		return NULL;
	u->uid = uid;
	INIT_LIST_HEAD(&u->readers);
	list_add(&u->node, &g->reader_users);
found:
	u->files++;
	return u;
}

static void user_put(struct reader_user *u)
{
	if (--u->files)
		return;
	list_del(&u->node);
	kfree(u);
}

static void reader_set_out(struct gmem_reader *r, bool out)
{
	down_write(&r->lock);
	r->out = out;
	up_write(&r->lock);
}

/* With reader_mutex. He has as many as GMEM_CROWD_READER, and one more. */
static void user_out(struct gmem *g, struct reader_user *u)
{
	struct gmem_reader *r;

	u->out = true;
	list_for_each_entry(r, &u->readers, mate) {
		reader_set_out(r, true);
		unmap_mapping_range(&r->mapping, 0, 0, 0);
	}
	down_write(&g->readers_lock);
	list_for_each_entry(r, &u->readers, mate)
		list_del_init(&r->node);
	up_write(&g->readers_lock);
}

static void user_in(struct gmem *g, struct reader_user *u)
{
	struct gmem_reader *r;

	u->out = false;
	down_write(&g->readers_lock);
	list_for_each_entry(r, &u->readers, mate)
		list_add(&r->node, &g->readers);
	up_write(&g->readers_lock);
	list_for_each_entry(r, &u->readers, mate)
		reader_set_out(r, false);
}

static void user_count(struct gmem *g, struct reader_user *u, int n)
{
	u->nr += n;
	if (u->nr > GMEM_CROWD_READER && !u->out)
		user_out(g, u);
	else if (u->nr <= GMEM_CROWD_READER && u->out)
		user_in(g, u);
}

static struct gmem_reader *reader_alloc(struct file *file)
{
	struct gmem_reader *r = kzalloc(sizeof(*r), GFP_KERNEL_ACCOUNT);
	struct address_space *mapping;

	if (!r)
		return NULL;
	INIT_LIST_HEAD(&r->node);
	INIT_LIST_HEAD(&r->mate);
	init_rwsem(&r->lock);
	mapping = &r->mapping;
	address_space_init_once(mapping);
	init_rwsem(&mapping->invalidate_lock);
	mapping->host = file_inode(file);
	mapping->a_ops = file->f_mapping->a_ops;
	mapping_set_gfp_mask(mapping, mapping_gfp_mask(file->f_mapping));
	return r;
}

/**
 * gmem_reader_open() - give a file its own address space, if it is open for reading only
 * @g: the file's gmem
 * @file: not yet in use
 *
 * Return: 0 or -ENOMEM.
 */
int gmem_reader_open(struct gmem *g, struct file *file)
{
	struct gmem_reader *r;

	if (file->f_mode & FMODE_WRITE)
		return 0;
	r = reader_alloc(file);
	if (!r)
		return -ENOMEM;
	mutex_lock(&g->reader_mutex);
	r->user = user_get(g, file->f_cred->uid);
	mutex_unlock(&g->reader_mutex);
	if (!r->user) {
		kfree(r);
		return -ENOMEM;
	}
	file->f_mapping = &r->mapping;
	return 0;
}

/* With reader_mutex: a new mapping, perhaps the file's first. */
static int reader_map(struct gmem *g, struct gmem_reader *r)
{
	unsigned int n = list_empty(&r->mate) ? 2 : 1;

	if (r->user->nr + n > GMEM_CROWD_READER)
		return -ENOMEM;
	r->user->nr += n;
	if (n == 1)
		return 0;
	list_add(&r->mate, &r->user->readers);
	down_write(&g->readers_lock);
	list_add(&r->node, &g->readers);
	up_write(&g->readers_lock);
	return 0;
}

/**
 * gmem_reader_map() - a file is going to be mapped
 * @g: its gmem
 * @file: the file
 *
 * mmap_lock may be held. The end of the mapping is gmem_reader_count().
 *
 * Return: 0; -ENOMEM: its user has mapped the gmem too often.
 */
int gmem_reader_map(struct gmem *g, struct file *file)
{
	struct gmem_reader *r = reader_of(file);
	int err;

	if (!r)
		return 0;
	mutex_lock(&g->reader_mutex);
	err = reader_map(g, r);
	mutex_unlock(&g->reader_mutex);
	return err;
}

/**
 * gmem_reader_count() - a file is mapped once more, by a fork or a split; or less
 * @g: its gmem
 * @file: the file
 * @n: 1 or -1
 *
 * mmap_lock may be held.
 */
void gmem_reader_count(struct gmem *g, struct file *file, int n)
{
	struct gmem_reader *r = reader_of(file);

	if (!r)
		return;
	mutex_lock(&g->reader_mutex);
	user_count(g, r->user, n);
	mutex_unlock(&g->reader_mutex);
}

/**
 * gmem_reader_enter() - may a page be mapped by way of a file?
 * @file: the file; mmap_lock or the mapping's lock is held
 *
 * Return: whether it may, until gmem_reader_leave().
 */
bool gmem_reader_enter(struct file *file)
{
	struct gmem_reader *r = reader_of(file);

	if (likely(!r))
		return true;
	down_read(&r->lock);
	if (likely(!r->out))
		return true;
	up_read(&r->lock);
	return false;
}

/**
 * gmem_reader_leave() - the end of gmem_reader_enter() that said yes
 * @file: the file
 */
void gmem_reader_leave(struct file *file)
{
	struct gmem_reader *r = reader_of(file);

	if (r)
		up_read(&r->lock);
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
	mutex_lock(&g->reader_mutex);
	down_write(&g->readers_lock);
	list_del(&r->node);
	up_write(&g->readers_lock);
	if (!list_empty(&r->mate)) {
		list_del(&r->mate);
		user_count(g, r->user, -1);
	}
	user_put(r->user);
	mutex_unlock(&g->reader_mutex);
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
 * gmem_try_mappings() - gmem_any_mapping() that waits for nobody
 * @g: the gmem
 * @fn: waits for no lock, either
 * @arg: for @fn
 *
 * Mappings of read-only files are left out while such a file is being opened or closed.
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
 * For the merge engine, as gmem_crowded(), but with a higher limit: few processes map a gmem
 * writable, while any number may map one that they only read. No user can have more than half
 * of the limit.
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
	struct gmem_unmapper mark;

	gmem_unmap_begin(g, &mark);
	gmem_any_mapping(g, reader_unmap, &u);
	gmem_unmap_end(g, &mark);
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
	struct gmem_unmapper mark;

	gmem_unmap_begin(g, &mark);
	unmap_mapping_range(g->inode->i_mapping, (loff_t)start << PAGE_SHIFT,
			    (loff_t)(end - start) << PAGE_SHIFT, 0);
	gmem_unmap_end(g, &mark);
}

/**
 * gmem_unmap_rest() - take away user space's mappings from an offset on, and private copies
 * @g: the gmem
 * @start: first offset
 */
void gmem_unmap_rest(struct gmem *g, pgoff_t start)
{
	struct unmapping u = { .start = (loff_t)start << PAGE_SHIFT, .copies = true };
	struct gmem_unmapper mark;

	gmem_unmap_begin(g, &mark);
	gmem_any_mapping(g, reader_unmap, &u);
	gmem_unmap_end(g, &mark);
}
