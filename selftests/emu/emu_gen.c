// SPDX-License-Identifier: GPL-2.0-only
/*
 * The generator of random instructions: templates, random state, encodings.  It makes
 * most memory operands hit the data page and most comparisons decide either way; it
 * runs nothing.
 */
#include <string.h>

#include "emu_gen.h"

#define CF X86_EFLAGS_CF
#define PF X86_EFLAGS_PF
#define AF X86_EFLAGS_AF
#define ZF X86_EFLAGS_ZF
#define SF X86_EFLAGS_SF
#define OF X86_EFLAGS_OF

bool mode32;
u8 shadow[PAGE];

/* Random numbers: xorshift64*, repeatable by seed */

u64 seed = 88172645463325252ULL;

u64 rnd(void)
{
	seed ^= seed >> 12;
	seed ^= seed << 25;
	seed ^= seed >> 27;
	return seed * 2685821657736338717ULL;
}

static bool chance(unsigned int one_in)
{
	return rnd() % one_in == 0;
}

/* Values at which flags change. */
static u64 rnd_value(void)
{
	static const u64 corner[] = { 0, 1, 2, -1ULL, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000,
				      0xffff,
				      0x7fffffff, 0x80000000, 0xffffffff, 0x7fffffffffffffff,
				      0x8000000000000000 };

	switch (rnd() & 3) {
	case 0:
		return corner[rnd() % (sizeof(corner) / sizeof(corner[0]))];
	case 1:
		return rnd() >> (rnd() & 63);
	default:
		return rnd();
	}
}

static void put(struct gen *g, u64 val, unsigned int n)
{
	memcpy(g->bytes + g->len, &val, n);
	g->len += n;
}

/* Registers only; rDI says where to. */
static bool is_maskmov(const struct template *t)
{
	return t->flags & T_0F && t->opcode == 0xf7;
}

static unsigned int opsize(const struct gen *g)
{
	if (g->t->flags & T_BYTE)
		return 1;
	if (g->rex & 8)
		return 8;
	if (g->t->flags & T_STACK)
		return g->opsize16 ? 2 : mode32 ? 4 : 8;
	return g->opsize16 ? 2 : 4;
}

static void gen_prefixes(struct gen *g)
{
	u32 f = g->t->flags;

	g->addr32 = !mode32 && chance(8);
	g->opsize16 = !(f & T_NO66) && chance(4);
	if (g->addr32)
		put(g, 0x67, 1);
	if (g->opsize16)
		put(g, 0x66, 1);
	if (chance(20))
		put(g, 0x2e, 1);	/* an ignored segment override */
	if (f & T_LOCK ? chance(3) : chance(200))
		put(g, 0xf0, 1);
	if (f & T_STR && chance(2))
		put(g, 0xf2 + (rnd() & 1), 1);
	if (f & T_VEX) {
		g->rex = mode32 ? 0 : 0x40 | (rnd() & 15);
		return;
	}
	if (g->t->prefix)
		put(g, g->t->prefix, 1);
	if (!mode32 && chance(2)) {
		g->rex = 0x40 | (rnd() & 15);
		put(g, g->rex, 1);
	}
}

/* VEX of three bytes; every now and then one that may not be. */
static void gen_vex(struct gen *g)
{
	u32 f = g->t->flags;
	u8 pp = g->t->prefix == 0x66 ? 1 : g->t->prefix == 0xf3 ? 2 : g->t->prefix == 0xf2 ? 3 : 0;

	g->vvvv = f & T_V3 || chance(8) ? rnd() & 15 : 0;
	put(g, 0xc4, 1);
	put(g, (f & T_0F3A ? 3 : f & T_0F38 ? 2 : 1) | (~g->rex & 7) << 5, 1);
	put(g, (g->rex & 8) << 4 | (~g->vvvv & 15) << 3 | (f & T_L ? rnd() & 1 : chance(30)) << 2 |
	    pp, 1);
	put(g, g->t->opcode, 1);
}

static void gen_opcode(struct gen *g)
{
	u8 op = g->t->opcode;

	if (g->t->flags & T_VEX) {
		gen_vex(g);
		return;
	}

	if (g->t->flags & (T_0F | T_0F38 | T_0F3A))
		put(g, 0x0f, 1);
	if (g->t->flags & (T_0F38 | T_0F3A))
		put(g, g->t->flags & T_0F38 ? 0x38 : 0x3a, 1);
	if (g->t->flags & T_ZREG)
		op |= rnd() & 7;
	if (g->t->flags & T_COND)
		op |= rnd() & 15;
	put(g, op, 1);
}

/*
 * Where the operand lies: mostly inside the page, sometimes across its end, sometimes not
 * canonical.
 */
static u64 pick_target(struct gen *g)
{
	u64 target = DATA_PAGE + 1024 + rnd() % 2048;

	if (g->t->flags & T_BITS)
		return target;
	if (chance(40))
		target = DATA_PAGE + PAGE - rnd() % 17;
	else if (!mode32 && !g->addr32 && chance(100))
		target = 0x800000000000ULL << (rnd() & 15);
	if (g->t->flags & T_ALIGN && !chance(10))
		target &= g->t->flags & T_L ? ~31ULL : ~15ULL;
	return target;
}

static void set_pointer(struct gen *g, unsigned int reg, u64 val)
{
	if (mode32)
		g->before.regs[reg] = (u32)val;
	else
		g->before.regs[reg] = g->addr32 ? (u32)val | rnd() << 32 : val;
}

/* [base + disp], [base + index * scale + disp]: the base is made so that the sum is g->target. */
static void gen_based(struct gen *g, unsigned int base, u64 index_part, unsigned int mod)
{
	s64 disp = mod == 1 ? (s8)rnd() : mod == 2 ? (s32)rnd() : 0;
	u64 rest = g->target - index_part - disp;

	if (g->t->flags & (T_STACK | T_FAR) && base == EMU_RSP)	/* rSP must stay a stack */
		disp = (s8)disp, g->target = (g->before.regs[base] + index_part + disp) &
					     (mode32 || g->addr32 ? 0xffffffff : ~0ull);
	else
		set_pointer(g, base, rest);
	put(g, disp, mod == 1 ? 1 : mod == 2 ? 4 : 0);
}

static void gen_sib(struct gen *g, unsigned int mod)
{
	unsigned int base, index, scale;
	u64 *regs = g->before.regs;
	u8 sib;

	do {
		sib = rnd();
		base = (sib & 7) | (g->rex & 1) << 3;
		index = (sib >> 3 & 7) | (g->rex & 2) << 2;
		scale = sib >> 6;
	} while (index == base || (index == EMU_RSP && g->t->flags & (T_STACK | T_FAR)));
	put(g, sib, 1);
	if (mod || (sib & 7) != 5) {
		gen_based(g, base, index == EMU_RSP ? 0 : regs[index] << scale, mod);
		return;
	}
	if (index != EMU_RSP) {
		set_pointer(g, index, g->target >> scale);
		put(g, g->target & ((1 << scale) - 1), 4);
	} else {
		put(g, g->target, 4);
	}
}

/* ModRM with a memory operand at g->target: choose a form, then the registers that make it so. */
static void gen_mem(struct gen *g, unsigned int reg)
{
	unsigned int mod = rnd() % 3, rm = rnd() & 7;

	if (g->target > 0xffffffff && mod == 0)		/* out of reach of disp32 */
		mod = 1;
	put(g, mod << 6 | reg << 3 | rm, 1);
	if (rm == 4) {
		gen_sib(g, mod);
	} else if (rm == 5 && mod == 0) {
		g->rip_pos = g->len;
		put(g, 0, 4);
	} else {
		gen_based(g, rm | (g->rex & 1) << 3, 0, mod);
	}
}

/* A displacement relative to rIP can be filled in only when the length is known. */
static void gen_rip(struct gen *g)
{
	u32 disp = g->target - (mode32 ? 0 : INSN + g->len);

	if (g->rip_pos)
		memcpy(g->bytes + g->rip_pos, &disp, 4);
}

/* A bit offset that stays in the page; not usable where the same register makes the address. */
static void gen_bit_offset(struct gen *g, unsigned int reg)
{
	u64 off = rnd() % 8000 - 4000, mask = emu_mask(opsize(g));

	g->before.regs[reg] = (off & mask) | (rnd() & ~mask);
	if (mode32)
		g->before.regs[reg] = (u32)g->before.regs[reg];
}

static void gen_modrm(struct gen *g)
{
	unsigned int reg = g->t->ext >= 0 ? (unsigned int)g->t->ext : rnd() & 7;
	unsigned int full = reg | (g->rex & 4) << 1;
	u64 val;

	if (is_maskmov(g->t) || (!(g->t->flags & T_MEM) && chance(3))) {
		put(g, 0xc0 | reg << 3 | (rnd() & 7), 1);
		return;
	}
	if (g->t->flags & T_BITS)
		gen_bit_offset(g, full);
	if (g->t->flags & T_DIR64)
		set_pointer(g, full, (DATA_PAGE + 2048 + rnd() % 1024) &
			    ~(chance(8) ? 7UL : 63UL));
	val = g->before.regs[full];
	g->target = pick_target(g);
	gen_mem(g, reg);
	g->skip = g->t->flags & (T_BITS | T_DIR64) && val != g->before.regs[full];
}

static void gen_imm(struct gen *g)
{
	u64 val = rnd_value();
	u32 f = g->t->flags;

	if (f & T_ENTER) {
		put(g, rnd() % 300, 2);
		put(g, rnd(), 1);
	} else if (f & T_IMM8) {
		g->imm8 = val;
		put(g, val, 1);
	} else if (f & T_IMMZ) {
		put(g, val, opsize(g) == 2 ? 2 : 4);
	} else if (f & T_IMMV) {
		put(g, val, opsize(g));
	}
}

/* Registers that an instruction uses as pointers without saying so. */
static void gen_implicit(struct gen *g)
{
	u64 *regs = g->before.regs;

	if (g->t->undef == U_DIV && chance(2))
		regs[EMU_RDX] = chance(2) ? 0 : rnd() >> (32 + (rnd() & 31));
	if (g->t->flags & (T_STACK | T_FAR)) {
		regs[EMU_RSP] = DATA_PAGE + (chance(50) ? 0 : 1024) + rnd() % 256;
		regs[EMU_RBP] = DATA_PAGE + 2048 + rnd() % 256;
	}
	/* Whether it faults by bytes that it does not write is up to the CPU. */
	if (is_maskmov(g->t))
		regs[EMU_RDI] = DATA_PAGE + 1024 + rnd() % 512;
	if (g->t->flags & T_STR) {
		regs[EMU_RSI] = DATA_PAGE + 1024 + rnd() % 512;
		regs[EMU_RDI] = DATA_PAGE + (chance(10) ? PAGE - 60 : 1024) + rnd() % 512;
		regs[EMU_RBX] = DATA_PAGE + 1024 + rnd() % 512;
		regs[EMU_RCX] = rnd() % 20;
	}
}

static bool in_page(u64 addr)
{
	return addr >= DATA_PAGE && addr + 16 <= DATA_PAGE + PAGE;
}

/* Make comparisons succeed in a good part of the cases. */
static void gen_luck(struct gen *g)
{
	u64 *regs = g->before.regs, val;

	if (!in_page(g->target))
		return;
	for (val = 0; val < 2; val++)
		memcpy(shadow + g->target - DATA_PAGE + 8 * val, (u64[]){ rnd_value() }, 8);
	if (g->t->flags & T_PAIR && chance(2)) {
		memcpy(&val, shadow + g->target - DATA_PAGE, 8);
		if (g->t->ext == 1 && !(g->rex & 8)) {
			memcpy(shadow + g->target - DATA_PAGE, &regs[EMU_RAX], 4);
			memcpy(shadow + g->target - DATA_PAGE + 4, &regs[EMU_RDX], 4);
		} else {
			memcpy(shadow + g->target - DATA_PAGE, &regs[EMU_RAX], 8);
			memcpy(shadow + g->target - DATA_PAGE + 8, &regs[EMU_RDX], 8);
		}
	}
}

/* A number in the format of a register, of any kind. */
static void rnd_real(u8 *to)
{
	static const u16 exps[] = { 0, 1, 0x7fff, 0x3fff, 16383 - 1022, 16383 - 1074, 16383 - 126,
				    16383 + 127, 16383 + 1023, 16383 - 150 };
	u64 mant = rnd_value() | (chance(20) ? 0 : 1ULL << 63);
	u16 exp = chance(3) ? exps[rnd() % 10] + rnd() % 3 : 16383 - 40 + rnd() % 110;

	if (exp == 0x7fff && chance(2))
		mant = 1ULL << 63;
	exp ^= rnd() & 0x8000;
	memcpy(to, &mant, 8);
	memcpy(to + 8, &exp, 2);
}

/* x87: mostly a stack that is neither full nor empty, and exceptions masked. */
static void gen_fpu(struct gen *g)
{
	u16 cw = 0x37f, sw = (rnd() & 7) << 11;
	unsigned int i;

	cw ^= (rnd() & 15) << 8;
	if (chance(4))
		cw ^= rnd() & 0x3f;
	memcpy(g->before.fx, &cw, 2);
	memcpy(g->before.fx + 2, &sw, 2);
	g->before.fx[4] = rnd();
	for (i = 0; i < 8; i++)
		rnd_real(g->before.fx + 32 + 16 * i);
}

/* A number in memory, short formats included. */
static void gen_number(struct gen *g)
{
	u8 *to = shadow + g->target - DATA_PAGE;
	double d;
	float f;

	if (!in_page(g->target))
		return;
	if (g->t->opcode == 0xdb) {
		rnd_real(to);
		return;
	}
	d = (s64)rnd() * (chance(3) ? 1e-310 : chance(2) ? 1e-20 : 1e10);
	f = d;
	if (chance(2))
		memcpy(to, (u64[]){ rnd_value() }, 8);
	else if (g->t->opcode == 0xd9)
		memcpy(to, &f, 4);
	else
		memcpy(to, &d, 8);
}

/* The selector of this mode, or one that is refused: null, data, no table, beyond its end. */
static u16 rnd_selector(void)
{
	static const u16 refused[] = { 0, 3, USER_DS, 0x27, 0x1003 };

	if (chance(4))
		return refused[rnd() % (sizeof(refused) / sizeof(refused[0]))];
	return mode32 ? USER_CS32 : USER_CS64;
}

/* Far transfers lead behind the instruction. */
static void gen_far(struct gen *g)
{
	bool imm = g->t->opcode == 0xea || g->t->opcode == 0x9a;
	u64 item[5] = { INSN + g->len + (imm ? 6 : 0), rnd_selector(), g->before.rflags,
			DATA_PAGE + 2048 + rnd() % 256, USER_DS };
	u64 at = g->t->flags & T_MODRM ? g->target : g->before.regs[EMU_RSP];
	unsigned int i, n = opsize(g);

	if (imm) {
		put(g, item[0], 4);
		put(g, item[1], 2);
		return;
	}
	/* In memory it is a pointer, which AMD's CPUs do not have with 64 bits. */
	if (g->t->flags & T_MODRM && n == 8 && !host_is_intel())
		n = 4;
	if (in_page(at))
		memset(shadow + at - DATA_PAGE, 0, 16);
	item[2] ^= rnd() & (CF | ZF | OF | X86_EFLAGS_DF);
	for (i = 0; i < 5; i++, at += n) {
		unsigned int len = i == 1 ? 2 : n;

		if (at >= DATA_PAGE && at + len <= DATA_PAGE + PAGE)
			memcpy(shadow + at - DATA_PAGE, &item[i], len);
	}
}

void generate(struct gen *g, const struct template *t)
{
	unsigned int i;

	memset(g, 0, sizeof(*g));
	g->t = t;
	for (i = 0; i < 16; i++)
		g->before.regs[i] = mode32 ? (u32)rnd_value() : rnd_value();
	for (i = 0; i < 64; i++)
		((u64 *)g->before.vec)[i] = rnd();
	g->before.rflags = 0x202 | (rnd() & (ALL | X86_EFLAGS_DF));
	gen_implicit(g);
	gen_fpu(g);
	gen_prefixes(g);
	gen_opcode(g);
	if (t->flags & T_MODRM)
		gen_modrm(g);
	gen_imm(g);
	gen_rip(g);
	gen_luck(g);
	if (t->flags & T_X87)
		gen_number(g);
	if (t->flags & T_FAR)
		gen_far(g);
}

/* LZCNT and TZCNT; without them they are BSR and BSF. */
static bool is_zcnt(const struct gen *g)
{
	return g->t->prefix && host_has(g->t->opcode & 1 ? EMU_NEED_LZCNT : EMU_NEED_BMI1);
}

/* Which flags may differ. */
u64 undefined_flags(const struct gen *g)
{
	unsigned int bits = opsize(g) * 8, count = g->imm8;

	if (g->t->flags & T_CL)
		count = g->before.regs[EMU_RCX];
	if (g->t->flags & T_ONE)
		count = 1;
	count &= bits == 64 ? 63 : 31;
	switch (g->t->undef) {
	case U_LOGIC:
		return AF;
	case U_SHIFT:
		if (!count)
			return 0;
		return AF | (count > 1 ? OF : 0) | (count >= bits ? CF : 0);
	case U_ROTATE:
		return count > 1 ? OF : 0;
	case U_MUL:
		return SF | ZF | AF | PF;
	case U_DIV:
		return ALL;
	case U_BT:
		return OF | SF | AF | PF;
	case U_BSF:
		return ALL & ~(is_zcnt(g) ? ZF | CF : ZF);
	case U_ANDN:
		return AF | PF;
	case U_BEXTR:
		return AF | SF | PF;
	default:
		return 0;
	}
}

/* SHLD and SHRD of 16 bits by more than 16: everything is undefined. */
bool undefined_result(const struct gen *g)
{
	unsigned int count = g->t->flags & T_CL ? g->before.regs[EMU_RCX] : g->imm8;
	bool shd = g->t->flags & T_0F && (g->t->opcode & 0xf6) == 0xa4;

	return shd && opsize(g) == 2 && (count & 31) > 16;
}
