/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef DITTO_VMGENID_H
#define DITTO_VMGENID_H

#include "ioports.h"

#include <pthread.h>
#include <stdint.h>

/* The ACPI event block: a register of what happened, and one of what is to interrupt. */
#define VMGENID_EVENT_PORT	0x610
#define VMGENID_EVENT_LEN	2
#define GENERATION_BYTES	16

struct vm;

/**
 * struct vmgenid_state - what a fork of the machine inherits of it
 * @status: the event happened; bit 0
 * @enable: it interrupts; bit 0
 * @generation: what the machine is; no two have the same
 */
struct vmgenid_state {
	uint8_t status, enable;
	uint8_t generation[GENERATION_BYTES];
};

/**
 * struct vmgenid - the machine's generation, and the event that says that it is new
 * @lock: protects @state
 * @state: its members are this structure's, too
 * @vm: constant; whose memory and interrupt line
 */
struct vmgenid {
	pthread_mutex_t lock;
	union {
		struct vmgenid_state;
		struct vmgenid_state state;
	};
	struct vm *vm;
};

void vmgenid_attach(struct vmgenid *v, struct ioports *ports, struct vm *vm);
int vmgenid_renew(struct vmgenid *v);
int vmgenid_tell(struct vmgenid *v);
void vmgenid_save(struct vmgenid *v, struct vmgenid_state *state);
void vmgenid_restore(struct vmgenid *v, const struct vmgenid_state *state);

#endif
