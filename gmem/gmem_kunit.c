// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of gmem: faults, the kernel's accesses, punching, bindings, scanning and
 * freezing, each against exact results, with a fake MMU (fake.h). Merging has its own.
 */
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/user_namespace.h>
#include <ditto.h>

#include "gmem/bind.h"
#include "gmem/claim.h"
#include "gmem/cursor.h"
#include "gmem/domain.h"
#include "gmem/entry.h"
#include "gmem/fake.h"
#include "gmem/index.h"
#include "gmem/later.h"
#include "gmem/tenant.h"
#include "gmem/weight.h"

static struct gmem *make(struct kunit *test, u64 pages)
{
	struct gmem *g = gmem_create_obj(pages << PAGE_SHIFT, 0);

	KUNIT_ASSERT_FALSE(test, IS_ERR(g));
	return g;
}

static long nr_private(struct gmem *g)
{
	return atomic_long_read(&g->nr_private);
}

static void create_args(struct kunit *test)
{
	struct gmem *g;

	KUNIT_EXPECT_EQ(test, PTR_ERR(gmem_create_obj(0, 0)), -EINVAL);
	KUNIT_EXPECT_EQ(test, PTR_ERR(gmem_create_obj(PAGE_SIZE - 1, 0)), -EINVAL);
	KUNIT_EXPECT_EQ(test, PTR_ERR(gmem_create_obj(GMEM_MAX_SIZE + PAGE_SIZE, 0)), -EINVAL);
	KUNIT_EXPECT_EQ(test, PTR_ERR(gmem_create_obj(PAGE_SIZE, 1U << 31)), -EINVAL);
	KUNIT_EXPECT_EQ(test, PTR_ERR(gmem_get_fd(-1)), -EBADF);
	g = gmem_create_obj(GMEM_MAX_SIZE, 0);
	KUNIT_ASSERT_FALSE(test, IS_ERR(g));
	KUNIT_EXPECT_EQ(test, gmem_size(g), GMEM_MAX_SIZE);
	KUNIT_EXPECT_EQ(test, gmem_write(g, GMEM_MAX_SIZE - 1, "x", 1), 0);
	KUNIT_EXPECT_EQ(test, nr_private(g), 1);
	gmem_put(g);
}

static void fault_zero_then_write(struct kunit *test)
{
	struct gmem *g = make(test, 1024);
	struct fake *f = fake_new(test, g, 0, 1024);
	struct gmem_mapping map, own;

	KUNIT_EXPECT_EQ(test, gmem_fault(g, 1024, false, &map), -EFAULT);
	KUNIT_EXPECT_EQ(test, gmem_fault(g, 7, false, &map), 0);
	KUNIT_EXPECT_EQ(test, map.pfn, page_to_pfn(g->zero));
	KUNIT_EXPECT_FALSE(test, map.writable);
	KUNIT_EXPECT_EQ(test, nr_private(g), 0);

	KUNIT_EXPECT_EQ(test, fake_read(g, f, 7), 0);
	KUNIT_EXPECT_EQ(test, gmem_fault(g, 7, true, &own), 0);
	KUNIT_EXPECT_TRUE(test, own.writable);
	KUNIT_EXPECT_NE(test, own.pfn, map.pfn);
	KUNIT_EXPECT_EQ(test, f->pfn[7], 0);		/* the zero page was zapped */
	KUNIT_EXPECT_EQ(test, f->seq, 1);
	KUNIT_EXPECT_EQ(test, fake_write(g, f, 7, 42), 0);
	KUNIT_EXPECT_EQ(test, f->pfn[7], own.pfn);
	KUNIT_EXPECT_EQ(test, fake_read(g, f, 7), 42);

	/* First touch by a write: nothing to zap. */
	KUNIT_EXPECT_EQ(test, fake_write(g, f, 8, 43), 0);
	KUNIT_EXPECT_EQ(test, f->seq, 1);
	KUNIT_EXPECT_EQ(test, nr_private(g), 2);
	/* A read of a private page may be mapped writable. */
	KUNIT_EXPECT_EQ(test, gmem_fault(g, 8, false, &map), 0);
	KUNIT_EXPECT_TRUE(test, map.writable);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	fake_free(g, f);
	gmem_put(g);
}

static int fault_run(struct gmem *g, pgoff_t off, bool write, struct gmem_mapping *map)
{
	memset(map, 0, GMEM_FAULT_MAX * sizeof(*map));
	return gmem_fault_run(g, off, write, map, GMEM_FAULT_MAX);
}

static void fault_runs(struct kunit *test)
{
	struct gmem_mapping *map = kunit_kcalloc(test, GMEM_FAULT_MAX, sizeof(*map), GFP_KERNEL);
	struct gmem *g = make(test, 1024);
	struct fake *f = fake_new(test, g, 0, 1024);
	struct gmem_mapping one;
	int i;

	KUNIT_ASSERT_NOT_NULL(test, map);
	KUNIT_EXPECT_EQ(test, fault_run(g, 1024, true, map), -EFAULT);
	/* A read makes nothing. */
	KUNIT_EXPECT_EQ(test, fault_run(g, 200, false, map), 1);
	KUNIT_EXPECT_EQ(test, map[0].pfn, page_to_pfn(g->zero));
	KUNIT_EXPECT_EQ(test, nr_private(g), 0);

	/* A write makes a power of two of pages, all different, zero, and ours. */
	KUNIT_EXPECT_EQ(test, gmem_fault_run(g, 3, true, map, 11), 8);
	KUNIT_EXPECT_EQ(test, nr_private(g), 8);
	for (i = 0; i < 8; i++) {
		KUNIT_EXPECT_TRUE(test, map[i].writable);
		KUNIT_EXPECT_EQ(test, gmem_fault(g, 3 + i, false, &one), 0);
		KUNIT_EXPECT_EQ(test, one.pfn, map[i].pfn);
		KUNIT_EXPECT_EQ(test, page_count(pfn_to_page(map[i].pfn)), 1);
		KUNIT_EXPECT_EQ(test, fake_read(g, f, 3 + i), 0);
	}
	/* Both find what is there, up to the first hole. */
	KUNIT_EXPECT_EQ(test, fault_run(g, 4, false, map), 7);
	KUNIT_EXPECT_EQ(test, fault_run(g, 5, true, map), 6);
	KUNIT_EXPECT_EQ(test, nr_private(g), 8);

	/* Where somebody maps the zero page, nothing comes along. */
	KUNIT_EXPECT_EQ(test, fault_run(g, 199, true, map), 1);
	KUNIT_EXPECT_EQ(test, fault_run(g, 196, true, map), 2);
	KUNIT_EXPECT_EQ(test, nr_private(g), 11);

	/* It ends with the chunk, and with the gmem. */
	KUNIT_EXPECT_EQ(test, fault_run(g, 510, true, map), 2);
	KUNIT_EXPECT_EQ(test, fault_run(g, 1023, true, map), 1);
	KUNIT_EXPECT_EQ(test, nr_private(g), 14);

	KUNIT_EXPECT_EQ(test, gmem_punch(g, 0, 1024), 0);
	KUNIT_EXPECT_EQ(test, nr_private(g), 0);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	fake_free(g, f);
	gmem_put(g);
}

/* What merging found zero does not come back before it is written. */
static void fault_run_zeroed(struct kunit *test)
{
	struct gmem_mapping *map = kunit_kcalloc(test, GMEM_FAULT_MAX, sizeof(*map), GFP_KERNEL);
	struct gmem *g = make(test, 1024);
	struct gmem_cursor cur = { .g = g, .nr = 300, .policy = gmem_policy(g),
				   .domain = g->domain };
	struct gmem_mapping one;

	KUNIT_ASSERT_NOT_NULL(test, map);
	KUNIT_EXPECT_EQ(test, gmem_write(g, 300 * PAGE_SIZE, "", 1), 0);
	cur.c = gmem_chunk_find(g, 300);
	mutex_lock(&cur.c->lock);
	KUNIT_EXPECT_EQ(test, gmem_fault(g, 300, false, &one), 0);
	KUNIT_EXPECT_EQ(test, gmem_freeze(&cur, pfn_to_page(one.pfn), false), 0);
	gmem_replace_zero(&cur);
	mutex_unlock(&cur.c->lock);
	gmem_chunk_put(cur.c);
	KUNIT_EXPECT_EQ(test, fault_run(g, 298, true, map), 2);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&g->nr_zeroed), 1);
	KUNIT_EXPECT_EQ(test, nr_private(g), 2);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	gmem_put(g);
}

static void read_write(struct kunit *test)
{
	struct gmem *g = make(test, 600);
	u64 size = gmem_size(g);
	size_t len = 5000;
	char *in = kunit_kzalloc(test, len, GFP_KERNEL);
	char *out = kunit_kzalloc(test, len, GFP_KERNEL);
	int i;

	KUNIT_ASSERT_NOT_NULL(test, in);
	KUNIT_ASSERT_NOT_NULL(test, out);
	memset(out, 1, len);
	KUNIT_EXPECT_EQ(test, gmem_read(g, 100, out, len), 0);
	KUNIT_EXPECT_NULL(test, memchr_inv(out, 0, len));
	KUNIT_EXPECT_EQ(test, nr_private(g), 0);
	for (i = 0; i < len; i++)
		in[i] = i * 7;
	KUNIT_EXPECT_EQ(test, gmem_write(g, 511 * PAGE_SIZE + 3000, in, len), 0);
	KUNIT_EXPECT_EQ(test, nr_private(g), 2);
	KUNIT_EXPECT_EQ(test, gmem_read(g, 511 * PAGE_SIZE + 3000, out, len), 0);
	KUNIT_EXPECT_EQ(test, memcmp(in, out, len), 0);

	KUNIT_EXPECT_EQ(test, gmem_write(g, size - 1, in, 2), -EFAULT);
	KUNIT_EXPECT_EQ(test, gmem_write(g, size, in, 1), -EFAULT);
	KUNIT_EXPECT_EQ(test, gmem_write(g, -1ULL, in, 2), -EFAULT);
	KUNIT_EXPECT_EQ(test, gmem_read(g, size - 1, out, 2), -EFAULT);
	KUNIT_EXPECT_EQ(test, gmem_read(g, -8ULL, out, 16), -EFAULT);
	KUNIT_EXPECT_EQ(test, gmem_read(g, size, out, 0), 0);
	KUNIT_EXPECT_EQ(test, nr_private(g), 2);
	gmem_put(g);
}

static void compare_exchange(struct kunit *test)
{
	struct gmem *g = make(test, 2);
	u64 old = 0, value;
	unsigned int size;
	bool swapped;

	for (size = 1; size <= 8; size *= 2) {
		old = 0;
		KUNIT_EXPECT_EQ(test, gmem_cmpxchg(g, 64 * size, size, &old, 0x80 + size,
						   &swapped), 0);
		KUNIT_EXPECT_TRUE(test, swapped);
		old = 1;
		KUNIT_EXPECT_EQ(test, gmem_cmpxchg(g, 64 * size, size, &old, 5, &swapped), 0);
		KUNIT_EXPECT_FALSE(test, swapped);
		KUNIT_EXPECT_EQ(test, old, 0x80 + size);
		KUNIT_EXPECT_EQ(test, gmem_read(g, 64 * size, &value, 8), 0);
		KUNIT_EXPECT_EQ(test, value, 0x80 + size);
	}
	KUNIT_EXPECT_EQ(test, gmem_cmpxchg(g, 4, 8, &old, 0, &swapped), -EINVAL);
	KUNIT_EXPECT_EQ(test, gmem_cmpxchg(g, 0, 3, &old, 0, &swapped), -EINVAL);
	KUNIT_EXPECT_EQ(test, gmem_cmpxchg(g, 0, 16, &old, 0, &swapped), -EINVAL);
	KUNIT_EXPECT_EQ(test, gmem_cmpxchg(g, 2 * PAGE_SIZE, 8, &old, 0, &swapped), -EFAULT);
	gmem_put(g);
}

static void punch(struct kunit *test)
{
	struct gmem *g = make(test, 1300);
	struct fake *f = fake_new(test, g, 0, 1300);
	pgoff_t i;

	for (i = 0; i < 1300; i++)
		KUNIT_ASSERT_EQ(test, fake_write(g, f, i, i + 1), 0);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&g->nr_chunks), 3);
	KUNIT_EXPECT_EQ(test, gmem_punch(g, 1, 1301), -EINVAL);
	KUNIT_EXPECT_EQ(test, gmem_punch(g, 2, 1), -EINVAL);
	KUNIT_EXPECT_EQ(test, gmem_punch(g, 500, 1100), 0);
	KUNIT_EXPECT_EQ(test, nr_private(g), 700);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&g->nr_chunks), 2);
	KUNIT_EXPECT_EQ(test, f->pfn[500] | f->pfn[800] | f->pfn[1099], 0);
	KUNIT_EXPECT_NE(test, f->pfn[499], 0);
	KUNIT_EXPECT_NE(test, f->pfn[1100], 0);
	for (i = 0; i < 1300; i++)
		KUNIT_EXPECT_EQ(test, fake_read(g, f, i), i < 500 || i >= 1100 ? i + 1 : 0);
	/* The last chunk is shorter than a chunk, and goes too. */
	KUNIT_EXPECT_EQ(test, gmem_punch(g, 1024, 1300), 0);
	KUNIT_EXPECT_EQ(test, gmem_punch(g, 512, 1024), 0);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&g->nr_chunks), 1);
	KUNIT_EXPECT_EQ(test, fake_write(g, f, 1299, 3), 0);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	fake_free(g, f);
	gmem_put(g);
}

static void bindings(struct kunit *test)
{
	struct gmem *g = make(test, 1024);
	struct fake *a = fake_new(test, g, 100, 300), *b = fake_new(test, g, 200, 600);
	DECLARE_BITMAP(dirty, GMEM_CHUNK_PAGES) = { 0 };

	KUNIT_EXPECT_EQ(test, gmem_bind(g, &a->b, 5, 5, &fake_ops), -EINVAL);
	KUNIT_EXPECT_EQ(test, gmem_bind(g, &a->b, 5, 1025, &fake_ops), -EINVAL);
	KUNIT_EXPECT_EQ(test, fake_write(g, a, 250, 9), 0);
	KUNIT_EXPECT_EQ(test, fake_read(g, b, 250), 9);
	KUNIT_EXPECT_EQ(test, a->pfn[150], b->pfn[50]);

	gmem_harvest_bindings(g, 0, 512, dirty);
	KUNIT_EXPECT_EQ(test, find_first_bit(dirty, 512), 250);
	KUNIT_EXPECT_EQ(test, bitmap_weight(dirty, 512), 1);
	bitmap_zero(dirty, 512);
	gmem_harvest_bindings(g, 0, 512, dirty);
	KUNIT_EXPECT_TRUE(test, bitmap_empty(dirty, 512));

	KUNIT_EXPECT_EQ(test, gmem_punch(g, 250, 251), 0);
	KUNIT_EXPECT_EQ(test, a->pfn[150] | b->pfn[50], 0);
	KUNIT_EXPECT_EQ(test, a->seq, 1);
	KUNIT_EXPECT_EQ(test, gmem_punch(g, 0, 100), 0);
	KUNIT_EXPECT_EQ(test, gmem_punch(g, 300, 301), 0);
	KUNIT_EXPECT_EQ(test, a->seq, 1);		/* outside of its range */
	fake_free(g, a);
	fake_free(g, b);
	gmem_put(g);
}

static void pins(struct kunit *test)
{
	struct gmem *g = make(test, 16);
	u64 *va, value;

	KUNIT_EXPECT_EQ(test, PTR_ERR(gmem_pin_page(g, 16, true)), -EFAULT);
	va = gmem_pin_page(g, 3, true);
	KUNIT_ASSERT_FALSE(test, IS_ERR(va));
	va[5] = 77;
	KUNIT_EXPECT_EQ(test, gmem_read(g, 3 * PAGE_SIZE + 40, &value, 8), 0);
	KUNIT_EXPECT_EQ(test, value, 77);
	KUNIT_EXPECT_EQ(test, gmem_punch(g, 3, 4), 0);
	KUNIT_EXPECT_EQ(test, va[5], 77);		/* an orphan, but ours */
	gmem_unpin_page(g, 3, va, true);
	va = gmem_pin_page(g, 3, false);
	KUNIT_EXPECT_PTR_EQ(test, (struct page *)virt_to_page(va), g->zero);
	gmem_unpin_page(g, 3, va, false);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	gmem_put(g);
}

static unsigned int scan(struct gmem *g, unsigned long *ripe)
{
	struct gmem_chunk *c = gmem_chunk_find(g, 0);
	struct gmem_cursor cur = { .g = g, .c = c, .lock = &c->lock, .fork_lock = &g->fork_lock };
	unsigned int n;

	bitmap_zero(ripe, GMEM_CHUNK_PAGES);
	n = gmem_scan_chunk(&cur, ripe, &(unsigned long){ 0 });
	gmem_chunk_put(c);
	return n;
}

static void scanning(struct kunit *test)
{
	struct gmem *g = make(test, 512);
	struct fake *f = fake_new(test, g, 0, 512);
	DECLARE_BITMAP(ripe, GMEM_CHUNK_PAGES);
	struct gmem_cursor cur = { .g = g, .nr = 5, .policy = gmem_policy(g),
				   .domain = g->domain };

	KUNIT_EXPECT_EQ(test, fake_write(g, f, 5, 1), 0);
	KUNIT_EXPECT_EQ(test, fake_write(g, f, 6, 1), 0);
	KUNIT_EXPECT_EQ(test, scan(g, ripe), 0);	/* fresh is not calm */
	KUNIT_EXPECT_EQ(test, fake_write(g, f, 6, 2), 0);
	KUNIT_EXPECT_EQ(test, scan(g, ripe), 1);
	KUNIT_EXPECT_TRUE(test, test_bit(5, ripe));
	KUNIT_EXPECT_EQ(test, scan(g, ripe), 2);	/* until it is examined */

	cur.c = gmem_chunk_find(g, 0);
	mutex_lock(&cur.c->lock);
	KUNIT_EXPECT_EQ(test, gmem_examined(&cur, pfn_to_page(f->pfn[5])), 0);
	KUNIT_EXPECT_EQ(test, gmem_examined(&cur, pfn_to_page(f->pfn[6])), -EAGAIN);
	mutex_unlock(&cur.c->lock);
	KUNIT_EXPECT_EQ(test, scan(g, ripe), 1);
	KUNIT_EXPECT_TRUE(test, test_bit(6, ripe));

	/* A write of the kernel, and one reported by the binder, are seen. */
	KUNIT_EXPECT_EQ(test, gmem_write(g, 5 * PAGE_SIZE, "x", 1), 0);
	KUNIT_EXPECT_EQ(test, scan(g, ripe), 1);
	KUNIT_EXPECT_EQ(test, scan(g, ripe), 2);
	gmem_mark_dirty(g, 5);
	gmem_mark_dirty(g, 100);
	KUNIT_EXPECT_EQ(test, scan(g, ripe), 1);
	gmem_chunk_put(cur.c);
	fake_free(g, f);
	gmem_put(g);
}

/* User space may write the page, and somebody holds it: both have to stay known. */
/* Who looks at what is frozen would not hear of what becomes of it: the zap is over. */
static bool may_peek(struct gmem *g, pgoff_t off)
{
	const void *at;

	rcu_read_lock();
	at = gmem_peek(g, off);
	rcu_read_unlock();
	return at;
}

static void freezing_written(struct kunit *test)
{
	struct gmem *g = make(test, 512);
	struct gmem_cursor cur = { .g = g, .nr = 5, .policy = gmem_policy(g),
				   .domain = g->domain };
	struct page *page;
	unsigned long v;
	void *pin;

	pin = gmem_pin_page(g, 5, true);
	KUNIT_ASSERT_FALSE(test, IS_ERR(pin));
	page = virt_to_page(pin);
	cur.c = gmem_chunk_find(g, 5);
	v = gmem_cursor_entry(&cur);
	KUNIT_ASSERT_TRUE(test, gmem_entry_set(&cur.c->entry[5], v, GMEM_UWRITE));
	mutex_lock(&cur.c->lock);
	KUNIT_EXPECT_EQ(test, gmem_freeze(&cur, page, false), -EBUSY);
	v = gmem_cursor_entry(&cur);
	KUNIT_EXPECT_EQ(test, v & GMEM_SOFT, GMEM_UWRITE | GMEM_DIRTY | GMEM_WAIT(GMEM_WAIT_BUSY));
	gmem_unpin_page(g, 5, pin, false);
	KUNIT_EXPECT_EQ(test, gmem_freeze(&cur, page, false), 0);
	KUNIT_EXPECT_FALSE(test, may_peek(g, 5));
	gmem_thaw(&cur, 0);
	KUNIT_EXPECT_TRUE(test, may_peek(g, 5));
	KUNIT_EXPECT_EQ(test, gmem_cursor_entry(&cur) & GMEM_SOFT, 0);
	mutex_unlock(&cur.c->lock);
	gmem_chunk_put(cur.c);
	gmem_put(g);
}

/* A binding that, told to forget a page, takes a reference to it instead, late. */
static void holding_zap(struct gmem_binding *b, pgoff_t start, pgoff_t end)
{
	struct fake *f = container_of(b, struct fake, b);

	if (f->pfn[start])
		get_page(pfn_to_page(f->pfn[start]));
	fake_zap(b, start, end);
}

static void holding_wrprotect(struct gmem_binding *b, pgoff_t start, pgoff_t end)
{
	struct fake *f = container_of(b, struct fake, b);

	if (f->writable[start])
		get_page(pfn_to_page(f->pfn[start]));
	fake_wrprotect(b, start, end);
}

static const struct gmem_binding_ops holding_ops = {
	.zap = holding_zap,
	.wrprotect = holding_wrprotect,
	.harvest = fake_harvest,
};

/* References that come while mappings are taken away count like those before. */
static void freezing_late(struct kunit *test)
{
	struct gmem *g = make(test, 512);
	struct fake *f = fake_new(test, g, 0, 512);
	struct gmem_cursor cur = { .g = g, .nr = 5, .policy = gmem_policy(g),
				   .domain = g->domain };
	struct page *page;
	int keep;

	f->b.ops = &holding_ops;
	cur.c = gmem_chunk_get(g, 5);
	KUNIT_ASSERT_FALSE(test, IS_ERR(cur.c));
	for (keep = 0; keep < 2; keep++) {
		KUNIT_EXPECT_EQ(test, fake_write(g, f, 5, 1), 0);
		page = pfn_to_page(f->pfn[5]);
		mutex_lock(&cur.c->lock);
		KUNIT_EXPECT_EQ(test, gmem_freeze(&cur, page, keep), -EBUSY);
		mutex_unlock(&cur.c->lock);
		KUNIT_EXPECT_EQ(test, page_count(page), 2);
		put_page(page);
		KUNIT_EXPECT_TRUE(test, gmem_cursor_entry(&cur) & GMEM_DIRTY);
	}
	gmem_chunk_put(cur.c);
	fake_free(g, f);
	gmem_put(g);
}

/* Several at once: one stays, one is held from when its mappings go, one is another by now. */
static void freezing_some(struct kunit *test)
{
	struct gmem_freeze some[3] = { { .nr = 5 }, { .nr = 8 }, { .nr = 9 } };
	struct gmem *g = make(test, 512);
	struct fake *f = fake_new(test, g, 0, 512);
	struct gmem_cursor cur = { .g = g, .policy = gmem_policy(g),
				   .domain = g->domain };
	unsigned int i;

	for (i = 0; i < 3; i++) {
		KUNIT_EXPECT_EQ(test, fake_write(g, f, some[i].nr, i + 1), 0);
		some[i].page = pfn_to_page(f->pfn[some[i].nr]);
	}
	some[2].page = ZERO_PAGE(0);
	cur.c = gmem_chunk_find(g, 5);
	KUNIT_ASSERT_NOT_NULL(test, cur.c);
	f->b.ops = &holding_ops;
	f->pfn[8] = 0;		/* who zaps takes a reference to 5 only */
	mutex_lock(&cur.c->lock);
	gmem_freeze_some(&cur, some, 3);
	KUNIT_EXPECT_FALSE(test, some[0].frozen);
	KUNIT_EXPECT_TRUE(test, some[1].frozen);
	KUNIT_EXPECT_FALSE(test, some[2].frozen);
	KUNIT_EXPECT_NE(test, f->pfn[9], 0);
	KUNIT_EXPECT_EQ(test, READ_ONCE(cur.c->entry[8]) & GMEM_LOCKED, GMEM_LOCKED);
	KUNIT_EXPECT_EQ(test, READ_ONCE(cur.c->entry[5]) & GMEM_LOCKED, 0);
	KUNIT_EXPECT_EQ(test, READ_ONCE(cur.c->entry[5]) & GMEM_DIRTY, GMEM_DIRTY);
	cur.nr = 8;
	gmem_thaw(&cur, 0);
	mutex_unlock(&cur.c->lock);
	put_page(some[0].page);
	f->b.ops = &fake_ops;
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	gmem_chunk_put(cur.c);
	fake_free(g, f);
	gmem_put(g);
}

static void freezing(struct kunit *test)
{
	struct gmem *g = make(test, 512);
	struct fake *f = fake_new(test, g, 0, 512);
	struct gmem_cursor cur = { .g = g, .nr = 5, .policy = gmem_policy(g),
				   .domain = g->domain };
	struct page *page;
	void *pin;

	KUNIT_EXPECT_EQ(test, fake_write(g, f, 5, 1), 0);
	page = pfn_to_page(f->pfn[5]);
	cur.c = gmem_chunk_find(g, 0);
	mutex_lock(&cur.c->lock);
	KUNIT_EXPECT_EQ(test, gmem_freeze(&cur, ZERO_PAGE(0), false), -EAGAIN);
	KUNIT_EXPECT_EQ(test, gmem_freeze(&cur, page, true), 0);
	KUNIT_EXPECT_NE(test, f->pfn[5], 0);
	KUNIT_EXPECT_FALSE(test, f->writable[5]);
	gmem_thaw(&cur, 0);
	KUNIT_EXPECT_EQ(test, gmem_freeze(&cur, page, false), 0);
	KUNIT_EXPECT_EQ(test, f->pfn[5], 0);
	gmem_thaw(&cur, 0);
	mutex_unlock(&cur.c->lock);

	pin = gmem_pin_page(g, 5, true);
	mutex_lock(&cur.c->lock);
	KUNIT_EXPECT_EQ(test, gmem_freeze(&cur, page, false), -EBUSY);
	mutex_unlock(&cur.c->lock);
	gmem_unpin_page(g, 5, pin, false);
	mutex_lock(&cur.c->lock);
	KUNIT_EXPECT_EQ(test, gmem_freeze(&cur, page, false), 0);
	gmem_thaw(&cur, 0);
	mutex_unlock(&cur.c->lock);
	gmem_chunk_put(cur.c);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	fake_free(g, f);
	gmem_put(g);
}

/* One uid more has one domain more, wherever its hash leads. */
static void owners_apart(struct kunit *test)
{
	struct gmem_domain **d = kunit_kcalloc(test, 2000, sizeof(*d), GFP_KERNEL);
	unsigned int i, j, same = 0;

	KUNIT_ASSERT_NOT_NULL(test, d);
	for (i = 0; i < 2000; i++) {
		d[i] = gmem_domain_get(KUIDT_INIT(100000 + i), &init_user_ns);
		KUNIT_ASSERT_NOT_NULL(test, d[i]);
	}
	for (i = 0; i < 2000; i++)
		for (j = 0; j < i; j++)
			same += d[i] == d[j];
	KUNIT_EXPECT_EQ(test, same, 0);
	for (i = 0; i < 2000; i++)
		gmem_domain_put(d[i]);
}

/* The namespaces that a user makes, and all uids in them, have their turn as his. */
static void tenants(struct kunit *test)
{
	struct user_namespace *ns = kunit_kzalloc(test, 2 * sizeof(*ns), GFP_KERNEL);
	const kuid_t some = KUIDT_INIT(4711), sub = KUIDT_INIT(165536);
	unsigned int before = gmem_tenants();
	struct gmem_tenant *t[4];

	KUNIT_ASSERT_NOT_NULL(test, ns);
	ns[0].parent = &init_user_ns;
	ns[0].owner = some;
	ns[1].parent = &ns[0];
	ns[1].owner = sub;
	t[0] = gmem_tenant_get(some, &init_user_ns);
	t[1] = gmem_tenant_get(sub, &ns[0]);
	t[2] = gmem_tenant_get(sub, &ns[1]);
	t[3] = gmem_tenant_get(sub, &init_user_ns);
	KUNIT_ASSERT_NOT_NULL(test, t[0]);
	KUNIT_EXPECT_PTR_EQ(test, t[1], t[0]);
	KUNIT_EXPECT_PTR_EQ(test, t[2], t[0]);
	KUNIT_EXPECT_PTR_NE(test, t[3], t[0]);
	KUNIT_EXPECT_EQ(test, gmem_tenants(), before + 2);
	gmem_tenant_put(t[3]);
	ns[0].owner = GLOBAL_ROOT_UID;	/* its uids are other people's */
	t[3] = gmem_tenant_get(sub, &ns[1]);
	KUNIT_EXPECT_EQ(test, t[3]->uid, 165536);
	gmem_tenant_put(t[0]);
	gmem_tenant_put(t[1]);
	gmem_tenant_put(t[2]);
	gmem_tenant_put(t[3]);
	KUNIT_EXPECT_EQ(test, gmem_tenants(), before);
}

/* Looking for chunks in large empty objects is done in short steps, and finds them all. */
static void seeking(struct kunit *test)
{
	const pgoff_t last = (GMEM_MAX_SIZE >> PAGE_SHIFT) - 1, some = 5UL << GMEM_ROOT_SHIFT;
	const pgoff_t dir = 1UL << GMEM_ROOT_SHIFT;
	struct gmem *g = make(test, last + 1);
	unsigned int steps = 0;
	pgoff_t off;

	KUNIT_EXPECT_EQ(test, gmem_scan_seek(g, 0), last + 1);	/* nothing at all */
	KUNIT_ASSERT_EQ(test, gmem_write(g, last << PAGE_SHIFT, "x", 1), 0);
	KUNIT_ASSERT_EQ(test, gmem_write(g, some << PAGE_SHIFT, "x", 1), 0);
	off = gmem_scan_seek(g, 0);
	KUNIT_EXPECT_EQ(test, off, some);
	KUNIT_EXPECT_EQ(test, gmem_scan_seek(g, off + 3), some);
	for (off += dir; off < last - dir && steps < 1000; steps++)
		off = gmem_scan_seek(g, off);
	KUNIT_EXPECT_EQ(test, off, round_down(last, dir));
	KUNIT_EXPECT_GT(test, steps, 100);
	KUNIT_EXPECT_LT(test, steps, 200);
	KUNIT_EXPECT_GE(test, gmem_scan_seek(g, off + dir), last + 1);
	gmem_put(g);
}

/* A chunk that too many have bound is not asked what was written, nor frozen. */
static void crowds(struct kunit *test)
{
	struct fake **f = kunit_kcalloc(test, GMEM_CROWD + 1, sizeof(*f), GFP_KERNEL);
	struct gmem *g = make(test, 512);
	struct gmem_cursor cur = { .g = g, .nr = 5, .policy = gmem_policy(g),
				   .domain = g->domain };
	DECLARE_BITMAP(ripe, GMEM_CHUNK_PAGES);
	struct page *page;
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, f);
	for (i = 0; i <= GMEM_CROWD; i++)
		f[i] = fake_new(test, g, 0, 512);
	KUNIT_EXPECT_EQ(test, fake_write(g, f[0], 5, 1), 0);
	page = pfn_to_page(f[0]->pfn[5]);
	for (i = 0; i < 4; i++)
		KUNIT_EXPECT_EQ(test, scan(g, ripe), 0);
	KUNIT_EXPECT_TRUE(test, f[0]->dirty[5]);
	cur.c = gmem_chunk_find(g, 0);
	mutex_lock(&cur.c->lock);
	KUNIT_EXPECT_EQ(test, gmem_freeze(&cur, page, false), -EBUSY);
	mutex_unlock(&cur.c->lock);
	KUNIT_EXPECT_TRUE(test, f[0]->writable[5]);
	fake_free(g, f[GMEM_CROWD]);
	mutex_lock(&cur.c->lock);
	KUNIT_EXPECT_EQ(test, gmem_freeze(&cur, page, false), 0);
	gmem_thaw(&cur, GMEM_PENDING);
	mutex_unlock(&cur.c->lock);
	KUNIT_EXPECT_EQ(test, scan(g, ripe), 1);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	gmem_chunk_put(cur.c);
	for (i = 0; i < GMEM_CROWD; i++)
		fake_free(g, f[i]);
	gmem_put(g);
}

/* No gmem waits for another's zero page, or uses up its references. */
static void zero_pages(struct kunit *test)
{
	struct gmem *a = make(test, 16), *b = make(test, 16);
	void *pa, *pb;

	KUNIT_EXPECT_NULL(test, a->zero);
	pa = gmem_pin_page(a, 3, false);
	pb = gmem_pin_page(b, 3, false);
	KUNIT_ASSERT_FALSE(test, IS_ERR(pa) || IS_ERR(pb));
	KUNIT_EXPECT_PTR_NE(test, pa, pb);
	KUNIT_EXPECT_NULL(test, memchr_inv(pa, 0, PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, page_count(a->zero), 2);
	KUNIT_EXPECT_EQ(test, nr_private(a), 0);
	gmem_unpin_page(a, 3, pa, false);
	gmem_unpin_page(b, 3, pb, false);
	gmem_put(a);
	gmem_put(b);
}

/* What is dropped is freed, though not at once, and all of it. */
static void freed_later(struct kunit *test)
{
	struct gmem *g = make(test, 512);
	struct page *page;
	pgoff_t off;
	u64 *va;

	for (off = 0; off < 512; off++)
		KUNIT_ASSERT_EQ(test, gmem_write(g, off << PAGE_SHIFT, &off, 8), 0);
	va = gmem_pin_page(g, 9, true);
	KUNIT_ASSERT_FALSE(test, IS_ERR(va));
	page = virt_to_page(va);
	gmem_later_flush();
	KUNIT_EXPECT_EQ(test, gmem_punch(g, 0, 512), 0);
	gmem_later_flush();
	KUNIT_EXPECT_EQ(test, gmem_pages_waiting(), 0);
	KUNIT_EXPECT_EQ(test, page_count(page), 1);
	KUNIT_EXPECT_EQ(test, *va, 9);
	gmem_unpin_page(g, 9, va, false);
	gmem_put(g);
}

/* A kernel thread that drops the last reference does not free what is large. */
static void put_by_thread(struct kunit *test)
{
	struct gmem *g = make(test, 64 * GMEM_CHUNK_PAGES);
	struct gmem_chunk *c;
	pgoff_t off;

	for (off = 0; off < gmem_npages(g); off += GMEM_CHUNK_PAGES)
		KUNIT_ASSERT_EQ(test, gmem_write(g, off << PAGE_SHIFT, &off, 8), 0);
	c = gmem_chunk_find(g, 0);
	mutex_lock(&c->lock);	/* who frees it stands here */
	gmem_put(g);
	KUNIT_EXPECT_TRUE(test, gmem_anyone_leaving());
	mutex_unlock(&c->lock);
	gmem_chunk_put(c);
	gmem_drain();
	KUNIT_EXPECT_FALSE(test, gmem_anyone_leaving());
}

/* A "vCPU" that writes what it owns and must find it again; zero after a punch. */
struct racer {
	struct gmem *g;
	struct fake *f;
	u64 *was;
	unsigned int first;
	unsigned long wrong;
	unsigned long ops;
};

#define RACERS		3
#define RACE_PAGES	1030

static int race(void *arg)
{
	struct racer *r = arg;
	u64 *was = r->was, back;
	unsigned int n = 0;
	pgoff_t off;

	while (!kthread_should_stop()) {
		n = (n + 17) % (RACE_PAGES / RACERS);
		off = n * RACERS + r->first;
		r->wrong += fake_read(r->g, r->f, off) != was[n];
		r->ops++;
		if (r->ops % 3 == 0) {
			was[n] = 0;
			r->wrong += gmem_punch(r->g, off, off + 1) != 0;
		} else if (r->ops % 3 == 1) {
			was[n] = r->ops;
			r->wrong += fake_write(r->g, r->f, off, was[n]) != 0;
		} else {
			was[n] = r->ops;
			r->wrong += gmem_write(r->g, off << PAGE_SHIFT, &was[n], 8) != 0;
		}
		r->wrong += gmem_read(r->g, off << PAGE_SHIFT, &back, 8) || back != was[n];
		cond_resched();
	}
	return 0;
}

static void races(struct kunit *test)
{
	struct gmem *g = make(test, RACE_PAGES);
	struct racer r[RACERS] = { 0 };
	struct task_struct *t[RACERS];
	unsigned int i;

	for (i = 0; i < RACERS; i++) {
		r[i].g = g;
		r[i].f = fake_new(test, g, 0, RACE_PAGES);
		r[i].first = i;
		r[i].was = kunit_kzalloc(test, RACE_PAGES * sizeof(u64), GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, r[i].was);
		t[i] = kthread_run(race, &r[i], "ditto-race%u", i);
		KUNIT_ASSERT_FALSE(test, IS_ERR(t[i]));
	}
	msleep(1500);
	for (i = 0; i < RACERS; i++) {
		/* However long that takes here. */
		while (READ_ONCE(r[i].ops) <= 100)
			msleep(10);
		kthread_stop(t[i]);
		KUNIT_EXPECT_EQ(test, r[i].wrong, 0);
	}
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	for (i = 0; i < RACERS; i++)
		fake_free(g, r[i].f);
	gmem_put(g);
}

/* Memory that comes back for ever keeps nobody from being killed for ever. */
static void oom_patience(struct kunit *test)
{
	unsigned int waited = 0, i, round;

	KUNIT_EXPECT_FALSE(test, gmem_oom_wait(&waited, false));
	for (round = 0; round < 3; round++) {
		for (i = 0; i < OOM_PATIENCE; i++)
			KUNIT_EXPECT_TRUE(test, gmem_oom_wait(&waited, true));
		KUNIT_EXPECT_FALSE(test, gmem_oom_wait(&waited, true));
	}
	/* What came in between begins a new wait. */
	for (i = 0; i < OOM_PATIENCE - 1; i++)
		gmem_oom_wait(&waited, true);
	KUNIT_EXPECT_FALSE(test, gmem_oom_wait(&waited, false));
	KUNIT_EXPECT_TRUE(test, gmem_oom_wait(&waited, true));
	KUNIT_EXPECT_TRUE(test, gmem_oom_wait(&waited, true));
}

static struct kunit_case gmem_cases[] = {
	KUNIT_CASE(oom_patience),
	KUNIT_CASE(create_args),
	KUNIT_CASE(fault_zero_then_write),
	KUNIT_CASE(fault_runs),
	KUNIT_CASE(fault_run_zeroed),
	KUNIT_CASE(read_write),
	KUNIT_CASE(compare_exchange),
	KUNIT_CASE(punch),
	KUNIT_CASE(bindings),
	KUNIT_CASE(pins),
	KUNIT_CASE(scanning),
	KUNIT_CASE(freezing),
	KUNIT_CASE(freezing_written),
	KUNIT_CASE(freezing_late),
	KUNIT_CASE(freezing_some),
	KUNIT_CASE(owners_apart),
	KUNIT_CASE(tenants),
	KUNIT_CASE(seeking),
	KUNIT_CASE(crowds),
	KUNIT_CASE(zero_pages),
	KUNIT_CASE(freed_later),
	KUNIT_CASE(put_by_thread),
	KUNIT_CASE(races),
	{}
};

static struct kunit_suite gmem_suite = {
	.name = "ditto_gmem",
	.test_cases = gmem_cases,
};

kunit_test_suite(gmem_suite);
