// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tiny guests: asynchronous page faults. api/apf.c calls them, and provides the memory that they
 * wait for.
 */
#include "guest.h"

#define APF_EN		0x4b564d02
#define APF_INT		0x4b564d06
#define APF_ACK		0x4b564d07
#define APF_ON		(1 | 8)
#define APF_ALWAYS	2
#define APF_VECTOR	VEC(3)
#define ALL		0xffffffffu
#define PAGES		40

static volatile struct {
	u32 flags, token;
	u8 pad[56];
} apf __attribute__((aligned(64)));

/* How often each came, and with what. */
volatile u32 g_apf_absent, g_apf_ready;
static volatile u32 absent[PAGES], ready[PAGES];
static volatile u64 skip;

static void on_absent(struct frame *f)
{
	u64 cr2;

	asm volatile("mov %%cr2, %0" : "=r"(cr2));
	CHECK_EQ(apf.flags, 1);
	apf.flags = 0;
	CHECK_EQ(f->error, 0);
	CHECK(f->rflags & 0x200);
	absent[g_apf_absent++ % PAGES] = cr2;
	if (skip)
		f->rip = skip;
}

static void on_ready(struct frame *f)
{
	(void)f;
	ready[g_apf_ready++ % PAGES] = apf.token;
	apf.token = 0;
	wrmsr(APF_ACK, 1);
	lapic_write(0xb0, 0);
}

static void wait_ready(u32 times)
{
	cli();
	while (g_apf_ready < times) {
		sti_hlt();
		cli();
	}
}

/* Who turns it on is told to try everything. */
static void begin(u64 flags)
{
	lapic_enable();
	g_handler[14] = on_absent;
	g_handler[APF_VECTOR] = on_ready;
	wrmsr(APF_INT, APF_VECTOR);
	wrmsr(APF_EN, (u64)&apf | APF_ON | flags);
	wait_ready(1);
	CHECK_EQ(ready[0], ALL);
	g_apf_ready = 0;
}

/* Touch memory with interrupts on; go on behind that when it is not there. */
static void touch(u64 gva)
{
	asm volatile("movq $1f, %0\n\tsti\n\tnop\n\tmovl (%1), %%eax\n\tnop\n1:\tcli"
		     : "=m"(skip) : "r"(gva) : "rax", "memory");
	skip = 0;
}

/* The guest is told, does something else, halts, and is told again. */
void g_apf(u64 gva)
{
	begin(APF_ALWAYS);
	touch(gva);
	CHECK_EQ(g_apf_absent, 1);
	CHECK(absent[0] && absent[0] != ALL);
	trace(1);
	wait_ready(1);
	CHECK_EQ(ready[0], absent[0]);
	touch(gva);
	CHECK_EQ(g_apf_absent, 1);
	CHECK_EQ(U32(gva), 0x1234);
	CHECK_EQ(apf.flags, 0);
	CHECK_EQ(apf.token, 0);
}

/* Not told where the kernel did not ask for it, nor twice of the same page. */
void g_apf_nap(u64 gva, u64 flags)
{
	begin(flags);
	trace(1);
	sti();
	spin(1);	/* out of its shadow */
	CHECK_EQ(U32(gva), 0x1234);
	spin(10000);
	cli();
	CHECK_EQ(g_apf_absent, g_apf_ready);
	trace(g_apf_absent);
}

void g_apf_nap_user(u64 gva)
{
	g_apf_nap(gva, 0);
}

/* A kick that came before is for the guest's next halt, and keeps nobody awake. */
void g_apf_nap_kicked(u64 gva)
{
	begin(0);
	CHECK_EQ(hypercall(HC_KICK_CPU, 0, lapic_read(0x20) >> 24, 0, 0), 0);
	trace(1);
	sti();
	spin(1);	/* out of its shadow */
	CHECK_EQ(U32(gva), 0x1234);
	cli();
	trace(g_apf_absent);
	asm volatile("hlt" ::: "memory");
}

void g_apf_nap_told(u64 gva)
{
	g_apf_nap(gva, APF_ALWAYS);
}

/* More pages than a vCPU waits for. */
void g_apf_many(u64 gva)
{
	u32 i, j, found;

	begin(APF_ALWAYS);
	for (i = 0; i < PAGES; i++)
		touch(gva + i * 4096);
	trace(g_apf_absent);
	wait_ready(g_apf_absent);
	for (i = 0; i < g_apf_absent; i++) {
		for (found = 0, j = 0; j < g_apf_ready; j++)
			found += ready[j] == absent[i];
		CHECK_EQ(found, 1);
	}
}

/* Told, and then nothing more is wanted. */
void g_apf_off(u64 gva)
{
	begin(APF_ALWAYS);
	touch(gva);
	CHECK_EQ(g_apf_absent, 1);
	wrmsr(APF_EN, 0);
	trace(1);
	sti();
	spin(1);	/* out of its shadow */
	CHECK_EQ(U32(gva), 0x1234);
	spin(10000);
	cli();
	CHECK_EQ(g_apf_ready, 0);
	CHECK_EQ(g_apf_absent, 1);
}
