// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the machine we run on can do for guests, asked from the CPU itself
 * where CPUID tells, else from MSRs (through the msr driver, as root) and
 * from /proc/cpuinfo. What cannot be found out is UNKNOWN, never guessed.
 */
#include "host.h"
#include "util.h"

#include <cpuid.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LEAF1_ECX_VMX		(1u << 5)
#define LEAF1_ECX_HYPERVISOR	(1u << 31)
#define AMD_ECX_SVM		(1u << 2)
#define LEAF_SVM		0x8000000a
#define LEAF_HYPERVISOR		0x40000000

#define MSR_FEATURE_CONTROL	0x3a
#define FEATURE_LOCKED		(1ULL << 0)
#define FEATURE_VMX		(1ULL << 2)
#define MSR_VM_CR		0xc0010114
#define VM_CR_SVMDIS		(1ULL << 4)

static void read_vendor(struct host *h)
{
	unsigned int a, b, c, d;

	if (!__get_cpuid(0, &a, &b, &c, &d))
		return;
	memcpy(h->vendor, &b, 4);
	memcpy(h->vendor + 4, &d, 4);
	memcpy(h->vendor + 8, &c, 4);
}

static void read_cpuid(struct host *h)
{
	unsigned int a, b, c, d;

	if (__get_cpuid(1, &a, &b, &c, &d)) {
		h->vmx = c & LEAF1_ECX_VMX;
		if (c & LEAF1_ECX_HYPERVISOR) {
			__cpuid(LEAF_HYPERVISOR, a, b, c, d);
			memcpy(h->under, &b, 4);
			memcpy(h->under + 4, &c, 4);
			memcpy(h->under + 8, &d, 4);
			if (!h->under[0])
				strcpy(h->under, "unnamed");
		}
	}
	if (__get_cpuid(0x80000001, &a, &b, &c, &d))
		h->svm = c & AMD_ECX_SVM;
}

static bool read_msr(uint32_t index, uint64_t *value)
{
	int fd = open("/dev/cpu/0/msr", O_RDONLY | O_CLOEXEC);
	bool ok;

	if (fd < 0)
		return false;
	ok = pread(fd, value, sizeof(*value), index) == sizeof(*value);
	close(fd);
	return ok;
}

static enum tristate firmware_allows(const struct host *h)
{
	uint64_t value;

	if (h->svm && read_msr(MSR_VM_CR, &value))
		return value & VM_CR_SVMDIS ? NO : YES;
	/* Not locked: whoever loads first may enable it. */
	if (h->vmx && read_msr(MSR_FEATURE_CONTROL, &value))
		return value & FEATURE_LOCKED && !(value & FEATURE_VMX) ? NO : YES;
	return UNKNOWN;
}

static bool module_loaded(const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/module/%s", name);
	return access(path, F_OK) == 0;
}

static void find_others(struct host *h)
{
	static const char *const names[] = { "kvm_amd", "kvm_intel", "vboxdrv", "vmmon" };
	size_t at = 0;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (module_loaded(names[i]))
			at += snprintf(h->others + at, sizeof(h->others) - at, "%s%s",
				       at ? " " : "", names[i]);
}

/**
 * host_probe() - look at this machine
 * @host: filled in
 */
void host_probe(struct host *host)
{
	*host = (struct host){ .firmware = UNKNOWN };
	read_vendor(host);
	read_cpuid(host);
	host->firmware = firmware_allows(host);
	host->module = module_loaded("ditto");
	find_others(host);
}

static size_t svm_features(struct host_feature *to)
{
	static const struct {
		unsigned int bit;
		const char *name, *meaning;
	} bits[] = {
		{ 0, "NPT", "nested paging: memory without shadow page tables" },
		{ 3, "NRIPS", "next instruction pointer saved on exits" },
		{ 4, "TscRateMsr", "time-stamp counter scaling" },
		{ 5, "VmcbClean", "cached guest state" },
		{ 6, "FlushByAsid", "TLB flushes of one guest" },
		{ 7, "DecodeAssists", "instruction bytes on exits" },
		{ 10, "PauseFilter", "exits from spinning guests" },
		{ 13, "AVIC", "interrupts without exits" },
		{ 16, "VGIF", "virtual global interrupt flag" },
	};
	unsigned int a, b, c, d = 0;

	__get_cpuid(LEAF_SVM, &a, &b, &c, &d);
	for (size_t i = 0; i < ARRAY_SIZE(bits); i++)
		to[i] = (struct host_feature){ bits[i].name, bits[i].meaning,
					       d >> bits[i].bit & 1 ? YES : NO };
	return ARRAY_SIZE(bits);
}

/* The line is long, and absent where the kernel saw no usable VMX. */
static bool read_vmx_flags(char *line, size_t len)
{
	FILE *f = fopen("/proc/cpuinfo", "re");
	bool found = false;

	while (f && !found && fgets(line, len, f))
		found = !strncmp(line, "vmx flags", 9);
	if (f)
		fclose(f);
	if (found)
		line[strcspn(line, "\n")] = ' ';
	return found;
}

static size_t vmx_features(struct host_feature *to)
{
	static const struct {
		const char *flag, *name, *meaning;
	} flags[] = {
		{ " ept ", "EPT", "nested paging: memory without shadow page tables" },
		{ " ept_ad ", "EPT A/D", "accessed and dirty bits in it" },
		{ " ept_1gb ", "EPT 1G", "1 GiB pages in it" },
		{ " vpid ", "VPID", "TLB entries tagged by guest" },
		{ " unrestricted_guest ", "unrestricted", "real mode without emulation" },
		{ " preemption_timer ", "preemption timer", "a deadline for guests" },
		{ " pml ", "PML", "log of pages written" },
		{ " apicv ", "APICv", "interrupts without exits" },
		{ " tsc_scaling ", "TSC scaling", "time-stamp counter scaling" },
	};
	char line[4096];
	bool found = read_vmx_flags(line, sizeof(line));

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
		to[i] = (struct host_feature){ flags[i].name, flags[i].meaning,
					       !found ? UNKNOWN :
					       strstr(line, flags[i].flag) ? YES : NO };
	return ARRAY_SIZE(flags);
}

/**
 * host_features() - details of the CPU's virtualization
 * @host: probed
 * @features: filled in
 *
 * Return: how many; 0 without SVM and VMX.
 */
size_t host_features(const struct host *host, struct host_feature features[HOST_FEATURES_MAX])
{
	if (host->svm)
		return svm_features(features);
	return host->vmx ? vmx_features(features) : 0;
}
