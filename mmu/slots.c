// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memslots: creating, moving and deleting them, and finding one.  Owns the set of
 * slots, which is immutable and replaced as a whole, and the life of struct mmu.
 * What is behind a slot belongs to others.
 *
 * The hard part is taking a slot away while vCPUs fault in it, the kernel accesses
 * it, and its pages go away underneath:
 *
 * 1. Under mmu->lock for write: publish the set without it, bump the invalidation
 *    sequence, zap its range, flush.  A fault that saw the old set fails its check of
 *    the sequence.  The mmu notifier, which walks the set under that lock, sees either
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
#include "mmu/notifier.h"
#include "mmu/slots.h"
#include "mmu/tdp.h"

/* KVM's limit for one slot, which leaves room for signed page counts. */
#define SLOT_MAX_PAGES	INT_MAX

/**
 * slots_search - find the memslot that has a gfn by binary search
 * @slots: kept by the caller
 * @gfn: any
 *
 * Returns it and remembers it, or NULL.
 */
struct memslot *slots_search(struct mmu_slots *slots, gfn_t gfn)
{
	unsigned int lo = 0, hi = slots->nr;

	while (lo < hi) {
		unsigned int mid = (lo + hi) / 2;
		struct memslot *slot = slots->slot[mid];

		if (gfn < slot->base) {
			hi = mid;
		} else if (!memslot_has(slot, gfn)) {
			lo = mid + 1;
		} else {
			WRITE_ONCE(slots->last, mid);
			return slot;
		}
	}
	return NULL;
}

static struct memslot *slots_by_id(const struct mmu_slots *slots, u32 id)
{
	unsigned int i;

	for (i = 0; i < slots->nr; i++)
		if (slots->slot[i]->id == id)
			return slots->slot[i];
	return NULL;
}

static bool slots_overlap(const struct mmu_slots *slots, const struct memslot *new,
			  const struct memslot *except)
{
	unsigned int i;

	for (i = 0; i < slots->nr; i++) {
		const struct memslot *s = slots->slot[i];

		if (s != except && s->base < new->base + new->npages &&
		    new->base < s->base + s->npages)
			return true;
	}
	return false;
}

static void slots_add(struct mmu_slots *slots, struct memslot *slot)
{
	slots->slot[slots->nr++] = slot;
	if (slot->gmem)
		return;
	slots->hva_start = min_t(unsigned long, slots->hva_start, slot->addr);
	slots->hva_end = max_t(unsigned long, slots->hva_end,
			       slot->addr + (slot->npages << PAGE_SHIFT));
}

/* The set @from without @old and with @new; either may be NULL. */
static struct mmu_slots *slots_copy(const struct mmu_slots *from, const struct memslot *old,
				    struct memslot *new)
{
	struct mmu_slots *to;
	unsigned int i;

	to = kvzalloc(struct_size(to, slot, from->nr + 1), GFP_KERNEL_ACCOUNT);
	if (!to)
		return NULL;
	to->hva_start = ULONG_MAX;
	for (i = 0; i < from->nr; i++) {
		if (new && new->base < from->slot[i]->base) {
			slots_add(to, new);
			new = NULL;
		}
		if (from->slot[i] != old)
			slots_add(to, from->slot[i]);
	}
	if (new)
		slots_add(to, new);
	return to;
}

static void slots_free_rcu(struct rcu_head *rcu)
{
	kvfree(container_of(rcu, struct mmu_slots, rcu));
}

static void memslot_free(struct memslot *slot)
{
	if (slot->gmem) {
		gmem_unbind(slot->gmem, &slot->binding);
		gmem_put(slot->gmem);
	}
	kvfree(slot->written);
	kfree(slot);
}

/* Where writes are logged: all may be dirty until the first harvest has looked. */
static int memslot_alloc_written(struct memslot *slot)
{
	unsigned long nr;

	if (!slot->gmem || !slot->mmu->host->format->logged)
		return 0;
	nr = memslot_region(slot, memslot_offset(slot, slot->base + slot->npages - 1)) + 1;
	slot->written = kvcalloc(BITS_TO_LONGS(nr), sizeof(long), GFP_KERNEL_ACCOUNT);
	if (!slot->written)
		return -ENOMEM;
	bitmap_fill(slot->written, nr);
	return 0;
}

/* Exactly one slot of each gmem is counted by mmu_stats(). */
static void slots_elect(struct mmu_slots *slots, struct gmem *gmem)
{
	struct memslot *first = NULL;
	unsigned int i;

	for (i = 0; gmem && i < slots->nr; i++) {
		if (slots->slot[i]->gmem != gmem)
			continue;
		slots->slot[i]->counts_gmem = !first;
		first = slots->slot[i];
	}
}

/* More than the tables of all slots need, but bounded: a sparse gmem may be huge. */
static long slots_max_tables(u64 nr_pages)
{
	return min_t(u64, TDP_MIN_TABLES + nr_pages / 128, TDP_MAX_TABLES);
}

/* Step 1 of the plan at the top. Takes mmu->lock; nothing can fail from here on. */
static void slots_publish(struct mmu *mmu, struct mmu_slots *slots, struct memslot *old)
{
	struct tdp_zap zap;

	tdp_zap_init(&zap, old);
	write_lock(&mmu->lock);
	rcu_assign_pointer(mmu->slots, slots);
	smp_store_release(&mmu->generation, mmu->generation + 1);
	mmu_invalidated(mmu);
	if (old)
		tdp_zap_range(mmu, &zap, old->base, old->base + old->npages);
	tdp_zap_flush(mmu, &zap);
	write_unlock(&mmu->lock);
	tdp_zap_finish(mmu, &zap, true);
}

/* Replace @old by @new; either may be NULL. @new is bound already. */
static void slots_commit(struct mmu *mmu, struct mmu_slots *slots, struct memslot *old,
			 struct memslot *new)
{
	struct mmu_slots *prev = mmu_slots_locked(mmu);

	mmu->nr_pages += (new ? new->npages : 0) - (old ? old->npages : 0);
	WRITE_ONCE(mmu->max_tables, slots_max_tables(mmu->nr_pages));
	slots_publish(mmu, slots, old);
	slots_elect(slots, old ? old->gmem : new->gmem);
	if (!old) {
		call_srcu(&mmu->srcu, &prev->rcu, slots_free_rcu);
		return;
	}
	synchronize_srcu_expedited(&mmu->srcu);
	kvfree(prev);
	memslot_free(old);
}

static int slots_delete(struct mmu *mmu, struct memslot *old)
{
	struct mmu_slots *slots;

	if (!old)
		return -EINVAL;
	slots = slots_copy(mmu_slots_locked(mmu), old, NULL);
	if (!slots)
		return -ENOMEM;
	slots_commit(mmu, slots, old, NULL);
	return 0;
}

/* Everything that can fail once memory is there; undone by nobody, so it comes last. */
static int memslot_attach(struct memslot *slot)
{
	if (!slot->gmem)
		return notifier_attach(slot->mmu);
	return binding_attach(slot);
}

/* Create @tmpl, or move @old to it. Takes over the reference to its gmem on success. */
static int slots_create(struct mmu *mmu, const struct memslot *tmpl, struct memslot *old)
{
	struct mmu_slots *slots;
	struct memslot *new;
	int err = -ENOMEM;

	new = kmemdup(tmpl, sizeof(*tmpl), GFP_KERNEL_ACCOUNT);
	if (!new)
		return -ENOMEM;
	if (memslot_alloc_written(new))
		goto free_new;
	slots = slots_copy(mmu_slots_locked(mmu), old, new);
	if (!slots)
		goto free_new;
	err = memslot_attach(new);
	if (err)
		goto free_slots;
	slots_commit(mmu, slots, old, new);
	return 0;

free_slots:
	kvfree(slots);
free_new:
	kvfree(new->written);
	kfree(new);
	return err;
}

static bool memslot_same_backing(const struct memslot *a, const struct memslot *b)
{
	return a->npages == b->npages && a->flags == b->flags && a->gmem == b->gmem &&
	       a->addr == b->addr;
}

/* As KVM: a slot that exists may move, and change in no other way. */
static int slots_set(struct mmu *mmu, const struct memslot *tmpl)
{
	struct mmu_slots *slots = mmu_slots_locked(mmu);
	struct memslot *old = slots_by_id(slots, tmpl->id);

	if (old && !memslot_same_backing(old, tmpl))
		return -EINVAL;
	if (slots_overlap(slots, tmpl, old))
		return -EEXIST;
	if (old && old->base == tmpl->base) {
		if (old->gmem)
			gmem_put(old->gmem);	/* the caller's; the slot has its own */
		return 0;
	}
	return slots_create(mmu, tmpl, old);
}

static int region_check(struct mmu *mmu, u32 slot, u32 flags, u64 gpa, u64 size)
{
	if (slot >= MMU_NR_SLOTS || (flags & ~KVM_MEM_READONLY))
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

/**
 * mmu_set_user_region - KVM_SET_USER_MEMORY_REGION
 * @mmu: takes its slots_lock; may sleep
 * @r: a private copy of the caller's
 *
 * memory_size 0 deletes the slot, whatever backs it.  The first user-backed slot ties
 * @mmu to current->mm.
 *
 * Returns 0; -EINVAL for bad arguments, a slot to delete that is not there or a change
 * other than a move; -EEXIST for an overlap; -EIO when @mmu is tied to another process;
 * -ENOMEM; -EINTR.
 */
int mmu_set_user_region(struct mmu *mmu, const struct kvm_userspace_memory_region *r)
{
	struct memslot tmpl;
	int err;

	err = region_check(mmu, r->slot, r->flags, r->guest_phys_addr, r->memory_size);
	if (err)
		return err;
	if (!PAGE_ALIGNED(r->userspace_addr) ||
	    !access_ok((void __user *)(unsigned long)r->userspace_addr, r->memory_size))
		return -EINVAL;
	memslot_fill(&tmpl, mmu, r->slot, r->flags, r->guest_phys_addr, r->memory_size);
	tmpl.addr = r->userspace_addr;

	mutex_lock(&mmu->slots_lock);
	if (!tmpl.npages)
		err = slots_delete(mmu, slots_by_id(mmu_slots_locked(mmu), tmpl.id));
	else if (!notifier_may_attach(mmu))
		err = -EIO;
	else
		err = slots_set(mmu, &tmpl);
	mutex_unlock(&mmu->slots_lock);
	return err;
}

static int slots_set_gmem(struct mmu *mmu, struct memslot *tmpl, const struct ditto_gmem_region *r)
{
	struct gmem *gmem = gmem_get_fd(r->gmem_fd);
	int err = -EINVAL;

	if (IS_ERR(gmem))
		return PTR_ERR(gmem);
	tmpl->gmem = gmem;
	tmpl->addr = r->gmem_offset;
	if (r->memory_size <= gmem_size(gmem) &&
	    r->gmem_offset <= gmem_size(gmem) - r->memory_size)
		err = slots_set(mmu, tmpl);
	if (err)
		gmem_put(gmem);
	return err;
}

/**
 * mmu_set_gmem_region - DITTO_SET_GMEM_REGION
 * @mmu: takes its slots_lock; may sleep
 * @r: a private copy of the caller's
 *
 * memory_size 0 deletes the slot, whatever backs it; the gmem's members are not looked
 * at then.
 *
 * Returns as mmu_set_user_region(), and -EBADF for an fd that is no gmem.
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

	mutex_lock(&mmu->slots_lock);
	if (tmpl.npages)
		err = slots_set_gmem(mmu, &tmpl, r);
	else
		err = slots_delete(mmu, slots_by_id(mmu_slots_locked(mmu), tmpl.id));
	mutex_unlock(&mmu->slots_lock);
	return err;
}

/**
 * mmu_init - make an empty guest-physical address space
 * @mmu: zeroed
 * @host: kept by the caller for the life of @mmu
 *
 * Process context.  Takes no global lock.  Returns 0 or -ENOMEM.
 */
int mmu_init(struct mmu *mmu, const struct mmu_host *host)
{
	struct mmu_slots *slots;
	int err;

	mmu->host = host;
	mutex_init(&mmu->slots_lock);
	rwlock_init(&mmu->lock);
	mmu->max_tables = slots_max_tables(0);
	slots = kvzalloc(struct_size(slots, slot, 0), GFP_KERNEL_ACCOUNT);
	if (!slots)
		return -ENOMEM;
	slots->hva_start = ULONG_MAX;
	RCU_INIT_POINTER(mmu->slots, slots);
	err = tdp_init(mmu);
	if (err)
		goto free_slots;
	err = init_srcu_struct(&mmu->srcu);
	if (err)
		goto free_tdp;
	return 0;

free_tdp:
	tdp_destroy(mmu);
free_slots:
	kvfree(slots);
	return err;
}

/**
 * mmu_destroy - free everything
 * @mmu: initialized, and used by nobody but callbacks any more
 *
 * Process context; may sleep.
 */
void mmu_destroy(struct mmu *mmu)
{
	struct mmu_slots *slots = rcu_dereference_protected(mmu->slots, true);
	unsigned int i;

	notifier_detach(mmu);
	tdp_zap_all(mmu, true);
	for (i = 0; i < slots->nr; i++)
		memslot_free(slots->slot[i]);
	tdp_destroy(mmu);
	srcu_barrier(&mmu->srcu);
	cleanup_srcu_struct(&mmu->srcu);
	kvfree(slots);
}
