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
#include <unistd.h>

#define AGENT_SECONDS	60	/* for a machine that is still booting */
#define STDIN_PIECE	1024
#define KILL_MS		5000	/* for a command that is killed */

/* What the exit status says when it is not the command's; as of docker run and timeout. */
enum { EXEC_TIMEOUT = 124, EXEC_FAILED = 125, EXEC_CANNOT = 126, EXEC_NOT_FOUND = 127 };

enum { OPT_CWD = 256, OPT_TIMEOUT, OPT_KEEP };

static const struct argp_option options[] = {
	{ "env",     'e',	  "NAME=VALUE", 0,
	  "a variable of the command's environment; as often as needed", 0 },
	{ "cwd",     OPT_CWD,	  "DIR",	0, "its directory (default: /)", 0 },
	{ "timeout", OPT_TIMEOUT, "SECONDS",	0, "end it after that time", 0 },
	{ "keep",    OPT_KEEP,	  "PATTERN",	OPTION_ARG_OPTIONAL,
	  "let the fork go on afterwards, as a machine in the background; PATTERN is its name, as "
	  "of `ditto fork --name' (default: NAME-%d)", 0 },
	{ "dev",     'd',	  "PATH",	0, "device (default: /dev/ditto)", 0 },
	{ 0 }
};

static const char doc[] =
	"Run a command in a fork of machine NAME, which `ditto run --agent' started, and end the "
	"fork, or with --keep let it go on. Standard input, output and error are the command's, "
	"and so are SIGINT, SIGTERM, SIGHUP and SIGQUIT. It runs as root in the guest, with the "
	"directories that the guest's init has, and with no more environment than PATH, HOME and "
	"--env. NAME goes on, or stays a template.\v"
	"Exit status: the command's; 128 and a signal's number, if one ended it;\n"
	"  124  the time was over\n"
	"  125  there was no fork, or it ended before the command\n"
	"  126  the command could not be started\n"
	"  127  there is no such command\n"
	"\n"
	"Example:\n"
	"  ditto exec template -- python3 -c 'print(6 * 7)'";

/**
 * struct exec - one command
 * @names: of whom to fork, and what a fork that is kept is called
 * @keep: it is
 * @dev: device
 * @cwd: directory, or ""
 * @env, @env_len: variables, each with its NUL
 * @argv: command and arguments, NULL-terminated
 * @timeout: seconds, or 0
 * @deadline: when that is over, in ms, or 0
 * @vm: the fork
 * @credit: bytes of input that the agent still takes
 * @eof: the input has ended
 * @out, @out_len, @out_fd: what of a frame is to be written still, and where
 * @unread: who reads the standard file of that number has gone
 * @unheard: a signal was sent since output was last taken, and the guest may wait for that
 * @ended: the command has, and how says
 * @status: exit status, or -1
 */
struct exec {
	struct child_names names;
	bool keep;
	const char *dev, *cwd;
	char *env;
	size_t env_len;
	char **argv;
	unsigned int timeout;
	int64_t deadline;
	struct vm *vm;
	size_t credit;
	bool eof, unheard, ended;
	const uint8_t *out;
	size_t out_len;
	int out_fd;
	bool unread[STDERR_FILENO + 1];
	int status;
};

static void add_env(struct exec *e, const char *arg, struct argp_state *state)
{
	size_t len = strlen(arg) + 1;
	char *bigger = realloc(e->env, e->env_len + len);

	if (!strchr(arg, '=') || *arg == '=')
		argp_error(state, "--env: '%s' is not NAME=VALUE", arg);
	if (!bigger)
		argp_failure(state, EXEC_FAILED, ENOMEM, "--env");
	e->env = bigger;
	memcpy(e->env + e->env_len, arg, len);
	e->env_len += len;
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
	case ARGP_KEY_ARG:
		e->names.parent = arg;
		if (state->next == state->argc)
			argp_error(state, "which command?");
		/* What follows is the command's, options and all; a "--" is ours. */
		e->argv = state->argv + state->next;
		if (!strcmp(e->argv[0], "--"))
			e->argv++;
		state->next = state->argc;
		return 0;
	case ARGP_KEY_END:
		if (!e->names.parent || !e->argv || !e->argv[0])
			argp_error(state, "which machine, and which command?");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* A machine that is booting has no agent yet; one without --agent never has. */
static int wait_for_agent(const struct exec *e)
{
	int64_t until = e->deadline ?: socket_now_ms() + AGENT_SECONDS * 1000;
	struct json_object *info;
	bool up = false, none = false;
	int fd;

	while (!up && !none && socket_now_ms() < until) {
		fd = machine_ask(e->names.parent, "info", &info, NULL);
		if (fd < 0)
			return -1;
		close(fd);
		up = !strcmp(message_string(info, "agent"), "up");
		none = !strcmp(message_string(info, "agent"), "none");
		json_object_put(info);
		if (!up && !none)
			poll(NULL, 0, 100);
	}
	if (up)
		return 0;
	complain("%s: %s", e->names.parent, none ? "has no agent (`ditto run --agent' gives it one)"
					 : "its agent is not up");
	return -1;
}

static int send_command(struct exec *e)
{
	uint8_t *frame = malloc(AGENT_FRAME_MAX);
	size_t len = strlen(e->cwd) + 1 + e->env_len + 1;
	bool fits = frame && len <= AGENT_FRAME_MAX;
	int ret = -1;

	if (fits) {
		memcpy(frame, e->cwd, strlen(e->cwd) + 1);
		memcpy(frame + strlen(e->cwd) + 1, e->env, e->env_len);
		frame[len - 1] = '\0';
	}
	for (char **arg = e->argv; *arg && fits; arg++) {
		size_t n = strlen(*arg) + 1;

		fits = n <= AGENT_FRAME_MAX - len;
		if (fits)
			memcpy(frame + len, *arg, n);
		len += n;
	}
	if (fits)
		ret = agentport_send(&e->vm->agent, AGENT_EXEC, frame, len);
	else
		complain("the command and its environment are too long");
	free(frame);
	return ret;
}

static void on_input(struct exec *e)
{
	uint8_t bytes[STDIN_PIECE];
	size_t want = e->credit < sizeof(bytes) ? e->credit : sizeof(bytes);
	ssize_t n = read(STDIN_FILENO, bytes, want);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n < 0)
		n = 0;
	e->eof = !n;
	e->credit -= n;
	if (agentport_send(&e->vm->agent, AGENT_STDIN, bytes, n) == 0)
		return;
	complain("the agent says that it takes input, and does not");
	e->status = EXEC_FAILED;
}

static void send_signal(struct exec *e, uint8_t sig)
{
	agentport_send(&e->vm->agent, AGENT_SIGNAL, &sig, 1);
}

/* While nobody reads its output the guest may stand still: it gets one, and the next is ours. */
static void on_signal(struct exec *e)
{
	struct signalfd_siginfo info;

	if (read(e->vm->console.signal_fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGTSTP) {
		/* All of it: the fork's vCPUs are threads of this process. */
		raise(SIGSTOP);
		return;
	}
	if (e->unheard)
		e->status = 128 + info.ssi_signo;
	e->unheard = e->out_len;
	send_signal(e, info.ssi_signo);
}

/* As much as a pipe takes without making us wait. */
static void pass(struct exec *e)
{
	ssize_t n = write(e->out_fd, e->out, e->out_len < PIPE_BUF ? e->out_len : PIPE_BUF);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	e->unheard = false;
	if (n <= 0) {
		uint8_t type = e->out_fd == STDERR_FILENO ? AGENT_STDERR : AGENT_STDOUT;

		e->unread[e->out_fd] = true;
		agentport_send(&e->vm->agent, AGENT_UNREAD, &type, 1);
		n = e->out_len;
	}
	e->out += n;
	e->out_len -= n;
}

static int failed_status(const struct exec *e, int err)
{
	complain("%s: %s", e->argv[0], strerror(err));
	return err == ENOENT ? EXEC_NOT_FOUND : EXEC_CANNOT;
}

static int exit_status(const struct exec *e, const uint8_t *data)
{
	switch (data[0]) {
	case AGENT_EXITED:
		return data[1];
	case AGENT_KILLED:
		return 128 + (data[1] & 0x7f);
	default:
		return failed_status(e, data[1]);
	}
}

static void on_frame(struct exec *e)
{
	static uint8_t frame[AGENT_HEAD + AGENT_FRAME_MAX];
	ssize_t n = recv(e->vm->agent.frames[0], frame, sizeof(frame), 0);
	const uint8_t *data = frame + AGENT_HEAD;

	if (n < AGENT_HEAD) {
		e->status = EXEC_FAILED;
		return;
	}
	n -= AGENT_HEAD;
	if (frame[0] == AGENT_STDOUT || frame[0] == AGENT_STDERR) {
		e->out_fd = frame[0] == AGENT_STDOUT ? STDOUT_FILENO : STDERR_FILENO;
		e->out = data;
		e->out_len = e->unread[e->out_fd] ? 0 : n;
	} else if (frame[0] == AGENT_TAKEN && n == 2)
		e->credit += data[0] | data[1] << 8;
	else if (frame[0] == AGENT_EXIT && n == 2) {
		e->ended = true;
		e->status = exit_status(e, data);
	}
	/* More than there ever was is a broken agent's. */
	if (e->credit > AGENT_CREDIT)
		e->credit = AGENT_CREDIT;
}

static int time_left(const struct exec *e)
{
	int64_t left = e->deadline - socket_now_ms();

	if (!e->deadline)
		return -1;
	if (left > INT_MAX)
		return INT_MAX;
	return left > 0 ? left : 0;
}

static void relay(struct exec *e)
{
	while (e->status < 0) {
		struct pollfd p[] = {
			{ .fd = e->out_len ? -1 : e->vm->agent.frames[0], .events = POLLIN },
			{ .fd = e->vm->console.signal_fd, .events = POLLIN },
			{ .fd = e->eof || !e->credit ? -1 : STDIN_FILENO, .events = POLLIN },
			{ .fd = e->out_len ? e->out_fd : -1, .events = POLLOUT },
		};
		int n = poll(p, ARRAY_SIZE(p), time_left(e));

		if (!time_left(e))
			e->status = EXEC_TIMEOUT;
		if (n <= 0 || e->status >= 0)
			continue;
		if (p[3].revents)
			pass(e);
		if (p[1].revents)
			on_signal(e);
		if (p[0].revents)
			on_frame(e);
		if (p[2].revents && e->status < 0)
			on_input(e);
	}
}

static int patience(const struct exec *e)
{
	int left = time_left(e);

	return left >= 0 && left < AGENTPORT_READY_MS ? left : AGENTPORT_READY_MS;
}

static int failed(const struct exec *e)
{
	return time_left(e) ? EXEC_FAILED : EXEC_TIMEOUT;
}

/* Who wants it ended before it has begun is heard at once. */
static int hello(struct exec *e)
{
	int signal_fd = e->vm->console.signal_fd, ret;
	struct signalfd_siginfo info;

	while ((ret = agentport_hello(&e->vm->agent, patience(e), signal_fd)) == -EINTR) {
		if (read(signal_fd, &info, sizeof(info)) != sizeof(info))
			continue;
		if (info.ssi_signo != SIGTSTP) {
			e->status = 128 + info.ssi_signo;
			return -1;
		}
		raise(SIGSTOP);
	}
	return ret;
}

/* Return: 0 when the command is on its way. */
static int begin(struct exec *e, const struct vm_config *config, const struct parent *parent)
{
	if (fork_create(e->vm, config, &parent->state, parent->template_fd) < 0 ||
	    agentport_listen(&e->vm->agent) < 0 || vm_start_threads(e->vm) < 0)
		return -1;
	return hello(e) < 0 || send_command(e) < 0 ? -1 : 0;
}

/* How the command ended, if it is the command that has ended. */
static int result(struct exec *e)
{
	if (e->status == EXEC_FAILED && e->vm->status != VM_RUNNING)
		complain("the machine ended before the command");
	return e->status < 0 ? failed(e) : e->status;
}

static int run(struct exec *e, const struct parent *parent)
{
	static struct vm vm;
	struct vm_config config = { .dev = e->dev, .name = "", .attachable = true, .agent = true,
				    .cpus = parent->state.cpus,
				    .ram_size = parent->state.ram_size };
	int status;

	e->vm = &vm;
	if (!begin(e, &config, parent))
		relay(e);
	status = result(e);
	vm_join(&vm);
	vm_destroy(&vm);
	return status;
}

/* Who does not wait for the command any more leaves a fork behind that has none. */
static void end_command(struct exec *e)
{
	int status = e->status;

	if (e->ended)
		return;
	e->unread[STDOUT_FILENO] = e->unread[STDERR_FILENO] = e->eof = true;
	e->out_len = 0;
	e->status = -1;
	e->deadline = socket_now_ms() + KILL_MS;
	send_signal(e, SIGKILL);
	relay(e);
	e->status = status;
}

/* The rest of the fork's life, which others can reach now. */
static void live_on(struct exec *e, const char *name, int told_fd)
{
	uint8_t status = e->status;

	agentport_close(&e->vm->agent);
	if (control_start(&e->vm->control) < 0) {
		e->status = EXEC_FAILED;
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
	console_run(&e->vm->console);
}

/* The process that has the fork: all of its life. */
static int run_to_keep(struct exec *e, const struct parent *parent, int told_fd)
{
	static struct vm vm;
	static char name[DITTO_NAME_LEN];
	struct vm_config config = { .dev = e->dev, .name = name, .attachable = true, .agent = true,
				    .cpus = parent->state.cpus,
				    .ram_size = parent->state.ram_size };
	struct control control;
	int ret;

	e->vm = &vm;
	if (child_take_name(&e->names, &control, &vm, name) < 0)
		return EXEC_FAILED;
	ret = begin(e, &config, parent);
	close(parent->template_fd);
	vm.control = control;
	if (!ret) {
		relay(e);
		end_command(e);
	}
	if (!ret && vm.status == VM_RUNNING && e->status != EXEC_FAILED)
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
	return WIFEXITED(how) ? WEXITSTATUS(how) : EXEC_FAILED;
}

static int run_and_keep(struct exec *e, const struct parent *parent)
{
	int told[2], signal_fd = console_block_signals();
	pid_t pid = -1;

	if (signal_fd >= 0 && pipe2(told, O_CLOEXEC) == 0)
		pid = fork();
	if (!pid) {
		close(told[0]);
		_exit(run_to_keep(e, parent, told[1]));
	}
	if (pid < 0) {
		complain("--keep: %s", strerror(errno));
		return EXEC_FAILED;
	}
	close(told[1]);
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
			  .credit = AGENT_CREDIT, .status = -1 };
	struct parent parent;
	int status;

	argp_err_exit_status = EXEC_FAILED;
	argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &e);
	if (e.timeout)
		e.deadline = socket_now_ms() + e.timeout * 1000LL;
	if (wait_for_agent(&e) < 0 || parent_ask(&parent, e.names.parent) < 0)
		return failed(&e);
	status = e.keep ? run_and_keep(&e, &parent) : run(&e, &parent);
	close(parent.template_fd);
	free(e.env);
	return status;
}
