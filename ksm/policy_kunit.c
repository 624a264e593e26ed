// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of whose pages merge: owners, domains, policies.
 */
#include <linux/cred.h>
#include <ditto.h>

#include "ksm/kunit.h"

static void other_domain(struct kunit *test)
{
	struct guest a = guest_make(test, 20), b = guest_make(test, 20);
	struct gmem_domain *own = b.g->domain;
	pgoff_t i;

	b.g->domain = gmem_domain_get(KUIDT_INIT(4711), &init_user_ns);
	KUNIT_ASSERT_NOT_NULL(test, b.g->domain);
	KUNIT_ASSERT_PTR_NE(test, b.g->domain, own);
	gmem_domain_put(own);
	b.g->home = b.g->domain;
	b.g->domain->key = a.g->domain->key;	/* equal digests: the domain decides */
	for (i = 0; i < 20; i++) {
		KUNIT_ASSERT_EQ(test, guest_put(&a, i, 7 + i / 10), 0);
		KUNIT_ASSERT_EQ(test, guest_put(&b, i, 7 + i / 10), 0);
	}
	KUNIT_EXPECT_EQ(test, passes(2, MERGE_SHARED), 36);
	KUNIT_EXPECT_EQ(test, gmem_shared_pages(), 4);
	guest_get(&a, 0);
	guest_get(&b, 0);
	KUNIT_EXPECT_NE(test, a.f->pfn[0], b.f->pfn[0]);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	guest_free(&a);
	guest_free(&b);
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
	s = guest_make(test, pages);
	revert_creds(old);
	put_cred(cred);
	return s;
}

/* Two users' guests do not merge, each one's own do. */
static void two_users(struct kunit *test)
{
	struct guest s[3] = {
		guest_make(test, 20),
		make_as(test, 20, KUIDT_INIT(4711)),
		make_as(test, 20, KUIDT_INIT(4712)),
	};
	pgoff_t i;

	KUNIT_EXPECT_PTR_NE(test, s[0].g->domain, s[1].g->domain);
	KUNIT_EXPECT_PTR_NE(test, s[1].g->domain, s[2].g->domain);
	KUNIT_EXPECT_PTR_NE(test, s[1].g->tenant, s[2].g->tenant);
	for (i = 0; i < 60; i++)
		KUNIT_ASSERT_EQ(test, guest_put(&s[i / 20], i % 20, 7 + i % 10), 0);
	KUNIT_EXPECT_EQ(test, passes(2, MERGE_SHARED), 30);
	KUNIT_EXPECT_EQ(test, gmem_shared_pages(), 30);
	for (i = 0; i < 3; i++)
		guest_get(&s[i], 0);
	KUNIT_EXPECT_NE(test, s[0].f->pfn[0], s[1].f->pfn[0]);
	KUNIT_EXPECT_NE(test, s[1].f->pfn[0], s[2].f->pfn[0]);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	for (i = 0; i < 3; i++)
		guest_free(&s[i]);
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
		KUNIT_ASSERT_EQ(test, guest_put(s, i, i < 10 ? 1 + i % 5 : 0), 0);
	KUNIT_ASSERT_EQ(test, guest_put(s, 15, 100 + (s->g->id & 0xff)), 0);
}

static void expect_policy(struct kunit *test, struct guest *s, unsigned int i)
{
	pgoff_t off;

	KUNIT_EXPECT_EQ(test, nr_shared(s->g), policies[i].shared);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&s->g->nr_zeroed), policies[i].zeroed);
	for (off = 0; off < 15; off++)
		KUNIT_EXPECT_EQ(test, guest_get(s, off), off < 10 ? 1 + off % 5 : 0);
}

/* From each policy to each other: what there was is undone, and what may be is merged anew. */
static void changed_policies(struct kunit *test)
{
	struct guest a = guest_make(test, 16), b = guest_make(test, 16);
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
	guest_free(&a);
	guest_free(&b);
	KUNIT_EXPECT_EQ(test, gmem_shared_pages(), 0);
	KUNIT_EXPECT_EQ(test, merge_index_unshared(), 0);
}

/* With itself only, though another has the same pages and the same policy. */
static void self_policy(struct kunit *test)
{
	struct guest a = guest_make(test, 4), b = guest_make(test, 4);
	pgoff_t i;

	KUNIT_EXPECT_EQ(test, gmem_set_policy(a.g, DITTO_POLICY_SELF), 0);
	KUNIT_EXPECT_EQ(test, gmem_set_policy(b.g, DITTO_POLICY_SELF), 0);
	/* Equal digests: the domain decides. */
	b.g->domain->key = a.g->domain->key;
	for (i = 0; i < 2; i++) {
		KUNIT_ASSERT_EQ(test, guest_put(&a, i, 5), 0);
		KUNIT_ASSERT_EQ(test, guest_put(&b, i, 5), 0);
	}
	KUNIT_EXPECT_EQ(test, passes(2, MERGE_SHARED), 2);
	guest_get(&a, 0);
	guest_get(&b, 0);
	KUNIT_EXPECT_NE(test, a.f->pfn[0], b.f->pfn[0]);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	guest_free(&a);
	guest_free(&b);
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
	struct guest s[2] = { guest_make(test, 8), make_as(test, 8, KUIDT_INIT(4711)) };
	unsigned long was[16];
	unsigned int i, j;
	struct page *page;

	for (i = 0; i < 16; i++) {
		if (!(i % 8))
			KUNIT_EXPECT_EQ(test, gmem_set_policy(s[i / 8].g, DITTO_POLICY_SECURE), 0);
		/* 1 is zero, 6 and 7 are alone */
		KUNIT_ASSERT_EQ(test, guest_put(&s[i / 8], i % 8, i % 8 < 6 ? i % 8 : 50 + i), 0);
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
		KUNIT_EXPECT_EQ(test, guest_get(&s[i / 8], i % 8), i % 8 < 6 ? i % 8 : 50 + i);
		KUNIT_EXPECT_TRUE(test, s[i / 8].f->writable[i % 8]);
		/* Nobody was the last to have it. */
		KUNIT_EXPECT_EQ(test, gmem_shared_pages(), 10);
	}
	KUNIT_EXPECT_EQ(test, nr_private(s[0].g) + nr_private(s[1].g), 16);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);	/* which sweeps */
	KUNIT_EXPECT_EQ(test, gmem_shared_pages(), 0);
	/* What is read is calm again soon. */
	KUNIT_EXPECT_EQ(test, passes(2 + GMEM_WAIT_BROKE, MERGE_SHARED), 6);
	guest_free(&s[0]);
	guest_free(&s[1]);
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
	struct guest a = guest_make(test, 4);
	pgoff_t i;

	KUNIT_EXPECT_EQ(test, gmem_set_policy(a.g, DITTO_POLICY_SECURE), 0);
	for (i = 0; i < 4; i++)
		KUNIT_ASSERT_EQ(test, guest_put(&a, i, 1), 0);
	gmem_copy_override = bad_copy;
	KUNIT_EXPECT_EQ(test, passes(3, MERGE_VOLATILE), 4);	/* once each */
	gmem_copy_override = NULL;
	KUNIT_EXPECT_EQ(test, nr_private(a.g), 4);
	KUNIT_EXPECT_EQ(test, gmem_shared_pages(), 0);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	for (i = 0; i < 4; i++) {
		KUNIT_EXPECT_EQ(test, guest_get(&a, i), 1);
		KUNIT_ASSERT_EQ(test, guest_put(&a, i, 1), 0);
	}
	KUNIT_EXPECT_EQ(test, passes(3, MERGE_SHARED), 3);
	guest_free(&a);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
}

/* The engine comes with what it knew before the policy changed: nothing is merged. */
static void late_policy(struct kunit *test)
{
	struct guest a = guest_make(test, 4);
	struct gmem_cursor cur;
	struct page *page;

	KUNIT_ASSERT_EQ(test, guest_put(&a, 0, 5), 0);
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
	guest_free(&a);
}

static struct kunit_case policy_cases[] = {
	KUNIT_CASE(other_domain),
	KUNIT_CASE(two_users),
	KUNIT_CASE(changed_policies),
	KUNIT_CASE(self_policy),
	KUNIT_CASE(secure_policy),
	KUNIT_CASE(secure_bad_memory),
	KUNIT_CASE(late_policy),
	{}
};

static struct kunit_suite policy_suite = {
	.name = "ditto_merge_policy",
	.init = merge_suite_init,
	.test_cases = policy_cases,
};

kunit_test_suite(policy_suite);
