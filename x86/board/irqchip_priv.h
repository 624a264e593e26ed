/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The interrupt controllers of one VM, as their own files see each other.
 *
 * Locks: pic.lock and ioapic.lock are leaves, taken with interrupts off, and
 * never held while another controller, a vCPU or an acknowledge notifier is
 * called; pit.lock is a mutex; lock is for changes of routing and notifiers.
 */
#ifndef DITTO_BOARD_IRQCHIP_PRIV_H
#define DITTO_BOARD_IRQCHIP_PRIV_H

#include <linux/kvm.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>

#include "x86/board/ioapic.h"
#include "x86/board/irqchip.h"
#include "x86/board/lapic_priv.h"
#include "x86/board/pic.h"

struct irq_routing;
struct vpit;

/**
 * struct irqchip - all of it
 * @vm: constant
 * @split: there are only local APICs and messages; PIC, IOAPIC and PIT are the VMM's; constant
 * @user_gsis: @split: GSIs below it stand for pins of the VMM's IOAPICs; constant
 * @lock: changes of @routing and @notifiers
 * @map: which APICs a message addresses
 * @pic: their own locks
 * @ioapic: likewise
 * @pit: or NULL; set once under vm->lock
 * @routing: GSIs to pins and messages; RCU
 * @notifiers: struct irq_ack_notifier; RCU
 * @acked_gsis: GSIs that have, or had, one; bits are only ever set, under @lock
 * @rcu: frees it
 */
struct irqchip {
	struct vm *vm;
	bool split;
	u32 user_gsis;
	struct mutex lock;
	struct apic_map map;
	struct vpic pic;
	struct vioapic ioapic;
	struct vpit *pit;
	struct irq_routing __rcu *routing;
	struct hlist_head notifiers;
	DECLARE_BITMAP(acked_gsis, IRQCHIP_MAX_ROUTES);
	struct rcu_head rcu;
};

/* irqchip.c */
u64 irqchip_min_period_ns(void);
int irqchip_create_copy(struct vm *vm, struct irqchip *like);
void irqchip_notify_ack(struct irqchip *chip, unsigned int chip_id, unsigned int pin);
bool irqchip_wants_ack(struct irqchip *chip, unsigned int chip_id, unsigned int pin);

/* routing.c */
bool irqchip_user_wants_end(const struct irqchip *chip, u8 vector);

/* Bookkeeping of a line that several sources drive; returns the line's level. */
static inline bool irq_line_update(u8 *sources, enum irq_source source, bool level)
{
	if (level)
		*sources |= BIT(source);
	else
		*sources &= ~BIT(source);
	return *sources;
}

/* Is the end of @vector to be told to vioapic_eoi(), even if it was edge-triggered? */
static inline bool vioapic_wants_edge(const struct irqchip *chip, u8 vector)
{
	return test_bit(vector, chip->ioapic.edge_ends);
}

#endif
