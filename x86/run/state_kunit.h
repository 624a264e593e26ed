/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The world that tests of the architectural state live in: one VM without memory,
 * one bare vCPU with all of its state valid, and a fake backend.
 */
#ifndef DITTO_RUN_STATE_KUNIT_H
#define DITTO_RUN_STATE_KUNIT_H

#include <kunit/test.h>
#include <asm/processor-flags.h>

#include "x86/machine/vm.h"

#define LONG_CR0	(X86_CR0_PE | X86_CR0_PG | X86_CR0_ET | X86_CR0_NE | X86_CR0_WP)
#define LONG_EFER	((u64)(EFER_LME | EFER_LMA | EFER_SCE | EFER_NX))

#define NONCANONICAL	0x0000800000000000ULL

/**
 * struct state_world - one VM and one vCPU for a test
 * @vm: its mmu has no memory
 * @vcpu: after power-on, without CPUID table
 */
struct state_world {
	struct vm *vm;
	struct vcpu *vcpu;
};

extern struct backend_caps state_fake_caps;
extern u32 state_fake_passed;	/* calls of the fake backend's pass_msr */

void state_host_setup(void);
int state_suite_init(struct kunit_suite *suite);
void state_suite_exit(struct kunit_suite *suite);
int state_test_init(struct kunit *test);
void state_test_exit(struct kunit *test);
struct vcpu *state_vcpu_new(struct kunit *test, struct vm *vm);
void state_vcpu_delete(struct vcpu *vcpu);

static inline struct vcpu *the_vcpu(struct kunit *test)
{
	return ((struct state_world *)test->priv)->vcpu;
}

/* Into 64-bit mode, with flat segments. */
static inline void enter_long_mode(struct vcpu *vcpu)
{
	vcpu->st.cr0 = LONG_CR0;
	vcpu->st.cr4 = X86_CR4_PAE;
	vcpu->st.efer = LONG_EFER;
	vcpu->st.seg[SEG_CS].l = 1;
	vcpu->requests = 0;
}

#endif
