// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ioctls, as tables.  An entry says what its handler takes, which direction
 * the argument goes, and which lock is held; the dispatcher does the copying
 * and the locking, once.  An ioctl that is in no table is -ENOTTY.
 */
#include <linux/fs.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/uaccess.h>

#include "compat.h"
#include "core/fork.h"
#include "core/ioctl.h"
#include "core/vcpu.h"
#include "core/vm.h"
#include "gmem/fork.h"
#include "gmem/gmem.h"
#include "mmu/mmu.h"
#include "virtio/device.h"
#include "x86/board/coalesced.h"
#include "x86/board/ioeventfd.h"
#include "x86/board/irqchip.h"
#include "x86/board/irqfd.h"
#include "x86/board/lapic_state.h"
#include "x86/board/lapic_timer.h"
#include "x86/board/pit.h"
#include "x86/board/vapic.h"
#include "x86/cpu/clock.h"
#include "x86/cpu/cpuid.h"
#include "x86/cpu/cpuid_host.h"
#include "x86/cpu/fpu.h"
#include "x86/machine/vm.h"
#include "x86/run/debug.h"
#include "x86/run/kvmclock.h"
#include "x86/run/mce.h"
#include "x86/run/msr.h"
#include "x86/run/msr_filter.h"
#include "x86/run/regs.h"
#include "x86/run/sregs.h"

#define IN	BIT(0)	/* the fixed-size argument is copied in */
#define OUT	BIT(1)	/* ... and out, when the handler gives no error */
/* VM: vm->lock; vCPU: its mutex, and it is loaded; virtio: see vdev_lock() */
#define LOCK	BIT(2)
#define VALUE	BIT(3)	/* the argument is a number */
#define USER	BIT(4)	/* the argument is a pointer that the handler follows */

/**
 * struct ioctl_entry - one ioctl
 * @cmd: the whole number, argument's size included
 * @flags: above.  Without IN, OUT, VALUE and USER there is no argument: callers leave
 *	in the register what lies there, and nobody looks at it
 * @fn: object and argument; result of the ioctl
 */
struct ioctl_entry {
	unsigned int cmd;
	unsigned int flags;
	long (*fn)(void *obj, void *arg);
};

/* Handlers take typed arguments; these wrappers give them the type that the table needs. */
#define BY_STRUCT(handler)						\
	static long do_##handler(void *obj, void *arg) { return handler(obj, arg); }
#define BY_VALUE(handler)						\
	static long do_##handler(void *obj, void *arg) { return handler(obj, (unsigned long)arg); }
#define BY_USER(handler)						\
	static long do_##handler(void *obj, void *arg) { return handler(obj, (void __user *)arg); }
#define BY_NOTHING(handler)						\
	static long do_##handler(void *obj, void *none) { return handler(obj); }

static int system_version(void *none)
{
	return KVM_API_VERSION;
}

static int system_create_vm(void *none, unsigned long type)
{
	return vm_create(type);
}

static int system_check_extension(void *none, unsigned long cap)
{
	return caps_check(NULL, cap);
}

static int system_mmap_size(void *none)
{
	return VCPU_MMAP_PAGES * PAGE_SIZE;
}

static int system_create_gmem(void *none, struct ditto_create_gmem *args)
{
	return gmem_ioctl_create(args);
}

static int system_list_vms(void *none, struct ditto_vm_list *args)
{
	return vm_list(args);
}

static int system_vm_stats(void *none, struct ditto_vm_stats *args)
{
	return system_ioctl_vm_stats(args);
}

static int system_supported_cpuid(void *none, void __user *arg)
{
	return cpuid_ioctl_get_supported(arg);
}

static int system_emulated_cpuid(void *none, void __user *arg)
{
	return cpuid_ioctl_get_emulated(arg);
}

static int system_msr_index_list(void *none, void __user *arg)
{
	return msr_ioctl_index_list(arg);
}

static int system_msr_feature_index_list(void *none, void __user *arg)
{
	return msr_ioctl_feature_index_list(arg);
}

static int system_get_msrs(void *none, void __user *arg)
{
	return msr_ioctl_get_features(arg);
}

static int system_mce_supported(void *none, u64 *cap)
{
	return mce_ioctl_supported(cap);
}

static int system_has_attr(void *none, struct kvm_device_attr *attr)
{
	return system_ioctl_has_attr(attr);
}

static int system_get_attr(void *none, struct kvm_device_attr *attr)
{
	return system_ioctl_get_attr(attr);
}

BY_NOTHING(system_version)
BY_VALUE(system_create_vm)
BY_VALUE(system_check_extension)
BY_NOTHING(system_mmap_size)
BY_STRUCT(system_create_gmem)
BY_STRUCT(system_list_vms)
BY_STRUCT(system_vm_stats)
BY_USER(system_supported_cpuid)
BY_USER(system_emulated_cpuid)
BY_USER(system_msr_index_list)
BY_USER(system_msr_feature_index_list)
BY_USER(system_get_msrs)
BY_STRUCT(system_mce_supported)
BY_STRUCT(system_has_attr)
BY_STRUCT(system_get_attr)

static struct ioctl_entry system_ioctls[] __ro_after_init = {
	{ KVM_GET_API_VERSION, 0, do_system_version },
	{ KVM_CREATE_VM, VALUE, do_system_create_vm },
	{ KVM_CHECK_EXTENSION, VALUE, do_system_check_extension },
	{ KVM_GET_VCPU_MMAP_SIZE, 0, do_system_mmap_size },
	{ KVM_GET_SUPPORTED_CPUID, USER, do_system_supported_cpuid },
	{ KVM_GET_EMULATED_CPUID, USER, do_system_emulated_cpuid },
	{ KVM_GET_MSR_INDEX_LIST, USER, do_system_msr_index_list },
	{ KVM_GET_MSR_FEATURE_INDEX_LIST, USER, do_system_msr_feature_index_list },
	{ KVM_GET_MSRS, USER, do_system_get_msrs },
	{ KVM_X86_GET_MCE_CAP_SUPPORTED, OUT, do_system_mce_supported },
	{ KVM_HAS_DEVICE_ATTR, IN, do_system_has_attr },
	{ KVM_GET_DEVICE_ATTR, IN, do_system_get_attr },
	{ DITTO_CREATE_GMEM, IN, do_system_create_gmem },
	{ DITTO_LIST_VMS, IN | OUT, do_system_list_vms },
	{ DITTO_VM_STATS, IN | OUT, do_system_vm_stats },
};

static int vm_check_extension(struct vm *vm, unsigned long cap)
{
	return caps_check(vm, cap);
}

static int vm_set_user_region(struct vm *vm, struct kvm_userspace_memory_region *r)
{
	return mmu_set_user_region(&vm->mmu, r);
}

static int vm_set_user_region2(struct vm *vm, struct kvm_userspace_memory_region2 *r)
{
	return mmu_set_user_region2(&vm->mmu, r);
}

static int vm_create_guest_memfd(struct vm *vm, struct kvm_create_guest_memfd *args)
{
	u32 how = (args->flags & GUEST_MEMFD_FLAG_MMAP ? GMEM_GUEST_MAP : 0) |
		  (args->flags & GUEST_MEMFD_FLAG_INIT_SHARED ? GMEM_GUEST_SHARED : 0);

	if (args->flags & ~mmu_guest_memfd_flags(&vm->mmu))
		return -EINVAL;
	return gmem_create_guest(args->size, vm->mmu.owner, how);
}

static int vm_set_attributes(struct vm *vm, struct kvm_memory_attributes *args)
{
	return mmu_set_attributes(&vm->mmu, args);
}

static int vm_set_gmem_region(struct vm *vm, struct ditto_gmem_region *r)
{
	return mmu_set_gmem_region(&vm->mmu, r);
}

/* A process that has a machine gets no more of its memory than the machine has. */
static int vm_slot_gmem(struct vm *vm, unsigned long slot)
{
	bool readonly;
	struct gmem *gmem = mmu_slot_gmem(&vm->mmu, slot, &readonly);

	if (IS_ERR(gmem))
		return PTR_ERR(gmem);
	return gmem_open(gmem, readonly ? O_RDONLY : O_RDWR);
}

static int vm_get_dirty_log(struct vm *vm, struct kvm_dirty_log *args)
{
	return mmu_get_dirty_log(&vm->mmu, args);
}

static int vm_clear_dirty_log(struct vm *vm, struct kvm_clear_dirty_log *args)
{
	return mmu_clear_dirty_log(&vm->mmu, args);
}

static int vm_set_nr_mmu_pages(struct vm *vm, unsigned long nr)
{
	return mmu_set_max_tables(&vm->mmu, nr);
}

BY_VALUE(vm_check_extension)
BY_VALUE(vm_set_nr_mmu_pages)
BY_VALUE(vcpu_create)
BY_STRUCT(vm_set_user_region)
BY_STRUCT(vm_set_user_region2)
BY_STRUCT(vm_create_guest_memfd)
BY_STRUCT(vm_set_attributes)
BY_STRUCT(vm_set_gmem_region)
BY_VALUE(vm_slot_gmem)
BY_STRUCT(vm_ioctl_enable_cap)
BY_STRUCT(vm_get_dirty_log)
BY_STRUCT(vm_clear_dirty_log)
BY_NOTHING(vm_ioctl_reset_rings)
BY_STRUCT(msr_filter_ioctl_set)
#ifdef CONFIG_COMPAT
BY_STRUCT(msr_filter_ioctl_set32)
#endif
BY_STRUCT(vm_ioctl_set_name)
BY_VALUE(vm_ioctl_set_policy)
BY_STRUCT(vm_ioctl_memory)
BY_VALUE(vm_ioctl_set_tss_addr)
BY_STRUCT(vm_ioctl_set_identity_map_addr)
BY_VALUE(vm_ioctl_set_boot_cpu_id)
BY_NOTHING(irqchip_create)
BY_STRUCT(irqchip_ioctl_create_pit)
BY_NOTHING(irqchip_ioctl_create_pit1)
BY_STRUCT(irqchip_ioctl_get_pit1)
BY_STRUCT(irqchip_ioctl_set_pit1)
BY_STRUCT(irqchip_ioctl_get_chip)
BY_STRUCT(irqchip_ioctl_set_chip)
BY_USER(irqchip_ioctl_reinject)
BY_STRUCT(irqchip_ioctl_get_pit)
BY_STRUCT(irqchip_ioctl_set_pit)
BY_STRUCT(irqchip_ioctl_irq_line)
BY_STRUCT(irqchip_ioctl_signal_msi)
BY_USER(irqchip_set_routing)
BY_STRUCT(irqfd_ioctl)
BY_STRUCT(ioeventfd_ioctl)
BY_STRUCT(vm_ioctl_register_coalesced)
BY_STRUCT(vm_ioctl_unregister_coalesced)
BY_STRUCT(vm_ioctl_get_clock)
BY_STRUCT(vm_set_clock)
BY_NOTHING(vm_ioctl_get_tsc_khz)
BY_VALUE(vm_ioctl_set_tsc_khz)
BY_NOTHING(vm_ioctl_stats_fd)
BY_USER(vm_ioctl_fork)
BY_NOTHING(vm_ioctl_thaw)
BY_NOTHING(vm_ioctl_reset)
BY_NOTHING(vm_ioctl_unblock)
BY_STRUCT(vm_ioctl_create_virtio)

static struct ioctl_entry vm_ioctls[] __ro_after_init = {
	{ KVM_IRQ_LINE, IN, do_irqchip_ioctl_irq_line },
	{ KVM_IRQ_LINE_STATUS, IN | OUT, do_irqchip_ioctl_irq_line },
	{ KVM_SIGNAL_MSI, IN, do_irqchip_ioctl_signal_msi },
	{ KVM_CHECK_EXTENSION, VALUE, do_vm_check_extension },
	{ KVM_ENABLE_CAP, IN | LOCK, do_vm_ioctl_enable_cap },
	{ KVM_X86_SET_MSR_FILTER, IN | LOCK, do_msr_filter_ioctl_set },
#ifdef CONFIG_COMPAT
	{ MSR_FILTER32, IN | LOCK, do_msr_filter_ioctl_set32 },
#endif
	{ KVM_CREATE_VCPU, VALUE | LOCK, do_vcpu_create },
	{ KVM_SET_USER_MEMORY_REGION, IN | LOCK, do_vm_set_user_region },
	{ KVM_SET_USER_MEMORY_REGION2, IN | LOCK, do_vm_set_user_region2 },
	{ KVM_CREATE_GUEST_MEMFD, IN, do_vm_create_guest_memfd },
	{ KVM_SET_MEMORY_ATTRIBUTES, IN, do_vm_set_attributes },
	{ KVM_SET_NR_MMU_PAGES, VALUE, do_vm_set_nr_mmu_pages },
	{ DITTO_SET_GMEM_REGION, IN | LOCK, do_vm_set_gmem_region },
	{ DITTO_SLOT_GMEM, VALUE, do_vm_slot_gmem },
	{ KVM_GET_DIRTY_LOG, IN, do_vm_get_dirty_log },
	{ KVM_CLEAR_DIRTY_LOG, IN, do_vm_clear_dirty_log },
	{ KVM_RESET_DIRTY_RINGS, 0, do_vm_ioctl_reset_rings },
	{ DITTO_SET_NAME, IN | LOCK, do_vm_ioctl_set_name },
	{ DITTO_SET_POLICY, VALUE, do_vm_ioctl_set_policy },
	{ DITTO_MEMORY, OUT, do_vm_ioctl_memory },
	{ KVM_SET_TSS_ADDR, VALUE | LOCK, do_vm_ioctl_set_tss_addr },
	{ KVM_SET_IDENTITY_MAP_ADDR, IN | LOCK, do_vm_ioctl_set_identity_map_addr },
	{ KVM_SET_BOOT_CPU_ID, VALUE | LOCK, do_vm_ioctl_set_boot_cpu_id },
	{ KVM_CREATE_IRQCHIP, LOCK, do_irqchip_create },
	{ KVM_CREATE_PIT, LOCK, do_irqchip_ioctl_create_pit1 },
	{ KVM_CREATE_PIT2, IN | LOCK, do_irqchip_ioctl_create_pit },
	{ KVM_GET_IRQCHIP, IN | OUT, do_irqchip_ioctl_get_chip },
	{ KVM_SET_IRQCHIP, IN, do_irqchip_ioctl_set_chip },
	/* The ioctl's number does not say that it has an argument, or of which size. */
	{ KVM_REINJECT_CONTROL, USER, do_irqchip_ioctl_reinject },
	{ KVM_GET_PIT, IN | OUT, do_irqchip_ioctl_get_pit1 },
	/* Its number has the direction wrong. */
	{ KVM_SET_PIT, IN, do_irqchip_ioctl_set_pit1 },
	{ KVM_GET_PIT2, OUT, do_irqchip_ioctl_get_pit },
	{ KVM_SET_PIT2, IN, do_irqchip_ioctl_set_pit },
	{ KVM_SET_GSI_ROUTING, USER, do_irqchip_set_routing },
	{ KVM_IRQFD, IN, do_irqfd_ioctl },
	{ KVM_IOEVENTFD, IN, do_ioeventfd_ioctl },
	{ KVM_REGISTER_COALESCED_MMIO, IN | LOCK, do_vm_ioctl_register_coalesced },
	{ KVM_UNREGISTER_COALESCED_MMIO, IN | LOCK, do_vm_ioctl_unregister_coalesced },
	{ KVM_GET_CLOCK, OUT | LOCK, do_vm_ioctl_get_clock },
	{ KVM_SET_CLOCK, IN | LOCK, do_vm_set_clock },
	{ KVM_GET_TSC_KHZ, LOCK, do_vm_ioctl_get_tsc_khz },
	{ KVM_SET_TSC_KHZ, VALUE | LOCK, do_vm_ioctl_set_tsc_khz },
	{ KVM_GET_STATS_FD, 0, do_vm_ioctl_stats_fd },
	/* Copies the fds' numbers out before it installs them: after that nothing may fail. */
	{ DITTO_FORK, USER, do_vm_ioctl_fork },
	{ DITTO_THAW, LOCK, do_vm_ioctl_thaw },
	{ DITTO_RESET, LOCK, do_vm_ioctl_reset },
	{ DITTO_UNBLOCK, LOCK, do_vm_ioctl_unblock },
	{ DITTO_CREATE_VIRTIO, IN, do_vm_ioctl_create_virtio },
};

BY_NOTHING(vcpu_ioctl_nmi)
BY_STRUCT(vcpu_ioctl_enable_cap)
BY_STRUCT(vcpu_ioctl_interrupt)
BY_USER(vcpu_ioctl_set_signal_mask)
BY_USER(vcpu_ioctl_pre_fault)
BY_STRUCT(vcpu_ioctl_get_regs)
BY_STRUCT(vcpu_ioctl_set_regs)
BY_STRUCT(vcpu_ioctl_get_sregs)
BY_STRUCT(vcpu_ioctl_set_sregs)
BY_STRUCT(vcpu_ioctl_get_sregs2)
BY_STRUCT(vcpu_ioctl_set_sregs2)
BY_STRUCT(vcpu_ioctl_translate)
BY_STRUCT(vcpu_ioctl_get_fpu)
BY_STRUCT(vcpu_ioctl_set_fpu)
BY_USER(vcpu_ioctl_get_xsave)
BY_USER(vcpu_ioctl_get_xsave2)
BY_USER(vcpu_ioctl_set_xsave)
BY_STRUCT(vcpu_ioctl_get_xcrs)
BY_STRUCT(vcpu_ioctl_set_xcrs)
BY_USER(vcpu_ioctl_set_cpuid)
BY_USER(vcpu_ioctl_set_cpuid2)
BY_USER(vcpu_ioctl_get_cpuid2)
BY_USER(vcpu_ioctl_get_msrs)
BY_USER(vcpu_ioctl_set_msrs)
BY_STRUCT(vcpu_ioctl_get_debugregs)
BY_STRUCT(vcpu_ioctl_set_debugregs)
BY_STRUCT(vcpu_ioctl_set_guest_debug)
BY_STRUCT(vcpu_ioctl_get_vcpu_events)
BY_STRUCT(vcpu_ioctl_set_vcpu_events)
BY_STRUCT(vcpu_ioctl_get_mp_state)
BY_STRUCT(vcpu_ioctl_set_mp_state)
BY_STRUCT(vlapic_ioctl_get)
BY_STRUCT(vlapic_ioctl_set)
BY_STRUCT(vlapic_ioctl_tpr_reporting)
BY_STRUCT(vlapic_ioctl_set_vapic)
BY_NOTHING(vcpu_ioctl_get_tsc_khz)
BY_VALUE(vcpu_ioctl_set_tsc_khz)
BY_NOTHING(vcpu_ioctl_kvmclock_ctrl)
BY_STRUCT(vcpu_ioctl_setup_mce)
BY_STRUCT(vcpu_ioctl_set_mce)
BY_STRUCT(vcpu_ioctl_has_attr)
BY_STRUCT(vcpu_ioctl_get_attr)
BY_STRUCT(vcpu_ioctl_set_attr)
BY_NOTHING(vcpu_ioctl_stats_fd)

static struct ioctl_entry vcpu_ioctls[] __ro_after_init = {
	{ KVM_GET_REGS, OUT | LOCK, do_vcpu_ioctl_get_regs },
	{ KVM_SET_REGS, IN | LOCK, do_vcpu_ioctl_set_regs },
	{ KVM_GET_SREGS, OUT | LOCK, do_vcpu_ioctl_get_sregs },
	{ KVM_SET_SREGS, IN | LOCK, do_vcpu_ioctl_set_sregs },
	{ KVM_GET_SREGS2, OUT | LOCK, do_vcpu_ioctl_get_sregs2 },
	{ KVM_SET_SREGS2, IN | LOCK, do_vcpu_ioctl_set_sregs2 },
	{ KVM_INTERRUPT, IN | LOCK, do_vcpu_ioctl_interrupt },
	{ KVM_NMI, LOCK, do_vcpu_ioctl_nmi },
	{ KVM_ENABLE_CAP, IN | LOCK, do_vcpu_ioctl_enable_cap },
	{ KVM_TRANSLATE, IN | OUT | LOCK, do_vcpu_ioctl_translate },
	{ KVM_SET_SIGNAL_MASK, USER | LOCK, do_vcpu_ioctl_set_signal_mask },
	/* Also copied out after an error: its argument says how far it came. */
	{ KVM_PRE_FAULT_MEMORY, USER | LOCK, do_vcpu_ioctl_pre_fault },
	{ KVM_GET_FPU, OUT | LOCK, do_vcpu_ioctl_get_fpu },
	{ KVM_SET_FPU, IN | LOCK, do_vcpu_ioctl_set_fpu },
	{ KVM_GET_XSAVE, USER | LOCK, do_vcpu_ioctl_get_xsave },
	{ KVM_GET_XSAVE2, USER | LOCK, do_vcpu_ioctl_get_xsave2 },
	{ KVM_SET_XSAVE, USER | LOCK, do_vcpu_ioctl_set_xsave },
	{ KVM_GET_XCRS, OUT | LOCK, do_vcpu_ioctl_get_xcrs },
	{ KVM_SET_XCRS, IN | LOCK, do_vcpu_ioctl_set_xcrs },
	{ KVM_SET_CPUID, USER | LOCK, do_vcpu_ioctl_set_cpuid },
	{ KVM_SET_CPUID2, USER | LOCK, do_vcpu_ioctl_set_cpuid2 },
	{ KVM_GET_CPUID2, USER | LOCK, do_vcpu_ioctl_get_cpuid2 },
	{ KVM_GET_MSRS, USER | LOCK, do_vcpu_ioctl_get_msrs },
	{ KVM_SET_MSRS, USER | LOCK, do_vcpu_ioctl_set_msrs },
	{ KVM_GET_DEBUGREGS, OUT | LOCK, do_vcpu_ioctl_get_debugregs },
	{ KVM_SET_DEBUGREGS, IN | LOCK, do_vcpu_ioctl_set_debugregs },
	{ KVM_SET_GUEST_DEBUG, IN | LOCK, do_vcpu_ioctl_set_guest_debug },
	{ KVM_GET_VCPU_EVENTS, OUT | LOCK, do_vcpu_ioctl_get_vcpu_events },
	{ KVM_SET_VCPU_EVENTS, IN | LOCK, do_vcpu_ioctl_set_vcpu_events },
	{ KVM_GET_MP_STATE, OUT | LOCK, do_vcpu_ioctl_get_mp_state },
	{ KVM_SET_MP_STATE, IN | LOCK, do_vcpu_ioctl_set_mp_state },
	{ KVM_GET_LAPIC, OUT | LOCK, do_vlapic_ioctl_get },
	{ KVM_SET_LAPIC, IN | LOCK, do_vlapic_ioctl_set },
	{ KVM_TPR_ACCESS_REPORTING, IN | OUT | LOCK, do_vlapic_ioctl_tpr_reporting },
	{ KVM_SET_VAPIC_ADDR, IN | LOCK, do_vlapic_ioctl_set_vapic },
	{ KVM_GET_TSC_KHZ, LOCK, do_vcpu_ioctl_get_tsc_khz },
	{ KVM_SET_TSC_KHZ, VALUE | LOCK, do_vcpu_ioctl_set_tsc_khz },
	{ KVM_KVMCLOCK_CTRL, LOCK, do_vcpu_ioctl_kvmclock_ctrl },
	{ KVM_X86_SETUP_MCE, IN | LOCK, do_vcpu_ioctl_setup_mce },
	{ KVM_X86_SET_MCE, IN | LOCK, do_vcpu_ioctl_set_mce },
	{ KVM_HAS_DEVICE_ATTR, IN | LOCK, do_vcpu_ioctl_has_attr },
	{ KVM_GET_DEVICE_ATTR, IN | LOCK, do_vcpu_ioctl_get_attr },
	{ KVM_SET_DEVICE_ATTR, IN | LOCK, do_vcpu_ioctl_set_attr },
	{ KVM_GET_STATS_FD, LOCK, do_vcpu_ioctl_stats_fd },
};

BY_STRUCT(vdev_get_features)
BY_STRUCT(vdev_set_features)
BY_NOTHING(vdev_set_owner)
BY_NOTHING(vdev_reset_owner)
BY_STRUCT(queue_set_num)
BY_STRUCT(queue_set_base)
BY_STRUCT(queue_get_base)
BY_STRUCT(queue_set_addr)
BY_STRUCT(queue_set_kick)
BY_STRUCT(queue_set_call)
BY_STRUCT(queue_set_err)
BY_STRUCT(queue_set_enable)
BY_STRUCT(vdev_get_device_id)
BY_STRUCT(vdev_get_vring_max)
BY_STRUCT(vdev_get_config_size)
BY_USER(vdev_get_config)
BY_USER(vdev_set_config)
BY_STRUCT(vdev_state)
BY_STRUCT(vdev_balloon)

static struct ioctl_entry virtio_ioctls[] __ro_after_init = {
	{ VHOST_GET_FEATURES, OUT, do_vdev_get_features },
	{ VHOST_SET_FEATURES, IN | LOCK, do_vdev_set_features },
	{ VHOST_SET_OWNER, 0, do_vdev_set_owner },
	{ VHOST_RESET_OWNER, LOCK, do_vdev_reset_owner },
	{ VHOST_SET_VRING_NUM, IN | LOCK, do_queue_set_num },
	{ VHOST_SET_VRING_BASE, IN | LOCK, do_queue_set_base },
	{ VHOST_GET_VRING_BASE, IN | OUT | LOCK, do_queue_get_base },
	{ VHOST_SET_VRING_ADDR, IN | LOCK, do_queue_set_addr },
	{ VHOST_SET_VRING_KICK, IN | LOCK, do_queue_set_kick },
	{ VHOST_SET_VRING_CALL, IN | LOCK, do_queue_set_call },
	{ VHOST_SET_VRING_ERR, IN | LOCK, do_queue_set_err },
	{ VHOST_VDPA_SET_VRING_ENABLE, IN | LOCK, do_queue_set_enable },
	{ VHOST_VDPA_GET_DEVICE_ID, OUT, do_vdev_get_device_id },
	{ VHOST_VDPA_GET_VRING_NUM, OUT, do_vdev_get_vring_max },
	{ VHOST_VDPA_GET_CONFIG_SIZE, OUT, do_vdev_get_config_size },
	{ VHOST_VDPA_GET_CONFIG, USER, do_vdev_get_config },
	{ VHOST_VDPA_SET_CONFIG, USER | LOCK, do_vdev_set_config },
	{ DITTO_VIRTIO_STATE, IN | OUT | LOCK, do_vdev_state },
	{ DITTO_BALLOON, IN | OUT | LOCK, do_vdev_balloon },
};

static int ioctl_cmp(const void *a, const void *b)
{
	const struct ioctl_entry *x = a, *y = b;

	return x->cmd < y->cmd ? -1 : x->cmd > y->cmd;
}

/**
 * ioctl_init() - at module load, before any device is there
 *
 * The tables are written in the order in which they are read best, and searched by number.
 */
void __init ioctl_init(void)
{
	sort(system_ioctls, ARRAY_SIZE(system_ioctls), sizeof(*system_ioctls), ioctl_cmp, NULL);
	sort(vm_ioctls, ARRAY_SIZE(vm_ioctls), sizeof(*vm_ioctls), ioctl_cmp, NULL);
	sort(virtio_ioctls, ARRAY_SIZE(virtio_ioctls), sizeof(*virtio_ioctls), ioctl_cmp, NULL);
	sort(vcpu_ioctls, ARRAY_SIZE(vcpu_ioctls), sizeof(*vcpu_ioctls), ioctl_cmp, NULL);
}

/* In a sorted table of @n; NULL: it is not there. */
static __always_inline const struct ioctl_entry *
ioctl_find(const struct ioctl_entry *e, size_t n, unsigned int cmd)
{
	while (n > 1) {
		size_t half = n / 2;

		if (e[half].cmd <= cmd)
			e += half;
		n -= half;
	}
	return e->cmd == cmd ? e : NULL;
}

#define IOCTL_FIND(table, cmd)	ioctl_find(table, ARRAY_SIZE(table), cmd)

/*
 * Most arguments fit on the stack, registers among them; the few large ones are allocated.
 * Kernels clear what is on the stack anyway, so those that are small do not pay for the rest.
 */
#define IOCTL_SMALL	64
#define IOCTL_STACK	512

/* @buf is cleared. */
static __always_inline long ioctl_with_buffer(const struct ioctl_entry *e, void *obj,
					      unsigned long uarg, void *buf)
{
	void __user *user = (void __user *)uarg;
	size_t size = _IOC_SIZE(e->cmd);
	long ret;

	if ((e->flags & IN) && copy_from_user(buf, user, size))
		return -EFAULT;
	ret = e->fn(obj, buf);
	if (ret >= 0 && (e->flags & OUT) && copy_to_user(user, buf, size))
		return -EFAULT;
	return ret;
}

static noinline long ioctl_copy_small(const struct ioctl_entry *e, void *obj, unsigned long uarg)
{
	u64 buf[IOCTL_SMALL / sizeof(u64)] = { };

	return ioctl_with_buffer(e, obj, uarg, buf);
}

static noinline long ioctl_copy_stack(const struct ioctl_entry *e, void *obj, unsigned long uarg)
{
	u64 buf[IOCTL_STACK / sizeof(u64)] = { };

	return ioctl_with_buffer(e, obj, uarg, buf);
}

/* Not charged to a memory cgroup: it lives only as long as this call. */
static noinline long ioctl_copy_large(const struct ioctl_entry *e, void *obj, unsigned long uarg)
{
	void *buf = kzalloc(_IOC_SIZE(e->cmd), GFP_KERNEL);
	long ret;

	if (!buf)
		return -ENOMEM;
	ret = ioctl_with_buffer(e, obj, uarg, buf);
	kfree(buf);
	return ret;
}

static long ioctl_copy(const struct ioctl_entry *e, void *obj, unsigned long uarg)
{
	if (_IOC_SIZE(e->cmd) <= IOCTL_SMALL)
		return ioctl_copy_small(e, obj, uarg);
	if (_IOC_SIZE(e->cmd) <= IOCTL_STACK)
		return ioctl_copy_stack(e, obj, uarg);
	return ioctl_copy_large(e, obj, uarg);
}

static long ioctl_call(const struct ioctl_entry *e, void *obj, unsigned long uarg)
{
	if (e->flags & (IN | OUT))
		return ioctl_copy(e, obj, uarg);
	return e->fn(obj, e->flags & (VALUE | USER) ? (void *)uarg : NULL);
}

static long device_ioctl(struct file *file, unsigned int cmd, unsigned long uarg)
{
	const struct ioctl_entry *e = IOCTL_FIND(system_ioctls, cmd);

	return e ? ioctl_call(e, NULL, uarg) : -ENOTTY;
}

static long vm_ioctl(struct file *file, unsigned int cmd, unsigned long uarg)
{
	const struct ioctl_entry *e = IOCTL_FIND(vm_ioctls, cmd);
	struct vm *vm = file->private_data;
	long ret;

	if (!e)
		return -ENOTTY;
	if (READ_ONCE(vm->dead) || mmu_is_foreign(&vm->mmu))
		return -EIO;
	if (!(e->flags & LOCK))
		return ioctl_call(e, vm, uarg);
	if (mutex_lock_killable(&vm->lock))
		return -EINTR;
	ret = ioctl_call(e, vm, uarg);
	mutex_unlock(&vm->lock);
	return ret;
}

static long virtio_ioctl(struct file *file, unsigned int cmd, unsigned long uarg)
{
	const struct ioctl_entry *e = IOCTL_FIND(virtio_ioctls, cmd);
	struct virtio_dev *dev = file->private_data;
	long ret;

	if (!e)
		return -ENOTTY;
	if (READ_ONCE(dev->vm->dead))
		return -EIO;
	if (!(e->flags & LOCK))
		return ioctl_call(e, dev, uarg);
	ret = vdev_lock(dev);
	if (ret)
		return ret;
	ret = ioctl_call(e, dev, uarg);
	vdev_unlock(dev);
	return ret;
}

/* Become the owner. 0 or -errno. */
static __always_inline int vcpu_ioctl_lock(struct vcpu *vcpu)
{
	if (READ_ONCE(vcpu->vm->dead) || mmu_is_foreign(&vcpu->vm->mmu))
		return -EIO;
	if (!mutex_trylock(&vcpu->mutex) && mutex_lock_killable(&vcpu->mutex))
		return -EINTR;
	return 0;
}

/* A deadline follows a new TSC at once: it may pass before the guest runs again. */
static noinline long vcpu_ioctl_of_table(struct vcpu *vcpu, unsigned int cmd, unsigned long uarg)
{
	const struct ioctl_entry *e = IOCTL_FIND(vcpu_ioctls, cmd);
	long ret;

	if (!e)
		return -ENOTTY;
	ret = vcpu_ioctl_lock(vcpu);
	if (ret)
		return ret;
	vcpu_load(vcpu);
	ret = ioctl_call(e, vcpu, uarg);
	if (vcpu_take_request(vcpu, REQ_TSC))
		vlapic_tsc_changed(vcpu);
	vcpu_put(vcpu);
	mutex_unlock(&vcpu->mutex);
	return ret;
}

static __always_inline long vcpu_ioctl_run_once(struct vcpu *vcpu)
{
	long ret = vcpu_ioctl_lock(vcpu);

	if (unlikely(ret))
		return ret;
	ret = vcpu_ioctl_run(vcpu);
	mutex_unlock(&vcpu->mutex);
	return ret;
}

/* Its vCPU was wanted by another thread. */
static noinline long vcpu_ioctl_run_again(struct vcpu *vcpu)
{
	long ret;

	do {
		if (vm_wait_resumed(vcpu->vm))
			return -EINTR;
		ret = vcpu_ioctl_run_once(vcpu);
	} while (ret == -ERESTART);
	return ret;
}

/* KVM_RUN is in no table: guests wait for it, so it is called directly. */
static long vcpu_ioctl(struct file *file, unsigned int cmd, unsigned long uarg)
{
	struct vcpu *vcpu = file->private_data;
	long ret;

	if (unlikely(cmd != KVM_RUN))
		return vcpu_ioctl_of_table(vcpu, cmd, uarg);
	ret = vcpu_ioctl_run_once(vcpu);
	return unlikely(ret == -ERESTART) ? vcpu_ioctl_run_again(vcpu) : ret;
}

const struct file_operations device_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = device_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
};

const struct file_operations vm_fops = {
	.owner = THIS_MODULE,
	.release = vm_release,
	.unlocked_ioctl = vm_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
};

const struct file_operations vcpu_fops = {
	.owner = THIS_MODULE,
	.release = vcpu_release,
	.mmap = vcpu_mmap,
	.unlocked_ioctl = vcpu_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
};

const struct file_operations virtio_fops = {
	.owner = THIS_MODULE,
	.release = virtio_release,
	.unlocked_ioctl = virtio_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
};
