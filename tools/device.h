/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef DITTO_DEVICE_H
#define DITTO_DEVICE_H

#include <stdbool.h>
#include <stddef.h>

int device_try(const char *path, char *why, size_t len);
int device_open(const char *path);
bool device_has_gmem(int fd);

#endif
