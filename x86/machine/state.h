/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The virtual CPU's architectural state, in neutral form.
 *
 * It is the only copy that shared code reads and writes.  A backend fetches
 * the parts that the guest may have changed when somebody asks for them
 * (vcpu_need), and pushes the parts that were changed here (vcpu_changed)
 * before it enters the guest.  General registers, rip, rflags, the interrupt
 * shadow and cr8 are always valid; cr0 and efer too, and cr4 except for PGE, because
 * the guest cannot change them without an exit.
 */
#ifndef DITTO_MACHINE_STATE_H
#define DITTO_MACHINE_STATE_H

#include <linux/kvm.h>
#include <linux/kvm_types.h>

#include "x86/machine/regs.h"

/* Parts of struct x86_state that a backend moves lazily. */
#define ST_SEGS		BIT(0)	/* seg[], all eight, hidden parts included, and cpl */
#define ST_DT		BIT(1)	/* gdt, idt */
#define ST_CR		BIT(2)	/* to the backend: cr0, cr2, cr3, cr4, efer; from it: cr2 to cr4 */
#define ST_DR		BIT(3)	/* dr[], dr6, dr7 */
#define ST_MSRS		BIT(4)	/* struct x86_switched_msrs */
#define ST_TSC		BIT(5)	/* tsc_offset; to the backend only */
#define ST_CODE		BIT(6)	/* code: a cheap part of ST_SEGS; from the backend only */
#define ST_PDPTE	BIT(7)	/* pdpte[]; of use to backends that have backend_caps.pdptes */
#define ST_ALL		(ST_SEGS | ST_DT | ST_CR | ST_DR | ST_MSRS | ST_TSC)

/* Interrupt shadow: the CPU takes no interrupt before the next instruction. */
#define SHADOW_STI	BIT(0)
#define SHADOW_MOV_SS	BIT(1)

/**
 * struct x86_switched_msrs - MSRs that the guest owns while it runs
 *
 * Reads and writes of these need no exit once the backend let them through.
 * FS.base and GS.base are in seg[].
 *
 * @star: STAR
 * @lstar: LSTAR
 * @cstar: CSTAR
 * @sfmask: SFMASK
 * @kernel_gs_base: KERNEL_GS_BASE
 * @sysenter_cs: SYSENTER_CS
 * @sysenter_esp: SYSENTER_ESP
 * @sysenter_eip: SYSENTER_EIP
 * @tsc_aux: TSC_AUX
 * @pat: PAT
 * @debugctl: DEBUGCTL
 * @spec_ctrl: SPEC_CTRL
 */
struct x86_switched_msrs {
	u64 star, lstar, cstar, sfmask;
	u64 kernel_gs_base;
	u64 sysenter_cs, sysenter_esp, sysenter_eip;
	u64 tsc_aux;
	u64 pat;
	u64 debugctl;
	u64 spec_ctrl;
};

/**
 * struct x86_code - what it takes to fetch an instruction
 * @base: CS.base
 * @cpl: current privilege level
 * @l: CS.L, meaningful when EFER.LMA
 * @db: CS.D
 */
struct x86_code {
	u64 base;
	u8 cpl;
	bool l, db;
};

/**
 * struct x86_state - registers of one vCPU, as the guest sees them
 *
 * All members: the vCPU's mutex, held by the thread that runs or inspects it.
 *
 * @gpr: by instruction encoding: GPR_RAX ... GPR_R15
 * @rip: instruction pointer; always valid, as are the next two
 * @rflags: flags
 * @cr0: always valid, because a write exits; so are efer, and cr4 except for PGE
 * @cr2: moves with ST_CR
 * @cr3: moves with ST_CR
 * @cr4: see @cr0; PGE, which some CPUs let the guest change, moves with ST_CR
 * @cr8: the task priority's class; always valid
 * @efer: see @cr0
 * @xcr0: kept here only, and switched around each entry
 * @xss: likewise
 * @tsc_offset: what the backend adds to the host's TSC; moves with ST_TSC
 * @seg: by enum emu_seg; moves with ST_SEGS
 * @gdt: moves with ST_DT
 * @idt: moves with ST_DT
 * @dr: DR0 to DR3; move with ST_DR
 * @dr6: moves with ST_DR
 * @dr7: moves with ST_DR
 * @msrs: move with ST_MSRS
 * @code: moves with ST_CODE
 * @pkru: the guest's, current while the CPU is outside of it; always valid
 * @host_pkru: the thread's own, while the guest's is in the CPU
 * @pdpte: page-directory pointers of PAE paging; move with ST_PDPTE
 * @cpl: current privilege level; moves with ST_SEGS
 * @shadow: SHADOW_* bits; always valid
 * @valid: ST_* parts that hold the guest's values
 * @dirty: ST_* parts that the backend must push before the next entry
 */
struct x86_state {
	u64 gpr[GPR_NR];
	u64 rip;
	u64 rflags;
	u64 cr0, cr2, cr3, cr4, cr8;
	u64 efer;
	u64 pdpte[4];
	u64 xcr0, xss;
	u64 tsc_offset;
	u32 pkru, host_pkru;
	struct kvm_segment seg[SEG_NR];
	struct kvm_dtable gdt, idt;
	u64 dr[4], dr6, dr7;
	struct x86_switched_msrs msrs;
	struct x86_code code;
	u8 cpl;
	u8 shadow;
	u32 valid;
	u32 dirty;
};

#endif
