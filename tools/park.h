/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef DITTO_PARK_H
#define DITTO_PARK_H

#include <pthread.h>
#include <stdbool.h>

struct vcpu;
struct vm;

/**
 * struct park - how the vCPUs are kept out of the guest, and out of the devices
 * @lock: protects @parked
 * @changed: of @wanted, @parked, and of the machine's status
 * @wanted: they are to wait
 * @parked: how many do
 */
struct park {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	_Atomic bool wanted;
	unsigned int parked;
};

void park_init(struct park *park);
int park_all(struct vm *vm);
void park_release(struct vm *vm);
void park_gate(struct vcpu *vcpu);
void park_wake(struct park *park);

#endif
