// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sockets between guest and host (AF_VSOCK), served by Linux's vhost-vsock: programs of the
 * host reach the guest by its number, the guest reaches the host as number 2, and nothing of
 * it comes to this program. The third queue tells the guest that it has been moved to another
 * host; that does not happen here, so what it offers there is left alone.
 */
#include "vsock.h"
#include "bus.h"
#include "vhost.h"
#include "vm.h"
#include "util.h"

#include <errno.h>
#include <linux/vhost.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <linux/virtio_vsock.h>
#include <linux/vm_sockets.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define NODE		"/dev/vhost-vsock"
#define QUEUES		3
#define TX		1
#define BIT(feature)	(1ULL << (feature))
#define FEATURES	(BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_RING_F_EVENT_IDX) | \
			 BIT(VIRTIO_RING_F_INDIRECT_DESC) | BIT(VIRTIO_VSOCK_F_SEQPACKET))

static struct vsock *of(struct virtio *v)
{
	return v->kind.owner;
}

static int vsock_accept(struct virtio *v)
{
	if (!(v->accepted & BIT(VIRTIO_F_VERSION_1)))
		return -1;
	return ioctl(of(v)->fd, VHOST_SET_FEATURES, &v->accepted);
}

static int vsock_run(const struct vsock *vsock, int on)
{
	return ioctl(vsock->fd, VHOST_VSOCK_SET_RUNNING, &on);
}

/* The kernel serves both queues or none, so they begin with the second. */
static int vsock_start(struct virtio *v, unsigned int index)
{
	if (index > TX)
		return 0;
	if (vhost_start_ring(of(v)->fd, v, index, &v->vm->ram) < 0)
		return -1;
	return index == TX ? vsock_run(of(v), 1) : 0;
}

static void vsock_stop(struct virtio *v, unsigned int index)
{
	if (index <= TX)
		vsock_run(of(v), 0);
}

static const struct virtio_ops vsock_ops = {
	.accept = vsock_accept, .start = vsock_start, .stop = vsock_stop,
};

/**
 * vsock_parse() - understand a guest's number
 * @config: filled in
 * @arg: the text
 *
 * Return: false if it is none that a guest can have.
 */
bool vsock_parse(struct vsock_config *config, const char *arg)
{
	return parse_uint(arg, &config->cid) && config->cid > VMADDR_CID_HOST &&
	       config->cid != VMADDR_CID_ANY;
}

/* The number is taken here, so that a mistake starts nothing. */
static int vsock_take(struct vsock_config *config)
{
	uint64_t cid = config->cid;

	if (!ioctl(config->fd, VHOST_SET_OWNER) &&
	    !ioctl(config->fd, VHOST_VSOCK_SET_GUEST_CID, &cid))
		return 0;
	if (errno == EADDRINUSE)
		complain("--vsock %u: another machine has that number", config->cid);
	else
		complain("--vsock %u: " NODE ": %s", config->cid, strerror(errno));
	return -1;
}

/**
 * vsock_open() - open the kernel's device, and take the number
 * @config: parsed; vsock_close() it whatever is returned
 *
 * Return: 0, or -1 after saying why not on standard error.
 */
int vsock_open(struct vsock_config *config)
{
	if (!config->cid)
		return 0;
	config->fd = vhost_open(NODE, "vhost_vsock");
	return config->fd < 0 ? -1 : vsock_take(config);
}

/**
 * vsock_close() - give the number back; after the machine
 * @config: parsed
 */
void vsock_close(struct vsock_config *config)
{
	if (config->fd >= 0)
		close(config->fd);
	config->fd = -1;
}

/**
 * vsock_create() - give a machine the socket device that it was configured with, if any
 * @vsock: filled in; vsock_destroy() it whatever is returned
 * @vm: has its board and its memory
 *
 * Return: 0, or -1 after saying why not on standard error.
 */
int vsock_create(struct vsock *vsock, struct vm *vm)
{
	const struct vsock_config *config = &vm->config->vsock;
	struct virtio_vsock_config space = { .guest_cid = config->cid };
	struct virtio_kind kind = {
		.ops = &vsock_ops, .owner = vsock, .label = "vsock", .type = VIRTIO_ID_VSOCK,
		.queues = QUEUES, .config = &space, .config_len = sizeof(space),
	};

	if (!config->cid)
		return 0;
	vsock->fd = config->fd;
	if (!ioctl(vsock->fd, VHOST_GET_FEATURES, &kind.features) &&
	    !vhost_set_memory(vsock->fd, &vm->ram)) {
		kind.features &= FEATURES;
		vsock->created = !bus_add(&vm->bus, &vsock->virtio, vm, &kind);
	}
	if (!vsock->created)
		complain("--vsock %u: %s", config->cid, strerror(errno));
	return vsock->created ? 0 : -1;
}

/**
 * vsock_destroy() - stop it
 * @vsock: from vsock_create(), or zeroed; the bus is stopped
 */
void vsock_destroy(struct vsock *vsock)
{
	if (vsock->created)
		virtio_destroy(&vsock->virtio);
	vsock->created = false;
}
