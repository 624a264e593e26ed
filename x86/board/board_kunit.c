// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit: the machine that the tests of interrupt controllers and of local APICs
 * use, and the accesses that its guest and its VMM make.  It has no tests of its own.
 */
#include <asm/tsc.h>

#include "x86/board/board_kunit.h"

static void set_feature(struct vcpu *vcpu, unsigned int feature)
{
	vcpu->cpuid.word[feature / 32] |= BIT(feature % 32);
}

static int add_vcpu(struct board *b, u32 id)
{
	struct vcpu *vcpu = &b->vcpu[id];
	int ret;

	vcpu->vm = &b->vm;
	vcpu->id = id;
	vcpu->idx = id;
	vcpu->cpu = -1;
	vcpu->cpuid.maxphyaddr = 40;
	vcpu->clock.tsc_khz = tsc_khz;
	vcpu->clock.tsc_ratio = TSC_RATIO_ONE;
	set_feature(vcpu, X86_FEATURE_X2APIC);
	set_feature(vcpu, X86_FEATURE_TSC_DEADLINE_TIMER);
	rcuwait_init(&vcpu->wait);
	ret = vlapic_create(vcpu);
	if (!ret)
		ret = xa_err(xa_store(&b->vm.vcpus, id, vcpu, GFP_KERNEL));
	b->vm.nr_vcpus++;
	return ret;
}

int board_init(struct kunit *test)
{
	struct board *b = kunit_kzalloc(test, sizeof(*b), GFP_KERNEL);
	u32 id;

	KUNIT_ASSERT_NOT_NULL(test, b);
	test->priv = b;
	mutex_init(&b->vm.lock);
	xa_init(&b->vm.vcpus);
	iobus_init(&b->vm.pio);
	iobus_init(&b->vm.mmio);
	KUNIT_ASSERT_EQ(test, irqchip_create(&b->vm), 0);
	for (id = 0; id < NR_VCPUS; id++)
		KUNIT_ASSERT_EQ(test, add_vcpu(b, id), 0);
	return 0;
}

void board_exit(struct kunit *test)
{
	struct board *b = test->priv;
	u32 id;

	iobus_destroy(&b->vm.pio);
	iobus_destroy(&b->vm.mmio);
	irqchip_destroy(&b->vm);
	for (id = 0; id < NR_VCPUS; id++)
		vlapic_free(&b->vcpu[id]);
	xa_destroy(&b->vm.vcpus);
}

/* The guest's accesses. */

u32 board_apic_read(struct vcpu *vcpu, u32 offset)
{
	u32 val = 0xdeadbeef;

	vlapic_mmio(vcpu, APIC_GPA + offset, 4, &val, false);
	return val;
}

void board_apic_write(struct vcpu *vcpu, u32 offset, u32 val)
{
	vlapic_mmio(vcpu, APIC_GPA + offset, 4, &val, true);
}

void board_apic_on(struct board *b)
{
	u32 id;

	for (id = 0; id < NR_VCPUS; id++)
		board_apic_write(&b->vcpu[id], APIC_SPIV, APIC_SPIV_APIC_ENABLED | 0xff);
}

void board_send_ipi(struct vcpu *vcpu, u32 dest, u32 low)
{
	board_apic_write(vcpu, APIC_ICR2, SET_XAPIC_DEST_FIELD(dest));
	board_apic_write(vcpu, APIC_ICR, low);
}

/* The vCPUs that have @vector requested, as a mask; the requests are taken back. */
u32 board_who_got(struct board *b, u8 vector)
{
	u32 id, mask = 0;

	for (id = 0; id < NR_VCPUS; id++) {
		struct vlapic *apic = b->vcpu[id].apic;

		vlapic_collect(apic);
		if (__test_and_clear_bit(vector & 31, vlapic_vector_word(apic, APIC_IRR, vector)))
			mask |= BIT(id);
	}
	return mask;
}

u8 board_in(struct board *b, u16 port)
{
	u8 val = 0x5a;

	iobus_access_note(&b->vm.pio, &b->vcpu[0].pio_miss, &b->vcpu[0], port, 1, &val, false);
	return val;
}

void board_out(struct board *b, u16 port, u8 val)
{
	iobus_access_note(&b->vm.pio, &b->vcpu[0].pio_miss, &b->vcpu[0], port, 1, &val, true);
}

static void ioapic_access(struct board *b, u64 gpa, u32 *val, bool write)
{
	iobus_access_note(&b->vm.mmio, &b->vcpu[0].mmio_miss, &b->vcpu[0], gpa, 4, val, write);
}

void board_ioapic_write(struct board *b, u32 index, u32 val)
{
	ioapic_access(b, IOAPIC_GPA, &index, true);
	ioapic_access(b, IOAPIC_GPA + 0x10, &val, true);
}

u32 board_ioapic_read(struct board *b, u32 index)
{
	u32 val = 0xdeadbeef;

	ioapic_access(b, IOAPIC_GPA, &index, true);
	ioapic_access(b, IOAPIC_GPA + 0x10, &val, false);
	return val;
}

int board_line(struct board *b, u32 gsi, u32 level)
{
	struct kvm_irq_level arg = { .irq = gsi, .level = level };

	if (irqchip_ioctl_irq_line(&b->vm, &arg))
		return -100;
	return arg.status;
}

void board_pic_setup(struct board *b, u8 icw4)
{
	board_out(b, 0x20, 0x11);
	board_out(b, 0x21, 0x30);
	board_out(b, 0x21, 0x04);
	board_out(b, 0x21, icw4);
	board_out(b, 0xa0, 0x11);
	board_out(b, 0xa1, 0x38);
	board_out(b, 0xa1, 0x02);
	board_out(b, 0xa1, icw4);
}

void board_pulse(struct board *b, u32 gsi)
{
	board_line(b, gsi, 1);
	board_line(b, gsi, 0);
}
