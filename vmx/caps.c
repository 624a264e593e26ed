// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the CPU's own capability MSRs (SDM appendix A) say, which of it we need,
 * and which of it we use when it is there and no module parameter turns it off.
 * It only reads; switching VMX on is hardware.c's.
 */
#include <linux/cpu.h>
#include <linux/moduleparam.h>
#include <asm/cpufeature.h>
#include <asm/msr.h>
#include <asm/tsc.h>

#include "compat.h"
#include "vmx/vmx.h"

/* Milliseconds in the guest without any exit, before the watchdog ends them. */
#define WATCHDOG_MS	10

static bool vpid = true;
module_param(vpid, bool, 0444);
MODULE_PARM_DESC(vpid, "VMX: tag translations with the vCPU they belong to");

static bool ept = true;
module_param(ept, bool, 0444);
MODULE_PARM_DESC(ept, "Intel: use nested paging where the CPU has all that it takes; "
		 "0: shadow paging");

static bool ept_ad = true;
module_param(ept_ad, bool, 0444);
MODULE_PARM_DESC(ept_ad, "VMX: let the CPU set accessed and dirty bits in EPT");

static bool large_pages = true;
module_param(large_pages, bool, 0444);
MODULE_PARM_DESC(large_pages, "VMX: map 2 MiB at once where the host does");

static bool tpr_shadow = true;
module_param(tpr_shadow, bool, 0444);
MODULE_PARM_DESC(tpr_shadow, "VMX: let the guest access CR8 without exits");

static bool virtual_interrupts = true;
module_param(virtual_interrupts, bool, 0444);
MODULE_PARM_DESC(virtual_interrupts, "VMX: let the CPU deliver the local APIC's interrupts");

static bool posted_interrupts = true;
module_param(posted_interrupts, bool, 0444);
MODULE_PARM_DESC(posted_interrupts, "VMX: send interrupts to a guest that runs without ending it");

static bool virtual_eoi = true;
module_param(virtual_eoi, bool, 0444);
MODULE_PARM_DESC(virtual_eoi, "VMX: let the guest end interrupts in x2APIC mode without exits");

static bool apic_registers = true;
module_param(apic_registers, bool, 0444);
MODULE_PARM_DESC(apic_registers, "VMX: let the guest read its x2APIC's registers without exits");

static bool preemption_timer = true;
module_param(preemption_timer, bool, 0444);
MODULE_PARM_DESC(preemption_timer, "VMX: take the CPU back from a guest that never exits");

static bool apic_timer = true;
module_param(apic_timer, bool, 0444);
MODULE_PARM_DESC(apic_timer, "VMX: let the preemption timer be the local APIC's timer");

static bool tsc_scaling = true;
module_param(tsc_scaling, bool, 0444);
MODULE_PARM_DESC(tsc_scaling, "VMX: let a VMM choose a guest's TSC frequency");

static bool pause_loop = true;
module_param(pause_loop, bool, 0444);
MODULE_PARM_DESC(pause_loop, "VMX: exit when the guest spins in a PAUSE loop");

static bool xsaves = true;
module_param(xsaves, bool, 0444);
MODULE_PARM_DESC(xsaves, "VMX: let the guest execute XSAVES and XRSTORS");

static bool pml = true;
module_param(pml, bool, 0444);
MODULE_PARM_DESC(pml, "VMX: let the CPU log which pages the guest writes to");

struct vmx_caps vmx_caps;
struct backend_caps vmx_backend_caps;
DEFINE_STATIC_KEY_FALSE(vmx_shadow);

/*
 * CPUs whose preemption timer does not count as it should, or does not end the guest:
 * family, model and stepping in CPUID's form, with Intel's numbers of the errata.
 */
static const u32 vmx_broken_timers[] = {
	0x000206e6,	/* BA86 */
	0x00020652,	/* AAX65, AAT59, AAU65 */
	0x00020655,	/* AAU65 */
	0x000106e5,	/* AAO95, AAN92, AAP86 */
	0x000106a0,	/* AAM126 */
	0x000106a1,	/* AAM126 */
	0x000106a4,	/* AAJ124 */
	0x000106a5,	/* AAM126, AAK139, AAJ124 */
	0x000306a8,	/* Xeon E3-1220 v2: no erratum number published */
};

/**
 * vmx_timer_broken() - can the preemption timer of a CPU not be relied on?
 * @signature: EAX of its CPUID leaf 1
 *
 * Return: whether it is one of those with a known defect.
 */
bool vmx_timer_broken(u32 signature)
{
	int i;

	/* Neither the type nor what is reserved. */
	signature &= ~(GENMASK(15, 12) | GENMASK(31, 28));
	for (i = 0; i < ARRAY_SIZE(vmx_broken_timers); i++)
		if (vmx_broken_timers[i] == signature)
			return true;
	return false;
}

/* What a control does, in the manual's words (25.6 to 25.8). */
struct vmx_control {
	enum vmx_word word;
	u32 bit;
	const char *name;
};

/* Without these we cannot run a guest; the first that is missing is named. */
static const struct vmx_control vmx_required[] = {
	{ VMX_PIN, PIN_BASED_EXT_INTR_MASK, "external-interrupt exiting" },
	{ VMX_PIN, PIN_BASED_NMI_EXITING, "NMI exiting" },
	{ VMX_PIN, PIN_BASED_VIRTUAL_NMIS, "virtual NMIs" },
	{ VMX_CPU, CPU_BASED_INTR_WINDOW_EXITING, "interrupt-window exiting" },
	{ VMX_CPU, CPU_BASED_NMI_WINDOW_EXITING, "NMI-window exiting" },
#define ASKED(reason, kind) { VMX_CPU, CPU_BASED_##kind##_EXITING, #kind " exiting" },
	VMX_ASKED_EXITS(ASKED)
#undef ASKED
	{ VMX_CPU, CPU_BASED_MOV_DR_EXITING, "MOV-DR exiting" },
	{ VMX_CPU, CPU_BASED_CR8_LOAD_EXITING, "CR8-load exiting" },
	{ VMX_CPU, CPU_BASED_CR8_STORE_EXITING, "CR8-store exiting" },
	{ VMX_CPU, CPU_BASED_UNCOND_IO_EXITING, "unconditional I/O exiting" },
	{ VMX_CPU, CPU_BASED_USE_MSR_BITMAPS, "MSR bitmaps" },
	{ VMX_CPU, CPU_BASED_USE_TSC_OFFSETTING, "TSC offsetting" },
	{ VMX_EXIT, VM_EXIT_HOST_ADDR_SPACE_SIZE, "64-bit hosts" },
	{ VMX_EXIT, VM_EXIT_SAVE_DEBUG_CONTROLS, "saving of debug controls" },
	{ VMX_ENTRY, VM_ENTRY_LOAD_DEBUG_CONTROLS, "loading of debug controls" },
	{ VMX_ENTRY, VM_ENTRY_IA32E_MODE, "64-bit guests" },
};

/* Nor these under nested paging; which of them are there, CPUs have together. */
static const struct vmx_control vmx_for_ept[] = {
	{ VMX_CPU2, SECONDARY_EXEC_ENABLE_EPT, "EPT" },
	{ VMX_CPU2, SECONDARY_EXEC_UNRESTRICTED_GUEST, "unrestricted guests" },
	{ VMX_EXIT, VM_EXIT_LOAD_IA32_PAT, "loading of PAT on exit" },
	{ VMX_EXIT, VM_EXIT_LOAD_IA32_EFER, "loading of EFER on exit" },
	{ VMX_ENTRY, VM_ENTRY_LOAD_IA32_PAT, "loading of PAT on entry" },
	{ VMX_ENTRY, VM_ENTRY_LOAD_IA32_EFER, "loading of EFER on entry" },
};

/* Without those there are shadow tables, for which these exits are needed. */
#define VMX_NESTED	(SECONDARY_EXEC_ENABLE_EPT | SECONDARY_EXEC_UNRESTRICTED_GUEST)
#define VMX_SHADOW	(CPU_BASED_CR3_LOAD_EXITING | CPU_BASED_CR3_STORE_EXITING | \
			 CPU_BASED_INVLPG_EXITING)

/* Must be possible; whether they are set is decided at each entry. */
static const u32 vmx_dynamic[VMX_NR_WORDS] = {
	[VMX_CPU] = CPU_BASED_INTR_WINDOW_EXITING | CPU_BASED_NMI_WINDOW_EXITING,
	[VMX_ENTRY] = VM_ENTRY_IA32E_MODE,
};

/**
 * vmx_adjust() - a control word that the CPU accepts
 * @cap: capability MSR of the word: lower half must be 1, upper half may be 1 (A.3)
 * @required: bits without which it will not do
 * @wanted: bits to set where they may be
 * @control: set
 *
 * Return: whether all of @required may be set.
 */
bool vmx_adjust(u64 cap, u32 required, u32 wanted, u32 *control)
{
	u32 may = cap >> 32;

	*control = ((required | wanted) & may) | (u32)cap;
	return !(required & ~may);
}

/* The optional controls that nobody turned off. */
static u32 vmx_wanted(enum vmx_word word)
{
	switch (word) {
	case VMX_PIN:
		return (preemption_timer ? PIN_BASED_VMX_PREEMPTION_TIMER : 0) |
		       (posted_interrupts ? PIN_BASED_POSTED_INTR : 0);
	case VMX_EXIT:
		return VM_EXIT_LOAD_IA32_PAT | VM_EXIT_LOAD_IA32_EFER |
		       (posted_interrupts ? VM_EXIT_ACK_INTR_ON_EXIT : 0);
	case VMX_ENTRY:
		return VM_ENTRY_LOAD_IA32_PAT | VM_ENTRY_LOAD_IA32_EFER;
	case VMX_CPU:
		return CPU_BASED_ACTIVATE_SECONDARY_CONTROLS |
		       (tpr_shadow ? CPU_BASED_TPR_SHADOW : 0);
	case VMX_CPU2:
		return (ept ? VMX_NESTED : 0) |
		       SECONDARY_EXEC_ENABLE_RDTSCP | SECONDARY_EXEC_ENABLE_INVPCID |
		       SECONDARY_EXEC_WBINVD_EXITING | SECONDARY_EXEC_ENCLS_EXITING |
		       (virtual_interrupts ? SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY : 0) |
		       SECONDARY_EXEC_VIRTUALIZE_X2APIC_MODE |
		       SECONDARY_EXEC_BUS_LOCK_DETECTION | SECONDARY_EXEC_NOTIFY_VM_EXITING |
		       (apic_registers ? SECONDARY_EXEC_APIC_REGISTER_VIRT : 0) |
		       (vpid ? SECONDARY_EXEC_ENABLE_VPID : 0) |
		       (tsc_scaling ? SECONDARY_EXEC_TSC_SCALING : 0) |
		       (pml ? SECONDARY_EXEC_ENABLE_PML : 0) |
		       (xsaves ? SECONDARY_EXEC_ENABLE_XSAVES : 0) |
		       (pause_loop ? SECONDARY_EXEC_PAUSE_LOOP_EXITING : 0);
	default:
		return 0;
	}
}

static u64 vmx_cap_msr(u64 basic, enum vmx_word word)
{
	static const u32 plain[VMX_NR_WORDS] = {
		MSR_IA32_VMX_PINBASED_CTLS, MSR_IA32_VMX_PROCBASED_CTLS,
		MSR_IA32_VMX_PROCBASED_CTLS2, MSR_IA32_VMX_EXIT_CTLS,
		MSR_IA32_VMX_ENTRY_CTLS,
	};
	static const u32 exact[VMX_NR_WORDS] = {
		MSR_IA32_VMX_TRUE_PINBASED_CTLS, MSR_IA32_VMX_TRUE_PROCBASED_CTLS,
		MSR_IA32_VMX_PROCBASED_CTLS2, MSR_IA32_VMX_TRUE_EXIT_CTLS,
		MSR_IA32_VMX_TRUE_ENTRY_CTLS,
	};
	u64 cap = 0;

	rdmsrl_safe(basic & VMX_BASIC_TRUE_CTLS ? exact[word] : plain[word], &cap);
	return cap;
}

/* Load controls go in pairs: what an entry loads, an exit has to load again. */
static void vmx_pair(u32 *exit, u32 exit_bit, u32 *entry, u32 entry_bit)
{
	if ((*exit & exit_bit) && (*entry & entry_bit))
		return;
	*exit &= ~exit_bit;
	*entry &= ~entry_bit;
}

static const char *vmx_missing(enum vmx_word word, u64 cap)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(vmx_required); i++)
		if (vmx_required[i].word == word && !(vmx_required[i].bit & (cap >> 32)))
			return vmx_required[i].name;
	return NULL;
}

/* NULL, or the name of what is missing. */
static const char *vmx_probe_controls(struct vmx_caps *caps)
{
	/* The primary word says whether the MSR of the secondary one is there. */
	static const enum vmx_word order[] = { VMX_CPU, VMX_CPU2, VMX_PIN, VMX_EXIT, VMX_ENTRY };
	int i, j;

	for (i = 0; i < ARRAY_SIZE(order); i++) {
		enum vmx_word word = order[i];
		u64 cap = vmx_cap_msr(caps->basic, word);
		const char *missing = vmx_missing(word, cap);
		u32 required = 0;

		if (missing)
			return missing;
		for (j = 0; j < ARRAY_SIZE(vmx_required); j++)
			if (vmx_required[j].word == word)
				required |= vmx_required[j].bit;
		vmx_adjust(cap, required & ~vmx_dynamic[word], vmx_wanted(word),
			   &caps->control[word]);
	}
	vmx_pair(&caps->control[VMX_EXIT], VM_EXIT_LOAD_IA32_PAT,
		 &caps->control[VMX_ENTRY], VM_ENTRY_LOAD_IA32_PAT);
	vmx_pair(&caps->control[VMX_EXIT], VM_EXIT_LOAD_IA32_EFER,
		 &caps->control[VMX_ENTRY], VM_ENTRY_LOAD_IA32_EFER);
	return NULL;
}

/*
 * Features that are in the guest's CPUID must work; these two work only where a control
 * enables them.
 */
static const char *vmx_probe_instructions(const struct vmx_caps *caps)
{
	u32 cpu2 = caps->control[VMX_CPU2];

	if (boot_cpu_has(X86_FEATURE_RDTSCP) && !(cpu2 & SECONDARY_EXEC_ENABLE_RDTSCP))
		return "RDTSCP in guests";
	/* With shadow tables it is not. */
	if (boot_cpu_has(X86_FEATURE_INVPCID) && !caps->no_ept &&
	    !(cpu2 & SECONDARY_EXEC_ENABLE_INVPCID))
		return "INVPCID in guests";
	return NULL;
}

/**
 * vmx_lacks_for_ept() - what is not there that nested paging takes
 * @caps: its control and ept_vpid
 *
 * Return: a name, or NULL.
 */
const char *vmx_lacks_for_ept(const struct vmx_caps *caps)
{
	u64 cap = caps->ept_vpid;
	int i;

	for (i = 0; i < ARRAY_SIZE(vmx_for_ept); i++)
		if (!(caps->control[vmx_for_ept[i].word] & vmx_for_ept[i].bit))
			return vmx_for_ept[i].name;
	if (!(cap & VMX_EPT_PAGE_WALK_4_BIT))
		return "4-level EPT";
	if (!(cap & VMX_EPTP_WB_BIT))
		return "write-back EPT";
	if (!(cap & VMX_EPT_INVEPT_BIT) || !(cap & VMX_EPT_EXTENT_GLOBAL_BIT))
		return "INVEPT";
	return NULL;
}

/* Nested paging, or what shadow tables take; NULL, or the name of what is missing. */
static const char *vmx_probe_paging(struct vmx_caps *caps)
{
	u64 may = vmx_cap_msr(caps->basic, VMX_CPU) >> 32;

	/* Which is of VPIDs, too; none where there is neither. */
	rdmsrl_safe(MSR_IA32_VMX_EPT_VPID_CAP, &caps->ept_vpid);
	caps->no_ept = vmx_lacks_for_ept(caps);
	if (!caps->no_ept)
		return NULL;
	if ((may & VMX_SHADOW) != VMX_SHADOW)
		return "exits for CR3 and INVLPG";
	if (!boot_cpu_has(X86_FEATURE_NX))
		return "NX beside it";
	caps->control[VMX_CPU] |= VMX_SHADOW;
	/* INVPCID would not exit but be executed. The log is one of EPT's. */
	caps->control[VMX_CPU2] &= ~(VMX_NESTED | SECONDARY_EXEC_ENABLE_INVPCID |
				     SECONDARY_EXEC_ENABLE_PML);
	/* The CPU always translates, and write protection counts for the kernel, too. */
	caps->cr0_set |= X86_CR0_PE | X86_CR0_PG | X86_CR0_WP;
	return NULL;
}

static const char *vmx_probe_basic(struct vmx_caps *caps)
{
	u64 basic, cr0, cr4;

	if (rdmsrl_safe(MSR_IA32_VMX_BASIC, &basic) ||
	    rdmsrl_safe(MSR_IA32_VMX_MISC, &caps->misc) ||
	    rdmsrl_safe(MSR_IA32_VMX_CR0_FIXED0, &cr0) ||
	    rdmsrl_safe(MSR_IA32_VMX_CR4_FIXED0, &cr4))
		return "its capability MSRs";
	caps->basic = basic;
	/* Unrestricted guests are free in these two (27.3.1.1). */
	caps->cr0_set = cr0 & ~(u64)(X86_CR0_PE | X86_CR0_PG);
	caps->cr4_set = cr4;
	if (vmx_basic_vmcs_size(basic) > PAGE_SIZE)
		return "VMCSs of a page at most";
	/* Bits 53:50: how the CPU accesses VMCSs. */
	if (((basic >> 50) & 0xf) != 6)
		return "write-back VMCSs";
	return NULL;
}

/* All that this CPU can do and we use; NULL, or the name of what is missing. */
static const char *vmx_read_caps(struct vmx_caps *caps)
{
	const char *missing;

	memset(caps, 0, sizeof(*caps));
	missing = vmx_probe_basic(caps) ?: vmx_probe_controls(caps) ?: vmx_probe_paging(caps);
	if (!missing && vmx_timer_broken(cpuid_eax(1)))
		caps->control[VMX_PIN] &= ~PIN_BASED_VMX_PREEMPTION_TIMER;
	return missing;
}

/* What we look at in MSR_IA32_VMX_EPT_VPID_CAP. */
#define VMX_EPT_VPID_USED						\
	(VMX_EPT_PAGE_WALK_4_BIT | VMX_EPTP_WB_BIT | VMX_EPT_2MB_PAGE_BIT |	\
	 VMX_EPT_INVEPT_BIT | VMX_EPT_AD_BIT | VMX_EPT_EXTENT_CONTEXT_BIT |	\
	 VMX_EPT_EXTENT_GLOBAL_BIT |						\
	 (VMX_VPID_INVVPID_BIT | VMX_VPID_EXTENT_SINGLE_CONTEXT_BIT |		\
	  VMX_VPID_EXTENT_GLOBAL_CONTEXT_BIT) << 32)

/* Of the CPU that loads the module, before anything was chosen. */
static struct vmx_caps vmx_first;

/**
 * vmx_differs() - what about a CPU's VMX is not as another one's
 * @first: that other one
 * @here: the CPU
 *
 * A vCPU's VMCS, made for one of them, must do on all of them.
 *
 * Return: a name, or NULL.
 */
const char *vmx_differs(const struct vmx_caps *first, const struct vmx_caps *here)
{
	if (first->basic != here->basic)
		return "VMCS";
	if (memcmp(first->control, here->control, sizeof(first->control)))
		return "controls";
	if (first->cr0_set != here->cr0_set || first->cr4_set != here->cr4_set)
		return "fixed bits of CR0 or CR4";
	if ((first->ept_vpid ^ here->ept_vpid) & VMX_EPT_VPID_USED)
		return "EPT or VPID";
	if (vmx_misc_preemption_timer_rate(first->misc) !=
	    vmx_misc_preemption_timer_rate(here->misc))
		return "preemption timer";
	return NULL;
}

/**
 * vmx_cpu_verdict() - can this CPU be switched on?
 * @has: the kernel believes that it has VMX, and its firmware allows it
 * @on: it is on already
 * @differs: vmx_differs() from the first
 * @why: set when not; constant, or valid until the next call anywhere
 *
 * Return: 0, -EBUSY, -EPERM or -ENODEV.
 */
int vmx_cpu_verdict(bool has, bool on, const char *differs, const char **why)
{
	static char phrase[64];

	if (!has) {
		*why = "VMX is disabled by the firmware";
		return -EPERM;
	}
	if (on) {
		*why = "VMX is in use by another hypervisor (kvm_intel?): unload it first";
		return -EBUSY;
	}
	if (!differs)
		return 0;
	scnprintf(phrase, sizeof(phrase), "its VMX is not the first CPU's: %s", differs);
	*why = phrase;
	return -ENODEV;
}

/**
 * vmx_check_cpu() - vmx_cpu_verdict() of this CPU
 * @on: see there
 * @why: see there
 *
 * Return: as vmx_cpu_verdict().
 */
int vmx_check_cpu(bool on, const char **why)
{
	/* Static because it is too large for a stack; this runs on one CPU at a time. */
	static struct vmx_caps here;
	const char *differs = NULL;
	bool has = this_cpu_has(X86_FEATURE_VMX);

	if (has)
		differs = vmx_read_caps(&here) ?: vmx_differs(&vmx_first, &here);
	return vmx_cpu_verdict(has, on, differs, why);
}

/* INVVPID of a single VPID, or no VPIDs. */
static void vmx_choose_vpid(void)
{
	u64 need = VMX_VPID_INVVPID_BIT | VMX_VPID_EXTENT_SINGLE_CONTEXT_BIT |
		   VMX_VPID_EXTENT_GLOBAL_CONTEXT_BIT;

	if (((vmx_caps.ept_vpid >> 32) & need) != need)
		vmx_caps.control[VMX_CPU2] &= ~SECONDARY_EXEC_ENABLE_VPID;
}

/*
 * All of it acts on the virtual-APIC page, which only the TPR shadow brings (27.2.1.1).
 * Registers are reached through MSRs only: the page of an xAPIC is left to EPT.
 */
static void vmx_choose_apic(void)
{
	u32 *ctl = &vmx_caps.control[VMX_CPU2];
	struct backend_caps *caps = &vmx_backend_caps;
	bool x2apic = *ctl & SECONDARY_EXEC_VIRTUALIZE_X2APIC_MODE;

	/* A guest that is executed in software has its interrupts from there. */
	if (vmx_uses(VMX_CPU, CPU_BASED_TPR_SHADOW) && !vmx_caps.no_ept) {
		caps->irq_delivery = *ctl & SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY;
		caps->x2apic_reads = x2apic && (*ctl & SECONDARY_EXEC_APIC_REGISTER_VIRT);
		caps->x2apic_writes = x2apic && caps->irq_delivery && virtual_eoi;
	}
	if (!caps->irq_delivery)
		*ctl &= ~SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY;
	if (!caps->x2apic_reads)
		*ctl &= ~SECONDARY_EXEC_APIC_REGISTER_VIRT;
	if (!caps->x2apic_reads && !caps->x2apic_writes)
		*ctl &= ~SECONDARY_EXEC_VIRTUALIZE_X2APIC_MODE;
}

/*
 * The CPU takes posted interrupts into the page that it delivers from, and only if exits
 * acknowledge the host's (27.2.1.1).  The host's KVM brings the vector whose handler does
 * nothing.
 */
static void vmx_choose_posting(void)
{
	bool can = vmx_backend_caps.irq_delivery && vmx_uses(VMX_PIN, PIN_BASED_POSTED_INTR) &&
		   vmx_uses(VMX_EXIT, VM_EXIT_ACK_INTR_ON_EXIT) && IS_ENABLED(CONFIG_KVM);

	vmx_backend_caps.posting = can;
	if (can)
		return;
	vmx_caps.control[VMX_PIN] &= ~PIN_BASED_POSTED_INTR;
	vmx_caps.control[VMX_EXIT] &= ~VM_EXIT_ACK_INTR_ON_EXIT;
}

/*
 * Some CPUs stop with a machine check when a guest executes from a large page
 * that becomes small meanwhile: theirs stay small.
 */
static bool vmx_large_pages(void)
{
	if (!large_pages || !(vmx_caps.ept_vpid & VMX_EPT_2MB_PAGE_BIT))
		return false;
	return !boot_cpu_has_bug(X86_BUG_ITLB_MULTIHIT) || cpu_mitigations_off();
}

/*
 * The CPU walks shadow tables, whose entries have these bits but for @_PAGE_USER; what a page may
 * be cached as the host's PAT says then. In the TDP tables, which no CPU walks, nobody would set
 * accessed and dirty bits.
 */
static void vmx_choose_shadow(struct tdp_format *tdp)
{
	tdp->levels = 4;
	tdp->max_level = 2;
	tdp->table = _PAGE_PRESENT | _PAGE_RW | _PAGE_USER | _PAGE_ACCESSED;
	tdp->leaf = _PAGE_PRESENT;
	tdp->device = _PAGE_PRESENT | _PAGE_PCD | _PAGE_PWT;
	tdp->writable = _PAGE_RW;
	tdp->exec = 0;
	tdp->nx = _PAGE_NX;
	tdp->accessed = 0;
	tdp->dirty = 0;
	tdp->large = _PAGE_PSE;
}

static void vmx_choose_ept(struct tdp_format *tdp)
{
	bool ad = ept_ad && (vmx_caps.ept_vpid & VMX_EPT_AD_BIT);

	tdp->levels = 4;
	tdp->max_level = vmx_large_pages() ? 2 : 1;
	tdp->table = VMX_EPT_RWX_MASK;
	/*
	 * Write-back whatever the guest's PAT says: guests have no devices whose
	 * DMA would not snoop.
	 */
	tdp->leaf = VMX_EPT_READABLE_MASK | VMX_EPT_IPAT_BIT |
		    (VMX_EPTP_MT_WB << VMX_EPT_MT_EPTE_SHIFT);
	/* EPT replaces the MTRRs. The guest may combine writes, by its PAT. */
	tdp->device = VMX_EPT_READABLE_MASK | (VMX_EPTP_MT_UC << VMX_EPT_MT_EPTE_SHIFT);
	tdp->writable = VMX_EPT_WRITABLE_MASK;
	tdp->exec = VMX_EPT_EXECUTABLE_MASK;
	tdp->nx = 0;
	tdp->accessed = ad ? VMX_EPT_ACCESS_BIT : 0;
	tdp->dirty = ad ? VMX_EPT_DIRTY_BIT : 0;
	tdp->large = BIT_ULL(7);
	/* The log is of dirty bits (25.6.18). */
	if (!ad)
		vmx_caps.control[VMX_CPU2] &= ~SECONDARY_EXEC_ENABLE_PML;
	tdp->logged = vmx_uses(VMX_CPU2, SECONDARY_EXEC_ENABLE_PML);
}

/* The timer counts a divided TSC, so it is a clock only where the TSC is the same on all CPUs. */
static void vmx_choose_timer(void)
{
	unsigned int rate = vmx_misc_preemption_timer_rate(vmx_caps.misc);

	vmx_caps.timer_rate = rate;
	vmx_caps.watchdog = clamp_t(u64, (u64)tsc_khz * WATCHDOG_MS >> rate, 1, U32_MAX);
	vmx_backend_caps.timer = apic_timer && boot_cpu_has(X86_FEATURE_CONSTANT_TSC) &&
				 vmx_uses(VMX_PIN, PIN_BASED_VMX_PREEMPTION_TIMER);
}

static void vmx_choose_tdp(void)
{
	vmx_backend_caps.shadow = vmx_caps.no_ept;
	/* The CPU has them as registers, but reads them at each entry if it has no EPT. */
	vmx_backend_caps.pdptes = !vmx_caps.no_ept;
	if (!vmx_caps.no_ept) {
		vmx_choose_ept(&vmx_backend_caps.tdp);
		return;
	}
	vmx_choose_shadow(&vmx_backend_caps.tdp);
	vmx_backend_caps.restricted = true;
	static_branch_enable(&vmx_shadow);
}

static void vmx_choose(void)
{
	vmx_backend_caps.exits_off = KVM_X86_DISABLE_EXITS_PAUSE | KVM_X86_DISABLE_EXITS_MWAIT |
				     KVM_X86_DISABLE_EXITS_HLT | KVM_X86_DISABLE_EXITS_CSTATE;
	vmx_backend_caps.bus_locks = vmx_uses(VMX_CPU2, SECONDARY_EXEC_BUS_LOCK_DETECTION);
	vmx_backend_caps.notify = vmx_uses(VMX_CPU2, SECONDARY_EXEC_NOTIFY_VM_EXITING);
	vmx_choose_vpid();
	vmx_choose_apic();
	vmx_choose_posting();
	vmx_choose_tdp();
	vmx_choose_timer();
	vmx_backend_caps.max_asid = vmx_uses(VMX_CPU2, SECONDARY_EXEC_ENABLE_VPID) ?
				    VMX_NR_VPIDS - 1 : 0;
	vmx_backend_caps.xsaves = vmx_uses(VMX_CPU2, SECONDARY_EXEC_ENABLE_XSAVES);
	memcpy(vmx_backend_caps.hypercall, "\x0f\x01\xc1", HYPERCALL_LEN);	/* VMCALL */
	vmx_backend_caps.tsc_scaling = vmx_uses(VMX_CPU2, SECONDARY_EXEC_TSC_SCALING);
}

/**
 * vmx_probe() - backend_ops.probe
 * @why: set when this CPU will not do
 *
 * Return: 0, -ENODEV or -EPERM.
 */
int vmx_probe(const char **why)
{
	static char phrase[64];
	const char *missing;

	if (!(cpuid_ecx(1) & BIT(X86_FEATURE_VMX & 31))) {
		*why = "this CPU has no VMX";
		return -ENODEV;
	}
	/* The kernel hides the feature that the firmware's lock forbids. */
	if (!boot_cpu_has(X86_FEATURE_VMX)) {
		*why = "VMX is disabled by the firmware";
		return -EPERM;
	}
	if (compat_host_uses_fred()) {
		*why = "the host kernel uses FRED";
		return -ENODEV;
	}
	missing = vmx_read_caps(&vmx_first) ?: vmx_probe_instructions(&vmx_first);
	if (missing) {
		snprintf(phrase, sizeof(phrase), "this CPU's VMX lacks %s", missing);
		*why = phrase;
		return -ENODEV;
	}
	/* As the parameter says then. */
	ept = !vmx_first.no_ept;
	vmx_caps = vmx_first;
	vmx_choose();
	return 0;
}
