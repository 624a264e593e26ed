// SPDX-License-Identifier: GPL-2.0-only
/*
 * The user's terminal: raw while a guest uses it, and as it was on every way
 * out that a process can see: return, exit(), and every signal that ends it but
 * SIGKILL. The signals that ask us to end are the console's, which ends in order.
 */
#include "terminal.h"
#include "util.h"

#include <signal.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

static struct termios saved;
static volatile sig_atomic_t is_raw;

/**
 * terminal_restore() - give the terminal back; harmless if it was not taken
 *
 * Async-signal-safe.
 */
void terminal_restore(void)
{
	if (!is_raw)
		return;
	is_raw = 0;
	tcsetattr(STDIN_FILENO, TCSADRAIN, &saved);
}

/* SA_RESETHAND: the second time, on return to the fault or by raise(), it kills. */
static void on_death(int sig)
{
	terminal_restore();
	raise(sig);
}

static bool kills(int sig)
{
	switch (sig) {
	case SIGKILL: case SIGSTOP:			/* nobody sees these */
	case SIGTSTP: case SIGTTIN: case SIGTTOU:	/* stop; the first is the console's */
	case SIGCHLD: case SIGCONT: case SIGURG: case SIGWINCH:	/* do nothing */
		return false;
	default:
		return true;
	}
}

/* Crashes, and whatever else ends a process that has no handler for it. */
static void catch_deaths(void)
{
	struct sigaction sa = { .sa_handler = on_death, .sa_flags = SA_RESETHAND }, old;

	for (int sig = 1; sig <= SIGRTMAX; sig++)
		if (kills(sig) && !sigaction(sig, NULL, &old) && old.sa_handler == SIG_DFL)
			sigaction(sig, &sa, NULL);
}

/**
 * terminal_raw() - if standard input is a terminal, make it raw
 *
 * Return: whether it is a terminal.
 */
bool terminal_raw(void)
{
	static bool caught;
	struct termios raw;

	if (tcgetattr(STDIN_FILENO, &saved) < 0)
		return false;
	if (!caught) {
		caught = true;
		atexit(terminal_restore);
		catch_deaths();
	}
	raw = saved;
	cfmakeraw(&raw);
	is_raw = 1;
	tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
	return true;
}
