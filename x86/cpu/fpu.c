// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest's x87, SSE and extended state.  The kernel's guest fpstate holds and
 * switches it (vfpu_load() and vfpu_put() around KVM_RUN); the registers
 * that say how XSAVE works (XCR0, XSS) and PKRU are switched here, around each
 * entry.
 *
 * Outside of KVM_RUN the state is in memory, maybe compacted and with parts that
 * are in their initial state left stale: the ioctls go through the kernel's
 * conversion to the standard format; only those of the legacy region, which has one place
 * in all formats, look at it directly.
 */
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <asm/cpufeature.h>
#include <asm/fpu/api.h>
#include <asm/fpu/xcr.h>
#include <asm/fpu/xstate.h>
#include <asm/msr.h>
#include <asm/special_insns.h>

#include "compat.h"
#include "x86/cpu/cpuid.h"
#include "x86/cpu/cpuid_host.h"
#include "x86/cpu/fpu.h"

/* XCR0 and XSS of this host; set by fpu_setup(), then constant. */
static u64 host_xcr0, host_xss;
/* Bits of MXCSR that this CPU has; likewise. */
static u32 host_mxcsr;

#define MXCSR_OLDEST	0xffbf	/* of a CPU that does not say */

/* SDM volume 1, 11.6.6. */
static void setup_mxcsr(void)
{
	static struct fxregs_state fx __aligned(16);

	kernel_fpu_begin();
	asm volatile("fxsaveq %0" : "=m" (fx));
	kernel_fpu_end();
	host_mxcsr = fx.mxcsr_mask ? fx.mxcsr_mask : MXCSR_OLDEST;
}

/**
 * fpu_setup() - learn what the host has in the registers switched here
 *
 * Once, while the module is loaded.
 */
void fpu_setup(void)
{
	if (boot_cpu_has(X86_FEATURE_OSXSAVE))
		host_xcr0 = xgetbv(XCR_XFEATURE_ENABLED_MASK);
	if (boot_cpu_has(X86_FEATURE_XSAVES))
		rdmsrl_safe(MSR_IA32_XSS, &host_xss);
	setup_mxcsr();
}

/**
 * vfpu_init() - allocate the state, initialized
 * @vcpu: being created
 *
 * Return: 0 or -ENOMEM.
 */
int vfpu_init(struct vcpu *vcpu)
{
	return fpu_alloc_guest_fpstate(&vcpu->fpu) ? 0 : -ENOMEM;
}

/**
 * vfpu_free() - free the state
 * @vcpu: dying; fine when vfpu_init() failed or did not run
 */
void vfpu_free(struct vcpu *vcpu)
{
	fpu_free_guest_fpstate(&vcpu->fpu);
}

/**
 * vfpu_fits() - would vfpu_copy() do it?
 * @to: as there
 * @from: as there
 *
 * Return: whether it would.
 */
bool vfpu_fits(const struct vcpu *to, const struct vcpu *from)
{
	const struct fpstate *dst = to->fpu.fpstate, *src = from->fpu.fpstate;

	return dst->size == src->size && dst->xfeatures == src->xfeatures && dst->xfd == src->xfd;
}

/**
 * vfpu_copy() - give a vCPU another one's state
 * @to: nobody sees it yet, or it is owned, outside of KVM_RUN
 * @from: owned, outside of KVM_RUN
 *
 * As it lies in memory: the kernel has allocated both alike.
 *
 * Return: 0; -EOPNOTSUPP when it has not.
 */
int vfpu_copy(struct vcpu *to, const struct vcpu *from)
{
	const struct fpstate *src = from->fpu.fpstate;

	if (!vfpu_fits(to, from))
		return -EOPNOTSUPP;
	memcpy(&to->fpu.fpstate->regs, &src->regs, src->size);
	return 0;
}

static bool guest_uses_pkru(const struct vcpu *vcpu)
{
	return cpu_feature_enabled(X86_FEATURE_PKU) &&
	       ((vcpu->st.cr4 & X86_CR4_PKE) || (vcpu->st.xcr0 & XFEATURE_MASK_PKRU));
}

/**
 * vfpu_load_guest_xcr0() - switch XCR0, XSS and PKRU to the guest's
 * @vcpu: about to be entered; IRQs off
 *
 * A guest without CR4.OSXSAVE cannot use or change the first two.  No guest has
 * supervisor state, so its XSS is 0.  That matters even where XSAVES is not offered:
 * SVM cannot take the instruction away.
 */
void vfpu_load_guest_xcr0(struct vcpu *vcpu)
{
	struct x86_state *st = &vcpu->st;

	if (st->cr4 & X86_CR4_OSXSAVE) {
		if (st->xcr0 != host_xcr0)
			xsetbv(XCR_XFEATURE_ENABLED_MASK, st->xcr0);
		if (st->xss != host_xss)
			wrmsrl(MSR_IA32_XSS, st->xss);
	}
	if (guest_uses_pkru(vcpu)) {
		st->host_pkru = rdpkru();
		if (st->pkru != st->host_pkru)
			wrpkru(st->pkru);
	}
}

/**
 * vfpu_load_host_xcr0() - the reverse, after the exit
 * @vcpu: just left; IRQs still off; no change of cr4 or xcr0 since entry
 */
void vfpu_load_host_xcr0(struct vcpu *vcpu)
{
	struct x86_state *st = &vcpu->st;

	if (guest_uses_pkru(vcpu)) {
		st->pkru = rdpkru();
		if (st->pkru != st->host_pkru)
			wrpkru(st->host_pkru);
	}
	if (st->cr4 & X86_CR4_OSXSAVE) {
		if (st->xss != host_xss)
			wrmsrl(MSR_IA32_XSS, host_xss);
		if (st->xcr0 != host_xcr0)
			xsetbv(XCR_XFEATURE_ENABLED_MASK, host_xcr0);
	}
}

/* The guest's registers are in the CPU until fpregs_unlock(). */
static void guest_fpregs_lock(void)
{
	fpregs_lock();
	fpregs_assert_state_consistent();
	if (test_thread_flag(TIF_NEED_FPU_LOAD))
		switch_fpu_return();
}

#define XMM_REGS(op)						\
	op(0) op(1) op(2) op(3) op(4) op(5) op(6) op(7)		\
	op(8) op(9) op(10) op(11) op(12) op(13) op(14) op(15)

/**
 * vfpu_read_xmm() - read an XMM register of the guest
 * @vcpu: owned, inside KVM_RUN, its FPU state loaded
 * @nr: 0-15
 * @buf: 16 bytes, filled
 */
void vfpu_read_xmm(struct vcpu *vcpu, unsigned int nr, void *buf)
{
	struct { u8 byte[16]; } *mem = buf;

	guest_fpregs_lock();
	switch (nr) {
#define READ_XMM(n) case n: asm volatile("movdqu %%xmm" #n ", %0" : "=m" (*mem)); break;
	XMM_REGS(READ_XMM)
#undef READ_XMM
	default:
		WARN_ON_ONCE(1);
		memset(buf, 0, sizeof(*mem));
	}
	fpregs_unlock();
}

/**
 * vfpu_write_xmm() - write an XMM register of the guest, as SSE instructions do
 * @vcpu: owned, inside KVM_RUN, its FPU state loaded
 * @nr: 0-15
 * @buf: 16 bytes; the upper part of a YMM register is untouched
 */
void vfpu_write_xmm(struct vcpu *vcpu, unsigned int nr, const void *buf)
{
	const struct { u8 byte[16]; } *mem = buf;

	guest_fpregs_lock();
	switch (nr) {
#define WRITE_XMM(n) case n: asm volatile("movdqu %0, %%xmm" #n : : "m" (*mem)); break;
	XMM_REGS(WRITE_XMM)
#undef WRITE_XMM
	default:
		WARN_ON_ONCE(1);
	}
	fpregs_unlock();
}

/**
 * vfpu_read_fx() - the guest's x87 and XMM registers, as FXSAVE has them
 * @vcpu: owned, inside KVM_RUN, its FPU state loaded
 * @fx: filled
 */
void vfpu_read_fx(struct vcpu *vcpu, struct fxregs_state *fx)
{
	guest_fpregs_lock();
	asm volatile("fxsaveq %0" : "=m" (*fx));
	fpregs_unlock();
}

/**
 * vfpu_write_fx() - load them
 * @vcpu: as for vfpu_read_fx()
 * @fx: what that gave, with other x87 registers; MXCSR as it was, so that nothing can fault
 */
void vfpu_write_fx(struct vcpu *vcpu, const struct fxregs_state *fx)
{
	guest_fpregs_lock();
	asm volatile("fxrstorq %0" : : "m" (*fx));
	fpregs_unlock();
}

/**
 * vfpu_read_ymm() - read a YMM register of the guest
 * @vcpu: owned, inside KVM_RUN, its FPU state loaded; its XCR0 has AVX, so the host has it
 * @nr: 0-15
 * @buf: 32 bytes, filled
 */
void vfpu_read_ymm(struct vcpu *vcpu, unsigned int nr, void *buf)
{
	struct { u8 byte[32]; } *mem = buf;

	guest_fpregs_lock();
	switch (nr) {
#define READ_YMM(n) case n: asm volatile("vmovdqu %%ymm" #n ", %0" : "=m" (*mem)); break;
	XMM_REGS(READ_YMM)
#undef READ_YMM
	default:
		WARN_ON_ONCE(1);
		memset(buf, 0, sizeof(*mem));
	}
	fpregs_unlock();
}

/**
 * vfpu_write_ymm() - write a YMM register of the guest, as AVX instructions do
 * @vcpu: as for vfpu_read_ymm()
 * @nr: 0-15
 * @buf: 32 bytes; what lies above them is cleared
 */
void vfpu_write_ymm(struct vcpu *vcpu, unsigned int nr, const void *buf)
{
	const struct { u8 byte[32]; } *mem = buf;

	guest_fpregs_lock();
	switch (nr) {
#define WRITE_YMM(n) case n: asm volatile("vmovdqu %0, %%ymm" #n : : "m" (*mem)); break;
	XMM_REGS(WRITE_YMM)
#undef WRITE_YMM
	default:
		WARN_ON_ONCE(1);
	}
	fpregs_unlock();
}

static bool xcr0_valid(u64 xcr0)
{
	const u64 avx512 = XFEATURE_MASK_AVX512;
	const u64 mpx = XFEATURE_MASK_BNDREGS | XFEATURE_MASK_BNDCSR;

	if (!(xcr0 & XFEATURE_MASK_FP))
		return false;
	if ((xcr0 & XFEATURE_MASK_YMM) && !(xcr0 & XFEATURE_MASK_SSE))
		return false;
	if ((xcr0 & avx512) && ((xcr0 & avx512) != avx512 || !(xcr0 & XFEATURE_MASK_YMM)))
		return false;
	return !(xcr0 & mpx) || (xcr0 & mpx) == mpx;
}

/**
 * vfpu_set_xcr0() - XSETBV of XCR0
 * @vcpu: owned; the caller has checked CPL, CR4.OSXSAVE and ecx
 * @val: as written
 *
 * Return: X86_NO_FAULT or X86_FAULT (SDM 13.3).
 */
enum guest_fault vfpu_set_xcr0(struct vcpu *vcpu, u64 val)
{
	if (!xcr0_valid(val) || (val & ~vcpu->cpuid.xcr0_allowed))
		return X86_FAULT;
	vcpu->st.xcr0 = val;
	cpuid_xcr0_changed(vcpu);
	return X86_NO_FAULT;
}

/* State in the standard format of XSAVE */

/**
 * vm_xsave_size() - what KVM_CHECK_EXTENSION says of KVM_CAP_XSAVE2
 *
 * Return: the bytes that KVM_GET_XSAVE2 writes and KVM_SET_XSAVE reads.
 */
u32 vm_xsave_size(void)
{
	return max_t(u32, sizeof(struct kvm_xsave), cpuid_xsave_size(cpuid_host_xcr0()));
}

/* Into a buffer for the caller to kvfree(); NULL: no memory. */
static struct xregs_state *xsave_get(struct vcpu *vcpu)
{
	u32 size = vm_xsave_size();
	struct xregs_state *x = kvzalloc(size, GFP_KERNEL_ACCOUNT);

	if (x)
		fpu_copy_guest_fpstate_to_uabi(&vcpu->fpu, x, size,
					       vcpu->cpuid.xcr0_allowed | XFEATURE_MASK_FPSSE,
					       vcpu->st.pkru);
	return x;
}

static int xsave_set(struct vcpu *vcpu, const struct xregs_state *x)
{
	return fpu_copy_uabi_to_guest_fpstate(&vcpu->fpu, x,
					      cpuid_host_xcr0() | XFEATURE_MASK_FPSSE,
					      &vcpu->st.pkru);
}

static int xsave_to_user(struct vcpu *vcpu, void __user *arg, u32 size)
{
	struct xregs_state *x = xsave_get(vcpu);
	int err = 0;

	if (!x)
		return -ENOMEM;
	if (copy_to_user(arg, x, size))
		err = -EFAULT;
	kvfree(x);
	return err;
}

/**
 * vcpu_ioctl_get_xsave() - KVM_GET_XSAVE
 * @vcpu: owned, outside of KVM_RUN
 * @arg: struct kvm_xsave, 4096 bytes of it
 *
 * Return: 0, -ENOMEM, -EFAULT; -EINVAL when the state is larger.
 */
int vcpu_ioctl_get_xsave(struct vcpu *vcpu, void __user *arg)
{
	if (vm_xsave_size() > sizeof(struct kvm_xsave))
		return -EINVAL;
	return xsave_to_user(vcpu, arg, sizeof(struct kvm_xsave));
}

/**
 * vcpu_ioctl_get_xsave2() - KVM_GET_XSAVE2
 * @vcpu: owned, outside of KVM_RUN
 * @arg: vm_xsave_size() bytes
 *
 * Return: 0, -ENOMEM, -EFAULT.
 */
int vcpu_ioctl_get_xsave2(struct vcpu *vcpu, void __user *arg)
{
	return xsave_to_user(vcpu, arg, vm_xsave_size());
}

/**
 * vcpu_ioctl_set_xsave() - KVM_SET_XSAVE
 * @vcpu: owned, outside of KVM_RUN
 * @arg: vm_xsave_size() bytes
 *
 * Return: 0; -EINVAL for components that this host's guests cannot have, a bad header or
 * reserved bits of MXCSR; -EFAULT, -ENOMEM.
 */
int vcpu_ioctl_set_xsave(struct vcpu *vcpu, void __user *arg)
{
	struct xregs_state *x = vmemdup_user(arg, vm_xsave_size());
	int err;

	if (IS_ERR(x))
		return PTR_ERR(x);
	err = xsave_set(vcpu, x);
	kvfree(x);
	return err;
}

#define FCW_DEFAULT	0x37f	/* after FNINIT */

/* Without XSAVE there is no header, and nothing is left out. */
static bool state_has(const struct xregs_state *x, u64 feature)
{
	return !boot_cpu_has(X86_FEATURE_XSAVE) || (x->header.xfeatures & feature);
}

/**
 * vcpu_ioctl_get_fpu() - KVM_GET_FPU
 * @vcpu: owned, outside of KVM_RUN
 * @fpu: zeroed by the caller; filled
 *
 * The legacy region, which this is of, lies at the same place in every format of XSAVE
 * (SDM volume 1, 13.4.1). What the header says is in its initial state was not stored.
 *
 * Return: 0.
 */
int vcpu_ioctl_get_fpu(struct vcpu *vcpu, struct kvm_fpu *fpu)
{
	const struct xregs_state *x = &vcpu->fpu.fpstate->regs.xsave;
	const struct fxregs_state *fx = &x->i387;

	static_assert(sizeof(fpu->fpr) == sizeof(fx->st_space));
	static_assert(sizeof(fpu->xmm) == sizeof(fx->xmm_space));
	fpu->fcw = FCW_DEFAULT;
	if (state_has(x, XFEATURE_MASK_FP)) {
		memcpy(fpu->fpr, fx->st_space, sizeof(fpu->fpr));
		fpu->fcw = fx->cwd;
		fpu->fsw = fx->swd;
		fpu->ftwx = fx->twd;
		fpu->last_opcode = fx->fop;
		fpu->last_ip = fx->rip;
		fpu->last_dp = fx->rdp;
	}
	if (state_has(x, XFEATURE_MASK_SSE))
		memcpy(fpu->xmm, fx->xmm_space, sizeof(fpu->xmm));
	/* It goes with either kind of registers. */
	fpu->mxcsr = state_has(x, XFEATURE_MASK_SSE | XFEATURE_MASK_YMM) ? fx->mxcsr :
									   MXCSR_DEFAULT;
	return 0;
}

/**
 * vcpu_ioctl_set_fpu() - KVM_SET_FPU
 * @vcpu: owned, outside of KVM_RUN
 * @fpu: from the VMM
 *
 * The other components stay as they are.
 *
 * Return: 0; -EINVAL for reserved bits of MXCSR, which would fault when it is loaded.
 */
int vcpu_ioctl_set_fpu(struct vcpu *vcpu, struct kvm_fpu *fpu)
{
	struct xregs_state *x = &vcpu->fpu.fpstate->regs.xsave;
	struct fxregs_state *fx = &x->i387;

	if (fpu->mxcsr & ~host_mxcsr)
		return -EINVAL;
	memcpy(fx->st_space, fpu->fpr, sizeof(fpu->fpr));
	memcpy(fx->xmm_space, fpu->xmm, sizeof(fpu->xmm));
	fx->cwd = fpu->fcw;
	fx->swd = fpu->fsw;
	fx->twd = fpu->ftwx;
	fx->fop = fpu->last_opcode;
	fx->rip = fpu->last_ip;
	fx->rdp = fpu->last_dp;
	fx->mxcsr = fpu->mxcsr;
	if (boot_cpu_has(X86_FEATURE_XSAVE))
		x->header.xfeatures |= XFEATURE_MASK_FPSSE;
	return 0;
}

/**
 * vcpu_ioctl_get_xcrs() - KVM_GET_XCRS
 * @vcpu: owned
 * @xcrs: filled: XCR0 is the only one
 *
 * Return: 0; -EINVAL when this host's guests have no XSAVE.
 */
int vcpu_ioctl_get_xcrs(struct vcpu *vcpu, struct kvm_xcrs *xcrs)
{
	if (!cpuid_host_xcr0())
		return -EINVAL;
	memset(xcrs, 0, sizeof(*xcrs));
	xcrs->nr_xcrs = 1;
	xcrs->xcrs[0].xcr = XCR_XFEATURE_ENABLED_MASK;
	xcrs->xcrs[0].value = vcpu->st.xcr0;
	return 0;
}

/**
 * vcpu_ioctl_set_xcrs() - KVM_SET_XCRS
 * @vcpu: owned
 * @xcrs: from the VMM; XCRs other than XCR0 are ignored
 *
 * Return: 0; -EINVAL for unknown flags, too many registers, or a value that XSETBV would
 * refuse.
 */
int vcpu_ioctl_set_xcrs(struct vcpu *vcpu, struct kvm_xcrs *xcrs)
{
	u32 i;

	if (!cpuid_host_xcr0() || xcrs->nr_xcrs > KVM_MAX_XCRS || xcrs->flags)
		return -EINVAL;
	for (i = 0; i < xcrs->nr_xcrs; i++)
		if (xcrs->xcrs[i].xcr == XCR_XFEATURE_ENABLED_MASK)
			return vfpu_set_xcr0(vcpu, xcrs->xcrs[i].value) ? -EINVAL : 0;
	return 0;
}
