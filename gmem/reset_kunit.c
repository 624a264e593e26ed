// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of resets: whatever was written, filled or punched since the fork, and whoever
 * else has it by now, contents and counters are what they were, with a fake MMU (fake.h).
 */
#include <linux/prandom.h>
#include <ditto.h>

#include "gmem/entry.h"
#include "gmem/fake.h"
#include "gmem/fork.h"
#include "gmem/index.h"
#include "gmem/killed.h"
#include "gmem/merge.h"
#include "gmem/sharers.h"

#define PAGES	2048	/* four chunks, of which the last is empty at first */
#define FULL	1536

/* What the base has at @off: every third page was never written. */
static u64 first(pgoff_t off)
{
	return off < FULL && off % 3 ? off * 7 + 1 : 0;
}

/**
 * struct trio - a parent, its hidden fork, and a fork of that, which can be reset
 * @parent: with a reference, as all three
 * @base: likewise
 * @g: likewise
 * @f: maps all of @g
 */
struct trio {
	struct gmem *parent, *base, *g;
	struct fake *f;
};

static void trio_make(struct kunit *test, struct trio *t)
{
	pgoff_t off;

	t->parent = gmem_create_obj((u64)PAGES << PAGE_SHIFT, 0);
	KUNIT_ASSERT_FALSE(test, IS_ERR(t->parent));
	for (off = 0; off < FULL; off++)
		if (first(off))
			fake_store(test, t->parent, off, first(off));
	t->base = gmem_fork(t->parent);
	KUNIT_ASSERT_FALSE(test, IS_ERR(t->base));
	t->g = gmem_fork(t->base);
	KUNIT_ASSERT_FALSE(test, IS_ERR(t->g));
	gmem_fork_base(t->g, t->base);
	t->f = fake_new(test, t->g, 0, PAGES);
}

static void trio_free(struct kunit *test, struct trio *t)
{
	fake_free(t->g, t->f);
	gmem_put(t->g);
	gmem_put(t->base);
	gmem_put(t->parent);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	KUNIT_EXPECT_EQ(test, gmem_shared_pages(), 0);
}

/* Contents by the guest's mappings and without, counters, and the checker's word. */
static void must_be_reset(struct kunit *test, struct trio *t)
{
	unsigned int wrong = 0;
	pgoff_t off;

	for (off = 0; off < PAGES; off++)
		wrong += fake_load(test, t->g, off) != first(off) ||
			 fake_read(t->g, t->f, off) != first(off);
	KUNIT_EXPECT_EQ(test, wrong, 0);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&t->g->nr_private), 0);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&t->g->nr_shared),
			atomic_long_read(&t->base->nr_shared));
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
}

static void reset_written(struct kunit *test)
{
	struct trio t;
	unsigned int n;

	trio_make(test, &t);
	KUNIT_EXPECT_EQ(test, gmem_reset(t.g), 0);
	must_be_reset(test, &t);
	for (n = 0; n < 3; n++) {
		KUNIT_EXPECT_EQ(test, fake_write(t.g, t.f, 1, 100), 0);
		KUNIT_EXPECT_EQ(test, fake_write(t.g, t.f, 3, 101), 0);
		fake_store(test, t.g, 600, 102);
		fake_store(test, t.g, FULL + 1, 103);
		fake_store(test, t.parent, 4, 0);	/* the base has its own by then */
		KUNIT_EXPECT_EQ(test, gmem_reset(t.g), 0);
		must_be_reset(test, &t);
		fake_store(test, t.parent, 4, first(4));
	}
	trio_free(test, &t);
}

static struct page *page_of(struct gmem *g, pgoff_t off)
{
	unsigned long v;

	rcu_read_lock();
	v = gmem_entry_read(g, off);
	rcu_read_unlock();
	return gmem_entry_page(v);
}

/* More come back than can be counted: the page is not freed under those who have it. */
static void reset_too_many(struct kunit *test)
{
	struct page *page;
	struct trio t;
	int was;

	trio_make(test, &t);
	fake_store(test, t.g, 1, 100);
	page = page_of(t.base, 1);
	KUNIT_ASSERT_TRUE(test, gmem_page_is_shared(page));
	was = atomic_read(gmem_page_sharers(page));
	atomic_set(gmem_page_sharers(page), INT_MAX);
	KUNIT_EXPECT_EQ(test, gmem_reset(t.g), 0);
	KUNIT_EXPECT_LT(test, atomic_read(gmem_page_sharers(page)), INT_MIN / 4);
	KUNIT_EXPECT_FALSE(test, gmem_shared_get(page));
	fake_store(test, t.g, 1, 100);
	KUNIT_EXPECT_LT(test, atomic_read(gmem_page_sharers(page)), INT_MIN / 4);
	KUNIT_EXPECT_EQ(test, gmem_reset(t.g), 0);
	atomic_set(gmem_page_sharers(page), was + 1);
	must_be_reset(test, &t);
	trio_free(test, &t);
}

/* A reader without a reference of a page that a fork has, too: nobody writes to it in place. */
static void reset_read_late(struct kunit *test)
{
	struct gmem *fork;
	struct page *page;
	struct trio t;

	trio_make(test, &t);
	fake_store(test, t.g, 1, 100);
	fork = gmem_fork(t.g);
	KUNIT_ASSERT_FALSE(test, IS_ERR(fork));
	page = page_of(t.g, 1);
	KUNIT_EXPECT_EQ(test, gmem_reset(t.g), 0);
	fake_store(test, fork, 1, 101);
	KUNIT_EXPECT_PTR_NE(test, page_of(fork, 1), page);
	KUNIT_EXPECT_EQ(test, fake_load(test, fork, 1), 101);
	KUNIT_EXPECT_EQ(test, fake_load(test, fork, 2), first(2));
	must_be_reset(test, &t);
	gmem_put(fork);
	trio_free(test, &t);
}

/* What has not been changed since the last reset is not looked at. */
static void reset_looks_at_changes(struct kunit *test)
{
	struct gmem_chunk *c;
	struct trio t;

	trio_make(test, &t);
	fake_store(test, t.g, 1, 100);
	fake_store(test, t.g, 5, 100);
	c = gmem_chunk_find(t.g, 0);
	KUNIT_EXPECT_EQ(test, bitmap_weight(c->changed, GMEM_CHUNK_PAGES), 2);
	KUNIT_EXPECT_EQ(test, bitmap_weight(c->dir->changed, GMEM_DIR_CHUNKS), 1);
	KUNIT_EXPECT_EQ(test, gmem_reset(t.g), 0);
	KUNIT_EXPECT_TRUE(test, bitmap_empty(c->changed, GMEM_CHUNK_PAGES));
	KUNIT_EXPECT_TRUE(test, bitmap_empty(c->dir->changed, GMEM_DIR_CHUNKS));
	/* The chunk stays, so that the next write copies none. */
	KUNIT_EXPECT_TRUE(test, gmem_chunk_held_by(c, t.g));
	gmem_chunk_put(c);
	trio_free(test, &t);
}

static void reset_punched(struct kunit *test)
{
	struct trio t;

	trio_make(test, &t);
	KUNIT_EXPECT_EQ(test, gmem_punch(t.g, 0, 512), 0);
	KUNIT_EXPECT_EQ(test, gmem_punch(t.g, 600, 700), 0);
	KUNIT_EXPECT_EQ(test, gmem_reset(t.g), 0);
	must_be_reset(test, &t);
	KUNIT_EXPECT_EQ(test, gmem_punch(t.g, 0, PAGES), 0);
	fake_store(test, t.g, 9, 1);
	KUNIT_EXPECT_EQ(test, fake_read(t.g, t.f, 10), 0);
	KUNIT_EXPECT_EQ(test, gmem_reset(t.g), 0);
	must_be_reset(test, &t);
	trio_free(test, &t);
}

/* Forks of it keep what it had; what is common with them makes way. */
static void reset_forked(struct kunit *test)
{
	struct gmem *fork[3];
	struct trio t;
	unsigned int i;

	trio_make(test, &t);
	for (i = 0; i < 3; i++) {
		fake_store(test, t.g, 1, 100 + i);
		fake_store(test, t.g, 513, 200 + i);
		fake_store(test, t.g, FULL + 2, 300 + i);
		fork[i] = gmem_fork(t.g);
		KUNIT_ASSERT_FALSE(test, IS_ERR(fork[i]));
		if (i == 1)
			fake_store(test, t.g, 513, 250);
		if (i == 2)
			fake_store(test, fork[i], 1, 102);
		KUNIT_EXPECT_EQ(test, gmem_reset(t.g), 0);
		must_be_reset(test, &t);
	}
	for (i = 0; i < 3; i++) {
		KUNIT_EXPECT_EQ(test, fake_load(test, fork[i], 1), 100 + i);
		KUNIT_EXPECT_EQ(test, fake_load(test, fork[i], 513), 200 + i);
		KUNIT_EXPECT_EQ(test, fake_load(test, fork[i], FULL + 2), 300 + i);
		KUNIT_EXPECT_EQ(test, fake_load(test, fork[i], 1000), first(1000));
		gmem_put(fork[i]);
		KUNIT_EXPECT_EQ(test, gmem_reset(t.g), 0);
		must_be_reset(test, &t);
	}
	trio_free(test, &t);
}

/* What a fork had in common, and gave back, is the gmem's own again, with what it changed. */
static void reset_alone_again(struct kunit *test)
{
	struct gmem *fork;
	struct trio t;

	trio_make(test, &t);
	fake_store(test, t.g, 1, 100);
	fake_store(test, t.g, 514, 100);
	fork = gmem_fork(t.g);
	KUNIT_ASSERT_FALSE(test, IS_ERR(fork));
	fake_store(test, t.g, 2, 101);
	gmem_put(fork);
	fake_store(test, t.g, 515, 101);
	KUNIT_EXPECT_EQ(test, gmem_reset(t.g), 0);
	must_be_reset(test, &t);
	trio_free(test, &t);
}

static int reset_call(void *g)
{
	return gmem_reset(g);
}

/* Whoever is killed has put back some of it, and the next reset does the rest. */
static void reset_killed(struct kunit *test)
{
	struct gmem *fork;
	struct trio t;

	trio_make(test, &t);
	fake_store(test, t.g, 600, 102);
	fork = gmem_fork(t.g);
	KUNIT_ASSERT_FALSE(test, IS_ERR(fork));
	fake_store(test, t.g, 1, 100);
	fake_store(test, t.g, FULL + 1, 103);
	KUNIT_EXPECT_EQ(test, killed_call(test, reset_call, t.g), -EINTR);
	KUNIT_EXPECT_EQ(test, fake_load(test, t.g, 1), first(1));
	KUNIT_EXPECT_EQ(test, fake_load(test, t.g, 600), 102);
	KUNIT_EXPECT_EQ(test, fake_load(test, t.g, FULL + 1), 103);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	fake_store(test, t.g, 2, 104);
	KUNIT_EXPECT_EQ(test, gmem_reset(t.g), 0);
	must_be_reset(test, &t);
	gmem_put(fork);
	trio_free(test, &t);
}

static void reset_refuses(struct kunit *test)
{
	struct trio t;

	trio_make(test, &t);
	KUNIT_EXPECT_TRUE(test, gmem_has_base(t.g, t.base));
	KUNIT_EXPECT_FALSE(test, gmem_has_base(t.g, t.parent));
	KUNIT_EXPECT_FALSE(test, gmem_has_base(t.base, t.parent));
	KUNIT_EXPECT_EQ(test, gmem_set_policy(t.g, DITTO_POLICY_OFF), -EBUSY);
	KUNIT_EXPECT_EQ(test, gmem_set_policy(t.g, gmem_policy(t.g)), 0);
	/* The base has nothing of its own, and nothing that others have goes back to it. */
	KUNIT_EXPECT_EQ(test, gmem_unshare(t.base), 0);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&t.base->nr_private), 0);
	KUNIT_EXPECT_EQ(test, gmem_unshare(t.g), 0);
	KUNIT_EXPECT_GT(test, atomic_long_read(&t.g->nr_private), 0);
	KUNIT_EXPECT_EQ(test, gmem_reset(t.g), 0);
	must_be_reset(test, &t);
	trio_free(test, &t);
}

/* One step of a random life. @fork: of @t->g, or NULL; may be replaced. */
static void step(struct kunit *test, struct trio *t, struct gmem **fork, struct rnd_state *rnd)
{
	pgoff_t off = prandom_u32_state(rnd) % PAGES;
	u64 value = prandom_u32_state(rnd);

	switch (prandom_u32_state(rnd) % 16) {
	case 0:
		if (*fork)
			gmem_put(*fork);
		*fork = gmem_fork(t->g);
		KUNIT_ASSERT_FALSE(test, IS_ERR(*fork));
		break;
	case 1:
		if (*fork)
			fake_store(test, *fork, off, value);
		break;
	case 2:
		KUNIT_EXPECT_EQ(test, gmem_punch(t->g, off, min(off + value % 700, PAGES)), 0);
		break;
	case 3:
		fake_store(test, t->parent, off, value);
		break;
	case 4:
		fake_read(t->g, t->f, off);
		break;
	case 5 ... 8:
		fake_store(test, t->g, off, value);
		break;
	default:
		KUNIT_EXPECT_EQ(test, fake_write(t->g, t->f, off, value), 0);
	}
}

static void reset_random(struct kunit *test)
{
	struct gmem *fork = NULL;
	struct rnd_state rnd;
	unsigned int i, n;
	struct trio t;

	prandom_seed_state(&rnd, 20261201);
	trio_make(test, &t);
	for (n = 0; n < 100; n++) {
		for (i = 0; i < 30; i++)
			step(test, &t, &fork, &rnd);
		KUNIT_EXPECT_EQ(test, gmem_reset(t.g), 0);
		must_be_reset(test, &t);
	}
	if (fork)
		gmem_put(fork);
	trio_free(test, &t);
}

static struct kunit_case reset_cases[] = {
	KUNIT_CASE(reset_written),
	KUNIT_CASE(reset_looks_at_changes),
	KUNIT_CASE(reset_too_many),
	KUNIT_CASE(reset_read_late),
	KUNIT_CASE(reset_punched),
	KUNIT_CASE(reset_forked),
	KUNIT_CASE(reset_alone_again),
	KUNIT_CASE(reset_killed),
	KUNIT_CASE(reset_refuses),
	KUNIT_CASE(reset_random),
	{}
};

static struct kunit_suite reset_suite = {
	.name = "ditto_gmem_reset",
	.test_cases = reset_cases,
};

kunit_test_suite(reset_suite);
