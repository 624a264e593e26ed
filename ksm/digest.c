// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reading pages: all zero, equal, and a 32-bit digest that equal pages of one domain have
 * in common. The digest only finds candidates; no page is merged because of it. But an
 * attacker who could choose pages with equal digests could make lookups of a victim's page
 * fail. So the contents are combined with a secret before any information about them is
 * lost:
 *
 *	1. The page goes through NH (the hash inside of UMAC): words are added to secret ones
 *	   and multiplied in pairs, the full products summed up. Whatever two pages are
 *	   chosen, if they differ so do their sums, except for one secret in 2^32 (which is what
 *	   32 bits can tell apart) or, without vectors, in 2^64.
 *	2. SipHash, with the domain's key, makes 32 bits of the sum. So the digests of one
 *	   domain tell nothing of another's.
 *
 * With AVX2 32 bytes are read at a time, and words have 32 bits; else 64. Which of the two
 * is decided once, since they give different digests. The kernel's use of vector registers
 * has a price of its own, so all reading is done between merge_read_begin() and
 * merge_read_end(), several pages at once where there are several.
 *
 * A page's memory may be bad. With AVX2 the machine check ends the reading: a page that cannot be
 * read is not zero, equals none, and has some digest. Without, it ends the host; but CPUs that
 * can go on after it have AVX2.
 */
#include <linux/mm.h>
#include <linux/random.h>
#include <linux/siphash.h>

#include <asm/fpu/api.h>

#include "ksm/internal.h"

#define PAGE_WORDS	(PAGE_SIZE / sizeof(u64))

typedef unsigned __int128 nh_sum;

/* Constant once the engine runs. */
static u64 nh_key[PAGE_WORDS] __aligned(64) __read_mostly;
static bool vectors __read_mostly;

#ifdef DITTO_KUNIT
u32 (*merge_digest_override)(const void *page, const hsiphash_key_t *key);

/**
 * merge_use_vectors() - for tests: do without vector registers, or with them if there are any
 * @use: with them
 *
 * No page is in the merge index.
 *
 * Return: whether they are used now.
 */
bool merge_use_vectors(bool use)
{
	vectors = use && boot_cpu_has(X86_FEATURE_AVX) && boot_cpu_has(X86_FEATURE_AVX2);
	return vectors;
}
#endif

/**
 * merge_digest_init() - choose the secret, and how pages are read
 *
 * Before the first digest.
 */
void merge_digest_init(void)
{
	get_random_bytes(nh_key, sizeof(nh_key));
	vectors = boot_cpu_has(X86_FEATURE_AVX) && boot_cpu_has(X86_FEATURE_AVX2);
}

/**
 * merge_read_begin() - pages are going to be read
 *
 * Process context or softirq; not nested. The caller does not sleep until
 * merge_read_end(), and reads a few pages at most.
 */
void merge_read_begin(void)
{
	if (likely(vectors))
		kernel_fpu_begin();
}

/**
 * merge_read_end() - the end of merge_read_begin()
 */
void merge_read_end(void)
{
	if (likely(vectors))
		kernel_fpu_end();
}

static __always_inline nh_sum nh_pair(const u64 *p, const u64 *k)
{
	return (nh_sum)(p[0] + k[0]) * (p[1] + k[1]);
}

static nh_sum nh_words(const u64 *p)
{
	const u64 *k = nh_key, *end = nh_key + PAGE_WORDS;
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

/* The two halves of each 64-bit word are a pair. The sums are in ymm0 to ymm3. */
#define NH_VECTOR(at, sum)				\
	MC_LOAD("vmovdqu " #at "(%0), %%ymm4", 779f)	\
	"vpaddd " #at "(%1), %%ymm4, %%ymm4\n\t"	\
	"vpsrlq $32, %%ymm4, %%ymm5\n\t"		\
	"vpmuludq %%ymm4, %%ymm5, %%ymm4\n\t"		\
	"vpaddq %%ymm4, %%ymm" #sum ", %%ymm" #sum "\n\t"

static u64 nh_vectors(const u8 *p)
{
	const u8 *k = (const u8 *)nh_key, *end = k + PAGE_SIZE;
	u64 sum[4];

	asm volatile("vpxor %%xmm0, %%xmm0, %%xmm0\n\t"
		     "vpxor %%xmm1, %%xmm1, %%xmm1\n\t"
		     "vpxor %%xmm2, %%xmm2, %%xmm2\n\t"
		     "vpxor %%xmm3, %%xmm3, %%xmm3" : : );
	for (; k < end; p += 256, k += 256)
		asm volatile(NH_VECTOR(0, 0) NH_VECTOR(32, 1) NH_VECTOR(64, 2) NH_VECTOR(96, 3)
			     NH_VECTOR(128, 0) NH_VECTOR(160, 1) NH_VECTOR(192, 2)
			     NH_VECTOR(224, 3) "779:" : : "r" (p), "r" (k) : "memory");
	asm volatile("vpaddq %%ymm1, %%ymm0, %%ymm0\n\t"
		     "vpaddq %%ymm3, %%ymm2, %%ymm2\n\t"
		     "vpaddq %%ymm2, %%ymm0, %%ymm0\n\t"
		     "vmovdqu %%ymm0, %0" : "=m" (sum));
	return sum[0] + sum[1] + sum[2] + sum[3];
}

/**
 * merge_digest() - digest of a page
 * @page: its contents; may change meanwhile
 * @key: the domain's
 *
 * Between merge_read_begin() and merge_read_end().
 *
 * Return: the digest.
 */
u32 merge_digest(const void *page, const hsiphash_key_t *key)
{
	nh_sum sum;

#ifdef DITTO_KUNIT
	if (merge_digest_override)
		return merge_digest_override(page, key);
#endif
	sum = likely(vectors) ? nh_vectors(page) : nh_words(page);
	return hsiphash(&sum, sizeof(sum), key);
}

static bool zero_words(const u64 *p)
{
	const u64 *end = p + PAGE_WORDS;

	for (; p < end; p += 8)
		if (p[0] | p[1] | p[2] | p[3] | p[4] | p[5] | p[6] | p[7])
			return false;
	return true;
}

static bool zero_vectors(const u8 *p)
{
	const u8 *end = p + PAGE_SIZE;
	bool zero;

	for (; p < end; p += 256) {
		/* Not zero, if it is not known: no address is. */
		asm volatile("test %1, %1\n\t"
			     MC_LOAD("vmovdqu (%1), %%ymm0", 779f)
			     MC_LOAD("vpor 32(%1), %%ymm0, %%ymm0", 779f)
			     MC_LOAD("vpor 64(%1), %%ymm0, %%ymm0", 779f)
			     MC_LOAD("vpor 96(%1), %%ymm0, %%ymm0", 779f)
			     MC_LOAD("vpor 128(%1), %%ymm0, %%ymm0", 779f)
			     MC_LOAD("vpor 160(%1), %%ymm0, %%ymm0", 779f)
			     MC_LOAD("vpor 192(%1), %%ymm0, %%ymm0", 779f)
			     MC_LOAD("vpor 224(%1), %%ymm0, %%ymm0", 779f)
			     "vptest %%ymm0, %%ymm0\n\t"
			     "779:"
			     : "=@ccz" (zero) : "r" (p) : "memory");
		if (!zero)
			return false;
	}
	return true;
}

/**
 * merge_page_zero() - is a page all zero?
 * @page: its contents
 *
 * Between merge_read_begin() and merge_read_end().
 *
 * Return: whether it is. Most pages are not, and are found out by their first words.
 */
bool merge_page_zero(const void *page)
{
	return likely(vectors) ? zero_vectors(page) : zero_words(page);
}

static bool equal_words(const u64 *p, const u64 *q)
{
	const u64 *end = p + PAGE_WORDS;

	for (; p < end; p += 8, q += 8)
		if ((p[0] ^ q[0]) | (p[1] ^ q[1]) | (p[2] ^ q[2]) | (p[3] ^ q[3]) |
		    (p[4] ^ q[4]) | (p[5] ^ q[5]) | (p[6] ^ q[6]) | (p[7] ^ q[7]))
			return false;
	return true;
}

/* ymm<reg> gets the difference of 32 bytes. */
#define DIFFER(at, reg)					\
	MC_LOAD("vmovdqu " #at "(%1), %%ymm" #reg, 779f)	\
	MC_LOAD("vpxor " #at "(%2), %%ymm" #reg ", %%ymm" #reg, 779f)

static bool equal_vectors(const u8 *p, const u8 *q)
{
	const u8 *end = p + PAGE_SIZE;
	bool equal;

	for (; p < end; p += 256, q += 256) {
		asm volatile("test %1, %1\n\t"	/* likewise */
			     DIFFER(0, 0) DIFFER(32, 1) DIFFER(64, 2) DIFFER(96, 3)
			     DIFFER(128, 4) DIFFER(160, 5) DIFFER(192, 6) DIFFER(224, 7)
			     "vpor %%ymm1, %%ymm0, %%ymm0\n\t"
			     "vpor %%ymm3, %%ymm2, %%ymm2\n\t"
			     "vpor %%ymm5, %%ymm4, %%ymm4\n\t"
			     "vpor %%ymm7, %%ymm6, %%ymm6\n\t"
			     "vpor %%ymm2, %%ymm0, %%ymm0\n\t"
			     "vpor %%ymm6, %%ymm4, %%ymm4\n\t"
			     "vpor %%ymm4, %%ymm0, %%ymm0\n\t"
			     "vptest %%ymm0, %%ymm0\n\t"
			     "779:"
			     : "=@ccz" (equal) : "r" (p), "r" (q) : "memory");
		if (!equal)
			return false;
	}
	return true;
}

/**
 * merge_pages_equal() - are two pages equal, byte by byte?
 * @a: contents of one
 * @b: contents of the other
 *
 * Between merge_read_begin() and merge_read_end().
 *
 * Return: whether they are.
 */
bool merge_pages_equal(const void *a, const void *b)
{
	return likely(vectors) ? equal_vectors(a, b) : equal_words(a, b);
}
