// SPDX-License-Identifier: GPL-2.0-only
/*
 * VMX as a property of the machine: switching it on and off on each CPU, and the
 * pages that the CPU itself needs.  What it can do is caps.c's.  The hard part
 * is leaving the CPU clean on paths that nobody planned: a crash kernel finds
 * every VMCS in memory and VMX off, so that INIT works again.
 */
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/perf_event.h>
#include <asm/tlbflush.h>

#include "compat.h"
#include "vmx/vmx.h"

DEFINE_PER_CPU(struct vmx_cpu, vmx_cpus);

static void vmx_free_pages(void)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		struct vmx_cpu *vc = per_cpu_ptr(&vmx_cpus, cpu);

		if (vc->vmxon)
			__free_page(vc->vmxon);
		vc->vmxon = NULL;
	}
}

static int vmx_alloc_pages(void)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		struct vmx_cpu *vc = per_cpu_ptr(&vmx_cpus, cpu);

		INIT_LIST_HEAD(&vc->loaded);
		vc->vmxon = alloc_page(GFP_KERNEL | __GFP_ZERO);
		if (!vc->vmxon)
			return -ENOMEM;
		*(u32 *)page_address(vc->vmxon) = vmx_basic_vmcs_revision_id(vmx_caps.basic);
	}
	return 0;
}

static void vmx_teardown(void)
{
	vmx_counters_teardown();
	vmx_l1tf_teardown();
	vmx_free_pages();
}

static int vmx_setup(void)
{
	int err = vmx_alloc_pages();

	if (!err)
		err = vmx_l1tf_setup();
	if (err)
		vmx_teardown();
	else
		vmx_counters_setup();
	return err;
}

static int vmx_on(u64 pa)
{
	asm goto("1:	vmxon %[pa]\n"
		 "	jna %l[failed]\n"
		 _ASM_EXTABLE(1b, %l[failed])
		 : : [pa] "m" (pa) : "cc", "memory" : failed);
	return 0;
failed:
	return -EIO;
}

/* On a page of ours, where the kernel does not do it on its own. */
static int vmx_switch_on(struct vmx_cpu *vc)
{
	if (COMPAT_KERNEL_OWNS_VIRT)
		return compat_virt_on(X86_FEATURE_VMX);
	/* Where tracing and VMX exclude each other, tracing yields. */
	intel_pt_handle_vmx(1);
	cr4_set_bits(X86_CR4_VMXE);
	if (vmx_on(page_to_phys(vc->vmxon))) {
		cr4_clear_bits(X86_CR4_VMXE);
		intel_pt_handle_vmx(0);
		return -EIO;
	}
	return 0;
}

static int vmx_cpu_enable(const char **why)
{
	struct vmx_cpu *vc = this_cpu_ptr(&vmx_cpus);
	bool foreign = !COMPAT_KERNEL_OWNS_VIRT && (__read_cr4() & X86_CR4_VMXE);
	int err = vmx_check_cpu(foreign, why);

	if (err)
		return err;
	err = vmx_switch_on(vc);
	if (err) {
		*why = "VMXON was refused, though the firmware allows VMX";
		return err;
	}
	vc->on = true;
	vmx_invalidate_all();
	vmx_host_msrs(vc);
	return 0;
}

/*
 * Called by the kernel on its way down, NMI context included, whatever this CPU
 * was doing.  A kernel that owns VMXON leaves VMX operation itself.
 */
static void vmx_emergency_disable(void)
{
	struct vmx_cpu *vc = this_cpu_ptr(&vmx_cpus);

	if (!vc->on || !(__read_cr4() & X86_CR4_VMXE))
		return;
	vmx_vmcs_clear_all(vc);
	vc->on = false;
	if (COMPAT_KERNEL_OWNS_VIRT)
		return;
	asm volatile("1: vmxoff\n2:\n" _ASM_EXTABLE(1b, 2b) ::: "cc", "memory");
	cr4_clear_bits(X86_CR4_VMXE);
}

static void vmx_cpu_disable(void)
{
	vmx_emergency_disable();
	compat_virt_off(X86_FEATURE_VMX);
	if (!COMPAT_KERNEL_OWNS_VIRT)
		intel_pt_handle_vmx(0);
}

const struct backend_ops vmx_backend = {
	.name = "vmx",
	.vcpu_size = sizeof(struct vmx_vcpu),
	.caps = &vmx_backend_caps,
	.probe = vmx_probe,
	.setup = vmx_setup,
	.teardown = vmx_teardown,
	.cpu_enable = vmx_cpu_enable,
	.cpu_disable = vmx_cpu_disable,
	.emergency_disable = vmx_emergency_disable,
	.vcpu_init = vmx_vcpu_init,
	.vcpu_free = vmx_vcpu_free,
	.load = vmx_load,
	.put = vmx_put,
	.fetch = vmx_fetch,
	.run = vmx_run,
	.sample = vmx_sample,
	.inject = vmx_inject,
	.set_window = vmx_set_window,
	.flush_tlb = vmx_flush_tlb,
	.set_tdp_root = vmx_set_tdp_root,
	.pass_msr = vmx_pass_msr,
	.set_dr_exits = vmx_set_dr_exits,
	.set_exception_exits = vmx_set_exception_exits,
	.show_apic = vmx_show_apic,
	.notify = vmx_notify,
};
