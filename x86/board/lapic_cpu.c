// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the CPU itself can do of the local APIC: it delivers what the IRR requests, ends it,
 * and reads and writes registers of an x2APIC, all in vcpu->apic_page. This file tells the
 * CPU what it must know for that, and handles what it reports.
 *
 * The hard part is that the page belongs to the CPU while the guest runs. So other threads
 * post their requests; the CPU collects them when it is notified, or the owner does before
 * the next entry. Whatever the owner changes in the page raises REQ_EVENT, and only then is
 * the CPU told of the change.
 */
#include "x86/board/irqchip_priv.h"
#include "x86/board/lapic_cpu.h"
#include "x86/board/lapic_priv.h"
#include "x86/machine/vm.h"

/**
 * vlapic_view() - what the CPU must know
 * @apic: whose; what was posted is collected
 * @view: filled
 *
 * Owner; interrupts may be off. The end of an interrupt is reported only where somebody
 * outside of the APIC needs it: for level-triggered interrupts, and for edges that the
 * IOAPIC asks for.
 */
void vlapic_view(struct vlapic *apic, struct apic_view *view)
{
	const unsigned long *edges = apic->vcpu->vm->irqchip->ioapic.edge_ends;
	unsigned int i;

	vlapic_collect(apic);
	view->x2apic = vlapic_x2apic(apic);
	view->requested = vlapic_hw_enabled(apic) && !apic->inhibited ?
			  vlapic_highest(apic, APIC_IRR) : 0;
	view->in_service = vlapic_highest(apic, APIC_ISR);
	for (i = 0; i < ARRAY_SIZE(view->eoi_exits); i++)
		view->eoi_exits[i] = vlapic_get(apic, APIC_TMR + i * 0x20) |
				     (u64)vlapic_get(apic, APIC_TMR + i * 0x20 + 0x10) << 32 |
				     READ_ONCE(edges[i]);
}

/* Is a register's value in the page what RDMSR must return? */
static bool reads_pass(struct vlapic *apic, u32 offset)
{
	u32 val;

	switch (offset) {
	case APIC_TMCCT:	/* counts */
	case APIC_ICR:		/* the xAPIC page has its upper half in ICR2 */
		return false;
	case APIC_PROCPRI:	/* the CPU keeps it only where it delivers interrupts */
		return backend->caps->irq_delivery;
	default:
		return vlapic_reg_read(apic, offset, &val);
	}
}

static bool writes_pass(u32 offset)
{
	return offset == APIC_TASKPRI || offset == APIC_EOI || offset == APIC_SELF_IPI;
}

static void pass_msrs(struct vlapic *apic, bool x2apic)
{
	const struct backend_caps *caps = backend->caps;
	u32 offset;

	for (offset = 0; offset < KVM_APIC_REG_SIZE; offset += 0x10)
		backend->pass_msr(apic->vcpu, APIC_BASE_MSR + (offset >> 4),
				  x2apic && caps->x2apic_reads && reads_pass(apic, offset),
				  x2apic && caps->x2apic_writes && writes_pass(offset));
	apic->msrs_pass = x2apic;
}

/**
 * vlapic_show() - tell the CPU what has become of the local APIC
 * @vcpu: loaded, with an APIC of which the CPU does a part; IRQs off
 *
 * Call when REQ_EVENT was taken.
 */
void vlapic_show(struct vcpu *vcpu)
{
	struct vlapic *apic = vcpu->apic;
	struct apic_view view;

	vlapic_view(apic, &view);
	if (unlikely(view.x2apic != apic->msrs_pass))
		pass_msrs(apic, view.x2apic);
	backend->show_apic(vcpu, &view);
}

/**
 * vlapic_hold() - let the CPU deliver no interrupt by itself, or let it again
 * @vcpu: owned
 * @on: which
 *
 * Held, the APIC is as one on a CPU that cannot: the run loop injects.  Who posts an
 * interrupt must not notify the CPU then, see vlapic_keep_held().
 */
void vlapic_hold(struct vcpu *vcpu, bool on)
{
	struct vlapic *apic = vcpu->apic;

	if (!apic || !backend->caps->irq_delivery)
		return;
	apic->inhibited = on;
	apic->cpu_delivers = !on;
}

/**
 * vlapic_keep_held() - before an entry: who posts from here on finds that somebody notified
 * @vcpu: its APIC may be held; about to enter, IRQs off
 */
void vlapic_keep_held(struct vcpu *vcpu)
{
	if (vcpu->apic && vcpu->apic->inhibited)
		set_bit(0, &vcpu->posted->any);
}

/**
 * vlapic_written() - the CPU wrote a register without effect
 * @vcpu: owned by the caller; process context
 * @offset: of the register
 *
 * Return: false for a write that the CPU should not report: what it does not do itself are
 * SELF IPIs with a vector below 16.
 */
bool vlapic_written(struct vcpu *vcpu, u32 offset)
{
	if (!vcpu->apic || offset != APIC_SELF_IPI)
		return false;
	vlapic_error(vcpu->apic, APIC_ESR_SENDILL);
	return true;
}
