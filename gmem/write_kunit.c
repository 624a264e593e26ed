// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the kernel's own writes while a gmem is forked.
 */
#include <linux/kthread.h>
#include <linux/slab.h>
#include <ditto.h>

#include "gmem/fake.h"
#include "gmem/fork.h"

#define FORKS	300

/* Whole pages of one byte, each time another. */
static int writer(void *arg)
{
	struct gmem *g = arg;
	u8 *page = kmalloc(PAGE_SIZE, GFP_KERNEL);
	unsigned int n;

	for (n = 0; page && !kthread_should_stop(); n++) {
		memset(page, n, PAGE_SIZE);
		WARN_ON_ONCE(gmem_write(g, 0, page, PAGE_SIZE));
		cond_resched();
	}
	kfree(page);
	while (!kthread_should_stop())
		schedule_timeout_interruptible(1);
	return 0;
}

/* What a fork has begun with does not change, and is one write's. */
static void written_while_forked(struct kunit *test)
{
	struct gmem *g = gmem_create_obj(PAGE_SIZE, 0), *child;
	u8 *was = kunit_kzalloc(test, 2 * PAGE_SIZE, GFP_KERNEL), *is = was + PAGE_SIZE;
	struct task_struct *task;
	unsigned int i, torn = 0, changed = 0;

	KUNIT_ASSERT_FALSE(test, IS_ERR(g));
	KUNIT_ASSERT_NOT_NULL(test, was);
	task = kthread_run(writer, g, "ditto-writer");
	KUNIT_ASSERT_FALSE(test, IS_ERR(task));
	for (i = 0; i < FORKS; i++) {
		child = gmem_fork(g);
		if (IS_ERR(child))
			break;
		gmem_read(child, 0, was, PAGE_SIZE);
		torn += !!memchr_inv(was, was[0], PAGE_SIZE);
		cond_resched();
		gmem_read(child, 0, is, PAGE_SIZE);
		changed += !!memcmp(was, is, PAGE_SIZE);
		gmem_put(child);
	}
	kthread_stop(task);
	KUNIT_EXPECT_EQ(test, i, FORKS);
	KUNIT_EXPECT_EQ(test, torn, 0);
	KUNIT_EXPECT_EQ(test, changed, 0);
	gmem_put(g);
	KUNIT_EXPECT_EQ(test, fake_check_all(test), 0);
}

static struct kunit_case write_cases[] = {
	KUNIT_CASE(written_while_forked),
	{}
};

static struct kunit_suite write_suite = {
	.name = "ditto_gmem_write",
	.test_cases = write_cases,
};

kunit_test_suite(write_suite);
