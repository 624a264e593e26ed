/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where the bytes of compressed pages are: store.c, or store_none.c where the kernel has nothing of
 * the kind.
 */
#ifndef DITTO_GMEM_STORE_H
#define DITTO_GMEM_STORE_H

#include <linux/types.h>

struct gmem;
struct gmem_domain;
struct gmem_squeezed;

bool gmem_store_can_open(void);
int gmem_store_open(const char *algorithm);
bool gmem_store_is_open(void);
void gmem_store_exit(void);
struct gmem_squeezed *gmem_squeezed_make(const void *page, struct gmem *g,
					 struct gmem_domain *domain);
void gmem_squeezed_get(struct gmem_squeezed *s);
void gmem_squeezed_put(struct gmem_squeezed *s);
int gmem_squeezed_load(const struct gmem_squeezed *s, void *page);
unsigned int gmem_squeezed_bytes(const struct gmem_squeezed *s);
unsigned int gmem_squeezed_refs(const struct gmem_squeezed *s);

/**
 * struct gmem_store_figures - what the store has, and had
 * @entries: that are compressed
 * @objects: different contents of theirs
 * @bytes: that these have been compressed to, with what each costs besides
 * @pool_pages: pages of memory that the kernel's store takes for them
 * @rejected: how often a page did not become small enough
 * @joined: how often contents were there already
 */
struct gmem_store_figures {
	long entries;
	long objects;
	long bytes;
	unsigned long pool_pages;
	long rejected;
	long joined;
};

void gmem_store_figures(struct gmem_store_figures *f);

#endif
