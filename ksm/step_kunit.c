// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the steps that take several pages of one chunk at once: what is frozen
 * together with others is nobody's candidate until its own turn comes.
 */
#include <linux/panic.h>
#include <ditto.h>

#include "gmem/fake.h"
#include "ksm/internal.h"

#define STEP_PAGES	4

static struct merge_step together;	/* used with merge_knobs.lock held for write */

static struct gmem *make(struct kunit *test)
{
	struct gmem *g = gmem_create_obj(STEP_PAGES << PAGE_SHIFT, 0);

	KUNIT_ASSERT_FALSE(test, IS_ERR(g));
	return g;
}

static void put(struct kunit *test, struct gmem *g, pgoff_t off, u64 value)
{
	KUNIT_ASSERT_EQ(test, gmem_write(g, off << PAGE_SHIFT, &value, sizeof(value)), 0);
}

static void hold(struct kunit *test, struct gmem_cursor *cur, struct gmem *g)
{
	KUNIT_ASSERT_TRUE(test, gmem_scan_enter(cur, g, 0));
}

static struct page *page_at(struct gmem_cursor *cur, unsigned int nr)
{
	cur->nr = nr;
	return gmem_entry_page(gmem_cursor_entry(cur));
}

/* Two scans: what was written is calm. */
static void calm(struct gmem_cursor *cur, unsigned long *ripe)
{
	unsigned long waits = 0;

	gmem_scan_chunk(cur, ripe, &waits);
	gmem_scan_chunk(cur, ripe, &waits);
}

static void step_frozen_stays(struct kunit *test)
{
	struct gmem_freeze some[2] = { { .nr = 0 }, { .nr = 1 } };
	struct gmem *g = make(test);
	struct gmem_cursor cur;
	unsigned int i;

	for (i = 0; i < 2; i++)
		put(test, g, i, i + 1);
	hold(test, &cur, g);
	for (i = 0; i < 2; i++)
		some[i].page = page_at(&cur, i);
	KUNIT_ASSERT_TRUE(test, gmem_cursor_enter(&cur));
	gmem_freeze_some(&cur, some, 2);
	for (i = 0; i < 2; i++) {
		KUNIT_EXPECT_TRUE(test, some[i].frozen);
		cur.nr = i;
		KUNIT_EXPECT_EQ(test, gmem_freeze(&cur, some[i].page, true), -EAGAIN);
		KUNIT_EXPECT_TRUE(test, gmem_cursor_entry(&cur) & GMEM_LOCKED);
		gmem_thaw_pending(&cur);
		KUNIT_EXPECT_FALSE(test, gmem_cursor_entry(&cur) & GMEM_LOCKED);
	}
	gmem_cursor_unlock(&cur);
	gmem_cursor_leave(&cur);
	gmem_put(g);
}

/* The page at @nr is in the index under what the page at @as has. */
static void index_as(struct kunit *test, struct gmem_cursor *cur, unsigned int nr, unsigned int as)
{
	u32 digest;

	merge_read_begin();
	digest = merge_digest(page_address(page_at(cur, as)), cur->key);
	merge_read_end();
	KUNIT_ASSERT_TRUE(test, merge_index_insert(page_at(cur, nr), digest, cur->domain, 0));
}

/*
 * Two pages of a chunk are looked at in one step, and the first finds the second as its
 * candidate, which is frozen already for one of its own.
 */
static void step_candidate_frozen(struct kunit *test)
{
	DECLARE_BITMAP(ripe, GMEM_CHUNK_PAGES) = { 0 };
	struct gmem *a = make(test), *b = make(test);
	bool warned = test_taint(TAINT_WARN);
	struct gmem_cursor cur, other;
	unsigned int nr = 0, none = 0;

	put(test, a, 0, 5);
	put(test, a, 1, 6);
	put(test, b, 0, 6);
	down_write(&merge_knobs.lock);
	KUNIT_ASSERT_EQ(test, merge_index_init(), 0);
	hold(test, &other, b);
	calm(&other, ripe);
	merge_step(&together, &other, ripe, &none, MERGE_STEP);	/* nothing is equal yet */
	KUNIT_EXPECT_EQ(test, together.item[0].result, MERGE_UNIQUE);
	gmem_cursor_leave(&other);
	bitmap_zero(ripe, GMEM_CHUNK_PAGES);
	hold(test, &cur, a);
	calm(&cur, ripe);
	index_as(test, &cur, 1, 0);
	KUNIT_EXPECT_EQ(test, merge_step(&together, &cur, ripe, &nr, MERGE_STEP), 2);
	KUNIT_EXPECT_EQ(test, together.item[0].result, MERGE_UNIQUE);
	KUNIT_EXPECT_EQ(test, together.item[1].result, MERGE_SHARED);
	KUNIT_EXPECT_EQ(test, test_taint(TAINT_WARN), warned);
	gmem_cursor_leave(&cur);
	up_write(&merge_knobs.lock);
	KUNIT_EXPECT_EQ(test, gmem_shared_pages(), 1);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	gmem_put(a);
	gmem_put(b);
}

/* An address at which no memory is faults like memory that is bad. */
#define UNREADABLE	((const void *)BIT_ULL(63))

static void step_unreadable(struct kunit *test)
{
	void *page = kunit_kzalloc(test, PAGE_SIZE, GFP_KERNEL);
	bool zero, first, second, same;

	KUNIT_ASSERT_NOT_NULL(test, page);
	if (!merge_use_vectors(true))
		kunit_skip(test, "this CPU has no AVX2");
	merge_read_begin();
	zero = merge_page_zero(UNREADABLE);
	first = merge_pages_equal(UNREADABLE, page);
	second = merge_pages_equal(page, UNREADABLE);
	same = merge_pages_equal(page, page) && merge_page_zero(page);
	merge_digest(UNREADABLE, &(hsiphash_key_t) { });
	merge_read_end();
	KUNIT_EXPECT_FALSE(test, zero);
	KUNIT_EXPECT_FALSE(test, first);
	KUNIT_EXPECT_FALSE(test, second);
	KUNIT_EXPECT_TRUE(test, same);
}

static void step_unreadable_word(struct kunit *test)
{
	u64 there = 0x1122334455667788, val = 0;
	u32 half = 0;
	u16 quarter = 0;
	u8 byte = 0;

	KUNIT_EXPECT_FALSE(test, mc_load(val, (const u64 *)UNREADABLE));
	KUNIT_EXPECT_FALSE(test, mc_load(half, (const u32 *)UNREADABLE));
	KUNIT_EXPECT_FALSE(test, mc_load(quarter, (const u16 *)UNREADABLE));
	KUNIT_EXPECT_FALSE(test, mc_load(byte, (const u8 *)UNREADABLE));
	KUNIT_EXPECT_TRUE(test, mc_load(val, &there));
	KUNIT_EXPECT_TRUE(test, mc_load(half, (const u32 *)&there));
	KUNIT_EXPECT_TRUE(test, mc_load(quarter, (const u16 *)&there));
	KUNIT_EXPECT_TRUE(test, mc_load(byte, (const u8 *)&there));
	KUNIT_EXPECT_EQ(test, val, there);
	KUNIT_EXPECT_EQ(test, half, 0x55667788u);
	KUNIT_EXPECT_EQ(test, quarter, 0x7788);
	KUNIT_EXPECT_EQ(test, byte, 0x88);
}

static struct kunit_case step_cases[] = {
	KUNIT_CASE(step_frozen_stays),
	KUNIT_CASE(step_candidate_frozen),
	KUNIT_CASE(step_unreadable),
	KUNIT_CASE(step_unreadable_word),
	{}
};

static struct kunit_suite step_suite = {
	.name = "ditto_merge_step",
	.test_cases = step_cases,
};

kunit_test_suite(step_suite);
