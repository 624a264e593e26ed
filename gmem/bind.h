/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Bindings as gmem's own files use them (bind.c): to call all that cover a range.
 */
#ifndef DITTO_GMEM_BIND_H
#define DITTO_GMEM_BIND_H

#include <linux/types.h>

#include "gmem/gmem.h"

/*
 * Bindings of one range, or mappings of one gmem in user space, that the merge engine
 * goes through at most.
 */
#define GMEM_CROWD	64

bool gmem_crowded(struct gmem *g, pgoff_t start, pgoff_t end);
void gmem_zap(struct gmem *g, pgoff_t off, struct page *page);
void gmem_zap_bindings(struct gmem *g, pgoff_t start, pgoff_t end);
void gmem_zap_some(struct gmem *g, pgoff_t base, const unsigned long *set);
void gmem_survey_bindings(struct gmem *g, pgoff_t start, pgoff_t end, unsigned long *chunks);
void gmem_wrprotect_bindings(struct gmem *g, pgoff_t start, pgoff_t end);
void gmem_wrprotect_all(struct gmem *g);
void gmem_harvest_bindings(struct gmem *g, pgoff_t start, pgoff_t end, unsigned long *bitmap);
void gmem_revoke_bindings(struct gmem *g, pgoff_t start, pgoff_t end);
void gmem_check_bindings(struct gmem *g, gmem_check_fn fn, void *ctx);

#endif
