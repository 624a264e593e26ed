// SPDX-License-Identifier: GPL-2.0-only
/*
 * vCPUs with ids, and so APIC ids, that do not fit into a byte: which there can be, and how
 * messages find them. Stock KVM passes, too.
 */
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "vm.h"

#define FAR	300u
#define X2APIC	0xfee00c00ul
/* Registers of the local APIC. */
#define SVR	0xf0
#define ISR_IRR	0x200

static int add(struct vm *vm, unsigned long id)
{
	return ioctl(vm->fd, KVM_CREATE_VCPU, id);
}

static void *reg(struct kvm_lapic_state *state, u32 offset)
{
	return state->regs + offset;
}

/* An x2APIC that takes interrupts. */
static struct vcpu *add_on(struct vm *vm, unsigned int id)
{
	struct vcpu *vcpu = vm_add_vcpu(vm, id);
	struct kvm_lapic_state state;

	ASSERT_EQ(vcpu_try_set_msr(vcpu, 0x1b, X2APIC | (id ? 0 : 0x100)), 1);
	CHECKED(ioctl(vcpu->fd, KVM_GET_LAPIC, &state));
	ASSERT_EQ(*(u32 *)reg(&state, 0x20), id);
	*(u32 *)reg(&state, SVR) = 0x1ff;
	CHECKED(ioctl(vcpu->fd, KVM_SET_LAPIC, &state));
	return vcpu;
}

static struct vm *machine(void)
{
	struct vm *vm = vm_new(&(struct vm_config) { .empty = true });

	CHECKED(ioctl(vm->fd, KVM_ENABLE_CAP, &(struct kvm_enable_cap) {
		.cap = KVM_CAP_X2APIC_API, .args[0] = 3 }));
	return vm;
}

/* How many took it. */
static int send(struct vm *vm, u32 dest, bool logical, u8 vector)
{
	struct kvm_msi msi = {
		.address_lo = 0xfee00000 | (dest & 0xff) << 12 | logical << 2,
		.address_hi = dest & ~0xffu, .data = vector,
	};

	return ioctl(vm->fd, KVM_SIGNAL_MSI, &msi);
}

static bool got(struct vcpu *vcpu, u8 vector)
{
	struct kvm_lapic_state state;

	CHECKED(ioctl(vcpu->fd, KVM_GET_LAPIC, &state));
	return *(u32 *)reg(&state, ISR_IRR + vector / 32 * 16) & 1u << vector % 32;
}

static void limits(const void *arg)
{
	struct vm *vm = vm_new(&(struct vm_config) { .empty = true });
	long ids = vm_cap(vm, KVM_CAP_MAX_VCPU_ID), most = vm_cap(vm, KVM_CAP_MAX_VCPUS);
	/* All that there can be take minutes; KVM's kvm_create_max_vcpus makes them. */
	long i, last = 1100;
	struct rlimit files = { last + 128, last + 128 };

	ASSERT(ids >= most && most >= 1024 && (!tap.ditto || most == 4096));
	ASSERT_ERRNO(add(vm, ids), EINVAL);
	ASSERT_ERRNO(add(vm, 1ul << 32), EINVAL);
	ASSERT_ERRNO(add(vm, -1ul), EINVAL);
	CHECKED(add(vm, ids - 1));
	ASSERT_ERRNO(add(vm, ids - 1), EEXIST);
	CHECKED(add(vm, FAR));
	ASSERT_ERRNO(add(vm, FAR), EEXIST);
	if (!tap.ditto || setrlimit(RLIMIT_NOFILE, &files)) {
		vm_free(vm);
		return;
	}
	for (i = 0; i < last; i++)
		CHECKED(add(vm, i < FAR ? i : i + 1));
	vm_free(vm);
}

static void messages(const void *arg)
{
	struct vm *vm = machine();
	struct vcpu *near = add_on(vm, 0), *far = add_on(vm, FAR);
	const u32 last = vm_cap(vm, KVM_CAP_MAX_VCPU_ID) - 96;
	struct vcpu *farther = add_on(vm, last);

	ASSERT_EQ(send(vm, FAR, false, 0x61), 1);
	ASSERT(!got(near, 0x61) && got(far, 0x61) && !got(farther, 0x61));
	ASSERT_EQ(send(vm, last, false, 0x62), 1);
	ASSERT(!got(near, 0x62) && !got(far, 0x62) && got(farther, 0x62));
	ASSERT(send(vm, FAR + 1, false, 0x63) <= 0);
	ASSERT(send(vm, FAR - 256, false, 0x63) <= 0);
	ASSERT(send(vm, 0x10000000, false, 0x63) <= 0);
	/* By the logical id, in which 16 ids are a cluster. */
	ASSERT_EQ(send(vm, (FAR / 16) << 16 | 1 << FAR % 16, true, 0x64), 1);
	ASSERT(!got(near, 0x64) && got(far, 0x64) && !got(farther, 0x64));
	ASSERT(send(vm, (FAR / 16) << 16 | (0xffff ^ 1 << FAR % 16), true, 0x65) <= 0);
	ASSERT_EQ(send(vm, 1, true, 0x66), 1);
	ASSERT(got(near, 0x66) && !got(far, 0x66) && !got(farther, 0x66));
	/* To all. */
	ASSERT_EQ(send(vm, -1u, false, 0x67), 3);
	ASSERT(got(near, 0x67) && got(far, 0x67) && got(farther, 0x67));
	ASSERT(!got(near, 0x63) && !got(far, 0x63) && !got(farther, 0x63));
	vm_free(vm);
}

static const struct tap_test tests[] = {
	{ "limits", limits, .seconds = 120 },
	{ "messages", messages },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, tests, ARRAY_SIZE(tests));
}
