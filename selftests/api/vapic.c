// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_TPR_ACCESS_REPORTING and KVM_SET_VAPIC_ADDR: what of a guest's task priority the VMM
 * hears of, and a priority that is in the guest's memory.
 */
#include <sys/ioctl.h>

#include "vm.h"

static void report(struct vcpu *vcpu, u32 enabled)
{
	struct kvm_tpr_access_ctl ctl = { .enabled = enabled };

	CHECKED(ioctl(vcpu->fd, KVM_TPR_ACCESS_REPORTING, &ctl));
	ASSERT_EQ(ctl.enabled, enabled);
}

static void reported(struct vcpu *vcpu, const char *symbol, bool write)
{
	ASSERT_EQ(vcpu_run(vcpu), KVM_EXIT_TPR_ACCESS);
	ASSERT_EQ(vcpu->run->tpr_access.rip, image_symbol(symbol));
	ASSERT_EQ(vcpu->run->tpr_access.is_write, write);
}

/* The access is made, and then told of. */
static void reporting(const void *arg)
{
	struct vm *vm = vm_new(NULL);
	struct vcpu *vcpu = &vm->vcpu[0];
	struct kvm_lapic_state lapic;

	vcpu_call(vcpu, "g_tpr_accesses", 0);
	report(vcpu, 1);
	reported(vcpu, "d_tpr_write", true);
	CHECKED(ioctl(vcpu->fd, KVM_GET_LAPIC, &lapic));
	ASSERT_EQ(*(u32 *)&lapic.regs[0x80], 0x30);
	reported(vcpu, "d_tpr_read", false);
	report(vcpu, 0);
	vcpu_run_done(vcpu);
	vm_free(vm);
}

static void memory(const void *arg)
{
	struct kvm_vapic_addr addr = { .vapic_addr = GUEST_FREE };
	struct vm *vm = vm_new(NULL);
	struct vcpu *vcpu = &vm->vcpu[0];

	vcpu_call(vcpu, "g_tpr_memory", 0);
	CHECKED(ioctl(vcpu->fd, KVM_SET_VAPIC_ADDR, &addr));
	vcpu_run_done(vcpu);
	addr.vapic_addr = 0;
	CHECKED(ioctl(vcpu->fd, KVM_SET_VAPIC_ADDR, &addr));
	vm_call(vm, "g_arith", 0);
	vm_free(vm);
}

static void refused(const void *arg)
{
	struct kvm_vapic_addr addr = { .vapic_addr = 1ull << 45 };
	struct kvm_tpr_access_ctl ctl = { .flags = 1 };
	struct vm *vm = vm_new(NULL), *without = vm_new(&(struct vm_config) { .no_irqchip = true });

	ASSERT_EQ(vm_cap(vm, KVM_CAP_VAPIC), 1);
	ASSERT_ERRNO(ioctl(vm->vcpu[0].fd, KVM_TPR_ACCESS_REPORTING, &ctl), EINVAL);
	ASSERT_ERRNO(ioctl(vm->vcpu[0].fd, KVM_TPR_ACCESS_REPORTING, 8), EFAULT);
	ASSERT_ERRNO(ioctl(vm->vcpu[0].fd, KVM_SET_VAPIC_ADDR, &addr), EINVAL);
	ASSERT_ERRNO(ioctl(vm->vcpu[0].fd, KVM_SET_VAPIC_ADDR, 8), EFAULT);
	addr.vapic_addr = GUEST_FREE;
	ASSERT_ERRNO(ioctl(without->vcpu[0].fd, KVM_SET_VAPIC_ADDR, &addr), EINVAL);
	vm_free(without);
	vm_free(vm);
}

static const struct tap_test tests[] = {
	{ "reporting", reporting },
	{ "memory", memory },
	{ "refused", refused },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, tests, ARRAY_SIZE(tests));
}
