/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Loads from guest memory that may be bad: the machine check ends the load, and not the host.
 * gmem_copy() (access.c) is for all but what is no more than a register, or has its own assembly.
 */
#ifndef DITTO_GMEM_MC_H
#define DITTO_GMEM_MC_H

#include <linux/types.h>
#include <asm/asm.h>

/* In assembly: an instruction that loads. If it cannot, what follows is skipped, up to @to. */
#define MC_LOAD(insn, to) \
	"771: " insn "\n\t" _ASM_EXTABLE_TYPE(771b, to, EX_TYPE_DEFAULT_MCE_SAFE)

/*
 * One load of a variable of 1, 2, 4 or 8 bytes from memory of its type. False: the memory is bad,
 * and the variable anything.
 */
#define mc_load(_val, _from)							\
({										\
	bool _bad = true;							\
										\
	asm volatile(MC_LOAD("mov %[from], %[val]", 779f)			\
		     "movb $0, %[bad]\n\t"					\
		     "779:"							\
		     : [val] "=&q" (_val), [bad] "+q" (_bad)			\
		     : [from] "m" (*(_from)));					\
	!_bad;									\
})

int gmem_copy(void *to, const void *from, size_t len);
#ifdef DITTO_KUNIT
extern int (*gmem_copy_override)(void *to, const void *from, size_t len);
#endif

#endif
