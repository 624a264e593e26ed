/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Differences between kernel versions that assembly meets; see core/compat.h.
 */
#ifndef DITTO_CORE_COMPAT_ASM_H
#define DITTO_CORE_COMPAT_ASM_H

#include <asm/nospec-branch.h>

/* 6.1 has one kind of untraining for every way into the kernel. */
#ifndef UNTRAIN_RET_VM
#define UNTRAIN_RET_VM UNTRAIN_RET
#endif

#ifndef VM_CLEAR_CPU_BUFFERS
#define VM_CLEAR_CPU_BUFFERS
#endif

#endif
