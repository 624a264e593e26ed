// SPDX-License-Identifier: GPL-2.0-only
/*
 * The terminal as a screen, by ncurses: lines of text, and keys. The library is loaded when it is
 * wanted, so that machines, which are processes of this program, do not pay for it; and it is
 * used from here only. Nothing wraps: what does not fit is cut off.
 */
#include "screen.h"
#include "util.h"

#define NCURSES_NOMACROS
#include <curses.h>
#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

static const char *const libraries[] = { "libncursesw.so.6", "libncurses.so.6" };

/* The library's functions, and its terminal. */
static struct {
	__typeof__(newterm) *newterm;
	__typeof__(endwin) *endwin;
	__typeof__(cbreak) *cbreak;
	__typeof__(noecho) *noecho;
	__typeof__(keypad) *keypad;
	__typeof__(nodelay) *nodelay;
	__typeof__(curs_set) *curs_set;
	__typeof__(wgetch) *wgetch;
	__typeof__(werase) *werase;
	__typeof__(wmove) *wmove;
	__typeof__(waddnstr) *waddnstr;
	__typeof__(wattr_on) *wattr_on;
	__typeof__(wattr_off) *wattr_off;
	__typeof__(wrefresh) *wrefresh;
	__typeof__(getmaxx) *getmaxx;
	__typeof__(getmaxy) *getmaxy;
	WINDOW **window;
} lib;

static const struct {
	const char *name;
	void *place;
} symbols[] = {
	{ "newterm", &lib.newterm }, { "endwin", &lib.endwin }, { "cbreak", &lib.cbreak },
	{ "noecho", &lib.noecho }, { "keypad", &lib.keypad }, { "nodelay", &lib.nodelay },
	{ "curs_set", &lib.curs_set }, { "wgetch", &lib.wgetch }, { "werase", &lib.werase },
	{ "wmove", &lib.wmove }, { "waddnstr", &lib.waddnstr }, { "wattr_on", &lib.wattr_on },
	{ "wattr_off", &lib.wattr_off }, { "wrefresh", &lib.wrefresh },
	{ "getmaxx", &lib.getmaxx }, { "getmaxy", &lib.getmaxy }, { "stdscr", &lib.window },
};

static int screen_load(void)
{
	void *so = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(libraries) && !so; i++)
		so = dlopen(libraries[i], RTLD_NOW | RTLD_LOCAL);
	if (!so) {
		complain("a screen needs ncurses (Debian's package libncursesw6); -b needs none: "
			 "%s", dlerror());
		return -1;
	}
	for (size_t i = 0; i < ARRAY_SIZE(symbols); i++) {
		void *symbol = dlsym(so, symbols[i].name);

		if (!symbol) {
			complain("ncurses has no %s", symbols[i].name);
			return -1;
		}
		memcpy(symbols[i].place, &symbol, sizeof(symbol));
	}
	return 0;
}

/**
 * screen_open() - take the terminal
 *
 * It is given back by screen_close(), and by signals that end or stop the process.
 *
 * Return: 0, or -1 after saying why not on standard error.
 */
int screen_open(void)
{
	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
		complain("standard input and output are no terminal; use -b");
		return -1;
	}
	if (screen_load() < 0)
		return -1;
	if (!lib.newterm(NULL, stdout, stdin)) {
		complain("the terminal is of an unknown kind (TERM); use -b");
		return -1;
	}
	lib.cbreak();
	lib.noecho();
	lib.keypad(*lib.window, true);
	lib.nodelay(*lib.window, true);
	lib.curs_set(0);
	return 0;
}

/**
 * screen_close() - give the terminal back
 */
void screen_close(void)
{
	lib.endwin();
}

/**
 * screen_size() - how large it is now
 * @rows: lines
 * @columns: characters of a line
 */
void screen_size(int *rows, int *columns)
{
	*rows = lib.getmaxy(*lib.window);
	*columns = lib.getmaxx(*lib.window);
}

/**
 * screen_clear() - begin a picture
 */
void screen_clear(void)
{
	lib.werase(*lib.window);
}

/**
 * screen_put() - a line of it
 * @row: from 0 on; what is outside is not seen
 * @text: of printable characters
 * @marked: in reverse, the whole line
 */
void screen_put(int row, const char *text, bool marked)
{
	int rows, columns, len = strlen(text);

	screen_size(&rows, &columns);
	if (row < 0 || row >= rows)
		return;
	if (marked)
		lib.wattr_on(*lib.window, A_REVERSE, NULL);
	lib.wmove(*lib.window, row, 0);
	lib.waddnstr(*lib.window, text, len < columns ? len : columns);
	for (; marked && len < columns; len++)
		lib.waddnstr(*lib.window, " ", 1);
	if (marked)
		lib.wattr_off(*lib.window, A_REVERSE, NULL);
}

/**
 * screen_show() - end a picture: it is seen
 */
void screen_show(void)
{
	lib.wrefresh(*lib.window);
}

static int translate(int key)
{
	switch (key) {
	case ERR:
		return SCREEN_NOTHING;
	case KEY_RESIZE:
		return SCREEN_RESIZED;
	case KEY_UP:
		return SCREEN_UP;
	case KEY_DOWN:
		return SCREEN_DOWN;
	case KEY_PPAGE:
		return SCREEN_PAGE_UP;
	case KEY_NPAGE:
		return SCREEN_PAGE_DOWN;
	case KEY_HOME:
		return SCREEN_HOME;
	case KEY_BACKSPACE:
	case '\b':
	case 0x7f:
		return SCREEN_ERASE;
	default:
		return key < 0x100 ? key : SCREEN_NOTHING;
	}
}

/**
 * screen_key() - wait for a key
 * @patience_ms: for how long
 *
 * Return: a character, or an enum screen_key.
 */
int screen_key(int patience_ms)
{
	struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };
	int key = lib.wgetch(*lib.window), ret;

	if (key != ERR)
		return translate(key);
	ret = poll(&p, 1, patience_ms);
	if (ret < 0 && errno == EINTR)
		return translate(lib.wgetch(*lib.window));
	if (ret <= 0)
		return ret ? SCREEN_GONE : SCREEN_NOTHING;
	key = lib.wgetch(*lib.window);
	/* A terminal that has gone can always be read, and has nothing. */
	return key == ERR ? SCREEN_GONE : translate(key);
}
