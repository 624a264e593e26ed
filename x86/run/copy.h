/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copies of vCPUs, for machines that are forked.
 */
#ifndef DITTO_RUN_COPY_H
#define DITTO_RUN_COPY_H

struct vcpu;

void vcpu_copy(struct vcpu *to, struct vcpu *from);
void vcpu_revert(struct vcpu *vcpu, struct vcpu *base);
void vcpu_ask_again(struct vcpu *vcpu);

#endif
