/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The merge engine: of the pages of guest memory with equal contents, keep one. Begin to
 * read here; then thread.c (which pages, and when), advisor.c (how many), merge.c (one page),
 * step.c (some pages at once), index.c (finding equals), digest.c (reading pages), sysfs.c (the
 * knobs). What gmem does for it is in gmem/merge.h, gmem/scan.c and gmem/freeze.c.
 *
 * The kernel's own mm/ksm.c visits every page of its areas again and again, and keeps trees
 * that are ordered by the pages' contents. Here gmem owns the pages and knows which of them
 * were written, so the engine asks first, and reads only what has changed:
 *
 *	1. A page that is written is marked. Guests' writes set dirty bits in the TDP tables,
 *	   which gmem_scan_chunk() collects from the bindings; the kernel's own writes set
 *	   GMEM_DIRTY; a page that user space may write has GMEM_UWRITE.
 *	2. A scan of a chunk turns these marks into GMEM_PENDING: changed, and not examined
 *	   since. A pending page that the next scan finds unwritten is ripe. So a page is read
 *	   when it has been calm for one pass; one that is written all the time is never read.
 *	3. merge_step() reads some ripe pages, each once: is it all zero, and what is its digest?
 *	   A zero page is freed, and its entry becomes empty, which reads as zero.
 *	4. merge_index_find() looks for pages of the same domain with the same digest. Without
 *	   an equal one the page goes into the index, loses GMEM_PENDING, and is not read
 *	   again until it has been written.
 *	5. With a candidate the page is frozen, so that nobody can write to it, and all of its
 *	   4096 bytes are compared. Only then does the entry point at the shared page. A
 *	   digest decides which pages are compared, never that they are equal.
 *	6. A write to a shared page gives the writer a copy of its own (gmem_own()). That copy,
 *	   and a page that could not be merged because it changed or somebody held it, is left
 *	   alone for some more scans (GMEM_WAIT).
 *	7. A page that is part of 2 MiB in one piece is merged only when many of these can be:
 *	   until then it is noted that it could (gmem_cursor_gains()).
 *
 * Why the cost follows the writes, and neither the size of memory nor the number of gmems.
 * One pass costs
 *
 *	- for each page that was written since the last pass: some bit operations, and later,
 *	  once it is calm, one reading and one lookup (steps 3 to 5). A lookup walks over at
 *	  most MAX_WALK pages and compares at most MAX_TRIES of them (index.c, merge.c), so it
 *	  has a bound whatever the contents of memory are;
 *	- for each directory (1 GiB) that has memory: one survey, which says which of its chunks
 *	  (2 MiB) may have been written. A guest cannot write without the CPU's walking through
 *	  the TDP entry of those 2 MiB, whose accessed bit says so: some 512 entries are read
 *	  and nothing below them (binding_survey() in mmu/binding.c). Where the CPU logs writes
 *	  (VMX with PML) it is a bit for each 2 MiB. Writes that come another way mark the
 *	  chunk (gmem_chunk_touch());
 *	- for each chunk that the survey names: one harvest, which reads the dirty bits of its
 *	  leaves. If nothing was written, and nothing in the chunk is active, that is all
 *	  (scan_locked());
 *	- nothing for pages that were examined and not written since, for shared pages, and for
 *	  offsets that have no directory (gmem_scan_seek(); a gmem without chunks is one step).
 *
 * So guests that do not touch their memory cost one survey per GiB and pass, and no page of
 * theirs is read. And the operator limits the whole: a survey, a chunk and a page each count as
 * one page of pages_to_scan, a batch ends after PAGE_NSECS for each of them at the latest, and then
 * the thread sleeps for sleep_millisecs (thread.c).
 *
 * Nobody can make this long for others. Tenants have turns, and who used more time than a
 * turn has is skipped until that is made up for (thread.c); a range that too many map is
 * skipped (gmem_crowded()); contents cannot be chosen such that digests collide (digest.c).
 */
#ifndef DITTO_KSM_INTERNAL_H
#define DITTO_KSM_INTERNAL_H

#include <linux/atomic.h>
#include <linux/kobject.h>
#include <linux/rwsem.h>

#include "gmem/merge.h"

/* Values of the knob "run". */
#define MERGE_STOP	0
#define MERGE_RUN	1
#define MERGE_UNMERGE	2

/* What became of a page that was looked at. */
enum merge_result {
	MERGE_NONE,		/* no page to look at: the entry has changed */
	MERGE_ZERO,		/* it was all zero, the entry is empty now */
	MERGE_SHARED,		/* it points at an equal page now */
	MERGE_UNIQUE,		/* there is none equal to it */
	MERGE_VOLATILE,		/* it changed meanwhile, or somebody holds it */
	MERGE_MISMATCH,		/* (inside merge.c) the candidate is not equal */
	MERGE_STALE,		/* (inside merge.c) the candidate has left the index */
	MERGE_BUSY,		/* (inside merge.c) the candidate could not be looked at */
};

/* Those that merge_one() returns, for people. */
#define MERGE_RESULTS							\
	{ MERGE_NONE, "changed" }, { MERGE_ZERO, "zero" }, { MERGE_SHARED, "shared" }, \
	{ MERGE_UNIQUE, "unique" }, { MERGE_VOLATILE, "volatile" }

/**
 * struct merge_candidate - a page that may equal another, held
 * @page: the page
 * @shared: it is shared, and has been given a sharer in advance
 * @cur: if not: its entry
 */
struct merge_candidate {
	struct page *page;
	bool shared;
	struct gmem_cursor cur;
};

/* Pages of a step. */
#define MERGE_STEP	32

/**
 * struct merge_item - a page of a step
 * @nr: its entry in the chunk
 * @page: what is there, or NULL
 * @digest: of it
 * @zero: it is all zero, and has no digest
 * @found: there is a candidate
 * @cand: it
 * @result: what became of the page
 */
struct merge_item {
	unsigned int nr;
	struct page *page;
	u32 digest;
	bool zero;
	bool found;
	struct merge_candidate cand;
	enum merge_result result;
};

/**
 * struct merge_step - some pages of a chunk, which are merged together
 * @n: how many
 * @nr_frozen: how many of them were to be frozen
 * @item: the pages
 * @freeze: those to be frozen, for gmem
 * @frozen: the same for us: which item, and is it zero or equal to its shared candidate?
 */
struct merge_step {
	unsigned int n;
	unsigned int nr_frozen;
	struct merge_item item[MERGE_STEP];
	struct gmem_freeze freeze[MERGE_STEP];
	struct {
		struct merge_item *item;
		bool equal;
	} frozen[MERGE_STEP];
};

/**
 * struct merge_advisor - what the operator asks of the advisor; as in the kernel's own
 * @on: mode "scan-time"; else "none"
 * @max_cpu: percent of one CPU that the engine may take; of the time between two batches
 * @min_pages: lower limit of pages_to_scan
 * @max_pages: upper limit
 * @target_secs: how long a round over everything that has to be looked at should take
 */
struct merge_advisor {
	bool on;
	unsigned int max_cpu;
	unsigned int min_pages;
	unsigned int max_pages;
	unsigned int target_secs;
};

/**
 * struct merge_knobs - what the operator sets and reads
 * @lock: for read: batches of workers; for write: a change of @run, or of the index' table
 * @run: MERGE_*; written under @lock
 * @pages_to_scan: pages per batch, which may take so long that each takes 50 us
 * @sleep_millisecs: between batches
 * @workers: threads; changed by merge_set_workers()
 * @max_cpu: percent of one CPU that they may take together, 0 for no limit
 * @use_zero_pages: zero pages are given back; else they are pages like others
 * @max_page_sharing: entries that a page may be shared by
 * @merge_across_nodes: pages of different NUMA nodes may be merged
 * @pages_skipped: how often a page was left alone that had broken or was held not long ago
 * @advisor: sets @pages_to_scan (advisor.c)
 * @full_scans: passes over all guest memory: of every tenant's
 * @pages_scanned: pages examined
 * @starts: how often @run was set: passes do not wait for their time then; under @lock
 * @changes: how often something changed that the thread has to see
 */
struct merge_knobs {
	struct rw_semaphore lock;
	unsigned int run;
	unsigned int pages_to_scan;
	unsigned int sleep_millisecs;
	unsigned int workers;
	unsigned int max_cpu;
	bool use_zero_pages;
	unsigned int max_page_sharing;
	bool merge_across_nodes;
	atomic_long_t pages_skipped;
	struct merge_advisor advisor;
	unsigned long full_scans;
	atomic_long_t pages_scanned;
	unsigned int starts;
	atomic_t changes;
};

extern struct merge_knobs merge_knobs;

/* digest.c */
void merge_digest_init(void);
void merge_read_begin(void);
void merge_read_end(void);
u32 merge_digest(const void *page, const hsiphash_key_t *key);
bool merge_page_zero(const void *page);
bool merge_pages_equal(const void *a, const void *b);
#ifdef DITTO_KUNIT
extern u32 (*merge_digest_override)(const void *page, const hsiphash_key_t *key);
bool merge_use_vectors(bool use);
#endif

/* index.c */
int merge_index_init(void);
void merge_index_exit(void);
void merge_index_release(void);
unsigned long merge_index_bytes(void);
unsigned long merge_index_unshared(void);
bool merge_index_insert(struct page *page, u32 digest, struct gmem_domain *domain,
			unsigned int known);
void merge_index_insert_apart(struct page *page, u32 digest);
void merge_index_sweep(void);
bool merge_index_apart(void);
void merge_index_forget(struct page *page);
void merge_index_share(struct page *page, struct gmem_domain *domain);
bool merge_index_find(struct gmem_domain *domain, u32 digest, int nid, unsigned int nth,
		      struct merge_candidate *cand);
int merge_index_check(struct seq_file *m);

/* merge.c */
enum merge_result merge_one(struct gmem_cursor *cur);
enum merge_result merge_join_frozen(struct gmem_cursor *cur, struct page *page, u32 digest,
				    struct merge_candidate *cand);
enum merge_result merge_keep_unique(struct gmem_cursor *cur, struct page *page, u32 digest,
				    unsigned int known);
enum merge_result merge_keep_whole(struct gmem_cursor *cur, struct page *page, const u32 *digest);
enum merge_result merge_candidate_whole(struct gmem_cursor *cur, struct merge_candidate *cand);
void merge_candidate_put(struct merge_candidate *cand);

/* secure.c */
enum merge_result merge_secure(struct gmem_cursor *cur);

/* step.c */
unsigned int merge_step(struct merge_step *s, struct gmem_cursor *cur, const unsigned long *ripe,
			unsigned int *nr, unsigned int most);

/* thread.c */
int merge_set_workers(unsigned int nr);
void merge_thread_wake(void);
int merge_set_run(unsigned int run);

/* advisor.c */
void merge_advise(u64 round_nsecs, u64 busy_nsecs);

/* sysfs.c */
int merge_sysfs_add(struct kobject *parent);
void merge_sysfs_remove(void);

#endif
