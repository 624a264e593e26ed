/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The inside of gmem: the page index and who may change it how. Only gmem/ includes this.
 *
 * 1. The index. The root has one directory per GiB, a directory 512 chunks, a chunk
 * 512 entries of one word. Directories come with the first chunk, chunks with
 * the first entry, and go when all of their range is punched. Both may be in the index of
 * several gmems, count in how many, and go with the last (freed by RCU). The root of a
 * file that grows is replaced by a longer one, under root_lock; the old one goes by RCU.
 * A gmem changes only what is marked with its holder, point 8.
 *
 * 2. An entry is one of
 *	empty		0, or GMEM_ZMAP | GMEM_ZEROED: reads as zero
 *	private		address | GMEM_PRESENT: one page, of this entry alone
 *	shared		address | GMEM_PRESENT | GMEM_SHARED: read-only page, maybe
 *			in many gmems; the page counts its entries ("sharers"). With
 *			GMEM_APART (policy "secure") no matter what touches it, even to read,
 *			gets a copy
 * each of them plus GMEM_LOCKED while it is being changed, and with bits of the
 * merge engine's that no reader cares about (GMEM_SOFT).
 *
 * 3. Transitions, and who makes them (all under the chunk's mutex but the first two):
 *	empty -> private	fill_quick(), fill_run(): cmpxchg, only while nobody can
 *				have the zero page mapped there (no GMEM_ZMAP)
 *	empty -> empty|ZMAP	a read fault is about to map the zero page
 *	empty|ZMAP -> private	entry_break(): lock, zap the zero page, replace
 *	shared -> private	entry_break(): lock, copy, zap, replace
 *	any -> empty		chunk_punch(): lock, zap, replace
 *	private -> shared	gmem_freeze() + gmem_share() of the merge engine
 *	private -> shared	gmem_freeze() + gmem_replace(): another page, equal
 *	private -> empty	gmem_freeze() + gmem_replace_zero(): sets GMEM_ZEROED
 * "lock" sets GMEM_LOCKED: lockless users turn to the mutex, and so wait. Only then
 * are mappings taken away, and only after that is a page dropped.
 *
 * 4. Why a page that is dropped is not used any more.
 *	- By a lockless reader (gmem_read, a fault): the index's own page reference is
 *	  dropped by RCU (later.c), and they look up and use the page in one RCU section.
 *	- By a binder: its sequence count (gmem.h). The lookup in gmem_fault() either
 *	  sees GMEM_LOCKED and waits, or came before it, and then the zap comes after
 *	  step 1 of the binder and is noticed in step 3.
 *	- By a user mapping: the fault handler writes the page table with the page's lock
 *	  held, having checked under it that the entry still says so. Who takes mappings away first
 *	  takes and releases the page lock (unmapping_user), so what was under way is there
 *	  to be unmapped, and what comes later sees GMEM_LOCKED.
 *	- By GUP: it holds a reference, and sees the old page, as with any file.
 *
 * 5. Why a frozen page does not change under the merge engine's comparison.
 *	- Nobody has it mapped writable: step 4.
 *	- GUP users, and pins of ours, hold a page reference: the page count is then
 *	  not 1, and the page is left alone. GUP-fast takes its reference before it
 *	  re-reads the PTE, so a reference from before the zap is seen.
 *	- gmem_write() takes a reference and then re-reads the entry; gmem_freeze()
 *	  sets GMEM_LOCKED and then reads the count. Both are full barriers: one of the
 *	  two sees the other and gives way.
 *
 * 6. Why nothing stays beyond the end of a file that was made shorter (resize.c). The size
 * is changed first, and then the rest is punched, both under size_lock. Code that turns an
 * empty entry into something looks at the size again afterwards. Either it sees the new
 * size, and undoes what it did (gmem_undo(), under size_lock, so that the file is not made
 * longer meanwhile), or punching sees the entry.
 *
 * 7. Lock order: policy_lock, size_lock; mmap_lock, size_lock, fork_lock, chunk->lock, (a second
 * fork_lock and chunk->lock: trylock only), page
 * lock, bind_lock, the binder's locks; chunk->lock, readers_lock, i_mmap_rwsem; chunk->lock, the
 * merge index' bucket lock; fork_lock, root_lock; mmap_lock, reader_mutex, a reader's lock, all
 * that a fault takes. Nothing is allocated under chunk->lock. The
 * page lock is never held while waiting for chunk->lock or fork_lock. Two gmems' policy_locks,
 * size_locks and fork_locks, all of them for a fork: in the order of their ids.
 *
 * 8. Forks. A fork gives the parent another holder and copies the root (fork.c); from then on
 * nothing below is marked with the holder of any gmem ("common"), until it is claimed (claim.c).
 * In what is common no entry is in transition, none is mapped writable, and a private page is
 * read-only like a shared one; only two things change there: GMEM_ZMAP comes, and when
 * a chunk is copied private becomes shared, in both copies. Against a fork of the same gmem:
 *	- Who changes entries holds fork_lock for read from the look at the holder to the end of
 *	  the transition (fill, break, punch, scan, freeze to thaw, policy changes): the fork
 *	  comes before or after. The kernel, when it writes to a page, is waited for.
 *	- A guest's fault looks at the holder without lock. Either it sees the new one, or it
 *	  looked before the fork's wrprotect(), which it notices as in point 4. A process's fault
 *	  holds fork_lock until the page is mapped, and a fork unmaps what it finds; page_mkwrite
 *	  keeps the page locked, so that nobody else maps it there, and the kernel sees that the
 *	  mapping is gone.
 *	- GUP: it takes its reference before it looks at the page table again (point 5), and the
 *	  fork looks for references after it has unmapped the page. If there is one it gives up.
 *	- Another fork: fork_lock. A change of policy or size: policy_lock and size_lock.
 *	- The end of a parent or child: each only counts down what it has. The last one
 *	  takes chunk->lock, and nobody can be in what is in no index. No recursion: three levels.
 *	- The merge engine passes over what is common: gmem_cursor_has(), gmem_cursor_get().
 *
 * 9. Resets. A gmem that can be reset holds its base, a fork that nobody else uses and that
 * claims nothing. So all that the base has stays common, and what is the gmem's own in a
 * directory or chunk was copied from it or made anew. Which entries have been changed since is
 * marked (gmem_note_changed()); reset.c puts the base's back in those.
 */
#ifndef DITTO_GMEM_INTERNAL_H
#define DITTO_GMEM_INTERNAL_H

#include <linux/fs.h>
#include <linux/kref.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/rwsem.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include "gmem/fork.h"
#include "gmem/gmem.h"
#include "gmem/page.h"
#include "gmem/weight.h"

#define GMEM_ROOT_SHIFT		(GMEM_CHUNK_SHIFT + GMEM_DIR_SHIFT)
#define GMEM_MAX_SIZE		(1ULL << 46)

/* An entry: a page's physical address and these. */
#define GMEM_PRESENT		(1UL << 0)
#define GMEM_SHARED		(1UL << 1)	/* only with PRESENT */
#define GMEM_LOCKED		(1UL << 2)	/* in transition; holder has chunk->lock */
#define GMEM_DIRTY		(1UL << 3)	/* written since the last scan */
#define GMEM_UWRITE		(1UL << 4)	/* maybe mapped writable by user space */
#define GMEM_PENDING		(1UL << 5)	/* changed, and not yet examined for merging */
#define GMEM_ZMAP		(1UL << 6)	/* empty: the zero page may be mapped here */
#define GMEM_ZEROED		(1UL << 7)	/* empty: was a page that merging found zero */
#define GMEM_CHURN_SHIFT	8		/* how often it broke soon after a merge */
#define GMEM_CHURN_MASK		(7UL << GMEM_CHURN_SHIFT)
#define GMEM_CHURN(n)		((unsigned long)(n) << GMEM_CHURN_SHIFT)
#define GMEM_APART		(1UL << 11)	/* only with SHARED: nobody may map it */
#define GMEM_ADDR		(((1UL << 52) - 1) & PAGE_MASK)
#define GMEM_WAIT_SHIFT		52		/* quiet scans to wait before examining */
#define GMEM_WAIT_MASK		(127UL << GMEM_WAIT_SHIFT)
#define GMEM_WAIT(n)		((unsigned long)(n) << GMEM_WAIT_SHIFT)
#define GMEM_STAMP_SHIFT	59		/* of what merging made: when; see gmem_stamp() */
#define GMEM_STAMP_MASK		(31UL << GMEM_STAMP_SHIFT)
#define GMEM_SOFT		(GMEM_DIRTY | GMEM_UWRITE | GMEM_PENDING | GMEM_WAIT_MASK)

/*
 * Scans that a page waits after it broke for the first time, and one that could not be merged.
 * Each time that it breaks soon after a merge it waits twice as long, up to 64 scans.
 */
#define GMEM_WAIT_BROKE		4
#define GMEM_WAIT_BUSY		4
#define GMEM_CHURN_MAX		4

#ifdef DITTO_KUNIT
extern unsigned long gmem_stamp_skew;
#else
#define gmem_stamp_skew		0
#endif

/* When a merge is: in units of 8 seconds. It begins again after 32 of them. */
static inline unsigned long gmem_stamp(void)
{
	return ((unsigned long)(jiffies / (8 * HZ) + gmem_stamp_skew) << GMEM_STAMP_SHIFT);
}

/* What an entry that merging shares or empties keeps of what it was, and notes. */
static inline unsigned long gmem_merge_note(unsigned long v)
{
	return (v & GMEM_CHURN_MASK) | gmem_stamp();
}

/*
 * An entry that merging made breaks: how long its page waits, and what is noted for the next
 * time. Soon is within 16 seconds; a merge of long ago is taken for one of just now once in
 * a while, which costs little.
 */
static inline unsigned long gmem_break_note(unsigned long v)
{
	unsigned long churn = (v & GMEM_CHURN_MASK) >> GMEM_CHURN_SHIFT;

	if ((gmem_stamp() - (v & GMEM_STAMP_MASK)) >> GMEM_STAMP_SHIFT > 1)
		return GMEM_WAIT(GMEM_WAIT_BROKE);
	return GMEM_WAIT(GMEM_WAIT_BROKE << churn) |
	       GMEM_CHURN(churn < GMEM_CHURN_MAX ? churn + 1 : churn);
}

/**
 * struct gmem_holder - a gmem, from one fork of it to the next: who may change what
 * @refs: of the gmem, and of each directory and chunk that is marked with it
 * @g: the gmem; NULL once it has been forked, or has ended. Read in RCU sections
 * @rcu: after the last reference
 */
struct gmem_holder {
	refcount_t refs;
	struct gmem *g;
	struct rcu_head rcu;
};

/**
 * struct gmem_chunk - the entries of 2 MiB
 * @refs: one of all directories together, and one of each user outside of an RCU section
 * @owners: directories that it is in. More come only while nobody may change those
 * @dead: no longer in any directory; under @lock
 * @lock: serializes transitions (see above)
 * @dir: the directory where its bits are; of the gmem that may change it, used by that only
 * @holder: who may change it, which is nobody if that is no gmem's of now; changed under @lock
 * @base: offset of entry 0; constant
 * @rcu: after the last reference
 * @changed: a bit for each entry that is other than in the base; maybe for more. Changed with
 *	fork_lock held
 * @entry: changed by cmpxchg, or under @lock by the one who set GMEM_LOCKED
 */
struct gmem_chunk {
	refcount_t refs;
	atomic_t owners;
	bool dead;
	struct mutex lock;
	struct gmem_dir *dir;
	struct gmem_holder *holder;
	pgoff_t base;
	struct rcu_head rcu;
	DECLARE_BITMAP(changed, GMEM_CHUNK_PAGES);
	unsigned long entry[GMEM_CHUNK_PAGES];
};

/**
 * struct gmem_dir - the chunks of 1 GiB
 * @owners: roots that it is in. More come only by a fork
 * @any_held: some bit of @held is set
 * @holder: who may change it; changed under that gmem's root_lock
 * @active: a bit for each chunk: some entry of it may be DIRTY, UWRITE or PENDING. Set after
 *	the entry, cleared before the entries are looked at. It may be left over from a chunk
 *	that is gone
 * @held: a bit for each chunk: of some page in it a reference for writing may have been taken
 *	that outlives the mapping or call it came by. Set before that; cleared by a fork
 * @changed: a bit for each chunk that has such, or is not there and was
 * @rcu: after the last owner
 * @chunk: set by cmpxchg from NULL, cleared under the chunk's lock
 */
struct gmem_dir {
	atomic_t owners;
	bool any_held;
	struct gmem_holder *holder;
	DECLARE_BITMAP(active, GMEM_DIR_CHUNKS);
	DECLARE_BITMAP(held, GMEM_DIR_CHUNKS);
	DECLARE_BITMAP(changed, GMEM_DIR_CHUNKS);
	struct rcu_head rcu;
	struct gmem_chunk __rcu *chunk[GMEM_DIR_CHUNKS];
};

/**
 * struct gmem_root - the directories of a gmem
 * @rcu: after a longer one has taken its place
 * @nr: length of @dir
 * @dir: set once, under the gmem's root_lock
 */
struct gmem_root {
	struct rcu_head rcu;
	unsigned long nr;
	struct gmem_dir *dir[];
};

/**
 * struct gmem - a guest memory object
 * @ref: of the file, of memslots, of a scan
 * @id: counts up in the order of creation, from 1; constant
 * @npages: size; constant but for files of a mount: there under @size_lock, read without
 * @flags: DITTO_GMEM_*; constant
 * @owner: the number of the only machine that may bind it, each offset once; 0: anybody may;
 *	constant once it has a file
 * @guest: GMEM_GUEST_*, where @owner is not 0; constant likewise
 * @base: what gmem_reset() puts back, referenced; constant once it has a file; NULL: cannot be
 * @is_base: it is that of another, and nobody changes it; constant likewise
 * @adoptee: it was memory of a process's (adopt.c); constant once it has a file; or NULL
 * @inode: user mappings hang off its i_mapping, but those of @readers; referenced; constant
 * @readers_lock: held for read while mappings of those are looked at
 * @readers: files open for reading only that were mapped; under @readers_lock (reader.c)
 * @reader_mutex: one change of who has such files and how often they are mapped
 * @reader_users: who has them; under @reader_mutex
 * @space: what its pages are counted in; referenced; constant; NULL without a mount
 * @memcg: the creator's, which pages and index are charged to; referenced; constant
 * @domain: who may share now: one of those below; NULL if nobody ever. Changed under
 *	@policy_lock while the engine is kept out
 * @tenant: with whom it is scanned; referenced; constant; NULL if it is not
 * @home: what @domain is under most policies, referenced; constant; NULL if it never merges
 * @self: its own, for the policy of that name; set once, under @policy_lock
 * @secure: for the policy of that name; likewise
 * @pool: frames for it; set before @secure
 * @max_policy: no policy with a greater number; constant
 * @policy: DITTO_POLICY_*; changed under @policy_lock
 * @policy_lock: one change at a time
 * @zero: the page that empty entries read from; NULL until one is read, then constant
 * @weight: in its owner's RSS
 * @free_work: frees it, where who dropped the last reference does not
 * @bind_lock: held for read while callbacks run
 * @bindings: interval tree of gmem_binding; under @bind_lock
 * @nr_private: entries with a page of their own
 * @nr_shared: entries that point at a shared page
 * @nr_zeroed: empty entries with GMEM_ZEROED
 * @nr_breaks: shared entries that a write turned private, ever
 * @nr_chunks: chunks in the directories
 * @nr_dirs: directories
 * @nr_pending: entries with GMEM_PENDING
 * @size_lock: changes of the size
 * @fork_lock: held for read by every change of an entry, and for write by a fork
 * @holder: marks what it may change; another one after each fork; changed under @fork_lock
 * @root_lock: changes of @root, and of the holders of its directories
 * @rcu: after the last reference
 * @root: directories
 */
struct gmem {
	struct kref ref;
	u64 id;
	pgoff_t npages;
	u32 flags;
	u64 owner;
	u32 guest;
	struct gmem *base;
	bool is_base;
	struct gmem_adoptee *adoptee;
	struct inode *inode;
	struct rw_semaphore readers_lock;
	struct list_head readers;
	struct mutex reader_mutex;
	struct list_head reader_users;
	struct gmem_space *space;
	struct mem_cgroup *memcg;
	struct gmem_domain *domain;
	struct gmem_domain *home;
	struct gmem_domain *self;
	struct gmem_domain *secure;
	struct gmem_pool *pool;
	u32 max_policy;
	u32 policy;
	struct mutex policy_lock;
	struct gmem_tenant *tenant;
	struct page *zero;
	struct gmem_weight weight;
	struct work_struct free_work;
	struct rw_semaphore bind_lock;
	struct rb_root_cached bindings;
	atomic_long_t nr_private;
	atomic_long_t nr_shared;
	atomic_long_t nr_zeroed;
	atomic_long_t nr_breaks;
	atomic_long_t nr_chunks;
	atomic_long_t nr_dirs;
	atomic_long_t nr_pending;
	struct mutex size_lock;
	struct rw_semaphore fork_lock;
	struct gmem_holder *holder;
	spinlock_t root_lock;
	struct rcu_head rcu;
	struct gmem_root __rcu *root;
};

/* The size now, in pages. The root that is read after it is long enough for it. */
static inline pgoff_t gmem_npages(const struct gmem *g)
{
	return smp_load_acquire(&g->npages);
}

static inline bool gmem_entry_private(unsigned long v)
{
	return (v & (GMEM_PRESENT | GMEM_SHARED)) == GMEM_PRESENT;
}

static inline struct page *gmem_entry_page(unsigned long v)
{
	return pfn_to_page((v & GMEM_ADDR) >> PAGE_SHIFT);
}

static inline void *gmem_entry_va(unsigned long v)
{
	return __va(v & GMEM_ADDR);
}

static inline unsigned long gmem_entry_make(struct page *page, unsigned long flags)
{
	return ((unsigned long)page_to_pfn(page) << PAGE_SHIFT) | GMEM_PRESENT | flags;
}

/* The same page in the same state, whatever the merge engine notes about it. */
static inline bool gmem_entry_same(unsigned long a, unsigned long b)
{
	return !((a ^ b) & ~GMEM_SOFT);
}

/* Inside an RCU section, or where the root is stable: the directory of @off, or NULL. */
static inline struct gmem_dir *gmem_dir_lookup(const struct gmem *g, pgoff_t off)
{
	return READ_ONCE(rcu_dereference_check(g->root, true)->dir[off >> GMEM_ROOT_SHIFT]);
}

/*
 * Inside an RCU section: the chunk of @off, or NULL. @off is or was below npages. A directory
 * that @g has replaced by a copy may be another gmem's by now, and have what that put there.
 */
static inline struct gmem_chunk *gmem_chunk_lookup(const struct gmem *g, pgoff_t off)
{
	struct gmem_chunk *c;
	struct gmem_dir *dir;

	do {
		dir = gmem_dir_lookup(g, off);
		if (unlikely(!dir))
			return NULL;
		c = rcu_dereference_check(dir->chunk[gmem_chunk_nr(off)],
					  rcu_read_lock_sched_held());
		/* Pairs with dir_disown(): the copy in its place, then one owner less. */
		smp_rmb();
	} while (unlikely(gmem_dir_lookup(g, off) != dir));
	return c;
}

/*
 * May @g change what is in @c, and write to its private pages? What a fork has made common has
 * no holder that is anybody's now. Without fork_lock the answer may be old: code that acts on it
 * is told of the fork by what it takes away.
 */
static inline bool gmem_chunk_held_by(const struct gmem_chunk *c, const struct gmem *g)
{
	return smp_load_acquire(&c->holder) == READ_ONCE(g->holder);
}

/*
 * In the RCU section in which @c was looked up: was what has been read in it @g's? Since the
 * lookup @g may have replaced it by a copy, and another gmem have changed it then.
 */
static inline bool gmem_chunk_was_of(const struct gmem_chunk *c, const struct gmem *g, pgoff_t off)
{
	/* Pairs with gmem_chunk_disown(): the copy in its place, then one owner less. */
	smp_rmb();
	return likely(gmem_chunk_held_by(c, g)) || gmem_chunk_lookup(g, off) == c;
}

/* Inside an RCU section: what the entry of @off says, 0 without a chunk. @off is below npages. */
static inline unsigned long gmem_entry_read(const struct gmem *g, pgoff_t off)
{
	struct gmem_chunk *c;
	unsigned long v;

	do {
		c = gmem_chunk_lookup(g, off);
		if (unlikely(!c))
			return 0;
		v = READ_ONCE(c->entry[off % GMEM_CHUNK_PAGES]);
	} while (unlikely(!gmem_chunk_was_of(c, g, off)));
	return v;
}

/*
 * Inside an RCU section: the entry of @off, or NULL. @off is below npages. Code that changes it, or
 * trusts what it says, sees to it that it is still @g's; else gmem_entry_read().
 */
static inline unsigned long *gmem_entry(const struct gmem *g, pgoff_t off)
{
	struct gmem_chunk *c = gmem_chunk_lookup(g, off);

	return likely(c) ? &c->entry[off % GMEM_CHUNK_PAGES] : NULL;
}

/* Note in a page which entry it is going to be in, privately. */
static inline void gmem_page_adopt(struct page *page, struct gmem_chunk *c, unsigned int nr)
{
	INIT_HLIST_NODE(gmem_page_node(page));
	gmem_page_set_owner(page, (unsigned long)c);
	*gmem_page_nr(page) = nr;
}

/* The chunk that a gmem's base has there, for as long as that lives; NULL without base, too. */
static inline struct gmem_chunk *gmem_base_chunk(const struct gmem *g, pgoff_t off)
{
	struct gmem_chunk *c;

	if (likely(!g->base))
		return NULL;
	rcu_read_lock();
	c = gmem_chunk_lookup(g->base, off);
	rcu_read_unlock();
	return c;
}

/* An entry is about to be, or has just become, other than in the base. With fork_lock. */
static inline void gmem_note_changed(struct gmem_chunk *c, unsigned int nr)
{
	if (test_bit(nr, c->changed))
		return;
	set_bit(nr, c->changed);
	set_bit(gmem_chunk_nr(c->base), c->dir->changed);
}

/* One entry is or is not to be examined any more: @old and @new are its values. */
static inline void gmem_count_pending(struct gmem *g, unsigned long old, unsigned long new)
{
	if ((old ^ new) & GMEM_PENDING)
		atomic_long_add(new & GMEM_PENDING ? 1 : -1, &g->nr_pending);
}

/* Does anybody but the index and user space's page tables have a reference? */
static inline bool gmem_page_held(struct page *page)
{
	return page_count(page) != 1 + gmem_page_mapcount(page);
}

struct gmem_cursor;

/* index.c */
int gmem_index_init(void);
void gmem_index_exit(void);
struct gmem_chunk *gmem_chunk_alloc(pgoff_t off, gfp_t gfp);
void gmem_chunk_free(struct gmem_chunk *c);
struct gmem_chunk *gmem_chunk_find(struct gmem *g, pgoff_t off);
void gmem_chunk_put(struct gmem_chunk *c);
void gmem_chunk_retire(struct gmem *g, struct gmem_chunk *c);
void gmem_chunk_touch(struct gmem_chunk *c);
pgoff_t gmem_next_chunk(struct gmem *g, pgoff_t off);
struct gmem_root *gmem_root_alloc(pgoff_t npages);
struct gmem_root *gmem_root_stable(const struct gmem *g);
int gmem_root_grow(struct gmem *g, pgoff_t npages);
pgoff_t gmem_index_end(struct gmem *g);
bool gmem_dir_missing(const struct gmem *g, pgoff_t off);
unsigned long gmem_entry_lock(struct gmem_chunk *c, unsigned int nr);
void gmem_entry_unlock(struct gmem_chunk *c, unsigned int nr, unsigned long v);
bool gmem_entry_set(unsigned long *e, unsigned long v, unsigned long set);
struct page *gmem_page_alloc(struct gmem *g, bool zero);
struct page *gmem_pages_alloc(struct gmem *g, unsigned int order);
void gmem_page_free(struct page *page);
struct page *gmem_zero_page(struct gmem *g);
void gmem_entry_drop(struct gmem *g, unsigned long v);
void gmem_page_drop(struct page *page);

/* claim.c */
struct gmem_holder *gmem_holder_new(struct gmem *g);
void gmem_holder_put(struct gmem_holder *h);
struct gmem_chunk *gmem_chunk_claim(struct gmem *g, pgoff_t off, gfp_t gfp);
struct gmem_chunk *gmem_chunk_get(struct gmem *g, pgoff_t off);
bool gmem_chunk_enter(struct gmem *g, struct gmem_chunk *c);
void gmem_chunk_leave(struct gmem *g, struct gmem_chunk *c);
void gmem_note_held(struct gmem_chunk *c);
struct gmem_dir *gmem_dir_claim(struct gmem *g, pgoff_t off);
void gmem_chunk_disown(struct gmem *g, struct gmem_chunk *c);
void gmem_chunk_part(struct gmem *g, struct gmem_chunk *c);
int gmem_chunk_leave_held(struct gmem *g, pgoff_t off);
void gmem_index_clear(struct gmem *g);
void gmem_index_free(struct gmem *g);

/* access.c */
void gmem_wait_for_writes(struct gmem *g);

/*
 * When the memory cgroup or the host is out of memory, the allocation fails and the caller
 * gets an error. The OOM killer is not called: the task that touches a page need not be in
 * the cgroup that pays for it.
 */
#define GMEM_GFP	(GFP_KERNEL_ACCOUNT | __GFP_RETRY_MAYFAIL | __GFP_NOWARN)

/* For what cannot fail. */
#define GMEM_GFP_MUST	(GFP_KERNEL_ACCOUNT | __GFP_NOFAIL)

/* pool.c */
struct gmem_pool *gmem_pool_new(struct gmem *g);
void gmem_pool_free(struct gmem_pool *pool);
struct page *gmem_pool_swap(struct gmem_pool *pool, struct page *page);

#endif
