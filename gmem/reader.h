/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Mappings of a gmem in user space, and the files open for reading only that have some of
 * them (reader.c).
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

typedef bool (*gmem_mapping_fn)(struct address_space *mapping, void *arg);
int gmem_reader_open(struct gmem *g, struct file *file);
int gmem_reader_map(struct gmem *g, struct file *file);
void gmem_reader_count(struct gmem *g, struct file *file, int n);
bool gmem_reader_enter(struct file *file);
void gmem_reader_leave(struct file *file);
void gmem_reader_close(struct gmem *g, struct file *file);
bool gmem_any_mapping(struct gmem *g, gmem_mapping_fn fn, void *arg);
void gmem_try_mappings(struct gmem *g, gmem_mapping_fn fn, void *arg);
bool gmem_count_vmas(struct address_space *mapping, unsigned int *nr, unsigned int most);
bool gmem_readers_crowded(struct gmem *g);
void gmem_unmap_writers(struct gmem *g, pgoff_t start, pgoff_t end);
void gmem_unmap_user(struct gmem *g, pgoff_t start, pgoff_t end);
void gmem_unmap_rest(struct gmem *g, pgoff_t start);

#endif
