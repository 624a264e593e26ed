// SPDX-License-Identifier: GPL-2.0-only
/*
 * Standard input and output of a running machine, or whoever attaches to a machine in the
 * background, and the main thread's loop.
 * Output is collected and written by the main thread, a few milliseconds late
 * or when there is much of it, so a vCPU makes no system call per character;
 * a reader that is too slow makes the vCPU wait, and nothing is lost. Input
 * waits here until the UART has room. On a terminal, Ctrl-A x quits and
 * Ctrl-A a sends Ctrl-A; a pipe is passed on as it is.
 */
#include "console.h"
#include "terminal.h"
#include "vm.h"
#include "util.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define CTRL_A		0x01
#define FLUSH_DELAY_NS	4000000		/* nobody sees 4 ms */
#define FLUSH_BYTES	4096		/* also what a pipe takes without blocking */
#define SILENCE_MS	10000		/* then a user may wonder */

enum { WAIT_WAKE, WAIT_TIMER, WAIT_SIGNAL, WAIT_IN, WAIT_OUT, WAIT_COUNT };

/**
 * console_block_signals() - let those that end or stop us come to an fd instead
 *
 * Return: a signalfd, or -1 with errno.
 */
int console_block_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGQUIT);
	sigaddset(&set, SIGTSTP);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/**
 * console_create() - open what the loop waits for, block the signals it handles
 * @c: zeroes, and filled in
 * @vm: its machine
 *
 * Before any thread is created, as threads inherit the signal mask.
 * Return: 0, or -1 after saying why not on standard error.
 */
int console_create(struct console *c, struct vm *vm)
{
	c->vm = vm;
	c->attachable = vm->config->attachable;
	c->attach_fd = c->peer_fd = -1;
	pthread_mutex_init(&c->lock, NULL);
	pthread_mutex_init(&c->in_lock, NULL);
	pthread_cond_init(&c->room, NULL);
	c->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	c->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	c->signal_fd = console_block_signals();
	if (c->wake_fd >= 0 && c->timer_fd >= 0 && c->signal_fd >= 0)
		return 0;
	complain("console: %s", strerror(errno));
	return -1;
}

/**
 * console_destroy() - close what console_create() opened
 * @c: the console
 */
void console_destroy(struct console *c)
{
	close(c->wake_fd);
	close(c->timer_fd);
	close(c->signal_fd);
	if (c->attach_fd >= 0)
		close(c->attach_fd);
	if (c->peer_fd >= 0)
		close(c->peer_fd);
}

/**
 * console_attach() - give the console to a new user, instead of the last one; the control thread
 * @c: one that is attachable
 * @fd: a socket of packets; owned
 */
void console_attach(struct console *c, int fd)
{
	pthread_mutex_lock(&c->lock);
	if (c->attach_fd >= 0)
		close(c->attach_fd);
	c->attach_fd = fd;
	pthread_mutex_unlock(&c->lock);
	console_wake(c);
}

/**
 * console_wake() - make the main loop look at everything again; any thread
 * @c: the console
 */
void console_wake(struct console *c)
{
	/* If it is full, the loop has a reason to wake already. */
	if (eventfd_write(c->wake_fd, 1) < 0 && errno != EAGAIN)
		complain("eventfd: %s", strerror(errno));
}

static void arm_timer(struct console *c)
{
	struct itimerspec delay = { .it_value.tv_nsec = FLUSH_DELAY_NS };

	timerfd_settime(c->timer_fd, 0, &delay, NULL);
}

/**
 * console_put() - the guest sends a byte; a vCPU's thread, without locks
 * @c: the console
 * @byte: the byte
 *
 * Waits while too much is unwritten, unless the machine is ending, or nobody has to read.
 */
void console_put(struct console *c, uint8_t byte)
{
	size_t len = 0;

	pthread_mutex_lock(&c->lock);
	if (c->attachable && c->out_len == sizeof(c->out)) {
		c->out_len -= FLUSH_BYTES;
		memmove(c->out, c->out + FLUSH_BYTES, c->out_len);
	}
	while (c->out_len == sizeof(c->out) && !c->closed)
		pthread_cond_wait(&c->room, &c->lock);
	c->heard = true;
	if (!c->closed) {
		c->out[c->out_len++] = byte;
		len = c->out_len;
	}
	pthread_mutex_unlock(&c->lock);
	if (len == 1)
		arm_timer(c);
	else if (len == FLUSH_BYTES)
		console_wake(c);
}

static size_t out_pending(struct console *c)
{
	size_t len;

	pthread_mutex_lock(&c->lock);
	len = c->out_len;
	pthread_mutex_unlock(&c->lock);
	return len;
}

static void out_take(struct console *c, size_t n)
{
	pthread_mutex_lock(&c->lock);
	c->out_len -= n;
	memmove(c->out, c->out + n, c->out_len);
	pthread_cond_broadcast(&c->room);
	pthread_mutex_unlock(&c->lock);
}

/* What lies at the front stays there: others only append. */
static int out_write(struct console *c)
{
	size_t len = out_pending(c);
	ssize_t n;

	if (!len)
		return 0;
	n = write(STDOUT_FILENO, c->out, len > FLUSH_BYTES ? FLUSH_BYTES : len);
	if (n < 0 && errno != EINTR && errno != EAGAIN)
		return -errno;
	if (n > 0)
		out_take(c, n);
	return 0;
}

/* Written until nothing is left; then the next byte arms the timer again. */
static void peer_detach(struct console *c)
{
	if (c->peer_fd >= 0)
		close(c->peer_fd);
	c->peer_fd = -1;
}

static void peer_take(struct console *c)
{
	int fd;

	pthread_mutex_lock(&c->lock);
	fd = c->attach_fd;
	c->attach_fd = -1;
	pthread_mutex_unlock(&c->lock);
	if (fd < 0)
		return;
	peer_detach(c);
	c->peer_fd = fd;
	c->flush = true;
}

/* Nothing is waited for under the lock; with it, because the oldest may be dropped. */
static void peer_write(struct console *c)
{
	ssize_t n = 0;
	size_t len;

	pthread_mutex_lock(&c->lock);
	len = c->out_len > FLUSH_BYTES ? FLUSH_BYTES : c->out_len;
	if (len)
		n = send(c->peer_fd, c->out, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n > 0) {
		c->out_len -= n;
		memmove(c->out, c->out + n, c->out_len);
	}
	c->flush = c->out_len;
	pthread_mutex_unlock(&c->lock);
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		peer_detach(c);
}

static void out_ready(struct console *c)
{
	int ret;

	if (c->attachable) {
		peer_write(c);
		return;
	}
	ret = out_write(c);
	if (ret < 0) {
		vm_fail(c->vm, VM_ERROR, "standard output: %s", strerror(-ret));
		console_close(c);
	}
	c->flush = ret == 0 && out_pending(c);
}

/**
 * console_close() - let nobody wait for room any more; any thread
 * @c: the console
 */
void console_close(struct console *c)
{
	pthread_mutex_lock(&c->lock);
	c->closed = true;
	pthread_cond_broadcast(&c->room);
	pthread_mutex_unlock(&c->lock);
}

/**
 * console_finish() - write what is left; main thread, vCPUs have ended
 * @c: the console
 * @patient: wait for a slow reader; else write only what is taken at once
 *
 * Return: 0, also when a signal ended the wait, or -errno of a write.
 */
int console_finish(struct console *c, bool patient)
{
	int ret;

	struct pollfd p[] = {
		{ .fd = STDOUT_FILENO, .events = POLLOUT },
		{ .fd = c->signal_fd, .events = POLLIN },
	};

	if (c->attachable && c->peer_fd >= 0)
		peer_write(c);
	while (!c->attachable && out_pending(c)) {
		int n = poll(p, ARRAY_SIZE(p), patient ? -1 : 0);

		if (n < 0 && errno == EINTR)
			continue;
		/* A signal now means: do not wait for that reader. */
		if (n <= 0 || !p[0].revents)
			break;
		ret = out_write(c);
		if (ret < 0)
			return ret;
	}
	return 0;
}

/* One byte from the terminal. The escape must work even if the guest takes nothing. */
static void in_key(struct console *c, uint8_t byte)
{
	if (c->escape) {
		c->escape = false;
		if (byte == 'x' || byte == 'X') {
			vm_stop(c->vm, VM_SIGNAL + SIGINT);
			return;
		}
		if (byte != 'a' && byte != 'A' && byte != CTRL_A)
			return;
		byte = CTRL_A;
	} else if (byte == CTRL_A) {
		c->escape = true;
		return;
	}
	/* Nobody types 4 KiB ahead; what does not fit is dropped. */
	if (c->in_len < sizeof(c->in))
		c->in[c->in_len++] = byte;
}

static int in_fd(const struct console *c)
{
	return c->attachable ? c->peer_fd : STDIN_FILENO;
}

static int out_fd(const struct console *c)
{
	return c->attachable ? c->peer_fd : STDOUT_FILENO;
}

static void in_ready(struct console *c)
{
	uint8_t bytes[512];
	ssize_t n = read(in_fd(c), bytes, sizeof(bytes));

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0 && c->attachable) {
		peer_detach(c);
		return;
	}
	if (n <= 0) {
		c->eof = true;
		/* A raw terminal has no end of file: it was hung up. */
		if (c->is_tty)
			vm_stop(c->vm, VM_SIGNAL + SIGHUP);
		return;
	}
	pthread_mutex_lock(&c->in_lock);
	if (c->is_tty) {
		for (ssize_t i = 0; i < n; i++)
			in_key(c, bytes[i]);
	} else {
		memcpy(c->in + c->in_len, bytes, n);
		c->in_len += n;
	}
	pthread_mutex_unlock(&c->in_lock);
}

static void in_feed(struct console *c)
{
	size_t n;

	pthread_mutex_lock(&c->in_lock);
	/* A template takes nothing. */
	if (c->in_len && !c->vm->park.wanted) {
		n = serial_receive(&c->vm->serial, c->in, c->in_len);
		c->in_len -= n;
		memmove(c->in, c->in + n, c->in_len);
	}
	pthread_mutex_unlock(&c->in_lock);
}

/**
 * console_forget() - drop what was typed ahead for a machine that is no more; any thread
 * @c: the console, whose vCPUs are parked: what is typed from now on waits here
 */
void console_forget(struct console *c)
{
	pthread_mutex_lock(&c->in_lock);
	c->in_len = 0;
	c->escape = false;
	pthread_mutex_unlock(&c->in_lock);
}

static bool in_wanted(struct console *c)
{
	bool room;

	pthread_mutex_lock(&c->in_lock);
	room = sizeof(c->in) - c->in_len >= 512;
	pthread_mutex_unlock(&c->in_lock);
	return !c->eof && (c->is_tty || room);
}

static void pause_self(struct console *c)
{
	terminal_restore();
	raise(SIGSTOP);
	/* Continued: take the terminal again. */
	if (c->is_tty)
		terminal_raw();
}

static void signal_ready(struct console *c)
{
	struct signalfd_siginfo info;

	if (read(c->signal_fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGTSTP)
		pause_self(c);
	else
		vm_stop(c->vm, VM_SIGNAL + info.ssi_signo);
}

static bool drain(int fd)
{
	uint64_t count;

	return read(fd, &count, sizeof(count)) == sizeof(count);
}

static bool was_heard(struct console *c)
{
	bool heard;

	pthread_mutex_lock(&c->lock);
	heard = c->heard;
	pthread_mutex_unlock(&c->lock);
	return heard;
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* How long poll() may wait: for ever, but while it is open whether the guest ever speaks. */
static int silence_left(struct console *c)
{
	int64_t left = c->speak_by - now_ms();

	if (!c->speak_by)
		return -1;
	if (was_heard(c)) {
		c->speak_by = 0;
		return -1;
	}
	return left > 0 ? left : 0;
}

/* A kernel that cannot unpack itself says so nowhere when it was told to be quiet. */
static void tell_silence(struct console *c)
{
	if (silence_left(c))
		return;
	c->speak_by = 0;
	complain("nothing was heard from the guest for %d seconds: is its console ttyS0? "
		 "A damaged kernel may have stopped without a word%s", SILENCE_MS / 1000,
		 c->is_tty ? " (Ctrl-A x quits)\r" : "");
}

static void console_wait(struct console *c)
{
	struct pollfd p[WAIT_COUNT] = {
		[WAIT_WAKE] = { .fd = c->wake_fd, .events = POLLIN },
		[WAIT_TIMER] = { .fd = c->timer_fd, .events = POLLIN },
		[WAIT_SIGNAL] = { .fd = c->signal_fd, .events = POLLIN },
		[WAIT_IN] = { .fd = in_wanted(c) ? in_fd(c) : -1, .events = POLLIN },
		[WAIT_OUT] = { .fd = c->flush ? out_fd(c) : -1, .events = POLLOUT },
	};

	if (poll(p, WAIT_COUNT, silence_left(c)) < 0)
		return;
	tell_silence(c);
	if (p[WAIT_SIGNAL].revents)
		signal_ready(c);
	if (p[WAIT_WAKE].revents && drain(c->wake_fd) && out_pending(c) >= FLUSH_BYTES)
		c->flush = true;
	if (p[WAIT_TIMER].revents && drain(c->timer_fd))
		c->flush = true;
	if (p[WAIT_IN].revents)
		in_ready(c);
	if (p[WAIT_OUT].revents && out_fd(c) >= 0)
		out_ready(c);
	peer_take(c);
}

/**
 * console_run() - the main thread's loop, until the machine has ended
 * @c: the console
 */
void console_run(struct console *c)
{
	if (!c->attachable) {
		c->is_tty = terminal_raw();
		c->speak_by = now_ms() + SILENCE_MS;
	}
	while (c->vm->status == VM_RUNNING) {
		console_wait(c);
		in_feed(c);
	}
}
