/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef DITTO_LISTING_H
#define DITTO_LISTING_H

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

error_t parse_no_argument(int key, char *arg, struct argp_state *state);
error_t parse_machine(int key, char *arg, struct argp_state *state, const char **name);
int listing_main(int argc, char **argv, const char *doc,
		 int (*print)(const struct listing *l, int fd));
void json_print(struct json_object *o);

#endif
