// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VMM's ioctls for MSRs: which there are, and many values at once. What an MSR is, and
 * whether it may be set, is msr.c's.
 *
 * The hard part is how far a call came: it ends at the first MSR that cannot be had, and the
 * VMM is told how many were done before.
 */
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <asm/msr-index.h>

#include "x86/machine/vm.h"
#include "x86/run/msr.h"

static int list_to_user(struct kvm_msr_list __user *user, const u32 *indices, u32 n)
{
	u32 room;

	if (get_user(room, &user->nmsrs) || put_user(n, &user->nmsrs))
		return -EFAULT;
	if (room < n)
		return -E2BIG;
	return copy_to_user(user->indices, indices, n * sizeof(*indices)) ? -EFAULT : 0;
}

/**
 * msr_ioctl_index_list() - KVM_GET_MSR_INDEX_LIST
 * @arg: struct kvm_msr_list
 *
 * The MSRs that hold state which no other ioctl gets and sets.
 *
 * Return: 0; -E2BIG with @arg->nmsrs set when they do not fit; -EFAULT.
 */
int msr_ioctl_index_list(void __user *arg)
{
	u32 list[MSR_LIST_MAX];

	return list_to_user(arg, list, msr_list_saved(list));
}

/**
 * msr_ioctl_feature_index_list() - KVM_GET_MSR_FEATURE_INDEX_LIST
 * @arg: struct kvm_msr_list
 *
 * Return: as msr_ioctl_index_list().
 */
int msr_ioctl_feature_index_list(void __user *arg)
{
	static const u32 all[] = {
		MSR_IA32_UCODE_REV, MSR_IA32_ARCH_CAPABILITIES, MSR_AMD64_DE_CFG,
	};
	u32 list[ARRAY_SIZE(all)];
	u64 unused;
	u32 n = 0;
	int i;

	for (i = 0; i < ARRAY_SIZE(all); i++)
		if (msr_of_host(all[i], &unused))
			list[n++] = all[i];
	return list_to_user(arg, list, n);
}

#define MAX_MSR_ENTRIES	256

/* The entries of struct kvm_msrs at @user, for the caller to kvfree(). */
static struct kvm_msr_entry *entries_from_user(struct kvm_msrs __user *user, u32 *n)
{
	if (get_user(*n, &user->nmsrs))
		return ERR_PTR(-EFAULT);
	if (*n >= MAX_MSR_ENTRIES)
		return ERR_PTR(-E2BIG);
	return vmemdup_user(user->entries, array_size(*n, sizeof(struct kvm_msr_entry)));
}

static int entries_to_user(struct kvm_msrs __user *user, struct kvm_msr_entry *entries, u32 n,
			   u32 done)
{
	if (copy_to_user(user->entries, entries, n * sizeof(*entries)))
		return -EFAULT;
	return done;
}

/**
 * msr_ioctl_get_features() - KVM_GET_MSRS of the system
 * @arg: struct kvm_msrs
 *
 * Return: number of values read before the first unknown one; -E2BIG, -EFAULT, -ENOMEM.
 */
int msr_ioctl_get_features(void __user *arg)
{
	struct kvm_msr_entry *entries;
	u32 i, n;
	int ret;

	entries = entries_from_user(arg, &n);
	if (IS_ERR(entries))
		return PTR_ERR(entries);
	for (i = 0; i < n; i++)
		if (!msr_of_host(entries[i].index, &entries[i].data))
			break;
	ret = entries_to_user(arg, entries, n, i);
	kvfree(entries);
	return ret;
}

/**
 * vcpu_ioctl_get_msrs() - KVM_GET_MSRS
 * @vcpu: owned and loaded
 * @arg: struct kvm_msrs
 *
 * Return: number of values read before the first that cannot be; -E2BIG, -EFAULT, -ENOMEM.
 */
int vcpu_ioctl_get_msrs(struct vcpu *vcpu, void __user *arg)
{
	struct kvm_msr_entry *entries;
	u32 i, n;
	int ret;

	entries = entries_from_user(arg, &n);
	if (IS_ERR(entries))
		return PTR_ERR(entries);
	for (i = 0; i < n; i++)
		if (msr_read(vcpu, entries[i].index, &entries[i].data, true))
			break;
	ret = entries_to_user(arg, entries, n, i);
	kvfree(entries);
	return ret;
}

/**
 * vcpu_ioctl_set_msrs() - KVM_SET_MSRS
 * @vcpu: owned and loaded
 * @arg: struct kvm_msrs
 *
 * Return: number of MSRs written before the first that refused; -E2BIG, -EFAULT, -ENOMEM;
 * -EINTR when a signal came before guest memory that one of them wants written.
 */
int vcpu_ioctl_set_msrs(struct vcpu *vcpu, void __user *arg)
{
	enum guest_fault fault = X86_NO_FAULT;
	struct kvm_msr_entry *entries;
	u32 i, n;

	entries = entries_from_user(arg, &n);
	if (IS_ERR(entries))
		return PTR_ERR(entries);
	for (i = 0; i < n; i++) {
		fault = msr_write(vcpu, entries[i].index, entries[i].data, true);
		if (fault)
			break;
	}
	kvfree(entries);
	return fault == X86_INTERRUPTED ? -EINTR : i;
}
