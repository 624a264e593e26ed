/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The pair of 8259As.
 */
#ifndef DITTO_BOARD_PIC_H
#define DITTO_BOARD_PIC_H

#include <linux/kvm.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#include "x86/board/iobus.h"
#include "x86/board/irqchip.h"

struct irqchip;

#define VPIC_PINS	16

/**
 * struct vpic - the pair of 8259As, in KVM's terms
 * @lock: everything below
 * @chip: registers of master and slave
 * @sources: by pin, a bit per enum irq_source that holds the line high
 * @acked: pins acknowledged since @lock was taken
 * @output: the master's INT line; also read without the lock
 * @master: ports 0x20, 0xa0 and 0x4d0
 * @slave: likewise
 * @elcr: likewise
 */
struct vpic {
	raw_spinlock_t lock;
	struct kvm_pic_state chip[2];
	u8 sources[VPIC_PINS];
	u16 acked;
	bool output;
	struct io_device master, slave, elcr;
};

void vpic_init(struct irqchip *chip);
int vpic_register(struct irqchip *chip);
void vpic_unregister(struct irqchip *chip);
int vpic_set_pin(struct irqchip *chip, unsigned int pin, enum irq_source source, bool level);
int vpic_intack(struct irqchip *chip);
void vpic_get_state(struct irqchip *chip, unsigned int which, struct kvm_pic_state *state);
int vpic_set_state(struct irqchip *chip, unsigned int which, const struct kvm_pic_state *state);

#endif
