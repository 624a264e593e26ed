/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef DITTO_CONFIG_H
#define DITTO_CONFIG_H

#include <argp.h>
#include <json-c/json.h>
#include <stdbool.h>

typedef void (*config_option)(void *owner, int key, char *value, const char *where);

void config_read(const char *path, const struct argp_option *options, config_option set,
		 void *owner);
void config_record(struct json_object *config, const struct argp_option *options, int key,
		   const char *value, bool many);
void config_print(struct json_object *config);

#endif
