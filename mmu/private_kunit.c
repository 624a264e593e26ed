// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit: memory that the VMM cannot see, and changes of which gfns that is: what the merge
 * engine learns of, what somebody sees who looks meanwhile, and ranges in great numbers.
 */
#include <linux/completion.h>
#include <linux/kthread.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>

#include "gmem/merge.h"
#include "mmu/between.h"
#include "mmu/kunit.h"
#include "mmu/private.h"

#define OWNER	77
#define PAGE	5		/* the tests' page in the slot */

/**
 * struct private_test - a slot of 2 MiB at 0 that can be private
 * @t: its machine
 * @gmem: the private memory; NULL: there is none
 * @hva: the shared memory
 */
struct private_test {
	struct test_mmu *t;
	struct gmem *gmem;
	unsigned long hva;
};

static void put_gmem(void *gmem)
{
	gmem_put(gmem);
}

static void guest_memfd(struct kunit *test, struct private_test *p,
			struct kvm_userspace_memory_region2 *r)
{
	int fd = gmem_create_guest(SZ_2M, OWNER, 0);

	KUNIT_ASSERT_GE(test, fd, 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, test_fd_close,
							(void *)(long)fd), 0);
	p->gmem = gmem_get_guest_fd(fd, OWNER);
	KUNIT_ASSERT_FALSE(test, IS_ERR(p->gmem));
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, put_gmem, p->gmem), 0);
	r->flags = KVM_MEM_GUEST_MEMFD;
	r->guest_memfd = fd;
}

static struct private_test setup(struct kunit *test, bool behind)
{
	struct private_test p = { .hva = test_mmap(test, SZ_2M, PROT_READ | PROT_WRITE) };
	struct kvm_userspace_memory_region2 r = {
		.memory_size = SZ_2M, .userspace_addr = p.hva,
	};

	p.t = test_mmu_new(test);
	p.t->mmu.private_mem = true;
	p.t->mmu.owner = OWNER;
	if (behind)
		guest_memfd(test, &p, &r);
	KUNIT_ASSERT_EQ(test, mmu_set_user_region2(&p.t->mmu, &r), 0);
	return p;
}

static int set_private(struct test_mmu *t, u64 first, u64 nr, bool private)
{
	struct kvm_memory_attributes a = {
		.address = first << PAGE_SHIFT, .size = nr << PAGE_SHIFT,
		.attributes = private ? KVM_MEMORY_ATTRIBUTE_PRIVATE : 0,
	};

	return mmu_set_attributes(&t->mmu, &a);
}

/* Would the merge engine look at the page? */
static bool ripe(struct kunit *test, struct gmem *g)
{
	DECLARE_BITMAP(bits, GMEM_CHUNK_PAGES) = { 0 };
	unsigned long waits = 0;
	struct gmem_cursor cur;
	bool there;

	there = gmem_cursor_at(&cur, g, 0);
	KUNIT_ASSERT_TRUE(test, there);
	gmem_scan_chunk(&cur, bits, &waits);
	gmem_cursor_leave(&cur);
	return test_bit(PAGE, bits);
}

static bool make_dirty(struct mmu *mmu, u64 *sptep, gfn_t gfn, int level, void *arg)
{
	*sptep |= TEST_DIRTY;
	return false;
}

/* The guest has written to its private page, which was calm until then. */
static void write_calm(struct kunit *test, struct private_test *p)
{
	KUNIT_ASSERT_EQ(test, set_private(p->t, 0, 512, true), 0);
	KUNIT_ASSERT_EQ(test, test_fault(p->t, PAGE << PAGE_SHIFT, MMU_WRITE), MMU_FAULT_DONE);
	ripe(test, p->gmem);
	KUNIT_EXPECT_TRUE(test, ripe(test, p->gmem));
	write_lock(&p->t->mmu.lock);
	tdp_for_each_leaf(&p->t->mmu, PAGE, PAGE + 1, make_dirty, NULL);
	write_unlock(&p->t->mmu.lock);
	KUNIT_EXPECT_NE(test, test_spte(p->t, PAGE) & TEST_DIRTY, 0);
}

/* A write that the engine has not seen is not lost when its page becomes a shared one. */
static void dirty_converted(struct kunit *test)
{
	struct private_test p = setup(test, true);

	write_calm(test, &p);
	KUNIT_EXPECT_EQ(test, set_private(p.t, PAGE, 1, false), 0);
	KUNIT_EXPECT_EQ(test, test_spte(p.t, PAGE), 0);
	KUNIT_EXPECT_FALSE(test, ripe(test, p.gmem));
	KUNIT_EXPECT_EQ(test, test_check(test, p.t), 0);
}

/* Nor when the process takes away what it has at the same place. */
static void dirty_unmapped(struct kunit *test)
{
	struct private_test p = setup(test, true);

	write_calm(test, &p);
	KUNIT_ASSERT_EQ(test, vm_munmap(p.hva, SZ_2M), 0);
	KUNIT_EXPECT_EQ(test, test_spte(p.t, PAGE), 0);
	KUNIT_EXPECT_FALSE(test, ripe(test, p.gmem));
	KUNIT_EXPECT_EQ(test, test_fault(p.t, PAGE << PAGE_SHIFT, MMU_READ), MMU_FAULT_DONE);
	KUNIT_EXPECT_EQ(test, test_check(test, p.t), 0);
}

/* Another thread's, because the one that faults is in a read section. */
static struct sharer {
	struct test_mmu *t;
	struct completion done;
} sharer;

static int share_all(void *arg)
{
	set_private(sharer.t, 0, 512, false);
	complete(&sharer.done);
	return 0;
}

/* What was private becomes shared, once, just after somebody has found no slot for it. */
static void share_between(struct mmu *mmu)
{
	mmu_fault_between = NULL;
	init_completion(&sharer.done);
	if (!IS_ERR(kthread_run(share_all, NULL, "ditto-share")))
		wait_for_completion(&sharer.done);
}

/* RAM is never a device's, also while it becomes shared. */
static void no_device(struct kunit *test)
{
	struct private_test p = setup(test, false);
	u8 byte;

	sharer.t = p.t;
	KUNIT_ASSERT_EQ(test, set_private(p.t, 0, 512, true), 0);
	KUNIT_EXPECT_EQ(test, test_fault(p.t, 0, MMU_READ), -EFAULT);
	mmu_fault_between = share_between;
	KUNIT_EXPECT_EQ(test, test_fault(p.t, 0, MMU_READ), MMU_FAULT_DONE);
	KUNIT_EXPECT_PTR_EQ(test, mmu_fault_between, NULL);

	KUNIT_ASSERT_EQ(test, set_private(p.t, 0, 512, true), 0);
	mmu_fault_between = share_between;
	KUNIT_EXPECT_EQ(test, test_read(p.t, 0, &byte, 1), -EFAULT);
	KUNIT_EXPECT_PTR_EQ(test, mmu_fault_between, NULL);
	KUNIT_EXPECT_EQ(test, test_read(p.t, 0, &byte, 1), 0);
	KUNIT_EXPECT_EQ(test, test_read(p.t, SZ_2M, &byte, 1), -ENXIO);
}

#define RANGES	1500ul

static void every_second(struct kunit *test, struct test_mmu *t)
{
	unsigned long i;

	for (i = 0; i < RANGES; i++)
		KUNIT_ASSERT_EQ(test, set_private(t, 2 * i, 1, true), 0);
}

static unsigned long count_private(struct test_mmu *t)
{
	unsigned long gfn, n = 0;

	for (gfn = 0; gfn < 2 * RANGES; gfn++)
		n += mmu_is_private(&t->mmu, gfn);
	return n;
}

static unsigned long steps;

static void count_step(struct mmu *mmu)
{
	steps++;
}

/* As set_private(), which succeeds; the number of steps that it took. */
static unsigned long steps_of(struct kunit *test, struct test_mmu *t, u64 first, u64 nr,
			      bool private)
{
	steps = 0;
	mmu_fault_between = count_step;
	KUNIT_EXPECT_EQ(test, set_private(t, first, nr, private), 0);
	mmu_fault_between = NULL;
	return steps;
}

/* Very many ranges become one, and none, in steps; what lies beside them stays. */
static void many_ranges(struct kunit *test)
{
	struct private_test p = setup(test, false);

	/* Else the kernel frees what is not the tree's; KASAN may notice, or not. */
	KUNIT_ASSERT_TRUE(test, p.t->mmu.privates.ma_flags & MT_FLAGS_ALLOC_RANGE);
	every_second(test, p.t);
	KUNIT_EXPECT_EQ(test, count_private(p.t), RANGES);
	KUNIT_EXPECT_GE(test, steps_of(test, p.t, 1, 2 * RANGES - 4, true), RANGES / 256);
	KUNIT_EXPECT_EQ(test, count_private(p.t), 2 * RANGES - 2);
	KUNIT_EXPECT_EQ(test, steps_of(test, p.t, 1, 2 * RANGES - 1, false), 1);
	KUNIT_EXPECT_EQ(test, count_private(p.t), 1);
	every_second(test, p.t);
	KUNIT_EXPECT_GE(test, steps_of(test, p.t, 1, 2 * RANGES - 3, false), RANGES / 256);
	KUNIT_EXPECT_EQ(test, count_private(p.t), 2);
	rcu_barrier();		/* for KASAN */
	KUNIT_EXPECT_EQ(test, test_check(test, p.t), 0);
}

/* Much that is mapped goes in steps, too; where nothing can be, one is enough. */
static void wide_steps(struct kunit *test)
{
	struct private_test p = setup(test, false);
	gfn_t end = mmu_max_gfn(&p.t->mmu);
	u64 steps_below = DIV_ROUND_UP(end, 1ul << 24);

	KUNIT_EXPECT_EQ(test, steps_of(test, p.t, 0, end, true), steps_below);
	KUNIT_EXPECT_EQ(test, steps_of(test, p.t, end, 1ul << 51, true), 1);
	KUNIT_EXPECT_TRUE(test, mmu_is_private(&p.t->mmu, end - 1));
	KUNIT_EXPECT_EQ(test, steps_of(test, p.t, 0, 1ul << 24, false), 1);
	KUNIT_EXPECT_FALSE(test, mmu_is_private(&p.t->mmu, (1ul << 24) - 1));
	KUNIT_EXPECT_TRUE(test, mmu_is_private(&p.t->mmu, 1ul << 24));
}

/* Somebody who makes the whole slot private, or shared, and is killed after a step. */
struct changer {
	struct test_mmu *t;
	bool private;
	int err;
	struct completion ends;
};

static void kill_me(struct mmu *mmu)
{
	mmu_fault_between = NULL;
	send_sig(SIGKILL, current, 1);
}

static int change_all(void *arg)
{
	struct changer *c = arg;

	allow_signal(SIGKILL);
	mmu_fault_between = kill_me;
	c->err = set_private(c->t, 0, 2 * RANGES, c->private);
	complete(&c->ends);
	return 0;
}

static int change_killed(struct kunit *test, struct test_mmu *t, bool private)
{
	struct changer c = { .t = t, .private = private };
	struct task_struct *thread;

	init_completion(&c.ends);
	thread = kthread_run(change_all, &c, "ditto-change");
	KUNIT_ASSERT_FALSE(test, IS_ERR(thread));
	wait_for_completion(&c.ends);
	return c.err;
}

/* A change that is ended is done up to some gfn, and the same call again does the rest. */
static void many_killed(struct kunit *test)
{
	struct private_test p = setup(test, false);
	unsigned long now;

	every_second(test, p.t);
	KUNIT_EXPECT_EQ(test, change_killed(test, p.t, true), -EINTR);
	now = count_private(p.t);
	KUNIT_EXPECT_GT(test, now, RANGES);
	KUNIT_EXPECT_LT(test, now, RANGES + 512);
	KUNIT_EXPECT_EQ(test, set_private(p.t, 0, 2 * RANGES, true), 0);
	KUNIT_EXPECT_EQ(test, count_private(p.t), 2 * RANGES);
	KUNIT_EXPECT_EQ(test, set_private(p.t, 0, 2 * RANGES, false), 0);
	every_second(test, p.t);
	KUNIT_EXPECT_EQ(test, change_killed(test, p.t, false), -EINTR);
	now = count_private(p.t);
	KUNIT_EXPECT_LT(test, now, RANGES);
	KUNIT_EXPECT_GT(test, now, RANGES - 512);
	KUNIT_EXPECT_EQ(test, test_check(test, p.t), 0);
}


/* When the machine ends they go one by one, and not by RCU in one callback. */
static void many_end(struct kunit *test)
{
	struct private_test p = setup(test, false);

	every_second(test, p.t);
	steps = 0;
	mmu_fault_between = count_step;
	private_destroy(&p.t->mmu);
	mmu_fault_between = NULL;
	KUNIT_EXPECT_EQ(test, steps, RANGES);
	KUNIT_EXPECT_TRUE(test, mtree_empty(&p.t->mmu.privates));
}

static struct kunit_case private_cases[] = {
	KUNIT_CASE(dirty_converted),
	KUNIT_CASE(dirty_unmapped),
	KUNIT_CASE(no_device),
	KUNIT_CASE(many_ranges),
	KUNIT_CASE(wide_steps),
	KUNIT_CASE(many_killed),
	KUNIT_CASE(many_end),
	{}
};

static struct kunit_suite private_suite = {
	.name = "ditto_mmu_private",
	.test_cases = private_cases,
};
kunit_test_suite(private_suite);
