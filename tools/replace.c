// SPDX-License-Identifier: GPL-2.0-only
/*
 * Files that others read while they are written anew: they see the old one or the new one, never
 * a part.
 */
#include "replace.h"
#include "util.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/**
 * replace_begin() - begin to write one
 * @r: filled in
 * @path: of the file; kept
 *
 * Return: 0, or -1 after saying why not on standard error.
 */
int replace_begin(struct replacement *r, const char *path)
{
	struct stat st;

	*r = (struct replacement){ .path = path };
	if (!stat(path, &st) && !S_ISREG(st.st_mode)) {
		complain("%s: is no file, and is not replaced", path);
		return -1;
	}
	if (asprintf(&r->new, "%s.%d", path, getpid()) < 0)
		return -1;
	r->out = fopen(r->new, "wxe");
	if (r->out)
		return 0;
	complain("%s: %s", r->new, strerror(errno));
	free(r->new);
	return -1;
}

/**
 * replace_end() - it is written
 * @r: begun
 * @failed: not 0: it is not what it should be, and goes
 *
 * Return: 0; or not 0: @failed, or after saying why not on standard error.
 */
int replace_end(struct replacement *r, int failed)
{
	int err = ferror(r->out) ? EIO : 0;

	if (fclose(r->out))
		err = errno;
	if (!failed && !err && rename(r->new, r->path))
		err = errno;
	if (err)
		complain("%s: %s", r->path, strerror(err));
	if (failed || err)
		unlink(r->new);
	free(r->new);
	return failed || err;
}
