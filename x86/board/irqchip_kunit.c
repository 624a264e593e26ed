// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit: IOAPIC, PIC and routing, driven as a guest and a VMM drive them.
 */
#include "x86/board/board_kunit.h"
#include "x86/board/routing.h"

/* The IOAPIC. */

#define REDIR(pin)	(0x10 + 2 * (pin))
#define RTE_LEVEL	BIT(15)
#define RTE_REMOTE_IRR	BIT(14)
#define RTE_MASK	BIT(16)

static void ioapic_test_registers(struct kunit *test)
{
	struct board *b = test->priv;
	struct iobus_miss miss;
	u64 wide = 0;

	KUNIT_EXPECT_EQ(test, board_ioapic_read(b, 1), 0x00170011u);
	board_ioapic_write(b, 0, 0xff000000);
	KUNIT_EXPECT_EQ(test, board_ioapic_read(b, 0), 0x0f000000u);
	KUNIT_EXPECT_EQ(test, board_ioapic_read(b, 2), 0x0f000000u);
	KUNIT_EXPECT_EQ(test, board_ioapic_read(b, REDIR(23)), (u32)RTE_MASK);
	board_ioapic_write(b, REDIR(23), 0xffffffff);
	KUNIT_EXPECT_EQ(test, board_ioapic_read(b, REDIR(23)), 0x1afffu);
	board_ioapic_write(b, REDIR(23) + 1, 0xffffffff);
	KUNIT_EXPECT_EQ(test, board_ioapic_read(b, REDIR(23) + 1), 0xff000000u);
	KUNIT_EXPECT_EQ(test, board_ioapic_read(b, REDIR(23)), 0x1afffu);
	board_ioapic_write(b, REDIR(24), 0xffffffff);
	KUNIT_EXPECT_EQ(test, board_ioapic_read(b, REDIR(24)), 0u);
	KUNIT_EXPECT_EQ(test, board_ioapic_read(b, 0xff), 0u);
	KUNIT_EXPECT_EQ(test, iobus_access_note(&b->vm.mmio, &miss, NULL, IOAPIC_GPA + 0xff8, 8,
						&wide, true), 0);
}

static void ioapic_test_edge(struct kunit *test)
{
	struct board *b = test->priv;

	board_apic_on(b);
	KUNIT_EXPECT_EQ(test, board_line(b, 20, 1), -1);
	board_line(b, 20, 0);
	board_ioapic_write(b, REDIR(20) + 1, 2u << 24);
	board_ioapic_write(b, REDIR(20), 0x55);
	/* An edge that came while masked is lost. */
	KUNIT_EXPECT_EQ(test, board_who_got(b, 0x55), 0u);
	KUNIT_EXPECT_EQ(test, board_line(b, 20, 1), 1);
	KUNIT_EXPECT_EQ(test, board_who_got(b, 0x55), BIT(2));
	/* High is not an edge. */
	KUNIT_EXPECT_EQ(test, board_line(b, 20, 1), 0);
	KUNIT_EXPECT_EQ(test, board_who_got(b, 0x55), 0u);
	board_line(b, 20, 0);
	KUNIT_EXPECT_EQ(test, board_line(b, 20, 1), 1);
	board_line(b, 20, 0);
	KUNIT_EXPECT_EQ(test, board_line(b, 20, 1), 0);
	KUNIT_EXPECT_EQ(test, board_who_got(b, 0x55), BIT(2));
	/* Nobody there. */
	board_line(b, 20, 0);
	board_ioapic_write(b, REDIR(20) + 1, 9u << 24);
	KUNIT_EXPECT_EQ(test, board_line(b, 20, 1), -1);
}

static void ioapic_test_level(struct kunit *test)
{
	struct board *b = test->priv;
	struct vcpu *vcpu = &b->vcpu[1];

	board_apic_on(b);
	board_ioapic_write(b, REDIR(21) + 1, 1u << 24);
	board_ioapic_write(b, REDIR(21), RTE_LEVEL | 0x66);
	KUNIT_EXPECT_EQ(test, board_line(b, 21, 1), 1);
	KUNIT_EXPECT_EQ(test, board_ioapic_read(b, REDIR(21)), RTE_LEVEL | RTE_REMOTE_IRR | 0x66u);
	KUNIT_EXPECT_EQ(test, board_take_irq(vcpu), 0x66);
	KUNIT_EXPECT_EQ(test, board_line(b, 21, 1), 0);
	KUNIT_EXPECT_FALSE(test, test_bit(0x66, vcpu->apic->posted.vectors));
	/* Still high at the EOI: again. */
	board_apic_write(vcpu, APIC_EOI, 0);
	KUNIT_EXPECT_EQ(test, board_take_irq(vcpu), 0x66);
	/* Two sources: low when both are. */
	irqchip_set_irq(&b->vm, IRQ_SOURCE_RESAMPLE, 21, true);
	board_line(b, 21, 0);
	board_apic_write(vcpu, APIC_EOI, 0);
	KUNIT_EXPECT_EQ(test, board_take_irq(vcpu), 0x66);
	irqchip_set_irq(&b->vm, IRQ_SOURCE_RESAMPLE, 21, false);
	board_apic_write(vcpu, APIC_EOI, 0);
	KUNIT_EXPECT_EQ(test, board_take_irq(vcpu), -1);
	KUNIT_EXPECT_EQ(test, board_ioapic_read(b, REDIR(21)), RTE_LEVEL | 0x66u);
	/* Masked while high, sent when unmasked. */
	board_ioapic_write(b, REDIR(21), RTE_LEVEL | RTE_MASK | 0x66);
	KUNIT_EXPECT_EQ(test, board_line(b, 21, 1), -1);
	board_ioapic_write(b, REDIR(21), RTE_LEVEL | 0x66);
	KUNIT_EXPECT_EQ(test, board_take_irq(vcpu), 0x66);
	/* Edge and back ends it, as guests without EOI register do. */
	board_ioapic_write(b, REDIR(21), RTE_MASK | 0x66);
	KUNIT_EXPECT_EQ(test, board_ioapic_read(b, REDIR(21)), RTE_MASK | 0x66u);
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
	board_ioapic_write(b, REDIR(22) + 1, 1u << 24);
	board_ioapic_write(b, REDIR(22), RTE_LEVEL | 0x67);
	irqchip_set_irq(&b->vm, IRQ_SOURCE_RESAMPLE, 22, true);
	KUNIT_EXPECT_EQ(test, board_take_irq(vcpu), 0x67);
	KUNIT_EXPECT_EQ(test, t.hits, 0u);
	/* The notifier lowers the line before it is looked at again. */
	board_apic_write(vcpu, APIC_EOI, 0);
	KUNIT_EXPECT_EQ(test, t.hits, 1u);
	KUNIT_EXPECT_EQ(test, board_take_irq(vcpu), -1);
	irqchip_del_ack_notifier(&b->vm, &t.n);
	irqchip_set_irq(&b->vm, IRQ_SOURCE_RESAMPLE, 22, true);
	KUNIT_EXPECT_EQ(test, board_take_irq(vcpu), 0x67);
	board_apic_write(vcpu, APIC_EOI, 0);
	KUNIT_EXPECT_EQ(test, t.hits, 1u);
}

static void ioapic_test_state(struct kunit *test)
{
	struct board *b = test->priv;
	struct kvm_irqchip *chip = kunit_kzalloc(test, sizeof(*chip), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, chip);
	board_apic_on(b);
	board_ioapic_write(b, REDIR(21) + 1, 1u << 24);
	board_ioapic_write(b, REDIR(21), RTE_LEVEL | RTE_MASK | 0x66);
	board_line(b, 21, 1);
	chip->chip_id = KVM_IRQCHIP_IOAPIC;
	KUNIT_ASSERT_EQ(test, irqchip_ioctl_get_chip(&b->vm, chip), 0);
	KUNIT_EXPECT_EQ(test, chip->chip.ioapic.irr, BIT(21));
	KUNIT_EXPECT_EQ(test, chip->chip.ioapic.base_address, 0xfec00000ull);
	/* Restored unmasked, the line that is high sends. */
	chip->chip.ioapic.redirtbl[21].fields.mask = 0;
	KUNIT_EXPECT_EQ(test, irqchip_ioctl_set_chip(&b->vm, chip), 0);
	KUNIT_EXPECT_EQ(test, board_who_got(b, 0x66), BIT(1));
	KUNIT_EXPECT_EQ(test, board_ioapic_read(b, REDIR(21)), RTE_LEVEL | RTE_REMOTE_IRR | 0x66u);

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

static void pic_test_priority(struct kunit *test)
{
	struct board *b = test->priv;
	struct vcpu *bsp = &b->vcpu[0];

	board_pic_setup(b, 0x01);
	KUNIT_EXPECT_FALSE(test, board_has_irq(bsp));
	board_pulse(b, 4);
	board_pulse(b, 1);
	KUNIT_EXPECT_TRUE(test, board_has_irq(bsp));
	KUNIT_EXPECT_FALSE(test, board_has_irq(&b->vcpu[1]));
	KUNIT_EXPECT_EQ(test, board_in(b, 0x20), BIT(4) | BIT(1));
	KUNIT_EXPECT_EQ(test, board_take_irq(bsp), 0x31);
	/* 4 waits for 1; 0 does not. */
	KUNIT_EXPECT_EQ(test, board_take_irq(bsp), -1);
	board_pulse(b, 0);
	KUNIT_EXPECT_EQ(test, board_take_irq(bsp), 0x30);
	board_out(b, 0x20, 0x0b);
	KUNIT_EXPECT_EQ(test, board_in(b, 0x20), BIT(1) | BIT(0));
	board_out(b, 0x20, 0x20);
	board_out(b, 0x20, 0x61);
	KUNIT_EXPECT_EQ(test, board_in(b, 0x20), 0);
	KUNIT_EXPECT_EQ(test, board_take_irq(bsp), 0x34);
	/* Special mask mode: a masked input in service blocks no more. */
	board_out(b, 0x21, BIT(4));
	KUNIT_EXPECT_EQ(test, board_in(b, 0x21), BIT(4));
	board_pulse(b, 6);
	KUNIT_EXPECT_EQ(test, board_take_irq(bsp), -1);
	board_out(b, 0x20, 0x68);
	KUNIT_EXPECT_EQ(test, board_take_irq(bsp), 0x36);
	/* Masked by LINT0, nothing comes. */
	board_out(b, 0x20, 0x48);
	board_out(b, 0x20, 0x66);
	board_out(b, 0x20, 0x64);
	board_out(b, 0x21, 0);
	board_pulse(b, 6);
	board_apic_on(b);
	board_apic_write(bsp, APIC_LVT0, APIC_LVT_MASKED | APIC_DM_EXTINT);
	KUNIT_EXPECT_FALSE(test, board_has_irq(bsp));
}

static void pic_test_cascade(struct kunit *test)
{
	struct board *b = test->priv;
	struct vcpu *bsp = &b->vcpu[0];

	board_pic_setup(b, 0x01);
	board_pulse(b, 12);
	board_pulse(b, 3);
	KUNIT_EXPECT_EQ(test, board_in(b, 0x20), BIT(2) | BIT(3));
	KUNIT_EXPECT_EQ(test, board_take_irq(bsp), 0x3c);
	/* The slave is in service at input 2, before 3; 8 does not nest without SFNM. */
	board_pulse(b, 8);
	KUNIT_EXPECT_EQ(test, board_take_irq(bsp), -1);
	board_out(b, 0xa0, 0x20);
	KUNIT_EXPECT_EQ(test, board_take_irq(bsp), -1);
	board_out(b, 0x20, 0x20);
	KUNIT_EXPECT_EQ(test, board_take_irq(bsp), 0x38);
	board_out(b, 0xa0, 0x20);
	board_out(b, 0x20, 0x20);
	KUNIT_EXPECT_EQ(test, board_take_irq(bsp), 0x33);
	board_out(b, 0x20, 0x20);
	/* A slave that changes its mind leaves nothing behind. */
	board_pulse(b, 9);
	KUNIT_EXPECT_TRUE(test, board_has_irq(bsp));
	board_out(b, 0xa1, 0xff);
	KUNIT_EXPECT_FALSE(test, board_has_irq(bsp));
	board_out(b, 0xa1, 0);
	KUNIT_EXPECT_EQ(test, board_take_irq(bsp), 0x39);
	board_out(b, 0xa0, 0x20);
	board_out(b, 0x20, 0x20);
	/* Asked for nothing, it says 7. */
	KUNIT_EXPECT_EQ(test, vpic_intack(b->vm.irqchip), 0x37);

	/* Special fully nested mode lets the slave's better input in. */
	board_pic_setup(b, 0x11);
	board_pulse(b, 12);
	KUNIT_EXPECT_EQ(test, board_take_irq(bsp), 0x3c);
	board_pulse(b, 8);
	KUNIT_EXPECT_EQ(test, board_take_irq(bsp), 0x38);
}

static void pic_test_modes(struct kunit *test)
{
	struct board *b = test->priv;
	struct vcpu *bsp = &b->vcpu[0];

	/* Automatic EOI: nothing stays in service; rotation moves the priorities. */
	board_pic_setup(b, 0x03);
	board_out(b, 0x20, 0x80);
	board_pulse(b, 1);
	KUNIT_EXPECT_EQ(test, board_take_irq(bsp), 0x31);
	board_pulse(b, 1);
	board_pulse(b, 6);
	KUNIT_EXPECT_EQ(test, board_take_irq(bsp), 0x36);
	KUNIT_EXPECT_EQ(test, board_take_irq(bsp), 0x31);

	/* Rotate on EOI; set priority. */
	board_pic_setup(b, 0x01);
	board_pulse(b, 3);
	KUNIT_EXPECT_EQ(test, board_take_irq(bsp), 0x33);
	board_out(b, 0x20, 0xa0);
	board_pulse(b, 3);
	board_pulse(b, 5);
	KUNIT_EXPECT_EQ(test, board_take_irq(bsp), 0x35);
	board_out(b, 0x20, 0x65);
	KUNIT_EXPECT_EQ(test, board_take_irq(bsp), 0x33);
	board_out(b, 0x20, 0x63);
	board_out(b, 0x20, 0xc7);

}

static void pic_test_poll(struct kunit *test)
{
	struct board *b = test->priv;

	board_pic_setup(b, 0x01);
	board_pulse(b, 4);
	board_out(b, 0x20, 0x0c);
	KUNIT_EXPECT_EQ(test, board_in(b, 0x20), 0x84);
	KUNIT_EXPECT_FALSE(test, board_has_irq(&b->vcpu[0]));
	board_out(b, 0x20, 0x20);
	board_out(b, 0x20, 0x0c);
	KUNIT_EXPECT_EQ(test, board_in(b, 0x20), 0);
}

/* Level: requests again until the line is low, here by the acknowledge. */
static void pic_test_level(struct kunit *test)
{
	struct board *b = test->priv;
	struct test_notifier t = { .n = { .gsi = 5, .acked = test_acked }, .b = b };
	struct vcpu *bsp = &b->vcpu[0];

	board_pic_setup(b, 0x01);
	board_out(b, 0x4d0, 0xff);
	KUNIT_EXPECT_EQ(test, board_in(b, 0x4d0), 0xf8);
	board_out(b, 0x4d1, 0xff);
	KUNIT_EXPECT_EQ(test, board_in(b, 0x4d1), 0xde);
	irqchip_set_irq(&b->vm, IRQ_SOURCE_RESAMPLE, 5, true);
	KUNIT_EXPECT_EQ(test, board_take_irq(bsp), 0x35);
	board_out(b, 0x20, 0x20);
	KUNIT_EXPECT_EQ(test, board_take_irq(bsp), 0x35);
	KUNIT_ASSERT_EQ(test, irqchip_add_ack_notifier(&b->vm, &t.n), 0);
	board_out(b, 0x20, 0x20);
	KUNIT_EXPECT_EQ(test, t.hits, 1u);
	KUNIT_EXPECT_FALSE(test, board_has_irq(bsp));
	irqchip_del_ack_notifier(&b->vm, &t.n);
}

static void pic_test_state(struct kunit *test)
{
	struct board *b = test->priv;
	struct kvm_irqchip *chip = kunit_kzalloc(test, sizeof(*chip), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, chip);
	board_pic_setup(b, 0x01);
	board_out(b, 0x21, 0x5a);
	KUNIT_ASSERT_EQ(test, irqchip_ioctl_get_chip(&b->vm, chip), 0);
	KUNIT_EXPECT_EQ(test, chip->chip.pic.imr, 0x5a);
	KUNIT_EXPECT_EQ(test, chip->chip.pic.irq_base, 0x30);
	KUNIT_EXPECT_EQ(test, chip->chip.pic.init4, 1);
	KUNIT_EXPECT_EQ(test, chip->chip.pic.elcr_mask, 0xf8);
	chip->chip.pic.irr = 0x01;
	chip->chip.pic.irq_base = 0x70;
	KUNIT_EXPECT_EQ(test, irqchip_ioctl_set_chip(&b->vm, chip), 0);
	KUNIT_EXPECT_EQ(test, board_take_irq(&b->vcpu[0]), 0x70);
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
	static struct vm vm;
	static struct irqchip chip = { .vm = &vm };
	struct irq_routing *routing = irqchip_build_routing(&chip, entries, nr);

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
	KUNIT_EXPECT_EQ(test, check_routes(e, 1), 0);
	e[0].flags = 2;
	KUNIT_EXPECT_EQ(test, check_routes(e, 1), -EINVAL);
	e[0] = to_pin(5, KVM_IRQCHIP_IOAPIC, 1);
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

	board_pic_setup(b, 0x01);
	board_apic_on(b);
	board_ioapic_write(b, REDIR(15), 0x4f);
	board_ioapic_write(b, REDIR(23), 0x57);
	KUNIT_EXPECT_EQ(test, board_line(b, 15, 1), 2);
	KUNIT_EXPECT_EQ(test, board_who_got(b, 0x4f), BIT(0));
	KUNIT_EXPECT_EQ(test, board_in(b, 0xa0), BIT(7));
	KUNIT_EXPECT_EQ(test, board_line(b, 23, 1), 1);
	KUNIT_EXPECT_EQ(test, board_line(b, 24, 1), -1);
	KUNIT_EXPECT_EQ(test, board_line(b, ~0u, 1), -1);
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
	msi.flags = KVM_MSI_VALID_DEVID;
	KUNIT_EXPECT_EQ(test, irqchip_ioctl_signal_msi(&b->vm, &msi), 0);
	msi.flags = 2;
	KUNIT_EXPECT_EQ(test, irqchip_ioctl_signal_msi(&b->vm, &msi), -EINVAL);

	KUNIT_EXPECT_EQ(test, irqchip_msi_decode(&b->vm, 0xfee0500c, 0xc123, &m), 0);
	KUNIT_EXPECT_EQ(test, m.dest, 5u);
	KUNIT_EXPECT_TRUE(test, m.logical);
	KUNIT_EXPECT_TRUE(test, m.level);
	KUNIT_EXPECT_EQ(test, m.mode, (u32)APIC_DM_LOWEST);
	KUNIT_EXPECT_EQ(test, m.vector, 0x23);
	KUNIT_EXPECT_FALSE(test, m.broadcast);
	/* Start-up does not come by message. */
	KUNIT_EXPECT_EQ(test, irqchip_msi_decode(&b->vm, 0xfee01000, 0x612, &m), -1);
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
	KUNIT_EXPECT_FALSE(test, board_has_irq(&b->vcpu[3]));
	KUNIT_EXPECT_EQ(test, board_take_irq(&b->vcpu[3]), -1);
}

static struct kunit_case irqchip_kunit_cases[] = {
	KUNIT_CASE(ioapic_test_registers),
	KUNIT_CASE(ioapic_test_edge),
	KUNIT_CASE(ioapic_test_level),
	KUNIT_CASE(ioapic_test_ack),
	KUNIT_CASE(ioapic_test_state),
	KUNIT_CASE(pic_test_priority),
	KUNIT_CASE(pic_test_cascade),
	KUNIT_CASE(pic_test_modes),
	KUNIT_CASE(pic_test_poll),
	KUNIT_CASE(pic_test_level),
	KUNIT_CASE(pic_test_state),
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
