// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VMM's side of code/faults.c.
 */
#include "guests.h"

static const struct guest_test tests[] = {
	{ .name = "g_fault_simple" },
	{ .name = "g_fault_idt_limit" },
	{ .name = "g_fault_page" },
	{ .name = "g_fault_execute" },
	{ .name = "g_fault_reserved" },
	{ .name = "g_fault_accessed_dirty" },
	{ .name = "g_fault_double" },
	{ .name = "g_fault_not_present" },
	{ .name = "g_fault_stack" },
	{ .name = "g_fault_fresh_stack" },
	{ .name = "g_fault_jump" },
	{ .name = "g_fault_garbage" },
	{ .name = "g_fault_no_gdt", .exit = KVM_EXIT_SHUTDOWN },
	{ .name = "g_fault_triple", .exit = KVM_EXIT_SHUTDOWN },
	{ .name = "g_syscall" },
};

const struct guest_group fault_group = { "fault", tests, ARRAY_SIZE(tests) };
