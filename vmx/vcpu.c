// SPDX-License-Identifier: GPL-2.0-only
/*
 * A vCPU's control structures on VMX, what is armed in them, and what happens
 * when its thread comes to a CPU and leaves it.  What the guest's registers
 * hold is state.c's, entering the guest run.c's.
 *
 * Only a loaded VMCS can be written.  What may be armed without is kept here and
 * written by the entry, when it differs from what is there.
 */
#include <linux/gfp.h>
#include <linux/mm.h>
#include <asm/apicdef.h>
#include <asm/irq_vectors.h>
#include <asm/msr-index.h>
#include <asm/trapnr.h>

#include "compat.h"
#include "vmx/vmx.h"
#include "x86/machine/vm.h"

/* PAUSE-loop exiting (25.6.13): 128 cycles apart is a loop, 4096 of it is enough. */
#define PLE_GAP_CYCLES		128
#define PLE_WINDOW_CYCLES	4096

static void vmx_vcpu_free_pages(struct vmx_vcpu *vmx)
{
	free_page((unsigned long)vmx->log);
	free_page((unsigned long)vmx->msr_bitmap);
}

/**
 * vmx_cpu2_of() - secondary controls that a VMM did not turn off, and those that it asked for
 * @cpu2: what the CPU can do
 * @enabled: of the VM
 *
 * Return: the controls.
 */
u32 vmx_cpu2_of(u32 cpu2, const struct vm_enabled *enabled)
{
	if (enabled->exits_off & KVM_X86_DISABLE_EXITS_PAUSE)
		cpu2 &= ~SECONDARY_EXEC_PAUSE_LOOP_EXITING;
	if (!enabled->bus_lock_exits)
		cpu2 &= ~SECONDARY_EXEC_BUS_LOCK_DETECTION;
	if (!enabled->notify)
		cpu2 &= ~SECONDARY_EXEC_NOTIFY_VM_EXITING;
	return cpu2;
}

static u32 vmx_vcpu_cpu2(const struct vmx_vcpu *vmx)
{
	u32 cpu2 = vmx_caps.control[VMX_CPU2] & ~SECONDARY_EXEC_VIRTUALIZE_X2APIC_MODE;

	if (!vmx->vpid)
		cpu2 &= ~SECONDARY_EXEC_ENABLE_VPID;
	if (!vmx->vcpu.apic)
		cpu2 &= ~(SECONDARY_EXEC_APIC_REGISTER_VIRT |
			  SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY);
	return vmx_cpu2_of(cpu2, &vmx->vcpu.vm->enabled);
}

/* With shadow tables a page fault is not the guest's before somebody has looked at it. */
static u32 vmx_exceptions(u32 vectors)
{
	return EXCEPTION_EXITS | vectors | (vmx_backend_caps.shadow ? BIT(X86_TRAP_PF) : 0);
}

/**
 * vmx_vcpu_init() - backend_ops.vcpu_init
 * @vcpu: all else in it is initialized
 *
 * Return: 0 or -ENOMEM.
 */
int vmx_vcpu_init(struct vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	int err = vmx_vmcs_alloc(vmx);

	if (err)
		return err;
	vmx->msr_bitmap = (void *)__get_free_page(GFP_KERNEL_ACCOUNT);
	if (vmx_uses(VMX_CPU2, SECONDARY_EXEC_ENABLE_PML))
		vmx->log = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!vmx->msr_bitmap ||
	    (vmx_uses(VMX_CPU2, SECONDARY_EXEC_ENABLE_PML) && !vmx->log)) {
		vmx_vcpu_free_pages(vmx);
		vmx_vmcs_free(vmx);
		return -ENOMEM;
	}
	memset(vmx->msr_bitmap, 0xff, PAGE_SIZE);
	vmx->vpid = vmx_vpid_alloc();
	vmx->cpu2 = vmx_vcpu_cpu2(vmx);
	vmx->cpu_ctl = vmx_caps.control[VMX_CPU];
	/* The host's EFER stays, unless the guest's has to be loaded. */
	rdmsrl(MSR_EFER, vmx->msr[VMX_EFER]);
	vmx->exceptions = vmx_exceptions(0);
	if (vcpu->vm->enabled.exits_off & KVM_X86_DISABLE_EXITS_MWAIT)
		vmx->cpu_ctl &= ~(CPU_BASED_MWAIT_EXITING | CPU_BASED_MONITOR_EXITING);
	vmx->halts = vcpu->vm->enabled.exits_off & KVM_X86_DISABLE_EXITS_HLT;
	if (vmx->halts)
		vmx->cpu_ctl &= ~CPU_BASED_HLT_EXITING;
	if (vmx_uses(VMX_CPU, CPU_BASED_TPR_SHADOW))
		vmx->cpu_ctl &= ~(CPU_BASED_CR8_LOAD_EXITING | CPU_BASED_CR8_STORE_EXITING);
	return 0;
}

/**
 * vmx_vcpu_free() - backend_ops.vcpu_free
 * @vcpu: never runs again
 */
void vmx_vcpu_free(struct vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	vmx_vmcs_free(vmx);
	vmx_vcpu_free_pages(vmx);
	vmx_vpid_free(vmx->vpid);
}

static void vmx_write_controls(struct vmx_vcpu *vmx)
{
	u32 pin = vmx_caps.control[VMX_PIN];

	if (!vmx->vcpu.posted)
		pin &= ~PIN_BASED_POSTED_INTR;
	vmcs_write(PIN_BASED_VM_EXEC_CONTROL, pin);
	if (pin & PIN_BASED_POSTED_INTR) {
		vmcs_write(POSTED_INTR_NV, POSTED_INTR_VECTOR);
		vmcs_write(POSTED_INTR_DESC_ADDR, virt_to_phys(vmx->vcpu.posted));
	}
	vmcs_write(CPU_BASED_VM_EXEC_CONTROL, vmx->cpu_ctl);
	if (vmx_uses(VMX_CPU, CPU_BASED_ACTIVATE_SECONDARY_CONTROLS))
		vmcs_write(SECONDARY_VM_EXEC_CONTROL, vmx->cpu2);
	vmcs_write(VM_EXIT_CONTROLS, vmx_caps.control[VMX_EXIT]);
	vmcs_write(VM_ENTRY_CONTROLS, vmx_caps.control[VMX_ENTRY]);
	vmcs_write(EXCEPTION_BITMAP, vmx->exceptions);
	vmx->written.exceptions = vmx->exceptions;
	vmx->written.cpu_ctl = vmx->cpu_ctl;
	vmx->written.cpu2 = vmx->cpu2;
	vmx->written.entry_ctl = vmx_caps.control[VMX_ENTRY];
	if (vmx->vpid)
		vmcs_write(VIRTUAL_PROCESSOR_ID, vmx->vpid);
	vmx->written.timer = vmx_caps.watchdog;
	if (vmx_uses(VMX_PIN, PIN_BASED_VMX_PREEMPTION_TIMER))
		vmcs_write(VMX_PREEMPTION_TIMER_VALUE, vmx_caps.watchdog);
	if (vmx_uses(VMX_CPU2, SECONDARY_EXEC_PAUSE_LOOP_EXITING)) {
		vmcs_write(PLE_GAP, PLE_GAP_CYCLES);
		vmcs_write(PLE_WINDOW, PLE_WINDOW_CYCLES);
	}
	if (vmx->cpu2 & SECONDARY_EXEC_NOTIFY_VM_EXITING)
		vmcs_write(NOTIFY_WINDOW, vmx->vcpu.vm->enabled.notify_window);
	if (vmx_uses(VMX_CPU2, SECONDARY_EXEC_ENABLE_XSAVES))
		vmcs_write(XSS_EXIT_BITMAP, 0);
	if (vmx->log) {
		vmcs_write(PML_ADDRESS, virt_to_phys(vmx->log));
		vmcs_write(GUEST_PML_INDEX, VMX_LOG_ENTRIES - 1);
	}
	if (vmx_uses(VMX_CPU2, SECONDARY_EXEC_ENCLS_EXITING))
		vmcs_write(ENCLS_EXITING_BITMAP, ~0ULL);
}

static void vmx_write_eoi_exits(struct vmx_vcpu *vmx, const u64 *vectors)
{
	vmcs_write(EOI_EXIT_BITMAP0, vectors[0]);
	vmcs_write(EOI_EXIT_BITMAP1, vectors[1]);
	vmcs_write(EOI_EXIT_BITMAP2, vectors[2]);
	vmcs_write(EOI_EXIT_BITMAP3, vectors[3]);
	memcpy(vmx->written.eoi_exits, vectors, sizeof(vmx->written.eoi_exits));
}

/*
 * Fill a VMCS that was just allocated. Its memory is zero, but the CPU may keep fields
 * elsewhere, with undefined contents, so write every field that is used.
 */
static void vmx_write_vmcs(struct vmx_vcpu *vmx)
{
	vmx_write_controls(vmx);
	vmx_host_constant();
	vmcs_write(MSR_BITMAP, virt_to_phys(vmx->msr_bitmap));
	if (vmx_uses(VMX_CPU, CPU_BASED_TPR_SHADOW)) {
		vmcs_write(VIRTUAL_APIC_PAGE_ADDR, virt_to_phys(vmx->vcpu.apic_page));
		vmcs_write(TPR_THRESHOLD, 0);
	}
	if (vmx_uses(VMX_CPU2, SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY)) {
		vmcs_write(GUEST_INTR_STATUS, 0);
		vmx_write_eoi_exits(vmx, (const u64[4]){});
	}
	vmcs_write(VMCS_LINK_POINTER, ~0ULL);
	vmcs_write(PAGE_FAULT_ERROR_CODE_MASK, 0);
	vmcs_write(PAGE_FAULT_ERROR_CODE_MATCH, 0);
	vmcs_write(CR3_TARGET_COUNT, 0);
	vmcs_write(VM_EXIT_MSR_STORE_COUNT, 0);
	vmcs_write(VM_EXIT_MSR_LOAD_COUNT, 0);
	vmcs_write(VM_ENTRY_MSR_LOAD_COUNT, 0);
	vmcs_write(VM_EXIT_MSR_LOAD_ADDR, virt_to_phys(vmx->counters.host));
	vmcs_write(VM_ENTRY_MSR_LOAD_ADDR, virt_to_phys(vmx->counters.guest));
	vmcs_write(VM_ENTRY_INTR_INFO_FIELD, 0);
	vmcs_write(CR0_GUEST_HOST_MASK, ~0ULL);
	/*
	 * Kernels turn PGE off and on again to flush their TLB, which the CPU does for them, but
	 * for shadow tables.
	 */
	vmcs_write(CR4_GUEST_HOST_MASK, vmx_backend_caps.shadow ? ~0ULL : ~VMX_CR4_OF_GUEST);
	vmcs_write(GUEST_ACTIVITY_STATE, GUEST_ACTIVITY_ACTIVE);
	vmcs_write(GUEST_PENDING_DBG_EXCEPTIONS, 0);
	vmcs_write(GUEST_INTERRUPTIBILITY_INFO, 0);
	vmcs_write(GUEST_RIP, 0);
	vmcs_write(GUEST_RSP, 0);
	vmcs_write(GUEST_RFLAGS, 0);
	vmcs_write(HOST_CR3, 0);
	vmcs_write(HOST_CR4, 0);
	vmcs_write(HOST_RSP, 0);
	vmcs_write(HOST_FS_BASE, 0);
	vmx->ready = true;
}

/**
 * vmx_load() - backend_ops.load: the vCPU's thread comes to a CPU
 * @vcpu: owned by this thread
 * @cpu: this one; preemption is off
 */
void vmx_load(struct vcpu *vcpu, int cpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	bool moved = vmx->loaded_cpu != cpu;

	vmx_vmcs_load(vmx, cpu);
	if (!vmx->ready)
		vmx_write_vmcs(vmx);
	if (moved) {
		vmx_host_of_cpu(cpu);
		vmx->flush = true;
		vmx->new_cpu = true;
	}
	vmx->flush_l1d = true;
}

/**
 * vmx_put() - backend_ops.put: the vCPU's thread leaves its CPU
 * @vcpu: owned by this thread; preemption is off
 */
void vmx_put(struct vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	if (vmx->guest_msrs)
		vmx_load_host(vmx);
}

/**
 * vmx_flush_tlb() - backend_ops.flush_tlb
 * @vcpu: loaded; IRQs off
 */
void vmx_flush_tlb(struct vcpu *vcpu)
{
	to_vmx(vcpu)->flush = true;
}

/**
 * vmx_set_tdp_root() - backend_ops.set_tdp_root
 * @vcpu: loaded
 * @root: of the EPT, or of the shadow tables
 */
void vmx_set_tdp_root(struct vcpu *vcpu, hpa_t root)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	if (vmx_backend_caps.shadow) {
		vmx->shadow_root = root;
		vmcs_write(GUEST_CR3, root);
		return;
	}
	vmx->eptp = vmx_eptp(root);
	vmcs_write(EPT_POINTER, vmx->eptp);
}

/* MSRs that vmx_put() reads back, or the CPU saves in the VMCS (25.4.1). */
static bool vmx_can_pass_writes(u32 msr)
{
	switch (msr) {
	case MSR_IA32_SYSENTER_CS:
	case MSR_IA32_SYSENTER_ESP:
	case MSR_IA32_SYSENTER_EIP:
	case MSR_FS_BASE:
	case MSR_GS_BASE:
	case MSR_KERNEL_GS_BASE:
		return true;
	/* Writes of these the CPU carries out on the virtual-APIC page (30.5). */
	case APIC_BASE_MSR + (APIC_TASKPRI >> 4):
	case APIC_BASE_MSR + (APIC_EOI >> 4):
	case APIC_BASE_MSR + (APIC_SELF_IPI >> 4):
		return true;
	default:
		return false;
	}
}

/**
 * vmx_pass_msr() - backend_ops.pass_msr
 * @vcpu: any state
 * @msr: one that this backend switches, or a counter of the host's that guests may read;
 *	others are never let through
 * @read: RDMSR makes no exit
 * @write: WRMSR makes no exit, where the value can be had back cheaply: system-call
 *	MSRs are written once by a guest, but would be read at each switch
 *
 * The bitmap (25.6.9): reads of MSRs from 0 and from 0xc0000000, then writes.
 */
void vmx_pass_msr(struct vcpu *vcpu, u32 msr, bool read, bool write)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	unsigned long bit = msr & 0x1fff;

	if (WARN_ON_ONCE(msr & 0x3fffe000))
		return;
	if (msr & 0xc0000000)
		bit += 0x2000;
	__assign_bit(bit, vmx->msr_bitmap, !read);
	__assign_bit(bit + 0x4000, vmx->msr_bitmap, !write || !vmx_can_pass_writes(msr));
}

static void vmx_arm(struct vmx_vcpu *vmx, u32 bit, bool on)
{
	vmx->cpu_ctl = on ? vmx->cpu_ctl | bit : vmx->cpu_ctl & ~bit;
}

/**
 * vmx_set_dr_exits() - backend_ops.set_dr_exits
 * @vcpu: owned
 * @on: reads and writes of DR0 to DR7 exit
 */
void vmx_set_dr_exits(struct vcpu *vcpu, bool on)
{
	vmx_arm(to_vmx(vcpu), CPU_BASED_MOV_DR_EXITING, on);
}

/**
 * vmx_set_exception_exits() - backend_ops.set_exception_exits
 * @vcpu: owned
 * @vectors: a bit each
 */
void vmx_set_exception_exits(struct vcpu *vcpu, u32 vectors)
{
	to_vmx(vcpu)->exceptions = vmx_exceptions(vectors);
}

/**
 * vmx_set_window() - backend_ops.set_window
 * @vcpu: owned
 * @windows: WINDOW_*
 *
 * Without TPR shadow all accesses to CR8 exit anyway.
 */
void vmx_set_window(struct vcpu *vcpu, u32 windows)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	vmx_arm(vmx, CPU_BASED_INTR_WINDOW_EXITING, windows & WINDOW_IRQ);
	vmx_arm(vmx, CPU_BASED_NMI_WINDOW_EXITING, windows & WINDOW_NMI);
	if (vmx_uses(VMX_CPU, CPU_BASED_TPR_SHADOW))
		vmx_arm(vmx, CPU_BASED_CR8_LOAD_EXITING, windows & WINDOW_CR8);
}

/**
 * vmx_show_apic() - backend_ops.show_apic
 * @vcpu: loaded; IRQs off
 * @view: of its APIC
 *
 * The interrupt status (25.4.2) is what the CPU goes by; it does not look for the
 * highest vectors in the page.
 */
void vmx_show_apic(struct vcpu *vcpu, const struct apic_view *view)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	u32 cpu2 = vmx->cpu2;

	if (view->x2apic)
		cpu2 |= vmx_caps.control[VMX_CPU2] & SECONDARY_EXEC_VIRTUALIZE_X2APIC_MODE;
	vmcs_update(SECONDARY_VM_EXEC_CONTROL, vmx->written.cpu2, cpu2);
	if (!(cpu2 & SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY))
		return;
	vmcs_write(GUEST_INTR_STATUS, view->requested | view->in_service << 8);
	if (memcmp(vmx->written.eoi_exits, view->eoi_exits, sizeof(view->eoi_exits)))
		vmx_write_eoi_exits(vmx, view->eoi_exits);
}

/**
 * vmx_notify() - backend_ops.notify
 * @cpu: where the guest is, or was
 *
 * SDM 30.6.  In the host the vector's handler, which is there for KVM, does nothing; a
 * guest that came to that CPU meanwhile has nothing posted, or is served a little early.
 */
void vmx_notify(int cpu)
{
	compat_send_ipi(cpu, POSTED_INTR_VECTOR);
}

/**
 * vmx_end_halt() - the guest goes on behind its HLT
 * @vmx: loaded, and halted in its VMCS
 */
void vmx_end_halt(struct vmx_vcpu *vmx)
{
	vmcs_write(GUEST_ACTIVITY_STATE, GUEST_ACTIVITY_ACTIVE);
	vmx->halted = false;
}

/**
 * vmx_inject() - backend_ops.inject
 * @vcpu: loaded; IRQs off
 * @event: delivered by the CPU before the guest's next instruction (27.6.1)
 */
void vmx_inject(struct vcpu *vcpu, const struct x86_event *event)
{
	u32 info = event->vector | event->type << 8 | INTR_INFO_VALID_MASK;

	/* Of exceptions the CPU takes only two for a guest that is halted (27.3.1.5). */
	if (unlikely(to_vmx(vcpu)->halted))
		vmx_end_halt(to_vmx(vcpu));
	if (event->has_error) {
		info |= INTR_INFO_DELIVER_CODE_MASK;
		/* An error code has 16 bits (27.2.1.3); a VMM may have set more. */
		vmcs_write(VM_ENTRY_EXCEPTION_ERROR_CODE, (u16)event->error);
	}
	if (event->type == EVENT_SOFT_INT || event->type == EVENT_SOFT_EXC)
		vmcs_write(VM_ENTRY_INSTRUCTION_LEN, event->insn_len);
	vmcs_write(VM_ENTRY_INTR_INFO_FIELD, info);
	to_vmx(vcpu)->injecting_nmi = event->type == EVENT_NMI;
}
