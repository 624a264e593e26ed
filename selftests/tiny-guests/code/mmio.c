// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tiny guests: instructions on a device of the VMM that behaves as memory, so
 * that every result has one right value. The VMM compares the accesses it saw
 * with the tables beside the runner where their number and width matter.
 */
#include "guest.h"

#define M GUEST_MMIO
#define FLAGS_CF 0x1ul
#define FLAGS_ZF 0x40ul
#define FLAGS_SF 0x80ul
#define FLAGS_OF 0x800ul

void g_mmio_widths(void)
{
	U8(M) = 0x11;
	U16(M + 2) = 0x2222;
	U32(M + 4) = 0x44444444;
	U64(M + 8) = 0x8888888899999999;
	CHECK_EQ(U8(M), 0x11);
	CHECK_EQ(U16(M + 2), 0x2222);
	CHECK_EQ(U32(M + 4), 0x44444444);
	CHECK_EQ(U64(M + 8), 0x8888888899999999);
}

/* Every general register, as source and destination. */
#define ONE_REG(reg, n)							\
	asm volatile("mov %0, %%" reg "\n\tmov %%" reg ", (%1)\n\t"	\
		     "xor %%" reg ", %%" reg "\n\tmov (%1), %%" reg "\n\t" \
		     "mov %%" reg ", %0"				\
		     : "+m"(cell) : "r"((u64)M + 16) : reg, "memory");	\
	CHECK_EQ(cell, 0x1000 + (n));					\
	cell++

void g_mmio_registers(void)
{
	static volatile u64 cell = 0x1000;

	ONE_REG("rax", 0);
	ONE_REG("rcx", 1);
	ONE_REG("rdx", 2);
	ONE_REG("rbx", 3);
	ONE_REG("rsi", 4);
	ONE_REG("rdi", 5);
	ONE_REG("r8", 6);
	ONE_REG("r9", 7);
	ONE_REG("r10", 8);
	ONE_REG("r11", 9);
	ONE_REG("r12", 10);
	ONE_REG("r13", 11);
	ONE_REG("r14", 12);
	ONE_REG("r15", 13);
}

/* High byte registers, and REX that makes them SPL and so on. */
void g_mmio_byte_registers(void)
{
	u64 v;

	U8(M) = 0x5a;
	asm volatile("mov (%1), %%ah\n\tmov %%rax, %0" : "=r"(v) : "r"((u64)M), "a"(0ul));
	CHECK_EQ(v, 0x5a00);
	asm volatile("mov %%bh, (%0)" :: "r"((u64)M), "b"(0x7700ul) : "memory");
	CHECK_EQ(U8(M), 0x77);
	asm volatile("mov $0x33, %%esi\n\tmov %%sil, (%0)" :: "r"((u64)M) : "rsi", "memory");
	CHECK_EQ(U8(M), 0x33);
}

/* Base, index, scale and displacement; RIP-relative; segment base; 32-bit addresses. */
void g_mmio_addressing(void)
{
	u32 v;

	U32(M + 0x100) = 0xabcdef01;
	asm volatile("mov -0x10(%1,%2,8), %0" : "=r"(v) : "r"((u64)M + 0x100), "r"(2ul));
	CHECK_EQ(v, 0xabcdef01);
	asm volatile("mov 0x100(%k1), %0" : "=r"(v) : "r"((u64)M | 1ull << 40));
	CHECK_EQ(v, 0xabcdef01);
	wrmsr(0xc0000100, M + 0x80);
	asm volatile("mov %%fs:0x80, %0" : "=r"(v));
	CHECK_EQ(v, 0xabcdef01);
	asm volatile("mov %%fs:(%1), %0" : "=r"(v) : "r"(0x80ul));
	CHECK_EQ(v, 0xabcdef01);
	asm volatile("movabs 0xd0000100, %%eax\n\tmov %%eax, %0"
		     : "=r"(v) :: "rax");
	CHECK_EQ(v, 0xabcdef01);
}

void g_mmio_extend(void)
{
	u64 v;

	U32(M) = 0x8081f2f3;
	asm volatile("movzbl (%1), %k0" : "=r"(v) : "r"((u64)M));
	CHECK_EQ(v, 0xf3);
	asm volatile("movsbq (%1), %0" : "=r"(v) : "r"((u64)M));
	CHECK_EQ(v, 0xfffffffffffffff3);
	asm volatile("movzwl (%1), %k0" : "=r"(v) : "r"((u64)M));
	CHECK_EQ(v, 0xf2f3);
	asm volatile("movswq (%1), %0" : "=r"(v) : "r"((u64)M));
	CHECK_EQ(v, 0xfffffffffffff2f3);
	asm volatile("movslq (%1), %0" : "=r"(v) : "r"((u64)M));
	CHECK_EQ(v, 0xffffffff8081f2f3);
	v = ~0ul;
	asm volatile("movsbw (%1), %w0" : "+r"(v) : "r"((u64)M));
	CHECK_EQ(v, 0xfffffffffffffff3);
	v = ~0ul;
	asm volatile("mov (%1), %k0" : "+r"(v) : "r"((u64)M));
	CHECK_EQ(v, 0x8081f2f3);
}

void g_mmio_immediate(void)
{
	asm volatile("movb $0x12, (%0)" :: "r"((u64)M) : "memory");
	asm volatile("movw $0x3456, 2(%0)" :: "r"((u64)M) : "memory");
	asm volatile("movl $0x789abcde, 4(%0)" :: "r"((u64)M) : "memory");
	asm volatile("movq $-2, 8(%0)" :: "r"((u64)M) : "memory");
	CHECK_EQ(U8(M), 0x12);
	CHECK_EQ(U16(M + 2), 0x3456);
	CHECK_EQ(U32(M + 4), 0x789abcde);
	CHECK_EQ(U64(M + 8), 0xfffffffffffffffe);
}

/* insn with operand: result and the arithmetic flags that it defines. */
#define RMW(start, insn, result, flags, mask) do {			\
	u64 fl_;							\
	U32(M) = (start);						\
	asm volatile("clc\n\t" insn "\n\tpushfq\n\tpop %0"		\
		     : "=r"(fl_) : "r"((u64)M), "r"(0x0f0f0f0fu) : "memory", "cc");	\
	CHECK_EQ(U32(M), result);					\
	CHECK_EQ(fl_ & (mask), flags);					\
} while (0)
#define ARITH (FLAGS_CF | FLAGS_ZF | FLAGS_SF | FLAGS_OF)

void g_mmio_rmw(void)
{
	RMW(0xf0000000, "orl %2, (%1)", 0xff0f0f0f, FLAGS_SF, ARITH);
	RMW(0xf0f0f0f0, "andl %2, (%1)", 0, FLAGS_ZF, ARITH);
	RMW(0x0f0f0f0e, "xorl %2, (%1)", 1, 0, ARITH);
	RMW(0xf0f0f0f1, "addl %2, (%1)", 0, FLAGS_CF | FLAGS_ZF, ARITH);
	RMW(0x00000000, "subl %2, (%1)", 0xf0f0f0f1, FLAGS_CF | FLAGS_SF, ARITH);
	RMW(0x7fffffff, "addl $1, (%1)", 0x80000000, FLAGS_SF | FLAGS_OF, ARITH);
	RMW(0x00000005, "adcl $6, (%1)", 11, 0, ARITH);
	RMW(0x00000005, "stc\n\tadcl $6, (%1)", 12, 0, ARITH);
	RMW(0x00000005, "stc\n\tsbbl $5, (%1)", 0xffffffff, FLAGS_CF | FLAGS_SF, ARITH);
	RMW(0x000000ff, "incb (%1)", 0, FLAGS_ZF, ARITH);
	RMW(0x00000100, "decl (%1)", 0xff, 0, ARITH);
	RMW(0x00000001, "negl (%1)", 0xffffffff, FLAGS_CF | FLAGS_SF, ARITH);
	RMW(0x0ff00ff0, "notl (%1)", 0xf00ff00f, 0, 0);
	RMW(0x80000001, "shll $1, (%1)", 2, FLAGS_CF, FLAGS_CF | FLAGS_ZF | FLAGS_SF);
	RMW(0x80000001, "sarl $4, (%1)", 0xf8000000, FLAGS_SF, FLAGS_CF | FLAGS_ZF | FLAGS_SF);
	RMW(0x80000001, "roll $8, (%1)", 0x00000180, 0, FLAGS_CF);
	RMW(0x00000000, "btsl $5, (%1)", 0x20, 0, FLAGS_CF);
	RMW(0x00000020, "btrl $5, (%1)", 0, FLAGS_CF, FLAGS_CF);
	RMW(0x00000020, "lock btcl $5, (%1)", 0, FLAGS_CF, FLAGS_CF);
	RMW(0x12345678, "lock orl $0xff, (%1)", 0x123456ff, 0, ARITH);
}

/* Read only: flags, and nothing is written. */
void g_mmio_compare(void)
{
	RMW(0x00000005, "cmpl $5, (%1)", 5, FLAGS_ZF, ARITH);
	RMW(0x00000004, "cmpl $5, (%1)", 4, FLAGS_CF | FLAGS_SF, ARITH);
	RMW(0x80000000, "cmpl $1, (%1)", 0x80000000, FLAGS_OF, ARITH);
	RMW(0x80000000, "testl $0x80000000, (%1)", 0x80000000, FLAGS_SF, ARITH);
	RMW(0x00000010, "testb $0x0f, (%1)", 0x10, FLAGS_ZF, ARITH);
	RMW(0x00000010, "btl $4, (%1)", 0x10, FLAGS_CF, FLAGS_CF);
	RMW(0x0f0f0f0f, "cmpl (%1), %2", 0x0f0f0f0f, FLAGS_ZF, ARITH);
}

/* A register receives: the other direction of the same opcodes. */
void g_mmio_to_register(void)
{
	u64 v = 5, w = 0;

	U64(M) = 37;
	asm volatile("add (%1), %0" : "+r"(v) : "r"((u64)M));
	CHECK_EQ(v, 42);
	asm volatile("imul (%1), %0" : "+r"(v) : "r"((u64)M));
	CHECK_EQ(v, 42 * 37);
	asm volatile("xor (%1), %0" : "+r"(v) : "r"((u64)M));
	CHECK_EQ(v, (42 * 37) ^ 37);
	asm volatile("mulq (%2)" : "+a"(v), "=d"(w) : "r"((u64)M));
	CHECK_EQ(v, ((42 * 37) ^ 37) * 37);
	asm volatile("cmp %%eax, %%eax\n\tcmove (%1), %0" : "+r"(w) : "r"((u64)M));
	CHECK_EQ(w, 37);
}

void g_mmio_exchange(void)
{
	u64 v = 0xaaaa, old = 1, flag;

	U64(M) = 0xbbbb;
	asm volatile("xchg %0, (%1)" : "+r"(v) : "r"((u64)M) : "memory");
	CHECK_EQ(v, 0xbbbb);
	CHECK_EQ(U64(M), 0xaaaa);
	asm volatile("lock cmpxchg %3, (%2)\n\tsete %b1" : "+a"(old), "=&q"(flag)
		     : "r"((u64)M), "r"(0xccccul) : "memory");
	CHECK_EQ((u8)flag, 0);
	CHECK_EQ(old, 0xaaaa);
	CHECK_EQ(U64(M), 0xaaaa);
	asm volatile("lock cmpxchg %3, (%2)\n\tsete %b1" : "+a"(old), "=&q"(flag)
		     : "r"((u64)M), "r"(0xccccul) : "memory");
	CHECK_EQ((u8)flag, 1);
	CHECK_EQ(U64(M), 0xcccc);
	v = 4;
	asm volatile("lock xadd %0, (%1)" : "+r"(v) : "r"((u64)M) : "memory");
	CHECK_EQ(v, 0xcccc);
	CHECK_EQ(U64(M), 0xccd0);
}

static u8 ram[4096] __attribute__((aligned(4096)));

void g_mmio_string(void)
{
	const void *from = ram;
	void *to = (void *)(u64)(M + 0x200);
	u64 count = 8, al;
	u32 i;

	for (i = 0; i < 64; i++)
		ram[i] = i + 1;
	asm volatile("rep movsq" : "+S"(from), "+D"(to), "+c"(count) :: "memory");
	CHECK_EQ((u64)from, (u64)ram + 64);
	CHECK_EQ((u64)to, M + 0x240);
	CHECK_EQ(count, 0);
	from = (void *)(u64)(M + 0x200);
	to = ram + 1024;
	count = 64;
	asm volatile("rep movsb" : "+S"(from), "+D"(to), "+c"(count) :: "memory");
	for (i = 0; i < 64; i++)
		CHECK_EQ(ram[1024 + i], i + 1);
	/* From MMIO to MMIO, downwards. */
	from = (void *)(u64)(M + 0x21c);
	to = (void *)(u64)(M + 0x29c);
	count = 8;
	asm volatile("std; rep movsl; cld" : "+S"(from), "+D"(to), "+c"(count) :: "memory");
	for (i = 0; i < 8; i++)
		CHECK_EQ(U32(M + 0x280 + 4 * i), U32(M + 0x200 + 4 * i));
	to = (void *)(u64)(M + 0x300);
	count = 4;
	asm volatile("rep stosw" : "+D"(to), "+c"(count) : "a"(0x4321) : "memory");
	CHECK_EQ(U64(M + 0x300), 0x4321432143214321);
	from = (void *)(u64)(M + 0x300);
	asm volatile("lodsl" : "=a"(al), "+S"(from));
	CHECK_EQ(al, 0x43214321);
	to = (void *)(u64)(M + 0x200);
	count = 64;
	asm volatile("repne scasb" : "+D"(to), "+c"(count) : "a"(10));
	CHECK_EQ((u64)to, M + 0x20a);
	from = ram;
	to = (void *)(u64)(M + 0x200);
	U8(M + 0x205) = 0xff;
	count = 64;
	asm volatile("repe cmpsb" : "+S"(from), "+D"(to), "+c"(count));
	CHECK_EQ((u64)to, M + 0x206);
}

/* The stack and the operand of PUSH and POP on MMIO. */
void g_mmio_stack(void)
{
	u64 v;

	asm volatile("mov %%rsp, %%rbx\n\tmov %1, %%rsp\n\tpushq $0x1234\n\tpushq %1\n\t"
		     "popq %0\n\tmov %%rbx, %%rsp"
		     : "=&r"(v) : "r"((u64)M + 0x400) : "rbx", "memory");
	CHECK_EQ(v, M + 0x400);
	CHECK_EQ(U64(M + 0x3f8), 0x1234);
	U64(M) = 0x5678;
	asm volatile("sub $128, %%rsp\n\tpushq (%1)\n\tpopq %0\n\tadd $128, %%rsp" : "=r"(v) :
		     "r"((u64)M));
	CHECK_EQ(v, 0x5678);
	asm volatile("sub $128, %%rsp\n\tpushq $0x77\n\tpopq (%0)\n\tadd $128, %%rsp" :: "r"((u64)M)
		     : "memory");
	CHECK_EQ(U64(M), 0x77);
}

/* Each is one instruction: that of the second call is known by the first. */
static __attribute__((noinline)) void store_at(u64 gva, u32 val)
{
	asm volatile("movl %1, (%0)" :: "r"(gva), "r"(val) : "memory");
}

static __attribute__((noinline)) u32 load_at(u64 gva)
{
	u32 val;

	asm volatile("movl (%1), %0" : "=r"(val) : "r"(gva) : "memory");
	return val;
}

/* One access, half RAM and half MMIO; and over two pages of MMIO. */
void g_mmio_crossing(void)
{
	u64 gva = 0x403000;

	*pte_of(gva) = M | 3;
	invlpg(gva);
	U32(gva - 2) = 0x44332211;
	CHECK_EQ(U16(gva - 2), 0x2211);
	CHECK_EQ(U16(M), 0x4433);
	CHECK_EQ(U32(gva - 2), 0x44332211);
	store_at(M, 0);
	store_at(gva - 2, 0x88776655);
	CHECK_EQ(U16(gva - 2), 0x6655);
	CHECK_EQ(U32(M), 0x8877);
	CHECK_EQ(load_at(M), 0x8877);
	CHECK_EQ(load_at(gva - 2), 0x88776655);
	CHECK_EQ(load_at(M), 0x8877);
	U64(M + 0xffc) = 0x8877665544332211;
	CHECK_EQ(U32(M + 0xffc), 0x44332211);
	CHECK_EQ(U32(M + 0x1000), 0x88776655);
	CHECK_EQ(U64(M + 0xffc), 0x8877665544332211);
}

/* The second page faults: nothing is written to the first. */
void g_mmio_crossing_fault(void)
{
	u64 gva = 0x403000;

	*pte_of(gva - 0x1000) = M | 3;
	*pte_of(gva) = 0;
	invlpg(gva);
	invlpg(gva - 0x1000);
	U32(M + 0xffc) = 0;
	TRY("movl $-1, (%0)", :: "r"(gva - 2) : "memory");
	CHECK_TRAP(14, 2);
	CHECK_EQ(trap.cr2, gva);
	CHECK_EQ(U32(M + 0xffc), 0);
}

/* As many pieces as an instruction can write: two of them are one run across pages. */
void g_mmio_masked(void)
{
	static const u8 mask[16] __attribute__((aligned(16))) = {
		0x80, 0x80, 0, 0x80, 0, 0x80, 0, 0x80, 0, 0x80, 0, 0x80, 0, 0x80, 0, 0x80,
	};
	static u8 in[16] __attribute__((aligned(16)));
	int i;

	for (i = 0; i < 16; i++) {
		in[i] = 0x50 + i;
		U8(M + 0xfff + i) = 0xee;
	}
	asm volatile("movdqa (%0), %%xmm3\n\tmovdqa (%1), %%xmm4\n\tmaskmovdqu %%xmm4, %%xmm3"
		     :: "r"(in), "r"(mask), "D"((u64)M + 0xfff) : "memory");
	for (i = 0; i < 16; i++)
		CHECK_EQ(U8(M + 0xfff + i), mask[i] ? 0x50 + i : 0xee);
}

void g_mmio_sse(void)
{
	static u64 in[2] __attribute__((aligned(16))) = { 0x1111111122222222, 0x3333333344444444 };
	static u64 out[2] __attribute__((aligned(16)));

	asm volatile("movdqu (%0), %%xmm3\n\tmovdqu %%xmm3, (%1)\n\t"
		     "movdqa (%1), %%xmm4\n\tmovaps %%xmm4, (%2)"
		     :: "r"(in), "r"((u64)M), "r"(out) : "memory");
	CHECK_EQ(U64(M), in[0]);
	CHECK_EQ(U64(M + 8), in[1]);
	CHECK_EQ(out[0], in[0]);
	CHECK_EQ(out[1], in[1]);
	TRY("movdqa (%0), %%xmm4", :: "r"((u64)M + 8) : "memory");
	CHECK_TRAP(13, 0);
}

/* MMX shares its registers with x87, whose stack it makes full. */
void g_mmio_mmx(void)
{
	u64 out;
	u32 half;

	U64(M) = 0x1122334455667788;
	U64(M + 16) = 0xff00ff00ff00ff00;
	asm volatile("fninit\n\tmovq (%2), %%mm2\n\tmovq %%mm2, 8(%2)\n\tpand 16(%2), %%mm2\n\t"
		     "movq %%mm2, %0\n\tmovd 4(%2), %%mm7\n\tmovd %%mm7, %1\n\t"
		     "movntq %%mm7, 24(%2)\n\temms"
		     : "=m"(out), "=r"(half) : "r"((u64)M) : "memory");
	CHECK_EQ(U64(M + 8), 0x1122334455667788);
	CHECK_EQ(out, 0x1100330055007700);
	CHECK_EQ(half, 0x11223344);
	CHECK_EQ(U64(M + 24), 0x11223344);
}

void g_mmio_x87(void)
{
	u16 status;

	U64(M) = 0x123456789abcdef1;
	U64(M + 16) = 0xbff8000000000000;		/* -1.5 */
	asm volatile("fninit\n\tfildll (%1)\n\tfistpll 8(%1)\n\tfldl 16(%1)\n\tfsts 24(%1)\n\t"
		     "fistl 28(%1)\n\tfstpt 32(%1)\n\tfnstcw 44(%1)\n\tfldt 32(%1)\n\t"
		     "fchs\n\tfstpl 48(%1)\n\tfnstsw %0"
		     : "=a"(status) : "r"((u64)M) : "memory");
	CHECK_EQ(U64(M + 8), 0x123456789abcdef1);
	CHECK_EQ(U32(M + 24), 0xbfc00000);
	CHECK_EQ(U32(M + 28), -2u);
	CHECK_EQ(U64(M + 32), 0xc000000000000000);
	CHECK_EQ(U16(M + 40), 0xbfff);
	CHECK_EQ(U16(M + 44), 0x37f);
	CHECK_EQ(U64(M + 48), 0x3ff8000000000000);
	CHECK_EQ(status & 0x3f7f, 0x20);		/* inexact, rounded away from zero or not */
}

/* Newer arithmetic on general registers, some of it with VEX. */
void g_mmio_bits(void)
{
	static u8 byte = 0xf0;
	u64 andn, shlx, pop, lz, crc = 0, same = 0;

	U64(M) = 0x00f0000000000ff0;
	asm volatile("andn (%4), %5, %0\n\tshlx %6, (%4), %1\n\tpopcnt (%4), %2\n\t"
		     "lzcnt (%4), %3"
		     : "=&r"(andn), "=&r"(shlx), "=&r"(pop), "=&r"(lz)
		     : "r"((u64)M), "r"(0xffull), "r"(8ull) : "memory", "cc");
	asm volatile("crc32b (%1), %0" : "+r"(crc) : "r"((u64)M) : "memory");
	CHECK_EQ(andn, 0x00f0000000000f00);
	CHECK_EQ(shlx, 0xf0000000000ff000);
	CHECK_EQ(pop, 12);
	CHECK_EQ(lz, 8);
	asm volatile("crc32b (%1), %0" : "+r"(same) : "r"(&byte) : "memory");
	CHECK_EQ(crc, same);
}

/* Selectors and tables that lie in a device's memory. */
void g_mmio_segments(void)
{
	u64 gdtr[2] = { 0 }, limit;
	u16 fs, ds, tr;

	asm volatile("mov %%ds, %0\n\tmov %%fs, %1\n\tstr %2" : "=r"(ds), "=r"(fs), "=r"(tr));
	U16(M) = ds;
	asm volatile("mov (%1), %%fs\n\tmov %%fs, %0" : "=r"(fs) : "r"((u64)M) : "memory");
	CHECK_EQ(fs, ds);
	U16(M) = 0;
	asm volatile("mov (%1), %%fs\n\tmov %%fs, %0" : "=r"(fs) : "r"((u64)M) : "memory");
	CHECK_EQ(fs, 0);
	U16(M) = 0xfff8;
	TRY("mov (%0), %%fs", :: "r"((u64)M) : "memory");
	CHECK_TRAP(13, 0xfff8);
	asm volatile("sgdt %0" : "=m"(gdtr));
	asm volatile("sgdt (%0)" :: "r"((u64)M) : "memory");
	CHECK_EQ(U64(M), gdtr[0]);
	CHECK_EQ(U16(M + 8), (u16)gdtr[1]);
	asm volatile("lgdt (%0)" :: "r"((u64)M) : "memory");
	asm volatile("str (%0)" :: "r"((u64)M + 16) : "memory");
	CHECK_EQ(U16(M + 16), tr);
	U16(M) = ds;
	asm volatile("lsl %1, %0" : "=r"(limit) : "r"((u64)ds));
	asm volatile("lsl (%1), %0" : "=r"(gdtr[0]) : "r"((u64)M) : "memory");
	CHECK_EQ(gdtr[0], limit);
}

/* A user-mode page fault inside an emulated instruction has the U bit. */
void g_mmio_user_fault(void)
{
	u64 gva = 0x403000;

	*pte_of(gva) = M | 3;		/* supervisor only */
	invlpg(gva);
	TRY_USER("movl $1, (%0)", :: "r"(gva) : "memory");
	CHECK_TRAP(14, 7);
	CHECK_EQ(trap.cr2, gva);
}

/* No emulator knows this one: the VMM gets the bytes. */
void g_mmio_unknown(void)
{
	asm volatile(".globl g_mmio_unknown_at\ng_mmio_unknown_at:\n\taesenc (%0), %%xmm1"
		     :: "r"((u64)M));
}

/* A program that executes such gets the fault of an instruction that is not there. */
void g_mmio_user_unknown(void)
{
	asm volatile("fninit");
	TRY_USER("flds (%0)", :: "r"((u64)M) : "memory");
	CHECK_TRAP(6, 0);
	CHECK_EQ(trap.cs, GUEST_USER_CS64);
	TRY_USER("fbstp (%0)", :: "r"((u64)M) : "memory");
	CHECK_TRAP(6, 0);
	TRY_USER("fmull (%0)", :: "r"((u64)M) : "memory");
	CHECK_TRAP(6, 0);
	TRY_USER("paddd (%0), %%xmm1", :: "r"((u64)M) : "memory");
	CHECK_TRAP(6, 0);
	TRY_USER("lock cmpxchg8b (%0)", :: "r"((u64)M + 0x10), "a"(1), "d"(1) : "memory");
	CHECK_EQ(trap.vector, 0x80);
	TRY_USER("jmp *%0", :: "r"((u64)M) : "memory");
	CHECK_EQ(trap.vector, 6);
	CHECK_EQ(trap.rip, M);
	/* And goes on. */
	TRY_USER("movl $5, (%0)", :: "r"((u64)M) : "memory");
	CHECK_EQ(trap.vector, 0x80);
	CHECK_EQ(U32(M), 5);
}

/* Code is fetched from where there is no memory. */
void g_mmio_execute(void)
{
	asm volatile("jmp *%0" :: "r"((u64)M));
}

/* The same address, other bytes: what was decoded there before is not executed again. */
void g_mmio_patched(void)
{
	static u8 code[16] = { 0x89, 0x07, 0xc3 };	/* mov %eax, (%rdi); ret */
	int i;

	for (i = 0; i < 4; i++) {
		*(volatile u8 *)&code[1] = i & 2 ? 0x0f : 0x07;		/* %ecx : %eax */
		asm volatile("call *%0" :: "r"(code), "D"(M), "a"(0x11), "c"(0x22) : "memory");
	}
}

/* For the benchmark: count accesses or instructions of one kind. */
void g_bench_empty(u64 n)
{
	while (n--)
		asm volatile("" ::: "memory");
}

void g_bench_cpuid(u64 n)
{
	while (n--)
		asm volatile("xor %%eax, %%eax; cpuid" ::: "rax", "rbx", "rcx", "rdx");
}

/* Each maker's own instruction: the other's costs an exception and an emulation. */
void g_bench_hypercall(u64 n)
{
	u32 r[4];

	cpuid(0, 0, r);
	if (r[1] == 0x68747541)		/* "Auth" */
		while (n--)
			asm volatile("vmmcall" :: "a"(0x7777) : "memory", "rdx");
	else
		while (n--)
			asm volatile("vmcall" :: "a"(0x7777) : "memory", "rdx");
}

void g_bench_port(u64 n)
{
	while (n--)
		outl(GUEST_PORT, 1);
}

void g_bench_mmio(u64 n)
{
	while (n--)
		U32(M) = 1;
}

/* n pages from 4 MiB on. */
void g_bench_touch(u64 n)
{
	u64 i;

	for (i = 0; i < n; i++)
		U64(0x400000 + i * 4096) = i;
}
