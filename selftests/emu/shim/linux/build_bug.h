/* SPDX-License-Identifier: GPL-2.0-only */
#include <assert.h>
#undef static_assert
#define static_assert(x) _Static_assert(x, #x)
