// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_GET_SREGS(2), KVM_SET_SREGS(2) and KVM_TRANSLATE: segments, descriptor tables
 * and control registers as one consistent whole.  What the hardware would
 * refuse to enter with is refused here, before anything has changed.
 */
#include <linux/bitmap.h>
#include <asm/msr-index.h>
#include <asm/processor-flags.h>

#include "mmu/mmu.h"
#include "mmu/walk.h"
#include "x86/board/lapic.h"
#include "x86/machine/vm.h"
#include "x86/run/cr.h"
#include "x86/run/sregs.h"
#include "x86/run/walk.h"

/* Members of struct kvm_sregs in the order of enum x86_seg. */
static const size_t seg_offset[SEG_NR] = {
	[SEG_ES] = offsetof(struct kvm_sregs, es), [SEG_CS] = offsetof(struct kvm_sregs, cs),
	[SEG_SS] = offsetof(struct kvm_sregs, ss), [SEG_DS] = offsetof(struct kvm_sregs, ds),
	[SEG_FS] = offsetof(struct kvm_sregs, fs), [SEG_GS] = offsetof(struct kvm_sregs, gs),
	[SEG_TR] = offsetof(struct kvm_sregs, tr), [SEG_LDTR] = offsetof(struct kvm_sregs, ldt),
};

static struct kvm_segment *sregs_seg(struct kvm_sregs *sregs, enum x86_seg nr)
{
	return (void *)sregs + seg_offset[nr];
}

/**
 * vcpu_ioctl_get_sregs() - KVM_GET_SREGS
 * @vcpu: owned and loaded
 * @sregs: filled
 *
 * Return: 0: it cannot fail.
 */
int vcpu_ioctl_get_sregs(struct vcpu *vcpu, struct kvm_sregs *sregs)
{
	struct x86_state *st = &vcpu->st;
	const struct vcpu_events *ev = &vcpu->ev;
	int i;

	vcpu_need(vcpu, ST_SEGS | ST_DT | ST_CR);
	memset(sregs, 0, sizeof(*sregs));
	for (i = 0; i < SEG_NR; i++)
		*sregs_seg(sregs, i) = st->seg[i];
	sregs->gdt.base = st->gdt.base;
	sregs->gdt.limit = st->gdt.limit;
	sregs->idt.base = st->idt.base;
	sregs->idt.limit = st->idt.limit;
	sregs->cr0 = st->cr0;
	sregs->cr2 = st->cr2;
	sregs->cr3 = st->cr3;
	sregs->cr4 = st->cr4;
	sregs->cr8 = vcpu->apic ? vlapic_get_cr8(vcpu) : st->cr8;
	sregs->efer = st->efer;
	sregs->apic_base = vlapic_get_base(vcpu);
	if (ev->irq_injected && !ev->irq_soft)
		__set_bit(ev->irq_vector, (unsigned long *)sregs->interrupt_bitmap);
	else if (!vcpu->apic && ev->user_irq >= 0)
		__set_bit(ev->user_irq, (unsigned long *)sregs->interrupt_bitmap);
	return 0;
}

/* Are the hidden part's fields in the ranges of their bits? */
static bool segment_valid(const struct kvm_segment *s)
{
	return s->type <= 0xf && s->dpl <= 3 &&
	       (s->present | s->db | s->s | s->l | s->g | s->avl | s->unusable) <= 1;
}

/* SDM 27.3.1.2 and 27.3.1.3: bases that a CPU can hold. */
static bool bases_valid(const struct kvm_sregs *sregs)
{
	return cpuid_canonical(sregs->fs.base) && cpuid_canonical(sregs->gs.base) &&
	       cpuid_canonical(sregs->tr.base) && cpuid_canonical(sregs->ldt.base) &&
	       cpuid_canonical(sregs->gdt.base) && cpuid_canonical(sregs->idt.base);
}

/* Outside of long mode L means nothing, and guests do load descriptors that have it. */
static bool code_segment_valid(const struct kvm_sregs *sregs)
{
	return !(sregs->efer & EFER_LMA) || !sregs->cs.l || !sregs->cs.db;
}

static bool sregs_valid(struct vcpu *vcpu, struct kvm_sregs *sregs)
{
	int i;

	if (!cr_consistent(vcpu, sregs->cr0, sregs->cr3, sregs->cr4, sregs->efer))
		return false;
	for (i = 0; i < SEG_NR; i++)
		if (!segment_valid(sregs_seg(sregs, i)))
			return false;
	return code_segment_valid(sregs) && bases_valid(sregs) && sregs->cr8 <= 0xf &&
	       bitmap_weight((unsigned long *)sregs->interrupt_bitmap,
			     KVM_NR_INTERRUPTS) <= 1;
}

/* The privilege level is that of the stack segment, but in real and VM86 mode. */
static u8 sregs_cpl(const struct vcpu *vcpu, const struct kvm_sregs *sregs)
{
	if (!(sregs->cr0 & X86_CR0_PE))
		return 0;
	if ((vcpu->st.rflags & X86_EFLAGS_VM) && !(sregs->efer & EFER_LMA))
		return 3;
	return sregs->ss.dpl;
}

static void set_segments(struct vcpu *vcpu, struct kvm_sregs *sregs)
{
	struct x86_state *st = &vcpu->st;
	int i;

	for (i = 0; i < SEG_NR; i++) {
		st->seg[i] = *sregs_seg(sregs, i);
		st->seg[i].padding = 0;
	}
	st->cpl = sregs_cpl(vcpu, sregs);
	st->gdt = (struct kvm_dtable) { .base = sregs->gdt.base, .limit = sregs->gdt.limit };
	st->idt = (struct kvm_dtable) { .base = sregs->idt.base, .limit = sregs->idt.limit };
}

static void set_control(struct vcpu *vcpu, const struct kvm_sregs *sregs)
{
	struct x86_state *st = &vcpu->st;

	st->cr0 = cr_fixup_cr0(sregs->cr0);
	st->cr2 = sregs->cr2;
	st->cr3 = sregs->cr3;
	st->cr4 = sregs->cr4;
	st->efer = sregs->efer;
	cr_set_cr8(vcpu, sregs->cr8);
}

/* At most one bit, and only to set: none leaves what is in flight alone. */
static void set_interrupt(struct vcpu *vcpu, const struct kvm_sregs *sregs)
{
	unsigned long vector = find_first_bit((const unsigned long *)sregs->interrupt_bitmap,
					      KVM_NR_INTERRUPTS);

	if (vector < KVM_NR_INTERRUPTS) {
		vcpu->ev.irq_injected = true;
		vcpu->ev.irq_soft = false;
		vcpu->ev.irq_vector = vector;
		/* That is what it was read as. */
		if (!vcpu->apic)
			vcpu->ev.user_irq = -1;
	}
	vcpu_request(vcpu, REQ_EVENT);
}

/**
 * vcpu_ioctl_set_sregs() - KVM_SET_SREGS
 * @vcpu: owned and loaded
 * @sregs: from the VMM
 *
 * Return: 0; -EINVAL for a state that no CPU of this host could be in.
 */
int vcpu_ioctl_set_sregs(struct vcpu *vcpu, struct kvm_sregs *sregs)
{
	if (!sregs_valid(vcpu, sregs))
		return -EINVAL;
	/* The last check, and the first change. */
	if (vlapic_set_base(vcpu, sregs->apic_base, true))
		return -EINVAL;
	set_segments(vcpu, sregs);
	set_control(vcpu, sregs);
	set_interrupt(vcpu, sregs);
	vcpu_changed(vcpu, ST_SEGS | ST_DT | ST_CR);
	/* The VMM may have written new tables, without a write that shows. */
	if (vcpu->vm->mmu.shadow)
		mmu_shadow_forget(&vcpu->vm->mmu);
	vcpu_flush_guest(vcpu);
	vcpu_request(vcpu, REQ_PDPTES);
	return 0;
}

/* Both structures begin with the same members. */
#define SREGS_COMMON	offsetof(struct kvm_sregs, interrupt_bitmap)
static_assert(offsetof(struct kvm_sregs2, flags) == SREGS_COMMON &&
	      offsetof(struct kvm_sregs2, apic_base) == offsetof(struct kvm_sregs, apic_base));

/**
 * vcpu_ioctl_get_sregs2() - KVM_GET_SREGS2
 * @vcpu: owned and loaded
 * @sregs2: filled, with page-directory pointers when the vCPU uses PAE paging
 *
 * Return: 0, or -EINTR when a signal came before the memory that has these.
 */
int vcpu_ioctl_get_sregs2(struct vcpu *vcpu, struct kvm_sregs2 *sregs2)
{
	struct kvm_sregs sregs;
	int ret;

	vcpu_ioctl_get_sregs(vcpu, &sregs);
	memset(sregs2, 0, sizeof(*sregs2));
	memcpy(sregs2, &sregs, SREGS_COMMON);
	ret = cr_get_pdptes(vcpu, sregs2->pdptrs);
	if (ret > 0)
		sregs2->flags = KVM_SREGS2_FLAGS_PDPTRS_VALID;
	return min(ret, 0);
}

/**
 * vcpu_ioctl_set_sregs2() - KVM_SET_SREGS2
 * @vcpu: owned and loaded
 * @sregs2: from the VMM; interrupts on their way stay
 *
 * Return: as vcpu_ioctl_set_sregs(), and -EINVAL for unknown flags, and for page-directory
 * pointers where there can be none, or that no CPU would have loaded.
 */
int vcpu_ioctl_set_sregs2(struct vcpu *vcpu, struct kvm_sregs2 *sregs2)
{
	bool pdptes = sregs2->flags & KVM_SREGS2_FLAGS_PDPTRS_VALID;
	struct kvm_sregs sregs = {};
	int err;

	if (sregs2->flags & ~(u64)KVM_SREGS2_FLAGS_PDPTRS_VALID)
		return -EINVAL;
	if (pdptes && !cr_pdptes_usable(vcpu, sregs2->cr0, sregs2->cr4, sregs2->efer,
					sregs2->pdptrs))
		return -EINVAL;
	memcpy(&sregs, sregs2, SREGS_COMMON);
	err = vcpu_ioctl_set_sregs(vcpu, &sregs);
	if (!err && pdptes)
		cr_set_pdptes(vcpu, sregs2->pdptrs);
	return err;
}

/**
 * vcpu_ioctl_translate() - KVM_TRANSLATE
 * @vcpu: owned and loaded
 * @tr: linear address in, translation out
 *
 * As a supervisor read; sets accessed bits as the CPU would.
 *
 * Return: 0, also for an address without translation, which is then not valid; -EINTR when
 * a signal came before the tables' memory.
 */
int vcpu_ioctl_translate(struct vcpu *vcpu, struct kvm_translation *tr)
{
	struct mmu *mmu = &vcpu->vm->mmu;
	struct paging_mode mode;
	struct walk_fault fault;
	gpa_t gpa = 0;
	int idx, err;

	vcpu_need(vcpu, ST_CR);
	walk_paging_mode(vcpu, &mode);
	mode.cr4 &= ~(u64)X86_CR4_SMAP;		/* user pages have translations, too */
	idx = srcu_read_lock(&mmu->srcu);
	err = mmu_walk(mmu, &mode, tr->linear_address, MMU_READ, &gpa, &fault);
	srcu_read_unlock(&mmu->srcu, idx);
	if (err == -EINTR)
		return err;
	tr->valid = !err;
	tr->physical_address = err ? ~0ULL : gpa;
	tr->writeable = 1;
	tr->usermode = 0;
	return 0;
}
