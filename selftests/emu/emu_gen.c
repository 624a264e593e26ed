// SPDX-License-Identifier: GPL-2.0-only
/*
 * The generator of random instructions: templates, random state, encodings.  It makes
 * most memory operands hit the data page and most comparisons decide either way; it
 * runs nothing.
 */
#include <string.h>

#include "emu_gen.h"

#define CF X86_EFLAGS_CF
#define PF X86_EFLAGS_PF
#define AF X86_EFLAGS_AF
#define ZF X86_EFLAGS_ZF
#define SF X86_EFLAGS_SF
#define OF X86_EFLAGS_OF

bool mode32;
u8 shadow[PAGE];

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

#define BMI(name, map, op, ext, pfx, u, n) \
	{ name, T_VEX | T_V3 | (map) | T_MODRM | T_NO66 | T_NOREP, op, ext, pfx, u, EMU_NEED_BMI##n }
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
	{ "movdir64b", T_0F38 | T_MODRM | T_MEM | T_NOREP | T_NO66 | T_DIR64, 0xf8, -1, 0x66, U_NONE,
	  EMU_NEED_MOVDIR64B },
	BMI("andn", T_0F38, 0xf2, -1, 0, U_ANDN, 1), BMI("blsr", T_0F38, 0xf3, 1, 0, U_ANDN, 1),
	BMI("blsmsk", T_0F38, 0xf3, 2, 0, U_ANDN, 1), BMI("blsi", T_0F38, 0xf3, 3, 0, U_ANDN, 1),
	BMI("bextr", T_0F38, 0xf7, -1, 0, U_BEXTR, 1), BMI("bzhi", T_0F38, 0xf5, -1, 0, U_ANDN, 2),
	BMI("pext", T_0F38, 0xf5, -1, 0xf3, U_NONE, 2), BMI("pdep", T_0F38, 0xf5, -1, 0xf2, U_NONE, 2),
	BMI("mulx", T_0F38, 0xf6, -1, 0xf2, U_NONE, 2), BMI("shlx", T_0F38, 0xf7, -1, 0x66, U_NONE, 2),
	BMI("sarx", T_0F38, 0xf7, -1, 0xf3, U_NONE, 2), BMI("shrx", T_0F38, 0xf7, -1, 0xf2, U_NONE, 2),
	{ "rorx", T_VEX | T_0F3A | T_IMM8 | T_MODRM | T_NO66 | T_NOREP, 0xf0, -1, 0xf2, U_NONE,
	  EMU_NEED_BMI2 },
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
	AVX("vmovups V,W", 0x10, 0, T_0F | T_L), AVX("vmovupd W,V", 0x11, 0x66, T_0F | T_L),
	AVX("vmovss V,W", 0x10, 0xf3, T_0F | T_L), AVX("vmovss W,V", 0x11, 0xf3, T_0F | T_L),
	AVX("vmovsd V,H,W", 0x10, 0xf2, T_0F | T_V3), AVX("vmovsd W,H,V", 0x11, 0xf2, T_0F | T_V3),
	AVX("vmovsd V,M", 0x10, 0xf2, T_0F | T_MEM), AVX("vmovsd M,V", 0x11, 0xf2, T_0F | T_MEM),
	AVX("vmovlps/vmovhlps", 0x12, 0, T_0F | T_V3), AVX("vmovlpd", 0x12, 0x66, T_0F | T_V3 | T_MEM),
	AVX("vmovlps M,V", 0x13, 0, T_0F | T_MEM), AVX("vmovhps M,V", 0x17, 0x66, T_0F | T_MEM),
	AVX("vmovhps/vmovlhps", 0x16, 0, T_0F | T_V3), AVX("vmovhpd", 0x16, 0x66, T_0F | T_V3 | T_MEM),
	AVX("vmovsldup", 0x12, 0xf3, T_0F | T_L), AVX("vmovshdup", 0x16, 0xf3, T_0F | T_L),
	AVX("vmovaps V,W", 0x28, 0, T_0F | T_L | T_ALIGN),
	AVX("vmovapd W,V", 0x29, 0x66, T_0F | T_L | T_ALIGN),
	AVX("vmovntps", 0x2b, 0, T_0F | T_L | T_ALIGN | T_MEM), AVX("vandps", 0x54, 0, T_0F | T_L | T_V3),
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
};

const unsigned int nr_templates = sizeof(templates) / sizeof(templates[0]);

/* Random numbers: xorshift64*, repeatable by seed */

u64 seed = 88172645463325252ULL;

u64 rnd(void)
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
	if (f & T_VEX) {
		g->rex = mode32 ? 0 : 0x40 | (rnd() & 15);
		return;
	}
	if (g->t->prefix)
		put(g, g->t->prefix, 1);
	if (!mode32 && chance(2)) {
		g->rex = 0x40 | (rnd() & 15);
		put(g, g->rex, 1);
	}
}

/* VEX of three bytes; every now and then one that may not be. */
static void gen_vex(struct gen *g)
{
	u32 f = g->t->flags;
	u8 pp = g->t->prefix == 0x66 ? 1 : g->t->prefix == 0xf3 ? 2 : g->t->prefix == 0xf2 ? 3 : 0;

	g->vvvv = f & T_V3 || chance(8) ? rnd() & 15 : 0;
	put(g, 0xc4, 1);
	put(g, (f & T_0F3A ? 3 : f & T_0F38 ? 2 : 1) | (~g->rex & 7) << 5, 1);
	put(g, (g->rex & 8) << 4 | (~g->vvvv & 15) << 3 | (f & T_L ? rnd() & 1 : chance(30)) << 2 | pp, 1);
	put(g, g->t->opcode, 1);
}

static void gen_opcode(struct gen *g)
{
	u8 op = g->t->opcode;

	if (g->t->flags & T_VEX) {
		gen_vex(g);
		return;
	}

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
		target &= g->t->flags & T_L ? ~31ULL : ~15ULL;
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
	if (g->t->flags & T_DIR64)
		set_pointer(g, full, (DATA_PAGE + 2048 + rnd() % 1024) &
			    ~(chance(8) ? 7UL : 63UL));
	val = g->before.regs[full];
	g->target = pick_target(g);
	gen_mem(g, reg);
	g->skip = g->t->flags & (T_BITS | T_DIR64) && val != g->before.regs[full];
}

static void gen_imm(struct gen *g)
{
	u64 val = rnd_value();
	u32 f = g->t->flags;

	if (f & T_ENTER) {
		put(g, rnd() % 300, 2);
		put(g, rnd(), 1);
	} else if (f & T_IMM8) {
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

void generate(struct gen *g, const struct template *t)
{
	unsigned int i;

	memset(g, 0, sizeof(*g));
	g->t = t;
	for (i = 0; i < 16; i++)
		g->before.regs[i] = mode32 ? (u32)rnd_value() : rnd_value();
	for (i = 0; i < 64; i++)
		((u64 *)g->before.vec)[i] = rnd();
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

/* LZCNT and TZCNT; without them they are BSR and BSF. */
static bool is_zcnt(const struct gen *g)
{
	return g->t->prefix && host_has(g->t->opcode & 1 ? EMU_NEED_LZCNT : EMU_NEED_BMI1);
}

/* Which flags may differ. */
u64 undefined_flags(const struct gen *g)
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
		return ALL & ~(is_zcnt(g) ? ZF | CF : ZF);
	case U_ANDN:
		return AF | PF;
	case U_BEXTR:
		return AF | SF | PF;
	default:
		return 0;
	}
}

/* SHLD and SHRD of 16 bits by more than 16: everything is undefined. */
bool undefined_result(const struct gen *g)
{
	unsigned int count = g->t->flags & T_CL ? g->before.regs[EMU_RCX] : g->imm8;
	bool shd = g->t->flags & T_0F && (g->t->opcode & 0xf6) == 0xa4;

	return shd && opsize(g) == 2 && (count & 31) > 16;
}
