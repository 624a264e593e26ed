// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit: decoding: how long instructions are, which bytes are fetched, and what is left for the
 * report of one that cannot be executed.
 */
#include "x86/emulate/machine_kunit.h"

static const struct {
	enum emu_mode mode;
	u8 code[16];
	u8 len;
} lengths[] = {
	{ EMU_PROT64, CODE_BYTES(0x0f, 0xa2) },					/* cpuid */
	{ EMU_PROT64, CODE_BYTES(0x0f, 0x32) },					/* rdmsr */
	{ EMU_PROT64, CODE_BYTES(0x0f, 0x01, 0xd9) },				/* vmmcall */
	{ EMU_PROT64, CODE_BYTES(0x0f, 0x01, 0xd1) },				/* xsetbv */
	{ EMU_PROT64, CODE_BYTES(0x0f, 0x01, 0x3b) },				/* invlpg */
	{ EMU_PROT64, CODE_BYTES(0xf4) },					/* hlt */
	{ EMU_PROT64, CODE_BYTES(0x65, 0x48, 0x8b, 0x04, 0x25, 1, 0, 0, 0) },
	{ EMU_PROT64, CODE_BYTES(0x41, 0x0f, 0x22, 0xc0) },			/* mov %r8, %cr0 */
	{ EMU_PROT64, CODE_BYTES(0x66, 0x0f, 0x3a, 0x0f, 0x43, 0x10, 0x08) },	/* palignr */
	{ EMU_PROT64, CODE_BYTES(0x0f, 0xae, 0x64, 0x24, 0x40) },		/* xsave */
	{ EMU_PROT64, CODE_BYTES(0xdd, 0x44, 0x24, 0x08) },			/* fld */
	{ EMU_PROT32, CODE_BYTES(0xea, 0, 0, 0, 0, 8, 0) },			/* ljmp */
	{ EMU_REAL, CODE_BYTES(0xea, 0, 0, 0, 0xf0) },
	{ EMU_REAL, CODE_BYTES(0x66, 0xea, 0, 0, 0, 0, 8, 0) },
	{ EMU_REAL, CODE_BYTES(0xc8, 0x10, 0x00, 0x00) },			/* enter */
	{ EMU_PROT32, CODE_BYTES(0x66, 0xc7, 0x84, 0x98, 0, 1, 0, 0, 0x34, 0x12) },
	{ EMU_PROT64, CODE_BYTES(0xf2, 0x0f, 0x38, 0xf1, 0xc3) },		/* crc32 */
};

static void emu_test_length(struct kunit *test)
{
	struct machine *m = machine_alloc(test);
	struct emu_case t = { .name = "length" };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(lengths); i++) {
		t.mode = lengths[i].mode;
		memcpy(t.code, lengths[i].code, sizeof(t.code));
		machine_reset(m, &t);
		KUNIT_EXPECT_EQ(test, (int)emu_decode(&m->c, 0), (int)EMU_OK);
		KUNIT_EXPECT_EQ_MSG(test, (int)m->c.insn_len, (int)lengths[i].len, "length %u", i);
	}
}

/* Bytes are fetched up to the end of the page; beyond it only when they are needed. */
static void emu_test_fetch(struct kunit *test)
{
	static const struct emu_case t = { .name = "fetch", .mode = EMU_PROT64 };
	struct machine *m = machine_alloc(test);

	machine_reset(m, &t);
	m->c.rip = HOLE - 2;
	m->mem[HOLE - 2] = 0x89;
	m->mem[HOLE - 1] = 0xc3;
	KUNIT_EXPECT_EQ(test, (int)machine_step(m), (int)EMU_OK);
	KUNIT_EXPECT_EQ(test, m->c.rip, (u64)HOLE);
	m->c.rip = HOLE - 1;
	m->mem[HOLE - 1] = 0x89;
	KUNIT_EXPECT_EQ(test, (int)machine_step(m), (int)EMU_FAULT);
	KUNIT_EXPECT_EQ(test, m->c.fault.cr2, (u64)HOLE);
	KUNIT_EXPECT_EQ(test, m->c.fetched, 1);
}

/* What cannot be done leaves the bytes for the report. */
static void emu_test_unhandled(struct kunit *test)
{
	static const struct emu_case t = { "unhandled", EMU_PROT64, CODE_BYTES(0xc5, 0xf8, 0x77) };
	struct machine *m = machine_alloc(test);

	machine_reset(m, &t);
	KUNIT_EXPECT_EQ(test, (int)machine_step(m), (int)EMU_UNHANDLED);
	KUNIT_EXPECT_EQ(test, m->c.fetched, EMU_INSN_MAX);
	KUNIT_EXPECT_EQ(test, memcmp(m->c.insn, t.code, 3), 0);
}

static struct kunit_case decode_kunit_cases[] = {
	KUNIT_CASE(emu_test_length),
	KUNIT_CASE(emu_test_fetch),
	KUNIT_CASE(emu_test_unhandled),
	{}
};

static struct kunit_suite decode_kunit_suite = {
	.name = "ditto_emulate_decode",
	.test_cases = decode_kunit_cases,
};

kunit_test_suite(decode_kunit_suite);
