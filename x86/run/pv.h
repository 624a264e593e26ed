/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * KVM's paravirtual features: their MSRs, and which of them a guest has.
 */
#ifndef DITTO_RUN_PV_H
#define DITTO_RUN_PV_H

#include <linux/types.h>

#include "x86/machine/fault.h"

struct msr_access;
struct vcpu;

enum guest_fault pv_msr_read(struct msr_access *a);
enum guest_fault pv_msr_write(struct msr_access *a);
bool pv_msr_exists(const struct msr_access *a, unsigned int feature);
void pv_reset(struct vcpu *vcpu, bool init);
int pv_enforce(struct vcpu *vcpu, u64 on);

#endif
