// SPDX-License-Identifier: GPL-2.0-only
/*
 * Port I/O: which device answers which port, and the three steps from an exit
 * to a device: each element of a string instruction, then whole or bytewise,
 * then the handler. A port that nobody claimed reads as all ones and swallows
 * writes, as on a PC; so does PCI configuration space, because there is none.
 */
#include "ioports.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

/**
 * ioports_add() - let a device answer some ports
 * @ports: the table
 * @range: copied
 */
void ioports_add(struct ioports *ports, struct ioport_range range)
{
	assert(ports->count < IOPORTS_MAX);
	ports->range[ports->count++] = range;
}

static const struct ioport_range *ioports_find(const struct ioports *ports, uint16_t port)
{
	for (unsigned int i = 0; i < ports->count; i++) {
		const struct ioport_range *r = &ports->range[i];

		if (port >= r->first && port - r->first < r->count)
			return r;
	}
	return NULL;
}

static bool range_takes(const struct ioport_range *r, unsigned int offset, unsigned int size)
{
	return r && offset + size <= r->count && (size == 1 || !r->bytewise);
}

static uint32_t ioports_in(const struct ioports *ports, uint16_t port, unsigned int size)
{
	const struct ioport_range *r = ioports_find(ports, port);
	uint32_t value = 0;

	if (range_takes(r, port - (r ? r->first : 0), size) && r->in)
		return r->in(r->device, port - r->first, size);
	if (!r || !r->bytewise || size == 1)
		return UINT32_MAX;
	for (unsigned int i = 0; i < size; i++)
		value |= (ioports_in(ports, port + i, 1) & 0xff) << (8 * i);
	return value;
}

static void ioports_out(const struct ioports *ports, uint16_t port, unsigned int size,
			uint32_t value)
{
	const struct ioport_range *r = ioports_find(ports, port);

	if (range_takes(r, port - (r ? r->first : 0), size)) {
		if (r->out)
			r->out(r->device, port - r->first, size, value);
		return;
	}
	if (!r || !r->bytewise || size == 1)
		return;
	for (unsigned int i = 0; i < size; i++)
		ioports_out(ports, port + i, 1, value >> (8 * i) & 0xff);
}

/**
 * ioports_exit() - carry out a KVM_EXIT_IO
 * @ports: the table
 * @run: the vCPU's; data to be read is put where KVM will take it from
 */
void ioports_exit(const struct ioports *ports, struct kvm_run *run)
{
	uint8_t *data = (uint8_t *)run + run->io.data_offset;
	unsigned int size = run->io.size;

	for (uint32_t i = 0; i < run->io.count; i++, data += size) {
		uint32_t value = 0;

		if (run->io.direction == KVM_EXIT_IO_IN) {
			value = ioports_in(ports, run->io.port, size);
			memcpy(data, &value, size);
		} else {
			memcpy(&value, data, size);
			ioports_out(ports, run->io.port, size, value);
		}
	}
}
