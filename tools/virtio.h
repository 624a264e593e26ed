/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef DITTO_VIRTIO_H
#define DITTO_VIRTIO_H

#include <linux/virtio_ids.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* Where device n has its page of registers, and its interrupt: pins that no ISA device has. */
#define VIRTIO_MMIO		0xd0000000ULL
#define VIRTIO_MMIO_SIZE	0x1000
#define VIRTIO_GSI		16
#define VIRTIO_QUEUES_MAX	8

/* The balloon's number. Disks have those from 0 on; pin 10 is no ISA device's here. */
#define VIRTIO_BALLOON	15
#define VIRTIO_BALLOON_GSI	10

struct ditto_create_virtio;
struct kvm_run;
struct vm;

/**
 * struct virtio_queue - what the driver wrote about a queue
 * @num: entries
 * @desc, @avail, @used: where its parts are
 * @ready: it may be used
 * @enabled: the module serves it
 * @kick_fd: the driver's notification
 */
struct virtio_queue {
	uint32_t num;
	uint64_t desc, avail, used;
	bool ready, enabled;
	int kick_fd;
};

/**
 * struct virtio - a device as the guest sees it
 * @vm: its machine
 * @index: of the device
 * @kind: what it is, for messages
 * @fd: the module's device
 * @call_fd: an interrupt
 * @err_fd: a queue is broken
 * @ack_fd: the driver's acknowledgement, which needs no answer
 * @page: registers as the guest reads them; written here, under @lock
 * @lock: of the rest
 * @features: offered
 * @accepted: by the driver
 * @features_sel, @accepted_sel: which half a register shows
 * @queue_sel: which queue
 * @queue: the queues
 * @queues: how many
 */
struct virtio {
	struct vm *vm;
	unsigned int index;
	const char *kind;
	int fd, call_fd, err_fd, ack_fd;
	uint8_t *page;
	pthread_mutex_t lock;
	uint64_t features, accepted;
	uint32_t features_sel, accepted_sel, queue_sel;
	struct virtio_queue queue[VIRTIO_QUEUES_MAX];
	unsigned int queues;
};

/* Its interrupt. */
static inline unsigned int virtio_gsi(unsigned int index)
{
	return index == VIRTIO_BALLOON ? VIRTIO_BALLOON_GSI : VIRTIO_GSI + index;
}

int virtio_create(struct virtio *v, struct vm *vm, unsigned int index,
		  const struct ditto_create_virtio *args);
void virtio_mmio(struct virtio *v, struct kvm_run *run, unsigned int offset);
int virtio_config_changed(struct virtio *v);
void virtio_broken(struct virtio *v);
void virtio_destroy(struct virtio *v);

#endif
