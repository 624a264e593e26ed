// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a process needs in order to have a fork of a machine: what the machine's process gives,
 * which is checked here and in fork.c, because it may be another version's; a name that is
 * free; and the background.
 */
#include "child.h"
#include "socket.h"
#include "util.h"

#include <errno.h>
#include <fcntl.h>
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
 * @parent: filled in; parent_close() it
 * @name: the machine's
 *
 * Return: 0, or -1 after saying why not on standard error.
 */
int parent_ask(struct parent *parent, const char *name)
{
	struct json_object *answer;
	int fd = machine_ask(name, "fork", &answer, &parent->fds);
	bool ok;

	if (fd < 0)
		return -1;
	close(fd);
	ok = parse_hex(message_string(answer, "machine"), &parent->state,
		       sizeof(parent->state)) && fork_state_valid(&parent->state);
	json_object_put(answer);
	if (ok && parent->fds.count == 1 + parent->state.disks.count)
		return 0;
	parent_close(parent);
	complain("%s: runs another version of this program", name);
	return -1;
}

/**
 * parent_close() - close what its process gave; forks that there are need it no more
 * @parent: from parent_ask()
 */
void parent_close(struct parent *parent)
{
	socket_close_fds(&parent->fds);
}

/* The least of these fds that is not below @from, or ~0u. */
static unsigned int next_kept(const struct fork_fds *fds, unsigned int other, unsigned int from)
{
	unsigned int next = other >= from ? other : ~0u;

	for (unsigned int i = 0; i < fds->count; i++)
		if ((unsigned int)fds->fd[i] >= from && (unsigned int)fds->fd[i] < next)
			next = fds->fd[i];
	return next;
}

/**
 * child_close_others() - hold nothing of what the caller had open for as long as the machine lives
 * @fds: stay open, as standard input, output and error do
 * @other: stays open, too
 */
void child_close_others(const struct fork_fds *fds, unsigned int other)
{
	unsigned int from = STDERR_FILENO + 1, kept = next_kept(fds, other, from);

	for (; kept != ~0u; kept = next_kept(fds, other, from)) {
		if (kept > from)
			close_range(from, kept - 1, 0);
		from = kept + 1;
	}
	close_range(from, ~0u, 0);
}

/* The name with a number in the pattern's place; false: too long, or no name. */
static bool child_name(const struct child_names *f, unsigned int number, char *name)
{
	const char *pattern = f->pattern, *at;
	int n;

	at = pattern ? strstr(pattern, "%d") : NULL;
	if (!pattern)
		n = snprintf(name, DITTO_NAME_LEN, "%s-%u", f->parent, number);
	else if (!at)
		n = snprintf(name, DITTO_NAME_LEN, "%s", pattern);
	else
		n = snprintf(name, DITTO_NAME_LEN, "%.*s%u%s", (int)(at - pattern), pattern, number,
			     at + 2);
	for (const char *p = name; *p; p++)
		if (*p == '/' || *p < ' ' || *p > '~')
			return false;
	return n > 0 && n < DITTO_NAME_LEN;
}

/**
 * child_take_name() - take the next free name; a name without a number is free or not
 * @f: whose @next goes on
 * @control: gets the machine's socket; as for control_bind()
 * @vm: the machine
 * @name: DITTO_NAME_LEN bytes, filled in
 *
 * Return: 0, or a negative number after saying why not on standard error.
 */
int child_take_name(struct child_names *f, struct control *control, struct vm *vm, char *name)
{
	bool numbered = !f->pattern || strstr(f->pattern, "%d");
	int ret;

	do {
		if (!child_name(f, f->next++, name)) {
			complain("%s: not a name of at most %d characters without '/'",
				 f->pattern ?: f->parent, DITTO_NAME_LEN - 1);
			return -1;
		}
		ret = control_bind(control, vm, name);
	} while (ret == -EADDRINUSE && numbered && f->next <= 10 * CHILDREN_MAX);
	if (ret < 0)
		complain("%s: %s", name, ret == -EADDRINUSE ? "a machine of yours has that name"
							    : strerror(-ret));
	return ret;
}

/**
 * child_background() - input and output are nobody's, and no terminal's signals come
 *
 * Standard error stays.
 */
void child_background(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	setsid();
	if (chdir("/") < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0)
		complain("background: %s", strerror(errno));
	close(null);
}

/**
 * child_tell() - say to who waits for it that the machine runs, and nothing from then on
 * @told_fd: a pipe's end, which is closed
 * @name: of the machine
 */
void child_tell(int told_fd, const char *name)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (write(told_fd, name, strlen(name)) < 0)
		complain("%s: %s", name, strerror(errno));
	/* Who started it is not to see, or to wait for, what it says from now on. */
	dup2(null, STDERR_FILENO);
	close(null);
	close(told_fd);
}
