/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One trip into the guest and back: the part that C cannot say.
 *
 * The order after #VMEXIT is the point of this file.  Until the host's GS base
 * is back nothing may touch per-CPU data, and until the branch predictors are
 * in the state that the host's mitigations want, nothing may return.
 */
#include <linux/linkage.h>
#include <asm/asm.h>
#include <asm/msr-index.h>
#include <asm/nospec-branch.h>
#include <asm/percpu.h>

#include "compat-asm.h"
#include "x86/machine/gpr_asm.h"

.section .noinstr.text, "ax"

/*
 * void svm_enter(u64 *gpr, u64 guest_pa, u64 host_pa, const u64 *spec_ctrl, u32 sti)
 *
 * @gpr: all but RAX and RSP, which the VMCB carries, in and out
 * @guest_pa: the guest's VMCB
 * @host_pa: page with the host's VMSAVE state
 * @spec_ctrl: the guest's SPEC_CTRL; its writes exit, so it does not change
 * @sti: not 0: STI right before VMRUN, for the quirk of an emulator
 *
 * GIF is 0 and RFLAGS.IF is 1.
 */
SYM_FUNC_START(svm_enter)
	push	%rbp
	mov	%rsp, %rbp
	push	%r15
	push	%r14
	push	%r13
	push	%r12
	push	%rbx
	push	%rcx			/* spec_ctrl */
	push	%rdx			/* host_pa */
	push	%rsi			/* guest_pa */
	push	%rdi			/* gpr */

	/*
	 * The guest's SPEC_CTRL and the host's, when it is more than the host's: what CPUs
	 * do that virtualize it.  No return or indirect branch from here to VMRUN.
	 */
	mov	%rcx, %r9
	ALTERNATIVE_2 "jmp 2f", "", X86_FEATURE_MSR_SPEC_CTRL, \
		"jmp 2f", X86_FEATURE_V_SPEC_CTRL
	mov	PER_CPU_VAR(x86_spec_ctrl_current), %eax
	mov	%eax, %ecx
	not	%ecx
	test	%ecx, (%r9)
	je	2f
	or	(%r9), %eax
	mov	$MSR_IA32_SPEC_CTRL, %ecx
	xor	%edx, %edx
	wrmsr
2:
	/* CF says whether it is not 0; neither MOV, VMLOAD nor VERW changes it. */
	neg	%r8d
	mov	%rsi, %rax
10:	vmload	%rax
11:
	GPRS_LOAD

	/* Clobbers EFLAGS.ZF, which VMRUN replaces. */
	SVM_CLEAR_CPU_BUFFERS

	/*
	 * quirk_sti_shadow: an emulated CPU forgets the VMCB's shadow, but takes along that
	 * of an STI right before VMRUN, which on hardware ends there.  IF is set already.
	 */
	jnc	20f
	sti
20:	vmrun	%rax
21:
	pop	%rax			/* gpr */
	GPRS_SAVE

	/*
	 * Leave the guest's values to no speculative reader: not to what is called from
	 * here on, and not to a return that finds no address yet.  The rest is popped
	 * before either.
	 */
	xor	%ecx, %ecx
	xor	%edx, %edx
	xor	%ebp, %ebp
	xor	%esi, %esi
	xor	%edi, %edi
	xor	%r9d, %r9d
	xor	%r10d, %r10d
	xor	%r11d, %r11d

	pop	%rax			/* guest_pa */
30:	vmsave	%rax
31:
	/* The host's GS base, among others: per-CPU data is back after this. */
	pop	%rax			/* host_pa */
40:	vmload	%rax
41:
	pop	%r8			/* spec_ctrl */
	pop	%rbx
	pop	%r12
	pop	%r13
	pop	%r14
	pop	%r15

	/* Before anything returns: the guest may have filled the RSB. */
	FILL_RETURN_BUFFER %rax, RSB_CLEAR_LOOPS, X86_FEATURE_RSB_VMEXIT

	ALTERNATIVE_2 "jmp 5f", "", X86_FEATURE_MSR_SPEC_CTRL, \
		"jmp 5f", X86_FEATURE_V_SPEC_CTRL
	mov	PER_CPU_VAR(x86_spec_ctrl_current), %eax
	mov	%eax, %ecx
	not	%ecx
	test	%ecx, (%r8)
	je	5f
	mov	$MSR_IA32_SPEC_CTRL, %ecx
	xor	%edx, %edx
	wrmsr
5:
	/* Before interrupts: their returns are not sanitized. */
	UNTRAIN_RET_VM

	pop	%rbp
	RET

	/*
	 * SVM was switched off under us by a crash or a reboot: go on without,
	 * the exit code in the VMCB says that nothing ran.
	 */
	_ASM_EXTABLE(10b, 11b)
	_ASM_EXTABLE(20b, 21b)
	_ASM_EXTABLE(30b, 31b)
	_ASM_EXTABLE(40b, 41b)
SYM_FUNC_END(svm_enter)
