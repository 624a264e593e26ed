// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of merging where chunks are whole: none is split for less than it gains, and what
 * was left alone until then is merged when it is.
 */
#include <ditto.h>

#include "ksm/kunit.h"

#define GAIN	64	/* of the knob */

static struct guest whole_make(struct kunit *test)
{
	struct guest s = { .g = gmem_create_obj(512 << PAGE_SHIFT, DITTO_GMEM_HUGEPAGE) };

	KUNIT_ASSERT_FALSE(test, IS_ERR(s.g));
	s.f = fake_new(test, s.g, 0, 512);
	return s;
}

static bool whole(struct guest *s)
{
	return gmem_has_whole(s->g);
}

/* All pages but the first @n are unlike any other; these are @same, @same + 1 and on, or zero. */
static void whole_put(struct kunit *test, struct guest *s, unsigned int n, u64 same)
{
	pgoff_t i;

	for (i = 0; i < 512; i++) {
		u64 value = i >= n ? s->g->id << 32 | i : same ? same + i : 0;

		KUNIT_ASSERT_EQ(test, guest_put(s, i, value), 0);
	}
	if (!whole(s))
		kunit_skip(test, "no 2 MiB to be had");
}

static void whole_zero_pages(struct kunit *test)
{
	struct guest a = whole_make(test), b = whole_make(test);

	whole_put(test, &a, GAIN - 1, 0);
	whole_put(test, &b, GAIN, 0);
	KUNIT_EXPECT_EQ(test, passes(2, MERGE_ZERO), 1);	/* the last that it took */
	KUNIT_EXPECT_TRUE(test, whole(&a));
	KUNIT_EXPECT_FALSE(test, whole(&b));
	KUNIT_EXPECT_EQ(test, passes(2, MERGE_ZERO), GAIN - 1);
	KUNIT_EXPECT_EQ(test, passes(4, MERGE_ZERO), 0);
	KUNIT_EXPECT_EQ(test, nr_private(a.g), 512);
	KUNIT_EXPECT_EQ(test, nr_private(b.g), 512 - GAIN);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	/* One more, and it is worth it. */
	KUNIT_ASSERT_EQ(test, guest_put(&a, 500, 0), 0);
	KUNIT_EXPECT_EQ(test, passes(5, MERGE_ZERO), GAIN);
	KUNIT_EXPECT_FALSE(test, whole(&a));
	KUNIT_EXPECT_EQ(test, nr_private(a.g), 512 - GAIN);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	guest_free(&a);
	guest_free(&b);
}

static long shared_of(struct guest *a, struct guest *b)
{
	return nr_shared(a->g) + nr_shared(b->g);
}

/* Between two whole ones, each of which gains; or not quite. */
static void whole_pairs(struct kunit *test)
{
	struct guest a = whole_make(test), b = whole_make(test);

	whole_put(test, &a, GAIN - 1, 1000);
	whole_put(test, &b, GAIN - 1, 1000);
	passes(6, MERGE_SHARED);
	KUNIT_EXPECT_TRUE(test, whole(&a) && whole(&b));
	KUNIT_EXPECT_EQ(test, shared_of(&a, &b), 0);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	KUNIT_ASSERT_EQ(test, guest_put(&a, GAIN - 1, 999), 0);
	KUNIT_ASSERT_EQ(test, guest_put(&b, GAIN - 1, 999), 0);
	passes(10, MERGE_SHARED);
	KUNIT_EXPECT_FALSE(test, whole(&a) || whole(&b));
	KUNIT_EXPECT_EQ(test, shared_of(&a, &b), 2 * GAIN);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	guest_free(&a);
	guest_free(&b);
}

/* One that is whole does not gain by what others have fewer of; those merge without it. */
static void whole_and_pages(struct kunit *test)
{
	struct guest a = whole_make(test), b = guest_make(test, 512), c = guest_make(test, 512);
	pgoff_t i;

	whole_put(test, &a, 512, 1000);
	passes(3, MERGE_SHARED);
	for (i = 0; i < GAIN - 1; i++) {
		KUNIT_ASSERT_EQ(test, guest_put(&b, i, 1000 + i), 0);
		KUNIT_ASSERT_EQ(test, guest_put(&c, i, 1000 + i), 0);
	}
	passes(6, MERGE_SHARED);
	KUNIT_EXPECT_TRUE(test, whole(&a));
	KUNIT_EXPECT_EQ(test, shared_of(&b, &c), 2 * (GAIN - 1));
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	KUNIT_ASSERT_EQ(test, guest_put(&b, 500, 1500), 0);
	passes(10, MERGE_SHARED);
	KUNIT_EXPECT_FALSE(test, whole(&a));
	KUNIT_EXPECT_EQ(test, nr_shared(a.g), GAIN);
	KUNIT_EXPECT_EQ(test, shared_of(&b, &c), 2 * GAIN - 1);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	guest_free(&a);
	guest_free(&b);
	guest_free(&c);
}

/* Of many, all gain, though not all of them are in the index. */
static void whole_crowd(struct kunit *test)
{
	struct guest s[5];
	unsigned int i;
	long shared = 0;

	for (i = 0; i < ARRAY_SIZE(s); i++) {
		s[i] = whole_make(test);
		whole_put(test, &s[i], GAIN, 1000);
	}
	passes(12, MERGE_SHARED);
	for (i = 0; i < ARRAY_SIZE(s); i++) {
		KUNIT_EXPECT_FALSE(test, whole(&s[i]));
		shared += nr_shared(s[i].g);
	}
	KUNIT_EXPECT_EQ(test, shared, ARRAY_SIZE(s) * GAIN);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	for (i = 0; i < ARRAY_SIZE(s); i++)
		guest_free(&s[i]);
}

/* Pages that stay do not hide the one that others can be merged with, before or behind it. */
static void whole_many_equal(struct kunit *test)
{
	struct guest a = whole_make(test), b = guest_make(test, 16), c = whole_make(test);
	pgoff_t i;

	whole_put(test, &a, 0, 0);
	whole_put(test, &c, 0, 0);
	for (i = 0; i < GAIN - 1; i++)
		KUNIT_ASSERT_EQ(test, guest_put(&a, i, 77), 0);
	passes(4, MERGE_UNIQUE);
	for (i = 0; i < 4; i++) {
		KUNIT_ASSERT_EQ(test, guest_put(&b, i, 77), 0);
		passes(4, MERGE_SHARED);
		KUNIT_EXPECT_EQ(test, nr_shared(b.g), i ? i + 1 : 0);
	}
	for (i = 0; i < GAIN - 1; i++)
		KUNIT_ASSERT_EQ(test, guest_put(&c, i, 77), 0);
	passes(4, MERGE_UNIQUE);
	KUNIT_ASSERT_EQ(test, guest_put(&b, 4, 77), 0);
	passes(4, MERGE_SHARED);
	KUNIT_EXPECT_EQ(test, nr_shared(b.g), 5);
	KUNIT_EXPECT_TRUE(test, whole(&a) && whole(&c));
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	guest_free(&a);
	guest_free(&b);
	guest_free(&c);
}

/* What was noted and then written counts no more. */
static void whole_written(struct kunit *test)
{
	struct guest a = whole_make(test);
	pgoff_t i;

	whole_put(test, &a, GAIN - 1, 0);
	passes(2, MERGE_ZERO);
	for (i = 0; i < 10; i++)
		KUNIT_ASSERT_EQ(test, guest_put(&a, i, 5000 + i), 0);
	for (i = 500; i < 510; i++)
		KUNIT_ASSERT_EQ(test, guest_put(&a, i, 0), 0);
	KUNIT_EXPECT_EQ(test, passes(6, MERGE_ZERO), 0);
	KUNIT_EXPECT_TRUE(test, whole(&a));
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	guest_free(&a);
}

/* Under "secure" it is split whatever there is. */
static void whole_secure(struct kunit *test)
{
	struct guest a = whole_make(test);

	whole_put(test, &a, 0, 0);
	KUNIT_ASSERT_EQ(test, gmem_set_policy(a.g, DITTO_POLICY_SECURE), 0);
	passes(6, MERGE_UNIQUE);
	KUNIT_EXPECT_FALSE(test, whole(&a));
	KUNIT_EXPECT_EQ(test, nr_shared(a.g), 512);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	guest_free(&a);
}

/* Somebody holds all of it: it is looked at now and then, not at each pass. */
static void whole_secure_held(struct kunit *test)
{
	struct guest a = whole_make(test);
	struct page *first;
	unsigned int i;

	whole_put(test, &a, 0, 0);
	first = pfn_to_page(a.f->pfn[0]);
	for (i = 0; i < 512; i++)
		get_page(first + i);
	KUNIT_ASSERT_EQ(test, gmem_set_policy(a.g, DITTO_POLICY_SECURE), 0);
	KUNIT_EXPECT_EQ(test, passes(6, MERGE_VOLATILE), 512);
	KUNIT_EXPECT_TRUE(test, whole(&a));
	for (i = 0; i < 512; i++)
		put_page(first + i);
	passes(8, MERGE_UNIQUE);
	KUNIT_EXPECT_FALSE(test, whole(&a));
	KUNIT_EXPECT_EQ(test, nr_shared(a.g), 512);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	guest_free(&a);
}

static struct kunit_case whole_cases[] = {
	KUNIT_CASE(whole_zero_pages),
	KUNIT_CASE(whole_pairs),
	KUNIT_CASE(whole_and_pages),
	KUNIT_CASE(whole_crowd),
	KUNIT_CASE(whole_many_equal),
	KUNIT_CASE(whole_written),
	KUNIT_CASE(whole_secure),
	KUNIT_CASE(whole_secure_held),
	{}
};

static struct kunit_suite whole_suite = {
	.name = "ditto_ksm_whole",
	.init = merge_suite_init,
	.test_cases = whole_cases,
};
kunit_test_suite(whole_suite);
