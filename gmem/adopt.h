/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the move of memory into a gmem (adopt.c) and what comes after it (adopted.c) share.
 */
#ifndef DITTO_GMEM_ADOPT_H
#define DITTO_GMEM_ADOPT_H

#include <linux/migrate.h>
#include <linux/mmu_notifier.h>
#include <linux/rmap.h>

#include "gmem/internal.h"

/*
 * Kernels may be built without what freezes pages. Others hide how an anon_vma is kept, have no
 * count in mmap_lock (PREEMPT_RT), or drop pages without mmap_lock, so that adopter_drop() cannot
 * know what it sees (Kbuild looks). There nothing is adopted.
 */
#if defined(DITTO_CAN_ADOPT) && !defined(CONFIG_PREEMPT_RT)
#define ADOPT_POSSIBLE	IS_ENABLED(CONFIG_DEVICE_MIGRATION)

/* Bit 0 of the count: a writer has it. No reader has, then. */
static inline bool mm_is_changed(struct mm_struct *mm)
{
	return atomic_long_read(&mm->mmap_lock.count) & 1;
}

static inline void anon_hold(struct anon_vma *anon)
{
	if (anon)
		atomic_inc(&anon->refcount);
}

/* If nobody else has it any more, it stays: the kernel lets no module free it. */
static inline void anon_drop(struct anon_vma *anon)
{
	if (anon)
		atomic_add_unless(&anon->refcount, -1, 1);
}
#else
#define ADOPT_POSSIBLE	false

static inline bool mm_is_changed(struct mm_struct *mm) { return true; }
static inline void anon_hold(struct anon_vma *anon) { }
static inline void anon_drop(struct anon_vma *anon) { }
#endif

/**
 * struct adoption - a vm_mmap() of ours that is under way
 * @g: what is to be mapped
 * @start: first hva
 * @end: hva after the last
 * @pos: where @start is in @g, in bytes
 * @join: it is mapped already, in pieces
 * @ready: get_unmapped_area() has done its part
 * @unmapped: the kernel is taking the old mapping away, or has done so
 * @flags: VM_* that the new mapping takes over
 * @anon: whose reverse map the frozen pages are in, referenced until @unmapped; or NULL
 * @freeze: the frozen pages
 * @odd: bit for each page that was not frozen at first
 */
struct adoption {
	struct gmem *g;
	unsigned long start, end;
	u64 pos;
	bool join;
	bool ready;
	bool unmapped;
	vm_flags_t flags;
	struct anon_vma *anon;
	struct migrate_vma freeze;
	unsigned long *odd;
};

/**
 * struct gmem_adopter - a process that has adopted memory; lives as long as that, by its files
 * @mn: in the process's mm
 * @lock: one adoption at a time
 * @task: who holds @lock, for callbacks to know themselves; else NULL
 * @now: its adoption; of @task
 */
struct gmem_adopter {
	struct mmu_notifier mn;
	struct mutex lock;
	struct task_struct *task;
	struct adoption now;
};

/**
 * struct gmem_adoptee - of a gmem that was anonymous memory
 * @adopter: whose; until the file ends
 * @mm: its; only compared
 * @lock: @unmappers
 * @unmappers: tasks in which gmem itself takes page tables away
 */
struct gmem_adoptee {
	struct gmem_adopter *adopter;
	struct mm_struct *mm;
	spinlock_t lock;
	struct list_head unmappers;
};

/* The adoption that the current task has under way with a gmem, or NULL. */
static inline struct adoption *adoption_now(const struct gmem *g)
{
	struct gmem_adopter *ad = g->adoptee->adopter;

	return READ_ONCE(ad->task) == current && ad->now.g == g ? &ad->now : NULL;
}

/* adopted.c */
struct gmem *gmem_vma_adoptee(const struct vm_area_struct *vma);
bool gmem_adoptee_mapped(struct gmem *g, pgoff_t first, pgoff_t end);
struct gmem_adoptee *gmem_adoptee_new(void);
void gmem_adoptee_cancel(struct gmem_adoptee *a);

#endif
