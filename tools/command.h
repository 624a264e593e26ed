/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef DITTO_COMMAND_H
#define DITTO_COMMAND_H

#include "util.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

struct vm;

/* What the exit status says when it is not the command's; as of docker run and timeout. */
enum command_status {
	COMMAND_TIMEOUT = 124, COMMAND_FAILED = 125, COMMAND_CANNOT = 126, COMMAND_NOT_FOUND = 127,
};

/**
 * struct command - a command that a guest's agent runs, and its standard files here
 * @vm: the guest, whose agent's frames come
 * @argv: command and arguments, NULL-terminated
 * @env: variables
 * @deadline: when its time is over, in ms, or 0
 * @credit: bytes of input that the agent still takes
 * @tty: they are a terminal's
 * @up: the agent has said that it is there
 * @started: it has begun
 * @eof: the input has ended
 * @unheard: a signal was sent since output was last taken, and the guest may wait for that
 * @ended: the command has, and how says
 * @out, @out_len, @out_fd: what of a frame is to be written still, and where
 * @unread: who reads the standard file of that number has gone
 * @status: exit status, or -1
 */
struct command {
	struct vm *vm;
	char **argv;
	struct strings env;
	int64_t deadline;
	size_t credit;
	bool tty, up, started, eof, unheard, ended;
	const uint8_t *out;
	size_t out_len;
	int out_fd;
	bool unread[STDERR_FILENO + 1];
	int status;
};

int command_send(struct command *c, uint8_t type, const struct strings *head);
void command_signal(struct command *c, uint8_t sig);
int command_time_left(const struct command *c);
void command_relay(struct command *c);
void command_started(struct command *c);
void command_await(struct command *c, const bool *flag, int patience_ms);

#endif
