/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The interrupt controllers of a VM, as code outside of the board sees them.  The local APIC
 * has lapic.h.
 *
 * Raising an interrupt (irqchip_set_irq, irqchip_send_msi) works from any
 * context, hard interrupts included: delivery sets a bit in the target's IRR
 * and kicks it.  Everything the guest does to its own local APIC is done by the
 * vCPU's owner.
 *
 * Order of destruction that costs no grace periods: iobus_destroy() of both
 * buses, vm_irqfds_destroy(), irqchip_destroy(), then vlapic_free() of each
 * vCPU.  Any other order is safe too.
 */
#ifndef DITTO_BOARD_IRQCHIP_H
#define DITTO_BOARD_IRQCHIP_H

#include <linux/kvm.h>
#include <linux/kvm_types.h>
#include <linux/types.h>

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

int irqchip_create(struct vm *vm);
int irqchip_create_split(struct vm *vm, u64 user_gsis);
bool irqchip_is_split(const struct vm *vm);
void irqchip_destroy(struct vm *vm);

int irqchip_create_like(struct vm *to, struct vm *from);
int irqchip_copy(struct vm *to, struct vm *from, u64 gone_ns);
void irqchip_move(struct vm *vm, u64 ns);
bool irqchip_fits(const struct vm *vm, const struct vm *base);
int irqchip_reset(struct vm *vm, struct vm *base, u64 gone_ns);
void irqchip_resume(struct vm *vm);

int irqchip_set_irq(struct vm *vm, enum irq_source source, u32 gsi, bool level);
int irqchip_send_msi(struct vm *vm, u64 address, u32 data);
int irqchip_add_ack_notifier(struct vm *vm, struct irq_ack_notifier *n);
void irqchip_del_ack_notifier(struct vm *vm, struct irq_ack_notifier *n);

/* Ioctls (irqchip.c, routing.c). */
int irqchip_ioctl_irq_line(struct vm *vm, struct kvm_irq_level *arg);
int irqchip_ioctl_signal_msi(struct vm *vm, struct kvm_msi *arg);
int irqchip_ioctl_get_chip(struct vm *vm, struct kvm_irqchip *arg);
int irqchip_ioctl_set_chip(struct vm *vm, struct kvm_irqchip *arg);
int irqchip_set_routing(struct vm *vm, void __user *arg);

#endif
