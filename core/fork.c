// SPDX-License-Identifier: GPL-2.0-only
/*
 * DITTO_FORK: a machine becomes two. Owns the order of the steps, and no state: what a part of
 * a machine is, and what of it a copy has, says that part's own copy function.
 *
 * 0. For DITTO_FORK_RESETTABLE the parent is forked twice: what this page says makes the base, a
 *    frozen machine without files, and then the child, whose parent is the base.
 * 1. With the parent running: whatever may fail for want of memory, fds or for what the parent
 *    is. The child is a machine that nobody sees, complete except for what is in it.
 * 2. With the parent's vCPUs at rest (pause.c): its state is copied and its memory forked. So
 *    the child is what the parent was between two instructions of each vCPU.
 * 3. With the parent running again: the child's memslots.
 * 4. What cannot fail, when the fds have been told: the child's timers run, and it is seen.
 *
 * An error before 4 frees the child. The parent has then lost nothing but time, and its pages
 * may be write-protected for a fork that is no more, which its next writes undo.
 */
#include <linux/anon_inodes.h>
#include <linux/capability.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "compat.h"
#include "core/fork.h"
#include "core/ioctl.h"
#include "core/vcpu.h"
#include "core/vm.h"
#include "gmem/fork.h"
#include "mmu/copy.h"
#include "mmu/ring.h"
#include "x86/board/coalesced.h"
#include "x86/board/irqchip.h"
#include "x86/board/lapic_state.h"
#include "x86/board/lapic_timer.h"
#include "x86/cpu/clock_copy.h"
#include "x86/cpu/cpuid.h"
#include "x86/cpu/fpu.h"
#include "x86/run/copy.h"
#include "x86/run/events.h"
#include "x86/run/msr_filter.h"

#define FORK_FLAGS	(DITTO_FORK_FROZEN | DITTO_FORK_RESETTABLE | DITTO_FORK_BLOCKED | \
			 DITTO_FORK_JUMP)

static unsigned int max_forks = 10000;
module_param(max_forks, uint, 0644);
MODULE_PARM_DESC(max_forks, "how many machines made by forks a user may have (0: any number)");

/**
 * struct fork_file - a file of the child's
 * @fd: reserved, or negative
 * @file: its own reference; NULL when it is made no more, or is installed
 */
struct fork_file {
	int fd;
	struct file *file;
};

/**
 * struct fork - a fork that is under way
 * @args: the caller's
 * @parent: its lock is held
 * @child: with a reference
 * @base: the child's base, or NULL
 * @hidden: the child is a base
 * @memory: how its memory is copied
 * @nr_files: VM's and vCPUs'
 * @files: the VM's is the first
 */
struct fork {
	struct ditto_fork args;
	struct vm *parent, *child, *base;
	bool hidden;
	struct mmu_copy *memory;
	u32 nr_files;
	struct fork_file *files;
};

static int fork_check(const struct ditto_fork *args)
{
	const u32 never_both = DITTO_FORK_FROZEN | DITTO_FORK_RESETTABLE;

	if ((args->flags & ~FORK_FLAGS) || args->reserved[0] || args->reserved[1])
		return -EINVAL;
	return (args->flags & never_both) == never_both ? -EINVAL : 0;
}

/* Step 1: what was chosen for the parent before it had vCPUs. */
static void fork_settings(struct vm *child, struct vm *parent)
{
	child->enabled = parent->enabled;
	child->bsp_id = parent->bsp_id;
	child->clock.tsc_khz = parent->clock.tsc_khz;
	mmu_copy_settings(&child->mmu, &parent->mmu);
}

static int fork_parts(struct vm *child, struct vm *parent)
{
	struct vcpu *vcpu;
	u32 i;
	int err;

	fork_settings(child, parent);
	err = irqchip_create_like(child, parent);
	if (!err)
		err = vm_coalesced_add_like(child, parent);
	if (!err)
		err = msr_filter_copy(child, parent);
	if (err)
		return err;
	vm_for_each_vcpu(parent, i, vcpu) {
		struct vcpu *copy = vcpu_add(child, vcpu->id);

		if (IS_ERR(copy))
			return PTR_ERR(copy);
		vcpu_publish(copy);
	}
	return 0;
}

/* A file that owns a reference to the child. */
static int fork_open(struct fork *f, const char *name, const struct file_operations *fops,
		     void *object)
{
	struct fork_file *new = &f->files[f->nr_files];
	struct file *file;

	new->fd = get_unused_fd_flags(O_CLOEXEC);
	if (new->fd < 0)
		return new->fd;
	file = anon_inode_getfile(name, fops, object, O_RDWR);
	if (IS_ERR(file)) {
		put_unused_fd(new->fd);
		return PTR_ERR(file);
	}
	vm_get(f->child);
	new->file = file;
	f->nr_files++;
	return 0;
}

static int fork_files(struct fork *f)
{
	struct vcpu *vcpu;
	u32 i;
	int err;

	f->files = kvcalloc(f->child->nr_vcpus + 1, sizeof(*f->files), GFP_KERNEL_ACCOUNT);
	if (!f->files)
		return -ENOMEM;
	err = fork_open(f, "ditto-vm", &vm_fops, f->child);
	vm_for_each_vcpu(f->child, i, vcpu) {
		if (err)
			break;
		err = fork_open(f, "ditto-vcpu", &vcpu_fops, vcpu);
	}
	return err;
}

/* Step 2, for a vCPU that is owned. */
static int fork_vcpu(struct vcpu *to, struct vcpu *from, const struct clock_instant *gone)
{
	int err = vcpuid_copy(to, from);

	if (!err)
		err = vfpu_copy(to, from);
	if (err)
		return err;
	vcpu_load(from);
	vcpu_copy(to, from);
	vclock_copy(to, from, gone);
	vlapic_copy(to, from, gone->ns);
	if (to->vm->blocked || from->vm->blocked)
		events_hold(to);
	vcpu_put(from);
	ring_copy(&to->ring, &from->ring);
	return 0;
}

/**
 * fork_time_gone() - for how long a machine's time stood still, as its copy is to see it
 * @from: vm->lock held
 * @to: the copy
 * @now: this instant
 * @gone: set
 */
void fork_time_gone(const struct vm *from, const struct vm *to, const struct clock_instant *now,
		    struct clock_instant *gone)
{
	vm_clock_gone(from, now, gone);
	if (to->jumps)
		*gone = (struct clock_instant) {};
}

static int fork_state(struct fork *f)
{
	struct vm *child = f->child, *parent = f->parent;
	struct clock_instant gone;
	struct vcpu *vcpu;
	int err;
	u32 i;

	if (READ_ONCE(parent->dead))
		return -EIO;
	clock_instant_now(&child->frozen_at);
	fork_time_gone(parent, child, &child->frozen_at, &gone);
	vm_clock_copy(child, parent, &gone);
	err = irqchip_copy(child, parent, gone.ns);
	vm_coalesced_copy(child, parent);
	vm_for_each_vcpu(parent, i, vcpu) {
		if (err)
			return err;
		err = fork_vcpu(vm_vcpu(child, i), vcpu, &gone);
	}
	return err ?: mmu_copy_fork(f->memory, &child->mmu, f->base);
}

static int fork_at_rest(struct fork *f)
{
	int err = vm_pause(f->parent);

	if (err)
		return err;
	err = fork_state(f);
	vm_resume(f->parent);
	return err;
}

/* Steps 1 to 3. */
static int fork_make(struct fork *f)
{
	int err;

	f->memory = mmu_copy_begin(&f->parent->mmu);
	if (IS_ERR(f->memory))
		return PTR_ERR(f->memory);
	err = fork_parts(f->child, f->parent);
	if (!err && !f->hidden)
		err = fork_files(f);
	if (!err)
		err = fork_at_rest(f);
	if (!err)
		err = mmu_copy_slots(f->memory, &f->child->mmu);
	mmu_copy_end(f->memory);
	return err;
}

static int fork_tell_fds(struct fork *f, struct ditto_fork __user *user)
{
	s32 __user *fds = u64_to_user_ptr(f->args.vcpu_fds);
	u32 i;

	for (i = 1; i < f->nr_files; i++)
		if (put_user(f->files[i].fd, &fds[i - 1]))
			return -EFAULT;
	f->args.vm_fd = f->files[0].fd;
	return copy_to_user(user, &f->args, sizeof(f->args)) ? -EFAULT : 0;
}

/**
 * fork_start_timers() - have the timers of a machine that is complete run
 * @vm: nobody sees it yet, or its vCPUs are owned
 */
void fork_start_timers(struct vm *vm)
{
	struct vcpu *vcpu;
	u32 i;

	if (vm->frozen)
		return;
	irqchip_resume(vm);
	vm_for_each_vcpu(vm, i, vcpu)
		vlapic_timer_resume(vcpu);
}

/* Step 4. */
static void fork_show(struct fork *f)
{
	u32 i;

	fork_start_timers(f->child);
	vm_publish(f->child);
	for (i = 0; i < f->nr_files; i++) {
		fd_install(f->files[i].fd, f->files[i].file);
		f->files[i].file = NULL;
	}
}

/* After an error the child's last reference is among those that are dropped here. */
static void fork_end(struct fork *f)
{
	u32 i;

	for (i = 0; i < f->nr_files; i++) {
		if (!f->files[i].file)
			continue;
		put_unused_fd(f->files[i].fd);
		fput(f->files[i].file);
	}
	kvfree(f->files);
	vm_put(f->child);
}

/* A fork costs so little that other limits come late. */
static int fork_count(struct vm *child)
{
	struct gmem_tenant *t = gmem_tenant_count(GMEM_COUNTED_FORKS, READ_ONCE(max_forks));

	/* Asked last: a security module sees every refusal, and may log it. */
	if (t == ERR_PTR(-EAGAIN) && capable(CAP_SYS_RESOURCE))
		t = gmem_tenant_count(GMEM_COUNTED_FORKS, 0);
	if (IS_ERR(t))
		return PTR_ERR(t);
	child->forker = t;
	return 0;
}

/* vm->lock of the parent is held. Even after an error there may be a child. */
static int fork_child(struct fork *f)
{
	int err;

	f->child = vm_alloc(KVM_X86_DEFAULT_VM);
	if (IS_ERR(f->child))
		return PTR_ERR(f->child);
	err = fork_count(f->child);
	if (err)
		return err;
	f->child->frozen = f->args.flags & DITTO_FORK_FROZEN;
	f->child->blocked = f->child->blocks = f->args.flags & DITTO_FORK_BLOCKED;
	f->child->jumps = f->args.flags & DITTO_FORK_JUMP;
	if (f->base) {
		vm_get(f->base);
		f->child->base = f->base;
	}
	return fork_make(f);
}

/* Step 0: the base takes the parent's place. */
static int fork_resettable(struct fork *f)
{
	struct fork base = {
		.parent = f->parent,
		.hidden = true,
		.args.flags = DITTO_FORK_FROZEN | (f->args.flags & DITTO_FORK_JUMP),
	};
	int err = fork_child(&base);

	if (!err) {
		f->parent = f->base = base.child;
		/* Nobody else knows it. */
		mutex_lock_nested(&f->base->lock, SINGLE_DEPTH_NESTING);
		err = fork_child(f);
		mutex_unlock(&f->base->lock);
	}
	if (!IS_ERR(base.child))
		vm_put(base.child);
	return err;
}

/* vm->lock of the parent is held. */
static int fork_vm_locked(struct fork *f)
{
	f->args.count = f->parent->nr_vcpus;
	if (f->args.capacity < f->args.count)
		return -E2BIG;
	if (f->parent->mmu.private_mem)
		return -EOPNOTSUPP;
	return f->args.flags & DITTO_FORK_RESETTABLE ? fork_resettable(f) : fork_child(f);
}

/**
 * vm_ioctl_fork() - DITTO_FORK
 * @vm: any; takes its lock
 * @arg: struct ditto_fork
 *
 * Return: 0, or as uapi/ditto.h says.
 */
int vm_ioctl_fork(struct vm *vm, void __user *arg)
{
	struct fork f = { .parent = vm };
	int err;

	if (copy_from_user(&f.args, arg, sizeof(f.args)))
		return -EFAULT;
	err = fork_check(&f.args);
	if (err)
		return err;
	if (mutex_lock_killable(&vm->lock))
		return -EINTR;
	err = fork_vm_locked(&f);
	mutex_unlock(&vm->lock);
	if (err == -E2BIG && copy_to_user(arg, &f.args, sizeof(f.args)))
		err = -EFAULT;
	if (!err)
		err = fork_tell_fds(&f, arg);
	if (!err)
		fork_show(&f);
	if (!IS_ERR_OR_NULL(f.child))
		fork_end(&f);
	return err;
}

/* All vCPUs are owned. */
static void thaw_state(struct vm *vm)
{
	struct clock_instant now, gone;
	struct vcpu *vcpu;
	u32 i;

	clock_instant_now(&now);
	fork_time_gone(vm, vm, &now, &gone);
	vm_clock_move(vm, &gone);
	irqchip_move(vm, gone.ns);
	vm_for_each_vcpu(vm, i, vcpu) {
		vclock_move(vcpu, &gone);
		vlapic_timer_move(vcpu, gone.ns);
	}
	WRITE_ONCE(vm->frozen, false);
	fork_start_timers(vm);
}

/**
 * vm_ioctl_thaw() - DITTO_THAW
 * @vm: vm->lock held
 *
 * Return: 0; -EINVAL when it is not frozen; -EINTR.
 */
int vm_ioctl_thaw(struct vm *vm)
{
	int err;

	if (!vm->frozen)
		return -EINVAL;
	err = vm_pause(vm);
	if (err)
		return err;
	thaw_state(vm);
	vm_resume(vm);
	return 0;
}

/**
 * vm_ioctl_unblock() - DITTO_UNBLOCK
 * @vm: vm->lock held
 *
 * Return: 0; -EINVAL when nothing is blocked; -EINTR.
 */
int vm_ioctl_unblock(struct vm *vm)
{
	struct vcpu *vcpu;
	int err;
	u32 i;

	if (!vm->blocked)
		return -EINVAL;
	err = vm_pause(vm);
	if (err)
		return err;
	vm->blocked = false;
	vm_for_each_vcpu(vm, i, vcpu)
		events_hold(vcpu);
	vm_resume(vm);
	return 0;
}
