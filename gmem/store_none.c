// SPDX-License-Identifier: GPL-2.0-only
/*
 * In the place of store.c, for kernels without a store for compressed pages (CONFIG_ZSMALLOC) or
 * without compressors (CONFIG_CRYPTO), or with real-time preemption: it cannot be opened, so no
 * page is ever compressed, and what is done with those that are is never called.
 */
#include <linux/bug.h>
#include <linux/string.h>

#include "gmem/store.h"

/**
 * gmem_store_can_open() - has this kernel been built with what it takes?
 *
 * Return: false.
 */
bool gmem_store_can_open(void)
{
	return false;
}

/**
 * gmem_store_open() - see that pages can be compressed
 * @algorithm: unused
 *
 * Return: -EOPNOTSUPP.
 */
int gmem_store_open(const char *algorithm)
{
	return -EOPNOTSUPP;
}

/**
 * gmem_store_is_open() - can pages be compressed?
 *
 * Return: false.
 */
bool gmem_store_is_open(void)
{
	return false;
}

/**
 * gmem_store_exit() - nothing to end
 */
void gmem_store_exit(void)
{
}

/**
 * gmem_squeezed_make() - compress a page
 * @page: unused, as the others
 * @g: whose it is
 * @domain: whose gmems may share it
 *
 * Return: ERR_PTR(-EOPNOTSUPP).
 */
struct gmem_squeezed *gmem_squeezed_make(const void *page, struct gmem *g,
					 struct gmem_domain *domain)
{
	return ERR_PTR(-EOPNOTSUPP);
}

/**
 * gmem_squeezed_get() - never called
 * @s: there is none
 */
void gmem_squeezed_get(struct gmem_squeezed *s)
{
	WARN_ON_ONCE(1);
}

/**
 * gmem_squeezed_put() - never called
 * @s: there is none
 */
void gmem_squeezed_put(struct gmem_squeezed *s)
{
	WARN_ON_ONCE(1);
}

/**
 * gmem_squeezed_load() - never called
 * @s: there is none
 * @page: unused
 *
 * Return: -EIO.
 */
int gmem_squeezed_load(const struct gmem_squeezed *s, void *page)
{
	WARN_ON_ONCE(1);
	return -EIO;
}

/**
 * gmem_squeezed_bytes() - never called
 * @s: there is none
 *
 * Return: 0.
 */
unsigned int gmem_squeezed_bytes(const struct gmem_squeezed *s)
{
	return 0;
}

/**
 * gmem_squeezed_refs() - never called
 * @s: there is none
 *
 * Return: 0.
 */
unsigned int gmem_squeezed_refs(const struct gmem_squeezed *s)
{
	return 0;
}

/**
 * gmem_store_figures() - count
 * @f: the figures, all 0
 */
void gmem_store_figures(struct gmem_store_figures *f)
{
	memset(f, 0, sizeof(*f));
}
