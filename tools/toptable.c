// SPDX-License-Identifier: GPL-2.0-only
/*
 * The table of `ditto top`: which machines are in it, in which order, and its lines as text. Where
 * these go, a screen or a file, is not decided here. Rates are between two looks; a machine that
 * was not there at the first has none yet.
 */
#include "toptable.h"
#include "util.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/**
 * struct layout - a column
 * @title: above it; in small letters, what it is sorted by
 * @width: characters; negative: text, from the left
 * @views: BIT of enum top_view
 * @rising: sorted from the least on
 */
struct layout {
	const char *title;
	int width;
	unsigned int views;
	bool rising;
};

#define IN(view)	(1u << (view))
#define EVERYWHERE	(IN(VIEW_ALL) | IN(VIEW_MEMORY) | IN(VIEW_EXITS))
#define OF_MEMORY	(IN(VIEW_ALL) | IN(VIEW_MEMORY))

static const struct layout columns[COLUMNS_NR] = {
	[COL_ID] = { "ID", 5, EVERYWHERE, true },
	[COL_NAME] = { "NAME", -12, EVERYWHERE, true },
	[COL_PID] = { "PID", 7, EVERYWHERE, true },
	[COL_UID] = { "UID", 5, IN(VIEW_ALL), true },
	[COL_CPUS] = { "CPUS", 4, IN(VIEW_ALL) | IN(VIEW_EXITS), false },
	[COL_RAM] = { "RAM", 7, OF_MEMORY, false },
	[COL_RESIDENT] = { "RESIDENT", 8, OF_MEMORY, false },
	[COL_UNIQUE] = { "UNIQUE", 7, OF_MEMORY, false },
	[COL_MERGED] = { "MERGED", 7, OF_MEMORY, false },
	[COL_FORKED] = { "FORKED", 7, OF_MEMORY, false },
	[COL_COMPRESSED] = { "COMPRESSED", 10, OF_MEMORY, false },
	[COL_ZERO] = { "ZERO", 7, OF_MEMORY, false },
	[COL_FAIR] = { "FAIR", 7, OF_MEMORY, false },
	[COL_EXITS] = { "EXITS/S", 9, EVERYWHERE, false },
};

/* Those columns that are bytes. */
static const int figure_of[COLUMNS_NR] = {
	[COL_RAM] = RAM + 1, [COL_RESIDENT] = RESIDENT + 1, [COL_UNIQUE] = UNIQUE + 1,
	[COL_MERGED] = MERGED + 1, [COL_FORKED] = FORKED + 1, [COL_COMPRESSED] = COMPRESSED + 1,
	[COL_ZERO] = ZERO + 1,
};

/* A title in small letters, up to what is no letter. */
static void sort_name(enum column c, char name[16])
{
	size_t n = 0;

	for (const char *p = columns[c].title; *p && *p != '/' && n < 15; p++)
		name[n++] = *p | 0x20;
	name[n] = '\0';
}

/**
 * top_sort_by() - sort by a column
 * @t: the table
 * @name: of the column, in small letters
 *
 * Return: whether there is one of that name.
 */
bool top_sort_by(struct top *t, const char *name)
{
	char is[16];

	for (enum column c = 0; c < COLUMNS_NR; c++) {
		sort_name(c, is);
		if (!strcmp(is, name)) {
			t->sort = c;
			return true;
		}
	}
	return false;
}

/**
 * top_sort_name() - what it is sorted by
 * @t: the table
 *
 * Return: text, until the next call.
 */
const char *top_sort_name(const struct top *t)
{
	static char name[16];

	sort_name(t->sort, name);
	return name;
}

/**
 * top_sort_next() - sort by the next column that can be seen
 * @t: the table
 * @step: 1 or -1
 */
void top_sort_next(struct top *t, int step)
{
	do
		t->sort = (t->sort + COLUMNS_NR + step) % COLUMNS_NR;
	while (!(columns[t->sort].views & IN(t->view)));
}

static double value_of(const struct top_row *r, enum column c)
{
	const struct machine *m = r->machine;

	if (figure_of[c])
		return m->figure[figure_of[c] - 1];
	switch (c) {
	case COL_ID:
		return m->id;
	case COL_PID:
		return m->pid;
	case COL_UID:
		return m->uid;
	case COL_CPUS:
		return m->vcpus;
	case COL_FAIR:
		return r->fair;
	default:
		return r->exits;
	}
}

/* Equal ones stand in the order of their numbers, so that they do not jump. */
static int compare(const void *a, const void *b, void *arg)
{
	const struct top_row *x = a, *y = b;
	const struct top *t = arg;
	double dx, dy;
	int sign = t->reverse ? -1 : 1, order;

	if (t->sort == COL_NAME) {
		order = strverscmp(x->machine->name, y->machine->name);
	} else {
		dx = value_of(x, t->sort);
		dy = value_of(y, t->sort);
		order = (dx > dy) - (dx < dy);
		if (!columns[t->sort].rising)
			order = -order;
	}
	if (order)
		return sign * order;
	return (x->machine->id > y->machine->id) - (x->machine->id < y->machine->id);
}

/* "uid=N", "pid=N", "id=N", or a part of the name. */
static bool passes(const struct top *t, const struct machine *m)
{
	static const char *const keys[] = { "uid=", "pid=", "id=" };
	const uint64_t values[] = { m->uid, m->pid, m->id };
	unsigned int value;

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (!strncmp(t->filter, keys[i], strlen(keys[i])))
			return parse_uint(t->filter + strlen(keys[i]), &value) &&
			       value == values[i];
	return strstr(m->name, t->filter);
}

static void row_fill(const struct top *t, struct top_row *r, const struct machine *m)
{
	const struct machine *old = sample_find(&t->before, m);
	double seconds = t->now.time - t->before.time;

	*r = (struct top_row){ .machine = m, .fair = machine_fair(m) };
	if (!old)
		return;
	r->exits = rate_of(old->figure[EXITS], m->figure[EXITS], seconds);
	for (size_t i = 0; i < t->source->kinds.count; i++)
		r->kind[i] = rate_of(old->exits[i], m->exits[i], seconds);
}

/**
 * top_arrange() - make the rows anew, after something other than the machines changed
 * @t: the table
 *
 * Return: 0 or -1: no memory.
 */
int top_arrange(struct top *t)
{
	struct top_row *bigger = reallocarray(t->row, t->now.count + 1, sizeof(*t->row));

	if (!bigger)
		return -1;
	t->row = bigger;
	t->rows = 0;
	for (size_t i = 0; i < t->now.count; i++)
		if (passes(t, &t->now.machine[i]))
			row_fill(t, &t->row[t->rows++], &t->now.machine[i]);
	qsort_r(t->row, t->rows, sizeof(*t->row), compare, t);
	return 0;
}

/**
 * top_take() - look again
 * @t: the table
 *
 * Where that fails nothing is known any more: the next look that succeeds is a first one.
 *
 * Return: as source_look().
 */
int top_take(struct top *t)
{
	struct sample next;
	int ret = source_look(t->source, &next);

	if (ret <= 0)
		sample_free(&next);
	if (!ret)
		return 0;
	t->rows = 0;
	sample_move(&t->before, &t->now);
	sample_move(&t->now, &next);
	if (ret > 0 && top_arrange(t) < 0) {
		snprintf(t->source->why, sizeof(t->source->why), "no memory");
		ret = -1;
	}
	return ret;
}

struct ranked {
	size_t kind;
	double rate;
};

static int by_rate(const void *a, const void *b)
{
	double x = ((const struct ranked *)a)->rate, y = ((const struct ranked *)b)->rate;

	return (x < y) - (x > y);
}

/**
 * top_kinds() - exits a second by kind, most frequent first
 * @s: knows their names
 * @rate: by kind
 * @most: how many kinds
 * @text: filled in; as many as fit
 * @len: of @text
 *
 * Return: characters.
 */
size_t top_kinds(const struct source *s, const double *rate, size_t most, char *text, size_t len)
{
	struct ranked ranked[EXIT_KINDS_MAX];
	size_t n = 0, at = 0;

	for (size_t i = 0; i < s->kinds.count; i++)
		if (rate[i] >= 0.5)
			ranked[n++] = (struct ranked){ i, rate[i] };
	qsort(ranked, n, sizeof(*ranked), by_rate);
	*text = '\0';
	for (size_t i = 0; i < n && i < most; i++) {
		int more = snprintf(text + at, len - at, "%s%s %.0f", at ? "  " : "",
				    s->kinds.name[ranked[i].kind], ranked[i].rate);

		if ((size_t)more >= len - at) {
			text[at] = '\0';
			break;
		}
		at += more;
	}
	return at;
}

static void sums_of(const struct top *t, struct top_row *sum, struct machine *m)
{
	*m = (struct machine){ 0 };
	*sum = (struct top_row){ .machine = m };
	for (size_t r = 0; r < t->rows; r++) {
		for (size_t i = 0; i < SIZES; i++)
			m->figure[i] += t->row[r].machine->figure[i];
		m->vcpus += t->row[r].machine->vcpus;
		sum->fair += t->row[r].fair;
		sum->exits += t->row[r].exits;
		for (size_t i = 0; i < EXIT_KINDS_MAX; i++)
			sum->kind[i] += t->row[r].kind[i];
	}
}

static void head_machines(const struct top *t, const struct top_row *sum, char line[TOP_LINE])
{
	time_t seconds = t->now.time;
	struct tm tm = { 0 };
	size_t n;

	localtime_r(&seconds, &tm);
	n = strftime(line, TOP_LINE, seconds ? "ditto top %H:%M:%S  " : "ditto top  ", &tm);
	n += snprintf(line + n, TOP_LINE - n,
		      "machines %zu of %zu%s  vCPUs %u  exits/s %.0f  sort %s", t->rows,
		      t->now.count, t->source->log || !geteuid() ? "" : " of yours",
		      sum->machine->vcpus, sum->exits, top_sort_name(t));
	if (*t->filter)
		snprintf(line + n, TOP_LINE - n, "  filter %s", t->filter);
}

static void head_memory(const struct top_row *sum, char line[TOP_LINE])
{
	static const struct {
		const char *label;
		enum figure figure;
	} parts[] = {
		{ "promised", RAM }, { "resident", RESIDENT }, { "unique", UNIQUE },
		{ "merged", MERGED }, { "forked", FORKED }, { "compressed", COMPRESSED },
		{ "zero", ZERO },
	};
	char buf[16];
	int n = snprintf(line, TOP_LINE, "memory  fair %s",
			 format_size(sum->fair, buf, sizeof(buf)));

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		n += snprintf(line + n, TOP_LINE - n, "  %s %s", parts[i].label,
			      format_size(sum->machine->figure[parts[i].figure], buf, sizeof(buf)));
}

static void head_engine(const struct top *t, char line[TOP_LINE])
{
	static const char *const states[] = { "stopped", "running", "unmerged" };
	const long long *now = t->now.engine, *old = t->before.engine;
	double seconds = t->before.time ? t->now.time - t->before.time : 0;
	uint64_t profit = llabs(now[PROFIT]);
	char buf[16];

	snprintf(line, TOP_LINE, "merging %s  shared %lld  sharing %lld  zero %lld  scanned/s "
		 "%.0f  passes %lld  profit %s%s  compressed in %lld pages",
		 now[RUN] >= 0 && now[RUN] < 3 ? states[now[RUN]] : "?", now[PAGES_SHARED],
		 now[PAGES_SHARING], now[ZERO_PAGES],
		 rate_of(old[PAGES_SCANNED], now[PAGES_SCANNED], seconds), now[FULL_SCANS],
		 now[PROFIT] < 0 ? "-" : "", format_size(profit, buf, sizeof(buf)),
		 now[POOL_PAGES]);
}

/**
 * top_head() - a line above the table
 * @t: the table
 * @n: below TOP_HEADS
 * @line: filled in
 */
void top_head(const struct top *t, unsigned int n, char line[TOP_LINE])
{
	struct top_row sum;
	struct machine m;
	size_t at;

	sums_of(t, &sum, &m);
	if (n == 0) {
		head_machines(t, &sum, line);
	} else if (n == 1) {
		head_memory(&sum, line);
	} else if (n == 2) {
		head_engine(t, line);
	} else {
		at = snprintf(line, TOP_LINE, "exits/s ");
		top_kinds(t->source, sum.kind, EXIT_KINDS_MAX, line + at, TOP_LINE - at);
	}
}

static size_t put_cell(char *line, size_t at, enum column c, const char *text)
{
	int width = columns[c].width;

	if (width < 0)
		return at + snprintf(line + at, TOP_LINE - at, "%-*.*s ", -width, 2 * -width, text);
	return at + snprintf(line + at, TOP_LINE - at, "%*s ", width, text);
}

static void end_line(char *line, size_t at)
{
	while (at && line[at - 1] == ' ')
		at--;
	line[at] = '\0';
}

/**
 * top_titles() - the line above the rows
 * @t: the table
 * @line: filled in
 */
void top_titles(const struct top *t, char line[TOP_LINE])
{
	size_t at = 0;

	for (enum column c = 0; c < COLUMNS_NR; c++)
		if (columns[c].views & IN(t->view))
			at = put_cell(line, at, c, columns[c].title);
	if (t->view != VIEW_MEMORY)
		at += snprintf(line + at, TOP_LINE - at, "BY KIND");
	end_line(line, at);
}

static void cell_text(const struct top_row *r, enum column c, char *text, size_t len)
{
	double value = value_of(r, c);

	if (c == COL_NAME)
		snprintf(text, len, "%s", *r->machine->name ? r->machine->name : "-");
	else if (figure_of[c] || c == COL_FAIR)
		format_size(value, text, len);
	else
		snprintf(text, len, "%.0f", value);
}

/**
 * top_line() - a machine's line
 * @t: the table
 * @row: below @rows
 * @line: filled in
 */
void top_line(const struct top *t, size_t row, char line[TOP_LINE])
{
	const struct top_row *r = &t->row[row];
	char text[40];
	size_t at = 0;

	for (enum column c = 0; c < COLUMNS_NR; c++) {
		if (!(columns[c].views & IN(t->view)))
			continue;
		cell_text(r, c, text, sizeof(text));
		at = put_cell(line, at, c, text);
	}
	if (t->view != VIEW_MEMORY)
		at += top_kinds(t->source, r->kind, EXIT_KINDS_MAX, line + at, TOP_LINE - at);
	end_line(line, at);
}

/**
 * top_free() - forget all of it
 * @t: the table
 */
void top_free(struct top *t)
{
	sample_free(&t->before);
	sample_free(&t->now);
	free(t->row);
	t->row = NULL;
}
