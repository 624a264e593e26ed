/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * As much of KUnit as the emulator's suite uses, so that it also runs in user space, with TAP output.
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

static inline int kunit_run(struct kunit_suite *suite)
{
	unsigned int i, failed = 0;

	printf("TAP version 13\n");
	for (i = 0; suite->test_cases[i].run; i++) {
		struct kunit test = { false, NULL };

		suite->test_cases[i].run(&test);
		free(test.mem);
		failed += test.failed;
		printf("%sok %u - %s\n", test.failed ? "not " : "", i + 1,
		       suite->test_cases[i].name);
	}
	printf("1..%u\n", i);
	return failed != 0;
}

#define kunit_test_suite(suite) int main(void) { return kunit_run(&(suite)); }

#endif
