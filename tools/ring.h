/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef DITTO_RING_H
#define DITTO_RING_H

#include "ram.h"
#include "virtio.h"

#include <linux/virtio_ring.h>
#include <sys/uio.h>

/**
 * struct ring_parts - where a queue is in this process; all of it is RAM
 * @desc, @avail, @used: its parts, which the guest may change at any time
 */
struct ring_parts {
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
};

/**
 * struct ring - a queue that this program serves; one thread at a time
 * @ram: the guest's memory
 * @parts: where it is
 * @num: entries, or 0: it is not served
 * @avail, @used: how far both sides were served
 * @error: why it is served no more, or NULL
 * @told: its owner has told of @error
 */
struct ring {
	const struct ram *ram;
	struct ring_parts parts;
	uint16_t num, avail, used;
	const char *error;
	bool told;
};

/**
 * struct chain - what the driver made available: a copy, all of it in RAM
 * @head: its first descriptor
 * @readable, @writable: how many buffers of each kind, the readable first
 * @buffer: what they are in this process
 */
struct chain {
	uint16_t head;
	unsigned int readable, writable;
	struct iovec buffer[VIRTIO_QUEUE_LEN];
};

bool ring_find(struct ring_parts *parts, const struct virtio_queue *q, const struct ram *ram);
int ring_begin(struct ring *r, const struct virtio_queue *q, const struct ram *ram);
bool ring_next(struct ring *r, struct chain *chain);
void ring_put_back(struct ring *r);
void ring_complete(struct ring *r, uint16_t head, uint32_t written);
bool ring_wants_interrupt(const struct ring *r);
bool ring_want_kicks(struct ring *r);
void ring_spare_kicks(struct ring *r);
size_t chain_room(const struct chain *chain);
size_t chain_read(const struct chain *chain, void *to, size_t len);
size_t chain_write(const struct chain *chain, size_t at, const void *from, size_t len);

#endif
