// SPDX-License-Identifier: GPL-2.0-only
/*
 * The stack and near control transfer.
 *
 * The stack's width (SS.B, or 8 in 64-bit mode) is not that of the operand: rSP is truncated to
 * one, the value to the other.
 */
#include "x86/emulate/internal.h"

#define POPF_FLAGS (EMU_STATUS_FLAGS | X86_EFLAGS_TF | X86_EFLAGS_DF | X86_EFLAGS_NT | \
		    X86_EFLAGS_AC | X86_EFLAGS_ID)

/**
 * emu_stack_width() - how much of rSP addresses the stack
 * @c: context
 *
 * Return: bytes.
 */
unsigned int emu_stack_width(struct emu_ctxt *c)
{
	struct kvm_segment ss;

	if (emu_long(c))
		return 8;
	c->ops->get_segment(c, EMU_SS, &ss);
	return ss.db ? 4 : 2;
}

/* Write @len bytes below rSP and stage the new rSP. */
static enum emu_result push_bytes(struct emu_ctxt *c, const void *buf, unsigned int len)
{
	unsigned int width = emu_stack_width(c);
	u64 rsp = (c->regs[EMU_RSP] - len) & emu_mask(width);
	enum emu_result r;

	r = emu_write_seg(c, EMU_SS, rsp, buf, len);
	if (r == EMU_OK)
		emu_stage(c, EMU_RSP, width, rsp);
	return r;
}

/* Read @len bytes at rSP and stage rSP + @len + @extra. */
static enum emu_result pop_bytes(struct emu_ctxt *c, void *buf, unsigned int len, u64 extra)
{
	unsigned int width = emu_stack_width(c);
	u64 rsp = c->regs[EMU_RSP] & emu_mask(width);
	enum emu_result r;

	r = emu_read_seg(c, EMU_SS, rsp, buf, len);
	if (r == EMU_OK)
		emu_stage(c, EMU_RSP, width, rsp + len + extra);
	return r;
}

enum emu_result emu_push(struct emu_ctxt *c)
{
	return push_bytes(c, c->src.val, c->opsize);
}

enum emu_result emu_push_sreg(struct emu_ctxt *c)
{
	struct kvm_segment seg;
	u64 val;

	c->ops->get_segment(c, c->src.reg, &seg);
	val = seg.selector;
	return push_bytes(c, &val, c->opsize);
}

/* rSP is staged before the destination is, so that POP rSP ends with the popped value. */
enum emu_result emu_pop(struct emu_ctxt *c)
{
	c->dst.val[0] = 0;
	return pop_bytes(c, c->dst.val, c->opsize, 0);
}

/**
 * emu_pop_value() - read what is on top of the stack
 * @c: context
 * @val: zero; its low bytes are filled, as many as the operand size
 *
 * Return: EMU_OK with the new rSP staged; or as emu_read_seg().
 */
enum emu_result emu_pop_value(struct emu_ctxt *c, u64 *val)
{
	return pop_bytes(c, val, c->opsize, 0);
}

/* PUSHA, POPA: register number 7 - i at the i-th place; POPA skips rSP. */
enum emu_result emu_pusha(struct emu_ctxt *c)
{
	u8 buf[8 * 4];
	unsigned int i;

	for (i = 0; i < 8; i++)
		memcpy(buf + i * c->opsize, &c->regs[7 - i], c->opsize);
	return push_bytes(c, buf, 8 * c->opsize);
}

enum emu_result emu_popa(struct emu_ctxt *c)
{
	enum emu_result r;
	u8 buf[8 * 4];
	unsigned int i;
	u64 val = 0;

	r = pop_bytes(c, buf, 8 * c->opsize, 0);
	if (r != EMU_OK)
		return r;
	for (i = 0; i < 8; i++) {
		if (7 - i == EMU_RSP)
			continue;
		memcpy(&val, buf + i * c->opsize, c->opsize);
		emu_stage(c, 7 - i, c->opsize, val);
	}
	return EMU_OK;
}

/**
 * emu_check_vm86() - may PUSHF, POPF or IRET be executed in virtual-8086 mode?
 * @c: context
 *
 * By IOPL; or where IF is virtual, those of 16 bits.
 *
 * Return: EMU_OK, in the other modes, too; EMU_FAULT with #GP.
 */
enum emu_result emu_check_vm86(struct emu_ctxt *c)
{
	if (c->mode != EMU_VM86 || emu_iopl(c) == 3)
		return EMU_OK;
	return emu_vme(c) && c->opsize == 2 ? EMU_OK : emu_gp0(c);
}

enum emu_result emu_pushf(struct emu_ctxt *c)
{
	u64 val = emu_vme(c) ? emu_vme_flags(c) :
			       c->rflags & ~(u64)(X86_EFLAGS_VM | X86_EFLAGS_RF);
	enum emu_result r = emu_check_vm86(c);

	return r == EMU_OK ? push_bytes(c, &val, c->opsize) : r;
}

enum emu_result emu_popf(struct emu_ctxt *c)
{
	u64 val = 0, mask = POPF_FLAGS;
	enum emu_result r = emu_check_vm86(c);

	if (r == EMU_OK)
		r = pop_bytes(c, &val, c->opsize, 0);
	if (r == EMU_OK && emu_vme(c))
		return emu_vme_load_flags(c, val, POPF_FLAGS);
	if (c->cpl == 0)
		mask |= X86_EFLAGS_IOPL;
	if (c->cpl <= emu_iopl(c))
		mask |= X86_EFLAGS_IF;
	mask &= emu_mask(c->opsize);
	c->next_rflags = (c->next_rflags & ~mask) | (val & mask);
	return r;
}

/* LEAVE: rSP = rBP, then POP rBP. */
enum emu_result emu_leave(struct emu_ctxt *c)
{
	unsigned int width = emu_stack_width(c);
	u64 rsp = c->regs[EMU_RBP] & emu_mask(width), val = 0;
	enum emu_result r;

	r = emu_read_seg(c, EMU_SS, rsp, &val, c->opsize);
	if (r != EMU_OK)
		return r;
	emu_stage(c, EMU_RSP, width, rsp + c->opsize);
	emu_stage(c, EMU_RBP, c->opsize, val);
	return EMU_OK;
}

/*
 * ENTER: push rBP, the frame pointers of the enclosing procedures and one's own, then make
 * room.  What is pushed is written at once, so rSP's final place is looked at before.
 */
enum emu_result emu_enter(struct emu_ctxt *c)
{
	unsigned int width = emu_stack_width(c), level = c->src2.val[0] & 31, size = c->opsize, i;
	u64 frame = c->regs[EMU_RSP] - size, bp = c->regs[EMU_RBP], rsp, gva;
	u8 buf[33 * 8], *top = buf + sizeof(buf) - size;
	enum emu_result r = EMU_OK;

	memcpy(top, &bp, size);
	for (i = 1; i < level && r == EMU_OK; i++) {
		top -= size;
		r = emu_read_seg(c, EMU_SS, (bp - i * size) & emu_mask(width), top, size);
	}
	if (level) {
		top -= size;
		memcpy(top, &frame, size);
	}
	rsp = frame - level * size - (u16)c->src.val[0];
	if (r == EMU_OK)
		r = emu_linear(c, EMU_SS, rsp & emu_mask(width), size, EMU_ACC_WRITE, &gva);
	if (r == EMU_OK)
		r = c->ops->probe(c, gva, size, EMU_ACC_WRITE);
	if (r == EMU_OK)
		r = push_bytes(c, top, buf + sizeof(buf) - top);
	c->nr_staged = 0;
	emu_stage(c, EMU_RSP, width, rsp);
	emu_stage(c, EMU_RBP, size, frame);
	return r;
}

/* BOUND: a signed index, and the two limits in memory. */
enum emu_result emu_bound(struct emu_ctxt *c)
{
	s64 index = emu_sext(c->regs[c->dst.reg], c->opsize), low, high;
	u64 lower = 0, upper = 0;
	enum emu_result r;
	u8 buf[8];

	r = emu_read_seg(c, c->seg, emu_effective_address(c), buf, 2 * c->opsize);
	if (r != EMU_OK)
		return r;
	memcpy(&lower, buf, c->opsize);
	memcpy(&upper, buf + c->opsize, c->opsize);
	low = emu_sext(lower, c->opsize);
	high = emu_sext(upper, c->opsize);
	return index < low || index > high ? emu_fault(c, X86_TRAP_BR) : EMU_OK;
}

/* Control transfer */

static enum emu_result branch_rel(struct emu_ctxt *c)
{
	return emu_branch(c, c->next_rip + c->src.val[0]);
}

enum emu_result emu_jmp_rel(struct emu_ctxt *c)
{
	return branch_rel(c);
}

enum emu_result emu_jmp_abs(struct emu_ctxt *c)
{
	return emu_branch(c, c->src.val[0]);
}

enum emu_result emu_jcc(struct emu_ctxt *c)
{
	return emu_condition(c->rflags, c->opcode) ? branch_rel(c) : EMU_OK;
}

static enum emu_result stack_call(struct emu_ctxt *c, u64 target)
{
	u64 ret = c->next_rip;
	enum emu_result r = emu_branch(c, target);

	return r == EMU_OK ? push_bytes(c, &ret, c->opsize) : r;
}

enum emu_result emu_call_rel(struct emu_ctxt *c)
{
	return stack_call(c, c->next_rip + c->src.val[0]);
}

enum emu_result emu_call_abs(struct emu_ctxt *c)
{
	return stack_call(c, c->src.val[0]);
}

static enum emu_result stack_ret(struct emu_ctxt *c, u16 extra)
{
	enum emu_result r;
	u64 target = 0;

	r = pop_bytes(c, &target, c->opsize, extra);
	return r == EMU_OK ? emu_branch(c, target) : r;
}

enum emu_result emu_ret(struct emu_ctxt *c)
{
	return stack_ret(c, 0);
}

enum emu_result emu_ret_imm(struct emu_ctxt *c)
{
	return stack_ret(c, c->src.val[0]);
}

/* LOOPNE, LOOPE, LOOP: opcodes E0, E1, E2. */
enum emu_result emu_loop(struct emu_ctxt *c)
{
	u64 count = (c->regs[EMU_RCX] - 1) & emu_mask(c->adsize);
	bool zf = c->rflags & X86_EFLAGS_ZF;
	bool taken = count && (c->opcode == 0xe2 || zf == (c->opcode & 1));

	emu_stage(c, EMU_RCX, c->adsize, count);
	return taken ? branch_rel(c) : EMU_OK;
}

enum emu_result emu_jcxz(struct emu_ctxt *c)
{
	return c->regs[EMU_RCX] & emu_mask(c->adsize) ? EMU_OK : branch_rel(c);
}
