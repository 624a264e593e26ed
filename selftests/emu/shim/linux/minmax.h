/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef min_t
#define min_t(type, a, b) ((type)(a) < (type)(b) ? (type)(a) : (type)(b))
#endif
