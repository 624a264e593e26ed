// SPDX-License-Identifier: GPL-2.0-only
/*
 * What all virtio devices have: an owner, features, configuration space. Queues are queue.c's,
 * the file is core/'s. The ioctls are vhost's, with vhost's meanings: linux/vhost.h.
 */
#include <linux/pid.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>

#include "virtio/device.h"

/**
 * vdev_init() - what all kinds have
 * @dev: zeroed
 * @ops: its kind
 * @mmu: outlives it
 * @nr_queues: checked
 *
 * Return: 0 or -ENOMEM.
 */
int vdev_init(struct virtio_dev *dev, const struct virtio_ops *ops, struct mmu *mmu,
		u32 nr_queues)
{
	u32 i;

	dev->queues = kvcalloc(nr_queues, sizeof(*dev->queues), GFP_KERNEL_ACCOUNT);
	if (!dev->queues)
		return -ENOMEM;
	dev->ops = ops;
	dev->mmu = mmu;
	dev->nr_queues = nr_queues;
	mutex_init(&dev->lock);
	for (i = 0; i < nr_queues; i++)
		queue_init(&dev->queues[i], dev);
	return 0;
}

/* @lock held, or nobody else has the device. */
static void vdev_disown(struct virtio_dev *dev)
{
	u32 i;

	for (i = 0; i < dev->nr_queues; i++)
		queue_reset(&dev->queues[i]);
	dev->features = 0;
	if (dev->mm)
		mmdrop(dev->mm);
	dev->mm = NULL;
	put_pid(dev->process);
	dev->process = NULL;
}

/**
 * vdev_free() - stop it, and free it
 * @dev: nobody else has it
 *
 * Waits for the request that a queue is carrying out.
 */
void vdev_free(struct virtio_dev *dev)
{
	vdev_disown(dev);
	kvfree(dev->queues);
	dev->ops->destroy(dev);
}

static bool vdev_args_valid(const struct ditto_create_virtio *args)
{
	return !memchr_inv(args->reserved, 0, sizeof(args->reserved)) && args->queues &&
	       args->queues <= DITTO_VIRTIO_MAX_QUEUES;
}

/**
 * vdev_create() - DITTO_CREATE_VIRTIO, without the file
 * @mmu: the guest's memory; outlives the device
 * @args: unchecked
 *
 * Return: the device, or ERR_PTR: -EINVAL, -EBADF, -ENODEV, -ENOMEM.
 */
struct virtio_dev *vdev_create(struct mmu *mmu, const struct ditto_create_virtio *args)
{
	if (!vdev_args_valid(args))
		return ERR_PTR(-EINVAL);
	if (args->type == VIRTIO_ID_BLOCK)
		return blk_create(mmu, args);
	if (args->type == VIRTIO_ID_BALLOON)
		return balloon_create(mmu, args);
	return ERR_PTR(-ENODEV);
}

/**
 * vdev_lock() - before an ioctl that only the owner may call
 * @dev: any
 *
 * Return: 0; -EPERM: the caller is not the owner; -EINTR.
 */
int vdev_lock(struct virtio_dev *dev)
{
	if (mutex_lock_killable(&dev->lock))
		return -EINTR;
	if (dev->mm && dev->mm == current->mm)
		return 0;
	mutex_unlock(&dev->lock);
	return -EPERM;
}

/**
 * vdev_unlock() - after it
 * @dev: as locked
 */
void vdev_unlock(struct virtio_dev *dev)
{
	mutex_unlock(&dev->lock);
}

/**
 * vdev_may_wait() - may the caller wait for vdev_free()?
 * @dev: nobody else has it
 *
 * How long requests take is the owner's affair: its memory may be provided by userfaultfd, and
 * its file by FUSE. A task that merely drops the last reference must not wait for that: it may be
 * a worker of the kernel which closes an fd that was on its way between processes.
 *
 * Return: whether there is no owner, or the caller is of its process, also when that ends.
 */
bool vdev_may_wait(const struct virtio_dev *dev)
{
	return !dev->process || dev->process == task_tgid(current);
}

/**
 * vdev_set_owner() - VHOST_SET_OWNER
 * @dev: not locked
 *
 * Queues' threads run in the owner's process, or on behalf of it.
 *
 * Return: 0; -EBUSY: it has one; -EINTR.
 */
int vdev_set_owner(struct virtio_dev *dev)
{
	int err = 0;

	if (mutex_lock_killable(&dev->lock))
		return -EINTR;
	if (dev->mm) {
		err = -EBUSY;
	} else {
		dev->mm = current->mm;
		mmgrab(dev->mm);
		dev->process = get_pid(task_tgid(current));
	}
	mutex_unlock(&dev->lock);
	return err;
}

/**
 * vdev_reset_owner() - VHOST_RESET_OWNER: as the device was made
 * @dev: locked
 *
 * Waits for the request that a queue is carrying out.
 *
 * Return: 0.
 */
int vdev_reset_owner(struct virtio_dev *dev)
{
	vdev_disown(dev);
	return 0;
}

/**
 * vdev_get_features() - VHOST_GET_FEATURES
 * @dev: need not be locked
 * @features: set
 *
 * Return: 0.
 */
int vdev_get_features(struct virtio_dev *dev, u64 *features)
{
	*features = dev->offered;
	return 0;
}

/**
 * vdev_set_features() - VHOST_SET_FEATURES: what the driver accepted
 * @dev: locked
 * @features: unchecked
 *
 * Return: 0; -EOPNOTSUPP: not offered, or without VIRTIO_F_VERSION_1; -EBUSY: a queue is enabled.
 */
int vdev_set_features(struct virtio_dev *dev, u64 *features)
{
	u32 i;

	if ((*features & ~dev->offered) || !(*features & BIT_ULL(VIRTIO_F_VERSION_1)))
		return -EOPNOTSUPP;
	for (i = 0; i < dev->nr_queues; i++)
		if (dev->queues[i].enabled)
			return -EBUSY;
	dev->features = *features;
	return 0;
}

/**
 * vdev_get_device_id() - VHOST_VDPA_GET_DEVICE_ID
 * @dev: need not be locked
 * @id: set
 *
 * Return: 0.
 */
int vdev_get_device_id(struct virtio_dev *dev, u32 *id)
{
	*id = dev->ops->type;
	return 0;
}

/**
 * vdev_get_vring_max() - VHOST_VDPA_GET_VRING_NUM
 * @dev: need not be locked
 * @num: set
 *
 * Return: 0.
 */
int vdev_get_vring_max(struct virtio_dev *dev, u16 *num)
{
	*num = DITTO_VIRTIO_MAX_NUM;
	return 0;
}

/**
 * vdev_get_config_size() - VHOST_VDPA_GET_CONFIG_SIZE
 * @dev: need not be locked
 * @size: set
 *
 * Return: 0.
 */
int vdev_get_config_size(struct virtio_dev *dev, u32 *size)
{
	*size = dev->ops->config_size;
	return 0;
}

/**
 * vdev_get_config() - VHOST_VDPA_GET_CONFIG
 * @dev: need not be locked
 * @arg: a struct vhost_vdpa_config
 *
 * Return: 0; -EINVAL: beyond its end; -EFAULT.
 */
int vdev_get_config(struct virtio_dev *dev, void __user *arg)
{
	u32 size = dev->ops->config_size;
	struct vhost_vdpa_config head;

	if (copy_from_user(&head, arg, sizeof(head)))
		return -EFAULT;
	if (head.off > size || head.len > size - head.off)
		return -EINVAL;
	if (copy_to_user(arg + sizeof(head), dev->config + head.off, head.len))
		return -EFAULT;
	return 0;
}

/* What a driver writes at once: no field of a configuration space is longer. */
#define CONFIG_FIELD_MAX	8u

/**
 * vdev_set_config() - VHOST_VDPA_SET_CONFIG: the driver wrote a field
 * @dev: locked
 * @arg: a struct vhost_vdpa_config
 *
 * Return: 0; -EOPNOTSUPP: there is nothing to write; -EINVAL: no such field is; -EFAULT.
 */
int vdev_set_config(struct virtio_dev *dev, void __user *arg)
{
	struct vhost_vdpa_config head;
	u8 field[CONFIG_FIELD_MAX];

	if (!dev->ops->set_config)
		return -EOPNOTSUPP;
	if (copy_from_user(&head, arg, sizeof(head)))
		return -EFAULT;
	if (!head.len || head.len > sizeof(field))
		return -EINVAL;
	if (copy_from_user(field, arg + sizeof(head), head.len))
		return -EFAULT;
	return dev->ops->set_config(dev, head.off, field, head.len);
}

/**
 * vdev_state() - DITTO_VIRTIO_STATE
 * @dev: locked
 * @state: copied in, and out
 *
 * Return: 0 or -ENOBUFS.
 */
int vdev_state(struct virtio_dev *dev, struct ditto_virtio_state *state)
{
	struct virtio_queue *vq = queue_find(dev, state->queue);

	if (!vq)
		return -ENOBUFS;
	*state = (struct ditto_virtio_state){
		.queue = state->queue,
		.error = READ_ONCE(vq->ring.error),
		.requests = READ_ONCE(vq->requests),
		.failed = READ_ONCE(vq->failed),
	};
	return 0;
}
