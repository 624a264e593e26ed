// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit: how a thread reaches vCPUs that it does not own: the end of a VM, and a flush of
 * its TLBs, in the states that no test of running guests can hold on to.
 */
#include "core/vm.h"
#include "x86/board/board_kunit.h"
#include "x86/machine/vm.h"
#include "x86/run/run.h"

/* Those that wait for INIT or SIPI hear of the end of their VM, too. */
static void vm_test_kill_wakes(struct kunit *test)
{
	static const u32 states[] = {
		KVM_MP_STATE_RUNNABLE, KVM_MP_STATE_UNINITIALIZED, KVM_MP_STATE_INIT_RECEIVED,
		KVM_MP_STATE_HALTED,
	};
	struct board *b = test->priv;
	u32 id;

	for (id = 0; id < ARRAY_SIZE(states); id++) {
		b->vcpu[id].mp_state = states[id];
		b->vcpu[id].st.rflags = X86_EFLAGS_FIXED;
		b->vcpu[id].st.shadow = 0;
		KUNIT_EXPECT_FALSE_MSG(test, vcpu_has_work(&b->vcpu[id]), "state %u", states[id]);
	}
	vm_kill(&b->vm);
	for (id = 0; id < ARRAY_SIZE(states); id++)
		KUNIT_EXPECT_TRUE_MSG(test, vcpu_has_work(&b->vcpu[id]), "state %u", states[id]);
}

/*
 * A vCPU that no CPU has loaded, because the CPU is on its way offline, has VCPU_IN_GUEST
 * for its last look: there is no CPU -1 to interrupt.
 */
static void vm_test_flush_without_cpu(struct kunit *test)
{
	struct board *b = test->priv;
	u32 id;

	b->vcpu[1].mode = VCPU_IN_GUEST;
	b->vcpu[2].mode = VCPU_IN_GUEST;
	b->vcpu[2].cpu = raw_smp_processor_id();
	b->vcpu[3].cpu = raw_smp_processor_id();
	KUNIT_EXPECT_EQ(test, vcpu_guest_cpu(&b->vcpu[0]), -1);
	KUNIT_EXPECT_EQ(test, vcpu_guest_cpu(&b->vcpu[1]), -1);
	KUNIT_EXPECT_EQ(test, vcpu_guest_cpu(&b->vcpu[2]), b->vcpu[2].cpu);
	KUNIT_EXPECT_EQ(test, vcpu_guest_cpu(&b->vcpu[3]), -1);
	vm_flush_tlbs(&b->vm.mmu);
	for (id = 0; id < NR_VCPUS; id++)
		KUNIT_EXPECT_TRUE(test, test_bit(REQ_TLB_FLUSH, &b->vcpu[id].requests));
	vcpu_kick(&b->vcpu[1]);
}

static struct kunit_case vm_kunit_cases[] = {
	KUNIT_CASE(vm_test_kill_wakes),
	KUNIT_CASE(vm_test_flush_without_cpu),
	{}
};

static struct kunit_suite vm_kunit_suite = {
	.name = "ditto_vm",
	.init = board_init,
	.exit = board_exit,
	.test_cases = vm_kunit_cases,
};

kunit_test_suite(vm_kunit_suite);
