/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef DITTO_TERMINAL_H
#define DITTO_TERMINAL_H

#include <stdbool.h>

bool terminal_raw(void);
void terminal_restore(void);

#endif
