/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Machine checks of the guest: its error registers, and the VMM's reports.
 */
#ifndef DITTO_RUN_MCE_H
#define DITTO_RUN_MCE_H

#include <linux/kvm.h>
#include <linux/types.h>

#include "x86/machine/fault.h"

/* Of AMD's HWCR: the guest may write what its machine checks report. */
#define HWCR_MC_STATUS_WR_EN	BIT_ULL(18)

struct msr_access;
struct vcpu;

void mce_reset(struct vcpu *vcpu);

enum guest_fault mce_cap_read(struct msr_access *a);
enum guest_fault mce_status_read(struct msr_access *a);
enum guest_fault mce_status_write(struct msr_access *a);
enum guest_fault mce_ctl_read(struct msr_access *a);
enum guest_fault mce_ctl_write(struct msr_access *a);
enum guest_fault mce_bank_read(struct msr_access *a);
enum guest_fault mce_bank_write(struct msr_access *a);
enum guest_fault mce_ctl2_read(struct msr_access *a);
enum guest_fault mce_ctl2_write(struct msr_access *a);
enum guest_fault mce_ext_ctl_read(struct msr_access *a);
enum guest_fault mce_ext_ctl_write(struct msr_access *a);
enum guest_fault feature_control_read(struct msr_access *a);
enum guest_fault feature_control_write(struct msr_access *a);

int mce_ioctl_supported(u64 *cap);
int vcpu_ioctl_setup_mce(struct vcpu *vcpu, u64 *cap);
int vcpu_ioctl_set_mce(struct vcpu *vcpu, struct kvm_x86_mce *mce);

#endif
