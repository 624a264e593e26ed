/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Messages to local APICs from outside of the board, for hypercalls (lapic_ipi.c).
 */
#ifndef DITTO_BOARD_LAPIC_IPI_H
#define DITTO_BOARD_LAPIC_IPI_H

#include <linux/types.h>

struct vcpu;
struct vm;

/**
 * enum apic_answer - what became of a message to a local APIC
 * @APIC_REFUSED: the APIC does not take it
 * @APIC_MERGED: it merged with one that waits there
 * @APIC_TAKEN: it waits there now, or has woken the vCPU
 *
 * The numbers are those of KVM_IRQ_LINE_STATUS, which says of several how many took it.
 */
enum apic_answer {
	APIC_REFUSED = -1,
	APIC_MERGED,
	APIC_TAKEN,
};

int vlapic_send_many(struct vm *vm, const u64 *ids, unsigned int width, u32 min, u32 icr);
struct vcpu *vlapic_find(struct vm *vm, u64 id);
enum apic_answer vlapic_interrupt(struct vcpu *vcpu, u8 vector);

#endif
