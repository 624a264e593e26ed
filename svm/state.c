// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest's registers between struct x86_state and the VMCB.  No policy:
 * what the guest may hold in them was decided before it got here.
 */
#include <linux/mem_encrypt.h>
#include <asm/processor-flags.h>

#include "svm/svm.h"

/* In the type of a TSS. */
#define SVM_TR_BUSY	BIT(1)

static void svm_seg_from_vmcb(struct kvm_segment *s, const struct vmcb_seg *v)
{
	memset(s, 0, sizeof(*s));
	s->base = v->base;
	s->limit = v->limit;
	s->selector = v->selector;
	s->type = v->attrib & SVM_SELECTOR_TYPE_MASK;
	s->s = !!(v->attrib & SVM_SELECTOR_S_MASK);
	s->dpl = (v->attrib & SVM_SELECTOR_DPL_MASK) >> SVM_SELECTOR_DPL_SHIFT;
	s->present = !!(v->attrib & SVM_SELECTOR_P_MASK);
	s->avl = !!(v->attrib & SVM_SELECTOR_AVL_MASK);
	s->l = !!(v->attrib & SVM_SELECTOR_L_MASK);
	s->db = !!(v->attrib & SVM_SELECTOR_DB_MASK);
	/* Not every CPU keeps G of every segment; the limit, in bytes, tells. */
	s->g = v->limit > 0xfffff;
	s->unusable = !s->present;
}

static void svm_seg_to_vmcb(struct vmcb_seg *v, const struct kvm_segment *s)
{
	v->base = s->base;
	v->limit = s->limit;
	v->selector = s->selector;
	v->attrib = s->type & SVM_SELECTOR_TYPE_MASK;
	v->attrib |= s->s << SVM_SELECTOR_S_SHIFT;
	v->attrib |= s->dpl << SVM_SELECTOR_DPL_SHIFT;
	v->attrib |= (s->present && !s->unusable) << SVM_SELECTOR_P_SHIFT;
	v->attrib |= s->avl << SVM_SELECTOR_AVL_SHIFT;
	v->attrib |= s->l << SVM_SELECTOR_L_SHIFT;
	v->attrib |= s->db << SVM_SELECTOR_DB_SHIFT;
	v->attrib |= s->g << SVM_SELECTOR_G_SHIFT;
}

/* The VMCB's first six segments stand in the order of the instruction encoding. */
static void svm_fetch_segs(struct x86_state *st, const struct vmcb_save_area *v)
{
	int i;

	for (i = SEG_ES; i <= SEG_GS; i++)
		svm_seg_from_vmcb(&st->seg[i], &(&v->es)[i]);
	svm_seg_from_vmcb(&st->seg[SEG_LDTR], &v->ldtr);
	svm_seg_from_vmcb(&st->seg[SEG_TR], &v->tr);
	/* VMX wants a running task busy; SVM does not care and may not say. */
	st->seg[SEG_TR].type |= SVM_TR_BUSY;
	st->cpl = v->cpl;
}

static void svm_push_segs(const struct x86_state *st, struct vmcb_save_area *v)
{
	int i;

	for (i = SEG_ES; i <= SEG_GS; i++)
		svm_seg_to_vmcb(&(&v->es)[i], &st->seg[i]);
	svm_seg_to_vmcb(&v->ldtr, &st->seg[SEG_LDTR]);
	svm_seg_to_vmcb(&v->tr, &st->seg[SEG_TR]);
	/* A TSS is busy in memory; in TR the CPU keeps it as LTR found it, free. */
	v->tr.attrib &= ~SVM_TR_BUSY;
	/* CPL is SS.DPL, for an unusable SS too. */
	v->ss.attrib &= ~SVM_SELECTOR_DPL_MASK;
	v->ss.attrib |= st->cpl << SVM_SELECTOR_DPL_SHIFT;
	v->cpl = st->cpl;
}

static void svm_code_from_vmcb(struct x86_state *st, const struct vmcb_save_area *v)
{
	st->code.base = v->cs.base;
	st->code.l = v->cs.attrib & SVM_SELECTOR_L_MASK;
	st->code.db = v->cs.attrib & SVM_SELECTOR_DB_MASK;
	st->code.cpl = v->cpl;
}

static void svm_code_from_segs(struct x86_state *st)
{
	st->code.base = st->seg[SEG_CS].base;
	st->code.l = st->seg[SEG_CS].l;
	st->code.db = st->seg[SEG_CS].db;
	st->code.cpl = st->cpl;
}

static void svm_fetch_msrs(struct x86_switched_msrs *m, const struct vmcb_save_area *v)
{
	m->star = v->star;
	m->lstar = v->lstar;
	m->cstar = v->cstar;
	m->sfmask = v->sfmask;
	m->kernel_gs_base = v->kernel_gs_base;
	m->sysenter_cs = v->sysenter_cs;
	m->sysenter_esp = v->sysenter_esp;
	m->sysenter_eip = v->sysenter_eip;
}

static void svm_push_msrs(struct svm_vcpu *svm)
{
	const struct x86_switched_msrs *m = &svm->vcpu.st.msrs;
	struct vmcb_save_area *v = &svm->vmcb->save;

	v->star = m->star;
	v->lstar = m->lstar;
	v->cstar = m->cstar;
	v->sfmask = m->sfmask;
	v->kernel_gs_base = m->kernel_gs_base;
	v->sysenter_cs = m->sysenter_cs;
	v->sysenter_esp = m->sysenter_esp;
	v->sysenter_eip = m->sysenter_eip;
	v->g_pat = m->pat;
	v->dbgctl = m->debugctl;
	v->spec_ctrl = m->spec_ctrl;	/* read by CPUs with V_SPEC_CTRL only */
	svm_load_tsc_aux(svm);
	svm_dirty(svm, CLEAN_NPT | CLEAN_LBR);
}

/**
 * svm_fetch() - backend_ops.fetch
 * @vcpu: owned
 * @parts: ST_*; none of them dirty, but that ST_CODE may be of a dirty ST_SEGS
 */
void svm_fetch(struct vcpu *vcpu, u32 parts)
{
	const struct vmcb_save_area *v = &to_svm(vcpu)->vmcb->save;
	struct x86_state *st = &vcpu->st;

	if (parts & ST_SEGS)
		svm_fetch_segs(st, v);
	if (parts & ST_CODE) {
		if (st->dirty & ST_SEGS)
			svm_code_from_segs(st);
		else
			svm_code_from_vmcb(st, v);
	}
	if (parts & ST_DT) {
		st->gdt.base = v->gdtr.base;
		st->gdt.limit = v->gdtr.limit;
		st->idt.base = v->idtr.base;
		st->idt.limit = v->idtr.limit;
	}
	if (parts & ST_CR) {
		st->cr2 = v->cr2;
		if (!svm_caps.shadow)
			st->cr3 = v->cr3;
	}
	if (parts & ST_DR) {
		st->dr6 = v->dr6;
		st->dr7 = v->dr7;
	}
	if (parts & ST_MSRS)
		svm_fetch_msrs(&st->msrs, v);
}

/*
 * The CPU translates whatever the guest does, in long mode or by PAE paging, and also in
 * real mode (15.19). With paging off, the guest knows no SMEP and no SMAP.
 */
static void svm_push_shadow_cr(struct svm_vcpu *svm)
{
	const struct x86_state *st = &svm->vcpu.st;
	struct vmcb_save_area *v = &svm->vmcb->save;

	v->cr0 |= X86_CR0_PG | X86_CR0_WP;
	v->cr3 = svm->shadow_root;
	v->cr4 |= X86_CR4_PAE;
	if (!(st->cr0 & X86_CR0_PG))
		v->cr4 &= ~(u64)(X86_CR4_SMEP | X86_CR4_SMAP | X86_CR4_LA57);
	v->efer |= EFER_NX;
	if (!(st->efer & EFER_LMA))
		v->efer &= ~(u64)EFER_LME;
	svm_intercept(svm, INTERCEPT_CR4_READ, v->cr4 != st->cr4);
}

/*
 * Under nested paging the guest's caching bits would disable the real cache:
 * CD and NW stay out, and reads of cr0 exit while the guest believes in them. But a VMM may
 * want it so (KVM_X86_QUIRK_CD_NW_CLEARED disabled).
 */
static void svm_push_cr(struct svm_vcpu *svm)
{
	const struct x86_state *st = &svm->vcpu.st;
	struct vmcb_save_area *v = &svm->vmcb->save;

	v->cr0 = st->cr0;
	if (vm_has_quirk(svm->vcpu.vm, KVM_X86_QUIRK_CD_NW_CLEARED))
		v->cr0 &= ~(u64)(X86_CR0_CD | X86_CR0_NW);
	v->cr2 = st->cr2;
	v->cr3 = st->cr3;
	v->cr4 = st->cr4;
	v->efer = st->efer | EFER_SVME;
	if (static_branch_unlikely(&svm_shadow))
		svm_push_shadow_cr(svm);
	svm_intercept(svm, INTERCEPT_CR0_READ, v->cr0 != st->cr0);
	svm_dirty(svm, CLEAN_CR | CLEAN_CR2);
}

static void svm_push_dt(struct svm_vcpu *svm)
{
	const struct x86_state *st = &svm->vcpu.st;
	struct vmcb_save_area *v = &svm->vmcb->save;

	v->gdtr.base = st->gdt.base;
	v->gdtr.limit = st->gdt.limit;
	v->idtr.base = st->idt.base;
	v->idtr.limit = st->idt.limit;
	svm_dirty(svm, CLEAN_DT);
}

/**
 * svm_push() - bring the dirty parts of the state into the VMCB
 * @svm: loaded; IRQs off
 */
void svm_push(struct svm_vcpu *svm)
{
	struct x86_state *st = &svm->vcpu.st;
	struct vmcb_save_area *v = &svm->vmcb->save;

	if (st->dirty & ST_SEGS) {
		svm_push_segs(st, v);
		svm_dirty(svm, CLEAN_SEG);
	}
	if (st->dirty & ST_DT)
		svm_push_dt(svm);
	if (st->dirty & ST_CR)
		svm_push_cr(svm);
	if (st->dirty & ST_DR) {
		v->dr6 = st->dr6;
		v->dr7 = st->dr7;
		svm_dirty(svm, CLEAN_DR);
	}
	if (st->dirty & ST_MSRS)
		svm_push_msrs(svm);
	if (st->dirty & ST_TSC) {
		svm->vmcb->control.tsc_offset = st->tsc_offset;
		svm_dirty(svm, CLEAN_INTERCEPTS);
	}
	st->dirty = 0;
}
