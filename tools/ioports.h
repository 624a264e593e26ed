/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef DITTO_IOPORTS_H
#define DITTO_IOPORTS_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stdint.h>

#define IOPORTS_MAX	16

/**
 * struct ioport_range - ports that a device answers
 * @first: the first port
 * @count: how many
 * @bytewise: wider accesses reach the device as bytes at successive ports
 * @in: read @size bytes at @offset from @first; NULL: all ones
 * @out: write them; NULL: ignored
 * @device: handed to @in and @out, which do their own locking
 */
struct ioport_range {
	uint16_t first;
	uint16_t count;
	bool bytewise;
	uint32_t (*in)(void *device, unsigned int offset, unsigned int size);
	void (*out)(void *device, unsigned int offset, unsigned int size, uint32_t value);
	void *device;
};

/**
 * struct ioports - every port that somebody answers; constant once vCPUs run
 * @range: in no particular order, not overlapping
 * @count: entries in use
 */
struct ioports {
	struct ioport_range range[IOPORTS_MAX];
	unsigned int count;
};

void ioports_add(struct ioports *ports, struct ioport_range range);
void ioports_exit(const struct ioports *ports, struct kvm_run *run);

#endif
