// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit: an exception that is met while another one is on its way (SDM volume 3,
 * tables 6-4 and 6-5).  All pairs of all classes, as the tables say and not as
 * events.c computes it.
 */
#include <asm/traps.h>

#include "x86/machine/vm.h"
#include "x86/run/event_queue.h"
#include "x86/run/events.h"
#include "x86/run/state_kunit.h"

/* What comes of the two. */
enum outcome {
	SERIAL,		/* the second; the first strikes again when its instruction does */
	DOUBLE,		/* #DF */
	SHUTDOWN,
};

enum { BENIGN, CONTRIBUTORY, PAGE_FAULT, NR_CLASSES };

static const struct {
	const char *name;
	u8 nr;
	u8 vectors[12];
} classes[NR_CLASSES] = {
	[BENIGN] = { "benign", 11, { X86_TRAP_DB, X86_TRAP_NMI, X86_TRAP_BP, X86_TRAP_OF,
				     X86_TRAP_BR, X86_TRAP_UD, X86_TRAP_NM, X86_TRAP_MF,
				     X86_TRAP_AC, X86_TRAP_MC, X86_TRAP_XF } },
	[CONTRIBUTORY] = { "contributory", 5, { X86_TRAP_DE, X86_TRAP_TS, X86_TRAP_NP,
						X86_TRAP_SS, X86_TRAP_GP } },
	[PAGE_FAULT] = { "page fault", 1, { X86_TRAP_PF } },
};

/* Table 6-5: the first event is the row. */
static const enum outcome table[NR_CLASSES][NR_CLASSES] = {
	[BENIGN] = { SERIAL, SERIAL, SERIAL },
	[CONTRIBUTORY] = { SERIAL, DOUBLE, SERIAL },
	[PAGE_FAULT] = { SERIAL, DOUBLE, DOUBLE },
};

/* Its text: what is met while calling the double fault handler. */
static const enum outcome after_double[NR_CLASSES] = { SERIAL, SHUTDOWN, SHUTDOWN };

static void queue(struct vcpu *vcpu, u8 vector)
{
	if (vector == X86_TRAP_PF)
		event_queue_page_fault(vcpu, 0x123456789000, 2);
	else
		event_queue_exception_error(vcpu, vector, 0x18);
}

static void check_second(struct kunit *test, const struct vcpu_events *ev, u8 second)
{
	bool pf = second == X86_TRAP_PF;

	KUNIT_EXPECT_EQ(test, ev->exc_vector, second);
	KUNIT_EXPECT_TRUE(test, ev->exc_has_error);
	KUNIT_EXPECT_EQ(test, ev->exc_error, pf ? 2U : 0x18U);
	KUNIT_EXPECT_EQ(test, ev->exc_has_payload, pf);
	if (pf)
		KUNIT_EXPECT_EQ(test, ev->exc_payload, 0x123456789000ULL);
}

static void check_double(struct kunit *test, const struct vcpu_events *ev)
{
	KUNIT_EXPECT_EQ(test, ev->exc_vector, X86_TRAP_DF);
	KUNIT_EXPECT_TRUE(test, ev->exc_has_error);
	KUNIT_EXPECT_EQ(test, ev->exc_error, 0U);
	KUNIT_EXPECT_FALSE(test, ev->exc_has_payload);
}

/* @injected: the first is in delivery, which an exit cut; else it was only found. */
static void run_pair(struct kunit *test, u8 first, u8 second, bool injected, enum outcome want)
{
	struct vcpu *vcpu = the_vcpu(test);
	struct vcpu_events *ev = &vcpu->ev;

	memset(ev, 0, sizeof(*ev));
	vcpu->requests = 0;
	queue(vcpu, first);
	ev->exc_injected = injected;
	ev->exc_pending = !injected;
	vcpu->requests = 0;
	queue(vcpu, second);
	KUNIT_EXPECT_EQ_MSG(test, test_bit(REQ_SHUTDOWN, &vcpu->requests), want == SHUTDOWN,
			    "%u, then %u", first, second);
	KUNIT_EXPECT_TRUE(test, test_bit(REQ_EVENT, &vcpu->requests));
	if (want == SHUTDOWN)
		return;
	KUNIT_EXPECT_EQ_MSG(test, ev->exc_vector, want == DOUBLE ? X86_TRAP_DF : second,
			    "%u, then %u", first, second);
	KUNIT_EXPECT_TRUE(test, ev->exc_pending);
	KUNIT_EXPECT_FALSE(test, ev->exc_injected);
	if (want == DOUBLE)
		check_double(test, ev);
	else
		check_second(test, ev, second);
}

static void run_seconds(struct kunit *test, u8 first, const enum outcome *row)
{
	int class, i;

	for (class = 0; class < NR_CLASSES; class++) {
		for (i = 0; i < classes[class].nr; i++) {
			run_pair(test, first, classes[class].vectors[i], true, row[class]);
			run_pair(test, first, classes[class].vectors[i], false, row[class]);
		}
	}
}

static void events_test_pairs(struct kunit *test)
{
	int class, i;

	for (class = 0; class < NR_CLASSES; class++) {
		kunit_info(test, "after a %s exception", classes[class].name);
		for (i = 0; i < classes[class].nr; i++)
			run_seconds(test, classes[class].vectors[i], table[class]);
	}
	run_seconds(test, X86_TRAP_DF, after_double);
}

/* One alone is itself. */
static void events_test_alone(struct kunit *test)
{
	struct vcpu *vcpu = the_vcpu(test);

	memset(&vcpu->ev, 0, sizeof(vcpu->ev));
	queue(vcpu, X86_TRAP_PF);
	KUNIT_EXPECT_TRUE(test, vcpu->ev.exc_pending);
	check_second(test, &vcpu->ev, X86_TRAP_PF);
	memset(&vcpu->ev, 0, sizeof(vcpu->ev));
	event_queue_exception(vcpu, X86_TRAP_UD);
	KUNIT_EXPECT_EQ(test, vcpu->ev.exc_vector, X86_TRAP_UD);
	KUNIT_EXPECT_FALSE(test, vcpu->ev.exc_has_error);
	KUNIT_EXPECT_FALSE(test, test_bit(REQ_SHUTDOWN, &vcpu->requests));
}

/* #PF whose delivery an exit cut, and the handler's page-table walk faults: as in a guest. */
static void events_test_cut(struct kunit *test)
{
	static const struct x86_event cut = { .type = EVENT_EXCEPTION, .vector = X86_TRAP_PF,
					      .has_error = true, .error = 4 };
	struct vcpu *vcpu = the_vcpu(test);

	memset(&vcpu->ev, 0, sizeof(vcpu->ev));
	events_cut(vcpu, &cut);
	KUNIT_EXPECT_TRUE(test, vcpu->ev.exc_injected);
	queue(vcpu, X86_TRAP_NP);
	check_double(test, &vcpu->ev);
	/* And delivered, it is found again only by what comes next. */
	vcpu->ev.exc_pending = false;
	vcpu->ev.exc_injected = false;
	queue(vcpu, X86_TRAP_GP);
	check_second(test, &vcpu->ev, X86_TRAP_GP);
}

static struct kunit_case events_kunit_cases[] = {
	KUNIT_CASE(events_test_pairs),
	KUNIT_CASE(events_test_alone),
	KUNIT_CASE(events_test_cut),
	{}
};

static struct kunit_suite events_kunit_suite = {
	.name = "ditto_events",
	.suite_init = state_suite_init,
	.suite_exit = state_suite_exit,
	.init = state_test_init,
	.exit = state_test_exit,
	.test_cases = events_kunit_cases,
};

kunit_test_suite(events_kunit_suite);
