/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The interrupt controllers of one VM, as their own files see each other.
 *
 * Locks: pic.lock and ioapic.lock are leaves, taken with interrupts off, and
 * never held while another controller, a vCPU or an acknowledge notifier is
 * called; pit.lock is a mutex; lock is for changes of routing and notifiers.
 */
#ifndef DITTO_X86_IRQCHIP_IMPL_H
#define DITTO_X86_IRQCHIP_IMPL_H

#include <linux/hrtimer.h>
#include <linux/kvm.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/spinlock.h>

#include "x86/board/iobus.h"
#include "x86/board/irqchip.h"
#include "x86/board/lapic.h"

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

/**
 * struct vpit_channel - one counter of the 8254
 * @st: in KVM's terms; count_load_time is CLOCK_MONOTONIC ns
 * @paused: the gate stopped it
 * @elapsed: ticks counted when it was paused
 */
struct vpit_channel {
	struct kvm_pit_channel_state st;
	bool paused;
	u64 elapsed;
};

/**
 * struct vpit - the 8254
 * @chip: constant
 * @lock: everything below
 * @channel: counters
 * @flags: KVM_PIT_FLAGS_*
 * @timer: of channel 0
 * @period: ns, 0 when @timer fires once; set while @timer is not running
 * @reinject: ticks that come too late are owed to the guest; also read without the lock
 * @owed: how many; any context
 * @ack: tells of the end of counter 0's interrupts
 * @dev: ports 0x40 and 0x61
 * @speaker: likewise
 * @has_speaker: @speaker is registered; constant
 */
struct vpit {
	struct irqchip *chip;
	struct mutex lock;
	struct vpit_channel channel[3];
	u32 flags;
	struct hrtimer timer;
	u64 period;
	bool reinject;
	atomic_t owed;
	struct irq_ack_notifier ack;
	struct io_device dev, speaker;
	bool has_speaker;
};

struct irq_routing;

/**
 * struct irqchip - all of it
 * @vm: constant
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
void irqchip_notify_ack(struct irqchip *chip, unsigned int chip_id, unsigned int pin);
bool irqchip_wants_ack(struct irqchip *chip, unsigned int chip_id, unsigned int pin);

/* Bookkeeping of a line that several sources drive; returns the line's level. */
static inline bool irq_line_update(u8 *sources, enum irq_source source, bool level)
{
	if (level)
		*sources |= BIT(source);
	else
		*sources &= ~BIT(source);
	return *sources;
}

/* pic.c */
void vpic_init(struct irqchip *chip);
int vpic_register(struct irqchip *chip);
void vpic_unregister(struct irqchip *chip);
int vpic_set_pin(struct irqchip *chip, unsigned int pin, enum irq_source source, bool level);
int vpic_intack(struct irqchip *chip);
void vpic_get_state(struct irqchip *chip, unsigned int which, struct kvm_pic_state *state);
int vpic_set_state(struct irqchip *chip, unsigned int which, const struct kvm_pic_state *state);

/* ioapic.c */
void vioapic_init(struct irqchip *chip);
int vioapic_register(struct irqchip *chip);
void vioapic_unregister(struct irqchip *chip);
int vioapic_set_pin(struct irqchip *chip, unsigned int pin, enum irq_source source, bool level);
void vioapic_eoi(struct irqchip *chip, u8 vector);

/* Is the end of @vector to be told to vioapic_eoi(), even if it was edge-triggered? */
static inline bool vioapic_wants_edge(const struct irqchip *chip, u8 vector)
{
	return test_bit(vector, chip->ioapic.edge_ends);
}

void vioapic_get_state(struct irqchip *chip, struct kvm_ioapic_state *state);
int vioapic_set_state(struct irqchip *chip, const struct kvm_ioapic_state *state);

/* pit.c */
void vpit_free(struct vpit *pit);

#endif
