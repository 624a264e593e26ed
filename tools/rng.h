/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef DITTO_RNG_H
#define DITTO_RNG_H

#include "ring.h"

#include <pthread.h>

struct vm;

/**
 * struct rng - a source of random numbers; constant once vCPUs run, unless said otherwise
 * @virtio: how the guest sees it
 * @lock: of what follows; taken after the device's
 * @ring: its queue
 * @chain: what is being served
 * @thread: serves it
 * @stop_fd: an eventfd that ends it, or -1
 * @created: it is there
 */
struct rng {
	struct virtio virtio;
	pthread_mutex_t lock;
	struct ring ring;
	struct chain chain;
	pthread_t thread;
	int stop_fd;
	bool created;
};

int rng_create(struct rng *rng, struct vm *vm);
void rng_destroy(struct rng *rng);

#endif
