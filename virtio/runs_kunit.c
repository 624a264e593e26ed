// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit: page numbers in all kinds of orders become as few runs as there are, and no other
 * pages.
 */
#include <kunit/test.h>
#include <linux/bitmap.h>
#include <linux/random.h>

#include "virtio/runs.h"

static const struct {
	const char *name;
	gfn_t gfn[8];
	u32 nr;
	struct run run[8];
	u32 runs, before;
} cases[] = {
	{ "none", {}, 0, {}, 0, 0 },
	{ "one", { 7 }, 1, { { 7, 1 } }, 1, 1 },
	{ "ascending", { 4, 5, 6, 7 }, 4, { { 4, 4 } }, 1, 1 },
	{ "descending", { 7, 6, 5, 4 }, 4, { { 4, 4 } }, 1, 1 },
	{ "to both sides", { 5, 6, 4, 7, 3 }, 5, { { 3, 5 } }, 1, 1 },
	{ "apart", { 9, 1, 5 }, 3, { { 1, 1 }, { 5, 1 }, { 9, 1 } }, 3, 3 },
	{ "every other, then the rest", { 1, 3, 5, 2, 4 }, 5, { { 1, 5 } }, 1, 5 },
	{ "twice", { 5, 5, 5 }, 3, { { 5, 1 } }, 1, 3 },
	{ "overlapping", { 1, 2, 3, 2, 3, 4 }, 6, { { 1, 4 } }, 1, 2 },
	{ "one in another", { 1, 2, 3, 4, 2, 6 }, 6, { { 1, 4 }, { 6, 1 } }, 2, 3 },
	{ "first and last", { 0, 0xffffffff, 1 }, 3, { { 0, 2 }, { 0xffffffff, 1 } }, 2, 3 },
};

static void runs_of_known_orders(struct kunit *test)
{
	struct runs *runs = kunit_kzalloc(test, sizeof(*runs), GFP_KERNEL);
	u32 i, k;

	KUNIT_ASSERT_NOT_NULL(test, runs);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		runs->nr = 0;
		for (k = 0; k < cases[i].nr; k++)
			KUNIT_EXPECT_TRUE(test, runs_add(runs, cases[i].gfn[k]));
		KUNIT_EXPECT_EQ_MSG(test, runs->nr, cases[i].before, "%s", cases[i].name);
		runs_merge(runs);
		KUNIT_EXPECT_EQ_MSG(test, runs->nr, cases[i].runs, "%s", cases[i].name);
		for (k = 0; k < cases[i].runs; k++) {
			KUNIT_EXPECT_EQ_MSG(test, runs->run[k].gfn, cases[i].run[k].gfn, "%s",
					    cases[i].name);
			KUNIT_EXPECT_EQ_MSG(test, runs->run[k].npages, cases[i].run[k].npages,
					    "%s", cases[i].name);
		}
	}
}

#define PAGES	512

/* The runs are exactly the pages, each is as long as can be, and they ascend. */
static void expect_pages(struct kunit *test, const struct runs *runs, const unsigned long *pages)
{
	DECLARE_BITMAP(found, PAGES) = { 0 };
	gfn_t end = 0;
	u32 i;

	for (i = 0; i < runs->nr; i++) {
		KUNIT_EXPECT_TRUE(test, !i || runs->run[i].gfn > end);
		end = runs->run[i].gfn + runs->run[i].npages;
		KUNIT_ASSERT_LE(test, end, (gfn_t)PAGES);
		bitmap_set(found, runs->run[i].gfn, runs->run[i].npages);
	}
	KUNIT_EXPECT_TRUE(test, bitmap_equal(found, pages, PAGES));
}

static void runs_of_random_pages(struct kunit *test)
{
	struct runs *runs = kunit_kzalloc(test, sizeof(*runs), GFP_KERNEL);
	u32 round, i;

	KUNIT_ASSERT_NOT_NULL(test, runs);
	for (round = 0; round < 200; round++) {
		DECLARE_BITMAP(pages, PAGES) = { 0 };

		runs->nr = 0;
		for (i = 0; i < round * 5; i++) {
			u32 page = get_random_u32() % PAGES;

			__set_bit(page, pages);
			KUNIT_ASSERT_TRUE(test, runs_add(runs, page));
		}
		runs_merge(runs);
		expect_pages(test, runs, pages);
	}
}

static void runs_have_an_end(struct kunit *test)
{
	struct runs *runs = kunit_kzalloc(test, sizeof(*runs), GFP_KERNEL);
	u32 i;

	KUNIT_ASSERT_NOT_NULL(test, runs);
	for (i = 0; i < RUNS_MAX; i++)
		KUNIT_ASSERT_TRUE(test, runs_add(runs, 2 * i));
	KUNIT_EXPECT_FALSE(test, runs_add(runs, 0));
	KUNIT_EXPECT_TRUE(test, runs_add(runs, 2 * RUNS_MAX - 1));
	KUNIT_EXPECT_EQ(test, runs->nr, RUNS_MAX);
	runs_merge(runs);
	KUNIT_EXPECT_EQ(test, runs->nr, RUNS_MAX);
}

static void run_within_a_range(struct kunit *test)
{
	static const struct {
		u64 addr, len;
		struct run run;
	} ranges[] = {
		{ 0, 0x1000, { 0, 1 } },
		{ 0, 0xfff, { 0, 0 } },
		{ 1, 0x1000, { 1, 0 } },
		{ 1, 0x1fff, { 1, 1 } },
		{ 0x1800, 0x2000, { 2, 1 } },
		{ 0xfffffffffffff000, 0xfff, { 0xfffffffffffff, 0 } },
		{ 0xfffffffffffff001, 1, { 0x10000000000000, 0 } },
		{ 0xffffffffffffefff, 0x1000, { 0xfffffffffffff, 0 } },
		{ 0xffffffffffffe001, 0x1ffe, { 0xfffffffffffff, 0 } },
		{ 0xffffffffffffdfff, 0x2000, { 0xffffffffffffe, 1 } },
	};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(ranges); i++) {
		struct run run = run_within(ranges[i].addr, ranges[i].len);

		KUNIT_EXPECT_EQ_MSG(test, run.gfn, ranges[i].run.gfn, "range %u", i);
		KUNIT_EXPECT_EQ_MSG(test, run.npages, ranges[i].run.npages, "range %u", i);
	}
}

static struct kunit_case runs_cases[] = {
	KUNIT_CASE(runs_of_known_orders),
	KUNIT_CASE(runs_of_random_pages),
	KUNIT_CASE(runs_have_an_end),
	KUNIT_CASE(run_within_a_range),
	{}
};

static struct kunit_suite runs_suite = {
	.name = "ditto_virtio_runs",
	.test_cases = runs_cases,
};
kunit_test_suite(runs_suite);
