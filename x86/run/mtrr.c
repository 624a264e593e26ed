// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory type range registers. They are kept and checked, and change nothing: what the
 * guest's memory is cached as, the host decides.
 */
#include <linux/nospec.h>
#include <asm/msr-index.h>

#include "x86/machine/vcpu.h"
#include "x86/run/mtrr.h"

/**
 * mtrr_cap_read() - read IA32_MTRRCAP
 * @a: the access
 *
 * Return: X86_NO_FAULT.
 */
enum guest_fault mtrr_cap_read(struct msr_access *a)
{
	a->val = MTRR_CAP;
	return X86_NO_FAULT;
}

static bool mtrr_type_valid(u8 type)
{
	return type < 8 && (BIT(type) & (BIT(MTRR_TYPE_UNCACHABLE) | BIT(MTRR_TYPE_WRCOMB) |
					 BIT(MTRR_TYPE_WRTHROUGH) | BIT(MTRR_TYPE_WRPROT) |
					 BIT(MTRR_TYPE_WRBACK)));
}

/**
 * mtrr_var_write() - write base or mask of a variable range
 * @a: the access
 *
 * Return: X86_NO_FAULT or X86_FAULT.
 */
enum guest_fault mtrr_var_write(struct msr_access *a)
{
	const u32 n = a->index - MTRRphysBase_MSR(0);
	u64 reserved = ~0ULL << a->vcpu->cpuid.maxphyaddr;

	if (n & 1)
		reserved |= GENMASK(10, 0);
	else
		reserved |= GENMASK(11, 8);
	/* A VMM's mask may be as wide as its own CPU's addresses. */
	if (a->by_vmm)
		reserved &= GENMASK(11, 0);
	if ((a->val & reserved) || (!(n & 1) && !mtrr_type_valid(a->val)))
		return X86_FAULT;
	a->vcpu->msr.mtrr_var[array_index_nospec(n, 2 * MTRR_VAR_RANGES)] = a->val;
	return X86_NO_FAULT;
}

static const u32 mtrr_fixed_index[MTRR_FIXED_RANGES] = {
	MSR_MTRRfix64K_00000, MSR_MTRRfix16K_80000, MSR_MTRRfix16K_A0000,
	MSR_MTRRfix4K_C0000, MSR_MTRRfix4K_C8000, MSR_MTRRfix4K_D0000, MSR_MTRRfix4K_D8000,
	MSR_MTRRfix4K_E0000, MSR_MTRRfix4K_E8000, MSR_MTRRfix4K_F0000, MSR_MTRRfix4K_F8000,
};

static u64 *mtrr_fixed(struct msr_access *a)
{
	int i;

	for (i = 0; i < MTRR_FIXED_RANGES - 1; i++)
		if (mtrr_fixed_index[i] == a->index)
			break;
	return &a->vcpu->msr.mtrr_fixed[i];
}

/**
 * mtrr_fixed_read() - read the types of a fixed range
 * @a: the access
 *
 * Return: X86_NO_FAULT.
 */
enum guest_fault mtrr_fixed_read(struct msr_access *a)
{
	a->val = *mtrr_fixed(a);
	return X86_NO_FAULT;
}

/**
 * mtrr_fixed_write() - write the types of a fixed range
 * @a: the access
 *
 * Return: X86_NO_FAULT, or X86_FAULT for a type that does not exist.
 */
enum guest_fault mtrr_fixed_write(struct msr_access *a)
{
	int i;

	for (i = 0; i < 64; i += 8)
		if (!mtrr_type_valid(a->val >> i))
			return X86_FAULT;
	*mtrr_fixed(a) = a->val;
	return X86_NO_FAULT;
}

/**
 * mtrr_def_type_write() - write IA32_MTRR_DEF_TYPE
 * @a: the access; bits that do not exist are refused already
 *
 * Return: X86_NO_FAULT, or X86_FAULT for a type that does not exist.
 */
enum guest_fault mtrr_def_type_write(struct msr_access *a)
{
	if (!mtrr_type_valid(a->val))
		return X86_FAULT;
	a->vcpu->msr.mtrr_def_type = a->val;
	return X86_NO_FAULT;
}
