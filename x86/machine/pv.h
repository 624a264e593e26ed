/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a vCPU knows of KVM's paravirtual features. Who acts on it is run/'s and board/'s.
 */
#ifndef DITTO_MACHINE_PV_H
#define DITTO_MACHINE_PV_H

#include <linux/list.h>
#include <linux/types.h>

struct task_struct;

/**
 * struct vcpu_apf - asynchronous page faults of a vCPU (run/apf.c); owner
 * @msr: MSR_KVM_ASYNC_PF_EN
 * @vector: MSR_KVM_ASYNC_PF_INT
 * @pages: that are waited for, or of whose coming the guest is to be told
 * @nr: how many
 * @id: the last token
 * @unacked: the guest has a token that it has not acknowledged
 * @wake_all: it is to try all pages that it waits for
 * @owed: there was no memory to tell it in; to be tried again
 */
struct vcpu_apf {
	u64 msr;
	u64 vector;
	struct list_head pages;
	u32 nr;
	u32 id;
	bool unacked;
	bool wake_all;
	bool owed;
};

/**
 * struct vcpu_pv - paravirtual features of a vCPU; owner, unless said
 * @enforce: what CPUID does not show is not there (KVM_CAP_ENFORCE_PV_FEATURE_CPUID)
 * @steal_msr: MSR_KVM_STEAL_TIME
 * @steal_seen: of the delay of @steal_thread, the guest knows this
 * @steal_thread: who ran it then; only compared
 * @preempted: the guest's memory may say that the vCPU does not run
 * @eoi_msr: MSR_KVM_PV_EOI_EN
 * @eoi_armed: the guest may end its interrupt in its memory, until the next exit
 * @poll_control: MSR_KVM_POLL_CONTROL: bit 0: the host may poll when the vCPU halts
 * @apf: see there
 * @unhalted: another vCPU ended its halt, or its next one; any thread
 */
struct vcpu_pv {
	bool enforce;
	u64 steal_msr;
	u64 steal_seen;
	const struct task_struct *steal_thread;
	bool preempted;
	u64 eoi_msr;
	bool eoi_armed;
	u64 poll_control;
	struct vcpu_apf apf;
	bool unhalted;
};

#endif
