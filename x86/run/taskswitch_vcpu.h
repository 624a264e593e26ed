/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Task switches of a vCPU.
 */
#ifndef DITTO_RUN_TASKSWITCH_VCPU_H
#define DITTO_RUN_TASKSWITCH_VCPU_H

#include "x86/emulate/emulate.h"
#include "x86/machine/backend.h"
#include "x86/machine/outcome.h"

struct vcpu;

/**
 * struct task_request - a switch, and what came of it
 * @event: what goes through a task gate of the IDT, else of type EVENT_NONE
 * @selector: of the TSS
 * @source: what asks for it
 * @next_eip: where the old task goes on
 *
 * @fault: after EMU_FAULT
 * @switched: registers are the new task's
 * @err: after EMU_UNHANDLED: -errno, when the VMM is to hear why
 */
struct task_request {
	struct x86_event event;
	u16 selector;
	enum task_source source;
	u32 next_eip;

	struct emu_fault fault;
	bool switched;
	int err;
};

enum emu_result task_switch_by(struct vcpu *vcpu, struct task_request *req);
enum exit_outcome task_switch_vcpu(struct vcpu *vcpu, const struct exit_facts *facts);

#endif
