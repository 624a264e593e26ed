// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bits of general registers: counting, BMI1, BMI2 and CRC32.
 *
 * With VEX the first source or the count is in VEX.vvvv: src2.  Undefined flags stay as they
 * were.
 */
#include "x86/emulate/internal.h"

#define CF X86_EFLAGS_CF
#define ZF X86_EFLAGS_ZF
#define SF X86_EFLAGS_SF
#define OF X86_EFLAGS_OF

static enum emu_result bits_result(struct emu_ctxt *c, u64 res, u64 mask, u64 flags)
{
	c->dst.val[0] = res & emu_mask(c->dst.size);
	c->next_rflags = (c->next_rflags & ~mask) | flags;
	return EMU_OK;
}

/* ZF and SF of a result, CF as told, OF clear. */
static enum emu_result bits_logic(struct emu_ctxt *c, u64 res, bool cf)
{
	u64 flags = cf ? CF : 0;

	res &= emu_mask(c->dst.size);
	if (!res)
		flags |= ZF;
	if (res & emu_sign_bit(c->dst.size))
		flags |= SF;
	return bits_result(c, res, CF | ZF | SF | OF, flags);
}

static unsigned int bits_weight(u64 val)
{
	unsigned int n = 0;

	for (; val; val &= val - 1)
		n++;
	return n;
}

enum emu_result emu_popcnt(struct emu_ctxt *c)
{
	u64 val = c->src.val[0];

	return bits_result(c, bits_weight(val), EMU_STATUS_FLAGS, val ? 0 : ZF);
}

/* LZCNT and TZCNT: @n counts the zeros, all bits of the operand when it is 0. */
static enum emu_result bits_zeros(struct emu_ctxt *c, unsigned int n)
{
	u64 flags = (c->src.val[0] ? 0 : CF) | (n ? 0 : ZF);

	emu_stage_opnd(c, &c->dst, n);
	return bits_result(c, 0, CF | ZF, flags);
}

enum emu_result emu_lzcnt(struct emu_ctxt *c)
{
	u64 val = c->src.val[0];
	unsigned int bits = c->dst.size * 8;

	if (!c->ops->has(c, EMU_NEED_LZCNT))
		return emu_bsr(c);
	return bits_zeros(c, val ? bits - 64 + __builtin_clzll(val) : bits);
}

enum emu_result emu_tzcnt(struct emu_ctxt *c)
{
	u64 val = c->src.val[0];

	if (!c->ops->has(c, EMU_NEED_BMI1))
		return emu_bsf(c);
	return bits_zeros(c, val ? __builtin_ctzll(val) : c->dst.size * 8);
}

/* CRC32: the polynomial 1EDC6F41, lowest bit first. */
enum emu_result emu_crc32(struct emu_ctxt *c)
{
	u32 crc = c->dst.val[0];
	unsigned int i;

	for (i = 0; i < c->src.size * 8; i++) {
		bool out = (crc ^ (u32)(c->src.val[0] >> i)) & 1;

		crc = crc >> 1 ^ (out ? 0x82f63b78 : 0);
	}
	c->dst.val[0] = crc;
	return EMU_OK;
}

enum emu_result emu_andn(struct emu_ctxt *c)
{
	return bits_logic(c, ~c->src2.val[0] & c->src.val[0], false);
}

/* BEXTR: where it begins and how many bits are in the two low bytes of src2. */
enum emu_result emu_bextr(struct emu_ctxt *c)
{
	unsigned int start = c->src2.val[0] & 0xff, len = c->src2.val[0] >> 8 & 0xff;
	u64 res = start < 64 ? c->src.val[0] >> start : 0;

	if (len < 64)
		res &= (1ULL << len) - 1;
	res &= emu_mask(c->dst.size);
	return bits_result(c, res, CF | OF | ZF, res ? 0 : ZF);
}

/* BLSR, BLSMSK and BLSI are 1, 2 and 3 of their group. */
enum emu_result emu_bls(struct emu_ctxt *c)
{
	u64 val = c->src.val[0];

	switch (c->modrm >> 3 & 7) {
	case 1:
		return bits_logic(c, val & (val - 1), !val);
	case 2:
		return bits_logic(c, val ^ (val - 1), !val);
	default:
		return bits_logic(c, val & -val, val);
	}
}

enum emu_result emu_bzhi(struct emu_ctxt *c)
{
	unsigned int n = c->src2.val[0] & 0xff;
	bool beyond = n >= c->dst.size * 8;

	return bits_logic(c, beyond ? c->src.val[0] : c->src.val[0] & ((1ULL << n) - 1), beyond);
}

/* PDEP: the low bits of src2 go to where src has ones. */
enum emu_result emu_pdep(struct emu_ctxt *c)
{
	u64 mask = c->src.val[0], val = c->src2.val[0], res = 0;

	for (; mask; mask &= mask - 1, val >>= 1) {
		if (val & 1)
			res |= mask & -mask;
	}
	return bits_result(c, res, 0, 0);
}

/* PEXT: the bits of src2 where src has ones become the low bits. */
enum emu_result emu_pext(struct emu_ctxt *c)
{
	u64 mask = c->src.val[0], bit = 1, res = 0;

	for (; mask; mask &= mask - 1, bit <<= 1) {
		if (c->src2.val[0] & mask & -mask)
			res |= bit;
	}
	return bits_result(c, res, 0, 0);
}

/* MULX: rDX times src; the low half to VEX.vvvv, and if that is the same register, it is lost. */
enum emu_result emu_mulx(struct emu_ctxt *c)
{
	unsigned int size = c->dst.size;
	u64 a = c->regs[EMU_RDX] & emu_mask(size);
	unsigned __int128 res = (unsigned __int128)a * c->src.val[0];

	emu_stage_opnd(c, &c->src2, (u64)res);
	return bits_result(c, (u64)(res >> 8 * size), 0, 0);
}

static unsigned int bits_count(const struct emu_ctxt *c)
{
	return c->src2.val[0] & (c->dst.size * 8 - 1);
}

enum emu_result emu_rorx(struct emu_ctxt *c)
{
	unsigned int n = bits_count(c), bits = c->dst.size * 8;
	u64 val = c->src.val[0];

	return bits_result(c, n ? val >> n | val << (bits - n) : val, 0, 0);
}

enum emu_result emu_sarx(struct emu_ctxt *c)
{
	return bits_result(c, emu_sext(c->src.val[0], c->dst.size) >> bits_count(c), 0, 0);
}

enum emu_result emu_shlx(struct emu_ctxt *c)
{
	return bits_result(c, c->src.val[0] << bits_count(c), 0, 0);
}

enum emu_result emu_shrx(struct emu_ctxt *c)
{
	return bits_result(c, c->src.val[0] >> bits_count(c), 0, 0);
}
