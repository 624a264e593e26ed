/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef DITTO_GUEST_CPUID_H
#define DITTO_GUEST_CPUID_H

#include <linux/kvm.h>
#include <stdbool.h>

struct kvm_cpuid2 *cpuid_fetch(int dev_fd);
int cpuid_set(const struct kvm_cpuid2 *supported, int vcpu_fd, unsigned int id,
	      unsigned int cpus, bool tsc_deadline);
bool cpuid_has_mtrr(const struct kvm_cpuid2 *table);
bool cpuid_is_intel(const struct kvm_cpuid2 *table);

#endif
