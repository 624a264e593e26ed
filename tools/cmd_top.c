// SPDX-License-Identifier: GPL-2.0-only
/*
 * `ditto top`: machines and what they do, again and again, on a screen or as text. The module may
 * be unloaded, and loaded, while it looks.
 */
#include "cmd.h"
#include "listing.h"
#include "screen.h"
#include "toptable.h"
#include "util.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define DELAY		2.0	/* seconds */
#define ROWS_MIN	(TOP_HEADS + 3)	/* message, titles, a machine */
#define COLUMNS_MIN	30

enum { OPT_SORT = 256, OPT_FILTER, OPT_REVERSE };

static const struct argp_option options[] = {
	{ "batch", 'b', NULL, 0, "print text, one table after the other", 0 },
	{ "delay", 'd', "SECONDS", 0, "time between two looks (default: 2)", 0 },
	{ "number", 'n', "COUNT", 0, "end after so many looks", 0 },
	{ "sort", OPT_SORT, "COLUMN", 0,
	  "id, name, pid, uid, cpus, ram, resident, unique, merged, forked, compressed, zero, fair "
	  "(default) or exits", 0 },
	{ "reverse", OPT_REVERSE, NULL, 0, "sort the other way round", 0 },
	{ "filter", OPT_FILTER, "TEXT", 0,
	  "only machines whose name has TEXT in it, or uid=N, pid=N, id=N", 0 },
	SOURCE_OPTIONS,
	{ 0 }
};

static const char doc[] =
	"Show the machines of this user, or with CAP_SYS_ADMIN those of everybody, what "
	"their memory is, how often a second they leave their guests, and why; and the merge "
	"engine.\vUNIQUE is memory that no other machine has, MERGED what reads from pages "
	"shared by merging, FORKED from pages that a fork has in common, COMPRESSED what is "
	"kept compressed, ZERO what was given back because it was zero; FAIR is UNIQUE, an "
	"equal part of what is shared, estimated, and the compressed bytes.\n"
	"Keys: q ends; < and > choose the column that sorts; r reverses; e shows exits or "
	"memory; / asks for a filter; arrows, page up and down move; blank looks now.\n"
	"\n"
	"Exit status: 0; 1 if the machines cannot be seen at first, or there is no terminal.";

/**
 * struct top_config - what is asked for
 * @top: the table
 * @source: of samples
 * @delay: in seconds
 * @count: of looks; 0: no limit
 * @batch: no screen
 * @first: the row on top of the screen
 * @typing: the filter is being typed
 * @why: there are no machines, and this is why; or ""
 */
struct top_config {
	struct top top;
	struct source source;
	double delay;
	unsigned int count;
	bool batch, typing;
	size_t first;
	const char *why;
};

static error_t parse_table(int key, char *arg, struct argp_state *state)
{
	struct top_config *c = state->input;

	switch (key) {
	case OPT_SORT:
		if (!top_sort_by(&c->top, arg))
			argp_error(state, "--sort: there is no column '%s'", arg);
		return 0;
	case OPT_REVERSE:
		c->top.reverse = true;
		return 0;
	case OPT_FILTER:
		if (strlen(arg) >= sizeof(c->top.filter))
			argp_error(state, "--filter: '%s' is too long", arg);
		strcpy(c->top.filter, arg);
		return 0;
	default:
		if (parse_source(key, arg, &c->source) == 0)
			return 0;
		return parse_no_argument(key, arg, state);
	}
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct top_config *c = state->input;

	switch (key) {
	case 'b':
		c->batch = true;
		return 0;
	case 'd':
		if (!parse_seconds(arg, &c->delay))
			argp_error(state, "--delay: '%s' is not a number of seconds", arg);
		return 0;
	case 'n':
		if (!parse_uint(arg, &c->count) || !c->count)
			argp_error(state, "--number: '%s' is not a number from 1 on", arg);
		return 0;
	default:
		return parse_table(key, arg, state);
	}
}

/* Look; what is wrong is shown until the next look that succeeds. 0: the log has ended. */
static int look(struct top_config *c)
{
	int ret = top_take(&c->top);

	c->why = ret > 0 ? "" : ret ? c->source.why : "the log has ended";
	return ret;
}

static void print_table(const struct top_config *c)
{
	char line[TOP_LINE];

	for (unsigned int n = 0; n < TOP_HEADS && !*c->why; n++) {
		top_head(&c->top, n, line);
		puts(line);
	}
	if (*c->why) {
		puts(c->why);
	} else {
		top_titles(&c->top, line);
		puts(line);
	}
	for (size_t row = 0; row < c->top.rows; row++) {
		top_line(&c->top, row, line);
		puts(line);
	}
	putchar('\n');
	fflush(stdout);
}

static int run_batch(struct top_config *c)
{
	for (unsigned int n = 1;; n++) {
		print_table(c);
		if (ferror(stdout) || n == c->count)
			return 0;
		if (!c->source.log)
			pause_seconds(c->delay);
		if (!look(c))
			return 0;
		if (c->source.log && *c->why) {
			complain("%s", c->why);
			return 1;
		}
	}
}

/* As far down as there are rows. */
static void scroll_to(struct top_config *c, long first, long seen)
{
	long last = (long)c->top.rows - seen;

	if (first > last)
		first = last;
	c->first = first > 0 ? first : 0;
}

static void show_rows(struct top_config *c, int rows)
{
	char line[TOP_LINE];
	int seen = rows - TOP_HEADS - 2;

	scroll_to(c, c->first, seen);
	top_titles(&c->top, line);
	screen_put(TOP_HEADS + 1, line, true);
	for (int i = 0; i < seen && c->first + i < c->top.rows; i++) {
		top_line(&c->top, c->first + i, line);
		screen_put(TOP_HEADS + 2 + i, line, false);
	}
}

static void show(struct top_config *c)
{
	char line[TOP_LINE];
	int rows, columns;

	screen_size(&rows, &columns);
	screen_clear();
	if (rows < ROWS_MIN || columns < COLUMNS_MIN) {
		screen_put(0, "too small", false);
		screen_show();
		return;
	}
	for (unsigned int n = 0; n < TOP_HEADS; n++) {
		top_head(&c->top, n, line);
		screen_put(n, line, false);
	}
	snprintf(line, sizeof(line), "%s%s", c->typing ? "filter: " : c->why,
		 c->typing ? c->top.filter : "");
	screen_put(TOP_HEADS, line, false);
	show_rows(c, rows);
	screen_show();
}

static void type_filter(struct top_config *c, int key)
{
	size_t len = strlen(c->top.filter);

	if (key == '\n' || key == '\r' || key == 0x1b)
		c->typing = false;
	else if (key == SCREEN_ERASE && len)
		c->top.filter[len - 1] = '\0';
	else if (key >= ' ' && key <= '~' && len + 1 < sizeof(c->top.filter))
		memcpy(c->top.filter + len, (char[]){ key, '\0' }, 2);
	top_arrange(&c->top);
}

static void choose(struct top_config *c, int key)
{
	if (key == 'e')
		c->top.view = c->top.view == VIEW_EXITS ? VIEW_MEMORY : VIEW_EXITS;
	else if (key == 'r')
		c->top.reverse = !c->top.reverse;
	else if (key == '/')
		c->typing = true;
	else if (key == '<' || key == '>')
		top_sort_next(&c->top, key == '<' ? -1 : 1);
	top_arrange(&c->top);
}

static void scroll_by(struct top_config *c, int key)
{
	int rows, columns, seen;

	screen_size(&rows, &columns);
	seen = rows - TOP_HEADS - 2;
	if (key == SCREEN_UP || key == SCREEN_DOWN)
		scroll_to(c, c->first + (key == SCREEN_UP ? -1 : 1), seen);
	else if (key == SCREEN_PAGE_UP || key == SCREEN_PAGE_DOWN)
		scroll_to(c, c->first + (key == SCREEN_PAGE_UP ? -seen : seen), seen);
	else if (key == SCREEN_HOME)
		c->first = 0;
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* Keys, until it is time for the next look; false: that is all. */
static bool wait_for_look(struct top_config *c)
{
	int64_t end = now_ms() + c->delay * 1000, left;

	while ((left = end - now_ms()) > 0) {
		int key = screen_key(left);

		if (key == SCREEN_GONE || (key == 'q' && !c->typing))
			return false;
		if (key == SCREEN_NOTHING)
			continue;
		if (key == ' ' && !c->typing)
			return true;
		if (c->typing)
			type_filter(c, key);
		else if (key > 0)
			choose(c, key);
		else
			scroll_by(c, key);
		show(c);
	}
	return true;
}

static int run_screen(struct top_config *c)
{
	c->top.view = VIEW_MEMORY;
	if (screen_open() < 0)
		return 1;
	for (unsigned int n = 1;; n++) {
		show(c);
		if (n == c->count || !wait_for_look(c))
			break;
		look(c);
	}
	screen_close();
	return 0;
}

/**
 * cmd_top() - `ditto top`
 * @argc: as for main()
 * @argv: as for main()
 *
 * Return: the exit status.
 */
int cmd_top(int argc, char **argv)
{
	static const struct argp argp = { options, parse, NULL, doc, NULL, NULL, NULL };
	struct top_config c = {
		.source = { .dev = DITTO_DEV, .sysfs = SYSFS_DIR }, .delay = DELAY,
		.top = { .sort = COL_FAIR },
	};
	int status = 1, ret;

	argp_parse(&argp, argc, argv, 0, NULL, &c);
	c.top.source = &c.source;
	ret = source_open(&c.source) < 0 ? -1 : look(&c);
	if (ret < 0)
		complain("%s", c.source.why);
	else if (!ret)
		complain("%s: is empty", c.source.path);
	else
		status = c.batch ? run_batch(&c) : run_screen(&c);
	top_free(&c.top);
	source_close(&c.source);
	return status;
}
