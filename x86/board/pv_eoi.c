// SPDX-License-Identifier: GPL-2.0-only
/*
 * MSR_KVM_PV_EOI_EN: a bit in guest memory that is set while the interrupt in service may be
 * ended by clearing it, at no exit.  For CPUs that do not end interrupts by themselves.
 *
 * The bit stands from just before an entry to just after the exit, so code that looks at the
 * APIC finds it as if the guest had written to its EOI register. It is set only where the
 * end has no consequence now: nothing else is in service or waits, and no IOAPIC wants to
 * hear of it. What comes later makes the guest exit.
 */
#include <linux/kvm_para.h>

#include "mmu/guest.h"
#include "x86/board/irqchip_priv.h"
#include "x86/board/lapic_priv.h"
#include "x86/board/pv_eoi.h"

static gpa_t pv_eoi_gpa(const struct vcpu *vcpu)
{
	return vcpu->pv.eoi_msr & ~(u64)KVM_MSR_ENABLED;
}

/**
 * vlapic_set_pv_eoi() - MSR_KVM_PV_EOI_EN was written
 * @vcpu: owned
 * @val: address, a multiple of 4; bit 0 enables
 *
 * Return: X86_NO_FAULT; X86_FAULT for an address that is none, or without memory;
 * X86_INTERRUPTED.
 */
enum guest_fault vlapic_set_pv_eoi(struct vcpu *vcpu, u64 val)
{
	struct mmu *mmu = &vcpu->vm->mmu;
	int idx, err = 0;
	u8 byte;

	if (val & 3 & ~(u64)KVM_MSR_ENABLED)
		return X86_FAULT;
	if (val & KVM_MSR_ENABLED) {
		idx = srcu_read_lock(&mmu->srcu);
		err = guest_read(mmu, val & ~(u64)KVM_MSR_ENABLED, &byte, 1);
		srcu_read_unlock(&mmu->srcu, idx);
	}
	if (err)
		return err == -EINTR ? X86_INTERRUPTED : X86_FAULT;
	vcpu->pv.eoi_msr = val;
	return X86_NO_FAULT;
}

/* The vector whose end nobody else needs to know of, or 0. */
static unsigned int pv_eoi_vector(struct vlapic *apic)
{
	const struct irqchip *chip = apic->vcpu->vm->irqchip;
	unsigned int vector = vlapic_highest(apic, APIC_ISR);

	if (!vector || vlapic_highest(apic, APIC_IRR))
		return 0;
	if (vlapic_has_vector(apic, APIC_TMR, vector) ||
	    (!chip->split && vioapic_wants_edge(chip, vector)))
		return 0;
	return vector;
}

static bool pv_eoi_nested(struct vlapic *apic, unsigned int vector)
{
	unsigned int i;

	for (i = 0; i < VLAPIC_VECTORS / 32; i++) {
		u32 others = vlapic_get(apic, APIC_ISR + i * 0x10);

		if (i == vector / 32)
			others &= ~BIT(vector % 32);
		if (others)
			return true;
	}
	return false;
}

/**
 * vlapic_arm_pv_eoi() - let the guest end its interrupt in memory, if it can
 * @vcpu: about to enter, IRQs off; pv.eoi_msr is on; what was posted is collected
 */
void vlapic_arm_pv_eoi(struct vcpu *vcpu)
{
	struct vlapic *apic = vcpu->apic;
	unsigned int vector;

	if (!apic || apic->cpu_delivers || vcpu->pv.eoi_armed)
		return;
	vector = pv_eoi_vector(apic);
	if (!vector || pv_eoi_nested(apic, vector))
		return;
	vcpu->pv.eoi_armed = guest_poke(&vcpu->vm->mmu, pv_eoi_gpa(vcpu), KVM_PV_EOI_ENABLED);
}

/**
 * vlapic_take_pv_eoi() - has the guest ended its interrupt?
 * @vcpu: owned, pv.eoi_armed; in a read section of mmu.srcu, process context
 *
 * If not, it is armed anew before the next entry. Memory that is not there any more says
 * nothing, and the interrupt stays in service.
 */
void vlapic_take_pv_eoi(struct vcpu *vcpu)
{
	struct mmu *mmu = &vcpu->vm->mmu;
	u8 byte, off = KVM_PV_EOI_DISABLED;
	int err = guest_read(mmu, pv_eoi_gpa(vcpu), &byte, 1);

	/* A signal, for which the guest is left: it stays armed until it has run again. */
	vcpu->pv.eoi_armed = err == -EINTR;
	vcpu_request(vcpu, REQ_EVENT);
	if (err)
		return;
	if (byte & KVM_PV_EOI_ENABLED)	/* still there after a signal: it may end the interrupt */
		vcpu->pv.eoi_armed = guest_write(mmu, pv_eoi_gpa(vcpu), &off, 1) == -EINTR;
	else
		vlapic_eoi(vcpu->apic);
}
