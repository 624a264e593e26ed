// SPDX-License-Identifier: GPL-2.0-only
/*
 * Virtio devices in the module (api.md, "Disks in the kernel"): what the driver negotiated
 * is passed on with vhost's ioctls, and data never comes here.
 */
#include "module_device.h"
#include "bus.h"
#include "vhost.h"
#include "vm.h"
#include "util.h"

#include "ditto.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/vhost.h>
#include <linux/virtio_mmio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define CONFIG_MAX	256
#define GET_CONFIG_SIZE	_IOR(VHOST_VIRTIO, 0x79, uint32_t)

static struct module_device *of(struct virtio *v)
{
	return v->kind.owner;
}

static int module_accept(struct virtio *v)
{
	return ioctl(of(v)->fd, VHOST_SET_FEATURES, &v->accepted);
}

static int module_start(struct virtio *v, unsigned int index)
{
	struct vhost_vring_state on = { .index = index, .num = 1 };

	if (vhost_start_ring(of(v)->fd, v, index, NULL) < 0)
		return -1;
	return ioctl(of(v)->fd, VHOST_VDPA_SET_VRING_ENABLE, &on);
}

static void module_stop(struct virtio *v, unsigned int index)
{
	struct vhost_vring_state off = { .index = index, .num = 0 };

	ioctl(of(v)->fd, VHOST_VDPA_SET_VRING_ENABLE, &off);
}

static int module_base(struct virtio *v, unsigned int index, uint32_t *base)
{
	struct vhost_vring_state state = { .index = index };

	if (ioctl(of(v)->fd, VHOST_GET_VRING_BASE, &state) < 0)
		return -1;
	*base = state.num;
	return 0;
}

static const char *module_error(struct virtio *v, unsigned int index)
{
	static const char *const names[] = {
		[DITTO_VIRTIO_ERR_AVAIL] = "more is available than it has",
		[DITTO_VIRTIO_ERR_HEAD] = "a chain begins outside of the table",
		[DITTO_VIRTIO_ERR_NEXT] = "a chain goes on outside of the table",
		[DITTO_VIRTIO_ERR_LONG] = "a chain is too long, or a loop",
		[DITTO_VIRTIO_ERR_INDIRECT] = "a wrong indirect table",
		[DITTO_VIRTIO_ERR_ORDER] = "a readable descriptor behind a writable one",
		[DITTO_VIRTIO_ERR_LENGTH] = "a descriptor of no bytes, or of too many",
		[DITTO_VIRTIO_ERR_MEMORY] = "an address without memory",
		[DITTO_VIRTIO_ERR_REQUEST] = "a chain that no request fits into",
	};
	struct ditto_virtio_state state = { .queue = index };

	if (ioctl(of(v)->fd, DITTO_VIRTIO_STATE, &state) < 0 || !state.error)
		return NULL;
	if (state.error < ARRAY_SIZE(names) && names[state.error])
		return names[state.error];
	return "an error that this program does not know";
}

static int module_read_config(struct virtio *v, void *config, size_t *len)
{
	int fd = of(v)->fd;

	union {
		struct vhost_vdpa_config head;
		uint8_t room[sizeof(struct vhost_vdpa_config) + CONFIG_MAX];
	} read = { .head = { .off = 0 } };

	if (ioctl(fd, GET_CONFIG_SIZE, &read.head.len) < 0)
		return -1;
	errno = EINVAL;
	if (read.head.len > CONFIG_MAX || ioctl(fd, VHOST_VDPA_GET_CONFIG, &read) < 0)
		return -1;
	memcpy(config, read.room + sizeof(read.head), read.head.len);
	*len = read.head.len;
	return 0;
}

static int module_write_config(struct virtio *v, unsigned int offset, const void *data, size_t len)
{
	struct {
		struct vhost_vdpa_config head;
		uint8_t field[8];
	} config = { .head = { .off = offset, .len = len } };

	memcpy(config.field, data, len);
	return ioctl(of(v)->fd, VHOST_VDPA_SET_CONFIG, &config);
}

static const struct virtio_ops module_ops = {
	.accept = module_accept, .start = module_start, .stop = module_stop,
	.base = module_base, .error = module_error, .read_config = module_read_config,
	.write_config = module_write_config,
};

static int module_device_open(const struct module_device *d, const struct vm *vm)
{
	int fd = ioctl(vm->fd, DITTO_CREATE_VIRTIO, &d->args), err;

	if (fd < 0 || ioctl(fd, VHOST_SET_OWNER) == 0)
		return fd;
	err = errno;
	close(fd);
	errno = err;
	return -1;
}

static int module_device_add(struct module_device *d, struct vm *vm, bool forked)
{
	uint8_t config[CONFIG_MAX];
	struct virtio_kind kind = {
		.ops = &module_ops, .owner = d, .label = d->label, .type = d->args.type,
		.queues = d->args.queues, .config = config, .forked = forked,
	};

	d->virtio.kind.owner = d;	/* which is how it finds itself */
	if (ioctl(d->fd, VHOST_GET_FEATURES, &kind.features) < 0 ||
	    module_read_config(&d->virtio, config, &kind.config_len) < 0)
		return -1;
	return bus_add(&vm->bus, &d->virtio, vm, &kind);
}

/**
 * module_device_create() - make a device and put it onto the machine's bus
 * @d: filled in, except for its label, which is there
 * @vm: has its board
 * @args: what it is; at most VIRTIO_QUEUES_MAX queues; its fd stays open
 * @forked: the machine is a fork, whose parent had it: virtio_restore() it
 *
 * Return: 0, or -1 with errno; nothing is left then.
 */
int module_device_create(struct module_device *d, struct vm *vm,
			 const struct ditto_create_virtio *args, bool forked)
{
	int err;

	d->args = *args;
	d->fd = module_device_open(d, vm);
	if (d->fd < 0)
		return -1;
	if (!module_device_add(d, vm, forked))
		return 0;
	err = errno;
	close(d->fd);
	errno = err;
	return -1;
}

/**
 * module_device_become() - be a device of the machine that this one has become
 * @d: paused; its fd keeps its number
 *
 * Return: 0, or -1 with errno.
 */
int module_device_become(struct module_device *d)
{
	int fd = module_device_open(d, d->virtio.vm), ret;

	if (fd < 0)
		return -1;
	ret = dup3(fd, d->fd, O_CLOEXEC);
	close(fd);
	return ret < 0 ? -1 : virtio_reconnect(&d->virtio);
}

/**
 * module_device_destroy() - stop and close it; waits for what the module is writing
 * @d: created; the bus is stopped
 */
void module_device_destroy(struct module_device *d)
{
	virtio_destroy(&d->virtio);
	close(d->fd);
}
