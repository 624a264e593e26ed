/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef DITTO_REPLACE_H
#define DITTO_REPLACE_H

#include <stdio.h>

/**
 * struct replacement - a file that takes another one's place when it is whole
 * @path: of the other one
 * @new: of this one until then
 * @out: where it is written to
 */
struct replacement {
	const char *path;
	char *new;
	FILE *out;
};

int replace_begin(struct replacement *r, const char *path);
int replace_end(struct replacement *r, int failed);

#endif
