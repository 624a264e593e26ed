/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The 82093AA.
 */
#ifndef DITTO_BOARD_IOAPIC_H
#define DITTO_BOARD_IOAPIC_H

#include <linux/kvm.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#include "x86/board/iobus.h"
#include "x86/board/irqchip.h"
#include "x86/board/lapic.h"
#include "x86/board/lapic_look.h"

struct irqchip;

/**
 * struct vioapic - the 82093AA
 * @lock: everything below
 * @regs: registers; regs.irr has a bit per line that is high
 * @sources: by pin, a bit per enum irq_source that holds the line high
 * @edge_ends: vectors of edge-triggered pins whose acknowledge somebody has asked for;
 *	bits are only ever set, under @lock, and read without it
 * @dev: the registers' page
 */
struct vioapic {
	raw_spinlock_t lock;
	struct kvm_ioapic_state regs;
	DECLARE_BITMAP(edge_ends, VLAPIC_VECTORS);
	u8 sources[KVM_IOAPIC_NUM_PINS];
	struct io_device dev;
};

void vioapic_init(struct irqchip *chip);
int vioapic_register(struct irqchip *chip);
void vioapic_unregister(struct irqchip *chip);
int vioapic_set_pin(struct irqchip *chip, unsigned int pin, enum irq_source source, bool level);
void vioapic_eoi(struct irqchip *chip, u8 vector);

void vioapic_get_state(struct irqchip *chip, struct kvm_ioapic_state *state);
int vioapic_set_state(struct irqchip *chip, const struct kvm_ioapic_state *state);

#endif
