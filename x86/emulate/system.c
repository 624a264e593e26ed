// SPDX-License-Identifier: GPL-2.0-only
/*
 * System registers: control and debug registers, selectors, translations and caches.
 *
 * Owns the privilege checks that belong to the instruction; what a control register may hold is checked by
 * the op that writes it.
 */
#include "x86/emulate/internal.h"

enum emu_result emu_undefined(struct emu_ctxt *c)
{
	return emu_ud(c);
}

enum emu_result emu_clts(struct emu_ctxt *c)
{
	return c->ops->set_cr(c, 0, c->ops->get_cr(c, 0) & ~X86_CR0_TS);
}

/* INVLPG looks at no limit; an address that is not canonical has no translation to drop. */
enum emu_result emu_invlpg(struct emu_ctxt *c)
{
	u64 gva = emu_effective_address(c);
	struct kvm_segment seg;

	if (!emu_long(c) || c->seg >= EMU_FS) {
		c->ops->get_segment(c, c->seg, &seg);
		gva += seg.base;
	}
	if (!emu_long(c))
		gva = (u32)gva;
	return emu_canonical(c, gva) ? c->ops->invlpg(c, gva) : EMU_OK;
}

enum emu_result emu_wbinvd(struct emu_ctxt *c)
{
	return c->ops->wbinvd(c);
}

enum emu_result emu_mov_from_cr(struct emu_ctxt *c)
{
	c->dst.val[0] = c->ops->get_cr(c, c->src.reg);
	return EMU_OK;
}

enum emu_result emu_mov_to_cr(struct emu_ctxt *c)
{
	return c->ops->set_cr(c, c->dst.reg, c->src.val[0]);
}

/* DR4 and DR5 are DR6 and DR7, unless CR4.DE takes the alias away. */
static enum emu_result debug_reg(struct emu_ctxt *c, u8 *nr)
{
	if (*nr != 4 && *nr != 5)
		return EMU_OK;
	if (c->ops->get_cr(c, 4) & X86_CR4_DE)
		return emu_ud(c);
	*nr += 2;
	return EMU_OK;
}

enum emu_result emu_mov_from_dr(struct emu_ctxt *c)
{
	u8 nr = c->src.reg;
	enum emu_result r = debug_reg(c, &nr);

	return r == EMU_OK ? c->ops->get_dr(c, nr, &c->dst.val[0]) : r;
}

enum emu_result emu_mov_to_dr(struct emu_ctxt *c)
{
	u8 nr = c->dst.reg;
	enum emu_result r = debug_reg(c, &nr);

	return r == EMU_OK ? c->ops->set_dr(c, nr, c->src.val[0]) : r;
}

enum emu_result emu_mov_from_sreg(struct emu_ctxt *c)
{
	struct kvm_segment seg;

	c->ops->get_segment(c, c->src.reg, &seg);
	c->dst.val[0] = seg.selector;
	return EMU_OK;
}

/* SMSW: the low part of CR0; with CR4.UMIP not for user mode. */
enum emu_result emu_smsw(struct emu_ctxt *c)
{
	if (c->cpl && c->ops->get_cr(c, 4) & X86_CR4_UMIP)
		return emu_gp0(c);
	c->dst.val[0] = c->ops->get_cr(c, 0);
	return EMU_OK;
}

/* LMSW: the four low bits of CR0; PE can be set but not cleared. */
enum emu_result emu_lmsw(struct emu_ctxt *c)
{
	u64 cr0 = c->ops->get_cr(c, 0);
	u64 mask = X86_CR0_MP | X86_CR0_EM | X86_CR0_TS;

	return c->ops->set_cr(c, 0, (cr0 & ~mask) | (c->src.val[0] & (mask | X86_CR0_PE)));
}
