/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A virtual machine: what all of its rooms know of it. Its life is core/vm.c's.
 *
 * Lock order: vm->lock > vcpu->mutex > mmu.slots_lock > mmu.lock >
 * interrupt-controller spinlocks.
 */
#ifndef DITTO_MACHINE_VM_H
#define DITTO_MACHINE_VM_H

#include <linux/kref.h>
#include <linux/kvm_para.h>
#include <linux/mutex.h>
#include <linux/uidgid.h>
#include <linux/wait.h>
#include <linux/xarray.h>

#include <ditto.h>
#include "mmu/types.h"
#include "x86/machine/clock.h"
#include "x86/machine/iobus.h"
#include "x86/machine/vcpu.h"

#define DITTO_MAX_VCPUS		4096
#define DITTO_MAX_VCPU_IDS	16384	/* their ids, which are APIC ids, are below this */

/*
 * What ditto does as KVM does, and no CPU, until KVM_CAP_DISABLE_QUIRKS.  A memslot that goes
 * takes no other's mappings with it, with and without SLOT_ZAP_ALL.
 */
#define VM_QUIRKS	(KVM_X86_QUIRK_LINT0_REENABLED | KVM_X86_QUIRK_CD_NW_CLEARED | \
			 KVM_X86_QUIRK_LAPIC_MMIO_HOLE | KVM_X86_QUIRK_FIX_HYPERCALL_INSN | \
			 KVM_X86_QUIRK_MWAIT_NEVER_UD_FAULTS |			\
			 KVM_X86_QUIRK_MISC_ENABLE_NO_MWAIT |			\
			 KVM_X86_QUIRK_OUT_7E_INC_RIP | KVM_X86_QUIRK_SLOT_ZAP_ALL |	\
			 KVM_X86_QUIRK_STUFF_FEATURE_MSRS)

/* What KVM_CAP_EXIT_HYPERCALL can leave to the VMM: a bit for each number. */
#define VM_EXIT_HYPERCALLS	BIT(KVM_HC_MAP_GPA_RANGE)

/* What KVM_CREATE_VM takes, as KVM_CAP_VM_TYPES says it: a bit for each. */
#define VM_TYPES	(BIT(KVM_X86_DEFAULT_VM) | BIT(KVM_X86_SW_PROTECTED_VM))

struct irqchip;
struct msr_filter;
struct vm_bucket;
struct vm_irqfds;

/**
 * struct vm_enabled - what the VMM turned on by KVM_ENABLE_CAP; see core/enable.c
 * @quirks_off: of %VM_QUIRKS
 * @exception_payload: the VMM sees exceptions that wait apart from those being delivered
 * @triple_fault_event: the VMM sees a triple fault that waits
 * @x2apic_ids: APIC ids have 32 bits in messages, and in the state of an x2APIC
 * @x2apic_exact: a device's message to 0xff is for an x2APIC of that id, not for all
 * @msr_exits: KVM_MSR_EXIT_REASON_*: accesses that the VMM decides about
 * @hypercall_exits: of %VM_EXIT_HYPERCALLS, those that the VMM acts on
 * @exits_off: of backend_caps.exits_off: what guests do without an exit; for vCPUs made later
 * @bus_lock_exits: bus locks of the guest are told; for vCPUs made later
 * @notify: KVM_X86_NOTIFY_VMEXIT_*, or 0; constant once there is a vCPU
 * @notify_window: TSC ticks that the guest may let nothing come in between; likewise
 * @no_platform_info: the guest's reads of MSR_PLATFORM_INFO are #GP
 * @apic_bus_ns: how long a tick of a local APIC's timer takes; 0: 1 ns; constant once there is
 *	a vCPU
 * @halt_poll_set: the next is the VMM's, not the module parameter
 * @halt_poll_ns: how long a halted vCPU polls at most
 * @emulation_exits: also user mode's instructions that the emulator does not know are the
 *	VMM's to deal with
 * @max_vcpu_id: ids of vCPUs are below it; 0: as many as there can be
 * @fork_hypercall: the guest's DITTO_HC_FORK exits to the VMM
 *
 * Written under vm->lock, read at any time.
 */
struct vm_enabled {
	u64 quirks_off;
	bool exception_payload;
	bool triple_fault_event;
	bool x2apic_ids;
	bool x2apic_exact;
	u32 msr_exits;
	u32 hypercall_exits;
	u32 exits_off;
	bool bus_lock_exits;
	u32 notify, notify_window;
	bool no_platform_info;
	u32 apic_bus_ns;
	bool halt_poll_set;
	u32 halt_poll_ns;
	bool emulation_exits;
	u32 max_vcpu_id;
	bool fork_hypercall;
};

/**
 * struct vm - one virtual machine
 * @ref: one for the VM's fd and one for every vCPU's fd
 * @free_work: frees it, where the last reference was a visitor's
 * @bucket: list of VMs that it is on; constant
 * @node: in @bucket; its lock
 * @id: unique since load; constant
 * @pid: of the creator; constant
 * @uid: of the creator; constant
 * @name: for people; written under @lock and @name_lock
 * @name_lock: held for a few instructions only, so that who lists VMs may take it
 * @lock: VM-wide configuration; taken by the ioctl dispatcher
 * @mmu: the guest-physical address space; its own locks
 * @vcpus: by creation index; entries are added under @lock, never removed
 * @nr_vcpus: published with release semantics after the entry is in @vcpus
 * @irqchip: in-kernel PIC, IOAPIC and routing, or NULL; set once under @lock
 *	before the first vCPU exists, cleared when the VM dies
 * @irqfds: state of x86/board/irqfd.c
 * @ioeventfds_lock: one assign or deassign at a time; @ioeventfds
 * @ioeventfds: registered ones
 * @pio: devices in the kernel; see x86/board/iobus.h
 * @mmio: likewise
 * @coalesced: writes to either that wait in a ring
 * @clock: TSC frequency and kvmclock's base; see x86/cpu/clock.h
 * @bsp_id: vCPU id that is the bootstrap processor; @lock, before the first vCPU
 * @enabled: see there
 * @msr_filter: see x86/run/msr_filter.c; RCU, written under @lock
 * @flush_requests: how often its vCPUs' translations were flushed; mmu.lock for write, read
 *	without
 * @flushes: those that interrupted a vCPU; likewise
 * @paused: somebody else owns all vCPUs, or is about to: threads in KVM_RUN wait; @lock, read
 *	without
 * @resume: where they wait
 * @pauses: how often that was; @lock, read without
 * @pause_ns: how long, together; likewise
 * @pause_began: when the one under way began; @lock
 * @frozen: it is a template: its vCPUs do not run, and its time stands still; written under
 *	@lock and with all vCPUs owned
 * @frozen_at: since when
 * @blocked: its guest gets no interrupt, NMI or SMI; written with all vCPUs owned
 * @blocks: so it is after a reset; constant
 * @jumps: what passes while its time stands still has passed when it goes on; constant
 * @base: what DITTO_RESET puts it back to: a machine that nobody else knows, with a reference;
 *	or NULL; constant
 * @forker: whom it counts for, if it is a fork; constant
 * @dead: an internal error ended this VM: every ioctl gives -EIO
 */
struct vm {
	struct kref ref;
	struct work_struct free_work;
	struct vm_bucket *bucket;
	struct list_head node;
	u64 id;
	struct pid *pid;
	kuid_t uid;
	char name[DITTO_NAME_LEN];
	spinlock_t name_lock;
	struct mutex lock;
	struct mmu mmu;
	struct xarray vcpus;
	u32 nr_vcpus;
	struct irqchip *irqchip;
	struct vm_irqfds *irqfds;
	struct mutex ioeventfds_lock;
	struct list_head ioeventfds;
	struct iobus pio, mmio;
	struct coalesced coalesced;
	struct vm_clock clock;
	u32 bsp_id;
	struct vm_enabled enabled;
	struct msr_filter __rcu *msr_filter;
	u64 flush_requests, flushes;
	bool paused;
	wait_queue_head_t resume;
	u64 pauses, pause_ns, pause_began;
	bool frozen;
	struct clock_instant frozen_at;
	bool blocked, blocks;
	bool jumps;
	struct vm *base;
	struct gmem_tenant *forker;
	bool dead;
};

static inline bool vm_has_quirk(const struct vm *vm, u64 quirk)
{
	return !(READ_ONCE(vm->enabled.quirks_off) & quirk);
}

static inline struct vcpu *vm_vcpu(struct vm *vm, u32 idx)
{
	return xa_load(&vm->vcpus, idx);
}

#define vm_for_each_vcpu(vm, idx, vcpu)					\
	for (idx = 0; idx < smp_load_acquire(&(vm)->nr_vcpus) &&	\
	     ((vcpu) = vm_vcpu(vm, idx)); idx++)

struct vcpu *vm_vcpu_by_id(struct vm *vm, u32 id);
void vm_kill(struct vm *vm);

/**
 * vcpu_flush_guest() - the guest flushes its TLB, or translates otherwise from now on
 * @vcpu: any
 */
static inline void vcpu_flush_guest(struct vcpu *vcpu)
{
	vcpu_request(vcpu, REQ_TLB_FLUSH);
	/* Shadow tables are a part of its TLB. */
	if (vcpu->vm->mmu.shadow)
		vcpu_request(vcpu, REQ_RELOAD_ROOT);
}

#endif
