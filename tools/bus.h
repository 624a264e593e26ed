/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef DITTO_BUS_H
#define DITTO_BUS_H

#include "virtio.h"

#include <pthread.h>

struct kvm_run;
struct vm;

/**
 * struct bus - a machine's virtio devices; constant once vCPUs run
 * @device: each is its owner's
 * @count: how many there are
 * @watching: @watcher runs
 * @watcher: waits for those that their guest broke, or that lose their process
 * @stop_fd: an eventfd that ends it, or -1
 */
struct bus {
	struct virtio *device[VIRTIO_DEVICES_MAX];
	unsigned int count;
	bool watching;
	pthread_t watcher;
	int stop_fd;
};

int bus_add(struct bus *bus, struct virtio *v, struct vm *vm, const struct virtio_kind *kind);
int bus_start(struct bus *bus);
bool bus_mmio(struct bus *bus, struct kvm_run *run);
void bus_stop(struct bus *bus);

#endif
