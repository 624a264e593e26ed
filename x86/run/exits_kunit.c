// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit: exits that only few CPUs have: after a bus lock, and when nothing could come in
 * between for too long. And those of instructions that are gone.
 */
#include <linux/kvm.h>

#include "x86/machine/vm.h"
#include "x86/run/emulate_vcpu.h"
#include "x86/run/exits.h"
#include "x86/run/state_kunit.h"

static enum exit_outcome exits_take(struct vcpu *vcpu, enum exit_kind kind)
{
	vcpu->facts.kind = kind;
	vcpu->run->exit_reason = KVM_EXIT_UNKNOWN;
	return exit_handle(vcpu, &vcpu->facts);
}

/* The world's vCPU has nothing that its VMM maps. */
static struct vcpu *exits_vcpu(struct kunit *test)
{
	struct vcpu *vcpu = the_vcpu(test);

	vcpu->run = kunit_kzalloc(test, sizeof(*vcpu->run), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, vcpu->run);
	return vcpu;
}

/* An exit of its own, and one that comes with another. */
static void bus_lock(struct kunit *test)
{
	struct vcpu *vcpu = exits_vcpu(test);

	vcpu->facts.bus_lock = false;
	KUNIT_EXPECT_EQ(test, exits_take(vcpu, EXIT_HOST_IRQ), OUTCOME_ENTER);
	KUNIT_EXPECT_FALSE(test, vcpu->facts.bus_lock);
	KUNIT_EXPECT_EQ(test, exits_take(vcpu, EXIT_BUS_LOCK), OUTCOME_ENTER);
	KUNIT_EXPECT_TRUE(test, vcpu->facts.bus_lock);
	KUNIT_EXPECT_EQ(test, exit_after_bus_lock(vcpu, OUTCOME_ENTER), OUTCOME_USER);
	KUNIT_EXPECT_EQ(test, vcpu->run->exit_reason, (u32)KVM_EXIT_X86_BUS_LOCK);

	vcpu->run->exit_reason = KVM_EXIT_IO;
	KUNIT_EXPECT_EQ(test, exit_after_bus_lock(vcpu, OUTCOME_USER), OUTCOME_USER);
	KUNIT_EXPECT_EQ(test, exit_after_bus_lock(vcpu, OUTCOME_ERROR), OUTCOME_ERROR);
	KUNIT_EXPECT_EQ(test, vcpu->run->exit_reason, (u32)KVM_EXIT_IO);
}

/* The VMM hears of it where it wants to, and always where the guest cannot go on. */
static void notify(struct kunit *test)
{
	struct vcpu *vcpu = exits_vcpu(test);

	vcpu->vm->enabled.notify = KVM_X86_NOTIFY_VMEXIT_ENABLED;
	vcpu->facts.notify.state_lost = false;
	KUNIT_EXPECT_EQ(test, exits_take(vcpu, EXIT_NOTIFY), OUTCOME_ENTER);
	KUNIT_EXPECT_EQ(test, vcpu->run->exit_reason, (u32)KVM_EXIT_UNKNOWN);
	vcpu->facts.notify.state_lost = true;
	KUNIT_EXPECT_EQ(test, exits_take(vcpu, EXIT_NOTIFY), OUTCOME_USER);
	KUNIT_EXPECT_EQ(test, vcpu->run->exit_reason, (u32)KVM_EXIT_NOTIFY);
	KUNIT_EXPECT_EQ(test, vcpu->run->notify.flags, (u32)KVM_NOTIFY_CONTEXT_INVALID);
	vcpu->vm->enabled.notify |= KVM_X86_NOTIFY_VMEXIT_USER;
	vcpu->facts.notify.state_lost = false;
	KUNIT_EXPECT_EQ(test, exits_take(vcpu, EXIT_NOTIFY), OUTCOME_USER);
	KUNIT_EXPECT_EQ(test, vcpu->run->notify.flags, 0u);
}

/*
 * Where the bytes of an instruction that exited are gone, the guest may have executed them by a
 * translation that it has not flushed. It is executed anew, and not by that translation.
 */
static void bytes_gone(struct kunit *test)
{
	static const enum exit_kind kinds[] = { EXIT_CPUID, EXIT_HYPERCALL, EXIT_TASK_SWITCH };
	struct vcpu *vcpu = exits_vcpu(test);
	int idx;
	u32 i;

	KUNIT_ASSERT_EQ(test, emulator_init(vcpu), 0);
	vcpu->st.valid |= ST_CODE;
	idx = srcu_read_lock(&vcpu->vm->mmu.srcu);
	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		vcpu->requests = 0;
		memset(&vcpu->facts, 0, sizeof(vcpu->facts));
		vcpu->facts.task.source = TASK_JMP;
		KUNIT_EXPECT_EQ_MSG(test, exits_take(vcpu, kinds[i]), OUTCOME_ENTER, "exit %u", i);
		KUNIT_EXPECT_TRUE_MSG(test, test_bit(REQ_TLB_FLUSH, &vcpu->requests), "exit %u",
				      i);
	}
	srcu_read_unlock(&vcpu->vm->mmu.srcu, idx);
	emulator_free(vcpu);
}

static struct kunit_case exits_cases[] = {
	KUNIT_CASE(bus_lock),
	KUNIT_CASE(notify),
	KUNIT_CASE(bytes_gone),
	{}
};

static struct kunit_suite exits_suite = {
	.name = "ditto_x86_exits",
	.suite_init = state_suite_init,
	.suite_exit = state_suite_exit,
	.init = state_test_init,
	.exit = state_test_exit,
	.test_cases = exits_cases,
};
kunit_test_suite(exits_suite);
