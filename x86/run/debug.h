/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guests that their VMM debugs.
 */
#ifndef DITTO_RUN_DEBUG_H
#define DITTO_RUN_DEBUG_H

#include <linux/kvm.h>
#include <linux/types.h>

#include "x86/machine/outcome.h"

/* All that a VMM may ask for, as KVM_CAP_SET_GUEST_DEBUG2 says it. */
#define VCPU_GUESTDBG_ALL	(KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP |		\
				 KVM_GUESTDBG_USE_SW_BP | KVM_GUESTDBG_USE_HW_BP |	\
				 KVM_GUESTDBG_INJECT_DB | KVM_GUESTDBG_INJECT_BP |	\
				 KVM_GUESTDBG_BLOCKIRQ)

struct exit_facts;
struct kvm_guest_debug;
struct vcpu;

enum exit_outcome debug_begin(struct vcpu *vcpu);
enum exit_outcome debug_end(struct vcpu *vcpu, enum exit_outcome r);
void debug_before(struct vcpu *vcpu);
void debug_after(struct vcpu *vcpu, const struct exit_facts *facts);
bool debug_exception(struct vcpu *vcpu, const struct exit_facts *facts);
enum exit_outcome debug_soft_int_exit(struct vcpu *vcpu);
enum exit_outcome debug_dr(struct vcpu *vcpu, const struct exit_facts *facts);
void debug_copy(struct vcpu *to, const struct vcpu *from);
int vcpu_ioctl_set_guest_debug(struct vcpu *vcpu, struct kvm_guest_debug *dbg);

#endif
