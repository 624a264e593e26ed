// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the merge engine, without its thread: scan and merge are called by the
 * test, so every result is exact. The fake MMU of gmem is the only thing that maps.
 */
#include <linux/completion.h>
#include <linux/cred.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <ditto.h>

#include "gmem/fake.h"
#include "ksm/internal.h"

struct guest {
	struct gmem *g;
	struct fake *f;
};

static struct guest make(struct kunit *test, u64 pages)
{
	struct guest s = { .g = gmem_create_obj(pages << PAGE_SHIFT, 0) };

	KUNIT_ASSERT_FALSE(test, IS_ERR(s.g));
	s.f = fake_new(test, s.g, 0, pages);
	return s;
}

static void unmake(struct guest *s)
{
	fake_free(s->g, s->f);
	gmem_put(s->g);
}

static int put(struct guest *s, pgoff_t off, u64 value)
{
	return fake_write(s->g, s->f, off, value);
}

static u64 get(struct guest *s, pgoff_t off)
{
	return fake_read(s->g, s->f, off);
}

static struct merge_step step;	/* of who has merge_knobs.lock for write */

static void pass_chunk(struct merge_step *s, struct gmem *g, pgoff_t off, unsigned int *count)
{
	DECLARE_BITMAP(ripe, GMEM_CHUNK_PAGES) = { 0 };
	struct gmem_cursor cur;
	unsigned int i, nr = 0;
	unsigned long waits = 0;

	if (!gmem_scan_enter(&cur, g, off))
		return;
	gmem_scan_chunk(&cur, ripe, &waits);
	while (merge_step(s, &cur, ripe, &nr, MERGE_STEP))
		for (i = 0; i < s->n; i++)
			count[s->item[i].result]++;
	gmem_cursor_leave(&cur);
}

/* One pass over one gmem. Counts results. */
static void pass(struct merge_step *s, struct gmem *g, unsigned int *count)
{
	DECLARE_BITMAP(chunks, GMEM_DIR_CHUNKS);
	unsigned int nr;
	pgoff_t off;

	for (off = gmem_scan_seek(g, 0); off < gmem_npages(g);
	     off = gmem_scan_seek(g, off + (1UL << GMEM_ROOT_SHIFT))) {
		bitmap_zero(chunks, GMEM_DIR_CHUNKS);
		gmem_scan_survey(g, off, chunks);
		for_each_set_bit(nr, chunks, GMEM_DIR_CHUNKS)
			pass_chunk(s, g, off + nr * GMEM_CHUNK_PAGES, count);
	}
}

/* @n passes over all. Returns how often a page met @what. */
static unsigned int passes(unsigned int n, enum merge_result what)
{
	unsigned int count[MERGE_BUSY + 1] = { 0 };
	struct gmem *g;

	down_write(&merge_knobs.lock);
	merge_index_init();	/* the thread releases it while there is no gmem */
	while (n--)
		for (g = gmem_next(NULL, true); g; g = gmem_next(g, true))
			pass(&step, g, count);
	up_write(&merge_knobs.lock);
	return count[what];
}

static long shared(struct gmem *g)
{
	return atomic_long_read(&g->nr_shared);
}

static long private(struct gmem *g)
{
	return atomic_long_read(&g->nr_private);
}

static int merge_suite_init(struct kunit *test)
{
	int ret;

	down_write(&merge_knobs.lock);
	ret = merge_index_init();
	up_write(&merge_knobs.lock);
	return ret;
}

static void equal_pages(struct kunit *test)
{
	struct guest a = make(test, 520), b = make(test, 520);
	struct gmem_mapping map;
	pgoff_t i;

	for (i = 0; i < 520; i++) {
		KUNIT_ASSERT_EQ(test, put(&a, i, i + 1), 0);
		KUNIT_ASSERT_EQ(test, put(&b, i, i + 1), 0);
	}
	KUNIT_EXPECT_EQ(test, passes(1, MERGE_NONE), 0);
	KUNIT_EXPECT_EQ(test, shared(a.g), 0);
	KUNIT_EXPECT_EQ(test, passes(1, MERGE_SHARED), 520);
	KUNIT_EXPECT_EQ(test, shared(a.g), 520);
	KUNIT_EXPECT_EQ(test, shared(b.g), 520);
	KUNIT_EXPECT_EQ(test, private(a.g) + private(b.g), 0);
	KUNIT_EXPECT_EQ(test, gmem_shared_pages(), 520);
	KUNIT_EXPECT_EQ(test, merge_index_unshared(), 0);
	for (i = 0; i < 520; i++) {
		KUNIT_EXPECT_EQ(test, get(&a, i), i + 1);
		KUNIT_EXPECT_EQ(test, get(&b, i), i + 1);
		KUNIT_EXPECT_EQ(test, a.f->pfn[i], b.f->pfn[i]);
		KUNIT_EXPECT_FALSE(test, a.f->writable[i] || b.f->writable[i]);
	}
	KUNIT_EXPECT_EQ(test, gmem_fault(a.g, 3, false, &map), 0);
	KUNIT_EXPECT_FALSE(test, map.writable);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);

	/* Each kind of write breaks its own entry only. */
	KUNIT_EXPECT_EQ(test, put(&a, 3, 99), 0);
	KUNIT_EXPECT_EQ(test, gmem_write(b.g, 5 * PAGE_SIZE, "x", 1), 0);
	KUNIT_EXPECT_EQ(test, get(&b, 3), 4);
	KUNIT_EXPECT_EQ(test, get(&a, 5), 6);
	KUNIT_EXPECT_EQ(test, get(&b, 5), 'x');
	KUNIT_EXPECT_EQ(test, shared(a.g), 519);
	KUNIT_EXPECT_EQ(test, shared(b.g), 519);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&a.g->nr_breaks), 1);
	/* Written back to what they were: they find the shared pages again, calm. */
	KUNIT_EXPECT_EQ(test, put(&a, 3, 4), 0);
	KUNIT_EXPECT_EQ(test, passes(2 + GMEM_WAIT_BROKE - 1, MERGE_SHARED), 0);
	KUNIT_EXPECT_EQ(test, passes(1, MERGE_SHARED), 1);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	unmake(&a);
	KUNIT_EXPECT_EQ(test, gmem_shared_pages(), 519);
	unmake(&b);
	KUNIT_EXPECT_EQ(test, gmem_shared_pages(), 0);
}

static struct guest *freed_between;

static void free_between(void)
{
	gmem_punch(freed_between->g, 0, 2);
}

/* A shared page that is freed while the checker runs is an error of who called it, no more. */
static void checked_while_freed(struct kunit *test)
{
	struct guest a = make(test, 2);
	struct seq_file m = { .size = 4096 };

	m.buf = kunit_kzalloc(test, m.size + 1, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, m.buf);
	KUNIT_ASSERT_EQ(test, put(&a, 0, 5), 0);
	KUNIT_ASSERT_EQ(test, put(&a, 1, 5), 0);
	KUNIT_EXPECT_EQ(test, passes(2, MERGE_SHARED), 1);
	freed_between = &a;
	gmem_check_between = free_between;
	KUNIT_EXPECT_GT(test, gmem_check_all(&m), 0);
	gmem_check_between = NULL;
	KUNIT_EXPECT_NOT_NULL(test, strstr(m.buf, "no longer shared"));
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	unmake(&a);
}

static void unequal_pages(struct kunit *test)
{
	struct guest a = make(test, 100);
	pgoff_t i;

	for (i = 0; i < 100; i++)
		KUNIT_ASSERT_EQ(test, put(&a, i, 1000 + i), 0);
	KUNIT_EXPECT_EQ(test, passes(2, MERGE_UNIQUE), 100);
	KUNIT_EXPECT_EQ(test, merge_index_unshared(), 100);
	KUNIT_EXPECT_EQ(test, passes(3, MERGE_UNIQUE), 0);	/* not read again */
	/* One of them changes to what another is. */
	KUNIT_EXPECT_EQ(test, put(&a, 7, 1008), 0);
	KUNIT_EXPECT_EQ(test, passes(1, MERGE_SHARED), 0);
	KUNIT_EXPECT_EQ(test, merge_index_unshared(), 99);
	KUNIT_EXPECT_EQ(test, passes(1, MERGE_SHARED), 1);
	KUNIT_EXPECT_EQ(test, merge_index_unshared(), 98);
	KUNIT_EXPECT_EQ(test, a.f->pfn[8] ? get(&a, 8) : get(&a, 8), 1008);
	KUNIT_EXPECT_EQ(test, get(&a, 7), 1008);
	KUNIT_EXPECT_EQ(test, gmem_punch(a.g, 0, 50), 0);
	KUNIT_EXPECT_EQ(test, merge_index_unshared(), 50);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	unmake(&a);
	KUNIT_EXPECT_EQ(test, merge_index_unshared(), 0);
}

static void zero_pages(struct kunit *test)
{
	struct guest a = make(test, 10);
	pgoff_t i;

	for (i = 0; i < 10; i++)
		KUNIT_ASSERT_EQ(test, put(&a, i, 0), 0);
	KUNIT_EXPECT_EQ(test, private(a.g), 10);
	KUNIT_EXPECT_EQ(test, passes(2, MERGE_ZERO), 10);
	KUNIT_EXPECT_EQ(test, private(a.g), 0);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&a.g->nr_zeroed), 10);
	KUNIT_EXPECT_EQ(test, get(&a, 4), 0);
	KUNIT_EXPECT_EQ(test, put(&a, 4, 5), 0);
	KUNIT_EXPECT_EQ(test, put(&a, 5, 6), 0);
	KUNIT_EXPECT_EQ(test, get(&a, 4), 5);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&a.g->nr_zeroed), 8);
	KUNIT_EXPECT_EQ(test, gmem_punch(a.g, 0, 2), 0);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&a.g->nr_zeroed), 6);
	KUNIT_EXPECT_EQ(test, gmem_unshare(a.g), 0);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&a.g->nr_zeroed), 0);
	KUNIT_EXPECT_EQ(test, private(a.g), 8);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	unmake(&a);
}

static void other_domain(struct kunit *test)
{
	struct guest a = make(test, 20), b = make(test, 20);
	struct gmem_domain *own = b.g->domain;
	pgoff_t i;

	b.g->domain = gmem_domain_get(KUIDT_INIT(4711), &init_user_ns);
	KUNIT_ASSERT_NOT_NULL(test, b.g->domain);
	KUNIT_ASSERT_PTR_NE(test, b.g->domain, own);
	gmem_domain_put(own);
	b.g->home = b.g->domain;
	b.g->domain->key = a.g->domain->key;	/* equal digests: the domain decides */
	for (i = 0; i < 20; i++) {
		KUNIT_ASSERT_EQ(test, put(&a, i, 7 + i / 10), 0);
		KUNIT_ASSERT_EQ(test, put(&b, i, 7 + i / 10), 0);
	}
	KUNIT_EXPECT_EQ(test, passes(2, MERGE_SHARED), 36);
	KUNIT_EXPECT_EQ(test, gmem_shared_pages(), 4);
	get(&a, 0);
	get(&b, 0);
	KUNIT_EXPECT_NE(test, a.f->pfn[0], b.f->pfn[0]);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	unmake(&a);
	unmake(&b);
}

/* An object of another user, as the system call makes it. */
static struct guest make_as(struct kunit *test, u64 pages, kuid_t uid)
{
	struct cred *cred = prepare_creds();
	const struct cred *old;
	struct guest s;

	KUNIT_ASSERT_NOT_NULL(test, cred);
	cred->euid = uid;
	old = override_creds(cred);
	s = make(test, pages);
	revert_creds(old);
	put_cred(cred);
	return s;
}

/* Two users' guests do not merge, each one's own do. */
static void two_users(struct kunit *test)
{
	struct guest s[3] = {
		make(test, 20),
		make_as(test, 20, KUIDT_INIT(4711)),
		make_as(test, 20, KUIDT_INIT(4712)),
	};
	pgoff_t i;

	KUNIT_EXPECT_PTR_NE(test, s[0].g->domain, s[1].g->domain);
	KUNIT_EXPECT_PTR_NE(test, s[1].g->domain, s[2].g->domain);
	KUNIT_EXPECT_PTR_NE(test, s[1].g->tenant, s[2].g->tenant);
	for (i = 0; i < 60; i++)
		KUNIT_ASSERT_EQ(test, put(&s[i / 20], i % 20, 7 + i % 10), 0);
	KUNIT_EXPECT_EQ(test, passes(2, MERGE_SHARED), 30);
	KUNIT_EXPECT_EQ(test, gmem_shared_pages(), 30);
	for (i = 0; i < 3; i++)
		get(&s[i], 0);
	KUNIT_EXPECT_NE(test, s[0].f->pfn[0], s[1].f->pfn[0]);
	KUNIT_EXPECT_NE(test, s[1].f->pfn[0], s[2].f->pfn[0]);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	for (i = 0; i < 3; i++)
		unmake(&s[i]);
}

/* Who shares what, by policy: 10 pages of each of two guests are alike, 5 are zero. */
static const struct {
	u32 policy;
	unsigned int shared, zeroed, shared_pages;
} policies[] = {
	{ DITTO_POLICY_OFF, 0, 0, 0 },
	{ DITTO_POLICY_ZERO, 0, 5, 0 },
	{ DITTO_POLICY_SELF, 10, 5, 10 },
	{ DITTO_POLICY_SECURE, 16, 0, 8 },
	{ DITTO_POLICY_DOMAIN, 10, 5, 5 },
};

static void fill_policies(struct kunit *test, struct guest *s)
{
	pgoff_t i;

	for (i = 0; i < 15; i++)
		KUNIT_ASSERT_EQ(test, put(s, i, i < 10 ? 1 + i % 5 : 0), 0);
	KUNIT_ASSERT_EQ(test, put(s, 15, 100 + (s->g->id & 0xff)), 0);
}

static void expect_policy(struct kunit *test, struct guest *s, unsigned int i)
{
	pgoff_t off;

	KUNIT_EXPECT_EQ(test, shared(s->g), policies[i].shared);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&s->g->nr_zeroed), policies[i].zeroed);
	for (off = 0; off < 15; off++)
		KUNIT_EXPECT_EQ(test, get(s, off), off < 10 ? 1 + off % 5 : 0);
}

/* From each policy to each other: what there was is undone, and what may be is merged anew. */
static void changed_policies(struct kunit *test)
{
	struct guest a = make(test, 16), b = make(test, 16);
	unsigned int from, to;

	fill_policies(test, &a);
	fill_policies(test, &b);
	for (from = 0; from < ARRAY_SIZE(policies); from++) {
		for (to = 0; to < ARRAY_SIZE(policies); to++) {
			KUNIT_EXPECT_EQ(test, gmem_set_policy(a.g, policies[from].policy), 0);
			KUNIT_EXPECT_EQ(test, gmem_set_policy(b.g, policies[from].policy), 0);
			passes(70, MERGE_SHARED);	/* whatever it waits for */
			KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
			KUNIT_EXPECT_EQ(test, gmem_shared_pages(), policies[from].shared_pages);
			expect_policy(test, &a, from);
			expect_policy(test, &b, from);
			KUNIT_EXPECT_EQ(test, gmem_set_policy(a.g, policies[to].policy), 0);
			passes(70, MERGE_SHARED);	/* whatever it waits for */
			KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
		}
	}
	KUNIT_EXPECT_EQ(test, gmem_set_policy(a.g, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, gmem_set_policy(a.g, 99), -EINVAL);
	unmake(&a);
	unmake(&b);
	KUNIT_EXPECT_EQ(test, gmem_shared_pages(), 0);
	KUNIT_EXPECT_EQ(test, merge_index_unshared(), 0);
}

/* With itself only, though another has the same pages and the same policy. */
static void self_policy(struct kunit *test)
{
	struct guest a = make(test, 4), b = make(test, 4);
	pgoff_t i;

	KUNIT_EXPECT_EQ(test, gmem_set_policy(a.g, DITTO_POLICY_SELF), 0);
	KUNIT_EXPECT_EQ(test, gmem_set_policy(b.g, DITTO_POLICY_SELF), 0);
	/* Equal digests: the domain decides. */
	b.g->domain->key = a.g->domain->key;
	for (i = 0; i < 2; i++) {
		KUNIT_ASSERT_EQ(test, put(&a, i, 5), 0);
		KUNIT_ASSERT_EQ(test, put(&b, i, 5), 0);
	}
	KUNIT_EXPECT_EQ(test, passes(2, MERGE_SHARED), 2);
	get(&a, 0);
	get(&b, 0);
	KUNIT_EXPECT_NE(test, a.f->pfn[0], b.f->pfn[0]);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	unmake(&a);
	unmake(&b);
}

/* What a gmem says of itself is the same however many have its pages. */
static void expect_untold(struct kunit *test, struct gmem *g, u64 shared)
{
	struct ditto_gmem_stats st;
	struct gmem_usage u;

	gmem_stats(g, &st);
	KUNIT_EXPECT_EQ(test, st.shared_bytes, shared);
	KUNIT_EXPECT_EQ(test, st.charged_bytes, st.private_bytes + shared);
	gmem_usage(g, &u);
	KUNIT_EXPECT_EQ(test, u.saved, 0);
}

/*
 * Secure: every calm page goes away and is mapped nowhere, equal or not, also across owners;
 * who reads it gets a copy; and no frame is one that anybody had before.
 */
static void secure_policy(struct kunit *test)
{
	struct guest s[2] = { make(test, 8), make_as(test, 8, KUIDT_INIT(4711)) };
	unsigned long was[16];
	unsigned int i, j;
	struct page *page;

	for (i = 0; i < 16; i++) {
		if (!(i % 8))
			KUNIT_EXPECT_EQ(test, gmem_set_policy(s[i / 8].g, DITTO_POLICY_SECURE), 0);
		/* 1 is zero, 6 and 7 are alone */
		KUNIT_ASSERT_EQ(test, put(&s[i / 8], i % 8, i % 8 < 6 ? i % 8 : 50 + i), 0);
		was[i] = s[i / 8].f->pfn[i % 8];
	}
	KUNIT_EXPECT_EQ(test, passes(2, MERGE_SHARED), 6);
	KUNIT_EXPECT_EQ(test, gmem_shared_pages(), 10);
	KUNIT_EXPECT_EQ(test, merge_index_unshared(), 0);
	expect_untold(test, s[0].g, 8 * PAGE_SIZE);
	expect_untold(test, s[1].g, 8 * PAGE_SIZE);
	for (i = 0; i < 16; i++) {
		struct gmem_chunk *c = gmem_chunk_find(s[i / 8].g, 0);

		page = gmem_entry_page(c->entry[i % 8]);
		gmem_chunk_put(c);
		KUNIT_EXPECT_EQ(test, s[i / 8].f->pfn[i % 8], 0);
		KUNIT_EXPECT_TRUE(test, gmem_page_is_apart(page));
		for (j = 0; j < 16; j++)
			KUNIT_EXPECT_NE(test, page_to_pfn(page), was[j]);
	}
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	for (i = 0; i < 16; i++) {
		KUNIT_EXPECT_EQ(test, get(&s[i / 8], i % 8), i % 8 < 6 ? i % 8 : 50 + i);
		KUNIT_EXPECT_TRUE(test, s[i / 8].f->writable[i % 8]);
		/* Nobody was the last to have it. */
		KUNIT_EXPECT_EQ(test, gmem_shared_pages(), 10);
	}
	KUNIT_EXPECT_EQ(test, private(s[0].g) + private(s[1].g), 16);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);	/* which sweeps */
	KUNIT_EXPECT_EQ(test, gmem_shared_pages(), 0);
	/* What is read is calm again soon. */
	KUNIT_EXPECT_EQ(test, passes(2 + GMEM_WAIT_BROKE, MERGE_SHARED), 6);
	unmake(&s[0]);
	unmake(&s[1]);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	KUNIT_EXPECT_EQ(test, gmem_shared_pages(), 0);
}

static int bad_copy(void *to, const void *from, size_t len)
{
	return -EHWPOISON;
}

/* A page that cannot be copied, because its memory is bad, stays where it is. */
static void secure_bad_memory(struct kunit *test)
{
	struct guest a = make(test, 4);
	pgoff_t i;

	KUNIT_EXPECT_EQ(test, gmem_set_policy(a.g, DITTO_POLICY_SECURE), 0);
	for (i = 0; i < 4; i++)
		KUNIT_ASSERT_EQ(test, put(&a, i, 1), 0);
	gmem_copy_override = bad_copy;
	KUNIT_EXPECT_EQ(test, passes(3, MERGE_VOLATILE), 4);	/* once each */
	gmem_copy_override = NULL;
	KUNIT_EXPECT_EQ(test, private(a.g), 4);
	KUNIT_EXPECT_EQ(test, gmem_shared_pages(), 0);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	for (i = 0; i < 4; i++) {
		KUNIT_EXPECT_EQ(test, get(&a, i), 1);
		KUNIT_ASSERT_EQ(test, put(&a, i, 1), 0);
	}
	KUNIT_EXPECT_EQ(test, passes(3, MERGE_SHARED), 3);
	unmake(&a);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
}

/* The engine comes with what it knew before the policy changed: nothing is merged. */
static void late_policy(struct kunit *test)
{
	struct guest a = make(test, 4);
	struct gmem_cursor cur;
	struct page *page;

	KUNIT_ASSERT_EQ(test, put(&a, 0, 5), 0);
	page = pfn_to_page(a.f->pfn[0]);
	KUNIT_ASSERT_TRUE(test, gmem_cursor_at(&cur, a.g, 0));
	cur.nr = 0;
	KUNIT_EXPECT_EQ(test, gmem_set_policy(a.g, DITTO_POLICY_OFF), 0);
	KUNIT_ASSERT_TRUE(test, gmem_cursor_enter(&cur));
	KUNIT_EXPECT_EQ(test, gmem_freeze(&cur, page, false), -EAGAIN);
	KUNIT_EXPECT_EQ(test, gmem_examined(&cur, page), -EAGAIN);
	gmem_cursor_unlock(&cur);
	KUNIT_EXPECT_EQ(test, gmem_set_policy(a.g, DITTO_POLICY_SELF), 0);
	KUNIT_ASSERT_TRUE(test, gmem_cursor_enter(&cur));
	KUNIT_EXPECT_EQ(test, gmem_freeze(&cur, page, false), -EAGAIN);
	gmem_cursor_unlock(&cur);
	gmem_cursor_leave(&cur);
	unmake(&a);
}

/* Passes until a page that breaks now is merged again. */
static unsigned int passes_after_break(struct kunit *test, struct guest *s)
{
	unsigned int n = 0;

	KUNIT_ASSERT_EQ(test, put(s, 0, 9), 0);
	KUNIT_ASSERT_EQ(test, put(s, 0, 5), 0);
	while (!passes(1, MERGE_SHARED) && n < 200)
		n++;
	return n;
}

/* Who breaks soon after each merge waits twice as long each time; who does not, no longer. */
static void churn(struct kunit *test)
{
	struct guest a = make(test, 2);
	unsigned int i, wait = GMEM_WAIT_BROKE;

	KUNIT_ASSERT_EQ(test, put(&a, 0, 5), 0);
	KUNIT_ASSERT_EQ(test, put(&a, 1, 5), 0);
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
	KUNIT_ASSERT_EQ(test, put(&a, 1, 0), 0);
	passes(200, MERGE_ZERO);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&a.g->nr_zeroed), 1);
	KUNIT_ASSERT_EQ(test, put(&a, 1, 0), 0);
	KUNIT_EXPECT_EQ(test, passes(1 + GMEM_WAIT_BROKE, MERGE_ZERO), 0);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	unmake(&a);
}

/* No page has more sharers than it may; what is left over shares another. */
static void full_pages(struct kunit *test)
{
	struct guest a = make(test, 10);
	pgoff_t i;

	merge_knobs.max_page_sharing = 4;
	for (i = 0; i < 10; i++)
		KUNIT_ASSERT_EQ(test, put(&a, i, 5), 0);
	passes(2, MERGE_SHARED);
	KUNIT_EXPECT_EQ(test, shared(a.g), 10);
	KUNIT_EXPECT_EQ(test, gmem_shared_pages(), 3);
	for (i = 0; i < 10; i++)
		KUNIT_EXPECT_EQ(test, get(&a, i), 5);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	/* One more, and it is alone. */
	KUNIT_EXPECT_EQ(test, gmem_punch(a.g, 9, 10), 0);
	KUNIT_EXPECT_EQ(test, gmem_punch(a.g, 8, 9), 0);
	KUNIT_ASSERT_EQ(test, put(&a, 9, 5), 0);
	KUNIT_EXPECT_EQ(test, passes(2, MERGE_UNIQUE), 1);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	merge_knobs.max_page_sharing = GMEM_MAX_SHARERS;
	unmake(&a);
}

/* Zero pages that are to be pages like others. */
static void kept_zero_pages(struct kunit *test)
{
	struct guest a = make(test, 4);
	pgoff_t i;

	merge_knobs.use_zero_pages = false;
	for (i = 0; i < 4; i++)
		KUNIT_ASSERT_EQ(test, put(&a, i, 0), 0);
	KUNIT_EXPECT_EQ(test, passes(2, MERGE_SHARED), 3);
	KUNIT_EXPECT_EQ(test, gmem_shared_pages(), 1);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&a.g->nr_zeroed), 0);
	merge_knobs.use_zero_pages = true;
	unmake(&a);
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

static void pinned_page(struct kunit *test)
{
	struct guest a = make(test, 2);
	u64 *pin;

	KUNIT_ASSERT_EQ(test, put(&a, 0, 5), 0);
	KUNIT_ASSERT_EQ(test, put(&a, 1, 5), 0);
	pin = gmem_pin_page(a.g, 1, true);
	KUNIT_ASSERT_FALSE(test, IS_ERR(pin));
	KUNIT_EXPECT_EQ(test, passes(10, MERGE_SHARED), 0);
	pin[9] = 1;
	KUNIT_EXPECT_EQ(test, get(&a, 0), 5);
	gmem_unpin_page(a.g, 1, pin, true);
	KUNIT_EXPECT_EQ(test, passes(10, MERGE_SHARED), 0);
	KUNIT_EXPECT_EQ(test, put(&a, 1, 5), 0);
	KUNIT_EXPECT_EQ(test, passes(10, MERGE_SHARED), 1);
	unmake(&a);
}

/* A device writes to a page that has no equal: nobody hears of it, and it is seen. */
static void written_while_held(struct kunit *test)
{
	struct guest a = make(test, 2);
	u64 *pin;

	KUNIT_ASSERT_EQ(test, put(&a, 0, 5), 0);
	pin = gmem_pin_page(a.g, 0, true);
	KUNIT_ASSERT_FALSE(test, IS_ERR(pin));
	KUNIT_EXPECT_EQ(test, passes(2, MERGE_VOLATILE), 1);
	KUNIT_EXPECT_EQ(test, passes(3 * (2 + GMEM_WAIT_BUSY), MERGE_UNIQUE), 0);
	KUNIT_EXPECT_EQ(test, merge_index_unshared(), 0);
	memset64(pin, 7, PAGE_SIZE / 8);
	gmem_unpin_page(a.g, 0, pin, false);
	KUNIT_ASSERT_EQ(test, put(&a, 1, 7), 0);
	KUNIT_EXPECT_EQ(test, passes(2 * (2 + GMEM_WAIT_BUSY), MERGE_SHARED), 1);
	KUNIT_EXPECT_EQ(test, get(&a, 0), 7);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	unmake(&a);
}

static u32 one_digest(const void *page, const hsiphash_key_t *key)
{
	return 12345;
}

/* All pages have one digest: only the compare tells them apart. */
static void collisions(struct kunit *test)
{
	struct guest a = make(test, 12), b = make(test, 12);
	pgoff_t i;

	merge_digest_override = one_digest;
	for (i = 0; i < 12; i++) {
		KUNIT_ASSERT_EQ(test, put(&a, i, 1 + i % 3), 0);
		KUNIT_ASSERT_EQ(test, put(&b, i, 1 + i % 3), 0);
	}
	KUNIT_EXPECT_EQ(test, passes(2, MERGE_SHARED), 24 - 3);
	KUNIT_EXPECT_EQ(test, gmem_shared_pages(), 3);
	for (i = 0; i < 12; i++) {
		KUNIT_EXPECT_EQ(test, get(&a, i), 1 + i % 3);
		KUNIT_EXPECT_EQ(test, get(&b, i), 1 + i % 3);
	}
	/* More different pages than will be compared: they stay, unharmed. */
	for (i = 0; i < 12; i++)
		KUNIT_ASSERT_EQ(test, put(&a, i, 100 + i), 0);
	KUNIT_EXPECT_EQ(test, passes(20, MERGE_SHARED), 0);
	for (i = 0; i < 12; i++)
		KUNIT_EXPECT_EQ(test, get(&a, i), 100 + i);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	unmake(&a);
	unmake(&b);
	merge_digest_override = NULL;
}

static void unmerge(struct kunit *test)
{
	struct guest a = make(test, 600);
	pgoff_t i;

	for (i = 0; i < 600; i++)
		KUNIT_ASSERT_EQ(test, put(&a, i, 1 + i % 50), 0);
	KUNIT_EXPECT_EQ(test, passes(2, MERGE_SHARED), 550);
	KUNIT_EXPECT_EQ(test, gmem_unshare(a.g), 0);
	KUNIT_EXPECT_EQ(test, shared(a.g), 0);
	KUNIT_EXPECT_EQ(test, private(a.g), 600);
	KUNIT_EXPECT_EQ(test, gmem_shared_pages(), 0);
	KUNIT_EXPECT_EQ(test, merge_index_unshared(), 0);
	for (i = 0; i < 600; i++)
		KUNIT_EXPECT_EQ(test, get(&a, i), 1 + i % 50);
	KUNIT_EXPECT_EQ(test, passes(2 + GMEM_WAIT_BROKE, MERGE_SHARED), 550);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	unmake(&a);
}

static void digests_of(struct kunit *test, u64 *page)
{
	const hsiphash_key_t key = { { 1, 2 } }, other = { { 1, 3 } };
	unsigned int i, j, same = 0;
	u32 zero;

	merge_read_begin();
	zero = merge_digest(page, &key);
	same += merge_digest(page, &other) == zero || !merge_page_zero(page);
	for (i = 0; i < PAGE_SIZE / 8; i++) {
		for (j = 0; j < 2; j++) {
			page[i] = 1ULL << (31 + 32 * j);
			same += merge_digest(page, &key) == zero;
			same += merge_page_zero(page);
			same += merge_pages_equal(page, page_address(ZERO_PAGE(0)));
		}
		page[i] = 0;
	}
	same += !merge_pages_equal(page, page_address(ZERO_PAGE(0)));
	merge_read_end();
	KUNIT_EXPECT_EQ(test, same, 0);
}

/* A change of any word changes the digest, and is seen by both compares. */
static void digests(struct kunit *test)
{
	u64 *page = kunit_kzalloc(test, PAGE_SIZE, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, page);
	merge_use_vectors(false);
	digests_of(test, page);
	if (!merge_use_vectors(true))
		kunit_info(test, "this CPU has no AVX2");
	digests_of(test, page);
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
	struct guest a = make(test, 64), b = make(test, 64);
	struct holder h = { .c = gmem_chunk_get(a.g, 0) };
	unsigned int count[MERGE_BUSY + 1] = { 0 };
	struct task_struct *t;
	pgoff_t i;

	KUNIT_ASSERT_FALSE(test, IS_ERR(h.c));
	init_completion(&h.held);
	init_completion(&h.release);
	for (i = 0; i < 64; i++)
		KUNIT_ASSERT_EQ(test, put(&a, i, i + 1), 0);
	KUNIT_EXPECT_EQ(test, passes(2, MERGE_UNIQUE), 64);
	for (i = 0; i < 64; i++)
		KUNIT_ASSERT_EQ(test, put(&b, i, i + 1), 0);
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
	unmake(&a);
	unmake(&b);
}

/* A candidate that somebody holds, and one that was written: the next ones are found. */
static void held_candidates(struct kunit *test)
{
	struct guest a = make(test, 8);
	u64 *pin;

	KUNIT_ASSERT_EQ(test, put(&a, 0, 5), 0);
	KUNIT_EXPECT_EQ(test, passes(2, MERGE_UNIQUE), 1);
	pin = gmem_pin_page(a.g, 0, true);
	KUNIT_ASSERT_FALSE(test, IS_ERR(pin));
	KUNIT_ASSERT_EQ(test, put(&a, 1, 5), 0);
	KUNIT_EXPECT_EQ(test, passes(2, MERGE_UNIQUE), 1);	/* 0 cannot be had */
	gmem_unpin_page(a.g, 0, pin, false);
	KUNIT_EXPECT_EQ(test, passes(2 + GMEM_WAIT_BUSY, MERGE_SHARED), 1);
	KUNIT_EXPECT_EQ(test, shared(a.g), 2);

	/* Unlike pages with one digest: the first cannot be had, behind it is an equal. */
	merge_digest_override = one_digest;
	KUNIT_ASSERT_EQ(test, put(&a, 2, 6), 0);
	KUNIT_EXPECT_EQ(test, passes(2, MERGE_UNIQUE), 1);
	KUNIT_ASSERT_EQ(test, put(&a, 3, 7), 0);
	KUNIT_EXPECT_EQ(test, passes(2, MERGE_UNIQUE), 1);
	pin = gmem_pin_page(a.g, 3, true);
	KUNIT_ASSERT_FALSE(test, IS_ERR(pin));
	KUNIT_ASSERT_EQ(test, put(&a, 4, 6), 0);
	KUNIT_EXPECT_EQ(test, passes(2, MERGE_SHARED), 1);
	gmem_unpin_page(a.g, 3, pin, false);
	merge_digest_override = NULL;
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	unmake(&a);
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
	struct guest a = make(test, 8), b = make(test, 8);
	struct stolen s = { .g = b.g };

	INIT_LIST_HEAD(&s.list);
	init_completion(&s.done);
	KUNIT_ASSERT_EQ(test, put(&b, 0, 5), 0);
	KUNIT_EXPECT_EQ(test, passes(2, MERGE_UNIQUE), 1);
	KUNIT_ASSERT_EQ(test, put(&a, 0, 5), 0);
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
	unmake(&a);
	unmake(&b);
}

/* The checker knows pages that wait for a change though they are equal. */
static void lost_merge(struct kunit *test)
{
	struct guest a = make(test, 8);
	struct gmem_cursor cur = {
		.g = a.g, .nr = 1, .policy = gmem_policy(a.g), .domain = a.g->domain,
	};
	u32 digest;

	KUNIT_ASSERT_EQ(test, put(&a, 0, 5), 0);
	KUNIT_EXPECT_EQ(test, passes(2, MERGE_UNIQUE), 1);
	KUNIT_ASSERT_EQ(test, put(&a, 1, 5), 0);
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
	unmake(&a);
}

/* It counts again what `ditto ps` estimates fair parts from. */
static void domain_counters(struct kunit *test)
{
	struct guest a = make(test, 8);
	pgoff_t i;

	for (i = 0; i < 8; i++)
		KUNIT_ASSERT_EQ(test, put(&a, i, 1 + i % 2), 0);
	KUNIT_EXPECT_EQ(test, passes(2, MERGE_SHARED), 6);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	atomic_long_inc(&a.g->domain->nr_shared);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 1);
	atomic_long_dec(&a.g->domain->nr_shared);
	atomic_long_dec(&a.g->domain->nr_shared_pages);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 1);
	atomic_long_inc(&a.g->domain->nr_shared_pages);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	unmake(&a);
}

/* The remainder that CRC32C leaves of one word, as the CPU's instruction has it. */
static u32 crc32c_word(u64 word)
{
	unsigned int i;

	for (i = 0; i < 64; i++)
		word = (word >> 1) ^ (word & 1 ? 0x82f63b78 : 0);
	return word;
}

/* Change two words so that every CRC32C of them, whatever its seed, stays the same. */
static void craft(u64 *page, unsigned int word, u64 change)
{
	page[word] ^= change;
	page[word + 1] ^= crc32c_word(change);
}

static unsigned int crafted_alike(u64 *page)
{
	const hsiphash_key_t key = { { 1, 2 } };
	unsigned int i, same = 0;
	u32 plain;

	memset64(page, 0x0123456789abcdef, PAGE_SIZE / 8);
	merge_read_begin();
	plain = merge_digest(page, &key);
	for (i = 0; i < PAGE_SIZE / 8 - 1; i++) {
		craft(page, i, i + 1);
		same += merge_digest(page, &key) == plain;
		craft(page, i, i + 1);
		page[i] ^= 1ULL << 63;
		page[i + 1] ^= 1ULL << 63;
		same += merge_digest(page, &key) == plain;
		page[i + 1] ^= 1ULL << 63;
		swap(page[i], page[i + 1]);
		same += merge_digest(page, &key) == plain;
		page[i + 1] ^= 1ULL << 63;
	}
	same += merge_digest(page, &key) != plain;
	merge_read_end();
	return same;
}

/*
 * Changes that cancel out in what is linear, or where no carry leaves the word: whoever
 * can choose pages with one digest keeps others from merging.
 */
static void crafted_digests(struct kunit *test)
{
	u64 *page = kunit_kzalloc(test, PAGE_SIZE, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, page);
	merge_use_vectors(false);
	KUNIT_EXPECT_EQ(test, crafted_alike(page), 0);
	merge_use_vectors(true);
	KUNIT_EXPECT_EQ(test, crafted_alike(page), 0);
}

/* A guest with pages crafted after another's content: that merges all the same. */
static void crafted_pages(struct kunit *test)
{
	struct guest a = make(test, 2), evil = make(test, 64);
	u64 *page = kunit_kzalloc(test, PAGE_SIZE, GFP_KERNEL);
	pgoff_t i;

	KUNIT_ASSERT_EQ(test, put(&a, 0, 77), 0);
	KUNIT_EXPECT_EQ(test, passes(2, MERGE_UNIQUE), 1);
	memset64(page, 77, PAGE_SIZE / 8);
	for (i = 0; i < 64; i++) {
		craft(page, 2 * i, 1 + i);
		KUNIT_ASSERT_EQ(test, gmem_write(evil.g, i << PAGE_SHIFT, page, PAGE_SIZE), 0);
		craft(page, 2 * i, 1 + i);
	}
	KUNIT_EXPECT_EQ(test, passes(2, MERGE_UNIQUE), 64);
	KUNIT_ASSERT_EQ(test, put(&a, 1, 77), 0);
	KUNIT_EXPECT_EQ(test, passes(2, MERGE_SHARED), 1);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	unmake(&a);
	unmake(&evil);
}

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
	struct guest a = make(test, 4 * GMEM_CHUNK_PAGES);
	pgoff_t i;

	ops.harvest = counted_harvest;
	ops.survey = counted_survey;
	a.f->b.ops = &ops;
	for (i = 0; i < 3; i++)
		KUNIT_ASSERT_EQ(test, put(&a, i * GMEM_CHUNK_PAGES, i + 1), 0);
	/* Written; calm, and examined; nothing is left. */
	KUNIT_EXPECT_EQ(test, harvests_of_pass(), 3);
	KUNIT_EXPECT_EQ(test, harvests_of_pass(), 3);
	KUNIT_EXPECT_EQ(test, harvests_of_pass(), 3);
	KUNIT_EXPECT_EQ(test, harvests_of_pass(), 0);
	KUNIT_EXPECT_EQ(test, merge_index_unshared(), 3);
	/* Through the binding, which the survey tells, and by the kernel. */
	KUNIT_ASSERT_EQ(test, put(&a, 0, 2), 0);
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
	unmake(&a);
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
		r->wrong += get(r->s, off) != was[off];
		if (r->ops % 8 == 0) {
			was[off] = 0;
			r->wrong += gmem_punch(r->s->g, off, off + 1) != 0;
		} else {
			was[off] = (r->seed >> 8) % 4;
			r->wrong += put(r->s, off, was[off]) != 0;
		}
		r->wrong += get(r->s, off) != was[off];
		r->ops++;
		if (r->ops % 64 == 0)
			usleep_range(200, 400);
		cond_resched();
	}
	return 0;
}

static void races(struct kunit *test)
{
	struct guest s[2] = { make(test, RACE_PAGES), make(test, RACE_PAGES) };
	unsigned long end = jiffies + 3 * HZ, merged = 0;
	struct task_struct *t[2];
	struct racer r[2] = { 0 };
	unsigned int i;

	for (i = 0; i < 2; i++) {
		r[i].s = &s[i];
		r[i].seed = i;
		r[i].was = kunit_kzalloc(test, RACE_PAGES * sizeof(u64), GFP_KERNEL);
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
	unmake(&s[0]);
	unmake(&s[1]);
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
	struct guest s[3] = { make(test, 512), make(test, 512), make(test, 512) };
	unsigned long end = jiffies + 100 * HZ;
	struct test_worker *w[WORKERS];
	unsigned int i;
	pgoff_t off;

	start_workers(test, w);
	for (off = 0; off < 512; off++)
		for (i = 0; i < 3; i++)
			KUNIT_ASSERT_EQ(test, put(&s[i], off, 1 + off), 0);
	while (shared(s[0].g) + shared(s[1].g) + shared(s[2].g) < 3 * 512 &&
	       time_before(jiffies, end))
		msleep(20);
	stop_workers(w);
	KUNIT_EXPECT_EQ(test, gmem_shared_pages(), 512);
	for (off = 0; off < 512; off++)
		for (i = 0; i < 3; i++)
			KUNIT_EXPECT_EQ(test, get(&s[i], off), 1 + off);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	for (i = 0; i < 3; i++)
		unmake(&s[i]);
}

/* And do no harm to guests that write meanwhile. */
static void racing_workers(struct kunit *test)
{
	struct guest s[2] = { make(test, RACE_PAGES), make(test, RACE_PAGES) };
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
	unmake(&s[0]);
	unmake(&s[1]);
	KUNIT_EXPECT_EQ(test, gmem_shared_pages(), 0);
	KUNIT_EXPECT_EQ(test, merge_index_unshared(), 0);
}

/* A page that comes while another one looks for its equal is not passed over. */
static void unknown_candidate(struct kunit *test)
{
	struct guest a = make(test, 4);
	struct gmem_cursor cur;
	struct page *page;
	u32 digest;

	KUNIT_ASSERT_EQ(test, put(&a, 0, 5), 0);
	KUNIT_EXPECT_EQ(test, passes(2, MERGE_UNIQUE), 1);
	digest = *gmem_page_digest(pfn_to_page(a.f->pfn[0]));
	KUNIT_ASSERT_EQ(test, put(&a, 1, 5), 0);
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
	unmake(&a);
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
	struct guest a = make(test, 4);
	struct gmem_cursor cur;
	struct engine e = { 0 };
	unsigned long waits = 0;

	KUNIT_ASSERT_EQ(test, put(&a, 0, 5), 0);
	KUNIT_ASSERT_EQ(test, put(&a, 1, 6), 0);
	KUNIT_EXPECT_EQ(test, passes(3, MERGE_UNIQUE), 2);
	/* A survey tells of this write only once. */
	KUNIT_ASSERT_EQ(test, put(&a, 1, 5), 0);
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
	unmake(&a);
}

static struct kunit_case merge_cases[] = {
	KUNIT_CASE(digests),
	KUNIT_CASE(crafted_digests),
	KUNIT_CASE(crafted_pages),
	KUNIT_CASE(equal_pages),
	KUNIT_CASE(checked_while_freed),
	KUNIT_CASE(unequal_pages),
	KUNIT_CASE(zero_pages),
	KUNIT_CASE(other_domain),
	KUNIT_CASE(two_users),
	KUNIT_CASE(changed_policies),
	KUNIT_CASE(self_policy),
	KUNIT_CASE(secure_policy),
	KUNIT_CASE(secure_bad_memory),
	KUNIT_CASE(late_policy),
	KUNIT_CASE(churn),
	KUNIT_CASE(full_pages),
	KUNIT_CASE(kept_zero_pages),
	KUNIT_CASE(advisor),
	KUNIT_CASE(pinned_page),
	KUNIT_CASE(written_while_held),
	KUNIT_CASE(collisions),
	KUNIT_CASE(busy_candidates),
	KUNIT_CASE(held_candidates),
	KUNIT_CASE(stolen_candidate),
	KUNIT_CASE(lost_merge),
	KUNIT_CASE(domain_counters),
	KUNIT_CASE(unmerge),
	KUNIT_CASE(idle_chunks),
	KUNIT_CASE(unknown_candidate),
	KUNIT_CASE(fork_under_way),
	KUNIT_CASE(races),
	KUNIT_CASE(workers),
	KUNIT_CASE(racing_workers),
	{}
};

static struct kunit_suite merge_suite = {
	.name = "ditto_merge",
	.init = merge_suite_init,
	.test_cases = merge_cases,
};

kunit_test_suite(merge_suite);
