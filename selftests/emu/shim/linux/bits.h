/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_BITS_H
#define SHIM_BITS_H
#define BIT(nr) (1UL << (nr))
#endif
