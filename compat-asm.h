/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Differences between kernel versions that assembly meets; see compat.h.
 *
 * A mitigation that keeps guests from the host's secrets never has an empty fallback: for a
 * kernel whose headers lack it the module does not build.
 */
#ifndef DITTO_COMPAT_ASM_H
#define DITTO_COMPAT_ASM_H

#include <asm/nospec-branch.h>

/*
 * 6.1 has one kind of return-thunk untraining for every way into the kernel, and leaves
 * "spec_rstack_overflow=ibpb-vmexit" to the hypervisor's exit path.
 */
#ifndef UNTRAIN_RET_VM
#ifndef X86_FEATURE_IBPB_ON_VMEXIT
#error "kernel without X86_FEATURE_IBPB_ON_VMEXIT: it is too old to know SRSO, or too new"
#endif
#define UNTRAIN_RET_VM							\
	UNTRAIN_RET;							\
	ALTERNATIVE "", "call entry_ibpb", X86_FEATURE_IBPB_ON_VMEXIT
#endif

/*
 * Buffers that may hold the host's data are cleared before the guest runs.  Later kernels have
 * one feature for guests on CPUs of both makers.  See also compat_clear_for_devices().
 */
#if defined(VM_CLEAR_CPU_BUFFERS)
#define SVM_CLEAR_CPU_BUFFERS	VM_CLEAR_CPU_BUFFERS
#define VMX_CLEAR_CPU_BUFFERS	CLEAR_CPU_BUFFERS
#elif defined(__CLEAR_CPU_BUFFERS) && defined(X86_FEATURE_CLEAR_CPU_BUF_VM)
#define SVM_CLEAR_CPU_BUFFERS						\
	ALTERNATIVE "", __CLEAR_CPU_BUFFERS, X86_FEATURE_CLEAR_CPU_BUF_VM
#define VMX_CLEAR_CPU_BUFFERS	SVM_CLEAR_CPU_BUFFERS
#else
#error "kernel without VM_CLEAR_CPU_BUFFERS: it is too old to know TSA, or too new"
#endif

#endif
