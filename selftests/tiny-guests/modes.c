// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VMM's side of code/modes.S.
 */
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "guests.h"

#define CR0_REAL 0x60000010
#define CR0_PROT 0x60000011
#define CR0_PAGED 0xe0000011

/* A flat page below 4 GiB with a far jump at the reset vector. */
static void put_reset_vector(struct vm *vm)
{
	static const u8 jump[] = { 0xea };
	u8 *rom = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	u16 target = image_symbol("m_reset"), segment = 0;

	memcpy(rom + 0xff0, jump, 1);
	memcpy(rom + 0xff1, &target, 2);
	memcpy(rom + 0xff3, &segment, 2);
	CHECKED(vm_set_slot(vm, 1, KVM_MEM_READONLY, 0xfffff000, PAGE_SIZE, rom));
	ASSERT_EQ(vcpu_regs(&vm->vcpu[0]).rip, 0xfff0);
	ASSERT_EQ(vcpu_regs(&vm->vcpu[0]).rflags, 2);
	ASSERT_EQ(vcpu_sregs(&vm->vcpu[0]).cs.base, 0xffff0000);
	ASSERT_EQ(vcpu_sregs(&vm->vcpu[0]).cs.selector, 0xf000);
}

static void check_efer(struct vm *vm)
{
	ASSERT_EQ(vcpu_sregs(&vm->vcpu[0]).efer & 0x500, 0);
	ASSERT_EQ(vcpu_sregs(&vm->vcpu[0]).cr0 & 0x80000001, 0);
}

/* TR is as LTR left it, and stays so. */
static bool set_segments(struct vcpu *vcpu)
{
	struct kvm_sregs sregs;
	u32 value;

	if (!traced(vcpu, &value) || value != 3)
		return false;
	sregs = vcpu_sregs(vcpu);
	ASSERT_EQ(sregs.tr.selector, 0x30);
	ASSERT_EQ(sregs.tr.type, 11);
	CHECKED(ioctl(vcpu->fd, KVM_SET_SREGS, &sregs));
	return true;
}

/* What a GET gave, a SET takes, whatever mode the guest is in; and nothing changes. */
static bool round_trip(struct vcpu *vcpu)
{
	struct kvm_sregs sregs = vcpu_sregs(vcpu), again;
	struct kvm_vcpu_events events;
	struct kvm_debugregs debug;

	if (!tap.ditto)
		return false;
	CHECKED(ioctl(vcpu->fd, KVM_SET_SREGS, &sregs));
	again = vcpu_sregs(vcpu);
	ASSERT(!memcmp(&sregs, &again, sizeof(sregs)));
	CHECKED(ioctl(vcpu->fd, KVM_GET_VCPU_EVENTS, &events));
	CHECKED(ioctl(vcpu->fd, KVM_SET_VCPU_EVENTS, &events));
	CHECKED(ioctl(vcpu->fd, KVM_GET_DEBUGREGS, &debug));
	CHECKED(ioctl(vcpu->fd, KVM_SET_DEBUGREGS, &debug));
	return false;
}

static void needs_long_bit(struct vm *vm)
{
	bochs_amd_lacks("this CPU's VMRUN refuses CS.L with CS.D in every mode");
}

static const struct guest_test tests[] = {
	{ .name = "m_reset", .mode = MODE_RESET, .before = put_reset_vector,
	  .on_exit = round_trip,
	  TRACES(0x60000010) },
	{ .name = "m_real", .mode = MODE_REAL, .on_exit = round_trip,
	  TRACES(0xbeef, 0x60, 0x111, 0xde, 0x222) },
	{ .name = "m_unreal", .mode = MODE_REAL, .on_exit = round_trip,
	  TRACES(0x77777777, 0x0102) },
	{ .name = "m_long_bit", .mode = MODE_PROT32, .before = needs_long_bit,
	  .on_exit = round_trip, TRACES(0x30, 0x31) },
	{ .name = "m_prot32", .mode = MODE_PROT32, .on_exit = round_trip,
	  TRACES(0x11223345, 0x04030201, 0x11223345, 0x1230) },
	{ .name = "m_rings", .mode = MODE_PROT32, .on_exit = set_segments,
	  TRACES(0x303000) },
	{ .name = "m_climb", .mode = MODE_REAL, .on_exit = round_trip, .after = check_efer,
	  TRACES(CR0_REAL, CR0_PROT, CR0_PAGED, 0xcafe, 0xbabe, 0xcafe, 0x500, 0x12345678,
		 0x100, 0x16, 0x17, 0x60, CR0_REAL) },
};

const struct guest_group mode_group = { "mode", tests, ARRAY_SIZE(tests) };
