// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory that the VMM cannot see: which gfns are private, and the memslots for those. Owns
 * both; what a private page is, a gmem knows.
 *
 * A memslot that can be private is two: the one that is found by its number and in the trees,
 * over user memory, and behind it one over a gmem, of the same gfns. Whether a gfn is private
 * says which of the two a lookup finds (private_choose()), so code that uses a slot need not
 * know. Both may have had leaves in the TDP tables, which say nothing of that.
 *
 * The hard part is a change while vCPUs fault: the attribute is changed first, and then what
 * was mapped is taken away, with the sequence bumped. A fault that saw the old attribute
 * fails its check, one that saw the new one enters what is right.
 */
#include <linux/maple_tree.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "compat.h"
#include "mmu/between.h"
#include "mmu/private.h"
#include "mmu/slots.h"
#include "mmu/tdp.h"

/* What is in the tree for private gfns. */
#define PRIVATE_ENTRY	xa_mk_value(1)

/**
 * mmu_is_private() - is a gfn private?
 * @mmu: any
 * @gfn: any
 *
 * Any context; takes no lock. What it says may change at once.
 *
 * Return: whether it is.
 */
bool mmu_is_private(struct mmu *mmu, gfn_t gfn)
{
	return mmu->private_mem && mtree_load(&mmu->privates, gfn);
}

/**
 * private_choose() - which of a slot's two is meant
 * @mmu: its private_mem is set
 * @slot: what was found in the trees, or NULL
 * @gfn: that was looked for
 *
 * Return: @slot, the one behind it, or NULL: the gfn is private, and has no private memory.
 */
struct memslot *private_choose(struct mmu *mmu, struct memslot *slot, gfn_t gfn)
{
	if (!slot || !mmu_is_private(mmu, gfn))
		return slot;
	return slot->private;
}

/**
 * private_slot_new() - the slot behind one that can be private
 * @tmpl: the slot in front, filled in; nobody else sees it
 * @gmem: a guest_memfd of this machine, large enough; the caller's reference goes to the slot
 * @offset: where in it the slot begins
 *
 * Return: 0, and @tmpl->private is to be freed by private_slot_free() if nobody attaches it;
 * -ENOMEM.
 */
int private_slot_new(struct memslot *tmpl, struct gmem *gmem, u64 offset)
{
	struct memslot *behind = kmemdup(tmpl, sizeof(*tmpl), GFP_KERNEL_ACCOUNT);

	if (!behind)
		return -ENOMEM;
	behind->gmem = gmem;
	behind->hva_node.start = 0;
	behind->pos = offset;
	tmpl->private = behind;
	return 0;
}

/**
 * private_slot_free() - undo private_slot_new()
 * @tmpl: its private slot is attached to nothing; the reference is the caller's again
 */
void private_slot_free(struct memslot *tmpl)
{
	kfree(tmpl->private);
	tmpl->private = NULL;
}

/* Have one entry for private gfns that follow one another. @slots_lock held. */
static void range_join(struct maple_tree *tree, unsigned long *first, unsigned long *last)
{
	MA_STATE(mas, tree, 0, 0);

	rcu_read_lock();
	mas_set(&mas, *first - 1);
	if (*first && mas_walk(&mas))
		*first = mas.index;
	mas_set(&mas, *last + 1);
	if (*last != ULONG_MAX && mas_walk(&mas))
		*last = mas.last;
	rcu_read_unlock();
}

static int range_store(struct mmu *mmu, unsigned long first, unsigned long last, bool private)
{
	if (private)
		range_join(&mmu->privates, &first, &last);
	return mtree_store_range(&mmu->privates, first, last, private ? PRIVATE_ENTRY : NULL,
				 GFP_KERNEL_ACCOUNT);
}

/*
 * A step of a change covers so many ranges at most, because the tree forgets them with its
 * lock held and frees them in one callback of RCU; and so many gfns (64 GiB), because what was
 * mapped there is freed before anybody looks for a signal.
 */
#define STEP_RANGES	256
#define STEP_GFNS	(1ul << 24)

/* Where a step ends that begins at @first. @slots_lock held. */
static unsigned long step_last(struct mmu *mmu, unsigned long first, unsigned long last)
{
	MA_STATE(mas, &mmu->privates, first, first);
	unsigned int ranges = 0;

	/* Nothing is mapped above. */
	if (first < mmu_max_gfn(mmu))
		last = min(last, first | (STEP_GFNS - 1));
	rcu_read_lock();
	while (ranges < STEP_RANGES && mas_find(&mas, last))
		ranges++;
	if (ranges == STEP_RANGES)
		last = min(last, mas.last);
	rcu_read_unlock();
	return last;
}

/* Both kinds of leaves go; the gmems behind the slots are told which were dirty. */
static void range_zap(struct mmu *mmu, gfn_t start, gfn_t end)
{
	struct tdp_zap zap;

	tdp_zap_init(&zap, NULL);
	zap.tell_all = true;
	write_lock(&mmu->lock);
	mmu_invalidated(mmu);
	tdp_zap_range(mmu, &zap, start, end);
	tdp_zap_flush(mmu, &zap);
	write_unlock(&mmu->lock);
	tdp_zap_finish(mmu, &zap, true);
}

/* [start, end); @slots_lock held. What one step changed is out of the guest's reach after it. */
static int attributes_set(struct mmu *mmu, gfn_t start, gfn_t end, bool private)
{
	gfn_t next;
	int err, idx;

	for (; start < end; start = next) {
		if (fatal_signal_pending(current))
			return -EINTR;
		next = step_last(mmu, start, end - 1) + 1;
		err = range_store(mmu, start, next - 1, private);
		if (err)
			return err;
		idx = srcu_read_lock(&mmu->srcu);
		range_zap(mmu, start, min(next, mmu_max_gfn(mmu)));
		srcu_read_unlock(&mmu->srcu, idx);
		fault_between(mmu);
		cond_resched();
	}
	return 0;
}

/**
 * private_init() - no gfn is private
 * @mmu: being made
 *
 * Nobody asks the tree for gaps, but with them the kernel keeps what it notes of an inner node
 * beside the node's pointers, and without in the place of the last one. When one store covers
 * all that is below, in trees that are read by RCU, that goes wrong (seen in Linux 6.12):
 * mt_clear_meta() clears the low half of the last pointer of a full node, and mt_free_walk()
 * takes the note of one that is nearly full for a pointer. Both crash the host.
 */
void private_init(struct mmu *mmu)
{
	mt_init_flags(&mmu->privates, MT_FLAGS_ALLOC_RANGE | MT_FLAGS_USE_RCU);
}

/**
 * private_destroy() - forget which gfns are private
 * @mmu: being destroyed; nobody else uses it
 *
 * May sleep. Range by range, because a large tree would be freed by RCU in one callback.
 */
void private_destroy(struct mmu *mmu)
{
	unsigned long next = 0;

	while (mt_find(&mmu->privates, &next, ULONG_MAX)) {
		mtree_erase(&mmu->privates, next - 1);
		fault_between(mmu);
		cond_resched();
	}
	mtree_destroy(&mmu->privates);
}

/**
 * mmu_attributes() - which attributes memory can have
 * @mmu: of a VM; or NULL: of any
 *
 * Return: KVM_MEMORY_ATTRIBUTE_*.
 */
u64 mmu_attributes(const struct mmu *mmu)
{
	return !mmu || mmu->private_mem ? KVM_MEMORY_ATTRIBUTE_PRIVATE : 0;
}

/**
 * mmu_guest_memfd_flags() - how guest_memfds of a VM can be
 * @mmu: of a VM; or NULL: of any
 *
 * Where memory can be private they are that.
 *
 * Return: GUEST_MEMFD_FLAG_*.
 */
u64 mmu_guest_memfd_flags(const struct mmu *mmu)
{
	return mmu && mmu->private_mem ? 0 :
	       GUEST_MEMFD_FLAG_MMAP | GUEST_MEMFD_FLAG_INIT_SHARED;
}

/**
 * mmu_set_attributes() - KVM_SET_MEMORY_ATTRIBUTES
 * @mmu: takes its slots_lock; may sleep
 * @a: a private copy of the caller's
 *
 * Takes as long for a large range as for a small one, except for what is mapped there and for the
 * ranges that were set before. The guest has no access to what was mapped when it returns.
 * A change of very much goes in steps, from low gfns to high. With -ENOMEM, and with -EINTR
 * (for a killed caller only, so that none needs to go on), the first of them may be done:
 * their gfns have changed and are out of the guest's reach, the others are as they were, and
 * the same call again does all that is left.
 *
 * Return: 0; -EINVAL: flags or attributes that there are not, or a range that is empty, goes
 * round or is not of pages; -ENOMEM; -EINTR.
 */
int mmu_set_attributes(struct mmu *mmu, const struct kvm_memory_attributes *a)
{
	int err;

	if (a->flags || (a->attributes & ~mmu_attributes(mmu)))
		return -EINVAL;
	if (!PAGE_ALIGNED(a->address) || !PAGE_ALIGNED(a->size) ||
	    a->address + a->size <= a->address)
		return -EINVAL;
	/* Its holder may be waiting for user space. */
	if (mutex_lock_killable(&mmu->slots_lock))
		return -EINTR;
	err = attributes_set(mmu, a->address >> PAGE_SHIFT, (a->address + a->size) >> PAGE_SHIFT,
			     a->attributes & KVM_MEMORY_ATTRIBUTE_PRIVATE);
	mutex_unlock(&mmu->slots_lock);
	return err;
}
