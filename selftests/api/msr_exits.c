// SPDX-License-Identifier: GPL-2.0-only
/*
 * MSRs that the VMM denies to a guest (KVM_X86_SET_MSR_FILTER), and accesses that it answers
 * itself (KVM_CAP_X86_USER_SPACE_MSR).
 */
#include <string.h>
#include <sys/ioctl.h>

#include "knobs.h"
#include "vm.h"

#define IGNORE_MSRS	"/sys/module/ditto/parameters/ignore_msrs"

#define LSTAR		0xc0000082	/* needs no exit */
#define UNKNOWN		0x12345
#define DONE_GP		13

static int set_exits(struct vm *vm, u64 reasons)
{
	return ioctl(vm->fd, KVM_ENABLE_CAP, &(struct kvm_enable_cap) {
		.cap = KVM_CAP_X86_USER_SPACE_MSR, .args[0] = reasons });
}

/* Deny what @flags says of @nr MSRs from @base on. */
static int deny(struct vm *vm, u32 flags, u32 base, u32 nr)
{
	static u8 none[0x1000];
	struct kvm_msr_filter filter = {
		.ranges[3] = { .flags = flags, .base = base, .nmsrs = nr, .bitmap = none },
	};

	return ioctl(vm->fd, KVM_X86_SET_MSR_FILTER, &filter);
}

static void arguments(const void *arg)
{
	struct vm *vm = vm_new(NULL);
	struct kvm_msr_filter filter = { .flags = KVM_MSR_FILTER_DEFAULT_DENY };

	ASSERT_EQ(vm_cap(vm, KVM_CAP_X86_USER_SPACE_MSR), 1);
	ASSERT_EQ(vm_cap(vm, KVM_CAP_X86_MSR_FILTER), 1);
	ASSERT_ERRNO(set_exits(vm, 1ull << 20), EINVAL);
	ASSERT_ERRNO(ioctl(vm->fd, KVM_X86_SET_MSR_FILTER, 8), EFAULT);
	/* Everything denied, and no range to say what is not. */
	ASSERT_ERRNO(ioctl(vm->fd, KVM_X86_SET_MSR_FILTER, &filter), EINVAL);
	filter.flags = 2;
	ASSERT_ERRNO(ioctl(vm->fd, KVM_X86_SET_MSR_FILTER, &filter), EINVAL);
	filter.flags = 0;
	filter.ranges[1] = (struct kvm_msr_filter_range) { .flags = 1, .nmsrs = 9,
							    .bitmap = (void *)8 };
	ASSERT_ERRNO(ioctl(vm->fd, KVM_X86_SET_MSR_FILTER, &filter), EFAULT);
	ASSERT_ERRNO(deny(vm, 0, LSTAR, 1), EINVAL);
	ASSERT_ERRNO(deny(vm, 4, LSTAR, 1), EINVAL);
	ASSERT_ERRNO(deny(vm, KVM_MSR_FILTER_READ, 0, 0x600 * 8 + 1), EINVAL);
	ASSERT_ERRNO(deny(vm, KVM_MSR_FILTER_READ, 0, ~0u), EINVAL);
	CHECKED(deny(vm, KVM_MSR_FILTER_READ, 0, 0x600 * 8));
	filter = (struct kvm_msr_filter) { };
	CHECKED(ioctl(vm->fd, KVM_X86_SET_MSR_FILTER, &filter));
	vm_call(vm, "g_msr_plain", 0);
	vm_free(vm);
}

/* The guest reads, or writes @arg >> 32 to, the MSR; it traces the value or the trap. */
static void begin(struct vcpu *vcpu, bool write, u32 msr, u32 value)
{
	vcpu_call(vcpu, write ? "g_msr_write" : "g_msr_read", (u64)value << 32 | msr);
}

static void want_trace(struct vcpu *vcpu, u32 value)
{
	vcpu->vm->nr_traces = 0;
	vcpu_run_done(vcpu);
	ASSERT_EQ(vcpu->vm->nr_traces, 1);
	ASSERT_EQ(vcpu->vm->traces[0], value);
}

static void want_exit(struct vcpu *vcpu, u32 exit, u32 msr, u32 reason)
{
	ASSERT_EQ(vcpu_enter(vcpu), (int)exit);
	ASSERT_EQ(vcpu->run->msr.index, msr);
	ASSERT_EQ(vcpu->run->msr.reason, reason);
	ASSERT_EQ(vcpu->run->msr.error, 0);
}

static void denied(const void *arg)
{
	struct vm *vm = vm_new(NULL);
	struct vcpu *vcpu = &vm->vcpu[0];

	begin(vcpu, true, LSTAR, 0x1234);
	want_trace(vcpu, 0);
	CHECKED(deny(vm, KVM_MSR_FILTER_WRITE, LSTAR - 2, 5));
	begin(vcpu, true, LSTAR, 0x5678);
	want_trace(vcpu, DONE_GP);
	begin(vcpu, false, LSTAR, 0);
	want_trace(vcpu, 0x1234);
	/* The VMM itself is not concerned. */
	ASSERT_EQ(vcpu_try_set_msr(vcpu, LSTAR, 0x9abc), 1);
	CHECKED(deny(vm, KVM_MSR_FILTER_READ, LSTAR, 1));
	begin(vcpu, false, LSTAR, 0);
	want_trace(vcpu, DONE_GP);
	begin(vcpu, true, LSTAR, 0xdef0);
	want_trace(vcpu, 0);
	CHECKED(deny(vm, 0, 0, 0));
	begin(vcpu, false, LSTAR, 0);
	want_trace(vcpu, 0xdef0);
	vm_free(vm);
}

/* What is denied is the VMM's to answer. */
static void answered(const void *arg)
{
	struct vm *vm = vm_new(NULL);
	struct vcpu *vcpu = &vm->vcpu[0];

	CHECKED(set_exits(vm, KVM_MSR_EXIT_REASON_FILTER));
	CHECKED(deny(vm, KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE, LSTAR, 1));
	begin(vcpu, false, LSTAR, 0);
	want_exit(vcpu, KVM_EXIT_X86_RDMSR, LSTAR, KVM_MSR_EXIT_REASON_FILTER);
	vcpu->run->msr.data = 0x11223344;
	want_trace(vcpu, 0x11223344);
	begin(vcpu, true, LSTAR, 0x777);
	want_exit(vcpu, KVM_EXIT_X86_WRMSR, LSTAR, KVM_MSR_EXIT_REASON_FILTER);
	ASSERT_EQ(vcpu->run->msr.data, 0x777);
	want_trace(vcpu, 0);
	ASSERT_EQ(vcpu_msr(vcpu, LSTAR), 0);
	begin(vcpu, false, LSTAR, 0);
	want_exit(vcpu, KVM_EXIT_X86_RDMSR, LSTAR, KVM_MSR_EXIT_REASON_FILTER);
	vcpu->run->msr.error = 1;
	want_trace(vcpu, DONE_GP);
	/* Nobody asked about unknown ones. */
	begin(vcpu, false, UNKNOWN, 0);
	want_trace(vcpu, DONE_GP);
	vm_free(vm);
}

static void reasons(const void *arg)
{
	struct vm *vm = vm_new(NULL);
	struct vcpu *vcpu = &vm->vcpu[0];

	CHECKED(set_exits(vm, KVM_MSR_EXIT_REASON_UNKNOWN | KVM_MSR_EXIT_REASON_INVAL));
	begin(vcpu, false, UNKNOWN, 0);
	want_exit(vcpu, KVM_EXIT_X86_RDMSR, UNKNOWN, KVM_MSR_EXIT_REASON_UNKNOWN);
	vcpu->run->msr.data = 5;
	want_trace(vcpu, 5);
	begin(vcpu, true, UNKNOWN, 6);
	want_exit(vcpu, KVM_EXIT_X86_WRMSR, UNKNOWN, KVM_MSR_EXIT_REASON_UNKNOWN);
	vcpu->run->msr.error = 1;
	want_trace(vcpu, DONE_GP);
	/* Off again. */
	CHECKED(set_exits(vm, 0));
	begin(vcpu, false, UNKNOWN, 0);
	want_trace(vcpu, DONE_GP);
	vm_free(vm);
}

/* Unknown ones are 0 where the host's operator wants that; nobody is asked about them. */
static void ignored(const void *arg)
{
	struct vm *vm = vm_new(NULL);
	struct vcpu *vcpu = &vm->vcpu[0];

	need_ditto();
	CHECKED(knob_write_text(IGNORE_MSRS, "Y"));
	CHECKED(set_exits(vm, KVM_MSR_EXIT_REASON_UNKNOWN));
	begin(vcpu, true, UNKNOWN, 6);
	want_trace(vcpu, 0);
	begin(vcpu, false, UNKNOWN, 0);
	want_trace(vcpu, 0);
	ASSERT_EQ(vcpu_try_set_msr(vcpu, UNKNOWN, 6), 1);
	ASSERT_EQ(vcpu_msr(vcpu, UNKNOWN), 0);
	/* What is known keeps its rules. */
	ASSERT_EQ(vcpu_try_set_msr(vcpu, LSTAR, 1ull << 63), 0);
	CHECKED(knob_write_text(IGNORE_MSRS, "N"));
	begin(vcpu, false, UNKNOWN, 0);
	want_exit(vcpu, KVM_EXIT_X86_RDMSR, UNKNOWN, KVM_MSR_EXIT_REASON_UNKNOWN);
	vm_free(vm);
}

static void *change_rules(void *arg)
{
	struct vm *vm = arg;
	unsigned int i;

	for (i = 0; i < 300; i++) {
		CHECKED(deny(vm, i & 1 ? KVM_MSR_FILTER_READ : 0, i & 1 ? LSTAR : 0, i & 1));
		CHECKED(set_exits(vm, i & 2 ? KVM_MSR_EXIT_REASON_UNKNOWN : 0));
		CHECKED(ioctl(vm->fd, KVM_ENABLE_CAP, &(struct kvm_enable_cap) {
			.cap = KVM_CAP_DISABLE_QUIRKS2, .args[0] = i & 7 }));
	}
	return NULL;
}

/* The guest meets the old rule or the new one, and never something between them. */
static void raced(const void *arg)
{
	struct vm *vm = vm_new(NULL);
	struct vcpu *vcpu = &vm->vcpu[0];
	pthread_t other;
	u64 got;

	ASSERT_EQ(vcpu_try_set_msr(vcpu, LSTAR, 0x1234), 1);
	ASSERT_EQ(pthread_create(&other, NULL, change_rules, vm), 0);
	do {
		begin(vcpu, false, LSTAR, 0);
		vm->nr_traces = 0;
		vcpu_run_done(vcpu);
		ASSERT_EQ(vm->nr_traces, 1);
		got = vm->traces[0];
		ASSERT(got == 0x1234 || got == DONE_GP);
	} while (pthread_tryjoin_np(other, NULL));
	vm_free(vm);
}

/* An answer to an instruction that is not there any more is dropped. */
static void moved_on(const void *arg)
{
	struct vm *vm = vm_new(NULL);
	struct vcpu *vcpu = &vm->vcpu[0];

	if (!tap.ditto)
		skip("stock KVM completes whatever is there");
	CHECKED(set_exits(vm, KVM_MSR_EXIT_REASON_UNKNOWN));
	begin(vcpu, false, UNKNOWN, 0);
	want_exit(vcpu, KVM_EXIT_X86_RDMSR, UNKNOWN, KVM_MSR_EXIT_REASON_UNKNOWN);
	vcpu->run->msr.error = 1;
	vcpu_call(vcpu, "g_arith", 0);
	vcpu_run_done(vcpu);
	vm_free(vm);
}

static const struct tap_test tests[] = {
	{ "arguments", arguments },
	{ "denied", denied },
	{ "answered", answered },
	{ "reasons", reasons },
	{ "ignored", ignored },
	{ "raced", raced },
	{ "moved_on", moved_on },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, tests, ARRAY_SIZE(tests));
}
