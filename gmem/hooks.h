/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What gmem tells the merge engine (index.c), and a test of the checker.
 */
#ifndef DITTO_GMEM_HOOKS_H
#define DITTO_GMEM_HOOKS_H

struct gmem_domain;
struct page;
struct seq_file;

void gmem_merge_share(struct page *page, struct gmem_domain *d);
int gmem_merge_check(struct seq_file *m);
void gmem_merge_settle(void);
void gmem_merge_idle(void);
bool gmem_merge_runs(void);

#ifdef DITTO_KUNIT
/* Called by the checker when it has seen all entries. */
extern void (*gmem_check_between)(void);

/*
 * Called when a chunk is filled whole, and the first @nr of its pages are there: from 0, after the
 * allocation, on; with its lock held; and once more, without, when it is over.
 */
extern void (*gmem_whole_between)(unsigned int nr);
#endif

#endif
