/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Runs of pages: what single page numbers are put together to. Knows no device and no memory.
 */
#ifndef DITTO_VIRTIO_RUNS_H
#define DITTO_VIRTIO_RUNS_H

#include <linux/kvm_types.h>
#include <linux/types.h>

/* How many runs are collected at most. */
#define RUNS_MAX	1024u

/**
 * struct run - a run of pages
 * @gfn: the first
 * @npages: how many; of those in struct runs at least one
 */
struct run {
	gfn_t gfn;
	u64 npages;
};

/**
 * struct runs - some runs, which may overlap until they are merged
 * @nr: how many
 * @run: they
 */
struct runs {
	u32 nr;
	struct run run[RUNS_MAX];
};

struct run run_within(gpa_t addr, u64 len);
bool runs_add(struct runs *runs, gfn_t gfn);
void runs_merge(struct runs *runs);

#endif
