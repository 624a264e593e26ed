// SPDX-License-Identifier: GPL-2.0-only
/*
 * Watching the host's clock: when its TSC turns out to be unreliable, every VM must know.
 *
 * The hard part is the place where the kernel reports it: in an interrupt, in the update of
 * its time, with a lock held that a wake-up would take. Hence the two steps to a context in
 * which all VMs can be visited.
 */
#include <linux/irq_work.h>
#include <linux/notifier.h>
#include <linux/pvclock_gtod.h>
#include <linux/workqueue.h>
#include <asm/tsc.h>

#include "x86/cpu/clocksource.h"

static bool clocksource_told;
static void (*clocksource_teller)(void);

static void clocksource_tell(struct work_struct *work)
{
	clocksource_teller();
}
static DECLARE_WORK(clocksource_work, clocksource_tell);

static void clocksource_irq(struct irq_work *work)
{
	schedule_work(&clocksource_work);
}
static struct irq_work clocksource_irq_work = IRQ_WORK_INIT(clocksource_irq);

#ifdef DITTO_KUNIT
static bool clocksource_pretended;
#define check_tsc_unstable() (clocksource_pretended || check_tsc_unstable())
#endif

/* At each tick at the least, so the usual case is short. */
static int clocksource_update(struct notifier_block *nb, unsigned long unused, void *timekeeper)
{
	if (likely(!check_tsc_unstable()) || READ_ONCE(clocksource_told))
		return NOTIFY_DONE;
	WRITE_ONCE(clocksource_told, true);
	irq_work_queue(&clocksource_irq_work);
	return NOTIFY_DONE;
}

static struct notifier_block clocksource_notifier = { .notifier_call = clocksource_update };

/**
 * clocksource_watch() - tell all VMs when the host's TSC turns unstable
 * @tell: who does; process context
 */
void clocksource_watch(void (*tell)(void))
{
	clocksource_teller = tell;
	pvclock_gtod_register_notifier(&clocksource_notifier);
}

/**
 * clocksource_unwatch() - undo clocksource_watch()
 */
void clocksource_unwatch(void)
{
	pvclock_gtod_unregister_notifier(&clocksource_notifier);
	irq_work_sync(&clocksource_irq_work);
	cancel_work_sync(&clocksource_work);
}

#ifdef DITTO_KUNIT
/**
 * clocksource_tick() - what follows a tick of the kernel's
 * @unstable: as if its TSC had turned out to be unstable
 * @told: VMs may have been told before
 * @tell: who tells them, instead of the other
 *
 * Process context; waits until they are told.
 */
void clocksource_tick(bool unstable, bool told, void (*tell)(void))
{
	void (*teller)(void) = clocksource_teller;

	local_irq_disable();
	clocksource_teller = tell;
	clocksource_told &= told;
	clocksource_pretended = unstable;
	clocksource_update(&clocksource_notifier, 0, NULL);
	clocksource_pretended = false;
	local_irq_enable();
	irq_work_sync(&clocksource_irq_work);
	flush_work(&clocksource_work);
	clocksource_teller = teller;
}
#endif
