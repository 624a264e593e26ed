/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A gmem in the RSS of its owner, and the OOM killer (weight.c).
 */
#ifndef DITTO_GMEM_WEIGHT_H
#define DITTO_GMEM_WEIGHT_H

#include <linux/spinlock.h>
#include <linux/types.h>

struct gmem;
struct gmem_domain;
struct kobject;
struct mm_struct;

/* Pages by which a gmem's weight may be wrong for a second. */
#define GMEM_WEIGHT_STEP	64

/**
 * struct gmem_weight - a gmem in the RSS of its owner (weight.c)
 * @lock: all of this
 * @mm: the owner's, its structure referenced; NULL while there is none
 * @domain: whose shared pages @shared are; the gmem has a reference; NULL while it is 0
 * @private: how many of the gmem's private pages are in the owner's RSS
 * @shared: how many shared pages are there besides
 */
struct gmem_weight {
	spinlock_t lock;
	struct mm_struct *mm;
	struct gmem_domain *domain;
	long private;
	long shared;
};

/* How many times to wait for gmems that are being freed before the kernel may go on and kill. */
#define OOM_PATIENCE	100

bool gmem_oom_wait(unsigned int *waited, bool coming);
void gmem_weight_oom(unsigned long *freed);
int gmem_weight_init(struct kobject *parent);
void gmem_weight_exit(void);
void gmem_weight_drain(void);
void gmem_weight_begin(struct gmem *g);
void gmem_weight_end(struct gmem *g);
long gmem_private_pages(void);
void gmem_weight_pass(struct gmem *g);

#endif
