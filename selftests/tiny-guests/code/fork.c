// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tiny guests for machines that are forked: what is in registers and in memory must belong
 * together in each of them, and what was to come must come once in each.
 */
#include "guest.h"

#define LVT_TIMER	0x320
#define TIMER_INIT	0x380
#define TIMER_DIVIDE	0x3e0
#define TIMER_VECTOR	0x60
#define MSR_DEADLINE	0x6e0

volatile u64 g_fork_nonce, g_fork_count[2];
volatile u32 g_fork_stop, g_fork_answer;

/* Counts in a register and in memory, until it is told to stop. */
void g_fork_counts(u64 nonce)
{
	u64 n = 0;

	g_fork_nonce = nonce;
	while (!g_fork_stop) {
		CHECK_EQ(g_fork_count[0], n);
		CHECK_EQ(g_fork_nonce, nonce);
		g_fork_count[0] = ++n;
	}
}

/* Writes to each of 4096 pages, round after round, until it is told to stop. */
void g_fork_writes(u64 gva)
{
	u64 i;

	while (!g_fork_stop) {
		for (i = 0; i < 4096; i++)
			U64(gva + i * 4096) = g_fork_count[0] + 1;
		g_fork_count[0]++;
	}
}

/* Two of them, in turn: the second one follows the first. */
void g_fork_turns(u64 cpu)
{
	u64 n = 0;

	while (!g_fork_stop) {
		CHECK_EQ(g_fork_count[cpu], n);
		if (g_fork_count[!cpu] != n + cpu)
			continue;
		g_fork_count[cpu] = ++n;
	}
}

static void wait_for_timer(void)
{
	for (;;) {
		cli();
		if (g_count[TIMER_VECTOR])
			break;
		sti_hlt();
	}
	sti();
	spin(3000);
	CHECK_EQ(g_count[TIMER_VECTOR], 1);
}

/* Halts with a timer armed, which fires once. */
void g_fork_oneshot(u64 ns)
{
	lapic_enable();
	lapic_write(LVT_TIMER, TIMER_VECTOR);
	lapic_write(TIMER_DIVIDE, 0xb);
	lapic_write(TIMER_INIT, ns);
	trace(1);
	wait_for_timer();
}

/* One such timer after the other, until it is told to stop; each fires once. */
void g_fork_chain(u64 ns)
{
	u32 n = 0;

	lapic_enable();
	lapic_write(LVT_TIMER, TIMER_VECTOR);
	lapic_write(TIMER_DIVIDE, 0xb);
	while (!g_fork_stop) {
		cli();
		lapic_write(TIMER_INIT, ns);
		while (g_count[TIMER_VECTOR] == n) {
			sti_hlt();
			cli();
		}
		sti();
		spin(100);
		CHECK_EQ(g_count[TIMER_VECTOR], ++n);
		g_fork_count[0] = n;
	}
}

/* The same by the TSC. */
void g_fork_deadline(u64 ticks)
{
	u64 deadline = rdtsc() + ticks;

	lapic_enable();
	lapic_write(LVT_TIMER, 2 << 17 | TIMER_VECTOR);
	wrmsr(MSR_DEADLINE, deadline);
	trace(1);
	wait_for_timer();
	CHECK(rdtsc() >= deadline);
}

/* Periodic: it goes on coming. */
void g_fork_periodic(u64 ns)
{
	lapic_enable();
	lapic_write(LVT_TIMER, 1 << 17 | TIMER_VECTOR);
	lapic_write(TIMER_DIVIDE, 0xb);
	lapic_write(TIMER_INIT, ns);
	trace(1);
	while (g_count[TIMER_VECTOR] < 20)
		sti_hlt();
}

/* The PIT's first counter, by the IOAPIC's pin 2 or 0; twenty ticks of 50 ms. */
void g_fork_pit(void)
{
	lapic_enable();
	ioapic_route(0, TIMER_VECTOR, 0);
	ioapic_route(2, TIMER_VECTOR, 0);
	outb(0x43, 0x34);
	outb(0x40, 59659 & 0xff);
	outb(0x40, 59659 >> 8);
	trace(1);
	while (g_count[TIMER_VECTOR] < 20)
		sti_hlt();
}

/* What the VMM answers a read with; by MMIO, or by a port. */
void g_fork_reads(u64 mmio)
{
	g_fork_answer = mmio ? U32(GUEST_MMIO) : inl(GUEST_PORT);
	trace(g_fork_answer);
}

/* An interrupt that waits for interrupts to be on. */
void g_fork_masked(void)
{
	lapic_enable();
	cli();
	lapic_write(0x300, 1 << 18 | TIMER_VECTOR);
	trace(1);
	CHECK_EQ(g_count[TIMER_VECTOR], 0);
	wait_for_timer();
}

/* What the FPU holds, and MSRs. */
void g_fork_registers(u64 value)
{
	u64 got;

	asm volatile("movq %0, %%xmm7" :: "r"(value));
	wrmsr(0xc0000102, value);	/* KERNEL_GS_BASE */
	wrmsr(0xc0000082, value + 1);	/* LSTAR */
	wrmsr(0x176, value + 2);	/* SYSENTER_EIP */
	asm volatile("mov %0, %%dr0" :: "r"(value + 3));
	asm volatile("mov %0, %%cr2" :: "r"(value + 4));
	trace(1);
	asm volatile("movq %%xmm7, %0" : "=r"(got));
	CHECK_EQ(got, value);
	CHECK_EQ(rdmsr(0xc0000102), value);
	CHECK_EQ(rdmsr(0xc0000082), value + 1);
	CHECK_EQ(rdmsr(0x176), value + 2);
	asm volatile("mov %%dr0, %0" : "=r"(got));
	CHECK_EQ(got, value + 3);
	asm volatile("mov %%cr2, %0" : "=r"(got));
	CHECK_EQ(got, value + 4);
}

/* One exit after the other. */
void g_fork_exits(void)
{
	while (!g_fork_stop)
		outl(GUEST_PORT_TRACE, 0);
}

volatile u64 g_fork_gap;

/* The longest time between two looks at the TSC. */
void g_fork_gaps(void)
{
	u64 last = rdtsc(), now;

	while (!g_fork_stop) {
		now = rdtsc();
		if (now - last > g_fork_gap)
			g_fork_gap = now - last;
		last = now;
	}
}

volatile u64 g_reset_seed;

#define RESET_FREE	0x300000ul
#define RESET_PAGES	15616ul		/* up to 64 MiB */

/* Some of everything that a machine is, changed between two exits. */
static void reset_change(u64 value)
{
	asm volatile("movq %0, %%xmm7" :: "r"(value));
	wrmsr(0xc0000102, value & ~0ul >> 17);
	wrmsr(0xc0000082, value & ~0ul >> 17);
	asm volatile("mov %0, %%dr0" :: "r"(value));
	asm volatile("mov %0, %%cr2" :: "r"(value));
	asm volatile("mov %0, %%cr8" :: "r"(value & 7));
	lapic_write(0x3f0 - 0x10, 0xb);
	lapic_write(LVT_TIMER, TIMER_VECTOR);
	lapic_write(TIMER_INIT, 1000000 + (u32)value % 1000000);
	outb(0x21, value);
}

/* Writes to @pages random pages, each time to others. */
void g_reset_dirties(u64 pages)
{
	u64 x, i;

	lapic_enable();
	cli();
	trace(1);
	x = g_reset_seed;
	reset_change(x);
	for (i = 0; i < pages; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		U64(RESET_FREE + x % RESET_PAGES * 4096 + (x >> 32) % 512 * 8) = x;
	}
	trace(2);
}

/* Asks for @nr forks, and says which of them it is. */
void g_fork_asks(u64 nr)
{
	g_fork_answer = hypercall(0xdd000001, nr, 0, 0, 0);
	trace(g_fork_answer);
}
