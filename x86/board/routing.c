// SPDX-License-Identifier: GPL-2.0-only
/*
 * GSI routing: which pins and messages a GSI drives, and driving it.
 *
 * Raising an interrupt runs in any context, so the routes are read under RCU, and a change
 * replaces all of them.
 */
#include <linux/bits.h>
#include <linux/overflow.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "compat.h"
#include "x86/board/irqchip_priv.h"
#include "x86/board/routing.h"
#include "x86/machine/vm.h"

#define MSI_LEVEL	BIT(15)	/* of the data */

static unsigned int chip_pins(u32 chip_id)
{
	switch (chip_id) {
	case KVM_IRQCHIP_PIC_MASTER:
	case KVM_IRQCHIP_PIC_SLAVE:
		return VPIC_PINS / 2;
	case KVM_IRQCHIP_IOAPIC:
		return KVM_IOAPIC_NUM_PINS;
	default:
		return 0;
	}
}

/* With 32-bit ids the upper half of the address has the upper 24 bits of one, and no more. */
static bool msi_is_valid(const struct vm *vm, u64 address)
{
	return !READ_ONCE(vm->enabled.x2apic_ids) || !(address >> 32 & 0xff);
}

static int parse_route(const struct irqchip *chip, const struct kvm_irq_routing_entry *entry,
		       struct irq_route *route)
{
	/* Who sent a message makes no difference on x86. */
	u32 flags = entry->type == KVM_IRQ_ROUTING_MSI ? KVM_MSI_VALID_DEVID : 0;

	if (entry->gsi >= IRQCHIP_MAX_ROUTES || (entry->flags & ~flags))
		return -EINVAL;
	route->gsi = entry->gsi;
	switch (entry->type) {
	case KVM_IRQ_ROUTING_IRQCHIP:
		if (chip->split || entry->u.irqchip.pin >= chip_pins(entry->u.irqchip.irqchip))
			return -EINVAL;
		route->chip = entry->u.irqchip.irqchip;
		route->pin = entry->u.irqchip.pin;
		return 0;
	case KVM_IRQ_ROUTING_MSI:
		route->is_msi = true;
		route->address = entry->u.msi.address_lo | (u64)entry->u.msi.address_hi << 32;
		route->data = entry->u.msi.data;
		return msi_is_valid(chip->vm, route->address) ? 0 : -EINVAL;
	default:
		return -EINVAL;
	}
}

/* By GSI, messages last: equal neighbours are then easy to see. */
static int compare_routes(const void *a, const void *b)
{
	const struct irq_route *l = a, *r = b;

	if (l->gsi != r->gsi)
		return l->gsi < r->gsi ? -1 : 1;
	if (l->is_msi != r->is_msi)
		return l->is_msi ? 1 : -1;
	return l->is_msi ? 0 : (int)l->chip - r->chip;
}

/* A GSI goes to one message, or to at most one pin of each chip. */
static bool routes_collide(const struct irq_route *l, const struct irq_route *r)
{
	return l->gsi == r->gsi && (l->is_msi || r->is_msi || l->chip == r->chip);
}

/* Of a pin of the VMM's IOAPICs that waits for the end of its interrupt. */
static bool route_has_end(const struct irqchip *chip, const struct irq_route *route)
{
	u32 mode = route->data & APIC_MODE_MASK;

	return route->gsi < chip->user_gsis && route->is_msi && (route->data & MSI_LEVEL) &&
	       (mode == APIC_DM_FIXED || mode == APIC_DM_LOWEST);
}

static int finish_routing(const struct irqchip *chip, struct irq_routing *routing)
{
	struct irq_route *route;
	u32 i;

	sort(routing->route, routing->nr, sizeof(*route), compare_routes, NULL);
	memset(routing->gsi_of, 0xff, sizeof(routing->gsi_of));
	for (i = 0; i < routing->nr; i++) {
		route = &routing->route[i];
		if (i && routes_collide(route - 1, route))
			return -EINVAL;
		if (!route->is_msi)
			routing->gsi_of[route->chip][route->pin] = route->gsi;
		else if (route_has_end(chip, route))
			__set_bit(route->data & APIC_VECTOR_MASK, routing->user_levels);
	}
	return 0;
}

/**
 * irqchip_build_routing() - check routes and make them ready for use
 * @chip: the VM's controllers
 * @entries: in KVM's form
 * @nr: their number
 *
 * Return: the routing, or ERR_PTR of -EINVAL or -ENOMEM.
 */
struct irq_routing *irqchip_build_routing(const struct irqchip *chip,
					  const struct kvm_irq_routing_entry *entries, u32 nr)
{
	struct irq_routing *routing;
	int err = 0;
	u32 i;

	if (nr > IRQCHIP_MAX_ROUTES)
		return ERR_PTR(-EINVAL);
	routing = kvzalloc(struct_size(routing, route, nr), GFP_KERNEL_ACCOUNT);
	if (!routing)
		return ERR_PTR(-ENOMEM);
	routing->nr = nr;
	for (i = 0; i < nr && !err; i++)
		err = parse_route(chip, &entries[i], &routing->route[i]);
	if (!err)
		err = finish_routing(chip, routing);
	if (!err)
		return routing;
	kvfree(routing);
	return ERR_PTR(err);
}

static struct kvm_irq_routing_entry pin_entry(u32 gsi, u32 chip, u32 pin)
{
	return (struct kvm_irq_routing_entry){
		.gsi = gsi,
		.type = KVM_IRQ_ROUTING_IRQCHIP,
		.u.irqchip = { .irqchip = chip, .pin = pin },
	};
}

/**
 * irqchip_default_routing() - the routes that a VM begins with
 * @chip: the VM's controllers
 *
 * As KVM's: GSIs 0-15 to the PIC and the IOAPIC, 16-23 to the IOAPIC.
 *
 * Return: as irqchip_build_routing().
 */
struct irq_routing *irqchip_default_routing(const struct irqchip *chip)
{
	struct kvm_irq_routing_entry *entries;
	struct irq_routing *routing;
	u32 gsi, nr = 0;

	entries = kcalloc(KVM_IOAPIC_NUM_PINS + VPIC_PINS, sizeof(*entries), GFP_KERNEL);
	if (!entries)
		return ERR_PTR(-ENOMEM);
	for (gsi = 0; gsi < KVM_IOAPIC_NUM_PINS; gsi++)
		entries[nr++] = pin_entry(gsi, KVM_IRQCHIP_IOAPIC, gsi);
	for (gsi = 0; gsi < VPIC_PINS; gsi++)
		entries[nr++] = pin_entry(gsi, gsi < 8 ? KVM_IRQCHIP_PIC_MASTER :
					  KVM_IRQCHIP_PIC_SLAVE, gsi % 8);
	routing = irqchip_build_routing(chip, entries, nr);
	kfree(entries);
	return routing;
}

/**
 * irqchip_copy_routing() - the routes that a VM has now
 * @chip: its controllers
 *
 * Return: a copy, for controllers that are alike; or ERR_PTR(-ENOMEM).
 */
struct irq_routing *irqchip_copy_routing(struct irqchip *chip)
{
	struct irq_routing *routing, *new;
	size_t size;

	mutex_lock(&chip->lock);
	routing = rcu_dereference_protected(chip->routing, lockdep_is_held(&chip->lock));
	size = struct_size(routing, route, routing->nr);
	new = kvmalloc(size, GFP_KERNEL_ACCOUNT);
	if (new)
		memcpy(new, routing, size);
	mutex_unlock(&chip->lock);
	return new ?: ERR_PTR(-ENOMEM);
}

static void publish_routing(struct irqchip *chip, struct irq_routing *routing)
{
	struct irq_routing *old;

	mutex_lock(&chip->lock);
	old = rcu_replace_pointer(chip->routing, routing, lockdep_is_held(&chip->lock));
	mutex_unlock(&chip->lock);
	if (old)
		kvfree_rcu(old, rcu);
}

/**
 * irqchip_set_routing() - KVM_SET_GSI_ROUTING
 * @vm: any
 * @arg: struct kvm_irq_routing
 *
 * Takes irqchip.lock. An interrupt that was being raised may still go by the old routes.
 *
 * Return: 0, -EINVAL, also without irqchip, -EFAULT, -ENOMEM.
 */
int irqchip_set_routing(struct vm *vm, void __user *arg)
{
	struct kvm_irq_routing __user *table = arg;
	struct irqchip *chip = READ_ONCE(vm->irqchip);
	struct kvm_irq_routing_entry *entries;
	struct irq_routing *routing;
	struct kvm_irq_routing head;

	if (copy_from_user(&head, table, sizeof(head)))
		return -EFAULT;
	if (!chip || head.flags || head.nr > IRQCHIP_MAX_ROUTES)
		return -EINVAL;
	entries = vmemdup_user(table->entries, array_size(head.nr, sizeof(*entries)));
	if (IS_ERR(entries))
		return PTR_ERR(entries);
	routing = irqchip_build_routing(chip, entries, head.nr);
	kvfree(entries);
	if (IS_ERR(routing))
		return PTR_ERR(routing);
	publish_routing(chip, routing);
	return 0;
}

/**
 * irqchip_msi_decode() - what a write to the APICs' address range means
 * @vm: which
 * @address: where
 * @data: what is written
 * @msg: out
 *
 * SDM 12.11.
 *
 * Return: 0, or -1 for a delivery mode that does not exist.
 */
int irqchip_msi_decode(const struct vm *vm, u64 address, u32 data, struct apic_msg *msg)
{
	u32 dest = address >> 12 & 0xff;

	if (READ_ONCE(vm->enabled.x2apic_ids))
		dest |= address >> 32 & ~0xffu;
	*msg = (struct apic_msg){
		.exclude = -1,
		.vector = data & 0xff,
		.mode = data & APIC_MODE_MASK,
		.logical = address & BIT(2),
		.level = data & MSI_LEVEL,
	};
	apic_msg_set_dest(vm, msg, dest);
	return msg->mode == APIC_DM_STARTUP || msg->mode == APIC_DM_REMRD ? -1 : 0;
}

static int send_msi(struct irqchip *chip, u64 address, u32 data)
{
	struct apic_msg msg;

	if (irqchip_msi_decode(chip->vm, address, data, &msg))
		return -1;
	return vlapic_send(chip, &msg);
}

/**
 * irqchip_send_msi() - deliver a message-signalled interrupt
 * @vm: any
 * @address: of the message; its upper half counts where KVM_X2APIC_API_USE_32BIT_IDS is
 *	enabled
 * @data: of the message
 *
 * Any context.
 *
 * Return: as irqchip_set_irq().
 */
int irqchip_send_msi(struct vm *vm, u64 address, u32 data)
{
	struct irqchip *chip;
	int ret = -1;

	rcu_read_lock();
	chip = READ_ONCE(vm->irqchip);
	if (chip)
		ret = send_msi(chip, address, data);
	rcu_read_unlock();
	return ret;
}

static int follow_route(struct irqchip *chip, const struct irq_route *route,
			enum irq_source source, bool level)
{
	if (route->is_msi)
		return level ? send_msi(chip, route->address, route->data) : -1;
	switch (route->chip) {
	case KVM_IRQCHIP_PIC_MASTER:
		return vpic_set_pin(chip, route->pin, source, level);
	case KVM_IRQCHIP_PIC_SLAVE:
		return vpic_set_pin(chip, route->pin + VPIC_PINS / 2, source, level);
	default:
		return vioapic_set_pin(chip, route->pin, source, level);
	}
}

/* The first route of @gsi, or where it would be. */
static u32 find_routes(const struct irq_routing *routing, u32 gsi)
{
	u32 low = 0, high = routing->nr;

	while (low < high) {
		u32 mid = (low + high) / 2;

		if (routing->route[mid].gsi < gsi)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static int set_irq(struct irqchip *chip, enum irq_source source, u32 gsi, bool level)
{
	const struct irq_routing *routing = rcu_dereference(chip->routing);
	int one, ret = -1;
	u32 i;

	for (i = find_routes(routing, gsi); i < routing->nr; i++) {
		if (routing->route[i].gsi != gsi)
			break;
		one = follow_route(chip, &routing->route[i], source, level);
		if (one >= 0)
			ret = max(ret, 0) + one;
	}
	return ret;
}

/**
 * irqchip_set_irq() - drive a GSI
 * @vm: any
 * @source: who drives it
 * @gsi: which
 * @level: how; a message is sent for a high level
 *
 * Any context; takes the chips' spinlocks.
 *
 * Return: how many CPUs got an interrupt, 0 when it merged with one that waits, -1 when it
 * was masked, not routed, or nobody was there.
 */
int irqchip_set_irq(struct vm *vm, enum irq_source source, u32 gsi, bool level)
{
	struct irqchip *chip;
	int ret = -1;

	rcu_read_lock();
	chip = READ_ONCE(vm->irqchip);
	if (chip)
		ret = set_irq(chip, source, gsi, level);
	rcu_read_unlock();
	return ret;
}

/**
 * irqchip_user_wants_end() - is the end of a level-triggered interrupt for the VMM's IOAPICs?
 * @chip: the VM's controllers, split
 * @vector: of the interrupt
 *
 * As on hardware all IOAPICs hear of it, whichever sent the vector.
 *
 * Return: whether one of their pins is routed to that vector.
 */
bool irqchip_user_wants_end(const struct irqchip *chip, u8 vector)
{
	bool wants;

	rcu_read_lock();
	wants = test_bit(vector, rcu_dereference(chip->routing)->user_levels);
	rcu_read_unlock();
	return wants;
}
