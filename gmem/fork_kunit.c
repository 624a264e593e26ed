// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of forks: contents and isolation of parent and child, what is copied when, chains
 * of forks that end in any order, and the counters, with a fake MMU (fake.h).
 */
#include <linux/delay.h>
#include <linux/kthread.h>
#include <ditto.h>

#include "gmem/fake.h"
#include "gmem/fork.h"
#include "gmem/index.h"
#include "gmem/killed.h"
#include "gmem/sharers.h"

static struct gmem *make(struct kunit *test, u64 pages, u32 flags)
{
	struct gmem *g = gmem_create_obj(pages << PAGE_SHIFT, flags);

	KUNIT_ASSERT_FALSE(test, IS_ERR(g));
	return g;
}

static struct gmem *fork_of(struct kunit *test, struct gmem *parent)
{
	struct gmem *g = gmem_fork(parent);

	KUNIT_ASSERT_FALSE(test, IS_ERR(g));
	return g;
}

static void put(struct kunit *test, struct gmem *g, pgoff_t off, u64 value)
{
	KUNIT_ASSERT_EQ(test, gmem_write(g, off << PAGE_SHIFT, &value, sizeof(value)), 0);
}

static u64 get(struct kunit *test, struct gmem *g, pgoff_t off)
{
	u64 value = ~0ULL;

	KUNIT_EXPECT_EQ(test, gmem_read(g, off << PAGE_SHIFT, &value, sizeof(value)), 0);
	return value;
}

static long private(struct gmem *g)
{
	return atomic_long_read(&g->nr_private);
}

static long shared(struct gmem *g)
{
	return atomic_long_read(&g->nr_shared);
}

static void clean(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
}

/* Neither sees what the other writes, fills or punches. */
static void isolation(struct kunit *test)
{
	struct gmem *a = make(test, 1024, 0), *b;

	put(test, a, 0, 1);
	put(test, a, 1, 2);
	put(test, a, 600, 3);
	b = fork_of(test, a);
	KUNIT_EXPECT_EQ(test, gmem_size(b), gmem_size(a));
	KUNIT_EXPECT_EQ(test, private(a) + private(b), 0);
	KUNIT_EXPECT_EQ(test, shared(a), 3);
	KUNIT_EXPECT_EQ(test, shared(b), 3);
	KUNIT_EXPECT_EQ(test, gmem_shared_pages(), 3);
	clean(test);

	put(test, a, 0, 10);
	put(test, b, 1, 20);
	put(test, a, 2, 30);
	put(test, b, 700, 40);
	KUNIT_EXPECT_EQ(test, gmem_punch(b, 600, 601), 0);
	KUNIT_EXPECT_EQ(test, get(test, a, 0), 10);
	KUNIT_EXPECT_EQ(test, get(test, b, 0), 1);
	KUNIT_EXPECT_EQ(test, get(test, a, 1), 2);
	KUNIT_EXPECT_EQ(test, get(test, b, 1), 20);
	KUNIT_EXPECT_EQ(test, get(test, a, 2), 30);
	KUNIT_EXPECT_EQ(test, get(test, b, 2), 0);
	KUNIT_EXPECT_EQ(test, get(test, a, 600), 3);
	KUNIT_EXPECT_EQ(test, get(test, b, 600), 0);
	KUNIT_EXPECT_EQ(test, get(test, a, 700), 0);
	KUNIT_EXPECT_EQ(test, get(test, b, 700), 40);
	clean(test);
	KUNIT_EXPECT_EQ(test, gmem_punch(a, 0, 1024), 0);	/* empty entries of copies, too */
	KUNIT_EXPECT_EQ(test, get(test, a, 0), 0);
	clean(test);
	gmem_put(a);
	clean(test);
	KUNIT_EXPECT_EQ(test, get(test, b, 0), 1);
	KUNIT_EXPECT_EQ(test, get(test, b, 1), 20);
	gmem_put(b);
	clean(test);
	KUNIT_EXPECT_EQ(test, gmem_shared_pages(), 0);
}

static struct gmem_kinds kinds_of(struct gmem *g)
{
	struct gmem_kinds k = { 0 };

	gmem_kinds(g, &k);
	return k;
}

/* Of what kind a page is, before and after a fork, a copy of its chunk, and writes. */
static void kinds(struct kunit *test)
{
	struct gmem *a = make(test, 1024, 0), *b;

	put(test, a, 0, 1);
	put(test, a, 1, 2);
	put(test, a, 600, 3);
	KUNIT_EXPECT_EQ(test, kinds_of(a).unique, 3 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, kinds_of(a).forked, 0);
	b = fork_of(test, a);
	KUNIT_EXPECT_EQ(test, kinds_of(a).unique, 0);
	KUNIT_EXPECT_EQ(test, kinds_of(a).forked, 3 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, kinds_of(b).forked, 3 * PAGE_SIZE);
	put(test, b, 0, 10);
	KUNIT_EXPECT_EQ(test, kinds_of(b).unique, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, kinds_of(b).forked, 2 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, kinds_of(a).forked, 3 * PAGE_SIZE);
	put(test, b, 1, 20);
	KUNIT_EXPECT_EQ(test, kinds_of(b).forked, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, kinds_of(b).breaks, 2);
	KUNIT_EXPECT_EQ(test, kinds_of(a).merged + kinds_of(b).merged, 0);
	clean(test);
	gmem_put(b);
	gmem_put(a);
	clean(test);
}

/* A page that nobody else has any more is written in place. */
static void alone_again(struct kunit *test)
{
	struct gmem *a = make(test, 512, 0), *b;
	struct gmem_mapping before, after;

	put(test, a, 3, 7);
	KUNIT_EXPECT_EQ(test, gmem_fault(a, 3, false, &before), 0);
	KUNIT_EXPECT_TRUE(test, before.writable);
	b = fork_of(test, a);
	KUNIT_EXPECT_EQ(test, gmem_fault(a, 3, false, &after), 0);
	KUNIT_EXPECT_EQ(test, after.pfn, before.pfn);
	KUNIT_EXPECT_FALSE(test, after.writable);
	gmem_put(b);
	KUNIT_EXPECT_EQ(test, gmem_fault(a, 3, true, &after), 0);
	KUNIT_EXPECT_EQ(test, after.pfn, before.pfn);
	KUNIT_EXPECT_TRUE(test, after.writable);
	KUNIT_EXPECT_EQ(test, private(a), 1);
	KUNIT_EXPECT_EQ(test, shared(a), 0);
	KUNIT_EXPECT_EQ(test, gmem_shared_pages(), 0);
	clean(test);
	gmem_put(a);
}

/* What guests had mapped writable they have no more; what they wrote before is seen. */
static void mappings(struct kunit *test)
{
	struct gmem *a = make(test, 1024, 0), *b;
	struct fake *f = fake_new(test, a, 0, 1024), *h;

	KUNIT_EXPECT_EQ(test, fake_write(a, f, 5, 50), 0);
	KUNIT_EXPECT_EQ(test, fake_write(a, f, 800, 60), 0);
	KUNIT_EXPECT_EQ(test, fake_read(a, f, 6), 0);
	b = fork_of(test, a);
	KUNIT_EXPECT_FALSE(test, f->writable[5] || f->writable[800]);
	h = fake_new(test, b, 0, 1024);
	clean(test);
	KUNIT_EXPECT_EQ(test, fake_read(b, h, 6), 0);
	KUNIT_EXPECT_EQ(test, fake_write(a, f, 5, 51), 0);
	KUNIT_EXPECT_EQ(test, fake_write(a, f, 6, 61), 0);
	KUNIT_EXPECT_EQ(test, fake_read(b, h, 5), 50);
	KUNIT_EXPECT_EQ(test, fake_read(b, h, 6), 0);
	KUNIT_EXPECT_EQ(test, fake_write(b, h, 800, 62), 0);
	KUNIT_EXPECT_EQ(test, fake_write(b, h, 7, 63), 0);
	KUNIT_EXPECT_EQ(test, fake_read(a, f, 800), 60);
	KUNIT_EXPECT_EQ(test, fake_read(a, f, 7), 0);
	KUNIT_EXPECT_EQ(test, fake_read(a, f, 6), 61);
	clean(test);
	fake_free(a, f);
	gmem_put(a);
	KUNIT_EXPECT_EQ(test, fake_read(b, h, 5), 50);
	clean(test);
	fake_free(b, h);
	gmem_put(b);
}

/* A page that may be written through a reference stays its gmem's; each fork has a copy. */
static void held_pages(struct kunit *test)
{
	struct gmem *a = make(test, 1024, 0), *b, *d, *e;
	u64 *pin, *far;

	put(test, a, 8, 80);
	put(test, a, 9, 1);
	put(test, a, 700, 70);
	pin = gmem_pin_page(a, 9, true);
	far = gmem_pin_page(a, 700, true);
	KUNIT_ASSERT_FALSE(test, IS_ERR(pin) || IS_ERR(far));
	b = fork_of(test, a);
	KUNIT_EXPECT_EQ(test, private(b), 2);
	clean(test);
	*pin = 2;
	KUNIT_EXPECT_EQ(test, get(test, a, 9), 2);
	KUNIT_EXPECT_EQ(test, get(test, b, 9), 1);
	KUNIT_EXPECT_EQ(test, get(test, b, 8), 80);
	/* Nothing but the device has written since: the next fork, and one of a fork. */
	d = fork_of(test, a);
	gmem_unpin_page(a, 700, far, true);
	put(test, a, 9, 3);
	KUNIT_EXPECT_EQ(test, *pin, 3);
	e = fork_of(test, a);
	*pin = 4;
	put(test, a, 8, 81);
	clean(test);
	KUNIT_EXPECT_EQ(test, get(test, a, 9), 4);
	KUNIT_EXPECT_EQ(test, get(test, b, 9), 1);
	KUNIT_EXPECT_EQ(test, get(test, d, 9), 2);
	KUNIT_EXPECT_EQ(test, get(test, e, 9), 3);
	KUNIT_EXPECT_EQ(test, get(test, e, 700), 70);
	KUNIT_EXPECT_EQ(test, get(test, d, 8), 80);
	gmem_put(b);
	gmem_put(d);
	put(test, a, 9, 5);
	KUNIT_EXPECT_EQ(test, *pin, 5);
	gmem_unpin_page(a, 9, pin, true);
	clean(test);
	gmem_put(a);
	KUNIT_EXPECT_EQ(test, get(test, e, 9), 3);
	clean(test);
	gmem_put(e);
}

static int fork_call(void *parent)
{
	struct gmem *child = gmem_fork(parent);

	if (!IS_ERR(child))
		gmem_put(child);
	return PTR_ERR_OR_ZERO(child);
}

static int check_call(void *unused)
{
	struct seq_file m = { };

	return gmem_check_all(&m);
}

/* There may be much that is held, and who forks be killed: there is no child then. */
static void held_killed(struct kunit *test)
{
	struct gmem *a = make(test, 1024, 0), *b;
	void *pin, *far;

	put(test, a, 9, 1);
	put(test, a, 700, 70);
	pin = gmem_pin_page(a, 9, true);
	far = gmem_pin_page(a, 700, true);
	KUNIT_ASSERT_FALSE(test, IS_ERR(pin) || IS_ERR(far));
	KUNIT_EXPECT_EQ(test, killed_call(test, fork_call, a), -EINTR);
	clean(test);
	b = fork_of(test, a);
	put(test, a, 9, 2);
	KUNIT_EXPECT_EQ(test, get(test, b, 9), 1);
	KUNIT_EXPECT_EQ(test, get(test, b, 700), 70);
	gmem_unpin_page(a, 9, pin, true);
	gmem_unpin_page(a, 700, far, true);
	KUNIT_EXPECT_EQ(test, killed_call(test, check_call, NULL), -EINTR);
	clean(test);
	gmem_put(a);
	gmem_put(b);
}

/*
 * A reader that has a page that it read in a fork keeps what was in it, also when the fork is gone
 * and its parent alone again.
 */
static void read_references(struct kunit *test)
{
	struct gmem *a = make(test, 512, 0), *b;
	u64 *pin, *own;

	put(test, a, 3, 7);
	put(test, a, 4, 8);
	b = fork_of(test, a);
	pin = gmem_pin_page(b, 3, false);
	KUNIT_ASSERT_FALSE(test, IS_ERR(pin));
	gmem_put(b);
	put(test, a, 3, 70);
	put(test, a, 4, 80);
	KUNIT_EXPECT_EQ(test, *pin, 7);
	KUNIT_EXPECT_EQ(test, get(test, a, 3), 70);
	KUNIT_EXPECT_EQ(test, get(test, a, 4), 80);
	KUNIT_EXPECT_EQ(test, private(a), 2);
	KUNIT_EXPECT_EQ(test, shared(a), 0);
	clean(test);
	put_page(virt_to_page(pin));
	KUNIT_EXPECT_EQ(test, gmem_shared_pages(), 0);

	/* But a page that is written through a reference stays, whatever forks there are. */
	own = gmem_pin_page(a, 4, true);
	KUNIT_ASSERT_FALSE(test, IS_ERR(own));
	gmem_put(fork_of(test, a));
	put(test, a, 4, 81);
	KUNIT_EXPECT_EQ(test, *own, 81);
	*own = 82;
	KUNIT_EXPECT_EQ(test, get(test, a, 4), 82);
	gmem_unpin_page(a, 4, own, true);
	clean(test);
	gmem_put(a);
}

/*
 * A reader who has found a chunk, and was held up until it was replaced by a copy and another
 * fork has changed it, does not take that for his.
 */
static void late_readers(struct kunit *test)
{
	struct gmem *a = make(test, 1024, 0), *b;
	struct gmem_chunk *c;
	struct gmem_dir *dir;

	put(test, a, 3, 7);
	put(test, a, 600, 9);
	b = fork_of(test, a);
	c = gmem_chunk_find(b, 3);
	rcu_read_lock();
	dir = gmem_dir_lookup(b, 3);
	KUNIT_EXPECT_TRUE(test, gmem_chunk_was_of(c, b, 3));
	KUNIT_EXPECT_TRUE(test, gmem_chunk_was_of(c, a, 3));
	rcu_read_unlock();
	put(test, b, 4, 8);	/* copies both */
	put(test, a, 3, 70);	/* in the old ones */
	KUNIT_EXPECT_EQ(test, gmem_punch(a, 512, 1024), 0);
	rcu_read_lock();
	KUNIT_EXPECT_PTR_EQ(test, gmem_dir_lookup(a, 3), dir);
	KUNIT_EXPECT_PTR_NE(test, gmem_dir_lookup(b, 3), dir);
	KUNIT_EXPECT_PTR_EQ(test, gmem_chunk_lookup(a, 3), c);
	KUNIT_EXPECT_FALSE(test, gmem_chunk_was_of(c, b, 3));
	KUNIT_EXPECT_TRUE(test, gmem_chunk_was_of(c, a, 3));
	KUNIT_EXPECT_NOT_NULL(test, gmem_chunk_lookup(b, 600));
	rcu_read_unlock();
	KUNIT_EXPECT_EQ(test, get(test, b, 3), 7);
	KUNIT_EXPECT_EQ(test, get(test, b, 600), 9);
	gmem_chunk_put(c);
	clean(test);
	gmem_put(a);
	gmem_put(b);
	clean(test);
}

static int bad_copy(void *to, const void *from, size_t len)
{
	return -EHWPOISON;
}

/* When a copy finds bad memory, only the caller who asked for the copy gets an error. */
static void bad_memory(struct kunit *test)
{
	struct gmem *a = make(test, 512, 0), *b;
	u64 value = 9, some[3];

	put(test, a, 3, 7);
	b = fork_of(test, a);
	gmem_copy_override = bad_copy;
	KUNIT_EXPECT_EQ(test, gmem_read(b, 3 << PAGE_SHIFT, some, sizeof(some)), -EHWPOISON);
	KUNIT_EXPECT_EQ(test, gmem_read(b, 4 << PAGE_SHIFT, some, sizeof(some)), 0);
	KUNIT_EXPECT_EQ(test, gmem_write(b, 3 << PAGE_SHIFT, &value, sizeof(value)), -EHWPOISON);
	gmem_copy_override = NULL;
	clean(test);
	KUNIT_EXPECT_EQ(test, private(b), 0);
	KUNIT_EXPECT_EQ(test, gmem_read(b, 3 << PAGE_SHIFT, some, sizeof(some)), 0);
	KUNIT_EXPECT_EQ(test, some[0], 7);
	put(test, b, 3, value);
	KUNIT_EXPECT_EQ(test, get(test, b, 3), value);
	KUNIT_EXPECT_EQ(test, get(test, a, 3), 7);
	clean(test);
	gmem_put(a);
	gmem_put(b);
}

#define CHAIN	24

/* Forks of forks; each writes one page. They end from the first, the last, or the middle. */
static void chain(struct kunit *test, unsigned int step)
{
	struct gmem *g[CHAIN];
	unsigned int i, k, left;

	g[0] = make(test, 3 * 512, 0);
	for (i = 0; i < CHAIN; i++)
		put(test, g[0], i, 100 + i);
	put(test, g[0], 1000, 1);
	for (i = 1; i < CHAIN; i++) {
		g[i] = fork_of(test, g[i - 1]);
		put(test, g[i], i, 1000 + i);
	}
	clean(test);
	for (left = 0, k = 0; left < CHAIN; left++, k = (k + step) % CHAIN) {
		for (i = 0; i < CHAIN; i++)
			KUNIT_EXPECT_EQ(test, get(test, g[k], i), i && i <= k ? 1000 + i : 100 + i);
		KUNIT_EXPECT_EQ(test, get(test, g[k], 1000), 1);
		gmem_put(g[k]);
		if (!(left % 8))
			clean(test);
	}
	clean(test);
	KUNIT_EXPECT_EQ(test, gmem_shared_pages(), 0);
}

static void chains(struct kunit *test)
{
	chain(test, 1);
	chain(test, CHAIN - 1);
	chain(test, 7);
}

#define SIBLINGS	1000

/* Each costs little, whatever the parent has; they outlive it. */
static void siblings(struct kunit *test)
{
	struct gmem **g = kunit_kzalloc(test, SIBLINGS * sizeof(*g), GFP_KERNEL);
	struct gmem *a = make(test, 1UL << 18, 0);
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, g);
	put(test, a, 5, 1);
	for (i = 0; i < SIBLINGS; i++)
		g[i] = fork_of(test, a);
	KUNIT_EXPECT_EQ(test, gmem_shared_pages(), 1);
	gmem_put(a);
	for (i = 0; i < SIBLINGS; i += 100)
		put(test, g[i], 5, i + 2);
	clean(test);
	for (i = 0; i < SIBLINGS; i++) {
		KUNIT_EXPECT_EQ(test, get(test, g[i], 5), i % 100 ? 1 : i + 2);
		gmem_put(g[i]);
	}
	clean(test);
	KUNIT_EXPECT_EQ(test, gmem_shared_pages(), 0);
}

/* Nothing limits how many gmems are forks of one; 2^16 owners of 2^16 each are 0 in 32 bits. */
static void many_owners(struct kunit *test)
{
	struct gmem *a = make(test, 512, 0), *b;
	struct ditto_gmem_stats st;
	struct gmem_chunk *c;
	struct gmem_dir *dir;
	int in, of;

	put(test, a, 0, 1);
	b = fork_of(test, a);
	rcu_read_lock();
	c = gmem_chunk_lookup(a, 0);
	dir = gmem_dir_lookup(a, 0);
	rcu_read_unlock();
	in = atomic_xchg(&c->owners, 1 << 16);
	of = atomic_xchg(&dir->owners, 1 << 16);
	gmem_stats(a, &st);
	atomic_set(&c->owners, in);
	atomic_set(&dir->owners, of);
	KUNIT_EXPECT_EQ(test, st.private_bytes, 0);
	KUNIT_EXPECT_EQ(test, st.shared_bytes, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, st.charged_bytes, 0);
	gmem_stats(a, &st);
	KUNIT_EXPECT_EQ(test, st.charged_bytes, PAGE_SIZE / 2);
	gmem_put(b);
	gmem_put(a);
}

/* Under every policy but one. */
static void policies(struct kunit *test)
{
	static const u32 flags[] = {
		DITTO_GMEM_NO_MERGE, DITTO_GMEM_POLICY(DITTO_POLICY_OFF),
		DITTO_GMEM_POLICY(DITTO_POLICY_ZERO), DITTO_GMEM_POLICY(DITTO_POLICY_SELF),
		DITTO_GMEM_POLICY(DITTO_POLICY_DOMAIN),
	};
	struct gmem *a, *b;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		a = make(test, 512, flags[i]);
		put(test, a, 1, 5);
		b = fork_of(test, a);
		KUNIT_EXPECT_EQ(test, gmem_policy(b), gmem_policy(a));
		put(test, b, 1, 6);
		KUNIT_EXPECT_EQ(test, get(test, a, 1), 5);
		clean(test);
		if (!(flags[i] & DITTO_GMEM_NO_MERGE)) {	/* which undoes what they share */
			put(test, a, 2, 7);
			KUNIT_EXPECT_EQ(test, gmem_set_policy(b, DITTO_POLICY_SELF), 0);
			KUNIT_EXPECT_EQ(test, gmem_set_policy(b, DITTO_POLICY_SECURE), 0);
			KUNIT_EXPECT_EQ(test, PTR_ERR(gmem_fork(b)), -EOPNOTSUPP);
			KUNIT_EXPECT_EQ(test, shared(b), 0);
		}
		clean(test);
		gmem_put(a);
		KUNIT_EXPECT_EQ(test, get(test, b, 1), 6);
		gmem_put(b);
	}
	clean(test);
}

#define RACE_PAGES	1100
#define RACERS		2

struct racer {
	struct gmem *g;
	struct fake *f;
	unsigned int first;
	u64 seed;
	unsigned long ops;
	unsigned long wrong;
};

/* Each racer has pages of its own, and writes a growing number into them. */
static int race(void *arg)
{
	struct racer *r = arg;
	u64 *was = kcalloc(RACE_PAGES, sizeof(*was), GFP_KERNEL);
	pgoff_t off;

	while (was && !kthread_should_stop()) {
		off = r->first + RACERS * (get_random_u32() % (RACE_PAGES / RACERS - 1));
		if (fake_read(r->g, r->f, off) != was[off])
			r->wrong++;
		switch (get_random_u32() % 8) {
		case 0:
			gmem_punch(r->g, off, off + 1);
			was[off] = 0;
			break;
		case 1:
			was[off] = ++r->seed;
			gmem_write(r->g, (u64)off << PAGE_SHIFT, &was[off], sizeof(was[off]));
			break;
		default:
			was[off] = ++r->seed;
			fake_write(r->g, r->f, off, was[off]);
		}
		r->ops++;
		cond_resched();
	}
	kfree(was);
	while (!kthread_should_stop())
		schedule_timeout_interruptible(1);
	return 0;
}

/* What a fork has does not change any more, whatever the parent does. Returns how much did. */
static unsigned int fork_settled(struct kunit *test, struct gmem *g, u64 *copy)
{
	unsigned int wrong = 0;
	pgoff_t off;

	for (off = 0; off < RACE_PAGES; off++)
		copy[off] = get(test, g, off);
	usleep_range(500, 1000);
	for (off = 0; off < RACE_PAGES; off++)
		wrong += copy[off] != get(test, g, off);
	return wrong;
}

static void races(struct kunit *test)
{
	u64 *copy = kunit_kzalloc(test, RACE_PAGES * sizeof(u64), GFP_KERNEL);
	unsigned long deadline = jiffies + 2 * HZ;
	struct gmem *a = make(test, RACE_PAGES, 0), *b = NULL, *c;
	struct task_struct *t[RACERS];
	struct racer r[RACERS] = { };
	unsigned int i, n;

	KUNIT_ASSERT_NOT_NULL(test, copy);
	for (i = 0; i < RACERS; i++) {
		r[i].g = a;
		r[i].f = fake_new(test, a, 0, RACE_PAGES);
		r[i].first = i;
		t[i] = kthread_run(race, &r[i], "ditto-race%u", i);
		KUNIT_ASSERT_FALSE(test, IS_ERR(t[i]));
	}
	for (n = 0; n < 10 || time_before(jiffies, deadline); n++) {
		c = fork_of(test, n % 3 ? a : b ?: a);
		KUNIT_EXPECT_EQ(test, fork_settled(test, c, copy), 0);
		put(test, c, n % RACE_PAGES, n);
		if (b)
			gmem_put(b);
		b = c;
	}
	for (i = 0; i < RACERS; i++) {
		kthread_stop(t[i]);
		KUNIT_EXPECT_EQ(test, r[i].wrong, 0);
		KUNIT_EXPECT_GT(test, r[i].ops, 10);
	}
	clean(test);
	for (i = 0; i < RACERS; i++)
		fake_free(a, r[i].f);
	gmem_put(a);
	clean(test);
	gmem_put(b);
	clean(test);
}

static struct kunit_case fork_cases[] = {
	KUNIT_CASE(isolation),
	KUNIT_CASE(kinds),
	KUNIT_CASE(alone_again),
	KUNIT_CASE(mappings),
	KUNIT_CASE(held_pages),
	KUNIT_CASE(held_killed),
	KUNIT_CASE(read_references),
	KUNIT_CASE(late_readers),
	KUNIT_CASE(bad_memory),
	KUNIT_CASE(chains),
	KUNIT_CASE(siblings),
	KUNIT_CASE(many_owners),
	KUNIT_CASE(policies),
	KUNIT_CASE(races),
	{}
};

static struct kunit_suite fork_suite = {
	.name = "ditto_gmem_fork",
	.test_cases = fork_cases,
};

kunit_test_suite(fork_suite);
