// SPDX-License-Identifier: GPL-2.0-only
/*
 * What merging costs: TSC ticks per page until 99 % of what can be merged is,
 * with the engine running without pause; four objects of mixed memory: half of
 * it the same in all, a quarter zero, a quarter all different. By ditto over
 * gmems, or by the kernel's KSM over the same contents in anonymous memory. Only this process
 * maps the memory; with "mapped", on ditto, guests do as well, whose slots lie over its
 * mappings.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <x86intrin.h>

#include "knobs.h"
#include "vm.h"

#define OBJECTS 4
#define PAGES 4096ul
#define SLOT_GPA 0x10000000ul

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

/* A guest that maps all of it, as an unmodified VMM gives it memory. */
static void map_in_guest(u8 *p)
{
	struct vm *vm = vm_new(&(struct vm_config) { .user = true });
	struct pre_fault range = { .gpa = SLOT_GPA, .size = PAGES * PAGE_SIZE };

	CHECKED(vm_set_slot(vm, 1, 0, range.gpa, range.size, p));
	while (range.size)
		CHECKED(ioctl(vm->vcpu[0].fd, PRE_FAULT_MEMORY, &range));
}

int main(int argc, char **argv)
{
	bool mapped = argc > 2 && !strcmp(argv[2], "mapped");
	long want = PAGES / 2 * (OBJECTS - 1) + PAGES / 4 * OBJECTS, have = 0;
	bool ditto = argc > 1 && strcmp(argv[1], "ksm");
	u64 i, j, begin;

	if (argc < 2) {
		fprintf(stderr, "usage: %s DEVICE|ksm [mapped]\n", argv[0]);
		return 2;
	}
	tap.dev = argv[1];
	knobs = ditto ? DITTO_KSM : KERNEL_KSM;
	for (i = 0; i < OBJECTS; i++) {
		u8 *p = object(ditto);

		for (j = 0; j < PAGES; j++)
			fill((u64 *)(p + j * PAGE_SIZE), i, j);
		if (mapped)
			map_in_guest(p);
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
	printf("merging%s %.0f\n", mapped ? "_mapped" : "",
	       (double)(__rdtsc() - begin) / (PAGES * OBJECTS));
	set("run", 0);
	return 0;
}
