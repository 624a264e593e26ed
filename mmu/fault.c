// SPDX-License-Identifier: GPL-2.0-only
/*
 * TDP faults: finding the page behind a gpa and entering it into the TDP tables.
 * Entries are only ever added here, or made writable; what is in the way is zapped by
 * tdp.c.  The plan, whose numbers come back below:
 *
 * 1. Read the invalidation sequence, then look up the slot, then get the page from its
 *    backing, all without lock; this may sleep for long.
 * 2. Allocate the tables that are missing, as far as that is known, so that the rest
 *    cannot fail.
 * 3. Under mmu->lock for read: if an invalidation ended since 1, or one of this hva is
 *    in progress, the page may be another one by now: start again.
 * 4. Enter it by cmpxchg: other faults do the same at the same time, and if one was
 *    faster nothing is left to do.  A table that is missing is counted for 2.
 *
 * What the guest will probably touch next is entered along with it: see struct
 * fault_streaks. Such entries are entered only where there is none, below the same table,
 * and with neither accessed nor dirty bit; otherwise they are like any other.
 *
 * No reference to the page is kept: gmem's binding and the mmu notifier take it out of
 * the tables before it is freed.
 */
#include <linux/mm.h>
#include <linux/sched/signal.h>

#include "mmu/between.h"
#include "mmu/dirty.h"
#include "mmu/slots.h"
#include "mmu/tdp.h"
#include "mmu/user.h"
#include "mmu/window.h"

/*
 * How many lost races one fault may have before the guest is entered again, to repeat the
 * access if it still wants it.
 */
#define FAULT_TRIES	16

/**
 * struct tdp_fault - one fault on its way
 * @gfn: of the access
 * @access: MMU_READ, MMU_WRITE, MMU_EXEC, MMU_ASYNC
 * @streaks: of the vCPU
 * @streak: index of the one that this fault continues or begins, -1: not known yet
 * @seq: mmu->inv_seq before step 1
 * @slot: found in step 1
 * @hva: of @gfn's page, for a user-backed slot
 * @pfn: of the page found in step 1
 * @page: held until step 4 is done, for a user-backed slot that is no device's
 * @writable: the page may be mapped writable
 * @device: it is no memory: not to be cached
 * @whole: the gmem's pages around this one can be mapped by one leaf
 * @nr: pages found: this one, and in streaks->map those behind it; held, for a user-backed
 *	slot, as @page is
 * @missing: tables that the walk to @gfn lacked when last seen
 * @nr_tables: length of @table
 * @table: allocated in step 2, not yet used
 */
struct tdp_fault {
	gfn_t gfn;
	u32 access;
	struct fault_streaks *streaks;
	int streak;
	unsigned long seq;
	struct memslot *slot;
	unsigned long hva;
	kvm_pfn_t pfn;
	struct page *page;
	bool writable;
	bool device;
	bool whole;
	int nr;
	int missing;
	int nr_tables;
	u64 *table[TDP_MAX_LEVELS];
};

static bool spte_allows(const struct tdp_format *f, u64 spte, u32 access)
{
	return !(access & MMU_WRITE) || (spte & f->writable);
}

/* The streak that a fault continues, or the one unused for longest begins anew. */
static int streak_find(struct fault_streaks *s, gfn_t gfn)
{
	int i, oldest = 0;

	s->faults++;
	for (i = 0; i < FAULT_STREAKS; i++) {
		if (s->streak[i].window && s->streak[i].next == gfn) {
			s->streak[i].window = min(2 * s->streak[i].window, GMEM_FAULT_MAX);
			s->streak[i].used = s->faults;
			return i;
		}
		if (s->faults - s->streak[i].used > s->faults - s->streak[oldest].used)
			oldest = i;
	}
	s->streak[oldest].window = 1;
	s->streak[oldest].used = s->faults;
	return oldest;
}

/* How many pages to resolve: of the slot, and below the table of this one's entry. */
static unsigned int fault_span(struct mmu *mmu, struct tdp_fault *fault)
{
	const struct memslot *slot = fault->slot;

	if (fault->streak < 0)
		fault->streak = streak_find(fault->streaks, fault->gfn);
	/*
	 * Without hardware dirty bits each page must fault at its first write. Where memory can
	 * be private, the next page may be of another kind.
	 */
	if (!mmu->host->format->dirty || mmu->private_mem)
		return 1;
	return min3((u64)fault->streaks->streak[fault->streak].window,
		    TDP_ENTRIES - fault->gfn % TDP_ENTRIES,
		    slot->base + slot->npages - fault->gfn);
}

/* A gmem's page has no folio->mapping; other pages of a process have one. */
static bool is_gmem_page(struct page *page)
{
	return !is_zero_pfn(page_to_pfn(page)) && !page_folio(page)->mapping;
}

/*
 * What the guest will touch next. Of a huge page that is mapped as one it is elsewhere: no
 * streak continues there. Behind a page that a write would replace are others of that kind.
 */
static noinline void resolve_user_ahead(struct mmu *mmu, struct tdp_fault *fault)
{
	unsigned int window = fault_span(mmu, fault);
	struct gmem_mapping *map = fault->streaks->map;
	struct page *page[GMEM_FAULT_MAX];
	int i;

	if (window > 1 && (fault->writable || memslot_readonly(fault->slot)))
		fault->nr += user_pages_ahead(mmu->mm, fault->hva + PAGE_SIZE, window - 1,
					      fault->writable, fault->access & MMU_WRITE, page);
	for (i = 1; i < fault->nr && !is_gmem_page(page[i - 1]); i++)
		map[i] = (struct gmem_mapping){ .pfn = page_to_pfn(page[i - 1]),
						.writable = fault->writable };
	/* The first page of a gmem ends the run: it faults by itself, which makes a window. */
	while (fault->nr > i)
		put_page(page[--fault->nr - 1]);
	fault->streaks->streak[fault->streak].next = fault->gfn + fault->nr;
}

/* One of those that came along with a user-backed page, whose reference the fault has. */
static struct page *fault_page_behind(const struct tdp_fault *fault, int i)
{
	return pfn_to_page(fault->streaks->map[i].pfn);
}

/* Its memory is broken: as if the process itself had touched it, which may tell its guest. */
static int resolve_poisoned(unsigned long hva)
{
	send_sig_mceerr(BUS_MCEERR_AR, (void __user *)hva, PAGE_SHIFT, current);
	return -EINTR;
}

/* A read fault maps the page writable if it can, which saves the write fault that may follow. */
static int resolve_user(struct mmu *mmu, struct tdp_fault *fault)
{
	struct user_page up;
	int err;

	if (current->mm != mmu->mm)
		return -EIO;
	fault->hva = memslot_hva(fault->slot, fault->gfn << PAGE_SHIFT);
	err = (fault->access & MMU_ASYNC ? user_page_try : user_page_get)
		(mmu->mm, fault->hva, fault->access & MMU_WRITE, !memslot_readonly(fault->slot),
		 &up);
	if (err == -EHWPOISON)
		return resolve_poisoned(fault->hva);
	if (err)
		return err;
	if (up.page && is_gmem_page(up.page) && window_make(fault->slot, fault->gfn)) {
		put_page(up.page);
		return -EAGAIN;
	}
	fault->pfn = up.pfn;
	fault->page = up.page;
	fault->writable = up.writable && !memslot_readonly(fault->slot);
	fault->device = up.device;
	if (up.page)
		resolve_user_ahead(mmu, fault);
	return 0;
}

/* Could a leaf of 2 MiB be entered, if the gmem has such memory? Looked at again in step 4. */
static bool gmem_fits_large(const struct mmu *mmu, const struct tdp_fault *fault)
{
	const struct memslot *slot = fault->slot;
	u64 mask = tdp_pages(2) - 1;
	gfn_t first = fault->gfn & ~mask;

	return !memslot_is_logged(slot) && !mmu->private_mem && mmu->host->format->max_level > 1 &&
	       first >= slot->base && first + mask < slot->base + slot->npages &&
	       !((memslot_offset(slot, fault->gfn) ^ fault->gfn) & mask);
}

/*
 * Without hardware dirty bits a writable mapping counts as dirty, so a read fault must not
 * make one.
 */
static int resolve_gmem(struct mmu *mmu, struct tdp_fault *fault)
{
	struct memslot *slot = fault->slot;
	struct gmem_mapping *map = fault->streaks->map;
	bool write = fault->access & MMU_WRITE;
	int n;

	if (unlikely(slot->front && current->mm != mmu->mm))
		return -EIO;
	n = gmem_fault_run(slot->gmem, memslot_offset(slot, fault->gfn), write, map,
			   fault_span(mmu, fault));
	if (n == -EHWPOISON && slot->front)
		return resolve_poisoned(memslot_hva(slot->front, fault->gfn << PAGE_SHIFT));
	if (n < 0)
		return n;
	fault->nr = n;
	fault->streaks->streak[fault->streak].next = fault->gfn + n;
	fault->pfn = map->pfn;
	fault->writable = map->writable && !memslot_readonly(slot) &&
			  (write || mmu->host->format->dirty);
	fault->whole = gmem_fits_large(mmu, fault) &&
		       gmem_whole(slot->gmem, memslot_offset(slot, fault->gfn), map->pfn);
	return 0;
}

#ifdef DITTO_KUNIT
/* Called by a fault that has found no slot, or a page that it has not entered yet. */
void (*mmu_fault_between)(struct mmu *mmu);
#endif

/*
 * No slot was found. A shared gfn without any slot is MMIO; a private one never is. If the gfn is
 * shared and has a slot by now, it has just ceased to be private: look again.
 */
static enum mmu_fault_result fault_nowhere(struct mmu *mmu, gfn_t gfn, int *err)
{
	bool private;

	fault_between(mmu);
	private = mmu_is_private(mmu, gfn);
	if (!private && !slots_in_front(mmu, gfn))
		return MMU_FAULT_MMIO;
	*err = private ? -EFAULT : -EAGAIN;
	return MMU_FAULT_FAILED;
}

/* Step 1, its slot: MMU_FAULT_DONE when there is one that the access may go to. */
static enum mmu_fault_result fault_find_slot(struct mmu *mmu, struct tdp_fault *fault, int *err)
{
	/* Pairs with mmu_invalidated(): no older slots or page than this number. */
	fault->seq = smp_load_acquire(&mmu->inv_seq);
	fault->slot = mmu_find_slot(mmu, fault->gfn);
	if (!fault->slot)
		return fault_nowhere(mmu, fault->gfn, err);
	if ((fault->access & MMU_WRITE) && memslot_readonly(fault->slot))
		return MMU_FAULT_READONLY;
	return MMU_FAULT_DONE;
}

/* And its page. */
static int fault_resolve(struct mmu *mmu, struct tdp_fault *fault)
{
	fault->page = NULL;
	fault->device = false;
	fault->whole = false;
	fault->nr = 1;
	return fault->slot->gmem ? resolve_gmem(mmu, fault) : resolve_user(mmu, fault);
}

/*
 * Step 2. At the limit of tables all mappings are dropped; the guest faults in again what
 * it uses.
 */
static int fault_topup(struct mmu *mmu, struct tdp_fault *fault)
{
	if (fault->nr_tables >= fault->missing)
		return 0;
	if (atomic_long_read(&mmu->nr_tables) + fault->missing > READ_ONCE(mmu->max_tables)) {
		tdp_zap_all(mmu, true);
		fault->missing = mmu->host->format->levels - 1;
	}
	while (fault->nr_tables < fault->missing) {
		u64 *table = tdp_table_alloc(mmu);

		if (!table)
			return -ENOMEM;
		fault->table[fault->nr_tables++] = table;
	}
	return 0;
}

static void fault_drop_tables(struct mmu *mmu, struct tdp_fault *fault)
{
	while (fault->nr_tables)
		tdp_table_free(mmu, fault->table[--fault->nr_tables]);
}

/* Is an invalidation of something in hvas [start, end) in progress? */
static bool hva_in_flux(const struct mmu *mmu, unsigned long start, unsigned long end)
{
	return mmu->inv_active && start < mmu->inv_end && mmu->inv_start < end;
}

/* Step 3. */
static bool fault_stale(const struct mmu *mmu, const struct tdp_fault *fault)
{
	unsigned long end = fault->hva + fault->nr * PAGE_SIZE;

	if (mmu->inv_seq != fault->seq)
		return true;
	return !fault->slot->gmem && hva_in_flux(mmu, fault->hva, end);
}

/* The level of the leaf to enter. @lock held, step 3 passed. */
static int fault_level(const struct mmu *mmu, const struct tdp_fault *fault)
{
	const struct memslot *slot = fault->slot;
	u64 mask = tdp_pages(2) - 1;
	gfn_t first = fault->gfn & ~mask;
	unsigned long hva = fault->hva & PMD_MASK;

	if (memslot_is_logged(slot) || mmu->private_mem || mmu->host->format->max_level < 2)
		return 1;
	if (slot->gmem)
		return fault->whole ? 2 : 1;
	if (first < slot->base || first + mask >= slot->base + slot->npages)
		return 1;
	if (((fault->pfn ^ fault->gfn) & mask) ||
	    (((fault->hva >> PAGE_SHIFT) ^ fault->gfn) & mask))
		return 1;
	if (hva_in_flux(mmu, hva, hva + PMD_SIZE))
		return 1;
	return user_maps_large(mmu->mm, hva) ? 2 : 1;
}

/* What lets a page be written that may be, now or when the dirty log knows. @lock held. */
static u64 leaf_writable(const struct tdp_format *f, const struct memslot *slot, gfn_t gfn)
{
	return unlikely(!mmu_cpu_logs(slot->mmu) && memslot_log_waits(slot, gfn)) ?
	       TDP_LOG_GUARD : f->writable;
}

static u64 fault_bits(const struct tdp_format *f, const struct tdp_fault *fault)
{
	return (fault->writable ? leaf_writable(f, fault->slot, fault->gfn) : 0) |
	       ((fault->access & MMU_WRITE) ? f->dirty : 0) | f->accessed;
}

static u64 fault_leaf(const struct tdp_format *f, const struct tdp_fault *fault, int level)
{
	kvm_pfn_t pfn = fault->pfn & ~(tdp_pages(level) - 1);

	return pfn << PAGE_SHIFT | (fault->device ? f->device : f->leaf) | f->exec |
	       (level > 1 ? f->large : 0) | fault_bits(f, fault);
}

/*
 * There is a leaf: make it writable if that is all.  0, -EAGAIN when it changed, or
 * -EEXIST when it must go first: another page, or 2 MiB that may no longer be one.
 */
static int map_upgrade(const struct tdp_format *f, const struct tdp_fault *fault, u64 *sptep,
		       u64 spte, int level, int want_level)
{
	if (tdp_pfn(f, spte) != (fault->pfn & ~(tdp_pages(level) - 1)))
		return -EEXIST;
	if (spte_allows(f, spte, fault->access))
		return 0;
	if (level > want_level)
		return -EEXIST;
	return try_cmpxchg64(sptep, &spte, (spte & ~TDP_LOG_GUARD) | fault_bits(f, fault)) ?
	       0 : -EAGAIN;
}

/* Hang an allocated table under an empty entry, unless somebody else just did. */
static u64 map_table(const struct tdp_format *f, struct tdp_fault *fault, u64 *sptep)
{
	u64 *table = fault->table[fault->nr_tables - 1];
	u64 old = 0, new = __pa(table) | f->table | f->accessed;

	if (!try_cmpxchg64(sptep, &old, new))
		return old;
	fault->nr_tables--;
	return new;
}

/* Enter the pages after the faulting one. They are mapped read-only or with a clear dirty bit. */
static void map_neighbours(const struct tdp_format *f, const struct tdp_fault *fault, u64 *sptep)
{
	const struct gmem_mapping *map = fault->streaks->map;
	bool readonly = memslot_readonly(fault->slot);
	int i;

	for (i = 1; i < fault->nr; i++) {
		u64 bits = f->leaf | f->exec;

		if (map[i].writable && !readonly)
			bits |= leaf_writable(f, fault->slot, fault->gfn + i);
		cmpxchg64(&sptep[i], 0, map[i].pfn << PAGE_SHIFT | bits);
	}
}

/*
 * Step 4, @lock held for read. 0, or as map_upgrade(); -EAGAIN also without tables, -EEXIST also
 * where a table is in the place of a large leaf.
 */
static int fault_map(struct mmu *mmu, struct tdp_fault *fault)
{
	const struct tdp_format *f = mmu->host->format;
	int want_level = fault_level(mmu, fault);
	u64 *table = mmu->root;
	int level;

	for (level = f->levels; ; level--) {
		u64 *sptep = &table[tdp_index(fault->gfn, level)];
		u64 spte = READ_ONCE(*sptep);

		if (!spte && level <= want_level) {
			if (!try_cmpxchg64(sptep, &spte, fault_leaf(f, fault, level)))
				return -EAGAIN;
			if (level == 1)
				map_neighbours(f, fault, sptep);
			return 0;
		}
		if (!spte && !fault->nr_tables) {
			fault->missing = level - 1;
			return -EAGAIN;
		}
		if (!spte)
			spte = map_table(f, fault, sptep);
		if (tdp_is_leaf(f, spte, level))
			return map_upgrade(f, fault, sptep, spte, level, want_level);
		/* Left over from pages that were there before. */
		if (fault->whole && level == want_level)
			return -EEXIST;
		table = tdp_table(f, spte);
	}
}

/*
 * From now on the guest may write the pages without any notification. Under @lock, so the
 * notifier cannot have taken the page away yet.
 */
static void fault_mark_dirty(const struct tdp_fault *fault)
{
	int i;

	if (fault->access & MMU_WRITE)
		memslot_note_written(fault->slot, fault->gfn);
	if (!fault->page || !fault->writable)
		return;
	if (!PageReserved(fault->page))
		SetPageDirty(fault->page);
	for (i = 1; i < fault->nr; i++)
		if (!PageReserved(fault_page_behind(fault, i)))
			SetPageDirty(fault_page_behind(fault, i));
}

static void fault_zap_conflict(struct mmu *mmu, const struct tdp_fault *fault)
{
	u64 pages = tdp_pages(fault->whole ? 2 : 1);
	gfn_t first = fault->gfn & ~(pages - 1);
	struct tdp_zap zap;

	tdp_zap_init(&zap, fault->slot);
	write_lock(&mmu->lock);
	tdp_zap_range(mmu, &zap, first, first + pages);
	tdp_zap_flush(mmu, &zap);
	write_unlock(&mmu->lock);
	tdp_zap_finish(mmu, &zap, true);
}

/*
 * The guest gets access to a device's memory for the first time. Some CPUs need preparation
 * for that at each entry, so make every vCPU leave the guest first.
 */
static void fault_note_device(struct mmu *mmu)
{
	write_lock(&mmu->lock);
	WRITE_ONCE(mmu->maps_device, true);
	mmu_flush(mmu);
	write_unlock(&mmu->lock);
}

/* Map the faulting page alone: a race on one behind it must not delay it. */
static void fault_alone(const struct tdp_fault *fault)
{
	if (!fault->slot->gmem && fault->streak >= 0)
		fault->streaks->streak[fault->streak].window = 1;
}

/* Steps 3 and 4. */
static int fault_enter(struct mmu *mmu, struct tdp_fault *fault)
{
	int err = -EAGAIN;

	read_lock(&mmu->lock);
	if (!fault_stale(mmu, fault)) {
		if (fault->access & MMU_WRITE)
			memslot_log_write(fault->slot, fault->gfn);
		err = fault_map(mmu, fault);
	} else {
		fault_alone(fault);
	}
	if (!err)
		fault_mark_dirty(fault);
	read_unlock(&mmu->lock);
	if (err == -EEXIST) {
		fault_zap_conflict(mmu, fault);
		err = -EAGAIN;
	}
	return err;
}

static void fault_put_pages(const struct tdp_fault *fault)
{
	int i;

	put_page(fault->page);
	for (i = 1; i < fault->nr; i++)
		put_page(fault_page_behind(fault, i));
}

/* Steps 1 to 4, once the slot is found; -EAGAIN: a race was lost. */
static int fault_page(struct mmu *mmu, struct tdp_fault *fault)
{
	int err = fault_resolve(mmu, fault);

	if (err)
		return err;
	if (unlikely(fault->device && !READ_ONCE(mmu->maps_device)))
		fault_note_device(mmu);
	fault_between(mmu);
	err = fault_topup(mmu, fault);
	if (!err)
		err = fault_enter(mmu, fault);
	if (fault->page)
		fault_put_pages(fault);
	return err;
}

/* Steps 1 to 4; MMU_FAULT_FAILED with @err set. */
static enum mmu_fault_result fault_try(struct mmu *mmu, struct tdp_fault *fault, int *err)
{
	enum mmu_fault_result r = fault_find_slot(mmu, fault, err);

	if (r != MMU_FAULT_DONE)
		return r;
	*err = fault_page(mmu, fault);
	if (*err == -EINPROGRESS)
		return MMU_FAULT_WAITS;
	return *err ? MMU_FAULT_FAILED : MMU_FAULT_DONE;
}

/* What step 1 does not set; the room for tables is not cleared. */
static void fault_begin(struct tdp_fault *fault, struct fault_streaks *streaks, gfn_t gfn,
			u32 access)
{
	fault->gfn = gfn;
	fault->access = access;
	fault->streaks = streaks;
	fault->streak = -1;
	fault->hva = 0;
	fault->missing = 0;
	fault->nr_tables = 0;
}

/* Steps 1 to 4, until they get through. As mmu_tdp_fault(). */
static noinline enum mmu_fault_result fault_whole(struct mmu *mmu, struct fault_streaks *streaks,
						  gpa_t gpa, u32 access)
{
	enum mmu_fault_result r;
	struct tdp_fault fault;
	int tries = FAULT_TRIES;
	int err = 0;

	fault_begin(&fault, streaks, gpa >> PAGE_SHIFT, access);
	while ((r = fault_try(mmu, &fault, &err)) == MMU_FAULT_FAILED && err == -EAGAIN &&
	       --tries) {
		if (fatal_signal_pending(current))
			break;
		cond_resched();
	}
	fault_drop_tables(mmu, &fault);
	if (r == MMU_FAULT_FAILED && err == -EAGAIN)
		return MMU_FAULT_DONE;
	streaks->error = err;
	return r;
}

static __always_inline enum mmu_fault_result fault_memory(struct mmu *mmu,
							  struct fault_streaks *streaks,
							  gpa_t gpa, u32 access)
{
	if (unlikely(READ_ONCE(mmu->ever_logged)) && (access & MMU_WRITE) &&
	    dirty_unguard(mmu, gpa >> PAGE_SHIFT))
		return MMU_FAULT_DONE;
	return fault_whole(mmu, streaks, gpa, access);
}

/* Not in the slot of the last look: most such are devices, and need nothing of what follows. */
static noinline enum mmu_fault_result fault_elsewhere(struct mmu *mmu,
						      struct fault_streaks *streaks, gpa_t gpa,
						      u32 access)
{
	enum mmu_fault_result result;
	gfn_t gfn = gpa >> PAGE_SHIFT;

	if (slots_search(mmu, gfn))
		return fault_memory(mmu, streaks, gpa, access);
	if (likely(!mmu->private_mem))
		return MMU_FAULT_MMIO;
	if (slots_in_front(mmu, gfn))
		return fault_memory(mmu, streaks, gpa, access);
	result = fault_nowhere(mmu, gfn, &streaks->error);
	/* There is a slot now: the guest tries again. */
	if (result == MMU_FAULT_FAILED && streaks->error == -EAGAIN)
		return MMU_FAULT_DONE;
	return result;
}

/**
 * mmu_tdp_fault() - make the TDP tables allow an access, if it is to memory
 * @mmu: the caller is in a read section of its srcu, and holds no lock
 * @streaks: of the vCPU
 * @gpa: that the guest accessed; any value
 * @access: MMU_READ, MMU_WRITE, MMU_EXEC bits; with MMU_ASYNC memory is not waited for that
 *	the process would have to wait for
 *
 * May sleep.  Everything that is mapped is executable.
 *
 * Return: what became of it. With MMU_FAULT_FAILED @streaks->error is -EFAULT when there is no
 * memory behind the slot, or not for this access, or the gfn is private and no slot has private
 * memory for it; -EIO when a user-backed slot is another process's; -ENOMEM; -EHWPOISON when
 * the memory of a gmem's page is broken; -EINTR when a signal came before the memory of a
 * user-backed slot did, or SIGBUS because that is broken, or a fatal one.
 */
enum mmu_fault_result mmu_tdp_fault(struct mmu *mmu, struct fault_streaks *streaks, gpa_t gpa,
				    u32 access)
{
	if (gpa >> PAGE_SHIFT >= mmu_max_gfn(mmu))
		return MMU_FAULT_MMIO;
	if (!mmu_last_slot(mmu, gpa >> PAGE_SHIFT))
		return fault_elsewhere(mmu, streaks, gpa, access);
	return fault_memory(mmu, streaks, gpa, access);
}
