// SPDX-License-Identifier: GPL-2.0-only
/*
 * Instructions that change one flag which is not about arithmetic, or CF as such.
 */
#include "x86/emulate/internal.h"

/* CLC, STC, CMC, CLD, STD */
enum emu_result emu_clc(struct emu_ctxt *c)
{
	c->next_rflags &= ~(u64)X86_EFLAGS_CF;
	return EMU_OK;
}

enum emu_result emu_stc(struct emu_ctxt *c)
{
	c->next_rflags |= X86_EFLAGS_CF;
	return EMU_OK;
}

enum emu_result emu_cmc(struct emu_ctxt *c)
{
	c->next_rflags ^= X86_EFLAGS_CF;
	return EMU_OK;
}

enum emu_result emu_cld(struct emu_ctxt *c)
{
	c->next_rflags &= ~(u64)X86_EFLAGS_DF;
	return EMU_OK;
}

enum emu_result emu_std(struct emu_ctxt *c)
{
	c->next_rflags |= X86_EFLAGS_DF;
	return EMU_OK;
}

/* CLI and STI by IOPL; with virtual interrupts (VME, PVI) they do something we do not have. */
static enum emu_result check_if(struct emu_ctxt *c)
{
	u64 virt = c->mode == EMU_VM86 ? X86_CR4_VME : X86_CR4_PVI;

	if (c->cpl <= emu_iopl(c))
		return EMU_OK;
	return c->cpl == 3 && c->ops->get_cr(c, 4) & virt ? EMU_UNHANDLED : emu_gp0(c);
}

enum emu_result emu_cli(struct emu_ctxt *c)
{
	c->next_rflags &= ~(u64)X86_EFLAGS_IF;
	return check_if(c);
}

enum emu_result emu_sti(struct emu_ctxt *c)
{
	enum emu_result r = check_if(c);

	if (r == EMU_OK && !(c->rflags & X86_EFLAGS_IF))
		c->shadow = EMU_SHADOW_STI;
	c->next_rflags |= X86_EFLAGS_IF;
	return r;
}
