// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ports, the flags that are not about arithmetic, and system registers.
 *
 * Owns the privilege checks that belong to the instruction; what a control register may hold is checked by
 * the op that writes it.
 */
#include "x86/emulate/internal.h"

#define TSS_IOMAP_BASE 102	/* offset of the 16-bit I/O map base in a 32- or 64-bit TSS */

static unsigned int io_iopl(const struct emu_ctxt *c)
{
	return c->rflags >> X86_EFLAGS_IOPL_BIT & 3;
}

/* The two bytes of the TSS's permission map that @port's bits are in; #GP beyond the limit. */
static enum emu_result read_iomap(struct emu_ctxt *c, u16 port, u16 *map)
{
	struct kvm_segment tr;
	enum emu_result r;
	u16 base;

	c->ops->get_segment(c, EMU_TR, &tr);
	/* 9 and 11: available and busy; a 16-bit TSS has no map */
	if (tr.unusable || !tr.present || !(tr.type & 8) || tr.limit < TSS_IOMAP_BASE + 1)
		return emu_gp0(c);
	r = c->ops->read(c, tr.base + TSS_IOMAP_BASE, &base, 2, EMU_ACC_SYSTEM);
	if (r != EMU_OK)
		return r;
	if ((u32)base + port / 8 + 1 > tr.limit)
		return emu_gp0(c);
	return c->ops->read(c, tr.base + base + port / 8, map, 2, EMU_ACC_SYSTEM);
}

/**
 * emu_io_allowed() - may the guest's program use these ports?
 * @c: context
 * @port: first port
 * @size: 1, 2 or 4
 *
 * SDM volume 1, 19.5: by CPL and IOPL, else by the map in the TSS.
 *
 * Return: EMU_OK, or EMU_FAULT with #GP; or what an op returned.
 */
enum emu_result emu_io_allowed(struct emu_ctxt *c, u16 port, unsigned int size)
{
	enum emu_result r;
	u16 map;

	if (c->mode == EMU_REAL || (c->mode != EMU_VM86 && c->cpl <= io_iopl(c)))
		return EMU_OK;
	r = read_iomap(c, port, &map);
	if (r != EMU_OK)
		return r;
	return map >> (port & 7) & ((1u << size) - 1) ? emu_gp0(c) : EMU_OK;
}

static u16 io_port(const struct emu_opnd *o)
{
	return o->type == EMU_OPND_IMM ? (u8)o->val[0] : (u16)o->val[0];
}

enum emu_result emu_in(struct emu_ctxt *c)
{
	u16 port = io_port(&c->src);
	enum emu_result r = emu_io_allowed(c, port, c->dst.size);
	unsigned int one = 1;

	c->dst.val[0] = 0;
	return r == EMU_OK ? c->ops->pio_in(c, port, c->dst.size, c->dst.val, &one) : r;
}

enum emu_result emu_out(struct emu_ctxt *c)
{
	u16 port = io_port(&c->dst);
	enum emu_result r = emu_io_allowed(c, port, c->src.size);
	unsigned int one = 1;

	return r == EMU_OK ? c->ops->pio_out(c, port, c->src.size, c->src.val, &one) : r;
}

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

	if (c->cpl <= io_iopl(c))
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

enum emu_result emu_undefined(struct emu_ctxt *c)
{
	return emu_ud(c);
}

/* System registers */

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
