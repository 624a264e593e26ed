/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a guest-physical address space is made of: the types that a VM and a vCPU have
 * members of. What can be done with them is in mmu.h and memo.h.
 */
#ifndef DITTO_MMU_TYPES_H
#define DITTO_MMU_TYPES_H

#include <linux/cache.h>
#include <linux/kvm.h>
#include <linux/kvm_types.h>
#include <linux/list.h>
#include <linux/maple_tree.h>
#include <linux/mmu_notifier.h>
#include <linux/mutex.h>
#include <linux/rbtree.h>
#include <linux/sched.h>
#include <linux/seqlock.h>
#include <linux/spinlock.h>
#include <linux/srcu.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include "gmem/gmem.h"

/* Debug builds account for every TLB flush that is owed: make DEBUG=1, or KASAN. */
#if defined(CONFIG_KASAN) && !defined(DITTO_DEBUG)
#define DITTO_DEBUG 1
#endif

struct dirty_ring;
struct memslot;
struct mmu;
struct shadow;
struct shadow_page;

/* Levels that the guest's own page tables can have. */
#define MMU_WALK_LEVELS	5

/* What an access does. */
#define MMU_READ	BIT(0)
#define MMU_WRITE	BIT(1)
#define MMU_EXEC	BIT(2)
#define MMU_USER	BIT(3)	/* guest walks: made at CPL 3 */
#define MMU_ASYNC	BIT(5)	/* faults: the caller has a use for MMU_FAULT_WAITS */
#define MMU_IMPLICIT	BIT(4)	/* guest walks: supervisor access to a descriptor table */

/**
 * struct tdp_format - bits of a nested page-table entry
 * @levels: 4 or 5
 * @max_level: largest leaf: 1 (4 KiB), 2 (2 MiB)
 * @table: bits of every entry that points at a table
 * @leaf: bits of every leaf (present/readable, memory type)
 * @device: the same, of a leaf that maps a device's memory
 * @writable: the page may be written
 * @exec: the page may be executed; 0 in NPT, which has @nx
 * @nx: the page may not be executed; 0 in EPT, which has @exec
 * @accessed: the CPU has used the entry; 0 where the format has no such bit
 * @dirty: the CPU has written through the leaf; 0 where the format has no such bit
 * @large: the entry is a 2 MiB leaf
 * @logged: the CPU logs whenever it sets @dirty, and mmu_note_written() is told
 */
struct tdp_format {
	u8 levels;
	u8 max_level;
	bool logged;
	u64 table, leaf, device;
	u64 writable, exec, nx, accessed, dirty, large;
};

/**
 * struct mmu_host - what the owner of a struct mmu provides
 * @format: of the TDP tables
 * @shadow: no CPU walks those; guests run on shadow tables, made from them (shadow.h)
 * @max_gfn: gfns at or above it are refused in memslots, and those that the tables
 *	cannot reach
 * @flush_tlbs: when this returns, every CPU that may have used the tables has
 *	flushed, or will flush before it enters the guest again.  Called in
 *	process context with mmu->lock held; may spin, not sleep
 * @collect_written: where the format is logged: when this returns, mmu_note_written() has been
 *	told of all that was written before it was called.  Process context; may spin, not sleep.
 *	NULL: nothing runs the tables
 * @check_epoch: does no vCPU run on translations that are older than this epoch?
 *	Called in debug builds before what was taken away is used again; any locks
 *	held.  May be NULL.
 * @ring_full: a ring has no more room than is reserved; called while the guest's memory is
 *	written to, spinlocks held
 */
struct mmu_host {
	const struct tdp_format *format;
	bool shadow;
	u64 max_gfn;
	void (*flush_tlbs)(struct mmu *mmu);
	void (*collect_written)(struct mmu *mmu);
	bool (*check_epoch)(struct mmu *mmu, u64 epoch);
	void (*ring_full)(struct dirty_ring *ring);
};

/**
 * struct paging_mode - how the guest translates addresses just now
 * @cr0: the guest's register; so the next four
 * @cr3: page-table root
 * @cr4: paging extensions
 * @efer: long mode, NX
 * @rflags: AC, for SMAP
 * @pkru: protection-key rights, used with CR4.PKE in long mode
 * @maxphyaddr: the guest's physical address width, 32 to 52
 *
 * The privilege level is not here: MMU_USER says it.
 */
struct paging_mode {
	u64 cr0, cr3, cr4, efer, rflags;
	u32 pkru;
	u8 maxphyaddr;
};

/**
 * struct walk_fault - why a walk of the guest's page tables ended: a page fault, #PF
 * @valid: it did; the other members are set
 * @error: the error code
 * @gva: the linear address, for cr2
 */
struct walk_fault {
	bool valid;
	u32 error;
	gva_t gva;
};

/**
 * struct mmu - the guest-physical address space of one VM
 *
 * Lock order: slots_lock > mm's mmap_lock, gmem's locks > lock.
 *
 * @host: constant
 * @slots_lock: serializes changes of memslots
 * @srcu: readers of the memslots
 * @slots_by_gfn: the memslots, in two equal trees: while one changes, readers use the
 *	other.  Changed under @slots_lock and @lock for write, so that either lock holds
 *	them still, too; read in sections of @srcu
 * @slots_seq: how often the trees changed; its last bit is the tree to read
 * @slots_removed: how many memslots were ever removed; changed like the trees
 * @slot_hint: the memslot that was found last, or NULL; racy.  Each removal switches to
 *	the other of the two, so that a reader that found the removed slot just before
 *	cannot store it where later readers look
 * @slots_by_hva: those that user memory backs; @lock
 * @hva_walks: the threads that go through them, and will again have @lock; @lock for write
 * @slots_by_id: by the VMM's number; @slots_lock
 * @gmems_lock: the next two; innermost
 * @gmems: what backs the gmem-backed ones and the windows, each once; read by RCU
 * @policy: what those may be shared with, DITTO_POLICY_*, or 0: what each says; written
 *	under @slots_lock
 * @gmems_tree: the same by address
 * @windows_dead: windows that are no longer looked up; @lock for write
 * @windows_passing: those before them, which readers may still have; filled when it is empty,
 *	@lock for write, and emptied by @windows_work
 * @nr_windows_dead: windows in both; likewise
 * @windows_rcu: when readers have them no more
 * @windows_work: frees them then
 * @nr_pages: sum of the memslots' sizes; @slots_lock, read without
 * @mm: of user-backed slots; set once under @slots_lock before the first exists
 * @notifier: registered in @mm once that is set
 * @lock: the TDP tables.  Read: faults add entries by cmpxchg.  Write: everything
 *	that takes a permission away or frees a table
 * @root: top TDP table; constant
 * @shadow: the shadow tables, or NULL when CPUs walk the TDP tables; constant
 * @nr_tables: TDP tables allocated, the root included
 * @max_tables: limit for @nr_tables; @slots_lock, read without
 * @asked_tables: the VMM's limit for them, or 0; @slots_lock
 * @maps_device: a device's memory was ever mapped; written under @lock, read without
 * @adopt_due: when to look next whether memory of @mm is to be adopted, in jiffies (adopt.c)
 * @adopt_lock: one looks
 * @adopt_wait: how long until the look after the next, if that finds nothing; @adopt_lock
 * @unadopted: what the last look found, as ditto_vm_info.unadopted; likewise, read without
 * @private_mem: gfns can be private; constant once there is a memslot
 * @owner: the number of guest_memfds of this machine; constant likewise
 * @privates: which gfns are; written under @slots_lock, read by RCU
 * @log_manual: KVM_DIRTY_LOG_* bits: who clears dirty logs, and what they begin with;
 *	@slots_lock
 * @ring_bytes: size of each vCPU's dirty ring; 0: dirty logs are bitmaps.  Set once, under
 *	@slots_lock, before there is a vCPU
 * @ring_late: pages wait for room in a ring; any thread
 * @ever_logged: a memslot ever had a dirty log; @slots_lock, read without
 * @inv_seq: invalidations, bumped before pages or memslots that it makes invalid are
 *	freed; written under @lock for write
 * @inv_active: invalidations of @mm in progress; @lock
 * @inv_start: first hva that they cover, while @inv_active; @lock
 * @inv_end: hva after the last; likewise
 * @epoch: permissions taken away so far; @lock for write (DITTO_DEBUG)
 * @epoch_flushed: the last @epoch that a flush has covered; likewise
 */
struct mmu {
	/* What each exit looks at. @slot_hint changes when vCPUs use several slots in turn. */
	struct memslot *slot_hint[2] ____cacheline_aligned_in_smp;
	unsigned int slots_removed;
	const struct mmu_host *host;
	u64 *root;
	struct shadow *shadow;
	struct mm_struct *mm;
	bool private_mem;
	unsigned long adopt_due;

	struct mutex slots_lock ____cacheline_aligned_in_smp;
	struct srcu_struct srcu;
	struct rb_root slots_by_gfn[2];
	seqcount_latch_t slots_seq;
	struct rb_root_cached slots_by_hva;
	struct list_head hva_walks;
	struct xarray slots_by_id;
	struct mutex gmems_lock;
	struct list_head gmems;
	u32 policy;
	struct rb_root gmems_tree;
	struct rcu_head windows_rcu;
	struct work_struct windows_work;
	u64 nr_pages;
	struct mutex adopt_lock;
	unsigned long adopt_wait;
	u32 unadopted;
	struct mmu_notifier notifier;
	struct maple_tree privates;
	u64 owner;
	u64 log_manual;
	long asked_tables;
	u32 ring_bytes;
	bool ring_late;

	/* What each fault writes to. */
	rwlock_t lock ____cacheline_aligned_in_smp;
	atomic_long_t nr_tables;
	long max_tables;
	bool maps_device;
	bool ever_logged;
	unsigned long inv_seq;
	unsigned long inv_active;
	unsigned long inv_start, inv_end;
	struct list_head windows_dead;
	struct list_head windows_passing;
	unsigned int nr_windows_dead;
#ifdef DITTO_DEBUG
	u64 epoch;
	u64 epoch_flushed;
#endif
};

/**
 * struct dirty_ring - which pages a vCPU wrote, in a ring that the VMM maps (ring.c)
 * @mmu: constant
 * @entries: the ring, or NULL.  The VMM writes there what it likes: nothing that is read
 *	there is believed
 * @size: its entries, a power of two; constant
 * @limit: so many are in use when the vCPU has to wait for the VMM; constant
 * @lock: one may enter a page at a time
 * @entered: pages ever entered; written under @lock
 * @reset: how many of them the VMM has given back; written under mmu->slots_lock
 */
struct dirty_ring {
	struct mmu *mmu;
	struct kvm_dirty_gfn *entries;
	u32 size, limit;
	spinlock_t lock;
	u32 entered;
	u32 reset;
};

/* Places where a guest may be walking through its memory at the same time. */
#define FAULT_STREAKS	4

/**
 * struct fault_streaks - a vCPU's memory of its last TDP faults; of its owner
 *
 * Guests mostly come to new memory page by page, upwards. A fault right behind the one
 * before resolves twice as many pages as that did: the pages are zeroed and mapped a
 * little sooner, and the exits between are saved.
 *
 * @streak: @next: the gfn behind what the last fault there resolved; @window: how many
 *	that was allowed to be, 0: unused; @used: when, in faults
 * @faults: those that asked for a streak
 * @error: -errno of the last fault that was MMU_FAULT_FAILED
 * @map: what a fault under way found; here because it is too large for a stack
 */
struct fault_streaks {
	struct {
		gfn_t next;
		unsigned int window;
		unsigned int used;
	} streak[FAULT_STREAKS];
	unsigned int faults;
	int error;
	struct gmem_mapping map[GMEM_FAULT_MAX];
};

/**
 * struct walk_memo - a walk that ended well; of the vCPU's owner
 * @seq: mmu->inv_seq before it
 * @page: gva >> PAGE_SHIFT
 * @access: MMU_* bits
 * @nr: entries that it met; 0: nothing is remembered
 * @mode: that it was made in
 * @gpa: of the page
 * @data: the page's bytes in the host, to be read; NULL when it is no gmem page
 * @entry: where the entries are; the last one's again behind the @nr
 * @value: what they were
 */
struct walk_memo {
	unsigned long seq;
	u64 page;
	u32 access;
	unsigned int nr;
	struct paging_mode mode;
	gpa_t gpa;
	const void *data;
	const u64 *entry[MMU_WALK_LEVELS];
	u64 value[MMU_WALK_LEVELS];
};

/* Shadow pages that a fault may need: one a level, and a new root. */
#define SHADOW_CACHE	(MMU_WALK_LEVELS + 1)

/**
 * struct shadow_vcpu - a vCPU's part of shadow paging; owner
 *
 * @root: the table that the CPU begins with, or NULL
 * @pae: the root of guests that are not in long mode: 4 entries, below 4 GiB; or NULL
 * @mode: how the guest translated when @root was chosen
 * @cache: shadow pages to be used by the next fault
 * @nr_cache: how many
 */
struct shadow_vcpu {
	struct shadow_page *root;
	struct shadow_page *pae;
	struct paging_mode mode;
	struct shadow_page *cache[SHADOW_CACHE];
	unsigned int nr_cache;
};

#endif
