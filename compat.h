/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Differences between the kernels that ditto builds for.  Distributions backport, so what a kernel
 * has is asked of its headers, here or in Kbuild; its version is, where they do not say, and in
 * compat-bugs.h.  What must be done when the module is loaded is compat.c's.
 */
#ifndef DITTO_COMPAT_H
#define DITTO_COMPAT_H

#include <linux/eventfd.h>
#include <linux/fs.h>
#include <linux/hrtimer.h>
#include <linux/kvm.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/syscore_ops.h>
#include <linux/uio.h>
#include <linux/version.h>
#include <asm/apic.h>
#include <asm/msr.h>
#include <asm/nospec-branch.h>
#include <asm/reboot.h>
#include <asm/svm.h>
#include <asm/vmx.h>

#include "compat-bugs.h"

/*
 * Later kernels, and stable ones since, hand syscore operations a datum.  The
 * build asks the header which kind it has.
 */
#ifdef DITTO_HAVE_SYSCORE
#define COMPAT_SYSCORE(name, on_suspend, on_resume, on_shutdown)	\
	static int name##_suspend(void *data) { on_suspend(); return 0; }	\
	static void name##_resume(void *data) { on_resume(); }		\
	static void name##_shutdown(void *data) { on_shutdown(); }	\
	static const struct syscore_ops name##_ops = {			\
		.suspend = name##_suspend,				\
		.resume = name##_resume,				\
		.shutdown = name##_shutdown,				\
	};								\
	static struct syscore name = { .ops = &name##_ops }
#define compat_syscore_register		register_syscore
#define compat_syscore_unregister	unregister_syscore
#else
#define COMPAT_SYSCORE(name, on_suspend, on_resume, on_shutdown)	\
	static int name##_suspend(void) { on_suspend(); return 0; }	\
	static struct syscore_ops name = {				\
		.suspend = name##_suspend,				\
		.resume = on_resume,					\
		.shutdown = on_shutdown,				\
	}
#define compat_syscore_register		register_syscore_ops
#define compat_syscore_unregister	unregister_syscore_ops
#endif

/* Has a process ever pinned pages of its own? */
static inline bool compat_mm_has_pinned(struct mm_struct *mm)
{
#ifdef DITTO_HAVE_MM_FLAGS_TEST
	return mm_flags_test(MMF_HAS_PINNED, mm);
#else
	return test_bit(MMF_HAS_PINNED, &mm->flags);
#endif
}

/* 6.12 traces reschedule IPIs from an inline function, which wants this header. */
#include <trace/events/ipi.h>

/* Later headers rename the member, to remind KVM that user space writes it. */
#ifdef HINT_UNSAFE_IN_KVM
#define compat_immediate_exit(run)	READ_ONCE((run)->immediate_exit__unsafe)
#else
#define compat_immediate_exit(run)	READ_ONCE((run)->immediate_exit)
#endif

/*
 * Who switches virtualization on and off.  Later kernels do that themselves, counting on each
 * CPU what wants it (compat_virt_on()): then VMXON and SVME are not the hypervisor's to touch,
 * and that they are on does not say that somebody else uses the CPU.
 *
 * Hypervisors tell the kernel what to call when it crashes; without, the next kernel
 * would begin with virtualization on.  The build looks for the header, and into the other.
 */
#if !(IS_ENABLED(CONFIG_KVM_INTEL) || IS_ENABLED(CONFIG_KVM_AMD))
#error "kernel built without KVM: it has nothing for hypervisors"
#elif defined(DITTO_KERNEL_OWNS_VIRT)
#include <asm/virt.h>
#define COMPAT_KERNEL_OWNS_VIRT		true
#define compat_virt_on(feature)		x86_virt_get_ref(feature)
#define compat_virt_off(feature)	x86_virt_put_ref(feature)
#define compat_emergency_register	x86_virt_register_emergency_callback
#define compat_emergency_unregister	x86_virt_unregister_emergency_callback
#elif defined(DITTO_HAVE_EMERGENCY)
#define COMPAT_KERNEL_OWNS_VIRT		false
#define compat_virt_on(feature)		0
#define compat_virt_off(feature)	do { } while (0)
#define compat_emergency_register	cpu_emergency_register_virt_callback
#define compat_emergency_unregister	cpu_emergency_unregister_virt_callback
#else
#error "kernel without cpu_emergency_register_virt_callback()"
#endif

/*
 * What later kernels export for KVM's modules only, compat.c finds when ditto is loaded.
 * Functions keep their names; variables are reached through pointers.
 */
#ifdef DITTO_KERNEL_EXPORTS_FOR_KVM
#include <asm/processor.h>
extern enum l1tf_mitigations *compat_l1tf;
extern enum vmx_l1d_flush_state *compat_l1tf_vmx;
int compat_init(void);
#else
static inline int compat_init(void) { return 0; }
#endif

/* 6.15: CPUID has a directory of its own. */
#ifdef DITTO_HAVE_CPUID_API
#include <asm/cpuid/api.h>
#endif

/*
 * MMIO stale data: the CPU's buffers are to be cleared for a guest that reaches a device's
 * memory, though not for others.
 */
#ifdef X86_FEATURE_CLEAR_CPU_BUF_VM_MMIO
#define compat_clear_for_devices()	cpu_feature_enabled(X86_FEATURE_CLEAR_CPU_BUF_VM_MMIO)
#else
#define compat_clear_for_devices()	static_branch_unlikely(&mmio_stale_data_clear)
#endif

/* 6.16: MSRs of 64 bits have another letter. */
#ifndef rdmsrl
#define rdmsrl		rdmsrq
#define rdmsrl_safe	rdmsrq_safe
#define wrmsrl		wrmsrq
#define wrmsrl_safe	wrmsrq_safe
#define native_wrmsrl	native_wrmsrq
#endif

/* 6.17: work on the way to a guest is no longer told about KVM's vCPU. */
#ifdef DITTO_HAVE_ENTRY_VIRT
#include <linux/entry-virt.h>
#define compat_guest_mode_work(vcpu)	((void)(vcpu), xfer_to_guest_mode_handle_work())
#else
#include <linux/entry-kvm.h>
#define compat_guest_mode_work(vcpu)	xfer_to_guest_mode_handle_work(vcpu)
#endif

/* 7.0: members of the VMCB have the names that the manual has. */
#ifdef SVM_MISC_ENABLE_NP
#define compat_vmcb_enable_np(control)	((control)->misc_ctl = SVM_MISC_ENABLE_NP)
#else
#define compat_vmcb_enable_np(control)	((control)->nested_ctl = SVM_NESTED_CTL_NP_ENABLE)
#endif

/* 6.13: a timer gets its function when it is made. */
#ifndef DITTO_HAVE_HRTIMER_SETUP
static inline void hrtimer_setup(struct hrtimer *timer,
				 enum hrtimer_restart (*function)(struct hrtimer *),
				 clockid_t clock, enum hrtimer_mode mode)
{
	hrtimer_init(timer, clock, mode);
	timer->function = function;
}
#endif

/* What a notifier says of a page's age: a bool in later kernels, else an int. */
typedef typeof(((struct mmu_notifier_ops *)NULL)->clear_young(NULL, NULL, 0, 0)) compat_young_t;

/* 6.9: the host may take its events through FRED. */
#ifdef X86_CR4_FRED
#define compat_host_uses_fred()	boot_cpu_has(X86_FEATURE_FRED)
#else
#define compat_host_uses_fred()	false
#endif

/* 6.12: named in <asm/vmx.h>; before, in KVM. */
#ifndef VMX_BASIC_TRUE_CTLS
#define VMX_BASIC_TRUE_CTLS	BIT_ULL(55)
#endif

/* Earlier headers have another name for it. */
#ifndef SECONDARY_EXEC_ENABLE_XSAVES
#define SECONDARY_EXEC_ENABLE_XSAVES	SECONDARY_EXEC_XSAVES
#endif

/*
 * A kernel without KVM for Intel's CPUs does not say which L1TF mitigation is wanted, does
 * not record that interrupt handlers ran, and has no place to report the mitigation that we
 * use.
 */
#if IS_ENABLED(CONFIG_KVM_INTEL)
#ifdef DITTO_KERNEL_EXPORTS_FOR_KVM
#define compat_l1tf_wanted()		(*compat_l1tf)
#define compat_report_l1tf(state)	(*compat_l1tf_vmx = (state))
#else
#define compat_l1tf_wanted()		l1tf_mitigation
#define compat_report_l1tf(state)	(l1tf_vmx_mitigation = (state))
#endif
#define compat_irqs_ran()		kvm_get_cpu_l1tf_flush_l1d()
#define compat_forget_irqs()		kvm_clear_cpu_l1tf_flush_l1d()
#else
#define compat_l1tf_wanted()		L1TF_MITIGATION_FULL
#define compat_irqs_ran()		true
#define compat_forget_irqs()		do { } while (0)
#define compat_report_l1tf(state)	((void)(state))
#endif

/* 6.8: what the API has, whatever the kernel's headers have. */
#ifndef KVM_SET_USER_MEMORY_REGION2
struct kvm_userspace_memory_region2 {
	__u32 slot;
	__u32 flags;
	__u64 guest_phys_addr;
	__u64 memory_size;
	__u64 userspace_addr;
	__u64 guest_memfd_offset;
	__u32 guest_memfd;
	__u32 pad1;
	__u64 pad2[14];
};
#define KVM_SET_USER_MEMORY_REGION2	_IOW(KVMIO, 0x49, struct kvm_userspace_memory_region2)
#define KVM_CAP_USER_MEMORY2		231
#endif

/* 6.8: likewise; memory that only the guest sees. */
#ifndef KVM_CREATE_GUEST_MEMFD
struct kvm_memory_attributes {
	__u64 address;
	__u64 size;
	__u64 attributes;
	__u64 flags;
};
struct kvm_create_guest_memfd {
	__u64 size;
	__u64 flags;
	__u64 reserved[6];
};
#define KVM_SET_MEMORY_ATTRIBUTES	_IOW(KVMIO, 0xd2, struct kvm_memory_attributes)
#define KVM_CREATE_GUEST_MEMFD		_IOWR(KVMIO, 0xd4, struct kvm_create_guest_memfd)
#define KVM_MEMORY_ATTRIBUTE_PRIVATE	(1ULL << 3)
#define KVM_MEM_GUEST_MEMFD		(1UL << 2)
#define KVM_CAP_MEMORY_FAULT_INFO	232
#define KVM_CAP_MEMORY_ATTRIBUTES	233
#define KVM_CAP_GUEST_MEMFD		234
#define KVM_CAP_VM_TYPES		235
#define KVM_X86_DEFAULT_VM		0
#define KVM_X86_SW_PROTECTED_VM		1
#define KVM_EXIT_MEMORY_FAULT		39
#define KVM_MEMORY_EXIT_FLAG_PRIVATE	(1ULL << 3)
#define compat_memory_fault(run)	((struct compat_memory_fault *)&(run)->padding)
#else
#define compat_memory_fault(run)	(&(run)->memory_fault)
#endif

/* 6.18: likewise; that memory can be mapped. */
#ifndef KVM_CAP_GUEST_MEMFD_FLAGS
#define KVM_CAP_GUEST_MEMFD_FLAGS	244
#define GUEST_MEMFD_FLAG_MMAP		(1ULL << 0)
#define GUEST_MEMFD_FLAG_INIT_SHARED	(1ULL << 1)
#endif

/* What kvm_run says with KVM_EXIT_MEMORY_FAULT, in headers that do not know it. */
struct compat_memory_fault {
	__u64 flags;
	__u64 gpa;
	__u64 size;
};

/* 6.11: likewise. */
#ifndef KVM_PRE_FAULT_MEMORY
struct kvm_pre_fault_memory {
	__u64 gpa;
	__u64 size;
	__u64 flags;
	__u64 padding[5];
};
#define KVM_PRE_FAULT_MEMORY		_IOWR(KVMIO, 0xd5, struct kvm_pre_fault_memory)
#define KVM_CAP_PRE_FAULT_MEMORY	236
#endif

/* 6.6: the ways to send IPIs are static calls. */
#ifdef DITTO_HAVE_APIC_CALLS
#define compat_send_ipi(cpu, vector)	__apic_send_IPI_mask(cpumask_of(cpu), vector)
#else
#define compat_send_ipi(cpu, vector)	apic->send_IPI_mask(cpumask_of(cpu), vector)
#endif

/* 6.2: RCU finds out on which CPU it is. */
#ifdef DITTO_RCU_KNOWS_CPU
#define compat_rcu_note_guest()	rcu_virt_note_context_switch()
#else
#define compat_rcu_note_guest()	rcu_virt_note_context_switch(smp_processor_id())
#endif

/* 6.2: RSS is counted per CPU. The kernel's own function traces, for itself only. */
#ifdef DITTO_RSS_PER_CPU
#define compat_mm_rss_add(mm, n)	percpu_counter_add(&(mm)->rss_stat[MM_SHMEMPAGES], n)
#else
#define compat_mm_rss_add(mm, n)	atomic_long_add(n, &(mm)->rss_stat.count[MM_SHMEMPAGES])
#endif

#ifndef __counted_by
#define __counted_by(member)
#endif

/* 6.8: eventfds are signalled by one at a time. */
#ifdef DITTO_EVENTFD_BY_ONE
#define compat_eventfd_signal(ctx)	eventfd_signal(ctx)
#else
#define compat_eventfd_signal(ctx)	eventfd_signal(ctx, 1)
#endif

/* 6.3: inode operations take an idmap. */
#ifndef DITTO_HAVE_IDMAP
#define mnt_idmap user_namespace
#endif

/* 6.3: VMA flags are changed by helpers. */
#ifndef DITTO_HAVE_VM_FLAGS_SET
static inline void vm_flags_set(struct vm_area_struct *vma, vm_flags_t flags)
{
	vma->vm_flags |= flags;
}
#endif

/* 6.4: a mapping has a lock of its own, by which pages are faulted in without mmap_lock. */
#ifdef CONFIG_PER_VMA_LOCK
#define compat_vma_start_write(vma)	vma_start_write(vma)
#else
#define compat_vma_start_write(vma)	((void)(vma))
#endif

/* 6.10: memory whose mapping cannot be changed. */
#ifdef VM_SEALED
#define COMPAT_VM_SEALED		VM_SEALED
#else
#define COMPAT_VM_SEALED		0
#endif

/* Where the mapping's pages are to come from, if it says so. */
#ifdef CONFIG_NUMA
#define compat_vma_policy(vma)		((vma)->vm_policy)
#else
#define compat_vma_policy(vma)		NULL
#endif

/*
 * 6.2: get_user_pages() can be told to give up when a signal comes.  The build asks
 * the header.
 */
#ifdef DITTO_HAVE_FOLL_INTERRUPTIBLE
#define COMPAT_FOLL_INTERRUPTIBLE	FOLL_INTERRUPTIBLE
#else
#define COMPAT_FOLL_INTERRUPTIBLE	0
#endif

/*
 * The frame that a VM_IO or VM_PFNMAP area has at an address: 0, or -errno when there is
 * none. mmap_lock is held. 6.12 has its own interface for this.
 */
#ifdef DITTO_HAVE_FOLLOW_PFNMAP
static inline int compat_follow_pfn(struct vm_area_struct *vma, unsigned long addr,
				    u64 *pfn, bool *writable)
{
	struct follow_pfnmap_args args = { .vma = vma, .address = addr };
	int err = follow_pfnmap_start(&args);

	if (err)
		return err;
	*pfn = args.pfn;
	*writable = args.writable;
	follow_pfnmap_end(&args);
	return 0;
}
#else
static inline int compat_follow_pfn(struct vm_area_struct *vma, unsigned long addr,
				    u64 *pfn, bool *writable)
{
	spinlock_t *lock;
	pte_t *pte;
	int err = follow_pte(vma->vm_mm, addr, &pte, &lock);

	if (err)
		return err;
	*pfn = pte_pfn(*pte);
	*writable = pte_write(*pte);
	/* For sparse, which does not see follow_pte() take it. */
	__acquire(lock);
	pte_unmap_unlock(pte, lock);
	return 0;
}
#endif

/* 6.6 and 6.7: times of inodes are set by helpers. */
#if defined(DITTO_HAVE_INODE_MTIME)
#define compat_inode_init_times(inode)	simple_inode_init_ts(inode)
#define compat_inode_touch(inode)						\
	inode_set_mtime_to_ts(inode, inode_set_ctime_current(inode))
#elif defined(DITTO_HAVE_INODE_CTIME)
#define compat_inode_init_times(inode)						\
	((inode)->i_atime = (inode)->i_mtime = inode_set_ctime_current(inode))
#define compat_inode_touch(inode)	((inode)->i_mtime = inode_set_ctime_current(inode))
#else
#define compat_inode_init_times(inode)						\
	((inode)->i_atime = (inode)->i_mtime = (inode)->i_ctime = current_time(inode))
#define compat_inode_touch(inode)						\
	((inode)->i_mtime = (inode)->i_ctime = current_time(inode))
#endif

/* 6.3: without id mapping, which our mounts do not have. */
#ifdef DITTO_HAVE_IDMAP
#define compat_init_owner(inode, dir, mode)	inode_init_owner(&nop_mnt_idmap, inode, dir, mode)
#define compat_is_owner(inode)	inode_owner_or_capable(&nop_mnt_idmap, inode)
#else
#define compat_init_owner(inode, dir, mode)	inode_init_owner(&init_user_ns, inode, dir, mode)
#define compat_is_owner(inode)	inode_owner_or_capable(&init_user_ns, inode)
#endif

/* 6.5: splicing copies pages instead of lending them. Before, read_iter decides, which copies. */
#ifdef DITTO_HAVE_COPY_SPLICE
#define compat_splice_read	copy_splice_read
#else
#define compat_splice_read	generic_file_splice_read
#endif

/*
 * 6.19: the kernel marks dentries that stay until they are unlinked; before, they are only
 * held.
 */
#ifdef DITTO_HAVE_PERSISTENT_DENTRIES
#define compat_dentry_stays(dentry, inode)	d_make_persistent(dentry, inode)
#define compat_kill_super			kill_anon_super
#else
#define compat_dentry_stays(dentry, inode)			\
	do {							\
		d_instantiate(dentry, inode);			\
		dget(dentry);					\
	} while (0)
#define compat_kill_super			kill_litter_super
#endif

/* 7.3: files are always created as with O_EXCL; before, a last parameter says so. */
#ifdef DITTO_CREATE_EXCL
#define COMPAT_CREATE_EXCL		, bool excl
#else
#define COMPAT_CREATE_EXCL
#endif

/* 6.15: mkdir may return another dentry. */
#ifdef DITTO_MKDIR_DENTRY
#define COMPAT_MKDIR			struct dentry *
#define compat_mkdir_result(err)	ERR_PTR(err)
#else
#define COMPAT_MKDIR			int
#define compat_mkdir_result(err)	(err)
#endif

/* 6.6: generic_fillattr() takes the request mask. */
#ifdef DITTO_FILLATTR_MASK
#define compat_fillattr(idmap, mask, inode, stat) generic_fillattr(idmap, mask, inode, stat)
#else
#define compat_fillattr(idmap, mask, inode, stat) generic_fillattr(idmap, inode, stat)
#endif

/* How long a thread has waited for a CPU, ns; see sched_info_on(). */
#ifdef CONFIG_SCHED_INFO
#define compat_run_delay(task)		((task)->sched_info.run_delay)
#else
#define compat_run_delay(task)		0ULL
#endif

/* 6.4: flags of a hypercall's exit, of which the first was longmode. */
#ifndef KVM_EXIT_HYPERCALL_LONG_MODE
#define compat_hypercall_flags(run)	((run)->hypercall.longmode)
#define KVM_EXIT_HYPERCALL_LONG_MODE	1
#else
#define compat_hypercall_flags(run)	((run)->hypercall.flags)
#endif

/* 6.11: a VMM sets the frequency of the local APICs' timers. */
#ifndef KVM_CAP_X86_APIC_BUS_CYCLES_NS
#define KVM_CAP_X86_APIC_BUS_CYCLES_NS	237
#endif

/* 6.14: a VMM may want feature MSRs to begin with 0. */
#ifndef KVM_X86_QUIRK_SLOT_ZAP_ALL
#define KVM_X86_QUIRK_SLOT_ZAP_ALL	(1 << 7)
#endif
#ifndef KVM_X86_QUIRK_STUFF_FEATURE_MSRS
#define KVM_X86_QUIRK_STUFF_FEATURE_MSRS	(1 << 8)
#endif

/* 6.2: directions of iterators have names that say whose they are. */
#ifndef ITER_SOURCE
#define ITER_SOURCE	WRITE
#define ITER_DEST	READ
#endif

/* 6.8: vfs_iter_write() itself waits for a file system that is frozen, which no header tells. */
static inline ssize_t compat_iter_write(struct file *file, struct iov_iter *iter, loff_t *pos,
					rwf_t flags)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 8, 0)
	return vfs_iter_write(file, iter, pos, flags);
#else
	ssize_t n;

	file_start_write(file);
	n = vfs_iter_write(file, iter, pos, flags);
	file_end_write(file);
	return n;
#endif
}

/*
 * A thread that works for the calling process, with its memory: @fn is called again and again,
 * and the thread sleeps when it returns false; it is called in TASK_INTERRUPTIBLE. @killed is
 * called when the thread ends without compat_worker_stop(); then it must not be woken any more.
 *
 * 6.10: such threads are the process's own: its cgroups, limits and end are theirs. Before, and
 * where the kernel has none, compat_worker.c makes them.
 */
#ifdef DITTO_HAVE_VHOST_TASK
#include <linux/sched/vhost_task.h>

#define compat_worker			vhost_task
#define compat_worker_start(w)		vhost_task_start(w)
#define compat_worker_wake(w)		vhost_task_wake(w)
#define compat_worker_stop(w)		vhost_task_stop(w)

static inline struct vhost_task *compat_worker_create(bool (*fn)(void *), void (*killed)(void *),
						      void *arg, const char *name)
{
	struct vhost_task *w = vhost_task_create(fn, killed, arg, name);

	return w ?: ERR_PTR(-ENOMEM);
}
#else
struct compat_worker *compat_worker_create(bool (*fn)(void *), void (*killed)(void *), void *arg,
					   const char *name);
void compat_worker_start(struct compat_worker *w);
void compat_worker_wake(struct compat_worker *w);
void compat_worker_stop(struct compat_worker *w);
#endif

#endif
