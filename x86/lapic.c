// SPDX-License-Identifier: GPL-2.0-only
/*
 * The local APIC of a vCPU as its owner uses it: priorities, acknowledge, EOI,
 * reset, the APIC base MSR, INIT and SIPI.  Registers are in lapic_regs.c,
 * messages in lapic_ipi.c, the timer in lapic_timer.c, save and restore in
 * lapic_state.c.
 *
 * The hard part is what needs no lock: other threads only set bits in the IRR
 * and TMR; the ISR, the TPR and so the decision what comes next are the owner's.
 */
#include <linux/bitmap.h>
#include <linux/slab.h>

#include "core/vm.h"
#include "x86/cpuid.h"
#include "x86/irqchip_impl.h"
#include "x86/lapic.h"
#include "x86/x86.h"

static struct irqchip *apic_chip(const struct vlapic *apic)
{
	return READ_ONCE(apic->vcpu->vm->irqchip);
}

/* Highest vector in @set, or 0: 0 is never requested. */
static unsigned int highest(const unsigned long *set)
{
	int i;

	for (i = BITS_TO_LONGS(VLAPIC_VECTORS) - 1; i >= 0; i--) {
		unsigned long word = READ_ONCE(set[i]);

		if (word)
			return i * BITS_PER_LONG + __fls(word);
	}
	return 0;
}

/**
 * vlapic_tpr - the task priority
 * @apic: whose
 *
 * Owner.  A guest may have written cr8 without an exit: then cr8 is right.
 */
u8 vlapic_tpr(struct vlapic *apic)
{
	u8 cr8 = apic->vcpu->st.cr8 & 0xf;

	if (apic->tpr >> 4 != cr8)
		apic->tpr = cr8 << 4;
	return apic->tpr;
}

/**
 * vlapic_ppr - the processor priority
 * @apic: whose
 *
 * Owner.  SDM 11.8.3.1.
 */
u32 vlapic_ppr(struct vlapic *apic)
{
	u32 tpr = vlapic_tpr(apic), service = highest(apic->isr);

	return tpr >> 4 >= service >> 4 ? tpr : service & 0xf0;
}

/* The vector that the CPU would get now, or 0. */
static unsigned int deliverable(struct vlapic *apic)
{
	unsigned int vector = highest(apic->irr);

	if (!vector || !vlapic_hw_enabled(apic))
		return 0;
	return vector >> 4 > vlapic_ppr(apic) >> 4 ? vector : 0;
}

/* Does the PIC's output reach this CPU?  SDM 11.5.1, 11.4.3: virtual wire, or no APIC. */
static bool accepts_pic(const struct vlapic *apic)
{
	u32 lint0 = READ_ONCE(apic->lvt[VLAPIC_LVT_LINT0]);

	if (!vlapic_hw_enabled(apic))
		return apic->vcpu->id == apic->vcpu->vm->bsp_id;
	return (lint0 & (APIC_LVT_MASKED | APIC_MODE_MASK)) == APIC_DM_EXTINT;
}

/**
 * vlapic_lint0 - the PIC's output is high
 * @apic: any present one, or the bootstrap processor's
 * @rising: it was low before: an edge, for the modes that want one
 *
 * Any context; the caller holds rcu_read_lock().
 */
void vlapic_lint0(struct vlapic *apic, bool rising)
{
	if (accepts_pic(apic)) {
		vcpu_request(apic->vcpu, REQ_EVENT);
		vcpu_kick(apic->vcpu);
	} else if (rising && vlapic_hw_enabled(apic)) {
		vlapic_deliver_lvt(apic, VLAPIC_LVT_LINT0);
	}
}

static bool pic_waits(const struct vlapic *apic)
{
	struct irqchip *chip = apic_chip(apic);

	return chip && READ_ONCE(chip->pic.output) && accepts_pic(apic);
}

/**
 * vcpu_has_irq - is there an interrupt that IF and the shadow alone hold back
 * @vcpu: owned by the caller
 *
 * No locks; interrupts may be off.
 */
bool vcpu_has_irq(struct vcpu *vcpu)
{
	struct vlapic *apic = vcpu->apic;

	return apic && (deliverable(apic) || pic_waits(apic));
}

/**
 * vcpu_take_irq - acknowledge the interrupt that is to be delivered
 * @vcpu: owned by the caller
 *
 * Takes pic.lock when the PIC has one; interrupts may be off.  Returns the
 * vector, or -1.  The PIC goes first, as an ExtINT bypasses priorities.
 */
int vcpu_take_irq(struct vcpu *vcpu)
{
	struct vlapic *apic = vcpu->apic;
	unsigned int vector;

	if (!apic)
		return -1;
	if (pic_waits(apic))
		return vpic_intack(apic_chip(apic));
	vector = deliverable(apic);
	if (!vector)
		return -1;
	clear_bit(vector, apic->irr);
	__set_bit(vector, apic->isr);
	return vector;
}

/**
 * vlapic_tpr_blocks - does only the task priority hold an interrupt back
 * @vcpu: owned by the caller
 */
bool vlapic_tpr_blocks(struct vcpu *vcpu)
{
	struct vlapic *apic = vcpu->apic;
	unsigned int vector;

	if (!apic || !vlapic_hw_enabled(apic))
		return false;
	vector = highest(apic->irr) >> 4;
	return vector > highest(apic->isr) >> 4 && vector <= vlapic_tpr(apic) >> 4;
}

/**
 * vlapic_eoi - end the interrupt in service
 * @apic: whose
 *
 * Owner; process context.  SDM 11.8.5: a level-triggered one is broadcast.
 */
void vlapic_eoi(struct vlapic *apic)
{
	unsigned int vector = highest(apic->isr);

	if (!vector)
		return;
	__clear_bit(vector, apic->isr);
	vcpu_request(apic->vcpu, REQ_EVENT);
	if (test_bit(vector, apic->tmr))
		vioapic_eoi(apic_chip(apic), vector);
}

/**
 * vlapic_clear - registers as after power-on, without the base MSR
 * @apic: whose
 *
 * Owner; process context.  SDM 11.4.7.1.  The bootstrap processor's LINT0 is
 * left as firmware would leave it: virtual wire, so that the PIC works.
 */
void vlapic_clear(struct vlapic *apic)
{
	struct vcpu *vcpu = apic->vcpu;
	unsigned int i;

	for (i = 0; i < VLAPIC_LVTS; i++)
		WRITE_ONCE(apic->lvt[i], APIC_LVT_MASKED);
	vlapic_timer_stop(apic);
	if (vcpu->id == vcpu->vm->bsp_id)
		WRITE_ONCE(apic->lvt[VLAPIC_LVT_LINT0], APIC_DM_EXTINT);
	apic->tmict = 0;
	apic->tdcr = 0;
	apic->tpr = 0;
	vcpu->st.cr8 = 0;
	apic->ldr = 0;
	apic->dfr = APIC_DFR_FLAT;
	WRITE_ONCE(apic->svr, APIC_VECTOR_MASK);
	apic->icr = 0;
	apic->esr = 0;
	atomic_set(&apic->errors, 0);
	bitmap_zero(apic->isr, VLAPIC_VECTORS);
	bitmap_zero(apic->irr, VLAPIC_VECTORS);
	bitmap_zero(apic->tmr, VLAPIC_VECTORS);
}

/**
 * vlapic_reset - power-on or INIT
 * @vcpu: owned by the caller; process context
 * @init: INIT, which keeps the base MSR
 */
void vlapic_reset(struct vcpu *vcpu, bool init)
{
	struct vlapic *apic = vcpu->apic;

	if (!apic)
		return;
	if (!init) {
		apic->base = APIC_DEFAULT_PHYS_BASE | MSR_IA32_APICBASE_ENABLE;
		if (vcpu->id == vcpu->vm->bsp_id)
			apic->base |= MSR_IA32_APICBASE_BSP;
		xchg(&apic->signals, 0);
	}
	vlapic_clear(apic);
	apicmap_update(apic_chip(apic), apic);
}

/**
 * vlapic_create - give a vCPU a local APIC
 * @vcpu: its vm, id and idx are set; id is below VLAPIC_MAX_IDS
 *
 * Sets vcpu->apic, or leaves NULL when the VM has no irqchip.  Returns 0,
 * -EINVAL for the id, -ENOMEM.
 */
int vlapic_create(struct vcpu *vcpu)
{
	struct vlapic *apic;

	if (!vcpu->vm->irqchip)
		return 0;
	if (vcpu->id >= VLAPIC_MAX_IDS)
		return -EINVAL;
	apic = kzalloc(sizeof(*apic), GFP_KERNEL_ACCOUNT);
	if (!apic)
		return -ENOMEM;
	apic->vcpu = vcpu;
	vlapic_timer_init(apic);
	vcpu->apic = apic;
	vlapic_reset(vcpu, false);
	return 0;
}

/**
 * vlapic_free - take it away
 * @vcpu: does not run, and nobody owns it
 *
 * Waits for senders when the VM still has its irqchip; without, there are none.
 */
void vlapic_free(struct vcpu *vcpu)
{
	struct vlapic *apic = vcpu->apic;

	if (!apic)
		return;
	if (apic_chip(apic))
		apicmap_remove(apic_chip(apic), apic);
	hrtimer_cancel(&apic->timer.hrtimer);
	vcpu->apic = NULL;
	kfree(apic);
}

/**
 * vlapic_accept_init_sipi - act upon INIT and SIPI
 * @vcpu: owned by the caller; process context
 *
 * INIT leaves an application processor waiting for SIPI and starts the
 * bootstrap processor at the reset vector; a SIPI that nobody waits for is
 * dropped (SDM 9.4.3).
 */
void vlapic_accept_init_sipi(struct vcpu *vcpu)
{
	struct vlapic *apic = vcpu->apic;

	if (!apic)
		return;
	if (test_and_clear_bit(VLAPIC_SIGNAL_INIT, &apic->signals)) {
		vcpu_reset(vcpu, true);
		vcpu->mp_state = vcpu->id == vcpu->vm->bsp_id ?
			KVM_MP_STATE_RUNNABLE : KVM_MP_STATE_INIT_RECEIVED;
	}
	if (!test_and_clear_bit(VLAPIC_SIGNAL_SIPI, &apic->signals))
		return;
	if (vcpu->mp_state != KVM_MP_STATE_INIT_RECEIVED)
		return;
	vcpu_sipi(vcpu, vlapic_sipi_vector(vcpu));
	vcpu->mp_state = KVM_MP_STATE_RUNNABLE;
}

/**
 * vlapic_post_sipi - make a SIPI wait
 * @vcpu: owned by the caller
 * @vector: start address / 4096
 */
void vlapic_post_sipi(struct vcpu *vcpu, u8 vector)
{
	const struct apic_msg msg = { .mode = APIC_DM_STARTUP, .vector = vector, .exclude = -1 };

	if (vcpu->apic)
		vlapic_accept(vcpu->apic, &msg);
}

/**
 * vlapic_sipi_vector - of the SIPI that waits, or came last
 * @vcpu: owned by the caller
 */
u8 vlapic_sipi_vector(struct vcpu *vcpu)
{
	if (!vcpu->apic)
		return 0;
	smp_rmb();	/* pairs with accept_sipi() */
	return READ_ONCE(vcpu->apic->sipi_vector);
}

/**
 * vlapic_get_cr8 - the task priority's class
 * @vcpu: owned by the caller
 */
u64 vlapic_get_cr8(struct vcpu *vcpu)
{
	return vcpu->st.cr8;
}

/**
 * vlapic_set_cr8 - write cr8
 * @vcpu: owned by the caller
 * @cr8: 0 to 15
 */
void vlapic_set_cr8(struct vcpu *vcpu, u64 cr8)
{
	vcpu->st.cr8 = cr8 & 0xf;
	if (!vcpu->apic)
		return;
	vcpu->apic->tpr = vcpu->st.cr8 << 4;
	vcpu_request(vcpu, REQ_EVENT);
}

/**
 * vlapic_get_base - read MSR_IA32_APICBASE
 * @vcpu: owned by the caller
 */
u64 vlapic_get_base(struct vcpu *vcpu)
{
	if (vcpu->apic)
		return vcpu->apic->base;
	return APIC_DEFAULT_PHYS_BASE | MSR_IA32_APICBASE_ENABLE |
	       (vcpu->id == vcpu->vm->bsp_id ? MSR_IA32_APICBASE_BSP : 0);
}

/* SDM figure 11-27: off <-> xAPIC -> x2APIC -> off; the VMM may go anywhere valid. */
static bool base_is_legal(struct vcpu *vcpu, u64 base, bool by_vmm)
{
	u64 old = vcpu->apic->base, known = MSR_IA32_APICBASE_BSP | MSR_IA32_APICBASE_ENABLE;

	known |= GENMASK_ULL(vcpu->cpuid.maxphyaddr - 1, PAGE_SHIFT);
	if (by_vmm || cpuid_has(vcpu, X86_FEATURE_X2APIC))
		known |= X2APIC_ENABLE;
	if (base & ~known)
		return false;
	if ((base & X2APIC_ENABLE) && !(base & MSR_IA32_APICBASE_ENABLE))
		return false;
	if (by_vmm)
		return true;
	if (base & X2APIC_ENABLE)
		return old & MSR_IA32_APICBASE_ENABLE;
	return !((old & X2APIC_ENABLE) && (base & MSR_IA32_APICBASE_ENABLE));
}

/**
 * vlapic_set_base - write MSR_IA32_APICBASE
 * @vcpu: owned by the caller; process context
 * @base: new value
 * @by_vmm: any valid state goes, not only legal transitions
 *
 * Returns 0 or X86_FAULT.  SDM 11.4.4, 11.12.5.
 */
int vlapic_set_base(struct vcpu *vcpu, u64 base, bool by_vmm)
{
	struct vlapic *apic = vcpu->apic;

	if (!apic)
		return by_vmm ? 0 : X86_FAULT;
	if (!base_is_legal(vcpu, base, by_vmm))
		return X86_FAULT;
	if (!by_vmm && vlapic_hw_enabled(apic) && !(base & MSR_IA32_APICBASE_ENABLE))
		vlapic_clear(apic);
	if ((base ^ apic->base) & X2APIC_ENABLE)
		apic->icr = (u32)apic->icr;
	apic->base = base;
	apicmap_update(apic_chip(apic), apic);
	vcpu_request(vcpu, REQ_EVENT);
	return 0;
}
