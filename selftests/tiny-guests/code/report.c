// SPDX-License-Identifier: GPL-2.0-only
/*
 * How tiny guests end, and what they do about exceptions and interrupts.
 */
#include "guest.h"

volatile struct trap trap;
volatile u64 g_at, g_rsp, g_resume;
volatile u32 g_count[256], g_order[64], g_nr_order;
volatile u64 g_irq_rip;
volatile enum eoi g_eoi = EOI_XAPIC;
void (*volatile g_handler[256])(struct frame *frame);
u8 g_user_stack[1024] __attribute__((aligned(16)));
asm(".globl g_user_stack_end; g_user_stack_end = g_user_stack + 1024");

/* Read by the VMM, lib/run.c. */
volatile struct {
	u64 file, what, got, want;
	u32 line;
} g_failure;

void report(const char *file, u32 line, const char *what, u64 got, u64 want)
{
	cli();
	g_failure.file = (u64)file;
	g_failure.what = (u64)what;
	g_failure.got = got;
	g_failure.want = want;
	g_failure.line = line;
	outb(GUEST_PORT_DONE, 1);
	for (;;)
		asm volatile("hlt");
}

void done(void)
{
	cli();
	outb(GUEST_PORT_DONE, 0);
	for (;;)
		asm volatile("hlt");
}

static void caught(struct frame *f)
{
	u64 cr2, dr6;

	asm volatile("mov %%cr2, %0; mov %%db6, %1" : "=r"(cr2), "=r"(dr6));
	trap.vector = f->vector;
	trap.error = f->error;
	trap.rip = f->rip;
	trap.cs = f->cs;
	trap.rflags = f->rflags;
	trap.rsp = f->rsp;
	trap.cr2 = cr2;
	trap.dr6 = dr6;
	f->rip = g_resume;
	f->rsp = g_rsp;
	f->cs = GUEST_CS64;
	f->ss = GUEST_DS;
	f->rflags = 2;
	g_resume = 0;
}

static void end_of_interrupt(u8 vector)
{
	switch (g_eoi) {
	case EOI_XAPIC:
		lapic_write(0xb0, 0);
		break;
	case EOI_X2APIC:
		wrmsr(0x80b, 0);
		break;
	case EOI_PIC:
		if (vector >= 0x28)
			outb(0xa0, 0x20);
		outb(0x20, 0x20);
		break;
	case EOI_NONE:
		break;
	}
}

/* Called by start.S. */
void guest_trap(struct frame *f)
{
	if (g_handler[f->vector]) {
		g_handler[f->vector](f);
		return;
	}
	if (g_resume && (f->vector < 32 || f->vector == 0x80)) {
		caught(f);
		return;
	}
	if (f->vector < 32 && f->vector != 2)
		report("unexpected exception", f->vector, "rip", f->rip, f->error);
	g_irq_rip = f->rip;
	g_count[f->vector]++;
	if (g_nr_order < ARRAY_SIZE(g_order))
		g_order[g_nr_order++] = f->vector;
	if (f->vector != 2 && f->vector != 0xff)
		end_of_interrupt(f->vector);
}

void wait_irq(u8 vector, u32 times)
{
	cli();
	while (g_count[vector] < times) {
		sti_hlt();
		cli();
	}
}

void spin(u32 rounds)
{
	while (rounds--)
		pause();
}

void lapic_enable(void)
{
	lapic_write(0x350, 1 << 16);	/* nothing from the PIC */
	lapic_write(0xf0, 0x1ff);
}

void ioapic_write(u8 reg, u32 v)
{
	U32(IOAPIC_BASE) = reg;
	U32(IOAPIC_BASE + 0x10) = v;
}

u32 ioapic_read(u8 reg)
{
	U32(IOAPIC_BASE) = reg;
	return U32(IOAPIC_BASE + 0x10);
}

void ioapic_route(u8 pin, u8 vector, u32 flags)
{
	ioapic_write(0x11 + 2 * pin, 0);
	ioapic_write(0x10 + 2 * pin, vector | flags);
}

u64 *gate(u8 vector)
{
	return (u64 *)(GUEST_IDT + 16ul * vector);
}

void invlpg(u64 gva)
{
	asm volatile("invlpg (%0)" :: "r"(gva) : "memory");
}

/* One page table, made on first use, for the 2 MiB that begin at 4 MiB. */
#define SMALL_PAGES	0x400000ul
static u64 small_table[512] __attribute__((aligned(4096)));

u64 *pte_of(u64 gva)
{
	u64 *pd = (u64 *)GUEST_PD_LOW;
	u32 i;

	if (pd[2] & 0x80) {
		for (i = 0; i < 512; i++)
			small_table[i] = (SMALL_PAGES + i * 4096ul) | 7;
		pd[2] = (u64)small_table | 7;
		asm volatile("mov %%cr3, %%rax; mov %%rax, %%cr3" ::: "rax", "memory");
	}
	CHECK(gva >= SMALL_PAGES && gva < SMALL_PAGES + 0x200000);
	return &small_table[(gva - SMALL_PAGES) >> 12];
}
