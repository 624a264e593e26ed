/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Cursors (merge.h), where gmem itself looks behind one (freeze.c).
 */
#ifndef DITTO_GMEM_CURSOR_H
#define DITTO_GMEM_CURSOR_H

struct gmem_cursor;

unsigned long gmem_cursor_entry(const struct gmem_cursor *cur);
void gmem_thaw(struct gmem_cursor *cur, unsigned long soft);

#endif
