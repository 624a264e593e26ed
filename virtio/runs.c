// SPDX-License-Identifier: GPL-2.0-only
/*
 * Single page numbers become runs, because memory is given back much more cheaply in runs. A
 * guest's allocator hands pages out in runs, most of them ascending or descending, so a page
 * that is next to the one before it makes that one's run longer at once; what is sorted is not
 * pages but runs, and there are few. A guest that makes them many pays for it in its own time:
 * there are at most RUNS_MAX.
 */
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/sort.h>

#include "virtio/runs.h"

static bool run_extend(struct run *run, gfn_t gfn)
{
	if (gfn + 1 == run->gfn)
		run->gfn--;
	else if (gfn != run->gfn + run->npages)
		return false;
	run->npages++;
	return true;
}

/**
 * run_within() - the pages that are wholly in a range
 * @addr: its first byte
 * @len: its length; it does not wrap
 *
 * The end of all addresses is in no page: rounding up there would begin at 0.
 *
 * Return: the run, which may have no pages.
 */
struct run run_within(gpa_t addr, u64 len)
{
	gfn_t gfn = (addr >> PAGE_SHIFT) + !!offset_in_page(addr);
	gfn_t end = (addr + len) >> PAGE_SHIFT;

	return (struct run){ .gfn = gfn, .npages = end > gfn ? end - gfn : 0 };
}

/**
 * runs_add() - one more page
 * @runs: begins with @nr 0
 * @gfn: the page; may be there already
 *
 * Return: false: there is no room.
 */
bool runs_add(struct runs *runs, gfn_t gfn)
{
	if (runs->nr && run_extend(&runs->run[runs->nr - 1], gfn))
		return true;
	if (runs->nr == RUNS_MAX)
		return false;
	runs->run[runs->nr++] = (struct run){ .gfn = gfn, .npages = 1 };
	return true;
}

static int run_cmp(const void *a, const void *b)
{
	const struct run *x = a, *y = b;

	return x->gfn < y->gfn ? -1 : x->gfn > y->gfn;
}

/**
 * runs_merge() - sort them, and make one of those that touch or overlap
 * @runs: any
 */
void runs_merge(struct runs *runs)
{
	u32 i, last = 0;

	sort(runs->run, runs->nr, sizeof(runs->run[0]), run_cmp, NULL);
	for (i = 1; i < runs->nr; i++) {
		struct run *to = &runs->run[last], *from = &runs->run[i];

		if (from->gfn <= to->gfn + to->npages)
			to->npages = max(to->npages, from->gfn + from->npages - to->gfn);
		else
			runs->run[++last] = *from;
	}
	if (runs->nr)
		runs->nr = last + 1;
}
