/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Model-specific registers: X86_FAULT for one, or a value, that does not exist.
 */
#ifndef DITTO_RUN_MSR_H
#define DITTO_RUN_MSR_H

#include <linux/types.h>

#include "x86/machine/fault.h"

struct vcpu;

/* Room for the indices of all MSRs that a VMM saves. */
#define MSR_LIST_MAX	128

enum guest_fault msr_read(struct vcpu *vcpu, u32 index, u64 *val, bool by_vmm);
enum guest_fault msr_write(struct vcpu *vcpu, u32 index, u64 val, bool by_vmm);
bool msr_is_known(u32 index);
void msr_setup_passthrough(struct vcpu *vcpu);
void msr_reset(struct vcpu *vcpu);
void msr_setup(void);
bool msr_of_host(u32 index, u64 *val);
u32 msr_list_saved(u32 *list);

/* msr_ioctl.c */
int msr_ioctl_index_list(void __user *arg);
int msr_ioctl_feature_index_list(void __user *arg);
int msr_ioctl_get_features(void __user *arg);
int vcpu_ioctl_get_msrs(struct vcpu *vcpu, void __user *arg);
int vcpu_ioctl_set_msrs(struct vcpu *vcpu, void __user *arg);

#endif
