/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef DITTO_SERIAL_H
#define DITTO_SERIAL_H

#include "ioports.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SERIAL_PORT	0x3f8
#define SERIAL_PORTS	8
#define SERIAL_IRQ	4
#define SERIAL_FIFO	16

struct console;
struct vm;

/**
 * struct serial - a 16550A
 * @lock: protects everything below up to @vm
 * @ier: interrupt enable, and so on for the other registers
 * @fcr: FIFO control: bit 0 and the trigger level
 * @lcr: line control; bit 7 selects the divisor
 * @mcr: modem control; bit 4 is loopback
 * @msr_delta: what changed in the modem status since it was read
 * @scr: scratch
 * @divisor: kept, never used: the line has no speed
 * @overrun: a byte was lost (loopback only)
 * @thre_pending: "transmitter empty" was not reported yet
 * @irq_level: what the interrupt controller was told last
 * @rx_waiting: the console has input and was told there is no room
 * @rx: bytes received
 * @rx_head: index of the oldest
 * @rx_count: how many
 * @vm: constant; its interrupt line
 * @console: constant; where output goes and input comes from
 */
struct serial {
	pthread_mutex_t lock;
	uint8_t ier, fcr, lcr, mcr, msr_delta, scr;
	uint16_t divisor;
	bool overrun;
	bool thre_pending;
	bool irq_level;
	bool rx_waiting;
	uint8_t rx[SERIAL_FIFO];
	unsigned int rx_head, rx_count;
	struct vm *vm;
	struct console *console;
};

void serial_attach(struct serial *s, struct ioports *ports, struct vm *vm,
		   struct console *console);
size_t serial_receive(struct serial *s, const uint8_t *bytes, size_t count);

#endif
