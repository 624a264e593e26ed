// SPDX-License-Identifier: GPL-2.0-only
/*
 * The fake machine of the tests of far transfers and system calls: flat memory up to a hole, and
 * in it a GDT, an IDT and a TSS, with something of everything.
 */
#include "x86/emulate/far_machine_kunit.h"

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

/**
 * far_desc() - a descriptor of a segment
 * @base: base
 * @limit: limit, in units of G
 * @access: P, DPL, S and type
 * @flags: G, D, L
 *
 * Return: it.
 */
u64 far_desc(u32 base, u32 limit, u8 access, u8 flags)
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

/**
 * far_gdt() - where a selector's descriptor is
 * @m: machine
 * @selector: selector
 *
 * Return: it.
 */
u64 *far_gdt(struct far_machine *m, u16 selector)
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

/**
 * far_load() - load a segment register by the descriptor of a selector
 * @m: machine
 * @nr: which
 * @selector: selector
 */
void far_load(struct far_machine *m, enum emu_seg nr, u16 selector)
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

/**
 * far_reset() - a machine as a case wants it
 * @m: machine
 * @t: case; it outlives what is done with @m
 */
void far_reset(struct far_machine *m, const struct far_case *t)
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

/**
 * far_step() - execute the instruction at rip
 * @m: machine
 *
 * Return: enum emu_result.
 */
enum emu_result far_step(struct far_machine *m)
{
	enum emu_result r = emu_decode(&m->c, 0);

	return r == EMU_OK ? emu_execute(&m->c) : r;
}

/**
 * far_alloc() - a machine, until the test ends
 * @test: test
 *
 * Return: it; it must be reset first.
 */
struct far_machine *far_alloc(struct kunit *test)
{
	struct far_machine *m = kunit_kzalloc(test, sizeof(*m), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, m);
	return m;
}
