/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the programs for the dirty log and for dirty rings share: a slot whose writes are
 * logged, and vCPUs that write to it all the time.
 */
#ifndef API_LOGGED_H
#define API_LOGGED_H

#include <pthread.h>
#include <time.h>

#include "vm.h"

#define SLOT		3
#define SLOT_GPA	0x10000000ul
#define PAGES		600ul	/* not a multiple of 64 */
#define ROUND		256ul	/* pages that g_write_forever fills */

/**
 * struct logged - a machine, and a slot whose writes are logged
 * @vm: it
 * @p: the slot's memory in this process
 * @gmem: what backs it, or -1
 */
struct logged {
	struct vm *vm;
	u8 *p;
	int gmem;
};

static inline int logged_set(struct logged *l, u32 flags, u64 gpa, u64 size)
{
	if (l->gmem >= 0)
		return vm_set_gmem_slot(l->vm, SLOT, flags, gpa, size, l->gmem, 0);
	return vm_set_slot(l->vm, SLOT, flags, gpa, size, l->p);
}

static volatile bool stop;

/* Each vCPU's thread is @fn, until it finds @stop. */
static inline void writers_start(struct vm *vm, void *(*fn)(void *vcpu))
{
	unsigned int i;

	stop = false;
	for (i = 0; i < vm->nr_vcpus; i++) {
		vcpu_call(&vm->vcpu[i], "g_write_forever",
			  SLOT_GPA + (i * ROUND / 2 + 50) * PAGE_SIZE);
		ASSERT(!pthread_create(&vm->vcpu[i].thread, NULL, fn, &vm->vcpu[i]));
	}
}

static inline void writers_stop(struct vm *vm)
{
	unsigned int i;
	void *bad;

	stop = true;
	for (i = 0; i < vm->nr_vcpus; i++) {
		pthread_join(vm->vcpu[i].thread, &bad);
		ASSERT(!bad);
	}
}

/* A writer that enters whatever comes: the slot may be gone just now. */
static inline void *stubborn(void *vcpu)
{
	while (!stop)
		vcpu_enter(vcpu);
	return NULL;
}

static inline double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

#endif
