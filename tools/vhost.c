// SPDX-License-Identifier: GPL-2.0-only
/*
 * What all devices have in common that are served in the kernel, by the module or by Linux's
 * vhost: a queue is told with the same ioctls. Linux takes addresses of this process, and is
 * told where the guest's memory is in it; the module takes the guest's.
 */
#include "vhost.h"
#include "ram.h"
#include "ring.h"
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/vhost.h>
#include <string.h>
#include <sys/ioctl.h>

/**
 * vhost_open() - open a node of Linux's
 * @node: its path
 * @module: of the kernel's, which makes it
 *
 * Return: an fd, or -1 after saying why on standard error.
 */
int vhost_open(const char *node, const char *module)
{
	int fd = open(node, O_RDWR | O_CLOEXEC);

	if (fd < 0 && (errno == ENOENT || errno == ENODEV || errno == ENXIO))
		complain("%s: not there: modprobe %s", node, module);
	else if (fd < 0)
		complain("%s: %s", node, strerror(errno));
	return fd;
}

/* The parts of a queue as addresses of this process: nothing but RAM. */
static int vhost_translate(struct vhost_vring_addr *addr, const struct virtio_queue *q,
			   const struct ram *ram)
{
	struct ring_parts parts;

	if (!ring_find(&parts, q, ram)) {
		errno = EFAULT;
		return -1;
	}
	addr->desc_user_addr = (uintptr_t)parts.desc;
	addr->avail_user_addr = (uintptr_t)parts.avail;
	addr->used_user_addr = (uintptr_t)parts.used;
	return 0;
}

static int vhost_set_events(int fd, const struct virtio *v, unsigned int index)
{
	struct vhost_vring_file kick = { .index = index, .fd = v->queue[index].kick_fd };
	struct vhost_vring_file call = { .index = index, .fd = v->call_fd };
	struct vhost_vring_file err = { .index = index, .fd = v->err_fd };

	if (ioctl(fd, VHOST_SET_VRING_KICK, &kick) < 0 ||
	    ioctl(fd, VHOST_SET_VRING_CALL, &call) < 0)
		return -1;
	return ioctl(fd, VHOST_SET_VRING_ERR, &err);
}

/**
 * vhost_start_ring() - tell a kernel's device of a queue
 * @fd: the device
 * @v: the driver's words
 * @index: of the queue, which is not served
 * @ram: for a device that takes addresses of this process, or NULL
 *
 * Return: 0, or -1 with errno.
 */
int vhost_start_ring(int fd, const struct virtio *v, unsigned int index, const struct ram *ram)
{
	const struct virtio_queue *q = &v->queue[index];
	struct vhost_vring_state num = { .index = index, .num = q->num };
	struct vhost_vring_state base = { .index = index, .num = q->base };
	struct vhost_vring_addr addr = {
		.index = index, .desc_user_addr = q->desc, .avail_user_addr = q->avail,
		.used_user_addr = q->used,
	};

	if (ram && vhost_translate(&addr, q, ram) < 0)
		return -1;
	if (ioctl(fd, VHOST_SET_VRING_NUM, &num) < 0 ||
	    ioctl(fd, VHOST_SET_VRING_BASE, &base) < 0 ||
	    ioctl(fd, VHOST_SET_VRING_ADDR, &addr) < 0)
		return -1;
	return vhost_set_events(fd, v, index);
}

/**
 * vhost_set_memory() - tell Linux's vhost where the guest's memory is
 * @fd: the device, owned
 * @ram: mapped for as long as the device is open
 *
 * Return: 0, or -1 with errno.
 */
int vhost_set_memory(int fd, const struct ram *ram)
{
	union {
		struct vhost_memory head;
		char room[sizeof(struct vhost_memory) + 2 * sizeof(struct vhost_memory_region)];
	} memory = { .head = { .nregions = 1 } };
	uint64_t low = ram_low_size(ram->size);

	memory.head.regions[0] = (struct vhost_memory_region){
		.memory_size = low, .userspace_addr = (uintptr_t)ram->host,
	};
	if (low < ram->size)
		memory.head.regions[memory.head.nregions++] = (struct vhost_memory_region){
			.guest_phys_addr = RAM_HOLE_END, .memory_size = ram->size - low,
			.userspace_addr = (uintptr_t)ram->host + low,
		};
	return ioctl(fd, VHOST_SET_MEM_TABLE, &memory);
}
