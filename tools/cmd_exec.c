// SPDX-License-Identifier: GPL-2.0-only
/*
 * `ditto exec`: a command in a fork of a machine. The fork lives in this process and ends with
 * it, however that ends. Its agent runs the command; here is the loop between the agent's
 * frames and the standard files. What comes from the guest is checked, and written where the
 * user said; nothing else of it counts.
 *
 * With --keep the fork and this loop live in a process of their own, which goes into the
 * background when the command has ended and has told this one how.
 */
#include "child.h"
#include "cmd.h"
#include "command.h"
#include "socket.h"
#include "util.h"

#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define AGENT_SECONDS	60	/* for a machine that is still booting */
#define KILL_MS		5000	/* for a command that is killed */

enum { OPT_CWD = 256, OPT_TIMEOUT, OPT_KEEP, OPT_JUMP, OPT_TIMES };

static const struct argp_option options[] = {
	{ "env",     'e',	  "NAME=VALUE", 0,
	  "a variable of the command's environment; as often as needed", 0 },
	{ "cwd",     OPT_CWD,	  "DIR",	0, "its directory (default: /)", 0 },
	{ "timeout", OPT_TIMEOUT, "SECONDS",	0, "end it after that time", 0 },
	{ "keep",    OPT_KEEP,	  "PATTERN",	OPTION_ARG_OPTIONAL,
	  "let the fork go on afterwards, as a machine in the background; PATTERN is its name, as "
	  "of `ditto fork --name' (default: NAME-%d)", 0 },
	{ "jump",    OPT_JUMP,	  NULL,		0,
	  "its clocks jump to now, where NAME has stood still", 0 },
	{ "times",   OPT_TIMES,	  NULL,		0,
	  "say on standard error what each part took, in microseconds", 0 },
	{ "dev",     'd',	  "PATH",	0, "device (default: /dev/ditto)", 0 },
	{ 0 }
};

static const char doc[] =
	"Run a command in a fork of machine NAME, which `ditto run --agent' started, and end the "
	"fork, or with --keep let it go on. Standard input, output and error are the command's, "
	"and so are SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1 and SIGUSR2. It runs as root in the "
	"guest, with the directories that the guest's init has, and with no more environment than "
	"PATH, HOME and --env. NAME goes on, or stays a template.\v"
	"Exit status: the command's; 128 and a signal's number, if one ended it;\n"
	"  124  the time was over\n"
	"  125  there was no fork, or it ended before the command\n"
	"  126  the command could not be started\n"
	"  127  there is no such command\n"
	"\n"
	"Example:\n"
	"  ditto exec template -- python3 -c 'print(6 * 7)'";

/* What the time between request and exit status goes to, one after the other. */
enum exec_part {
	PART_ASK,	/* until the parent's process has given its template */
	PART_FORK,	/* until the fork is a machine, with its devices */
	PART_AGENT,	/* until its agent has seen that it is in a fork */
	PART_COMMAND,	/* until the command has ended, and its output is written */
	PART_END,	/* until the fork is gone */
	NR_PARTS
};

/**
 * struct exec - one command
 * @names: of whom to fork, and what a fork that is kept is called
 * @keep: it is
 * @jump: its clocks jump
 * @dev: device
 * @cwd: directory, or ""
 * @timeout: seconds, or 0
 * @times: tell what each part took
 * @begun: when this began, and @ended: when each part ended, or 0; in ns
 * @command: the command, in the fork
 */
struct exec {
	struct child_names names;
	bool keep, jump;
	const char *dev, *cwd;
	unsigned int timeout;
	bool times;
	int64_t begun, ended[NR_PARTS];
	struct command command;
};

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static void part_ends(struct exec *e, enum exec_part part)
{
	e->ended[part] = now_ns();
}

static void tell_times(const struct exec *e)
{
	static const char *const names[NR_PARTS] = { "ask", "fork", "agent", "command", "end" };
	int64_t since = e->begun;

	for (int i = 0; i < NR_PARTS && e->times && e->ended[i]; since = e->ended[i++])
		fprintf(stderr, "%-8s%12.3f\n", names[i], (e->ended[i] - since) / 1000.0);
}

static void add_env(struct exec *e, const char *arg, struct argp_state *state)
{
	if (!strchr(arg, '=') || *arg == '=')
		argp_error(state, "--env: '%s' is not NAME=VALUE", arg);
	if (strings_add(&e->command.env, arg) < 0)
		argp_failure(state, COMMAND_FAILED, ENOMEM, "--env");
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct exec *e = state->input;

	switch (key) {
	case 'e':
		add_env(e, arg, state);
		return 0;
	case 'd':
		e->dev = arg;
		return 0;
	case OPT_CWD:
		e->cwd = arg;
		return 0;
	case OPT_TIMEOUT:
		if (!parse_uint(arg, &e->timeout) || !e->timeout)
			argp_error(state, "--timeout: '%s' is not a number of seconds", arg);
		return 0;
	case OPT_KEEP:
		e->keep = true;
		e->names.pattern = arg;
		return 0;
	case OPT_JUMP:
		e->jump = true;
		return 0;
	case OPT_TIMES:
		e->times = true;
		return 0;
	case ARGP_KEY_ARG:
		e->names.parent = arg;
		if (state->next == state->argc)
			argp_error(state, "which command?");
		/* What follows is the command's, options and all; a "--" is ours. */
		e->command.argv = state->argv + state->next;
		if (!strcmp(e->command.argv[0], "--"))
			e->command.argv++;
		state->next = state->argc;
		return 0;
	case ARGP_KEY_END:
		if (!e->names.parent || !e->command.argv || !e->command.argv[0])
			argp_error(state, "which machine, and which command?");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* A machine that is booting has no agent yet; one without --agent never has. */
static int wait_for_agent(const struct exec *e)
{
	int64_t until = e->command.deadline ?: socket_now_ms() + AGENT_SECONDS * 1000;
	struct json_object *info;
	bool up = false, none = false, container = false;
	int fd;

	while (!up && !none && !container && socket_now_ms() < until) {
		fd = machine_ask(e->names.parent, "info", &info, NULL);
		if (fd < 0)
			return -1;
		close(fd);
		up = !strcmp(message_string(info, "agent"), "up");
		none = !strcmp(message_string(info, "agent"), "none");
		container = !strcmp(message_string(info, "agent"), "container");
		json_object_put(info);
		if (!up && !none && !container)
			poll(NULL, 0, 100);
	}
	if (up)
		return 0;
	complain("%s: %s", e->names.parent, container ? "is a container: its agent has a command"
					 : none ? "has no agent (`ditto run --agent' gives it one)"
					 : "its agent is not up");
	return -1;
}

static int send_command(struct exec *e)
{
	struct strings head = { 0 };
	int ret = strings_add(&head, e->cwd);

	if (!ret)
		ret = command_send(&e->command, AGENT_EXEC, &head);
	free(head.text);
	return ret;
}

static int patience(const struct exec *e)
{
	int left = command_time_left(&e->command);

	return left >= 0 && left < AGENTPORT_READY_MS ? left : AGENTPORT_READY_MS;
}

static int failed(const struct exec *e)
{
	return command_time_left(&e->command) ? COMMAND_FAILED : COMMAND_TIMEOUT;
}

/* Who wants it ended before it has begun is heard at once. */
static int hello(struct exec *e)
{
	int signal_fd = e->command.vm->console.signal_fd, ret;
	struct signalfd_siginfo info;

	while ((ret = agentport_hello(&e->command.vm->agent, patience(e), signal_fd)) == -EINTR) {
		if (read(signal_fd, &info, sizeof(info)) != sizeof(info))
			continue;
		if (info.ssi_signo != SIGTSTP) {
			e->command.status = 128 + info.ssi_signo;
			return -1;
		}
		raise(SIGSTOP);
	}
	return ret;
}

/*
 * What the fork was made of is let go: a template that is ended meanwhile would go on as long as
 * the command. Return: 0 when the command is on its way.
 */
static int begin(struct exec *e, const struct vm_config *config, struct parent *parent)
{
	int ret = fork_create(e->command.vm, config, &parent->state, &parent->fds);

	parent_close(parent);
	part_ends(e, PART_FORK);
	if (ret < 0 || agentport_listen(&e->command.vm->agent) < 0 ||
	    vm_start_threads(e->command.vm) < 0)
		return -1;
	if (hello(e) < 0)
		return -1;
	part_ends(e, PART_AGENT);
	if (send_command(e) < 0)
		return -1;
	command_started(&e->command);
	return 0;
}

/* How the command ended, if it is the command that has ended. */
static int result(struct exec *e)
{
	if (e->command.status == COMMAND_FAILED && e->command.vm->status != VM_RUNNING)
		complain("the machine ended before the command");
	return e->command.status < 0 ? failed(e) : e->command.status;
}

static int run(struct exec *e, struct parent *parent)
{
	static struct vm vm;
	struct vm_config config = { .dev = e->dev, .name = "", .attachable = true, .agent = true,
				    .jump = e->jump,
				    .cpus = parent->state.cpus,
				    .ram_size = parent->state.ram_size };
	int status;

	e->command.vm = &vm;
	if (!begin(e, &config, parent)) {
		command_relay(&e->command);
		part_ends(e, PART_COMMAND);
	}
	status = result(e);
	vm_join(&vm);
	vm_destroy(&vm);
	if (e->ended[PART_COMMAND])
		part_ends(e, PART_END);
	tell_times(e);
	return status;
}

/* Who does not wait for the command any more leaves a fork behind that has none. */
static void end_command(struct exec *e)
{
	int status = e->command.status;

	if (e->command.ended)
		return;
	e->command.unread[STDOUT_FILENO] = e->command.unread[STDERR_FILENO] = e->command.eof = true;
	e->command.out_len = 0;
	e->command.status = -1;
	e->command.deadline = socket_now_ms() + KILL_MS;
	command_signal(&e->command, SIGKILL);
	command_relay(&e->command);
	e->command.status = status;
}

/* The rest of the fork's life, which others can reach now. */
static void live_on(struct exec *e, const char *name, int told_fd)
{
	uint8_t status = e->command.status;

	agentport_close(&e->command.vm->agent);
	if (control_start(&e->command.vm->control) < 0) {
		e->command.status = COMMAND_FAILED;
		return;
	}
	if (!e->names.pattern)
		complain("goes on as %s", name);
	/* Who reads the command's output is to see its end. */
	child_background();
	dup2(STDOUT_FILENO, STDERR_FILENO);
	/* It goes on even if nobody reads this any more. */
	if (write(told_fd, &status, 1) == 1)
		close(told_fd);
	console_run(&e->command.vm->console);
}

/* The process that has the fork: all of its life. */
static int run_to_keep(struct exec *e, struct parent *parent, int told_fd)
{
	static struct vm vm;
	static char name[DITTO_NAME_LEN];
	struct vm_config config = { .dev = e->dev, .name = name, .attachable = true, .agent = true,
				    .jump = e->jump,
				    .cpus = parent->state.cpus,
				    .ram_size = parent->state.ram_size };
	struct control control;
	int ret;

	e->command.vm = &vm;
	if (child_take_name(&e->names, &control, &vm, name) < 0)
		return COMMAND_FAILED;
	ret = begin(e, &config, parent);
	vm.control = control;
	if (!ret) {
		command_relay(&e->command);
		part_ends(e, PART_COMMAND);
		tell_times(e);
		end_command(e);
	}
	if (!ret && vm.status == VM_RUNNING && e->command.status != COMMAND_FAILED)
		live_on(e, name, told_fd);
	control_stop(&vm.control);
	ret = result(e);
	vm_join(&vm);
	console_finish(&vm.console, false);
	vm_destroy(&vm);
	return ret;
}

/* A terminal's signals go to both processes; others only to us. */
static void pass_signal(int signal_fd, pid_t pid)
{
	struct signalfd_siginfo info;

	if (read(signal_fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_code <= 0)
		kill(pid, info.ssi_signo);
	if (info.ssi_signo == SIGTSTP)
		raise(SIGSTOP);
}

/* How the command ended; or how the process did that had the fork, and has it no more. */
static int wait_for_status(pid_t pid, int told_fd, int signal_fd)
{
	struct pollfd p[] = {
		{ .fd = told_fd, .events = POLLIN },
		{ .fd = signal_fd, .events = POLLIN },
	};
	uint8_t status;
	int how;

	for (;;) {
		if (poll(p, ARRAY_SIZE(p), -1) < 0)
			continue;
		if (p[0].revents && read(told_fd, &status, 1) == 1)
			return status;
		if (p[0].revents)
			break;
		pass_signal(signal_fd, pid);
	}
	waitpid(pid, &how, 0);
	return WIFEXITED(how) ? WEXITSTATUS(how) : COMMAND_FAILED;
}

static int run_and_keep(struct exec *e, struct parent *parent)
{
	int told[2], signal_fd = console_block_signals();
	pid_t pid = -1;

	if (signal_fd >= 0 && pipe2(told, O_CLOEXEC) == 0)
		pid = fork();
	if (!pid) {
		/* Which closes its end of the pipe and the signals' fd, too. */
		child_close_others(&parent->fds, told[1]);
		_exit(run_to_keep(e, parent, told[1]));
	}
	if (pid < 0) {
		complain("--keep: %s", strerror(errno));
		return COMMAND_FAILED;
	}
	close(told[1]);
	parent_close(parent);
	return wait_for_status(pid, told[0], signal_fd);
}

/**
 * cmd_exec() - `ditto exec`
 * @argc: as for main()
 * @argv: as for main()
 *
 * Return: the exit status.
 */
int cmd_exec(int argc, char **argv)
{
	static const struct argp argp = { options, parse, "NAME [--] COMMAND [ARGUMENT...]",
					  doc, NULL, NULL, NULL };
	struct exec e = { .dev = DITTO_DEV, .cwd = "", .names.next = 1,
			  .command.status = -1 };
	struct parent parent;
	int status;

	argp_err_exit_status = COMMAND_FAILED;
	argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &e);
	e.begun = now_ns();
	if (e.timeout)
		e.command.deadline = socket_now_ms() + e.timeout * 1000LL;
	if (wait_for_agent(&e) < 0 || parent_ask(&parent, e.names.parent) < 0)
		return failed(&e);
	part_ends(&e, PART_ASK);
	status = e.keep ? run_and_keep(&e, &parent) : run(&e, &parent);
	parent_close(&parent);
	free(e.command.env.text);
	return status;
}
