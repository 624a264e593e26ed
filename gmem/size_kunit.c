// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of gmems that change their size, as files of a mount do: what is cut off never
 * comes back, whatever forks and a lack of room for sharers do.
 */
#include <linux/slab.h>
#include <ditto.h>

#include "gmem/entry.h"
#include "gmem/fake.h"
#include "gmem/file.h"
#include "gmem/fs.h"
#include "gmem/index.h"
#include "gmem/punch.h"
#include "gmem/sharers.h"
#include "gmem/space.h"

static struct gmem *make(struct kunit *test, struct gmem_space *space, pgoff_t npages)
{
	struct gmem *g = gmem_create_in(0, 0, space, NULL);

	KUNIT_ASSERT_FALSE(test, IS_ERR(g));
	KUNIT_ASSERT_EQ(test, gmem_resize(g, npages), 0);
	return g;
}

static struct gmem_space *make_space(struct kunit *test)
{
	struct gmem_space *s = gmem_space_new(0);

	KUNIT_ASSERT_NOT_NULL(test, s);
	return s;
}

static void done(struct kunit *test, struct gmem_space *space)
{
	gmem_space_put(space);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
}

/* An entry beyond the end, as there is one between a fault's filling it and its undoing that. */
static void cloned_beyond_end(struct kunit *test)
{
	struct gmem_space *space = make_space(test);
	struct gmem *from = make(test, space, 600), *to = make(test, space, 0);

	fake_store(test, from, 0, 1);
	fake_store(test, from, 7, 2);
	fake_store(test, from, 550, 3);
	WRITE_ONCE(from->npages, 4);
	KUNIT_EXPECT_EQ(test, gmem_fork_over(from, to), 0);
	KUNIT_EXPECT_EQ(test, gmem_undo(from, 7), -EFAULT);
	KUNIT_EXPECT_EQ(test, gmem_resize(to, 600), 0);
	KUNIT_EXPECT_EQ(test, fake_load(test, to, 0), 1);
	KUNIT_EXPECT_EQ(test, fake_load(test, to, 7), 0);
	KUNIT_EXPECT_EQ(test, fake_load(test, to, 550), 0);
	gmem_put(from);
	KUNIT_EXPECT_EQ(test, fake_load(test, to, 0), 1);
	gmem_put(to);
	done(test, space);
}

static struct page *page_of(struct gmem *g, pgoff_t off)
{
	unsigned long v;

	rcu_read_lock();
	v = gmem_entry_read(g, off);
	rcu_read_unlock();
	return gmem_entry_page(v);
}

/* What has to be cut off is in a chunk of several, whose pages can have no sharer more. */
static void too_many_sharers(struct kunit *test)
{
	struct gmem_space *space = make_space(test);
	struct gmem *a = make(test, space, 8), *b = make(test, space, 0);
	struct page *page;

	fake_store(test, a, 0, 1);
	fake_store(test, a, 7, 2);
	KUNIT_EXPECT_EQ(test, gmem_fork_over(a, b), 0);
	fake_store(test, a, 7, 3);	/* the chunk is copied, and its first page shared */
	KUNIT_EXPECT_EQ(test, gmem_fork_over(a, b), 0);
	page = page_of(b, 0);
	KUNIT_ASSERT_TRUE(test, gmem_page_is_shared(page));
	atomic_add(GMEM_MAX_SHARERS - 8, gmem_page_sharers(page));
	KUNIT_EXPECT_EQ(test, gmem_punch(b, 7, 8), -ENOMEM);
	KUNIT_EXPECT_EQ(test, gmem_resize(b, 4), 0);
	KUNIT_EXPECT_PTR_NE(test, page_of(b, 0), page);
	atomic_sub(GMEM_MAX_SHARERS - 8, gmem_page_sharers(page));
	KUNIT_EXPECT_EQ(test, gmem_resize(b, 8), 0);
	KUNIT_EXPECT_EQ(test, fake_load(test, b, 0), 1);
	KUNIT_EXPECT_EQ(test, fake_load(test, b, 7), 0);
	KUNIT_EXPECT_EQ(test, fake_load(test, a, 0), 1);
	KUNIT_EXPECT_EQ(test, fake_load(test, a, 7), 3);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	gmem_put(a);
	gmem_put(b);
	done(test, space);
}

static struct kunit_case size_cases[] = {
	KUNIT_CASE(cloned_beyond_end),
	KUNIT_CASE(too_many_sharers),
	{}
};

static struct kunit_suite size_suite = {
	.name = "ditto_gmem_size",
	.test_cases = size_cases,
};

kunit_test_suite(size_suite);
