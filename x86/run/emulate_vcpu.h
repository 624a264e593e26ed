/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The emulator's view of a vCPU. Results as exit_handle().
 */
#ifndef DITTO_RUN_EMULATE_VCPU_H
#define DITTO_RUN_EMULATE_VCPU_H

struct exit_facts;
struct vcpu;

int vcpu_emulator_init(struct vcpu *vcpu);
void vcpu_emulator_free(struct vcpu *vcpu);
int vcpu_insn_len(struct vcpu *vcpu, const struct exit_facts *facts);
int vcpu_fix_hypercall(struct vcpu *vcpu);
int vcpu_emulate(struct vcpu *vcpu, const struct exit_facts *facts);

#endif
