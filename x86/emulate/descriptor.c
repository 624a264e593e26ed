// SPDX-License-Identifier: GPL-2.0-only
/*
 * Descriptors: finding, reading, marking and turning them into segments. Who may use one,
 * and in which order that is checked, is the instruction's affair.
 *
 * What changes is staged in c->next_seg and takes place when nothing can fail any more. Only
 * the bits "accessed" and "busy" are written before, as the CPU does.
 */
#include "x86/emulate/descriptor.h"

/**
 * emu_selector_fault() - the instruction ends in a fault that names a selector
 * @c: context
 * @vector: #TS, #NP, #SS or #GP
 * @selector: its RPL does not count
 *
 * Return: EMU_FAULT.
 */
enum emu_result emu_selector_fault(struct emu_ctxt *c, u8 vector, u16 selector)
{
	return emu_fault_code(c, vector, (selector & ~3) | c->ext);
}

/**
 * emu_desc_find() - where is the descriptor of a selector?
 * @c: context
 * @selector: of the GDT or the LDT
 * @size: bytes that it must have
 * @gva: filled, whatever the result
 *
 * Return: false beyond the table's end, or without a table.
 */
bool emu_desc_find(struct emu_ctxt *c, u16 selector, unsigned int size, u64 *gva)
{
	unsigned int offset = selector & ~7;
	struct kvm_segment ldt;
	struct kvm_dtable gdt;

	if (selector & 4) {
		c->ops->get_segment(c, EMU_LDTR, &ldt);
		*gva = ldt.base + offset;
		return !ldt.unusable && offset + size - 1 <= ldt.limit;
	}
	c->ops->get_dt(c, false, &gdt);
	*gva = gdt.base + offset;
	return offset + size - 1 <= gdt.limit;
}

/**
 * emu_desc_read() - read the descriptor of a selector
 * @c: context
 * @selector: which is not null
 * @vector: of the fault, where there is none
 * @d: filled
 *
 * Return: EMU_OK, EMU_FAULT, or what the op says.
 */
enum emu_result emu_desc_read(struct emu_ctxt *c, u16 selector, u8 vector, struct emu_desc *d)
{
	d->selector = selector;
	d->high = 0;
	d->raw = 0;
	if (!emu_desc_find(c, selector, 8, &d->gva))
		return emu_selector_fault(c, vector, selector);
	return c->ops->read(c, d->gva, &d->raw, 8, EMU_ACC_SYSTEM);
}

/**
 * emu_desc_read_target() - read the descriptor that a far transfer or an interrupt leads to
 * @c: context
 * @selector: any
 * @d: filled
 *
 * Return: as emu_desc_read(); #GP that names no selector for one that is null.
 */
enum emu_result emu_desc_read_target(struct emu_ctxt *c, u16 selector, struct emu_desc *d)
{
	if (selector_is_null(selector))
		return emu_fault_code(c, X86_TRAP_GP, c->ext);
	return emu_desc_read(c, selector, X86_TRAP_GP, d);
}

/**
 * emu_desc_check_code() - may this code segment be entered?
 * @c: context
 * @d: its descriptor
 * @fits: by its type and its level it may
 *
 * Return: EMU_OK; EMU_FAULT with #GP where it does not fit, and then #NP where it is not present.
 */
enum emu_result emu_desc_check_code(struct emu_ctxt *c, const struct emu_desc *d, bool fits)
{
	if (!fits)
		return emu_selector_fault(c, X86_TRAP_GP, d->selector);
	return d->raw & DESC_P ? EMU_OK : emu_selector_fault(c, X86_TRAP_NP, d->selector);
}

/**
 * emu_desc_is_mixed() - does a code segment have both L and D set, which long mode reserves?
 * @c: context
 * @desc: the first eight bytes of its descriptor
 *
 * Return: whether it is.
 */
bool emu_desc_is_mixed(struct emu_ctxt *c, u64 desc)
{
	return desc & DESC_L && desc & DESC_D && c->ops->is_lma(c);
}

/**
 * emu_desc_fits_gate() - can a call, interrupt or trap gate lead there?
 * @c: context
 * @desc: the first eight bytes of its descriptor
 *
 * Return: whether it is code of this level or one inside, in long mode of 64 bits.
 */
bool emu_desc_fits_gate(struct emu_ctxt *c, u64 desc)
{
	if (!desc_is_code(desc) || DESC_DPL(desc) > c->cpl)
		return false;
	return !c->ops->is_lma(c) || (desc & DESC_L && !(desc & DESC_D));
}

/**
 * emu_desc_read_high() - read the second half of a descriptor of long mode
 * @c: context, in long mode
 * @vector: of the fault, where there is none, or where it is none
 * @d: as emu_desc_read() left it
 *
 * Return: as emu_desc_read().
 */
enum emu_result emu_desc_read_high(struct emu_ctxt *c, u8 vector, struct emu_desc *d)
{
	enum emu_result r;

	if (!emu_desc_find(c, d->selector, 16, &d->gva))
		return emu_selector_fault(c, vector, d->selector);
	r = c->ops->read(c, d->gva + 8, &d->high, 8, EMU_ACC_SYSTEM);
	/* What would be the type of a second descriptor must be 0. */
	if (r == EMU_OK && d->high >> 40 & 31)
		return emu_selector_fault(c, vector, d->selector);
	return r;
}

/**
 * emu_desc_limit() - the limit that a descriptor says
 * @desc: its first eight bytes
 *
 * Return: it, in bytes.
 */
u32 emu_desc_limit(u64 desc)
{
	u32 limit = (desc & 0xffff) | (desc >> 32 & 0xf0000);

	return desc & DESC_G ? limit << 12 | 0xfff : limit;
}

/**
 * emu_desc_segment() - what a segment register becomes by a descriptor
 * @d: read
 *
 * Return: it, its accessed bit set where it has one.
 */
struct kvm_segment emu_desc_segment(const struct emu_desc *d)
{
	u64 desc = d->raw;

	return (struct kvm_segment) {
		.base = (desc >> 16 & 0xffffff) | (desc >> 32 & 0xff000000) | d->high << 32,
		.limit = emu_desc_limit(desc), .selector = d->selector,
		.type = DESC_TYPE(desc) | (desc & DESC_S ? TYPE_ACCESSED : 0),
		.present = 1, .dpl = DESC_DPL(desc), .db = desc >> 54 & 1, .s = desc >> 44 & 1,
		.l = desc >> 53 & 1, .g = desc >> 55 & 1, .avl = desc >> 52 & 1,
	};
}

/**
 * emu_null_stack() - SS with a null selector, as 64-bit code may have it
 * @selector: null
 * @cpl: privilege level of that code
 *
 * Return: it.
 */
struct kvm_segment emu_null_stack(u16 selector, u8 cpl)
{
	return (struct kvm_segment) {
		.selector = selector, .unusable = 1, .dpl = cpl, .db = 1, .type = 3, .s = 1,
	};
}

/**
 * emu_desc_mark() - set the accessed bit, unless it is set
 * @c: context
 * @d: of a code or data segment
 *
 * Return: as the op.
 */
enum emu_result emu_desc_mark(struct emu_ctxt *c, const struct emu_desc *d)
{
	u8 byte = d->raw >> 40 | TYPE_ACCESSED;

	if (d->raw >> 40 & TYPE_ACCESSED)
		return EMU_OK;
	return c->ops->write(c, d->gva + 5, &byte, 1, EMU_ACC_SYSTEM);
}

/**
 * emu_segment_stage() - note that a segment register takes a value
 * @c: context
 * @nr: which
 * @seg: the value
 */
void emu_segment_stage(struct emu_ctxt *c, enum emu_seg nr, const struct kvm_segment *seg)
{
	c->next_seg[nr] = *seg;
	c->next_segs |= BIT(nr);
}

/**
 * emu_segment_stage_real() - likewise in real or virtual-8086 mode
 * @c: context
 * @nr: which
 * @selector: its limit and rights stay
 */
void emu_segment_stage_real(struct emu_ctxt *c, enum emu_seg nr, u16 selector)
{
	struct kvm_segment seg;

	c->ops->get_segment(c, nr, &seg);
	seg.selector = selector;
	seg.base = selector << 4;
	emu_segment_stage(c, nr, &seg);
}

/**
 * emu_code_is_64() - is it 64-bit code that runs in this segment?
 * @c: context
 * @cs: which will be CS
 *
 * Return: whether it is.
 */
bool emu_code_is_64(struct emu_ctxt *c, const struct kvm_segment *cs)
{
	return cs->l && c->ops->is_lma(c);
}

/**
 * emu_code_check_target() - may code go on there?
 * @c: context
 * @cs: which will be CS
 * @rip: offset in it
 *
 * Return: EMU_OK, or EMU_FAULT with #GP.
 */
enum emu_result emu_code_check_target(struct emu_ctxt *c, const struct kvm_segment *cs, u64 rip)
{
	bool ok = emu_code_is_64(c, cs) ? emu_canonical(c, rip) : rip <= cs->limit;

	return ok ? EMU_OK : emu_fault_code(c, X86_TRAP_GP, c->ext);
}
