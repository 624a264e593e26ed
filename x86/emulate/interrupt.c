// SPDX-License-Identifier: GPL-2.0-only
/*
 * INT n, INT1, INT3 and INTO: through the vector table of real mode, or through a gate.
 *
 * Owns their checks, in the order of the SDM's pseudo-code (vol. 2), and the frames: those of
 * 16, 32 and 64 bits, on the present stack, on the TSS's or an IST's, and that of
 * virtual-8086 mode. Exceptions and interrupts of devices, which come here where no CPU runs the
 * guest, differ in what they push.
 */
#include "x86/emulate/descriptor.h"

/* Error code that names a gate of the IDT. */
static enum emu_result gate_fault(struct emu_ctxt *c, u8 trap, u8 vector)
{
	return emu_fault_code(c, trap, vector << 3 | 2 | c->ext);
}

/* Through the vector at @table; @clear goes from the flags, of which the frame has @pushed. */
static enum emu_result int_8086(struct emu_ctxt *c, u64 table, u64 pushed, u64 clear)
{
	struct kvm_segment cs;
	struct emu_frame f;
	enum emu_result r;
	u16 to[2] = { 0 };

	c->ops->get_segment(c, EMU_CS, &cs);
	emu_frame_begin(c, &f, 2);
	emu_frame_push(&f, pushed);
	emu_frame_push(&f, cs.selector);
	emu_frame_push(&f, c->next_rip);
	r = emu_frame_check(c, &f);
	if (r == EMU_OK)
		r = c->ops->read(c, table, to, sizeof(to), EMU_ACC_SYSTEM);
	if (r == EMU_OK)
		r = emu_code_check_target(c, &cs, to[0]);
	if (r == EMU_OK)
		r = emu_frame_write(c, &f);
	emu_segment_stage_real(c, EMU_CS, to[1]);
	c->next_rip = to[0];
	c->next_rflags &= ~clear;
	return r;
}

static enum emu_result int_real(struct emu_ctxt *c, u8 vector)
{
	struct kvm_dtable idt;

	c->ops->get_dt(c, true, &idt);
	if (vector * 4 + 3 > idt.limit)
		return gate_fault(c, X86_TRAP_GP, vector);
	return int_8086(c, idt.base + vector * 4, c->next_rflags,
			X86_EFLAGS_IF | X86_EFLAGS_TF | X86_EFLAGS_AC | X86_EFLAGS_RF);
}

/* The virtual 8086 handles it, by the table at 0. */
static enum emu_result int_redirected(struct emu_ctxt *c, u8 vector)
{
	bool virtual = emu_vme(c);

	c->no_step = true;
	return int_8086(c, vector * 4, virtual ? emu_vme_flags(c) : c->next_rflags,
			X86_EFLAGS_TF | X86_EFLAGS_RF | (virtual ? X86_EFLAGS_VIF : X86_EFLAGS_IF));
}

/* Gates */

/**
 * struct int_gate - where an interrupt goes
 * @gate: as read
 * @code: of its code segment
 * @cpl: that the handler has
 * @inner: on a stack of the TSS
 */
struct int_gate {
	struct emu_desc gate;
	struct emu_desc code;
	u8 cpl;
	bool inner;
};

static u64 int_gate_offset(const struct int_gate *g)
{
	u64 offset = (g->gate.raw & 0xffff) | (g->gate.raw >> 32 & 0xffff0000);

	return DESC_TYPE(g->gate.raw) & TYPE_WIDE ? offset | g->gate.high << 32 : offset & 0xffff;
}

static bool gate_type_is_known(bool lma, u64 gate)
{
	u32 known = BIT(TYPE_INT32) | BIT(TYPE_TRAP32);

	if (!lma)
		known |= BIT(TYPE_INT16) | BIT(TYPE_TRAP16) | BIT(TYPE_TASK_GATE);
	return !(gate & DESC_S) && known >> DESC_TYPE(gate) & 1;
}

static enum emu_result gate_read(struct emu_ctxt *c, u8 vector, struct emu_desc *gate)
{
	bool lma = c->ops->is_lma(c);
	unsigned int size = lma ? 16 : 8;
	struct kvm_dtable idt;
	enum emu_result r;
	u64 buf[2] = { 0 };

	c->ops->get_dt(c, true, &idt);
	if (vector * size + size - 1 > idt.limit)
		return gate_fault(c, X86_TRAP_GP, vector);
	r = c->ops->read(c, idt.base + vector * size, buf, size, EMU_ACC_SYSTEM);
	gate->raw = buf[0];
	gate->high = buf[1];
	if (r == EMU_OK && !gate_type_is_known(lma, gate->raw))
		return gate_fault(c, X86_TRAP_GP, vector);
	/* INT1 is the hardware's and not the program's, in this respect. */
	if (r == EMU_OK && !c->ext && DESC_DPL(gate->raw) < c->cpl)
		return gate_fault(c, X86_TRAP_GP, vector);
	if (r == EMU_OK && !(gate->raw & DESC_P))
		return gate_fault(c, X86_TRAP_NP, vector);
	return r;
}

static enum emu_result gate_read_code(struct emu_ctxt *c, struct int_gate *g)
{
	u16 selector = g->gate.raw >> 16;
	enum emu_result r = emu_desc_read_target(c, selector, &g->code);

	if (r == EMU_OK)
		r = emu_desc_check_code(c, &g->code, emu_desc_fits_gate(c, g->code.raw));
	if (r != EMU_OK)
		return r;
	g->inner = !desc_conforms(g->code.raw) && DESC_DPL(g->code.raw) < c->cpl;
	g->cpl = g->inner ? DESC_DPL(g->code.raw) : c->cpl;
	/* Out of virtual-8086 mode there is only one way. */
	if (c->mode == EMU_VM86 && (!g->inner || g->cpl))
		return emu_selector_fault(c, X86_TRAP_GP, selector);
	return EMU_OK;
}

static unsigned int int_gate_size(struct emu_ctxt *c, const struct int_gate *g)
{
	if (c->ops->is_lma(c))
		return 8;
	return DESC_TYPE(g->gate.raw) & TYPE_WIDE ? 4 : 2;
}

static void push_selector(struct emu_ctxt *c, struct emu_frame *f, enum emu_seg nr)
{
	struct kvm_segment seg;

	c->ops->get_segment(c, nr, &seg);
	emu_frame_push(f, seg.selector);
}

/* Which stack; in long mode it is aligned. */
static enum emu_result int_stack(struct emu_ctxt *c, const struct int_gate *g,
				 struct emu_frame *f)
{
	bool lma = c->ops->is_lma(c);
	unsigned int ist = lma ? g->gate.raw >> 32 & 7 : 0;
	enum emu_result r = EMU_OK;

	if (g->inner || ist)
		r = emu_frame_begin_inner(c, f, g->cpl, ist);
	else
		emu_frame_begin(c, f, 0);
	f->size = int_gate_size(c, g);
	if (r != EMU_OK || !lma)
		return r;
	f->wide = true;
	f->rsp &= ~15ull;
	/* An IST for the same level leaves SS. */
	if (!g->inner)
		c->ops->get_segment(c, EMU_SS, &f->ss);
	return EMU_OK;
}

static void int_push(struct emu_ctxt *c, const struct int_gate *g, struct emu_frame *f)
{
	if (c->mode == EMU_VM86) {
		push_selector(c, f, EMU_GS);
		push_selector(c, f, EMU_FS);
		push_selector(c, f, EMU_DS);
		push_selector(c, f, EMU_ES);
	}
	if (g->inner || f->wide) {
		push_selector(c, f, EMU_SS);
		emu_frame_push(f, c->regs[EMU_RSP]);
	}
	emu_frame_push(f, c->next_rflags);
	push_selector(c, f, EMU_CS);
	emu_frame_push(f, c->next_rip);
	if (c->push_error)
		emu_frame_push(f, c->error);
}

/* Selectors of virtual-8086 mode mean nothing to the handler. */
static void int_drop_segments(struct emu_ctxt *c)
{
	static const u8 data[] = { EMU_ES, EMU_DS, EMU_FS, EMU_GS };
	struct kvm_segment null = { .unusable = 1 };
	unsigned int i;

	for (i = 0; i < sizeof(data); i++)
		emu_segment_stage(c, data[i], &null);
}

static void int_stage(struct emu_ctxt *c, const struct int_gate *g, struct kvm_segment *cs)
{
	u64 clear = X86_EFLAGS_TF | X86_EFLAGS_VM | X86_EFLAGS_RF | X86_EFLAGS_NT;

	if (!(DESC_TYPE(g->gate.raw) & 1))
		clear |= X86_EFLAGS_IF;
	cs->selector = (cs->selector & ~3) | g->cpl;
	emu_segment_stage(c, EMU_CS, cs);
	if (c->mode == EMU_VM86)
		int_drop_segments(c);
	c->next_cpl = g->cpl;
	c->next_rip = int_gate_offset(g);
	c->next_rflags &= ~clear;
}

static enum emu_result int_gate(struct emu_ctxt *c, struct int_gate *g)
{
	struct kvm_segment cs;
	struct emu_frame f;
	enum emu_result r = gate_read_code(c, g);

	if (r == EMU_OK)
		r = int_stack(c, g, &f);
	if (r != EMU_OK)
		return r;
	int_push(c, g, &f);
	cs = emu_desc_segment(&g->code);
	r = emu_frame_check(c, &f);
	if (r == EMU_OK)
		r = emu_code_check_target(c, &cs, int_gate_offset(g));
	if (r == EMU_OK)
		r = emu_desc_mark(c, &g->code);
	if (r == EMU_OK)
		r = emu_frame_write(c, &f);
	int_stage(c, g, &cs);
	return r;
}

static enum emu_result int_deliver(struct emu_ctxt *c, u8 vector)
{
	struct int_gate g;
	enum emu_result r;

	/* TF is cleared on the way: nothing is left to end in a trap. */
	c->no_step = true;
	if (c->mode == EMU_REAL)
		return int_real(c, vector);
	r = gate_read(c, vector, &g.gate);
	if (r != EMU_OK)
		return r;
	if (DESC_TYPE(g.gate.raw) == TYPE_TASK_GATE)
		return c->ops->task_switch(c, g.gate.raw >> 16, EMU_TASK_GATE, vector);
	return int_gate(c, &g);
}

/* Only this one is IOPL's affair in virtual-8086 mode, unless it is redirected (CR4.VME). */
static enum emu_result int_vm86(struct emu_ctxt *c, u8 vector)
{
	bool redirects = false;
	enum emu_result r = EMU_OK;

	if (c->ops->get_cr(c, 4) & X86_CR4_VME)
		r = emu_vme_redirects(c, vector, &redirects);
	if (r != EMU_OK)
		return r;
	if (redirects)
		return int_redirected(c, vector);
	return emu_iopl(c) == 3 ? int_deliver(c, vector) : emu_gp0(c);
}

enum emu_result emu_int(struct emu_ctxt *c)
{
	u8 vector = c->src.val[0];

	return c->mode == EMU_VM86 ? int_vm86(c, vector) : int_deliver(c, vector);
}

/**
 * emu_raise() - an event of emu_deliver()
 * @c: context; ext, push_error and error are set
 * @vector: of the event
 *
 * Return: as emu_execute().
 */
enum emu_result emu_raise(struct emu_ctxt *c, u8 vector)
{
	return int_deliver(c, vector);
}

enum emu_result emu_int3(struct emu_ctxt *c)
{
	return int_deliver(c, X86_TRAP_BP);
}

enum emu_result emu_into(struct emu_ctxt *c)
{
	return c->rflags & X86_EFLAGS_OF ? int_deliver(c, X86_TRAP_OF) : EMU_OK;
}

enum emu_result emu_int1(struct emu_ctxt *c)
{
	c->ext = 1;
	return int_deliver(c, X86_TRAP_DB);
}
