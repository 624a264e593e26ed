/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One trip into the guest and back: the part that C cannot say.
 *
 * The order after the exit is the point of this file: until the branch
 * predictors are in the state that the host's mitigations want, nothing may
 * return, and nothing but what was pushed here may be read.
 */
#include <linux/linkage.h>
#include <asm/asm.h>
#include <asm/msr-index.h>
#include <asm/nospec-branch.h>
#include <asm/percpu.h>

#include "compat-asm.h"
#include "x86/machine/gpr_asm.h"

#define FIELD_HOST_RSP	0x6c14

.section .noinstr.text, "ax"

/*
 * int vmx_enter(u64 *gpr, const u64 *spec_ctrl, bool launched, unsigned long *host_rsp)
 *
 * @gpr: all but RSP, which the VMCS carries, in and out
 * @spec_ctrl: the guest's SPEC_CTRL; its writes exit, so it does not change
 * @launched: VMRESUME instead of VMLAUNCH
 * @host_rsp: what HOST_RSP holds
 *
 * IRQs are off.  Returns enum vmx_entered.
 */
SYM_FUNC_START(vmx_enter)
	push	%rbp
	push	%r15
	push	%r14
	push	%r13
	push	%r12
	push	%rbx
	push	%rsi			/* spec_ctrl */
	push	%rdi			/* gpr */

	cmp	%rsp, (%rcx)
	je	1f
	mov	%rsp, (%rcx)
	mov	$FIELD_HOST_RSP, %eax
40:	vmwrite	%rsp, %rax
41:
1:
	mov	%edx, %ebx		/* launched */

	/*
	 * The guest's SPEC_CTRL and the host's, when it is more than the host's; where
	 * IBRS is what slows guests down, the guest's alone.  No return or indirect branch
	 * from here to the guest.
	 */
	ALTERNATIVE "jmp 2f", "", X86_FEATURE_MSR_SPEC_CTRL
	mov	PER_CPU_VAR(x86_spec_ctrl_current), %eax
	mov	%eax, %ecx
	ALTERNATIVE "not %ecx; test %ecx, (%rsi)", "cmp %ecx, (%rsi)", X86_FEATURE_KERNEL_IBRS
	je	2f
	ALTERNATIVE "or (%rsi), %eax", "mov (%rsi), %eax", X86_FEATURE_KERNEL_IBRS
	mov	$MSR_IA32_SPEC_CTRL, %ecx
	xor	%edx, %edx
	wrmsr
2:
	/* CF says which; neither MOV nor VERW changes it. */
	bt	$0, %ebx

	mov	GPR_RAX(%rdi), %rax
	GPRS_LOAD

	VMX_CLEAR_CPU_BUFFERS

	jc	20f
10:	vmlaunch
	jmp	.Lfailed
20:	vmresume
	/* One of CF and ZF is set behind it: never falls through. */
	jbe	.Lfailed

	/* HOST_RIP */
SYM_INNER_LABEL(vmx_exit_point, SYM_L_GLOBAL)
	ENDBR
	push	%rax
	mov	8(%rsp), %rax		/* gpr */
	pop	GPR_RAX(%rax)
	GPRS_SAVE
	xor	%edi, %edi		/* VMX_ENTERED */
.Lleft:
	/*
	 * Leave the guest's values to no speculative reader: not to what is called from
	 * here on, and not to a return that finds no address yet.  RDI is the result.
	 */
	xor	%ecx, %ecx
	xor	%edx, %edx
	xor	%r8d, %r8d
	xor	%r9d, %r9d
	xor	%r10d, %r10d
	xor	%r11d, %r11d
	add	$8, %rsp		/* gpr */
	pop	%rsi			/* spec_ctrl */
	pop	%rbx
	pop	%r12
	pop	%r13
	pop	%r14
	pop	%r15
	pop	%rbp

	/* Before anything returns: the guest may have filled the RSB. */
	FILL_RETURN_BUFFER %rax, RSB_CLEAR_LOOPS, X86_FEATURE_RSB_VMEXIT, \
		X86_FEATURE_RSB_VMEXIT_LITE

	ALTERNATIVE "jmp 5f", "", X86_FEATURE_MSR_SPEC_CTRL
	mov	PER_CPU_VAR(x86_spec_ctrl_current), %eax
	/* IBRS without "always on" protects from what ran before it is written. */
	ALTERNATIVE "", "jmp 4f", X86_FEATURE_KERNEL_IBRS
	mov	%eax, %ecx
	not	%ecx
	test	%ecx, (%rsi)
	je	5f
4:
	mov	$MSR_IA32_SPEC_CTRL, %ecx
	xor	%edx, %edx
	wrmsr
5:
	/* Nobody speculates past the write that the branches above may skip. */
	ALTERNATIVE "", "lfence", X86_FEATURE_MSR_SPEC_CTRL
	CLEAR_BRANCH_HISTORY_VMEXIT

	mov	%edi, %eax
	RET

.Lfailed:
	mov	$1, %edi		/* VMX_FAILED */
	jmp	.Lleft
.Loff:
	/* VMX was switched off under us by a crash or a reboot. */
	mov	$2, %edi		/* VMX_OFF */
	jmp	.Lleft

	_ASM_EXTABLE(10b, .Loff)
	_ASM_EXTABLE(20b, .Loff)
	_ASM_EXTABLE(40b, 41b)
SYM_FUNC_END(vmx_enter)
