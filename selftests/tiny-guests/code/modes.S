/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tiny guests that begin outside of long mode, and the code that other
 * processors start with. They run below 64 KiB, from 0x8000.
 */
#include "layout.h"

	.section .low, "awx"
	.globl ap_start
/* SIPI: real mode, CS:IP = ap_start. Into long mode, on the stack of the APIC id. */
	.code16
	.balign 4096
ap_start:
	cli
	xor %ax, %ax
	mov %ax, %ds
	mov %ax, %ss
	lgdtl low_gdt_pointer
	mov %cr0, %eax
	or $1, %eax
	mov %eax, %cr0
	ljmpl $0x18, $1f
	.code32
1:	call to_long
	.code64
	mov $1, %eax
	cpuid
	mov %ebx, %edi
	shr $24, %edi
	lea 1(%rdi), %eax
	imul $GUEST_STACK_SIZE, %eax, %eax
	lea GUEST_STACKS(%rax), %rsp
	lidt low_idt_pointer
	mov $ap_main, %rax
	call *%rax
2:	hlt
	jmp 2b

/* From 32-bit protected mode without paging to 64-bit code at the return address. */
	.code32
to_long:
	mov (%esp), %ebx
	mov $0x620, %eax
	mov %eax, %cr4
	mov $GUEST_PML4, %eax
	mov %eax, %cr3
	mov $0xc0000080, %ecx
	rdmsr
	or $0x900, %eax
	wrmsr
	mov %cr0, %eax
	or $0x80010002, %eax
	and $~4, %eax
	mov %eax, %cr0
	ljmp $0x08, $1f
	.code64
1:	mov $0x10, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %ss
	mov %ebx, %ebx
	jmp *%rbx

	.balign 8
low_gdt:
	.quad 0
	.quad 0x00af9b000000ffff	/* 0x08 64-bit code */
	.quad 0x00cf93000000ffff	/* 0x10 data */
	.quad 0x00cf9b000000ffff	/* 0x18 32-bit code */
	.quad 0x00009b000000ffff	/* 0x20 16-bit code */
	.quad 0x000093000000ffff	/* 0x28 16-bit data */
	.quad 0x00ef9b000000ffff	/* 0x30 32-bit code with the bit that says 64-bit */
low_gdt_end:
low_gdt_pointer:
	.word low_gdt_end - low_gdt - 1
	.quad low_gdt
low_idt_pointer:
	.word 0xfff
	.quad GUEST_IDT
real_idt_pointer:
	.word 0x3ff
	.long 0

	.macro trace value
	mov $GUEST_PORT_TRACE, %dx
	mov $\value, %eax
	out %eax, (%dx)
	.endm
	.macro finish
	mov $GUEST_PORT_DONE, %dx
	xor %al, %al
	out %al, (%dx)
	.endm
	.macro trace_cr0
	mov $GUEST_PORT_TRACE, %dx
	mov %cr0, %eax
	out %eax, (%dx)
	.endm

/* Real mode: arithmetic with segments, the vector table, INT and #DE by it. */
	.code16
	.globl m_real
m_real:
	mov $0x1234, %ax
	mov %ax, %ds
	mov $0xbeef, %bx
	mov %bx, 0x10			/* 0x12350 */
	xor %ax, %ax
	mov %ax, %ds
	mov $0x1000, %bx
	mov %bx, %es
	mov %es:0x2350, %ax		/* the same */
	movzwl %ax, %eax
	mov $GUEST_PORT_TRACE, %dx
	out %eax, (%dx)
	xor %ax, %ax
	mov %ax, %es
	movw $real_int, 0x60 * 4
	movw $0, 0x60 * 4 + 2
	movw $real_divide, 0
	movw $0, 2
	int $0x60
	trace 0x111
	xor %dx, %dx
	xor %cx, %cx
	mov $5, %ax
	div %cx
	trace 0x222
	finish
real_int:
	trace 0x60
	iret
real_divide:
	trace 0xde
	pop %ax
	add $2, %ax			/* over the DIV */
	push %ax
	iret

/* 32-bit: into user mode, and back through the stack that the TSS names. */
	.code32
	.balign 8
ring_gdt:
	.quad 0, 0
	.quad 0x00cf93000000ffff	/* 0x10 data */
	.quad 0x00cf9b000000ffff	/* 0x18 code */
	.quad 0x00cff3000000ffff	/* 0x20 user data */
	.quad 0x00cffb000000ffff	/* 0x28 user code */
	.quad 0x0000890000000067 + (GUEST_FREE << 16)	/* 0x30 TSS */
ring_gdt_end:
ring_gdt_pointer:
	.word ring_gdt_end - ring_gdt - 1
	.long ring_gdt
ring_idt_pointer:
	.word 0x60 * 8 + 7
	.long GUEST_FREE + 0x2000
	.globl m_rings
m_rings:
	lgdt ring_gdt_pointer
	lidt ring_idt_pointer
	movl $GUEST_FREE + 0x1000, GUEST_FREE + 4
	movl $0x10, GUEST_FREE + 8
	movl $0x180000 + ring_int, GUEST_FREE + 0x2000 + 0x60 * 8
	movl $0xee00, GUEST_FREE + 0x2000 + 0x60 * 8 + 4
	mov $0x30, %ax
	ltr %ax
	trace 0x3				/* the VMM sets all segments, to what they are */
	pushl $0x23
	pushl $GUEST_FREE + 0x3000
	pushl $2
	pushl $0x2b
	pushl $1f
	iret
1:	int $0x60
ring_int:
	mov 12(%esp), %eax		/* the stack of the user's */
	mov $GUEST_PORT_TRACE, %dx
	out %eax, (%dx)
	finish

/* Real mode, then each mode in turn, and all the way back. */
	.code16
	.globl m_climb
m_climb:
	trace_cr0
	lgdtl low_gdt_pointer
	mov %cr0, %eax
	or $1, %eax
	mov %eax, %cr0
	ljmpl $0x18, $1f
	.code32
1:	mov $0x10, %eax
	mov %eax, %ds
	mov %eax, %ss
	mov $0x7000, %esp
	trace_cr0
	/* 32-bit paging, one 4 MiB page one to one, then another gpa at 4 MiB. */
	movl $0x83, GUEST_FREE
	movl $0x00400083, GUEST_FREE + 4
	movl $0xcafe, 0x500000
	movl $0xbabe, 0x600000
	mov %cr4, %eax
	or $0x10, %eax
	mov %eax, %cr4
	mov $GUEST_FREE, %eax
	mov %eax, %cr3
	mov %cr0, %eax
	or $0x80000000, %eax
	mov %eax, %cr0
	jmp 1f
1:	trace_cr0
	mov 0x500000, %eax
	out %eax, (%dx)
	/* A 4 KiB page table for the second entry: 0x400000 shows 0x600000. */
	movl $(GUEST_FREE + 0x1000 + 3), GUEST_FREE + 4
	movl $0x600003, GUEST_FREE + 0x1000
	mov %cr3, %eax
	mov %eax, %cr3
	mov 0x400000, %eax
	out %eax, (%dx)
	/* Paging off, PAE on: 0x400000 shows 0x500000. */
	mov %cr0, %eax
	and $0x7fffffff, %eax
	mov %eax, %cr0
	movl $(GUEST_FREE + 0x3000 + 1), GUEST_FREE + 0x2000
	movl $0, GUEST_FREE + 0x2004
	movl $0x83, GUEST_FREE + 0x3000
	movl $0, GUEST_FREE + 0x3004
	movl $0x200083, GUEST_FREE + 0x3008
	movl $0, GUEST_FREE + 0x300c
	movl $(GUEST_FREE + 0x4000 + 3), GUEST_FREE + 0x3010
	movl $0, GUEST_FREE + 0x3014
	movl $0x500003, GUEST_FREE + 0x4000
	movl $0, GUEST_FREE + 0x4004
	mov $0x20, %eax
	mov %eax, %cr4
	mov $(GUEST_FREE + 0x2000), %eax
	mov %eax, %cr3
	mov %cr0, %eax
	or $0x80000000, %eax
	mov %eax, %cr0
	jmp 1f
1:	mov 0x400000, %eax
	out %eax, (%dx)
	mov %cr0, %eax
	and $0x7fffffff, %eax
	mov %eax, %cr0
	/* Long mode: tables of its own, the first 2 MiB. */
	movl $(GUEST_FREE + 0x6003), GUEST_FREE + 0x5000
	movl $(GUEST_FREE + 0x7003), GUEST_FREE + 0x6000
	movl $0x83, GUEST_FREE + 0x7000
	mov $(GUEST_FREE + 0x5000), %eax
	mov %eax, %cr3
	mov $0xc0000080, %ecx
	rdmsr
	or $0x100, %eax
	wrmsr
	mov %cr0, %eax
	or $0x80000000, %eax
	mov %eax, %cr0
	ljmp $0x18, $1f			/* compatibility mode first */
1:	mov $0xc0000080, %ecx
	rdmsr
	mov $GUEST_PORT_TRACE, %dx
	out %eax, (%dx)			/* LMA */
	ljmp $0x08, $1f
	.code64
1:	mov $0x123456789abcdef0, %rax
	shr $32, %rax
	mov $GUEST_PORT_TRACE, %dx
	out %eax, (%dx)
	/* And back. */
	ljmp *climb_down(%rip)
climb_down:
	.long 1f
	.word 0x18
	.code32
1:	mov %cr0, %eax
	and $0x7fffffff, %eax
	mov %eax, %cr0
	mov $0xc0000080, %ecx
	rdmsr
	mov $GUEST_PORT_TRACE, %dx
	out %eax, (%dx)			/* LMA gone, LME not */
	and $~0x100, %eax
	xor %edx, %edx
	wrmsr
	ljmp $0x20, $1f
	.code16
1:	trace 0x16
	mov $0x28, %ax
	mov %ax, %ds
	mov %ax, %es
	mov %ax, %ss
	mov %cr0, %eax
	and $~1, %eax
	mov %eax, %cr0
	ljmp $0, $1f
1:	trace 0x17
	xor %ax, %ax
	mov %ax, %ds
	mov %ax, %ss
	lidtl real_idt_pointer
	movw $real_int, 0x60 * 4
	movw $0, 0x60 * 4 + 2
	int $0x60
	trace_cr0
	finish

/* Real mode with 4 GiB segment limits left over from protected mode. */
	.globl m_unreal
m_unreal:
	lgdtl low_gdt_pointer
	mov %cr0, %eax
	or $1, %eax
	mov %eax, %cr0
	mov $0x10, %bx
	mov %bx, %ds
	and $~1, %eax
	mov %eax, %cr0
	mov $0x600000, %ebx
	movl $0x77777777, (%ebx)
	mov (%ebx), %eax
	mov $GUEST_PORT_TRACE, %dx
	out %eax, (%dx)
	/* MMIO from real mode, with a 16-bit and a 32-bit address. */
	mov $GUEST_MMIO, %ebx
	movl $0x01020304, (%ebx)
	mov 2(%ebx), %ax
	movzwl %ax, %eax
	out %eax, (%dx)
	finish

/* 32-bit protected mode: port strings and MMIO with 32-bit operands; #GP by a 32-bit gate. */
	.code32
	.globl m_prot32
m_prot32:
	movl $0x11223344, GUEST_MMIO
	incl GUEST_MMIO
	mov GUEST_MMIO, %eax
	mov $GUEST_PORT_TRACE, %dx
	out %eax, (%dx)
	mov $GUEST_FREE, %edi
	mov $GUEST_PORT, %dx
	mov $4, %ecx
	rep insb
	mov GUEST_FREE, %eax
	mov $GUEST_PORT_TRACE, %dx
	out %eax, (%dx)
	push $GUEST_MMIO
	pop %ebx
	pushl (%ebx)
	pop %eax
	out %eax, (%dx)
	/* IDT with one gate: 13. */
	mov $prot32_gp, %eax
	movw %ax, GUEST_IDT + 13 * 8
	movw $GUEST_CS32, GUEST_IDT + 13 * 8 + 2
	movw $0x8e00, GUEST_IDT + 13 * 8 + 4
	shr $16, %eax
	movw %ax, GUEST_IDT + 13 * 8 + 6
	lidtl low_idt_pointer
	mov $0x1230, %ecx
	mov %ecx, %es
	/* the handler goes on here */
prot32_on:
	finish
prot32_gp:
	pop %eax			/* error code */
	mov $GUEST_PORT_TRACE, %dx
	out %eax, (%dx)
	movl $prot32_on, (%esp)
	iret

/* A code segment whose descriptor has L means nothing new outside of long mode. */
	.globl m_long_bit
m_long_bit:
	lgdtl low_gdt_pointer
	ljmp $0x30, $1f
1:	trace 0x30
	inc %eax			/* a REX prefix in 64-bit code */
	mov $GUEST_PORT_TRACE, %dx
	out %eax, (%dx)
	finish

/* At the reset vector lies a far jump to here, seen through the low alias. */
	.code16
	.globl m_reset
m_reset:
	trace_cr0
	finish
	.section .note.GNU-stack,"",@progbits
