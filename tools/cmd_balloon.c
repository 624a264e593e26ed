// SPDX-License-Identifier: GPL-2.0-only
/*
 * `ditto balloon`: how much memory a machine has to give back, and what it says about the rest.
 */
#include "cmd.h"
#include "socket.h"
#include "table.h"
#include "util.h"

#include <argp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct argp_option options[] = {
	{ "json", 'j', NULL, 0, "print JSON, all sizes in bytes", 0 },
	{ 0 }
};

static const char doc[] =
	"Show the balloon of machine NAME, which was started with `ditto run --balloon', and what "
	"its guest says about its memory. With SIZE, as in 512M, the guest has to give up that "
	"much memory from now on; 0 returns all of it. The guest follows as it can.\v"
	"`target' is what was asked for, `actual' how far the guest has come, `returned' what "
	"became "
	"the host's, of that and of what the guest freed by itself (`reported').\n"
	"\n"
	"Exit status: 0; 1 if it cannot be done.";

/**
 * struct ask - what is asked for
 * @name: the machine's
 * @target: bytes
 * @set: @target was given
 * @json: print JSON
 */
struct ask {
	const char *name;
	uint64_t target;
	bool set, json;
};

static void parse_target(struct ask *ask, const char *arg, struct argp_state *state)
{
	if (ask->set)
		argp_error(state, "unexpected argument '%s'", arg);
	if (!parse_size(arg, &ask->target))
		argp_error(state, "'%s' is not a size (as in 512M)", arg);
	if (ask->target % PAGE_BYTES)
		argp_error(state, "%s: must be a multiple of 4K", arg);
	ask->set = true;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct ask *ask = state->input;

	switch (key) {
	case 'j':
		ask->json = true;
		return 0;
	case ARGP_KEY_ARG:
		if (ask->name)
			parse_target(ask, arg, state);
		else
			ask->name = arg;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "which machine?");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static uint64_t number(struct json_object *o, const char *key)
{
	struct json_object *value;

	return json_object_object_get_ex(o, key, &value) ? json_object_get_uint64(value) : 0;
}

/* One question. The answer, or NULL after saying why there is none. */
static struct json_object *ask_once(const struct ask *ask, bool set, bool statistics)
{
	struct json_object *request = message_new("command", "balloon"), *answer;
	int fd;

	if (set)
		json_object_object_add(request, "target", json_object_new_uint64(ask->target));
	if (statistics)
		json_object_object_add(request, "ask", json_object_new_boolean(true));
	fd = machine_request(ask->name, request, &answer, NULL);
	if (fd < 0)
		return NULL;
	close(fd);
	return answer;
}

/* With the statistics of now, where the guest tells them within a second. */
static struct json_object *ask_all(const struct ask *ask)
{
	struct json_object *answer = ask_once(ask, ask->set, true);
	uint64_t told = answer ? number(answer, "told") : 0;

	for (int i = 0; answer && i < 50 && number(answer, "told") == told; i++) {
		poll(NULL, 0, 20);
		json_object_put(answer);
		answer = ask_once(ask, false, false);
	}
	return answer;
}

/* "free_bytes" is a size, anything else a number. */
static void add_row(struct table *t, const char *prefix, const char *key, uint64_t value)
{
	size_t len = strlen(key);
	char buf[16];

	if (len > 6 && !strcmp(key + len - 6, "_bytes")) {
		table_add(t, "%s%.*s", prefix, (int)len - 6, key);
		table_add(t, "%s", format_size(value, buf, sizeof(buf)));
	} else {
		table_add(t, "%s%s", prefix, key);
		table_add(t, "%llu", (unsigned long long)value);
	}
}

static void add_rows(struct table *t, const char *prefix, struct json_object *o)
{
	json_object_object_foreach(o, key, value) {
		if (json_object_is_type(value, json_type_object))
			add_rows(t, "guest_", value);
		else if (strcmp(key, "told"))
			add_row(t, prefix, key, json_object_get_uint64(value));
	}
}

/**
 * cmd_balloon() - `ditto balloon`
 * @argc: as for main()
 * @argv: as for main()
 *
 * Return: the exit status.
 */
int cmd_balloon(int argc, char **argv)
{
	static const struct argp argp = { options, parse, "NAME [SIZE]", doc, NULL, NULL, NULL };
	struct ask ask = { 0 };
	struct json_object *answer;
	struct table t;

	argp_parse(&argp, argc, argv, 0, NULL, &ask);
	answer = ask_all(&ask);
	if (!answer)
		return 1;
	if (ask.json) {
		puts(json_object_to_json_string_ext(answer, JSON_C_TO_STRING_PRETTY));
	} else {
		table_init(&t, "lr");
		add_rows(&t, "", answer);
		table_print(&t, stdout);
	}
	json_object_put(answer);
	return 0;
}
