/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef DITTO_RTC_H
#define DITTO_RTC_H

#include "ioports.h"

#include <pthread.h>

#define RTC_PORT	0x70
#define RTC_PORTS	2
#define RTC_CENTURY	0x32	/* the register; the FADT says so too */

/**
 * struct rtc_state - what a fork of the machine inherits of it
 * @index: the register that port 0x71 reaches
 * @cmos: what was written to registers that only remember
 */
struct rtc_state {
	uint8_t index;
	uint8_t cmos[128];
};

/**
 * struct rtc - a CMOS clock
 * @lock: protects @state
 * @state: its members are this structure's, too
 */
struct rtc {
	pthread_mutex_t lock;
	union {
		struct rtc_state;
		struct rtc_state state;
	};
};

void rtc_attach(struct rtc *rtc, struct ioports *ports);

#endif
