/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The world that tests of the architectural state live in: one VM without memory,
 * one bare vCPU with all of its state valid, and a fake backend.
 */
#ifndef DITTO_X86_STATE_KUNIT_H
#define DITTO_X86_STATE_KUNIT_H

#include <kunit/test.h>

#include "x86/machine/vm.h"

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

extern u32 state_fake_passed;	/* calls of the fake backend's pass_msr */

void state_host_setup(void);
int state_suite_init(struct kunit_suite *suite);
void state_suite_exit(struct kunit_suite *suite);
int state_test_init(struct kunit *test);
void state_test_exit(struct kunit *test);

static inline struct vcpu *the_vcpu(struct kunit *test)
{
	return ((struct state_world *)test->priv)->vcpu;
}

#endif
