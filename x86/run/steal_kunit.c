// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit: what another vCPU asks for in the byte of one that does not run, when the thread
 * loses its CPU once more while it takes the byte.
 */
#include <linux/kvm_para.h>
#include <linux/mman.h>
#include <linux/uaccess.h>

#include "mmu/mmu.h"
#include "x86/machine/vm.h"
#include "x86/run/state_kunit.h"
#include "x86/run/steal.h"

#define STEAL_GPA	0x1000

/* Looks like NPT. */
static const struct tdp_format steal_format = {
	.levels = 4, .max_level = 1, .table = 0x27, .leaf = 0x5, .writable = BIT_ULL(1),
	.accessed = BIT_ULL(5), .dirty = BIT_ULL(6), .large = BIT_ULL(7), .nx = BIT_ULL(63),
};

static void steal_flush_tlbs(struct mmu *mmu)
{
}

static const struct mmu_host steal_host = {
	.format = &steal_format, .max_gfn = 1ULL << 28, .flush_tlbs = steal_flush_tlbs,
};

/* The world's machine gets a page that its guest has written to. */
static u8 __user *steal_memory(struct kunit *test, struct vm *vm)
{
	unsigned long hva = kunit_vm_mmap(test, NULL, 0, PAGE_SIZE, PROT_READ | PROT_WRITE,
					  MAP_ANONYMOUS | MAP_PRIVATE, 0);
	struct kvm_userspace_memory_region r = {
		.guest_phys_addr = STEAL_GPA, .memory_size = PAGE_SIZE, .userspace_addr = hva,
	};
	struct fault_streaks streaks = { };
	int idx;

	KUNIT_ASSERT_NE(test, hva, 0);
	mmu_destroy(&vm->mmu);
	KUNIT_ASSERT_EQ(test, mmu_init(&vm->mmu, &steal_host), 0);
	KUNIT_ASSERT_EQ(test, mmu_set_user_region(&vm->mmu, &r), 0);
	idx = srcu_read_lock(&vm->mmu.srcu);
	KUNIT_EXPECT_EQ(test, mmu_tdp_fault(&vm->mmu, &streaks, STEAL_GPA, MMU_WRITE),
			MMU_FAULT_DONE);
	srcu_read_unlock(&vm->mmu.srcu, idx);
	return (u8 __user *)hva + offsetof(struct kvm_steal_time, preempted);
}

static void steal_test_update(struct vcpu *vcpu)
{
	int idx = srcu_read_lock(&vcpu->vm->mmu.srcu);

	steal_update(vcpu);
	srcu_read_unlock(&vcpu->vm->mmu.srcu, idx);
}

static void preempted_again(struct kunit *test)
{
	struct vcpu *vcpu = the_vcpu(test);
	u8 __user *byte = steal_memory(test, vcpu->vm);
	u8 is;

	vcpu->pv.steal_msr = STEAL_GPA | KVM_MSR_ENABLED;
	vcpu->facts.kind = EXIT_HOST_IRQ;
	steal_left(vcpu);
	KUNIT_ASSERT_EQ(test, get_user(is, byte), 0);
	KUNIT_ASSERT_EQ(test, is, KVM_VCPU_PREEMPTED);
	KUNIT_ASSERT_EQ(test, put_user(KVM_VCPU_PREEMPTED | KVM_VCPU_FLUSH_TLB, byte), 0);
	vcpu_steal_between = steal_left;
	steal_test_update(vcpu);
	vcpu_steal_between = NULL;
	KUNIT_EXPECT_TRUE(test, vcpu_take_request(vcpu, REQ_TLB_FLUSH));
	KUNIT_EXPECT_EQ(test, get_user(is, byte), 0);
	KUNIT_EXPECT_EQ(test, is, 0);

	/* From here on it says so again. */
	steal_test_update(vcpu);
	KUNIT_EXPECT_FALSE(test, vcpu_take_request(vcpu, REQ_TLB_FLUSH));
	steal_left(vcpu);
	KUNIT_EXPECT_EQ(test, get_user(is, byte), 0);
	KUNIT_EXPECT_EQ(test, is, KVM_VCPU_PREEMPTED);
}

static struct kunit_case steal_cases[] = {
	KUNIT_CASE(preempted_again),
	{}
};

static struct kunit_suite steal_suite = {
	.name = "ditto_x86_steal",
	.suite_init = state_suite_init,
	.suite_exit = state_suite_exit,
	.init = state_test_init,
	.exit = state_test_exit,
	.test_cases = steal_cases,
};
kunit_test_suite(steal_suite);
