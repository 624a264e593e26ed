// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the CPUs say about SVM: whether guests can run here at all, what of it we use,
 * and whether a CPU that comes later can do what the first one can.  It only reads;
 * switching SVM on is hardware.c's.
 */
#include <linux/cc_platform.h>
#include <linux/cpufeature.h>
#include <linux/kernel.h>
#include <linux/moduleparam.h>
#include <asm/msr.h>

#include "svm/svm.h"

/* MSR_VM_CR: writes to EFER.SVME fault (15.30.1). */
#define VM_CR_SVMDIS	BIT(4)

/* CPUID's leaf of SVM: number of ASIDs in EBX, features in EDX. */
#define SVM_LEAF	0x8000000a

struct backend_caps svm_caps;
DEFINE_STATIC_KEY_FALSE(svm_shadow);

static bool svm_npt = true;
module_param_named(npt, svm_npt, bool, 0444);
MODULE_PARM_DESC(npt, "AMD: use nested paging where the CPU has it; 0: shadow paging");

/* Of the CPU that loads the module. */
static struct svm_cpu_caps svm_first;

/*
 * Features that ditto uses when the first CPU has them, so every other CPU needs them too.
 * All are in one CPUID word.
 */
static const struct {
	unsigned int feature;
	const char *name;
} svm_used[] = {
	{ X86_FEATURE_NPT, "nested paging" },
	{ X86_FEATURE_NRIPS, "next-RIP" },
	{ X86_FEATURE_FLUSHBYASID, "flushes by ASID" },
	{ X86_FEATURE_DECODEASSISTS, "decode assists" },
	{ X86_FEATURE_PAUSEFILTER, "the PAUSE filter" },
	{ X86_FEATURE_V_SPEC_CTRL, "virtual SPEC_CTRL" },
};

static_assert(X86_FEATURE_NPT / 32 == CPUID_8000_000A_EDX &&
	      X86_FEATURE_NRIPS / 32 == CPUID_8000_000A_EDX &&
	      X86_FEATURE_FLUSHBYASID / 32 == CPUID_8000_000A_EDX &&
	      X86_FEATURE_DECODEASSISTS / 32 == CPUID_8000_000A_EDX &&
	      X86_FEATURE_PAUSEFILTER / 32 == CPUID_8000_000A_EDX &&
	      X86_FEATURE_V_SPEC_CTRL / 32 == CPUID_8000_000A_EDX);

/**
 * svm_verdict() - can guests run on this machine?
 * @m: what it is
 * @why: set when not
 *
 * Return: 0, -ENODEV, or -EPERM when the firmware has disabled SVM.
 */
int svm_verdict(const struct svm_machine *m, const char **why)
{
	const char *lacks = !m->svm ? "this CPU has no SVM" :
		m->encrypted ? "this machine is an encrypted guest (SEV), which has no guests" :
		/* Two sizes for one page, and the CPU stops with a machine check. */
		m->tlb_mmatch ? "this CPU has erratum 383: a guest could stop the machine" : NULL;

	if (lacks) {
		*why = lacks;
		return -ENODEV;
	}
	if (m->firmware_off) {
		*why = "SVM is disabled by the firmware";
		return -EPERM;
	}
	return 0;
}

static bool svm_firmware_off(void)
{
	u64 vm_cr;

	return rdmsrl_safe(MSR_VM_CR, &vm_cr) || (vm_cr & VM_CR_SVMDIS);
}

static void svm_read_caps(struct svm_cpu_caps *c)
{
	c->nr_asids = cpuid_ebx(SVM_LEAF);
	c->features = cpuid_edx(SVM_LEAF);
}

/**
 * svm_lacks() - what a CPU lacks that another one has
 * @first: that other one
 * @here: the CPU
 *
 * Return: a name, or NULL.
 */
const char *svm_lacks(const struct svm_cpu_caps *first, const struct svm_cpu_caps *here)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(svm_used); i++)
		if (first->features & ~here->features & BIT(svm_used[i].feature & 31))
			return svm_used[i].name;
	return here->nr_asids < first->nr_asids ? "ASIDs" : NULL;
}

/**
 * svm_cpu_verdict() - can this CPU be switched on?
 * @on: it is already
 * @off: the firmware forbids it
 * @here: what it can do
 * @why: set when not; constant, or of the caller's CPU until the next call anywhere
 *
 * Return: 0, -EBUSY, -EPERM or -ENODEV.
 */
int svm_cpu_verdict(bool on, bool off, const struct svm_cpu_caps *here, const char **why)
{
	static char phrase[64];
	const char *lacks;

	if (on) {
		*why = "SVM is in use by another hypervisor (kvm_amd?): unload it first";
		return -EBUSY;
	}
	if (off) {
		*why = "SVM is disabled by the firmware";
		return -EPERM;
	}
	lacks = svm_lacks(&svm_first, here);
	if (!lacks)
		return 0;
	scnprintf(phrase, sizeof(phrase), "its SVM lacks %s, which the first CPU has", lacks);
	*why = phrase;
	return -ENODEV;
}

/**
 * svm_check_cpu() - svm_cpu_verdict() of this CPU
 * @efer: what it has in EFER
 * @why: as there
 *
 * Return: as svm_cpu_verdict().
 */
int svm_check_cpu(u64 efer, const char **why)
{
	struct svm_cpu_caps here = {};

	if (this_cpu_has(X86_FEATURE_SVM))
		svm_read_caps(&here);
	return svm_cpu_verdict(efer & EFER_SVME, svm_firmware_off(), &here, why);
}

/*
 * The CPU walks shadow tables, whose entries have these bits except for @_PAGE_USER; what a page
 * may be cached as the host's PAT says then. In the TDP tables, which no CPU walks, nobody
 * would set accessed and dirty bits.
 */
static void svm_choose_shadow(struct tdp_format *tdp)
{
	tdp->leaf &= ~(u64)_PAGE_USER;
	tdp->device = tdp->leaf | _PAGE_PCD | _PAGE_PWT;
	tdp->accessed = 0;
	tdp->dirty = 0;
}

static void svm_choose(void)
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

	if (svm_caps.shadow)
		svm_choose_shadow(tdp);

	svm_caps.max_asid = svm_first.nr_asids - 1;
	svm_caps.shutdown_loses_state = true;
	svm_caps.exits_off = KVM_X86_DISABLE_EXITS_PAUSE | KVM_X86_DISABLE_EXITS_MWAIT |
			     KVM_X86_DISABLE_EXITS_HLT;
	memcpy(svm_caps.hypercall, "\x0f\x01\xd9", HYPERCALL_LEN);	/* VMMCALL */
}

/**
 * svm_probe() - backend_ops.probe
 * @why: set when guests cannot run here
 *
 * Return: as svm_verdict().
 */
int svm_probe(const char **why)
{
	struct svm_machine m = {
		.svm = boot_cpu_has(X86_FEATURE_SVM),
		.encrypted = cc_platform_has(CC_ATTR_GUEST_MEM_ENCRYPT),
		.tlb_mmatch = boot_cpu_has_bug(X86_BUG_AMD_TLB_MMATCH),
	};
	int err;

	m.firmware_off = m.svm && svm_firmware_off();
	err = svm_verdict(&m, why);
	if (err)
		return err;
	svm_read_caps(&svm_first);
	svm_npt = svm_npt && boot_cpu_has(X86_FEATURE_NPT);
	/* Outside of long mode CR3 has no room for the bit that says encrypted. */
	if (!svm_npt && cc_platform_has(CC_ATTR_HOST_MEM_ENCRYPT)) {
		*why = "shadow page tables are not for a host with encrypted memory";
		return -EOPNOTSUPP;
	}
	svm_caps.shadow = !svm_npt;
	if (svm_caps.shadow)
		static_branch_enable(&svm_shadow);
	svm_choose();
	return 0;
}
