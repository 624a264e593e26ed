/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef DITTO_SHA256_H
#define DITTO_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define SHA256_BYTES	32
#define SHA256_TEXT	(2 * SHA256_BYTES + 1)

/**
 * struct sha256 - a sum that is being made
 * @h: so far
 * @len: bytes so far
 * @block: those of them that do not make up a block
 */
struct sha256 {
	uint32_t h[8];
	uint64_t len;
	uint8_t block[64];
};

void sha256_init(struct sha256 *s);
void sha256_add(struct sha256 *s, const void *data, size_t len);
void sha256_end(struct sha256 *s, char text[SHA256_TEXT]);

#endif
