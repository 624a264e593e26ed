/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef DITTO_LISTING_H
#define DITTO_LISTING_H

#include "sample.h"

#include <argp.h>
#include <json-c/json.h>
#include <stdbool.h>

/**
 * struct listing - what a command that lists machines was asked for
 * @dev: device
 * @json: for programs
 */
struct listing {
	const char *dev;
	bool json;
};

/* Options of commands that look again and again: at the module, or at a log. */
#define OPT_DEV		0x1001
#define OPT_SYSFS	0x1002
#define OPT_INPUT	0x1003
#define SOURCE_OPTIONS								\
	{ "input", OPT_INPUT, "LOG", 0,						\
	  "take figures from what `ditto stat --json' wrote; - is standard input", 0 }, \
	{ "dev", OPT_DEV, "PATH", 0, "device (default: /dev/ditto)", 0 },	\
	{ "sysfs", OPT_SYSFS, "DIR", 0,						\
	  "the module's directory (default: " SYSFS_DIR ")", 0 }

error_t parse_source(int key, char *arg, struct source *source);
bool parse_seconds(const char *arg, double *seconds);
void pause_seconds(double seconds);
error_t parse_no_argument(int key, char *arg, struct argp_state *state);
error_t parse_machine(int key, char *arg, struct argp_state *state, const char **name);
int listing_main(int argc, char **argv, const char *doc,
		 int (*print)(const struct listing *l, int fd));
void json_print(struct json_object *o);

#endif
