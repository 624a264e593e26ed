// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memslots: creating, moving and deleting them, and finding one.  Owns the trees of
 * slots and the life of struct mmu.  What is behind a slot belongs to others.
 *
 * A change costs what a change of a tree costs, however many slots there are, and a
 * lookup takes no lock.  The slots are in two trees by gfn, which differ only while
 * one of them is being changed; a sequence count tells readers to use the other, or
 * to look again.
 *
 * The hard part is taking a slot away while vCPUs fault in it, the kernel accesses
 * it, and its pages go away underneath:
 *
 * 1. Under mmu->lock for write: take it out of the trees, bump the invalidation
 *    sequence, zap its range, flush.  A fault that found it fails its check of the
 *    sequence.  The mmu notifier, which walks the slots under that lock, sees either
 *    the slot, or no SPTEs of it.
 * 2. Wait for the read sections of mmu->srcu: no accessor uses the slot any more.
 * 3. Unbind and put the gmem, free the slot.
 */
#include <linux/bitmap.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include <ditto.h>
#include "mmu/adopt.h"
#include "mmu/dirty.h"
#include "mmu/gmems.h"
#include "mmu/notifier.h"
#include "mmu/private.h"
#include "mmu/shadow.h"
#include "mmu/slots.h"
#include "mmu/tdp.h"
#include "mmu/window.h"

/* KVM's limit for one slot, which leaves room for signed page counts. */
#define SLOT_MAX_PAGES	INT_MAX

/* The slot whose node in the tree @copy this is. */
static struct memslot *node_slot(struct rb_node *node, unsigned int copy)
{
	return container_of(node - copy, struct memslot, gfn_node[0]);
}

/* In one of the two trees, which may be changing: what is found then is not believed. */
static struct memslot *tree_find(const struct rb_root *tree, unsigned int copy, gfn_t gfn)
{
	struct rb_node *node = READ_ONCE(tree->rb_node);

	while (node) {
		struct memslot *slot = node_slot(node, copy);

		if (gfn < slot->base)
			node = READ_ONCE(node->rb_left);
		else if (!memslot_has(slot, gfn))
			node = READ_ONCE(node->rb_right);
		else
			return slot;
	}
	return NULL;
}

/**
 * slots_in_front() - the memslot that is in the trees for a gfn, private or not
 * @mmu: the caller is in a read section of its srcu
 * @gfn: any
 *
 * Return: the memslot, or NULL.
 */
struct memslot *slots_in_front(struct mmu *mmu, gfn_t gfn)
{
	struct memslot *slot;
	unsigned int seq;

	do {
		seq = raw_read_seqcount_latch(&mmu->slots_seq);
		slot = tree_find(&mmu->slots_by_gfn[seq & 1], seq & 1, gfn);
	} while (read_seqcount_latch_retry(&mmu->slots_seq, seq));
	return slot;
}

/**
 * slots_search() - find the memslot that has a gfn, and remember it
 * @mmu: the caller is in a read section of its srcu
 * @gfn: any
 *
 * Return: the memslot, or NULL.
 */
struct memslot *slots_search(struct mmu *mmu, gfn_t gfn)
{
	/*
	 * Read before the search: a removal that this does not see has not yet begun to
	 * wait for our read section.
	 */
	unsigned int hint = smp_load_acquire(&mmu->slots_removed) & 1;
	struct memslot *slot = slots_in_front(mmu, gfn);

	/* Which slot it is then depends on more than the gfn: it is not remembered. */
	if (unlikely(mmu->private_mem))
		return private_choose(mmu, slot, gfn);
	if (slot)
		smp_store_release(&mmu->slot_hint[hint], slot);
	return slot;
}

/*
 * Like rb_link_node_rcu(), which sparse does not accept: readers never see a node that is
 * half linked.
 */
static void tree_link(struct rb_node *node, struct rb_node *parent, struct rb_node **link)
{
	struct rb_node *made;

	rb_link_node(node, parent, &made);
	smp_store_release(link, made);
}

static void tree_insert(struct rb_root *tree, unsigned int copy, struct memslot *slot)
{
	struct rb_node **link = &tree->rb_node, *parent = NULL;

	while (*link) {
		parent = *link;
		link = slot->base < node_slot(parent, copy)->base ? &parent->rb_left :
								    &parent->rb_right;
	}
	tree_link(&slot->gfn_node[copy], parent, link);
	rb_insert_color(&slot->gfn_node[copy], tree);
}

static void tree_replace(struct mmu *mmu, unsigned int copy, struct memslot *old,
			 struct memslot *new)
{
	/* Readers go to the other tree. */
	raw_write_seqcount_latch(&mmu->slots_seq);
	if (old)
		rb_erase(&old->gfn_node[copy], &mmu->slots_by_gfn[copy]);
	if (new)
		tree_insert(&mmu->slots_by_gfn[copy], copy, new);
}

/* From now on lookups neither find @old nor set the hint to it. */
static void slots_forget(struct mmu *mmu)
{
	unsigned int removed = mmu->slots_removed + 1;

	/*
	 * The removal before this one waited for every reader that could still write the
	 * other hint.
	 */
	WRITE_ONCE(mmu->slot_hint[removed & 1], NULL);
	smp_store_release(&mmu->slots_removed, removed);
}

/* Change the trees: a lookup finds @old or @new, either of which may be NULL. */
static void slots_replace(struct mmu *mmu, struct memslot *old, struct memslot *new)
{
	lockdep_assert_held_write(&mmu->lock);
	tree_replace(mmu, 0, old, new);
	tree_replace(mmu, 1, old, new);
	if (old && !old->gmem) {
		notifier_forget(mmu, old);
		interval_tree_remove(&old->hva_node, &mmu->slots_by_hva);
	}
	if (new && !new->gmem)
		interval_tree_insert(&new->hva_node, &mmu->slots_by_hva);
	if (old)
		slots_forget(mmu);
}

/* The first slot that ends behind @gfn, or NULL. @slots_lock held. */
static struct memslot *slots_first(struct mmu *mmu, gfn_t gfn)
{
	struct rb_node *node = mmu->slots_by_gfn[0].rb_node;
	struct memslot *found = NULL;

	while (node) {
		struct memslot *slot = node_slot(node, 0);

		if (gfn < slot->base + slot->npages) {
			found = slot;
			node = node->rb_left;
		} else {
			node = node->rb_right;
		}
	}
	return found;
}

static bool slots_overlap(struct mmu *mmu, const struct memslot *new, const struct memslot *except)
{
	struct memslot *slot = slots_first(mmu, new->base);

	if (slot && slot == except) {
		struct rb_node *next = rb_next(&slot->gfn_node[0]);

		slot = next ? node_slot(next, 0) : NULL;
	}
	return slot && slot->base < new->base + new->npages;
}

static void memslot_free(struct memslot *slot)
{
	windows_end(slot);
	if (slot->gmem) {
		gmem_unbind(slot->gmem, &slot->binding);
		gmems_put(slot->mmu, slot->user);
		gmem_put(slot->gmem);
	}
	if (slot->private)
		memslot_free(slot->private);
	kvfree(slot->written);
	kvfree(slot->log);
	kfree(slot);
}

/**
 * memslot_alloc_written() - make a slot's bitmap of written blocks, where writes are logged
 * @slot: complete, not attached yet
 *
 * Every block counts as written until the first harvest has looked.
 *
 * Return: 0 or -ENOMEM.
 */
int memslot_alloc_written(struct memslot *slot)
{
	unsigned long nr;

	if (!slot->gmem || !slot->mmu->host->format->logged)
		return 0;
	nr = memslot_block(slot, memslot_offset(slot, slot->base + slot->npages - 1)) + 1;
	slot->written = kvcalloc(BITS_TO_LONGS(nr), sizeof(long), GFP_KERNEL_ACCOUNT);
	if (!slot->written)
		return -ENOMEM;
	bitmap_fill(slot->written, nr);
	return 0;
}

/* Step 1 of the plan at the top. Takes mmu->lock; nothing can fail from here on. */
static void slots_publish(struct mmu *mmu, struct memslot *old, struct memslot *new)
{
	struct tdp_zap zap;

	tdp_zap_init(&zap, old);
	write_lock(&mmu->lock);
	slots_replace(mmu, old, new);
	mmu_invalidated(mmu);
	if (old)
		tdp_zap_range(mmu, &zap, old->base, old->base + old->npages);
	tdp_zap_flush(mmu, &zap);
	write_unlock(&mmu->lock);
	tdp_zap_finish(mmu, &zap, true);
}

static void slots_limit_tables(struct mmu *mmu)
{
	long most = tdp_max_tables(mmu->nr_pages, totalram_pages());

	WRITE_ONCE(mmu->max_tables, mmu->asked_tables ? min(most, mmu->asked_tables) : most);
}

/* Replace @old by @new; either may be NULL. @new is bound already. */
static void slots_commit(struct mmu *mmu, struct memslot *old, struct memslot *new)
{
	WRITE_ONCE(mmu->nr_pages, mmu->nr_pages + (new ? new->npages : 0) -
				  (old ? old->npages : 0));
	slots_limit_tables(mmu);
	slots_publish(mmu, old, new);
	if (!old)
		return;
	synchronize_srcu_expedited(&mmu->srcu);
	if (new && new->log == old->log)
		old->log = NULL;
	memslot_free(old);
}

static int slots_delete(struct mmu *mmu, u32 id)
{
	struct memslot *old = xa_erase(&mmu->slots_by_id, id);

	if (!old)
		return -EINVAL;
	slots_commit(mmu, old, NULL);
	return 0;
}

/**
 * memslot_attach_gmem() - bind a complete slot to its gmem, and count it in
 * @slot: not published yet
 *
 * May sleep.
 *
 * Return: 0; -ENOMEM; -EINVAL for a range beyond the gmem's end.
 */
int memslot_attach_gmem(struct memslot *slot)
{
	int err;

	slot->user = gmems_get(slot->mmu, slot->gmem);
	if (!slot->user)
		return -ENOMEM;
	err = binding_attach(slot);
	if (err)
		gmems_put(slot->mmu, slot->user);
	return err;
}

/* The step that can fail and needs more than kfree() to be undone; it comes last. */
static int memslot_attach(struct memslot *slot)
{
	int err;

	if (slot->gmem)
		return memslot_attach_gmem(slot);
	slot->hva_node.last = slot->hva_node.start + (slot->npages << PAGE_SHIFT) - 1;
	err = notifier_attach(slot->mmu);
	return err || !slot->private ? err : memslot_attach_gmem(slot->private);
}

/* A slot that moves takes its dirty log along, as in KVM. */
static int memslot_alloc_log(struct memslot *slot, const struct memslot *old)
{
	if (!(slot->flags & KVM_MEM_LOG_DIRTY_PAGES))
		return 0;
	slot->log = old && old->log ? old->log : dirty_log_alloc(slot);
	return slot->log ? 0 : -ENOMEM;
}

/* What it has of its own, and what it would share with @old. */
static int memslot_alloc_parts(struct memslot *slot, const struct memslot *old)
{
	int err = memslot_alloc_log(slot, old);

	if (!err && slot->private)
		err = memslot_alloc_written(slot->private);
	return err ?: memslot_alloc_written(slot);
}

static void memslot_free_parts(struct memslot *slot, const struct memslot *old)
{
	if (slot->private) {
		kvfree(slot->private->written);
		slot->private->written = NULL;
	}
	if (!old || slot->log != old->log)
		kvfree(slot->log);
	kvfree(slot->written);
	kfree(slot);
}

/* Create @tmpl, or move @old to it. Takes over its gmem, or private slot, on success. */
static int slots_create(struct mmu *mmu, const struct memslot *tmpl, struct memslot *old)
{
	struct memslot *new;
	int err;

	new = kmemdup(tmpl, sizeof(*tmpl), GFP_KERNEL_ACCOUNT);
	if (!new)
		return -ENOMEM;
	err = memslot_alloc_parts(new, old);
	if (err)
		goto free_new;
	new->flags &= ~KVM_MEM_LOG_DIRTY_PAGES;
	/* So that the store below needs no memory. */
	err = xa_reserve(&mmu->slots_by_id, new->id, GFP_KERNEL);
	if (err)
		goto free_new;
	err = memslot_attach(new);
	if (err)
		goto release;
	xa_store(&mmu->slots_by_id, new->id, new, GFP_NOWAIT);
	slots_commit(mmu, old, new);
	if (!new->gmem)
		mmu_adopt_soon(mmu);
	return 0;

release:
	xa_release(&mmu->slots_by_id, new->id);
free_new:
	memslot_free_parts(new, old);
	return err;
}

/**
 * slots_add() - a memslot for an address space that nobody uses yet
 * @mmu: takes its slots_lock; may sleep
 * @tmpl: checked; of an unused number, and overlapping none. Its gmem is taken over on success
 *
 * Return: 0 or -ENOMEM.
 */
int slots_add(struct mmu *mmu, const struct memslot *tmpl)
{
	int err;

	/* Inside the lock of the machine that it is a copy of. */
	mutex_lock_nested(&mmu->slots_lock, SINGLE_DEPTH_NESTING);
	err = slots_create(mmu, tmpl, NULL);
	mutex_unlock(&mmu->slots_lock);
	return err;
}

static bool memslot_same_backing(const struct memslot *a, const struct memslot *b)
{
	return a->npages == b->npages && memslot_readonly(a) == memslot_readonly(b) &&
	       a->gmem == b->gmem && a->hva_node.start == b->hva_node.start && a->pos == b->pos;
}

static int slots_set_logging(struct memslot *slot, bool want)
{
	if (want && !slot->log)
		return dirty_log_start(slot);
	if (!want && slot->log)
		dirty_log_stop(slot);
	return 0;
}

/*
 * As KVM: a slot that exists may move, begin or end to log, and change in no other way; with
 * private memory, in none.
 */
static int slots_set(struct mmu *mmu, const struct memslot *tmpl)
{
	struct memslot *old = xa_load(&mmu->slots_by_id, tmpl->id);
	int err;

	if (old && (old->private || tmpl->private || !memslot_same_backing(old, tmpl)))
		return -EINVAL;
	if (slots_overlap(mmu, tmpl, old))
		return -EEXIST;
	if (old && old->base == tmpl->base) {
		err = slots_set_logging(old, tmpl->flags & KVM_MEM_LOG_DIRTY_PAGES);
		if (!err && old->gmem)
			gmem_put(old->gmem);	/* the caller's; the slot has its own */
		return err;
	}
	return slots_create(mmu, tmpl, old);
}

/* Of a region without private memory. */
#define REGION_FLAGS	(KVM_MEM_READONLY | KVM_MEM_LOG_DIRTY_PAGES)

static int region_check(struct mmu *mmu, u32 slot, u32 flags, u64 gpa, u64 size)
{
	if (slot >= MMU_NR_SLOTS || (flags & ~REGION_FLAGS))
		return -EINVAL;
	if (!PAGE_ALIGNED(gpa) || !PAGE_ALIGNED(size) || gpa + size < gpa)
		return -EINVAL;
	if (size >> PAGE_SHIFT > SLOT_MAX_PAGES)
		return -EINVAL;
	if (size && (gpa + size) >> PAGE_SHIFT > mmu_max_gfn(mmu))
		return -EINVAL;
	return 0;
}

static void memslot_fill(struct memslot *tmpl, struct mmu *mmu, u32 id, u32 flags, u64 gpa,
			 u64 size)
{
	memset(tmpl, 0, sizeof(*tmpl));
	tmpl->mmu = mmu;
	tmpl->id = id;
	tmpl->flags = flags;
	tmpl->base = gpa >> PAGE_SHIFT;
	tmpl->npages = size >> PAGE_SHIFT;
}

/* With a guest_memfd there are no other flags, as under KVM. */
static int region_check_guest(const struct kvm_userspace_memory_region2 *r)
{
	u64 offset = r->guest_memfd_offset;

	if (r->flags != KVM_MEM_GUEST_MEMFD)
		return -EINVAL;
	return PAGE_ALIGNED(offset) && offset + r->memory_size >= offset ? 0 : -EINVAL;
}

static bool gmem_has(struct gmem *gmem, u64 offset, u64 size)
{
	return size <= gmem_size(gmem) && offset <= gmem_size(gmem) - size;
}

/* Behind user memory, for the gfns that are private. Takes over @gmem on success. */
static int slots_set_private(struct mmu *mmu, struct memslot *tmpl, struct gmem *gmem, u64 offset)
{
	int err;

	if (!notifier_may_attach(mmu))
		return -EIO;
	err = private_slot_new(tmpl, gmem, offset);
	if (err)
		return err;
	err = slots_set(mmu, tmpl);
	if (err)
		private_slot_free(tmpl);
	return err;
}

/*
 * A guest_memfd that can be mapped is all of its region's memory, and what the VMM has at
 * userspace_addr is for itself. A region with a guest_memfd can only be deleted.
 */
static int slots_set_guest(struct mmu *mmu, struct memslot *tmpl,
			   const struct kvm_userspace_memory_region2 *r)
{
	struct gmem *gmem = gmem_get_guest_fd(r->guest_memfd, mmu->owner);
	int err = -EINVAL;

	if (IS_ERR(gmem))
		return PTR_ERR(gmem);
	if (xa_load(&mmu->slots_by_id, tmpl->id) ||
	    !gmem_has(gmem, r->guest_memfd_offset, r->memory_size))
		goto out;
	if (gmem_guest_is_mappable(gmem)) {
		tmpl->flags = 0;
		tmpl->gmem = gmem;
		tmpl->hva_node.start = 0;
		tmpl->pos = r->guest_memfd_offset;
		err = slots_set(mmu, tmpl);
	} else {
		err = slots_set_private(mmu, tmpl, gmem, r->guest_memfd_offset);
	}
out:
	if (err)
		gmem_put(gmem);
	return err;
}

/* @slots_lock held. */
static int slots_set_user(struct mmu *mmu, struct memslot *tmpl,
			  const struct kvm_userspace_memory_region2 *guest)
{
	if (!tmpl->npages)
		return slots_delete(mmu, tmpl->id);
	if (guest)
		return slots_set_guest(mmu, tmpl, guest);
	return notifier_may_attach(mmu) ? slots_set(mmu, tmpl) : -EIO;
}

/* @guest: what the newer structure says of the same region, if it has a guest_memfd; or NULL. */
static int slots_set_region(struct mmu *mmu, const struct kvm_userspace_memory_region *r,
			    const struct kvm_userspace_memory_region2 *guest)
{
	struct memslot tmpl;
	int err;

	err = region_check(mmu, r->slot, r->flags, r->guest_phys_addr, r->memory_size);
	if (!err && guest)
		err = region_check_guest(guest);
	if (err)
		return err;
	if (!PAGE_ALIGNED(r->userspace_addr) ||
	    !access_ok((void __user *)(unsigned long)r->userspace_addr, r->memory_size))
		return -EINVAL;
	memslot_fill(&tmpl, mmu, r->slot, guest ? guest->flags : r->flags, r->guest_phys_addr,
		     r->memory_size);
	tmpl.hva_node.start = r->userspace_addr;

	/* Its holder may be waiting for user space. */
	if (mutex_lock_killable(&mmu->slots_lock))
		return -EINTR;
	err = slots_set_user(mmu, &tmpl, guest);
	mutex_unlock(&mmu->slots_lock);
	return err;
}

/**
 * mmu_set_user_region2() - KVM_SET_USER_MEMORY_REGION2
 * @mmu: takes its slots_lock; may sleep
 * @r: a private copy of the caller's; without KVM_MEM_GUEST_MEMFD only the members that the
 *	older structure has are looked at
 *
 * memory_size 0 deletes the slot, whatever backs it. The first user-backed slot ties
 * @mmu to current->mm.
 *
 * Deleting or moving a slot waits for the readers of mmu->srcu. So the caller is in no
 * read section, and a vCPU thread must not be in one while it is in the guest, sleeps in
 * HLT or is in user space.
 *
 * Return: 0; -EINVAL for bad arguments, a slot to delete that is not there, a change
 * other than a move, or what is no guest_memfd of this machine's, or is bound there already;
 * -EEXIST for an overlap; -EBADF; -EIO when @mmu is tied to another process; -ENOMEM; -EINTR.
 */
int mmu_set_user_region2(struct mmu *mmu, const struct kvm_userspace_memory_region2 *r)
{
	struct kvm_userspace_memory_region region = {
		.slot = r->slot, .flags = r->flags & ~KVM_MEM_GUEST_MEMFD,
		.guest_phys_addr = r->guest_phys_addr, .memory_size = r->memory_size,
		.userspace_addr = r->userspace_addr,
	};

	return slots_set_region(mmu, &region, r->flags & KVM_MEM_GUEST_MEMFD ? r : NULL);
}

/**
 * mmu_set_user_region() - KVM_SET_USER_MEMORY_REGION
 * @mmu: takes its slots_lock; may sleep
 * @r: a private copy of the caller's
 *
 * Return: as mmu_set_user_region2() without KVM_MEM_GUEST_MEMFD, which is -EINVAL.
 */
int mmu_set_user_region(struct mmu *mmu, const struct kvm_userspace_memory_region *r)
{
	return slots_set_region(mmu, r, NULL);
}

static int slots_set_gmem(struct mmu *mmu, struct memslot *tmpl, const struct ditto_gmem_region *r)
{
	struct gmem *gmem = gmem_get_fd(r->gmem_fd);
	int err = -EINVAL;

	if (IS_ERR(gmem))
		return PTR_ERR(gmem);
	tmpl->gmem = gmem;
	tmpl->pos = r->gmem_offset;
	if (gmem_has(gmem, r->gmem_offset, r->memory_size))
		err = slots_set(mmu, tmpl);
	if (err)
		gmem_put(gmem);
	return err;
}

/**
 * mmu_set_gmem_region() - DITTO_SET_GMEM_REGION
 * @mmu: takes its slots_lock; may sleep
 * @r: a private copy of the caller's
 *
 * memory_size 0 deletes the slot, whatever backs it; the gmem's members are not looked
 * at then. Waits as mmu_set_user_region() does.
 *
 * Return: as mmu_set_user_region(), and -EBADF for an fd that is no gmem.
 */
int mmu_set_gmem_region(struct mmu *mmu, const struct ditto_gmem_region *r)
{
	struct memslot tmpl;
	int err;

	err = region_check(mmu, r->slot, r->flags, r->guest_phys_addr, r->memory_size);
	if (err)
		return err;
	if (r->reserved || !PAGE_ALIGNED(r->gmem_offset))
		return -EINVAL;
	memslot_fill(&tmpl, mmu, r->slot, r->flags, r->guest_phys_addr, r->memory_size);

	/* Its holder may be waiting for user space. */
	if (mutex_lock_killable(&mmu->slots_lock))
		return -EINTR;
	if (tmpl.npages)
		err = slots_set_gmem(mmu, &tmpl, r);
	else
		err = slots_delete(mmu, tmpl.id);
	mutex_unlock(&mmu->slots_lock);
	return err;
}

/**
 * mmu_slot_gmem() - what backs a memslot
 * @mmu: takes its slots_lock; may sleep
 * @id: the VMM's number; any value
 * @readonly: set on success: by way of this memslot nobody writes there
 *
 * Not what is behind a window: the VMM may have that by an fd that only reads.
 *
 * Return: the gmem, with a reference for the caller, or ERR_PTR: -ENOENT, -EINTR; -EINVAL: none
 * does.
 */
struct gmem *mmu_slot_gmem(struct mmu *mmu, unsigned long id, bool *readonly)
{
	struct gmem *gmem = ERR_PTR(-ENOENT);
	struct memslot *slot;

	if (mutex_lock_killable(&mmu->slots_lock))
		return ERR_PTR(-EINTR);
	slot = xa_load(&mmu->slots_by_id, id);
	if (slot) {
		gmem = slot->gmem ? gmem_get(slot->gmem) : ERR_PTR(-EINVAL);
		*readonly = memslot_readonly(slot);
	}
	mutex_unlock(&mmu->slots_lock);
	return gmem;
}

/**
 * mmu_set_max_tables() - KVM_SET_NR_MMU_PAGES
 * @mmu: takes its slots_lock; may sleep
 * @nr: pages that page tables may take, from now on
 *
 * A number above what tdp_max_tables() allows changes nothing. Where there are more tables,
 * they all go, as they do whenever the limit is reached; the guest faults in again what it
 * uses.
 *
 * Return: 0; -EINVAL for fewer than KVM allows; -EINTR.
 */
int mmu_set_max_tables(struct mmu *mmu, unsigned long nr)
{
	if (nr < MMU_LEAST_TABLES)
		return -EINVAL;
	if (mutex_lock_killable(&mmu->slots_lock))
		return -EINTR;
	mmu->asked_tables = min_t(unsigned long, nr, LONG_MAX);
	slots_limit_tables(mmu);
	if (atomic_long_read(&mmu->nr_tables) > mmu->max_tables)
		tdp_zap_all(mmu, true);
	if (mmu->shadow && READ_ONCE(mmu->shadow->nr) > mmu->max_tables)
		mmu_shadow_forget(mmu);
	mutex_unlock(&mmu->slots_lock);
	return 0;
}

/**
 * mmu_init() - make an empty guest-physical address space
 * @mmu: zeroed
 * @host: kept by the caller for the life of @mmu
 *
 * Process context. Takes no global lock.
 *
 * Return: 0 or -ENOMEM.
 */
int mmu_init(struct mmu *mmu, const struct mmu_host *host)
{
	int err;

	mmu->host = host;
	mutex_init(&mmu->slots_lock);
	rwlock_init(&mmu->lock);
	seqcount_latch_init(&mmu->slots_seq);
	xa_init_flags(&mmu->slots_by_id, XA_FLAGS_ACCOUNT);
	mutex_init(&mmu->gmems_lock);
	INIT_LIST_HEAD(&mmu->gmems);
	windows_init(mmu);
	mmu_adopt_init(mmu);
	INIT_LIST_HEAD(&mmu->hva_walks);
	private_init(mmu);
	mmu->max_tables = tdp_max_tables(0, totalram_pages());
	err = tdp_init(mmu);
	if (err)
		return err;
	err = host->shadow ? shadow_init(mmu) : 0;
	if (err)
		goto free_tables;
	err = init_srcu_struct(&mmu->srcu);
	if (err)
		goto free_shadow;
	return 0;

free_shadow:
	shadow_destroy(mmu);
free_tables:
	tdp_destroy(mmu);
	return err;
}

/**
 * mmu_destroy() - free everything
 * @mmu: initialized, and used by nobody but callbacks any more
 *
 * Process context; may sleep.
 */
void mmu_destroy(struct mmu *mmu)
{
	struct memslot *slot;
	unsigned long id;

	notifier_detach(mmu);
	tdp_zap_all(mmu, true);
	xa_for_each(&mmu->slots_by_id, id, slot)
		memslot_free(slot);
	xa_destroy(&mmu->slots_by_id);
	private_destroy(mmu);
	shadow_destroy(mmu);
	tdp_destroy(mmu);
	cleanup_srcu_struct(&mmu->srcu);
}
