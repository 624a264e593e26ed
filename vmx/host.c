// SPDX-License-Identifier: GPL-2.0-only
/*
 * Registers that host and guest share because the VMCS does not switch them, or
 * not as Linux needs: the system-call MSRs, KERNEL_GS_BASE, and selectors that an
 * exit nulls.  They are the guest's from the first entry until the thread
 * leaves its CPU or the kernel (vmx_put()); the kernel itself uses none of them.
 */
#include <asm/cpu_entry_area.h>
#include <asm/cpufeature.h>
#include <asm/debugreg.h>
#include <asm/desc.h>
#include <asm/mmu_context.h>
#include <asm/msr.h>
#include <asm/processor.h>
#include <asm/segment.h>

#include "vmx/vmx.h"
#include "x86/cpu/hostwork.h"

static const u32 vmx_msr_index[VMX_NR_MSRS] = {
	[VMX_STAR] = MSR_STAR,
	[VMX_LSTAR] = MSR_LSTAR,
	[VMX_CSTAR] = MSR_CSTAR,
	[VMX_SFMASK] = MSR_SYSCALL_MASK,
	[VMX_EFER] = MSR_EFER,
	[VMX_TSC_AUX] = MSR_TSC_AUX,
};

/**
 * vmx_host_constant() - host state that is the same on every CPU, into the current VMCS
 */
void vmx_host_constant(void)
{
	struct desc_ptr idt;
	u64 val;

	vmcs_write(HOST_RIP, (unsigned long)vmx_exit_point);
	vmcs_write(HOST_CR0, read_cr0() & ~X86_CR0_TS);
	vmcs_write(HOST_CS_SELECTOR, __KERNEL_CS);
	vmcs_write(HOST_SS_SELECTOR, __KERNEL_DS);
	vmcs_write(HOST_DS_SELECTOR, 0);
	vmcs_write(HOST_ES_SELECTOR, 0);
	vmcs_write(HOST_FS_SELECTOR, 0);
	vmcs_write(HOST_GS_SELECTOR, 0);
	vmcs_write(HOST_TR_SELECTOR, GDT_ENTRY_TSS * 8);
	store_idt(&idt);
	vmcs_write(HOST_IDTR_BASE, idt.address);
	rdmsrl(MSR_IA32_SYSENTER_CS, val);
	vmcs_write(HOST_IA32_SYSENTER_CS, val);
	rdmsrl(MSR_IA32_SYSENTER_EIP, val);
	vmcs_write(HOST_IA32_SYSENTER_EIP, val);
	if (vmx_uses(VMX_EXIT, VM_EXIT_LOAD_IA32_PAT)) {
		rdmsrl(MSR_IA32_CR_PAT, val);
		vmcs_write(HOST_IA32_PAT, val);
	}
	if (vmx_uses(VMX_EXIT, VM_EXIT_LOAD_IA32_EFER)) {
		rdmsrl(MSR_EFER, val);
		vmcs_write(HOST_IA32_EFER, val);
	}
}

/**
 * vmx_host_of_cpu() - host state that each CPU has its own of, into the current VMCS
 * @cpu: this one
 */
void vmx_host_of_cpu(int cpu)
{
	u64 esp;

	vmcs_write(HOST_TR_BASE, (unsigned long)&get_cpu_entry_area(cpu)->tss.x86_tss);
	vmcs_write(HOST_GDTR_BASE, (unsigned long)get_current_gdt_ro());
	vmcs_write(HOST_GS_BASE, cpu_kernelmode_gs_base(cpu));
	rdmsrl(MSR_IA32_SYSENTER_ESP, esp);
	vmcs_write(HOST_IA32_SYSENTER_ESP, esp);
}

/* Of them, those that this host has: all, or all but the last. */
static unsigned int vmx_nr_msrs __read_mostly;

/**
 * vmx_host_msrs() - remember what this CPU has in the MSRs that are shared
 * @vc: this CPU's
 *
 * The kernel sets them once, when it brings the CPU up.
 */
void vmx_host_msrs(struct vmx_cpu *vc)
{
	bool has_tsc_aux = boot_cpu_has(X86_FEATURE_RDTSCP) || boot_cpu_has(X86_FEATURE_RDPID);
	unsigned int nr;

	vmx_nr_msrs = has_tsc_aux ? VMX_NR_MSRS : VMX_TSC_AUX;
	for (nr = 0; nr < vmx_nr_msrs; nr++)
		rdmsrl(vmx_msr_index[nr], vc->msr[nr]);
}

static void vmx_switch_msrs(const u64 *from, const u64 *to)
{
	unsigned int nr, nr_msrs = vmx_nr_msrs;

	for (nr = 0; nr < nr_msrs; nr++)
		if (from[nr] != to[nr])
			native_wrmsrl(vmx_msr_index[nr], to[nr]);
}

/**
 * vmx_load_msr() - the guest has a new value in a shared MSR
 * @vmx: loaded; IRQs off
 * @nr: which
 * @val: the value; invalid ones were refused when they were written
 */
void vmx_load_msr(struct vmx_vcpu *vmx, enum vmx_msr nr, u64 val)
{
	if (vmx->msr[nr] == val)
		return;
	vmx->msr[nr] = val;
	if (vmx->guest_msrs && nr < vmx_nr_msrs)
		wrmsrl(vmx_msr_index[nr], val);
}

/**
 * vmx_load_guest() - the shared registers are the guest's from here on
 * @vmx: loaded; IRQs off
 */
void vmx_load_guest(struct vmx_vcpu *vmx)
{
	struct vmx_host *host = &vmx->host;

	current_save_fsgs();
	host->fs = current->thread.fsindex;
	host->gs = current->thread.gsindex;
	host->fs_base = current->thread.fsbase;
	host->gs_base = current->thread.gsbase;
	savesegment(ds, host->ds);
	savesegment(es, host->es);
	vmcs_update(HOST_FS_BASE, vmx->written.host_fs_base, host->fs_base);
	native_wrmsrl(MSR_KERNEL_GS_BASE, vmx->kernel_gs_base);
	vmx_switch_msrs(this_cpu_ptr(&vmx_cpus)->msr, vmx->msr);
	vmx->guest_msrs = true;
}

/* Only 32-bit and unusual threads have selectors other than 0; the exit has loaded 0. */
static void vmx_load_host_selectors(const struct vmx_host *host)
{
	/* First: the others may be of the LDT. */
	hostwork_load_ldt();
	if (host->ds)
		loadsegment(ds, host->ds);
	if (host->es)
		loadsegment(es, host->es);
	if (host->fs) {
		loadsegment(fs, host->fs);
		wrmsrl(MSR_FS_BASE, host->fs_base);
	}
	if (host->gs)
		load_gs_index(host->gs);
}

/**
 * vmx_load_host() - they are the thread's again
 * @vmx: loaded; preemption off
 */
void vmx_load_host(struct vmx_vcpu *vmx)
{
	unsigned long flags;

	/*
	 * IRQs off: an interrupt between the loads of selectors and bases would find
	 * neither complete.
	 */
	local_irq_save(flags);
	rdmsrl(MSR_KERNEL_GS_BASE, vmx->kernel_gs_base);
	vmx_load_host_selectors(&vmx->host);
	native_wrmsrl(MSR_KERNEL_GS_BASE, vmx->host.gs_base);
	vmx_switch_msrs(vmx->msr, this_cpu_ptr(&vmx_cpus)->msr);
	/* An exit sets both limits to what suits it, not Linux. */
	invalidate_tss_limit();
	load_fixmap_gdt(raw_smp_processor_id());
	vmx->guest_msrs = false;
	local_irq_restore(flags);
}
