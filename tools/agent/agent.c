// SPDX-License-Identifier: GPL-2.0-only
/*
 * The agent: a process of the guest that runs commands for `ditto exec`. The kernel starts it
 * as the first process of the initramfs; it leaves a copy of itself and becomes the guest's
 * own init. The copy lives in a mount namespace of its own, so that the guest may do with its
 * root what it likes; a command is started in init's. In a guest that is a container there is no
 * init but itself (container.c).
 *
 * It never waits for a reader: a command's output is read only when the serial port has taken the
 * output before it. Input is passed on as far as `ditto` was given credit for it.
 */
#include "container.h"
#include "protocol.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/random.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define PLACE		"/" AGENT_PLACE
#define FORK_MESSAGE	"reseeded due to virtual machine fork"
#define FORK_SECONDS	10
#define PIECE		2048	/* bytes of a command's output in a frame */
#define ARGS_MAX	(AGENT_FRAME_MAX + 1)	/* each has its NUL */

static int tty_fd, kmsg_fd, urandom_fd, proc_fd, signal_fd;

/* To the host: what the port has not taken yet. */
static uint8_t out[4 * (PIECE + AGENT_HEAD)];
static size_t out_len;

/* It goes there by blocks. */
static bool has_port;

/* From the host: a frame that is not complete. */
static uint8_t in[AGENT_HEAD + AGENT_FRAME_MAX];
static size_t in_len;

/* The guest is a container; and its command has the console, which is this. */
static bool is_container;
static int console_fd = -1;

/* The command: its process, or 0; its pipes, or -1; and input that it has not taken. */
static pid_t command;
static int input_fd = -1, output_fd[2] = { -1, -1 };
static uint8_t input[AGENT_CREDIT];
static size_t input_len;
static bool input_ends;

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void flush_out(void)
{
	const uint8_t *at = out;
	ssize_t n;

	if (has_port) {
		__asm__ volatile("rep outsb" : "+S" (at), "+c" (out_len) : "d" (AGENT_PORT) :
				 "memory");
		return;
	}
	n = write(tty_fd, out, out_len);
	if (n <= 0)
		return;
	out_len -= n;
	memmove(out, out + n, out_len);
}

/* There is room for small ones always: large ones are made only when @out is empty. */
static void send_frame(enum agent_frame type, const void *data, size_t len)
{
	if (out_len + AGENT_HEAD + len > sizeof(out))
		return;
	out[out_len++] = type;
	out[out_len++] = len & 0xff;
	out[out_len++] = len >> 8;
	memcpy(out + out_len, data, len);
	out_len += len;
	flush_out();
}

static void send_exit(enum agent_exit how, uint8_t value)
{
	uint8_t data[2] = { how, value };

	send_frame(AGENT_EXIT, data, sizeof(data));
}

/* Has the kernel told since we last looked that it is another machine's now? */
static bool kernel_told(void)
{
	char record[8192];
	bool told = false;
	ssize_t n;

	for (;;) {
		n = read(kmsg_fd, record, sizeof(record) - 1);
		/* Some were overwritten; the next read goes on behind them. */
		if (n < 0 && errno == EPIPE)
			continue;
		if (n <= 0)
			return told;
		record[n] = '\0';
		/* Priorities from 8 on are of what processes have written there. */
		told |= strtoul(record, NULL, 10) < 8 && strstr(record, FORK_MESSAGE);
	}
}

static void on_hello(const uint8_t *seed, size_t len)
{
	struct pollfd p = { .fd = kmsg_fd, .events = POLLIN };
	uint8_t told = kernel_told();

	/* Each time it says something else, which is rare, the wait begins anew. */
	while (!told && poll(&p, 1, 1000 * FORK_SECONDS) > 0)
		told = kernel_told();
	/* For what the kernel's own way may lack; it does no harm. */
	if (write(urandom_fd, seed, len) == (ssize_t)len)
		ioctl(urandom_fd, RNDRESEEDCRNG);
	send_frame(AGENT_READY, &told, 1);
}

/* The strings of a frame into @strings, up to the end, or if @ends to an empty one. */
static size_t take_strings(const char **at, const char *end, char **strings, bool ends)
{
	size_t n = 0;

	while (*at < end && (**at || !ends)) {
		strings[n++] = (char *)*at;
		*at += strlen(*at) + 1;
	}
	strings[n] = NULL;
	*at += *at < end;
	return n;
}

/* Where init is: what it has mounted, and its root. */
static int enter_init(void)
{
	int fd = openat(proc_fd, "1/ns/mnt", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || setns(fd, CLONE_NEWNS) < 0)
		return -1;
	return 0;
}

/* Who frees memory in need may end a command, or anything else of the guest, but not us. */
static void set_oom_score(const char *score)
{
	int fd = openat(proc_fd, "self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : write(fd, score, strlen(score));

	(void)n;
	close_fd(&fd);
}

static void set_env(char **vars, const struct run *run)
{
	clearenv();
	setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1);
	if (!run)
		setenv("HOME", "/root", 1);
	for (char **v = vars; *v; v++)
		putenv(*v);
}

/* Return: 0, or an errno. */
static int enter(const char *dir)
{
	if (enter_init() < 0)
		return errno;
	/* Not what says that there is no such command. */
	if (chdir(*dir ? dir : "/") < 0)
		return errno == ENOENT ? ENOTDIR : errno;
	return 0;
}

/* In the command's process. Return: why it could not: an errno, or NO_SUCH_USER. */
static int become(const char *at, const char *end, const int *std, const struct run *run)
{
	static char *args[ARGS_MAX], *vars[ARGS_MAX];
	const char *dir = at;
	sigset_t none;
	int err;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	setsid();
	set_oom_score("0");
	/* What it starts, as whomever, is not to speak for the agent. */
	if (has_port)
		ioperm(AGENT_PORT, 1, 0);
	for (int i = 0; i < 3; i++)
		if (dup2(std[i], i) < 0)
			return errno;
	at += strlen(at) + 1;
	take_strings(&at, end, vars, true);
	if (!take_strings(&at, end, args, false))
		return EINVAL;
	set_env(vars, run);
	err = run ? container_enter(run, dir) : enter(dir);
	if (err)
		return err;
	execvp(args[0], args);
	return errno;
}

static int open_pipes(int std[3])
{
	int pipes[3][2] = { { -1, -1 }, { -1, -1 }, { -1, -1 } };

	for (int i = 0; i < 3; i++)
		if (pipe2(pipes[i], O_CLOEXEC) < 0)
			return errno;
	std[0] = pipes[0][0];
	std[1] = pipes[1][1];
	std[2] = pipes[2][1];
	input_fd = pipes[0][1];
	output_fd[0] = pipes[1][0];
	output_fd[1] = pipes[2][0];
	fcntl(input_fd, F_SETFL, O_NONBLOCK);
	fcntl(output_fd[0], F_SETFL, O_NONBLOCK);
	fcntl(output_fd[1], F_SETFL, O_NONBLOCK);
	return 0;
}

static int open_files(int std[3], const struct run *run)
{
	int err;

	if (!run || !strcmp(run->files, AGENT_PIPES))
		return open_pipes(std);
	if (!strcmp(run->files, AGENT_TTY))
		return container_open_tty(std, &input_fd, &output_fd[0]);
	err = container_open_console(std);
	console_fd = err ? -1 : fcntl(std[0], F_DUPFD_CLOEXEC, 0);
	return err;
}

static void close_pipes(void)
{
	close_fd(&input_fd);
	close_fd(&output_fd[0]);
	close_fd(&output_fd[1]);
}

/* The errno with which it did not start, or 0: told by a pipe that an exec closes. */
static int start(const char *at, const char *end, const struct run *run)
{
	int std[3], told[2], err = open_files(std, run);

	if (err)
		return err;
	if (pipe2(told, O_CLOEXEC) < 0)
		return errno;
	command = fork();
	if (!command) {
		err = become(at, end, std, run);
		_exit(write(told[1], &err, sizeof(err)) < 0);
	}
	if (command < 0)
		err = errno;
	for (int i = 0; i < 3; i++)
		close(std[i]);
	close(told[1]);
	if (read(told[0], &err, sizeof(err)) < 0)
		err = errno;
	close(told[0]);
	return err;
}

static void not_started(int err)
{
	if (command > 0)
		waitpid(command, NULL, 0);
	command = 0;
	close_pipes();
	if (err == NO_SUCH_USER)
		send_exit(AGENT_NO_USER, 0);
	else
		send_exit(AGENT_FAILED, err);
}

static void on_exec(const char *at, size_t len, const struct run *run)
{
	int err = EINVAL;

	/* One that a fork was kept with, and that no signal ends. */
	if (command) {
		send_exit(AGENT_FAILED, EBUSY);
		return;
	}
	input_len = 0;
	input_ends = false;
	/* Every string ends within the frame. */
	if (len && !at[len - 1])
		err = start(at, at + len, run);
	if (err)
		not_started(err);
	else if (run)
		send_frame(AGENT_STARTED, "", 0);
}

static void on_run(const char *at, size_t len)
{
	const char *end = at + len, *words[3];
	struct run run;

	if (!is_container || !len || end[-1])
		return;
	for (int i = 0; i < 3; i++) {
		words[i] = at;
		at += at < end ? strlen(at) + 1 : 0;
	}
	run = (struct run){ .files = words[0], .user = words[1], .host = words[2] };
	if (sethostname(run.host, strlen(run.host)) < 0)
		run.host = "";
	on_exec(at, end - at, &run);
}

static void on_window(const uint8_t *data)
{
	struct winsize size = { .ws_row = data[0] | data[1] << 8,
				.ws_col = data[2] | data[3] << 8 };

	if (output_fd[0] >= 0)
		ioctl(output_fd[0], TIOCSWINSZ, &size);
}

/*
 * Who has systemd is told in its way. Any other guest's processes get two seconds, and its disks
 * what is to be written to them.
 */
static void end_guest(void)
{
	int sysrq = openat(proc_fd, "sysrq-trigger", O_WRONLY | O_CLOEXEC);
	ssize_t n = 0;

	if (!faccessat(proc_fd, "1/root/run/systemd/system", F_OK, 0)) {
		kill(1, SIGRTMIN + 4);
		close_fd(&sysrq);
		return;
	}
	kill(-1, SIGTERM);
	sleep(2);
	kill(-1, SIGKILL);
	sync();
	if (sysrq >= 0)
		n = write(sysrq, "u", 1);
	if (n == 1)
		sleep(1);
	reboot(RB_POWER_OFF);
}

static void on_stop(int sig)
{
	if (!is_container)
		end_guest();
	else if (command > 0)
		kill(-command, sig);
}

static void on_stdin(const uint8_t *data, size_t len)
{
	if (!len)
		input_ends = true;
	if (input_fd < 0 || len > sizeof(input) - input_len)
		return;
	memcpy(input + input_len, data, len);
	input_len += len;
}

static void on_frame(uint8_t type, const uint8_t *data, size_t len)
{
	switch (type) {
	case AGENT_HELLO:
		on_hello(data, len);
		break;
	case AGENT_EXEC:
		on_exec((const char *)data, len, NULL);
		break;
	case AGENT_RUN:
		on_run((const char *)data, len);
		break;
	case AGENT_WINDOW:
		if (len == 4)
			on_window(data);
		break;
	case AGENT_STOP:
		if (len == 1)
			on_stop(data[0]);
		break;
	case AGENT_STDIN:
		on_stdin(data, len);
		break;
	case AGENT_SIGNAL:
		if (len == 1 && command > 0)
			kill(-command, data[0]);
		break;
	case AGENT_UNREAD:
		/* The command hears of it when it writes, as it would there. */
		if (len == 1 && (data[0] == AGENT_STDOUT || data[0] == AGENT_STDERR))
			close_fd(&output_fd[data[0] == AGENT_STDERR]);
		break;
	}
}

static void read_host(void)
{
	size_t len;
	ssize_t n = read(tty_fd, in + in_len, sizeof(in) - in_len);

	if (n > 0)
		in_len += n;
	while (in_len >= AGENT_HEAD) {
		len = in[1] | in[2] << 8;
		if (len > AGENT_FRAME_MAX)
			len = 0;
		if (in_len < AGENT_HEAD + len)
			return;
		on_frame(in[0], in + AGENT_HEAD, len);
		in_len -= AGENT_HEAD + len;
		memmove(in, in + AGENT_HEAD + len, in_len);
	}
}

/* Input that a command no longer reads counts as taken. */
static void pass_input(void)
{
	uint8_t taken[2];
	ssize_t n = input_len ? write(input_fd, input, input_len) : 0;

	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		close_fd(&input_fd);
		n = input_len;
	}
	if (n > 0) {
		input_len -= n;
		memmove(input, input + n, input_len);
		taken[0] = n & 0xff;
		taken[1] = n >> 8;
		send_frame(AGENT_TAKEN, taken, sizeof(taken));
	}
	if (input_len || !input_ends)
		return;
	/* A terminal's end is a character: the command has this one still open. */
	if (isatty(input_fd) && write(input_fd, "\004", 1) < 0 && errno == EAGAIN)
		return;
	close_fd(&input_fd);
}

/* Return: whether there was something. */
static bool pass_output(int which)
{
	uint8_t piece[PIECE];
	ssize_t n = read(output_fd[which], piece, sizeof(piece));

	if (n > 0)
		send_frame(which ? AGENT_STDERR : AGENT_STDOUT, piece, n);
	else if (!n || (errno != EAGAIN && errno != EINTR))
		close_fd(&output_fd[which]);
	return n > 0;
}

static void drain(void)
{
	struct pollfd p = { .fd = tty_fd, .events = POLLOUT };

	while (out_len && poll(&p, 1, -1) >= 0)
		flush_out();
}

/* What it had said is in the pipes; who else has their other ends is not waited for. */
static void on_child(void)
{
	struct signalfd_siginfo info;
	int status;

	if (read(signal_fd, &info, sizeof(info)) != sizeof(info) || command <= 0 ||
	    waitpid(command, &status, WNOHANG) != command)
		return;
	command = 0;
	/* With its first process a container ends: nobody goes on to write. */
	if (is_container)
		kill(-1, SIGKILL);
	for (int i = 0; i < 2; i++) {
		while (output_fd[i] >= 0 && pass_output(i))
			drain();
	}
	close_pipes();
	if (console_fd >= 0) {
		tcdrain(console_fd);
		sync();
		reboot(RB_POWER_OFF);
	}
	if (WIFSIGNALED(status))
		send_exit(AGENT_KILLED, WTERMSIG(status));
	else
		send_exit(AGENT_EXITED, WEXITSTATUS(status));
}

static void serve(void)
{
	struct pollfd p[] = {
		{ .fd = tty_fd, .events = POLLIN | (out_len ? POLLOUT : 0) },
		{ .fd = signal_fd, .events = out_len ? 0 : POLLIN },
		{ .fd = input_len || input_ends ? input_fd : -1, .events = POLLOUT },
		{ .fd = out_len ? -1 : output_fd[0], .events = POLLIN },
		{ .fd = out_len ? -1 : output_fd[1], .events = POLLIN },
	};

	if (poll(p, sizeof(p) / sizeof(p[0]), -1) < 0)
		return;
	if (p[0].revents & POLLOUT)
		flush_out();
	if (p[2].revents && input_fd >= 0)
		pass_input();
	for (int i = 0; i < 2; i++)
		if (p[3 + i].revents && !out_len && output_fd[i] >= 0)
			pass_output(i);
	if (p[1].revents)
		on_child();
	if (p[0].revents & POLLIN)
		read_host();
}

static int node(const char *path, unsigned int major_, unsigned int minor_, int flags)
{
	mknod(path, S_IFCHR | 0600, makedev(major_, minor_));
	return open(path, flags | O_CLOEXEC | O_NOCTTY);
}

static bool set_up_port(void)
{
	struct termios t;

	if (tcgetattr(tty_fd, &t) < 0)
		return false;
	cfmakeraw(&t);
	t.c_cflag |= CLOCAL | CREAD;
	return tcsetattr(tty_fd, TCSAFLUSH, &t) == 0;
}

static int own_proc(void)
{
	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -1;
	mkdir(PLACE "/proc", 0700);
	mount("proc", PLACE "/proc", "proc", 0, NULL);
	return open(PLACE "/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static bool set_up(void)
{
	sigset_t set;

	setsid();
	signal(SIGPIPE, SIG_IGN);
	/* A container's kill(-1, SIGTERM) is for what it has started. */
	sigfillset(&set);
	if (is_container)
		sigprocmask(SIG_BLOCK, &set, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	proc_fd = is_container ? open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : own_proc();
	tty_fd = node(PLACE "/port", 4, 65, O_RDWR | O_NONBLOCK);
	kmsg_fd = node(PLACE "/kmsg", 1, 11, O_RDONLY | O_NONBLOCK);
	urandom_fd = node(PLACE "/urandom", 1, 9, O_RDWR);
	if (signal_fd < 0 || proc_fd < 0 || tty_fd < 0 || kmsg_fd < 0 || urandom_fd < 0)
		return false;
	lseek(kmsg_fd, 0, SEEK_END);
	set_oom_score("-1000");
	has_port = !ioperm(AGENT_PORT, 1, 1);
	if (is_container)
		container_clean();
	return set_up_port();
}

static void agent(void)
{
	static const char why[] = "ditto agent: no second serial port, or no mount namespaces\n";

	if (!set_up()) {
		_exit(write(STDERR_FILENO, why, sizeof(why) - 1) < 0);
	}
	memcpy(out, AGENT_MAGIC, sizeof(AGENT_MAGIC) - 1);
	out_len = sizeof(AGENT_MAGIC) - 1;
	send_frame(AGENT_UP, "", 0);
	for (;;)
		serve();
}

/* What no process waits for any more is the first one's. Without the agent there is no machine. */
static void be_first(void)
{
	pid_t pid;

	if (!container_mount())
		_exit(1);
	pid = fork();
	if (!pid)
		agent();
	while (wait(NULL) != pid)
		;
	_exit(1);
}

int main(int argc, char **argv)
{
	const char *init = getenv("DITTO_INIT");
	char path[256];

	(void)argc;
	is_container = getenv(AGENT_CONTAINER);
	if (is_container)
		be_first();
	strncpy(path, init && *init ? init : "/init", sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	unsetenv("DITTO_INIT");
	if (!fork())
		agent();
	argv[0] = path;
	execv(path, argv);
	return 127;
}
