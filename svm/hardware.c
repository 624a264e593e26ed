// SPDX-License-Identifier: GPL-2.0-only
/*
 * SVM as a property of the machine: is it there, switching it on and off on
 * each CPU, and the pages the CPU itself needs.  It knows no vCPU.  The hard
 * part is leaving the CPU clean on paths that nobody planned: a crash kernel
 * starts with SVM off and GIF set, or not at all.
 */
#include <linux/cpufeature.h>
#include <linux/gfp.h>
#include <linux/mem_encrypt.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <asm/msr.h>
#include <asm/reboot.h>

#include "core/compat.h"
#include "svm/svm.h"

/* Two pages and the byte after, as the permission of ports 0xfffd..0xffff (15.10.1). */
#define IOPM_ORDER	2

/* MSR_VM_CR: writes to EFER.SVME fault (15.30.1). */
#define VM_CR_SVMDIS	BIT(4)

DEFINE_PER_CPU(struct svm_cpu, svm_cpus);
struct page *svm_iopm;

static struct backend_caps svm_caps;

static void svm_probe_caps(void)
{
	struct tdp_format *tdp = &svm_caps.tdp;

	/* NPT walks with the host's own paging mode (15.25.3), as a user access. */
	tdp->levels = pgtable_l5_enabled() ? 5 : 4;
	tdp->max_level = 2;
	tdp->table = _PAGE_PRESENT | _PAGE_RW | _PAGE_USER | _PAGE_ACCESSED | sme_me_mask;
	tdp->leaf = _PAGE_PRESENT | _PAGE_USER | sme_me_mask;
	/* Nested paging combines with the host's MTRRs, which know of devices. */
	tdp->device = tdp->leaf;
	tdp->writable = _PAGE_RW;
	tdp->exec = 0;
	tdp->nx = _PAGE_NX;
	tdp->accessed = _PAGE_ACCESSED;
	tdp->dirty = _PAGE_DIRTY;
	tdp->large = _PAGE_PSE;

	svm_caps.max_asid = cpuid_ebx(0x8000000a) - 1;
	svm_caps.shutdown_loses_state = true;
}

static int svm_probe(const char **why)
{
	u64 vm_cr;

	if (!boot_cpu_has(X86_FEATURE_SVM)) {
		*why = "this CPU has no SVM";
		return -ENODEV;
	}
	if (!boot_cpu_has(X86_FEATURE_NPT)) {
		*why = "this CPU has SVM without nested paging";
		return -ENODEV;
	}
	if (rdmsrl_safe(MSR_VM_CR, &vm_cr) || (vm_cr & VM_CR_SVMDIS)) {
		*why = "SVM is disabled by the firmware";
		return -EPERM;
	}
	return 0;
}

static void svm_free_pages(void)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		struct svm_cpu *sc = per_cpu_ptr(&svm_cpus, cpu);

		if (sc->hsave)
			__free_page(sc->hsave);
		if (sc->host)
			__free_page(sc->host);
		sc->hsave = NULL;
		sc->host = NULL;
	}
	if (svm_iopm)
		__free_pages(svm_iopm, IOPM_ORDER);
	svm_iopm = NULL;
}

static int svm_alloc_pages(void)
{
	int cpu;

	svm_iopm = alloc_pages(GFP_KERNEL, IOPM_ORDER);
	if (!svm_iopm)
		return -ENOMEM;
	memset(page_address(svm_iopm), 0xff, PAGE_SIZE << IOPM_ORDER);

	for_each_possible_cpu(cpu) {
		struct svm_cpu *sc = per_cpu_ptr(&svm_cpus, cpu);

		sc->hsave = alloc_page(GFP_KERNEL | __GFP_ZERO);
		sc->host = alloc_page(GFP_KERNEL | __GFP_ZERO);
		if (!sc->hsave || !sc->host)
			return -ENOMEM;
		sc->host_pa = svm_page_pa(sc->host);
	}
	return 0;
}

static int svm_setup(void)
{
	int err = svm_alloc_pages();

	if (err) {
		svm_free_pages();
		return err;
	}
	svm_probe_caps();
	return 0;
}

/*
 * Called by the kernel on its way down, NMI context included.  STGI first:
 * clearing SVME with GIF clear would leave NMIs blocked for the next kernel.
 */
static void svm_emergency_disable(void)
{
	u64 efer;

	wrmsrl(MSR_VM_HSAVE_PA, 0);
	rdmsrl(MSR_EFER, efer);
	if (!(efer & EFER_SVME))
		return;
	svm_insn("stgi");
	wrmsrl(MSR_EFER, efer & ~EFER_SVME);
}

static int svm_cpu_enable(void)
{
	struct svm_cpu *sc = this_cpu_ptr(&svm_cpus);
	u64 efer;

	rdmsrl(MSR_EFER, efer);
	if (efer & EFER_SVME)
		return -EBUSY;
	wrmsrl(MSR_EFER, efer | EFER_SVME);
	wrmsrl(MSR_VM_HSAVE_PA, svm_page_pa(sc->hsave));

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
	.inject = svm_inject,
	.set_window = svm_set_window,
	.flush_tlb = svm_flush_tlb,
	.set_tdp_root = svm_set_tdp_root,
	.pass_msr = svm_pass_msr,
	.set_dr_exits = svm_set_dr_exits,
};
