/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef DITTO_CPIO_H
#define DITTO_CPIO_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/**
 * struct cpio_entry - a file of an archive
 * @name: its path, without "/" before it
 * @mode, @uid, @gid, @mtime: as usual
 * @number: by which files with more than one of @names are told apart
 * @names: how many it has in this archive
 * @data, @len: its contents, or where a symbolic link leads; the first of its names has them
 */
struct cpio_entry {
	const char *name;
	uint32_t mode, uid, gid, number, names;
	uint64_t mtime;
	const void *data;
	size_t len;
};

void cpio_put(FILE *f, const struct cpio_entry *e);
void cpio_end(FILE *f);

#endif
