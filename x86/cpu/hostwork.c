// SPDX-License-Identifier: GPL-2.0-only
/*
 * The host kernel's side of running a guest: what hostwork.h cannot do inline.  The
 * kernel offers some of it in KVM's types, so this file is the one that includes
 * <linux/kvm_host.h>, and includes none of ours that would clash with it.
 */
#include <linux/kvm_host.h>
#include <linux/perf_event.h>
#include <linux/ptrace.h>
#include <linux/slab.h>
#include <asm/desc.h>
#include <asm/irq_vectors.h>
#include <asm/mce.h>
#include <asm/processor-flags.h>

#include "x86/cpu/hostwork.h"

/*
 * xfer_to_guest_mode_handle_work() records a signal in two members of its caller's struct
 * kvm_vcpu. We use only its return value, so all vCPUs pass this one dummy, which nobody
 * reads.
 */
static struct kvm_vcpu *hostwork_sink;

/**
 * hostwork_init() - at module load
 *
 * Return: 0 or -ENOMEM.
 */
int hostwork_init(void)
{
	hostwork_sink = kzalloc(sizeof(*hostwork_sink), GFP_KERNEL);
	if (!hostwork_sink)
		return -ENOMEM;
	hostwork_sink->run = kzalloc(sizeof(*hostwork_sink->run), GFP_KERNEL);
	if (!hostwork_sink->run) {
		kfree(hostwork_sink);
		return -ENOMEM;
	}
	return 0;
}

/**
 * hostwork_exit() - at module unload
 */
void hostwork_exit(void)
{
	kfree(hostwork_sink->run);
	kfree(hostwork_sink);
}

/**
 * hostwork_do() - reschedule, task work and the like
 *
 * May sleep; the caller holds no lock.
 *
 * Return: 0, or -EINTR when a signal wants the thread in user mode.
 */
int hostwork_do(void)
{
	return compat_guest_mode_work(hostwork_sink);
}

/* x86/cpu/gate.S */
void hostwork_call_gate(unsigned long handler);

/**
 * hostwork_take_irq() - handle an interrupt that a guest's exit has acknowledged
 * @vector: its vector; IRQs are off, and the CPU's state is the host's
 *
 * Finds the handler in the IDT, as the CPU would have.
 */
void hostwork_take_irq(u8 vector)
{
	struct desc_ptr idt;

	if (WARN_ON_ONCE(vector < FIRST_EXTERNAL_VECTOR))
		return;
	store_idt(&idt);
	hostwork_call_gate(gate_offset((gate_desc *)idt.address + vector));
}

/**
 * hostwork_counters() - what MSRs of performance counters should hold in host and guest
 * @nr: set to how many there are
 *
 * As far as this CPU has counters that differ.  Guests have none of their own, which the
 * kernel wants to read in KVM's type.  IRQs off; NULL, or valid until they are on.
 *
 * Return: the MSRs and their values, valid until IRQs are on; or NULL.
 */
struct perf_guest_switch_msr *hostwork_counters(int *nr)
{
#if IS_ENABLED(CONFIG_PERF_EVENTS) && IS_ENABLED(CONFIG_CPU_SUP_INTEL)
	return perf_guest_get_msrs(nr, &hostwork_sink->arch.pmu);
#else
	return NULL;
#endif
}

/* When this CPU last told RCU that it had been in a guest. */
DEFINE_PER_CPU(unsigned long, hostwork_jiffies);

/**
 * hostwork_machine_check() - a machine check ended the guest: hand it on; IRQs off
 *
 * Handled as if it had struck in the host, for which it was meant.
 */
void hostwork_machine_check(void)
{
#ifdef CONFIG_X86_MCE
	struct pt_regs regs = {
		.cs = 3,	/* as from user mode: the guest's context cannot be trusted */
		.flags = X86_EFLAGS_IF,
	};

	do_machine_check(&regs);
#endif
}
