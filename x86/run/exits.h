/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What follows from an exit.
 */
#ifndef DITTO_RUN_EXITS_H
#define DITTO_RUN_EXITS_H

#include <linux/types.h>

struct exit_facts;
struct vcpu;

int exit_handle(struct vcpu *vcpu, struct exit_facts *facts);
bool exit_is_alignment_check(u8 cpl, u64 cr0, u64 rflags);
int vcpu_halt(struct vcpu *vcpu);

#endif
