/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef DITTO_BALLOON_H
#define DITTO_BALLOON_H

#include "module_device.h"

#include <json-c/json.h>
#include <stdbool.h>

struct vm;

/**
 * struct balloon - a machine's balloon; constant once vCPUs run
 * @device: it is on the machine's bus
 * @present: there is one
 */
struct balloon {
	struct module_device device;
	bool present;
};

int balloon_create(struct balloon *b, struct vm *vm);
int balloon_control(struct balloon *b, struct json_object *request, struct json_object *answer);
void balloon_destroy(struct balloon *b);

#endif
