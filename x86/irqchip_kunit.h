/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * For KUnit: a machine that has buses, interrupt controllers and four vCPUs but
 * never runs, and the accesses that a guest and a VMM make to it.
 */
#ifndef DITTO_X86_IRQCHIP_KUNIT_H
#define DITTO_X86_IRQCHIP_KUNIT_H

#include <kunit/test.h>

#include "core/vm.h"
#include "x86/irqchip_impl.h"
#include "x86/lapic.h"

#define NR_VCPUS	4
#define APIC_GPA	APIC_DEFAULT_PHYS_BASE
#define IOAPIC_GPA	IO_APIC_DEFAULT_PHYS_BASE

struct board {
	struct vm vm;
	struct vcpu vcpu[NR_VCPUS];
};

int board_init(struct kunit *test);
void board_exit(struct kunit *test);
u32 board_apic_read(struct vcpu *vcpu, u32 offset);
void board_apic_write(struct vcpu *vcpu, u32 offset, u32 val);
void board_apic_on(struct board *b);
void board_send_ipi(struct vcpu *vcpu, u32 dest, u32 low);
u32 board_who_got(struct board *b, u8 vector);

#endif
