// SPDX-License-Identifier: GPL-2.0-only
/*
 * `ditto fork`: machines that begin as what another one is. The other's process gives a
 * template (fork.c), once; each new machine is a process of its own in the background, which
 * forks that template, takes a name, and says through a pipe that it runs, or why not.
 */
#include "cmd.h"
#include "child.h"
#include "fork.h"
#include "listing.h"
#include "socket.h"
#include "util.h"

#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { OPT_NAME = 256, OPT_RESETTABLE, OPT_JUMP };

static const struct argp_option options[] = {
	{ "count", 'n',	     "N",	0, "how many (default: 1)", 0 },
	{ "name",  OPT_NAME, "PATTERN",	0,
	  "their names: the first %d in it becomes the next number that is free (default: NAME-%d)",
	  0 },
	{ "resettable", OPT_RESETTABLE, NULL, 0,
	  "`ditto reset' can put them back to what they are now, for which it is kept", 0 },
	{ "jump",  OPT_JUMP, NULL,	0,
	  "their clocks jump to now, where NAME has stood still", 0 },
	{ "dev",   'd',	     "PATH",	0, "device (default: /dev/ditto)", 0 },
	{ 0 }
};

static const char doc[] =
	"Make machines that begin as what machine NAME is, all at one instant of it, and share its "
	"memory until either side writes. Each runs in the background; its name is printed when it "
	"does. NAME goes on, or stays a template.\v"
	"`ditto console', `ditto kill' and `ditto tree' reach the new machines. What they have in "
	"common that they should not have: see \"Forks\" in security.md.\n"
	"\n"
	"Exit status: 0; 1 if not all could be made.";

/**
 * struct forks - what is asked for
 * @names: of the parent and of the new machines
 * @count: how many
 * @dev: device
 * @resettable: they can be put back
 * @jump: their clocks jump
 */
struct forks {
	struct child_names names;
	const char *dev;
	unsigned int count;
	bool resettable, jump;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct forks *f = state->input;

	switch (key) {
	case 'n':
		if (!parse_uint(arg, &f->count) || !f->count || f->count > CHILDREN_MAX)
			argp_error(state, "--count: '%s' is not a number from 1 to %d", arg,
				   CHILDREN_MAX);
		return 0;
	case OPT_NAME:
		f->names.pattern = arg;
		return 0;
	case OPT_RESETTABLE:
		f->resettable = true;
		return 0;
	case OPT_JUMP:
		f->jump = true;
		return 0;
	case 'd':
		f->dev = arg;
		return 0;
	default:
		return parse_machine(key, arg, state, &f->names.parent);
	}
}

/* Run; where there is an agent, until it knows where it is. */
static int greet_agent(struct vm *vm)
{
	if (!vm->agent.up)
		return vm_start_threads(vm);
	if (agentport_listen(&vm->agent) < 0 || vm_start_threads(vm) < 0)
		return -1;
	if (agentport_hello(&vm->agent, AGENTPORT_READY_MS, vm->console.signal_fd) < 0)
		return -1;
	/* It has nothing to say until somebody asks. */
	agentport_close(&vm->agent);
	return 0;
}

/* The new process: all of a machine's life. */
static int child(struct forks *f, struct parent *parent, int ready_fd)
{
	static struct vm vm;
	static char name[DITTO_NAME_LEN];
	struct vm_config config = { .dev = f->dev, .name = name, .attachable = true,
				    .agent = parent->state.agent, .resettable = f->resettable,
				    .jump = f->jump,
				    .cpus = parent->state.cpus,
				    .ram_size = parent->state.ram_size };
	struct control control;
	int ret;

	child_close_others(&parent->fds, ready_fd);
	child_background();
	if (child_take_name(&f->names, &control, &vm, name) < 0)
		return VM_ERROR;
	ret = fork_create(&vm, &config, &parent->state, &parent->fds);
	parent_close(parent);
	vm.control = control;
	if (!ret && !greet_agent(&vm) && !control_start(&vm.control)) {
		child_tell(ready_fd, name);
		console_run(&vm.console);
	}
	control_stop(&vm.control);
	vm_join(&vm);
	console_finish(&vm.console, false);
	vm_destroy(&vm);
	return vm.status;
}

/* What the new process says is its name; nothing: it has said why on standard error. */
static int child_started(pid_t pid, int fd, struct forks *f)
{
	char name[DITTO_NAME_LEN + 1];
	ssize_t n = read(fd, name, sizeof(name) - 1);
	const char *dash;

	if (n <= 0) {
		waitpid(pid, NULL, 0);
		return -1;
	}
	name[n] = '\0';
	puts(name);
	fflush(stdout);
	/* The next need not try this one's number again. */
	f->names.next++;
	dash = strrchr(name, '-');
	if (!f->names.pattern && dash)
		f->names.next = strtoul(dash + 1, NULL, 10) + 1;
	return 0;
}

static int start_child(struct forks *f, struct parent *parent)
{
	int ready[2], ret;
	pid_t pid;

	if (pipe2(ready, O_CLOEXEC) < 0)
		return -1;
	pid = fork();
	if (!pid) {
		close(ready[0]);
		_exit(child(f, parent, ready[1]));
	}
	close(ready[1]);
	ret = pid < 0 ? -1 : child_started(pid, ready[0], f);
	if (pid < 0)
		complain("fork: %s", strerror(errno));
	close(ready[0]);
	return ret;
}

/**
 * cmd_fork() - `ditto fork`
 * @argc: as for main()
 * @argv: as for main()
 *
 * Return: the exit status.
 */
int cmd_fork(int argc, char **argv)
{
	static const struct argp argp = { options, parse, "NAME", doc, NULL, NULL, NULL };
	struct forks f = { .count = 1, .names.next = 1, .dev = DITTO_DEV };
	struct parent parent;
	int ret = 0;

	argp_parse(&argp, argc, argv, 0, NULL, &f);
	if (f.count > 1 && f.names.pattern && !strstr(f.names.pattern, "%d")) {
		complain("--name: %u machines need a %%d in their name", f.count);
		return 1;
	}
	if (parent_ask(&parent, f.names.parent) < 0)
		return 1;
	for (unsigned int i = 0; i < f.count && !ret; i++)
		ret = start_child(&f, &parent);
	parent_close(&parent);
	return ret < 0;
}
