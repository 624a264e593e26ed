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
 *    The references are looked for after 2., so that no more can come, and if there is one the
 *    fork is refused.
 */
#include <linux/delay.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <ditto.h>

#include "gmem/internal.h"
#include "gmem/merge.h"

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

static bool dir_held(struct gmem_dir *dir)
{
	unsigned int nr;

	for_each_set_bit(nr, dir->held, GMEM_DIR_CHUNKS) {
		if (chunk_held(rcu_dereference_protected(dir->chunk[nr], true)))
			return true;
		cond_resched();
	}
	return false;
}

/* What is not held now is not until it is claimed. */
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
	gmem_count_shared(g, n);
	gmem_count_shared_page(g->domain, n);
	gmem_count_private(g, -n);	/* the last: then both are weighed */
}

/* The child, which nobody uses yet, has all that the parent has. */
static void fork_share(struct gmem *parent, struct gmem *child)
{
	struct gmem_root *from = gmem_root_stable(parent), *to = gmem_root_stable(child);
	unsigned long i;

	for (i = 0; i < min(from->nr, to->nr); i++) {
		if (!from->dir[i])
			continue;
		atomic_inc(&from->dir[i]->owners);
		smp_store_release(&to->dir[i], from->dir[i]);
		atomic_long_inc(&child->nr_dirs);
	}
	atomic_long_set(&child->nr_chunks, atomic_long_read(&parent->nr_chunks));
	atomic_long_set(&child->nr_zeroed, atomic_long_read(&parent->nr_zeroed));
	gmem_count_shared(child, atomic_long_read(&parent->nr_shared));
}

/* Is there nothing that a gmem could change without a claim? With fork_lock for write. */
static bool fork_parted(const struct gmem *g)
{
	return refcount_read(&g->holder->refs) == 1;
}

/* With the parent's fork_lock for write. Takes over *@h, if it is needed. */
static int fork_locked(struct gmem *parent, struct gmem *child, struct gmem_holder **h)
{
	if (!fork_parted(parent)) {
		fork_part(parent, *h);
		*h = NULL;
		gmem_wait_for_writes(parent);
		gmem_wrprotect_all(parent);
	}
	if (fork_held(parent))
		return -EBUSY;
	fork_share(parent, child);
	return 0;
}

static int fork_once(struct gmem *parent, struct gmem *child)
{
	struct gmem_holder *h = gmem_holder_new(parent);
	int ret;

	if (!h)
		return -ENOMEM;
	ret = down_write_killable(&parent->fork_lock);
	if (!ret) {
		ret = fork_locked(parent, child, &h);
		up_write(&parent->fork_lock);
	}
	gmem_holder_put(h);
	return ret;
}

static int fork_into(struct gmem *parent, struct gmem *child)
{
	unsigned int tries;
	int ret;

	for (tries = 0; ; tries++) {
		ret = fork_once(parent, child);
		if (ret != -EBUSY || tries == HELD_PATIENCE)
			return ret;
		usleep_range(1000, 2000);
	}
}

/* Where neither policy nor size of the parent change. */
static struct gmem *fork_new(struct gmem *parent)
{
	struct gmem *child = gmem_create_like(parent);
	int ret;

	if (IS_ERR(child))
		return child;
	ret = fork_into(parent, child);
	if (!ret)
		return child;
	gmem_put(child);
	return ERR_PTR(ret);
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
 * somebody holds for longer, in order to write to it (a device's buffer, pinned by VFIO, RDMA
 * or io_uring; gmem_pin_page()), cannot be shared: the fork is refused, and nothing has
 * happened but that mappings fault in again.
 *
 * Return: the child, with a reference for the caller and no file; it has no bindings, and is in
 * no mount. Or ERR_PTR: -EBUSY: a page is held; -EOPNOTSUPP: the policy is "secure"; -ENOMEM;
 * -EINTR: a fatal signal came.
 */
struct gmem *gmem_fork(struct gmem *parent)
{
	struct gmem *child;

	if (mutex_lock_killable(&parent->policy_lock))
		return ERR_PTR(-EINTR);
	mutex_lock(&parent->size_lock);
	child = fork_new(parent);
	mutex_unlock(&parent->size_lock);
	mutex_unlock(&parent->policy_lock);
	return child;
}

/**
 * gmem_fork_guest() - gmem_fork() of a gmem that only a machine sees, for another machine
 * @parent: of gmem_create_guest()
 * @owner: a number, not 0, that the other machine has and no other ever had
 *
 * Return: as gmem_fork(); only that machine can bind it.
 */
struct gmem *gmem_fork_guest(struct gmem *parent, u64 owner)
{
	struct gmem *child = gmem_fork(parent);

	if (!IS_ERR(child)) {
		child->owner = owner;
		child->guest = parent->guest;
	}
	return child;
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
			      atomic_long_read(&from->nr_zeroed);
	int ret;

	if (atomic_long_read(&to->nr_chunks))
		return -EAGAIN;
	if (!gmem_space_take(to, pages))
		return -ENOSPC;
	gmem_index_clear(to);
	ret = fork_locked(from, to, h);
	if (ret)
		gmem_space_give(to, pages);
	else
		smp_store_release(&to->npages, from->npages);
	return ret;
}

/* Nothing is mapped of what has no chunk; who is about to fill it waits. */
static int over_once(struct gmem *from, struct gmem *to)
{
	struct gmem_holder *h = gmem_holder_new(from);
	int ret;

	if (!h)
		return -ENOMEM;
	gmem_punch_rest(to, 0);
	down_write(&fork_first(from, to)->fork_lock);
	down_write_nested(&fork_second(from, to)->fork_lock, SINGLE_DEPTH_NESTING);
	ret = over_locked(from, to, &h);
	up_write(&fork_second(from, to)->fork_lock);
	up_write(&fork_first(from, to)->fork_lock);
	gmem_holder_put(h);
	return ret;
}

/* With size_locks and policy_locks. */
static int over_tries(struct gmem *from, struct gmem *to)
{
	unsigned int tries;
	int ret;

	if (from->policy == DITTO_POLICY_SECURE || from->policy != to->policy || !from->domain ||
	    from->domain != to->domain)
		return -EOPNOTSUPP;
	ret = gmem_root_grow(to, from->npages);
	for (tries = 0; !ret; tries++) {
		ret = over_once(from, to);
		if ((ret != -EBUSY && ret != -EAGAIN) || tries == HELD_PATIENCE)
			break;
		usleep_range(1000, 2000);
		ret = 0;
	}
	return ret == -EAGAIN ? -EBUSY : ret;
}

static int over_sized(struct gmem *from, struct gmem *to)
{
	int ret;

	mutex_lock(&fork_first(from, to)->size_lock);
	mutex_lock_nested(&fork_second(from, to)->size_lock, SINGLE_DEPTH_NESTING);
	ret = over_tries(from, to);
	mutex_unlock(&fork_second(from, to)->size_lock);
	mutex_unlock(&fork_first(from, to)->size_lock);
	return ret;
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
 * the pages; or as gmem_fork(). After an error @to may be empty.
 */
int gmem_fork_over(struct gmem *from, struct gmem *to)
{
	int ret = mutex_lock_killable(&fork_first(from, to)->policy_lock);

	if (ret)
		return ret;
	mutex_lock_nested(&fork_second(from, to)->policy_lock, SINGLE_DEPTH_NESTING);
	ret = over_sized(from, to);
	mutex_unlock(&fork_second(from, to)->policy_lock);
	mutex_unlock(&fork_first(from, to)->policy_lock);
	return ret;
}
