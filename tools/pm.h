/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef DITTO_PM_H
#define DITTO_PM_H

#include "ioports.h"

/* The fixed ACPI registers; the FADT tells the guest. */
#define PM_EVENT_PORT	0x600
#define PM_EVENT_LEN	4
#define PM_CONTROL_PORT	0x604
#define PM_CONTROL_LEN	2
#define PM_TIMER_PORT	0x608
#define PM_TIMER_LEN	4
#define PM_RESET_PORT	0xcf9
#define PM_RESET_VALUE	0x06
#define PM_SCI		9
#define PM_S5_TYPE	5

struct vm;

/**
 * struct pm_state - what a fork of the machine inherits of it
 * @ns: what the timer counts from
 * @behind: as in struct pm
 * @enable, @control: as in struct pm
 */
struct pm_state {
	uint64_t ns, behind;
	uint16_t enable, control;
};

/**
 * struct pm - the fixed ACPI registers
 * @enable: PM1_EN: remembered, never acted on, because none of its events happens
 * @control: PM1_CNT: the bits that read back
 * @behind: how far the timer is behind the host's clock, in ns: a fork's has what its
 *	parent's had, though it may run long after; constant while vCPUs run
 * @vm: constant; the machine they power off and reset
 */
struct pm {
	_Atomic uint16_t enable;
	_Atomic uint16_t control;
	uint64_t behind;
	struct vm *vm;
};

void pm_attach(struct pm *pm, struct ioports *ports, struct vm *vm);
void pm_save(struct pm *pm, struct pm_state *state);
void pm_restore(struct pm *pm, const struct pm_state *state, bool jump);

#endif
