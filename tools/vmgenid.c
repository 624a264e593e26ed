// SPDX-License-Identifier: GPL-2.0-only
/*
 * The generation of a machine: 128 bits in its memory that no other machine has. A fork gets
 * a new one before its first instruction, and an ACPI event that says so: Linux' driver then
 * mixes it into its random numbers, so that what two forks draw differs. The event is
 * number 0 of the only event block; the tables are acpi.c's.
 */
#include "vmgenid.h"
#include "vm.h"
#include "util.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#define EVENT		1u
#define ENABLE		1	/* offset of the second register */

/* The line is level-triggered; nothing else drives it. */
static void update(struct vmgenid *v)
{
	vm_irq_line(v->vm, PM_SCI, v->status & v->enable & EVENT);
}

static uint32_t event_in(void *device, unsigned int offset, unsigned int size)
{
	struct vmgenid *v = device;
	uint8_t value;

	(void)size;
	pthread_mutex_lock(&v->lock);
	value = offset == ENABLE ? v->enable : v->status;
	pthread_mutex_unlock(&v->lock);
	return value;
}

static void event_out(void *device, unsigned int offset, unsigned int size, uint32_t value)
{
	struct vmgenid *v = device;

	(void)size;
	pthread_mutex_lock(&v->lock);
	if (offset == ENABLE)
		v->enable = value & EVENT;
	else
		v->status &= ~value;
	update(v);
	pthread_mutex_unlock(&v->lock);
}

/**
 * vmgenid_attach() - put the event's registers at their ports
 * @v: filled in; without a generation
 * @ports: the port table
 * @vm: the machine
 */
void vmgenid_attach(struct vmgenid *v, struct ioports *ports, struct vm *vm)
{
	*v = (struct vmgenid){ .vm = vm };
	pthread_mutex_init(&v->lock, NULL);
	ioports_add(ports, (struct ioport_range){
		.first = VMGENID_EVENT_PORT, .count = VMGENID_EVENT_LEN, .bytewise = true,
		.in = event_in, .out = event_out, .device = v,
	});
}

/**
 * vmgenid_renew() - a generation that no machine had; no vCPU runs
 * @v: of a machine with memory
 *
 * Return: 0, or -1 after saying why not on standard error.
 */
int vmgenid_renew(struct vmgenid *v)
{
	void *to = ram_at(&v->vm->ram, BOOT_VMGENID, GENERATION_BYTES);

	if (!to || getrandom(v->generation, GENERATION_BYTES, 0) != GENERATION_BYTES) {
		complain("the machine's generation: %s", strerror(to ? errno : ENOMEM));
		return -1;
	}
	memcpy(to, v->generation, GENERATION_BYTES);
	return 0;
}

/**
 * vmgenid_tell() - a new generation, and the event; no vCPU runs
 * @v: of a fork
 *
 * Return: 0, or -1 after saying why not on standard error.
 */
int vmgenid_tell(struct vmgenid *v)
{
	if (vmgenid_renew(v) < 0)
		return -1;
	pthread_mutex_lock(&v->lock);
	v->status |= EVENT;
	update(v);
	pthread_mutex_unlock(&v->lock);
	return 0;
}

/**
 * vmgenid_save() - what a fork of the machine inherits
 * @v: no vCPU is using it
 * @state: filled in
 */
void vmgenid_save(struct vmgenid *v, struct vmgenid_state *state)
{
	pthread_mutex_lock(&v->lock);
	*state = v->state;
	pthread_mutex_unlock(&v->lock);
}

/**
 * vmgenid_restore() - be what the parent's was; no vCPU runs
 * @v: the device
 * @state: from vmgenid_save()
 */
void vmgenid_restore(struct vmgenid *v, const struct vmgenid_state *state)
{
	v->state = *state;
}
