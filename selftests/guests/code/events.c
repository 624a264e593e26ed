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
