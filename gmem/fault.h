/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Faults from inside of gmem (fault.c): an entry gets a page of its own, or is waited for.
 */
#ifndef DITTO_GMEM_FAULT_H
#define DITTO_GMEM_FAULT_H

#include <linux/types.h>

struct gmem;

int gmem_own(struct gmem *g, pgoff_t off);
int gmem_settle(struct gmem *g, pgoff_t off);
void gmem_quarantine(struct gmem *g, pgoff_t off);

#endif
