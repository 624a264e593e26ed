// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VMM's side of code/events.c: events that KVM_SET_VCPU_EVENTS puts into a vCPU.
 */
#include <sys/ioctl.h>

#include "guests.h"

#define READY 0x5e7

static void has_int1(struct vm *vm)
{
	ASSERT_EQ(vm->nr_traces, 1);
	if (vm->traces[0] == 6)
		skip("this CPU has no INT1");
	ASSERT_EQ(vm->traces[0], 1);
}

static bool ready(struct vcpu *vcpu, struct kvm_vcpu_events *events)
{
	u32 value;

	if (!traced(vcpu, &value) || value != READY)
		return false;
	CHECKED(ioctl(vcpu->fd, KVM_GET_VCPU_EVENTS, events));
	return true;
}

static void set_events(struct vcpu *vcpu, const struct kvm_vcpu_events *events)
{
	CHECKED(ioctl(vcpu->fd, KVM_SET_VCPU_EVENTS, events));
}

static bool inject_exception(struct vcpu *vcpu, u8 nr)
{
	struct kvm_vcpu_events events;

	if (!ready(vcpu, &events))
		return false;
	events.exception.injected = 1;
	events.exception.nr = nr;
	/* Neither has an error code: said by mistake, it must not reach the CPU. */
	events.exception.has_error_code = 1;
	events.exception.error_code = 0x12345678;
	set_events(vcpu, &events);
	return true;
}

static bool inject_int3(struct vcpu *vcpu)
{
	return inject_exception(vcpu, 3);
}

static bool inject_into(struct vcpu *vcpu)
{
	return inject_exception(vcpu, 4);
}

static bool inject_int_n(struct vcpu *vcpu)
{
	struct kvm_vcpu_events events;

	if (!ready(vcpu, &events))
		return false;
	events.interrupt.injected = 1;
	events.interrupt.soft = 1;
	events.interrupt.nr = 0x80;
	set_events(vcpu, &events);
	return true;
}

static void needs_next_rip(struct vm *vm)
{
	bochs_amd_lacks("this CPU injects software events without the VMCB's next-RIP");
}

/* #GP without the error code that it always has, and with more than the CPU has of it. */
static bool inject_gp(struct vcpu *vcpu)
{
	struct kvm_vcpu_events events;

	if (!ready(vcpu, &events))
		return false;
	events.exception.injected = 1;
	events.exception.nr = 13;
	set_events(vcpu, &events);
	return true;
}

static bool inject_gp_wide(struct vcpu *vcpu)
{
	struct kvm_vcpu_events events;

	if (!ready(vcpu, &events))
		return false;
	events.exception.injected = 1;
	events.exception.nr = 13;
	events.exception.has_error_code = 1;
	events.exception.error_code = 0xabcd1238;
	set_events(vcpu, &events);
	return true;
}

/* The CPU can have one of them: MOV SS holds off what STI does, and more. */
static void both_shadows(struct vm *vm)
{
	const struct kvm_vcpu_events both = {
		.flags = KVM_VCPUEVENT_VALID_SHADOW,
		.interrupt.shadow = KVM_X86_SHADOW_INT_STI | KVM_X86_SHADOW_INT_MOV_SS,
	};

	set_events(&vm->vcpu[0], &both);
}

static void four_banks(struct vm *vm)
{
	CHECKED(ioctl(vm->vcpu[0].fd, KVM_X86_SETUP_MCE, &(u64) { 0x104 }));
}

static bool report_error(struct vcpu *vcpu)
{
	static struct kvm_x86_mce mce;
	u32 value;

	if (!traced(vcpu, &value))
		return false;
	mce = (struct kvm_x86_mce) { .status = 0xbe00000000000135, .mcg_status = 5, .bank = 2,
				     .addr = mce.addr ? mce.addr + 1 : 0x1234000 };
	CHECKED(ioctl(vcpu->fd, KVM_X86_SET_MCE, &mce));
	return true;
}

static const struct guest_test tests[] = {
	{ .name = "g_int1", .after = has_int1 },
	{ .name = "soft_int3", .entry = "g_soft_event", .arg = 3, .before = needs_next_rip,
	  .on_exit = inject_int3, TRACES(1) },
	{ .name = "soft_into", .entry = "g_soft_event", .arg = 4, .before = needs_next_rip,
	  .on_exit = inject_into, TRACES(1) },
	{ .name = "soft_int_n", .entry = "g_soft_event", .arg = 0x80, .before = needs_next_rip,
	  .on_exit = inject_int_n, TRACES(2) },
	{ .name = "gp_without_error", .entry = "g_soft_event", .arg = 13, .on_exit = inject_gp,
	  TRACES(0) },
	{ .name = "gp_wide_error", .entry = "g_soft_event", .arg = 13, .on_exit = inject_gp_wide,
	  TRACES(0) },
	{ .name = "g_machine_check", .before = four_banks, .on_exit = report_error },
	{ .name = "both_shadows", .entry = "g_nothing", .before = both_shadows },
};

const struct guest_group event_group = { "event", tests, ARRAY_SIZE(tests) };
