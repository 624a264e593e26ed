// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tiny guests: ports. The VMM answers reads with bytes 1, 2, 3 ... and notes
 * every element written; the tables beside the runner say what it must see.
 */
#include "guest.h"

static u8 buffer[256];

void g_port_sizes(void)
{
	outb(GUEST_PORT, 0x11);
	outw(GUEST_PORT + 2, 0x2222);
	outl(GUEST_PORT + 4, 0x44444444);
	CHECK_EQ(inb(GUEST_PORT), 0x01);
	CHECK_EQ(inw(GUEST_PORT + 2), 0x0302);
	CHECK_EQ(inl(GUEST_PORT + 4), 0x07060504);
}

/* IN changes no more of RAX than its size; a 32-bit one clears the rest. */
void g_port_partial(void)
{
	u64 v;

	asm volatile("inb %%dx, %%al" : "=a"(v) : "a"(~0ull), "d"(GUEST_PORT));
	CHECK_EQ(v, 0xffffffffffffff01);
	asm volatile("inw %%dx, %%ax" : "=a"(v) : "a"(~0ull), "d"(GUEST_PORT));
	CHECK_EQ(v, 0xffffffffffff0302);
	asm volatile("inl %%dx, %%eax" : "=a"(v) : "a"(~0ull), "d"(GUEST_PORT));
	CHECK_EQ(v, 0x07060504);
}

static u64 outs(const void *from, u64 count, u32 size, bool down)
{
	if (down)
		asm volatile("std" ::: "cc");
	if (size == 1)
		asm volatile("rep outsb" : "+S"(from), "+c"(count) : "d"(GUEST_PORT) : "memory");
	else if (size == 2)
		asm volatile("rep outsw" : "+S"(from), "+c"(count) : "d"(GUEST_PORT) : "memory");
	else
		asm volatile("rep outsl" : "+S"(from), "+c"(count) : "d"(GUEST_PORT) : "memory");
	asm volatile("cld" ::: "cc");
	CHECK_EQ(count, 0);
	return (u64)from;
}

void g_port_outs(void)
{
	static const u8 text[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 };

	CHECK_EQ(outs(text, 3, 1, false), (u64)text + 3);
	CHECK_EQ(outs(text, 3, 2, false), (u64)text + 6);
	CHECK_EQ(outs(text, 3, 4, false), (u64)text + 12);
	CHECK_EQ(outs(text + 4, 3, 1, true), (u64)text + 1);
	CHECK_EQ(outs(text, 0, 1, false), (u64)text);
	asm volatile("outsb" :: "S"(text + 11), "d"(GUEST_PORT));
}

void g_port_ins(void)
{
	u8 *to = buffer;
	u64 count = 5;
	u32 i;

	asm volatile("rep insb" : "+D"(to), "+c"(count) : "d"(GUEST_PORT) : "memory");
	CHECK_EQ(to - buffer, 5);
	CHECK_EQ(count, 0);
	count = 3;
	asm volatile("rep insl" : "+D"(to), "+c"(count) : "d"(GUEST_PORT) : "memory");
	CHECK_EQ(to - buffer, 17);
	count = 2;
	asm volatile("rep insw" : "+D"(to), "+c"(count) : "d"(GUEST_PORT) : "memory");
	CHECK_EQ(to - buffer, 21);
	for (i = 0; i < 21; i++)
		CHECK_EQ(buffer[i], i + 1);
	CHECK_EQ(buffer[21], 0);
}

void g_port_ins_down(void)
{
	u8 *to = buffer + 7;
	u64 count = 4;
	u32 i;

	asm volatile("std; rep insb; cld" : "+D"(to), "+c"(count) : "d"(GUEST_PORT) : "memory");
	CHECK_EQ(to - buffer, 3);
	for (i = 0; i < 4; i++)
		CHECK_EQ(buffer[7 - i], i + 1);
}

/* Many elements, over a page boundary. */
void g_port_ins_long(void)
{
	u8 *to = (u8 *)GUEST_FREE + 0x1000 - 100, *from = to;
	u64 count = 3000;
	u32 i;

	asm volatile("rep insb" : "+D"(to), "+c"(count) : "d"(GUEST_PORT) : "memory");
	CHECK_EQ(count, 0);
	CHECK_EQ(to - from, 3000);
	for (i = 0; i < 3000; i++)
		CHECK_EQ(from[i], (u8)(i + 1));
}

/* Nothing comes of an INS that may not write: #PF, and RCX and RDI tell how far it was. */
void g_port_ins_fault(void)
{
	u64 gva = 0x401000, to = gva - 4, count = 8;

	*pte_of(gva) = 0;
	invlpg(gva);
	trap.vector = NO_TRAP;
	asm volatile(TRY_BEGIN "2:\trep insb\n1:"
		     : "+D"(to), "+c"(count) : "d"(GUEST_PORT) : "memory");
	CHECK_TRAP(14, 2);
	CHECK_EQ(trap.cr2, gva);
	CHECK_EQ(to, gva);
	CHECK_EQ(count, 4);
	CHECK_EQ(U32(gva - 4), 0x04030201);
}

/* OUTS reads its memory through the segment it names, and may fault too. */
void g_port_outs_fault(void)
{
	u64 gva = 0x401000;

	U8(gva - 1) = 0x77;
	*pte_of(gva) = 0;
	invlpg(gva);
	TRY("outsb", :: "S"(gva), "d"(GUEST_PORT) : "memory");
	CHECK_TRAP(14, 0);
	CHECK_EQ(trap.cr2, gva);
	wrmsr(0xc0000100, gva - 0x101);
	asm volatile("fs outsb" :: "S"(0x100ul), "d"(GUEST_PORT));
}
