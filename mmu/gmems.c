// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which gmems back an address space, each once however many slots map it, and how much
 * memory they hold.  Owns the list; the slots count themselves in and out.
 *
 * Listing machines reads the list under RCU and waits for nobody: a change of a memslot may
 * take as long as the machine's user likes. Windows come and go without mmu->slots_lock, so
 * the list has a lock of its own.
 */
#include <linux/jiffies.h>
#include <linux/rculist.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include <ditto.h>
#include "mmu/gmems.h"
#include "mmu/mmu.h"
#include "mmu/resident.h"

/**
 * struct mmu_gmem - a gmem that slots of an address space map
 * @gmem: referenced by those slots
 * @nr_slots: how many; mmu->gmems_lock
 * @node: in mmu->gmems_tree
 * @list: in mmu->gmems
 * @rcu: after the last slot
 */
struct mmu_gmem {
	struct gmem *gmem;
	unsigned int nr_slots;
	struct rb_node node;
	struct list_head list;
	struct rcu_head rcu;
};

static struct mmu_gmem *node_gmem(struct rb_node *node)
{
	return rb_entry(node, struct mmu_gmem, node);
}

static int gmems_cmp(const void *gmem, const struct rb_node *node)
{
	const struct gmem *other = rb_entry(node, struct mmu_gmem, node)->gmem;

	return gmem < (const void *)other ? -1 : gmem > (const void *)other;
}

static bool gmems_less(struct rb_node *a, const struct rb_node *b)
{
	return gmems_cmp(node_gmem(a)->gmem, b) < 0;
}

/* gmems_lock held. */
static struct mmu_gmem *gmems_get_locked(struct mmu *mmu, struct gmem *gmem)
{
	struct rb_node *node = rb_find(gmem, &mmu->gmems_tree, gmems_cmp);
	struct mmu_gmem *user;

	if (node) {
		user = node_gmem(node);
		user->nr_slots++;
		return user;
	}
	user = kzalloc(sizeof(*user), GFP_KERNEL_ACCOUNT);
	if (!user)
		return NULL;
	user->gmem = gmem;
	user->nr_slots = 1;
	rb_add(&user->node, &mmu->gmems_tree, gmems_less);
	list_add_tail_rcu(&user->list, &mmu->gmems);
	return user;
}

/**
 * gmems_get() - one more slot maps a gmem
 * @mmu: takes its gmems_lock
 * @gmem: the slot has a reference, until after gmems_put()
 *
 * Return: what to give back, or NULL without memory.
 */
struct mmu_gmem *gmems_get(struct mmu *mmu, struct gmem *gmem)
{
	struct mmu_gmem *user;
	u32 policy;

	mutex_lock(&mmu->gmems_lock);
	user = gmems_get_locked(mmu, gmem);
	mutex_unlock(&mmu->gmems_lock);
	policy = READ_ONCE(mmu->policy);	/* after it is in the list, see mmu_set_policy() */
	if (user && policy && gmem_limit_policy(gmem, policy)) {
		gmems_put(mmu, user);
		return NULL;
	}
	return user;
}

/**
 * gmems_put() - undo gmems_get()
 * @mmu: takes its gmems_lock
 * @user: from gmems_get()
 */
void gmems_put(struct mmu *mmu, struct mmu_gmem *user)
{
	mutex_lock(&mmu->gmems_lock);
	if (!--user->nr_slots) {
		rb_erase(&user->node, &mmu->gmems_tree);
		list_del_rcu(&user->list);
		kfree_rcu(user, rcu);
	}
	mutex_unlock(&mmu->gmems_lock);
}

/* The gmem that comes after @last in the tree, with a reference, or NULL. */
static struct gmem *gmems_after(struct mmu *mmu, const struct gmem *last)
{
	struct gmem *found = NULL;
	struct rb_node *node;

	mutex_lock(&mmu->gmems_lock);
	for (node = mmu->gmems_tree.rb_node; node;) {
		struct gmem *gmem = node_gmem(node)->gmem;

		if (gmem > last)
			found = gmem;
		node = gmem > last ? node->rb_left : node->rb_right;
	}
	if (found)
		gmem_get(found);
	mutex_unlock(&mmu->gmems_lock);
	return found;
}

static int gmems_set_policy(struct gmem *gmem, u32 policy)
{
	if (fatal_signal_pending(current))
		return -EINTR;
	return gmem_has_policy(gmem, policy) ? 0 : gmem_limit_policy(gmem, policy);
}

/**
 * mmu_set_policy() - what the memory of a machine may be shared with
 * @mmu: slots_lock not held
 * @policy: DITTO_POLICY_*, unchecked
 *
 * Of every gmem that backs a memslot, now or later. One that may not share as much keeps the
 * most that it may.
 *
 * Return: 0; -EINTR when the caller is being killed, or as gmem_set_policy(): some of the gmems
 * may have the new policy then, and those that come get it.
 */
int mmu_set_policy(struct mmu *mmu, unsigned long policy)
{
	struct gmem *gmem, *next;
	int err;

	if (policy > U32_MAX || !gmem_policy_valid(policy))
		return -EINVAL;
	err = mutex_lock_killable(&mmu->slots_lock);
	if (err)
		return err;
	/* A gmem that comes from here on has it, so it need not be found, wherever it comes. */
	WRITE_ONCE(mmu->policy, policy);
	for (gmem = gmems_after(mmu, NULL); gmem; gmem = next) {
		err = gmems_set_policy(gmem, policy);
		next = err ? NULL : gmems_after(mmu, gmem);
		gmem_put(gmem);
	}
	mutex_unlock(&mmu->slots_lock);
	return err;
}

/**
 * mmu_stats() - fill in the bytes of a struct ditto_vm_info
 * @mmu: kept by the caller; process context
 * @info: zeroed; only the *_bytes members and unadopted are written
 *
 * A gmem that several slots map is counted once.  Reads counters, and the page tables of
 * user-backed memory, and waits for nobody: what they say belongs together only when nothing
 * changes.
 */
void mmu_stats(struct mmu *mmu, struct ditto_vm_info *info)
{
	struct gmem_usage usage;
	struct mmu_gmem *user;

	info->ram_bytes = READ_ONCE(mmu->nr_pages) << PAGE_SHIFT;
	info->unadopted = READ_ONCE(mmu->unadopted);
	info->resident_bytes = mmu_user_pages(mmu) << PAGE_SHIFT;
	rcu_read_lock();
	list_for_each_entry_rcu(user, &mmu->gmems, list) {
		gmem_usage(user->gmem, &usage);
		info->resident_bytes += usage.resident;
		info->shared_bytes += usage.shared;
		info->saved_bytes += usage.saved;
	}
	rcu_read_unlock();
}

/* As many of them as there is room for are referenced. Returns how many there are. */
static unsigned int gmems_fill(struct mmu *mmu, struct gmem **all, unsigned int room)
{
	unsigned int nr = 0, i = 0;
	struct mmu_gmem *user;

	mutex_lock(&mmu->gmems_lock);
	list_for_each_entry(user, &mmu->gmems, list)
		nr++;
	list_for_each_entry(user, &mmu->gmems, list) {
		if (nr > room)
			break;
		all[i++] = gmem_get(user->gmem);
	}
	mutex_unlock(&mmu->gmems_lock);
	return nr;
}

/*
 * The gmems that back slots, each once and referenced; NULL without memory. Others wait for the
 * lock, so nothing is allocated with it held.
 */
static struct gmem **gmems_all(struct mmu *mmu, unsigned int *nr)
{
	unsigned int room = 8;
	struct gmem **all;

	for (;;) {
		all = kvcalloc(room, sizeof(*all), GFP_KERNEL_ACCOUNT);
		if (!all)
			return NULL;
		*nr = gmems_fill(mmu, all, room);
		if (*nr <= room)
			return all;
		room = *nr;
		kvfree(all);
	}
}

/**
 * mmu_measure() - what the memory of a machine holds, and what its end would give back
 * @mmu: takes its gmems_lock
 * @m: zeroed
 *
 * Return: as gmem_measure().
 */
int mmu_measure(struct mmu *mmu, struct ditto_memory *m)
{
	unsigned int i, nr;
	struct gmem **all = gmems_all(mmu, &nr);
	int err;

	if (!all)
		return -ENOMEM;
	m->user = mmu_user_pages(mmu) << PAGE_SHIFT;
	err = gmem_measure(all, nr, m);
	for (i = 0; i < nr; i++)
		gmem_put(all[i]);
	kvfree(all);
	return err;
}

/**
 * mmu_kinds() - of what kinds the memory of a machine is
 * @mmu: kept by the caller
 * @kinds: filled in
 *
 * Process context. A gmem that several slots map is counted once. Takes gmems_lock, which nobody
 * holds while he waits for a machine's user.
 */
void mmu_kinds(struct mmu *mmu, struct gmem_kinds *kinds)
{
	struct gmem *gmem, *next;

	memset(kinds, 0, sizeof(*kinds));
	kinds->end = (jiffies + HZ / 10) ?: 1;
	for (gmem = gmems_after(mmu, NULL); gmem; gmem = next) {
		gmem_kinds(gmem, kinds);
		next = gmems_after(mmu, gmem);
		gmem_put(gmem);
	}
}
