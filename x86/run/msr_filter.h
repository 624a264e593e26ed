/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * MSRs that the VMM denies to the guest, or answers itself.
 */
#ifndef DITTO_RUN_MSR_FILTER_H
#define DITTO_RUN_MSR_FILTER_H

#include <linux/kvm.h>
#include <linux/types.h>

struct vcpu;
struct vm;

/**
 * struct msr_refused - a guest's access that did not succeed
 * @index: of the MSR
 * @write: else read
 * @insn_len: of its instruction
 * @reason: one of KVM_MSR_EXIT_REASON_*
 * @val: @write: what was to be written
 */
struct msr_refused {
	u32 index;
	bool write;
	u8 insn_len;
	u32 reason;
	u64 val;
};

bool msr_filter_allows(struct vm *vm, u32 index, bool write);
bool msr_filter_ask(struct vcpu *vcpu, const struct msr_refused *why);
int msr_filter_ioctl_set(struct vm *vm, struct kvm_msr_filter *args);
void msr_filter_free(struct vm *vm);

#endif
