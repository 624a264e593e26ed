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
#define SERIAL2_PORT	0x2f8
#define SERIAL2_IRQ	3
#define SERIAL_FIFO	16

struct vm;

/**
 * struct serial_line - where a UART is, and what it is connected with
 * @port: its first port
 * @irq: its interrupt
 * @put: the guest sends a byte; a vCPU's thread, without the UART's lock; may wait
 * @wake: there is room again for what serial_receive() did not take; any thread
 * @end: handed to both
 */
struct serial_line {
	uint16_t port;
	unsigned int irq;
	void (*put)(void *end, uint8_t byte);
	void (*wake)(void *end);
	void *end;
};

/**
 * struct serial_state - what a fork of the machine inherits of it
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
 */
struct serial_state {
	uint8_t ier, fcr, lcr, mcr, msr_delta, scr;
	uint16_t divisor;
	bool overrun;
	bool thre_pending;
	bool irq_level;
	bool rx_waiting;
	uint8_t rx[SERIAL_FIFO];
	uint32_t rx_head, rx_count;
};

/**
 * struct serial - a 16550A
 * @lock: protects @state
 * @state: its members are this structure's, too
 * @vm: constant; its interrupt line
 * @line: constant; where it is, and its other end
 */
struct serial {
	pthread_mutex_t lock;
	union {
		struct serial_state;
		struct serial_state state;
	};
	struct vm *vm;
	struct serial_line line;
};

void serial_attach(struct serial *s, struct ioports *ports, struct vm *vm,
		   const struct serial_line *line);
void serial_save(struct serial *s, struct serial_state *state);
bool serial_restore(struct serial *s, const struct serial_state *state);
size_t serial_receive(struct serial *s, const uint8_t *bytes, size_t count);

#endif
