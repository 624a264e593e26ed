/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The state after power-on, INIT and SIPI (SDM table 10-1).
 */
#ifndef DITTO_RUN_RESET_H
#define DITTO_RUN_RESET_H

#include <linux/types.h>

struct vcpu;

void vcpu_reset(struct vcpu *vcpu, bool init);
void vcpu_sipi(struct vcpu *vcpu, u8 vector);
void vcpu_accept_init_sipi(struct vcpu *vcpu);

#endif
