// SPDX-License-Identifier: GPL-2.0-only
/*
 * The files of virtio devices: each keeps its VM. What a device does is virtio/'s, which knows
 * the VM's memory and nothing else of it.
 */
#include <linux/anon_inodes.h>
#include <linux/fs.h>
#include <linux/kthread.h>
#include <linux/module.h>

#include "core/ioctl.h"
#include "core/vm.h"
#include "virtio/device.h"

/**
 * vm_ioctl_create_virtio() - DITTO_CREATE_VIRTIO
 * @vm: any
 * @args: copied in
 *
 * Return: an fd; -EMFILE, or as vdev_create().
 */
int vm_ioctl_create_virtio(struct vm *vm, struct ditto_create_virtio *args)
{
	struct virtio_dev *dev = vdev_create(&vm->mmu, args);
	int fd;

	if (IS_ERR(dev))
		return PTR_ERR(dev);
	dev->vm = vm;
	vm_get(vm);
	fd = anon_inode_getfd("ditto-virtio", &virtio_fops, dev, O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		vdev_free(dev);
		vm_put(vm);
	}
	return fd;
}

static void virtio_close(struct virtio_dev *dev)
{
	struct vm *vm = dev->vm;

	vdev_free(dev);
	vm_put(vm);
}

/* A thread of its own, so that no device waits for another's requests. */
static int virtio_close_later(void *dev)
{
	virtio_close(dev);
	module_put_and_kthread_exit(0);
}

/**
 * virtio_release() - file_operations.release of a virtio device's fd
 * @inode: unused
 * @file: its private data is the device
 *
 * Waits for the requests that are being carried out, in the owner's process.
 *
 * Return: 0.
 */
int virtio_release(struct inode *inode, struct file *file)
{
	struct virtio_dev *dev = file->private_data;

	if (!vdev_may_wait(dev)) {
		/* The file has a reference as long as this runs. */
		__module_get(THIS_MODULE);
		if (!IS_ERR(kthread_run(virtio_close_later, dev, "ditto-close")))
			return 0;
		module_put(THIS_MODULE);
	}
	virtio_close(dev);
	return 0;
}
