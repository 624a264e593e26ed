// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit: TDP faults, and everything that takes mappings away again: punching, slots
 * that go, write-protecting, harvesting, the process's own changes, the table limit.
 * The fake host counts flushes: none is missing, none is for nothing.
 */
#include <linux/delay.h>
#include <linux/hugetlb.h>
#include <linux/kthread.h>
#include <linux/random.h>
#include <linux/uaccess.h>

#include "mmu/kunit.h"
#include "mmu/notifier.h"

#define NPAGES	1024ull
#define BASE	0x40000000ull	/* gpa of the tests' slot */
#define BASE_GFN	(BASE >> PAGE_SHIFT)

struct gmem_test {
	struct test_mmu *t;
	struct gmem *gmem;
};

static void test_gmem_put(void *gmem)
{
	gmem_put(gmem);
}

static struct gmem_test gmem_setup_in(struct kunit *test, struct test_mmu *t)
{
	struct gmem_test g = { .t = t };
	int fd = test_gmem_new(test, NPAGES * PAGE_SIZE);

	g.gmem = gmem_get_fd(fd);
	KUNIT_ASSERT_FALSE(test, IS_ERR(g.gmem));
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, test_gmem_put, g.gmem), 0);
	KUNIT_ASSERT_EQ(test, test_set_gmem(g.t, 0, BASE, NPAGES * PAGE_SIZE, fd, 0), 0);
	return g;
}

/* A slot of NPAGES pages at BASE over a gmem. */
static struct gmem_test gmem_setup(struct kunit *test)
{
	return gmem_setup_in(test, test_mmu_new(test));
}

static gpa_t page_gpa(u64 n)
{
	return BASE + n * PAGE_SIZE;
}

static u64 page_spte(struct test_mmu *t, u64 n)
{
	return test_spte(t, BASE_GFN + n);
}

static kvm_pfn_t page_pfn(struct test_mmu *t, u64 n)
{
	return tdp_pfn(&t->format, page_spte(t, n));
}

static int flushes(struct test_mmu *t)
{
	return atomic_xchg(&t->flushes, 0);
}

/* Reading maps the zero page; the first write gives a page of its own. */
static void first_touch(struct kunit *test)
{
	struct gmem_test g = gmem_setup(test);
	kvm_pfn_t zero;

	KUNIT_EXPECT_EQ(test, page_spte(g.t, 0), 0);
	KUNIT_EXPECT_EQ(test, test_fault(g.t, page_gpa(0), MMU_READ), MMU_FAULT_DONE);
	KUNIT_EXPECT_EQ(test, test_fault(g.t, page_gpa(1) + 0xfff, MMU_EXEC), MMU_FAULT_DONE);
	zero = page_pfn(g.t, 0);
	KUNIT_EXPECT_EQ(test, page_spte(g.t, 0), zero << PAGE_SHIFT | 0x5 | TEST_ACCESSED);
	KUNIT_EXPECT_EQ(test, page_spte(g.t, 1), page_spte(g.t, 0));
	KUNIT_EXPECT_EQ(test, atomic_long_read(&g.t->mmu.nr_tables), 4);
	KUNIT_EXPECT_EQ(test, flushes(g.t), 0);

	KUNIT_EXPECT_EQ(test, test_fault(g.t, page_gpa(0), MMU_WRITE), MMU_FAULT_DONE);
	KUNIT_EXPECT_NE(test, page_pfn(g.t, 0), zero);
	KUNIT_EXPECT_EQ(test, page_spte(g.t, 0), page_pfn(g.t, 0) << PAGE_SHIFT | 0x5 |
			TEST_WRITABLE | TEST_ACCESSED | TEST_DIRTY);
	KUNIT_EXPECT_EQ(test, page_pfn(g.t, 1), zero);
	KUNIT_EXPECT_EQ(test, flushes(g.t), 1);

	/* Spurious. */
	KUNIT_EXPECT_EQ(test, test_fault(g.t, page_gpa(0), MMU_READ), MMU_FAULT_DONE);
	KUNIT_EXPECT_EQ(test, test_fault(g.t, page_gpa(0), MMU_WRITE), MMU_FAULT_DONE);
	KUNIT_EXPECT_EQ(test, flushes(g.t), 0);
	KUNIT_EXPECT_EQ(test, test_check(test, g.t), 0);
}

/* Is page n mapped, and has the guest itself touched it? */
static bool spte_there(struct test_mmu *t, u64 n)
{
	return page_spte(t, n) & t->format.leaf;
}

static bool spte_touched(struct test_mmu *t, u64 n)
{
	return page_spte(t, n) & (TEST_ACCESSED | TEST_DIRTY);
}

/* Each fault right behind the last one brings twice as many pages. */
static void streaks(struct kunit *test)
{
	struct gmem_test g = gmem_setup(test);
	struct ditto_gmem_stats st;
	u64 n, next = 0, window = 1;

	while (next < 255) {
		KUNIT_EXPECT_FALSE(test, spte_there(g.t, next));
		KUNIT_EXPECT_EQ(test, test_fault(g.t, page_gpa(next), MMU_WRITE), 0);
		KUNIT_EXPECT_TRUE(test, spte_touched(g.t, next));
		for (n = next + 1; n < next + window; n++) {
			KUNIT_EXPECT_EQ(test, page_spte(g.t, n), page_pfn(g.t, n) << PAGE_SHIFT |
					0x5 | TEST_WRITABLE);
			KUNIT_EXPECT_NE(test, page_pfn(g.t, n), page_pfn(g.t, n - 1));
		}
		/* A second streak far above, and faults here and there, disturb nothing. */
		KUNIT_EXPECT_EQ(test, test_fault(g.t, page_gpa(1000 - 3 * window), MMU_WRITE), 0);
		KUNIT_EXPECT_FALSE(test, spte_there(g.t, 1001 - 3 * window));
		next += window;
		window = min_t(u64, 2 * window, GMEM_FAULT_MAX);
	}
	KUNIT_EXPECT_EQ(test, window, GMEM_FAULT_MAX);
	gmem_stats(g.gmem, &st);
	KUNIT_EXPECT_EQ(test, st.private_bytes >> PAGE_SHIFT, next + 7);

	/* The end of a leaf table is the end of a window, not of the streak. */
	for (; next < 512; next = min_t(u64, next + GMEM_FAULT_MAX, 512))
		KUNIT_EXPECT_EQ(test, test_fault(g.t, page_gpa(next), MMU_WRITE), 0);
	KUNIT_EXPECT_EQ(test, test_fault(g.t, page_gpa(512), MMU_WRITE), 0);
	KUNIT_EXPECT_TRUE(test, spte_there(g.t, 513));
	KUNIT_EXPECT_EQ(test, test_check(test, g.t), 0);

	/* What came along goes like everything else. */
	KUNIT_EXPECT_EQ(test, gmem_punch(g.gmem, 0, NPAGES), 0);
	for (n = 0; n < NPAGES; n++)
		KUNIT_EXPECT_FALSE(test, spte_there(g.t, n));
	KUNIT_EXPECT_EQ(test, test_check(test, g.t), 0);
}

/* Without dirty bits a page that came along would count as written. */
static void streaks_without_dirty(struct kunit *test)
{
	struct gmem_test g = gmem_setup(test);
	u64 n;

	g.t->format.dirty = 0;
	for (n = 0; n < 8; n++) {
		KUNIT_EXPECT_EQ(test, test_fault(g.t, page_gpa(n), MMU_WRITE), 0);
		KUNIT_EXPECT_FALSE(test, spte_there(g.t, n + 1));
	}
}

/* Reads go ahead over what is there, and make nothing. */
static void streaks_of_reads(struct kunit *test)
{
	struct gmem_test g = gmem_setup(test);
	struct ditto_gmem_stats st;
	u64 n;

	for (n = 0; n < 6; n++)
		KUNIT_EXPECT_EQ(test, test_write(g.t, page_gpa(n), "x", 1), 0);
	KUNIT_EXPECT_EQ(test, test_fault(g.t, page_gpa(0), MMU_READ), 0);
	KUNIT_EXPECT_EQ(test, test_fault(g.t, page_gpa(1), MMU_READ), 0);
	KUNIT_EXPECT_EQ(test, test_fault(g.t, page_gpa(3), MMU_READ), 0);
	KUNIT_EXPECT_TRUE(test, spte_there(g.t, 5));
	KUNIT_EXPECT_FALSE(test, spte_there(g.t, 6));
	KUNIT_EXPECT_EQ(test, test_fault(g.t, page_gpa(6), MMU_READ), 0);
	KUNIT_EXPECT_FALSE(test, spte_there(g.t, 7));
	gmem_stats(g.gmem, &st);
	KUNIT_EXPECT_EQ(test, st.private_bytes >> PAGE_SHIFT, 6);
	KUNIT_EXPECT_EQ(test, test_check(test, g.t), 0);
}

static void no_memory_there(struct kunit *test)
{
	struct gmem_test g = gmem_setup(test);
	int fd = test_gmem_new(test, PAGE_SIZE);
	struct ditto_gmem_region ro = {
		.slot = 1, .flags = KVM_MEM_READONLY, .guest_phys_addr = 0,
		.memory_size = PAGE_SIZE, .gmem_fd = fd,
	};

	KUNIT_ASSERT_EQ(test, mmu_set_gmem_region(&g.t->mmu, &ro), 0);
	KUNIT_EXPECT_EQ(test, test_fault(g.t, BASE - 1, MMU_READ), MMU_FAULT_MMIO);
	KUNIT_EXPECT_EQ(test, test_fault(g.t, page_gpa(NPAGES), MMU_WRITE), MMU_FAULT_MMIO);
	KUNIT_EXPECT_EQ(test, test_fault(g.t, BIT_ULL(40), MMU_READ), MMU_FAULT_MMIO);
	KUNIT_EXPECT_EQ(test, test_fault(g.t, -1ull, MMU_WRITE), MMU_FAULT_MMIO);
	KUNIT_EXPECT_EQ(test, test_fault(g.t, 0, MMU_WRITE), MMU_FAULT_READONLY);
	KUNIT_EXPECT_EQ(test, test_fault(g.t, 0, MMU_READ), MMU_FAULT_DONE);
	KUNIT_EXPECT_EQ(test, test_fault(g.t, 0, MMU_WRITE), MMU_FAULT_READONLY);
	KUNIT_EXPECT_EQ(test, test_spte(g.t, 0) & TEST_WRITABLE, 0);
	KUNIT_EXPECT_EQ(test, test_check(test, g.t), 0);
}

static void punch(struct kunit *test)
{
	struct gmem_test g = gmem_setup(test);
	u64 n;

	for (n = 0; n < NPAGES; n++)
		KUNIT_ASSERT_EQ(test, test_fault(g.t, page_gpa(n), MMU_WRITE), 0);
	/* The root, one each of levels 3 and 2, two leaf tables. */
	KUNIT_EXPECT_EQ(test, atomic_long_read(&g.t->mmu.nr_tables), 5);
	flushes(g.t);

	KUNIT_EXPECT_EQ(test, gmem_punch(g.gmem, 1, 3), 0);
	KUNIT_EXPECT_GE(test, flushes(g.t), 1);
	KUNIT_EXPECT_NE(test, page_spte(g.t, 0), 0);
	KUNIT_EXPECT_EQ(test, page_spte(g.t, 1), 0);
	KUNIT_EXPECT_EQ(test, page_spte(g.t, 2), 0);
	KUNIT_EXPECT_NE(test, page_spte(g.t, 3), 0);
	KUNIT_EXPECT_EQ(test, gmem_punch(g.gmem, 1, 3), 0);
	KUNIT_EXPECT_EQ(test, flushes(g.t), 0);
	KUNIT_EXPECT_EQ(test, test_check(test, g.t), 0);

	KUNIT_EXPECT_EQ(test, gmem_punch(g.gmem, 0, NPAGES), 0);
	for (n = 0; n < NPAGES; n++)
		KUNIT_EXPECT_EQ(test, page_spte(g.t, n), 0);
	KUNIT_EXPECT_EQ(test, test_check(test, g.t), 0);
}

static void delete_and_move(struct kunit *test)
{
	struct gmem_test g = gmem_setup(test);
	struct memslot *slot;
	int fd = test_gmem_new(test, NPAGES * PAGE_SIZE);
	u64 n, val = 0;

	for (n = 0; n < NPAGES; n += 3) {
		KUNIT_ASSERT_EQ(test, test_fault(g.t, page_gpa(n), MMU_WRITE), 0);
		KUNIT_ASSERT_EQ(test, test_write(g.t, page_gpa(n), &n, sizeof(n)), 0);
	}
	flushes(g.t);
	mutex_lock(&g.t->mmu.slots_lock);
	slot = xa_load(&g.t->mmu.slots_by_id, 0);
	mutex_unlock(&g.t->mmu.slots_lock);
	KUNIT_EXPECT_EQ(test, gmem_binding_end(&slot->binding), NPAGES);

	KUNIT_ASSERT_EQ(test, test_set_gmem(g.t, 0, 0, 0, -1, 0), 0);
	KUNIT_EXPECT_EQ(test, flushes(g.t), 1);
	for (n = 0; n < NPAGES; n++)
		KUNIT_EXPECT_EQ(test, page_spte(g.t, n), 0);
	KUNIT_EXPECT_EQ(test, test_fault(g.t, page_gpa(0), MMU_READ), MMU_FAULT_MMIO);
	KUNIT_EXPECT_EQ(test, test_check(test, g.t), 0);

	/* Another gmem in its place has nothing of the old one. */
	KUNIT_ASSERT_EQ(test, test_set_gmem(g.t, 0, BASE, NPAGES * PAGE_SIZE, fd, 0), 0);
	KUNIT_ASSERT_EQ(test, test_read(g.t, page_gpa(3), &val, sizeof(val)), 0);
	KUNIT_EXPECT_EQ(test, val, 0);
	val = 77;
	KUNIT_ASSERT_EQ(test, test_write(g.t, page_gpa(3), &val, sizeof(val)), 0);
	KUNIT_ASSERT_EQ(test, test_fault(g.t, page_gpa(3), MMU_WRITE), 0);

	KUNIT_ASSERT_EQ(test, test_set_gmem(g.t, 0, 0x1000, NPAGES * PAGE_SIZE, fd, 0), 0);
	KUNIT_EXPECT_EQ(test, page_spte(g.t, 3), 0);
	KUNIT_ASSERT_EQ(test, test_read(g.t, 0x4000, &val, sizeof(val)), 0);
	KUNIT_EXPECT_EQ(test, val, 77);
	KUNIT_EXPECT_EQ(test, test_fault(g.t, page_gpa(3), MMU_READ), MMU_FAULT_MMIO);
	KUNIT_EXPECT_EQ(test, test_check(test, g.t), 0);
}

/* The binding's callbacks, as gmem would call them. */
static struct gmem_binding *binding(struct test_mmu *t)
{
	struct memslot *slot = xa_load(&t->mmu.slots_by_id, 0);

	return &slot->binding;
}

static void harvest_of(struct kunit *test, u64 dirty_bit)
{
	DECLARE_BITMAP(bits, 512) = { 0 };
	struct gmem_test g = gmem_setup(test);
	struct gmem_binding *b = binding(g.t);
	unsigned long seq;

	g.t->format.dirty = dirty_bit;
	KUNIT_ASSERT_EQ(test, test_fault(g.t, page_gpa(100), MMU_WRITE), 0);
	KUNIT_ASSERT_EQ(test, test_fault(g.t, page_gpa(101), MMU_READ), 0);
	KUNIT_ASSERT_EQ(test, test_fault(g.t, page_gpa(103), MMU_WRITE), 0);
	KUNIT_ASSERT_EQ(test, test_fault(g.t, page_gpa(300), MMU_WRITE), 0);
	flushes(g.t);

	set_bit(5, bits);
	b->ops->harvest(b, 100, 300, bits);
	KUNIT_EXPECT_EQ(test, flushes(g.t), 1);
	KUNIT_EXPECT_TRUE(test, test_bit(0, bits) && test_bit(3, bits) && test_bit(5, bits));
	KUNIT_EXPECT_EQ(test, bitmap_weight(bits, 512), 3);
	KUNIT_EXPECT_EQ(test, !(page_spte(g.t, 100) & TEST_WRITABLE), !dirty_bit);

	bitmap_zero(bits, 512);
	b->ops->harvest(b, 100, 300, bits);
	KUNIT_EXPECT_TRUE(test, bitmap_empty(bits, 512));
	KUNIT_EXPECT_EQ(test, flushes(g.t), 0);

	/* A write sets it again, here by a fault; write-protecting keeps it. */
	if (dirty_bit)
		KUNIT_EXPECT_EQ(test, page_spte(g.t, 103) & dirty_bit, 0);
	b->ops->harvest(b, 300, 301, bits);
	b->ops->wrprotect(b, 0, NPAGES);
	bitmap_zero(bits, 512);
	flushes(g.t);
	KUNIT_ASSERT_EQ(test, test_fault(g.t, page_gpa(103), MMU_WRITE), 0);
	seq = g.t->mmu.inv_seq;
	b->ops->wrprotect(b, 0, NPAGES);
	KUNIT_EXPECT_NE(test, g.t->mmu.inv_seq, seq);
	KUNIT_EXPECT_EQ(test, flushes(g.t), 1);
	KUNIT_EXPECT_EQ(test, page_spte(g.t, 103) & TEST_WRITABLE, 0);
	b->ops->harvest(b, 0, 512, bits);
	KUNIT_EXPECT_TRUE(test, test_bit(103, bits));
	KUNIT_EXPECT_EQ(test, bitmap_weight(bits, 512), 1);
	b->ops->wrprotect(b, 0, NPAGES);
	KUNIT_EXPECT_EQ(test, flushes(g.t), 1);
	KUNIT_EXPECT_EQ(test, test_check(test, g.t), 0);
}

static void harvest_dirty_bits(struct kunit *test)
{
	harvest_of(test, TEST_DIRTY);
}

static void harvest_by_faults(struct kunit *test)
{
	harvest_of(test, 0);
}

/* What the CPU does when the guest writes, but for the log. */
static bool make_dirty(struct mmu *mmu, u64 *sptep, gfn_t gfn, int level, void *arg)
{
	*sptep |= TEST_DIRTY;
	return false;
}

static void written_by_guest(struct test_mmu *t, u64 n)
{
	write_lock(&t->mmu.lock);
	tdp_for_each_leaf(&t->mmu, BASE_GFN + n, BASE_GFN + n + 1, make_dirty, NULL);
	write_unlock(&t->mmu.lock);
}

static unsigned int harvested(struct gmem_binding *b, pgoff_t start, pgoff_t end)
{
	DECLARE_BITMAP(bits, 512) = { 0 };

	b->ops->harvest(b, start, end, bits);
	return bitmap_weight(bits, 512);
}

static void harvest_of_log(struct kunit *test)
{
	struct test_mmu *t = test_mmu_new(test);
	u64 log[] = { page_gpa(3) + 0xabc, 0, page_gpa(NPAGES) };
	struct gmem_binding *b;
	struct gmem_test g;
	int idx;

	t->format.logged = true;
	g = gmem_setup_in(test, t);
	b = binding(g.t);
	KUNIT_ASSERT_EQ(test, test_fault(t, page_gpa(3), MMU_WRITE), 0);
	KUNIT_ASSERT_EQ(test, test_fault(t, page_gpa(4), MMU_WRITE), 0);
	KUNIT_EXPECT_EQ(test, harvested(b, 0, 512), 2);
	flushes(t);

	/* Not believed before it is logged; a look at a part leaves the rest to find. */
	written_by_guest(t, 3);
	written_by_guest(t, 4);
	KUNIT_EXPECT_EQ(test, harvested(b, 0, 512), 0);
	KUNIT_EXPECT_EQ(test, flushes(t), 0);
	idx = srcu_read_lock(&t->mmu.srcu);
	mmu_note_written(&t->mmu, log, ARRAY_SIZE(log));
	srcu_read_unlock(&t->mmu.srcu, idx);
	KUNIT_EXPECT_EQ(test, harvested(b, 4, 5), 1);
	KUNIT_EXPECT_EQ(test, harvested(b, 0, 512), 1);
	KUNIT_EXPECT_EQ(test, harvested(b, 0, 512), 0);

	/* A fault for a write notes it, one for a read does not. */
	KUNIT_ASSERT_EQ(test, test_fault(t, page_gpa(300), MMU_READ), 0);
	KUNIT_EXPECT_EQ(test, harvested(b, 0, 512), 0);
	KUNIT_ASSERT_EQ(test, test_fault(t, page_gpa(300), MMU_WRITE), 0);
	KUNIT_EXPECT_EQ(test, harvested(b, 0, 512), 1);
}

static void seen(void *ctx, pgoff_t off, unsigned long pfn, bool writable)
{
	u64 *sum = ctx;

	*sum += off + (writable ? BIT_ULL(32) : 0);
}

static void show_mappings(struct kunit *test)
{
	struct gmem_test g = gmem_setup(test);
	struct gmem_binding *b = binding(g.t);
	u64 sum = 0, n;

	/* Downwards, so that each gets its own fault. */
	for (n = NPAGES; n--; )
		KUNIT_ASSERT_EQ(test, test_fault(g.t, page_gpa(n), n % 2 ? MMU_WRITE : MMU_READ),
				0);
	b->ops->check(b, 0, NPAGES, seen, &sum);
	KUNIT_EXPECT_EQ(test, sum, NPAGES * (NPAGES - 1) / 2 + (NPAGES / 2 << 32));
	sum = 0;
	b->ops->check(b, 511, 513, seen, &sum);
	KUNIT_EXPECT_EQ(test, sum, 511 + 512 + BIT_ULL(32));
}

/* The checker must find what is wrong. */
static bool break_leaf(struct mmu *mmu, u64 *sptep, gfn_t gfn, int level, void *arg)
{
	*sptep ^= *(u64 *)arg;
	return true;
}

static void expect_violations(struct kunit *test, struct test_mmu *t, u64 change, int want)
{
	write_lock(&t->mmu.lock);
	tdp_for_each_leaf(&t->mmu, BASE_GFN, BASE_GFN + NPAGES, break_leaf, &change);
	write_unlock(&t->mmu.lock);
	KUNIT_EXPECT_EQ(test, test_check(test, t), want);
	write_lock(&t->mmu.lock);
	tdp_for_each_leaf(&t->mmu, BASE_GFN, BASE_GFN + NPAGES, break_leaf, &change);
	write_unlock(&t->mmu.lock);
	KUNIT_EXPECT_EQ(test, test_check(test, t), 0);
}

static void checker_finds(struct kunit *test)
{
	struct gmem_test g = gmem_setup(test);
	u64 n;

	for (n = 0; n < 3; n++)
		KUNIT_ASSERT_EQ(test, test_fault(g.t, page_gpa(n), MMU_READ), 0);
	expect_violations(test, g.t, TEST_WRITABLE, 3);	/* the zero page, writable */
	expect_violations(test, g.t, PAGE_SIZE, 3);	/* another page */
	atomic_long_inc(&g.t->mmu.nr_tables);
	KUNIT_EXPECT_EQ(test, test_check(test, g.t), 1);
	atomic_long_dec(&g.t->mmu.nr_tables);
}

/* At the limit of tables everything goes, and the guest goes on. */
static void table_limit(struct kunit *test)
{
	struct test_mmu *t = test_mmu_new(test);
	int fd = test_gmem_new(test, 64 * PAGE_SIZE);
	long most = 0;
	u64 n, val;

	for (n = 0; n < 64; n++) {
		KUNIT_ASSERT_EQ(test, test_set_gmem(t, n, n << 30, PAGE_SIZE, fd,
						    n * PAGE_SIZE), 0);
		KUNIT_ASSERT_EQ(test, test_write(t, n << 30, &n, sizeof(n)), 0);
	}
	t->mmu.max_tables = 32;
	for (n = 0; n < 64; n++) {
		KUNIT_ASSERT_EQ(test, test_fault(t, n << 30, MMU_WRITE), 0);
		KUNIT_EXPECT_NE(test, test_spte(t, n << 18), 0);
		KUNIT_EXPECT_EQ(test, test_read(t, n << 30, &val, sizeof(val)), 0);
		KUNIT_EXPECT_EQ(test, val, n);
		most = max(most, atomic_long_read(&t->mmu.nr_tables));
	}
	KUNIT_EXPECT_LE(test, most, 32);
	KUNIT_EXPECT_GE(test, flushes(t), 4);
	KUNIT_EXPECT_EQ(test, test_check(test, t), 0);
}

static void five_levels(struct kunit *test)
{
	struct test_mmu *t = kzalloc(sizeof(*t), GFP_KERNEL);
	struct test_mmu *four = test_mmu_new(test);
	int fd = test_gmem_new(test, PAGE_SIZE);
	u64 gpa = BIT_ULL(51) - PAGE_SIZE;

	KUNIT_ASSERT_NOT_NULL(test, t);
	t->format = four->format;
	t->format.levels = 5;
	t->host = (struct mmu_host) {
		.format = &t->format,
		.max_gfn = BIT_ULL(51 - PAGE_SHIFT),
		.flush_tlbs = test_flush_tlbs,
	};
	KUNIT_ASSERT_EQ(test, mmu_init(&t->mmu, &t->host), 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, test_mmu_free, t), 0);
	KUNIT_EXPECT_EQ(test, test_set_gmem(t, 0, gpa, PAGE_SIZE, fd, 0), 0);
	KUNIT_EXPECT_EQ(test, test_fault(t, gpa, MMU_WRITE), 0);
	KUNIT_EXPECT_NE(test, test_spte(t, gpa >> PAGE_SHIFT), 0);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&t->mmu.nr_tables), 5);

	/* Four levels end at 2^48, whatever the host's CPU can address. */
	four->host.max_gfn = BIT_ULL(51 - PAGE_SHIFT);
	KUNIT_EXPECT_EQ(test, test_set_gmem(four, 0, BIT_ULL(48), PAGE_SIZE, fd, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, test_fault(four, BIT_ULL(48), MMU_READ), MMU_FAULT_MMIO);
}

static void user_slot(struct kunit *test)
{
	unsigned long hva = test_mmap(test, 16 * PAGE_SIZE, PROT_READ | PROT_WRITE);
	struct test_mmu *t = test_mmu_new(test);
	u64 val = 42;

	KUNIT_ASSERT_EQ(test, test_set_user(t, 0, BASE, 16 * PAGE_SIZE, hva, 0), 0);
	KUNIT_EXPECT_PTR_EQ(test, t->mmu.mm, current->mm);
	/* A read of nothing maps the kernel's zero page; a write, a page of its own. */
	KUNIT_EXPECT_EQ(test, test_fault(t, page_gpa(1), MMU_READ), 0);
	KUNIT_EXPECT_EQ(test, page_spte(t, 1) & TEST_WRITABLE, 0);
	KUNIT_EXPECT_EQ(test, test_fault(t, page_gpa(1), MMU_WRITE), 0);
	KUNIT_EXPECT_NE(test, page_spte(t, 1) & TEST_WRITABLE, 0);
	/* What is written already, a read maps writable at once. */
	KUNIT_ASSERT_EQ(test, put_user(val, (u64 __user *)(hva + 2 * PAGE_SIZE)), 0);
	KUNIT_EXPECT_EQ(test, test_fault(t, page_gpa(2), MMU_READ), 0);
	KUNIT_EXPECT_EQ(test, page_spte(t, 2) & (TEST_WRITABLE | TEST_DIRTY), TEST_WRITABLE);
	KUNIT_EXPECT_EQ(test, *(u64 *)__va(page_pfn(t, 2) << PAGE_SHIFT), 42);

	flushes(t);
	KUNIT_ASSERT_EQ(test, vm_munmap(hva + 2 * PAGE_SIZE, PAGE_SIZE), 0);
	KUNIT_EXPECT_EQ(test, page_spte(t, 2), 0);
	KUNIT_EXPECT_NE(test, page_spte(t, 1), 0);
	KUNIT_EXPECT_EQ(test, flushes(t), 1);
	KUNIT_EXPECT_EQ(test, test_fault(t, page_gpa(2), MMU_READ), -EFAULT);
	KUNIT_EXPECT_EQ(test, test_fault(t, page_gpa(3), MMU_WRITE), 0);
	KUNIT_EXPECT_EQ(test, t->mmu.inv_active, 0);
	KUNIT_EXPECT_EQ(test, test_check(test, t), 0);

	KUNIT_ASSERT_EQ(test, test_set_user(t, 0, 0, 0, hva, 0), 0);
	KUNIT_EXPECT_EQ(test, page_spte(t, 1), 0);
	KUNIT_EXPECT_EQ(test, test_check(test, t), 0);
}

static void user_read_only(struct kunit *test)
{
	unsigned long hva = test_mmap(test, 4 * PAGE_SIZE, PROT_READ);
	struct test_mmu *t = test_mmu_new(test);
	u8 byte = 0;

	KUNIT_ASSERT_EQ(test, test_set_user(t, 0, BASE, 2 * PAGE_SIZE, hva, 0), 0);
	KUNIT_ASSERT_EQ(test, test_set_user(t, 1, 0, 2 * PAGE_SIZE, hva, KVM_MEM_READONLY), 0);
	KUNIT_EXPECT_EQ(test, test_fault(t, page_gpa(0), MMU_READ), 0);
	KUNIT_EXPECT_EQ(test, test_fault(t, page_gpa(0), MMU_WRITE), -EFAULT);
	KUNIT_EXPECT_EQ(test, test_write(t, page_gpa(0), &byte, 1), -EFAULT);
	KUNIT_EXPECT_EQ(test, test_fault(t, 0, MMU_READ), 0);
	KUNIT_EXPECT_EQ(test, test_fault(t, 0, MMU_WRITE), MMU_FAULT_READONLY);
	KUNIT_EXPECT_EQ(test, test_write(t, 0, &byte, 1), -EROFS);
	KUNIT_EXPECT_EQ(test, page_spte(t, 0) & TEST_WRITABLE, 0);
}

/* 2 MiB where the host has a huge page, 4 KiB again after it was split. */
static void user_huge(struct kunit *test)
{
	unsigned long map = test_mmap(test, 3 * SZ_2M, PROT_READ | PROT_WRITE);
	unsigned long hva = ALIGN(map, SZ_2M);
	struct test_mmu *t = test_mmu_new(test);
	u64 spte, n;

	KUNIT_ASSERT_EQ(test, test_set_user(t, 0, BASE, SZ_2M, hva, 0), 0);
	KUNIT_ASSERT_EQ(test, test_fault(t, page_gpa(17), MMU_WRITE), 0);
	spte = page_spte(t, 17);
	if (!(spte & TEST_LARGE))
		kunit_skip(test, "no huge page to be had");
	KUNIT_EXPECT_EQ(test, page_spte(t, 511), spte);
	KUNIT_EXPECT_EQ(test, tdp_pfn(&t->format, spte) % 512, 0);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&t->mmu.nr_tables), 3);
	KUNIT_EXPECT_EQ(test, test_check(test, t), 0);

	KUNIT_ASSERT_EQ(test, vm_munmap(hva + 5 * PAGE_SIZE, PAGE_SIZE), 0);
	KUNIT_EXPECT_EQ(test, page_spte(t, 17), 0);
	KUNIT_EXPECT_EQ(test, test_fault(t, page_gpa(5), MMU_WRITE), -EFAULT);
	for (n = 0; n < 512; n++)
		if (n != 5)
			KUNIT_ASSERT_EQ(test, test_fault(t, page_gpa(n), MMU_WRITE), 0);
	KUNIT_EXPECT_EQ(test, page_spte(t, 17) & TEST_LARGE, 0);
	KUNIT_EXPECT_EQ(test, page_pfn(t, 17), tdp_pfn(&t->format, spte) + 17);
	KUNIT_EXPECT_EQ(test, page_spte(t, 5), 0);

	/* Where gfn and hva are not aligned alike, or the slot ends before, 4 KiB. */
	KUNIT_ASSERT_EQ(test, test_set_user(t, 1, 0x1000, SZ_2M, hva + SZ_2M, 0), 0);
	KUNIT_ASSERT_EQ(test, test_fault(t, 0x5000, MMU_WRITE), 0);
	KUNIT_EXPECT_EQ(test, test_spte(t, 5) & TEST_LARGE, 0);
	KUNIT_EXPECT_EQ(test, test_check(test, t), 0);
}

/* What happens once between the look-up of a fault and its entry, and how often it tried. */
static struct between {
	void (*what)(void);
	struct test_mmu *t;
	struct gmem *gmem;
	unsigned long hva;
	int tries;
} between;

static void between_once(struct mmu *mmu)
{
	if (!between.tries++)
		between.what();
}

static int fault_with(struct test_mmu *t, void (*what)(void), u32 access)
{
	int r;

	between.what = what;
	between.t = t;
	between.tries = 0;
	mmu_fault_between = between_once;
	r = test_fault(t, BASE, access);
	mmu_fault_between = NULL;
	return r;
}

/* The process has another page there. */
static void remap_between(void)
{
	unsigned long hva = vm_mmap(NULL, between.hva, PAGE_SIZE, PROT_READ | PROT_WRITE,
				    MAP_ANONYMOUS | MAP_PRIVATE | MAP_FIXED, 0);

	if (hva != between.hva || put_user(43ull, (u64 __user *)hva))
		between.tries = -100;
}

/* It has begun to, and is not done when the fault looks for the first time. */
static void begin_between(void)
{
	write_lock(&between.t->mmu.lock);
	between.t->mmu.inv_active = 1;
	between.t->mmu.inv_start = between.hva;
	between.t->mmu.inv_end = between.hva + 1;
	write_unlock(&between.t->mmu.lock);
}

static void punch_between(void)
{
	gmem_punch(between.gmem, 0, 1);
}

static void wrprotect_between(void)
{
	struct gmem_binding *b = &slots_search(&between.t->mmu, BASE_GFN)->binding;

	b->ops->wrprotect(b, 0, 1);
}

static void zap_all_between(void)
{
	tdp_zap_all(&between.t->mmu, true);
}

/* A fault that began before an invalidation, and looks when that is over, notices. */
static void invalidation_between(struct kunit *test)
{
	struct test_mmu *t = test_mmu_new(test);

	between.hva = test_mmap(test, 2 * PAGE_SIZE, PROT_READ | PROT_WRITE);
	KUNIT_ASSERT_EQ(test, test_set_user(t, 0, BASE, 2 * PAGE_SIZE, between.hva, 0), 0);
	/* So that no table is missing, for which a fault would look again anyway. */
	KUNIT_ASSERT_EQ(test, test_fault(t, page_gpa(1), MMU_WRITE), 0);
	KUNIT_ASSERT_EQ(test, put_user(42ull, (u64 __user *)between.hva), 0);
	KUNIT_EXPECT_EQ(test, fault_with(t, remap_between, MMU_WRITE), 0);
	KUNIT_EXPECT_EQ(test, between.tries, 2);
	KUNIT_EXPECT_EQ(test, t->mmu.inv_active, 0);
	KUNIT_ASSERT_NE(test, page_spte(t, 0), 0);
	KUNIT_EXPECT_EQ(test, *(u64 *)__va(page_pfn(t, 0) << PAGE_SHIFT), 43);

	tdp_zap_all(&t->mmu, true);
	KUNIT_EXPECT_EQ(test, fault_with(t, begin_between, MMU_WRITE), 0);
	KUNIT_EXPECT_GT(test, between.tries, 2);
	KUNIT_EXPECT_EQ(test, page_spte(t, 0), 0);
	t->mmu.inv_active = 0;
	KUNIT_EXPECT_EQ(test, test_check(test, t), 0);
}

#define CROWD	300

static struct test_mmu *crowd_mmu;
static int crowd_gaps;

/* While the notifier pauses, slots go: the one that is next, and the one behind it. */
static void crowd_leaves(struct mmu *mmu)
{
	if (crowd_gaps++)
		return;
	test_set_user(crowd_mmu, 64, 0, 0, between.hva, 0);
	test_set_user(crowd_mmu, 65, 0, 0, between.hva, 0);
}

/* Many slots over one page: they are all zapped, and others have their turn between. */
static void crowd_of_slots(struct kunit *test)
{
	struct test_mmu *t = test_mmu_new(test);
	const struct mmu_notifier_ops *ops;
	struct mmu_notifier_range range = { .mm = current->mm };
	u64 n, mapped = 0;

	crowd_mmu = t;
	crowd_gaps = 0;
	range.start = between.hva = test_mmap(test, PAGE_SIZE, PROT_READ | PROT_WRITE);
	range.end = range.start + PAGE_SIZE;
	range.flags = MMU_NOTIFIER_RANGE_BLOCKABLE;
	for (n = 0; n < CROWD; n++) {
		KUNIT_ASSERT_EQ(test, test_set_user(t, n, page_gpa(n), PAGE_SIZE, range.start, 0), 0);
		KUNIT_ASSERT_EQ(test, test_fault(t, page_gpa(n), MMU_WRITE), 0);
	}
	ops = t->mmu.notifier.ops;
	/* Not one of them was used since; but that is more than there is time to find out. */
	ops->clear_young(&t->mmu.notifier, current->mm, range.start, range.end);
	for (n = 0; n < CROWD; n++)
		mapped += !(page_spte(t, n) & TEST_ACCESSED);
	KUNIT_EXPECT_EQ(test, mapped, 64);
	KUNIT_EXPECT_NE(test, ops->test_young(&t->mmu.notifier, current->mm, range.start), 0);

	notifier_between = crowd_leaves;
	ops->invalidate_range_start(&t->mmu.notifier, &range);
	notifier_between = NULL;
	KUNIT_EXPECT_EQ(test, crowd_gaps, CROWD / 64);
	for (n = 0; n < CROWD; n++)
		KUNIT_EXPECT_EQ(test, page_spte(t, n), 0);
	ops->invalidate_range_end(&t->mmu.notifier, &range);
	KUNIT_EXPECT_TRUE(test, list_empty(&t->mmu.hva_walks));
	KUNIT_EXPECT_EQ(test, test_check(test, t), 0);
}

static void gmem_between(struct kunit *test)
{
	struct gmem_test g = gmem_setup(test);
	struct gmem_mapping map;

	between.gmem = g.gmem;
	KUNIT_ASSERT_EQ(test, test_fault(g.t, page_gpa(9), MMU_WRITE), 0);
	KUNIT_EXPECT_EQ(test, fault_with(g.t, punch_between, MMU_WRITE), 0);
	KUNIT_EXPECT_EQ(test, between.tries, 2);
	KUNIT_EXPECT_EQ(test, gmem_fault(g.gmem, 0, false, &map), 0);
	KUNIT_EXPECT_EQ(test, page_pfn(g.t, 0), map.pfn);

	KUNIT_EXPECT_EQ(test, fault_with(g.t, wrprotect_between, MMU_WRITE), 0);
	KUNIT_EXPECT_EQ(test, between.tries, 2);
	KUNIT_EXPECT_NE(test, page_spte(g.t, 0) & TEST_WRITABLE, 0);

	/* And once more because the tables are gone, too. */
	tdp_zap_all(&g.t->mmu, true);
	KUNIT_EXPECT_EQ(test, fault_with(g.t, zap_all_between, MMU_WRITE), 0);
	KUNIT_EXPECT_EQ(test, between.tries, 3);
	KUNIT_EXPECT_EQ(test, test_check(test, g.t), 0);
}

/**
 * struct race - faults, writes and everything that takes away, at the same time
 * @g: what they fight for
 * @fd: its gmem
 * @stop: end now
 * @bad: results that may not be
 * @faults: faults that were served
 */
struct race {
	struct gmem_test g;
	int fd;
	bool stop;
	atomic_t bad, faults;
};

/* Now here, now there, and from there on upwards. */
static int race_fault(void *arg)
{
	struct fault_streaks *streaks = kzalloc(sizeof(*streaks), GFP_KERNEL);
	struct race *r = arg;
	u64 n = 0;

	if (!streaks)
		atomic_inc(&r->bad);
	while (!READ_ONCE(r->stop) && streaks) {
		int err;

		n = n % 16 ? n + 1 : get_random_u32_below(NPAGES);
		err = test_fault_as(r->g.t, streaks, page_gpa(n % NPAGES),
				    n % 3 ? MMU_WRITE : MMU_READ);
		if (err == MMU_FAULT_DONE)
			atomic_inc(&r->faults);
		else if (err != MMU_FAULT_MMIO)
			atomic_inc(&r->bad);
		cond_resched();
	}
	kfree(streaks);
	while (!kthread_should_stop())
		msleep(1);
	return 0;
}

static int race_access(void *arg)
{
	struct race *r = arg;

	while (!READ_ONCE(r->stop)) {
		u64 n = get_random_u32_below(NPAGES), val = 0;
		int err;

		err = n % 2 ? test_write(r->g.t, page_gpa(n) + 8, &n, sizeof(n)) :
			      test_read(r->g.t, page_gpa(n) + 8, &val, sizeof(val));
		if ((err && err != -ENXIO) || (val && val != n))
			atomic_inc(&r->bad);
		cond_resched();
	}
	while (!kthread_should_stop())
		msleep(1);
	return 0;
}

static int race_punch(void *arg)
{
	struct race *r = arg;

	while (!READ_ONCE(r->stop)) {
		u64 n = get_random_u32_below(NPAGES - 8);

		if (gmem_punch(r->g.gmem, n, n + 1 + n % 8))
			atomic_inc(&r->bad);
		if (n % 64 == 0 && gmem_punch(r->g.gmem, 0, NPAGES))
			atomic_inc(&r->bad);
		cond_resched();
	}
	while (!kthread_should_stop())
		msleep(1);
	return 0;
}

/* The slot comes and goes, too, in the test's own thread, which has the fd. */
static void race_slots(struct race *r)
{
	unsigned long end = jiffies + 3 * HZ;

	/* For a while, and however long it takes here until enough has happened. */
	while (time_before(jiffies, end) || (atomic_read(&r->faults) <= 1000 && !atomic_read(&r->bad))) {
		if (test_set_gmem(r->g.t, 0, 0, 0, -1, 0) ||
		    test_set_gmem(r->g.t, 0, BASE, NPAGES * PAGE_SIZE, r->fd, 0))
			atomic_inc(&r->bad);
		msleep(5);
	}
}

static void race_gmem(struct kunit *test)
{
	int (*const threads[])(void *) = { race_fault, race_fault, race_access, race_punch };
	struct task_struct *task[ARRAY_SIZE(threads)];
	struct race r = { .g = { .t = test_mmu_new(test) } };
	int i;

	r.fd = test_gmem_new(test, NPAGES * PAGE_SIZE);
	r.g.gmem = gmem_get_fd(r.fd);
	KUNIT_ASSERT_FALSE(test, IS_ERR(r.g.gmem));
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, test_gmem_put, r.g.gmem), 0);
	KUNIT_ASSERT_EQ(test, test_set_gmem(r.g.t, 0, BASE, NPAGES * PAGE_SIZE, r.fd, 0), 0);
	for (i = 0; i < ARRAY_SIZE(threads); i++)
		task[i] = kthread_run(threads[i], &r, "ditto-race%d", i);
	for (i = 0; i < ARRAY_SIZE(threads); i++)
		if (IS_ERR(task[i]))
			atomic_inc(&r.bad);
	race_slots(&r);
	WRITE_ONCE(r.stop, true);
	for (i = 0; i < ARRAY_SIZE(threads); i++)
		if (!IS_ERR(task[i]))
			kthread_stop(task[i]);
	KUNIT_EXPECT_EQ(test, atomic_read(&r.bad), 0);
	KUNIT_EXPECT_GT(test, atomic_read(&r.faults), 1000);
	KUNIT_EXPECT_EQ(test, test_check(test, r.g.t), 0);
	kunit_info(test, "%d faults, %d flushes", atomic_read(&r.faults), flushes(r.g.t));
}

static struct kunit_case tdp_cases[] = {
	KUNIT_CASE(first_touch),
	KUNIT_CASE(streaks),
	KUNIT_CASE(streaks_without_dirty),
	KUNIT_CASE(streaks_of_reads),
	KUNIT_CASE(no_memory_there),
	KUNIT_CASE(punch),
	KUNIT_CASE(delete_and_move),
	KUNIT_CASE(harvest_dirty_bits),
	KUNIT_CASE(harvest_by_faults),
	KUNIT_CASE(harvest_of_log),
	KUNIT_CASE(show_mappings),
	KUNIT_CASE(checker_finds),
	KUNIT_CASE(table_limit),
	KUNIT_CASE(five_levels),
	KUNIT_CASE(user_slot),
	KUNIT_CASE(user_read_only),
	KUNIT_CASE(user_huge),
	KUNIT_CASE(invalidation_between),
	KUNIT_CASE(gmem_between),
	KUNIT_CASE(crowd_of_slots),
	KUNIT_CASE(race_gmem),
	{}
};

static struct kunit_suite tdp_suite = {
	.name = "ditto_mmu_tdp",
	.test_cases = tdp_cases,
};
kunit_test_suite(tdp_suite);
