/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef DITTO_WHY_H
#define DITTO_WHY_H

#include "host.h"

int why_not(const struct host *host, const char *dev, int err);

#endif
