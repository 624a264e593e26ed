// SPDX-License-Identifier: GPL-2.0-only
/*
 * A network device on a tap interface of the host. Its queues are served by Linux's vhost-net,
 * which reads and writes guest memory through this process's mapping of it, hears the driver's
 * kicks from ioeventfds and interrupts through an irqfd: no frame comes to this program, nor
 * does an exit. A tap that did not exist goes with the process, however that ends.
 */
#include "net.h"
#include "bus.h"
#include "vhost.h"
#include "vm.h"
#include "util.h"

#include <errno.h>
#include <linux/if_tun.h>
#include <linux/vhost.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define TUN_NODE	"/dev/net/tun"
#define VHOST_NODE	"/dev/vhost-net"
#define BIT(feature)	(1ULL << (feature))
#define VERSION_1	BIT(VIRTIO_F_VERSION_1)

/* What vhost does with rings, and what it and the tap do with frames. */
#define OF_VHOST	(VERSION_1 | BIT(VIRTIO_RING_F_EVENT_IDX) | \
			 BIT(VIRTIO_RING_F_INDIRECT_DESC) | BIT(VIRTIO_NET_F_MRG_RXBUF))
#define OF_TAP		(BIT(VIRTIO_NET_F_CSUM) | BIT(VIRTIO_NET_F_GUEST_CSUM) | \
			 BIT(VIRTIO_NET_F_HOST_TSO4) | BIT(VIRTIO_NET_F_HOST_TSO6) | \
			 BIT(VIRTIO_NET_F_GUEST_TSO4) | BIT(VIRTIO_NET_F_GUEST_TSO6))

static int tap_accept(struct virtio *v)
{
	const struct net *net = v->kind.owner;
	uint64_t vhost = v->accepted & OF_VHOST;
	unsigned int offload = 0;

	if (!(v->accepted & VERSION_1))
		return -1;
	if (v->accepted & BIT(VIRTIO_NET_F_GUEST_CSUM))
		offload |= TUN_F_CSUM;
	if (v->accepted & BIT(VIRTIO_NET_F_GUEST_TSO4))
		offload |= TUN_F_TSO4;
	if (v->accepted & BIT(VIRTIO_NET_F_GUEST_TSO6))
		offload |= TUN_F_TSO6;
	if (ioctl(net->config->tap_fd, TUNSETOFFLOAD, offload) < 0)
		return -1;
	return ioctl(net->config->vhost_fd, VHOST_SET_FEATURES, &vhost);
}

static int tap_set_backend(const struct net *net, unsigned int index, int fd)
{
	struct vhost_vring_file file = { .index = index, .fd = fd };

	return ioctl(net->config->vhost_fd, VHOST_NET_SET_BACKEND, &file);
}

static int tap_start(struct virtio *v, unsigned int index)
{
	const struct net *net = v->kind.owner;

	if (vhost_start_ring(net->config->vhost_fd, v, index, &v->vm->ram) < 0)
		return -1;
	return tap_set_backend(net, index, net->config->tap_fd);
}

static void tap_stop(struct virtio *v, unsigned int index)
{
	tap_set_backend(v->kind.owner, index, -1);
}

static const struct virtio_ops tap_ops = {
	.accept = tap_accept, .start = tap_start, .stop = tap_stop,
};

static void tap_destroy(struct net *net)
{
	virtio_destroy(&net->virtio);
}

static int tap_create(struct net *net, struct vm *vm)
{
	int fd = net->config->vhost_fd;
	struct virtio_kind kind = {
		.ops = &tap_ops, .owner = net, .label = net->label, .type = VIRTIO_ID_NET,
		.queues = 2, .config = net->config->mac, .config_len = ETH_ALEN,
	};

	net->destroy = tap_destroy;
	if (ioctl(fd, VHOST_SET_OWNER) < 0 || ioctl(fd, VHOST_GET_FEATURES, &kind.features) < 0 ||
	    vhost_set_memory(fd, &vm->ram) < 0) {
		complain("--net tap=%s: " VHOST_NODE ": %s", net->config->tap, strerror(errno));
		return -1;
	}
	kind.features = (kind.features & OF_VHOST) | OF_TAP | BIT(VIRTIO_NET_F_MAC);
	if (!bus_add(&vm->bus, &net->virtio, vm, &kind))
		return 0;
	complain("--net tap=%s: %s", net->config->tap, strerror(errno));
	return -1;
}

static int tap_attach(struct net_config *net)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int header = sizeof(struct virtio_net_hdr_mrg_rxbuf);

	memcpy(ifr.ifr_name, net->tap, sizeof(net->tap));
	if (!ioctl(net->tap_fd, TUNSETIFF, &ifr) && !ioctl(net->tap_fd, TUNSETVNETHDRSZ, &header))
		return 0;
	if (errno == EPERM)
		complain("--net tap=%s: not permitted: root can make one for you: ip tuntap add "
			 "dev %s mode tap user NAME", net->tap, net->tap);
	else if (errno == EBUSY)
		complain("--net tap=%s: in use by another machine", net->tap);
	else
		complain("--net tap=%s: %s", net->tap,
			 errno == EINVAL ? "is no tap with one queue" : strerror(errno));
	return -1;
}

/**
 * net_tap_open() - open the interface, and the kernel's device for it
 * @net: parsed; net_close() it whatever is returned
 *
 * Return: 0, or -1 after saying why not on standard error.
 */
int net_tap_open(struct net_config *net)
{
	net->create = tap_create;
	net->tap_fd = vhost_open(TUN_NODE, "tun");
	if (net->tap_fd < 0 || tap_attach(net) < 0)
		return -1;
	net->vhost_fd = vhost_open(VHOST_NODE, "vhost_net");
	return net->vhost_fd < 0 ? -1 : 0;
}
