/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef DITTO_VSOCK_H
#define DITTO_VSOCK_H

#include "virtio.h"

struct vm;

/**
 * struct vsock_config - what the user asked for
 * @cid: the guest's address, or 0: there is none
 * @fd: the kernel's device, open, or -1
 */
struct vsock_config {
	uint32_t cid;
	int fd;
};

/**
 * struct vsock - a socket device; constant once vCPUs run
 * @virtio: how the guest sees it
 * @fd: the kernel's device; the configuration's
 * @created: it is there
 */
struct vsock {
	struct virtio virtio;
	int fd;
	bool created;
};

bool vsock_parse(struct vsock_config *config, const char *arg);
int vsock_open(struct vsock_config *config);
void vsock_close(struct vsock_config *config);
int vsock_create(struct vsock *vsock, struct vm *vm);
void vsock_destroy(struct vsock *vsock);

#endif
