// SPDX-License-Identifier: GPL-2.0-only
/*
 * When the CPU refuses to enter a guest, it gives no reason. This file repeats the checks
 * of the guest's state (SDM 27.3.1) in the CPU's order, so that the log can name the check
 * that failed. Nothing depends on the answer.
 */
#define pr_fmt(fmt) "ditto: " fmt

#include <linux/ratelimit.h>
#include <asm/processor-flags.h>

#include "vmx/refusal.h"

#define AR_CODE(rights)		((rights) & VMX_AR_TYPE_CODE_MASK)
#define AR_TYPE(rights)		((rights) & VMX_AR_TYPE_MASK)
#define CR0_PAGED		(X86_CR0_PG | X86_CR0_PE)

static bool is_64(const struct vmx_image *g)
{
	return g->entry_ctl & VM_ENTRY_IA32E_MODE;
}

static bool is_v86(const struct vmx_image *g)
{
	return g->rflags & X86_EFLAGS_VM;
}

static bool is_usable(const struct vmx_image_seg *s)
{
	return !(s->rights & VMX_AR_UNUSABLE_MASK);
}

static bool bad_cr0(const struct vmx_image *g)
{
	return (g->cr0 & g->cr0_set) != g->cr0_set || (g->cr0 & CR0_PAGED) == X86_CR0_PG ||
	       g->cr0 >> 32;
}

static bool bad_cr4(const struct vmx_image *g)
{
	return (g->cr4 & g->cr4_set) != g->cr4_set;
}

static bool bad_long_mode(const struct vmx_image *g)
{
	if (is_64(g))
		return !(g->cr0 & X86_CR0_PG) || !(g->cr4 & X86_CR4_PAE);
	return g->cr4 & X86_CR4_PCIDE;
}

static bool bad_dr7(const struct vmx_image *g)
{
	return g->dr7 >> 32;
}

static bool bad_sysenter(const struct vmx_image *g)
{
	return !cpuid_canonical(g->sysenter_esp) || !cpuid_canonical(g->sysenter_eip);
}

static bool bad_pat(const struct vmx_image *g)
{
	int i;

	for (i = 0; i < 64; i += 8) {
		u8 type = g->pat >> i;

		if (type > 7 || type == 2 || type == 3)
			return true;
	}
	return false;
}

static bool bad_efer(const struct vmx_image *g)
{
	bool lma = g->efer & EFER_LMA;

	return lma != is_64(g) ||
	       ((g->cr0 & X86_CR0_PG) && lma != !!(g->efer & EFER_LME));
}

static bool bad_selectors(const struct vmx_image *g)
{
	const struct vmx_image_seg *ldtr = &g->seg[SEG_LDTR];

	return (g->seg[SEG_TR].selector & 4) || (is_usable(ldtr) && (ldtr->selector & 4));
}

static bool bad_bases(const struct vmx_image *g)
{
	enum x86_seg nr;

	for (nr = 0; nr < SEG_NR; nr++) {
		const struct vmx_image_seg *s = &g->seg[nr];
		bool wide = nr == SEG_FS || nr == SEG_GS || nr == SEG_TR || nr == SEG_LDTR;

		if (nr == SEG_LDTR && !is_usable(s))
			continue;
		if (wide && !cpuid_canonical(s->base))
			return true;
		if (!wide && (nr == SEG_CS || is_usable(s)) && s->base >> 32)
			return true;
	}
	return false;
}

/* In virtual-8086 mode all six are as their selectors say. */
static bool bad_v86(const struct vmx_image *g)
{
	enum x86_seg nr;

	for (nr = SEG_ES; is_v86(g) && nr <= SEG_GS; nr++) {
		const struct vmx_image_seg *s = &g->seg[nr];

		if (s->base != (u64)s->selector << 4 || s->limit != 0xffff || s->rights != 0xf3)
			return true;
	}
	return false;
}

/* G, and the limit's ends, must fit each other. */
static bool bad_granularity(const struct vmx_image_seg *s)
{
	bool g = s->rights & VMX_AR_G_MASK;

	return ((s->limit & 0xfff) != 0xfff && g) || (s->limit >> 20 && !g);
}

static bool bad_common(const struct vmx_image_seg *s, bool system)
{
	return !(s->rights & VMX_AR_S_MASK) != system || !(s->rights & VMX_AR_P_MASK) ||
	       (s->rights & 0xf00) || bad_granularity(s);
}

static bool bad_cs(const struct vmx_image *g)
{
	const struct vmx_image_seg *cs = &g->seg[SEG_CS];
	u8 dpl = VMX_AR_DPL(cs->rights), ss_dpl = VMX_AR_DPL(g->seg[SEG_SS].rights);

	if (is_v86(g))
		return false;
	if (bad_common(cs, false) || !is_usable(cs))
		return true;
	if (is_64(g) && (cs->rights & VMX_AR_L_MASK) && (cs->rights & VMX_AR_DB_MASK))
		return true;
	switch (AR_TYPE(cs->rights)) {
	case 3:
		return dpl;
	case 9:
	case 11:
		return dpl != ss_dpl;
	case 13:
	case 15:
		return dpl > ss_dpl;
	default:
		return true;
	}
}

static bool bad_ss(const struct vmx_image *g)
{
	const struct vmx_image_seg *ss = &g->seg[SEG_SS];

	if (is_v86(g))
		return false;
	if (is_usable(ss) && (bad_common(ss, false) || AR_CODE(ss->rights) ||
			      (AR_TYPE(ss->rights) & 3) != 3))
		return true;
	return (AR_TYPE(g->seg[SEG_CS].rights) == 3 || !(g->cr0 & X86_CR0_PE)) &&
	       VMX_AR_DPL(ss->rights);
}

static bool bad_data(const struct vmx_image *g)
{
	static const u8 data[] = { SEG_DS, SEG_ES, SEG_FS, SEG_GS };
	int i;

	for (i = 0; !is_v86(g) && i < ARRAY_SIZE(data); i++) {
		const struct vmx_image_seg *s = &g->seg[data[i]];

		if (!is_usable(s))
			continue;
		if (bad_common(s, false) || !(s->rights & VMX_AR_TYPE_ACCESSES_MASK))
			return true;
		if (AR_CODE(s->rights) && !(s->rights & VMX_AR_TYPE_READABLE_MASK))
			return true;
	}
	return false;
}

static bool bad_tr(const struct vmx_image *g)
{
	const struct vmx_image_seg *tr = &g->seg[SEG_TR];
	u32 type = AR_TYPE(tr->rights);

	return !is_usable(tr) || bad_common(tr, true) ||
	       !(type == VMX_AR_TYPE_BUSY_64_TSS ||
		 (type == VMX_AR_TYPE_BUSY_16_TSS && !is_64(g)));
}

static bool bad_ldtr(const struct vmx_image *g)
{
	const struct vmx_image_seg *ldtr = &g->seg[SEG_LDTR];

	return is_usable(ldtr) && (bad_common(ldtr, true) ||
				   AR_TYPE(ldtr->rights) != VMX_AR_TYPE_LDT);
}

static bool bad_tables(const struct vmx_image *g)
{
	return !cpuid_canonical(g->gdtr_base) || !cpuid_canonical(g->idtr_base) ||
	       (g->gdtr_limit | g->idtr_limit) >> 16;
}

static bool bad_rip(const struct vmx_image *g)
{
	if (is_64(g) && (g->seg[SEG_CS].rights & VMX_AR_L_MASK))
		return !cpuid_canonical(g->rip);
	return g->rip >> 32;
}

static bool event_has_type(const struct vmx_image *g, u32 type)
{
	return (g->event & INTR_INFO_VALID_MASK) && (g->event & INTR_INFO_INTR_TYPE_MASK) == type;
}

static bool bad_rflags(const struct vmx_image *g)
{
	const u64 zero = ~0ULL << 22 | BIT(15) | BIT(5) | BIT(3);

	if ((g->rflags & zero) || !(g->rflags & X86_EFLAGS_FIXED))
		return true;
	if (is_v86(g) && (is_64(g) || !(g->cr0 & X86_CR0_PE)))
		return true;
	return event_has_type(g, INTR_TYPE_EXT_INTR) && !(g->rflags & X86_EFLAGS_IF);
}

static bool bad_interruptibility(const struct vmx_image *g)
{
	u32 sti = g->interruptibility & GUEST_INTR_STATE_STI;
	u32 mov_ss = g->interruptibility & GUEST_INTR_STATE_MOV_SS;

	if ((sti && mov_ss) || (sti && !(g->rflags & X86_EFLAGS_IF)))
		return true;
	if (event_has_type(g, INTR_TYPE_EXT_INTR))
		return sti || mov_ss;
	if (!event_has_type(g, INTR_TYPE_NMI_INTR))
		return false;
	return mov_ss || (g->interruptibility & GUEST_INTR_STATE_NMI);
}

static bool bad_pdptes(const struct vmx_image *g)
{
	int i;

	if (is_64(g) || !(g->cr0 & X86_CR0_PG) || !(g->cr4 & X86_CR4_PAE))
		return false;
	for (i = 0; i < ARRAY_SIZE(g->pdpte); i++)
		if ((g->pdpte[i] & 1) && (g->pdpte[i] & (GENMASK(2, 1) | GENMASK(8, 5))))
			return true;
	return false;
}

/**
 * vmx_first_refused() - which check of the guest's state fails
 * @g: the state
 *
 * Return: its name, or NULL when all that is known here succeed.
 */
const char *vmx_first_refused(const struct vmx_image *g)
{
	static const struct {
		const char *name;
		bool (*bad)(const struct vmx_image *g);
	} checks[] = {
		{ "CR0", bad_cr0 },
		{ "CR4", bad_cr4 },
		{ "CR0.PG, CR4.PAE or CR4.PCIDE against long mode", bad_long_mode },
		{ "DR7", bad_dr7 },
		{ "SYSENTER_ESP or SYSENTER_EIP", bad_sysenter },
		{ "PAT", bad_pat },
		{ "EFER", bad_efer },
		{ "selector of TR or LDTR", bad_selectors },
		{ "base of a segment", bad_bases },
		{ "segments of virtual-8086 mode", bad_v86 },
		{ "access rights or limit of CS", bad_cs },
		{ "access rights or limit of SS", bad_ss },
		{ "access rights or limit of DS, ES, FS or GS", bad_data },
		{ "access rights or limit of TR", bad_tr },
		{ "access rights or limit of LDTR", bad_ldtr },
		{ "GDTR or IDTR", bad_tables },
		{ "RIP", bad_rip },
		{ "RFLAGS", bad_rflags },
		{ "interruptibility", bad_interruptibility },
		{ "PDPTEs", bad_pdptes },
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(checks); i++)
		if (checks[i].bad(g))
			return checks[i].name;
	return NULL;
}

static void vmx_read_segs(struct vmx_image *g)
{
	static const u8 order[] = {
		SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_FS, SEG_GS, SEG_LDTR, SEG_TR,
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(order); i++)
		g->seg[order[i]] = (struct vmx_image_seg) {
			.selector = vmcs_read(GUEST_ES_SELECTOR + 2 * i),
			.limit = vmcs_read(GUEST_ES_LIMIT + 2 * i),
			.rights = vmcs_read(GUEST_ES_AR_BYTES + 2 * i),
			.base = vmcs_read(GUEST_ES_BASE + 2 * i),
		};
}

static void vmx_read_image(struct vmx_vcpu *vmx, struct vmx_image *g)
{
	int i;

	*g = (struct vmx_image) {
		.cr0 = vmcs_read(GUEST_CR0), .cr4 = vmcs_read(GUEST_CR4),
		.cr0_set = vmx_caps.cr0_set, .cr4_set = vmx_caps.cr4_set,
		.dr7 = vmcs_read(GUEST_DR7),
		.efer = vmx->vcpu.st.efer & EFER_LMA ? EFER_LMA | EFER_LME : 0,
		.sysenter_esp = vmcs_read(GUEST_SYSENTER_ESP),
		.sysenter_eip = vmcs_read(GUEST_SYSENTER_EIP),
		.gdtr_base = vmcs_read(GUEST_GDTR_BASE),
		.idtr_base = vmcs_read(GUEST_IDTR_BASE),
		.gdtr_limit = vmcs_read(GUEST_GDTR_LIMIT),
		.idtr_limit = vmcs_read(GUEST_IDTR_LIMIT),
		.rip = vmcs_read(GUEST_RIP), .rflags = vmcs_read(GUEST_RFLAGS),
		.entry_ctl = vmcs_read(VM_ENTRY_CONTROLS),
		.event = vmcs_read(VM_ENTRY_INTR_INFO_FIELD),
		.interruptibility = vmcs_read(GUEST_INTERRUPTIBILITY_INFO),
	};
	/* Without a field for them, entry does not look at them. */
	if (vmx_uses(VMX_ENTRY, VM_ENTRY_LOAD_IA32_PAT))
		g->pat = vmcs_read(GUEST_IA32_PAT);
	if (vmx_uses(VMX_ENTRY, VM_ENTRY_LOAD_IA32_EFER))
		g->efer = vmcs_read(GUEST_IA32_EFER);
	/* Without EPT they are read from memory. */
	for (i = 0; i < ARRAY_SIZE(g->pdpte) && !vmx_backend_caps.shadow; i++)
		g->pdpte[i] = vmcs_read(GUEST_PDPTR0 + 2 * i);
	vmx_read_segs(g);
}

/**
 * vmx_report_refusal() - log why the CPU refused the guest's state
 * @vmx: loaded; nothing was written since the entry
 * @reason: exit reason
 */
void vmx_report_refusal(struct vmx_vcpu *vmx, u32 reason)
{
	static DEFINE_RATELIMIT_STATE(limit, 5 * HZ, 5);
	struct vmx_image g;
	const char *what;

	if (!__ratelimit(&limit))
		return;
	vmx_read_image(vmx, &g);
	what = vmx_first_refused(&g);
	pr_warn("vm %llu vcpu %u: VM entry refused (reason %#x, qualification %llu): %s\n",
		vmx->vcpu.vm->id, vmx->vcpu.id, reason, vmcs_read(EXIT_QUALIFICATION),
		what ?: "a check that is not known here");
}

/**
 * vmx_report_failure() - log that the CPU refused the controls or the host's state
 * @vmx: loaded
 * @error: VM-instruction error
 *
 * An event that cannot be injected, as a VMM may ask for, fails the checks of the controls.
 */
void vmx_report_failure(struct vmx_vcpu *vmx, u32 error)
{
	u32 event = vmcs_read(VM_ENTRY_INTR_INFO_FIELD);

	pr_warn_ratelimited("vm %llu vcpu %u: VM entry failed: %s (error %u, event %#x)\n",
			    vmx->vcpu.vm->id, vmx->vcpu.id,
			    error == VMXERR_ENTRY_INVALID_CONTROL_FIELD ?
			    (event & INTR_INFO_VALID_MASK ?
			     "the event or a control" : "a control") :
			    error == VMXERR_ENTRY_INVALID_HOST_STATE_FIELD ? "the host's state" :
			    "see the error's number", error, event);
}
