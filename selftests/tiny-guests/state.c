// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VMM's side of code/state.c.
 */
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>

#include "guests.h"

#define RO_GPA 0xd8000000ul

/* The VMM spoils its own vector registers at every exit. */
static bool spoil(struct vcpu *vcpu)
{
	u64 junk[2] = { 0xdeadbeefdeadbeef, 0xdeadbeefdeadbeef };

	asm volatile("movdqu %0, %%xmm0\n\tmovdqu %0, %%xmm7\n\tmovdqu %0, %%xmm15"
		     :: "m"(junk) : "xmm0", "xmm7", "xmm15");
	if (__builtin_cpu_supports("avx"))
		asm volatile("vbroadcastsd %0, %%ymm0\n\tvbroadcastsd %0, %%ymm7\n\t"
			     "vbroadcastsd %0, %%ymm15"
			     :: "m"(junk[0]) : "xmm0", "xmm7", "xmm15");
	return false;
}

/* The VMM's own SSE control register, with all exceptions noted: the guest sees none. */
static void spoil_mxcsr(struct vm *vm)
{
	u32 mxcsr = 0x1fbf;

	asm volatile("ldmxcsr %0" :: "m"(mxcsr));
}

/* Two vCPUs of one machine, in turn on this thread, each with its own registers. */
static void alternate(struct vm *vm, const char *entry)
{
	u32 i, reason;

	vcpu_call(&vm->vcpu[0], entry, 1);
	vcpu_call(&vm->vcpu[1], entry, 2);
	for (i = 0; i < 40; i++) {
		reason = vcpu_enter(&vm->vcpu[i % 2]);
		ASSERT_EQ(reason, KVM_EXIT_IO);
		ASSERT_EQ(vm->vcpu[i % 2].run->io.port, GUEST_PORT);
		spoil(NULL);
	}
	vcpu_run_done(&vm->vcpu[0]);
	vcpu_run_done(&vm->vcpu[1]);
}

static void alternate_fpu(struct vm *vm)
{
	alternate(vm, "g_fpu");
}

static void alternate_avx(struct vm *vm)
{
	alternate(vm, "g_avx");
}

static void needs_avx(struct vm *vm)
{
	if (!(cpuid_find(cpuid_supported(), 1, 0)->ecx & (1u << 28)))
		skip("guests have no AVX");
}

static bool see_xmm3(struct vcpu *vcpu)
{
	static const u64 was[2] = { 0x1122334455667788, 0x99aabbccddeeff00 };
	static const u64 is[2] = { 0x5555555566666666, 0x7777777788888888 };
	struct kvm_fpu fpu;
	u32 value;

	if (!traced(vcpu, &value))
		return false;
	CHECKED(ioctl(vcpu->fd, KVM_GET_FPU, &fpu));
	ASSERT(!memcmp(fpu.xmm[3], was, 16));
	memcpy(fpu.xmm[3], is, 16);
	CHECKED(ioctl(vcpu->fd, KVM_SET_FPU, &fpu));
	return true;
}

static void check_wall(struct vm *vm)
{
	s64 difference = time(NULL) - (s64)vm_var(vm, u64, "g_wall_seconds");

	if (difference < -3 || difference > 3)
		fail("the guest's wall clock is %ld s behind", (long)difference);
}

static void check_touched(struct vm *vm)
{
	u64 gpa, got;

	for (gpa = 0x400000; gpa < vm->ram_size; gpa += PAGE_SIZE) {
		memcpy(&got, vm->ram + gpa + 8, 8);
		ASSERT_EQ(got, gpa ^ 0x5a5a5a5a);
	}
}

static u8 *readonly_page;

static void add_readonly(struct vm *vm)
{
	u64 value = 0x1234567890abcdef;

	readonly_page = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	memcpy(readonly_page + 0x10, &value, 8);
	CHECKED(vm_set_slot(vm, 1, KVM_MEM_READONLY, RO_GPA, PAGE_SIZE, readonly_page));
}

static bool readonly_writes(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;

	if (run->exit_reason != KVM_EXIT_MMIO || run->mmio.phys_addr != RO_GPA + 0x10)
		return false;
	ASSERT_EQ(run->mmio.is_write, 1);
	ASSERT_EQ(run->mmio.len, 4);
	vcpu->vm->reads++;
	return true;
}

static void check_readonly(struct vm *vm)
{
	u64 value;

	memcpy(&value, readonly_page + 0x10, 8);
	ASSERT_EQ(value, 0x1234567890abcdef);
	ASSERT_EQ(vm->reads, 2);
}

/* The same over a gmem. */
static void add_readonly_gmem(struct vm *vm)
{
	u64 value = 0x1234567890abcdef;
	int gmem;

	need_ditto();
	gmem = gmem_new(PAGE_SIZE, 0);
	readonly_page = gmem_map(gmem, PAGE_SIZE);
	memcpy(readonly_page + 0x10, &value, 8);
	CHECKED(vm_set_gmem_slot(vm, 1, KVM_MEM_READONLY, RO_GPA, PAGE_SIZE, gmem, 0));
}

static const struct guest_test tests[] = {
	{ .name = "g_fpu", .arg = 5, .on_exit = spoil },
	{ .name = "fpu_two_vcpus", .entry = "g_nothing", .config.vcpus = 2,
	  .after = alternate_fpu },
	{ .name = "g_avx", .arg = 5, .before = needs_avx, .on_exit = spoil },
	{ .name = "avx_two_vcpus", .entry = "g_nothing", .config.vcpus = 2,
	  .before = needs_avx, .after = alternate_avx },
	{ .name = "g_fpu_vmm", .on_exit = see_xmm3 },
	{ .name = "g_fpu_fresh", .before = spoil_mxcsr, .on_exit = spoil },
	{ .name = "g_kvmclock", .after = check_wall, .seconds = 60 },
	{ .name = "g_kvmclock_bad" },
	{ .name = "g_touch_64m", .entry = "g_touch", .arg = 68 * MIB, .config.ram = 68 * MIB,
	  .after = check_touched, .seconds = 60 },
	{ .name = "g_touch_user", .entry = "g_touch", .arg = 32 * MIB, .config.ram = 32 * MIB,
	  .config.user = true, .after = check_touched, .seconds = 60 },
	{ .name = "g_readonly", .before = add_readonly, .on_exit = readonly_writes,
	  .after = check_readonly },
	{ .name = "g_readonly_gmem", .entry = "g_readonly", .before = add_readonly_gmem,
	  .on_exit = readonly_writes, .after = check_readonly },
};

const struct guest_group state_group = { "state", tests, ARRAY_SIZE(tests) };
