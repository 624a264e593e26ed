/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef DITTO_TOPTABLE_H
#define DITTO_TOPTABLE_H

#include "sample.h"

/* The columns, in the order in which they stand; what a machine is can be left out on screens. */
enum column {
	COL_ID, COL_NAME, COL_PID, COL_UID, COL_CPUS, COL_RAM, COL_RESIDENT, COL_UNIQUE, COL_MERGED,
	COL_FORKED, COL_COMPRESSED, COL_ZERO, COL_FAIR, COL_EXITS,
	COLUMNS_NR
};

enum top_view {
	VIEW_ALL,	/* every column, and then exits by kind */
	VIEW_MEMORY,
	VIEW_EXITS,
};

#define TOP_LINE	1024
#define TOP_HEADS	4	/* lines above the table */

/**
 * struct top_row - a machine as it is shown
 * @machine: now
 * @fair: what it takes, in bytes
 * @exits: a second, all kinds
 * @kind: a second, by kind
 */
struct top_row {
	const struct machine *machine;
	uint64_t fair;
	double exits;
	double kind[EXIT_KINDS_MAX];
};

/**
 * struct top - what is shown
 * @source: of the samples; its kinds of exits
 * @before, @now: two looks; the first may be none
 * @row, @rows: what is left after the filter, in order; owned
 * @sort: by which column
 * @reverse: the other way round
 * @view: which columns
 * @filter: text, or ""
 */
struct top {
	struct source *source;
	struct sample before, now;
	struct top_row *row;
	size_t rows;
	enum column sort;
	bool reverse;
	enum top_view view;
	char filter[64];
};

bool top_sort_by(struct top *t, const char *name);
const char *top_sort_name(const struct top *t);
void top_sort_next(struct top *t, int step);
int top_arrange(struct top *t);
int top_take(struct top *t);
void top_head(const struct top *t, unsigned int n, char line[TOP_LINE]);
void top_titles(const struct top *t, char line[TOP_LINE]);
void top_line(const struct top *t, size_t row, char line[TOP_LINE]);
size_t top_kinds(const struct source *s, const double *rate, size_t most, char *text, size_t len);
void top_free(struct top *t);

#endif
