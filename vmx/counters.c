// SPDX-License-Identifier: GPL-2.0-only
/*
 * The host's performance counters while a guest runs. The perf user who set up a counter
 * decides whether guests are counted. A counter that writes records (PEBS) writes them to
 * linear addresses, which would be the guest's while a guest runs. The kernel's perf says
 * what each MSR should hold; VM entry and exit load those that differ from their lists
 * (25.7.2, 25.8.2), which is the only way to switch them exactly at the boundary.
 */
#include <linux/perf_event.h>
#include <asm/msr.h>

#include "vmx/vmx.h"
#include "x86/cpu/hostwork.h"

/* This host has counters. */
DEFINE_STATIC_KEY_FALSE(vmx_has_counters);

/**
 * vmx_counters_setup() - find out whether there is anything to switch
 */
void vmx_counters_setup(void)
{
	struct x86_pmu_capability pmu;

	perf_get_x86_pmu_capability(&pmu);
	if (pmu.version)
		static_branch_enable(&vmx_has_counters);
}

/**
 * vmx_counters_teardown() - undo vmx_counters_setup()
 */
void vmx_counters_teardown(void)
{
	static_branch_disable(&vmx_has_counters);
}

/**
 * vmx_counters_differ() - what entries and exits must load
 * @c: filled
 * @msr: what host and guest should have
 * @nr: how many
 *
 * Return: how many of @c count.
 */
unsigned int vmx_counters_differ(struct vmx_counters *c, const struct perf_guest_switch_msr *msr,
				 unsigned int nr)
{
	unsigned int i, n = 0;

	for (i = 0; i < nr; i++) {
		if (msr[i].host == msr[i].guest)
			continue;
		if (WARN_ON_ONCE(n == VMX_NR_COUNTERS))
			break;
		c->guest[n] = (struct vmx_msr_entry){ .index = msr[i].msr, .value = msr[i].guest };
		c->host[n] = (struct vmx_msr_entry){ .index = msr[i].msr, .value = msr[i].host };
		n++;
	}
	return n;
}

/**
 * vmx_counters_record() - does an entry switch off a counter that writes records?
 * @c: filled
 * @nr: how many of it count
 *
 * Return: whether PEBS_ENABLE is among them.
 */
bool vmx_counters_record(const struct vmx_counters *c, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (c->guest[i].index == MSR_IA32_PEBS_ENABLE)
			return true;
	return false;
}

/**
 * vmx_switch_counters() - before an entry, where vmx_has_counters
 * @vmx: loaded; IRQs off
 */
void vmx_switch_counters(struct vmx_vcpu *vmx)
{
	const struct perf_guest_switch_msr *msr;
	unsigned int nr = 0;
	int count = 0;

	msr = hostwork_counters(&count);
	if (msr)
		nr = vmx_counters_differ(&vmx->counters, msr, count);
	if (likely(nr == vmx->written.nr_counters && !nr))
		return;
	/* A record may still be in flight when the entry switches PEBS off: do that earlier. */
	if (vmx_counters_record(&vmx->counters, nr))
		wrmsrl(MSR_IA32_PEBS_ENABLE, 0);
	if (nr == vmx->written.nr_counters)
		return;
	vmx->written.nr_counters = nr;
	vmcs_write(VM_ENTRY_MSR_LOAD_COUNT, nr);
	vmcs_write(VM_EXIT_MSR_LOAD_COUNT, nr);
}
