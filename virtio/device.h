/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A virtio device in the kernel: what core/ makes a file of, and what the kinds of devices
 * (blk.c) are built on.
 */
#ifndef DITTO_VIRTIO_DEVICE_H
#define DITTO_VIRTIO_DEVICE_H

#include <linux/mutex.h>
#include <linux/poll.h>
#include <linux/spinlock.h>
#include <linux/vhost.h>
#include <linux/wait.h>

#include <ditto.h>
#include "virtio/ring.h"

struct compat_worker;
struct eventfd_ctx;
struct file;
struct pid;
struct virtio_dev;
struct vm;

/**
 * struct virtio_queue - a queue, its eventfds and its thread (queue.c)
 * @dev: whose; constant
 * @ring: the device's lock while the queue is not enabled, else the thread
 * @chain: likewise
 * @buf: for the kind of device, likewise; exists while the queue is enabled
 * @enabled: it has a thread; the device's lock
 * @stopping: it shall end; written under the device's lock
 * @lock: of the next three; innermost, interrupts off
 * @worker: the thread, or NULL
 * @gone: it was killed; do not wake it
 * @kicked: there may be something to do
 * @call_lock: @call and @err, held while they are signalled
 * @call: tells the driver of used elements, or NULL
 * @err: tells the VMM that the guest broke the queue, or NULL
 * @kick: the eventfd by which the driver kicks, or NULL; the device's lock
 * @kick_ctx: its context
 * @wait: in its wait queue while the queue is enabled
 * @table: by which it came there
 * @requests: carried out; the thread's
 * @failed: of them, with an error for the guest; the thread's
 */
struct virtio_queue {
	struct virtio_dev *dev;
	struct ring ring;
	struct ring_chain chain;
	void *buf;
	bool enabled, stopping;
	spinlock_t lock;
	struct compat_worker *worker;
	bool gone, kicked;
	spinlock_t call_lock;
	struct eventfd_ctx *call, *err;
	struct file *kick;
	struct eventfd_ctx *kick_ctx;
	wait_queue_entry_t wait;
	poll_table table;
	u64 requests, failed;
};

/**
 * struct virtio_ops - a kind of device
 * @type: VIRTIO_ID_*
 * @config_size: bytes of its configuration space
 * @name: of the threads
 * @alloc: give a queue its @buf; 0, -ENOMEM; -EINVAL: with these features there is no such queue
 * @free: take it away
 * @serve: carry out the queue's chain. Bytes written, from the first writable one on; -EINTR:
 *	nothing was told to the guest, and it can be done again; -EAGAIN: likewise, after
 *	queue_wake(); -EPROTO. In the thread
 * @set_config: the driver writes to the configuration space; 0 or -EINVAL. NULL: it may not
 * @destroy: free the device, whose queues are not enabled
 */
struct virtio_ops {
	u32 type;
	u32 config_size;
	const char *name;
	int (*alloc)(struct virtio_queue *vq);
	void (*free)(struct virtio_queue *vq);
	s64 (*serve)(struct virtio_queue *vq);
	int (*set_config)(struct virtio_dev *dev, u32 off, const void *buf, u32 len);
	void (*destroy)(struct virtio_dev *dev);
};

/**
 * struct virtio_dev - a device
 * @ops: its kind; constant
 * @vm: for core/, which keeps it; constant
 * @mmu: the guest's memory; constant
 * @config: configuration space; changes under @lock, if ever; read without
 * @offered: features; constant
 * @lock: of everything that ioctls change; sleeps while a queue stops
 * @mm: the owner's address space, or NULL; @lock
 * @process: the owner's, or NULL; @lock
 * @features: negotiated; @lock, constant while a queue is enabled
 * @nr_queues: constant
 * @queues: so many
 */
struct virtio_dev {
	const struct virtio_ops *ops;
	struct vm *vm;
	struct mmu *mmu;
	const void *config;
	u64 offered;
	struct mutex lock;
	struct mm_struct *mm;
	struct pid *process;
	u64 features;
	u32 nr_queues;
	struct virtio_queue *queues;
};

int vdev_init(struct virtio_dev *dev, const struct virtio_ops *ops, struct mmu *mmu,
		u32 nr_queues);
void vdev_free(struct virtio_dev *dev);
struct virtio_dev *vdev_create(struct mmu *mmu, const struct ditto_create_virtio *args);
int vdev_lock(struct virtio_dev *dev);
void vdev_unlock(struct virtio_dev *dev);
bool vdev_may_wait(const struct virtio_dev *dev);

/* Ioctls: vdev_lock() is held, except for those that say otherwise. */
int vdev_get_features(struct virtio_dev *dev, u64 *features);
int vdev_set_features(struct virtio_dev *dev, u64 *features);
int vdev_set_owner(struct virtio_dev *dev);
int vdev_reset_owner(struct virtio_dev *dev);
int vdev_get_device_id(struct virtio_dev *dev, u32 *id);
int vdev_get_vring_max(struct virtio_dev *dev, u16 *num);
int vdev_get_config_size(struct virtio_dev *dev, u32 *size);
int vdev_get_config(struct virtio_dev *dev, void __user *arg);
int vdev_set_config(struct virtio_dev *dev, void __user *arg);
int vdev_state(struct virtio_dev *dev, struct ditto_virtio_state *state);

/* queue.c */
void queue_init(struct virtio_queue *vq, struct virtio_dev *dev);
void queue_reset(struct virtio_queue *vq);
int queue_set_num(struct virtio_dev *dev, struct vhost_vring_state *args);
int queue_set_base(struct virtio_dev *dev, struct vhost_vring_state *args);
int queue_get_base(struct virtio_dev *dev, struct vhost_vring_state *args);
int queue_set_addr(struct virtio_dev *dev, struct vhost_vring_addr *args);
int queue_set_kick(struct virtio_dev *dev, struct vhost_vring_file *args);
int queue_set_call(struct virtio_dev *dev, struct vhost_vring_file *args);
int queue_set_err(struct virtio_dev *dev, struct vhost_vring_file *args);
int queue_set_enable(struct virtio_dev *dev, struct vhost_vring_state *args);
struct virtio_queue *queue_find(struct virtio_dev *dev, u32 index);
void queue_wake(struct virtio_queue *vq);

/* blk.c */
struct virtio_dev *blk_create(struct mmu *mmu, const struct ditto_create_virtio *args);

/* balloon.c */
struct virtio_dev *balloon_create(struct mmu *mmu, const struct ditto_create_virtio *args);
int vdev_balloon(struct virtio_dev *dev, struct ditto_balloon *args);

#endif
