/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The wait of a halted vCPU.
 */
#ifndef DITTO_RUN_HALT_H
#define DITTO_RUN_HALT_H

#include <linux/types.h>

struct vcpu;

void vcpu_wait(struct vcpu *vcpu, bool may_poll);
u32 halt_next_poll(u32 poll_ns, u32 max_ns, u64 waited_ns, bool wanted);

#endif
