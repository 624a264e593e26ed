// SPDX-License-Identifier: GPL-2.0-only
/*
 * The virtual interrupt flag (SDM 3, 21.3 and 21.4): where CR4.VME or CR4.PVI lets level 3
 * handle IF without IOPL, it handles VIF in its stead.  Owns what that means for each
 * instruction; what they do otherwise is stack.c's, return.c's, interrupt.c's and flags.c's.
 */
#include "x86/emulate/descriptor.h"

#define TSS_IO_MAP	0x66
#define REDIRECTIONS	32	/* bytes, below the I/O permission map */

static bool vme_by(struct emu_ctxt *c, u64 cr4)
{
	return c->cpl == 3 && emu_iopl(c) < 3 && c->ops->get_cr(c, 4) & cr4;
}

/**
 * emu_vme() - is IF virtual in virtual-8086 mode?
 * @c: context
 *
 * Return: false in other modes, too.
 */
bool emu_vme(struct emu_ctxt *c)
{
	return c->mode == EMU_VM86 && vme_by(c, X86_CR4_VME);
}

/**
 * emu_virtual_if() - do CLI and STI mean VIF?
 * @c: context
 *
 * Return: whether they do, in virtual-8086 or in protected mode.
 */
bool emu_virtual_if(struct emu_ctxt *c)
{
	return emu_vme(c) || (c->mode > EMU_VM86 && vme_by(c, X86_CR4_PVI));
}

/**
 * emu_vme_flags() - what PUSHF and INT push where emu_vme()
 * @c: context
 *
 * Return: the flags, with IF as VIF is, and IOPL 3.
 */
u64 emu_vme_flags(const struct emu_ctxt *c)
{
	u64 shown = c->rflags & X86_EFLAGS_VIF ? X86_EFLAGS_IF : 0;

	return (c->rflags & ~(u64)X86_EFLAGS_IF) | X86_EFLAGS_IOPL | shown;
}

/**
 * emu_vme_load_flags() - what POPF and IRET load where emu_vme()
 * @c: context
 * @val: popped
 * @mask: flags that they change; of them neither IF nor IOPL, nor what 16 bits do not have
 *
 * Return: EMU_OK; EMU_FAULT: an interrupt waits for what would be enabled, or TF.
 */
enum emu_result emu_vme_load_flags(struct emu_ctxt *c, u64 val, u64 mask)
{
	u64 vif = val & X86_EFLAGS_IF ? X86_EFLAGS_VIF : 0;

	if (val & X86_EFLAGS_TF || (vif && c->rflags & X86_EFLAGS_VIP))
		return emu_gp0(c);
	mask &= 0xffff & ~(u64)(X86_EFLAGS_IF | X86_EFLAGS_IOPL);
	c->next_rflags = (c->next_rflags & ~(mask | X86_EFLAGS_VIF)) | (val & mask) | vif;
	return EMU_OK;
}

/**
 * emu_vme_redirects() - does INT n go through the table of the 8086?
 * @c: context, in virtual-8086 mode with CR4.VME
 * @vector: n
 * @redirects: set
 *
 * The TSS says so, by a bit for each vector.
 *
 * Return: EMU_OK; EMU_FAULT: there are no such bits; as the op @read.
 */
enum emu_result emu_vme_redirects(struct emu_ctxt *c, u8 vector, bool *redirects)
{
	struct kvm_segment tr;
	enum emu_result r;
	u16 map = 0;
	u8 bits = 0;
	u32 at;

	c->ops->get_segment(c, EMU_TR, &tr);
	if (tr.limit < TSS_IO_MAP + 1)
		return emu_gp0(c);
	r = c->ops->read(c, tr.base + TSS_IO_MAP, &map, sizeof(map), EMU_ACC_SYSTEM);
	if (r != EMU_OK)
		return r;
	at = map - REDIRECTIONS + vector / 8;
	if (map < REDIRECTIONS || at > tr.limit)
		return emu_gp0(c);
	r = c->ops->read(c, tr.base + at, &bits, sizeof(bits), EMU_ACC_SYSTEM);
	*redirects = !(bits >> vector % 8 & 1);
	return r;
}
