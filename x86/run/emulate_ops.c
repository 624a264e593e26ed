// SPDX-License-Identifier: GPL-2.0-only
/*
 * What struct emu_ops is for a vCPU: its table, and the registers that are reached by it.
 * Memory, devices, and what the virtual CPU itself answers are in files of their own.
 */
#include <asm/traps.h>

#include "mmu/mmu.h"
#include "x86/board/lapic.h"
#include "x86/cpu/fpu.h"
#include "x86/machine/vm.h"
#include "x86/run/cr.h"
#include "x86/run/emulate_glue.h"

/* The emulator knows none of our types, and has the same numbers. */
static_assert((int)EMU_ES == (int)SEG_ES && (int)EMU_LDTR == (int)SEG_LDTR &&
	      (int)EMU_NR_SEGS == (int)SEG_NR);
static_assert(EMU_SHADOW_STI == SHADOW_STI && EMU_SHADOW_MOV_SS == SHADOW_MOV_SS);

const u16 glue_feature[EMU_NR_NEEDS] = {
	[EMU_NEED_LZCNT] = X86_FEATURE_ABM, [EMU_NEED_POPCNT] = X86_FEATURE_POPCNT,
	[EMU_NEED_SSE42] = X86_FEATURE_XMM4_2, [EMU_NEED_MOVBE] = X86_FEATURE_MOVBE,
	[EMU_NEED_BMI1] = X86_FEATURE_BMI1, [EMU_NEED_BMI2] = X86_FEATURE_BMI2,
	[EMU_NEED_ADX] = X86_FEATURE_ADX, [EMU_NEED_MOVDIRI] = X86_FEATURE_MOVDIRI,
	[EMU_NEED_MOVDIR64B] = X86_FEATURE_MOVDIR64B, [EMU_NEED_SSE3] = X86_FEATURE_XMM3,
	[EMU_NEED_AVX] = X86_FEATURE_AVX, [EMU_NEED_AVX2] = X86_FEATURE_AVX2,
	[EMU_NEED_RDTSCP] = X86_FEATURE_RDTSCP, [EMU_NEED_SMAP] = X86_FEATURE_SMAP,
	[EMU_NEED_XGETBV1] = X86_FEATURE_XGETBV1, [EMU_NEED_SSE41] = X86_FEATURE_XMM4_1,
	[EMU_NEED_RDPID] = X86_FEATURE_RDPID,
};

/* No CPU lets a hypervisor take these away: what this one executes, the guest has. */
static bool glue_has(struct emu_ctxt *c, enum emu_need need)
{
	return boot_cpu_has(glue_feature[need]) || cpuid_has(glue_of(c)->vcpu, glue_feature[need]);
}

static void glue_get_segment(struct emu_ctxt *c, enum emu_seg nr, struct kvm_segment *seg)
{
	struct vcpu *vcpu = glue_of(c)->vcpu;

	vcpu_need(vcpu, ST_SEGS);
	*seg = vcpu->st.seg[nr];
}

static void glue_set_segment(struct emu_ctxt *c, enum emu_seg nr, const struct kvm_segment *seg)
{
	struct vcpu *vcpu = glue_of(c)->vcpu;

	vcpu_need(vcpu, ST_SEGS);
	vcpu->st.seg[nr] = *seg;
	vcpu_changed(vcpu, ST_SEGS);
}

static void glue_get_dt(struct emu_ctxt *c, bool idt, struct kvm_dtable *dt)
{
	struct vcpu *vcpu = glue_of(c)->vcpu;

	vcpu_need(vcpu, ST_DT);
	*dt = idt ? vcpu->st.idt : vcpu->st.gdt;
}

static void glue_set_dt(struct emu_ctxt *c, bool idt, const struct kvm_dtable *dt)
{
	struct vcpu *vcpu = glue_of(c)->vcpu;

	vcpu_need(vcpu, ST_DT);
	*(idt ? &vcpu->st.idt : &vcpu->st.gdt) = *dt;
	vcpu_changed(vcpu, ST_DT);
}

static bool glue_is_lma(struct emu_ctxt *c)
{
	return glue_of(c)->vcpu->st.efer & EFER_LMA;
}

static u64 glue_get_cr(struct emu_ctxt *c, unsigned int nr)
{
	struct vcpu *vcpu = glue_of(c)->vcpu;

	vcpu_need(vcpu, ST_CR);
	switch (nr) {
	case 0:
		return vcpu->st.cr0;
	case 2:
		return vcpu->st.cr2;
	case 3:
		return vcpu->st.cr3;
	case 4:
		return vcpu->st.cr4;
	default:
		return vlapic_get_cr8(vcpu);
	}
}

static enum emu_result glue_set_cr(struct emu_ctxt *c, unsigned int nr, u64 val)
{
	struct vcpu *vcpu = glue_of(c)->vcpu;
	enum guest_fault fault = X86_NO_FAULT;

	switch (nr) {
	case 0:
		fault = cr_set_cr0(vcpu, val);
		break;
	case 2:
		vcpu_need(vcpu, ST_CR);
		vcpu->st.cr2 = val;
		vcpu_changed(vcpu, ST_CR);
		break;
	case 3:
		fault = cr_set_cr3(vcpu, val);
		break;
	case 4:
		fault = cr_set_cr4(vcpu, val);
		break;
	default:
		fault = cr_set_cr8(vcpu, val);
	}
	if (unlikely(fault == X86_INTERRUPTED))
		return glue_error(glue_of(c), -EINTR);
	return fault ? glue_fault(c, X86_TRAP_GP, true) : EMU_OK;
}

static enum emu_result glue_dr_result(struct emu_ctxt *c, enum guest_fault fault)
{
	if (!fault)
		return EMU_OK;
	return fault == X86_FAULT_UD ? glue_fault(c, X86_TRAP_UD, false) :
				       glue_fault(c, X86_TRAP_GP, true);
}

static enum emu_result glue_get_dr(struct emu_ctxt *c, unsigned int nr, u64 *val)
{
	return glue_dr_result(c, cr_get_dr(glue_of(c)->vcpu, nr, val));
}

static enum emu_result glue_set_dr(struct emu_ctxt *c, unsigned int nr, u64 val)
{
	return glue_dr_result(c, cr_set_dr(glue_of(c)->vcpu, nr, val));
}

static void glue_get_xmm(struct emu_ctxt *c, unsigned int nr, void *buf)
{
	vfpu_read_xmm(glue_of(c)->vcpu, nr, buf);
}

static void glue_set_xmm(struct emu_ctxt *c, unsigned int nr, const void *buf)
{
	vfpu_write_xmm(glue_of(c)->vcpu, nr, buf);
}

static void glue_get_ymm(struct emu_ctxt *c, unsigned int nr, void *buf)
{
	vfpu_read_ymm(glue_of(c)->vcpu, nr, buf);
}

static void glue_set_ymm(struct emu_ctxt *c, unsigned int nr, const void *buf)
{
	vfpu_write_ymm(glue_of(c)->vcpu, nr, buf);
}

static void glue_get_x87(struct emu_ctxt *c, struct emu_x87 *x)
{
	/* Cleared: some CPUs leave the pointers out when they save, but load them. */
	struct fxregs_state fx __aligned(16) = { };
	unsigned int i;

	vfpu_read_fx(glue_of(c)->vcpu, &fx);
	x->cw = fx.cwd;
	x->sw = fx.swd;
	x->tag = fx.twd;
	for (i = 0; i < 8; i++)
		memcpy(x->st[i], (u8 *)fx.st_space + 16 * i, sizeof(x->st[i]));
}

static void glue_set_x87(struct emu_ctxt *c, const struct emu_x87 *x)
{
	/* Cleared: some CPUs leave the pointers out when they save, but load them. */
	struct fxregs_state fx __aligned(16) = { };
	unsigned int i;

	vfpu_read_fx(glue_of(c)->vcpu, &fx);
	fx.cwd = x->cw;
	fx.swd = x->sw;
	fx.twd = x->tag;
	for (i = 0; i < 8; i++)
		memcpy((u8 *)fx.st_space + 16 * i, x->st[i], sizeof(x->st[i]));
	vfpu_write_fx(glue_of(c)->vcpu, &fx);
}

static u64 glue_get_xcr0(struct emu_ctxt *c)
{
	return glue_of(c)->vcpu->st.xcr0;
}

static enum emu_result glue_invlpg(struct emu_ctxt *c, u64 gva)
{
	struct vcpu *vcpu = glue_of(c)->vcpu;

	if (vcpu->vm->mmu.shadow)
		mmu_shadow_invlpg(&vcpu->vm->mmu, &vcpu->shadow, gva);
	vcpu_request(vcpu, REQ_TLB_FLUSH);
	return EMU_OK;
}

static enum emu_result glue_wbinvd(struct emu_ctxt *c)
{
	return EMU_OK;
}

/* Few guests use REP INS and OUTS. */
static void glue_want_batch(struct emu_ctxt *c)
{
	c->batch_buf = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
}

const struct emu_ops glue_ops = {
	.fetch = glue_fetch,
	.read = glue_read,
	.write = glue_write,
	.probe = glue_probe,
	.cmpxchg = glue_cmpxchg,
	.want_batch = glue_want_batch,
	.pio_in = glue_pio_in,
	.pio_out = glue_pio_out,
	.has = glue_has,
	.get_segment = glue_get_segment,
	.set_segment = glue_set_segment,
	.get_dt = glue_get_dt,
	.set_dt = glue_set_dt,
	.is_lma = glue_is_lma,
	.get_cr = glue_get_cr,
	.set_cr = glue_set_cr,
	.get_dr = glue_get_dr,
	.set_dr = glue_set_dr,
	.get_xmm = glue_get_xmm,
	.set_xmm = glue_set_xmm,
	.get_ymm = glue_get_ymm,
	.set_ymm = glue_set_ymm,
	.get_xcr0 = glue_get_xcr0,
	.get_x87 = glue_get_x87,
	.set_x87 = glue_set_x87,
	.set_xcr0 = glue_set_xcr0,
	.is_intel = glue_is_intel,
	.get_sysreg = glue_get_sysreg,
	.set_kernel_gs_base = glue_set_kernel_gs_base,
	.cpuid = glue_cpuid,
	.get_tsc = glue_get_tsc,
	.get_pmc = glue_get_pmc,
	.get_msr = glue_get_msr,
	.set_msr = glue_set_msr,
	.monitor = glue_monitor,
	.get_fx = glue_get_fx,
	.set_fx = glue_set_fx,
	.task_switch = glue_task_switch,
	.invlpg = glue_invlpg,
	.wbinvd = glue_wbinvd,
};
