/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What KUnit tests of the merge engine share: guests, and passes over what they wrote, without
 * the engine's thread: scan and merge are called by the test, so every result is exact. The fake
 * MMU of gmem is the only thing that maps.
 */
#ifndef DITTO_KSM_KUNIT_H
#define DITTO_KSM_KUNIT_H

#include "gmem/fake.h"
#include "ksm/internal.h"

struct guest {
	struct gmem *g;
	struct fake *f;
};

static inline struct guest guest_make(struct kunit *test, u64 pages)
{
	struct guest s = { .g = gmem_create_obj(pages << PAGE_SHIFT, 0) };

	KUNIT_ASSERT_FALSE(test, IS_ERR(s.g));
	s.f = fake_new(test, s.g, 0, pages);
	return s;
}

static inline void guest_free(struct guest *s)
{
	fake_free(s->g, s->f);
	gmem_put(s->g);
}

static inline int guest_put(struct guest *s, pgoff_t off, u64 value)
{
	return fake_write(s->g, s->f, off, value);
}

static inline u64 guest_get(struct guest *s, pgoff_t off)
{
	return fake_read(s->g, s->f, off);
}

/* Its user has merge_knobs.lock for write. */
static struct merge_step step __maybe_unused;

static inline void pass_chunk(struct merge_step *s, struct gmem *g, pgoff_t off,
			      unsigned int *count)
{
	DECLARE_BITMAP(ripe, GMEM_CHUNK_PAGES) = { 0 };
	struct gmem_cursor cur;
	unsigned int i, nr = 0;
	unsigned long waits = 0;

	if (!gmem_scan_enter(&cur, g, off))
		return;
	gmem_scan_chunk(&cur, ripe, &waits);
	while (merge_step(s, &cur, ripe, &nr, MERGE_STEP))
		for (i = 0; i < s->n; i++)
			count[s->item[i].result]++;
	gmem_cursor_leave(&cur);
}

/* One pass over one gmem. Counts results. */
static inline void pass(struct merge_step *s, struct gmem *g, unsigned int *count)
{
	DECLARE_BITMAP(chunks, GMEM_DIR_CHUNKS);
	unsigned int nr;
	pgoff_t off;

	for (off = gmem_scan_seek(g, 0); off < gmem_npages(g);
	     off = gmem_scan_seek(g, off + (1UL << GMEM_ROOT_SHIFT))) {
		bitmap_zero(chunks, GMEM_DIR_CHUNKS);
		gmem_scan_survey(g, off, chunks);
		for_each_set_bit(nr, chunks, GMEM_DIR_CHUNKS)
			pass_chunk(s, g, off + nr * GMEM_CHUNK_PAGES, count);
	}
}

/* @n passes over all. Returns how often a page met @what. */
static inline unsigned int passes(unsigned int n, enum merge_result what)
{
	unsigned int count[MERGE_BUSY + 1] = { 0 };
	struct gmem *g;

	down_write(&merge_knobs.lock);
	merge_index_init();	/* the thread releases it while there is no gmem */
	while (n--)
		for (g = gmem_next(NULL, true); g; g = gmem_next(g, true))
			pass(&step, g, count);
	up_write(&merge_knobs.lock);
	return count[what];
}

static inline long nr_shared(struct gmem *g)
{
	return atomic_long_read(&g->nr_shared);
}

static inline long nr_private(struct gmem *g)
{
	return atomic_long_read(&g->nr_private);
}

static inline u32 one_digest(const void *page, const hsiphash_key_t *key)
{
	return 12345;
}

static inline int merge_suite_init(struct kunit *test)
{
	int err;

	down_write(&merge_knobs.lock);
	err = merge_index_init();
	up_write(&merge_knobs.lock);
	return err;
}

#endif
