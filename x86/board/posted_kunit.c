// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit: interrupts on their way to a local APIC, and what a CPU is told that plays a
 * part of it; the CPU's own part is played here.
 */
#include <linux/io.h>

#include "x86/board/board_kunit.h"
#include "x86/board/lapic_cpu.h"
#include "x86/board/lapic_ipi.h"
#include "x86/board/lapic_state.h"
#include "x86/machine/vm.h"

/* What is posted is one request each, wherever it is met: posted, requested, in service. */
static void posted_test_collect(struct kunit *test)
{
	struct board *b = test->priv;
	struct vcpu *vcpu = &b->vcpu[1];
	struct vlapic *apic = vcpu->apic;
	unsigned int v;

	board_apic_on(b);
	for (v = VLAPIC_FIRST_VECTOR; v < VLAPIC_VECTORS; v++)
		KUNIT_EXPECT_EQ(test, vlapic_raise(apic, v, v % 3 == 0), APIC_TAKEN);
	for (v = 0; v < VLAPIC_VECTORS; v += 32)
		KUNIT_EXPECT_EQ(test, vlapic_get(apic, APIC_IRR + v / 2), 0u);
	vlapic_collect(apic);
	KUNIT_EXPECT_TRUE(test, bitmap_empty(apic->posted.vectors, VLAPIC_VECTORS));
	for (v = 0; v < VLAPIC_VECTORS; v++) {
		KUNIT_EXPECT_EQ(test, vlapic_has_vector(apic, APIC_IRR, v), v >= 16);
		KUNIT_EXPECT_EQ(test, vlapic_has_vector(apic, APIC_TMR, v),
				v >= 16 && v % 3 == 0);
	}
	/* Requested already: merged, and nobody is told otherwise. */
	KUNIT_EXPECT_EQ(test, vlapic_raise(apic, 0x44, false), APIC_MERGED);
	KUNIT_EXPECT_EQ(test, vlapic_raise(apic, 0x44, false), APIC_MERGED);
	for (v = VLAPIC_VECTORS; v-- > VLAPIC_FIRST_VECTOR;) {
		vlapic_collect(apic);
		KUNIT_EXPECT_EQ(test, board_take_irq(vcpu), (int)v);
		board_apic_write(vcpu, APIC_EOI, 0);
	}
	KUNIT_EXPECT_EQ(test, board_take_irq(vcpu), -1);
	/* In service: a request of its own. */
	vlapic_raise(apic, 0x55, false);
	KUNIT_EXPECT_EQ(test, board_take_irq(vcpu), 0x55);
	KUNIT_EXPECT_EQ(test, vlapic_raise(apic, 0x55, false), APIC_TAKEN);
	board_apic_write(vcpu, APIC_EOI, 0);
	KUNIT_EXPECT_EQ(test, board_take_irq(vcpu), 0x55);
	/* A reset forgets what is on its way. */
	vlapic_raise(apic, 0x56, false);
	vlapic_reset(vcpu, true);
	KUNIT_EXPECT_EQ(test, board_who_got(b, 0x56), 0u);
}

static void view_of_modes(struct kunit *test, struct vcpu *vcpu)
{
	struct vlapic *apic = vcpu->apic;
	struct apic_view view;

	vlapic_set_base(vcpu, 0xfee00c00, true);
	vlapic_view(apic, &view);
	KUNIT_EXPECT_TRUE(test, view.x2apic);
	KUNIT_EXPECT_EQ(test, view.requested, 0x61);
	KUNIT_EXPECT_EQ(test, vlapic_get(apic, APIC_ID), 1u);
	KUNIT_EXPECT_EQ(test, vlapic_get(apic, APIC_LDR), 2u);
	/* Off: requested or not, nothing is delivered. */
	vlapic_set_base(vcpu, 0xfee00000, true);
	vlapic_view(apic, &view);
	KUNIT_EXPECT_FALSE(test, view.x2apic);
	KUNIT_EXPECT_EQ(test, view.requested, 0);
}

/* What a CPU is told that delivers by itself, which is played here. */
static void posted_test_view(struct kunit *test)
{
	struct board *b = test->priv;
	struct vcpu *vcpu = &b->vcpu[1];
	struct vlapic *apic = vcpu->apic;
	struct apic_view view;

	apic->cpu_delivers = true;
	board_apic_on(b);
	vlapic_view(apic, &view);
	KUNIT_EXPECT_FALSE(test, view.x2apic);
	KUNIT_EXPECT_EQ(test, view.requested, 0);
	KUNIT_EXPECT_EQ(test, view.in_service, 0);
	KUNIT_EXPECT_EQ(test, view.eoi_exits[1], 0ull);

	vlapic_raise(apic, 0x61, true);
	vlapic_raise(apic, 0x93, false);
	/* It wakes the vCPU, but is not ours to inject. */
	KUNIT_EXPECT_TRUE(test, board_has_irq(vcpu));
	KUNIT_EXPECT_FALSE(test, board_injects_irq(vcpu));
	KUNIT_EXPECT_EQ(test, board_take_irq(vcpu), -1);
	board_apic_write(vcpu, APIC_TASKPRI, 0xf0);
	KUNIT_EXPECT_FALSE(test, board_has_irq(vcpu));
	KUNIT_EXPECT_FALSE(test, vlapic_tpr_blocks(vcpu));
	board_apic_write(vcpu, APIC_TASKPRI, 0);
	vlapic_view(apic, &view);
	KUNIT_EXPECT_EQ(test, view.requested, 0x93);
	KUNIT_EXPECT_EQ(test, view.eoi_exits[1], BIT_ULL(0x21));
	KUNIT_EXPECT_EQ(test, view.eoi_exits[0] | view.eoi_exits[2] | view.eoi_exits[3], 0ull);

	/* The CPU delivers one after the other. */
	__clear_bit(0x13, vlapic_vector_word(apic, APIC_IRR, 0x93));
	__set_bit(0x13, vlapic_vector_word(apic, APIC_ISR, 0x93));
	vlapic_view(apic, &view);
	KUNIT_EXPECT_EQ(test, view.requested, 0x61);
	KUNIT_EXPECT_EQ(test, view.in_service, 0x93);
	KUNIT_EXPECT_EQ(test, board_apic_read(vcpu, APIC_PROCPRI), 0x90u);
	board_apic_write(vcpu, APIC_EOI, 0);
	vlapic_view(apic, &view);
	KUNIT_EXPECT_EQ(test, view.in_service, 0);

	/* The vector is an edge now. */
	vlapic_raise(apic, 0x61, false);
	vlapic_view(apic, &view);
	KUNIT_EXPECT_EQ(test, view.eoi_exits[1], 0ull);

	view_of_modes(test, vcpu);
}

/* The PIC's interrupts are injected, no matter what delivers the APIC's. */
static void posted_test_view_pic(struct kunit *test)
{
	struct board *b = test->priv;
	struct vcpu *bsp = &b->vcpu[0];
	struct apic_view view;

	bsp->apic->cpu_delivers = true;
	board_apic_on(b);
	board_apic_write(bsp, APIC_LVT0, APIC_DM_EXTINT);
	vlapic_raise(bsp->apic, 0x91, false);
	b->vm.irqchip->pic.output = true;
	KUNIT_EXPECT_TRUE(test, board_injects_irq(bsp));
	vlapic_view(bsp->apic, &view);
	KUNIT_EXPECT_EQ(test, view.requested, 0x91);
	b->vm.irqchip->pic.output = false;
	KUNIT_EXPECT_FALSE(test, board_injects_irq(bsp));
	/* The broadcast of an end that the CPU reports, and what it leaves to us. */
	KUNIT_EXPECT_TRUE(test, vlapic_written(bsp, APIC_SELF_IPI));
	board_apic_write(bsp, APIC_ESR, 0);
	KUNIT_EXPECT_EQ(test, board_apic_read(bsp, APIC_ESR), (u32)APIC_ESR_SENDILL);
	KUNIT_EXPECT_FALSE(test, vlapic_written(bsp, APIC_ICR));
}

/* What the CPU may take by itself, and what the owner must see before. */
static void posted_test_trigger(struct kunit *test)
{
	struct board *b = test->priv;
	struct vcpu *vcpu = &b->vcpu[1];
	struct vlapic *apic = vcpu->apic;
	struct apic_view view;

	board_apic_on(b);
	vlapic_collect(apic);
	vcpu->requests = 0;
	KUNIT_EXPECT_TRUE(test, IS_ALIGNED(virt_to_phys(vcpu->posted), 64));
	KUNIT_EXPECT_FALSE(test, vlapic_has_posted(vcpu));
	/* An edge needs no request: the entry looks at the descriptor. */
	vlapic_raise(apic, 0x51, false);
	KUNIT_EXPECT_TRUE(test, vlapic_has_posted(vcpu));
	KUNIT_EXPECT_TRUE(test, test_bit(0x51, vcpu->posted->vectors));
	KUNIT_EXPECT_EQ(test, vcpu->requests, 0ul);
	/* The first level is not for the CPU: it would not report the end. */
	vlapic_raise(apic, 0x52, true);
	KUNIT_EXPECT_FALSE(test, test_bit(0x52, vcpu->posted->vectors));
	KUNIT_EXPECT_TRUE(test, test_bit(REQ_EVENT, &vcpu->requests));
	KUNIT_EXPECT_FALSE(test, vlapic_has_vector(apic, APIC_TMR, 0x52));
	vlapic_view(apic, &view);
	KUNIT_EXPECT_EQ(test, view.requested, 0x52);
	KUNIT_EXPECT_EQ(test, view.eoi_exits[1], BIT_ULL(0x12));
	KUNIT_EXPECT_FALSE(test, vlapic_has_posted(vcpu));
	/* Now it would. */
	KUNIT_EXPECT_EQ(test, board_take_irq(vcpu), 0x52);
	vlapic_raise(apic, 0x52, true);
	KUNIT_EXPECT_TRUE(test, test_bit(0x52, vcpu->posted->vectors));
	board_apic_write(vcpu, APIC_EOI, 0);
	KUNIT_EXPECT_EQ(test, board_take_irq(vcpu), 0x52);
}

/* The end of an edge, which nobody waits for, is not reported, either. */
static void posted_test_edge(struct kunit *test)
{
	struct board *b = test->priv;
	struct vcpu *vcpu = &b->vcpu[1];
	struct vlapic *apic = vcpu->apic;
	struct apic_view view;

	board_apic_on(b);
	vlapic_raise(apic, 0x52, true);
	KUNIT_EXPECT_EQ(test, board_take_irq(vcpu), 0x52);
	board_apic_write(vcpu, APIC_EOI, 0);
	vlapic_raise(apic, 0x52, false);
	KUNIT_EXPECT_FALSE(test, test_bit(0x52, vcpu->posted->vectors));
	vlapic_view(apic, &view);
	KUNIT_EXPECT_EQ(test, view.eoi_exits[1], 0ull);
}

/* A VMM that saves the APIC finds the trigger mode with the request. */
static void posted_test_saved(struct kunit *test)
{
	struct board *b = test->priv;
	struct vcpu *vcpu = &b->vcpu[1];
	struct vlapic *apic = vcpu->apic;
	struct kvm_lapic_state *state = kunit_kzalloc(test, sizeof(*state), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, state);
	board_apic_on(b);
	vlapic_raise(apic, 0x54, true);
	KUNIT_EXPECT_EQ(test, vlapic_ioctl_get(vcpu, state), 0);
	KUNIT_EXPECT_EQ(test, state->regs[APIC_IRR + 0x22] & 0x10, 0x10);
	KUNIT_EXPECT_EQ(test, state->regs[APIC_TMR + 0x22] & 0x10, 0x10);
	/* The CPU hears of what is collected, no matter what asked for it. */
	vcpu->requests = 0;
	vlapic_raise(apic, 0x53, false);
	KUNIT_EXPECT_EQ(test, board_apic_read(vcpu, APIC_IRR + 0x20) & BIT(0x13), BIT(0x13));
	KUNIT_EXPECT_TRUE(test, test_bit(REQ_EVENT, &vcpu->requests));
}

static struct kunit_case posted_kunit_cases[] = {
	KUNIT_CASE(posted_test_collect),
	KUNIT_CASE(posted_test_view),
	KUNIT_CASE(posted_test_view_pic),
	KUNIT_CASE(posted_test_trigger),
	KUNIT_CASE(posted_test_edge),
	KUNIT_CASE(posted_test_saved),
	{}
};

static struct kunit_suite posted_kunit_suite = {
	.name = "ditto_posted",
	.init = board_init,
	.exit = board_exit,
	.test_cases = posted_kunit_cases,
};

kunit_test_suite(posted_kunit_suite);
