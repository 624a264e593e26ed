// SPDX-License-Identifier: GPL-2.0-only
/*
 * Decode, second part: the sizes and the places of operands. Immediates are fetched here,
 * because how long they are follows from the operand size.
 */
#include "x86/emulate/decoder.h"

/* 4. Sizes */

/**
 * emu_decode_opsize() - the operand size, by mode, prefixes and opcode
 * @c: context, its opcode known
 */
void emu_decode_opsize(struct emu_ctxt *c)
{
	bool wide = c->mode == EMU_PROT32;

	if (!emu_long(c)) {
		c->opsize = wide != c->osz_prefix ? 4 : 2;
		return;
	}
	c->opsize = c->osz_prefix ? 2 : 4;
	if (c->rex & 8 || c->flags & EMU_F_F64)
		c->opsize = 8;
	else if (c->flags & EMU_F_D64 && !c->osz_prefix)
		c->opsize = 8;
}

static inline unsigned int spec_size(const struct emu_ctxt *c, u8 spec)
{
	unsigned int size = spec & 7;

	if (size == EMU_SZ_v)
		return c->opsize;
	if (size <= EMU_SZ_dq)
		return 1u << size << (size == EMU_SZ_dq && c->vex_l);
	if (size == EMU_SZ_y)
		return c->rex & 8 ? 8 : 4;
	return c->opsize == 2 ? 2 : 4;
}

/* 5. Operands */

static inline void opnd_reg(const struct emu_ctxt *c, struct emu_opnd *o, unsigned int reg)
{
	o->type = EMU_OPND_REG;
	o->reg = reg;
	if (o->size == 1 && !c->rex && reg >= 4) {
		o->type = EMU_OPND_REGH;
		o->reg = reg - 4;
	}
}

static void opnd_imm(struct emu_opnd *o, u64 val)
{
	o->type = EMU_OPND_IMM;
	o->val[0] = val;
}

/* General, XMM, MMX or memory operand in ModRM.rm; @type is of the register form. */
static inline enum emu_result opnd_rm(struct emu_ctxt *c, struct emu_opnd *o, u8 type)
{
	unsigned int reg = (c->modrm & 7) | (c->rex & 1) << 3;

	if (c->modrm >> 6 != 3) {
		o->type = EMU_OPND_MEM;
	} else if (type == EMU_OPND_NONE) {
		return emu_ud(c);
	} else if (type == EMU_OPND_XMM || type == EMU_OPND_MMX) {
		o->type = type;
		o->reg = type == EMU_OPND_MMX ? reg & 7 : reg;
	} else {
		opnd_reg(c, o, reg);
	}
	return EMU_OK;
}

/* Control and debug registers: always the native width, and only some of them exist. */
static enum emu_result opnd_system(struct emu_ctxt *c, struct emu_opnd *o, u8 type, u8 reg)
{
	static const u16 exists[] = { [EMU_OPND_CR] = 0x11d, [EMU_OPND_DR] = 0xff,
				      [EMU_OPND_SREG] = 0x3f };

	if (type == EMU_OPND_SREG)
		reg &= 7;
	if (!(exists[type] >> reg & 1))
		return emu_ud(c);
	o->type = type;
	o->reg = reg;
	if (type != EMU_OPND_SREG)
		o->size = emu_long(c) ? 8 : 4;
	return EMU_OK;
}

static void opnd_moffs(struct emu_decoder *d, struct emu_opnd *o)
{
	o->type = EMU_OPND_MEM;
	d->c->disp = emu_next_imm(d, d->c->adsize);
}

/* PUSH and POP of segment registers have the number in the opcode. */
static u8 sreg_number(const struct emu_ctxt *c)
{
	return c->flags & EMU_F_MODRM ? c->modrm >> 3 & 7 : c->opcode >> 3 & 7;
}

static u8 modrm_reg(const struct emu_ctxt *c)
{
	return (c->modrm >> 3 & 7) | (c->rex & 4) << 1;
}

/* In the old modes the uppermost bit counts only where no operand is meant. */
static u8 vex_register(const struct emu_ctxt *c)
{
	return emu_long(c) ? c->vex_v : c->vex_v & 7;
}

/* General registers that are named elsewhere than in ModRM.reg; @o->size is set. */
static void opnd_general(struct emu_ctxt *c, struct emu_opnd *o, u8 kind)
{
	switch (kind) {
	case EMU_K_R:
		o->size = emu_long(c) ? 8 : 4;
		opnd_reg(c, o, (c->modrm & 7) | (c->rex & 1) << 3);
		break;
	case EMU_K_Z:
		opnd_reg(c, o, (c->opcode & 7) | (c->rex & 1) << 3);
		break;
	case EMU_K_B:
		opnd_reg(c, o, vex_register(c));
		break;
	case EMU_K_A:
		opnd_reg(c, o, EMU_RAX);
		break;
	case EMU_K_CL:
		opnd_reg(c, o, EMU_RCX);
		break;
	case EMU_K_DX:
		opnd_reg(c, o, EMU_RDX);
		break;
	}
}

static void opnd_vector(struct emu_opnd *o, u8 type, u8 reg)
{
	o->type = type;
	o->reg = reg;
}

/* All but general registers and memory of the usual kind; @o->size is set. */
static enum emu_result decode_special(struct emu_decoder *d, struct emu_opnd *o, u8 kind)
{
	struct emu_ctxt *c = d->c;

	switch (kind) {
	case EMU_K_M:
		return opnd_rm(c, o, EMU_OPND_NONE);
	case EMU_K_W:
		return opnd_rm(c, o, EMU_OPND_XMM);
	case EMU_K_Q:
		return opnd_rm(c, o, EMU_OPND_MMX);
	case EMU_K_C:
		return opnd_system(c, o, EMU_OPND_CR, modrm_reg(c));
	case EMU_K_D:
		return opnd_system(c, o, EMU_OPND_DR, modrm_reg(c));
	case EMU_K_S:
		return opnd_system(c, o, EMU_OPND_SREG, sreg_number(c));
	case EMU_K_I:
	case EMU_K_J:
		opnd_imm(o, emu_next_imm(d, o->size));
		break;
	case EMU_K_ONE:
		opnd_imm(o, 1);
		break;
	case EMU_K_O:
		opnd_moffs(d, o);
		break;
	case EMU_K_P:
		opnd_vector(o, EMU_OPND_MMX, c->modrm >> 3 & 7);
		break;
	case EMU_K_V:
		opnd_vector(o, EMU_OPND_XMM, modrm_reg(c));
		break;
	case EMU_K_H:
		opnd_vector(o, EMU_OPND_XMM, vex_register(c));
		break;
	default:
		opnd_general(c, o, kind);
	}
	return EMU_OK;
}

static inline enum emu_result decode_operand(struct emu_decoder *d, struct emu_opnd *o, u8 spec)
{
	o->type = EMU_OPND_NONE;
	if (!spec)
		return EMU_OK;
	o->size = spec_size(d->c, spec);
	if (spec >> 3 == EMU_K_E)
		return opnd_rm(d->c, o, EMU_OPND_REG);
	if (spec >> 3 == EMU_K_G) {
		opnd_reg(d->c, o, modrm_reg(d->c));
		return EMU_OK;
	}
	return decode_special(d, o, spec >> 3);
}

/**
 * emu_decode_operands() - where the operands are, immediates included
 * @d: decoder, behind ModRM and what belongs to it
 * @spec: EMU_OPND() of each
 *
 * Return: EMU_OK; EMU_FAULT with #UD for a form that does not exist. @d->err is separate.
 */
enum emu_result emu_decode_operands(struct emu_decoder *d, const u8 spec[3])
{
	struct emu_ctxt *c = d->c;
	enum emu_result r;

	r = decode_operand(d, &c->dst, spec[0]);
	if (r == EMU_OK)
		r = decode_operand(d, &c->src, spec[1]);
	if (r == EMU_OK)
		r = decode_operand(d, &c->src2, spec[2]);
	return r;
}
