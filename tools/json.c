// SPDX-License-Identifier: GPL-2.0-only
/*
 * JSON that others wrote: what is wrong with it is said with file and line, and what is looked
 * for in it is there with the right type, or is not there.
 */
#include "json.h"
#include "util.h"

#include <string.h>

/**
 * json_line_of() - the line, from 1 on, in which a byte of a text is
 * @text: the text
 * @offset: of the byte
 */
unsigned int json_line_of(const char *text, size_t offset)
{
	unsigned int line = 1;

	for (size_t i = 0; i < offset && text[i]; i++)
		line += text[i] == '\n';
	return line;
}

/**
 * json_parse_object() - understand a text that is one object
 * @path: of the file, for messages
 * @text: all of it
 * @what: it is an object of
 *
 * Return: the object, or NULL after saying why not on standard error.
 */
struct json_object *json_parse_object(const char *path, const char *text, const char *what)
{
	struct json_tokener *tokener = json_tokener_new();
	enum json_tokener_error error;
	struct json_object *object;

	if (!tokener)
		return NULL;
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
	/* With the byte that ends the text, so that it cannot seem to go on. */
	object = json_tokener_parse_ex(tokener, text, strlen(text) + 1);
	error = json_tokener_get_error(tokener);
	if (error != json_tokener_success || !json_object_is_type(object, json_type_object)) {
		unsigned int line = json_line_of(text, json_tokener_get_parse_end(tokener));

		if (error == json_tokener_success)
			complain("%s:%u: is not an object of %s", path, line, what);
		else
			complain("%s:%u: %s", path, line, json_tokener_error_desc(error));
		json_object_put(object);
		object = NULL;
	}
	json_tokener_free(tokener);
	return object;
}

/**
 * json_member() - a member of an object
 * @o: an object, or anything else, or NULL
 * @key: the member's name
 * @type: that it has to have
 *
 * Return: the member, which stays the object's; NULL: there is none of that type.
 */
struct json_object *json_member(struct json_object *o, const char *key, enum json_type type)
{
	struct json_object *member;

	if (!json_object_is_type(o, json_type_object) ||
	    !json_object_object_get_ex(o, key, &member) || !json_object_is_type(member, type))
		return NULL;
	return member;
}

/**
 * json_text() - likewise, of a string
 * @o: as for json_member()
 * @key: the member's name
 *
 * Return: the string, or an empty one.
 */
const char *json_text(struct json_object *o, const char *key)
{
	struct json_object *member = json_member(o, key, json_type_string);

	return member ? json_object_get_string(member) : "";
}
