/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tiny guests that switch hardware tasks: 32-bit protected mode, below 64 KiB. What they
 * run on, and what must have come of it, is ../tasks.c's.
 */
#include "layout.h"
#include "tasks.h"

	.section .low, "awx"
	.code32

	/* Both keep ECX, EBX, ESI, EDI and EBP. */
	.macro say value
	mov $GUEST_PORT_TRACE, %dx
	mov $\value, %eax
	out %eax, (%dx)
	.endm
	.macro finish
	mov $GUEST_PORT_DONE, %dx
	xor %al, %al
	out %al, (%dx)
	.endm
	/* One instruction; the address behind it has a name, too. */
	.macro entry name, insn:vararg
	.globl \name, \name\()_next
\name:	\insn
\name\()_next:
	say TASK_A
	finish
	.endm

/*
 * All tests begin here, and go on at EDI. Some CPU that switches tasks itself must not
 * meet memory that is not there yet in the middle of that.
 */
	.globl t_touch
t_touch:
	pushf
	mov $TASK_TOUCH, %eax
1:	lock orb $0, (%eax)
	add $0x1000, %eax
	cmp $TASK_TOUCH_END, %eax
	jb 1b
	lock orb $0, 0
	popf
	jmp *%edi

	entry t_jmp, ljmp $TASK_SEL_B, $0
	entry t_jmp16, ljmp $TASK_SEL_C, $0
	entry t_jmp_gate, ljmp $TASK_SEL_GATE, $0
	entry t_jmp_absent, ljmp $TASK_SEL_ABSENT, $0
	entry t_jmp_short, ljmp $TASK_SEL_SHORT, $0
	entry t_jmp_self, ljmp $TASK_SEL_A, $0
	entry t_call, lcall $TASK_SEL_B, $0
	entry t_call16, lcall $TASK_SEL_C, $0
	entry t_call_mem, lcall *t_pointer
	entry t_int, int $TASK_VECTOR
	entry t_int3, int3
	entry t_int1, .byte 0xf1
	entry t_into, into
	entry t_iret, iret
	entry t_gp, mov %ecx, %es
	.globl t_cr0
t_cr0:	.long 0
t_pointer:
	.long 0
	.word TASK_SEL_B

/* An event whose delivery is cut, for the IDT is not there yet; behind it, a switch. */
	.globl t_cut_gp, t_cut_gp_next, t_cut_int, t_cut_int_next, t_skip, t_back
t_cut_gp:
	mov %ecx, %es
	ljmp $TASK_SEL_B, $0
t_cut_gp_next:
	say TASK_A
	finish
t_cut_int:
	int $TASK_CUT_VECTOR
	lcall $TASK_SEL_B, $0
t_cut_int_next:
	say TASK_A
	finish
/* Their handlers: past the error code and the instruction, of two bytes. */
t_skip:	add $4, %esp
	addl $2, (%esp)
t_back:	iret

	.globl t_irq, t_irq_loop
t_irq:	sti
	nop
t_irq_loop:
	jmp t_irq_loop

	.globl t_nmi, t_nmi_loop, t_nmi_next
t_nmi:	say TASK_READY
t_nmi_loop:
	jmp t_nmi_loop
t_nmi_next:
	say TASK_A
	finish

/* Task B, and what it is asked to do next. */
	.globl b_entry, b_iret, b_iret_next, b_read, b_vm86
b_entry:
	mov %cr0, %eax
	mov %eax, t_cr0
	say TASK_B
	finish
b_iret:	say TASK_B
	iret
b_iret_next:
	say TASK_B2
	iret
b_read:	mov $GUEST_PORT_TRACE, %dx
	mov TASK_WINDOW, %eax
	out %eax, (%dx)
	finish
	.code16
b_vm86:	hlt
	.code32

/* Vector, error code and frame are left on the stack. */
	.globl t_stubs
	.balign 16
t_stubs:
	vector = 0
	.rept 32
	.balign 16
	.if !(vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21)
	pushl $0
	.endif
	pushl $vector
	jmp t_caught
	vector = vector + 1
	.endr
t_caught:
	finish
	.section .note.GNU-stack,"",@progbits
