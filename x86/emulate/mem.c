// SPDX-License-Identifier: GPL-2.0-only
/*
 * From an operand to a linear address: address arithmetic, segmentation, canonical and alignment
 * checks.
 *
 * Owns the rules of Intel SDM volume 3 chapter 5.2-5.4 for data and near branches; paging is behind
 * the ops.
 */
#include "x86/emulate/internal.h"

/* kvm_segment.type of code and data segments */
#define SEG_CODE	8
#define SEG_DOWN	4	/* data: expands down */
#define SEG_WRITABLE	2	/* data; in code: readable */

/**
 * emu_canonical() - may @gva be used in 64-bit mode?
 * @c: context
 * @gva: linear address
 *
 * CR4 is only read for the few addresses on which 5-level paging makes a difference.
 *
 * Return: whether it may.
 */
bool emu_canonical(struct emu_ctxt *c, u64 gva)
{
	if (emu_canonical_48(gva))
		return true;
	return (u64)((s64)(gva << 7) >> 7) == gva && c->ops->get_cr(c, 4) & X86_CR4_LA57;
}

static enum emu_result seg_fault(struct emu_ctxt *c, enum emu_seg seg)
{
	return emu_fault_code(c, seg == EMU_SS ? X86_TRAP_SS : X86_TRAP_GP, 0);
}

static bool in_limit(const struct kvm_segment *s, u64 first, u64 last, bool realish)
{
	if (!realish && (s->type & (SEG_CODE | SEG_DOWN)) == SEG_DOWN)
		return first > s->limit && last <= (s->db ? 0xffffffff : 0xffff);
	return last <= s->limit;
}

/* Present, and of a type that allows the access? */
static bool type_allows(const struct kvm_segment *s, bool write)
{
	if (s->unusable || !s->present)
		return false;
	if (s->type & SEG_CODE)
		return !write && s->type & SEG_WRITABLE;
	return !write || s->type & SEG_WRITABLE;
}

/**
 * emu_stack_allows() - may a stack be written there?
 * @ss: its segment
 * @realish: in real or virtual-8086 mode
 * @ea: offset
 * @len: bytes, not 0
 *
 * Return: whether it may.
 */
bool emu_stack_allows(const struct kvm_segment *ss, bool realish, u64 ea, unsigned int len)
{
	return (realish || type_allows(ss, true)) && in_limit(ss, ea, ea + len - 1, realish);
}

static enum emu_result linear_segmented(struct emu_ctxt *c, enum emu_seg seg, u64 ea,
					unsigned int len, bool write, u64 *gva)
{
	struct kvm_segment s;

	c->ops->get_segment(c, seg, &s);
	if (!emu_realish(c) && !type_allows(&s, write))
		return seg_fault(c, seg);
	if (!in_limit(&s, ea, ea + len - 1, emu_realish(c)))
		return seg_fault(c, seg);
	*gva = (u32)(s.base + ea);
	return EMU_OK;
}

static enum emu_result linear_64(struct emu_ctxt *c, enum emu_seg seg, u64 ea, unsigned int len,
				 u64 *gva)
{
	struct kvm_segment s;

	if (seg >= EMU_FS) {
		c->ops->get_segment(c, seg, &s);
		ea += s.base;
	}
	*gva = ea;
	if (!emu_canonical(c, ea) || !emu_canonical(c, ea + len - 1))
		return seg_fault(c, seg);
	return EMU_OK;
}

/**
 * emu_misaligned() - is an access #AC?
 * @c: context; only in user mode, when both the kernel and the program ask for it
 * @gva: linear address
 * @len: bytes
 *
 * Return: whether it is.
 */
bool emu_misaligned(struct emu_ctxt *c, u64 gva, unsigned int len)
{
	return c->cpl == 3 && c->rflags & X86_EFLAGS_AC && len <= 8 && gva & (len - 1) &&
	       c->ops->get_cr(c, 0) & X86_CR0_AM;
}

/**
 * emu_linear() - segment and offset to a linear address
 * @c: context
 * @seg: EMU_ES to EMU_GS
 * @ea: offset, already truncated to the address size
 * @len: bytes of the access, not 0
 * @access: EMU_ACC_WRITE: it is a write
 * @gva: set on EMU_OK
 *
 * Return: EMU_FAULT with #GP, #SS or #AC where the segment does not allow the access.
 */
enum emu_result emu_linear(struct emu_ctxt *c, enum emu_seg seg, u64 ea, unsigned int len,
			   unsigned int access, u64 *gva)
{
	enum emu_result r;

	if (emu_long(c))
		r = linear_64(c, seg, ea, len, gva);
	else
		r = linear_segmented(c, seg, ea, len, access & EMU_ACC_WRITE, gva);
	if (r == EMU_OK && unlikely(emu_misaligned(c, *gva, len)))
		return emu_fault_code(c, X86_TRAP_AC, 0);
	return r;
}

/**
 * emu_branch() - continue at @target
 * @c: context
 * @target: offset in CS, not yet truncated to the operand size
 *
 * Sets c->next_rip; #GP for a target beyond the limit or not canonical.
 *
 * Return: EMU_OK or EMU_FAULT.
 */
enum emu_result emu_branch(struct emu_ctxt *c, u64 target)
{
	struct kvm_segment cs;

	target &= emu_mask(c->opsize);
	if (emu_long(c)) {
		if (!emu_canonical(c, target))
			return emu_gp0(c);
	} else {
		c->ops->get_segment(c, EMU_CS, &cs);
		if (target > cs.limit)
			return emu_gp0(c);
	}
	c->next_rip = target;
	return EMU_OK;
}

/* Ops take this much at once. */
#define MEM_CHUNK 32u

/**
 * emu_read_gva() - read memory
 * @c: context
 * @gva: from where
 * @buf: where to
 * @len: bytes; may be more than the ops take at once
 *
 * Return: as the ops.
 */
enum emu_result emu_read_gva(struct emu_ctxt *c, u64 gva, u8 *buf, unsigned int len)
{
	enum emu_result r = EMU_OK;

	while (len && r == EMU_OK) {
		unsigned int n = min_t(unsigned int, len, MEM_CHUNK);

		r = c->ops->read(c, gva, buf, n, 0);
		gva += n;
		buf += n;
		len -= n;
	}
	return r;
}

/**
 * emu_write_gva() - write memory, all of it or nothing
 * @c: context
 * @gva: where to
 * @buf: from where
 * @len: bytes; may be more than the ops take at once
 *
 * Return: as the ops.
 */
enum emu_result emu_write_gva(struct emu_ctxt *c, u64 gva, const void *buf, unsigned int len)
{
	enum emu_result r = EMU_OK;
	unsigned int pos, n;

	if (len <= MEM_CHUNK)
		return c->ops->write(c, gva, buf, len, 0);
	for (pos = 0; pos < len && r == EMU_OK; pos += n) {
		n = min_t(unsigned int, len - pos, MEM_CHUNK);
		r = c->ops->probe(c, gva + pos, n, EMU_ACC_WRITE);
	}
	for (pos = 0; pos < len && r == EMU_OK; pos += n) {
		n = min_t(unsigned int, len - pos, MEM_CHUNK);
		r = c->ops->write(c, gva + pos, buf + pos, n, 0);
	}
	return r;
}

/**
 * emu_read_seg() - read memory through a segment
 * @c: context
 * @seg: segment
 * @ea: offset
 * @buf: where to
 * @len: bytes
 *
 * Return: as emu_linear() and the op.
 */
enum emu_result emu_read_seg(struct emu_ctxt *c, enum emu_seg seg, u64 ea, void *buf,
			     unsigned int len)
{
	enum emu_result r;
	u64 gva;

	r = emu_linear(c, seg, ea, len, 0, &gva);
	return r == EMU_OK ? emu_read_gva(c, gva, buf, len) : r;
}

/**
 * emu_write_seg() - write memory through a segment
 * @c: context
 * @seg: segment
 * @ea: offset
 * @buf: from where
 * @len: bytes
 *
 * Return: as emu_linear() and the op.
 */
enum emu_result emu_write_seg(struct emu_ctxt *c, enum emu_seg seg, u64 ea, const void *buf,
			      unsigned int len)
{
	enum emu_result r;
	u64 gva;

	r = emu_linear(c, seg, ea, len, EMU_ACC_WRITE, &gva);
	return r == EMU_OK ? emu_write_gva(c, gva, buf, len) : r;
}
