// SPDX-License-Identifier: GPL-2.0-only
/*
 * A queue: how vhost's ioctls set it up, its eventfds, and the thread that serves it. What a
 * request means is its device's, what a ring looks like is ring.c's.
 *
 * The hard part is the thread's end. It may be killed with its process at any time, and then
 * nobody may wake it; and it may be stopped while it carries out a request, which is waited
 * for, so that what follows (a backup of the image, the next owner) sees the disk at rest.
 */
#include <linux/eventfd.h>
#include <linux/file.h>
#include <linux/nospec.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include "compat.h"
#include "virtio/device.h"

/**
 * queue_init() - a queue as the device has it when it is made
 * @vq: zeroed
 * @dev: whose
 */
void queue_init(struct virtio_queue *vq, struct virtio_dev *dev)
{
	vq->dev = dev;
	vq->ring.mmu = dev->mmu;
	spin_lock_init(&vq->lock);
	spin_lock_init(&vq->call_lock);
}

/**
 * queue_find() - a queue by its index
 * @dev: any
 * @index: unchecked
 *
 * Return: it, or NULL.
 */
struct virtio_queue *queue_find(struct virtio_dev *dev, u32 index)
{
	if (index >= dev->nr_queues)
		return NULL;
	return &dev->queues[array_index_nospec(index, dev->nr_queues)];
}

/* One whose ring may be changed, or ERR_PTR. */
static struct virtio_queue *queue_at_rest(struct virtio_dev *dev, u32 index)
{
	struct virtio_queue *vq = queue_find(dev, index);

	if (!vq)
		return ERR_PTR(-ENOBUFS);
	return vq->enabled ? ERR_PTR(-EBUSY) : vq;
}

/**
 * queue_set_num() - VHOST_SET_VRING_NUM
 * @dev: locked
 * @args: unchecked
 *
 * Return: 0; -ENOBUFS: no such queue; -EBUSY: it is enabled; -EINVAL: the number.
 */
int queue_set_num(struct virtio_dev *dev, struct vhost_vring_state *args)
{
	struct virtio_queue *vq = queue_at_rest(dev, args->index);

	if (IS_ERR(vq))
		return PTR_ERR(vq);
	if (!is_power_of_2(args->num) || args->num > DITTO_VIRTIO_MAX_NUM)
		return -EINVAL;
	vq->ring.num = args->num;
	return 0;
}

/* As vhost has it: either half of @base is a place in the ring, and its wrap counter on top. */
#define PACKED_WRAP	BIT(VRING_PACKED_EVENT_F_WRAP_CTR)

static void queue_set_packed_base(struct ring *r, u32 base)
{
	u16 avail = base & U16_MAX, used = base >> 16;

	r->next_avail = avail & ~PACKED_WRAP;
	r->avail_wrap = avail & PACKED_WRAP;
	r->next_used = used & ~PACKED_WRAP;
	r->used_wrap = used & PACKED_WRAP;
}

static u32 queue_packed_base(const struct ring *r)
{
	u32 avail = READ_ONCE(r->next_avail) | (READ_ONCE(r->avail_wrap) ? PACKED_WRAP : 0);
	u32 used = READ_ONCE(r->next_used) | (READ_ONCE(r->used_wrap) ? PACKED_WRAP : 0);

	return avail | used << 16;
}

/**
 * queue_set_base() - VHOST_SET_VRING_BASE
 * @dev: locked, its features set if they have packed rings
 * @args: unchecked; the number of the chain that is taken next; of a packed ring, where in the
 *	ring that is, and where the next used element, as in vhost
 *
 * Return: 0; -ENOBUFS, -EBUSY, -EINVAL as queue_set_num().
 */
int queue_set_base(struct virtio_dev *dev, struct vhost_vring_state *args)
{
	struct virtio_queue *vq = queue_at_rest(dev, args->index);

	if (IS_ERR(vq))
		return PTR_ERR(vq);
	if (dev->features & BIT_ULL(VIRTIO_F_RING_PACKED)) {
		queue_set_packed_base(&vq->ring, args->num);
		return 0;
	}
	if (args->num > U16_MAX)
		return -EINVAL;
	vq->ring.next_avail = args->num;
	return 0;
}

/**
 * queue_get_base() - VHOST_GET_VRING_BASE
 * @dev: locked
 * @args: number set
 *
 * Return: 0 or -ENOBUFS.
 */
int queue_get_base(struct virtio_dev *dev, struct vhost_vring_state *args)
{
	struct virtio_queue *vq = queue_find(dev, args->index);

	if (!vq)
		return -ENOBUFS;
	args->num = dev->features & BIT_ULL(VIRTIO_F_RING_PACKED) ? queue_packed_base(&vq->ring) :
		    READ_ONCE(vq->ring.next_avail);
	return 0;
}

/* Of parts of a ring, whose size is below a page per 256 entries. */
static bool queue_addr_valid(u64 addr, u64 align)
{
	return IS_ALIGNED(addr, align) && addr < BIT_ULL(52);
}

/**
 * queue_set_addr() - VHOST_SET_VRING_ADDR
 * @dev: locked
 * @args: unchecked; addresses are guest-physical
 *
 * Return: 0; -ENOBUFS, -EBUSY; -EINVAL: an address; -EOPNOTSUPP: a flag.
 */
int queue_set_addr(struct virtio_dev *dev, struct vhost_vring_addr *args)
{
	struct virtio_queue *vq = queue_at_rest(dev, args->index);

	if (IS_ERR(vq))
		return PTR_ERR(vq);
	if (args->flags)
		return -EOPNOTSUPP;
	if (!queue_addr_valid(args->desc_user_addr, VRING_DESC_ALIGN_SIZE) ||
	    !queue_addr_valid(args->avail_user_addr, VRING_AVAIL_ALIGN_SIZE) ||
	    !queue_addr_valid(args->used_user_addr, VRING_USED_ALIGN_SIZE))
		return -EINVAL;
	vq->ring.desc = args->desc_user_addr;
	vq->ring.avail = args->avail_user_addr;
	vq->ring.used = args->used_user_addr;
	return 0;
}

static void queue_drop_kick(struct virtio_queue *vq)
{
	if (!vq->kick)
		return;
	eventfd_ctx_put(vq->kick_ctx);
	fput(vq->kick);
	vq->kick = NULL;
}

/**
 * queue_set_kick() - VHOST_SET_VRING_KICK
 * @dev: locked
 * @args: an eventfd, or -1 for none
 *
 * Return: 0; -ENOBUFS, -EBUSY; -EBADF, -EINVAL: no eventfd.
 */
int queue_set_kick(struct virtio_dev *dev, struct vhost_vring_file *args)
{
	struct virtio_queue *vq = queue_at_rest(dev, args->index);
	struct file *file = NULL;

	if (IS_ERR(vq))
		return PTR_ERR(vq);
	if (args->fd != VHOST_FILE_UNBIND)
		file = eventfd_fget(args->fd);
	if (IS_ERR(file))
		return PTR_ERR(file);
	queue_drop_kick(vq);
	if (file) {
		vq->kick = file;
		vq->kick_ctx = eventfd_ctx_fileget(file);
	}
	return 0;
}

/* Put another eventfd in the place of @one of the queue's, enabled or not. */
static int queue_set_eventfd(struct virtio_queue *vq, struct eventfd_ctx **one, int fd)
{
	struct eventfd_ctx *ctx = fd == VHOST_FILE_UNBIND ? NULL : eventfd_ctx_fdget(fd);

	if (IS_ERR(ctx))
		return PTR_ERR(ctx);
	spin_lock(&vq->call_lock);
	swap(*one, ctx);
	spin_unlock(&vq->call_lock);
	if (ctx)
		eventfd_ctx_put(ctx);
	return 0;
}

/**
 * queue_set_call() - VHOST_SET_VRING_CALL
 * @dev: locked
 * @args: an eventfd, or -1 for none
 *
 * Return: 0; -ENOBUFS; -EBADF, -EINVAL: no eventfd.
 */
int queue_set_call(struct virtio_dev *dev, struct vhost_vring_file *args)
{
	struct virtio_queue *vq = queue_find(dev, args->index);

	return vq ? queue_set_eventfd(vq, &vq->call, args->fd) : -ENOBUFS;
}

/**
 * queue_set_err() - VHOST_SET_VRING_ERR
 * @dev: locked
 * @args: an eventfd, or -1 for none
 *
 * Return: 0; -ENOBUFS; -EBADF, -EINVAL: no eventfd.
 */
int queue_set_err(struct virtio_dev *dev, struct vhost_vring_file *args)
{
	struct virtio_queue *vq = queue_find(dev, args->index);

	return vq ? queue_set_eventfd(vq, &vq->err, args->fd) : -ENOBUFS;
}

static void queue_signal(struct virtio_queue *vq, struct eventfd_ctx **one)
{
	spin_lock(&vq->call_lock);
	if (*one)
		compat_eventfd_signal(*one);
	spin_unlock(&vq->call_lock);
}

/**
 * queue_wake() - there may be something to do, as if the driver had kicked
 * @vq: enabled or not
 *
 * Any context.
 */
void queue_wake(struct virtio_queue *vq)
{
	unsigned long flags;

	spin_lock_irqsave(&vq->lock, flags);
	WRITE_ONCE(vq->kicked, true);
	if (vq->worker && !vq->gone)
		compat_worker_wake(vq->worker);
	spin_unlock_irqrestore(&vq->lock, flags);
}

/* The eventfd's wait queue is locked, interrupts are off. Its count stays, as vhost's does. */
static int queue_wakeup(wait_queue_entry_t *wait, unsigned int mode, int sync, void *key)
{
	if (key_to_poll(key) & EPOLLIN)
		queue_wake(container_of(wait, struct virtio_queue, wait));
	return 0;
}

static void queue_enter_wait(struct file *file, wait_queue_head_t *head, poll_table *table)
{
	add_wait_queue(head, &container_of(table, struct virtio_queue, table)->wait);
}

/* The next chain, from the ring to the used ring: RING_CHAIN when that is done. */
static enum ring_result queue_serve_one(struct virtio_queue *vq)
{
	struct ring *r = &vq->ring;
	enum ring_result result = ring_next(r, &vq->chain);
	s64 len;
	int err;

	if (result != RING_CHAIN)
		return result == RING_EMPTY ? ring_arm(r) : result;
	len = vq->dev->ops->serve(vq);
	if (len == -EAGAIN)
		return RING_HELD;
	err = len < 0 ? len : ring_complete(r, &vq->chain, len);
	if (err)
		return ring_failed(err);
	WRITE_ONCE(vq->requests, vq->requests + 1);
	if (ring_wants_call(r))
		queue_signal(vq, &vq->call);
	return RING_CHAIN;
}

/*
 * Until nothing is there, or the device wants to be woken for the chain that is the next, or the
 * thread has to hear a signal: then what was begun is begun anew, if the thread lives on.
 */
static void queue_serve(struct virtio_queue *vq)
{
	enum ring_result result = RING_CHAIN;

	while (result == RING_CHAIN && !READ_ONCE(vq->stopping) && !signal_pending(current)) {
		result = queue_serve_one(vq);
		cond_resched();
	}
	if (result == RING_BROKEN)
		queue_signal(vq, &vq->err);
	else if (result == RING_AGAIN)
		WRITE_ONCE(vq->kicked, true);
}

/* The thread's work: false when there is none. It has said already that it goes to sleep. */
static bool queue_do_work(void *data)
{
	struct virtio_queue *vq = data;

	/* To sleep lets who stops it go on: nobody else here gives the CPU away. */
	if (READ_ONCE(vq->stopping) || !xchg(&vq->kicked, false) || vq->ring.error)
		return false;
	__set_current_state(TASK_RUNNING);
	queue_serve(vq);
	return true;
}

/* In the thread, which ends now. */
static void queue_killed(void *data)
{
	struct virtio_queue *vq = data;

	spin_lock_irq(&vq->lock);
	vq->gone = true;
	spin_unlock_irq(&vq->lock);
}

static int queue_alloc(struct virtio_queue *vq)
{
	struct ring_chain *c = &vq->chain;
	int err;

	c->max = ring_chain_max(vq->ring.num);
	c->seg = kvcalloc(c->max, sizeof(*c->seg), GFP_KERNEL_ACCOUNT);
	if (!c->seg)
		return -ENOMEM;
	err = vq->dev->ops->alloc(vq);
	if (err)
		kvfree(c->seg);
	return err;
}

static void queue_free(struct virtio_queue *vq)
{
	vq->dev->ops->free(vq);
	kvfree(vq->chain.seg);
}

static void queue_listen(struct virtio_queue *vq)
{
	init_waitqueue_func_entry(&vq->wait, queue_wakeup);
	init_poll_funcptr(&vq->table, queue_enter_wait);
	if (vq->kick)
		vfs_poll(vq->kick, &vq->table);
}

static void queue_stop_listening(struct virtio_queue *vq)
{
	u64 count;

	if (vq->kick)
		eventfd_ctx_remove_wait_queue(vq->kick_ctx, &vq->wait, &count);
}

static int queue_start_thread(struct virtio_queue *vq)
{
	struct compat_worker *worker;

	worker = compat_worker_create(queue_do_work, queue_killed, vq, vq->dev->ops->name);
	if (IS_ERR(worker))
		return PTR_ERR(worker);
	vq->enabled = true;
	vq->stopping = vq->gone = false;
	/* What was made available before has its kick behind it. */
	vq->kicked = true;
	spin_lock_irq(&vq->lock);
	vq->worker = worker;
	spin_unlock_irq(&vq->lock);
	queue_listen(vq);
	compat_worker_start(worker);
	return 0;
}

/* Its parts are aligned otherwise, and what SET_VRING_BASE said must be in it. */
static bool queue_packed_valid(const struct ring *r)
{
	return IS_ALIGNED(r->avail, sizeof(struct vring_packed_desc_event)) &&
	       r->next_avail < r->num && r->next_used < r->num;
}

static int queue_enable(struct virtio_queue *vq)
{
	struct ring *r = &vq->ring;
	u64 features = vq->dev->features;
	int err;

	if (!r->num || !features || !r->used)
		return -EINVAL;
	r->packed = features & BIT_ULL(VIRTIO_F_RING_PACKED);
	if (r->packed && !queue_packed_valid(r))
		return -EINVAL;
	r->event_idx = features & BIT_ULL(VIRTIO_RING_F_EVENT_IDX);
	r->indirect = features & BIT_ULL(VIRTIO_RING_F_INDIRECT_DESC);
	err = ring_start(r);
	if (err)
		return err == -EPROTO ? -EFAULT : err;
	err = queue_alloc(vq);
	if (err)
		return err;
	err = queue_start_thread(vq);
	if (err)
		queue_free(vq);
	return err;
}

static void queue_disable(struct virtio_queue *vq)
{
	struct compat_worker *worker = vq->worker;

	if (!vq->enabled)
		return;
	queue_stop_listening(vq);
	WRITE_ONCE(vq->stopping, true);
	compat_worker_stop(worker);
	vq->worker = NULL;
	vq->enabled = false;
	queue_free(vq);
}

/**
 * queue_set_enable() - VHOST_VDPA_SET_VRING_ENABLE: start or stop it
 * @dev: locked, its caller in the owner's process
 * @args: 1 or 0
 *
 * To stop it waits for the request that is being carried out.
 *
 * Return: 0; -ENOBUFS; -EINVAL: another number, or no features, size or address were set;
 * or they do not fit, or the device has no use for the queue; -EBUSY: it is enabled; -EFAULT: the
 * ring is not in memory; -ENOMEM, -EAGAIN, -EINTR.
 */
int queue_set_enable(struct virtio_dev *dev, struct vhost_vring_state *args)
{
	struct virtio_queue *vq = queue_find(dev, args->index);

	if (!vq)
		return -ENOBUFS;
	if (args->num > 1)
		return -EINVAL;
	if (args->num)
		return vq->enabled ? -EBUSY : queue_enable(vq);
	queue_disable(vq);
	return 0;
}

/**
 * queue_reset() - as queue_init() left it
 * @vq: the device is locked, or nobody else has it
 */
void queue_reset(struct virtio_queue *vq)
{
	struct ring *r = &vq->ring;

	queue_disable(vq);
	queue_drop_kick(vq);
	/* To none: this cannot fail. */
	queue_set_eventfd(vq, &vq->call, VHOST_FILE_UNBIND);
	queue_set_eventfd(vq, &vq->err, VHOST_FILE_UNBIND);
	*r = (struct ring){ .mmu = r->mmu };
}
