// SPDX-License-Identifier: GPL-2.0-only
/*
 * Moves, extensions, exchanges, conditional moves: what changes no flag (but SAHF, whose purpose it
 * is).
 */
#include "x86/emulate/internal.h"

#define SAHF_FLAGS (X86_EFLAGS_SF | X86_EFLAGS_ZF | X86_EFLAGS_AF | X86_EFLAGS_PF | X86_EFLAGS_CF)

/**
 * emu_condition() - does a condition code hold?
 * @rflags: flags
 * @opcode: the condition is in the low four bits, as in Jcc, SETcc and CMOVcc
 *
 * Return: whether it does.
 */
bool emu_condition(u64 rflags, u8 opcode)
{
	bool less = !(rflags & X86_EFLAGS_SF) != !(rflags & X86_EFLAGS_OF);
	bool res;

	switch (opcode >> 1 & 7) {
	case 0:
		res = rflags & X86_EFLAGS_OF;
		break;
	case 1:
		res = rflags & X86_EFLAGS_CF;
		break;
	case 2:
		res = rflags & X86_EFLAGS_ZF;
		break;
	case 3:
		res = rflags & (X86_EFLAGS_CF | X86_EFLAGS_ZF);
		break;
	case 4:
		res = rflags & X86_EFLAGS_SF;
		break;
	case 5:
		res = rflags & X86_EFLAGS_PF;
		break;
	case 6:
		res = less;
		break;
	default:
		res = less || rflags & X86_EFLAGS_ZF;
	}
	return res != (opcode & 1);
}

/* MOV, MOVZX, MOVNTI: loaded values are zero-extended already. */
enum emu_result emu_mov(struct emu_ctxt *c)
{
	c->dst.val[0] = c->src.val[0];
	return EMU_OK;
}

enum emu_result emu_movzx(struct emu_ctxt *c)
{
	return emu_mov(c);
}

/* MOVSX, MOVSXD */
enum emu_result emu_movsx(struct emu_ctxt *c)
{
	c->dst.val[0] = emu_sext(c->src.val[0], c->src.size);
	return EMU_OK;
}

static u64 swap_bytes(u64 val, unsigned int size)
{
	return __builtin_bswap64(val) >> (64 - 8 * size);
}

enum emu_result emu_movbe(struct emu_ctxt *c)
{
	c->dst.val[0] = swap_bytes(c->src.val[0], c->src.size);
	return EMU_OK;
}

/* BSWAP: of a 16-bit register it is undefined; 0, as CPUs do. */
enum emu_result emu_bswap(struct emu_ctxt *c)
{
	c->dst.val[0] = c->dst.size == 2 ? 0 : swap_bytes(c->dst.val[0], c->dst.size);
	return EMU_OK;
}

enum emu_result emu_xchg(struct emu_ctxt *c)
{
	u64 old = c->dst.val[0];

	c->dst.val[0] = c->src.val[0];
	emu_stage_opnd(c, &c->src, old);
	return EMU_OK;
}

/* Opcode 90: with rAX itself nothing happens, not even the zero-extension of EAX. */
enum emu_result emu_xchg_nop(struct emu_ctxt *c)
{
	if (c->dst.reg == c->src.reg)
		return EMU_OK;
	emu_stage_opnd(c, &c->dst, c->src.val[0]);
	emu_stage_opnd(c, &c->src, c->dst.val[0]);
	return EMU_OK;
}

enum emu_result emu_lea(struct emu_ctxt *c)
{
	c->dst.val[0] = emu_effective_address(c);
	return EMU_OK;
}

/* CBW, CWDE, CDQE */
enum emu_result emu_cbw(struct emu_ctxt *c)
{
	emu_stage(c, EMU_RAX, c->opsize, emu_sext(c->regs[EMU_RAX], c->opsize / 2));
	return EMU_OK;
}

/* CWD, CDQ, CQO */
enum emu_result emu_cwd(struct emu_ctxt *c)
{
	emu_stage(c, EMU_RDX, c->opsize, emu_sext(c->regs[EMU_RAX], c->opsize) >> 63);
	return EMU_OK;
}

enum emu_result emu_setcc(struct emu_ctxt *c)
{
	c->dst.val[0] = emu_condition(c->rflags, c->opcode);
	return EMU_OK;
}

/* CMOVcc: a 32-bit destination is zero-extended even when the condition is false. */
enum emu_result emu_cmovcc(struct emu_ctxt *c)
{
	if (emu_condition(c->rflags, c->opcode))
		c->dst.val[0] = c->src.val[0];
	return EMU_OK;
}

enum emu_result emu_lahf(struct emu_ctxt *c)
{
	u64 ah = (c->rflags & SAHF_FLAGS) | X86_EFLAGS_FIXED;

	emu_stage(c, EMU_RAX, 2, ah << 8 | (c->regs[EMU_RAX] & 0xff));
	return EMU_OK;
}

enum emu_result emu_sahf(struct emu_ctxt *c)
{
	c->next_rflags = (c->next_rflags & ~(u64)SAHF_FLAGS) |
			 (c->regs[EMU_RAX] >> 8 & SAHF_FLAGS);
	return EMU_OK;
}

/* Also prefetches, fences and CLFLUSH: caches are not ours. */
enum emu_result emu_nop(struct emu_ctxt *c)
{
	return EMU_OK;
}

/* XLAT: AL from the table at rBX. */
enum emu_result emu_xlat(struct emu_ctxt *c)
{
	u64 ea = (c->regs[EMU_RBX] + (c->regs[EMU_RAX] & 0xff)) & emu_mask(c->adsize);
	enum emu_result r;
	u8 al;

	r = emu_read_seg(c, c->seg, ea, &al, 1);
	if (r == EMU_OK)
		emu_stage(c, EMU_RAX, 1, al);
	return r;
}

/* SALC: AL from CF; not in the manuals, but in every CPU. */
enum emu_result emu_salc(struct emu_ctxt *c)
{
	emu_stage(c, EMU_RAX, 1, c->rflags & X86_EFLAGS_CF ? 0xff : 0);
	return EMU_OK;
}

/*
 * MOVDIR64B: 64 bytes to ES at the register that ModRM.reg names, aligned.  It is one write on
 * the CPU; a device sees several here.
 */
enum emu_result emu_movdir64b(struct emu_ctxt *c)
{
	unsigned int reg = (c->modrm >> 3 & 7) | (c->rex & 4) << 1;
	u64 to = c->regs[reg] & emu_mask(c->adsize);
	enum emu_result r;
	u8 buf[64];
	u64 gva;

	r = emu_read_seg(c, c->seg, emu_effective_address(c), buf, sizeof(buf));
	if (r == EMU_OK)
		r = emu_linear(c, EMU_ES, to, sizeof(buf), EMU_ACC_WRITE, &gva);
	if (r != EMU_OK)
		return r;
	return gva & 63 ? emu_gp0(c) : emu_write_gva(c, gva, buf, sizeof(buf));
}
