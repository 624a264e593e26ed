// SPDX-License-Identifier: GPL-2.0-only
/*
 * `ditto run`: options, then the order of things. Files are opened, checked
 * and placed before the device is touched, so a mistake starts nothing. With --detach all of
 * it happens in a new process, which this one waits for until the machine runs.
 */
#include "agent.h"
#include "child.h"
#include "cmd.h"
#include "config.h"
#include "container.h"
#include "run_container.h"
#include "terminal.h"
#include "vm.h"
#include "util.h"

#include "ditto.h"

#include <argp.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#define RAM_MAX		(1ULL << 40)
#define RAM_DEFAULT	(256 * MIB)
#define CONTAINER_RAM_MIN (64 * MIB)	/* of the kernel, the agent, and a small command */

enum { OPT_BACKING = 256, OPT_MERGE, OPT_DISK, OPT_BALLOON, OPT_NET, OPT_VSOCK, OPT_SHARE, OPT_RNG,
       OPT_AGENT, OPT_CONFIG, OPT_PRINT_CONFIG, OPT_ROOTFS, OPT_IMAGE, OPT_DETACH,
       OPT_HUGEPAGES };

#ifdef HAVE_SLIRP
#define NET_USER	""
#else
#define NET_USER	" (not in this build, which had no libslirp)"
#endif

static const char default_cmdline[] = "console=ttyS0";

static const struct argp_option options[] = {
	{ "kernel",  'k', "FILE", 0,
	  "Linux kernel (bzImage, 64-bit); required, but for a container, "
	  "whose default is the host's own (/boot/vmlinuz-RELEASE)", 1 },
	{ "initrd",  'i', "FILE", 0, "initial RAM file system", 1 },
	{ "append",  'a', "TEXT", 0,
	  "kernel command line (default: console=ttyS0, and for a container quiet)", 1 },
	{ "rootfs", OPT_ROOTFS, "DIR", 0,
	  "run COMMAND in a copy of folder DIR, in a machine that ends with it", 1 },
	{ "image", OPT_IMAGE, "IMAGE", 0,
	  "likewise in a container's image: `oci:DIR[:NAME]', a folder in OCI's layout, or "
	  "`docker-archive:FILE', as `docker save' makes it; without COMMAND, the image's", 1 },
	{ "env", 'e', "NAME=VALUE", 0,
	  "a variable of the command's environment; as often as needed", 1 },
	{ "workdir", 'w', "DIR", 0,
	  "its directory, which is made if it is not there (default: the image's, or /)", 1 },
	{ "user", 'u', "USER[:GROUP]", 0,
	  "its user, by a name of the container's or a number (default: the image's, or root)",
	  1 },
	{ "tty", 't', NULL, 0, "give it a terminal, and this one's input as it is typed", 1 },
	{ "memory",  'm', "SIZE", 0,
	  "RAM, as in 512M or 4G (default: 256M, and twice a container's files)", 2 },
	{ "cpus",    'c', "N",    0, "virtual CPUs, 1 to 64 (default: 1)", 2 },
	{ "disk", OPT_DISK, "FILE[,ro][,serial=TEXT]", 0,
	  "a disk (/dev/vda, /dev/vdb, ...): what is in FILE, a raw image or a block device; "
	  "`ro': the guest cannot write. May be given eight times", 2 },
	{ "balloon", OPT_BALLOON, NULL, 0,
	  "memory that the guest frees is the host's again, and `ditto balloon' takes more", 2 },
	{ "net", OPT_NET, "KIND", 0,
	  "a network device: `user[,fwd=[ADDRESS:]PORT:PORT]...', a network of this process's own"
	  NET_USER ", where connections to the first PORT, of the host, go to the second, of the "
	  "guest; or `tap=INTERFACE', an interface of the host, through vhost-net. With "
	  "`,mac=MAC' that is its address. May be given four times (default: none)", 2 },
	{ "vsock", OPT_VSOCK, "CID", 0,
	  "sockets between guest and host (AF_VSOCK), through vhost-vsock: the guest's number, "
	  "from 3 on", 2 },
	{ "share", OPT_SHARE, "DIR[:TAG][,ro]", 0,
	  "a folder of this host, which the guest mounts (mount -t virtiofs TAG; default `share'), "
	  "through virtiofsd; `ro': the guest cannot write. May be given four times", 2 },
	{ "rng", OPT_RNG, NULL, 0, "a source of random numbers, which are the host's", 2 },
	{ "name",    'n', "NAME", 0, "what `ditto ps' calls it (at most 31 printable characters, "
				     "no '/')", 2 },
	{ "detach", OPT_DETACH, NULL, 0,
	  "go into the background when the machine, or its command, runs, and print its name; "
	  "`ditto console' has its console, `ditto kill' ends it, and `ditto stop' a container, or "
	  "what has an agent", 2 },
	{ "agent", OPT_AGENT, NULL, 0,
	  "put an agent into the initial RAM file system, so that `ditto exec' runs commands in "
	  "forks of the machine; it has the second serial port (ttyS1)", 2 },
	{ "config", OPT_CONFIG, "FILE", 0,
	  "take options from FILE, a JSON object with their long names; what follows on the "
	  "command line counts more", 2 },
	{ "print-config", OPT_PRINT_CONFIG, NULL, 0, "print such a file, and boot nothing", 2 },
	{ "dev",     'd', "PATH", 0,
	  "device (default: /dev/ditto); /dev/kvm runs on stock KVM", 3 },
	{ "backing", OPT_BACKING, "KIND", 0,
	  "make RAM of a `gmem' or of `anon'ymous memory (default: gmem where the device has "
	  "it)", 3 },
	{ "hugepages", OPT_HUGEPAGES, NULL, 0,
	  "take its memory in pieces of 2 MiB where the host has them", 3 },
	{ "merge", OPT_MERGE, "POLICY", 0,
	  "what its memory may be shared with: nothing (`off'), only zero pages given back "
	  "(`zero'), it`self', any other of this policy, unnoticeably (`secure'), or its owner's "
	  "other machines (`domain'); default: the module's", 3 },
	{ 0 }
};

static const char doc[] =
	"Boot a Linux kernel in a new machine, with its first serial port (ttyS0) on "
	"standard input and output; or with --rootfs or --image run a command in a machine of its "
	"own, whose standard files are this one's.\v"
	"On a terminal, Ctrl-A x quits and Ctrl-A a sends Ctrl-A; everything else goes to the "
	"guest. Input from a pipe is passed on unchanged, and its end is no error.\n"
	"\n"
	"Exit status:\n"
	"  0    the guest powered off\n"
	"  1    wrong usage, or this host cannot do it\n"
	"  2    the kernel image is not one, damaged or truncated\n"
	"  3    the guest asked for a reboot\n"
	"  4    the guest shut down by a triple fault\n"
	"  5    the hypervisor could not go on; registers on standard error\n"
	"  6    the guest reported a crash\n"
	"  129, 130, 131, 143   ended by SIGHUP, SIGINT or Ctrl-A x, SIGQUIT, SIGTERM;\n"
	"  138, 140             by SIGUSR1, SIGUSR2\n"
	"With --rootfs or --image, the command's; 128 and a signal's number, if one ended it;\n"
	"  1    wrong usage\n"
	"  125  there was no machine, or it ended before the command\n"
	"  126  the command could not be started\n"
	"  127  there is no such command\n"
	"With --detach 0 when it runs, or else the same.\n"
	"\n"
	"Examples:\n"
	"  ditto run --kernel /boot/vmlinuz --initrd initrd.img --memory 512M --cpus 2\n"
	"  ditto run --image docker-archive:python.tar -- python3 -c 'print(6 * 7)'";

/**
 * struct run - what `ditto run` was asked for
 * @config: the machine
 * @kernel: path
 * @initrd: path, or NULL
 * @boot: what to boot
 * @container: what to run in it, if that is a container
 * @told_fd: in the background: says to who waits that it runs; else -1
 * @options: all that were given, by name
 * @where: the file and line that an option is from, or NULL: the command line
 * @state: the parser's
 * @print: print @options
 */
struct run {
	struct vm_config config;
	const char *kernel;
	const char *initrd;
	struct boot boot;
	struct container container;
	int told_fd;
	struct json_object *options;
	const char *where;
	struct argp_state *state;
	bool print;
};

/* Say what is wrong with an option, and where it is, and exit. */
static void __attribute__((noreturn, format(printf, 2, 3)))
wrong(struct argp_state *state, const char *fmt, ...)
{
	const struct run *run = state->input;
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (run->where)
		complain("%s: %s", run->where, text);
	else
		argp_error(state, "%s", text);
	exit(EXIT_FAILURE);
}

static void parse_memory(struct run *run, const char *arg, struct argp_state *state)
{
	uint64_t size;

	if (!parse_size(arg, &size))
		wrong(state, "--memory: '%s' is not a size (as in 512M)", arg);
	if (size > RAM_MAX || size % PAGE_BYTES || !size)
		wrong(state, "--memory: %s: must be a multiple of 4K, at most 1T", arg);
	run->config.ram_size = size;
}

static void parse_cpus(struct run *run, const char *arg, struct argp_state *state)
{
	if (!parse_uint(arg, &run->config.cpus) || !run->config.cpus ||
	    run->config.cpus > VM_CPUS_MAX)
		wrong(state, "--cpus: '%s' is not a number from 1 to %d", arg, VM_CPUS_MAX);
}

static void parse_name(struct run *run, const char *arg, struct argp_state *state)
{
	for (const char *p = arg; *p; p++)
		if (*p == '/' || *p < ' ' || *p > '~')
			wrong(state, "--name: only printable ASCII without '/'");
	if (strlen(arg) >= DITTO_NAME_LEN)
		wrong(state, "--name: at most %d characters", DITTO_NAME_LEN - 1);
	run->config.name = arg;
}

static void parse_backing(struct run *run, const char *arg, struct argp_state *state)
{
	if (!strcmp(arg, "gmem"))
		run->config.backing = RAM_BACKING_GMEM;
	else if (!strcmp(arg, "anon"))
		run->config.backing = RAM_BACKING_ANON;
	else
		wrong(state, "--backing: '%s' is neither gmem nor anon", arg);
}

static void parse_merge(struct run *run, const char *arg, struct argp_state *state)
{
	static const char *const names[] = {
		[DITTO_POLICY_OFF] = "off", [DITTO_POLICY_ZERO] = "zero",
		[DITTO_POLICY_SELF] = "self", [DITTO_POLICY_SECURE] = "secure",
		[DITTO_POLICY_DOMAIN] = "domain",
	};

	for (uint32_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i] && !strcmp(arg, names[i]))
			run->config.policy = i;
	if (!run->config.policy)
		wrong(state, "--merge: '%s' is none of off, zero, self, secure, domain", arg);
}

static void parse_disk(struct run *run, const char *arg, struct argp_state *state)
{
	struct vm_config *config = &run->config;

	if (config->disks == DISKS_MAX)
		wrong(state, "--disk: at most %d", DISKS_MAX);
	if (!disk_parse(&config->disk[config->disks], arg))
		wrong(state, "--disk: '%s' names no file", arg);
	config->disks++;
}

static void parse_net(struct run *run, const char *arg, struct argp_state *state)
{
	struct vm_config *config = &run->config;
	const char *why;

	if (!strcmp(arg, "none"))
		return;
	if (config->nets == NETS_MAX)
		wrong(state, "--net: at most %d", NETS_MAX);
	why = net_parse(&config->net[config->nets], arg);
	if (why)
		wrong(state, "--net: '%s': %s", arg, why);
	config->nets++;
}

static void parse_share(struct run *run, const char *arg, struct argp_state *state)
{
	struct vm_config *config = &run->config;
	const char *why;

	if (config->shares == SHARES_MAX)
		wrong(state, "--share: at most %d", SHARES_MAX);
	why = share_parse(&config->share[config->shares], arg);
	if (why)
		wrong(state, "--share: '%s': %s", arg, why);
	config->shares++;
}

static void check_devices(const struct vm_config *config, struct argp_state *state)
{
	if (config->disks + config->nets + config->shares + !!config->vsock.cid + config->rng +
	    config->balloon > VIRTIO_DEVICES_MAX)
		wrong(state, "a machine has at most %d disks, networks and other devices",
			   VIRTIO_DEVICES_MAX);
}

/* Devices; false if the option is none. */
static bool parse_device(struct run *run, int key, char *arg, struct argp_state *state)
{
	switch (key) {
	case OPT_DISK:
		parse_disk(run, arg, state);
		return true;
	case OPT_NET:
		parse_net(run, arg, state);
		return true;
	case OPT_VSOCK:
		if (!vsock_parse(&run->config.vsock, arg))
			wrong(state, "--vsock: '%s' is not a number from 3 to 4294967294", arg);
		return true;
	case OPT_SHARE:
		parse_share(run, arg, state);
		return true;
	case OPT_RNG:
		run->config.rng = true;
		return true;
	case OPT_BALLOON:
		run->config.balloon = true;
		return true;
	default:
		return false;
	}
}

static void parse_env(struct run *run, const char *arg, struct argp_state *state)
{
	if (!strchr(arg, '=') || *arg == '=')
		wrong(state, "--env: '%s' is not NAME=VALUE", arg);
	if (strings_add(&run->container.env, arg) < 0)
		wrong(state, "--env: %s", strerror(ENOMEM));
}

/* What a container is; false if the option says nothing of it. */
static bool parse_container(struct run *run, int key, char *arg, struct argp_state *state)
{
	switch (key) {
	case OPT_ROOTFS:
		run->container.rootfs = arg;
		return true;
	case OPT_IMAGE:
		run->container.image = arg;
		return true;
	case 'e':
		parse_env(run, arg, state);
		return true;
	case 'w':
		if (*arg != '/')
			wrong(state, "--workdir: '%s' does not begin with /", arg);
		run->container.workdir = arg;
		return true;
	case 'u':
		run->container.user = arg;
		return true;
	case 't':
		run->container.tty = true;
		return true;
	default:
		return false;
	}
}

static void check_container(struct run *run, struct argp_state *state)
{
	const struct container *c = &run->container;

	if (c->rootfs && c->image)
		wrong(state, "--rootfs and --image: only one of them");
	if (!container_wanted(c)) {
		if (c->args)
			wrong(state, "unexpected argument '%s'", *c->args);
		if (c->env.len || c->workdir || c->user || c->tty)
			wrong(state, "--env, --workdir, --user and --tty: only with --rootfs or "
			      "--image");
		return;
	}
	if (run->initrd || run->config.agent)
		wrong(state, "--initrd and --agent: not with --rootfs or --image");
	if (c->rootfs && !c->args)
		wrong(state, "--rootfs: which command?");
	run->config.agent = run->config.container = run->config.attachable = true;
}

static void parse_end(struct run *run, struct argp_state *state)
{
	check_container(run, state);
	if (!run->kernel && !run->config.container)
		wrong(state, "--kernel is required");
	if (run->config.agent && !run->initrd && !run->config.container)
		wrong(state, "--agent: needs an --initrd to be put into");
	if (run->config.balloon && run->config.backing == RAM_BACKING_ANON)
		wrong(state, "--balloon: anonymous memory cannot be given back; use --backing "
		"gmem");
	check_devices(&run->config, state);
}

/* All that follows is the command's, options and all. */
static void take_command(struct run *run, struct argp_state *state)
{
	run->container.args = state->argv + state->next - 1;
	state->next = state->argc;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct run *run = state->input;

	switch (key) {
	case 'k':
		run->kernel = arg;
		break;
	case 'i':
		run->initrd = arg;
		break;
	case 'a':
		run->boot.cmdline = arg;
		break;
	case 'm':
		parse_memory(run, arg, state);
		break;
	case 'c':
		parse_cpus(run, arg, state);
		break;
	case 'n':
		parse_name(run, arg, state);
		break;
	case 'd':
		run->config.dev = arg;
		break;
	case OPT_BACKING:
		parse_backing(run, arg, state);
		break;
	case OPT_AGENT:
		run->config.agent = true;
		break;
	case OPT_MERGE:
		parse_merge(run, arg, state);
		break;
	case OPT_HUGEPAGES:
		run->config.hugepages = true;
		break;
	case OPT_DETACH:
		run->config.detached = run->config.attachable = true;
		break;
	case ARGP_KEY_ARG:
		take_command(run, state);
		break;
	case ARGP_KEY_END:
		parse_end(run, state);
		break;
	default:
		return parse_device(run, key, arg, state) ||
		       parse_container(run, key, arg, state) ? 0 : ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static error_t parse(int key, char *arg, struct argp_state *state);

static void set_from_file(void *owner, int key, char *value, const char *where)
{
	struct run *run = owner;

	run->where = where;
	if (key == OPT_CONFIG || key == OPT_PRINT_CONFIG)
		wrong(run->state, "a file has no such option");
	parse(key, value, run->state);
	run->where = NULL;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct run *run = state->input;

	switch (key) {
	case OPT_CONFIG:
		run->state = state;
		config_read(arg, options, set_from_file, run);
		return 0;
	case OPT_PRINT_CONFIG:
		run->print = true;
		return 0;
	default:
		config_record(run->options, options, key, arg,
			      key == OPT_DISK || key == OPT_NET || key == OPT_SHARE ||
			      key == 'e');
		return parse_option(key, arg, state);
	}
}

/* A machine whose console goes nowhere is a mistake, and > /dev/null is easily said. */
static int check_stdout(void)
{
	int flags = fcntl(STDOUT_FILENO, F_GETFL);

	if (flags >= 0 && (flags & O_ACCMODE) != O_RDONLY)
		return 0;
	complain("standard output: %s", strerror(EBADF));
	return -1;
}

/* A container says little of the kernel that it is to run on. */
static int open_kernel(struct run *run)
{
	static char path[sizeof("/boot/vmlinuz-") + sizeof(((struct utsname *)0)->release)];
	struct utsname names;

	if (!run->kernel && !uname(&names)) {
		snprintf(path, sizeof(path), "/boot/vmlinuz-%s", names.release);
		run->kernel = path;
		if (access(path, R_OK) < 0) {
			complain("%s: %s: say by --kernel which kernel to boot", path,
				 strerror(errno));
			return -1;
		}
	}
	return image_open(&run->boot.kernel.file, run->kernel);
}

/*
 * The files may fill half of the memory that there is beside their archive, in whole pages: a tmpfs
 * asks how much there is before the archive's is free.
 */
static int prepare_container(struct run *run)
{
	struct container *c = &run->container;
	uint64_t need;
	char have[16], text[16];

	if (run->boot.cmdline == default_cmdline)
		run->boot.cmdline = "console=ttyS0 quiet";
	if (container_prepare(c, &run->boot) < 0)
		return -1;
	need = align_up(c->bytes + 2 * c->room, MIB);
	if (!run->config.ram_size)
		run->config.ram_size = RAM_DEFAULT + need;
	run->config.stop_signal = c->stop_signal;
	if (run->config.ram_size >= need + CONTAINER_RAM_MIN)
		return 0;
	complain("--memory %s is too small: the container's files need %s to be unpacked",
		 format_size(run->config.ram_size, have, sizeof(have)),
		 format_size(need + CONTAINER_RAM_MIN, text, sizeof(text)));
	return -1;
}

static int open_devices(struct run *run)
{
	for (unsigned int i = 0; i < run->config.disks; i++)
		if (disk_open(&run->config.disk[i]) < 0)
			return -1;
	for (unsigned int i = 0; i < run->config.nets; i++)
		if (net_open(&run->config.net[i]) < 0)
			return -1;
	for (unsigned int i = 0; i < run->config.shares; i++)
		if (share_check(&run->config.share[i]) < 0)
			return -1;
	return vsock_open(&run->config.vsock);
}

/* Nothing but reading: the order makes the exit status say what is wrong first. */
static int run_prepare(struct run *run)
{
	struct boot *boot = &run->boot;

	boot->kernel.file.fd = boot->initrd.fd = -1;
	if (check_stdout() < 0 || open_kernel(run) < 0)
		return VM_ERROR;
	if (kernel_check(&boot->kernel) < 0)
		return VM_BAD_KERNEL;
	if (run->initrd && image_open(&boot->initrd, run->initrd) < 0)
		return VM_ERROR;
	if (run->config.container ? prepare_container(run) < 0
				  : run->config.agent && agent_add(boot) < 0)
		return VM_ERROR;
	if (!run->config.ram_size)
		run->config.ram_size = RAM_DEFAULT;
	boot->ram_size = run->config.ram_size;
	return open_devices(run) < 0 || boot_plan(boot) < 0 ? VM_ERROR : 0;
}

static void run_close_files(struct run *run)
{
	image_close(&run->boot.kernel.file);
	image_close(&run->boot.initrd);
}

/* A reader that asked us to end is not waited for. */
static bool was_told_to_end(int status)
{
	return status > VM_SIGNAL;
}

/* Without a directory for sockets there is none, and the machine runs without. */
static int run_control(struct vm *vm)
{
	int ret = control_bind(&vm->control, vm, vm->config->name);

	/* Without a name it is a number, which a machine may have for a name. */
	if (ret == -EADDRINUSE && *vm->config->name) {
		complain("--name %s: another machine of yours has that name", vm->config->name);
		return -1;
	}
	if (ret < 0 && (*vm->config->name || vm->config->detached))
		complain("no control socket: %s", strerror(-ret));
	return ret < 0 && vm->config->detached ? -1 : 0;
}

/* Whoever waits for it is told that it runs. */
static void go_into_background(int told_fd, const char *name)
{
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", getpid());
	prctl(PR_SET_PDEATHSIG, 0);
	child_background();
	child_tell(told_fd, *name ? name : pid);
}

static int run_machine(struct run *run)
{
	static struct vm vm;	/* large: consoles and vCPUs are in it */
	int status = VM_ERROR, ret;

	if (!vm_create(&vm, &run->config) && !run_control(&vm) && !vm_start(&vm, &run->boot) &&
	    !control_start(&vm.control)) {
		run_close_files(run);
		if (run->told_fd >= 0)
			go_into_background(run->told_fd, vm.config->name);
		console_run(&vm.console);
	}
	control_stop(&vm.control);
	vm_join(&vm);
	status = vm.status;
	ret = console_finish(&vm.console, !was_told_to_end(status));
	terminal_restore();
	vm_destroy(&vm);
	/* The end of an orderly machine is not orderly when it was not seen. */
	if (ret < 0 && (status == VM_POWEROFF || status == VM_REBOOT)) {
		complain("standard output: %s", strerror(-ret));
		status = VM_ERROR;
	}
	return status;
}

/* All of a container's life. */
static int run_command(struct run *run)
{
	static struct vm vm;
	struct command command = { .vm = &vm, .argv = run->container.argv,
				   .env = run->container.all_env,
				   .tty = run->container.tty && !run->config.detached,
				   .status = -1 };
	bool background = false;
	int status = COMMAND_FAILED;

	if (!vm_create(&vm, &run->config) && !run_control(&vm) && !agentport_listen(&vm.agent) &&
	    !vm_start(&vm, &run->boot) && !control_start(&vm.control)) {
		run_close_files(run);
		status = container_start(&run->container, &command);
		background = status < 0 && run->told_fd >= 0;
	}
	if (background) {
		agentport_close(&vm.agent);
		go_into_background(run->told_fd, vm.config->name);
		console_run(&vm.console);
	} else if (status < 0) {
		status = container_relay(&command);
	}
	control_stop(&vm.control);
	vm_join(&vm);
	if (status == COMMAND_FAILED)
		container_tell_console(&vm.console);
	console_finish(&vm.console, false);
	vm_destroy(&vm);
	return status;
}

static int run_here(struct run *run)
{
	int status = run_prepare(run);

	if (!status)
		status = run->config.container ? run_command(run) : run_machine(run);
	else if (run->config.container)
		status = COMMAND_FAILED;
	run_close_files(run);
	while (run->config.shares)
		share_forget(&run->config.share[--run->config.shares]);
	vsock_close(&run->config.vsock);
	while (run->config.nets)
		net_close(&run->config.net[--run->config.nets]);
	while (run->config.disks)
		disk_close(&run->config.disk[--run->config.disks]);
	container_destroy(&run->container);
	return status;
}

/* What the new process says is the machine's name; nothing: it has said why, and its status. */
static int wait_for_name(pid_t pid, int fd)
{
	char name[DITTO_NAME_LEN + 1];
	ssize_t n = read(fd, name, sizeof(name) - 1);
	int how;

	if (n > 0) {
		name[n] = '\0';
		puts(name);
		return EXIT_SUCCESS;
	}
	if (waitpid(pid, &how, 0) < 0 || !WIFEXITED(how) || !WEXITSTATUS(how))
		return EXIT_FAILURE;
	return WEXITSTATUS(how);
}

static int run_detached(struct run *run)
{
	int told[2] = { -1, -1 };
	pid_t parent = getpid(), pid = pipe2(told, O_CLOEXEC) < 0 ? -1 : fork();

	if (!pid) {
		/* A machine whose name nobody was told is nobody's. */
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		if (getppid() != parent)
			_exit(EXIT_FAILURE);
		close(told[0]);
		run->told_fd = told[1];
		_exit(run_here(run));
	}
	if (pid < 0) {
		complain("--detach: %s", strerror(errno));
		return EXIT_FAILURE;
	}
	close(told[1]);
	return wait_for_name(pid, told[0]);
}

/**
 * cmd_run() - `ditto run`
 * @argc: as for main()
 * @argv: as for main()
 *
 * Return: the exit status.
 */
int cmd_run(int argc, char **argv)
{
	static const struct argp argp = { options, parse, "[[--] COMMAND [ARGUMENT...]]", doc,
					  NULL, NULL, NULL };
	struct run run = {
		.config = { .dev = DITTO_DEV, .name = "", .cpus = 1, .vsock.fd = -1 },
		.boot.cmdline = default_cmdline,
		.told_fd = -1,
		.options = json_object_new_object(),
	};

	argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &run);
	if (run.print) {
		config_print(run.options);
		return EXIT_SUCCESS;
	}
	return run.config.detached ? run_detached(&run) : run_here(&run);
}
