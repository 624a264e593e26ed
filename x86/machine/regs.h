/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The registers' numbers, which are those of the instruction encoding.
 */
#ifndef DITTO_MACHINE_REGS_H
#define DITTO_MACHINE_REGS_H

/* As in ModRM and REX. */
enum x86_gpr {
	GPR_RAX, GPR_RCX, GPR_RDX, GPR_RBX, GPR_RSP, GPR_RBP, GPR_RSI, GPR_RDI,
	GPR_R8, GPR_R9, GPR_R10, GPR_R11, GPR_R12, GPR_R13, GPR_R14, GPR_R15,
	GPR_NR
};

/* The first six are numbered so in instructions. */
enum x86_seg {
	SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_FS, SEG_GS, SEG_TR, SEG_LDTR,
	SEG_NR
};

#endif
