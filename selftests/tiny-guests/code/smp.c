// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tiny guests: several vCPUs. vCPU 0 starts the others by INIT and SIPI, as
 * firmware would; modes.S has the code they begin with.
 */
#include "guest.h"

#define ICR 0x300
#define ICR2 0x310

volatile u32 g_online;
volatile u64 g_ap_function;
static volatile u64 counter;
static volatile u32 turn, acks[8];
/* Set by the VMM. */
volatile u32 g_nr_cpus = 4;

extern u8 ap_start[];
/* For modes.S. */
u64 g_cr3 = GUEST_PML4;

static void ipi(u32 to, u32 what)
{
	lapic_write(ICR2, to << 24);
	lapic_write(ICR, what);
}

static u32 my_id(void)
{
	return lapic_read(0x20) >> 24;
}

static void start_others(void (*function)(u64 id))
{
	u32 i;

	lapic_enable();
	g_ap_function = (u64)function;
	for (i = 1; i < g_nr_cpus; i++) {
		ipi(i, 0x4500);				/* INIT */
		ipi(i, 0x4600 | (u32)(u64)ap_start >> 12);	/* SIPI */
		ipi(i, 0x4600 | (u32)(u64)ap_start >> 12);	/* a second is ignored */
	}
	while (g_online < g_nr_cpus - 1)
		pause();
	CHECK_EQ(g_online, g_nr_cpus - 1);
}

/* Called by modes.S on a stack of its own, in long mode, interrupts off. */
void ap_main(u64 id)
{
	lapic_enable();
	CHECK_EQ(my_id(), id);
	__atomic_fetch_add(&g_online, 1, __ATOMIC_SEQ_CST);
	((void (*)(u64))g_ap_function)(id);
	for (;;)
		sti_hlt();
}

static void count(u64 id)
{
	u32 i;

	(void)id;
	for (i = 0; i < 20000; i++)
		asm volatile("lock incq %0" : "+m"(counter));
	__atomic_fetch_add(&turn, 1, __ATOMIC_SEQ_CST);
}

void g_smp_count(void)
{
	start_others(count);
	count(0);
	while (turn < g_nr_cpus)
		pause();
	CHECK_EQ(counter, 20000ull * g_nr_cpus);
}

static void sleep_forever(u64 id)
{
	(void)id;
}

static void on_ping(struct frame *f)
{
	(void)f;
	__atomic_fetch_add(&acks[my_id()], 1, __ATOMIC_SEQ_CST);
	lapic_write(0xb0, 0);
}

/* Fixed IPIs to each; all others; all; logical; lowest priority: halted vCPUs wake. */
void g_smp_ipi(void)
{
	u32 round, i, all;

	g_handler[VEC(6)] = on_ping;
	start_others(sleep_forever);
	for (round = 1; round <= 50; round++)
		for (i = 1; i < g_nr_cpus; i++) {
			ipi(i, VEC(6));
			while (acks[i] < round)
				pause();
			CHECK_EQ(acks[i], round);
		}
	lapic_write(ICR, 3 << 18 | VEC(6));
	for (i = 1; i < g_nr_cpus; i++)
		while (acks[i] < 51)
			pause();
	CHECK_EQ(acks[0], 0);
	sti();
	lapic_write(ICR, 2 << 18 | VEC(6));
	for (i = 0; i < g_nr_cpus; i++)
		while (acks[i] < (i ? 52 : 1))
			pause();
	for (all = 0, i = 0; i < g_nr_cpus; i++)
		all += acks[i];
	CHECK_EQ(all, 1 + 52 * (g_nr_cpus - 1));
}

static void on_nmi(struct frame *f)
{
	(void)f;
	__atomic_fetch_add(&acks[my_id()], 1, __ATOMIC_SEQ_CST);
}

static void spin_dark(u64 id)
{
	(void)id;
	cli();
	for (;;)
		pause();
}

/* An NMI reaches a vCPU that spins with interrupts off. */
void g_smp_nmi(void)
{
	u32 i;

	g_handler[2] = on_nmi;
	start_others(spin_dark);
	for (i = 1; i < g_nr_cpus; i++) {
		ipi(i, 0x400);
		while (!acks[i])
			pause();
	}
	/* INIT takes them out of it, SIPI starts them afresh. */
	g_online = 0;
	start_others(sleep_forever);
}

static volatile u64 shot_page = 0x407000;
static volatile u32 phase;

static void on_shootdown(struct frame *f)
{
	(void)f;
	invlpg(shot_page);
	__atomic_fetch_add(&acks[my_id()], 1, __ATOMIC_SEQ_CST);
	lapic_write(0xb0, 0);
}

static void reader(u64 id)
{
	u32 seen = 0;

	(void)id;
	sti();
	while (phase < 21) {
		u64 v = U64(shot_page);

		CHECK(v >= seen);
		seen = v;
	}
	__atomic_fetch_add(&turn, 1, __ATOMIC_SEQ_CST);
}

/* One vCPU changes a mapping and shoots the others' TLBs: none reads the old page after. */
void g_smp_shootdown(void)
{
	u32 i;

	g_handler[VEC(8)] = on_shootdown;
	*pte_of(shot_page) = 0x700000 | 7;
	U64(0x700000) = 0;
	invlpg(shot_page);
	start_others(reader);
	for (phase = 1; phase < 21; phase++) {
		U64(0x700000 + phase * 4096ul) = phase;
		*pte_of(shot_page) = (0x700000 + phase * 4096ul) | 7;
		invlpg(shot_page);
		lapic_write(ICR, 3 << 18 | VEC(8));
		for (i = 1; i < g_nr_cpus; i++)
			while (acks[i] < phase)
				pause();
		U64(0x700000 + (phase - 1) * 4096ul) = 0;
	}
	while (turn < g_nr_cpus - 1)
		pause();
}

/* Ping-pong over memory between vCPUs the VMM started itself. */
void g_pingpong(u64 id)
{
	u32 i;

	for (i = 0; i < 500; i++) {
		while (turn % 2 != id)
			pause();
		counter++;
		__atomic_fetch_add(&turn, 1, __ATOMIC_SEQ_CST);
	}
	if (id)
		CHECK_EQ(counter, 1000);
}
