// SPDX-License-Identifier: GPL-2.0-only
/*
 * Far JMP and CALL: to another code segment, through a call gate, or to another task.
 *
 * Owns their checks, in the order of the SDM's pseudo-code (vol. 2). Where a gate leads to a
 * more privileged level the stack is another one, too (frame.c). The switch to another task
 * is the owner's, by ops->task_switch.
 */
#include "x86/emulate/descriptor.h"

/* CALL, not JMP: 9A of 9A and EA, /3 of /3 and /5. */
static bool far_is_call(const struct emu_ctxt *c)
{
	return c->opcode == 0x9a || (c->opcode == 0xff && (c->modrm >> 3 & 7) == 3);
}

/* A call's frame: two items of @f, on whichever stack. */
static void far_push_return(struct emu_ctxt *c, struct emu_frame *f)
{
	struct kvm_segment cs;

	c->ops->get_segment(c, EMU_CS, &cs);
	emu_frame_push(f, cs.selector);
	emu_frame_push(f, c->next_rip);
}

/* The last checks, the accessed bit, the push, and CS:rIP. @f: NULL: nothing is pushed. */
static enum emu_result far_enter(struct emu_ctxt *c, const struct emu_desc *d, u8 cpl, u64 rip,
				 struct emu_frame *f)
{
	struct kvm_segment cs = emu_desc_segment(d);
	enum emu_result r = EMU_OK;

	if (f)
		r = emu_frame_check(c, f);
	if (r == EMU_OK)
		r = emu_code_check_target(c, &cs, rip);
	if (r == EMU_OK)
		r = emu_desc_mark(c, d);
	if (r == EMU_OK && f)
		r = emu_frame_write(c, f);
	if (r != EMU_OK)
		return r;
	cs.selector = (d->selector & ~3) | cpl;
	emu_segment_stage(c, EMU_CS, &cs);
	c->next_cpl = cpl;
	c->next_rip = rip;
	return EMU_OK;
}

static enum emu_result far_real(struct emu_ctxt *c, u16 selector, u64 rip)
{
	struct kvm_segment cs;
	struct emu_frame f;
	enum emu_result r;

	c->ops->get_segment(c, EMU_CS, &cs);
	emu_frame_begin(c, &f, c->opsize);
	far_push_return(c, &f);
	r = far_is_call(c) ? emu_frame_check(c, &f) : EMU_OK;
	if (r == EMU_OK)
		r = emu_code_check_target(c, &cs, rip);
	if (r == EMU_OK && far_is_call(c))
		r = emu_frame_write(c, &f);
	emu_segment_stage_real(c, EMU_CS, selector);
	c->next_rip = rip;
	return r;
}

static bool code_reachable(const struct emu_ctxt *c, const struct emu_desc *d)
{
	if (desc_conforms(d->raw))
		return DESC_DPL(d->raw) <= c->cpl;
	return (d->selector & 3) <= c->cpl && DESC_DPL(d->raw) == c->cpl;
}

static enum emu_result far_code(struct emu_ctxt *c, const struct emu_desc *d, u64 rip)
{
	struct emu_frame f;
	enum emu_result r;

	r = emu_desc_check_code(c, d, desc_is_code(d->raw) && !emu_desc_is_mixed(c, d->raw) &&
				code_reachable(c, d));
	if (r != EMU_OK)
		return r;
	emu_frame_begin(c, &f, c->opsize);
	far_push_return(c, &f);
	return far_enter(c, d, c->cpl, rip, far_is_call(c) ? &f : NULL);
}

/* Call gates */

static u64 far_gate_offset(const struct emu_desc *gate)
{
	u64 offset = (gate->raw & 0xffff) | (gate->raw >> 32 & 0xffff0000);

	return DESC_TYPE(gate->raw) == TYPE_CALL16 ? offset & 0xffff : offset | gate->high << 32;
}

static bool code_fits_gate(struct emu_ctxt *c, const struct emu_desc *d)
{
	if (!emu_desc_fits_gate(c, d->raw))
		return false;
	/* A jump changes no level. */
	if (!far_is_call(c) && !desc_conforms(d->raw) && DESC_DPL(d->raw) != c->cpl)
		return false;
	return true;
}

static unsigned int call_gate_size(struct emu_ctxt *c, const struct emu_desc *gate)
{
	if (c->ops->is_lma(c))
		return 8;
	return DESC_TYPE(gate->raw) == TYPE_CALL16 ? 2 : 4;
}

/* Parameters of the caller, as they lie on its stack; there are none in long mode. */
static enum emu_result gate_push_params(struct emu_ctxt *c, const struct emu_desc *gate,
					struct emu_frame *f)
{
	unsigned int len = (gate->raw >> 32 & 31) * f->size;
	struct kvm_segment ss;
	enum emu_result r;
	u8 buf[31 * 4];

	if (f->size == 8 || !len)
		return EMU_OK;
	c->ops->get_segment(c, EMU_SS, &ss);
	r = emu_read_seg(c, EMU_SS, c->regs[EMU_RSP] & emu_mask(ss.db ? 4 : 2), buf, len);
	if (r == EMU_OK)
		emu_frame_push_bytes(f, buf, len);
	return r;
}

static enum emu_result gate_call_inner(struct emu_ctxt *c, const struct emu_desc *gate,
				       const struct emu_desc *code)
{
	struct kvm_segment ss;
	struct emu_frame f;
	enum emu_result r = emu_frame_begin_inner(c, &f, DESC_DPL(code->raw), 0);

	if (r != EMU_OK)
		return r;
	f.size = call_gate_size(c, gate);
	c->ops->get_segment(c, EMU_SS, &ss);
	emu_frame_push(&f, ss.selector);
	emu_frame_push(&f, c->regs[EMU_RSP]);
	r = gate_push_params(c, gate, &f);
	if (r != EMU_OK)
		return r;
	far_push_return(c, &f);
	return far_enter(c, code, f.cpl, far_gate_offset(gate), &f);
}

static enum emu_result far_gate(struct emu_ctxt *c, const struct emu_desc *gate)
{
	struct emu_desc code;
	struct emu_frame f;
	enum emu_result r = emu_desc_read_target(c, gate->raw >> 16, &code);

	if (r == EMU_OK)
		r = emu_desc_check_code(c, &code, code_fits_gate(c, &code));
	if (r != EMU_OK)
		return r;
	if (far_is_call(c) && !desc_conforms(code.raw) && DESC_DPL(code.raw) < c->cpl)
		return gate_call_inner(c, gate, &code);
	emu_frame_begin(c, &f, call_gate_size(c, gate));
	f.wide = c->ops->is_lma(c);	/* as the code that is called */
	far_push_return(c, &f);
	return far_enter(c, &code, c->cpl, far_gate_offset(gate), far_is_call(c) ? &f : NULL);
}

/* What is no code: gates and tasks. */

static enum emu_result far_task(struct emu_ctxt *c, const struct emu_desc *d)
{
	bool gate = DESC_TYPE(d->raw) == TYPE_TASK_GATE;

	return c->ops->task_switch(c, gate ? d->raw >> 16 : d->selector,
				   far_is_call(c) ? EMU_TASK_CALL : EMU_TASK_JMP, 0);
}

static bool system_type_is_known(struct emu_ctxt *c, u64 desc)
{
	u32 known = c->ops->is_lma(c) ? BIT(TYPE_CALL32) :
		    BIT(TYPE_CALL16) | BIT(TYPE_CALL32) | BIT(TYPE_TASK_GATE) | BIT(TYPE_TSS16) |
		    BIT(TYPE_TSS32);

	return known >> DESC_TYPE(desc) & 1;
}

static enum emu_result far_system(struct emu_ctxt *c, struct emu_desc *d)
{
	u8 dpl = DESC_DPL(d->raw);

	if (!system_type_is_known(c, d->raw) || dpl < c->cpl || dpl < (d->selector & 3))
		return emu_selector_fault(c, X86_TRAP_GP, d->selector);
	if (c->ops->is_lma(c)) {
		enum emu_result r = emu_desc_read_high(c, X86_TRAP_GP, d);

		if (r != EMU_OK)
			return r;
	}
	if (!(d->raw & DESC_P))
		return emu_selector_fault(c, X86_TRAP_NP, d->selector);
	return (DESC_TYPE(d->raw) & 7) == TYPE_CALL16 ? far_gate(c, d) : far_task(c, d);
}

static enum emu_result far_transfer(struct emu_ctxt *c, u16 selector, u64 rip)
{
	struct emu_desc d;
	enum emu_result r;

	if (emu_realish(c))
		return far_real(c, selector, rip);
	r = emu_desc_read_target(c, selector, &d);
	if (r != EMU_OK)
		return r;
	return d.raw & DESC_S ? far_code(c, &d, rip) : far_system(c, &d);
}

/* CALL and JMP to an offset and a selector in the instruction. */
enum emu_result emu_far_imm(struct emu_ctxt *c)
{
	return far_transfer(c, c->src2.val[0], c->src.val[0] & emu_mask(c->opsize));
}

/* AMD's CPUs have no pointers of 64 bits: REX.W only widens what CALL pushes. */
static unsigned int far_pointer_size(struct emu_ctxt *c)
{
	return c->opsize == 8 && !c->ops->is_intel(c) ? 4 : c->opsize;
}

/* CALL and JMP to an offset and a selector in memory. */
enum emu_result emu_far_mem(struct emu_ctxt *c)
{
	unsigned int size = far_pointer_size(c);
	enum emu_result r;
	u64 rip = 0;
	u16 selector;
	u8 buf[10];

	r = emu_read_seg(c, c->seg, emu_effective_address(c), buf, size + 2);
	if (r != EMU_OK)
		return r;
	memcpy(&rip, buf, size);
	memcpy(&selector, buf + size, 2);
	return far_transfer(c, selector, rip);
}
