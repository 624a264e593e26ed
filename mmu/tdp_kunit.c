// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit: TDP faults in a gmem's slot, and what takes mappings away again: punching, slots
 * that go, write-protecting, harvesting, the table limit.
 * The fake host counts flushes: none is missing, none is for nothing.
 */
#include "mmu/guest.h"
#include "mmu/tdp_kunit.h"

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

/* Map all pages writable, and take that away while somebody wants the CPU. Gives how many steps. */
static int wrprotect_all(struct kunit *test, struct gmem_test *g, struct gmem_binding *b)
{
	u64 n, writable = 0;

	for (n = 0; n < NPAGES; n++)
		KUNIT_ASSERT_EQ(test, test_fault(g->t, page_gpa(n), MMU_WRITE), 0);
	flushes(g->t);
	set_tsk_need_resched(current);
	b->ops->wrprotect(b, 0, NPAGES);
	for (n = 0; n < NPAGES; n++)
		writable += !!(page_spte(g->t, n) & TEST_WRITABLE);
	KUNIT_EXPECT_EQ(test, writable, 0);
	return flushes(g->t);
}

/* Many pages are write-protected in steps, and none is left out. */
static void wrprotect_in_steps(struct kunit *test)
{
	struct gmem_test g = gmem_setup(test);
	struct gmem_binding *b = binding(g.t);
	int tries, steps = 1;

	/* An interrupt may have given the CPU away already. */
	for (tries = 0; tries < 100 && steps == 1; tries++)
		steps = wrprotect_all(test, &g, b);
	KUNIT_EXPECT_GT(test, steps, 1);
	KUNIT_EXPECT_EQ(test, test_check(test, g.t), 0);
}

/* The entry that points at the table with a page's leaf. */
static u64 *table_entry(struct test_mmu *t, u64 n)
{
	u64 *table = t->mmu.root;
	int level;

	for (level = t->format.levels; level > 2; level--)
		table = tdp_table(&t->format, table[tdp_index(BASE_GFN + n, level)]);
	return &table[tdp_index(BASE_GFN + n, 2)];
}

/* Bit n: chunk n may have been written. */
static unsigned long surveyed(struct memslot *slot, pgoff_t start, pgoff_t end)
{
	DECLARE_BITMAP(chunks, GMEM_DIR_CHUNKS) = { 0 };

	slot->binding.ops->survey(&slot->binding, start, end, chunks);
	return chunks[0];
}

/* A table that the CPU has not used since the last survey has nothing to be harvested. */
static void survey_of_tables(struct kunit *test)
{
	struct gmem_test g = gmem_setup(test);
	struct memslot *slot;
	u8 byte = 1;
	int idx;

	KUNIT_EXPECT_EQ(test, test_fault(g.t, page_gpa(0), MMU_WRITE), MMU_FAULT_DONE);
	KUNIT_EXPECT_EQ(test, test_fault(g.t, page_gpa(600), MMU_WRITE), MMU_FAULT_DONE);
	idx = srcu_read_lock(&g.t->mmu.srcu);
	slot = mmu_find_slot(&g.t->mmu, BASE_GFN);
	flushes(g.t);
	KUNIT_EXPECT_EQ(test, surveyed(slot, 0, NPAGES), 3);
	KUNIT_EXPECT_EQ(test, flushes(g.t), 1);
	KUNIT_EXPECT_EQ(test, surveyed(slot, 0, NPAGES), 0);
	KUNIT_EXPECT_EQ(test, flushes(g.t), 0);
	*table_entry(g.t, 600) |= TEST_ACCESSED;	/* as the CPU does */
	KUNIT_EXPECT_EQ(test, surveyed(slot, 0, NPAGES), 2);
	KUNIT_EXPECT_EQ(test, surveyed(slot, 0, NPAGES), 0);
	/*
	 * What is not all of the range keeps its bit, for the other binding that has something
	 * there.
	 */
	*table_entry(g.t, 600) |= TEST_ACCESSED;
	flushes(g.t);
	KUNIT_EXPECT_EQ(test, surveyed(slot, 0, 600), 2);
	KUNIT_EXPECT_EQ(test, surveyed(slot, 601, NPAGES), 2);
	KUNIT_EXPECT_EQ(test, flushes(g.t), 0);
	KUNIT_EXPECT_EQ(test, surveyed(slot, 0, NPAGES), 2);
	/* What the kernel writes through a leaf counts. */
	KUNIT_EXPECT_EQ(test, surveyed(slot, 0, NPAGES), 0);
	KUNIT_EXPECT_TRUE(test, guest_poke(&g.t->mmu, page_gpa(3), byte) ||
				guest_poke(&g.t->mmu, page_gpa(0), byte));
	KUNIT_EXPECT_EQ(test, surveyed(slot, 0, NPAGES), 1);
	/* Without such bits all is looked at. */
	g.t->format.accessed = 0;
	KUNIT_EXPECT_EQ(test, surveyed(slot, 0, NPAGES), 3);
	g.t->format.accessed = TEST_ACCESSED;
	srcu_read_unlock(&g.t->mmu.srcu, idx);
}

/* Two slots meet within a table: neither takes the bit from the other. */
static void survey_of_neighbours(struct kunit *test)
{
	struct test_mmu *t = test_mmu_new(test);
	int fd = test_gmem_new(test, NPAGES * PAGE_SIZE);
	struct memslot *low, *high;
	int idx;

	KUNIT_ASSERT_EQ(test, test_set_gmem(t, 0, BASE, 100 * PAGE_SIZE, fd, 0), 0);
	KUNIT_ASSERT_EQ(test, test_set_gmem(t, 1, page_gpa(100), 500 * PAGE_SIZE, fd,
					    512 * PAGE_SIZE), 0);
	KUNIT_EXPECT_EQ(test, test_fault(t, page_gpa(200), MMU_WRITE), MMU_FAULT_DONE);
	idx = srcu_read_lock(&t->mmu.srcu);
	low = mmu_find_slot(&t->mmu, BASE_GFN);
	high = mmu_find_slot(&t->mmu, BASE_GFN + 100);
	KUNIT_EXPECT_EQ(test, surveyed(low, 0, 100), 1);
	KUNIT_EXPECT_EQ(test, surveyed(high, 512, 1012), 2);
	KUNIT_EXPECT_EQ(test, surveyed(high, 512, 1012), 2);
	srcu_read_unlock(&t->mmu.srcu, idx);
}

static void harvest_dirty_bits(struct kunit *test)
{
	harvest_of(test, TEST_DIRTY);
}

static void harvest_by_faults(struct kunit *test)
{
	harvest_of(test, 0);
}

/* What the CPU does when the guest writes, except for the log. */
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

static struct kunit_case tdp_cases[] = {
	KUNIT_CASE(first_touch),
	KUNIT_CASE(streaks),
	KUNIT_CASE(streaks_without_dirty),
	KUNIT_CASE(streaks_of_reads),
	KUNIT_CASE(no_memory_there),
	KUNIT_CASE(punch),
	KUNIT_CASE(delete_and_move),
	KUNIT_CASE(survey_of_tables),
	KUNIT_CASE(survey_of_neighbours),
	KUNIT_CASE(harvest_dirty_bits),
	KUNIT_CASE(harvest_by_faults),
	KUNIT_CASE(harvest_of_log),
	KUNIT_CASE(wrprotect_in_steps),
	KUNIT_CASE(show_mappings),
	KUNIT_CASE(checker_finds),
	KUNIT_CASE(table_limit),
	KUNIT_CASE(five_levels),
	{}
};

static struct kunit_suite tdp_suite = {
	.name = "ditto_mmu_tdp",
	.test_cases = tdp_cases,
};
kunit_test_suite(tdp_suite);
