/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The buses of a VM, and what a vCPU remembers of them. What can be done with them, and
 * what a device is, is in board/iobus.h.
 */
#ifndef DITTO_MACHINE_IOBUS_H
#define DITTO_MACHINE_IOBUS_H

#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/types.h>

struct iobus_table;
struct kvm_coalesced_mmio_ring;

/**
 * struct iobus - ports or MMIO of one VM
 * @lock: serializes changes
 * @table: sorted devices, or NULL while there are none; SRCU
 * @changes: registrations so far, and 1; @lock, read without
 * @dead: iobus_destroy() was called, registering fails; @lock
 */
struct iobus {
	struct mutex lock;
	struct iobus_table __rcu *table;
	u64 changes;
	bool dead;
};

/**
 * struct iobus_miss - the last access of a vCPU that met no device; zeroed at first
 * @changes: of the bus, before it; 0: none yet
 * @addr: what it was
 * @len: likewise
 */
struct iobus_miss {
	u64 changes;
	u64 addr;
	u32 len;
};

/**
 * struct coalesced - writes that wait for user space; see board/coalesced.c
 * @lock: who adds to the ring
 * @zones: where such writes go; vm->lock
 * @ring: shared with the VMM, or NULL before anybody wanted it; then constant
 */
struct coalesced {
	spinlock_t lock;
	struct list_head zones;
	struct kvm_coalesced_mmio_ring *ring;
};

#endif
