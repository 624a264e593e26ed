// SPDX-License-Identifier: GPL-2.0-only
/*
 * Moves and logic of XMM and YMM registers: what programs use on memory that may be a device.
 *
 * No arithmetic, and no use of the FPU: registers are read and written by ops, as bytes. The
 * emulator clears what an instruction with VEX does not write; the other instructions leave
 * the upper half of a YMM register alone.
 */
#include "x86/emulate/internal.h"

/* Full moves; a shorter source was zero-extended, a shorter destination takes the low part. */
enum emu_result emu_sse_mov(struct emu_ctxt *c)
{
	bool wide = c->src.type == EMU_OPND_XMM || c->src.type == EMU_OPND_MEM;
	unsigned int i;

	c->dst.val[0] = c->src.val[0];
	for (i = 1; i < 4; i++)
		c->dst.val[i] = wide ? c->src.val[i] : 0;
	return EMU_OK;
}

/* MOVSS, MOVSD between registers, MOVLPS from memory: the rest of the destination stays. */
enum emu_result emu_sse_mov_low(struct emu_ctxt *c)
{
	u64 mask = emu_mask(c->src.size);
	u64 old[2];

	if (c->dst.type != EMU_OPND_XMM || (c->src.type == EMU_OPND_MEM && c->dst.size != 16))
		return emu_sse_mov(c);
	c->ops->get_xmm(c, c->dst.reg, old);
	c->dst.val[0] = (old[0] & ~mask) | (c->src.val[0] & mask);
	c->dst.val[1] = old[1];
	return EMU_OK;
}

/* MOVHPS, MOVHPD; MOVLHPS, too, whose source is a register */
enum emu_result emu_sse_load_high(struct emu_ctxt *c)
{
	c->dst.val[1] = c->src.val[0];
	return EMU_OK;
}

enum emu_result emu_sse_store_high(struct emu_ctxt *c)
{
	c->dst.val[0] = c->src.val[1];
	return EMU_OK;
}

/* MOVHLPS */
enum emu_result emu_sse_high_to_low(struct emu_ctxt *c)
{
	u64 old[2];

	c->ops->get_xmm(c, c->dst.reg, old);
	c->dst.val[0] = c->src.val[1];
	c->dst.val[1] = old[1];
	return EMU_OK;
}

/* MOVDDUP of 128 bits: the low half twice. */
enum emu_result emu_sse_ddup(struct emu_ctxt *c)
{
	c->dst.val[0] = c->src.val[0];
	c->dst.val[1] = c->src.val[0];
	return EMU_OK;
}

/* The first source: with VEX it is not the destination. */
static const u64 *sse_first(const struct emu_ctxt *c)
{
	return c->vex ? c->src2.val : c->dst.val;
}

enum emu_result emu_sse_and(struct emu_ctxt *c)
{
	const u64 *a = sse_first(c);
	unsigned int i;

	for (i = 0; i < 4; i++)
		c->dst.val[i] = a[i] & c->src.val[i];
	return EMU_OK;
}

enum emu_result emu_sse_andn(struct emu_ctxt *c)
{
	const u64 *a = sse_first(c);
	unsigned int i;

	for (i = 0; i < 4; i++)
		c->dst.val[i] = ~a[i] & c->src.val[i];
	return EMU_OK;
}

enum emu_result emu_sse_or(struct emu_ctxt *c)
{
	const u64 *a = sse_first(c);
	unsigned int i;

	for (i = 0; i < 4; i++)
		c->dst.val[i] = a[i] | c->src.val[i];
	return EMU_OK;
}

enum emu_result emu_sse_xor(struct emu_ctxt *c)
{
	const u64 *a = sse_first(c);
	unsigned int i;

	for (i = 0; i < 4; i++)
		c->dst.val[i] = a[i] ^ c->src.val[i];
	return EMU_OK;
}

/* PAND and its kin: of 256 bits only with AVX2, unlike ANDPS. */
static bool sse_too_wide(struct emu_ctxt *c)
{
	return c->vex_l && !c->ops->has(c, EMU_NEED_AVX2);
}

enum emu_result emu_sse_int_and(struct emu_ctxt *c)
{
	return sse_too_wide(c) ? emu_ud(c) : emu_sse_and(c);
}

enum emu_result emu_sse_int_andn(struct emu_ctxt *c)
{
	return sse_too_wide(c) ? emu_ud(c) : emu_sse_andn(c);
}

enum emu_result emu_sse_int_or(struct emu_ctxt *c)
{
	return sse_too_wide(c) ? emu_ud(c) : emu_sse_or(c);
}

enum emu_result emu_sse_int_xor(struct emu_ctxt *c)
{
	return sse_too_wide(c) ? emu_ud(c) : emu_sse_xor(c);
}

/* MOVSLDUP (F3 0F 12) and MOVSHDUP (F3 0F 16): each even, or odd, 32 bits twice. */
enum emu_result emu_sse_dup(struct emu_ctxt *c)
{
	unsigned int i, shift = c->opcode == 0x16 ? 32 : 0;

	for (i = 0; i < 4; i++) {
		u64 half = (u32)(c->src.val[i] >> shift);

		c->dst.val[i] = half << 32 | half;
	}
	return EMU_OK;
}
