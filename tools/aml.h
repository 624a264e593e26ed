/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef DITTO_AML_H
#define DITTO_AML_H

#include <stddef.h>
#include <stdint.h>

/**
 * struct aml - a DSDT body under construction
 * @bytes: what was emitted
 * @len: how much
 */
struct aml {
	uint8_t bytes[2048];
	size_t len;
};

size_t aml_system_bus_begin(struct aml *a);
size_t aml_events_begin(struct aml *a);
size_t aml_method_begin(struct aml *a, const char *name);
void aml_notify(struct aml *a, const char *device, uint8_t value);
size_t aml_device_begin(struct aml *a, const char *name);
size_t aml_package_begin(struct aml *a, uint8_t elements);
size_t aml_resources_begin(struct aml *a);
void aml_end(struct aml *a, size_t block);
void aml_resources_end(struct aml *a, size_t block);
void aml_name(struct aml *a, const char *name);
void aml_integer(struct aml *a, uint32_t value);
void aml_string(struct aml *a, const char *text);
void aml_eisa_id(struct aml *a, const char *id);
void aml_io(struct aml *a, uint16_t port, uint8_t len);
void aml_irq(struct aml *a, unsigned int irq);
void aml_memory(struct aml *a, uint32_t base, uint32_t len);
void aml_interrupt(struct aml *a, uint32_t gsi);

#endif
