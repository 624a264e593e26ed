/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the owner of a gmem lets merging do with it (policy.c).
 */
#ifndef DITTO_GMEM_POLICY_H
#define DITTO_GMEM_POLICY_H

#include <linux/types.h>

struct gmem;

/* policy.c */
const char *gmem_policy_name(u32 policy);
u32 gmem_policy_by_name(const char *name);
int gmem_policy_begin(struct gmem *g, u32 policy);
int gmem_policy_fork(struct gmem *g, struct gmem *parent);
void gmem_policy_end(struct gmem *g);

/* scan.c */
int gmem_undo_merging(struct gmem *g, bool zeroed);

#endif
