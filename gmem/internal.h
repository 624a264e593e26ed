/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The inside of gmem: the page index and who may change it how, and struct gmem. Only gmem/
 * includes this.
 *
 * An entry's bits are in entry.h, chunks and directories in index.h, and who may change them is
 * in claim.h. Each other header is named after the .c file whose functions it declares, except for
 * mappings.h (reader.c) and sharers.h (index.c).
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
 *			in many gmems; the page counts its entries ("sharers"). GMEM_FORKED
 *			says whose work that is, and nobody acts on it. With
 *			GMEM_APART (policy "secure") no matter what touches it, even to read,
 *			gets a copy
 *	squeezed	address of an object | GMEM_APART: compressed (squeeze.h)
 * each of them plus GMEM_LOCKED while it is being changed, and with bits of the
 * merge engine's that no reader cares about (GMEM_SOFT).
 *
 * 3. Transitions, and who makes them (all under the chunk's mutex but the first two):
 *	empty -> private	fill_quick(), fill_run(): cmpxchg, only while nobody can
 *				have the zero page mapped there (no GMEM_ZMAP)
 *	empty -> empty|ZMAP	a read fault is about to map the zero page
 *	empty|ZMAP -> private	entry_break(): lock, zap the zero page, replace
 *	all of a chunk, empty or empty|ZMAP -> private
 *				gmem_fill_whole(): lock, zap the zero page, replace
 *	shared -> private	entry_break(): lock, copy, zap, replace
 *	any -> empty		chunk_punch(): lock, zap, replace
 *	private -> shared	gmem_freeze() + gmem_share() of the merge engine
 *	private -> shared	gmem_freeze() + gmem_replace(): another page, equal
 *	private -> empty	gmem_freeze() + gmem_replace_zero(): sets GMEM_ZEROED
 *	private -> squeezed	gmem_freeze_some() + squeeze_commit()
 *	squeezed -> private	entry_break(): lock, fill, replace; nothing is mapped
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
 * 7. Lock order: policy_lock, size_lock; mmap_lock, chunk->filling, fork_lock; mmap_lock,
 * size_lock, fork_lock, chunk->lock, (a second fork_lock and chunk->lock: trylock only), page
 * lock, bind_lock, the binder's locks; chunk->lock, readers_lock, i_mmap_rwsem; chunk->lock, the
 * merge index' bucket lock; fork_lock, root_lock; mmap_lock, reader_mutex, a reader's lock, all
 * that a fault takes. Nothing is allocated under chunk->lock. The
 * page lock is never held while waiting for chunk->lock or fork_lock. Two gmems' policy_locks,
 * size_locks and fork_locks, all of them for a fork: in the order of their ids.
 *
 * 8. Forks. A fork gives the parent another holder and copies the root (fork.c); from then on
 * nothing below is marked with the holder of any gmem ("common"), until it is claimed (claim.c).
 * In what is common no entry is in transition, none is mapped writable, and a private page is
 * read-only like a shared one; only three things change there: GMEM_ZMAP comes, an idle page is
 * idle no more (squeeze.h), and when
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
 *
 * 10. Whole chunks, whose pages lie in one piece so that a binder can map them by one entry, are
 * in whole.c. Who is about to lock an entry, with the chunk's lock held, calls gmem_chunk_split()
 * before.
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

#include "gmem/gmem.h"
#include "gmem/page.h"
#include "gmem/weight.h"

#define GMEM_MAX_SIZE		(1ULL << 46)

/**
 * struct gmem - a guest memory object
 * @ref: of the file, of memslots, of a scan
 * @id: counts up in the order of creation, from 1; constant
 * @npages: size; constant except for files of a mount: there under @size_lock, read without
 * @flags: DITTO_GMEM_* and GMEM_HUGE_ADVISED; constant
 * @advice: what mappings of it were advised: 1: huge pages, -1: none, 0: nothing
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
 * @policy_changes: it is being changed, and "off" meanwhile
 * @policy_lock: one change at a time
 * @zero: the page that empty entries read from; NULL until one is read, then constant
 * @weight: in its owner's RSS
 * @free_work: frees it, where who dropped the last reference does not
 * @bind_lock: held for read while callbacks run
 * @bindings: interval tree of gmem_binding; under @bind_lock
 * @nr_private: entries with a page of their own
 * @nr_shared: entries that point at a shared page
 * @nr_zeroed: empty entries with GMEM_ZEROED
 * @nr_squeezed: entries whose contents are compressed (squeeze.h)
 * @squeezed_bytes: what these have been compressed to
 * @nr_breaks: shared entries that a write turned private, ever
 * @nr_whole: whole chunks that it may change
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
	int advice;
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
	bool policy_changes;
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
	atomic_long_t nr_squeezed;
	atomic_long_t squeezed_bytes;
	atomic_long_t nr_breaks;
	atomic_long_t nr_whole;
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

/* weight.c */
void gmem_count_private(struct gmem *g, long n);

#endif
