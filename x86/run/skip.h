/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Going behind an instruction that is done.
 */
#ifndef DITTO_RUN_SKIP_H
#define DITTO_RUN_SKIP_H

#include <asm/debugreg.h>
#include <asm/processor-flags.h>

#include "x86/machine/vcpu.h"
#include "x86/run/event_queue.h"

u8 skip_len_unknown(struct vcpu *vcpu, const struct exit_facts *facts, u8 opcode_len, int *err);
enum exit_outcome skip_again(struct vcpu *vcpu, int err);

/**
 * skip_end_insn() - an instruction of @len bytes at rip has ended, and no trap is due
 * @vcpu: owned and loaded
 * @len: its length
 */
static inline void skip_end_insn(struct vcpu *vcpu, u8 len)
{
	struct x86_state *st = &vcpu->st;
	u64 rip = st->rip + len;

	/* Outside of 64-bit code the upper half was 0: only a carry changes it. */
	if (unlikely((rip ^ st->rip) >> 32))
		rip = vcpu_wrap_rip(vcpu, rip);
	st->rip = rip;
	st->shadow = 0;
	st->rflags &= ~X86_EFLAGS_RF;
}

/**
 * skip_advance() - an instruction of @len bytes at rip has ended
 * @vcpu: owned and loaded
 * @len: its length
 */
static inline void skip_advance(struct vcpu *vcpu, u8 len)
{
	skip_end_insn(vcpu, len);
	if (unlikely(vcpu->st.rflags & X86_EFLAGS_TF))
		event_queue_debug(vcpu, DR_STEP);
}

/**
 * skip_len() - how far to skip_advance() once the instruction that caused an exit is done
 * @vcpu: owned and loaded
 * @f: the exit
 * @opcode_len: its length without prefixes; it begins with 0F, or is HLT
 * @err: set with a length of 0
 *
 * To be asked before anything of the instruction is done: where its bytes must be looked at
 * they may be gone, and the guest is to execute it anew.
 *
 * Return: the length; 0 then, and *@err is 0, with a fault queued or none, or -errno for KVM_RUN.
 */
static inline u8 skip_len(struct vcpu *vcpu, const struct exit_facts *f, u8 opcode_len, int *err)
{
	return likely(f->insn_len) ? f->insn_len : skip_len_unknown(vcpu, f, opcode_len, err);
}

#endif
