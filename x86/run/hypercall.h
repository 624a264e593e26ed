/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Hypercalls: KVM's, as VMCALL and VMMCALL make them.
 */
#ifndef DITTO_RUN_HYPERCALL_H
#define DITTO_RUN_HYPERCALL_H

#include "x86/machine/outcome.h"

struct exit_facts;
struct vcpu;

enum exit_outcome hypercall_carry_out(struct vcpu *vcpu, const struct exit_facts *f);

#endif
