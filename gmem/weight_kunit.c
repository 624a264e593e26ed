// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of what the kernel is told before it kills for lack of memory, and of the locks that
 * are waited for while it is determined whose RSS a gmem counts in.
 */
#include <linux/completion.h>
#include <linux/kthread.h>

#include "gmem/fake.h"
#include "gmem/index.h"
#include "gmem/later.h"
#include "gmem/weight.h"

static struct gmem *make(struct kunit *test, pgoff_t npages)
{
	struct gmem *g = gmem_create_obj((u64)npages << PAGE_SHIFT, 0);

	KUNIT_ASSERT_FALSE(test, IS_ERR(g));
	return g;
}

static unsigned long ask(void)
{
	unsigned long freed = 0;

	gmem_weight_oom(&freed);
	return freed;
}

/* Fill @n pages and drop them: what the kernel hears then. */
static unsigned long ask_after_punch(struct kunit *test, struct gmem *g, pgoff_t n)
{
	pgoff_t off;

	for (off = 0; off < n; off++)
		KUNIT_ASSERT_EQ(test, gmem_write(g, off << PAGE_SHIFT, &off, sizeof(off)), 0);
	KUNIT_EXPECT_EQ(test, gmem_punch(g, 0, n), 0);
	return ask();
}

/* Pages that wait for readers are waited for; with none on their way the kernel goes on. */
static void oom_pages(struct kunit *test)
{
	struct gmem *g = make(test, GMEM_CHUNK_PAGES);
	unsigned long freed = 0;
	unsigned int tries;

	gmem_drain();
	gmem_later_flush();
	KUNIT_EXPECT_EQ(test, ask(), 0);
	/* They may have gone by themselves. */
	for (tries = 0; tries < 20 && !freed; tries++) {
		freed = ask_after_punch(test, g, 64);
		KUNIT_EXPECT_LE(test, freed, 65);	/* and the chunk */
		KUNIT_EXPECT_EQ(test, gmem_pages_waiting(), 0);
	}
	KUNIT_EXPECT_NE(test, freed, 0);
	KUNIT_EXPECT_EQ(test, ask(), 0);
	gmem_put(g);
}

/* A gmem that is just being freed is waited for, a little each time. */
static void oom_leaving(struct kunit *test)
{
	struct gmem *g = make(test, 64 * GMEM_CHUNK_PAGES);
	struct gmem_chunk *c;
	pgoff_t off;

	for (off = 0; off < gmem_npages(g); off += GMEM_CHUNK_PAGES)
		KUNIT_ASSERT_EQ(test, gmem_write(g, off << PAGE_SHIFT, &off, 8), 0);
	gmem_later_flush();
	KUNIT_EXPECT_EQ(test, ask(), 0);
	c = gmem_chunk_find(g, 0);
	mutex_lock(&c->lock);	/* who frees it stands here */
	gmem_put(g);
	KUNIT_EXPECT_EQ(test, ask(), 1);
	KUNIT_EXPECT_EQ(test, ask(), 1);
	mutex_unlock(&c->lock);
	gmem_chunk_put(c);
	gmem_drain();
	gmem_later_flush();
	KUNIT_EXPECT_EQ(test, ask(), 0);
}

struct passer {
	struct gmem *g;
	struct completion done;
};

static int pass(void *arg)
{
	struct passer *p = arg;

	gmem_weight_pass(p->g);
	complete(&p->done);
	return 0;
}

/* Whoever changes a gmem's bindings for long holds up no worker, which has others to look at. */
static void weight_waits_for_nobody(struct kunit *test)
{
	struct passer p = { .g = make(test, 1) };
	struct task_struct *t;

	init_completion(&p.done);
	down_write(&p.g->bind_lock);
	t = kthread_create(pass, &p, "ditto-pass");
	if (!IS_ERR(t)) {
		get_task_struct(t);
		wake_up_process(t);
		KUNIT_EXPECT_NE(test, wait_for_completion_timeout(&p.done, 30 * HZ), 0);
	}
	up_write(&p.g->bind_lock);
	KUNIT_ASSERT_FALSE(test, IS_ERR(t));
	kthread_stop(t);
	put_task_struct(t);
	gmem_put(p.g);
}

static struct kunit_case weight_cases[] = {
	KUNIT_CASE(oom_pages),
	KUNIT_CASE(oom_leaving),
	KUNIT_CASE(weight_waits_for_nobody),
	{}
};

static struct kunit_suite weight_suite = {
	.name = "ditto_gmem_weight",
	.test_cases = weight_cases,
};

kunit_test_suite(weight_suite);
