// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tiny guests: the local APIC in both of its modes. Each test runs as an xAPIC and
 * as an x2APIC, where some CPUs do by themselves what the hypervisor does on others.
 */
#include "guest.h"

#define ID	0x20
#define LVR	0x30
#define TPR	0x80
#define PPR	0xa0
#define EOI	0xb0
#define LDR	0xd0
#define SVR	0xf0
#define ISR	0x100
#define TMR	0x180
#define IRR	0x200
#define ESR	0x280
#define ICR	0x300
#define LVT_TIMER 0x320
#define LVT_LINT0 0x350
#define LVT_ERROR 0x370
#define TIMER_INIT 0x380
#define TIMER_NOW 0x390
#define TIMER_DIVIDE 0x3e0
#define SELF_IPI 0x3f0

#define ICR_SELF (1 << 18)

static bool x2apic;

static u32 reg(u32 offset)
{
	return x2apic ? rdmsr(0x800 + (offset >> 4)) : lapic_read(offset);
}

static void set_reg(u32 offset, u32 v)
{
	if (x2apic)
		wrmsr(0x800 + (offset >> 4), v);
	else
		lapic_write(offset, v);
}

static u32 bit_of(u32 set, u8 vector)
{
	return reg(set + vector / 32 * 16) >> vector % 32 & 1;
}

static void begin(u64 mode)
{
	lapic_enable();
	if (!mode)
		return;
	wrmsr(0x1b, rdmsr(0x1b) | 0x400);
	x2apic = true;
	g_eoi = EOI_X2APIC;
}

static void self_ipi(u8 vector)
{
	set_reg(ICR, ICR_SELF | vector);
}

static u64 cr8(void) { u64 v; asm volatile("mov %%cr8, %0" : "=r"(v)); return v; }
static void set_cr8(u64 v) { asm volatile("mov %0, %%cr8" :: "r"(v) : "memory"); }

/* Every register that there is, and that those in service and requested show. */
void g_apic_registers(u64 mode)
{
	u32 i;

	begin(mode);
	CHECK_EQ(reg(ID), 0);
	CHECK_EQ(reg(LVR), 0x50014);
	CHECK_EQ(reg(TPR), 0);
	CHECK_EQ(reg(PPR), 0);
	CHECK_EQ(reg(LDR), mode ? 1 : 0);
	CHECK_EQ(reg(SVR), 0x1ff);
	CHECK_EQ(reg(ESR), 0);
	for (i = 0; i < 6; i++)
		CHECK_EQ(reg(LVT_TIMER + i * 16), 1 << 16);
	CHECK_EQ(reg(TIMER_INIT), 0);
	CHECK_EQ(reg(TIMER_NOW), 0);
	CHECK_EQ(reg(TIMER_DIVIDE), 0);
	set_reg(TPR, 0x37);
	CHECK_EQ(reg(TPR), 0x37);
	CHECK_EQ(reg(PPR), 0x37);
	CHECK_EQ(cr8(), 3);
	set_cr8(4);
	CHECK_EQ(reg(TPR), 0x40);
	CHECK_EQ(reg(PPR), 0x40);
	set_reg(TPR, 0);
	set_reg(LVT_ERROR, 0xe5);
	CHECK_EQ(reg(LVT_ERROR), 0xe5);
	set_reg(TIMER_DIVIDE, 0xb);
	CHECK_EQ(reg(TIMER_DIVIDE), 0xb);
	cli();
	self_ipi(0x61);
	self_ipi(0xf3);
	CHECK_EQ(reg(ICR), ICR_SELF | 0xf3);
	CHECK_EQ(bit_of(IRR, 0x61), 1);
	CHECK_EQ(bit_of(IRR, 0xf3), 1);
	for (i = 0; i < 8; i++) {
		CHECK_EQ(reg(IRR + i * 16), i == 3 ? 1 << 1 : i == 7 ? 1 << 19 : 0);
		CHECK_EQ(reg(ISR + i * 16), 0);
		CHECK_EQ(reg(TMR + i * 16), 0);
	}
	sti();
	spin(100);
	CHECK_EQ(g_count[0x61], 1);
	CHECK_EQ(g_count[0xf3], 1);
	CHECK_EQ(g_order[0], 0xf3);
	for (i = 0; i < 8; i++)
		CHECK_EQ(reg(IRR + i * 16) | reg(ISR + i * 16), 0);
}

/* What is below the TPR waits until it is not, and the highest goes first. */
void g_apic_tpr(u64 mode)
{
	begin(mode);
	sti();
	set_cr8(9);
	self_ipi(0x52);
	self_ipi(0x91);
	self_ipi(0x78);
	spin(100);
	CHECK_EQ(g_nr_order, 0);
	CHECK_EQ(bit_of(IRR, 0x91), 1);
	self_ipi(0xa0);
	spin(100);
	CHECK_EQ(g_count[0xa0], 1);
	set_cr8(7);
	spin(10);
	CHECK_EQ(g_nr_order, 2);
	CHECK_EQ(g_order[1], 0x91);
	set_reg(TPR, 0x6f);
	spin(10);
	CHECK_EQ(g_nr_order, 3);
	CHECK_EQ(g_order[2], 0x78);
	/* With interrupts off nothing comes, whatever the TPR. */
	cli();
	set_cr8(0);
	spin(100);
	CHECK_EQ(g_nr_order, 3);
	/* Raised again before they are on: still nothing. */
	set_cr8(15);
	sti();
	spin(100);
	CHECK_EQ(g_nr_order, 3);
	set_cr8(0);
	spin(10);
	CHECK_EQ(g_nr_order, 4);
	CHECK_EQ(g_order[3], 0x52);
}

static volatile u32 depth, deepest, in_handler[4];

static void on_nest(struct frame *f)
{
	u32 level = (f->vector >> 4) - 5, i;

	if (++depth > deepest)
		deepest = depth;
	/* All that were interrupted are in service, and the PPR is of the highest. */
	for (i = 0; i <= level; i++)
		CHECK_EQ(bit_of(ISR, 0x55 + i * 16), 1);
	CHECK_EQ(reg(PPR), f->vector & 0xf0);
	sti();
	if (level && !in_handler[level]) {
		self_ipi(f->vector - 16);	/* lower: waits */
		self_ipi(f->vector + 1);	/* same class: waits */
		spin(20);
		CHECK_EQ(g_count[f->vector + 1], 0);
	}
	if (level < 3 && !in_handler[level]) {
		self_ipi(f->vector + 16);
		spin(20);
		CHECK(in_handler[level + 1] > 0);
	}
	in_handler[level]++;
	cli();
	depth--;
	set_reg(EOI, 0);
}

/* Four levels deep, and what waited meanwhile comes once each. */
void g_apic_nested(u64 mode)
{
	u32 i;

	begin(mode);
	for (i = 0; i < 4; i++)
		g_handler[0x55 + i * 16] = on_nest;
	sti();
	self_ipi(0x55);
	spin(200);
	CHECK_EQ(depth, 0);
	CHECK_EQ(deepest, 4);
	for (i = 0; i < 4; i++) {
		CHECK_EQ(in_handler[i], i < 3 ? 2 : 1);
		CHECK_EQ(g_count[0x56 + i * 16], i ? 1 : 0);
	}
	for (i = 0; i < 8; i++)
		CHECK_EQ(reg(IRR + i * 16) | reg(ISR + i * 16), 0);
	CHECK_EQ(reg(PPR), 0);
}

static volatile u32 levels;

static void on_level(struct frame *f)
{
	CHECK_EQ(bit_of(ISR, f->vector), 1);
	CHECK_EQ(bit_of(TMR, f->vector), 1);
	CHECK_EQ(ioapic_read(0x10 + 18) >> 14 & 1, 1);		/* remote IRR */
	if (++levels % 3 == 0)
		trace(2);
	/* An edge in between does not end the level. */
	if (levels == 2) {
		sti();
		self_ipi(VEC(9) + 32);
		spin(20);
		cli();
		CHECK_EQ(g_count[VEC(9) + 32], 1);
		CHECK_EQ(bit_of(TMR, VEC(9) + 32), 0);
		CHECK_EQ(ioapic_read(0x10 + 18) >> 14 & 1, 1);
	}
	set_reg(EOI, 0);
}

/* The VMM raises the line at trace 1 and lowers it at 2; until then it comes again. */
void g_apic_level(u64 mode)
{
	u32 i;

	begin(mode);
	g_handler[VEC(9)] = on_level;
	ioapic_route(9, VEC(9), 1 << 15);
	sti();
	for (i = 1; i <= 3; i++) {
		trace(1);
		while (levels < 3 * i)
			pause();
		spin(100);
		CHECK_EQ(levels, 3 * i);
		CHECK_EQ(ioapic_read(0x10 + 18) >> 14 & 1, 0);
	}
	/* The same vector as an edge ends nobody's level. */
	g_handler[VEC(9)] = NULL;
	self_ipi(VEC(9));
	spin(20);
	CHECK_EQ(g_count[VEC(9)], 1);
	CHECK_EQ(bit_of(TMR, VEC(9)), 0);
}

static void busy(u32 rounds)
{
	while (rounds--)
		asm volatile("");
}

/*
 * With interrupts off none comes, however long, and whatever the host does meanwhile;
 * nor one that waits for the end of another when that has come.
 */
void g_apic_masked(u64 mode)
{
	u32 i;

	begin(mode);
	for (i = 1; i <= 10; i++) {
		sti();
		busy(10);
		cli();
		if (mode)
			set_reg(SELF_IPI, 0x72);
		else
			self_ipi(0x72);
		busy(100000);
		CHECK_EQ(g_nr_order, i - 1);
		sti();
		busy(10);
		CHECK_EQ(g_nr_order, i);
	}
}

/* Vectors below 16 are an error of the sender's. */
void g_apic_self_ipi(u64 mode)
{
	u32 i;

	begin(mode);
	set_reg(LVT_ERROR, 0xe5);
	sti();
	for (i = 16; i < 256; i++) {
		if (i < 32 || i == 0x80 || i == 0xff)
			continue;
		if (mode)
			set_reg(SELF_IPI, i);
		else
			self_ipi(i);
		CHECK_EQ(g_count[i], 1);
	}
	set_reg(ESR, 0);
	CHECK_EQ(reg(ESR), 0);
	if (mode)
		set_reg(SELF_IPI, 3);
	else
		self_ipi(3);
	spin(10);
	CHECK_EQ(g_count[0xe5], 2);
	set_reg(ESR, 0);
	CHECK_EQ(reg(ESR), 1 << 5);
	if (!mode)
		return;
	TRY("wrmsr", :: "c"(0x83f), "a"(0x141), "d"(0) : "memory");
	CHECK_TRAP(13, 0);
	TRY("wrmsr", :: "c"(0x80b), "a"(1), "d"(0) : "memory");
	CHECK_TRAP(13, 0);
	TRY("wrmsr", :: "c"(0x808), "a"(0x100), "d"(0) : "memory");
	CHECK_TRAP(13, 0);
	TRY("rdmsr", :: "c"(0x80b) : "rax", "rdx", "memory");	/* write only */
	CHECK_TRAP(13, 0);
	TRY("rdmsr", :: "c"(0x83f) : "rax", "rdx", "memory");
	CHECK_TRAP(13, 0);
	TRY("rdmsr", :: "c"(0x809) : "rax", "rdx", "memory");	/* no such register */
	CHECK_TRAP(13, 0);
	TRY("wrmsr", :: "c"(0x839), "a"(1), "d"(0) : "memory");	/* read only */
	CHECK_TRAP(13, 0);
	CHECK_EQ(rdmsr(0x830), (u64)0);		/* SELF IPIs leave no trace in it */
}

static void timer(u32 mode, u32 count)
{
	set_reg(TIMER_DIVIDE, 0xb);		/* by 1 */
	set_reg(LVT_TIMER, mode | VEC(1));
	set_reg(TIMER_INIT, count);
}

/* One interrupt for each time it is set; then periodic, until it is masked. */
static void timer_by_count(void)
{
	u32 i;

	for (i = 1; i <= 3; i++) {
		timer(0, 10000000);
		CHECK(reg(TIMER_NOW) <= 10000000);
		sti();
		while (g_count[VEC(1)] < i)
			pause();
		CHECK_EQ(reg(TIMER_NOW), 0);
		CHECK_EQ(reg(TIMER_INIT), 10000000);
	}
	timer(0, 10000000);
	wait_irq(VEC(1), 4);
	/* Periodic, until it is masked. */
	timer(1 << 17, 10000000);
	sti();
	while (g_count[VEC(1)] < 7)
		pause();
	wait_irq(VEC(1), 9);
	set_reg(LVT_TIMER, 1 << 17 | 1 << 16 | VEC(1));
	i = g_count[VEC(1)];
	sti();
	spin(20000);
	CHECK(g_count[VEC(1)] <= i + 1);
	set_reg(TIMER_INIT, 0);
}

/* By the TSC; never before its time. */
static void timer_by_tsc(void)
{
	u64 before, seen;
	u32 i;

	set_reg(LVT_TIMER, 2 << 17 | VEC(2));
	for (i = 1; i <= 6; i++) {
		before = rdtsc();
		wrmsr(0x6e0, before + 2000000);
		seen = rdmsr(0x6e0);
		/* A slow host may have let it pass. */
		CHECK(seen == before + 2000000 || (!seen && rdtsc() >= before + 2000000));
		if (i % 2) {
			sti();
			while (g_count[VEC(2)] < i)
				pause();
		} else {
			wait_irq(VEC(2), i);
		}
		CHECK(rdtsc() >= before + 2000000);
		CHECK_EQ(rdmsr(0x6e0), 0);
	}
}

static void timer_stopped(void)
{
	u64 before = rdtsc();
	bool in_time;


	wrmsr(0x6e0, before + 60000000);
	wrmsr(0x6e0, 0);
	in_time = rdtsc() < before + 60000000;	/* a slow host may have let it pass */
	sti();
	while (rdtsc() < before + 61000000)
		pause();
	CHECK(g_count[VEC(2)] == 6 || (!in_time && g_count[VEC(2)] == 7));
}

/* One that was long over when interrupts came on is one. */
static void timer_late(void)
{
	u32 i = g_count[VEC(2)];

	cli();
	wrmsr(0x6e0, rdtsc() + 1000);
	/* A busy host may be late with it. */
	while (rdmsr(0x6e0))
		pause();
	CHECK_EQ(bit_of(IRR, VEC(2)), 1);
	sti();
	spin(10);
	CHECK_EQ(g_count[VEC(2)], i + 1);
}

/* All modes, while the guest spins and while it sleeps. */
void g_apic_timer(u64 mode)
{
	begin(mode);
	timer_by_count();
	timer_by_tsc();
	timer_stopped();
	timer_late();
}

static volatile u32 pic_irqs;

static void on_pic(struct frame *f)
{
	(void)f;
	pic_irqs++;
	trace(2);
	outb(0x20, 0x20);
}

/* The PIC's interrupts bypass priorities, and those of the APIC are not lost by it. */
void g_apic_extint(u64 mode)
{
	u32 i;

	begin(mode);
	set_reg(LVT_LINT0, 0x700);
	g_handler[0x23] = on_pic;
	outb(0x20, 0x11);
	outb(0x21, 0x20);
	outb(0x21, 4);
	outb(0x21, 1);
	outb(0x21, 0xf7);
	for (i = 1; i <= 5; i++) {
		cli();
		trace(1);
		self_ipi(0x91);
		self_ipi(0x31);
		set_cr8(5);
		sti();
		spin(20);
		CHECK_EQ(pic_irqs, i);
		CHECK_EQ(g_count[0x91], i);
		CHECK_EQ(g_count[0x31], i - 1);
		set_cr8(0);
		spin(10);
		CHECK_EQ(g_count[0x31], i);
	}
}

/*
 * At trace 1 the VMM looks at the registers: 0x91 is in service, 0x51 requested. It
 * puts them back with 0x71 requested, too; at trace 2 it takes all of it away.
 */
static void on_saved(struct frame *f)
{
	(void)f;
	self_ipi(0x51);
	trace(1);
	CHECK_EQ(bit_of(ISR, 0x91), 1);
	CHECK_EQ(bit_of(IRR, 0x51), 1);
	CHECK_EQ(bit_of(IRR, 0x71), 1);
	CHECK_EQ(reg(PPR), 0x90);
	sti();
	spin(20);
	cli();
	CHECK_EQ(g_nr_order, 0);
	set_reg(EOI, 0);
}

void g_apic_state(u64 mode)
{
	begin(mode);
	g_handler[0x91] = on_saved;
	sti();
	self_ipi(0x91);
	spin(20);
	CHECK_EQ(g_nr_order, 2);
	CHECK_EQ(g_order[0], 0x71);
	CHECK_EQ(g_order[1], 0x51);
	cli();
	self_ipi(0x61);
	trace(2);
	sti();
	spin(20);
	CHECK_EQ(g_nr_order, 2);
	CHECK_EQ(bit_of(IRR, 0x61), 0);
}

/* From trace 1 on the VMM sends 0x81, again and again, when the last one was counted. */
void g_apic_sent(u64 mode)
{
	begin(mode);
	sti();
	trace(1);
	while (g_count[0x81] < GUEST_SENT)
		;
	trace(2);
	spin(20);
	CHECK_EQ(g_count[0x81], GUEST_SENT);
}

/* From xAPIC through x2APIC to off, and back: what was requested before is gone. */
/* Where an APIC is that has no registers in memory nobody answers, and nobody minds. */
void g_apic_hole(u64 arg)
{
	u64 base = rdmsr(0x1b);
	u32 i;

	(void)arg;
	for (i = 0; i < 2; i++) {
		wrmsr(0x1b, i ? base | 0xc00 : base & ~0xc00ull);
		CHECK_EQ(lapic_read(0x30), ~0u);
		CHECK_EQ(U64(LAPIC_BASE + 0x20), ~0ull);
		lapic_write(0x80, 0x20);
		wrmsr(0x1b, base & ~0xc00ull);
		wrmsr(0x1b, base);
		CHECK_EQ(lapic_read(0x80), 0);
	}
}

void g_apic_modes(u64 arg)
{
	u64 base;
	u32 i;

	(void)arg;
	for (i = 0; i < 3; i++) {
		x2apic = false;
		g_eoi = EOI_XAPIC;
		lapic_enable();
		sti();
		self_ipi(0x41);
		spin(10);
		CHECK_EQ(g_count[0x41], 2 * i + 1);
		begin(1);
		self_ipi(0x41);
		spin(10);
		CHECK_EQ(g_count[0x41], 2 * i + 2);
		cli();
		self_ipi(0x42);
		base = rdmsr(0x1b);
		wrmsr(0x1b, base & ~0xc00ull);
		sti();
		spin(10);
		CHECK_EQ(g_count[0x42], 0);
		TRY("rdmsr", :: "c"(0x802) : "rax", "rdx", "memory");
		CHECK_TRAP(13, 0);
		TRY("wrmsr", :: "c"(0x80b), "a"(0), "d"(0) : "memory");
		CHECK_TRAP(13, 0);
		wrmsr(0x1b, (base & ~0x400ull) | 0x800);
		TRY("wrmsr", :: "c"(0x83f), "a"(0x41), "d"(0) : "memory");
		CHECK_TRAP(13, 0);
	}
}

/* Of which the VMM hears. */
void g_tpr_accesses(void)
{
	u32 val;

	lapic_enable();
	asm volatile(".globl d_tpr_write, d_tpr_read\n"
		     "d_tpr_write:\tmovl %1, 0x80(%2)\n"
		     "d_tpr_read:\tmovl 0x80(%2), %0"
		     : "=r"(val) : "r"(0x30), "r"(LAPIC_BASE) : "memory");
	CHECK_EQ(val, 0x30);
	lapic_write(0x80, 0);
	CHECK_EQ(lapic_read(0x80), 0);
}

static volatile u32 tpr_in_handler;

static void on_tpr_irq(struct frame *f)
{
	trace(f->vector);
	tpr_in_handler = U32(GUEST_FREE);
	g_count[f->vector]++;
	lapic_write(0xb0, 0);
}

/* The VMM has said that the TPR is at GUEST_FREE. Traces let the two meet. */
void g_tpr_memory(void)
{
	g_handler[0x41] = on_tpr_irq;
	lapic_enable();
	U8(GUEST_FREE) = 0x50;
	trace(0);
	CHECK_EQ(lapic_read(0x80), 0x50);
	sti();
	lapic_write(0x300, 0x40000 | 0x41);
	trace(1);
	CHECK_EQ(g_count[0x41], 0);
	CHECK_EQ(U32(GUEST_FREE), 0x41000050);
	U8(GUEST_FREE) = 0;
	trace(2);
	CHECK_EQ(g_count[0x41], 1);
	CHECK_EQ(tpr_in_handler, 0x4000);
	trace(3);
	CHECK_EQ(U32(GUEST_FREE), 0);
}
