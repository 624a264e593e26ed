/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef DITTO_ACPI_H
#define DITTO_ACPI_H

#include "ram.h"

#include <stdbool.h>

/**
 * struct acpi_machine - what the tables tell of
 * @cpus: 1 to 64; vCPU i has APIC id i
 * @virtio: how many virtio devices
 * @agent: there is a second serial port
 */
struct acpi_machine {
	unsigned int cpus;
	unsigned int virtio;
	bool agent;
};

int acpi_load(const struct ram *ram, const struct acpi_machine *machine);

#endif
