// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VMM's side of code/cpu.c.
 */
#include "guests.h"

/* One leaf of CPUID as the guest must see it; as in code/cpu.c. */
struct leaf {
	u32 leaf, index, r[4], mask[4];
};

/* Bits that follow the vCPU's state: OSXSAVE, OSPKE, sizes by XCR0. */
static void mask_dynamic(struct leaf *leaf)
{
	memset(leaf->mask, 0xff, sizeof(leaf->mask));
	if (leaf->leaf == 1)
		leaf->mask[2] &= ~(1u << 27);
	if (leaf->leaf == 7 && !leaf->index)
		leaf->mask[2] &= ~(1u << 4);
	if (leaf->leaf == 0xd && leaf->index < 2)
		leaf->mask[1] = 0;
}

static void give_leaves(struct vm *vm)
{
	struct kvm_cpuid2 *cpuid = cpuid_supported();
	struct leaf *leaves = vm_symbol(vm, "g_leaves");
	u32 i;

	/* What is kept is what was set: names are the VMM's to choose. */
	struct kvm_cpuid_entry2 *name = cpuid_find(cpuid, 0x80000002, 0);

	if (name)
		name->eax = 0x74746964;
	vcpu_set_cpuid(&vm->vcpu[0]);
	for (i = 0; i < cpuid->nent; i++) {
		struct kvm_cpuid_entry2 *e = &cpuid->entries[i];

		leaves[i] = (struct leaf) { .leaf = e->function, .index = e->index,
					    .r = { e->eax, e->ebx, e->ecx, e->edx } };
		mask_dynamic(&leaves[i]);
	}
	ASSERT(cpuid->nent > 10);
	vm_var(vm, u32, "g_nr_leaves") = cpuid->nent;
}

static void needs_xsaves(struct vm *vm)
{
	struct kvm_cpuid_entry2 *leaf = cpuid_find(cpuid_supported(), 0xd, 1);

	if (!leaf || !(leaf->eax & 8))
		skip("guests have no XSAVES");
}

static void needs_cx16(struct vm *vm)
{
	if (!(cpuid_find(cpuid_supported(), 1, 0)->ecx & (1u << 13)))
		skip("the CPU has no CMPXCHG16B");
}

static void amd_only(struct vm *vm)
{
	if (cpuid_find(cpuid_supported(), 0, 0)->ebx != 0x68747541)
		skip("the CPU is not AMD's");
}

static void after_hlt(struct vm *vm)
{
	ASSERT_EQ(vcpu_regs(&vm->vcpu[0]).rip, image_symbol("g_hlt_at") + 1);
	vcpu_run_done(&vm->vcpu[0]);
	ASSERT_EQ(vm->traces[0], 0x600d);
}

static void read_msrs(struct vm *vm)
{
	struct vcpu *vcpu = &vm->vcpu[0];

	ASSERT_EQ(vcpu_msr(vcpu, 0xc0000102), 0x00007fff12345000);
	ASSERT_EQ(vcpu_msr(vcpu, 0xc0000081), 0x0023001000000000);
	ASSERT_EQ(vcpu_msr(vcpu, 0xc0000082), 0xffffffff81000000);
	ASSERT_EQ(vcpu_msr(vcpu, 0x176), 0x81234570);
	ASSERT_EQ(vcpu_msr(vcpu, 0x277), 0x0407050600070106);
	ASSERT_EQ(vcpu_sregs(vcpu).fs.base, 0xffff888012345678);
	ASSERT_EQ(vcpu_sregs(vcpu).gs.base, 0xffff888087654321);
}

static const struct guest_test tests[] = {
	{ .name = "g_arith" },
	{ .name = "g_cmpxchg16b", .before = needs_cx16 },
	{ .name = "g_hlt", .config.no_irqchip = true, .exit = KVM_EXIT_HLT, .after = after_hlt },
	{ .name = "g_cpuid", .before = give_leaves },
	{ .name = "g_cpuid_beyond", .before = amd_only },
	{ .name = "g_msr_plain", .after = read_msrs },
	{ .name = "g_segment_bases" },
	{ .name = "g_msr_unknown" },
	{ .name = "g_msr_bad_values" },
	{ .name = "g_msr_user" },
	{ .name = "g_cr_bad_values" },
	{ .name = "g_cr_good_values" },
	{ .name = "g_dr_values" },
	{ .name = "g_dr_alias" },
	{ .name = "g_dr_watch" },
	{ .name = "g_single_step" },
	{ .name = "g_mov_ss_shadow" },
	{ .name = "g_tsc" },
	{ .name = "g_hypercall" },
	{ .name = "g_hypercall_foreign" },
	{ .name = "g_hypercall_readonly" },
	{ .name = "g_no_such_instruction", .before = amd_only },
	{ .name = "g_xsaves", .before = needs_xsaves },
	{ .name = "g_wbinvd" },
	{ .name = "g_self_modifying" },
};

const struct guest_group cpu_group = { "cpu", tests, ARRAY_SIZE(tests) };
