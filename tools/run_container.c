// SPDX-License-Identifier: GPL-2.0-only
/*
 * A container's command in its machine: started by the agent when that is up, and from then on
 * its standard files are this process's, or in the background the machine's console. Why there
 * was no command the guest's kernel may have said on the console.
 */
#include "run_container.h"
#include "terminal.h"
#include "vm.h"
#include "util.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>

#define UP_MS		120000	/* for a kernel that boots and unpacks */
#define START_MS	60000
#define TOLD_BYTES	1500	/* of the console */

static const char *files_of(const struct command *command)
{
	if (command->vm->config->detached)
		return AGENT_CONSOLE;
	return command->tty ? AGENT_TTY : AGENT_PIPES;
}

static int send_run(const struct container *c, struct command *command)
{
	struct strings head = { 0 };
	int ret = container_head(c, files_of(command), command->vm->config->name, &head);

	if (!ret)
		ret = command_send(command, AGENT_RUN, &head);
	free(head.text);
	return ret;
}

/**
 * container_start() - wait for the agent, and let it run the command
 * @c: prepared
 * @command: in a machine that runs
 *
 * Return: -1: it runs; or the exit status, after saying why on standard error.
 */
int container_start(struct container *c, struct command *command)
{
	command_await(command, &command->up, UP_MS);
	if (command->status < 0 && send_run(c, command) < 0)
		command->status = COMMAND_FAILED;
	if (command->status < 0)
		command_await(command, &command->started, START_MS);
	if (command->status == COMMAND_FAILED && command->vm->status != VM_RUNNING)
		complain("the machine ended before the command");
	return command->status;
}

/* A terminal that is another size now is a signal, too. */
static void hear_of_size(int signal_fd)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGUSR1,
				       SIGUSR2, SIGWINCH };
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		sigaddset(&set, signals[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signalfd(signal_fd, &set, 0);
}

/**
 * container_relay() - be the command's standard files until it ends
 * @command: runs
 *
 * Return: the exit status.
 */
int container_relay(struct command *command)
{
	if (command->tty && terminal_raw())
		hear_of_size(command->vm->console.signal_fd);
	command_relay(command);
	terminal_restore();
	/* Who ended the machine knows. */
	if (command->status == COMMAND_FAILED && command->vm->status > VM_SIGNAL)
		command->status = command->vm->status;
	if (command->status == COMMAND_FAILED && !command->ended)
		complain("the machine ended before the command");
	return command->status;
}

/**
 * container_tell_console() - print the last lines of the guest's console on standard error
 * @console: of a machine whose vCPUs have ended
 *
 * They are the guest's, and so could be anything: what is no text is not printed.
 */
void container_tell_console(struct console *console)
{
	size_t len = console->out_len, at = len > TOLD_BYTES ? len - TOLD_BYTES : 0;

	while (at && at < len && console->out[at - 1] != '\n')
		at++;
	if (at < len)
		complain("the machine's console:");
	for (; at < len; at++)
		if (console->out[at] == '\n' ||
		    (console->out[at] >= ' ' && console->out[at] <= '~'))
			fputc(console->out[at], stderr);
	if (len && console->out[len - 1] != '\n')
		fputc('\n', stderr);
}
