// SPDX-License-Identifier: GPL-2.0-only
/*
 * The keyboard controller at ports 0x60 and 0x64, without keyboard or mouse:
 * enough that a driver's probe ends, and the reset pulse that PCs are
 * rebooted with.
 */
#include "i8042.h"
#include "vm.h"

#include <stddef.h>

#define DATA_PORT	0x60
#define STATUS_PORT	0x64

#define STATUS_FULL	0x01	/* the guest may read the data port */
#define STATUS_SYSTEM	0x04	/* self-test passed */

enum {
	CMD_READ_CONFIG = 0x20,
	CMD_WRITE_CONFIG = 0x60,
	CMD_TEST_AUX = 0xa9,
	CMD_SELF_TEST = 0xaa,
	CMD_TEST_KEYBOARD = 0xab,
	CMD_WRITE_OUTPUT = 0xd1,
	CMD_LOOP_KEYBOARD = 0xd2,
	CMD_LOOP_AUX = 0xd3,
	CMD_SEND_AUX = 0xd4,
	CMD_PULSE = 0xf0,	/* low four bits: the lines not to pulse; bit 0 is reset */
};

static void reply(struct i8042 *kbc, uint8_t byte)
{
	kbc->full = true;
	kbc->reply = byte;
}

static void command(struct i8042 *kbc, uint8_t cmd)
{
	kbc->command = 0;
	switch (cmd) {
	case CMD_READ_CONFIG:
		reply(kbc, kbc->config);
		break;
	case CMD_SELF_TEST:
		reply(kbc, 0x55);
		break;
	case CMD_TEST_AUX:
	case CMD_TEST_KEYBOARD:
		reply(kbc, 0x00);
		break;
	case CMD_WRITE_CONFIG:
	case CMD_WRITE_OUTPUT:
	case CMD_LOOP_KEYBOARD:
	case CMD_LOOP_AUX:
	case CMD_SEND_AUX:
		kbc->command = cmd;
		break;
	}
}

static void data(struct i8042 *kbc, uint8_t byte)
{
	if (kbc->command == CMD_WRITE_CONFIG)
		kbc->config = byte;
	else if (kbc->command == CMD_WRITE_OUTPUT && !(byte & 1))
		vm_stop(kbc->vm, VM_REBOOT);
	else if (kbc->command == CMD_LOOP_KEYBOARD || kbc->command == CMD_LOOP_AUX)
		reply(kbc, byte);
	/* Anything else is for a device that is not there: no answer. */
	kbc->command = 0;
}

static uint32_t data_in(void *device, unsigned int offset, unsigned int size)
{
	struct i8042 *kbc = device;
	uint8_t byte;

	(void)offset, (void)size;
	pthread_mutex_lock(&kbc->lock);
	byte = kbc->reply;
	kbc->full = false;
	pthread_mutex_unlock(&kbc->lock);
	return byte;
}

static void data_out(void *device, unsigned int offset, unsigned int size, uint32_t value)
{
	struct i8042 *kbc = device;

	(void)offset, (void)size;
	pthread_mutex_lock(&kbc->lock);
	data(kbc, value);
	pthread_mutex_unlock(&kbc->lock);
}

static uint32_t status_in(void *device, unsigned int offset, unsigned int size)
{
	struct i8042 *kbc = device;
	uint8_t status;

	(void)offset, (void)size;
	pthread_mutex_lock(&kbc->lock);
	status = STATUS_SYSTEM | (kbc->full ? STATUS_FULL : 0);
	pthread_mutex_unlock(&kbc->lock);
	return status;
}

static void command_out(void *device, unsigned int offset, unsigned int size, uint32_t value)
{
	struct i8042 *kbc = device;

	(void)offset, (void)size;
	if ((value & CMD_PULSE) == CMD_PULSE && !(value & 1)) {
		vm_stop(kbc->vm, VM_REBOOT);
		return;
	}
	pthread_mutex_lock(&kbc->lock);
	command(kbc, value);
	pthread_mutex_unlock(&kbc->lock);
}

/**
 * i8042_attach() - put the controller at its ports
 * @kbc: the controller
 * @ports: the port table
 * @vm: the machine
 */
void i8042_attach(struct i8042 *kbc, struct ioports *ports, struct vm *vm)
{
	*kbc = (struct i8042){ .vm = vm };
	pthread_mutex_init(&kbc->lock, NULL);
	ioports_add(ports, (struct ioport_range){
		.first = DATA_PORT, .count = 1, .bytewise = true,
		.in = data_in, .out = data_out, .device = kbc,
	});
	ioports_add(ports, (struct ioport_range){
		.first = STATUS_PORT, .count = 1, .bytewise = true,
		.in = status_in, .out = command_out, .device = kbc,
	});
}
