// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VMM's side of code/apic.c: each test as an xAPIC and as an x2APIC.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "guests.h"

#define APIC_ISR	0x100
#define APIC_IRR	0x200

static void need_x2apic(struct vm *vm)
{
	struct kvm_cpuid_entry2 *entry = cpuid_find(cpuid_supported(), 1, 0);

	if (!(entry->ecx & 1 << 21))
		skip("CPUID offers no x2APIC");
	vcpu_set_cpuid(&vm->vcpu[0]);
}

static void need_deadline(struct vm *vm)
{
	struct kvm_cpuid_entry2 *entry = cpuid_find(cpuid_supported(), 1, 0);

	if (vm_cap(vm, KVM_CAP_TSC_DEADLINE_TIMER) <= 0)
		skip("no KVM_CAP_TSC_DEADLINE_TIMER");
	entry->ecx |= 1 << 24 | 1 << 21;
	vcpu_set_cpuid(&vm->vcpu[0]);
}

static bool line_9(struct vcpu *vcpu)
{
	return trace_moves_line(vcpu, 9);
}

static bool line_3(struct vcpu *vcpu)
{
	return trace_moves_line(vcpu, 3);
}

static u32 *vectors(struct kvm_lapic_state *state, u32 set, u8 vector)
{
	return (u32 *)(state->regs + set + vector / 32 * 16);
}

static void check_saved(struct kvm_lapic_state *state)
{
	unsigned int i;

	for (i = 0; i < 256; i += 32) {
		ASSERT_EQ(*vectors(state, APIC_ISR, i), i == 0x80 ? 1u << 17 : 0);
		ASSERT_EQ(*vectors(state, APIC_IRR, i), i == 0x40 ? 1u << 17 : 0);
	}
	ASSERT_EQ((u8)state->regs[0xa0], 0x90);
}

static bool save_and_restore(struct vcpu *vcpu)
{
	struct kvm_lapic_state state, again;
	u32 value;

	if (!traced(vcpu, &value))
		return false;
	CHECKED(ioctl(vcpu->fd, KVM_GET_LAPIC, &state));
	if (value == 1) {
		check_saved(&state);
		*vectors(&state, APIC_IRR, 0x71) |= 1u << 17;
	} else {
		ASSERT_EQ(*vectors(&state, APIC_IRR, 0x61), 1u << 1);
		*vectors(&state, APIC_IRR, 0x61) = 0;
	}
	CHECKED(ioctl(vcpu->fd, KVM_SET_LAPIC, &state));
	CHECKED(ioctl(vcpu->fd, KVM_GET_LAPIC, &again));
	ASSERT(!memcmp(&state, &again, sizeof(state)));
	return true;
}

static void *send_all(void *arg)
{
	struct kvm_msi msi = { .address_lo = 0xfee00000, .data = 0x81 };
	struct vm *vm = arg;
	volatile u32 *count = vm_symbol(vm, "g_count");
	u32 i;

	for (i = 0; i < GUEST_SENT; i++) {
		ASSERT_EQ(CHECKED(ioctl(vm->fd, KVM_SIGNAL_MSI, &msi)), 1);
		while (count[0x81] == i)
			sched_yield();
	}
	return NULL;
}

/* How often the only vCPU left the guest, where the module tells. */
static void report_exits(void)
{
	FILE *file = fopen("/sys/kernel/debug/ditto/exits", "r");
	unsigned long long sum = 0, count;

	if (!file)
		return;
	if (fscanf(file, "vm %*u vcpu %*u:") == 0)
		while (fscanf(file, " %*s %llu", &count) == 1)
			sum += count;
	fclose(file);
	printf("# %d interrupts, %llu exits\n", GUEST_SENT, sum);
}

static bool send_and_count(struct vcpu *vcpu)
{
	static pthread_t thread;
	u32 value;

	if (!traced(vcpu, &value))
		return false;
	if (value == 1) {
		ASSERT(!pthread_create(&thread, NULL, send_all, vcpu->vm));
	} else {
		pthread_join(thread, NULL);
		report_exits();
	}
	return true;
}

#define BOTH(what, ...)							\
	{ .name = what "_xapic", .entry = "g_apic_" what, __VA_ARGS__ },	\
	{ .name = what "_x2apic", .entry = "g_apic_" what, .arg = 1,		\
	  .before = need_x2apic, __VA_ARGS__ }

static const struct guest_test tests[] = {
	BOTH("registers"),
	BOTH("tpr"),
	BOTH("nested"),
	BOTH("level", .on_exit = line_9),
	BOTH("masked"),
	BOTH("self_ipi"),
	{ .name = "timer_xapic", .entry = "g_apic_timer", .before = need_deadline },
	{ .name = "timer_x2apic", .entry = "g_apic_timer", .arg = 1, .before = need_deadline },
	BOTH("extint", .on_exit = line_3),
	BOTH("state", .on_exit = save_and_restore),
	BOTH("sent", .on_exit = send_and_count, .seconds = 60),
	{ .name = "hole", .entry = "g_apic_hole", .before = need_x2apic },
	{ .name = "modes", .entry = "g_apic_modes", .before = need_x2apic },
};

const struct guest_group apic_group = { "apic", tests, ARRAY_SIZE(tests) };
