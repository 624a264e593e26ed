// SPDX-License-Identifier: GPL-2.0-only
/*
 * What an exit costs: TSC ticks per exit of each kind, from the end of one to
 * the end of the next, the guest's loop and the VMM's KVM_RUN included. In a host with
 * --icount a tick is an instruction and the figures repeat. One line per kind that is named,
 * or of all: name and figure. Those that begin with "flat" are of a guest in protected mode
 * without paging, in memory that is the VMM's own, for ditto, too.
 *
 * The host's own ticks are counted, too, as they are part of a trip's cost: so many trips
 * are made that one tick more or less does not matter. Pages to touch are fewer.
 */
#include <cpuid.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <x86intrin.h>

#include "vm.h"

struct bench {
	const char *name, *guest;	/* or, in protected mode, */
	const char *loop;		/* what it repeats, */
	u8 size;			/* that many bytes */
	unsigned int count;
};

static const struct bench benches[] = {
	{ "empty", "g_bench_empty", .count = 20000 },
	{ "cpuid", "g_bench_cpuid", .count = 20000 },
	{ "hypercall", "g_bench_hypercall", .count = 20000 },
	{ "port", "g_bench_port", .count = 20000 },
	{ "mmio", "g_bench_mmio", .count = 20000 },
	{ "touch", "g_bench_touch", .count = 2000 },
	{ "flat_cpuid", .loop = "\x31\xc0\x0f\xa2", 4, 20000 },		/* xor eax, eax; cpuid */
	{ "flat_hypercall", .loop = "\x0f\x01\xd9", 3, 20000 },		/* vmmcall */
	{ "flat_port", .loop = "\xef", 1, 20000 },			/* out dx, eax */
	{ "flat_mmio", .loop = "\x89\x06", 2, 20000 },			/* mov [esi], eax */
	{ "flat_touch", .loop = "\x89\x45\0\x81\xc5\0\x10\0", 9, 2000 },
};

#define FLAT_CODE	0x8000

static bool is_intel(void)
{
	unsigned int a, b, c, d;

	__cpuid(0, a, b, c, d);
	return b == 0x756e6547;
}

/* The loop, counted in edi; ebp goes through memory. Ends as those of the image do. */
static void flat_call(struct vcpu *vcpu, const struct bench *bench, unsigned int n)
{
	u8 *code = vcpu->vm->ram + FLAT_CODE;
	u8 jump = 0x100 - bench->size - 3;
	u8 end[] = { 0x4f, 0x75, jump, 0x66, 0xba, GUEST_PORT_DONE & 0xff,
		     GUEST_PORT_DONE >> 8, 0xef };
	struct kvm_regs regs;

	vcpu_enter_mode(vcpu, MODE_PROT32, FLAT_CODE);
	memcpy(code, bench->loop, bench->size);
	memcpy(code + bench->size, end, sizeof(end));
	/* The other maker's hypercall. */
	if (!strcmp(bench->name, "flat_hypercall") && is_intel())
		code[2] = 0xc1;
	regs = vcpu_regs(vcpu);
	regs.rdi = n;
	regs.rdx = GUEST_PORT;
	regs.rsi = GUEST_MMIO;
	regs.rbp = 4 * MIB;
	if (ioctl(vcpu->fd, KVM_SET_REGS, &regs))
		fail("KVM_SET_REGS: %s", strerror(errno));
}

/* Ticks for n iterations; the loop does as little as a VMM can. */
static u64 ticks(struct vm *vm, const struct bench *bench, unsigned int n)
{
	struct vcpu *vcpu = &vm->vcpu[0];
	u64 begin;
	int fd = vcpu->fd;

	if (bench->loop)
		flat_call(vcpu, bench, n);
	else
		vcpu_call(vcpu, bench->guest, n);
	begin = __rdtsc();
	do {
		if (ioctl(fd, KVM_RUN, 0))
			fail("KVM_RUN: %s", strerror(errno));
	} while (vcpu->run->exit_reason != KVM_EXIT_IO ||
		 vcpu->run->io.port != GUEST_PORT_DONE);
	return __rdtsc() - begin;
}

/* A machine of its own for each count: pages are touched for the first time. */
static double per_exit(const struct bench *bench)
{
	const struct bench *warm = bench->loop ? &benches[6] : &benches[1];
	u64 all[2];
	unsigned int i;

	for (i = 0; i < 2; i++) {
		struct vm *vm = vm_new(&(struct vm_config) { .ram = 32 * MIB,
							     .user = bench->loop });

		/* A page is 4 KiB here, for either. gmem has no others, and says so. */
		madvise(vm->ram, vm->ram_size, MADV_NOHUGEPAGE);
		ticks(vm, warm, 100);
		all[i] = ticks(vm, bench, bench->count * (i + 1));
		vm_free(vm);
		/* What is freed later must not be on the next one's bill. */
		usleep(200 * 1000);
	}
	return (double)(all[1] - all[0]) / bench->count;
}

/* Is it among the names that end with NULL?  Where there are none, all are. */
static bool is_wanted(const char *name, char **names)
{
	bool wanted = !*names;

	for (; *names; names++)
		wanted |= !strcmp(name, *names);
	return wanted;
}

int main(int argc, char **argv)
{
	size_t i;

	if (argc < 2) {
		fprintf(stderr, "usage: %s DEVICE [NAME...]\n", argv[0]);
		return 2;
	}
	tap.dev = argv[1];
	tap.gmem = tap.ditto = strcmp(tap.dev, "/dev/kvm");
	for (i = 0; i < ARRAY_SIZE(benches); i++)
		if (is_wanted(benches[i].name, argv + 2))
			printf("%s %.0f\n", benches[i].name, per_exit(&benches[i]));
	return 0;
}
