/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Forks of running machines, and their reset.
 */
#ifndef DITTO_CORE_FORK_H
#define DITTO_CORE_FORK_H

#include "x86/machine/vm.h"

/* fork.c */
int vm_ioctl_fork(struct vm *vm, void __user *arg);
int vm_ioctl_thaw(struct vm *vm);
int vm_ioctl_unblock(struct vm *vm);
void fork_start_timers(struct vm *vm);
void fork_time_gone(const struct vm *from, const struct vm *to, const struct clock_instant *now,
		    struct clock_instant *gone);

/* reset.c */
int vm_ioctl_reset(struct vm *vm);

#endif
