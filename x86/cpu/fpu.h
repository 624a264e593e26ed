/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The guest's floating-point and extended state, through the kernel's guest
 * fpstate, and the registers around it that the kernel does not switch.
 */
#ifndef DITTO_CPU_FPU_H
#define DITTO_CPU_FPU_H

#include <linux/thread_info.h>
#include <asm/fpu/api.h>
#include <asm/fpu/types.h>
#include <asm/processor-flags.h>

#include "x86/machine/vcpu.h"

bool vfpu_fits(const struct vcpu *to, const struct vcpu *from);
int vfpu_copy(struct vcpu *to, const struct vcpu *from);
int vfpu_init(struct vcpu *vcpu);
void vfpu_free(struct vcpu *vcpu);
void vfpu_load_guest_xcr0(struct vcpu *vcpu);
void vfpu_load_host_xcr0(struct vcpu *vcpu);
enum guest_fault vfpu_set_xcr0(struct vcpu *vcpu, u64 val);
void vfpu_read_xmm(struct vcpu *vcpu, unsigned int nr, void *buf);
void vfpu_write_xmm(struct vcpu *vcpu, unsigned int nr, const void *buf);
void vfpu_read_fx(struct vcpu *vcpu, struct fxregs_state *fx);
void vfpu_write_fx(struct vcpu *vcpu, const struct fxregs_state *fx);
void vfpu_read_ymm(struct vcpu *vcpu, unsigned int nr, void *buf);
void vfpu_write_ymm(struct vcpu *vcpu, unsigned int nr, const void *buf);
u32 vm_xsave_size(void);
void fpu_setup(void);

/* ioctls; __user pointers are to arguments of variable size. Owned, outside of KVM_RUN. */
int vcpu_ioctl_get_fpu(struct vcpu *vcpu, struct kvm_fpu *fpu);
int vcpu_ioctl_set_fpu(struct vcpu *vcpu, struct kvm_fpu *fpu);
int vcpu_ioctl_get_xsave(struct vcpu *vcpu, void __user *arg);
int vcpu_ioctl_get_xsave2(struct vcpu *vcpu, void __user *arg);
int vcpu_ioctl_set_xsave(struct vcpu *vcpu, void __user *arg);
int vcpu_ioctl_get_xcrs(struct vcpu *vcpu, struct kvm_xcrs *xcrs);
int vcpu_ioctl_set_xcrs(struct vcpu *vcpu, struct kvm_xcrs *xcrs);

/**
 * vfpu_switches_xcr0() - does the guest use what the next two functions switch?
 * @vcpu: owned; the answer holds from before an entry until behind it
 *
 * Return: whether it does.
 */
static inline bool vfpu_switches_xcr0(const struct vcpu *vcpu)
{
	return (vcpu->st.cr4 & (X86_CR4_OSXSAVE | X86_CR4_PKE)) ||
	       (vcpu->st.xcr0 & XFEATURE_MASK_PKRU);
}

/**
 * vfpu_load() - make the guest's FPU state the current thread's
 * @vcpu: owned by the caller, who begins KVM_RUN; may sleep
 */
static inline void vfpu_load(struct vcpu *vcpu)
{
	fpu_swap_kvm_fpstate(&vcpu->fpu, true);
}

/**
 * vfpu_put() - give the thread its own FPU state back
 * @vcpu: owned by the caller, who ends KVM_RUN
 */
static inline void vfpu_put(struct vcpu *vcpu)
{
	fpu_swap_kvm_fpstate(&vcpu->fpu, false);
}

/**
 * vfpu_enter() - put the guest's FPU state into the registers before entry
 *
 * IRQs off, between vfpu_load() and vfpu_put().  An interrupt or a
 * context switch since then may have used the registers.
 */
static inline void vfpu_enter(void)
{
	if (unlikely(test_thread_flag(TIF_NEED_FPU_LOAD)))
		switch_fpu_return();
}

#endif
