/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The timer of a local APIC, as code outside of the board calls it (lapic_timer.c).
 */
#ifndef DITTO_BOARD_LAPIC_TIMER_H
#define DITTO_BOARD_LAPIC_TIMER_H

#include <linux/types.h>

struct vcpu;

void vlapic_timer_sync(struct vcpu *vcpu);
void vlapic_tsc_changed(struct vcpu *vcpu);

void vlapic_timer_move(struct vcpu *vcpu, u64 ns);
void vlapic_timer_resume(struct vcpu *vcpu);

void vlapic_timer_halt(struct vcpu *vcpu);
void vlapic_timer_unhalt(struct vcpu *vcpu);
void vlapic_timer_exit(struct vcpu *vcpu);

#endif
