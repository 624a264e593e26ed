// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of passes: what they look at, several at once, and beside guests that write.
 */
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/kthread.h>

#include "ksm/kunit.h"

static unsigned int harvests;

static void counted_harvest(struct gmem_binding *b, pgoff_t start, pgoff_t end,
			    unsigned long *bitmap)
{
	harvests++;
	fake_harvest(b, start, end, bitmap);
}

static void counted_survey(struct gmem_binding *b, pgoff_t start, pgoff_t end,
			   unsigned long *chunks)
{
	struct fake *f = container_of(b, struct fake, b);
	pgoff_t off;

	for (off = start; off < end; off++)
		if (f->dirty[off])
			__set_bit(gmem_chunk_nr(off), chunks);
}

static unsigned int harvests_of_pass(void)
{
	harvests = 0;
	passes(1, MERGE_NONE);
	return harvests;
}

/* Chunks in which nothing happened are not looked at, those where something did are. */
static void idle_chunks(struct kunit *test)
{
	struct gmem_binding_ops ops = fake_ops;
	struct guest a = guest_make(test, 4 * GMEM_CHUNK_PAGES);
	pgoff_t i;

	ops.harvest = counted_harvest;
	ops.survey = counted_survey;
	a.f->b.ops = &ops;
	for (i = 0; i < 3; i++)
		KUNIT_ASSERT_EQ(test, guest_put(&a, i * GMEM_CHUNK_PAGES, i + 1), 0);
	/* Written; calm, and examined; nothing is left. */
	KUNIT_EXPECT_EQ(test, harvests_of_pass(), 3);
	KUNIT_EXPECT_EQ(test, harvests_of_pass(), 3);
	KUNIT_EXPECT_EQ(test, harvests_of_pass(), 3);
	KUNIT_EXPECT_EQ(test, harvests_of_pass(), 0);
	KUNIT_EXPECT_EQ(test, merge_index_unshared(), 3);
	/* Through the binding, which the survey tells, and by the kernel. */
	KUNIT_ASSERT_EQ(test, guest_put(&a, 0, 2), 0);
	KUNIT_EXPECT_EQ(test, gmem_write(a.g, 3 * GMEM_CHUNK_PAGES << PAGE_SHIFT, "x", 1), 0);
	KUNIT_EXPECT_EQ(test, harvests_of_pass(), 2);
	KUNIT_EXPECT_EQ(test, harvests_of_pass(), 2);
	KUNIT_EXPECT_EQ(test, harvests_of_pass(), 2);
	KUNIT_EXPECT_EQ(test, harvests_of_pass(), 0);
	KUNIT_EXPECT_EQ(test, gmem_shared_pages(), 1);
	/* A chunk that is gone leaves nothing to be looked at. */
	KUNIT_EXPECT_EQ(test, gmem_write(a.g, 3 * GMEM_CHUNK_PAGES << PAGE_SHIFT, "y", 1), 0);
	KUNIT_EXPECT_EQ(test, gmem_punch(a.g, 0, 4 * GMEM_CHUNK_PAGES), 0);
	KUNIT_EXPECT_EQ(test, harvests_of_pass(), 0);
	KUNIT_EXPECT_EQ(test, gmem_write(a.g, 3 * GMEM_CHUNK_PAGES << PAGE_SHIFT, "z", 1), 0);
	KUNIT_EXPECT_EQ(test, harvests_of_pass(), 1);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	a.f->b.ops = &fake_ops;
	guest_free(&a);
}

/* "vCPUs" of two guests that write few contents, verify, and are merged meanwhile. */
struct racer {
	struct guest *s;
	u64 *was;
	unsigned int seed;
	unsigned long wrong;
	unsigned long ops;
};

#define RACE_PAGES	200

static int race(void *arg)
{
	struct racer *r = arg;
	u64 *was = r->was;
	pgoff_t off;

	while (!kthread_should_stop()) {
		r->seed = r->seed * 1103515245 + 12345;
		off = (r->seed >> 16) % RACE_PAGES;
		r->wrong += guest_get(r->s, off) != was[off];
		if (r->ops % 8 == 0) {
			was[off] = 0;
			r->wrong += gmem_punch(r->s->g, off, off + 1) != 0;
		} else {
			was[off] = (r->seed >> 8) % 4;
			r->wrong += guest_put(r->s, off, was[off]) != 0;
		}
		r->wrong += guest_get(r->s, off) != was[off];
		r->ops++;
		if (r->ops % 64 == 0)
			usleep_range(200, 400);
		cond_resched();
	}
	return 0;
}

static void races(struct kunit *test)
{
	struct guest s[2] = { guest_make(test, RACE_PAGES), guest_make(test, RACE_PAGES) };
	unsigned long end = jiffies + 3 * HZ, merged = 0;
	struct task_struct *t[2];
	struct racer r[2] = { 0 };
	unsigned int i;

	for (i = 0; i < 2; i++) {
		r[i].s = &s[i];
		r[i].seed = i;
		r[i].was = kunit_kzalloc(test, RACE_PAGES * sizeof(u64), GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, r[i].was);
		t[i] = kthread_run(race, &r[i], "ditto-race%u", i);
		KUNIT_ASSERT_FALSE(test, IS_ERR(t[i]));
	}
	/* For a while, and however long it takes here until enough has happened. */
	while (time_before(jiffies, end) || merged <= 100 || READ_ONCE(r[0].ops) <= 100 ||
	       READ_ONCE(r[1].ops) <= 100) {
		merged += passes(2, MERGE_SHARED);
		if (merged % 16 == 0)
			KUNIT_EXPECT_EQ(test, gmem_unshare(s[0].g), 0);
		cond_resched();
	}
	for (i = 0; i < 2; i++) {
		kthread_stop(t[i]);
		KUNIT_EXPECT_EQ(test, r[i].wrong, 0);
	}
	passes(12, MERGE_SHARED);
	KUNIT_EXPECT_LE(test, gmem_shared_pages(), 3);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	guest_free(&s[0]);
	guest_free(&s[1]);
	KUNIT_EXPECT_EQ(test, gmem_shared_pages(), 0);
	KUNIT_EXPECT_EQ(test, merge_index_unshared(), 0);
}

/* As a worker of the engine does, but without pause, and over all gmems. */
struct test_worker {
	struct task_struct *task;
	struct merge_step step;
	unsigned int count[MERGE_BUSY + 1];
};

static int work(void *arg)
{
	struct test_worker *w = arg;
	struct gmem *g;

	while (!kthread_should_stop()) {
		down_read(&merge_knobs.lock);
		for (g = gmem_next(NULL, true); g; g = gmem_next(g, true))
			pass(&w->step, g, w->count);
		up_read(&merge_knobs.lock);
		usleep_range(100, 200);
	}
	return 0;
}

#define WORKERS	3

static void start_workers(struct kunit *test, struct test_worker **w)
{
	unsigned int i;

	down_write(&merge_knobs.lock);
	KUNIT_EXPECT_EQ(test, merge_index_init(), 0);
	up_write(&merge_knobs.lock);
	for (i = 0; i < WORKERS; i++) {
		w[i] = kunit_kzalloc(test, sizeof(*w[i]), GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, w[i]);
		w[i]->task = kthread_run(work, w[i], "ditto-work%u", i);
		KUNIT_ASSERT_FALSE(test, IS_ERR(w[i]->task));
	}
}

static void stop_workers(struct test_worker **w)
{
	unsigned int i;

	for (i = 0; i < WORKERS; i++)
		kthread_stop(w[i]->task);
}

/* Several at once find every pair of equal pages, and merge each once. */
static void workers(struct kunit *test)
{
	struct guest s[3] = { guest_make(test, 512), guest_make(test, 512), guest_make(test, 512) };
	unsigned long end = jiffies + 100 * HZ;
	struct test_worker *w[WORKERS];
	unsigned int i;
	pgoff_t off;

	start_workers(test, w);
	for (off = 0; off < 512; off++)
		for (i = 0; i < 3; i++)
			KUNIT_ASSERT_EQ(test, guest_put(&s[i], off, 1 + off), 0);
	while (nr_shared(s[0].g) + nr_shared(s[1].g) + nr_shared(s[2].g) < 3 * 512 &&
	       time_before(jiffies, end))
		msleep(20);
	stop_workers(w);
	KUNIT_EXPECT_EQ(test, gmem_shared_pages(), 512);
	for (off = 0; off < 512; off++)
		for (i = 0; i < 3; i++)
			KUNIT_EXPECT_EQ(test, guest_get(&s[i], off), 1 + off);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	for (i = 0; i < 3; i++)
		guest_free(&s[i]);
}

/* And do no harm to guests that write meanwhile. */
static void racing_workers(struct kunit *test)
{
	struct guest s[2] = { guest_make(test, RACE_PAGES), guest_make(test, RACE_PAGES) };
	unsigned long end = jiffies + 3 * HZ;
	struct test_worker *w[WORKERS];
	struct task_struct *t[2];
	struct racer r[2] = { 0 };
	unsigned int i;

	start_workers(test, w);
	for (i = 0; i < 2; i++) {
		r[i].s = &s[i];
		r[i].seed = i;
		r[i].was = kunit_kzalloc(test, RACE_PAGES * sizeof(u64), GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, r[i].was);
		t[i] = kthread_run(race, &r[i], "ditto-race%u", i);
		KUNIT_ASSERT_FALSE(test, IS_ERR(t[i]));
	}
	while (time_before(jiffies, end) || READ_ONCE(r[0].ops) <= 100 ||
	       READ_ONCE(r[1].ops) <= 100)
		msleep(20);
	for (i = 0; i < 2; i++) {
		kthread_stop(t[i]);
		KUNIT_EXPECT_EQ(test, r[i].wrong, 0);
	}
	stop_workers(w);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	guest_free(&s[0]);
	guest_free(&s[1]);
	KUNIT_EXPECT_EQ(test, gmem_shared_pages(), 0);
	KUNIT_EXPECT_EQ(test, merge_index_unshared(), 0);
}

/* A page that comes while another one looks for its equal is not passed over. */
static void unknown_candidate(struct kunit *test)
{
	struct guest a = guest_make(test, 4);
	struct gmem_cursor cur;
	struct page *page;
	u32 digest;

	KUNIT_ASSERT_EQ(test, guest_put(&a, 0, 5), 0);
	KUNIT_EXPECT_EQ(test, passes(2, MERGE_UNIQUE), 1);
	digest = *gmem_page_digest(pfn_to_page(a.f->pfn[0]));
	KUNIT_ASSERT_EQ(test, guest_put(&a, 1, 5), 0);
	page = pfn_to_page(a.f->pfn[1]);
	KUNIT_ASSERT_TRUE(test, gmem_cursor_at(&cur, a.g, 1));
	cur.nr = 1;
	KUNIT_ASSERT_TRUE(test, gmem_cursor_enter(&cur));
	KUNIT_EXPECT_EQ(test, merge_keep_unique(&cur, page, digest, 0), MERGE_BUSY);
	gmem_cursor_unlock(&cur);
	gmem_cursor_leave(&cur);
	KUNIT_EXPECT_EQ(test, merge_index_unshared(), 1);
	KUNIT_EXPECT_EQ(test, passes(2, MERGE_SHARED), 1);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	guest_free(&a);
}

/**
 * struct engine - a thread that does what the engine does, while a fork is under way
 * @done: it did not wait
 * @cur: holds a chunk, whose pages of @ripe are examined; or NULL: a pass
 * @ripe: see there
 * @result: of the first page
 */
struct engine {
	struct completion done;
	struct gmem_cursor *cur;
	unsigned long *ripe;
	enum merge_result result;
};

static int engine_fn(void *arg)
{
	struct engine *e = arg;
	unsigned int nr = 0;

	if (e->cur) {
		down_write(&merge_knobs.lock);
		merge_step(&step, e->cur, e->ripe, &nr, MERGE_STEP);
		e->result = step.item[0].result;
		up_write(&merge_knobs.lock);
	} else {
		passes(1, MERGE_SHARED);
	}
	complete(&e->done);
	return 0;
}

/* Does it end before the fork of @g? */
static bool ends_before_fork(struct gmem *g, struct engine *e)
{
	bool ended;

	init_completion(&e->done);
	down_write(&g->fork_lock);
	if (IS_ERR(kthread_run(engine_fn, e, "ditto-engine"))) {
		up_write(&g->fork_lock);
		return false;
	}
	ended = wait_for_completion_timeout(&e->done, 5 * HZ);
	up_write(&g->fork_lock);
	if (!ended)
		wait_for_completion(&e->done);
	return ended;
}

/* Is the first chunk to be scanned, whatever bindings tell of it? */
static bool marked(struct kunit *test, struct gmem *g)
{
	struct gmem_chunk *c = gmem_chunk_find(g, 0);
	bool is;

	KUNIT_ASSERT_NOT_NULL(test, c);
	is = test_bit(gmem_chunk_nr(c->base), c->dir->active);
	gmem_chunk_put(c);
	return is;
}

/* A fork holds up nobody's merging, and what it made the engine pass over is merged later. */
static void fork_under_way(struct kunit *test)
{
	DECLARE_BITMAP(ripe, GMEM_CHUNK_PAGES) = { 0 };
	struct guest a = guest_make(test, 4);
	struct gmem_cursor cur;
	struct engine e = { 0 };
	unsigned long waits = 0;

	KUNIT_ASSERT_EQ(test, guest_put(&a, 0, 5), 0);
	KUNIT_ASSERT_EQ(test, guest_put(&a, 1, 6), 0);
	KUNIT_EXPECT_EQ(test, passes(3, MERGE_UNIQUE), 2);
	/* A survey tells of this write only once. */
	KUNIT_ASSERT_EQ(test, guest_put(&a, 1, 5), 0);
	KUNIT_EXPECT_FALSE(test, marked(test, a.g));
	KUNIT_EXPECT_TRUE(test, ends_before_fork(a.g, &e));
	KUNIT_EXPECT_TRUE(test, marked(test, a.g));
	KUNIT_EXPECT_EQ(test, passes(1, MERGE_SHARED), 0);
	KUNIT_ASSERT_TRUE(test, gmem_scan_enter(&cur, a.g, 0));
	KUNIT_EXPECT_EQ(test, gmem_scan_chunk(&cur, ripe, &waits), 1);
	e.cur = &cur;
	e.ripe = ripe;
	KUNIT_EXPECT_TRUE(test, ends_before_fork(a.g, &e));
	KUNIT_EXPECT_EQ(test, e.result, MERGE_VOLATILE);
	gmem_cursor_leave(&cur);
	KUNIT_EXPECT_EQ(test, passes(1, MERGE_SHARED), 1);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	guest_free(&a);
}

static struct kunit_case thread_cases[] = {
	KUNIT_CASE(idle_chunks),
	KUNIT_CASE(unknown_candidate),
	KUNIT_CASE(fork_under_way),
	KUNIT_CASE(races),
	KUNIT_CASE(workers),
	KUNIT_CASE(racing_workers),
	{}
};

static struct kunit_suite thread_suite = {
	.name = "ditto_merge_thread",
	.init = merge_suite_init,
	.test_cases = thread_cases,
};

kunit_test_suite(thread_suite);
