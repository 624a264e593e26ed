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
	err = irqchip_create_copy(to, chip);
	if (err || !chip->pit)
		return err;
	if (chip->pit->has_speaker)
		pit.flags = KVM_PIT_SPEAKER_DUMMY;
	return irqchip_ioctl_create_pit(to, &pit);
}

/* The rest of it follows from the routes. */
static bool routing_same(const struct irq_routing *a, const struct irq_routing *b)
{
	return a->nr == b->nr && !memcmp(a->route, b->route, array_size(a->nr, sizeof(*a->route)));
}

static bool copy_has_routing(struct irqchip *to, struct irqchip *from)
{
	bool same;

	rcu_read_lock();
	same = routing_same(rcu_dereference(to->routing), rcu_dereference(from->routing));
	rcu_read_unlock();
	return same;
}

static int copy_routing(struct irqchip *to, struct irqchip *from)
{
	struct irq_routing *old, *new = irqchip_copy_routing(from);

	if (IS_ERR(new))
		return PTR_ERR(new);
	mutex_lock(&to->lock);
	old = rcu_replace_pointer(to->routing, new, lockdep_is_held(&to->lock));
	mutex_unlock(&to->lock);
	kvfree_rcu(old, rcu);
	return 0;
}

/* @live is the one of the two whose lines others may drive meanwhile. */
static void copy_pic(struct irqchip *to, struct irqchip *from, struct irqchip *live)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&live->pic.lock, flags);
	memcpy(to->pic.chip, from->pic.chip, sizeof(to->pic.chip));
	memcpy(to->pic.sources, from->pic.sources, sizeof(to->pic.sources));
	to->pic.output = from->pic.output;
	raw_spin_unlock_irqrestore(&live->pic.lock, flags);
}

static void copy_ioapic(struct irqchip *to, struct irqchip *from, struct irqchip *live)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&live->ioapic.lock, flags);
	to->ioapic.regs = from->ioapic.regs;
	memcpy(to->ioapic.sources, from->ioapic.sources, sizeof(to->ioapic.sources));
	bitmap_copy(to->ioapic.edge_ends, from->ioapic.edge_ends, VLAPIC_VECTORS);
	raw_spin_unlock_irqrestore(&live->ioapic.lock, flags);
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

/* pit->lock held, and it is stopped. */
static void pit_move(struct vpit *pit, u64 ns)
{
	unsigned int nr;

	for (nr = 0; nr < ARRAY_SIZE(pit->channel); nr++)
		pit->channel[nr].st.count_load_time += ns;
	hrtimer_set_expires(&pit->timer, ktime_add_ns(hrtimer_get_expires(&pit->timer), ns));
}

/**
 * irqchip_move() - a VM's PIT counts from where it stood still
 * @vm: its PIT is stopped
 * @ns: for how long it did
 */
void irqchip_move(struct vm *vm, u64 ns)
{
	struct vpit *pit = vm->irqchip ? vm->irqchip->pit : NULL;

	if (!pit)
		return;
	mutex_lock(&pit->lock);
	pit_move(pit, ns);
	mutex_unlock(&pit->lock);
}

static void copy_chips(struct irqchip *to, struct irqchip *from, struct irqchip *live)
{
	copy_pic(to, from, live);
	copy_ioapic(to, from, live);
	leave_sources(to);
}

/* The PITs of both are stopped; that of @to counts after irqchip_resume(). */
static void copy_with_pit(struct irqchip *to, struct irqchip *from, struct irqchip *live,
			  u64 gone_ns)
{
	mutex_lock(&from->pit->lock);
	mutex_lock_nested(&to->pit->lock, SINGLE_DEPTH_NESTING);
	pit_stop(from->pit);
	pit_stop(to->pit);
	copy_chips(to, from, live);
	copy_pit(to->pit, from->pit);
	pit_move(to->pit, gone_ns);
	if (!from->vm->frozen)
		pit_go_on(from->pit);
	mutex_unlock(&to->pit->lock);
	mutex_unlock(&from->pit->lock);
}

static int copy_all(struct vm *to, struct vm *from, struct vm *live, u64 gone_ns)
{
	struct irqchip *src = from->irqchip, *dst = to->irqchip;
	int err;

	if (!src)
		return 0;
	err = copy_has_routing(dst, src) ? 0 : copy_routing(dst, src);
	if (err || src->split)
		return err;
	if (src->pit)
		copy_with_pit(dst, src, live->irqchip, gone_ns);
	else
		copy_chips(dst, src, live->irqchip);
	return 0;
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
	return copy_all(to, from, from, gone_ns);
}

/**
 * irqchip_fits() - can a VM's controllers go back to another one's state?
 * @vm: its vm->lock is held
 * @base: of which it is a copy
 *
 * Return: false when the VMM has added a PIT since, or, where there are no vCPUs, controllers.
 */
bool irqchip_fits(const struct vm *vm, const struct vm *base)
{
	if (!vm->irqchip || !base->irqchip)
		return !vm->irqchip == !base->irqchip;
	return !vm->irqchip->pit == !base->irqchip->pit;
}

/**
 * irqchip_reset() - a VM's controllers go back to another one's state
 * @vm: its vm->lock is held, and its vCPUs are owned; irqchip_fits()
 * @base: that nobody sees
 * @gone_ns: for how long the time of @base stood still
 *
 * What irqfds of @vm hold high is low. Before vlapic_revert() of the vCPUs. irqchip_resume() has
 * the PIT count.
 *
 * Return: 0, or -ENOMEM, nothing changed.
 */
int irqchip_reset(struct vm *vm, struct vm *base, u64 gone_ns)
{
	return copy_all(vm, base, vm, gone_ns);
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
