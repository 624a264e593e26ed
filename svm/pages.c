// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pages that the CPU itself uses while a guest runs: VMCBs, host save areas, permission
 * maps.
 *
 * On a host with a reverse map table (SEV-SNP) the CPU marks some of these pages as in use.
 * Some CPUs then treat the whole 2 MiB around such a page as in use if the page is the
 * first of those 2 MiB, and a write by anybody to any of it faults. So none of these pages
 * is at a 2 MiB boundary. Avoiding that costs nothing, so it is done on every host.
 */
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/pgtable.h>

#include "svm/svm.h"

/**
 * svm_pages_unsafe() - may the CPU take what is around these pages for in use?
 * @pfn: of the first
 *
 * Return: whether it may.
 */
bool svm_pages_unsafe(unsigned long pfn)
{
	return IS_ALIGNED(pfn, PTRS_PER_PMD);
}

/* Of twice as many the half that is safe. */
static struct page *pages_alloc_twice(gfp_t gfp, unsigned int order)
{
	struct page *all = alloc_pages(gfp, order + 1), *unused;
	unsigned int nr = 1 << order;

	if (!all)
		return NULL;
	split_page(all, order + 1);
	unused = svm_pages_unsafe(page_to_pfn(all)) ? all : all + nr;
	svm_pages_free(unused, order);
	return unused == all ? all + nr : all;
}

/**
 * svm_pages_alloc() - 2^order pages in a row, for the CPU's use
 * @gfp: may have __GFP_ZERO and __GFP_ACCOUNT, must be able to sleep
 * @order: at most that of eight pages
 *
 * They are safe; each page counts for itself.
 *
 * Return: the first page, or NULL when there is no memory.
 */
struct page *svm_pages_alloc(gfp_t gfp, unsigned int order)
{
	struct page *page = alloc_pages(gfp, order);

	if (!page)
		return NULL;
	split_page(page, order);
	if (likely(!svm_pages_unsafe(page_to_pfn(page))))
		return page;
	svm_pages_free(page, order);
	return pages_alloc_twice(gfp, order);
}

/**
 * svm_pages_free() - undo svm_pages_alloc()
 * @page: the first, or NULL
 * @order: as there
 */
void svm_pages_free(struct page *page, unsigned int order)
{
	unsigned int i;

	for (i = 0; page && i < 1 << order; i++)
		__free_page(page + i);
}
