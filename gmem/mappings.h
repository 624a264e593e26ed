/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * All mappings of a gmem in user space (reader.c).
 */
#ifndef DITTO_GMEM_MAPPINGS_H
#define DITTO_GMEM_MAPPINGS_H

#include <linux/fs.h>
#include <linux/types.h>

struct gmem;

typedef bool (*gmem_mapping_fn)(struct address_space *mapping, void *arg);
bool gmem_any_mapping(struct gmem *g, gmem_mapping_fn fn, void *arg);
void gmem_try_mappings(struct gmem *g, gmem_mapping_fn fn, void *arg);
bool gmem_count_vmas(struct address_space *mapping, unsigned int *nr, unsigned int most);
bool gmem_readers_crowded(struct gmem *g);
void gmem_unmap_writers(struct gmem *g, pgoff_t start, pgoff_t end);
void gmem_unmap_user(struct gmem *g, pgoff_t start, pgoff_t end);
void gmem_unmap_rest(struct gmem *g, pgoff_t start);

#endif
