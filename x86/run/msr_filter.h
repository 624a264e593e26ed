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
int msr_filter_copy(struct vm *to, struct vm *from);
void msr_filter_free(struct vm *vm);

#ifdef CONFIG_COMPAT
/* struct kvm_msr_filter with pointers of 32 bits. */
struct msr_filter32 {
	u32 flags;
	struct {
		u32 flags, nmsrs, base, bitmap;
	} ranges[KVM_MSR_FILTER_MAX_RANGES];
};

#define MSR_FILTER32	_IOW(KVMIO, 0xc6, struct msr_filter32)

int msr_filter_ioctl_set32(struct vm *vm, struct msr_filter32 *args);
#endif

#endif
