// SPDX-License-Identifier: GPL-2.0-only
/*
 * Archives that Linux unpacks into its first root: the "newc" format of cpio, in which each
 * file has a head in hexadecimal, its name and its contents, each padded to 4 bytes.
 */
#include "cpio.h"

#include <string.h>

#define HEAD	110
#define ALIGN	512	/* archives that follow each other begin at 4; tools like 512 */

/**
 * cpio_put() - one file
 * @f: the archive
 * @e: the file, smaller than 4 GiB
 */
void cpio_put(FILE *f, const struct cpio_entry *e)
{
	static const char zeroes[4];
	size_t name_len = strlen(e->name) + 1;

	fprintf(f, "070701%08x%08x%08x%08x%08x%08x%08zx%08x%08x%08x%08x%08zx%08x", e->number,
		e->mode, e->uid, e->gid, e->names ?: 1, (uint32_t)e->mtime, e->len, 0, 0, 0, 0,
		name_len, 0);
	fwrite(e->name, 1, name_len, f);
	fwrite(zeroes, 1, -(HEAD + name_len) & 3, f);
	if (e->len)
		fwrite(e->data, 1, e->len, f);
	fwrite(zeroes, 1, -e->len & 3, f);
}

/**
 * cpio_end() - what ends an archive
 * @f: the archive; another one can follow
 */
void cpio_end(FILE *f)
{
	cpio_put(f, &(struct cpio_entry){ .name = "TRAILER!!!" });
	while (ftell(f) % ALIGN > 0)
		fputc(0, f);
}
