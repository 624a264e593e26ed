// SPDX-License-Identifier: GPL-2.0-only
/*
 * Segment registers and descriptor tables: loading selectors with all checks, and looking at
 * descriptors. Those that control transfers load are checked where that is done.
 */
#include "x86/emulate/descriptor.h"

/* A null selector: anywhere but in SS, and there in the kernel's 64-bit code. */
static enum emu_result segment_null(struct emu_ctxt *c, enum emu_seg nr, u16 selector)
{
	struct kvm_segment seg = { .selector = selector, .unusable = 1 };

	if (nr == EMU_SS) {
		if (!emu_long(c) || c->cpl == 3 || (selector & 3) != c->cpl)
			return emu_gp0(c);
		seg = emu_null_stack(selector, c->cpl);
	}
	emu_segment_stage(c, nr, &seg);
	return EMU_OK;
}

static bool desc_fits_stack(const struct emu_ctxt *c, u64 desc, u16 selector)
{
	return desc_is_writable_data(desc) && (selector & 3) == c->cpl && DESC_DPL(desc) == c->cpl;
}

static bool desc_may_be_read(u64 desc)
{
	return desc & DESC_S && (DESC_TYPE(desc) & (TYPE_CODE | TYPE_RW)) != TYPE_CODE;
}

/* Privileged enough, by CPL and by the selector's RPL? */
static bool desc_reachable(const struct emu_ctxt *c, u64 desc, u16 selector)
{
	return DESC_DPL(desc) >= (selector & 3) && DESC_DPL(desc) >= c->cpl;
}

static bool desc_fits_data(const struct emu_ctxt *c, u64 desc, u16 selector)
{
	return desc_may_be_read(desc) &&
	       (desc_conforms(desc) || desc_reachable(c, desc, selector));
}

static enum emu_result segment_load_protected(struct emu_ctxt *c, enum emu_seg nr, u16 selector)
{
	struct kvm_segment seg;
	struct emu_desc d;
	enum emu_result r;

	if (selector_is_null(selector))
		return segment_null(c, nr, selector);
	r = emu_desc_read(c, selector, X86_TRAP_GP, &d);
	if (r != EMU_OK)
		return r;
	if (nr == EMU_SS ? !desc_fits_stack(c, d.raw, selector) :
			   !desc_fits_data(c, d.raw, selector))
		return emu_selector_fault(c, X86_TRAP_GP, selector);
	if (!(d.raw & DESC_P))
		return emu_selector_fault(c, nr == EMU_SS ? X86_TRAP_SS : X86_TRAP_NP, selector);
	seg = emu_desc_segment(&d);
	emu_segment_stage(c, nr, &seg);
	return emu_desc_mark(c, &d);
}

static enum emu_result segment_load(struct emu_ctxt *c, enum emu_seg nr, u16 selector)
{
	if (!emu_realish(c))
		return segment_load_protected(c, nr, selector);
	emu_segment_stage_real(c, nr, selector);
	return EMU_OK;
}

enum emu_result emu_mov_to_sreg(struct emu_ctxt *c)
{
	if (c->dst.reg == EMU_CS)
		return emu_ud(c);
	if (c->dst.reg == EMU_SS)
		c->shadow = EMU_SHADOW_MOV_SS;
	return segment_load(c, c->dst.reg, c->src.val[0]);
}

/* POP of a segment register; its number is in the opcode. */
enum emu_result emu_pop_sreg(struct emu_ctxt *c)
{
	enum emu_result r;
	u64 val = 0;

	r = emu_pop_value(c, &val);
	if (r != EMU_OK)
		return r;
	if (c->dst.reg == EMU_SS)
		c->shadow = EMU_SHADOW_MOV_SS;
	return segment_load(c, c->dst.reg, val);
}

/* LES, LDS, LSS, LFS, LGS: an offset and a selector. */
enum emu_result emu_load_far(struct emu_ctxt *c)
{
	static const u8 seg[] = { [0xb2 - 0xb2] = EMU_SS, [0xb4 - 0xb2] = EMU_FS,
				  [0xb5 - 0xb2] = EMU_GS };
	enum emu_seg nr = c->opcode == 0xc4 ? EMU_ES : c->opcode == 0xc5 ? EMU_DS :
			  (enum emu_seg)seg[c->opcode - 0xb2];
	/* Of AMD's CPUs no offset in memory has 64 bits. */
	unsigned int size = c->opsize == 8 && !c->ops->is_intel(c) ? 4 : c->opsize;
	enum emu_result r;
	u16 selector;
	u8 buf[10];

	r = emu_read_seg(c, c->seg, emu_effective_address(c), buf, size + 2);
	if (r != EMU_OK)
		return r;
	c->dst.val[0] = 0;
	memcpy(c->dst.val, buf, size);
	memcpy(&selector, buf + size, 2);
	return segment_load(c, nr, selector);
}

/* Tables */

/* May this program see where the kernel's tables are? */
static enum emu_result check_umip(struct emu_ctxt *c)
{
	return c->cpl && c->ops->get_cr(c, 4) & X86_CR4_UMIP ? emu_gp0(c) : EMU_OK;
}

static bool is_idt(const struct emu_ctxt *c)
{
	return c->modrm >> 3 & 1;
}

/* SGDT, SIDT */
enum emu_result emu_store_dt(struct emu_ctxt *c)
{
	enum emu_result r = check_umip(c);
	struct kvm_dtable dt;
	u8 buf[10];

	if (r != EMU_OK)
		return r;
	c->ops->get_dt(c, is_idt(c), &dt);
	memcpy(buf, &dt.limit, 2);
	memcpy(buf + 2, &dt.base, 8);
	return emu_write_seg(c, c->seg, emu_effective_address(c), buf, emu_long(c) ? 10 : 6);
}

/* LGDT, LIDT: with 16-bit operands only 24 bits of the base count. */
enum emu_result emu_load_dt(struct emu_ctxt *c)
{
	struct kvm_dtable dt = { };
	enum emu_result r;
	u8 buf[10] = { 0 };

	r = emu_read_seg(c, c->seg, emu_effective_address(c), buf, emu_long(c) ? 10 : 6);
	if (r != EMU_OK)
		return r;
	memcpy(&dt.limit, buf, 2);
	memcpy(&dt.base, buf + 2, sizeof(dt.base));
	if (emu_long(c) && !emu_canonical(c, dt.base))
		return emu_gp0(c);
	if (!emu_long(c) && c->opsize == 2)
		dt.base &= 0xffffff;
	c->ops->set_dt(c, is_idt(c), &dt);
	return EMU_OK;
}

/* SLDT and STR are 0 and 1 of their group. */
enum emu_result emu_store_selector(struct emu_ctxt *c)
{
	struct kvm_segment seg;

	c->ops->get_segment(c, c->modrm >> 3 & 1 ? EMU_TR : EMU_LDTR, &seg);
	c->dst.val[0] = seg.selector;
	return check_umip(c);
}

/* Looking at descriptors */

/* Is there one that this program may know of, of a type that @mask allows? */
static enum emu_result desc_look(struct emu_ctxt *c, u16 selector, u32 mask, u64 *desc, bool *seen)
{
	enum emu_result r;
	u64 gva;

	*seen = false;
	if (selector_is_null(selector) || !emu_desc_find(c, selector, 8, &gva))
		return EMU_OK;
	r = c->ops->read(c, gva, desc, 8, EMU_ACC_SYSTEM);
	if (r != EMU_OK)
		return r;
	*seen = *desc & DESC_S ? desc_conforms(*desc) || desc_reachable(c, *desc, selector) :
				 mask >> DESC_TYPE(*desc) & 1 && desc_reachable(c, *desc, selector);
	return EMU_OK;
}

static enum emu_result look_result(struct emu_ctxt *c, bool zf)
{
	c->next_rflags &= ~(u64)X86_EFLAGS_ZF;
	if (zf)
		c->next_rflags |= X86_EFLAGS_ZF;
	return EMU_OK;
}

/* LAR (02) and LSL (03); which types of system segments have rights, and which have a limit */
enum emu_result emu_lar_lsl(struct emu_ctxt *c)
{
	bool limit = c->opcode == 3, seen;
	u32 mask = limit ? BIT(1) | BIT(2) | BIT(3) | BIT(9) | BIT(11) :
			   BIT(1) | BIT(2) | BIT(3) | BIT(4) | BIT(5) | BIT(9) | BIT(11) | BIT(12);
	enum emu_result r;
	u64 desc = 0;

	if (c->ops->is_lma(c))
		mask = BIT(2) | BIT(9) | BIT(11) | (limit ? 0 : BIT(12));
	r = desc_look(c, c->src.val[0], mask, &desc, &seen);
	if (r == EMU_OK && seen)
		emu_stage_opnd(c, &c->dst, limit ? emu_desc_limit(desc) : desc >> 32 & 0xffff00);
	return r == EMU_OK ? look_result(c, seen) : r;
}

/* VERR and VERW are 4 and 5 of their group. */
enum emu_result emu_verify(struct emu_ctxt *c)
{
	bool write = c->modrm >> 3 & 1, seen;
	enum emu_result r;
	u64 desc = 0;

	r = desc_look(c, c->src.val[0], 0, &desc, &seen);
	if (r != EMU_OK)
		return r;
	if (write)
		seen = seen && (DESC_TYPE(desc) & (TYPE_CODE | TYPE_RW)) == TYPE_RW;
	return look_result(c, seen && desc_may_be_read(desc));
}

/* LLDT and LTR */

/* A descriptor of the GDT of one of @types, with all of its base; @d is filled. */
static enum emu_result table_desc(struct emu_ctxt *c, u16 selector, u32 types,
				  struct emu_desc *d)
{
	enum emu_result r;

	if (selector & 4)
		return emu_selector_fault(c, X86_TRAP_GP, selector);
	r = emu_desc_read(c, selector, X86_TRAP_GP, d);
	if (r != EMU_OK)
		return r;
	if (d->raw & DESC_S || !(types >> DESC_TYPE(d->raw) & 1))
		return emu_selector_fault(c, X86_TRAP_GP, selector);
	if (!(d->raw & DESC_P))
		return emu_selector_fault(c, X86_TRAP_NP, selector);
	return c->ops->is_lma(c) ? emu_desc_read_high(c, X86_TRAP_GP, d) : EMU_OK;
}

static enum emu_result table_stage(struct emu_ctxt *c, enum emu_seg nr, const struct emu_desc *d)
{
	struct kvm_segment seg = emu_desc_segment(d);

	if (c->ops->is_lma(c) && !emu_canonical(c, seg.base))
		return emu_selector_fault(c, X86_TRAP_GP, d->selector);
	if (nr == EMU_TR)
		seg.type |= TYPE_BUSY;
	emu_segment_stage(c, nr, &seg);
	return EMU_OK;
}

enum emu_result emu_lldt(struct emu_ctxt *c)
{
	struct kvm_segment none = { .selector = c->src.val[0], .type = TYPE_LDT, .unusable = 1 };
	struct emu_desc d;
	enum emu_result r;

	if (selector_is_null(c->src.val[0])) {
		emu_segment_stage(c, EMU_LDTR, &none);
		return EMU_OK;
	}
	r = table_desc(c, c->src.val[0], BIT(TYPE_LDT), &d);
	return r == EMU_OK ? table_stage(c, EMU_LDTR, &d) : r;
}

/* The task becomes busy in one step: of two CPUs that load it, one finds it so. */
enum emu_result emu_ltr(struct emu_ctxt *c)
{
	u32 types = BIT(TYPE_TSS32);
	struct emu_desc d;
	enum emu_result r;
	u64 busy;

	if (selector_is_null(c->src.val[0]))
		return emu_gp0(c);
	if (!c->ops->is_lma(c))
		types |= BIT(TYPE_TSS16);
	r = table_desc(c, c->src.val[0], types, &d);
	if (r == EMU_OK)
		r = table_stage(c, EMU_TR, &d);
	if (r != EMU_OK)
		return r;
	busy = d.raw | (u64)TYPE_BUSY << 40;
	return (c->ops->cmpxchg)(c, d.gva, &d.raw, &busy, 8);
}
