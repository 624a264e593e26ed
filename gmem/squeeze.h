/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Compressed pages, as the rest of gmem sees them: two more kinds of entry, and what is done with
 * them. squeeze.c has the essay; store.h is of what keeps the bytes.
 *
 *	idle		a private page's, and GMEM_APART: nobody maps it, and who touches it takes
 *			the bit away. GMEM_STAMP says since when, in passes; GMEM_WAIT, how many
 *			passes it is left alone because it could not be compressed
 *	squeezed	GMEM_APART without GMEM_PRESENT, and where its struct gmem_squeezed is. It
 *			has contents, which are in no page
 */
#ifndef DITTO_GMEM_SQUEEZE_H
#define DITTO_GMEM_SQUEEZE_H

#include <linux/err.h>
#include <linux/kobject.h>

#include "gmem/entry.h"
#include "gmem/internal.h"

/* squeeze.c */
int gmem_squeeze_init(struct kobject *parent);
void gmem_squeeze_exit(void);
void gmem_squeeze_drain(void);
void gmem_count_squeezed(struct gmem *g, unsigned long v, long n);
unsigned long gmem_squeezed_pages(const struct gmem *g);
int gmem_unsqueeze(struct gmem *g, pgoff_t off, unsigned long v, struct page *page);
bool gmem_squeeze_oom(void);
#ifdef DITTO_KUNIT
/* Called when pages have been copied and compressed, and are not yet frozen. */
extern void (*gmem_squeeze_between)(void);
#endif

#endif
