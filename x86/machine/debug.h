/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a VMM that debugs its guest has asked for, and how far it is. What becomes of it
 * is run/'s.
 */
#ifndef DITTO_MACHINE_DEBUG_H
#define DITTO_MACHINE_DEBUG_H

#include <linux/types.h>

/**
 * struct vcpu_debug - of KVM_SET_GUEST_DEBUG; owner's
 * @control: KVM_GUESTDBG_*, 0 when nobody debugs
 * @dr: the VMM's DR0 to DR3
 * @dr7: likewise
 * @step_rip: where the step that is being made began
 * @stepping: there is one
 * @delivered: it has ended with an event in its handler
 * @delivering: the entry delivers an event, and has no TF
 * @loads_flags: the CPU steps an instruction that loads TF, as IRET
 * @guest_tf: the guest's own TF, while it runs with ours
 * @guest_shadow: likewise
 * @guest_dr: its debug registers, while it runs with ours
 * @guest_dr6: likewise
 * @guest_dr7: likewise
 * @exit_tsc: vcpu->exit_tsc meanwhile
 */
struct vcpu_debug {
	u32 control;
	u64 dr[4], dr7;
	u64 step_rip;
	bool stepping, delivered;
	bool delivering, loads_flags, guest_tf;
	u8 guest_shadow;
	u64 guest_dr[4], guest_dr6, guest_dr7;
	u64 exit_tsc;
};

#endif
