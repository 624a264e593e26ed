// SPDX-License-Identifier: GPL-2.0-only
/*
 * What merging costs: TSC ticks per page until 99 % of what can be merged is,
 * with the engine running without pause; four objects of mixed memory: half of
 * it the same in all, a quarter zero, a quarter all different. By ditto over
 * gmems, or by the kernel's KSM over the same contents in anonymous memory.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>
#include <x86intrin.h>

#include "knobs.h"
#include "vm.h"

#define OBJECTS 4
#define PAGES 4096ul

static const char *knobs;

static long get(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s%s", knobs, name);
	return knob_read(path);
}

static void set(const char *name, long value)
{
	char path[128];

	snprintf(path, sizeof(path), "%s%s", knobs, name);
	if (knob_write(path, value))
		fail("%s: %s", path, strerror(errno));
}

static void fill(u64 *page, u64 object, u64 number)
{
	u64 value = number % 4 < 2 ? number + 1 : (object << 32) + number + 1;
	size_t i;

	/* A zero page that was written, as after a guest freed it. */
	for (i = 0; i < 512; i++)
		page[i] = number % 4 == 2 ? 0 : value * 0x9e3779b97f4a7c15 + i;
}

static u8 *object(bool ditto)
{
	u8 *p;

	if (ditto)
		return gmem_map(gmem_new(PAGES * PAGE_SIZE, 0), PAGES * PAGE_SIZE);
	p = mmap(NULL, PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		 -1, 0);
	CHECKED(madvise(p, PAGES * PAGE_SIZE, MADV_NOHUGEPAGE));
	CHECKED(madvise(p, PAGES * PAGE_SIZE, MADV_MERGEABLE));
	return p;
}

int main(int argc, char **argv)
{
	long want = PAGES / 2 * (OBJECTS - 1) + PAGES / 4 * OBJECTS, have = 0;
	bool ditto = argc > 1 && strcmp(argv[1], "ksm");
	u64 i, j, begin;

	if (argc < 2) {
		fprintf(stderr, "usage: %s DEVICE|ksm\n", argv[0]);
		return 2;
	}
	tap.dev = argv[1];
	knobs = ditto ? DITTO_KSM : KERNEL_KSM;
	for (i = 0; i < OBJECTS; i++) {
		u8 *p = object(ditto);

		for (j = 0; j < PAGES; j++)
			fill((u64 *)(p + j * PAGE_SIZE), i, j);
	}
	if (!ditto)
		set("use_zero_pages", 1);
	set("pages_to_scan", 100000);
	set("sleep_millisecs", 0);
	alarm(500);
	begin = __rdtsc();
	set("run", 1);
	while (have < want * 99 / 100) {
		usleep(5000);
		have = get("pages_sharing") + get("ksm_zero_pages");
	}
	printf("merging %.0f\n", (double)(__rdtsc() - begin) / (PAGES * OBJECTS));
	set("run", 0);
	return 0;
}
