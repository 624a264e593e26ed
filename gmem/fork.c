// SPDX-License-Identifier: GPL-2.0-only
/*
 * Forks: a gmem becomes two. Only the top of the index is copied; everything below it becomes
 * common to both (claim.c), and is mapped writable nowhere. Owns the moment of the fork. The
 * hard part is who could still write to what the child is going to see:
 *
 * 1. Changes of entries hold fork_lock for read: they are over, or have not begun. The kernel's
 *    own writes look at the holder, and are waited for.
 * 2. Guests and processes write through mappings. First the parent gets another holder, so that
 *    no fault makes a writable mapping; then all those that there are lose that permission. A
 *    binder's fault that was resolved before notices by its sequence count (gmem.h), a
 *    process's holds fork_lock for read until the page is in the page table.
 * 3. Devices, and the kernel on behalf of others, write through references that they took by
 *    way of a mapping, or by gmem_pin_page(). Where such may be is marked (gmem_note_held()).
 *    The references are looked for after 2., so that no more can come. A page that has one
 *    stays the parent's, and the child gets a copy of what is in it, as by fork(2).
 */
#include <linux/delay.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <ditto.h>

#include "gmem/bind.h"
#include "gmem/claim.h"
#include "gmem/domain.h"
#include "gmem/entry.h"
#include "gmem/file.h"
#include "gmem/fork.h"
#include "gmem/frame.h"
#include "gmem/fs.h"
#include "gmem/index.h"
#include "gmem/internal.h"
#include "gmem/punch.h"
#include "gmem/space.h"

/* References that are held for a moment only are waited for so often, 1 ms each time. */
#define HELD_PATIENCE	8

/* Is a page of a chunk in use by somebody who may write to it? */
static bool chunk_held(struct gmem_chunk *c)
{
	unsigned int i;
	unsigned long v;

	for (i = 0; c && i < GMEM_CHUNK_PAGES; i++) {
		v = READ_ONCE(c->entry[i]);
		if (gmem_entry_private(v) && gmem_page_held(gmem_entry_page(v)))
			return true;
	}
	return false;
}

/* After a fatal signal the search has not finished: report a held chunk, to be safe. */
static bool dir_held(struct gmem_dir *dir)
{
	unsigned int nr;

	for_each_set_bit(nr, dir->held, GMEM_DIR_CHUNKS) {
		if (chunk_held(rcu_dereference_protected(dir->chunk[nr], true)) ||
		    fatal_signal_pending(current))
			return true;
		cond_resched();
	}
	return false;
}

/*
 * The child gets copies of a directory's held pages, and is in none of the chunks that have any
 * more, so those stay marked. What is not held now is not until it is claimed.
 */
static int dir_copy_held(struct gmem *child, struct gmem_dir *dir)
{
	struct gmem_chunk *c;
	unsigned int nr;
	bool any = false;
	int err;

	for_each_set_bit(nr, dir->held, GMEM_DIR_CHUNKS) {
		c = rcu_dereference_protected(dir->chunk[nr], true);
		if (!chunk_held(c)) {
			clear_bit(nr, dir->held);
			continue;
		}
		any = true;
		err = gmem_chunk_leave_held(child, c->base);
		if (!err && fatal_signal_pending(current))
			err = -EINTR;
		if (err)
			return err;
		cond_resched();
	}
	WRITE_ONCE(dir->any_held, any);
	return 0;
}

/* After fork_share(). */
static int fork_copy_held(struct gmem *parent, struct gmem *child)
{
	struct gmem_root *root = gmem_root_stable(parent);
	struct gmem_dir *dir;
	unsigned long i;
	int err = 0;

	for (i = 0; i < root->nr && !err; i++) {
		dir = root->dir[i];
		if (dir && dir->any_held)
			err = dir_copy_held(child, dir);
	}
	return err;
}

/* No page is held now, and none can become so before its chunk is claimed. */
static void dir_release(struct gmem_dir *dir)
{
	bitmap_zero(dir->held, GMEM_DIR_CHUNKS);
	WRITE_ONCE(dir->any_held, false);
}

static bool fork_held(struct gmem *g)
{
	struct gmem_root *root = gmem_root_stable(g);
	struct gmem_dir *dir;
	unsigned long i;

	for (i = 0; i < root->nr; i++) {
		dir = root->dir[i];
		if (!dir || !dir->any_held)
			continue;
		if (dir_held(dir))
			return true;
		dir_release(dir);
	}
	return false;
}

/* From now on @g has to claim what it wants to change. Its own pages count as shared ones. */
static void fork_part(struct gmem *g, struct gmem_holder *h)
{
	struct gmem_holder *old = g->holder;
	long n = atomic_long_read(&g->nr_private);

	WRITE_ONCE(old->g, NULL);
	smp_store_release(&g->holder, h);
	gmem_holder_put(old);
	atomic_long_set(&g->nr_pending, 0);
	atomic_long_set(&g->nr_whole, 0);
	gmem_count_shared(g, n);
	gmem_count_shared_page(g->domain, n);
	gmem_count_private(g, -n);	/* the last: then both are weighed */
}

/*
 * The child, which nobody uses yet, has all that the parent has. Whether pages of that may be
 * held; the parent's root may have many places, nearly all of them empty.
 */
static bool fork_share(struct gmem *parent, struct gmem *child)
{
	struct gmem_root *from = gmem_root_stable(parent), *to = gmem_root_stable(child);
	unsigned long i, nr = min(from->nr, to->nr);
	struct gmem_dir *dir;
	bool held = false;

	for (i = 0; i < nr; i++) {
		dir = from->dir[i];
		if (!dir)
			continue;
		held |= dir->any_held;
		atomic_inc(&dir->owners);
		smp_store_release(&to->dir[i], dir);
		atomic_long_inc(&child->nr_dirs);
	}
	atomic_long_set(&child->nr_chunks, atomic_long_read(&parent->nr_chunks));
	atomic_long_set(&child->nr_zeroed, atomic_long_read(&parent->nr_zeroed));
	atomic_long_set(&child->nr_squeezed, atomic_long_read(&parent->nr_squeezed));
	atomic_long_set(&child->squeezed_bytes, atomic_long_read(&parent->squeezed_bytes));
	gmem_count_shared(child, atomic_long_read(&parent->nr_shared));
	return held;
}

/* Is there nothing that a gmem could change without a claim? With fork_lock for write. */
static bool fork_parted(const struct gmem *g)
{
	return refcount_read(&g->holder->refs) == 1;
}

/* With the parent's fork_lock for write: it stands still. Takes over *@h, if it is needed. */
static void fork_stop(struct gmem *parent, struct gmem_holder **h)
{
	if (fork_parted(parent))
		return;
	fork_part(parent, *h);
	*h = NULL;
	gmem_wait_for_writes(parent);
	gmem_wrprotect_all(parent);
}

static int fork_locked(struct gmem *parent, struct gmem *child, struct gmem_holder **h)
{
	fork_stop(parent, h);
	return fork_share(parent, child) ? fork_copy_held(parent, child) : 0;
}

static int fork_into(struct gmem *parent, struct gmem *child)
{
	struct gmem_holder *h = gmem_holder_new(parent);
	int err;

	if (!h)
		return -ENOMEM;
	err = down_write_killable(&parent->fork_lock);
	if (!err) {
		err = fork_locked(parent, child, &h);
		up_write(&parent->fork_lock);
	}
	gmem_holder_put(h);
	return err;
}

/* Where neither policy nor size of the parent change. */
static int fork_lock(struct gmem *parent)
{
	if (mutex_lock_killable(&parent->policy_lock))
		return -EINTR;
	mutex_lock(&parent->size_lock);
	return 0;
}

static void fork_unlock(struct gmem *parent)
{
	mutex_unlock(&parent->size_lock);
	mutex_unlock(&parent->policy_lock);
}

/* Is @child what a fork of @parent, which is locked, would be made as? */
static bool fork_fits(const struct gmem *parent, const struct gmem *child)
{
	return child->npages == parent->npages && child->policy == parent->policy &&
	       child->domain == parent->domain && child->self == parent->self;
}

/**
 * gmem_fork_prepare() - what of a fork takes time or memory, and can be done before
 * @parent: the gmem, in whatever use
 *
 * Process context, no lock held.
 *
 * Return: an empty gmem, for gmem_fork_commit(); or as gmem_fork().
 */
struct gmem *gmem_fork_prepare(struct gmem *parent)
{
	struct gmem *child;
	int err = fork_lock(parent);

	if (err)
		return ERR_PTR(err);
	child = gmem_create_like(parent);
	fork_unlock(parent);
	return child;
}

/**
 * gmem_fork_commit() - the moment of a fork
 * @parent: as for gmem_fork()
 * @child: of gmem_fork_prepare(); nobody uses it
 *
 * Return: 0; -ESTALE: the parent's policy or size has changed since, and @child is of no use;
 * or as gmem_fork().
 */
int gmem_fork_commit(struct gmem *parent, struct gmem *child)
{
	int err = fork_lock(parent);

	if (err)
		return err;
	err = fork_fits(parent, child) ? fork_into(parent, child) : -ESTALE;
	fork_unlock(parent);
	return err;
}

/**
 * gmem_fork() - a gmem becomes two
 * @parent: the gmem, in whatever use
 *
 * Process context, no lock held. The child begins with the contents that the parent has at one
 * moment of this call; from then on neither sees what is written to the other. Pages are shared
 * until one side writes to them, under whatever policy. What the child writes is charged to the
 * memory cgroup of the current process. The time does not grow with what is in the gmem, but
 * where processes could write to it through mappings since the last fork their pages are looked
 * at one by one.
 *
 * Mappings of the parent stay, and fault in again when they are written to. A page that
 * somebody holds, in order to write to it (a device's buffer, pinned by VFIO, RDMA or io_uring;
 * gmem_pin_page()), stays the parent's, and the child has a copy of it.
 *
 * Return: the child, with a reference for the caller and no file; it has no bindings, and is in
 * no mount. Or ERR_PTR: -EOPNOTSUPP: the policy is "secure"; -EHWPOISON: a page that is held
 * cannot be read; -ENOMEM; -EINTR: a fatal signal came.
 */
struct gmem *gmem_fork(struct gmem *parent)
{
	struct gmem *child;
	int err;

	do {
		child = gmem_fork_prepare(parent);
		if (IS_ERR(child))
			return child;
		err = gmem_fork_commit(parent, child);
		if (!err)
			return child;
		gmem_put(child);
	} while (err == -ESTALE);
	return ERR_PTR(err);
}

/**
 * gmem_fork_own() - a fork of a gmem that only a machine sees is another machine's alone, too
 * @child: of gmem_fork(), or for gmem_fork_commit()
 * @parent: of gmem_create_guest()
 * @owner: a number, not 0, that the other machine has and no other ever had
 */
void gmem_fork_own(struct gmem *child, const struct gmem *parent, u64 owner)
{
	child->owner = owner;
	child->guest = parent->guest;
}

/* Two gmems of the same kind, in the order in which their locks are taken. */
static struct gmem *fork_first(struct gmem *a, struct gmem *b)
{
	return a->id < b->id ? a : b;
}

static struct gmem *fork_second(struct gmem *a, struct gmem *b)
{
	return a->id < b->id ? b : a;
}

/* Only an index without chunks is replaced; its directories go. Both fork_locks are held. */
static int over_locked(struct gmem *from, struct gmem *to, struct gmem_holder **h)
{
	unsigned long pages = atomic_long_read(&from->nr_private) +
			      atomic_long_read(&from->nr_shared) +
			      atomic_long_read(&from->nr_zeroed) +
			      atomic_long_read(&from->nr_squeezed);

	if (atomic_long_read(&to->nr_chunks))
		return -EAGAIN;
	if (!gmem_space_take(to, pages))
		return -ENOSPC;
	fork_stop(from, h);
	if (fork_held(from)) {
		gmem_space_give(to, pages);
		return -EBUSY;
	}
	gmem_index_clear(to);
	fork_share(from, to);
	smp_store_release(&to->npages, from->npages);
	return 0;
}

/* Where there is no chunk nothing is mapped, and a thread about to make one waits. */
static int over_once(struct gmem *from, struct gmem *to)
{
	struct gmem_holder *h = gmem_holder_new(from);
	int err;

	if (!h)
		return -ENOMEM;
	gmem_punch_rest(to, 0);
	down_write(&fork_first(from, to)->fork_lock);
	down_write_nested(&fork_second(from, to)->fork_lock, SINGLE_DEPTH_NESTING);
	err = over_locked(from, to, &h);
	up_write(&fork_second(from, to)->fork_lock);
	up_write(&fork_first(from, to)->fork_lock);
	gmem_holder_put(h);
	return err;
}

/* With size_locks and policy_locks. */
static int over_tries(struct gmem *from, struct gmem *to)
{
	unsigned int tries;
	int err;

	if (from->policy == DITTO_POLICY_SECURE || from->policy != to->policy || !from->domain ||
	    from->domain != to->domain)
		return -EOPNOTSUPP;
	err = gmem_root_grow(to, from->npages);
	for (tries = 0; !err; tries++) {
		err = over_once(from, to);
		if ((err != -EBUSY && err != -EAGAIN) || tries == HELD_PATIENCE)
			break;
		if (fatal_signal_pending(current))
			return -EINTR;
		usleep_range(1000, 2000);
		err = 0;
	}
	return err == -EAGAIN ? -EBUSY : err;
}

static int over_sized(struct gmem *from, struct gmem *to)
{
	int err;

	mutex_lock(&fork_first(from, to)->size_lock);
	mutex_lock_nested(&fork_second(from, to)->size_lock, SINGLE_DEPTH_NESTING);
	err = over_tries(from, to);
	mutex_unlock(&fork_second(from, to)->size_lock);
	mutex_unlock(&fork_first(from, to)->size_lock);
	return err;
}

/**
 * gmem_fork_over() - gmem_fork() in the place of a gmem that there is
 * @from: the parent
 * @to: another gmem of a mount; what it has is dropped, and its size becomes that of @from
 *
 * Process context, no lock held but the inodes'. Both must have the same domain and policy, as
 * shared pages stay in one domain.
 *
 * Return: 0; -EOPNOTSUPP: they have not, or it is "secure"; -ENOSPC: the mount has no room for
 * the pages; -EBUSY: a page of @from is held; or as gmem_fork(). After an error @to may be empty.
 */
int gmem_fork_over(struct gmem *from, struct gmem *to)
{
	int err = mutex_lock_killable(&fork_first(from, to)->policy_lock);

	if (err)
		return err;
	mutex_lock_nested(&fork_second(from, to)->policy_lock, SINGLE_DEPTH_NESTING);
	err = over_sized(from, to);
	mutex_unlock(&fork_second(from, to)->policy_lock);
	mutex_unlock(&fork_first(from, to)->policy_lock);
	return err;
}
