// SPDX-License-Identifier: GPL-2.0-only
/*
 * The interrupt controllers and the PIT of a machine that is copied; local APICs are
 * lapic_state.c's.
 *
 * The vCPUs stand still, but the PIT's timer, irqfds and the VMM may drive lines at any
 * moment. The timer is stopped while the chips are copied: a tick is either in both machines'
 * chips or still to come in both. For the others the chips come before the local APICs: what
 * an IOAPIC has sent is in the APIC that is copied later, so no pin of the copy waits for the
 * end of an interrupt that never came.
 *
 * irqfds are not copied, and neither is the level at which they hold lines.
 */
#include <linux/hrtimer.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "x86/board/irqchip_priv.h"
#include "x86/board/pit.h"
#include "x86/board/pit_priv.h"
#include "x86/board/routing.h"
#include "x86/machine/vm.h"

/* Those that drive lines of the original, and not of the copy. */
static const enum irq_source copy_leaves[] = { IRQ_SOURCE_IRQFD, IRQ_SOURCE_RESAMPLE };

/**
 * irqchip_create_like() - the same controllers as another VM's, as after power-on
 * @to: nobody sees it yet
 * @from: its vm->lock held
 *
 * Return: 0, or as irqchip_create().
 */
int irqchip_create_like(struct vm *to, struct vm *from)
{
	struct irqchip *chip = from->irqchip;
	struct kvm_pit_config pit = {};
	int err;

	if (!chip)
		return 0;
	err = chip->split ? irqchip_create_split(to, chip->user_gsis) : irqchip_create(to);
	if (err || !chip->pit)
		return err;
	if (chip->pit->has_speaker)
		pit.flags = KVM_PIT_SPEAKER_DUMMY;
	return irqchip_ioctl_create_pit(to, &pit);
}

static int copy_routing(struct irqchip *to, struct irqchip *from)
{
	struct irq_routing *old, *new;
	size_t size;

	mutex_lock(&from->lock);
	old = rcu_dereference_protected(from->routing, lockdep_is_held(&from->lock));
	size = struct_size(old, route, old->nr);
	new = kvmalloc(size, GFP_KERNEL_ACCOUNT);
	if (new)
		memcpy(new, old, size);
	mutex_unlock(&from->lock);
	if (!new)
		return -ENOMEM;
	kvfree(rcu_replace_pointer(to->routing, new, true));
	return 0;
}

static void copy_pic(struct irqchip *to, struct irqchip *from)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&from->pic.lock, flags);
	memcpy(to->pic.chip, from->pic.chip, sizeof(to->pic.chip));
	memcpy(to->pic.sources, from->pic.sources, sizeof(to->pic.sources));
	to->pic.output = from->pic.output;
	raw_spin_unlock_irqrestore(&from->pic.lock, flags);
}

static void copy_ioapic(struct irqchip *to, struct irqchip *from)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&from->ioapic.lock, flags);
	to->ioapic.regs = from->ioapic.regs;
	memcpy(to->ioapic.sources, from->ioapic.sources, sizeof(to->ioapic.sources));
	bitmap_copy(to->ioapic.edge_ends, from->ioapic.edge_ends, VLAPIC_VECTORS);
	raw_spin_unlock_irqrestore(&from->ioapic.lock, flags);
}

/* The lines that only an irqfd of the original holds high are low. */
static void leave_sources(struct irqchip *chip)
{
	unsigned int i, pin;

	for (i = 0; i < ARRAY_SIZE(copy_leaves); i++) {
		for (pin = 0; pin < VPIC_PINS; pin++)
			if (chip->pic.sources[pin] & BIT(copy_leaves[i]))
				vpic_set_pin(chip, pin, copy_leaves[i], false);
		for (pin = 0; pin < KVM_IOAPIC_NUM_PINS; pin++)
			if (chip->ioapic.sources[pin] & BIT(copy_leaves[i]))
				vioapic_set_pin(chip, pin, copy_leaves[i], false);
	}
}

/* pit->lock held. From here on nothing drives its line. */
static void pit_stop(struct vpit *pit)
{
	pit->stopped |= hrtimer_cancel(&pit->timer);
}

/* pit->lock held. */
static void pit_go_on(struct vpit *pit)
{
	if (!pit->stopped)
		return;
	pit->stopped = false;
	hrtimer_start_expires(&pit->timer, HRTIMER_MODE_ABS_SOFT);
}

/* The lock of @from is held, and it is stopped. */
static void copy_pit(struct vpit *to, struct vpit *from)
{
	memcpy(to->channel, from->channel, sizeof(to->channel));
	to->flags = from->flags;
	to->period = from->period;
	to->reinject = from->reinject;
	atomic_set(&to->owed, atomic_read(&from->owed));
	to->stopped = from->stopped;
	hrtimer_set_expires(&to->timer, hrtimer_get_expires(&from->timer));
}

/**
 * irqchip_move() - a VM's PIT counts from where it stood still
 * @vm: nobody sees it yet, or its PIT is stopped
 * @ns: for how long it did
 */
void irqchip_move(struct vm *vm, u64 ns)
{
	struct vpit *pit = vm->irqchip ? vm->irqchip->pit : NULL;
	unsigned int nr;

	if (!pit)
		return;
	mutex_lock_nested(&pit->lock, SINGLE_DEPTH_NESTING);
	for (nr = 0; nr < ARRAY_SIZE(pit->channel); nr++)
		pit->channel[nr].st.count_load_time += ns;
	hrtimer_set_expires(&pit->timer, ktime_add_ns(hrtimer_get_expires(&pit->timer), ns));
	mutex_unlock(&pit->lock);
}

static void copy_chips(struct irqchip *to, struct irqchip *from)
{
	copy_pic(to, from);
	copy_ioapic(to, from);
	leave_sources(to);
}

/**
 * irqchip_copy() - give a VM the state of another one's controllers
 * @to: after irqchip_create_like(); nobody sees it yet
 * @from: its vm->lock is held, and its vCPUs are owned
 * @gone_ns: for how long its time stood still
 *
 * Before vlapic_copy() of the vCPUs. irqchip_resume() has the PIT of @to count.
 *
 * Return: 0 or -ENOMEM.
 */
int irqchip_copy(struct vm *to, struct vm *from, u64 gone_ns)
{
	struct irqchip *src = from->irqchip, *dst = to->irqchip;
	int err;

	if (!src)
		return 0;
	err = copy_routing(dst, src);
	if (err || src->split)
		return err;
	if (!src->pit) {
		copy_chips(dst, src);
		return 0;
	}
	mutex_lock(&src->pit->lock);
	pit_stop(src->pit);
	copy_chips(dst, src);
	copy_pit(dst->pit, src->pit);
	irqchip_move(to, gone_ns);
	if (!from->frozen)
		pit_go_on(src->pit);
	mutex_unlock(&src->pit->lock);
	return 0;
}

/**
 * irqchip_resume() - the machine goes on: have its PIT count
 * @vm: after irqchip_copy()
 */
void irqchip_resume(struct vm *vm)
{
	struct vpit *pit = vm->irqchip ? vm->irqchip->pit : NULL;

	if (!pit)
		return;
	mutex_lock(&pit->lock);
	pit_go_on(pit);
	mutex_unlock(&pit->lock);
}
