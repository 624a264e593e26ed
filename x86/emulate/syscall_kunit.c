// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit: system calls and their returns, SWAPGS, and the registers of the LDT and the TSS: what
 * becomes of the segments, and which fault comes first.
 */
#include "x86/emulate/far_machine_kunit.h"

static void far_msrs(struct far_machine *m)
{
	m->sysreg[EMU_EFER] = EMU_EFER_SCE;
	m->sysreg[EMU_STAR] = (u64)(C32_3 & ~3) << 48 | (u64)C64_0 << 32 | 0x4321;
	m->sysreg[EMU_LSTAR] = 0xffff800000001000;
	m->sysreg[EMU_CSTAR] = 0xffff800000002000;
	m->sysreg[EMU_SFMASK] = IF | X86_EFLAGS_TF;
	m->sysreg[EMU_SYSENTER_CS] = C64_0 | 3;
	m->sysreg[EMU_SYSENTER_ESP] = 0xffff800000003000;
	m->sysreg[EMU_SYSENTER_EIP] = 0xffff800000004000;
}

static enum emu_result far_system(struct far_machine *m, const struct far_case *t, bool intel)
{
	far_reset(m, t);
	far_msrs(m);
	m->intel = intel;
	m->regs[EMU_RCX] = 0x6400;
	m->regs[EMU_RDX] = 0x1234;
	m->regs[EMU_R11] = 0xffffffff;
	return far_step(m);
}

static void far_test_syscall(struct kunit *test)
{
	static const struct far_case t = { "syscall", EMU_PROT64, 3, CODE_BYTES(0x0f, 0x05),
		.flags = IF | X86_EFLAGS_CF };
	static const struct far_case compat = { "syscall", EMU_PROT32, 3, .compat = true,
		CODE_BYTES(0x0f, 0x05) };
	struct far_machine *m = far_alloc(test);

	KUNIT_EXPECT_EQ(test, (int)far_system(m, &t, true), (int)EMU_OK);
	KUNIT_EXPECT_EQ(test, m->c.rip, 0xffff800000001000ull);
	KUNIT_EXPECT_EQ(test, m->regs[EMU_RCX], (u64)NEXT(2));
	KUNIT_EXPECT_EQ(test, m->regs[EMU_R11], (u64)(FIXED | IF | X86_EFLAGS_CF));
	KUNIT_EXPECT_EQ(test, m->c.rflags, (u64)(FIXED | X86_EFLAGS_CF));
	KUNIT_EXPECT_EQ(test, m->seg[EMU_CS].selector, C64_0);
	KUNIT_EXPECT_EQ(test, (int)m->seg[EMU_CS].l, 1);
	KUNIT_EXPECT_EQ(test, m->seg[EMU_SS].selector, DATA_0);
	KUNIT_EXPECT_EQ(test, m->c.cpl, 0);
	KUNIT_EXPECT_EQ(test, (int)far_system(m, &compat, true), (int)EMU_FAULT);
	KUNIT_EXPECT_EQ(test, m->c.fault.vector, X86_TRAP_UD);
	KUNIT_EXPECT_EQ(test, (int)far_system(m, &compat, false), (int)EMU_OK);
	KUNIT_EXPECT_EQ(test, m->c.rip, 0xffff800000002000ull);
	far_reset(m, &t);
	KUNIT_EXPECT_EQ(test, (int)far_step(m), (int)EMU_FAULT);
	KUNIT_EXPECT_EQ(test, m->c.fault.vector, X86_TRAP_UD);
}

/* In legacy mode it is AMD's alone. */
static void far_test_syscall_legacy(struct kunit *test)
{
	static const struct far_case t = { "syscall", EMU_PROT32, 3, CODE_BYTES(0x0f, 0x05),
		.flags = IF };
	struct far_machine *m = far_alloc(test);

	KUNIT_EXPECT_EQ(test, (int)far_system(m, &t, true), (int)EMU_FAULT);
	KUNIT_EXPECT_EQ(test, (int)far_system(m, &t, false), (int)EMU_OK);
	KUNIT_EXPECT_EQ(test, m->c.rip, 0x4321ull);
	KUNIT_EXPECT_EQ(test, m->c.rflags, (u64)FIXED);
	KUNIT_EXPECT_EQ(test, (int)m->seg[EMU_CS].db, 1);
}

static void far_test_sysret(struct kunit *test)
{
	static const struct far_case to_64 = { "sysret", EMU_PROT64, 0,
		CODE_BYTES(0x48, 0x0f, 0x07) };
	static const struct far_case to_32 = { "sysret", EMU_PROT64, 0, CODE_BYTES(0x0f, 0x07) };
	static const struct far_case user = { "sysret", EMU_PROT64, 3, CODE_BYTES(0x0f, 0x07) };
	struct far_machine *m = far_alloc(test);

	KUNIT_EXPECT_EQ(test, (int)far_system(m, &to_64, true), (int)EMU_OK);
	KUNIT_EXPECT_EQ(test, m->seg[EMU_CS].selector, C64_3);
	KUNIT_EXPECT_EQ(test, m->seg[EMU_SS].selector, DATA_3);
	KUNIT_EXPECT_EQ(test, m->c.rip, 0x6400ull);
	KUNIT_EXPECT_EQ(test, m->c.rflags, 0x3c7fd7ull);
	KUNIT_EXPECT_EQ(test, m->c.cpl, 3);
	KUNIT_EXPECT_EQ(test, (int)far_system(m, &to_32, true), (int)EMU_OK);
	KUNIT_EXPECT_EQ(test, m->seg[EMU_CS].selector, C32_3);
	KUNIT_EXPECT_EQ(test, (int)far_system(m, &user, true), (int)EMU_FAULT);
	KUNIT_EXPECT_EQ(test, m->c.fault.vector, X86_TRAP_GP);
	/* Not canonical: Intel's fault comes before. */
	far_system(m, &to_64, true);
	far_reset(m, &to_64);
	far_msrs(m);
	m->regs[EMU_RCX] = 1ull << 47;
	KUNIT_EXPECT_EQ(test, (int)far_step(m), (int)EMU_FAULT);
	KUNIT_EXPECT_EQ(test, m->c.cpl, 0);
	m->intel = false;
	KUNIT_EXPECT_EQ(test, (int)far_step(m), (int)EMU_OK);
	KUNIT_EXPECT_EQ(test, m->c.rip, 1ull << 47);
}

static void far_test_sysenter(struct kunit *test)
{
	static const struct far_case enter = { "sysenter", EMU_PROT64, 3, CODE_BYTES(0x0f, 0x34),
		.flags = IF };
	static const struct far_case leave = { "sysexit", EMU_PROT64, 0, CODE_BYTES(0x0f, 0x35) };
	struct far_machine *m = far_alloc(test);

	KUNIT_EXPECT_EQ(test, (int)far_system(m, &enter, true), (int)EMU_OK);
	KUNIT_EXPECT_EQ(test, m->c.rip, 0xffff800000004000ull);
	KUNIT_EXPECT_EQ(test, m->regs[EMU_RSP], 0xffff800000003000ull);
	KUNIT_EXPECT_EQ(test, m->seg[EMU_CS].selector, C64_0);
	KUNIT_EXPECT_EQ(test, m->c.rflags, (u64)FIXED);
	KUNIT_EXPECT_EQ(test, (int)far_system(m, &enter, false), (int)EMU_FAULT);
	KUNIT_EXPECT_EQ(test, m->c.fault.vector, X86_TRAP_UD);
	KUNIT_EXPECT_EQ(test, (int)far_system(m, &leave, true), (int)EMU_OK);
	KUNIT_EXPECT_EQ(test, m->seg[EMU_CS].selector, (C64_0 + 16) | 3);
	KUNIT_EXPECT_EQ(test, m->seg[EMU_SS].selector, (C64_0 + 24) | 3);
	KUNIT_EXPECT_EQ(test, m->regs[EMU_RSP], 0x6400ull);
	KUNIT_EXPECT_EQ(test, m->c.rip, 0x1234ull);
	far_reset(m, &enter);
	KUNIT_EXPECT_EQ(test, (int)far_step(m), (int)EMU_FAULT);
	KUNIT_EXPECT_EQ(test, m->c.fault.vector, X86_TRAP_GP);
}

static void far_test_swapgs(struct kunit *test)
{
	static const struct far_case t = { "swapgs", EMU_PROT64, 0,
		CODE_BYTES(0x0f, 0x01, 0xf8) };
	struct far_machine *m = far_alloc(test);

	far_reset(m, &t);
	m->seg[EMU_GS].base = 1;
	m->sysreg[EMU_KERNEL_GS_BASE] = 2;
	KUNIT_EXPECT_EQ(test, (int)far_step(m), (int)EMU_OK);
	KUNIT_EXPECT_EQ(test, m->seg[EMU_GS].base, 2ull);
	KUNIT_EXPECT_EQ(test, m->sysreg[EMU_KERNEL_GS_BASE], 1ull);
}

/* LLDT and LTR; AX is the selector. */

static enum emu_result far_table(struct far_machine *m, u8 modrm, u16 selector, bool lma)
{
	struct far_case t = { "lldt", lma ? EMU_PROT64 : EMU_PROT32, 0,
		CODE_BYTES(0x0f, 0x00, modrm), .rax = selector };

	far_reset(m, &t);
	return far_step(m);
}

static void far_test_lldt(struct kunit *test)
{
	static const struct { u16 selector; u8 vector; u32 error; } bad[] = {
		{ LDT | 4, X86_TRAP_GP, LDT | 4 }, { TASK, X86_TRAP_GP, TASK },
		{ 0x100, X86_TRAP_GP, 0x100 }, { DATA_0, X86_TRAP_GP, DATA_0 },
	};
	struct far_machine *m = far_alloc(test);
	unsigned int i;

	KUNIT_EXPECT_EQ(test, (int)far_table(m, 0xd0, LDT, false), (int)EMU_OK);
	KUNIT_EXPECT_EQ(test, m->seg[EMU_LDTR].base, 0x2800ull);
	KUNIT_EXPECT_EQ(test, m->seg[EMU_LDTR].limit, 0xf);
	KUNIT_EXPECT_EQ(test, (int)far_table(m, 0xd0, 0, false), (int)EMU_OK);
	KUNIT_EXPECT_EQ(test, (int)m->seg[EMU_LDTR].unusable, 1);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		KUNIT_EXPECT_EQ(test, (int)far_table(m, 0xd0, bad[i].selector, false),
				(int)EMU_FAULT);
		KUNIT_EXPECT_EQ(test, m->c.fault.vector, bad[i].vector);
		KUNIT_EXPECT_EQ(test, m->c.fault.error, bad[i].error);
	}
}

static void far_test_ltr(struct kunit *test)
{
	struct far_machine *m = far_alloc(test);

	KUNIT_EXPECT_EQ(test, (int)far_table(m, 0xd8, TASK, false), (int)EMU_OK);
	KUNIT_EXPECT_EQ(test, m->seg[EMU_TR].selector, TASK);
	KUNIT_EXPECT_EQ(test, (int)m->seg[EMU_TR].type, 11);
	KUNIT_EXPECT_EQ(test, (int)(*far_gdt(m, TASK) >> 40 & 15), 11);
	KUNIT_EXPECT_EQ(test, (int)far_table(m, 0xd8, BUSY, false), (int)EMU_FAULT);
	KUNIT_EXPECT_EQ(test, m->c.fault.error, BUSY);
	KUNIT_EXPECT_EQ(test, (int)far_table(m, 0xd8, 0, false), (int)EMU_FAULT);
	KUNIT_EXPECT_EQ(test, m->c.fault.error, 0);
	KUNIT_EXPECT_EQ(test, (int)far_table(m, 0xd8, NEWTSS, true), (int)EMU_OK);
	KUNIT_EXPECT_EQ(test, m->seg[EMU_TR].base, 0x1200005000ull);
	/* Behind TASK is a gate, whose bits are no second half. */
	KUNIT_EXPECT_EQ(test, (int)far_table(m, 0xd8, TASK, true), (int)EMU_FAULT);
	KUNIT_EXPECT_EQ(test, m->c.fault.error, TASK);
}

static struct kunit_case syscall_kunit_cases[] = {
	KUNIT_CASE(far_test_syscall),
	KUNIT_CASE(far_test_syscall_legacy),
	KUNIT_CASE(far_test_sysret),
	KUNIT_CASE(far_test_sysenter),
	KUNIT_CASE(far_test_swapgs),
	KUNIT_CASE(far_test_lldt),
	KUNIT_CASE(far_test_ltr),
	{}
};

static struct kunit_suite syscall_kunit_suite = {
	.name = "ditto_emulate_syscall",
	.test_cases = syscall_kunit_cases,
};

kunit_test_suite(syscall_kunit_suite);
