/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The interrupt controllers in the kernel, as run.c, exits.c, msr.c and core see them.
 *
 * Raising an interrupt (irqchip_set_irq, irqchip_send_msi) works from any
 * context, hard interrupts included: delivery sets a bit in the target's IRR
 * and kicks it.  Everything the guest does to its own local APIC is done by the
 * vCPU's owner.
 *
 * Order of destruction that costs no grace periods: iobus_destroy() of both
 * buses, vm_eventfds_destroy(), irqchip_destroy(), then vlapic_free() of each
 * vCPU.  Any other order is safe too.
 */
#ifndef DITTO_X86_IRQCHIP_H
#define DITTO_X86_IRQCHIP_H

#include <linux/kvm.h>
#include <linux/kvm_types.h>
#include <linux/types.h>

struct vcpu;
struct vm;

/* What KVM_CAP_IRQ_ROUTING reports; GSIs are below it, too. */
#define IRQCHIP_MAX_ROUTES	4096

/*
 * Who drives a line.  A line with several drivers is high while any of them
 * holds it high.
 */
enum irq_source {
	IRQ_SOURCE_USER,	/* KVM_IRQ_LINE */
	IRQ_SOURCE_IRQFD,	/* irqfd pulses */
	IRQ_SOURCE_RESAMPLE,	/* irqfds with a resamplefd, until acknowledged */
	IRQ_SOURCE_PIT,
	IRQ_SOURCE_NR
};

/**
 * struct irq_ack_notifier - told when the guest has acknowledged a GSI
 * @link: in the irqchip's list; RCU
 * @gsi: which; constant while registered
 * @acked: called under rcu_read_lock(), interrupts may be off, no irqchip lock
 *	held; may call irqchip_set_irq()
 */
struct irq_ack_notifier {
	struct hlist_node link;
	u32 gsi;
	void (*acked)(struct irq_ack_notifier *notifier);
};

/* The VM's side: PIC pair, IOAPIC, GSI routing (default routes as KVM's). */

/* KVM_CREATE_IRQCHIP.  vm->lock held.  -EEXIST; -EINVAL when a vCPU exists; -ENOMEM. */
int irqchip_create(struct vm *vm);
/* No vCPU runs and no ioctl is in flight.  Fine without irqchip. */
void irqchip_destroy(struct vm *vm);

/*
 * Drive @gsi.  Any context.  > 0: so many CPUs got it; 0: coalesced with one
 * that is pending; < 0: masked, not routed, or nobody there.
 */
int irqchip_set_irq(struct vm *vm, enum irq_source source, u32 gsi, bool level);
/* Any context; returns as irqchip_set_irq(). */
int irqchip_send_msi(struct vm *vm, u64 address, u32 data);
/* Process context; del waits until @n is not running anywhere (it may sleep). */
int irqchip_add_ack_notifier(struct vm *vm, struct irq_ack_notifier *n);
void irqchip_del_ack_notifier(struct vm *vm, struct irq_ack_notifier *n);

/*
 * ioctls.  @arg was copied in, and is copied out where KVM's ioctl says so.
 * All give -ENXIO without in-kernel irqchip; no lock is needed unless said.
 */
/* KVM_IRQ_LINE and KVM_IRQ_LINE_STATUS (fills @arg->status). */
int irqchip_ioctl_irq_line(struct vm *vm, struct kvm_irq_level *arg);
/* KVM_SIGNAL_MSI: > 0 delivered, 0 blocked by the guest, -EINVAL */
int irqchip_ioctl_signal_msi(struct vm *vm, struct kvm_msi *arg);
/* KVM_GET_IRQCHIP, KVM_SET_IRQCHIP: -EINVAL for an unknown chip or bad state */
int irqchip_ioctl_get_chip(struct vm *vm, struct kvm_irqchip *arg);
int irqchip_ioctl_set_chip(struct vm *vm, struct kvm_irqchip *arg);
/* KVM_CREATE_PIT2: vm->lock held.  -ENOENT without irqchip, -EEXIST, -EINVAL. */
int irqchip_ioctl_create_pit(struct vm *vm, struct kvm_pit_config *arg);
/* KVM_GET_PIT2, KVM_SET_PIT2: -ENXIO without PIT, -EINVAL */
int irqchip_ioctl_reinject(struct vm *vm, void __user *arg);
int irqchip_ioctl_get_pit(struct vm *vm, struct kvm_pit_state2 *arg);
int irqchip_ioctl_set_pit(struct vm *vm, struct kvm_pit_state2 *arg);
/* KVM_SET_GSI_ROUTING: @arg is struct kvm_irq_routing.  -EINVAL, -EFAULT, -ENOMEM. */
int irqchip_set_routing(struct vm *vm, void __user *arg);

/* The vCPU's side. */

/* Sets vcpu->apic; 0 and NULL when the VM has no irqchip.  After vcpu->vm, id and idx. */
int vlapic_create(struct vcpu *vcpu);
/* The vCPU does not run.  Fine without APIC. */
void vlapic_free(struct vcpu *vcpu);
/* State after power-on or INIT (which keeps the APIC base MSR).  Owner. */
void vlapic_reset(struct vcpu *vcpu, bool init);

/*
 * Is there an interrupt that the guest could take if IF and the shadow allow
 * it (LAPIC above PPR, or PIC through LVT0/virtual wire)?  Lock-free.
 */
bool vcpu_has_irq(struct vcpu *vcpu);
/* The same, without those that the CPU delivers by itself. */
bool vcpu_injects_irq(struct vcpu *vcpu);
/* Acknowledge the best one to inject and return its vector, or -1.  IRQs may be off. */
int vcpu_take_irq(struct vcpu *vcpu);
/* One to inject waits that only the TPR holds back: exit when cr8 is written. */
bool vlapic_tpr_blocks(struct vcpu *vcpu);

/* What vlapic_has_init_sipi() of lapic.h has seen, INIT first; a SIPI's vector or -1. */
bool vlapic_take_init(struct vcpu *vcpu);
int vlapic_take_sipi(struct vcpu *vcpu);
/*
 * KVM_MP_STATE_SIPI_RECEIVED and kvm_vcpu_events.sipi_vector: a SIPI waits (set
 * mp_state to KVM_MP_STATE_INIT_RECEIVED with it); where to.
 */
void vlapic_post_sipi(struct vcpu *vcpu);
void vlapic_set_sipi_vector(struct vcpu *vcpu, u8 vector);

/*
 * Timer expired since last asked: move it into the IRR and, when periodic, arm
 * it again.  Owner only; call when REQ_EVENT was taken, before vcpu_has_irq().
 */
void vlapic_timer_sync(struct vcpu *vcpu);
/* REQ_TSC was taken.  Owner. */
void vlapic_tsc_changed(struct vcpu *vcpu);

/*
 * MSR_IA32_APICBASE.  Without in-kernel APIC it is kept and checked all the same: the VMM,
 * whose APIC it moves, reads it in kvm_run and in struct kvm_sregs.
 */
u64 vlapic_get_base(struct vcpu *vcpu);
int vlapic_set_base(struct vcpu *vcpu, u64 base, bool by_vmm);	/* 0 or X86_FAULT */
/*
 * vcpu->st.cr8 is the task priority's upper half: a backend that lets the guest
 * write cr8 without an exit just stores it there.  set also raises REQ_EVENT.
 */
u64 vlapic_get_cr8(struct vcpu *vcpu);
void vlapic_set_cr8(struct vcpu *vcpu, u64 cr8);

/* xAPIC page; true when @gpa is this vCPU's APIC page and the access was made. */
bool vlapic_mmio(struct vcpu *vcpu, gpa_t gpa, unsigned int len, void *data, bool write);
/* x2APIC MSRs 0x800-0x8ff and MSR_IA32_TSC_DEADLINE; 0 or X86_FAULT. */
int vlapic_msr_read(struct vcpu *vcpu, u32 msr, u64 *val);
int vlapic_msr_write(struct vcpu *vcpu, u32 msr, u64 val);

/* KVM_GET_LAPIC, KVM_SET_LAPIC.  Owner.  -EINVAL without APIC or for bad state. */
int vlapic_ioctl_get(struct vcpu *vcpu, struct kvm_lapic_state *arg);
int vlapic_ioctl_set(struct vcpu *vcpu, struct kvm_lapic_state *arg);

#endif
