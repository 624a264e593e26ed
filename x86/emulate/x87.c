// SPDX-License-Identifier: GPL-2.0-only
/*
 * x87: loads, stores and control; and the registers that MMX shares with it. In integers: no
 * use of the FPU.
 *
 * No arithmetic between registers. An exception that is not masked changes only the status
 * word, and is raised by the next instruction that waits. The pointers to the last
 * instruction and operand stay what they were.
 */
#include "x86/emulate/internal.h"

/* Control and status word. */
#define X87_IE	0x01
#define X87_DE	0x02
#define X87_OE	0x08
#define X87_UE	0x10
#define X87_PE	0x20
#define X87_EXC	0x3f
#define X87_SF	0x40
#define X87_ES	0x80
#define X87_C1	0x200
#define X87_BUSY 0x8000
#define X87_TOP_SHIFT 11
#define X87_RC_SHIFT 10

/* Rounding control. */
enum { RC_NEAREST, RC_DOWN, RC_UP, RC_ZERO };

#define EXP_MAX		0x7fff
#define EXP_BIAS	16383
#define INTEGER_BIT	(1ULL << 63)
#define QUIET_BIT	(1ULL << 62)

/* A register: its value is mant * 2 ^ (exp - EXP_BIAS - 63). */
struct real {
	u64 mant;
	u16 exp;
	bool sign;
};

/* The default NaN, for what has no result. */
static const struct real real_indefinite = { INTEGER_BIT | QUIET_BIT, EXP_MAX, true };

static unsigned int x87_top(const struct emu_x87 *x)
{
	return x->sw >> X87_TOP_SHIFT & 7;
}

/* Move the top of the stack by @by; the image's registers are numbered from it. */
static void x87_turn(struct emu_x87 *x, unsigned int by)
{
	u8 old[8][10];
	unsigned int i;

	memcpy(old, x->st, sizeof(old));
	for (i = 0; i < 8; i++)
		memcpy(x->st[i], old[(i + by) & 7], 10);
	x->sw = (x->sw & ~(7 << X87_TOP_SHIFT)) | ((x87_top(x) + by) & 7) << X87_TOP_SHIFT;
}

static bool x87_is_empty(const struct emu_x87 *x, unsigned int st)
{
	return !(x->tag >> ((x87_top(x) + st) & 7) & 1);
}

static void x87_set_tag(struct emu_x87 *x, bool full)
{
	u8 bit = 1 << x87_top(x);

	x->tag = full ? x->tag | bit : x->tag & ~bit;
}

/* Note exceptions; the next instruction hears of one that is not masked. */
static void x87_raise(struct emu_x87 *x, u16 flags)
{
	x->sw |= flags;
	if (flags & ~x->cw & X87_EXC)
		x->sw |= X87_ES | X87_BUSY;
}

static enum emu_result x87_done(struct emu_ctxt *c)
{
	c->x87_changed = true;
	return EMU_OK;
}

static struct real real_get(const struct emu_x87 *x)
{
	struct real f;
	u16 top;

	memcpy(&f.mant, x->st[0], 8);
	memcpy(&top, x->st[0] + 8, 2);
	f.exp = top & EXP_MAX;
	f.sign = top >> 15;
	return f;
}

static void real_put(struct emu_x87 *x, const struct real *f)
{
	u16 top = f->exp | f->sign << 15;

	memcpy(x->st[0], &f->mant, 8);
	memcpy(x->st[0] + 8, &top, 2);
}

/* Loads */

/* Push @f, whose conversion found @flags. */
static enum emu_result x87_push(struct emu_ctxt *c, struct real f, u16 flags)
{
	struct emu_x87 *x = &c->x87;
	bool overflow = !x87_is_empty(x, 7);

	x->sw &= ~X87_C1;
	if (overflow) {
		flags = X87_IE | X87_SF | X87_C1;
		f = real_indefinite;
	}
	x87_raise(x, flags);
	if (!(flags & ~x->cw & X87_IE)) {
		x87_turn(x, 7);
		x87_set_tag(x, true);
		real_put(x, &f);
	}
	return x87_done(c);
}

/* A number of 64 bits: 52 of fraction below an exponent of 11. */
static struct real real_widen(u64 val, u16 *flags)
{
	unsigned int exp = val >> 52 & 0x7ff, bias = 1023, shift;
	u64 frac = val << 12 >> 1;
	struct real f = { .sign = val >> 63 };

	if (exp == 0x7ff) {
		f.exp = EXP_MAX;
		if (frac && !(frac & QUIET_BIT))
			*flags |= X87_IE;
		f.mant = INTEGER_BIT | frac | (frac ? QUIET_BIT : 0);
	} else if (exp) {
		f.exp = exp - bias + EXP_BIAS;
		f.mant = INTEGER_BIT | frac;
	} else if (frac) {
		*flags |= X87_DE;
		shift = __builtin_clzll(frac);
		f.mant = frac << shift;
		f.exp = 1 - bias + EXP_BIAS - shift;
	}
	return f;
}

enum emu_result emu_fld(struct emu_ctxt *c)
{
	u16 flags = 0;
	struct real f = real_widen(c->src.val[0], &flags);

	return x87_push(c, f, flags);
}

enum emu_result emu_fld_80(struct emu_ctxt *c)
{
	enum emu_result r;
	struct emu_x87 x;

	r = emu_read_seg(c, c->seg, emu_effective_address(c), x.st[0], 10);
	return r == EMU_OK ? x87_push(c, real_get(&x), 0) : r;
}

enum emu_result emu_fild(struct emu_ctxt *c)
{
	s64 val = emu_sext(c->src.val[0], c->src.size);
	struct real f = { .sign = val < 0 };
	u64 abs = val < 0 ? -(u64)val : val;
	unsigned int shift;

	if (abs) {
		shift = __builtin_clzll(abs);
		f.mant = abs << shift;
		f.exp = EXP_BIAS + 63 - shift;
	}
	return x87_push(c, f, 0);
}

/* Stores */

static void x87_pop(struct emu_x87 *x)
{
	x87_set_tag(x, false);
	x87_turn(x, 1);
}

/* Of the opcodes here, reg 2 stores; 1 (FISTTP), 3 and 7 pop, too. */
static bool x87_pops(const struct emu_ctxt *c)
{
	return (c->modrm >> 3 & 7) != 2;
}

/* Write what a store made, unless an exception forbids it; C1 says that it was rounded up. */
static enum emu_result x87_store(struct emu_ctxt *c, const void *buf, unsigned int len, u16 flags)
{
	u64 ea = emu_effective_address(c), gva;
	struct emu_x87 *x = &c->x87;
	enum emu_result r;

	r = emu_linear(c, c->seg, ea, len, EMU_ACC_WRITE, &gva);
	if (r != EMU_OK)
		return r;
	x->sw &= ~X87_C1;
	if (flags & ~x->cw & X87_EXC & ~X87_PE) {
		x87_raise(x, flags & ~(X87_PE | X87_C1));
		r = c->ops->probe(c, gva, len, EMU_ACC_WRITE);
		return r == EMU_OK ? x87_done(c) : r;
	}
	x87_raise(x, flags);
	r = emu_write_gva(c, gva, buf, len);
	if (r == EMU_OK && x87_pops(c))
		x87_pop(x);
	return r == EMU_OK ? x87_done(c) : r;
}

/* Does rounding go away from zero? @rest: what was cut off, its top bit being half a unit. */
static bool x87_round_up(const struct emu_x87 *x, bool sign, bool odd, u64 rest)
{
	switch (x->cw >> X87_RC_SHIFT & 3) {
	case RC_NEAREST:
		return rest > INTEGER_BIT || (rest == INTEGER_BIT && odd);
	case RC_DOWN:
		return sign && rest;
	case RC_UP:
		return !sign && rest;
	default:
		return false;
	}
}

/* @val >> @n, and what goes out, as a fraction of one; bits below it count as one. */
static u64 shift_out(u64 val, unsigned int n, u64 *rest)
{
	if (!n) {
		*rest = 0;
		return val;
	}
	if (n < 64) {
		*rest = val << (64 - n);
		return val >> n;
	}
	*rest = n == 64 ? val : !!val;
	return 0;
}

/* The integer of @size bytes that @f is rounded to; @truncate: towards zero. */
static u64 real_to_int(const struct emu_x87 *x, const struct real *f, unsigned int size,
		       bool truncate, u16 *flags)
{
	u64 limit = 1ULL << (8 * size - 1), rest, val;
	bool up;

	*flags = X87_IE;
	if (f->exp > EXP_BIAS + 63 || (f->exp && !(f->mant & INTEGER_BIT)))
		return limit;
	val = shift_out(f->mant, EXP_BIAS + 63 - f->exp, &rest);
	up = !truncate && x87_round_up(x, f->sign, val & 1, rest);
	val += up;
	if (val > limit || (val == limit && !f->sign) || (up && !val))
		return limit;
	*flags = (rest ? X87_PE : 0) | (up ? X87_C1 : 0);
	return f->sign ? -val : val;
}

static enum emu_result x87_fist(struct emu_ctxt *c, bool truncate)
{
	unsigned int size = c->dst.size;
	struct real f = real_get(&c->x87);
	u16 flags;
	u64 val;

	if (x87_is_empty(&c->x87, 0)) {
		val = 1ULL << (8 * size - 1);
		flags = X87_IE | X87_SF;
	} else {
		val = real_to_int(&c->x87, &f, size, truncate, &flags);
	}
	return x87_store(c, &val, size, flags);
}

enum emu_result emu_fist(struct emu_ctxt *c)
{
	return x87_fist(c, false);
}

enum emu_result emu_fisttp(struct emu_ctxt *c)
{
	return x87_fist(c, true);
}

/**
 * struct format - of a number in memory
 * @frac: bits of fraction
 * @max: greatest exponent, which means infinity
 * @bias: of the exponent
 */
struct format {
	unsigned int frac;
	int max, bias;
};

static u64 format_pack(const struct format *t, const struct real *f, u64 exp, u64 frac)
{
	u64 sign = f->sign;

	return sign << (t->frac == 23 ? 31 : 63) | exp << t->frac |
	       (frac & ((1ULL << t->frac) - 1));
}

/* Infinity or the greatest number, as rounding says. */
static u64 format_overflow(const struct emu_x87 *x, const struct format *t, const struct real *f,
			   u16 *flags)
{
	bool up = x87_round_up(x, f->sign, true, -1ULL);

	*flags = X87_OE | X87_PE | (up ? X87_C1 : 0);
	return up ? format_pack(t, f, t->max, 0) : format_pack(t, f, t->max - 1, -1ULL);
}

/* A number that is neither 0 nor NaN: round it. */
static u64 format_round(const struct emu_x87 *x, const struct format *t, const struct real *f,
			u16 *flags)
{
	int exp = (f->exp ?: 1) - EXP_BIAS + t->bias;
	unsigned int cut = 63 - t->frac;
	u64 val, rest;
	bool up, tiny;

	val = shift_out(f->mant, cut, &rest);
	up = x87_round_up(x, f->sign, val & 1, rest);
	/* Tiny is what would be so even with an exponent without bounds. */
	tiny = exp < 0 || (exp == 0 && !(up && val + 1 == 2ULL << t->frac));
	if (exp <= 0) {
		val = shift_out(f->mant, cut + min_t(int, 1 - exp, 70), &rest);
		up = x87_round_up(x, f->sign, val & 1, rest);
		exp = 0;
	}
	val += up;
	if (exp && val >> (t->frac + 1))
		exp++;
	else if (!exp && val >> t->frac)
		exp = 1;
	if (exp >= t->max)
		return format_overflow(x, t, f, flags);
	*flags = (rest ? X87_PE : 0) | (up ? X87_C1 : 0);
	if (tiny && (rest || !(x->cw & X87_UE)))
		*flags |= X87_UE;
	return format_pack(t, f, exp, val);
}

static u64 real_narrow(const struct emu_x87 *x, const struct format *t, const struct real *f,
		       u16 *flags)
{
	unsigned int cut = 63 - t->frac;

	*flags = 0;
	if (f->exp && !(f->mant & INTEGER_BIT)) {
		*flags = X87_IE;
		return format_pack(t, &real_indefinite, t->max, QUIET_BIT >> cut);
	}
	if (f->exp == EXP_MAX && f->mant == INTEGER_BIT)
		return format_pack(t, f, t->max, 0);
	if (f->exp == EXP_MAX) {
		*flags = f->mant & QUIET_BIT ? 0 : X87_IE;
		return format_pack(t, f, t->max, (f->mant | QUIET_BIT) >> cut);
	}
	return f->mant ? format_round(x, t, f, flags) : format_pack(t, f, 0, 0);
}

enum emu_result emu_fst(struct emu_ctxt *c)
{
	static const struct format single = { 23, 255, 127 }, dbl = { 52, 2047, 1023 };
	const struct format *t = c->dst.size == 4 ? &single : &dbl;
	struct real f = real_get(&c->x87);
	u16 flags, empty = 0;
	u64 val;

	if (x87_is_empty(&c->x87, 0)) {
		f = real_indefinite;
		empty = X87_IE | X87_SF;
	}
	val = real_narrow(&c->x87, t, &f, &flags);
	return x87_store(c, &val, c->dst.size, flags | empty);
}

enum emu_result emu_fstp_80(struct emu_ctxt *c)
{
	struct emu_x87 x = c->x87;
	bool empty = x87_is_empty(&x, 0);

	if (empty)
		real_put(&x, &real_indefinite);
	return x87_store(c, x.st[0], 10, empty ? X87_IE | X87_SF : 0);
}

/* Control */

enum emu_result emu_fldcw(struct emu_ctxt *c)
{
	struct emu_x87 *x = &c->x87;

	x->cw = (c->src.val[0] & 0x1f3f) | 0x40;
	x->sw &= ~(X87_ES | X87_BUSY);
	x87_raise(x, x->sw & X87_EXC);
	return x87_done(c);
}

enum emu_result emu_fnstcw(struct emu_ctxt *c)
{
	c->dst.val[0] = c->x87.cw;
	return EMU_OK;
}

enum emu_result emu_fnstsw(struct emu_ctxt *c)
{
	c->dst.val[0] = c->x87.sw;
	return EMU_OK;
}

enum emu_result emu_fninit(struct emu_ctxt *c)
{
	x87_turn(&c->x87, -x87_top(&c->x87));
	c->x87.cw = 0x37f;
	c->x87.sw = 0;
	c->x87.tag = 0;
	return x87_done(c);
}

enum emu_result emu_fnclex(struct emu_ctxt *c)
{
	c->x87.sw &= ~(X87_EXC | X87_SF | X87_ES | X87_BUSY);
	return x87_done(c);
}

/* MMX */

/**
 * emu_mmx_get() - value of an MMX register
 * @c: context, its x87 image loaded
 * @nr: 0-7
 *
 * Return: it.
 */
u64 emu_mmx_get(const struct emu_ctxt *c, unsigned int nr)
{
	u64 val;

	memcpy(&val, c->x87.st[(nr - x87_top(&c->x87)) & 7], 8);
	return val;
}

/* Every MMX instruction makes the stack full, and MMX register 0 its top. */
static void mmx_enter(struct emu_ctxt *c)
{
	struct emu_x87 *x = &c->x87;

	x87_turn(x, -x87_top(x));
	x->tag = 0xff;
	if (c->dst.type == EMU_OPND_MMX) {
		memcpy(x->st[c->dst.reg], c->dst.val, 8);
		memset(x->st[c->dst.reg] + 8, 0xff, 2);
	}
	c->x87_changed = true;
}

enum emu_result emu_mmx_mov(struct emu_ctxt *c)
{
	c->dst.val[0] = c->src.val[0];
	mmx_enter(c);
	return EMU_OK;
}

enum emu_result emu_mmx_and(struct emu_ctxt *c)
{
	c->dst.val[0] &= c->src.val[0];
	mmx_enter(c);
	return EMU_OK;
}

enum emu_result emu_mmx_andn(struct emu_ctxt *c)
{
	c->dst.val[0] = ~c->dst.val[0] & c->src.val[0];
	mmx_enter(c);
	return EMU_OK;
}

enum emu_result emu_mmx_or(struct emu_ctxt *c)
{
	c->dst.val[0] |= c->src.val[0];
	mmx_enter(c);
	return EMU_OK;
}

enum emu_result emu_mmx_xor(struct emu_ctxt *c)
{
	c->dst.val[0] ^= c->src.val[0];
	mmx_enter(c);
	return EMU_OK;
}

/**
 * emu_check_x87() - may an x87 or MMX instruction execute?  Loads its state if so
 * @c: context
 *
 * Return: EMU_OK; EMU_FAULT with #UD, #NM or #MF; EMU_UNHANDLED where an exception is to be
 * told by an interrupt.
 */
enum emu_result emu_check_x87(struct emu_ctxt *c)
{
	u64 cr0 = c->ops->get_cr(c, 0);

	if (c->flags & EMU_F_MMX && cr0 & X86_CR0_EM)
		return emu_ud(c);
	if (cr0 & (X86_CR0_EM | X86_CR0_TS))
		return emu_fault(c, X86_TRAP_NM);
	c->ops->get_x87(c, &c->x87);
	if (c->flags & EMU_F_NOWAIT || !(c->x87.sw & X87_ES))
		return EMU_OK;
	return cr0 & X86_CR0_NE ? emu_fault(c, X86_TRAP_MF) : EMU_UNHANDLED;
}
