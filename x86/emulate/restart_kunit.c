// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit: instructions that are executed more than once until they end, because a device answers
 * later, or because REP goes on; and what INS and OUTS do at a time.
 */
#include "x86/emulate/machine_kunit.h"

/* A load from a device stops, and completes when run again with the answer. */
static void emu_test_replay(struct kunit *test)
{
	static const struct emu_case t = { "replay", EMU_PROT64, CODE_BYTES(0x03, 0x03),
		.in = { R(RAX, 1), R(RBX, DEVICE) }, .addr = DEVICE, .mem_in = 41 };
	struct machine *m = machine_alloc(test);

	machine_reset(m, &t);
	KUNIT_EXPECT_EQ(test, (int)machine_step(m), (int)EMU_IO);
	KUNIT_EXPECT_EQ(test, m->c.regs[EMU_RAX], 1ULL);
	m->answered = true;
	KUNIT_EXPECT_EQ(test, (int)emu_execute(&m->c), (int)EMU_OK);
	KUNIT_EXPECT_EQ(test, m->c.regs[EMU_RAX], 42ULL);
	KUNIT_EXPECT_EQ(test, m->c.rip, (u64)CODE + 2);
}

/* REP over a device goes one iteration at a time. */
static void emu_test_rep_device(struct kunit *test)
{
	static const struct emu_case t = { "rep", EMU_PROT64, CODE_BYTES(0xf3, 0xa4),
		.in = { R(RCX, 3), R(RSI, DEVICE), R(RDI, 0x2000) } };
	struct machine *m = machine_alloc(test);

	machine_reset(m, &t);
	m->answered = true;
	KUNIT_EXPECT_EQ(test, (int)machine_step(m), (int)EMU_OK);
	KUNIT_EXPECT_TRUE(test, m->c.restarted);
	KUNIT_EXPECT_EQ(test, m->c.regs[EMU_RCX], 2ULL);
	KUNIT_EXPECT_EQ(test, m->c.rip, (u64)CODE);
	KUNIT_EXPECT_EQ(test, (int)emu_execute(&m->c), (int)EMU_OK);
	KUNIT_EXPECT_EQ(test, (int)emu_execute(&m->c), (int)EMU_OK);
	KUNIT_EXPECT_FALSE(test, m->c.restarted);
	KUNIT_EXPECT_EQ(test, m->c.regs[EMU_RCX], 0ULL);
	KUNIT_EXPECT_EQ(test, m->c.rip, (u64)CODE + 2);
}

/* The caller's limit, and a single step, end a batch. */
static void emu_test_rep_limit(struct kunit *test)
{
	static const struct emu_case t = { "limit", EMU_PROT64, CODE_BYTES(0xf3, 0xaa),
		.in = { R(RCX, 100), R(RDI, 0x2000) } };
	struct machine *m = machine_alloc(test);

	machine_reset(m, &t);
	m->c.rep_limit = 10;
	KUNIT_EXPECT_EQ(test, (int)machine_step(m), (int)EMU_OK);
	KUNIT_EXPECT_EQ(test, m->c.regs[EMU_RCX], 90ULL);
	KUNIT_EXPECT_TRUE(test, m->c.restarted);
	KUNIT_EXPECT_FALSE(test, m->c.single_step);
	m->c.rflags |= X86_EFLAGS_TF;
	KUNIT_EXPECT_EQ(test, (int)emu_execute(&m->c), (int)EMU_OK);
	KUNIT_EXPECT_EQ(test, m->c.regs[EMU_RCX], 89ULL);
	KUNIT_EXPECT_TRUE(test, m->c.single_step);
}

/* REP INS fills what is left of the page with one call, then goes on. */
static void emu_test_ins_batch(struct kunit *test)
{
	static const struct emu_case t = { "ins", EMU_PROT64, CODE_BYTES(0xf3, 0x6d),
		.in = { R(RCX, 1024), R(RDX, 0x1f0), R(RDI, 0x2800) } };
	struct machine *m = machine_alloc(test);

	machine_reset(m, &t);
	KUNIT_EXPECT_EQ(test, (int)machine_step(m), (int)EMU_IO);
	KUNIT_EXPECT_EQ(test, m->c.regs[EMU_RCX], 1024ULL);
	m->answered = true;
	KUNIT_EXPECT_EQ(test, (int)emu_execute(&m->c), (int)EMU_OK);
	KUNIT_EXPECT_EQ(test, m->pio_items, 1024);
	KUNIT_EXPECT_EQ(test, m->pio_calls, 2);
	KUNIT_EXPECT_EQ(test, m->c.regs[EMU_RDI], 0x3800ULL);
	KUNIT_EXPECT_EQ(test, m->c.regs[EMU_RCX], 0ULL);
	KUNIT_EXPECT_EQ(test, m->mem[0x2801], 0xf1);
}

/* A port that does some of the items: no byte more is written, and the rest comes later. */
static void emu_test_ins_short(struct kunit *test)
{
	static const struct emu_case t = { "ins", EMU_PROT64, CODE_BYTES(0xf3, 0x6c),
		.in = { R(RCX, 100), R(RDX, 0x1f0), R(RDI, 0x2000) } };
	struct machine *m = machine_alloc(test);
	int i;

	machine_reset(m, &t);
	m->answered = true;
	m->pio_most = 3;
	m->c.rep_limit = 5;
	memset(m->mem + 0x2000, 0xaa, 100);
	KUNIT_EXPECT_EQ(test, (int)machine_step(m), (int)EMU_OK);
	KUNIT_EXPECT_EQ(test, m->pio_calls, 2);
	KUNIT_EXPECT_TRUE(test, m->c.restarted);
	KUNIT_EXPECT_EQ(test, m->c.regs[EMU_RCX], 94ULL);
	KUNIT_EXPECT_EQ(test, memcmp(m->mem + 0x2000, "\xf0\xf1\xf2\xf0\xf1\xf2\xaa\xaa\xaa", 9),
			0);
	m->c.rep_limit = 0;
	KUNIT_EXPECT_EQ(test, (int)emu_execute(&m->c), (int)EMU_OK);
	KUNIT_EXPECT_EQ(test, m->pio_calls, 34);
	KUNIT_EXPECT_EQ(test, m->c.regs[EMU_RCX], 0ULL);
	KUNIT_EXPECT_EQ(test, m->c.regs[EMU_RDI], 0x2064ULL);
	for (i = 0; i < 34 * 3; i += 3)
		KUNIT_EXPECT_EQ(test, memcmp(m->mem + 0x2000 + i, "\xf0\xf1\xf2", i < 99 ? 3 : 1),
				0);
	KUNIT_EXPECT_EQ(test, m->mem[0x2064], 0);
}

static void emu_test_outs_short(struct kunit *test)
{
	static const struct emu_case t = { "outs", EMU_PROT64, CODE_BYTES(0xf3, 0x6f),
		.in = { R(RCX, 10), R(RDX, 0x1f0), R(RSI, 0x2000) } };
	struct machine *m = machine_alloc(test);

	machine_reset(m, &t);
	m->pio_most = 4;
	KUNIT_EXPECT_EQ(test, (int)machine_step(m), (int)EMU_OK);
	KUNIT_EXPECT_EQ(test, m->pio_calls, 3);
	KUNIT_EXPECT_EQ(test, m->pio_items, 10);
	KUNIT_EXPECT_EQ(test, m->c.regs[EMU_RSI], 0x2028ULL);
	KUNIT_EXPECT_EQ(test, m->c.regs[EMU_RCX], 0ULL);
}

/* OUTS out of a device goes item by item. */
static void emu_test_outs_device(struct kunit *test)
{
	static const struct emu_case t = { "outs", EMU_PROT64, CODE_BYTES(0xf3, 0x6f),
		.in = { R(RCX, 100), R(RSI, DEVICE) } };
	struct machine *m = machine_alloc(test);

	machine_reset(m, &t);
	m->answered = true;
	KUNIT_EXPECT_EQ(test, (int)machine_step(m), (int)EMU_OK);
	KUNIT_EXPECT_EQ(test, m->pio_items, 1);
	KUNIT_EXPECT_EQ(test, m->c.regs[EMU_RCX], 99ULL);
	KUNIT_EXPECT_TRUE(test, m->c.restarted);
}

/* INS to memory that cannot be written must not read the port. */
static void emu_test_ins_checks_first(struct kunit *test)
{
	static const struct emu_case t = { "ins", EMU_PROT64, CODE_BYTES(0x6c),
		.in = { R(RDX, 0x60), R(RDI, RDONLY) } };
	struct machine *m = machine_alloc(test);

	machine_reset(m, &t);
	m->answered = true;
	KUNIT_EXPECT_EQ(test, (int)machine_step(m), (int)EMU_FAULT);
	KUNIT_EXPECT_EQ(test, m->pio_calls, 0);
}

static struct kunit_case restart_kunit_cases[] = {
	KUNIT_CASE(emu_test_replay),
	KUNIT_CASE(emu_test_rep_device),
	KUNIT_CASE(emu_test_rep_limit),
	KUNIT_CASE(emu_test_ins_batch),
	KUNIT_CASE(emu_test_ins_short),
	KUNIT_CASE(emu_test_outs_short),
	KUNIT_CASE(emu_test_outs_device),
	KUNIT_CASE(emu_test_ins_checks_first),
	{}
};

static struct kunit_suite restart_kunit_suite = {
	.name = "ditto_emulate_restart",
	.test_cases = restart_kunit_cases,
};

kunit_test_suite(restart_kunit_suite);
