// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tiny guests: FPU and SSE state, time, and memory as such.
 */
#include "guest.h"

static inline void load_xmm(const u64 v[2])
{
	asm volatile("movdqu (%0), %%xmm0\n\tmovdqu 16(%0), %%xmm7\n\tmovdqu 32(%0), %%xmm15"
		     :: "r"(v));
}

static void check_xmm(const u64 *v)
{
	u64 now[6];
	u32 i;

	asm volatile("movdqu %%xmm0, (%0)\n\tmovdqu %%xmm7, 16(%0)\n\tmovdqu %%xmm15, 32(%0)"
		     :: "r"(now) : "memory");
	for (i = 0; i < 6; i++)
		CHECK_EQ(now[i], v[i]);
}

/* Registers survive exits to the VMM, which runs other guests and its own SSE meanwhile. */
void g_fpu(u64 seed)
{
	u64 v[6], i, x87 = 0;
	u32 mxcsr = 0x1f80 | (seed & 3) << 13, got;
	u16 cw = 0x37f | (seed & 3) << 10, cw_now;

	for (i = 0; i < 6; i++)
		v[i] = (seed + i) * 0x9e3779b97f4a7c15;
	load_xmm(v);
	asm volatile("fninit\n\tfldcw %0\n\tldmxcsr %1\n\tfildll %2"
		     :: "m"(cw), "m"(mxcsr), "m"(v[0]));
	for (i = 0; i < 20; i++) {
		outl(GUEST_PORT, seed);
		check_xmm(v);
	}
	asm volatile("fistpll %0\n\tfnstcw %1\n\tstmxcsr %2" : "=m"(x87), "=m"(cw_now), "=m"(got));
	CHECK_EQ(x87, v[0]);
	CHECK_EQ(cw_now, cw);
	CHECK_EQ(got & 0xffc0, mxcsr);
}

static u64 xgetbv(void)
{
	u32 low, high;

	asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return low | (u64)high << 32;
}

static void check_xsetbv(void)
{
	u32 bad[] = { 0, 6, 5, 7 | 1u << 30 }, i, r[4];

	TRY("vpxor %%ymm1, %%ymm1, %%ymm1", ::: "memory");	/* XCR0 has no AVX yet */
	CHECK_TRAP(6, 0);
	CHECK_EQ(xgetbv(), 1);
	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		TRY("xsetbv", :: "a"(bad[i]), "d"(0), "c"(0) : "memory");
		CHECK_TRAP(13, 0);
	}
	TRY("xsetbv", :: "a"(3), "d"(0), "c"(1) : "memory");
	CHECK_TRAP(13, 0);
	TRY_USER("xsetbv", :: "a"(3), "d"(0), "c"(0) : "memory");
	CHECK_TRAP(13, 0);
	asm volatile("xsetbv" :: "a"(3), "d"(0), "c"(0) : "memory");
	TRY("vpxor %%ymm1, %%ymm1, %%ymm1", ::: "memory");
	CHECK_TRAP(6, 0);
	cpuid(0xd, 0, r);
	CHECK_EQ(r[1], 576);
	asm volatile("xsetbv" :: "a"(7), "d"(0), "c"(0) : "memory");
	CHECK_EQ(xgetbv(), 7);
	cpuid(0xd, 0, r);
	CHECK_EQ(r[1], 832);
}

/* XCR0, and the upper halves of YMM registers, which it switches: as g_fpu. */
void g_avx(u64 seed)
{
	u64 v[12], now[12], cr4;
	u32 i, k;

	asm volatile("mov %%cr4, %0" : "=r"(cr4));
	asm volatile("mov %0, %%cr4" :: "r"(cr4 | 1 << 18 | 1 << 10 | 1 << 9) : "memory");
	check_xsetbv();
	for (i = 0; i < 12; i++)
		v[i] = (seed + i) * 0x9e3779b97f4a7c15;
	asm volatile("vmovdqu (%0), %%ymm0\n\tvmovdqu 32(%0), %%ymm7\n\tvmovdqu 64(%0), %%ymm15"
		     :: "r"(v), "m"(v));
	for (i = 0; i < 20; i++) {
		outl(GUEST_PORT, seed);
		asm volatile("vmovdqu %%ymm0, (%1)\n\tvmovdqu %%ymm7, 32(%1)\n\t"
			     "vmovdqu %%ymm15, 64(%1)" : "=m"(now) : "r"(now));
		for (k = 0; k < 12; k++)
			CHECK_EQ(now[k], v[k]);
	}
	CHECK_EQ(xgetbv(), 7);
	asm volatile("mov %0, %%cr4" :: "r"(cr4) : "memory");
	TRY("xgetbv", :: "c"(0) : "rax", "rdx", "memory");
	CHECK_TRAP(6, 0);
}

/* The VMM looks at xmm3 with KVM_GET_FPU at the trace, and changes it. */
void g_fpu_vmm(void)
{
	static u64 v[2] = { 0x1122334455667788, 0x99aabbccddeeff00 };

	asm volatile("movdqu (%0), %%xmm3" :: "r"(v));
	trace(1);
	asm volatile("movdqu %%xmm3, (%0)" :: "r"(v) : "memory");
	CHECK_EQ(v[0], 0x5555555566666666);
	CHECK_EQ(v[1], 0x7777777788888888);
}

/* What a fresh vCPU finds in its FPU: as after reset, nothing of the host's. */
void g_fpu_fresh(void)
{
	static const u64 zero[6];
	u32 mxcsr;

	check_xmm(zero);
	asm volatile("stmxcsr %0" : "=m"(mxcsr));
	CHECK_EQ(mxcsr, 0x1f80);
}

struct pvclock {
	u32 version, pad;
	u64 tsc_timestamp, system_time;
	u32 tsc_to_system_mul;
	signed char tsc_shift;
	u8 flags, pad2[2];
};

static volatile struct pvclock clock_page __attribute__((aligned(64)));
static volatile struct {
	u32 version, sec, nsec;
} wall __attribute__((aligned(64)));
volatile u64 g_wall_seconds;

static u64 now_ns(void)
{
	u64 delta, ns;
	u32 version;

	do {
		version = clock_page.version;
		asm volatile("" ::: "memory");
		delta = rdtsc() - clock_page.tsc_timestamp;
		if (clock_page.tsc_shift >= 0)
			delta <<= clock_page.tsc_shift;
		else
			delta >>= -clock_page.tsc_shift;
		ns = clock_page.system_time +
			(u64)((unsigned __int128)delta * clock_page.tsc_to_system_mul >> 32);
		asm volatile("" ::: "memory");
	} while (version != clock_page.version || version & 1);
	return ns;
}

/* Version even, time never back over exits and halts; MSRs read back as written. */
void g_kvmclock(void)
{
	u64 last, now, begin;
	u32 i;

	wrmsr(0x4b564d01, (u64)&clock_page | 1);
	CHECK_EQ(rdmsr(0x4b564d01), (u64)&clock_page | 1);
	trace(0);
	CHECK_EQ(clock_page.version & 1, 0);
	CHECK(clock_page.version);
	CHECK(clock_page.tsc_to_system_mul);
	begin = last = now_ns();
	for (i = 0; i < 300; i++) {
		if (i % 10 == 0)
			trace(i);
		now = now_ns();
		CHECK(now >= last);
		last = now;
	}
	CHECK(last > begin);
	CHECK(last < begin + 60000000000ull);
	wrmsr(0x4b564d00, (u64)&wall);
	trace(0);
	CHECK_EQ(wall.version & 1, 0);
	CHECK(wall.nsec < 1000000000);
	g_wall_seconds = wall.sec + now_ns() / 1000000000;
	wrmsr(0x4b564d01, 0);
	trace(0);
}

/* Clock pages where nothing is: refused or ignored, never a crash. */
void g_kvmclock_bad(void)
{
	static const u64 bad[] = { 0xd0000001, 0x7fffffff001, 0xfffffffffffff001, 0xfff };
	u32 i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		TRY("wrmsr", :: "c"(0x4b564d01), "a"((u32)bad[i]), "d"((u32)(bad[i] >> 32)) :
		    "memory");
		trace(i);
		TRY("wrmsr", :: "c"(0x4b564d00), "a"((u32)bad[i] & ~1u), "d"((u32)(bad[i] >> 32)) :
		    "memory");
		trace(i);
	}
	wrmsr(0x4b564d01, 0);
}

/* Every page of [4 MiB, end): first zero, then its own number, then that again. */
void g_touch(u64 end)
{
	u64 gva;

	for (gva = 0x400000; gva < end; gva += 4096) {
		CHECK_EQ(U64(gva + 8), 0);
		U64(gva + 8) = gva ^ 0x5a5a5a5a;
	}
	for (gva = 0x400000; gva < end; gva += 4096)
		CHECK_EQ(U64(gva + 8), gva ^ 0x5a5a5a5a);
}

/* A read-only slot at 0xd8000000: reads as memory; a write goes to the VMM. */
void g_readonly(void)
{
	CHECK_EQ(U64(0xd8000010), 0x1234567890abcdef);
	U32(0xd8000010) = 0x77;
	CHECK_EQ(U64(0xd8000010), 0x1234567890abcdef);
	asm volatile("lock incl (%0)" :: "r"(0xd8000010ul) : "memory");
	CHECK_EQ(U64(0xd8000010), 0x1234567890abcdef);
}

/* Reads eight bytes and traces their low half; the VMM changes what lies there. */
void g_read(u64 gva)
{
	for (;;)
		trace(U64(gva));
}

/* Writes the round to gva, and traces what was there, for ever. */
void g_replace(u64 gva)
{
	u32 round, old;

	for (round = 1;; round++) {
		old = U64(gva);
		U64(gva) = round;
		trace(old);
	}
}

/* Copies four bytes from gva to a device, for ever. */
void g_to_device(u64 gva)
{
	for (;;) {
		u64 from = gva, to = GUEST_MMIO;

		asm volatile("movsl" : "+S"(from), "+D"(to) :: "memory");
	}
}

/* Fills [gva, gva + 1 MiB) with one byte, for ever; traces the round. */
void g_write_forever(u64 gva)
{
	u32 round, i;

	for (round = 0;; round++) {
		for (i = 0; i < 256; i++)
			U64(gva + i * 4096) = round;
		trace(round);
	}
}

/* Writes to each page of [gva, gva + 4 MiB), for ever: its number, then the same to all. */
void g_rewrite(u64 gva)
{
	u32 round, i;

	for (round = 0;; round++) {
		for (i = 0; i < 1024; i++)
			U64(gva + i * 4096) = round % 2 ? 7 : i + 1;
		trace(round);
	}
}

void g_spin_forever(void)
{
	for (;;)
		pause();
}

/* It stands between these two for ever, so that who looks knows where. */
asm(".globl g_stand_begin, g_stand_end\n"
    "g_stand_begin: jmp g_stand_begin\n"
    "g_stand_end: hlt");

void g_stand_kernel(void)
{
	asm volatile("jmp g_stand_begin");
}

void g_stand_user(void)
{
	TRY_USER("jmp g_stand_begin", ::: "memory");
}

void g_halt_forever(void)
{
	for (;;)
		asm volatile("cli; hlt");
}

/*
 * The soak test's guest: pages of [4 MiB, 4 MiB + pages * 4 KiB) hold a pattern that
 * follows from g_seed and their number; each round verifies all and rewrites
 * some. A third of the pages are the same in every guest, a third are zero.
 */
volatile u64 g_seed, g_pages;

static u64 pattern(u64 page, u64 generation)
{
	switch (page % 3) {
	case 0:
		return page * 0x9e3779b97f4a7c15 + generation;
	case 1:
		return 0;
	default:
		return page * 0xbf58476d1ce4e5b9 + g_seed + generation;
	}
}

static void fill(u64 page, u64 v)
{
	u64 *p = (u64 *)(0x400000 + page * 4096), i;

	for (i = 0; i < 512; i++)
		p[i] = v ? v + i : 0;
}

static void verify(u64 page, u64 v)
{
	u64 *p = (u64 *)(0x400000 + page * 4096), i;

	for (i = 0; i < 512; i++)
		CHECK_EQ(p[i], v ? v + i : 0);
}

static u64 generations[16384];

void g_soak(void)
{
	u64 round, page, random = g_seed;

	for (page = 0; page < g_pages; page++)
		fill(page, pattern(page, 0));
	for (round = 1;; round++) {
		for (page = 0; page < g_pages; page++) {
			verify(page, pattern(page, generations[page]));
			random = random * 6364136223846793005 + 1442695040888963407;
			if (random >> 60)
				continue;
			generations[page] = round;
			fill(page, pattern(page, round));
		}
		trace(round);
	}
}
