/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Devices in the kernel that answer port or MMIO accesses of a guest.
 */
#ifndef DITTO_BOARD_IOBUS_H
#define DITTO_BOARD_IOBUS_H

#include <linux/types.h>

#include "x86/machine/iobus.h"

struct io_device;
struct vcpu;

/**
 * struct io_device_ops - what a device does
 * @access: read into or write from @data, @len bytes at @addr, wholly inside
 *	the device's range; process context, any vCPU thread.  0, or -EOPNOTSUPP
 *	to let the access go on to other devices and then to user space
 */
struct io_device_ops {
	int (*access)(struct io_device *dev, struct vcpu *vcpu, u64 addr,
		      unsigned int len, void *data, bool write);
};

/**
 * struct io_device - embedded in the device
 * @ops: constant
 * @addr: the range; constant while registered; @len 0 (ioeventfd of any
 *	length) matches every access that begins at @addr
 * @len: likewise
 */
struct io_device {
	const struct io_device_ops *ops;
	u64 addr;
	u32 len;
};

/* Devices on one bus; enough for every queue of every virtio device. */
#define IOBUS_MAX_DEVICES	4096

void iobus_init(struct iobus *bus);
void iobus_destroy(struct iobus *bus);
void iobus_exit(void);
int iobus_register(struct iobus *bus, struct io_device *dev);
void iobus_unregister(struct iobus *bus, struct io_device *dev);
int iobus_access_note(struct iobus *bus, struct iobus_miss *miss, struct vcpu *vcpu, u64 addr,
		      unsigned int len, void *data, bool write);

/**
 * iobus_nobody() - did this access meet no device before, and none came since?
 * @bus: any
 * @miss: the vCPU's
 * @addr: of the access
 * @len: likewise
 *
 * For devices in user space, which guests use again and again: spares the search.
 *
 * Return: whether user space has to answer it.
 */
static inline bool iobus_nobody(const struct iobus *bus, const struct iobus_miss *miss,
				u64 addr, unsigned int len)
{
	return miss->addr == addr && miss->len == len &&
	       miss->changes == READ_ONCE(bus->changes);
}

#endif
