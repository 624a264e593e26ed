/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What follows from an exit.
 */
#ifndef DITTO_RUN_EXITS_H
#define DITTO_RUN_EXITS_H

#include <linux/types.h>

#include "x86/machine/outcome.h"

struct exit_facts;
struct vcpu;

enum exit_outcome exit_handle(struct vcpu *vcpu, struct exit_facts *facts);
enum exit_outcome exit_after_bus_lock(struct vcpu *vcpu, enum exit_outcome r);
bool exit_is_alignment_check(u8 cpl, u64 cr0, u64 rflags);
bool exit_has_monitor(struct vcpu *vcpu);
enum exit_outcome vcpu_halt(struct vcpu *vcpu);

#endif
