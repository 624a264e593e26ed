// SPDX-License-Identifier: GPL-2.0-only
/*
 * The dirty log: which pages of a memslot were written since the VMM last asked.  Owns the
 * bitmaps, and takes write permissions out of the TDP tables for them.  That the guest's
 * writes set bits is fault.c's matter, and access.c's for those of the kernel; what the VMM
 * writes through its own mappings is not logged.
 *
 * A page of a logging slot whose bit is clear is mapped writable nowhere (but see below).  Bit
 * and mapping change together under mmu->lock: a write fault sets the bit, then makes the leaf
 * writable, with the lock held for read; a harvest takes the bit, and then the permission, with
 * the lock held for write, and flushes before it lets go.  A write that comes meanwhile through
 * a TLB is of a page that this harvest reports, and the VMM reads pages after that.
 *
 * Where the CPU logs what it sets dirty bits for (format->logged), it does the first half: a
 * page whose bit is clear may be mapped writable, with a clear dirty bit. The CPU's log is read
 * when a vCPU leaves the guest; so a harvest first makes all of them leave it, and then clears
 * dirty bits where it would take permissions.
 *
 * Leaves that only the log keeps from being writable are marked TDP_LOG_GUARD, so that
 * the first write to them costs a look at the tables and no more.
 *
 * A VMM may want to clear the log itself, part by part (KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2):
 * then a harvest takes nothing, and KVM_CLEAR_DIRTY_LOG does. It may also want all pages to
 * be dirty in the beginning, which spares the search for writable leaves at that moment.
 *
 * Where vCPUs have dirty rings (ring.c), the bits say which pages wait in one to be reset:
 * then a harvest is what ends that.
 *
 * The hard part is to hold mmu->lock for a short time: slots are gone through in parts.
 */
#include <linux/bitmap.h>
#include <linux/compat.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include "mmu/dirty.h"
#include "mmu/shadow.h"
#include "mmu/slots.h"
#include "mmu/tdp.h"

/* Pages that are looked at with mmu->lock held for write at one go. */
#define DIRTY_PART	32768ul

#define DIRTY_MANUAL	(KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | KVM_DIRTY_LOG_INITIALLY_SET)

/* As many bits as pages, and up to the end of a word, as the VMM's bitmaps. */
static unsigned long dirty_words(const struct memslot *slot)
{
	return BITS_TO_LONGS(slot->npages);
}

/* In a ring they would have no room. */
static bool dirty_all_at_first(const struct mmu *mmu)
{
	return (mmu->log_manual & KVM_DIRTY_LOG_INITIALLY_SET) && !mmu->ring_bytes;
}

/**
 * dirty_log_alloc() - a log for a slot that has none
 * @slot: its size is set; mmu->slots_lock held
 *
 * May sleep; charged to the caller's memory cgroup.
 *
 * Return: the log, in which no page is dirty, or, if the VMM wants that, every one; NULL
 * without memory.
 */
struct dirty_log *dirty_log_alloc(const struct memslot *slot)
{
	struct dirty_log *log;

	/* The VMM chooses the size: that there is not so much is no alarm, and nobody's end. */
	log = __vmalloc(struct_size(log, bits, 2 * dirty_words(slot)),
			GFP_KERNEL_ACCOUNT | __GFP_ZERO | __GFP_RETRY_MAYFAIL | __GFP_NOWARN);
	if (!log)
		return NULL;
	log->taken = log->bits + dirty_words(slot);
	if (dirty_all_at_first(slot->mmu)) {
		bitmap_set(log->bits, 0, slot->npages);
		log->any = true;
	}
	WRITE_ONCE(slot->mmu->ever_logged, true);
	return log;
}

/**
 * struct dirty_guard - leaves on their way to be guarded
 * @first: gfn of the first bit
 * @bits: of pages that were dirty; NULL: all of them
 * @zap: for what goes, of the slot
 * @changed: a permission was taken away
 */
struct dirty_guard {
	gfn_t first;
	const unsigned long *bits;
	struct tdp_zap zap;
	bool changed;
};

/*
 * What a leaf becomes that the log wants to hear of; the same if it need not change. Large
 * leaves go away as a whole, as the log is of small pages.
 */
static u64 dirty_guarded(const struct mmu *mmu, u64 spte, int level)
{
	const struct tdp_format *f = mmu->host->format;

	if (level == 1 && mmu_cpu_logs(mmu))
		return spte & f->dirty ? (spte & ~f->dirty) | TDP_WAS_WRITTEN : spte;
	/* A fork's, which is read-only, may be dirty still, which the log would not know. */
	if (level > 1 && mmu_cpu_logs(mmu) && (spte & f->dirty))
		return 0;
	if (!(spte & f->writable))
		return spte;
	if (level > 1)
		return 0;
	return (spte & ~f->writable) | TDP_LOG_GUARD | (f->dirty ? 0 : TDP_WAS_WRITTEN);
}

static bool dirty_guard_leaf(struct mmu *mmu, u64 *sptep, gfn_t gfn, int level, void *arg)
{
	u64 old = READ_ONCE(*sptep), new;
	struct dirty_guard *guard = arg;

	if (level == 1 && guard->bits && !test_bit(gfn - guard->first, guard->bits))
		return true;
	do {
		new = dirty_guarded(mmu, old, level);
		if (new == old)
			return true;
	} while (!try_cmpxchg64(sptep, &old, new));
	mmu_epoch_open(mmu);
	if (unlikely(mmu->shadow) && level == 1)
		shadow_protect_leaf(mmu, sptep);
	else if (unlikely(mmu->shadow))
		shadow_drop_leaf(mmu, sptep, gfn, level);
	if (level > 1)
		tdp_zap_note_dirty(mmu, &guard->zap, old, gfn, level);
	guard->changed = true;
	return true;
}

/* Guard all that is mapped of a slot; its log is in place. -EINTR: only a part. */
static int dirty_guard_all(struct mmu *mmu, struct memslot *slot)
{
	gfn_t gfn = slot->base, end = slot->base + slot->npages, next;
	struct dirty_guard guard = { };
	u64 epoch;

	tdp_zap_init(&guard.zap, slot);
	for (; gfn < end; gfn = next) {
		next = min_t(gfn_t, gfn + DIRTY_PART, end);
		guard.changed = false;
		write_lock(&mmu->lock);
		tdp_for_each_leaf(mmu, gfn, next, dirty_guard_leaf, &guard);
		if (guard.changed)
			mmu_flush(mmu);
		epoch = mmu_epoch_current(mmu);
		write_unlock(&mmu->lock);
		mmu_epoch_assert(mmu, epoch);
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return 0;
}

/* So that faults map 2 MiB again where they can, what is mapped by pages goes away. */
static void dirty_forget_pages(struct mmu *mmu, struct memslot *slot)
{
	struct tdp_zap zap;

	tdp_zap_init(&zap, slot);
	write_lock(&mmu->lock);
	tdp_zap_range(mmu, &zap, slot->base, slot->base + slot->npages);
	tdp_zap_flush(mmu, &zap);
	write_unlock(&mmu->lock);
	tdp_zap_finish(mmu, &zap, true);
}

static void dirty_log_set(struct mmu *mmu, struct memslot *slot, struct dirty_log *log)
{
	write_lock(&mmu->lock);
	smp_store_release(&slot->log, log);
	write_unlock(&mmu->lock);
}

/**
 * dirty_log_start() - log a published slot's writes from now on
 * @slot: has no log; mmu->slots_lock held
 *
 * May sleep, and waits as the removal of a slot does: who writes for the kernel and has
 * not seen the log is done when this returns.
 *
 * Return: 0; -ENOMEM, or -EINTR when a fatal signal came: the slot has no log.
 */
int dirty_log_start(struct memslot *slot)
{
	struct dirty_log *log = dirty_log_alloc(slot);
	int err = 0;

	if (!log)
		return -ENOMEM;
	dirty_log_set(slot->mmu, slot, log);
	synchronize_srcu_expedited(&slot->mmu->srcu);
	if (!dirty_all_at_first(slot->mmu))
		err = dirty_guard_all(slot->mmu, slot);
	if (err)
		dirty_log_stop(slot);
	return err;
}

/**
 * dirty_log_stop() - log a published slot's writes no more
 * @slot: has a log; mmu->slots_lock held
 *
 * Waits as the removal of a slot does. Leaves stay guarded until they are written to.
 */
void dirty_log_stop(struct memslot *slot)
{
	struct dirty_log *log = slot->log;
	struct mmu *mmu = slot->mmu;

	dirty_log_set(mmu, slot, NULL);
	if ((!slot->gmem || gmem_has_whole(slot->gmem)) && mmu->host->format->max_level > 1)
		dirty_forget_pages(mmu, slot);
	synchronize_srcu_expedited(&mmu->srcu);
	kvfree(log);
}

/* Take the permission to write the pages of a word whose bits are in log->taken. */
static void dirty_guard_word(struct mmu *mmu, struct dirty_guard *guard, unsigned long word)
{
	unsigned long mask = guard->bits[word];
	gfn_t first = guard->first + word * BITS_PER_LONG;

	tdp_for_each_leaf(mmu, first + __ffs(mask), first + __fls(mask) + 1,
			  dirty_guard_leaf, guard);
}

/*
 * Take the bits of words [word, end) that are in @log->taken: what was not set is cleared
 * there.
 */
static void dirty_take_part(struct memslot *slot, unsigned long word, unsigned long end)
{
	struct dirty_log *log = slot->log;
	struct dirty_guard guard = { .first = slot->base, .bits = log->taken };
	struct mmu *mmu = slot->mmu;
	u64 epoch;

	tdp_zap_init(&guard.zap, slot);
	write_lock(&mmu->lock);
	for (; word < end; word++) {
		unsigned long mask = log->taken[word];

		if (!mask || !READ_ONCE(log->bits[word])) {
			log->taken[word] = 0;
			continue;
		}
		mask &= atomic_long_fetch_andnot(mask, (atomic_long_t *)&log->bits[word]);
		log->taken[word] = mask;
		if (mask)
			dirty_guard_word(mmu, &guard, word);
	}
	if (guard.changed)
		mmu_flush(mmu);
	epoch = mmu_epoch_current(mmu);
	write_unlock(&mmu->lock);
	mmu_epoch_assert(mmu, epoch);
}

/**
 * dirty_take_word() - pages of which a ring tells are to be logged again
 * @slot: has a log; mmu->slots_lock and mmu->lock for write held
 * @word: of its bitmap, within the slot's pages
 * @mask: pages of that word; bits beyond the slot's end do no harm
 *
 * Return: whether a permission was taken away, so that the caller has to flush.
 */
bool dirty_take_word(struct memslot *slot, unsigned long word, unsigned long mask)
{
	struct dirty_guard guard = {
		.first = slot->base + word * BITS_PER_LONG, .bits = &mask,
	};

	tdp_zap_init(&guard.zap, slot);
	mask &= atomic_long_fetch_andnot(mask, (atomic_long_t *)&slot->log->bits[word]);
	if (mask)
		dirty_guard_word(slot->mmu, &guard, 0);
	return guard.changed;
}

static bool dirty_part_clean(const struct dirty_log *log, unsigned long word, unsigned long end)
{
	for (; word < end; word++)
		if (log->taken[word] && READ_ONCE(log->bits[word]))
			return false;
	return true;
}

/*
 * Of the bits that @log->taken has in words [word, end), take those that are set. -EINTR: up to
 * where a fatal signal came; of the rest none is in @log->taken.
 */
static int dirty_take(struct memslot *slot, unsigned long word, unsigned long end)
{
	struct dirty_log *log = slot->log;
	unsigned long next;

	for (; word < end; word = next) {
		next = min(word + DIRTY_PART / BITS_PER_LONG, end);
		if (dirty_part_clean(log, word, next))
			memset(&log->taken[word], 0, (next - word) * sizeof(long));
		else
			dirty_take_part(slot, word, next);
		if (fatal_signal_pending(current)) {
			memset(&log->taken[next], 0, (end - next) * sizeof(long));
			return -EINTR;
		}
		cond_resched();
	}
	return 0;
}

/* The slot that has a log, by the VMM's number. */
static struct memslot *dirty_find(struct mmu *mmu, u32 id)
{
	struct memslot *slot;

	if (id >= MMU_NR_SLOTS)
		return ERR_PTR(-EINVAL);
	slot = xa_load(&mmu->slots_by_id, id);
	return slot && slot->log ? slot : ERR_PTR(-ENOENT);
}

/* The VMM did not get them. Their pages are guarded, and stay so until written to. */
static void dirty_put_back(struct memslot *slot)
{
	struct dirty_log *log = slot->log;
	unsigned long i;

	for (i = 0; i < dirty_words(slot); i++)
		if (log->taken[i])
			atomic_long_or(log->taken[i], (atomic_long_t *)&log->bits[i]);
	WRITE_ONCE(log->any, true);
}

/* Show the bits, and leave them. */
static int dirty_show(struct memslot *slot, void __user *to)
{
	struct dirty_log *log = slot->log;

	if (find_first_bit(log->bits, slot->npages) < slot->npages)
		WRITE_ONCE(log->any, true);
	return copy_to_user(to, log->bits, dirty_words(slot) * sizeof(long)) ? -EFAULT : 0;
}

/* What the CPUs have in their logs gets into ours. */
static void dirty_collect(struct mmu *mmu)
{
	if (mmu_cpu_logs(mmu) && mmu->host->collect_written)
		mmu->host->collect_written(mmu);
}

static int dirty_fetch(struct memslot *slot, void __user *to)
{
	unsigned long size = dirty_words(slot) * sizeof(long);
	struct dirty_log *log = slot->log;
	int err;

	dirty_collect(slot->mmu);
	/* Before the bits are looked at: code that sets one after that says so again. */
	if (!xchg(&log->any, false))
		return clear_user(to, size) ? -EFAULT : 0;
	if (slot->mmu->log_manual)
		return dirty_show(slot, to);
	memset(log->taken, 0xff, size);
	err = dirty_take(slot, 0, dirty_words(slot));
	if (!err && copy_to_user(to, log->taken, size))
		err = -EFAULT;
	if (err)
		dirty_put_back(slot);
	return err;
}

static void __user *dirty_bitmap_ptr(u64 bitmap)
{
	return in_compat_syscall() ? compat_ptr(bitmap) : u64_to_user_ptr(bitmap);
}

/**
 * mmu_get_dirty_log() - KVM_GET_DIRTY_LOG
 * @mmu: takes its slots_lock; may sleep
 * @args: a private copy of the caller's
 *
 * When this returns, no vCPU can write to the pages that it reported without their bits
 * being set again; unless mmu_set_log_manual() says that the VMM will clear them.
 *
 * Return: 0; -EINVAL for a slot's number that cannot be; -ENOENT for a slot that is not
 * there or not logged; -ENXIO when vCPUs have rings; -EFAULT or -EINTR, with nothing taken.
 */
int mmu_get_dirty_log(struct mmu *mmu, const struct kvm_dirty_log *args)
{
	struct memslot *slot;
	int err;

	if (mmu->ring_bytes)
		return -ENXIO;
	/* Its holder may be waiting for a page of the bitmap. */
	if (mutex_lock_killable(&mmu->slots_lock))
		return -EINTR;
	slot = dirty_find(mmu, args->slot);
	err = IS_ERR(slot) ? PTR_ERR(slot) : dirty_fetch(slot, dirty_bitmap_ptr(args->padding2));
	mutex_unlock(&mmu->slots_lock);
	return err;
}

/* Does the ioctl name pages of the slot, by whole words except for the last? */
static bool dirty_range_ok(const struct memslot *slot, const struct kvm_clear_dirty_log *args)
{
	u64 left = slot->npages - args->first_page;

	return args->first_page <= slot->npages && args->num_pages <= left &&
	       (args->num_pages == left || args->num_pages % BITS_PER_LONG == 0);
}

static int dirty_clear(struct memslot *slot, const struct kvm_clear_dirty_log *args)
{
	unsigned long first = args->first_page / BITS_PER_LONG;
	unsigned long words = BITS_TO_LONGS((u64)args->num_pages);

	if (!dirty_range_ok(slot, args))
		return -EINVAL;
	if (copy_from_user(&slot->log->taken[first], dirty_bitmap_ptr(args->padding2),
			   words * sizeof(long)))
		return -EFAULT;
	return dirty_take(slot, first, first + words);
}

/**
 * mmu_clear_dirty_log() - KVM_CLEAR_DIRTY_LOG
 * @mmu: takes its slots_lock; may sleep
 * @args: a private copy of the caller's
 *
 * When this returns, no vCPU can write to the pages whose bits it cleared without their
 * bits being set again.
 *
 * Return: 0; -EINVAL for a slot's number that cannot be, or a range that is not the slot's
 * or not one of whole words of the bitmap; -ENOENT as mmu_get_dirty_log(); -EFAULT; -EINTR: a
 * fatal signal came, and the beginning of the range may be cleared.
 */
int mmu_clear_dirty_log(struct mmu *mmu, const struct kvm_clear_dirty_log *args)
{
	struct memslot *slot;
	int err;

	if (mmu->ring_bytes)
		return -ENXIO;
	if (args->first_page % BITS_PER_LONG)
		return -EINVAL;
	if (mutex_lock_killable(&mmu->slots_lock))
		return -EINTR;
	slot = dirty_find(mmu, args->slot);
	err = IS_ERR(slot) ? PTR_ERR(slot) : dirty_clear(slot, args);
	mutex_unlock(&mmu->slots_lock);
	return err;
}

/**
 * mmu_set_log_manual() - KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2
 * @mmu: takes its slots_lock
 * @manual: KVM_DIRTY_LOG_* bits
 *
 * INITIALLY_SET counts for slots that begin to log from now on.
 *
 * Return: 0; -EINVAL for other bits, or the second without the first; -EINTR.
 */
int mmu_set_log_manual(struct mmu *mmu, u64 manual)
{
	if ((manual & ~DIRTY_MANUAL) || manual == KVM_DIRTY_LOG_INITIALLY_SET)
		return -EINVAL;
	if (mutex_lock_killable(&mmu->slots_lock))
		return -EINTR;
	mmu->log_manual = manual;
	mutex_unlock(&mmu->slots_lock);
	return 0;
}

/* The leaf that maps a gfn, or NULL. @lock held. */
static u64 *unguard_find(const struct mmu *mmu, const struct tdp_format *f, gfn_t gfn)
{
	u64 *sptep = &mmu->root[tdp_index(gfn, f->levels)];
	u64 spte = READ_ONCE(*sptep);
	int level;

	for (level = f->levels; spte; level--) {
		if (tdp_is_leaf(f, spte, level))
			return sptep;
		sptep = &tdp_table(f, spte)[tdp_index(gfn, level - 1)];
		spte = READ_ONCE(*sptep);
	}
	return NULL;
}

static bool unguard_locked(struct mmu *mmu, gfn_t gfn)
{
	const struct tdp_format *f = mmu->host->format;
	u64 *sptep = unguard_find(mmu, f, gfn);
	struct memslot *slot;
	u64 spte, new;

	spte = sptep ? READ_ONCE(*sptep) : 0;
	if (!(spte & TDP_LOG_GUARD))
		return false;
	slot = mmu_find_slot(mmu, gfn);
	if (!slot) {
		/* It has become private just now, and the leaf is about to go. */
		WARN_ON_ONCE(!mmu->private_mem);
		return false;
	}
	memslot_log_write(slot, gfn);
	new = (spte & ~TDP_LOG_GUARD) | f->writable | f->accessed | f->dirty;
	if (!try_cmpxchg64(sptep, &spte, new))
		return false;
	memslot_note_written(slot, gfn);
	return true;
}

/**
 * dirty_unguard() - make a leaf writable that only the dirty log keeps from being so
 * @mmu: the caller is in a read section of its srcu
 * @gfn: of a write fault
 *
 * That it may be written, and which page it maps, holds as long as the leaf is there. Takes
 * @lock.
 *
 * Return: whether that was it; false: it is no such leaf.
 */
bool dirty_unguard(struct mmu *mmu, gfn_t gfn)
{
	bool done;

	read_lock(&mmu->lock);
	done = unguard_locked(mmu, gfn);
	read_unlock(&mmu->lock);
	return done;
}
