/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The inside of the merge engine: digest.c reads pages, index.c finds equal ones,
 * merge.c merges two, thread.c decides when and what, sysfs.c is the operator's side.
 */
#ifndef DITTO_KSM_INTERNAL_H
#define DITTO_KSM_INTERNAL_H

#include <linux/atomic.h>
#include <linux/kobject.h>
#include <linux/mutex.h>

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

/**
 * struct merge_knobs - what the operator sets and reads
 * @lock: one batch of the thread, or one change of @run, at a time
 * @run: MERGE_*; written under @lock
 * @pages_to_scan: pages per batch, which may take so long that each takes 50 us
 * @sleep_millisecs: between batches
 * @full_scans: passes over all guest memory: of every tenant's; under @lock
 * @pages_scanned: pages examined; under @lock
 * @starts: how often @run was set: passes do not wait for their time then; under @lock
 * @changes: how often something changed that the thread has to see
 */
struct merge_knobs {
	struct mutex lock;
	unsigned int run;
	unsigned int pages_to_scan;
	unsigned int sleep_millisecs;
	unsigned long full_scans;
	unsigned long pages_scanned;
	unsigned int starts;
	atomic_t changes;
};

extern struct merge_knobs merge_knobs;

/* digest.c */
void merge_digest_init(void);
u32 merge_digest(const void *page, const hsiphash_key_t *key);
bool merge_page_zero(const void *page);
bool merge_pages_equal(const void *a, const void *b);
#ifdef DITTO_KUNIT
extern u32 (*merge_digest_override)(const void *page, const hsiphash_key_t *key);
#endif

/* index.c */
int merge_index_init(void);
void merge_index_exit(void);
void merge_index_release(void);
unsigned long merge_index_bytes(void);
unsigned long merge_index_unshared(void);
void merge_index_insert(struct page *page, u32 digest);
void merge_index_forget(struct page *page);
void merge_index_share(struct page *page, struct gmem_domain *domain);
bool merge_index_find(struct gmem_domain *domain, u32 digest, unsigned int nth,
		      struct merge_candidate *cand);
int merge_index_check(struct seq_file *m);

/* merge.c */
enum merge_result merge_one(struct gmem_cursor *cur);

/* thread.c */
int merge_thread_start(void);
void merge_thread_stop(void);
void merge_thread_wake(void);
int merge_set_run(unsigned int run);

/* sysfs.c */
int merge_sysfs_add(struct kobject *parent);
void merge_sysfs_remove(void);

#endif
