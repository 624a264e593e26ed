/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who may change what of the index (claim.c); the essay in internal.h, point 8.
 */
#ifndef DITTO_GMEM_CLAIM_H
#define DITTO_GMEM_CLAIM_H

#include <linux/types.h>

struct gmem;
struct gmem_chunk;
struct gmem_dir;
struct gmem_holder;

/* claim.c */
struct gmem_holder *gmem_holder_new(struct gmem *g);
void gmem_holder_put(struct gmem_holder *h);
struct gmem_chunk *gmem_chunk_claim(struct gmem *g, pgoff_t off, gfp_t gfp);
struct gmem_chunk *gmem_chunk_get(struct gmem *g, pgoff_t off);
bool gmem_chunk_enter(struct gmem *g, struct gmem_chunk *c);
void gmem_chunk_leave(struct gmem *g, struct gmem_chunk *c);
void gmem_note_held(struct gmem_chunk *c);
struct gmem_dir *gmem_dir_claim(struct gmem *g, pgoff_t off);
void gmem_chunk_disown(struct gmem *g, struct gmem_chunk *c);
void gmem_chunk_part(struct gmem *g, struct gmem_chunk *c);
int gmem_chunk_leave_held(struct gmem *g, pgoff_t off);
void gmem_index_clear(struct gmem *g);
void gmem_index_free(struct gmem *g);

/* access.c */
void gmem_wait_for_writes(struct gmem *g);

#endif
