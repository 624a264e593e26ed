// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a guest's access to a device in the kernel costs: TSC ticks, from the end of one to
 * the end of the next. In a host with --icount a tick is an instruction. One line per
 * access: name and figure. Those that begin with "flat" are of a guest in protected mode
 * without paging, in memory that is the VMM's own; the others of one in long mode, in
 * gmem where the device has that.
 */
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "loop.h"

#define COUNT	10000
#define APIC	0xfee00000ul
#define IOAPIC	0xfec00000ul

#define STORE	.code = "\x89\x06", .size = 2	/* mov [rsi], eax */
#define LOAD	.code = "\x8b\x06", .size = 2	/* mov eax, [rsi] */
#define OUTL	.code = "\xef", .size = 1	/* out dx, eax */
#define INB	.code = "\xec", .size = 1	/* in al, dx */

/**
 * struct bench - an access
 * @name: of its line
 * @loop: it
 * @eventfd: an ioeventfd is there; of @len bytes, 0 for any
 * @len: likewise
 */
struct bench {
	const char *name;
	struct loop loop;
	bool eventfd;
	u32 len;
};

static const struct bench benches[] = {
	{ "ioeventfd", { STORE, .address = GUEST_MMIO }, true, 4 },
	{ "ioeventfd_any", { STORE, .address = GUEST_MMIO }, true, 0 },
	{ "ioeventfd_port", { OUTL, .port = GUEST_PORT }, true, 4 },
	{ "pic_read", { INB, .port = 0x21 } },
	{ "ioapic_read", { LOAD, .address = IOAPIC + 0x10 } },
	{ "apic_read", { LOAD, .address = APIC + 0x80 } },
	{ "apic_eoi", { STORE, .address = APIC + 0xb0 } },
};

static void add_eventfd(struct vm *vm, const struct bench *bench)
{
	bool port = bench->loop.port;
	struct kvm_ioeventfd arg = {
		.addr = port ? bench->loop.port : bench->loop.address,
		.len = bench->len,
		.fd = eventfd(0, EFD_NONBLOCK),
		.flags = port ? KVM_IOEVENTFD_FLAG_PIO : 0,
	};

	CHECKED(arg.fd);
	CHECKED(ioctl(vm->fd, KVM_IOEVENTFD, &arg));
}

static double per_access(const struct bench *bench, enum mode mode)
{
	struct vm *vm = vm_new(&(struct vm_config) { .ram = 8 * MIB, .user = mode != MODE_LONG });
	u64 once, twice;

	/* A page is 4 KiB here, for either. gmem has no others, and says so. */
	madvise(vm->ram, vm->ram_size, MADV_NOHUGEPAGE);
	if (bench->eventfd)
		add_eventfd(vm, bench);
	loop_ticks(vm, mode, &bench->loop, 100);
	once = loop_ticks(vm, mode, &bench->loop, COUNT);
	twice = loop_ticks(vm, mode, &bench->loop, 2 * COUNT);
	vm_free(vm);
	return (double)(twice - once) / COUNT;
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
		printf("%s %.0f\n", benches[i].name, per_access(&benches[i], MODE_LONG));
	for (i = 0; i < ARRAY_SIZE(benches); i++)
		printf("flat_%s %.0f\n", benches[i].name, per_access(&benches[i], MODE_PROT32));
	return 0;
}
