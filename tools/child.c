// SPDX-License-Identifier: GPL-2.0-only
/*
 * Asking a machine's process for what a fork of it needs. What comes is checked here and in
 * fork.c: it may be another version's.
 */
#include "child.h"
#include "socket.h"
#include "util.h"

#include <string.h>
#include <unistd.h>

static int digit(char c)
{
	const char *digits = "0123456789abcdef", *at = c ? strchr(digits, c) : NULL;

	return at ? at - digits : -1;
}

static bool parse_hex(const char *text, void *data, size_t len)
{
	if (strlen(text) != 2 * len)
		return false;
	for (size_t i = 0; i < len; i++) {
		int high = digit(text[2 * i]), low = digit(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		((uint8_t *)data)[i] = high << 4 | low;
	}
	return true;
}

/**
 * parent_ask() - get what forks of a machine need
 * @parent: filled in; its fd is to be closed
 * @name: the machine's
 *
 * Return: 0, or -1 after saying why not on standard error.
 */
int parent_ask(struct parent *parent, const char *name)
{
	struct json_object *answer;
	int fd = machine_ask(name, "fork", &answer, &parent->template_fd);
	bool ok;

	if (fd < 0)
		return -1;
	close(fd);
	ok = parse_hex(message_string(answer, "machine"), &parent->state,
		       sizeof(parent->state)) && fork_state_valid(&parent->state);
	json_object_put(answer);
	if (ok && parent->template_fd >= 0)
		return 0;
	if (parent->template_fd >= 0)
		close(parent->template_fd);
	complain("%s: runs another version of this program", name);
	return -1;
}
