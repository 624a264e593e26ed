// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of whole chunks: when one is filled, and each way in which it is split, with a fake
 * MMU (fake.h) that maps all of one at a time.
 */
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/mman.h>
#include <ditto.h>

#include "gmem/fake.h"
#include "gmem/file.h"
#include "gmem/fork.h"
#include "gmem/fs.h"
#include "gmem/index.h"
#include "gmem/punch.h"
#include "gmem/space.h"
#include "gmem/whole.h"

#define CHUNKS	3

struct whole {
	struct gmem *g;
	struct fake *f;
};

static long nr_whole(struct gmem *g)
{
	return atomic_long_read(&g->nr_whole);
}

static long nr_private(struct gmem *g)
{
	return atomic_long_read(&g->nr_private);
}

static long splits(enum gmem_split why)
{
	return atomic_long_read(&whole_knobs.splits[why]);
}

static struct whole make(struct kunit *test, u64 pages, u32 flags)
{
	struct whole w = { .g = gmem_create_obj(pages << PAGE_SHIFT, flags) };

	KUNIT_ASSERT_FALSE(test, IS_ERR(w.g));
	w.f = fake_new(test, w.g, 0, pages);
	return w;
}

static void end(struct kunit *test, struct whole *w)
{
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	fake_free(w->g, w->f);
	gmem_put(w->g);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
}

/* Map all of a chunk, as one access of a guest might. Returns how many pages. */
static unsigned int map_at(struct whole *w, pgoff_t off, bool write)
{
	pgoff_t base = round_down(off, GMEM_CHUNK_PAGES);
	unsigned long seq = w->f->seq;
	struct gmem_mapping map;
	unsigned int i;

	if (gmem_fault(w->g, off, write, &map) || !gmem_whole(w->g, off, map.pfn))
		return 0;
	spin_lock(&w->f->lock);
	for (i = 0; w->f->seq == seq && i < GMEM_CHUNK_PAGES; i++) {
		w->f->pfn[base + i] = map.pfn - off % GMEM_CHUNK_PAGES + i;
		w->f->writable[base + i] = map.writable;
	}
	spin_unlock(&w->f->lock);
	return i;
}

static unsigned int mapped(struct whole *w, pgoff_t base)
{
	unsigned int i, n = 0;

	for (i = 0; i < GMEM_CHUNK_PAGES; i++)
		n += !!w->f->pfn[base + i];
	return n;
}

/* A gmem with whole chunks, all mapped. */
static struct whole make_whole(struct kunit *test)
{
	struct whole w = make(test, CHUNKS * GMEM_CHUNK_PAGES, DITTO_GMEM_HUGEPAGE);
	unsigned int i;

	for (i = 0; i < CHUNKS; i++) {
		fake_store(test, w.g, i * GMEM_CHUNK_PAGES + 7, 100 + i);
		if (nr_whole(w.g) != i + 1) {
			fake_free(w.g, w.f);
			gmem_put(w.g);
			kunit_skip(test, "no 2 MiB to be had");
		}
		KUNIT_EXPECT_EQ(test, map_at(&w, i * GMEM_CHUNK_PAGES + 9, false), 512);
	}
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	return w;
}

/* The first write fills it, whatever was read before. */
static void filled(struct kunit *test)
{
	struct whole w = make(test, 1400, DITTO_GMEM_HUGEPAGE);
	struct gmem_mapping map;

	KUNIT_EXPECT_EQ(test, fake_read(w.g, w.f, 40), 0);
	KUNIT_EXPECT_EQ(test, nr_private(w.g), 0);
	KUNIT_ASSERT_EQ(test, gmem_fault(w.g, 5, true, &map), 0);
	if (!nr_whole(w.g)) {
		end(test, &w);
		kunit_skip(test, "no 2 MiB to be had");
	}
	KUNIT_EXPECT_EQ(test, w.f->pfn[40], 0);		/* the zero page was zapped */
	KUNIT_EXPECT_EQ(test, nr_private(w.g), 512);
	KUNIT_EXPECT_EQ(test, (map.pfn - 5) % 512, 0);
	KUNIT_EXPECT_TRUE(test, gmem_whole(w.g, 5, map.pfn));
	KUNIT_EXPECT_TRUE(test, gmem_whole(w.g, 511, map.pfn + 506));
	KUNIT_EXPECT_FALSE(test, gmem_whole(w.g, 511, map.pfn));
	KUNIT_EXPECT_FALSE(test, gmem_whole(w.g, 512, map.pfn + 507));
	KUNIT_EXPECT_EQ(test, fake_load(test, w.g, 511), 0);
	KUNIT_EXPECT_EQ(test, page_count(pfn_to_page(map.pfn + 1)), 1);
	KUNIT_EXPECT_TRUE(test, gmem_has_whole(w.g));
	gmem_mark_chunk_dirty(w.g, 511);	/* KASAN sees what it does behind the chunk */

	/* The end of the gmem is in the third. */
	fake_store(test, w.g, 1100, 1);
	KUNIT_EXPECT_EQ(test, nr_private(w.g), 513);
	KUNIT_EXPECT_EQ(test, nr_whole(w.g), 1);
	end(test, &w);
}

static struct {
	struct gmem *g;
	unsigned int pages, early;
	struct completion wrote;
	int ret;
} between;

static void hook_set(struct gmem *g, void (*hook)(unsigned int nr))
{
	between.g = g;
	between.pages = between.early = 0;
	gmem_whole_between = hook;
}

/* A vCPU that faults on the page that has just come in. */
static void fault_between(unsigned int nr)
{
	struct gmem_mapping map;

	if (!nr || nr >= GMEM_CHUNK_PAGES)
		return;
	between.pages++;
	if (!gmem_fault(between.g, nr - 1, true, &map))
		between.early += gmem_whole(between.g, nr - 1, map.pfn);
}

/* Nobody maps all of it while a page of it is missing: the kernel reads zero there still. */
static void not_before_all(struct kunit *test)
{
	struct whole w = make(test, 512, DITTO_GMEM_HUGEPAGE);

	hook_set(w.g, fault_between);
	fake_store(test, w.g, 3, 1);
	gmem_whole_between = NULL;
	KUNIT_EXPECT_EQ(test, between.early, 0);
	if (nr_whole(w.g))
		KUNIT_EXPECT_EQ(test, between.pages, GMEM_CHUNK_PAGES - 1);
	end(test, &w);
}

static int write_beside(void *unused)
{
	u64 value = 7;

	between.ret = gmem_write(between.g, 7 << PAGE_SHIFT, &value, sizeof(value));
	complete(&between.wrote);
	return 0;
}

static void write_between(unsigned int nr)
{
	if (nr)
		return;
	between.pages = !IS_ERR(kthread_run(write_beside, NULL, "ditto-beside"));
	msleep(50);	/* it waits, or has failed */
}

static struct gmem *make_file(struct kunit *test, struct gmem_space *space, pgoff_t pages)
{
	struct gmem *g = gmem_create_in(0, DITTO_GMEM_HUGEPAGE, space, NULL);

	KUNIT_ASSERT_FALSE(test, IS_ERR(g));
	KUNIT_ASSERT_EQ(test, gmem_resize(g, pages), 0);
	return g;
}

/* Two that write to a chunk at the same time take 2 MiB of the limit, not twice as much. */
static void filled_once(struct kunit *test)
{
	struct gmem_space *space = gmem_space_new(512);
	struct gmem *g = make_file(test, space, 512);
	long failed = atomic_long_read(&whole_knobs.failed);

	init_completion(&between.wrote);
	hook_set(g, write_between);
	fake_store(test, g, 3, 3);
	gmem_whole_between = NULL;
	KUNIT_EXPECT_EQ(test, between.pages, 1);
	wait_for_completion(&between.wrote);
	if (nr_whole(g)) {
		KUNIT_EXPECT_EQ(test, between.ret, 0);
		KUNIT_EXPECT_EQ(test, fake_load(test, g, 7), 7);
		KUNIT_EXPECT_EQ(test, atomic_long_read(&whole_knobs.failed), failed);
	}
	KUNIT_EXPECT_EQ(test, fake_load(test, g, 3), 3);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	gmem_put(g);
	gmem_space_put(space);
}

/* The file gets shorter before the pages are there; and when they are, it is split. */
static void cut_between(unsigned int nr)
{
	if (!nr)
		gmem_resize(between.g, 600);
	else if (nr > GMEM_CHUNK_PAGES)
		gmem_punch(between.g, 513, 514);
}

static void cut_while_filled(struct kunit *test)
{
	struct gmem_space *space = gmem_space_new(0);
	struct gmem *g = make_file(test, space, 1024);

	hook_set(g, cut_between);
	fake_store(test, g, 520, 3);
	gmem_whole_between = NULL;
	KUNIT_EXPECT_LE(test, nr_private(g), 600 - 512 - 1);
	KUNIT_EXPECT_EQ(test, fake_load(test, g, 520), 3);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	gmem_put(g);
	gmem_space_put(space);
}

static void put_and_count(struct kunit *test, u32 flags, long pages)
{
	struct whole w = make(test, 512, flags);

	fake_store(test, w.g, 3, 1);
	KUNIT_EXPECT_EQ(test, nr_private(w.g), pages);
	end(test, &w);
}

/* Who asks, and the knob. */
static void wanted(struct kunit *test)
{
	unsigned int mode = whole_knobs.mode;

	whole_knobs.mode = WHOLE_MADVISE;
	put_and_count(test, 0, 1);
	put_and_count(test, DITTO_GMEM_HUGEPAGE, 512);
	put_and_count(test, DITTO_GMEM_HUGEPAGE | DITTO_GMEM_POLICY(DITTO_POLICY_SECURE), 1);
	whole_knobs.mode = WHOLE_NEVER;
	put_and_count(test, DITTO_GMEM_HUGEPAGE, 1);
	whole_knobs.mode = WHOLE_ALWAYS;
	put_and_count(test, 0, 512);
	put_and_count(test, DITTO_GMEM_POLICY(DITTO_POLICY_SECURE), 1);
	whole_knobs.mode = mode;
}

static void advise(struct gmem *g, struct vm_area_struct *vma, unsigned long flags)
{
	*(unsigned long *)&vma->vm_flags = flags;
	gmem_note_advice(g, vma);
}

static void advised(struct kunit *test)
{
	struct vm_area_struct *vma = kunit_kzalloc(test, sizeof(*vma), GFP_KERNEL);
	struct gmem *g = gmem_create_in(1024 * PAGE_SIZE, GMEM_HUGE_ADVISED, NULL, NULL);
	const unsigned long ours = VM_SHARED | VM_MAYWRITE;

	KUNIT_ASSERT_FALSE(test, IS_ERR(g));
	fake_store(test, g, 3, 1);
	KUNIT_EXPECT_EQ(test, nr_private(g), 1);
	advise(g, vma, ours | VM_HUGEPAGE);
	fake_store(test, g, 600, 1);
	KUNIT_EXPECT_EQ(test, nr_private(g), 513);
	KUNIT_EXPECT_EQ(test, gmem_punch(g, 0, 1024), 0);
	advise(g, vma, ours | VM_NOHUGEPAGE);
	advise(g, vma, ours);
	/* Who may only read, and who has copies of his own, has no say. */
	advise(g, vma, VM_SHARED | VM_HUGEPAGE);
	advise(g, vma, VM_MAYWRITE | VM_HUGEPAGE);
	fake_store(test, g, 600, 1);
	KUNIT_EXPECT_EQ(test, nr_private(g), 1);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	gmem_put(g);
}

/* A mount that has no room for 2 MiB has some for a page; and nobody tries again. */
static void limited(struct kunit *test)
{
	struct gmem_space *space = gmem_space_new(100);
	long failed = atomic_long_read(&whole_knobs.failed);
	struct gmem *g;

	KUNIT_ASSERT_NOT_NULL(test, space);
	g = gmem_create_in(0, DITTO_GMEM_HUGEPAGE, space, NULL);
	KUNIT_ASSERT_FALSE(test, IS_ERR(g));
	KUNIT_ASSERT_EQ(test, gmem_resize(g, 1024), 0);
	fake_store(test, g, 3, 1);
	fake_store(test, g, 4, 1);
	KUNIT_EXPECT_EQ(test, nr_private(g), 2);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&whole_knobs.failed), failed + 1);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	gmem_put(g);
	gmem_space_put(space);
}

static void by_punching(struct kunit *test)
{
	struct whole w = make_whole(test);
	long n = splits(SPLIT_PUNCH);

	KUNIT_EXPECT_EQ(test, gmem_punch(w.g, 600, 601), 0);
	KUNIT_EXPECT_EQ(test, splits(SPLIT_PUNCH), n + 1);
	KUNIT_EXPECT_EQ(test, nr_whole(w.g), 2);
	KUNIT_EXPECT_EQ(test, mapped(&w, 512), 0);
	KUNIT_EXPECT_EQ(test, mapped(&w, 0), 512);
	KUNIT_EXPECT_EQ(test, map_at(&w, 512, false), 0);
	KUNIT_EXPECT_EQ(test, nr_private(w.g), 3 * 512 - 1);
	KUNIT_EXPECT_EQ(test, fake_load(test, w.g, 512 + 7), 101);
	/* It stays so until all of it goes at once. */
	KUNIT_EXPECT_EQ(test, fake_write(w.g, w.f, 600, 5), 0);
	KUNIT_EXPECT_EQ(test, nr_whole(w.g), 2);
	KUNIT_EXPECT_EQ(test, gmem_punch(w.g, 512, 1024), 0);
	KUNIT_EXPECT_EQ(test, fake_write(w.g, w.f, 600, 5), 0);
	KUNIT_EXPECT_EQ(test, nr_whole(w.g), 3);
	KUNIT_EXPECT_EQ(test, splits(SPLIT_PUNCH), n + 1);
	end(test, &w);
}

static void by_fork(struct kunit *test)
{
	struct whole w = make_whole(test);
	long n = splits(SPLIT_FORK), all = atomic_long_read(&whole_knobs.chunks);
	struct gmem *child = gmem_fork(w.g);

	KUNIT_ASSERT_FALSE(test, IS_ERR(child));
	KUNIT_EXPECT_EQ(test, nr_whole(w.g), 0);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&whole_knobs.chunks), all);
	KUNIT_EXPECT_EQ(test, map_at(&w, 3, false), 512);	/* for reading */
	KUNIT_EXPECT_FALSE(test, w.f->writable[3]);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	fake_store(test, child, 7, 1);
	KUNIT_EXPECT_EQ(test, splits(SPLIT_FORK), n + 1);
	KUNIT_EXPECT_EQ(test, map_at(&w, 3, false), 0);
	KUNIT_EXPECT_EQ(test, fake_load(test, w.g, 7), 100);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	gmem_put(child);
	/* What was not copied is its own again, as it was. */
	KUNIT_EXPECT_EQ(test, fake_write(w.g, w.f, 519, 2), 0);
	KUNIT_EXPECT_EQ(test, nr_whole(w.g), 1);
	KUNIT_EXPECT_EQ(test, map_at(&w, 600, true), 512);
	KUNIT_EXPECT_EQ(test, fake_write(w.g, w.f, 7, 2), 0);
	KUNIT_EXPECT_EQ(test, nr_whole(w.g), 1);
	end(test, &w);
}

/* What a resettable fork filled since goes, and is mapped no more. */
static void by_reset(struct kunit *test)
{
	struct gmem *parent = gmem_create_obj(1024 * PAGE_SIZE, DITTO_GMEM_HUGEPAGE), *base;
	long n = splits(SPLIT_RESET);
	struct whole w;

	KUNIT_ASSERT_FALSE(test, IS_ERR(parent));
	fake_store(test, parent, 3, 1);
	base = gmem_fork(parent);
	KUNIT_ASSERT_FALSE(test, IS_ERR(base));
	w.g = gmem_fork(base);
	KUNIT_ASSERT_FALSE(test, IS_ERR(w.g));
	gmem_fork_base(w.g, base);
	w.f = fake_new(test, w.g, 0, 1024);
	fake_store(test, w.g, 600, 2);
	if (nr_whole(w.g)) {
		KUNIT_EXPECT_EQ(test, map_at(&w, 600, true), 512);
		KUNIT_EXPECT_EQ(test, gmem_reset(w.g), 0);
		KUNIT_EXPECT_EQ(test, splits(SPLIT_RESET), n + 1);
		KUNIT_EXPECT_EQ(test, mapped(&w, 512), 0);
		KUNIT_EXPECT_EQ(test, nr_private(w.g), 0);
		KUNIT_EXPECT_EQ(test, fake_read(w.g, w.f, 600), 0);
		KUNIT_EXPECT_EQ(test, fake_read(w.g, w.f, 3), 1);
	}
	end(test, &w);
	gmem_put(base);
	gmem_put(parent);
}

/* A shorter file; what is beyond its end is not there. */
static void by_size(struct kunit *test)
{
	struct gmem_space *space = gmem_space_new(0);
	struct gmem *g = gmem_create_in(0, DITTO_GMEM_HUGEPAGE, space, NULL);

	KUNIT_ASSERT_FALSE(test, IS_ERR(g));
	KUNIT_ASSERT_EQ(test, gmem_resize(g, 1024), 0);
	fake_store(test, g, 3, 1);
	fake_store(test, g, 700, 2);
	KUNIT_ASSERT_EQ(test, gmem_resize(g, 600), 0);
	KUNIT_EXPECT_LE(test, nr_whole(g), 1);
	KUNIT_ASSERT_EQ(test, gmem_resize(g, 1024), 0);
	KUNIT_EXPECT_EQ(test, fake_load(test, g, 700), 0);
	KUNIT_EXPECT_EQ(test, fake_load(test, g, 3), 1);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
	gmem_put(g);
	gmem_space_put(space);
}

/* What is frozen is in no whole chunk: who freezes has it split before. */
static void not_frozen(struct kunit *test)
{
	struct whole w = make_whole(test);
	struct page *page = pfn_to_page(w.f->pfn[9]);
	struct gmem_freeze some = { .nr = 9, .page = page };
	struct gmem_cursor cur;

	KUNIT_ASSERT_TRUE(test, gmem_cursor_at(&cur, w.g, 0));
	gmem_cursor_move(&cur, 9);
	KUNIT_ASSERT_TRUE(test, gmem_cursor_enter(&cur));
	KUNIT_EXPECT_EQ(test, gmem_freeze(&cur, page, false), -EAGAIN);
	gmem_freeze_some(&cur, &some, 1);
	KUNIT_EXPECT_FALSE(test, some.frozen);
	KUNIT_EXPECT_EQ(test, nr_whole(w.g), 3);
	KUNIT_EXPECT_TRUE(test, gmem_cursor_split(&cur, SPLIT_MERGE));
	KUNIT_EXPECT_EQ(test, nr_whole(w.g), 2);
	KUNIT_EXPECT_EQ(test, mapped(&w, 0), 0);
	KUNIT_EXPECT_EQ(test, gmem_freeze(&cur, page, false), 0);
	gmem_thaw_pending(&cur);
	gmem_cursor_unlock(&cur);
	gmem_cursor_leave(&cur);
	end(test, &w);
}

static struct kunit_case whole_cases[] = {
	KUNIT_CASE(filled),
	KUNIT_CASE(not_before_all),
	KUNIT_CASE(filled_once),
	KUNIT_CASE(cut_while_filled),
	KUNIT_CASE(wanted),
	KUNIT_CASE(advised),
	KUNIT_CASE(limited),
	KUNIT_CASE(by_punching),
	KUNIT_CASE(by_fork),
	KUNIT_CASE(by_reset),
	KUNIT_CASE(by_size),
	KUNIT_CASE(not_frozen),
	{}
};

static struct kunit_suite whole_suite = {
	.name = "ditto_gmem_whole",
	.test_cases = whole_cases,
};
kunit_test_suite(whole_suite);
