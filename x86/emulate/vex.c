// SPDX-License-Identifier: GPL-2.0-only
/*
 * Moves of vectors that only VEX has, or that take a part of the result from VEX.vvvv.
 *
 * A destination is a whole YMM register: what is not set here has to be zero.
 */
#include "x86/emulate/internal.h"

static enum emu_result vex_result(struct emu_ctxt *c, u64 low, u64 high)
{
	c->dst.val[0] = low;
	c->dst.val[1] = high;
	c->dst.val[2] = 0;
	c->dst.val[3] = 0;
	return EMU_OK;
}

/* VMOVSS, VMOVSD between registers, VMOVLPS from memory: the rest is that of src2. */
enum emu_result emu_vex_mov_low(struct emu_ctxt *c)
{
	u64 mask = emu_mask(c->src.size);

	return vex_result(c, (c->src2.val[0] & ~mask) | (c->src.val[0] & mask), c->src2.val[1]);
}

/* VMOVHPS from memory, VMOVLHPS */
enum emu_result emu_vex_load_high(struct emu_ctxt *c)
{
	return vex_result(c, c->src2.val[0], c->src.val[0]);
}

/* VMOVHLPS */
enum emu_result emu_vex_high_to_low(struct emu_ctxt *c)
{
	return vex_result(c, c->src.val[1], c->src2.val[1]);
}

/* What is wide, and has VEX.W clear. */
static bool vex_bad_form(const struct emu_ctxt *c, bool wide)
{
	return (wide && !c->vex_l) || c->rex & 8;
}

/* VBROADCASTSS, VBROADCASTSD, VBROADCASTF128: opcodes 18, 19 and 1A. */
enum emu_result emu_vex_broadcast(struct emu_ctxt *c)
{
	unsigned int len = 4 << (c->opcode - 0x18), pos;
	u8 *to = (u8 *)c->dst.val;
	enum emu_result r;

	if (vex_bad_form(c, len > 4))
		return emu_ud(c);
	r = emu_read_seg(c, c->seg, emu_effective_address(c), to, len);
	for (pos = len; pos < c->dst.size; pos += len)
		memcpy(to + pos, to, len);
	if (c->dst.size < 32)
		memset(to + c->dst.size, 0, 32 - c->dst.size);
	return r;
}

/* The half that the immediate names. */
static unsigned int vex_half(const struct emu_ctxt *c)
{
	return c->src2.val[0] & 1 ? 2 : 0;
}

/* VEXTRACTF128, VEXTRACTI128 */
enum emu_result emu_vex_extract(struct emu_ctxt *c)
{
	u64 from[4], to[4] = { 0 };

	if (vex_bad_form(c, true))
		return emu_ud(c);
	c->ops->get_ymm(c, c->src.reg, from);
	memcpy(to, from + vex_half(c), 16);
	if (c->dst.type == EMU_OPND_MEM)
		return emu_write_seg(c, c->seg, emu_effective_address(c), to, 16);
	c->ops->set_ymm(c, c->dst.reg, to);
	return EMU_OK;
}
