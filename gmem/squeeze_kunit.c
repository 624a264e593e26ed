// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of compression: the kinds of entry, the store, and what becomes of squeezed entries
 * in forks and resets, with a fake MMU (fake.h).
 */
#include <linux/delay.h>
#include <linux/prandom.h>
#include <ditto.h>

#include "gmem/fake.h"
#include "gmem/fork.h"
#include "gmem/squeeze.h"
#include "gmem/squeeze_knobs.h"
#include "gmem/store.h"

#define PAGES	600	/* more than a chunk */

static void squeeze_kinds(struct kunit *test)
{
	struct gmem_squeezed *s = __va(0x123440UL << GMEM_SQUEEZED_SHIFT);
	unsigned long v = gmem_entry_squeeze(s);

	KUNIT_EXPECT_TRUE(test, gmem_entry_squeezed(v));
	KUNIT_EXPECT_PTR_EQ(test, gmem_entry_object(v | GMEM_CHURN_MASK | GMEM_LOCKED), s);
	KUNIT_EXPECT_FALSE(test, gmem_entry_idle(v));
	KUNIT_EXPECT_FALSE(test, gmem_entry_private(v));
	KUNIT_EXPECT_FALSE(test, gmem_entry_squeezed(GMEM_ZEROED | GMEM_ZMAP));
	KUNIT_EXPECT_FALSE(test, gmem_entry_squeezed(GMEM_PRESENT | GMEM_SHARED | GMEM_APART));
	KUNIT_EXPECT_FALSE(test, gmem_entry_idle(GMEM_PRESENT | GMEM_SHARED | GMEM_APART));
	KUNIT_EXPECT_TRUE(test, gmem_entry_idle(GMEM_PRESENT | GMEM_APART | GMEM_STAMP_MASK));
	/* An address that an entry has no room for is another when it comes out. */
	KUNIT_EXPECT_PTR_NE(test, gmem_entry_object(gmem_entry_squeeze(__va(1UL << 46))),
			    (struct gmem_squeezed *)__va(1UL << 46));
}

static void squeeze_wake(struct kunit *test)
{
	unsigned long was = GMEM_PRESENT | GMEM_APART | GMEM_DIRTY | GMEM_STAMP_MASK |
			    GMEM_WAIT(30) | 0x5000;
	unsigned long e = was, v = was;

	KUNIT_EXPECT_TRUE(test, gmem_entry_wake(&e, &v));
	KUNIT_EXPECT_EQ(test, e, GMEM_PRESENT | GMEM_DIRTY | 0x5000);
	KUNIT_EXPECT_EQ(test, v, e);
	e = v = was | GMEM_LOCKED;
	KUNIT_EXPECT_FALSE(test, gmem_entry_wake(&e, &v));
	KUNIT_EXPECT_EQ(test, e, was | GMEM_LOCKED);
}

static struct gmem *gmem_made(struct kunit *test, u32 flags)
{
	struct gmem *g = gmem_create_obj((u64)PAGES << PAGE_SHIFT, flags);

	KUNIT_ASSERT_FALSE(test, IS_ERR(g));
	return g;
}

static void squeeze_stores(struct kunit *test)
{
	struct gmem *g = gmem_made(test, 0);
	u8 *page = kunit_kzalloc(test, PAGE_SIZE, GFP_KERNEL);
	u8 *out = kunit_kzalloc(test, PAGE_SIZE, GFP_KERNEL);
	struct gmem_store_figures f;
	struct gmem_squeezed *a, *b, *c;
	struct rnd_state rnd;

	KUNIT_ASSERT_NOT_NULL(test, page);
	KUNIT_ASSERT_NOT_NULL(test, out);
	KUNIT_ASSERT_EQ(test, gmem_store_open(squeeze_knobs.algorithm), 0);
	memset64((u64 *)page, 0x1234567890abcdef, PAGE_SIZE / 8);
	a = gmem_squeezed_make(page, g, g->domain);
	b = gmem_squeezed_make(page, g, g->domain);
	c = gmem_squeezed_make(page, g, NULL);
	KUNIT_ASSERT_FALSE(test, IS_ERR(a) || IS_ERR(b) || IS_ERR(c));
	KUNIT_EXPECT_PTR_EQ(test, a, b);
	KUNIT_EXPECT_PTR_NE(test, a, c);
	KUNIT_EXPECT_EQ(test, gmem_squeezed_refs(a), 2);
	gmem_squeezed_put(b);
	KUNIT_EXPECT_EQ(test, gmem_squeezed_load(a, out), 0);
	KUNIT_EXPECT_EQ(test, memcmp(page, out, PAGE_SIZE), 0);
	gmem_squeezed_put(a);
	/* One byte less, and it is another; and the first is not found any more. */
	page[PAGE_SIZE - 1] ^= 1;
	a = gmem_squeezed_make(page, g, g->domain);
	KUNIT_ASSERT_FALSE(test, IS_ERR(a));
	KUNIT_EXPECT_EQ(test, gmem_squeezed_load(a, out), 0);
	KUNIT_EXPECT_EQ(test, memcmp(page, out, PAGE_SIZE), 0);
	gmem_squeezed_put(a);
	gmem_squeezed_put(c);
	prandom_seed_state(&rnd, 1);
	prandom_bytes_state(&rnd, page, PAGE_SIZE);
	KUNIT_EXPECT_PTR_EQ(test, gmem_squeezed_make(page, g, g->domain), ERR_PTR(-E2BIG));
	gmem_store_figures(&f);
	KUNIT_EXPECT_EQ(test, f.entries, 0);
	KUNIT_EXPECT_EQ(test, f.objects, 0);
	KUNIT_EXPECT_EQ(test, f.bytes, 0);
	gmem_put(g);
}

/* Until so many entries of a gmem are squeezed, or ten seconds. */
static void squeeze_until(struct kunit *test, struct gmem *g, long n)
{
	unsigned int tries;

	squeeze_knobs.cold_passes = 1;
	squeeze_knobs.pass_millisecs = 10;
	KUNIT_ASSERT_EQ(test, squeeze_set_mode(SQUEEZE_ALWAYS), 0);
	for (tries = 0; tries < 1000 && atomic_long_read(&g->nr_squeezed) != n; tries++)
		msleep(10);
	squeeze_set_mode(SQUEEZE_OFF);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&g->nr_squeezed), n);
}

static void store_all(struct kunit *test, struct gmem *g)
{
	pgoff_t off;

	for (off = 0; off < PAGES; off++)
		fake_store(test, g, off, off + 1);
}

static unsigned int wrong_words(struct kunit *test, struct gmem *g, struct fake *f)
{
	unsigned int wrong = 0;
	pgoff_t off;

	for (off = 0; off < PAGES; off++)
		wrong += (off & 1 ? fake_load(test, g, off) : fake_read(g, f, off)) != off + 1;
	return wrong;
}

static bool is_there(struct gmem *g, pgoff_t off)
{
	bool there;

	rcu_read_lock();
	there = gmem_peek(g, off);
	rcu_read_unlock();
	return there;
}

static void squeeze_touched(struct kunit *test)
{
	struct gmem *g = gmem_made(test, DITTO_GMEM_NO_MERGE);
	struct fake *f = fake_new(test, g, 0, PAGES);
	void *va;

	store_all(test, g);
	KUNIT_EXPECT_EQ(test, wrong_words(test, g, f), 0);
	squeeze_until(test, g, PAGES);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&g->nr_private), 0);
	KUNIT_EXPECT_FALSE(test, is_there(g, 7));
	va = gmem_pin_page(g, 7, false);
	KUNIT_ASSERT_FALSE(test, IS_ERR(va));
	KUNIT_EXPECT_EQ(test, *(u64 *)va, 8);
	/* A page that somebody holds stays. */
	squeeze_until(test, g, PAGES - 1);
	gmem_unpin_page(g, 7, va, false);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	KUNIT_EXPECT_EQ(test, wrong_words(test, g, f), 0);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&g->nr_squeezed), 0);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&g->squeezed_bytes), 0);
	squeeze_until(test, g, PAGES);
	KUNIT_EXPECT_EQ(test, gmem_punch(g, 0, PAGES / 2), 0);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&g->nr_squeezed), PAGES / 2);
	KUNIT_EXPECT_EQ(test, fake_load(test, g, 3), 0);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	fake_free(g, f);
	gmem_put(g);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
}

/* Between the copy and the freeze somebody writes who needs no mapping: the page stays. */
static struct gmem *between_gmem;

static void write_between(void)
{
	u64 *va;

	rcu_read_lock();
	va = (u64 *)gmem_peek(between_gmem, 5);
	if (va)
		va[3]++;
	rcu_read_unlock();
}

static void squeeze_raced(struct kunit *test)
{
	struct gmem *g = gmem_made(test, 0);
	u64 value = 0;

	store_all(test, g);
	between_gmem = g;
	gmem_squeeze_between = write_between;
	squeeze_until(test, g, PAGES - 1);
	gmem_squeeze_between = NULL;
	KUNIT_EXPECT_TRUE(test, is_there(g, 5));
	KUNIT_EXPECT_EQ(test, gmem_read(g, (5UL << PAGE_SHIFT) + 24, &value, 8), 0);
	KUNIT_EXPECT_GT(test, value, 0);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	gmem_put(g);
}

static void squeeze_forked(struct kunit *test)
{
	struct gmem *g = gmem_made(test, 0), *child;
	struct fake *f = fake_new(test, g, 0, PAGES), *cf;

	store_all(test, g);
	squeeze_until(test, g, PAGES);
	child = gmem_fork(g);
	KUNIT_ASSERT_FALSE(test, IS_ERR(child));
	cf = fake_new(test, child, 0, PAGES);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&child->nr_squeezed), PAGES);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	KUNIT_EXPECT_EQ(test, fake_write(child, cf, 9, 77), 0);
	KUNIT_EXPECT_EQ(test, fake_read(child, cf, 9), 77);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	KUNIT_EXPECT_EQ(test, wrong_words(test, g, f), 0);
	KUNIT_EXPECT_EQ(test, fake_write(child, cf, 9, 10), 0);
	KUNIT_EXPECT_EQ(test, wrong_words(test, child, cf), 0);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	fake_free(child, cf);
	gmem_put(child);
	fake_free(g, f);
	gmem_put(g);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
}

static void squeeze_reset(struct kunit *test)
{
	struct gmem *parent = gmem_made(test, 0), *base, *g;
	struct fake *f;
	unsigned int n;

	store_all(test, parent);
	squeeze_until(test, parent, PAGES);
	base = gmem_fork(parent);
	KUNIT_ASSERT_FALSE(test, IS_ERR(base));
	g = gmem_fork(base);
	KUNIT_ASSERT_FALSE(test, IS_ERR(g));
	gmem_fork_base(g, base);
	f = fake_new(test, g, 0, PAGES);
	for (n = 0; n < 3; n++) {
		KUNIT_EXPECT_EQ(test, fake_write(g, f, 9, 77), 0);
		KUNIT_EXPECT_EQ(test, fake_read(g, f, 10), 11);
		KUNIT_EXPECT_EQ(test, gmem_punch(g, n * 100, n * 100 + 50), 0);
		if (n)
			squeeze_until(test, g, atomic_long_read(&g->nr_squeezed) +
				      atomic_long_read(&g->nr_private));
		KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
		gmem_reset(g);
		KUNIT_EXPECT_EQ(test, atomic_long_read(&g->nr_squeezed), PAGES);
		KUNIT_EXPECT_EQ(test, atomic_long_read(&g->nr_private), 0);
		KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	}
	KUNIT_EXPECT_EQ(test, wrong_words(test, g, f), 0);
	gmem_reset(g);
	KUNIT_EXPECT_EQ(test, wrong_words(test, g, f), 0);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	fake_free(g, f);
	gmem_put(g);
	gmem_put(base);
	gmem_put(parent);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
}

/* What a fork has in common can be read by all of them without a copy, though it was idle. */
static void squeeze_idle_forked(struct kunit *test)
{
	struct gmem *g = gmem_made(test, 0), *child;
	struct fake *f;
	pgoff_t off;

	store_all(test, g);
	squeeze_knobs.pass_millisecs = 10;
	squeeze_knobs.cold_passes = 30;
	KUNIT_ASSERT_EQ(test, squeeze_set_mode(SQUEEZE_ALWAYS), 0);
	msleep(50);
	squeeze_set_mode(SQUEEZE_OFF);
	child = gmem_fork(g);
	KUNIT_ASSERT_FALSE(test, IS_ERR(child));
	f = fake_new(test, child, 0, PAGES);
	for (off = 0; off < PAGES; off++)
		KUNIT_EXPECT_EQ(test, fake_read(child, f, off), off + 1);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&child->nr_private), 0);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	fake_free(child, f);
	gmem_put(child);
	gmem_put(g);
}

static struct kunit_case squeeze_cases[] = {
	KUNIT_CASE(squeeze_kinds),
	KUNIT_CASE(squeeze_wake),
	KUNIT_CASE(squeeze_stores),
	KUNIT_CASE(squeeze_touched),
	KUNIT_CASE(squeeze_raced),
	KUNIT_CASE(squeeze_forked),
	KUNIT_CASE(squeeze_reset),
	KUNIT_CASE(squeeze_idle_forked),
	{}
};

static struct kunit_suite squeeze_suite = {
	.name = "ditto_gmem_squeeze",
	.test_cases = squeeze_cases,
};

kunit_test_suite(squeeze_suite);
