// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a dirty log costs: TSC ticks of a guest's first write to a page after a harvest,
 * more than of one that is not logged; of a harvest of a clean slot; and of one that finds
 * pages. Over the process's memory, on ditto also over gmem. In a host with --icount a
 * tick is an instruction. One line per figure: name and ticks.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <x86intrin.h>

#include "vm.h"

#define SLOT_GPA	0x10000000ul
#define SIZE		(64 * MIB)
#define ROUND		256	/* pages that g_write_forever fills */
#define TIMES		50

static u64 round_ticks(struct vm *vm)
{
	u64 begin = __rdtsc();

	ASSERT_EQ(vcpu_enter(&vm->vcpu[0]), KVM_EXIT_IO);
	return __rdtsc() - begin;
}

static u64 harvest_ticks(struct vm *vm, void *bitmap)
{
	struct kvm_dirty_log log = { .slot = 1, .dirty_bitmap = bitmap };
	u64 begin = __rdtsc();

	CHECKED(ioctl(vm->fd, KVM_GET_DIRTY_LOG, &log));
	return __rdtsc() - begin;
}

static void set(struct vm *vm, bool user, u32 flags, u8 *p, int gmem)
{
	CHECKED(user ? vm_set_slot(vm, 1, flags, SLOT_GPA, SIZE, p) :
		       vm_set_gmem_slot(vm, 1, flags, SLOT_GPA, SIZE, gmem, 0));
}

static void figures(bool user)
{
	const char *name = user ? "user" : "gmem";
	struct vm *vm = vm_new(&(struct vm_config) { .user = user });
	int gmem = user ? -1 : gmem_new(SIZE, 0);
	u8 *p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void *bitmap = calloc(1, SIZE / PAGE_SIZE / 8);
	u64 plain = 0, logged = 0, clean = 0, dirty = 0;
	int i;

	madvise(p, SIZE, MADV_NOHUGEPAGE);
	set(vm, user, 0, p, gmem);
	vcpu_call(&vm->vcpu[0], "g_write_forever", SLOT_GPA);
	round_ticks(vm);
	for (i = 0; i < TIMES; i++)
		plain += round_ticks(vm);
	set(vm, user, KVM_MEM_LOG_DIRTY_PAGES, p, gmem);
	for (i = 0; i < TIMES; i++) {
		logged += round_ticks(vm);
		dirty += harvest_ticks(vm, bitmap);
		clean += harvest_ticks(vm, bitmap);
	}
	printf("dirty_first_write_%s %llu\n", name,
	       (unsigned long long)(logged - plain) / TIMES / ROUND);
	printf("dirty_harvest_clean_%s %llu\n", name, (unsigned long long)clean / TIMES);
	printf("dirty_harvest_256_%s %llu\n", name, (unsigned long long)dirty / TIMES);
	vm_free(vm);
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		fprintf(stderr, "usage: %s DEVICE\n", argv[0]);
		return 2;
	}
	tap.dev = argv[1];
	tap.gmem = tap.ditto = strcmp(tap.dev, "/dev/kvm");
	figures(true);
	if (tap.ditto)
		figures(false);
	return 0;
}
