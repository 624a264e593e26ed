/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Differences between the kernel versions that ditto builds for.  No other
 * file asks for the version.
 */
#ifndef DITTO_CORE_COMPAT_H
#define DITTO_CORE_COMPAT_H

#include <linux/version.h>

#endif
