/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guest memory objects, as the rest of the module sees them.
 *
 * A gmem owns pages and knows no VM, no SPTE and no CPU. What maps its pages
 * outside of the kernel's own page tables (the MMU) registers a binding, and
 * plays by the fault protocol below. Mappings made by mmap are gmem's own affair.
 *
 * The fault protocol of a binder, step by step:
 *
 *	1. seq = the binder's own invalidation sequence count (with acquire).
 *	2. gmem_fault(g, off, write, &map): no lock held, may sleep.
 *	3. Take the binder's mapping lock (mmu_lock). If an invalidation that covers
 *	   @off is in progress or ended since step 1: drop the lock, start again.
 *	4. Write the SPTE with map.pfn; never writable unless map.writable. Where gmem_whole() said
 *	   so after step 2, it may map the whole chunk, as map.writable says.
 *
 * No page reference changes hands. It is gmem that never lets go of a page
 * before ops->zap() of every binding that covers its offset has returned, and
 * that never lets a page become read-only (merging, fork) before ops->zap() or
 * ops->wrprotect() has returned.
 *
 * What the binder owes in return: the callbacks bump that sequence count under
 * the mapping lock, and when they return the permissions they took away are gone
 * from every TLB. When the binder itself drops or write-protects a mapping whose
 * dirty bit is set (a memslot goes away, page tables are recycled, the dirty log),
 * it calls gmem_mark_dirty(), or the merge engine would miss that write (a page
 * not merged, never a wrong one). So it does in ops->zap() where gmem_has_whole():
 * a whole chunk is zapped when one of its pages goes.
 */
#ifndef DITTO_GMEM_GMEM_H
#define DITTO_GMEM_GMEM_H

#include <linux/interval_tree.h>
#include <linux/kobject.h>
#include <linux/list.h>
#include <linux/mm_types.h>
#include <linux/types.h>

struct gmem;
struct gmem_binding;
struct seq_file;
struct ditto_create_gmem;
struct ditto_gmem_stats;
struct ditto_memory;

/**
 * struct gmem_mapping - what a fault on an offset resolves to
 * @pfn: the page to map
 * @writable: whether it may be mapped writable. True for every private page, also
 *	when the fault was a read, so that a binder with hardware dirty bits can
 *	spare the second fault. False for the zero page and for shared pages.
 */
struct gmem_mapping {
	unsigned long pfn;
	bool writable;
};

/**
 * struct gmem_usage - what a gmem holds, in bytes, as its counters say
 * @resident: offsets that have a page, shared ones included
 * @shared: offsets that read from a shared page
 * @saved: of these, what others pay for: estimated from what the shared pages of its
 *	domain save on the average
 */
struct gmem_usage {
	u64 resident;
	u64 shared;
	u64 saved;
};

/**
 * struct gmem_kinds - of what kinds the memory of some gmems is, in bytes
 * @unique: pages that one gmem has to itself
 * @merged: offsets that read from a page which merging made shared
 * @forked: offsets that read from a page which a fork made common, also when the others have gone
 *	since
 * @compressed: offsets whose contents are compressed
 * @compressed_to: what these have been compressed to
 * @zero: offsets whose zero page was given back
 * @huge: of @unique, in whole chunks
 * @breaks: no bytes: how often a write gave a shared one its own page again
 * @end: in jiffies: what has not been looked at by then counts as merged, not as forked; 0: never
 */
struct gmem_kinds {
	unsigned long end;
	u64 unique;
	u64 merged;
	u64 forked;
	u64 compressed;
	u64 compressed_to;
	u64 zero;
	u64 huge;
	u64 breaks;
};

/* Pages of a chunk, and chunks of a directory: what the engine looks at in one go. */
#define GMEM_CHUNK_SHIFT	9
#define GMEM_CHUNK_PAGES	(1UL << GMEM_CHUNK_SHIFT)
#define GMEM_DIR_SHIFT		9
#define GMEM_DIR_CHUNKS		(1UL << GMEM_DIR_SHIFT)

/* The number of a chunk in its directory. */
static inline unsigned int gmem_chunk_nr(pgoff_t off)
{
	return (off >> GMEM_CHUNK_SHIFT) % GMEM_DIR_CHUNKS;
}

/* Pages that one fault resolves at most: their zeroing takes some 20 microseconds. */
#define GMEM_FAULT_MAX	64

/* What a binding's check() reports for each of its live mappings. */
typedef void (*gmem_check_fn)(void *ctx, pgoff_t off, unsigned long pfn, bool writable);

/**
 * struct gmem_binding_ops - callbacks of a binding
 * @zap: every mapping of offsets [start, end) is gone, and flushed from every TLB,
 *	when it returns; a fault that is under way for them starts again
 * @wrprotect: the same, but the mappings stay readable
 * @harvest: for each offset in [start, end) that was written through this binding
 *	since the last harvest, set bit (off - start) of @bitmap and clear the dirty
 *	state, such that a later write sets it again (flush if the CPU caches dirty
 *	bits). Bits are only ever set: the bitmap comes in with those of others.
 * @revoke: a process changes what may be done through mappings of the range, by which the
 *	binder may have come to it.  No chunk's mutex is held; the process's mmap_lock is,
 *	for write
 * @survey: optional: for each chunk of [start, end), which lies in one directory, set the bit
 *	gmem_chunk_nr() of @chunks if harvest() may find something there. What is written
 *	after it returns the next survey tells. Without it every chunk is harvested always
 * @zap_some: optional: zap() of the offsets base + n for each bit n of @set, a chunk's,
 *	that the binding covers, with one flush for all
 * @check: optional: call fn(ctx, off, pfn, writable) for every live mapping in
 *	[start, end); for the checker, at a quiet moment
 *
 * All others are called from process context with a chunk's mutex and the gmem's binding
 * lock held. They may take spinning locks and wait for vCPUs to leave the guest,
 * but call nothing in gmem.h and wait for nobody who may be inside it. Offsets are
 * in pages, relative to the gmem, and clipped to the binding's range.
 */
struct gmem_binding_ops {
	void (*zap)(struct gmem_binding *b, pgoff_t start, pgoff_t end);
	void (*wrprotect)(struct gmem_binding *b, pgoff_t start, pgoff_t end);
	void (*harvest)(struct gmem_binding *b, pgoff_t start, pgoff_t end,
			unsigned long *bitmap);
	void (*revoke)(struct gmem_binding *b, pgoff_t start, pgoff_t end);
	void (*survey)(struct gmem_binding *b, pgoff_t start, pgoff_t end,
		       unsigned long *chunks);
	void (*zap_some)(struct gmem_binding *b, pgoff_t base, const unsigned long *set);
	void (*check)(struct gmem_binding *b, pgoff_t start, pgoff_t end,
		      gmem_check_fn fn, void *ctx);
};

/**
 * struct gmem_binding - a range of a gmem that somebody maps; embed it
 * @node: range, last offset inclusive, in the gmem's tree; under its binding lock
 * @ops: constant while bound
 * @mm: of the process that bound it, its structure referenced, for the weight; or NULL;
 *	constant while bound
 */
struct gmem_binding {
	struct interval_tree_node node;
	const struct gmem_binding_ops *ops;
	struct mm_struct *mm;
};

/* First offset of a binding, in pages of the gmem; constant while bound. */
static inline pgoff_t gmem_binding_start(const struct gmem_binding *b)
{
	return b->node.start;
}

/* Offset after the last of a binding, in pages of the gmem; constant while bound. */
static inline pgoff_t gmem_binding_end(const struct gmem_binding *b)
{
	return b->node.last + 1;
}

/* Life (file.c). */
int gmem_init(struct kobject *parent);
void gmem_exit(void);
void gmem_drain(void);
int gmem_ioctl_create(const struct ditto_create_gmem *args);
struct gmem *gmem_create_obj(u64 size, u32 flags);
int gmem_create(u64 size, u32 flags);
struct gmem *gmem_get_fd(int fd);
struct gmem *gmem_get(struct gmem *g);
void gmem_put(struct gmem *g);
u64 gmem_size(const struct gmem *g);
void gmem_stats(struct gmem *g, struct ditto_gmem_stats *st);
void gmem_usage(struct gmem *g, struct gmem_usage *u);
int gmem_measure(struct gmem *const *gmems, unsigned int nr, struct ditto_memory *m);
void gmem_kinds(struct gmem *g, struct gmem_kinds *k);

/* What a user may have so many of only (tenant.c). */
enum gmem_counted {
	GMEM_COUNTED_FORKS,	/* machines that forks made */
	GMEM_COUNTED_WAITS,	/* threads that wait for his memory */
	GMEM_COUNTED
};

struct gmem_tenant *gmem_tenant_count(enum gmem_counted what, unsigned int max);
void gmem_tenant_uncount(struct gmem_tenant *t, enum gmem_counted what);

/* What may be shared (policy.c). */
int gmem_set_policy(struct gmem *g, u32 policy);
int gmem_limit_policy(struct gmem *g, u32 policy);
bool gmem_has_policy(const struct gmem *g, u32 policy);
bool gmem_policy_valid(u32 policy);
u32 gmem_policy(const struct gmem *g);

/* Those that only a machine sees (guest.c). */
/* How a gmem is that only a machine sees. */
#define GMEM_GUEST_MAP		BIT(0)	/* processes can map it */
#define GMEM_GUEST_SHARED	BIT(1)	/* and see its pages there */

int gmem_create_guest(u64 size, u64 owner, u32 how);
bool gmem_guest_is_mappable(const struct gmem *g);
struct gmem *gmem_get_guest_fd(int fd, u64 owner);

/* Their file system (fs.c). */
int gmem_fs_register(void);
void gmem_fs_unregister(void);

/* Bindings (bind.c). */
int gmem_bind(struct gmem *g, struct gmem_binding *b, pgoff_t start, pgoff_t end,
	      const struct gmem_binding_ops *ops);
void gmem_unbind(struct gmem *g, struct gmem_binding *b);

/* Mappings in user space (umap.c). */
struct gmem *gmem_mapped_by(const struct vm_area_struct *vma);

/* Memory of a process's that becomes a gmem (adopt.c). */
int gmem_adopt(unsigned long hva, u32 policy, unsigned long *next, u32 *why);

/* Faults of binders (fault.c). */
int gmem_fault(struct gmem *g, pgoff_t off, bool write, struct gmem_mapping *out);
int gmem_fault_run(struct gmem *g, pgoff_t off, bool write, struct gmem_mapping *out,
		   unsigned int n);
void gmem_mark_dirty(struct gmem *g, pgoff_t off);
void gmem_mark_chunk_dirty(struct gmem *g, pgoff_t off);

/* 2 MiB in one piece (whole.c). */
bool gmem_whole(struct gmem *g, pgoff_t off, unsigned long pfn);
bool gmem_has_whole(const struct gmem *g);

/* The kernel's own accesses (access.c). */
int gmem_read(struct gmem *g, u64 pos, void *buf, size_t len);
const void *gmem_peek(struct gmem *g, pgoff_t off);
int gmem_write(struct gmem *g, u64 pos, const void *buf, size_t len);
int gmem_cmpxchg(struct gmem *g, u64 pos, unsigned int size, u64 *old, u64 new, bool *swapped);
void *gmem_pin_page(struct gmem *g, pgoff_t off, bool write);
void gmem_unpin_page(struct gmem *g, pgoff_t off, void *va, bool dirty);

/* Punching (punch.c). */
int gmem_punch(struct gmem *g, pgoff_t start, pgoff_t end);
int gmem_give_back(struct gmem *g, pgoff_t start, pgoff_t end, unsigned long *given,
		   unsigned long *held);

/* The from-scratch checker (check.c). */
int gmem_check_all(struct seq_file *m);

#endif
