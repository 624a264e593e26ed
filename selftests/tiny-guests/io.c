// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VMM's side of code/io.c: every element that must arrive, in order.
 */
#include "guests.h"

#define OUT(port, n, v) { .addr = GUEST_PORT + (port), .write = true, .len = n, .data = v }
#define IN(port, n, v) { .addr = GUEST_PORT + (port), .len = n, .data = v }

static const struct guest_test tests[] = {
	{ .name = "g_port_sizes",
	  LOG(OUT(0, 1, 0x11), OUT(2, 2, 0x2222), OUT(4, 4, 0x44444444),
	      IN(0, 1, 1), IN(2, 2, 0x0302), IN(4, 4, 0x07060504)) },
	{ .name = "g_port_partial" },
	{ .name = "g_port_outs",
	  LOG(OUT(0, 1, 1), OUT(0, 1, 2), OUT(0, 1, 3),
	      OUT(0, 2, 0x0201), OUT(0, 2, 0x0403), OUT(0, 2, 0x0605),
	      OUT(0, 4, 0x04030201), OUT(0, 4, 0x08070605), OUT(0, 4, 0x0c0b0a09),
	      OUT(0, 1, 5), OUT(0, 1, 4), OUT(0, 1, 3), OUT(0, 1, 12)) },
	{ .name = "g_port_ins",
	  LOG(IN(0, 1, 1), IN(0, 1, 2), IN(0, 1, 3), IN(0, 1, 4), IN(0, 1, 5),
	      IN(0, 4, 0x09080706), IN(0, 4, 0x0d0c0b0a), IN(0, 4, 0x11100f0e),
	      IN(0, 2, 0x1312), IN(0, 2, 0x1514)) },
	{ .name = "g_port_ins_down",
	  LOG(IN(0, 1, 1), IN(0, 1, 2), IN(0, 1, 3), IN(0, 1, 4)) },
	{ .name = "g_port_rewritten" },
	{ .name = "g_port_ins_long" },
	{ .name = "g_port_ins_fault" },
	{ .name = "g_port_outs_fault", LOG(OUT(0, 1, 0x77)) },
};

const struct guest_group io_group = { "io", tests, ARRAY_SIZE(tests) };
