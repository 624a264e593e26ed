/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Random instructions for emu_diff: what one is, the state it starts from, and what
 * may differ after it.  The encodings are written down here a second time, apart from
 * the emulator's tables, so that a mistake in those is seen.
 */
#ifndef DITTO_SELFTESTS_EMU_GEN_H
#define DITTO_SELFTESTS_EMU_GEN_H

#include "x86/emulate/internal.h"

#define CODE_PAGE	0x10000000UL
#define DATA_PAGE	0x10010000UL
#define PAGE		4096UL
#define INSN		(CODE_PAGE + PAGE - 256)

/* Of user mode, as Linux has them. */
#define USER_CS64	0x33
#define USER_CS32	0x23
#define USER_DS		0x2b

#define ALL EMU_STATUS_FLAGS

/* Also known to emu_diff's assembly by offset. */
struct state {
	u64 regs[16];
	u64 rflags;
	u64 pad;
	u8 vec[16][32];	/* YMM, of which XMM is the first half */
	u8 fx[512];	/* as FXSAVE has it; of it only x87 is looked at */
};

enum undefined {	/* flags that the manuals leave undefined */
	U_NONE, U_LOGIC, U_SHIFT, U_ROTATE, U_MUL, U_DIV, U_BT, U_BSF, U_ANDN, U_BEXTR,
};

#define T_0F	0x0001
#define T_0F38	0x0002
#define T_MODRM	0x0004
#define T_BYTE	0x0008	/* 8-bit operand */
#define T_IMM8	0x0010
#define T_IMMZ	0x0020
#define T_IMMV	0x0040
#define T_LOCK	0x0080
#define T_MEM	0x0100	/* no register form */
#define T_BITS	0x0400	/* register bit offset */
#define T_ZREG	0x0800	/* register in the opcode */
#define T_NO66	0x1000
#define T_NOREP	0x2000	/* no F2, F3: they change the meaning */
#define T_STR	0x4000
#define T_STACK	0x8000
#define T_ALIGN	0x10000	/* 16-byte operand must be aligned */
#define T_CL	0x20000	/* count in CL */
#define T_ONE	0x40000	/* count 1 */
#define T_COND	0x80000	/* 16 conditions */
#define T_PAIR	0x100000	/* compares with rDX:rAX or rAX */
#define T_ONLY32	0x200000
#define T_ONLY64	0x400000
#define T_VEX	0x1000000	/* with T_0F, T_0F38, T_0F3A: the map */
#define T_0F3A	0x2000000
#define T_V3	0x10000000	/* VEX.vvvv is an operand */
#define T_X87	0x40000000	/* a number of x87's in memory */
#define T_FAR	0x80000000u	/* to a selector in memory, on the stack or in the instruction */
#define T_L	0x20000000	/* VEX.L may be set */
#define T_ENTER	0x4000000	/* two immediates */
#define T_DIR64	0x8000000	/* the register is a pointer, too */
#define T_PARTIAL	0x800000	/* on a fault, the CPU may have written a part */

struct template {
	const char *name;
	u32 flags;
	u8 opcode;
	s8 ext;		/* ModRM.reg, or -1: random */
	u8 prefix;	/* mandatory, or 0 */
	enum undefined undef;
	enum emu_need need;	/* not tested on CPUs without it */
};

/* One generated instruction and the state before it. */
struct gen {
	const struct template *t;
	u8 bytes[16];
	unsigned int len;
	u8 rex, vvvv;
	bool addr32, opsize16;
	bool skip;	/* nothing that can be compared */
	unsigned int rip_pos;	/* of a displacement relative to rIP, 0: none */
	struct state before;
	u64 target;	/* address of the memory operand, 0: none */
	u8 imm8;
};

extern const struct template templates[];
extern const unsigned int nr_templates;

/* Of what follows: 32-bit mode instead of 64-bit mode. */
extern bool mode32;
/* Of the random numbers; never 0. */
extern u64 seed;

/* The data page before the instruction; generate() puts values into it that compare equal. */
extern u8 shadow[PAGE];

/* Has this CPU what enum emu_need names? */
bool host_has(enum emu_need need);

/* Is it one of Intel's, or at least not AMD's? */
bool host_is_intel(void);

u64 rnd(void);
void generate(struct gen *g, const struct template *t);
u64 undefined_flags(const struct gen *g);
bool undefined_result(const struct gen *g);

#endif
