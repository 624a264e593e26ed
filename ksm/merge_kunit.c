// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the merge engine: which pages merge, which do not, and what breaks.
 */
#include <linux/completion.h>
#include <linux/kthread.h>

#include "gmem/killed.h"
#include "ksm/kunit.h"

static void equal_pages(struct kunit *test)
{
	struct guest a = guest_make(test, 520), b = guest_make(test, 520);
	struct gmem_mapping map;
	pgoff_t i;

	for (i = 0; i < 520; i++) {
		KUNIT_ASSERT_EQ(test, guest_put(&a, i, i + 1), 0);
		KUNIT_ASSERT_EQ(test, guest_put(&b, i, i + 1), 0);
	}
	KUNIT_EXPECT_EQ(test, passes(1, MERGE_NONE), 0);
	KUNIT_EXPECT_EQ(test, nr_shared(a.g), 0);
	KUNIT_EXPECT_EQ(test, passes(1, MERGE_SHARED), 520);
	KUNIT_EXPECT_EQ(test, nr_shared(a.g), 520);
	KUNIT_EXPECT_EQ(test, nr_shared(b.g), 520);
	KUNIT_EXPECT_EQ(test, nr_private(a.g) + nr_private(b.g), 0);
	KUNIT_EXPECT_EQ(test, gmem_shared_pages(), 520);
	KUNIT_EXPECT_EQ(test, merge_index_unshared(), 0);
	for (i = 0; i < 520; i++) {
		KUNIT_EXPECT_EQ(test, guest_get(&a, i), i + 1);
		KUNIT_EXPECT_EQ(test, guest_get(&b, i), i + 1);
		KUNIT_EXPECT_EQ(test, a.f->pfn[i], b.f->pfn[i]);
		KUNIT_EXPECT_FALSE(test, a.f->writable[i] || b.f->writable[i]);
	}
	KUNIT_EXPECT_EQ(test, gmem_fault(a.g, 3, false, &map), 0);
	KUNIT_EXPECT_FALSE(test, map.writable);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);

	/* Each kind of write breaks its own entry only. */
	KUNIT_EXPECT_EQ(test, guest_put(&a, 3, 99), 0);
	KUNIT_EXPECT_EQ(test, gmem_write(b.g, 5 * PAGE_SIZE, "x", 1), 0);
	KUNIT_EXPECT_EQ(test, guest_get(&b, 3), 4);
	KUNIT_EXPECT_EQ(test, guest_get(&a, 5), 6);
	KUNIT_EXPECT_EQ(test, guest_get(&b, 5), 'x');
	KUNIT_EXPECT_EQ(test, nr_shared(a.g), 519);
	KUNIT_EXPECT_EQ(test, nr_shared(b.g), 519);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&a.g->nr_breaks), 1);
	/* Written back to what they were: they find the shared pages again, calm. */
	KUNIT_EXPECT_EQ(test, guest_put(&a, 3, 4), 0);
	KUNIT_EXPECT_EQ(test, passes(2 + GMEM_WAIT_BROKE - 1, MERGE_SHARED), 0);
	KUNIT_EXPECT_EQ(test, passes(1, MERGE_SHARED), 1);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	guest_free(&a);
	KUNIT_EXPECT_EQ(test, gmem_shared_pages(), 519);
	guest_free(&b);
	KUNIT_EXPECT_EQ(test, gmem_shared_pages(), 0);
}

static struct guest *freed_between;

static void free_between(void)
{
	gmem_punch(freed_between->g, 0, 2);
}

/* A shared page that is freed while the checker runs is the caller's mistake, not a violation. */
static void checked_while_freed(struct kunit *test)
{
	struct guest a = guest_make(test, 2);
	struct seq_file m = { .size = 4096 };

	m.buf = kunit_kzalloc(test, m.size + 1, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, m.buf);
	KUNIT_ASSERT_EQ(test, guest_put(&a, 0, 5), 0);
	KUNIT_ASSERT_EQ(test, guest_put(&a, 1, 5), 0);
	KUNIT_EXPECT_EQ(test, passes(2, MERGE_SHARED), 1);
	freed_between = &a;
	gmem_check_between = free_between;
	KUNIT_EXPECT_GT(test, gmem_check_all(&m), 0);
	gmem_check_between = NULL;
	KUNIT_EXPECT_NOT_NULL(test, strstr(m.buf, "no longer shared"));
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	guest_free(&a);
}

static void unequal_pages(struct kunit *test)
{
	struct guest a = guest_make(test, 100);
	pgoff_t i;

	for (i = 0; i < 100; i++)
		KUNIT_ASSERT_EQ(test, guest_put(&a, i, 1000 + i), 0);
	KUNIT_EXPECT_EQ(test, passes(2, MERGE_UNIQUE), 100);
	KUNIT_EXPECT_EQ(test, merge_index_unshared(), 100);
	KUNIT_EXPECT_EQ(test, passes(3, MERGE_UNIQUE), 0);	/* not read again */
	/* One of them changes to what another is. */
	KUNIT_EXPECT_EQ(test, guest_put(&a, 7, 1008), 0);
	KUNIT_EXPECT_EQ(test, passes(1, MERGE_SHARED), 0);
	KUNIT_EXPECT_EQ(test, merge_index_unshared(), 99);
	KUNIT_EXPECT_EQ(test, passes(1, MERGE_SHARED), 1);
	KUNIT_EXPECT_EQ(test, merge_index_unshared(), 98);
	KUNIT_EXPECT_EQ(test, a.f->pfn[8] ? guest_get(&a, 8) : guest_get(&a, 8), 1008);
	KUNIT_EXPECT_EQ(test, guest_get(&a, 7), 1008);
	KUNIT_EXPECT_EQ(test, gmem_punch(a.g, 0, 50), 0);
	KUNIT_EXPECT_EQ(test, merge_index_unshared(), 50);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	guest_free(&a);
	KUNIT_EXPECT_EQ(test, merge_index_unshared(), 0);
}

static void zero_pages(struct kunit *test)
{
	struct guest a = guest_make(test, 10);
	pgoff_t i;

	for (i = 0; i < 10; i++)
		KUNIT_ASSERT_EQ(test, guest_put(&a, i, 0), 0);
	KUNIT_EXPECT_EQ(test, nr_private(a.g), 10);
	KUNIT_EXPECT_EQ(test, passes(2, MERGE_ZERO), 10);
	KUNIT_EXPECT_EQ(test, nr_private(a.g), 0);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&a.g->nr_zeroed), 10);
	KUNIT_EXPECT_EQ(test, guest_get(&a, 4), 0);
	KUNIT_EXPECT_EQ(test, guest_put(&a, 4, 5), 0);
	KUNIT_EXPECT_EQ(test, guest_put(&a, 5, 6), 0);
	KUNIT_EXPECT_EQ(test, guest_get(&a, 4), 5);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&a.g->nr_zeroed), 8);
	KUNIT_EXPECT_EQ(test, gmem_punch(a.g, 0, 2), 0);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&a.g->nr_zeroed), 6);
	KUNIT_EXPECT_EQ(test, gmem_unshare(a.g), 0);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&a.g->nr_zeroed), 0);
	KUNIT_EXPECT_EQ(test, nr_private(a.g), 8);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	guest_free(&a);
}

/* Passes until a page that breaks now is merged again. */
static unsigned int passes_after_break(struct kunit *test, struct guest *s)
{
	unsigned int n = 0;

	KUNIT_ASSERT_EQ(test, guest_put(s, 0, 9), 0);
	KUNIT_ASSERT_EQ(test, guest_put(s, 0, 5), 0);
	while (!passes(1, MERGE_SHARED) && n < 200)
		n++;
	return n;
}

/* What breaks soon after each merge waits twice as long each time; what does not, no longer. */
static void churn(struct kunit *test)
{
	struct guest a = guest_make(test, 2);
	unsigned int i, wait = GMEM_WAIT_BROKE;

	KUNIT_ASSERT_EQ(test, guest_put(&a, 0, 5), 0);
	KUNIT_ASSERT_EQ(test, guest_put(&a, 1, 5), 0);
	KUNIT_EXPECT_EQ(test, passes(2, MERGE_SHARED), 1);
	for (i = 0; i < 7; i++) {
		KUNIT_EXPECT_EQ(test, passes_after_break(test, &a), 1 + wait);
		wait = min(2 * wait, 64U);
	}
	gmem_stamp_skew += 2;
	KUNIT_EXPECT_EQ(test, passes_after_break(test, &a), 1 + GMEM_WAIT_BROKE);
	KUNIT_EXPECT_EQ(test, passes_after_break(test, &a), 1 + GMEM_WAIT_BROKE);
	KUNIT_EXPECT_EQ(test, passes_after_break(test, &a), 1 + 2 * GMEM_WAIT_BROKE);
	/* Of zero pages likewise. */
	KUNIT_ASSERT_EQ(test, guest_put(&a, 1, 0), 0);
	passes(200, MERGE_ZERO);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&a.g->nr_zeroed), 1);
	KUNIT_ASSERT_EQ(test, guest_put(&a, 1, 0), 0);
	KUNIT_EXPECT_EQ(test, passes(1 + GMEM_WAIT_BROKE, MERGE_ZERO), 0);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	guest_free(&a);
}

/* No page has more sharers than it may; what is left over shares another. */
static void full_pages(struct kunit *test)
{
	struct guest a = guest_make(test, 10);
	pgoff_t i;

	merge_knobs.max_page_sharing = 4;
	for (i = 0; i < 10; i++)
		KUNIT_ASSERT_EQ(test, guest_put(&a, i, 5), 0);
	passes(2, MERGE_SHARED);
	KUNIT_EXPECT_EQ(test, nr_shared(a.g), 10);
	KUNIT_EXPECT_EQ(test, gmem_shared_pages(), 3);
	for (i = 0; i < 10; i++)
		KUNIT_EXPECT_EQ(test, guest_get(&a, i), 5);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	/* One more, and it is alone. */
	KUNIT_EXPECT_EQ(test, gmem_punch(a.g, 9, 10), 0);
	KUNIT_EXPECT_EQ(test, gmem_punch(a.g, 8, 9), 0);
	KUNIT_ASSERT_EQ(test, guest_put(&a, 9, 5), 0);
	KUNIT_EXPECT_EQ(test, passes(2, MERGE_UNIQUE), 1);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	merge_knobs.max_page_sharing = GMEM_MAX_SHARERS;
	guest_free(&a);
}

/* Zero pages that are to be pages like others. */
static void kept_zero_pages(struct kunit *test)
{
	struct guest a = guest_make(test, 4);
	pgoff_t i;

	merge_knobs.use_zero_pages = false;
	for (i = 0; i < 4; i++)
		KUNIT_ASSERT_EQ(test, guest_put(&a, i, 0), 0);
	KUNIT_EXPECT_EQ(test, passes(2, MERGE_SHARED), 3);
	KUNIT_EXPECT_EQ(test, gmem_shared_pages(), 1);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&a.g->nr_zeroed), 0);
	merge_knobs.use_zero_pages = true;
	guest_free(&a);
}

/* Slowly to what a round should take, within its limits and that of the CPU. */
static void advisor(struct kunit *test)
{
	const struct merge_knobs was = merge_knobs;
	struct merge_advisor *a = &merge_knobs.advisor;
	unsigned int i, last;

	*a = (struct merge_advisor) { true, 100, 100, 5000, 10 };
	merge_knobs.pages_to_scan = 1000;
	merge_advise(20 * NSEC_PER_SEC, NSEC_PER_SEC);
	KUNIT_EXPECT_EQ(test, merge_knobs.pages_to_scan, 1300);
	merge_advise(10 * NSEC_PER_SEC, NSEC_PER_SEC);
	KUNIT_EXPECT_EQ(test, merge_knobs.pages_to_scan, 1300);
	for (i = 0; i < 50; i++) {
		last = merge_knobs.pages_to_scan;
		merge_advise(NSEC_PER_SEC, NSEC_PER_SEC / 100);
		KUNIT_EXPECT_LE(test, merge_knobs.pages_to_scan, last);
	}
	KUNIT_EXPECT_EQ(test, merge_knobs.pages_to_scan, 100);
	for (i = 0; i < 50; i++)
		merge_advise(100 * NSEC_PER_SEC, NSEC_PER_SEC);
	KUNIT_EXPECT_EQ(test, merge_knobs.pages_to_scan, 5000);
	/* Busy for half of the time, and half of that is allowed. */
	a->max_cpu = 25;
	merge_advise(100 * NSEC_PER_SEC, 50 * NSEC_PER_SEC);
	KUNIT_EXPECT_EQ(test, merge_knobs.pages_to_scan, 2500);
	a->on = false;
	merge_advise(NSEC_PER_SEC, NSEC_PER_SEC);
	KUNIT_EXPECT_EQ(test, merge_knobs.pages_to_scan, 2500);
	merge_knobs.advisor = was.advisor;
	merge_knobs.pages_to_scan = was.pages_to_scan;
}

static int unmerge_call(void *unused)
{
	return merge_set_run(MERGE_UNMERGE);
}

/* There may be much memory in which nothing is merged. */
static void unmerge_killed(struct kunit *test)
{
	struct guest a = guest_make(test, 2);

	KUNIT_EXPECT_EQ(test, guest_put(&a, 0, 1), 0);
	KUNIT_EXPECT_EQ(test, killed_call(test, unmerge_call, NULL), -EINTR);
	KUNIT_EXPECT_EQ(test, merge_knobs.run, MERGE_STOP);
	KUNIT_EXPECT_EQ(test, unmerge_call(NULL), 0);
	KUNIT_EXPECT_EQ(test, merge_knobs.run, MERGE_UNMERGE);
	KUNIT_EXPECT_EQ(test, merge_set_run(MERGE_STOP), 0);
	guest_free(&a);
}

static void pinned_page(struct kunit *test)
{
	struct guest a = guest_make(test, 2);
	u64 *pin;

	KUNIT_ASSERT_EQ(test, guest_put(&a, 0, 5), 0);
	KUNIT_ASSERT_EQ(test, guest_put(&a, 1, 5), 0);
	pin = gmem_pin_page(a.g, 1, true);
	KUNIT_ASSERT_FALSE(test, IS_ERR(pin));
	KUNIT_EXPECT_EQ(test, passes(10, MERGE_SHARED), 0);
	pin[9] = 1;
	KUNIT_EXPECT_EQ(test, guest_get(&a, 0), 5);
	gmem_unpin_page(a.g, 1, pin, true);
	KUNIT_EXPECT_EQ(test, passes(10, MERGE_SHARED), 0);
	KUNIT_EXPECT_EQ(test, guest_put(&a, 1, 5), 0);
	KUNIT_EXPECT_EQ(test, passes(10, MERGE_SHARED), 1);
	guest_free(&a);
}

/* A device writes to a page that has no equal: nobody hears of it, and it is seen. */
static void written_while_held(struct kunit *test)
{
	struct guest a = guest_make(test, 2);
	u64 *pin;

	KUNIT_ASSERT_EQ(test, guest_put(&a, 0, 5), 0);
	pin = gmem_pin_page(a.g, 0, true);
	KUNIT_ASSERT_FALSE(test, IS_ERR(pin));
	KUNIT_EXPECT_EQ(test, passes(2, MERGE_VOLATILE), 1);
	KUNIT_EXPECT_EQ(test, passes(3 * (2 + GMEM_WAIT_BUSY), MERGE_UNIQUE), 0);
	KUNIT_EXPECT_EQ(test, merge_index_unshared(), 0);
	memset64(pin, 7, PAGE_SIZE / 8);
	gmem_unpin_page(a.g, 0, pin, false);
	KUNIT_ASSERT_EQ(test, guest_put(&a, 1, 7), 0);
	KUNIT_EXPECT_EQ(test, passes(2 * (2 + GMEM_WAIT_BUSY), MERGE_SHARED), 1);
	KUNIT_EXPECT_EQ(test, guest_get(&a, 0), 7);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	guest_free(&a);
}

static void unmerge(struct kunit *test)
{
	struct guest a = guest_make(test, 600);
	struct gmem_kinds kinds = { 0 };
	pgoff_t i;

	for (i = 0; i < 600; i++)
		KUNIT_ASSERT_EQ(test, guest_put(&a, i, 1 + i % 50), 0);
	KUNIT_EXPECT_EQ(test, passes(2, MERGE_SHARED), 550);
	gmem_kinds(a.g, &kinds);
	KUNIT_EXPECT_EQ(test, kinds.merged, 600 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, kinds.unique + kinds.forked, 0);
	KUNIT_EXPECT_EQ(test, gmem_unshare(a.g), 0);
	KUNIT_EXPECT_EQ(test, nr_shared(a.g), 0);
	KUNIT_EXPECT_EQ(test, nr_private(a.g), 600);
	KUNIT_EXPECT_EQ(test, gmem_shared_pages(), 0);
	KUNIT_EXPECT_EQ(test, merge_index_unshared(), 0);
	for (i = 0; i < 600; i++)
		KUNIT_EXPECT_EQ(test, guest_get(&a, i), 1 + i % 50);
	KUNIT_EXPECT_EQ(test, passes(2 + GMEM_WAIT_BROKE, MERGE_SHARED), 550);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	guest_free(&a);
}

/* A thread that holds a chunk's lock, as somebody's fault may. */
struct holder {
	struct gmem_chunk *c;
	struct completion held;
	struct completion release;
};

static int hold_chunk(void *arg)
{
	struct holder *h = arg;

	mutex_lock(&h->c->lock);
	complete(&h->held);
	wait_for_completion(&h->release);
	mutex_unlock(&h->c->lock);
	return 0;
}

/* Candidates whose chunk is busy: the pages that equal them are merged later. */
static void busy_candidates(struct kunit *test)
{
	struct guest a = guest_make(test, 64), b = guest_make(test, 64);
	struct holder h = { .c = gmem_chunk_get(a.g, 0) };
	unsigned int count[MERGE_BUSY + 1] = { 0 };
	struct task_struct *t;
	pgoff_t i;

	KUNIT_ASSERT_FALSE(test, IS_ERR(h.c));
	init_completion(&h.held);
	init_completion(&h.release);
	for (i = 0; i < 64; i++)
		KUNIT_ASSERT_EQ(test, guest_put(&a, i, i + 1), 0);
	KUNIT_EXPECT_EQ(test, passes(2, MERGE_UNIQUE), 64);
	for (i = 0; i < 64; i++)
		KUNIT_ASSERT_EQ(test, guest_put(&b, i, i + 1), 0);
	t = kthread_run(hold_chunk, &h, "ditto-hold");
	KUNIT_ASSERT_FALSE(test, IS_ERR(t));
	wait_for_completion(&h.held);
	down_write(&merge_knobs.lock);
	for (i = 0; i < 2; i++)
		pass(&step, b.g, count);
	up_write(&merge_knobs.lock);
	KUNIT_EXPECT_EQ(test, count[MERGE_SHARED] + count[MERGE_UNIQUE], 0);
	KUNIT_EXPECT_EQ(test, count[MERGE_VOLATILE], 64);
	complete(&h.release);
	mutex_lock(&h.c->lock);		/* the thread is through */
	mutex_unlock(&h.c->lock);
	KUNIT_EXPECT_EQ(test, passes(1, MERGE_SHARED), 64);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	gmem_chunk_put(h.c);
	guest_free(&a);
	guest_free(&b);
}

/* A candidate that somebody holds, and one that was written: the next ones are found. */
static void held_candidates(struct kunit *test)
{
	struct guest a = guest_make(test, 8);
	u64 *pin;

	KUNIT_ASSERT_EQ(test, guest_put(&a, 0, 5), 0);
	KUNIT_EXPECT_EQ(test, passes(2, MERGE_UNIQUE), 1);
	pin = gmem_pin_page(a.g, 0, true);
	KUNIT_ASSERT_FALSE(test, IS_ERR(pin));
	KUNIT_ASSERT_EQ(test, guest_put(&a, 1, 5), 0);
	KUNIT_EXPECT_EQ(test, passes(2, MERGE_UNIQUE), 1);	/* 0 cannot be had */
	gmem_unpin_page(a.g, 0, pin, false);
	KUNIT_EXPECT_EQ(test, passes(2 + GMEM_WAIT_BUSY, MERGE_SHARED), 1);
	KUNIT_EXPECT_EQ(test, nr_shared(a.g), 2);

	/* Unlike pages with one digest: the first cannot be had, behind it is an equal. */
	merge_digest_override = one_digest;
	KUNIT_ASSERT_EQ(test, guest_put(&a, 2, 6), 0);
	KUNIT_EXPECT_EQ(test, passes(2, MERGE_UNIQUE), 1);
	KUNIT_ASSERT_EQ(test, guest_put(&a, 3, 7), 0);
	KUNIT_EXPECT_EQ(test, passes(2, MERGE_UNIQUE), 1);
	pin = gmem_pin_page(a.g, 3, true);
	KUNIT_ASSERT_FALSE(test, IS_ERR(pin));
	KUNIT_ASSERT_EQ(test, guest_put(&a, 4, 6), 0);
	KUNIT_EXPECT_EQ(test, passes(2, MERGE_SHARED), 1);
	gmem_unpin_page(a.g, 3, pin, false);
	merge_digest_override = NULL;
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	guest_free(&a);
}

/* Somebody else's page by now, as whose list it is in. */
struct stolen {
	struct gmem *g;
	struct page *page;
	struct list_head list;
	struct completion done;
};

static struct stolen *stolen;

/* Punch the candidate, and be the next owner of its page. */
static int steal_page(void *arg)
{
	struct stolen *s = arg;

	get_page(s->page);
	gmem_punch(s->g, 0, 1);
	gmem_later_flush();
	list_add(&gmem_page_folio(s->page)->lru, &s->list);
	complete(&s->done);
	return 0;
}

/* The freeze that comes before the join: the candidate was found, its chunk is not locked. */
static void steal_zap(struct gmem_binding *b, pgoff_t start, pgoff_t end)
{
	struct task_struct *t = kthread_run(steal_page, stolen, "ditto-steal");

	if (!WARN_ON(IS_ERR(t)))
		wait_for_completion(&stolen->done);
	fake_zap(b, start, end);
}

/* A candidate that was punched before its chunk was locked: what its page became is not ours. */
static void stolen_candidate(struct kunit *test)
{
	struct gmem_binding_ops ops = fake_ops;
	struct guest a = guest_make(test, 8), b = guest_make(test, 8);
	struct stolen s = { .g = b.g };

	INIT_LIST_HEAD(&s.list);
	init_completion(&s.done);
	KUNIT_ASSERT_EQ(test, guest_put(&b, 0, 5), 0);
	KUNIT_EXPECT_EQ(test, passes(2, MERGE_UNIQUE), 1);
	KUNIT_ASSERT_EQ(test, guest_put(&a, 0, 5), 0);
	KUNIT_EXPECT_EQ(test, passes(1, MERGE_UNIQUE), 0);
	s.page = pfn_to_page(b.f->pfn[0]);
	stolen = &s;
	ops.zap = steal_zap;
	a.f->b.ops = &ops;
	KUNIT_EXPECT_EQ(test, passes(1, MERGE_UNIQUE), 1);
	a.f->b.ops = &fake_ops;
	KUNIT_EXPECT_TRUE(test, list_is_singular(&s.list));
	KUNIT_EXPECT_EQ(test, merge_index_unshared(), 1);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	INIT_LIST_HEAD(&gmem_page_folio(s.page)->lru);
	put_page(s.page);
	guest_free(&a);
	guest_free(&b);
}

/* The checker knows pages that wait for a change though they are equal. */
static void lost_merge(struct kunit *test)
{
	struct guest a = guest_make(test, 8);
	struct gmem_cursor cur = {
		.g = a.g, .nr = 1, .policy = gmem_policy(a.g), .domain = a.g->domain,
	};
	u32 digest;

	KUNIT_ASSERT_EQ(test, guest_put(&a, 0, 5), 0);
	KUNIT_EXPECT_EQ(test, passes(2, MERGE_UNIQUE), 1);
	KUNIT_ASSERT_EQ(test, guest_put(&a, 1, 5), 0);
	KUNIT_EXPECT_EQ(test, passes(1, MERGE_SHARED), 0);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	cur.c = gmem_chunk_find(a.g, 0);
	down_write(&merge_knobs.lock);
	mutex_lock(&cur.c->lock);
	digest = *gmem_page_digest(pfn_to_page(a.f->pfn[0]));
	KUNIT_EXPECT_EQ(test, gmem_examined(&cur, pfn_to_page(a.f->pfn[1])), 0);
	merge_index_insert(pfn_to_page(a.f->pfn[1]), digest, a.g->domain, UINT_MAX);
	mutex_unlock(&cur.c->lock);
	up_write(&merge_knobs.lock);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 1);
	gmem_chunk_put(cur.c);
	guest_free(&a);
}

/* It counts again what `ditto ps` estimates fair parts from. */
static void domain_counters(struct kunit *test)
{
	struct guest a = guest_make(test, 8);
	pgoff_t i;

	for (i = 0; i < 8; i++)
		KUNIT_ASSERT_EQ(test, guest_put(&a, i, 1 + i % 2), 0);
	KUNIT_EXPECT_EQ(test, passes(2, MERGE_SHARED), 6);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	atomic_long_inc(&a.g->domain->nr_shared);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 1);
	atomic_long_dec(&a.g->domain->nr_shared);
	atomic_long_dec(&a.g->domain->nr_shared_pages);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 1);
	atomic_long_inc(&a.g->domain->nr_shared_pages);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	guest_free(&a);
}

static struct kunit_case merge_cases[] = {
	KUNIT_CASE(equal_pages),
	KUNIT_CASE(checked_while_freed),
	KUNIT_CASE(unequal_pages),
	KUNIT_CASE(zero_pages),
	KUNIT_CASE(churn),
	KUNIT_CASE(full_pages),
	KUNIT_CASE(kept_zero_pages),
	KUNIT_CASE(advisor),
	KUNIT_CASE(unmerge_killed),
	KUNIT_CASE(pinned_page),
	KUNIT_CASE(written_while_held),
	KUNIT_CASE(busy_candidates),
	KUNIT_CASE(held_candidates),
	KUNIT_CASE(stolen_candidate),
	KUNIT_CASE(lost_merge),
	KUNIT_CASE(domain_counters),
	KUNIT_CASE(unmerge),
	{}
};

static struct kunit_suite merge_suite = {
	.name = "ditto_merge",
	.init = merge_suite_init,
	.test_cases = merge_cases,
};

kunit_test_suite(merge_suite);
