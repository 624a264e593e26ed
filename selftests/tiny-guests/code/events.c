// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tiny guests: events whose frames tell which instruction raised them.
 */
#include "guest.h"

extern const u8 g_event_at[], g_int1_at[];
static volatile u64 frame_rip;

static void note_frame(struct frame *f)
{
	frame_rip = f->rip;
}

/* INT1 is a trap: its frame leads behind it. Says 6 where the CPU has no INT1. */
void g_int1(void)
{
	g_handler[1] = note_frame;
	TRY("xor %%eax, %%eax\n.globl g_int1_at\ng_int1_at: .byte 0xf1\n\tnop", ::: "eax");
	trace(trap.vector == NO_TRAP ? 1 : trap.vector);
	if (trap.vector == NO_TRAP)
		CHECK_EQ(frame_rip, (u64)g_int1_at + 1);
}

/*
 * The VMM injects vector @vector as if the instruction behind the OUT had raised it, and
 * here is how many bytes of that instruction the frame leaves behind.
 */
void g_soft_event(u64 vector)
{
	g_handler[vector] = note_frame;
	asm volatile("outl %0, %1\n"
		     ".globl g_event_at\ng_event_at: nop; nop; nop; nop"
		     :: "a"(0x5e7), "Nd"((u16)GUEST_PORT_TRACE) : "memory");
	trace(frame_rip - (u64)g_event_at);
}

#define MCG_CAP		0x179
#define MCG_STATUS	0x17a
#define MC_STATUS(n)	(0x401 + 4 * (n))
#define MC_ADDR(n)	(0x402 + 4 * (n))

static volatile u64 mcg_status, mc_status, mc_addr;

static void machine_check(struct frame *f)
{
	CHECK_EQ(f->error, 0);
	mcg_status = rdmsr(MCG_STATUS);
	mc_status = rdmsr(MC_STATUS(2));
	mc_addr = rdmsr(MC_ADDR(2));
	wrmsr(MC_STATUS(2), 0);
	wrmsr(MCG_STATUS, 0);
}

/* The VMM reports an uncorrected error in bank 2, twice, and goes on after the first. */
void g_machine_check(void)
{
	u64 cr4;

	CHECK_EQ(rdmsr(MCG_CAP), 0x104);
	/* Reports are the hardware's: the guest clears them. */
	TRY("wrmsr", :: "c"(MC_STATUS(2)), "a"(1), "d"(0));
	CHECK_TRAP(13, 0);
	TRY("rdmsr", :: "c"(MC_STATUS(4)) : "eax", "edx");
	CHECK_TRAP(13, 0);
	TRY("wrmsr", :: "c"(MCG_CAP), "a"(4), "d"(0));
	CHECK_TRAP(13, 0);
	g_handler[18] = machine_check;
	asm volatile("mov %%cr4, %0" : "=r"(cr4));
	asm volatile("mov %0, %%cr4" :: "r"(cr4 | 0x40));
	for (u64 i = 0; i < 2; i++) {
		mc_addr = 0;
		trace(0x5e7);
		CHECK_EQ(mcg_status, 5);
		CHECK_EQ(mc_status, 0xbe00000000000135);
		CHECK_EQ(mc_addr, 0x1234000 + i);
		CHECK_EQ(rdmsr(MC_STATUS(2)), 0);
	}
}
