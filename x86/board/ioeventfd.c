// SPDX-License-Identifier: GPL-2.0-only
/*
 * ioeventfds: a guest's write to a port or an address signals an eventfd.  Each is a
 * device on one of the VM's buses.
 */
#include <linux/eventfd.h>
#include <linux/kvm.h>
#include <linux/list.h>
#include <linux/log2.h>
#include <linux/mutex.h>
#include <linux/slab.h>

#include "compat.h"
#include "x86/board/iobus.h"
#include "x86/board/ioeventfd.h"
#include "x86/machine/vm.h"

#define PIO_END		0x10000

/**
 * struct ioeventfd - a guest's write that signals an eventfd
 * @link: in vm->ioeventfds; ioeventfds_lock
 * @dev: address and length, 0 for any
 * @bus: where @dev is registered; constant
 * @ctx: the eventfd; constant
 * @match: only writes of @data; constant
 * @data: value, cut to the length; constant
 */
struct ioeventfd {
	struct list_head link;
	struct io_device dev;
	struct iobus *bus;
	struct eventfd_ctx *ctx;
	bool match;
	u64 data;
};

static u64 value_of(const void *data, unsigned int len)
{
	u64 val = 0;

	memcpy(&val, data, min_t(size_t, len, sizeof(val)));
	return val;
}

static int ioeventfd_access(struct io_device *dev, struct vcpu *vcpu, u64 addr,
			    unsigned int len, void *data, bool write)
{
	struct ioeventfd *io = container_of(dev, struct ioeventfd, dev);

	if (!write || addr != dev->addr || (dev->len && len != dev->len))
		return -EOPNOTSUPP;
	if (io->match && value_of(data, len) != io->data)
		return -EOPNOTSUPP;
	compat_eventfd_signal(io->ctx);
	return 0;
}

static const struct io_device_ops ioeventfd_ops = { .access = ioeventfd_access };

/* May one write be meant for both? */
static bool ioeventfds_collide(const struct ioeventfd *a, const struct ioeventfd *b)
{
	if (a->bus != b->bus || a->dev.addr != b->dev.addr)
		return false;
	if (!a->dev.len || !b->dev.len)
		return true;
	return a->dev.len == b->dev.len && (!a->match || !b->match || a->data == b->data);
}

static bool ioeventfds_equal(const struct ioeventfd *a, const struct ioeventfd *b)
{
	return a->bus == b->bus && a->dev.addr == b->dev.addr && a->dev.len == b->dev.len &&
	       a->ctx == b->ctx && a->match == b->match && a->data == b->data;
}

static int ioeventfd_check(const struct kvm_ioeventfd *arg)
{
	const u32 known = KVM_IOEVENTFD_FLAG_DATAMATCH | KVM_IOEVENTFD_FLAG_PIO |
			  KVM_IOEVENTFD_FLAG_DEASSIGN;

	if (arg->flags & ~known)
		return -EINVAL;
	if (arg->len > 8 || (arg->len && !is_power_of_2(arg->len)))
		return -EINVAL;
	if (!arg->len && (arg->flags & KVM_IOEVENTFD_FLAG_DATAMATCH))
		return -EINVAL;
	if (arg->addr + arg->len < arg->addr)
		return -EINVAL;
	if ((arg->flags & KVM_IOEVENTFD_FLAG_PIO) && arg->addr + max(arg->len, 1u) > PIO_END)
		return -EINVAL;
	return 0;
}

/* What @arg describes; the caller owns a reference of .ctx, or IS_ERR(.ctx). */
static struct ioeventfd ioeventfd_parse(struct vm *vm, const struct kvm_ioeventfd *arg)
{
	struct ioeventfd io = {
		.dev = { .ops = &ioeventfd_ops, .addr = arg->addr, .len = arg->len },
		.bus = arg->flags & KVM_IOEVENTFD_FLAG_PIO ? &vm->pio : &vm->mmio,
		.ctx = eventfd_ctx_fdget(arg->fd),
		.match = arg->flags & KVM_IOEVENTFD_FLAG_DATAMATCH,
	};

	/* Whole: a value that @len bytes cannot have is never written. */
	if (io.match)
		io.data = arg->datamatch;
	return io;
}

static void ioeventfd_free(struct ioeventfd *io)
{
	iobus_unregister(io->bus, &io->dev);
	list_del(&io->link);
	eventfd_ctx_put(io->ctx);
	kfree(io);
}

/* Takes over @want's reference when it succeeds.  vm->ioeventfds_lock held. */
static int ioeventfd_assign(struct vm *vm, const struct ioeventfd *want)
{
	struct ioeventfd *io;
	int err;

	list_for_each_entry(io, &vm->ioeventfds, link)
		if (ioeventfds_collide(io, want))
			return -EEXIST;
	io = kmemdup(want, sizeof(*want), GFP_KERNEL_ACCOUNT);
	if (!io)
		return -ENOMEM;
	err = iobus_register(io->bus, &io->dev);
	if (err) {
		kfree(io);
		return err;
	}
	list_add_tail(&io->link, &vm->ioeventfds);
	return 0;
}

/* vm->ioeventfds_lock held. */
static int ioeventfd_deassign(struct vm *vm, const struct ioeventfd *which)
{
	struct ioeventfd *io;

	list_for_each_entry(io, &vm->ioeventfds, link) {
		if (ioeventfds_equal(io, which)) {
			ioeventfd_free(io);
			return 0;
		}
	}
	return -ENOENT;
}

/**
 * ioeventfd_ioctl() - KVM_IOEVENTFD
 * @vm: any
 * @arg: copied in
 *
 * Takes vm->ioeventfds_lock; sleeps.
 *
 * Return: 0; -EINVAL for flags, length, range or no eventfd; -EBADF; -EEXIST when it
 * collides with another one; -ENOENT when there is nothing to deassign; -ENOSPC, -ENOMEM.
 */
int ioeventfd_ioctl(struct vm *vm, struct kvm_ioeventfd *arg)
{
	bool deassign = arg->flags & KVM_IOEVENTFD_FLAG_DEASSIGN;
	struct ioeventfd io;
	int err = ioeventfd_check(arg);

	if (err)
		return err;
	io = ioeventfd_parse(vm, arg);
	if (IS_ERR(io.ctx))
		return PTR_ERR(io.ctx);
	mutex_lock(&vm->ioeventfds_lock);
	err = deassign ? ioeventfd_deassign(vm, &io) : ioeventfd_assign(vm, &io);
	mutex_unlock(&vm->ioeventfds_lock);
	if (err || deassign)
		eventfd_ctx_put(io.ctx);
	return err;
}

/**
 * vm_ioeventfds_init() - begin
 * @vm: being created
 */
void vm_ioeventfds_init(struct vm *vm)
{
	mutex_init(&vm->ioeventfds_lock);
	INIT_LIST_HEAD(&vm->ioeventfds);
}

/**
 * vm_ioeventfds_destroy() - detach all of a VM's
 * @vm: no vCPU runs and no ioctl is in flight
 *
 * Cheapest after iobus_destroy() of both buses.
 */
void vm_ioeventfds_destroy(struct vm *vm)
{
	struct ioeventfd *io, *next;

	list_for_each_entry_safe(io, next, &vm->ioeventfds, link)
		ioeventfd_free(io);
}
