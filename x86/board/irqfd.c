// SPDX-License-Identifier: GPL-2.0-only
/*
 * irqfds: an eventfd's signal is an interrupt.  It is raised right in the eventfd's
 * wake-up, with interrupts off and its wait queue locked.
 *
 * The hard part is the end of an irqfd: it ends by DEASSIGN, by the eventfd's
 * last close (seen in the wake-up, where nothing may sleep), or with the VM.
 * Code that ends it moves it to the VM's list of those that leave, and queues the
 * VM's one shutdown work, which ends all that are there: one grace period serves
 * them, however many they are.  Who waits for that work waits for what this VM's
 * user did, and for no other's.
 */
#include <linux/atomic.h>
#include <linux/eventfd.h>
#include <linux/file.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/poll.h>
#include <linux/rculist.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "compat.h"
#include "x86/board/irqchip.h"
#include "x86/board/irqfd.h"
#include "x86/machine/vm.h"

/* Of a VM: lists of them are walked with interrupts off. More than two for each route. */
#define IRQFDS_MAX	8192
static_assert(IRQFDS_MAX >= 2 * IRQCHIP_MAX_ROUTES);

/**
 * struct vm_irqfds - all of a VM's irqfds
 * @vm: constant
 * @lock: one assign or deassign at a time
 * @irqfds_lock: the next two; taken with interrupts off, inside eventfds' own locks
 * @irqfds: active ones
 * @leaving: those that @shutdown is to end
 * @shutdown: queued once something is there
 * @nr_irqfds: in both lists, or just being ended
 * @resample_lock: @resamplers and their members; also taken by shutdown
 * @resamplers: one per GSI that has irqfds with a resamplefd
 */
struct vm_irqfds {
	struct vm *vm;
	struct mutex lock;
	spinlock_t irqfds_lock;
	struct list_head irqfds;
	struct list_head leaving;
	struct work_struct shutdown;
	atomic_t nr_irqfds;
	struct mutex resample_lock;
	struct list_head resamplers;
};

/**
 * struct resampler - irqfds that share one level-triggered GSI
 * @vm: constant
 * @notifier: tells when the guest has acknowledged the GSI
 * @link: in vm_irqfds.resamplers; resample_lock
 * @irqfds: by irqfd.resample_link; changed under resample_lock, read under RCU
 */
struct resampler {
	struct vm *vm;
	struct irq_ack_notifier notifier;
	struct list_head link;
	struct list_head irqfds;
};

/**
 * struct irqfd - an eventfd that raises an interrupt
 * @all: constant
 * @ctx: the eventfd; constant
 * @gsi: constant
 * @resample_ctx: signalled on acknowledge, or NULL; constant
 * @resampler: with @resample_ctx; constant until shutdown
 * @resample_link: in the resampler's list
 * @link: in vm_irqfds.irqfds, then in .leaving; irqfds_lock
 * @left: it is not in .irqfds any more; irqfds_lock
 * @wait: in the eventfd's wait queue, from assignment to shutdown
 * @table: used once, to enter @wait
 */
struct irqfd {
	struct vm_irqfds *all;
	struct eventfd_ctx *ctx;
	u32 gsi;
	struct eventfd_ctx *resample_ctx;
	struct resampler *resampler;
	struct list_head resample_link;
	struct list_head link;
	bool left;
	wait_queue_entry_t wait;
	poll_table table;
};

static struct workqueue_struct *irqfd_queue;

/* Any context. */
static void irqfd_inject(struct irqfd *irqfd)
{
	struct vm *vm = irqfd->all->vm;

	if (irqfd->resample_ctx) {
		irqchip_set_irq(vm, IRQ_SOURCE_RESAMPLE, irqfd->gsi, true);
		return;
	}
	irqchip_set_irq(vm, IRQ_SOURCE_IRQFD, irqfd->gsi, true);
	irqchip_set_irq(vm, IRQ_SOURCE_IRQFD, irqfd->gsi, false);
}

/* Under rcu_read_lock(); interrupts may be off. */
static void resampler_acked(struct irq_ack_notifier *notifier)
{
	struct resampler *resampler = container_of(notifier, struct resampler, notifier);
	struct irqfd *irqfd;

	irqchip_set_irq(resampler->vm, IRQ_SOURCE_RESAMPLE, notifier->gsi, false);
	list_for_each_entry_rcu(irqfd, &resampler->irqfds, resample_link)
		compat_eventfd_signal(irqfd->resample_ctx);
}

static struct resampler *resampler_find(struct vm_irqfds *all, u32 gsi)
{
	struct resampler *resampler;

	list_for_each_entry(resampler, &all->resamplers, link)
		if (resampler->notifier.gsi == gsi)
			return resampler;
	return NULL;
}

static struct resampler *resampler_create(struct vm_irqfds *all, u32 gsi)
{
	struct resampler *resampler = kzalloc(sizeof(*resampler), GFP_KERNEL_ACCOUNT);
	int err;

	if (!resampler)
		return ERR_PTR(-ENOMEM);
	resampler->vm = all->vm;
	INIT_LIST_HEAD(&resampler->irqfds);
	resampler->notifier.gsi = gsi;
	resampler->notifier.acked = resampler_acked;
	err = irqchip_add_ack_notifier(all->vm, &resampler->notifier);
	if (err) {
		kfree(resampler);
		return ERR_PTR(err);
	}
	list_add(&resampler->link, &all->resamplers);
	return resampler;
}

static int resampler_join(struct vm_irqfds *all, struct irqfd *irqfd)
{
	struct resampler *resampler;

	mutex_lock(&all->resample_lock);
	resampler = resampler_find(all, irqfd->gsi);
	if (!resampler)
		resampler = resampler_create(all, irqfd->gsi);
	if (!IS_ERR(resampler)) {
		list_add_rcu(&irqfd->resample_link, &resampler->irqfds);
		irqfd->resampler = resampler;
	}
	mutex_unlock(&all->resample_lock);
	return PTR_ERR_OR_ZERO(resampler);
}

/* One that nobody raises any more leaves its resampler, which may then be one of @empty. */
static void resampler_leave(struct irqfd *irqfd, struct list_head *empty)
{
	struct resampler *resampler = irqfd->resampler;

	list_del_rcu(&irqfd->resample_link);
	if (!list_empty(&resampler->irqfds))
		return;
	list_move(&resampler->link, empty);
	irqchip_del_ack_notifier(resampler->vm, &resampler->notifier);
	/* Nobody is left who would lower the line. */
	irqchip_set_irq(resampler->vm, IRQ_SOURCE_RESAMPLE, irqfd->gsi, false);
}

/*
 * Sleeps until no acknowledge uses any irqfd of @leaving. Nobody joins meanwhile: an acknowledge
 * that still finds a resampler which is empty would lower the line of the GSI's next one.
 */
static void resamplers_leave(struct vm_irqfds *all, struct list_head *leaving)
{
	struct resampler *resampler, *next;
	bool any = false;
	struct irqfd *irqfd;
	LIST_HEAD(empty);

	mutex_lock(&all->resample_lock);
	list_for_each_entry(irqfd, leaving, link) {
		if (!irqfd->resampler)
			continue;
		resampler_leave(irqfd, &empty);
		any = true;
	}
	if (any)
		synchronize_rcu();
	mutex_unlock(&all->resample_lock);
	list_for_each_entry_safe(resampler, next, &empty, link)
		kfree(resampler);
}

/* It is, or has left, no resampler's. */
static void irqfd_free(struct irqfd *irqfd)
{
	struct vm_irqfds *all = irqfd->all;

	if (irqfd->resample_ctx)
		eventfd_ctx_put(irqfd->resample_ctx);
	if (irqfd->ctx)
		eventfd_ctx_put(irqfd->ctx);
	kfree(irqfd);
	atomic_dec(&all->nr_irqfds);
}

static void irqfds_shutdown(struct work_struct *work)
{
	struct vm_irqfds *all = container_of(work, struct vm_irqfds, shutdown);
	struct irqfd *irqfd, *next;
	LIST_HEAD(leaving);
	u64 count;

	spin_lock_irq(&all->irqfds_lock);
	list_splice_init(&all->leaving, &leaving);
	spin_unlock_irq(&all->irqfds_lock);
	list_for_each_entry(irqfd, &leaving, link)
		eventfd_ctx_remove_wait_queue(irqfd->ctx, &irqfd->wait, &count);
	resamplers_leave(all, &leaving);
	list_for_each_entry_safe(irqfd, next, &leaving, link)
		irqfd_free(irqfd);
}

/* irqfds_lock held.  Once that is released @irqfd may be gone. */
static void irqfd_deactivate(struct irqfd *irqfd)
{
	irqfd->left = true;
	list_move_tail(&irqfd->link, &irqfd->all->leaving);
	queue_work(irqfd_queue, &irqfd->all->shutdown);
}

/* The eventfd's wait queue is locked, interrupts are off. */
static int irqfd_wakeup(wait_queue_entry_t *wait, unsigned int mode, int sync, void *key)
{
	struct irqfd *irqfd = container_of(wait, struct irqfd, wait);
	struct vm_irqfds *all = irqfd->all;
	__poll_t events = key_to_poll(key);
	unsigned long flags;
	int taken = 0;
	u64 count;

	if (events & EPOLLIN) {
		/* Take the count, or writers would block once it is at its limit. */
		eventfd_ctx_do_read(irqfd->ctx, &count);
		irqfd_inject(irqfd);
		taken = 1;
	}
	if (events & EPOLLHUP) {
		spin_lock_irqsave(&all->irqfds_lock, flags);
		if (!irqfd->left)
			irqfd_deactivate(irqfd);
		spin_unlock_irqrestore(&all->irqfds_lock, flags);
	}
	return taken;
}

static void irqfd_enter_queue(struct file *file, wait_queue_head_t *head, poll_table *table)
{
	struct irqfd *irqfd = container_of(table, struct irqfd, table);

	add_wait_queue_priority(head, &irqfd->wait);
}

static bool irqfd_exists(struct vm_irqfds *all, struct eventfd_ctx *ctx)
{
	struct irqfd *irqfd;
	bool found = false;

	spin_lock_irq(&all->irqfds_lock);
	list_for_each_entry(irqfd, &all->irqfds, link)
		found |= irqfd->ctx == ctx;
	spin_unlock_irq(&all->irqfds_lock);
	return found;
}

/* @all->lock held; the caller's reference to @file keeps the eventfd open. */
static void irqfd_activate(struct vm_irqfds *all, struct irqfd *irqfd, struct file *file)
{
	__poll_t events;

	init_waitqueue_func_entry(&irqfd->wait, irqfd_wakeup);
	init_poll_funcptr(&irqfd->table, irqfd_enter_queue);
	spin_lock_irq(&all->irqfds_lock);
	list_add_tail(&irqfd->link, &all->irqfds);
	spin_unlock_irq(&all->irqfds_lock);
	events = vfs_poll(file, &irqfd->table);
	/* It was signalled before we listened. */
	if (events & EPOLLIN)
		irqfd_inject(irqfd);
}

static struct irqfd *irqfd_alloc(struct vm_irqfds *all, u32 gsi)
{
	struct irqfd *irqfd = kzalloc(sizeof(*irqfd), GFP_KERNEL_ACCOUNT);

	if (!irqfd)
		return NULL;
	atomic_inc(&all->nr_irqfds);
	irqfd->all = all;
	irqfd->gsi = gsi;
	return irqfd;
}

/* Fill in the eventfds.  On error the caller frees @irqfd. */
static int irqfd_take_contexts(struct irqfd *irqfd, struct file *file,
			       const struct kvm_irqfd *arg)
{
	struct eventfd_ctx *ctx = eventfd_ctx_fileget(file);

	if (IS_ERR(ctx))
		return PTR_ERR(ctx);
	irqfd->ctx = ctx;
	if (!(arg->flags & KVM_IRQFD_FLAG_RESAMPLE))
		return 0;
	ctx = eventfd_ctx_fdget(arg->resamplefd);
	if (IS_ERR(ctx))
		return PTR_ERR(ctx);
	irqfd->resample_ctx = ctx;
	return 0;
}

static int irqfd_assign_file(struct vm_irqfds *all, struct file *file,
			     const struct kvm_irqfd *arg)
{
	struct irqfd *irqfd = irqfd_alloc(all, arg->gsi);
	int err;

	if (!irqfd)
		return -ENOMEM;
	err = irqfd_take_contexts(irqfd, file, arg);
	if (err)
		goto free;
	mutex_lock(&all->lock);
	err = irqfd_exists(all, irqfd->ctx) ? -EBUSY : 0;
	if (!err && atomic_read(&all->nr_irqfds) > IRQFDS_MAX)
		err = -ENOSPC;
	if (!err && irqfd->resample_ctx)
		err = resampler_join(all, irqfd);
	if (!err)
		irqfd_activate(all, irqfd, file);
	mutex_unlock(&all->lock);
	if (!err)
		return 0;
free:
	irqfd_free(irqfd);
	return err;
}

static int irqfd_assign(struct vm *vm, const struct kvm_irqfd *arg)
{
	struct file *file;
	int err;

	if (!READ_ONCE(vm->irqchip) || arg->gsi >= IRQCHIP_MAX_ROUTES)
		return -EINVAL;
	/* The VMM's IOAPIC knows when an interrupt of its pins ends. */
	if ((arg->flags & KVM_IRQFD_FLAG_RESAMPLE) && irqchip_is_split(vm))
		return -EINVAL;
	file = fget(arg->fd);
	if (!file)
		return -EBADF;
	err = irqfd_assign_file(vm->irqfds, file, arg);
	fput(file);
	return err;
}

static int irqfd_deassign(struct vm_irqfds *all, const struct kvm_irqfd *arg)
{
	struct eventfd_ctx *ctx = eventfd_ctx_fdget(arg->fd);
	struct irqfd *irqfd, *next;

	if (IS_ERR(ctx))
		return PTR_ERR(ctx);
	mutex_lock(&all->lock);
	spin_lock_irq(&all->irqfds_lock);
	list_for_each_entry_safe(irqfd, next, &all->irqfds, link)
		if (irqfd->ctx == ctx && irqfd->gsi == arg->gsi)
			irqfd_deactivate(irqfd);
	spin_unlock_irq(&all->irqfds_lock);
	mutex_unlock(&all->lock);
	eventfd_ctx_put(ctx);
	/* The caller relies on no interrupt coming any more. */
	flush_work(&all->shutdown);
	return 0;
}

/**
 * irqfd_ioctl() - KVM_IRQFD
 * @vm: any
 * @arg: copied in
 *
 * Takes vm_irqfds.lock; sleeps. DEASSIGN of what is not assigned is no error, as in KVM.
 *
 * vm->lock may be held or not.
 *
 * Return: 0; -EINVAL for unknown flags, without irqchip, for a GSI out of range, or no
 * eventfd; -EBADF; -EBUSY when the eventfd already drives this VM; -ENOSPC for one of too many;
 * -ENOMEM.
 */
int irqfd_ioctl(struct vm *vm, struct kvm_irqfd *arg)
{
	if (arg->flags & ~(KVM_IRQFD_FLAG_DEASSIGN | KVM_IRQFD_FLAG_RESAMPLE))
		return -EINVAL;
	if (arg->flags & KVM_IRQFD_FLAG_DEASSIGN)
		return irqfd_deassign(vm->irqfds, arg);
	return irqfd_assign(vm, arg);
}

/**
 * vm_irqfds_init() - begin
 * @vm: being created
 *
 * Return: 0 or -ENOMEM.
 */
int vm_irqfds_init(struct vm *vm)
{
	struct vm_irqfds *all = kzalloc(sizeof(*all), GFP_KERNEL_ACCOUNT);

	if (!all)
		return -ENOMEM;
	all->vm = vm;
	mutex_init(&all->lock);
	spin_lock_init(&all->irqfds_lock);
	INIT_LIST_HEAD(&all->irqfds);
	INIT_LIST_HEAD(&all->leaving);
	INIT_WORK(&all->shutdown, irqfds_shutdown);
	mutex_init(&all->resample_lock);
	INIT_LIST_HEAD(&all->resamplers);
	vm->irqfds = all;
	return 0;
}

/**
 * vm_irqfds_destroy() - detach all of a VM's
 * @vm: no ioctl is in flight
 *
 * Sleeps until no eventfd reaches the VM.
 *
 * May be called twice, or without vm_irqfds_init().
 */
void vm_irqfds_destroy(struct vm *vm)
{
	struct vm_irqfds *all = vm->irqfds;
	struct irqfd *irqfd, *next;

	if (!all)
		return;
	spin_lock_irq(&all->irqfds_lock);
	list_for_each_entry_safe(irqfd, next, &all->irqfds, link)
		irqfd_deactivate(irqfd);
	spin_unlock_irq(&all->irqfds_lock);
	flush_work(&all->shutdown);
	WARN_ON_ONCE(atomic_read(&all->nr_irqfds));
	vm->irqfds = NULL;
	kfree(all);
}

/**
 * irqfds_setup() - at module load
 *
 * Makes the workqueue "ditto-irqfd", in which irqfds end.
 *
 * Return: 0 or -ENOMEM.
 */
int irqfds_setup(void)
{
	irqfd_queue = alloc_workqueue("ditto-irqfd", WQ_UNBOUND, 0);
	return irqfd_queue ? 0 : -ENOMEM;
}

/**
 * irqfds_teardown() - at module unload
 *
 * No VM lives.
 */
void irqfds_teardown(void)
{
	destroy_workqueue(irqfd_queue);
}
