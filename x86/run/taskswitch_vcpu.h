/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Task switches of a vCPU.
 */
#ifndef DITTO_RUN_TASKSWITCH_VCPU_H
#define DITTO_RUN_TASKSWITCH_VCPU_H

#include "x86/machine/outcome.h"

struct exit_facts;
struct vcpu;

enum exit_outcome vcpu_task_switch(struct vcpu *vcpu, const struct exit_facts *facts);

#endif
