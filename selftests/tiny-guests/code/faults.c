// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tiny guests: exceptions with exact frames, in their own code and while
 * another is being delivered.
 */
#include "guest.h"

static u64 page = 0x405000;

static void set_page(u64 flags)
{
	*pte_of(page) = flags ? page | flags : 0;
	invlpg(page);
}

void g_fault_simple(void)
{
	TRY("divl %%ecx", :: "a"(1), "d"(0), "c"(0) : "memory");
	CHECK_TRAP(0, 0);
	CHECK_EQ(trap.cs, GUEST_CS64);
	CHECK_EQ(trap.rsp, g_rsp);
	TRY("ud2", ::: "memory");
	CHECK_TRAP(6, 0);
	TRY("int3", ::: "memory");
	CHECK_EQ(trap.vector, 3);
	CHECK_EQ(trap.rip, g_at + 1);
	TRY("mov (%0), %%rax", :: "r"(1ull << 60) : "rax", "memory");
	CHECK_TRAP(13, 0);
	TRY("mov %0, %%ds", :: "r"(0x1230) : "memory");
	CHECK_TRAP(13, 0x1230);
}

/* INT n beyond the IDT: #GP with the vector's selector error code. */
void g_fault_idt_limit(void)
{
	struct {
		u16 limit;
		u64 base;
	} __attribute__((packed)) idt = { 0x2ff, GUEST_IDT };

	asm volatile("lidt %0" :: "m"(idt));
	TRY("int $0x50", ::: "memory");
	CHECK_EQ(trap.vector, 13);
	/* vector * 8 + 2; QEMU's emulator counts 16 bytes per gate. */
	CHECK(trap.error == 0x50 * 8 + 2 || trap.error == 0x50 * 16 + 2);
}

void g_fault_page(void)
{
	set_page(0);
	TRY("mov (%0), %%eax", :: "r"(page) : "rax", "memory");
	CHECK_TRAP(14, 0);
	CHECK_EQ(trap.cr2, page);
	TRY("movl $1, 8(%0)", :: "r"(page) : "memory");
	CHECK_TRAP(14, 2);
	CHECK_EQ(trap.cr2, page + 8);
	set_page(5);
	TRY("movl $1, (%0)", :: "r"(page) : "memory");
	CHECK_TRAP(14, 3);
	TRY_USER("movl $1, (%0)", :: "r"(page) : "memory");
	CHECK_TRAP(14, 7);
	CHECK_EQ(trap.cs, GUEST_USER_CS64);
	set_page(3);
	TRY_USER("mov (%0), %%eax", :: "r"(page) : "rax", "memory");
	CHECK_TRAP(14, 5);
	set_page(0);
	TRY_USER("mov (%0), %%eax", :: "r"(page) : "rax", "memory");
	CHECK_TRAP(14, 4);
}

void g_fault_execute(void)
{
	set_page(7);
	U8(page) = 0xc3;
	set_page(1ull << 63 | 7);
	trap.vector = NO_TRAP;
	asm volatile(TRY_BEGIN "2:\tcall *%0\n1:" :: "r"(page) : "memory");
	CHECK_EQ(trap.vector, 14);
	CHECK_EQ(trap.error, 0x11);
	CHECK_EQ(trap.cr2, page);
	CHECK_EQ(trap.rip, page);
}

/* A reserved bit in the PTE. The emulated CPU forgets the P bit of the error code. */
void g_fault_reserved(void)
{
	set_page(1ull << 51 | 7);
	TRY("mov (%0), %%eax", :: "r"(page) : "rax", "memory");
	CHECK_EQ(trap.vector, 14);
	CHECK_EQ(trap.error & ~1ull, 8);
}

/* The CPU sets accessed and dirty bits in the guest's tables. */
void g_fault_accessed_dirty(void)
{
	set_page(7);
	CHECK_EQ(*pte_of(page) & 0x60, 0);
	(void)U32(page);
	CHECK_EQ(*pte_of(page) & 0x60, 0x20);
	invlpg(page);
	U32(page) = 1;
	CHECK_EQ(*pte_of(page) & 0x60, 0x60);
}

/* #PF whose gate is absent is a #NP while delivering: #DF, error code 0. */
void g_fault_double(void)
{
	/*
	 * Touch what delivery needs: the emulated CPU reports only the first of two
	 * exceptions when an exit cuts off their delivery.
	 */
	TRY("ud2", ::: "memory");
	*gate(14) &= ~(0x8000ull << 32);
	set_page(0);
	TRY("mov (%0), %%eax", :: "r"(page) : "rax", "memory");
	CHECK_EQ(trap.vector, 8);
	CHECK_EQ(trap.error, 0);
	CHECK_EQ(trap.rip, g_at);
}

/* #NP for INT n is no double fault. */
void g_fault_not_present(void)
{
	*gate(0x60) &= ~(0x8000ull << 32);
	TRY("int $0x60", ::: "memory");
	CHECK_EQ(trap.vector, 11);
	CHECK(trap.error == 0x60 * 8 + 2 || trap.error == 0x60 * 16 + 2);
}

/* The handler's stack faults: #PF while delivering #UD is the #PF alone, on its IST. */
void g_fault_stack(void)
{
	*gate(14) |= 1ull << 32;
	set_page(0);
	trap.vector = NO_TRAP;
	asm volatile(TRY_BEGIN "mov %0, %%rsp\n2:\tud2\n1:" :: "r"(page + 0x800) : "memory");
	CHECK_EQ(trap.vector, 14);
	CHECK_EQ(trap.error, 2);
	CHECK_EQ(trap.rip, g_at);
	CHECK(trap.cr2 >= page && trap.cr2 < page + 0x800);
}

/* Delivery needs memory that only a nested fault brings in: the stack is fresh. */
void g_fault_fresh_stack(void)
{
	volatile u64 *fresh = (u64 *)0x600000;

	trap.vector = NO_TRAP;
	asm volatile(TRY_BEGIN "mov %0, %%rsp\n2:\tud2\n1:" :: "r"(fresh + 512) : "memory");
	CHECK_EQ(trap.vector, 6);
	CHECK_EQ(trap.rsp, (u64)(fresh + 512));
	trap.vector = NO_TRAP;
	asm volatile(TRY_BEGIN "mov %0, %%rsp\n2:\tint $0x80\n1:" :: "r"(fresh + 1024) : "memory");
	CHECK_EQ(trap.vector, 0x80);
	CHECK_EQ(trap.rip, g_at + 2);
}

void g_fault_triple(void)
{
	struct {
		u16 limit;
		u64 base;
	} __attribute__((packed)) idt = { 0, GUEST_IDT };

	asm volatile("lidt %0\n\tud2" :: "m"(idt));
}

/* Selectors of the wrong kind. */
void g_fault_garbage(void)
{
	TRY("ltr %w0", :: "r"(0x10) : "memory");
	CHECK_TRAP(13, 0x10);
	TRY("lldt %w0", :: "r"(0x08) : "memory");
	CHECK_TRAP(13, 0x08);
	TRY("mov %0, %%ss", :: "r"(0x08) : "memory");
	CHECK_TRAP(13, 0x08);
}

/* A GDT that is not there: no handler can be entered any more. */
void g_fault_no_gdt(void)
{
	struct {
		u16 limit;
		u64 base;
	} __attribute__((packed)) table = { 0xffff, 0x0000700000000000 };

	asm volatile("lgdt %0\n\tmov %1, %%es" :: "m"(table), "r"(0x10));
}

/* Jump to nowhere: not canonical is #GP here, unmapped is #PF there. */
void g_fault_jump(void)
{
	trap.vector = NO_TRAP;
	asm volatile(TRY_BEGIN "2:\tjmp *%0\n1:" :: "r"(1ull << 60) : "memory");
	CHECK_EQ(trap.vector, 13);
	trap.vector = NO_TRAP;
	asm volatile(TRY_BEGIN "2:\tjmp *%0\n1:" :: "r"(0x700000000000ul) : "memory");
	CHECK_EQ(trap.vector, 14);
	CHECK_EQ(trap.cr2, 0x700000000000);
	CHECK_EQ(trap.rip, 0x700000000000);
}

/* SYSCALL into the kernel and SYSRET back to user mode. */
void g_syscall(void)
{
	u64 entry;

	wrmsr(0xc0000080, rdmsr(0xc0000080) | 1);
	wrmsr(0xc0000081, (u64)(GUEST_USER_DS - 8) << 48 | (u64)GUEST_CS64 << 32);
	wrmsr(0xc0000084, 0x200);
	asm volatile("lea 3f(%%rip), %0\n\tjmp 4f\n"
		     "3:\tsysretq\n4:" : "=r"(entry));
	wrmsr(0xc0000082, entry);
	TRY_USER("syscall\n\tsyscall\n\tmov $0x51, %%r12d", ::: "rcx", "r11", "r12", "memory");
	CHECK_EQ(trap.vector, 0x80);
	CHECK_EQ(trap.cs, GUEST_USER_CS64);
}
