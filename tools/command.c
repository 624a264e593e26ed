// SPDX-License-Identifier: GPL-2.0-only
/*
 * A command that a guest's agent runs: the loop between the agent's frames and the standard
 * files. What comes from the guest is checked, and written where the user said; nothing else of
 * it counts.
 */
#include "command.h"
#include "socket.h"
#include "terminal.h"
#include "vm.h"
#include "util.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>

#define STDIN_PIECE	1024

/**
 * command_send() - ask the agent to run it
 * @c: its @argv and @env count
 * @type: AGENT_EXEC or AGENT_RUN
 * @head: what comes before the variables
 *
 * Return: 0, or -1 after saying why not on standard error.
 */
int command_send(struct command *c, uint8_t type, const struct strings *head)
{
	struct strings all = { 0 };
	int ret = -1;

	all.text = malloc(head->len + c->env.len + 1);
	if (all.text) {
		memcpy(all.text, head->text, head->len);
		if (c->env.len)
			memcpy(all.text + head->len, c->env.text, c->env.len);
		all.len = head->len + c->env.len;
		ret = strings_add(&all, "");
	}
	for (char **arg = c->argv; *arg && !ret; arg++)
		ret = strings_add(&all, *arg);
	if (ret < 0 || all.len > AGENT_FRAME_MAX) {
		complain("the command and its environment are too long");
		ret = -1;
	} else {
		ret = agentport_send(&c->vm->agent, type, all.text, all.len);
	}
	free(all.text);
	return ret;
}

static void on_input(struct command *c)
{
	uint8_t bytes[STDIN_PIECE];
	size_t want = c->credit < sizeof(bytes) ? c->credit : sizeof(bytes);
	ssize_t n = read(STDIN_FILENO, bytes, want);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n < 0)
		n = 0;
	c->eof = !n;
	c->credit -= n;
	if (agentport_send(&c->vm->agent, AGENT_STDIN, bytes, n) == 0)
		return;
	complain("the agent says that it takes input, and does not");
	c->status = COMMAND_FAILED;
}

/**
 * command_signal() - a signal for the command, and what it has started
 * @c: the command
 * @sig: the signal
 */
void command_signal(struct command *c, uint8_t sig)
{
	agentport_send(&c->vm->agent, AGENT_SIGNAL, &sig, 1);
}

/* How large the terminal is, where there is one. */
static void tell_size(struct command *c)
{
	struct winsize size;
	uint8_t data[4];

	if (!c->tty || ioctl(STDIN_FILENO, TIOCGWINSZ, &size) < 0)
		return;
	data[0] = size.ws_row & 0xff;
	data[1] = size.ws_row >> 8;
	data[2] = size.ws_col & 0xff;
	data[3] = size.ws_col >> 8;
	agentport_send(&c->vm->agent, AGENT_WINDOW, data, sizeof(data));
}

/* While nobody reads its output the guest may stand still: it gets one, and the next is ours. */
static void on_signal(struct command *c)
{
	struct signalfd_siginfo info;

	if (read(c->vm->console.signal_fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGTSTP) {
		/* All of it: the fork's vCPUs are threads of this process. */
		terminal_restore();
		raise(SIGSTOP);
		if (c->tty && c->started)
			terminal_raw();
		return;
	}
	if (info.ssi_signo == SIGWINCH) {
		tell_size(c);
		return;
	}
	if (c->unheard || !c->started)
		c->status = 128 + info.ssi_signo;
	c->unheard = c->out_len;
	command_signal(c, info.ssi_signo);
}

/* As much as a pipe takes without making us wait. */
static void pass(struct command *c)
{
	ssize_t n = write(c->out_fd, c->out, c->out_len < PIPE_BUF ? c->out_len : PIPE_BUF);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	c->unheard = false;
	if (n <= 0) {
		uint8_t type = c->out_fd == STDERR_FILENO ? AGENT_STDERR : AGENT_STDOUT;

		c->unread[c->out_fd] = true;
		agentport_send(&c->vm->agent, AGENT_UNREAD, &type, 1);
		n = c->out_len;
	}
	c->out += n;
	c->out_len -= n;
}

static int failed_status(const struct command *c, int err)
{
	complain("%s: %s", c->argv[0], strerror(err));
	return err == ENOENT ? COMMAND_NOT_FOUND : COMMAND_CANNOT;
}

static int exit_status(const struct command *c, const uint8_t *data)
{
	switch (data[0]) {
	case AGENT_EXITED:
		return data[1];
	case AGENT_KILLED:
		return 128 + (data[1] & 0x7f);
	case AGENT_NO_USER:
		complain("there is no such user or group in there");
		return COMMAND_FAILED;
	default:
		return failed_status(c, data[1]);
	}
}

/**
 * command_started() - it runs, so that input and signals are its own
 * @c: the command
 */
void command_started(struct command *c)
{
	c->started = true;
	c->credit = AGENT_CREDIT;
}

static void on_frame(struct command *c)
{
	static uint8_t frame[AGENT_HEAD + AGENT_FRAME_MAX];
	ssize_t n = recv(c->vm->agent.frames[0], frame, sizeof(frame), 0);
	const uint8_t *data = frame + AGENT_HEAD;

	if (n < AGENT_HEAD) {
		c->status = COMMAND_FAILED;
		return;
	}
	n -= AGENT_HEAD;
	if (frame[0] == AGENT_STDOUT || frame[0] == AGENT_STDERR) {
		c->out_fd = frame[0] == AGENT_STDOUT ? STDOUT_FILENO : STDERR_FILENO;
		c->out = data;
		c->out_len = c->unread[c->out_fd] ? 0 : n;
	} else if (frame[0] == AGENT_TAKEN && n == 2) {
		c->credit += data[0] | data[1] << 8;
	} else if (frame[0] == AGENT_UP) {
		c->up = true;
	} else if (frame[0] == AGENT_STARTED) {
		command_started(c);
		tell_size(c);
	} else if (frame[0] == AGENT_EXIT && n == 2) {
		c->ended = true;
		c->status = exit_status(c, data);
	}
	/* More than there ever was is a broken agent's. */
	if (c->credit > AGENT_CREDIT)
		c->credit = AGENT_CREDIT;
}

/**
 * command_time_left() - until its deadline
 * @c: the command
 *
 * Return: milliseconds, or -1: it has none.
 */
int command_time_left(const struct command *c)
{
	int64_t left = c->deadline - socket_now_ms();

	if (!c->deadline)
		return -1;
	if (left > INT_MAX)
		return INT_MAX;
	return left > 0 ? left : 0;
}

/* Wait for something, and do what it wants. */
static void turn(struct command *c)
{
	struct pollfd p[] = {
		{ .fd = c->out_len ? -1 : c->vm->agent.frames[0], .events = POLLIN },
		{ .fd = c->vm->console.signal_fd, .events = POLLIN },
		{ .fd = c->eof || !c->credit ? -1 : STDIN_FILENO, .events = POLLIN },
		{ .fd = c->out_len ? c->out_fd : -1, .events = POLLOUT },
	};
	int n = poll(p, ARRAY_SIZE(p), command_time_left(c));

	if (!command_time_left(c))
		c->status = COMMAND_TIMEOUT;
	if (n <= 0 || c->status >= 0)
		return;
	if (p[3].revents)
		pass(c);
	if (p[1].revents)
		on_signal(c);
	if (p[0].revents)
		on_frame(c);
	if (p[2].revents && c->status < 0)
		on_input(c);
}

/**
 * command_relay() - until it has ended, or its time has, or its machine
 * @c: the command; its @status says how
 */
void command_relay(struct command *c)
{
	while (c->status < 0)
		turn(c);
}

/**
 * command_await() - until the agent has said that it is there, or that the command runs
 * @c: the command; its @status is -1 if that happens
 * @flag: its @up or @started
 * @patience_ms: for how long
 */
void command_await(struct command *c, const bool *flag, int patience_ms)
{
	c->deadline = socket_now_ms() + patience_ms;
	while (c->status < 0 && !*flag)
		turn(c);
	c->deadline = 0;
	if (c->status != COMMAND_TIMEOUT)
		return;
	complain("the guest does not answer after %d seconds", patience_ms / 1000);
	c->status = COMMAND_FAILED;
}
