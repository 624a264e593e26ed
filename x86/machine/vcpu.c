// SPDX-License-Identifier: GPL-2.0-only
/*
 * What any room may ask of a vCPU: to wake up, to look at its requests, to take what was
 * posted, or an NMI.  It owns nothing: a vCPU's life is core/vcpu.c's.
 *
 * The hard part is a vCPU that is just entering the guest, or leaving it; run/run.c has the
 * other half.
 */
#include <linux/smp.h>

#include "compat.h"
#include "x86/machine/vcpu.h"

/**
 * vcpu_wake() - end a vCPU's sleep, if it sleeps
 * @vcpu: any; any context
 */
void vcpu_wake(struct vcpu *vcpu)
{
	rcuwait_wake_up(&vcpu->wait);
}

static __always_inline void vcpu_interrupt(struct vcpu *vcpu, void (*interrupt)(int cpu))
{
	int cpu;

	vcpu_wake(vcpu);
	preempt_disable();
	smp_mb();
	cpu = vcpu_guest_cpu(vcpu);
	if (cpu >= 0 && cpu != smp_processor_id() && cpu_online(cpu))
		interrupt(cpu);
	preempt_enable();
}

static void vcpu_interrupt_host(int cpu)
{
	smp_send_reschedule(cpu);
}

/**
 * vcpu_kick() - make a vCPU look at its requests soon
 * @vcpu: any; any context
 *
 * The request must have been set before; see x86/run/run.c for the barriers.
 */
void vcpu_kick(struct vcpu *vcpu)
{
	vcpu_interrupt(vcpu, vcpu_interrupt_host);
}

/**
 * vcpu_notify() - make a vCPU take what vcpu->posted has
 * @vcpu: one with a local APIC; any context
 *
 * Like vcpu_kick(), with posted->any in place of a request; the caller has set it. Where
 * the CPU can take posted interrupts while the guest runs, the guest is not left. If the
 * vCPU leaves the guest at that moment, its owner looks at posted->any before it enters
 * again.
 */
void vcpu_notify(struct vcpu *vcpu)
{
	vcpu_interrupt(vcpu, backend && backend->caps->posting ? backend->notify :
								  vcpu_interrupt_host);
}

/**
 * vcpu_nmi() - send an NMI
 * @vcpu: any; from any thread, IRQs may be off
 */
void vcpu_nmi(struct vcpu *vcpu)
{
	atomic_inc(&vcpu->ev.nmi_asked);
	vcpu_request(vcpu, REQ_EVENT);
	vcpu_kick(vcpu);
}

/**
 * vcpu_wrap_rip() - instruction addresses of less than 64 bits wrap
 * @vcpu: owned and loaded
 * @rip: of the next instruction
 *
 * Return: the address, cut to 32 bits outside of 64-bit code.
 */
u64 vcpu_wrap_rip(struct vcpu *vcpu, u64 rip)
{
	vcpu_need(vcpu, ST_CODE);
	return (vcpu->st.efer & EFER_LMA) && vcpu->st.code.l ? rip : (u32)rip;
}
