/* SPDX-License-Identifier: GPL-2.0-only */
/* The instructions that forced.c tries, and what they begin with. */
#ifndef SELFTESTS_FORCED_CASES_H
#define SELFTESTS_FORCED_CASES_H

/* The same bytes in every mode, where they may mean another width or another register. */
#define EVERYWHERE(n, ...) \
	{ n ", real", REAL, 0, __VA_ARGS__ }, { n ", vm86", VM86, 3, __VA_ARGS__ }, \
	{ n ", 16", P16, 0, __VA_ARGS__ }, { n ", 32", P32, 3, __VA_ARGS__ }, \
	{ n ", compatibility", COMPAT, 3, __VA_ARGS__ }, { n ", 64", P64, 3, __VA_ARGS__ }
/* Where there is protection. */
#define PROTECTED(n, ...) \
	{ n ", 16", P16, 0, __VA_ARGS__ }, { n ", 32", P32, 0, __VA_ARGS__ }, \
	{ n ", 32, level 3", P32, 3, __VA_ARGS__ }, \
	{ n ", compatibility", COMPAT, 3, __VA_ARGS__ }, { n ", 64", P64, 0, __VA_ARGS__ }, \
	{ n ", 64, level 3", P64, 3, __VA_ARGS__ }

static const struct snippet basic[] = {
	EVERYWHERE("nop", CODE_BYTES(0x90)),
	EVERYWHERE("mov to memory", CODE_BYTES(0x89, 0x07)),
	EVERYWHERE("mov from memory", CODE_BYTES(0x8b, 0x07)),
	EVERYWHERE("mov, the other size", CODE_BYTES(0x66, 0x8b, 0x07)),
	EVERYWHERE("add", CODE_BYTES(0x01, 0x07), .flags = FLAG_CF),
	EVERYWHERE("adc", CODE_BYTES(0x11, 0x07), .flags = FLAG_CF),
	EVERYWHERE("lock xadd", CODE_BYTES(0xf0, 0x0f, 0xc1, 0x07)),
	EVERYWHERE("cmpxchg", CODE_BYTES(0x0f, 0xb1, 0x07)),
	EVERYWHERE("neg", CODE_BYTES(0xf7, 0x1f)),
	EVERYWHERE("div by zero", CODE_BYTES(0xf7, 0xf2), .rdx = 1ull << 63),
	EVERYWHERE("bts", CODE_BYTES(0x0f, 0xba, 0x2f, 0x07)),
	EVERYWHERE("shld", CODE_BYTES(0x0f, 0xa4, 0xd0, 0x01)),
	EVERYWHERE("rep movsb", CODE_BYTES(0xf3, 0xa4)),
	EVERYWHERE("rep stos, downwards", CODE_BYTES(0xf3, 0xab), .flags = FLAG_DF),
	EVERYWHERE("repe cmpsb", CODE_BYTES(0xf3, 0xa6)),
	EVERYWHERE("lods", CODE_BYTES(0xad)),
	EVERYWHERE("push", CODE_BYTES(0x50)),
	EVERYWHERE("pop", CODE_BYTES(0x58), STACKED(8, 0x1122334455667788)),
	EVERYWHERE("pop to memory", CODE_BYTES(0x8f, 0x07), STACKED(8, 0x1122334455667788)),
	EVERYWHERE("call", CODE_BYTES(0xe8, 0x20, 0x00, 0x00, 0x00)),
	EVERYWHERE("ret", CODE_BYTES(0xc3), STACKED(8, TARGET)),
	EVERYWHERE("loop", CODE_BYTES(0xe2, 0x10)),
	EVERYWHERE("jcxz", CODE_BYTES(0xe3, 0x10)),
	EVERYWHERE("leave", CODE_BYTES(0xc9)),
	EVERYWHERE("enter", CODE_BYTES(0xc8, 0x10, 0x00, 0x01)),
	{ "32: bswap", P32, 3, CODE_BYTES(0x0f, 0xc8) },
	{ "64: bswap", P64, 3, CODE_BYTES(0x48, 0x0f, 0xc8) },
	EVERYWHERE("cwd", CODE_BYTES(0x99)),
	EVERYWHERE("setc", CODE_BYTES(0x0f, 0x92, 0xc4), .flags = FLAG_CF),
	EVERYWHERE("cmc", CODE_BYTES(0xf5)),
	EVERYWHERE("cli", CODE_BYTES(0xfa), .flags = FLAG_IF),
	EVERYWHERE("ud2", CODE_BYTES(0x0f, 0x0b)),
	PROTECTED("mov to ss", CODE_BYTES(0x8e, 0xd0), .rax = DATA_3),
	PROTECTED("mov to es", CODE_BYTES(0x8e, 0xc0), .rax = DATA_3),
	PROTECTED("mov to ds, fresh", CODE_BYTES(0x8e, 0xd8), .rax = FRESH),
	PROTECTED("mov to fs, null", CODE_BYTES(0x8e, 0xe0), .rax = 0x10000),
	PROTECTED("lar", CODE_BYTES(0x0f, 0x02, 0xc8), .rax = C16_0),
	PROTECTED("lar of nothing", CODE_BYTES(0x0f, 0x02, 0xc8), .rax = 0x1000),
	PROTECTED("lsl", CODE_BYTES(0x0f, 0x03, 0xc8), .rax = SMALL),
	PROTECTED("verr", CODE_BYTES(0x0f, 0x00, 0xe0), .rax = DATA_3),
	PROTECTED("verw", CODE_BYTES(0x0f, 0x00, 0xe8), .rax = C32_3),
};

/* JMP and CALL: an offset of the operand size and a selector. */
#define OFF16(to)	(to) & 255, (to) >> 8 & 255
#define OFF32(to)	OFF16(to), 0, 0
#define FAR16(op, sel, to)	CODE_BYTES(op, OFF16(to), (sel) & 255, (sel) >> 8)
#define FAR32(op, sel, to)	CODE_BYTES(op, OFF32(to), (sel) & 255, (sel) >> 8)
#define POINTER(sel, to)	.data = { (u64)(sel) << 32 | (to), (sel) }
#define JMP	0xea
#define CALL	0x9a
#define MEM(reg)	CODE_BYTES(0xff, (reg) << 3 | 3)	/* by RBX */

static const struct snippet jumps[] = {
	{ "real jmp", REAL, 0, FAR16(JMP, 0x100, TARGET - 0x1000) },
	{ "real call", REAL, 0, FAR16(CALL, 0x100, TARGET - 0x1000) },
	{ "real call, 32 bits", REAL, 0,
	  CODE_BYTES(0x66, 0x9a, OFF32(TARGET - 0x1000), 0x00, 0x01) },
	{ "vm86 jmp", VM86, 3, FAR16(JMP, 0x100, TARGET - 0x1000) },
	{ "vm86 call", VM86, 3, FAR16(CALL, 0x100, TARGET - 0x1000) },
	{ "16: jmp", P16, 0, FAR16(JMP, C16_0, TARGET) },
	{ "16: call to 32 bits", P16, 0, FAR16(CALL, C32_0, TARGET) },
	{ "32: jmp", P32, 0, FAR32(JMP, C32_0, TARGET) },
	{ "32: jmp to 16 bits", P32, 0, FAR32(JMP, C16_0, TARGET) },
	{ "32: call", P32, 3, FAR32(CALL, C32_3, TARGET) },
	{ "32: jmp to null", P32, 0, FAR32(JMP, 3, TARGET) },
	{ "32: jmp beyond the GDT", P32, 0, FAR32(JMP, 0x200, TARGET) },
	{ "32: jmp to data", P32, 0, FAR32(JMP, DATA_0, TARGET) },
	{ "32: jmp inwards", P32, 3, FAR32(JMP, C32_0, TARGET) },
	{ "32: jmp outwards", P32, 0, FAR32(JMP, C32_3, TARGET) },
	{ "32: call to conforming code", P32, 3, FAR32(CALL, CONF_0, TARGET) },
	{ "32: jmp to what is absent", P32, 0, FAR32(JMP, ABSENT, TARGET) },
	{ "32: jmp beyond the limit", P32, 0, FAR32(JMP, SMALL, TARGET) },
	{ "32: jmp by a pointer", P32, 0, MEM(5), POINTER(C32_0, TARGET) },
	{ "32: call by a pointer", P32, 3, MEM(3), POINTER(C32_3, TARGET) },
	{ "compatibility: jmp to 64 bits", COMPAT, 3, FAR32(JMP, C64_3, TARGET) },
	{ "64: jmp to compatibility", P64, 3, MEM(5), POINTER(C32_3, TARGET) },
	{ "64: call", P64, 0, MEM(3), POINTER(C64_0, TARGET) },
	{ "64: jmp with an immediate", P64, 0, FAR32(JMP, C64_0, TARGET) },
	{ "32: jmp through a gate", P32, 0, FAR32(JMP, GATE32, 0) },
	{ "32: call through a gate", P32, 0, FAR32(CALL, GATE32, 0) },
	{ "32: call through a gate inwards", P32, 3, FAR32(CALL, GATE32, 0) },
	{ "32: call through a gate of 16 bits", P32, 3, FAR32(CALL, GATE16, 0) },
	{ "32: jmp through a gate inwards", P32, 3, FAR32(JMP, GATE32, 0) },
	{ "compatibility: call through a gate", COMPAT, 3, FAR32(CALL, GATE64, 0) },
	{ "compatibility: call through a gate of 32 bits", COMPAT, 3, FAR32(CALL, GATE32, 0) },
	{ "64: call through a gate", P64, 0, MEM(3), POINTER(GATE64, 0) },
	{ "64: call through a gate inwards", P64, 3, MEM(3), POINTER(GATE64, 0) },
	{ "64: jmp to a task", P64, 0, MEM(5), POINTER(FREE_TSS, 0) },
};

#define RETF	CODE_BYTES(0xcb)
#define IRET	CODE_BYTES(0xcf)
#define RETF64	CODE_BYTES(0x48, 0xcb)
#define IRET64	CODE_BYTES(0x48, 0xcf)

static const struct snippet returns[] = {
	{ "real ret", REAL, 0, RETF, STACKED(2, TARGET - 0x1000, 0x100) },
	{ "real ret n", REAL, 0, CODE_BYTES(0xca, 4, 0), STACKED(2, TARGET - 0x1000, 0x100) },
	{ "real iret", REAL, 0, IRET, STACKED(2, TARGET - 0x1000, 0x100, 0x7cd7) },
	{ "real iret, 32 bits", REAL, 0, CODE_BYTES(0x66, 0xcf),
	  STACKED(4, TARGET - 0x1000, 0x100, 0x243cd7) },
	{ "vm86 ret", VM86, 3, RETF, STACKED(2, TARGET - 0x1000, 0x100) },
	{ "vm86 iret", VM86, 3, IRET, STACKED(2, TARGET - 0x1000, 0x100, 0x203),
	  .flags = IOPL_3 },
	{ "vm86 iret without IOPL", VM86, 3, IRET, STACKED(2, TARGET - 0x1000, 0x100, 0x203) },
	{ "16: ret", P16, 0, RETF, STACKED(2, TARGET, C16_0) },
	{ "32: ret", P32, 0, RETF, STACKED(4, TARGET, C32_0) },
	{ "32: ret outwards", P32, 0, RETF, STACKED(4, TARGET, C32_3, STACK + 64, DATA_3) },
	{ "32: ret n outwards", P32, 0, CODE_BYTES(0xca, 8, 0),
	  STACKED(4, TARGET, C32_3, 1, 2, STACK + 64, DATA_3) },
	{ "32: ret inwards", P32, 3, RETF, STACKED(4, TARGET, C32_0) },
	{ "32: ret to null", P32, 0, RETF, STACKED(4, TARGET, 0) },
	{ "32: ret to data", P32, 0, RETF, STACKED(4, TARGET, DATA_0) },
	{ "32: ret to what is absent", P32, 0, RETF, STACKED(4, TARGET, ABSENT) },
	{ "32: ret to a null stack", P32, 0, RETF, STACKED(4, TARGET, C32_3, STACK, 3) },
	{ "32: ret to a stack of level 0", P32, 0, RETF,
	  STACKED(4, TARGET, C32_3, STACK, DATA_0) },
	{ "32: iret", P32, 0, IRET, STACKED(4, TARGET, C32_0, 0x3ed7) },
	{ "32: iret outwards", P32, 0, IRET,
	  STACKED(4, TARGET, C32_3, 0x202, STACK + 64, DATA_3) },
	{ "32: iret, level 3", P32, 3, IRET, STACKED(4, TARGET, C32_3, 0x3ad7) },
	{ "32: iret to vm86", P32, 0, IRET,
	  STACKED(4, TARGET - 0x1000, 0x100, 0x20202, STACK + 64, 0, 0x10, 0x20, 0x30, 0x40) },
	{ "compatibility: iret", COMPAT, 3, IRET, STACKED(4, TARGET, C32_3, 0x202) },
	{ "compatibility: ret to 64 bits", COMPAT, 3, RETF, STACKED(4, TARGET, C64_3) },
	{ "64: ret", P64, 0, RETF64, STACKED(8, TARGET, C64_0) },
	{ "64: ret outwards", P64, 0, RETF64, STACKED(8, TARGET, C64_3, STACK + 64, DATA_3) },
	{ "64: ret of 32 bits outwards", P64, 0, RETF,
	  STACKED(4, TARGET, C32_3, STACK + 64, DATA_3) },
	{ "64: iret", P64, 0, IRET64, STACKED(8, TARGET, C64_0, 0x202, STACK + 64, DATA_0) },
	{ "64: iret to a null stack", P64, 0, IRET64,
	  STACKED(8, TARGET, C64_0, 0x202, STACK + 64, 0) },
	{ "64: iret outwards", P64, 0, IRET64,
	  STACKED(8, TARGET, C64_3, 0x202, STACK + 64, DATA_3) },
	{ "64: iret outwards to a null stack", P64, 0, IRET64,
	  STACKED(8, TARGET, C64_3, 0x202, STACK + 64, 3) },
	{ "64: iret to compatibility", P64, 0, IRET64,
	  STACKED(8, TARGET, C32_3, 0x202, STACK + 64, DATA_3) },
	{ "64: iret, level 3", P64, 3, IRET64,
	  STACKED(8, TARGET, C64_3, 0x3202, STACK + 64, DATA_3) },
	{ "64: iret with NT", P64, 0, IRET64, .flags = FLAG_NT,
	  STACKED(8, TARGET, C64_0, 0x202, STACK + 64, DATA_0) },
};

#define INT(n)	CODE_BYTES(0xcd, n)

static const struct snippet ints[] = {
	{ "real int", REAL, 0, INT(0x30), .flags = FLAG_IF },
	{ "real int3", REAL, 0, CODE_BYTES(0xcc) },
	{ "vm86 int without IOPL", VM86, 3, INT(0x30) },
	{ "vm86 int", VM86, 3, INT(0x30), .flags = IOPL_3 | FLAG_IF },
	{ "16: int", P16, 0, INT(0x30), .flags = FLAG_IF },
	{ "32: int", P32, 0, INT(0x30), .flags = FLAG_IF | FLAG_NT },
	{ "32: int through a trap gate", P32, 0, INT(0x31), .flags = FLAG_IF },
	{ "32: int inwards", P32, 3, INT(0x30), .flags = FLAG_IF | FLAG_AC },
	{ "32: int through a gate of 16 bits", P32, 3, INT(0x34) },
	{ "32: int for level 0", P32, 3, INT(0x32) },
	{ "32: int through an absent gate", P32, 3, INT(0x35) },
	{ "32: int through nothing", P32, 0, INT(0x40) },
	{ "32: int to conforming code", P32, 3, INT(0x36) },
	{ "32: int3", P32, 3, CODE_BYTES(0xcc) },
	{ "32: into", P32, 3, CODE_BYTES(0xce), .flags = FLAG_OF },
	{ "32: into, without", P32, 3, CODE_BYTES(0xce) },
	{ "compatibility: int inwards", COMPAT, 3, INT(0x30) },
	{ "64: int", P64, 0, INT(0x30), .flags = FLAG_IF },
	{ "64: int inwards", P64, 3, INT(0x31), .flags = FLAG_IF },
	{ "64: int on an IST", P64, 0, INT(0x33), .not_qemu = true },
	{ "64: int3", P64, 3, CODE_BYTES(0xcc) },
	{ "64: int for level 0", P64, 3, INT(0x32), .not_qemu = true },
	{ "64: int to 32-bit code", P64, 0, INT(0x36) },
	{ "64: into", P64, 0, CODE_BYTES(0xce) },
};

static const struct snippet system_calls[] = {
	{ "64: syscall", P64, 3, CODE_BYTES(0x0f, 0x05), .flags = FLAG_IF },
	{ "64: sysret", P64, 0, CODE_BYTES(0x48, 0x0f, 0x07), .rcx = TARGET },
	{ "64: sysret to compatibility", P64, 0, CODE_BYTES(0x0f, 0x07), .rcx = TARGET },
	{ "64: sysret, level 3", P64, 3, CODE_BYTES(0x48, 0x0f, 0x07), .rcx = TARGET },
	{ "32: sysenter", P32, 3, CODE_BYTES(0x0f, 0x34), .flags = FLAG_IF },
	{ "real sysenter", REAL, 0, CODE_BYTES(0x0f, 0x34) },
	{ "32: sysexit, level 3", P32, 3, CODE_BYTES(0x0f, 0x35) },
	{ "64: swapgs", P64, 0, CODE_BYTES(0x0f, 0x01, 0xf8) },
	{ "64: swapgs, level 3", P64, 3, CODE_BYTES(0x0f, 0x01, 0xf8) },
	{ "32: swapgs", P32, 0, CODE_BYTES(0x0f, 0x01, 0xf8) },
};

static const struct snippet tables[] = {
	PROTECTED("lldt", CODE_BYTES(0x0f, 0x00, 0xd0), .rax = FREE_LDT),
	PROTECTED("lldt of null", CODE_BYTES(0x0f, 0x00, 0xd0), .rax = 0x10000),
	PROTECTED("lldt of data", CODE_BYTES(0x0f, 0x00, 0xd0), .rax = DATA_0),
	PROTECTED("lldt out of the LDT", CODE_BYTES(0x0f, 0x00, 0xd0), .rax = FREE_LDT | 4),
	PROTECTED("ltr", CODE_BYTES(0x0f, 0x00, 0xd8), .rax = FREE_TSS),
	PROTECTED("ltr of null", CODE_BYTES(0x0f, 0x00, 0xd8), .rax = 0x10000, .not_qemu = true),
	PROTECTED("ltr of a busy one", CODE_BYTES(0x0f, 0x00, 0xd8), .rax = BUSY),
	PROTECTED("sldt", CODE_BYTES(0x0f, 0x00, 0xc0)),
	PROTECTED("str", CODE_BYTES(0x0f, 0x00, 0xc8)),
	PROTECTED("smsw", CODE_BYTES(0x0f, 0x01, 0xe0)),
	PROTECTED("clts", CODE_BYTES(0x0f, 0x06)),
	{ "real lldt", REAL, 0, CODE_BYTES(0x0f, 0x00, 0xd0) },
	{ "vm86 ltr", VM86, 3, CODE_BYTES(0x0f, 0x00, 0xd8) },
	{ "real smsw", REAL, 0, CODE_BYTES(0x0f, 0x01, 0xe0) },
	{ "32: sgdt", P32, 0, CODE_BYTES(0x0f, 0x01, 0x03) },
	{ "64: sidt", P64, 3, CODE_BYTES(0x0f, 0x01, 0x0b) },
	{ "32: lgdt", P32, 0, CODE_BYTES(0x0f, 0x01, 0x13), .data = { (u64)GDT << 16 | 0xaf } },
	{ "64: lidt", P64, 0, CODE_BYTES(0x0f, 0x01, 0x1b), .data = { (u64)IDT << 16 | 0xfff } },
	{ "64: lidt, level 3", P64, 3, CODE_BYTES(0x0f, 0x01, 0x1b) },
	{ "32: lmsw", P32, 0, CODE_BYTES(0x0f, 0x01, 0xf0), .rax = 8 },
	{ "32: mov to cr4", P32, 0, CODE_BYTES(0x0f, 0x22, 0xe0), .rax = 0x610 },
	{ "32: mov to cr4, reserved", P32, 0, CODE_BYTES(0x0f, 0x22, 0xe0), .rax = 0x80000600 },
	{ "64: mov from cr3", P64, 0, CODE_BYTES(0x0f, 0x20, 0xd8) },
	{ "64: mov from cr0, level 3", P64, 3, CODE_BYTES(0x0f, 0x20, 0xc0) },
	{ "64: mov from dr7", P64, 0, CODE_BYTES(0x0f, 0x21, 0xf8) },
};

static const struct snippet processor[] = {
	EVERYWHERE("cpuid", CODE_BYTES(0x0f, 0xa2), .rax = 1),
	EVERYWHERE("rdmsr", CODE_BYTES(0x0f, 0x32), .rcx = 0x174),
	EVERYWHERE("rdmsr of nothing", CODE_BYTES(0x0f, 0x32), .rcx = 0x12345678),
	EVERYWHERE("hlt", CODE_BYTES(0xf4)),
	EVERYWHERE("wbinvd", CODE_BYTES(0x0f, 0x09)),
	EVERYWHERE("rdpmc", CODE_BYTES(0x0f, 0x33)),
	EVERYWHERE("xgetbv without OSXSAVE", CODE_BYTES(0x0f, 0x01, 0xd0)),
	EVERYWHERE("xsetbv without OSXSAVE", CODE_BYTES(0x0f, 0x01, 0xd1), .not_qemu = true),
	EVERYWHERE("monitor", CODE_BYTES(0x0f, 0x01, 0xc8), .rcx = 1ull << 32, .rax = DATA),
	{ "64: wrmsr", P64, 0, CODE_BYTES(0x0f, 0x30), .rcx = 0x174, .rax = 0x1234,
	  .rdx = 1ull << 32 },
	{ "64: wrmsr, not canonical", P64, 0, CODE_BYTES(0x0f, 0x30), .rcx = 0xc0000082,
	  .rdx = 0x10000, .not_qemu = true },
	{ "64: invlpg", P64, 0, CODE_BYTES(0x0f, 0x01, 0x3b) },
	{ "64: stac", P64, 0, CODE_BYTES(0x0f, 0x01, 0xcb) },
	{ "64: stac, level 3", P64, 3, CODE_BYTES(0x0f, 0x01, 0xcb) },
};

/* QEMU's CPU leaves out x87's last opcode and what is reserved, so both are 0 before. */
static const struct snippet blocks[] = {
	{ "32: fxsave", P32, 0, CODE_BYTES(0x0f, 0xae, 0x03), .blank = true },
	{ "64: fxsave", P64, 3, CODE_BYTES(0x0f, 0xae, 0x03), .blank = true },
	{ "64: fxsave64", P64, 0, CODE_BYTES(0x48, 0x0f, 0xae, 0x03), .blank = true },
	{ "64: fxsave, not aligned", P64, 0, CODE_BYTES(0x0f, 0xae, 0x43, 0x08) },
	{ "64: fxrstor, MXCSR", P64, 0, CODE_BYTES(0x0f, 0xae, 0x4b, 0x10), .not_qemu = true },
	{ "64: lock fxsave", P64, 0, CODE_BYTES(0xf0, 0x0f, 0xae, 0x03) },
};

static const struct group {
	const char *name;
	const struct snippet *snippets;
	unsigned int count;
} groups[] = {
	{ "basic", basic, ARRAY_SIZE(basic) },
	{ "jumps", jumps, ARRAY_SIZE(jumps) },
	{ "returns", returns, ARRAY_SIZE(returns) },
	{ "interrupts", ints, ARRAY_SIZE(ints) },
	{ "system calls", system_calls, ARRAY_SIZE(system_calls) },
	{ "tables", tables, ARRAY_SIZE(tables) },
	{ "processor", processor, ARRAY_SIZE(processor) },
	{ "blocks", blocks, ARRAY_SIZE(blocks) },
};

#endif
