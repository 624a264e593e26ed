// SPDX-License-Identifier: GPL-2.0-only
/*
 * What calls and interrupts push as a whole, onto the present stack or onto the one that the
 * TSS has for a more privileged level.
 *
 * Owns the choice of that stack with its checks. The frame is put together in a buffer, so
 * that nothing is written before all that can be refused has been looked at.
 */
#include "x86/emulate/descriptor.h"

static unsigned int frame_width(const struct emu_frame *f)
{
	return f->wide ? 8 : f->ss.db ? 4 : 2;
}

/* Offset of the last item in the stack. */
static u64 frame_bottom(const struct emu_frame *f)
{
	return (f->rsp - f->len) & emu_mask(frame_width(f));
}

/**
 * emu_frame_begin() - begin a frame on the present stack
 * @c: context
 * @f: filled
 * @size: bytes of an item
 */
void emu_frame_begin(struct emu_ctxt *c, struct emu_frame *f, unsigned int size)
{
	c->ops->get_segment(c, EMU_SS, &f->ss);
	f->rsp = c->regs[EMU_RSP];
	f->cpl = c->cpl;
	f->wide = emu_long(c);
	f->switched = false;
	f->size = size;
	f->error = c->ext;
	f->len = 0;
}

/* Read the stack's place out of the TSS. */
static enum emu_result inner_read(struct emu_ctxt *c, struct emu_frame *f, unsigned int offset,
				  unsigned int rsp_size, unsigned int len, u8 *buf)
{
	struct kvm_segment tr;
	enum emu_result r;

	c->ops->get_segment(c, EMU_TR, &tr);
	if (tr.unusable || offset + len - 1 > tr.limit)
		return emu_selector_fault(c, X86_TRAP_TS, tr.selector);
	f->rsp = 0;
	r = c->ops->read(c, tr.base + offset, buf, len, EMU_ACC_SYSTEM);
	if (r == EMU_OK)
		memcpy(&f->rsp, buf, rsp_size);
	return r;
}

/* In long mode the TSS has no selectors: SS becomes null. */
static enum emu_result inner_long(struct emu_ctxt *c, struct emu_frame *f, unsigned int ist)
{
	unsigned int offset = ist ? 28 + 8 * ist : 4 + 8 * f->cpl;
	u8 buf[8];

	f->wide = true;
	f->ss = emu_null_stack(f->cpl, f->cpl);
	f->error = c->ext;
	return inner_read(c, f, offset, 8, 8, buf);
}

static enum emu_result inner_load(struct emu_ctxt *c, struct emu_frame *f, u16 selector)
{
	struct emu_desc d;
	enum emu_result r;

	if (selector_is_null(selector))
		return emu_selector_fault(c, X86_TRAP_TS, selector);
	r = emu_desc_read(c, selector, X86_TRAP_TS, &d);
	if (r != EMU_OK)
		return r;
	if ((selector & 3) != f->cpl || DESC_DPL(d.raw) != f->cpl || !desc_is_writable_data(d.raw))
		return emu_selector_fault(c, X86_TRAP_TS, selector);
	if (!(d.raw & DESC_P))
		return emu_selector_fault(c, X86_TRAP_SS, selector);
	f->ss = emu_desc_segment(&d);
	f->error = (selector & ~3) | c->ext;
	return emu_desc_mark(c, &d);
}

static enum emu_result inner_legacy(struct emu_ctxt *c, struct emu_frame *f)
{
	struct kvm_segment tr;
	enum emu_result r;
	u16 selector;
	u8 buf[6];

	f->wide = false;
	c->ops->get_segment(c, EMU_TR, &tr);
	if (tr.type & TYPE_WIDE) {
		r = inner_read(c, f, 4 + 8 * f->cpl, 4, 6, buf);
		memcpy(&selector, buf + 4, 2);
	} else {
		r = inner_read(c, f, 2 + 4 * f->cpl, 2, 4, buf);
		memcpy(&selector, buf + 2, 2);
	}
	return r == EMU_OK ? inner_load(c, f, selector) : r;
}

/**
 * emu_frame_begin_inner() - begin a frame on a stack of the TSS
 * @c: context
 * @f: filled, except for its size
 * @cpl: whose
 * @ist: in long mode: a number of the interrupt stack table instead, or 0
 *
 * Return: EMU_OK, EMU_FAULT (#TS, #SS), or as the ops.
 */
enum emu_result emu_frame_begin_inner(struct emu_ctxt *c, struct emu_frame *f, u8 cpl,
				      unsigned int ist)
{
	f->cpl = cpl;
	f->switched = true;
	f->len = 0;
	return c->ops->is_lma(c) ? inner_long(c, f, ist) : inner_legacy(c, f);
}

/**
 * emu_frame_push() - add an item
 * @f: frame, its size set
 * @val: the item
 */
void emu_frame_push(struct emu_frame *f, u64 val)
{
	emu_frame_push_bytes(f, &val, f->size);
}

/**
 * emu_frame_push_bytes() - add what lies in memory already as it will on the stack
 * @f: frame
 * @buf: its lowest byte
 * @len: bytes; of all items together there are at most 160
 */
void emu_frame_push_bytes(struct emu_frame *f, const void *buf, unsigned int len)
{
	f->len += len;
	memcpy(f->buf + sizeof(f->buf) - f->len, buf, len);
}

/**
 * emu_frame_check() - has the stack room for what was added?
 * @c: context
 * @f: frame
 *
 * Return: EMU_OK, or EMU_FAULT with #SS.
 */
enum emu_result emu_frame_check(struct emu_ctxt *c, const struct emu_frame *f)
{
	u64 bottom = frame_bottom(f);
	bool ok;

	if (f->wide)
		ok = emu_canonical(c, bottom) && emu_canonical(c, bottom + f->len - 1);
	else
		ok = emu_stack_allows(&f->ss, !f->switched && emu_realish(c), bottom, f->len);
	return ok ? EMU_OK : emu_fault_code(c, X86_TRAP_SS, f->error);
}

/* At the frame's privilege level. */
static enum emu_result frame_write_at(struct emu_ctxt *c, const struct emu_frame *f, u64 gva)
{
	u8 cpl = c->cpl;
	enum emu_result r;

	c->cpl = f->cpl;
	if (emu_misaligned(c, gva, f->size))
		r = emu_fault_code(c, X86_TRAP_AC, 0);
	else
		r = emu_write_gva(c, gva, f->buf + sizeof(f->buf) - f->len, f->len);
	c->cpl = cpl;
	return r;
}

/**
 * emu_frame_write() - write the frame, and stage the stack that it leaves
 * @c: context
 * @f: frame, checked
 *
 * It is the instruction's last access.
 *
 * Return: EMU_OK, or as the op.
 */
enum emu_result emu_frame_write(struct emu_ctxt *c, const struct emu_frame *f)
{
	u64 bottom = frame_bottom(f), mask = emu_mask(frame_width(f));
	u64 gva = f->wide ? bottom : (u32)(f->ss.base + bottom);
	enum emu_result r = frame_write_at(c, f, gva);

	if (r != EMU_OK)
		return r;
	if (!f->switched) {
		emu_stage(c, EMU_RSP, frame_width(f), bottom);
		return EMU_OK;
	}
	/* All of ESP comes out of the TSS, whatever of it the stack uses. */
	emu_stage(c, EMU_RSP, f->wide ? 8 : 4, (f->rsp & ~mask) | bottom);
	emu_segment_stage(c, EMU_SS, &f->ss);
	return EMU_OK;
}
