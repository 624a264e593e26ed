// SPDX-License-Identifier: GPL-2.0-only
/*
 * Addition, logic, comparison, exchange-and-compare, bits: the instructions whose point is EFLAGS.
 *
 * Pure C on c->dst.val, c->src.val and c->next_rflags.  Flags that the manuals leave undefined stay
 * as they were, except AF after logic, which is cleared as every CPU does.
 */
#include "x86/emulate/internal.h"

#define CF X86_EFLAGS_CF
#define PF X86_EFLAGS_PF
#define AF X86_EFLAGS_AF
#define ZF X86_EFLAGS_ZF
#define SF X86_EFLAGS_SF
#define OF X86_EFLAGS_OF

static void set_flags(struct emu_ctxt *c, u64 mask, u64 bits)
{
	c->next_rflags = (c->next_rflags & ~mask) | bits;
}

/* SF, ZF and PF of a result; PF is the parity of its lowest byte, even: set. */
static u64 flags_szp(u64 val, unsigned int size)
{
	unsigned int x = (val ^ val >> 4) & 15;
	u64 flags = 0;

	if (!(0x6996 >> x & 1))
		flags |= PF;
	if (!val)
		flags |= ZF;
	if (val & emu_sign_bit(size))
		flags |= SF;
	return flags;
}

/* @a + @b + @carry; @mask: which flags to set. */
static u64 do_add(struct emu_ctxt *c, u64 a, u64 b, u64 carry, unsigned int size, u64 mask)
{
	u64 sign = emu_sign_bit(size);
	u64 res = (a + b + carry) & emu_mask(size);
	u64 flags = flags_szp(res, size);

	b &= emu_mask(size);
	if (((a & b) | ((a | b) & ~res)) & sign)
		flags |= CF;
	if ((a ^ res) & (b ^ res) & sign)
		flags |= OF;
	flags |= (a ^ b ^ res) & AF;
	set_flags(c, mask, flags & mask);
	return res;
}

/* @a - @b - @borrow */
static u64 do_sub(struct emu_ctxt *c, u64 a, u64 b, u64 borrow, unsigned int size, u64 mask)
{
	u64 sign = emu_sign_bit(size);
	u64 res = (a - b - borrow) & emu_mask(size);
	u64 flags = flags_szp(res, size);

	b &= emu_mask(size);
	if (((~a & b) | ((~a | b) & res)) & sign)
		flags |= CF;
	if ((a ^ b) & (a ^ res) & sign)
		flags |= OF;
	flags |= (a ^ b ^ res) & AF;
	set_flags(c, mask, flags & mask);
	return res;
}

static u64 do_logic(struct emu_ctxt *c, u64 res)
{
	res &= emu_mask(c->dst.size);
	set_flags(c, EMU_STATUS_FLAGS, flags_szp(res, c->dst.size));
	return res;
}

/* ADD, ADC, SUB, SBB, CMP: c->dst op= c->src. */
enum emu_result emu_add(struct emu_ctxt *c)
{
	c->dst.val[0] = do_add(c, c->dst.val[0], c->src.val[0], 0, c->dst.size, EMU_STATUS_FLAGS);
	return EMU_OK;
}

enum emu_result emu_adc(struct emu_ctxt *c)
{
	c->dst.val[0] = do_add(c, c->dst.val[0], c->src.val[0], c->rflags & CF, c->dst.size,
			       EMU_STATUS_FLAGS);
	return EMU_OK;
}

enum emu_result emu_sub(struct emu_ctxt *c)
{
	c->dst.val[0] = do_sub(c, c->dst.val[0], c->src.val[0], 0, c->dst.size, EMU_STATUS_FLAGS);
	return EMU_OK;
}

enum emu_result emu_sbb(struct emu_ctxt *c)
{
	c->dst.val[0] = do_sub(c, c->dst.val[0], c->src.val[0], c->rflags & CF, c->dst.size,
			       EMU_STATUS_FLAGS);
	return EMU_OK;
}

enum emu_result emu_cmp(struct emu_ctxt *c)
{
	do_sub(c, c->dst.val[0], c->src.val[0], 0, c->dst.size, EMU_STATUS_FLAGS);
	return EMU_OK;
}

/* OR, AND, XOR, TEST */
enum emu_result emu_or(struct emu_ctxt *c)
{
	c->dst.val[0] = do_logic(c, c->dst.val[0] | c->src.val[0]);
	return EMU_OK;
}

enum emu_result emu_and(struct emu_ctxt *c)
{
	c->dst.val[0] = do_logic(c, c->dst.val[0] & c->src.val[0]);
	return EMU_OK;
}

enum emu_result emu_xor(struct emu_ctxt *c)
{
	c->dst.val[0] = do_logic(c, c->dst.val[0] ^ c->src.val[0]);
	return EMU_OK;
}

enum emu_result emu_test(struct emu_ctxt *c)
{
	do_logic(c, c->dst.val[0] & c->src.val[0]);
	return EMU_OK;
}

/* NOT, NEG, INC, DEC; INC and DEC leave CF alone, NOT all flags. */
enum emu_result emu_not(struct emu_ctxt *c)
{
	c->dst.val[0] = ~c->dst.val[0];
	return EMU_OK;
}

enum emu_result emu_neg(struct emu_ctxt *c)
{
	c->dst.val[0] = do_sub(c, 0, c->dst.val[0], 0, c->dst.size, EMU_STATUS_FLAGS);
	return EMU_OK;
}

enum emu_result emu_inc(struct emu_ctxt *c)
{
	c->dst.val[0] = do_add(c, c->dst.val[0], 1, 0, c->dst.size, EMU_STATUS_FLAGS & ~CF);
	return EMU_OK;
}

enum emu_result emu_dec(struct emu_ctxt *c)
{
	c->dst.val[0] = do_sub(c, c->dst.val[0], 1, 0, c->dst.size, EMU_STATUS_FLAGS & ~CF);
	return EMU_OK;
}

/* XADD: the source register takes the old destination; when both are one, the sum wins. */
enum emu_result emu_xadd(struct emu_ctxt *c)
{
	u64 old = c->dst.val[0];

	c->dst.val[0] = do_add(c, old, c->src.val[0], 0, c->dst.size, EMU_STATUS_FLAGS);
	emu_stage_opnd(c, &c->src, old);
	return EMU_OK;
}

/* CMPXCHG: compare with the accumulator, which takes the destination when they differ. */
static bool compare_accumulator(struct emu_ctxt *c)
{
	u64 acc = c->regs[EMU_RAX] & emu_mask(c->dst.size);

	do_sub(c, acc, c->dst.val[0], 0, c->dst.size, EMU_STATUS_FLAGS);
	if (acc == c->dst.val[0])
		return true;
	emu_stage(c, EMU_RAX, c->dst.size, c->dst.val[0]);
	return false;
}

/* Memory is written either way, with the old value if need be. */
enum emu_result emu_cmpxchg(struct emu_ctxt *c)
{
	if (compare_accumulator(c))
		c->dst.val[0] = c->src.val[0];
	return EMU_OK;
}

enum emu_result emu_cmpxchg_reg(struct emu_ctxt *c)
{
	if (compare_accumulator(c))
		emu_stage_opnd(c, &c->dst, c->src.val[0]);
	return EMU_OK;
}

/* CMPXCHG8B and CMPXCHG16B: only ZF. */
enum emu_result emu_cmpxchg_wide(struct emu_ctxt *c)
{
	unsigned int half = c->dst.size / 2;
	u64 mask = emu_mask(half);
	u64 *val = c->dst.val;
	u64 low = half == 8 ? val[0] : (u32)val[0];
	u64 high = half == 8 ? val[1] : val[0] >> 32;

	if (low != (c->regs[EMU_RAX] & mask) || high != (c->regs[EMU_RDX] & mask)) {
		set_flags(c, ZF, 0);
		emu_stage(c, EMU_RAX, half, low);
		emu_stage(c, EMU_RDX, half, high);
		return EMU_OK;
	}
	set_flags(c, ZF, ZF);
	if (half == 8) {
		val[0] = c->regs[EMU_RBX];
		val[1] = c->regs[EMU_RCX];
	} else {
		val[0] = (u32)c->regs[EMU_RBX] | c->regs[EMU_RCX] << 32;
	}
	return EMU_OK;
}

/* The bit that BT and its kin are about goes to CF; returns its mask. */
static u64 test_bit_of(struct emu_ctxt *c)
{
	u64 bit = 1ULL << (c->src.val[0] & (c->dst.size * 8 - 1));

	set_flags(c, CF, c->dst.val[0] & bit ? CF : 0);
	return bit;
}

/* BT, BTS, BTR, BTC */
enum emu_result emu_bt(struct emu_ctxt *c)
{
	test_bit_of(c);
	return EMU_OK;
}

enum emu_result emu_bts(struct emu_ctxt *c)
{
	c->dst.val[0] |= test_bit_of(c);
	return EMU_OK;
}

enum emu_result emu_btr(struct emu_ctxt *c)
{
	c->dst.val[0] &= ~test_bit_of(c);
	return EMU_OK;
}

enum emu_result emu_btc(struct emu_ctxt *c)
{
	c->dst.val[0] ^= test_bit_of(c);
	return EMU_OK;
}

/*
 * BSF, BSR: the destination keeps its value when the source is 0, as AMD documents and Intel does.
 */
enum emu_result emu_bsf(struct emu_ctxt *c)
{
	set_flags(c, ZF, c->src.val[0] ? 0 : ZF);
	if (c->src.val[0])
		emu_stage_opnd(c, &c->dst, __builtin_ctzll(c->src.val[0]));
	return EMU_OK;
}

enum emu_result emu_bsr(struct emu_ctxt *c)
{
	set_flags(c, ZF, c->src.val[0] ? 0 : ZF);
	if (c->src.val[0])
		emu_stage_opnd(c, &c->dst, 63 - __builtin_clzll(c->src.val[0]));
	return EMU_OK;
}

/* ADCX and ADOX: each with a carry flag of its own. */
static enum emu_result add_through(struct emu_ctxt *c, u64 flag)
{
	u64 mask = emu_mask(c->dst.size), carry = c->rflags & flag ? 1 : 0;
	u64 a = c->dst.val[0], sum = (a + c->src.val[0] + carry) & mask;
	bool out = sum < a || (sum == a && carry);

	set_flags(c, flag, out ? flag : 0);
	c->dst.val[0] = sum;
	return EMU_OK;
}

enum emu_result emu_adcx(struct emu_ctxt *c)
{
	return add_through(c, CF);
}

enum emu_result emu_adox(struct emu_ctxt *c)
{
	return add_through(c, OF);
}

/* ARPL: raise the RPL of a selector to that of another. */
enum emu_result emu_arpl(struct emu_ctxt *c)
{
	u64 rpl = c->src.val[0] & 3;

	if (emu_realish(c))
		return emu_ud(c);
	set_flags(c, ZF, 0);
	if ((c->dst.val[0] & 3) < rpl) {
		c->dst.val[0] = (c->dst.val[0] & ~3ULL) | rpl;
		set_flags(c, ZF, ZF);
	}
	return EMU_OK;
}
