// SPDX-License-Identifier: GPL-2.0-only
/*
 * The CMOS clock at ports 0x70 and 0x71. It shows the host's UTC time, in
 * BCD and 24 hours, whatever the guest writes there; the other registers are
 * memory. It raises no interrupts: no alarm, no periodic tick.
 */
#include "rtc.h"

#include <time.h>

enum {
	REG_SECONDS = 0x00, REG_MINUTES = 0x02, REG_HOURS = 0x04, REG_WEEKDAY = 0x06,
	REG_DAY = 0x07, REG_MONTH = 0x08, REG_YEAR = 0x09,
	REG_A = 0x0a, REG_B = 0x0b, REG_C = 0x0c, REG_D = 0x0d,
};

#define REG_A_32KHZ	0x26	/* oscillator runs, 1024 Hz; no update in progress */
#define REG_B_24H	0x02
#define REG_D_VALID	0x80

static uint8_t bcd(int value)
{
	return (value / 10 % 10) << 4 | value % 10;
}

static uint8_t rtc_read(struct rtc *rtc)
{
	time_t now = time(NULL);
	struct tm tm;

	gmtime_r(&now, &tm);
	switch (rtc->index) {
	case REG_SECONDS:
		return bcd(tm.tm_sec);
	case REG_MINUTES:
		return bcd(tm.tm_min);
	case REG_HOURS:
		return bcd(tm.tm_hour);
	case REG_WEEKDAY:
		return bcd(tm.tm_wday + 1);
	case REG_DAY:
		return bcd(tm.tm_mday);
	case REG_MONTH:
		return bcd(tm.tm_mon + 1);
	case REG_YEAR:
		return bcd(tm.tm_year % 100);
	case RTC_CENTURY:
		return bcd((tm.tm_year + 1900) / 100);
	case REG_A:
		return REG_A_32KHZ;
	case REG_B:
		return REG_B_24H;
	case REG_C:
		return 0;
	case REG_D:
		return REG_D_VALID;
	default:
		return rtc->cmos[rtc->index];
	}
}

static uint32_t rtc_in(void *device, unsigned int offset, unsigned int size)
{
	struct rtc *rtc = device;
	uint8_t value = 0xff;

	(void)size;
	pthread_mutex_lock(&rtc->lock);
	if (offset == 1)
		value = rtc_read(rtc);
	pthread_mutex_unlock(&rtc->lock);
	return value;
}

static void rtc_out(void *device, unsigned int offset, unsigned int size, uint32_t value)
{
	struct rtc *rtc = device;

	(void)size;
	pthread_mutex_lock(&rtc->lock);
	/* Bit 7 of the index would mask NMIs; there are none to mask. */
	if (offset == 0)
		rtc->index = value & 0x7f;
	else
		rtc->cmos[rtc->index] = value;
	pthread_mutex_unlock(&rtc->lock);
}

/**
 * rtc_attach() - put the clock at its ports
 * @rtc: the clock
 * @ports: the port table
 */
void rtc_attach(struct rtc *rtc, struct ioports *ports)
{
	*rtc = (struct rtc){ .state.index = REG_D };
	pthread_mutex_init(&rtc->lock, NULL);
	ioports_add(ports, (struct ioport_range){
		.first = RTC_PORT, .count = RTC_PORTS, .bytewise = true,
		.in = rtc_in, .out = rtc_out, .device = rtc,
	});
}
