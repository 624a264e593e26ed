// SPDX-License-Identifier: GPL-2.0-only
/*
 * SHA-256 (FIPS 180-4), by which images name their parts. The constants are the fractions of
 * the square and cube roots of the first primes, which are computed from those: a table of 72
 * numbers has more places for a slip of the pen than the loop that makes it.
 */
#include "sha256.h"

#include <stdbool.h>
#include <string.h>

#define ROUNDS	64

static uint32_t constants[ROUNDS], start[8];

static uint32_t rotate(uint32_t x, unsigned int by)
{
	return x >> by | x << (32 - by);
}

static bool is_prime(unsigned int n)
{
	for (unsigned int d = 2; d * d <= n; d++)
		if (n % d == 0)
			return false;
	return true;
}

/* The first 32 bits behind the point of the square (2) or cube (3) root of a small number. */
static uint32_t root_fraction(unsigned int n, unsigned int power)
{
	unsigned __int128 low = 0, high = (unsigned __int128)n << 32;

	while (low + 1 < high) {
		unsigned __int128 middle = (low + high) / 2, x = middle * middle;

		/* Of the cube, whose 96 bits behind the point would need more than there are. */
		if (power == 3 ? middle >> 37 || x * middle > (unsigned __int128)n << 96
			       : middle >> 40 || x > (unsigned __int128)n << 64)
			high = middle;
		else
			low = middle;
	}
	return low;
}

static void make_constants(void)
{
	unsigned int n = 2;

	for (int i = 0; i < ROUNDS; n++) {
		if (!is_prime(n))
			continue;
		if (i < 8)
			start[i] = root_fraction(n, 2);
		constants[i++] = root_fraction(n, 3);
	}
}

/**
 * sha256_init() - begin a sum
 * @s: filled in
 */
void sha256_init(struct sha256 *s)
{
	if (!start[0])
		make_constants();
	memcpy(s->h, start, sizeof(s->h));
	s->len = 0;
}

static void spread(uint32_t w[ROUNDS], const uint8_t *block)
{
	for (int i = 0; i < 16; i++)
		w[i] = (uint32_t)block[4 * i] << 24 | block[4 * i + 1] << 16 |
		       block[4 * i + 2] << 8 | block[4 * i + 3];
	for (int i = 16; i < ROUNDS; i++) {
		uint32_t a = w[i - 15], b = w[i - 2];

		w[i] = w[i - 16] + (rotate(a, 7) ^ rotate(a, 18) ^ a >> 3) + w[i - 7] +
		       (rotate(b, 17) ^ rotate(b, 19) ^ b >> 10);
	}
}

static void take_block(struct sha256 *s, const uint8_t *block)
{
	uint32_t w[ROUNDS], v[8];

	spread(w, block);
	memcpy(v, s->h, sizeof(v));
	for (int i = 0; i < ROUNDS; i++) {
		uint32_t a = v[0], e = v[4], one, two;

		one = v[7] + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) +
		      ((e & v[5]) ^ (~e & v[6])) + constants[i] + w[i];
		two = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) +
		      ((a & v[1]) ^ (a & v[2]) ^ (v[1] & v[2]));
		memmove(v + 1, v, 7 * sizeof(*v));
		v[4] += one;
		v[0] = one + two;
	}
	for (int i = 0; i < 8; i++)
		s->h[i] += v[i];
}

/**
 * sha256_add() - go on with a sum
 * @s: begun
 * @data: the next bytes
 * @len: how many
 */
void sha256_add(struct sha256 *s, const void *data, size_t len)
{
	const uint8_t *at = data;
	size_t have = s->len % sizeof(s->block), n;

	for (s->len += len; len; len -= n, at += n) {
		n = sizeof(s->block) - have < len ? sizeof(s->block) - have : len;
		memcpy(s->block + have, at, n);
		have += n;
		if (have < sizeof(s->block))
			continue;
		take_block(s, s->block);
		have = 0;
	}
}

/**
 * sha256_end() - finish a sum
 * @s: begun, and used up
 * @text: gets it, in hexadecimal
 */
void sha256_end(struct sha256 *s, char text[SHA256_TEXT])
{
	static const uint8_t padding[64] = { 0x80 };
	static const char digits[] = "0123456789abcdef";
	uint64_t bits = 8 * s->len;
	uint8_t tail[8];

	for (int i = 0; i < 8; i++)
		tail[i] = bits >> (56 - 8 * i);
	sha256_add(s, padding, 1 + (119 - s->len % 64) % 64);
	sha256_add(s, tail, sizeof(tail));
	for (int i = 0; i < 2 * SHA256_BYTES; i++)
		text[i] = digits[s->h[i / 8] >> (28 - i % 8 * 4) & 15];
	text[2 * SHA256_BYTES] = '\0';
}
