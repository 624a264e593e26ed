// SPDX-License-Identifier: GPL-2.0-only
/*
 * Shifts, rotates, multiplication and division.
 *
 * Undefined flags: AF after a shift, and all but CF and OF after MUL, stay as they were, so do all
 * after DIV; OF of a shift by more than one is what the rule for one gives.  A count of 0 changes
 * no flag.
 */
#include "x86/emulate/internal.h"

#define CF X86_EFLAGS_CF
#define OF X86_EFLAGS_OF
#define SZP (X86_EFLAGS_SF | X86_EFLAGS_ZF | X86_EFLAGS_PF)

static unsigned int shift_count(const struct emu_ctxt *c, const struct emu_opnd *o)
{
	return o->val[0] & (c->dst.size == 8 ? 63 : 31);
}

static bool shift_msb(u64 val, unsigned int size)
{
	return val & emu_sign_bit(size);
}

static void set_cf_of(struct emu_ctxt *c, bool cf, bool of)
{
	c->next_rflags = (c->next_rflags & ~(CF | OF)) | (cf ? CF : 0) | (of ? OF : 0);
}

static void set_szp(struct emu_ctxt *c, u64 val)
{
	unsigned int x = (val ^ val >> 4) & 15;

	c->next_rflags &= ~SZP;
	if (!(0x6996 >> x & 1))
		c->next_rflags |= X86_EFLAGS_PF;
	if (!val)
		c->next_rflags |= X86_EFLAGS_ZF;
	if (shift_msb(val, c->dst.size))
		c->next_rflags |= X86_EFLAGS_SF;
}

/* Store a shift's result; @cf: the last bit that went out. */
static enum emu_result shift_result(struct emu_ctxt *c, u64 res, bool cf, bool of)
{
	res &= emu_mask(c->dst.size);
	set_szp(c, res);
	set_cf_of(c, cf, of);
	c->dst.val[0] = res;
	return EMU_OK;
}

/* Rotate left by @n, less than the width. */
static u64 shift_rotate(u64 val, unsigned int n, unsigned int bits)
{
	return n ? (val << n | val >> (bits - n)) & emu_mask(bits / 8) : val;
}

/* ROL, ROR: a count that is a multiple of the width still sets CF. */
enum emu_result emu_rol(struct emu_ctxt *c)
{
	unsigned int bits = c->dst.size * 8, n = shift_count(c, &c->src);
	u64 res = shift_rotate(c->dst.val[0], n & (bits - 1), bits);

	if (n)
		set_cf_of(c, res & 1, shift_msb(res, c->dst.size) != (res & 1));
	c->dst.val[0] = res;
	return EMU_OK;
}

enum emu_result emu_ror(struct emu_ctxt *c)
{
	unsigned int bits = c->dst.size * 8, n = shift_count(c, &c->src);
	u64 res = shift_rotate(c->dst.val[0], -n & (bits - 1), bits);

	if (n)
		set_cf_of(c, shift_msb(res, c->dst.size),
			  shift_msb(res, c->dst.size) != shift_msb(res << 1, c->dst.size));
	c->dst.val[0] = res;
	return EMU_OK;
}

/* RCL, RCR: rotation through CF, in steps of one; at most 63 of them. */
enum emu_result emu_rcl(struct emu_ctxt *c)
{
	unsigned int n = shift_count(c, &c->src) % (c->dst.size * 8 + 1);
	u64 val = c->dst.val[0];
	bool cf = c->rflags & CF, out;

	if (!n)
		return EMU_OK;
	while (n--) {
		out = shift_msb(val, c->dst.size);
		val = val << 1 | cf;
		cf = out;
	}
	c->dst.val[0] = val & emu_mask(c->dst.size);
	set_cf_of(c, cf, shift_msb(val, c->dst.size) != cf);
	return EMU_OK;
}

enum emu_result emu_rcr(struct emu_ctxt *c)
{
	unsigned int n = shift_count(c, &c->src) % (c->dst.size * 8 + 1);
	u64 val = c->dst.val[0];
	bool cf = c->rflags & CF, out;

	if (!n)
		return EMU_OK;
	while (n--) {
		out = val & 1;
		val = val >> 1 | (cf ? emu_sign_bit(c->dst.size) : 0);
		cf = out;
	}
	c->dst.val[0] = val;
	set_cf_of(c, cf, shift_msb(val, c->dst.size) != shift_msb(val << 1, c->dst.size));
	return EMU_OK;
}

/* SHL, SHR, SAR */
enum emu_result emu_shl(struct emu_ctxt *c)
{
	unsigned int n = shift_count(c, &c->src);
	u64 half;
	bool cf;

	if (!n)
		return EMU_OK;
	half = c->dst.val[0] << (n - 1);
	cf = shift_msb(half, c->dst.size);
	return shift_result(c, half << 1, cf, shift_msb(half << 1, c->dst.size) != cf);
}

enum emu_result emu_shr(struct emu_ctxt *c)
{
	unsigned int n = shift_count(c, &c->src);
	u64 half;

	if (!n)
		return EMU_OK;
	half = c->dst.val[0] >> (n - 1);
	return shift_result(c, half >> 1, half & 1, shift_msb(c->dst.val[0], c->dst.size));
}

enum emu_result emu_sar(struct emu_ctxt *c)
{
	unsigned int n = shift_count(c, &c->src);
	s64 half;

	if (!n)
		return EMU_OK;
	half = emu_sext(c->dst.val[0], c->dst.size) >> (n - 1);
	return shift_result(c, half >> 1, half & 1, false);
}

/*
 * SHLD, SHRD, in steps of one.  With 16 bits, a count above 16 gives an undefined result: zeroes
 * come in.
 */
enum emu_result emu_shld(struct emu_ctxt *c)
{
	unsigned int n = shift_count(c, &c->src2), size = c->dst.size;
	u64 dst = c->dst.val[0], src = c->src.val[0];
	bool cf = false;

	if (!n)
		return EMU_OK;
	for (; n; n--, src <<= 1) {
		cf = shift_msb(dst, size);
		dst = dst << 1 | shift_msb(src, size);
	}
	return shift_result(c, dst, cf, shift_msb(dst, size) != cf);
}

enum emu_result emu_shrd(struct emu_ctxt *c)
{
	unsigned int n = shift_count(c, &c->src2), size = c->dst.size;
	u64 dst = c->dst.val[0], src = c->src.val[0];
	bool cf = false;

	if (!n)
		return EMU_OK;
	for (; n; n--, src >>= 1) {
		cf = dst & 1;
		dst = dst >> 1 | (src & 1 ? emu_sign_bit(size) : 0);
	}
	return shift_result(c, dst, cf, shift_msb(dst, size) != shift_msb(dst << 1, size));
}

/* Multiplication */

/* rDX:rAX, or AX for bytes, take a double-width product or a remainder and quotient. */
static void stage_product(struct emu_ctxt *c, u64 low, u64 high)
{
	unsigned int size = c->src.size;

	if (size == 1) {
		emu_stage(c, EMU_RAX, 2, high << 8 | (low & 0xff));
		return;
	}
	emu_stage(c, EMU_RAX, size, low);
	emu_stage(c, EMU_RDX, size, high);
}

/* MUL: CF and OF say that the upper half is used. */
enum emu_result emu_mul(struct emu_ctxt *c)
{
	unsigned int size = c->src.size;
	unsigned __int128 product = c->regs[EMU_RAX] & emu_mask(size);
	u64 high;

	product *= c->src.val[0];
	high = (u64)(product >> (8 * size)) & emu_mask(size);
	set_cf_of(c, high, high);
	stage_product(c, (u64)product, high);
	return EMU_OK;
}

/* Signed product of two @size-byte numbers; CF and OF when the lower half alone would be wrong. */
static __int128 signed_product(struct emu_ctxt *c, u64 a, u64 b, unsigned int size)
{
	__int128 product = (__int128)emu_sext(a, size) * emu_sext(b, size);
	bool lost = product != emu_sext((u64)product, size);

	set_cf_of(c, lost, lost);
	return product;
}

enum emu_result emu_imul(struct emu_ctxt *c)
{
	unsigned int size = c->src.size;
	__int128 product = signed_product(c, c->regs[EMU_RAX], c->src.val[0], size);

	stage_product(c, (u64)product, (u64)(product >> (8 * size)));
	return EMU_OK;
}

enum emu_result emu_imul2(struct emu_ctxt *c)
{
	c->dst.val[0] = signed_product(c, c->dst.val[0], c->src.val[0], c->dst.size);
	return EMU_OK;
}

enum emu_result emu_imul3(struct emu_ctxt *c)
{
	c->dst.val[0] = signed_product(c, c->src.val[0], c->src2.val[0], c->dst.size);
	return EMU_OK;
}

/* Division */

struct dividend {
	u64 low, high;
};

/* The dividend: AX for bytes, else rDX:rAX; for smaller sizes than 8 all of it is in @low. */
static struct dividend get_dividend(const struct emu_ctxt *c)
{
	unsigned int size = c->src.size;
	struct dividend d = { c->regs[EMU_RAX], c->regs[EMU_RDX] };

	if (size == 1)
		return (struct dividend){ d.low & 0xffff, 0 };
	if (size == 8)
		return d;
	d.low = (d.low & emu_mask(size)) | (d.high & emu_mask(size)) << (8 * size);
	d.high = 0;
	return d;
}

/* 128 by 64 bits; the caller has made sure that the quotient fits: @d.high < @divisor. */
static u64 divide_128(struct dividend d, u64 divisor, u64 *rem)
{
	u64 quotient;

	asm("divq %4" : "=a" (quotient), "=d" (*rem)
		      : "0" (d.low), "1" (d.high), "rm" (divisor) : "cc");
	return quotient;
}

enum emu_result emu_div(struct emu_ctxt *c)
{
	struct dividend d = get_dividend(c);
	u64 quotient, rem;

	if (d.high >= c->src.val[0])
		return emu_fault(c, X86_TRAP_DE);
	quotient = divide_128(d, c->src.val[0], &rem);
	if (quotient > emu_mask(c->src.size))
		return emu_fault(c, X86_TRAP_DE);
	stage_product(c, quotient, rem);
	return EMU_OK;
}

static struct dividend negate_128(struct dividend d)
{
	return (struct dividend){ -d.low, ~d.high + !d.low };
}

/*
 * IDIV on magnitudes: the quotient is negative when the signs differ, the remainder has the
 * dividend's.
 */
enum emu_result emu_idiv(struct emu_ctxt *c)
{
	unsigned int size = c->src.size;
	struct dividend d = get_dividend(c);
	s64 divisor = emu_sext(c->src.val[0], size);
	u64 magnitude = divisor < 0 ? -(u64)divisor : divisor;
	u64 quotient, rem;
	bool minus, negative;

	if (size < 8) {
		d.low = emu_sext(d.low, 2 * size);
		d.high = (s64)d.low >> 63;
	}
	minus = (s64)d.high < 0;
	if (minus)
		d = negate_128(d);
	if (d.high >= magnitude)
		return emu_fault(c, X86_TRAP_DE);
	quotient = divide_128(d, magnitude, &rem);
	negative = minus != (divisor < 0);
	if (quotient > emu_sign_bit(size) - !negative)
		return emu_fault(c, X86_TRAP_DE);
	stage_product(c, negative ? -quotient : quotient, minus ? -rem : rem);
	return EMU_OK;
}
