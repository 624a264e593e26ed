// SPDX-License-Identifier: GPL-2.0-only
/*
 * FXSAVE and FXRSTOR: x87 and SSE registers as one block of memory.
 *
 * Arithmetic on them is not here. The block has two formats: with REX.W the pointers to x87's
 * last instruction and operand are 64 bits wide, otherwise an offset and a selector, which
 * newer CPUs store as 0, as is done here.
 */
#include "x86/emulate/internal.h"

#define FX_SIZE		512
#define FX_MXCSR	24
#define FX_MASK		28
#define FX_XMM		160
#define FX_POINTERS	8	/* of the instruction, and behind it of the operand */
#define FX_MASK_DEFAULT	0xffbfu

/* How much of the block this mode has; the rest of the memory stays. */
static unsigned int fx_used(struct emu_ctxt *c)
{
	if (!(c->ops->get_cr(c, 4) & X86_CR4_OSFXSR))
		return FX_XMM;
	if (!emu_long(c))
		return FX_XMM + 8 * 16;
	/* AMD's "fast" ones, of the kernel, leave SSE to it. */
	if (!c->cpl && c->ops->get_sysreg(c, EMU_EFER) & EMU_EFER_FFXSR)
		return FX_XMM;
	return FX_XMM + 16 * 16;
}

static enum emu_result fx_begin(struct emu_ctxt *c, unsigned int access, u64 *gva)
{
	enum emu_result r;

	if (c->ops->get_cr(c, 0) & (X86_CR0_EM | X86_CR0_TS))
		return emu_fault(c, X86_TRAP_NM);
	r = emu_linear(c, c->seg, emu_effective_address(c), FX_SIZE, access, gva);
	if (r == EMU_OK && *gva & 15)
		return emu_gp0(c);
	return r;
}

/* From offsets of 64 bits to those of 32 bits with a selector of 0, or back: the same. */
static void fx_narrow(const struct emu_ctxt *c, u8 *fx)
{
	if (c->rex & 8)
		return;
	memset(fx + FX_POINTERS + 4, 0, 4);
	memset(fx + FX_POINTERS + 12, 0, 4);
}

enum emu_result emu_fxsave(struct emu_ctxt *c)
{
	u8 fx[FX_SIZE];
	enum emu_result r;
	u64 gva;

	r = fx_begin(c, EMU_ACC_WRITE, &gva);
	if (r != EMU_OK)
		return r;
	c->ops->get_fx(c, fx);
	fx_narrow(c, fx);
	return emu_write_gva(c, gva, fx, fx_used(c));
}

enum emu_result emu_fxrstor(struct emu_ctxt *c)
{
	unsigned int used = fx_used(c);
	u8 fx[FX_SIZE], now[FX_SIZE];
	u32 mxcsr, mask;
	enum emu_result r;
	u64 gva;

	r = fx_begin(c, 0, &gva);
	if (r == EMU_OK)
		r = emu_read_gva(c, gva, fx, used);
	if (r != EMU_OK)
		return r;
	fx_narrow(c, fx);
	c->ops->get_fx(c, now);
	memcpy(&mask, now + FX_MASK, 4);
	memcpy(&mxcsr, fx + FX_MXCSR, 4);
	if (mxcsr & ~(mask ?: FX_MASK_DEFAULT))
		return emu_gp0(c);
	memcpy(now, fx, used);
	c->ops->set_fx(c, now);
	return EMU_OK;
}
