// SPDX-License-Identifier: GPL-2.0-only
/*
 * IN and OUT of one item, and whether a program may use a port. Strings of them are in string.c.
 */
#include "x86/emulate/internal.h"

#define TSS_IOMAP_BASE 102	/* offset of the 16-bit I/O map base in a 32- or 64-bit TSS */

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

	if (c->mode == EMU_REAL || (c->mode != EMU_VM86 && c->cpl <= emu_iopl(c)))
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
