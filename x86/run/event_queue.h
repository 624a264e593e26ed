/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Raising exceptions in the guest (events.c).
 */
#ifndef DITTO_RUN_EVENT_QUEUE_H
#define DITTO_RUN_EVENT_QUEUE_H

#include <linux/types.h>

struct emu_fault;
struct vcpu;

void event_queue_exception(struct vcpu *vcpu, u8 vector);
void event_queue_exception_error(struct vcpu *vcpu, u8 vector, u32 error);
void event_queue_page_fault(struct vcpu *vcpu, u64 cr2, u32 error);
void event_queue_debug(struct vcpu *vcpu, u64 dr6_bits);
void event_queue_fault(struct vcpu *vcpu, const struct emu_fault *fault);

#endif
