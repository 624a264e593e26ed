// SPDX-License-Identifier: GPL-2.0-only
/*
 * Loads and stores through XMM registers: what programs use on memory that may be a device.
 *
 * No arithmetic, and no use of the FPU: XMM registers are read and written by ops, as 16 bytes.
 */
#include "x86/emulate/internal.h"

/* Full moves; a shorter source was zero-extended, a shorter destination takes the low part. */
enum emu_result emu_sse_mov(struct emu_ctxt *c)
{
	c->dst.val[0] = c->src.val[0];
	c->dst.val[1] = c->src.type == EMU_OPND_XMM || c->src.type == EMU_OPND_MEM ?
			c->src.val[1] : 0;
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

/* MOVHPS, MOVHPD */
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
