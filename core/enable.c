// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_ENABLE_CAP, as two tables: what the VMM can turn on for a VM and for a vCPU, and who
 * does it.  Flags and argument are checked here, once.  What most of them change is a
 * member of struct vm_enabled, which this file alone writes.
 *
 * The hard part is that the VMM may turn something on while vCPUs run: a handler that
 * cannot have that refuses.
 */
#include <ditto.h>

#include "compat.h"
#include "core/ioctl.h"
#include "mmu/mmu.h"
#include "mmu/ring.h"
#include "x86/board/irqchip.h"
#include "x86/run/pv.h"

/**
 * struct enable_vm - a capability that can be enabled on a VM
 * @cap: KVM_CAP_*
 * @bits: of args[0] that mean something; others are -EINVAL.  What else stands in args is
 *	ignored, as by KVM
 * @enable: vm->lock held; 0 or -errno
 */
struct enable_vm {
	u32 cap;
	u64 bits;
	int (*enable)(struct vm *vm, u64 arg);
};

/**
 * struct enable_vcpu - a capability that can be enabled on a vCPU
 * @cap: KVM_CAP_*
 * @bits: as of struct enable_vm
 * @enable: vCPU owned and loaded; 0 or -errno
 */
struct enable_vcpu {
	u32 cap;
	u64 bits;
	int (*enable)(struct vcpu *vcpu, u64 arg);
};

/* There is no way back: a quirk that is off stays off. */
static int enable_disable_quirks(struct vm *vm, u64 quirks)
{
	WRITE_ONCE(vm->enabled.quirks_off, vm->enabled.quirks_off | (quirks & VM_QUIRKS));
	return 0;
}

static int enable_exception_payload(struct vm *vm, u64 on)
{
	WRITE_ONCE(vm->enabled.exception_payload, on);
	return 0;
}

static int enable_triple_fault_event(struct vm *vm, u64 on)
{
	WRITE_ONCE(vm->enabled.triple_fault_event, on);
	return 0;
}

static int enable_split_irqchip(struct vm *vm, u64 gsis)
{
	return irqchip_create_split(vm, gsis);
}

static int enable_x2apic_api(struct vm *vm, u64 flags)
{
	if (flags & KVM_X2APIC_API_USE_32BIT_IDS)
		WRITE_ONCE(vm->enabled.x2apic_ids, true);
	if (flags & KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK)
		WRITE_ONCE(vm->enabled.x2apic_exact, true);
	return 0;
}

/* Once, and before the first vCPU: what was promised to the VMM stays so. */
static int enable_max_vcpu_id(struct vm *vm, u64 max)
{
	u32 old = vm->enabled.max_vcpu_id ?: vm->nr_vcpus ? DITTO_MAX_VCPU_IDS : 0;

	if (max > DITTO_MAX_VCPU_IDS || vm->bsp_id > max || (old && old != max))
		return -EINVAL;
	vm->enabled.max_vcpu_id = max;
	return 0;
}

static int enable_manual_dirty_log(struct vm *vm, u64 manual)
{
	return mmu_set_log_manual(&vm->mmu, manual);
}

/* A vCPU gets its ring when it is made. */
static int enable_dirty_ring(struct vm *vm, u64 bytes)
{
	return vm->nr_vcpus ? -EINVAL : mmu_set_ring_bytes(&vm->mmu, bytes);
}

static int enable_user_space_msr(struct vm *vm, u64 reasons)
{
	WRITE_ONCE(vm->enabled.msr_exits, reasons);
	return 0;
}

static int enable_exit_hypercall(struct vm *vm, u64 hypercalls)
{
	WRITE_ONCE(vm->enabled.hypercall_exits, hypercalls);
	return 0;
}

/* What a CPU cannot do is left out, as by KVM: the VMM can ask what there is. */
static int enable_disable_exits(struct vm *vm, u64 exits)
{
	exits &= vm_exits_off();
	WRITE_ONCE(vm->enabled.exits_off, vm->enabled.exits_off | exits);
	return 0;
}

#define BUS_LOCK_MODES	(KVM_BUS_LOCK_DETECTION_OFF | KVM_BUS_LOCK_DETECTION_EXIT)

/* One of the two, and there is no way back. */
static int enable_bus_lock_exits(struct vm *vm, u64 mode)
{
	if (!backend->caps->bus_locks || mode == BUS_LOCK_MODES)
		return -EINVAL;
	if (mode == KVM_BUS_LOCK_DETECTION_EXIT)
		WRITE_ONCE(vm->enabled.bus_lock_exits, true);
	return 0;
}

/* The window is the upper half of the argument. */
static int enable_notify(struct vm *vm, u64 arg)
{
	u32 flags = arg;

	if (!backend->caps->notify || vm->nr_vcpus || !(flags & KVM_X86_NOTIFY_VMEXIT_ENABLED))
		return -EINVAL;
	vm->enabled.notify_window = arg >> 32;
	vm->enabled.notify = flags;
	return 0;
}

static int enable_platform_info(struct vm *vm, u64 on)
{
	WRITE_ONCE(vm->enabled.no_platform_info, !on);
	return 0;
}

/* The largest count times the largest divisor must be a time that 64 bits hold. */
static int enable_apic_bus_cycles(struct vm *vm, u64 ns)
{
	if (!ns || ns > U64_MAX / 128 / U32_MAX)
		return -EINVAL;
	if (!vm->irqchip)
		return -ENXIO;
	if (vm->nr_vcpus)
		return -EINVAL;
	vm->enabled.apic_bus_ns = ns;
	return 0;
}

static int enable_halt_poll(struct vm *vm, u64 ns)
{
	if (ns != (u32)ns)
		return -EINVAL;
	WRITE_ONCE(vm->enabled.halt_poll_ns, ns);
	/* Pairs with the acquire in halt_max_ns(). */
	smp_store_release(&vm->enabled.halt_poll_set, true);
	return 0;
}

static int enable_emulation_exits(struct vm *vm, u64 on)
{
	WRITE_ONCE(vm->enabled.emulation_exits, on);
	return 0;
}

static int enable_fork_hypercall(struct vm *vm, u64 on)
{
	WRITE_ONCE(vm->enabled.fork_hypercall, on);
	return 0;
}

#define ANY	(~0ULL)
#define VM_EXITS_OFF	(KVM_X86_DISABLE_EXITS_MWAIT | KVM_X86_DISABLE_EXITS_HLT | \
			 KVM_X86_DISABLE_EXITS_PAUSE | KVM_X86_DISABLE_EXITS_CSTATE)
#define MSR_EXITS	(KVM_MSR_EXIT_REASON_INVAL | KVM_MSR_EXIT_REASON_UNKNOWN | \
			 KVM_MSR_EXIT_REASON_FILTER)
#define NOTIFY	(GENMASK_ULL(63, 32) | KVM_X86_NOTIFY_VMEXIT_ENABLED | KVM_X86_NOTIFY_VMEXIT_USER)
#define X2APIC	(KVM_X2APIC_API_USE_32BIT_IDS | KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK)

static const struct enable_vm enable_vm_table[] = {
	/* The older of the two ignores quirks that it does not know. */
	{ KVM_CAP_DISABLE_QUIRKS, ANY, enable_disable_quirks },
	{ KVM_CAP_DISABLE_QUIRKS2, VM_QUIRKS, enable_disable_quirks },
	{ KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, ANY, enable_manual_dirty_log },
	{ KVM_CAP_DIRTY_LOG_RING, ANY, enable_dirty_ring },
	{ KVM_CAP_DIRTY_LOG_RING_ACQ_REL, ANY, enable_dirty_ring },
	{ KVM_CAP_EXCEPTION_PAYLOAD, ANY, enable_exception_payload },
	{ KVM_CAP_X86_TRIPLE_FAULT_EVENT, ANY, enable_triple_fault_event },
	{ KVM_CAP_SPLIT_IRQCHIP, ANY, enable_split_irqchip },
	{ KVM_CAP_X2APIC_API, X2APIC, enable_x2apic_api },
	{ KVM_CAP_X86_USER_SPACE_MSR, MSR_EXITS, enable_user_space_msr },
	{ KVM_CAP_EXIT_ON_EMULATION_FAILURE, 1, enable_emulation_exits },
	{ KVM_CAP_MAX_VCPU_ID, ANY, enable_max_vcpu_id },
	{ KVM_CAP_EXIT_HYPERCALL, VM_EXIT_HYPERCALLS, enable_exit_hypercall },
	{ KVM_CAP_X86_DISABLE_EXITS, VM_EXITS_OFF, enable_disable_exits },
	{ KVM_CAP_X86_BUS_LOCK_EXIT, BUS_LOCK_MODES, enable_bus_lock_exits },
	{ KVM_CAP_X86_NOTIFY_VMEXIT, NOTIFY, enable_notify },
	{ KVM_CAP_MSR_PLATFORM_INFO, ANY, enable_platform_info },
	{ KVM_CAP_X86_APIC_BUS_CYCLES_NS, ANY, enable_apic_bus_cycles },
	{ KVM_CAP_HALT_POLL, ANY, enable_halt_poll },
	{ DITTO_CAP_FORK_HYPERCALL, 1, enable_fork_hypercall },
	{ }
};

static const struct enable_vcpu enable_vcpu_table[] = {
	{ KVM_CAP_ENFORCE_PV_FEATURE_CPUID, ANY, pv_enforce },
	{ }
};

/**
 * vm_ioctl_enable_cap() - KVM_ENABLE_CAP of a VM
 * @vm: vm->lock held
 * @args: from the VMM
 *
 * Return: 0; -EINVAL for flags, a capability that nobody enables, or an argument that it
 * does not have; else what the capability says.
 */
int vm_ioctl_enable_cap(struct vm *vm, struct kvm_enable_cap *args)
{
	const struct enable_vm *e = enable_vm_table;

	while (e->enable && e->cap != args->cap)
		e++;
	if (!e->enable || args->flags || (args->args[0] & ~e->bits))
		return -EINVAL;
	return e->enable(vm, args->args[0]);
}

/**
 * vcpu_ioctl_enable_cap() - KVM_ENABLE_CAP of a vCPU
 * @vcpu: owned and loaded
 * @args: from the VMM
 *
 * Return: as vm_ioctl_enable_cap().
 */
int vcpu_ioctl_enable_cap(struct vcpu *vcpu, struct kvm_enable_cap *args)
{
	const struct enable_vcpu *e = enable_vcpu_table;

	while (e->enable && e->cap != args->cap)
		e++;
	if (!e->enable || args->flags || (args->args[0] & ~e->bits))
		return -EINVAL;
	return e->enable(vcpu, args->args[0]);
}
