/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a vCPU has waiting for the guest: one exception, NMIs, one interrupt
 * whose delivery was begun; and the access that waits for user space.
 */
#ifndef DITTO_X86_EVENTS_H
#define DITTO_X86_EVENTS_H

#include <linux/atomic.h>
#include <linux/kvm_types.h>

#include "x86/emulate.h"

struct vcpu;
struct x86_event;

/**
 * struct vcpu_events - events on their way to the guest
 *
 * Owner's, but for @nmi_asked.
 *
 * @exc_pending: found, not yet given to the CPU (payload not yet applied)
 * @exc_injected: given to the CPU, delivery not yet complete
 * @exc_vector, @exc_has_error, @exc_error: it
 * @exc_has_payload, @exc_payload: cr2 or dr6 bits, applied at injection
 * @irq_injected, @irq_soft, @irq_vector, @soft_len: an interrupt whose delivery
 *	an exit cut
 * @nmi_injected: likewise an NMI
 * @nmi_masked: the guest is in its NMI handler
 * @nmi_pending: NMIs accepted, at most 2
 * @nmi_asked: NMIs that other threads sent; added to @nmi_pending before entry
 * @user_irq: KVM_INTERRUPT's vector without in-kernel irqchip, or -1
 */
struct vcpu_events {
	bool exc_pending, exc_injected;
	u8 exc_vector;
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
};

/* Fragments of device accesses that one instruction made. */
#define VCPU_IO_LOG	8

/**
 * struct vcpu_io - an access that user space completes
 *
 * While an instruction is emulated, reads that user space has answered are
 * kept in @log and replayed; see x86/emulate.h.
 *
 * @complete: called at the next KVM_RUN to take the answer, or NULL
 * @log: answers so far; @log_len, how many; @log_pos, how many were replayed
 * @port, @size, @in, @count: the port access in flight
 */
struct vcpu_io {
	int (*complete)(struct vcpu *vcpu);
	struct {
		gpa_t gpa;
		u8 len;
		bool write;
		u8 data[8];
	} log[VCPU_IO_LOG];
	u8 log_len, log_pos;
	u16 port;
	u8 size;
	bool in;
	u32 count;
};

#define NO_ERROR_CODE	(~0u)

void vcpu_queue_exception(struct vcpu *vcpu, u8 vector);
void vcpu_queue_exception_error(struct vcpu *vcpu, u8 vector, u32 error);
void vcpu_queue_page_fault(struct vcpu *vcpu, u64 cr2, u32 error);
void vcpu_queue_debug(struct vcpu *vcpu, u64 dr6_bits);
void vcpu_queue_fault(struct vcpu *vcpu, const struct emu_fault *fault);
void vcpu_nmi(struct vcpu *vcpu);

void events_cut(struct vcpu *vcpu, const struct x86_event *vectoring);
void events_inject(struct vcpu *vcpu);
bool events_wake(struct vcpu *vcpu);

#endif
