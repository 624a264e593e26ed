// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VM's interrupt controllers as a whole: creation, acknowledge notifiers and the
 * ioctls that concern more than one chip.  What a GSI is routed to is in routing.c.
 *
 * Raising an interrupt runs in any context, so everything it needs (the
 * irqchip, the routes, the notifiers) is read under RCU.
 */
#include <linux/bits.h>
#include <linux/module.h>
#include <linux/rculist.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "x86/board/irqchip_priv.h"
#include "x86/board/pit_priv.h"
#include "x86/board/routing.h"
#include "x86/machine/vm.h"

static unsigned int min_timer_period_us = 200;
module_param(min_timer_period_us, uint, 0644);
MODULE_PARM_DESC(min_timer_period_us, "shortest period of a guest's periodic timers");

/**
 * irqchip_min_period_ns() - how often at most a periodic timer fires
 *
 * Keeps a guest from flooding its host with timer interrupts.
 *
 * Return: the shortest period, in nanoseconds.
 */
u64 irqchip_min_period_ns(void)
{
	return max(READ_ONCE(min_timer_period_us), 1u) * (u64)NSEC_PER_USEC;
}

/**
 * irqchip_notify_ack() - the guest has acknowledged a pin's interrupt
 * @chip: the VM's controllers; none of their locks held
 * @chip_id: KVM_IRQCHIP_*
 * @pin: of that chip
 *
 * Interrupts may be off.
 */
void irqchip_notify_ack(struct irqchip *chip, unsigned int chip_id, unsigned int pin)
{
	struct irq_ack_notifier *n;
	int gsi;

	if (hlist_empty(&chip->notifiers))
		return;
	rcu_read_lock();
	gsi = irq_routing_gsi(chip, chip_id, pin);
	hlist_for_each_entry_rcu(n, &chip->notifiers, link)
		if (gsi >= 0 && n->gsi == gsi)
			n->acked(n);
	rcu_read_unlock();
}

/**
 * irqchip_wants_ack() - may somebody wait for the acknowledge of a pin's interrupt?
 * @chip: the VM's controllers
 * @chip_id: KVM_IRQCHIP_*
 * @pin: of that chip
 *
 * Any context.
 *
 * Return: false when nobody does.
 */
bool irqchip_wants_ack(struct irqchip *chip, unsigned int chip_id, unsigned int pin)
{
	int gsi;

	rcu_read_lock();
	gsi = irq_routing_gsi(chip, chip_id, pin);
	rcu_read_unlock();
	return gsi >= 0 && test_bit(gsi, chip->acked_gsis);
}

/**
 * irqchip_add_ack_notifier() - call a function at each acknowledge of a GSI
 * @vm: any
 * @n: gsi and acked are set
 *
 * Takes irqchip.lock.
 *
 * Return: 0, or -ENXIO without irqchip.
 */
int irqchip_add_ack_notifier(struct vm *vm, struct irq_ack_notifier *n)
{
	struct irqchip *chip = READ_ONCE(vm->irqchip);

	if (!chip)
		return -ENXIO;
	mutex_lock(&chip->lock);
	if (n->gsi < IRQCHIP_MAX_ROUTES)
		set_bit(n->gsi, chip->acked_gsis);
	hlist_add_head_rcu(&n->link, &chip->notifiers);
	mutex_unlock(&chip->lock);
	return 0;
}

/**
 * irqchip_del_ack_notifier() - undo irqchip_add_ack_notifier()
 * @vm: any; its irqchip may be gone already
 * @n: registered
 *
 * Takes irqchip.lock; sleeps until @n is not in use.
 */
void irqchip_del_ack_notifier(struct vm *vm, struct irq_ack_notifier *n)
{
	struct irqchip *chip = READ_ONCE(vm->irqchip);

	if (!chip)
		return;
	mutex_lock(&chip->lock);
	hlist_del_rcu(&n->link);
	mutex_unlock(&chip->lock);
	synchronize_rcu();
}

/**
 * irqchip_ioctl_irq_line() - KVM_IRQ_LINE and KVM_IRQ_LINE_STATUS
 * @vm: any
 * @arg: line and level; status is filled in as irqchip_set_irq() returns
 *
 * Return: 0, or -ENXIO without irqchip.
 */
int irqchip_ioctl_irq_line(struct vm *vm, struct kvm_irq_level *arg)
{
	if (!READ_ONCE(vm->irqchip))
		return -ENXIO;
	arg->status = irqchip_set_irq(vm, IRQ_SOURCE_USER, arg->irq, arg->level);
	return 0;
}

/**
 * irqchip_ioctl_signal_msi() - KVM_SIGNAL_MSI
 * @vm: any
 * @arg: the message; KVM_MSI_VALID_DEVID is accepted and means nothing, as in routes
 *
 * Return: > 0 when delivered, 0 when the guest blocked it; -EINVAL, also without irqchip.
 */
int irqchip_ioctl_signal_msi(struct vm *vm, struct kvm_msi *arg)
{
	u64 address = arg->address_lo | (u64)arg->address_hi << 32;

	if (!READ_ONCE(vm->irqchip) || (arg->flags & ~KVM_MSI_VALID_DEVID))
		return -EINVAL;
	if (READ_ONCE(vm->enabled.x2apic_ids) && (arg->address_hi & 0xff))
		return -EINVAL;
	return max(irqchip_send_msi(vm, address, arg->data), 0);
}

/**
 * irqchip_ioctl_get_chip() - KVM_GET_IRQCHIP
 * @vm: any
 * @arg: chip_id is input
 *
 * Takes the chip's spinlock.
 *
 * Return: 0, -ENXIO or -EINVAL.
 */
int irqchip_ioctl_get_chip(struct vm *vm, struct kvm_irqchip *arg)
{
	struct irqchip *chip = READ_ONCE(vm->irqchip);

	if (!chip || chip->split)
		return -ENXIO;
	memset(&arg->chip, 0, sizeof(arg->chip));
	switch (arg->chip_id) {
	case KVM_IRQCHIP_PIC_MASTER:
		vpic_get_state(chip, 0, &arg->chip.pic);
		return 0;
	case KVM_IRQCHIP_PIC_SLAVE:
		vpic_get_state(chip, 1, &arg->chip.pic);
		return 0;
	case KVM_IRQCHIP_IOAPIC:
		vioapic_get_state(chip, &arg->chip.ioapic);
		return 0;
	default:
		return -EINVAL;
	}
}

/**
 * irqchip_ioctl_set_chip() - KVM_SET_IRQCHIP
 * @vm: any
 * @arg: which chip, and its state
 *
 * Takes the chip's spinlock.
 *
 * Return: 0, -ENXIO or -EINVAL.
 */
int irqchip_ioctl_set_chip(struct vm *vm, struct kvm_irqchip *arg)
{
	struct irqchip *chip = READ_ONCE(vm->irqchip);

	if (!chip || chip->split)
		return -ENXIO;
	switch (arg->chip_id) {
	case KVM_IRQCHIP_PIC_MASTER:
		return vpic_set_state(chip, 0, &arg->chip.pic);
	case KVM_IRQCHIP_PIC_SLAVE:
		return vpic_set_state(chip, 1, &arg->chip.pic);
	case KVM_IRQCHIP_IOAPIC:
		return vioapic_set_state(chip, &arg->chip.ioapic);
	default:
		return -EINVAL;
	}
}

static int register_chips(struct irqchip *chip)
{
	int err = chip->split ? 0 : vpic_register(chip);

	if (err || chip->split)
		return err;
	err = vioapic_register(chip);
	if (err)
		vpic_unregister(chip);
	return err;
}

/* That of the controllers @like, if there are such, or what a VM begins with. */
static struct irq_routing *chip_routing(struct irqchip *chip, struct irqchip *like)
{
	if (like)
		return irqchip_copy_routing(like);
	return chip->split ? irqchip_build_routing(chip, NULL, 0) : irqchip_default_routing(chip);
}

static struct irqchip *chip_alloc(struct vm *vm, bool split, u32 user_gsis, struct irqchip *like)
{
	struct irqchip *chip = kvzalloc(sizeof(*chip), GFP_KERNEL_ACCOUNT);
	struct irq_routing *routing;

	if (!chip)
		return ERR_PTR(-ENOMEM);
	chip->vm = vm;
	chip->split = split;
	chip->user_gsis = user_gsis;
	routing = chip_routing(chip, like);
	if (IS_ERR(routing)) {
		kvfree(chip);
		return ERR_CAST(routing);
	}
	mutex_init(&chip->lock);
	vpic_init(chip);
	vioapic_init(chip);
	RCU_INIT_POINTER(chip->routing, routing);
	return chip;
}

static void chip_free(struct irqchip *chip)
{
	kvfree(rcu_dereference_protected(chip->routing, 1));
	apicmap_free(chip);
	kvfree(chip);
}

static int chip_create(struct vm *vm, bool split, u32 user_gsis, struct irqchip *like)
{
	struct irqchip *chip = chip_alloc(vm, split, user_gsis, like);
	int err;

	if (IS_ERR(chip))
		return PTR_ERR(chip);
	err = register_chips(chip);
	if (err) {
		chip_free(chip);
		return err;
	}
	smp_store_release(&vm->irqchip, chip);
	return 0;
}

/**
 * irqchip_create() - KVM_CREATE_IRQCHIP
 * @vm: vm->lock held
 *
 * Return: 0, -EEXIST, -EINVAL when there are vCPUs already, -ENOMEM, -ENOSPC.
 */
int irqchip_create(struct vm *vm)
{
	if (vm->irqchip)
		return -EEXIST;
	if (vm->nr_vcpus)
		return -EINVAL;
	return chip_create(vm, false, 0, NULL);
}

/**
 * irqchip_create_split() - KVM_CAP_SPLIT_IRQCHIP is enabled
 * @vm: vm->lock held
 * @user_gsis: that many GSIs, from 0 on, are pins of the VMM's IOAPICs: it routes them, and is told
 *	when one of their interrupts ends
 *
 * Return: 0, -EINVAL for more GSIs than there can be, -EEXIST when there are controllers or
 * vCPUs already, -ENOMEM.
 */
int irqchip_create_split(struct vm *vm, u64 user_gsis)
{
	if (user_gsis > IRQCHIP_MAX_ROUTES)
		return -EINVAL;
	if (vm->irqchip || vm->nr_vcpus)
		return -EEXIST;
	return chip_create(vm, true, user_gsis, NULL);
}

/**
 * irqchip_create_copy() - the same controllers and routes as another VM's, as after power-on
 * @vm: nobody sees it yet
 * @like: the other VM's
 *
 * Return: 0, -ENOMEM, -ENOSPC.
 */
int irqchip_create_copy(struct vm *vm, struct irqchip *like)
{
	return chip_create(vm, like->split, like->user_gsis, like);
}

/**
 * irqchip_is_split() - are PIC and IOAPIC the VMM's, and only the local APICs the kernel's?
 * @vm: any
 *
 * Return: whether they are.
 */
bool irqchip_is_split(const struct vm *vm)
{
	const struct irqchip *chip = READ_ONCE(vm->irqchip);

	return chip && chip->split;
}

/**
 * irqchip_destroy() - end a VM's interrupt controllers
 * @vm: no vCPU runs, no ioctl is in flight
 *
 * Waits for irqfds that may be raising interrupts, unless they are gone.
 *
 * Does nothing without them.
 */
void irqchip_destroy(struct vm *vm)
{
	struct irqchip *chip = vm->irqchip;

	if (!chip)
		return;
	vpit_free(chip->pit);
	if (!chip->split) {
		vioapic_unregister(chip);
		vpic_unregister(chip);
	}
	WRITE_ONCE(vm->irqchip, NULL);
	if (vm->irqfds)
		synchronize_rcu();
	chip_free(chip);
}
