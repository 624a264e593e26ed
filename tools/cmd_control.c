// SPDX-License-Identifier: GPL-2.0-only
/*
 * The commands that ask one machine for one thing: `ditto freeze`, `ditto thaw`, `ditto
 * reset`, `ditto stop`, `ditto kill`.
 */
#include "cmd.h"
#include "socket.h"
#include "util.h"

#include <argp.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <string.h>
#include <unistd.h>

#define STATUS	"\n\nExit status: 0; 1 if it cannot be done."

/**
 * struct target - of which machine
 * @names: as given
 * @count: how many
 */
struct target {
	char **names;
	int count;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct target *t = state->input;

	(void)arg;
	switch (key) {
	case ARGP_KEY_ARGS:
		t->names = state->argv + state->next;
		t->count = state->argc - state->next;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "which machine?");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* The process that serves the machine: an fd, so that no other one gets its number meanwhile. */
static int server_of(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return -1;
	return syscall(SYS_pidfd_open, peer.pid, 0);
}

/* That it has ended already is why there may be no fd. */
static bool has_ended(int pid_fd, int patience_ms)
{
	struct pollfd p = { .fd = pid_fd, .events = POLLIN };

	return pid_fd < 0 || poll(&p, 1, patience_ms) > 0;
}

static int wait_for_end(const char *name, int pid_fd)
{
	bool ended = has_ended(pid_fd, 10000);

	if (pid_fd >= 0)
		close(pid_fd);
	if (ended)
		return 0;
	complain("%s: has not ended after 10 seconds", name);
	return -1;
}

/* A machine without an agent, or whose agent was not up, is ready at once. */
static int wait_for_agent(const char *name)
{
	struct json_object *info;
	bool ready = false;

	for (int i = 0; i < 3000 && !ready; i++) {
		int fd = machine_ask(name, "info", &info, NULL);

		if (fd < 0)
			return -1;
		close(fd);
		ready = strcmp(message_string(info, "agent"), "not up");
		json_object_put(info);
		if (!ready)
			poll(NULL, 0, 10);
	}
	if (ready)
		return 0;
	complain("%s: its agent does not answer", name);
	return -1;
}

enum then { THEN_NOTHING, THEN_ENDS, THEN_READY };

static int ask_all(int argc, char **argv, const char *doc, const char *command, enum then then)
{
	struct argp argp = { NULL, parse, "NAME...", doc, NULL, NULL, NULL };
	struct target t = { 0 };
	int status = 0;

	argp_parse(&argp, argc, argv, 0, NULL, &t);
	for (int i = 0; i < t.count; i++) {
		int fd = machine_ask(t.names[i], command, NULL, NULL);

		if (fd < 0 || (then == THEN_ENDS && wait_for_end(t.names[i], server_of(fd)) < 0) ||
		    (then == THEN_READY && wait_for_agent(t.names[i]) < 0))
			status = 1;
		if (fd >= 0)
			close(fd);
	}
	return status;
}

/**
 * cmd_freeze() - `ditto freeze`
 * @argc: as for main()
 * @argv: as for main()
 *
 * Return: the exit status.
 */
int cmd_freeze(int argc, char **argv)
{
	return ask_all(argc, argv, "Let machines become templates: they stand still, and their "
				   "time "
		       "does, until they are thawed; forks of them begin at that instant.\v" STATUS,
		       "freeze", THEN_NOTHING);
}

/**
 * cmd_thaw() - `ditto thaw`
 * @argc: as for main()
 * @argv: as for main()
 *
 * Return: the exit status.
 */
int cmd_thaw(int argc, char **argv)
{
	return ask_all(argc, argv, "Let templates go on, from the instant at which they were "
		       "frozen.\v" STATUS, "thaw", THEN_NOTHING);
}

/**
 * cmd_reset() - `ditto reset`
 * @argc: as for main()
 * @argv: as for main()
 *
 * Return: the exit status.
 */
int cmd_reset(int argc, char **argv)
{
	return ask_all(argc, argv, "Let machines that `ditto fork --resettable' made be again what "
		       "they were when they were made, memory and all, with a new generation; "
		       "where there is an agent, wait until it has seen that.\v" STATUS, "reset",
		       THEN_READY);
}

/**
 * cmd_kill() - `ditto kill`
 * @argc: as for main()
 * @argv: as for main()
 *
 * Return: the exit status.
 */
int cmd_kill(int argc, char **argv)
{
	return ask_all(argc, argv, "End machines at once, as if their power failed, and wait until "
		       "they are gone. Forks of them go on.\v" STATUS, "kill", THEN_ENDS);
}

/**
 * struct stop - what to end in order
 * @target: of which machine
 * @timeout: seconds until it is ended otherwise
 */
struct stop {
	struct target target;
	unsigned int timeout;
};

static const struct argp_option stop_options[] = {
	{ "timeout", 't', "SECONDS", 0, "until it is ended as by `ditto kill' (default: 10)", 0 },
	{ 0 }
};

static error_t parse_stop(int key, char *arg, struct argp_state *state)
{
	struct stop *stop = state->input;

	if (key == ARGP_KEY_INIT)
		state->child_inputs[0] = &stop->target;
	if (key != 't')
		return ARGP_ERR_UNKNOWN;
	if (!parse_uint(arg, &stop->timeout) || stop->timeout > INT_MAX / 1000)
		argp_error(state, "--timeout: '%s' is not a number of seconds", arg);
	return 0;
}

static int stop_one(const char *name, unsigned int timeout)
{
	int fd = machine_ask(name, "stop", NULL, NULL), pid_fd;

	if (fd < 0)
		return -1;
	pid_fd = server_of(fd);
	close(fd);
	if (has_ended(pid_fd, timeout * 1000)) {
		if (pid_fd >= 0)
			close(pid_fd);
		return 0;
	}
	fd = machine_ask(name, "kill", NULL, NULL);
	if (fd >= 0)
		close(fd);
	return wait_for_end(name, pid_fd);
}

/**
 * cmd_stop() - `ditto stop`
 * @argc: as for main()
 * @argv: as for main()
 *
 * Return: the exit status.
 */
int cmd_stop(int argc, char **argv)
{
	static const struct argp names = { NULL, parse, NULL, NULL, NULL, NULL, NULL };
	static const struct argp_child children[] = { { &names, 0, NULL, 0 }, { 0 } };
	static const struct argp argp = {
		stop_options, parse_stop, "NAME...",
		"Let machines end in order, and wait until they are gone: a container's command "
		"gets its stop signal (SIGTERM, or what the image says), and the processes of a "
		"machine that was started with --agent end before it is powered off; who is not "
		"gone after some time is ended as by `ditto kill'.\v" STATUS,
		children, NULL, NULL
	};
	struct stop stop = { .timeout = 10 };
	int status = 0;

	argp_parse(&argp, argc, argv, 0, NULL, &stop);
	for (int i = 0; i < stop.target.count; i++)
		if (stop_one(stop.target.names[i], stop.timeout) < 0)
			status = 1;
	return status;
}
