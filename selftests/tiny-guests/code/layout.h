/* SPDX-License-Identifier: GPL-2.0-only */
/* What the tiny guests and the VMM that runs them agree on; also for assembly. */
#ifndef SELFTESTS_LAYOUT_H
#define SELFTESTS_LAYOUT_H

#define GUEST_GDT		0x1000
#define GUEST_TSS		0x1800
#define GUEST_IDT		0x2000
#define GUEST_PML4		0x3000
#define GUEST_PDPT		0x4000
#define GUEST_PD_LOW		0x5000	/* the first GiB */
#define GUEST_PD_HIGH		0x6000	/* the fourth GiB: devices */
#define GUEST_LOW		0x8000
#define GUEST_IMAGE		0x100000
#define GUEST_STACKS		0x200000
#define GUEST_STACK_SIZE	0x8000
#define GUEST_IST_STACK		0x2f0000
#define GUEST_FREE		0x300000	/* page tables and data of the tests */

/* Descriptors. */
#define GUEST_CS64		0x08
#define GUEST_DS		0x10
#define GUEST_CS32		0x18
#define GUEST_CS16		0x20
#define GUEST_DS16		0x28
#define GUEST_USER_DS		0x33
#define GUEST_USER_CS64		0x3b
#define GUEST_TR		0x40

/* A device of the VMM that behaves as memory. */
#define GUEST_MMIO		0xd0000000
#define GUEST_MMIO_SIZE		0x2000
/* Ports of the VMM: reads answer with successive bytes 1, 2, 3 ... */
#define GUEST_PORT		0x600
#define GUEST_PORTS		0x40
/* Messages to the VMM. */
#define GUEST_PORT_DONE		0x5d0	/* 0, or 1 after filling g_failure */
#define GUEST_PORT_TRACE	0x5d4

/* Interrupts that the VMM sends to apic/sent_*. */
#define GUEST_SENT		500

#endif
