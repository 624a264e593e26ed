// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VMM's side of code/faults.c.
 */
#include "guests.h"

/* AMD's CPUs leave nothing of a guest that shut down: it is as after INIT. Any runs again. */
static void again(struct vm *vm)
{
	struct vcpu *vcpu = &vm->vcpu[0];

	if (cpuid_find(cpuid_supported(), 0, 0)->ebx == 0x68747541) {
		ASSERT_EQ(vcpu_regs(vcpu).rip, 0xfff0);
		ASSERT_EQ(vcpu_regs(vcpu).rflags, 2);
		ASSERT_EQ(vcpu_regs(vcpu).rsp, 0);
		ASSERT_EQ(vcpu_sregs(vcpu).cs.base, 0xffff0000);
		ASSERT_EQ(vcpu_sregs(vcpu).cr0 & 0x80000001, 0);
		ASSERT_EQ(vcpu_sregs(vcpu).efer, 0);
		ASSERT_EQ(vcpu_msr(vcpu, 0xc0000082), 0x123456789000);	/* INIT keeps LSTAR */
	}
	vm_call(vm, "g_arith", 0);
}

static void set_lstar(struct vm *vm)
{
	ASSERT_EQ(vcpu_try_set_msr(&vm->vcpu[0], 0xc0000082, 0x123456789000), 1);
}

/* #PF exits there, is injected, and a fault of its delivery should be double. */
static void no_double_fault(struct vm *vm)
{
	qemu_shadow_lacks("this CPU forgets that it was to inject an exception");
}

static const struct guest_test tests[] = {
	{ .name = "g_fault_simple" },
	{ .name = "g_fault_idt_limit" },
	{ .name = "g_fault_page" },
	{ .name = "g_fault_execute" },
	{ .name = "g_fault_reserved" },
	{ .name = "g_fault_accessed_dirty" },
	{ .name = "g_fault_double", .before = no_double_fault },
	{ .name = "g_fault_not_present" },
	{ .name = "g_fault_stack" },
	{ .name = "g_fault_fresh_stack" },
	{ .name = "g_fault_jump" },
	{ .name = "g_fault_garbage" },
	{ .name = "g_fault_no_gdt", .exit = KVM_EXIT_SHUTDOWN },
	{ .name = "g_fault_triple", .exit = KVM_EXIT_SHUTDOWN, .before = set_lstar,
	  .after = again },
	{ .name = "g_syscall" },
};

const struct guest_group fault_group = { "fault", tests, ARRAY_SIZE(tests) };
