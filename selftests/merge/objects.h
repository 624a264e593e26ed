/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Objects of known contents, and the merge engine's knobs, for the tests of merging.
 */
#ifndef SELFTESTS_OBJECTS_H
#define SELFTESTS_OBJECTS_H

#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "knobs.h"
#include "vm.h"

#define PAGES 256
#define SIZE (PAGES * PAGE_SIZE)
#define COUNT 4

static int gmem[COUNT];
static u8 *map[COUNT];

static inline void knob(const char *name, long value)
{
	char path[128];

	snprintf(path, sizeof(path), DITTO_KSM "%s", name);
	if (knob_write(path, value))
		fail("%s = %ld: %s", path, value, strerror(errno));
}

static inline long counter(const char *name)
{
	char path[128];
	long value;

	snprintf(path, sizeof(path), DITTO_KSM "%s", name);
	value = knob_read(path);
	if (value < 0)
		fail("%s: %s", path, strerror(errno));
	return value;
}

static inline void engine_off(void)
{
	knob("run", 2);
	knob("run", 0);
	ASSERT_EQ(counter("pages_shared"), 0);
	ASSERT_EQ(counter("pages_sharing"), 0);
}

static inline void engine_on(void)
{
	knob("pages_to_scan", 10000);
	knob("sleep_millisecs", 10);
	knob("run", 1);
}

/* Until a counter has exactly this value, and keeps it for two more full scans. */
static inline void settle(const char *name, long want)
{
	long scans = -1;

	for (;;) {
		long now = counter(name);

		if (now != want)
			scans = -1;
		else if (scans < 0)
			scans = counter("full_scans");
		else if (counter("full_scans") >= scans + 2)
			return;
		if (now > want)
			fail("%s is %ld, want %ld", name, now, want);
		usleep(20000);
	}
}

/* The engine counts scans only while there is something to scan: one page. */
static inline void keep_scanning(void)
{
	*(u8 *)gmem_map(gmem_new(PAGE_SIZE, 0), PAGE_SIZE) = 1;
}

/* Wait for some full scans, whatever they do. */
static inline void scans(long count)
{
	long until = counter("full_scans") + count;

	while (counter("full_scans") < until)
		usleep(20000);
}

static inline void fill(u8 *page, u64 value)
{
	size_t i;

	for (i = 0; i < PAGE_SIZE / 8; i++)
		((u64 *)page)[i] = value ? value * 0x9e3779b97f4a7c15 + i : 0;
}

static inline void verify(const u8 *page, u64 value)
{
	size_t i;

	for (i = 0; i < PAGE_SIZE / 8; i++)
		ASSERT_EQ(((u64 *)page)[i], value ? value * 0x9e3779b97f4a7c15 + i : 0);
}

static inline void make(u32 flags)
{
	unsigned int i;

	need_ditto();
	engine_off();
	for (i = 0; i < COUNT; i++) {
		gmem[i] = gmem_new(SIZE, flags);
		map[i] = gmem_map(gmem[i], SIZE);
	}
}

static inline struct ditto_gmem_stats stats(unsigned int i)
{
	struct ditto_gmem_stats s;

	CHECKED(ioctl(gmem[i], DITTO_GMEM_STATS, &s));
	return s;
}

/* All objects alike: PAGES pages remain, the others share them. */
static inline void fill_equal(void)
{
	unsigned int i, p;

	for (i = 0; i < COUNT; i++)
		for (p = 0; p < PAGES; p++)
			fill(map[i] + p * PAGE_SIZE, p + 1);
}

static inline void verify_equal(void)
{
	unsigned int i, p;

	for (i = 0; i < COUNT; i++)
		for (p = 0; p < PAGES; p++)
			verify(map[i] + p * PAGE_SIZE, p + 1);
}

#endif
