/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel's mitigations that C asks for, where kernels differ; see compat.h.
 *
 * An older kernel may not know a bug, and then has no mitigation to call. One that is newer
 * than the mitigation and lacks its name has given it another: it is not built for.
 */
#ifndef DITTO_COMPAT_BUGS_H
#define DITTO_COMPAT_BUGS_H

#include <linux/percpu.h>
#include <linux/version.h>
#include <asm/cpufeature.h>
#include <asm/cpufeatures.h>
#include <asm/msr.h>
#include <asm/nospec-branch.h>

/*
 * VMSCAPE: the branch history of a guest must not steer user space on the CPU where the
 * guest ran.
 */
#if defined(X86_FEATURE_IBPB_EXIT_TO_USER)
#define compat_guest_trained()						\
	do {								\
		if (cpu_feature_enabled(X86_FEATURE_IBPB_EXIT_TO_USER))	\
			this_cpu_write(x86_ibpb_exit_to_user, true);	\
	} while (0)
#elif defined(X86_BUG_VMSCAPE) || LINUX_VERSION_CODE >= KERNEL_VERSION(6, 17, 0)
#error "this kernel's way to mitigate VMSCAPE is another than X86_FEATURE_IBPB_EXIT_TO_USER"
#else
#define compat_guest_trained()	do { } while (0)
#endif

/*
 * Zen 5's mitigation of SRSO, set on a CPU while it may run guests. Kernels that do not
 * know it have chosen another mitigation.
 */
#if defined(X86_FEATURE_SRSO_BP_SPEC_REDUCE)
#define compat_srso_reduce(on)						\
	do {								\
		if (!boot_cpu_has(X86_FEATURE_SRSO_BP_SPEC_REDUCE))	\
			break;						\
		if (on)							\
			msr_set_bit(MSR_ZEN4_BP_CFG, MSR_ZEN4_BP_CFG_BP_SPEC_REDUCE_BIT);	\
		else							\
			msr_clear_bit(MSR_ZEN4_BP_CFG, MSR_ZEN4_BP_CFG_BP_SPEC_REDUCE_BIT);	\
	} while (0)
#elif LINUX_VERSION_CODE >= KERNEL_VERSION(6, 14, 0)
#error "this kernel's way to mitigate SRSO on Zen 5 is another than SRSO_BP_SPEC_REDUCE"
#else
#define compat_srso_reduce(on)	do { } while (0)
#endif

/* Where threads of a core share return predictions. */
#if defined(X86_BUG_SMT_RSB)
#define compat_smt_rsb()	boot_cpu_has_bug(X86_BUG_SMT_RSB)
#elif LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
#error "kernel without X86_BUG_SMT_RSB: CPUs that share return predictions have another name"
#else
#define compat_smt_rsb()	false
#endif

#endif /* DITTO_COMPAT_BUGS_H */
