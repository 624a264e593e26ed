// SPDX-License-Identifier: GPL-2.0-only
/*
 * Finds the sub-command and hands it its arguments. It knows nothing of what
 * the sub-commands do; each has an argp parser and a --help of its own.
 */
#include "cmd.h"
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/**
 * struct command - one sub-command
 * @name: as typed
 * @run: does it; returns the exit status
 */
struct command {
	const char *name;
	int (*run)(int argc, char **argv);
};

static const struct command commands[] = {
	{ "run",  cmd_run },
	{ "ps",   cmd_ps },
	{ "tree", cmd_tree },
	{ "fork", cmd_fork },
	{ "exec", cmd_exec },
	{ "freeze", cmd_freeze },
	{ "thaw", cmd_thaw },
	{ "reset", cmd_reset },
	{ "stop", cmd_stop },
	{ "kill", cmd_kill },
	{ "console", cmd_console },
	{ "balloon", cmd_balloon },
	{ "ksm",  cmd_ksm },
	{ "info", cmd_info },
	{ "metrics", cmd_metrics },
	{ "top", cmd_top },
	{ "stat", cmd_stat },
	{ "plot", cmd_plot },
};

const char *argp_program_version = "ditto " DITTO_VERSION;

static const char doc[] =
	"Run virtual machines whose identical memory is held once.\v"
	"Commands:\n"
	"  run      boot a Linux kernel, or a container, in a new machine\n"
	"  ps       list machines: RAM, resident, shared and saved memory\n"
	"  tree     list machines that are forks below those they were forked from\n"
	"  fork     make machines that begin as what another one is\n"
	"  exec     run a command in a fork of a machine\n"
	"  freeze   let a machine become a template, which stands still\n"
	"  thaw     let it go on\n"
	"  reset    put a fork back to what it was when it was made\n"
	"  stop     let a machine end in order\n"
	"  kill     end a machine\n"
	"  console  attach to the console of a machine in the background\n"
	"  balloon  take memory from a machine, give it back, and see what it does with it\n"
	"  ksm      show and set the knobs of the merge engine\n"
	"  info     say what this host can do, and why not\n"
	"  metrics  print all figures for Prometheus\n"
	"  top      show machines, their memory and their exits, again and again\n"
	"  stat     print the counters of machines over time\n"
	"  plot     write a picture of machines' memory over time\n"
	"\n"
	"`ditto COMMAND --help' tells a command's options and exit status.";

struct choice {
	const struct command *command;	/* set while parsing */
	int first;			/* index of the command in argv */
};

static const struct command *command_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	return NULL;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct choice *choice = state->input;

	switch (key) {
	case ARGP_KEY_ARG:
		choice->command = command_find(arg);
		if (!choice->command)
			argp_error(state, "unknown command '%s'", arg);
		choice->first = state->next - 1;
		state->next = state->argc;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_usage(state);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/*
 * A file opened later must not become standard input or output by its number.  What
 * stands there instead is opened the wrong way round, so that who reads or writes it
 * gets the error that a closed one gives.
 */
static void keep_standard_fds(void)
{
	int fd;

	do {
		fd = open("/dev/null", fcntl(STDIN_FILENO, F_GETFD) < 0 ? O_WRONLY : O_RDONLY);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

/* The last of all: what was printed and did not arrive is no success. */
static void check_output(void)
{
	bool failed = ferror(stdout);

	errno = 0;
	if (!fflush(stdout) && !failed)
		return;
	complain("standard output: %s", strerror(errno ?: EIO));
	_exit(EXIT_FAILURE);
}

int main(int argc, char **argv)
{
	static const struct argp argp = { .parser = parse, .args_doc = "COMMAND [ARGUMENT...]",
					  .doc = doc };
	struct choice choice = { 0 };
	char name[32];

	keep_standard_fds();
	atexit(check_output);
	argp_err_exit_status = 1;
	argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &choice);
	snprintf(name, sizeof(name), "ditto %s", choice.command->name);
	argv[choice.first] = name;
	return choice.command->run(argc - choice.first, argv + choice.first);
}
