/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a vCPU has waiting for the guest: one exception, NMIs, one interrupt
 * whose delivery was begun; and the access that waits for user space.
 */
#ifndef DITTO_X86_EVENTS_H
#define DITTO_X86_EVENTS_H

#include <linux/atomic.h>
#include <linux/kvm_types.h>

#include "x86/emulate/emulate.h"

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
 * @exc_len: of the INT3 or INTO that raised it, 0: not known
 * @exc_has_payload, @exc_payload: cr2 or dr6 bits, applied at injection
 * @irq_injected, @irq_soft, @irq_vector, @soft_len: an interrupt whose delivery
 *	an exit cut
 * @nmi_injected: likewise an NMI
 * @nmi_masked: the guest is in its NMI handler; cleared by backend_ops.run
 * @nmi_pending: NMIs accepted, at most 2
 * @nmi_asked: NMIs that other threads sent; added to @nmi_pending before entry
 * @user_irq: KVM_INTERRUPT's vector without in-kernel irqchip, or -1
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
};

/* Device reads that one iteration of an instruction can make: 16 bytes across pages. */
#define VCPU_IO_LOG	4
/* Device writes likewise. */
#define VCPU_IO_WRITES	4

/**
 * struct vcpu_mmio - one access to a device in memory
 * @gpa: where
 * @data: little endian, zero beyond @len
 * @len: bytes, 1 to 8
 */
struct vcpu_mmio {
	gpa_t gpa;
	u64 data;
	u8 len;
};

/**
 * struct vcpu_io - an access that user space completes; owner
 *
 * The emulator executes an instruction whose read goes to user space again once
 * the answer is there: answers are kept in @log and replayed in order (see
 * x86/emulate/emulate.h).  Writes come last in an instruction; they are queued, the
 * instruction ends, and user space gets them one by one.
 *
 * What was asked is kept here and never read back from kvm_run, which the VMM
 * scribbles on.  Until the answer is used, it and other vCPUs may change registers,
 * page tables and the instruction itself: an answer serves the very access that
 * asked for it, and gives no more than was asked.
 *
 * @complete: called at the next KVM_RUN to take the answer, or NULL
 * @rip: of the instruction; an answer to one that is no longer there is dropped
 * @insn_len: of the port access in flight
 * @port, @size, @in: likewise
 * @pio_count: items that a string port access asked for
 * @pio_answered: they are in the page behind kvm_run
 * @log, @log_len, @log_pos: reads, how many are answered, and how many were replayed;
 *	the one behind the answered ones is in flight
 * @writes, @nr_writes, @next_write: queued for user space
 */
struct vcpu_io {
	int (*complete)(struct vcpu *vcpu);
	u64 rip;
	u8 insn_len;
	u8 size;
	bool in;
	bool pio_answered;
	u16 port;
	u16 pio_count;
	u8 log_len, log_pos;
	u8 nr_writes, next_write;
	struct vcpu_mmio log[VCPU_IO_LOG];
	struct vcpu_mmio writes[VCPU_IO_WRITES];
};

void vcpu_queue_exception(struct vcpu *vcpu, u8 vector);
void vcpu_queue_exception_error(struct vcpu *vcpu, u8 vector, u32 error);
void vcpu_queue_page_fault(struct vcpu *vcpu, u64 cr2, u32 error);
void vcpu_queue_debug(struct vcpu *vcpu, u64 dr6_bits);
void vcpu_queue_fault(struct vcpu *vcpu, const struct emu_fault *fault);
void vcpu_nmi(struct vcpu *vcpu);

void events_cut(struct vcpu *vcpu, const struct x86_event *vectoring);
void events_taken(struct vcpu *vcpu, const struct x86_event *e, bool faulted);
void events_inject(struct vcpu *vcpu);
void events_apply_payload(struct vcpu *vcpu);
bool events_wake(struct vcpu *vcpu);
bool exc_is_soft(u8 vector);

#endif
