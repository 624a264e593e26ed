// SPDX-License-Identifier: GPL-2.0-only
/*
 * `ditto stat`: the counters of a machine, or of all together, over time: a line for each look,
 * as of vmstat(8), or JSON that `ditto top' and `ditto plot' can read.
 */
#include "cmd.h"
#include "listing.h"
#include "toptable.h"
#include "util.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TITLES_EVERY	20	/* lines, on a terminal */

static const struct argp_option options[] = {
	{ "interval", 'i', "SECONDS", 0, "time between two looks (default: 1)", 0 },
	{ "number", 'n', "COUNT", 0, "end after so many looks", 0 },
	{ "json", 'j', NULL, 0, "print JSON, an object a line, with every machine's counters", 0 },
	SOURCE_OPTIONS,
	{ 0 }
};

static const char doc[] =
	"Print what machine NAME (or the one of that number) does, again and again, a line "
	"each time; or all machines together that `ditto ps' shows.\vSizes are what there "
	"is; what ends in /S is of the time since the line before, and - in the first. "
	"BREAKS is how often a write gave a shared page its machine's own copy, IRQS the "
	"interrupts delivered, IDLE the percent of the virtual CPUs' time that they were "
	"halted. The last column has the most frequent kinds of exits.\n"
	"\n"
	"Exit status: 0, also when the machine has ended; 1 if there is none at first, or no "
	"module.";

/**
 * struct stat_config - what is asked for
 * @source: of samples
 * @name: of the machine, or NULL
 * @interval: in seconds
 * @count: of looks; 0: no limit
 * @json: for programs
 */
struct stat_config {
	struct source source;
	const char *name;
	double interval;
	unsigned int count;
	bool json;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct stat_config *c = state->input;

	switch (key) {
	case 'i':
		if (!parse_seconds(arg, &c->interval))
			argp_error(state, "--interval: '%s' is not a number of seconds", arg);
		return 0;
	case 'n':
		if (!parse_uint(arg, &c->count) || !c->count)
			argp_error(state, "--number: '%s' is not a number from 1 on", arg);
		return 0;
	case 'j':
		c->json = true;
		return 0;
	case ARGP_KEY_ARG:
		if (c->name)
			argp_error(state, "unexpected argument '%s'", arg);
		c->name = arg;
		return 0;
	default:
		return parse_source(key, arg, &c->source);
	}
}

/* One machine is left, or none; which it is was decided at the first look. */
static void keep_one(struct sample *sample, const struct machine *m)
{
	if (m)
		memmove(sample->machine, m, sizeof(*m));
	sample->count = m ? 1 : 0;
}

static void add_machine(struct machine *sum, const struct machine *m)
{
	sum->vcpus += m->vcpus;
	for (size_t i = 0; i < FIGURES; i++)
		sum->figure[i] += m->figure[i];
	for (size_t i = 0; i < EXIT_KINDS_MAX; i++)
		sum->exits[i] += m->exits[i];
}

/**
 * struct growth - what happened between two looks
 * @now: sums of what is
 * @rate: by enum figure, a second
 * @kind: by kind of exit, likewise
 * @known: there were two
 */
struct growth {
	struct machine now;
	double rate[FIGURES], kind[EXIT_KINDS_MAX];
	bool known;
};

/* Each machine for itself: what one had counted before it ended is no decrease. */
static void growth_of(struct growth *g, const struct sample *before, const struct sample *now)
{
	double seconds = now->time - before->time;

	*g = (struct growth){ .known = before->time != 0 };
	for (size_t i = 0; i < now->count; i++) {
		const struct machine *m = &now->machine[i], *old = sample_find(before, m);

		add_machine(&g->now, m);
		for (size_t f = SIZES; old && f < FIGURES; f++)
			g->rate[f] += rate_of(old->figure[f], m->figure[f], seconds);
		for (size_t k = 0; old && k < EXIT_KINDS_MAX; k++)
			g->kind[k] += rate_of(old->exits[k], m->exits[k], seconds);
	}
}

static const struct {
	const char *title;
	int figure;
} sizes[] = {
	{ "RESIDENT", RESIDENT }, { "UNIQUE", UNIQUE }, { "MERGED", MERGED }, { "FORKED", FORKED },
	{ "COMPRESSED", COMPRESSED }, { "ZERO", ZERO },
};

static int width_of(const char *title)
{
	return strlen(title) > 7 ? strlen(title) : 7;
}

static void print_titles(void)
{
	fputs("TIME      VMS", stdout);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		printf(" %*s", width_of(sizes[i].title), sizes[i].title);
	puts("    FAIR BREAKS/S   IRQS/S  EXITS/S IDLE  BY KIND");
}

static void print_rate(const struct growth *g, enum figure f)
{
	if (g->known)
		printf(" %8.0f", g->rate[f]);
	else
		printf(" %8s", "-");
}

static void print_idle(const struct growth *g)
{
	double percent = g->now.vcpus ? g->rate[HALT_NS] / 1e7 / g->now.vcpus : 0;

	if (g->known)
		printf(" %4.0f", percent < 100 ? percent : 100);
	else
		printf(" %4s", "-");
}

static void print_line(const struct stat_config *c, const struct growth *g,
		       const struct sample *sample)
{
	char buf[16], clock[16] = "", kinds[160];
	time_t seconds = sample->time;
	struct tm tm;

	if (localtime_r(&seconds, &tm))
		strftime(clock, sizeof(clock), "%H:%M:%S", &tm);
	printf("%-8s %4zu", clock, sample->count);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		printf(" %*s", width_of(sizes[i].title),
		       format_size(g->now.figure[sizes[i].figure], buf, sizeof(buf)));
	printf(" %7s", format_size(machine_fair(&g->now), buf, sizeof(buf)));
	print_rate(g, BREAKS);
	print_rate(g, IRQS);
	print_rate(g, EXITS);
	print_idle(g);
	top_kinds(&c->source, g->kind, 6, kinds, sizeof(kinds));
	printf("%s%s\n", *kinds ? "  " : "", kinds);
}

static void print_look(const struct stat_config *c, unsigned int n, const struct sample *before,
		       const struct sample *now)
{
	struct growth g;

	if (c->json) {
		struct json_object *o = sample_json(&c->source, now);

		puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN |
						    JSON_C_TO_STRING_NOSLASHESCAPE));
		json_object_put(o);
	} else {
		if (n == 0 || (isatty(STDOUT_FILENO) && n % TITLES_EVERY == 0))
			print_titles();
		growth_of(&g, before, now);
		print_line(c, &g, now);
	}
	fflush(stdout);
}

/* 1; 0: there is nothing to see any more; -1: nor was there at first, or something is wrong. */
static int stat_look(struct stat_config *c, const struct sample *before, struct sample *now)
{
	int ret = source_look(&c->source, now);

	if (ret < 0)
		complain("%s", c->source.why);
	if (ret <= 0 || !c->name)
		return ret;
	keep_one(now, before->count ? sample_find(now, before->machine) :
				      sample_named(now, c->name));
	if (now->count)
		return 1;
	complain("%s: %s", c->name, before->count ? "has ended" : "no such machine");
	return before->count ? 0 : -1;
}

static int stat_run(struct stat_config *c)
{
	struct sample before = { 0 }, now;
	int ret;

	for (unsigned int n = 0;;) {
		ret = stat_look(c, &before, &now);
		if (ret <= 0)
			break;
		print_look(c, n, &before, &now);
		sample_move(&before, &now);
		if (ferror(stdout) || ++n == c->count)
			break;
		if (!c->source.log)
			pause_seconds(c->interval);
	}
	if (ret <= 0)
		sample_free(&now);
	sample_free(&before);
	return ret < 0;
}

/**
 * cmd_stat() - `ditto stat`
 * @argc: as for main()
 * @argv: as for main()
 *
 * Return: the exit status.
 */
int cmd_stat(int argc, char **argv)
{
	static const struct argp argp = { options, parse, "[NAME]", doc, NULL, NULL, NULL };
	struct stat_config c = {
		.source = { .dev = DITTO_DEV, .sysfs = SYSFS_DIR }, .interval = 1,
	};
	int status = 1;

	argp_parse(&argp, argc, argv, 0, NULL, &c);
	if (source_open(&c.source) < 0)
		complain("%s", c.source.why);
	else
		status = stat_run(&c);
	source_close(&c.source);
	return status;
}
