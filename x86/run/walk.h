/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A vCPU's walks of its guest's page tables.
 */
#ifndef DITTO_RUN_WALK_H
#define DITTO_RUN_WALK_H

#include <asm/trapnr.h>

#include "mmu/memo.h"
#include "x86/emulate/emulate.h"
#include "x86/machine/vcpu.h"

/* What a walk found, as the emulator says it. */
static inline struct emu_fault walk_fault_found(const struct walk_fault *fault)
{
	return (struct emu_fault) {
		.valid = true,
		.vector = X86_TRAP_PF,
		.has_error = true,
		.error = fault->error,
		.cr2 = fault->gva,
	};
}

/**
 * walk_paging_mode() - what a walk of the guest's page tables needs to know
 * @vcpu: owned and loaded; ST_CR is valid
 * @mode: filled
 */
static __always_inline void walk_paging_mode(const struct vcpu *vcpu, struct paging_mode *mode)
{
	const struct x86_state *st = &vcpu->st;

	mode->cr0 = st->cr0;
	mode->cr3 = st->cr3;
	mode->cr4 = st->cr4;
	mode->efer = st->efer;
	mode->rflags = st->rflags;
	mode->pkru = st->pkru;
	mode->maxphyaddr = vcpu->cpuid.maxphyaddr;
}

/* Was a memo's walk made in the mode that the guest is in now?  ST_CR is valid. */
static __always_inline bool walk_memo_mode(const struct vcpu *vcpu, const struct walk_memo *m)
{
	struct paging_mode mode;

	walk_paging_mode(vcpu, &mode);
	return memo_mode_same(&m->mode, &mode);
}

#endif
