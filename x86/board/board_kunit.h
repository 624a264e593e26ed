/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * For KUnit: a machine that has buses, interrupt controllers and four vCPUs but
 * never runs, and the accesses that a guest and a VMM make to it.
 */
#ifndef DITTO_BOARD_BOARD_KUNIT_H
#define DITTO_BOARD_BOARD_KUNIT_H

#include <kunit/test.h>

#include "x86/board/irqchip_priv.h"
#include "x86/board/lapic_priv.h"
#include "x86/machine/vm.h"

#define NR_VCPUS	4
#define APIC_GPA	APIC_DEFAULT_PHYS_BASE
#define IOAPIC_GPA	IO_APIC_DEFAULT_PHYS_BASE

struct board {
	struct vm vm;
	struct vcpu vcpu[NR_VCPUS];
};

/* A suite's init and exit; test->priv is the board. */
int board_init(struct kunit *test);
void board_exit(struct kunit *test);

/* The guest's accesses: registers of a local APIC in xAPIC mode, ports, the IOAPIC. */
u32 board_apic_read(struct vcpu *vcpu, u32 offset);
void board_apic_write(struct vcpu *vcpu, u32 offset, u32 val);
u8 board_in(struct board *b, u16 port);
void board_out(struct board *b, u16 port, u8 val);
void board_ioapic_write(struct board *b, u32 index, u32 val);
u32 board_ioapic_read(struct board *b, u32 index);

/* What its firmware does: all local APICs on; both PICs set up, vectors from 0x30. */
void board_apic_on(struct board *b);
void board_pic_setup(struct board *b, u8 icw4);

void board_send_ipi(struct vcpu *vcpu, u32 dest, u32 low);
u32 board_who_got(struct board *b, u8 vector);

/* The VMM's KVM_IRQ_LINE_STATUS, which returns whom it reached; an edge of it. */
int board_line(struct board *b, u32 gsi, u32 level);
void board_pulse(struct board *b, u32 gsi);

#endif
