// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VMM's side of code/mmio.c.
 */
#include <errno.h>
#include <sys/ioctl.h>

#include "guests.h"

#define W(offset, n, v) { .addr = GUEST_MMIO + (offset), .mmio = true, .write = true, \
			  .len = n, .data = v }
#define R(offset, n, v) { .addr = GUEST_MMIO + (offset), .mmio = true, .len = n, .data = v }

/* The instruction's bytes are in the exit, beginning at its first. */
static void check_bytes(struct vm *vm)
{
	struct vcpu *vcpu = &vm->vcpu[0];
	const u8 *code = vm_symbol(vm, "g_mmio_unknown_at");

	ASSERT_EQ(vcpu_regs(vcpu).rip, image_symbol("g_mmio_unknown_at"));
	ASSERT_EQ(vcpu->run->internal.suberror, KVM_INTERNAL_ERROR_EMULATION);
	ASSERT(vcpu->run->emulation_failure.ndata >= 3);
	ASSERT(vcpu->run->emulation_failure.flags &
	       KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES);
	ASSERT(vcpu->run->emulation_failure.insn_size >= 4);
	ASSERT(!memcmp(vcpu->run->emulation_failure.insn_bytes, code, 4));
}

/* The VMM wants to deal with user mode's, too. */
static void want_failures(struct vm *vm)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_EXIT_ON_EMULATION_FAILURE, .args = { 2 } };

	ASSERT_ERRNO(ioctl(vm->fd, KVM_ENABLE_CAP, &cap), EINVAL);
	cap.args[0] = 1;
	CHECKED(ioctl(vm->fd, KVM_ENABLE_CAP, &cap));
}

static void needs_bits(struct vm *vm)
{
	const struct kvm_cpuid_entry2 *leaf = cpuid_find(cpuid_supported(), 7, 0);

	/* BMI1, BMI2; CPUs that have them have the rest, too */
	if (!leaf || (leaf->ebx & 0x108) != 0x108)
		skip("the CPU has no BMI");
}

static const struct guest_test tests[] = {
	{ .name = "g_mmio_widths",
	  LOG(W(0, 1, 0x11), W(2, 2, 0x2222), W(4, 4, 0x44444444), W(8, 8, 0x8888888899999999),
	      R(0, 1, 0x11), R(2, 2, 0x2222), R(4, 4, 0x44444444), R(8, 8, 0x8888888899999999)) },
	{ .name = "g_mmio_registers" },
	{ .name = "g_mmio_byte_registers",
	  LOG(W(0, 1, 0x5a), R(0, 1, 0x5a), W(0, 1, 0x77), R(0, 1, 0x77), W(0, 1, 0x33),
	      R(0, 1, 0x33)) },
	{ .name = "g_mmio_addressing" },
	{ .name = "g_mmio_extend",
	  LOG(W(0, 4, 0x8081f2f3), R(0, 1, 0xf3), R(0, 1, 0xf3), R(0, 2, 0xf2f3),
	      R(0, 2, 0xf2f3), R(0, 4, 0x8081f2f3), R(0, 1, 0xf3), R(0, 4, 0x8081f2f3)) },
	{ .name = "g_mmio_immediate" },
	{ .name = "g_mmio_rmw" },
	{ .name = "g_mmio_compare" },
	{ .name = "g_mmio_to_register" },
	{ .name = "g_mmio_exchange" },
	{ .name = "g_mmio_string" },
	{ .name = "g_mmio_stack" },
	{ .name = "g_mmio_crossing" },
	{ .name = "g_mmio_crossing_fault" },
	{ .name = "g_mmio_masked" },
	{ .name = "g_mmio_sse" },
	{ .name = "g_mmio_mmx" },
	{ .name = "g_mmio_x87" },
	{ .name = "g_mmio_segments" },
	{ .name = "g_mmio_bits", .before = needs_bits },
	{ .name = "g_mmio_user_fault" },
	{ .name = "g_mmio_user_unknown" },
	{ .name = "user_unknown_exit", .entry = "g_mmio_user_unknown", .before = want_failures,
	  .exit = KVM_EXIT_INTERNAL_ERROR },
	{ .name = "g_mmio_unknown", .exit = KVM_EXIT_INTERNAL_ERROR, .after = check_bytes },
	{ .name = "g_mmio_patched",
	  LOG(W(0, 4, 0x11), W(0, 4, 0x11), W(0, 4, 0x22), W(0, 4, 0x22)) },
	{ .name = "g_mmio_execute", .exit = KVM_EXIT_INTERNAL_ERROR },
};

const struct guest_group mmio_group = { "mmio", tests, ARRAY_SIZE(tests) };
