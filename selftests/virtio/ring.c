// SPDX-License-Identifier: GPL-2.0-only
/*
 * The driver's side of a device: see ring.h. What the tests are is in blk.c and its neighbours.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "virtio/ring.h"

#define HEADER_AT	(DATA_AT - PAGE_SIZE)
#define STATUS_AT	(HEADER_AT + 64)

u8 file_byte(u64 pos)
{
	return pos * 7 + pos / SECTOR;
}

int file_new(u64 size)
{
	char name[] = "/tmp/ditto-disk-XXXXXX";
	int fd = CHECKED(mkstemp(name));
	u8 buf[PAGE_SIZE];

	unlink(name);
	for (u64 pos = 0; pos < size; pos += sizeof(buf)) {
		for (u64 i = 0; i < sizeof(buf); i++)
			buf[i] = file_byte(pos + i);
		ASSERT_EQ(pwrite(fd, buf, sizeof(buf), pos), sizeof(buf));
	}
	return fd;
}

struct disk device_new(struct vm *vm, const struct ditto_create_virtio *args)
{
	struct disk d = { .vm = vm, .file = args->fd, .num = 64, .queues = args->queues };

	d.fd = CHECKED(ioctl(vm->fd, DITTO_CREATE_VIRTIO, args));
	CHECKED(ioctl(d.fd, VHOST_SET_OWNER));
	return d;
}

struct disk disk_new(struct vm *vm, int file, u32 flags, u32 queues)
{
	struct ditto_create_virtio args = {
		.type = VIRTIO_ID_BLOCK, .flags = flags, .fd = file, .queues = queues,
		.serial = "serial-of-the-disk",
	};

	return device_new(vm, &args);
}

static void give_eventfd(struct disk *d, u32 queue, unsigned long cmd, int *fd)
{
	struct vhost_vring_file file = { .index = queue };

	*fd = file.fd = CHECKED(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
	CHECKED(ioctl(d->fd, cmd, &file));
}

void disk_set_up(struct disk *d, u32 queue, u64 features)
{
	struct vhost_vring_state num = { .index = queue, .num = d->num };
	struct vhost_vring_state base = { .index = queue, .num = d->base };
	u64 at = RING_AT + queue * QUEUE_ROOM;
	struct vhost_vring_addr addr = {
		.index = queue, .desc_user_addr = at, .avail_user_addr = at + 0x4000,
		.used_user_addr = at + 0x6000,
	};

	CHECKED(ioctl(d->fd, VHOST_SET_FEATURES, &features));
	CHECKED(ioctl(d->fd, VHOST_SET_VRING_NUM, &num));
	CHECKED(ioctl(d->fd, VHOST_SET_VRING_BASE, &base));
	CHECKED(ioctl(d->fd, VHOST_SET_VRING_ADDR, &addr));
	give_eventfd(d, queue, VHOST_SET_VRING_KICK, &d->kick[queue]);
	give_eventfd(d, queue, VHOST_SET_VRING_CALL, &d->call[queue]);
	give_eventfd(d, queue, VHOST_SET_VRING_ERR, &d->err[queue]);
}

int disk_enable(struct disk *d, u32 queue, u32 on)
{
	struct vhost_vring_state state = { .index = queue, .num = on };

	return ioctl(d->fd, VHOST_VDPA_SET_VRING_ENABLE, &state);
}

struct disk disk_ready(u32 flags)
{
	struct vm *vm = vm_new(&(struct vm_config){ .ram = 16 * MIB });
	struct disk d = disk_new(vm, file_new(MIB), flags, 1);

	disk_set_up(&d, 0, FEATURES);
	CHECKED(disk_enable(&d, 0, 1));
	return d;
}

void *data_at(struct disk *d, u64 gpa)
{
	return d->vm->ram + gpa;
}

static void *ring_part(struct disk *d, u32 queue, u64 offset)
{
	return data_at(d, RING_AT + queue * QUEUE_ROOM + offset);
}

struct vring_desc *ring_desc(struct disk *d, u32 queue)
{
	return ring_part(d, queue, 0);
}

struct vring_avail *ring_avail(struct disk *d, u32 queue)
{
	return ring_part(d, queue, 0x4000);
}

struct vring_used *ring_used(struct disk *d, u32 queue)
{
	return ring_part(d, queue, 0x6000);
}

struct vring_desc *ring_table(struct disk *d, u32 queue)
{
	return ring_part(d, queue, 0x9000);
}

void ring_put(struct disk *d, u32 index, u64 addr, u32 len, u16 flags, u16 next)
{
	ring_desc(d, 0)[index] = (struct vring_desc){ addr, len, flags, next };
}

void ring_offer(struct disk *d, u32 queue, u16 head)
{
	struct vring_avail *avail = ring_avail(d, queue);

	avail->ring[d->avail[queue]++ % d->num] = head;
	__atomic_store_n(&avail->idx, d->avail[queue], __ATOMIC_SEQ_CST);
}

void ring_kick(struct disk *d, u32 queue)
{
	CHECKED(eventfd_write(d->kick[queue], 1));
}

bool event_comes(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	eventfd_t count;

	return poll(&p, 1, ms) == 1 && !eventfd_read(fd, &count);
}

struct ditto_virtio_state disk_state(struct disk *d, u32 queue)
{
	struct ditto_virtio_state state = { .queue = queue };

	CHECKED(ioctl(d->fd, DITTO_VIRTIO_STATE, &state));
	return state;
}

void disk_submit(struct disk *d, u32 type, u64 sector, u64 data, u32 len)
{
	struct virtio_blk_outhdr *head = data_at(d, HEADER_AT);
	bool in = type == VIRTIO_BLK_T_IN || type == VIRTIO_BLK_T_GET_ID;

	*head = (struct virtio_blk_outhdr){ .type = type, .sector = sector };
	*(volatile u8 *)data_at(d, STATUS_AT) = 0xee;
	ring_put(d, 0, HEADER_AT, sizeof(*head), VRING_DESC_F_NEXT, len ? 1 : 2);
	ring_put(d, 1, data, len, VRING_DESC_F_NEXT | (in ? VRING_DESC_F_WRITE : 0), 2);
	ring_put(d, 2, STATUS_AT, 1, VRING_DESC_F_WRITE, 0);
	ring_offer(d, 0, 0);
	ring_kick(d, 0);
}

u8 disk_request(struct disk *d, u32 type, u64 sector, u64 data, u32 len)
{
	disk_submit(d, type, sector, data, len);
	if (!event_comes(d->call[0], 10000))
		fail("no answer; error %u", disk_state(d, 0).error);
	d->used[0]++;
	ASSERT_EQ(__atomic_load_n(&ring_used(d, 0)->idx, __ATOMIC_SEQ_CST), d->used[0]);
	return *(volatile u8 *)data_at(d, STATUS_AT);
}
