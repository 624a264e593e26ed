// SPDX-License-Identifier: GPL-2.0-only
/*
 * Decimal arithmetic: what 64-bit mode no longer has.
 *
 * Undefined flags stay as they were.
 */
#include "x86/emulate/internal.h"

#define CF X86_EFLAGS_CF
#define AF X86_EFLAGS_AF
#define SZP (X86_EFLAGS_SF | X86_EFLAGS_ZF | X86_EFLAGS_PF)

static u64 bcd_szp(u8 val)
{
	unsigned int x = (val ^ val >> 4) & 15;

	return (0x6996 >> x & 1 ? 0 : X86_EFLAGS_PF) | (val ? 0 : X86_EFLAGS_ZF) |
	       (val & 0x80 ? X86_EFLAGS_SF : 0);
}

static enum emu_result bcd_result(struct emu_ctxt *c, u16 ax, u64 mask, u64 flags)
{
	emu_stage(c, EMU_RAX, 2, ax);
	c->next_rflags = (c->next_rflags & ~mask) | flags;
	return EMU_OK;
}

/* DAA, DAS: AL, after two packed digits were added or subtracted. */
static enum emu_result bcd_packed(struct emu_ctxt *c, bool sub)
{
	u16 ax = c->regs[EMU_RAX];
	u8 old = ax, al = ax;
	u64 flags = 0;

	if ((old & 15) > 9 || c->rflags & AF) {
		flags |= AF | (sub && old < 6 ? CF : 0);
		al += sub ? -6 : 6;
	}
	if (old > 0x99 || c->rflags & CF) {
		al += sub ? -0x60 : 0x60;
		flags |= CF;
	}
	return bcd_result(c, (ax & 0xff00) | al, CF | AF | SZP, flags | bcd_szp(al));
}

enum emu_result emu_daa(struct emu_ctxt *c)
{
	return bcd_packed(c, false);
}

enum emu_result emu_das(struct emu_ctxt *c)
{
	return bcd_packed(c, true);
}

/* AAA, AAS: one digit in AL, the carry in AH; the sum is one of AX. */
static enum emu_result bcd_unpacked(struct emu_ctxt *c, int step)
{
	u16 ax = c->regs[EMU_RAX];
	bool adjust = (ax & 15) > 9 || c->rflags & AF;

	if (adjust)
		ax += step;
	return bcd_result(c, ax & 0xff0f, CF | AF, adjust ? CF | AF : 0);
}

enum emu_result emu_aaa(struct emu_ctxt *c)
{
	return bcd_unpacked(c, 0x106);
}

enum emu_result emu_aas(struct emu_ctxt *c)
{
	return bcd_unpacked(c, -0x106);
}

enum emu_result emu_aam(struct emu_ctxt *c)
{
	u8 base = c->src.val[0], al = c->regs[EMU_RAX];

	if (!base)
		return emu_fault(c, X86_TRAP_DE);
	return bcd_result(c, al / base << 8 | al % base, SZP, bcd_szp(al % base));
}

enum emu_result emu_aad(struct emu_ctxt *c)
{
	u8 base = c->src.val[0];
	u16 ax = c->regs[EMU_RAX];
	u8 al = ax + (ax >> 8) * base;

	return bcd_result(c, al, SZP, bcd_szp(al));
}
