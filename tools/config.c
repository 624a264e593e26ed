// SPDX-License-Identifier: GPL-2.0-only
/*
 * A command's options as a file: a JSON object whose members are options by their long names,
 * a list where one may be given more than once. What an option means, and whether its value
 * is one, the command knows; here is which option it is, and in which line.
 */
#include "config.h"
#include "json.h"
#include "util.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX	(64 * KIB)

/**
 * struct file - what is being read
 * @path: for messages
 * @text: all of it
 * @options: of the command
 * @set, @owner: gets each
 */
struct file {
	const char *path, *text;
	const struct argp_option *options;
	config_option set;
	void *owner;
};

/* Where a member is: its name in quotes, which are escaped in all else, and a colon. */
static unsigned int line_of_member(const char *text, const char *name)
{
	char quoted[64];
	const char *at = text;

	snprintf(quoted, sizeof(quoted), "\"%s\"", name);
	while ((at = strstr(at, quoted))) {
		const char *behind = at + strlen(quoted);

		if (behind[strspn(behind, " \t\r\n")] == ':')
			return json_line_of(text, at - text);
		at = behind;
	}
	return 1;
}

static void refuse(const struct file *file, const char *name, const char *why)
{
	complain("%s:%u: %s: %s", file->path, line_of_member(file->text, name), name, why);
	exit(EXIT_FAILURE);
}

static const struct argp_option *option_find(const struct argp_option *options, const char *name)
{
	for (; options->name; options++)
		if (!strcmp(options->name, name))
			return options;
	return NULL;
}

static void set_value(const struct file *file, const struct argp_option *option,
		      struct json_object *value)
{
	enum json_type type = json_object_get_type(value);
	char *where;

	if (option->arg && type != json_type_string && type != json_type_int)
		refuse(file, option->name, "must be a string or a number, or a list of them");
	if (!option->arg && type != json_type_boolean)
		refuse(file, option->name, "must be true or false");
	if (option->arg && type == json_type_string &&
	    strlen(json_object_get_string(value)) != (size_t)json_object_get_string_len(value))
		refuse(file, option->name, "has a zero byte");
	if (!option->arg && !json_object_get_boolean(value))
		return;
	if (asprintf(&where, "%s:%u", file->path, line_of_member(file->text, option->name)) < 0)
		refuse(file, option->name, strerror(ENOMEM));
	/* Options are kept as they are on a command line: for as long as the program runs. */
	file->set(file->owner, option->key,
		  option->arg ? strdup(json_object_get_string(value)) : NULL, where);
	free(where);
}

static void set_member(const struct file *file, const char *name, struct json_object *value)
{
	const struct argp_option *option = option_find(file->options, name);

	if (!option)
		refuse(file, name, "no such option");
	if (!json_object_is_type(value, json_type_array)) {
		set_value(file, option, value);
		return;
	}
	for (size_t i = 0; i < json_object_array_length(value); i++)
		set_value(file, option, json_object_array_get_idx(value, i));
}

/* All of a file that is no longer than such a file is. */
static void read_text(const char *path, char *text, size_t room)
{
	FILE *f = fopen(path, "re");
	size_t len = 0;
	const char *why = NULL;

	if (!f) {
		why = strerror(errno);
	} else {
		errno = 0;
		len = fread(text, 1, room, f);
		if (ferror(f))
			why = strerror(errno);
		else if (len == room)
			why = "too long";
		else if (memchr(text, '\0', len))
			why = "has a zero byte";
		fclose(f);
	}
	if (why) {
		complain("%s: %s", path, why);
		exit(EXIT_FAILURE);
	}
	text[len] = '\0';
}

/**
 * config_read() - carry out the options that a file has; says why not and exits if it cannot
 * @path: the file
 * @options: of the command
 * @set: called for each, in the file's order, with the line where it is
 * @owner: for @set
 */
void config_read(const char *path, const struct argp_option *options, config_option set,
		 void *owner)
{
	static char text[FILE_MAX];
	struct file file = { .path = path, .text = text, .options = options, .set = set,
			     .owner = owner };
	struct json_object *object;

	read_text(path, text, sizeof(text));
	object = json_parse_object(path, text, "options");
	if (!object)
		exit(EXIT_FAILURE);
	json_object_object_foreach(object, name, value)
		set_member(&file, name, value);
	json_object_put(object);
}

/* A number where that says the same. */
static struct json_object *value_of(const char *value)
{
	unsigned int number;
	char again[16];

	if (!value)
		return json_object_new_boolean(true);
	if (parse_uint(value, &number)) {
		snprintf(again, sizeof(again), "%u", number);
		if (!strcmp(value, again))
			return json_object_new_int64(number);
	}
	return json_object_new_string(value);
}

/**
 * config_record() - note an option, so that it can be printed
 * @config: an object
 * @options: of the command
 * @key: of the option; one without a long name is not noted
 * @value: its argument, or NULL
 * @many: it is added to those that were given; else it takes their place
 */
void config_record(struct json_object *config, const struct argp_option *options, int key,
		   const char *value, bool many)
{
	struct json_object *list;

	while (options->name && options->key != key)
		options++;
	if (!options->name)
		return;
	if (!many) {
		json_object_object_add(config, options->name, value_of(value));
		return;
	}
	if (!json_object_object_get_ex(config, options->name, &list)) {
		list = json_object_new_array();
		json_object_object_add(config, options->name, list);
	}
	json_object_array_add(list, value_of(value));
}

/**
 * config_print() - print what config_read() reads
 * @config: from config_record()
 */
void config_print(struct json_object *config)
{
	puts(json_object_to_json_string_ext(config, JSON_C_TO_STRING_PRETTY |
					    JSON_C_TO_STRING_SPACED |
					    JSON_C_TO_STRING_NOSLASHESCAPE));
}
