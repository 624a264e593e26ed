// SPDX-License-Identifier: GPL-2.0-only
/*
 * Coalesced ports and MMIO: writes that a device in user space need not hear of at
 * once wait in a ring, which the VMM empties when it wants to.  Owns the zones, each a
 * device on one of the VM's buses, and the ring's page, which every vCPU's fd maps.
 *
 * The VMM may write to the ring at any time.  It moves both ends, and may do so to where
 * it likes: each end is read once, and used only when it is one.  A write that finds no
 * room goes to user space as if there were no zone.
 */
#include <linux/kvm.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "x86/board/coalesced.h"
#include "x86/board/iobus.h"
#include "x86/machine/vm.h"

/**
 * struct coalesced_zone - addresses whose writes may wait
 * @link: in vm->coalesced.zones; vm->lock
 * @dev: the addresses; constant
 * @vm: constant
 * @bus: where @dev is registered; constant
 */
struct coalesced_zone {
	struct list_head link;
	struct io_device dev;
	struct vm *vm;
	struct iobus *bus;
};

static bool coalesced_put(struct coalesced *c, const struct kvm_coalesced_mmio *write)
{
	struct kvm_coalesced_mmio_ring *ring = READ_ONCE(c->ring);
	u32 last = READ_ONCE(ring->last), next;

	if (last >= KVM_COALESCED_MMIO_MAX)
		return false;
	next = (last + 1) % KVM_COALESCED_MMIO_MAX;
	if (next == READ_ONCE(ring->first))
		return false;
	ring->coalesced_mmio[last] = *write;
	/* The VMM, which looks without a lock, sees the entry before the ring's end. */
	smp_store_release(&ring->last, next);
	return true;
}

static int coalesced_access(struct io_device *dev, struct vcpu *vcpu, u64 addr,
			    unsigned int len, void *data, bool write)
{
	struct coalesced_zone *zone = container_of(dev, struct coalesced_zone, dev);
	struct coalesced *c = &zone->vm->coalesced;
	struct kvm_coalesced_mmio entry = {
		.phys_addr = addr, .len = len, .pio = zone->bus == &zone->vm->pio,
	};
	bool done;

	/* A zone of no bytes is met by what begins there, and takes nothing. */
	if (!write || !dev->len || len > sizeof(entry.data))
		return -EOPNOTSUPP;
	memcpy(entry.data, data, len);
	spin_lock(&c->lock);
	done = coalesced_put(c, &entry);
	spin_unlock(&c->lock);
	return done ? 0 : -EOPNOTSUPP;
}

static const struct io_device_ops coalesced_ops = { .access = coalesced_access };

/**
 * vm_coalesced_ring() - the page that the VMM maps
 * @vm: any
 *
 * Made when somebody first wants it. May sleep.
 *
 * Return: struct kvm_coalesced_mmio_ring, until the VM is freed; NULL without memory.
 */
void *vm_coalesced_ring(struct vm *vm)
{
	struct kvm_coalesced_mmio_ring *old = READ_ONCE(vm->coalesced.ring), *new;

	if (old)
		return old;
	new = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!new)
		return NULL;
	old = cmpxchg(&vm->coalesced.ring, NULL, new);
	if (!old)
		return new;
	free_page((unsigned long)new);
	return old;
}

static struct iobus *coalesced_bus(struct vm *vm, const struct kvm_coalesced_mmio_zone *arg)
{
	return arg->pio ? &vm->pio : &vm->mmio;
}

/**
 * vm_ioctl_register_coalesced() - KVM_REGISTER_COALESCED_MMIO
 * @vm: vm->lock held
 * @arg: copied in
 *
 * Zones may overlap.
 *
 * Return: 0; -EINVAL for a bus or a range that does not exist; -ENOSPC, -ENOMEM.
 */
int vm_ioctl_register_coalesced(struct vm *vm, struct kvm_coalesced_mmio_zone *arg)
{
	struct coalesced_zone *zone;
	int err;

	if (arg->pio > 1)
		return -EINVAL;
	if (!vm_coalesced_ring(vm))
		return -ENOMEM;
	zone = kzalloc(sizeof(*zone), GFP_KERNEL_ACCOUNT);
	if (!zone)
		return -ENOMEM;
	zone->dev = (struct io_device){ &coalesced_ops, arg->addr, arg->size };
	zone->vm = vm;
	zone->bus = coalesced_bus(vm, arg);
	err = iobus_register(zone->bus, &zone->dev);
	if (err) {
		kfree(zone);
		return err;
	}
	list_add_tail(&zone->link, &vm->coalesced.zones);
	return 0;
}

static void coalesced_free(struct coalesced_zone *zone)
{
	iobus_unregister(zone->bus, &zone->dev);
	list_del(&zone->link);
	kfree(zone);
}

static bool coalesced_covers(const struct coalesced_zone *zone,
			     const struct kvm_coalesced_mmio_zone *arg)
{
	u64 from = arg->addr - zone->dev.addr;

	return arg->addr >= zone->dev.addr && from <= zone->dev.len &&
	       arg->size <= zone->dev.len - from;
}

/**
 * vm_ioctl_unregister_coalesced() - KVM_UNREGISTER_COALESCED_MMIO
 * @vm: vm->lock held
 * @arg: every zone that contains all of it goes away
 *
 * What waits in the ring stays there.
 *
 * Return: 0, also when there was none; -EINVAL for a bus that does not exist.
 */
int vm_ioctl_unregister_coalesced(struct vm *vm, struct kvm_coalesced_mmio_zone *arg)
{
	struct coalesced_zone *zone, *next;

	if (arg->pio > 1)
		return -EINVAL;
	list_for_each_entry_safe(zone, next, &vm->coalesced.zones, link)
		if (zone->bus == coalesced_bus(vm, arg) && coalesced_covers(zone, arg))
			coalesced_free(zone);
	return 0;
}

/**
 * vm_coalesced_add_like() - the same zones as another VM's
 * @to: nobody sees it yet
 * @from: its vm->lock held
 *
 * Return: 0; -ENOMEM or -ENOSPC, and then there are some.
 */
int vm_coalesced_add_like(struct vm *to, struct vm *from)
{
	struct coalesced_zone *zone;
	int err = 0;

	list_for_each_entry(zone, &from->coalesced.zones, link) {
		struct kvm_coalesced_mmio_zone arg = {
			.addr = zone->dev.addr, .size = zone->dev.len,
			.pio = zone->bus == &from->pio,
		};

		err = vm_ioctl_register_coalesced(to, &arg);
		if (err)
			break;
	}
	return err;
}

/**
 * vm_coalesced_copy() - what waits in a VM's ring waits in another's, too
 * @to: after vm_coalesced_add_like(); its vCPUs stand still, too
 * @from: its vCPUs stand still. Without a ring nothing waits there
 */
void vm_coalesced_copy(struct vm *to, struct vm *from)
{
	void *new = READ_ONCE(to->coalesced.ring), *old = READ_ONCE(from->coalesced.ring);

	if (!new)
		return;
	if (!old) {
		memset(new, 0, PAGE_SIZE);
		return;
	}
	spin_lock(&from->coalesced.lock);
	memcpy(new, old, PAGE_SIZE);
	spin_unlock(&from->coalesced.lock);
}

/**
 * vm_coalesced_init() - begin
 * @vm: being created
 */
void vm_coalesced_init(struct vm *vm)
{
	spin_lock_init(&vm->coalesced.lock);
	INIT_LIST_HEAD(&vm->coalesced.zones);
}

/**
 * vm_coalesced_destroy() - free a VM's zones and its ring
 * @vm: no vCPU runs and no ioctl is in flight
 *
 * Cheapest after iobus_destroy() of both buses. The VMM may still map the ring: the page
 * lives on with its mapping.
 */
void vm_coalesced_destroy(struct vm *vm)
{
	struct coalesced_zone *zone, *next;

	list_for_each_entry_safe(zone, next, &vm->coalesced.zones, link)
		coalesced_free(zone);
	free_page((unsigned long)vm->coalesced.ring);
}
