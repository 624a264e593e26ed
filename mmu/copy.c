// SPDX-License-Identifier: GPL-2.0-only
/*
 * The address space of a machine that is forked: the same memslots, over forks of the gmems
 * that back them. Owns the plan of such a copy, which is made and carried out in three steps,
 * so that vCPUs have to stand still for the middle one only:
 *
 * 1. mmu_copy_begin(): what is to be copied, and whether it can be, and what the forks of the
 *    gmems take. User-backed slots cannot, but those that are one window (window.c): the copy
 *    has a gmem-backed slot there.
 * 2. mmu_copy_fork(), with the vCPUs at rest: each gmem is forked, once however many slots are
 *    over it.
 * 3. mmu_copy_slots(): the slots. Their dirty logs have at least the bits that were set in 2.
 *    Where there are dirty rings, the next reset of one reports these bits.
 *
 * The memslots of the original do not change meanwhile, because the caller holds what keeps
 * ioctls that change them out (the owner's vm->lock). Mappings may: a window that ends after 1
 * is still copied, as if it had ended after the fork.
 */
#include <linux/bitmap.h>
#include <linux/hash.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "gmem/fork.h"
#include "mmu/copy.h"
#include "mmu/dirty.h"
#include "mmu/slots.h"
#include "mmu/window.h"

/**
 * struct gmem_copy - a gmem and its fork
 * @node: among those of a copy whose gmems' addresses are alike
 * @from: with a reference
 * @to: likewise; empty before step 2
 */
struct gmem_copy {
	struct hlist_node node;
	struct gmem *from, *to;
};

/**
 * struct slot_copy - a memslot that will be
 * @from: the original
 * @gmem: what backs it
 * @pos: where in that it begins
 */
struct slot_copy {
	struct memslot *from;
	struct gmem_copy *gmem;
	u64 pos;
};

/**
 * struct mmu_copy - a copy that is being made
 * @from: the original
 * @locked: its slots_lock is held
 * @gmem: the gmems; room for one of each slot's
 * @nr_gmems: how many there are
 * @hash: they, by address of the original
 * @hash_bits: of its size
 * @nr: slots
 * @slot: they
 */
struct mmu_copy {
	struct mmu *from;
	bool locked;
	struct gmem_copy *gmem;
	unsigned int nr_gmems;
	struct hlist_head *hash;
	unsigned int hash_bits;
	unsigned int nr;
	struct slot_copy slot[] __counted_by(nr);
};

/* The window that a user-backed slot is, with a reference to its gmem; or NULL. */
static struct gmem *copy_window(struct memslot *slot, u64 *pos)
{
	struct mmu *mmu = slot->mmu;
	struct gmem *gmem = NULL;
	struct memslot *w;
	int idx;

	idx = srcu_read_lock(&mmu->srcu);
	/* There may be none yet, because nobody has touched the slot. */
	if (window_choose(slot, slot->base) == slot)
		window_make(slot, slot->base);
	read_lock(&mmu->lock);
	w = window_choose(slot, slot->base);
	if (w != slot && w->base == slot->base && w->npages == slot->npages) {
		*pos = w->pos;
		gmem = gmem_get(w->gmem);
	}
	read_unlock(&mmu->lock);
	srcu_read_unlock(&mmu->srcu, idx);
	return gmem;
}

/* Takes over the reference to @gmem. */
static struct gmem_copy *copy_find_gmem(struct mmu_copy *copy, struct gmem *gmem)
{
	struct hlist_head *bucket = &copy->hash[hash_ptr(gmem, copy->hash_bits)];
	struct gmem_copy *found;
	struct gmem *fork;

	hlist_for_each_entry(found, bucket, node) {
		if (found->from == gmem) {
			gmem_put(gmem);
			return found;
		}
	}
	fork = gmem_fork_prepare(gmem);
	if (IS_ERR(fork)) {
		gmem_put(gmem);
		return ERR_CAST(fork);
	}
	found = &copy->gmem[copy->nr_gmems++];
	found->from = gmem;
	found->to = fork;
	hlist_add_head(&found->node, bucket);
	return found;
}

static int copy_plan_slot(struct mmu_copy *copy, struct memslot *slot)
{
	struct slot_copy *s = &copy->slot[copy->nr];
	struct gmem *gmem;

	s->from = slot;
	s->pos = slot->pos;
	gmem = slot->gmem ? gmem_get(slot->gmem) : copy_window(slot, &s->pos);
	if (!gmem)
		return -EBUSY;
	s->gmem = copy_find_gmem(copy, gmem);
	if (IS_ERR(s->gmem))
		return PTR_ERR(s->gmem);
	copy->nr++;
	return 0;
}

static unsigned int copy_count_slots(struct mmu *mmu)
{
	struct memslot *slot;
	unsigned int nr = 0;
	unsigned long id;

	xa_for_each(&mmu->slots_by_id, id, slot)
		nr++;
	return nr;
}

/* A plan without anything in it, with room for so many slots. */
static struct mmu_copy *copy_alloc(unsigned int nr)
{
	struct mmu_copy *copy = kvzalloc(struct_size(copy, slot, nr), GFP_KERNEL_ACCOUNT);

	if (!copy)
		return NULL;
	copy->hash_bits = ilog2(nr | 2);
	copy->hash = kvcalloc(1 << copy->hash_bits, sizeof(*copy->hash), GFP_KERNEL_ACCOUNT);
	copy->gmem = kvcalloc(nr | 1, sizeof(*copy->gmem), GFP_KERNEL_ACCOUNT);
	if (copy->hash && copy->gmem)
		return copy;
	mmu_copy_end(copy);
	return NULL;
}

/**
 * mmu_copy_begin() - plan the copy of an address space
 * @from: the original; its memslots do not change until mmu_copy_end(). If it has user-backed
 *	slots, the caller is of their process
 *
 * May sleep; takes mmap_lock.
 *
 * Return: what to give to the others; ERR_PTR of -EOPNOTSUPP where memory can be private,
 * -EBUSY for user-backed memory that is not one mapping of a gmem, -EINTR, or as
 * gmem_fork_prepare().
 */
struct mmu_copy *mmu_copy_begin(struct mmu *from)
{
	struct mmu_copy *copy;
	struct memslot *slot;
	unsigned long id;
	int err;

	if (from->private_mem)
		return ERR_PTR(-EOPNOTSUPP);
	copy = copy_alloc(copy_count_slots(from));
	if (!copy)
		return ERR_PTR(-ENOMEM);
	copy->from = from;
	xa_for_each(&from->slots_by_id, id, slot) {
		err = fatal_signal_pending(current) ? -EINTR : copy_plan_slot(copy, slot);
		if (err) {
			mmu_copy_end(copy);
			return ERR_PTR(err);
		}
		cond_resched();
	}
	return copy;
}

static int copy_gmem(struct gmem_copy *gmem)
{
	struct gmem *fork;
	int err = gmem_fork_commit(gmem->from, gmem->to);

	if (err != -ESTALE)
		return err;
	fork = gmem_fork(gmem->from);
	if (IS_ERR(fork))
		return PTR_ERR(fork);
	gmem_put(gmem->to);
	gmem->to = fork;
	return 0;
}

/**
 * mmu_copy_fork() - fork the memory
 * @copy: from mmu_copy_begin(); no vCPU runs, and all are owned
 * @to: whose memory the forks are going to be
 * @resettable: they can be reset to the originals, which nobody uses
 *
 * Holds the original's slots_lock from here on, so that nobody takes bits of dirty logs.
 *
 * Return: 0, -EINTR, or as gmem_fork().
 */
int mmu_copy_fork(struct mmu_copy *copy, struct mmu *to, bool resettable)
{
	struct gmem_copy *gmem;
	unsigned int i;
	int err;

	/* Its holder may be waiting for user space. */
	if (mutex_lock_killable(&copy->from->slots_lock))
		return -EINTR;
	copy->locked = true;
	for (i = 0; i < copy->nr_gmems; i++) {
		gmem = &copy->gmem[i];
		err = fatal_signal_pending(current) ? -EINTR : copy_gmem(gmem);
		if (err)
			return err;
		/* One that cannot be mapped is only where memory can be private. */
		if (gmem_guest_is_mappable(gmem->from))
			gmem_fork_own(gmem->to, gmem->from, to->owner);
		if (resettable)
			gmem_fork_base(gmem->to, gmem->from);
	}
	return 0;
}

/*
 * The original's vCPUs run again, so there may be bits of pages that they entered in their rings
 * after those were copied. With rings a bit that no ring tells of would hide the page's writes for
 * ever: all pages of the copy wait for room in a ring, also those that are in one already.
 */
static void copy_log(struct memslot *to, const struct memslot *from)
{
	if (!from->log || !to->log)
		return;
	bitmap_copy(to->log->bits, from->log->bits, from->npages);
	if (to->mmu->ring_bytes) {
		bitmap_copy(to->log->taken, to->log->bits, to->npages);
		to->mmu->ring_late = true;
	}
	WRITE_ONCE(to->log->any, true);
}

static int copy_slot(struct mmu *to, const struct slot_copy *s)
{
	const struct memslot *from = s->from;
	struct memslot tmpl = {
		.mmu = to,
		.base = from->base,
		.npages = from->npages,
		.id = from->id,
		.flags = (from->flags & KVM_MEM_READONLY) |
			 (from->log ? KVM_MEM_LOG_DIRTY_PAGES : 0),
		.gmem = gmem_get(s->gmem->to),
		.pos = s->pos,
	};
	int err = slots_add(to, &tmpl);

	if (err)
		gmem_put(tmpl.gmem);
	else
		copy_log(xa_load(&to->slots_by_id, tmpl.id), from);
	return err;
}

/**
 * mmu_copy_slots() - make the memslots
 * @copy: after mmu_copy_fork()
 * @to: after mmu_copy_settings(); empty, and nobody uses it yet
 *
 * May sleep.
 *
 * Return: 0; -ENOMEM, -EINTR, and then there are some.
 */
int mmu_copy_slots(struct mmu_copy *copy, struct mmu *to)
{
	unsigned int i;
	int err = 0;

	/* Changes under slots_lock, and with it that of the gmems that were forked. */
	to->policy = copy->from->policy;
	for (i = 0; i < copy->nr && !err; i++) {
		err = fatal_signal_pending(current) ? -EINTR : copy_slot(to, &copy->slot[i]);
		cond_resched();
	}
	return err;
}

/**
 * mmu_copy_end() - the copy is made, or is not to be
 * @copy: from mmu_copy_begin()
 */
void mmu_copy_end(struct mmu_copy *copy)
{
	unsigned int i;

	if (copy->locked)
		mutex_unlock(&copy->from->slots_lock);
	for (i = 0; i < copy->nr_gmems; i++) {
		gmem_put(copy->gmem[i].to);
		gmem_put(copy->gmem[i].from);
	}
	kvfree(copy->gmem);
	kvfree(copy->hash);
	kvfree(copy);
}

/**
 * mmu_copy_settings() - what the VMM chose for an address space counts in another, too
 * @to: empty, without vCPUs; nobody uses it yet
 * @from: the original; its memslots do not change
 */
void mmu_copy_settings(struct mmu *to, const struct mmu *from)
{
	to->log_manual = from->log_manual;
	to->asked_tables = from->asked_tables;
	to->ring_bytes = from->ring_bytes;
}
