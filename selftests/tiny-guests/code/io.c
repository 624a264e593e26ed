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

/*
 * The CPU executes an instruction from a translation that it still holds, and the host
 * finds other bytes there: as when another CPU rewrites it meanwhile. Nothing of it is
 * done, and the guest goes on with what is there now, which is no instruction; or all of
 * it is done, where the CPU tells how long it was.
 */
static void rewritten(const u8 *first, u64 size)
{
	static const u8 now[] = { 0x90, 0x90, 0x90, 0x62, 0xc3, 0x90, 0xc3 };
	u64 gva = 0x404000, v = 0x1234;
	u8 *one = (u8 *)0x402000, *other = (u8 *)0x403000;
	u32 i;

	for (i = 0; i < size; i++)
		one[i] = first[i];
	for (i = 0; i < sizeof(now); i++)
		other[i] = now[i];
	*pte_of(gva) = (u64)one | 3;
	invlpg(gva);
	trap.vector = NO_TRAP;
	asm volatile(TRY_BEGIN "2:\tcall *%1\n1:"
		     : "+a"(v) : "r"(gva), "D"(pte_of(gva)), "S"((u64)other | 3), "d"(GUEST_PORT)
		     : "rbx", "rcx", "memory");
	g_resume = 0;
	if (trap.vector == NO_TRAP)
		return;
	CHECK_EQ(trap.vector, 6);
	CHECK_EQ(trap.rip, gva + 3);
	CHECK_EQ(v, 0x1234);
}

void g_port_rewritten(void)
{
	/* mov; in; ret, and mov; cpuid; ret */
	static const u8 port[] = { 0x48, 0x89, 0x37, 0xec, 0xc3 };
	static const u8 id[] = { 0x48, 0x89, 0x37, 0x48, 0x0f, 0xa2, 0xc3 };

	rewritten(port, sizeof(port));
	rewritten(id, sizeof(id));
}

/*
 * For api/answers: instructions that wait for the VMM while it, or another vCPU,
 * changes what they were about.
 */
#define AWAY 0x401000ul		/* a device at first */

static void away_to(u64 entry)
{
	*pte_of(AWAY) = entry;
	invlpg(AWAY);
}

void g_answer_to_ram(void)
{
	away_to(AWAY | 3);
}

void g_answer_to_device(void)
{
	away_to(GUEST_MMIO | 3);
}

void g_answer_ins(u64 count)
{
	u64 to = AWAY;

	away_to(GUEST_MMIO | 3);
	asm volatile("rep insb" : "+D"(to), "+c"(count) : "d"(GUEST_PORT) : "memory");
}

void g_answer_ins_ram(u64 count)
{
	u64 to = AWAY;

	away_to(AWAY | 3);
	asm volatile(".globl g_answer_ins_at\ng_answer_ins_at:\n\trep insb"
		     : "+D"(to), "+c"(count) : "d"(GUEST_PORT) : "memory");
}

void g_answer_outs(u64 count)
{
	static const u8 text[] = { 1, 2, 3, 4, 5, 6, 7, 8 };
	const u8 *from = text;

	asm volatile("rep outsb" : "+S"(from), "+c"(count) : "d"(GUEST_PORT) : "memory");
	CHECK_EQ(from - text, sizeof(text));
	outb(GUEST_PORT + 1, 9);
}

void g_answer_load(u64 from)
{
	static u64 out[2] __attribute__((aligned(16)));

	asm volatile("movdqu (%0), %%xmm3\n\tmovdqa %%xmm3, (%1)" :: "r"(from), "r"(out) :
		     "memory");
	trace(out[0]);
	trace(out[1]);
}

void g_answer_store(u64 to)
{
	static const u64 in[2] = { 0x1111111122222222, 0x3333333344444444 };

	asm volatile("movdqu (%0), %%xmm3\n\tmovdqu %%xmm3, (%1)" :: "r"(in), "r"(to) : "memory");
}

/* A load of one byte; the VMM makes it one of eight while it waits. */
void g_answer_widened(u64 from)
{
	u64 v = 0;

	asm volatile(".globl g_answer_widened_at\ng_answer_widened_at:\n\t"
		     "rex.W\n\t.byte 0x8a, 0x07" : "+a"(v) : "D"(from) : "memory");
	trace(v);
	trace(v >> 32);
}
