// SPDX-License-Identifier: GPL-2.0-only
/*
 * The instructions that emu_diff tries: their encodings, and which flags they leave undefined.
 */
#include "emu_gen.h"

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

#define SSE(name, op, pfx, f) \
	{ name, T_0F | T_MODRM | T_NO66 | T_NOREP | (f), op, -1, pfx, U_NONE }

#define BMI(name, map, op, ext, pfx, u, n) \
	{ name, T_VEX | T_V3 | (map) | T_MODRM | T_NO66 | T_NOREP, op, ext, pfx, u, \
	  EMU_NEED_BMI##n }
#define FPU(name, op, ext)	{ name, T_MODRM | T_MEM | T_NOREP | T_X87, op, ext, 0, U_NONE }
/* Ten bytes, which some CPUs store as eight and two. */
#define FPU80(name, op, ext) \
	{ name, T_MODRM | T_MEM | T_NOREP | T_X87 | T_PARTIAL, op, ext, 0, U_NONE }
#define SSE41(name, op, f) \
	{ name, T_MODRM | T_NO66 | T_NOREP | (f), op, -1, 0x66, U_NONE, EMU_NEED_SSE41 }
#define SSE41_WIDEN(name, op) \
	SSE41("pmov" name "bw", op, T_0F38), SSE41("pmov" name "bd", (op) + 1, T_0F38), \
	SSE41("pmov" name "bq", (op) + 2, T_0F38), SSE41("pmov" name "wd", (op) + 3, T_0F38), \
	SSE41("pmov" name "wq", (op) + 4, T_0F38), SSE41("pmov" name "dq", (op) + 5, T_0F38)
#define AVX2(name, op, f) \
	{ name, T_VEX | T_MODRM | T_NO66 | T_NOREP | (f), op, -1, 0x66, U_NONE, EMU_NEED_AVX2 }
#define AVX2_WIDEN(name, op) \
	AVX2("vpmov" name "bw", op, T_0F38 | T_L), \
	AVX2("vpmov" name "bd", (op) + 1, T_0F38 | T_L), \
	AVX2("vpmov" name "bq", (op) + 2, T_0F38 | T_L), \
	AVX2("vpmov" name "wd", (op) + 3, T_0F38 | T_L), \
	AVX2("vpmov" name "wq", (op) + 4, T_0F38 | T_L), \
	AVX2("vpmov" name "dq", (op) + 5, T_0F38 | T_L)
#define AVX(name, op, pfx, f) \
	{ name, T_VEX | T_MODRM | T_NO66 | T_NOREP | (f), op, -1, pfx, U_NONE, EMU_NEED_AVX }

const struct template templates[] = {
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
	{ "enter", T_STACK | T_ENTER | T_PARTIAL, 0xc8, -1, 0, U_NONE },
	{ "popcnt", T_0F | T_MODRM | T_NOREP, 0xb8, -1, 0xf3, U_NONE, EMU_NEED_POPCNT },
	{ "lzcnt", T_0F | T_MODRM | T_NOREP, 0xbd, -1, 0xf3, U_BSF },
	{ "tzcnt", T_0F | T_MODRM | T_NOREP, 0xbc, -1, 0xf3, U_BSF },
	{ "crc32 Gy,Eb", T_0F38 | T_MODRM | T_BYTE | T_NOREP, 0xf0, -1, 0xf2, U_NONE,
	  EMU_NEED_SSE42 },
	{ "crc32 Gy,Ev", T_0F38 | T_MODRM | T_NOREP, 0xf1, -1, 0xf2, U_NONE, EMU_NEED_SSE42 },
	{ "adcx", T_0F38 | T_MODRM | T_NOREP | T_NO66, 0xf6, -1, 0x66, U_NONE, EMU_NEED_ADX },
	{ "adox", T_0F38 | T_MODRM | T_NOREP | T_NO66, 0xf6, -1, 0xf3, U_NONE, EMU_NEED_ADX },
	{ "movdiri", T_0F38 | T_MODRM | T_MEM | T_NOREP | T_NO66, 0xf9, -1, 0, U_NONE,
	  EMU_NEED_MOVDIRI },
	{ "movdir64b", T_0F38 | T_MODRM | T_MEM | T_NOREP | T_NO66 | T_DIR64, 0xf8, -1, 0x66,
	  U_NONE, EMU_NEED_MOVDIR64B },
	BMI("andn", T_0F38, 0xf2, -1, 0, U_ANDN, 1), BMI("blsr", T_0F38, 0xf3, 1, 0, U_ANDN, 1),
	BMI("blsmsk", T_0F38, 0xf3, 2, 0, U_ANDN, 1), BMI("blsi", T_0F38, 0xf3, 3, 0, U_ANDN, 1),
	BMI("bextr", T_0F38, 0xf7, -1, 0, U_BEXTR, 1), BMI("bzhi", T_0F38, 0xf5, -1, 0, U_ANDN, 2),
	BMI("pext", T_0F38, 0xf5, -1, 0xf3, U_NONE, 2),
	BMI("pdep", T_0F38, 0xf5, -1, 0xf2, U_NONE, 2),
	BMI("mulx", T_0F38, 0xf6, -1, 0xf2, U_NONE, 2),
	BMI("shlx", T_0F38, 0xf7, -1, 0x66, U_NONE, 2),
	BMI("sarx", T_0F38, 0xf7, -1, 0xf3, U_NONE, 2),
	BMI("shrx", T_0F38, 0xf7, -1, 0xf2, U_NONE, 2),
	{ "rorx", T_VEX | T_0F3A | T_IMM8 | T_MODRM | T_NO66 | T_NOREP, 0xf0, -1, 0xf2, U_NONE,
	  EMU_NEED_BMI2 },
	{ "retf", T_FAR | T_NO66 | T_NOREP, 0xcb, -1, 0, U_NONE },
	{ "iret", T_FAR | T_NO66 | T_NOREP, 0xcf, -1, 0, U_NONE },
	{ "jmp far M", T_FAR | T_MODRM | T_MEM | T_NO66 | T_NOREP, 0xff, 5, 0, U_NONE },
	{ "call far M", T_FAR | T_PARTIAL | T_MODRM | T_MEM | T_NO66 | T_NOREP, 0xff, 3, 0,
	  U_NONE },
	{ "jmp far I", T_FAR | T_NO66 | T_NOREP | T_ONLY32, 0xea, -1, 0, U_NONE },
	{ "call far I", T_FAR | T_PARTIAL | T_NO66 | T_NOREP | T_ONLY32, 0x9a, -1, 0, U_NONE },
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
	SSE("movlps/movhlps", 0x12, 0, 0), SSE("movhps/movlhps", 0x16, 0, 0),
	SSE("movlpd", 0x12, 0x66, T_MEM), SSE("movhpd", 0x16, 0x66, T_MEM),
	SSE("movsldup", 0x12, 0xf3, T_ALIGN), SSE("movshdup", 0x16, 0xf3, T_ALIGN),
	SSE("movddup", 0x12, 0xf2, 0), SSE("andps", 0x54, 0, T_ALIGN),
	SSE("andnps", 0x55, 0, T_ALIGN), SSE("orps", 0x56, 0, T_ALIGN),
	SSE("xorpd", 0x57, 0x66, T_ALIGN), SSE("pand", 0xdb, 0x66, T_ALIGN),
	SSE("pandn", 0xdf, 0x66, T_ALIGN), SSE("por", 0xeb, 0x66, T_ALIGN),
	SSE("pxor", 0xef, 0x66, T_ALIGN),
	FPU("fld m64", 0xdd, 0), FPU("fld m80", 0xdb, 5),
	FPU("fst m32", 0xd9, 2), FPU("fstp m32", 0xd9, 3), FPU("fst m64", 0xdd, 2),
	FPU("fstp m64", 0xdd, 3), FPU80("fstp m80", 0xdb, 7), FPU("fild m16", 0xdf, 0),
	FPU("fild m32", 0xdb, 0), FPU("fild m64", 0xdf, 5), FPU("fist m16", 0xdf, 2),
	FPU("fistp m16", 0xdf, 3), FPU("fist m32", 0xdb, 2), FPU("fistp m32", 0xdb, 3),
	FPU("fistp m64", 0xdf, 7), FPU("fisttp m16", 0xdf, 1), FPU("fisttp m32", 0xdb, 1),
	FPU("fisttp m64", 0xdd, 1), FPU("fldcw", 0xd9, 5), FPU("fnstcw", 0xd9, 7),
	FPU("fnstsw", 0xdd, 7),
	SSE("mmx movd/q P,E", 0x6e, 0, 0), SSE("mmx movd/q E,P", 0x7e, 0, 0),
	SSE("mmx movq P,Q", 0x6f, 0, 0), SSE("mmx movq Q,P", 0x7f, 0, 0),
	SSE("mmx movntq", 0xe7, 0, T_MEM), SSE("mmx pand", 0xdb, 0, 0),
	SSE("mmx pandn", 0xdf, 0, 0),
	SSE("mmx por", 0xeb, 0, 0), SSE("mmx pxor", 0xef, 0, 0),
	AVX("vmovups V,W", 0x10, 0, T_0F | T_L), AVX("vmovupd W,V", 0x11, 0x66, T_0F | T_L),
	AVX("vmovss V,W", 0x10, 0xf3, T_0F | T_L), AVX("vmovss W,V", 0x11, 0xf3, T_0F | T_L),
	AVX("vmovsd V,H,W", 0x10, 0xf2, T_0F | T_V3), AVX("vmovsd W,H,V", 0x11, 0xf2, T_0F | T_V3),
	AVX("vmovsd V,M", 0x10, 0xf2, T_0F | T_MEM), AVX("vmovsd M,V", 0x11, 0xf2, T_0F | T_MEM),
	AVX("vmovlps/vmovhlps", 0x12, 0, T_0F | T_V3),
	AVX("vmovlpd", 0x12, 0x66, T_0F | T_V3 | T_MEM),
	AVX("vmovlps M,V", 0x13, 0, T_0F | T_MEM), AVX("vmovhps M,V", 0x17, 0x66, T_0F | T_MEM),
	AVX("vmovhps/vmovlhps", 0x16, 0, T_0F | T_V3),
	AVX("vmovhpd", 0x16, 0x66, T_0F | T_V3 | T_MEM),
	AVX("vmovsldup", 0x12, 0xf3, T_0F | T_L), AVX("vmovshdup", 0x16, 0xf3, T_0F | T_L),
	AVX("vmovaps V,W", 0x28, 0, T_0F | T_L | T_ALIGN),
	AVX("vmovapd W,V", 0x29, 0x66, T_0F | T_L | T_ALIGN),
	AVX("vmovntps", 0x2b, 0, T_0F | T_L | T_ALIGN | T_MEM),
	AVX("vandps", 0x54, 0, T_0F | T_L | T_V3),
	AVX("vandnpd", 0x55, 0x66, T_0F | T_L | T_V3), AVX("vorps", 0x56, 0, T_0F | T_L | T_V3),
	AVX("vxorps", 0x57, 0, T_0F | T_L | T_V3), AVX("vmovd/q V,E", 0x6e, 0x66, T_0F),
	AVX("vmovd/q E,V", 0x7e, 0x66, T_0F), AVX("vmovq V,W", 0x7e, 0xf3, T_0F),
	AVX("vmovq W,V", 0xd6, 0x66, T_0F), AVX("vmovdqa V,W", 0x6f, 0x66, T_0F | T_L | T_ALIGN),
	AVX("vmovdqu V,W", 0x6f, 0xf3, T_0F | T_L),
	AVX("vmovdqa W,V", 0x7f, 0x66, T_0F | T_L | T_ALIGN),
	AVX("vmovdqu W,V", 0x7f, 0xf3, T_0F | T_L), AVX("vpand", 0xdb, 0x66, T_0F | T_L | T_V3),
	AVX("vpandn", 0xdf, 0x66, T_0F | T_L | T_V3), AVX("vpor", 0xeb, 0x66, T_0F | T_L | T_V3),
	AVX("vpxor", 0xef, 0x66, T_0F | T_L | T_V3),
	AVX("vmovntdq", 0xe7, 0x66, T_0F | T_L | T_ALIGN | T_MEM),
	AVX("vlddqu", 0xf0, 0xf2, T_0F | T_L | T_MEM),
	AVX("vbroadcastss", 0x18, 0x66, T_0F38 | T_L | T_MEM),
	AVX("vbroadcastsd", 0x19, 0x66, T_0F38 | T_L | T_MEM),
	AVX("vbroadcastf128", 0x1a, 0x66, T_0F38 | T_L | T_MEM),
	AVX("vextractf128", 0x19, 0x66, T_0F3A | T_L | T_IMM8),
	SSE("pinsrw", 0xc4, 0x66, T_IMM8), SSE("maskmovdqu", 0xf7, 0x66, 0),
	SSE41("pinsrb", 0x20, T_0F3A | T_IMM8), SSE41("insertps", 0x21, T_0F3A | T_IMM8),
	SSE41("pinsrd/q", 0x22, T_0F3A | T_IMM8), SSE41("pextrb", 0x14, T_0F3A | T_IMM8),
	SSE41("pextrw", 0x15, T_0F3A | T_IMM8), SSE41("pextrd/q", 0x16, T_0F3A | T_IMM8),
	SSE41("extractps", 0x17, T_0F3A | T_IMM8),
	SSE41("movntdqa", 0x2a, T_0F38 | T_MEM | T_ALIGN),
	SSE41_WIDEN("sx", 0x20), SSE41_WIDEN("zx", 0x30),
	AVX("vpinsrw", 0xc4, 0x66, T_0F | T_V3 | T_IMM8), AVX("vmaskmovdqu", 0xf7, 0x66, T_0F),
	AVX("vpinsrb", 0x20, 0x66, T_0F3A | T_V3 | T_IMM8),
	AVX("vinsertps", 0x21, 0x66, T_0F3A | T_V3 | T_IMM8),
	AVX("vpinsrd/q", 0x22, 0x66, T_0F3A | T_V3 | T_IMM8),
	AVX("vpextrb", 0x14, 0x66, T_0F3A | T_IMM8), AVX("vpextrw", 0x15, 0x66, T_0F3A | T_IMM8),
	AVX("vpextrd/q", 0x16, 0x66, T_0F3A | T_IMM8),
	AVX("vextractps", 0x17, 0x66, T_0F3A | T_IMM8),
	AVX("vinsertf128", 0x18, 0x66, T_0F3A | T_L | T_V3 | T_IMM8),
	AVX("vmaskmovps V,M", 0x2c, 0x66, T_0F38 | T_L | T_V3 | T_MEM),
	AVX("vmaskmovpd V,M", 0x2d, 0x66, T_0F38 | T_L | T_V3 | T_MEM),
	AVX("vmaskmovps M,V", 0x2e, 0x66, T_0F38 | T_L | T_V3 | T_MEM),
	AVX("vmaskmovpd M,V", 0x2f, 0x66, T_0F38 | T_L | T_V3 | T_MEM),
	AVX2("vmovntdqa", 0x2a, T_0F38 | T_L | T_MEM | T_ALIGN),
	AVX2("vpmaskmov V,M", 0x8c, T_0F38 | T_L | T_V3 | T_MEM),
	AVX2("vpmaskmov M,V", 0x8e, T_0F38 | T_L | T_V3 | T_MEM),
	AVX2("vpbroadcastb", 0x78, T_0F38 | T_L), AVX2("vpbroadcastw", 0x79, T_0F38 | T_L),
	AVX2("vpbroadcastd", 0x58, T_0F38 | T_L), AVX2("vpbroadcastq", 0x59, T_0F38 | T_L),
	AVX2("vbroadcasti128", 0x5a, T_0F38 | T_L | T_MEM),
	AVX2("vinserti128", 0x38, T_0F3A | T_L | T_V3 | T_IMM8),
	AVX2("vextracti128", 0x39, T_0F3A | T_L | T_IMM8),
	AVX2_WIDEN("sx", 0x20), AVX2_WIDEN("zx", 0x30),
};

const unsigned int nr_templates = sizeof(templates) / sizeof(templates[0]);
