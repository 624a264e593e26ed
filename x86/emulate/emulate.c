// SPDX-License-Identifier: GPL-2.0-only
/*
 * Executing one decoded instruction: load the operands, call its function, write back, commit.
 *
 * Owns the order in which things happen.  The hard part is that every access may fail, or be
 * answered by user space much later: so all register changes are staged (c->staged, next_rip,
 * next_rflags) and become visible only after the last access, and what is done before that can be
 * done again.
 */
#include "x86/emulate/internal.h"

/**
 * emu_fault_code() - the instruction ends in a fault that has an error code
 * @c: context
 * @vector: exception number
 * @error: error code; not delivered in real mode
 *
 * Return: EMU_FAULT.
 */
enum emu_result emu_fault_code(struct emu_ctxt *c, u8 vector, u32 error)
{
	c->fault.valid = true;
	c->fault.vector = vector;
	c->fault.has_error = c->mode != EMU_REAL;
	c->fault.error = error;
	c->fault.cr2 = 0;
	return EMU_FAULT;
}

/**
 * emu_fault() - the instruction ends in a fault without an error code
 * @c: context
 * @vector: exception number
 *
 * Return: EMU_FAULT.
 */
enum emu_result emu_fault(struct emu_ctxt *c, u8 vector)
{
	emu_fault_code(c, vector, 0);
	c->fault.has_error = false;
	return EMU_FAULT;
}

static void commit_reg(struct emu_ctxt *c, const struct emu_staged *s)
{
	u64 *reg = &c->regs[s->reg];

	switch (s->size) {
	case 1:
		if (s->high)
			*reg = (*reg & ~0xff00ULL) | (s->val & 0xff) << 8;
		else
			*reg = (*reg & ~0xffULL) | (s->val & 0xff);
		break;
	case 2:
		*reg = (*reg & ~0xffffULL) | (s->val & 0xffff);
		break;
	case 4:
		*reg = (u32)s->val;
		break;
	default:
		*reg = s->val;
	}
}

/**
 * emu_commit_regs() - make the staged registers real
 * @c: context
 */
void emu_commit_regs(struct emu_ctxt *c)
{
	unsigned int i;

	for (i = 0; i < c->nr_staged; i++)
		commit_reg(c, &c->staged[i]);
	c->nr_staged = 0;
}

/* Loading operands */

/* How far a bit offset moves the address: whole operands, towards either side. */
static u64 bit_offset(const struct emu_ctxt *c)
{
	s64 bit = emu_sext(c->src.val[0], c->src.size);
	unsigned int bits = c->dst.size * 8;

	return (bit & ~(s64)(bits - 1)) / 8;
}

/* The common case of emu_linear(): 64-bit kernel code, no segment base. */
static inline bool is_flat(const struct emu_ctxt *c, u64 ea, unsigned int size)
{
	return emu_long(c) && c->seg < EMU_FS && c->cpl != 3 && emu_canonical_48(ea) &&
	       emu_canonical_48(ea + size - 1);
}

static enum emu_result address_operand(struct emu_ctxt *c, struct emu_opnd *o, unsigned int access)
{
	u64 ea = emu_effective_address(c);
	enum emu_result r = EMU_OK;

	if (c->flags & EMU_F_BITOFF)
		ea = (ea + bit_offset(c)) & emu_mask(c->adsize);
	if (likely(is_flat(c, ea, o->size)))
		o->gva = ea;
	else
		r = emu_linear(c, c->seg, ea, o->size, access, &o->gva);
	if (r == EMU_OK && c->flags & EMU_F_ALIGNED && o->gva & (o->size - 1))
		return emu_gp0(c);
	return r;
}

static void load_xmm(struct emu_ctxt *c, struct emu_opnd *o)
{
	o->val[2] = 0;
	o->val[3] = 0;
	if (o->size == 32)
		c->ops->get_ymm(c, o->reg, o->val);
	else
		c->ops->get_xmm(c, o->reg, o->val);
	if (o->size < 16) {
		o->val[0] &= emu_mask(o->size);
		o->val[1] = 0;
	}
}

static enum emu_result load_mem(struct emu_ctxt *c, struct emu_opnd *o, unsigned int access)
{
	enum emu_result r;

	o->val[0] = 0;
	o->val[1] = 0;
	o->val[2] = 0;
	o->val[3] = 0;
	r = c->ops->read(c, o->gva, o->val, o->size, access);
	if (r == EMU_OK && access) {
		o->orig[0] = o->val[0];
		o->orig[1] = o->val[1];
	}
	return r;
}

/* Control, debug and segment registers are loaded by those who use them. */
static inline enum emu_result load_operand(struct emu_ctxt *c, struct emu_opnd *o,
					   unsigned int access)
{
	if (o->type == EMU_OPND_REG)
		o->val[0] = c->regs[o->reg] & emu_mask(o->size);
	else if (o->type == EMU_OPND_MEM)
		return load_mem(c, o, access);
	else if (o->type == EMU_OPND_REGH)
		o->val[0] = (c->regs[o->reg] >> 8) & 0xff;
	else if (o->type == EMU_OPND_XMM)
		load_xmm(c, o);
	else if (o->type == EMU_OPND_MMX)
		o->val[0] = emu_mmx_get(c, o->reg);
	return EMU_OK;
}

static inline enum emu_result load_src(struct emu_ctxt *c)
{
	enum emu_result r;

	if (c->src.type == EMU_OPND_MEM) {
		r = address_operand(c, &c->src, 0);
		if (r != EMU_OK)
			return r;
	}
	return load_operand(c, &c->src, 0);
}

static inline enum emu_result load_dst(struct emu_ctxt *c)
{
	unsigned int access = c->flags & EMU_F_RDONLY ? 0 : EMU_ACC_WRITE;
	enum emu_result r;

	if (c->dst.type == EMU_OPND_MEM) {
		r = address_operand(c, &c->dst, access);
		if (r != EMU_OK)
			return r;
	}
	return c->flags & EMU_F_WRONLY ? EMU_OK : load_operand(c, &c->dst, access);
}

/* The source first: a bit offset in it decides where the destination is. */
static inline enum emu_result load_operands(struct emu_ctxt *c)
{
	enum emu_result r;

	if (c->flags & EMU_F_NOACCESS)
		return EMU_OK;
	r = load_src(c);
	if (r == EMU_OK)
		r = load_dst(c);
	if (r == EMU_OK && c->src2.type != EMU_OPND_IMM)
		load_operand(c, &c->src2, 0);
	return r;
}

/* Writing back */

static enum emu_result write_mem(struct emu_ctxt *c)
{
	struct emu_opnd *o = &c->dst;

	/* The parentheses keep the kernel's macro of that name away. */
	if (c->lock || c->flags & EMU_F_XCHG)
		return (c->ops->cmpxchg)(c, o->gva, o->orig, o->val, o->size);
	return c->ops->write(c, o->gva, o->val, o->size, 0);
}

static inline enum emu_result write_back(struct emu_ctxt *c)
{
	if (c->flags & EMU_F_RDONLY)
		return EMU_OK;
	switch (c->dst.type) {
	case EMU_OPND_REG:
	case EMU_OPND_REGH:
		emu_stage_opnd(c, &c->dst, c->dst.val[0]);
		return EMU_OK;
	case EMU_OPND_MEM:
		return write_mem(c);
	case EMU_OPND_XMM:
		if (c->vex)
			c->ops->set_ymm(c, c->dst.reg, c->dst.val);
		else
			c->ops->set_xmm(c, c->dst.reg, c->dst.val);
		return EMU_OK;
	default:
		return EMU_OK;
	}
}

static enum emu_result execute_one(struct emu_ctxt *c)
{
	enum emu_result r = load_operands(c);

	if (r == EMU_OK)
		r = c->op->exec(c);
	if (r == EMU_OK)
		r = write_back(c);
	if (r == EMU_OK && c->x87_changed)
		c->ops->set_x87(c, &c->x87);
	return r;
}

#define XCR0_AVX 6	/* both halves of the YMM registers */

/* SSE state, or with VEX that of AVX, must be there and must be on; #NM comes last. */
static enum emu_result check_sse(struct emu_ctxt *c)
{
	u64 cr0 = c->ops->get_cr(c, 0), cr4 = c->ops->get_cr(c, 4);

	if (c->vex) {
		if (!(cr4 & X86_CR4_OSXSAVE) || (c->ops->get_xcr0(c) & XCR0_AVX) != XCR0_AVX)
			return emu_ud(c);
	} else if (cr0 & X86_CR0_EM || !(cr4 & X86_CR4_OSFXSR)) {
		return emu_ud(c);
	}
	return cr0 & X86_CR0_TS ? emu_fault(c, X86_TRAP_NM) : EMU_OK;
}

static enum emu_result check_allowed(struct emu_ctxt *c)
{
	if (!c->op->exec)
		return EMU_UNHANDLED;
	if (c->op->need && !c->ops->has(c, c->op->need))
		return emu_ud(c);
	if (c->flags & EMU_F_PROT && emu_realish(c))
		return emu_ud(c);
	if (c->flags & EMU_F_PRIV && c->cpl)
		return emu_gp0(c);
	if (c->flags & (EMU_F_MMX | EMU_F_X87))
		return emu_check_x87(c);
	return c->flags & EMU_F_SSE ? check_sse(c) : EMU_OK;
}

static void execute_start(struct emu_ctxt *c)
{
	c->device = false;
	c->restarted = false;
	c->single_step = false;
	c->shadow = 0;
	c->halt = false;
	c->iret = false;
	c->switched = false;
	c->no_step = false;
	c->x87_changed = false;
	c->next_segs = 0;
	c->nr_staged = 0;
	c->ext = 0;
	c->push_error = false;
	c->fault.valid = false;
	c->next_cpl = c->cpl;
	c->next_rip = c->rip + c->insn_len;
	if (!emu_long(c))
		c->next_rip = (u32)c->next_rip;
	c->next_rflags = c->rflags & ~X86_EFLAGS_RF;
}

static void commit_segments(struct emu_ctxt *c)
{
	enum emu_seg nr;

	for (nr = 0; nr < EMU_NR_SEGS; nr++) {
		if (c->next_segs >> nr & 1)
			c->ops->set_segment(c, nr, &c->next_seg[nr]);
	}
}

/* Nothing can fail any more. */
static void commit_insn(struct emu_ctxt *c)
{
	if (unlikely(c->switched))
		return;
	c->single_step = c->rflags & X86_EFLAGS_TF && !(c->shadow & EMU_SHADOW_MOV_SS) &&
			 !c->no_step;
	emu_commit_regs(c);
	if (unlikely(c->next_segs))
		commit_segments(c);
	c->rip = c->next_rip;
	c->rflags = c->next_rflags;
	c->cpl = c->next_cpl;
}

/**
 * emu_execute() - execute the decoded instruction
 * @c: context, after emu_decode() returned EMU_OK; regs, rip and rflags may have changed only by
 *	an earlier emu_execute()
 *
 * No locks.
 *
 * Return: enum emu_result. On EMU_OK, c->regs, rip and rflags are those after the instruction,
 * or, with c->restarted, between two iterations of it. On any other result only completed REP
 * iterations show in c->regs; rip and rflags are untouched.
 */
enum emu_result emu_execute(struct emu_ctxt *c)
{
	enum emu_result r;

	execute_start(c);
	r = check_allowed(c);
	if (r != EMU_OK)
		return r;
	r = c->flags & EMU_F_STRING ? emu_run_string(c) : execute_one(c);
	if (r == EMU_OK)
		commit_insn(c);
	return r;
}

/**
 * emu_deliver() - an event goes to its handler, through real mode's vectors or through the IDT
 * @c: context, its first group set; what was decoded in it is lost
 * @e: the event
 *
 * Return: as emu_execute(), and what it says of registers. A fault is one of the delivery.
 */
enum emu_result emu_deliver(struct emu_ctxt *c, const struct emu_event *e)
{
	enum emu_result r;

	c->insn_len = e->insn_len;
	execute_start(c);
	c->next_rflags = c->rflags;	/* a fault pushes RF */
	c->ext = !e->insn_len;
	c->push_error = e->has_error;
	c->error = e->error;
	r = emu_raise(c, e->vector);
	if (r == EMU_OK)
		commit_insn(c);
	return r;
}

/**
 * emu_needs() - what a decoded instruction needs of the CPU, which not every CPU has
 * @c: context, after emu_decode() returned EMU_OK
 *
 * Return: it; EMU_NEED_NONE also for what is not executed.
 */
enum emu_need emu_needs(const struct emu_ctxt *c)
{
	return c->op->exec ? (enum emu_need)c->op->need : EMU_NEED_NONE;
}

static bool is_general(const struct emu_opnd *o)
{
	return o->type == EMU_OPND_REG || o->type == EMU_OPND_REGH;
}

static u64 register_value(const struct emu_ctxt *c, const struct emu_opnd *o)
{
	u64 val = c->regs[o->reg] >> (o->type == EMU_OPND_REGH ? 8 : 0);

	return o->size == 8 ? val : val & ((1ULL << o->size * 8) - 1);
}

/**
 * emu_is_move() - is the decoded instruction one that a CPU may be said to have done so far?
 * @c: context, after emu_decode() returned EMU_OK
 * @move: filled, if it is
 *
 * For an owner that knows already, by an exit, which address the access is to, and that the
 * guest may make it: it makes the access itself, and then calls emu_end_move(). Or it executes
 * the instruction as any other.
 *
 * Return: whether it is a MOV of 1 to 8 bytes whose one access is of memory.
 */
bool emu_is_move(struct emu_ctxt *c, struct emu_move *move)
{
	const struct emu_opnd *mem;

	if (c->op->exec != emu_mov || c->op->need || c->lock || c->flags & EMU_F_PRIV)
		return false;
	move->store = c->dst.type == EMU_OPND_MEM;
	mem = move->store ? &c->dst : &c->src;
	if (mem->type != EMU_OPND_MEM || mem->size > sizeof(move->val))
		return false;
	if (move->store && c->src.type == EMU_OPND_IMM)
		move->val = c->src.val[0];
	else if (move->store && is_general(&c->src))
		move->val = register_value(c, &c->src);
	else if (move->store || !is_general(&c->dst))
		return false;
	execute_start(c);	/* an address may be relative to next_rip */
	move->size = mem->size;
	move->ea = emu_effective_address(c);
	move->seg = c->seg;
	move->flat = emu_long(c) && c->seg < EMU_FS;
	return true;
}

/**
 * emu_end_move() - the rest of it, once the access is made
 * @c: as for emu_is_move(), which said that it is one
 * @val: what was loaded
 *
 * Leaves the context as emu_execute() does with EMU_OK.
 */
void emu_end_move(struct emu_ctxt *c, u64 val)
{
	c->device = true;
	if (c->dst.type != EMU_OPND_MEM)
		emu_stage_opnd(c, &c->dst, val);
	commit_insn(c);
}
