/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef DITTO_AGENT_H
#define DITTO_AGENT_H

#include "boot.h"

int agent_add(struct boot *boot);

#endif
