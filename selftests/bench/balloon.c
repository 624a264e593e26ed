// SPDX-License-Identifier: GPL-2.0-only
/*
 * What it costs to give a guest's memory back to the host: TSC ticks for 4 KiB, from the kick to
 * the interrupt. In a host with --icount a tick is an instruction. One line per way: name and
 * figure.
 *	balloon_reported	2 MiB in one piece
 *	balloon_inflated	the same by page numbers, 256 in a chain, as Linux does it
 * With /dev/kvm it is MADV_DONTNEED of the process's memory, of 2 MiB, or page by page: what QEMU
 * does for the same, without its rings.
 */
#include <linux/vhost.h>
#include <linux/virtio_balloon.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vm.h"

#define RAM	(96 * MIB)
#define FIRST	(32 * MIB)	/* what is given back */
#define SIZE	(64 * MIB)
#define RINGS	(4 * MIB)
#define PFNS	(6 * MIB)
#define NUM	64

enum { INFLATE, REPORTS = 4 };

struct driver {
	struct vm *vm;
	int fd, kick, call;
	u16 idx;
};

static struct driver driver_new(struct vm *vm, u32 queue)
{
	struct ditto_create_virtio args = {
		.type = VIRTIO_ID_BALLOON, .fd = -1, .queues = DITTO_BALLOON_QUEUES,
	};
	u64 features = 1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_BALLOON_F_REPORTING;
	struct vhost_vring_state num = { queue, NUM }, on = { queue, 1 };
	struct vhost_vring_addr addr = { .index = queue, .desc_user_addr = RINGS,
					 .avail_user_addr = RINGS + 0x1000,
					 .used_user_addr = RINGS + 0x2000 };
	struct vhost_vring_file file = { .index = queue };
	struct driver d = { .vm = vm };

	memset(vm->ram + RINGS, 0, 0x3000);
	d.fd = CHECKED(ioctl(vm->fd, DITTO_CREATE_VIRTIO, &args));
	CHECKED(ioctl(d.fd, VHOST_SET_OWNER));
	CHECKED(ioctl(d.fd, VHOST_SET_FEATURES, &features));
	CHECKED(ioctl(d.fd, VHOST_SET_VRING_NUM, &num));
	CHECKED(ioctl(d.fd, VHOST_SET_VRING_ADDR, &addr));
	d.kick = file.fd = CHECKED(eventfd(0, EFD_NONBLOCK));
	CHECKED(ioctl(d.fd, VHOST_SET_VRING_KICK, &file));
	d.call = file.fd = CHECKED(eventfd(0, EFD_NONBLOCK));
	CHECKED(ioctl(d.fd, VHOST_SET_VRING_CALL, &file));
	CHECKED(ioctl(d.fd, VHOST_VDPA_SET_VRING_ENABLE, &on));
	return d;
}

static void give(struct driver *d, u64 addr, u32 len, u16 flags)
{
	struct vring_desc *desc = (void *)(d->vm->ram + RINGS);
	struct vring_avail *avail = (void *)(d->vm->ram + RINGS + 0x1000);
	struct pollfd p = { .fd = d->call, .events = POLLIN };
	eventfd_t count;

	*desc = (struct vring_desc){ addr, len, flags, 0 };
	__atomic_store_n(&avail->idx, ++d->idx, __ATOMIC_SEQ_CST);
	CHECKED(eventfd_write(d->kick, 1));
	if (poll(&p, 1, 10000) != 1 || eventfd_read(d->call, &count))
		fail("the balloon does not answer");
}

static void report(struct driver *d, u64 at)
{
	give(d, at, 2 * MIB, VRING_DESC_F_WRITE);
}

static void inflate(struct driver *d, u64 at)
{
	u32 *pfns = (void *)(d->vm->ram + PFNS);

	for (u64 end = at + 2 * MIB; at < end; at += MIB) {
		for (u32 i = 0; i < 256; i++)
			pfns[i] = at / PAGE_SIZE + i;
		give(d, PFNS, 256 * sizeof(*pfns), 0);
	}
}

static void drop_pages(struct driver *d, u64 at)
{
	for (u64 end = at + 2 * MIB; at < end; at += PAGE_SIZE)
		CHECKED(madvise(d->vm->ram + at, PAGE_SIZE, MADV_DONTNEED));
}

static void drop(struct driver *d, u64 at)
{
	CHECKED(madvise(d->vm->ram + at, 2 * MIB, MADV_DONTNEED));
}

/* The guest writes to all of it, so that it is mapped as a guest's memory is. */
static void fill(struct vm *vm)
{
	for (u64 at = FIRST; at < FIRST + SIZE; at += MIB) {
		vcpu_call(&vm->vcpu[0], "g_write_forever", at);
		ASSERT_EQ(vcpu_enter(&vm->vcpu[0]), KVM_EXIT_IO);
	}
}

/* Ticks for a page, of the second time. */
static void measure(const char *name, struct driver *d, void (*way)(struct driver *d, u64 at))
{
	u64 begin, ticks = 0;

	for (u32 round = 0; round < 2; round++) {
		fill(d->vm);
		usleep(100000);
		begin = __builtin_ia32_rdtsc();
		for (u64 at = FIRST; at < FIRST + SIZE; at += 2 * MIB)
			way(d, at);
		ticks = __builtin_ia32_rdtsc() - begin;
		usleep(300000);
	}
	printf("%s %llu\n", name, (unsigned long long)(ticks / (SIZE / PAGE_SIZE)));
}

int main(int argc, char **argv)
{
	struct driver d;

	if (argc < 2) {
		fprintf(stderr, "usage: %s DEVICE\n", argv[0]);
		return 2;
	}
	tap.dev = argv[1];
	tap.gmem = tap.ditto = strcmp(tap.dev, "/dev/kvm");
	d.vm = vm_new(&(struct vm_config){ .ram = RAM });
	if (!tap.gmem) {
		madvise(d.vm->ram, RAM, MADV_NOHUGEPAGE);
		measure("balloon_reported", &d, drop);
		measure("balloon_inflated", &d, drop_pages);
		return 0;
	}
	d = driver_new(d.vm, REPORTS);
	measure("balloon_reported", &d, report);
	d = driver_new(d.vm, INFLATE);
	measure("balloon_inflated", &d, inflate);
	return 0;
}
