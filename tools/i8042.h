/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef DITTO_I8042_H
#define DITTO_I8042_H

#include "ioports.h"

#include <pthread.h>
#include <stdbool.h>

struct vm;

/**
 * struct i8042_state - what a fork of the machine inherits of it
 * @command: a command that waits for its data byte, or 0
 * @config: the command byte
 * @full: @reply holds a byte that the guest did not read yet
 * @reply: that byte
 */
struct i8042_state {
	uint8_t command;
	uint8_t config;
	bool full;
	uint8_t reply;
};

/**
 * struct i8042 - a keyboard controller with nothing plugged in
 * @lock: protects @state
 * @state: its members are this structure's, too
 * @vm: constant; what a reset pulse resets
 */
struct i8042 {
	pthread_mutex_t lock;
	union {
		struct i8042_state;
		struct i8042_state state;
	};
	struct vm *vm;
};

void i8042_attach(struct i8042 *kbc, struct ioports *ports, struct vm *vm);

#endif
