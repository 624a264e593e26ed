// SPDX-License-Identifier: GPL-2.0-only
/*
 * The emulator against the CPU: random instructions, run by both, must end in the same state.
 *
 * User instructions, in 64-bit mode and in 32-bit mode (a compatibility segment).  The generator knows the encodings by itself (templates below), so that it
 * checks the emulator's tables too.  A template says which flags the manuals leave undefined; all others, all
 * registers, the memory, the length and the fault must be equal.
 * The hard part is running the instruction on the CPU with every register, rSP included, under test: state is
 * kept at link-time addresses (no PIE), and signals come on a stack of their own.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <ucontext.h>

#include "x86/emulate_internal.h"

#define CODE_PAGE	0x10000000UL
#define DATA_PAGE	0x10010000UL
#define PAGE		4096UL
#define INSN		(CODE_PAGE + PAGE - 256)
#define NO_FAULT	0xff
#define USER_CS64	0x33
#define USER_CS32	0x23
#define USER_DS		0x2b

#define CF X86_EFLAGS_CF
#define PF X86_EFLAGS_PF
#define AF X86_EFLAGS_AF
#define ZF X86_EFLAGS_ZF
#define SF X86_EFLAGS_SF
#define OF X86_EFLAGS_OF
#define ALL EMU_STATUS_FLAGS

/* Also known to the assembly below by offset. */
struct state {
	u64 regs[16];
	u64 rflags;
	u64 pad;
	u8 xmm[16][16];
};

struct state native;
u64 native_host_rsp;
struct {
	u32 offset;
	u16 selector;
} native_insn = { INSN, USER_CS32 };
u64 native_way;		/* INSN itself, or native_far */
static u8 native_fault;
static bool mode32;	/* which of the two modes is under test */

void run_native(void);
extern char native_back[], native_leave[], native_far[];

asm(".text\n"
    "run_native:\n"
    "	push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
    "	mov %rsp, native_host_rsp\n"
    "	.irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n"
    "	movdqu native+144+16*\\n, %xmm\\n\n"
    "	.endr\n"
    "	push native+128; popfq\n"
    "	mov native+0, %rax; mov native+8, %rcx; mov native+16, %rdx; mov native+24, %rbx\n"
    "	mov native+40, %rbp; mov native+48, %rsi; mov native+56, %rdi\n"
    "	.irp n,8,9,10,11,12,13,14,15\n"
    "	mov native+8*\\n, %r\\n\n"
    "	.endr\n"
    "	mov native+32, %rsp\n"
    "	jmp *native_way\n"
    "native_far:\n"
    "	ljmpl *native_insn\n"
    "native_back:\n"
    "	mov %rsp, native+32\n"
    "	mov native_host_rsp, %rsp\n"
    "	pushfq; pop native+128\n"
    "	mov %rax, native+0; mov %rcx, native+8; mov %rdx, native+16; mov %rbx, native+24\n"
    "	mov %rbp, native+40; mov %rsi, native+48; mov %rdi, native+56\n"
    "	.irp n,8,9,10,11,12,13,14,15\n"
    "	mov %r\\n, native+8*\\n\n"
    "	.endr\n"
    "	.irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n"
    "	movdqu %xmm\\n, native+144+16*\\n\n"
    "	.endr\n"
    "native_leave:\n"
    "	mov native_host_rsp, %rsp\n"
    "	cld\n"
    "	pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
    "	ret\n");

static void on_fault(int sig, siginfo_t *info, void *uc)
{
	static const int order[16] = { REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP,
				       REG_RSI, REG_RDI, REG_R8, REG_R9, REG_R10, REG_R11,
				       REG_R12, REG_R13, REG_R14, REG_R15 };
	greg_t *g = ((ucontext_t *)uc)->uc_mcontext.gregs;
	int i;

	(void)info;
	if ((u64)g[REG_RIP] - INSN >= 16) {
		fprintf(stderr, "signal %d outside of the instruction, at %llx\n", sig,
			(unsigned long long)g[REG_RIP]);
		_exit(2);
	}
	for (i = 0; i < 16; i++)
		native.regs[i] = g[order[i]];
	native.rflags = g[REG_EFL];
	native_fault = g[REG_TRAPNO];
	g[REG_RIP] = (greg_t)native_leave;
	/* Some CPUs' IRET, with which the kernel returns, refuses an rSP that is not canonical. */
	g[REG_RSP] = native_host_rsp;
	g[REG_CSGSFS] = (g[REG_CSGSFS] & ~0xffffLL) | USER_CS64;
}

/* The emulator's world: one data page, the same code, XMM registers in an array. */

static u8 shadow[PAGE];
static u8 emu_xmm[16][16];
static struct emu_ctxt ctxt;
static u64 ctxt_regs[EMU_NR_REGS];

static enum emu_result page_fault(struct emu_ctxt *c, u64 gva)
{
	c->fault = (struct emu_fault){ .valid = true, .vector = X86_TRAP_PF, .cr2 = gva };
	return EMU_FAULT;
}

static enum emu_result w_fetch(struct emu_ctxt *c, u64 gva, void *buf, unsigned int len)
{
	if (gva < CODE_PAGE || gva + len > CODE_PAGE + PAGE)
		return page_fault(c, gva);
	memcpy(buf, (void *)gva, len);
	return EMU_OK;
}

static enum emu_result w_probe(struct emu_ctxt *c, u64 gva, unsigned int len, unsigned int access)
{
	(void)access;
	return gva < DATA_PAGE || gva + len > DATA_PAGE + PAGE ? page_fault(c, gva) : EMU_OK;
}

static enum emu_result w_read(struct emu_ctxt *c, u64 gva, void *buf, unsigned int len,
			      unsigned int access)
{
	enum emu_result r = w_probe(c, gva, len, access);

	if (r == EMU_OK)
		memcpy(buf, shadow + gva - DATA_PAGE, len);
	return r;
}

static enum emu_result w_write(struct emu_ctxt *c, u64 gva, const void *buf, unsigned int len,
			       unsigned int access)
{
	enum emu_result r = w_probe(c, gva, len, access);

	if (r == EMU_OK)
		memcpy(shadow + gva - DATA_PAGE, buf, len);
	return r;
}

static enum emu_result w_cmpxchg(struct emu_ctxt *c, u64 gva, const void *old, const void *new,
				 unsigned int len)
{
	enum emu_result r = w_probe(c, gva, len, EMU_ACC_WRITE);

	if (r == EMU_OK && memcmp(shadow + gva - DATA_PAGE, old, len))
		r = EMU_RETRY;
	return r == EMU_OK ? w_write(c, gva, new, len, 0) : r;
}

static void w_get_segment(struct emu_ctxt *c, enum emu_seg nr, struct kvm_segment *seg)
{
	(void)c;
	*seg = (struct kvm_segment){ .limit = 0xffffffff, .type = nr == EMU_CS ? 11 : 3,
				     .present = 1, .s = 1, .db = 1 };
}

static u64 w_get_cr(struct emu_ctxt *c, unsigned int nr)
{
	(void)c;
	return nr == 4 ? X86_CR4_OSFXSR : X86_CR0_PE | X86_CR0_PG;
}

static void w_get_xmm(struct emu_ctxt *c, unsigned int nr, void *buf)
{
	(void)c;
	memcpy(buf, emu_xmm[nr], 16);
}

static void w_set_xmm(struct emu_ctxt *c, unsigned int nr, const void *buf)
{
	(void)c;
	memcpy(emu_xmm[nr], buf, 16);
}

static const struct emu_ops world = {
	.fetch = w_fetch, .read = w_read, .write = w_write, .probe = w_probe,
	.cmpxchg = w_cmpxchg, .get_segment = w_get_segment, .get_cr = w_get_cr,
	.get_xmm = w_get_xmm, .set_xmm = w_set_xmm,
};

/* Templates */

enum undefined {	/* flags that the manuals leave undefined */
	U_NONE, U_LOGIC, U_SHIFT, U_ROTATE, U_MUL, U_DIV, U_BT, U_BSF,
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
#define T_PARTIAL	0x800000	/* on a fault, the CPU may have written a part */

struct template {
	const char *name;
	u32 flags;
	u8 opcode;
	s8 ext;		/* ModRM.reg, or -1: random */
	u8 prefix;	/* mandatory, or 0 */
	enum undefined undef;
};

#define ALU(name, op, ext, lock, u) \
	{ name " Eb,Gb", T_MODRM | T_BYTE | (lock), op, -1, 0, u }, \
	{ name " Ev,Gv", T_MODRM | (lock), (op) + 1, -1, 0, u }, \
	{ name " Gb,Eb", T_MODRM | T_BYTE, (op) + 2, -1, 0, u }, \
	{ name " Gv,Ev", T_MODRM, (op) + 3, -1, 0, u }, \
	{ name " AL,Ib", T_BYTE | T_IMM8, (op) + 4, -1, 0, u }, \
	{ name " rAX,Iz", T_IMMZ, (op) + 5, -1, 0, u }, \
	{ name " Eb,Ib", T_MODRM | T_BYTE | T_IMM8 | (lock), 0x80, ext, 0, u }, \
	{ name " Ev,Iz", T_MODRM | T_IMMZ | (lock), 0x81, ext, 0, u }, \
	{ name " Ev,Ib", T_MODRM | T_IMM8 | (lock), 0x83, ext, 0, u }

#define SHIFT(name, ext, u) \
	{ name " Eb,Ib", T_MODRM | T_BYTE | T_IMM8, 0xc0, ext, 0, u }, \
	{ name " Ev,Ib", T_MODRM | T_IMM8, 0xc1, ext, 0, u }, \
	{ name " Eb,1", T_MODRM | T_BYTE | T_ONE, 0xd0, ext, 0, u }, \
	{ name " Ev,1", T_MODRM | T_ONE, 0xd1, ext, 0, u }, \
	{ name " Eb,CL", T_MODRM | T_BYTE | T_CL, 0xd2, ext, 0, u }, \
	{ name " Ev,CL", T_MODRM | T_CL, 0xd3, ext, 0, u }

#define UNARY(name, op, ext, lock, u) \
	{ name " Eb", T_MODRM | T_BYTE | (lock), op, ext, 0, u }, \
	{ name " Ev", T_MODRM | (lock), (op) + 1, ext, 0, u }

#define SSE(name, op, pfx, f)	{ name, T_0F | T_MODRM | T_NO66 | T_NOREP | (f), op, -1, pfx, U_NONE }

static const struct template templates[] = {
	ALU("add", 0x00, 0, T_LOCK, U_NONE), ALU("or", 0x08, 1, T_LOCK, U_LOGIC),
	ALU("adc", 0x10, 2, T_LOCK, U_NONE), ALU("sbb", 0x18, 3, T_LOCK, U_NONE),
	ALU("and", 0x20, 4, T_LOCK, U_LOGIC), ALU("sub", 0x28, 5, T_LOCK, U_NONE),
	ALU("xor", 0x30, 6, T_LOCK, U_LOGIC), ALU("cmp", 0x38, 7, 0, U_NONE),
	SHIFT("rol", 0, U_ROTATE), SHIFT("ror", 1, U_ROTATE), SHIFT("rcl", 2, U_ROTATE),
	SHIFT("rcr", 3, U_ROTATE), SHIFT("shl", 4, U_SHIFT), SHIFT("shr", 5, U_SHIFT),
	SHIFT("sal", 6, U_SHIFT), SHIFT("sar", 7, U_SHIFT),
	{ "test Eb,Gb", T_MODRM | T_BYTE, 0x84, -1, 0, U_LOGIC },
	{ "test Ev,Gv", T_MODRM, 0x85, -1, 0, U_LOGIC },
	{ "test AL,Ib", T_BYTE | T_IMM8, 0xa8, -1, 0, U_LOGIC },
	{ "test rAX,Iz", T_IMMZ, 0xa9, -1, 0, U_LOGIC },
	{ "test Eb,Ib", T_MODRM | T_BYTE | T_IMM8, 0xf6, 0, 0, U_LOGIC },
	{ "test Ev,Iz", T_MODRM | T_IMMZ, 0xf7, 0, 0, U_LOGIC },
	UNARY("not", 0xf6, 2, T_LOCK, U_NONE), UNARY("neg", 0xf6, 3, T_LOCK, U_NONE),
	UNARY("mul", 0xf6, 4, 0, U_MUL), UNARY("imul", 0xf6, 5, 0, U_MUL),
	UNARY("div", 0xf6, 6, 0, U_DIV), UNARY("idiv", 0xf6, 7, 0, U_DIV),
	UNARY("inc", 0xfe, 0, T_LOCK, U_NONE), UNARY("dec", 0xfe, 1, T_LOCK, U_NONE),
	{ "imul Gv,Ev", T_0F | T_MODRM, 0xaf, -1, 0, U_MUL },
	{ "imul Gv,Ev,Iz", T_MODRM | T_IMMZ, 0x69, -1, 0, U_MUL },
	{ "imul Gv,Ev,Ib", T_MODRM | T_IMM8, 0x6b, -1, 0, U_MUL },
	{ "xchg Eb,Gb", T_MODRM | T_BYTE | T_LOCK, 0x86, -1, 0, U_NONE },
	{ "xchg Ev,Gv", T_MODRM | T_LOCK, 0x87, -1, 0, U_NONE },
	{ "xchg rAX,Zv", T_ZREG | T_NOREP, 0x90, -1, 0, U_NONE },
	{ "xadd Eb,Gb", T_0F | T_MODRM | T_BYTE | T_LOCK, 0xc0, -1, 0, U_NONE },
	{ "xadd Ev,Gv", T_0F | T_MODRM | T_LOCK, 0xc1, -1, 0, U_NONE },
	{ "cmpxchg Eb,Gb", T_0F | T_MODRM | T_BYTE | T_LOCK | T_PAIR, 0xb0, -1, 0, U_NONE },
	{ "cmpxchg Ev,Gv", T_0F | T_MODRM | T_LOCK | T_PAIR, 0xb1, -1, 0, U_NONE },
	{ "cmpxchg8b/16b", T_0F | T_MODRM | T_LOCK | T_PAIR | T_MEM | T_NOREP | T_ALIGN, 0xc7, 1, 0,
	  U_NONE },
	{ "bt Ev,Gv", T_0F | T_MODRM | T_BITS, 0xa3, -1, 0, U_BT },
	{ "bts Ev,Gv", T_0F | T_MODRM | T_BITS | T_LOCK, 0xab, -1, 0, U_BT },
	{ "btr Ev,Gv", T_0F | T_MODRM | T_BITS | T_LOCK, 0xb3, -1, 0, U_BT },
	{ "btc Ev,Gv", T_0F | T_MODRM | T_BITS | T_LOCK, 0xbb, -1, 0, U_BT },
	{ "bt Ev,Ib", T_0F | T_MODRM | T_IMM8, 0xba, 4, 0, U_BT },
	{ "bts Ev,Ib", T_0F | T_MODRM | T_IMM8 | T_LOCK, 0xba, 5, 0, U_BT },
	{ "btr Ev,Ib", T_0F | T_MODRM | T_IMM8 | T_LOCK, 0xba, 6, 0, U_BT },
	{ "btc Ev,Ib", T_0F | T_MODRM | T_IMM8 | T_LOCK, 0xba, 7, 0, U_BT },
	{ "bsf", T_0F | T_MODRM | T_NOREP, 0xbc, -1, 0, U_BSF },
	{ "bsr", T_0F | T_MODRM | T_NOREP, 0xbd, -1, 0, U_BSF },
	{ "shld Ev,Gv,Ib", T_0F | T_MODRM | T_IMM8, 0xa4, -1, 0, U_SHIFT },
	{ "shld Ev,Gv,CL", T_0F | T_MODRM | T_CL, 0xa5, -1, 0, U_SHIFT },
	{ "shrd Ev,Gv,Ib", T_0F | T_MODRM | T_IMM8, 0xac, -1, 0, U_SHIFT },
	{ "shrd Ev,Gv,CL", T_0F | T_MODRM | T_CL, 0xad, -1, 0, U_SHIFT },
	{ "mov Eb,Gb", T_MODRM | T_BYTE, 0x88, -1, 0, U_NONE },
	{ "mov Ev,Gv", T_MODRM, 0x89, -1, 0, U_NONE },
	{ "mov Gb,Eb", T_MODRM | T_BYTE, 0x8a, -1, 0, U_NONE },
	{ "mov Gv,Ev", T_MODRM, 0x8b, -1, 0, U_NONE },
	{ "mov Eb,Ib", T_MODRM | T_BYTE | T_IMM8, 0xc6, 0, 0, U_NONE },
	{ "mov Ev,Iz", T_MODRM | T_IMMZ, 0xc7, 0, 0, U_NONE },
	{ "mov Zb,Ib", T_ZREG | T_BYTE | T_IMM8, 0xb0, -1, 0, U_NONE },
	{ "mov Zv,Iv", T_ZREG | T_IMMV, 0xb8, -1, 0, U_NONE },
	{ "movzx Gv,Eb", T_0F | T_MODRM, 0xb6, -1, 0, U_NONE },
	{ "movzx Gv,Ew", T_0F | T_MODRM, 0xb7, -1, 0, U_NONE },
	{ "movsx Gv,Eb", T_0F | T_MODRM, 0xbe, -1, 0, U_NONE },
	{ "movsx Gv,Ew", T_0F | T_MODRM, 0xbf, -1, 0, U_NONE },
	{ "inc Zv", T_ZREG | T_ONLY32, 0x40, -1, 0, U_NONE },
	{ "dec Zv", T_ZREG | T_ONLY32, 0x48, -1, 0, U_NONE },
	{ "pusha", T_STACK | T_ONLY32 | T_PARTIAL, 0x60, -1, 0, U_NONE },
	{ "popa", T_STACK | T_ONLY32, 0x61, -1, 0, U_NONE },
	{ "salc", T_ONLY32, 0xd6, -1, 0, U_NONE },
	{ "movsxd Gv,Ed", T_MODRM | T_NO66 | T_ONLY64, 0x63, -1, 0, U_NONE },
	{ "movnti", T_0F | T_MODRM | T_MEM | T_NO66 | T_NOREP, 0xc3, -1, 0, U_NONE },
	{ "movbe Gv,Mv", T_0F38 | T_MODRM | T_MEM | T_NOREP, 0xf0, -1, 0, U_NONE },
	{ "movbe Mv,Gv", T_0F38 | T_MODRM | T_MEM | T_NOREP, 0xf1, -1, 0, U_NONE },
	{ "lea", T_MODRM | T_MEM, 0x8d, -1, 0, U_NONE },
	{ "cbw", 0, 0x98, -1, 0, U_NONE }, { "cwd", 0, 0x99, -1, 0, U_NONE },
	{ "bswap", T_0F | T_ZREG | T_NO66, 0xc8, -1, 0, U_NONE },
	{ "setcc", T_0F | T_MODRM | T_BYTE | T_COND, 0x90, -1, 0, U_NONE },
	{ "cmovcc", T_0F | T_MODRM | T_COND, 0x40, -1, 0, U_NONE },
	{ "lahf", 0, 0x9f, -1, 0, U_NONE }, { "sahf", 0, 0x9e, -1, 0, U_NONE },
	{ "clc", 0, 0xf8, -1, 0, U_NONE }, { "stc", 0, 0xf9, -1, 0, U_NONE },
	{ "cmc", 0, 0xf5, -1, 0, U_NONE }, { "cld", 0, 0xfc, -1, 0, U_NONE },
	{ "std", 0, 0xfd, -1, 0, U_NONE }, { "ud2", T_0F, 0x0b, -1, 0, U_NONE },
	{ "nop Ev", T_0F | T_MODRM, 0x1f, 0, 0, U_NONE },
	{ "xlat", T_STR, 0xd7, -1, 0, U_NONE },
	{ "push Zv", T_ZREG | T_STACK, 0x50, -1, 0, U_NONE },
	{ "pop Zv", T_ZREG | T_STACK, 0x58, -1, 0, U_NONE },
	{ "push Ev", T_MODRM | T_STACK, 0xff, 6, 0, U_NONE },
	{ "pop Ev", T_MODRM | T_STACK, 0x8f, 0, 0, U_NONE },
	{ "push Iz", T_IMMZ | T_STACK, 0x68, -1, 0, U_NONE },
	{ "push Ib", T_IMM8 | T_STACK, 0x6a, -1, 0, U_NONE },
	{ "leave", T_STACK, 0xc9, -1, 0, U_NONE },
	{ "movsb", T_STR | T_BYTE, 0xa4, -1, 0, U_NONE }, { "movs", T_STR, 0xa5, -1, 0, U_NONE },
	{ "cmpsb", T_STR | T_BYTE, 0xa6, -1, 0, U_NONE }, { "cmps", T_STR, 0xa7, -1, 0, U_NONE },
	{ "stosb", T_STR | T_BYTE, 0xaa, -1, 0, U_NONE }, { "stos", T_STR, 0xab, -1, 0, U_NONE },
	{ "lodsb", T_STR | T_BYTE, 0xac, -1, 0, U_NONE }, { "lods", T_STR, 0xad, -1, 0, U_NONE },
	{ "scasb", T_STR | T_BYTE, 0xae, -1, 0, U_NONE }, { "scas", T_STR, 0xaf, -1, 0, U_NONE },
	SSE("movups V,W", 0x10, 0, 0), SSE("movups W,V", 0x11, 0, 0),
	SSE("movupd V,W", 0x10, 0x66, 0), SSE("movupd W,V", 0x11, 0x66, 0),
	SSE("movss V,W", 0x10, 0xf3, 0), SSE("movss W,V", 0x11, 0xf3, 0),
	SSE("movsd V,W", 0x10, 0xf2, 0), SSE("movsd W,V", 0x11, 0xf2, 0),
	SSE("movlps V,M", 0x12, 0, T_MEM), SSE("movlps M,V", 0x13, 0, T_MEM),
	SSE("movhps V,M", 0x16, 0, T_MEM), SSE("movhps M,V", 0x17, 0, T_MEM),
	SSE("movaps V,W", 0x28, 0, T_ALIGN), SSE("movaps W,V", 0x29, 0, T_ALIGN),
	SSE("movntps", 0x2b, 0, T_ALIGN | T_MEM), SSE("movd/q V,E", 0x6e, 0x66, 0),
	SSE("movd/q E,V", 0x7e, 0x66, 0), SSE("movq V,W", 0x7e, 0xf3, 0),
	SSE("movq W,V", 0xd6, 0x66, 0), SSE("movdqa V,W", 0x6f, 0x66, T_ALIGN),
	SSE("movdqa W,V", 0x7f, 0x66, T_ALIGN), SSE("movdqu V,W", 0x6f, 0xf3, 0),
	SSE("movdqu W,V", 0x7f, 0xf3, 0), SSE("movntdq", 0xe7, 0x66, T_ALIGN | T_MEM),
	SSE("lddqu", 0xf0, 0xf2, T_MEM),
};

#define NR_TEMPLATES (sizeof(templates) / sizeof(templates[0]))

/* Random numbers: xorshift64*, repeatable by seed */

static u64 seed = 88172645463325252ULL;

static u64 rnd(void)
{
	seed ^= seed >> 12;
	seed ^= seed << 25;
	seed ^= seed >> 27;
	return seed * 2685821657736338717ULL;
}

static bool chance(unsigned int one_in)
{
	return rnd() % one_in == 0;
}

/* Values at which flags change. */
static u64 rnd_value(void)
{
	static const u64 corner[] = { 0, 1, 2, -1ULL, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff,
				      0x7fffffff, 0x80000000, 0xffffffff, 0x7fffffffffffffff,
				      0x8000000000000000 };

	switch (rnd() & 3) {
	case 0:
		return corner[rnd() % (sizeof(corner) / sizeof(corner[0]))];
	case 1:
		return rnd() >> (rnd() & 63);
	default:
		return rnd();
	}
}

/* One generated instruction and the state before it */

struct gen {
	const struct template *t;
	u8 bytes[16];
	unsigned int len;
	u8 rex;
	bool addr32, opsize16;
	bool skip;	/* nothing that can be compared */
	unsigned int rip_pos;	/* of a displacement relative to rIP, 0: none */
	struct state before;
	u64 target;	/* address of the memory operand, 0: none */
	u8 imm8;
};

static void put(struct gen *g, u64 val, unsigned int n)
{
	memcpy(g->bytes + g->len, &val, n);
	g->len += n;
}

static unsigned int opsize(const struct gen *g)
{
	if (g->t->flags & T_BYTE)
		return 1;
	if (g->rex & 8)
		return 8;
	if (g->t->flags & T_STACK)
		return g->opsize16 ? 2 : mode32 ? 4 : 8;
	return g->opsize16 ? 2 : 4;
}

static void gen_prefixes(struct gen *g)
{
	u32 f = g->t->flags;

	g->addr32 = !mode32 && chance(8);
	g->opsize16 = !(f & T_NO66) && chance(4);
	if (g->addr32)
		put(g, 0x67, 1);
	if (g->opsize16)
		put(g, 0x66, 1);
	if (chance(20))
		put(g, 0x2e, 1);	/* an ignored segment override */
	if (f & T_LOCK ? chance(3) : chance(200))
		put(g, 0xf0, 1);
	if (f & T_STR && chance(2))
		put(g, 0xf2 + (rnd() & 1), 1);
	if (g->t->prefix)
		put(g, g->t->prefix, 1);
	if (!mode32 && chance(2)) {
		g->rex = 0x40 | (rnd() & 15);
		put(g, g->rex, 1);
	}
}

static void gen_opcode(struct gen *g)
{
	u8 op = g->t->opcode;

	if (g->t->flags & (T_0F | T_0F38))
		put(g, 0x0f, 1);
	if (g->t->flags & T_0F38)
		put(g, 0x38, 1);
	if (g->t->flags & T_ZREG)
		op |= rnd() & 7;
	if (g->t->flags & T_COND)
		op |= rnd() & 15;
	put(g, op, 1);
}

/* Where the operand lies: mostly inside the page, sometimes across its end, sometimes not canonical. */
static u64 pick_target(struct gen *g)
{
	u64 target = DATA_PAGE + 1024 + rnd() % 2048;

	if (g->t->flags & T_BITS)
		return target;
	if (chance(40))
		target = DATA_PAGE + PAGE - rnd() % 17;
	else if (!mode32 && !g->addr32 && chance(100))
		target = 0x800000000000ULL << (rnd() & 15);
	if (g->t->flags & T_ALIGN && !chance(10))
		target &= ~15ULL;
	return target;
}

static void set_pointer(struct gen *g, unsigned int reg, u64 val)
{
	if (mode32)
		g->before.regs[reg] = (u32)val;
	else
		g->before.regs[reg] = g->addr32 ? (u32)val | rnd() << 32 : val;
}

/* [base + disp], [base + index * scale + disp]: the base is made so that the sum is g->target. */
static void gen_based(struct gen *g, unsigned int base, u64 index_part, unsigned int mod)
{
	s64 disp = mod == 1 ? (s8)rnd() : mod == 2 ? (s32)rnd() : 0;
	u64 rest = g->target - index_part - disp;

	if (g->t->flags & T_STACK && base == EMU_RSP)	/* rSP must stay a stack */
		disp = (s8)disp, g->target = g->before.regs[base] + index_part + disp;
	else
		set_pointer(g, base, rest);
	put(g, disp, mod == 1 ? 1 : mod == 2 ? 4 : 0);
}

static void gen_sib(struct gen *g, unsigned int mod)
{
	unsigned int base, index, scale;
	u64 *regs = g->before.regs;
	u8 sib;

	do {
		sib = rnd();
		base = (sib & 7) | (g->rex & 1) << 3;
		index = (sib >> 3 & 7) | (g->rex & 2) << 2;
		scale = sib >> 6;
	} while (index == base || (index == EMU_RSP && g->t->flags & T_STACK));
	put(g, sib, 1);
	if (mod || (sib & 7) != 5) {
		gen_based(g, base, index == EMU_RSP ? 0 : regs[index] << scale, mod);
		return;
	}
	if (index != EMU_RSP) {
		set_pointer(g, index, g->target >> scale);
		put(g, g->target & ((1 << scale) - 1), 4);
	} else {
		put(g, g->target, 4);
	}
}

/* ModRM with a memory operand at g->target: choose a form, then the registers that make it so. */
static void gen_mem(struct gen *g, unsigned int reg)
{
	unsigned int mod = rnd() % 3, rm = rnd() & 7;

	if (g->target > 0xffffffff && mod == 0)		/* out of reach of disp32 */
		mod = 1;
	put(g, mod << 6 | reg << 3 | rm, 1);
	if (rm == 4) {
		gen_sib(g, mod);
	} else if (rm == 5 && mod == 0) {
		g->rip_pos = g->len;
		put(g, 0, 4);
	} else {
		gen_based(g, rm | (g->rex & 1) << 3, 0, mod);
	}
}

/* A displacement relative to rIP can be filled in only when the length is known. */
static void gen_rip(struct gen *g)
{
	u32 disp = g->target - (mode32 ? 0 : INSN + g->len);

	if (g->rip_pos)
		memcpy(g->bytes + g->rip_pos, &disp, 4);
}

/* A bit offset that stays in the page; not usable where the same register makes the address. */
static void gen_bit_offset(struct gen *g, unsigned int reg)
{
	u64 off = rnd() % 8000 - 4000, mask = emu_mask(opsize(g));

	g->before.regs[reg] = (off & mask) | (rnd() & ~mask);
	if (mode32)
		g->before.regs[reg] = (u32)g->before.regs[reg];
}

static void gen_modrm(struct gen *g)
{
	unsigned int reg = g->t->ext >= 0 ? (unsigned int)g->t->ext : rnd() & 7;
	unsigned int full = reg | (g->rex & 4) << 1;
	u64 val;

	if (!(g->t->flags & T_MEM) && chance(3)) {
		put(g, 0xc0 | reg << 3 | (rnd() & 7), 1);
		return;
	}
	if (g->t->flags & T_BITS)
		gen_bit_offset(g, full);
	val = g->before.regs[full];
	g->target = pick_target(g);
	gen_mem(g, reg);
	g->skip = g->t->flags & T_BITS && val != g->before.regs[full];
}

static void gen_imm(struct gen *g)
{
	u64 val = rnd_value();
	u32 f = g->t->flags;

	if (f & T_IMM8) {
		g->imm8 = val;
		put(g, val, 1);
	} else if (f & T_IMMZ) {
		put(g, val, opsize(g) == 2 ? 2 : 4);
	} else if (f & T_IMMV) {
		put(g, val, opsize(g));
	}
}

/* Registers that an instruction uses as pointers without saying so. */
static void gen_implicit(struct gen *g)
{
	u64 *regs = g->before.regs;

	if (g->t->undef == U_DIV && chance(2))
		regs[EMU_RDX] = chance(2) ? 0 : rnd() >> (32 + (rnd() & 31));
	if (g->t->flags & T_STACK) {
		regs[EMU_RSP] = DATA_PAGE + (chance(50) ? 0 : 1024) + rnd() % 256;
		regs[EMU_RBP] = DATA_PAGE + 2048 + rnd() % 256;
	}
	if (g->t->flags & T_STR) {
		regs[EMU_RSI] = DATA_PAGE + 1024 + rnd() % 512;
		regs[EMU_RDI] = DATA_PAGE + (chance(10) ? PAGE - 60 : 1024) + rnd() % 512;
		regs[EMU_RBX] = DATA_PAGE + 1024 + rnd() % 512;
		regs[EMU_RCX] = rnd() % 20;
	}
}

static bool in_page(u64 addr)
{
	return addr >= DATA_PAGE && addr + 16 <= DATA_PAGE + PAGE;
}

/* Make comparisons succeed in a good part of the cases. */
static void gen_luck(struct gen *g)
{
	u64 *regs = g->before.regs, val;

	if (!in_page(g->target))
		return;
	for (val = 0; val < 2; val++)
		memcpy(shadow + g->target - DATA_PAGE + 8 * val, (u64[]){ rnd_value() }, 8);
	if (g->t->flags & T_PAIR && chance(2)) {
		memcpy(&val, shadow + g->target - DATA_PAGE, 8);
		if (g->t->ext == 1 && !(g->rex & 8)) {
			memcpy(shadow + g->target - DATA_PAGE, &regs[EMU_RAX], 4);
			memcpy(shadow + g->target - DATA_PAGE + 4, &regs[EMU_RDX], 4);
		} else {
			memcpy(shadow + g->target - DATA_PAGE, &regs[EMU_RAX], 8);
			memcpy(shadow + g->target - DATA_PAGE + 8, &regs[EMU_RDX], 8);
		}
	}
}

static void generate(struct gen *g, const struct template *t)
{
	unsigned int i;

	memset(g, 0, sizeof(*g));
	g->t = t;
	for (i = 0; i < 16; i++)
		g->before.regs[i] = mode32 ? (u32)rnd_value() : rnd_value();
	for (i = 0; i < 32; i++)
		((u64 *)g->before.xmm)[i] = rnd();
	g->before.rflags = 0x202 | (rnd() & (ALL | X86_EFLAGS_DF));
	gen_implicit(g);
	gen_prefixes(g);
	gen_opcode(g);
	if (t->flags & T_MODRM)
		gen_modrm(g);
	gen_imm(g);
	gen_rip(g);
	gen_luck(g);
}

/* Which flags may differ */
static u64 undefined_flags(const struct gen *g)
{
	unsigned int bits = opsize(g) * 8, count = g->imm8;

	if (g->t->flags & T_CL)
		count = g->before.regs[EMU_RCX];
	if (g->t->flags & T_ONE)
		count = 1;
	count &= bits == 64 ? 63 : 31;
	switch (g->t->undef) {
	case U_LOGIC:
		return AF;
	case U_SHIFT:
		if (!count)
			return 0;
		return AF | (count > 1 ? OF : 0) | (count >= bits ? CF : 0);
	case U_ROTATE:
		return count > 1 ? OF : 0;
	case U_MUL:
		return SF | ZF | AF | PF;
	case U_DIV:
		return ALL;
	case U_BT:
		return OF | SF | AF | PF;
	case U_BSF:
		return ALL & ~ZF;
	default:
		return 0;
	}
}

/* SHLD and SHRD of 16 bits by more than 16: everything is undefined. */
static bool undefined_result(const struct gen *g)
{
	unsigned int count = g->t->flags & T_CL ? g->before.regs[EMU_RCX] : g->imm8;
	bool shd = g->t->flags & T_0F && (g->t->opcode & 0xf6) == 0xa4;

	return shd && opsize(g) == 2 && (count & 31) > 16;
}

/* Behind the instruction: back to the trampoline, far when that means another mode. */
static void put_return(u8 *code)
{
	s32 target = (s64)native_back;
	u16 selector = USER_CS64;

	code[0] = mode32 ? 0xea : 0xe9;
	if (!mode32)
		target -= (s64)(code + 5);
	memcpy(code + 1, &target, 4);
	memcpy(code + 5, &selector, 2);
}

static void do_native(const struct gen *g, const u8 *memory)
{
	unsigned int i;

	memcpy((void *)INSN, g->bytes, g->len);
	put_return((u8 *)INSN + g->len);
	memcpy((void *)DATA_PAGE, memory, PAGE);
	native = g->before;
	native_way = mode32 ? (u64)native_far : INSN;
	native_fault = NO_FAULT;
	run_native();
	for (i = 0; mode32 && i < 16; i++)
		native.regs[i] = (u32)native.regs[i];
}

static enum emu_result do_emulate(const struct gen *g)
{
	enum emu_result r;

	ctxt.ops = &world;
	ctxt.mode = mode32 ? EMU_PROT32 : EMU_PROT64;
	ctxt.cpl = 3;
	ctxt.rip = INSN;
	ctxt.rflags = g->before.rflags;
	ctxt.regs = ctxt_regs;
	memcpy(ctxt_regs, g->before.regs, sizeof(ctxt_regs));
	memcpy(emu_xmm, g->before.xmm, sizeof(emu_xmm));
	r = emu_decode(&ctxt, 0);
	if (r == EMU_OK)
		r = emu_execute(&ctxt);
	return r;
}

static const char *compare(const struct gen *g, enum emu_result r)
{
	u64 flags = (ALL | X86_EFLAGS_DF) & ~undefined_flags(g);

	if (r != EMU_OK && r != EMU_FAULT)
		return "result";
	if ((r == EMU_FAULT ? ctxt.fault.vector : NO_FAULT) != native_fault)
		return "fault";
	if (r == EMU_OK && (ctxt.insn_len != g->len || ctxt.rip != INSN + g->len))
		return "length";
	if (memcmp(ctxt_regs, native.regs, sizeof(ctxt_regs)))
		return "registers";
	if (r == EMU_OK && (ctxt.rflags ^ native.rflags) & flags)
		return "flags";
	if (r == EMU_OK && memcmp(emu_xmm, native.xmm, sizeof(emu_xmm)))
		return "xmm";
	if (r == EMU_FAULT && g->t->flags & T_PARTIAL)
		return NULL;
	return memcmp(shadow, (void *)DATA_PAGE, PAGE) ? "memory" : NULL;
}

static void report(const struct gen *g, const char *what, enum emu_result r)
{
	unsigned int i;

	printf("# %s: %s differ:", g->t->name, what);
	for (i = 0; i < g->len; i++)
		printf(" %02x", g->bytes[i]);
	printf("\n# result %d len %u/%u fault emu %d cpu %d flags before %llx emu %llx cpu %llx\n", r,
	       ctxt.insn_len, g->len, r == EMU_FAULT ? ctxt.fault.vector : -1, native_fault,
	       (unsigned long long)g->before.rflags, (unsigned long long)ctxt.rflags,
	       (unsigned long long)native.rflags);
	for (i = 0; i < 16; i++)
		if (ctxt.regs[i] != native.regs[i] || i < 4)
			printf("# reg %u before %llx emu %llx cpu %llx\n", i,
			       (unsigned long long)g->before.regs[i],
			       (unsigned long long)ctxt.regs[i],
			       (unsigned long long)native.regs[i]);
}

/*
 * Where this machine is a guest itself, the CPU's side may be somebody's emulation now
 * and then (once a faulting REP MOVS was seen to have written more than it should, and
 * not again with the same input): so it is asked again before the two are said to differ.
 */
static bool test_template(const struct template *t, unsigned int iterations)
{
	static u8 memory[PAGE];
	unsigned int tries;
	enum emu_result r;
	const char *what;
	struct gen g;

	while (iterations--) {
		generate(&g, t);
		if (g.skip || g.len > 15 || undefined_result(&g))
			continue;
		memcpy(memory, shadow, PAGE);
		do_native(&g, memory);
		r = do_emulate(&g);
		what = compare(&g, r);
		for (tries = 0; what && tries < 3; tries++) {
			do_native(&g, memory);
			what = compare(&g, r);
		}
		if (what) {
			report(&g, what, r);
			return false;
		}
	}
	return true;
}

static void *map(u64 addr, size_t len, int prot)
{
	void *p = mmap((void *)addr, len, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
		       -1, 0);

	if (p != (void *)addr) {
		perror("mmap");
		exit(2);
	}
	return p;
}

static void set_up(void)
{
	static const int signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP };
	struct sigaction sa = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	stack_t ss = { .ss_size = 65536 };
	unsigned int i;

	/* In 64-bit mode nobody minds null selectors. */
	asm volatile("mov %0, %%ds; mov %0, %%es" : : "r" (USER_DS));
	/* High, where no random rSP points: the kernel would take it for being on this stack already. */
	ss.ss_sp = mmap(NULL, ss.ss_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	sigaltstack(&ss, NULL);
	for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaction(signals[i], &sa, NULL);
	map(CODE_PAGE, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC);
	map(DATA_PAGE - PAGE, PAGE, PROT_NONE);
	map(DATA_PAGE, PAGE, PROT_READ | PROT_WRITE);
	map(DATA_PAGE + PAGE, PAGE, PROT_NONE);
	for (i = 0; i < PAGE; i++)
		shadow[i] = rnd();
}

static bool in_this_mode(const struct template *t)
{
	return !(t->flags & (mode32 ? T_ONLY64 : T_ONLY32));
}

/* All templates in one mode; returns how many failed. */
static unsigned int test_mode(unsigned int iterations, unsigned int *number)
{
	unsigned int i, failed = 0;
	bool ok;

	for (i = 0; i < NR_TEMPLATES; i++) {
		if (!in_this_mode(&templates[i]))
			continue;
		ok = test_template(&templates[i], iterations);
		failed += !ok;
		printf("%sok %u - %s, %s bits, %u times as on the CPU\n", ok ? "" : "not ",
		       ++*number, templates[i].name, mode32 ? "32" : "64", iterations);
	}
	return failed;
}

/* A host may run no 32-bit code: then the jump to it is what faults. */
static bool has_mode32(void)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		*(u8 *)INSN = 0x90;
		mode32 = true;
		put_return((u8 *)INSN + 1);
		native.regs[EMU_RSP] = DATA_PAGE + 1024;
		native_way = (u64)native_far;
		close(STDERR_FILENO);
		run_native();
		_exit(0);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

int main(int argc, char **argv)
{
	unsigned int iterations = argc > 1 ? atoi(argv[1]) : 20000, number = 0, failed;

	if (argc > 2)
		seed = strtoull(argv[2], NULL, 0) | 1;
	set_up();
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("TAP version 13\n");
	failed = test_mode(iterations, &number);
	mode32 = true;
	if (has_mode32())
		failed += test_mode(iterations, &number);
	else
		printf("ok %u - 32 bits # SKIP this machine runs no 32-bit code\n", ++number);
	printf("1..%u\n", number);
	return failed ? 1 : 0;
}
