/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The paravirtual clock's pages in the guest's memory.
 */
#ifndef DITTO_RUN_KVMCLOCK_H
#define DITTO_RUN_KVMCLOCK_H

#include <linux/types.h>

#include "x86/machine/fault.h"

struct vcpu;

void kvmclock_update(struct vcpu *vcpu);
void kvmclock_set_system_time(struct vcpu *vcpu, u64 val);
enum guest_fault kvmclock_set_wall_clock(struct vcpu *vcpu, u64 val);
int vcpu_ioctl_kvmclock_ctrl(struct vcpu *vcpu);

#endif
