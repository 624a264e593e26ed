// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit: the PIT's counting, its ports, its interrupt and its state.
 */
#include <linux/delay.h>

#include "x86/board/board_kunit.h"
#include "x86/board/lapic.h"
#include "x86/board/pit.h"
#include "x86/board/pit_priv.h"

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
	/* What KVM does not know it does not look at. */
	struct kvm_pit_config config = { .flags = KVM_PIT_SPEAKER_DUMMY | 2 };

	KUNIT_ASSERT_EQ(test, irqchip_ioctl_create_pit(&b->vm, &config), 0);
	KUNIT_ASSERT_EQ(test, irqchip_ioctl_create_pit(&b->vm, &config), -EEXIST);
}

/* Counter 2, whose gate is low: the count stands still. */
static void pit_test_ports(struct kunit *test)
{
	struct board *b = test->priv;

	pit_create(test, b);
	board_out(b, 0x43, 0xb0);		/* 2, low then high, mode 0 */
	board_out(b, 0x42, 0x34);
	board_out(b, 0x42, 0x12);
	KUNIT_EXPECT_EQ(test, board_in(b, 0x42), 0x34);
	KUNIT_EXPECT_EQ(test, board_in(b, 0x42), 0x12);
	KUNIT_EXPECT_EQ(test, board_in(b, 0x42), 0x34);
	KUNIT_EXPECT_EQ(test, board_in(b, 0x42), 0x12);
	/* Read back status and count: status comes first. */
	board_out(b, 0x43, 0xc8);
	KUNIT_EXPECT_EQ(test, board_in(b, 0x42), 0x30);
	KUNIT_EXPECT_EQ(test, board_in(b, 0x42), 0x34);
	KUNIT_EXPECT_EQ(test, board_in(b, 0x42), 0x12);
	/* A latch keeps the count until it is read, whatever happens. */
	board_out(b, 0x43, 0x80);
	KUNIT_EXPECT_EQ(test, board_in(b, 0x42), 0x34);
	board_out(b, 0x42, 0xff);
	board_out(b, 0x42, 0xff);
	KUNIT_EXPECT_EQ(test, board_in(b, 0x42), 0x12);
	KUNIT_EXPECT_EQ(test, board_in(b, 0x42), 0xff);
	KUNIT_EXPECT_EQ(test, board_in(b, 0x42), 0xff);
	/* BCD, high byte only. */
	board_out(b, 0x43, 0xa1);
	board_out(b, 0x42, 0x12);
	KUNIT_EXPECT_EQ(test, b->vm.irqchip->pit->channel[2].st.count, 1200u);
	KUNIT_EXPECT_EQ(test, board_in(b, 0x42), 0x12);
	KUNIT_EXPECT_EQ(test, board_in(b, 0x42), 0x12);
	/* Low byte only; 0 is the greatest count. */
	board_out(b, 0x43, 0x90);
	board_out(b, 0x42, 0);
	KUNIT_EXPECT_EQ(test, b->vm.irqchip->pit->channel[2].st.count, 0x10000u);
	KUNIT_EXPECT_EQ(test, board_in(b, 0x42), 0);
	KUNIT_EXPECT_EQ(test, board_in(b, 0x43), 0);
}

static void pit_test_gate(struct kunit *test)
{
	struct board *b = test->priv;
	u64 begin;
	u8 spk;

	pit_create(test, b);
	board_out(b, 0x43, 0xb0);
	board_out(b, 0x42, 0xe8);
	board_out(b, 0x42, 0x03);		/* 1000 ticks: 838 us */
	msleep(5);
	KUNIT_EXPECT_EQ(test, board_in(b, 0x61) & 0x23, 0x00);
	board_out(b, 0x61, 0x03);
	msleep(5);
	spk = board_in(b, 0x61);
	KUNIT_EXPECT_EQ(test, spk & 0x23, 0x23);
	/* Mode 1: the gate's edge starts it, its level does nothing. */
	board_out(b, 0x43, 0xb2);
	board_out(b, 0x42, 0xff);
	board_out(b, 0x42, 0xff);
	KUNIT_EXPECT_EQ(test, board_in(b, 0x61) & 0x20, 0x20);
	/* It counts for 55 ms; where this host stood still for that long, once more. */
	do {
		begin = ktime_get_ns();
		board_out(b, 0x61, 0x00);
		board_out(b, 0x61, 0x01);
		spk = board_in(b, 0x61);
	} while (ktime_get_ns() - begin > 50 * NSEC_PER_MSEC);
	KUNIT_EXPECT_EQ(test, spk & 0x20, 0x00);
	/* Mode 3 starts anew with the edge. */
	board_out(b, 0x43, 0xb6);
	board_out(b, 0x42, 0xff);
	board_out(b, 0x42, 0xff);
	board_out(b, 0x61, 0x00);
	KUNIT_EXPECT_TRUE(test, b->vm.irqchip->pit->channel[2].paused);
	KUNIT_EXPECT_EQ(test, board_in(b, 0x61) & 0x21, 0x20);
}

/* Interrupts that the guest takes and ends one after another, at most @limit. */
static unsigned int pit_take(struct board *b, u8 vector, unsigned int limit)
{
	unsigned int got = 0;

	while (got < limit && board_take_irq(&b->vcpu[0]) == vector) {
		got++;
		if (vector == 0x30)
			board_out(b, 0x20, 0x20);
		else
			board_apic_write(&b->vcpu[0], APIC_EOI, 0);
	}
	return got;
}

static void pit_begin(struct board *b, u8 control, u16 count)
{
	board_out(b, 0x43, control);
	board_out(b, 0x40, count);
	board_out(b, 0x40, count >> 8);
}

/* Ticks that came too late are owed, and each comes with the end of the one before. */
static void pit_test_owed(struct kunit *test)
{
	struct board *b = test->priv;
	struct vpit *pit;
	int owed;

	pit_create(test, b);
	pit = b->vm.irqchip->pit;
	board_pic_setup(b, 0x01);
	pit_begin(b, 0x34, 1193);		/* mode 2, 1 ms */
	msleep(25);
	KUNIT_EXPECT_GE(test, atomic_read(&pit->owed), 20);
	/* An end of another's, while ours still waits, takes none of them. */
	owed = atomic_read(&pit->owed);
	pit->ack.acked(&pit->ack);
	KUNIT_EXPECT_GE(test, atomic_read(&pit->owed), owed);
	KUNIT_EXPECT_EQ(test, pit_take(b, 0x30, 20), 20u);
	/* Not more than one at once: the next comes with an end. */
	KUNIT_EXPECT_EQ(test, board_take_irq(&b->vcpu[0]) >= 0 ? 1 : 0, 1);
	/* A counter that is programmed anew owes nothing. */
	msleep(10);
	KUNIT_EXPECT_GE(test, atomic_read(&pit->owed), 1);
	board_out(b, 0x43, 0x34);
	KUNIT_EXPECT_EQ(test, atomic_read(&pit->owed), 0);
	board_out(b, 0x20, 0x20);
	pit_take(b, 0x30, 2);
	KUNIT_EXPECT_EQ(test, board_take_irq(&b->vcpu[0]), -1);
	/* What a mask holds back is lost. */
	board_out(b, 0x21, 0xff);
	pit_begin(b, 0x34, 1193);
	msleep(10);
	KUNIT_EXPECT_EQ(test, atomic_read(&pit->owed), 0);
	/* And so is all when the VMM says so. */
	pit->reinject = false;
	board_out(b, 0x21, 0);
	msleep(25);
	KUNIT_EXPECT_EQ(test, atomic_read(&pit->owed), 0);
}

/* Through the IOAPIC: the end of an edge, of which the local APICs then tell. */
static void pit_test_owed_ioapic(struct kunit *test)
{
	struct board *b = test->priv;
	struct apic_view view;

	pit_create(test, b);
	board_apic_on(b);
	board_out(b, 0x21, 0xff);
	board_ioapic_write(b, 0x10, 0x51);
	vlapic_view(b->vcpu[0].apic, &view);
	KUNIT_EXPECT_EQ(test, view.eoi_exits[1], 0ull);
	pit_begin(b, 0x34, 1193);
	msleep(25);
	KUNIT_EXPECT_EQ(test, pit_take(b, 0x51, 20), 20u);
	KUNIT_EXPECT_FALSE(test, vlapic_has_vector(b->vcpu[0].apic, APIC_TMR, 0x51));
	vlapic_view(b->vcpu[0].apic, &view);
	KUNIT_EXPECT_EQ(test, view.eoi_exits[1], BIT_ULL(0x51 - 64));
	/* Nobody waits for the end of other edges. */
	board_ioapic_write(b, 0x10 + 2 * 5, 0x52);
	board_pulse(b, 5);
	KUNIT_EXPECT_FALSE(test, vioapic_wants_edge(b->vm.irqchip, 0x52));
}

/* A VMM that wants none of the ticks that come too late. */
static void pit_test_interrupt(struct kunit *test)
{
	struct board *b = test->priv;

	pit_create(test, b);
	b->vm.irqchip->pit->reinject = false;
	board_pic_setup(b, 0x01);
	board_out(b, 0x43, 0x34);		/* 0, low then high, mode 2 */
	board_out(b, 0x40, 0xa9);
	board_out(b, 0x40, 0x04);		/* 1193 ticks: 1 ms */
	KUNIT_EXPECT_EQ(test, b->vm.irqchip->pit->period, vpit_ns(1193));
	msleep(20);
	/* Many ticks, one interrupt. */
	KUNIT_EXPECT_EQ(test, board_take_irq(&b->vcpu[0]), 0x30);
	KUNIT_EXPECT_FALSE(test, board_has_irq(&b->vcpu[0]));
	msleep(20);
	board_out(b, 0x20, 0x20);
	KUNIT_EXPECT_EQ(test, board_take_irq(&b->vcpu[0]), 0x30);
	board_out(b, 0x20, 0x20);
	/* Too fast is slowed down. */
	board_out(b, 0x40, 1);
	board_out(b, 0x40, 0);
	KUNIT_EXPECT_EQ(test, b->vm.irqchip->pit->period, irqchip_min_period_ns());
	/* One shot; a control word stops what ran. */
	board_out(b, 0x43, 0x30);
	board_out(b, 0x20, 0x20);
	while (board_take_irq(&b->vcpu[0]) >= 0)
		board_out(b, 0x20, 0x20);
	msleep(5);
	KUNIT_EXPECT_FALSE(test, board_has_irq(&b->vcpu[0]));
	board_out(b, 0x40, 0xa9);
	board_out(b, 0x40, 0x04);
	msleep(20);
	KUNIT_EXPECT_EQ(test, board_take_irq(&b->vcpu[0]), 0x30);
	board_out(b, 0x20, 0x20);
	msleep(5);
	KUNIT_EXPECT_FALSE(test, board_has_irq(&b->vcpu[0]));
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

static struct kunit_case pit_kunit_cases[] = {
	KUNIT_CASE(pit_test_counting),
	KUNIT_CASE(pit_test_ports),
	KUNIT_CASE(pit_test_gate),
	KUNIT_CASE(pit_test_owed),
	KUNIT_CASE(pit_test_owed_ioapic),
	KUNIT_CASE(pit_test_interrupt),
	KUNIT_CASE(pit_test_state),
	{}
};

static struct kunit_suite pit_kunit_suite = {
	.name = "ditto_pit",
	.init = board_init,
	.exit = board_exit,
	.test_cases = pit_kunit_cases,
};

kunit_test_suite(pit_kunit_suite);
