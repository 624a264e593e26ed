/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef DITTO_SLIRP_H
#define DITTO_SLIRP_H

#include "net.h"

#include <poll.h>

/**
 * struct polled - files to wait for, in one array
 * @fds: the array
 * @count, @room: how many there are, and could be
 */
struct polled {
	struct pollfd *fds;
	unsigned int count, room;
};

struct slirp_net;

int slirp_load(void);
struct slirp_net *slirp_net_create(const struct net_config *config, unsigned int number,
				   void (*receive)(void *owner, const void *frame, size_t len),
				   void *owner);
int slirp_net_fill(struct slirp_net *s, struct polled *polled);
void slirp_net_poll(struct slirp_net *s, struct polled *polled);
void slirp_net_send(struct slirp_net *s, const void *frame, size_t len);
void slirp_net_destroy(struct slirp_net *s);
int polled_add(struct polled *polled, int fd, short events);

#endif
