// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a hypervisor offers to guests and VMMs, one value per line, so that two can be
 * compared: KVM_GET_SUPPORTED_CPUID by registers, the lists of MSRs, the values of those that
 * stand for features, and every capability.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "vm.h"

#define CAPS	300	/* more than there are */
#define MSRS	1000

static void say_cpuid(void)
{
	struct kvm_cpuid2 *cpuid = cpuid_supported();
	u32 i;

	for (i = 0; i < cpuid->nent; i++) {
		const struct kvm_cpuid_entry2 *e = &cpuid->entries[i];
		char leaf[32];

		snprintf(leaf, sizeof(leaf), "cpuid.%x.%x", e->function, e->index);
		printf("%s.flags %x\n%s.eax %08x\n%s.ebx %08x\n%s.ecx %08x\n%s.edx %08x\n",
		       leaf, e->flags, leaf, e->eax, leaf, e->ebx, leaf, e->ecx, leaf, e->edx);
	}
}

static struct kvm_msr_list *msr_list(int fd, unsigned long cmd)
{
	struct kvm_msr_list *list = calloc(1, sizeof(*list) + MSRS * sizeof(u32));

	ASSERT(list);
	list->nmsrs = MSRS;
	CHECKED(ioctl(fd, cmd, list));
	return list;
}

static void say_msrs(int fd)
{
	struct kvm_msr_list *list = msr_list(fd, KVM_GET_MSR_INDEX_LIST);
	struct { struct kvm_msrs head; struct kvm_msr_entry entry; } msr = { .head.nmsrs = 1 };
	u32 i;

	for (i = 0; i < list->nmsrs; i++)
		printf("msr.%x 1\n", list->indices[i]);
	list = msr_list(fd, KVM_GET_MSR_FEATURE_INDEX_LIST);
	for (i = 0; i < list->nmsrs; i++) {
		msr.entry.index = list->indices[i];
		CHECKED(ioctl(fd, KVM_GET_MSRS, &msr));
		printf("feature.%x %llx\n", list->indices[i], msr.entry.data);
	}
}

static void say_caps(int fd)
{
	int i, r;

	for (i = 0; i < CAPS; i++) {
		r = ioctl(fd, KVM_CHECK_EXTENSION, i);
		if (r)
			printf("cap.%d %d\n", i, r);
	}
}

int main(int argc, char **argv)
{
	int fd;

	if (argc < 2) {
		fprintf(stderr, "usage: %s DEVICE\n", argv[0]);
		return 2;
	}
	tap.dev = argv[1];
	fd = dev_open();
	say_cpuid();
	say_msrs(fd);
	say_caps(fd);
	return 0;
}
