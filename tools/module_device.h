/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef DITTO_MODULE_DEVICE_H
#define DITTO_MODULE_DEVICE_H

#include "virtio.h"

#include "ditto.h"


/**
 * struct module_device - a virtio device whose queues the module serves
 * @virtio: how the guest sees it
 * @fd: the module's device
 * @args: what it was made of
 * @label: for messages, as in "disk 0"
 */
struct module_device {
	struct virtio virtio;
	int fd;
	struct ditto_create_virtio args;
	char label[16];
};

int module_device_create(struct module_device *d, struct vm *vm,
			 const struct ditto_create_virtio *args, bool forked);
int module_device_become(struct module_device *d);
void module_device_destroy(struct module_device *d);

#endif
