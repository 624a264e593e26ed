// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_CHECK_EXTENSION: reports what ditto implements, and nothing else.
 */
#include <linux/cpumask.h>
#include <linux/kvm.h>
#include <linux/sched/stat.h>

#include "compat.h"
#include "core/ioctl.h"
#include "mmu/mmu.h"
#include "mmu/ring.h"
#include "x86/board/irqchip.h"
#include "x86/cpu/clock.h"
#include "x86/cpu/cpuid_host.h"
#include "x86/cpu/fpu.h"
#include "x86/machine/vm.h"
#include "x86/run/debug.h"

/* Capabilities that are a constant. */
static const struct {
	u16 cap;
	u32 value;
} caps_fixed[] = {
	{ KVM_CAP_IRQCHIP, 1 },
	{ KVM_CAP_HLT, 1 },
	{ KVM_CAP_USER_MEMORY, 1 },
	{ KVM_CAP_USER_MEMORY2, 1 },
	{ KVM_CAP_MEMORY_FAULT_INFO, 1 },
	{ KVM_CAP_GUEST_MEMFD, 1 },
	{ KVM_CAP_VM_TYPES, VM_TYPES },
	{ KVM_CAP_SET_TSS_ADDR, 1 },
	{ KVM_CAP_EXT_CPUID, 1 },
	{ KVM_CAP_EXT_EMUL_CPUID, 1 },
	{ KVM_CAP_CLOCKSOURCE, 1 },
	{ KVM_CAP_MAX_VCPUS, DITTO_MAX_VCPUS },
	{ KVM_CAP_MAX_VCPU_ID, DITTO_MAX_VCPU_IDS },
	{ KVM_CAP_MCE, VCPU_MCE_BANKS },
	{ KVM_CAP_MMU_SHADOW_CACHE_CONTROL, 1 },
	{ KVM_CAP_NR_MEMSLOTS, MMU_NR_SLOTS },
	{ KVM_CAP_NOP_IO_DELAY, 1 },
	{ KVM_CAP_LAST_CPU, 1 },
	{ KVM_CAP_ASYNC_PF, 1 },
	{ KVM_CAP_ASYNC_PF_INT, 1 },
	{ KVM_CAP_PIT, 1 },
	{ KVM_CAP_PIT2, 1 },
	{ KVM_CAP_PIT_STATE2, 1 },
	{ KVM_CAP_MP_STATE, 1 },
	{ KVM_CAP_SYNC_MMU, 1 },
	{ KVM_CAP_DESTROY_MEMORY_REGION_WORKS, 1 },
	{ KVM_CAP_JOIN_MEMORY_REGIONS_WORKS, 1 },
	{ KVM_CAP_IRQ_ROUTING, IRQCHIP_MAX_ROUTES },
	{ KVM_CAP_IRQ_INJECT_STATUS, 1 },
	{ KVM_CAP_IRQFD, 1 },
	{ KVM_CAP_IRQFD_RESAMPLE, 1 },
	{ KVM_CAP_IOEVENTFD, 1 },
	{ KVM_CAP_IOEVENTFD_NO_LENGTH, 1 },
	{ KVM_CAP_IOEVENTFD_ANY_LENGTH, 1 },
	{ KVM_CAP_COALESCED_MMIO, KVM_COALESCED_MMIO_PAGE_OFFSET },
	{ KVM_CAP_COALESCED_PIO, 1 },
	{ KVM_CAP_SIGNAL_MSI, 1 },
	{ KVM_CAP_IOAPIC_POLARITY_IGNORED, 1 },
	{ KVM_CAP_USER_NMI, 1 },
	{ KVM_CAP_REINJECT_CONTROL, 1 },
	{ KVM_CAP_SET_BOOT_CPU_ID, 1 },
	{ KVM_CAP_SET_IDENTITY_MAP_ADDR, 1 },
	{ KVM_CAP_ADJUST_CLOCK, CLOCK_FLAGS },
	{ KVM_CAP_VCPU_EVENTS, 1 },
	{ KVM_CAP_INTR_SHADOW, 1 },
	{ KVM_CAP_DEBUGREGS, 1 },
	{ KVM_CAP_SREGS2, 1 },
	{ KVM_CAP_VAPIC, 1 },
	{ KVM_CAP_SET_GUEST_DEBUG, 1 },
	{ KVM_CAP_SET_GUEST_DEBUG2, VCPU_GUESTDBG_ALL },
	{ KVM_CAP_X86_ROBUST_SINGLESTEP, 1 },
	{ KVM_CAP_SYNC_REGS, KVM_SYNC_X86_VALID_FIELDS },
	{ KVM_CAP_XSAVE, 1 },
	{ KVM_CAP_GET_TSC_KHZ, 1 },
	{ KVM_CAP_TSC_DEADLINE_TIMER, 1 },
	{ KVM_CAP_KVMCLOCK_CTRL, 1 },
	{ KVM_CAP_BINARY_STATS_FD, 1 },
	{ KVM_CAP_VCPU_ATTRIBUTES, 1 },
	{ KVM_CAP_SYS_ATTRIBUTES, 1 },
	{ KVM_CAP_READONLY_MEM, 1 },
	{ KVM_CAP_PRE_FAULT_MEMORY, 1 },
	{ KVM_CAP_IMMEDIATE_EXIT, 1 },
	{ KVM_CAP_GET_MSR_FEATURES, 1 },
	{ KVM_CAP_CHECK_EXTENSION_VM, 1 },
	{ KVM_CAP_INTERNAL_ERROR_DATA, 1 },
	{ KVM_CAP_EXIT_ON_EMULATION_FAILURE, 1 },
	{ KVM_CAP_X86_USER_SPACE_MSR, 1 },
	{ KVM_CAP_X86_MSR_FILTER, 1 },
	{ KVM_CAP_SPLIT_IRQCHIP, 1 },
	{ KVM_CAP_X2APIC_API, KVM_X2APIC_API_USE_32BIT_IDS |
			      KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK },
	{ KVM_CAP_ENABLE_CAP, 1 },
	{ KVM_CAP_ENABLE_CAP_VM, 1 },
	{ KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE |
					     KVM_DIRTY_LOG_INITIALLY_SET },
	{ KVM_CAP_DIRTY_LOG_RING, MMU_RING_MAX_BYTES },
	{ KVM_CAP_DIRTY_LOG_RING_ACQ_REL, MMU_RING_MAX_BYTES },
	{ KVM_CAP_DISABLE_QUIRKS, 1 },
	{ KVM_CAP_DISABLE_QUIRKS2, VM_QUIRKS },
	{ KVM_CAP_EXCEPTION_PAYLOAD, 1 },
	{ KVM_CAP_X86_TRIPLE_FAULT_EVENT, 1 },
	{ KVM_CAP_ENFORCE_PV_FEATURE_CPUID, 1 },
	{ KVM_CAP_EXIT_HYPERCALL, VM_EXIT_HYPERCALLS },
	{ KVM_CAP_MSR_PLATFORM_INFO, 1 },
	{ KVM_CAP_X86_APIC_BUS_CYCLES_NS, 1 },
	{ KVM_CAP_HALT_POLL, 1 },
};

/**
 * vm_exits_off() - exits that guests on this host can be made without
 *
 * MWAIT needs a CPU that it does not stop for good; and where threads of a core share
 * return predictions, a guest that halts or waits by itself could use another's.
 *
 * Return: KVM_X86_DISABLE_EXITS_*.
 */
u32 vm_exits_off(void)
{
	u32 exits = backend->caps->exits_off;

	if (!boot_cpu_has(X86_FEATURE_MWAIT) || boot_cpu_has_bug(X86_BUG_MONITOR) ||
	    !boot_cpu_has(X86_FEATURE_ARAT))
		exits &= ~KVM_X86_DISABLE_EXITS_MWAIT;
	if (compat_smt_rsb())
		exits &= KVM_X86_DISABLE_EXITS_PAUSE;
	return exits;
}

/**
 * caps_check() - KVM_CHECK_EXTENSION
 * @vm: the VM asked, or NULL for the device
 * @cap: KVM_CAP_*
 *
 * Return: a positive value for what ditto has, else 0.
 */
int caps_check(struct vm *vm, unsigned long cap)
{
	int i;

	switch (cap) {
	case KVM_CAP_MEMORY_ATTRIBUTES:
		return mmu_attributes(vm ? &vm->mmu : NULL);
	case KVM_CAP_GUEST_MEMFD_FLAGS:
		return mmu_guest_memfd_flags(vm ? &vm->mmu : NULL);
	case KVM_CAP_NR_VCPUS:	/* what is recommended */
		return min(num_online_cpus(), DITTO_MAX_VCPUS);
	case KVM_CAP_STEAL_TIME:
		return sched_info_on();
	case KVM_CAP_XCRS:
		return !!cpuid_host_xcr0();
	case KVM_CAP_X86_DISABLE_EXITS:
		return vm_exits_off();
	case KVM_CAP_X86_BUS_LOCK_EXIT:
		return backend->caps->bus_locks ?
		       KVM_BUS_LOCK_DETECTION_OFF | KVM_BUS_LOCK_DETECTION_EXIT : 0;
	case KVM_CAP_X86_NOTIFY_VMEXIT:
		return backend->caps->notify;
	case DITTO_CAP_FORK_HYPERCALL:
		return 1;
	case KVM_CAP_XSAVE2:
		return vm_xsave_size();
	case KVM_CAP_TSC_CONTROL:
	case KVM_CAP_VM_TSC_CONTROL:
		return backend->caps->tsc_scaling;
	}
	for (i = 0; i < ARRAY_SIZE(caps_fixed); i++) {
		if (caps_fixed[i].cap == cap)
			return caps_fixed[i].value;
	}
	return 0;
}
