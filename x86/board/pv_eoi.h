/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The end of an interrupt, told in the guest's memory.
 */
#ifndef DITTO_BOARD_PV_EOI_H
#define DITTO_BOARD_PV_EOI_H

#include <linux/types.h>

#include "x86/machine/fault.h"

struct vcpu;

enum guest_fault vlapic_set_pv_eoi(struct vcpu *vcpu, u64 val);
void vlapic_arm_pv_eoi(struct vcpu *vcpu);
void vlapic_take_pv_eoi(struct vcpu *vcpu);

#endif
