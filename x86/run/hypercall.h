/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Hypercalls: KVM's, as VMCALL and VMMCALL make them.
 */
#ifndef DITTO_RUN_HYPERCALL_H
#define DITTO_RUN_HYPERCALL_H

struct exit_facts;
struct vcpu;

int vcpu_hypercall(struct vcpu *vcpu, const struct exit_facts *f);

#endif
