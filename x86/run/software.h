/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guests in a state that the CPU refuses to enter.
 */
#ifndef DITTO_RUN_SOFTWARE_H
#define DITTO_RUN_SOFTWARE_H

#include "x86/machine/outcome.h"

struct vcpu;
struct x86_state;

bool software_fits(const struct x86_state *st);
bool software_needed(struct vcpu *vcpu);
enum exit_outcome software_step(struct vcpu *vcpu);

#endif
