// SPDX-License-Identifier: GPL-2.0-only
/*
 * A bus: which device in the kernel answers a port or an address.  Owns the
 * table of devices, not the devices.
 *
 * Lookups run on every port and MMIO exit, so the table is a sorted array that
 * readers search under SRCU; registering replaces it.  Unregistering must not
 * fail, so it needs no memory: it leaves a hole that readers skip and that the
 * next registration closes.  Devices may overlap (several ioeventfds on one
 * address); the running maximum of the ends keeps the binary search right.
 */
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/srcu.h>

#include "compat.h"
#include "x86/board/iobus.h"

#define IOBUS_LAZY_ENTRIES	64

/*
 * One for all buses: an access takes a moment, so nobody waits long for another VM's, and a VM
 * costs the less.
 */
DEFINE_STATIC_SRCU(iobus_srcu);

/**
 * struct iobus_entry - one device in the table
 * @addr: where it begins; constant
 * @max_end: greatest end of this and all earlier entries; constant
 * @dev: the device, or NULL once it is unregistered
 */
struct iobus_entry {
	u64 addr;
	u64 max_end;
	struct io_device *dev;
};

/**
 * struct iobus_table - devices by address
 * @rcu: frees it
 * @nr: entries; constant
 * @entry: ascending by address, equal addresses in the order of registration
 */
struct iobus_table {
	struct rcu_head rcu;
	u32 nr;
	struct iobus_entry entry[] __counted_by(nr);
};

/* The last byte that can be the first one of an access to @dev. */
static u64 device_end(const struct io_device *dev)
{
	return dev->addr + (dev->len ? dev->len - 1 : 0);
}

static void table_append(struct iobus_table *table, struct io_device *dev)
{
	u64 end = device_end(dev);
	u32 at = table->nr++;

	if (at && table->entry[at - 1].max_end > end)
		end = table->entry[at - 1].max_end;
	table->entry[at] = (struct iobus_entry){ dev->addr, end, dev };
}

static u32 count_live(const struct iobus_table *table)
{
	u32 i, live = 0;

	for (i = 0; table && i < table->nr; i++)
		live += table->entry[i].dev != NULL;
	return live;
}

/* A copy of @old (or of nothing) without its holes and with @dev. */
static struct iobus_table *table_with(const struct iobus_table *old, struct io_device *dev)
{
	u32 i, live = count_live(old);
	struct iobus_table *table;

	if (live >= IOBUS_MAX_DEVICES)
		return ERR_PTR(-ENOSPC);
	table = kvzalloc(struct_size(table, entry, live + 1), GFP_KERNEL_ACCOUNT);
	if (!table)
		return ERR_PTR(-ENOMEM);
	for (i = 0; old && i < old->nr && old->entry[i].addr <= dev->addr; i++)
		if (old->entry[i].dev)
			table_append(table, old->entry[i].dev);
	table_append(table, dev);
	for (; old && i < old->nr; i++)
		if (old->entry[i].dev)
			table_append(table, old->entry[i].dev);
	return table;
}

static void free_table(struct rcu_head *rcu)
{
	kvfree(container_of(rcu, struct iobus_table, rcu));
}

/*
 * Small tables, which nearly all are, are freed after a grace period. For large ones wait,
 * or a VMM that registers thousands of devices would pile up old tables.
 */
static void retire_table(struct iobus *bus, struct iobus_table *old)
{
	if (!old)
		return;
	if (old->nr <= IOBUS_LAZY_ENTRIES) {
		call_srcu(&iobus_srcu, &old->rcu, free_table);
		return;
	}
	synchronize_srcu_expedited(&iobus_srcu);
	kvfree(old);
}

static struct iobus_table *locked_table(struct iobus *bus)
{
	return rcu_dereference_protected(bus->table, lockdep_is_held(&bus->lock));
}

/**
 * iobus_init() - make an empty bus
 * @bus: zeroed
 */
void iobus_init(struct iobus *bus)
{
	mutex_init(&bus->lock);
	bus->changes = 1;
}

/**
 * iobus_destroy() - end a bus
 * @bus: initialized; no access is in flight or will come
 *
 * Devices that are still registered are forgotten; unregistering them later is
 * allowed and costs nothing.  Takes @bus->lock.
 */
void iobus_destroy(struct iobus *bus)
{
	struct iobus_table *table;

	mutex_lock(&bus->lock);
	table = locked_table(bus);
	RCU_INIT_POINTER(bus->table, NULL);
	bus->dead = true;
	mutex_unlock(&bus->lock);
	kvfree(table);
}

/**
 * iobus_exit() - free what waits to be freed
 *
 * At unload, when there is no bus.
 */
void iobus_exit(void)
{
	srcu_barrier(&iobus_srcu);
}

/**
 * iobus_register() - put a device on the bus
 * @bus: the bus
 * @dev: its ops, addr and len are set and stay; the range must not wrap
 *
 * Takes @bus->lock.
 *
 * Devices may overlap: the one with the lower address is asked first, and of two with the
 * same address the older one.
 *
 * Return: 0, -EINVAL (wraps), -ENOSPC, -ENOMEM or -ESHUTDOWN (destroyed).
 */
int iobus_register(struct iobus *bus, struct io_device *dev)
{
	struct iobus_table *old, *table;
	int err = 0;

	if (device_end(dev) < dev->addr)
		return -EINVAL;
	mutex_lock(&bus->lock);
	old = locked_table(bus);
	table = bus->dead ? ERR_PTR(-ESHUTDOWN) : table_with(old, dev);
	if (IS_ERR(table)) {
		err = PTR_ERR(table);
	} else {
		rcu_assign_pointer(bus->table, table);
		/* After the table: a CPU that reads this number sees it. */
		smp_store_release(&bus->changes, bus->changes + 1);
		retire_table(bus, old);
	}
	mutex_unlock(&bus->lock);
	return err;
}

static bool make_hole(struct iobus_table *table, const struct io_device *dev)
{
	u32 i;

	for (i = 0; table && i < table->nr; i++) {
		if (table->entry[i].dev == dev) {
			WRITE_ONCE(table->entry[i].dev, NULL);
			return true;
		}
	}
	return false;
}

/**
 * iobus_unregister() - take a device off the bus
 * @bus: the bus
 * @dev: the device; nothing happens when it is not there
 *
 * Takes @bus->lock and waits for the accesses in flight, so it must not be
 * called from a device's access().
 */
void iobus_unregister(struct iobus *bus, struct io_device *dev)
{
	bool found;

	mutex_lock(&bus->lock);
	found = make_hole(locked_table(bus), dev);
	mutex_unlock(&bus->lock);
	/*
	 * A reader of an older table has it from before that table was replaced,
	 * so it began before now and is waited for, too.
	 */
	if (found)
		synchronize_srcu_expedited(&iobus_srcu);
}

/* First entry whose running end reaches @addr; table->nr when there is none. */
static u32 first_reaching(const struct iobus_table *table, u64 addr)
{
	u32 low = 0, high = table->nr;

	while (low < high) {
		u32 mid = (low + high) / 2;

		if (table->entry[mid].max_end < addr)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static bool device_covers(const struct io_device *dev, u64 addr, unsigned int len)
{
	if (!dev->len)
		return addr == dev->addr;
	return addr - dev->addr < dev->len && len <= dev->len - (addr - dev->addr);
}

static int table_access(const struct iobus_table *table, struct vcpu *vcpu, u64 addr,
			unsigned int len, void *data, bool write, bool *met)
{
	struct io_device *dev;
	u32 i;

	for (i = first_reaching(table, addr); i < table->nr && table->entry[i].addr <= addr; i++) {
		dev = READ_ONCE(table->entry[i].dev);
		if (!dev || !device_covers(dev, addr, len))
			continue;
		*met = true;
		if (!dev->ops->access(dev, vcpu, addr, len, data, write))
			return 0;
	}
	return -EOPNOTSUPP;
}

static int bus_access(struct iobus *bus, struct vcpu *vcpu, u64 addr, unsigned int len,
		      void *data, bool write, bool *met)
{
	const struct iobus_table *table;
	int idx, err = -EOPNOTSUPP;

	idx = srcu_read_lock(&iobus_srcu);
	table = srcu_dereference(bus->table, &iobus_srcu);
	if (table)
		err = table_access(table, vcpu, addr, len, data, write, met);
	srcu_read_unlock(&iobus_srcu, idx);
	return err;
}

/**
 * iobus_access_note() - let the devices on the bus answer an access, and note where none is
 * @bus: the bus
 * @miss: the vCPU's, for iobus_nobody(); untouched when a device is there, even
 *	one that lets this access go
 * @vcpu: who accesses
 * @addr: port or gpa
 * @len: bytes
 * @data: what is written, or where to put what is read
 * @write: direction
 *
 * Process context; in a read section of SRCU.
 *
 * Return: 0 when a device answered, else -EOPNOTSUPP: the access is user space's.
 */
int iobus_access_note(struct iobus *bus, struct iobus_miss *miss, struct vcpu *vcpu, u64 addr,
		      unsigned int len, void *data, bool write)
{
	/* Before the table: a device that comes meanwhile makes the note void. */
	u64 changes = smp_load_acquire(&bus->changes);
	bool met = false;
	int ret = bus_access(bus, vcpu, addr, len, data, write, &met);

	if (!met)
		*miss = (struct iobus_miss){ .changes = changes, .addr = addr, .len = len };
	return ret;
}
