// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit: task switches on a fake machine with 64 KiB of memory, two address spaces, and
 * operations that fail when they are told to.
 */
#include <kunit/test.h>

#include <asm/msr-index.h>
#include <asm/processor-flags.h>
#include <asm/trapnr.h>

#include "x86/run/taskswitch.h"

#define MEM_SIZE	0x10000
#define GDT		0x1000
#define IDT		0x2000
#define OLD_TSS		0x3000
#define NEW_TSS		0x4000
#define LDT		0x5000
#define STACK		0x6000
#define OTHER_GDT	0x7000	/* which the second address space shows as the GDT */

#define OLD		0x08
#define NEW32		0x10
#define NEW16		0x18
#define CODE		0x20
#define DATA		0x28
#define LDT_SEL		0x30
#define CODE3		0x38
#define DATA3		0x40
#define CONFORMING	0x48
#define ABSENT		0x50	/* data */
#define UNREADABLE	0x58	/* code */
#define DOWN		0x60	/* expands down, from 0x6000 */
#define BEYOND		0x68

#define SPACE_1		0x1000u
#define SPACE_2		0x2000u

struct machine {
	struct task_switch t;
	struct x86_state st;
	u8 mem[MEM_SIZE];
	u32 cr3;
	u32 hole;		/* page without translation, 0: none */
	u32 hole_of;		/* in this address space only, 0: in both */
	bool user_write;	/* the last write was at CPL 3 */
	int ops, fail_at;	/* this operation, counted from 1, ... */
	enum emu_result fail_with;
	u32 bad_cr3;
};

static void put64(struct machine *m, u32 at, u64 val)
{
	memcpy(m->mem + at, &val, 8);
}

static void put32(struct machine *m, u32 at, u32 val)
{
	memcpy(m->mem + at, &val, 4);
}

static void put16(struct machine *m, u32 at, u16 val)
{
	memcpy(m->mem + at, &val, 2);
}

static u64 get(const struct machine *m, u32 at, unsigned int len)
{
	u64 val = 0;

	memcpy(&val, m->mem + at, len);
	return val;
}

/* @access: type, S, DPL, P; @flags: AVL, L, D, G. */
static void put_desc(struct machine *m, u16 selector, u32 base, u32 limit, u8 access, u8 flags)
{
	put64(m, GDT + selector, (limit & 0xffff) | (u64)(base & 0xffffff) << 16 |
	      (u64)access << 40 | (u64)(limit >> 16 & 0xf) << 48 | (u64)flags << 52 |
	      (u64)(base >> 24) << 56);
}

static bool busy(const struct machine *m, u16 selector)
{
	return get(m, GDT + selector, 8) >> 41 & 1;
}

static enum emu_result fake_op(struct task_switch *t, u32 *gva, unsigned int len, bool write)
{
	struct machine *m = t->owner;
	u32 page = *gva & ~0xfffu;

	if (++m->ops == m->fail_at)
		return m->fail_with;
	if (*gva + len > MEM_SIZE)
		return EMU_UNHANDLED;
	if (m->hole && page == m->hole && (!m->hole_of || m->hole_of == m->cr3)) {
		t->fault = (struct emu_fault) {
			.valid = true, .vector = X86_TRAP_PF, .has_error = true,
			.error = write ? 2 : 0, .cr2 = *gva,
		};
		return EMU_FAULT;
	}
	if (m->cr3 == SPACE_2 && page == GDT)
		*gva += OTHER_GDT - GDT;
	return EMU_OK;
}

static enum emu_result fake_read(struct task_switch *t, u32 gva, void *buf, unsigned int len)
{
	struct machine *m = t->owner;
	enum emu_result r = fake_op(t, &gva, len, false);

	if (r == EMU_OK)
		memcpy(buf, m->mem + gva, len);
	return r;
}

static enum emu_result fake_write(struct task_switch *t, u32 gva, const void *buf,
				  unsigned int len, bool user)
{
	struct machine *m = t->owner;
	enum emu_result r = fake_op(t, &gva, len, true);

	if (r == EMU_OK)
		memcpy(m->mem + gva, buf, len);
	m->user_write = user;
	return r;
}

static enum emu_result fake_probe(struct task_switch *t, u32 gva, unsigned int len)
{
	return fake_op(t, &gva, len, true);
}

static enum emu_result fake_exchange(struct task_switch *t, u32 gva, u64 old, u64 new)
{
	struct machine *m = t->owner;
	enum emu_result r = fake_op(t, &gva, 8, true);

	if (r != EMU_OK)
		return r;
	if (get(m, gva, 8) != old)
		return EMU_RETRY;
	put64(m, gva, new);
	return EMU_OK;
}

static enum emu_result fake_check_cr3(struct task_switch *t, u32 cr3)
{
	struct machine *m = t->owner;

	if (cr3 != m->bad_cr3)
		return EMU_OK;
	t->fault = (struct emu_fault) { .valid = true, .vector = X86_TRAP_GP, .has_error = true };
	return EMU_FAULT;
}

static void fake_use_cr3(struct task_switch *t, u32 cr3)
{
	((struct machine *)t->owner)->cr3 = cr3;
}

static const struct task_ops fake_ops = {
	.read = fake_read, .write = fake_write, .probe = fake_probe, .exchange = fake_exchange,
	.check_cr3 = fake_check_cr3, .use_cr3 = fake_use_cr3,
};

static void put_descs(struct machine *m)
{
	put_desc(m, OLD, OLD_TSS, 0x67, 0x8b, 0);
	put_desc(m, NEW32, NEW_TSS, 0x67, 0x89, 0);
	put_desc(m, NEW16, NEW_TSS, 0x2b, 0x81, 0);
	put_desc(m, CODE, 0, 0xfffff, 0x9b, 0xc);
	put_desc(m, DATA, 0, 0xfffff, 0x92, 0xc);
	put_desc(m, LDT_SEL, LDT, 0x0f, 0x82, 0);
	put_desc(m, CODE3, 0, 0xfffff, 0xfb, 0xc);
	put_desc(m, DATA3, 0, 0xfffff, 0xf3, 0xc);
	put_desc(m, CONFORMING, 0, 0xfffff, 0x9f, 0xc);
	put_desc(m, ABSENT, 0, 0xfffff, 0x13, 0xc);
	put_desc(m, UNREADABLE, 0, 0xfffff, 0x99, 0xc);
	put_desc(m, DOWN, 0, 0x5fff, 0x97, 4);
	memcpy(m->mem + OTHER_GDT, m->mem + GDT, BEYOND);
	/* In the LDT: data at 0x100. */
	put64(m, LDT + 8, 0x00cf93000100ffff);
}

static void put_new32(struct machine *m)
{
	static const u16 sel[6] = { DATA, CODE, DATA, DATA, 0, DATA };
	int i;

	put32(m, NEW_TSS + 0x1c, SPACE_1);
	put32(m, NEW_TSS + 0x20, 0x1234567);
	put32(m, NEW_TSS + 0x24, 0xfffc8028 | X86_EFLAGS_CF);	/* reserved bits, too */
	for (i = 0; i < 8; i++)
		put32(m, NEW_TSS + 0x28 + 4 * i, 0xb0000000 + i);
	put32(m, NEW_TSS + 0x28 + 4 * GPR_RSP, STACK + 0x100);
	for (i = 0; i < 6; i++)
		put32(m, NEW_TSS + 0x48 + 4 * i, sel[i]);
}

static void put_new16(struct machine *m)
{
	static const u16 sel[4] = { DATA, CODE, DATA, DATA };
	int i;

	memset(m->mem + NEW_TSS, 0, 0x68);
	put16(m, NEW_TSS + 0x0e, 0x4567);
	put16(m, NEW_TSS + 0x10, X86_EFLAGS_CF);
	for (i = 0; i < 8; i++)
		put16(m, NEW_TSS + 0x12 + 2 * i, 0xc000 + i);
	for (i = 0; i < 4; i++)
		put16(m, NEW_TSS + 0x22 + 2 * i, sel[i]);
}

static void machine_init(struct machine *m, u16 selector, u8 source)
{
	int i;

	memset(m, 0, sizeof(*m));
	m->cr3 = SPACE_1;
	m->t = (struct task_switch) {
		.ops = &fake_ops, .owner = m, .st = &m->st, .selector = selector,
		.source = source, .next_eip = 0x777, .event.type = EVENT_NONE,
	};
	for (i = 0; i < GPR_NR; i++)
		m->st.gpr[i] = 0xa0000000 + i;
	m->st.rflags = 2 | X86_EFLAGS_NT | X86_EFLAGS_ZF;
	m->st.cr0 = X86_CR0_PE | X86_CR0_PG;
	m->st.cr3 = SPACE_1;
	m->st.dr7 = 0x7ff;
	m->st.shadow = SHADOW_STI;
	m->st.gdt = (struct kvm_dtable) { .base = GDT, .limit = BEYOND - 1 };
	m->st.idt = (struct kvm_dtable) { .base = IDT, .limit = 0x7ff };
	for (i = SEG_ES; i <= SEG_GS; i++)
		m->st.seg[i].selector = 0xe00 + 8 * i;
	m->st.seg[SEG_TR] = (struct kvm_segment) {
		.base = OLD_TSS, .limit = 0x67, .selector = OLD, .type = 11, .present = 1,
	};
	memset(m->mem + OLD_TSS, 0x5a, 0x68);
	memset(m->mem + IDT, 0, 0x800);
	put_descs(m);
	if (selector == NEW16)
		put_new16(m);
	else
		put_new32(m);
	if (source == TASK_IRET)
		put64(m, GDT + selector, get(m, GDT + selector, 8) | BIT_ULL(41));
}

static struct machine *machine_new(struct kunit *test, u16 selector, u8 source)
{
	struct machine *m = kunit_kzalloc(test, sizeof(*m), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, m);
	machine_init(m, selector, source);
	return m;
}

static void new_registers(struct kunit *test)
{
	struct machine *m = machine_new(test, NEW32, TASK_JMP);
	struct x86_state *st = &m->st;

	put_desc(m, DATA, 0x12345678, 0x56789, 0x92, 0xc);
	memcpy(m->mem + OTHER_GDT, m->mem + GDT, BEYOND);
	put32(m, NEW_TSS + 0x28 + 4 * GPR_RDI, 0xfedcba98);
	KUNIT_EXPECT_EQ(test, task_switch(&m->t), EMU_OK);
	KUNIT_EXPECT_TRUE(test, m->t.switched);
	KUNIT_EXPECT_FALSE(test, m->t.debug_trap);
	KUNIT_EXPECT_EQ(test, st->gpr[GPR_RAX], 0xb0000000);
	KUNIT_EXPECT_EQ(test, st->gpr[GPR_RDI], 0xfedcba98);
	KUNIT_EXPECT_EQ(test, st->gpr[GPR_R8], 0xa0000008);
	KUNIT_EXPECT_EQ(test, st->rip, 0x1234567);
	/* What does not exist of EFLAGS is not loaded. */
	KUNIT_EXPECT_EQ(test, st->rflags, 0x3c0003);
	KUNIT_EXPECT_EQ(test, st->cr0, X86_CR0_PE | X86_CR0_PG | X86_CR0_TS);
	KUNIT_EXPECT_EQ(test, st->dr7, 0x6aa);
	KUNIT_EXPECT_EQ(test, st->shadow, 0);
	KUNIT_EXPECT_EQ(test, st->cpl, 0);
	KUNIT_EXPECT_EQ(test, st->seg[SEG_DS].base, 0x12345678);
	KUNIT_EXPECT_EQ(test, st->seg[SEG_DS].limit, 0x56789fff);
	KUNIT_EXPECT_EQ(test, st->seg[SEG_DS].type, 3);
	KUNIT_EXPECT_EQ(test, st->seg[SEG_CS].selector, CODE);
	KUNIT_EXPECT_EQ(test, st->seg[SEG_CS].db, 1);
	KUNIT_EXPECT_EQ(test, st->seg[SEG_FS].unusable, 1);
	KUNIT_EXPECT_EQ(test, st->seg[SEG_LDTR].unusable, 1);
	KUNIT_EXPECT_EQ(test, st->seg[SEG_TR].selector, NEW32);
	KUNIT_EXPECT_EQ(test, st->seg[SEG_TR].base, NEW_TSS);
	KUNIT_EXPECT_EQ(test, st->seg[SEG_TR].type, 11);
	/* DATA has become accessed. */
	KUNIT_EXPECT_EQ(test, get(m, GDT + DATA + 5, 1), 0x93);
}

static void old_registers(struct kunit *test)
{
	struct machine *m = machine_new(test, NEW32, TASK_CALL);

	KUNIT_EXPECT_EQ(test, task_switch(&m->t), EMU_OK);
	KUNIT_EXPECT_EQ(test, get(m, OLD_TSS + 0x20, 4), 0x777);
	KUNIT_EXPECT_EQ(test, get(m, OLD_TSS + 0x24, 4), 2 | X86_EFLAGS_NT | X86_EFLAGS_ZF);
	KUNIT_EXPECT_EQ(test, get(m, OLD_TSS + 0x28, 4), 0xa0000000);
	KUNIT_EXPECT_EQ(test, get(m, OLD_TSS + 0x44, 4), 0xa0000007);
	/* Selectors have 16 bits; the rest is as it was, as are CR3 and the LDT. */
	KUNIT_EXPECT_EQ(test, get(m, OLD_TSS + 0x48, 4), 0x5a5a0e00);
	KUNIT_EXPECT_EQ(test, get(m, OLD_TSS + 0x5c, 4), 0x5a5a0e28);
	KUNIT_EXPECT_EQ(test, get(m, OLD_TSS + 0x1c, 4), 0x5a5a5a5a);
	KUNIT_EXPECT_EQ(test, get(m, OLD_TSS + 0x60, 4), 0x5a5a5a5a);
}

static void narrow_tasks(struct kunit *test)
{
	struct machine *m = machine_new(test, NEW16, TASK_CALL);

	m->st.seg[SEG_TR].type = 3;
	m->st.seg[SEG_TR].limit = 0x2b;
	m->st.cr3 = 0x9000;
	m->cr3 = 0x9000;
	KUNIT_EXPECT_EQ(test, task_switch(&m->t), EMU_OK);
	KUNIT_EXPECT_EQ(test, get(m, OLD_TSS + 0x0e, 2), 0x777);
	KUNIT_EXPECT_EQ(test, get(m, OLD_TSS + 0x12, 2), 0);
	KUNIT_EXPECT_EQ(test, get(m, OLD_TSS + 0x20, 2), 7);
	KUNIT_EXPECT_EQ(test, get(m, OLD_TSS + 0x28, 2), 0xe18);
	KUNIT_EXPECT_EQ(test, get(m, OLD_TSS + 0x0c, 2), 0x5a5a);
	KUNIT_EXPECT_EQ(test, get(m, OLD_TSS + 0x2a, 2), 0x5a5a);
	KUNIT_EXPECT_EQ(test, get(m, NEW_TSS, 2), OLD);
	KUNIT_EXPECT_EQ(test, m->st.gpr[GPR_RCX], 0xc001);
	KUNIT_EXPECT_EQ(test, m->st.rip, 0x4567);
	KUNIT_EXPECT_EQ(test, m->st.rflags, 2 | X86_EFLAGS_CF | X86_EFLAGS_NT);
	KUNIT_EXPECT_EQ(test, m->st.seg[SEG_GS].unusable, 1);
	KUNIT_EXPECT_EQ(test, m->st.seg[SEG_TR].type, 3);
	KUNIT_EXPECT_EQ(test, m->st.cr3, 0x9000);
}

/* Busy bits, back links and NT, by what asked for the switch. */
static void links(struct kunit *test)
{
	static const struct {
		u8 source;
		bool old_busy, linked, nt, saved_nt;
	} want[] = {
		{ TASK_CALL, true, true, true, true },
		{ TASK_JMP, false, false, false, true },
		{ TASK_IRET, false, false, false, false },
		{ TASK_GATE, true, true, true, true },
	};
	struct machine *m = machine_new(test, NEW32, TASK_CALL);
	int i;

	for (i = 0; i < ARRAY_SIZE(want); i++) {
		machine_init(m, NEW32, want[i].source);
		put32(m, NEW_TSS, 0x77770000);
		KUNIT_EXPECT_EQ(test, task_switch(&m->t), EMU_OK);
		KUNIT_EXPECT_EQ(test, busy(m, OLD), want[i].old_busy);
		KUNIT_EXPECT_TRUE(test, busy(m, NEW32));
		KUNIT_EXPECT_EQ(test, get(m, NEW_TSS, 4),
				want[i].linked ? 0x77770000 + OLD : 0x77770000);
		KUNIT_EXPECT_EQ(test, !!(m->st.rflags & X86_EFLAGS_NT), want[i].nt);
		KUNIT_EXPECT_EQ(test, !!(get(m, OLD_TSS + 0x24, 4) & X86_EFLAGS_NT),
				want[i].saved_nt);
	}
}

/* One thing that is wrong, and whose fault it is. */
struct fault_case {
	const char *name;
	void (*spoil)(struct machine *m);
	u8 source;
	bool switched;
	u8 vector;
	u32 error;
};

static void null_selector(struct machine *m) { m->t.selector = 3; }
static void in_ldt(struct machine *m) { m->t.selector = NEW32 | 4; }
static void beyond_gdt(struct machine *m) { m->t.selector = BEYOND; }
static void no_tss(struct machine *m) { m->t.selector = DATA | 3; }
static void is_busy_already(struct machine *m) { put_desc(m, NEW32, NEW_TSS, 0x67, 0x8b, 0); }
static void not_busy(struct machine *m) { put_desc(m, NEW32, NEW_TSS, 0x67, 0x89, 0); }
static void not_present(struct machine *m) { put_desc(m, NEW32, NEW_TSS, 0x67, 0x09, 0); }
static void too_short(struct machine *m) { put_desc(m, NEW32, NEW_TSS, 0x66, 0x89, 0); }
static void short16(struct machine *m) { put_desc(m, NEW32, NEW_TSS, 0x2a, 0x81, 0); }
static void old_short(struct machine *m) { m->st.seg[SEG_TR].limit = 0x5e; }
static void gdt_hole(struct machine *m) { m->hole = GDT; }
static void old_hole(struct machine *m) { m->hole = OLD_TSS; }
static void new_hole(struct machine *m) { m->hole = NEW_TSS; }
static void bad_cr3(struct machine *m)
{
	put32(m, NEW_TSS + 0x1c, SPACE_2);
	m->bad_cr3 = SPACE_2;
}

static void closed_gate(struct machine *m)
{
	m->t.event = (struct x86_event) { .type = EVENT_SOFT_INT, .vector = 0x30 };
	m->st.cpl = 3;
	put64(m, IDT + 0x30 * 8, 0xa500ull << 32);	/* of DPL 1 */
}

static void into_gate(struct machine *m)
{
	closed_gate(m);
	m->t.event = (struct x86_event) { .type = EVENT_SOFT_EXC, .vector = 4 };
}

static void event(struct machine *m, u8 type, u8 vector, bool has_error)
{
	m->t.event = (struct x86_event) {
		.type = type, .vector = vector, .has_error = has_error, .error = 0x1234abcd,
	};
}

static void irq_not_present(struct machine *m)
{
	event(m, EVENT_IRQ, 0x30, false);
	not_present(m);
}

static void nmi_not_present(struct machine *m)
{
	event(m, EVENT_NMI, 2, false);
	not_present(m);
}

static void int1_not_present(struct machine *m)
{
	event(m, EVENT_SOFT_EXC, 1, false);
	not_present(m);
}

static void int_not_present(struct machine *m)
{
	event(m, EVENT_SOFT_INT, 0x30, false);
	not_present(m);
}

#define SEL(m, nr, val)	put32(m, NEW_TSS + 0x48 + 4 * (nr), val)

static void cs_null(struct machine *m) { SEL(m, SEG_CS, 0); }
static void cs_beyond(struct machine *m) { SEL(m, SEG_CS, BEYOND); }
static void cs_data(struct machine *m) { SEL(m, SEG_CS, DATA); }
static void cs_dpl(struct machine *m) { SEL(m, SEG_CS, CODE | 3); }
static void cs_conforming(struct machine *m)
{
	put_desc(m, CONFORMING, 0, 0xfffff, 0xff, 0xc);
	SEL(m, SEG_CS, CONFORMING);
}
static void ss_null(struct machine *m) { SEL(m, SEG_SS, 0); }
static void ss_code(struct machine *m) { SEL(m, SEG_SS, CODE); }
static void ss_rpl(struct machine *m) { SEL(m, SEG_SS, DATA | 3); }
static void ss_dpl(struct machine *m) { SEL(m, SEG_SS, DATA3); }
static void ss_absent(struct machine *m) { SEL(m, SEG_SS, ABSENT); }
static void ds_beyond(struct machine *m) { SEL(m, SEG_DS, BEYOND); }
static void ds_system(struct machine *m) { SEL(m, SEG_DS, LDT_SEL); }
static void ds_unreadable(struct machine *m) { SEL(m, SEG_DS, UNREADABLE); }
static void ds_rpl(struct machine *m) { SEL(m, SEG_DS, DATA | 3); }
static void gs_absent(struct machine *m) { SEL(m, SEG_GS, ABSENT); }
static void fs_ldt(struct machine *m) { SEL(m, SEG_FS, 0xc); }
static void ldt_in_ldt(struct machine *m) { put32(m, NEW_TSS + 0x60, 0xc); }
static void ldt_type(struct machine *m) { put32(m, NEW_TSS + 0x60, DATA); }
static void ldt_absent(struct machine *m)
{
	put_desc(m, LDT_SEL, LDT, 0x0f, 0x02, 0);
	put32(m, NEW_TSS + 0x60, LDT_SEL);
}
static void new_gdt_hole(struct machine *m)
{
	put32(m, NEW_TSS + 0x1c, SPACE_2);
	m->hole = GDT;
	m->hole_of = SPACE_2;
}
static void push_hole(struct machine *m)
{
	event(m, EVENT_EXCEPTION, 13, true);
	m->hole = STACK;
}
static void push_limit(struct machine *m)
{
	event(m, EVENT_EXCEPTION, 13, true);
	SEL(m, SEG_SS, DOWN);
	put32(m, NEW_TSS + 0x28 + 4 * GPR_RSP, 0x6003);
}
static void exception_bad_ds(struct machine *m)
{
	event(m, EVENT_EXCEPTION, 13, true);
	ds_beyond(m);
}

static const struct fault_case fault_cases[] = {
	{ "null selector", null_selector, TASK_JMP, false, X86_TRAP_GP, 0 },
	{ "null link", null_selector, TASK_IRET, false, X86_TRAP_TS, 0 },
	{ "in the LDT", in_ldt, TASK_CALL, false, X86_TRAP_GP, NEW32 | 4 },
	{ "behind the GDT", beyond_gdt, TASK_JMP, false, X86_TRAP_GP, BEYOND },
	{ "link behind the GDT", beyond_gdt, TASK_IRET, false, X86_TRAP_TS, BEYOND },
	{ "no TSS", no_tss, TASK_JMP, false, X86_TRAP_GP, DATA },
	{ "busy", is_busy_already, TASK_CALL, false, X86_TRAP_GP, NEW32 },
	{ "link not busy", not_busy, TASK_IRET, false, X86_TRAP_TS, NEW32 },
	{ "not present", not_present, TASK_JMP, false, X86_TRAP_NP, NEW32 },
	{ "limit", too_short, TASK_JMP, false, X86_TRAP_TS, NEW32 },
	{ "limit of 16 bits", short16, TASK_JMP, false, X86_TRAP_TS, NEW32 },
	{ "limit of the old", old_short, TASK_JMP, false, X86_TRAP_TS, OLD },
	{ "GDT not mapped", gdt_hole, TASK_JMP, false, X86_TRAP_PF, 0 },
	{ "old TSS not mapped", old_hole, TASK_JMP, false, X86_TRAP_PF, 2 },
	{ "new TSS not mapped", new_hole, TASK_CALL, false, X86_TRAP_PF, 0 },
	{ "CR3", bad_cr3, TASK_JMP, false, X86_TRAP_GP, 0 },
	{ "INT n through a closed gate", closed_gate, TASK_GATE, false, X86_TRAP_GP, 0x182 },
	{ "INTO through a closed gate", into_gate, TASK_GATE, false, X86_TRAP_GP, 0x22 },
	{ "interrupt", irq_not_present, TASK_GATE, false, X86_TRAP_NP, NEW32 | 1 },
	{ "NMI", nmi_not_present, TASK_GATE, false, X86_TRAP_NP, NEW32 | 1 },
	{ "INT1", int1_not_present, TASK_GATE, false, X86_TRAP_NP, NEW32 | 1 },
	{ "INT n", int_not_present, TASK_GATE, false, X86_TRAP_NP, NEW32 },
	{ "CS null", cs_null, TASK_JMP, true, X86_TRAP_TS, 0 },
	{ "CS behind the GDT", cs_beyond, TASK_JMP, true, X86_TRAP_TS, BEYOND },
	{ "CS data", cs_data, TASK_JMP, true, X86_TRAP_TS, DATA },
	{ "CS of another level", cs_dpl, TASK_JMP, true, X86_TRAP_TS, CODE },
	{ "CS conforming from above", cs_conforming, TASK_JMP, true, X86_TRAP_TS, CONFORMING },
	{ "SS null", ss_null, TASK_JMP, true, X86_TRAP_TS, 0 },
	{ "SS code", ss_code, TASK_JMP, true, X86_TRAP_TS, CODE },
	{ "SS with another RPL", ss_rpl, TASK_JMP, true, X86_TRAP_TS, DATA },
	{ "SS with another DPL", ss_dpl, TASK_JMP, true, X86_TRAP_TS, DATA3 },
	{ "SS absent", ss_absent, TASK_JMP, true, X86_TRAP_SS, ABSENT },
	{ "DS behind the GDT", ds_beyond, TASK_JMP, true, X86_TRAP_TS, BEYOND },
	{ "DS a system segment", ds_system, TASK_JMP, true, X86_TRAP_TS, LDT_SEL },
	{ "DS not readable", ds_unreadable, TASK_JMP, true, X86_TRAP_TS, UNREADABLE },
	{ "DS with a weak RPL", ds_rpl, TASK_JMP, true, X86_TRAP_TS, DATA },
	{ "GS absent", gs_absent, TASK_JMP, true, X86_TRAP_NP, ABSENT },
	{ "FS in no LDT", fs_ldt, TASK_JMP, true, X86_TRAP_TS, 0xc },
	{ "LDT in an LDT", ldt_in_ldt, TASK_JMP, true, X86_TRAP_TS, 0xc },
	{ "LDT of another type", ldt_type, TASK_JMP, true, X86_TRAP_TS, DATA },
	{ "LDT absent", ldt_absent, TASK_JMP, true, X86_TRAP_TS, LDT_SEL },
	{ "GDT not mapped in the new space", new_gdt_hole, TASK_JMP, true, X86_TRAP_PF, 0 },
	{ "stack not mapped", push_hole, TASK_GATE, true, X86_TRAP_PF, 2 },
	{ "stack too short", push_limit, TASK_GATE, true, X86_TRAP_SS, 1 },
	{ "DS, for an exception", exception_bad_ds, TASK_GATE, true, X86_TRAP_TS, BEYOND | 1 },
};

static void faults(struct kunit *test)
{
	struct machine *m = machine_new(test, NEW32, TASK_JMP);
	struct x86_state *was = kunit_kzalloc(test, sizeof(*was), GFP_KERNEL);
	u8 *mem = kunit_kzalloc(test, MEM_SIZE, GFP_KERNEL);
	int i;

	KUNIT_ASSERT_NOT_NULL(test, was);
	KUNIT_ASSERT_NOT_NULL(test, mem);
	for (i = 0; i < ARRAY_SIZE(fault_cases); i++) {
		const struct fault_case *c = &fault_cases[i];

		machine_init(m, NEW32, c->source);
		c->spoil(m);
		*was = m->st;
		memcpy(mem, m->mem, MEM_SIZE);
		KUNIT_EXPECT_EQ_MSG(test, task_switch(&m->t), EMU_FAULT, "%s", c->name);
		KUNIT_EXPECT_EQ_MSG(test, m->t.fault.vector, c->vector, "%s", c->name);
		KUNIT_EXPECT_TRUE_MSG(test, m->t.fault.has_error, "%s", c->name);
		KUNIT_EXPECT_EQ_MSG(test, m->t.fault.error, c->error, "%s", c->name);
		KUNIT_EXPECT_EQ_MSG(test, m->t.switched, c->switched, "%s", c->name);
		if (!c->switched) {
			KUNIT_EXPECT_EQ_MSG(test, memcmp(was, &m->st, sizeof(*was)), 0, "%s",
					    c->name);
			KUNIT_EXPECT_EQ_MSG(test, memcmp(mem, m->mem, MEM_SIZE), 0, "%s", c->name);
			continue;
		}
		KUNIT_EXPECT_EQ_MSG(test, m->st.rip, 0x1234567, "%s", c->name);
		KUNIT_EXPECT_EQ_MSG(test, m->st.seg[SEG_TR].selector, NEW32, "%s", c->name);
		KUNIT_EXPECT_TRUE_MSG(test, busy(m, NEW32), "%s", c->name);
	}
}

/* What was not loaded keeps its selector; a CPU can enter a guest with it. */
static void unloaded_segments(struct kunit *test)
{
	struct machine *m = machine_new(test, NEW32, TASK_JMP);
	const struct kvm_segment *s = m->st.seg;

	SEL(m, SEG_CS, DATA3 | 3);
	KUNIT_EXPECT_EQ(test, task_switch(&m->t), EMU_FAULT);
	KUNIT_EXPECT_EQ(test, s[SEG_CS].selector, DATA3 | 3);
	KUNIT_EXPECT_EQ(test, s[SEG_CS].type, 11);
	KUNIT_EXPECT_EQ(test, s[SEG_CS].present, 1);
	KUNIT_EXPECT_EQ(test, s[SEG_CS].limit, 0);
	KUNIT_EXPECT_EQ(test, s[SEG_CS].dpl, 3);
	KUNIT_EXPECT_EQ(test, s[SEG_SS].selector, DATA);
	KUNIT_EXPECT_EQ(test, s[SEG_SS].unusable, 1);
	KUNIT_EXPECT_EQ(test, s[SEG_SS].dpl, 3);
	KUNIT_EXPECT_EQ(test, m->st.cpl, 3);
}

static void user_tasks(struct kunit *test)
{
	struct machine *m = machine_new(test, NEW32, TASK_GATE);

	SEL(m, SEG_CS, CONFORMING | 3);
	SEL(m, SEG_SS, DATA3 | 3);
	SEL(m, SEG_DS, CONFORMING | 3);
	SEL(m, SEG_ES, DATA3 | 3);
	SEL(m, SEG_GS, 3);
	event(m, EVENT_EXCEPTION, 14, true);
	KUNIT_EXPECT_EQ(test, task_switch(&m->t), EMU_OK);
	KUNIT_EXPECT_EQ(test, m->st.cpl, 3);
	KUNIT_EXPECT_EQ(test, get(m, STACK + 0xfc, 4), 0x1234abcd);
	KUNIT_EXPECT_EQ(test, m->st.gpr[GPR_RSP], STACK + 0xfc);
}

static void error_codes(struct kunit *test)
{
	struct machine *m = machine_new(test, NEW16, TASK_GATE);

	/* 16-bit stack, 2 bytes, wraps. */
	put_desc(m, DATA, 0, 0xffff, 0x93, 0);
	put16(m, NEW_TSS + 0x12 + 2 * GPR_RSP, 0);
	event(m, EVENT_EXCEPTION, 13, true);
	KUNIT_EXPECT_EQ(test, task_switch(&m->t), EMU_OK);
	KUNIT_EXPECT_EQ(test, get(m, 0xfffe, 2), 0xabcd);
	KUNIT_EXPECT_EQ(test, m->st.gpr[GPR_RSP], 0xfffe);
	KUNIT_EXPECT_FALSE(test, m->user_write);

	machine_init(m, NEW32, TASK_GATE);
	event(m, EVENT_EXCEPTION, 13, true);
	SEL(m, SEG_CS, CODE3 | 3);
	SEL(m, SEG_SS, DATA3 | 3);
	SEL(m, SEG_DS, 0);
	SEL(m, SEG_ES, 0);
	SEL(m, SEG_GS, 0);
	m->fail_with = EMU_OK;
	KUNIT_EXPECT_EQ(test, task_switch(&m->t), EMU_OK);
	KUNIT_EXPECT_EQ(test, get(m, STACK + 0xfc, 4), 0x1234abcd);

	/* Expand-down: valid above the limit only. */
	machine_init(m, NEW32, TASK_GATE);
	event(m, EVENT_EXCEPTION, 13, true);
	SEL(m, SEG_SS, DOWN);
	KUNIT_EXPECT_EQ(test, task_switch(&m->t), EMU_OK);
	KUNIT_EXPECT_EQ(test, get(m, STACK + 0xfc, 4), 0x1234abcd);
}

static void address_spaces(struct kunit *test)
{
	struct machine *m = machine_new(test, NEW32, TASK_JMP);

	put32(m, NEW_TSS + 0x1c, SPACE_2);
	/* There the GDT has another base for DATA. */
	put64(m, OTHER_GDT + DATA, 0x00cf920abcdeffff);
	KUNIT_EXPECT_EQ(test, task_switch(&m->t), EMU_OK);
	KUNIT_EXPECT_EQ(test, m->st.cr3, SPACE_2);
	KUNIT_EXPECT_EQ(test, m->st.seg[SEG_DS].base, 0x0abcde);
	KUNIT_EXPECT_EQ(test, get(m, OTHER_GDT + DATA + 5, 1), 0x93);
	/* Busy bits are the old one's. */
	KUNIT_EXPECT_TRUE(test, busy(m, NEW32));
	KUNIT_EXPECT_FALSE(test, busy(m, OLD));
	KUNIT_EXPECT_EQ(test, get(m, OTHER_GDT + NEW32 + 5, 1), 0x89);

	/* Without paging CR3 is not loaded. */
	machine_init(m, NEW32, TASK_JMP);
	put32(m, NEW_TSS + 0x1c, SPACE_2);
	m->st.cr0 &= ~X86_CR0_PG;
	KUNIT_EXPECT_EQ(test, task_switch(&m->t), EMU_OK);
	KUNIT_EXPECT_EQ(test, m->st.cr3, SPACE_1);
}

static void vm86_tasks(struct kunit *test)
{
	struct machine *m = machine_new(test, NEW32, TASK_JMP);

	put32(m, NEW_TSS + 0x24, X86_EFLAGS_VM);
	SEL(m, SEG_CS, 0x1233);
	SEL(m, SEG_SS, 0);
	SEL(m, SEG_DS, 0xffff);
	KUNIT_EXPECT_EQ(test, task_switch(&m->t), EMU_OK);
	KUNIT_EXPECT_EQ(test, m->st.cpl, 3);
	KUNIT_EXPECT_EQ(test, m->st.seg[SEG_CS].base, 0x12330);
	KUNIT_EXPECT_EQ(test, m->st.seg[SEG_CS].limit, 0xffff);
	KUNIT_EXPECT_EQ(test, m->st.seg[SEG_CS].dpl, 3);
	KUNIT_EXPECT_EQ(test, m->st.seg[SEG_SS].unusable, 0);
	KUNIT_EXPECT_EQ(test, m->st.seg[SEG_DS].base, 0xffff0);
}

/* The fault for a bad LDT is raised in VM86 mode, with what a CPU wants there. */
static void vm86_bad_ldt(struct kunit *test)
{
	struct machine *m = machine_new(test, NEW32, TASK_JMP);
	enum x86_seg nr;

	put32(m, NEW_TSS + 0x24, X86_EFLAGS_VM);
	put32(m, NEW_TSS + 0x60, DATA);
	KUNIT_EXPECT_EQ(test, task_switch(&m->t), EMU_FAULT);
	KUNIT_EXPECT_EQ(test, m->t.fault.vector, X86_TRAP_TS);
	KUNIT_EXPECT_EQ(test, m->t.fault.error, DATA);
	KUNIT_EXPECT_TRUE(test, m->t.switched);
	KUNIT_EXPECT_EQ(test, m->st.cpl, 3);
	for (nr = SEG_ES; nr <= SEG_GS; nr++) {
		KUNIT_EXPECT_EQ(test, m->st.seg[nr].base, m->st.seg[nr].selector << 4);
		KUNIT_EXPECT_EQ(test, m->st.seg[nr].limit, 0xffff);
		KUNIT_EXPECT_EQ(test, m->st.seg[nr].type, 3);
		KUNIT_EXPECT_EQ(test, m->st.seg[nr].dpl, 3);
		KUNIT_EXPECT_EQ(test, m->st.seg[nr].unusable, 0);
	}
}

static void debug_traps(struct kunit *test)
{
	struct machine *m = machine_new(test, NEW32, TASK_JMP);

	put16(m, NEW_TSS + 0x64, 1);
	KUNIT_EXPECT_EQ(test, task_switch(&m->t), EMU_OK);
	KUNIT_EXPECT_TRUE(test, m->t.debug_trap);
	machine_init(m, NEW32, TASK_JMP);
	put16(m, NEW_TSS + 0x64, 1);
	ds_beyond(m);
	KUNIT_EXPECT_EQ(test, task_switch(&m->t), EMU_FAULT);
	KUNIT_EXPECT_FALSE(test, m->t.debug_trap);
}

static void no_tasks_there(struct kunit *test)
{
	struct machine *m = machine_new(test, NEW32, TASK_JMP);

	m->st.efer = EFER_LMA;
	KUNIT_EXPECT_EQ(test, task_switch(&m->t), EMU_UNHANDLED);
	machine_init(m, NEW32, TASK_JMP);
	m->st.cr0 = 0;
	KUNIT_EXPECT_EQ(test, task_switch(&m->t), EMU_UNHANDLED);
	/* A TSS where nothing is. */
	machine_init(m, NEW32, TASK_JMP);
	put_desc(m, NEW32, 0xd0000000, 0x67, 0x89, 0);
	KUNIT_EXPECT_EQ(test, task_switch(&m->t), EMU_UNHANDLED);
	KUNIT_EXPECT_FALSE(test, m->t.switched);
	KUNIT_EXPECT_EQ(test, get(m, OLD_TSS + 0x20, 4), 0x5a5a5a5a);
}

static void interrupted_once(struct kunit *test, struct machine *m, struct machine *clean,
			     u8 source, int at, enum emu_result with)
{
	struct x86_state *was = &clean->st;

	machine_init(clean, NEW32, source);
	machine_init(m, NEW32, source);
	if (source == TASK_GATE) {
		event(m, EVENT_EXCEPTION, 13, true);
		event(clean, EVENT_EXCEPTION, 13, true);
	}
	m->fail_at = at;
	m->fail_with = with;
	KUNIT_EXPECT_EQ_MSG(test, task_switch(&m->t), with, "operation %d", at);
	KUNIT_EXPECT_FALSE(test, m->t.switched);
	KUNIT_EXPECT_EQ_MSG(test, memcmp(was, &m->st, sizeof(*was)), 0, "operation %d", at);
	/* Again, and all is as if nothing had been. */
	m->fail_at = 0;
	m->cr3 = SPACE_1;
	KUNIT_EXPECT_EQ_MSG(test, task_switch(&m->t), EMU_OK, "operation %d", at);
	KUNIT_EXPECT_EQ(test, task_switch(&clean->t), EMU_OK);
	KUNIT_EXPECT_EQ_MSG(test, memcmp(clean->mem, m->mem, MEM_SIZE), 0, "operation %d", at);
	KUNIT_EXPECT_EQ_MSG(test, memcmp(was, &m->st, sizeof(*was)), 0, "operation %d", at);
}

static void interrupted(struct kunit *test)
{
	struct machine *m = machine_new(test, NEW32, TASK_JMP);
	struct machine *clean = machine_new(test, NEW32, TASK_JMP);
	u8 source;
	int at, ops;

	for (source = TASK_CALL; source <= TASK_GATE; source++) {
		machine_init(m, NEW32, source);
		if (source == TASK_GATE)
			event(m, EVENT_EXCEPTION, 13, true);
		KUNIT_EXPECT_EQ(test, task_switch(&m->t), EMU_OK);
		ops = m->ops;
		KUNIT_EXPECT_GT(test, ops, 10);
		for (at = 1; at <= ops; at++) {
			interrupted_once(test, m, clean, source, at, EMU_RETRY);
			interrupted_once(test, m, clean, source, at, EMU_UNHANDLED);
		}
	}
}

/* Another CPU enters the same task: one of them has it. */
static enum emu_result steal(struct task_switch *t, u32 gva, u64 old, u64 new)
{
	struct machine *m = t->owner;

	put64(m, GDT + NEW32, get(m, GDT + NEW32, 8) | BIT_ULL(41));
	return fake_exchange(t, gva, old, new);
}

static void stolen(struct kunit *test)
{
	struct machine *m = machine_new(test, NEW32, TASK_CALL);
	struct task_ops ops = fake_ops;

	ops.exchange = steal;
	m->t.ops = &ops;
	KUNIT_EXPECT_EQ(test, task_switch(&m->t), EMU_RETRY);
	KUNIT_EXPECT_FALSE(test, m->t.switched);
	m->t.ops = &fake_ops;
	KUNIT_EXPECT_EQ(test, task_switch(&m->t), EMU_FAULT);
	KUNIT_EXPECT_EQ(test, m->t.fault.vector, X86_TRAP_GP);
}

static struct kunit_case task_cases[] = {
	KUNIT_CASE(new_registers),
	KUNIT_CASE(old_registers),
	KUNIT_CASE(narrow_tasks),
	KUNIT_CASE(links),
	KUNIT_CASE(faults),
	KUNIT_CASE(unloaded_segments),
	KUNIT_CASE(user_tasks),
	KUNIT_CASE(error_codes),
	KUNIT_CASE(address_spaces),
	KUNIT_CASE(vm86_tasks),
	KUNIT_CASE(vm86_bad_ldt),
	KUNIT_CASE(debug_traps),
	KUNIT_CASE(no_tasks_there),
	KUNIT_CASE(interrupted),
	KUNIT_CASE(stolen),
	{}
};

static struct kunit_suite task_suite = {
	.name = "ditto-taskswitch",
	.test_cases = task_cases,
};

kunit_test_suite(task_suite);
