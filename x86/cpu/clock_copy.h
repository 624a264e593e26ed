/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guest time in a copy of a machine (clock_copy.c).
 */
#ifndef DITTO_CPU_CLOCK_COPY_H
#define DITTO_CPU_CLOCK_COPY_H

#include "x86/machine/clock.h"

struct vcpu;
struct vm;

void clock_instant_now(struct clock_instant *now);
void vm_clock_gone(const struct vm *vm, const struct clock_instant *now,
		   struct clock_instant *gone);
void vm_clock_move(struct vm *vm, const struct clock_instant *gone);
void vclock_move(struct vcpu *vcpu, const struct clock_instant *gone);
void vm_clock_copy(struct vm *to, struct vm *from, const struct clock_instant *gone);
void vclock_copy(struct vcpu *to, const struct vcpu *from, const struct clock_instant *gone);

#endif
