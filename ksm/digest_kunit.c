// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of digests: every change is seen, and pages with equal ones are told apart.
 */
#include "ksm/kunit.h"

/* All pages have one digest: only the compare tells them apart. */
static void collisions(struct kunit *test)
{
	struct guest a = guest_make(test, 12), b = guest_make(test, 12);
	pgoff_t i;

	merge_digest_override = one_digest;
	for (i = 0; i < 12; i++) {
		KUNIT_ASSERT_EQ(test, guest_put(&a, i, 1 + i % 3), 0);
		KUNIT_ASSERT_EQ(test, guest_put(&b, i, 1 + i % 3), 0);
	}
	KUNIT_EXPECT_EQ(test, passes(2, MERGE_SHARED), 24 - 3);
	KUNIT_EXPECT_EQ(test, gmem_shared_pages(), 3);
	for (i = 0; i < 12; i++) {
		KUNIT_EXPECT_EQ(test, guest_get(&a, i), 1 + i % 3);
		KUNIT_EXPECT_EQ(test, guest_get(&b, i), 1 + i % 3);
	}
	/* More different pages than will be compared: they stay, unharmed. */
	for (i = 0; i < 12; i++)
		KUNIT_ASSERT_EQ(test, guest_put(&a, i, 100 + i), 0);
	KUNIT_EXPECT_EQ(test, passes(20, MERGE_SHARED), 0);
	for (i = 0; i < 12; i++)
		KUNIT_EXPECT_EQ(test, guest_get(&a, i), 100 + i);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	guest_free(&a);
	guest_free(&b);
	merge_digest_override = NULL;
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
	struct guest a = guest_make(test, 2), evil = guest_make(test, 64);
	u64 *page = kunit_kzalloc(test, PAGE_SIZE, GFP_KERNEL);
	pgoff_t i;

	KUNIT_ASSERT_EQ(test, guest_put(&a, 0, 77), 0);
	KUNIT_EXPECT_EQ(test, passes(2, MERGE_UNIQUE), 1);
	memset64(page, 77, PAGE_SIZE / 8);
	for (i = 0; i < 64; i++) {
		craft(page, 2 * i, 1 + i);
		KUNIT_ASSERT_EQ(test, gmem_write(evil.g, i << PAGE_SHIFT, page, PAGE_SIZE), 0);
		craft(page, 2 * i, 1 + i);
	}
	KUNIT_EXPECT_EQ(test, passes(2, MERGE_UNIQUE), 64);
	KUNIT_ASSERT_EQ(test, guest_put(&a, 1, 77), 0);
	KUNIT_EXPECT_EQ(test, passes(2, MERGE_SHARED), 1);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	guest_free(&a);
	guest_free(&evil);
}

static struct kunit_case digest_cases[] = {
	KUNIT_CASE(digests),
	KUNIT_CASE(crafted_digests),
	KUNIT_CASE(crafted_pages),
	KUNIT_CASE(collisions),
	{}
};

static struct kunit_suite digest_suite = {
	.name = "ditto_merge_digest",
	.init = merge_suite_init,
	.test_cases = digest_cases,
};

kunit_test_suite(digest_suite);
