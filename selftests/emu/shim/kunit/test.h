/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * As much of KUnit as the emulator's suites use, so that they also run in user space, with TAP
 * output.
 */
#ifndef SHIM_KUNIT_H
#define SHIM_KUNIT_H

#include <stdio.h>
#include <stdlib.h>
#include <linux/types.h>

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define GFP_KERNEL	0

struct kunit {
	bool failed;
	void *mem;	/* freed when the case ends; one is enough here */
};

struct kunit_case {
	void (*run)(struct kunit *test);
	const char *name;
};

struct kunit_suite {
	struct kunit_suite *next;
	const char *name;
	struct kunit_case *test_cases;
};

#define KUNIT_CASE(fn)	{ fn, #fn }

#define KUNIT_EXPECT_EQ_MSG(test, a, b, ...) do {					\
	unsigned long long a_ = (a), b_ = (b);						\
	if (a_ != b_) {									\
		(test)->failed = true;							\
		printf("# line %d: " #a " is 0x%llx, not 0x%llx; ", __LINE__, a_, b_);	\
		printf(__VA_ARGS__);							\
		printf("\n");								\
	}										\
} while (0)
#define KUNIT_EXPECT_EQ(test, a, b)		KUNIT_EXPECT_EQ_MSG(test, a, b, #b)
#define KUNIT_EXPECT_TRUE_MSG(test, a, ...)	KUNIT_EXPECT_EQ_MSG(test, !!(a), 1, __VA_ARGS__)
#define KUNIT_EXPECT_TRUE(test, a)		KUNIT_EXPECT_EQ(test, !!(a), 1)
#define KUNIT_EXPECT_FALSE(test, a)		KUNIT_EXPECT_EQ(test, !!(a), 0)
#define KUNIT_ASSERT_NOT_NULL(test, p)		do { if (!(p)) abort(); } while (0)

static inline void *kunit_kzalloc(struct kunit *test, size_t size, int gfp)
{
	test->mem = calloc(1, size);
	return test->mem;
}

void kunit_add(struct kunit_suite *suite);

/* Before main() begins. */
#define kunit_test_suite(suite)						\
	static void __attribute__((constructor)) suite##_add(void)	\
	{								\
		kunit_add(&(suite));					\
	}

#endif
