// SPDX-License-Identifier: GPL-2.0-only
/*
 * Control and debug registers: every write that is not the hardware's own, with
 * the #GP conditions of the manuals (SDM 2.5 and 4.1, APM 3.1), and what else a
 * write changes: EFER.LMA, translations, leaf 0xd of CPUID.
 *
 * The hard part is that the registers constrain each other; cr_consistent()
 * says it once, for single writes and for a VMM that sets all of them.
 */
#include <asm/msr-index.h>
#include <asm/processor-flags.h>
#include <uapi/asm/debugreg.h>

#include "mmu/guest.h"
#include "x86/board/lapic.h"
#include "x86/cpu/cpuid_host.h"
#include "x86/machine/vm.h"
#include "x86/run/cr.h"

#define CR0_DEFINED	(X86_CR0_PE | X86_CR0_MP | X86_CR0_EM | X86_CR0_TS | X86_CR0_ET | \
			 X86_CR0_NE | X86_CR0_WP | X86_CR0_AM | X86_CR0_NW | X86_CR0_CD | \
			 X86_CR0_PG)

/* Changes of these make cached translations wrong. */
#define CR0_TLB		(X86_CR0_PG | X86_CR0_WP)
#define CR4_TLB		(X86_CR4_PSE | X86_CR4_PAE | X86_CR4_PGE | X86_CR4_PCIDE | \
			 X86_CR4_SMEP | X86_CR4_SMAP | X86_CR4_PKE | X86_CR4_LA57)
/* Changes of these make the CPU load the PDPTEs of PAE paging (SDM 4.4.1). */
#define CR0_PDPTE	(X86_CR0_PG | X86_CR0_CD | X86_CR0_NW)
#define CR4_PDPTE	(X86_CR4_PSE | X86_CR4_PAE | X86_CR4_PGE | X86_CR4_SMEP)

#define DR6_WRITABLE	(DR_TRAP_BITS | DR_STEP | DR_SWITCH | BIT(13))
#define DR7_WRITABLE	0xffff23ffULL	/* LEN/RW, GD, LE, GE, L and G */
#define DR7_FIXED	BIT(10)

/* An address space of 64 - @bits reserved bits on top. */
static u64 phys_bits_above(unsigned int bits)
{
	return bits >= 64 ? 0 : ~0ULL << bits;
}

static bool pae_paging(u64 cr0, u64 cr4, u64 efer)
{
	return (cr0 & X86_CR0_PG) && (cr4 & X86_CR4_PAE) && !(efer & EFER_LMA);
}

/**
 * cr_fixup_cr0() - the value that cr0 has after this one was written
 * @val: upper half clear; undefined bits are ignored, ET is always set
 *
 * Return: the value.
 */
u64 cr_fixup_cr0(u64 val)
{
	return (val & CR0_DEFINED) | X86_CR0_ET;
}

static bool cr0_valid(u64 cr0)
{
	return !(cr0 >> 32) && (!(cr0 & X86_CR0_NW) || (cr0 & X86_CR0_CD)) &&
	       (!(cr0 & X86_CR0_PG) || (cr0 & X86_CR0_PE));
}

/**
 * cr_consistent() - may a CPU be in this state?
 * @vcpu: whose CPUID says which bits exist; owned
 * @cr0: proposed
 * @cr3: proposed
 * @cr4: proposed
 * @efer: proposed, LMA included
 *
 * The checks that VMRUN and VM entry make (APM 15.5.1, SDM 27.3.1.1).
 *
 * Return: whether it may.
 */
bool cr_consistent(struct vcpu *vcpu, u64 cr0, u64 cr3, u64 cr4, u64 efer)
{
	bool lma = efer & EFER_LMA;

	if (!cr0_valid(cr0) || (cr4 & vcpu->cpuid.cr4_reserved) ||
	    (efer & cpuid_host_efer_reserved()))
		return false;
	if (lma != ((efer & EFER_LME) && (cr0 & X86_CR0_PG)))
		return false;
	return !lma || ((cr4 & X86_CR4_PAE) && !(cr3 & phys_bits_above(vcpu->cpuid.maxphyaddr)));
}

static bool pdptes_valid(const struct vcpu *vcpu, const u64 pdpte[4])
{
	const u64 reserved = phys_bits_above(vcpu->cpuid.maxphyaddr) |
			     GENMASK(8, 5) | GENMASK(2, 1);
	int i;

	for (i = 0; i < 4; i++)
		if ((pdpte[i] & 1) && (pdpte[i] & reserved))
			return false;
	return true;
}

/* The four page-directory-pointer-table entries of PAE paging, whatever stands there. */
static enum guest_fault read_raw_pdptes(struct vcpu *vcpu, u64 cr3, u64 pdpte[4])
{
	int idx, err;

	idx = srcu_read_lock(&vcpu->vm->mmu.srcu);
	err = guest_read(&vcpu->vm->mmu, cr3 & GENMASK(31, 5), pdpte, 4 * sizeof(*pdpte));
	srcu_read_unlock(&vcpu->vm->mmu.srcu, idx);
	return err == -EINTR ? X86_INTERRUPTED : err ? X86_FAULT : X86_NO_FAULT;
}

/* Read them; X86_FAULT if they are not valid. */
static enum guest_fault read_pdptes(struct vcpu *vcpu, u64 cr3, u64 pdpte[4])
{
	enum guest_fault r = read_raw_pdptes(vcpu, cr3, pdpte);

	return r || pdptes_valid(vcpu, pdpte) ? r : X86_FAULT;
}

/**
 * cr_check_cr3() - may cr3 have this value, as paging is now?
 * @vcpu: owned; process context
 * @cr3: 32 bits; the vCPU is not in long mode
 *
 * Return: X86_NO_FAULT, X86_FAULT or X86_INTERRUPTED.
 */
enum guest_fault cr_check_cr3(struct vcpu *vcpu, u64 cr3)
{
	const struct x86_state *st = &vcpu->st;
	u64 pdpte[4];

	if (!pae_paging(st->cr0, st->cr4, st->efer))
		return X86_NO_FAULT;
	return read_pdptes(vcpu, cr3, pdpte);
}

/*
 * Load the page-directory-pointer-table entries, as the instructions do that change
 * these registers.  Under NPT the CPU reads them itself when it needs them, under EPT it has
 * registers for them.
 */
static enum guest_fault load_pdptes(struct vcpu *vcpu, u64 cr3)
{
	u64 pdpte[4];
	enum guest_fault r = read_pdptes(vcpu, cr3, pdpte);

	if (r)
		return r;
	memcpy(vcpu->st.pdpte, pdpte, sizeof(pdpte));
	vcpu_changed(vcpu, ST_PDPTE);
	return X86_NO_FAULT;
}

/**
 * cr_reload_pdptes() - REQ_PDPTES: the VMM has set the registers that lead to them
 * @vcpu: owned; process context
 *
 * Entries that the instruction would refuse count as not present.  If a signal ends the wait for
 * their memory, the request is made again.
 */
void cr_reload_pdptes(struct vcpu *vcpu)
{
	struct x86_state *st = &vcpu->st;
	enum guest_fault r;

	vcpu_need(vcpu, ST_CR);
	if (!pae_paging(st->cr0, st->cr4, st->efer))
		return;
	r = load_pdptes(vcpu, st->cr3);
	if (r == X86_INTERRUPTED)
		vcpu_request(vcpu, REQ_PDPTES);
	if (r != X86_FAULT)
		return;
	memset(st->pdpte, 0, sizeof(st->pdpte));
	vcpu_changed(vcpu, ST_PDPTE);
}

/**
 * cr_get_pdptes() - the page-directory pointers of PAE paging
 * @vcpu: owned and loaded; process context
 * @pdpte: filled: what the CPU uses, or would load if the guest went on
 *
 * Return: 1; 0 when the vCPU does not use PAE paging, and nothing is filled; -EINTR when a
 * signal came first.
 */
int cr_get_pdptes(struct vcpu *vcpu, u64 pdpte[4])
{
	enum guest_fault r = X86_NO_FAULT;
	struct x86_state *st = &vcpu->st;

	vcpu_need(vcpu, ST_CR);
	if (!pae_paging(st->cr0, st->cr4, st->efer))
		return 0;
	if (!backend->caps->pdptes) {
		r = read_raw_pdptes(vcpu, st->cr3, pdpte);
	} else if (test_bit(REQ_PDPTES, &vcpu->requests)) {
		r = read_pdptes(vcpu, st->cr3, pdpte);
	} else {
		vcpu_need(vcpu, ST_PDPTE);
		memcpy(pdpte, st->pdpte, sizeof(st->pdpte));
	}
	if (r == X86_INTERRUPTED)
		return -EINTR;
	if (r)
		memset(pdpte, 0, sizeof(st->pdpte));
	return 1;
}

/**
 * cr_pdptes_usable() - can a vCPU have these?
 * @vcpu: owned
 * @cr0: which it will have, as the next two
 * @cr4: likewise
 * @efer: likewise
 * @pdpte: page-directory pointers
 *
 * Return: true for PAE paging with entries that the CPU would have loaded.
 */
bool cr_pdptes_usable(const struct vcpu *vcpu, u64 cr0, u64 cr4, u64 efer, const u64 pdpte[4])
{
	return pae_paging(cr0, cr4, efer) && pdptes_valid(vcpu, pdpte);
}

/**
 * cr_set_pdptes() - give a vCPU page-directory pointers that need not be those in memory
 * @vcpu: owned; process context
 * @pdpte: cr_pdptes_usable() with what control registers hold now
 *
 * A CPU that has no registers for them reads those in memory.
 */
void cr_set_pdptes(struct vcpu *vcpu, const u64 pdpte[4])
{
	clear_bit(REQ_PDPTES, &vcpu->requests);
	memcpy(vcpu->st.pdpte, pdpte, sizeof(vcpu->st.pdpte));
	vcpu_changed(vcpu, ST_PDPTE);
}

/* The rules for turning paging on and off beyond cr_consistent(). */
static bool cr0_paging_change_ok(struct vcpu *vcpu, u64 cr0)
{
	struct x86_state *st = &vcpu->st;

	if (!((cr0 ^ st->cr0) & X86_CR0_PG))
		return true;
	vcpu_need(vcpu, ST_SEGS);
	if (cr0 & X86_CR0_PG)
		return !(st->efer & EFER_LME) || !st->seg[SEG_CS].l;
	return !(st->cr4 & X86_CR4_PCIDE) &&
	       !((st->efer & EFER_LMA) && st->seg[SEG_CS].l);
}

/**
 * cr_set_cr0() - MOV to CR0, LMSW and CLTS for the guest
 * @vcpu: owned; process context
 * @val: as written; reserved bits in the lower half are ignored
 *
 * Activates and leaves long mode with EFER.LME.
 *
 * Return: X86_NO_FAULT, X86_FAULT or X86_INTERRUPTED.
 */
enum guest_fault cr_set_cr0(struct vcpu *vcpu, u64 val)
{
	struct x86_state *st = &vcpu->st;
	u64 cr0 = cr_fixup_cr0(val);
	u64 changed = cr0 ^ st->cr0;
	u64 efer = st->efer & ~(u64)EFER_LMA;

	if ((efer & EFER_LME) && (cr0 & X86_CR0_PG))
		efer |= EFER_LMA;
	if (!cr0_valid(val) || !cr0_paging_change_ok(vcpu, cr0))
		return X86_FAULT;
	vcpu_need(vcpu, ST_CR);
	if ((efer & EFER_LMA) && !(st->cr4 & X86_CR4_PAE))
		return X86_FAULT;
	if (pae_paging(cr0, st->cr4, efer) && (changed & CR0_PDPTE)) {
		enum guest_fault r = load_pdptes(vcpu, st->cr3);

		if (r)
			return r;
	}

	st->cr0 = cr0;
	st->efer = efer;
	vcpu_changed(vcpu, ST_CR);
	if (changed & CR0_TLB)
		vcpu_flush_guest(vcpu);
	return X86_NO_FAULT;
}

/**
 * cr_set_cr3() - MOV to CR3 for the guest
 * @vcpu: owned; process context
 * @val: as written; outside of long mode only 32 bits exist
 *
 * Always flushes: the "keep translations" bit of PCIDs is a permission.
 *
 * Return: X86_NO_FAULT, X86_FAULT or X86_INTERRUPTED.
 */
enum guest_fault cr_set_cr3(struct vcpu *vcpu, u64 val)
{
	struct x86_state *st = &vcpu->st;

	if (st->efer & EFER_LMA) {
		if (st->cr4 & X86_CR4_PCIDE)
			val &= ~X86_CR3_PCID_NOFLUSH;
		if (val & phys_bits_above(vcpu->cpuid.maxphyaddr))
			return X86_FAULT;
	} else {
		val &= U32_MAX;
		if (pae_paging(st->cr0, st->cr4, st->efer)) {
			enum guest_fault r = load_pdptes(vcpu, val);

			if (r)
				return r;
		}
	}
	vcpu_need(vcpu, ST_CR);
	st->cr3 = val;
	vcpu_changed(vcpu, ST_CR);
	vcpu_flush_guest(vcpu);
	return X86_NO_FAULT;
}

/* The rules for single bits of cr4 beyond cr_consistent(). */
static bool cr4_change_ok(struct vcpu *vcpu, u64 cr4)
{
	struct x86_state *st = &vcpu->st;
	u64 changed = cr4 ^ st->cr4;

	if (cr4 & vcpu->cpuid.cr4_reserved)
		return false;
	if ((st->efer & EFER_LMA) && (!(cr4 & X86_CR4_PAE) || (changed & X86_CR4_LA57)))
		return false;
	if (changed & cr4 & X86_CR4_PCIDE)
		return (st->efer & EFER_LMA) && !(st->cr3 & X86_CR3_PCID_MASK);
	return true;
}

/**
 * cr_set_cr4() - MOV to CR4 for the guest
 * @vcpu: owned; process context
 * @val: as written
 *
 * Return: X86_NO_FAULT, X86_FAULT or X86_INTERRUPTED.
 */
enum guest_fault cr_set_cr4(struct vcpu *vcpu, u64 val)
{
	struct x86_state *st = &vcpu->st;
	u64 changed;

	vcpu_need(vcpu, ST_CR);
	changed = val ^ st->cr4;
	if (!cr4_change_ok(vcpu, val))
		return X86_FAULT;
	if (pae_paging(st->cr0, val, st->efer) && (changed & CR4_PDPTE)) {
		enum guest_fault r = load_pdptes(vcpu, st->cr3);

		if (r)
			return r;
	}

	st->cr4 = val;
	vcpu_changed(vcpu, ST_CR);
	if (changed & CR4_TLB)
		vcpu_flush_guest(vcpu);
	return X86_NO_FAULT;
}

/**
 * cr_set_cr8() - MOV to CR8 for the guest
 * @vcpu: owned
 * @val: as written
 *
 * Return: X86_NO_FAULT or X86_FAULT.
 */
enum guest_fault cr_set_cr8(struct vcpu *vcpu, u64 val)
{
	if (val & ~0xfULL)
		return X86_FAULT;
	if (vcpu->apic)
		vlapic_set_cr8(vcpu, val);
	else
		vcpu->st.cr8 = val;
	return X86_NO_FAULT;
}

/**
 * cr_set_efer() - write the EFER MSR
 * @vcpu: owned
 * @val: as written; LMA is read-only and ignored
 * @by_vmm: the VMM writes; it may set what this host can do, whatever the
 *	guest's CPUID says
 *
 * Return: X86_NO_FAULT or X86_FAULT.
 */
enum guest_fault cr_set_efer(struct vcpu *vcpu, u64 val, bool by_vmm)
{
	struct x86_state *st = &vcpu->st;
	u64 reserved = by_vmm ? cpuid_host_efer_reserved() : vcpu->cpuid.efer_reserved;
	u64 changed;

	val = (val & ~(u64)EFER_LMA) | (st->efer & EFER_LMA);
	changed = val ^ st->efer;
	if (val & reserved)
		return X86_FAULT;
	if ((st->cr0 & X86_CR0_PG) && (changed & EFER_LME))
		return X86_FAULT;
	if (!changed)
		return X86_NO_FAULT;

	vcpu_need(vcpu, ST_CR);
	st->efer = val;
	vcpu_changed(vcpu, ST_CR);
	if (changed & EFER_NX)
		vcpu_flush_guest(vcpu);
	return X86_NO_FAULT;
}

/**
 * cr_fixup_dr6() - the value that dr6 has after this one was written
 * @val: upper half clear
 *
 * Return: the value.
 */
u64 cr_fixup_dr6(u64 val)
{
	return (val & DR6_WRITABLE) | DR6_RESERVED;
}

/**
 * cr_fixup_dr7() - the value that dr7 has after this one was written
 * @val: upper half clear
 *
 * Return: the value.
 */
u64 cr_fixup_dr7(u64 val)
{
	return (val & DR7_WRITABLE) | DR7_FIXED;
}

/* dr4 and dr5 are other names of dr6 and dr7, unless CR4.DE makes them #UD. */
static enum guest_fault dr_resolve(struct vcpu *vcpu, unsigned int *nr)
{
	if (*nr > 7)
		return X86_FAULT_UD;
	if (*nr == 4 || *nr == 5) {
		if (vcpu->st.cr4 & X86_CR4_DE)
			return X86_FAULT_UD;
		*nr += 2;
	}
	return X86_NO_FAULT;
}

/**
 * cr_get_dr() - MOV from a debug register for the guest
 * @vcpu: owned
 * @nr: 0-7
 * @val: set on success
 *
 * DR7.GD is the caller's: it comes before everything else.
 *
 * Return: X86_NO_FAULT or X86_FAULT_UD.
 */
enum guest_fault cr_get_dr(struct vcpu *vcpu, unsigned int nr, u64 *val)
{
	struct x86_state *st = &vcpu->st;
	enum guest_fault r = dr_resolve(vcpu, &nr);

	if (r)
		return r;
	vcpu_need(vcpu, ST_DR);
	*val = nr == 6 ? st->dr6 : nr == 7 ? st->dr7 : st->dr[nr];
	return X86_NO_FAULT;
}

/**
 * cr_set_dr() - MOV to a debug register for the guest
 * @vcpu: owned
 * @nr: 0-7
 * @val: as written
 *
 * Return: X86_NO_FAULT, X86_FAULT or X86_FAULT_UD (SDM 18.2).
 */
enum guest_fault cr_set_dr(struct vcpu *vcpu, unsigned int nr, u64 val)
{
	struct x86_state *st = &vcpu->st;
	enum guest_fault r = dr_resolve(vcpu, &nr);

	if (r)
		return r;
	if (nr >= 6 && (val >> 32))
		return X86_FAULT;
	vcpu_need(vcpu, ST_DR);
	if (nr == 6)
		st->dr6 = cr_fixup_dr6(val);
	else if (nr == 7)
		st->dr7 = cr_fixup_dr7(val);
	else
		st->dr[nr] = val;
	vcpu_changed(vcpu, ST_DR);
	return X86_NO_FAULT;
}
