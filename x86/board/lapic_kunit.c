// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit: the local APIC, driven as a guest and a VMM drive it.
 */
#include <linux/delay.h>
#include <asm/msr.h>
#include <asm/tsc.h>

#include "x86/board/board_kunit.h"
#include "x86/board/lapic_ipi.h"
#include "x86/board/lapic_state.h"
#include "x86/board/lapic_timer.h"
#include "x86/machine/vm.h"
#include "x86/run/reset.h"

static void lapic_test_reset(struct kunit *test)
{
	struct board *b = test->priv;
	struct vcpu *bsp = &b->vcpu[0], *ap = &b->vcpu[3];

	KUNIT_EXPECT_EQ(test, vlapic_get_base(bsp), 0xfee00900ull);
	KUNIT_EXPECT_EQ(test, vlapic_get_base(ap), 0xfee00800ull);
	KUNIT_EXPECT_EQ(test, board_apic_read(ap, APIC_ID), 3u << 24);
	KUNIT_EXPECT_EQ(test, board_apic_read(ap, APIC_LVR), 0x50014u);
	KUNIT_EXPECT_EQ(test, board_apic_read(ap, APIC_SPIV), 0xffu);
	KUNIT_EXPECT_EQ(test, board_apic_read(ap, APIC_DFR), 0xffffffffu);
	KUNIT_EXPECT_EQ(test, board_apic_read(ap, APIC_LDR), 0u);
	KUNIT_EXPECT_EQ(test, board_apic_read(ap, APIC_LVT0), 0x10000u);
	KUNIT_EXPECT_EQ(test, board_apic_read(bsp, APIC_LVT0), 0x700u);
	KUNIT_EXPECT_EQ(test, board_apic_read(bsp, APIC_LVT1), 0x10000u);
	/* The id is not the guest's to change. */
	board_apic_write(ap, APIC_ID, 7u << 24);
	KUNIT_EXPECT_EQ(test, board_apic_read(ap, APIC_ID), 3u << 24);
	/* A disabled APIC keeps its LVT entries masked, and takes no message. */
	board_apic_write(ap, APIC_LVT1, 0x31);
	KUNIT_EXPECT_EQ(test, board_apic_read(ap, APIC_LVT1), 0x10031u);
	board_send_ipi(bsp, 3, 0x40);
	KUNIT_EXPECT_EQ(test, board_who_got(b, 0x40), 0u);
}

static void lapic_test_priority(struct kunit *test)
{
	struct board *b = test->priv;
	struct vcpu *vcpu = &b->vcpu[1];

	board_apic_on(b);
	KUNIT_EXPECT_FALSE(test, board_has_irq(vcpu));
	KUNIT_EXPECT_EQ(test, board_take_irq(vcpu), -1);
	KUNIT_EXPECT_EQ(test, vlapic_raise(vcpu->apic, 0x41, false), APIC_TAKEN);
	KUNIT_EXPECT_EQ(test, vlapic_raise(vcpu->apic, 0x41, false), APIC_MERGED);
	vlapic_raise(vcpu->apic, 0x45, false);
	vlapic_raise(vcpu->apic, 0xfe, false);
	KUNIT_EXPECT_TRUE(test, vlapic_has_posted(vcpu));

	KUNIT_EXPECT_EQ(test, board_take_irq(vcpu), 0xfe);
	KUNIT_EXPECT_EQ(test, board_apic_read(vcpu, APIC_PROCPRI), 0xf0u);
	KUNIT_EXPECT_EQ(test, board_take_irq(vcpu), -1);
	board_apic_write(vcpu, APIC_EOI, 0);
	KUNIT_EXPECT_EQ(test, board_take_irq(vcpu), 0x45);
	/* The same class does not nest. */
	KUNIT_EXPECT_FALSE(test, board_has_irq(vcpu));
	vlapic_raise(vcpu->apic, 0x50, false);
	KUNIT_EXPECT_EQ(test, board_take_irq(vcpu), 0x50);
	KUNIT_EXPECT_EQ(test, board_apic_read(vcpu, APIC_ISR + 0x20), BIT(5) | BIT(16));
	board_apic_write(vcpu, APIC_EOI, 0);
	board_apic_write(vcpu, APIC_EOI, 0);
	KUNIT_EXPECT_EQ(test, board_take_irq(vcpu), 0x41);
	board_apic_write(vcpu, APIC_EOI, 0);
	/* One too many does nothing. */
	board_apic_write(vcpu, APIC_EOI, 0);
	KUNIT_EXPECT_EQ(test, board_apic_read(vcpu, APIC_PROCPRI), 0u);
}

static void lapic_test_tpr(struct kunit *test)
{
	struct board *b = test->priv;
	struct vcpu *vcpu = &b->vcpu[1];

	board_apic_on(b);
	board_apic_write(vcpu, APIC_TASKPRI, 0x5f);
	KUNIT_EXPECT_EQ(test, vlapic_get_cr8(vcpu), 5ull);
	vlapic_raise(vcpu->apic, 0x51, false);
	KUNIT_EXPECT_FALSE(test, board_has_irq(vcpu));
	KUNIT_EXPECT_TRUE(test, vlapic_tpr_blocks(vcpu));
	/* The guest writes cr8 without an exit. */
	vcpu->st.cr8 = 4;
	KUNIT_EXPECT_TRUE(test, board_has_irq(vcpu));
	KUNIT_EXPECT_FALSE(test, vlapic_tpr_blocks(vcpu));
	KUNIT_EXPECT_EQ(test, board_apic_read(vcpu, APIC_TASKPRI), 0x40u);
	vlapic_set_cr8(vcpu, 15);
	KUNIT_EXPECT_EQ(test, board_apic_read(vcpu, APIC_TASKPRI), 0xf0u);
	KUNIT_EXPECT_EQ(test, board_take_irq(vcpu), -1);
	vlapic_set_cr8(vcpu, 0);
	KUNIT_EXPECT_EQ(test, board_take_irq(vcpu), 0x51);
	/* What is in service blocks, too, but not the TPR. */
	vlapic_raise(vcpu->apic, 0x52, false);
	KUNIT_EXPECT_FALSE(test, vlapic_tpr_blocks(vcpu));
}

static void lapic_test_ipi_targets(struct kunit *test)
{
	struct board *b = test->priv;
	struct vcpu *self = &b->vcpu[1];
	u32 id;

	board_apic_on(b);
	board_send_ipi(self, 2, 0x40);
	KUNIT_EXPECT_EQ(test, board_who_got(b, 0x40), BIT(2));
	board_send_ipi(self, 9, 0x40);
	KUNIT_EXPECT_EQ(test, board_who_got(b, 0x40), 0u);
	board_send_ipi(self, 0xff, 0x40);
	KUNIT_EXPECT_EQ(test, board_who_got(b, 0x40), 0xfu);
	board_send_ipi(self, 0, APIC_DEST_SELF | 0x40);
	KUNIT_EXPECT_EQ(test, board_who_got(b, 0x40), BIT(1));
	board_send_ipi(self, 0, APIC_DEST_ALLINC | 0x40);
	KUNIT_EXPECT_EQ(test, board_who_got(b, 0x40), 0xfu);
	board_send_ipi(self, 0, APIC_DEST_ALLBUT | 0x40);
	KUNIT_EXPECT_EQ(test, board_who_got(b, 0x40), 0xdu);

	/* Flat: a bit each. */
	for (id = 0; id < NR_VCPUS; id++)
		board_apic_write(&b->vcpu[id], APIC_LDR, SET_APIC_LOGICAL_ID(1u << id));
	board_send_ipi(self, 0x5, APIC_DEST_LOGICAL | 0x40);
	KUNIT_EXPECT_EQ(test, board_who_got(b, 0x40), 0x5u);
	board_send_ipi(self, 0xc, APIC_DEST_LOGICAL | APIC_DM_LOWEST | 0x41);
	KUNIT_EXPECT_EQ(test, board_who_got(b, 0x41), BIT(3));
	board_send_ipi(self, 0xc, APIC_DEST_LOGICAL | APIC_DM_LOWEST | 0x42);
	KUNIT_EXPECT_EQ(test, board_who_got(b, 0x42), BIT(2));

	/* Cluster: two clusters of two; those in flat mode do not listen. */
	for (id = 1; id < NR_VCPUS; id++) {
		board_apic_write(&b->vcpu[id], APIC_DFR, APIC_DFR_CLUSTER);
		board_apic_write(&b->vcpu[id], APIC_LDR,
			   SET_APIC_LOGICAL_ID((id / 2) << 4 | 1u << (id % 2)));
	}
	board_send_ipi(self, 0x13, APIC_DEST_LOGICAL | 0x40);
	KUNIT_EXPECT_EQ(test, board_who_got(b, 0x40), 0xdu);
	board_apic_write(&b->vcpu[0], APIC_LDR, 0);
	board_send_ipi(self, 0x12, APIC_DEST_LOGICAL | 0x40);
	KUNIT_EXPECT_EQ(test, board_who_got(b, 0x40), 0x8u);
	board_send_ipi(self, 0x02, APIC_DEST_LOGICAL | 0x40);
	KUNIT_EXPECT_EQ(test, board_who_got(b, 0x40), 0x2u);
}

static void lapic_test_ipi_modes(struct kunit *test)
{
	struct board *b = test->priv;
	struct vcpu *self = &b->vcpu[0], *ap = &b->vcpu[2];

	board_apic_on(b);
	board_send_ipi(self, 2, APIC_DM_NMI);
	KUNIT_EXPECT_EQ(test, atomic_read(&ap->ev.nmi_asked), 1);
	board_send_ipi(self, 2, APIC_DM_SMI);
	board_send_ipi(self, 2, APIC_DM_EXTINT);
	KUNIT_EXPECT_FALSE(test, board_has_irq(ap));

	KUNIT_EXPECT_FALSE(test, vlapic_has_init_sipi(ap));
	board_send_ipi(self, 2, APIC_DM_STARTUP | 0x12);
	KUNIT_EXPECT_EQ(test, ap->apic->sipi_vector, 0x12);
	board_send_ipi(self, 2, APIC_DM_INIT | APIC_INT_ASSERT | APIC_INT_LEVELTRIG);
	/* INIT forgets the start-up; its deassert does nothing. */
	KUNIT_EXPECT_EQ(test, ap->apic->signals, BIT(VLAPIC_SIGNAL_INIT));
	board_send_ipi(self, 2, APIC_DM_INIT | APIC_INT_LEVELTRIG);
	KUNIT_EXPECT_EQ(test, ap->apic->signals, BIT(VLAPIC_SIGNAL_INIT));
	board_send_ipi(self, 2, APIC_DM_STARTUP | 0x9a);
	KUNIT_EXPECT_EQ(test, ap->apic->signals,
			BIT(VLAPIC_SIGNAL_INIT) | BIT(VLAPIC_SIGNAL_SIPI));
	KUNIT_EXPECT_EQ(test, ap->apic->sipi_vector, 0x9a);

	/* A start-up that nobody waits for is dropped. */
	ap->apic->signals = BIT(VLAPIC_SIGNAL_SIPI);
	ap->mp_state = KVM_MP_STATE_RUNNABLE;
	vcpu_accept_init_sipi(ap);
	KUNIT_EXPECT_FALSE(test, vlapic_has_init_sipi(ap));
	KUNIT_EXPECT_EQ(test, ap->mp_state, (u32)KVM_MP_STATE_RUNNABLE);
}

/* There is an entry for corrected machine checks where IA32_MCG_CAP says so. */
static void lapic_test_cmci(struct kunit *test)
{
	struct board *b = test->priv;
	struct vcpu *vcpu = &b->vcpu[1];

	board_apic_on(b);
	KUNIT_EXPECT_EQ(test, board_apic_read(vcpu, APIC_LVR) >> 16, 5u);
	board_apic_write(vcpu, APIC_LVTCMCI, 0x91);
	KUNIT_EXPECT_EQ(test, board_apic_read(vcpu, APIC_LVTCMCI), 0u);
	board_apic_write(vcpu, APIC_ESR, 0);
	KUNIT_EXPECT_EQ(test, board_apic_read(vcpu, APIC_ESR), (u32)APIC_ESR_ILLREGA);

	vcpu->mce.cap |= MCG_CMCI_P;
	vlapic_mce_changed(vcpu);
	KUNIT_EXPECT_EQ(test, board_apic_read(vcpu, APIC_LVR) >> 16, 6u);
	KUNIT_EXPECT_EQ(test, board_apic_read(vcpu, APIC_LVTCMCI), (u32)APIC_LVT_MASKED);
	vlapic_corrected_error(vcpu);
	board_apic_write(vcpu, APIC_LVTCMCI, 0xffff1891);
	KUNIT_EXPECT_EQ(test, board_apic_read(vcpu, APIC_LVTCMCI), APIC_LVT_MASKED | 0x91u);
	board_apic_write(vcpu, APIC_LVTCMCI, 0x91);
	KUNIT_EXPECT_EQ(test, board_who_got(b, 0x91), 0u);
	vlapic_corrected_error(vcpu);
	KUNIT_EXPECT_EQ(test, board_who_got(b, 0x91), BIT(1));
	/* Off, it masks what it has. */
	board_apic_write(vcpu, APIC_SPIV, 0xff);
	KUNIT_EXPECT_EQ(test, board_apic_read(vcpu, APIC_LVTCMCI), APIC_LVT_MASKED | 0x91u);
	vcpu->mce.cap &= ~MCG_CMCI_P;
	vlapic_mce_changed(vcpu);
}

static void lapic_test_errors(struct kunit *test)
{
	struct board *b = test->priv;
	struct vcpu *vcpu = &b->vcpu[1];

	board_apic_on(b);
	board_apic_write(vcpu, APIC_LVTERR, 0xe0);
	board_send_ipi(vcpu, 2, 0x0f);
	KUNIT_EXPECT_EQ(test, board_who_got(b, 0x0f), 0u);
	KUNIT_EXPECT_EQ(test, board_who_got(b, 0xe0), BIT(1));
	/* The same again raises nothing new. */
	board_send_ipi(vcpu, 2, 0x00);
	KUNIT_EXPECT_EQ(test, board_who_got(b, 0xe0), 0u);
	KUNIT_EXPECT_EQ(test, board_apic_read(vcpu, APIC_ESR), 0u);
	board_apic_write(vcpu, APIC_ESR, 0);
	KUNIT_EXPECT_EQ(test, board_apic_read(vcpu, APIC_ESR), (u32)APIC_ESR_SENDILL);
	board_apic_write(vcpu, APIC_ESR, 0);
	KUNIT_EXPECT_EQ(test, board_apic_read(vcpu, APIC_ESR), 0u);
	/* A register that is not there. */
	KUNIT_EXPECT_EQ(test, board_apic_read(vcpu, 0x40), 0u);
	board_apic_write(vcpu, APIC_ESR, 0);
	KUNIT_EXPECT_EQ(test, board_apic_read(vcpu, APIC_ESR), (u32)APIC_ESR_ILLREGA);
	/* A message with an illegal vector is the receiver's error. */
	KUNIT_EXPECT_EQ(test, irqchip_send_msi(&b->vm, 0xfee02000, 0x05), -1);
	board_apic_write(&b->vcpu[2], APIC_ESR, 0);
	KUNIT_EXPECT_EQ(test, board_apic_read(&b->vcpu[2], APIC_ESR), (u32)APIC_ESR_RECVILL);
}

static void lapic_test_mmio_forms(struct kunit *test)
{
	struct board *b = test->priv;
	struct vcpu *vcpu = &b->vcpu[3];
	u64 val = ~0ull;

	KUNIT_EXPECT_FALSE(test, vlapic_mmio(vcpu, APIC_GPA + 0x1000, 4, &val, false));
	KUNIT_EXPECT_FALSE(test, vlapic_mmio(vcpu, APIC_GPA - 4, 4, &val, false));
	KUNIT_EXPECT_TRUE(test, vlapic_mmio(vcpu, APIC_GPA + APIC_ID + 3, 1, &val, false));
	KUNIT_EXPECT_EQ(test, (u8)val, 3);
	KUNIT_EXPECT_TRUE(test, vlapic_mmio(vcpu, APIC_GPA + APIC_LVR + 4, 4, &val, false));
	KUNIT_EXPECT_EQ(test, (u32)val, 0u);
	KUNIT_EXPECT_TRUE(test, vlapic_mmio(vcpu, APIC_GPA + APIC_LVR, 8, &val, false));
	KUNIT_EXPECT_EQ(test, val, 0ull);
	val = 0x1ff;
	KUNIT_EXPECT_TRUE(test, vlapic_mmio(vcpu, APIC_GPA + APIC_SPIV, 2, &val, true));
	KUNIT_EXPECT_EQ(test, board_apic_read(vcpu, APIC_SPIV), 0xffu);
}

static void lapic_test_base(struct kunit *test)
{
	static const struct {
		u64 base;
		int ret;
	} step[] = {	/* of the guest, one after the other */
		{ 0xfee00c00, 0 },		/* xAPIC -> x2APIC */
		{ 0xfee00800, X86_FAULT },	/* x2APIC -> xAPIC */
		{ 0xfee00400, X86_FAULT },	/* extended but not enabled */
		{ 0xfee00c00, 0 },
		{ 0xfee00000, 0 },		/* -> off */
		{ 0xfee00c00, X86_FAULT },	/* off -> x2APIC */
		{ 0xfee00a00, X86_FAULT },	/* reserved bit */
		{ 0x1fee00000800, X86_FAULT },	/* beyond maxphyaddr */
		{ 0xfee00800, 0 },		/* off -> xAPIC */
		{ 0xfed00800, 0 },		/* moves */
	};
	struct board *b = test->priv;
	struct vcpu *vcpu = &b->vcpu[1];
	unsigned int i;
	u32 val;

	for (i = 0; i < ARRAY_SIZE(step); i++)
		KUNIT_EXPECT_EQ_MSG(test, vlapic_set_base(vcpu, step[i].base, false),
				    step[i].ret, "step %u", i);
	KUNIT_EXPECT_FALSE(test, vlapic_mmio(vcpu, APIC_GPA + APIC_ID, 4, &val, false));
	KUNIT_EXPECT_TRUE(test, vlapic_mmio(vcpu, 0xfed00000 + APIC_ID, 4, &val, false));
	KUNIT_EXPECT_EQ(test, val, 1u << 24);
	/* The VMM may go anywhere that exists. */
	KUNIT_EXPECT_EQ(test, vlapic_set_base(vcpu, 0xfee00000, true), 0);
	KUNIT_EXPECT_EQ(test, vlapic_set_base(vcpu, 0xfee00c00, true), 0);
	KUNIT_EXPECT_EQ(test, vlapic_set_base(vcpu, 0xfee00800, true), 0);
	KUNIT_EXPECT_EQ(test, vlapic_set_base(vcpu, 0xfee00400, true), X86_FAULT);
	/* Without the feature there is no x2APIC. */
	vcpu->cpuid.word[X86_FEATURE_X2APIC / 32] &= ~BIT(X86_FEATURE_X2APIC % 32);
	KUNIT_EXPECT_EQ(test, vlapic_set_base(vcpu, 0xfee00c00, false), X86_FAULT);
	/* Off: no message arrives. */
	board_apic_on(b);
	KUNIT_EXPECT_EQ(test, vlapic_set_base(vcpu, 0xfee00000, false), 0);
	board_send_ipi(&b->vcpu[0], 0xff, 0x40);
	KUNIT_EXPECT_EQ(test, board_who_got(b, 0x40), 0xdu);
}

static void x2apic_all(struct kunit *test, struct board *b)
{
	u32 id;

	board_apic_on(b);
	for (id = 0; id < NR_VCPUS; id++)
		KUNIT_ASSERT_EQ(test, vlapic_set_base(&b->vcpu[id], 0xfee00c00, true), 0);
}

/* A vCPU whose local APIC is the VMM's has the MSR, by the same rules. */
static void lapic_test_base_without(struct kunit *test)
{
	struct board *b = test->priv;
	struct vcpu *vcpu = &b->vcpu[0];
	struct vlapic *apic = vcpu->apic;

	vcpu->apic = NULL;
	vlapic_reset(vcpu, false);
	KUNIT_EXPECT_EQ(test, vlapic_get_base(vcpu), 0xfee00900ull);
	KUNIT_EXPECT_EQ(test, vlapic_set_base(vcpu, 0xfee00900, false), 0);
	KUNIT_EXPECT_EQ(test, vlapic_set_base(vcpu, 0xfed00800, true), 0);
	KUNIT_EXPECT_EQ(test, vlapic_get_base(vcpu), 0xfed00800ull);
	KUNIT_EXPECT_EQ(test, vlapic_set_base(vcpu, 0x1fee00000800, false), X86_FAULT);
	KUNIT_EXPECT_EQ(test, vlapic_set_base(vcpu, 0xfee00400, true), X86_FAULT);
	KUNIT_EXPECT_EQ(test, vlapic_set_base(vcpu, 0xfed00000, false), 0);
	/* Off to x2APIC is no step that a guest can make. */
	KUNIT_EXPECT_EQ(test, vlapic_set_base(vcpu, 0xfed00c00, false), X86_FAULT);
	vlapic_reset(vcpu, true);
	KUNIT_EXPECT_EQ(test, vlapic_get_base(vcpu), 0xfed00000ull);
	vcpu->apic = apic;
}

static const struct {
	u32 msr;
	u64 val;
	int ret;
} x2apic_writes[] = {
	{ 0x802, 0, X86_FAULT },	/* id: read-only */
	{ 0x808, 0x20, 0 },
	{ 0x808, 0x100, X86_FAULT },	/* reserved bits of the TPR */
	{ 0x808, 0, 0 },
	{ 0x80b, 0, 0 },
	{ 0x80b, 1, X86_FAULT },	/* an EOI is 0 */
	{ 0x80d, 1, X86_FAULT },	/* the LDR follows from the id */
	{ 0x80e, ~0u, X86_FAULT },	/* no DFR */
	{ 0x80f, 0x1ff, 0 },
	{ 0x80f, 1ull << 32, X86_FAULT },
	{ 0x828, 0, 0 },
	{ 0x828, 1, X86_FAULT },
	{ 0x831, 0, X86_FAULT },	/* no ICR2 */
	{ 0x830, 1ull << 20, X86_FAULT },
	{ 0x839, 0, X86_FAULT },	/* current count */
	{ 0x83f, 0x100, X86_FAULT },
	{ 0x840, 0, X86_FAULT },
	{ 0x8ff, 0, X86_FAULT },
};

static void lapic_test_x2apic(struct kunit *test)
{
	struct board *b = test->priv;
	struct vcpu *vcpu = &b->vcpu[2];
	unsigned int i;
	u64 val;

	KUNIT_EXPECT_EQ(test, vlapic_msr_read(vcpu, 0x802, &val), X86_FAULT);
	x2apic_all(test, b);
	for (i = 0; i < ARRAY_SIZE(x2apic_writes); i++)
		KUNIT_EXPECT_EQ_MSG(test, vlapic_msr_write(vcpu, x2apic_writes[i].msr,
							   x2apic_writes[i].val),
				    x2apic_writes[i].ret, "msr %x", x2apic_writes[i].msr);
	KUNIT_EXPECT_EQ(test, vlapic_msr_read(vcpu, 0x802, &val), 0);
	KUNIT_EXPECT_EQ(test, val, 2ull);
	KUNIT_EXPECT_EQ(test, vlapic_msr_read(vcpu, 0x80d, &val), 0);
	KUNIT_EXPECT_EQ(test, val, 4ull);
	KUNIT_EXPECT_EQ(test, vlapic_msr_read(vcpu, 0x80b, &val), X86_FAULT);
	KUNIT_EXPECT_EQ(test, vlapic_msr_read(vcpu, 0x80e, &val), X86_FAULT);
	KUNIT_EXPECT_EQ(test, vlapic_x2apic_ldr(0x25), 0x00020020u);
	KUNIT_EXPECT_TRUE(test, vlapic_mmio(vcpu, APIC_GPA, 4, &val, false));
	KUNIT_EXPECT_EQ(test, (u32)val, ~0u);

	vlapic_msr_write(vcpu, 0x83f, 0x77);
	KUNIT_EXPECT_EQ(test, board_who_got(b, 0x77), BIT(2));
	vlapic_msr_write(vcpu, 0x830, 3ull << 32 | 0x40);
	KUNIT_EXPECT_EQ(test, board_who_got(b, 0x40), BIT(3));
	vlapic_msr_read(vcpu, 0x830, &val);
	KUNIT_EXPECT_EQ(test, val, 3ull << 32 | 0x40);
	vlapic_msr_write(vcpu, 0x830, 0xffffffffull << 32 | 0x40);
	KUNIT_EXPECT_EQ(test, board_who_got(b, 0x40), 0xfu);
	/* 255 is an id like another. */
	vlapic_msr_write(vcpu, 0x830, 0xffull << 32 | 0x40);
	KUNIT_EXPECT_EQ(test, board_who_got(b, 0x40), 0u);
	vlapic_msr_write(vcpu, 0x830, 9ull << 32 | APIC_DEST_LOGICAL | 0x40);
	KUNIT_EXPECT_EQ(test, board_who_got(b, 0x40), 0x9u);
	vlapic_msr_write(vcpu, 0x830, 0x10009ull << 32 | APIC_DEST_LOGICAL | 0x40);
	KUNIT_EXPECT_EQ(test, board_who_got(b, 0x40), 0u);
}

static void resolve(struct kunit *test, struct apic_map *map, u32 dest, bool logical,
		    u32 first, u32 second)
{
	const struct apic_msg msg = { .dest = dest, .logical = logical, .exclude = -1 };
	u32 count = (first < VLAPIC_MAX_IDS) + (second < VLAPIC_MAX_IDS);
	DECLARE_BITMAP(set, VLAPIC_WINDOW);
	u32 base, nr, bit;

	for (base = 0; (nr = apicmap_resolve(map, &msg, base, set)); base += VLAPIC_WINDOW)
		for_each_set_bit(bit, set, nr) {
			KUNIT_EXPECT_TRUE_MSG(test, base + bit == first || base + bit == second,
					      "dest %x goes to %x", dest, base + bit);
			count--;
		}
	KUNIT_EXPECT_EQ_MSG(test, count, 0, "dest %x", dest);
}

/* Beyond what is looked at at once. */
static void map_test_far(struct kunit *test, struct apic_map *map)
{
	const u32 none = VLAPIC_MAX_IDS;

	map->end = VLAPIC_MAX_IDS;
	__set_bit(5000, map->present);
	__set_bit(5000, map->x2apic);
	__set_bit(VLAPIC_MAX_IDS - 1, map->present);
	__set_bit(VLAPIC_MAX_IDS - 1, map->x2apic);
	resolve(test, map, 5000, false, 5000, none);
	resolve(test, map, 5000 - VLAPIC_WINDOW, false, none, none);
	resolve(test, map, 5000 / 16 << 16 | 1 << 5000 % 16, true, 5000, none);
	resolve(test, map, VLAPIC_MAX_IDS - 1, false, VLAPIC_MAX_IDS - 1, none);
	resolve(test, map, (VLAPIC_MAX_IDS / 16 - 1) << 16 | 0xffff, true, VLAPIC_MAX_IDS - 1,
		none);
	resolve(test, map, VLAPIC_MAX_IDS / 16 << 16 | 0xffff, true, none, none);
	resolve(test, map, VLAPIC_MAX_IDS, false, none, none);
	resolve(test, map, 0x88, true, 101, 3);
	resolve(test, map, 62 << 16 | 1 << 8, true, 1000, none);
}

/* High ids, which the board does not have: entries of the map suffice. */
static void lapic_test_map(struct kunit *test)
{
	struct apic_map *map = kunit_kzalloc(test, sizeof(*map), GFP_KERNEL);
	const u32 none = VLAPIC_MAX_IDS;

	KUNIT_ASSERT_NOT_NULL(test, map);
	map->end = 1024;
	__set_bit(1000, map->present);
	__set_bit(1000, map->x2apic);
	resolve(test, map, 1000, false, 1000, none);
	resolve(test, map, 62 << 16 | 1 << 8, true, 1000, none);
	resolve(test, map, 64 << 16 | 0xffff, true, none, none);
	resolve(test, map, 1024, false, none, none);
	resolve(test, map, VLAPIC_MAX_IDS, false, none, none);
	__set_bit(255, map->present);
	__set_bit(100, map->present);
	__set_bit(101, map->present);
	__set_bit(255, map->x2apic);
	__set_bit(100, map->x2apic);
	__set_bit(101, map->flat[7]);
	resolve(test, map, 255, false, 255, none);
	resolve(test, map, 99, false, none, none);
	resolve(test, map, 256, false, none, none);
	resolve(test, map, 0xfffffffe, false, none, none);
	resolve(test, map, 15 << 16 | 1 << 15, true, 255, none);
	resolve(test, map, 15 << 16 | 1 << 14, true, none, none);
	resolve(test, map, 6 << 16 | 0xffff, true, 100, none);
	resolve(test, map, 16 << 16 | 0xffff, true, none, none);
	resolve(test, map, 0xffffffff, true, none, none);
	resolve(test, map, 0x80, true, 101, none);
	__set_bit(3, map->x2apic);
	resolve(test, map, 0x88, true, 101, 3);
	map_test_far(test, map);
}

static void lapic_test_timer_math(struct kunit *test)
{
	static const u8 divide[16] = {
		[0] = 2, [1] = 4, [2] = 8, [3] = 16, [8] = 32, [9] = 64, [10] = 128, [11] = 1,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(divide); i++)
		if (divide[i])
			KUNIT_EXPECT_EQ(test, vlapic_timer_divide(i), (u64)divide[i]);
	KUNIT_EXPECT_EQ(test, vlapic_timer_remaining(100, 0, 40), 60ull);
	KUNIT_EXPECT_EQ(test, vlapic_timer_remaining(100, 0, 100), 0ull);
	KUNIT_EXPECT_EQ(test, vlapic_timer_remaining(100, 30, 100), 30ull);
	KUNIT_EXPECT_EQ(test, vlapic_timer_remaining(100, 30, 175), 15ull);
	KUNIT_EXPECT_EQ(test, vlapic_timer_remaining(100, 30, 40), 60ull);
	KUNIT_EXPECT_EQ(test, vlapic_tsc_to_ns(0, 1000000), 1ull);
	KUNIT_EXPECT_EQ(test, vlapic_tsc_to_ns(3000, 3000000), 1001ull);
	KUNIT_EXPECT_EQ(test, vlapic_tsc_to_ns(1ull << 40, 2000000), (1ull << 39) + 1);
	KUNIT_EXPECT_EQ(test, vlapic_tsc_to_ns(~0ull, 1), BIT_ULL(60));
	KUNIT_EXPECT_EQ(test, vlapic_tsc_to_ns(~0ull, 4000000), BIT_ULL(60));
	KUNIT_EXPECT_EQ(test, vlapic_tsc_to_ns(5, 0), BIT_ULL(60));
}

/* However late this host is with its timers. */
static void wait_expired(struct vcpu *vcpu)
{
	while (!vlapic_timer_expired(vcpu))
		msleep(1);
}

static void lapic_test_timer_oneshot(struct kunit *test)
{
	struct board *b = test->priv;
	struct vcpu *vcpu = &b->vcpu[1];

	board_apic_on(b);
	/* Nine minutes, and in one of them this host comes to the next lines. */
	board_apic_write(vcpu, APIC_TDCR, APIC_TDR_DIV_128);
	board_apic_write(vcpu, APIC_LVTT, 0x61);
	board_apic_write(vcpu, APIC_TMICT, 0xffffffff);
	KUNIT_EXPECT_GT(test, board_apic_read(vcpu, APIC_TMCCT), 0xe0000000u);
	/* The count stays when the divisor changes. */
	board_apic_write(vcpu, APIC_TDCR, APIC_TDR_DIV_64);
	KUNIT_EXPECT_GT(test, board_apic_read(vcpu, APIC_TMCCT), 0xe0000000u);
	board_apic_write(vcpu, APIC_TMICT, 0);
	KUNIT_EXPECT_EQ(test, board_apic_read(vcpu, APIC_TMCCT), 0u);

	board_apic_write(vcpu, APIC_TDCR, APIC_TDR_DIV_1);
	board_apic_write(vcpu, APIC_TMICT, 1000000);
	wait_expired(vcpu);
	KUNIT_EXPECT_FALSE(test, test_bit(0x61, vcpu->apic->posted.vectors));
	vlapic_timer_sync(vcpu);
	KUNIT_EXPECT_EQ(test, board_who_got(b, 0x61), BIT(1));
	KUNIT_EXPECT_EQ(test, board_apic_read(vcpu, APIC_TMCCT), 0u);
	KUNIT_EXPECT_EQ(test, board_apic_read(vcpu, APIC_TMICT), 1000000u);
	msleep(5);
	KUNIT_EXPECT_FALSE(test, vlapic_timer_expired(vcpu));

	/* Masked: it expires, nobody hears, and unmasking comes too late. */
	board_apic_write(vcpu, APIC_LVTT, APIC_LVT_MASKED | 0x61);
	board_apic_write(vcpu, APIC_TMICT, 1000);
	msleep(5);
	KUNIT_EXPECT_FALSE(test, vlapic_timer_expired(vcpu));
	board_apic_write(vcpu, APIC_LVTT, 0x61);
	KUNIT_EXPECT_FALSE(test, vlapic_timer_expired(vcpu));
	KUNIT_EXPECT_EQ(test, board_who_got(b, 0x61), 0u);
}

static void lapic_test_timer_periodic(struct kunit *test)
{
	struct board *b = test->priv;
	struct vcpu *vcpu = &b->vcpu[1];
	u64 now;

	board_apic_on(b);
	board_apic_write(vcpu, APIC_TDCR, APIC_TDR_DIV_1);
	board_apic_write(vcpu, APIC_LVTT, APIC_LVT_TIMER_PERIODIC | 0x62);
	/* A period of 1 ns would be the end of the host. */
	board_apic_write(vcpu, APIC_TMICT, 1);
	KUNIT_EXPECT_EQ(test, vcpu->apic->timer.period, irqchip_min_period_ns());
	KUNIT_EXPECT_EQ(test, board_apic_read(vcpu, APIC_TMCCT), 1u);
	board_apic_write(vcpu, APIC_TMICT, 100000000);
	KUNIT_EXPECT_EQ(test, vcpu->apic->timer.period, 100000000ull);
	msleep(350);
	/* Many periods, one tick; and it goes on, from now. */
	wait_expired(vcpu);
	now = ktime_get_ns();
	vlapic_timer_sync(vcpu);
	KUNIT_EXPECT_EQ(test, board_who_got(b, 0x62), BIT(1));
	KUNIT_EXPECT_GT(test, vcpu->apic->timer.target, now);
	wait_expired(vcpu);
	/* A stop does not take back what has expired. */
	board_apic_write(vcpu, APIC_TMICT, 0);
	KUNIT_EXPECT_EQ(test, board_who_got(b, 0x62), BIT(1));
	msleep(5);
	KUNIT_EXPECT_FALSE(test, vlapic_timer_expired(vcpu));
}

static void lapic_test_timer_deadline(struct kunit *test)
{
	struct board *b = test->priv;
	struct vcpu *vcpu = &b->vcpu[1];
	u64 val;

	board_apic_on(b);
	/* In another mode the MSR does nothing. */
	KUNIT_EXPECT_EQ(test, vlapic_msr_write(vcpu, MSR_IA32_TSC_DEADLINE, ~0ull), 0);
	vlapic_msr_read(vcpu, MSR_IA32_TSC_DEADLINE, &val);
	KUNIT_EXPECT_EQ(test, val, 0ull);

	board_apic_write(vcpu, APIC_LVTT, APIC_LVT_TIMER_TSCDEADLINE | 0x63);
	board_apic_write(vcpu, APIC_TMICT, 1000);
	KUNIT_EXPECT_EQ(test, board_apic_read(vcpu, APIC_TMICT), 0u);
	vlapic_msr_write(vcpu, MSR_IA32_TSC_DEADLINE, ~0ull);
	vlapic_msr_read(vcpu, MSR_IA32_TSC_DEADLINE, &val);
	KUNIT_EXPECT_EQ(test, val, ~0ull);
	KUNIT_EXPECT_EQ(test, board_apic_read(vcpu, APIC_TMCCT), 0u);
	vlapic_tsc_changed(vcpu);
	vlapic_msr_read(vcpu, MSR_IA32_TSC_DEADLINE, &val);
	KUNIT_EXPECT_EQ(test, val, ~0ull);
	/* The past is now. */
	vlapic_msr_write(vcpu, MSR_IA32_TSC_DEADLINE, 1);
	wait_expired(vcpu);
	vlapic_msr_read(vcpu, MSR_IA32_TSC_DEADLINE, &val);
	KUNIT_EXPECT_EQ(test, val, 0ull);
	vlapic_timer_sync(vcpu);
	KUNIT_EXPECT_EQ(test, board_who_got(b, 0x63), BIT(1));
	/* Leaving the mode disarms. */
	vlapic_msr_write(vcpu, MSR_IA32_TSC_DEADLINE, ~0ull);
	board_apic_write(vcpu, APIC_LVTT, 0x63);
	KUNIT_EXPECT_EQ(test, vcpu->apic->timer.target, 0ull);
}

static void lapic_test_state(struct kunit *test)
{
	struct board *b = test->priv;
	struct kvm_lapic_state *one = kunit_kzalloc(test, sizeof(*one), GFP_KERNEL);
	struct kvm_lapic_state *two = kunit_kzalloc(test, sizeof(*two), GFP_KERNEL);
	struct vcpu *vcpu = &b->vcpu[1];

	KUNIT_ASSERT_NOT_NULL(test, one);
	KUNIT_ASSERT_NOT_NULL(test, two);
	board_apic_on(b);
	board_apic_write(vcpu, APIC_LDR, SET_APIC_LOGICAL_ID(2));
	board_apic_write(vcpu, APIC_TASKPRI, 0x23);
	board_apic_write(vcpu, APIC_LVT0, 0x8731);
	board_apic_write(vcpu, APIC_LVTT, APIC_LVT_TIMER_PERIODIC | APIC_LVT_MASKED | 0x80);
	board_apic_write(vcpu, APIC_ICR2, 0x03000000);
	vlapic_raise(vcpu->apic, 0x91, true);
	vlapic_raise(vcpu->apic, 0xff, false);
	vlapic_raise(vcpu->apic, 0x10, false);
	KUNIT_EXPECT_EQ(test, board_take_irq(vcpu), 0xff);
	KUNIT_ASSERT_EQ(test, vlapic_ioctl_get(vcpu, one), 0);

	vlapic_reset(vcpu, false);
	KUNIT_ASSERT_EQ(test, vlapic_ioctl_set(vcpu, one), 0);
	KUNIT_ASSERT_EQ(test, vlapic_ioctl_get(vcpu, two), 0);
	KUNIT_EXPECT_EQ(test, memcmp(one, two, sizeof(*one)), 0);
	KUNIT_EXPECT_EQ(test, *(u32 *)(two->regs + APIC_IRR + 0x40), BIT(0x11));
	KUNIT_EXPECT_EQ(test, *(u32 *)(two->regs + APIC_TMR + 0x40), BIT(0x11));
	KUNIT_EXPECT_EQ(test, *(u32 *)(two->regs + APIC_ISR + 0x70), BIT(31));
	KUNIT_EXPECT_EQ(test, vlapic_get_cr8(vcpu), 2ull);
	board_send_ipi(&b->vcpu[0], 2, APIC_DEST_LOGICAL | 0x40);
	KUNIT_EXPECT_EQ(test, board_who_got(b, 0x40), BIT(1));

	/* What cannot be is refused, and changes nothing. */
	one->regs[APIC_TASKPRI] = 0x70;
	one->regs[APIC_LVTT + 2] = 6;
	KUNIT_EXPECT_EQ(test, vlapic_ioctl_set(vcpu, one), -EINVAL);
	KUNIT_EXPECT_EQ(test, board_apic_read(vcpu, APIC_TASKPRI), 0x23u);
}

static void by_cpu_set(struct kunit *test, struct vcpu *vcpu)
{
	struct vlapic_timer *timer = &vcpu->apic->timer;
	u64 tsc;

	board_apic_write(vcpu, APIC_TDCR, APIC_TDR_DIV_1);
	board_apic_write(vcpu, APIC_LVTT, 0x61);
	tsc = rdtsc_ordered();
	/* Longer than this host can stand still between two lines. */
	board_apic_write(vcpu, APIC_TDCR, APIC_TDR_DIV_128);
	board_apic_write(vcpu, APIC_TMICT, 500000000);
	KUNIT_EXPECT_FALSE(test, hrtimer_active(&timer->hrtimer));
	KUNIT_EXPECT_GE(test, vcpu->exit_tsc, tsc + tsc_khz * 64000ull);
	KUNIT_EXPECT_LE(test, vcpu->exit_tsc, rdtsc_ordered() + tsc_khz * 64000ull);
	/* Not yet. */
	vlapic_timer_exit(vcpu);
	KUNIT_EXPECT_NE(test, vcpu->exit_tsc, 0ull);
	vlapic_timer_halt(vcpu);
	KUNIT_EXPECT_TRUE(test, hrtimer_active(&timer->hrtimer));
	vlapic_timer_unhalt(vcpu);
	KUNIT_EXPECT_FALSE(test, hrtimer_active(&timer->hrtimer));
}

/* What the CPU reports is over, and the next period begins where it was. */
static void by_cpu_over(struct kunit *test, struct board *b, struct vcpu *vcpu)
{
	struct vlapic_timer *timer = &vcpu->apic->timer;
	u64 target;

	vcpu->exit_tsc = rdtsc_ordered();
	vlapic_timer_exit(vcpu);
	KUNIT_EXPECT_EQ(test, vcpu->exit_tsc, 0ull);
	KUNIT_EXPECT_EQ(test, timer->target, 0ull);
	KUNIT_EXPECT_EQ(test, board_who_got(b, 0x61), BIT(1));
	/* A period goes on from the last one's end, even if the TSC was ahead. */
	board_apic_write(vcpu, APIC_LVTT, APIC_LVT_TIMER_PERIODIC | 0x61);
	board_apic_write(vcpu, APIC_TMICT, 500000000);
	target = timer->target;
	vcpu->exit_tsc = rdtsc_ordered();
	vlapic_timer_exit(vcpu);
	KUNIT_EXPECT_EQ(test, timer->target, target + 64000000000);
	KUNIT_EXPECT_EQ(test, board_who_got(b, 0x61), BIT(1));
	/* A stop takes what is over with it, and a TSC that fell back is found out. */
	vcpu->exit_tsc = 1;
	board_apic_write(vcpu, APIC_TMICT, 0);
	KUNIT_EXPECT_EQ(test, board_who_got(b, 0x61), BIT(1));
	KUNIT_EXPECT_EQ(test, vcpu->exit_tsc, 0ull);
}

static void by_cpu_deadline(struct kunit *test, struct board *b, struct vcpu *vcpu)
{
	u64 val;

	board_apic_write(vcpu, APIC_LVTT, APIC_LVT_TIMER_TSCDEADLINE | 0x63);
	vlapic_msr_write(vcpu, MSR_IA32_TSC_DEADLINE, vcpu_tsc(vcpu) + tsc_khz);
	vcpu->exit_tsc = U64_MAX;
	msleep(5);
	vlapic_msr_read(vcpu, MSR_IA32_TSC_DEADLINE, &val);
	KUNIT_EXPECT_NE(test, val, 0ull);
	vlapic_timer_exit(vcpu);
	vlapic_msr_read(vcpu, MSR_IA32_TSC_DEADLINE, &val);
	KUNIT_EXPECT_EQ(test, val, 0ull);
	KUNIT_EXPECT_EQ(test, board_who_got(b, 0x63), BIT(1));
	/* While it is halted the hrtimer wakes it. */
	vlapic_msr_write(vcpu, MSR_IA32_TSC_DEADLINE, vcpu_tsc(vcpu) + tsc_khz);
	vlapic_timer_halt(vcpu);
	wait_expired(vcpu);
	vlapic_timer_unhalt(vcpu);
	vlapic_timer_sync(vcpu);
	KUNIT_EXPECT_EQ(test, board_who_got(b, 0x63), BIT(1));
	KUNIT_EXPECT_FALSE(test, vlapic_timer_expired(vcpu));
	KUNIT_EXPECT_EQ(test, vcpu->exit_tsc, 0ull);
}

/* A CPU that ends the guest in time: no hrtimer but while the vCPU is halted. */
static void lapic_test_timer_by_cpu(struct kunit *test)
{
	struct board *b = test->priv;
	struct vcpu *vcpu = &b->vcpu[1];

	if (check_tsc_unstable())
		kunit_skip(test, "the host's TSC is not stable");
	vcpu->apic->cpu_times = true;
	board_apic_on(b);
	by_cpu_set(test, vcpu);
	by_cpu_over(test, b, vcpu);
	by_cpu_deadline(test, b, vcpu);
}

/* Is the CPU's timer used, where it has one, by a vCPU whose guest may leave these exits out? */
static bool cpu_times(struct kunit *test, u32 exits_off)
{
	static struct backend_caps caps = { .timer = true };
	static const struct backend_ops fake = { .caps = &caps };
	const struct backend_ops *real = backend;
	struct board *b = test->priv;
	struct vcpu *vcpu = kunit_kzalloc(test, sizeof(*vcpu), GFP_KERNEL);
	bool times;
	int err;

	KUNIT_ASSERT_NOT_NULL(test, vcpu);
	vcpu->vm = &b->vm;
	vcpu->id = NR_VCPUS;
	b->vm.enabled.exits_off = exits_off;
	backend = &fake;
	err = vlapic_create(vcpu);
	backend = real;
	b->vm.enabled.exits_off = 0;
	KUNIT_ASSERT_EQ(test, err, 0);
	times = vcpu->apic->cpu_times;
	vlapic_free(vcpu);
	return times;
}

/* It stands still in the C-states that a guest's MWAIT may lead to. */
static void lapic_test_timer_mwait(struct kunit *test)
{
	KUNIT_EXPECT_TRUE(test, cpu_times(test, 0));
	KUNIT_EXPECT_TRUE(test, cpu_times(test, KVM_X86_DISABLE_EXITS_PAUSE));
	KUNIT_EXPECT_FALSE(test, cpu_times(test, KVM_X86_DISABLE_EXITS_MWAIT));
}

/* The longest bus cycle that a VMM may choose, and the longest count of a guest. */
static void lapic_test_timer_longest(struct kunit *test)
{
	struct board *b = test->priv;
	struct vcpu *vcpu = &b->vcpu[1];
	u64 now = ktime_get_ns();
	unsigned int by_cpu;

	b->vm.enabled.apic_bus_ns = U64_MAX / 128 / U32_MAX;
	board_apic_on(b);
	board_apic_write(vcpu, APIC_TDCR, APIC_TDR_DIV_128);
	for (by_cpu = 0; by_cpu < 2; by_cpu++) {
		vcpu->apic->cpu_times = by_cpu;
		board_apic_write(vcpu, APIC_LVTT, 0x61);
		board_apic_write(vcpu, APIC_TMICT, U32_MAX);
		KUNIT_EXPECT_GT(test, vcpu->apic->timer.target, now + NSEC_PER_SEC);
		KUNIT_EXPECT_LT(test, vcpu->apic->timer.target, (u64)KTIME_MAX);
		KUNIT_EXPECT_FALSE(test, vlapic_timer_expired(vcpu));
		board_apic_write(vcpu, APIC_LVTT, APIC_LVT_TIMER_PERIODIC | 0x61);
		board_apic_write(vcpu, APIC_TMICT, U32_MAX);
		KUNIT_EXPECT_FALSE(test, vlapic_timer_expired(vcpu));
		board_apic_write(vcpu, APIC_TMICT, 0);
	}
	KUNIT_EXPECT_EQ(test, board_who_got(b, 0x61), 0u);
}

/* A vCPU whose making is not over, and may fail, has an APIC and is not found. */
static void lapic_test_find(struct kunit *test)
{
	struct board *b = test->priv;

	KUNIT_EXPECT_PTR_EQ(test, vlapic_find(&b->vm, 3), &b->vcpu[3]);
	KUNIT_EXPECT_NULL(test, vlapic_find(&b->vm, NR_VCPUS));
	KUNIT_EXPECT_NULL(test, vlapic_find(&b->vm, VLAPIC_MAX_IDS));
	KUNIT_EXPECT_NULL(test, vlapic_find(&b->vm, U64_MAX));
	b->vm.nr_vcpus--;
	KUNIT_EXPECT_NULL(test, vlapic_find(&b->vm, 3));
	KUNIT_EXPECT_PTR_EQ(test, vlapic_find(&b->vm, 2), &b->vcpu[2]);
	b->vm.nr_vcpus++;
}

static struct kunit_case lapic_kunit_cases[] = {
	KUNIT_CASE(lapic_test_reset),
	KUNIT_CASE(lapic_test_priority),
	KUNIT_CASE(lapic_test_tpr),
	KUNIT_CASE(lapic_test_ipi_targets),
	KUNIT_CASE(lapic_test_ipi_modes),
	KUNIT_CASE(lapic_test_cmci),
	KUNIT_CASE(lapic_test_errors),
	KUNIT_CASE(lapic_test_mmio_forms),
	KUNIT_CASE(lapic_test_base),
	KUNIT_CASE(lapic_test_base_without),
	KUNIT_CASE(lapic_test_x2apic),
	KUNIT_CASE(lapic_test_map),
	KUNIT_CASE(lapic_test_timer_math),
	KUNIT_CASE(lapic_test_timer_oneshot),
	KUNIT_CASE(lapic_test_timer_periodic),
	KUNIT_CASE(lapic_test_timer_deadline),
	KUNIT_CASE(lapic_test_state),
	KUNIT_CASE(lapic_test_timer_by_cpu),
	KUNIT_CASE(lapic_test_timer_mwait),
	KUNIT_CASE(lapic_test_timer_longest),
	KUNIT_CASE(lapic_test_find),
	{}
};

static struct kunit_suite lapic_kunit_suite = {
	.name = "ditto_lapic",
	.init = board_init,
	.exit = board_exit,
	.test_cases = lapic_kunit_cases,
};

kunit_test_suite(lapic_kunit_suite);
