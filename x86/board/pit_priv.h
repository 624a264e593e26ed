/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The 8254's counting, apart from its timer and its ports.
 */
#ifndef DITTO_X86_PIT_H
#define DITTO_X86_PIT_H

#include <linux/kvm.h>
#include <linux/types.h>

struct irqchip;
struct vpit;
struct vpit_channel;

void vpit_init(struct vpit *pit, struct irqchip *chip);
u64 vpit_ns(u64 ticks);
u32 vpit_count(const struct kvm_pit_channel_state *st, u64 ticks);
bool vpit_out(const struct vpit_channel *ch, u64 ticks);
void vpit_set_gate(struct vpit_channel *ch, bool gate);

#endif
