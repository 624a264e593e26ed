/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef DITTO_UTIL_H
#define DITTO_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define KIB		(1ULL << 10)
#define MIB		(1ULL << 20)
#define GIB		(1ULL << 30)
#define PAGE_BYTES	4096ULL

static inline uint64_t align_up(uint64_t v, uint64_t to)
{
	return (v + to - 1) / to * to;
}

static inline uint64_t align_down(uint64_t v, uint64_t to)
{
	return v / to * to;
}

/**
 * struct strings - some strings, each with its NUL
 * @text, @len: all of them; to be freed
 */
struct strings {
	char *text;
	size_t len;
};

void complain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
bool parse_size(const char *text, uint64_t *bytes);
bool parse_uint(const char *text, unsigned int *value);
char *format_size(uint64_t bytes, char *buf, size_t len);
int read_small_file(const char *path, char *buf, size_t len);
int strings_add(struct strings *s, const char *text);

#endif
