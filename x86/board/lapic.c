// SPDX-License-Identifier: GPL-2.0-only
/*
 * The local APIC of a vCPU as its owner uses it: priorities, acknowledge, EOI,
 * reset, the APIC base MSR, INIT and SIPI that wait.  Registers are in lapic_regs.c,
 * messages in lapic_ipi.c, the timer in lapic_timer.c, save and restore in
 * lapic_state.c.
 *
 * The hard part is that there are no locks. Other threads only post vectors. The IRR, the ISR
 * and the TPR, and so the decision which interrupt comes next, belong to the owner, or to
 * its CPU while that runs the guest.
 */
#include <linux/bitmap.h>
#include <linux/gfp.h>
#include <linux/log2.h>
#include <linux/slab.h>

#include "x86/board/irqchip_priv.h"
#include "x86/board/lapic_priv.h"
#include "x86/machine/vm.h"

static struct irqchip *apic_chip(const struct vlapic *apic)
{
	return READ_ONCE(apic->vcpu->vm->irqchip);
}

/**
 * vlapic_highest() - the highest vector of a set
 * @apic: whose
 * @set: APIC_IRR or APIC_ISR
 *
 * Return: the vector; 0 when there is none: 0 is never requested.
 */
unsigned int vlapic_highest(const struct vlapic *apic, u32 set)
{
	int i;

	for (i = VLAPIC_VECTORS / 32 - 1; i >= 0; i--) {
		u32 word = vlapic_get(apic, set + i * 0x10);

		if (word)
			return i * 32 + __fls(word);
	}
	return 0;
}

/* 32 vectors of the IRR, the ISR or the TMR that begin with @first. */
static void change_vectors(struct vlapic *apic, u32 set, unsigned int first, u32 add, u32 remove)
{
	u32 offset = set + (first >> 5) * 0x10;

	vlapic_put(apic, offset, (vlapic_get(apic, offset) & ~remove) | add);
}

/* What each vector's bit in the TMR becomes. */
enum trigger { TRIGGER_EDGE, TRIGGER_LEVEL, TRIGGER_SAME };

static void take_vectors(struct vlapic *apic, unsigned int first, u32 vectors, enum trigger trigger)
{
	if (!vectors)
		return;
	change_vectors(apic, APIC_IRR, first, vectors, 0);
	if (trigger != TRIGGER_SAME)
		change_vectors(apic, APIC_TMR, first, trigger == TRIGGER_LEVEL ? vectors : 0,
			       vectors);
}

static void take_posted(struct vlapic *apic, struct posted *posted, enum trigger trigger)
{
	unsigned int i;

	if (!READ_ONCE(posted->any))
		return;
	xchg(&posted->any, 0);
	for (i = 0; i < ARRAY_SIZE(posted->vectors); i++) {
		unsigned long word = READ_ONCE(posted->vectors[i]) ?
				     xchg(&posted->vectors[i], 0) : 0;

		take_vectors(apic, 64 * i, word, trigger);
		take_vectors(apic, 64 * i + 32, word >> 32, trigger);
	}
	/* A CPU that delivers interrupts does not search the IRR itself, so it must be told. */
	vcpu_request(apic->vcpu, REQ_EVENT);
}

/**
 * vlapic_collect() - move what was posted into the IRR
 * @apic: whose
 *
 * Owner.  Asks for REQ_EVENT when there was something; what is posted from now on asks
 * for another look.
 */
void vlapic_collect(struct vlapic *apic)
{
	take_posted(apic, &apic->posted, TRIGGER_SAME);
	take_posted(apic, &apic->held[false], TRIGGER_EDGE);
	take_posted(apic, &apic->held[true], TRIGGER_LEVEL);
}

/**
 * vlapic_forget_posted() - what was posted until now is void
 * @apic: whose
 *
 * Owner.
 */
void vlapic_forget_posted(struct vlapic *apic)
{
	bitmap_zero(apic->posted.vectors, VLAPIC_VECTORS);
	bitmap_zero(apic->held[false].vectors, VLAPIC_VECTORS);
	bitmap_zero(apic->held[true].vectors, VLAPIC_VECTORS);
}

/**
 * vlapic_tpr() - the task priority
 * @apic: whose
 *
 * Owner.  A guest may have written cr8 without an exit: then cr8 is right.
 *
 * Return: the register's value.
 */
u8 vlapic_tpr(struct vlapic *apic)
{
	u8 cr8 = apic->vcpu->st.cr8 & 0xf, tpr = vlapic_get(apic, APIC_TASKPRI);

	if (tpr >> 4 == cr8)
		return tpr;
	vlapic_put(apic, APIC_TASKPRI, cr8 << 4);
	return cr8 << 4;
}

/**
 * vlapic_ppr() - the processor priority
 * @apic: whose
 *
 * Owner.  SDM 11.8.3.1.
 *
 * Return: the register's value.
 */
u32 vlapic_ppr(struct vlapic *apic)
{
	u32 tpr = vlapic_tpr(apic), service = vlapic_highest(apic, APIC_ISR);

	return tpr >> 4 >= service >> 4 ? tpr : service & 0xf0;
}

/* The vector that the CPU would get now, or 0. */
static unsigned int vlapic_deliverable(struct vlapic *apic)
{
	unsigned int vector;

	vlapic_collect(apic);
	vector = vlapic_highest(apic, APIC_IRR);
	if (!vector || !vlapic_hw_enabled(apic))
		return 0;
	return vector >> 4 > vlapic_ppr(apic) >> 4 ? vector : 0;
}

/* Does the PIC's output reach this CPU?  SDM 11.5.1, 11.4.3: virtual wire, or no APIC. */
static bool accepts_pic(const struct vlapic *apic)
{
	u32 lint0 = vlapic_lvt(apic, VLAPIC_LVT_LINT0);

	if (!vlapic_hw_enabled(apic))
		return apic->vcpu->id == apic->vcpu->vm->bsp_id;
	return (lint0 & (APIC_LVT_MASKED | APIC_MODE_MASK)) == APIC_DM_EXTINT;
}

/**
 * vlapic_lint0() - the PIC's output is high
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

/* The VMM's PIC has output its vector already (KVM_INTERRUPT). */
static bool pic_waits(const struct vlapic *apic)
{
	struct irqchip *chip = apic_chip(apic);

	if (!chip)
		return false;
	return (chip->split ? apic->vcpu->ev.user_irq >= 0 : READ_ONCE(chip->pic.output)) &&
	       accepts_pic(apic);
}

static int pic_ack(struct vlapic *apic)
{
	struct irqchip *chip = apic_chip(apic);
	int vector = apic->vcpu->ev.user_irq;

	if (!chip->split)
		return vpic_intack(chip);
	apic->vcpu->ev.user_irq = -1;
	return vector;
}

/**
 * vlapic_accepts_pic() - can an interrupt of the VMM's PIC reach a vCPU?
 * @vcpu: owned by the caller
 *
 * Return: false where the local APIC keeps it out.
 */
bool vlapic_accepts_pic(const struct vcpu *vcpu)
{
	return !vcpu->apic || accepts_pic(vcpu->apic);
}

/**
 * board_has_irq() - is there an interrupt that IF and the shadow alone hold back
 * @vcpu: owned by the caller
 *
 * No locks; interrupts may be off.
 *
 * One of the local APIC that is above its PPR, or of the PIC where LVT0 lets it through.
 *
 * Return: whether there is one.
 */
bool board_has_irq(struct vcpu *vcpu)
{
	struct vlapic *apic = vcpu->apic;

	return apic && (vlapic_deliverable(apic) || pic_waits(apic));
}

/**
 * board_injects_irq() - likewise, but one that the CPU does not deliver by itself
 * @vcpu: owned by the caller
 *
 * No locks; interrupts may be off.
 *
 * Return: whether there is one.
 */
bool board_injects_irq(struct vcpu *vcpu)
{
	struct vlapic *apic = vcpu->apic;

	return apic && (pic_waits(apic) || (!apic->cpu_delivers && vlapic_deliverable(apic)));
}

/**
 * board_take_irq() - acknowledge the interrupt that is to be injected
 * @vcpu: owned by the caller
 *
 * Takes pic.lock when the PIC has one; interrupts may be off.
 *
 * Return: the vector, or -1. The PIC goes first, as an ExtINT bypasses priorities.
 */
int board_take_irq(struct vcpu *vcpu)
{
	struct vlapic *apic = vcpu->apic;
	unsigned int vector;

	if (!apic)
		return -1;
	if (pic_waits(apic))
		return pic_ack(apic);
	vector = apic->cpu_delivers ? 0 : vlapic_deliverable(apic);
	if (!vector)
		return -1;
	__clear_bit(vector & 31, vlapic_vector_word(apic, APIC_IRR, vector));
	__set_bit(vector & 31, vlapic_vector_word(apic, APIC_ISR, vector));
	return vector;
}

/**
 * vlapic_tpr_blocks() - does only the task priority keep us from injecting an interrupt
 * @vcpu: owned by the caller
 *
 * Then writes of cr8 have to exit.
 *
 * Return: whether it does.
 */
bool vlapic_tpr_blocks(struct vcpu *vcpu)
{
	struct vlapic *apic = vcpu->apic;
	unsigned int vector;

	if (!apic || apic->cpu_delivers || !vlapic_hw_enabled(apic))
		return false;
	vlapic_collect(apic);
	vector = vlapic_highest(apic, APIC_IRR) >> 4;
	return vector > vlapic_highest(apic, APIC_ISR) >> 4 && vector <= vlapic_tpr(apic) >> 4;
}

static void tell_user(struct vlapic *apic, u8 vector)
{
	__set_bit(vector, apic->user_ends);
	vcpu_request(apic->vcpu, REQ_IOAPIC_EOI);
}

/**
 * vlapic_take_user_end() - the end of an interrupt that the VMM must hear of
 * @vcpu: owned by the caller, with an APIC; REQ_IOAPIC_EOI was taken, and is made again when
 *	there is another one
 *
 * Return: the vector, or -1.
 */
int vlapic_take_user_end(struct vcpu *vcpu)
{
	unsigned long *ends = vcpu->apic->user_ends;
	unsigned int vector = find_first_bit(ends, VLAPIC_VECTORS);

	if (vector == VLAPIC_VECTORS)
		return -1;
	__clear_bit(vector, ends);
	if (!bitmap_empty(ends, VLAPIC_VECTORS))
		vcpu_request(vcpu, REQ_IOAPIC_EOI);
	return vector;
}

/**
 * vlapic_ended() - tell others that an interrupt has ended
 * @apic: whose
 * @vector: which, no longer in service
 *
 * Owner; process context.  SDM 11.8.5: a level-triggered one is broadcast.  Of others
 * that came from the IOAPIC somebody in the kernel may want to know.
 */
void vlapic_ended(struct vlapic *apic, u8 vector)
{
	struct irqchip *chip = apic_chip(apic);
	bool level = vlapic_has_vector(apic, APIC_TMR, vector);

	if (chip->split) {
		if (level && irqchip_user_wants_end(chip, vector))
			tell_user(apic, vector);
	} else if (level || vioapic_wants_edge(chip, vector)) {
		vioapic_eoi(chip, vector);
	}
}

/**
 * vlapic_eoi() - end the interrupt in service
 * @apic: whose
 *
 * Owner; process context.
 */
void vlapic_eoi(struct vlapic *apic)
{
	unsigned int vector = vlapic_highest(apic, APIC_ISR);

	if (!vector)
		return;
	__clear_bit(vector & 31, vlapic_vector_word(apic, APIC_ISR, vector));
	vcpu_request(apic->vcpu, REQ_EVENT);
	vlapic_ended(apic, vector);
}

/**
 * vlapic_show_id() - set the id registers as the APIC's mode wants them
 * @apic: whose
 *
 * Owner. An x2APIC's logical id follows from its id (SDM 11.12.10.2).
 */
void vlapic_show_id(struct vlapic *apic)
{
	u32 id = apic->vcpu->id;

	vlapic_put(apic, APIC_ID, vlapic_x2apic(apic) ? id : id << 24);
	if (vlapic_x2apic(apic))
		vlapic_put(apic, APIC_LDR, vlapic_x2apic_ldr(id));
}

static void show_version(struct vlapic *apic)
{
	u32 lvts = VLAPIC_LVTS - !vlapic_has_cmci(apic);

	vlapic_put(apic, APIC_LVR, VLAPIC_VERSION | (lvts - 1) << 16);
}

/**
 * vlapic_clear() - registers as after power-on, without the base MSR
 * @apic: whose
 *
 * Owner; process context.  SDM 11.4.7.1.  The bootstrap processor's LINT0 is
 * left as firmware would leave it: virtual wire, so that the PIC works.
 */
void vlapic_clear(struct vlapic *apic)
{
	struct vcpu *vcpu = apic->vcpu;
	unsigned int i;
	u32 offset;

	/* Done first, so that a timer that has expired raises no interrupt. */
	vlapic_put(apic, APIC_LVTT, APIC_LVT_MASKED);
	vlapic_timer_stop(apic);
	for (offset = 0; offset < KVM_APIC_REG_SIZE; offset += 0x10)
		vlapic_put(apic, offset, 0);
	for (i = 0; i < VLAPIC_LVTS; i++)
		vlapic_put(apic, vlapic_lvt_offset(i), APIC_LVT_MASKED);
	if (vcpu->id == vcpu->vm->bsp_id &&
	    vm_has_quirk(vcpu->vm, KVM_X86_QUIRK_LINT0_REENABLED))
		vlapic_put(apic, APIC_LVT0, APIC_DM_EXTINT);
	show_version(apic);
	vlapic_put(apic, APIC_DFR, APIC_DFR_FLAT);
	vlapic_put(apic, APIC_SPIV, APIC_VECTOR_MASK);
	vlapic_show_id(apic);
	vcpu->st.cr8 = 0;
	atomic_set(&apic->errors, 0);
	vlapic_forget_posted(apic);
	vcpu_request(vcpu, REQ_EVENT);
}

static void put_base(struct vcpu *vcpu, u64 base)
{
	vcpu->msr.apic_base = base;
	if (vcpu->apic)
		vcpu->apic->base = base;
}

/**
 * vlapic_reset() - power-on or INIT
 * @vcpu: owned by the caller; process context
 * @init: INIT, which keeps the base MSR
 *
 * Where the APIC is the VMM's the base MSR is all that there is.
 */
void vlapic_reset(struct vcpu *vcpu, bool init)
{
	struct vlapic *apic = vcpu->apic;

	if (!init)
		put_base(vcpu, APIC_DEFAULT_PHYS_BASE | MSR_IA32_APICBASE_ENABLE |
			       (vcpu->id == vcpu->vm->bsp_id ? MSR_IA32_APICBASE_BSP : 0));
	if (!apic)
		return;
	/* Of an interrupt that ended before an INIT the VMM is still to hear. */
	if (!init) {
		xchg(&apic->signals, 0);
		bitmap_zero(apic->user_ends, VLAPIC_VECTORS);
	}
	vcpu->vapic = 0;
	vlapic_clear(apic);
	apicmap_update(apic_chip(apic), apic);
}

/**
 * vlapic_mce_changed() - have the LVT entry of corrected machine checks, or not
 * @vcpu: owned by the caller; its IA32_MCG_CAP was set
 *
 * What the guest reaches without exits is looked at again.  Does nothing without an APIC.
 */
void vlapic_mce_changed(struct vcpu *vcpu)
{
	struct vlapic *apic = vcpu->apic;

	if (!apic)
		return;
	vlapic_put(apic, APIC_LVTCMCI, APIC_LVT_MASKED);
	show_version(apic);
	apic->msrs_pass = false;
	vcpu_request(vcpu, REQ_EVENT);
}

/**
 * vlapic_corrected_error() - a machine check that is no exception
 * @vcpu: owned by the caller; its IA32_MCG_CAP has MCG_CMCI_P
 *
 * SDM 16.5.  Does nothing without an APIC.
 */
void vlapic_corrected_error(struct vcpu *vcpu)
{
	if (vcpu->apic)
		vlapic_deliver_lvt(vcpu->apic, VLAPIC_LVT_CMCI);
}

/**
 * vlapic_create() - give a vCPU a local APIC
 * @vcpu: its vm, id and idx are set; id is below VLAPIC_MAX_IDS
 *
 * Sets vcpu->apic_page, vcpu->user_pic, and vcpu->apic unless the VM has no irqchip.
 *
 * Return: 0, -EINVAL for the id, -ENOMEM.
 */
int vlapic_create(struct vcpu *vcpu)
{
	struct vlapic *apic;

	if (vcpu->vm->irqchip && vcpu->id >= VLAPIC_MAX_IDS)
		return -EINVAL;
	vcpu->apic_page = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!vcpu->apic_page)
		return -ENOMEM;
	vcpu->user_pic = !vcpu->vm->irqchip || irqchip_is_split(vcpu->vm);
	if (!vcpu->vm->irqchip)
		return 0;
	/*
	 * An allocation whose size is a power of 2 is aligned to that size, and struct
	 * posted must be aligned.
	 */
	apic = kzalloc(roundup_pow_of_two(sizeof(*apic)), GFP_KERNEL_ACCOUNT);
	if (!apic) {
		free_page((unsigned long)vcpu->apic_page);
		return -ENOMEM;
	}
	if (apicmap_reserve(vcpu->vm->irqchip, vcpu->id)) {
		kfree(apic);
		free_page((unsigned long)vcpu->apic_page);
		return -ENOMEM;
	}
	apic->vcpu = vcpu;
	apic->regs = vcpu->apic_page;
	apic->cpu_delivers = backend && backend->caps->irq_delivery;
	/* The CPU's timer stands still in the C-states that a guest's MWAIT may lead to. */
	apic->cpu_times = backend && backend->caps->timer &&
			  !(vcpu->vm->enabled.exits_off & KVM_X86_DISABLE_EXITS_MWAIT);
	apic->cpu_helps = backend && (apic->cpu_delivers || backend->caps->x2apic_reads);
	vlapic_timer_init(apic);
	vcpu->apic = apic;
	vcpu->posted = &apic->posted;
	vlapic_reset(vcpu, false);
	return 0;
}

/**
 * vlapic_free() - take it away
 * @vcpu: does not run, and nobody owns it
 *
 * Waits for senders when the VM still has its irqchip; without, there are none.
 *
 * Does nothing without one.
 */
void vlapic_free(struct vcpu *vcpu)
{
	struct vlapic *apic = vcpu->apic;

	if (apic) {
		if (apic_chip(apic))
			apicmap_remove(apic_chip(apic), apic);
		hrtimer_cancel(&apic->timer.hrtimer);
		vcpu->apic = NULL;
		vcpu->posted = NULL;
		kfree(apic);
	}
	free_page((unsigned long)vcpu->apic_page);
	vcpu->apic_page = NULL;
}

/**
 * vlapic_take_init() - has an INIT come? It has not any more
 * @vcpu: owned by the caller, with an APIC
 *
 * Return: whether one had come; it is forgotten then.
 */
bool vlapic_take_init(struct vcpu *vcpu)
{
	return test_and_clear_bit(VLAPIC_SIGNAL_INIT, &vcpu->apic->signals);
}

/**
 * vlapic_take_sipi() - has a SIPI come? It has not any more
 * @vcpu: owned by the caller, with an APIC
 *
 * Return: its vector, or -1.
 */
int vlapic_take_sipi(struct vcpu *vcpu)
{
	if (!test_and_clear_bit(VLAPIC_SIGNAL_SIPI, &vcpu->apic->signals))
		return -1;
	smp_rmb();	/* pairs with accept_sipi() */
	return READ_ONCE(vcpu->apic->sipi_vector);
}

/**
 * vlapic_set_sipi_vector() - where a SIPI that waits is to start the vCPU
 * @vcpu: owned by the caller; without an APIC nothing waits
 * @vector: start address / 4096
 *
 * For kvm_vcpu_events.sipi_vector.
 */
void vlapic_set_sipi_vector(struct vcpu *vcpu, u8 vector)
{
	if (vcpu->apic)
		WRITE_ONCE(vcpu->apic->sipi_vector, vector);
}

/**
 * vlapic_post_sipi() - make a SIPI wait, with the vector that came or was set last
 * @vcpu: owned by the caller, with an APIC
 *
 * For KVM_MP_STATE_SIPI_RECEIVED; the caller sets mp_state to KVM_MP_STATE_INIT_RECEIVED.
 */
void vlapic_post_sipi(struct vcpu *vcpu)
{
	set_bit(VLAPIC_SIGNAL_SIPI, &vcpu->apic->signals);
}

/**
 * vlapic_get_cr8() - the task priority's class
 * @vcpu: owned by the caller
 *
 * Return: 0 to 15.
 */
u64 vlapic_get_cr8(struct vcpu *vcpu)
{
	return vcpu->st.cr8;
}

/**
 * vlapic_set_cr8() - write cr8
 * @vcpu: owned by the caller
 * @cr8: 0 to 15
 *
 * vcpu->st.cr8 is the upper half of the task priority; a backend that lets the guest write
 * cr8 without an exit just stores it there. Raises REQ_EVENT.
 */
void vlapic_set_cr8(struct vcpu *vcpu, u64 cr8)
{
	vcpu->st.cr8 = cr8 & 0xf;
	if (!vcpu->apic)
		return;
	vcpu->apic->vapic_late = false;	/* what is in memory is older */
	vlapic_put(vcpu->apic, APIC_TASKPRI, vcpu->st.cr8 << 4);
	vcpu_request(vcpu, REQ_EVENT);
}

/**
 * vlapic_get_base() - read MSR_IA32_APICBASE
 * @vcpu: owned by the caller
 *
 * Without in-kernel APIC it is kept, too, and checked when it is written: the VMM, whose APIC it
 * moves, reads it in kvm_run and in struct kvm_sregs.
 *
 * Return: the MSR's value.
 */
u64 vlapic_get_base(struct vcpu *vcpu)
{
	return vcpu->msr.apic_base;
}

/* SDM figure 11-27: off <-> xAPIC -> x2APIC -> off; the VMM may go anywhere valid. */
static bool base_is_legal(struct vcpu *vcpu, u64 base, bool by_vmm)
{
	u64 old = vlapic_get_base(vcpu), known = MSR_IA32_APICBASE_BSP | MSR_IA32_APICBASE_ENABLE;

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
 * vlapic_set_base() - write MSR_IA32_APICBASE
 * @vcpu: owned by the caller; process context
 * @base: new value
 * @by_vmm: any valid state goes, not only legal transitions
 *
 * Where the APIC is the VMM's, that learns of it when it asks.
 *
 * Return: X86_NO_FAULT or X86_FAULT. SDM 11.4.4, 11.12.5.
 */
enum guest_fault vlapic_set_base(struct vcpu *vcpu, u64 base, bool by_vmm)
{
	struct vlapic *apic = vcpu->apic;

	if (!base_is_legal(vcpu, base, by_vmm))
		return X86_FAULT;
	if (!apic) {
		put_base(vcpu, base);
		return X86_NO_FAULT;
	}
	if (!by_vmm && vlapic_hw_enabled(apic) && !(base & MSR_IA32_APICBASE_ENABLE))
		vlapic_clear(apic);
	if ((base ^ apic->base) & X2APIC_ENABLE) {
		vlapic_put(apic, APIC_ICR2, 0);
		vlapic_put(apic, APIC_LDR, 0);
	}
	put_base(vcpu, base);
	vlapic_show_id(apic);
	apicmap_update(apic_chip(apic), apic);
	vcpu_request(vcpu, REQ_EVENT);
	return X86_NO_FAULT;
}
