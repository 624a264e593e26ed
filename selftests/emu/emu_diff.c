// SPDX-License-Identifier: GPL-2.0-only
/*
 * The emulator against the CPU: random instructions, run by both, must end in the same state.
 *
 * User instructions, in 64-bit mode and in 32-bit mode (a compatibility segment), from
 * emu_gen.c.  The registers, the memory, the length, the fault and all flags that the
 * manuals define must be equal.
 * The hard part is running the instruction on the CPU with every register, rSP included,
 * under test: state is kept at link-time addresses (no PIE), and signals come on a stack
 * of their own.
 */
#define _GNU_SOURCE
#include <cpuid.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <ucontext.h>

#include "emu_gen.h"

/* CPUID's bit for each of enum emu_need: leaf, register (EAX is 0), bit. */
static const struct {
	u32 leaf;
	u8 reg, bit;
} need_bits[EMU_NR_NEEDS] = {
	[EMU_NEED_LZCNT] = { 0x80000001, 2, 5 }, [EMU_NEED_POPCNT] = { 1, 2, 23 },
	[EMU_NEED_SSE42] = { 1, 2, 20 }, [EMU_NEED_MOVBE] = { 1, 2, 22 },
	[EMU_NEED_BMI1] = { 7, 1, 3 }, [EMU_NEED_BMI2] = { 7, 1, 8 }, [EMU_NEED_ADX] = { 7, 1, 19 },
	[EMU_NEED_SSE3] = { 1, 2, 0 }, [EMU_NEED_AVX] = { 1, 2, 28 }, [EMU_NEED_AVX2] = { 7, 1, 5 },
	[EMU_NEED_MOVDIRI] = { 7, 2, 27 }, [EMU_NEED_MOVDIR64B] = { 7, 2, 28 },
	[EMU_NEED_SSE41] = { 1, 2, 19 },
};

/* Where it is not, it is BSR; CPUID may hide it, but not take it away. */
static bool has_lzcnt(void)
{
	u64 zeros;

	asm(".byte 0xf3\n	bsr %1, %0" : "=r" (zeros) : "r" (1UL) : "cc");
	return zeros == 63;
}

/* CPUID may be an exit: each is asked once. */
bool host_has(enum emu_need need)
{
	static s8 known[EMU_NR_NEEDS];
	u32 r[4];

	if (!known[need]) {
		bool has = __get_cpuid_count(need_bits[need].leaf, 0, &r[0], &r[1], &r[2], &r[3]) &&
			   r[need_bits[need].reg] >> need_bits[need].bit & 1;

		has |= need == EMU_NEED_LZCNT && has_lzcnt();
		known[need] = has ? 1 : -1;
	}
	return known[need] > 0;
}

bool host_is_intel(void)
{
	static u32 name[4];

	if (!name[1])
		__cpuid(0, name[0], name[1], name[2], name[3]);
	return name[1] != 0x68747541;	/* "Auth" */
}

#define NO_FAULT	0xff

struct state native __attribute__((aligned(16)));
static u8 fx_start[512] __attribute__((aligned(16)));	/* what is not x87, mostly reserved */
u64 native_host_rsp;
u8 native_avx;		/* YMM registers are part of the state */
struct {
	u32 offset;
	u16 selector;
} native_insn = { INSN, USER_CS32 };
u64 native_way;		/* INSN itself, or native_far */
static u8 native_fault;

void run_native(void);
extern char native_back[], native_leave[], native_far[];

asm(".text\n"
    "run_native:\n"
    "	push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
    "	mov %rsp, native_host_rsp\n"
    "	fxrstor native+656\n"
    "	cmpb $0, native_avx\n"
    "	je 1f\n"
    "	.irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n"
    "	vmovdqu native+144+32*\\n, %ymm\\n\n"
    "	.endr\n"
    "	jmp 2f\n"
    "1:	.irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n"
    "	movdqu native+144+32*\\n, %xmm\\n\n"
    "	.endr\n"
    "2:\n"
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
    "	fxsave native+656\n"
    "	fninit\n"
    "	cmpb $0, native_avx\n"
    "	je 1f\n"
    "	.irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n"
    "	vmovdqu %ymm\\n, native+144+32*\\n\n"
    "	.endr\n"
    "	vzeroupper\n"
    "	jmp native_leave\n"
    "1:	.irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n"
    "	movdqu %xmm\\n, native+144+32*\\n\n"
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

static u8 emu_vec[16][32];
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

/* Linux's descriptors of user mode; nobody but the kernel can read where they really are. */
#define GDT	0xfffffe0000000000ull

static void gdt_read(u64 offset, void *buf)
{
	static const u64 gdt[16] = {
		[USER_CS32 / 8] = 0x00cffb000000ffff, [USER_DS / 8] = 0x00cff3000000ffff,
		[USER_CS64 / 8] = 0x00affb000000ffff,
	};

	memcpy(buf, (const u8 *)gdt + offset, 8);
}

static void w_get_dt(struct emu_ctxt *c, bool idt, struct kvm_dtable *dt)
{
	(void)c;
	*dt = (struct kvm_dtable){ .base = GDT, .limit = idt ? 0 : 127 };
}

static bool w_is_lma(struct emu_ctxt *c)
{
	(void)c;
	return true;
}

static bool w_is_intel(struct emu_ctxt *c)
{
	(void)c;
	return host_is_intel();
}

static void w_set_segment(struct emu_ctxt *c, enum emu_seg nr, const struct kvm_segment *seg)
{
	(void)c;
	(void)nr;
	(void)seg;
}

static enum emu_result w_read(struct emu_ctxt *c, u64 gva, void *buf, unsigned int len,
			      unsigned int access)
{
	enum emu_result r;

	if (access & EMU_ACC_SYSTEM && gva >= GDT && gva + len <= GDT + 128) {
		gdt_read(gva - GDT, buf);
		return EMU_OK;
	}
	r = w_probe(c, gva, len, access);
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
				     .present = 1, .s = 1, .db = 1, .dpl = 3, .selector = USER_DS };
	if (nr == EMU_CS)
		seg->selector = mode32 ? USER_CS32 : USER_CS64;
	seg->unusable = nr == EMU_LDTR;
}

static bool w_has(struct emu_ctxt *c, enum emu_need need)
{
	(void)c;
	return host_has(need);
}

static u64 w_get_cr(struct emu_ctxt *c, unsigned int nr)
{
	(void)c;
	return nr == 4 ? X86_CR4_OSFXSR | X86_CR4_OSXSAVE : X86_CR0_PE | X86_CR0_PG;
}

static void w_get_xmm(struct emu_ctxt *c, unsigned int nr, void *buf)
{
	(void)c;
	memcpy(buf, emu_vec[nr], 16);
}

static void w_set_xmm(struct emu_ctxt *c, unsigned int nr, const void *buf)
{
	(void)c;
	memcpy(emu_vec[nr], buf, 16);
}

static void w_get_ymm(struct emu_ctxt *c, unsigned int nr, void *buf)
{
	(void)c;
	memcpy(buf, emu_vec[nr], 32);
}

static void w_set_ymm(struct emu_ctxt *c, unsigned int nr, const void *buf)
{
	(void)c;
	memcpy(emu_vec[nr], buf, 32);
}

static u8 emu_fx[512];

static void w_get_x87(struct emu_ctxt *c, struct emu_x87 *x)
{
	unsigned int i;

	(void)c;
	memcpy(&x->cw, emu_fx, 2);
	memcpy(&x->sw, emu_fx + 2, 2);
	x->tag = emu_fx[4];
	for (i = 0; i < 8; i++)
		memcpy(x->st[i], emu_fx + 32 + 16 * i, 10);
}

static void w_set_x87(struct emu_ctxt *c, const struct emu_x87 *x)
{
	unsigned int i;

	(void)c;
	memcpy(emu_fx, &x->cw, 2);
	memcpy(emu_fx + 2, &x->sw, 2);
	emu_fx[4] = x->tag;
	for (i = 0; i < 8; i++)
		memcpy(emu_fx + 32 + 16 * i, x->st[i], 10);
}

/* Control, status and tag words, and ten bytes of each register. */
static bool same_x87(const u8 *a, const u8 *b)
{
	unsigned int i;

	for (i = 0; i < 8; i++) {
		if (memcmp(a + 32 + 16 * i, b + 32 + 16 * i, 10))
			return false;
	}
	return !memcmp(a, b, 5);
}

static u64 w_get_xcr0(struct emu_ctxt *c)
{
	(void)c;
	return native_avx ? 7 : 3;
}

static const struct emu_ops world = {
	.get_dt = w_get_dt, .is_lma = w_is_lma, .is_intel = w_is_intel,
	.set_segment = w_set_segment,
	.fetch = w_fetch, .read = w_read, .write = w_write, .probe = w_probe,
	.cmpxchg = w_cmpxchg, .get_segment = w_get_segment, .get_cr = w_get_cr,
	.has = w_has, .get_xmm = w_get_xmm, .set_xmm = w_set_xmm,
	.get_ymm = w_get_ymm, .set_ymm = w_set_ymm, .get_xcr0 = w_get_xcr0, .get_x87 = w_get_x87,
	.set_x87 = w_set_x87,
};

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
	memcpy(native.fx, fx_start, 512);
	memcpy(native.fx, g->before.fx, 5);
	memcpy(native.fx + 32, g->before.fx + 32, 128);
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
	memcpy(emu_vec, g->before.vec, sizeof(emu_vec));
	memcpy(emu_fx, g->before.fx, sizeof(emu_fx));
	r = emu_decode(&ctxt, 0);
	if (r == EMU_OK)
		r = emu_execute(&ctxt);
	return r;
}

/*
 * A store that an unmasked exception forbids: some CPUs look at the memory first, as the emulator
 * does, and some not at all.
 */
static bool x87_forbids(const struct gen *g, enum emu_result r)
{
	return r == EMU_FAULT && native_fault == NO_FAULT && !(g->before.fx[2] & 0x80) &&
	       (native.fx[2] & 0x80);
}

static const char *compare(const struct gen *g, enum emu_result r)
{
	u64 flags = (ALL | X86_EFLAGS_DF) & ~undefined_flags(g);

	if (r != EMU_OK && r != EMU_FAULT)
		return "result";
	if ((r == EMU_FAULT ? ctxt.fault.vector : NO_FAULT) != native_fault && !x87_forbids(g, r))
		return "fault";
	if (r == EMU_OK && (ctxt.insn_len != g->len || ctxt.rip != INSN + g->len))
		return "length";
	if (memcmp(ctxt_regs, native.regs, sizeof(ctxt_regs)))
		return "registers";
	if (r == EMU_OK && (ctxt.rflags ^ native.rflags) & flags)
		return "flags";
	if (r == EMU_OK && memcmp(emu_vec, native.vec, sizeof(emu_vec)))
		return "xmm";
	if (r == EMU_OK && !same_x87(emu_fx, native.fx))
		return "x87";
	if (r == EMU_FAULT && g->t->flags & T_PARTIAL)
		return NULL;
	return memcmp(shadow, (void *)DATA_PAGE, PAGE) ? "memory" : NULL;
}

static void report_x87(const u8 *fx, const char *who)
{
	unsigned int i;

	printf("# x87 %s cw %02x%02x sw %02x%02x tag %02x st0", who, fx[1], fx[0], fx[3], fx[2],
	       fx[4]);
	for (i = 0; i < 10; i++)
		printf(" %02x", fx[32 + 9 - i]);
	printf("\n");
}

static void report(const struct gen *g, const char *what, enum emu_result r)
{
	unsigned int i;

	printf("# %s: %s differ:", g->t->name, what);
	for (i = 0; i < g->len; i++)
		printf(" %02x", g->bytes[i]);
	printf("\n# result %d len %u/%u fault emu %d cpu %d flags before %llx emu %llx cpu %llx\n",
	       r, ctxt.insn_len, g->len, r == EMU_FAULT ? ctxt.fault.vector : -1, native_fault,
	       (unsigned long long)g->before.rflags, (unsigned long long)ctxt.rflags,
	       (unsigned long long)native.rflags);
	report_x87(g->before.fx, "before");
	report_x87(emu_fx, "emu");
	report_x87(native.fx, "cpu");
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
	/*
	 * High, where no random rSP points: the kernel would take it for being on this stack
	 * already.
	 */
	ss.ss_sp = mmap(NULL, ss.ss_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			0);
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

/* Part of the name of those templates that are wanted, or NULL. */
static const char *only;

static bool in_this_mode(const struct template *t)
{
	return !(t->flags & (mode32 ? T_ONLY64 : T_ONLY32)) && (!t->need || host_has(t->need)) &&
	       (!only || strstr(t->name, only));
}

/* All templates in one mode; returns how many failed. */
static unsigned int test_mode(unsigned int iterations, unsigned int *number)
{
	unsigned int i, failed = 0;
	bool ok;

	for (i = 0; i < nr_templates; i++) {
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

	if (argc > 3)
		only = argv[3];
	if (argc > 2)
		seed = strtoull(argv[2], NULL, 0) | 1;
	set_up();
	native_avx = host_has(EMU_NEED_AVX);
	asm volatile("fninit; fxsave %0" : "=m" (fx_start));
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
