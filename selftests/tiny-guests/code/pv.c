// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tiny guests: KVM's paravirtual features. api/pv.c calls them, and says what they must find.
 */
#include "guest.h"


#define HC_VAPIC_POLL_IRQ	1
#define HC_CLOCK_PAIRING	9
#define HC_SEND_IPI		10
#define HC_SCHED_YIELD		11
#define HC_MAP_GPA_RANGE	12

#define EPERM			1
#define EFAULT			14
#define EINVAL			22
#define EOPNOTSUPP		95
#define ENOSYS			1000

/* What the VMM wants to happen next. */
volatile u32 g_pv_go;
volatile s64 g_pv_result;

s64 hypercall(u64 nr, u64 a, u64 b, u64 c, u64 d)
{
	s64 result;
	u32 r[4];

	cpuid(0, 0, r);
	if (r[1] == 0x68747541)		/* "Auth" */
		asm volatile("vmmcall" : "=a"(result)
			     : "a"(nr), "b"(a), "c"(b), "d"(c), "S"(d) : "memory");
	else
		asm volatile("vmcall" : "=a"(result)
			     : "a"(nr), "b"(a), "c"(b), "d"(c), "S"(d) : "memory");
	return result;
}

/* Writes to the page, so that it is mapped, and spins until told otherwise. */
void g_pv_spin(u64 gpa)
{
	U8(gpa + 63) = 1;
	while (!g_pv_go)
		pause();
}

void g_pv_hypercalls(void)
{
	lapic_enable();
	CHECK_EQ(hypercall(HC_VAPIC_POLL_IRQ, 0, 0, 0, 0), 0);
	CHECK_EQ(hypercall(0, 0, 0, 0, 0), -ENOSYS);
	CHECK_EQ(hypercall(4, 0, 0, 0, 0), -ENOSYS);
	CHECK_EQ(hypercall(1ull << 32 | HC_KICK_CPU, 0, 0, 0, 0), -ENOSYS);
	CHECK_EQ(hypercall(~0ull, 0, 0, 0, 0), -ENOSYS);
	CHECK_EQ(hypercall(HC_MAP_GPA_RANGE, 0, 1, 0, 0), -ENOSYS);
	/* Itself, and ids that nobody has. */
	CHECK_EQ(hypercall(HC_SCHED_YIELD, 0, 0, 0, 0), 0);
	CHECK_EQ(hypercall(HC_SCHED_YIELD, 77, 0, 0, 0), 0);
	CHECK_EQ(hypercall(HC_SCHED_YIELD, ~0ull, 0, 0, 0), 0);
	CHECK_EQ(hypercall(HC_KICK_CPU, 0, 77, 0, 0), 0);
	CHECK_EQ(hypercall(HC_KICK_CPU, 0, ~0ull, 0, 0), 0);
}

/* To id 0, which is itself: bit 0 from 0, bit 64 counts from 64 ids on. */
void g_pv_send_ipi(void)
{
	lapic_enable();
	g_eoi = EOI_XAPIC;
	CHECK_EQ(hypercall(HC_SEND_IPI, 1, 0, 0, VEC(1)), 1);
	wait_irq(VEC(1), 1);
	CHECK_EQ(hypercall(HC_SEND_IPI, 3, 3, 0, VEC(1)), 1);
	wait_irq(VEC(1), 2);
	/* Nobody has these ids. */
	CHECK_EQ(hypercall(HC_SEND_IPI, ~0ull, ~0ull, 1, VEC(1)), 0);
	CHECK_EQ(hypercall(HC_SEND_IPI, ~0ull, ~0ull, 255, VEC(1)), 0);
	CHECK_EQ(hypercall(HC_SEND_IPI, ~0ull, ~0ull, 0xffffffff, VEC(1)), 0);
	/* A shorthand or a logical destination makes no sense. */
	CHECK_EQ(hypercall(HC_SEND_IPI, 1, 0, 0, 1 << 18 | VEC(1)), -EINVAL);
	CHECK_EQ(hypercall(HC_SEND_IPI, 1, 0, 0, 1 << 11 | VEC(1)), -EINVAL);
	CHECK_EQ(g_count[VEC(1)], 2);
}

void g_pv_user(void)
{
	u32 r[4];

	cpuid(0, 0, r);
	if (r[1] == 0x68747541)
		TRY_USER("vmmcall\n\tmov %%rax, g_pv_result", :: "a"(HC_SCHED_YIELD) : "memory");
	else
		TRY_USER("vmcall\n\tmov %%rax, g_pv_result", :: "a"(HC_SCHED_YIELD) : "memory");
}

/* The time of day, in seconds, and the TSC that goes with it. */
void g_pv_clock_pairing(u64 gpa)
{
	u64 before = rdtsc();
	s64 r = hypercall(HC_CLOCK_PAIRING, gpa, 0, 0, 0);

	g_pv_result = r;
	if (r)
		return;
	CHECK(U64(gpa + 16) >= before);
	CHECK(U64(gpa + 16) <= rdtsc());
	CHECK(U64(gpa + 8) < 1000000000);
	CHECK_EQ(hypercall(HC_CLOCK_PAIRING, gpa, 1, 0, 0), -EOPNOTSUPP);
	CHECK_EQ(hypercall(HC_CLOCK_PAIRING, 1ull << 45, 0, 0, 0), -EFAULT);
}

void g_pv_map_range(void)
{
	CHECK_EQ(hypercall(HC_MAP_GPA_RANGE, 0x1001, 1, 0, 0), -EINVAL);
	CHECK_EQ(hypercall(HC_MAP_GPA_RANGE, 0x1000, 0, 0, 0), -EINVAL);
	CHECK_EQ(hypercall(HC_MAP_GPA_RANGE, 0x1000, ~0ull, 0, 0), -EINVAL);
	g_pv_result = hypercall(HC_MAP_GPA_RANGE, 0x3000, 5, 0x12, 0);
}

/* Halts for good, as far as interrupts go. */
void g_pv_halt(void)
{
	asm volatile("cli; hlt" ::: "memory");
}

void g_pv_kick(void)
{
	CHECK_EQ(hypercall(HC_KICK_CPU, 0, 1, 0, 0), 0);
}

static volatile u64 eoi_gpa;
static volatile u32 eois, eois_saved;

/* As Linux does it: the bit is there and goes, or the register is written. */
static void on_pv_eoi(struct frame *f)
{
	(void)f;
	eois++;
	if (U8(eoi_gpa) & 1) {
		U8(eoi_gpa) = 0;
		eois_saved++;
	} else {
		lapic_write(0xb0, 0);
	}
}

void g_pv_eoi(u64 gpa)
{
	u32 i;

	eoi_gpa = gpa;
	U8(gpa) = 0;
	TRY("wrmsr", :: "c"(0x4b564d04), "a"((u32)gpa | 2), "d"(0));
	CHECK_TRAP(13, 0);
	wrmsr(0x4b564d04, gpa | 1);
	lapic_enable();
	g_handler[VEC(2)] = on_pv_eoi;
	sti();
	for (i = 1; i <= 20; i++) {
		lapic_write(0x300, 1 << 18 | VEC(2));		/* to itself */
		while (eois < i)
			pause();
	}
	cli();
	CHECK_EQ(eois, 20);
	/* None is in service, and the bit does not stay. */
	for (i = 0; i < 8; i++)
		CHECK_EQ(lapic_read(0x100 + i * 0x10), 0);
	CHECK_EQ(U8(gpa) & 1, 0);
	wrmsr(0x4b564d04, 0);
	g_pv_result = eois_saved;
}

volatile u32 g_pv_late;

/* Ends its interrupt in memory, says so, and stays until it is told to go. */
static void on_pv_eoi_late(struct frame *f)
{
	on_pv_eoi(f);
	g_pv_late = 1;
	while (g_pv_late != 2)
		pause();
}

void g_pv_eoi_late(u64 gpa)
{
	u32 i;

	eoi_gpa = gpa;
	wrmsr(0x4b564d04, gpa | 1);
	lapic_enable();
	g_handler[VEC(2)] = on_pv_eoi_late;
	sti();
	lapic_write(0x300, 1 << 18 | VEC(2));		/* to itself */
	while (!eois)
		pause();
	cli();
	for (i = 0; i < 8; i++)
		CHECK_EQ(lapic_read(0x100 + i * 0x10), 0);
	wrmsr(0x4b564d04, 0);
}

void g_pv_platform_info(u64 want)
{
	CHECK_EQ(rdmsr(0xce), want);
	TRY("wrmsr", :: "c"(0xce), "a"(0), "d"(0));
	CHECK_TRAP(13, 0);
}

void g_pv_no_platform_info(void)
{
	u32 lo, hi;

	TRY("rdmsr", : "=a"(lo), "=d"(hi) : "c"(0xce));
	CHECK_TRAP(13, 0);
}

void g_pv_mwait(u64 undefined)
{
	TRY("monitor", :: "a"(&g_pv_go), "c"(0), "d"(0) : "memory");
	CHECK_EQ(trap.vector, undefined ? 6 : NO_TRAP);
	TRY("mwait", :: "a"(0), "c"(0) : "memory");
	CHECK_EQ(trap.vector, undefined ? 6 : NO_TRAP);
}
