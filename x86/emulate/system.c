// SPDX-License-Identifier: GPL-2.0-only
/*
 * System registers: control and debug registers, selectors, translations and caches.
 *
 * Owns the privilege checks that belong to the instruction; what a control register may hold is
 * checked by the op that writes it.
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

/* What the virtual CPU answers: CPUID, time, counters, MSRs */

/* A value in EDX:EAX; the upper halves of the registers become 0. */
static void stage_edx_eax(struct emu_ctxt *c, u64 val)
{
	emu_stage(c, EMU_RAX, 4, val);
	emu_stage(c, EMU_RDX, 4, val >> 32);
}

static u64 edx_eax(const struct emu_ctxt *c)
{
	return (u32)c->regs[EMU_RAX] | c->regs[EMU_RDX] << 32;
}

enum emu_result emu_cpuid(struct emu_ctxt *c)
{
	u32 r[4] = { c->regs[EMU_RAX], c->regs[EMU_RBX], c->regs[EMU_RCX], c->regs[EMU_RDX] };
	enum emu_result result = c->ops->cpuid(c, r);

	if (result != EMU_OK)
		return result;
	emu_stage(c, EMU_RAX, 4, r[0]);
	emu_stage(c, EMU_RBX, 4, r[1]);
	emu_stage(c, EMU_RCX, 4, r[2]);
	emu_stage(c, EMU_RDX, 4, r[3]);
	return EMU_OK;
}

/* RDTSC, and RDTSCP, which is 0F 01 F9. */
enum emu_result emu_rdtsc(struct emu_ctxt *c)
{
	if (c->cpl && c->ops->get_cr(c, 4) & X86_CR4_TSD)
		return emu_gp0(c);
	stage_edx_eax(c, c->ops->get_tsc(c));
	if (c->opcode == 0x01)
		emu_stage(c, EMU_RCX, 4, c->ops->get_sysreg(c, EMU_TSC_AUX));
	return EMU_OK;
}

enum emu_result emu_rdpid(struct emu_ctxt *c)
{
	c->dst.val[0] = c->ops->get_sysreg(c, EMU_TSC_AUX);
	return EMU_OK;
}

enum emu_result emu_rdpmc(struct emu_ctxt *c)
{
	enum emu_result r;
	u64 val = 0;

	if (c->cpl && !(c->ops->get_cr(c, 4) & X86_CR4_PCE))
		return emu_gp0(c);
	r = c->ops->get_pmc(c, c->regs[EMU_RCX], &val);
	if (r == EMU_OK)
		stage_edx_eax(c, val);
	return r;
}

enum emu_result emu_rdmsr(struct emu_ctxt *c)
{
	enum emu_result r;
	u64 val = 0;

	r = c->ops->get_msr(c, c->regs[EMU_RCX], &val);
	if (r == EMU_OK)
		stage_edx_eax(c, val);
	return r;
}

enum emu_result emu_wrmsr(struct emu_ctxt *c)
{
	return c->ops->set_msr(c, c->regs[EMU_RCX], edx_eax(c));
}

/*
 * XCR0, and (XGETBV1) what of it is in use. A CPU may say that of a component in its initial
 * state, too (SDM vol. 1, 13.6), and so does this one, of all.
 */
enum emu_result emu_xgetbv(struct emu_ctxt *c)
{
	u32 which = c->regs[EMU_RCX];

	if (!(c->ops->get_cr(c, 4) & X86_CR4_OSXSAVE))
		return emu_ud(c);
	if (which > 1 || (which == 1 && !c->ops->has(c, EMU_NEED_XGETBV1)))
		return emu_gp0(c);
	stage_edx_eax(c, c->ops->get_xcr0(c));
	return EMU_OK;
}

enum emu_result emu_xsetbv(struct emu_ctxt *c)
{
	if (!(c->ops->get_cr(c, 4) & X86_CR4_OSXSAVE))
		return emu_ud(c);
	if (c->cpl || (u32)c->regs[EMU_RCX])
		return emu_gp0(c);
	return c->ops->set_xcr0(c, edx_eax(c));
}

enum emu_result emu_hlt(struct emu_ctxt *c)
{
	c->halt = true;
	return EMU_OK;
}

/* MONITOR (C8) looks at its address, and MWAIT (C9) at nothing: both need CPL 0, or are #UD. */
enum emu_result emu_monitor(struct emu_ctxt *c)
{
	bool monitor = !(c->modrm & 7);
	enum emu_result r = c->cpl ? emu_ud(c) : c->ops->monitor(c);
	u8 byte;

	if (r != EMU_OK)
		return r;
	if ((u32)c->regs[EMU_RCX] & ~(monitor ? 0u : 1u))
		return emu_gp0(c);
	if (!monitor)
		return EMU_OK;
	return emu_read_seg(c, c->seg, c->regs[EMU_RAX] & emu_mask(c->adsize), &byte, 1);
}

/* CLAC (CA) and STAC (CB). */
enum emu_result emu_clac_stac(struct emu_ctxt *c)
{
	if (c->cpl)
		return emu_ud(c);
	c->next_rflags &= ~(u64)X86_EFLAGS_AC;
	if (c->modrm & 1)
		c->next_rflags |= X86_EFLAGS_AC;
	return EMU_OK;
}
