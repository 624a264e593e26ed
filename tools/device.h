/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef DITTO_DEVICE_H
#define DITTO_DEVICE_H

#include <stdbool.h>

int device_open(const char *path);
bool device_has_gmem(int fd);

#endif
