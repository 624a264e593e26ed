// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit: exits that only few CPUs have: after a bus lock, and when nothing could come in
 * between for too long.
 */
#include <linux/kvm.h>

#include "x86/machine/vm.h"
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

static struct kunit_case exits_cases[] = {
	KUNIT_CASE(bus_lock),
	KUNIT_CASE(notify),
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
