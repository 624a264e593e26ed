/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The emulator's view of a vCPU.
 */
#ifndef DITTO_RUN_EMULATE_VCPU_H
#define DITTO_RUN_EMULATE_VCPU_H

#include <linux/types.h>

#include "x86/machine/outcome.h"

/**
 * struct insn_peek - what stands at rip, as far as its opcode
 * @opcode: its last byte
 * @next: the byte behind, if @has_next
 * @len: with prefixes, up to the opcode
 * @has_next: that byte could be read, and the instruction is not too long with it
 * @lock: there is a LOCK prefix
 * @two_byte: 0F stands before it
 * @rex_w: it has REX.W
 * @is_64: it is 64-bit code
 */
struct insn_peek {
	u8 opcode, next, len;
	bool has_next, lock, two_byte, rex_w, is_64;
};

struct exit_facts;
struct vcpu;
struct x86_event;

int emulator_init(struct vcpu *vcpu);
void emulator_free(struct vcpu *vcpu);
u8 emulate_insn_len(struct vcpu *vcpu, const struct exit_facts *facts, int *err);
bool emulate_fix_hypercall(struct vcpu *vcpu, enum exit_outcome *outcome);
bool emulate_undefined(struct vcpu *vcpu, enum exit_outcome *outcome);
bool emulate_peek_insn(struct vcpu *vcpu, struct insn_peek *insn);
enum exit_outcome emulate_vcpu(struct vcpu *vcpu, const struct exit_facts *facts);
enum exit_outcome emulate_event(struct vcpu *vcpu, const struct x86_event *e);

#endif
