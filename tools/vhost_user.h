/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef DITTO_VHOST_USER_H
#define DITTO_VHOST_USER_H

#include "virtio.h"

struct ram;

/**
 * struct vhost_user - a device in another process
 * @fd: a connected socket
 * @features: that it offers
 */
struct vhost_user {
	int fd;
	uint64_t features;
};

int vhost_user_begin(struct vhost_user *u, const struct ram *ram);
int vhost_user_accept(struct vhost_user *u, uint64_t features);
int vhost_user_start(struct vhost_user *u, const struct virtio *v, unsigned int index,
		     const struct ram *ram);
int vhost_user_stop(struct vhost_user *u, unsigned int index);

#endif
