/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A gmem that was a process's own memory, as the rest of gmem sees it (adopted.c).
 */
#ifndef DITTO_GMEM_ADOPTEE_H
#define DITTO_GMEM_ADOPTEE_H

#include <linux/list.h>
#include <linux/mm_types.h>
#include <linux/sched.h>

struct gmem;

/**
 * struct gmem_unmapper - gmem is taking page tables away
 * @task: in which
 * @node: among those of the gmem
 */
struct gmem_unmapper {
	struct task_struct *task;
	struct list_head node;
};

void gmem_unmap_begin(struct gmem *g, struct gmem_unmapper *u);
void gmem_unmap_end(struct gmem *g, struct gmem_unmapper *u);
void gmem_adopted_close(struct vm_area_struct *vma);
void gmem_adopt_free(struct gmem *g);
void gmem_adopt_exit(void);

#endif
