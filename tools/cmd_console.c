// SPDX-License-Identifier: GPL-2.0-only
/*
 * `ditto console`: the console of a machine in the background, on this terminal. What comes
 * over the connection is bytes, in packets of any length.
 */
#include "cmd.h"
#include "listing.h"
#include "socket.h"
#include "terminal.h"
#include "util.h"

#include <argp.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CTRL_A		0x01

static const char doc[] =
	"Attach to the console of machine NAME, which runs in the background; whoever was attached "
	"is detached. What it said since somebody last listened comes first, as far as it was kept "
	"(64 KiB).\v"
	"On a terminal, Ctrl-A x detaches and Ctrl-A a sends Ctrl-A. The console of a machine that "
	"`ditto run' started without --detach is where that was started.\n"
	"\n"
	"Exit status: 0; 1 if it cannot be attached.";

/**
 * struct console_client - this end
 * @name: the machine's
 * @fd: the connection
 * @is_tty: standard input is a terminal
 * @escape: Ctrl-A was the last byte
 * @eof: standard input has ended
 */
struct console_client {
	const char *name;
	int fd;
	bool is_tty, escape, eof;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct console_client *c = state->input;

	return parse_machine(key, arg, state, &c->name);
}

/* One byte of the terminal: what is to be sent of it; false: detach. */
static bool key(struct console_client *c, char byte, char *out, size_t *len)
{
	if (!c->escape && byte == CTRL_A) {
		c->escape = true;
		return true;
	}
	if (c->escape && (byte == 'x' || byte == 'X'))
		return false;
	if (c->escape && (byte == 'a' || byte == 'A'))
		byte = CTRL_A;
	c->escape = false;
	out[(*len)++] = byte;
	return true;
}

static bool typed(struct console_client *c)
{
	char in[256], out[256];
	ssize_t n = read(STDIN_FILENO, in, sizeof(in));
	bool stay = true;
	size_t len = 0;

	if (n <= 0) {
		c->eof = true;
		return n == 0 || errno == EINTR;
	}
	for (ssize_t i = 0; i < n && stay; i++) {
		if (c->is_tty)
			stay = key(c, in[i], out, &len);
		else
			out[len++] = in[i];
	}
	return (!len || send(c->fd, out, len, MSG_NOSIGNAL) >= 0) && stay;
}

static bool said(struct console_client *c)
{
	char bytes[4096];
	ssize_t n = recv(c->fd, bytes, sizeof(bytes), 0), at = 0, m;

	while (at < n) {
		m = write(STDOUT_FILENO, bytes + at, n - at);
		if (m <= 0)
			return false;
		at += m;
	}
	return n > 0;
}

static void relay(struct console_client *c)
{
	bool stay = true;

	while (stay) {
		struct pollfd p[] = {
			{ .fd = c->eof ? -1 : STDIN_FILENO, .events = POLLIN },
			{ .fd = c->fd, .events = POLLIN },
		};

		if (poll(p, ARRAY_SIZE(p), -1) < 0)
			continue;
		if (p[1].revents)
			stay = said(c);
		if (stay && p[0].revents)
			stay = typed(c);
	}
}

/**
 * cmd_console() - `ditto console`
 * @argc: as for main()
 * @argv: as for main()
 *
 * Return: the exit status.
 */
int cmd_console(int argc, char **argv)
{
	static const struct argp argp = { NULL, parse, "NAME", doc, NULL, NULL, NULL };
	struct console_client c = { .fd = -1 };

	argp_parse(&argp, argc, argv, 0, NULL, &c);
	c.fd = machine_ask(c.name, "console", NULL, NULL);
	if (c.fd < 0)
		return 1;
	c.is_tty = terminal_raw();
	relay(&c);
	terminal_restore();
	close(c.fd);
	return 0;
}
