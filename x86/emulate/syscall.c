// SPDX-License-Identifier: GPL-2.0-only
/*
 * SYSCALL, SYSRET, SYSENTER, SYSEXIT and SWAPGS: into the kernel and back by registers alone.
 *
 * The vendors differ: in AMD's long mode there is no SYSENTER, in Intel's no SYSCALL outside
 * of 64-bit code; and SYSRET to an address that is not canonical faults on Intel's CPUs
 * before the level changes, and on AMD's after it.
 */
#include "x86/emulate/internal.h"

/* What SYSRET leaves of R11 (SDM vol. 2). */
#define SYSRET_FLAGS	0x3c7fd7u

/* Flat segments, of which the descriptor tables are not asked. */
static void stage_flat(struct emu_ctxt *c, u16 cs, u16 ss, u8 cpl, bool is_64)
{
	struct kvm_segment seg = {
		.limit = 0xffffffff, .present = 1, .s = 1, .g = 1, .dpl = cpl,
		.selector = (cs & ~3) | cpl, .type = 11, .l = is_64, .db = !is_64,
	};

	c->next_seg[EMU_CS] = seg;
	seg.selector = (ss & ~3) | cpl;
	seg.type = 3;
	seg.l = 0;
	seg.db = 1;
	c->next_seg[EMU_SS] = seg;
	c->next_segs |= BIT(EMU_CS) | BIT(EMU_SS);
	c->next_cpl = cpl;
}

static u64 syscall_sysreg(struct emu_ctxt *c, enum emu_sysreg nr)
{
	return c->ops->get_sysreg(c, nr);
}

/* Is SYSCALL, or SYSRET, there in this mode? */
static bool has_syscall(struct emu_ctxt *c)
{
	if (emu_realish(c) || !(syscall_sysreg(c, EMU_EFER) & EMU_EFER_SCE))
		return false;
	return emu_long(c) || !c->ops->is_intel(c);
}

static void syscall_long(struct emu_ctxt *c)
{
	emu_stage(c, EMU_RCX, 8, c->next_rip);
	emu_stage(c, EMU_R11, 8, c->next_rflags);
	c->next_rip = syscall_sysreg(c, emu_long(c) ? EMU_LSTAR : EMU_CSTAR);
	c->next_rflags &= ~(syscall_sysreg(c, EMU_SFMASK) | X86_EFLAGS_RF);
	c->next_rflags |= X86_EFLAGS_FIXED;
}

static void syscall_legacy(struct emu_ctxt *c)
{
	emu_stage(c, EMU_RCX, 4, c->next_rip);
	c->next_rip = (u32)syscall_sysreg(c, EMU_STAR);
	c->next_rflags &= ~(u64)(X86_EFLAGS_VM | X86_EFLAGS_IF | X86_EFLAGS_RF);
}

enum emu_result emu_syscall(struct emu_ctxt *c)
{
	bool lma = c->ops->is_lma(c);
	u16 cs;

	if (!has_syscall(c))
		return emu_ud(c);
	cs = syscall_sysreg(c, EMU_STAR) >> 32;
	if (lma)
		syscall_long(c);
	else
		syscall_legacy(c);
	stage_flat(c, cs, cs + 8, 0, lma);
	/* A single step's trap is due by the flags that the mask left. */
	c->no_step = !(c->next_rflags & X86_EFLAGS_TF);
	return EMU_OK;
}

/* On AMD's CPUs SS gets a selector and keeps the rest, as far as that can be at level 3. */
static void sysret_stack(struct emu_ctxt *c)
{
	struct kvm_segment seg;

	if (c->ops->is_intel(c))
		return;
	c->ops->get_segment(c, EMU_SS, &seg);
	if (seg.unusable || !seg.present)
		return;
	seg.selector = c->next_seg[EMU_SS].selector;
	seg.dpl = 3;
	c->next_seg[EMU_SS] = seg;
}

enum emu_result emu_sysret(struct emu_ctxt *c)
{
	bool to_64 = c->opsize == 8, lma = c->ops->is_lma(c);
	u64 rip = c->regs[EMU_RCX];
	u16 base;

	if (!has_syscall(c))
		return emu_ud(c);
	if (c->cpl || (to_64 && c->ops->is_intel(c) && !emu_canonical(c, rip)))
		return emu_gp0(c);
	base = syscall_sysreg(c, EMU_STAR) >> 48;
	stage_flat(c, to_64 ? base + 16 : base, base + 8, 3, to_64);
	sysret_stack(c);
	c->next_rip = to_64 ? rip : (u32)rip;
	if (lma)
		c->next_rflags = (c->regs[EMU_R11] & SYSRET_FLAGS) | X86_EFLAGS_FIXED;
	else
		c->next_rflags |= X86_EFLAGS_IF;
	return EMU_OK;
}

static enum emu_result check_sysenter(struct emu_ctxt *c)
{
	if (c->mode == EMU_REAL)
		return emu_gp0(c);
	if (c->ops->is_lma(c) && !c->ops->is_intel(c))
		return emu_ud(c);
	return (u16)syscall_sysreg(c, EMU_SYSENTER_CS) & ~3 ? EMU_OK : emu_gp0(c);
}

enum emu_result emu_sysenter(struct emu_ctxt *c)
{
	bool lma = c->ops->is_lma(c);
	enum emu_result r = check_sysenter(c);
	u64 mask = emu_mask(lma ? 8 : 4);
	u16 cs;

	if (r != EMU_OK)
		return r;
	cs = syscall_sysreg(c, EMU_SYSENTER_CS);
	stage_flat(c, cs, (cs & ~3) + 8, 0, lma);
	emu_stage(c, EMU_RSP, 8, syscall_sysreg(c, EMU_SYSENTER_ESP) & mask);
	c->next_rip = syscall_sysreg(c, EMU_SYSENTER_EIP) & mask;
	c->next_rflags &= ~(u64)(X86_EFLAGS_VM | X86_EFLAGS_IF | X86_EFLAGS_RF);
	return EMU_OK;
}

enum emu_result emu_sysexit(struct emu_ctxt *c)
{
	u64 rip = c->regs[EMU_RDX], rsp = c->regs[EMU_RCX];
	bool to_64 = c->opsize == 8;
	enum emu_result r = check_sysenter(c);
	u16 cs;

	if (r != EMU_OK)
		return r;
	if (c->cpl || (to_64 && (!emu_canonical(c, rip) || !emu_canonical(c, rsp))))
		return emu_gp0(c);
	cs = (u16)syscall_sysreg(c, EMU_SYSENTER_CS) & ~3;
	stage_flat(c, cs + (to_64 ? 32 : 16), cs + (to_64 ? 40 : 24), 3, to_64);
	emu_stage(c, EMU_RSP, 8, to_64 ? rsp : (u32)rsp);
	c->next_rip = to_64 ? rip : (u32)rip;
	return EMU_OK;
}

enum emu_result emu_swapgs(struct emu_ctxt *c)
{
	struct kvm_segment gs;
	u64 base;

	if (!emu_long(c))
		return emu_ud(c);
	if (c->cpl)
		return emu_gp0(c);
	c->ops->get_segment(c, EMU_GS, &gs);
	base = gs.base;
	gs.base = syscall_sysreg(c, EMU_KERNEL_GS_BASE);
	c->ops->set_kernel_gs_base(c, base);
	c->ops->set_segment(c, EMU_GS, &gs);
	return EMU_OK;
}
