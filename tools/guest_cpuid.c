// SPDX-License-Identifier: GPL-2.0-only
/*
 * CPUID for the guest: everything the hypervisor supports, its signature at
 * 0x40000000 included, with only the topology replaced: one package, one core
 * per vCPU, one thread per core, APIC id = vCPU number. No feature is hidden
 * or invented.
 */
#include "guest_cpuid.h"
#include "util.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#define ENTRIES_FIRST_TRY	64
#define ENTRIES_MAX		1024
#define TOPOLOGY_ENTRIES	3

#define LEAF1_ECX_TSC_DEADLINE	(1u << 24)
#define LEAF1_ECX_HYPERVISOR	(1u << 31)
#define LEAF1_EDX_MTRR		(1u << 12)
#define LEAF1_EDX_HTT		(1u << 28)
#define AMD_ECX_CMP_LEGACY	(1u << 1)

#define LEVEL_SMT		0x100	/* ECX of leaf 0xb: level type, plus its index */
#define LEVEL_CORE		0x200

/**
 * struct place - where a vCPU is in the package
 * @id: its APIC id
 * @cpus: cores in the package
 * @bits: of an APIC id that count cores
 * @intel: the vendor decides what some leaves mean
 * @tsc_deadline: the hypervisor's LAPIC has the mode
 */
struct place {
	unsigned int id;
	unsigned int cpus;
	unsigned int bits;
	bool intel;
	bool tsc_deadline;
};

static const struct kvm_cpuid_entry2 *cpuid_find(const struct kvm_cpuid2 *table, uint32_t leaf)
{
	for (uint32_t i = 0; i < table->nent; i++)
		if (table->entries[i].function == leaf)
			return &table->entries[i];
	return NULL;
}

/**
 * cpuid_has_mtrr() - whether guests are told that there are MTRRs
 * @table: from cpuid_fetch()
 */
bool cpuid_has_mtrr(const struct kvm_cpuid2 *table)
{
	const struct kvm_cpuid_entry2 *e = cpuid_find(table, 1);

	return e && e->edx & LEAF1_EDX_MTRR;
}

/**
 * cpuid_is_intel() - whether the vendor is Intel (else AMD or one that follows it)
 * @table: from cpuid_fetch()
 */
bool cpuid_is_intel(const struct kvm_cpuid2 *table)
{
	const struct kvm_cpuid_entry2 *e = cpuid_find(table, 0);

	return e && !memcmp(&e->ebx, "Genu", 4);
}

static struct kvm_cpuid2 *cpuid_alloc(uint32_t entries)
{
	struct kvm_cpuid2 *table = calloc(1, sizeof(*table) + entries * sizeof(table->entries[0]));

	if (table)
		table->nent = entries;
	return table;
}

/**
 * cpuid_fetch() - what the hypervisor supports
 * @dev_fd: the device
 *
 * Return: the table, to be freed; or NULL with errno set.
 */
struct kvm_cpuid2 *cpuid_fetch(int dev_fd)
{
	for (uint32_t n = ENTRIES_FIRST_TRY; n <= ENTRIES_MAX; n *= 2) {
		struct kvm_cpuid2 *table = cpuid_alloc(n);

		if (!table || !ioctl(dev_fd, KVM_GET_SUPPORTED_CPUID, table))
			return table;
		free(table);
		if (errno != E2BIG)
			return NULL;
	}
	return NULL;
}

/* Intel's leaf 4, AMD's 0x8000001d: who shares this cache. All share the third level. */
static void patch_cache(struct kvm_cpuid_entry2 *e, const struct place *p)
{
	unsigned int level = e->eax >> 5 & 7;
	unsigned int sharing = level >= 3 ? (1u << p->bits) - 1 : 0;

	if (!(e->eax & 0x1f))
		return;
	e->eax = (e->eax & ~(0xfffu << 14)) | sharing << 14;
	if (e->function == 4)
		e->eax = (e->eax & ~(0x3fu << 26)) | ((1u << p->bits) - 1) << 26;
}

static void patch_leaf1(struct kvm_cpuid_entry2 *e, const struct place *p)
{
	e->ebx = (e->ebx & 0xffff) | (1u << p->bits) << 16 | p->id << 24;
	e->ecx |= LEAF1_ECX_HYPERVISOR;
	e->edx &= ~LEAF1_EDX_HTT;
	if (p->tsc_deadline)
		e->ecx |= LEAF1_ECX_TSC_DEADLINE;
	if (p->cpus > 1)
		e->edx |= LEAF1_EDX_HTT;
}

static void patch_amd(struct kvm_cpuid_entry2 *e, const struct place *p)
{
	switch (e->function) {
	case 0x80000001:
		e->ecx &= ~AMD_ECX_CMP_LEGACY;
		if (p->cpus > 1)
			e->ecx |= AMD_ECX_CMP_LEGACY;
		break;
	case 0x80000008:
		e->ecx = (e->ecx & ~0xf0ffu) | p->bits << 12 | (p->cpus - 1);
		break;
	case 0x8000001d:
		patch_cache(e, p);
		break;
	case 0x8000001e:
		e->eax = p->id;
		e->ebx = p->id;		/* core id; one thread per core */
		e->ecx = 0;		/* node 0 of 1 */
		break;
	}
}

static void patch(struct kvm_cpuid_entry2 *e, const struct place *p)
{
	if (e->function == 1)
		patch_leaf1(e, p);
	else if (e->function == 4)
		patch_cache(e, p);
	else if (!p->intel)
		patch_amd(e, p);
}

static struct kvm_cpuid_entry2 topology_level(const struct place *p, unsigned int index)
{
	struct kvm_cpuid_entry2 e = { .function = 0xb, .index = index, .ecx = index,
				      .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX, .edx = p->id };

	if (index == 0) {
		e.ebx = 1;
		e.ecx |= LEVEL_SMT;
	} else if (index == 1) {
		e.eax = p->bits;
		e.ebx = p->cpus;
		e.ecx |= LEVEL_CORE;
	}
	return e;
}

/* 0x1f repeats 0xb with more levels than we have; without it guests use 0xb. */
static bool is_topology(uint32_t leaf)
{
	return leaf == 0xb || leaf == 0x1f;
}

static void derive(struct kvm_cpuid2 *to, const struct kvm_cpuid2 *from, const struct place *p)
{
	const struct kvm_cpuid_entry2 *max = cpuid_find(from, 0);

	to->nent = 0;
	for (uint32_t i = 0; i < from->nent; i++) {
		struct kvm_cpuid_entry2 e = from->entries[i];

		if (is_topology(e.function))
			continue;
		patch(&e, p);
		to->entries[to->nent++] = e;
	}
	for (unsigned int i = 0; i < TOPOLOGY_ENTRIES && max && max->eax >= 0xb; i++)
		to->entries[to->nent++] = topology_level(p, i);
}

/**
 * cpuid_set() - give a vCPU its CPUID
 * @supported: from cpuid_fetch()
 * @vcpu_fd: the vCPU
 * @id: its number
 * @cpus: vCPUs of the machine
 * @tsc_deadline: KVM_CAP_TSC_DEADLINE_TIMER
 *
 * Return: 0, or -1 with errno set.
 */
int cpuid_set(const struct kvm_cpuid2 *supported, int vcpu_fd, unsigned int id,
	      unsigned int cpus, bool tsc_deadline)
{
	struct place place = { .id = id, .cpus = cpus, .intel = cpuid_is_intel(supported),
			       .tsc_deadline = tsc_deadline };
	struct kvm_cpuid2 *table = cpuid_alloc(supported->nent + TOPOLOGY_ENTRIES);
	int ret, err;

	if (!table)
		return -1;
	while (1u << place.bits < cpus)
		place.bits++;
	derive(table, supported, &place);
	ret = ioctl(vcpu_fd, KVM_SET_CPUID2, table);
	err = errno;
	free(table);
	errno = err;
	return ret;
}
