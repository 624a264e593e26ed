// SPDX-License-Identifier: GPL-2.0-only
/*
 * Parts of vectors: lanes that are inserted, extracted, repeated, widened or masked on their
 * way between memory and a register.
 *
 * The tables name at most three operands, and what is here has up to four of sizes that
 * differ: so operands in ModRM.rm and VEX.vvvv are fetched here, and memory is accessed by
 * hand.  The hard part is masks: what they leave out is not accessed and cannot fault, and a
 * store that faults has written nothing.
 */
#include "x86/emulate/internal.h"

static bool lanes_in_memory(const struct emu_ctxt *c)
{
	return c->modrm >> 6 != 3;
}

static unsigned int lanes_rm_nr(const struct emu_ctxt *c)
{
	return (c->modrm & 7) | (c->rex & 1) << 3;
}

static unsigned int lanes_v_nr(const struct emu_ctxt *c)
{
	return emu_long(c) ? c->vex_v : c->vex_v & 7;
}

/* VEX.W, or REX.W: 64 bits instead of 32, where there are such registers. */
static bool lanes_wide(const struct emu_ctxt *c)
{
	return emu_long(c) && c->rex & 8;
}

static void lanes_get(struct emu_ctxt *c, unsigned int nr, u64 val[4])
{
	val[2] = 0;
	val[3] = 0;
	if (c->vex)
		c->ops->get_ymm(c, nr, val);
	else
		c->ops->get_xmm(c, nr, val);
}

/* @len bytes of memory, or of the vector register, that ModRM.rm names. */
static enum emu_result lanes_rm(struct emu_ctxt *c, void *to, unsigned int len)
{
	u64 val[4];

	if (lanes_in_memory(c))
		return emu_read_seg(c, c->seg, emu_effective_address(c), to, len);
	lanes_get(c, lanes_rm_nr(c), val);
	memcpy(to, val, len);
	return EMU_OK;
}

/* What a lane is put into: the first source, of 128 bits; nothing stays above them. */
static u8 *lanes_base(struct emu_ctxt *c)
{
	lanes_get(c, c->vex ? lanes_v_nr(c) : c->dst.reg, c->dst.val);
	c->dst.val[2] = 0;
	c->dst.val[3] = 0;
	return (u8 *)c->dst.val;
}

/* Of 256 bits only with AVX2. */
static bool lanes_too_wide(struct emu_ctxt *c)
{
	return c->vex_l && !c->ops->has(c, EMU_NEED_AVX2);
}

/* (V)MOVNTDQA */
enum emu_result emu_lanes_load(struct emu_ctxt *c)
{
	return lanes_too_wide(c) ? emu_ud(c) : emu_sse_mov(c);
}

/* PINSRB (3A 20), PINSRW (0F C4), PINSRD and PINSRQ (3A 22) */
enum emu_result emu_lanes_insert(struct emu_ctxt *c)
{
	unsigned int size = c->opcode == 0x20 ? 1 : c->opcode == 0xc4 ? 2 : lanes_wide(c) ? 8 : 4;
	u64 val = c->regs[lanes_rm_nr(c)];
	enum emu_result r = EMU_OK;
	u8 *base = lanes_base(c);

	if (lanes_in_memory(c))
		r = emu_read_seg(c, c->seg, emu_effective_address(c), &val, size);
	memcpy(base + (c->src2.val[0] * size & 15), &val, size);
	return r;
}

/* INSERTPS: the immediate says which lane, where to, and what becomes zero. */
enum emu_result emu_lanes_insert_ps(struct emu_ctxt *c)
{
	u8 *base = lanes_base(c), from[16], imm = c->src2.val[0];
	bool memory = lanes_in_memory(c);
	enum emu_result r = lanes_rm(c, from, memory ? 4 : 16);
	unsigned int i;

	memcpy(base + (imm >> 4 & 3) * 4, from + (memory ? 0 : imm >> 6) * 4, 4);
	for (i = 0; i < 4; i++)
		if (imm >> i & 1)
			memset(base + i * 4, 0, 4);
	return r;
}

/* PEXTRB (14), PEXTRW (15), PEXTRD and PEXTRQ (16), EXTRACTPS (17) */
enum emu_result emu_lanes_extract(struct emu_ctxt *c)
{
	static const u8 sizes[4] = { 1, 2, 4, 4 };
	unsigned int size = c->opcode == 0x16 && lanes_wide(c) ? 8 : sizes[c->opcode & 3];
	u64 from[4], val = 0;

	lanes_get(c, c->dst.reg, from);
	memcpy(&val, (u8 *)from + (c->src2.val[0] * size & 15), size);
	if (lanes_in_memory(c))
		return emu_write_seg(c, c->seg, emu_effective_address(c), &val, size);
	emu_stage(c, lanes_rm_nr(c), size == 8 ? 8 : 4, val);
	return EMU_OK;
}

/* VINSERTF128 (18), VINSERTI128 (38) */
enum emu_result emu_lanes_insert_half(struct emu_ctxt *c)
{
	if (!c->vex_l || c->rex & 8)
		return emu_ud(c);
	lanes_get(c, lanes_v_nr(c), c->dst.val);
	return lanes_rm(c, c->dst.val + (c->src2.val[0] & 1 ? 2 : 0), 16);
}

/* VPBROADCASTD (58), VPBROADCASTQ (59), VBROADCASTI128 (5A), VPBROADCASTB (78) and W (79) */
enum emu_result emu_lanes_broadcast(struct emu_ctxt *c)
{
	unsigned int len = c->opcode >= 0x78 ? 1 << (c->opcode & 1) : 4 << (c->opcode & 3), pos;
	u8 *to = (u8 *)c->dst.val;
	enum emu_result r;

	if (c->rex & 8 || (len == 16 && !(c->vex_l && lanes_in_memory(c))))
		return emu_ud(c);
	r = lanes_rm(c, to, len);
	for (pos = len; pos < c->dst.size; pos += len)
		memcpy(to + pos, to, len);
	memset(to + c->dst.size, 0, 32 - c->dst.size);
	return r;
}

/* PMOVSX (20 to 25) and PMOVZX (30 to 35): from 8, 8, 8, 16, 16, 32 to 16, 32, 64, 32, 64, 64. */
enum emu_result emu_lanes_widen(struct emu_ctxt *c)
{
	static const u8 from[6] = { 1, 1, 1, 2, 2, 4 }, to[6] = { 2, 4, 8, 4, 8, 8 };
	unsigned int kind = c->opcode & 7, n = c->dst.size / to[kind], i;
	u8 in[16], *out = (u8 *)c->dst.val;
	enum emu_result r;

	if (lanes_too_wide(c))
		return emu_ud(c);
	r = lanes_rm(c, in, n * from[kind]);
	memset(out, 0, 32);
	for (i = 0; r == EMU_OK && i < n; i++) {
		u64 val = 0;

		memcpy(&val, in + i * from[kind], from[kind]);
		if (!(c->opcode & 0x10))
			val = emu_sext(val, from[kind]);
		memcpy(out + i * to[kind], &val, to[kind]);
	}
	return r;
}

enum lanes_way { LANES_READ, LANES_PROBE, LANES_WRITE };

/* Whether a segment has both ends of a run; how it is aligned is never a fault. */
static enum emu_result lanes_linear(struct emu_ctxt *c, u64 ea, unsigned int len,
				    unsigned int access, u64 *gva)
{
	enum emu_result r;

	ea &= emu_mask(c->adsize);
	r = emu_linear(c, c->seg, ea + len - 1, 1, access, gva);
	return r == EMU_OK ? emu_linear(c, c->seg, ea, 1, access, gva) : r;
}

static enum emu_result lanes_access(struct emu_ctxt *c, u64 ea, u8 *val, unsigned int len,
				    enum lanes_way way)
{
	enum emu_result r;
	u64 gva;

	r = lanes_linear(c, ea, len, way == LANES_READ ? 0 : EMU_ACC_WRITE, &gva);
	if (r != EMU_OK)
		return r;
	if (way == LANES_READ)
		return c->ops->read(c, gva, val, len, 0);
	if (way == LANES_PROBE)
		return c->ops->probe(c, gva, len, EMU_ACC_WRITE);
	return c->ops->write(c, gva, val, len, 0);
}

/* The bytes of @val whose bits are set in @mask: as many accesses as there are runs of them. */
static enum emu_result lanes_runs(struct emu_ctxt *c, u64 ea, u8 *val, u32 mask,
				  enum lanes_way way)
{
	enum emu_result r = EMU_OK;
	unsigned int pos = 0, len;

	while (r == EMU_OK && pos < 32 && mask >> pos) {
		pos += __builtin_ctz(mask >> pos);
		len = ~(mask >> pos) ? __builtin_ctz(~(mask >> pos)) : 32;
		r = lanes_access(c, ea + pos, val + pos, len, way);
		pos += len;
	}
	return r;
}

static enum emu_result lanes_store(struct emu_ctxt *c, u64 ea, u8 *val, u32 mask)
{
	enum emu_result r = lanes_runs(c, ea, val, mask, LANES_PROBE);

	return r == EMU_OK ? lanes_runs(c, ea, val, mask, LANES_WRITE) : r;
}

/* A bit for each byte of @len, whose lane of @size has its sign set in @val. */
static u32 lanes_mask(const u8 *val, unsigned int len, unsigned int size)
{
	u32 mask = 0;
	unsigned int i;

	for (i = 0; i < len; i++)
		mask |= (u32)(val[i - i % size + size - 1] >> 7) << i;
	return mask;
}

/* VMASKMOVPS (2C, 2E), VMASKMOVPD (2D, 2F), VPMASKMOVD and VPMASKMOVQ (8C, 8E) */
static unsigned int lanes_masked_size(const struct emu_ctxt *c)
{
	if (c->opcode >= 0x80)
		return c->rex & 8 ? 8 : 4;
	return c->opcode & 1 ? 8 : 4;
}

/* Where the other has it, W is not part of the opcode. */
static bool lanes_masked_bad(const struct emu_ctxt *c)
{
	return c->opcode < 0x80 && c->rex & 8;
}

enum emu_result emu_lanes_masked_load(struct emu_ctxt *c)
{
	unsigned int len = c->dst.size;
	u64 mask[4];

	if (lanes_masked_bad(c))
		return emu_ud(c);
	lanes_get(c, lanes_v_nr(c), mask);
	memset(c->dst.val, 0, 32);
	return lanes_runs(c, emu_effective_address(c), (u8 *)c->dst.val,
			  lanes_mask((u8 *)mask, len, lanes_masked_size(c)), LANES_READ);
}

enum emu_result emu_lanes_masked_store(struct emu_ctxt *c)
{
	unsigned int len = c->src.size;
	u64 mask[4], val[4];

	if (lanes_masked_bad(c))
		return emu_ud(c);
	lanes_get(c, lanes_v_nr(c), mask);
	lanes_get(c, c->src.reg, val);
	return lanes_store(c, emu_effective_address(c), (u8 *)val,
			   lanes_mask((u8 *)mask, len, lanes_masked_size(c)));
}

/* (V)MASKMOVDQU: bytes, to where rDI points. A CPU may fault on bytes that are masked out, too. */
enum emu_result emu_lanes_maskmov(struct emu_ctxt *c)
{
	u64 mask[4], val[4];

	lanes_get(c, lanes_rm_nr(c), mask);
	lanes_get(c, c->dst.reg, val);
	return lanes_store(c, c->regs[EMU_RDI], (u8 *)val, lanes_mask((u8 *)mask, 16, 1));
}
