// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tiny guests: interrupts on one vCPU. Where the VMM must act, the guest says so
 * with trace() and the runner's on_trace does it.
 */
#include "guest.h"

#define TPR	0x80
#define PPR	0xa0
#define ICR	0x300
#define LVT_TIMER 0x320
#define LVT_LINT0 0x350
#define TIMER_INIT 0x380
#define TIMER_NOW 0x390
#define TIMER_DIVIDE 0x3e0
#define ICR_SELF (1 << 18)

static void self_ipi(u8 vector)
{
	lapic_write(ICR, ICR_SELF | vector);
}

static u64 cr8(void) { u64 v; asm volatile("mov %%cr8, %0" : "=r"(v)); return v; }
static void set_cr8(u64 v) { asm volatile("mov %0, %%cr8" :: "r"(v) : "memory"); }

/* The VMM raises the line when it sees trace 1 and lowers it at 2. */
void g_ioapic_edge(void)
{
	lapic_enable();
	ioapic_route(5, VEC(5), 0);
	trace(1);
	wait_irq(VEC(5), 1);
	trace(2);
	trace(1);
	wait_irq(VEC(5), 2);
	trace(2);
	sti();
	spin(1000);
	CHECK_EQ(g_count[VEC(5)], 2);
}

static u32 level_count;

static void on_level(struct frame *f)
{
	(void)f;
	if (++level_count == 3)
		trace(2);
	lapic_write(0xb0, 0);
}

/* A level comes again after each EOI until it is lowered. */
void g_ioapic_level(void)
{
	lapic_enable();
	g_handler[VEC(9)] = on_level;
	ioapic_route(9, VEC(9), 1 << 15);
	trace(1);
	sti();
	while (*(volatile u32 *)&level_count < 3)
		pause();
	spin(2000);
	CHECK_EQ(level_count, 3);
	CHECK_EQ(ioapic_read(0x10 + 18) & 1 << 14, 0);		/* remote IRR */
}

/* While it is masked an edge is lost; a level waits. */
void g_ioapic_mask(void)
{
	lapic_enable();
	ioapic_route(5, VEC(5), 1 << 16);
	trace(1);
	trace(2);
	sti();
	spin(1000);
	ioapic_write(0x10 + 10, VEC(5));
	spin(1000);
	CHECK_EQ(g_count[VEC(5)], 0);
	trace(1);
	wait_irq(VEC(5), 1);
}

void g_ioapic_registers(void)
{
	CHECK_EQ(ioapic_read(1) & 0xff, 0x11);
	CHECK_EQ(ioapic_read(1) >> 16 & 0xff, 23);
	ioapic_write(0, 0x5000000);
	CHECK_EQ(ioapic_read(0), 0x5000000);
	CHECK_EQ(ioapic_read(0x10 + 46), 1 << 16);
	ioapic_write(0x11 + 46, 0xff000000);
	CHECK_EQ(ioapic_read(0x11 + 46), 0xff000000);
	/* Beyond the last, and nonsense. */
	ioapic_write(0xff, ~0u);
	ioapic_write(0x7f, ~0u);
	(void)ioapic_read(0xff);
	U8(IOAPIC_BASE + 0x10) = 3;
	U64(IOAPIC_BASE + 0x40) = ~0ull;
	CHECK_EQ(ioapic_read(1) & 0xff, 0x11);
}

static void pic_init(u8 base)
{
	outb(0x20, 0x11);
	outb(0x21, base);
	outb(0x21, 4);
	outb(0x21, 1);
	outb(0xa0, 0x11);
	outb(0xa1, base + 8);
	outb(0xa1, 2);
	outb(0xa1, 1);
	outb(0x21, 0);
	outb(0xa1, 0);
}

/* Master and slave, through the LAPIC's LINT0. */
void g_pic(void)
{
	lapic_enable();
	lapic_write(LVT_LINT0, 0x700);
	g_eoi = EOI_PIC;
	pic_init(0x20);
	CHECK_EQ(inb(0x21), 0);
	trace(1);			/* line 3 */
	wait_irq(0x23, 1);
	trace(2);
	trace(3);			/* line 12, on the slave */
	wait_irq(0x2c, 1);
	trace(4);
	outb(0x21, 0xff);
	CHECK_EQ(inb(0x21), 0xff);
	trace(1);
	sti();
	spin(1000);
	CHECK_EQ(g_count[0x23], 1);
	outb(0x21, 0);
	wait_irq(0x23, 2);
}

/* The VMM sends VEC(7) by MSI, irqfd or whatever the test is about, at trace 1. */
void g_wait_vec7(void)
{
	lapic_enable();
	trace(1);
	wait_irq(VEC(7), 1);
	trace(1);
	wait_irq(VEC(7), 2);
}

/* ioeventfd: the VMM counts; neither access may leave the kernel. */
void g_ioeventfd(void)
{
	outl(GUEST_PORT + 8, 1);
	outl(GUEST_PORT + 8, 77);
	outw(GUEST_PORT + 0x10, 5);
	outw(GUEST_PORT + 0x10, 6);
	U32(GUEST_MMIO + 0x800) = 1;
	U32(GUEST_MMIO + 0x800) = 2;
	U32(GUEST_MMIO + 0x900) = 3;
	U16(GUEST_MMIO + 0x900) = 3;
}

/* A string of values: each of them goes to one place, to the kernel or to the VMM. */
void g_ioeventfd_string(void)
{
	static const u32 words[] = { 1, 77, 77, 2, 3, 77, 77 };
	static const u16 halves[] = { 5, 6, 7 };
	static u32 in[2];
	const void *from = words;
	void *to = in;
	u64 count = 6;

	asm volatile("rep outsl" : "+S"(from), "+c"(count) : "d"(GUEST_PORT + 8) : "memory");
	CHECK_EQ((u64)from, (u64)&words[6]);
	CHECK_EQ(count, 0);
	asm volatile("outsl" : "+S"(from) : "d"(GUEST_PORT + 8) : "memory");
	CHECK_EQ((u64)from, (u64)&words[7]);
	from = halves;
	count = 3;
	asm volatile("rep outsw" : "+S"(from), "+c"(count) : "d"(GUEST_PORT + 0x10) : "memory");
	CHECK_EQ((u64)from, (u64)&halves[3]);
	count = 2;
	asm volatile("rep insl" : "+D"(to), "+c"(count) : "d"(GUEST_PORT + 8) : "memory");
	CHECK_EQ(in[0], 0x04030201);
	CHECK_EQ(in[1], 0x08070605);
}

/* The VMM waits for a value that four bytes cannot have. */
void g_ioeventfd_wide(void)
{
	outl(GUEST_PORT + 8, 0x12345678);
	U32(GUEST_MMIO + 0x800) = 0x12345678;
	U64(GUEST_MMIO + 0x808) = 0xff00000012345678;
}

/* The local APIC is the VMM's, the MSR is there: trace 2 says that it has moved. */
void g_user_apic_base(void)
{
	u32 r[4];

	CHECK_EQ(rdmsr(0x1b), 0xfee00900);
	wrmsr(0x1b, rdmsr(0x1b));
	trace(1);
	wrmsr(0x1b, 0xfed00900);
	trace(2);
	CHECK_EQ(rdmsr(0x1b), 0xfee00100);
	cpuid(1, 0, r);
	CHECK_EQ(r[3] & 1 << 9, 0);
	wrmsr(0x1b, 0xfee00900);
	cpuid(1, 0, r);
	CHECK_EQ(r[3] & 1 << 9, 1 << 9);
	TRY("wrmsr", : : "c"(0x1b), "a"(0xfee00901), "d"(0));
	CHECK_TRAP(13, 0);
}

static void timer(u32 mode, u32 count)
{
	lapic_write(TIMER_DIVIDE, 0xb);		/* by 1 */
	lapic_write(LVT_TIMER, mode | VEC(1));
	lapic_write(TIMER_INIT, count);
}

void g_timer_oneshot(void)
{
	lapic_enable();
	timer(0, 1000000);
	CHECK(lapic_read(TIMER_NOW) <= 1000000);
	wait_irq(VEC(1), 1);
	CHECK_EQ(lapic_read(TIMER_NOW), 0);
	sti();
	spin(20000);
	CHECK_EQ(g_count[VEC(1)], 1);
	/* Stopped by a count of 0, minutes before its end: a busy host may be slow. */
	lapic_write(TIMER_INIT, 0);
	lapic_write(TIMER_DIVIDE, 0xa);		/* by 128 */
	lapic_write(TIMER_INIT, 0xffffffff);
	lapic_write(TIMER_INIT, 0);
	spin(1000);
	CHECK_EQ(lapic_read(TIMER_NOW), 0);
	CHECK_EQ(g_count[VEC(1)], 1);
}

void g_timer_periodic(void)
{
	u32 last, now;

	lapic_enable();
	timer(1 << 17, 2000000);
	wait_irq(VEC(1), 5);
	last = lapic_read(TIMER_NOW);
	CHECK(last <= 2000000);
	lapic_write(LVT_TIMER, 1 << 17 | 1 << 16 | VEC(1));
	now = g_count[VEC(1)];
	sti();
	spin(50000);
	CHECK(g_count[VEC(1)] <= now + 1);
}

/* Skips when CPUID does not offer it (the runner looks). */
void g_timer_deadline(void)
{
	u64 before;

	lapic_enable();
	lapic_write(LVT_TIMER, 2 << 17 | VEC(1));
	before = rdtsc();
	wrmsr(0x6e0, before + (1ull << 40));
	CHECK_EQ(rdmsr(0x6e0), before + (1ull << 40));
	wrmsr(0x6e0, before + 1000000);
	wait_irq(VEC(1), 1);
	CHECK(rdtsc() >= before + 1000000);
	CHECK_EQ(rdmsr(0x6e0), 0);
	/* One in the past comes at once; 0 disarms. */
	wrmsr(0x6e0, 1);
	wait_irq(VEC(1), 2);
	wrmsr(0x6e0, rdtsc() + (1ull << 40));
	wrmsr(0x6e0, 0);
	CHECK_EQ(rdmsr(0x6e0), 0);
}

void g_pit(void)
{
	u8 low, high;

	lapic_enable();
	ioapic_route(0, VEC(2), 0);	/* GSI 0 is pin 0 until the VMM says otherwise */
	outb(0x43, 0x34);		/* channel 0, mode 2 */
	outb(0x40, 0x0b);
	outb(0x40, 0xe9);		/* 59659: 50 ms, which the slowest host has time for */
	wait_irq(VEC(2), 5);
	outb(0x43, 0);			/* latch */
	low = inb(0x40);
	high = inb(0x40);
	CHECK((low | high << 8) <= 59659);
	/* Nonsense is survived: BCD, read-back of all, mode 7. */
	outb(0x43, 0xff);
	outb(0x43, 0x3f);
	outb(0x40, 0);
	outb(0x40, 0);
	outb(0x43, 0xe2);
	(void)inb(0x40);
}

/*
 * 20 ticks a second, which the VMM counts in g_count[VEC(8)] until it sets g_pit_stop.
 * By the PIC and LINT0 with @pic, else by the IOAPIC. Few, because ticks that were missed
 * are made up for: a guest that cannot handle them as fast as they come does nothing else.
 */
volatile u32 g_pit_stop;

void g_pit_20hz(u64 pic)
{
	lapic_enable();
	if (pic) {
		lapic_write(LVT_LINT0, 0x700);
		g_eoi = EOI_PIC;
		pic_init(VEC(8));		/* the lowest three bits are the line */
		outb(0x21, 0xfe);
	} else {
		ioapic_route(0, VEC(8), 0);
	}
	outb(0x43, 0x34);
	outb(0x40, 0x0b);
	outb(0x40, 0xe9);		/* 59659: 50 ms */
	trace(1);
	sti();
	while (!g_pit_stop)
		pause();
}

static volatile u32 nmis, nmi_depth, nmi_nested;

static void on_nmi(struct frame *f)
{
	(void)f;
	nmi_nested |= nmi_depth++;
	nmis++;
	if (nmis == 1) {
		trace(1);		/* one more while in the handler */
		spin(1000);
		CHECK_EQ(nmis, 1);
	}
	nmi_depth--;
}

/* The VMM sends an NMI at trace 1; a second waits for the IRET of the first. */
void g_nmi(void)
{
	g_handler[2] = on_nmi;
	trace(1);
	while (nmis < 2)
		pause();
	spin(1000);
	CHECK_EQ(nmis, 2);
	CHECK_EQ(nmi_nested, 0);
}

/* An NMI wakes HLT although interrupts are off. */
void g_nmi_wakes_hlt(void)
{
	lapic_enable();
	trace(2);		/* the VMM sends it from another thread, later */
	asm volatile("cli; hlt");
	CHECK_EQ(g_count[2], 1);
}

#define TF	0x100ul
#define IF	0x200ul

/* The last NMI's frame, and the flags of all handlers. */
static volatile u64 nmi_rip, nmi_rflags, nmi_inside;

static u64 rflags(void) { u64 v; asm volatile("pushfq; popq %0" : "=r"(v)); return v; }
static u64 dr6(void) { u64 v; asm volatile("mov %%db6, %0" : "=r"(v)); return v; }

static void on_nmi_noted(struct frame *f)
{
	nmi_inside |= rflags();
	nmi_rip = f->rip;
	nmi_rflags = f->rflags;
	nmis++;
}

/* One after the other: each handler's IRET lets the next one in. */
void g_nmi_again(void)
{
	u32 i;

	g_handler[2] = on_nmi_noted;
	for (i = 1; i <= 4; i++) {
		trace(1);
		while (nmis < i)
			pause();
		spin(1000);
		CHECK_EQ(nmis, i);
	}
}

/* Likewise, of a CPU that sleeps. */
void g_nmi_again_halted(void)
{
	u32 i;

	lapic_enable();
	g_handler[2] = on_nmi_noted;
	for (i = 1; i <= 3; i++) {
		trace(2);
		asm volatile("cli; hlt" ::: "memory");
		CHECK_EQ(nmis, i);
	}
}

/* The CPU itself sleeps: AMD's wakes for the host's interrupts, too, and does not sleep again. */
void g_nmi_own_halt(void)
{
	u32 i;

	lapic_enable();
	g_handler[2] = on_nmi_noted;
	for (i = 1; i <= 3; i++) {
		trace(2);
		while (nmis < i)
			asm volatile("cli; hlt" ::: "memory");
		CHECK_EQ(nmis, i);
	}
}

static volatile u64 int_rflags;

static void on_int(struct frame *f)
{
	int_rflags = f->rflags;
}

static void nmi_came(u32 times)
{
	u32 i;

	for (i = 0; nmis < times && i < 100000; i++)
		pause();
	CHECK_EQ(nmis, times);
	CHECK_EQ(nmi_inside & TF, 0);
	CHECK_EQ(nmi_rflags & TF, 0);
}

/*
 * At the trace the VMM says that @insn is in a shadow of STI (1) or MOV SS (2), and sends an NMI.
 */
#define IN_SHADOW(before, kind, insn, ...)					\
	asm volatile(TRY_BEGIN before "\n\toutl %%eax, %%dx\n2:\t" insn "\n1:"	\
		     : __VA_ARGS__ : "a"(kind), "d"(GUEST_PORT_TRACE) : "memory", "cc")

/* Nothing but the guest's own flags is in what an instruction in a shadow pushes. */
void g_nmi_in_shadow(void)
{
	u64 flags, at;

	g_handler[2] = on_nmi_noted;
	g_handler[0x81] = on_int;
	IN_SHADOW("sti", 1, "pushfq\n3:\tpopq %0\n\tleaq 3b(%%rip), %1", "=&r"(flags), "=r"(at));
	nmi_came(1);
	CHECK_EQ(flags & (TF | IF), IF);
	CHECK_EQ(nmi_rip, at);
	IN_SHADOW("sti", 1, "int $0x81");
	nmi_came(2);
	CHECK_EQ(int_rflags & (TF | IF), IF);
	IN_SHADOW("sti", 1, "ud2");
	CHECK_EQ(trap.vector, 6);
	CHECK_EQ(trap.rflags & (TF | IF), IF);
	nmi_came(3);
	IN_SHADOW("sti", 1, "int3");
	CHECK_EQ(trap.vector, 3);
	CHECK_EQ(trap.rflags & (TF | IF), IF);
	nmi_came(4);
	IN_SHADOW("sti", 1, "cli\n\tpushfq\n\tpopq %0", "=&r"(flags));
	nmi_came(5);
	CHECK_EQ(flags & (TF | IF), 0);
	IN_SHADOW("cli", 2, "pushfq\n\tpopq %0", "=&r"(flags));
	nmi_came(6);
	CHECK_EQ(flags & (TF | IF), 0);
	IN_SHADOW("cli", 2, "ud2");
	CHECK_EQ(trap.vector, 6);
	CHECK_EQ(trap.rflags & (TF | IF), 0);
	nmi_came(7);
}

static void on_nmi_once_more(struct frame *f)
{
	u64 before = nmi_rip;

	on_nmi_noted(f);
	if (nmis == 1)
		trace(3);
	else
		CHECK_EQ(f->rip, before);
}

/* The second comes right behind the IRET of the first, before any other instruction. */
void g_nmi_behind_iret(void)
{
	g_handler[2] = on_nmi_once_more;
	trace(3);
	nmi_came(2);
	CHECK_EQ(dr6() & 0x4000, 0);
}

/* Its frame begins in the last 8 bytes of a page, behind which there is none. */
static void iret_without_stack(u64 page)
{
	u64 *pte = pte_of(page + 4096);
	u64 was = *pte;

	*pte = 0;
	invlpg(page + 4096);
	trap.vector = NO_TRAP;
	asm volatile(TRY_BEGIN "movq %0, %%rsp\n2:\tiretq\n1:" :: "r"(page + 4088) : "memory",
		     "cc");
	/* Which word of the frame a CPU reads first is its own affair. */
	CHECK_EQ(trap.cr2 & ~4095ul, page + 4096);
	CHECK_TRAP(14, 0);
	CHECK_EQ(trap.rflags & TF, 0);
	*pte = was;
}

static void iret_to_nowhere(void)
{
	trap.vector = NO_TRAP;
	asm volatile(TRY_BEGIN "movq %%rsp, %%rax\n\tpushq %0\n\tpushq %%rax\n\tpushq $2\n\t"
		     "pushq $0\n\tpushq $1f\n2:\tiretq\n1:"
		     :: "i"(GUEST_DS) : "rax", "memory", "cc");
	CHECK_TRAP(13, 0);
	CHECK_EQ(trap.rflags & TF, 0);
}

static volatile bool without_stack;

/* The second comes with the IRET of the fault's handler, before that IRET's target. */
static void on_nmi_with_fault(struct frame *f)
{
	on_nmi_noted(f);
	if (nmis > 1)
		return;
	trace(3);
	if (without_stack)
		iret_without_stack(0x480000);
	else
		iret_to_nowhere();
}

/* An NMI waits for an IRET that faults: the fault's frame is the guest's own, too. */
void g_nmi_iret_gp(void)
{
	g_handler[2] = on_nmi_with_fault;
	trace(3);
	nmi_came(2);
}

void g_nmi_iret_pf(void)
{
	without_stack = true;
	g_nmi_iret_gp();
}

static volatile u32 steps;

static void on_step(struct frame *f)
{
	(void)f;
	steps++;
}

static void on_nmi_stepped(struct frame *f)
{
	(void)f;
	if (++nmis == 1)
		trace(3);
}

static u32 step_over(u32 value)
{
	steps = 0;
	asm volatile("pushfq\n\torl $0x100, (%%rsp)\n\tpopfq\n\t"
		     "outl %%eax, %%dx\n\tnop\n\tnop\n\tnop\n\t"
		     "pushfq\n\tandl $~0x100, (%%rsp)\n\tpopfq"
		     :: "a"(value), "d"(GUEST_PORT_TRACE) : "memory", "cc");
	return steps;
}

/* A guest that steps itself sees each step once, NMIs or not. */
void g_nmi_stepping(void)
{
	u32 want;

	g_handler[1] = on_step;
	g_handler[2] = on_nmi_stepped;
	want = step_over(0);
	CHECK_EQ(want, 7);
	CHECK_EQ(step_over(3), want);
	CHECK_EQ(nmis, 2);
}

/* Taken exactly after the instruction that follows STI. */
void g_sti_window(void)
{
	u64 at;

	lapic_enable();
	cli();
	self_ipi(VEC(3));
	spin(100);
	CHECK_EQ(g_count[VEC(3)], 0);
	CHECK_EQ(lapic_read(0x200 + (VEC(3) / 32) * 16) >> VEC(3) % 32 & 1, 1);
	asm volatile("lea 1f(%%rip), %0\n\tsti\n\tnop\n1:\tnop\n\tnop" : "=r"(at));
	CHECK_EQ(g_count[VEC(3)], 1);
	CHECK_EQ(g_irq_rip, at);
	cli();
	self_ipi(VEC(3));
	asm volatile("sti\n\tcli" ::: "memory");
	CHECK_EQ(g_count[VEC(3)], 1);
	sti();
	spin(1);
	CHECK_EQ(g_count[VEC(3)], 2);
}

/* An interrupt waits; at the trace the VMM says that the NOP is in a shadow. */
void g_shadow_kept(void)
{
	u64 at;

	lapic_enable();
	cli();
	self_ipi(VEC(3));
	asm volatile("lea 1f(%%rip), %0\n\tsti\n\toutl %1, %w2\n\tnop\n1:\tnop"
		     : "=&r"(at) : "a"(1), "d"(GUEST_PORT_TRACE) : "memory");
	CHECK_EQ(g_count[VEC(3)], 1);
	CHECK_EQ(g_irq_rip, at);
}

/* STI; HLT with an interrupt waiting: taken after the HLT, never before it. */
void g_sti_hlt(void)
{
	u64 at;
	u32 i;

	lapic_enable();
	for (i = 1; i < 20; i++) {
		cli();
		self_ipi(VEC(3));
		asm volatile("lea 1f(%%rip), %0\n\tsti\n\thlt\n1:" : "=r"(at) :: "memory");
		CHECK_EQ(g_count[VEC(3)], i);
		CHECK_EQ(g_irq_rip, at);
	}
}

void g_popf_window(void)
{
	lapic_enable();
	cli();
	self_ipi(VEC(3));
	asm volatile("pushfq\n\torq $0x200, (%%rsp)\n\tpopfq\n\tnop" ::: "memory", "cc");
	CHECK_EQ(g_count[VEC(3)], 1);
}

void g_tpr(void)
{
	lapic_enable();
	CHECK_EQ(cr8(), 0);
	set_cr8(5);
	CHECK_EQ(lapic_read(TPR), 0x50);
	CHECK_EQ(cr8(), 5);
	lapic_write(TPR, 0x60);
	CHECK_EQ(cr8(), 6);
	CHECK_EQ(lapic_read(PPR), 0x60);
	sti();
	self_ipi(0x61);			/* class 6: not above */
	self_ipi(0x45);
	spin(1000);
	CHECK_EQ(g_count[0x61], 0);
	CHECK_EQ(g_count[0x45], 0);
	self_ipi(0x71);
	spin(10);
	CHECK_EQ(g_count[0x71], 1);
	set_cr8(5);
	spin(10);
	CHECK_EQ(g_count[0x61], 1);
	CHECK_EQ(g_count[0x45], 0);
	lapic_write(TPR, 0);
	spin(10);
	CHECK_EQ(g_count[0x45], 1);
}

/* Of several that wait the highest goes first. */
void g_priority(void)
{
	static const u8 sent[] = { 0x41, 0x93, 0x52, 0x91 }, want[] = { 0x93, 0x91, 0x52, 0x41 };
	u32 i;

	lapic_enable();
	cli();
	for (i = 0; i < 4; i++)
		self_ipi(sent[i]);
	sti();
	spin(100);
	CHECK_EQ(g_nr_order, 4);
	for (i = 0; i < 4; i++)
		CHECK_EQ(g_order[i], want[i]);
}

static volatile u32 nested;

static void on_low(struct frame *f)
{
	(void)f;
	sti();
	self_ipi(0x42);			/* same class: waits */
	self_ipi(0x92);			/* higher: comes now */
	spin(10);
	CHECK_EQ(g_count[0x92], 1);
	CHECK_EQ(g_count[0x42], 0);
	CHECK_EQ(lapic_read(0x100 + 2 * 16) & 2, 2);	/* in service: 0x41 */
	nested = 1;
	cli();
	lapic_write(0xb0, 0);
}

void g_nested(void)
{
	lapic_enable();
	g_handler[0x41] = on_low;
	sti();
	self_ipi(0x41);
	spin(100);
	CHECK_EQ(nested, 1);
	CHECK_EQ(g_count[0x42], 1);
}

void g_lapic_registers(void)
{
	CHECK_EQ(lapic_read(0x20), 0);
	CHECK_EQ(lapic_read(0x30) & 0xf0, 0x10);
	CHECK_EQ(lapic_read(0xf0), 0xff);		/* as after reset: off */
	CHECK_EQ(lapic_read(LVT_TIMER), 1 << 16);
	lapic_enable();
	lapic_write(0x310, 0xffffffff);
	CHECK_EQ(lapic_read(0x310), 0xff000000);
	lapic_write(0xd0, 0xffffffff);
	CHECK_EQ(lapic_read(0xd0), 0xff000000);
	lapic_write(TIMER_DIVIDE, ~0u);
	CHECK_EQ(lapic_read(TIMER_DIVIDE), 0xb);
	/* Illegal vectors, reserved registers, odd sizes. */
	lapic_write(0x280, 0);
	lapic_write(ICR, ICR_SELF | 3);
	lapic_write(0x3f0, ~0u);
	lapic_write(0x0, ~0u);
	U8(LAPIC_BASE + 0x81) = 0xff;
	(void)lapic_read(0xff0);
	CHECK_EQ(lapic_read(TPR), 0);
}

void g_x2apic(void)
{
	u64 base = rdmsr(0x1b);

	TRY("rdmsr", :: "c"(0x802) : "rax", "rdx", "memory");
	CHECK_TRAP(13, 0);
	wrmsr(0x1b, base | 0x400);
	g_eoi = EOI_X2APIC;
	CHECK_EQ(rdmsr(0x802), 0);
	CHECK_EQ(rdmsr(0x803) & 0xf0, 0x10);
	wrmsr(0x80f, 0x1ff);
	sti();
	wrmsr(0x83f, VEC(4));		/* SELF IPI */
	spin(10);
	CHECK_EQ(g_count[VEC(4)], 1);
	wrmsr(0x830, ICR_SELF | VEC(4));
	spin(10);
	CHECK_EQ(g_count[VEC(4)], 2);
	wrmsr(0x830, 0ull << 32 | VEC(4));	/* to APIC id 0 */
	spin(10);
	CHECK_EQ(g_count[VEC(4)], 3);
	wrmsr(0x808, 0x50);
	CHECK_EQ(cr8(), 5);
	wrmsr(0x808, 0);
	TRY("wrmsr", :: "c"(0x802), "a"(1), "d"(0) : "memory");	/* read only */
	CHECK_TRAP(13, 0);
	TRY("rdmsr", :: "c"(0x80e) : "rax", "rdx", "memory");	/* DFR is gone */
	CHECK_TRAP(13, 0);
	TRY("rdmsr", :: "c"(0x831) : "rax", "rdx", "memory");	/* ICR2 too */
	CHECK_TRAP(13, 0);
	/* Back to xAPIC goes through "off" only. */
	TRY("wrmsr", :: "c"(0x1b), "a"((u32)base), "d"(0) : "memory");
	CHECK_TRAP(13, 0);
}

/* No irqchip: the VMM injects 0x55 when the window opens (trace 1 asks). */
void g_user_irq(void)
{
	g_eoi = EOI_NONE;
	cli();
	trace(1);
	spin(100);
	CHECK_EQ(g_count[0x55], 0);
	sti();
	spin(100);
	CHECK_EQ(g_count[0x55], 1);
}

/* Split: LINT0 keeps the VMM's PIC out, and then lets it in. */
void g_split_pic(void)
{
	lapic_enable();
	g_eoi = EOI_NONE;
	lapic_write(LVT_LINT0, 1 << 16);
	cli();
	trace(1);
	sti();
	spin(100);
	CHECK_EQ(g_count[0x55], 0);
	lapic_write(LVT_LINT0, 0x700);
	spin(100);
	CHECK_EQ(g_count[0x55], 1);
}

static void split_level(void)
{
	trace(1);
	sti();
	while (*(volatile u32 *)&level_count < 3)
		pause();
	spin(2000);
	CHECK_EQ(level_count, 3);
	/* An edge, of whose end nobody wants to hear. */
	trace(3);
	wait_irq(VEC(8), 1);
}

/* Split: the VMM's IOAPIC hears of each end, and sends again while the line is high. */
void g_split_level(void)
{
	lapic_enable();
	g_handler[VEC(9)] = on_level;
	split_level();
}

static void on_level_x2apic(struct frame *f)
{
	(void)f;
	if (++level_count == 3)
		trace(2);
	wrmsr(0x80b, 0);
}

void g_split_level_x2apic(void)
{
	wrmsr(0x1b, rdmsr(0x1b) | 1 << 10);
	wrmsr(0x80f, 0x1ff);
	g_eoi = EOI_X2APIC;
	g_handler[VEC(9)] = on_level_x2apic;
	split_level();
}

/* Interrupts and IPIs to everything and nothing, as fast as it goes. */
void g_flood(void)
{
	u32 i;

	lapic_enable();
	sti();
	for (i = 0; i < 3000; i++) {
		lapic_write(0x310, i << 24);
		lapic_write(ICR, (i * 2654435761u & 0x000c8800) | 0x40 | (i & 0xbf));
		if (i % 16 == 0)
			lapic_write(TPR, i & 0xff);
		ioapic_write(i & 0xff, i * 2654435761u | 1 << 16);
	}
}

static u32 held_entered;

/* Long enough for the host to look after its other CPUs meanwhile. */
static void on_held(struct frame *f)
{
	(void)f;
	held_entered++;
	spin(1000000);
	lapic_write(0xb0, 0);
}

/* A handler that keeps interrupts off for long is not entered again meanwhile. */
void g_held(void)
{
	int i;

	lapic_enable();
	g_handler[VEC(3)] = on_held;
	sti();
	for (i = 0; i < 5; i++)
		self_ipi(VEC(3));
	spin(1000);
	CHECK_EQ(held_entered, 5);
}
