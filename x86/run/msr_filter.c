// SPDX-License-Identifier: GPL-2.0-only
/*
 * MSRs that the VMM keeps for itself: the filter that says which the guest may access
 * (KVM_X86_SET_MSR_FILTER), and the exits by which the VMM answers in place of the kernel
 * (KVM_CAP_X86_USER_SPACE_MSR).  What an access does that goes through is msr.c's.
 *
 * The hard part is MSRs that need no exit: where a filter denies one it must have an exit
 * again, on each vCPU, which each does for itself before its next entry.
 */
#include <linux/compat.h>
#include <linux/nospec.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "compat.h"
#include "x86/machine/vm.h"
#include "x86/run/event_queue.h"
#include "x86/run/msr.h"
#include "x86/run/msr_filter.h"
#include "x86/run/skip.h"

#define FILTER_FLAGS	(KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE)
#define FILTER_BYTES	0x600	/* of a range's bitmap, as under KVM */

/* A local APIC's registers; a filter does not concern them, as under KVM. */
#define X2APIC_FIRST	0x800
#define X2APIC_LAST	0x8ff

/**
 * struct filter_range - what a filter says of some MSRs
 * @base: the first
 * @nr: how many
 * @flags: KVM_MSR_FILTER_READ, KVM_MSR_FILTER_WRITE: which accesses it is about
 * @bitmap: a 1 allows them
 */
struct filter_range {
	u32 base, nr, flags;
	unsigned long bitmap[FILTER_BYTES / sizeof(long)];
};

/**
 * struct msr_filter - which MSRs a VM's guest may access; constant once published
 * @rcu: frees it
 * @allow: what no range is about
 * @nr: number of ranges
 * @range: the first that is about an access decides
 */
struct msr_filter {
	struct rcu_head rcu;
	bool allow;
	u32 nr;
	struct filter_range range[] __counted_by(nr);
};

static bool filter_allows(const struct msr_filter *filter, u32 index, u32 access)
{
	u32 i;

	for (i = 0; i < filter->nr; i++) {
		const struct filter_range *range = &filter->range[i];

		u32 bit = index - range->base;

		if (bit < range->nr && (range->flags & access))
			return test_bit(array_index_nospec(bit, range->nr), range->bitmap);
	}
	return filter->allow;
}

/**
 * msr_filter_allows() - may the guest access an MSR?
 * @vm: whose guest
 * @index: of the MSR
 * @write: else read
 *
 * Return: whether it may, as far as the VMM's filter is concerned.
 */
bool msr_filter_allows(struct vm *vm, u32 index, bool write)
{
	const struct msr_filter *filter;
	bool allows = true;

	if (likely(!rcu_access_pointer(vm->msr_filter)))
		return true;
	if (index >= X2APIC_FIRST && index <= X2APIC_LAST)
		return true;
	rcu_read_lock();
	filter = rcu_dereference(vm->msr_filter);
	if (filter)
		allows = filter_allows(filter, index,
				       write ? KVM_MSR_FILTER_WRITE : KVM_MSR_FILTER_READ);
	rcu_read_unlock();
	return allows;
}

static int filter_range_read(struct filter_range *range, const struct kvm_msr_filter_range *user)
{
	size_t size;

	if (!user->flags || (user->flags & ~FILTER_FLAGS) || user->nmsrs > FILTER_BYTES * 8)
		return -EINVAL;
	range->base = user->base;
	range->nr = user->nmsrs;
	range->flags = user->flags;
	size = BITS_TO_LONGS(user->nmsrs) * sizeof(long);
	return copy_from_user(range->bitmap, (void __user *)user->bitmap, size) ? -EFAULT : 0;
}

static struct msr_filter *filter_read(const struct kvm_msr_filter *user, u32 nr)
{
	struct msr_filter *filter;
	u32 i, used = 0;
	int err = 0;

	filter = kvzalloc(struct_size(filter, range, nr), GFP_KERNEL_ACCOUNT);
	if (!filter)
		return ERR_PTR(-ENOMEM);
	filter->allow = !(user->flags & KVM_MSR_FILTER_DEFAULT_DENY);
	filter->nr = nr;
	for (i = 0; i < ARRAY_SIZE(user->ranges) && !err; i++)
		if (user->ranges[i].nmsrs)
			err = filter_range_read(&filter->range[used++], &user->ranges[i]);
	if (!err)
		return filter;
	kvfree(filter);
	return ERR_PTR(err);
}

static void filter_publish(struct vm *vm, struct msr_filter *filter)
{
	struct msr_filter *old;
	struct vcpu *vcpu;
	u32 i;

	old = rcu_replace_pointer(vm->msr_filter, filter, lockdep_is_held(&vm->lock));
	if (old)
		kvfree_rcu(old, rcu);
	vm_for_each_vcpu(vm, i, vcpu) {
		vcpu_request(vcpu, REQ_MSR_FILTER);
		vcpu_kick(vcpu);
	}
}

/**
 * msr_filter_ioctl_set() - KVM_X86_SET_MSR_FILTER
 * @vm: vm->lock held
 * @args: copied in; without ranges there is no filter any more
 *
 * A vCPU that is in the guest goes by the old one until it is kicked out of it.
 *
 * Return: 0; -EINVAL for flags, a range that is about no access or too long, or if
 * everything would be denied; -EFAULT, -ENOMEM.
 */
int msr_filter_ioctl_set(struct vm *vm, struct kvm_msr_filter *args)
{
	struct msr_filter *filter = NULL;
	u32 i, nr = 0;

	if (args->flags & ~KVM_MSR_FILTER_DEFAULT_DENY)
		return -EINVAL;
	for (i = 0; i < ARRAY_SIZE(args->ranges); i++)
		nr += !!args->ranges[i].nmsrs;
	if (!nr && args->flags)
		return -EINVAL;
	if (nr)
		filter = filter_read(args, nr);
	if (IS_ERR(filter))
		return PTR_ERR(filter);
	filter_publish(vm, filter);
	return 0;
}

#ifdef CONFIG_COMPAT
/**
 * msr_filter_ioctl_set32() - KVM_X86_SET_MSR_FILTER of a 32-bit VMM
 * @vm: vm->lock held
 * @args: copied in
 *
 * Return: as msr_filter_ioctl_set(); -ENOTTY for others, to whom the number means nothing.
 */
int msr_filter_ioctl_set32(struct vm *vm, struct msr_filter32 *args)
{
	struct kvm_msr_filter filter = { .flags = args->flags };
	u32 i;

	if (!in_compat_syscall())
		return -ENOTTY;
	for (i = 0; i < ARRAY_SIZE(args->ranges); i++) {
		filter.ranges[i].flags = args->ranges[i].flags;
		filter.ranges[i].nmsrs = args->ranges[i].nmsrs;
		filter.ranges[i].base = args->ranges[i].base;
		filter.ranges[i].bitmap = (__force u8 *)compat_ptr(args->ranges[i].bitmap);
	}
	return msr_filter_ioctl_set(vm, &filter);
}
#endif

/**
 * msr_filter_copy() - give a VM another one's filter
 * @to: has none, and nobody sees it yet
 * @from: its vm->lock held
 *
 * Return: 0 or -ENOMEM.
 */
int msr_filter_copy(struct vm *to, struct vm *from)
{
	struct msr_filter *old = rcu_dereference_protected(from->msr_filter,
							   lockdep_is_held(&from->lock));
	struct msr_filter *new;
	size_t size;

	if (!old)
		return 0;
	size = struct_size(old, range, old->nr);
	new = kvmalloc(size, GFP_KERNEL_ACCOUNT);
	if (!new)
		return -ENOMEM;
	memcpy(new, old, size);
	rcu_assign_pointer(to->msr_filter, new);
	return 0;
}

/**
 * msr_filter_free() - end of a VM's filter
 * @vm: nobody uses it any more
 */
void msr_filter_free(struct vm *vm)
{
	kvfree(rcu_dereference_protected(vm->msr_filter, 1));
}

/* The VMM has answered; what it was asked stands in vcpu->io. */
static enum exit_outcome msr_filter_complete(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	u64 val = READ_ONCE(run->msr.data);

	/* User space has changed rip, so the instruction must not be completed. */
	if (vcpu->st.rip != vcpu->io.rip)
		return OUTCOME_ENTER;
	if (READ_ONCE(run->msr.error)) {
		event_queue_exception_error(vcpu, X86_TRAP_GP, 0);
		return OUTCOME_ENTER;
	}
	if (vcpu->io.in) {
		vcpu->st.gpr[GPR_RAX] = (u32)val;
		vcpu->st.gpr[GPR_RDX] = val >> 32;
	}
	skip_advance(vcpu, vcpu->io.insn_len);
	return OUTCOME_ENTER;
}

/**
 * msr_filter_ask() - let the VMM decide about an access that would be #GP
 * @vcpu: owned and loaded
 * @why: the access, of an instruction at rip that is @why->insn_len long
 *
 * Return: true with vcpu->run filled; false when the VMM has not asked for such accesses.
 */
bool msr_filter_ask(struct vcpu *vcpu, const struct msr_refused *why)
{
	struct kvm_run *run = vcpu->run;

	if (likely(!(READ_ONCE(vcpu->vm->enabled.msr_exits) & why->reason)))
		return false;
	run->exit_reason = why->write ? KVM_EXIT_X86_WRMSR : KVM_EXIT_X86_RDMSR;
	run->msr.error = 0;
	memset(run->msr.pad, 0, sizeof(run->msr.pad));
	run->msr.reason = why->reason;
	run->msr.index = why->index;
	run->msr.data = why->write ? why->val : 0;
	vcpu->io.in = !why->write;
	vcpu->io.rip = vcpu->st.rip;
	vcpu->io.insn_len = why->insn_len;
	vcpu->io.complete = msr_filter_complete;
	return true;
}
