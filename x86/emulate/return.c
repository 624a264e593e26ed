// SPDX-License-Identifier: GPL-2.0-only
/*
 * Far RET, and IRET: back to another code segment, perhaps of a less privileged level or in
 * virtual-8086 mode, or to the task that called this one.
 *
 * Owns their checks, in the order of the SDM's pseudo-code (vol. 2), and what becomes of the
 * flags and of segments that the outer level may not have.
 */
#include "x86/emulate/descriptor.h"

/**
 * struct far_return - what is on the stack
 * @iret: it is IRET's
 * @rip: popped
 * @cs: popped
 * @flags: popped, if @iret
 * @popped: bytes so far
 * @extra: bytes of parameters, which RET drops
 */
struct far_return {
	bool iret;
	u64 rip;
	u16 cs;
	u64 flags;
	unsigned int popped;
	u16 extra;
};

/* Read @count items above what was popped. */
static enum emu_result return_pop(struct emu_ctxt *c, struct far_return *ret, u64 *val,
				  unsigned int count)
{
	u64 rsp = (c->regs[EMU_RSP] + ret->popped) & emu_mask(emu_stack_width(c));
	unsigned int i, size = c->opsize;
	enum emu_result r;
	u8 buf[6 * 8];

	r = emu_read_seg(c, EMU_SS, rsp, buf, count * size);
	for (i = 0; i < count && r == EMU_OK; i++) {
		val[i] = 0;
		memcpy(&val[i], buf + i * size, size);
	}
	ret->popped += count * size;
	return r;
}

static enum emu_result return_begin(struct emu_ctxt *c, struct far_return *ret)
{
	u64 val[3] = { 0 };
	enum emu_result r = return_pop(c, ret, val, ret->iret ? 3 : 2);

	ret->rip = val[0];
	ret->cs = val[1];
	ret->flags = val[2];
	return r;
}

/* The present stack stays. */
static void return_stage_rsp(struct emu_ctxt *c, const struct far_return *ret)
{
	unsigned int width = emu_stack_width(c);

	emu_stage(c, EMU_RSP, width,
		  (c->regs[EMU_RSP] + ret->popped + ret->extra) & emu_mask(width));
}

static enum emu_result return_real(struct emu_ctxt *c, const struct far_return *ret)
{
	struct kvm_segment cs;
	enum emu_result r;

	c->ops->get_segment(c, EMU_CS, &cs);
	r = emu_code_check_target(c, &cs, ret->rip);
	if (r != EMU_OK)
		return r;
	emu_segment_stage_real(c, EMU_CS, ret->cs);
	return_stage_rsp(c, ret);
	c->next_rip = ret->rip;
	return EMU_OK;
}

/* The code segment */

static bool code_fits_return(struct emu_ctxt *c, const struct emu_desc *d)
{
	u8 rpl = d->selector & 3, dpl = DESC_DPL(d->raw);

	if (!desc_is_code(d->raw) || rpl < c->cpl)
		return false;
	if (emu_desc_is_mixed(c, d->raw))
		return false;
	return desc_conforms(d->raw) ? dpl <= rpl : dpl == rpl;
}

static enum emu_result return_read_code(struct emu_ctxt *c, u16 selector, struct emu_desc *d)
{
	enum emu_result r = emu_desc_read_target(c, selector, d);

	return r == EMU_OK ? emu_desc_check_code(c, d, code_fits_return(c, d)) : r;
}

static enum emu_result return_stage_code(struct emu_ctxt *c, const struct far_return *ret,
					 const struct emu_desc *d)
{
	struct kvm_segment cs = emu_desc_segment(d);

	emu_segment_stage(c, EMU_CS, &cs);
	c->next_cpl = ret->cs & 3;
	c->next_rip = ret->rip;
	return emu_desc_mark(c, d);
}

/* The stack of the outer level */

static enum emu_result outer_null_stack(struct emu_ctxt *c, u16 selector, u8 cpl, bool is_64,
					struct kvm_segment *ss)
{
	*ss = emu_null_stack(selector, cpl);
	return is_64 && cpl != 3 ? EMU_OK : emu_gp0(c);
}

static enum emu_result outer_stack(struct emu_ctxt *c, u16 selector, u8 cpl, bool is_64,
				   struct kvm_segment *ss)
{
	struct emu_desc d;
	enum emu_result r;

	if (selector_is_null(selector))
		return outer_null_stack(c, selector, cpl, is_64, ss);
	r = emu_desc_read(c, selector, X86_TRAP_GP, &d);
	if (r != EMU_OK)
		return r;
	if ((selector & 3) != cpl || !desc_is_writable_data(d.raw) || DESC_DPL(d.raw) != cpl)
		return emu_selector_fault(c, X86_TRAP_GP, selector);
	if (!(d.raw & DESC_P))
		return emu_selector_fault(c, X86_TRAP_SS, selector);
	*ss = emu_desc_segment(&d);
	return emu_desc_mark(c, &d);
}

/* A segment that the outer level could not have loaded itself becomes null. */
static void outer_drop_segment(struct emu_ctxt *c, enum emu_seg nr, u8 cpl)
{
	struct kvm_segment seg;

	c->ops->get_segment(c, nr, &seg);
	if (!seg.unusable &&
	    (seg.dpl >= cpl || (seg.type & (TYPE_CODE | TYPE_CONFORMING)) ==
			       (TYPE_CODE | TYPE_CONFORMING)))
		return;
	if (seg.unusable && selector_is_null(seg.selector))
		return;
	seg.selector = 0;
	seg.unusable = 1;
	emu_segment_stage(c, nr, &seg);
}

static void outer_drop_segments(struct emu_ctxt *c, u8 cpl)
{
	static const u8 data[] = { EMU_ES, EMU_DS, EMU_FS, EMU_GS };
	unsigned int i;

	for (i = 0; i < sizeof(data); i++)
		outer_drop_segment(c, data[i], cpl);
}

static void outer_stage_stack(struct emu_ctxt *c, const struct kvm_segment *ss, u64 rsp,
			      bool is_64)
{
	emu_segment_stage(c, EMU_SS, ss);
	emu_stage(c, EMU_RSP, is_64 ? 8 : ss->db ? 4 : 2, rsp);
}

/* SS:rSP lie behind the parameters. Both stacks lose those. */
static enum emu_result return_outer(struct emu_ctxt *c, struct far_return *ret,
				    const struct emu_desc *code)
{
	struct kvm_segment cs = emu_desc_segment(code), ss;
	bool is_64 = emu_code_is_64(c, &cs);
	u8 cpl = ret->cs & 3;
	enum emu_result r;
	u64 val[2] = { 0 };

	ret->popped += ret->extra;
	r = return_pop(c, ret, val, 2);
	if (r == EMU_OK)
		r = outer_stack(c, val[1], cpl, is_64, &ss);
	if (r == EMU_OK)
		r = emu_code_check_target(c, &cs, ret->rip);
	if (r == EMU_OK)
		r = return_stage_code(c, ret, code);
	if (r != EMU_OK)
		return r;
	outer_stage_stack(c, &ss, val[0] + ret->extra, is_64);
	if (cpl > c->cpl)
		outer_drop_segments(c, cpl);
	return EMU_OK;
}

static enum emu_result return_same(struct emu_ctxt *c, const struct far_return *ret,
				   const struct emu_desc *code)
{
	struct kvm_segment cs = emu_desc_segment(code);
	enum emu_result r = emu_code_check_target(c, &cs, ret->rip);

	if (r == EMU_OK)
		r = return_stage_code(c, ret, code);
	if (r == EMU_OK)
		return_stage_rsp(c, ret);
	return r;
}

/* From 64-bit code IRET has a stack to return to at any level. */
static enum emu_result return_protected(struct emu_ctxt *c, struct far_return *ret)
{
	struct emu_desc code;
	enum emu_result r = return_read_code(c, ret->cs, &code);

	if (r != EMU_OK)
		return r;
	if ((ret->cs & 3) > c->cpl || (ret->iret && emu_long(c)))
		return return_outer(c, ret, &code);
	return return_same(c, ret, &code);
}

/* RET, and RET with a number of bytes to drop. */
enum emu_result emu_ret_far(struct emu_ctxt *c)
{
	struct far_return ret = {
		.extra = c->src.type == EMU_OPND_IMM ? c->src.val[0] : 0,
	};
	enum emu_result r = return_begin(c, &ret);

	if (r != EMU_OK)
		return r;
	return emu_realish(c) ? return_real(c, &ret) : return_protected(c, &ret);
}

/* IRET */

#define IRET_FLAGS	(EMU_STATUS_FLAGS | X86_EFLAGS_TF | X86_EFLAGS_DF | X86_EFLAGS_NT)
#define IRET_FLAGS32	(X86_EFLAGS_RF | X86_EFLAGS_AC | X86_EFLAGS_ID)

/* By the level that executes it. */
static u64 iret_mask(const struct emu_ctxt *c)
{
	u64 mask = IRET_FLAGS | IRET_FLAGS32;

	if (c->mode == EMU_VM86)
		return mask | X86_EFLAGS_IF;
	if (c->cpl <= emu_iopl(c))
		mask |= X86_EFLAGS_IF;
	if (c->cpl == 0)
		mask |= X86_EFLAGS_IOPL;
	if (c->cpl == 0 && c->mode != EMU_REAL)
		mask |= X86_EFLAGS_VIF | X86_EFLAGS_VIP;
	return mask;
}

static void iret_stage_flags(struct emu_ctxt *c, u64 flags)
{
	u64 mask = iret_mask(c) & emu_mask(c->opsize);

	c->next_rflags = (c->next_rflags & ~mask) | (flags & mask);
	c->iret = true;
}

static struct kvm_segment segment_vm86(u16 selector)
{
	return (struct kvm_segment) {
		.selector = selector, .base = selector << 4, .limit = 0xffff, .type = 3, .s = 1,
		.dpl = 3, .present = 1,
	};
}

/* In the order of the stack, ESP being its first. */
static enum emu_result iret_to_vm86(struct emu_ctxt *c, struct far_return *ret)
{
	static const u8 order[] = { EMU_SS, EMU_ES, EMU_DS, EMU_FS, EMU_GS };
	struct kvm_segment seg = segment_vm86(ret->cs);
	u64 val[6] = { 0 };
	unsigned int i;
	enum emu_result r = return_pop(c, ret, val, 6);

	if (r == EMU_OK)
		r = emu_code_check_target(c, &seg, ret->rip);
	if (r != EMU_OK)
		return r;
	emu_segment_stage(c, EMU_CS, &seg);
	for (i = 0; i < sizeof(order); i++) {
		seg = segment_vm86(val[1 + i]);
		emu_segment_stage(c, order[i], &seg);
	}
	emu_stage(c, EMU_RSP, 4, val[0]);
	c->next_rip = ret->rip;
	c->next_cpl = 3;
	c->next_rflags = (ret->flags & 0x3f7fd5) | X86_EFLAGS_FIXED;
	c->iret = true;
	return EMU_OK;
}

/* NT: back to the task that the TSS links to. */
static enum emu_result iret_task(struct emu_ctxt *c)
{
	struct kvm_segment tr;
	enum emu_result r;
	u16 link = 0;

	if (c->ops->is_lma(c))
		return emu_gp0(c);
	c->ops->get_segment(c, EMU_TR, &tr);
	r = c->ops->read(c, tr.base, &link, 2, EMU_ACC_SYSTEM);
	if (r == EMU_OK)
		r = c->ops->task_switch(c, link, EMU_TASK_IRET, 0);
	c->iret = r == EMU_OK;
	return r;
}

static enum emu_result iret_protected(struct emu_ctxt *c, struct far_return *ret)
{
	enum emu_result r;

	if (ret->flags & X86_EFLAGS_VM && !c->cpl && c->opsize == 4 && !c->ops->is_lma(c))
		return iret_to_vm86(c, ret);
	r = return_protected(c, ret);
	if (r == EMU_OK)
		iret_stage_flags(c, ret->flags);
	return r;
}

static enum emu_result iret_real(struct emu_ctxt *c, struct far_return *ret)
{
	enum emu_result r = return_real(c, ret);

	if (r == EMU_OK && emu_vme(c)) {
		c->iret = true;
		return emu_vme_load_flags(c, ret->flags, IRET_FLAGS);
	}
	if (r == EMU_OK)
		iret_stage_flags(c, ret->flags);
	return r;
}

enum emu_result emu_iret(struct emu_ctxt *c)
{
	struct far_return ret = { .iret = true };
	enum emu_result r = emu_check_vm86(c);

	if (r != EMU_OK)
		return r;
	if (!emu_realish(c) && c->rflags & X86_EFLAGS_NT)
		return iret_task(c);
	r = return_begin(c, &ret);
	if (r != EMU_OK)
		return r;
	return emu_realish(c) ? iret_real(c, &ret) : iret_protected(c, &ret);
}
