// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a vCPU did just before an INIT: its VMM still hears of it, and before the INIT. A step
 * over the instruction lets the INIT come between that and the next entry.
 */
#include <stdlib.h>
#include <sys/ioctl.h>

#include "vm.h"

#define CODE	0x8000
#define VECTOR	0x59
#define XAPIC	0xfee00000u
#define TPR	0x80
#define EOI	0xb0
#define SVR	0xf0

static u32 *lapic_reg(struct kvm_lapic_state *lapic, unsigned int reg)
{
	return (u32 *)&lapic->regs[reg];
}

/* A vCPU that can be told to INIT, about to write @reg of its APIC. */
static struct vcpu *about_to_write(struct vm *vm, u32 reg, u32 value)
{
	struct { u16 mov; u32 addr, value; u8 hlt; } __attribute__((packed)) code = {
		.mov = 0x05c7, .addr = XAPIC + reg, .value = value, .hlt = 0xf4,
	};
	struct kvm_mp_state mp = { .mp_state = KVM_MP_STATE_RUNNABLE };
	struct vcpu *vcpu = &vm->vcpu[1];

	memcpy(vm->ram + CODE, &code, sizeof(code));
	vcpu_enter_mode(vcpu, MODE_PROT32, CODE);
	CHECKED(ioctl(vcpu->fd, KVM_SET_MP_STATE, &mp));
	return vcpu;
}

static void step_and_init(struct vcpu *vcpu)
{
	struct kvm_msi init = { .address_lo = XAPIC | vcpu->id << 12, .data = 0x4500 };
	struct kvm_guest_debug step = {
		.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP,
	};

	CHECKED(ioctl(vcpu->fd, KVM_SET_GUEST_DEBUG, &step));
	ASSERT_EQ(vcpu_enter(vcpu), KVM_EXIT_DEBUG);
	step.control = 0;
	CHECKED(ioctl(vcpu->fd, KVM_SET_GUEST_DEBUG, &step));
	ASSERT_EQ(ioctl(vcpu->vm->fd, KVM_SIGNAL_MSI, &init), 1);
}

/* The interrupt of a level-triggered pin of the VMM's IOAPIC is in service. */
static void in_service(struct vcpu *vcpu)
{
	struct kvm_irq_routing *table = calloc(1, sizeof(*table) + sizeof(table->entries[0]));
	unsigned int word = VECTOR / 32 * 0x10;
	struct kvm_lapic_state lapic;

	table->nr = 1;
	table->entries[0] = (struct kvm_irq_routing_entry) {
		.gsi = 9, .type = KVM_IRQ_ROUTING_MSI,
		.u.msi = { .address_lo = XAPIC | vcpu->id << 12, .data = VECTOR | 3 << 14 } };
	CHECKED(ioctl(vcpu->vm->fd, KVM_SET_GSI_ROUTING, table));
	free(table);
	CHECKED(ioctl(vcpu->fd, KVM_GET_LAPIC, &lapic));
	*lapic_reg(&lapic, SVR) |= 0x100;
	*lapic_reg(&lapic, 0x100 + word) |= 1u << VECTOR % 32;	/* ISR */
	*lapic_reg(&lapic, 0x180 + word) |= 1u << VECTOR % 32;	/* TMR */
	CHECKED(ioctl(vcpu->fd, KVM_SET_LAPIC, &lapic));
}

static void end_of_interrupt(const void *arg)
{
	struct vm *vm = vm_new(&(struct vm_config) { .vcpus = 2, .split = true });
	struct vcpu *vcpu = about_to_write(vm, EOI, 0);

	in_service(vcpu);
	step_and_init(vcpu);
	ASSERT_EQ(vcpu_enter(vcpu), KVM_EXIT_IOAPIC_EOI);
	ASSERT_EQ(vcpu->run->eoi.vector, VECTOR);
	vm_free(vm);
}

static void tpr_access(const void *arg)
{
	struct vm *vm = vm_new(&(struct vm_config) { .vcpus = 2 });
	struct vcpu *vcpu = about_to_write(vm, TPR, 0x30);
	struct kvm_tpr_access_ctl ctl = { .enabled = 1 };

	CHECKED(ioctl(vcpu->fd, KVM_TPR_ACCESS_REPORTING, &ctl));
	step_and_init(vcpu);
	ASSERT_EQ(vcpu_enter(vcpu), KVM_EXIT_TPR_ACCESS);
	ASSERT_EQ(vcpu->run->tpr_access.rip, CODE);
	ASSERT_EQ(vcpu->run->tpr_access.is_write, 1);
	vm_free(vm);
}

static const struct tap_test tests[] = {
	{ "end_of_interrupt", end_of_interrupt, .seconds = 10 },
	{ "tpr_access", tpr_access, .seconds = 10 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, tests, ARRAY_SIZE(tests));
}
