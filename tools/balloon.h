/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef DITTO_BALLOON_H
#define DITTO_BALLOON_H

#include "virtio.h"

#include <json-c/json.h>
#include <pthread.h>
#include <stdbool.h>

struct kvm_run;
struct vm;

/**
 * struct balloon - a machine's balloon; constant once vCPUs run
 * @virtio: its transport
 * @present: there is one
 * @watching: @watcher runs
 * @watcher: waits for its being broken by its guest
 * @stop_fd: an eventfd that ends it
 */
struct balloon {
	struct virtio virtio;
	bool present, watching;
	pthread_t watcher;
	int stop_fd;
};

int balloon_create(struct balloon *b, struct vm *vm);
bool balloon_mmio(struct balloon *b, struct kvm_run *run);
int balloon_control(struct balloon *b, struct json_object *request, struct json_object *answer);
void balloon_destroy(struct balloon *b);

#endif
