// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit: faults, and what takes mappings away at the same time: first at one chosen moment, then
 * all at once for some seconds.
 */
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/random.h>
#include <linux/uaccess.h>

#include "mmu/between.h"
#include "mmu/tdp_kunit.h"

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

static int fault_at(struct test_mmu *t, gpa_t gpa, void (*what)(void), u32 access)
{
	int ret;

	between.what = what;
	between.t = t;
	between.tries = 0;
	mmu_fault_between = between_once;
	ret = test_fault(t, gpa, access);
	mmu_fault_between = NULL;
	return ret;
}

static int fault_with(struct test_mmu *t, void (*what)(void), u32 access)
{
	return fault_at(t, BASE, what, access);
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

/* A page does not wait for what happens to those that would come along. */
static void ahead_between(struct kunit *test)
{
	struct test_mmu *t = test_mmu_new(test);
	u64 n;

	between.hva = test_mmap(test, 16 * PAGE_SIZE, PROT_READ | PROT_WRITE);
	KUNIT_ASSERT_EQ(test, test_set_user(t, 0, BASE, 16 * PAGE_SIZE, between.hva, 0), 0);
	for (n = 0; n < 2; n++)
		KUNIT_EXPECT_EQ(test, test_fault(t, page_gpa(n), MMU_WRITE), 0);
	KUNIT_EXPECT_TRUE(test, spte_there(t, 2));
	between.hva += 4 * PAGE_SIZE;
	KUNIT_EXPECT_EQ(test, fault_at(t, page_gpa(3), begin_between, MMU_WRITE), 0);
	KUNIT_EXPECT_EQ(test, between.tries, 2);
	KUNIT_EXPECT_TRUE(test, spte_there(t, 3));
	KUNIT_EXPECT_FALSE(test, spte_there(t, 4));
	t->mmu.inv_active = 0;
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
	while (time_before(jiffies, end) ||
	       (atomic_read(&r->faults) <= 1000 && !atomic_read(&r->bad))) {
		if (test_set_gmem(r->g.t, 0, 0, 0, -1, 0) ||
		    test_set_gmem(r->g.t, 0, BASE, NPAGES * PAGE_SIZE, r->fd, 0))
			atomic_inc(&r->bad);
		msleep(5);
	}
}

static void race_over(struct kunit *test, u32 flags)
{
	int (*const threads[])(void *) = { race_fault, race_fault, race_access, race_punch };
	struct task_struct *task[ARRAY_SIZE(threads)];
	struct race r = { .g = { .t = test_mmu_new(test) } };
	int i;

	r.fd = test_gmem_new_as(test, NPAGES * PAGE_SIZE, flags);
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

static void race_gmem(struct kunit *test)
{
	race_over(test, 0);
}

/* 2 MiB come and go with the whole punch; splits in between. */
static void race_whole(struct kunit *test)
{
	race_over(test, DITTO_GMEM_HUGEPAGE);
}

/* A large leaf is not entered when the chunk was split since it was seen to be whole. */
static void whole_between(struct kunit *test)
{
	struct gmem_test g = gmem_setup_as(test, test_mmu_new(test), DITTO_GMEM_HUGEPAGE);

	between.gmem = g.gmem;
	KUNIT_ASSERT_EQ(test, fault_at(g.t, page_gpa(9), punch_between, MMU_WRITE), 0);
	KUNIT_EXPECT_EQ(test, page_spte(g.t, 9) & TEST_LARGE, 0);
	KUNIT_EXPECT_EQ(test, page_spte(g.t, 0), 0);
	KUNIT_EXPECT_EQ(test, test_check(test, g.t), 0);
}

static struct kunit_case race_cases[] = {
	KUNIT_CASE(invalidation_between),
	KUNIT_CASE(ahead_between),
	KUNIT_CASE(gmem_between),
	KUNIT_CASE(race_gmem),
	KUNIT_CASE(whole_between),
	KUNIT_CASE(race_whole),
	{}
};

static struct kunit_suite race_suite = {
	.name = "ditto_mmu_race",
	.test_cases = race_cases,
};
kunit_test_suite(race_suite);
