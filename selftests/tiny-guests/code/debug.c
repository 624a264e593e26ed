// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guests for the tests of a VMM that debugs.  Each sequence has a table of the addresses
 * behind its instructions, in the order in which they are executed.
 */
#include "guest.h"

volatile u64 g_flags_seen[4];
volatile u32 g_debug_value;

/* STEP puts the address behind an instruction into the table. */
#define SEQUENCE(name, body)						\
	asm(".pushsection .data\n\t.globl d_" name "_pcs\nd_" name "_pcs:\n\t.popsection\n" \
	    ".pushsection .text\n\t.globl g_debug_" name ", d_" name "\n"	\
	    "g_debug_" name ":\n\tpush %rbx\n"					\
	    "d_" name ":\n" body							\
	    "\tpop %rbx\n\tret\n\t.popsection\n"				\
	    ".pushsection .data\n\t.quad 0\n\t.popsection\n")
#define STEP(insn)							\
	"\t" insn "\n88:\n\t.pushsection .data\n\t.quad 88b\n\t.popsection\n"

/* Executed by the CPU, skipped, done by user space, emulated. */
SEQUENCE("plain",
	 STEP("nop")
	 STEP("xor %eax, %eax")
	 STEP("cpuid")
	 STEP("mov $0x600, %edx")
	 STEP("out %al, %dx")
	 STEP("in %dx, %al")
	 STEP("mov $0xd0000000, %ebx")
	 STEP("mov (%rbx), %ecx")
	 STEP("mov $0x174, %ecx")
	 STEP("rdmsr")
	 STEP("wrmsr")
	 STEP("jmp 1f\n\tud2\n1:")
	 STEP("nop"));

/* What would show the guest its TF. */
SEQUENCE("flags",
	 STEP("pushfq")
	 STEP("popq g_flags_seen")
	 STEP("pushfw")
	 STEP("popw g_flags_seen + 8")
	 STEP("pushq $0x202")
	 STEP("popfq")
	 STEP("cli")
	 STEP("sti")
	 STEP("nop")
	 STEP("cli")
	 STEP("pushfq")
	 STEP("popq g_flags_seen + 16")
	 STEP("mov $0xd0000000, %ebx")
	 STEP("mov %eax, (%rbx)")
	 STEP("pushq (%rbx)")
	 STEP("popq %rax")
	 STEP("mov $0x10, %eax")
	 STEP("mov %eax, %ds")
	 STEP("mov %cr0, %rax")
	 STEP("mov %rax, %cr0"));

SEQUENCE("hardware",
	 STEP("nop")
	 "d_exec:\n"
	 STEP("nop")
	 STEP("movl $1234, g_debug_value")
	 STEP("nop")
	 STEP("mov g_debug_value, %eax"));

SEQUENCE("soft", "d_int3:\n\tint3\n\tnop\n");

/* Debug registers are the guest's, whatever the VMM has in the CPU's. */
void g_debug_registers(void)
{
	u64 i, val;

	asm volatile("mov %0, %%db0" :: "r"(0x1111ul));
	asm volatile("mov %0, %%db3" :: "r"(0x3333ul));
	asm volatile("mov %0, %%db7" :: "r"(0x700ul));
	for (i = 0; i < 2; i++) {
		asm volatile("mov %%db0, %0" : "=r"(val));
		CHECK_EQ(val, 0x1111);
		asm volatile("mov %%db3, %0" : "=r"(val));
		CHECK_EQ(val, 0x3333);
		asm volatile("mov %%db6, %0" : "=r"(val));
		CHECK_EQ(val, 0xffff0ff0);
		asm volatile("mov %%db7, %0" : "=r"(val));
		CHECK_EQ(val, 0x700);
		trace(i);
	}
}

/* An interrupt that waits, and is let in. */
void g_debug_interrupt(void)
{
	g_eoi = EOI_XAPIC;
	lapic_enable();
	lapic_write(0x300, 0x40000 | 0x41);
	asm volatile("pushfq\n\torq $0x200, (%%rsp)\n\t.globl d_popf\nd_popf:\n\tpopfq\n"
		     "\tnop\n\tnop\n\tcli" ::: "memory");
	trace(g_count[0x41]);
	sti();
	spin(10);
	CHECK_EQ(g_count[0x41], 1);
}

/* Exceptions that the guest handles itself; none of them shows a TF. */
void g_debug_exceptions(void)
{
	u64 i;

	for (i = 0; i < 2; i++) {
		TRY("ud2", ::: "memory");
		CHECK_TRAP(6, 0);
		CHECK_EQ(trap.rflags & 0x100, 0);
		TRY("mov (%%rcx), %%rax", :: "c"(0x80000000000000ul) : "rax", "memory");
		CHECK_EQ(trap.vector, 13);
		CHECK_EQ(trap.rflags & 0x100, 0);
		TRY("int3", ::: "memory");
		CHECK_EQ(trap.vector, 3);
		CHECK_EQ(trap.rip, g_at + 1);
		CHECK_EQ(trap.rflags & 0x100, 0);
		TRY("int $0x80", ::: "memory");
		CHECK_EQ(trap.vector, 0x80);
		CHECK_EQ(trap.rip, g_at + 2);
		CHECK_EQ(trap.rflags & 0x100, 0);
		/* What a program may not do, or no CPU executes. */
		TRY_USER("int $0x41", ::: "memory");
		CHECK_EQ(trap.vector, 13);
		CHECK_EQ(trap.rflags & 0x100, 0);
		TRY(".fill 14, 1, 0x66\n\tint $0x80", ::: "memory");
		CHECK_EQ(trap.vector, 13);
		TRY_USER("pushfq\n\tpopq %%rax", : "=a"(g_flags_seen[0]) :: "memory");
		CHECK_EQ(trap.vector, 0x80);
		CHECK_EQ(trap.rflags & 0x100, 0);
		CHECK_EQ(g_flags_seen[0] & 0x100, 0);
	}
}

/* SYSCALL from user mode and SYSRET back, and what they leave in the registers. */
void g_debug_syscall(void)
{
	extern u8 d_syscall_entry[], d_syscall_back[];
	u64 rcx, r11;

	wrmsr(0xc0000080, rdmsr(0xc0000080) | 1);
	wrmsr(0xc0000081, (u64)(GUEST_CS64 | (GUEST_USER_DS - 8) << 16) << 32);
	wrmsr(0xc0000082, (u64)d_syscall_entry);
	wrmsr(0xc0000084, 0x700);
	TRY_USER("syscall\nd_syscall_back:\n\tjmp 3f\n"
		 "d_syscall_entry:\n\tmov %%rcx, %%rsi\n\tmov %%r11, %%rdi\n\tsysretq\n3:\t",
		 : "=S"(rcx), "=D"(r11) :: "rcx", "r11", "memory");
	CHECK_EQ(trap.vector, 0x80);
	CHECK_EQ(rcx, (u64)d_syscall_back);
	CHECK_EQ(r11 & 0x100, 0);
	CHECK_EQ(trap.cs, GUEST_USER_CS64);
}

static void on_injected(struct frame *f)
{
	trace(f->vector);
	trace(f->rip);
}

/* Begins with an INT3, which the VMM's #BP leads behind. */
void g_debug_injected(void)
{
	g_handler[1] = on_injected;
	g_handler[3] = on_injected;
	asm volatile(".globl d_injected\nd_injected:\n\tnop");
}
