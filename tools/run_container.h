/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef DITTO_RUN_CONTAINER_H
#define DITTO_RUN_CONTAINER_H

#include "command.h"
#include "container.h"

struct console;

int container_start(struct container *c, struct command *command);
int container_relay(struct command *command);
void container_tell_console(struct console *console);

#endif
