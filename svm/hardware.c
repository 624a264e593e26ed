// SPDX-License-Identifier: GPL-2.0-only
/*
 * SVM as a property of the machine: switching it on and off on each CPU, and the pages
 * the CPU itself needs.  What it can do is caps.c's.  It knows no vCPU.  The hard
 * part is leaving the CPU clean on paths that nobody planned: a crash kernel
 * starts with SVM off and GIF set, or not at all.
 */
#include <linux/cpufeature.h>
#include <linux/gfp.h>
#include <linux/mem_encrypt.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/perf_event.h>
#include <asm/msr.h>
#include <asm/reboot.h>

#include "compat.h"
#include "svm/svm.h"

/* Two pages and the byte after, as the permission of ports 0xfffd..0xffff (15.10.1). */
#define IOPM_ORDER	2

DEFINE_PER_CPU(struct svm_cpu, svm_cpus);
struct page *svm_iopm;

static void svm_free_pages(void)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		struct svm_cpu *sc = per_cpu_ptr(&svm_cpus, cpu);

		svm_pages_free(sc->hsave, 0);
		svm_pages_free(sc->host, 0);
		sc->hsave = NULL;
		sc->host = NULL;
	}
	svm_pages_free(svm_iopm, IOPM_ORDER);
	svm_iopm = NULL;
}

static int svm_alloc_pages(void)
{
	int cpu;

	svm_iopm = svm_pages_alloc(GFP_KERNEL, IOPM_ORDER);
	if (!svm_iopm)
		return -ENOMEM;
	memset(page_address(svm_iopm), 0xff, PAGE_SIZE << IOPM_ORDER);

	for_each_possible_cpu(cpu) {
		struct svm_cpu *sc = per_cpu_ptr(&svm_cpus, cpu);

		sc->hsave = svm_pages_alloc(GFP_KERNEL | __GFP_ZERO, 0);
		sc->host = svm_pages_alloc(GFP_KERNEL | __GFP_ZERO, 0);
		if (!sc->hsave || !sc->host)
			return -ENOMEM;
		sc->host_area = page_address(sc->host);
		sc->host_pa = svm_page_pa(sc->host);
	}
	return 0;
}

static int svm_setup(void)
{
	int err = svm_alloc_pages();

	if (err)
		svm_free_pages();
	return err;
}

/*
 * Called by the kernel on its way down, NMI context included.  STGI first:
 * clearing SVME with GIF clear would leave NMIs blocked for the next kernel.
 * A kernel that owns SVME does both itself.
 */
static void svm_emergency_disable(void)
{
	u64 efer;

	wrmsrl(MSR_VM_HSAVE_PA, 0);
	if (COMPAT_KERNEL_OWNS_VIRT)
		return;
	rdmsrl(MSR_EFER, efer);
	if (!(efer & EFER_SVME))
		return;
	svm_insn("stgi");
	wrmsrl(MSR_EFER, efer & ~EFER_SVME);
}

static int svm_switch_on(const char **why)
{
	u64 efer;
	int err;

	rdmsrl(MSR_EFER, efer);
	err = svm_check_cpu(COMPAT_KERNEL_OWNS_VIRT ? efer & ~EFER_SVME : efer, why);
	if (err)
		return err;
	if (!COMPAT_KERNEL_OWNS_VIRT) {
		wrmsrl(MSR_EFER, efer | EFER_SVME);
		return 0;
	}
	err = compat_virt_on(X86_FEATURE_SVM);
	if (err)
		*why = "the kernel refuses to switch SVM on";
	return err;
}

static int svm_cpu_enable(const char **why)
{
	struct svm_cpu *sc = this_cpu_ptr(&svm_cpus);
	int err = svm_switch_on(why);

	if (err)
		return err;
	wrmsrl(MSR_VM_HSAVE_PA, svm_page_pa(sc->hsave));
	/*
	 * Guests run at the host's TSC frequency; an earlier hypervisor may have left
	 * another ratio in the MSR.
	 */
	if (boot_cpu_has(X86_FEATURE_TSCRATEMSR))
		wrmsr(MSR_AMD64_TSC_RATIO, lower_32_bits(SVM_TSC_RATIO_DEFAULT),
		      upper_32_bits(SVM_TSC_RATIO_DEFAULT));
	compat_srso_reduce(true);
	/* Guests can run from now on, so perf may be asked to count events in the host only. */
	amd_pmu_enable_virt();

	sc->asids.max = svm_caps.max_asid;
	svm_asids_renew(&sc->asids);
	sc->has_tsc_aux = boot_cpu_has(X86_FEATURE_RDTSCP) || boot_cpu_has(X86_FEATURE_RDPID);
	if (sc->has_tsc_aux)
		rdmsrl(MSR_TSC_AUX, sc->tsc_aux);
	return 0;
}

static void svm_cpu_disable(void)
{
	svm_emergency_disable();
	compat_virt_off(X86_FEATURE_SVM);
	compat_srso_reduce(false);
	amd_pmu_disable_virt();
}

const struct backend_ops svm_backend = {
	.name = "svm",
	.vcpu_size = sizeof(struct svm_vcpu),
	.caps = &svm_caps,
	.probe = svm_probe,
	.setup = svm_setup,
	.teardown = svm_free_pages,
	.cpu_enable = svm_cpu_enable,
	.cpu_disable = svm_cpu_disable,
	.emergency_disable = svm_emergency_disable,
	.vcpu_init = svm_vcpu_init,
	.vcpu_free = svm_vcpu_free,
	.load = svm_load,
	.put = svm_put,
	.fetch = svm_fetch,
	.run = svm_run,
	.sample = svm_sample,
	.inject = svm_inject,
	.set_window = svm_set_window,
	.flush_tlb = svm_flush_tlb,
	.set_tdp_root = svm_set_tdp_root,
	.pass_msr = svm_pass_msr,
	.set_dr_exits = svm_set_dr_exits,
	.set_exception_exits = svm_set_exception_exits,
};
