/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Task switches of a vCPU. Results as exit_handle().
 */
#ifndef DITTO_RUN_TASKSWITCH_VCPU_H
#define DITTO_RUN_TASKSWITCH_VCPU_H

struct exit_facts;
struct vcpu;

int vcpu_task_switch(struct vcpu *vcpu, const struct exit_facts *facts);

#endif
