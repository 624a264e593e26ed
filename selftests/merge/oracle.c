// SPDX-License-Identifier: GPL-2.0-only
/*
 * oracle FILE...: how far merging whole pages could get with what is in these files.
 * Prints "pages N zero Z distinct D": pages that are not holes, how many of them are all zero,
 * and how many different ones there are among the others. If a file changes meanwhile, the
 * figures mean nothing.
 *
 * Pages are found by a hash and compared byte by byte.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PAGE	4096
#define WORDS	(PAGE / 8)

/**
 * struct seen - a page that is like none before
 * @hash: of its words
 * @at: where it is; @fd 0: nothing is here
 */
struct seen {
	uint64_t hash;
	off_t at;
	int fd;
};

static struct seen *table;
static size_t table_size, distinct, zero, pages;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void read_page(int fd, off_t at, uint64_t *page)
{
	memset(page, 0, PAGE);
	if (pread(fd, page, PAGE, at) < 0)
		die("read");
}

static uint64_t hash_of(const uint64_t *page, bool *is_zero)
{
	uint64_t hash = 0x9e3779b97f4a7c15, any = 0;
	int i;

	for (i = 0; i < WORDS; i++) {
		any |= page[i];
		hash = (hash ^ page[i]) * 0xff51afd7ed558ccd;
		hash ^= hash >> 32;
	}
	*is_zero = !any;
	return hash;
}

static void table_add(struct seen new)
{
	size_t i = new.hash % table_size;

	while (table[i].fd)
		i = (i + 1) % table_size;
	table[i] = new;
}

static void table_grow(void)
{
	struct seen *old = table;
	size_t i, n = table_size;

	table_size = n ? 2 * n : 1 << 16;
	table = calloc(table_size, sizeof(*table));
	if (!table)
		die("calloc");
	for (i = 0; i < n; i++)
		if (old[i].fd)
			table_add(old[i]);
	free(old);
}

static bool is_known(const uint64_t *page, uint64_t hash)
{
	uint64_t other[WORDS];
	size_t i;

	for (i = hash % table_size; table[i].fd; i = (i + 1) % table_size) {
		if (table[i].hash != hash)
			continue;
		read_page(table[i].fd, table[i].at, other);
		if (!memcmp(page, other, PAGE))
			return true;
	}
	return false;
}

static void count_page(int fd, off_t at)
{
	uint64_t page[WORDS], hash;
	bool is_zero;

	read_page(fd, at, page);
	hash = hash_of(page, &is_zero);
	pages++;
	zero += is_zero;
	if (is_zero || is_known(page, hash))
		return;
	if (2 * ++distinct > table_size)
		table_grow();
	table_add((struct seen) { hash, at, fd });
}

static void count_file(const char *name)
{
	int fd = open(name, O_RDONLY);
	off_t at = 0, end;

	if (fd < 0)
		die(name);
	while ((at = lseek(fd, at, SEEK_DATA)) >= 0) {
		end = lseek(fd, at, SEEK_HOLE);
		if (end < 0)
			die(name);
		for (at -= at % PAGE; at < end; at += PAGE)
			count_page(fd, at);
	}
	if (errno != ENXIO)
		die(name);
}

int main(int argc, char **argv)
{
	int i;

	if (argc < 2) {
		fprintf(stderr, "usage: %s FILE...\n", argv[0]);
		return 2;
	}
	table_grow();
	for (i = 1; i < argc; i++)
		count_file(argv[i]);
	printf("pages %zu zero %zu distinct %zu\n", pages, zero, distinct);
	return 0;
}
