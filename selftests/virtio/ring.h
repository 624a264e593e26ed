/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The driver's side of a device, a disk or another, played by the test: rings in guest memory,
 * written by hand, and vhost's ioctls. What guest memory looks like, from RING_AT on, for queue 0;
 * others follow QUEUE_ROOM behind one another:
 *	+0 descriptors	+0x4000 available	+0x6000 used	+0x9000 indirect table
 *	DATA_AT: for the tests
 */
#ifndef SELFTESTS_VIRTIO_RING_H
#define SELFTESTS_VIRTIO_RING_H

#include <linux/vhost.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>

#include "vm.h"

#define QUEUES_MAX	5
#define RING_AT		0x400000ul
#define QUEUE_ROOM	0x10000ul
#define DATA_AT		0x800000ul
#define SECTOR		512ul
#define FEATURES	(1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_BLK_F_FLUSH | \
			 1ull << VIRTIO_RING_F_INDIRECT_DESC)

/**
 * struct disk - a disk or another device, and the driver's state
 * @vm: its machine
 * @fd: the device
 * @file: what is on it
 * @num: entries of each queue
 * @base: where they begin: VHOST_SET_VRING_BASE
 * @kick, @call, @err: eventfds, one per queue
 * @avail, @used: indices
 */
struct disk {
	struct vm *vm;
	int fd, file;
	u32 num, base, queues;
	int kick[QUEUES_MAX], call[QUEUES_MAX], err[QUEUES_MAX];
	u16 avail[QUEUES_MAX], used[QUEUES_MAX];
};

/* A file of @size bytes, with a pattern; it has no name any more. */
int file_new(u64 size);
u8 file_byte(u64 pos);
/* A device, and a disk, whose queues are not enabled yet. */
struct disk device_new(struct vm *vm, const struct ditto_create_virtio *args);
struct disk disk_new(struct vm *vm, int file, u32 flags, u32 queues);
void disk_set_up(struct disk *d, u32 queue, u64 features);
int disk_enable(struct disk *d, u32 queue, u32 on);
struct disk disk_ready(u32 flags);

struct vring_desc *ring_desc(struct disk *d, u32 queue);
struct vring_avail *ring_avail(struct disk *d, u32 queue);
struct vring_used *ring_used(struct disk *d, u32 queue);
struct vring_desc *ring_table(struct disk *d, u32 queue);
void *data_at(struct disk *d, u64 gpa);

void ring_put(struct disk *d, u32 index, u64 addr, u32 len, u16 flags, u16 next);
void ring_offer(struct disk *d, u32 queue, u16 head);
void ring_kick(struct disk *d, u32 queue);
bool event_comes(int fd, int ms);
struct ditto_virtio_state disk_state(struct disk *d, u32 queue);

/* One request in queue 0, of header, data and status; its status. */
u8 disk_request(struct disk *d, u32 type, u64 sector, u64 data, u32 len);
/* The same, without a look at it. */
void disk_submit(struct disk *d, u32 type, u64 sector, u64 data, u32 len);

#endif
