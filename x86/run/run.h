/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * KVM_RUN.
 */
#ifndef DITTO_RUN_RUN_H
#define DITTO_RUN_RUN_H

#include <linux/types.h>

struct vcpu;

int vcpu_run(struct vcpu *vcpu);
bool vcpu_has_work(struct vcpu *vcpu);
void vcpu_nap(struct vcpu *vcpu);

#endif
