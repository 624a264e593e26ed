// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs the KUnit suites that are linked in.
 */
#include <kunit/test.h>

static struct kunit_suite *suites;
static unsigned int count, failed;

void kunit_add(struct kunit_suite *suite)
{
	suite->next = suites;
	suites = suite;
}

static void run(const struct kunit_suite *suite)
{
	const struct kunit_case *c;

	for (c = suite->test_cases; c->run; c++) {
		struct kunit test = { false, NULL };

		c->run(&test);
		free(test.mem);
		failed += test.failed;
		printf("%sok %u - %s: %s\n", test.failed ? "not " : "", ++count, suite->name,
		       c->name);
	}
}

int main(void)
{
	const struct kunit_suite *suite;

	printf("TAP version 13\n");
	for (suite = suites; suite; suite = suite->next)
		run(suite);
	printf("1..%u\n", count);
	return failed || !count;
}
