/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a vCPU has waiting for the guest: one exception, NMIs, one interrupt whose
 * delivery was begun. What becomes of it is run/'s.
 */
#ifndef DITTO_MACHINE_EVENTS_H
#define DITTO_MACHINE_EVENTS_H

#include <linux/atomic.h>
#include <linux/types.h>

struct x86_event;

/**
 * struct vcpu_events - events on their way to the guest
 *
 * Owner's, except for @nmi_asked.
 *
 * @exc_pending: found, not yet given to the CPU (payload not yet applied)
 * @exc_injected: given to the CPU, delivery not yet complete
 * @exc_vector: it
 * @exc_has_error: likewise
 * @exc_error: likewise
 * @exc_len: of the INT3 or INTO that raised it, 0: not known
 * @exc_has_payload: cr2 or dr6 bits, applied at injection
 * @exc_payload: likewise
 * @irq_injected: an interrupt whose delivery
 *	an exit cut
 * @irq_soft: likewise
 * @irq_vector: likewise
 * @soft_len: likewise
 * @nmi_injected: likewise an NMI
 * @nmi_masked: the guest is in its NMI handler; cleared by backend_ops.run
 * @nmi_pending: NMIs accepted, at most 2
 * @nmi_asked: NMIs that other threads sent; added to @nmi_pending before entry
 * @user_irq: KVM_INTERRUPT's vector where vcpu->user_pic, or -1
 * @taken: gets what would be delivered, where the guest goes on in software; else NULL
 */
struct vcpu_events {
	bool exc_pending, exc_injected;
	u8 exc_vector;
	u8 exc_len;
	bool exc_has_error;
	u32 exc_error;
	bool exc_has_payload;
	u64 exc_payload;
	bool irq_injected, irq_soft;
	u8 irq_vector;
	u8 soft_len;
	bool nmi_injected, nmi_masked;
	u8 nmi_pending;
	atomic_t nmi_asked;
	int user_irq;
	struct x86_event *taken;
};

#endif
