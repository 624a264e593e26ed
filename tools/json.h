/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef DITTO_JSON_H
#define DITTO_JSON_H

#include <json-c/json.h>
#include <stddef.h>

unsigned int json_line_of(const char *text, size_t offset);
struct json_object *json_parse_object(const char *path, const char *text, const char *what);
struct json_object *json_member(struct json_object *o, const char *key, enum json_type type);
const char *json_text(struct json_object *o, const char *key);

#endif
