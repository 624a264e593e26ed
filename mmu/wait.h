/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Pages that have to be waited for, and threads that do (wait.c).
 */
#ifndef DITTO_MMU_WAIT_H
#define DITTO_MMU_WAIT_H

#include <linux/workqueue.h>

#include "mmu/types.h"

/**
 * struct mmu_wait - a page that a thread of the kernel's waits for (wait.c)
 * @work: it
 * @mm: the process, kept meanwhile
 * @user: who it is counted for
 * @hva: the page
 * @write: for a write
 * @done: called when it is over
 */
struct mmu_wait {
	struct work_struct work;
	struct mm_struct *mm;
	struct gmem_tenant *user;
	unsigned long hva;
	bool write;
	void (*done)(struct mmu_wait *w);
};

int mmu_wait_init(void);
void mmu_wait_exit(void);
bool mmu_wait_begin(struct mmu *mmu, struct mmu_wait *w, gpa_t gpa, bool write,
		    void (*done)(struct mmu_wait *w));

#endif
