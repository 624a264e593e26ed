// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit: which guests a CPU takes that runs neither real mode nor what real mode leaves in segment
 * registers, and what becomes of the others' events.
 */
#include <kunit/test.h>
#include <asm/processor-flags.h>

#include "x86/machine/vm.h"
#include "x86/run/event_queue.h"
#include "x86/run/events.h"
#include "x86/run/software.h"
#include "x86/run/state_kunit.h"

/* Flat, at level 0 or 3. */
static void protected_mode(struct x86_state *st, u8 cpl)
{
	enum x86_seg nr;

	st->cr0 |= X86_CR0_PE;
	st->rflags = X86_EFLAGS_FIXED;
	st->cpl = cpl;
	for (nr = 0; nr < SEG_LDTR; nr++)
		st->seg[nr] = (struct kvm_segment) {
			.selector = nr * 8 + 8 + cpl, .limit = 0xffffffff, .g = 1, .db = 1, .s = 1,
			.present = 1, .dpl = cpl, .type = nr == SEG_CS ? 11 : 3,
		};
}

static void fits(struct kunit *test)
{
	struct x86_state *st = &the_vcpu(test)->st;

	KUNIT_EXPECT_FALSE(test, software_fits(st));	/* real mode, after power-on */
	protected_mode(st, 0);
	KUNIT_EXPECT_TRUE(test, software_fits(st));
	protected_mode(st, 3);
	KUNIT_EXPECT_TRUE(test, software_fits(st));
	/* What real mode leaves is data as code, and selectors that look like level 3. */
	protected_mode(st, 0);
	st->seg[SEG_CS].type = 3;
	KUNIT_EXPECT_FALSE(test, software_fits(st));
	protected_mode(st, 0);
	st->seg[SEG_SS].selector |= 2;
	KUNIT_EXPECT_FALSE(test, software_fits(st));
	protected_mode(st, 0);
	st->seg[SEG_CS].selector |= 1;
	KUNIT_EXPECT_FALSE(test, software_fits(st));
	protected_mode(st, 0);
	st->seg[SEG_GS].selector |= 3;
	KUNIT_EXPECT_FALSE(test, software_fits(st));
	st->seg[SEG_GS].unusable = 1;
	KUNIT_EXPECT_TRUE(test, software_fits(st));
	/* Conforming code is read at all levels, and runs at all that are not above it. */
	protected_mode(st, 3);
	st->seg[SEG_CS].type = st->seg[SEG_DS].type = 15;
	st->seg[SEG_CS].dpl = st->seg[SEG_DS].dpl = 0;
	KUNIT_EXPECT_TRUE(test, software_fits(st));
	st->seg[SEG_CS].type = 11;
	KUNIT_EXPECT_FALSE(test, software_fits(st));
	/* Virtual-8086 mode has the segments of real mode, and is the CPU's. */
	st->rflags |= X86_EFLAGS_VM;
	KUNIT_EXPECT_TRUE(test, software_fits(st));
}

/* Only what was changed since the CPU had it is looked at, and real mode always. */
static void needed(struct kunit *test)
{
	struct vcpu *vcpu = the_vcpu(test);

	vcpu->st.dirty = 0;
	KUNIT_EXPECT_TRUE(test, software_needed(vcpu));
	protected_mode(&vcpu->st, 0);
	vcpu->st.seg[SEG_CS].type = 3;
	KUNIT_EXPECT_FALSE(test, software_needed(vcpu));
	vcpu_changed(vcpu, ST_SEGS);
	KUNIT_EXPECT_TRUE(test, software_needed(vcpu));
	vcpu->st.seg[SEG_CS].type = 11;
	KUNIT_EXPECT_FALSE(test, software_needed(vcpu));
}

/* The event is not the backend's, and the next entry looks again. */
static void events(struct kunit *test)
{
	struct vcpu *vcpu = the_vcpu(test);
	struct x86_event e;

	vcpu->requests = 0;
	events_take(vcpu, &e);
	KUNIT_EXPECT_EQ(test, e.type, EVENT_NONE);
	KUNIT_EXPECT_TRUE(test, vcpu->requests & BIT(REQ_EVENT));
	event_queue_exception(vcpu, X86_TRAP_UD);
	events_take(vcpu, &e);
	KUNIT_EXPECT_EQ(test, e.type, EVENT_EXCEPTION);
	KUNIT_EXPECT_EQ(test, e.vector, X86_TRAP_UD);
	KUNIT_EXPECT_TRUE(test, vcpu->st.rflags & X86_EFLAGS_RF);
	/* Until somebody says that it was delivered. */
	events_take(vcpu, &e);
	KUNIT_EXPECT_EQ(test, e.vector, X86_TRAP_UD);
	events_taken(vcpu, &e, false);
	events_take(vcpu, &e);
	KUNIT_EXPECT_EQ(test, e.type, EVENT_NONE);
}

static struct kunit_case software_cases[] = {
	KUNIT_CASE(fits),
	KUNIT_CASE(needed),
	KUNIT_CASE(events),
	{}
};

static struct kunit_suite software_suite = {
	.name = "ditto_x86_software",
	.suite_init = state_suite_init,
	.suite_exit = state_suite_exit,
	.init = state_test_init,
	.exit = state_test_exit,
	.test_cases = software_cases,
};
kunit_test_suite(software_suite);
