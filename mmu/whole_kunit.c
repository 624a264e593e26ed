// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit: leaves of 2 MiB over a gmem that has whole chunks: where there is one, what it becomes
 * when the chunk is split, and what is known of writes through it.
 */
#include "gmem/fork.h"
#include "gmem/merge.h"
#include "mmu/tdp_kunit.h"

static struct gmem_test whole_setup(struct kunit *test)
{
	return gmem_setup_as(test, test_mmu_new(test), DITTO_GMEM_HUGEPAGE);
}

/* Fault, and have a large leaf; else there is nothing to be tested here. */
static u64 large(struct kunit *test, struct gmem_test *g, u64 n, u32 access)
{
	u64 spte;

	KUNIT_ASSERT_EQ(test, test_fault(g->t, page_gpa(n), access), 0);
	spte = page_spte(g->t, n);
	if (!gmem_has_whole(g->gmem))
		kunit_skip(test, "no 2 MiB to be had");
	KUNIT_ASSERT_NE(test, spte & TEST_LARGE, 0);
	return spte;
}

static void whole_leaf(struct kunit *test)
{
	struct gmem_test g = whole_setup(test);
	u64 spte = large(test, &g, 17, MMU_WRITE), n;

	KUNIT_EXPECT_EQ(test, spte & (TEST_WRITABLE | TEST_DIRTY), TEST_WRITABLE | TEST_DIRTY);
	KUNIT_EXPECT_EQ(test, page_spte(g.t, 0), spte);
	KUNIT_EXPECT_EQ(test, page_spte(g.t, 511), spte);
	KUNIT_EXPECT_EQ(test, page_spte(g.t, 512), 0);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&g.t->mmu.nr_tables), 3);
	KUNIT_EXPECT_EQ(test, test_check(test, g.t), 0);

	/* One page goes, and with it the leaf; the others are what they were. */
	flushes(g.t);
	KUNIT_ASSERT_EQ(test, gmem_punch(g.gmem, 5, 6), 0);
	KUNIT_EXPECT_EQ(test, page_spte(g.t, 17), 0);
	KUNIT_EXPECT_GE(test, flushes(g.t), 1);
	for (n = 0; n < 512; n++)
		KUNIT_ASSERT_EQ(test, test_fault(g.t, page_gpa(n), MMU_WRITE), 0);
	KUNIT_EXPECT_EQ(test, page_spte(g.t, 17) & TEST_LARGE, 0);
	KUNIT_EXPECT_EQ(test, page_pfn(g.t, 17), tdp_pfn(&g.t->format, spte) + 17);
	KUNIT_EXPECT_EQ(test, test_check(test, g.t), 0);

	/* All of it: then there may be another. The table of the pages is in nobody's way. */
	KUNIT_ASSERT_EQ(test, gmem_punch(g.gmem, 0, 512), 0);
	KUNIT_ASSERT_EQ(test, test_fault(g.t, page_gpa(3), MMU_READ), 0);
	KUNIT_EXPECT_EQ(test, page_spte(g.t, 3) & TEST_LARGE, 0);
	large(test, &g, 3, MMU_WRITE);
	KUNIT_EXPECT_EQ(test, test_check(test, g.t), 0);
}

/* Where gfn and offset are not aligned alike, or the slot has not all of it: 4 KiB. */
static void whole_misfits(struct kunit *test)
{
	struct gmem_test g = { .t = test_mmu_new(test) };
	int fd = test_gmem_new_as(test, NPAGES * PAGE_SIZE, DITTO_GMEM_HUGEPAGE);
	static const u64 misfits[][3] = {	/* first page, offset, pages */
		{ 0, 1, 1000 }, { 1, 0, 1000 }, { 0, 0, 511 }, { 1, 1, 511 },
	};
	unsigned int i;

	g.gmem = gmem_get_fd(fd);
	KUNIT_ASSERT_FALSE(test, IS_ERR(g.gmem));
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, test_gmem_put, g.gmem), 0);
	for (i = 0; i < ARRAY_SIZE(misfits); i++) {
		const u64 *m = misfits[i];

		KUNIT_ASSERT_EQ(test, test_set_gmem(g.t, 0, page_gpa(m[0]), m[2] * PAGE_SIZE, fd,
						    m[1] * PAGE_SIZE), 0);
		KUNIT_ASSERT_EQ(test, test_fault(g.t, page_gpa(100), MMU_WRITE), 0);
		KUNIT_EXPECT_NE(test, page_spte(g.t, 100), 0);
		KUNIT_EXPECT_EQ(test, page_spte(g.t, 100) & TEST_LARGE, 0);
		KUNIT_EXPECT_EQ(test, test_check(test, g.t), 0);
		KUNIT_ASSERT_EQ(test, test_set_gmem(g.t, 0, 0, 0, -1, 0), 0);
	}
	/* The same memory, and a CPU without large leaves. */
	g.t->format.max_level = 1;
	KUNIT_ASSERT_EQ(test, test_set_gmem(g.t, 0, BASE, NPAGES * PAGE_SIZE, fd, 0), 0);
	KUNIT_ASSERT_EQ(test, test_fault(g.t, page_gpa(100), MMU_WRITE), 0);
	KUNIT_EXPECT_EQ(test, page_spte(g.t, 100) & TEST_LARGE, 0);
	KUNIT_EXPECT_EQ(test, test_check(test, g.t), 0);
}

/* A table that was left over goes when there can be a large leaf. */
static void whole_in_place_of_table(struct kunit *test)
{
	struct gmem_test g = whole_setup(test);
	u64 n;

	g.t->format.max_level = 1;
	for (n = 0; n < 8; n++)
		KUNIT_ASSERT_EQ(test, test_fault(g.t, page_gpa(n), MMU_WRITE), 0);
	g.t->format.max_level = 2;
	if (!gmem_has_whole(g.gmem))
		kunit_skip(test, "no 2 MiB to be had");
	KUNIT_ASSERT_EQ(test, test_fault(g.t, page_gpa(100), MMU_READ), 0);
	KUNIT_EXPECT_NE(test, page_spte(g.t, 100) & TEST_LARGE, 0);
	KUNIT_EXPECT_EQ(test, page_spte(g.t, 0), page_spte(g.t, 100));
	KUNIT_EXPECT_EQ(test, test_check(test, g.t), 0);
}

static unsigned long whole_surveyed(struct gmem_binding *b)
{
	unsigned long chunks[BITS_TO_LONGS(GMEM_DIR_CHUNKS)] = { 0 };

	b->ops->survey(b, 0, NPAGES, chunks);
	return chunks[0];
}

/* Both sides of a fork may map it for reading; who writes has pages. */
static void whole_forked(struct kunit *test)
{
	struct gmem_test g = whole_setup(test);
	u64 spte = large(test, &g, 17, MMU_WRITE);
	struct gmem *child = gmem_fork(g.gmem);

	KUNIT_ASSERT_FALSE(test, IS_ERR(child));
	KUNIT_EXPECT_EQ(test, page_spte(g.t, 17), spte & ~TEST_WRITABLE);
	KUNIT_EXPECT_EQ(test, test_check(test, g.t), 0);
	/* It was written; but nobody can write to it, and it is not to be seen at each pass. */
	KUNIT_EXPECT_EQ(test, whole_surveyed(&slots_search(&g.t->mmu, BASE_GFN)->binding), 0);
	tdp_zap_all(&g.t->mmu, true);
	KUNIT_ASSERT_EQ(test, test_fault(g.t, page_gpa(3), MMU_READ), 0);
	KUNIT_EXPECT_EQ(test, page_spte(g.t, 3) & (TEST_LARGE | TEST_WRITABLE), TEST_LARGE);
	KUNIT_EXPECT_EQ(test, test_check(test, g.t), 0);
	/* The child's write makes the pages shared ones; the leaf says the same still. */
	KUNIT_ASSERT_EQ(test, gmem_write(child, 0, "x", 1), 0);
	KUNIT_EXPECT_EQ(test, page_spte(g.t, 3) & (TEST_LARGE | TEST_WRITABLE), TEST_LARGE);
	KUNIT_EXPECT_EQ(test, test_check(test, g.t), 0);
	KUNIT_ASSERT_EQ(test, test_fault(g.t, page_gpa(7), MMU_WRITE), 0);
	KUNIT_EXPECT_EQ(test, page_spte(g.t, 7) & (TEST_LARGE | TEST_WRITABLE), TEST_WRITABLE);
	KUNIT_EXPECT_EQ(test, page_spte(g.t, 3), 0);
	KUNIT_EXPECT_NE(test, page_pfn(g.t, 7), tdp_pfn(&g.t->format, spte) + 7);
	KUNIT_EXPECT_EQ(test, test_check(test, g.t), 0);
	gmem_put(child);
}

/* With nobody else, it is the parent's again, and written in place. */
static void whole_again_alone(struct kunit *test)
{
	struct gmem_test g = whole_setup(test);
	u64 spte = large(test, &g, 17, MMU_WRITE);
	struct gmem *child = gmem_fork(g.gmem);

	KUNIT_ASSERT_FALSE(test, IS_ERR(child));
	KUNIT_EXPECT_FALSE(test, gmem_has_whole(g.gmem));
	gmem_put(child);
	KUNIT_ASSERT_EQ(test, test_fault(g.t, page_gpa(7), MMU_WRITE), 0);
	KUNIT_EXPECT_TRUE(test, gmem_has_whole(g.gmem));
	KUNIT_EXPECT_EQ(test, page_spte(g.t, 7) & ~TEST_ACCESSED, spte & ~TEST_ACCESSED);
	KUNIT_EXPECT_EQ(test, whole_surveyed(&slots_search(&g.t->mmu, BASE_GFN)->binding), 1);
	KUNIT_EXPECT_EQ(test, test_check(test, g.t), 0);
}

static unsigned int whole_harvested(struct gmem_binding *b)
{
	DECLARE_BITMAP(bits, GMEM_CHUNK_PAGES) = { 0 };

	b->ops->harvest(b, 0, GMEM_CHUNK_PAGES, bits);
	return bitmap_weight(bits, GMEM_CHUNK_PAGES);
}

static u64 *whole_entry(struct gmem_test *g)
{
	u64 *table = tdp_table(&g->t->format, g->t->mmu.root[tdp_index(BASE_GFN, 4)]);

	table = tdp_table(&g->t->format, table[tdp_index(BASE_GFN, 3)]);
	return &table[tdp_index(BASE_GFN, 2)];
}

/* A write through a large leaf is one to all of its pages; a read is none. */
static void whole_dirty(struct kunit *test)
{
	struct gmem_test g = whole_setup(test);
	struct gmem_binding *b = &slots_search(&g.t->mmu, BASE_GFN)->binding;
	u64 spte = large(test, &g, 17, MMU_WRITE);

	KUNIT_EXPECT_EQ(test, whole_surveyed(b), 1);
	KUNIT_EXPECT_EQ(test, whole_surveyed(b), 1);
	flushes(g.t);
	KUNIT_EXPECT_EQ(test, whole_harvested(b), 512);
	KUNIT_EXPECT_EQ(test, flushes(g.t), 1);
	KUNIT_EXPECT_EQ(test, page_spte(g.t, 17), spte & ~TEST_DIRTY);
	KUNIT_EXPECT_EQ(test, whole_surveyed(b), 0);
	KUNIT_EXPECT_EQ(test, whole_harvested(b), 0);
	/* As the CPU does. */
	*whole_entry(&g) |= TEST_DIRTY;
	KUNIT_EXPECT_EQ(test, whole_surveyed(b), 1);
	KUNIT_EXPECT_EQ(test, whole_harvested(b), 512);
}

static int whole_log(struct gmem_test *g, int fd, u32 flags)
{
	struct ditto_gmem_region r = {
		.flags = flags, .guest_phys_addr = BASE, .memory_size = NPAGES * PAGE_SIZE,
		.gmem_fd = fd,
	};

	return mmu_set_gmem_region(&g->t->mmu, &r);
}

/* Pages of the first chunk that are calm. */
static unsigned int whole_scanned(struct kunit *test, struct gmem_test *g)
{
	DECLARE_BITMAP(ripe, GMEM_CHUNK_PAGES) = { 0 };
	unsigned long waits = 0;
	struct gmem_cursor cur;
	unsigned int n;

	KUNIT_ASSERT_TRUE(test, gmem_scan_enter(&cur, g->gmem, 0));
	n = gmem_scan_chunk(&cur, ripe, &waits);
	gmem_cursor_leave(&cur);
	return n;
}

/* The dirty log is of pages. What it takes away tells the gmem who was written. */
static void whole_logged(struct kunit *test)
{
	struct gmem_test g = { .t = test_mmu_new(test) };
	int fd = test_gmem_new_as(test, NPAGES * PAGE_SIZE, DITTO_GMEM_HUGEPAGE);

	g.gmem = gmem_get_fd(fd);
	KUNIT_ASSERT_FALSE(test, IS_ERR(g.gmem));
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, test_gmem_put, g.gmem), 0);
	KUNIT_ASSERT_EQ(test, whole_log(&g, fd, 0), 0);
	large(test, &g, 17, MMU_WRITE);
	KUNIT_EXPECT_EQ(test, whole_scanned(test, &g), 0);
	KUNIT_EXPECT_EQ(test, whole_scanned(test, &g), 512);
	*whole_entry(&g) |= TEST_DIRTY;
	KUNIT_ASSERT_EQ(test, whole_log(&g, fd, KVM_MEM_LOG_DIRTY_PAGES), 0);
	KUNIT_EXPECT_EQ(test, page_spte(g.t, 17), 0);
	KUNIT_EXPECT_EQ(test, whole_scanned(test, &g), 0);
	KUNIT_EXPECT_EQ(test, whole_scanned(test, &g), 512);
	KUNIT_ASSERT_EQ(test, test_fault(g.t, page_gpa(17), MMU_WRITE), 0);
	KUNIT_EXPECT_EQ(test, page_spte(g.t, 17) & TEST_LARGE, 0);
	KUNIT_EXPECT_EQ(test, test_check(test, g.t), 0);
	/* It is whole still. */
	KUNIT_ASSERT_EQ(test, whole_log(&g, fd, 0), 0);
	large(test, &g, 17, MMU_WRITE);
	KUNIT_EXPECT_EQ(test, test_check(test, g.t), 0);
}

/* One page goes. What was written of the others is not forgotten with the leaf that they had. */
static void whole_split_dirty(struct kunit *test)
{
	struct gmem_test g = whole_setup(test);

	large(test, &g, 17, MMU_WRITE);
	KUNIT_EXPECT_EQ(test, whole_scanned(test, &g), 0);
	KUNIT_EXPECT_EQ(test, whole_scanned(test, &g), 512);
	*whole_entry(&g) |= TEST_DIRTY;
	KUNIT_ASSERT_EQ(test, gmem_punch(g.gmem, 5, 6), 0);
	KUNIT_EXPECT_EQ(test, whole_scanned(test, &g), 0);
	KUNIT_EXPECT_EQ(test, whole_scanned(test, &g), 511);
}

/* Nor where it is mapped by pages. */
static void whole_split_dirty_page(struct kunit *test)
{
	struct gmem_test g = whole_setup(test);
	u64 n, *table;

	g.t->format.max_level = 1;
	for (n = 0; n < 8; n++)
		KUNIT_ASSERT_EQ(test, test_fault(g.t, page_gpa(n), MMU_WRITE), 0);
	if (!gmem_has_whole(g.gmem))
		kunit_skip(test, "no 2 MiB to be had");
	KUNIT_EXPECT_EQ(test, whole_scanned(test, &g), 0);
	KUNIT_EXPECT_EQ(test, whole_scanned(test, &g), 512);
	table = tdp_table(&g.t->format, *whole_entry(&g));
	table[3] |= TEST_DIRTY;
	KUNIT_ASSERT_EQ(test, gmem_punch(g.gmem, 5, 6), 0);
	KUNIT_EXPECT_EQ(test, whole_scanned(test, &g), 510);
	KUNIT_EXPECT_EQ(test, whole_scanned(test, &g), 511);
}

static struct kunit_case whole_cases[] = {
	KUNIT_CASE(whole_leaf),
	KUNIT_CASE(whole_misfits),
	KUNIT_CASE(whole_in_place_of_table),
	KUNIT_CASE(whole_forked),
	KUNIT_CASE(whole_again_alone),
	KUNIT_CASE(whole_dirty),
	KUNIT_CASE(whole_logged),
	KUNIT_CASE(whole_split_dirty),
	KUNIT_CASE(whole_split_dirty_page),
	{}
};

static struct kunit_suite whole_suite = {
	.name = "ditto_mmu_whole",
	.test_cases = whole_cases,
};
kunit_test_suite(whole_suite);
