// SPDX-License-Identifier: GPL-2.0-only
/*
 * The L1 data cache is emptied before the guest runs, where the CPU has L1TF and
 * the kernel's "l1tf=" wants it: at each entry with "full", otherwise when
 * something ran since the last one that may have brought secrets there.
 */
#define pr_fmt(fmt) "ditto: " fmt

#include <linux/gfp.h>
#include <linux/hardirq.h>
#include <linux/mm.h>
#include <linux/sched/smt.h>
#include <asm/cpufeature.h>
#include <asm/msr.h>
#include <asm/processor.h>

#include "compat.h"
#include "vmx/vmx.h"

/* Twice the largest L1D of CPUs without the flush command. */
#define L1D_ORDER	4
#define L1D_LINE	64

static enum vmx_l1tf l1tf_mode;
static struct page *l1tf_pages;

/* This CPU is entered with an empty L1D, always or sometimes. */
DEFINE_STATIC_KEY_FALSE(vmx_flushes_l1d);

static bool l1tf_skip(void)
{
	u64 caps = 0;

	if (boot_cpu_has(X86_FEATURE_ARCH_CAPABILITIES))
		rdmsrl(MSR_IA32_ARCH_CAPABILITIES, caps);
	return caps & ARCH_CAP_SKIP_VMENTRY_L1DFLUSH;
}

/**
 * vmx_l1tf_decide() - when to empty the L1D
 * @bug: the CPU has L1TF
 * @skip: the hypervisor below us does it, or the CPU need not
 * @shadow: no guest has page tables of its own that the CPU walks
 * @wanted: enum l1tf_mitigations: what the kernel's "l1tf=" says
 * @report: what the kernel's sysfs has to say of it
 *
 * Return: when.
 */
enum vmx_l1tf vmx_l1tf_decide(bool bug, bool skip, bool shadow, int wanted, int *report)
{
	*report = VMENTER_L1D_FLUSH_NOT_REQUIRED;
	if (!bug || skip)
		return L1TF_NEVER;
	*report = VMENTER_L1D_FLUSH_EPT_DISABLED;
	if (shadow)
		return L1TF_NEVER;
	*report = VMENTER_L1D_FLUSH_NEVER;
	if (wanted == L1TF_MITIGATION_OFF)
		return L1TF_NEVER;
	*report = VMENTER_L1D_FLUSH_COND;
	if (wanted < L1TF_MITIGATION_FULL)
		return L1TF_COND;
	*report = VMENTER_L1D_FLUSH_ALWAYS;
	return L1TF_ALWAYS;
}

/**
 * vmx_l1d_fill() - make each page another one
 * @p: the first
 * @nr: how many; less than 256
 *
 * A hypervisor below us that merges equal pages would keep one of them, and reading that
 * fills only one page's worth of the cache. So every page gets different contents.
 */
void vmx_l1d_fill(u8 *p, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		memset(p + i * PAGE_SIZE, i + 1, PAGE_SIZE);
}

/**
 * vmx_l1tf_setup() - learn what the kernel wants, and tell its sysfs what we do
 *
 * Return: 0 or -ENOMEM.
 */
int vmx_l1tf_setup(void)
{
	int report;

	l1tf_mode = vmx_l1tf_decide(boot_cpu_has_bug(X86_BUG_L1TF), l1tf_skip(),
				    vmx_backend_caps.shadow, compat_l1tf_wanted(), &report);
	compat_report_l1tf(report);
	if (l1tf_mode == L1TF_COND && sched_smt_active())
		pr_warn("L1TF: a guest may read what the other thread of its core caches "
			"(\"nosmt\" helps)\n");
	if (l1tf_mode == L1TF_NEVER)
		return 0;
	static_branch_enable(&vmx_flushes_l1d);
	if (boot_cpu_has(X86_FEATURE_FLUSH_L1D))
		return 0;
	l1tf_pages = alloc_pages(GFP_KERNEL, L1D_ORDER);
	if (!l1tf_pages)
		return -ENOMEM;
	vmx_l1d_fill(page_address(l1tf_pages), 1 << L1D_ORDER);
	return 0;
}

/**
 * vmx_l1tf_teardown() - undo vmx_l1tf_setup()
 */
void vmx_l1tf_teardown(void)
{
	compat_report_l1tf(VMENTER_L1D_FLUSH_AUTO);
	static_branch_disable(&vmx_flushes_l1d);
	if (l1tf_pages)
		__free_pages(l1tf_pages, L1D_ORDER);
	l1tf_pages = NULL;
}

static noinstr void l1tf_read_lines(void)
{
	const u8 *p = page_address(l1tf_pages);
	unsigned long i;

	/* First touch the pages for their translations, so that page walks evict nothing later. */
	for (i = 0; i < PAGE_SIZE << L1D_ORDER; i += PAGE_SIZE)
		READ_ONCE(p[i]);
	asm volatile("lfence" ::: "memory");
	for (i = 0; i < PAGE_SIZE << L1D_ORDER; i += L1D_LINE)
		READ_ONCE(p[i]);
	asm volatile("lfence" ::: "memory");
}

/**
 * vmx_flush_l1d() - the last thing before an entry that touches memory
 * @vmx: about to be entered, where vmx_flushes_l1d; IRQs off
 */
noinstr void vmx_flush_l1d(struct vmx_vcpu *vmx)
{
	bool wanted;

	/* The kernel's interrupt handlers say that they ran. */
	wanted = vmx->flush_l1d || compat_irqs_ran() || l1tf_mode == L1TF_ALWAYS;
	vmx->flush_l1d = false;
	compat_forget_irqs();
	if (!wanted)
		return;
	if (cpu_feature_enabled(X86_FEATURE_FLUSH_L1D))
		native_wrmsrl(MSR_IA32_FLUSH_CMD, L1D_FLUSH);
	else
		l1tf_read_lines();
}
