// SPDX-License-Identifier: GPL-2.0-only
/*
 * vCPUs: their lifetime, their fds, and the thread that owns one for a while.  What the
 * virtual CPU does is x86/run/'s, and how others reach it is in x86/machine/vcpu.c.
 *
 * A vCPU is owned by the thread that holds its mutex.  While it does, the
 * scheduler tells us when the thread moves, and the backend keeps the hardware
 * in step.
 */
#include <linux/anon_inodes.h>
#include <linux/mm.h>
#include <linux/pid.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <asm/nospec-branch.h>

#include "compat.h"
#include "core/ioctl.h"
#include "core/vcpu.h"
#include "core/vm.h"
#include "mmu/mmu.h"
#include "mmu/ring.h"
#include "x86/board/coalesced.h"
#include "x86/board/lapic.h"
#include "x86/cpu/clock.h"
#include "x86/cpu/cpuid.h"
#include "x86/cpu/fpu.h"
#include "x86/machine/backend_calls.h"
#include "x86/machine/vm.h"
#include "x86/run/apf.h"
#include "x86/run/emulate_vcpu.h"
#include "x86/run/kvmclock.h"
#include "x86/run/msr.h"
#include "x86/run/reset.h"
#include "x86/run/run.h"
#include "x86/run/steal.h"

/* vCPU that ran on this CPU last, only compared, never followed. */
static DEFINE_PER_CPU(const struct vcpu *, vcpu_last);

/* Keep one vCPU's branch history from steering the next vCPU's speculation. Preemption off. */
static void vcpu_barrier(const struct vcpu *vcpu)
{
	if (__this_cpu_read(vcpu_last) == vcpu)
		return;
	__this_cpu_write(vcpu_last, vcpu);
	indirect_branch_prediction_barrier();
}

/*
 * A later vCPU at the same address is a different one to the branch predictor. The
 * comparison may race with a load on another CPU; that CPU has then loaded a different
 * vCPU.
 */
static void vcpu_forget_last(const struct vcpu *vcpu)
{
	int cpu;

	for_each_possible_cpu(cpu)
		cmpxchg(per_cpu_ptr(&vcpu_last, cpu), vcpu, NULL);
}

/* Preemption off. */
static __always_inline void vcpu_arrive(struct vcpu *vcpu, int cpu)
{
	ring_arrive(&vcpu->ring);
	vcpu->loaded = cpus_here_enabled();
	if (!vcpu->loaded)
		return;
	vcpu_barrier(vcpu);
	static_call(backend_load)(vcpu, cpu);
	if (unlikely(vcpu->cpu != cpu || clock_shifted(&vcpu->clock)))
		vclock_load(vcpu, vcpu->cpu != cpu);
	if (unlikely(steal_on(vcpu)))
		vcpu_request(vcpu, REQ_STEAL);
	vcpu->cpu = cpu;
}

static __always_inline void vcpu_leave(struct vcpu *vcpu)
{
	ring_leave(&vcpu->ring);
	if (!vcpu->loaded)
		return;
	vcpu->loaded = false;
	if (unlikely(steal_on(vcpu)))
		steal_left(vcpu);
	/*
	 * Restore the thread's own registers, even when virtualization has been switched
	 * off on this CPU.
	 */
	static_call(backend_put)(vcpu);
}

static void vcpu_sched_in(struct preempt_notifier *n, int cpu)
{
	struct vcpu *vcpu = container_of(n, struct vcpu, preempt);

	WRITE_ONCE(vcpu->ready, false);
	vcpu_arrive(vcpu, cpu);
}

static void vcpu_sched_out(struct preempt_notifier *n, struct task_struct *next)
{
	struct vcpu *vcpu = container_of(n, struct vcpu, preempt);

	/* It does not sleep: others may give it their time. */
	WRITE_ONCE(vcpu->ready, READ_ONCE(current->__state) == TASK_RUNNING);
	vcpu_leave(vcpu);
}

static struct preempt_ops vcpu_preempt_ops = {
	.sched_in = vcpu_sched_in,
	.sched_out = vcpu_sched_out,
};

static __always_inline void vcpu_load_here(struct vcpu *vcpu)
{
	preempt_disable();
	preempt_notifier_register(&vcpu->preempt);
	vcpu_arrive(vcpu, smp_processor_id());
	preempt_enable();
}

static __always_inline void vcpu_put_here(struct vcpu *vcpu)
{
	preempt_disable();
	vcpu_leave(vcpu);
	preempt_notifier_unregister(&vcpu->preempt);
	preempt_enable();
}

/**
 * vcpu_load() - begin to use the hardware's part of a vCPU
 * @vcpu: its mutex is held; until vcpu_put() by the same thread
 */
void vcpu_load(struct vcpu *vcpu)
{
	vcpu_load_here(vcpu);
}

/**
 * vcpu_put() - end what vcpu_load() began
 * @vcpu: owned
 */
void vcpu_put(struct vcpu *vcpu)
{
	vcpu_put_here(vcpu);
}

/**
 * vcpu_publish_clock() - write the time page now, unless the vCPU's owner will
 * @vcpu: any; process context
 *
 * Guests whose CPUs have one clock read it from the first one's page on all of them
 * (Linux's vDSO does), so what is written when that one runs would come too late.
 */
void vcpu_publish_clock(struct vcpu *vcpu)
{
	if (!mutex_trylock(&vcpu->mutex))
		return;
	vcpu_load(vcpu);
	if (vcpu_take_request(vcpu, REQ_CLOCK_UPDATE))
		kvmclock_update(vcpu);
	vcpu_put(vcpu);
	mutex_unlock(&vcpu->mutex);
}

static int vcpu_alloc_run(struct vcpu *vcpu)
{
	vcpu->run = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	vcpu->pio_data = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	return vcpu->run && vcpu->pio_data ? 0 : -ENOMEM;
}

static void vcpu_free_run(struct vcpu *vcpu)
{
	/* The VMM may still map them: the pages live on with its mapping. */
	free_page((unsigned long)vcpu->run);
	free_page((unsigned long)vcpu->pio_data);
}

static void vcpu_init_fields(struct vcpu *vcpu, struct vm *vm, u32 id)
{
	vcpu->vm = vm;
	vcpu->id = id;
	vcpu->idx = vm->nr_vcpus;
	vcpu->cpu = -1;
	vcpu->ev.user_irq = -1;
#ifdef DITTO_DEBUG
	vcpu->guest_epoch = U64_MAX;
#endif
	mutex_init(&vcpu->mutex);
	spin_lock_init(&vcpu->thread_lock);
	rcuwait_init(&vcpu->wait);
	preempt_notifier_init(&vcpu->preempt, &vcpu_preempt_ops);
	apf_init(vcpu);
	vcpu_request(vcpu, REQ_RELOAD_ROOT);
	vcpu_request(vcpu, REQ_EVENT);
}

static int vcpu_init_parts(struct vcpu *vcpu)
{
	int err;

	err = vcpu_alloc_run(vcpu);
	if (err)
		goto free_run;
	err = ring_alloc(&vcpu->vm->mmu, &vcpu->ring);
	if (err)
		goto free_run;
	err = emulator_init(vcpu);
	if (err)
		goto free_ring;
	err = vfpu_init(vcpu);
	if (err)
		goto free_emulator;
	vcpuid_init(vcpu);
	vclock_init(vcpu);
	err = vlapic_create(vcpu);
	if (err)
		goto free_fpu;
	err = backend->vcpu_init(vcpu);
	if (err)
		goto free_apic;
	return 0;

free_apic:
	vlapic_free(vcpu);
free_fpu:
	vcpuid_free(vcpu);
	vfpu_free(vcpu);
free_emulator:
	emulator_free(vcpu);
free_ring:
	ring_free(&vcpu->ring);
free_run:
	vcpu_free_run(vcpu);
	return err;
}

/**
 * vcpu_destroy() - free a vCPU
 * @vcpu: neither its fd nor its VM's is open
 */
void vcpu_destroy(struct vcpu *vcpu)
{
	vcpu_forget_last(vcpu);
	apf_clear(vcpu);
	backend->vcpu_free(vcpu);
	vlapic_free(vcpu);
	vcpuid_free(vcpu);
	vfpu_free(vcpu);
	emulator_free(vcpu);
	mmu_shadow_vcpu_free(&vcpu->shadow);
	ring_free(&vcpu->ring);
	vcpu_free_run(vcpu);
	put_pid(vcpu->thread);
	kfree(vcpu);
}

/* The state after power-on. */
static void vcpu_power_on(struct vcpu *vcpu)
{
	mutex_lock(&vcpu->mutex);
	vcpu_load(vcpu);
	vcpu_reset(vcpu, false);
	/* Application processors wait for the bootstrap processor's INIT and SIPI. */
	vcpu->mp_state = !vcpu->apic || vcpu->id == vcpu->vm->bsp_id ? KVM_MP_STATE_RUNNABLE :
								       KVM_MP_STATE_UNINITIALIZED;
	msr_setup_passthrough(vcpu);
	vcpu_put(vcpu);
	mutex_unlock(&vcpu->mutex);
}

static struct vcpu *vcpu_alloc(struct vm *vm, u32 id)
{
	struct vcpu *vcpu = kzalloc(backend->vcpu_size, GFP_KERNEL_ACCOUNT);
	int err;

	if (!vcpu)
		return ERR_PTR(-ENOMEM);
	vcpu_init_fields(vcpu, vm, id);
	err = vcpu_init_parts(vcpu);
	if (err) {
		kfree(vcpu);
		return ERR_PTR(err);
	}
	return vcpu;
}

static int vcpu_open_fd(struct vcpu *vcpu)
{
	int fd;

	vm_get(vcpu->vm);
	fd = anon_inode_getfd("ditto-vcpu", &vcpu_fops, vcpu, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		vm_put(vcpu->vm);
	return fd;
}

/**
 * vcpu_add() - give a VM another vCPU
 * @vm: vm->lock held, or nobody sees it yet
 * @id: valid, and no other vCPU's
 *
 * Return: it, in no state: it is given that after power-on, or another vCPU's (vcpu_copy()),
 * before anybody sees it. The VM's to free. Or ERR_PTR(-ENOMEM).
 */
struct vcpu *vcpu_add(struct vm *vm, u32 id)
{
	struct vcpu *vcpu = vcpu_alloc(vm, id);
	int err;

	if (IS_ERR(vcpu))
		return vcpu;
	err = xa_insert(&vm->vcpus, vcpu->idx, vcpu, GFP_KERNEL_ACCOUNT);
	if (err) {
		vcpu_destroy(vcpu);
		return ERR_PTR(err);
	}
	return vcpu;
}

/**
 * vcpu_publish() - others may find a vCPU
 * @vcpu: of vcpu_add(), whose vm->lock is held still, or nobody sees its VM yet
 */
void vcpu_publish(struct vcpu *vcpu)
{
	smp_store_release(&vcpu->vm->nr_vcpus, vcpu->idx + 1);
}

/**
 * vcpu_create() - KVM_CREATE_VCPU
 * @vm: vm->lock held
 * @id: the VMM's number for it, also its APIC id
 *
 * Other threads can find the vCPU before its fd exists, because an fd that has been
 * installed cannot be taken back. If no fd can be made, the vCPU stays in the VM, halted
 * and unreachable from user space, until the VM is freed: a thread that found it meanwhile
 * may still use it.
 *
 * Return: an fd; -EINVAL for an id or a number of vCPUs beyond the limits, -EEXIST,
 * -ENOMEM, -EMFILE.
 */
int vcpu_create(struct vm *vm, unsigned long id)
{
	struct vcpu *vcpu;

	if (id >= DITTO_MAX_VCPU_IDS || vm->nr_vcpus >= DITTO_MAX_VCPUS)
		return -EINVAL;
	if (vm->enabled.max_vcpu_id && id >= vm->enabled.max_vcpu_id)
		return -EINVAL;
	if (vm_vcpu_by_id(vm, id))
		return -EEXIST;
	vcpu = vcpu_add(vm, id);
	if (IS_ERR(vcpu))
		return PTR_ERR(vcpu);
	vcpu_power_on(vcpu);
	vcpu_publish(vcpu);
	return vcpu_open_fd(vcpu);
}

/**
 * vcpu_release() - file_operations.release of a vCPU's fd
 * @inode: unused
 * @file: its private data is the vCPU
 *
 * Return: 0.
 */
int vcpu_release(struct inode *inode, struct file *file)
{
	struct vcpu *vcpu = file->private_data;

	vm_put(vcpu->vm);
	return 0;
}

static struct page *vcpu_page(struct vcpu *vcpu, pgoff_t offset)
{
	void *page = NULL;

	if (offset == 0)
		page = vcpu->run;
	else if (offset == KVM_PIO_PAGE_OFFSET)
		page = vcpu->pio_data;
	else if (offset == KVM_COALESCED_MMIO_PAGE_OFFSET)
		page = vm_coalesced_ring(vcpu->vm);
	else if (offset >= KVM_DIRTY_LOG_PAGE_OFFSET)
		return ring_page(&vcpu->ring, offset - KVM_DIRTY_LOG_PAGE_OFFSET);
	return page ? virt_to_page(page) : NULL;
}

static vm_fault_t vcpu_fault(struct vm_fault *vmf)
{
	struct page *page = vcpu_page(vmf->vma->vm_file->private_data, vmf->pgoff);

	/* Who is told to wait for memory tries again, without an end where there is no page. */
	if (!page)
		return VM_FAULT_SIGBUS;
	vmf->page = page;
	get_page(vmf->page);
	return 0;
}

static const struct vm_operations_struct vcpu_vm_ops = {
	.fault = vcpu_fault,
};

/* The VMM shall see what the kernel writes to a ring, and the reverse. */
static bool vcpu_maps_ring(const struct vcpu *vcpu, struct vm_area_struct *vma)
{
	pgoff_t pages = vcpu->vm->mmu.ring_bytes >> PAGE_SHIFT;

	return vma->vm_pgoff >= KVM_DIRTY_LOG_PAGE_OFFSET &&
	       vma->vm_pgoff + vma_pages(vma) <= KVM_DIRTY_LOG_PAGE_OFFSET + pages &&
	       (vma->vm_flags & (VM_SHARED | VM_EXEC)) == VM_SHARED;
}

/**
 * vcpu_mmap() - file_operations.mmap of a vCPU's fd
 * @file: the fd's
 * @vma: within the pages that KVM_GET_VCPU_MMAP_SIZE says, or within the dirty ring; gets no
 *	longer
 *
 * Return: 0 or -EINVAL.
 */
int vcpu_mmap(struct file *file, struct vm_area_struct *vma)
{
	if (vma->vm_pgoff + vma_pages(vma) > VCPU_MMAP_PAGES &&
	    !vcpu_maps_ring(file->private_data, vma))
		return -EINVAL;
	/* It was looked at here: mremap() does not ask. */
	vm_flags_set(vma, VM_DONTEXPAND);
	vma->vm_ops = &vcpu_vm_ops;
	return 0;
}

/* For a thread that wants to give the vCPU's thread its time. */
static noinline void vcpu_note_thread(struct vcpu *vcpu)
{
	struct pid *old = vcpu->thread;

	spin_lock(&vcpu->thread_lock);
	WRITE_ONCE(vcpu->thread, get_pid(task_pid(current)));
	spin_unlock(&vcpu->thread_lock);
	put_pid(old);
}

static int vcpu_run_here(struct vcpu *vcpu)
{
	int err;

	/* May take long: not for a KVM_RUN that is to return at once. */
	if (likely(!compat_immediate_exit(vcpu->run)))
		mmu_adopt(&vcpu->vm->mmu);
	vcpu_load_here(vcpu);
	err = vcpu_run(vcpu);
	vcpu_put_here(vcpu);
	return err;
}

static noinline int vcpu_run_with_sigset(struct vcpu *vcpu)
{
	int err;

	sigprocmask(SIG_SETMASK, &vcpu->sigset, &current->real_blocked);
	err = vcpu_run_here(vcpu);
	sigprocmask(SIG_SETMASK, &current->real_blocked, NULL);
	sigemptyset(&current->real_blocked);
	return err;
}

/**
 * vcpu_ioctl_run() - KVM_RUN
 * @vcpu: owned; not loaded: that is done here, without calls
 *
 * Return: as vcpu_run(); -EPERM when the VM is frozen.
 */
int vcpu_ioctl_run(struct vcpu *vcpu)
{
	if (unlikely(READ_ONCE(vcpu->vm->frozen)))
		return -EPERM;
	if (unlikely(vcpu->thread != task_pid(current)))
		vcpu_note_thread(vcpu);
	return unlikely(vcpu->sigset_active) ? vcpu_run_with_sigset(vcpu) : vcpu_run_here(vcpu);
}

/**
 * vcpu_ioctl_nmi() - KVM_NMI
 * @vcpu: owned
 *
 * Return: 0.
 */
int vcpu_ioctl_nmi(struct vcpu *vcpu)
{
	vcpu_nmi(vcpu);
	return 0;
}

/**
 * vcpu_ioctl_interrupt() - KVM_INTERRUPT
 * @vcpu: owned
 * @irq: its vector
 *
 * For VMMs that emulate the PIC.  Without a local APIC in the kernel, either, the VMM knows
 * best, and the last one counts.
 *
 * Return: 0; -EINVAL for a vector beyond 255, -ENXIO with controllers in the kernel,
 * -EEXIST while another one waits for the local APIC.
 */
int vcpu_ioctl_interrupt(struct vcpu *vcpu, struct kvm_interrupt *irq)
{
	if (irq->irq > 255)
		return -EINVAL;
	if (!vcpu->user_pic)
		return -ENXIO;
	if (vcpu->apic && vcpu->ev.user_irq >= 0)
		return -EEXIST;
	vcpu->ev.user_irq = irq->irq;
	vcpu_request(vcpu, REQ_EVENT);
	return 0;
}

/**
 * vcpu_ioctl_set_signal_mask() - KVM_SET_SIGNAL_MASK
 * @vcpu: owned
 * @arg: struct kvm_signal_mask, or NULL to have none
 *
 * Return: 0, -EINVAL or -EFAULT.
 */
int vcpu_ioctl_set_signal_mask(struct vcpu *vcpu, void __user *arg)
{
	struct kvm_signal_mask __user *umask = arg;
	struct kvm_signal_mask mask;
	sigset_t set;

	if (!arg) {
		vcpu->sigset_active = false;
		return 0;
	}
	if (copy_from_user(&mask, umask, sizeof(mask)))
		return -EFAULT;
	if (mask.len != sizeof(set))
		return -EINVAL;
	if (copy_from_user(&set, umask->sigset, sizeof(set)))
		return -EFAULT;
	sigdelsetmask(&set, sigmask(SIGKILL) | sigmask(SIGSTOP));
	vcpu->sigset = set;
	vcpu->sigset_active = true;
	return 0;
}

/**
 * vcpu_ioctl_pre_fault() - KVM_PRE_FAULT_MEMORY
 * @vcpu: owned
 * @arg: struct kvm_pre_fault_memory; says what is left to be done, also after an error
 *
 * Return: as mmu_pre_fault(); -EINVAL for flags, -EFAULT.
 */
int vcpu_ioctl_pre_fault(struct vcpu *vcpu, void __user *arg)
{
	struct kvm_pre_fault_memory range;
	int ret;

	if (copy_from_user(&range, arg, sizeof(range)))
		return -EFAULT;
	if (range.flags)
		return -EINVAL;
	ret = mmu_pre_fault(&vcpu->vm->mmu, &vcpu->streaks, &range.gpa, &range.size);
	return copy_to_user(arg, &range, sizeof(range)) ? -EFAULT : ret;
}
