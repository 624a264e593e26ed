// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest's registers between struct x86_state and the VMCS.  No policy:
 * what the guest may hold in them was decided before it got here.
 */
#include <asm/msr.h>
#include <asm/processor-flags.h>

#include "vmx/vmx.h"

/* Access rights (25.4.1): where each member of struct kvm_segment stands. */
#define AR_S_SHIFT	4
#define AR_P_SHIFT	7
#define AR_AVL_SHIFT	12
#define AR_L_SHIFT	13
#define AR_DB_SHIFT	14
#define AR_G_SHIFT	15
#define AR_DPL		(3 << VMX_AR_DPL_SHIFT)

/* A segment's number in the VMCS's groups of fields, which are 2 apart. */
static const u8 vmx_seg_nr[SEG_NR] = {
	[SEG_ES] = 0, [SEG_CS] = 1, [SEG_SS] = 2, [SEG_DS] = 3,
	[SEG_FS] = 4, [SEG_GS] = 5, [SEG_LDTR] = 6, [SEG_TR] = 7,
};

static unsigned long seg_field(enum vmcs_field of_es, enum x86_seg nr)
{
	return of_es + vmx_seg_nr[nr] * 2;
}

/**
 * vmx_seg_rights() - the access rights of a segment
 * @s: the segment; one that is not present is unusable
 *
 * Return: the access rights in the format of the VMCS (25.4.1).
 */
u32 vmx_seg_rights(const struct kvm_segment *s)
{
	u32 rights = (s->type & VMX_AR_TYPE_MASK) | s->s << AR_S_SHIFT |
		     s->dpl << VMX_AR_DPL_SHIFT | s->present << AR_P_SHIFT |
		     s->avl << AR_AVL_SHIFT | s->l << AR_L_SHIFT | s->db << AR_DB_SHIFT |
		     s->g << AR_G_SHIFT;

	/* A CPU sets "accessed" when it loads code or data; who made this may not have. */
	if (s->s)
		rights |= VMX_AR_TYPE_ACCESSES_MASK;
	if (s->unusable || !s->present)
		rights |= VMX_AR_UNUSABLE_MASK;
	return rights;
}

/**
 * vmx_seg_from_rights() - the reverse
 * @s: all but base, limit and selector is set
 * @rights: as the CPU saved them
 */
void vmx_seg_from_rights(struct kvm_segment *s, u32 rights)
{
	s->type = rights & VMX_AR_TYPE_MASK;
	s->s = rights >> AR_S_SHIFT & 1;
	s->dpl = VMX_AR_DPL(rights);
	s->avl = rights >> AR_AVL_SHIFT & 1;
	s->l = rights >> AR_L_SHIFT & 1;
	s->db = rights >> AR_DB_SHIFT & 1;
	s->g = rights >> AR_G_SHIFT & 1;
	s->unusable = !!(rights & VMX_AR_UNUSABLE_MASK);
	/* Of an unusable segment the CPU may keep P set. */
	s->present = !s->unusable && (rights & VMX_AR_P_MASK);
	s->padding = 0;
}

static void vmx_fetch_segs(struct x86_state *st)
{
	enum x86_seg nr;

	for (nr = 0; nr < SEG_NR; nr++) {
		struct kvm_segment *s = &st->seg[nr];

		s->selector = vmcs_read(seg_field(GUEST_ES_SELECTOR, nr));
		s->base = vmcs_read(seg_field(GUEST_ES_BASE, nr));
		s->limit = vmcs_read(seg_field(GUEST_ES_LIMIT, nr));
		vmx_seg_from_rights(s, vmcs_read(seg_field(GUEST_ES_AR_BYTES, nr)));
	}
	st->cpl = st->seg[SEG_SS].dpl;
}

static void vmx_push_segs(const struct x86_state *st)
{
	enum x86_seg nr;

	for (nr = 0; nr < SEG_NR; nr++) {
		const struct kvm_segment *s = &st->seg[nr];
		u32 rights = vmx_seg_rights(s);

		/* CPL is SS.DPL, for an unusable SS too; a task that runs is busy. */
		if (nr == SEG_SS)
			rights = (rights & ~AR_DPL) | st->cpl << VMX_AR_DPL_SHIFT;
		else if (nr == SEG_TR)
			rights |= 2;
		vmcs_write(seg_field(GUEST_ES_SELECTOR, nr), s->selector);
		vmcs_write(seg_field(GUEST_ES_BASE, nr), s->base);
		vmcs_write(seg_field(GUEST_ES_LIMIT, nr), s->limit);
		vmcs_write(seg_field(GUEST_ES_AR_BYTES, nr), rights);
	}
}

static void vmx_fetch_code(struct x86_state *st)
{
	u32 rights;

	if (st->dirty & ST_SEGS) {
		const struct kvm_segment *cs = &st->seg[SEG_CS];

		st->code = (struct x86_code) {
			.base = cs->base, .cpl = st->cpl, .l = cs->l, .db = cs->db,
		};
		return;
	}
	rights = vmcs_read(GUEST_CS_AR_BYTES);
	st->code.base = vmcs_read(GUEST_CS_BASE);
	st->code.l = rights >> AR_L_SHIFT & 1;
	st->code.db = rights >> AR_DB_SHIFT & 1;
	st->code.cpl = VMX_AR_DPL(vmcs_read(GUEST_SS_AR_BYTES));
}

/* The other MSRs cannot change without an exit. */
static void vmx_fetch_msrs(struct vmx_vcpu *vmx)
{
	struct x86_switched_msrs *m = &vmx->vcpu.st.msrs;

	if (vmx->guest_msrs)
		rdmsrl(MSR_KERNEL_GS_BASE, m->kernel_gs_base);
	else
		m->kernel_gs_base = vmx->kernel_gs_base;
	m->sysenter_cs = vmcs_read(GUEST_SYSENTER_CS);
	m->sysenter_esp = vmcs_read(GUEST_SYSENTER_ESP);
	m->sysenter_eip = vmcs_read(GUEST_SYSENTER_EIP);
}

/* Shadow tables are ours, so their cache bits are by the host's PAT. */
static void vmx_push_pat(u64 pat)
{
	if (!vmx_uses(VMX_ENTRY, VM_ENTRY_LOAD_IA32_PAT))
		return;
	if (static_branch_unlikely(&vmx_shadow))
		pat = vmcs_read(HOST_IA32_PAT);
	vmcs_write(GUEST_IA32_PAT, pat);
}

static void vmx_push_msrs(struct vmx_vcpu *vmx)
{
	const struct x86_switched_msrs *m = &vmx->vcpu.st.msrs;

	vmx_load_msr(vmx, VMX_STAR, m->star);
	vmx_load_msr(vmx, VMX_LSTAR, m->lstar);
	vmx_load_msr(vmx, VMX_CSTAR, m->cstar);
	vmx_load_msr(vmx, VMX_SFMASK, m->sfmask);
	vmx_load_msr(vmx, VMX_TSC_AUX, m->tsc_aux);
	wrmsrl(MSR_KERNEL_GS_BASE, m->kernel_gs_base);
	vmcs_write(GUEST_SYSENTER_CS, m->sysenter_cs);
	vmcs_write(GUEST_SYSENTER_ESP, m->sysenter_esp);
	vmcs_write(GUEST_SYSENTER_EIP, m->sysenter_eip);
	vmx_push_pat(m->pat);
	vmcs_write(GUEST_IA32_DEBUGCTL, m->debugctl);
}

static void vmx_fetch_pdptes(struct x86_state *st)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(st->pdpte); i++)
		st->pdpte[i] = vmcs_read(GUEST_PDPTR0 + 2 * i);
}

/**
 * vmx_fetch() - backend_ops.fetch
 * @vcpu: owned and loaded
 * @parts: ST_*; none of them dirty, but that ST_CODE may be of a dirty ST_SEGS
 *
 * cr2 and the debug registers but dr7 are the CPU's only while the guest runs.
 */
void vmx_fetch(struct vcpu *vcpu, u32 parts)
{
	struct x86_state *st = &vcpu->st;

	if (parts & ST_SEGS)
		vmx_fetch_segs(st);
	if (parts & ST_CODE)
		vmx_fetch_code(st);
	if (parts & ST_DT) {
		st->gdt.base = vmcs_read(GUEST_GDTR_BASE);
		st->gdt.limit = vmcs_read(GUEST_GDTR_LIMIT);
		st->idt.base = vmcs_read(GUEST_IDTR_BASE);
		st->idt.limit = vmcs_read(GUEST_IDTR_LIMIT);
	}
	if (parts & ST_CR) {
		if (!static_branch_unlikely(&vmx_shadow))
			st->cr3 = vmcs_read(GUEST_CR3);
		st->cr4 = (st->cr4 & ~VMX_CR4_OF_GUEST) |
			  (vmcs_read(GUEST_CR4) & VMX_CR4_OF_GUEST);
	}
	if (parts & ST_DR)
		st->dr7 = vmcs_read(GUEST_DR7);
	if (parts & ST_MSRS)
		vmx_fetch_msrs(to_vmx(vcpu));
	if (parts & ST_PDPTE)
		vmx_fetch_pdptes(st);
}

/*
 * A CPU enters long mode with whatever task it has, but VM entry wants a 64-bit
 * one there (27.3.1.2).  Until the guest loads TR, nothing tells them apart.
 */
static void vmx_long_mode_task(void)
{
	u32 rights = vmcs_read(GUEST_TR_AR_BYTES);

	if ((rights & VMX_AR_TYPE_MASK) == VMX_AR_TYPE_BUSY_16_TSS)
		vmcs_write(GUEST_TR_AR_BYTES, rights | VMX_AR_TYPE_BUSY_64_TSS);
}

/* What the CPU gets where that is not what the guest has. */
struct vmx_cr {
	u64 cr3, cr4, efer;
};

/*
 * The CPU translates whatever the guest does, in long mode or by PAE paging.  With paging off,
 * the guest knows no SMEP and no SMAP, and is not about to enter long mode.
 */
static void vmx_shadow_cr(const struct vmx_vcpu *vmx, struct vmx_cr *cr)
{
	const struct x86_state *st = &vmx->vcpu.st;

	cr->cr3 = vmx->shadow_root;
	cr->cr4 |= X86_CR4_PAE;
	if (!(st->cr0 & X86_CR0_PG))
		cr->cr4 &= ~(u64)(X86_CR4_SMEP | X86_CR4_SMAP | X86_CR4_LA57);
	cr->efer |= EFER_NX;
	if (!(st->efer & EFER_LMA))
		cr->efer &= ~(u64)EFER_LME;
}

/*
 * Without a field in the VMCS the host's stays, with the guest's SYSCALL: of the rest, NX is set
 * for both, and entry and exit switch LME and LMA (27.3.2.1).
 */
static void vmx_push_efer(struct vmx_vcpu *vmx, u64 efer)
{
	u64 host = this_cpu_ptr(&vmx_cpus)->msr[VMX_EFER];

	if (vmx_uses(VMX_ENTRY, VM_ENTRY_LOAD_IA32_EFER))
		vmcs_write(GUEST_IA32_EFER, efer);
	else
		vmx_load_msr(vmx, VMX_EFER, (host & ~(u64)EFER_SCE) | (efer & EFER_SCE));
}

/* The guest sees the shadows; the CPU wants some bits set that it may not have. */
static void vmx_push_cr(struct vmx_vcpu *vmx)
{
	const struct x86_state *st = &vmx->vcpu.st;
	struct vmx_cr cr = { .cr3 = st->cr3, .cr4 = st->cr4, .efer = st->efer };
	u32 entry_ctl = vmx_caps.control[VMX_ENTRY];

	if (static_branch_unlikely(&vmx_shadow))
		vmx_shadow_cr(vmx, &cr);
	vmcs_write(GUEST_CR0, st->cr0 | vmx_caps.cr0_set);
	vmcs_write(CR0_READ_SHADOW, st->cr0);
	vmcs_write(GUEST_CR3, cr.cr3);
	vmcs_write(GUEST_CR4, cr.cr4 | vmx_caps.cr4_set);
	vmcs_write(CR4_READ_SHADOW, st->cr4);
	vmx_push_efer(vmx, cr.efer);
	if (st->efer & EFER_LMA) {
		entry_ctl |= VM_ENTRY_IA32E_MODE;
		vmx_long_mode_task();
	}
	vmcs_update(VM_ENTRY_CONTROLS, vmx->written.entry_ctl, entry_ctl);
}

static void vmx_push_pdptes(const struct x86_state *st)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(st->pdpte); i++)
		vmcs_write(GUEST_PDPTR0 + 2 * i, st->pdpte[i]);
}

/* The multiplier is a fixed-point number with 48 bits behind the point (25.6.5). */
static void vmx_push_tsc(struct vmx_vcpu *vmx)
{
	vmcs_write(TSC_OFFSET, vmx->vcpu.st.tsc_offset);
	if (vmx_uses(VMX_CPU2, SECONDARY_EXEC_TSC_SCALING))
		vmcs_write(TSC_MULTIPLIER,
			   READ_ONCE(vmx->vcpu.clock.tsc_ratio) << (48 - TSC_RATIO_SHIFT));
}

/**
 * vmx_push() - bring the dirty parts of the state into the VMCS
 * @vmx: loaded, with the guest's MSRs; IRQs off
 */
void vmx_push(struct vmx_vcpu *vmx)
{
	struct x86_state *st = &vmx->vcpu.st;

	if (st->dirty & ST_SEGS)
		vmx_push_segs(st);
	if (st->dirty & ST_DT) {
		vmcs_write(GUEST_GDTR_BASE, st->gdt.base);
		vmcs_write(GUEST_GDTR_LIMIT, st->gdt.limit);
		vmcs_write(GUEST_IDTR_BASE, st->idt.base);
		vmcs_write(GUEST_IDTR_LIMIT, st->idt.limit);
	}
	if (st->dirty & ST_CR)
		vmx_push_cr(vmx);
	if ((st->dirty & ST_PDPTE) && vmx_backend_caps.pdptes)
		vmx_push_pdptes(st);
	if (st->dirty & ST_DR)
		vmcs_write(GUEST_DR7, st->dr7);
	if (st->dirty & ST_MSRS)
		vmx_push_msrs(vmx);
	if (st->dirty & ST_TSC)
		vmx_push_tsc(vmx);
	st->dirty = 0;
}
