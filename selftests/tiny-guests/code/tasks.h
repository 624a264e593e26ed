/* SPDX-License-Identifier: GPL-2.0-only */
/* What tasks.S and ../tasks.c agree on. */
#ifndef SELFTESTS_TASKS_H
#define SELFTESTS_TASKS_H

/* In the GDT. */
#define TASK_CODE		0x08
#define TASK_DATA		0x10
#define TASK_SEL_A		0x20	/* runs first */
#define TASK_SEL_B		0x28	/* a 32-bit TSS */
#define TASK_SEL_C		0x30	/* a 16-bit TSS */
#define TASK_SEL_GATE		0x38	/* a gate to B */
#define TASK_SEL_ABSENT		0x40
#define TASK_SEL_SHORT		0x48
#define TASK_SEL_LDT		0x50
#define TASK_USER_CODE		0x5b
#define TASK_USER_DATA		0x63
#define TASK_FRESH		0x68	/* data, not accessed yet */
#define TASK_NR_DESC		14

/* Of the IDT, with a gate to B. */
#define TASK_VECTOR		0x40
#define TASK_CUT_VECTOR		0x30	/* with a gate to t_back, in some tests */
/* What the first page tables show here, and the second. */
#define TASK_WINDOW		0x400000
#define TASK_SHOWN_1		0x11111111
#define TASK_SHOWN_2		0x22222222

/* What tests use, and what t_touch touches. */
#define TASK_TOUCH		0x300000
#define TASK_TOUCH_END		0x314000

/* Traces. */
#define TASK_READY		1
#define TASK_A			0xa
#define TASK_B			0xb
#define TASK_B2			0xb2

#endif
