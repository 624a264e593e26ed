/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The guest's state as VM entry checks it; see refusal.c.
 */
#ifndef DITTO_VMX_REFUSAL_H
#define DITTO_VMX_REFUSAL_H

#include "vmx/vmx.h"

struct vmx_image_seg {
	u16 selector;
	u32 limit;
	u32 rights;
	u64 base;
};

/**
 * struct vmx_image - guest-state fields of a VMCS, and what they are checked against
 *
 * Lives on the stack of vmx_report_refusal().
 *
 * @cr0: the guest's CR0
 * @cr4: the guest's CR4
 * @cr0_set: bits of CR0 that this CPU wants to be 1
 * @cr4_set: likewise of CR4
 * @dr7: the guest's DR7
 * @pat: its PAT MSR
 * @efer: its EFER
 * @sysenter_esp: its SYSENTER_ESP MSR
 * @sysenter_eip: its SYSENTER_EIP MSR
 * @gdtr_base: of the GDT
 * @idtr_base: of the IDT
 * @gdtr_limit: of the GDT
 * @idtr_limit: of the IDT
 * @rip: the guest's RIP
 * @rflags: its RFLAGS
 * @pdpte: its page-directory pointers, for PAE paging
 * @entry_ctl: VM-entry controls
 * @event: VM-entry interruption information
 * @interruptibility: interrupt shadow and blocking by NMI
 * @seg: its segments
 */
struct vmx_image {
	u64 cr0, cr4, cr0_set, cr4_set;
	u64 dr7, pat, efer;
	u64 sysenter_esp, sysenter_eip;
	u64 gdtr_base, idtr_base;
	u32 gdtr_limit, idtr_limit;
	u64 rip, rflags;
	u64 pdpte[4];
	u32 entry_ctl;
	u32 event;
	u32 interruptibility;
	struct vmx_image_seg seg[SEG_NR];
};

const char *vmx_first_refused(const struct vmx_image *g);

#endif
