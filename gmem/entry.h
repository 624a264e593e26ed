/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An entry of the index: the bits beside a page's address. What they mean together, and who
 * changes them how, is in the essay in internal.h.
 */
#ifndef DITTO_GMEM_ENTRY_H
#define DITTO_GMEM_ENTRY_H

#include <linux/jiffies.h>
#include <linux/mm.h>

struct gmem_squeezed;

/* An entry: a page's physical address and these. */
#define GMEM_PRESENT		(1UL << 0)
#define GMEM_SHARED		(1UL << 1)	/* only with PRESENT */
#define GMEM_LOCKED		(1UL << 2)	/* in transition; holder has chunk->lock */
#define GMEM_DIRTY		(1UL << 3)	/* written since the last scan */
#define GMEM_UWRITE		(1UL << 4)	/* maybe mapped writable by user space */
#define GMEM_PENDING		(1UL << 5)	/* changed, and not yet examined for merging */
#define GMEM_ZMAP		(1UL << 6)	/* empty: the zero page may be mapped here */
#define GMEM_FORKED		GMEM_ZMAP	/* shared: by a fork, not by merging */
#define GMEM_ZEROED		(1UL << 7)	/* empty: was a page that merging found zero */
#define GMEM_CHURN_SHIFT	8		/* how often it broke soon after a merge */
#define GMEM_CHURN_MASK		(7UL << GMEM_CHURN_SHIFT)
#define GMEM_CHURN(n)		((unsigned long)(n) << GMEM_CHURN_SHIFT)
#define GMEM_APART		(1UL << 11)	/* nobody may map it; without SHARED: squeeze.h */
#define GMEM_ADDR		(((1UL << 52) - 1) & PAGE_MASK)
#define GMEM_WAIT_SHIFT		52		/* quiet scans to wait before examining */
#define GMEM_WAIT_MASK		(127UL << GMEM_WAIT_SHIFT)
#define GMEM_WAIT(n)		((unsigned long)(n) << GMEM_WAIT_SHIFT)
#define GMEM_STAMP_SHIFT	59		/* of what merging made: when; see gmem_stamp() */
#define GMEM_STAMP_MASK		(31UL << GMEM_STAMP_SHIFT)
#define GMEM_SOFT		(GMEM_DIRTY | GMEM_UWRITE | GMEM_PENDING | GMEM_WAIT_MASK)

/*
 * Scans that a page waits after it broke for the first time, and one that could not be merged.
 * Each time that it breaks soon after a merge it waits twice as long, up to 64 scans.
 */
#define GMEM_WAIT_BROKE		4
#define GMEM_WAIT_BUSY		4
#define GMEM_CHURN_MAX		4

#ifdef DITTO_KUNIT
extern unsigned long gmem_stamp_skew;
#else
#define gmem_stamp_skew		0
#endif

/* When a merge is: in units of 8 seconds. It begins again after 32 of them. */
static inline unsigned long gmem_stamp(void)
{
	return ((unsigned long)(jiffies / (8 * HZ) + gmem_stamp_skew) << GMEM_STAMP_SHIFT);
}

/* What an entry that merging shares or empties keeps of what it was, and notes. */
static inline unsigned long gmem_merge_note(unsigned long v)
{
	return (v & GMEM_CHURN_MASK) | gmem_stamp();
}

/*
 * An entry that merging made breaks: how long its page waits, and what is noted for the next
 * time. Soon is within 16 seconds; a merge of long ago is taken for one of just now once in
 * a while, which costs little.
 */
static inline unsigned long gmem_break_note(unsigned long v)
{
	unsigned long churn = (v & GMEM_CHURN_MASK) >> GMEM_CHURN_SHIFT;

	if ((gmem_stamp() - (v & GMEM_STAMP_MASK)) >> GMEM_STAMP_SHIFT > 1)
		return GMEM_WAIT(GMEM_WAIT_BROKE);
	return GMEM_WAIT(GMEM_WAIT_BROKE << churn) |
	       GMEM_CHURN(churn < GMEM_CHURN_MAX ? churn + 1 : churn);
}

static inline bool gmem_entry_private(unsigned long v)
{
	return (v & (GMEM_PRESENT | GMEM_SHARED)) == GMEM_PRESENT;
}

/* These are aligned so, and so an entry has room for the address of one of them below 64 TiB. */
#define GMEM_SQUEEZED_SHIFT	6

static inline bool gmem_entry_squeezed(unsigned long v)
{
	return (v & (GMEM_PRESENT | GMEM_APART)) == GMEM_APART;
}

static inline bool gmem_entry_idle(unsigned long v)
{
	return (v & (GMEM_PRESENT | GMEM_SHARED | GMEM_APART)) == (GMEM_PRESENT | GMEM_APART);
}

/*
 * An idle entry is touched: @v is what it was, and becomes what it is. False: it has become
 * something else. May be done to what is common, and with no lock, as nobody is told of less.
 */
static inline bool gmem_entry_wake(unsigned long *e, unsigned long *v)
{
	unsigned long new = *v & ~(GMEM_APART | GMEM_STAMP_MASK | GMEM_WAIT_MASK);

	if (*v & GMEM_LOCKED || !try_cmpxchg(e, v, new))
		return false;
	*v = new;
	return true;
}

static inline struct gmem_squeezed *gmem_entry_object(unsigned long v)
{
	return __va(((v & GMEM_ADDR) >> PAGE_SHIFT) << GMEM_SQUEEZED_SHIFT);
}

static inline unsigned long gmem_entry_squeeze(const struct gmem_squeezed *s)
{
	return (__pa(s) >> GMEM_SQUEEZED_SHIFT << PAGE_SHIFT) | GMEM_APART;
}

static inline struct page *gmem_entry_page(unsigned long v)
{
	return pfn_to_page((v & GMEM_ADDR) >> PAGE_SHIFT);
}

static inline void *gmem_entry_va(unsigned long v)
{
	return __va(v & GMEM_ADDR);
}

static inline unsigned long gmem_entry_make(struct page *page, unsigned long flags)
{
	return ((unsigned long)page_to_pfn(page) << PAGE_SHIFT) | GMEM_PRESENT | flags;
}

/* The same page in the same state, whatever the merge engine notes about it. */
static inline bool gmem_entry_same(unsigned long a, unsigned long b)
{
	return !((a ^ b) & ~GMEM_SOFT);
}

#endif
