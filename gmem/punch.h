/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Ranges that end: holes (punch.c), and a file that becomes shorter or longer (resize.c).
 */
#ifndef DITTO_GMEM_PUNCH_H
#define DITTO_GMEM_PUNCH_H

#include <linux/types.h>

struct gmem;

/* punch.c */
void gmem_punch_surely(struct gmem *g, pgoff_t start, pgoff_t end);
void gmem_punch_rest(struct gmem *g, pgoff_t start);

/* resize.c */
int gmem_resize(struct gmem *g, pgoff_t npages);
int gmem_undo(struct gmem *g, pgoff_t off);

#endif
