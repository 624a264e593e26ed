// SPDX-License-Identifier: GPL-2.0-only
/*
 * The user's terminal: raw while a guest uses it, and as it was on every way
 * out that a process can see: return, exit(), and the signals of a crash. The
 * signals that ask us to end are the console's, which ends in order.
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
static void on_crash(int sig)
{
	terminal_restore();
	raise(sig);
}

static void catch_crashes(void)
{
	static const int crashes[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT };
	struct sigaction sa = { .sa_handler = on_crash, .sa_flags = SA_RESETHAND };

	for (size_t i = 0; i < ARRAY_SIZE(crashes); i++)
		sigaction(crashes[i], &sa, NULL);
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
		catch_crashes();
	}
	raw = saved;
	cfmakeraw(&raw);
	is_raw = 1;
	tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
	return true;
}
