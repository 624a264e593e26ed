// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reading pages: all zero, equal, and a 32-bit digest that equal pages of one domain have
 * in common. The digest only finds candidates; no page is merged because of it. But an
 * attacker who could choose pages with equal digests could make lookups of a victim's page
 * fail. So the contents are combined with a secret before any information about them is
 * lost:
 *
 *	1. Each quarter of the page goes through NH (the hash inside of UMAC): words are
 *	   added to secret ones and multiplied in pairs, the full products summed up.
 *	   Whatever two quarters are chosen, if they differ so do their sums, but for
 *	   one secret in 2^64.
 *	2. SipHash, with the domain's key, makes 32 bits of the four sums. So the digests
 *	   of one domain tell nothing of another's.
 *
 * No vector registers, for which the FPU's state would have to be saved. Loops are
 * unrolled by hand.
 */
#include <linux/mm.h>
#include <linux/random.h>
#include <linux/siphash.h>

#include "ksm/internal.h"

#define BLOCKS		4
#define BLOCK_WORDS	(PAGE_SIZE / sizeof(u64) / BLOCKS)

typedef unsigned __int128 nh_sum;

/* Constant once the engine runs. */
static u64 nh_key[BLOCK_WORDS] __read_mostly;

#ifdef DITTO_KUNIT
u32 (*merge_digest_override)(const void *page, const hsiphash_key_t *key);
#endif

/**
 * merge_digest_init() - choose the secret
 *
 * Before the first digest.
 */
void merge_digest_init(void)
{
	get_random_bytes(nh_key, sizeof(nh_key));
}

static __always_inline nh_sum nh_pair(const u64 *p, const u64 *k)
{
	return (nh_sum)(p[0] + k[0]) * (p[1] + k[1]);
}

static __always_inline nh_sum nh_quarter(const u64 *p)
{
	const u64 *k = nh_key, *end = nh_key + BLOCK_WORDS;
	nh_sum sum = 0;

	for (; k < end; p += 16, k += 16) {
		sum += nh_pair(p, k);
		sum += nh_pair(p + 2, k + 2);
		sum += nh_pair(p + 4, k + 4);
		sum += nh_pair(p + 6, k + 6);
		sum += nh_pair(p + 8, k + 8);
		sum += nh_pair(p + 10, k + 10);
		sum += nh_pair(p + 12, k + 12);
		sum += nh_pair(p + 14, k + 14);
	}
	return sum;
}

/**
 * merge_digest() - digest of a page
 * @page: its contents; may change meanwhile
 * @key: the domain's
 *
 * Return: the digest.
 */
u32 merge_digest(const void *page, const hsiphash_key_t *key)
{
	const u64 *p = page;
	nh_sum sum[BLOCKS];
	unsigned int i;

#ifdef DITTO_KUNIT
	if (merge_digest_override)
		return merge_digest_override(page, key);
#endif
	for (i = 0; i < BLOCKS; i++, p += BLOCK_WORDS)
		sum[i] = nh_quarter(p);
	return hsiphash(sum, sizeof(sum), key);
}

/**
 * merge_page_zero() - is a page all zero?
 * @page: its contents
 *
 * Return: whether it is. Most pages are not, and are found out by their first words.
 */
bool merge_page_zero(const void *page)
{
	const u64 *p = page, *end = page + PAGE_SIZE;

	for (; p < end; p += 8)
		if (p[0] | p[1] | p[2] | p[3] | p[4] | p[5] | p[6] | p[7])
			return false;
	return true;
}

/**
 * merge_pages_equal() - are two pages equal, byte by byte?
 * @a: contents of one
 * @b: contents of the other
 *
 * Return: whether they are.
 */
bool merge_pages_equal(const void *a, const void *b)
{
	const u64 *p = a, *q = b, *end = a + PAGE_SIZE;

	for (; p < end; p += 8, q += 8)
		if ((p[0] ^ q[0]) | (p[1] ^ q[1]) | (p[2] ^ q[2]) | (p[3] ^ q[3]) |
		    (p[4] ^ q[4]) | (p[5] ^ q[5]) | (p[6] ^ q[6]) | (p[7] ^ q[7]))
			return false;
	return true;
}
