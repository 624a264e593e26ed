/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the suites about mappings share: a slot of NPAGES pages, and a look at their entries.
 */
#ifndef DITTO_MMU_TDP_KUNIT_H
#define DITTO_MMU_TDP_KUNIT_H

#include "mmu/kunit.h"

#define NPAGES	1024ull
#define BASE	0x40000000ull	/* gpa of the tests' slot */
#define BASE_GFN	(BASE >> PAGE_SHIFT)

struct gmem_test {
	struct test_mmu *t;
	struct gmem *gmem;
};

static inline void test_gmem_put(void *gmem)
{
	gmem_put(gmem);
}

static inline struct gmem_test gmem_setup_as(struct kunit *test, struct test_mmu *t, u32 flags)
{
	struct gmem_test g = { .t = t };
	int fd = test_gmem_new_as(test, NPAGES * PAGE_SIZE, flags);

	g.gmem = gmem_get_fd(fd);
	KUNIT_ASSERT_FALSE(test, IS_ERR(g.gmem));
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, test_gmem_put, g.gmem), 0);
	KUNIT_ASSERT_EQ(test, test_set_gmem(g.t, 0, BASE, NPAGES * PAGE_SIZE, fd, 0), 0);
	return g;
}

static inline struct gmem_test gmem_setup_in(struct kunit *test, struct test_mmu *t)
{
	return gmem_setup_as(test, t, 0);
}

/* A slot of NPAGES pages at BASE over a gmem. */
static inline struct gmem_test gmem_setup(struct kunit *test)
{
	return gmem_setup_in(test, test_mmu_new(test));
}

static inline gpa_t page_gpa(u64 n)
{
	return BASE + n * PAGE_SIZE;
}

static inline u64 page_spte(struct test_mmu *t, u64 n)
{
	return test_spte(t, BASE_GFN + n);
}

static inline kvm_pfn_t page_pfn(struct test_mmu *t, u64 n)
{
	return tdp_pfn(&t->format, page_spte(t, n));
}

/* Is page n mapped, and has the guest itself touched it? */
static inline bool spte_there(struct test_mmu *t, u64 n)
{
	return page_spte(t, n) & t->format.leaf;
}

static inline bool spte_touched(struct test_mmu *t, u64 n)
{
	return page_spte(t, n) & (TEST_ACCESSED | TEST_DIRTY);
}

static inline int flushes(struct test_mmu *t)
{
	return atomic_xchg(&t->flushes, 0);
}

#endif
