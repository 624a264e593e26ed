/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Forks of guest memory objects, as code that forks a machine sees them (fork.c).
 */
#ifndef DITTO_GMEM_FORK_H
#define DITTO_GMEM_FORK_H

#include <linux/types.h>

struct gmem;

struct gmem *gmem_fork(struct gmem *parent);
struct gmem *gmem_fork_prepare(struct gmem *parent);
int gmem_fork_commit(struct gmem *parent, struct gmem *child);
void gmem_fork_own(struct gmem *child, const struct gmem *parent, u64 owner);
void gmem_fork_base(struct gmem *child, struct gmem *base);
bool gmem_has_base(const struct gmem *g, const struct gmem *base);
int gmem_reset(struct gmem *g);
int gmem_open(struct gmem *g, int mode);

#endif
