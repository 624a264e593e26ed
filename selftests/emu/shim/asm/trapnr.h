/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_TRAPNR_H
#define SHIM_TRAPNR_H
enum {
	X86_TRAP_DE = 0, X86_TRAP_DB = 1, X86_TRAP_UD = 6, X86_TRAP_NM = 7, X86_TRAP_TS = 10,
	X86_TRAP_NP = 11, X86_TRAP_SS = 12, X86_TRAP_GP = 13, X86_TRAP_PF = 14, X86_TRAP_AC = 17,
};
#endif
