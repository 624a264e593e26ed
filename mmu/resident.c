// SPDX-License-Identifier: GPL-2.0-only
/*
 * How much of user-backed slots is there: what the process's page tables map, counted, since
 * nobody keeps a count for a part of a process. Nothing is changed, faulted in or waited for.
 * Not counted are zero pages, devices, and a gmem's pages, which have counts of their own.
 *
 * The hard part is that the process goes on meanwhile, and may end. Its page tables are read
 * as GUP reads them: with IRQs off none of them is freed, and each entry is read once.
 */
#include <linux/mm.h>
#include <linux/pgtable.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>

#include "mmu/types.h"
#include "mmu/resident.h"

/* Is it the process's? It may be freed meanwhile, and only the count is wrong then. */
static bool is_resident(unsigned long pfn)
{
	return pfn_valid(pfn) && !is_zero_pfn(pfn) &&
	       READ_ONCE(compound_head(pfn_to_page(pfn))->mapping);
}

static u64 count_ptes(pmd_t pmd, unsigned long hva, unsigned long end)
{
	u64 pages = 0;
	pte_t pte;

	for (; hva != end; hva += PAGE_SIZE) {
		pte = READ_ONCE(*pte_offset_kernel(&pmd, hva));
		pages += pte_present(pte) && is_resident(pte_pfn(pte));
	}
	return pages;
}

static u64 count_huge(unsigned long pfn, unsigned long hva, unsigned long end)
{
	return is_resident(pfn) ? (end - hva) >> PAGE_SHIFT : 0;
}

/* Pages from @hva to *@end, which becomes the end of what the entry there covers. IRQs off. */
static u64 count_entry(struct mm_struct *mm, unsigned long hva, unsigned long *end)
{
	pgd_t pgd = READ_ONCE(*pgd_offset(mm, hva));
	p4d_t p4d;
	pud_t pud;
	pmd_t pmd;

	*end = pgd_addr_end(hva, *end);
	if (pgd_none(pgd))
		return 0;
	p4d = READ_ONCE(*p4d_offset(&pgd, hva));
	*end = p4d_addr_end(hva, *end);
	if (p4d_none(p4d) || !p4d_present(p4d))
		return 0;
	pud = READ_ONCE(*pud_offset(&p4d, hva));
	*end = pud_addr_end(hva, *end);
	if (pud_none(pud) || !pud_present(pud))
		return 0;
	if (pud_leaf(pud))
		return count_huge(pud_pfn(pud), hva, *end);
	pmd = READ_ONCE(*pmd_offset(&pud, hva));
	*end = pmd_addr_end(hva, *end);
	if (pmd_none(pmd) || !pmd_present(pmd))
		return 0;
	return pmd_leaf(pmd) ? count_huge(pmd_pfn(pmd), hva, *end) : count_ptes(pmd, hva, *end);
}

static u64 count_range(struct mm_struct *mm, unsigned long hva, unsigned long end)
{
	unsigned long next;
	u64 pages = 0;

	for (; hva != end && !fatal_signal_pending(current); hva = next) {
		next = end;
		local_irq_disable();
		pages += count_entry(mm, hva, &next);
		local_irq_enable();
		cond_resched();
	}
	return pages;
}

/* The first range at or above @hva that a slot has; false: there is none. */
static bool next_range(struct mmu *mmu, unsigned long *hva, unsigned long *end)
{
	struct interval_tree_node *n;

	read_lock(&mmu->lock);
	n = interval_tree_iter_first(&mmu->slots_by_hva, *hva, ULONG_MAX);
	if (n) {
		*hva = max(*hva, n->start);
		*end = n->last + 1;
	}
	read_unlock(&mmu->lock);
	return n;
}

/**
 * mmu_user_pages() - how many pages are behind user-backed slots
 * @mmu: kept by the caller
 *
 * Those that the process's page tables map, as its resident set counts them; of addresses
 * that several slots have, once. Process context; takes @lock for a moment, and no other;
 * its time grows with the page tables of the slots' memory.
 *
 * Return: pages of 4 KiB.
 */
u64 mmu_user_pages(struct mmu *mmu)
{
	struct mm_struct *mm = READ_ONCE(mmu->mm);
	unsigned long hva = 0, end;
	u64 pages = 0;

	if (!mm || !mmget_not_zero(mm))
		return 0;
	for (; next_range(mmu, &hva, &end); hva = end)
		pages += count_range(mm, hva, end);
	mmput(mm);
	return pages;
}
