// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit: buses, IOAPIC, PIC, PIT and routing, driven as a guest and a VMM drive
 * them, and the machine that these tests and the local APIC's use.
 */
#include <linux/delay.h>
#include <asm/tsc.h>

#include "x86/irqchip_kunit.h"
#include "x86/pit.h"

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
	KUNIT_ASSERT_EQ(test, iobus_init(&b->vm.pio), 0);
	KUNIT_ASSERT_EQ(test, iobus_init(&b->vm.mmio), 0);
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

static u8 in_port(struct board *b, u16 port)
{
	u8 val = 0x5a;

	iobus_access(&b->vm.pio, &b->vcpu[0], port, 1, &val, false);
	return val;
}

static void out_port(struct board *b, u16 port, u8 val)
{
	iobus_access(&b->vm.pio, &b->vcpu[0], port, 1, &val, true);
}

static void ioapic_write(struct board *b, u32 index, u32 val)
{
	iobus_access(&b->vm.mmio, &b->vcpu[0], IOAPIC_GPA, 4, &index, true);
	iobus_access(&b->vm.mmio, &b->vcpu[0], IOAPIC_GPA + 0x10, 4, &val, true);
}

static u32 ioapic_read(struct board *b, u32 index)
{
	u32 val = 0xdeadbeef;

	iobus_access(&b->vm.mmio, &b->vcpu[0], IOAPIC_GPA, 4, &index, true);
	iobus_access(&b->vm.mmio, &b->vcpu[0], IOAPIC_GPA + 0x10, 4, &val, false);
	return val;
}

static int line(struct board *b, u32 gsi, u32 level)
{
	struct kvm_irq_level arg = { .irq = gsi, .level = level };

	if (irqchip_ioctl_irq_line(&b->vm, &arg))
		return -100;
	return arg.status;
}

/* The bus. */

struct test_device {
	struct io_device dev;
	unsigned int hits;
	bool decline;
};

static int test_access(struct io_device *dev, struct vcpu *vcpu, u64 addr,
		       unsigned int len, void *data, bool write)
{
	struct test_device *d = container_of(dev, struct test_device, dev);

	d->hits++;
	return d->decline ? -EOPNOTSUPP : 0;
}

static const struct io_device_ops test_device_ops = { .access = test_access };

#define DEVICE(at, size) { .dev = { .ops = &test_device_ops, .addr = at, .len = size } }

static int probe(struct board *b, u64 addr, unsigned int len)
{
	u64 data = 0;

	return iobus_access(&b->vm.mmio, NULL, addr, len, &data, true);
}

static void iobus_test_lookup(struct kunit *test)
{
	struct board *b = test->priv;
	struct test_device wide = DEVICE(0x1000, 0x1000), inner = DEVICE(0x1800, 8);
	struct test_device any = DEVICE(0x3000, 0), last = DEVICE(~0ull, 1);
	struct test_device wraps = DEVICE(~0ull, 2);

	KUNIT_EXPECT_EQ(test, iobus_register(&b->vm.mmio, &last.dev), 0);
	KUNIT_EXPECT_EQ(test, iobus_register(&b->vm.mmio, &inner.dev), 0);
	KUNIT_EXPECT_EQ(test, iobus_register(&b->vm.mmio, &any.dev), 0);
	KUNIT_EXPECT_EQ(test, iobus_register(&b->vm.mmio, &wide.dev), 0);
	KUNIT_EXPECT_EQ(test, iobus_register(&b->vm.mmio, &wraps.dev), -EINVAL);

	KUNIT_EXPECT_EQ(test, probe(b, 0xfff, 1), -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, probe(b, 0x1000, 8), 0);
	KUNIT_EXPECT_EQ(test, probe(b, 0x1fff, 1), 0);
	KUNIT_EXPECT_EQ(test, probe(b, 0x1ffd, 4), -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, probe(b, 0x2000, 1), -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, wide.hits, 2u);
	KUNIT_EXPECT_EQ(test, probe(b, 0x3000, 1), 0);
	KUNIT_EXPECT_EQ(test, probe(b, 0x3000, 8), 0);
	KUNIT_EXPECT_EQ(test, probe(b, 0x3001, 1), -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, any.hits, 2u);
	KUNIT_EXPECT_EQ(test, probe(b, ~0ull, 1), 0);
	KUNIT_EXPECT_EQ(test, last.hits, 1u);

	/* The lower address is asked first, and may decline. */
	KUNIT_EXPECT_EQ(test, probe(b, 0x1800, 8), 0);
	KUNIT_EXPECT_EQ(test, inner.hits, 0u);
	wide.decline = true;
	KUNIT_EXPECT_EQ(test, probe(b, 0x1804, 4), 0);
	KUNIT_EXPECT_EQ(test, inner.hits, 1u);
	KUNIT_EXPECT_EQ(test, probe(b, 0x1806, 4), -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, inner.hits, 1u);
}

static void iobus_test_unregister(struct kunit *test)
{
	struct board *b = test->priv;
	struct test_device one = DEVICE(0x1000, 4), two = DEVICE(0x1000, 4);
	struct test_device three = DEVICE(0x2000, 4);

	KUNIT_EXPECT_EQ(test, iobus_register(&b->vm.mmio, &one.dev), 0);
	KUNIT_EXPECT_EQ(test, iobus_register(&b->vm.mmio, &two.dev), 0);
	KUNIT_EXPECT_EQ(test, probe(b, 0x1000, 4), 0);
	KUNIT_EXPECT_EQ(test, one.hits, 1u);
	iobus_unregister(&b->vm.mmio, &one.dev);
	KUNIT_EXPECT_EQ(test, probe(b, 0x1000, 4), 0);
	KUNIT_EXPECT_EQ(test, one.hits, 1u);
	KUNIT_EXPECT_EQ(test, two.hits, 1u);
	/* Twice, and what was never there. */
	iobus_unregister(&b->vm.mmio, &one.dev);
	iobus_unregister(&b->vm.mmio, &three.dev);
	/* The hole closes. */
	KUNIT_EXPECT_EQ(test, iobus_register(&b->vm.mmio, &three.dev), 0);
	KUNIT_EXPECT_EQ(test, probe(b, 0x2000, 4), 0);
	KUNIT_EXPECT_EQ(test, probe(b, 0x1000, 4), 0);
	KUNIT_EXPECT_EQ(test, two.hits, 2u);
}

/* The IOAPIC. */

#define REDIR(pin)	(0x10 + 2 * (pin))
#define RTE_LEVEL	BIT(15)
#define RTE_REMOTE_IRR	BIT(14)
#define RTE_MASK	BIT(16)

static void ioapic_test_registers(struct kunit *test)
{
	struct board *b = test->priv;
	u64 wide = 0;

	KUNIT_EXPECT_EQ(test, ioapic_read(b, 1), 0x00170011u);
	ioapic_write(b, 0, 0xff000000);
	KUNIT_EXPECT_EQ(test, ioapic_read(b, 0), 0x0f000000u);
	KUNIT_EXPECT_EQ(test, ioapic_read(b, 2), 0x0f000000u);
	KUNIT_EXPECT_EQ(test, ioapic_read(b, REDIR(23)), (u32)RTE_MASK);
	ioapic_write(b, REDIR(23), 0xffffffff);
	KUNIT_EXPECT_EQ(test, ioapic_read(b, REDIR(23)), 0x1afffu);
	ioapic_write(b, REDIR(23) + 1, 0xffffffff);
	KUNIT_EXPECT_EQ(test, ioapic_read(b, REDIR(23) + 1), 0xff000000u);
	KUNIT_EXPECT_EQ(test, ioapic_read(b, REDIR(23)), 0x1afffu);
	ioapic_write(b, REDIR(24), 0xffffffff);
	KUNIT_EXPECT_EQ(test, ioapic_read(b, REDIR(24)), 0u);
	KUNIT_EXPECT_EQ(test, ioapic_read(b, 0xff), 0u);
	KUNIT_EXPECT_EQ(test, iobus_access(&b->vm.mmio, NULL, IOAPIC_GPA + 0xff8, 8,
					   &wide, true), 0);
}

static void ioapic_test_edge(struct kunit *test)
{
	struct board *b = test->priv;

	board_apic_on(b);
	KUNIT_EXPECT_EQ(test, line(b, 20, 1), -1);
	line(b, 20, 0);
	ioapic_write(b, REDIR(20) + 1, 2u << 24);
	ioapic_write(b, REDIR(20), 0x55);
	/* An edge that came while masked is lost. */
	KUNIT_EXPECT_EQ(test, board_who_got(b, 0x55), 0u);
	KUNIT_EXPECT_EQ(test, line(b, 20, 1), 1);
	KUNIT_EXPECT_EQ(test, board_who_got(b, 0x55), BIT(2));
	/* High is not an edge. */
	KUNIT_EXPECT_EQ(test, line(b, 20, 1), 0);
	KUNIT_EXPECT_EQ(test, board_who_got(b, 0x55), 0u);
	line(b, 20, 0);
	KUNIT_EXPECT_EQ(test, line(b, 20, 1), 1);
	line(b, 20, 0);
	KUNIT_EXPECT_EQ(test, line(b, 20, 1), 0);
	KUNIT_EXPECT_EQ(test, board_who_got(b, 0x55), BIT(2));
	/* Nobody there. */
	line(b, 20, 0);
	ioapic_write(b, REDIR(20) + 1, 9u << 24);
	KUNIT_EXPECT_EQ(test, line(b, 20, 1), -1);
}

static void ioapic_test_level(struct kunit *test)
{
	struct board *b = test->priv;
	struct vcpu *vcpu = &b->vcpu[1];

	board_apic_on(b);
	ioapic_write(b, REDIR(21) + 1, 1u << 24);
	ioapic_write(b, REDIR(21), RTE_LEVEL | 0x66);
	KUNIT_EXPECT_EQ(test, line(b, 21, 1), 1);
	KUNIT_EXPECT_EQ(test, ioapic_read(b, REDIR(21)), RTE_LEVEL | RTE_REMOTE_IRR | 0x66u);
	KUNIT_EXPECT_EQ(test, vcpu_take_irq(vcpu), 0x66);
	KUNIT_EXPECT_EQ(test, line(b, 21, 1), 0);
	KUNIT_EXPECT_FALSE(test, test_bit(0x66, vcpu->apic->posted.vectors));
	/* Still high at the EOI: again. */
	board_apic_write(vcpu, APIC_EOI, 0);
	KUNIT_EXPECT_EQ(test, vcpu_take_irq(vcpu), 0x66);
	/* Two sources: low when both are. */
	irqchip_set_irq(&b->vm, IRQ_SOURCE_RESAMPLE, 21, true);
	line(b, 21, 0);
	board_apic_write(vcpu, APIC_EOI, 0);
	KUNIT_EXPECT_EQ(test, vcpu_take_irq(vcpu), 0x66);
	irqchip_set_irq(&b->vm, IRQ_SOURCE_RESAMPLE, 21, false);
	board_apic_write(vcpu, APIC_EOI, 0);
	KUNIT_EXPECT_EQ(test, vcpu_take_irq(vcpu), -1);
	KUNIT_EXPECT_EQ(test, ioapic_read(b, REDIR(21)), RTE_LEVEL | 0x66u);
	/* Masked while high, sent when unmasked. */
	ioapic_write(b, REDIR(21), RTE_LEVEL | RTE_MASK | 0x66);
	KUNIT_EXPECT_EQ(test, line(b, 21, 1), -1);
	ioapic_write(b, REDIR(21), RTE_LEVEL | 0x66);
	KUNIT_EXPECT_EQ(test, vcpu_take_irq(vcpu), 0x66);
	/* Edge and back ends it, as guests without EOI register do. */
	ioapic_write(b, REDIR(21), RTE_MASK | 0x66);
	KUNIT_EXPECT_EQ(test, ioapic_read(b, REDIR(21)), RTE_MASK | 0x66u);
}

struct test_notifier {
	struct irq_ack_notifier n;
	struct board *b;
	unsigned int hits;
};

static void test_acked(struct irq_ack_notifier *n)
{
	struct test_notifier *t = container_of(n, struct test_notifier, n);

	t->hits++;
	irqchip_set_irq(&t->b->vm, IRQ_SOURCE_RESAMPLE, n->gsi, false);
}

static void ioapic_test_ack(struct kunit *test)
{
	struct board *b = test->priv;
	struct test_notifier t = { .n = { .gsi = 22, .acked = test_acked }, .b = b };
	struct vcpu *vcpu = &b->vcpu[1];

	board_apic_on(b);
	KUNIT_ASSERT_EQ(test, irqchip_add_ack_notifier(&b->vm, &t.n), 0);
	ioapic_write(b, REDIR(22) + 1, 1u << 24);
	ioapic_write(b, REDIR(22), RTE_LEVEL | 0x67);
	irqchip_set_irq(&b->vm, IRQ_SOURCE_RESAMPLE, 22, true);
	KUNIT_EXPECT_EQ(test, vcpu_take_irq(vcpu), 0x67);
	KUNIT_EXPECT_EQ(test, t.hits, 0u);
	/* The notifier lowers the line before it is looked at again. */
	board_apic_write(vcpu, APIC_EOI, 0);
	KUNIT_EXPECT_EQ(test, t.hits, 1u);
	KUNIT_EXPECT_EQ(test, vcpu_take_irq(vcpu), -1);
	irqchip_del_ack_notifier(&b->vm, &t.n);
	irqchip_set_irq(&b->vm, IRQ_SOURCE_RESAMPLE, 22, true);
	KUNIT_EXPECT_EQ(test, vcpu_take_irq(vcpu), 0x67);
	board_apic_write(vcpu, APIC_EOI, 0);
	KUNIT_EXPECT_EQ(test, t.hits, 1u);
}

static void ioapic_test_state(struct kunit *test)
{
	struct board *b = test->priv;
	struct kvm_irqchip *chip = kunit_kzalloc(test, sizeof(*chip), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, chip);
	board_apic_on(b);
	ioapic_write(b, REDIR(21) + 1, 1u << 24);
	ioapic_write(b, REDIR(21), RTE_LEVEL | RTE_MASK | 0x66);
	line(b, 21, 1);
	chip->chip_id = KVM_IRQCHIP_IOAPIC;
	KUNIT_ASSERT_EQ(test, irqchip_ioctl_get_chip(&b->vm, chip), 0);
	KUNIT_EXPECT_EQ(test, chip->chip.ioapic.irr, BIT(21));
	KUNIT_EXPECT_EQ(test, chip->chip.ioapic.base_address, 0xfec00000ull);
	/* Restored unmasked, the line that is high sends. */
	chip->chip.ioapic.redirtbl[21].fields.mask = 0;
	KUNIT_EXPECT_EQ(test, irqchip_ioctl_set_chip(&b->vm, chip), 0);
	KUNIT_EXPECT_EQ(test, board_who_got(b, 0x66), BIT(1));
	KUNIT_EXPECT_EQ(test, ioapic_read(b, REDIR(21)), RTE_LEVEL | RTE_REMOTE_IRR | 0x66u);

	chip->chip.ioapic.irr = BIT(24);
	KUNIT_EXPECT_EQ(test, irqchip_ioctl_set_chip(&b->vm, chip), -EINVAL);
	chip->chip.ioapic.irr = 0;
	chip->chip.ioapic.base_address = 0xfed00000;
	KUNIT_EXPECT_EQ(test, irqchip_ioctl_set_chip(&b->vm, chip), -EINVAL);
	chip->chip.ioapic.base_address = 0xfec00000;
	chip->chip.ioapic.id = 16;
	KUNIT_EXPECT_EQ(test, irqchip_ioctl_set_chip(&b->vm, chip), -EINVAL);
	chip->chip_id = 3;
	KUNIT_EXPECT_EQ(test, irqchip_ioctl_set_chip(&b->vm, chip), -EINVAL);
	KUNIT_EXPECT_EQ(test, irqchip_ioctl_get_chip(&b->vm, chip), -EINVAL);
}

/* The PIC. */

static void pic_setup(struct board *b, u8 icw4)
{
	out_port(b, 0x20, 0x11);
	out_port(b, 0x21, 0x30);
	out_port(b, 0x21, 0x04);
	out_port(b, 0x21, icw4);
	out_port(b, 0xa0, 0x11);
	out_port(b, 0xa1, 0x38);
	out_port(b, 0xa1, 0x02);
	out_port(b, 0xa1, icw4);
}

static void pulse(struct board *b, u32 gsi)
{
	line(b, gsi, 1);
	line(b, gsi, 0);
}

static void pic_test_priority(struct kunit *test)
{
	struct board *b = test->priv;
	struct vcpu *bsp = &b->vcpu[0];

	pic_setup(b, 0x01);
	KUNIT_EXPECT_FALSE(test, vcpu_has_irq(bsp));
	pulse(b, 4);
	pulse(b, 1);
	KUNIT_EXPECT_TRUE(test, vcpu_has_irq(bsp));
	KUNIT_EXPECT_FALSE(test, vcpu_has_irq(&b->vcpu[1]));
	KUNIT_EXPECT_EQ(test, in_port(b, 0x20), BIT(4) | BIT(1));
	KUNIT_EXPECT_EQ(test, vcpu_take_irq(bsp), 0x31);
	/* 4 waits for 1; 0 does not. */
	KUNIT_EXPECT_EQ(test, vcpu_take_irq(bsp), -1);
	pulse(b, 0);
	KUNIT_EXPECT_EQ(test, vcpu_take_irq(bsp), 0x30);
	out_port(b, 0x20, 0x0b);
	KUNIT_EXPECT_EQ(test, in_port(b, 0x20), BIT(1) | BIT(0));
	out_port(b, 0x20, 0x20);
	out_port(b, 0x20, 0x61);
	KUNIT_EXPECT_EQ(test, in_port(b, 0x20), 0);
	KUNIT_EXPECT_EQ(test, vcpu_take_irq(bsp), 0x34);
	/* Special mask mode: a masked input in service blocks no more. */
	out_port(b, 0x21, BIT(4));
	KUNIT_EXPECT_EQ(test, in_port(b, 0x21), BIT(4));
	pulse(b, 6);
	KUNIT_EXPECT_EQ(test, vcpu_take_irq(bsp), -1);
	out_port(b, 0x20, 0x68);
	KUNIT_EXPECT_EQ(test, vcpu_take_irq(bsp), 0x36);
	/* Masked by LINT0, nothing comes. */
	out_port(b, 0x20, 0x48);
	out_port(b, 0x20, 0x66);
	out_port(b, 0x20, 0x64);
	out_port(b, 0x21, 0);
	pulse(b, 6);
	board_apic_on(b);
	board_apic_write(bsp, APIC_LVT0, APIC_LVT_MASKED | APIC_DM_EXTINT);
	KUNIT_EXPECT_FALSE(test, vcpu_has_irq(bsp));
}

static void pic_test_cascade(struct kunit *test)
{
	struct board *b = test->priv;
	struct vcpu *bsp = &b->vcpu[0];

	pic_setup(b, 0x01);
	pulse(b, 12);
	pulse(b, 3);
	KUNIT_EXPECT_EQ(test, in_port(b, 0x20), BIT(2) | BIT(3));
	KUNIT_EXPECT_EQ(test, vcpu_take_irq(bsp), 0x3c);
	/* The slave is in service at input 2, before 3; 8 does not nest without SFNM. */
	pulse(b, 8);
	KUNIT_EXPECT_EQ(test, vcpu_take_irq(bsp), -1);
	out_port(b, 0xa0, 0x20);
	KUNIT_EXPECT_EQ(test, vcpu_take_irq(bsp), -1);
	out_port(b, 0x20, 0x20);
	KUNIT_EXPECT_EQ(test, vcpu_take_irq(bsp), 0x38);
	out_port(b, 0xa0, 0x20);
	out_port(b, 0x20, 0x20);
	KUNIT_EXPECT_EQ(test, vcpu_take_irq(bsp), 0x33);
	out_port(b, 0x20, 0x20);
	/* A slave that changes its mind leaves nothing behind. */
	pulse(b, 9);
	KUNIT_EXPECT_TRUE(test, vcpu_has_irq(bsp));
	out_port(b, 0xa1, 0xff);
	KUNIT_EXPECT_FALSE(test, vcpu_has_irq(bsp));
	out_port(b, 0xa1, 0);
	KUNIT_EXPECT_EQ(test, vcpu_take_irq(bsp), 0x39);
	out_port(b, 0xa0, 0x20);
	out_port(b, 0x20, 0x20);
	/* Asked for nothing, it says 7. */
	KUNIT_EXPECT_EQ(test, vpic_intack(b->vm.irqchip), 0x37);

	/* Special fully nested mode lets the slave's better input in. */
	pic_setup(b, 0x11);
	pulse(b, 12);
	KUNIT_EXPECT_EQ(test, vcpu_take_irq(bsp), 0x3c);
	pulse(b, 8);
	KUNIT_EXPECT_EQ(test, vcpu_take_irq(bsp), 0x38);
}

static void pic_test_modes(struct kunit *test)
{
	struct board *b = test->priv;
	struct test_notifier t = { .n = { .gsi = 5, .acked = test_acked }, .b = b };
	struct vcpu *bsp = &b->vcpu[0];

	/* Automatic EOI: nothing stays in service; rotation moves the priorities. */
	pic_setup(b, 0x03);
	out_port(b, 0x20, 0x80);
	pulse(b, 1);
	KUNIT_EXPECT_EQ(test, vcpu_take_irq(bsp), 0x31);
	pulse(b, 1);
	pulse(b, 6);
	KUNIT_EXPECT_EQ(test, vcpu_take_irq(bsp), 0x36);
	KUNIT_EXPECT_EQ(test, vcpu_take_irq(bsp), 0x31);

	/* Rotate on EOI; set priority. */
	pic_setup(b, 0x01);
	pulse(b, 3);
	KUNIT_EXPECT_EQ(test, vcpu_take_irq(bsp), 0x33);
	out_port(b, 0x20, 0xa0);
	pulse(b, 3);
	pulse(b, 5);
	KUNIT_EXPECT_EQ(test, vcpu_take_irq(bsp), 0x35);
	out_port(b, 0x20, 0x65);
	KUNIT_EXPECT_EQ(test, vcpu_take_irq(bsp), 0x33);
	out_port(b, 0x20, 0x63);
	out_port(b, 0x20, 0xc7);

	/* Poll. */
	pulse(b, 4);
	out_port(b, 0x20, 0x0c);
	KUNIT_EXPECT_EQ(test, in_port(b, 0x20), 0x84);
	KUNIT_EXPECT_FALSE(test, vcpu_has_irq(bsp));
	out_port(b, 0x20, 0x20);
	out_port(b, 0x20, 0x0c);
	KUNIT_EXPECT_EQ(test, in_port(b, 0x20), 0);

	/* Level: requests again until the line is low, here by the acknowledge. */
	out_port(b, 0x4d0, 0xff);
	KUNIT_EXPECT_EQ(test, in_port(b, 0x4d0), 0xf8);
	out_port(b, 0x4d1, 0xff);
	KUNIT_EXPECT_EQ(test, in_port(b, 0x4d1), 0xde);
	irqchip_set_irq(&b->vm, IRQ_SOURCE_RESAMPLE, 5, true);
	KUNIT_EXPECT_EQ(test, vcpu_take_irq(bsp), 0x35);
	out_port(b, 0x20, 0x20);
	KUNIT_EXPECT_EQ(test, vcpu_take_irq(bsp), 0x35);
	KUNIT_ASSERT_EQ(test, irqchip_add_ack_notifier(&b->vm, &t.n), 0);
	out_port(b, 0x20, 0x20);
	KUNIT_EXPECT_EQ(test, t.hits, 1u);
	KUNIT_EXPECT_FALSE(test, vcpu_has_irq(bsp));
	irqchip_del_ack_notifier(&b->vm, &t.n);
}

static void pic_test_state(struct kunit *test)
{
	struct board *b = test->priv;
	struct kvm_irqchip *chip = kunit_kzalloc(test, sizeof(*chip), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, chip);
	pic_setup(b, 0x01);
	out_port(b, 0x21, 0x5a);
	KUNIT_ASSERT_EQ(test, irqchip_ioctl_get_chip(&b->vm, chip), 0);
	KUNIT_EXPECT_EQ(test, chip->chip.pic.imr, 0x5a);
	KUNIT_EXPECT_EQ(test, chip->chip.pic.irq_base, 0x30);
	KUNIT_EXPECT_EQ(test, chip->chip.pic.init4, 1);
	KUNIT_EXPECT_EQ(test, chip->chip.pic.elcr_mask, 0xf8);
	chip->chip.pic.irr = 0x01;
	chip->chip.pic.irq_base = 0x70;
	KUNIT_EXPECT_EQ(test, irqchip_ioctl_set_chip(&b->vm, chip), 0);
	KUNIT_EXPECT_EQ(test, vcpu_take_irq(&b->vcpu[0]), 0x70);
	chip->chip.pic.priority_add = 8;
	KUNIT_EXPECT_EQ(test, irqchip_ioctl_set_chip(&b->vm, chip), -EINVAL);
	chip->chip.pic.priority_add = 0;
	chip->chip.pic.irq_base = 0x71;
	KUNIT_EXPECT_EQ(test, irqchip_ioctl_set_chip(&b->vm, chip), -EINVAL);
	chip->chip.pic.irq_base = 0x70;
	chip->chip.pic.elcr = 0x04;
	KUNIT_EXPECT_EQ(test, irqchip_ioctl_set_chip(&b->vm, chip), -EINVAL);
	chip->chip.pic.elcr = 0;
	chip->chip.pic.init_state = 4;
	KUNIT_EXPECT_EQ(test, irqchip_ioctl_set_chip(&b->vm, chip), -EINVAL);
}

/* The PIT. */

static void pit_test_counting(struct kunit *test)
{
	static const struct {
		u8 mode;
		u8 bcd;
		u32 count;
		u64 ticks;
		u32 value;
		bool out;
	} cases[] = {
		{ 0, 0, 100, 0, 100, false },
		{ 0, 0, 100, 99, 1, false },
		{ 0, 0, 100, 100, 0, true },
		{ 0, 0, 100, 101, 0xffff, true },
		{ 0, 0, 0x10000, 1, 0xffff, false },
		{ 0, 1, 100, 101, 9999, true },
		{ 1, 0, 10, 9, 1, false },
		{ 1, 0, 10, 10, 0, true },
		{ 2, 0, 10, 0, 10, true },
		{ 2, 0, 10, 8, 2, true },
		{ 2, 0, 10, 9, 1, false },
		{ 2, 0, 10, 10, 10, true },
		{ 3, 0, 10, 0, 10, true },
		{ 3, 0, 10, 4, 2, true },
		{ 3, 0, 10, 5, 10, false },
		{ 3, 0, 10, 9, 2, false },
		{ 3, 0, 10, 10, 10, true },
		{ 3, 0, 11, 5, 1, true },
		{ 3, 0, 11, 6, 10, false },
		{ 4, 0, 10, 9, 1, true },
		{ 4, 0, 10, 10, 0, false },
		{ 4, 0, 10, 11, 0xffff, true },
		{ 5, 0, 10, 10, 0, false },
	};
	struct vpit_channel ch = {};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		ch.st.mode = cases[i].mode;
		ch.st.bcd = cases[i].bcd;
		ch.st.count = cases[i].count;
		KUNIT_EXPECT_EQ_MSG(test, vpit_count(&ch.st, cases[i].ticks), cases[i].value,
				    "case %u", i);
		KUNIT_EXPECT_EQ_MSG(test, vpit_out(&ch, cases[i].ticks), cases[i].out,
				    "case %u", i);
	}
	KUNIT_EXPECT_EQ(test, vpit_ns(1193182), 1000000000ull);
}

static void pit_create(struct kunit *test, struct board *b)
{
	struct kvm_pit_config config = { .flags = 2 };

	KUNIT_ASSERT_EQ(test, irqchip_ioctl_create_pit(&b->vm, &config), -EINVAL);
	config.flags = KVM_PIT_SPEAKER_DUMMY;
	KUNIT_ASSERT_EQ(test, irqchip_ioctl_create_pit(&b->vm, &config), 0);
	KUNIT_ASSERT_EQ(test, irqchip_ioctl_create_pit(&b->vm, &config), -EEXIST);
}

/* Counter 2, whose gate is low: the count stands still. */
static void pit_test_ports(struct kunit *test)
{
	struct board *b = test->priv;

	pit_create(test, b);
	out_port(b, 0x43, 0xb0);		/* 2, low then high, mode 0 */
	out_port(b, 0x42, 0x34);
	out_port(b, 0x42, 0x12);
	KUNIT_EXPECT_EQ(test, in_port(b, 0x42), 0x34);
	KUNIT_EXPECT_EQ(test, in_port(b, 0x42), 0x12);
	KUNIT_EXPECT_EQ(test, in_port(b, 0x42), 0x34);
	KUNIT_EXPECT_EQ(test, in_port(b, 0x42), 0x12);
	/* Read back status and count: status comes first. */
	out_port(b, 0x43, 0xc8);
	KUNIT_EXPECT_EQ(test, in_port(b, 0x42), 0x30);
	KUNIT_EXPECT_EQ(test, in_port(b, 0x42), 0x34);
	KUNIT_EXPECT_EQ(test, in_port(b, 0x42), 0x12);
	/* A latch keeps the count until it is read, whatever happens. */
	out_port(b, 0x43, 0x80);
	KUNIT_EXPECT_EQ(test, in_port(b, 0x42), 0x34);
	out_port(b, 0x42, 0xff);
	out_port(b, 0x42, 0xff);
	KUNIT_EXPECT_EQ(test, in_port(b, 0x42), 0x12);
	KUNIT_EXPECT_EQ(test, in_port(b, 0x42), 0xff);
	KUNIT_EXPECT_EQ(test, in_port(b, 0x42), 0xff);
	/* BCD, high byte only. */
	out_port(b, 0x43, 0xa1);
	out_port(b, 0x42, 0x12);
	KUNIT_EXPECT_EQ(test, b->vm.irqchip->pit->channel[2].st.count, 1200u);
	KUNIT_EXPECT_EQ(test, in_port(b, 0x42), 0x12);
	KUNIT_EXPECT_EQ(test, in_port(b, 0x42), 0x12);
	/* Low byte only; 0 is the greatest count. */
	out_port(b, 0x43, 0x90);
	out_port(b, 0x42, 0);
	KUNIT_EXPECT_EQ(test, b->vm.irqchip->pit->channel[2].st.count, 0x10000u);
	KUNIT_EXPECT_EQ(test, in_port(b, 0x42), 0);
	KUNIT_EXPECT_EQ(test, in_port(b, 0x43), 0);
}

static void pit_test_gate(struct kunit *test)
{
	struct board *b = test->priv;
	u8 spk;

	pit_create(test, b);
	out_port(b, 0x43, 0xb0);
	out_port(b, 0x42, 0xe8);
	out_port(b, 0x42, 0x03);		/* 1000 ticks: 838 us */
	msleep(5);
	KUNIT_EXPECT_EQ(test, in_port(b, 0x61) & 0x23, 0x00);
	out_port(b, 0x61, 0x03);
	msleep(5);
	spk = in_port(b, 0x61);
	KUNIT_EXPECT_EQ(test, spk & 0x23, 0x23);
	/* Mode 1: the gate's edge starts it, its level does nothing. */
	out_port(b, 0x43, 0xb2);
	out_port(b, 0x42, 0xff);
	out_port(b, 0x42, 0xff);
	KUNIT_EXPECT_EQ(test, in_port(b, 0x61) & 0x20, 0x20);
	out_port(b, 0x61, 0x00);
	out_port(b, 0x61, 0x01);
	KUNIT_EXPECT_EQ(test, in_port(b, 0x61) & 0x20, 0x00);
	/* Mode 3 starts anew with the edge. */
	out_port(b, 0x43, 0xb6);
	out_port(b, 0x42, 0xff);
	out_port(b, 0x42, 0xff);
	out_port(b, 0x61, 0x00);
	KUNIT_EXPECT_TRUE(test, b->vm.irqchip->pit->channel[2].paused);
	KUNIT_EXPECT_EQ(test, in_port(b, 0x61) & 0x21, 0x20);
}

static void pit_test_interrupt(struct kunit *test)
{
	struct board *b = test->priv;

	pit_create(test, b);
	pic_setup(b, 0x01);
	out_port(b, 0x43, 0x34);		/* 0, low then high, mode 2 */
	out_port(b, 0x40, 0xa9);
	out_port(b, 0x40, 0x04);		/* 1193 ticks: 1 ms */
	KUNIT_EXPECT_EQ(test, b->vm.irqchip->pit->period, vpit_ns(1193));
	msleep(20);
	/* Many ticks, one interrupt. */
	KUNIT_EXPECT_EQ(test, vcpu_take_irq(&b->vcpu[0]), 0x30);
	KUNIT_EXPECT_FALSE(test, vcpu_has_irq(&b->vcpu[0]));
	msleep(20);
	out_port(b, 0x20, 0x20);
	KUNIT_EXPECT_EQ(test, vcpu_take_irq(&b->vcpu[0]), 0x30);
	out_port(b, 0x20, 0x20);
	/* Too fast is slowed down. */
	out_port(b, 0x40, 1);
	out_port(b, 0x40, 0);
	KUNIT_EXPECT_EQ(test, b->vm.irqchip->pit->period, irqchip_min_period_ns());
	/* One shot; a control word stops what ran. */
	out_port(b, 0x43, 0x30);
	out_port(b, 0x20, 0x20);
	while (vcpu_take_irq(&b->vcpu[0]) >= 0)
		out_port(b, 0x20, 0x20);
	msleep(5);
	KUNIT_EXPECT_FALSE(test, vcpu_has_irq(&b->vcpu[0]));
	out_port(b, 0x40, 0xa9);
	out_port(b, 0x40, 0x04);
	msleep(20);
	KUNIT_EXPECT_EQ(test, vcpu_take_irq(&b->vcpu[0]), 0x30);
	out_port(b, 0x20, 0x20);
	msleep(5);
	KUNIT_EXPECT_FALSE(test, vcpu_has_irq(&b->vcpu[0]));
}

static void pit_test_state(struct kunit *test)
{
	struct board *b = test->priv;
	struct kvm_pit_state2 state;

	KUNIT_EXPECT_EQ(test, irqchip_ioctl_get_pit(&b->vm, &state), -ENXIO);
	pit_create(test, b);
	KUNIT_ASSERT_EQ(test, irqchip_ioctl_get_pit(&b->vm, &state), 0);
	KUNIT_EXPECT_EQ(test, state.channels[0].gate, 1);
	KUNIT_EXPECT_EQ(test, state.channels[2].gate, 0);
	KUNIT_EXPECT_EQ(test, irqchip_ioctl_set_pit(&b->vm, &state), 0);
	state.channels[0].mode = 2;
	state.channels[0].count = 5000;
	state.channels[0].rw_mode = 3;
	KUNIT_EXPECT_EQ(test, irqchip_ioctl_set_pit(&b->vm, &state), 0);
	KUNIT_EXPECT_EQ(test, b->vm.irqchip->pit->period, vpit_ns(5000));
	state.channels[0].count = 0;
	KUNIT_EXPECT_EQ(test, irqchip_ioctl_set_pit(&b->vm, &state), 0);
	KUNIT_EXPECT_EQ(test, b->vm.irqchip->pit->channel[0].st.count, 0x10000u);
	state.channels[1].count = 0x10001;
	KUNIT_EXPECT_EQ(test, irqchip_ioctl_set_pit(&b->vm, &state), -EINVAL);
	state.channels[1].count = 1;
	state.channels[1].mode = 6;
	KUNIT_EXPECT_EQ(test, irqchip_ioctl_set_pit(&b->vm, &state), -EINVAL);
	state.channels[1].mode = 0;
	state.channels[1].read_state = 5;
	KUNIT_EXPECT_EQ(test, irqchip_ioctl_set_pit(&b->vm, &state), -EINVAL);
	state.channels[1].read_state = 0;
	state.flags = 4;
	KUNIT_EXPECT_EQ(test, irqchip_ioctl_set_pit(&b->vm, &state), -EINVAL);
}

/* Routing. */

static struct kvm_irq_routing_entry to_pin(u32 gsi, u32 chip, u32 pin)
{
	return (struct kvm_irq_routing_entry){
		.gsi = gsi, .type = KVM_IRQ_ROUTING_IRQCHIP,
		.u.irqchip = { .irqchip = chip, .pin = pin },
	};
}

static struct kvm_irq_routing_entry to_msi(u32 gsi, u32 data)
{
	return (struct kvm_irq_routing_entry){
		.gsi = gsi, .type = KVM_IRQ_ROUTING_MSI,
		.u.msi = { .address_lo = 0xfee00000, .data = data },
	};
}

static int check_routes(const struct kvm_irq_routing_entry *entries, u32 nr)
{
	struct irq_routing *routing = irqchip_build_routing(entries, nr);

	if (IS_ERR(routing))
		return PTR_ERR(routing);
	kvfree(routing);
	return 0;
}

static void routing_test_validation(struct kunit *test)
{
	struct kvm_irq_routing_entry e[3];

	KUNIT_EXPECT_EQ(test, check_routes(e, 0), 0);
	KUNIT_EXPECT_EQ(test, check_routes(e, IRQCHIP_MAX_ROUTES + 1), -EINVAL);
	e[0] = to_pin(5, KVM_IRQCHIP_IOAPIC, 23);
	e[1] = to_pin(5, KVM_IRQCHIP_PIC_MASTER, 7);
	e[2] = to_msi(IRQCHIP_MAX_ROUTES - 1, 0x41);
	KUNIT_EXPECT_EQ(test, check_routes(e, 3), 0);
	e[0] = to_pin(5, KVM_IRQCHIP_IOAPIC, 24);
	KUNIT_EXPECT_EQ(test, check_routes(e, 1), -EINVAL);
	e[0] = to_pin(5, KVM_IRQCHIP_PIC_SLAVE, 8);
	KUNIT_EXPECT_EQ(test, check_routes(e, 1), -EINVAL);
	e[0] = to_pin(5, KVM_NR_IRQCHIPS, 0);
	KUNIT_EXPECT_EQ(test, check_routes(e, 1), -EINVAL);
	e[0] = to_msi(IRQCHIP_MAX_ROUTES, 0x41);
	KUNIT_EXPECT_EQ(test, check_routes(e, 1), -EINVAL);
	e[0] = to_msi(5, 0x41);
	e[0].flags = KVM_MSI_VALID_DEVID;
	KUNIT_EXPECT_EQ(test, check_routes(e, 1), -EINVAL);
	e[0].flags = 0;
	e[0].type = KVM_IRQ_ROUTING_HV_SINT;
	KUNIT_EXPECT_EQ(test, check_routes(e, 1), -EINVAL);
	/* One pin per chip, or one message. */
	e[0] = to_pin(5, KVM_IRQCHIP_IOAPIC, 1);
	e[1] = to_msi(6, 0x41);
	e[2] = to_pin(5, KVM_IRQCHIP_IOAPIC, 2);
	KUNIT_EXPECT_EQ(test, check_routes(e, 3), -EINVAL);
	e[2] = to_msi(5, 0x41);
	KUNIT_EXPECT_EQ(test, check_routes(e, 3), -EINVAL);
	e[2] = to_msi(6, 0x42);
	KUNIT_EXPECT_EQ(test, check_routes(e, 3), -EINVAL);
}

static void routing_test_default(struct kunit *test)
{
	struct board *b = test->priv;

	pic_setup(b, 0x01);
	board_apic_on(b);
	ioapic_write(b, REDIR(15), 0x4f);
	ioapic_write(b, REDIR(23), 0x57);
	KUNIT_EXPECT_EQ(test, line(b, 15, 1), 2);
	KUNIT_EXPECT_EQ(test, board_who_got(b, 0x4f), BIT(0));
	KUNIT_EXPECT_EQ(test, in_port(b, 0xa0), BIT(7));
	KUNIT_EXPECT_EQ(test, line(b, 23, 1), 1);
	KUNIT_EXPECT_EQ(test, line(b, 24, 1), -1);
	KUNIT_EXPECT_EQ(test, line(b, ~0u, 1), -1);
}

static void routing_test_msi(struct kunit *test)
{
	struct board *b = test->priv;
	struct kvm_msi msi = { .address_lo = 0xfee01000, .data = 0x44 };
	struct apic_msg m;

	board_apic_on(b);
	KUNIT_EXPECT_EQ(test, irqchip_ioctl_signal_msi(&b->vm, &msi), 1);
	KUNIT_EXPECT_EQ(test, irqchip_ioctl_signal_msi(&b->vm, &msi), 0);
	KUNIT_EXPECT_EQ(test, board_who_got(b, 0x44), BIT(1));
	msi.address_lo = 0xfeeff000;
	KUNIT_EXPECT_EQ(test, irqchip_ioctl_signal_msi(&b->vm, &msi), NR_VCPUS);
	msi.address_lo = 0xfee77000;
	KUNIT_EXPECT_EQ(test, irqchip_ioctl_signal_msi(&b->vm, &msi), 0);
	msi.flags = KVM_MSI_VALID_DEVID;
	KUNIT_EXPECT_EQ(test, irqchip_ioctl_signal_msi(&b->vm, &msi), -EINVAL);

	KUNIT_EXPECT_EQ(test, irqchip_msi_decode(0xfee0500c, 0xc123, &m), 0);
	KUNIT_EXPECT_EQ(test, m.dest, 5u);
	KUNIT_EXPECT_TRUE(test, m.logical);
	KUNIT_EXPECT_TRUE(test, m.level);
	KUNIT_EXPECT_EQ(test, m.mode, (u32)APIC_DM_LOWEST);
	KUNIT_EXPECT_EQ(test, m.vector, 0x23);
	KUNIT_EXPECT_FALSE(test, m.broadcast);
	/* Start-up does not come by message. */
	KUNIT_EXPECT_EQ(test, irqchip_msi_decode(0xfee01000, 0x612, &m), -1);
}

static void board_test_create_twice(struct kunit *test)
{
	struct board *b = test->priv;

	KUNIT_EXPECT_EQ(test, irqchip_create(&b->vm), -EEXIST);
	/* A vCPU that goes while the machine lives is not found any more. */
	board_apic_on(b);
	vlapic_free(&b->vcpu[3]);
	KUNIT_EXPECT_NULL(test, b->vcpu[3].apic);
	board_send_ipi(&b->vcpu[0], 0xff, 0x40);
	KUNIT_EXPECT_TRUE(test, test_bit(0x40, b->vcpu[2].apic->posted.vectors));
	KUNIT_EXPECT_EQ(test, irqchip_send_msi(&b->vm, 0xfee03000, 0x40), -1);
	KUNIT_EXPECT_FALSE(test, vcpu_has_irq(&b->vcpu[3]));
	KUNIT_EXPECT_EQ(test, vcpu_take_irq(&b->vcpu[3]), -1);
}

static struct kunit_case irqchip_kunit_cases[] = {
	KUNIT_CASE(iobus_test_lookup),
	KUNIT_CASE(iobus_test_unregister),
	KUNIT_CASE(ioapic_test_registers),
	KUNIT_CASE(ioapic_test_edge),
	KUNIT_CASE(ioapic_test_level),
	KUNIT_CASE(ioapic_test_ack),
	KUNIT_CASE(ioapic_test_state),
	KUNIT_CASE(pic_test_priority),
	KUNIT_CASE(pic_test_cascade),
	KUNIT_CASE(pic_test_modes),
	KUNIT_CASE(pic_test_state),
	KUNIT_CASE(pit_test_counting),
	KUNIT_CASE(pit_test_ports),
	KUNIT_CASE(pit_test_gate),
	KUNIT_CASE(pit_test_interrupt),
	KUNIT_CASE(pit_test_state),
	KUNIT_CASE(routing_test_validation),
	KUNIT_CASE(routing_test_default),
	KUNIT_CASE(routing_test_msi),
	KUNIT_CASE(board_test_create_twice),
	{}
};

static struct kunit_suite irqchip_kunit_suite = {
	.name = "ditto_irqchip",
	.init = board_init,
	.exit = board_exit,
	.test_cases = irqchip_kunit_cases,
};

kunit_test_suite(irqchip_kunit_suite);
