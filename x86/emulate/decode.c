// SPDX-License-Identifier: GPL-2.0-only
/*
 * Decode: from bytes to an opcode entry, operands and a length.
 *
 * Depends on the mode, never on a register, so that a decoded instruction stays valid while it is executed
 * again and again.  The hard part is that everything interacts: a prefix may be part of the opcode, ModRM
 * part of the opcode or of an address, and the operand size is known only once the opcode is.
 *
 * Plan: 1. prefixes; 2. opcode maps; 3. ModRM and groups; 4. sizes; 5. operands; 6. checks.
 */
#include "x86/emulate/internal.h"

struct emu_decoder {
	struct emu_ctxt *c;
	u8 pos;			/* next byte of c->insn[] */
	enum emu_result err;	/* sticky: the first failure */
};

/* Fetching bytes */

static enum emu_result fetch_limit(struct emu_ctxt *c, u64 *gva, unsigned int *avail)
{
	struct kvm_segment cs;
	u64 eip = (u32)(c->rip + c->fetched);

	if (emu_long(c)) {
		*gva = c->rip + c->fetched;
		return emu_canonical(c, *gva) ? EMU_OK : emu_gp0(c);
	}
	c->ops->get_segment(c, EMU_CS, &cs);
	if (eip > cs.limit)
		return emu_gp0(c);
	*avail = min_t(u64, *avail, (u64)cs.limit - eip + 1);
	*gva = (u32)(cs.base + eip);
	return EMU_OK;
}

/* Fetch more bytes: as many as the instruction can have and the page holds. */
static enum emu_result fetch_more(struct emu_ctxt *c)
{
	unsigned int avail = EMU_INSN_MAX - c->fetched;
	enum emu_result r;
	u64 gva = 0;

	if (!avail)
		return emu_gp0(c);
	r = fetch_limit(c, &gva, &avail);
	if (r != EMU_OK)
		return r;
	avail = min_t(unsigned int, avail, 4096 - (gva & 4095));
	r = c->ops->fetch(c, gva, c->insn + c->fetched, avail);
	if (r == EMU_OK)
		c->fetched += avail;
	return r;
}

static inline u8 next_u8(struct emu_decoder *d)
{
	if (unlikely(d->pos >= d->c->fetched)) {
		if (d->err == EMU_OK)
			d->err = fetch_more(d->c);
		if (d->err != EMU_OK)
			return 0;
	}
	return d->c->insn[d->pos++];
}

/* A little-endian signed number of @size bytes. */
static u64 next_imm(struct emu_decoder *d, unsigned int size)
{
	u64 val = 0;
	unsigned int i;

	if (likely(d->pos + size <= d->c->fetched)) {
		memcpy(&val, d->c->insn + d->pos, sizeof(val));
		d->pos += size;
		return emu_sext(val, size);
	}
	for (i = 0; i < size; i++)
		val |= (u64)next_u8(d) << (8 * i);
	return emu_sext(val, size);
}

/* 1. Prefixes */

static void decode_prefix(struct emu_ctxt *c, u8 byte)
{
	switch (byte) {
	case 0x66:
		c->osz_prefix = 1;
		break;
	case 0x67:
		c->adsize = emu_long(c) ? 4 : c->mode == EMU_PROT32 ? 2 : 4;
		break;
	case 0xf0:
		c->lock = 1;
		break;
	case 0xf2:
	case 0xf3:
		c->rep = byte;
		break;
	case 0x64:
		c->seg_override = EMU_FS;
		break;
	case 0x65:
		c->seg_override = EMU_GS;
		break;
	default:	/* 26, 2E, 36, 3E: ES, CS, SS, DS; ignored in 64-bit mode */
		if (!emu_long(c))
			c->seg_override = (byte >> 3) & 3;
	}
}

/* Returns the first opcode byte.  A REX that is not the last prefix does not count. */
static u8 decode_prefixes(struct emu_decoder *d)
{
	struct emu_ctxt *c = d->c;
	u8 byte;

	for (;;) {
		byte = next_u8(d);
		if (d->err != EMU_OK)
			return 0;
		if (emu_long(c) && (byte & 0xf0) == 0x40) {
			c->rex = byte;
			continue;
		}
		if (!(emu_map_1[byte].flags & EMU_F_PREFIX))
			return byte;
		c->rex = 0;
		decode_prefix(c, byte);
	}
}

/* 3. ModRM and groups */

static void modrm_16(struct emu_decoder *d, unsigned int mod, unsigned int rm)
{
	static const u8 base[8] = { EMU_RBX, EMU_RBX, EMU_RBP, EMU_RBP,
				    EMU_RSI, EMU_RDI, EMU_RBP, EMU_RBX };
	static const u8 index[8] = { EMU_RSI, EMU_RDI, EMU_RSI, EMU_RDI,
				     EMU_NR_REGS, EMU_NR_REGS, EMU_NR_REGS, EMU_NR_REGS };
	struct emu_ctxt *c = d->c;

	if (mod == 0 && rm == 6) {
		c->disp = next_imm(d, 2);
		return;
	}
	c->base = base[rm];
	c->index = index[rm];
	if (mod)
		c->disp = next_imm(d, mod);
}

static void modrm_sib(struct emu_decoder *d, unsigned int mod)
{
	struct emu_ctxt *c = d->c;
	u8 sib = next_u8(d);
	u8 index = ((sib >> 3) & 7) | (c->rex & 2) << 2;

	c->scale = sib >> 6;
	if (index != EMU_RSP)
		c->index = index;
	if ((sib & 7) == EMU_RBP && mod == 0)
		c->disp = next_imm(d, 4);
	else
		c->base = (sib & 7) | (c->rex & 1) << 3;
}

static void modrm_32(struct emu_decoder *d, unsigned int mod, unsigned int rm)
{
	struct emu_ctxt *c = d->c;

	if (rm == 4) {
		modrm_sib(d, mod);
	} else if (mod == 0 && rm == 5) {
		c->rip_relative = emu_long(c);
		c->disp = next_imm(d, 4);
	} else {
		c->base = rm | (c->rex & 1) << 3;
	}
	if (mod)
		c->disp = next_imm(d, mod == 1 ? 1 : 4);
}

/* The memory form of ModRM: what the address is made of. */
static void decode_address(struct emu_decoder *d)
{
	struct emu_ctxt *c = d->c;
	unsigned int mod = c->modrm >> 6;

	if (mod == 3)
		return;
	if (c->adsize == 2)
		modrm_16(d, mod, c->modrm & 7);
	else
		modrm_32(d, mod, c->modrm & 7);
	if (c->seg_override == EMU_NR_SEGS && (c->base == EMU_RSP || c->base == EMU_RBP))
		c->seg = EMU_SS;
}

/* The mandatory prefix, as an index of a GROUP_PFX table; F2 and F3 win over 66. */
static unsigned int prefix_index(const struct emu_ctxt *c)
{
	if (c->rep)
		return c->rep == 0xf3 ? 2 : 3;
	return c->osz_prefix;
}

static const struct emu_opcode *group_member(const struct emu_ctxt *c, const struct emu_opcode *op)
{
	switch (op->flags & EMU_F_GROUPS) {
	case EMU_F_GROUP:
		return &op->table[(c->modrm >> 3) & 7];
	case EMU_F_GROUP_RM:
		return &op->table[c->modrm & 7];
	case EMU_F_GROUP_MOD:
		return &op->table[c->modrm >> 6 == 3];
	case EMU_F_GROUP_PFX:
		return &op->table[prefix_index(c)];
	case EMU_F_GROUP_W:
		return &op->table[(c->rex >> 3) & 1];
	default:
		return &op->table[emu_long(c)];
	}
}

/* Bytes that are LES, LDS and BOUND in the old modes, and VEX or EVEX wherever those make no sense. */
static bool is_vex(const struct emu_ctxt *c)
{
	return emu_long(c) || (!emu_realish(c) && c->modrm >> 6 == 3);
}

/* 2. Opcode maps.  Leaves the final entry in c->op, and the specs of the operands in @spec. */
static enum emu_result decode_opcode(struct emu_decoder *d, u8 spec[3])
{
	struct emu_ctxt *c = d->c;
	const struct emu_opcode *op;

	c->opcode = decode_prefixes(d);
	op = &emu_map_1[c->opcode];
	while (op->flags & EMU_F_ESCAPE) {
		c->opcode = next_u8(d);
		op = &op->table[c->opcode];
	}
	if (d->err != EMU_OK)
		return d->err;
	c->flags = op->flags;
	if (op->flags & EMU_F_MODRM)
		c->modrm = next_u8(d) | (op->flags & EMU_F_REGONLY ? 0xc0 : 0);
	if (op->flags & EMU_F_VEX && is_vex(c))
		return d->err != EMU_OK ? d->err : EMU_UNHANDLED;
	spec[0] = op->dst;
	spec[1] = op->src;
	spec[2] = op->src2;
	while (op->flags & EMU_F_GROUPS) {
		op = group_member(c, op);
		c->flags |= op->flags;
		if (op->dst || op->src) {
			spec[0] = op->dst;
			spec[1] = op->src;
		}
	}
	if (d->err != EMU_OK)
		return d->err;
	c->op = op;
	return op->defined ? EMU_OK : EMU_UNHANDLED;
}

/* 4. Sizes */

static void decode_opsize(struct emu_ctxt *c)
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
		return 1u << size;
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

/* General, XMM or memory operand in ModRM.rm; @type is of the register form. */
static inline enum emu_result opnd_rm(struct emu_ctxt *c, struct emu_opnd *o, u8 type)
{
	unsigned int reg = (c->modrm & 7) | (c->rex & 1) << 3;

	if (c->modrm >> 6 != 3) {
		o->type = EMU_OPND_MEM;
	} else if (type == EMU_OPND_NONE) {
		return emu_ud(c);
	} else if (type == EMU_OPND_XMM) {
		o->type = type;
		o->reg = reg;
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
	d->c->disp = next_imm(d, d->c->adsize);
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

/* All but general registers and memory; @o->size is set. */
static enum emu_result decode_special(struct emu_decoder *d, struct emu_opnd *o, u8 kind)
{
	struct emu_ctxt *c = d->c;

	switch (kind) {
	case EMU_K_I:
	case EMU_K_J:
		opnd_imm(o, next_imm(d, o->size));
		break;
	case EMU_K_M:
		return opnd_rm(c, o, EMU_OPND_NONE);
	case EMU_K_W:
		return opnd_rm(c, o, EMU_OPND_XMM);
	case EMU_K_R:
		o->size = emu_long(c) ? 8 : 4;
		opnd_reg(c, o, (c->modrm & 7) | (c->rex & 1) << 3);
		break;
	case EMU_K_V:
		o->type = EMU_OPND_XMM;
		o->reg = modrm_reg(c);
		break;
	case EMU_K_C:
		return opnd_system(c, o, EMU_OPND_CR, modrm_reg(c));
	case EMU_K_D:
		return opnd_system(c, o, EMU_OPND_DR, modrm_reg(c));
	case EMU_K_S:
		return opnd_system(c, o, EMU_OPND_SREG, sreg_number(c));
	case EMU_K_A:
		opnd_reg(c, o, EMU_RAX);
		break;
	case EMU_K_Z:
		opnd_reg(c, o, (c->opcode & 7) | (c->rex & 1) << 3);
		break;
	case EMU_K_CL:
		opnd_reg(c, o, EMU_RCX);
		break;
	case EMU_K_DX:
		opnd_reg(c, o, EMU_RDX);
		break;
	case EMU_K_ONE:
		opnd_imm(o, 1);
		break;
	case EMU_K_O:
		opnd_moffs(d, o);
		break;
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

static enum emu_result decode_operands(struct emu_decoder *d, const u8 spec[3])
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

/* 6. Checks that need no state */
static enum emu_result decode_checks(struct emu_ctxt *c)
{
	if (emu_long(c) && c->flags & EMU_F_NO64)
		return emu_ud(c);
	if (c->lock && c->op->exec &&
	    !(c->flags & EMU_F_LOCK && c->dst.type == EMU_OPND_MEM))
		return emu_ud(c);
	return EMU_OK;
}

static void decode_start(struct emu_ctxt *c, unsigned int prefetched)
{
	c->fetched = min_t(unsigned int, prefetched, EMU_INSN_MAX);
	c->adsize = emu_long(c) ? 8 : c->mode == EMU_PROT32 ? 4 : 2;
	c->seg = EMU_DS;
	c->lock = 0;
	c->rep = 0;
	c->osz_prefix = 0;
	c->rex = 0;
	c->modrm = 0;
	c->rip_relative = 0;
	c->seg_override = EMU_NR_SEGS;
	c->scale = 0;
	c->base = EMU_NR_REGS;
	c->index = EMU_NR_REGS;
	c->disp = 0;
	c->fault.valid = false;
}

/* Everything that has a length; @d->err and the result together say how it went. */
static enum emu_result decode_all(struct emu_decoder *d)
{
	struct emu_ctxt *c = d->c;
	enum emu_result r;
	u8 spec[3];

	r = decode_opcode(d, spec);
	if (r != EMU_OK)
		return r;
	decode_opsize(c);
	if (c->seg_override != EMU_NR_SEGS)
		c->seg = c->seg_override;
	if (c->flags & EMU_F_MODRM)
		decode_address(d);
	r = decode_operands(d, spec);
	if (d->err != EMU_OK)
		return d->err;
	c->insn_len = d->pos;
	return r;
}

/**
 * emu_decode() - fetch and decode the instruction at c->rip
 * @c: context, first group set
 * @prefetched: bytes already in c->insn[] (the CPU's decode assist), usually 0
 *
 * No locks.
 *
 * Return: EMU_OK with c->insn_len set; EMU_FAULT (#UD, #GP for more than 15 bytes or a CS
 * limit, or what the fetch found); EMU_UNHANDLED for an opcode that is not in the tables,
 * with c->insn[] and c->fetched for the report; EMU_IO or EMU_RETRY when the fetch op says
 * so.
 */
enum emu_result emu_decode(struct emu_ctxt *c, unsigned int prefetched)
{
	struct emu_decoder d = { .c = c };
	enum emu_result r;

	decode_start(c, prefetched);
	r = decode_all(&d);
	if (r == EMU_OK)
		r = decode_checks(c);
	return r;
}
