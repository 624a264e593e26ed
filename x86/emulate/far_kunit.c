// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit: control transfers that load CS, on a fake machine with a GDT, an IDT and a TSS of its
 * own: what becomes of CS, SS, the stack and the flags, and which fault comes first.
 *
 * What a real CPU makes of the same is compared by the tiny guests that run code both ways;
 * here are the cases that need descriptors which no running guest has.
 */
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

static enum emu_result far_check(struct emu_ctxt *c, u64 gva, unsigned int len)
{
	if (gva + len <= HOLE)
		return EMU_OK;
	c->fault = (struct emu_fault){ .valid = true, .vector = X86_TRAP_PF, .has_error = true,
				       .cr2 = gva };
	return EMU_FAULT;
}

static enum emu_result far_op_fetch(struct emu_ctxt *c, u64 gva, void *buf, unsigned int len)
{
	struct far_machine *m = c->owner;

	memcpy(buf, m->mem + gva, len);
	return EMU_OK;
}

static enum emu_result far_op_read(struct emu_ctxt *c, u64 gva, void *buf, unsigned int len,
				   unsigned int access)
{
	struct far_machine *m = c->owner;
	enum emu_result r = far_check(c, gva, len);

	if (r == EMU_OK)
		memcpy(buf, m->mem + gva, len);
	return r;
}

static enum emu_result far_op_probe(struct emu_ctxt *c, u64 gva, unsigned int len,
				    unsigned int access)
{
	return far_check(c, gva, len);
}

static enum emu_result far_op_write(struct emu_ctxt *c, u64 gva, const void *buf,
				    unsigned int len, unsigned int access)
{
	struct far_machine *m = c->owner;
	enum emu_result r = far_check(c, gva, len);

	if (r == EMU_OK)
		memcpy(m->mem + gva, buf, len);
	m->writes += access != EMU_ACC_SYSTEM;
	return r;
}

static enum emu_result far_op_cmpxchg(struct emu_ctxt *c, u64 gva, const void *old,
				      const void *new, unsigned int len)
{
	struct far_machine *m = c->owner;

	if (memcmp(m->mem + gva, old, len))
		return EMU_RETRY;
	return far_op_write(c, gva, new, len, 0);
}

static void far_op_get_segment(struct emu_ctxt *c, enum emu_seg nr, struct kvm_segment *seg)
{
	*seg = ((struct far_machine *)c->owner)->seg[nr];
}

static void far_op_set_segment(struct emu_ctxt *c, enum emu_seg nr, const struct kvm_segment *seg)
{
	((struct far_machine *)c->owner)->seg[nr] = *seg;
}

static void far_op_get_dt(struct emu_ctxt *c, bool idt, struct kvm_dtable *dt)
{
	*dt = (struct kvm_dtable){ .base = idt ? IDT : GDT, .limit = idt ? 0x7ff : 0xff };
	if (idt && c->mode == EMU_REAL)
		dt->base = 0;
}

static bool far_op_is_lma(struct emu_ctxt *c)
{
	return ((struct far_machine *)c->owner)->lma;
}

static u64 far_op_get_cr(struct emu_ctxt *c, unsigned int nr)
{
	return nr == 4 ? ((struct far_machine *)c->owner)->cr4 : X86_CR0_PE;
}

static bool far_op_is_intel(struct emu_ctxt *c)
{
	return ((struct far_machine *)c->owner)->intel;
}

static u64 far_op_get_sysreg(struct emu_ctxt *c, enum emu_sysreg nr)
{
	return ((struct far_machine *)c->owner)->sysreg[nr];
}

static void far_op_set_kernel_gs_base(struct emu_ctxt *c, u64 val)
{
	((struct far_machine *)c->owner)->sysreg[EMU_KERNEL_GS_BASE] = val;
}

static enum emu_result far_op_task_switch(struct emu_ctxt *c, u16 selector, enum emu_task source,
					  u8 via)
{
	struct far_machine *m = c->owner;

	m->task = 1 + source;
	m->task_selector = selector;
	m->task_via = via;
	c->switched = true;
	return EMU_OK;
}

static const struct emu_ops far_ops = {
	.fetch = far_op_fetch, .read = far_op_read, .probe = far_op_probe, .write = far_op_write,
	.cmpxchg = far_op_cmpxchg, .get_segment = far_op_get_segment,
	.set_segment = far_op_set_segment, .get_dt = far_op_get_dt, .is_lma = far_op_is_lma,
	.get_cr = far_op_get_cr, .is_intel = far_op_is_intel, .get_sysreg = far_op_get_sysreg,
	.set_kernel_gs_base = far_op_set_kernel_gs_base, .task_switch = far_op_task_switch,
};

/* @access: P, DPL, S and type; @flags: G, D, L. */
static u64 far_desc(u32 base, u32 limit, u8 access, u8 flags)
{
	return (limit & 0xffff) | (u64)(base & 0xffffff) << 16 | (u64)access << 40 |
	       (u64)(limit >> 16) << 48 | (u64)flags << 52 | (u64)(base >> 24) << 56;
}

static u64 far_gate(u16 selector, u32 offset, u8 access, u8 low)
{
	return (offset & 0xffff) | (u64)selector << 16 | (u64)low << 32 | (u64)access << 40 |
	       (u64)(offset >> 16) << 48;
}

static u64 *far_at(struct far_machine *m, u64 gva)
{
	return (u64 *)(m->mem + gva);
}

static u64 *far_gdt(struct far_machine *m, u16 selector)
{
	return far_at(m, GDT + (selector & ~7));
}

static void far_put_gdt(struct far_machine *m)
{
	*far_gdt(m, C64_0) = far_desc(0, 0xfffff, 0x9b, 0xa);
	*far_gdt(m, DATA_0) = far_desc(0, 0xfffff, 0x93, 0xc);
	*far_gdt(m, C32_0) = far_desc(0, 0xfffff, 0x9a, 0xc);	/* not accessed */
	*far_gdt(m, C32_3) = far_desc(0, 0xfffff, 0xfb, 0xc);
	*far_gdt(m, DATA_3) = far_desc(0, 0xfffff, 0xf3, 0xc);
	*far_gdt(m, C64_3) = far_desc(0, 0xfffff, 0xfb, 0xa);
	*far_gdt(m, C16_0) = far_desc(0, 0xffff, 0x9b, 0);
	*far_gdt(m, CONF_0) = far_desc(0, 0xfffff, 0x9f, 0xc);
	*far_gdt(m, GATE32) = far_gate(C32_0, 0x1234, 0xec, 2);
	*far_gdt(m, TASK) = far_desc(TSS, 0x67, 0xe9, 0);
	*far_gdt(m, TGATE) = far_gate(TASK, 0, 0xe5, 0);
	*far_gdt(m, GATE64) = far_gate(C64_0, 0x1234, 0xec, 0);
	*far_gdt(m, ABSENT) = far_desc(0, 0xfffff, 0x1b, 0xc);
	*far_gdt(m, BUSY) = far_desc(TSS, 0x67, 0x8b, 0);
	*far_gdt(m, LDT) = far_desc(0x2800, 0xf, 0x82, 0);
	*far_gdt(m, NEWTSS) = far_desc(TSS, 0x67, 0x89, 0);
	far_gdt(m, NEWTSS)[1] = 0x12;
	*far_gdt(m, GATE16) = far_gate(C16_0, 0x1234, 0xe4, 0);
	*far_gdt(m, GATE_0) = far_gate(C32_0, 0x1234, 0x8c, 0);
	*far_gdt(m, SMALL) = far_desc(0, 0xfff, 0x9b, 4);
	*far_gdt(m, MIXED) = far_desc(0, 0xfffff, 0x9b, 0xe);
}

static void far_put_gate(struct far_machine *m, u8 vector, u64 gate)
{
	if (!m->lma) {
		*far_at(m, IDT + 8 * vector) = gate;
		return;
	}
	*far_at(m, IDT + 16 * vector) = gate;
	*far_at(m, IDT + 16 * vector + 8) = 0;
}

/* 30: interrupt, 31: trap, 32: for level 0, 33: task or IST, 34: 16 bits, 35: absent. */
static void far_put_idt(struct far_machine *m)
{
	u16 cs = m->lma ? C64_0 : C32_0;

	far_put_gate(m, 1, far_gate(cs, 0x2222, 0x8e, 0));
	far_put_gate(m, 3, far_gate(cs, 0x2222, 0xee, 0));
	far_put_gate(m, 4, far_gate(cs, 0x2222, 0xee, 0));
	far_put_gate(m, 0x30, far_gate(cs, 0x2222, 0xee, 0));
	far_put_gate(m, 0x31, far_gate(cs, 0x2222, 0xef, 0));
	far_put_gate(m, 0x32, far_gate(cs, 0x2222, 0x8e, 0));
	far_put_gate(m, 0x33, m->lma ? far_gate(cs, 0x2222, 0xee, 1) : far_gate(TASK, 0, 0xe5, 0));
	far_put_gate(m, 0x34, far_gate(C16_0, 0x2222, 0xe6, 0));
	far_put_gate(m, 0x35, far_gate(cs, 0x2222, 0x6e, 0));
	far_put_gate(m, 0x36, far_gate(CONF_0, 0x2222, 0xee, 0));
	far_put_gate(m, 0x37, far_gate(ABSENT, 0x2222, 0xee, 0));
}

static void far_put_tss(struct far_machine *m)
{
	u32 *tss = (u32 *)(m->mem + TSS);

	tss[1] = STACK0;
	tss[2] = m->lma ? 0 : DATA_0;
	tss[9] = STACK_IST;
	tss[0] = TASK;
}

/* By its descriptor. */
static void far_load(struct far_machine *m, enum emu_seg nr, u16 selector)
{
	struct emu_desc d = { .raw = *far_gdt(m, selector), .selector = selector };

	m->seg[nr] = emu_desc_segment(&d);
}

static void far_load_real(struct far_machine *m)
{
	enum emu_seg nr;

	for (nr = EMU_ES; nr <= EMU_GS; nr++)
		m->seg[nr] = (struct kvm_segment){ .limit = 0xffff, .type = 3, .present = 1,
						   .s = 1, .dpl = m->c.cpl };
}

static void far_load_protected(struct far_machine *m)
{
	static const u16 cs[2][5] = {
		{ 0, 0, C16_0, C32_0, C64_0 }, { 0, 0, C32_3, C32_3, C64_3 },
	};
	u16 data = m->c.cpl ? DATA_3 : DATA_0;

	far_load(m, EMU_CS, cs[m->c.cpl == 3][m->c.mode]);
	far_load(m, EMU_SS, data);
	far_load(m, EMU_DS, data);
	far_load(m, EMU_ES, DATA_3);
	far_load(m, EMU_FS, data);
	far_load(m, EMU_GS, data);
}

static void far_put_stack(struct far_machine *m, const struct far_case *t)
{
	unsigned int i;

	for (i = 0; i < t->nr_stack; i++)
		memcpy(m->mem + STACK + i * t->size, &t->stack[i], t->size);
}

static void far_reset(struct far_machine *m, const struct far_case *t)
{
	memset(m, 0, sizeof(*m));
	m->t = t;
	m->intel = true;
	m->lma = t->mode == EMU_PROT64 || t->compat;
	m->c.ops = &far_ops;
	m->c.owner = m;
	m->c.mode = t->mode;
	m->c.cpl = t->mode == EMU_VM86 ? 3 : t->cpl;
	m->c.regs = m->regs;
	m->c.rip = CODE;
	m->c.rflags = FIXED | t->flags | (t->mode == EMU_VM86 ? X86_EFLAGS_VM : 0);
	m->regs[EMU_RSP] = STACK;
	m->regs[EMU_RAX] = t->rax;
	m->regs[EMU_RBX] = 0x2000;
	memcpy(m->mem + CODE, t->code, t->len);
	*far_at(m, 0x2000) = t->rax;
	*far_at(m, 0x2008) = t->at_2008;
	far_put_gdt(m);
	if (t->mode == EMU_REAL)
		*far_at(m, 4 * 0x30) = 0x2222 | 0x100 << 16;
	else
		far_put_idt(m);
	far_put_tss(m);
	m->seg[EMU_TR] = (struct kvm_segment){ .base = TSS, .limit = 0x67, .selector = BUSY,
					       .type = 11, .present = 1 };
	m->seg[EMU_LDTR].unusable = 1;
	if (t->mode == EMU_REAL || t->mode == EMU_VM86)
		far_load_real(m);
	else
		far_load_protected(m);
	far_put_stack(m, t);
}

static enum emu_result far_step(struct far_machine *m)
{
	enum emu_result r = emu_decode(&m->c, 0);

	return r == EMU_OK ? emu_execute(&m->c) : r;
}

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

static struct far_machine *far_alloc(struct kunit *test)
{
	struct far_machine *m = kunit_kzalloc(test, sizeof(*m), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, m);
	return m;
}

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

/* System calls */

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

static struct kunit_case far_kunit_cases[] = {
	KUNIT_CASE(far_test_jumps),
	KUNIT_CASE(far_test_gates),
	KUNIT_CASE(far_test_returns),
	KUNIT_CASE(far_test_ints),
	KUNIT_CASE(far_test_accessed),
	KUNIT_CASE(far_test_dropped),
	KUNIT_CASE(far_test_bad_stacks),
	KUNIT_CASE(far_test_no_memory),
	KUNIT_CASE(far_test_steps),
	KUNIT_CASE(far_test_tasks),
	KUNIT_CASE(far_test_amd_pointer),
	KUNIT_CASE(far_test_syscall),
	KUNIT_CASE(far_test_syscall_legacy),
	KUNIT_CASE(far_test_sysret),
	KUNIT_CASE(far_test_sysenter),
	KUNIT_CASE(far_test_swapgs),
	KUNIT_CASE(far_test_lldt),
	KUNIT_CASE(far_test_ltr),
	{}
};

static struct kunit_suite far_kunit_suite = {
	.name = "ditto_emulate_far",
	.test_cases = far_kunit_cases,
};

kunit_test_suite(far_kunit_suite);
