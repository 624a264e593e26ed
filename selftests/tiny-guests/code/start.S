/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Interrupt entry for tiny guests in long mode. isr_stubs is an array of
 * 256 stubs of 16 bytes, to which the VMM's IDT points.
 */
#include "layout.h"

	.text
	.globl isr_stubs, guest_return
	.balign 16
isr_stubs:
	vector = 0
	.rept 256
	.balign 16
	.if !(vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21)
	pushq $0
	.endif
	pushq $vector
	jmp common
	vector = vector + 1
	.endr

	.balign 16
common:
	push %rax
	push %rbx
	push %rcx
	push %rdx
	push %rsi
	push %rdi
	push %rbp
	push %r8
	push %r9
	push %r10
	push %r11
	push %r12
	push %r13
	push %r14
	push %r15
	mov %rsp, %rdi
	mov %rsp, %rbx
	and $-16, %rsp
	cld
	call guest_trap
	mov %rbx, %rsp
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %r11
	pop %r10
	pop %r9
	pop %r8
	pop %rbp
	pop %rdi
	pop %rsi
	pop %rdx
	pop %rcx
	pop %rbx
	pop %rax
	add $16, %rsp
	iretq

/* Where a guest's function returns to. */
guest_return:
	sub $8, %rsp
	call done
	.section .note.GNU-stack,"",@progbits
