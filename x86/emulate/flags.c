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

/* CLI and STI by IOPL. */
static enum emu_result check_if(struct emu_ctxt *c)
{
	return c->cpl <= emu_iopl(c) ? EMU_OK : emu_gp0(c);
}

enum emu_result emu_cli(struct emu_ctxt *c)
{
	if (emu_virtual_if(c)) {
		c->next_rflags &= ~(u64)X86_EFLAGS_VIF;
		return EMU_OK;
	}
	c->next_rflags &= ~(u64)X86_EFLAGS_IF;
	return check_if(c);
}

static enum emu_result sti_virtual(struct emu_ctxt *c)
{
	c->next_rflags |= X86_EFLAGS_VIF;
	return c->rflags & X86_EFLAGS_VIP ? emu_gp0(c) : EMU_OK;
}

enum emu_result emu_sti(struct emu_ctxt *c)
{
	enum emu_result r;

	if (emu_virtual_if(c))
		return sti_virtual(c);
	r = check_if(c);
	if (r == EMU_OK && !(c->rflags & X86_EFLAGS_IF))
		c->shadow = EMU_SHADOW_STI;
	c->next_rflags |= X86_EFLAGS_IF;
	return r;
}
