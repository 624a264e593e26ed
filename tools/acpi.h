/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef DITTO_ACPI_H
#define DITTO_ACPI_H

#include "ram.h"

int acpi_load(const struct ram *ram, unsigned int cpus, unsigned int disks);

#endif
