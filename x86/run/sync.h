/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Registers that go in and out with KVM_RUN.
 */
#ifndef DITTO_RUN_SYNC_H
#define DITTO_RUN_SYNC_H

#include <linux/kvm.h>

#include "x86/machine/vcpu.h"

int sync_regs_in(struct vcpu *vcpu);
void sync_regs_out(struct vcpu *vcpu);

/**
 * sync_regs_asked() - does the VMM want that with the coming KVM_RUN?
 * @vcpu: owned
 *
 * Return: whether it does.
 */
static inline bool sync_regs_asked(const struct vcpu *vcpu)
{
	return READ_ONCE(vcpu->run->kvm_valid_regs) | READ_ONCE(vcpu->run->kvm_dirty_regs);
}

#endif
