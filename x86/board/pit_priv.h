/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The 8254, and its counting, apart from its timer and its ports.
 */
#ifndef DITTO_BOARD_PIT_PRIV_H
#define DITTO_BOARD_PIT_PRIV_H

#include <linux/hrtimer.h>
#include <linux/kvm.h>
#include <linux/mutex.h>
#include <linux/types.h>

#include "x86/board/iobus.h"
#include "x86/board/irqchip.h"

struct irqchip;

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
 * @stopped: @timer is to run, from where it is, when the machine goes on
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
	bool stopped;
};

void vpit_free(struct vpit *pit);
void vpit_init(struct vpit *pit, struct irqchip *chip);
u64 vpit_ns(u64 ticks);
u32 vpit_count(const struct kvm_pit_channel_state *st, u64 ticks);
bool vpit_out(const struct vpit_channel *ch, u64 ticks);
void vpit_set_gate(struct vpit_channel *ch, bool gate);

#endif
