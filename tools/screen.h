/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef DITTO_SCREEN_H
#define DITTO_SCREEN_H

#include <stdbool.h>

/* What screen_key() gives besides characters. */
enum screen_key {
	SCREEN_NOTHING = -1, SCREEN_GONE = -2, SCREEN_RESIZED = -3, SCREEN_UP = -4,
	SCREEN_DOWN = -5, SCREEN_PAGE_UP = -6, SCREEN_PAGE_DOWN = -7, SCREEN_HOME = -8,
	SCREEN_ERASE = -9,
};

int screen_open(void);
void screen_close(void);
void screen_size(int *rows, int *columns);
void screen_clear(void);
void screen_put(int row, const char *text, bool marked);
void screen_show(void);
int screen_key(int patience_ms);

#endif
