// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit: the virtual interrupt flag, and interrupts that virtual-8086 mode handles itself.
 */
#include "x86/emulate/far_machine_kunit.h"

#define VM	((u64)X86_EFLAGS_VM)
#define VIF	((u64)X86_EFLAGS_VIF)
#define VIP	((u64)X86_EFLAGS_VIP)
#define IO_MAP	0x100
#define TARGET	(0x2222 | 0x100 << 16)

/**
 * struct vme_case - one instruction of level 3
 * @name: says what is tested
 * @mode: EMU_VM86 or EMU_PROT32
 * @code: bytes
 * @flags: before, besides those that the mode has
 * @popped: on the stack: ip, cs and flags, or flags alone
 * @to_gate: the TSS says that vector 0x30 is the protected mode's
 * @fault: #GP(0)
 * @flags_out: after
 * @rip: after
 * @pushed: flags on the stack afterwards, of an INT or a PUSHF; or 0
 */
struct vme_case {
	const char *name;
	enum emu_mode mode;
	u8 code[4];
	u64 flags;
	u16 popped[3];
	bool to_gate, fault;
	u64 flags_out;
	u64 rip;
	u16 pushed;
};

static const struct vme_case vme_cases[] = {
	{ "cli", EMU_VM86, { 0xfa }, VIF | IF, .flags_out = IF, .rip = NEXT(1) },
	{ "sti", EMU_VM86, { 0xfb }, 0, .flags_out = VIF, .rip = NEXT(1) },
	{ "sti while an interrupt waits", EMU_VM86, { 0xfb }, VIP, .fault = true },
	{ "sti by PVI", EMU_PROT32, { 0xfb }, 0, .flags_out = VIF, .rip = NEXT(1) },
	{ "cli by IOPL", EMU_PROT32, { 0xfa }, X86_EFLAGS_IOPL | VIF | IF,
	  .flags_out = X86_EFLAGS_IOPL | VIF, .rip = NEXT(1) },
	{ "pushf", EMU_VM86, { 0x9c }, VIF, .flags_out = VIF, .rip = NEXT(1), .pushed = 0x3202 },
	{ "pushf, disabled", EMU_VM86, { 0x9c }, IF, .flags_out = IF, .rip = NEXT(1),
	  .pushed = 0x3002 },
	{ "pushf of 32 bits", EMU_VM86, { 0x66, 0x9c }, VIF, .fault = true },
	{ "popf", EMU_VM86, { 0x9d }, IF, { 0x3203 }, .flags_out = VIF | IF | X86_EFLAGS_CF,
	  .rip = NEXT(1) },
	{ "popf that disables", EMU_VM86, { 0x9d }, VIF | VIP, { 2 }, .flags_out = VIP,
	  .rip = NEXT(1) },
	{ "popf while an interrupt waits", EMU_VM86, { 0x9d }, VIP, { 0x202 }, .fault = true },
	{ "popf of TF", EMU_VM86, { 0x9d }, 0, { 0x102 }, .fault = true },
	{ "iret", EMU_VM86, { 0xcf }, IF, { 0x1234, 0x100, 0x3247 },
	  .flags_out = VIF | IF | X86_EFLAGS_ZF | X86_EFLAGS_PF | X86_EFLAGS_CF, .rip = 0x1234 },
	{ "iret while an interrupt waits", EMU_VM86, { 0xcf }, VIP, { 0x1234, 0x100, 0x202 },
	  .fault = true },
	{ "int", EMU_VM86, { 0xcd, 0x30 }, VIF | IF, .flags_out = IF, .rip = 0x2222,
	  .pushed = 0x3202 },
	{ "int with IOPL 3", EMU_VM86, { 0xcd, 0x30 }, X86_EFLAGS_IOPL | VIF | IF,
	  .flags_out = X86_EFLAGS_IOPL | VIF, .rip = 0x2222, .pushed = 0x3202 },
	{ "int of protected mode", EMU_VM86, { 0xcd, 0x30 }, VIF, .to_gate = true, .fault = true },
};

static void vme_begin(struct far_machine *m, const struct vme_case *t)
{
	static struct far_case base;

	base = (struct far_case){ .mode = t->mode, .cpl = 3, .flags = t->flags };
	far_reset(m, &base);
	memcpy(m->mem + CODE, t->code, sizeof(t->code));
	memcpy(m->mem + STACK, t->popped, sizeof(t->popped));
	m->cr4 = X86_CR4_VME | X86_CR4_PVI;
	memcpy(m->mem + 4 * 0x30, &(u32){ TARGET }, 4);
	memcpy(m->mem + TSS + 0x66, &(u16){ IO_MAP }, 2);
	m->mem[TSS + IO_MAP - 32 + 0x30 / 8] = t->to_gate;
	m->seg[EMU_TR].limit = 0x200;
}

static void vme_check(struct kunit *test, struct far_machine *m, const struct vme_case *t)
{
	u64 mode = t->mode == EMU_VM86 ? VM : 0;
	u16 pushed = 0;

	KUNIT_EXPECT_EQ_MSG(test, m->c.rflags, FIXED | mode | t->flags_out, "%s", t->name);
	KUNIT_EXPECT_EQ_MSG(test, m->c.rip, t->rip, "%s", t->name);
	if (!t->pushed)
		return;
	memcpy(&pushed, m->mem + STACK - 2, sizeof(pushed));
	KUNIT_EXPECT_EQ_MSG(test, pushed, t->pushed, "%s", t->name);
}

static void vme_test(struct kunit *test)
{
	struct far_machine *m = far_alloc(test);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(vme_cases); i++) {
		const struct vme_case *t = &vme_cases[i];
		enum emu_result r;

		vme_begin(m, t);
		r = far_step(m);
		KUNIT_EXPECT_EQ_MSG(test, (int)r, (int)(t->fault ? EMU_FAULT : EMU_OK), "%s",
				    t->name);
		if (r == EMU_OK)
			vme_check(test, m, t);
		else if (t->fault)
			KUNIT_EXPECT_TRUE_MSG(test, m->c.fault.vector == X86_TRAP_GP &&
					      !m->c.fault.error, "%s", t->name);
	}
}

/* The TSS must have the bits. */
static void vme_test_no_bits(struct kunit *test)
{
	static const struct vme_case t = { "int", EMU_VM86, { 0xcd, 0x30 } };
	struct far_machine *m = far_alloc(test);

	vme_begin(m, &t);
	m->seg[EMU_TR].limit = IO_MAP - 32 + 0x30 / 8 - 1;
	KUNIT_EXPECT_EQ(test, (int)far_step(m), (int)EMU_FAULT);
	vme_begin(m, &t);
	memcpy(m->mem + TSS + 0x66, &(u16){ 31 }, 2);
	KUNIT_EXPECT_EQ(test, (int)far_step(m), (int)EMU_FAULT);
}

static struct kunit_case vme_kunit_cases[] = {
	KUNIT_CASE(vme_test),
	KUNIT_CASE(vme_test_no_bits),
	{}
};

static struct kunit_suite vme_suite = {
	.name = "ditto_emu_vme",
	.test_cases = vme_kunit_cases,
};
kunit_test_suite(vme_suite);
