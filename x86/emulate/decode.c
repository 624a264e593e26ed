// SPDX-License-Identifier: GPL-2.0-only
/*
 * Decode: from bytes to an opcode entry, operands and a length.
 *
 * Depends on the mode, never on a register, so that a decoded instruction stays valid while it is
 * executed again and again.  The hard part is that everything interacts: a prefix may be part of
 * the opcode, ModRM part of the opcode or of an address, and the operand size is known only once
 * the opcode is.
 *
 * Plan: 1. prefixes; 2. opcode maps; 3. ModRM and groups; 4. sizes; 5. operands (both in
 * decode_operands.c); 6. checks.
 */
#include "x86/emulate/decoder.h"

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

/**
 * emu_next_imm() - take a little-endian signed number out of the instruction
 * @d: decoder
 * @size: bytes, 1 to 8
 *
 * Return: it; 0 when the bytes cannot be had, @d->err then says why.
 */
u64 emu_next_imm(struct emu_decoder *d, unsigned int size)
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
		c->disp = emu_next_imm(d, 2);
		return;
	}
	c->base = base[rm];
	c->index = index[rm];
	if (mod)
		c->disp = emu_next_imm(d, mod);
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
		c->disp = emu_next_imm(d, 4);
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
		c->disp = emu_next_imm(d, 4);
	} else {
		c->base = rm | (c->rex & 1) << 3;
	}
	if (mod)
		c->disp = emu_next_imm(d, mod == 1 ? 1 : 4);
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

/* 2a. VEX: its payload begins with the byte that would be ModRM. */

/* The second byte of the payload, or the only one: W vvvv L pp. */
static void vex_fields(struct emu_ctxt *c, u8 byte)
{
	static const u8 rep[4] = { 0, 0, 0xf3, 0xf2 };

	c->vex = 1;
	c->vex_l = byte >> 2 & 1;
	c->vex_v = ~byte >> 3 & 15;
	c->osz_prefix = (byte & 3) == 1;
	c->rep = rep[byte & 3];
	if (emu_long(c))
		c->rex |= byte >> 4 & 8;
	else
		c->rex = 0;
}

/* Leaves the opcode's entry in @op, or NULL for what only knows VEX maps we do not have. */
static enum emu_result decode_vex(struct emu_decoder *d, const struct emu_opcode **op)
{
	struct emu_ctxt *c = d->c;
	bool bad = c->lock || c->rep || c->osz_prefix || c->rex;
	u8 byte = c->modrm, map = 1;

	*op = NULL;
	if (c->opcode == 0x62)
		return d->err != EMU_OK ? d->err : EMU_UNHANDLED;
	c->rex = 0x40 | (~byte >> 5 & 4);
	if (c->opcode == 0xc4) {
		c->rex = 0x40 | (~byte >> 5 & 7);
		map = byte & 31;
		byte = next_u8(d);
		vex_fields(c, byte);
	} else {
		vex_fields(c, byte & 0x7f);
	}
	c->opcode = next_u8(d);
	if (d->err != EMU_OK)
		return d->err;
	if (bad)
		return emu_ud(c);
	if (map < 1 || map > 3)
		return EMU_UNHANDLED;
	*op = &emu_vex_maps[map][c->opcode];
	return EMU_OK;
}

/*
 * Bytes that are LES, LDS and BOUND in the old modes, and VEX or EVEX wherever those make no sense.
 */
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
	if (op->flags & EMU_F_VEX && is_vex(c)) {
		enum emu_result r = decode_vex(d, &op);

		if (r != EMU_OK)
			return r;
		c->flags = op->flags;
		c->modrm = op->flags & EMU_F_MODRM ? next_u8(d) : 0;
	}
	spec[0] = op->dst;
	spec[1] = op->src;
	spec[2] = op->src2;
	while (op->flags & EMU_F_GROUPS) {
		op = group_member(c, op);
		c->flags |= op->flags;
		if (op->dst || op->src) {
			spec[0] = op->dst;
			spec[1] = op->src;
			spec[2] = op->src2;
		}
	}
	if (d->err != EMU_OK)
		return d->err;
	c->op = op;
	return op->defined ? EMU_OK : EMU_UNHANDLED;
}

/* 6. Checks that need no state */

/* VEX.vvvv must say "none" where no operand is taken from it. */
static bool vex_is_bad(const struct emu_ctxt *c, const u8 spec[3])
{
	unsigned int i;

	if (c->vex_l && c->flags & EMU_F_VEX_L0)
		return true;
	for (i = 0; i < 3; i++) {
		if (spec[i] >> 3 == EMU_K_B || spec[i] >> 3 == EMU_K_H)
			return false;
	}
	return c->vex_v;
}

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
	c->vex = 0;
	c->vex_l = 0;
	c->vex_v = 0;
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
	emu_decode_opsize(c);
	if (c->seg_override != EMU_NR_SEGS)
		c->seg = c->seg_override;
	if (c->flags & EMU_F_MODRM)
		decode_address(d);
	r = emu_decode_operands(d, spec);
	if (d->err != EMU_OK)
		return d->err;
	c->insn_len = d->pos;
	if (r == EMU_OK && c->vex && vex_is_bad(c, spec))
		return emu_ud(c);
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
