// SPDX-License-Identifier: GPL-2.0-only
/*
 * The life of a VMCS and where it is (SDM 25.1 and 25.11): in memory, or in the
 * caches of one CPU, which must write it back with VMCLEAR before another CPU,
 * a crash kernel or the page allocator gets it.
 *
 * The hard part is the list of a CPU's VMCSs: a crash reads it from an NMI at any
 * moment, so it is whole at every moment.
 */
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/ratelimit.h>
#include <linux/rculist.h>
#include <linux/smp.h>

#include "vmx/vmx.h"

/**
 * vmcs_access_failed() - an instruction that accesses the current VMCS did not work
 * @what: the instruction
 * @field: or other operand
 *
 * Harmless when VMX was switched off under a vCPU's thread, as a reboot does.
 */
void vmcs_access_failed(const char *what, unsigned long field)
{
	WARN_ONCE(raw_cpu_read(vmx_cpus.on), "ditto: %s %#lx failed\n", what, field);
}

/**
 * vmx_vmcs_alloc() - memory for a VMCS
 * @vmx: being created
 *
 * Return: 0 or -ENOMEM.
 */
int vmx_vmcs_alloc(struct vmx_vcpu *vmx)
{
	vmx->vmcs_page = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	if (!vmx->vmcs_page)
		return -ENOMEM;
	*(u32 *)page_address(vmx->vmcs_page) = vmx_basic_vmcs_revision_id(vmx_caps.basic);
	vmx->vmcs_pa = page_to_phys(vmx->vmcs_page);
	vmx->loaded_cpu = -1;
	return 0;
}

static void vmcs_clear(u64 pa)
{
	asm goto("1:	vmclear %[pa]\n"
		 "	jna %l[failed]\n"
		 _ASM_EXTABLE(1b, %l[failed])
		 : : [pa] "m" (pa) : "cc", "memory" : failed);
	return;
failed:
	vmcs_access_failed("VMCLEAR", pa);
}

static void vmcs_make_current(u64 pa)
{
	asm goto("1:	vmptrld %[pa]\n"
		 "	jna %l[failed]\n"
		 _ASM_EXTABLE(1b, %l[failed])
		 : : [pa] "m" (pa) : "cc", "memory" : failed);
	return;
failed:
	vmcs_access_failed("VMPTRLD", pa);
}

/* IRQs off, on the CPU that holds it. */
static void vmcs_unload(struct vmx_cpu *vc, struct vmx_vcpu *vmx)
{
	vmcs_clear(vmx->vmcs_pa);
	if (vc->current_vmcs == vmx->vmcs_pa)
		vc->current_vmcs = 0;
	vmx->launched = false;
	/* If a crash interrupts here, it clears the VMCS a second time, which is harmless. */
	list_del_rcu(&vmx->loaded_node);
	/* Seen by the CPU that takes the VMCS next: all of the above came before. */
	smp_store_release(&vmx->loaded_cpu, -1);
}

static void vmcs_unload_ipi(void *info)
{
	struct vmx_vcpu *vmx = info;

	/* The CPU may just have gone offline and come back. */
	if (vmx->loaded_cpu == smp_processor_id())
		vmcs_unload(this_cpu_ptr(&vmx_cpus), vmx);
}

/* Bring it to memory, wherever it is. A CPU that is offline has no VMCS. */
static void vmcs_recall(struct vmx_vcpu *vmx)
{
	int cpu = smp_load_acquire(&vmx->loaded_cpu);

	if (cpu >= 0)
		smp_call_function_single(cpu, vmcs_unload_ipi, vmx, 1);
}

/**
 * vmx_vmcs_free() - free a VMCS
 * @vmx: never runs again; may have none
 */
void vmx_vmcs_free(struct vmx_vcpu *vmx)
{
	if (!vmx->vmcs_page)
		return;
	vmcs_recall(vmx);
	__free_page(vmx->vmcs_page);
	vmx->vmcs_page = NULL;
}

/**
 * vmx_vmcs_load() - make a VMCS this CPU's current one
 * @vmx: owned by this thread
 * @cpu: this one; preemption off, IRQs on
 */
void vmx_vmcs_load(struct vmx_vcpu *vmx, int cpu)
{
	struct vmx_cpu *vc = per_cpu_ptr(&vmx_cpus, cpu);
	unsigned long flags;

	if (READ_ONCE(vmx->loaded_cpu) != cpu)
		vmcs_recall(vmx);
	local_irq_save(flags);
	if (vmx->loaded_cpu != cpu) {
		/* In the list before the CPU can have any of it. */
		list_add_rcu(&vmx->loaded_node, &vc->loaded);
		WRITE_ONCE(vmx->loaded_cpu, cpu);
		vmcs_clear(vmx->vmcs_pa);
	}
	if (vc->current_vmcs != vmx->vmcs_pa) {
		vmcs_make_current(vmx->vmcs_pa);
		vc->current_vmcs = vmx->vmcs_pa;
	}
	local_irq_restore(flags);
}

/**
 * vmx_vmcs_clear_all() - write back every VMCS that this CPU holds
 * @vc: this CPU's; IRQs off, or in a crash
 */
void vmx_vmcs_clear_all(struct vmx_cpu *vc)
{
	struct vmx_vcpu *vmx, *next;

	list_for_each_entry_safe(vmx, next, &vc->loaded, loaded_node)
		vmcs_unload(vc, vmx);
}
