// SPDX-License-Identifier: GPL-2.0-only
/*
 * What memslots cost: TSC ticks to make each of as many as there can be, and to delete
 * one and make it again beside 8191 others. In a host with --icount a tick is an
 * instruction. One line per figure: name and ticks.
 */
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <x86intrin.h>

#include "vm.h"

#define SLOTS_GPA	0x100000000ul
#define CHANGES		100

/* Slots with a page between each two, in an order that is neither up nor down. */
static void set(struct vm *vm, u32 id, u32 nr, u64 size, u8 *p)
{
	u64 place = (u64)id * 7919 % nr;

	if (vm_set_slot(vm, id, 0, SLOTS_GPA + place * 2 * PAGE_SIZE, size, p))
		fail("slot %u: %s", id, strerror(errno));
}

static void made(struct vm *vm, u32 nr, u8 *p)
{
	u64 begin = __rdtsc();
	u32 id;

	for (id = 1; id < nr; id++)
		set(vm, id, nr, PAGE_SIZE, p);
	printf("slot_made_%u %llu\n", nr, (__rdtsc() - begin) / (nr - 1));
}

static void changed(struct vm *vm, u32 nr, u8 *p)
{
	u64 begin = __rdtsc();
	u32 i;

	for (i = 0; i < CHANGES; i++) {
		set(vm, 1 + i * 13 % (nr - 1), nr, 0, NULL);
		set(vm, 1 + i * 13 % (nr - 1), nr, PAGE_SIZE, p);
	}
	printf("slot_changed_%u %llu\n", nr, (__rdtsc() - begin) / CHANGES);
}

int main(int argc, char **argv)
{
	static const u32 counts[] = { 16, 8192, 32764 };
	size_t i;
	u8 *p;

	if (argc < 2) {
		fprintf(stderr, "usage: %s DEVICE\n", argv[0]);
		return 2;
	}
	tap.dev = argv[1];
	tap.gmem = tap.ditto = strcmp(tap.dev, "/dev/kvm");
	p = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (i = 0; i < ARRAY_SIZE(counts); i++) {
		struct vm *vm = vm_new(&(struct vm_config) { .user = true });

		made(vm, counts[i], p);
		changed(vm, counts[i], p);
		vm_free(vm);
	}
	return 0;
}
