/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What tiny guests are written with: ports, MSRs, traps caught and looked at,
 * interrupts counted, and CHECK_EQ, which ends the guest with a report.
 */
#ifndef SELFTESTS_GUEST_H
#define SELFTESTS_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "layout.h"

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int64_t s64;

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* As start.S pushes it. */
struct frame {
	u64 r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax;
	u64 vector, error, rip, cs, rflags, rsp, ss;
};

/* The last exception under TRY: as pushed by the CPU, and cr2 and dr6. */
extern volatile struct trap {
	u64 vector, error, rip, cs, rflags, rsp, cr2, dr6;
} trap;
#define NO_TRAP 0xff

/* Where TRY began, its stack, and where to go on. */
extern volatile u64 g_at, g_rsp, g_resume;

#define TRY_BEGIN "movq $1f, g_resume\n\tmovq %%rsp, g_rsp\n\tmovq $2f, g_at\n"
/* Execute one instruction that may fault; @trap tells. Operands as in asm(). */
#define TRY(insn, ...) do {						\
	trap.vector = NO_TRAP;						\
	asm volatile(TRY_BEGIN "2:\t" insn "\n1:" __VA_ARGS__);		\
	g_resume = 0;							\
} while (0)
/* Likewise in user mode; without a fault it ends in the int $0x80. */
#define TRY_USER(insn, ...) do {					\
	trap.vector = NO_TRAP;						\
	asm volatile(TRY_BEGIN						\
		"pushq $0x33\n\tpushq $g_user_stack_end\n\tpushq $2\n\t"	\
		"pushq $0x3b\n\tpushq $2f\n\tiretq\n"			\
		"2:\t" insn "\n\tint $0x80\n1:" __VA_ARGS__);		\
	g_resume = 0;							\
} while (0)

/* The trap must be this one, with this error code, at the instruction itself. */
#define CHECK_TRAP(vec, err) do {					\
	CHECK_EQ(trap.vector, vec);					\
	CHECK_EQ(trap.error, err);					\
	CHECK_EQ(trap.rip, g_at);					\
} while (0)
#define CHECK_NO_TRAP() CHECK_EQ(trap.vector, NO_TRAP)

void report(const char *file, u32 line, const char *what, u64 got, u64 want);
#define CHECK_EQ(got, want) do {					\
	u64 got_ = (u64)(got), want_ = (u64)(want);			\
	if (got_ != want_)						\
		report(__FILE__, __LINE__, #got, got_, want_);		\
} while (0)
#define CHECK(cond) do {						\
	if (!(cond))							\
		report(__FILE__, __LINE__, #cond, 0, 1);		\
} while (0)
void done(void);

/* Interrupts: counted, noted in order, ended at the APIC that @g_eoi says. */
enum eoi { EOI_NONE, EOI_XAPIC, EOI_X2APIC, EOI_PIC };
extern volatile u32 g_count[256], g_order[64], g_nr_order;
extern volatile u64 g_irq_rip;
extern volatile enum eoi g_eoi;
/* Instead of counting, when set. */
extern void (*volatile g_handler[256])(struct frame *frame);

static inline void outb(u16 port, u8 v) { asm volatile("outb %0, %1" :: "a"(v), "Nd"(port)); }
static inline void outw(u16 port, u16 v) { asm volatile("outw %0, %1" :: "a"(v), "Nd"(port)); }
static inline void outl(u16 port, u32 v) { asm volatile("outl %0, %1" :: "a"(v), "Nd"(port)); }

static inline u8 inb(u16 port)
{
	u8 v;

	asm volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static inline u16 inw(u16 port)
{
	u16 v;

	asm volatile("inw %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static inline u32 inl(u16 port)
{
	u32 v;

	asm volatile("inl %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static inline void trace(u32 v) { outl(GUEST_PORT_TRACE, v); }

static inline u64 rdmsr(u32 msr)
{
	u32 lo, hi;

	asm volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
	return lo | (u64)hi << 32;
}

static inline void wrmsr(u32 msr, u64 v)
{
	asm volatile("wrmsr" :: "c"(msr), "a"((u32)v), "d"((u32)(v >> 32)) : "memory");
}

static inline u64 rdtsc(void)
{
	u32 lo, hi;

	asm volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return lo | (u64)hi << 32;
}

static inline void cpuid(u32 leaf, u32 index, u32 r[4])
{
	asm volatile("cpuid" : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3])
		     : "a"(leaf), "c"(index));
}

static inline void sti(void) { asm volatile("sti" ::: "memory"); }
static inline void cli(void) { asm volatile("cli" ::: "memory"); }
static inline void sti_hlt(void) { asm volatile("sti; hlt" ::: "memory"); }
static inline void pause(void) { asm volatile("pause" ::: "memory"); }

/* Let interrupts in until this one came so often; gives up never: the VMM's time limit does. */
void wait_irq(u8 vector, u32 times);
/* Busy for a while with interrupts as they are. */
void spin(u32 rounds);

#define LAPIC_BASE	0xfee00000ul
#define IOAPIC_BASE	0xfec00000ul
static inline u32 lapic_read(u32 reg) { return *(volatile u32 *)(LAPIC_BASE + reg); }
static inline void lapic_write(u32 reg, u32 v) { *(volatile u32 *)(LAPIC_BASE + reg) = v; }
/* Software-enable the local APIC, spurious vector 0xff. */
void lapic_enable(void);
void ioapic_write(u8 reg, u32 v);
u32 ioapic_read(u8 reg);
void ioapic_route(u8 pin, u8 vector, u32 flags);

#define HC_KICK_CPU	5
/* As KVM takes them, by VMMCALL or VMCALL; pv.c. */
s64 hypercall(u64 nr, u64 a, u64 b, u64 c, u64 d);

/* Page tables for the tests that break them: 4 KiB pages from GUEST_FREE on. */
u64 *pte_of(u64 gva);
void invlpg(u64 gva);
u64 *gate(u8 vector);

#define VEC(n) (0x40 + (n))
#define U8(gva) (*(volatile u8 *)(u64)(gva))
#define U16(gva) (*(volatile u16 *)(u64)(gva))
#define U32(gva) (*(volatile u32 *)(u64)(gva))
#define U64(gva) (*(volatile u64 *)(u64)(gva))

#endif
