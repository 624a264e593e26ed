// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_TRANSLATE, which a VMM's built-in debugger relies on: what it says in each kind of paging,
 * of pages that are there, of holes, and of a program's pages under SMAP.
 */
#include <sys/ioctl.h>

#include "vm.h"

#define TOP	0x100000u	/* tables, one page each */
#define PAE_TOP	0x101000u
#define PDPT	0x102000u
#define PD	0x103000u
#define PT	0x104000u
#define PD32	0x105000u
#define PT32	0x106000u

#define PRESENT	1u
#define ALL	7u		/* present, writable, a program's */
#define LARGE	0x80u

#define CR0_PG	0x80000000u
#define CR4_PSE	(1u << 4)
#define CR4_PAE	(1u << 5)
#define CR4_SMAP	(1u << 21)
#define SMAP	(1u << 20)	/* of leaf 7's EBX */

#define NOWHERE	(~0ull)

static void put64(struct vm *vm, u32 table, u32 i, u64 entry)
{
	memcpy(vm->ram + table + i * 8, &entry, 8);
}

static void put32(struct vm *vm, u32 table, u32 i, u32 entry)
{
	memcpy(vm->ram + table + i * 4, &entry, 4);
}

/* Page 5 is at 0x12345000, page 6 nowhere; a large page from the second table entry on. */
static void put_tables(struct vm *vm)
{
	put64(vm, TOP, 0, PDPT | ALL);
	put64(vm, PAE_TOP, 0, PD | PRESENT);
	put64(vm, PDPT, 0, PD | ALL);
	put64(vm, PD, 0, PT | ALL);
	put64(vm, PD, 1, 0x600000 | LARGE | ALL);
	put64(vm, PT, 5, 0x12345000 | ALL);
	put32(vm, PD32, 0, PT32 | ALL);
	put32(vm, PD32, 1, 0x800000 | LARGE | ALL);
	put32(vm, PT32, 5, 0x12345000 | ALL);
}

static void want(struct vcpu *vcpu, u64 linear, u64 physical)
{
	struct kvm_translation tr = { .linear_address = linear };

	CHECKED(ioctl(vcpu->fd, KVM_TRANSLATE, &tr));
	ASSERT_EQ(tr.valid, physical != NOWHERE);
	ASSERT_EQ(tr.physical_address, physical);
}

static struct vcpu *paged(struct vm *vm, enum mode mode, u64 cr3, u64 cr4)
{
	struct kvm_sregs sregs;

	put_tables(vm);
	vcpu_enter_mode(&vm->vcpu[0], mode, 0x1000);
	sregs = vcpu_sregs(&vm->vcpu[0]);
	sregs.cr0 |= CR0_PG;
	sregs.cr3 = cr3;
	sregs.cr4 |= cr4;
	CHECKED(ioctl(vm->vcpu[0].fd, KVM_SET_SREGS, &sregs));
	return &vm->vcpu[0];
}

static void four_levels(const void *arg)
{
	struct vm *vm = vm_new(NULL);
	struct vcpu *vcpu = paged(vm, MODE_LONG, TOP, 0);

	want(vcpu, 0x5678, 0x12345678);
	want(vcpu, 0x6000, NOWHERE);
	want(vcpu, 0x212345, 0x612345);
	want(vcpu, 0x40000000, NOWHERE);
	want(vcpu, 1ull << 39, NOWHERE);
	/* A table that lies where no memory is. */
	put64(vm, TOP, 1, 0xf0000000 | ALL);
	want(vcpu, 1ull << 39, NOWHERE);
	vm_free(vm);
}

static void pae(const void *arg)
{
	struct vm *vm = vm_new(NULL);
	struct vcpu *vcpu = paged(vm, MODE_PROT32, PAE_TOP, CR4_PAE);

	want(vcpu, 0x5678, 0x12345678);
	want(vcpu, 0x6000, NOWHERE);
	want(vcpu, 0x212345, 0x612345);
	want(vcpu, 0x40000000, NOWHERE);
	vm_free(vm);
}

static void two_levels(const void *arg)
{
	struct vm *vm = vm_new(NULL);
	struct vcpu *vcpu = paged(vm, MODE_PROT32, PD32, CR4_PSE);

	want(vcpu, 0x5678, 0x12345678);
	want(vcpu, 0x6000, NOWHERE);
	want(vcpu, 0x412345, 0x812345);
	want(vcpu, 0x800000, NOWHERE);
	vm_free(vm);
}

static void none(const void *arg)
{
	struct vm *vm = vm_new(NULL);

	vcpu_enter_mode(&vm->vcpu[0], MODE_PROT32, 0x1000);
	want(&vm->vcpu[0], 0x12345678, 0x12345678);
	vm_free(vm);
}

/* The guest's kernel may not read a program's memory; who debugs it may. */
static void smap(const void *arg)
{
	struct vm *vm;
	struct vcpu *vcpu;

	need_ditto();
	if (!(cpuid_find(cpuid_supported(), 7, 0)->ebx & SMAP))
		skip("the CPU has no SMAP");
	vm = vm_new(NULL);
	vcpu_set_cpuid(&vm->vcpu[0]);
	vcpu = paged(vm, MODE_LONG, TOP, CR4_SMAP);
	want(vcpu, 0x5678, 0x12345678);
	vm_free(vm);
}

static void bad(const void *arg)
{
	struct vm *vm = vm_new(NULL);

	ASSERT_ERRNO(ioctl(vm->vcpu[0].fd, KVM_TRANSLATE, 8), EFAULT);
	vm_free(vm);
}

static const struct tap_test tests[] = {
	{ "four_levels", four_levels }, { "pae", pae }, { "two_levels", two_levels },
	{ "none", none }, { "smap", smap }, { "bad", bad },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, tests, ARRAY_SIZE(tests));
}
