// SPDX-License-Identifier: GPL-2.0-only
/*
 * What commands have in common that list machines, or name one: options, arguments, output.
 */
#include "cmd.h"
#include "device.h"
#include "listing.h"
#include "util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const struct argp_option options[] = {
	{ "json", 'j', NULL,   0, "print JSON, all sizes in bytes", 0 },
	{ "dev",  'd', "PATH", 0, "device (default: /dev/ditto)", 0 },
	{ 0 }
};

/**
 * parse_no_argument() - argp's parser of what is no option, for a command without arguments
 * @key: argp's
 * @arg: argp's
 * @state: argp's
 *
 * Return: as argp wants it.
 */
error_t parse_no_argument(int key, char *arg, struct argp_state *state)
{
	if (key != ARGP_KEY_ARG)
		return ARGP_ERR_UNKNOWN;
	argp_error(state, "unexpected argument '%s'", arg);
	return 0;
}

/**
 * parse_machine() - likewise for a command that wants one machine's name
 * @key: argp's
 * @arg: argp's
 * @state: argp's
 * @name: NULL; becomes the name
 *
 * Return: as argp wants it.
 */
error_t parse_machine(int key, char *arg, struct argp_state *state, const char **name)
{
	switch (key) {
	case ARGP_KEY_ARG:
		if (*name)
			argp_error(state, "unexpected argument '%s'", arg);
		*name = arg;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "which machine?");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/**
 * parse_source() - argp's parser of SOURCE_OPTIONS
 * @key: argp's
 * @arg: argp's
 * @source: filled in
 *
 * Return: as argp wants it.
 */
error_t parse_source(int key, char *arg, struct source *source)
{
	switch (key) {
	case OPT_DEV:
		source->dev = arg;
		return 0;
	case OPT_SYSFS:
		source->sysfs = arg;
		return 0;
	case OPT_INPUT:
		source->path = arg;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/**
 * parse_seconds() - a time between two looks
 * @arg: text
 * @seconds: filled in
 *
 * Return: whether it is one of 0.05 to 86400.
 */
bool parse_seconds(const char *arg, double *seconds)
{
	char *end;

	if (!*arg || strspn(arg, "0123456789.") != strlen(arg))
		return false;
	*seconds = strtod(arg, &end);
	return !*end && *seconds >= 0.05 && *seconds <= 86400;
}

/**
 * pause_seconds() - let time pass, or less of it if a signal comes
 * @seconds: how much
 */
void pause_seconds(double seconds)
{
	struct timespec time = { .tv_sec = seconds };

	time.tv_nsec = (seconds - time.tv_sec) * 1e9;
	nanosleep(&time, NULL);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct listing *l = state->input;

	switch (key) {
	case 'j':
		l->json = true;
		return 0;
	case 'd':
		l->dev = arg;
		return 0;
	default:
		return parse_no_argument(key, arg, state);
	}
}

/**
 * listing_main() - a command that lists machines
 * @argc: as for main()
 * @argv: as for main()
 * @doc: its help
 * @print: gets ditto's device; returns the exit status
 *
 * Return: the exit status.
 */
int listing_main(int argc, char **argv, const char *doc,
		 int (*print)(const struct listing *l, int fd))
{
	const struct argp argp = { options, parse, NULL, doc, NULL, NULL, NULL };
	struct listing l = { .dev = DITTO_DEV };
	int fd, status = 1;

	argp_parse(&argp, argc, argv, 0, NULL, &l);
	fd = device_open(l.dev);
	if (fd < 0)
		return 1;
	if (device_has_gmem(fd))
		status = print(&l, fd);
	else
		complain("%s: not ditto's device: only ditto lists machines", l.dev);
	close(fd);
	return status;
}

/**
 * json_print() - print what a program reads, on standard output
 * @o: anything; stays the caller's
 */
void json_print(struct json_object *o)
{
	puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY |
					    JSON_C_TO_STRING_NOSLASHESCAPE));
}
