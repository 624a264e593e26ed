// SPDX-License-Identifier: GPL-2.0-only
/*
 * Compression: pages that nobody touches are kept compressed (store.c), and are pages again when
 * somebody does. Owns which ones, the steps of an entry there and back, and the worker; knobs are
 * in squeeze_sysfs.c. The hard part is to take a page away that is not needed now, and not to
 * lose a byte of it:
 *
 * 1. Which pages. Only those that one gmem has alone: private entries of a chunk that it may
 *    change. A pass makes private pages idle that are calm: it takes all mappings of theirs away
 *    and marks the entry. Whoever touches the page takes a fault that takes the mark off, so none
 *    of this asks the CPU for accessed bits, which not all have. (What the kernel reads past all
 *    mappings, as by read(2), is no touch: it finds the page, or brings it back.) A page that is
 *    idle for some passes is cold. Where the merge engine looks at the gmem's pages it comes
 *    first: what it has not examined since the last write is not calm, and what has just become
 *    idle is examined once more, as the bindings' dirty bits went with their mappings.
 * 2. There. All that can fail, or takes memory, comes first, with no lock held: the page is
 *    copied, the copy compressed and stored. Then the page is frozen, as for a merge (internal.h,
 *    point 5): nobody writes to it, and nobody else has a reference. Only if it is still equal to
 *    the copy, all 4096 bytes, the entry is pointed at the object, and the page dropped as any
 *    page is. Else the object is dropped, and the page is what it was. So a write is either in the
 *    copy, or seen by the comparison, or comes after the freeze, and then finds the object.
 * 3. Back. gmem_own() makes the entry private, for a read, too, with chunk->lock held: a page is
 *    allocated before, filled from the object, and put in. Nothing was mapped at a squeezed entry,
 *    so nothing has to be zapped. Processes' faults, guests', the kernel's reads and writes, GUP
 *    and pins all end there. Two vCPUs wait for each other only at pages of one chunk, as for
 *    copy-on-write; each CPU has its own decompressor.
 * 4. Forks. A squeezed entry of a common chunk counts as one in its object's references, and a
 *    copy of the chunk as one more. Who touches it claims the chunk first, as for a write, and
 *    gets a page of its own; the merge engine may find such pages equal again. A reset gives the
 *    base's object back to the entry. Punching, truncating and the end of a gmem put it.
 * 5. Policies. Equal contents are one object among the gmems of a domain, where pages may be
 *    shared ("self", "domain"). Under "secure" nothing is compressed: by the time of an access a
 *    guest would tell more than what it has written itself. Under "off" and "zero" each page has
 *    an object of its own.
 * 6. When. "always": a pass after another. "pressure": when the kernel has asked for memory
 *    (squeeze_scan()): that only notes how many pages it wants, takes no lock and allocates
 *    nothing, so it can be called from anywhere; the worker does the work. It ends with
 *    its request, or when the limit of what may be stored is reached. When the kernel is about
 *    to kill somebody it waits for the worker first, a limited number of times.
 *
 * Lock order: store_lock is taken with no other lock. chunk->lock, a bucket's lock, the kernel's
 * store's locks. The worker takes locks as the merge engine does: it waits for no fork.
 */
#define pr_fmt(fmt) "ditto: " fmt

#include <linux/bitmap.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/slab.h>
#include <linux/workqueue.h>
#include <ditto.h>

#include "gmem/bind.h"
#include "gmem/cursor.h"
#include "gmem/fault.h"
#include "gmem/frame.h"
#include "gmem/hooks.h"
#include "gmem/index.h"
#include "gmem/mappings.h"
#include "gmem/mc.h"
#include "gmem/merge.h"
#include "gmem/squeeze.h"
#include "gmem/squeeze_knobs.h"
#include "gmem/store.h"
#include "gmem/tenant.h"
#include "gmem/trace.h"
#include "gmem/weight.h"
#include "gmem/whole.h"

/* Pages that are compressed before a chunk is locked, and then taken away all at one go. */
#define SQUEEZE_STEP	16

/* A worker's run: so many chunks looked at, or pages compressed; then a rest. */
#define RUN_CHUNKS	64
#define RUN_PAGES	256
#define RUN_REST_MS	5

/* Passes that a page is left alone that could not be compressed. */
#define REJECT_PASSES	30

struct squeeze_knobs squeeze_knobs = {
	.algorithm = "lz4",
	.cold_passes = 3,
	.pass_millisecs = 1000,
};

/**
 * struct squeeze_step - pages on their way; the worker's
 * @n: how many
 * @freeze: which they are
 * @object: of each; NULL once an entry has it
 * @copy: what was in it
 * @now: room for what is in one of them when it is frozen
 */
struct squeeze_step {
	unsigned int n;
	struct gmem_freeze freeze[SQUEEZE_STEP];
	struct gmem_squeezed *object[SQUEEZE_STEP];
	u8 copy[SQUEEZE_STEP][PAGE_SIZE];
	u8 now[PAGE_SIZE];
};

static struct squeeze_step *squeeze_step;	/* the worker's, while the store is open */
static struct workqueue_struct *squeeze_wq;
static DEFINE_MUTEX(mode_lock);	/* changes of the mode and of the algorithm */
static void squeeze_run(struct work_struct *work);
static DECLARE_DELAYED_WORK(squeeze_work, squeeze_run);

/* The worker's: how far a pass has come, and its number. */
static u64 pass_id;
static pgoff_t pass_off;
static unsigned long pass_nr;
static bool pass_active;

static unsigned long pass_stamp(void)
{
	return pass_nr << GMEM_STAMP_SHIFT & GMEM_STAMP_MASK;
}

/* Passes since an idle entry was made so, up to 31. */
static unsigned int entry_age(unsigned long v)
{
	return (pass_stamp() - (v & GMEM_STAMP_MASK)) >> GMEM_STAMP_SHIFT;
}

/**
 * gmem_count_squeezed() - an entry becomes or ceases to be squeezed
 * @g: its gmem
 * @v: the entry, when it is
 * @n: 1 or -1
 */
void gmem_count_squeezed(struct gmem *g, unsigned long v, long n)
{
	atomic_long_add(n, &g->nr_squeezed);
	atomic_long_add(n * gmem_squeezed_bytes(gmem_entry_object(v)), &g->squeezed_bytes);
}

/**
 * gmem_squeezed_pages() - what a gmem's squeezed entries cost
 * @g: the gmem
 *
 * Return: in pages, rounded down; contents that others have, too, in full.
 */
unsigned long gmem_squeezed_pages(const struct gmem *g)
{
	return max(0L, atomic_long_read(&g->squeezed_bytes)) >> PAGE_SHIFT;
}

/**
 * gmem_unsqueeze() - fill a page with what a squeezed entry has
 * @g: the gmem
 * @off: where
 * @v: the entry, locked
 * @page: of whatever contents
 *
 * Return: 0 or -EHWPOISON.
 */
int gmem_unsqueeze(struct gmem *g, pgoff_t off, unsigned long v, struct page *page)
{
	struct gmem_squeezed *s = gmem_entry_object(v);

	trace_ditto_unsqueeze(g->id, off, gmem_squeezed_bytes(s));
	atomic_long_inc(&squeeze_knobs.loads);
	return gmem_squeezed_load(s, page_address(page)) ? -EHWPOISON : 0;
}

/* Does the merge engine look at its pages, and so come first? */
static bool gmem_is_scanned(const struct gmem *g)
{
	return g->tenant && READ_ONCE(g->policy) != DITTO_POLICY_OFF && gmem_merge_runs();
}

/* Nothing is left to be done for an entry. Where nobody scans, marks mean nothing. */
static bool entry_calm(unsigned long v, bool scanned)
{
	return !scanned || !(v & (GMEM_DIRTY | GMEM_PENDING | GMEM_UWRITE));
}

/* A page that could not be compressed: one pass less to wait. False: it need not wait. */
static bool entry_waits(unsigned long *e, unsigned long v)
{
	if (!(v & GMEM_WAIT_MASK))
		return false;
	try_cmpxchg(e, &v, v - GMEM_WAIT(1));
	return true;
}

/* Which private entries of a locked chunk become idle, and which are cold? */
static void chunk_sort(struct gmem_cursor *cur, bool scanned, unsigned long *young,
		       unsigned long *cold)
{
	unsigned int i;
	unsigned long v;

	for (i = 0; i < GMEM_CHUNK_PAGES; i++) {
		v = READ_ONCE(cur->c->entry[i]);
		if (!gmem_entry_private(v) || !entry_calm(v, scanned) ||
		    PageHWPoison(gmem_entry_page(v)))
			continue;
		if (!gmem_entry_idle(v))
			__set_bit(i, young);
		else if (!entry_waits(&cur->c->entry[i], v) &&
			 entry_age(v) >= READ_ONCE(squeeze_knobs.cold_passes))
			__set_bit(i, cold);
	}
}

/* Lock those entries whose mappings can be taken away. Returns whether processes have some. */
static bool idle_lock(struct gmem_cursor *cur, unsigned long *young)
{
	struct page *page;
	bool mapped = false;
	unsigned int i;
	unsigned long v;

	for_each_set_bit(i, young, GMEM_CHUNK_PAGES) {
		v = gmem_entry_lock(cur->c, i);
		page = gmem_entry_page(v);
		/* A fault that is about to map the page has its lock; see internal.h, point 4. */
		if (gmem_page_held(page) || !trylock_page(page)) {
			gmem_entry_unlock(cur->c, i, v);
			__clear_bit(i, young);
			continue;
		}
		unlock_page(page);
		mapped |= gmem_page_mapcount(page);
	}
	return mapped;
}

/* What a locked entry is when its page is idle. */
static unsigned long idle_entry(unsigned long v, bool scanned)
{
	v &= ~(GMEM_LOCKED | GMEM_UWRITE | GMEM_WAIT_MASK | GMEM_STAMP_MASK);
	return v | GMEM_APART | pass_stamp() | (scanned ? GMEM_PENDING : 0);
}

static void chunk_make_idle(struct gmem_cursor *cur, bool scanned, unsigned long *young)
{
	pgoff_t base = cur->c->base, start, end;
	unsigned int i;
	unsigned long v;

	if (bitmap_empty(young, GMEM_CHUNK_PAGES))
		return;
	start = base + find_first_bit(young, GMEM_CHUNK_PAGES);
	end = base + find_last_bit(young, GMEM_CHUNK_PAGES) + 1;
	if (gmem_crowded(cur->g, start, end) || gmem_readers_crowded(cur->g))
		return;
	/* Where a part is in use it is no loss that the rest is not compressed. */
	if (cur->c->whole &&
	    (!bitmap_full(young, GMEM_CHUNK_PAGES) || !gmem_cursor_split(cur, SPLIT_COMPRESS)))
		return;
	if (idle_lock(cur, young))
		gmem_unmap_user(cur->g, start, end);
	if (bitmap_empty(young, GMEM_CHUNK_PAGES))
		return;
	gmem_zap_some(cur->g, base, young);
	for_each_set_bit(i, young, GMEM_CHUNK_PAGES) {
		v = READ_ONCE(cur->c->entry[i]);
		gmem_count_pending(cur->g, v, idle_entry(v, scanned));
		gmem_entry_unlock(cur->c, i, idle_entry(v, scanned));
	}
}

/* Point 1. Returns whether there are cold pages. */
static bool chunk_age(struct gmem_cursor *cur, unsigned long *cold)
{
	DECLARE_BITMAP(young, GMEM_CHUNK_PAGES) = { 0 };
	bool scanned = gmem_is_scanned(cur->g);

	if (!gmem_cursor_enter(cur))
		return false;
	if (!cur->c->dead && gmem_chunk_held_by(cur->c, cur->g)) {
		chunk_sort(cur, scanned, young, cold);
		chunk_make_idle(cur, scanned, young);
	}
	gmem_cursor_unlock(cur);
	return !bitmap_empty(cold, GMEM_CHUNK_PAGES);
}

/* With no lock: the page of an idle entry, and what is in it, torn perhaps. */
static struct page *squeeze_copy(struct gmem_cursor *cur, unsigned int nr, void *to)
{
	struct page *page = NULL;
	unsigned long v;

	rcu_read_lock();
	v = READ_ONCE(cur->c->entry[nr]);
	if (gmem_entry_idle(v) && !(v & GMEM_LOCKED) && !PageHWPoison(gmem_entry_page(v)) &&
	    !gmem_copy(to, page_address(gmem_entry_page(v)), PAGE_SIZE))
		page = gmem_entry_page(v);
	rcu_read_unlock();
	return page;
}

/* It does not become small enough, and most likely will not soon. */
static void squeeze_reject(struct gmem_cursor *cur, unsigned int nr)
{
	unsigned long v = READ_ONCE(cur->c->entry[nr]);

	if (gmem_entry_idle(v) && !(v & GMEM_LOCKED))
		try_cmpxchg(&cur->c->entry[nr], &v, v | GMEM_WAIT(REJECT_PASSES));
	trace_ditto_squeeze(cur->g->id, cur->c->base + nr, 0);
}

/* Who may have the same object. */
static struct gmem_domain *squeeze_domain(const struct gmem_cursor *cur)
{
	return cur->policy == DITTO_POLICY_SELF || cur->policy == DITTO_POLICY_DOMAIN ?
	       cur->domain : NULL;
}

/* Point 2, with no lock: compress some cold pages. False: there is no memory for more. */
static bool squeeze_prepare(struct squeeze_step *s, struct gmem_cursor *cur,
			 const unsigned long *cold, unsigned int *nr)
{
	struct gmem_squeezed *object;
	struct page *page;

	for (s->n = 0; s->n < SQUEEZE_STEP; ++*nr) {
		*nr = find_next_bit(cold, GMEM_CHUNK_PAGES, *nr);
		if (*nr >= GMEM_CHUNK_PAGES)
			break;
		page = squeeze_copy(cur, *nr, s->copy[s->n]);
		if (!page)
			continue;
		object = gmem_squeezed_make(s->copy[s->n], cur->g, squeeze_domain(cur));
		if (object == ERR_PTR(-E2BIG))
			squeeze_reject(cur, *nr);
		else if (IS_ERR(object))
			return false;
		if (IS_ERR(object))
			continue;
		s->freeze[s->n].page = page;
		s->freeze[s->n].nr = *nr;
		s->object[s->n++] = object;
		cond_resched();
	}
	return true;
}

/* A frozen entry whose page is what was compressed. */
static void squeeze_commit(struct gmem_cursor *cur, struct gmem_squeezed *object)
{
	unsigned long old = gmem_cursor_entry(cur) & ~GMEM_LOCKED;
	unsigned long new = gmem_entry_squeeze(object) | (old & GMEM_CHURN_MASK);

	gmem_note_changed(cur->c, cur->nr);
	gmem_count_squeezed(cur->g, new, 1);
	trace_ditto_squeeze(cur->g->id, gmem_cursor_offset(cur), gmem_squeezed_bytes(object));
	gmem_entry_unlock(cur->c, cur->nr, new);
	gmem_entry_drop(cur->g, old);
}

/* What has been touched since it was copied is not cold. */
static void squeeze_drop_awake(struct squeeze_step *s, struct gmem_cursor *cur)
{
	unsigned int i, n = 0;

	for (i = 0; i < s->n; i++) {
		if (!gmem_entry_idle(READ_ONCE(cur->c->entry[s->freeze[i].nr]))) {
			gmem_squeezed_put(s->object[i]);
			continue;
		}
		if (i != n)
			memcpy(s->copy[n], s->copy[i], PAGE_SIZE);
		s->freeze[n] = s->freeze[i];
		s->object[n++] = s->object[i];
	}
	s->n = n;
}

static bool squeeze_same(struct squeeze_step *s, unsigned int i)
{
	return !gmem_copy(s->now, page_address(s->freeze[i].page), PAGE_SIZE) &&
	       !memcmp(s->now, s->copy[i], PAGE_SIZE);
}

/* With the chunk's lock. Returns how many pages were taken away. */
static unsigned int squeeze_locked(struct squeeze_step *s, struct gmem_cursor *cur)
{
	unsigned int i, done = 0;

	squeeze_drop_awake(s, cur);
	if (!s->n)
		return 0;
	gmem_freeze_some(cur, s->freeze, s->n);
	for (i = 0; i < s->n; i++) {
		cur->nr = s->freeze[i].nr;
		if (!s->freeze[i].frozen)
			continue;
		if (squeeze_same(s, i)) {
			squeeze_commit(cur, s->object[i]);
			s->object[i] = NULL;
			done++;
		} else {
			gmem_thaw_changed(cur);
		}
	}
	return done;
}

#ifdef DITTO_KUNIT
void (*gmem_squeeze_between)(void);
#endif

static unsigned int squeeze_finish(struct squeeze_step *s, struct gmem_cursor *cur)
{
	unsigned int i, done = 0;

#ifdef DITTO_KUNIT
	if (gmem_squeeze_between)
		gmem_squeeze_between();
#endif
	if (gmem_cursor_enter(cur)) {
		done = squeeze_locked(s, cur);
		gmem_cursor_unlock(cur);
	}
	for (i = 0; i < s->n; i++)
		if (s->object[i])
			gmem_squeezed_put(s->object[i]);
	return done;
}

/* May more be stored? */
static bool squeeze_room(void)
{
	struct gmem_store_figures f;

	gmem_store_figures(&f);
	return f.pool_pages < READ_ONCE(squeeze_knobs.limit_pages);
}

static bool squeeze_wanted(void)
{
	switch (READ_ONCE(squeeze_knobs.mode)) {
	case SQUEEZE_ALWAYS:
		return true;
	case SQUEEZE_PRESSURE:
		return atomic_long_read(&squeeze_knobs.wanted) > 0;
	default:
		return false;
	}
}

/* One chunk's part of a pass. Returns how many pages were compressed. */
static unsigned int squeeze_chunk(struct gmem_cursor *cur)
{
	DECLARE_BITMAP(cold, GMEM_CHUNK_PAGES) = { 0 };
	unsigned int nr = 0, n, done = 0;
	bool more = true;

	if (!chunk_age(cur, cold))
		return 0;
	while (more && nr < GMEM_CHUNK_PAGES && squeeze_wanted() && squeeze_room()) {
		more = squeeze_prepare(squeeze_step, cur, cold, &nr);
		n = squeeze_finish(squeeze_step, cur);
		atomic_long_sub(n, &squeeze_knobs.wanted);
		done += n;
		cond_resched();
	}
	return done;
}

/* Is there nothing to compress at an offset, and behind it? */
static bool squeeze_ends(struct gmem *g, pgoff_t off)
{
	return off >= gmem_npages(g) || kref_read(&g->ref) == 1 || g->is_base ||
	       READ_ONCE(g->policy) == DITTO_POLICY_SECURE || !atomic_long_read(&g->nr_private);
}

/* The next chunk of a gmem that is passed over. False: there is none. */
static bool squeeze_next(struct gmem *g, unsigned int *pages)
{
	struct gmem_cursor cur;

	if (squeeze_ends(g, pass_off))
		return false;
	pass_off = gmem_next_chunk(g, pass_off);
	if (squeeze_ends(g, pass_off))
		return false;
	if (gmem_cursor_at(&cur, g, pass_off)) {
		cur.any_policy = true;
		*pages += squeeze_chunk(&cur);
		gmem_cursor_leave(&cur);
	}
	pass_off += GMEM_CHUNK_PAGES;
	return true;
}

/* Some of a pass. Returns whether there is more. */
static bool squeeze_some(void)
{
	unsigned int chunks, pages = 0;
	struct gmem *g;

	for (chunks = 0; chunks < RUN_CHUNKS && pages < RUN_PAGES; chunks++) {
		g = gmem_at(pass_id);
		if (!g)
			return false;
		if (g->id != pass_id)
			pass_off = 0;
		pass_id = g->id;
		if (!squeeze_next(g, &pages)) {
			pass_id++;
			pass_off = 0;
		}
		gmem_put(g);
		cond_resched();
	}
	return true;
}

static void squeeze_run(struct work_struct *work)
{
	unsigned int delay = RUN_REST_MS;

	/* The next request goes on where this one has ended. */
	if (!squeeze_wanted())
		return;
	if (!squeeze_room()) {
		atomic_long_set(&squeeze_knobs.wanted, 0);
		queue_delayed_work(squeeze_wq, &squeeze_work,
				   msecs_to_jiffies(READ_ONCE(squeeze_knobs.pass_millisecs)));
		return;
	}
	if (!pass_active) {
		pass_active = true;
		pass_id = 0;
		pass_off = 0;
		pass_nr++;
	}
	if (!squeeze_some()) {
		pass_active = false;
		WRITE_ONCE(squeeze_knobs.passes, squeeze_knobs.passes + 1);
		delay = READ_ONCE(squeeze_knobs.pass_millisecs);
	}
	queue_delayed_work(squeeze_wq, &squeeze_work, msecs_to_jiffies(delay));
}

/**
 * squeeze_kick() - there may be something to compress
 *
 * Any context.
 */
void squeeze_kick(void)
{
	if (squeeze_wanted())
		queue_delayed_work(squeeze_wq, &squeeze_work, 0);
}

/**
 * squeeze_changed() - a knob has: the worker is to see that now, and not after its rest
 */
void squeeze_changed(void)
{
	if (squeeze_wanted())
		mod_delayed_work(squeeze_wq, &squeeze_work, 0);
}

/**
 * gmem_squeeze_oom() - is memory going to come, when the kernel has none?
 *
 * Return: whether the worker has been asked for some, and has something to do.
 */
bool gmem_squeeze_oom(void)
{
	if (READ_ONCE(squeeze_knobs.mode) == SQUEEZE_OFF || !squeeze_room() ||
	    !gmem_private_pages())
		return false;
	if (atomic_long_read(&squeeze_knobs.wanted) < RUN_PAGES)
		atomic_long_set(&squeeze_knobs.wanted, RUN_PAGES);
	mod_delayed_work(squeeze_wq, &squeeze_work, 0);
	return true;
}

/* All that the worker needs, with mode_lock. */
static int squeeze_begin(void)
{
	if (!squeeze_step)
		squeeze_step = kvmalloc(sizeof(*squeeze_step), GFP_KERNEL);
	return squeeze_step ? gmem_store_open(squeeze_knobs.algorithm) : -ENOMEM;
}

/**
 * squeeze_set_mode() - say when to compress
 * @mode: SQUEEZE_*
 *
 * Process context. What is compressed stays so until it is touched. With SQUEEZE_OFF the worker
 * has stopped when this returns.
 *
 * Return: 0; -EOPNOTSUPP, -ENOMEM: as gmem_store_open().
 */
int squeeze_set_mode(unsigned int mode)
{
	int err = 0;

	mutex_lock(&mode_lock);
	if (mode != SQUEEZE_OFF)
		err = squeeze_begin();
	if (!err) {
		WRITE_ONCE(squeeze_knobs.mode, mode);
		atomic_long_set(&squeeze_knobs.wanted, 0);
		if (mode == SQUEEZE_OFF) {
			cancel_delayed_work_sync(&squeeze_work);
			pass_active = false;
		}
		squeeze_kick();
	}
	mutex_unlock(&mode_lock);
	return err;
}

/**
 * squeeze_set_algorithm() - say what to compress with
 * @name: of a compressor of the kernel's, not terminated
 * @len: of the name, less than SQUEEZE_ALGORITHM
 *
 * Return: 0; -EBUSY: there is one in use.
 */
int squeeze_set_algorithm(const char *name, size_t len)
{
	int err = -EBUSY;

	mutex_lock(&mode_lock);
	if (!gmem_store_is_open()) {
		memcpy(squeeze_knobs.algorithm, name, len);
		squeeze_knobs.algorithm[len] = 0;
		err = 0;
	}
	mutex_unlock(&mode_lock);
	return err;
}

/**
 * gmem_squeeze_drain() - wait until the worker has no reference to a gmem
 */
void gmem_squeeze_drain(void)
{
	flush_work(&squeeze_work.work);
}

/**
 * gmem_squeeze_init() - before the first gmem
 * @parent: where the directory "compress" of knobs goes
 *
 * Return: 0 or -errno, nothing left behind.
 */
int gmem_squeeze_init(struct kobject *parent)
{
	int err;

	squeeze_wq = alloc_workqueue("ditto_squeeze", WQ_UNBOUND | WQ_FREEZABLE, 1);
	if (!squeeze_wq)
		return -ENOMEM;
	squeeze_knobs.limit_pages = totalram_pages() / 4;
	err = squeeze_knobs_add(parent);
	if (err)
		destroy_workqueue(squeeze_wq);
	return err;
}

/**
 * gmem_squeeze_exit() - the mirror of gmem_squeeze_init()
 *
 * No gmem exists any more.
 */
void gmem_squeeze_exit(void)
{
	squeeze_knobs_remove();
	WRITE_ONCE(squeeze_knobs.mode, SQUEEZE_OFF);
	cancel_delayed_work_sync(&squeeze_work);
	destroy_workqueue(squeeze_wq);
	kvfree(squeeze_step);
	squeeze_step = NULL;
	gmem_store_exit();
}
