/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * CPUID: what guests on this host can have (cpuid_host.c).
 */
#ifndef DITTO_CPU_CPUID_HOST_H
#define DITTO_CPU_CPUID_HOST_H

#include <linux/types.h>

struct kvm_cpuid_entry2;

#define DITTO_MAX_CPUID_ENTRIES	256

/*
 * Module parameter: hide XSAVE from guests, for CPUs (emulators) on which the
 * guest's XSETBV cannot be intercepted and changes the host's XCR0.
 */
extern bool quirk_no_xsave;

void cpuid_setup(void);
bool cpuid_host_has(unsigned int feature);
bool cpuid_host_is_amd(void);
u64 cpuid_host_efer_reserved(void);
u64 cpuid_host_xcr0(void);
u32 cpuid_xsave_size(u64 xcr0);
u32 cpuid_offer(struct kvm_cpuid_entry2 *entries);

/* ioctls, whose arguments are of variable size */
int cpuid_ioctl_get_supported(void __user *arg);
int cpuid_ioctl_get_emulated(void __user *arg);

#endif
