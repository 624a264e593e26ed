// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tiny guests: instructions, CPUID, MSRs, control and debug registers.
 */
#include "guest.h"

/* Filled by the VMM: what CPUID must answer. */
volatile u32 g_nr_leaves;
volatile struct {
	u32 leaf, index, r[4], mask[4];
} g_leaves[256];
volatile u64 g_values[16];

void g_arith(void)
{
	u64 a = 0, b = 1, t, q, r;
	u32 i;

	for (i = 0; i < 90; i++) {
		t = a + b;
		a = b;
		b = t;
	}
	CHECK_EQ(a, 2880067194370816120ull);
	asm volatile("mulq %3" : "=a"(q), "=d"(r) : "a"(0x123456789abcdef1ull),
		     "r"(0xfedcba9876543210ull));
	CHECK_EQ(q, 0x224a4396cc6d0110);
	CHECK_EQ(r, 0x121fa00ad77d7423);
}

/*
 * CMPXCHG16B changes ZF and no other flag (SDM vol. 2).  QEMU 7.2 lets bits of an
 * operand of the instruction before become flags: the jump and the comparison are there
 * for that.
 */
void g_cmpxchg16b(void)
{
	static volatile u64 __attribute__((aligned(16))) pair[2];
	u64 flags, round;

	for (round = 0; round < 2; round++) {
		pair[0] = round;
		asm volatile("pushfq; popfq; jmp 1f\n"
			     "1:\tcmp %4, %3\n"
			     "\tlock cmpxchg16b %1\n"
			     "\tpushfq; pop %0"
			     : "=r"(flags), "+m"(*(volatile u64 (*)[2])pair)
			     : "a"(0ull), "r"(5ull), "r"(0x1410470a2ull), "b"(7ull), "c"(8ull),
			       "d"(0ull) : "cc");
		/* Of the comparison: CF, PF and SF as 5 - 0x1410470a2 sets them. */
		CHECK_EQ(flags, round ? 0x87 : 0xc7);
		CHECK_EQ(pair[0], round ? 1 : 7);
		CHECK_EQ(pair[1], round ? 0 : 8);
		pair[1] = 0;
	}
}

void g_nothing(void)
{
}

/* No irqchip: HLT leaves to the VMM, which looks at rip. */
void g_hlt(void)
{
	asm volatile(".globl g_hlt_at\ng_hlt_at: hlt");
	trace(0x600d);
}

void g_cpuid(void)
{
	u32 i, j, r[4];

	for (i = 0; i < g_nr_leaves; i++) {
		cpuid(g_leaves[i].leaf, g_leaves[i].index, r);
		for (j = 0; j < 4; j++) {
			if (!((r[j] ^ g_leaves[i].r[j]) & g_leaves[i].mask[j]))
				continue;
			trace(g_leaves[i].leaf);
			trace(g_leaves[i].index);
			CHECK_EQ(r[j], g_leaves[i].r[j]);
		}
	}
}

/* AMD: a leaf that does not exist reads as zeros. */
void g_cpuid_beyond(void)
{
	u32 r[4], j;

	cpuid(0, 0, r);
	cpuid(r[0] + 1, 0, r);
	for (j = 0; j < 4; j++)
		CHECK_EQ(r[j], 0);
	cpuid(0x8fffffff, 0, r);
	CHECK_EQ(r[0] | r[1] | r[2] | r[3], 0);
}

static const struct {
	u32 msr;
	u64 value;
} plain_msrs[] = {
	{ 0xc0000100, 0xffff888012345678 },	/* FS_BASE */
	{ 0xc0000101, 0xffff888087654321 },	/* GS_BASE */
	{ 0xc0000102, 0x00007fff12345000 },	/* KERNEL_GS_BASE */
	{ 0xc0000081, 0x0023001000000000 },	/* STAR */
	{ 0xc0000082, 0xffffffff81000000 },	/* LSTAR */
	{ 0xc0000083, 0xffffffff81001000 },	/* CSTAR */
	{ 0xc0000084, 0x47700 },		/* SFMASK */
	{ 0x174, 0x10 },			/* SYSENTER_CS */
	{ 0x175, 0x81234560 },
	{ 0x176, 0x81234570 },
	{ 0x277, 0x0407050600070106 },		/* PAT */
};

/* The VMM reads them afterwards, and finds the same. */
void g_msr_plain(void)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(plain_msrs); i++)
		wrmsr(plain_msrs[i].msr, plain_msrs[i].value);
	trace(0);
	for (i = 0; i < ARRAY_SIZE(plain_msrs); i++)
		CHECK_EQ(rdmsr(plain_msrs[i].msr), plain_msrs[i].value);
}

/* FS and GS bases are used, not only kept. */
void g_segment_bases(void)
{
	u64 a, b;

	g_values[0] = 0x1111222233334444;
	g_values[1] = 0x5555666677778888;
	wrmsr(0xc0000100, (u64)&g_values[0]);
	wrmsr(0xc0000101, (u64)&g_values[1]);
	trace(0);
	asm volatile("mov %%fs:0, %0; mov %%gs:0, %1" : "=r"(a), "=r"(b));
	CHECK_EQ(a, 0x1111222233334444);
	CHECK_EQ(b, 0x5555666677778888);
	wrmsr(0xc0000102, (u64)&g_values[0]);
	asm volatile("swapgs; mov %%gs:0, %0" : "=r"(a));
	CHECK_EQ(a, 0x1111222233334444);
	CHECK_EQ(rdmsr(0xc0000102), (u64)&g_values[1]);
}

static void try_wrmsr(u32 msr, u64 v)
{
	TRY("wrmsr", :: "c"(msr), "a"((u32)v), "d"((u32)(v >> 32)) : "memory");
}

void g_msr_unknown(void)
{
	static const u32 unknown[] = { 0x12345, 0x1fffffff, 0xc0001234, 0x40000fff, 0xdeadbeef };
	u32 i;

	for (i = 0; i < ARRAY_SIZE(unknown); i++) {
		TRY("rdmsr", :: "c"(unknown[i]) : "rax", "rdx", "memory");
		CHECK_TRAP(13, 0);
		try_wrmsr(unknown[i], 0);
		CHECK_TRAP(13, 0);
	}
}

/* Traces the value that an MSR has, or the trap. */
void g_msr_read(u64 msr)
{
	u32 low;

	TRY("rdmsr", : "=a"(low) : "c"((u32)msr) : "rdx", "memory");
	trace(trap.vector == NO_TRAP ? low : trap.vector);
}

/* Writes the upper half of its argument; traces 0 or the trap. */
void g_msr_write(u64 msr_and_value)
{
	try_wrmsr((u32)msr_and_value, msr_and_value >> 32);
	trace(trap.vector == NO_TRAP ? 0 : trap.vector);
}

/* Those that no exit is needed for are left out: the emulated CPU takes any address. */
void g_msr_bad_values(void)
{
	static const struct {
		u32 msr;
		u64 value;
	} bad[] = {
		{ 0xc0000080, 1ull << 63 | 0xd01 },	/* EFER, reserved bit */
		{ 0xc0000080, 0xd01 | 1 << 1 },
		{ 0xc0000080, 0x401 },		/* LME cannot change under paging */
		{ 0x277, 0x0202020202020202 },	/* PAT, no such type */
		{ 0x277, 8 },
		{ 0x1b, 0xffff000000000900 },	/* APIC_BASE, beyond physical addresses */
		{ 0x1b, 0xfee00901 },		/* reserved bit 0 */
		{ 0x1b, 0xfee00500 },		/* x2APIC without enable */
		{ 0x2ff, 0xffff },		/* MTRRdefType, reserved */
	};
	u64 efer = rdmsr(0xc0000080);
	u32 i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		u64 before = rdmsr(bad[i].msr);

		try_wrmsr(bad[i].msr, bad[i].value);
		trace(i);
		CHECK_TRAP(13, 0);
		CHECK_EQ(rdmsr(bad[i].msr), before);
	}
	CHECK_EQ(rdmsr(0xc0000080), efer);
}

/* In user mode both are #GP(0). */
void g_msr_user(void)
{
	TRY_USER("rdmsr", :: "c"(0xc0000080) : "rax", "rdx", "memory");
	CHECK_TRAP(13, 0);
	CHECK_EQ(trap.cs, GUEST_USER_CS64);
}

static u64 cr0(void) { u64 v; asm volatile("mov %%cr0, %0" : "=r"(v)); return v; }
static u64 cr4(void) { u64 v; asm volatile("mov %%cr4, %0" : "=r"(v)); return v; }

void g_cr_bad_values(void)
{
	u64 old0 = cr0(), old4 = cr4(), v;

	v = old0 | 1ull << 29;		/* NW without CD */
	TRY("mov %0, %%cr0", :: "r"(v) : "memory");
	CHECK_TRAP(13, 0);
	v = old4 & ~0x20ull;		/* PAE off in long mode */
	TRY("mov %0, %%cr4", :: "r"(v) : "memory");
	CHECK_TRAP(13, 0);
	v = old4 | 1 << 14;		/* SMXE: no such CPU */
	TRY("mov %0, %%cr4", :: "r"(v) : "memory");
	CHECK_TRAP(13, 0);
	CHECK_EQ(cr0(), old0);
	CHECK_EQ(cr4(), old4);
}

void g_cr_good_values(void)
{
	u64 old0 = cr0(), old4 = cr4();

	asm volatile("mov %0, %%cr0" :: "r"(old0 | 8));		/* TS */
	CHECK_EQ(cr0(), old0 | 8);
	TRY("movq %%xmm0, %%rax", ::: "rax", "memory");
	CHECK_TRAP(7, 0);
	asm volatile("clts");
	CHECK_EQ(cr0(), old0);
	TRY("movq %%xmm0, %%rax", ::: "rax", "memory");
	CHECK_NO_TRAP();
	asm volatile("mov %0, %%cr4" :: "r"(old4 | 4));		/* TSD */
	TRY_USER("rdtsc", ::: "rax", "rdx", "memory");
	CHECK_TRAP(13, 0);
	asm volatile("mov %0, %%cr4" :: "r"(old4));
	TRY_USER("rdtsc", ::: "rax", "rdx", "memory");
	CHECK_EQ(trap.vector, 0x80);
}

static u64 dr(u32 n)
{
	u64 v = 0;

	switch (n) {
	case 0: asm volatile("mov %%db0, %0" : "=r"(v)); break;
	case 1: asm volatile("mov %%db1, %0" : "=r"(v)); break;
	case 2: asm volatile("mov %%db2, %0" : "=r"(v)); break;
	case 3: asm volatile("mov %%db3, %0" : "=r"(v)); break;
	case 6: asm volatile("mov %%db6, %0" : "=r"(v)); break;
	case 7: asm volatile("mov %%db7, %0" : "=r"(v)); break;
	}
	return v;
}

void g_dr_values(void)
{
	u64 bad = 1ull << 32 | 0x400;

	asm volatile("mov %0, %%db0" :: "r"(0x1234567812345678ul));
	asm volatile("mov %0, %%db1" :: "r"(0xfffff00012345678ul));
	asm volatile("mov %0, %%db2" :: "r"(2ul));
	asm volatile("mov %0, %%db3" :: "r"(3ul));
	trace(0);
	CHECK_EQ(dr(0), 0x1234567812345678);
	CHECK_EQ(dr(1), 0xfffff00012345678);
	CHECK_EQ(dr(2), 2);
	CHECK_EQ(dr(3), 3);
	CHECK_EQ(dr(7), 0x400);
	asm volatile("mov %0, %%db6" :: "r"(0ul));
	CHECK_EQ(dr(6) & 0xf00f, 0);
	TRY("mov %0, %%db7", :: "r"(bad) : "memory");
	CHECK_TRAP(13, 0);
	bad = 1ull << 32;
	TRY("mov %0, %%db6", :: "r"(bad) : "memory");
	CHECK_TRAP(13, 0);
	TRY_USER("mov %%db0, %%rax", ::: "rax", "memory");
	CHECK_TRAP(13, 0);
}

/* DR4 and DR5 are DR6 and DR7, until CR4.DE makes them #UD. */
void g_dr_alias(void)
{
	u64 v, old4 = cr4();

	TRY(".byte 0x0f, 0x21, 0xe8", : "=a"(v) :: "memory");	/* mov %db5, %rax */
	CHECK_NO_TRAP();
	CHECK_EQ(v, dr(7));
	asm volatile("mov %0, %%cr4" :: "r"(old4 | 8));
	TRY(".byte 0x0f, 0x21, 0xe8", ::: "rax", "memory");
	CHECK_TRAP(6, 0);
	asm volatile("mov %0, %%cr4" :: "r"(old4));
}

/* A data breakpoint: a trap after the store, DR6 says which. */
void g_dr_watch(void)
{
	static volatile u64 watched;

	asm volatile("mov %0, %%db6" :: "r"(0ul));
	asm volatile("mov %0, %%db1" :: "r"(&watched));
	asm volatile("mov %0, %%db7" :: "r"(0x400ul | 1 << 2 | 0xdul << 20));
	TRY("movq $7, (%0)\n\tnop", :: "r"(&watched) : "memory");
	asm volatile("mov %0, %%db7" :: "r"(0x400ul));
	CHECK_EQ(trap.vector, 1);
	CHECK_EQ(trap.dr6 & 0xf00f, 2);
	CHECK_EQ(watched, 7);
	CHECK_EQ(trap.rip, g_at + 7);
}

static volatile u64 steps[16];
static volatile u32 nr_steps;

static void on_step(struct frame *f)
{
	u64 dr6 = dr(6);

	CHECK_EQ(dr6 & 0xf00f, 0x4000);
	asm volatile("mov %0, %%db6" :: "r"(0xffff0ff0ul));
	if (nr_steps < ARRAY_SIZE(steps))
		steps[nr_steps] = f->rip;
	nr_steps++;
	if (nr_steps == 8)
		f->rflags &= ~0x100ul;
}

/* TF: a #DB after every instruction, emulated ones included. */
void g_single_step(void)
{
	u64 first, i;
	static const u8 lengths[] = { 1, 2, 2, 2, 5, 1 };

	g_handler[1] = on_step;
	asm volatile("pushfq; orq $0x100, (%%rsp); popfq\n"
		     "1:\tnop\n\txor %%eax, %%eax\n\txor %%ecx, %%ecx\n\tcpuid\n"
		     "\tmov $0x600, %%edx\n"
		     "\tin %%dx, %%al\n\tnop\n\tnop\n\tnop\n\tnop\n\tnop\n\tnop\n\t"
		     "lea 1b(%%rip), %0" : "=r"(first) :: "rax", "rbx", "rcx", "rdx", "memory");
	CHECK_EQ(nr_steps, 8);
	for (i = 0; i < ARRAY_SIZE(lengths); i++) {
		first += lengths[i];
		CHECK_EQ(steps[i], first);
	}
}

/* MOV SS holds the single-step trap back by one instruction. */
void g_mov_ss_shadow(void)
{
	u64 first;

	g_handler[1] = on_step;
	nr_steps = 7;
	asm volatile("mov %%ss, %%eax\n\tpushfq; orq $0x100, (%%rsp); popfq\n"
		     "1:\tmov %%eax, %%ss\n\tnop\n\tnop\n\tlea 1b(%%rip), %0"
		     : "=r"(first) :: "rax", "memory");
	CHECK_EQ(nr_steps, 8);
	CHECK_EQ(steps[7], first + 3);
}

/* Two readings of the TSC, each told to the VMM at once. */
void g_tsc_twice(void)
{
	trace(rdtsc() >> 4);
	trace(rdtsc() >> 4);
}

void g_tsc(void)
{
	u64 last = rdtsc(), now;
	u32 i, r[4], aux;

	for (i = 0; i < 100; i++) {
		now = rdtsc();
		CHECK(now > last);
		last = now;
		if (i % 10 == 0)
			trace(i);
	}
	cpuid(0x80000001, 0, r);
	if (!(r[3] & 1 << 27))
		return;
	wrmsr(0xc0000103, 0x12345678);
	trace(0);
	asm volatile("rdtscp" : "=c"(aux) :: "rax", "rdx");
	CHECK_EQ(aux, 0x12345678);
	CHECK_EQ(rdmsr(0xc0000103), 0x12345678);
}

void g_hypercall(void)
{
	u64 result;
	u32 r[4];

	cpuid(0, 0, r);
	if (r[1] == 0x68747541)		/* "Auth" */
		asm volatile("vmmcall" : "=a"(result) : "a"(0x7777) : "memory");
	else
		asm volatile("vmcall" : "=a"(result) : "a"(0x7777) : "memory");
	CHECK_EQ(result, (u64)-1000);	/* KVM_ENOSYS */
}

/* One of the two is another vendor's: it becomes this CPU's, and works. */
void g_hypercall_foreign(void)
{
	extern u8 g_vmcall[3], g_vmmcall[3];
	u64 result;

	asm volatile("g_vmcall: vmcall" : "=a"(result) : "a"(0x7777) : "memory");
	CHECK_EQ(result, (u64)-1000);
	asm volatile("g_vmmcall: vmmcall" : "=a"(result) : "a"(0x7777) : "memory");
	CHECK_EQ(result, (u64)-1000);
	CHECK_EQ(g_vmcall[2], g_vmmcall[2]);
}

/* Exactly one of them is this CPU's. */
void g_hypercall_undefined(void)
{
	u32 undefined;

	TRY("vmcall", :: "a"(0x7777) : "memory");
	undefined = trap.vector == 6;
	TRY("vmmcall", :: "a"(0x7777) : "memory");
	undefined += trap.vector == 6;
	CHECK_EQ(undefined, 1);
}

/* Code that it could not write itself is not rewritten for it, either. */
void g_hypercall_readonly(void)
{
	u64 page = 0x401000;
	u64 cr0, error[2];
	u32 i;

	asm volatile("mov %%cr0, %0" : "=r"(cr0));
	asm volatile("mov %0, %%cr0" :: "r"(cr0 | 1 << 16));
	for (i = 0; i < 2; i++) {
		U32(page) = i ? 0xc3d9010f : 0xc3c1010f;	/* and RET */
		*pte_of(page) &= ~2ull;
		invlpg(page);
		TRY("call *%0", :: "r"(page), "a"(0x7777) : "memory");
		error[i] = trap.vector == NO_TRAP ? 0 : trap.vector << 8 | trap.error;
		*pte_of(page) |= 2;
		invlpg(page);
		CHECK_EQ(U8(page + 2), i ? 0xd9 : 0xc1);
	}
	asm volatile("mov %0, %%cr0" :: "r"(cr0));
	CHECK_EQ(error[0] + error[1], 0xe03);
}

/* Instructions this virtual CPU does not have. */
void g_no_such_instruction(void)
{
	TRY("vmrun", ::: "memory");
	CHECK_TRAP(6, 0);
	TRY("vmmcall\n\tud2", :: "a"(0x7777) : "memory");
	CHECK_EQ(trap.vector, 6);
	CHECK_EQ(trap.rip, g_at + 3);
	TRY("skinit", ::: "memory");
	CHECK_TRAP(6, 0);
	TRY("xsetbv", :: "a"(3), "d"(0), "c"(0) : "memory");	/* CR4.OSXSAVE = 0 */
	CHECK_TRAP(6, 0);
}

/* XSAVES without supervisor state: its compacted format, and an IA32_XSS that is 0. */
void g_xsaves(void)
{
	static u8 area[4096] __attribute__((aligned(64)));
	static u64 in[2] __attribute__((aligned(16))) = { 0x1122334455667788, 0x99aabbccddeeff00 };
	static u64 out[2] __attribute__((aligned(16)));
	u64 cr4;
	u32 r[4];

	asm volatile("mov %%cr4, %0" : "=r"(cr4));
	asm volatile("mov %0, %%cr4" :: "r"(cr4 | 1 << 18 | 1 << 10 | 1 << 9) : "memory");
	cpuid(0xd, 0, r);
	asm volatile("xsetbv" :: "a"(r[0] & 7), "d"(0), "c"(0) : "memory");
	cpuid(0xd, 1, r);
	CHECK_EQ(r[0] >> 3 & 1, 1);
	CHECK_EQ(r[2] | r[3], 0);
	CHECK_EQ(rdmsr(0xda0), 0);
	wrmsr(0xda0, 0);
	TRY("wrmsr", :: "c"(0xda0), "a"(0x100), "d"(0) : "memory");
	CHECK_TRAP(13, 0);
	asm volatile("movdqa %0, %%xmm1" :: "m"(in));
	asm volatile("xsaves64 %0" : "+m"(area) : "a"(7), "d"(0));
	CHECK_EQ(*(u64 *)&area[520] >> 63, 1);		/* compacted */
	CHECK_EQ(*(u64 *)&area[160 + 16], in[0]);	/* xmm1 */
	asm volatile("pxor %%xmm1, %%xmm1\n\txrstors64 %1\n\tmovdqa %%xmm1, %0"
		     : "=m"(out) : "m"(area), "a"(7), "d"(0));
	CHECK_EQ(out[0], in[0]);
	CHECK_EQ(out[1], in[1]);
	asm volatile("mov %0, %%cr4" :: "r"(cr4) : "memory");
	TRY("xsaves64 %0", : "+m"(area) : "a"(7), "d"(0));
	CHECK_TRAP(6, 0);
}

void g_wbinvd(void)
{
	asm volatile("wbinvd" ::: "memory");
	TRY_USER("wbinvd", ::: "memory");
	CHECK_TRAP(13, 0);
	TRY_USER("hlt", ::: "memory");
	CHECK_TRAP(13, 0);
	TRY_USER("cli", ::: "memory");
	CHECK_TRAP(13, 0);
	TRY_USER("in %%dx, %%al", :: "d"(GUEST_PORT) : "rax", "memory");
	CHECK_TRAP(13, 0);
}

/* Code that writes code, in its own page and in another. */
void g_self_modifying(void)
{
	static u8 code[4096] __attribute__((aligned(4096)));
	u32 i, got;

	for (i = 0; i < 200; i++) {
		code[0] = 0xb8;			/* mov $imm32, %eax; ret */
		*(u32 *)&code[1] = i * 0x01010101;
		code[5] = 0xc3;
		asm volatile("call *%1" : "=a"(got) : "r"(code) : "memory");
		CHECK_EQ(got, i * 0x01010101);
		if (i % 50 == 0)
			trace(i);
	}
	/* The instruction after the next one: the CPU must see it changed. */
	asm volatile("movb $1, 1f+1(%%rip)\n\tjmp 1f\n1:\tmov $1, %%al" ::: "rax", "memory");
	asm volatile("movb $2, 1f+1(%%rip)\n1:\tmov $1, %%al\n\tmovzbl %%al, %0"
		     : "=r"(got) :: "rax", "memory");
	CHECK_EQ(got, 2);
}
