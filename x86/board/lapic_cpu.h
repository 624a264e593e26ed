/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The CPU's part of a local APIC: tell it, and hear of it, what it does by itself (lapic_cpu.c).
 */
#ifndef DITTO_BOARD_LAPIC_CPU_H
#define DITTO_BOARD_LAPIC_CPU_H

#include <linux/types.h>

struct vcpu;

void vlapic_show(struct vcpu *vcpu);
void vlapic_hold(struct vcpu *vcpu, bool on);
void vlapic_keep_held(struct vcpu *vcpu);
bool vlapic_written(struct vcpu *vcpu, u32 offset);

#endif
