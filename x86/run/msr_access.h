/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How the table of MSRs in msr.c calls the handlers that read or write one of them.
 */
#ifndef DITTO_RUN_MSR_ACCESS_H
#define DITTO_RUN_MSR_ACCESS_H

#include <linux/types.h>

struct vcpu;

/**
 * struct msr_access - one read or write in flight
 * @vcpu: whose
 * @index: of the MSR
 * @val: read: set by the handler; write: the new value
 * @by_vmm: not the guest
 */
struct msr_access {
	struct vcpu *vcpu;
	u32 index;
	u64 val;
	bool by_vmm;
};

#endif
