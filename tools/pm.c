// SPDX-License-Identifier: GPL-2.0-only
/*
 * The fixed ACPI registers: events (none of these ever happens), control (power off),
 * the power-management timer, and the reset register at 0xcf9. They keep
 * almost no state: ACPI mode is always on.
 */
#include "pm.h"
#include "vm.h"

#include <stddef.h>
#include <time.h>

#define CONTROL_SCI_EN		(1u << 0)
#define CONTROL_SLP_TYP(v)	((v) >> 10 & 7)
#define CONTROL_SLP_EN		(1u << 13)
#define CONTROL_KEPT		0x1c02	/* BM_RLD and SLP_TYP */
#define EVENT_ENABLE		2	/* offset of the second word */
#define TIMER_HZ		3579545ULL
#define NSEC_PER_SEC		1000000000ULL
#define RESET_CPU		(1u << 2)

static uint32_t event_in(void *device, unsigned int offset, unsigned int size)
{
	struct pm *pm = device;

	(void)size;
	return offset == EVENT_ENABLE ? pm->enable : 0;
}

static void event_out(void *device, unsigned int offset, unsigned int size, uint32_t value)
{
	struct pm *pm = device;

	(void)size;
	if (offset == EVENT_ENABLE)
		pm->enable = value;
}

static uint32_t control_in(void *device, unsigned int offset, unsigned int size)
{
	struct pm *pm = device;

	(void)size;
	return offset ? 0 : pm->control | CONTROL_SCI_EN;
}

static void control_out(void *device, unsigned int offset, unsigned int size, uint32_t value)
{
	struct pm *pm = device;

	(void)size;
	if (offset)
		return;
	pm->control = value & CONTROL_KEPT;
	if (value & CONTROL_SLP_EN && CONTROL_SLP_TYP(value) == PM_S5_TYPE)
		vm_stop(pm->vm, VM_POWEROFF);
}

static uint64_t host_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * NSEC_PER_SEC + now.tv_nsec;
}

static uint32_t timer_in(void *device, unsigned int offset, unsigned int size)
{
	struct pm *pm = device;
	uint64_t ns = host_ns() - pm->behind, ticks;

	(void)size;
	ticks = ns / NSEC_PER_SEC * TIMER_HZ + ns % NSEC_PER_SEC * TIMER_HZ / NSEC_PER_SEC;
	return (uint32_t)ticks >> (8 * offset);
}

static void reset_out(void *device, unsigned int offset, unsigned int size, uint32_t value)
{
	struct pm *pm = device;

	(void)offset, (void)size;
	if (value & RESET_CPU)
		vm_stop(pm->vm, VM_REBOOT);
}

/**
 * pm_attach() - put the registers at their ports
 * @pm: the registers
 * @ports: the port table
 * @vm: the machine they power off and reset
 */
void pm_attach(struct pm *pm, struct ioports *ports, struct vm *vm)
{
	*pm = (struct pm){ .vm = vm };
	ioports_add(ports, (struct ioport_range){ .first = PM_EVENT_PORT, .count = PM_EVENT_LEN,
			.in = event_in, .out = event_out, .device = pm });
	ioports_add(ports, (struct ioport_range){ .first = PM_CONTROL_PORT, .count = PM_CONTROL_LEN,
			.in = control_in, .out = control_out, .device = pm });
	ioports_add(ports, (struct ioport_range){ .first = PM_TIMER_PORT, .count = PM_TIMER_LEN,
			.in = timer_in, .device = pm });
	ioports_add(ports, (struct ioport_range){ .first = PM_RESET_PORT, .count = 1,
			.out = reset_out, .device = pm });
}

/**
 * pm_save() - what a fork of the machine inherits
 * @pm: the registers; no vCPU is using them
 * @state: filled in
 */
void pm_save(struct pm *pm, struct pm_state *state)
{
	*state = (struct pm_state){ .ns = host_ns() - pm->behind, .behind = pm->behind,
				    .enable = pm->enable, .control = pm->control };
}

/**
 * pm_restore() - be what the parent's were, from now on; no vCPU runs
 * @pm: the registers
 * @state: from pm_save()
 * @jump: the time since then has passed
 */
void pm_restore(struct pm *pm, const struct pm_state *state, bool jump)
{
	pm->behind = jump ? state->behind : host_ns() - state->ns;
	pm->enable = state->enable;
	pm->control = state->control & CONTROL_KEPT;
}
