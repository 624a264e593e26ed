/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef DITTO_HELPER_H
#define DITTO_HELPER_H

#include <sys/types.h>

void helper_begin(pid_t parent);

#endif
