/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Files open for reading only that have mappings of a gmem (reader.c).
 */
#ifndef DITTO_GMEM_READER_H
#define DITTO_GMEM_READER_H

#include <linux/fs.h>
#include <linux/types.h>

struct gmem;

/*
 * Mappings of files that are open for reading only that the merge engine goes through at most
 * (GMEM_CROWD: other mappings).
 */
#define GMEM_CROWD_READERS	1024

/* How many of these mappings, and how many such files, one user may have. */
#define GMEM_CROWD_READER	(GMEM_CROWD_READERS / 2)

int gmem_reader_open(struct gmem *g, struct file *file);
int gmem_reader_map(struct gmem *g, struct file *file);
void gmem_reader_count(struct gmem *g, struct file *file, int n);
bool gmem_reader_enter(struct file *file);
void gmem_reader_leave(struct file *file);
void gmem_reader_close(struct gmem *g, struct file *file);

#endif
