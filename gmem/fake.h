/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A fake MMU for KUnit: a binding that "maps" offsets in an array and plays by the
 * fault protocol of gmem.h. An access holds the lock, so that when zap returns no
 * access through an old mapping is under way, as no CPU has it in its TLB.
 */
#ifndef DITTO_GMEM_FAKE_H
#define DITTO_GMEM_FAKE_H

#include <kunit/test.h>
#include <linux/seq_file.h>
#include <linux/spinlock.h>

#include "gmem/claim.h"
#include "gmem/cursor.h"
#include "gmem/domain.h"
#include "gmem/entry.h"
#include "gmem/frame.h"
#include "gmem/hooks.h"
#include "gmem/index.h"
#include "gmem/internal.h"
#include "gmem/later.h"
#include "gmem/merge.h"

#define FAKE_PAGES	2048

/**
 * struct fake - a fake MMU over one binding; index = offset - start of the binding
 * @b: the binding
 * @lock: what mmu_lock is
 * @seq: invalidations so far; under @lock
 * @pfn: what is mapped, 0 if nothing; under @lock; so the next two
 * @writable: whether writable
 * @dirty: written since the last harvest
 */
struct fake {
	struct gmem_binding b;
	spinlock_t lock;
	unsigned long seq;
	unsigned long pfn[FAKE_PAGES];
	bool writable[FAKE_PAGES];
	bool dirty[FAKE_PAGES];
};

static inline void fake_zap(struct gmem_binding *b, pgoff_t start, pgoff_t end)
{
	struct fake *f = container_of(b, struct fake, b);
	pgoff_t i;

	spin_lock(&f->lock);
	f->seq++;
	for (i = start - gmem_binding_start(b); i < end - gmem_binding_start(b); i++)
		f->pfn[i] = f->writable[i] = f->dirty[i] = 0;
	spin_unlock(&f->lock);
}

static inline void fake_wrprotect(struct gmem_binding *b, pgoff_t start, pgoff_t end)
{
	struct fake *f = container_of(b, struct fake, b);
	pgoff_t i;

	spin_lock(&f->lock);
	f->seq++;
	for (i = start - gmem_binding_start(b); i < end - gmem_binding_start(b); i++)
		f->writable[i] = f->dirty[i] = 0;
	spin_unlock(&f->lock);
}

static inline void fake_harvest(struct gmem_binding *b, pgoff_t start, pgoff_t end,
				unsigned long *bitmap)
{
	struct fake *f = container_of(b, struct fake, b);
	pgoff_t off;

	spin_lock(&f->lock);
	for (off = start; off < end; off++) {
		if (f->dirty[off - gmem_binding_start(b)])
			__set_bit(off - start, bitmap);
		f->dirty[off - gmem_binding_start(b)] = false;
	}
	spin_unlock(&f->lock);
}

static inline void fake_check(struct gmem_binding *b, pgoff_t start, pgoff_t end,
			      gmem_check_fn fn, void *ctx)
{
	struct fake *f = container_of(b, struct fake, b);
	pgoff_t off, i;

	for (off = start; off < end; off++) {
		i = off - gmem_binding_start(b);
		if (f->pfn[i])
			fn(ctx, off, f->pfn[i], f->writable[i]);
	}
}

static const struct gmem_binding_ops fake_ops = {
	.zap = fake_zap,
	.wrprotect = fake_wrprotect,
	.harvest = fake_harvest,
	.check = fake_check,
};

static inline struct fake *fake_new(struct kunit *test, struct gmem *g, pgoff_t start,
				    pgoff_t end)
{
	struct fake *f = kvzalloc(sizeof(*f), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, f);
	spin_lock_init(&f->lock);
	KUNIT_ASSERT_EQ(test, gmem_bind(g, &f->b, start, end, &fake_ops), 0);
	return f;
}

static inline void fake_free(struct gmem *g, struct fake *f)
{
	gmem_unbind(g, &f->b);
	kvfree(f);
}

/* Do fn(page, arg) as an access of a guest to offset @off would. */
static inline int fake_access(struct gmem *g, struct fake *f, pgoff_t off, bool write,
			      void (*fn)(void *page, void *arg), void *arg)
{
	pgoff_t i = off - gmem_binding_start(&f->b);
	struct gmem_mapping map;
	unsigned long seq;
	int ret;

	for (;;) {
		spin_lock(&f->lock);
		if (f->pfn[i] && (!write || f->writable[i])) {
			fn(pfn_to_kaddr(f->pfn[i]), arg);
			f->dirty[i] |= write;
			spin_unlock(&f->lock);
			return 0;
		}
		seq = f->seq;
		spin_unlock(&f->lock);

		ret = gmem_fault(g, off, write, &map);
		if (ret)
			return ret;
		spin_lock(&f->lock);
		if (f->seq == seq) {
			f->pfn[i] = map.pfn;
			f->writable[i] = map.writable;
		}
		spin_unlock(&f->lock);
	}
}

static inline void fake_read_fn(void *page, void *arg)
{
	memcpy(arg, page, sizeof(u64));
}

static inline void fake_write_fn(void *page, void *arg)
{
	memset64(page, *(u64 *)arg, PAGE_SIZE / sizeof(u64));
}

/* The first word of a page, through the fake. */
static inline u64 fake_read(struct gmem *g, struct fake *f, pgoff_t off)
{
	u64 value = ~0ULL;

	fake_access(g, f, off, false, fake_read_fn, &value);
	return value;
}

/* Fill a page with a word, through the fake. */
static inline int fake_write(struct gmem *g, struct fake *f, pgoff_t off, u64 value)
{
	return fake_access(g, f, off, true, fake_write_fn, &value);
}

/* Run the checker, its words to the test's log if there is anything wrong. */
/* A page's first word, by the kernel, past all fake MMUs. */
static inline void fake_store(struct kunit *test, struct gmem *g, pgoff_t off, u64 value)
{
	KUNIT_ASSERT_EQ(test, gmem_write(g, off << PAGE_SHIFT, &value, sizeof(value)), 0);
}

static inline u64 fake_load(struct kunit *test, struct gmem *g, pgoff_t off)
{
	u64 value = ~0ULL;

	KUNIT_EXPECT_EQ(test, gmem_read(g, off << PAGE_SHIFT, &value, sizeof(value)), 0);
	return value;
}

static inline int fake_check_all(struct kunit *test)
{
	struct seq_file m = { .size = 8192 };
	int bad;

	m.buf = kunit_kzalloc(test, m.size + 1, GFP_KERNEL);
	bad = gmem_check_all(&m);
	if (bad)
		kunit_info(test, "%s", m.buf);
	return bad;
}

#endif
