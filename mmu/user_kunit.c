// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit: user-backed slots: what the process's memory is, and its own changes of it.
 */
#include <linux/delay.h>
#include <linux/file.h>
#include <linux/hugetlb.h>
#include <linux/uaccess.h>
#include <linux/workqueue.h>

#include "mmu/notifier.h"
#include "mmu/tdp_kunit.h"

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

/* Of the process's memory, too, each fault right behind the last one brings more pages. */
static void user_streaks(struct kunit *test)
{
	struct test_mmu *t = test_mmu_new(test);
	unsigned long hva = test_mmap(test, 16 * PAGE_SIZE, PROT_READ | PROT_WRITE);

	KUNIT_ASSERT_EQ(test, test_set_user(t, 0, BASE, 16 * PAGE_SIZE, hva, 0), 0);
	KUNIT_EXPECT_EQ(test, test_fault(t, page_gpa(0), MMU_WRITE), 0);
	KUNIT_EXPECT_FALSE(test, spte_there(t, 1));
	KUNIT_EXPECT_EQ(test, test_fault(t, page_gpa(1), MMU_WRITE), 0);
	KUNIT_EXPECT_TRUE(test, spte_touched(t, 1));
	KUNIT_EXPECT_EQ(test, page_spte(t, 2), page_pfn(t, 2) << PAGE_SHIFT | 0x5 | TEST_WRITABLE);
	KUNIT_EXPECT_TRUE(test, PageDirty(pfn_to_page(page_pfn(t, 2))));
	KUNIT_EXPECT_FALSE(test, spte_there(t, 3));
	/* They are the process's. */
	KUNIT_ASSERT_EQ(test, put_user(42ull, (u64 __user *)(hva + 2 * PAGE_SIZE)), 0);
	KUNIT_EXPECT_EQ(test, *(u64 *)__va(page_pfn(t, 2) << PAGE_SHIFT), 42);
	KUNIT_EXPECT_EQ(test, test_check(test, t), 0);
}

/* Reads go ahead over what is there, and make nothing. */
static void user_streaks_of_reads(struct kunit *test)
{
	struct test_mmu *t = test_mmu_new(test);
	unsigned long hva = test_mmap(test, 16 * PAGE_SIZE, PROT_READ | PROT_WRITE);
	u64 n;

	KUNIT_ASSERT_EQ(test, test_set_user(t, 0, BASE, 16 * PAGE_SIZE, hva, 0), 0);
	for (n = 0; n < 3; n++)
		KUNIT_EXPECT_EQ(test, test_fault(t, page_gpa(n), MMU_READ), 0);
	KUNIT_EXPECT_FALSE(test, spte_there(t, 3));
	for (n = 8; n < 12; n++)
		KUNIT_ASSERT_EQ(test, put_user(n, (u64 __user *)(hva + n * PAGE_SIZE)), 0);
	KUNIT_EXPECT_EQ(test, test_fault(t, page_gpa(8), MMU_READ), 0);
	KUNIT_EXPECT_EQ(test, test_fault(t, page_gpa(9), MMU_READ), 0);
	KUNIT_EXPECT_EQ(test, page_spte(t, 10),
			page_pfn(t, 10) << PAGE_SHIFT | 0x5 | TEST_WRITABLE);
	KUNIT_EXPECT_EQ(test, test_fault(t, page_gpa(11), MMU_READ), 0);
	KUNIT_EXPECT_FALSE(test, spte_there(t, 12));
	KUNIT_EXPECT_EQ(test, test_check(test, t), 0);
}

#define CROWD	300

static struct test_mmu *crowd_mmu;
static int crowd_gaps;
static unsigned long crowd_hva;

/* While the notifier pauses, slots go: the one that is next, and the one behind it. */
static void crowd_leaves(struct mmu *mmu)
{
	if (crowd_gaps++)
		return;
	test_set_user(crowd_mmu, 64, 0, 0, crowd_hva, 0);
	test_set_user(crowd_mmu, 65, 0, 0, crowd_hva, 0);
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
	range.start = crowd_hva = test_mmap(test, PAGE_SIZE, PROT_READ | PROT_WRITE);
	range.end = range.start + PAGE_SIZE;
	range.flags = MMU_NOTIFIER_RANGE_BLOCKABLE;
	for (n = 0; n < CROWD; n++) {
		KUNIT_ASSERT_EQ(test, test_set_user(t, n, page_gpa(n), PAGE_SIZE, range.start, 0),
				0);
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

/* A gmem's fd, mapped in the test's own process. */
static unsigned long test_map_gmem(struct kunit *test, u64 size)
{
	struct file *file = fget(test_gmem_new(test, size));
	unsigned long hva;

	KUNIT_ASSERT_NOT_NULL(test, file);
	hva = kunit_vm_mmap(test, file, 0, size, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
	fput(file);
	KUNIT_ASSERT_NE(test, hva, 0);
	KUNIT_ASSERT_LT(test, hva, TASK_SIZE);
	return hva;
}

/* Tables of a window that has ended are freed by a work item, after readers. */
static void window_tables(struct kunit *test)
{
	unsigned long hva = test_map_gmem(test, SZ_4M);
	struct test_mmu *t = test_mmu_new(test);
	int idx;

	KUNIT_ASSERT_EQ(test, test_set_user(t, 0, BASE, SZ_4M, hva, 0), 0);
	KUNIT_ASSERT_EQ(test, test_fault(t, page_gpa(1), MMU_WRITE), 0);
	KUNIT_ASSERT_EQ(test, test_fault(t, page_gpa(513), MMU_WRITE), 0);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&t->mmu.nr_tables), 5);

	idx = srcu_read_lock_notrace(&t->mmu.srcu);
	KUNIT_ASSERT_EQ(test, vm_munmap(hva, PAGE_SIZE), 0);
	/* A reader may take as long as a user likes: no thread waits for it. */
	msleep(20);
	KUNIT_EXPECT_EQ(test, work_busy(&t->mmu.windows_work), 0);
	KUNIT_EXPECT_EQ(test, page_spte(t, 1), 0);
	KUNIT_EXPECT_EQ(test, t->mmu.nr_windows_dead, 1);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&t->mmu.nr_tables), 5);
	KUNIT_EXPECT_EQ(test, test_check(test, t), 0);
	atomic_long_sub(3, &t->mmu.nr_tables);	/* less than there are is never right */
	KUNIT_EXPECT_EQ(test, test_check(test, t), 1);
	atomic_long_add(3, &t->mmu.nr_tables);
	srcu_read_unlock_notrace(&t->mmu.srcu, idx);

	srcu_barrier(&t->mmu.srcu);
	flush_work(&t->mmu.windows_work);
	KUNIT_EXPECT_EQ(test, t->mmu.nr_windows_dead, 0);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&t->mmu.nr_tables), 3);
	KUNIT_EXPECT_EQ(test, test_check(test, t), 0);
}

static struct kunit_case user_cases[] = {
	KUNIT_CASE(user_slot),
	KUNIT_CASE(user_read_only),
	KUNIT_CASE(user_huge),
	KUNIT_CASE(user_streaks),
	KUNIT_CASE(user_streaks_of_reads),
	KUNIT_CASE(crowd_of_slots),
	KUNIT_CASE(window_tables),
	{}
};

static struct kunit_suite user_suite = {
	.name = "ditto_mmu_user",
	.test_cases = user_cases,
};
kunit_test_suite(user_suite);
