// SPDX-License-Identifier: GPL-2.0-only
/*
 * `ditto plot`: a picture of machines' memory over time, from a log or from looks of its own.
 */
#include "chart.h"
#include "cmd.h"
#include "listing.h"
#include "replace.h"
#include "util.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { OPT_LEAST = 256 };

static const struct argp_option options[] = {
	{ "output", 'o', "FILE", 0, "write the picture there, all at once; - is standard output",
	  0 },
	{ "interval", 'i', "SECONDS", 0, "time between two looks (default: 1)", 0 },
	{ "number", 'n', "COUNT", 0, "end after so many looks", 0 },
	{ "least", OPT_LEAST, "SIZE", 0,
	  "show the least memory that there could be, as somebody has found out", 0 },
	SOURCE_OPTIONS,
	{ 0 }
};

static const char doc[] =
	"Write a picture (SVG) of the memory of machines over time: of those that are named, "
	"or have that number, or of all; as one that `ditto stat --json' has logged, or as "
	"it is from now on, until COUNT looks, an interrupt (Ctrl-C), or the end of those "
	"that are named.\vIt shows what the machines were promised, what is resident of it, "
	"and what they hold: what no other machine has, a fair part of what is shared, and "
	"compressed bytes.\n"
	"\n"
	"Exit status: 0; 1 if there is nothing to be seen, or the picture cannot be written.";

/**
 * struct plot - what is asked for
 * @source: of samples
 * @chart: what has been seen
 * @output: file
 * @names, @count: of machines; none: all
 * @interval: in seconds
 * @looks: at most; 0: no limit
 */
struct plot {
	struct source source;
	struct chart chart;
	const char *output;
	char **names;
	unsigned int count;
	double interval;
	unsigned int looks;
};

static volatile sig_atomic_t interrupted;

static void on_signal(int sig)
{
	interrupted = sig;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct plot *p = state->input;

	switch (key) {
	case 'o':
		p->output = arg;
		return 0;
	case 'i':
		if (!parse_seconds(arg, &p->interval))
			argp_error(state, "--interval: '%s' is not a number of seconds", arg);
		return 0;
	case 'n':
		if (!parse_uint(arg, &p->looks) || !p->looks)
			argp_error(state, "--number: '%s' is not a number from 1 on", arg);
		return 0;
	case OPT_LEAST:
		if (!parse_size(arg, &p->chart.least) || !p->chart.least)
			argp_error(state, "--least: '%s' is not a size", arg);
		return 0;
	case ARGP_KEY_ARGS:
		p->names = state->argv + state->next;
		p->count = state->argc - state->next;
		return 0;
	case ARGP_KEY_END:
		if (!p->output)
			argp_error(state, "--output is required");
		return 0;
	default:
		return parse_source(key, arg, &p->source);
	}
}

static void add(struct chart_point *point, const struct machine *m)
{
	point->bytes[CHART_PROMISED] += m->figure[RAM];
	point->bytes[CHART_RESIDENT] += m->figure[RESIDENT];
	point->bytes[CHART_HELD] += machine_fair(m);
}

/* How many machines of those that are wanted are there. */
static size_t plot_sum(const struct plot *p, const struct sample *sample, struct chart_point *point)
{
	const struct machine *m;
	size_t found = 0;

	*point = (struct chart_point){ .time = sample->time };
	for (size_t i = 0; !p->count && i < sample->count; i++, found++)
		add(point, &sample->machine[i]);
	for (unsigned int i = 0; i < p->count; i++) {
		m = sample_named(sample, p->names[i]);
		if (m) {
			add(point, m);
			found++;
		}
	}
	return found;
}

/* 1: go on; 0: that was all; -1: something is wrong. */
static int plot_look(struct plot *p)
{
	struct chart_point point;
	struct sample sample;
	int ret = source_look(&p->source, &sample);
	size_t found = 0;

	if (ret > 0) {
		found = plot_sum(p, &sample, &point);
		/* The clock may be set back; a line does not go there. */
		if (p->chart.count && point.time < p->chart.point[p->chart.count - 1].time)
			point.time = p->chart.point[p->chart.count - 1].time;
		if ((found || p->chart.count) && chart_add(&p->chart, &point) < 0) {
			snprintf(p->source.why, sizeof(p->source.why), "no memory");
			ret = -1;
		}
	}
	sample_free(&sample);
	/* In a log machines may begin late, and come again. */
	return ret > 0 && p->count && !found && !p->source.log ? 0 : ret;
}

static int plot_gather(struct plot *p)
{
	int ret = 1;

	for (unsigned int n = 1; !interrupted; n++) {
		ret = plot_look(p);
		if (ret <= 0 || n == p->looks)
			break;
		if (!p->source.log)
			pause_seconds(p->interval);
	}
	/* What was seen before the module went, or a key ended it, is worth showing. */
	if (ret < 0 && !interrupted && (p->source.log || !p->chart.count)) {
		complain("%s", p->source.why);
		return -1;
	}
	if (p->chart.count)
		return 0;
	complain("there is no such machine to be seen");
	return -1;
}

static int plot_write(const struct plot *p)
{
	struct replacement file;

	if (!strcmp(p->output, "-")) {
		chart_write(&p->chart, stdout);
		return 0;
	}
	if (replace_begin(&file, p->output) < 0)
		return 1;
	chart_write(&p->chart, file.out);
	return replace_end(&file, 0);
}

/**
 * cmd_plot() - `ditto plot`
 * @argc: as for main()
 * @argv: as for main()
 *
 * Return: the exit status.
 */
int cmd_plot(int argc, char **argv)
{
	static const struct argp argp = { options, parse, "[NAME...]", doc, NULL, NULL, NULL };
	struct sigaction action = { .sa_handler = on_signal };
	struct plot p = { .source = { .dev = DITTO_DEV, .sysfs = SYSFS_DIR }, .interval = 1 };
	int status = 1;

	argp_parse(&argp, argc, argv, 0, NULL, &p);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	if (source_open(&p.source) < 0)
		complain("%s", p.source.why);
	else if (plot_gather(&p) == 0)
		status = plot_write(&p);
	chart_free(&p.chart);
	source_close(&p.source);
	return status;
}
