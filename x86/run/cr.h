/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Control and debug registers, with the checks that the architecture asks for.
 */
#ifndef DITTO_RUN_CR_H
#define DITTO_RUN_CR_H

#include <linux/types.h>

#include "x86/machine/fault.h"

struct vcpu;

#define DR7_GD	BIT_ULL(13)	/* general detect: debug register accesses are #DB */

bool cr_consistent(struct vcpu *vcpu, u64 cr0, u64 cr3, u64 cr4, u64 efer);
u64 cr_fixup_cr0(u64 val);
u64 cr_fixup_dr6(u64 val);
u64 cr_fixup_dr7(u64 val);

enum guest_fault cr_set_cr0(struct vcpu *vcpu, u64 val);
enum guest_fault cr_set_cr3(struct vcpu *vcpu, u64 val);
enum guest_fault cr_set_cr4(struct vcpu *vcpu, u64 val);
enum guest_fault cr_set_cr8(struct vcpu *vcpu, u64 val);
enum guest_fault cr_check_cr3(struct vcpu *vcpu, u64 cr3);
void cr_reload_pdptes(struct vcpu *vcpu);
int cr_get_pdptes(struct vcpu *vcpu, u64 pdpte[4]);
bool cr_pdptes_usable(const struct vcpu *vcpu, u64 cr0, u64 cr4, u64 efer, const u64 pdpte[4]);
void cr_set_pdptes(struct vcpu *vcpu, const u64 pdpte[4]);
enum guest_fault cr_set_efer(struct vcpu *vcpu, u64 val, bool by_vmm);
enum guest_fault cr_get_dr(struct vcpu *vcpu, unsigned int nr, u64 *val);
enum guest_fault cr_set_dr(struct vcpu *vcpu, unsigned int nr, u64 val);

#endif
