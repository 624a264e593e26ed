/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef DITTO_VIRTIO_H
#define DITTO_VIRTIO_H

#include <linux/virtio_ids.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where device n has its page of registers, and its interrupt: pins that no ISA device has. */
#define VIRTIO_MMIO		0xd0000000ULL
#define VIRTIO_MMIO_SIZE	0x1000
#define VIRTIO_GSI		16
#define VIRTIO_QUEUES_MAX	8
#define VIRTIO_QUEUE_LEN	256
#define VIRTIO_DEVICES_MAX	14

struct kvm_run;
struct virtio;
struct vm;

/**
 * struct virtio_ops - who serves a device's queues; called with its lock held
 * @accept: the driver chose its features, or nothing of it runs any more; 0, or -1 to refuse
 * @start: serve a queue whose addresses, and where it begins, are in it; 0 or -1
 * @stop: serve a queue no more; what it has begun is over when this returns. Also one that is not
 *	served, if there is @base
 * @base: where a queue that was stopped would go on; 0 or -1. Absent if it cannot: such a device
 *	is not paused
 * @error: what was wrong with a queue, for the user, or NULL; may be absent
 * @read_config, @write_config: the configuration space as it is now, and a field that the
 *	driver writes; 0, or -1: nothing changed. Absent if it is constant
 * @lost: @peer of its kind is gone; absent if there is none
 */
struct virtio_ops {
	int (*accept)(struct virtio *v);
	int (*start)(struct virtio *v, unsigned int index);
	void (*stop)(struct virtio *v, unsigned int index);
	int (*base)(struct virtio *v, unsigned int index, uint32_t *base);
	const char *(*error)(struct virtio *v, unsigned int index);
	int (*read_config)(struct virtio *v, void *config, size_t *len);
	int (*write_config)(struct virtio *v, unsigned int offset, const void *data, size_t len);
	void (*lost)(struct virtio *v);
};

/**
 * struct virtio_kind - what a device is
 * @ops: who serves it
 * @owner: for @ops
 * @peer: a socket to the process that serves it, if @ops has @lost
 * @label: what to call it when its guest breaks it, as in "disk 0"
 * @type: VIRTIO_ID_*
 * @queues: how many, at most VIRTIO_QUEUES_MAX
 * @features: offered
 * @config, @config_len: its configuration space; copied
 * @forked: the machine's memory has its registers already, and they are in a slot
 */
struct virtio_kind {
	const struct virtio_ops *ops;
	void *owner;
	int peer;
	const char *label;
	uint32_t type;
	unsigned int queues;
	uint64_t features;
	const void *config;
	size_t config_len;
	bool forked;
};

/**
 * struct virtio_queue - what the driver wrote about a queue
 * @num: entries
 * @desc, @avail, @used: where its parts are
 * @base: where it begins, as vhost's ioctls have it
 * @ready: it may be used
 * @enabled: it is served, or would be if the device were not paused
 * @kick_fd: the driver's notification
 */
struct virtio_queue {
	uint32_t num, base;
	uint64_t desc, avail, used;
	bool ready, enabled;
	int kick_fd;
};

/**
 * struct virtio_queue_state - the same, of a device that is forked
 * @desc, @avail, @used, @num, @base: as in struct virtio_queue
 */
struct virtio_queue_state {
	uint64_t desc, avail, used;
	uint32_t num, base;
};

/**
 * struct virtio_state - what a fork inherits of a device, beside its registers
 * @accepted, @features_sel, @accepted_sel, @queue_sel: as in struct virtio
 * @ready, @enabled: of queues, a bit each
 * @queue: what else there is of them
 */
struct virtio_state {
	uint64_t accepted;
	uint32_t features_sel, accepted_sel, queue_sel;
	uint32_t ready, enabled;
	struct virtio_queue_state queue[VIRTIO_QUEUES_MAX];
};

/**
 * struct virtio - a device as the guest sees it
 * @vm: its machine
 * @index: of the device on its bus
 * @kind: what it is; @kind.config is not kept
 * @call_fd: an interrupt
 * @err_fd: a queue is broken
 * @ack_fd: the driver's acknowledgement, which needs no answer
 * @page: registers as the guest reads them, in the machine's memory; written here, under @lock
 * @lock: of the rest
 * @accepted: features that the driver chose
 * @features_sel, @accepted_sel: which half a register shows
 * @queue_sel: which queue
 * @queue: the queues
 * @complaints: how often the user was told of a broken queue
 */
struct virtio {
	struct vm *vm;
	unsigned int index;
	struct virtio_kind kind;
	int call_fd, err_fd, ack_fd;
	uint8_t *page;
	pthread_mutex_t lock;
	uint64_t accepted;
	uint32_t features_sel, accepted_sel, queue_sel;
	struct virtio_queue queue[VIRTIO_QUEUES_MAX];
	unsigned int complaints;
};

unsigned int virtio_gsi(unsigned int index);
int virtio_create(struct virtio *v, struct vm *vm, unsigned int index,
		  const struct virtio_kind *kind);
void virtio_mmio(struct virtio *v, struct kvm_run *run, unsigned int offset);
void virtio_broken(struct virtio *v);
int virtio_config_changed(struct virtio *v);
void virtio_lost(struct virtio *v);
int virtio_pause(struct virtio *v);
void virtio_resume(struct virtio *v);
void virtio_save(struct virtio *v, struct virtio_state *state);
void virtio_restore(struct virtio *v, const struct virtio_state *state);
int virtio_reconnect(struct virtio *v);
void virtio_destroy(struct virtio *v);

#endif
