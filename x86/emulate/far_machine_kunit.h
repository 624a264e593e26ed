/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A fake machine with a GDT, an IDT and a TSS of its own, for tests of what loads CS and of
 * system calls.
 */
#ifndef DITTO_EMULATE_FAR_MACHINE_KUNIT_H
#define DITTO_EMULATE_FAR_MACHINE_KUNIT_H

#include <kunit/test.h>

#include "x86/emulate/descriptor.h"

#define MEM_SIZE	0x10000
#define CODE		0x1000
#define GDT		0x3000
#define IDT		0x4000
#define TSS		0x5000
#define STACK		0x6800	/* the present one's rSP */
#define STACK0		0x7800	/* the TSS's, of level 0 */
#define STACK_IST	0x7c00
#define HOLE		0x8000	/* this page has no memory: #PF */

/* Selectors; the names of code and data end with their level. */
#define C64_0	0x08
#define DATA_0	0x10
#define C32_0	0x18
#define C32_3	0x23
#define DATA_3	0x2b
#define C64_3	0x33
#define C16_0	0x38
#define CONF_0	0x40	/* conforming */
#define GATE32	0x4b	/* to C32_0, with two parameters, for level 3 */
#define TASK	0x50	/* an available TSS */
#define TGATE	0x5b	/* to it */
#define GATE64	0x63	/* to C64_0, for level 3 */
#define ABSENT	0x70
#define BUSY	0x78
#define LDT	0x80
#define NEWTSS	0x90	/* available, of long mode */
#define GATE16	0xa3	/* to C16_0, for level 3 */
#define GATE_0	0xa8	/* to C32_0, for level 0 */
#define SMALL	0xb0	/* 32-bit code that is one page long */
#define MIXED	0xb8	/* L and D */

#define NO_SS	0xffff	/* that SS is null must be said */

#define FIXED	X86_EFLAGS_FIXED
#define IF	X86_EFLAGS_IF

struct far_case {
	const char *name;
	enum emu_mode mode;
	u8 cpl;
	bool compat;			/* of long mode, though not in 64-bit mode */
	u8 code[12];
	u8 len;
	u64 flags;			/* besides FIXED */
	u64 rax;			/* also stands at 0x2000, with @at_2008 behind it */
	u64 at_2008;
	u8 size;			/* of the items of that stack */
	u64 stack[9];			/* on the stack before, lowest first */
	u8 nr_stack;

	enum emu_result result;
	u8 vector;			/* EMU_FAULT */
	u32 error;
	u16 cs, ss;			/* EMU_OK; 0: as before */
	u64 rip, rsp;			/* rsp 0: as before */
	u8 cpl_out;
	u64 flags_out;
	u64 pushed[10];			/* from rsp up */
	u8 pushed_size, nr_pushed;
	int task;			/* 1 + enum emu_task: a switch was asked for */
};

struct far_machine {
	struct emu_ctxt c;
	const struct far_case *t;
	u64 regs[EMU_NR_REGS];
	struct kvm_segment seg[EMU_NR_SEGS];
	u8 mem[MEM_SIZE];
	u64 sysreg[EMU_NR_SYSREGS];
	bool intel, lma;
	u64 cr4;
	int task;
	u16 task_selector;
	u8 task_via;
	unsigned int writes;
};

#define CODE_BYTES(...)	.code = { __VA_ARGS__ }, .len = sizeof((u8[]){ __VA_ARGS__ })
#define STACKED(n, ...)	.size = (n), .stack = { __VA_ARGS__ }, \
	.nr_stack = sizeof((u64[]){ __VA_ARGS__ }) / sizeof(u64)
#define PUSHED(n, ...)	.pushed_size = (n), .pushed = { __VA_ARGS__ }, \
	.nr_pushed = sizeof((u64[]){ __VA_ARGS__ }) / sizeof(u64)
#define FAULT(v, e)	.result = EMU_FAULT, .vector = X86_TRAP_##v, .error = (e)
/* JMP and CALL in 32-bit code. */
#define LJMP(sel, off)	CODE_BYTES(0xea, (off) & 255, (off) >> 8, 0, 0, sel, 0)
#define LCALL(sel, off)	CODE_BYTES(0x9a, (off) & 255, (off) >> 8, 0, 0, sel, 0)
#define NEXT(n)		(CODE + (n))

u64 far_desc(u32 base, u32 limit, u8 access, u8 flags);
u64 *far_gdt(struct far_machine *m, u16 selector);
void far_load(struct far_machine *m, enum emu_seg nr, u16 selector);
void far_reset(struct far_machine *m, const struct far_case *t);
enum emu_result far_step(struct far_machine *m);
struct far_machine *far_alloc(struct kunit *test);

#endif
