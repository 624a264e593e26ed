/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tests from a table, reported in KTAP. Every test runs in a process of its
 * own with a time limit, so one that hangs or dies is one "not ok" and the rest
 * still run. A test fails by fail() or an ASSERT, and passes by returning.
 */
#ifndef SELFTESTS_TAP_H
#define SELFTESTS_TAP_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int64_t s64;

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/**
 * struct tap_test - one test
 * @name: printed, and matched by names on the command line
 * @fn: runs in a child process
 * @arg: for @fn
 * @seconds: time limit, 0 for the default of 20
 */
struct tap_test {
	const char *name;
	void (*fn)(const void *arg);
	const void *arg;
	unsigned int seconds;
};

/**
 * struct tap_options - from the command line; constant while tests run
 * @dev: the device under test: --dev, else $DITTO_DEV, else /dev/ditto
 * @ditto: @dev is ditto's, not stock KVM's
 * @gmem: guests' memory is gmem: --backing gmem, the default on ditto
 */
extern struct tap_options {
	const char *dev;
	bool ditto;
	bool gmem;
} tap;

int tap_main(int argc, char **argv, const struct tap_test *tests, size_t count);

void note(const char *format, ...) __attribute__((format(printf, 1, 2)));
void fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
void skip(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

void assert_eq(const char *file, int line, const char *what, u64 got, u64 want);
void assert_true(const char *file, int line, const char *what, bool is);
void assert_errno(const char *file, int line, const char *what, long result, int want);

#define ASSERT(cond) assert_true(__FILE__, __LINE__, #cond, (cond))
#define ASSERT_EQ(got, want) \
	assert_eq(__FILE__, __LINE__, #got, (u64)(got), (u64)(want))
/* The call gives -1 with this errno; its result is judged before errno changes. */
#define ASSERT_ERRNO(call, want) \
	assert_errno(__FILE__, __LINE__, #call, (long)(call), (want))
/* The call succeeds; gives its result. */
#define CHECKED(call) ({						\
	long checked_ = (long)(call);					\
	if (checked_ == -1)						\
		fail("%s:%d: %s: %s", __FILE__, __LINE__, #call, strerror(errno)); \
	checked_; })

/* A test that means nothing on stock KVM begins with this. */
void need_ditto(void);

#endif
