/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef DITTO_NET_H
#define DITTO_NET_H

#include "virtio.h"

#include <linux/if_ether.h>
#include <net/if.h>
#include <netinet/in.h>

#define NETS_MAX	4
#define FORWARDS_MAX	16

struct net;
struct net_user;
struct vm;

/**
 * struct net_forward - a TCP port of the host that is one of the guest
 * @address: of the host
 * @host, @guest: the ports
 */
struct net_forward {
	struct in_addr address;
	uint16_t host, guest;
};

/**
 * struct net_config - what the user asked for
 * @tap: the host's interface, or empty: `user'
 * @mac: of the guest's
 * @has_mac: @mac was given
 * @forward: ports
 * @forwards: how many
 * @tap_fd, @vhost_fd: open, or -1
 * @create: makes it, when it is open
 */
struct net_config {
	char tap[IFNAMSIZ];
	uint8_t mac[ETH_ALEN];
	bool has_mac;
	struct net_forward forward[FORWARDS_MAX];
	unsigned int forwards;
	int tap_fd, vhost_fd;
	int (*create)(struct net *net, struct vm *vm);
};

/**
 * struct net - a network device
 * @virtio: how the guest sees it
 * @config: what was asked for
 * @index: its number among the machine's network devices
 * @label: for messages, as in "net 0"
 * @user: if it has no tap
 * @destroy: stops it and gives it back; the bus is stopped
 */
struct net {
	struct virtio virtio;
	const struct net_config *config;
	unsigned int index;
	char label[16];
	struct net_user *user;
	void (*destroy)(struct net *net);
};

/**
 * struct nets - a machine's network devices; constant once vCPUs run
 * @net: they are on its bus
 * @count: how many were created
 */
struct nets {
	struct net net[NETS_MAX];
	unsigned int count;
};

const char *net_parse(struct net_config *net, const char *arg);
int net_open(struct net_config *net);
void net_close(struct net_config *net);
int nets_create(struct nets *nets, struct vm *vm);
void nets_destroy(struct nets *nets);

/* The two kinds, each in a file of its own: net_user.c, net_tap.c. */
int net_user_open(struct net_config *net);
int net_tap_open(struct net_config *net);

#endif
