// SPDX-License-Identifier: GPL-2.0-only
/*
 * What an exit costs: TSC ticks per exit of each kind, from the end of one to
 * the end of the next, the guest's loop and the VMM's KVM_RUN included. In a host with
 * --icount a tick is an instruction and the figures repeat. One line per
 * kind: name and figure.
 *
 * The host's own ticks are counted, too, as they are part of a trip's cost: so many trips
 * are made that one tick more or less does not matter. Pages to touch are fewer.
 */
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <x86intrin.h>

#include "vm.h"

struct bench {
	const char *name, *guest;
	unsigned int count;
};

static const struct bench benches[] = {
	{ "empty", "g_bench_empty", 20000 },
	{ "cpuid", "g_bench_cpuid", 20000 },
	{ "hypercall", "g_bench_hypercall", 20000 },
	{ "port", "g_bench_port", 20000 },
	{ "mmio", "g_bench_mmio", 20000 },
	{ "touch", "g_bench_touch", 2000 },
};

/* Ticks for n iterations; the loop does as little as a VMM can. */
static u64 ticks(struct vm *vm, const char *guest, unsigned int n)
{
	struct vcpu *vcpu = &vm->vcpu[0];
	u64 begin;
	int fd = vcpu->fd;

	vcpu_call(vcpu, guest, n);
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
	u64 all[2];
	unsigned int i;

	for (i = 0; i < 2; i++) {
		struct vm *vm = vm_new(&(struct vm_config) { .ram = 32 * MIB });

		/* A page is 4 KiB here, for either. gmem has no others, and says so. */
		madvise(vm->ram, vm->ram_size, MADV_NOHUGEPAGE);
		ticks(vm, "g_bench_cpuid", 100);	/* warm */
		all[i] = ticks(vm, bench->guest, bench->count * (i + 1));
		vm_free(vm);
		/* What is freed later must not be on the next one's bill. */
		usleep(200 * 1000);
	}
	return (double)(all[1] - all[0]) / bench->count;
}

int main(int argc, char **argv)
{
	size_t i;

	if (argc < 2) {
		fprintf(stderr, "usage: %s DEVICE\n", argv[0]);
		return 2;
	}
	tap.dev = argv[1];
	tap.gmem = tap.ditto = strcmp(tap.dev, "/dev/kvm");
	for (i = 0; i < ARRAY_SIZE(benches); i++)
		printf("%s %.0f\n", benches[i].name, per_exit(&benches[i]));
	return 0;
}
