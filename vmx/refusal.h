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
 * Lives on the stack of who reports.
 *
 * @cr0_set, @cr4_set: bits that this CPU wants to be 1
 * @event: VM-entry interruption information
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
	struct vmx_image_seg seg[EMU_NR_SEGS];
};

const char *vmx_first_refused(const struct vmx_image *g);

#endif
