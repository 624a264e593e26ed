/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Whether the host's clock is its TSC, from one second to the next (clocksource.c).
 */
#ifndef DITTO_CPU_CLOCKSOURCE_H
#define DITTO_CPU_CLOCKSOURCE_H

#include <linux/types.h>

void clocksource_watch(void (*tell)(void));
void clocksource_unwatch(void);
#ifdef DITTO_KUNIT
void clocksource_tick(bool unstable, bool told, void (*tell)(void));
#endif

#endif
