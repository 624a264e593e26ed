// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit: control transfers that load CS, on a fake machine with a GDT, an IDT and a TSS of its
 * own: what becomes of CS, SS, the stack and the flags, and which fault comes first.
 *
 * What a real CPU makes of the same is compared by the tiny guests that run code both ways;
 * here are the cases that need descriptors which no running guest has.
 */
#include "x86/emulate/far_machine_kunit.h"

static void far_check_pushed(struct kunit *test, struct far_machine *m)
{
	const struct far_case *t = m->t;
	unsigned int i;

	for (i = 0; i < t->nr_pushed; i++) {
		u64 val = 0;

		memcpy(&val, m->mem + m->regs[EMU_RSP] + i * t->pushed_size,
		       t->pushed_size);
		KUNIT_EXPECT_EQ_MSG(test, val, t->pushed[i], "%s, item %u", t->name, i);
	}
}

static void far_check_ok(struct kunit *test, struct far_machine *m, u16 cs, u16 ss)
{
	const struct far_case *t = m->t;

	KUNIT_EXPECT_EQ_MSG(test, m->seg[EMU_CS].selector, t->cs ?: cs, "%s", t->name);
	KUNIT_EXPECT_EQ_MSG(test, m->seg[EMU_SS].selector, t->ss == NO_SS ? 0 : t->ss ?: ss, "%s",
			    t->name);
	KUNIT_EXPECT_EQ_MSG(test, m->c.rip, t->rip, "%s", t->name);
	KUNIT_EXPECT_EQ_MSG(test, m->regs[EMU_RSP], t->rsp ?: STACK, "%s", t->name);
	KUNIT_EXPECT_EQ_MSG(test, m->c.cpl, t->cpl_out, "%s", t->name);
	KUNIT_EXPECT_EQ_MSG(test, m->c.rflags, t->flags_out | FIXED, "%s", t->name);
	far_check_pushed(test, m);
}

static void far_check_fault(struct kunit *test, struct far_machine *m,
			    const struct far_machine *was)
{
	const struct far_case *t = m->t;

	KUNIT_EXPECT_EQ_MSG(test, m->c.fault.vector, t->vector, "%s", t->name);
	KUNIT_EXPECT_EQ_MSG(test, m->c.fault.error, t->error, "%s", t->name);
	KUNIT_EXPECT_EQ_MSG(test, m->c.cpl, was->c.cpl, "%s", t->name);
	KUNIT_EXPECT_EQ_MSG(test, m->c.rip, (u64)CODE, "%s", t->name);
	KUNIT_EXPECT_EQ_MSG(test, memcmp(m->regs, was->regs, sizeof(m->regs)), 0, "%s", t->name);
	KUNIT_EXPECT_EQ_MSG(test, memcmp(m->seg, was->seg, sizeof(m->seg)), 0, "%s", t->name);
	KUNIT_EXPECT_EQ_MSG(test, m->writes, 0, "%s", t->name);
}

static void far_run(struct kunit *test, struct far_machine *m, const struct far_case *t)
{
	static struct far_machine was;
	enum emu_result r;

	far_reset(m, t);
	was = *m;
	r = far_step(m);
	KUNIT_EXPECT_EQ_MSG(test, (int)r, (int)t->result, "%s", t->name);
	KUNIT_EXPECT_EQ_MSG(test, m->task, t->task, "%s", t->name);
	if (r == EMU_FAULT)
		far_check_fault(test, m, &was);
	else if (!t->task)
		far_check_ok(test, m, was.seg[EMU_CS].selector, was.seg[EMU_SS].selector);
}

static const struct far_case jumps[] = {
	{ "real: jmp", EMU_REAL, CODE_BYTES(0xea, 0x34, 0x12, 0x00, 0x01), .cs = 0x100,
	  .rip = 0x1234 },
	{ "real: call", EMU_REAL, CODE_BYTES(0x9a, 0x34, 0x12, 0x00, 0x01), .cs = 0x100,
	  .rip = 0x1234, .rsp = STACK - 4, PUSHED(2, NEXT(5), 0) },
	{ "real: call of 32 bits beyond the limit", EMU_REAL,
	  CODE_BYTES(0x66, 0x9a, 0x34, 0x12, 0x01, 0x00, 0x00, 0x01), FAULT(GP, 0) },
	{ "vm86: jmp", EMU_VM86, CODE_BYTES(0xea, 0x34, 0x12, 0x00, 0x01), .cs = 0x100,
	  .rip = 0x1234, .cpl_out = 3, .flags_out = X86_EFLAGS_VM },
	{ "prot32: jmp", EMU_PROT32, 0, LJMP(C32_0, 0x1234), .rip = 0x1234 },
	{ "prot32: jmp to 16-bit code", EMU_PROT32, 0, LJMP(C16_0, 0x1234), .cs = C16_0,
	  .rip = 0x1234 },
	{ "prot32: jmp null", EMU_PROT32, 0, LJMP(2, 0), FAULT(GP, 0) },
	{ "prot32: jmp beyond the GDT", EMU_PROT32, 0,
	  CODE_BYTES(0xea, 0, 0, 0, 0, 0x00, 0x01), FAULT(GP, 0x100) },
	{ "prot32: jmp to data", EMU_PROT32, 0, LJMP(DATA_0, 0), FAULT(GP, DATA_0) },
	{ "prot32: jmp to an outer level", EMU_PROT32, 0, LJMP(C32_3, 0), FAULT(GP, 0x20) },
	{ "prot32: jmp by an RPL that is too weak", EMU_PROT32, 0, LJMP(C32_0 | 3, 0),
	  FAULT(GP, C32_0) },
	{ "prot32: jmp to an inner level", EMU_PROT32, 3, LJMP(C32_0, 0), FAULT(GP, C32_0) },
	{ "prot32: jmp to conforming code", EMU_PROT32, 3, LJMP(CONF_0, 0x1234), .cs = CONF_0 | 3,
	  .rip = 0x1234, .cpl_out = 3 },
	{ "prot32: jmp to what is absent", EMU_PROT32, 0, LJMP(ABSENT, 0), FAULT(NP, ABSENT) },
	{ "prot32: jmp beyond the limit", EMU_PROT32, 0, LJMP(SMALL, 0x1000), FAULT(GP, 0) },
	{ "compat: jmp to L and D", EMU_PROT32, 0, .compat = true, LJMP(MIXED, 0),
	  FAULT(GP, MIXED) },
	{ "compat: jmp to 64-bit code", EMU_PROT32, 0, .compat = true, LJMP(C64_0, 0x1234),
	  .cs = C64_0, .rip = 0x1234 },
	{ "prot32: jmp by a pointer", EMU_PROT32, 0, CODE_BYTES(0xff, 0x2b),
	  .rax = (u64)C16_0 << 32 | 0x1234, .cs = C16_0, .rip = 0x1234 },
	{ "prot64: jmp by a pointer", EMU_PROT64, 0, CODE_BYTES(0xff, 0x2b),
	  .rax = (u64)C32_0 << 32 | 0x1234, .cs = C32_0, .rip = 0x1234 },
	{ "prot64: jmp by a wide pointer", EMU_PROT64, 0, CODE_BYTES(0x48, 0xff, 0x2b),
	  .rax = 0xffff800000001234, .at_2008 = C64_0, .rip = 0xffff800000001234 },
	{ "prot64: not canonical", EMU_PROT64, 0, CODE_BYTES(0x48, 0xff, 0x2b),
	  .rax = 0x800000001234, .at_2008 = C64_0, FAULT(GP, 0) },
	{ "prot64: jmp with an immediate", EMU_PROT64, 0, LJMP(C64_0, 0), FAULT(UD, 0) },
	{ "prot32: call", EMU_PROT32, 0, LCALL(C32_0, 0x1234), .rip = 0x1234, .rsp = STACK - 8,
	  PUSHED(4, NEXT(7), C32_0) },
	{ "prot32: call beyond the limit pushes nothing", EMU_PROT32, 0, LCALL(SMALL, 0x1000),
	  FAULT(GP, 0) },
	{ "prot64: call by a wide pointer", EMU_PROT64, 3, CODE_BYTES(0x48, 0xff, 0x1b),
	  .rax = 0x1234, .at_2008 = C64_3, .rip = 0x1234, .rsp = STACK - 16, .cpl_out = 3,
	  PUSHED(8, NEXT(3), C64_3) },
};

static const struct far_case gates[] = {
	{ "jmp through a gate", EMU_PROT32, 0, LJMP(GATE32, 0x5678), .rip = 0x1234 },
	{ "jmp through a gate inwards", EMU_PROT32, 3, LJMP(GATE32, 0), FAULT(GP, C32_0) },
	{ "call through a gate", EMU_PROT32, 0, LCALL(GATE32, 0), .rip = 0x1234,
	  .rsp = STACK - 8, PUSHED(4, NEXT(7), C32_0) },
	{ "call through a gate inwards", EMU_PROT32, 3, LCALL(GATE32, 0),
	  STACKED(4, 0x11111111, 0x22222222), .cs = C32_0, .ss = DATA_0, .rip = 0x1234,
	  .rsp = STACK0 - 24,
	  PUSHED(4, NEXT(7), C32_3, 0x11111111, 0x22222222, STACK, DATA_3) },
	{ "call through a gate of 16 bits", EMU_PROT32, 3, LCALL(GATE16, 0), .cs = C16_0,
	  .ss = DATA_0, .rip = 0x1234, .rsp = STACK0 - 8,
	  PUSHED(2, NEXT(7), C32_3, STACK, DATA_3) },
	{ "a gate for level 0", EMU_PROT32, 3, LCALL(GATE_0, 0), FAULT(GP, GATE_0) },
	{ "a gate by an RPL that is too weak", EMU_PROT32, 0, LCALL(GATE_0 | 3, 0),
	  FAULT(GP, GATE_0) },
	{ "compat: a gate of 64 bits inwards", EMU_PROT32, 3, .compat = true, LCALL(GATE64, 0),
	  .cs = C64_0, .ss = NO_SS, .rip = 0x1234, .rsp = STACK0 - 32,
	  PUSHED(8, NEXT(7), C32_3, STACK, DATA_3) },
	{ "compat: a gate of 16 bits", EMU_PROT32, 3, .compat = true, LCALL(GATE16, 0),
	  FAULT(GP, GATE16 & ~3) },
	{ "prot64: a gate", EMU_PROT64, 0, CODE_BYTES(0xff, 0x1b), .rax = (u64)GATE64 << 32,
	  .rip = 0x1234, .rsp = STACK - 16, PUSHED(8, NEXT(2), C64_0) },
	{ "prot64: a gate's second half", EMU_PROT64, 0, CODE_BYTES(0xff, 0x1b),
	  .rax = (u64)TGATE << 32, FAULT(GP, TGATE & ~3) },
	{ "jmp to a task", EMU_PROT32, 0, LJMP(TASK, 0), .task = 1 + EMU_TASK_JMP },
	{ "call to a task", EMU_PROT32, 3, LCALL(TASK | 3, 0), .task = 1 + EMU_TASK_CALL },
	{ "call to a task gate", EMU_PROT32, 3, LCALL(TGATE, 0), .task = 1 + EMU_TASK_CALL },
	{ "jmp to a busy task", EMU_PROT32, 0, LJMP(BUSY, 0), FAULT(GP, BUSY) },
	{ "compat: jmp to a task", EMU_PROT32, 0, .compat = true, LJMP(TASK, 0), FAULT(GP, TASK) },
};

static const struct far_case returns[] = {
	{ "real: ret", EMU_REAL, CODE_BYTES(0xcb), STACKED(2, 0x1234, 0x100), .cs = 0x100,
	  .rip = 0x1234, .rsp = STACK + 4 },
	{ "real: ret n", EMU_REAL, CODE_BYTES(0xca, 6, 0), STACKED(2, 0x1234, 0x100), .cs = 0x100,
	  .rip = 0x1234, .rsp = STACK + 10 },
	{ "real: iret", EMU_REAL, CODE_BYTES(0xcf), STACKED(2, 0x1234, 0x100, 0xffff),
	  .cs = 0x100, .rip = 0x1234, .rsp = STACK + 6, .flags_out = 0x7fd5 },
	{ "real: iret of 32 bits", EMU_REAL, CODE_BYTES(0x66, 0xcf),
	  STACKED(4, 0x1234, 0x100, 0xffffffff), .cs = 0x100, .rip = 0x1234, .rsp = STACK + 12,
	  .flags_out = 0x257fd5 },
	{ "vm86: iret keeps IOPL", EMU_VM86, CODE_BYTES(0xcf), STACKED(2, 0x1234, 0x100, 0x0202),
	  .flags = X86_EFLAGS_IOPL, .cs = 0x100, .rip = 0x1234, .rsp = STACK + 6, .cpl_out = 3,
	  .flags_out = X86_EFLAGS_VM | X86_EFLAGS_IOPL | IF },
	{ "vm86: iret without IOPL", EMU_VM86, CODE_BYTES(0xcf), STACKED(2, 0x1234, 0x100, 2),
	  FAULT(GP, 0) },
	{ "ret", EMU_PROT32, 0, CODE_BYTES(0xcb), STACKED(4, 0x1234, C32_0), .rip = 0x1234,
	  .rsp = STACK + 8 },
	{ "ret outwards", EMU_PROT32, 0, CODE_BYTES(0xca, 8, 0),
	  STACKED(4, 0x1234, C32_3, 1, 2, 0x6400, DATA_3), .cs = C32_3, .ss = DATA_3,
	  .rip = 0x1234, .rsp = 0x6408, .cpl_out = 3 },
	{ "ret inwards", EMU_PROT32, 3, CODE_BYTES(0xcb), STACKED(4, 0x1234, C32_0),
	  FAULT(GP, C32_0) },
	{ "ret to null", EMU_PROT32, 0, CODE_BYTES(0xcb), STACKED(4, 0x1234, 3), FAULT(GP, 0) },
	{ "ret to data", EMU_PROT32, 0, CODE_BYTES(0xcb), STACKED(4, 0x1234, DATA_0),
	  FAULT(GP, DATA_0) },
	{ "ret to what is absent", EMU_PROT32, 0, CODE_BYTES(0xcb), STACKED(4, 0x1234, ABSENT),
	  FAULT(NP, ABSENT) },
	{ "ret outwards to a null stack", EMU_PROT32, 0, CODE_BYTES(0xcb),
	  STACKED(4, 0x1234, C32_3, 0x6400, 3), FAULT(GP, 0) },
	{ "ret outwards to a stack of this level", EMU_PROT32, 0, CODE_BYTES(0xcb),
	  STACKED(4, 0x1234, C32_3, 0x6400, DATA_0), FAULT(GP, DATA_0) },
	{ "iret", EMU_PROT32, 0, CODE_BYTES(0xcf), STACKED(4, 0x1234, C32_0, 0x3202),
	  .rip = 0x1234, .rsp = STACK + 12, .flags_out = 0x3202 },
	{ "iret: the flags of level 3", EMU_PROT32, 3, CODE_BYTES(0xcf),
	  STACKED(4, 0x1234, C32_3, 0x1b3203), .rip = 0x1234, .rsp = STACK + 12, .cpl_out = 3,
	  .flags_out = 0x10001 },
	{ "iret outwards", EMU_PROT32, 0, CODE_BYTES(0xcf),
	  STACKED(4, 0x1234, C32_3, 0x202, 0x6400, DATA_3), .cs = C32_3, .ss = DATA_3,
	  .rip = 0x1234, .rsp = 0x6400, .cpl_out = 3, .flags_out = 0x202 },
	{ "iret to virtual-8086 mode", EMU_PROT32, 0, CODE_BYTES(0xcf),
	  STACKED(4, 0x1234, 0x100, 0x23202, 0x6400, 0x200, 0x300, 0x400, 0x500, 0x600),
	  .cs = 0x100, .ss = 0x200, .rip = 0x1234, .rsp = 0x6400, .cpl_out = 3,
	  .flags_out = 0x23202 },
	{ "iret to virtual-8086 mode, too far", EMU_PROT32, 0, CODE_BYTES(0xcf),
	  STACKED(4, 0x10000, 0x100, 0x23202, 0x6400, 0x200, 0x300, 0x400, 0x500, 0x600),
	  FAULT(GP, 0) },
	{ "iret to the task before", EMU_PROT32, 0, CODE_BYTES(0xcf), .flags = X86_EFLAGS_NT,
	  .task = 1 + EMU_TASK_IRET },
	{ "prot64: iret with NT", EMU_PROT64, 0, CODE_BYTES(0x48, 0xcf), .flags = X86_EFLAGS_NT,
	  FAULT(GP, 0) },
	{ "prot64: iret always has a stack", EMU_PROT64, 0, CODE_BYTES(0x48, 0xcf),
	  STACKED(8, 0x1234, C64_0, 2, 0x6400, DATA_0), .rip = 0x1234, .rsp = 0x6400 },
	{ "prot64: iret to a null stack of level 3", EMU_PROT64, 0, CODE_BYTES(0x48, 0xcf),
	  STACKED(8, 0x1234, C64_3, 2, 0x6400, 3), FAULT(GP, 0) },
	{ "prot64: iret to compatibility mode", EMU_PROT64, 0, CODE_BYTES(0x48, 0xcf),
	  STACKED(8, 0x1234, C32_3, 2, 0x6400, DATA_3), .cs = C32_3, .ss = DATA_3, .rip = 0x1234,
	  .rsp = 0x6400, .cpl_out = 3 },
	{ "prot64: iret to what is not canonical", EMU_PROT64, 0, CODE_BYTES(0x48, 0xcf),
	  STACKED(8, 1ull << 47, C64_3, 2, 0x6400, DATA_3), FAULT(GP, 0) },
	{ "prot64: ret of 64 bits", EMU_PROT64, 0, CODE_BYTES(0x48, 0xcb),
	  STACKED(8, 0x1234, C64_3, 0x6400, DATA_3), .cs = C64_3, .ss = DATA_3, .rip = 0x1234,
	  .rsp = 0x6400, .cpl_out = 3 },
};

static const struct far_case ints[] = {
	{ "real: int", EMU_REAL, CODE_BYTES(0xcd, 0x30), .flags = IF | X86_EFLAGS_AC,
	  .cs = 0x100, .rip = 0x2222, .rsp = STACK - 6, PUSHED(2, NEXT(2), 0, 0x202) },
	{ "vm86: int without IOPL", EMU_VM86, CODE_BYTES(0xcd, 0x30), FAULT(GP, 0) },
	{ "vm86: int", EMU_VM86, CODE_BYTES(0xcd, 0x30), .flags = X86_EFLAGS_IOPL | IF,
	  .cs = C32_0, .ss = DATA_0, .rip = 0x2222, .rsp = STACK0 - 36,
	  .flags_out = X86_EFLAGS_IOPL,
	  PUSHED(4, NEXT(2), 0, 0x23202, STACK, 0, 0, 0, 0, 0) },
	{ "vm86: int3 asks for no IOPL", EMU_VM86, CODE_BYTES(0xcc), .cs = C32_0, .ss = DATA_0,
	  .rip = 0x2222, .rsp = STACK0 - 36, PUSHED(4, NEXT(1), 0, 0x20002, STACK) },
	{ "vm86: int to conforming code", EMU_VM86, CODE_BYTES(0xcd, 0x36),
	  .flags = X86_EFLAGS_IOPL, FAULT(GP, CONF_0) },
	{ "int", EMU_PROT32, 0, CODE_BYTES(0xcd, 0x30), .flags = IF | X86_EFLAGS_NT,
	  .rip = 0x2222, .rsp = STACK - 12, PUSHED(4, NEXT(2), C32_0, 0x4202) },
	{ "int through a trap gate", EMU_PROT32, 0, CODE_BYTES(0xcd, 0x31), .flags = IF,
	  .rip = 0x2222, .rsp = STACK - 12, .flags_out = IF },
	{ "int inwards", EMU_PROT32, 3, CODE_BYTES(0xcd, 0x30), .cs = C32_0, .ss = DATA_0,
	  .rip = 0x2222, .rsp = STACK0 - 20, PUSHED(4, NEXT(2), C32_3, 2, STACK, DATA_3) },
	{ "int through a gate of 16 bits", EMU_PROT32, 3, CODE_BYTES(0xcd, 0x34), .cs = C16_0,
	  .ss = DATA_0, .rip = 0x2222, .rsp = STACK0 - 10,
	  PUSHED(2, NEXT(2), C32_3, 2, STACK, DATA_3) },
	{ "int through a gate for level 0", EMU_PROT32, 3, CODE_BYTES(0xcd, 0x32),
	  FAULT(GP, 0x32 * 8 + 2) },
	{ "int1 asks for no level", EMU_PROT32, 3, CODE_BYTES(0xf1), .cs = C32_0, .ss = DATA_0,
	  .rip = 0x2222, .rsp = STACK0 - 20 },
	{ "int through what is no gate", EMU_PROT32, 0, CODE_BYTES(0xcd, 0x40),
	  FAULT(GP, 0x40 * 8 + 2) },
	{ "int through an absent gate", EMU_PROT32, 0, CODE_BYTES(0xcd, 0x35),
	  FAULT(NP, 0x35 * 8 + 2) },
	{ "int to absent code", EMU_PROT32, 0, CODE_BYTES(0xcd, 0x37), FAULT(NP, ABSENT) },
	{ "int to a task", EMU_PROT32, 0, CODE_BYTES(0xcd, 0x33), .task = 1 + EMU_TASK_GATE },
	{ "into without OF", EMU_PROT32, 0, CODE_BYTES(0xce), .rip = NEXT(1) },
	{ "into", EMU_PROT32, 0, CODE_BYTES(0xce), .flags = X86_EFLAGS_OF, .rip = 0x2222,
	  .rsp = STACK - 12, .flags_out = X86_EFLAGS_OF },
	{ "prot64: int", EMU_PROT64, 0, CODE_BYTES(0xcd, 0x30), .rip = 0x2222,
	  .rsp = STACK - 40, PUSHED(8, NEXT(2), C64_0, 2, STACK, DATA_0) },
	{ "prot64: int on an IST", EMU_PROT64, 0, CODE_BYTES(0xcd, 0x33), .rip = 0x2222,
	  .rsp = STACK_IST - 40, PUSHED(8, NEXT(2), C64_0, 2, STACK, DATA_0) },
	{ "prot64: int to 32-bit code", EMU_PROT64, 0, CODE_BYTES(0xcd, 0x36), FAULT(GP, CONF_0) },
	{ "prot64: int through a gate of 16 bits", EMU_PROT64, 0, CODE_BYTES(0xcd, 0x34),
	  FAULT(GP, 0x34 * 8 + 2) },
	{ "prot64: beyond the IDT", EMU_PROT64, 0, CODE_BYTES(0xcd, 0x80),
	  FAULT(GP, 0x80 * 8 + 2) },
	{ "prot64: into", EMU_PROT64, 0, CODE_BYTES(0xce), FAULT(UD, 0) },
};

#define RUN_ALL(test, cases) do {						\
	struct far_machine *m = far_alloc(test);				\
	unsigned int i;								\
										\
	for (i = 0; i < sizeof(cases) / sizeof((cases)[0]); i++)		\
		far_run(test, m, &(cases)[i]);					\
} while (0)

static void far_test_jumps(struct kunit *test)
{
	RUN_ALL(test, jumps);
}

static void far_test_gates(struct kunit *test)
{
	RUN_ALL(test, gates);
}

static void far_test_returns(struct kunit *test)
{
	RUN_ALL(test, returns);
}

static void far_test_ints(struct kunit *test)
{
	RUN_ALL(test, ints);
}

/* A code segment that is entered becomes accessed, and one that is refused does not. */
static void far_test_accessed(struct kunit *test)
{
	static const struct far_case ok = { "jmp", EMU_PROT32, 0, LJMP(C32_0, 0x1234) };
	static const struct far_case bad = { "jmp", EMU_PROT32, 3, LJMP(C32_0, 0x1234) };
	struct far_machine *m = far_alloc(test);

	far_reset(m, &ok);
	KUNIT_EXPECT_EQ(test, (int)far_step(m), (int)EMU_OK);
	KUNIT_EXPECT_EQ(test, (int)(*far_gdt(m, C32_0) >> 40 & 1), 1);
	KUNIT_EXPECT_EQ(test, (int)m->seg[EMU_CS].type, 11);
	far_reset(m, &bad);
	KUNIT_EXPECT_EQ(test, (int)far_step(m), (int)EMU_FAULT);
	KUNIT_EXPECT_EQ(test, (int)(*far_gdt(m, C32_0) >> 40 & 1), 0);
}

/* What level 3 may not have does not come along; what it may have, does. */
static void far_test_dropped(struct kunit *test)
{
	static const struct far_case t = { "ret", EMU_PROT32, 0, CODE_BYTES(0xcb),
		STACKED(4, 0x1234, C32_3, 0x6400, DATA_3) };
	struct far_machine *m = far_alloc(test);

	far_reset(m, &t);
	far_load(m, EMU_FS, CONF_0);
	KUNIT_EXPECT_EQ(test, (int)far_step(m), (int)EMU_OK);
	KUNIT_EXPECT_EQ(test, m->seg[EMU_DS].selector, 0);
	KUNIT_EXPECT_EQ(test, (int)m->seg[EMU_DS].unusable, 1);
	KUNIT_EXPECT_EQ(test, m->seg[EMU_GS].selector, 0);
	KUNIT_EXPECT_EQ(test, m->seg[EMU_FS].selector, CONF_0);
	KUNIT_EXPECT_EQ(test, m->seg[EMU_ES].selector, DATA_3);
}

/* Stacks of the TSS that are none, in the order in which they are refused. */
static void far_test_bad_stacks(struct kunit *test)
{
	static const struct far_case t = { "int", EMU_PROT32, 3, CODE_BYTES(0xcd, 0x30) };
	static const struct { u16 ss; u32 esp; u8 vector; u32 error; } bad[] = {
		{ 0, STACK0, X86_TRAP_TS, 0 }, { 0x100, STACK0, X86_TRAP_TS, 0x100 },
		{ DATA_0 | 3, STACK0, X86_TRAP_TS, DATA_0 }, { C32_0, STACK0, X86_TRAP_TS, C32_0 },
		{ DATA_3 & ~3, STACK0, X86_TRAP_TS, DATA_3 & ~3 },
		{ DATA_0, 4, X86_TRAP_SS, DATA_0 },
	};
	struct far_machine *m = far_alloc(test);
	unsigned int i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		far_reset(m, &t);
		((u32 *)(m->mem + TSS))[1] = bad[i].esp;
		((u32 *)(m->mem + TSS))[2] = bad[i].ss;
		if (bad[i].esp == 4)
			*far_gdt(m, DATA_0) = far_desc(0, 0xf, 0x93, 4);
		KUNIT_EXPECT_EQ_MSG(test, (int)far_step(m), (int)EMU_FAULT, "stack %u", i);
		KUNIT_EXPECT_EQ_MSG(test, m->c.fault.vector, bad[i].vector, "stack %u", i);
		KUNIT_EXPECT_EQ_MSG(test, m->c.fault.error, bad[i].error, "stack %u", i);
		KUNIT_EXPECT_EQ_MSG(test, m->c.cpl, 3, "stack %u", i);
	}
	far_reset(m, &t);
	m->seg[EMU_TR].limit = 8;
	KUNIT_EXPECT_EQ(test, (int)far_step(m), (int)EMU_FAULT);
	KUNIT_EXPECT_EQ(test, m->c.fault.vector, X86_TRAP_TS);
	KUNIT_EXPECT_EQ(test, m->c.fault.error, BUSY);
}

/* Where the new stack has no memory nothing is left of the attempt. */
static void far_test_no_memory(struct kunit *test)
{
	static const struct far_case t = { "int", EMU_PROT32, 3, CODE_BYTES(0xcd, 0x30) };
	struct far_machine *m = far_alloc(test);

	far_reset(m, &t);
	((u32 *)(m->mem + TSS))[1] = HOLE + 0x800;
	KUNIT_EXPECT_EQ(test, (int)far_step(m), (int)EMU_FAULT);
	KUNIT_EXPECT_EQ(test, m->c.fault.vector, X86_TRAP_PF);
	KUNIT_EXPECT_EQ(test, m->c.cpl, 3);
	KUNIT_EXPECT_EQ(test, m->seg[EMU_CS].selector, C32_3);
	KUNIT_EXPECT_EQ(test, m->seg[EMU_SS].selector, DATA_3);
	KUNIT_EXPECT_EQ(test, m->regs[EMU_RSP], (u64)STACK);
}

/* Events between two instructions: rip as it is, and what their frames have beside. */
static void far_test_events(struct kunit *test)
{
	static const struct far_case real = { "real", EMU_REAL, .flags = IF,
		PUSHED(2, CODE, 0, 0x202) };
	static const struct far_case plain = { "irq", EMU_PROT32, 3, .flags = IF,
		PUSHED(4, CODE, C32_3, 0x202, STACK, DATA_3) };
	static const struct far_case coded = { "error", EMU_PROT64, 0, .flags = X86_EFLAGS_RF,
		PUSHED(8, 0x123, CODE, C64_0, 0x10002, STACK, DATA_0) };
	static const struct far_case soft = { "int3", EMU_PROT32, 3,
		PUSHED(4, NEXT(1), C32_3, 2, STACK, DATA_3) };
	struct far_machine *m = far_alloc(test);

	far_reset(m, &real);
	KUNIT_EXPECT_EQ(test, (int)emu_deliver(&m->c, &(struct emu_event){ 0x30 }), (int)EMU_OK);
	KUNIT_EXPECT_EQ(test, m->c.rip, 0x2222ull);
	KUNIT_EXPECT_EQ(test, m->c.rflags, (u64)FIXED);
	far_check_pushed(test, m);
	/* Whose gate need not be one for level 3. */
	far_reset(m, &plain);
	KUNIT_EXPECT_EQ(test, (int)emu_deliver(&m->c, &(struct emu_event){ 0x32 }), (int)EMU_OK);
	KUNIT_EXPECT_EQ(test, m->c.cpl, 0);
	far_check_pushed(test, m);
	far_reset(m, &coded);
	KUNIT_EXPECT_EQ(test, (int)emu_deliver(&m->c, &(struct emu_event){
			0x30, .has_error = true, .error = 0x123 }), (int)EMU_OK);
	KUNIT_EXPECT_EQ(test, m->c.rflags, (u64)FIXED);
	far_check_pushed(test, m);
	far_reset(m, &soft);
	KUNIT_EXPECT_EQ(test, (int)emu_deliver(&m->c, &(struct emu_event){ 3, 1 }), (int)EMU_OK);
	far_check_pushed(test, m);
	/* And the error code of one that has no gate says whose fault it is not. */
	far_reset(m, &plain);
	KUNIT_EXPECT_EQ(test, (int)emu_deliver(&m->c, &(struct emu_event){ 0x40 }),
			(int)EMU_FAULT);
	KUNIT_EXPECT_EQ(test, m->c.fault.error, 0x40u * 8 + 3);
	KUNIT_EXPECT_EQ(test, m->c.rip, (u64)CODE);
}

/* INT clears TF, so that no step's trap is due; after RET it is. */
static void far_test_steps(struct kunit *test)
{
	static const struct far_case with_int = { "int", EMU_PROT32, 0, CODE_BYTES(0xcd, 0x30),
		.flags = X86_EFLAGS_TF };
	static const struct far_case with_ret = { "ret", EMU_PROT32, 0, CODE_BYTES(0xcb),
		.flags = X86_EFLAGS_TF, STACKED(4, 0x1234, C32_0) };
	struct far_machine *m = far_alloc(test);

	far_reset(m, &with_int);
	KUNIT_EXPECT_EQ(test, (int)far_step(m), (int)EMU_OK);
	KUNIT_EXPECT_FALSE(test, m->c.single_step);
	KUNIT_EXPECT_FALSE(test, m->c.iret);
	far_reset(m, &with_ret);
	KUNIT_EXPECT_EQ(test, (int)far_step(m), (int)EMU_OK);
	KUNIT_EXPECT_TRUE(test, m->c.single_step);
}

/* Which task, and through which gate. */
static void far_test_tasks(struct kunit *test)
{
	static const struct far_case via = { "int", EMU_PROT32, 0, CODE_BYTES(0xcd, 0x33) };
	static const struct far_case link = { "iret", EMU_PROT32, 0, CODE_BYTES(0xcf),
		.flags = X86_EFLAGS_NT };
	struct far_machine *m = far_alloc(test);

	far_reset(m, &via);
	KUNIT_EXPECT_EQ(test, (int)far_step(m), (int)EMU_OK);
	KUNIT_EXPECT_EQ(test, m->task_selector, TASK);
	KUNIT_EXPECT_EQ(test, m->task_via, 0x33);
	KUNIT_EXPECT_EQ(test, m->c.next_rip, (u64)NEXT(2));
	far_reset(m, &link);
	*(u16 *)(m->mem + TSS) = 0x1230;
	KUNIT_EXPECT_EQ(test, (int)far_step(m), (int)EMU_OK);
	KUNIT_EXPECT_EQ(test, m->task_selector, 0x1230);
	KUNIT_EXPECT_TRUE(test, m->c.iret);
}

/* AMD's CPUs take a pointer of 32 bits whatever REX says, but push 64. */
static void far_test_amd_pointer(struct kunit *test)
{
	static const struct far_case t = { "call", EMU_PROT64, 0, CODE_BYTES(0x48, 0xff, 0x1b),
		.rax = (u64)C64_0 << 32 | 0x1234 };
	struct far_machine *m = far_alloc(test);

	far_reset(m, &t);
	m->intel = false;
	KUNIT_EXPECT_EQ(test, (int)far_step(m), (int)EMU_OK);
	KUNIT_EXPECT_EQ(test, m->c.rip, 0x1234ull);
	KUNIT_EXPECT_EQ(test, m->regs[EMU_RSP], (u64)STACK - 16);
}

/* An offset of 64 bits is Intel's; the selector is behind it. */
static void far_test_lfs(struct kunit *test)
{
	static const struct far_case t = { "lfs", EMU_PROT64, 0,
		CODE_BYTES(0x48, 0x0f, 0xb4, 0x0b), .rax = 0x0010123456789abc,
		.at_2008 = DATA_3 };
	struct far_machine *m = far_alloc(test);

	far_reset(m, &t);
	KUNIT_EXPECT_EQ(test, (int)far_step(m), (int)EMU_OK);
	KUNIT_EXPECT_EQ(test, m->regs[EMU_RCX], t.rax);
	KUNIT_EXPECT_EQ(test, m->seg[EMU_FS].selector, DATA_3);
	far_reset(m, &t);
	m->intel = false;
	*(u16 *)(m->mem + 0x2004) = DATA_0;
	KUNIT_EXPECT_EQ(test, (int)far_step(m), (int)EMU_OK);
	KUNIT_EXPECT_EQ(test, m->regs[EMU_RCX], 0x56789abcULL);
	KUNIT_EXPECT_EQ(test, m->seg[EMU_FS].selector, DATA_0);
}

static struct kunit_case far_kunit_cases[] = {
	KUNIT_CASE(far_test_jumps),
	KUNIT_CASE(far_test_gates),
	KUNIT_CASE(far_test_returns),
	KUNIT_CASE(far_test_ints),
	KUNIT_CASE(far_test_accessed),
	KUNIT_CASE(far_test_dropped),
	KUNIT_CASE(far_test_bad_stacks),
	KUNIT_CASE(far_test_no_memory),
	KUNIT_CASE(far_test_events),
	KUNIT_CASE(far_test_steps),
	KUNIT_CASE(far_test_tasks),
	KUNIT_CASE(far_test_amd_pointer),
	KUNIT_CASE(far_test_lfs),
	{}
};

static struct kunit_suite far_kunit_suite = {
	.name = "ditto_emulate_far",
	.test_cases = far_kunit_cases,
};

kunit_test_suite(far_kunit_suite);
