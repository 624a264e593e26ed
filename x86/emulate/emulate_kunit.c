// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit: single instructions from a table, each executed once.  All that a case does not name must
 * be unchanged.
 *
 * The comparison with a real CPU (selftests/emu) covers the arithmetic of 64-bit mode; here is what
 * it cannot reach: the old modes, segmentation, privilege, ports and devices.
 */
#include "x86/emulate/machine_kunit.h"

static const struct emu_case cases[] = {
	/* Operand and address sizes in each mode */
	{ "real: mov to memory, 16 bits", EMU_REAL, CODE_BYTES(0x89, 0x07),
	  .in = { R(RAX, 0x11112222), R(RBX, 0xffff2000) },
	  .addr = 0x2000, .mem_in = -1, .mem_out = 0xffffffffffff2222 },
	{ "real: 66 makes 32 bits", EMU_REAL, CODE_BYTES(0x66, 0x89, 0x07),
	  .in = { R(RAX, 0x11112222), R(RBX, 0x2000) },
	  .addr = 0x2000, .mem_in = -1, .mem_out = 0xffffffff11112222 },
	{ "real: 67 makes 32-bit addresses", EMU_REAL, CODE_BYTES(0x67, 0x89, 0x43, 0x04),
	  .in = { R(RAX, 0x2222), R(RBX, 0x2000) },
	  .addr = 0x2004, .mem_in = 0, .mem_out = 0x2222 },
	{ "real: bp+si+disp8", EMU_REAL, CODE_BYTES(0x8b, 0x42, 0xfe),
	  .in = { R(RBP, 0x2000), R(RSI, 0x10) }, .out = { R(RAX, 0xbeef) },
	  .addr = 0x200e, .mem_in = 0xbeef, .mem_out = 0xbeef },
	{ "real: bx+di", EMU_REAL, CODE_BYTES(0x8a, 0x21), .in = { R(RBX, 0x2000), R(RDI, 8) },
	  .out = { R(RAX, 0x5a00) }, .addr = 0x2008, .mem_in = 0x5a, .mem_out = 0x5a },
	{ "real: disp16", EMU_REAL, CODE_BYTES(0xc7, 0x06, 0x00, 0x20, 0x34, 0x12),
	  .addr = 0x2000, .mem_in = 0, .mem_out = 0x1234 },
	{ "real: 16-bit address wraps", EMU_REAL, CODE_BYTES(0x88, 0x40, 0x10),
	  .in = { R(RAX, 7), R(RBX, 0xfff0), R(RSI, 0x2000) },
	  .addr = 0x2000, .mem_in = 0, .mem_out = 7 },
	{ "real: word at ffff: #GP without code", EMU_REAL, CODE_BYTES(0x8b, 0x07),
	  .in = { R(RBX, 0xffff) }, .result = EMU_FAULT, .vector = X86_TRAP_GP, .no_error = true },
	{ "real: word at ss:ffff: #SS", EMU_REAL, CODE_BYTES(0x8b, 0x46, 0x00),
	  .in = { R(RBP, 0xffff) }, .result = EMU_FAULT, .vector = X86_TRAP_SS, .no_error = true },
	{ "real: segment base and override", EMU_REAL, CODE_BYTES(0x26, 0xa0, 0x04, 0x00),
	  .seg = { .base = 0x2000, .limit = 0xffff }, .seg_nr = EMU_ES,
	  .out = { R(RAX, 0x77) }, .addr = 0x2004, .mem_in = 0x77, .mem_out = 0x77 },
	{ "prot16: push is 2 bytes", EMU_PROT16, CODE_BYTES(0x50), .in = { R(RAX, 0xabcd),
	  R(RSP, 0x12342002) }, .out = { R(RSP, 0x12342000) },
	  .addr = 0x2000, .mem_in = 0, .mem_out = 0xabcd },
	{ "prot32: push is 4 bytes", EMU_PROT32, CODE_BYTES(0x6a, 0xff), .in = { R(RSP, 0x2004) },
	  .out = { R(RSP, 0x2000) }, .addr = 0x2000, .mem_in = 0, .mem_out = 0xffffffff },
	{ "prot32: push word", EMU_PROT32, CODE_BYTES(0x66, 0x68, 0x34, 0x12),
	  .in = { R(RSP, 0x2002) }, .out = { R(RSP, 0x2000) },
	  .addr = 0x2000, .mem_in = 0, .mem_out = 0x1234 },
	{ "prot32: stack of 16 bits", EMU_PROT32, CODE_BYTES(0x50),
	  .in = { R(RAX, 0x01020304), R(RSP, 0x56782004) }, .out = { R(RSP, 0x56782000) },
	  .seg = { .limit = 0xffff, .type = 3, .present = 1, .s = 1 }, .seg_nr = EMU_SS,
	  .addr = 0x2000, .mem_in = 0, .mem_out = 0x01020304 },
	{ "prot32: inc is one byte", EMU_PROT32, CODE_BYTES(0x41), .in = { R(RCX, 0xffffffff) },
	  .out = { R(RCX, 0) }, .flags_out = X86_EFLAGS_ZF | X86_EFLAGS_PF | X86_EFLAGS_AF },
	{ "prot32: disp32 is absolute", EMU_PROT32, CODE_BYTES(0xa3, 0x00, 0x20, 0x00, 0x00),
	  .in = { R(RAX, 0x55) }, .addr = 0x2000, .mem_in = 0, .mem_out = 0x55 },
	{ "prot32: ah to memory", EMU_PROT32, CODE_BYTES(0x88, 0x23),
	  .in = { R(RAX, 0x4100), R(RBX, 0x2000) }, .addr = 0x2000, .mem_in = 0, .mem_out = 0x41 },
	{ "prot32: 67 is 16-bit", EMU_PROT32, CODE_BYTES(0x67, 0x8b, 0x07),
	  .in = { R(RBX, 0xabcd2000) }, .out = { R(RAX, 9) }, .addr = 0x2000, .mem_in = 9,
	  .mem_out = 9 },
	{ "prot64: rip-relative with immediate", EMU_PROT64,
	  CODE_BYTES(0xc7, 0x05, 0xf6, 0x0f, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff),
	  .addr = 0x2000, .mem_in = 0, .mem_out = 0xffffffff },
	{ "prot64: 67 truncates the address", EMU_PROT64, CODE_BYTES(0x67, 0x8b, 0x03),
	  .in = { R(RBX, 0x100002000) }, .out = { R(RAX, 3) }, .addr = 0x2000, .mem_in = 3,
	  .mem_out = 3 },
	{ "prot64: fs has a base", EMU_PROT64, CODE_BYTES(0x64, 0x8b, 0x03),
	  .in = { R(RBX, 0x10) }, .out = { R(RAX, 4) }, .seg = { .base = 0x2000, .limit = 1 },
	  .seg_nr = EMU_FS, .addr = 0x2010, .mem_in = 4, .mem_out = 4 },
	{ "prot64: ds has none", EMU_PROT64, CODE_BYTES(0x3e, 0x8b, 0x03), .in = { R(RBX, 0x2000) },
	  .out = { R(RAX, 4) }, .seg = { .base = 0x3000, .limit = 1 }, .seg_nr = EMU_DS,
	  .addr = 0x2000, .mem_in = 4, .mem_out = 4 },
	{ "prot64: mov imm64", EMU_PROT64,
	  CODE_BYTES(0x48, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8), .out = { R(RAX, 0x0807060504030201) } },
	{ "prot64: moffs64", EMU_PROT64, CODE_BYTES(0xa2, 0x00, 0x20, 0, 0, 0, 0, 0, 0),
	  .in = { R(RAX, 0x1ff) }, .addr = 0x2000, .mem_in = 0, .mem_out = 0xff },
	{ "prot64: spl with REX", EMU_PROT64, CODE_BYTES(0x40, 0x88, 0xe0),
	  .in = { R(RSP, 0x99) }, .out = { R(RAX, 0x99) } },
	{ "prot64: REX before a prefix does not count", EMU_PROT64,
	  CODE_BYTES(0x48, 0x66, 0x01, 0xd8),
	  .in = { R(RAX, 0xffff), R(RBX, 1) }, .out = { R(RAX, 0) },
	  .flags_out = X86_EFLAGS_ZF | X86_EFLAGS_PF | X86_EFLAGS_AF | X86_EFLAGS_CF },
	{ "prot64: nop keeps the upper half", EMU_PROT64, CODE_BYTES(0x90),
	  .in = { R(RAX, 0x123456789abcdef0) } },
	{ "prot64: 49 90 is xchg", EMU_PROT64, CODE_BYTES(0x49, 0x90),
	  .in = { R(RAX, 1), R(R8, 2) }, .out = { R(RAX, 2), R(R8, 1) } },

	/* Segments: the descriptor is the GDT's first, and a load marks it as accessed */
#define DATA_DESC	0x11cf92223344ffffULL
#define LOADED		.seg_out = { .base = 0x11223344, .limit = 0xffffffff, .type = 3 }
#define REFUSED(vec, code)	.result = EMU_FAULT, .vector = X86_TRAP_##vec, .error = (code)
#define DESC(in, out)	.addr = 0x3008, .mem_in = (in), .mem_out = (out)
	{ "mov ds", EMU_PROT32, CODE_BYTES(0x8e, 0xd8), .in = { R(RAX, 8) },
	  DESC(DATA_DESC, DATA_DESC | 1ULL << 40), LOADED },
	{ "mov ss", EMU_PROT32, CODE_BYTES(0x8e, 0xd0), .in = { R(RAX, 8) },
	  DESC(DATA_DESC, DATA_DESC | 1ULL << 40), LOADED, .shadow = EMU_SHADOW_MOV_SS },
	{ "mov fs, at CPL 3 of DPL 0", EMU_PROT32, 3, CODE_BYTES(0x8e, 0xe0), .in = { R(RAX, 8) },
	  DESC(DATA_DESC, DATA_DESC), REFUSED(GP, 8) },
	{ "mov ds, RPL above DPL", EMU_PROT32, CODE_BYTES(0x8e, 0xd8), .in = { R(RAX, 11) },
	  DESC(DATA_DESC, DATA_DESC), REFUSED(GP, 8) },
	{ "mov ds, not present", EMU_PROT32, CODE_BYTES(0x8e, 0xd8), .in = { R(RAX, 8) },
	  DESC(DATA_DESC & ~(1ULL << 47), DATA_DESC & ~(1ULL << 47)), REFUSED(NP, 8) },
	{ "mov ss, not present", EMU_PROT32, CODE_BYTES(0x8e, 0xd0), .in = { R(RAX, 8) },
	  DESC(DATA_DESC & ~(1ULL << 47), DATA_DESC & ~(1ULL << 47)), REFUSED(SS, 8),
	  .shadow = EMU_SHADOW_MOV_SS },
	{ "mov ss, read-only", EMU_PROT32, CODE_BYTES(0x8e, 0xd0), .in = { R(RAX, 8) },
	  DESC(DATA_DESC & ~(1ULL << 41), DATA_DESC & ~(1ULL << 41)), REFUSED(GP, 8),
	  .shadow = EMU_SHADOW_MOV_SS },
	{ "mov ds, code that cannot be read", EMU_PROT32, CODE_BYTES(0x8e, 0xd8),
	  .in = { R(RAX, 8) }, DESC(0x11cf98223344ffffULL, 0x11cf98223344ffffULL), REFUSED(GP, 8) },
	{ "mov ds, a system segment", EMU_PROT32, CODE_BYTES(0x8e, 0xd8), .in = { R(RAX, 8) },
	  DESC(0x11cf82223344ffffULL, 0x11cf82223344ffffULL), REFUSED(GP, 8) },
	{ "mov ds, beyond the table", EMU_PROT32, CODE_BYTES(0x8e, 0xd8), .in = { R(RAX, 0x30) },
	  REFUSED(GP, 0x30) },
	{ "mov ss, null", EMU_PROT32, CODE_BYTES(0x8e, 0xd0), .shadow = EMU_SHADOW_MOV_SS,
	  REFUSED(GP, 0) },
	{ "mov cs", EMU_PROT32, CODE_BYTES(0x8e, 0xc8), REFUSED(UD, 0), .no_error = true },
	{ "mov es in real mode", EMU_REAL, CODE_BYTES(0x8e, 0xc0), .in = { R(RAX, 0x1234) },
	  .seg_out = { .base = 0x12340, .limit = 0xffff, .type = 3 } },
	{ "pop ss", EMU_REAL, CODE_BYTES(0x17), .in = { R(RSP, 0x2000) }, .out = { R(RSP, 0x2002) },
	  .addr = 0x2000, .mem_in = 0x1234, .mem_out = 0x1234, .shadow = EMU_SHADOW_MOV_SS,
	  .seg_out = { .base = 0x12340, .limit = 0xffff, .type = 3 } },
	{ "les", EMU_REAL, CODE_BYTES(0xc4, 0x07), .in = { R(RBX, 0x2000) },
	  .out = { R(RAX, 0x5678) }, .addr = 0x2000, .mem_in = 0x12345678, .mem_out = 0x12345678,
	  .seg_out = { .base = 0x12340, .limit = 0xffff, .type = 3 } },
	{ "les of a register, which elsewhere is VEX", EMU_REAL,
	  CODE_BYTES(0xc4, 0xe2, 0x60, 0xf2, 0xc1), REFUSED(UD, 0), .no_error = true },
	{ "sgdt", EMU_PROT32, CODE_BYTES(0x0f, 0x01, 0x03), .in = { R(RBX, 0x2000) },
	  .addr = 0x2000, .mem_in = -1, .mem_out = 0xffff00003000002fULL },
	{ "sidt, with UMIP", EMU_PROT64, 3, CODE_BYTES(0x0f, 0x01, 0x0b), .in = { R(RBX, 0x2000) },
	  .cr4 = X86_CR4_UMIP, REFUSED(GP, 0) },
	{ "lgdt of 24 bits", EMU_REAL, CODE_BYTES(0x0f, 0x01, 0x17), .in = { R(RBX, 0x2000) },
	  .addr = 0x2000, .mem_in = 0x112233440010ULL, .mem_out = 0x112233440010ULL,
	  .seg_out = { .base = 0x223344, .limit = 0x10 } },
	{ "lidt at CPL 3", EMU_PROT32, 3, CODE_BYTES(0x0f, 0x01, 0x1b), REFUSED(GP, 0) },
	{ "str", EMU_PROT32, CODE_BYTES(0x0f, 0x00, 0xc8), .out = { R(RAX, EMU_TR * 8) } },
	{ "sldt in real mode", EMU_REAL, CODE_BYTES(0x0f, 0x00, 0xc0), REFUSED(UD, 0),
	  .no_error = true },
	{ "lar", EMU_PROT32, CODE_BYTES(0x0f, 0x02, 0xc3), .in = { R(RBX, 8) },
	  .out = { R(RAX, 0xcf9200) }, .flags_out = X86_EFLAGS_ZF, DESC(DATA_DESC, DATA_DESC) },
	{ "lsl", EMU_PROT32, CODE_BYTES(0x0f, 0x03, 0xc3), .in = { R(RBX, 8) },
	  .out = { R(RAX, 0xffffffff) }, .flags_out = X86_EFLAGS_ZF, DESC(DATA_DESC, DATA_DESC) },
	{ "lsl of what is out of reach", EMU_PROT32, 3, CODE_BYTES(0x0f, 0x03, 0xc3),
	  .in = { R(RBX, 8) }, .flags_in = X86_EFLAGS_ZF, DESC(DATA_DESC, DATA_DESC) },
	{ "verw", EMU_PROT32, CODE_BYTES(0x0f, 0x00, 0xe8), .in = { R(RAX, 8) },
	  .flags_out = X86_EFLAGS_ZF, DESC(DATA_DESC, DATA_DESC) },
	{ "verr, null", EMU_PROT32, CODE_BYTES(0x0f, 0x00, 0xe0), .flags_in = X86_EFLAGS_ZF },

	/* Decimal arithmetic, BOUND, ARPL and ENTER: 64-bit mode has them not, or not so */
	{ "daa", EMU_PROT32, CODE_BYTES(0x27), .in = { R(RAX, 0xae) }, .out = { R(RAX, 0x14) },
	  .flags_out = X86_EFLAGS_CF | X86_EFLAGS_AF | X86_EFLAGS_PF },
	{ "daa with CF", EMU_REAL, CODE_BYTES(0x27), .in = { R(RAX, 0x2e) },
	  .out = { R(RAX, 0x94) }, .flags_in = X86_EFLAGS_CF,
	  .flags_out = X86_EFLAGS_CF | X86_EFLAGS_AF | X86_EFLAGS_SF },
	{ "das", EMU_PROT32, CODE_BYTES(0x2f), .in = { R(RAX, 0x35ee) }, .out = { R(RAX, 0x3588) },
	  .flags_out = X86_EFLAGS_CF | X86_EFLAGS_AF | X86_EFLAGS_SF | X86_EFLAGS_PF },
	{ "das borrows for the low digit", EMU_PROT32, CODE_BYTES(0x2f), .in = { R(RAX, 3) },
	  .out = { R(RAX, 0xfd) }, .flags_in = X86_EFLAGS_AF,
	  .flags_out = X86_EFLAGS_CF | X86_EFLAGS_AF | X86_EFLAGS_SF },
	{ "aaa", EMU_PROT32, CODE_BYTES(0x37), .in = { R(RAX, 0x10b) }, .out = { R(RAX, 0x201) },
	  .flags_out = X86_EFLAGS_CF | X86_EFLAGS_AF },
	{ "aaa leaves a digit", EMU_PROT32, CODE_BYTES(0x37), .in = { R(RAX, 0x175) },
	  .out = { R(RAX, 0x105) }, .flags_in = X86_EFLAGS_CF },
	{ "aas", EMU_PROT32, CODE_BYTES(0x3f), .in = { R(RAX, 0x2ff) }, .out = { R(RAX, 0x109) },
	  .flags_out = X86_EFLAGS_CF | X86_EFLAGS_AF },
	{ "aam", EMU_PROT32, CODE_BYTES(0xd4, 10), .in = { R(RAX, 0x773f) },
	  .out = { R(RAX, 0x603) }, .flags_out = X86_EFLAGS_PF },
	{ "aam by nothing: #DE", EMU_PROT32, CODE_BYTES(0xd4, 0), .in = { R(RAX, 1) },
	  .result = EMU_FAULT, .vector = X86_TRAP_DE, .no_error = true },
	{ "aad", EMU_PROT32, CODE_BYTES(0xd5, 10), .in = { R(RAX, 0x709) },
	  .out = { R(RAX, 0x4f) } },
	{ "aad in 64-bit mode: #UD", EMU_PROT64, CODE_BYTES(0xd5, 10), .result = EMU_FAULT,
	  .vector = X86_TRAP_UD, .no_error = true },
	{ "bound, inside", EMU_PROT32, CODE_BYTES(0x62, 0x03),
	  .in = { R(RAX, -3u), R(RBX, 0x2000) }, .addr = 0x2000, .mem_in = 0x5fffffffdULL,
	  .mem_out = 0x5fffffffdULL },
	{ "bound, above: #BR", EMU_PROT32, CODE_BYTES(0x62, 0x03),
	  .in = { R(RAX, 6), R(RBX, 0x2000) },
	  .addr = 0x2000, .mem_in = 0x5fffffffdULL, .mem_out = 0x5fffffffdULL,
	  .result = EMU_FAULT, .vector = X86_TRAP_BR, .no_error = true },
	{ "bound of 16 bits, below: #BR", EMU_REAL, CODE_BYTES(0x62, 0x07),
	  .in = { R(RAX, 0x8000), R(RBX, 0x2000) }, .addr = 0x2000, .mem_in = 0x00058001,
	  .mem_out = 0x00058001, .result = EMU_FAULT, .vector = X86_TRAP_BR, .no_error = true },
	{ "arpl raises", EMU_PROT32, CODE_BYTES(0x63, 0xd8), .in = { R(RAX, 0x10), R(RBX, 3) },
	  .out = { R(RAX, 0x13) }, .flags_out = X86_EFLAGS_ZF },
	{ "arpl leaves", EMU_PROT32, CODE_BYTES(0x63, 0xd8), .in = { R(RAX, 0x13), R(RBX, 1) },
	  .flags_in = X86_EFLAGS_ZF },
	{ "arpl in real mode: #UD", EMU_REAL, CODE_BYTES(0x63, 0xd8), .result = EMU_FAULT,
	  .vector = X86_TRAP_UD, .no_error = true },
	{ "enter of 16 bits on a stack of 32", EMU_PROT32, CODE_BYTES(0x66, 0xc8, 4, 0, 0),
	  .in = { R(RSP, 0x2004), R(RBP, 0x11223344) },
	  .out = { R(RSP, 0x1ffe), R(RBP, 0x11222002) }, .addr = 0x2000, .mem_in = 0,
	  .mem_out = 0x33440000 },
	{ "enter with frames", EMU_PROT32, CODE_BYTES(0xc8, 0, 0, 2),
	  .in = { R(RSP, 0x200c), R(RBP, 0x2010) }, .out = { R(RSP, 0x2000), R(RBP, 0x2008) },
	  .addr = 0x2000, .mem_out = 0x2008 },
	{ "lzcnt in 16 bits", EMU_REAL, CODE_BYTES(0xf3, 0x0f, 0xbd, 0xc3), .in = { R(RBX, 0x100) },
	  .out = { R(RAX, 7) } },
	{ "andn in 32-bit mode", EMU_PROT32, CODE_BYTES(0xc4, 0xe2, 0x60, 0xf2, 0xc1),
	  .in = { R(RBX, 0xff), R(RCX, 0x80000ff0) }, .out = { R(RAX, 0x80000f00) },
	  .flags_out = X86_EFLAGS_SF },
	{ "VEX behind 66: #UD", EMU_PROT32, CODE_BYTES(0x66, 0xc4, 0xe2, 0x60, 0xf2, 0xc1),
	  .result = EMU_FAULT, .vector = X86_TRAP_UD, .no_error = true },
	{ "VEX.L where it may not be: #UD", EMU_PROT64, CODE_BYTES(0xc4, 0xe2, 0x64, 0xf2, 0xc1),
	  .result = EMU_FAULT, .vector = X86_TRAP_UD, .no_error = true },
	{ "VEX.vvvv where it may not be: #UD", EMU_PROT64,
	  CODE_BYTES(0xc4, 0xe3, 0x63, 0xf0, 0xc1, 3),
	  .result = EMU_FAULT, .vector = X86_TRAP_UD, .no_error = true },

	/* Faults */
	{ "more than 15 bytes", EMU_PROT64,
	  .code = { 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
		    0x66, 0x66, 0x90 }, .result = EMU_FAULT, .vector = X86_TRAP_GP },
	{ "lock mov", EMU_PROT64, CODE_BYTES(0xf0, 0x89, 0x03), .in = { R(RBX, 0x2000) },
	  .result = EMU_FAULT, .vector = X86_TRAP_UD, .no_error = true },
	{ "lock add to a register", EMU_PROT64, CODE_BYTES(0xf0, 0x01, 0xc3),
	  .result = EMU_FAULT, .vector = X86_TRAP_UD, .no_error = true },
	{ "lock bt", EMU_PROT64, CODE_BYTES(0xf0, 0x0f, 0xa3, 0x03), .in = { R(RBX, 0x2000) },
	  .result = EMU_FAULT, .vector = X86_TRAP_UD, .no_error = true },
	{ "pusha in 64-bit mode", EMU_PROT64, CODE_BYTES(0x60),
	  .result = EMU_FAULT, .vector = X86_TRAP_UD, .no_error = true },
	{ "lea of a register", EMU_PROT64, CODE_BYTES(0x8d, 0xc0),
	  .result = EMU_FAULT, .vector = X86_TRAP_UD, .no_error = true },
	{ "not canonical", EMU_PROT64, CODE_BYTES(0x8b, 0x03), .in = { R(RBX, 1ULL << 47) },
	  .result = EMU_FAULT, .vector = X86_TRAP_GP },
	{ "not canonical at its end", EMU_PROT64, CODE_BYTES(0x8b, 0x03),
	  .in = { R(RBX, (1ULL << 47) - 1) }, .result = EMU_FAULT, .vector = X86_TRAP_GP },
	{ "not canonical, stack segment", EMU_PROT64, CODE_BYTES(0x8b, 0x45, 0x00),
	  .in = { R(RBP, 1ULL << 47) }, .result = EMU_FAULT, .vector = X86_TRAP_SS },
	{ "canonical with LA57", EMU_PROT64, CODE_BYTES(0x8b, 0x03), .in = { R(RBX, 1ULL << 47) },
	  .cr4 = X86_CR4_LA57, .result = EMU_FAULT, .vector = X86_TRAP_PF },
	{ "page fault on a write", EMU_PROT64, CODE_BYTES(0x89, 0x03), .in = { R(RBX, HOLE) },
	  .result = EMU_FAULT, .vector = X86_TRAP_PF, .error = 2 },
	{ "add to read-only memory faults as a write", EMU_PROT64, CODE_BYTES(0x01, 0x03),
	  .in = { R(RBX, RDONLY), R(RAX, 1) }, .result = EMU_FAULT, .vector = X86_TRAP_PF,
	  .error = 2, .addr = RDONLY, .mem_in = 5, .mem_out = 5 },
	{ "cmp with read-only memory", EMU_PROT64, CODE_BYTES(0x39, 0x03), .in = { R(RBX, RDONLY) },
	  .flags_out = X86_EFLAGS_ZF | X86_EFLAGS_PF },
	{ "write across into nothing changes nothing", EMU_PROT64, CODE_BYTES(0x48, 0x89, 0x03),
	  .in = { R(RBX, HOLE - 4), R(RAX, -1) }, .result = EMU_FAULT, .vector = X86_TRAP_PF,
	  .error = 2, .addr = HOLE - 8, .mem_in = 6, .mem_out = 6 },
	{ "limit of a data segment", EMU_PROT32, CODE_BYTES(0x8b, 0x03), .in = { R(RBX, 0x1ffd) },
	  .seg = { .limit = 0x1fff, .type = 3, .present = 1 }, .seg_nr = EMU_DS,
	  .result = EMU_FAULT, .vector = X86_TRAP_GP },
	{ "just inside the limit", EMU_PROT32, CODE_BYTES(0x8b, 0x03), .in = { R(RBX, 0x1ffc) },
	  .seg = { .limit = 0x1fff, .type = 3, .present = 1 }, .seg_nr = EMU_DS,
	  .out = { R(RAX, 8) }, .addr = 0x1ffc, .mem_in = 8, .mem_out = 8 },
	{ "offset that wraps is beyond the limit", EMU_PROT32, CODE_BYTES(0x8b, 0x03),
	  .in = { R(RBX, 0xfffffffe) }, .result = EMU_FAULT, .vector = X86_TRAP_GP },
	{ "expand-down: below", EMU_PROT32, CODE_BYTES(0x8b, 0x03), .in = { R(RBX, 0x1fff) },
	  .seg = { .limit = 0x1fff, .type = 7, .present = 1, .db = 1 }, .seg_nr = EMU_DS,
	  .result = EMU_FAULT, .vector = X86_TRAP_GP },
	{ "expand-down: above", EMU_PROT32, CODE_BYTES(0x8b, 0x03), .in = { R(RBX, 0x2000) },
	  .seg = { .limit = 0x1fff, .type = 7, .present = 1, .db = 1 }, .seg_nr = EMU_DS,
	  .out = { R(RAX, 8) }, .addr = 0x2000, .mem_in = 8, .mem_out = 8 },
	{ "expand-down: 16-bit top", EMU_PROT32, CODE_BYTES(0x8b, 0x03), .in = { R(RBX, 0xfffd) },
	  .seg = { .limit = 0x1fff, .type = 7, .present = 1 }, .seg_nr = EMU_DS,
	  .result = EMU_FAULT, .vector = X86_TRAP_GP },
	{ "write to a read-only segment", EMU_PROT32, CODE_BYTES(0x89, 0x03),
	  .in = { R(RBX, 0x2000) },
	  .seg = { .limit = 0xffff, .type = 1, .present = 1 }, .seg_nr = EMU_DS,
	  .result = EMU_FAULT, .vector = X86_TRAP_GP },
	{ "write to the code segment", EMU_PROT32, CODE_BYTES(0x2e, 0x89, 0x03),
	  .in = { R(RBX, 0x2000) }, .result = EMU_FAULT, .vector = X86_TRAP_GP },
	{ "read of an execute-only segment", EMU_PROT32, CODE_BYTES(0x2e, 0x8b, 0x03),
	  .in = { R(RBX, 0x2000) }, .seg = { .limit = 0xffff, .type = 9, .present = 1 },
	  .seg_nr = EMU_CS, .result = EMU_FAULT, .vector = X86_TRAP_GP },
	{ "null segment", EMU_PROT32, CODE_BYTES(0x8b, 0x03), .in = { R(RBX, 0x2000) },
	  .seg = { .limit = 0xffff, .type = 3, .present = 1, .unusable = 1 }, .seg_nr = EMU_DS,
	  .result = EMU_FAULT, .vector = X86_TRAP_GP },
	{ "stack limit", EMU_PROT32, CODE_BYTES(0x50), .in = { R(RSP, 0x2002) },
	  .seg = { .limit = 0x1fff, .type = 3, .present = 1, .db = 1 }, .seg_nr = EMU_SS,
	  .result = EMU_FAULT, .vector = X86_TRAP_SS },
	{ "code beyond the limit", EMU_PROT32, CODE_BYTES(0x81, 0xc0, 1, 2, 3, 4),
	  .seg = { .limit = CODE + 4, .type = 11, .present = 1, .db = 1 }, .seg_nr = EMU_CS,
	  .result = EMU_FAULT, .vector = X86_TRAP_GP },
	{ "alignment check", EMU_PROT64, 3, CODE_BYTES(0x8b, 0x03), .in = { R(RBX, 0x2001) },
	  .flags_in = X86_EFLAGS_AC, .cr0 = X86_CR0_AM, .result = EMU_FAULT,
	  .vector = X86_TRAP_AC },
	{ "no alignment check in the kernel", EMU_PROT64, CODE_BYTES(0x8b, 0x03),
	  .in = { R(RBX, 0x2001) }, .flags_in = X86_EFLAGS_AC, .flags_out = X86_EFLAGS_AC,
	  .cr0 = X86_CR0_AM, .out = { R(RAX, 2) }, .addr = 0x2001, .mem_in = 2, .mem_out = 2 },
	{ "movdqa wants alignment", EMU_PROT64, CODE_BYTES(0x66, 0x0f, 0x6f, 0x03),
	  .in = { R(RBX, 0x2008) }, .cr4 = X86_CR4_OSFXSR, .result = EMU_FAULT,
	  .vector = X86_TRAP_GP },
	{ "movdqa without OSFXSR", EMU_PROT64, CODE_BYTES(0x66, 0x0f, 0x6f, 0x03),
	  .in = { R(RBX, 0x2000) }, .result = EMU_FAULT, .vector = X86_TRAP_UD, .no_error = true },
	{ "movdqa with TS", EMU_PROT64, CODE_BYTES(0x66, 0x0f, 0x6f, 0x03),
	  .in = { R(RBX, 0x2000) }, .cr0 = X86_CR0_TS, .cr4 = X86_CR4_OSFXSR,
	  .result = EMU_FAULT, .vector = X86_TRAP_NM, .no_error = true },
	{ "divide by zero", EMU_PROT64, CODE_BYTES(0xf7, 0xf3), .in = { R(RAX, 5) },
	  .result = EMU_FAULT, .vector = X86_TRAP_DE, .no_error = true },
	{ "idiv: most negative by -1", EMU_PROT64, CODE_BYTES(0x48, 0xf7, 0xfb),
	  .in = { R(RAX, 1ULL << 63), R(RDX, -1), R(RBX, -1) },
	  .result = EMU_FAULT, .vector = X86_TRAP_DE, .no_error = true },
	{ "VEX is not known", EMU_PROT64, CODE_BYTES(0xc5, 0xf8, 0x77), .result = EMU_UNHANDLED },
	{ "a map that VEX does not have", EMU_PROT32, CODE_BYTES(0xc4, 0xe0, 0x78, 0x10, 0xc0),
	  .result = EMU_UNHANDLED },
	{ "VEX.vvvv that is no operand counts whole", EMU_PROT32,
	  CODE_BYTES(0xc4, 0xe3, 0x3b, 0xf0, 0xc0, 0x01), .result = EMU_FAULT,
	  .vector = X86_TRAP_UD, .no_error = true },
	{ "emms only has a length", EMU_PROT64, CODE_BYTES(0x0f, 0x77), .result = EMU_UNHANDLED },
	{ "undefined 0F opcode", EMU_PROT64, CODE_BYTES(0x0f, 0x04), .result = EMU_UNHANDLED },

	/* Privilege and system registers */
	{ "cli in user mode", EMU_PROT64, 3, CODE_BYTES(0xfa), .flags_in = X86_EFLAGS_IF,
	  .result = EMU_FAULT, .vector = X86_TRAP_GP },
	{ "cli with IOPL 3", EMU_PROT64, 3, CODE_BYTES(0xfa),
	  .flags_in = X86_EFLAGS_IF | X86_EFLAGS_IOPL, .flags_out = X86_EFLAGS_IOPL },
	{ "sti has a shadow", EMU_PROT64, CODE_BYTES(0xfb), .flags_out = X86_EFLAGS_IF,
	  .shadow = EMU_SHADOW_STI },
	{ "second sti has none", EMU_PROT64, CODE_BYTES(0xfb), .flags_in = X86_EFLAGS_IF,
	  .flags_out = X86_EFLAGS_IF },
	{ "clts in user mode", EMU_PROT64, 3, CODE_BYTES(0x0f, 0x06),
	  .result = EMU_FAULT, .vector = X86_TRAP_GP },
	{ "mov from cr4 ignores mod", EMU_PROT64, CODE_BYTES(0x0f, 0x20, 0x20),
	  .cr4 = 0x20, .out = { R(RAX, 0x20) } },
	{ "mov to cr1", EMU_PROT64, CODE_BYTES(0x0f, 0x22, 0xc8),
	  .result = EMU_FAULT, .vector = X86_TRAP_UD, .no_error = true },
	{ "mov to cr0 that the op refuses", EMU_PROT64, CODE_BYTES(0x0f, 0x22, 0xc0),
	  .in = { R(RAX, 1ULL << 40) }, .result = EMU_FAULT, .vector = X86_TRAP_GP },
	{ "popf in user mode keeps IF and IOPL", EMU_PROT64, 3, CODE_BYTES(0x9d),
	  .in = { R(RSP, 0x2000) }, .out = { R(RSP, 0x2008) }, .addr = 0x2000,
	  .mem_in = 0x3041, .mem_out = 0x3041, .flags_in = X86_EFLAGS_IF,
	  .flags_out = X86_EFLAGS_IF | X86_EFLAGS_ZF | X86_EFLAGS_CF },
	{ "pushf in vm86 with IOPL 0", EMU_VM86, 3, CODE_BYTES(0x9c), .in = { R(RSP, 0x2002) },
	  .result = EMU_FAULT, .vector = X86_TRAP_GP },
	{ "xgetbv", EMU_PROT64, 3, CODE_BYTES(0x0f, 0x01, 0xd0), .cr4 = X86_CR4_OSXSAVE,
	  .out = { R(RAX, 7) } },
	{ "xgetbv of what is in use", EMU_PROT64, 3, CODE_BYTES(0x0f, 0x01, 0xd0),
	  .cr4 = X86_CR4_OSXSAVE, .in = { R(RCX, 1), R(RDX, -1) },
	  .out = { R(RAX, 7), R(RDX, 0) } },
	{ "xgetbv of 2", EMU_PROT64, 3, CODE_BYTES(0x0f, 0x01, 0xd0), .cr4 = X86_CR4_OSXSAVE,
	  .in = { R(RCX, 2) }, .result = EMU_FAULT, .vector = X86_TRAP_GP },
	{ "mov from fs", EMU_PROT64, CODE_BYTES(0x8c, 0xe0), .in = { R(RAX, -1) },
	  .out = { R(RAX, 0x20) } },

	/* Ports */
	{ "in al, imm8", EMU_REAL, CODE_BYTES(0xe4, 0xf8), .result = EMU_IO },
	{ "out dx", EMU_PROT32, CODE_BYTES(0xef), .in = { R(RAX, 0x12345678), R(RDX, 0x3f8) },
	  .addr = MEM_SIZE - 16, .mem_in = 0, .mem_out = 0x12345678 },
	{ "in without permission", EMU_PROT32, 3, CODE_BYTES(0xec),
	  .seg = { .base = 0x3000, .limit = 0x60, .type = 11, .present = 1 }, .seg_nr = EMU_TR,
	  .result = EMU_FAULT, .vector = X86_TRAP_GP },
	{ "out that the TSS allows", EMU_PROT32, 3, CODE_BYTES(0xe6, 0x10), .in = { R(RAX, 0x42) },
	  .seg = { .base = 0x3000, .limit = 0x200, .type = 11, .present = 1 }, .seg_nr = EMU_TR,
	  .addr = MEM_SIZE - 16, .mem_in = 0, .mem_out = 0x42 },
	{ "out that the TSS forbids", EMU_PROT32, 3, CODE_BYTES(0xe6, 0x12),
	  .seg = { .base = 0x3000 - 102 - 0x10, .limit = 0x200, .type = 11, .present = 1 },
	  .seg_nr = EMU_TR, .addr = 0x3000 - 0x10, .mem_in = 0x64, .mem_out = 0x64,
	  .result = EMU_FAULT, .vector = X86_TRAP_GP },

	/* Control transfer */
	{ "jmp rel8 backwards", EMU_PROT64, CODE_BYTES(0xeb, 0xfe), .rip_out = CODE },
	{ "jmp rel16 wraps", EMU_REAL, CODE_BYTES(0xe9, 0x00, 0xf0), .rip_out = 3 },
	{ "jz taken", EMU_PROT32, CODE_BYTES(0x74, 0x10), .flags_in = X86_EFLAGS_ZF,
	  .flags_out = X86_EFLAGS_ZF, .rip_out = CODE + 0x12 },
	{ "jz not taken", EMU_PROT32, CODE_BYTES(0x0f, 0x84, 0, 1, 0, 0) },
	{ "jmp beyond the limit", EMU_PROT32, CODE_BYTES(0xff, 0xe0), .in = { R(RAX, 0x2000) },
	  .seg = { .limit = 0x1fff, .type = 11, .present = 1, .db = 1 }, .seg_nr = EMU_CS,
	  .result = EMU_FAULT, .vector = X86_TRAP_GP },
	{ "call to where nothing is canonical", EMU_PROT64, CODE_BYTES(0xff, 0xd0),
	  .in = { R(RAX, 1ULL << 60), R(RSP, 0x2008) }, .addr = 0x2000, .mem_in = 1, .mem_out = 1,
	  .result = EMU_FAULT, .vector = X86_TRAP_GP },
	{ "call rel32", EMU_PROT64, CODE_BYTES(0xe8, 0x00, 0x01, 0, 0), .in = { R(RSP, 0x2008) },
	  .out = { R(RSP, 0x2000) }, .addr = 0x2000, .mem_out = CODE + 5,
	  .rip_out = CODE + 0x105 },
	{ "ret imm16", EMU_PROT32, CODE_BYTES(0xc2, 0x08, 0x00), .in = { R(RSP, 0x2000) },
	  .out = { R(RSP, 0x200c) }, .addr = 0x2000, .mem_in = 0x4567, .mem_out = 0x4567,
	  .rip_out = 0x4567 },
	{ "loop", EMU_PROT32, CODE_BYTES(0xe2, 0xf0), .in = { R(RCX, 2) }, .out = { R(RCX, 1) },
	  .rip_out = CODE - 0x0e },
	{ "loop ends", EMU_REAL, CODE_BYTES(0xe2, 0xf0), .in = { R(RCX, 0x10001) },
	  .out = { R(RCX, 0x10000) } },
	{ "jcxz by address size", EMU_PROT64, CODE_BYTES(0x67, 0xe3, 0x10),
	  .in = { R(RCX, 1ULL << 32) }, .rip_out = CODE + 0x13 },
	{ "pop to [esp] uses the new esp", EMU_PROT32, CODE_BYTES(0x8f, 0x04, 0x24),
	  .in = { R(RSP, 0x2000) }, .out = { R(RSP, 0x2004) },
	  .addr = 0x2000, .mem_in = 0x1122, .mem_out = 0x0000112200001122 },
	{ "pop esp", EMU_PROT32, CODE_BYTES(0x5c), .in = { R(RSP, 0x2000) },
	  .out = { R(RSP, 0x1122) }, .addr = 0x2000, .mem_in = 0x1122, .mem_out = 0x1122 },

	/* Strings */
	{ "rep stos", EMU_PROT32, CODE_BYTES(0xf3, 0xaa),
	  .in = { R(RAX, 0x5a), R(RCX, 3), R(RDI, 0x2000) }, .out = { R(RCX, 0), R(RDI, 0x2003) },
	  .addr = 0x2000, .mem_in = 0, .mem_out = 0x5a5a5a },
	{ "rep with count 0", EMU_PROT32, CODE_BYTES(0xf3, 0xa4), .in = { R(RSI, HOLE) } },
	{ "rep movs backwards, 16-bit registers", EMU_REAL, CODE_BYTES(0xf3, 0xa4),
	  .in = { R(RCX, 0xffff0002), R(RSI, 0x2001), R(RDI, 0x2003) },
	  .out = { R(RCX, 0xffff0000), R(RSI, 0x1fff), R(RDI, 0x2001) },
	  .flags_in = X86_EFLAGS_DF, .flags_out = X86_EFLAGS_DF,
	  .addr = 0x2000, .mem_in = 0x0000bbaa, .mem_out = 0xbbaabbaa },
	{ "repe cmps stops at a difference", EMU_PROT32, CODE_BYTES(0xf3, 0xa6),
	  .in = { R(RCX, 9), R(RSI, 0x2000), R(RDI, 0x2004) },
	  .out = { R(RCX, 7), R(RSI, 0x2002), R(RDI, 0x2006) },
	  .addr = 0x2000, .mem_in = 0x0000020100000301, .mem_out = 0x0000020100000301 },
	{ "repne scas finds", EMU_PROT64, CODE_BYTES(0xf2, 0xae),
	  .in = { R(RAX, 3), R(RCX, 8), R(RDI, 0x2000) }, .out = { R(RCX, 5), R(RDI, 0x2003) },
	  .addr = 0x2000, .mem_in = 0x030201, .mem_out = 0x030201,
	  .flags_out = X86_EFLAGS_ZF | X86_EFLAGS_PF },
	{ "rep movs into a hole stops there", EMU_PROT64, CODE_BYTES(0xf3, 0xa4),
	  .in = { R(RCX, 5), R(RSI, 0x2000), R(RDI, HOLE - 2) },
	  .out = { R(RCX, 3), R(RSI, 0x2002), R(RDI, HOLE) },
	  .addr = 0x2000, .mem_in = 7, .mem_out = 7, .result = EMU_FAULT, .vector = X86_TRAP_PF,
	  .error = 2 },

	/* Locked, wide */
	{ "lock cmpxchg8b", EMU_PROT32, CODE_BYTES(0xf0, 0x0f, 0xc7, 0x0f),
	  .in = { R(RAX, 1), R(RBX, 3), R(RCX, 4), R(RDI, 0x2000) },
	  .addr = 0x2000, .mem_in = 1, .mem_out = 0x400000003, .flags_out = X86_EFLAGS_ZF },
	{ "cmpxchg8b differs", EMU_PROT32, CODE_BYTES(0x0f, 0xc7, 0x0f),
	  .in = { R(RAX, 1), R(RDI, 0x2000) }, .out = { R(RAX, 9), R(RDX, 8) },
	  .addr = 0x2000, .mem_in = 0x800000009, .mem_out = 0x800000009 },
	{ "cmpxchg16b wants alignment", EMU_PROT64, CODE_BYTES(0x48, 0x0f, 0xc7, 0x0f),
	  .in = { R(RDI, 0x2008) }, .result = EMU_FAULT, .vector = X86_TRAP_GP },
	{ "xchg with memory", EMU_PROT64, CODE_BYTES(0x87, 0x03),
	  .in = { R(RAX, 5), R(RBX, 0x2000) },
	  .out = { R(RAX, 6) }, .addr = 0x2000, .mem_in = 6, .mem_out = 5 },
	{ "bts far below the address", EMU_PROT32, CODE_BYTES(0x0f, 0xab, 0x03),
	  .in = { R(RAX, (u32)-33), R(RBX, 0x2008) },
	  .addr = 0x2000, .mem_in = 0, .mem_out = 0x80000000 },

	/* Devices */
	{ "clflush is no access", EMU_PROT64, CODE_BYTES(0x0f, 0xae, 0x3b),
	  .in = { R(RBX, DEVICE) } },
	{ "lmsw cannot clear PE", EMU_PROT64, CODE_BYTES(0x0f, 0x01, 0xf0), .cr0 = X86_CR0_TS },
	{ "load from a device", EMU_PROT64, CODE_BYTES(0x8b, 0x03), .in = { R(RBX, DEVICE) },
	  .result = EMU_IO },
	{ "rep stos to a device", EMU_PROT64, CODE_BYTES(0xf3, 0xab),
	  .in = { R(RBX, 0), R(RCX, 4), R(RDI, DEVICE - 8) },
	  .out = { R(RCX, 2), R(RDI, DEVICE) }, .result = EMU_IO },
};

static void check_regs(struct kunit *test, const struct machine *m)
{
	const struct emu_case *t = m->t;
	u64 want[EMU_NR_REGS] = { 0 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(t->in); i++)
		if (t->in[i].used)
			want[t->in[i].reg] = t->in[i].val;
	for (i = 0; i < ARRAY_SIZE(t->out); i++)
		if (t->out[i].used)
			want[t->out[i].reg] = t->out[i].val;
	for (i = 0; i < EMU_NR_REGS; i++)
		KUNIT_EXPECT_EQ_MSG(test, m->c.regs[i], want[i], "%s: register %u", t->name, i);
}

static void check_fault(struct kunit *test, const struct machine *m)
{
	const struct emu_case *t = m->t;

	KUNIT_EXPECT_TRUE_MSG(test, m->c.fault.valid, "%s: a fault", t->name);
	KUNIT_EXPECT_EQ_MSG(test, m->c.fault.vector, t->vector, "%s: vector", t->name);
	KUNIT_EXPECT_EQ_MSG(test, m->c.fault.has_error, !t->no_error, "%s: has code", t->name);
	KUNIT_EXPECT_EQ_MSG(test, m->c.fault.error, t->error, "%s: error code", t->name);
}

static void run_case(struct kunit *test, struct machine *m, const struct emu_case *t)
{
	u64 rip = t->rip_out ?: CODE + t->len, flags = t->flags_out, mem = t->mem_in;
	enum emu_result r;

	machine_reset(m, t);
	r = machine_step(m);
	if (t->result != EMU_OK) {
		rip = CODE;
		flags = t->flags_in;
	}
	KUNIT_EXPECT_EQ_MSG(test, (int)r, (int)t->result, "%s: result", t->name);
	KUNIT_EXPECT_EQ_MSG(test, m->c.rip, rip, "%s: rip", t->name);
	KUNIT_EXPECT_EQ_MSG(test, m->c.rflags, flags | X86_EFLAGS_FIXED, "%s: rflags", t->name);
	KUNIT_EXPECT_EQ_MSG(test, m->c.shadow, t->shadow, "%s: shadow", t->name);
	check_regs(test, m);
	if (t->addr) {
		memcpy(&mem, m->mem + t->addr, 8);
		KUNIT_EXPECT_EQ_MSG(test, mem, t->mem_out, "%s: memory", t->name);
	}
	KUNIT_EXPECT_EQ_MSG(test, m->any_loaded, t->seg_out.limit != 0, "%s: loads", t->name);
	if (t->seg_out.limit) {
		KUNIT_EXPECT_EQ_MSG(test, m->loaded.base, t->seg_out.base, "%s: base", t->name);
		KUNIT_EXPECT_EQ_MSG(test, m->loaded.limit, t->seg_out.limit, "%s: limit", t->name);
		KUNIT_EXPECT_EQ_MSG(test, m->loaded.type, t->seg_out.type, "%s: type", t->name);
	}
	if (t->result == EMU_FAULT)
		check_fault(test, m);
}

static void emu_test_cases(struct kunit *test)
{
	struct machine *m = machine_alloc(test);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++)
		run_case(test, m, &cases[i]);
}

/* XMM registers go to memory and back whole. */
static void emu_test_xmm(struct kunit *test)
{
	static const struct emu_case store = { "movups", EMU_PROT64,
		CODE_BYTES(0x44, 0x0f, 0x11, 0x0b), .in = { R(RBX, 0x2001) },
		.cr4 = X86_CR4_OSFXSR };
	static const struct emu_case load = { "movdqu", EMU_PROT64,
		CODE_BYTES(0xf3, 0x0f, 0x6f, 0x13), .in = { R(RBX, 0x2001) },
		.cr4 = X86_CR4_OSFXSR };
	struct machine *m = machine_alloc(test);
	u8 bytes[16];

	memset(bytes, 0xa5, sizeof(bytes));
	bytes[3] = 1;
	machine_reset(m, &store);
	memcpy(m->ymm[9], bytes, 16);
	KUNIT_EXPECT_EQ(test, (int)machine_step(m), (int)EMU_OK);
	KUNIT_EXPECT_EQ(test, memcmp(m->mem + 0x2001, bytes, 16), 0);
	KUNIT_EXPECT_EQ(test, m->writes, 1);
	machine_reset(m, &load);
	memcpy(m->mem + 0x2001, bytes, 16);
	KUNIT_EXPECT_EQ(test, (int)machine_step(m), (int)EMU_OK);
	KUNIT_EXPECT_EQ(test, memcmp(m->ymm[2], bytes, 16), 0);
}

#define FXRSTOR	CODE_BYTES(0x0f, 0xae, 0x0b), .in = { R(RBX, 0x2000) }

/* VMASKMOVPS: alignment is checked nowhere, segments and pages only where the mask is set. */
static void emu_test_masked(struct kunit *test)
{
	static const struct emu_case stores[] = {
		{ "unaligned", EMU_PROT64, 3, CODE_BYTES(0xc4, 0xe2, 0x75, 0x2e, 0x13),
		  .in = { R(RBX, 0x2002) }, .flags_in = X86_EFLAGS_AC, .cr0 = X86_CR0_AM,
		  .cr4 = X86_CR4_OSFXSR | X86_CR4_OSXSAVE, .addr = 0x2002 },
		{ "up to a hole", EMU_PROT64, 3, CODE_BYTES(0xc4, 0xe2, 0x75, 0x2e, 0x13),
		  .in = { R(RBX, HOLE - 8) }, .cr4 = X86_CR4_OSFXSR | X86_CR4_OSXSAVE,
		  .addr = HOLE - 8 },
		{ "up to the limit", EMU_PROT32, 3, CODE_BYTES(0xc4, 0xe2, 0x75, 0x2e, 0x13),
		  .in = { R(RBX, 0x2ff8) }, .cr4 = X86_CR4_OSFXSR | X86_CR4_OSXSAVE,
		  .addr = 0x2ff8, .seg_nr = EMU_DS,
		  .seg = { .limit = 0x2fff, .type = 3, .present = 1, .db = 1 } },
	};
	struct machine *m = machine_alloc(test);
	static const u64 ones = 0x1111111122222222;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(stores); i++) {
		machine_reset(m, &stores[i]);
		memset(m->ymm[1], 0xff, 8);
		memcpy(m->ymm[2], &ones, 8);
		KUNIT_EXPECT_EQ_MSG(test, machine_step(m), EMU_OK, "%s", stores[i].name);
		KUNIT_EXPECT_EQ(test, memcmp(m->mem + stores[i].addr, &ones, 8), 0);
		/* One lane more. */
		machine_reset(m, &stores[i]);
		memset(m->ymm[1], 0xff, 12);
		KUNIT_EXPECT_EQ_MSG(test, machine_step(m), i ? EMU_FAULT : EMU_OK, "%s",
				    stores[i].name);
	}
	/* One lane, whose four bytes begin at 2 modulo 4. */
	machine_reset(m, &stores[0]);
	memset(m->ymm[1], 0xff, 4);
	KUNIT_EXPECT_EQ(test, machine_step(m), EMU_OK);
}

static void fxrstor_case(struct kunit *test, struct machine *m, const struct emu_case *t,
			 unsigned int used)
{
	const u32 mxcsr = 0x1f80;
	unsigned int i;

	machine_reset(m, t);
	memset(m->mem + 0x2000, 0x22, 512);
	memcpy(m->mem + 0x2000 + 24, &mxcsr, 4);
	memset(m->fx, 0x11, 512);
	memset(m->fx + 28, 0, 4);	/* no mask: the default */
	KUNIT_EXPECT_EQ_MSG(test, (int)machine_step(m), (int)EMU_OK, "%s", t->name);
	KUNIT_EXPECT_EQ_MSG(test, m->fx[used - 1], 0x22, "%s", t->name);
	for (i = used; i < 512; i++)
		KUNIT_EXPECT_EQ_MSG(test, m->fx[i], 0x11, "%s: byte %u", t->name, i);
}

/* What FXRSTOR does not load in a mode stays, and is not what lay on our stack. */
static void emu_test_fxrstor(struct kunit *test)
{
	static const struct emu_case x87 = { "x87 only", EMU_PROT32, FXRSTOR };
	static const struct emu_case eight = { "eight registers", EMU_PROT32, FXRSTOR,
					       .cr4 = X86_CR4_OSFXSR };
	static const struct emu_case all = { "sixteen registers", EMU_PROT64, FXRSTOR,
					     .cr4 = X86_CR4_OSFXSR };
	struct machine *m = machine_alloc(test);

	fxrstor_case(test, m, &x87, 160);
	fxrstor_case(test, m, &eight, 160 + 8 * 16);
	fxrstor_case(test, m, &all, 160 + 16 * 16);
}

static struct kunit_case emu_kunit_cases[] = {
	KUNIT_CASE(emu_test_cases),
	KUNIT_CASE(emu_test_xmm),
	KUNIT_CASE(emu_test_masked),
	KUNIT_CASE(emu_test_fxrstor),
	{}
};

static struct kunit_suite emu_kunit_suite = {
	.name = "ditto_emulate",
	.test_cases = emu_kunit_cases,
};

kunit_test_suite(emu_kunit_suite);
