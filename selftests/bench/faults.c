// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a guest's first write to a page costs, in TSC ticks, more than a later one: over the
 * process's memory; on ditto also over gmem, and over a mapping of gmem, as an unmodified VMM
 * has it. The memory is there, or is not yet. Or the process's, or a gmem, comes in pieces of
 * 2 MiB: then it is the first write to a piece, for each page of that. In a host with --icount a
 * tick is an instruction. One line per figure: name and ticks.
 */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>
#include <x86intrin.h>

#include "vm.h"

#define SLOT_GPA	0x10000000ul
#define ROUND		256	/* pages that g_write_forever fills */
#define SIZE		(ROUND * PAGE_SIZE)
#define TIMES		20
#define PIECE		(2 * MIB)

enum kind { USER, GMEM, MAPPED };
static const char *const names[] = { "user", "gmem", "mapped" };

static u64 round_ticks(struct vm *vm)
{
	u64 begin = __rdtsc();

	ASSERT_EQ(vcpu_enter(&vm->vcpu[0]), KVM_EXIT_IO);
	return __rdtsc() - begin;
}

static u8 *memory(enum kind kind, int gmem)
{
	u8 *p = kind == USER ?
		mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) :
		gmem_map(gmem, SIZE);

	ASSERT(p != MAP_FAILED);
	madvise(p, SIZE, MADV_NOHUGEPAGE);
	return p;
}

static u64 first_round(enum kind kind, bool there)
{
	struct vm *vm = vm_new(&(struct vm_config) { .user = true });
	int gmem = kind == USER ? -1 : gmem_new(SIZE, 0);
	u8 *p = memory(kind, gmem);
	u64 first;

	if (there)
		memset(p, 1, SIZE);
	CHECKED(kind == GMEM ? vm_set_gmem_slot(vm, 1, 0, SLOT_GPA, SIZE, gmem, 0) :
			       vm_set_slot(vm, 1, 0, SLOT_GPA, SIZE, p));
	vcpu_call(&vm->vcpu[0], "g_write_forever", SLOT_GPA);
	first = round_ticks(vm);
	first -= round_ticks(vm);
	vm_free(vm);
	munmap(p, SIZE);
	return first;
}

static void figures(enum kind kind)
{
	u64 fresh = 0, there = 0;
	int i;

	for (i = 0; i < TIMES; i++) {
		fresh += first_round(kind, false);
		there += first_round(kind, true);
	}
	printf("fault_fresh_%s %llu\n", names[kind], (unsigned long long)fresh / TIMES / ROUND);
	printf("fault_there_%s %llu\n", names[kind], (unsigned long long)there / TIMES / ROUND);
}

/* Half of a piece is written. */
static u64 first_of_piece(int gmem)
{
	struct vm *vm = vm_new(&(struct vm_config) { .user = true });
	u8 *map = mmap(NULL, 2 * PIECE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	u8 *p = (u8 *)(((uintptr_t)map + PIECE - 1) & ~(PIECE - 1));
	u64 first;

	ASSERT(map != MAP_FAILED);
	madvise(p, PIECE, MADV_HUGEPAGE);
	CHECKED(gmem >= 0 ? vm_set_gmem_slot(vm, 1, 0, SLOT_GPA, PIECE, gmem, 0) :
			    vm_set_slot(vm, 1, 0, SLOT_GPA, PIECE, p));
	vcpu_call(&vm->vcpu[0], "g_write_forever", SLOT_GPA);
	first = round_ticks(vm);
	first -= round_ticks(vm);
	vm_free(vm);
	munmap(map, 2 * PIECE);
	return first;
}

static void piece_figures(const char *name, bool gmem)
{
	u64 sum = 0;
	int i, fd;

	for (i = 0; i < TIMES; i++) {
		fd = gmem ? gmem_new(PIECE, DITTO_GMEM_HUGEPAGE) : -1;
		sum += first_of_piece(fd);
		close(fd);
	}
	printf("fault_piece_%s %llu\n", name,
	       (unsigned long long)sum / TIMES / (PIECE / PAGE_SIZE));
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		fprintf(stderr, "usage: %s DEVICE\n", argv[0]);
		return 2;
	}
	tap.dev = argv[1];
	tap.gmem = tap.ditto = strcmp(tap.dev, "/dev/kvm");
	figures(USER);
	piece_figures("user", false);
	if (tap.ditto) {
		figures(GMEM);
		figures(MAPPED);
		piece_figures("gmem", true);
	}
	return 0;
}
