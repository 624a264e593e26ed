// SPDX-License-Identifier: GPL-2.0-only
/*
 * Puts a vCPU into a processor mode at an address. Long mode gets page tables
 * (the first and the fourth GiB, one to one, 2 MiB pages, user-accessible), a
 * GDT with a TSS, and an IDT whose gates lead to the image's isr_stubs.
 */
#include <sys/ioctl.h>

#include "vm.h"

#define PTE_P	0x1
#define PTE_W	0x2
#define PTE_U	0x4
#define PTE_PS	0x80

static void put(struct vm *vm, u64 gpa, unsigned int index, u64 value)
{
	memcpy(vm->ram + gpa + 8 * index, &value, 8);
}

static void page_tables(struct vm *vm)
{
	u64 flags = PTE_P | PTE_W | PTE_U;
	unsigned int i;

	put(vm, GUEST_PML4, 0, GUEST_PDPT | flags);
	put(vm, GUEST_PDPT, 0, GUEST_PD_LOW | flags);
	put(vm, GUEST_PDPT, 3, GUEST_PD_HIGH | flags);
	for (i = 0; i < 512; i++) {
		put(vm, GUEST_PD_LOW, i, (u64)i * 2 * MIB | flags | PTE_PS);
		put(vm, GUEST_PD_HIGH, i, (3072 * MIB + i * 2 * MIB) | flags | PTE_PS);
	}
}

static void descriptors(struct vm *vm)
{
	static const u64 gdt[] = {
		0,
		0x00af9b000000ffff,	/* 64-bit code */
		0x00cf93000000ffff,	/* data */
		0x00cf9b000000ffff,	/* 32-bit code */
		0x00009b000000ffff,	/* 16-bit code */
		0x000093000000ffff,	/* 16-bit data */
		0x00cff3000000ffff,	/* user data */
		0x00affb000000ffff,	/* user 64-bit code */
	};
	u64 stack = GUEST_IST_STACK;

	memcpy(vm->ram + GUEST_GDT, gdt, sizeof(gdt));
	/* A busy 64-bit TSS; RSP0 and IST1 have a stack of their own. */
	put(vm, GUEST_GDT, GUEST_TR / 8, 0x67 | (u64)GUEST_TSS << 16 | 0x8bull << 40);
	put(vm, GUEST_GDT, GUEST_TR / 8 + 1, 0);
	memset(vm->ram + GUEST_TSS, 0, 0x68);
	memcpy(vm->ram + GUEST_TSS + 4, &stack, 8);
	memcpy(vm->ram + GUEST_TSS + 0x24, &stack, 8);
}

static void interrupts(struct vm *vm)
{
	u64 stub = image_symbol("isr_stubs"), access;
	unsigned int i;

	for (i = 0; i < 256; i++, stub += 16) {
		/* User mode may call 0x80 only. */
		access = i == 0x80 ? 0xee : 0x8e;
		put(vm, GUEST_IDT, 2 * i, (stub & 0xffff) | (u64)GUEST_CS64 << 16 |
		    access << 40 | (stub >> 16 & 0xffff) << 48);
		put(vm, GUEST_IDT, 2 * i + 1, stub >> 32);
	}
}

static struct kvm_segment segment(u16 selector, u8 type, bool code64, bool big)
{
	return (struct kvm_segment) {
		.limit = big ? 0xffffffff : 0xffff, .selector = selector, .type = type,
		.present = 1, .s = 1, .g = big, .l = code64, .db = big && !code64,
	};
}

static void set_data(struct kvm_sregs *sregs, struct kvm_segment data)
{
	sregs->ds = sregs->es = sregs->fs = sregs->gs = sregs->ss = data;
}

static void long_mode(struct vcpu *vcpu, struct kvm_sregs *sregs)
{
	struct vm *vm = vcpu->vm;

	page_tables(vm);
	descriptors(vm);
	interrupts(vm);
	sregs->cs = segment(GUEST_CS64, 11, true, true);
	set_data(sregs, segment(GUEST_DS, 3, false, true));
	sregs->tr = (struct kvm_segment) {
		.base = GUEST_TSS, .limit = 0x67, .selector = GUEST_TR, .type = 11, .present = 1,
	};
	sregs->gdt.base = GUEST_GDT;
	sregs->gdt.limit = GUEST_TR + 15;
	sregs->idt.base = GUEST_IDT;
	sregs->idt.limit = 0xfff;
	sregs->cr3 = GUEST_PML4;
	sregs->cr4 = 0x620;		/* PAE, OSFXSR, OSXMMEXCPT */
	sregs->cr0 = 0x80010033;	/* PG, WP, NE, ET, MP, PE */
	sregs->efer |= 0xd00;		/* NXE, LMA, LME */
}

static void real_mode(struct kvm_sregs *sregs)
{
	sregs->cs = segment(0, 11, false, false);
	set_data(sregs, segment(0, 3, false, false));
}

static void prot32_mode(struct vcpu *vcpu, struct kvm_sregs *sregs)
{
	descriptors(vcpu->vm);
	sregs->cs = segment(GUEST_CS32, 11, false, true);
	set_data(sregs, segment(GUEST_DS, 3, false, true));
	sregs->gdt.base = GUEST_GDT;
	sregs->gdt.limit = GUEST_TR + 15;
	sregs->cr0 = 0x11;
}

void vcpu_enter_mode(struct vcpu *vcpu, enum mode mode, u64 entry)
{
	struct kvm_sregs sregs = vcpu_sregs(vcpu);
	struct kvm_regs regs = { .rip = entry, .rflags = 2 };

	if (mode == MODE_RESET)
		return;
	if (mode == MODE_LONG)
		long_mode(vcpu, &sregs);
	else if (mode == MODE_REAL)
		real_mode(&sregs);
	else
		prot32_mode(vcpu, &sregs);
	/* As after a call: the stack is 8 mod 16. */
	regs.rsp = mode == MODE_REAL ? 0x7000 :
		GUEST_STACKS + (vcpu->id + 1) * GUEST_STACK_SIZE - 8;
	CHECKED(ioctl(vcpu->fd, KVM_SET_SREGS, &sregs));
	CHECKED(ioctl(vcpu->fd, KVM_SET_REGS, &regs));
}

void vcpu_call(struct vcpu *vcpu, const char *symbol, u64 arg)
{
	u64 bottom = image_symbol("guest_return"), mp = KVM_MP_STATE_RUNNABLE;
	struct kvm_mp_state state = { .mp_state = mp };
	struct kvm_regs regs;

	vcpu_enter_mode(vcpu, MODE_LONG, image_symbol(symbol));
	regs = vcpu_regs(vcpu);
	regs.rdi = arg;
	memcpy(vcpu->vm->ram + regs.rsp, &bottom, 8);
	CHECKED(ioctl(vcpu->fd, KVM_SET_REGS, &regs));
	/* Without an irqchip every vCPU is runnable, and may refuse to be told. */
	if (vcpu->id)
		CHECKED(ioctl(vcpu->fd, KVM_SET_MP_STATE, &state));
}
