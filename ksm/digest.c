// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reading pages: all zero, equal, and a 32-bit digest that equal pages of one domain
 * have in common. The digest only finds candidates; nothing is merged on its word, so
 * it is chosen for cost: the CPU's CRC32 instruction in four streams (one would wait
 * for its own result), stirred with the domain's salt. Loops are unrolled by hand, for
 * they are most of what the engine costs.
 */
#include <linux/jhash.h>
#include <linux/mm.h>
#include <linux/xxhash.h>
#include <asm/cpufeature.h>

#include "ksm/internal.h"

#define STREAMS		4
#define STREAM_WORDS	(PAGE_SIZE / sizeof(u64) / STREAMS)

#ifdef DITTO_KUNIT
u32 (*merge_digest_override)(const void *page, u32 salt);
#endif

static __always_inline u64 crc_word(u64 crc, u64 word)
{
	asm("crc32q %1, %0" : "+r" (crc) : "rm" (word));
	return crc;
}

static u32 digest_crc(const u64 *p, u32 salt)
{
	const u64 *end = p + STREAM_WORDS;
	u64 a = 0, b = 0, c = 0, d = 0;
	u32 crc[STREAMS];

	for (; p < end; p += 4) {
#define STEP(i)								\
		a = crc_word(a, p[i]);					\
		b = crc_word(b, p[i + STREAM_WORDS]);			\
		c = crc_word(c, p[i + 2 * STREAM_WORDS]);		\
		d = crc_word(d, p[i + 3 * STREAM_WORDS])
		STEP(0);
		STEP(1);
		STEP(2);
		STEP(3);
#undef STEP
	}
	crc[0] = a;
	crc[1] = b;
	crc[2] = c;
	crc[3] = d;
	return jhash2(crc, STREAMS, salt);
}

/**
 * merge_digest() - digest of a page
 * @page: its contents; may change meanwhile
 * @salt: the domain's
 *
 * Return: the digest.
 */
u32 merge_digest(const void *page, u32 salt)
{
#ifdef DITTO_KUNIT
	if (merge_digest_override)
		return merge_digest_override(page, salt);
#endif
	if (likely(boot_cpu_has(X86_FEATURE_XMM4_2)))
		return digest_crc(page, salt);
	return xxh64(page, PAGE_SIZE, salt);
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
