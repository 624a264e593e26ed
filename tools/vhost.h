/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef DITTO_VHOST_H
#define DITTO_VHOST_H

#include "virtio.h"

struct ram;

int vhost_open(const char *node, const char *module);
int vhost_start_ring(int fd, const struct virtio *v, unsigned int index, const struct ram *ram);
int vhost_set_memory(int fd, const struct ram *ram);

#endif
