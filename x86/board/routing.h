/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * GSI routing, as the interrupt controllers' own files see it.
 */
#ifndef DITTO_BOARD_ROUTING_H
#define DITTO_BOARD_ROUTING_H

#include <linux/kvm.h>
#include <linux/rcupdate.h>
#include <linux/types.h>

#include "compat.h"
#include "x86/board/irqchip_priv.h"

struct apic_msg;

/**
 * struct irq_route - one destination of a GSI; constant
 * @gsi: whose
 * @is_msi: which arm is live
 * @chip: !is_msi: KVM_IRQCHIP_*
 * @pin: !is_msi: of @chip
 * @data: is_msi: the message
 * @address: is_msi: where it is written
 */
struct irq_route {
	u16 gsi;
	bool is_msi;
	union {
		struct {
			u8 chip, pin;
		};
		struct {
			u32 data;
			u64 address;
		};
	};
};

/**
 * struct irq_routing - all routes of a VM; constant once published
 * @rcu: frees it
 * @gsi_of: by chip and pin: a GSI that is routed there, or -1
 * @user_levels: level-triggered vectors of the VMM's IOAPICs: it is told of their ends
 * @nr: number of routes
 * @route: by GSI
 */
struct irq_routing {
	struct rcu_head rcu;
	s16 gsi_of[KVM_NR_IRQCHIPS][KVM_IOAPIC_NUM_PINS];
	DECLARE_BITMAP(user_levels, VLAPIC_VECTORS);
	u32 nr;
	struct irq_route route[] __counted_by(nr);
};

struct irq_routing *irqchip_build_routing(const struct irqchip *chip,
					  const struct kvm_irq_routing_entry *entries, u32 nr);
struct irq_routing *irqchip_default_routing(const struct irqchip *chip);
struct irq_routing *irqchip_copy_routing(struct irqchip *chip);
int irqchip_msi_decode(const struct vm *vm, u64 address, u32 data, struct apic_msg *msg);

/* A GSI that is routed to a chip's pin, or -1.  Under rcu_read_lock(). */
static inline int irq_routing_gsi(const struct irqchip *chip, unsigned int chip_id,
				  unsigned int pin)
{
	return rcu_dereference(chip->routing)->gsi_of[chip_id][pin];
}

#endif
