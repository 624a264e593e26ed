/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is freed later (later.c): pages by RCU, and gmems by a worker.
 */
#ifndef DITTO_GMEM_LATER_H
#define DITTO_GMEM_LATER_H

#include <linux/types.h>

struct gmem;
struct page;

int gmem_later_init(void);
void gmem_later_exit(void);
void gmem_later_flush(void);
void gmem_put_page_later(struct page *page);
void gmem_put_pages_later(struct page *first, struct page *last, unsigned int n);
long gmem_pages_waiting(void);
void gmem_leaving(int n);
bool gmem_anyone_leaving(void);
bool gmem_free_later(struct gmem *g);

#endif
